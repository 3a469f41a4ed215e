"""Tools may have any name: providers get one that they take, callers see their own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage, FunctionMessage, HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool

from langchain_pollinations._chat.tool_names import fit_name
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from tests.helpers.ask import Ask, blocks
from tests.helpers.wire import sent

WIRE_NAMES = {
    "add": "add",
    "get-file_2": "get-file_2",
    "x" * 64: "x" * 64,
    "report_20261126": "report_20261126",
    "coding.start": "coding_start__3b5736c5",
    "Get File": "Get_File__1258d90d",
    "größe": "gr__e__d353a267",
    "Page[int]": "Page_int___994ab19b",
    "x" * 80: "x" * 54 + "__d929cdee",
    "\ud83d": "___7586f70f",
    "f\n": "f___092fcfbb",
    "Get_File__1258d90d": "Get_File__1258d90d__b7e38514",
}
"""The name of a tool and its name on the wire, which the conversations that were stored with it depend on."""


@pytest.mark.parametrize(("name", "wire"), WIRE_NAMES.items(), ids=map(ascii, WIRE_NAMES))
def test_a_name_fits_on_the_wire_and_stays_the_same(name: str, wire: str) -> None:
    assert fit_name(name) == wire
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", fit_name(name))


@given(st.lists(st.text() | st.sampled_from([*WIRE_NAMES, *map(fit_name, WIRE_NAMES)]), unique=True))
def test_no_two_names_are_one_on_the_wire(names: list[str]) -> None:
    assert len(set(map(fit_name, names))) == len(names)


# --- On the wire and back ---------------------------------------------------------------------------------------------

NAMES = [name for name in WIRE_NAMES if name.isprintable()]


def tools() -> list[StructuredTool]:
    return [StructuredTool.from_function(lambda x: x, name=name, description="Does it.") for name in NAMES]


def wire_calls(names: list[str]) -> list[dict[str, Any]]:
    return [
        {"id": f"call_{place}", "type": "function", "function": {"name": fit_name(name), "arguments": '{"x": 1}'}}
        for place, name in enumerate(names)
    ]


def repeated(names: list[str]) -> list[dict[str, Any]]:
    """The calls once more as content blocks, beside a signed thought that makes them worth keeping."""
    thought = {"type": "thinking", "thinking": "All.", "signature": "c2ln"}
    calls = [
        {"type": "tool_use", "id": f"call_{place}", "name": name, "input": {"x": 1}} for place, name in enumerate(names)
    ]
    return [thought, *calls]


def names_of(holders: list[dict[str, Any]]) -> list[str]:
    return [holder["function"]["name"] for holder in holders]


def test_every_tool_keeps_its_name_in_answers_and_histories(emulator: Emulator, ask_in_any_form: Ask) -> None:
    """The emulator refuses names that do not fit, wherever they stand."""
    chat = ChatPollinations(**emulator.connection(), model="claude")
    wire = [fit_name(name) for name in NAMES]
    cut = {"id": "cut", "type": "function", "function": {"name": fit_name("Get File"), "arguments": '{"x'}}
    message = {"content": None, "tool_calls": [*wire_calls(NAMES), cut], "content_blocks": repeated(wire)}
    emulator.reply(message=message, dialect="plain")
    answer = ask_in_any_form(chat, "Go", tools=tools())
    assert names_of(sent(emulator)["tools"]) == wire
    assert [call["name"] for call in answer.tool_calls] == NAMES
    assert [call["name"] for call in answer.invalid_tool_calls] == ["Get File"]
    assert [block["name"] for block in blocks(answer) if block["type"] == "tool_call"] == NAMES
    assert answer.additional_kwargs["content_blocks"] == repeated(NAMES)

    results = [ToolMessage("Done.", tool_call_id=f"call_{place}", name=name) for place, name in enumerate(NAMES)]
    history = [HumanMessage("Go"), answer, *results, ToolMessage("Half.", tool_call_id="cut", name="Get File")]
    emulator.reply("Good.")
    chat.invoke(history)
    _, assistant, *_ = sent(emulator)["messages"]
    assert names_of(assistant["tool_calls"]) == [*wire, fit_name("Get File")]
    assert assistant["content_blocks"] == repeated(wire)


class Watch(BaseCallbackHandler):
    """Keeps what callbacks are given, as text."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.seen.append(repr(kwargs))

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.seen.append(repr(response))


STREAMS: dict[str, Callable[..., Any]] = {
    "chunks": lambda chat, **options: chat.stream("Go", **options),
    "chunks as v1": lambda chat, **options: chat.model_copy(update={"output_version": "v1"}).stream("Go", **options),
    "events": lambda chat, **options: chat.stream_events("Go", version="v3", **options),
}


@pytest.mark.parametrize("way", STREAMS)
def test_no_chunk_or_event_and_no_callback_has_the_name_on_the_wire(emulator: Emulator, way: str) -> None:
    """A name that comes in pieces is looked up when it is whole."""
    watch = Watch()
    chat = ChatPollinations(**emulator.connection(), callbacks=[watch])
    first, rest = fit_name("größe")[:5], fit_name("größe")[5:]
    pieces: list[dict[str, Any]] = [
        {"id": "call_1", "function": {"name": first, "arguments": ""}},
        {"function": {"name": rest, "arguments": ""}},
        {"function": {"arguments": '{"x": '}},
        {"function": {"arguments": "1}"}},
    ]
    deltas = [{"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, **piece}]}}]} for piece in pieces]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}], "usage": {"total_tokens": 7}}
    emulator.reply(chunks=[*deltas, end, "data: [DONE]\n\n"])
    seen = [*map(repr, STREAMS[way](chat, tools=tools())), *watch.seen]
    assert any("größe" in each for each in seen)
    assert not [each for each in seen if first in each or rest in each]


CHOICES: list[tuple[str, dict[str, Any], str, Any]] = [
    ("a name", {"tool_choice": "größe"}, "tool_choice", {"type": "function", "function": {"name": fit_name("größe")}}),
    (
        "OpenAI's dict",
        {"tool_choice": {"type": "function", "function": {"name": "größe"}}},
        "tool_choice",
        {"type": "function", "function": {"name": fit_name("größe")}},
    ),
    ("any", {"tool_choice": "any"}, "tool_choice", "required"),
    ("auto", {"tool_choice": "auto"}, "tool_choice", "auto"),
]


@pytest.mark.parametrize(("given", "field", "wire"), [pytest.param(*row, id=name) for name, *row in CHOICES])
def test_a_choice_names_the_tool_as_the_wire_does(
    chat: ChatPollinations, emulator: Emulator, given: dict[str, Any], field: str, wire: Any
) -> None:
    emulator.reply(tool_calls=[{"name": fit_name("größe"), "args": {"x": 1}}])
    bound = chat.bind_tools(tools(), **given)
    assert bound.invoke("Go").tool_calls[0]["name"] == "größe"  # type: ignore[attr-defined]
    assert sent(emulator)[field] == wire
    bound.invoke("Go")
    assert names_of(sent(emulator)["tools"]) == [fit_name(name) for name in NAMES]


def test_the_older_form_of_tools_follows(chat: ChatPollinations, emulator: Emulator, ask: Ask) -> None:
    functions = [{"name": "Get File", "parameters": {"type": "object", "properties": {}}}]
    call = {"name": fit_name("Get File"), "arguments": "{}"}
    emulator.reply(message={"content": None, "function_call": call}, dialect="plain", times=2)
    answer = ask(chat, "Go", functions=functions, function_call={"name": "Get File"})
    assert sent(emulator)["functions"][0]["name"] == call["name"]
    assert sent(emulator)["function_call"] == {"name": call["name"]}
    assert [(called["name"], called["args"]) for called in answer.tool_calls] == [("Get File", {})]
    chat.invoke([HumanMessage("Go"), answer, FunctionMessage("Done.", name="Get File")], functions=functions)
    _, assistant, result = sent(emulator)["messages"]
    (again,) = assistant["tool_calls"]
    assert (again["function"], result["name"]) == (call, call["name"])
    assert (result["role"], result["tool_call_id"], result["content"]) == ("tool", again["id"], "Done.")


FOREIGN: list[tuple[str, BaseMessage]] = [
    ("a call", AIMessage("", tool_calls=[{"id": "c", "name": "coding.start", "args": {}, "type": "tool_call"}])),
    ("a broken call", AIMessage("", invalid_tool_calls=[{"id": "c", "name": "coding.start", "args": "{", "error": "",
                                                         "type": "invalid_tool_call"}])),
    ("Anthropic's block", AIMessage([{"type": "tool_use", "id": "c", "name": "coding.start", "input": {}}])),
]  # fmt: skip


@pytest.mark.parametrize("message", [pytest.param(message, id=name) for name, message in FOREIGN])
def test_a_history_of_another_provider_has_names_that_fit(
    chat: ChatPollinations, emulator: Emulator, message: BaseMessage
) -> None:
    """The tools need not be bound any more; a model that calls one of them once more is understood."""
    emulator.reply(tool_calls=[{"name": fit_name("coding.start"), "args": {}}])
    answer = chat.invoke([HumanMessage("Go"), message, ToolMessage("Done.", tool_call_id="c", name="coding.start")])
    assert names_of(sent(emulator)["messages"][1]["tool_calls"]) == [fit_name("coding.start")]
    assert answer.tool_calls[0]["name"] == "coding.start"


def test_what_the_caller_gave_is_not_changed(chat: ChatPollinations, emulator: Emulator) -> None:
    described = {"type": "function", "function": {"name": "Get File", "parameters": {"type": "object"}}}
    before = json.dumps(described)
    chat.invoke("Go", tools=[described], extra_body={"tool_choice": "auto"})
    assert json.dumps(described) == before


def test_a_name_that_the_model_writes_in_full_is_understood(chat: ChatPollinations, emulator: Emulator) -> None:
    emulator.reply(tool_calls=[{"name": "coding.start", "args": {}}, {"name": "no such tool", "args": {}}])
    answer = chat.invoke("Go", tools=tools())
    assert [call["name"] for call in answer.tool_calls] == ["coding.start", "no such tool"]


def test_the_legacy_text_host_gets_names_that_fit(emulator: Emulator, ask: Ask) -> None:
    legacy = emulator.legacy
    chat = ChatPollinations(**legacy.connection(), legacy_interval=0)
    legacy.reply(tool_calls=[{"name": fit_name("coding.start"), "args": {"x": 1}}])
    answer = ask(chat, "Go", tools=tools())
    assert answer.tool_calls[0]["name"] == "coding.start"
    assert names_of(legacy.requests[-1].json["tools"]) == [fit_name(name) for name in NAMES]
