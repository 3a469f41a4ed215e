"""Any JSON is an answer or an error of ours; and what goes back to the service is put together whole."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_pollinations import errors
from langchain_pollinations._chat.fields import RequestInfo, parse_usage
from langchain_pollinations._chat.response import parse_response
from langchain_pollinations._chat.stream import ChatStreamParser
from langchain_pollinations._transport.error_response import error_from_response
from tests.helpers.fuzz import examples


def read_stream(*deltas: dict[str, Any]) -> AIMessageChunk:
    reader = ChatStreamParser(httpx.Response(200, headers={"content-type": "text/event-stream"}), RequestInfo("m"))
    chunks: list[ChatGenerationChunk] = []
    for delta in deltas:
        chunks += reader.feed(json.dumps({"choices": [{"delta": delta}]}))
    chunks += reader.feed("[DONE]")
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    assert isinstance(whole.message, AIMessageChunk)
    return whole.message


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


@pytest.mark.filterwarnings("ignore:The model returned an empty response")
@settings(max_examples=examples(100), deadline=None)
@given(BODY, st.lists(BODY, max_size=3), st.integers(200, 599))
def test_whatever_json_comes_is_an_answer_or_an_error_of_ours(
    body: dict[str, Any], events: list[dict[str, Any]], status: int
) -> None:
    data = json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    try:
        response = httpx.Response(status, headers=headers, content=data)
        if status >= 300:
            raise error_from_response(response)
        parse_response(response, RequestInfo("m"))
    except errors.PollinationsError as error:
        assert str(error)
    reader = ChatStreamParser(httpx.Response(200, headers={"content-type": "text/event-stream"}), RequestInfo("m"))
    try:
        chunks = [chunk for event in events for chunk in reader.feed(json.dumps(event))]
        chunks += reader.feed("[DONE]")
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole = whole + chunk
        assert whole.message.content_blocks is not None
    except errors.PollinationsError as error:
        assert str(error)


@pytest.mark.parametrize(
    "deltas",
    [
        [{"content_blocks": [{"index": 0, "type": "tool_use", "input": {"x": 1}}]}],
        [{"content_blocks": [{"index": 0, "type": "tool_use", "partial_json": {"x": 1}}]}],
        [{"content": [{"type": "message", "content": 5}, [[]], {"type": ["text"]}]}],
        [{"audio": {"data": {"of": "what"}}}, {"audio": {"data": "QUI="}}],
    ],
)
def test_values_of_another_kind_harm_nothing(deltas: list[dict[str, Any]]) -> None:
    assert read_stream(*deltas, {"content": "Yes."}).text == "Yes."


@pytest.mark.parametrize("deep", ["[" * 400 + "]" * 400, '{"content": [' * 400 + "]}" * 400])
def test_a_deep_content_harms_nothing(deep: str) -> None:
    assert read_stream({"content": json.loads(f"[{deep}]")}, {"content": "Yes."}).text == "Yes."


def test_a_null_field_of_a_delta_adds_nothing() -> None:
    assert read_stream({"content": "Yes.", "mood": None}).additional_kwargs == {}


@pytest.mark.parametrize("written", ['{"a": NaN}', '{"a": 1}'])
def test_the_input_of_a_block_can_be_sent_again(written: str) -> None:
    use = {"index": 0, "type": "server_tool_use", "id": "s", "partial_json": written}
    (block,) = read_stream({"content_blocks": [use]}).additional_kwargs["content_blocks"]
    assert json.loads(json.dumps(block, allow_nan=False)) == block


def test_a_count_may_be_larger_than_any_float() -> None:
    usage = parse_usage({"prompt_tokens": 10**400, "completion_tokens": 1})
    assert usage is not None
    assert usage["total_tokens"] == 10**400 + 1
