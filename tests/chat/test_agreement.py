"""One answer, whatever way it comes: whole or as a stream, cut by the network wherever it likes, in every form.

The answers are those that were recorded from the service, and one of each kind in each provider's dialect.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import example as with_example
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from langchain_pollinations import errors
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from tests.helpers.ask import FORMS, blocks

STREAMED = [form for form in FORMS if "invoke" not in form]
EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}
STANDARD_FINISHES = {"stop", "length", "tool_calls", "content_filter"}

# --- What was recorded ------------------------------------------------------------------------------------------------

EXCHANGES = [
    "chat_claude_toolcall_tool_use",
    "chat_claude_toolresult_end_turn",
    "chat_gemini3_toolcall_thought_signature",
    "chat_gemini_toolresult_finish_upper",
    "chat_gpt5mini_2025-12",
    "chat_gpt5mini_2026-03",
    "chat_kimi_reasoning",
    "chat_nova_toolresult",
    "chat_polly_zero_usage",
    "chat_stream_deepseek",
    "chat_stream_stop_then_usage_chunk",
    "chat_stream_usage_on_stop_chunk",
]
RECORDED_STREAMS = [name for name in EXCHANGES if "_stream_" in name]
EDGE_CASES = 10

Example = Callable[[str], Any]


def _assembled(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The whole answer of a recorded stream, put together by other means than ours."""
    text, whole = "", {}
    for line in "".join(chunk["data"] for chunk in chunks).split("\n"):
        if line.startswith("data: {"):
            event = json.loads(line[6:])
            whole |= {key: value for key, value in event.items() if value}
            text += "".join(choice["delta"].get("content") or "" for choice in event["choices"])
    return {**whole, "choices": [{"message": {"content": text}}]}


@pytest.mark.parametrize(
    ("name", "form"),
    [(name, form) for name in EXCHANGES for form in (STREAMED if name in RECORDED_STREAMS else FORMS)],
)
def test_every_recorded_exchange_reads_right(emulator: Emulator, example: Example, name: str, form: str) -> None:
    """Streams arrive read by read as they did; a whole answer is read where a stream was asked for, too."""
    told = example(name)["response"]
    headers = {key: value for key, value in told["headers"].items() if key not in ("connection", "transfer-encoding")}
    if "chunks" in told:
        emulator.reply(chunks=[chunk["data"] for chunk in told["chunks"]], headers=headers)
        body = _assembled(told["chunks"])
    else:
        emulator.reply(body=told["body"], headers=headers)
        body = told["body"]
    answer = FORMS[form](ChatPollinations(**emulator.connection()), "Hello")

    message = body["choices"][0]["message"]
    text, thought = message.get("content") or "", message.get("reasoning_content")
    calls = [
        {"type": "tool_call", "id": call["id"], "name": call["function"]["name"],
         "args": json.loads(call["function"]["arguments"])}
        for call in message.get("tool_calls") or []
    ]  # fmt: skip
    assert blocks(answer) == [
        *([{"type": "reasoning", "reasoning": thought}] if thought else []),
        *([{"type": "text", "text": text}] if text else []),
        *calls,
    ]
    assert [{**call, "type": "tool_call"} for call in answer.tool_calls] == calls
    assert answer.invalid_tool_calls == []
    assert answer.usage_metadata is not None
    usage = answer.usage_metadata
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == tuple(
        body["usage"][key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
    facts = answer.response_metadata
    assert facts["finish_reason"] in STANDARD_FINISHES
    assert facts["token_usage"] == body["usage"]
    assert facts["model_name"] == told["headers"].get("x-model-used", body["model"])
    assert facts["id"] == body["id"]
    kept = {key: body[key] for key in ("provider", "system_fingerprint", "prompt_token_ids") if body.get(key)}
    assert {key: facts[key] for key in kept} == kept


@pytest.mark.parametrize("form", FORMS)
def test_a_thought_signature_goes_back_with_its_call(emulator: Emulator, example: Example, form: str) -> None:
    told = example("chat_gemini3_toolcall_thought_signature")["response"]
    (recorded,) = told["body"]["choices"][0]["message"]["tool_calls"]
    emulator.reply(body=told["body"])
    emulator.reply("8")
    chat = ChatPollinations(**emulator.connection())
    answer = FORMS[form](chat, "5 + 3?")
    chat.invoke([HumanMessage("5 + 3?"), answer, ToolMessage("8", tool_call_id=recorded["id"])])
    (sent,) = emulator.requests[-1].json["messages"][1]["tool_calls"]
    arguments = sent["function"].pop("arguments")
    assert json.loads(arguments) == json.loads(recorded["function"].pop("arguments"))
    assert sent == recorded


@pytest.mark.parametrize("form", ["astream", "events"])
@pytest.mark.parametrize("number", range(EDGE_CASES))
def test_every_odd_stream_reads_right(emulator: Emulator, example: Example, form: str, number: int) -> None:
    cases = example("chat_stream_edge_cases")["cases"]
    assert len(cases) == EDGE_CASES
    case = cases[number]
    emulator.reply(chunks=[case["client_sees"]])
    chat = ChatPollinations(**emulator.connection(), max_retries=0)
    if case["error"] is None:
        answer = FORMS[form](chat, "Hello")
        assert answer.text == case["text"]
        assert answer.usage_metadata is not None
        assert answer.usage_metadata["total_tokens"] == case["usage_total"]
        return
    with pytest.raises(errors.PollinationsError) as caught:
        FORMS[form](chat, "Hello")
    assert caught.value.code == str(case["error"])
    assert caught.value.partial == case["text"]  # type: ignore[attr-defined]


# --- Every provider's answer, whole and as a stream -------------------------------------------------------------------

DIALECTS = ["plain", "responses", "openrouter", "bedrock", "vertex", "perplexity", "simulated"]
PIXEL = "data:image/png;base64,iVBORw0KGgo="
CALLS = [
    {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": ["é\u2028🌼", null, -1.5e3]}'}},
    {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
]
SOURCES = [
    {"url": "https://example.com/1", "title": "Ä first page", "text": "Die Größe: 3 km 🌼."},
    {"url": "https://example.com/2", "title": "A second page", "text": "It is deep."},
    {"url": "https://example.com/3", "title": "A page for all of it"},
]
TEXT = "Die Größe: 3 km 🌼.\n\nIt is deep.\u2028 \r\n\tThe end…"
THOUGHT = "Hm 🌼:\n\nhow\u2029 deep?"

ANSWERS: dict[str, dict[str, Any]] = {
    "everything": {
        "content": TEXT, "reasoning_content": THOUGHT, "tool_calls": CALLS, "sources": SOURCES,
        "searches": ["How deep?", "Wie groß?"], "code": [{"code": "print('é')", "output": "é\n"}], "images": [PIXEL],
    },
    "text": {"content": TEXT},
    "one letter": {"content": "7"},
    "thought": {"content": TEXT, "reasoning_content": THOUGHT},
    "thought and calls": {"content": None, "reasoning_content": THOUGHT, "tool_calls": CALLS},
    "calls": {"content": None, "tool_calls": CALLS},
    "a call that is cut off": {"content": None, "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": "é'}}, CALLS[1]]},
    "sources": {"content": TEXT, "sources": SOURCES, "searches": ["How deep?"]},
    "code": {"content": TEXT, "code": [{"code": "1 + 1", "output": "2"}, {"code": "2 + 2", "output": "4"}]},
    "pictures": {"content": TEXT, "images": [PIXEL, "https://example.com/a.png"]},
    "sound": {"content": None, "audio": {"id": "au", "expires_at": 9, "transcript": TEXT, "data": "QUJD" * 40}},
    "refusal": {"content": None, "refusal": "I will not say thät."},
    "fields nobody knows": {"content": TEXT, "mood": "calm", "an_object": {"n": 1, "x": 0.5}, "a_list": [{"a": 1}]},
}  # fmt: skip

# Facts that differ from call to call, or that the service tells of whole answers only.
OF_THE_CALL = {"id", "created", "request_id", "output_version"}
OF_WHOLE_ANSWERS = {"moderation", "prompt_filter_results", "content_filter_results"}


def summary(answer: AIMessage) -> dict[str, Any]:
    """What has to agree. Streams bring words and calls in their own order, and so do their blocks."""
    facts = answer.response_metadata
    bad = [{**call, "args": "", "error": ""} for call in answer.invalid_tool_calls]  # streams add an end to theirs
    return {
        "text": answer.text,
        "blocks": sorted(map(_comparable, blocks(answer)), key=lambda block: (block["type"], json.dumps(block))),
        "tool_calls": answer.tool_calls,
        "invalid_tool_calls": bad,
        "additional_kwargs": answer.additional_kwargs,
        "usage": answer.usage_metadata,
        "response_metadata": {key: facts[key] for key in facts.keys() - OF_THE_CALL - OF_WHOLE_ANSWERS},
    }


def _comparable(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] in ("invalid_tool_call", "tool_call_chunk"):
        return {"type": "invalid_tool_call", "id": block["id"], "name": block["name"]}
    return block


def _ask(emulator: Emulator, form: str, message: dict[str, Any], dialect: str) -> AIMessage:
    emulator.reply(message=message, dialect=dialect)
    chat = ChatPollinations(**emulator.connection(), max_retries=0)
    return FORMS[form](chat, "How deep?", audio={"voice": "ash", "format": "pcm16"})


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_answer_is_the_same_whole_and_streamed(emulator: Emulator, name: str, dialect: str) -> None:
    whole = summary(_ask(emulator, "invoke", ANSWERS[name], dialect))
    assert whole["blocks"]
    for form in FORMS if name == "everything" else ("astream-v1", "events"):
        assert summary(_ask(emulator, form, ANSWERS[name], dialect)) == whole, form


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_ending_is_the_same_whole_and_streamed(emulator: Emulator, dialect: str, reason: str) -> None:
    for form in ("invoke", "stream", "aevents"):
        emulator.reply(message={"content": TEXT}, dialect=dialect, finish_reason=reason)
        answer = FORMS[form](ChatPollinations(**emulator.connection()), "How deep?")
        assert answer.response_metadata["finish_reason"] == reason, form


# --- Wherever the network cuts ----------------------------------------------------------------------------------------

ODD_FRAMES = (
    ": welcome\n\n"
    'data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
    ": keep-alive\n\n"
    'event: message\nid: 7\ndata: {"choices":[{"delta":{"reasoning_content":"Hm 🌼"}}]}\n\n'
    'data:{"choices":[{"delta":{"content":"One\u2028two\u0085 é"}}]}\r\n\r\n'
    "data: waiting\n\n"
    'data: {"choices":[{"delta":\ndata: {"content":" 🌼!"}}]}\r\r'
    'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f",'
    '"arguments":""}}]}}]}\n\n'
    'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"x\\":\\"é🌼\\"}"}}]}}]}\n\n'
    'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}\n\n'
    'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n'
    "data: [DONE]\n\n"
    "data: nothing that counts\n\n"
).encode()

CUT_STREAMS = [
    "odd frames",
    *RECORDED_STREAMS,
    *(f"edge case {number}" for number in range(EDGE_CASES)),
    *(f"{name}, {dialect}" for dialect in DIALECTS for name in ("everything", "a call that is cut off")),
    "sound, plain",
]


@pytest.fixture(scope="module")
def emulated() -> dict[str, bytes]:
    """The bytes of each emulated stream, recorded once."""
    found = {}
    with Emulator() as service:
        for dialect in DIALECTS:
            for name in ("everything", "a call that is cut off", "sound"):
                service.reply(message=ANSWERS[name], dialect=dialect)
                body = {"model": "openai", "stream": True, "messages": [{"role": "user", "content": "How deep?"}]}
                head = {"authorization": f"Bearer {service.connection()['api_key']}"}
                told = httpx.post(f"{service.url}/v1/chat/completions", json=body, headers=head)
                found[f"{name}, {dialect}"] = told.raise_for_status().content
    return found


@pytest.fixture
def stream(request: pytest.FixtureRequest) -> bytes:
    """The bytes of the stream that is named."""
    name = request.param
    if name == "odd frames":
        return ODD_FRAMES
    if ", " in name:
        found: bytes = request.getfixturevalue("emulated")[name]
        return found
    recorded = request.getfixturevalue("example")
    if name.startswith("edge case "):
        case = recorded("chat_stream_edge_cases")["cases"][int(name.removeprefix("edge case "))]
        return str(case["client_sees"]).encode()
    return "".join(chunk["data"] for chunk in recorded(name)["response"]["chunks"]).encode()


class _Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % len(data) for place in places), len(data)]
    return [data[start:end] for start, end in zip(edges, edges[1:], strict=False)]


def read(pieces: list[bytes], form: str) -> Any:
    """What becomes of a body in pieces: the whole message, or the error."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200, headers=EVENT_STREAM, stream=_Pieces(pieces)))
    client, async_client = httpx.Client(transport=transport), httpx.AsyncClient(transport=transport)
    chat = ChatPollinations(api_key="sk_x", http_client=client, http_async_client=async_client, max_retries=0)
    return _outcome(chat, form)


def _outcome(chat: ChatPollinations, form: str) -> Any:
    try:
        answer = FORMS[form](chat, "How deep?")
    except errors.PollinationsError as error:
        return type(error), str(error), error.partial  # type: ignore[attr-defined]
    told = answer.model_dump(exclude={"id"})
    told["response_metadata"].pop("request_id", None)
    return {**told, "blocks": answer.content_blocks}


@pytest.mark.parametrize("stream", CUT_STREAMS, indirect=True)
def test_a_stream_reads_the_same_wherever_the_network_cuts_it(stream: bytes) -> None:
    uncut = {form: read([stream], form) for form in STREAMED}

    @settings(max_examples=5, deadline=None)
    @given(
        st.sampled_from(STREAMED),
        st.lists(st.integers(1, 1 << 20), max_size=12) | st.integers(1, 99).map(lambda n: [*range(0, len(stream), n)]),
    )
    @with_example("stream", [*range(len(stream))])
    @with_example("astream-v1", [*range(len(stream))])
    def check(form: str, places: list[int]) -> None:
        assert read(cut(stream, places), form) == uncut[form]

    check()


def test_odd_frames_read_right() -> None:
    for form in STREAMED:
        found = read([ODD_FRAMES], form)
        assert [block["type"] for block in found["blocks"]] == ["reasoning", "text", "tool_call"], form
        thought, text, call = found["blocks"]
        assert (thought["reasoning"], text["text"], call["args"]) == ("Hm 🌼", "One\u2028two\u0085 é 🌼!", {"x": "é🌼"})
        assert found["usage_metadata"]["total_tokens"] == 7


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_socket_cuts_no_other_way(emulator: Emulator, emulated: dict[str, bytes], dialect: str) -> None:
    """The same over a real connection, a network write for each piece."""
    data = emulated[f"everything, {dialect}"]
    places = random.Random(dialect).choices(range(len(data)), k=60)
    for form in ("stream", "astream"):
        emulator.reply(chunks=[piece for piece in cut(data, places) if piece])
        chat = ChatPollinations(**emulator.connection(), max_retries=0)
        assert _outcome(chat, form) == read([data], form), form
