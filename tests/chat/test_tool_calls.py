"""Tool calls as they really arrive, in every form in which LangChain hands them out, and what of them goes back."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd, load
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage, message_chunk_to_message
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables import RunnableLambda
from langchain_core.utils.json import parse_partial_json

from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from tests.helpers.ask import FORMS, TWO_FORMS, blocks

STREAMED = [form for form in FORMS if "invoke" not in form]
EVENTS = ["events", "aevents"]
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}

MADE = None
"""Stands for an id that nobody sent, so that we make one."""

Expected = list[tuple[str | None, str, Any]]  # id, name, arguments: parsed, or raw where they are no object


def call(name: str | None = None, arguments: Any = None, **more: Any) -> dict[str, Any]:
    """A call of the wire, whole or a delta of one."""
    return {**more, "function": {"name": name, "arguments": arguments}}


def delta(*calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"role": "assistant", **more, "tool_calls": list(calls)}


def play(emulator: Emulator, form: str, deltas: list[dict[str, Any]], finish_reason: str | None = "tool_calls") -> None:
    """Let the emulator send a message, or the deltas of one, as they stand here."""
    if "invoke" in form:
        (message,) = deltas
        choice = {"index": 0, "message": message, "finish_reason": finish_reason}
        emulator.reply(body={"id": "x", "model": "m", "choices": [choice], "usage": USAGE})
        return
    choices: list[dict[str, Any]] = [{"index": 0, "delta": each, "finish_reason": None} for each in deltas]
    choices += [{"index": 0, "delta": {}, "finish_reason": finish_reason}]
    events: list[Any] = [{"id": "x", "model": "m", "choices": [choice]} for choice in choices]
    emulator.reply(chunks=[*events, {"choices": [], "usage": USAGE}, "data: [DONE]\n\n"])


def ask(emulator: Emulator, form: str) -> AIMessage:
    return FORMS[form](ChatPollinations(**emulator.connection(), max_retries=0), "Go")


def sent_back(emulator: Emulator, answer: AIMessage) -> dict[str, Any]:
    """The answer on the wire of the next turn, in which every call of it has a result."""
    results = [
        ToolMessage("Done.", tool_call_id=c["id"] or "") for c in [*answer.tool_calls, *answer.invalid_tool_calls]
    ]
    emulator.reply("Good.")
    ChatPollinations(**emulator.connection()).invoke([HumanMessage("Go"), answer, *results, HumanMessage("And?")])
    messages = emulator.requests[-1].json["messages"]
    assert [m["tool_call_id"] for m in messages if m["role"] == "tool"] == [c["id"] for c in _sent_calls(messages[1])]
    return messages[1]


def _sent_calls(message: dict[str, Any]) -> list[dict[str, Any]]:
    return message.get("tool_calls") or []


def assert_calls(emulator: Emulator, form: str, answer: AIMessage, calls: Expected, lost: Expected) -> None:
    """Hold calls, blocks and the next turn to what was expected; the next turn names good calls first."""
    ids = [c["id"] for c in [*answer.tool_calls, *answer.invalid_tool_calls]]
    assert all(ids)
    assert len(set(ids)) == len(calls) + len(lost)
    assert [(c["name"], c["args"]) for c in answer.tool_calls] == [(name, args) for _, name, args in calls]
    assert [c["name"] for c in answer.invalid_tool_calls] == [name for _, name, _ in lost]
    expected_ids = [call_id for call_id, *_ in [*calls, *lost]]
    assert [found if told else MADE for found, told in zip(ids, expected_ids, strict=True)] == expected_ids
    for found, (*_, raw) in zip(answer.invalid_tool_calls, lost, strict=True):
        assert (found["args"] or "") == raw

    shown = [block for block in blocks(answer) if "call" in block["type"]]
    good = [block for block in shown if block["type"] == "tool_call"]
    assert [(block["id"], block["name"], block["args"]) for block in good] == [
        (c["id"], c["name"], c["args"]) for c in answer.tool_calls
    ]
    # LangChain leaves the pieces of a lost call in v1's content as they are.
    kind = "tool_call_chunk" if form in ("stream-v1", "astream-v1") else "invalid_tool_call"
    assert [(block["type"], block["args"] or "") for block in shown if block not in good] == [
        (kind, raw) for *_, raw in lost
    ]

    sent = _sent_calls(sent_back(emulator, answer))
    assert [c["id"] for c in sent] == ids
    assert all(c["type"] == "function" for c in sent)
    assert [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in sent[: len(calls)]] == [
        (name, args) for _, name, args in calls
    ]
    assert [c["function"]["name"] for c in sent[len(calls) :]] == [name for _, name, _ in lost]
    assert [json.loads(c["function"]["arguments"]) for c in sent[len(calls) :]] == [
        {"invalid_arguments": raw} if raw.strip() else {} for *_, raw in lost
    ]


# --- Whole calls, of an answer or in one event of a stream ------------------------------------------------------------

WHOLE: list[tuple[str, dict[str, Any], Expected]] = [
    ("null for none", delta(call("f", "null", id="a")), [("a", "f", {})]),
    ("whole", delta(call("f", '{"x": 1}', id="a", type="function")), [("a", "f", {"x": 1})]),
    (
        "two at once",
        delta(call("f", '{"x": 1}', id="a", index=0), call("g", '{"y": 2}', id="b", index=1)),
        [("a", "f", {"x": 1}), ("b", "g", {"y": 2})],
    ),
    (
        "the same twice",
        delta(call("f", '{"x": 1}', id="a"), call("f", '{"x": 1}', id="b")),
        [("a", "f", {"x": 1}), ("b", "f", {"x": 1})],
    ),
    (
        "null index",
        delta(call("f", "{}", id="a", index=None), call("g", "{}", id="b", index=None)),
        [("a", "f", {}), ("b", "g", {})],
    ),
    (
        "indices from 1, with a gap",
        delta(call("f", "{}", id="a", index=1), call("g", "{}", id="b", index=4)),
        [("a", "f", {}), ("b", "g", {})],
    ),
    (
        "an index in words",
        delta(call("f", "{}", id="a", index="0"), call("g", "{}", id="b", index="1")),
        [("a", "f", {}), ("b", "g", {})],
    ),
    (
        "all claim index 0",
        delta(call("f", '{"x": 1}', id="a", index=0), call("g", '{"y": 2}', id="b", index=0)),
        [("a", "f", {"x": 1}), ("b", "g", {"y": 2})],
    ),
    ("no id", delta(call("f", '{"x": 1}')), [(MADE, "f", {"x": 1})]),
    ("an empty id", delta(call("f", '{"x": 1}', id="")), [(MADE, "f", {"x": 1})]),
    ("a null id", delta(call("f", '{"x": 1}', id=None, index=0)), [(MADE, "f", {"x": 1})]),
    ("an id in figures", delta(call("f", "{}", id=7)), [("7", "f", {})]),
    (
        "two without id",
        delta(call("f", '{"x": 1}'), call("f", '{"x": 1}')),
        [(MADE, "f", {"x": 1}), (MADE, "f", {"x": 1})],
    ),
    ("arguments as an object", delta(call("f", {"x": [1, "é"]}, id="a")), [("a", "f", {"x": [1, "é"]})]),
    ("empty arguments", delta(call("f", "", id="a")), [("a", "f", {})]),
    ("null arguments", delta(call("f", None, id="a")), [("a", "f", {})]),
    ("no arguments", delta({"id": "a", "type": "function", "function": {"name": "f"}}), [("a", "f", {})]),
    ("an empty object", delta(call("f", {}, id="a")), [("a", "f", {})]),
    ("name and arguments beside the id", delta({"id": "a", "name": "f", "arguments": "{}"}), [("a", "f", {})]),
    ("a call in no list", {"tool_calls": call("f", "{}", id="a")}, [("a", "f", {})]),
    ("letters of all kinds", delta(call("f", '{"é🌼": "\u2028\u0085\\u2029\\n\\"\\\\"}', id="a")),
     [("a", "f", {"é🌼": '\u2028\u0085\u2029\n"\\'})]),
    ("many levels", delta(call("f", '{"x":' * 100 + "1" + "}" * 100, id="a")),
     [("a", "f", json.loads('{"x":' * 100 + "1" + "}" * 100))]),
    ("spaces around", delta(call("f", ' \n{"x" : 1}\n ', id="a")), [("a", "f", {"x": 1})]),
    (
        "one id twice",
        delta(call("f", '{"x": 1}', id="a", index=0), call("g", '{"y": 2}', id="a", index=1)),
        [("a", "f", {"x": 1}), (MADE, "g", {"y": 2})],
    ),
    (
        "one id twice, no index",
        delta(call("f", '{"x": 1}', id="a"), call("f", '{"x": 2}', id="a")),
        [("a", "f", {"x": 1}), (MADE, "f", {"x": 2})],
    ),
    (
        "all claim index 0, without id",
        delta(call("f", '{"x": 1}', index=0), call("g", '{"y": 2}', index=0)),
        [(MADE, "f", {"x": 1}), (MADE, "g", {"y": 2})],
    ),
    (
        "half a character",
        delta(call("f", '{"x": "\\ud800"}', id="a")),
        [("a", "f", {"x": "\ud800"})],
    ),
]  # fmt: skip


def _rows(rows: Iterable[tuple[Any, ...]]) -> list[Any]:
    return [pytest.param(*row, id=name) for name, *row in rows]


@pytest.mark.parametrize("form", TWO_FORMS)
@pytest.mark.parametrize(("message", "calls"), _rows(WHOLE))
def test_whole_calls(emulator: Emulator, form: str, message: dict[str, Any], calls: Expected) -> None:
    play(emulator, form, [message])
    answer = ask(emulator, form)
    assert_calls(emulator, form, answer, calls, [])
    assert answer.response_metadata["finish_reason"] == "tool_calls"
    assert answer.text == ""


# --- Calls in deltas --------------------------------------------------------------------------------------------------

DELTAS: list[tuple[str, list[dict[str, Any]], Expected]] = [
    ("a whole call sent twice", [delta(call("f", '{"x": 1}', id="a", index=0))] * 2, [("a", "f", {"x": 1})]),
    (
        "null for none, in pieces",
        [delta(call("f", "", id="a", index=0)), delta(call(None, "nu", index=0)), delta(call(None, "ll", index=0))],
        [("a", "f", {})],
    ),
    (
        "in pieces",
        [delta(call("f", "", id="a", index=0)), delta(call(None, '{"x":', index=0)), delta(call(None, " 1}", index=0))],
        [("a", "f", {"x": 1})],
    ),
    (
        "letter by letter",
        [delta(call("f", "", id="a", index=0)), *(delta(call(None, c, index=0)) for c in '{"é\u2028": ["🌼"]}')],
        [("a", "f", {"é\u2028": ["🌼"]})],
    ),
    (
        "two, one after the other",
        [
            delta(call("f", "", id="a", index=0)),
            delta(call(None, '{"x": 1}', index=0)),
            delta(call("g", "", id="b", index=1)),
            delta(call(None, '{"y": 2}', index=1)),
        ],
        [("a", "f", {"x": 1}), ("b", "g", {"y": 2})],
    ),
    (
        "two, interleaved",
        [
            delta(call("f", "", id="a", index=0)),
            delta(call("g", "", id="b", index=1)),
            delta(call(None, '{"x"', index=0)),
            delta(call(None, '{"y"', index=1)),
            delta(call(None, ": 1}", index=0)),
            delta(call(None, ": 2}", index=1)),
        ],
        [("a", "f", {"x": 1}), ("b", "g", {"y": 2})],
    ),
    (
        "two, interleaved in each event",
        [
            delta(call("f", '{"x"', id="a", index=0), call("g", '{"y"', id="b", index=1)),
            delta(call(None, ": 1}", index=0), call(None, ": 2}", index=1)),
        ],
        [("a", "f", {"x": 1}), ("b", "g", {"y": 2})],
    ),
    (
        "two, interleaved by id alone",
        [
            delta(call("f", "", id="a"), call("g", "", id="b")),
            delta(call(None, '{"x": 1}', id="a")),
            delta(call(None, '{"y": 2}', id="b")),
        ],
        [("a", "f", {"x": 1}), ("b", "g", {"y": 2})],
    ),
    (
        "without index",
        [
            delta(call("f", "", id="a")),
            delta(call(None, '{"x": 1}')),
            delta(call("g", "", id="b")),
            delta(call(None, '{"y": 2}', id="")),
        ],
        [("a", "f", {"x": 1}), ("b", "g", {"y": 2})],
    ),
    (
        "an index on the first delta only",
        [delta(call("f", "", id="a", index=0)), delta(call(None, '{"x":')), delta(call(None, " 1}", index=None))],
        [("a", "f", {"x": 1})],
    ),
    (
        "index first, then the id alone",
        [delta(call("f", "", id="a", index=0)), delta(call(None, '{"x": 1}', id="a"))],
        [("a", "f", {"x": 1})],
    ),
    (
        "name and id on each delta",
        [delta(call("f", piece, id="a", index=0, type="function")) for piece in ("", '{"x"', ": 1}")],
        [("a", "f", {"x": 1})],
    ),
    (
        "the name on each delta",
        [
            delta(call("f", "", id="a", index=0)),
            delta(call("f", '{"x"', index=0)),
            delta(call("f", ": 1}", index=0)),
            delta(call("f", "", index=0)),
        ],
        [("a", "f", {"x": 1})],
    ),
    (
        "empty words on later deltas",
        [delta(call("f", "", id="a", index=0)), delta(call("", '{"x": 1}', id="", index=0, type=""))],
        [("a", "f", {"x": 1})],
    ),
    (
        "the name after the id",
        [delta(call(None, "", id="a", index=0)), delta(call("f", '{"x": 1}', index=0))],
        [("a", "f", {"x": 1})],
    ),
    (
        "no id at all",
        [
            delta(call("f", "", index=0)),
            delta(call(None, '{"x": 1}', index=0)),
            delta(call("g", "", index=1)),
            delta(call(None, '{"y": 2}', index=1)),
        ],
        [(MADE, "f", {"x": 1}), (MADE, "g", {"y": 2})],
    ),
    (
        "neither index nor id",
        [delta(call("f", '{"x": 1}')), delta(call("g", '{"y":')), delta(call(None, " 2}"))],
        [(MADE, "f", {"x": 1}), (MADE, "g", {"y": 2})],
    ),
    (
        "whole calls that all claim index 0",
        [delta(call("f", '{"x": 1}', id="a", index=0)), delta(call("g", '{"y": 2}', id="b", index=0))],
        [("a", "f", {"x": 1}), ("b", "g", {"y": 2})],
    ),
    (
        "no arguments come",
        [delta(call("f", None, id="a", index=0)), delta(call(None, None, index=0)), {"tool_calls": None}],
        [("a", "f", {})],
    ),
    (
        "a delta without a function",
        [delta(call("f", '{"x": 1}', id="a", index=0)), delta({"index": 0}), delta({"index": 0, "function": None})],
        [("a", "f", {"x": 1})],
    ),
    (
        "words between the deltas",
        [delta(call("f", '{"x"', id="a", index=0)), {"content": " "}, delta(call(None, ": 1}", index=0), content="")],
        [("a", "f", {"x": 1})],
    ),
    (
        "the id on a later delta",
        [delta(call("f", "", index=0)), delta(call(None, '{"x":', id="a", index=0)), delta(call(None, " 1}", index=0))],
        [("a", "f", {"x": 1})],
    ),
    (
        "the name in pieces",
        [
            delta(call("get_", "", id="a", index=0)),
            delta(call("weather", "", index=0)),
            delta(call(None, '{"x": 1}', index=0)),
        ],
        [("a", "get_weather", {"x": 1})],
    ),
    (
        "an empty object, then pieces",
        [delta(call("f", {}, id="a", index=0)), delta(call(None, '{"x": 1}', index=0))],
        [("a", "f", {"x": 1})],
    ),
    (
        "whole calls that all claim index 0, without id",
        [delta(call("f", '{"x": 1}', index=0)), delta(call("g", '{"y": 2}', index=0))],
        [(MADE, "f", {"x": 1}), (MADE, "g", {"y": 2})],
    ),
]


@pytest.mark.parametrize("form", ["astream", "events"])
@pytest.mark.parametrize(("deltas", "calls"), _rows(DELTAS))
def test_calls_in_deltas(emulator: Emulator, form: str, deltas: list[dict[str, Any]], calls: Expected) -> None:
    play(emulator, form, deltas)
    answer = ask(emulator, form)
    assert_calls(emulator, form, answer, calls, [])
    assert answer.response_metadata["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("form", FORMS)
def test_two_deltas_of_a_call_in_one_event(emulator: Emulator, form: str) -> None:
    deltas = [delta(call("f", '{"x"', id="a", index=0), call(None, ": 1}", index=0))]
    play(emulator, form, deltas)
    assert_calls(emulator, form, ask(emulator, form), [("a", "f", {"x": 1})], [])


# --- Arguments that are no object -------------------------------------------------------------------------------------

CUT = [
    "{",
    '{"',
    '{"path',
    '{"path": "/home/u',
    '{"path": "/home/u\\',
    '{"path": "a", "n',
    '{"path": ["a"',
    '{"path": {"a": 1',
    '{"path": 1',
    '{"path": 1,',
    '{"path": tru',
]
MALFORMED = ["{}{}", '{"path": "a"} and so on', "path=a", "{path: 1}", '{"path": 1}}', "  ", "[" * 100_000]
OTHER_JSON = ["[]", "5", '"a"', '"{\\"x\\": 1}"', "true"]
NO_JSON = ['{"x": NaN}', '{"x": [-Infinity]}', '{"x": 1e999}']  # Python reads them, and nobody writes them


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize(
    ("form", "arguments"),
    [
        pytest.param(form, each, id=f"{form}-{each[:30]}")
        for each in [*CUT, *MALFORMED, *OTHER_JSON, *NO_JSON]
        for form in TWO_FORMS
    ],
)
def test_arguments_that_are_no_object_make_an_invalid_call(emulator: Emulator, form: str, arguments: str) -> None:
    """LangChain would complete those that are cut off; an agent would then delete the wrong folder."""
    play(emulator, form, [delta(call("rm", arguments, id="a", index=0))], finish_reason="length")
    answer = ask(emulator, form)
    assert_calls(emulator, form, answer, [], [("a", "rm", arguments)])
    assert answer.response_metadata["finish_reason"] == "length"


def test_langchain_alone_would_complete_what_is_cut_off() -> None:
    """Why the calls of streams need an end that cannot be mended."""
    assert parse_partial_json('{"path": "/home/u') == {"path": "/home/u"}


@pytest.mark.parametrize("form", ["astream", "events"])
@pytest.mark.parametrize("cut", CUT)
def test_a_call_that_is_cut_off_in_deltas_is_lost(emulator: Emulator, form: str, cut: str) -> None:
    pieces = [delta(call(None, letter, index=0)) for letter in cut]
    play(emulator, form, [delta(call("rm", "", id="a", index=0)), *pieces])
    assert_calls(emulator, form, ask(emulator, form), [], [("a", "rm", cut)])


TAGGED = {
    "type": "object",
    "properties": {
        "tags": {"type": "array", "items": {"type": "string"}},
        "pairs": {"anyOf": [{"type": "object"}, {"type": "null"}]},
        "loose": {"anyOf": [{"type": "array"}, {"type": "string"}]},
        "text": {"type": "string"},
        "any": {},
        "deep": {"type": "object", "properties": {"tags": {"type": "array"}}},
    },
}
PACKED = {
    "a list": ({"tags": '["a", "b"]'}, {"tags": ["a", "b"]}),
    "an object": ({"pairs": ' {"a": "é\\n\\""}'}, {"pairs": {"a": 'é\n"'}}),
    "a raw line break": ({"tags": '["a\nb"]'}, {"tags": ["a\nb"]}),
    "several": ({"tags": "[]", "text": "[]", "pairs": "{}"}, {"tags": [], "text": "[]", "pairs": {}}),
    "a list of strings": ({"tags": ["[1]", "a"], "pairs": None}, {"tags": ["[1]", "a"], "pairs": None}),
    "a text is allowed": (
        {"loose": "[1]", "any": "[1]", "other": "[1]"},
        {"loose": "[1]", "any": "[1]", "other": "[1]"},
    ),
    "no JSON": ({"tags": "a, b"}, {"tags": "a, b"}),
    "half of it": ({"tags": '["a"'}, {"tags": '["a"'}),
    "the other kind": ({"tags": '{"a": 1}', "pairs": "[1]"}, {"tags": '{"a": 1}', "pairs": "[1]"}),
    "no number": ({"tags": "[NaN]"}, {"tags": "[NaN]"}),
    "further inside": ({"deep": {"tags": "[1]"}}, {"deep": {"tags": "[1]"}}),
}


@pytest.mark.parametrize("form", TWO_FORMS)
@pytest.mark.parametrize(("given", "expected"), PACKED.values(), ids=PACKED.keys())
def test_a_list_that_came_as_a_string_is_a_list(
    emulator: Emulator, form: str, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Only where the tool takes no string; in deltas it may be cut anywhere."""
    arguments = json.dumps(given, ensure_ascii=False)
    pieces = [arguments] if "invoke" in form else [*arguments]
    first, *rest = pieces
    play(
        emulator, form, [delta(call("f", first, id="a", index=0)), *(delta(call(None, each, index=0)) for each in rest)]
    )
    chat = ChatPollinations(**emulator.connection(), max_retries=0)
    tool = {"type": "function", "function": {"name": "f", "parameters": TAGGED}}
    answer = FORMS[form](chat, "Go", tools=[tool])
    assert_calls(emulator, form, answer, [("a", "f", expected)], [])


@pytest.mark.parametrize("form", ["stream", "astream-v1", "events"])
@pytest.mark.parametrize("cut", ['{"tags": "[1', '{"tags": "[1]', '{"tags": "\\'])
def test_a_string_that_is_cut_off_is_not_read(emulator: Emulator, form: str, cut: str) -> None:
    play(emulator, form, [delta(call("f", cut, id="a", index=0))])
    tool = {"type": "function", "function": {"name": "f", "parameters": TAGGED}}
    answer = FORMS[form](ChatPollinations(**emulator.connection(), max_retries=0), "Go", tools=[tool])
    assert_calls(emulator, form, answer, [], [("a", "f", cut)])


@pytest.mark.parametrize("form", FORMS)
def test_a_lost_call_takes_no_other_with_it(emulator: Emulator, form: str) -> None:
    whole, cut = call("f", '{"x": 1}', id="a", index=0), call("g", '{"y": ', id="b", index=1)
    for calls in ([whole, cut], [{**cut, "index": 0}, {**whole, "index": 1}]):
        play(emulator, form, [delta(*calls, content="Both.", reasoning_content="Hm.")])
        answer = ask(emulator, form)
        assert_calls(emulator, form, answer, [("a", "f", {"x": 1})], [("b", "g", '{"y": ')])
        assert answer.text == "Both."


@pytest.mark.parametrize("output_version", ["v0", "v1"])
def test_a_stream_within_invoke_loses_a_call_as_it_came(emulator: Emulator, output_version: Any) -> None:
    """LangChain adds the chunks up as a list there, as it does for agents whose tokens somebody watches."""
    play(emulator, "stream", [delta(call("rm", '{"path": "/home/u', id="a", index=0))])
    chat = ChatPollinations(**emulator.connection(), streaming=True, output_version=output_version)
    (lost,) = chat.invoke("Go").invalid_tool_calls
    assert lost["args"] == '{"path": "/home/u'


@pytest.mark.parametrize("form", ["stream", "astream", "stream-v1", "astream-v1", "events"])
def test_callbacks_see_a_lost_call_as_it_came(emulator: Emulator, form: str) -> None:
    class Listener(BaseCallbackHandler):
        def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
            generation = response.generations[0][0]
            assert isinstance(generation, ChatGeneration)
            seen.append(generation.message)

    seen: list[Any] = []
    play(emulator, form, [delta(call("rm", '{"path": "/home/u', id="a", index=0))])
    FORMS[form](ChatPollinations(**emulator.connection()), "Go", config={"callbacks": [Listener()]})
    assert [lost["args"] for message in seen for lost in message.invalid_tool_calls] == ['{"path": "/home/u']


def test_the_chunks_of_a_lost_call_are_added_in_any_way(emulator: Emulator) -> None:
    """LangChain's runnables add a list, where a step does not stream."""
    play(emulator, "stream", [delta(call("rm", '{"path": "/home/u', id="a", index=0), content="Well.")])
    chat = ChatPollinations(**emulator.connection())
    chunks = list(chat.stream("Go"))
    sums: list[Any] = [chunks[0] + chunks[1:], sum(chunks[1:], chunks[0]), add_ai_message_chunks(*chunks)]
    play(emulator, "stream", [delta(call("rm", '{"path": "/home/u', id="a", index=0), content="Well.")])
    sums += (chat | RunnableLambda(lambda message: message)).stream("Go")
    for whole in sums:
        assert (whole.text, whole.tool_calls) == ("Well.", [])
        assert [lost["args"] for lost in whole.invalid_tool_calls] == ['{"path": "/home/u']
    assert type(message_chunk_to_message(sums[0])) is AIMessage


def test_the_chunks_of_a_lost_call_go_through_every_store(emulator: Emulator) -> None:
    play(emulator, "stream", [delta(call("rm", '{"path": "/home/u', id="a", index=0))])
    chunks = list(ChatPollinations(**emulator.connection()).stream("Go"))
    for again in (
        pickle.loads(pickle.dumps(chunks)),
        [load(dumpd(chunk), allowed_objects="messages") for chunk in chunks],
    ):
        more = sum(again[1:], again[0]) + AIMessageChunk("")
        assert (more.tool_calls, type(more)) == ([], AIMessageChunk)
        (sent,) = _sent_calls(sent_back(emulator, more))
        assert json.loads(sent["function"]["arguments"]) == {"invalid_arguments": '{"path": "/home/u'}


@pytest.mark.parametrize("form", FORMS)
def test_a_call_that_names_no_tool_is_lost(emulator: Emulator, form: str) -> None:
    play(emulator, form, [delta(call(None, '{"x": 1}', id="a", index=0))])
    answer = ask(emulator, form)
    (lost,) = answer.invalid_tool_calls
    assert (answer.tool_calls, lost["id"], lost["name"] or "", lost["args"]) == ([], "a", "", '{"x": 1}')
    (sent,) = _sent_calls(sent_back(emulator, answer))
    assert sent["function"] == {"name": "unnamed_tool", "arguments": '{"x": 1}'}
    (block,) = blocks(answer)
    assert block["type"] == ("tool_call_chunk" if form in ("stream-v1", "astream-v1") else "invalid_tool_call")


@pytest.mark.parametrize("form", FORMS)
def test_a_line_break_inside_a_string_is_read(emulator: Emulator, form: str) -> None:
    """JSON wants it escaped, and some models forget that."""
    play(emulator, form, [delta(call("f", '{"x": "one\ntwo\tthree"}', id="a", index=0))])
    assert_calls(emulator, form, ask(emulator, form), [("a", "f", {"x": "one\ntwo\tthree"})], [])


# --- What stands around the calls -------------------------------------------------------------------------------------

CALL = call("f", '{"x": 1}', id="a", index=0)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"content": "Text."}, id="text"),
        pytest.param({"reasoning_content": "Hm."}, id="reasoning"),
        pytest.param({"reasoning_content": "Hm.", "content": "Text."}, id="reasoning and text"),
        pytest.param({"content": "<think>Hm.</think>Text."}, id="reasoning in the text"),
        pytest.param({"content": [{"type": "text", "text": "Text."}]}, id="text as parts"),
        pytest.param({"content": None, "refusal": "No."}, id="refusal"),
        pytest.param({"content": ""}, id="empty text"),
        pytest.param({"content": None}, id="null"),
    ],
)
@pytest.mark.parametrize("form", TWO_FORMS)
def test_words_and_calls_of_one_event_keep_apart(emulator: Emulator, form: str, told: dict[str, Any]) -> None:
    """With the indices that providers use, text and the first call would merge into one corrupt block."""
    play(emulator, form, [delta(CALL, **told)], finish_reason="stop")
    answer = ask(emulator, form)
    shown = {block["type"]: block for block in blocks(answer)}
    assert len(shown) == len(blocks(answer))  # one block of each kind
    spoken = json.dumps(told)
    assert shown.get("text", {}).get("text", "") == ("Text." if "Text." in spoken else "")
    assert shown.get("reasoning", {}).get("reasoning", "") == ("Hm." if "Hm." in spoken else "")
    assert answer.additional_kwargs.get("refusal", "") == ("No." if "No." in spoken else "")
    assert ("refusal" in shown) == ("No." in spoken and form not in EVENTS)  # LangChain's events have no word for it
    assert shown["tool_call"] == {"type": "tool_call", "id": "a", "name": "f", "args": {"x": 1}}
    assert answer.response_metadata["finish_reason"] == "tool_calls"
    assert_calls(emulator, form, answer, [("a", "f", {"x": 1})], [])


@pytest.mark.parametrize("form", STREAMED)
def test_reasoning_and_text_before_calls_in_deltas(emulator: Emulator, form: str) -> None:
    deltas = [
        {"role": "assistant", "content": "", "reasoning_content": ""},
        {"reasoning_content": "H"},
        {"reasoning_content": "m."},
        {"content": "Te"},
        {"content": "xt.", "tool_calls": [call("f", "", id="a", index=0)]},
        delta(call(None, '{"x": 1}', index=0)),
        delta(call("g", '{"y": ', id="b", index=1)),
        delta(call(None, "2}", index=1), content=" End."),
    ]
    play(emulator, form, deltas)
    answer = ask(emulator, form)
    assert_calls(emulator, form, answer, [("a", "f", {"x": 1}), ("b", "g", {"y": 2})], [])
    assert [b["type"] for b in blocks(answer)] == ["reasoning", "text", "tool_call", "tool_call"]
    assert (answer.text, blocks(answer)[0]["reasoning"]) == ("Text. End.", "Hm.")


WHOLE_FUNCTION = [{"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"x": 1}'}}]
FUNCTIONS: dict[str, list[dict[str, Any]]] = {
    "whole": WHOLE_FUNCTION,
    "in pieces": [
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": '{"x": '}},
        {"function_call": {"arguments": "1}"}},
    ],
    "with the name repeated": [{"function_call": {"name": "f", "arguments": piece}} for piece in ('{"x"', ": 1", "}")],
    "beside a call": [{**delta(CALL), "function_call": {"name": "f", "arguments": '{"x": 1}'}}],
}


@pytest.mark.parametrize(
    ("form", "deltas"),
    [
        pytest.param(form, deltas, id=f"{form}-{name}")
        for form in FORMS
        for name, deltas in FUNCTIONS.items()
        if len(deltas) == 1 or form in STREAMED
    ],
)
def test_a_legacy_function_call_is_a_tool_call(emulator: Emulator, form: str, deltas: list[dict[str, Any]]) -> None:
    play(emulator, form, deltas, finish_reason="function_call")
    answer = ask(emulator, form)
    expected = CALL["id"] if "tool_calls" in deltas[0] else MADE
    (found,) = answer.tool_calls
    assert_calls(emulator, form, answer, [(expected, found["name"], found["args"])], [])
    assert expected or (found["name"], found["args"]) == ("f", {"x": 1})
    assert answer.response_metadata["finish_reason"] == "tool_calls"
    assert "function_call" not in answer.additional_kwargs
    # It goes back as a tool call, since a tool message answers it by its id.
    assert "function_call" not in sent_back(emulator, answer)


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ("tool_calls", "tool_calls"),
        ("stop", "tool_calls"),
        ("STOP", "tool_calls"),
        ("tool_use", "tool_calls"),
        ("end_turn", "tool_calls"),
        ("function_call", "tool_calls"),
        ("", "tool_calls"),
        (None, "tool_calls"),
        ("max_tokens", "length"),
        ("SAFETY", "content_filter"),
        ("a new word", "a new word"),
    ],
)
@pytest.mark.parametrize("form", ["invoke", "astream", "events"])
def test_an_answer_with_calls_ended_for_them(emulator: Emulator, form: str, told: str | None, word: str) -> None:
    play(emulator, form, [delta(CALL)], finish_reason=told)
    assert ask(emulator, form).response_metadata["finish_reason"] == word


@pytest.mark.parametrize(
    "calls",
    [
        None,
        [],
        "f",
        5,
        [None],
        ["f"],
        [[]],
        {},
        [{}],
        [{"index": 0, "function": {}}],
    ],
    ids=repr,
)
@pytest.mark.parametrize("form", TWO_FORMS)
def test_what_is_no_call_makes_none(emulator: Emulator, form: str, calls: Any) -> None:
    play(emulator, form, [{"content": "Text.", "tool_calls": calls}], finish_reason="stop")
    answer = ask(emulator, form)
    assert blocks(answer) == [{"type": "text", "text": "Text."}]
    assert (answer.tool_calls, answer.invalid_tool_calls) == ([], [])
    assert answer.response_metadata["finish_reason"] == "stop"
    assert "tool_calls" not in sent_back(emulator, answer)


# --- From every provider ----------------------------------------------------------------------------------------------

TWO = [
    {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": ["é\u2028🌼", null]}'}},
    {"id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
]
TOLD: dict[str, dict[str, Any]] = {
    "calls alone": {"content": None},
    "reasoning and text": {"content": "Two calls.", "reasoning_content": "Which? Both."},
}


@pytest.mark.parametrize("told", TOLD)
@pytest.mark.parametrize(
    "dialect", ["plain", "responses", "openrouter", "bedrock", "vertex", "simulated", "perplexity"]
)
@pytest.mark.parametrize("form", TWO_FORMS)
def test_every_provider_calls_alike(emulator: Emulator, form: str, dialect: str, told: str) -> None:
    emulator.reply(message={**TOLD[told], "tool_calls": TWO}, dialect=dialect)
    answer = ask(emulator, form)
    assert_calls(emulator, form, answer, [("a", "f", {"x": ["é\u2028🌼", None]}), ("b", "g", {})], [])
    assert answer.text == (TOLD[told]["content"] or "")
    assert answer.additional_kwargs.get("reasoning_content") == TOLD[told].get("reasoning_content")
    assert answer.response_metadata["finish_reason"] == "tool_calls"
