"""Structured output: what is asked of a model, and the answer found wherever the model put it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, Literal, TypedDict, TypeVar

import jsonschema
import pydantic.v1
import pytest
from langchain_core import exceptions
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, RootModel, model_validator

from langchain_pollinations._catalog.records import find
from langchain_pollinations._catalog.snapshot import load_snapshot
from langchain_pollinations._chat.tool_names import fit_name
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import InvalidRequestError
from tests.helpers.ask import TWO_FORMS, Ask
from tests.helpers.samples import Joke
from tests.helpers.wire import sent

METHODS: Any = ("function_calling", "json_schema", "json_mode")
PARSED: Any = METHODS[:2]  # the parser knows of a tool or of none
Answer = Callable[[Any, Any], Any]


class OldJoke(pydantic.v1.BaseModel):
    """A joke to tell."""

    setup: str
    punchline: str


class JokeDict(TypedDict):
    """A joke to tell."""

    setup: str
    punchline: str


JOKE = {"setup": "a", "punchline": "b"}
WRITTEN = json.dumps(JOKE)
WITH_REF = {
    "title": "Joke",
    "description": "A joke to tell.",
    "type": "object",
    "properties": {"setup": {"$ref": "#/$defs/Words"}, "punchline": {"$ref": "#/$defs/Words"}},
    "required": ["setup", "punchline"],
    "$defs": {"Words": {"type": "string", "minLength": 1}},
}
SCHEMAS: dict[str, tuple[Any, Any]] = {
    "pydantic": (Joke, Joke(**JOKE)),
    "pydantic v1": (OldJoke, OldJoke(**JOKE)),
    "TypedDict": (JokeDict, JOKE),
    "JSON schema": (Joke.model_json_schema(), JOKE),
    "JSON schema with $ref": (WITH_REF, JOKE),
}


async def _last(stream: Any) -> Any:
    return [value async for value in stream][-1]


ANSWERS: dict[str, Answer] = {
    "invoke": lambda runnable, asked: runnable.invoke(asked),
    "ainvoke": lambda runnable, asked: asyncio.run(runnable.ainvoke(asked)),
    "stream": lambda runnable, asked: list(runnable.stream(asked))[-1],
    "astream": lambda runnable, asked: asyncio.run(_last(runnable.astream(asked))),
}


@pytest.fixture(params=TWO_FORMS)
def answer(request: pytest.FixtureRequest) -> Answer:
    """`answer(runnable, input)`: the whole result, which of a stream is its last value."""
    return ANSWERS[request.param]


def script(emulator: Emulator, method: str, args: Any, name: str = "Joke", times: int = 1) -> None:
    """The answer of a model that does as it is told."""
    if method == "function_calling":
        emulator.reply(tool_calls=[{"name": name, "args": args}], times=times)
    else:
        emulator.reply(json.dumps(args), times=times)


# --- What is asked ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("schema", "expected"), SCHEMAS.values(), ids=SCHEMAS.keys())
def test_every_schema_by_every_method(
    emulator: Emulator,
    chat: ChatPollinations,
    answer: Answer,
    validator: jsonschema.Draft202012Validator,
    schema: Any,
    expected: Any,
    method: Any,
) -> None:
    used = "function_calling" if schema is OldJoke and method == "json_schema" else method
    script(emulator, used, JOKE, getattr(schema, "__name__", "Joke"))
    assert answer(chat.with_structured_output(schema, method=method), "Tell a joke") == expected
    body = sent(emulator)
    validator.validate(body)
    form = {key: body[key] for key in body if key in ("response_format", "tools", "tool_choice", "parallel_tool_calls")}
    if used == "json_mode":
        assert form == {"response_format": {"type": "json_object"}}
    elif used == "json_schema":
        described = form.pop("response_format")["json_schema"]
        assert form == {}
        assert (described["name"].removesuffix("Dict"), described["description"]) == ("Joke", "A joke to tell.")
        assert described["schema"]["required"] == ["setup", "punchline"]
        assert "strict" not in described
    else:
        (bound,) = form.pop("tools")
        name = bound["function"]["name"]
        choice = {"type": "function", "function": {"name": name}}
        assert form == {"tool_choice": choice, "parallel_tool_calls": False}
        assert bound["function"]["parameters"]["required"] == ["setup", "punchline"]
        assert "strict" not in bound["function"]


@pytest.mark.parametrize("strict", [None, True, False])
@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
def test_strict_is_passed_on(chat: ChatPollinations, emulator: Emulator, method: Any, strict: bool | None) -> None:
    script(emulator, method, JOKE)
    chat.with_structured_output(Joke, method=method, strict=strict).invoke("Tell a joke")
    body = sent(emulator)
    called = method == "function_calling"
    holder = body["tools"][0]["function"] if called else body["response_format"]["json_schema"]
    described = holder["parameters"] if called else holder["schema"]
    assert holder.get("strict") is strict
    assert described.get("additionalProperties") == (False if strict else None)


@pytest.mark.parametrize(
    ("options", "sends"),
    [
        pytest.param({"model": "openai"}, "response_format", id="the profile declares it"),
        pytest.param({"model": "openai/gpt-5.4-nano"}, "response_format", id="by its canonical name"),
        pytest.param({"model": "meta/llama-4-maverick"}, "tools", id="the profile denies it"),
        pytest.param({"model": "community/x/y"}, "tools", id="no profile"),
        pytest.param({"model": "community/x/y", "profile": {"structured_output": True}}, "response_format", id="ours"),
        pytest.param({"model": "openai", "profile": {"structured_output": False}}, "tools", id="ours denies it"),
    ],
)
@pytest.mark.parametrize("schema", [Joke, JokeDict, WITH_REF], ids=["pydantic", "TypedDict", "JSON schema"])
def test_the_method_follows_the_profile(emulator: Emulator, schema: Any, options: dict[str, Any], sends: str) -> None:
    chat = ChatPollinations(**emulator.connection(), **options)
    bound = chat.with_structured_output(schema).first  # type: ignore[attr-defined]
    assert bound.kwargs.keys() & {"response_format", "tools"} == {sends}


def test_the_method_follows_the_model_that_is_bound_with_it(chat: ChatPollinations) -> None:
    bound = chat.with_structured_output(Joke, model="meta/llama-4-maverick").first  # type: ignore[attr-defined]
    assert bound.kwargs.keys() & {"response_format", "tools"} == {"tools"}


def test_a_schema_of_pydantic_v1_is_a_tool(chat: ChatPollinations) -> None:
    """Its JSON schema is an older draft, which no model's own structured output takes."""
    bound = chat.with_structured_output(OldJoke).first  # type: ignore[attr-defined]
    assert bound.kwargs.keys() & {"response_format", "tools"} == {"tools"}


UNFORCED = "anthropic/claude-fable-5.1"  # takes neither a forced tool choice nor a response_format
CALL_JOKE = "Answer with a call of the tool 'Joke', not with text."
AUTO = {"tool_choice": "auto", "parallel_tool_calls": False}
JSON_FORM: dict[str, Any] = {"response_format": {"type": "json_object"}}


@pytest.mark.parametrize(
    ("options", "arguments", "method", "form", "instruction"),
    [
        pytest.param({"model": UNFORCED}, {}, "function_calling", AUTO, CALL_JOKE, id="nothing else"),
        pytest.param({"model": "anthropic/claude-opus-5.5"}, {}, "function_calling", AUTO, CALL_JOKE, id="Opus 5.5"),
        pytest.param(
            {"model": "openai", "profile": {"tool_choice": False}}, {}, "json_mode", JSON_FORM, '"punchline"',
            id="json_mode, where nothing is declared",
        ),
        pytest.param(
            {"model": "openai", "profile": {"tool_choice": False, "structured_output": False}}, {}, "json_mode",
            JSON_FORM, '"punchline"', id="json_mode, where json_schema is denied",
        ),
        pytest.param(
            {"model": "openai", "profile": {"tool_choice": False}}, {"strict": True}, "function_calling", AUTO,
            CALL_JOKE, id="json_mode is never strict",
        ),
        pytest.param(
            {"model": "anthropic/claude-sonnet-4.6", "profile": {"tool_choice": False}}, {}, "function_calling", AUTO,
            CALL_JOKE, id="takes no json_mode",
        ),
        pytest.param(
            {"model": "x-ai/grok-4.6", "schema": OldJoke}, {}, "json_mode", JSON_FORM, '"punchline"',
            id="a class that json_schema does not take",
        ),
        pytest.param(
            {"model": "x-ai/grok-4.6"}, {"method": "function_calling"}, "function_calling", AUTO, CALL_JOKE,
            id="a call is asked for",
        ),
        pytest.param({"model": "openai"}, {"model": UNFORCED}, "function_calling", AUTO, CALL_JOKE, id="bound with it"),
        pytest.param(
            {"model": "tencent/hy3"}, {"method": "function_calling"}, "function_calling", AUTO, CALL_JOKE,
            id="a model that does not heed it",
        ),
    ],
)  # fmt: skip
def test_a_tool_is_not_forced_where_the_model_refuses_it(
    emulator: Emulator,
    answer: Answer,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
    arguments: dict[str, Any],
    method: str,
    form: dict[str, Any],
    instruction: str,
) -> None:
    """The answer comes all the same, without a warning: nobody asked for a forced call."""
    schema = options.get("schema", Joke)
    chat = ChatPollinations(**emulator.connection(), **{name: options[name] for name in options.keys() - {"schema"}})
    script(emulator, method, JOKE, schema.__name__)
    with caplog.at_level("DEBUG", logger="langchain_pollinations"):
        runnable = chat.with_structured_output(schema, **arguments)
    assert answer(runnable, [SystemMessage("Be funny."), HumanMessage("Tell a joke")]) == schema(**JOKE)
    body = sent(emulator)
    assert {name: body.get(name) for name in form} == form
    assert body["messages"][0]["content"].startswith("Be funny.\n\n") and instruction in body["messages"][0]["content"]
    assert f"structured output by {method}" in caplog.text
    assert runnable.first.kwargs["ls_structured_output_format"]["kwargs"]["method"] == method  # type: ignore[attr-defined]


def test_a_declared_json_schema_needs_no_tool(emulator: Emulator, chat: ChatPollinations) -> None:
    emulator.reply(WRITTEN)
    assert chat.with_structured_output(Joke, model="x-ai/grok-4.6").invoke("Go") == Joke(**JOKE)
    body = sent(emulator)
    assert body["response_format"]["type"] == "json_schema" and len(body["messages"]) == 1


def test_a_model_for_one_call_may_refuse_to_be_forced(emulator: Emulator, chat: ChatPollinations, ask: Ask) -> None:
    script(emulator, "function_calling", JOKE)
    bound = chat.with_structured_output(Joke, method="function_calling").first  # type: ignore[attr-defined]
    with pytest.warns(UserWarning, match=f"{UNFORCED}' does not support a forced tool choice"):
        ask(bound, "Tell a joke", model=UNFORCED)
    body = sent(emulator)
    assert body["tool_choice"] == "auto"
    assert body["messages"] == [{"role": "system", "content": CALL_JOKE}, {"role": "user", "content": "Tell a joke"}]


@pytest.mark.parametrize("method", [None, "function_calling"])
def test_every_model_with_tools_gives_a_structured_answer(emulator: Emulator, method: Any) -> None:
    """The emulator refuses what a model refuses, and answers from the schema alone."""
    named = {entry["name"] for entry in load_snapshot().values()}
    models = [model.id for model in map(find, named) if model and model.kind == "text" and model.tools]
    assert len(models) > 50
    for model in models:
        chat = ChatPollinations(model=model, **emulator.connection())
        assert isinstance(chat.with_structured_output(Joke, method=method).invoke("Tell a joke"), Joke), model


@pytest.mark.parametrize(
    "arguments",
    [
        {"method": "xml"},
        {"schema": None},
        {"schema": None, "method": "json_schema"},
        {"method": "json_mode", "strict": True},
        {"method": "json_mode", "strict": False},
        {"tools": []},
        {"tool_choice": "any"},
        {"response_format": {"type": "text"}},
        {"parallel_tool_calls": True},
    ],
    ids=repr,
)
def test_what_does_not_go_together_is_refused(chat: ChatPollinations, arguments: dict[str, Any]) -> None:
    named = list(arguments)[-1]
    with pytest.raises(ValueError, match=named):
        chat.with_structured_output(**{"schema": Joke, **arguments})


@pytest.mark.parametrize("method", [None, *METHODS])
@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"name": "str"}, "'properties'.*this dict has 'name'"),
        ({"name": "joke", "schema": {}}, "this dict has 'name', 'schema'"),
        ({"name": "joke", "parameters": {}}, "this dict has 'name', 'parameters'"),
        ({"type": "json_object"}, "this dict has 'type'"),
        ({"type": "json_schema"}, "this dict has 'type'"),
        ({"title": "Joke", "description": "A joke."}, "this dict has 'title', 'description'"),
        ({}, "this dict has no keys"),
        ("Joke", "a Pydantic class, .*not an instance of str"),
        ([Joke], "a Pydantic class, .*not an instance of list"),
    ],
)
def test_a_schema_that_is_none_is_refused(chat: ChatPollinations, method: Any, schema: Any, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"schema: .*{says}") as caught:
        chat.with_structured_output(schema, method=method)
    assert caught.value.param == "schema"


PLAIN = {key: value for key, value in WITH_REF.items() if key not in ("title", "description")}
ABOUT = {"name": "told_joke", "description": "A joke to tell."}


@pytest.mark.parametrize("method", [None, *PARSED])
@pytest.mark.parametrize(
    "form",
    [
        pytest.param(ABOUT | {"schema": WITH_REF, "strict": True}, id="name and schema"),
        pytest.param({"type": "json_schema", "json_schema": ABOUT | {"schema": PLAIN, "strict": True}}, id="whole"),
        pytest.param({"type": "json_schema", "schema": PLAIN, "strict": True} | ABOUT, id="flat"),
        pytest.param(ABOUT | {"parameters": PLAIN, "strict": True}, id="function"),
        pytest.param(ABOUT | {"input_schema": PLAIN, "strict": True}, id="Anthropic's tool"),
    ],
)
def test_a_dict_with_a_schema_is_read(
    emulator: Emulator, chat: ChatPollinations, method: Any, form: dict[str, Any], answer: Answer
) -> None:
    assert set(answer(chat.with_structured_output(form, method=method), "Tell me a joke about 'rain'.")) == set(JOKE)
    body = sent(emulator)
    declared = body["tools"][0]["function"] if method == "function_calling" else body["response_format"]["json_schema"]
    assert {key: declared[key] for key in ABOUT} == ABOUT
    assert declared["strict"] is True


def test_a_name_in_a_schema_is_its_title(emulator: Emulator, chat: ChatPollinations) -> None:
    chat.with_structured_output(PLAIN | ABOUT, method="function_calling").invoke("Tell me a joke about 'rain'.")
    function = sent(emulator)["tools"][0]["function"]
    assert function["name"] == "told_joke" and set(function["parameters"]["properties"]) == set(JOKE)


def test_strict_of_a_call_is_added_to_a_whole_form(emulator: Emulator, chat: ChatPollinations) -> None:
    form = {"type": "json_schema", "json_schema": ABOUT | {"schema": PLAIN}}
    chat.with_structured_output(form, method="json_schema", strict=True).invoke("Tell me a joke about 'rain'.")
    assert sent(emulator)["response_format"]["json_schema"]["strict"] is True


@pytest.mark.parametrize("method", PARSED)
def test_a_schema_without_a_title_gets_one(emulator: Emulator, chat: ChatPollinations, method: Any) -> None:
    schema = {key: value for key, value in WITH_REF.items() if key != "title"}
    answer = chat.with_structured_output(schema, method=method).invoke("Tell me a joke about 'rain'.")
    assert set(answer) == set(JOKE)
    body = sent(emulator)
    declared = body["tools"][0]["function"] if method == "function_calling" else body["response_format"]["json_schema"]
    assert declared["name"] == "answer"


def test_further_options_of_the_call_go_along(chat: ChatPollinations, emulator: Emulator) -> None:
    emulator.reply(WRITTEN)
    chat.with_structured_output(Joke, seed=7, temperature=0).invoke("Tell a joke")
    assert (sent(emulator)["seed"], sent(emulator)["temperature"]) == (7, 0)


@pytest.mark.parametrize("title", ["Joke", "My Joke[int]!", "é", "x" * 80])
def test_a_schema_has_a_name_that_providers_take(emulator: Emulator, chat: ChatPollinations, title: str) -> None:
    emulator.reply(WRITTEN, WRITTEN)
    chat.with_structured_output({**WITH_REF, "title": title}, method="json_schema").invoke("Tell a joke")
    assert sent(emulator)["response_format"]["json_schema"]["name"] == fit_name(title)
    form = {"type": "json_schema", "json_schema": {"name": title, "schema": WITH_REF}}
    chat.invoke("Tell a joke", response_format=form)
    assert sent(emulator)["response_format"]["json_schema"]["name"] == fit_name(title)


# --- Schemas of all kinds ---------------------------------------------------------------------------------------------

T = TypeVar("T")


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


class Line(BaseModel):
    name: str
    price: Decimal


class Order(BaseModel):
    """An order."""

    at: datetime
    lines: list[Line]
    mood: Mood
    kind: Literal["new", "old"]
    note: str | None = None


class Tree(BaseModel):
    """A tree of names."""

    name: str
    children: list[Tree] = []


class Box(BaseModel, Generic[T]):
    """A box."""

    item: T


class Renamed(BaseModel):
    """A person."""

    full_name: str = Field(alias="fullName")


class ByName(BaseModel):
    """A person."""

    model_config = ConfigDict(populate_by_name=True)

    full_name: str = Field(alias="fullName")


class ByChoice(BaseModel):
    """A person."""

    full_name: str = Field(validation_alias=AliasChoices("fullName", "name"))


class Exact(BaseModel):
    """A moment and a mood."""

    model_config = ConfigDict(strict=True)

    at: datetime
    mood: Mood


class Numbers(RootModel[list[int]]):
    """Numbers."""


class Empty(BaseModel):
    """Nothing that must be said."""

    note: str = "none"


class Pair(BaseModel):
    """Two numbers."""

    low: int
    high: int

    @model_validator(mode="before")
    @classmethod
    def _in_order(cls, given: Any) -> Any:
        return {"low": min(given["low"], given["high"]), "high": max(given["low"], given["high"])}


AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ORDER = {
    "at": "2026-01-02T03:04:05Z",
    "lines": [{"name": "tea", "price": "1.50"}, {"name": "jam", "price": 2}],
    "mood": "good",
    "kind": "new",
}
LINES = [Line(name="tea", price=Decimal("1.50")), Line(name="jam", price=Decimal(2))]

KINDS = [
    pytest.param(Order, ORDER, Order(at=AT, lines=LINES, mood=Mood.GOOD, kind="new"), id="nested, enum, Decimal, date"),
    pytest.param(
        Tree,
        {"name": "a", "children": [{"name": "b", "children": [{"name": "c"}]}]},
        Tree(name="a", children=[Tree(name="b", children=[Tree(name="c")])]),
        id="recursive",
    ),
    pytest.param(Box[int], {"item": 3}, Box[int](item=3), id="generic"),
    pytest.param(Box[Line], {"item": ORDER["lines"][0]}, Box[Line](item=LINES[0]), id="generic of a model"),  # type: ignore[index]
    pytest.param(Renamed, {"fullName": "x"}, Renamed(fullName="x"), id="alias"),
    pytest.param(ByName, {"fullName": "x"}, ByName(full_name="x"), id="alias or name, by alias"),
    pytest.param(ByName, {"full_name": "x"}, ByName(full_name="x"), id="alias or name, by name"),
    pytest.param(ByChoice, {"name": "x"}, ByChoice(fullName="x"), id="one of several aliases"),  # type: ignore[call-arg]
    pytest.param(Empty, {}, Empty(), id="nothing required"),
    pytest.param(Exact, {"at": ORDER["at"], "mood": "bad"}, Exact(at=AT, mood=Mood.BAD), id="strict"),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("schema", "said", "expected"), KINDS)
def test_an_answer_is_an_instance_of_its_class(
    emulator: Emulator,
    chat: ChatPollinations,
    validator: jsonschema.Draft202012Validator,
    schema: type[BaseModel],
    said: Any,
    expected: BaseModel,
    method: Any,
) -> None:
    script(emulator, method, said, schema.__name__, times=2)
    runnable = chat.with_structured_output(schema, method=method)
    for found in (runnable.invoke("Go, in JSON"), list(runnable.stream("Go, in JSON"))[-1]):
        assert found == expected
        assert type(found) is schema
    validator.validate(sent(emulator))


@pytest.mark.parametrize("way", ["invoke", "stream", "astream"])
def test_a_validator_sees_the_whole_answer(emulator: Emulator, chat: ChatPollinations, way: str) -> None:
    emulator.reply('{"low": 5, "high": 1}')
    assert ANSWERS[way](chat.with_structured_output(Pair, method="json_schema"), "Go") == Pair(low=1, high=5)


def test_a_list_may_be_the_answer(emulator: Emulator, chat: ChatPollinations, answer: Answer) -> None:
    emulator.reply("Here you are: [1, 2, 3]")
    assert answer(chat.with_structured_output(Numbers, method="json_schema"), "Count") == Numbers([1, 2, 3])


def test_json_mode_needs_no_schema(emulator: Emulator, chat: ChatPollinations, answer: Answer) -> None:
    emulator.reply('{"any": ["thing", null, 1.5]}')
    assert answer(chat.with_structured_output(method="json_mode"), "Go") == {"any": ["thing", None, 1.5]}


@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
def test_the_model_is_told_the_whole_schema(chat: ChatPollinations, emulator: Emulator, method: Any) -> None:
    """The emulator answers from the schema alone, so only a complete one makes a valid order."""
    found = chat.with_structured_output(Order, method=method).invoke("Make up an order")
    assert isinstance(found, Order)
    body = sent(emulator)
    if method == "json_schema":
        schema = body["response_format"]["json_schema"]["schema"]
    else:
        schema = body["tools"][0]["function"]["parameters"]
    jsonschema.Draft202012Validator(schema).validate({**ORDER, "note": None})
    for wrong in ({"mood": "odd"}, {"kind": "odd"}, {"at": 1}, {"lines": [{"name": "tea"}]}, {"lines": [{"price": 1}]}):
        assert not jsonschema.Draft202012Validator(schema).is_valid({**ORDER, **wrong})


@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
@pytest.mark.parametrize("schema", [Tree, Tree.model_json_schema()], ids=["pydantic", "JSON schema"])
def test_a_recursive_schema_stays_recursive(
    chat: ChatPollinations, emulator: Emulator, schema: Any, method: Any
) -> None:
    script(emulator, method, {"name": "a"}, "Tree")
    schema = {**schema, "title": "Tree"} if isinstance(schema, dict) else schema
    chat.with_structured_output(schema, method=method).invoke("Go")
    body = sent(emulator)
    called = method == "function_calling"
    holder = body["tools"][0]["function"] if called else body["response_format"]["json_schema"]
    wire = jsonschema.Draft202012Validator(holder["parameters"] if called else holder["schema"])
    assert wire.is_valid({"name": "a", "children": [{"name": "b"}]})
    assert not wire.is_valid({"name": "a", "children": [{"nom": "b"}]})


@pytest.mark.parametrize(
    "method",
    [
        "json_schema",
        "function_calling",
    ],
)
def test_a_generic_has_a_name_that_providers_take(chat: ChatPollinations, emulator: Emulator, method: Any) -> None:
    script(emulator, method, {"item": 1}, fit_name("Box[int]"))
    chat.with_structured_output(Box[int], method=method).invoke("Go")
    body = sent(emulator)
    called = method == "function_calling"
    holder = body["tools"][0]["function"] if called else body["response_format"]["json_schema"]
    assert holder["name"] == fit_name("Box[int]")


# --- Where models put their answers -----------------------------------------------------------------------------------


def called(name: str, arguments: str, call_id: str = "c1") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


THOUGHT = 'They want {"setup": "x", "punchline": "y"}.'
DRAFT = json.dumps({"setup": "draft", "punchline": "draft"})

FOUND: dict[str, dict[str, Any]] = {
    "alone": {"content": WRITTEN},
    "over lines": {"content": json.dumps(JOKE, indent=2)},
    "in a fence": {"content": f"```json\n{WRITTEN}\n```"},
    "in a fence without a name": {"content": f"```\n{WRITTEN}\n```"},
    "in a fence on one line": {"content": f"```json {WRITTEN}```"},
    "in a fence within prose": {"content": f"Here you are:\n\n```json\n{WRITTEN}\n```\n\nEnjoy {{it}}!"},
    "in prose": {"content": f"Here you are:\n\n{WRITTEN}\n\nEnjoy!"},
    "after braces": {"content": f"A set {{x}} first. Then: {WRITTEN}"},
    "before braces": {"content": f"{WRITTEN} (a set {{x}})"},
    "after a byte order mark": {"content": f"\ufeff{WRITTEN}"},
    "after a draft": {"content": f"{DRAFT}\n\nNo, better:\n\n{WRITTEN}"},
    "after a fenced draft": {"content": f"```json\n{DRAFT}\n```\nBetter:\n```json\n{WRITTEN}\n```"},
    "after an example of something else": {"content": f'Not {{"type": "object"}} but {WRITTEN}'},
    "before a note of something else": {"content": f'{WRITTEN}\n{{"confidence": 1}}'},
    "with marks of sources after it": {"content": f"{WRITTEN} [1][2]"},
    "with marks of sources before it": {"content": f"Found [1]: {WRITTEN}"},
    "after thoughts in tags": {"content": f"<think>{THOUGHT}</think>{WRITTEN}"},
    "after thoughts that only end": {"content": f"{THOUGHT}</think>{WRITTEN}"},
    "after thoughts as prose": {"content": f"Let me think. {THOUGHT} So: {WRITTEN}"},
    "beside reasoning": {"content": WRITTEN, "reasoning_content": THOUGHT},
    "beside signed reasoning": {
        "content": WRITTEN,
        "content_blocks": [{"type": "thinking", "thinking": THOUGHT, "signature": "s"},
                           {"type": "text", "text": WRITTEN}],
    },
    "in parts": {"content": [{"type": "text", "text": WRITTEN[:9]}, {"type": "text", "text": WRITTEN[9:]}]},
    "in a call": {"content": None, "tool_calls": [called("Joke", WRITTEN)]},
    "in a call after prose": {"content": "I call it: {x}", "tool_calls": [called("Joke", WRITTEN)]},
    "in a call of another name": {"content": None, "tool_calls": [called("json", WRITTEN)]},
    "in text beside a broken call": {"content": WRITTEN, "tool_calls": [called("Joke", '{"setup"')]},
    "in the first of two calls": {
        "content": None, "tool_calls": [called("Joke", WRITTEN), called("Joke", DRAFT, "c2")],
    },
}  # fmt: skip


@pytest.mark.parametrize("method", PARSED)
@pytest.mark.parametrize("message", FOUND.values(), ids=FOUND.keys())
def test_an_answer_is_found_wherever_it_stands(
    emulator: Emulator, chat: ChatPollinations, answer: Answer, message: dict[str, Any], method: Any
) -> None:
    emulator.reply(message=message, dialect="plain")
    assert answer(chat.with_structured_output(Joke, method=method), "Tell a joke") == Joke(**JOKE)


def test_the_tool_that_was_asked_for_counts(emulator: Emulator, chat: ChatPollinations, answer: Answer) -> None:
    emulator.reply(message={"content": None, "tool_calls": [called("Draft", DRAFT), called("Joke", WRITTEN, "c2")]})
    assert answer(chat.with_structured_output(Joke, method="function_calling"), "Tell a joke") == Joke(**JOKE)


@pytest.mark.parametrize(
    "dialect", ["plain", "responses", "openrouter", "bedrock", "vertex", "perplexity", "simulated"]
)
@pytest.mark.parametrize("method", METHODS)
def test_every_provider_answers_alike(
    emulator: Emulator, chat: ChatPollinations, answer: Answer, dialect: str, method: Any
) -> None:
    call = {"content": None, "tool_calls": [called("Joke", WRITTEN)]}
    said = call if method == "function_calling" else {"content": WRITTEN}
    emulator.reply(message={**said, "reasoning_content": THOUGHT}, dialect=dialect)
    assert answer(chat.with_structured_output(Joke, method=method), "Tell a joke") == Joke(**JOKE)


def test_an_answer_grows_while_it_streams(emulator: Emulator, chat: ChatPollinations) -> None:
    said = {"setup": "Why did the cat sit on the keyboard?", "punchline": "To watch the mouse, of course."}
    emulator.reply(json.dumps(said))
    values = list(chat.with_structured_output(JokeDict, method="json_schema").stream("Tell a joke"))
    assert len(values) > 3
    assert values[-1] == said
    for before, after in zip(values, values[1:], strict=False):
        assert before != after
        assert all(after[key].startswith(before[key]) for key in before)


# --- Answers that are none --------------------------------------------------------------------------------------------

REFUSED: type[Exception] = getattr(exceptions, "ModelRefusalError", OutputParserException)
HALF_JOKE = '{"setup": "a", "punchline": "b'

# message, why it ended, the error, its words
NO_OBJECT = r"no JSON object: 'See \[1\]|Failed to parse Joke"

WRONG: dict[str, tuple[dict[str, Any], str | None, type[Exception], str]] = {
    "no JSON": ({"content": "Knock, knock."}, None, OutputParserException, "no JSON: 'Knock, knock.'"),
    "a sentence in quotes": ({"content": '"Knock."'}, None, OutputParserException, "no JSON"),
    "null": ({"content": "null"}, None, OutputParserException, "no JSON"),
    "marks of sources alone": ({"content": "See [1]."}, None, OutputParserException, NO_OBJECT),
    "cut off": ({"content": HALF_JOKE}, "length", OutputParserException, "increase max_tokens"),
    "whole, but at the limit": (
        {"content": f"{DRAFT} Better: {HALF_JOKE}"}, "length", OutputParserException, "increase max_tokens",
    ),
    "cut off at one word of a provider": ({"content": HALF_JOKE}, "MAX_TOKENS", OutputParserException, "max_tokens"),
    "ended early": ({"content": HALF_JOKE}, None, OutputParserException, "no JSON"),
    "a call cut off": (
        {"content": None, "tool_calls": [called("Joke", HALF_JOKE)]}, None, OutputParserException, "invalid arguments",
    ),
    "a call with a list": (
        {"content": None, "tool_calls": [called("Joke", "[1]")]}, None, OutputParserException, "invalid arguments",
    ),
    "a refusal": ({"content": None, "refusal": "I will not."}, None, REFUSED, "refused: I will not"),
    "a refusal beside JSON": ({"content": WRITTEN, "refusal": "I will not."}, None, REFUSED, "refused: I will not"),
    "filtered": ({"content": WRITTEN}, "content_filter", REFUSED, "filter stopped the response"),
    "filtered, in a provider's word": ({"content": WRITTEN}, "SAFETY", REFUSED, "filter stopped the response"),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "method"), [(Joke, "json_schema"), (JokeDict, "function_calling")])
@pytest.mark.parametrize(("message", "reason", "error", "says"), WRONG.values(), ids=WRONG.keys())
def test_no_answer_is_an_error_however_it_was_asked(
    emulator: Emulator,
    chat: ChatPollinations,
    answer: Answer,
    message: dict[str, Any],
    reason: str | None,
    error: type[Exception],
    says: str,
    schema: Any,
    method: Any,
) -> None:
    emulator.reply(message=message, finish_reason=reason, dialect="plain")
    with pytest.raises(error, match=says):
        answer(chat.with_structured_output(schema, method=method), "Tell a joke")


INVALID = [
    pytest.param({"content": '{"setup": "a"}'}, "punchline", id="a key is missing"),
    pytest.param({"content": '{"joke": 1}'}, "punchline", id="another object"),
    pytest.param({"content": '{"setup": "a", "punchline": 3}'}, "punchline", id="a wrong type"),
    pytest.param({"content": None, "tool_calls": [called("Joke", '{"setup": "a"}')]}, "punchline", id="in a call"),
]


@pytest.mark.parametrize(("message", "says"), INVALID)
@pytest.mark.parametrize(("schema", "method"), [(Joke, "json_schema"), (OldJoke, "function_calling")])
def test_an_answer_that_does_not_fit_is_an_error(
    emulator: Emulator,
    chat: ChatPollinations,
    answer: Answer,
    message: dict[str, Any],
    says: str,
    schema: Any,
    method: Any,
) -> None:
    if schema is OldJoke and "3" in str(message["content"]):
        message = {"content": '{"setup": "a", "punchline": []}'}  # Pydantic 1 would take the number for a text
    emulator.reply(message=message)
    with pytest.raises(OutputParserException, match=f"Failed to parse {schema.__name__}(.|\n)*{says}"):
        answer(chat.with_structured_output(schema, method=method), "Tell a joke")


# --- Dicts, and what is mended in them --------------------------------------------------------------------------------

UNION: dict[str, Any] = {
    "title": "Found",
    "anyOf": [{"$ref": "#/$defs/Place"}, {"type": "object", "properties": {"none": {"type": "boolean"}}}],
    "$defs": {"Place": {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}},
}


@pytest.mark.parametrize(
    ("schema", "said", "expected"),
    [
        pytest.param(JokeDict, '{"joke": 1}', {"joke": 1}, id="other keys"),
        pytest.param(WITH_REF, '{"joke": 1}', {"joke": 1}, id="other keys, JSON schema"),
        pytest.param(WITH_REF, '{"setup": 3}', {"setup": 3}, id="a key is missing"),
        pytest.param(WITH_REF, "{}", {}, id="empty"),
        pytest.param(WITH_REF, f'{{"x": 1}} {WRITTEN} {{"y": 2}}', JOKE, id="the one that fits best"),
        pytest.param(WITH_REF, 'See [1]. {"x": 1}', {"x": 1}, id="a dict rather than a list"),
        pytest.param(UNION, '{"at": "sea"}', {"at": "sea"}, id="a union at the top"),
        pytest.param(UNION, '{"none": true}', {"none": True}, id="its other member"),
    ],
)
@pytest.mark.parametrize("method", PARSED)
def test_a_dict_is_what_parsed(
    emulator: Emulator, chat: ChatPollinations, answer: Answer, schema: Any, said: str, expected: Any, method: Any
) -> None:
    """As LangChain's callers expect, who check it themselves and ask again."""
    emulator.reply(said)
    assert answer(chat.with_structured_output(schema, method=method), "Go") == expected


def test_a_union_at_the_top_is_sent(emulator: Emulator, chat: ChatPollinations) -> None:
    emulator.reply("{}")
    chat.with_structured_output(UNION, method="json_schema").invoke("Go")
    assert sent(emulator)["response_format"]["json_schema"]["schema"]["anyOf"] == UNION["anyOf"]


class Tag(BaseModel):
    """A tag."""

    name: str


class OldTag(pydantic.v1.BaseModel):
    """A tag."""

    name: str


class Inner(BaseModel):
    """A part of a page."""

    tags: list[str] = []
    more: dict[str, list[int]] = {}
    inner: Inner | None = None


class Page(BaseModel):
    """A page."""

    title: str = ""
    tags: list[str] = []
    pairs: dict[str, int] = {}
    best: Tag | None = None
    marks: list[Tag] = []
    unique: set[int] = set()
    either: list[int] | bool = False
    loose: list[int] | str = ""
    deep: dict[str, list[Tag]] = {}
    inner: Inner | None = None
    as_json: pydantic.Json[list[int]] | None = None


class OldPage(pydantic.v1.BaseModel):
    """A page."""

    title: str = ""
    tags: list[str] = []
    pairs: dict[str, int] = {}
    best: OldTag | None = None
    marks: list[OldTag] = []


PAGES: dict[str, tuple[Any, Any]] = {
    "a list": ({"tags": '["a", "b"]'}, {"tags": ["a", "b"]}),
    "an object": ({"pairs": '{"a": 1}'}, {"pairs": {"a": 1}}),
    "a class": ({"best": '{"name": "a"}'}, {"best": {"name": "a"}}),
    "a list of classes": ({"marks": '[{"name": "a"}]'}, {"marks": [{"name": "a"}]}),
    "a raw line break": ({"tags": '["a\nb"]'}, {"tags": ["a\nb"]}),
    "items": ({"marks": ['{"name": "a"}', {"name": "b"}]}, {"marks": [{"name": "a"}, {"name": "b"}]}),
    "several": ({"tags": "[]", "pairs": " {} ", "title": "[1]"}, {"tags": [], "pairs": {}, "title": "[1]"}),
}
MORE_PAGES: dict[str, tuple[Any, Any]] = {
    "a set": ({"unique": "[1, 1]"}, {"unique": [1]}),
    "a union": ({"either": "[1]"}, {"either": [1]}),
    "a union that takes texts": ({"loose": "[1]", "tags": "[]"}, {"loose": "[1]", "tags": []}),
    "deep": ({"deep": {"a": '[{"name": "b"}]'}}, {"deep": {"a": [{"name": "b"}]}}),
    "strings in strings": (
        {"inner": json.dumps({"tags": '["a"]', "more": json.dumps({"x": "[1]"}), "inner": json.dumps({"tags": "[]"})})},
        {"inner": {"tags": ["a"], "more": {"x": [1]}, "inner": {"tags": []}}},
    ),
    "JSON as a text": ({"as_json": "[1]", "tags": "[]"}, {"as_json": [1], "tags": []}),
}


@pytest.mark.parametrize(
    ("schema", "said", "expected"),
    [
        *[pytest.param(Page, *page, id=name) for name, page in (PAGES | MORE_PAGES).items()],
        *[pytest.param(OldPage, *page, id=f"{name}, Pydantic 1") for name, page in PAGES.items()],
    ],
)
@pytest.mark.parametrize("method", PARSED)
def test_a_list_that_came_as_a_text_is_mended(
    emulator: Emulator, chat: ChatPollinations, schema: Any, said: Any, expected: Any, method: Any
) -> None:
    script(emulator, "function_calling" if schema is OldPage else method, said, schema.__name__, times=2)
    runnable: Any = chat.with_structured_output(schema, method=method)
    for found in (runnable.invoke("Go"), list(runnable.stream("Go"))[-1]):
        whole = json.loads(found.json() if schema is OldPage else found.model_dump_json())
        assert _as_in(whole, expected) == expected


def _as_in(value: Any, expected: Any) -> Any:
    """A value without what stands in no expected dict: defaults."""
    if isinstance(expected, dict):
        return {key: _as_in(value[key], each) for key, each in expected.items()}
    return value


@pytest.mark.parametrize(("said", "expected"), (PAGES | MORE_PAGES).values(), ids=(PAGES | MORE_PAGES).keys())
@pytest.mark.parametrize("method", PARSED)
def test_a_list_in_a_dict_is_mended(
    emulator: Emulator, chat: ChatPollinations, answer: Answer, said: Any, expected: Any, method: Any
) -> None:
    script(emulator, method, said, "Page")
    unchecked = {"as_json": "[1]"} if "as_json" in said else {}
    expected = {**expected, **unchecked} | ({"unique": [1, 1]} if "unique" in said else {})
    assert answer(chat.with_structured_output(Page.model_json_schema(), method=method), "Go") == expected


# What does not fit, and the fields that the error names.
UNMENDED: list[tuple[dict[str, Any], list[str]]] = [
    ({"tags": "a, b"}, ["tags"]),
    ({"tags": '["a"'}, ["tags"]),
    ({"tags": '{"a": 1}'}, ["tags"]),
    ({"pairs": "[1]"}, ["pairs"]),
    ({"tags": '"a"'}, ["tags"]),
    ({"pairs": '{"a": "b"}', "tags": "[]"}, ["pairs.a"]),
]
STRICTLY: list[tuple[dict[str, Any], list[str]]] = [  # Pydantic 1 makes texts of numbers
    ({"tags": "[1]"}, ["tags.0"]),
    ({"tags": '["a"]', "title": 3}, ["title"]),
    ({"inner": json.dumps({"tags": "[1]", "more": "{}"})}, ["inner.tags.0"]),
    ({"inner": json.dumps({"tags": "[]", "more": "[]"})}, ["inner.more"]),
]


@pytest.mark.parametrize(
    ("schema", "said", "places"),
    [(Page, *each) for each in UNMENDED + STRICTLY] + [(OldPage, *each) for each in UNMENDED],
)
@pytest.mark.parametrize("method", PARSED)
def test_an_error_names_what_does_not_fit_when_mended(
    emulator: Emulator, chat: ChatPollinations, schema: Any, said: Any, places: list[str], method: Any
) -> None:
    script(emulator, "function_calling" if schema is OldPage else method, said, schema.__name__)
    with pytest.raises(OutputParserException, match=f"Failed to parse {schema.__name__}") as caught:
        chat.with_structured_output(schema, method=method).invoke("Go")
    cause: Any = caught.value.__cause__
    assert [".".join(map(str, each["loc"])) for each in cause.errors()] == places
    if schema is Page and method == "json_schema":
        assert json.dumps(said) in str(caught.value)  # as the model said it


@pytest.mark.parametrize("method", PARSED)
@pytest.mark.parametrize(("levels", "is_read"), [(9, True), (13, False)])
def test_strings_in_strings_are_read_up_to_a_limit(
    emulator: Emulator, chat: ChatPollinations, levels: int, is_read: bool, method: Any
) -> None:
    said: Any = {"tags": ["a"]}
    for _ in range(levels):
        said = {"inner": json.dumps(said)}
    script(emulator, method, said, "Page")
    runnable: Any = chat.with_structured_output(Page, method=method)
    if is_read:
        found = runnable.invoke("Go")
        for _ in range(levels):
            found = found.inner
        assert found.tags == ["a"]
    else:
        with pytest.raises(OutputParserException, match="Failed to parse Page"):
            runnable.invoke("Go")


@pytest.mark.parametrize("way", ANSWERS)
def test_broken_arguments_are_told_as_the_model_wrote_them(
    emulator: Emulator, chat: ChatPollinations, way: str
) -> None:
    emulator.reply(tool_calls=[{"name": "Joke", "args": '{"setup": "a', "id": "c1"}])
    with pytest.raises(OutputParserException, match=r'invalid arguments: {"setup": "a\s*(For troubleshooting.*)?$'):
        ANSWERS[way](chat.with_structured_output(Joke, method="function_calling"), "Go")


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_the_end_of_a_stream_may_be_an_error(emulator: Emulator, chat: ChatPollinations, way: str) -> None:
    emulator.reply(
        message={"content": '{"setup": "Why did the cat sit down?", "punchline": "Be'}, finish_reason="length"
    )
    runnable = chat.with_structured_output(JokeDict, method="json_schema")
    seen: list[Any] = []

    async def collect() -> None:
        async for value in runnable.astream("Tell a joke"):
            seen.append(value)

    with pytest.raises(OutputParserException, match="increase max_tokens"):
        if way == "astream":
            asyncio.run(collect())
        else:
            seen.extend(iter(runnable.stream("Tell a joke")))
    assert seen[-1] == {"setup": "Why did the cat sit down?", "punchline": "Be"}


@pytest.mark.parametrize("way", TWO_FORMS)
@pytest.mark.parametrize(("message", "reason", "error", "says"), WRONG.values(), ids=WRONG.keys())
def test_the_raw_answer_keeps_the_parsing_error(
    emulator: Emulator,
    chat: ChatPollinations,
    way: str,
    message: dict[str, Any],
    reason: str | None,
    error: type[Exception],
    says: str,
) -> None:
    emulator.reply(message=message, finish_reason=reason, dialect="plain")
    runnable = chat.with_structured_output(Joke, method="json_schema", include_raw=True)
    result = _whole(runnable, way)
    assert result.keys() == {"raw", "parsed", "parsing_error"}
    assert result["raw"].text == (message["content"] or "")
    assert result["parsed"] is None
    assert isinstance(result["parsing_error"], error)
    assert re.search(says, str(result["parsing_error"]))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", TWO_FORMS)
@pytest.mark.parametrize(("schema", "expected"), SCHEMAS.values(), ids=SCHEMAS.keys())
def test_the_raw_answer_stands_beside_a_good_one(
    emulator: Emulator, chat: ChatPollinations, way: str, schema: Any, expected: Any, method: Any
) -> None:
    emulator.reply(WRITTEN)
    result = _whole(chat.with_structured_output(schema, method=method, include_raw=True), way)
    assert isinstance(result["raw"], AIMessage)
    assert result["raw"].text == WRITTEN
    assert result["raw"].usage_metadata is not None
    assert (result["parsed"], result["parsing_error"]) == (expected, None)


def _whole(runnable: Any, way: str) -> dict[str, Any]:
    """The dict of a raw and a parsed answer; in a stream its keys come one by one, and the raw one in pieces."""
    if way in ("invoke", "ainvoke"):
        return ANSWERS[way](runnable, "Tell a joke")
    whole: dict[str, Any] = {}

    def take(piece: dict[str, Any]) -> None:
        for key, value in piece.items():
            whole[key] = whole[key] + value if key == "raw" and key in whole else value

    async def collect() -> None:
        async for piece in runnable.astream("Tell a joke"):
            take(piece)

    if way == "astream":
        asyncio.run(collect())
    else:
        for piece in runnable.stream("Tell a joke"):
            take(piece)
    return whole


# --- JSON mode --------------------------------------------------------------------------------------------------------

ASK = "Answer with a JSON object and nothing else."
USER = {"role": "user", "content": "Name a sea"}

# messages, what goes out
WORDS: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "nobody says it": ("Name a sea", [{"role": "system", "content": ASK}, USER]),
    "the system does not": (
        [SystemMessage("Be brief."), HumanMessage("Name a sea")],
        [{"role": "system", "content": f"Be brief.\n\n{ASK}"}, USER],
    ),
    "the developer does not": (
        [("developer", "Be brief."), ("user", "Name a sea")],
        [{"role": "developer", "content": f"Be brief.\n\n{ASK}"}, USER],
    ),
    "an empty system": ([SystemMessage(""), HumanMessage("Name a sea")], [{"role": "system", "content": ASK}, USER]),
    "a system in blocks": (
        [SystemMessage([{"type": "text", "text": "Be brief."}]), HumanMessage("Name a sea")],
        [{"role": "system", "content": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": ASK}]}, USER],
    ),
    "the user says it": ("As JSON: a sea", [{"role": "user", "content": "As JSON: a sea"}]),
    "in small letters": ("As json: a sea", [{"role": "user", "content": "As json: a sea"}]),
    "in a block": (
        [HumanMessage([{"type": "text", "text": "As JSON: a sea"}])],
        [{"role": "user", "content": [{"type": "text", "text": "As JSON: a sea"}]}],
    ),
    "the system says it": (
        [SystemMessage("Speak JSON."), HumanMessage("Name a sea")],
        [{"role": "system", "content": "Speak JSON."}, USER],
    ),
    "an earlier answer says it": (
        [AIMessage("I speak JSON."), HumanMessage("Name a sea")],
        [{"role": "assistant", "content": "I speak JSON."}, USER],
    ),
    "only an address says it": (
        [HumanMessage([{"type": "text", "text": "Look."}, {"type": "image", "url": "https://example.com/json.png"}])],
        [{"role": "system", "content": ASK},
         {"role": "user", "content": [{"type": "text", "text": "Look."},
                                      {"type": "image_url", "image_url": {"url": "https://example.com/json.png"}}]}],
    ),
}  # fmt: skip

JSON_MODE: dict[str, Callable[[dict[str, str]], Any]] = {
    "constructor": lambda service: ChatPollinations(**service, json_mode=True),
    "alias": lambda service: ChatPollinations(**service, jsonMode=True),
    "bind": lambda service: ChatPollinations(**service).bind(json_mode=True),
    "bind, alias": lambda service: ChatPollinations(**service).bind(jsonMode=True),
    "response_format": lambda service: ChatPollinations(**service, response_format={"type": "json_object"}),
    "bound format": lambda service: ChatPollinations(**service).bind(response_format={"type": "json_object"}),
}


@pytest.mark.parametrize("switch", JSON_MODE.values(), ids=JSON_MODE.keys())
@pytest.mark.parametrize(("asked", "wire"), WORDS.values(), ids=WORDS.keys())
def test_json_mode_says_json_once(
    emulator: Emulator,
    validator: jsonschema.Draft202012Validator,
    switch: Any,
    asked: Any,
    wire: list[dict[str, Any]],
) -> None:
    emulator.reply("{}")
    switch(emulator.connection()).invoke(asked)
    assert sent(emulator)["response_format"] == {"type": "json_object"}
    assert sent(emulator)["messages"] == wire
    validator.validate(sent(emulator))


def test_json_mode_in_all_ways_of_asking(emulator: Emulator, ask: Ask) -> None:
    chat = ChatPollinations(**emulator.connection())
    assert isinstance(json.loads(ask(chat, "Name a sea and its depth", json_mode=True).text), dict)
    assert sent(emulator)["response_format"] == {"type": "json_object"}
    ask(ChatPollinations(**emulator.connection(), json_mode=True), "Name a sea", jsonMode=False)
    assert "response_format" not in sent(emulator)


@tool
def depth(sea: str) -> int:
    """The depth of a sea."""
    return len(sea)


@pytest.mark.parametrize(
    ("make", "options", "form"),
    [
        pytest.param(lambda chat: chat.bind_tools([depth]), {}, None, id="with tools"),
        pytest.param(lambda chat: chat, {"response_format": None}, None, id="taken back for a call"),
        pytest.param(lambda chat: chat, {"json_mode": None}, None, id="None for a call"),
        pytest.param(lambda chat: chat, {"response_format": {"type": "text"}}, {"type": "text"}, id="text for a call"),
        pytest.param(lambda chat: chat.bind_tools([]), {}, {"type": "json_object"}, id="no tools after all"),
    ],
)
def test_json_mode_gives_way(emulator: Emulator, make: Any, options: Any, form: Any) -> None:
    emulator.reply("{}")
    make(ChatPollinations(**emulator.connection(), json_mode=True)).invoke("Name a sea", **options)
    assert sent(emulator).get("response_format") == form
    assert ("JSON" in str(sent(emulator)["messages"])) == (form == {"type": "json_object"})


def test_json_mode_of_a_call_is_read_as_in_the_constructor(emulator: Emulator) -> None:
    emulator.reply("{}", "{}")
    for chat, options in (
        (ChatPollinations(**emulator.connection(), json_mode="false"), {}),
        (ChatPollinations(**emulator.connection()), {"json_mode": "false"}),
    ):
        chat.invoke("Name a sea", **options)
        assert "response_format" not in sent(emulator)


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize(
    "text", ['{"a":' * 5_000, "{" * 12_000, "[" * 12_000, '{"a": [' * 5_000], ids=lambda text: text[:8]
)
@pytest.mark.parametrize("way", TWO_FORMS)
def test_a_model_that_runs_in_circles_stops_nobody(
    emulator: Emulator, chat: ChatPollinations, way: str, text: str
) -> None:
    """Each of its brackets could be the beginning of an answer. tests/test_growth.py tests how the time grows."""
    emulator.reply(f"Well: {text}", dialect="plain")
    with pytest.raises(OutputParserException, match="no JSON"):
        ANSWERS[way](chat.with_structured_output({"title": "A", "type": "object", "properties": {}}), "Go")


class Person(BaseModel):
    """A person."""

    name: str | None = None
    age: int | None = None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('The answer is {"name": "Ann", "age": 3}. Confidence: {"score": 0.9}', Person(name="Ann", age=3)),
        ('```json\n{"name": "Ann"}\n```\nby\n```json\n{"type": "object"}\n```', Person(name="Ann")),
        ('In the form {"name": ..., "age": ...}: {"name": "Ann", "age": 3}', Person(name="Ann", age=3)),
        ('{"name": "Ann", "friends": [{"name": "Bo"}, {"name": "C', None),
        ('It is {"name": "Ann", "friends": [{"name": "3 "big""}, {"name": "Bo"}]}', None),
    ],
    ids=["a note after it", "two fences", "a form before it", "cut off", "broken"],
)
@pytest.mark.parametrize("method", METHODS)
def test_the_object_that_is_meant_is_the_answer(
    emulator: Emulator, chat: ChatPollinations, method: Any, text: str, expected: Person | None
) -> None:
    emulator.reply(text, dialect="plain")
    runnable = chat.with_structured_output(Person, method=method)
    if expected is not None:
        assert runnable.invoke("Go") == expected
        return
    with pytest.raises(OutputParserException, match="no JSON"):
        runnable.invoke("Go")
