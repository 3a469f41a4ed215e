"""The account behind a key: its records, its usage, and the check of a model in advance."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from langchain_pollinations import errors
from langchain_pollinations._account.requests import UsageOptions, UsagePages
from langchain_pollinations._account.requests import _parse_page as parse_page
from langchain_pollinations.account import PollinationsAccount
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.embeddings import PollinationsEmbeddings
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.emulator.service.ledger import UsageRecord
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.sign_in import SignInHost

Call = Callable[..., Any]
NOW = dt.datetime.now(dt.UTC)
FREE, PAID_ONLY = "openai/gpt-5.4-nano", "anthropic/claude-haiku-4.5"


def _call(account: PollinationsAccount, method: str, *args: Any, **options: Any) -> Any:
    result = getattr(account, method)(*args, **options)
    return list(result) if isinstance(result, Iterator) else result


def _acall(account: PollinationsAccount, method: str, *args: Any, **options: Any) -> Any:
    async def run() -> Any:
        result = getattr(account, f"a{method}")(*args, **options)
        return [each async for each in result] if hasattr(result, "__aiter__") else await result

    return asyncio.run(run())


@pytest.fixture(params=[_call, _acall], ids=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    """`call(account, method, ...)`: the result of a method or of its async version, with iterators as lists."""
    return request.param


@pytest.fixture
def account(emulator: Emulator) -> PollinationsAccount:
    return PollinationsAccount(**emulator.connection())


def _record(age: float = 0.0, cost: str = "0.5", key: str = "sk_emulator", model: str = FREE) -> UsageRecord:
    """A record of the ledger that is `age` seconds old."""
    return UsageRecord(
        type="generate.text",
        model=model,
        key=key,
        key_id=key,
        user_id="user_1",
        cost=Decimal(cost),
        moment=NOW - dt.timedelta(seconds=age),
    )


# --- Records ----------------------------------------------------------------------------------------------------------


def test_amounts_are_exact_and_times_are_aware(emulator: Emulator, account: PollinationsAccount, call: Call) -> None:
    amount = Decimal("3.14159265358979323846264338")
    emulator.keys["sk_emulator"] |= {
        "balance": amount, "paid": 2, "models": ["text"], "quest_only": True, "expires": NOW + dt.timedelta(days=7),
        "scopes": ["usage", "profile"],
    }  # fmt: skip
    balance, key, profile = (call(account, name) for name in ("balance", "key", "profile"))
    assert (balance.balance, balance.account.paid, balance.account.quest) == (amount, 2, amount - 2)
    assert (key.valid, key.type, key.models, key.quest_only) == (True, "secret", ("text",), True)
    assert (set(key.scopes), key.budget) == ({"usage", "profile"}, None)
    assert key.expires_at is not None and abs(key.expires_at - NOW - dt.timedelta(days=7)) < dt.timedelta(seconds=1)
    assert (profile.github_username, profile.email) == ("emulator", "emulator@example.org")
    emulator.keys["sk_emulator"] |= {"budget": "0.000000000000000000001", "scopes": []}
    assert call(account, "balance").balance == Decimal("1e-21")
    assert call(account, "profile").email is None


@pytest.mark.parametrize("method", ["key", "balance", "profile", "usage", "key_usage", "daily_usage"])
def test_an_unknown_key_is_an_authentication_error(emulator: Emulator, call: Call, method: str) -> None:
    account = PollinationsAccount(base_url=emulator.url, api_key="sk_unknown")
    with pytest.raises(errors.AuthenticationError) as caught:
        call(account, method)
    assert "sk_unknown" not in f"{caught.value} {account!r}"


@pytest.mark.parametrize("method", ["balance", "usage", "daily_usage"])
def test_a_missing_scope_is_named(emulator: Emulator, account: PollinationsAccount, call: Call, method: str) -> None:
    emulator.keys["sk_emulator"]["scopes"] = ["profile"]
    with pytest.raises(errors.PermissionDeniedError, match="usage") as caught:
        call(account, method)
    assert "permission=usage" in str(caught.value.fix_url)


def test_an_account_needs_a_key_and_never_uses_the_legacy_hosts() -> None:
    with pytest.raises(errors.AuthenticationError, match="No key"):
        PollinationsAccount().key()
    with pytest.raises(ValueError, match="legacy hosts only"):
        PollinationsAccount(api="legacy")


# --- Usage ------------------------------------------------------------------------------------------------------------


def test_usage_agrees_with_the_charges_to_the_last_digit(
    emulator: Emulator, account: PollinationsAccount, call: Call
) -> None:
    started, before = dt.datetime.now(dt.UTC), call(account, "balance").balance
    chat = ChatPollinations(**emulator.connection(), seed=1)
    for prompt in ("Hi", "Ho", "Hi"):  # the third is answered from the cache
        chat.invoke(prompt)
    "".join(chunk.text for chunk in chat.stream("Count to three"))
    PollinationsEmbeddings(**emulator.connection()).embed_query("a whale")
    PollinationsImage(**emulator.connection(), width=64, height=64).generate("a cat")
    records = call(account, "usage", page_size=2)
    assert [record.cost_usd for record in records] == [record.cost for record in reversed(emulator.ledger)]
    assert {record.type for record in records} == {"generate.text", "generate.embedding", "generate.image"}
    assert len(records) == 5
    assert all(record.timestamp.tzinfo and record.input_text_tokens >= 0 for record in records)
    spent = call(account, "spent", since=started)
    assert spent == call(account, "spent", since=started, scope="account") == sum(record.cost_usd for record in records)
    assert spent == before - call(account, "balance").balance > 0
    assert call(account, "spent", since=started, models="openai") == sum(
        record.cost_usd for record in records if record.type == "generate.text"
    )
    days = call(account, "daily_usage", days=2)
    assert sum(day.cost_usd for day in days) == spent
    assert sum(day.requests for day in days) == 5


@pytest.mark.parametrize(
    ("options", "count", "requests"),
    [
        ({"page_size": 3}, 7, 3),
        ({"page_size": 7}, 7, 2),  # the service does not say that a full page is the last one
        ({"page_size": 3, "limit": 4}, 4, 2),
        ({"page_size": 3, "limit": 3}, 3, 1),
        ({"limit": 1}, 1, 1),
        ({}, 7, 1),
        ({"models": "nothing"}, 0, 1),
        ({"page_size": 2, "since": NOW - dt.timedelta(seconds=25)}, 3, 2),
    ],
)
def test_pages_are_requested_as_needed(
    emulator: Emulator, account: PollinationsAccount, call: Call, options: dict[str, Any], count: int, requests: int
) -> None:
    for age in range(0, 70, 10):
        emulator.state.ledger.add(_record(age))
    records = call(account, "key_usage", **options)
    assert (len(records), len(emulator.requests)) == (count, requests)
    assert len({record.cursor_event_id for record in records}) == count
    assert records == sorted(records, key=lambda record: record.timestamp, reverse=True)


def test_no_page_is_requested_before_its_first_record_is_read(emulator: Emulator, account: PollinationsAccount) -> None:
    for _ in range(3):
        emulator.state.ledger.add(_record())
    records = account.key_usage(page_size=1)
    assert len(emulator.requests) == 0
    next(records)
    assert len(emulator.requests) == 1


def test_since_includes_all_records_of_its_second(emulator: Emulator, account: PollinationsAccount, call: Call) -> None:
    second = NOW.replace(microsecond=0)
    for age in (-0.9, 0.0, 0.1):
        emulator.state.ledger.add(_record((NOW - second).total_seconds() + age))
    since = (second + dt.timedelta(seconds=0.5)).astimezone(dt.timezone(dt.timedelta(hours=9)))
    assert len(call(account, "key_usage", since=since)) == 2
    assert call(account, "spent", since=since) == 1


@pytest.mark.parametrize(
    ("method", "options", "sent"),
    [
        ("key_usage", {"days": 7, "limit": 5}, {"days": "7", "limit": "5"}),
        ("key_usage", {"since": NOW}, {"days": "2", "limit": "1000"}),
        ("key_usage", {"since": NOW - dt.timedelta(days=89)}, {"days": "90", "limit": "1000"}),
        ("usage", {"period": "2026-W40"}, {"granularity": "week", "period": "2026-W40", "limit": "1000"}),
        ("usage", {"key_ids": ["a", "b"], "page_size": 9}, {"api_key_ids": "a,b", "limit": "9"}),
        ("usage", {"models": ("openai", "x/y")}, {"models": f"openai,x/y,{FREE}", "limit": "1000"}),
        ("daily_usage", {"period": "2026-10"}, {"granularity": "month", "period": "2026-10"}),
        ("daily_usage", {"period": "2026-10-31", "key_ids": "a"},
         {"granularity": "day", "period": "2026-10-31", "api_key_ids": "a"}),
        ("daily_usage", {}, {}),
    ],
)  # fmt: skip
def test_filters_are_sent(
    emulator: Emulator,
    account: PollinationsAccount,
    call: Call,
    method: str,
    options: dict[str, Any],
    sent: dict[str, str],
) -> None:
    call(account, method, **options)
    assert emulator.requests[-1].path == f"/account/{method.replace('daily_usage', 'usage/daily').replace('_', '/')}"
    assert dict(emulator.requests[-1].query) == sent


@pytest.mark.parametrize(
    ("method", "options", "param", "says"),
    [
        ("usage", {"days": 91}, "days", "less than or equal to 90"),
        ("usage", {"days": 1.5}, "days", "valid integer"),
        ("usage", {"limit": 0}, "limit", "greater than or equal to 1"),
        ("usage", {"page_size": 50_001}, "page_size", "50000"),
        ("usage", {"since": dt.datetime(2026, 11, 1)}, "since", "timezone"),
        ("usage", {"since": NOW - dt.timedelta(days=91)}, "since", "give period"),
        (
            "spent",
            {"since": dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=5)))},
            "since",
            "give period",
        ),
        ("usage", {"days": 1, "since": NOW}, None, "only one of days, since"),
        ("key_usage", {"key_ids": "a"}, "key_ids", "unknown argument 'key_ids'"),
        ("key_usage", {"model": "openai"}, "model", "did you mean 'models'"),
        ("usage", {"models": ["a,b"]}, "models", "without commas"),
        ("usage", {"models": 5}, "models", "a string or a list"),
        ("usage", {"period": "2026-02-30"}, "period", "a month"),
        ("daily_usage", {"period": "2026-W54"}, "period", "a week"),
        ("daily_usage", {"period": "2026-W5"}, "period", "a week"),
        ("daily_usage", {"period": "2026-1-1"}, "period", "a day"),
        ("daily_usage", {"period": "2025-W53"}, "period", "a week"),
        ("spent", {"since": None}, "since", "aware"),
        ("spent", {"since": NOW, "scope": "all"}, "scope", "key, account"),
        ("check", {"model": ""}, "model", "at least 1"),
        ("check", {"model": "openai", "cost": -1}, "cost", "greater than or equal to 0"),
        ("check", {"model": "openai", "cost": float("nan")}, "cost", "finite"),
    ],
)
def test_a_wrong_argument_is_named_before_a_request_is_sent(
    emulator: Emulator,
    account: PollinationsAccount,
    call: Call,
    method: str,
    options: dict[str, Any],
    param: str | None,
    says: str,
) -> None:
    with pytest.raises(errors.InvalidRequestError, match=says) as caught:
        call(account, method, **options)
    assert caught.value.param == param
    assert not emulator.requests


ROW = {"timestamp": "2026-11-01 12:00:00", "cursor_event_id": "e1", "type": "generate.text", "cost_usd": 1}


@pytest.mark.parametrize(
    "body",
    [{}, {"usage": {}}, {"usage": [{"type": "x"}]}, {"usage": [ROW | {"cost_usd": "much"}]}, {"usage": [7]}],
    ids=repr,
)
def test_a_wrong_record_is_an_error_because_sums_would_be_too_low(body: Any) -> None:
    with pytest.raises(errors.InvalidResponseError):
        parse_page(httpx.Response(200, json=body))


def test_a_page_that_repeats_is_an_error_because_the_list_would_never_end() -> None:
    pages = UsagePages("key", UsageOptions(page_size=1))
    page = parse_page(httpx.Response(200, json={"usage": [ROW]}))
    assert pages.read(page) and pages.request is not None
    assert pages.request.options["params"]["before"] == ROW["timestamp"]
    with pytest.raises(errors.InvalidResponseError, match="same page"):
        pages.read(page)


# --- The check --------------------------------------------------------------------------------------------------------

CHECKS: dict[str, tuple[dict[str, Any], str, str | None]] = {
    # account of the key, model, and the reason
    "paid": ({"balance": 5}, PAID_ONLY, None),
    "quest": ({"balance": 5, "paid": 0}, FREE, None),
    "category": ({"models": ["text"]}, FREE, None),
    "budget": ({"budget": 1, "scopes": []}, FREE, None),
    "unbudgeted key without the scope usage": ({"balance": 5, "scopes": []}, FREE, None),
    "expired": ({"expires": "2026-10-01T00:00:00+00:00"}, FREE, "UNAUTHORIZED"),
    "other category": ({"models": ["image", "embedding"]}, FREE, "FORBIDDEN"),
    "budget spent": ({"budget": 0}, FREE, "KEY_BUDGET_EXHAUSTED"),
    "no balance": ({"balance": 0}, FREE, "INSUFFICIENT_BALANCE"),
    "no paid Pollen": ({"balance": 5, "paid": 0}, PAID_ONLY, "INSUFFICIENT_BALANCE"),
    "no paid Pollen, and the scope usage is missing": (
        {"balance": 5, "paid": 0, "scopes": []}, PAID_ONLY, "INSUFFICIENT_BALANCE",
    ),
    "quest only": ({"balance": 5, "paid": 2, "quest_only": True}, PAID_ONLY, "QUEST_POLLEN_ONLY"),
    "Quest Pollen used up": ({"balance": 5, "quest_only": True}, FREE, "QUEST_POLLEN_ONLY"),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "model", "reason"), CHECKS.values(), ids=CHECKS)
def test_a_check_gives_the_reason_and_the_page_of_the_error_that_follows(
    emulator: Emulator,
    account: PollinationsAccount,
    call: Call,
    fields: dict[str, Any],
    model: str,
    reason: str | None,
) -> None:
    emulator.keys["sk_emulator"] = {"balance": 5, "scopes": ["usage"], "id": "key_1", **fields}
    check = call(account, "check", model=model)
    assert (check.ok, check.reason) == (reason is None, reason), check.message
    chat = ChatPollinations(**emulator.connection(), model=model)
    if reason is None:
        chat.invoke("Hi")
        return
    with pytest.raises(errors.PollinationsError) as caught:
        chat.invoke("Hi")
    assert caught.value.code == reason
    assert check.fix_url == (caught.value.fix_url or errors.KEYS_PAGE)
    assert check.message.endswith(".")


@pytest.mark.parametrize(
    ("fields", "model", "available"),
    [
        ({"balance": 5, "paid": 2}, FREE, 3),  # one kind must cover the whole price
        ({"balance": 5, "paid": 2}, PAID_ONLY, 2),
        ({"balance": 5, "paid": 4, "budget": "0.5"}, PAID_ONLY, Decimal("0.5")),
        ({"balance": 5, "paid": 4, "quest_only": True}, FREE, 1),
        ({"balance": 5, "budget": 2, "scopes": []}, FREE, 2),
        ({"balance": 5, "scopes": []}, FREE, None),
    ],
    ids=repr,
)
def test_a_check_names_what_is_available_for_the_model(
    emulator: Emulator, account: PollinationsAccount, call: Call, fields: dict[str, Any], model: str, available: Any
) -> None:
    emulator.keys["sk_emulator"] = {"scopes": ["usage"], **fields}
    check = call(account, "check", model=model)
    assert (check.available, check.model.id) == (available, model)
    if available is not None:
        assert call(account, "check", model=model, cost=available).ok
        assert not call(account, "check", model=model, cost=available + Decimal("1e-9")).ok


def test_a_check_takes_aliases_and_suggests_models(
    emulator: Emulator, account: PollinationsAccount, call: Call
) -> None:
    assert call(account, "check", "openai").model.id == FREE
    with pytest.raises(errors.UnknownModelError, match="Did you mean 'openai'") as caught:
        call(account, "check", "opnai")
    assert caught.value.param == "model"
    assert all("sk_" not in request.raw_path for request in emulator.requests)


def test_the_list_of_all_models_is_requested_without_the_key(emulator: Emulator, account: PollinationsAccount) -> None:
    account.check("openai")
    lists = [request.headers.get("authorization") for request in emulator.requests if request.path == "/models"]
    assert sorted(map(str, lists)) == ["Bearer sk_emulator", "None"]


def test_a_sign_in_never_sends_the_key() -> None:
    assert "authorization" not in SignInHost(api_key="sk_hidden")._client.headers


def test_an_error_object_may_hold_numbers_with_a_fraction(emulator: Emulator) -> None:
    emulator.reply(body={"error": 1.5}, on="/account/balance")
    with pytest.raises(errors.PollinationsError, match=r"inside its answer: 1\.5") as raised:
        PollinationsAccount(**emulator.connection()).balance()
    assert raised.value.body == {"error": 1.5}
