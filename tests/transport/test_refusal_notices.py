"""Refusals that arrive with status 200 and an answer in words are errors of their cause, and never words of a model.

The recorded cases are the service's own; the emulator makes the same refusals from the state of an account.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tools import tool

from langchain_pollinations import errors
from langchain_pollinations._transport.refusal_notices import Notice, read_notice
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.tools.images import PollinationsImageTool
from tests.helpers.ask import FORMS, Ask

CLASSES: Mapping[str, type[errors.PollinationsError]] = {
    "INSUFFICIENT_BALANCE": errors.InsufficientBalanceError,
    "KEY_BUDGET_EXHAUSTED": errors.KeyBudgetExhaustedError,
    "QUEST_POLLEN_ONLY": errors.QuestPollenOnlyError,
    "FORBIDDEN": errors.PermissionDeniedError,
}
ZERO = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
SPENT = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
PRIVATE = {"cache-control": "private, no-store"}
DONE = "data: [DONE]\n\n"


class Tokens(BaseCallbackHandler):
    """Everything that LangChain was given of a stream."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.seen.append(str(token))


def refusal_of(chat: ChatPollinations, ask: Ask, **options: Any) -> errors.PollinationsError:
    """The error of a call of which nothing was yielded."""
    tokens = Tokens()
    with pytest.raises(errors.PollinationsError) as caught:
        ask(chat, "Hello", {"callbacks": [tokens]}, **options)
    assert tokens.seen == []
    return caught.value


def is_refusal(error: errors.PollinationsError, status: int, code: str, fix_url: str | None) -> bool:
    facts = (type(error), error.status_code, error.code, error.fix_url, error.is_retryable)
    return facts == (CLASSES[code], status, code, fix_url, False)


@pytest.mark.parametrize("route", ["get", "post"])
def test_recorded_refusals_of_the_plain_routes(
    emulator: Emulator, example: Callable[[str], Any], ask: Ask, route: str
) -> None:
    model = ChatPollinations(**emulator.connection(), route=route)
    for case in example("notices")["cases"]:
        answer, refusal = case["plain"]["response"], case["refusal"]
        emulator.reply(body=answer["body_text"], headers=answer["headers"], status=answer["status"])
        error = refusal_of(model, ask)
        assert is_refusal(error, refusal["status"], refusal["code"], refusal["fix_url"]), (case["name"], error)
        assert emulator.requests[-1].path.startswith("/text")


@pytest.mark.parametrize("form", ["json", "stream", "true_status"])
def test_recorded_refusals(
    emulator: Emulator, chat: ChatPollinations, example: Callable[[str], Any], ask: Ask, form: str
) -> None:
    for case in example("notices")["cases"]:
        answer, refusal = case[form]["response"], case["refusal"]
        headers, status = answer["headers"], answer["status"]
        model = chat.model_copy(update={"streaming": form == "stream"})
        if form == "stream":
            emulator.reply(chunks=[chunk["data"] for chunk in answer["chunks"]], headers=headers)
        else:
            emulator.reply(body=answer["body"], headers=headers, status=status)
        error = refusal_of(model, ask)
        assert is_refusal(error, refusal["status"], refusal["code"], refusal["fix_url"]), (case["name"], error)
        said = answer["body"]["error"]["message"] if form == "true_status" else case["beginning"]
        assert str(error).startswith(said)


ACCOUNTS: list[tuple[dict[str, Any], int, str]] = [
    ({"balance": 0}, 402, "INSUFFICIENT_BALANCE"),
    ({"budget": 0.0}, 402, "KEY_BUDGET_EXHAUSTED"),
    ({"balance": 0, "quest_only": True}, 402, "QUEST_POLLEN_ONLY"),
    ({"models": ["image"]}, 403, "FORBIDDEN"),
]


def test_the_state_of_an_account_refuses(emulator: Emulator, chat: ChatPollinations, ask_in_any_form: Ask) -> None:
    for account, status, code in ACCOUNTS:
        emulator.keys["sk_emulator"] = dict(account)
        # In words on each route, and with the true status.
        for options in (
            {},
            {"route": "get"},
            {"route": "post"},
            {"json_mode": True},
            {"json_mode": True, "route": "get"},
        ):
            error = refusal_of(chat, ask_in_any_form, **options)
            assert (type(error), error.status_code, error.code) == (CLASSES[code], status, code)
            assert error.fix_url is not None and error.fix_url in str(error)


BALANCE = "The account behind this API key doesn't have enough credits. [Top up](https://enter.pollinations.ai/top-up)."
NEW = "Pollen is missing here. Please see [this page]({url})."
PAGE = "https://enter.pollinations.ai/edit-key?id=1&ref=agent_key_budget"
LINKED = NEW.format(url=PAGE)
BUDGET = Notice(402, "KEY_BUDGET_EXHAUSTED", PAGE)
LOW = Notice(402, "INSUFFICIENT_BALANCE", "https://enter.pollinations.ai/top-up")

READ: list[Any] = [
    # text, headers, total tokens, what it is
    pytest.param(BALANCE, PRIVATE, 0, LOW, id="header, beginning, no usage"),
    pytest.param(BALANCE, {}, 0, LOW, id="header removed by a proxy"),
    pytest.param(BALANCE, {}, None, LOW, id="plain text, header removed"),
    pytest.param(BALANCE[:60], PRIVATE, None, Notice(402, "INSUFFICIENT_BALANCE"), id="cut before its link"),
    pytest.param(f"\n {BALANCE}".replace("'", "\u2019"), PRIVATE, 0, LOW, id="another apostrophe"),
    pytest.param(LINKED, PRIVATE, 0, BUDGET, id="an unknown wording with the header"),
    pytest.param(LINKED, PRIVATE, None, BUDGET, id="an unknown wording as plain text"),
    pytest.param(LINKED, {}, 0, BUDGET, id="an unknown wording without the header"),
    pytest.param(LINKED, {}, None, None, id="plain text with a link is an answer"),
    pytest.param(BALANCE, PRIVATE, 11, None, id="a model quotes a notice"),
    pytest.param(LINKED, {}, 11, None, id="a model explains the page"),
    pytest.param("Hello.", PRIVATE, 0, None, id="a provider counts nothing, a proxy adds the header"),
    pytest.param("Hello.", {}, 0, None, id="a provider counts nothing"),
    pytest.param("", PRIVATE, 0, None, id="an empty answer"),
    pytest.param(
        NEW.format(url="https://enter.pollinations.ai/grant?id=1"), {}, 0,
        Notice(403, "FORBIDDEN", "https://enter.pollinations.ai/grant?id=1"), id="the path tells where no ref does",
    ),
    pytest.param(
        NEW.format(url="https://enter.pollinations.ai/quests"), {}, 0, Notice(402, "QUEST_POLLEN_ONLY"), id="quests"
    ),
    pytest.param(
        NEW.format(url="https://enter.pollinations.ai/"), {}, 0, Notice(402, "PAYMENT_REQUIRED"), id="no page at all"
    ),
    pytest.param(
        NEW.format(url="https://staging.enter.pollinations.ai/top-up?ref=agent_low_balance_topup"), {}, 0,
        Notice(402, "INSUFFICIENT_BALANCE", "https://staging.enter.pollinations.ai/top-up?ref=agent_low_balance_topup"),
        id="staging",
    ),
    *(
        pytest.param(NEW.format(url=url), {}, 0, None, id=url)
        for url in (
            "https://enter.pollinations.ai.evil.example/top-up",
            "https://enter.pollinations.ai@evil.example/top-up",
            "https://enter.evil.pollinations.ai/top-up",
            "http://enter.pollinations.ai/top-up",
        )
    ),
    pytest.param(f"See **{PAGE}**, please.", {}, 0, BUDGET, id="bold"),
    pytest.param("See https://enter.pollinations.ai.", {}, 0, Notice(402, "PAYMENT_REQUIRED"), id="the host alone"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "headers", "total", "expected"), READ)
def test_what_is_a_notice(text: str, headers: dict[str, str], total: int | None, expected: Notice | None) -> None:
    assert read_notice(text, httpx.Headers(headers), total) == expected


def delta(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields}]}


def chunk(text: str) -> dict[str, Any]:
    return delta(content=text)


END = [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]
CALL = {"index": 0, "id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


STREAMING = {name: ask for name, ask in FORMS.items() if "stream" in name or "events" in name}


@pytest.mark.parametrize("form", STREAMING)
def test_a_stream_with_the_header_of_notices_waits_until_a_model_is_seen(
    emulator: Emulator, chat: ChatPollinations, form: str
) -> None:
    ask = STREAMING[form]
    for first in (delta(reasoning_content="Hm."), delta(refusal="No."), delta(tool_calls=[CALL]), chunk("See ")):
        emulator.reply(chunks=[first, chunk(PAGE), *END, {"choices": [], "usage": SPENT}, DONE], headers=PRIVATE)
        assert PAGE in ask(chat, "Where?").text
    for usage, cut in ((ZERO, False), (None, True)):
        ends = [*END, {"choices": [], "usage": usage}, DONE] if not cut else []
        emulator.reply(chunks=[chunk("Go"), chunk(f" to {PAGE}."), *ends], headers=PRIVATE)
        assert is_refusal(refusal_of(chat, ask), 402, "KEY_BUDGET_EXHAUSTED", PAGE)
    emulator.reply(chunks=[chunk("Go"), chunk(f" to {PAGE}."), *END, DONE], headers={"cache-control": "no-store"})
    assert ask(chat, "Where?").text == f"Go to {PAGE}."


def test_an_offer_of_payment_is_a_missing_key(emulator: Emulator, chat: ChatPollinations, ask: Ask) -> None:
    emulator.fail("payment offer")
    with pytest.raises(errors.AuthenticationError, match=r"x402.*makes no payments.*POLLINATIONS_API_KEY") as caught:
        ask(chat, "Hello")
    assert (caught.value.status_code, caught.value.is_retryable) == (402, False)


def test_the_page_that_helps_is_read_from_the_words(emulator: Emulator, chat: ChatPollinations, ask: Ask) -> None:
    emulator.fail(403, message=f"Missing scope. Allow it at {PAGE}.")
    with pytest.raises(errors.PermissionDeniedError) as caught:
        ask(chat, "Hello")
    assert caught.value.fix_url == PAGE


MIGRATION = "⚠️ **IMPORTANT NOTICE** ⚠️\n\nThe Pollinations legacy text API is being deprecated."


def test_notices_are_recognised_on_every_host(emulator: Emulator, chat: ChatPollinations, ask: Ask) -> None:
    old = ChatPollinations(**emulator.legacy.connection(), legacy_interval=0)
    for host, model in ((emulator, chat), (emulator.legacy, old)):
        host.reply(message={"content": MIGRATION}, usage=ZERO)
        with pytest.raises(errors.AuthenticationError, match="migration notice"):
            ask(model, "Hello")
        host.reply(message={"content": BALANCE}, usage=ZERO)
        with pytest.raises(errors.InsufficientBalanceError):
            ask(model, "Hello")


NOTICES: Mapping[str, type[errors.PollinationsError]] = {
    "balance notice": errors.InsufficientBalanceError,
    "key budget notice": errors.KeyBudgetExhaustedError,
    "quest pollen notice": errors.QuestPollenOnlyError,
    "permission notice": errors.PermissionDeniedError,
    "september notice": errors.InsufficientBalanceError,
    "balance spent": errors.InsufficientBalanceError,
    "quest pollen spent": errors.QuestPollenOnlyError,
    "model not allowed for the key": errors.PermissionDeniedError,
}


@pytest.mark.parametrize("place", ["model", "model in a tool", "image tool"])
def test_a_refusal_ends_an_agent_run_as_the_error_of_its_cause(
    emulator: Emulator, chat: ChatPollinations, place: str
) -> None:
    @tool
    def consult(question: str) -> str:
        """Asks another model."""
        return chat.invoke(question).text

    agent = create_agent(chat, [consult, PollinationsImageTool(**emulator.connection())])
    for fault, kind in NOTICES.items():
        name = "generate_image" if place == "image tool" else "consult"
        args = {"prompt": "a whale"} if place == "image tool" else {"question": "Where is it?"}
        emulator.reply(tool_calls=[{"name": name, "args": args}])
        if place == "image tool" and fault.endswith("notice"):
            emulator.reply(body=BALANCE, headers=PRIVATE, on="/image")  # no media route does this today
            kind = errors.InsufficientBalanceError
        elif place == "image tool":
            emulator.fail(fault, on="/image")
        else:
            if place == "model":
                emulator.reply("Behind the rock.")  # the tool's own answer
            emulator.fail(fault, on="/v1/chat")
        with pytest.raises(kind):
            agent.invoke({"messages": "Find the whale"})
        emulator.clear()
