"""The time that an answer takes grows as its size does, whatever part is large: measured as a ratio, in one run."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from langchain_core.tools import StructuredTool
from pydantic import BaseModel

from langchain_pollinations._chat.fields import RequestInfo
from langchain_pollinations._chat.output_parser import AnswerParser
from langchain_pollinations._chat.response import parse_response
from langchain_pollinations._chat.stream import ChatStreamParser
from langchain_pollinations._chat.tools import encode_tool

Json = dict[str, Any]
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
REQUEST = httpx.Request("POST", "https://gen.pollinations.ai/v1/chat/completions")
ASKED = RequestInfo("openai")


def whole(message: Json, **facts: Any) -> None:
    choice = {"message": {"role": "assistant", "content": None, **message}, "finish_reason": "stop"}
    response = httpx.Response(200, json={"choices": [choice], "usage": USAGE, **facts}, request=REQUEST)
    assert parse_response(response, ASKED).generations[0].message.content_blocks is not None


def streamed(deltas: list[Json], **headers: str) -> None:
    reader = ChatStreamParser(httpx.Response(200, headers=headers, request=REQUEST), ASKED)
    for delta in deltas:
        list(reader.feed(json.dumps({"choices": [{"delta": delta}]})))
    list(reader.feed(json.dumps({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": USAGE})))
    list(reader.feed("[DONE]"))


def call(number: int, arguments: str = '{"a": 1}', **more: Any) -> Json:
    function = {"name": "look", "arguments": arguments}
    return {"index": number, "id": f"call_{number}", "type": "function", "function": function, **more}


def link(number: int) -> str:
    return f"https://example.com/{number}"


def definitions(count: int, leads: Callable[[int], list[int]]) -> Json:
    """A schema whose definitions refer to others, by number."""
    schema = {
        f"D{i}": {"type": "object", "properties": {f"p{j}": {"$ref": f"#/$defs/D{j}"} for j in leads(i) if j < count}}
        for i in range(count)
    }
    return {"title": "T", "type": "object", "properties": {"a": {"$ref": "#/$defs/D0"}}, "$defs": schema}


def described(schema: Json) -> None:
    tool = StructuredTool(name="t", description="T.", args_schema=schema, func=lambda **given: str(given))
    encode_tool(tool)


class Tag(BaseModel):
    name: str


class Tags(BaseModel):
    tags: list[Tag]


def parsed(value: Json) -> None:
    AnswerParser(pydantic_object=Tags).invoke(AIMessage(json.dumps(value)))


def without_json(text: str) -> None:
    with pytest.raises(OutputParserException, match="no JSON"):
        AnswerParser(pydantic_object=Tags).invoke(AIMessage(text))


NOTICE = "The account behind this API key doesn't have enough credits"
PARTS: dict[str, Callable[[int], None]] = {
    "calls": lambda n: whole({"tool_calls": [call(i) for i in range(n)]}),
    "broken calls": lambda n: whole({"tool_calls": [call(i, "{") for i in range(n)]}),
    "calls without ids": lambda n: whole({"tool_calls": [call(i, id=None, index=None) for i in range(n)]}),
    "calls with one index": lambda n: whole({"tool_calls": [call(i, index=0) for i in range(n)]}),
    "calls in a stream": lambda n: streamed([{"tool_calls": [call(i)]} for i in range(n)]),
    "arguments in pieces": lambda n: streamed(
        [{"tool_calls": [call(0, "")]}, *[{"tool_calls": [{"index": 0, "function": {"arguments": "[1]"}}]}] * n]
    ),
    "content blocks": lambda n: whole({"content_blocks": [{"type": "odd", "index": 0, "id": i} for i in range(n)]}),
    "content blocks in a stream": lambda n: streamed(
        [{"content_blocks": [{"index": i, "delta": {"thinking": "Hm"}}]} for i in range(n)]
    ),
    "images": lambda n: whole({"images": [{"type": "image_url", "image_url": {"url": link(i)}} for i in range(n)]}),
    "annotations": lambda n: streamed(
        [{"content": "x", "annotations": [{"type": "url_citation", "url": link(i)}]} for i in range(n)]
    ),
    "citations": lambda n: whole({"content": "x"}, citations=[link(i) for i in range(n)]),
    "thoughts": lambda n: streamed([{"content": "<think>Hm</think>"}] * n),
    "an open thought": lambda n: streamed([{"content": "<think>"}, *[{"content": "word "}] * n]),
    "a quoted notice": lambda n: streamed([{"content": NOTICE}, *[{"content": " word"}] * n]),
    "the header of notices": lambda n: streamed([{"content": "word "}] * n, **{"cache-control": "private, no-store"}),
    "definitions that refer to the next": lambda n: described(definitions(n, lambda i: [i + 1])),
    "definitions that refer to the next two": lambda n: described(definitions(n, lambda i: [i + 1, i + 2])),
    "recursive definitions": lambda n: described(definitions(n, lambda i: [i + 1, i + 2, 0])),
    "one definition with many references": lambda n: described(definitions(n, lambda i: [] if i else [*range(1, n)])),
    "items that came as strings": lambda n: parsed({"tags": ['{"name": "a"}'] * n}),
    "brackets without an end": lambda n: without_json("Well: " + "[" * n),
    "objects without an end": lambda n: without_json("Well: " + '{"a": [' * n),
    "two names for one text": lambda n: streamed([{"reasoning": "word ", "reasoning_content": "word "}] * n),
}
SIZE = 400


def seconds(part: Callable[[int], None], size: int) -> float:
    start = time.process_time()
    part(size)
    return time.process_time() - start


@pytest.mark.once
@pytest.mark.parametrize("part", PARTS)
def test_time_grows_with_the_size_of_an_answer(part: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of an answer without words
        PARTS[part](9)
        small = min(seconds(PARTS[part], SIZE) for _ in range(3))
        # Other processes only add to the time, so one measurement below the limit is enough.
        large = next(filter(lambda took: took < 24 * small, (seconds(PARTS[part], 8 * SIZE) for _ in range(3))), None)
    assert large is not None  # 8 times as long where it grows as the size, 64 times where it grows as its square
