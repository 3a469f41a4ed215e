"""JSON schemas as they go out: of tools, of structured answers, and of whatever is bound as a `response_format`."""

from __future__ import annotations

import json
import re
import sys
import typing
from collections.abc import Callable, Iterator
from functools import cache
from typing import Annotated, Any, Literal, Optional, Union  # noqa: F401, in classes made by their names

import jsonschema
import pydantic.v1
import pytest
from langchain_core.tools import StructuredTool, tool
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from langchain_pollinations._chat.json_schema import keeps_references, unpack_by
from langchain_pollinations._chat.structured_output import json_schema
from langchain_pollinations._chat.tools import encode_tool
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator

Json = dict[str, Any]


class Cat(BaseModel):
    """A cat."""

    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    """A dog."""

    kind: Literal["dog"]
    name: str


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


class Owner(BaseModel):
    """A person with pets."""

    pet: Pet
    others: list[Pet] = []


class Tree(BaseModel):
    """A tree."""

    name: str
    children: list[Tree] = []


class Forest(BaseModel):
    """Discriminated and recursive."""

    pet: Pet
    tree: Tree


class OldTree(pydantic.v1.BaseModel):
    """A tree."""

    name: str
    children: list[OldTree] = []


OldTree.update_forward_refs(OldTree=OldTree)


class TreeDict(TypedDict):
    """A tree."""

    name: str
    children: list[TreeDict]


class Link(typing.TypedDict):
    """A link."""

    following: Link | None


def plant(name: str, children: list[Tree]) -> str:
    """Plants a tree."""
    return name


def adopt(pet: Pet, others: list[Pet]) -> str:
    """Adopts pets."""
    return str(pet)


def _mcp(schema: Json) -> StructuredTool:
    """A tool as LangChain's MCP adapter makes it."""
    return StructuredTool(name="mcp", description="Does it.", args_schema=schema, func=lambda **given: str(given))


ROOT: Json = {"title": "Node", "type": "object", "properties": {"next": {"$ref": "#"}, "name": {"type": "string"}}}


@pytest.fixture
def sent(emulator: Emulator) -> Callable[[Any], Json]:
    """Invokes a runnable and gives the request's body."""

    def send(runnable: Any) -> Json:
        emulator.reply("{}")
        runnable.invoke("Go")
        body: Json = emulator.requests[-1].json
        return body

    return send


def schemas_of(body: Json) -> list[Json]:
    """The schemas of a request."""
    functions = [each["function"] for each in body.get("tools", ())] + body.get("functions", [])
    found = [each["parameters"] for each in functions]
    form = body.get("response_format", {}).get("json_schema")
    return [*found, form["schema"]] if form else found


def inside(schema: Any) -> Iterator[Json]:
    """Every object in a schema."""
    if isinstance(schema, dict):
        yield schema
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from inside(value)


# --- Parameters of tools ----------------------------------------------------------------------------------------------

EMPTY: Json = {"type": "object", "properties": {}}
DEEP: Json = {"type": "object", "properties": {"a": {"type": "object"}}}


@pytest.mark.parametrize(
    ("given", "wire"),
    [
        pytest.param({"type": "object"}, EMPTY, id="no properties"),
        pytest.param({"type": "object", "properties": None}, EMPTY, id="null"),
        pytest.param({"type": "object", "properties": None, "required": None}, EMPTY, id="nulls"),
        pytest.param({}, EMPTY, id="nothing"),
        pytest.param({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}, id="no type"),
        pytest.param(DEEP, DEEP, id="an inner object may be anything"),
        pytest.param(
            {"type": "object", "properties": {"a": {"type": "object", "properties": None}}}, DEEP, id="null inside"
        ),
        pytest.param(
            {"type": "object", "properties": {"a": {"default": None, "enum": [None]}}},
            {"type": "object", "properties": {"a": {"default": None, "enum": [None]}}},
            id="a null that is a value",
        ),
        pytest.param(
            {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "title": "A"}}},
            {**EMPTY, "title": "A", "$defs": {"A": {"type": "object", "title": "A"}}},
            id="a reference at the root",
        ),
        pytest.param({"anyOf": [DEEP, EMPTY]}, {"anyOf": [DEEP, EMPTY]}, id="a union"),
    ],
)
@pytest.mark.parametrize("form", ["openai", "function", "anthropic", "bedrock", "functions"])
def test_parameters_of_a_tool_are_an_object(
    chat: ChatPollinations, sent: Callable[[Any], Json], given: Json, wire: Json, form: str
) -> None:
    described = {"name": "f", "description": "F.", "parameters": given}
    forms: Json = {
        "openai": {"type": "function", "function": described},
        "function": described,
        "anthropic": {"name": "f", "description": "F.", "input_schema": given},
        "bedrock": {"toolSpec": {"name": "f", "description": "F.", "inputSchema": {"json": given}}},
    }
    bound: Any = chat.bind(functions=[described]) if form == "functions" else chat.bind_tools([forms[form]])
    assert schemas_of(sent(bound)) == [wire]


@tool
def nothing() -> str:
    """Takes nothing."""
    return ""


@pytest.mark.parametrize("given", [_mcp({"type": "object"}), _mcp({"type": "object", "properties": {}}), nothing])
def test_a_tool_without_arguments_has_no_properties(given: Any) -> None:
    parameters = encode_tool(given)["function"]["parameters"]
    assert (parameters["type"], parameters["properties"]) == ("object", {})


def test_a_tool_without_parameters_keeps_none(chat: ChatPollinations, sent: Callable[[Any], Json]) -> None:
    for parameters in ({}, {"parameters": None}):
        body = sent(chat.bind_tools([{"type": "function", "function": {"name": "f", **parameters}}]))
        assert body["tools"] == [{"type": "function", "function": {"name": "f"}}]


# --- Unions and recursion ---------------------------------------------------------------------------------------------

# What is bound, and a value that fits.
PETS = {"pet": {"kind": "dog", "name": "Rex"}, "others": [{"kind": "cat", "lives": 9}]}
TREE = {"name": "a", "children": [{"name": "b", "children": []}]}
FOREST = {"pet": PETS["pet"], "tree": TREE}
BROKEN = {
    "pet": {**PETS, "pet": {"kind": "dog"}},
    "name": {"name": "a", "children": [{"nom": "b"}]},
    "tree": {**FOREST, "tree": {"name": "a", "children": [{"nom": "b"}]}},
}

Bind = Callable[[ChatPollinations, bool | None], Any]


def _bound(given: Any) -> Bind:
    return lambda chat, strict: chat.bind_tools([given], strict=strict)


def _structured(schema: Any, method: Any) -> Bind:
    return lambda chat, strict: chat.with_structured_output(schema, method=method, strict=strict).first  # type: ignore[attr-defined]


def _form(schema: Json) -> Bind:
    """As `create_agent` binds it for its ProviderStrategy."""

    def bind(chat: ChatPollinations, strict: bool | None) -> Any:
        told = {} if strict is None else {"strict": strict}
        return chat.bind_tools(
            [], response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema, **told}}
        )

    return bind


HOLDERS: dict[str, tuple[Bind, Json]] = {
    "a class": (_bound(Owner), PETS),
    "a function": (_bound(adopt), PETS),
    "a tool": (_bound(tool(adopt)), PETS),
    "an MCP tool": (_bound(_mcp(Owner.model_json_schema())), PETS),
    "a schema": (_bound(Owner.model_json_schema()), PETS),
    "json_schema": (_structured(Owner, "json_schema"), PETS),
    "function_calling": (_structured(Owner, "function_calling"), PETS),
    "a schema by json_schema": (_structured(Owner.model_json_schema(), "json_schema"), PETS),
    "an agent's form": (_form(Owner.model_json_schema()), PETS),
    "a recursive class": (_bound(Tree), TREE),
    "a recursive function": (_bound(plant), TREE),
    "a recursive tool": (_bound(tool(plant)), TREE),
    "a recursive MCP tool": (_bound(_mcp(Tree.model_json_schema())), TREE),
    "a recursive class of Pydantic 1": (_bound(OldTree), TREE),
    "a recursive TypedDict": (_bound(TreeDict), TREE),
    "a recursive answer": (_structured(Tree, "json_schema"), TREE),
    "a recursive call": (_structured(Tree, "function_calling"), TREE),
    "a recursive TypedDict as an answer": (_structured(TreeDict, "json_schema"), TREE),
    "a recursive form of an agent": (_form(Tree.model_json_schema()), TREE),
    "both": (_bound(Forest), FOREST),
    "both as an answer": (_structured(Forest, "json_schema"), FOREST),
}


@pytest.mark.parametrize("strict", [None, True])
@pytest.mark.parametrize(("bind", "fits"), HOLDERS.values(), ids=HOLDERS.keys())
def test_unions_and_recursion_go_out_whole(
    chat: ChatPollinations, sent: Callable[[Any], Json], bind: Bind, fits: Json, strict: bool | None
) -> None:
    """Every reference leads somewhere, no union has a discriminator, and strict mode reaches every object."""
    (schema,) = schemas_of(sent(bind(chat, strict)))
    assert "discriminator" not in json.dumps(schema) and "oneOf" not in json.dumps(schema)
    for _, names, name in re.findall(r'"#/(((?:\$defs|definitions))/([^"]+))"', json.dumps(schema)):
        assert name in schema[names]
    check = jsonschema.Draft202012Validator(schema)
    check.validate(fits)
    assert not any(check.is_valid(BROKEN[key]) for key in BROKEN.keys() & fits.keys())
    if strict:
        for each in inside(schema):
            if each.get("type") == "object":
                assert each["additionalProperties"] is False
                assert each["required"] == list(each["properties"])


def test_a_schema_that_refers_to_its_root_is_recursive(chat: ChatPollinations, sent: Callable[[Any], Json]) -> None:
    (schema,) = schemas_of(sent(chat.bind_tools([ROOT])))
    assert schema["properties"]["next"] == {"$ref": "#"}


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        ({}, False),
        (True, False),
        (Owner.model_json_schema(), False),
        (Tree.model_json_schema(), True),
        (ROOT, True),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"items": {"$ref": "#/$defs/A"}}}}, True),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"type": "string"}}}, False),
        ({"properties": {"a": {"$ref": "#/$defs/missing"}}}, False),
        ({"properties": {"a~b/c": {"items": {"$ref": "#/properties/a~0b~1c"}}}}, True),
    ],
)
def test_recursion_is_found(schema: Any, found: bool) -> None:
    assert keeps_references(schema) is found


@cache
def _mutual(base: str, count: int = 12) -> Any:
    """The first of some classes each of which refers to all."""
    names = [f"{base.replace('.', '_')}{number}" for number in range(count)]
    for name in names:  # in this module, where references to them are looked up
        exec(f"class {name}({base}):\n    a: Optional[Union[{', '.join(map(repr, names))}]]", globals())
    for name in names:
        if "v1" in base:
            globals()[name].update_forward_refs(**globals())
        elif base == "BaseModel":
            globals()[name].model_rebuild(_types_namespace=globals())
    return globals()[names[0]]


def _chain(count: int) -> Json:
    """A schema whose definitions refer twice to the next one, the last one to none."""
    following: Json = {"anyOf": [{"$ref": "#/$defs/D{}"}, {"type": "null"}]}
    definitions = {
        f"D{number}": {
            "type": "object",
            "properties": json.loads(json.dumps({"a": following, "b": following}).replace("{}", str(number + 1))),
        }
        for number in range(count)
    }
    last = {f"D{count}": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}}
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/D0"}}, "$defs": {**definitions, **last}}


def _nested(count: int, value: Any) -> Json:
    return {"a": _nested(count - 1, value) if count else value}


ENDS, BREAKS = {"a": {"a": None}}, {"a": 1}
LARGE: dict[str, tuple[Callable[[], Bind], Json, Json]] = {
    "mutual classes": (lambda: _bound(_mutual("BaseModel")), ENDS, BREAKS),
    "mutual classes of Pydantic 1": (lambda: _bound(_mutual("pydantic.v1.BaseModel")), {"a": {}}, BREAKS),
    "mutual TypedDicts": (lambda: _bound(_mutual("TypedDict")), ENDS, BREAKS),
    "mutual answer": (lambda: _structured(_mutual("BaseModel"), "json_schema"), ENDS, BREAKS),
    "mutual call": (lambda: _structured(_mutual("BaseModel"), "function_calling"), ENDS, BREAKS),
    "mutual TypedDicts as an answer": (lambda: _structured(_mutual("TypedDict"), "json_schema"), ENDS, BREAKS),
    "a diamond": (lambda: _bound(_mcp(_chain(30))), _nested(30, {"name": "x"}), _nested(30, {"nom": "x"})),
    "a diamond of 200": (lambda: _bound(_mcp(_chain(200))), _nested(20, None), _nested(20, 1)),
}


@pytest.mark.parametrize("strict", [None, True])
@pytest.mark.parametrize(("make", "fits", "wrong"), LARGE.values(), ids=LARGE.keys())
def test_schemas_that_would_be_large_without_references_keep_them(
    chat: ChatPollinations, sent: Callable[[Any], Json], make: Callable[[], Bind], fits: Json, wrong: Json, strict: Any
) -> None:
    (schema,) = schemas_of(sent(make()(chat, strict)))
    assert len(json.dumps(schema)) < 100_000
    check = jsonschema.Draft202012Validator(schema)
    assert (check.is_valid(fits) or strict) and not check.is_valid(wrong)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Pydantic reads typing.TypedDict there")
def test_a_recursive_typed_dict_that_pydantic_cannot_read_is_refused(chat: ChatPollinations) -> None:
    with pytest.raises(ValueError, match=r"tool 'Link' cannot be described(.|\n)*typing_extensions.TypedDict"):
        chat.bind_tools([Link])


def test_a_deep_value_of_unions_of_many_classes_is_read() -> None:
    schema = json_schema(_mutual("BaseModel"))
    assert unpack_by(_nested(30, '{"a": null}'), schema) == _nested(30, {"a": None})


@pytest.mark.parametrize("count", [0, 1, 5])
def test_small_schemas_have_no_references(chat: ChatPollinations, sent: Callable[[Any], Json], count: int) -> None:
    (schema,) = schemas_of(sent(chat.bind_tools([_mcp(_chain(count))])))
    assert "$ref" not in json.dumps(schema)


def test_a_reference_that_leads_nowhere_is_named(chat: ChatPollinations) -> None:
    broken = _mcp({"type": "object", "properties": {"a": {"$ref": "#/$defs/missing"}}})
    with pytest.raises(ValueError, match=r"tool 'mcp' cannot be described(.|\n)*missing"):
        chat.bind_tools([broken])


@pytest.mark.parametrize("strict", [True, False])
def test_strict_that_contradicts_a_tool_is_refused(chat: ChatPollinations, strict: bool) -> None:
    given = {"name": "f", "parameters": EMPTY, "strict": not strict}
    with pytest.raises(ValueError, match=f"strict={strict}, but tool 'f' has strict={not strict}"):
        chat.bind_tools([given], strict=strict)


# --- Keywords that a provider refuses ---------------------------------------------------------------------------------


class Counts(BaseModel):
    """Counts by colour."""

    # Older versions of Pydantic do not write the keyword by themselves.
    counts: dict[Literal["red", "blue"], int] = Field(json_schema_extra={"propertyNames": {"enum": ["red", "blue"]}})
    propertyNames: list[str] = []  # a field that has the name of a keyword


@pytest.mark.parametrize(
    ("bind", "model", "kept"),
    [
        *[
            pytest.param(bind, model, kept, id=f"{name}, {model}")
            for name, bind in {
                "tool": _bound(Counts),
                "MCP tool": _bound(_mcp(Counts.model_json_schema())),
                "answer": _structured(Counts, "json_schema"),
                "call": _structured(Counts, "function_calling"),
                "agent": _form(Counts.model_json_schema()),
            }.items()
            for model, kept in {"gemini-fast": False, "google/gemini-3.8-flash": False, "openai": True}.items()
        ],
        pytest.param(_bound(Counts), "google/gemini-9-unheard-of", False, id="a model that the snapshot lacks"),
    ],
)
@pytest.mark.parametrize("where", ["constructor", "call"])
def test_a_keyword_that_a_publisher_refuses_is_left_out(
    emulator: Emulator, chat: ChatPollinations, bind: Bind, model: str, kept: bool, where: str
) -> None:
    if where == "constructor":
        chat = ChatPollinations(model=model, **emulator.connection())
    options = {"model": model} if where == "call" else {}
    if "unheard" in model:  # refused before a scripted reply would be given
        with pytest.raises(ValueError, match="unheard-of"):
            bind(chat, None).invoke("Go", **options)
    else:
        emulator.reply("{}")
        bind(chat, None).invoke("Go", **options)
    (schema,) = schemas_of(emulator.requests[-1].json)
    assert ("propertyNames" in schema["properties"]["counts"]) is kept
    assert schema["properties"]["propertyNames"]["type"] == "array"
