"""The sign-in, the key in the keyring, and the command line."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked
from pydantic import SecretStr

from langchain_pollinations import errors
from langchain_pollinations.__main__ import main
from langchain_pollinations._config.keys import store_key
from langchain_pollinations.account import PollinationsAccount
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.sign_in import DeviceCode, SignIn, SignInHost, alogin, code_request, login, poll

Login = Callable[..., SecretStr]
TOKEN, CODE = "/api/oauth/token", "/api/device/code"


@pytest.fixture(params=["sync", "async"])
def sign_in(request: pytest.FixtureRequest) -> Login:
    """`login`, or `alogin` in an event loop of its own."""
    return login if request.param == "sync" else lambda *args, **options: asyncio.run(alogin(*args, **options))


@pytest.fixture(autouse=True)
def _quick_polls(emulator: Emulator) -> None:
    emulator.state.device_interval = 0.02


def _decide(decision: str, **fields: Any) -> Callable[[SignIn], None]:
    """A function that opens the page of a sign-in and confirms or declines it there, as a user does."""

    def show(shown: SignIn) -> None:
        assert shown.user_code in httpx.get(shown.url).text
        form = {"user_code": shown.user_code, "decision": decision, "budget": "5", "days": "7", **fields}
        httpx.post(shown.verification_uri, data=form).raise_for_status()

    return show


approve, deny = _decide("approve"), _decide("deny")


class MemoryKeyring(KeyringBackend):
    """A keyring in memory."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}
        self.reads = 0
        self.failure: Exception | None = None

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def get_password(self, service: str, username: str) -> str | None:
        self._check()
        self.reads += 1
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._check()
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


@pytest.fixture
def memory() -> Iterator[MemoryKeyring]:
    before, memory = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


def _polls(emulator: Emulator) -> list[Any]:
    return [request for request in emulator.requests if request.path == TOKEN]


# --- The device flow --------------------------------------------------------------------------------------------------


def test_a_confirmed_sign_in_returns_a_key_with_the_granted_limits(emulator: Emulator, sign_in: Login) -> None:
    shown: list[SignIn] = []

    def show(sign_in: SignIn) -> None:
        shown.append(sign_in)
        _decide("approve", scope="usage", budget="0.5")(sign_in)

    key = sign_in(["usage", "profile"], base_url=emulator.url, show=show, client_id="pk_app", api_key="sk_emulator")
    info = PollinationsAccount(base_url=emulator.url, api_key=key).key()
    assert (info.scopes, str(info.budget)) == (("usage",), "0.5")
    ChatPollinations(base_url=emulator.url, api_key=key).invoke("Hi")
    assert shown[0].expires_in == 1800
    start, *_ = [request for request in emulator.requests if request.path == CODE]
    assert start.body == b"client_id=pk_app&scope=usage+profile"
    assert {request.headers.get("authorization") for request in [start, *_polls(emulator)]} == {None}
    assert key.get_secret_value() not in f"{key} {shown}"


def test_a_sign_in_waits_until_the_user_confirms(emulator: Emulator, sign_in: Login) -> None:
    emulator.reply(body={"error": "authorization_pending"}, status=400, on=TOKEN, times=2)
    emulator.reply(body={"error": "authorization_pending"}, status=200, on=TOKEN)  # the status does not matter
    assert sign_in(base_url=emulator.url, show=approve).get_secret_value().startswith("sk_")
    assert len(_polls(emulator)) == 4
    gaps = [after.at - before.at for before, after in zip(_polls(emulator), _polls(emulator)[1:], strict=False)]
    assert min(gaps) >= 0.02


@pytest.mark.parametrize("case", [503, 500, 429, "drop", "edge page"])
def test_a_failing_service_or_connection_is_polled_again(emulator: Emulator, sign_in: Login, case: int | str) -> None:
    emulator.fail(case, on=TOKEN, times=4)  # more often than a call is retried
    assert sign_in(base_url=emulator.url, show=approve)
    assert len(_polls(emulator)) == 5


ENDINGS: list[tuple[dict[str, Any], type[errors.PollinationsError], str]] = [
    ({"error": "access_denied", "error_description": "Not today"}, errors.SignInDeniedError, "declined.*Not today"),
    ({"error": "expired_token"}, errors.SignInExpiredError, "not confirmed in time"),
    ({"error": "invalid_grant"}, errors.SignInError, "used already"),
    ({"error": "invalid_client", "error_description": "No such app"}, errors.SignInError, "refused: No such app"),
]


@pytest.mark.parametrize("status", [200, 400, 403])
@pytest.mark.parametrize(("body", "kind", "says"), ENDINGS, ids=lambda value: str(value)[:30])
def test_an_error_of_the_sign_in_host_ends_the_sign_in(
    emulator: Emulator,
    sign_in: Login,
    body: dict[str, Any],
    kind: type[errors.PollinationsError],
    says: str,
    status: int,
) -> None:
    emulator.reply(body=body, status=status, on=TOKEN)
    with pytest.raises(kind, match=says) as caught:
        sign_in(base_url=emulator.url, show=lambda _: None)
    assert caught.value.code == body["error"]
    assert isinstance(caught.value, errors.AuthenticationError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert len(_polls(emulator)) == 1


def test_a_refused_request_for_a_code_is_a_sign_in_error(emulator: Emulator, sign_in: Login) -> None:
    emulator.reply(body={"error": "invalid_scope"}, status=400, on=CODE)
    with pytest.raises(errors.SignInError, match="400, invalid_scope"):
        sign_in(base_url=emulator.url, show=lambda _: None)


def test_a_declined_sign_in_is_an_error(emulator: Emulator, sign_in: Login) -> None:
    with pytest.raises(errors.SignInDeniedError):
        sign_in(base_url=emulator.url, show=deny)


def test_a_sign_in_expires_with_its_code_even_if_the_service_does_not_say_so(
    emulator: Emulator, sign_in: Login
) -> None:
    emulator.state.device_lifetime = 0.1
    emulator.fail(503, on=TOKEN, times=99)
    with pytest.raises(errors.SignInExpiredError, match="not confirmed in time") as caught:
        sign_in(base_url=emulator.url, show=lambda _: None)
    assert caught.value.code == "expired_token"
    emulator.reset()


def test_slow_down_lengthens_the_interval_for_good() -> None:
    code = DeviceCode(SecretStr("d"), 5.0, SignIn("https://a.example", "C", "https://a.example", 1000.0))
    polling = poll(SignInHost(show=lambda _: None), code)
    waits, answer = [], None
    for next_answer in ("slow_down", "authorization_pending", "slow_down", errors.RateLimitError("", retry_after=60)):
        waits.append(polling.send(answer))
        next(polling)
        answer = next_answer
    waits.append(polling.send(answer))
    assert waits == [5.0, 10.0, 10.0, 15.0, 60.0]


CODE_BODY = {"device_code": "d", "user_code": "C", "verification_uri": "https://a.example", "expires_in": 5}


@pytest.mark.parametrize(("sent", "interval"), [({}, 5.0), ({"interval": 0}, 5.0), ({"interval": 0.5}, 0.5)])
def test_the_polls_never_follow_without_a_pause(sent: dict[str, Any], interval: float) -> None:
    assert code_request(SignInHost()).parse(httpx.Response(200, json=CODE_BODY | sent)).interval == interval


@pytest.mark.parametrize(
    "changed",
    [
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": None},
        {"expires_in": -1},
        {"expires_in": None},
        {"interval": "x"},
        {"device_code": ""},
    ],
    ids=repr,
)
def test_a_wrong_code_is_an_invalid_response(emulator: Emulator, sign_in: Login, changed: dict[str, Any]) -> None:
    emulator.reply(body=CODE_BODY | changed, on=CODE)
    with pytest.raises(errors.InvalidResponseError, match="sign-in"):
        sign_in(base_url=emulator.url, show=lambda _: None)


@pytest.mark.parametrize(
    "body",
    [{"access_token": ["sk_secret"]}, {"access_token": "sk_ secret"}, {"token": "sk_secret"}, "sk_secret", b"\xff"],
    ids=repr,
)
def test_an_answer_without_a_usable_key_is_an_error_that_does_not_repeat_it(
    emulator: Emulator, sign_in: Login, body: Any
) -> None:
    emulator.reply(body=body, on=TOKEN)
    with pytest.raises(errors.InvalidResponseError, match="holds no key") as caught:
        sign_in(base_url=emulator.url, show=lambda _: None)
    found = caught.value
    assert "secret" not in f"{found!r} {found.__dict__} {found.__cause__!r} {found.__context__!r}"


def test_scopes_that_were_not_granted_are_named(emulator: Emulator, sign_in: Login) -> None:
    emulator.reply(body={"access_token": "sk_x", "scope": "profile"}, on=TOKEN)
    with pytest.warns(UserWarning, match="scopes: usage, keys"):
        sign_in(["profile", "usage", "keys"], base_url=emulator.url, show=lambda _: None)


@pytest.mark.filterwarnings("error")
def test_a_warning_that_is_raised_does_not_lose_or_show_the_key(
    emulator: Emulator, sign_in: Login, memory: MemoryKeyring
) -> None:
    emulator.reply(body={"access_token": "sk_hidden", "scope": ""}, on=TOKEN)
    with pytest.raises(UserWarning, match="scopes: usage") as caught:
        sign_in("usage", base_url=emulator.url, show=lambda _: None, save=True)
    assert [*memory.entries.values()] == ["sk_hidden"]
    names = [entry for entry in caught.traceback if "langchain_pollinations/sign_in" in str(entry.path)]
    assert names and all("sk_hidden" not in repr(entry.frame.f_locals) for entry in names)


@pytest.mark.parametrize(
    ("options", "param", "says"),
    [
        ({"scopes": "account"}, "scopes", "profile, usage, keys, machines"),
        ({"scopes": 5}, "scopes", "a string or a list"),
        ({"sign_in_url": "enter.pollinations.ai"}, "sign_in_url", "an origin"),
        ({"client_id": ""}, "client_id", "at least 1"),
        ({"show": True}, "show", "^show: must be a function"),
        ({"show": 5}, "show", "^show: must be a function"),
        ({"show": alogin}, "show", "async"),
        ({"save": "yes"}, "save", "boolean"),
        ({"base_urll": "x"}, None, "base_url"),
    ],
)
def test_a_wrong_argument_is_named(
    emulator: Emulator, sign_in: Login, options: dict[str, Any], param: str | None, says: str
) -> None:
    with pytest.raises(errors.InvalidRequestError, match=says) as caught:
        sign_in(**{"base_url": emulator.url, **options})
    assert caught.value.param == param
    assert not emulator.requests


def test_total_timeout_limits_the_wait(emulator: Emulator, sign_in: Login) -> None:
    emulator.state.device_interval = 60.0
    with pytest.raises(errors.RequestTimeoutError, match="total_timeout"):
        sign_in(base_url=emulator.url, show=lambda _: None, total_timeout=0.2)


async def test_a_cancelled_sign_in_ends_at_once(emulator: Emulator) -> None:
    emulator.state.device_interval = 60.0
    shown = asyncio.Event()
    task = asyncio.create_task(alogin(base_url=emulator.url, show=lambda _: shown.set()))
    await shown.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


@pytest.mark.parametrize(
    ("fields", "origin"),
    [
        ({}, "https://enter.pollinations.ai"),
        ({"base_url": "http://localhost:8787/v1/"}, "http://localhost:8787"),
        ({"sign_in_url": "https://Enter.example/"}, "https://enter.example"),
    ],
    ids=repr,
)
def test_the_sign_in_host_follows_base_url(fields: dict[str, Any], origin: str) -> None:
    assert SignInHost(**fields).origin == origin


def test_the_link_is_shown_without_control_characters_and_escaped(
    emulator: Emulator, sign_in: Login, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = "https://a.example/?q=<b>"
    body = {"device_code": "d", "user_code": "A\x1b[2J<i>", "verification_uri": uri, "expires_in": 9, "interval": 0.01}
    emulator.reply(body=body, on=CODE)
    emulator.reply(body={"access_token": "sk_hidden"}, on=TOKEN)
    sign_in(base_url=emulator.url)
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"To sign in, open {uri} and confirm the code A[2J<i>\n")
    shown = SignIn(uri, "A<i>", uri, 9)._repr_html_()
    assert "<b>" not in shown.replace("<b><code>", "") and "<i>" not in shown
    assert 'href="https://a.example/?q=&lt;b&gt;"' in shown


# --- The keyring ------------------------------------------------------------------------------------------------------


def test_a_saved_key_is_used_if_the_keyring_is_enabled(
    emulator: Emulator, sign_in: Login, memory: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = sign_in(base_url=f"{emulator.url}/v1/", show=approve, save=True)
    assert memory.entries == {("langchain-pollinations", emulator.url): key.get_secret_value()}
    chat = ChatPollinations(base_url=emulator.url)
    with pytest.raises(errors.AuthenticationError, match="No key"):
        chat.invoke("Hi")
    monkeypatch.setenv("POLLINATIONS_USE_KEYRING", "1")
    memory.reads = 0
    for _ in range(2):
        chat.invoke("Hi", seed=-1)
    assert emulator.requests[-1].headers["authorization"] == f"Bearer {key.get_secret_value()}"
    assert memory.reads == 1
    text = f"{chat!r} {chat.model_dump()} {pickle.dumps(chat)!r} {chat._cache.__dict__}"
    assert key.get_secret_value() not in text
    assert pickle.loads(pickle.dumps(chat)).invoke("Hi").text


def test_the_argument_and_the_environment_come_before_the_keyring(
    emulator: Emulator, memory: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLLINATIONS_USE_KEYRING", "true")
    store_key(emulator.url, SecretStr("sk_stored"))

    def used(**fields: Any) -> str:
        return ChatPollinations(base_url=emulator.url, **fields)._key()

    assert (used(), used(api_key="sk_given")) == ("sk_stored", "sk_given")
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_variable")
    assert (used(), used(api_key="sk_given")) == ("sk_variable", "sk_given")
    monkeypatch.setenv("POLLINATIONS_API_KEY", "")
    with pytest.raises(errors.AuthenticationError, match="set but empty"):
        used()


def test_a_key_in_the_keyring_is_sent_to_its_own_service_only(
    memory: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLLINATIONS_USE_KEYRING", "1")
    store_key("http://localhost:8787", SecretStr("sk_local"))
    assert ChatPollinations()._uses_legacy
    with pytest.raises(errors.AuthenticationError, match="the keyring holds no key for http://localhost:9999"):
        ChatPollinations(base_url="http://localhost:9999").invoke("Hi")
    store_key("https://gen.pollinations.ai", SecretStr("sk_gen"))
    assert not ChatPollinations()._uses_legacy
    assert ChatPollinations()._key() == "sk_gen"


@pytest.mark.parametrize("failure", [KeyringLocked("no prompt for sk_hidden"), OSError("no file for sk_hidden")])
def test_an_unusable_keyring_is_found_before_the_sign_in(
    emulator: Emulator, sign_in: Login, memory: MemoryKeyring, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    memory.failure = failure
    says = f"{type(failure).__name__}: no"
    with pytest.raises(errors.AuthenticationError, match=says):
        sign_in(base_url=emulator.url, save=True)
    assert not emulator.requests
    monkeypatch.setenv("POLLINATIONS_USE_KEYRING", "1")
    with pytest.raises(errors.AuthenticationError, match=says):
        ChatPollinations(base_url=emulator.url).invoke("Hi")
    with pytest.raises(errors.AuthenticationError, match=says) as caught:
        store_key(emulator.url, SecretStr("sk_hidden"))
    assert "sk_hidden" not in str(caught.value)


def test_without_the_package_keyring_the_error_names_the_extra(
    emulator: Emulator, sign_in: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.delitem(sys.modules, "keyring.errors")
    with pytest.raises(ModuleNotFoundError, match=r"langchain-pollinations-ai\[login\]"):
        sign_in(base_url=emulator.url, save=True)
    assert not emulator.requests


def test_the_variable_of_the_keyring_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLLINATIONS_USE_KEYRING", "sk_hidden")
    with pytest.raises(errors.InvalidRequestError, match="POLLINATIONS_USE_KEYRING must be 1") as caught:
        ChatPollinations(base_url="http://localhost:9").invoke("Hi")
    assert "sk_hidden" not in str(caught.value)


# --- The command line -------------------------------------------------------------------------------------------------


Run = Callable[..., tuple[int, str, str]]


class User(io.StringIO):
    """A terminal whose user follows the link of a sign-in."""

    def __init__(self, follow: Callable[[SignIn], None]) -> None:
        super().__init__()
        self._follow = follow

    def write(self, text: str) -> int:
        if found := re.search(r"(?P<page>http\S+)\?user_code=(?P<code>\S+)", text):
            self._follow(SignIn(found[0], found["code"], found["page"], 1800))
        return super().write(text)


@pytest.fixture
def run(
    emulator: Emulator, memory: MemoryKeyring, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """`run("whoami", ...)`: the exit code, stdout and stderr of a command against the emulator."""
    monkeypatch.setenv("POLLINATIONS_BASE_URL", emulator.url)

    def command(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(arguments)
        except SystemExit as ended:  # argparse
            code = int(str(ended.code))
        out, err = capsys.readouterr()
        return code, out, err

    return command


def test_a_key_from_the_login_command_serves_the_other_commands(
    emulator: Emulator, run: Run, memory: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", User(_decide("approve", scope="usage")))
    code, out, _ = run("login", "--scope", "usage")
    assert code == 0
    assert out.startswith(f"Signed in. The keyring holds the key for {emulator.url}")
    (key,) = memory.entries.values()
    assert key not in out
    code, out, _ = run("whoami")
    assert code == 0
    facts = dict(re.split("  +", line, maxsplit=1) for line in out.splitlines())
    assert (facts["user"], facts["scopes"], facts["budget"]) == ("emulator", "usage", "5 pollen left")
    code, out, _ = run("balance", "--json")
    assert (code, json.loads(out)["balance"], json.loads(out)["account"]["total"]) == (0, "5", "1000")
    assert run("balance")[1] == "5 pollen\naccount: 1000 pollen (0 quest, 1000 paid)\n"


def test_whoami_and_models_as_json(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_emulator")
    code, out, _ = run("whoami", "--json")
    found = json.loads(out)
    assert (code, found["profile"]["github_username"], found["key"]["budget"]) == (0, "emulator", None)
    code, out, _ = run("models", "text", "--capability", "reasoning", "--query", "claude", "--json")
    assert code == 0
    assert {"text"} == {model["kind"] for model in json.loads(out)}
    code, out, _ = run("models", "embeddings")
    assert "openai/text-embedding-3-small" in out
    assert run("models", "--query", "no such model") == (0, "\n", "")


@pytest.mark.parametrize(
    ("arguments", "key", "code", "says"),
    [
        (["whoami"], None, 3, "No key: run `python -m langchain_pollinations login`"),
        (["whoami"], "sk_unknown", 3, "UNAUTHORIZED"),
        (["balance"], "sk_poor", 1, "account:usage"),
        (["balance", "--base-url", "nonsense"], "sk_emulator", 2, "base_url must be an origin"),
        (["models", "sounds"], None, 2, "invalid choice"),
        ([], None, 2, "required"),
        (["whoami", "--base-url", "http://127.0.0.1:9"], "sk_emulator", 1, "Connection refused"),
    ],
    ids=repr,
)
def test_an_error_is_one_line_and_has_its_exit_code(
    emulator: Emulator,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    key: str | None,
    code: int,
    says: str,
) -> None:
    emulator.keys["sk_poor"] = {"scopes": []}
    if key is not None:
        monkeypatch.setenv("POLLINATIONS_API_KEY", key)
    found, out, err = run(*arguments)
    assert (found, out) == (code, "")
    assert says in err.splitlines()[-1]
    assert key is None or key not in err
    assert "Traceback" not in err


def test_an_unusable_keyring_is_an_error_that_names_the_variable(run: Run, memory: MemoryKeyring) -> None:
    memory.failure = KeyringLocked("the user closed the prompt")
    code, _, err = run("balance")
    assert code == 3
    assert err.startswith(
        "error: No key: set POLLINATIONS_API_KEY. The keyring cannot be read: KeyringLocked: the user"
    )


@pytest.mark.parametrize(("options", "says"), [((), "Schl?ssel"), (("--json",), "Schl\\u00fcssel")])
def test_a_text_that_stdout_cannot_encode_is_printed(
    emulator: Emulator, run: Run, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], says: str
) -> None:
    emulator.keys["sk_emulator"]["name"] = "Schlüssel"
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_emulator")
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written := io.BytesIO(), "ascii"))
    assert run("whoami", *options)[0] == 0
    assert says in written.getvalue().decode()


def test_a_declined_or_interrupted_login_has_an_exit_code(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", reader := User(deny))
    assert run("login")[:2] == (3, "")
    assert reader.getvalue().splitlines()[1:] == [
        "error: The user declined the sign-in: The user denied the request (400, access_denied)"
    ]

    def interrupt(_: SignIn) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.stderr", reader := User(interrupt))
    assert run("login")[:2] == (130, "")
    assert reader.getvalue() == "error: interrupted\n"


def test_the_command_runs_as_a_module_and_warns_in_one_line() -> None:
    command = [sys.executable, "-m", "langchain_pollinations", "models", "image", "--base-url", "http://127.0.0.1:9"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONWARNINGS": ""})
    assert done.returncode == 0, done.stderr
    assert "krea/krea-2-medium" in done.stdout
    assert (done.stderr.count("\n"), done.stderr.startswith("warning: The service returned no list")) == (1, True)
