"""Messages, blocks and tools on their way out; each result is held against the service's own schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_pollinations._chat.content import encode_block
from langchain_pollinations._chat.messages import encode_messages
from langchain_pollinations.errors import InvalidRequestError

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
URL_SAFE = str.maketrans("+/", "-_")
PDF = "JVBERi0xLjQK"
URL = "https://example.com/a"
OURS = {"model_provider": "pollinations"}


@pytest.fixture(scope="session")
def schema(contract: Path) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        json.loads((contract / "chat_completions.request.schema.json").read_text("utf-8"))
    )


BLOCKS: list[tuple[str, Any, dict[str, Any]]] = [
    ("a string", "Hi", {"type": "text", "text": "Hi"}),
    ("text, its own keys dropped", {"type": "text", "text": "Hi", "id": "lc_1", "index": 0, "annotations": []},
     {"type": "text", "text": "Hi"}),
    ("cache marker", {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}},
     {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}),
    ("cache marker in extras", {"type": "text", "text": "Hi", "extras": {"cache_control": {"type": "ephemeral"}}},
     {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}),
    ("text-plain", {"type": "text-plain", "text": "Hi", "mime_type": "text/plain"}, {"type": "text", "text": "Hi"}),
    ("text-plain, base64", {"type": "text-plain", "base64": "w6k=", "mime_type": "text/plain"},
     {"type": "text", "text": "é"}),
    ("text-plain, URL", {"type": "text-plain", "url": URL, "mime_type": "text/plain"},
     {"type": "file", "file": {"file_url": URL, "mime_type": "text/plain"}}),
    ("image, URL", {"type": "image", "url": URL}, {"type": "image_url", "image_url": {"url": URL}}),
    ("image, base64", {"type": "image", "base64": PNG, "mime_type": "image/png"},
     {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}),
    ("image, type from its bytes", {"type": "image", "base64": PNG},
     {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}),
    ("image, base64 in lines, its detail kept",
     {"type": "image", "base64": PNG[:40] + "\n" + PNG[40:], "extras": {"detail": "low"}},
     {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}}),
    ("image, base64 in the alphabet of URLs, unpadded",
     {"type": "image", "base64": PNG.translate(URL_SAFE).rstrip("="), "mime_type": "image/png"},
     {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}),
    ("image_url, base64 in lines and in that alphabet",
     {"type": "image_url", "image_url": {"url": f"DATA:image/png;base64,{PNG[:40]}\r\n{PNG[40:].translate(URL_SAFE)}"}},
     {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}),
    ("image_url, base64 encoded for a URL",
     {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{quote(PNG, safe='')}"}},
     {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}),
    ("file, a data URI without base64", {"type": "file", "url": "data:text/plain,a-b_c d"},
     {"type": "file", "file": {"file_url": "data:text/plain;base64,YS1iX2MgZA=="}}),
    ("image_url, a URL with such letters", {"type": "image_url", "image_url": {"url": f"{URL}?a-b_c=1"}},
     {"type": "image_url", "image_url": {"url": f"{URL}?a-b_c=1"}}),
    ("video, a data URI in lines", {"type": "video", "url": "data:video/mp4;base64,AA\nAA"},
     {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}),
    ("OpenAI's file, bare base64 in lines",
     {"type": "file", "file": {"file_data": "AA\nAA", "mime_type": "application/pdf"}},
     {"type": "file", "file": {"file_data": "AAAA", "mime_type": "application/pdf"}}),
    ("OpenAI's file, a data URI in lines",
     {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA\nAA"}},
     {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}),
    ("input_audio in lines", {"type": "input_audio", "input_audio": {"data": "AA\nAA", "format": "wav"}},
     {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
    ("image, file id", {"type": "image", "file_id": "f1"}, {"type": "file", "file": {"file_id": "f1"}}),
    ("image_url, its detail kept", {"type": "image_url", "image_url": {"url": URL, "detail": "low"}},
     {"type": "image_url", "image_url": {"url": URL, "detail": "low"}}),
    ("image_url, a bare string", {"type": "image_url", "image_url": URL},
     {"type": "image_url", "image_url": {"url": URL}}),
    ("Anthropic's image", {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
     {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}),
    ("Anthropic's image, URL", {"type": "image", "source": {"type": "url", "url": URL}},
     {"type": "image_url", "image_url": {"url": URL}}),
    ("audio", {"type": "audio", "base64": "UklGRg==", "mime_type": "audio/x-wav"},
     {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}),
    ("audio, mp3", {"type": "audio", "base64": "SUQz", "mime_type": "audio/mpeg"},
     {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}}),
    ("audio, URL", {"type": "audio", "url": URL, "mime_type": "audio/wav"},
     {"type": "file", "file": {"file_url": URL, "mime_type": "audio/wav"}}),
    ("input_audio", {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
     {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
    ("image_url without a type", {"type": "image_url", "image_url": {"url": f"data:;base64,{PNG}"}},
     {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}),
    ("image_url with a charset",
     {"type": "image_url", "image_url": {"url": f"data:image/png;charset=utf-8;BASE64,{PNG}"}},
     {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}),
    ("a data URI as base64", {"type": "image", "base64": f"data:;base64,{PNG}", "mime_type": "image/png"},
     {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}),
    ("input_audio, a data URI",
     {"type": "input_audio", "input_audio": {"data": "data:audio/wav;base64,AAAA", "format": "wav"}},
     {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
    ("video, URL", {"type": "video", "url": URL}, {"type": "video_url", "video_url": {"url": URL}}),
    ("video, base64", {"type": "video", "base64": "AAAA", "mime_type": "video/mp4"},
     {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA", "mime_type": "video/mp4"}}),
    ("PDF, base64", {"type": "file", "base64": PDF, "mime_type": "application/pdf", "filename": "a.pdf"},
     {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "file_name": "a.pdf",
                               "mime_type": "application/pdf"}}),
    ("PDF, URL", {"type": "file", "url": URL, "mime_type": "application/pdf"},
     {"type": "file", "file": {"file_url": URL, "mime_type": "application/pdf"}}),
    ("OpenAI's file", {"type": "file", "file": {"file_data": "data:application/pdf,%25PDF", "filename": "a.pdf"}},
     {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERg==", "file_name": "a.pdf"}}),
    ("Anthropic's document",
     {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}, "title": "A"},
     {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "file_name": "A",
                               "mime_type": "application/pdf"}}),
    ("non_standard goes out as its value", {"type": "non_standard", "value": {"type": "new_part", "x": 1}},
     {"type": "new_part", "x": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("block", "wire"), [pytest.param(b, w, id=name) for name, b, w in BLOCKS])
def test_blocks(block: Any, wire: dict[str, Any], schema: jsonschema.Draft202012Validator) -> None:
    assert encode_block(block) == wire
    schema.validate({"messages": encode_messages([HumanMessage([block])])})


CALL = {"id": "c1", "name": "f", "args": {"x": "é"}, "type": "tool_call"}
WIRE_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": "é"}'}}
CALLED = AIMessage("", tool_calls=[CALL])
WIRE_CALLED = {"role": "assistant", "content": None, "tool_calls": [WIRE_CALL]}
RESULT = ToolMessage("R", tool_call_id="c1")
WIRE_RESULT = {"role": "tool", "tool_call_id": "c1", "name": "f", "content": "R"}
BAD_CALL = {"id": "c2", "name": "g", "args": '{"x', "error": None, "type": "invalid_tool_call"}
IMAGE = {"type": "image", "url": URL}
WIRE_IMAGE = {"type": "image_url", "image_url": {"url": URL}}

MESSAGES: list[tuple[str, list[BaseMessage], list[dict[str, Any]]]] = [
    ("the plain roles", [SystemMessage("S"), HumanMessage("H", name="ann"), AIMessage("A")],
     [{"role": "system", "content": "S"}, {"role": "user", "content": "H", "name": "ann"},
      {"role": "assistant", "content": "A"}]),
    ("a list as the system's content", [SystemMessage([{"type": "text", "text": "S"}])],
     [{"role": "system", "content": [{"type": "text", "text": "S"}]}]),
    ("an old function message", [FunctionMessage("R", name="f")], [{"role": "function", "name": "f", "content": "R"}]),
    ("calls without text", [CALLED, RESULT], [WIRE_CALLED, WIRE_RESULT]),
    ("calls with text", [AIMessage("T", tool_calls=[CALL]), RESULT], [{**WIRE_CALLED, "content": "T"}, WIRE_RESULT]),
    ("blocks of an answer: text stays, reasoning and calls do not",
     [AIMessage([{"type": "reasoning", "reasoning": "Hm"}, {"type": "text", "text": "A", "id": "lc_1"},
                 {"type": "text", "text": "B"}, CALL], tool_calls=[CALL]), RESULT],
     [{**WIRE_CALLED, "content": "AB"}, WIRE_RESULT]),
    ("what other providers call their blocks stays behind",
     [AIMessage([{"type": "web_search_call", "id": "w"}, {"type": "text", "text": "A"}, {"type": "thinking"}])],
     [{"role": "assistant", "content": "A"}]),
    ("a search result of a tool", [CALLED, ToolMessage([{"type": "search_result", "title": "é"}], tool_call_id="c1")],
     [WIRE_CALLED, {**WIRE_RESULT, "content": '{"title": "é"}'}]),
    ("Anthropic's calls without LangChain's",
     [AIMessage([{"type": "tool_use", "id": "c1", "name": "f", "input": {"x": "é"}}]), RESULT],
     [WIRE_CALLED, WIRE_RESULT]),
    ("reasoning goes back to the service that sent it",
     [AIMessage("A", additional_kwargs={"reasoning_content": "Hm"}, response_metadata=OURS)],
     [{"role": "assistant", "content": "A", "reasoning_content": "Hm"}]),
    ("a spoken answer goes back by its id",
     [AIMessage("", additional_kwargs={"audio": {"id": "au", "data": "QQ=="}}, response_metadata=OURS)],
     [{"role": "assistant", "content": "", "audio": {"id": "au"}}]),
    ("reasoning of another provider does not", [AIMessage("A", additional_kwargs={"reasoning_content": "Hm"})],
     [{"role": "assistant", "content": "A"}]),
    ("a tool's result", [CALLED, ToolMessage("R", tool_call_id="c1", name="f", artifact={"x": 1}, status="error")],
     [WIRE_CALLED, WIRE_RESULT]),
    ("blocks of a tool's result",
     [CALLED, ToolMessage([{"type": "text", "text": "A"}, {"type": "json", "json": {"x": 1}}], tool_call_id="c1")],
     [WIRE_CALLED, {**WIRE_RESULT, "content": 'A\n{"x": 1}'}]),
    ("an empty tool result", [CALLED, ToolMessage([], tool_call_id="c1")],
     [WIRE_CALLED, {**WIRE_RESULT, "content": ""}]),
    ("pictures of tools follow in one user message, after the last result",
     [AIMessage("", tool_calls=[CALL, {**CALL, "id": "c2"}]),
      ToolMessage([{"type": "text", "text": "A"}, IMAGE], tool_call_id="c1"),
      ToolMessage([IMAGE], tool_call_id="c2"), HumanMessage("So?")],
     [{**WIRE_CALLED, "tool_calls": [WIRE_CALL, {**WIRE_CALL, "id": "c2"}]},
      {**WIRE_RESULT, "content": "A"}, {**WIRE_RESULT, "tool_call_id": "c2", "content": ""},
      {"role": "user", "content": [{"type": "text", "text": "Returned by tool call c1:"}, WIRE_IMAGE,
                                   {"type": "text", "text": "Returned by tool call c2:"}, WIRE_IMAGE]},
      {"role": "user", "content": "So?"}]),
    ("Anthropic's results in a user message become tool messages",
     [CALLED, HumanMessage([{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "R"}]},
                            {"type": "text", "text": "So?"}])],
     [WIRE_CALLED, WIRE_RESULT, {"role": "user", "content": [{"type": "text", "text": "So?"}]}]),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "wire"), [pytest.param(m, w, id=name) for name, m, w in MESSAGES])
def test_messages(
    messages: list[BaseMessage], wire: list[dict[str, Any]], schema: jsonschema.Draft202012Validator
) -> None:
    assert encode_messages(messages) == wire
    schema.validate({"messages": wire})


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (HumanMessage([{"type": "tool_call"}]), r"messages\[1\]: content block of unknown type 'tool_call'"),
        (HumanMessage([{"type": "text", "text": 3}]), "needs a string"),
        (HumanMessage([{"type": "text-plain", "base64": "//8="}]), "is not UTF-8 text"),
        (HumanMessage([{"type": "image_url"}]), "needs 'image_url'"),
        (HumanMessage([{"type": "input_audio", "input_audio": {"data": "x"}}]), "needs 'input_audio'"),
        (HumanMessage([{"type": "video_url", "video_url": {}}]), "needs 'video_url'"),
        (HumanMessage([{"type": "file"}]), "needs 'url', 'base64' or 'file_id'"),
        (HumanMessage([{"type": "image", "base64": "*"}]), "must be bytes or base64 text, not '\\*'"),
        (HumanMessage([{"type": "non_standard", "value": 3}]), "a dict with a 'type'"),
        (HumanMessage([{"type": "image", "base64": b"x"}]), "cannot be detected from its bytes"),
        (HumanMessage([{"type": "image_url", "image_url": "file:///cat.png"}]), "Pass its bytes instead"),
        (HumanMessage([{"type": "video", "url": "cat.mp4"}]), "cannot read a local file"),
        (HumanMessage([{"type": "file", "url": "C:\\cat.pdf"}]), "cannot read a local file"),
        (AIMessage("", tool_calls=[{**CALL, "args": {"x": {1}}}]), "arguments of tool call 'f' are not JSON"),
        (ChatMessage("x", role="boss"), "role 'boss' is not one of system, developer"),
    ],
)
def test_what_cannot_be_sent_says_so(message: BaseMessage, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        encode_messages([HumanMessage("Hi"), message])
