"""What arrives with status 200 and is no answer, or only half of one: it never passes for a whole one."""

from __future__ import annotations

import asyncio
import gzip
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
BROKE = {"message": "The provider broke", "code": "broken"}


def delta(content: str | None = None, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    said = {} if content is None else {"content": content}
    return {"choices": [{"index": 0, "delta": {**said, **more}, "finish_reason": finish_reason}]}


STOP = delta(finish_reason="stop")


def body(content: Any = "Yes.", finish_reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more}
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}], "usage": USAGE}


def sse(*events: Any) -> bytes:
    lines = [each if isinstance(each, str) else f"data: {json.dumps(each, ensure_ascii=False)}\n\n" for each in events]
    return "".join(lines).encode()


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


# --- Errors in whole answers ------------------------------------------------------------------------------------------

# name, body, class of the error, status, code
ERRORS: list[tuple[str, Any, type[errors.PollinationsError], int | None, str | None]] = [
    ("object", {"error": BROKE}, errors.UpstreamError, None, "broken"),
    ("envelope", {"success": False, "status": 503, "error": {**BROKE, "code": "SERVICE_UNAVAILABLE"}},
     errors.ServiceUnavailableError, 503, "SERVICE_UNAVAILABLE"),
    ("number as code", {"error": {**BROKE, "code": 429}}, errors.RateLimitError, 429, "429"),
    ("word", {"error": "The provider broke"}, errors.UpstreamError, None, None),
    ("word and sentence", {"error": "broken", "message": "The provider broke"}, errors.UpstreamError, None, None),
    ("true and sentence", {"error": True, "message": "The provider broke"}, errors.UpstreamError, None, None),
    ("on the choice, no message", {"choices": [{"error": BROKE}]}, errors.UpstreamError, None, "broken"),
    ("with a type", {"type": "error", "error": {**BROKE, "type": "overloaded_error"}},
     errors.ServiceUnavailableError, 503, "broken"),
    ("beside choices", {**body("Half"), "error": BROKE}, errors.UpstreamError, None, "broken"),
    ("on the choice", {"choices": [{"message": {"content": ""}, "finish_reason": "error",
                                    "error": {**BROKE, "code": 502}}]}, errors.UpstreamError, 502, "502"),
    ("on the choice, beside text", {"choices": [{"message": {"content": "Half"}, "error": BROKE}]},
     errors.UpstreamError, None, "broken"),
    ("balance", {"error": {**BROKE, "code": "INSUFFICIENT_BALANCE"}},
     errors.InsufficientBalanceError, None, "INSUFFICIENT_BALANCE"),
    ("envelope without an object", {"success": False, "status": 503, "message": "The provider broke"},
     errors.ServiceUnavailableError, 503, None),
    ("as vLLM marks it", {"object": "error", "message": "The provider broke", "code": 503},
     errors.ServiceUnavailableError, 503, "503"),
    ("type alone", {"type": "error", "message": "The provider broke"}, errors.UpstreamError, None, None),
    ("overflow", {"error": {**BROKE, "code": "context_length_exceeded"}},
     errors.ContextOverflowError, None, "context_length_exceeded"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "kind", "status", "code"), [row[1:] for row in ERRORS], ids=[r[0] for r in ERRORS])
def test_an_error_object_is_an_error_with_its_words(
    emulator: Emulator,
    chat: ChatPollinations,
    ask: Ask,
    answer: Any,
    kind: type[errors.PollinationsError],
    status: int | None,
    code: str | None,
) -> None:
    emulator.reply(body=answer)
    with pytest.raises(kind, match="The provider broke") as caught:
        ask(chat, "Hello")
    assert (type(caught.value), caught.value.status_code, caught.value.code) == (kind, status, code)
    assert caught.value.request_id


@pytest.mark.parametrize(
    ("error", "says"),
    [
        pytest.param({"error": {"message": "Slow down", "code": "429"}}, "Slow down", id="code of digits"),
        pytest.param({"error": {"type": "overloaded_error"}}, "overloaded_error", id="no sentence"),
        pytest.param({"error": [{"message": "Slow down"}]}, "Slow down", id="list"),
        pytest.param(body("", "error", error={"message": "Slow down"}), "Slow down", id="on the message"),
    ],
)  # fmt: skip
def test_an_error_of_another_form_is_told_too(
    emulator: Emulator, chat: ChatPollinations, ask: Ask, error: Any, says: str
) -> None:
    emulator.reply(body=error)
    with pytest.raises(errors.PollinationsError, match=says) as caught:
        ask(chat, "Hello")
    assert isinstance(caught.value, errors.RateLimitError) or "429" not in json.dumps(error)


# --- Bodies that are no answer ----------------------------------------------------------------------------------------

PAGE = "<!DOCTYPE html><html><head><title>Down for repairs</title></head></html>"

# name, body, content type, what the error tells
NO_ANSWERS: list[tuple[str, Any, str, str]] = [
    ("null", "null", "application/json", "null"),
    ("page", PAGE, "text/html; charset=utf-8", "Down for repairs"),
    ("page that claims to be JSON", PAGE, "application/json", "Down for repairs"),
    ("words", "upstream connect error", "text/plain", "upstream connect error"),
    ("words that claim to be JSON", "upstream connect error", "application/json", "upstream connect error"),
    ("nothing", b"", "application/json", "empty"),
    ("white space", b" \n ", "application/json", "empty"),
    ("list", [{"error": BROKE}], "application/json", "The provider broke"),
    ("number", 7, "application/json", "7"),
    ("string", '"queued"', "application/json", "queued"),
    ("no choices", {"choices": [], "usage": USAGE}, "application/json", "choices"),
    ("null for choices", {"choices": None}, "application/json", "choices"),
    ("choice without a message", {"choices": [{"finish_reason": "stop"}]}, "application/json", "choices"),
    ("half of a body", json.dumps(body())[:80], "application/json", "assistant"),
    ("picture", b"\x89PNG\r\n\x1a\n", "image/png", "image/png"),
]


@pytest.mark.parametrize(("answer", "kind", "says"), [row[1:] for row in NO_ANSWERS], ids=[r[0] for r in NO_ANSWERS])
def test_what_is_no_answer_is_an_error_that_shows_it(
    emulator: Emulator, chat: ChatPollinations, ask: Ask, answer: Any, kind: str, says: str
) -> None:
    emulator.reply(body=answer, content_type=kind)
    with pytest.raises(errors.InvalidResponseError, match=says) as caught:
        ask(chat, "Hello")
    assert caught.value.status_code == 200
    assert caught.value.request_id


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(json.dumps({"error": BROKE}), "The provider broke", id="error"),
        pytest.param(PAGE, "Down for repairs", id="page"),
        pytest.param("upstream connect error", "upstream connect error", id="words"),
    ],
)
def test_no_stream_under_the_type_of_one_is_an_error_that_shows_it(
    emulator: Emulator, chat: ChatPollinations, way: str, answer: str, says: str
) -> None:
    emulator.reply(body=answer, content_type="text/event-stream")
    with pytest.raises(errors.PollinationsError, match=says):
        WAYS[way](chat, "Hello")


# --- Answers in another wrapping --------------------------------------------------------------------------------------

# name, content type, body
WRAPPED: list[tuple[str, str, bytes]] = [
    ("JSON", "application/json", json.dumps(body()).encode()),
    ("JSON with a charset", "Application/JSON; charset=utf-8", json.dumps(body()).encode()),
    ("JSON as text", "text/plain; charset=utf-8", json.dumps(body()).encode()),
    ("JSON behind white space", "application/json", b"\n\n   " + json.dumps(body()).encode()),
    ("stream", "text/event-stream", sse(delta("Yes."), STOP, END, DONE)),
    ("stream with a charset", "text/event-stream;charset=UTF-8", sse(delta("Yes."), STOP, END, DONE)),
    ("stream in capitals", 'Text/Event-Stream ; charset="utf-8"', sse(delta("Yes."), STOP, END, DONE)),
    ("stream without its last blank line", "text/event-stream", sse(delta("Yes."), STOP, END, "data: [DONE]")),
    ("stream without [DONE]", "text/event-stream", sse(delta("Yes."), STOP, END)),
    ("stream with a mark at its head", "text/event-stream", b"\xef\xbb\xbf" + sse(delta("Yes."), STOP, END, DONE)),
    ("JSON as a stream", "text/event-stream", json.dumps(body()).encode()),
    ("JSON in lines as a stream", "text/event-stream", json.dumps(body(), indent=2).encode()),
    ("stream as text", "text/plain; charset=utf-8", sse(delta("Yes."), STOP, END, DONE)),
    ("stream as bytes", "application/octet-stream", sse(": hello\n\n", delta("Yes."), STOP, END, DONE)),
]  # fmt: skip


@pytest.mark.parametrize("is_zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize(
    ("kind", "answer"),
    [pytest.param(kind, answer, id=name) for name, kind, answer in WRAPPED],
)
def test_a_stream_is_read_in_whatever_wrapping_it_comes(
    emulator: Emulator, chat: ChatPollinations, way: str, kind: str, answer: bytes, is_zipped: bool
) -> None:
    headers = {"content-encoding": "gzip"} if is_zipped else {}
    emulator.reply(body=gzip.compress(answer) if is_zipped else answer, content_type=kind, headers=headers)
    found = WAYS[way](chat, "Hello")
    assert blocks(found) == [{"type": "text", "text": "Yes."}]
    assert found.response_metadata["finish_reason"] == "stop"
    assert found.usage_metadata is not None
    assert found.usage_metadata["total_tokens"] == 7


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


# --- Finish reasons of failure ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["error", "ERROR", "failed", "network_error", "insufficient_system_resource"])
@pytest.mark.parametrize("text", ["", "Half"])
@pytest.mark.parametrize("is_cut", [False, True])
def test_a_finish_reason_of_failure_is_an_error(
    emulator: Emulator, chat: ChatPollinations, ask: Ask, request: Any, reason: str, text: str, is_cut: bool
) -> None:
    if request.node.callspec.params["ask"] in STREAMS:
        emulator.reply(chunks=[delta(text), delta(finish_reason=reason), *([] if is_cut else [END, DONE])])
    else:
        emulator.reply(body=body(text, reason))
    with pytest.raises(errors.UpstreamError, match=reason) as caught:
        ask(chat, "Hello")
    assert caught.value.partial == text
    assert caught.value.is_retryable


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
@pytest.mark.parametrize("content", ["", None])
def test_an_empty_answer_is_returned_with_a_warning(
    emulator: Emulator, chat: ChatPollinations, ask: Ask, request: Any, reason: Any, word: str, hint: str, content: Any
) -> None:
    if request.node.callspec.params["ask"] in STREAMS:
        emulator.reply(chunks=[delta(role="assistant", content=content, finish_reason=reason), END, DONE])
    else:
        emulator.reply(body=body(content, reason))
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


# --- Streams with an error in them ------------------------------------------------------------------------------------

# name, chunks, class of the error, code, text before it
BROKEN_STREAMS: list[tuple[str, list[Any], type[errors.PollinationsError], str | None, str]] = [
    ("first", [{"error": BROKE}], errors.UpstreamError, "broken", ""),
    ("first, with a status", [{"status": 402, "error": {**BROKE, "code": "INSUFFICIENT_BALANCE"}}],
     errors.InsufficientBalanceError, "INSUFFICIENT_BALANCE", ""),
    ("in the middle", [delta("Hal"), delta("f"), {"error": BROKE}, delta("!"), DONE],
     errors.UpstreamError, "broken", "Half"),
    ("number as code", [delta("Half"), {"error": {**BROKE, "code": 503}}],
     errors.ServiceUnavailableError, "503", "Half"),
    ("word", [delta("Half"), {"error": "The provider broke"}, DONE], errors.UpstreamError, None, "Half"),
    ("on the choice", [delta("Half"), {"choices": [{"delta": {"content": ""}, "finish_reason": "error",
     "error": {**BROKE, "code": 502}}]}, DONE], errors.UpstreamError, "502", "Half"),
    ("event of its own name", [delta("Half"), f"event: error\ndata: {json.dumps({'error': BROKE})}\n\n"],
     errors.UpstreamError, "broken", "Half"),
    ("after the finish", [delta("Whole"), STOP, {"error": BROKE}], errors.UpstreamError, "broken", "Whole"),
    ("after a thought", [delta(reasoning_content="Hm."), {"error": BROKE}], errors.UpstreamError, "broken", ""),
    ("inside a notice", [delta("Your Pollen bal"), {"error": BROKE}],
     errors.UpstreamError, "broken", "Your Pollen bal"),
]  # fmt: skip


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize(
    ("chunks", "kind", "code", "partial"), [row[1:] for row in BROKEN_STREAMS], ids=[r[0] for r in BROKEN_STREAMS]
)
def test_an_error_in_a_stream_carries_the_text_before_it(
    emulator: Emulator,
    chat: ChatPollinations,
    way: str,
    chunks: list[Any],
    kind: type[errors.PollinationsError],
    code: str | None,
    partial: str,
) -> None:
    emulator.reply(chunks=chunks)
    with pytest.raises(kind, match="The provider broke") as caught:
        WAYS[way](chat, "Hello")
    assert (type(caught.value), caught.value.code, caught.value.partial) == (kind, code, partial)
    assert len(emulator.requests) == 1


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize(
    "event",
    [
        pytest.param(f"event: error\ndata: {json.dumps(BROKE)}\n\n", id="object"),
        pytest.param("event: error\ndata: The provider broke\n\n", id="words"),
    ],
)
@pytest.mark.parametrize("after", [[], [DONE]], ids=["last", "before [DONE]"])
def test_an_event_that_only_its_name_calls_an_error_is_one(
    emulator: Emulator, chat: ChatPollinations, way: str, event: str, after: list[Any]
) -> None:
    emulator.reply(chunks=[delta("Half"), event, *after])
    with pytest.raises(errors.PollinationsError, match="The provider broke") as caught:
        WAYS[way](chat, "Hello")
    assert caught.value.partial == "Half"


# --- Streams that stop ------------------------------------------------------------------------------------------------

# name, chunks, text so far
CUT: list[tuple[str, list[Any], str]] = [
    ("at once", [], ""),
    ("after a comment", [": ping\n\n"], ""),
    ("after text", [delta("Ha"), delta("lf é")], "Half é"),
    ("after a thought", [delta(reasoning_content="Hm.")], ""),
    ("inside a tag of thought", [delta("<think>Hm")], ""),
    ("after the finish reason", [delta("Half"), STOP], "Half"),
    ("in the middle of an event", [delta("Half"), b'data: {"choices":[{"delta":{"content":" mo'], "Half"),
    ("in the middle of a letter", [delta("Half"), 'data: {"choices":[{"delta":{"content":"é'.encode()[:-1]], "Half"),
    ("in the middle of [DONE]", [delta("Half"), b"data: [DO"], "Half"),
    ("inside a call", [delta("Half", tool_calls=[{"id": "a", "function": {"name": "f", "arguments": "{"}}])], "Half"),
    ("inside a notice", [delta("Your Pollen bal")], "Your Pollen bal"),
]  # fmt: skip


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize(("chunks", "partial"), [row[1:] for row in CUT], ids=[row[0] for row in CUT])
def test_a_stream_without_its_end_carries_the_text_so_far(
    emulator: Emulator, chat: ChatPollinations, way: str, chunks: list[Any], partial: str
) -> None:
    emulator.reply(chunks=chunks)
    with pytest.raises(errors.IncompleteStreamError, match=f"after {len(partial)} characters") as caught:
        WAYS[way](chat, "Hello")
    assert caught.value.partial == partial


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("damage", ["cut", "no end", "stall", "stall with pings"])
def test_a_connection_that_fails_leaves_the_text_so_far(
    emulator: Emulator, chat: ChatPollinations, way: str, damage: str
) -> None:
    question = "Explain the tides"
    entire = WAYS["stream"](chat, question, seed=1).text
    seen: list[str] = []
    patient = chat.model_copy(update={"stream_chunk_timeout": 0.3})

    async def collect() -> None:
        async for chunk in patient.astream(question, seed=1):
            seen.append(chunk.text)

    emulator.fail(damage.removesuffix(" with pings"), after=3, seconds=1, pings=damage.endswith("pings"))
    kinds = {"cut": errors.APIConnectionError, "no end": errors.IncompleteStreamError}
    with pytest.raises(kinds.get(damage, errors.StreamTimeoutError)) as caught:
        if way == "stream":
            seen.extend(chunk.text for chunk in patient.stream(question, seed=1))
        else:
            asyncio.run(collect())
    partial = caught.value.partial
    assert 0 < len(partial) < len(entire)
    assert entire.startswith(partial)
    assert "".join(seen) == partial


@pytest.mark.parametrize("way", ["events", "aevents"])
def test_protocol_events_end_in_the_error_too(emulator: Emulator, chat: ChatPollinations, way: str) -> None:
    emulator.reply(chunks=[delta("Half")])
    with pytest.raises(errors.IncompleteStreamError) as caught:
        FORMS[way](chat, "Hello")
    assert caught.value.partial == "Half"


# --- Events that are none ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize(
    "ping",
    [
        "data: waiting\n\n",
        "data: OPENROUTER PROCESSING\n\n",
        "data:\n\n",
        "data\n\n",
        "data: null\n\n",
        "data: 7\n\n",
        "data: []\n\n",
        'data: "ping"\n\n',
        "data: {}\n\n",
        'data: {"type":"ping"}\n\n',
        "event: ping\ndata: {}\n\n",
        ": comment\n\n",
        "retry: 3000\n\n",
        "id: 7\n\n",
        "\n\n",
        'data: {"choices":[]}\n\n',
        'data: {"choices":null,"usage":null}\n\n',
        'data: {"choices":[{"delta":null}]}\n\n',
        'data: {"choices":[{"delta":{"content":null}}],"error":null}\n\n',
    ],
)
def test_signs_of_life_add_nothing(emulator: Emulator, chat: ChatPollinations, way: str, ping: str) -> None:
    emulator.reply(chunks=[ping, delta("Ye"), ping, delta("s."), ping, STOP, ping, END, ping, DONE, ping])
    answer = WAYS[way](chat, "Hello")
    assert blocks(answer) == [{"type": "text", "text": "Yes."}]
    assert answer.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize("way", STREAMS)
def test_usage_on_the_way_is_no_end(emulator: Emulator, chat: ChatPollinations, way: str) -> None:
    counted = [{**delta(text), "usage": USAGE} for text in ("The dose is ", "5")]
    emulator.reply(chunks=counted)
    with pytest.raises(errors.IncompleteStreamError) as caught:
        WAYS[way](chat, "Hello")
    assert caught.value.partial == "The dose is 5"


@pytest.mark.parametrize("way", STREAMS)
def test_a_character_cut_in_two_is_put_together(emulator: Emulator, chat: ChatPollinations, way: str) -> None:
    """As gateways written in JavaScript cut it."""
    halves = [f"data: {json.dumps(delta(text))}\n\n" for text in ("hi \ud83d", "\ude00 ok \ud83d")]
    emulator.reply(chunks=[*halves, STOP, END, DONE])
    assert WAYS[way](chat, "Hello").text == "hi 😀 ok �"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "prompt is too long: 9 > 8", "type": "invalid_request_error"}, errors.ContextOverflowError),
        ({"message": "bad key", "type": "authentication_error"}, errors.AuthenticationError),
        ({"message": "slow down", "type": "rate_limit_error"}, errors.RateLimitError),
        ({"message": "no", "code": "content_policy_violation"}, errors.UnprocessableError),
    ],
)
def test_an_error_without_a_status_tells_its_kind(
    emulator: Emulator, chat: ChatPollinations, error: Any, kind: type[errors.PollinationsError]
) -> None:
    emulator.reply(chunks=[delta("Half"), {"error": error}])
    with pytest.raises(kind) as caught:
        list(chat.stream("Hello"))
    assert caught.value.is_retryable is (kind is errors.RateLimitError)


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("event", ['data: {"choices":[{"delta":{"content":" mo\n\n', 'data: {"choices":[{"del\n\n'])
def test_half_an_event_in_the_middle_is_no_sign_of_life(
    emulator: Emulator, chat: ChatPollinations, way: str, event: str
) -> None:
    emulator.reply(chunks=[delta("Half"), event, delta("ugh."), STOP, END, DONE])
    with pytest.raises(errors.InvalidResponseError) as caught:
        WAYS[way](chat, "Hello")
    assert caught.value.partial == "Half"
