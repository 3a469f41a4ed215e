"""Keys, money and the response cache."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from langchain_pollinations.emulator import Asked, Emulator
from langchain_pollinations.emulator.service.bounded_memory import MAX_BYTES, MAX_ITEMS, BoundedStore
from langchain_pollinations.emulator.state import State

from .conftest import KEY, events

Say = Callable[..., httpx.Response]
CHAT = "/v1/chat/completions"


def body(words: str = "hi", **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": words}], **fields}


def test_a_key_is_needed_to_generate_and_not_to_list(emulator: Emulator) -> None:
    with httpx.Client(base_url=emulator.url) as http:
        assert http.post(CHAT, json=body()).status_code == 401
        assert http.get("/image/x").status_code == 401
        assert http.get("/models").status_code == 200 and http.get("/v1/models").status_code == 200
        assert http.post(CHAT, json=body(temperature=9)).status_code == 400  # the body is looked at first
        assert http.post(CHAT, params={"key": "sk_emulator"}, json=body()).status_code == 200


def test_unknown_keys_are_good_where_keys_are_not_strict() -> None:
    with (
        Emulator(keys={}, strict_keys=False) as emulator,
        httpx.Client(base_url=emulator.url, headers={"authorization": "Bearer sk_any"}) as http,
    ):
        assert http.post(CHAT, json=body()).status_code == 200
        assert emulator.keys["sk_any"]["balance"] < 1000


def test_a_generation_is_paid_at_the_price_of_the_catalogue(emulator: Emulator, say: Say) -> None:
    emulator.keys["sk_emulator"] = {"balance": 1.0, "budget": 0.5}
    usage = say("hi").json()["usage"]
    price = Decimal("0.00000015") * usage["prompt_tokens"] + Decimal("0.0000009375") * usage["completion_tokens"]
    account = emulator.keys["sk_emulator"]
    assert account["balance"] == 1 - price
    assert account["budget"] == Decimal("0.5") - price
    say("hi")
    assert account["balance"] == 1 - price  # the stored answer is free


PAID_ONLY = "openai/gpt-4o-mini"
REFUSED: list[tuple[dict[str, Any], str | None, int, str, str, str]] = [
    # account, model, status and code, beginning of the words, page
    ({"balance": 0}, None, 402, "INSUFFICIENT_BALANCE", "Insufficient balance. ",
     "/top-up?ref=agent_low_balance_topup"),
    ({"balance": 5, "paid": 0}, PAID_ONLY, 402, "INSUFFICIENT_BALANCE", "Insufficient balance. ",
     "/top-up?ref=agent_low_balance_topup"),
    ({"budget": 0, "id": "k"}, None, 402, "KEY_BUDGET_EXHAUSTED", "API key budget too low. ",
     "/edit-key?id=k&ref=agent_key_budget"),
    ({"balance": 5, "paid": 5, "quest_only": True, "id": "k"}, None, 402, "QUEST_POLLEN_ONLY",
     "Not enough Quest Pollen. ", "/edit-key?id=k&ref=agent_quest_pollen_only"),
    ({"balance": 5, "paid": 1, "quest_only": True, "id": "k"}, PAID_ONLY, 402, "QUEST_POLLEN_ONLY",
     "This model needs paid Pollen, but this API key only spends Quest Pollen. ",
     "/edit-key?id=k&ref=agent_quest_pollen_only"),
    ({"models": ["image"], "id": "k", "app": "https://a.example"}, None, 403, "FORBIDDEN",
     "Model 'openai/gpt-5.4-nano' is not allowed for this API key. Allow it at ",
     "/grant?id=k&category=text&ref=agent_grant&redirect=https%3A%2F%2Fa.example"),
]  # fmt: skip


@pytest.mark.parametrize(("account", "model", "status", "code", "begins", "page"), REFUSED)
def test_the_state_of_a_key_refuses_in_words_or_with_its_status(
    emulator: Emulator,
    http: httpx.Client,
    say: Say,
    account: dict[str, Any],
    model: str | None,
    status: int,
    code: str,
    begins: str,
    page: str,
) -> None:
    emulator.keys["sk_emulator"] = account
    named = {"model": model} if model else {}
    url = f"https://enter.pollinations.ai{page}"
    notices = [
        say("hi", **named).json()["choices"][0]["message"]["content"],
        http.get("/text/hi", params=named).text,
        http.post("/text", json={"messages": [{"role": "user", "content": "hi"}], **named}).text,
    ]
    assert len(set(notices)) <= 2  # the routes have default models of their own
    assert all(url in notice for notice in notices)
    assert ("This model needs paid Pollen." in notices[0]) is (model == PAID_ONLY)
    assert events(say("hi", stream=True, **named).text)[-1]["usage"]["total_tokens"] == 0
    refused = [
        say("any json", response_format={"type": "json_object"}, **named),
        say("any json", jsonMode=True, **named),
        http.get("/text/hi", params={"json": "true", **named}),
        say("hi", modalities=["text", "audio"], audio={"voice": "nova", "format": "wav"}, **named),
    ]
    for response in refused:
        assert response.status_code == status
        error = response.json()["error"]
        assert (error["code"], error["fixUrl"]) == (code, url)
        assert error["message"].startswith(begins) and url in error["message"]


def test_one_kind_of_pollen_pays_for_a_request(emulator: Emulator, say: Say) -> None:
    emulator.keys["sk_emulator"] = account = {"balance": 2.0, "paid": 1.0}
    assert say("hi").json()["usage"]["total_tokens"] > 0
    assert account["paid"] == 1.0 and account["balance"] < 2.0  # Quest Pollen pays first
    assert say("hi", model=PAID_ONLY).json()["usage"]["total_tokens"] > 0
    assert account["paid"] < 1.0


def test_media_routes_refuse_with_the_status(emulator: Emulator, http: httpx.Client) -> None:
    emulator.keys["sk_emulator"] = {"balance": 0}
    for path in ("/image/x", "/audio/x"):
        response = http.get(path)
        assert (response.status_code, response.json()["error"]["code"]) == (402, "INSUFFICIENT_BALANCE")


def test_models_for_bought_pollen(emulator: Emulator, http: httpx.Client, say: Say) -> None:
    emulator.keys["sk_emulator"] = {"balance": 5, "paid": 0}
    assert say("hi").json()["usage"]["total_tokens"] > 0
    assert say("hi", model="claude").json()["usage"]["total_tokens"] == 0
    assert not any(model.get("paid_only") for model in http.get("/models").json())


def test_permission_by_model_and_by_category(emulator: Emulator, http: httpx.Client, say: Say) -> None:
    emulator.keys["sk_emulator"] = {"models": ["text"]}
    assert say("hi").status_code == 200
    refused = http.get("/image/x")
    assert refused.status_code == 403 and "grant" in refused.json()["error"]["fixUrl"]
    assert {model["category"] for model in http.get("/models").json()} == {"text"}


def test_the_limit_of_a_model_per_minute(emulator: Emulator, http: httpx.Client) -> None:
    answers = [http.get("/image/x", params={"model": "flux", "width": 8, "height": 8, "seed": n}) for n in range(61)]
    assert [answer.status_code for answer in answers] == [200] * 60 + [429]
    assert answers[-1].json()["error"]["code"] == "community_model_rate_limit"
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60


@pytest.mark.parametrize(
    ("rpm", "most", "longest"),
    [(0.5, 1, 120), (0.25, 1, 240), (1, 1, 60), (1.5, 2, 80), (3, 3, 60)],
    ids=lambda number: str(number),
)
def test_a_limit_per_minute_may_be_a_fraction(rpm: float, most: int, longest: int) -> None:
    model = {
        "name": "community/someone/slow", "aliases": [], "category": "text", "publisher": "someone", "community": True,
        "title": "Slow", "pricing": {"currency": "pollen"}, "capabilities": [], "per_user_rpm": rpm,
        "supported_endpoints": [CHAT],
    }  # fmt: skip
    with Emulator(models=[model]) as emulator, httpx.Client(base_url=emulator.url, headers=KEY) as http:
        answers = [http.post(CHAT, json=body(f"Hi {n}", model=model["name"])) for n in range(most + 1)]
        assert [answer.status_code for answer in answers] == [200] * most + [429]
        assert f"{rpm} RPM" in answers[-1].json()["error"]["message"]
        assert longest - 5 < int(answers[-1].headers["retry-after"]) <= longest
        (listed,) = [each for each in http.get("/models").json() if each["name"] == model["name"]]
        assert listed["per_user_rpm"] == rpm


def kind(response: httpx.Response) -> str:
    assert response.headers["x-cache"] == "HIT"
    return response.headers["x-cache-type"]


def test_equal_requests_get_the_stored_answer(say: Say, http: httpx.Client) -> None:
    first, second = say("hi", user="u"), say("hi", user="u")
    assert (kind(first), kind(second)) == ("GENERATED", "EXACT")
    assert first.json() == second.json()
    assert first.headers["x-usage-total-tokens"] == second.headers["x-usage-total-tokens"]
    assert len(first.headers["x-cache-key"]) == 16 and first.headers["x-cache-date"] == second.headers["x-cache-date"]


def test_what_makes_requests_equal(http: httpx.Client) -> None:
    def ask(sent: dict[str, Any], **params: str) -> str:
        return kind(http.post(CHAT, json=sent, params=params))

    assert ask(body(seed=1)) == "GENERATED"
    assert ask(dict(reversed(body(seed=1).items()))) == "EXACT"
    assert ask(body(seed=1, key="x"), key="sk_emulator") == "EXACT"
    assert ask(body(seed=1, **{"no-cache": True})) == "EXACT"
    assert ask(body(seed=2)) == "GENERATED"
    assert ask(body(seed=1, metadata={"a": 1})) == "GENERATED"
    assert ask(body(seed=1, model="openai")) == "GENERATED"
    assert ask(body(seed=1, model="openai/gpt-5.4-nano")) == "GENERATED"


def test_streams_are_not_stored(say: Say) -> None:
    ids = {events(say("hi", stream=True).text)[0]["id"] for _ in range(2)}
    assert len(ids) == 2 and say("hi", stream=True).headers["x-cache"] == "MISS"


def test_a_stored_answer_needs_no_money(emulator: Emulator, say: Say) -> None:
    stored = say("hi").json()
    emulator.keys["sk_emulator"]["balance"] = 0
    assert say("hi").json() == stored


async def test_equal_requests_at_the_same_time_share_one_generation(emulator: Emulator) -> None:
    emulator.latency = 0.5
    before = emulator.keys["sk_emulator"]["balance"]
    async with httpx.AsyncClient(base_url=emulator.url, headers=KEY) as http:
        answers = await asyncio.gather(*(http.post(CHAT, json=body()) for _ in range(4)))
    assert sorted(map(kind, answers)) == ["COALESCED", "COALESCED", "COALESCED", "GENERATED"]
    assert len({answer.json()["id"] for answer in answers}) == 1
    cost = Decimal("0.00000015") * 4 + Decimal("0.0000009375") * answers[0].json()["usage"]["completion_tokens"]
    assert before - emulator.keys["sk_emulator"]["balance"] == cost
    assert [record.cost for record in emulator.ledger] == [cost]


def test_a_generation_goes_on_when_the_client_leaves(emulator: Emulator, say: Say) -> None:
    emulator.latency = 0.3
    hasty = httpx.Timeout(10, read=0.05)
    with httpx.Client(base_url=emulator.url, headers=KEY) as http, pytest.raises(httpx.ReadTimeout):
        http.post(CHAT, json=body(), timeout=hasty)
    assert kind(say("hi")) in ("COALESCED", "EXACT")
    assert kind(say("hi")) == "EXACT"


def test_a_generation_that_began_before_the_state_was_cleared_is_not_billed(emulator: Emulator) -> None:
    emulator.latency = 0.1
    hasty = httpx.Timeout(10, read=0.05)
    with httpx.Client(base_url=emulator.url, headers=KEY) as http, pytest.raises(httpx.ReadTimeout):
        http.post(CHAT, json=body(), timeout=hasty)
    emulator.clear()
    time.sleep(0.2)
    assert emulator.ledger == []


async def test_a_shared_failure_is_told_to_all(emulator: Emulator) -> None:
    emulator.latency = 0.5
    broken = {"type": "json_schema", "json_schema": {"schema": {"type": "array", "minItems": "many"}}}
    sent = body(response_format=broken)
    async with httpx.AsyncClient(base_url=emulator.url, headers=KEY) as http:
        answers = await asyncio.gather(*(http.post(CHAT, json=sent) for _ in range(2)))
        again = await http.post(CHAT, json=sent)
    assert {answer.status_code for answer in (*answers, again)} == {400}
    assert [a.headers.get("x-cache-type") for a in answers].count("COALESCED-ERROR") == 1
    assert "x-cache-type" not in again.headers  # a failure is not stored


def test_lists_are_filtered(http: httpx.Client) -> None:
    def names(**query: str) -> list[str]:
        return [model["name"] for model in http.get("/models", params=query).json()]

    assert names(limit="3") == names()[:3]
    assert names(query="OPENAI audio") and all("audio" in name for name in names(query="OPENAI audio"))
    agents = ["community/emulator/librarian"]
    assert names(source="community") == names(community="true") == names(agent="true") == agents
    assert names(source="official") == names(agent="0") == [name for name in names() if name not in agents]
    reasoning = http.get("/models", params={"capabilities": "reasoning,tool_calling"}).json()
    assert reasoning and all({"reasoning", "tool_calling"} <= set(model["capabilities"]) for model in reasoning)
    for bad in ({"limit": "0"}, {"source": "x"}, {"capabilities": "magic"}, {"agent": "maybe"}):
        assert http.get("/v1/models", params=bad).status_code == 400
    community = http.get("/models", headers={"Pollinations-Model-Source": "community"}).json()
    assert [model["name"] for model in community] == agents
    assert http.get("/models", headers={"Pollinations-Model-Source": "x"}).status_code == 400
    assert http.get("/v1/models/black-forest-labs/flux.1-schnell").json()["id"] == "black-forest-labs/flux.1-schnell"
    assert http.get("/v1/models/nope").status_code == 404
    assert http.get("/models/").status_code == 404  # and no redirect


def test_the_oldest_things_are_forgotten() -> None:
    kept: BoundedStore[str] = BoundedStore(max_items=3, max_bytes=10)
    for name in "abcd":
        kept.put(name, name.upper(), 1)
    assert [kept.find(name) for name in "abcd"] == [None, "B", "C", "D"]
    kept.put("b", "new", 9)
    assert [kept.find(name) for name in "bcd"] == ["new", None, "D"]
    kept.put("e", "larger than all", 99)
    assert kept.find("b") is None and kept.find("e") == "larger than all"
    kept.clear()
    assert kept.find("e") is None


def test_the_oldest_requests_are_forgotten() -> None:
    state = State()
    small = Asked("GET", "/models", "/models", {}, {})
    state.requests.extend([small] * MAX_ITEMS)
    state.requests.remember(large := replace(small, body=bytes(MAX_BYTES // 3)))
    assert len(state.requests) == MAX_ITEMS and state.requests[-1] is large
    for _ in range(3):
        state.requests.remember(large)
    assert state.requests == [large] * 3
    state.requests.remember(largest := replace(small, body=bytes(MAX_BYTES + 1)))
    assert state.requests == [largest]
