"""What the service really sent: recorded exchanges, odd streams, usage in all its forms."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.utils.json import parse_partial_json

from langchain_pollinations import ChatPollinations, errors
from langchain_pollinations._answer import read_answer
from langchain_pollinations._decode import Asked, read_finish_reason, read_usage
from langchain_pollinations._stream import ChatReader
from langchain_pollinations.emulator import Emulator
from tests.conftest import WAYS

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
STANDARD_FINISHES = {"stop", "length", "tool_calls", "content_filter"}


@pytest.mark.parametrize("name", EXCHANGES)
def test_every_recorded_exchange_reads_right(emulator: Emulator, example: Callable[[str], Any], name: str) -> None:
    told = example(name)["response"]
    chat = ChatPollinations(**emulator.connection())
    if "chunks" in told:
        emulator.reply(chunks=[chunk["data"] for chunk in told["chunks"]], headers=told["headers"], times=2)
        answers = [WAYS["stream"](chat, "Hello"), WAYS["astream"](chat, "Hello")]
        body = _assembled(told["chunks"])
    else:
        emulator.reply(body=told["body"], headers=told["headers"], times=4)
        answers = [way(chat, "Hello") for way in WAYS.values()]
        body = told["body"]
    message = body["choices"][0]["message"]
    for answer in answers:
        assert answer.text == (message.get("content") or "")
        calls = message.get("tool_calls") or []
        assert [call["id"] for call in answer.tool_calls] == [call["id"] for call in calls]
        assert [call["args"] for call in answer.tool_calls] == [
            json.loads(call["function"]["arguments"]) for call in calls
        ]
        assert answer.usage_metadata is not None
        assert answer.usage_metadata["total_tokens"] == body["usage"]["total_tokens"]
        assert answer.response_metadata["finish_reason"] in STANDARD_FINISHES
        reasoning = [block["reasoning"] for block in answer.content_blocks if block["type"] == "reasoning"]
        assert reasoning == ([message["reasoning_content"]] if message.get("reasoning_content") else [])


def _assembled(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The whole answer of a recorded stream, put together by other means than ours."""
    text, usage = "", {}
    for line in "".join(chunk["data"] for chunk in chunks).split("\n"):
        if line.startswith("data: {"):
            event = json.loads(line[6:])
            usage = event.get("usage") or usage
            for choice in event["choices"]:
                text += choice["delta"].get("content") or ""
    return {"choices": [{"message": {"content": text}}], "usage": usage}


def test_a_thought_signature_goes_back_with_its_call(emulator: Emulator, example: Callable[[str], Any]) -> None:
    told = example("chat_gemini3_toolcall_thought_signature")["response"]
    signature = told["body"]["choices"][0]["message"]["tool_calls"][0]["function"]["thought_signature"]
    emulator.reply(body=told["body"], times=4)
    chat = ChatPollinations(**emulator.connection())
    for way in ("invoke", "stream"):
        answer = WAYS[way](chat, "5 + 3?")
        chat.invoke([("user", "5 + 3?"), answer, {"role": "tool", "content": "8", "tool_call_id": "x"}])
        (call,) = emulator.requests[-1].json["messages"][1]["tool_calls"]
        assert call["function"]["thought_signature"] == signature


def test_every_odd_stream_reads_right(emulator: Emulator, example: Callable[[str], Any]) -> None:
    chat = ChatPollinations(**emulator.connection(), max_retries=0)
    for case in example("chat_stream_edge_cases")["cases"]:
        for way in ("stream", "astream"):
            emulator.reply(chunks=[case["client_sees"]])
            if case["error"] is None:
                answer = WAYS[way](chat, "Hello")
                assert answer.text == case["text"], case["name"]
                assert answer.usage_metadata is not None
                assert answer.usage_metadata["total_tokens"] == case["usage_total"], case["name"]
                continue
            with pytest.raises(errors.PollinationsError) as caught:
                WAYS[way](chat, "Hello")
            assert caught.value.code == str(case["error"]), case["name"]
            assert caught.value.partial == case["text"], case["name"]  # type: ignore[attr-defined]


STREAM = (
    'data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
    ": keep-alive\n\n"
    'event: message\nid: 7\ndata: {"choices":[{"delta":{"reasoning_content":"Hm 🌼"}}]}\n\n'
    'data: {"choices":[{"delta":{"content":"One\u2028two é"}}]}\r\n\r\n'
    "data: waiting\n\n"
    'data: {"choices":[{"delta":\ndata: {"content":" 🌼!"}}]}\n\n'
    'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f",'
    '"arguments":""}}]}}]}\n\n'
    'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"x\\":\\"é🌼\\"}"}}]}}]}\n\n'
    'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}\n\n'
    'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n'
    "data: [DONE]\n\n"
).encode()


class _Pieces(httpx.SyncByteStream):
    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    def __iter__(self) -> Any:
        return iter(self.pieces)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=12))
def test_a_stream_reads_the_same_wherever_the_network_cuts_it(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    headers = {"content-type": "text/event-stream"}
    handler = httpx.MockTransport(lambda request: httpx.Response(200, headers=headers, stream=_Pieces(pieces)))
    with httpx.Client(transport=handler) as client:
        answer = WAYS["stream"](ChatPollinations(api_key="sk_x", http_client=client), "Hello")
    assert answer.text == "One\u2028two é 🌼!"
    assert answer.tool_calls[0]["args"] == {"x": "é🌼"}
    assert answer.additional_kwargs["reasoning_content"] == "Hm 🌼"
    assert answer.response_metadata["finish_reason"] == "tool_calls"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] == 7


# --- Tool calls of streams, in the forms they really arrive ---------------------------------------------------------


def read_stream(*deltas: dict[str, Any]) -> AIMessageChunk:
    reader = ChatReader(httpx.Response(200, headers={"content-type": "text/event-stream"}), Asked("m"))
    chunks: list[ChatGenerationChunk] = []
    for delta in deltas:
        chunks += reader.feed(json.dumps({"choices": [{"delta": delta}]}))
    chunks += reader.feed("[DONE]")
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    assert isinstance(whole.message, AIMessageChunk)
    return whole.message


def call(name: str | None = None, arguments: Any = None, **more: Any) -> dict[str, Any]:
    return {"tool_calls": [{**more, "function": {"name": name, "arguments": arguments}}]}


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        pytest.param([call("f", '{"x": 1}', index=0, id="a")], [("f", {"x": 1})], id="whole"),
        pytest.param([call("f", "", index=0, id="a"), call(None, '{"x":', index=0), call(None, " 1}", index=0)],
                     [("f", {"x": 1})], id="in deltas"),
        pytest.param([call("f", "", id="a"), call(None, '{"x": 1}')], [("f", {"x": 1})], id="without index"),
        pytest.param([call("f", "{}", index=None, id="a"), call("g", "{}", index=None, id="b")],
                     [("f", {}), ("g", {})], id="null index, two calls"),
        pytest.param([call("f", "", index=0, id="a"), call("f", '{"x": 1}', index=0, id="a")],
                     [("f", {"x": 1})], id="name and id come again"),
        pytest.param([call("f", {"x": 1}, index=0, id="a")], [("f", {"x": 1})], id="arguments as an object"),
        pytest.param([call("f", None, index=0)], [("f", {})], id="no id, no arguments"),
        pytest.param([call("f", "{}", index=1, id="a"), call("g", "{}", index=2, id="b")],
                     [("f", {}), ("g", {})], id="index from 1"),
        pytest.param([call("f", '{"x": 1}'), call("g", '{"y": 2}')], [("f", {"x": 1}), ("g", {"y": 2})],
                     id="named, neither index nor id"),
        pytest.param([call("f", '{"x": 1}', index=0, id="a"), call("g", '{"y": 2}', index=0, id="b")],
                     [("f", {"x": 1}), ("g", {"y": 2})], id="whole calls that all claim index 0"),
        pytest.param([call("f", "", index=0, id="a"), call(None, '{"x": 1}', id="a")], [("f", {"x": 1})],
                     id="index first, then the id alone"),
        pytest.param([call(None, "", index=0, id="a"), call("f", '{"x": 1}', index=0)], [("f", {"x": 1})],
                     id="the name after the id"),
        pytest.param([{"content": "Text", **call("f", "{}", index=0, id="a")}], [("f", {})], id="text and call"),
    ],
)  # fmt: skip
def test_tool_calls_of_streams(deltas: list[dict[str, Any]], expected: list[tuple[str, dict[str, Any]]]) -> None:
    message = read_stream(*deltas)
    assert [(c["name"], c["args"]) for c in message.tool_calls] == expected
    assert all(c["id"] for c in message.tool_calls)
    assert len({c["id"] for c in message.tool_calls}) == len(expected)


@pytest.mark.parametrize(
    "deltas",
    [
        pytest.param([{"reasoning_content": "Hm"}], id="reasoning_content"),
        pytest.param([{"reasoning": "Hm"}], id="reasoning"),
        pytest.param([{"content_blocks": [{"index": 0, "delta": {"thinking": "Hm"}}]}], id="content_blocks"),
        pytest.param(
            [{"reasoning": "Hm", "content_blocks": [{"index": 0, "delta": {"thinking": "Hm"}}]}], id="two at once"
        ),
    ],
)
def test_reasoning_of_every_route_is_read_once(deltas: list[dict[str, Any]]) -> None:
    message = read_stream(*deltas, {"content": "Yes."})
    assert [b.get("reasoning") for b in message.content_blocks if b["type"] == "reasoning"] == ["Hm"]
    assert message.text == "Yes."


@pytest.mark.parametrize(
    "cut",
    [
        '{"path": "/home/u',
        '{"path": "/home/u\\',
        '{"path": "a", "n',
        '{"path": ["a"',
        '{"path": {"a": 1',
        '{"path": 1',
        "{",
    ],
)
def test_arguments_that_are_cut_off_never_make_a_shorter_call(emulator: Emulator, cut: str) -> None:
    """LangChain would complete them; an agent would then delete the wrong folder."""
    message = {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "rm", "arguments": cut}}]}
    for version in ("v0", "v1"):
        emulator.reply(message=message, finish_reason="length", times=4)
        chat = ChatPollinations(**emulator.connection(), output_version=version)
        for way in WAYS.values():
            answer = way(chat, "Clean up")
            assert answer.tool_calls == []
            assert answer.invalid_tool_calls[0]["args"].startswith(cut)
            assert answer.invalid_tool_calls[0]["name"] == "rm"
            kinds = [block["type"] for block in answer.content_blocks]
            assert kinds in (["invalid_tool_call"], ["tool_call_chunk"])  # LangChain leaves v1's chunk as it is
    emulator.reply(message=message, finish_reason="length")
    output = chat.stream_events("Clean up", version="v3").output
    assert (output.tool_calls, [block["type"] for block in output.content_blocks]) == ([], ["invalid_tool_call"])


def test_what_goes_back_is_put_together_whole() -> None:
    message = read_stream(
        {"content_blocks": [{"index": 0, "delta": {"thinking": "H"}}]},
        {"content_blocks": [{"index": 0, "delta": {"thinking": "m"}}]},
        {"content_blocks": [{"index": 0, "delta": {"signature": "c2ln"}}]},
        {"content_blocks": [{"index": 1, "delta": {"text": "Yes."}}], "content": "Yes."},
        {"reasoning_details": [{"type": "reasoning.text", "text": "H", "format": "f", "index": 0}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "m", "format": "f", "index": 0}]},
        {"audio": {"id": "au", "data": "QUI=", "transcript": "A"}},
        {"audio": {"id": "au", "data": "Q0Q=", "transcript": "B", "expires_at": 9}},
    )
    assert message.additional_kwargs["content_blocks"] == [
        {"thinking": "Hm", "signature": "c2ln", "type": "thinking"},
        {"text": "Yes.", "type": "text"},
    ]
    assert message.additional_kwargs["reasoning_details"] == [
        {"type": "reasoning.text", "text": "Hm", "format": "f", "index": 0}
    ]
    assert message.additional_kwargs["audio"] == {"id": "au", "transcript": "AB", "expires_at": 9}
    assert base64.b64decode(message.content[-1]["base64"]).endswith(b"ABCD")
    assert message.text == "Yes."


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "content": JSON | st.lists(st.fixed_dictionaries({"text": JSON}), max_size=2),
        "tool_calls": JSON
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "index": JSON,
                    "id": JSON,
                    "function": JSON | st.fixed_dictionaries({}, optional={"name": JSON, "arguments": JSON}),
                },
            ),
            max_size=3,
        ),
        "reasoning_content": JSON,
        "content_blocks": JSON | st.lists(st.fixed_dictionaries({"index": JSON, "delta": JSON}), max_size=2),
        "reasoning_details": JSON,
        "audio": JSON | st.fixed_dictionaries({}, optional={"data": JSON, "id": JSON, "transcript": JSON}),
        "images": JSON | st.lists(st.fixed_dictionaries({"image_url": JSON}), max_size=2),
        "annotations": JSON | st.lists(st.fixed_dictionaries({"type": JSON, "url_citation": JSON}), max_size=2),
        "refusal": JSON,
    },
)
BODY = st.fixed_dictionaries(
    {},
    optional={
        "choices": JSON
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "message": MESSAGE,
                    "delta": MESSAGE,
                    "finish_reason": JSON,
                    "logprobs": JSON,
                    "groundingMetadata": JSON
                    | st.fixed_dictionaries(
                        {},
                        optional={
                            "webSearchQueries": JSON,
                            "groundingChunks": JSON | st.lists(st.fixed_dictionaries({"web": JSON}), max_size=2),
                            "groundingSupports": JSON
                            | st.lists(st.fixed_dictionaries({"segment": JSON, "groundingChunkIndices": JSON})),
                        },
                    ),
                },
            ),
            max_size=2,
        ),
        "usage": JSON
        | st.dictionaries(st.sampled_from(["prompt_tokens", "total_tokens", "cached_input_tokens"]), JSON),
        "error": JSON | st.fixed_dictionaries({}, optional={"message": JSON, "code": JSON, "details": JSON}),
        "model": JSON,
        "id": JSON,
        "created": JSON,
        "citations": JSON,
        "search_results": JSON | st.lists(st.fixed_dictionaries({"url": JSON}), max_size=2),
    },
)


@pytest.mark.filterwarnings("ignore:The model answered with nothing")
@settings(max_examples=300, deadline=None)
@given(BODY, st.lists(BODY, max_size=3), st.integers(200, 599))
def test_whatever_json_comes_is_an_answer_or_an_error_of_ours(
    body: dict[str, Any], events: list[dict[str, Any]], status: int
) -> None:
    data = json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    try:
        response = httpx.Response(status, headers=headers, content=data)
        if status >= 300:
            raise errors.from_response(response)
        read_answer(response, Asked("m"))
    except errors.PollinationsError as error:
        assert str(error)
    reader = ChatReader(httpx.Response(200, headers={"content-type": "text/event-stream"}), Asked("m"))
    try:
        chunks = [chunk for event in events for chunk in reader.feed(json.dumps(event))]
        chunks += reader.feed("[DONE]")
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole = whole + chunk
        assert whole.message.content_blocks is not None
    except errors.PollinationsError as error:
        assert str(error)


def test_arguments_that_are_no_object_make_an_invalid_call() -> None:
    message = {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": '{"x": 1'}}]}
    body = {"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": {"total_tokens": 1}}
    result = read_answer(httpx.Response(200, json=body), Asked("m")).generations[0].message
    assert result.tool_calls == []  # type: ignore[attr-defined]
    assert result.invalid_tool_calls[0]["args"] == '{"x": 1'  # type: ignore[attr-defined]
    assert parse_partial_json('{"x": 1') == {"x": 1}  # what LangChain's own reading would have made of it


# --- Usage and finish reasons -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ({}, None),
        ({"cost_usd": "0.1", "prompt_tokens_details": {"cached_tokens": 0}}, None),
        ({"prompt_tokens": 3, "completion_tokens": 4}, {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}),
        ({"prompt_tokens": 3.0, "completion_tokens": None, "total_tokens": 3},
         {"input_tokens": 3, "output_tokens": 0, "total_tokens": 3}),
        ({"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10, "prompt_tokens_details": None,
          "completion_tokens_details": {"reasoning_tokens": None}},
         {"input_tokens": 9, "output_tokens": 1, "total_tokens": 10}),
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14,
          "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1, "cache_write_tokens": 2},
          "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 1}},
         {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14,
          "input_token_details": {"audio": 1, "cache_read": 4, "cache_creation": 2},
          "output_token_details": {"audio": 1, "reasoning": 3}}),
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14, "prompt_tokens_details": {"cached_tokens": 0},
          "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "reasoning_tokens": 3},
         {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14,
          "input_token_details": {"cache_read": 4, "cache_creation": 2}, "output_token_details": {"reasoning": 3}}),
    ],
)  # fmt: skip
def test_usage_in_every_form(usage: Any, expected: Any) -> None:
    assert read_usage(usage) == expected


@pytest.mark.parametrize(
    ("reason", "has_calls", "word"),
    [
        ("stop", False, "stop"),
        (None, False, "stop"),
        ("", False, "stop"),
        ("end_turn", False, "stop"),
        ("STOP", True, "tool_calls"),
        ("tool_use", True, "tool_calls"),
        ("MAX_TOKENS", False, "length"),
        ("max_tokens", True, "length"),
        ("SAFETY", False, "content_filter"),
        ("something new", False, "something new"),
    ],
)
def test_finish_reasons_in_standard_words(reason: str | None, has_calls: bool, word: str) -> None:
    assert read_finish_reason(reason, has_calls) == word
