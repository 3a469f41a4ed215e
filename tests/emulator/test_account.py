"""The ledger and the account routes: they agree with each other, with the balances, and with the service's schemas."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from langchain_pollinations.emulator import Emulator
from langchain_pollinations.emulator.service.ledger import UsageRecord

from .conftest import events

Fits = Callable[[str, Any], None]
Say = Callable[..., httpx.Response]
EVERY_SCOPE = ["profile", "usage", "keys"]


def read(http: httpx.Client, path: str, **query: Any) -> Any:
    response = http.get(f"/account/{path}", params=query)
    assert response.status_code == 200, response.text
    return json.loads(response.text, parse_float=Decimal)


def failure(response: httpx.Response) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error.get("fixUrl")


def spend_on_everything(http: httpx.Client, say: Say) -> None:
    assert events(say("Hi", stream=True).text)
    for _ in range(2):  # the second response is stored, and so it costs nothing
        assert say("Count to three", seed=3).status_code == 200
        for path in ("/image/cat?width=8&height=8", "/video/sea?model=p-video&duration=1", "/audio/hello", "/text/hi"):
            assert http.get(path).status_code == 200
        assert http.post("/v1/embeddings", json={"input": "a text"}).status_code == 200


TYPES = ["generate.text"] * 3 + ["generate.image", "generate.video", "generate.audio", "generate.embedding"]


def test_ledger_balance_budget_and_usage_agree_to_the_last_digit(
    emulator: Emulator, http: httpx.Client, say: Say, fits: Fits
) -> None:
    emulator.keys["sk_emulator"] = account = {
        "balance": 100, "paid": 100, "budget": 7.3, "scopes": ["usage"], "name": "Mine",
    }  # fmt: skip
    spend_on_everything(http, say)
    spent = sum(record.cost for record in emulator.ledger)
    assert spent > 0 and sorted(record.type for record in emulator.ledger) == sorted(TYPES)
    assert account["balance"] == account["paid"] == 100 - spent
    assert account["budget"] == Decimal("7.3") - spent
    assert read(http, "balance")["balance"] == read(http, "key")["pollenBudget"] == account["budget"]
    assert read(http, "balance")["accountBalance"] == {"total": 100 - spent, "tier": 0, "paid": 100 - spent}
    for path in ("usage", "key/usage"):
        listed = read(http, path)
        fits("account_usage.response", http.get(f"/account/{path}").json())
        assert listed["count"] == len(TYPES) and sum(row["cost_usd"] for row in listed["usage"]) == spent
        assert {(row["api_key"], row["api_key_type"], row["meter_source"]) for row in listed["usage"]} == {
            ("Mine", "secret", "pack")
        }
    daily = read(http, "usage/daily")
    fits("account_usage_daily.response", http.get("/account/usage/daily").json())
    assert sum(row["cost_usd"] for row in daily["usage"]) == spent
    assert sum(row["requests"] for row in daily["usage"]) == len(TYPES)
    emulator.clear()
    assert emulator.ledger == [] and read(http, "usage") == {"usage": [], "count": 0}


def test_usage_has_the_units_that_the_response_had(http: httpx.Client, say: Say) -> None:
    usage = say("Why is the sky blue?", reasoning_effort="low").json()["usage"]
    http.get("/video/sea?model=p-video&duration=1")
    video, text = read(http, "usage")["usage"]
    reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
    assert text["input_text_tokens"] == usage["prompt_tokens"] and text["output_reasoning_tokens"] == reasoning > 0
    assert text["output_text_tokens"] == usage["completion_tokens"] - reasoning
    assert video["output_video_seconds"] == 1 and video["model"] == "prunaai/p-video"


def test_the_meter_source_is_the_kind_of_pollen_that_paid(emulator: Emulator, http: httpx.Client, say: Say) -> None:
    emulator.keys["sk_emulator"] = {"balance": 2, "paid": 1, "scopes": ["usage"]}
    say("hi")
    say("hi", model="openai/gpt-4o-mini")  # for paid Pollen only
    assert [record.meter_source for record in emulator.ledger] == ["tier", "pack"]
    tier, pack = (1 - record.cost for record in emulator.ledger)
    assert read(http, "balance")["accountBalance"] == {"total": tier + pack, "tier": tier, "paid": pack}


def test_a_refused_request_is_not_in_the_ledger(emulator: Emulator, say: Say) -> None:
    emulator.keys["sk_emulator"]["balance"] = 0
    assert say("hi").json()["usage"]["total_tokens"] == 0
    assert emulator.ledger == []


def test_a_scripted_reply_is_billed_and_a_failed_stream_is_not(emulator: Emulator, say: Say) -> None:
    emulator.reply("Hello")
    emulator.fail("comments")
    emulator.fail("stream error")
    for words in ("a", "b", "c"):
        say(words, stream=True)
    assert [record.type for record in emulator.ledger] == ["generate.text"] * 2
    assert emulator.keys["sk_emulator"]["balance"] == 1000 - sum(record.cost for record in emulator.ledger)


def test_the_api_key_is_in_no_repr(emulator: Emulator, say: Say) -> None:
    say("hi")
    assert "sk_emulator" not in repr(emulator.ledger) and emulator.ledger[0].key == "sk_emulator"


# --- The API key, the balance and the profile -------------------------------------------------------------------------


def test_the_description_of_an_api_key(emulator: Emulator, http: httpx.Client, fits: Fits) -> None:
    fits("account_key.response", read(http, "key"))
    ends = datetime.now(UTC) + timedelta(days=7)
    emulator.keys["sk_emulator"] = {
        "name": "Mine", "id": "k1", "user_id": "u1", "budget": 0.5, "models": ["text"], "scopes": ["usage"],
        "quest_only": True, "expires": ends, "app_key": "pk_app",
    }  # fmt: skip
    found = read(http, "key")
    fits("account_key.response", found)
    assert 0 <= 7 * 86400 - found.pop("expiresIn") <= 60
    assert found == {
        "valid": True, "type": "secret", "name": "Mine", "expiresAt": found["expiresAt"],
        "permissions": {"models": ["text"], "account": ["usage"]}, "pollenBudget": Decimal("0.5"),
        "questPollenOnly": True, "rateLimitEnabled": False, "userId": "u1", "keyId": "k1",
        "byopClientKeyId": found["byopClientKeyId"],
    }  # fmt: skip
    assert found["byopClientKeyId"] and datetime.fromisoformat(found["expiresAt"]) - ends < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        ({"balance": 5, "paid": 2, "budget": 1}, {"balance": 1}),
        ({"balance": 5, "paid": 2}, None),
        (
            {"balance": 5, "paid": 2, "scopes": ["usage"]},
            {"balance": 5, "accountBalance": {"total": 5, "tier": 3, "paid": 2}},
        ),
        (
            {"balance": 5, "paid": 2, "budget": 1, "scopes": ["usage"]},
            {"balance": 1, "accountBalance": {"total": 5, "tier": 3, "paid": 2}},
        ),
        ({"scopes": ["usage"]}, {"balance": 1e9, "accountBalance": {"total": 1e9, "tier": 0, "paid": 1e9}}),
    ],
)
def test_the_balance_is_that_of_the_key_or_of_the_account(
    emulator: Emulator, http: httpx.Client, fits: Fits, account: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    emulator.keys["sk_emulator"] = account | {"id": "k1"}
    response = http.get("/account/balance")
    if expected is None:
        page = "https://enter.pollinations.ai/grant?id=k1&permission=usage&ref=agent_grant"
        assert failure(response) == (403, "FORBIDDEN", page)
        return
    fits("account_balance.response", response.json())
    assert response.json() == expected


def test_the_profile_needs_a_scope_for_name_and_email(emulator: Emulator, http: httpx.Client, fits: Fits) -> None:
    assert {"name", "email"} <= read(http, "profile").keys()
    fits("account_profile.response", read(http, "profile"))
    emulator.keys["sk_emulator"] = {"profile": {"githubUsername": "ada", "name": "Ada"}}
    assert read(http, "profile") == {"githubUsername": "ada", "image": None, "communityEndpointsAllowed": False}


# --- Refusals ---------------------------------------------------------------------------------------------------------

ROUTES = [
    ("GET", "key", None), ("GET", "profile", None), ("GET", "key/usage", None), ("GET", "balance", "usage"),
    ("GET", "usage", "usage"), ("GET", "usage/daily", "usage"), ("GET", "keys", "keys"), ("POST", "keys", "keys"),
    ("PATCH", "keys/k", "keys"), ("DELETE", "keys/k", "keys"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_each_route_needs_a_valid_key_and_its_scope(
    emulator: Emulator, http: httpx.Client, fits: Fits, method: str, path: str, scope: str | None
) -> None:
    emulator.keys["sk_expired"] = {"expires": "2026-01-01T00:00:00Z", "scopes": EVERY_SCOPE}
    for key in ("", "Bearer sk_unknown", "Bearer sk_expired"):
        response = http.request(method, f"/account/{path}", headers={"authorization": key})
        fits("error", response.json())
        assert failure(response) == (401, "UNAUTHORIZED", None)
    emulator.keys["sk_emulator"] = {"balance": 1, "id": "k1", "scopes": [s for s in EVERY_SCOPE if s != scope]}
    response = http.request(method, f"/account/{path}")
    if scope is None:
        assert response.status_code == 200
        return
    fits("error", response.json())
    page = f"https://enter.pollinations.ai/grant?id=k1&permission={scope}&ref=agent_grant"
    assert failure(response) == (403, "FORBIDDEN", page)
    assert f"account:{scope}" in response.json()["error"]["message"]


def test_an_expired_key_generates_nothing_and_sees_all_models(emulator: Emulator, http: httpx.Client, say: Say) -> None:
    emulator.keys["sk_emulator"] = {"models": ["image"], "expires": datetime.now(UTC) + timedelta(hours=1)}
    assert {model["category"] for model in http.get("/models").json()} == {"image"}
    emulator.keys["sk_emulator"]["expires"] = datetime.now(UTC) - timedelta(seconds=1)
    assert say("hi").status_code == 401
    assert len({model["category"] for model in http.get("/models").json()}) > 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 50001}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"days": 0}, "days"),
        ({"days": 91}, "days"),
        ({"days": 1.5}, "days"),
        ({"format": "xml"}, "format"),
        ({"granularity": "year", "period": "2026"}, "granularity"),
        ({"granularity": "day"}, "period"),
        ({"period": "2026-10"}, "granularity"),
        ({"granularity": "day", "period": "2026-02-30"}, "period"),
        ({"granularity": "day", "period": "2025-12-31"}, "period"),
        ({"granularity": "day", "period": "2999-01-01"}, "period"),
        ({"granularity": "week", "period": "2026-W54"}, "period"),
        ({"granularity": "week", "period": "2026-10"}, "period"),
        ({"granularity": "month", "period": "2026-13"}, "period"),
        ({"granularity": "month", "period": "9999-12"}, "period"),
        ({"before": "yesterday"}, "before"),
        ({"before_event_id": "evt_1"}, "before"),
    ],
)
def test_a_bad_parameter_is_named(http: httpx.Client, fits: Fits, query: dict[str, Any], field: str) -> None:
    of_records = {"limit", "before", "before_event_id"} & query.keys()
    for path in ("usage", "key/usage") if of_records else ("usage", "key/usage", "usage/daily"):
        response = http.get(f"/account/{path}", params=query)
        fits("error_400", response.json())
        assert response.status_code == 400
        assert list(response.json()["error"]["details"]["fieldErrors"]) == [field]


# --- Selection --------------------------------------------------------------------------------------------------------


@pytest.fixture
def year(emulator: Emulator) -> list[UsageRecord]:
    """Four records for each of some days, oldest first, all in the same second of their day."""
    emulator.keys.update(sk_other={"user": emulator.keys["sk_emulator"], "id": "k2"}, sk_stranger={"balance": 1})
    records = []
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for days in (60, 35, 29, 1, 0):
        for number in range(4):
            record = UsageRecord(
                type="generate.text", model="openai" if number % 2 else "claude",
                key="sk_other" if number > 1 else "sk_emulator", key_id="k2" if number > 1 else "k1", user_id="u1",
                cost=Decimal(number + 1) / 8, moment=today - timedelta(days=days) + timedelta(microseconds=number),
            )  # fmt: skip
            records.append(record)
    emulator.keys["sk_emulator"].update(id="k1", user_id="u1")
    for record in [*reversed(records[10:]), *records[:10]]:  # the order of the ledger does not matter
        emulator.state.ledger.add(record)
    emulator.state.ledger.add(replace(records[-1], key="sk_stranger", user_id="u2"))
    return records


def test_pages_of_records_miss_and_repeat_none(http: httpx.Client, year: list[UsageRecord]) -> None:
    whole = read(http, "usage", days=90)["usage"]
    assert len(whole) == len(year)
    assert [row["timestamp"] for row in whole] == sorted((row["timestamp"] for row in whole), reverse=True)
    for size in (1, 3, 7, 50):
        pages: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while page := read(http, "usage", days=90, limit=size, **cursor)["usage"]:
            pages += page
            cursor = {"before": page[-1]["timestamp"], "before_event_id": page[-1]["cursor_event_id"]}
        assert pages == whole


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 12),
        ({"days": 1}, 4),
        ({"days": 2}, 8),
        ({"days": 29}, 8),
        ({"days": 30}, 12),
        ({"days": 36}, 16),
        ({"models": "claude"}, 6),
        ({"models": "claude,openai"}, 12),
        ({"api_key_ids": "k1"}, 6),
        ({"api_key_ids": "k1, k2", "models": "openai"}, 6),
        ({"api_key_ids": "other"}, 0),
    ],
)
def test_records_are_selected(http: httpx.Client, year: list[UsageRecord], query: dict[str, Any], count: int) -> None:
    assert read(http, "usage", **query)["count"] == count


def test_a_period_is_a_day_a_week_or_a_month(http: httpx.Client, year: list[UsageRecord]) -> None:
    for day in {record.moment.date() for record in year}:
        periods: dict[str, tuple[str, Callable[[date], Any]]] = {
            "day": (day.isoformat(), lambda each: each),
            "week": ("{}-W{:02}".format(*day.isocalendar()[:2]), lambda each: each.isocalendar()[:2]),
            "month": (day.isoformat()[:7], lambda each: (each.year, each.month)),
        }
        for granularity, (period, of) in periods.items():
            expected = sum(of(record.moment.date()) == of(day) for record in year)
            query = {"granularity": granularity, "period": period, "days": 1}
            assert read(http, "usage", **query)["count"] == expected
            daily = read(http, "usage/daily", **query)["usage"]
            assert sum(row["requests"] for row in daily) == expected


def test_a_key_sees_only_its_own_usage_without_a_scope(http: httpx.Client, year: list[UsageRecord]) -> None:
    http.headers["authorization"] = "Bearer sk_other"
    found = read(http, "key/usage")
    assert found["count"] == 6 and {row["api_key_id"] for row in found["usage"]} == {"k2"}
    assert http.get("/account/usage").status_code == 403


def test_daily_usage_has_a_sum_for_each_day_model_and_source(http: httpx.Client, year: list[UsageRecord]) -> None:
    rows = read(http, "usage/daily", days=2)["usage"]
    today, yesterday = (max(row["date"] for row in rows), min(row["date"] for row in rows))
    assert [row["date"] for row in rows] == [today, today, yesterday, yesterday]
    sums = {(row["model"], row["meter_source"], row["requests"]): row["cost_usd"] for row in rows[:2]}
    assert sums == {("claude", "pack", 2): Decimal("0.5"), ("openai", "pack", 2): Decimal("0.75")}


def test_csv_has_the_rows_of_the_json(http: httpx.Client, say: Say) -> None:
    say("hi")
    for path in ("usage", "key/usage", "usage/daily"):
        rows, response = read(http, path)["usage"], http.get(f"/account/{path}", params={"format": "csv"})
        assert response.headers["content-type"].startswith("text/csv")
        assert '.csv"' in response.headers["content-disposition"]
        (row,) = csv.DictReader(io.StringIO(response.text))
        assert row == {k: "" if v is None else str(v) for k, v in rows[0].items()} | {"cost_usd": row["cost_usd"]}
        assert Decimal(row["cost_usd"]) == rows[0]["cost_usd"]


# --- Administration of API keys ---------------------------------------------------------------------------------------


def test_a_key_is_created_listed_changed_and_deleted(emulator: Emulator, http: httpx.Client) -> None:
    wanted = {
        "name": "Notebook", "expiresIn": 3600, "allowedModels": ["flux", "text"], "pollenBudget": 0.25,
        "questPollenOnly": True, "accountPermissions": ["usage", "keys"], "description": "for tests",
    }  # fmt: skip
    made = http.post("/account/keys", json=wanted).json()
    key = made.pop("key")
    assert key.startswith("sk_") and made["permissions"] == {"models": ["image", "text"], "account": ["usage"]}
    assert (made["name"], made["pollenBalance"], made["questPollenOnly"]) == ("Notebook", 0.25, True)
    assert emulator.keys[key]["budget"] == 0.25 and made["metadata"] == {"description": "for tests"}
    listed = http.get("/account/keys")
    assert listed.headers["cache-control"] == "private, no-store" and key not in listed.text
    assert made in listed.json()["data"] and len(listed.json()["data"]) == 2

    bearer = {"authorization": f"Bearer {key}"}
    assert http.get("/account/key", headers=bearer).json()["keyId"] == made["id"]
    path = f"/account/keys/{made['id']}"
    changes = {"name": "New", "allowedModels": None, "accountPermissions": ["keys", "profile"], "expiresAt": None}
    changed = http.patch(path, json=changes | {"earningsEnabled": True}).json()
    assert changed["permissions"] == {"models": None, "account": ["profile"]} and changed["expiresAt"] is None
    assert changed["metadata"] == {"description": "for tests", "earningsEnabled": True}
    assert http.delete(path).json() == {"success": True}
    assert failure(http.delete(path)) == (404, "NOT_FOUND", None)
    assert http.get("/account/key", headers=bearer).status_code == 401


def test_the_keys_of_a_user_share_the_balance_and_have_their_own_budget(
    emulator: Emulator, http: httpx.Client, say: Say
) -> None:
    made = http.post("/account/keys", json={"name": "x", "pollenBudget": 1}).json()
    http.headers["authorization"] = f"Bearer {made['key']}"
    say("hi")
    (record,) = emulator.ledger
    assert emulator.keys["sk_emulator"]["balance"] == 1000 - record.cost
    assert emulator.keys[made["key"]]["budget"] == 1 - record.cost and record.key_id == made["id"]
    http.headers["authorization"] = "Bearer sk_emulator"
    assert read(http, "usage")["count"] == 1 and read(http, "key/usage")["count"] == 0
    assert {entry["lastRequest"] is None for entry in read(http, "keys")["data"]} == {True, False}


def test_users_do_not_see_the_keys_of_others(emulator: Emulator, http: httpx.Client) -> None:
    ada = {"balance": 5}
    emulator.keys.update(sk_a={"user": ada, "scopes": ["keys"], "id": "a"}, sk_b={"user": ada, "id": "b"})
    http.headers["authorization"] = "Bearer sk_a"
    assert [entry["id"] for entry in read(http, "keys")["data"]] == ["a", "b"]
    other = emulator.keys["sk_emulator"].setdefault("id", "e")
    assert failure(http.delete(f"/account/keys/{other}")) == (404, "NOT_FOUND", None)
    assert failure(http.delete("/account/keys/a")) == (400, "BAD_REQUEST", None)  # the key of the request


def test_accounts_of_one_user_are_restored_together() -> None:
    ada = {"balance": 5}
    with Emulator(keys={"sk_a": {"user": ada}, "sk_b": {"user": ada}}) as emulator:
        with httpx.Client(base_url=emulator.url, headers={"authorization": "Bearer sk_a"}) as http:
            assert http.get("/text/hi").status_code == 200
        assert emulator.keys["sk_b"]["user"]["balance"] < 5 == ada["balance"]
        emulator.reset()
        assert emulator.keys["sk_a"]["user"] is emulator.keys["sk_b"]["user"] and emulator.keys["sk_a"]["user"] == ada


@pytest.mark.parametrize(
    ("method", "body", "field"),
    [
        ("POST", {}, "name"),
        ("POST", {"name": ""}, "name"),
        ("POST", {"name": "x" * 254}, "name"),
        ("POST", {"name": "x", "type": "public"}, "type"),
        ("POST", {"name": "x", "expiresIn": 0}, "expiresIn"),
        ("POST", {"name": "x", "expiresIn": 1e15}, "expiresIn"),
        ("POST", {"name": "x", "allowedModels": ["nope"]}, "allowedModels"),
        ("POST", {"name": "x", "accountPermissions": ["admin"]}, "accountPermissions"),
        ("POST", {"name": "x", "pollenBudget": -1}, "pollenBudget"),
        ("PATCH", {"expiresAt": "tomorrow"}, "expiresAt"),
        ("PATCH", {"expiresAt": "2027-01-01T00:00:00"}, "expiresAt"),
        ("PATCH", {"expiresAt": "0001-01-01T00:00:00+01:00"}, "expiresAt"),
    ],
)
def test_a_bad_field_of_a_key_is_named(
    emulator: Emulator, http: httpx.Client, method: str, body: dict[str, Any], field: str
) -> None:
    emulator.keys["sk_emulator"]["id"] = "k1"
    response = http.request(method, "/account/keys" + ("/k1" if method == "PATCH" else ""), json=body)
    assert response.status_code == 400
    assert list(response.json()["error"]["details"]["fieldErrors"]) == [field]
    assert len(emulator.keys) == 1


def test_a_publishable_key_has_its_prefix(http: httpx.Client) -> None:
    made = http.post("/account/keys", json={"name": "App", "type": "publishable"}).json()
    described = http.get("/account/key", headers={"authorization": f"Bearer {made['key']}"}).json()
    assert made["key"].startswith("pk_") and made["prefix"] == "pk"
    assert (described["type"], described["rateLimitEnabled"]) == ("publishable", True)


def test_faults_reach_the_account_routes(emulator: Emulator, http: httpx.Client) -> None:
    emulator.fail(503)
    assert http.get("/account/balance").status_code == 503
    assert http.get("/account/balance").status_code == 200
