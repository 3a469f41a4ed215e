"""The sign-in: the device flow and the code flow, with every refusal, over the wire."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from langchain_pollinations.emulator import Emulator

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
Poll = Callable[[httpx.Client, dict[str, Any]], httpx.Response]


@pytest.fixture
def app(http: httpx.Client) -> httpx.Client:
    """A client without an API key."""
    del http.headers["authorization"]
    return http


def start(app: httpx.Client, **fields: str) -> dict[str, Any]:
    response = app.post("/api/device/code", data={"client_id": "pk_app", **fields})
    assert response.status_code == 200 and response.headers["cache-control"] == "no-store"
    found: dict[str, Any] = response.json()
    return found


def poll_current(app: httpx.Client, started: dict[str, Any]) -> httpx.Response:
    fields = {"grant_type": DEVICE, "device_code": started["device_code"], "client_id": "pk_app"}
    return app.post("/api/oauth/token", data=fields)


def poll_former(app: httpx.Client, started: dict[str, Any]) -> httpx.Response:
    return app.post("/api/device/token", json={"device_code": started["device_code"]})


@pytest.fixture(params=[poll_current, poll_former])
def poll(request: pytest.FixtureRequest) -> Poll:
    """Ask for the token, at the current route and at the former one."""
    found: Poll = request.param
    return found


def refusal(response: httpx.Response) -> str:
    assert response.status_code == 400 and response.headers["cache-control"] == "no-store"
    assert response.json().keys() == {"error", "error_description"}
    return str(response.json()["error"])


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


class Page(HTMLParser):
    """The form of a page: the fields that a browser would send, and the ids of labels and inputs."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        self.fields: list[tuple[str, str]] = []
        self.labels: set[str] = set()
        self.named: set[str] = set()
        self.buttons: list[str] = []
        self.feed(response.text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        if tag == "input":
            self.fields.append((found["name"], found.get("value", "")))
            if found.get("type") not in ("hidden", "checkbox"):
                self.named.add(found["id"])
        elif tag == "label" and "for" in found:
            self.labels.add(found["for"])
        elif tag == "button":
            self.buttons.append(found.get("value", ""))

    def send(self, app: httpx.Client, path: str, decision: str, **changes: str) -> httpx.Response:
        data: dict[str, list[str]] = {"decision": [decision]}
        for name, value in self.fields:
            data.setdefault(name, []).append(value)
        return app.post(path, data=data | {name: [value] for name, value in changes.items()})


def test_discovery_names_the_routes_of_this_origin(app: httpx.Client, emulator: Emulator) -> None:
    found = app.get("/.well-known/oauth-authorization-server").json()
    assert found["issuer"] == emulator.url
    for name in ("authorization", "token", "userinfo", "device_authorization"):
        path = found[f"{name}_endpoint"].removeprefix(emulator.url)
        assert path.startswith("/") and (app.post(path).status_code, app.get(path).status_code) != (404, 404)
    assert found["grant_types_supported"] == ["authorization_code", DEVICE]


# --- Device flow ------------------------------------------------------------------------------------------------------


def test_a_user_approves_on_the_page_and_the_app_gets_a_key(app: httpx.Client, emulator: Emulator, poll: Poll) -> None:
    started = start(app, scope="profile usage")
    assert re.fullmatch(r"[A-Z]{4}-[0-9]{4}", started["user_code"])
    assert started["verification_uri"] == f"{emulator.url}/device"
    assert started["verification_uri_complete"] == f"{emulator.url}/device?user_code={started['user_code']}"
    assert (started["expires_in"], started["interval"]) == (1800, 5)
    assert refusal(poll(app, started)) == "authorization_pending"

    page = Page(app.get(started["verification_uri_complete"]))
    assert page.fields == [
        ("user_code", started["user_code"]), ("scope", "profile"), ("scope", "usage"), ("budget", "5"), ("days", "7"),
    ]  # fmt: skip
    assert page.buttons == ["approve", "deny"] and page.named == page.labels
    assert page.send(app, "/device", "approve", scope="usage").status_code == 200

    response = poll(app, started)
    assert response.headers["cache-control"] == "no-store"
    key = response.json().pop("access_token")
    assert response.json() == {"access_token": key, "token_type": "bearer"} and key.startswith("sk_")
    described = app.get("/account/key", headers=bearer(key)).json()
    assert described["pollenBudget"] == 5 and 0 <= 7 * 86400 - described["expiresIn"] <= 60
    assert described["permissions"] == {"models": None, "account": ["usage"]} and described["byopClientKeyId"]
    assert app.get("/text/hi", headers=bearer(key)).status_code == 200
    (record,) = emulator.ledger
    assert emulator.keys["sk_emulator"]["balance"] == 1000 - record.cost and record.key == key
    assert refusal(poll(app, started)) == "invalid_grant"  # used
    assert Page(app.get(started["verification_uri_complete"])).buttons == [""]  # asks for another code


def test_a_denied_request_is_over(app: httpx.Client, poll: Poll) -> None:
    started = start(app)
    page = Page(app.get("/device", params={"user_code": started["user_code"].lower().replace("-", " ")}))
    assert page.send(app, "/device", "deny", budget="?").status_code == 200
    assert [refusal(poll(app, started)) for _ in range(2)] == ["access_denied"] * 2
    assert page.send(app, "/device", "approve").status_code == 400


def test_polling_too_fast_is_refused_until_the_user_decides(app: httpx.Client, emulator: Emulator, poll: Poll) -> None:
    emulator.state.device_interval = 0.2
    started = start(app)
    assert started["interval"] == 0.2
    assert [refusal(poll(app, started)) for _ in range(3)] == ["authorization_pending", "slow_down", "slow_down"]
    time.sleep(0.25)
    assert refusal(poll(app, started)) == "authorization_pending"
    key = emulator.approve(started["user_code"], budget=None, expires_in=None)
    assert poll(app, started).json()["access_token"] == key
    described = app.get("/account/key", headers=bearer(key)).json()
    assert (described["pollenBudget"], described["expiresAt"]) == (None, None)


def test_a_code_expires(app: httpx.Client, emulator: Emulator, poll: Poll) -> None:
    emulator.state.device_lifetime = 0
    started = start(app)
    assert refusal(poll(app, started)) == "expired_token"
    assert app.get(started["verification_uri_complete"]).status_code == 400
    with pytest.raises(ValueError, match="user_code 'none' is unknown"):
        emulator.approve("none")
    emulator.reset()
    assert emulator.state.device_lifetime == 1800 and refusal(poll(app, started)) == "invalid_grant"


def test_a_decision_from_python_is_final(app: httpx.Client, emulator: Emulator) -> None:
    started = start(app, permissions="usage,keys")  # the former name of `scope`
    for wrong in ({"scopes": ["profile"]}, {"budget": -1}, {"budget": float("nan")}, {"expires_in": 0}):
        with pytest.raises(ValueError):
            emulator.approve(started["user_code"], **wrong)  # type: ignore[arg-type]
    assert emulator.keys[emulator.approve(started["user_code"])]["scopes"] == ["usage", "keys"]
    with pytest.raises(ValueError):
        emulator.deny(started["user_code"])
    emulator.deny(other := start(app)["user_code"])
    with pytest.raises(ValueError):
        emulator.approve(other)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": DEVICE}, "invalid_request"),
        ({"grant_type": DEVICE, "device_code": "x"}, "invalid_grant"),
        ({"grant_type": "authorization_code", "code": "x"}, "invalid_request"),
    ],
)
def test_a_wrong_token_request_is_refused(app: httpx.Client, fields: dict[str, str], error: str) -> None:
    assert refusal(app.post("/api/oauth/token", data=fields)) == error
    assert refusal(app.post("/api/oauth/token", json=fields)) == error


def test_further_refusals_of_the_token_routes(app: httpx.Client) -> None:
    started = start(app)
    other = {"grant_type": DEVICE, "device_code": started["device_code"], "client_id": "pk_other"}
    assert refusal(app.post("/api/oauth/token", data=other)) == "invalid_grant"
    assert refusal(app.post("/api/device/code", data={"scope": "usage everything"})) == "invalid_scope"
    for body in (b"{", b"[]", b'{"device_code": 1}', b"[" * 100_000):
        sent = app.post("/api/device/token", content=body, headers={"content-type": "application/json"})
        assert refusal(sent) == "invalid_request"


@pytest.mark.parametrize("wrong", [{"budget": "much"}, {"budget": "-1"}, {"budget": "NaN"}, {"days": "0"},
                                   {"days": "1e12"}, {"days": "inf"}, {"days": "a week"}])  # fmt: skip
def test_the_page_shows_a_wrong_value_again(app: httpx.Client, wrong: dict[str, str]) -> None:
    started = start(app)
    page = Page(app.get(started["verification_uri_complete"]))
    again = page.send(app, "/device", "approve", **wrong)
    assert again.status_code == 400 and 'role="alert"' in again.text
    assert wrong.items() <= dict(Page(again).fields).items()
    assert Page(again).send(app, "/device", "approve", budget="", days="").status_code == 200
    assert "access_token" in poll_current(app, started).json()


def test_texts_of_the_request_are_escaped(app: httpx.Client) -> None:
    started = app.post("/api/device/code", json={"client_id": '<script>"'}).json()
    for query in ({"user_code": started["user_code"]}, {"user_code": '"><script>'}):
        response = app.get("/device", params=query)
        assert "<script>" not in response.text and "default-src 'none'" in response.headers["content-security-policy"]


def test_a_revoked_key_is_unknown_at_once(app: httpx.Client, emulator: Emulator) -> None:
    key = emulator.approve(start(app)["user_code"])
    name = app.get("/account/key", headers=bearer(key)).json()["keyId"]
    assert app.get("/api/oauth/userinfo", headers=bearer(key)).status_code == 200
    assert app.delete(f"/account/keys/{name}", headers=bearer("sk_emulator")).json() == {"success": True}
    assert app.get("/api/oauth/userinfo", headers=bearer(key)).status_code == 401


def test_userinfo_has_name_and_email_with_a_scope(app: httpx.Client, emulator: Emulator) -> None:
    for scope, names in (("usage", set()), ("profile", {"name", "email"})):
        key = emulator.approve(start(app, scope=scope)["user_code"])
        for path in ("/api/oauth/userinfo", "/api/device/userinfo"):
            found = app.get(path, headers=bearer(key)).json()
            assert found.keys() == {"sub", "preferred_username", "picture"} | names
    assert found["sub"] == app.get("/account/key", headers=bearer("sk_emulator")).json()["userId"]


# --- Code flow --------------------------------------------------------------------------------------------------------

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
CALLBACK = "http://localhost:1234/callback?from=enter"
REQUEST = {
    "response_type": "code", "client_id": "pk_app", "redirect_uri": CALLBACK, "scope": "usage profile", "state": "s&1",
    "code_challenge": CHALLENGE, "code_challenge_method": "S256", "models": "flux", "budget": "2", "expiry": "1",
}  # fmt: skip


@pytest.fixture
def registered(emulator: Emulator) -> None:
    emulator.keys["pk_app"] = {
        "redirect_uris": ["http://localhost/callback?from=enter", "https://app.example/back"], "scopes": []
    }  # fmt: skip


def redirected(app: httpx.Client, decision: str = "approve", **changes: str) -> dict[str, list[str]]:
    response = Page(app.get("/authorize", params=REQUEST)).send(app, "/authorize", decision, **changes)
    assert response.status_code == 303 and response.headers["location"].startswith(f"{CALLBACK}&")
    return parse_qs(urlsplit(response.headers["location"]).query)


def exchange(app: httpx.Client, code: str, **changes: str) -> httpx.Response:
    fields = {"grant_type": "authorization_code", "code": code, "client_id": "pk_app", "redirect_uri": CALLBACK}
    return app.post("/api/oauth/token", data={**fields, "code_verifier": VERIFIER, **changes})


@pytest.mark.usefixtures("registered")
def test_a_code_is_exchanged_once_for_a_key(app: httpx.Client) -> None:
    page = Page(app.get("/authorize", params=REQUEST))
    assert {"budget": "2", "days": "1"}.items() <= dict(page.fields).items() and page.named == page.labels
    found = redirected(app, scope="usage")
    assert found.keys() == {"from", "code", "state"} and found["state"] == ["s&1"]
    token = exchange(app, found["code"][0]).json()
    key = token.pop("access_token")
    assert token == {"token_type": "bearer", "expires_in": 86400, "scope": "usage"}
    described = app.get("/account/key", headers=bearer(key)).json()
    assert described["permissions"] == {"models": ["image"], "account": ["usage"]} and described["pollenBudget"] == 2
    assert refusal(exchange(app, found["code"][0])) == "invalid_grant"


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": "pk_other"}, "invalid_grant"),
        ({"redirect_uri": "http://localhost:1/callback?from=enter"}, "invalid_grant"),
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": "v" * 42}, "invalid_request"),
        ({"code_verifier": ""}, "invalid_request"),
    ],
)
def test_a_failed_exchange_burns_the_code(app: httpx.Client, changes: dict[str, str], error: str) -> None:
    code = redirected(app)["code"][0]
    assert refusal(exchange(app, code, **changes)) == error
    if error == "invalid_grant":
        assert refusal(exchange(app, code)) == error


@pytest.mark.usefixtures("registered")
def test_a_code_expires_and_a_user_can_refuse(app: httpx.Client, emulator: Emulator) -> None:
    assert redirected(app, "deny").items() >= {"error": ["access_denied"], "state": ["s&1"]}.items()
    emulator.state.code_lifetime = 0
    assert refusal(exchange(app, redirected(app)["code"][0])) == "invalid_grant"


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://app.example/other"},
        {"redirect_uri": "https://app.example:444/back"},
        {"redirect_uri": "http://localhost:1/callback"},
        {"redirect_uri": "http://me@localhost:1/callback?from=enter"},
        {"redirect_uri": "http://[::1"},
        {"redirect_uri": "http://localhost.example/callback?from=enter"},
        {"client_id": "pk_other"},
        {"client_id": ""},
        {"response_type": "token"},
        {"code_challenge": "x"},
        {"code_challenge_method": "plain"},
        {"scope": "everything"},
        {"models": "nope"},
    ],
)
def test_a_wrong_authorization_never_leaves_the_page(app: httpx.Client, changes: dict[str, str]) -> None:
    wrong = REQUEST | changes
    sent = {name: value for name, value in wrong.items() if name != "scope"} | {"requested": wrong["scope"]}
    for response in (
        app.get("/authorize", params=wrong), app.post("/authorize", data=sent | {"decision": "approve"})
    ):  # fmt: skip
        assert response.status_code == 400 and "location" not in response.headers


@pytest.mark.usefixtures("registered")
def test_a_wrong_value_on_the_consent_page_is_shown_again(app: httpx.Client) -> None:
    page = Page(app.get("/authorize", params=REQUEST))
    again = page.send(app, "/authorize", "approve", budget="much")
    assert again.status_code == 400 and "The budget must be a number" in again.text
    assert Page(again).send(app, "/authorize", "approve", budget="1").status_code == 303
