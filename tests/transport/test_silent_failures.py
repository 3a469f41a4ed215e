"""Answers in unusual forms, empty answers, and refusals as text. The other faults are rows of tests/faults/table.py."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Mapping
from typing import Any

import pytest

from langchain_pollinations import errors
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from tests.helpers.ask import FORMS, WAYS, Ask, blocks

DONE = "data: [DONE]\n\n"
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
END = {"choices": [], "usage": USAGE}
STREAMS = ("stream", "astream")


def delta(content: str | None = None, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    said = {} if content is None else {"content": content}
    return {"choices": [{"index": 0, "delta": {**said, **more}, "finish_reason": finish_reason}]}


STOP = delta(finish_reason="stop")


def body(content: Any = "Yes.", finish_reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more}
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}], "usage": USAGE}


@pytest.fixture
def chat(emulator: Emulator) -> ChatPollinations:
    return ChatPollinations(**emulator.connection(), max_retries=0)


# --- Words in other forms than a string -------------------------------------------------------------------------------

OUTPUT = {"type": "output_text", "text": "Yes.", "annotations": [], "logprobs": []}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param([OUTPUT], "Yes.", id="OpenAI's Responses"),
        pytest.param([OUTPUT, {**OUTPUT, "text": " No."}], "Yes. No.", id="two parts of them"),
        pytest.param(OUTPUT, "Yes.", id="one part without a list"),
        pytest.param({"type": "text", "text": "Yes."}, "Yes.", id="a part of text without a list"),
        pytest.param({"text": "Yes."}, "Yes.", id="an object with a text"),
        pytest.param({"parts": [{"text": "Yes."}], "role": "model"}, "Yes.", id="Google's"),
        pytest.param(
            [{"type": "text", "text": {"value": "Yes.", "annotations": []}}], "Yes.", id="OpenAI's Assistants"
        ),
        *(pytest.param([part], "Yes.", id=f"part {part}") for part in (
            {"type": "summary_text", "text": "Yes."},
            {"type": "document", "text": "Yes."},
            {"type": "message", "content": [OUTPUT]},
            {"type": "text", "content": "Yes."},
            {"parts": [{"text": "Yes."}]},
            [{"type": "text", "text": "Yes."}],
        )),
        pytest.param({"sea": "Baltic", "deep": 459}, '{"sea": "Baltic", "deep": 459}', id="an answer as an object"),
    ],
)  # fmt: skip
def test_words_in_any_form_are_the_text(
    emulator: Emulator, chat: ChatPollinations, ask: Ask, content: Any, text: str
) -> None:
    emulator.reply(message={"content": content}, dialect="simulated")
    assert blocks(ask(chat, "Hello")) == [{"type": "text", "text": text}]


@pytest.mark.parametrize(
    "part", [{"type": "reasoning", "content": [OUTPUT]}, {"text": "Hm.", "thought": True},
             {"type": "reasoning_text", "text": "Hm."}, {"type": "mcp_tool_result", "content": [OUTPUT]}]
)  # fmt: skip
def test_reasoning_among_the_parts_is_no_text(emulator: Emulator, chat: ChatPollinations, ask: Ask, part: Any) -> None:
    emulator.reply(message={"content": [part, {"type": "text", "text": "So."}]}, dialect="simulated")
    answer = ask(chat, "Hello")
    assert (answer.text, answer.additional_kwargs.get("reasoning_content", "Hm.")) == ("So.", "Hm.")


def test_a_refusal_among_the_parts_is_a_refusal(
    emulator: Emulator, chat: ChatPollinations, ask_in_any_form: Ask
) -> None:
    emulator.reply(message={"content": [{"type": "refusal", "refusal": "I cannot."}]}, dialect="simulated")
    answer = ask_in_any_form(chat, "Hello")
    assert (answer.text, answer.additional_kwargs) == ("", {"refusal": "I cannot."})


# --- The notice of an empty balance -----------------------------------------------------------------------------------

NOTICE = (
    "Your Pollen balance is too low for this request. Top up at https://enter.pollinations.ai/ and send it again, "
    "or see your usage at https://enter.pollinations.ai/usage"
)
ZERO = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@pytest.mark.parametrize("size", [1, 7, 46, 1000])
@pytest.mark.parametrize("start", ["", "\n "])
@pytest.mark.parametrize("way", STREAMS)
def test_a_notice_is_an_error_however_it_is_cut(
    emulator: Emulator, chat: ChatPollinations, way: str, start: str, size: int
) -> None:
    said = start + NOTICE
    pieces = [delta(said[place : place + size]) for place in range(0, len(said), size)]
    emulator.reply(chunks=[*pieces, STOP, {"choices": [], "usage": ZERO}, DONE])
    seen: list[str] = []

    async def collect() -> None:
        async for chunk in chat.astream("Hello"):
            seen.append(chunk.text)

    with pytest.raises(errors.InsufficientBalanceError, match="too low.*enter.pollinations.ai/usage") as caught:
        if way == "stream":
            seen.extend(chunk.text for chunk in chat.stream("Hello"))
        else:
            asyncio.run(collect())
    assert "".join(seen).strip() == ""
    assert (caught.value.status_code, caught.value.code) == (402, "INSUFFICIENT_BALANCE")


@pytest.mark.parametrize("way", ["invoke", "ainvoke", *STREAMS])
def test_a_whole_notice_is_an_error(emulator: Emulator, chat: ChatPollinations, way: str) -> None:
    emulator.reply(body={**body(NOTICE), "usage": ZERO})
    with pytest.raises(errors.InsufficientBalanceError, match="too low") as caught:
        WAYS[way](chat, "Hello")
    assert not caught.value.is_retryable


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        pytest.param(NOTICE, USAGE, id="a model quotes the notice"),
        pytest.param("Your Pollen balance", USAGE, id="a model begins alike"),
        pytest.param("Your Pollen balance is too low.", ZERO, id="no address"),
        pytest.param("Hello.", ZERO, id="a provider counts nothing"),
    ],
)
def test_what_only_looks_like_a_notice_is_an_answer(
    emulator: Emulator, chat: ChatPollinations, ask: Ask, said: str, usage: Mapping[str, int]
) -> None:
    emulator.reply(message={"content": said}, usage=usage, dialect="plain")
    assert ask(chat, "Hello").text == said


# --- Empty answers ----------------------------------------------------------------------------------------------------

EMPTY = "The model returned an empty response"

# finish reason of the service, ours, what the warning tells beside it
REASONS = [
    ("stop", "stop", ""),
    ("length", "length", "raise max_tokens"),
    ("MAX_TOKENS", "length", "raise max_tokens"),
    ("content_filter", "content_filter", "filter"),
    ("SAFETY", "content_filter", "filter"),
    ("RECITATION", "RECITATION", ""),
    (None, "stop", ""),
]


@pytest.mark.parametrize(("reason", "word", "hint"), REASONS)
def test_an_empty_answer_is_returned_with_a_warning(
    emulator: Emulator, chat: ChatPollinations, ask: Ask, request: Any, reason: Any, word: str, hint: str
) -> None:
    if request.node.callspec.params["ask"] in STREAMS:
        emulator.reply(chunks=[delta("", reason, role="assistant"), END, DONE])
    else:
        emulator.reply(body=body(None, reason))
    with pytest.warns(UserWarning, match=f"{EMPTY}.*{word}.*{hint}") as told:
        answer = ask(chat, "Hello")
    assert answer.text == ""
    assert [block["type"] for block in blocks(answer)] == (["refusal"] if word == "content_filter" else [])
    assert answer.response_metadata["finish_reason"] == word
    assert answer.usage_metadata is not None
    assert len(told) == 1


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"content_blocks": []}, id="no blocks"),
        pytest.param({"tool_calls": [], "refusal": None, "reasoning_content": ""}, id="empty fields"),
        pytest.param({"content_blocks": [{"type": "text", "text": ""}]}, id="empty block"),
        pytest.param({"provider_specific_fields": {"region": "eu"}}, id="facts only"),
    ],
)
def test_fields_without_words_are_an_empty_answer(
    emulator: Emulator, chat: ChatPollinations, ask: Ask, more: dict[str, Any]
) -> None:
    emulator.reply(body=body("", **more))
    with pytest.warns(UserWarning, match=EMPTY):
        ask(chat, "Hello")


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("chunks", [[DONE], [STOP, DONE], [END], [END, DONE], [": ping\n\n", {"choices": []}, DONE]])
def test_an_empty_stream_is_an_empty_answer(emulator: Emulator, chat: ChatPollinations, way: str, chunks: Any) -> None:
    emulator.reply(chunks=chunks)
    with pytest.warns(UserWarning, match=EMPTY):
        assert WAYS[way](chat, "Hello").text == ""


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({"content": None, "reasoning_content": "Hm."}, id="reasoning"),
        pytest.param({"content": "<think>Hm.</think>"}, id="thought in tags"),
        pytest.param({"content": None, "refusal": "No."}, id="refusal"),
        pytest.param({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]}, id="call"),
        pytest.param({"images": [{"type": "image_url", "image_url": {"url": "https://e.xyz/a"}}]}, id="picture"),
        pytest.param({"content": None, "audio": {"id": "a", "data": "AAAA", "transcript": "Hi"}}, id="sound"),
        pytest.param({"content": " \n"}, id="white space"),
    ],
)  # fmt: skip
def test_an_answer_without_text_is_no_empty_one(
    emulator: Emulator, chat: ChatPollinations, ask: Ask, message: dict[str, Any]
) -> None:
    emulator.reply(body=body(**{"content": "", **message}))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        answer = ask(chat, "Hello")
    assert blocks(answer)


@pytest.mark.parametrize("way", ["events", "aevents"])
def test_protocol_events_end_in_the_error_too(emulator: Emulator, chat: ChatPollinations, way: str) -> None:
    emulator.reply(chunks=[delta("Half")])
    with pytest.raises(errors.IncompleteStreamError) as caught:
        FORMS[way](chat, "Hello")
    assert caught.value.partial == "Half"


# --- Events that are none ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", STREAMS)
def test_a_character_cut_in_two_is_put_together(emulator: Emulator, chat: ChatPollinations, way: str) -> None:
    """As gateways written in JavaScript cut it."""
    halves = [f"data: {json.dumps(delta(text))}\n\n" for text in ("hi \ud83d", "\ude00 ok \ud83d")]
    emulator.reply(chunks=[*halves, STOP, END, DONE])
    assert WAYS[way](chat, "Hello").text == "hi 😀 ok �"
