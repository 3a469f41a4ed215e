"""What may stand in a question, and in the history before it; each body is held against the service's own schema."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from langchain_core.load import dumpd, load
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    filter_messages,
    messages_from_dict,
    messages_to_dict,
    trim_messages,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from langchain_pollinations._chat.tool_names import fit_name
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import InvalidRequestError
from tests.chat.test_messages import BLOCKS, PDF, PNG, URL
from tests.helpers.ask import FORMS, Ask

SEES_AND_HEARS = "google/gemini-3-flash-preview"
EPHEMERAL = {"type": "ephemeral"}
TEXT = {"type": "text", "text": "Look."}
HI = {"role": "user", "content": "Hi"}


@pytest.fixture
def wire(emulator: Emulator, validator: jsonschema.Draft202012Validator) -> Callable[..., list[dict[str, Any]]]:
    """`wire(messages)`: the messages that the service got, valid and accepted."""

    def wire(messages: Any, ask: Ask | None = None) -> list[dict[str, Any]]:
        chat = ChatPollinations(**emulator.connection(), model=SEES_AND_HEARS)
        emulator.reply("Yes.")
        assert (ask(chat, messages) if ask else chat.invoke(messages)).text == "Yes."
        body = emulator.requests[-1].json
        validator.validate(body)
        return body["messages"]

    return wire


# --- Blocks, in each role ---------------------------------------------------------------------------------------------

# Blocks that only the text of a message says.
NOT_REPLAYED = {"audio", "input_audio", "non_standard"}


@pytest.mark.parametrize(("block", "part"), [pytest.param(block, part, id=name) for name, block, part in BLOCKS])
def test_a_block_means_the_same_in_every_role(wire: Any, block: Any, part: dict[str, Any]) -> None:
    ai, call = AIMessage([block]), {"id": "c1", "name": "f", "args": {}}
    said = wire(
        [
            SystemMessage([block]),
            HumanMessage([block]),
            AIMessage("", tool_calls=[call]),
            ToolMessage([block], tool_call_id="c1"),
            ai,
            HumanMessage("So?"),
        ]
    )
    assert said[0] == {"role": "system", "content": [part]}
    assert said[1] == {"role": "user", "content": [part]}
    is_plain = part.keys() == {"type", "text"}
    answered = {"role": "tool", "tool_call_id": "c1", "name": "f"}
    told = {"type": "text", "text": "Returned by tool call c1:"}
    expected: list[Any] = [{**answered, "content": part["text"] if is_plain else [part]}]
    if part["type"] == "new_part":
        expected = [{**answered, "content": json.dumps(part)}]  # a part that no chat request is known to have
    elif part["type"] != "text":
        expected = [{**answered, "content": ""}, {"role": "user", "content": [told, part]}]
    if not (isinstance(block, dict) and block["type"] in NOT_REPLAYED):
        expected.append({"role": "assistant", "content": part["text"] if is_plain else [part]})
    assert said[3:-1] == expected


def test_every_way_of_asking_sends_the_same(wire: Any, ask: Ask) -> None:
    picture = {"type": "image", "base64": PNG, "mime_type": "image/png"}
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    assert wire([HumanMessage([TEXT, picture])], ask) == [{"role": "user", "content": [TEXT, part]}]


PICTURE = base64.b64decode(PNG)
SHOWN = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}


def _source(data: Any) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


@pytest.mark.parametrize(
    ("block", "part"),
    [
        pytest.param({"type": "image", "base64": PICTURE, "mime_type": "image/png"}, SHOWN, id="bytes"),
        pytest.param({"type": "image", "base64": PICTURE}, SHOWN, id="bytes, type untold"),
        pytest.param(
            {"type": "image", "base64": bytearray(PICTURE), "mime_type": "image/png"}, SHOWN, id="a bytearray"
        ),
        pytest.param(
            {"type": "image", "base64": memoryview(PICTURE), "mime_type": "image/png"}, SHOWN, id="a memoryview"
        ),
        pytest.param({"type": "image", "data": PICTURE, "mime_type": "image/png"}, SHOWN, id="an older block"),
        pytest.param({"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"}, SHOWN, id="v0"),
        pytest.param(
            {"type": "image", "source_type": "url", "url": URL},
            {"type": "image_url", "image_url": {"url": URL}},
            id="v0, URL",
        ),
        pytest.param(_source(PICTURE), SHOWN, id="Anthropic's, bytes"),
        pytest.param(_source(f"{PNG[:40]}\n{PNG[40:]}"), SHOWN, id="Anthropic's, in lines"),
        pytest.param(
            {"type": "file", "base64": base64.b64decode(PDF), "mime_type": "application/pdf"},
            {
                "type": "file",
                "file": {"file_data": f"data:application/pdf;base64,{PDF}", "mime_type": "application/pdf"},
            },
            id="a PDF's bytes",
        ),
        pytest.param(
            {"type": "file", "base64": PDF, "mime_type": "application/pdf", "extras": {"filename": "a.pdf"}},
            {
                "type": "file",
                "file": {
                    "file_data": f"data:application/pdf;base64,{PDF}",
                    "file_name": "a.pdf",
                    "mime_type": "application/pdf",
                },
            },
            id="a name in extras",
        ),
        pytest.param(
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hi"}},
            {"type": "text", "text": "Hi"},
            id="Anthropic's text",
        ),
        pytest.param(
            {"type": "document", "source": {"type": "url", "url": URL}},
            {"type": "file", "file": {"file_url": URL}},
            id="Anthropic's document, URL",
        ),
        pytest.param(
            {"type": "text", "text": "Hi", "prompt_cache_breakpoint": {"mode": "explicit"}},
            {"type": "text", "text": "Hi", "prompt_cache_breakpoint": {"mode": "explicit"}},
            id="breakpoint",
        ),
        pytest.param(
            {**_source(PNG), "cache_control": EPHEMERAL},
            {**SHOWN, "cache_control": EPHEMERAL},
            id="a marker on a picture",
        ),
    ],
)
def test_media_go_out_as_base64_or_by_address(wire: Any, block: dict[str, Any], part: dict[str, Any]) -> None:
    assert wire([HumanMessage([TEXT, block])]) == [{"role": "user", "content": [TEXT, part]}]


def test_a_local_picture_is_sent_as_its_bytes(wire: Any, tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PICTURE)
    (message,) = wire([HumanMessage([TEXT, {"type": "image", "base64": path.read_bytes(), "mime_type": "image/png"}])])
    assert message["content"][1] == SHOWN


def test_what_was_asked_stays_as_it_was(wire: Any) -> None:
    picture = {"type": "image", "base64": PICTURE, "mime_type": "image/png"}
    blocks = [TEXT, picture, {"type": "file", "file": {"file_id": "f", "filename": "a"}}]
    asked = [HumanMessage(copy.deepcopy(blocks))]
    wire(asked)
    assert asked[0].content == blocks


# --- Messages ---------------------------------------------------------------------------------------------------------

CALL = {"id": "c1", "name": "f", "args": {"x": 1}, "type": "tool_call"}
WIRE_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
OLD_CALL = {"name": "f", "arguments": "{}"}

CONVERSATIONS: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "a string": ("Hi", [HI]),
    "a tuple": ([("user", "Hi")], [HI]),
    "a dict": ([{"role": "user", "content": "Hi"}], [HI]),
    "a developer as a tuple": ([("developer", "Be brief."), HI], [{"role": "developer", "content": "Be brief."}, HI]),
    "a developer as a dict": (
        [{"role": "developer", "content": "Be brief."}, HI],
        [{"role": "developer", "content": "Be brief."}, HI],
    ),
    "a developer as a chat message": (
        [ChatMessage("Be brief.", role="developer"), HI],
        [{"role": "developer", "content": "Be brief."}, HI],
    ),
    "a named user": ([HumanMessage("Hi", name="Anna")], [{**HI, "name": "Anna"}]),
    "a name in other letters": ([HumanMessage("Hi", name="Zoë B.")], [{**HI, "name": "Zo__B_"}]),
    "a name without end": ([HumanMessage("Hi", name="x" * 99)], [{**HI, "name": "x" * 64}]),
    "a named system": (
        [SystemMessage("S", name="rules"), HumanMessage("Hi")],
        [{"role": "system", "content": "S", "name": "rules"}, HI],
    ),
    "a named answer": (
        [HumanMessage("Hi"), AIMessage("Ho", name="bot 1"), HumanMessage("Hi")],
        [HI, {"role": "assistant", "content": "Ho", "name": "bot_1"}, HI],
    ),
    "users in a row": ([HumanMessage("Hi")] * 3, [HI] * 3),
    "systems in a row, and one later": (
        [SystemMessage("A"), SystemMessage("B"), HumanMessage("Hi"), SystemMessage("C")],
        [
            {"role": "system", "content": "A"},
            {"role": "system", "content": "B"},
            HI,
            {"role": "system", "content": "C"},
        ],
    ),
    "answers in a row": (
        [HumanMessage("Hi"), AIMessage("A"), AIMessage("B")],
        [HI, {"role": "assistant", "content": "A"}, {"role": "assistant", "content": "B"}],
    ),
    "a chunk as an answer": (
        [HumanMessage("Hi"), AIMessageChunk("A"), HumanMessage("Hi")],
        [HI, {"role": "assistant", "content": "A"}, HI],
    ),
    "markers of a cache": (
        [
            SystemMessage([{"type": "text", "text": "S", "cache_control": EPHEMERAL}]),
            HumanMessage([{"type": "text", "text": "H", "cache_control": EPHEMERAL}]),
        ],
        [
            {"role": "system", "content": [{"type": "text", "text": "S", "cache_control": EPHEMERAL}]},
            {"role": "user", "content": [{"type": "text", "text": "H", "cache_control": EPHEMERAL}]},
        ],
    ),
    "a marker on a tool's result": (
        [
            HumanMessage("Hi"),
            AIMessage("", tool_calls=[CALL]),
            ToolMessage([{"type": "text", "text": "R", "cache_control": EPHEMERAL}], tool_call_id="c1"),
        ],
        [
            HI,
            {"role": "assistant", "content": None, "tool_calls": [WIRE_CALL]},
            {
                "role": "tool",
                "tool_call_id": "c1",
                "name": "f",
                "content": [{"type": "text", "text": "R", "cache_control": EPHEMERAL}],
            },
        ],
    ),
    "a result with a name, a status and an artifact": (
        [
            HumanMessage("Hi"),
            AIMessage("", tool_calls=[CALL]),
            ToolMessage("R", tool_call_id="c1", name="f g", status="error", artifact=b"x"),
        ],
        [
            HI,
            {"role": "assistant", "content": None, "tool_calls": [WIRE_CALL]},
            {"role": "tool", "tool_call_id": "c1", "name": fit_name("f g"), "content": "R"},
        ],
    ),
}


MORE = [
    pytest.param(
        [
            HumanMessage("Hi"),
            AIMessage("", additional_kwargs={"function_call": OLD_CALL}),
            FunctionMessage("R", name="f"),
        ],
        [
            HI,
            {"role": "assistant", "content": None, "function_call": OLD_CALL},
            {"role": "function", "name": "f", "content": "R"},
        ],
        id="the older form of a call",
    ),
    pytest.param(
        [
            HumanMessage("Hi"),
            AIMessage("", additional_kwargs={"refusal": "No."}, response_metadata={"model_provider": "pollinations"}),
            HumanMessage("Hi"),
        ],
        [HI, {"role": "assistant", "content": "No."}, HI],
        id="a refusal",
    ),
    pytest.param(
        [
            HumanMessage("Hi"),
            AIMessage("", tool_calls=[CALL]),
            HumanMessage([{"type": "tool_result", "tool_use_id": "c1", "content": "R", "cache_control": EPHEMERAL}]),
        ],
        [
            HI,
            {"role": "assistant", "content": None, "tool_calls": [WIRE_CALL]},
            {"role": "tool", "tool_call_id": "c1", "name": "f", "content": "R", "cache_control": EPHEMERAL},
        ],
        id="a marker on Anthropic's result",
    ),
]


@pytest.mark.parametrize(
    ("asked", "said"), [*(pytest.param(*row, id=name) for name, row in CONVERSATIONS.items()), *MORE]
)
def test_a_conversation_goes_out_as_it_was(wire: Any, asked: Any, said: list[dict[str, Any]]) -> None:
    assert wire(asked) == said


def test_odd_text_arrives_as_it_is(emulator: Emulator, ask: Ask) -> None:
    odd = "line\u2028separator, \u0085, \r\n, é, 🌼, \x00, \ufeff"
    emulator.reply(odd)
    assert ask(ChatPollinations(**emulator.connection()), odd).text == odd
    assert emulator.requests[-1].json["messages"] == [{"role": "user", "content": odd}]


def test_what_a_provider_keeps_is_told_beside_the_messages(emulator: Emulator, ask: Ask) -> None:
    options = {
        "prompt_cache_key": "k",
        "prompt_cache_options": {"mode": "explicit", "ttl": "30m"},
        "prompt_cache_retention": "24h",
    }
    emulator.reply("Yes.")
    block = {"type": "text", "text": "Known.", "prompt_cache_breakpoint": {"mode": "explicit"}}
    ask(ChatPollinations(**emulator.connection(), **options), [SystemMessage([block]), HumanMessage("Hi")])
    body = emulator.requests[-1].json
    assert {key: body[key] for key in options} == options
    assert body["messages"][0]["content"] == [block]


LOCAL = {"type": "image", "url": "file:///tmp/shot.png"}


def test_what_stays_in_a_conversation_cannot_end_it(wire: Any) -> None:
    """Nobody can mend what a tool returned or another maker's model answered."""
    call = {"id": "c1", "name": "f", "args": {}}
    sent = wire(
        [
            HumanMessage("Hi"),
            AIMessage([{"type": "text", "text": "Look."}, LOCAL, {"type": "file", "id": None}], tool_calls=[call]),
            ToolMessage([LOCAL, {"type": "custom_tool_call_output", "output": "x"}], tool_call_id="c1"),
        ]
    )
    assert sent[1]["content"] == "Look."
    assert sent[2]["content"] == '{"url": "file:///tmp/shot.png"}\n{"output": "x"}'


def test_a_call_that_somebody_changed_goes_back_changed(emulator: Emulator) -> None:
    used = {"type": "tool_use", "id": "c1", "name": "mail", "input": {"body": "I quit"}}
    tool_call = {"id": "c1", "type": "function", "function": {"name": "mail", "arguments": '{"body": "I quit"}'}}
    blocks = [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}, used]
    emulator.reply(message={"content": None, "content_blocks": blocks, "tool_calls": [tool_call]}, dialect="simulated")
    chat = ChatPollinations(**emulator.connection())
    answer = chat.invoke("Go")
    edited = answer.model_copy(update={"tool_calls": [{**answer.tool_calls[0], "args": {"body": "Hello"}}]})
    emulator.reply("Done.")
    chat.invoke([HumanMessage("Go"), edited, ToolMessage("sent", tool_call_id="c1")])
    assert emulator.requests[-1].json["messages"][1]["content_blocks"][1] == {**used, "input": {"body": "Hello"}}
    assert [block["type"] for block in answer.content_blocks] == ["reasoning", "tool_call"]


# --- What cannot be sent ----------------------------------------------------------------------------------------------


def human(block: Any) -> list[Any]:
    return [HumanMessage("Hi"), HumanMessage([TEXT, block])]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        pytest.param([], "messages is empty", id="nothing"),
        pytest.param([("bot", "x")], "bot", id="a role"),
        pytest.param([HumanMessage([])], r"messages\[0\]: .*empty list", id="an empty list"),
        pytest.param([SystemMessage([]), HI], r"messages\[0\]: .*empty list", id="an empty system"),
        pytest.param([HI, RemoveMessage("1")], r"messages\[1\]: a RemoveMessage", id="no message at all"),
        pytest.param("half \ud800", "cannot be written as JSON", id="half a character"),
        pytest.param(human({"type": "imge_url"}), r"messages\[1\]: .*'imge_url'; did you mean 'image_url'", id="typo"),
        pytest.param(human({"type": "hologram"}), r"'hologram'; supported are text", id="unknown block"),
        pytest.param([SystemMessage([{"type": "hologram"}]), HI], r"messages\[0\]: .*'hologram'", id="in a system"),
        pytest.param(human({"text": "x"}), r"a dict with a 'type', not a dict with keys \['text'\]", id="no type"),
        pytest.param(human({"type": "image"}), "an image block needs 'url', 'base64'", id="an empty image"),
        pytest.param(human({"type": "image", "source": {"type": "base64"}}), "an image block needs", id="empty source"),
        pytest.param(human({"type": "image", "base64": "AAAA"}), "mime_type", id="an unknown picture"),
        pytest.param(human({"type": "audio", "base64": "AAAA", "mime_type": "audio/amr"}), "formats are", id="a sound"),
        pytest.param(human({"type": "image", "url": "/home/me/cat.png"}), "cannot read a local file", id="a path"),
        pytest.param(human({"type": "image", "url": Path("cat.png")}), "Path is not an http", id="a Path"),
        pytest.param(
            human({"type": "image", "source": {"type": "url", "url": "cat.png"}}),
            "cannot read a local file",
            id="a path as a source",
        ),
        pytest.param(
            human({"type": "document", "source": {"type": "content", "content": []}}),
            "needs 'url'",
            id="a document in blocks",
        ),
        pytest.param(
            human({"type": "image", "base64": "cat.png", "mime_type": "image/png"}), "image", id="name as base64"
        ),
        pytest.param(
            human({"type": "image", "base64": Path("cat"), "mime_type": "image/png"}), "image", id="Path as base64"
        ),
        pytest.param(
            human({"type": "image_url", "image_url": {"url": "data:image/png;base64,*"}}),
            "is invalid: ",
            id="data URI without base64",
        ),
        pytest.param(human({"type": "file", "file": {}}), "file", id="OpenAI's file, empty"),
        pytest.param(human({"type": "file", "file": {"file_url": "/a.pdf"}}), "local file", id="OpenAI's file, a path"),
        pytest.param([ChatMessage("x", role="tool"), HI], "tool_call_id", id="a tool without its call"),
        pytest.param([ChatMessage("x", role="function"), HI], "name", id="a function without a name"),
        pytest.param(
            [SystemMessage("x", additional_kwargs={"__openai_role__": "boss"}), HI], "boss", id="a made-up role"
        ),
    ],
)
def test_what_cannot_be_sent_is_named_before_the_call(emulator: Emulator, ask: Ask, asked: Any, says: str) -> None:
    chat = ChatPollinations(**emulator.connection(), model=SEES_AND_HEARS)
    try:
        with pytest.raises(ValueError, match=says):
            ask(chat, asked)
    finally:
        assert emulator.requests == []


NO_TOOLS = ("meta/llama-4-scout", "perplexity/sonar", "google/gemini-2.5-flash-lite:search")


@pytest.mark.parametrize("model", NO_TOOLS)
@pytest.mark.parametrize(
    ("history", "where"),
    [
        pytest.param([AIMessage("", tool_calls=[CALL]), ToolMessage("R", tool_call_id="c1")],
                     "messages[1], messages[2]", id="a call and its result"),
        pytest.param([FunctionMessage("R", name="f")], "messages[1]", id="an old result"),
        pytest.param([AIMessage([{"type": "tool_use", "id": "c1", "name": "f", "input": {}}]),
                      HumanMessage([{"type": "tool_result", "tool_use_id": "c1", "content": "R"}])],
                     "messages[1], messages[2]", id="Anthropic's call and result"),
        pytest.param([AIMessage(""), AIMessage("", tool_calls=[CALL])], "messages[2]", id="behind an empty answer"),
    ],
)  # fmt: skip
def test_a_history_with_tools_is_none_for_a_model_without(
    emulator: Emulator, model: str, history: list[Any], where: str
) -> None:
    chat = ChatPollinations(**emulator.connection(), model=model)
    with pytest.raises(InvalidRequestError, match=re.escape(f"no history of tool calls, but there are {where};")):
        chat.invoke([HumanMessage("Hi"), *history])
    assert emulator.requests == []
    emulator.reply("Yes.", "Yes.")
    assert chat.invoke("Hi", tool_choice="none").text == "Yes."
    assert chat.invoke("Hi", tools=[]).text == "Yes."


# --- Answers go back --------------------------------------------------------------------------------------------------

THOUGHT = "Berlin? Yes."
SIGNED = {"type": "thinking", "thinking": THOUGHT, "signature": "c2lnbmVk"}
HIDDEN = {"type": "redacted_thinking", "data": "aGlkZGVu"}
SAID = {"type": "text", "text": "Yes."}
DETAILS = [
    {"type": "reasoning.text", "text": THOUGHT, "format": "unknown", "index": 0, "signature": "c2ln"},
    {"type": "reasoning.encrypted", "data": "ZW4=", "index": 1},
]
SIGNED_CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "f", "arguments": '{"x": 1}', "thought_signature": "c2ln"},
}
GOOGLES_CALL = {**WIRE_CALL, "extra_content": {"google": {"thought_signature": "c2ln"}}}
IN_BLOCKS = [SIGNED, HIDDEN, SAID]
DRAWN = [SIGNED, SAID, SHOWN]

# model, another one of its maker, dialect, what it says, what goes back
KEPT: dict[str, tuple[str, str, str, dict[str, Any], dict[str, Any]]] = {
    "signed and hidden thoughts": (
        "claude", "anthropic/claude-haiku-4.5", "plain", {"content": "Yes.", "content_blocks": IN_BLOCKS},
        {"content": "Yes.", "content_blocks": IN_BLOCKS},
    ),
    "thoughts signed at Bedrock": (
        "claude", "anthropic/claude-sonnet-5", "bedrock", {"content": "Yes.", "content_blocks": IN_BLOCKS},
        {"content": "Yes.", "content_blocks": IN_BLOCKS},
    ),
    "a signed call": (
        "gemini", "google/gemini-3.7-flash", "plain", {"content": "Yes.", "tool_calls": [SIGNED_CALL]},
        {"content": "Yes.", "tool_calls": [SIGNED_CALL]},
    ),
    "a signed call of Vertex": (
        "gemini", "google/gemini-3.7-flash", "vertex", {"content": "Yes.", "tool_calls": [SIGNED_CALL]},
        {"content": "Yes.", "tool_calls": [SIGNED_CALL]},
    ),
    "a call with fields that only its maker knows": (
        "gemini", "google/gemini-3.7-flash", "plain", {"content": "Yes.", "tool_calls": [GOOGLES_CALL]},
        {"content": "Yes.", "tool_calls": [GOOGLES_CALL]},
    ),
    "a picture": (
        "gemini", "google/gemini-3.7-flash", "plain", {"content": "Yes.", "content_blocks": DRAWN},
        {"content": [SAID, SHOWN], "content_blocks": DRAWN},
    ),
    "details of OpenRouter": (
        "stepfun/step-3.7-flash", "stepfun/step-3.5-flash", "plain",
        {"content": "Yes.", "reasoning": THOUGHT, "reasoning_details": DETAILS},
        {"content": "Yes.", "reasoning": THOUGHT, "reasoning_details": DETAILS},
    ),
    "plain reasoning": (
        "deepseek/deepseek-v4-pro", "deepseek/deepseek-v4-flash", "plain",
        {"content": "Yes.", "reasoning_content": THOUGHT}, {"content": "Yes.", "reasoning_content": THOUGHT},
    ),
    "reasoning by the other name": (
        "deepseek/deepseek-v4-pro", "deepseek/deepseek-v4-flash", "plain",
        {"content": "Yes.", "reasoning": THOUGHT}, {"content": "Yes.", "reasoning": THOUGHT},
    ),
    "a spoken answer": (
        "openai-audio", "openai/gpt-audio-1.5", "plain",
        {"content": None, "audio": {"id": "au1", "data": "AAAA", "transcript": "Yes.", "expires_at": 1}},
        {"content": "", "audio": {"id": "au1"}},
    ),
}  # fmt: skip


def answered(emulator: Emulator, ask: Ask, name: str) -> AIMessage:
    model, _, dialect, message, _ = KEPT[name]
    emulator.reply(message=message, dialect=dialect)
    return ask(ChatPollinations(**emulator.connection(), model=model), "Is it?")


def back(emulator: Emulator, model: str, answer: Any) -> dict[str, Any]:
    """An answer as it goes out again, to a model that is asked for more."""
    results = [ToolMessage("R", tool_call_id=call["id"]) for call in answer.tool_calls]
    emulator.reply("Yes.", dialect="plain")
    chat = ChatPollinations(**emulator.connection(), model=model)
    assert chat.invoke([HumanMessage("Is it?"), answer, *results, HumanMessage("And now?")]).text == "Yes."
    return {key: value for key, value in emulator.requests[-1].json["messages"][1].items() if key != "role"}


@pytest.mark.parametrize("name", KEPT)
def test_an_answer_goes_back_to_its_maker_as_it_came(
    emulator: Emulator, ask: Ask, validator: jsonschema.Draft202012Validator, name: str
) -> None:
    model, sister, _, _, wire = KEPT[name]
    answer = answered(emulator, ask, name)
    for again in (model, sister):
        assert back(emulator, again, answer) == wire
        validator.validate(emulator.requests[-1].json)


@pytest.mark.parametrize("name", KEPT)
def test_others_see_words_and_calls_alone(emulator: Emulator, ask: Ask, name: str) -> None:
    model, *_, wire = KEPT[name]
    other = "openai" if "audio" not in model else "google/gemini-3-flash-preview"
    answer = answered(emulator, ask, name)
    stranger = answer.model_copy(
        update={"response_metadata": {**answer.response_metadata, "model_provider": "anthropic"}}
    )
    plain: dict[str, Any] = {"content": wire["content"] or "Yes."}
    if answer.tool_calls:
        plain["tool_calls"] = [{**WIRE_CALL, "id": answer.tool_calls[0]["id"]}]
    assert back(emulator, other, answer) == plain
    assert back(emulator, model, stranger) == plain


def test_the_model_that_answered_in_the_end_is_the_maker(emulator: Emulator) -> None:
    message = {"content": "Yes.", "content_blocks": IN_BLOCKS}
    emulator.reply(message=message, dialect="plain", headers={"x-model-used": "anthropic/claude-haiku-4.5"})
    answer = ChatPollinations(**emulator.connection(), model="openai").invoke("Is it?")
    assert answer.response_metadata["model_name"] == "anthropic/claude-haiku-4.5"
    assert back(emulator, "openai", answer) == {"content": "Yes."}
    assert back(emulator, "claude", answer) == {"content": "Yes.", "content_blocks": IN_BLOCKS}


def _serialized(message: AIMessage) -> AIMessage:
    serializer = JsonPlusSerializer()
    return serializer.loads_typed(serializer.dumps_typed(message))


STORES: dict[str, Callable[[AIMessage], Any]] = {
    "pickle": lambda message: pickle.loads(pickle.dumps(message)),
    "dumpd and load": lambda message: load(json.loads(json.dumps(dumpd(message))), allowed_objects="messages"),
    "dicts": lambda message: messages_from_dict(json.loads(json.dumps(messages_to_dict([message]))))[0],
    "pydantic": lambda message: type(message).model_validate_json(message.model_dump_json()),
    "langgraph": _serialized,
    "a copy": copy.deepcopy,
    "trim_messages": lambda message: trim_messages([message], max_tokens=10_000, token_counter="approximate")[0],
    "filter_messages": lambda message: filter_messages([message], include_types=[AIMessage])[0],
    "more is added": lambda message: message + AIMessageChunk("") if isinstance(message, AIMessageChunk) else message,
}


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("form", ["invoke", "astream-v1", "events"])
def test_an_answer_goes_back_out_of_every_store(emulator: Emulator, form: str, name: str) -> None:
    model, _, _, _, wire = KEPT[name]
    answer = answered(emulator, FORMS[form], name)
    for store, through in STORES.items():
        assert back(emulator, model, through(answer)) == wire, store


CHANGES: dict[str, Callable[[AIMessage], AIMessage]] = {
    "another text": lambda answer: answer.model_copy(update={"content": "[redacted]"}),
    "no text": lambda answer: answer.model_copy(update={"content": ""}),
    "a shorter text": lambda answer: answer.model_copy(update={"content": "Ye"}),
    "another block": lambda answer: answer.model_copy(update={"content": [{"type": "text", "text": "[redacted]"}]}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_blocks_with_an_older_text_stay_behind(emulator: Emulator, ask: Ask, change: str) -> None:
    answer = CHANGES[change](answered(emulator, ask, "signed and hidden thoughts"))
    wire = back(emulator, "claude", answer)
    assert "content_blocks" not in wire
    assert wire["content"] == (answer.text or "And now?")  # an empty answer is left out
    assert "Yes." not in str(emulator.requests[-1].json)


def test_an_answer_that_was_cut_does_not_go_back_whole(emulator: Emulator, ask: Ask) -> None:
    said = "Yes.\nSecond."
    emulator.reply(
        message={"content": said, "content_blocks": [SIGNED, {"type": "text", "text": said}]}, dialect="plain"
    )
    answer = ask(ChatPollinations(**emulator.connection(), model="claude"), "Is it?")
    (cut,) = trim_messages(
        [AIMessage(**answer.model_dump(exclude={"type", "tool_call_chunks", "chunk_position"}))],
        max_tokens=1,
        token_counter=lambda messages: sum(len(message.text.split()) for message in messages),
        strategy="first",
        allow_partial=True,
        text_splitter=lambda text: text.splitlines(keepends=True),
    )
    assert back(emulator, "claude", cut) == {"content": "Yes.\n"}
    assert "Second" not in str(emulator.requests[-1].json)


def test_a_call_that_was_filtered_out_does_not_come_back(emulator: Emulator, ask: Ask) -> None:
    answer = answered(emulator, ask, "a signed call")
    (filtered,) = filter_messages([answer], exclude_tool_calls=True) or [AIMessage("Gone.")]
    wire = back(emulator, "gemini", filtered)
    assert "tool_calls" not in wire
    assert "c2ln" not in str(wire)


def test_a_picture_that_was_taken_out_leaves_no_hole(emulator: Emulator, ask: Ask) -> None:
    answer = answered(emulator, ask, "a picture")
    wire = back(emulator, "gemini", answer.model_copy(update={"content": "Yes."}))
    assert wire == {"content": "Yes.", "content_blocks": [SIGNED, SAID]}
