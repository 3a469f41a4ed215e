"""Conversations that other providers, other models and broken answers have left: each goes on with any model.

A row says what LangChain's messages hold and what the service gets. Each body is held against the service's schema and
against the rules by which the emulator's providers refuse a conversation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from langchain_pollinations._chat.messages import encode_messages
from langchain_pollinations._chat.tool_names import fit_name
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.emulator.service import message_rules
from langchain_pollinations.errors import InvalidRequestError
from tests.chat.test_messages import PDF, PNG, URL
from tests.helpers.ask import Ask
from tests.helpers.fuzz import examples

MODELS = ("anthropic/claude-haiku-4.5", "amazon/nova-2-lite-v1", "google/gemini-3.1-pro-preview", "openai/gpt-5.4")
OURS = {"model_provider": "pollinations"}
HI = {"role": "user", "content": "Hi"}
Json = dict[str, Any]


@pytest.fixture(scope="session")
def accept(validator: jsonschema.Draft202012Validator) -> Callable[..., None]:
    """Holds a body against the service's schema, and its messages against the rules of a model's provider."""

    def accept(body: Json, *models: str) -> None:
        validator.validate(body)
        assert [found for model in models for found in message_rules.complaints(model, body["messages"])] == []

    return accept


@pytest.fixture
def wire(accept: Callable[..., None]) -> Callable[..., list[Json]]:
    """`wire(*messages)`: what is sent of them, which every provider accepts."""

    def wire(*messages: BaseMessage) -> list[Json]:
        sent = encode_messages(messages)
        accept({"messages": sent}, *MODELS)
        return sent

    return wire


def call(name: str | None = "look", args: Any = None, call_id: str | None = "c1") -> Json:
    return {"name": name, "args": {} if args is None else args, "id": call_id, "type": "tool_call"}


def broken(name: str | None, args: str | None, call_id: str | None = "c1") -> Json:
    return {"name": name, "args": args, "id": call_id, "error": None, "type": "invalid_tool_call"}


# --- Tool calls that are no good --------------------------------------------------------------------------------------

CUT = '{"a": "b'
SENT_CUT = {"invalid_arguments": CUT}


@pytest.mark.parametrize(
    ("answer", "name", "arguments"),
    [
        pytest.param(AIMessage("", invalid_tool_calls=[broken("write", CUT)]), "write", SENT_CUT, id="cut off"),
        pytest.param(AIMessage("", invalid_tool_calls=[broken("write", None)]), "write", {}, id="None"),
        pytest.param(AIMessage("", invalid_tool_calls=[broken("write", "")]), "write", {}, id="empty"),
        pytest.param(
            AIMessage("", invalid_tool_calls=[broken("write", "[1]")]),
            "write",
            {"invalid_arguments": "[1]"},
            id="a list",
        ),
        pytest.param(
            AIMessage("", invalid_tool_calls=[broken("write", '{"a": NaN}')]),
            "write",
            {"invalid_arguments": '{"a": NaN}'},
            id="no number",
        ),
        pytest.param(
            AIMessage("", tool_calls=[call("write", {"a": float("nan")})]),
            "write",
            {"invalid_arguments": '{"a": NaN}'},
            id="no number, as LangChain parses it",
        ),
        pytest.param(
            AIMessage("", invalid_tool_calls=[broken(None, '{"a": 1}')]), "unnamed_tool", {"a": 1}, id="no name"
        ),
        pytest.param(AIMessage("", tool_calls=[call("", {"a": 1})]), "unnamed_tool", {"a": 1}, id="an empty name"),
        pytest.param(
            AIMessage([{"type": "tool_use", "id": "c1", "name": "write", "input": CUT}]),
            "write",
            SENT_CUT,
            id="Anthropic's block",
        ),
        pytest.param(
            AIMessage([{"type": "tool_use", "id": "c1", "name": "write", "input": {}, "partial_json": CUT}]),
            "write",
            SENT_CUT,
            id="Anthropic's block of a stream",
        ),
        pytest.param(
            AIMessage([{"type": "function_call", "call_id": "c1", "id": "fc", "name": "write", "arguments": CUT}]),
            "write",
            SENT_CUT,
            id="OpenAI's block",
        ),
        pytest.param(
            AIMessage([{"type": "invalid_tool_call", "id": "c1", "name": "write", "args": CUT}]),
            "write",
            SENT_CUT,
            id="the standard block",
        ),
        pytest.param(
            AIMessage([{"type": "tool_call_chunk", "id": "c1", "name": "write", "args": CUT}]),
            "write",
            SENT_CUT,
            id="the standard block of a stream",
        ),
    ],
)
def test_arguments_go_out_as_an_object_and_names_are_never_empty(
    wire: Any, answer: AIMessage, name: str, arguments: Json
) -> None:
    _, assistant, result = wire(HumanMessage("Hi"), answer, ToolMessage("R", tool_call_id="c1"))
    (sent,) = assistant["tool_calls"]
    assert (sent["function"]["name"], json.loads(sent["function"]["arguments"])) == (name, arguments)
    assert result == {"role": "tool", "tool_call_id": "c1", "name": name, "content": "R"}


def test_an_older_function_call_goes_out_as_an_object(wire: Any) -> None:
    answer = AIMessage("", additional_kwargs={"function_call": {"name": "write", "arguments": CUT}})
    sent = wire(HumanMessage("Hi"), answer, FunctionMessage("R", name="write"))[1]
    assert sent["function_call"] == {"name": "write", "arguments": json.dumps(SENT_CUT)}


HALF = "half \ud83d, whole \ud83d\ude00"


def test_halves_of_characters_do_not_end_a_conversation(emulator: Emulator) -> None:
    """Gateways written in JavaScript cut within a character, and so do tools that read bytes."""
    emulator.reply("Yes.")
    kept = {"reasoning_content": HALF, "content_blocks": [{**THINKING, "thinking": HALF}]}
    answer = AIMessage(HALF, tool_calls=[call(args={"q": HALF})], additional_kwargs=kept, response_metadata=OURS)
    ChatPollinations(**emulator.connection()).invoke(
        [HumanMessage("Hi"), answer, ToolMessage(HALF, tool_call_id="c1"), FunctionMessage(HALF, name="look")]
    )
    _, assistant, result, old = emulator.requests[-1].json["messages"]
    assert {assistant["content"], result["content"], old["content"]} == {"half �, whole 😀"}
    assert json.loads(assistant["tool_calls"][0]["function"]["arguments"]) == {"q": "half \ud83d, whole 😀"}


def test_halves_of_characters_in_ids_and_names_change_in_call_and_result(emulator: Emulator) -> None:
    emulator.reply("Yes.")
    half = "c\ud83d"
    for known in ({}, OURS):
        answer = AIMessage("", tool_calls=[call(half, call_id=half)], response_metadata=known)
        result = ToolMessage([{"type": "image", "url": URL}], tool_call_id=half, name=half)
        ChatPollinations(**emulator.connection()).invoke([HumanMessage("Hi"), answer, result, result])
        _, assistant, told, *_ = emulator.requests[-1].json["messages"]
        (sent,) = assistant["tool_calls"]
        assert (told["tool_call_id"], told["name"]) == (sent["id"], sent["function"]["name"])


@pytest.mark.parametrize("args", [{"a": float("nan")}, {"a": 2}])
def test_content_blocks_have_the_calls_as_they_are_sent(wire: Any, args: Json) -> None:
    """Users and middleware change calls, and no JSON holds a NaN."""
    kept = {"content_blocks": [THINKING, {"type": "tool_use", "id": "c1", "name": "look", "input": {"a": 1}}]}
    answer = AIMessage("", tool_calls=[call("peek", args)], additional_kwargs=kept, response_metadata=OURS)
    assistant = wire(HumanMessage("Hi"), answer)[1]
    (function,) = [each["function"] for each in assistant["tool_calls"]]
    sent = json.loads(function["arguments"])
    assert sent in (args, {"invalid_arguments": '{"a": NaN}'})
    assert assistant["content_blocks"][1] == {"type": "tool_use", "id": "c1", "name": "peek", "input": sent}


# --- Ids, and which result belongs to which call ----------------------------------------------------------------------


@pytest.mark.parametrize("call_id", ["functions.look:0", "call_a|fc_b", "x" * 200, "größe", "a b"])
def test_an_id_that_does_not_fit_is_replaced_in_call_and_result(wire: Any, call_id: str) -> None:
    picture = {"type": "image", "url": URL}
    turns = [AIMessage("", tool_calls=[call(call_id=call_id)]), ToolMessage([picture], tool_call_id=call_id)]
    _, assistant, result, shown = wire(HumanMessage("Hi"), *turns)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", result["tool_call_id"])
    assert assistant["tool_calls"][0]["id"] == result["tool_call_id"]
    assert shown["content"][0]["text"] == f"Returned by tool call {result['tool_call_id']}:"
    again = wire(HumanMessage("Another beginning"), HumanMessage("Hi"), *turns)
    assert again[2]["tool_calls"][0]["id"] == result["tool_call_id"]


def test_an_id_goes_back_unchanged_to_the_publisher_that_made_it() -> None:
    """The ids of Kimi are a part of its prompt."""
    answer = AIMessage("", tool_calls=[call(call_id="functions.look:0")], response_metadata=OURS)
    history = [answer, ToolMessage("R", tool_call_id="functions.look:0")]
    assistant, result = encode_messages(history, keeps_ids=True)
    assert assistant["tool_calls"][0]["id"] == result["tool_call_id"] == "functions.look:0"
    assistant, result = encode_messages(history)  # of any other publisher
    assert assistant["tool_calls"][0]["id"] == result["tool_call_id"] != "functions.look:0"


TWO = [call("f", call_id=None), call("g", call_id=None)]

PAIRS: list[tuple[str, list[BaseMessage], list[tuple[str, str]]]] = [
    ("no ids, by order", [AIMessage("", tool_calls=TWO), *(ToolMessage(r, tool_call_id="") for r in "FG")],
     [("f", "F"), ("g", "G")]),
    ("no ids, by name", [AIMessage("", tool_calls=TWO), ToolMessage("G", tool_call_id="", name="g"),
                         ToolMessage("F", tool_call_id="", name="f")], [("f", "F"), ("g", "G")]),
    ("an id on the results only", [AIMessage("", tool_calls=TWO), ToolMessage("F", tool_call_id="1"),
                                   ToolMessage("G", tool_call_id="2")], [("f", "F"), ("g", "G")]),
    ("results in another order", [AIMessage("", tool_calls=[call("f", call_id="a"), call("g", call_id="b")]),
                                  ToolMessage("G", tool_call_id="b"), ToolMessage("F", tool_call_id="a")],
     [("f", "F"), ("g", "G")]),
    ("one id in two turns", [AIMessage("", tool_calls=[call("f")]), ToolMessage("F", tool_call_id="c1"),
                             AIMessage("", tool_calls=[call("g")]), ToolMessage("G", tool_call_id="c1")],
     [("f", "F"), ("g", "G")]),
    ("one id twice in a turn", [AIMessage("", tool_calls=[call("f"), call("g")]), ToolMessage("F", tool_call_id="c1"),
                                ToolMessage("G", tool_call_id="c1")], [("f", "F"), ("g", "G")]),
    ("a result that comes late", [AIMessage("", tool_calls=[call("f")]), HumanMessage("Well?"),
                                  ToolMessage("F", tool_call_id="c1")], [("f", "F")]),
    ("no result", [AIMessage("", tool_calls=[call("f")]), HumanMessage("Well?")],
     [("f", "This tool call was not executed: it has no result.")]),
    ("no result at the end", [AIMessage("", tool_calls=[call("f")])],
     [("f", "This tool call was not executed: it has no result.")]),
    ("a result of a call that was no good and has no id",
     [AIMessage("", invalid_tool_calls=[broken("f", CUT, None)]), ToolMessage("F", tool_call_id="")], [("f", "F")]),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "results"), [pytest.param(m, r, id=name) for name, m, r in PAIRS])
def test_each_call_has_its_one_result_behind_it(
    wire: Any, messages: list[BaseMessage], results: list[tuple[str, str]]
) -> None:
    sent = wire(HumanMessage("Hi"), *messages)
    names = {made["id"]: made["function"]["name"] for each in sent for made in each.get("tool_calls", ())}
    assert len(names) == len(results)
    told = [(names[each["tool_call_id"]], each["content"]) for each in sent if each["role"] == "tool"]
    assert told == results


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        pytest.param(
            [ToolMessage("R", tool_call_id="c9", name="look")],
            [{"role": "user", "content": "Returned by tool call c9:\nR"}],
            id="its call was trimmed off",
        ),
        pytest.param(
            [ToolMessage([{"type": "image", "url": URL}], tool_call_id="")],
            [{"role": "user", "content": [{"type": "text", "text": "Returned by a tool call:"},
                                          {"type": "image_url", "image_url": {"url": URL}}]}],
            id="a picture",
        ),
        pytest.param(
            [AIMessage("", tool_calls=[call()]), *[ToolMessage(each, tool_call_id="c1") for each in "AB"]],
            [{"role": "assistant", "content": None, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
             {"role": "tool", "tool_call_id": "c1", "name": "look", "content": "A"},
             {"role": "user", "content": "Returned by tool call c1:\nB"}],
            id="a second one",
        ),
    ],
)  # fmt: skip
def test_a_result_without_a_call_is_a_user_message(wire: Any, messages: list[BaseMessage], sent: list[Json]) -> None:
    assert wire(HumanMessage("Hi"), *messages) == [HI, *sent]


# --- Empty turns ------------------------------------------------------------------------------------------------------

THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}


@pytest.mark.parametrize(
    "empty",
    [
        pytest.param(AIMessage(""), id="empty"),
        pytest.param(AIMessage([]), id="an empty list"),
        pytest.param(AIMessage(" \n\t"), id="white space"),
        pytest.param(AIMessage([{"type": "text", "text": ""}]), id="an empty block"),
        pytest.param(AIMessage([{"type": "text", "text": " "}, " "]), id="blocks of white space"),
        pytest.param(AIMessage([THINKING]), id="thinking"),
        pytest.param(AIMessage([{"type": "reasoning", "reasoning": "Hm."}]), id="reasoning"),
        pytest.param(AIMessage("", response_metadata=OURS), id="our own"),
        pytest.param(
            AIMessage("", additional_kwargs={"reasoning_content": "Hm."}, response_metadata=OURS),
            id="our own reasoning",
        ),
        pytest.param(
            AIMessage("", additional_kwargs={"content_blocks": [THINKING, {"type": "text", "text": "\n\n"}]},
                      response_metadata=OURS),
            id="our own thinking",
        ),
        pytest.param(ChatMessage("", role="assistant"), id="a chat message"),
        pytest.param(SystemMessage(" "), id="a system message"),
        pytest.param(SystemMessage([{"type": "text", "text": ""}]), id="a system message in blocks"),
    ],
)  # fmt: skip
def test_an_empty_turn_is_left_out(wire: Any, empty: BaseMessage) -> None:
    assert wire(HumanMessage("Hi"), empty, HumanMessage("Hi")) == [HI, HI]
    with pytest.raises(InvalidRequestError, match=r"messages\[0\]: it is empty"):
        wire(empty)


def test_a_text_without_words_beside_others_is_left_out(wire: Any) -> None:
    blank, said, picture = {"type": "text", "text": " "}, {"type": "text", "text": "Hi"}, {"type": "image", "url": URL}
    shown = {"type": "image_url", "image_url": {"url": URL}}
    blocks = [blank, said, {"type": "text", "text": ""}, picture]
    sent = wire(SystemMessage(blocks), HumanMessage(blocks), AIMessage(blocks))
    assert [message["content"] for message in sent] == [[said, shown]] * 3
    (message,) = wire(HumanMessage([blank]))
    assert message == {"role": "user", "content": ""}  # the service puts a sentence there
    called = wire(AIMessage(" ", tool_calls=[call()]))[0]
    assert called["content"] is None


def test_thoughts_go_back_without_the_blank_text_between_them(accept: Callable[..., None]) -> None:
    kept = [THINKING, {"type": "text", "text": "\n\n"}, {"type": "text", "text": "Yes."}]
    answer = AIMessage("\n\nYes.", additional_kwargs={"content_blocks": kept}, response_metadata=OURS)
    (sent,) = encode_messages([answer])
    assert sent["content_blocks"] == [THINKING, kept[2]]
    accept({"messages": [sent]}, *MODELS)


# --- Blocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        pytest.param(AIMessage([{"type": "refusal", "refusal": "No."}]), "No.", id="a refusal"),
        pytest.param(AIMessage([{"type": "output_text", "text": "Yes.", "annotations": []}]), "Yes.", id="output_text"),
        pytest.param(
            AIMessage([{"type": "non_standard", "value": {"type": "refusal", "refusal": "No."}}]),
            "No.",
            id="a refusal in LangChain's standard form",
        ),
        pytest.param(AIMessage([{"type": "answer", "text": "Yes."}]), "Yes.", id="an unknown block with a text"),
        pytest.param(
            AIMessage("Well.", additional_kwargs={"refusal": "No."}), "Well.\n\nNo.", id="a refusal beside a text"
        ),
        pytest.param(AIMessage("No.", additional_kwargs={"refusal": "No."}), "No.", id="a refusal that is the text"),
        pytest.param(
            AIMessage("", additional_kwargs={"audio": {"id": "a", "data": "AA==", "transcript": "Yes."}}),
            "Yes.",
            id="words that OpenAI's model spoke",
        ),
        pytest.param(
            ChatMessage([{"type": "refusal", "refusal": "No."}], role="assistant"), "No.", id="a chat message"
        ),
        *(pytest.param(AIMessage([block]), "Yes.", id=f"block {block}") for block in (
            {"type": "text", "text": {"value": "Yes.", "annotations": []}},
            {"type": "text", "content": "Yes."},
            {"type": "message", "content": [{"type": "output_text", "text": "Yes."}]},
            {"type": "message", "content": {"type": "refusal", "refusal": "Yes."}},
            {"type": "document", "source": {"type": "text", "data": "Yes."}},
            {"type": "summary_text", "text": "Yes."},
            {"type": ["text"], "text": "Yes."},
            {"type": "audio", "extras": ["x"], "transcript": "Yes."},
            {"type": "output_audio", "transcript": "Yes."},
            {"type": "non_standard", "value": {"type": "non_standard", "value": {"text": "Yes."}}},
            {"text": "Yes."},
            {"refusal": "Yes."},
            {"parts": [{"text": "Hm.", "thought": True}, {"text": "Yes."}], "role": "model"},
        )),
    ],
)  # fmt: skip
def test_the_words_of_an_answer_go_back(wire: Any, answer: BaseMessage, text: str) -> None:
    assert wire(HumanMessage("Hi"), answer)[1:] == [{"role": "assistant", "content": text}]


def test_a_result_within_an_answer_is_a_result(wire: Any) -> None:
    used = {"type": "non_standard", "value": {"type": "tool_use", "id": "c1", "name": "look", "input": {}}}
    results = [{"type": "tool_result", "tool_use_id": each, "content": "R"} for each in ("c1", "c9")]
    _, assistant, result, alone = wire(HumanMessage("Hi"), AIMessage([TEXT, used, *results]))
    assert (assistant["content"], result["content"], result["tool_call_id"]) == ("Hi", "R", "c1")
    assert alone == {"role": "user", "content": "Returned by tool call c9:\nR"}


def test_a_legacy_result_in_blocks_keeps_its_words(wire: Any) -> None:
    old = AIMessage("", additional_kwargs={"function_call": {"name": "look", "arguments": "{}"}})
    _, _, result = wire(HumanMessage("Hi"), old, FunctionMessage([{"type": "input_text", "text": "R"}], name="look"))
    assert result == {"role": "function", "name": "look", "content": "R"}


@pytest.mark.parametrize("arguments", [{"a": 1}, '{"a": 1}'])
def test_calls_that_langchain_does_not_parse_go_out(wire: Any, arguments: Any) -> None:
    raw = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": arguments}}
    answer = AIMessage("", additional_kwargs={"tool_calls": [raw]})
    assistant = wire(HumanMessage("Hi"), answer, ToolMessage("R", tool_call_id="c1"))[1]
    assert [json.loads(each["function"]["arguments"]) for each in assistant["tool_calls"]] == [{"a": 1}]


ODD = (5, ["x"], {"x": 1})


def test_an_odd_field_of_a_block_is_refused_by_its_place_or_sent_right(
    validator: jsonschema.Draft202012Validator,
) -> None:
    blocks = [{**block, "extras": {}, "cache_control": None} for _, block, _ in PARTS]
    blocks += [{"type": kind, "url": URL, "mime_type": None} for kind in ("image", "audio", "video", "file")]
    blocks += [{"type": "audio", "base64": "UklGRg==", "mime_type": "audio/wav"}, {"type": "text", "text": "Hi"},
               {"type": "tool_result", "tool_use_id": "c1", "content": "R"},
               {"type": "tool_use", "id": "c1", "name": "look", "input": {}}]  # fmt: skip
    for block in [{**each, key: odd} for each in blocks for key in each for odd in ODD]:
        for message in (HumanMessage([block]), AIMessage([block]), ToolMessage([block], tool_call_id="c1")):
            try:
                sent = encode_messages([HumanMessage("Hi"), message])
            except InvalidRequestError as error:
                assert str(error).startswith("messages[1]: "), (block, error)
            else:
                found = [error.message for error in validator.iter_errors({"messages": sent})]
                assert (block, found) == (block, [])


FILE = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "file_name": "a.pdf",
                                 "mime_type": "application/pdf"}}  # fmt: skip
PDF_BLOCK = {"type": "file", "base64": PDF, "mime_type": "application/pdf"}
TEXT = {"type": "text", "text": "Hi"}
PICTURE = {"type": "image_url", "image_url": {"url": URL}}
PNG_URL = f"data:image/png;base64,{PNG}"

PARTS: list[tuple[str, Json, list[Json]]] = [
    ("input_text", {"type": "input_text", "text": "Hi"}, [TEXT]),
    ("input_image", {"type": "input_image", "image_url": URL, "detail": "low"},
     [{"type": "image_url", "image_url": {"url": URL, "detail": "low"}}]),
    ("input_image, file id", {"type": "input_image", "file_id": "f"}, [{"type": "file", "file": {"file_id": "f"}}]),
    ("input_file", {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
     [{"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "file_name": "a.pdf"}}]),
    ("input_file, URL", {"type": "input_file", "file_url": URL}, [{"type": "file", "file": {"file_url": URL}}]),
    ("a name in the metadata", {**PDF_BLOCK, "metadata": {"filename": "a.pdf"}}, [FILE]),
    ("a name in the metadata, shorter", {**PDF_BLOCK, "metadata": {"name": "a.pdf"}}, [FILE]),
    ("a name", {**PDF_BLOCK, "name": "a.pdf"}, [FILE]),
    ("a name in the extras", {**PDF_BLOCK, "extras": {"name": "a.pdf"}}, [FILE]),
    ("a document of blocks",
     {"type": "document", "title": "T", "context": "C", "cache_control": {"type": "ephemeral"},
      "source": {"type": "content", "content": [TEXT, {"type": "image", "url": URL}]}},
     [{"type": "text", "text": "T"}, {"type": "text", "text": "C"}, TEXT,
      {**PICTURE, "cache_control": {"type": "ephemeral"}}]),
    ("a document of one text", {"type": "document", "source": {"type": "content", "content": "Hi"}}, [TEXT]),
    ("a document of text, with a title",
     {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "Hi"}},
     [{"type": "text", "text": "T"}, TEXT]),
    ("Google's picture", {"type": "media", "mime_type": "image/png", "data": PNG},
     [{"type": "image_url", "image_url": {"url": PNG_URL}}]),
    ("Google's film", {"type": "media", "mime_type": "video/mp4", "file_uri": "gs://b/a.mp4"},
     [{"type": "video_url", "video_url": {"url": "gs://b/a.mp4", "mime_type": "video/mp4"}}]),
    ("Google's sound", {"type": "media", "mime_type": "audio/wav", "data": "UklGRg=="},
     [{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}]),
    ("Google's file", {"type": "media", "mime_type": "application/pdf", "file_uri": URL},
     [{"type": "file", "file": {"file_url": URL, "mime_type": "application/pdf"}}]),
]  # fmt: skip


@pytest.mark.parametrize(("block", "parts"), [pytest.param(b, p, id=name) for name, b, p in PARTS])
def test_blocks_of_other_apis_are_parts_of_a_user_message_and_of_a_result(
    wire: Any, block: Json, parts: list[Json]
) -> None:
    called = [AIMessage("", tool_calls=[call()]), ToolMessage([block], tool_call_id="c1")]
    asked, _, result, *shown = wire(HumanMessage([block]), *called)
    wrapped = ToolMessage([{"type": "non_standard", "value": block}], tool_call_id="c1")
    assert wire(called[0], wrapped)[1:] == [result, *shown]
    assert asked == {"role": "user", "content": parts}
    texts = [part for part in parts if part["type"] == "text"]
    media = [part for part in parts if part["type"] != "text"]
    assert result["content"] == "\n".join(part["text"] for part in texts)
    assert [message["content"][1:] for message in shown] == ([media] if media else [])


@pytest.mark.parametrize(
    "block",
    [
        {"type": "resource_link", "uri": "file:///a.txt", "name": "a"},
        {"type": "resource", "resource": {"uri": "x", "text": "é"}},
        {"depth": 459},
        {"type": "hologram", "of": "what"},
    ],
)
@pytest.mark.parametrize("form", ["a tool message", "LangChain's block", "Anthropic's block"])
def test_what_only_tools_return_becomes_json(wire: Any, block: Json, form: str) -> None:
    told: BaseMessage = ToolMessage([block], tool_call_id="c1")
    if form == "LangChain's block":
        told = ToolMessage([{"type": "non_standard", "value": block}], tool_call_id="c1")
    if form == "Anthropic's block":
        told = HumanMessage([{"type": "tool_result", "tool_use_id": "c1", "content": [block]}])
    result = wire(AIMessage("", tool_calls=[call()]), told)[1]
    assert result["content"] == json.dumps(block, ensure_ascii=False)


@pytest.mark.parametrize(
    ("name", "sent"),
    [(None, "look"), ("look", "look"), ("Look Up", fit_name("Look Up")), ("x" * 99, fit_name("x" * 99))],
)
def test_a_result_names_its_tool(emulator: Emulator, name: str | None, sent: str) -> None:
    called = AIMessage("", tool_calls=[call()])
    ChatPollinations(**emulator.connection()).invoke([called, ToolMessage("R", tool_call_id="c1", name=name)])
    result = emulator.requests[-1].json["messages"][1]
    assert result["name"] == sent


# --- The emulator -----------------------------------------------------------------------------------------------------

ASKED = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
ANSWERED = {"role": "tool", "tool_call_id": "c1", "content": "R"}


def _asked(**changed: Any) -> Json:
    return {"role": "assistant", "content": None, "tool_calls": [{**ASKED, **changed}]}


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([_asked(function={"name": "look", "arguments": CUT}), ANSWERED], "not the JSON of an object"),
        ([_asked(function={"name": "look", "arguments": ""}), ANSWERED], "not the JSON of an object"),
        ([_asked(function={"name": "", "arguments": "{}"}), ANSWERED], "name of the function is empty"),
        ([_asked(id="functions.look:0"), {**ANSWERED, "tool_call_id": "functions.look:0"}], "should match pattern"),
        ([_asked(), ANSWERED, _asked(), ANSWERED], "must be unique"),
        ([_asked(), HI], "without `tool_result`"),
        ([_asked()], "without `tool_result`"),
        ([ANSWERED], "has no call before it"),
        ([{"role": "assistant", "content": ""}, HI], "is blank"),
        ([{"role": "system", "content": " "}, HI], "is blank"),
        ([{"role": "user", "content": [TEXT, {"type": "text", "text": ""}]}], "non-whitespace text"),
        ([{**_asked(), "content": " "}, ANSWERED], "non-whitespace text"),
    ],
)
def test_the_emulator_refuses_what_bedrock_refuses(emulator: Emulator, messages: list[Json], says: str) -> None:
    """The body goes out as it is here."""
    chat = ChatPollinations(**emulator.connection(), model="claude", extra_body={"messages": [HI, *messages]})
    with pytest.raises(InvalidRequestError, match=says):
        chat.invoke("Hi")


# --- Any history ------------------------------------------------------------------------------------------------------

TARGETS = (*MODELS, "moonshotai/kimi-k2.6")
IDS = ["functions.look:0", "call_a|fc_b", "x" * 200, "toolu_1", "c1", "", "é", "c\ud83d"]
NAMES = ["look", "Get File", "", "coding.start", "l\ud83d"]


class Writer:
    """Draws messages, and keeps each word that it writes into them."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.words: list[str] = []

    def word(self) -> str:
        self.words.append(f"word{len(self.words)}.")
        return self.words[-1]

    def one_of(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def some(self, make: Callable[[], Any], most: int = 3) -> list[Any]:
        return [make() for _ in range(self.draw(st.integers(0, most)))]

    def text(self) -> str:
        kind = self.one_of("word", "word", "empty", "blank", "odd")
        return {"empty": "", "blank": " \n"}.get(kind) or (
            self.word() if kind == "word" else f"{self.word()} \u2028é🌼\n" if kind == "odd" else ""
        )

    def part(self) -> Any:
        """A block of a user message or of a tool's result."""
        return self.one_of(
            lambda: self.text(),
            lambda: {"type": "text", "text": self.text(), "index": 0},
            lambda: {"type": "text", "text": self.text(), "extras": ["x"]},
            lambda: {"type": "non_standard", "value": {"type": "text", "text": self.text()}},
            lambda: {"type": "input_text", "text": self.text()},
            lambda: {"type": "output_text", "text": self.text(), "annotations": []},
            lambda: {"type": "refusal", "refusal": self.text()},
            lambda: {"type": "text-plain", "text": self.text(), "mime_type": "text/plain"},
            lambda: {"type": "image", "url": URL},
            lambda: {"type": "image_url", "image_url": URL},
            lambda: {"type": "input_image", "image_url": PNG_URL},
            lambda: {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            lambda: {"type": "media", "mime_type": "image/png", "data": PNG},
            lambda: {"type": "media", "mime_type": "application/pdf", "file_uri": URL},
            lambda: {"type": "input_file", "filename": self.word(), "file_data": "data:text/plain;base64,SGk="},
            lambda: {**PDF_BLOCK, "metadata": {"filename": self.word()}},
            lambda: {"type": "document", "title": self.word(), "context": self.word(),
                     "source": {"type": "text", "media_type": "text/plain", "data": self.text()}},
            lambda: {"type": "document", "source": {"type": "content", "content": [self.part()]}},
            lambda: {"type": "imge", "text": "This is refused in a user message."},
        )()  # fmt: skip

    def said(self) -> Any:
        """A block of an answer."""
        return self.one_of(
            lambda: self.text(),
            lambda: {"type": "text", "text": self.text()},
            lambda: {"type": "output_text", "text": self.text()},
            lambda: {"type": "refusal", "refusal": self.text()},
            lambda: {"type": "non_standard", "value": self.said()},
            lambda: {"type": "text", "text": {"value": self.text(), "annotations": []}},
            lambda: {"type": "message", "content": [self.said()]},
            lambda: {"type": "document", "source": {"type": "text", "data": self.text()}},
            lambda: {"type": "tool_result", "tool_use_id": self.one_of(*IDS), "content": [self.part()]},
            lambda: {self.one_of("text", "refusal", "content"): self.text(), **self.one_of({}, {"type": "answer"})},
            lambda: {"type": "audio", "transcript": self.text(), **self.one_of({}, {"extras": ["x"]})},
            lambda: {"type": "reasoning", "reasoning": "Hm."},
            lambda: {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            lambda: {"type": "redacted_thinking", "data": "c2ln"},
            lambda: {"type": "reasoning_content", "text": "Hm."},
            lambda: {"type": "executable_code", "code": "1"},
            lambda: {"type": "image", "url": URL},
            lambda: {"type": "image", "url": "file:///nowhere.png"},
            lambda: {"type": "tool_use", "id": self.one_of("tu_1", ""), "name": "read", "input": self.args()},
            lambda: {"type": "function_call", "call_id": "fc_1", "name": "read", "arguments": self.raw()},
        )()

    def args(self) -> Any:
        return self.one_of({}, {"q": self.word()}, {"q": self.word(), "é": float("nan")})

    def raw(self) -> str:
        return self.one_of("", f'{{"q": "{self.word()}', f'{{"q": "{self.word()}"}}', self.word(), "[]")

    def answer(self) -> AIMessage:
        kwargs: Json = self.one_of(
            dict,
            lambda: {"refusal": self.text()},
            lambda: {"reasoning_content": "Hm."},
            lambda: {"content_blocks": [THINKING, {"type": "text", "text": "\n"}]},
            lambda: {"audio": {"transcript": self.text()}},
        )()
        known: Json = self.one_of(
            {}, {"model_provider": "openai"}, {"model_provider": "anthropic"}, {"model_provider": "google_genai"},
            *({**OURS, "model_name": model} for model in TARGETS),
        )  # fmt: skip
        made = known.get("model_name", "").startswith(MODELS[:2])  # no model there makes ids that do not fit
        ids = ["toolu_1", "c1"] if made else [*IDS, None]

        def good() -> Json:
            return call(self.one_of(*NAMES), self.args(), self.one_of(*ids))

        def bad() -> Json:
            return broken(self.one_of(*NAMES, None), self.one_of(self.raw(), None), self.one_of(*ids))

        return AIMessage(
            self.one_of(self.text(), self.some(self.said)) if not kwargs.get("content_blocks") else "",
            tool_calls=self.some(good, 2),
            invalid_tool_calls=self.some(bad, 2),
            additional_kwargs=kwargs,
            response_metadata=known,
        )

    def result(self) -> BaseMessage:
        content = self.one_of(self.text(), self.some(self.part), [{"uri": self.word()}])
        if self.one_of(True, True, False):
            return ToolMessage(content, tool_call_id=self.one_of(*IDS), name=self.one_of(None, *NAMES))
        block = {"type": "tool_result", "tool_use_id": self.one_of(*IDS), "content": content}
        return HumanMessage([block, *self.some(self.part, 1)])

    def message(self) -> BaseMessage:
        return self.one_of(
            lambda: HumanMessage(self.text(), name=self.one_of(None, "Zoë")),
            lambda: HumanMessage([self.part(), *self.some(self.part)]),
            lambda: SystemMessage(self.text()),
            lambda: ChatMessage(self.text(), role="assistant"),
            lambda: FunctionMessage(self.text(), name=self.one_of("look", "")),
            self.answer, self.answer, self.answer, self.result, self.result,
        )()  # fmt: skip


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[BaseMessage], list[str]]:
    writer = Writer(draw)
    messages = [writer.message() for _ in range(draw(st.integers(1, 6)))]
    return messages, writer.words


def _texts(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


@settings(max_examples=examples(150), deadline=None)
@given(conversations(), st.sampled_from(TARGETS))
def test_any_history_is_accepted_whole_or_refused_by_its_place(
    accept: Callable[..., None], conversation: tuple[Sequence[BaseMessage], list[str]], model: str
) -> None:
    messages, words = conversation
    chat = ChatPollinations(api_key="sk_test", model=model)
    try:
        body = chat._prepare(list(messages), None, {}).body
    except InvalidRequestError as error:
        assert re.match(r"messages\[\d+\]: ", str(error))
        return
    accept(body, model)
    put_in, sent = _texts([message.model_dump() for message in messages]), _texts(body)
    assert [word for word in words if word in put_in and word not in sent] == []


# --- Answers of any shape in the history ------------------------------------------------------------------------------

ODD_FIELDS: dict[str, dict[str, Any]] = {
    "content_blocks, a string": {"content_blocks": "A"},
    "content_blocks of strings": {"content_blocks": ["A", 5, None]},
    "a block with an odd id": {
        "content_blocks": [{"type": "tool_use", "id": {}}, {"type": "thinking", "thinking": {}}]
    },
    "content_blocks, a dict": {"content_blocks": {"type": "text"}},
    "signatures, a string": {"thought_signatures": "A"},
    "extras, a string": {"tool_call_extras": "A"},
    "extras of strings": {"tool_call_extras": {"call_1": "A"}},
    "reasoning details, a string": {"reasoning_details": "A"},
    "arguments, a string": {"invalid_arguments": "A"},
    "annotations, a string": {"annotations": "A", "images": "A", "audio": "A", "refusal": {"a": 1}},
    "a refusal and thoughts of odd types": {"reasoning_content": {"a": 1}, "reasoning": [1]},
}


@pytest.mark.parametrize("calls", [False, True])
@pytest.mark.parametrize("fields", ODD_FIELDS.values(), ids=ODD_FIELDS)
def test_an_answer_of_any_shape_does_not_end_the_conversation(
    chat: ChatPollinations, emulator: Emulator, ask: Ask, fields: dict[str, Any], calls: bool
) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    said: dict[str, Any] = {"content": None, "tool_calls": [call]} if calls else {"content": "Hello"}
    emulator.reply(message={**said, **fields})
    first = ask(chat, "Hi")
    results = [ToolMessage("seen", tool_call_id="call_1")] if calls else []
    assert first.content_blocks
    assert ask(chat, [HumanMessage("Hi"), first, *results, HumanMessage("And now?")]).text
    tampered = first.model_copy(update={"additional_kwargs": {**first.additional_kwargs, **fields}})
    assert ask(chat, [HumanMessage("Hi"), tampered, *results, HumanMessage("And now?")]).text


BROKEN_RESULTS: dict[str, list[Any]] = {
    "an image of three bytes": [{"type": "image", "base64": "AAAA"}],
    "an image of no base64": [{"type": "image", "base64": "!"}],
    "an empty image": [{"type": "image", "base64": ""}],
    "an image of no bytes": [{"type": "image", "base64": b""}],
    "a file": [{"type": "file", "base64": "A"}],
    "audio": [{"type": "audio", "base64": "!"}],
    "a deep document": [reduce(lambda inner, _: {"type": "document", "source": {"content": [inner]}}, range(900), {})],
}


@pytest.mark.parametrize("message", [ToolMessage, FunctionMessage])
@pytest.mark.parametrize("content", BROKEN_RESULTS.values(), ids=BROKEN_RESULTS)
def test_a_broken_block_in_the_result_of_a_tool_is_sent_as_text(
    chat: ChatPollinations, ask: Ask, message: type[ToolMessage | FunctionMessage], content: list[Any]
) -> None:
    call = AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "1"}])
    known = {"tool_call_id": "1"} if message is ToolMessage else {"name": "look"}
    assert ask(chat, [HumanMessage("Look."), call, message(content=content, **known)]).text  # type: ignore[arg-type]


ODD_ARGUMENTS = {
    "a number beyond 64 bits": '{"n": 1' + "0" * 20 + "}",
    "deep lists": '{"n": ' + "[" * 300 + "]" * 300 + "}",
    "deep objects": '{"n": ' * 300 + "1" + "}" * 300,
    "half a character in a key": '{"\\ud800": 1}',
    "half a character in an inner key": '{"a": [{"\\udc00x": 1}]}',
}


@pytest.mark.parametrize("arguments", ODD_ARGUMENTS.values(), ids=ODD_ARGUMENTS)
def test_arguments_that_no_checkpoint_can_hold_are_an_invalid_call(
    chat: ChatPollinations, emulator: Emulator, ask: Ask, arguments: str
) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": arguments}}
    emulator.reply(message={"content": None, "tool_calls": [call]})
    message = ask(chat, "Look.")
    assert [each["args"] for each in message.invalid_tool_calls] == [arguments]
    assert message.tool_calls == []
    JsonPlusSerializer().dumps_typed(message)
    assert ask(chat, [HumanMessage("Look."), message, HumanMessage("Once more")]).text


@pytest.mark.parametrize(
    "arguments", ['{"n": 9223372036854775807}', '{"n": ' + "[" * 60 + "]" * 60 + "}", '{"n": "\\ud83d\\ude00"}']
)
def test_large_arguments_are_good_ones(chat: ChatPollinations, emulator: Emulator, ask: Ask, arguments: str) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": arguments}}
    emulator.reply(message={"content": None, "tool_calls": [call]})
    assert [each["args"] for each in ask(chat, "Look.").tool_calls] == [json.loads(arguments)]
