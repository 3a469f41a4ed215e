"""Values that the emulator makes for a JSON schema fit it."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_pollinations.emulator.synthesis.answers.schema_instances import instance
from tests.emulator.conftest import Say

TEXTS = st.sampled_from(["", "About cats", "Pick search and mail: red, 3 and 7", 'The dog "Rex" is 4 years old.'])
NAMES = st.sampled_from(["name", "age", "tags", "kind", "when", "items"])
PATTERNS = [
    r"^[A-Z]{3}-\d{3}$", r"^\+?[0-9]{7,15}$", r"[aeiou]{2}", r"^(red|green)$", r"^[^a-z ]+$", r"^\S+@\S+\.org$",
    r"^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$", r"^#[0-9a-fA-F]{6}$", r"^(?=.*\d)(?=.*[a-z]).{6,}$",
    r"^([ab])x\1$", r"^$", r"\bcat\b", r"^[\w.-]+$", r"^x*y+?z?$", r"^\W$", r"^[^\d\s]$",
]  # fmt: skip


def _range(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high)).map(lambda pair: (min(pair), max(pair)))


STRINGS = st.one_of(
    st.just({"type": "string"}),
    _range(0, 30).map(lambda r: {"type": "string", "minLength": r[0], "maxLength": r[1]}),
    st.sampled_from(PATTERNS).map(lambda pattern: {"type": "string", "pattern": pattern}),
    _range(0, 30).map(
        lambda r: {"type": "string", "pattern": "^[a-c]+-?[0-9]*$", "minLength": r[0], "maxLength": r[1] + 1}
    ),
    st.sampled_from(["date", "date-time", "email", "uuid"]).map(lambda form: {"type": "string", "format": form}),
)
NUMBERS = st.builds(
    lambda kind, r: {"type": kind, "minimum": r[0], "maximum": r[1]},
    st.sampled_from(["integer", "number"]),
    _range(-9, 9),
)
VALUES = st.one_of(
    st.lists(st.sampled_from(["red", "green", "search", "mail"]), min_size=1, unique=True).map(lambda v: {"enum": v}),
    st.sampled_from(["red", 3, None, True]).map(lambda value: {"const": value}),
    st.just({"anyOf": [{"const": "search", "type": "string"}, {"const": "mail", "type": "string"}]}),
)
PLAIN = st.one_of(STRINGS, NUMBERS, VALUES, st.sampled_from([{"type": "boolean"}, {"type": "null"}, {}, True]))


def _object(properties: dict[str, Any], required: list[str], closed: bool) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": sorted({*required} & properties.keys())}
    return {**schema, "additionalProperties": False} if closed else schema


def _tagged(first: dict[str, Any], second: dict[str, Any], key: str) -> dict[str, Any]:
    """A discriminated union, as Pydantic writes it."""

    def member(tag: str, properties: dict[str, Any]) -> dict[str, Any]:
        return _object({**properties, "tag": {"const": tag, "type": "string"}}, ["tag"], True)

    return {key: [member("red", first), member("mail", second)]}


KEYS = st.one_of(
    STRINGS,
    st.lists(st.sampled_from(["red", "green", "search", "mail"]), min_size=1, unique=True).map(lambda v: {"enum": v}),
    st.sampled_from([{"const": "red"}, {"$ref": "#/$defs/Key"}, {"anyOf": [{"$ref": "#/$defs/Key"}]}, {}, True]),
)


SCENE = _object({"prompt": {"type": "string"}, "minutes": {"type": "integer"}}, ["prompt"], True)


def _deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = st.dictionaries(NAMES, inner, max_size=3)
    lengths = _range(0, 4)
    return st.one_of(
        st.builds(_object, fields, st.lists(NAMES), st.booleans()),
        st.builds(lambda item, r: {"type": "array", "items": item, "minItems": r[0], "maxItems": r[1]}, inner, lengths),
        st.builds(lambda item, unique: {"type": "array", "items": item, "uniqueItems": unique}, inner, st.booleans()),
        st.integers(0, 6).map(lambda least: {"type": "array", "items": SCENE, "minItems": least, "uniqueItems": True}),
        st.builds(
            lambda value, keys, least: {
                "type": "object", "additionalProperties": value, "propertyNames": keys, "minProperties": least
            },
            inner, KEYS, st.integers(0, 1),
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda variants: {"anyOf": variants}),
        st.builds(_tagged, fields, fields, st.sampled_from(["anyOf", "oneOf"])),
        fields.map(lambda f: {"type": "array", "items": {"oneOf": [_object(f, [], False), {"type": "null"}]}}),
        inner.map(lambda schema: {"allOf": [schema]}),
        inner.map(lambda schema: {"$ref": "#/$defs/Shared"} if schema is True else schema),
    )  # fmt: skip


SCHEMAS = st.recursive(PLAIN, _deeper, max_leaves=8)


@given(SCHEMAS, TEXTS)
def test_an_instance_fits_its_schema(schema: Any, text: str) -> None:
    whole = {"$defs": {"Shared": {"type": "integer"}, "Key": {"enum": ["mail", "red"]}}, "allOf": [schema]}
    assert list(jsonschema.Draft202012Validator(whole).iter_errors(instance(whole, text))) == []


CHOICE = {"anyOf": [{"const": "search", "description": "Finds."}, {"const": "mail", "description": "Sends."}]}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param({"type": "array", "items": CHOICE}, ["mail"], id="a list of single values"),
        pytest.param({"type": "array", "items": {"oneOf": CHOICE["anyOf"]}}, ["mail"], id="by oneOf"),
        pytest.param(CHOICE, "mail", id="one value"),
        pytest.param(
            {"type": "object", "additionalProperties": {"const": 1}, "propertyNames": {"enum": ["red", "team"]}},
            {"team": 1},
            id="a key of several",
        ),
        pytest.param(
            {"additionalProperties": {"const": 1}, "propertyNames": {"enum": ["a", "team"]}, "type": "object"}
            | {"minProperties": 2},
            {"team": 1, "a": 1},
            id="several keys",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": {"const": 1}, "propertyNames": {"format": "date"}},
            {"2026-01-15": 1},
            id="a date as a key",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": True, "minProperties": 1},
            {"please_send_a": "Please send a mail to the team in İzmir"},
            id="any key",
        ),
        pytest.param({"type": "string", "pattern": "^[A-Z]{2}[0-9]{9}$"}, "AA000000000", id="a pattern"),
        pytest.param({"enum": ["ankara", "İzmir"]}, "İzmir", id="a letter that becomes two"),
    ],
)
def test_an_instance_follows_the_text(schema: dict[str, Any], expected: Any) -> None:
    assert instance(schema, "Please send a mail to the team in İzmir") == expected


def test_a_date_of_the_text_is_the_first_key() -> None:
    days = {"type": "object", "additionalProperties": {"const": 1}, "propertyNames": {"format": "date"}}
    assert list(instance(days | {"minProperties": 2}, "From 2026-03-03 on")) == ["2026-03-03", "2026-01-15"]


SCENES = {"type": "object", "properties": {"prompt": {"type": "string"}, "hour": {"type": "integer"}}}


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": "array", "items": {"type": "integer"}, "minItems": 1000}, id="many"),
        pytest.param({"type": "array", "items": SCENES | {"required": ["prompt"]}, "minItems": 8}, id="scenes"),
        pytest.param({"type": "array", "items": {"type": "string"}, "minItems": 5}, id="strings"),
        pytest.param({"type": "array", "items": {"type": "number", "maximum": 9}, "minItems": 5}, id="numbers"),
        pytest.param({"type": "array", "items": {"enum": ["a", "b", 3]}, "minItems": 3}, id="values"),
        pytest.param(
            {"type": "array", "items": {"type": "string", "maxLength": 9}, "minItems": 12}, id="short strings"
        ),
        pytest.param(
            {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}, "minItems": 5}, id="fractions"
        ),
        pytest.param(
            {"type": "object", "additionalProperties": {}, "propertyNames": {"maxLength": 4}, "minProperties": 3},
            id="short names",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": {}, "propertyNames": {"enum": [1, 2]}}, id="no possible name"
        ),
        *(
            pytest.param({"type": "array", "items": {"type": "string", "format": form}, "minItems": 40}, id=form)
            for form in ("date", "date-time", "email", "uri", "uuid")
        ),
        pytest.param(
            {"type": "array", "items": {"type": "array", "prefixItems": [{"type": "integer"}] * 2}, "minItems": 4},
            id="pairs",
        ),
    ],
)
@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.parametrize("text", ["About cats", "Tell a story of a fox in three scenes."])
def test_a_list_has_as_many_items_as_the_schema_requires(
    say: Say, schema: dict[str, Any], unique: bool, text: str
) -> None:
    items = {**schema, "uniqueItems": unique}
    whole = {"type": "object", "properties": {"list": items}, "required": ["list"], "additionalProperties": False}
    answer = say(text, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": whole}})
    value = json.loads(answer.json()["choices"][0]["message"]["content"])
    assert list(jsonschema.Draft202012Validator(whole).iter_errors(value)) == []


def _nested(item: Any, levels: int, least: int) -> dict[str, Any]:
    for _ in range(levels):
        item = {"type": "array", "items": item, "minItems": least}
    return {"type": "object", "properties": {"x": item}, "required": ["x"]}


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(_nested({"type": "string"}, 3, 100), id="nested lists"),
        pytest.param(_nested({"type": "string", "minLength": 20_000}, 1, 1000), id="long strings"),
        pytest.param(_nested({"type": "string", "minLength": 10**12}, 1, 1), id="one long string"),
        pytest.param(_nested({"type": "integer"}, 1, 10**12), id="one long list"),
        pytest.param(_nested({"type": ["string", "null"], "default": None}, 1, 10**6), id="many nulls"),
        pytest.param(_nested({"enum": list(range(1000))}, 2, 1000), id="many choices"),
        pytest.param(_nested({"const": "x" * 50_000}, 2, 50), id="long constants"),
        pytest.param(_nested({"enum": ["x" * 50_000]}, 2, 50), id="long choices"),
        pytest.param({"type": "object", "additionalProperties": {}, "minProperties": 10**12}, id="many properties"),
    ],
)
def test_a_schema_that_asks_for_too_much_is_rejected(say: Say, schema: dict[str, Any]) -> None:
    answer = say("hi", response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    assert answer.status_code == 400
    assert "too large" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "items",
    [
        {"type": "boolean"},
        {"enum": ["a", "b"]},
        {"anyOf": [{"const": "a"}, {"enum": ["a", "b"]}]},
        {"type": "string", "format": "ipv4"},
        {"pattern": "^[A-Z]{3}$"},
    ],
)
def test_a_list_without_enough_different_items_is_rejected(say: Say, items: dict[str, Any]) -> None:
    schema = _nested(items, 1, 3)
    schema["properties"]["x"]["uniqueItems"] = True
    answer = say("hi", response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    assert answer.status_code == 400
    assert "cannot make at least 3 different values" in answer.json()["error"]["message"]


def test_a_long_prompt_does_not_count_for_each_value(say: Say) -> None:
    """Each value once took the length of the prompt, and the time to copy it."""
    fields = {f"description_{number}": {"type": "string", "maxLength": 100} for number in range(20)}
    rows = {"type": "array", "items": {"type": "object", "properties": fields, "required": list(fields)}, "minItems": 5}
    words = {"type": "array", "items": {"enum": [f"value{number}" for number in range(2000)]}}
    schema = {"type": "object", "properties": {"rows": rows, "words": words}, "required": ["rows", "words"]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = say("A whale sleeps upright. " * 17_500, response_format=form)
    value = json.loads(answer.json()["choices"][0]["message"]["content"])
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(value)) == []


@pytest.mark.parametrize("mark", ["\u00ab", "\u201e", "\u300c", "\u300e", "\u2018", "'", '"'])
def test_a_text_of_quotation_marks_is_read_in_time_that_grows_with_its_length(mark: str) -> None:
    assert instance({"type": "integer"}, f"{mark} " * 200_000) == 1


@pytest.mark.parametrize("pattern", ["^x{999999999}$", "^(?:(?:x{9999}){9999}){9999}$", "^x+$"])
def test_a_pattern_does_not_make_a_text_without_limit(pattern: str) -> None:
    assert 20_000 <= len(instance({"type": "string", "pattern": pattern, "minLength": 20_000}, "hi")) < 40_000


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param({"anyOf": [{"enum": ["art"]}, {"type": "null"}]}, None, id="an optional value within a word"),
        pytest.param({"type": "array", "items": {"enum": ["cart", "art", "red"]}}, ["red"], id="values within words"),
        pytest.param({"enum": ["c", "art", "C++"]}, "C++", id="a value that ends with punctuation"),
    ],
)
def test_a_value_is_found_as_a_word(schema: dict[str, Any], expected: Any) -> None:
    assert instance(schema, "Start a red C++ cartridge") == expected


def test_names_in_a_story_are_names(say: Say) -> None:
    hero = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    schema = {"type": "object", "properties": {"heroes": {"type": "array", "items": hero}}, "required": ["heroes"]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = say("Tell a story in three scenes about Ada and Bo.", response_format=form)
    heroes = json.loads(answer.json()["choices"][0]["message"]["content"])["heroes"]
    assert [hero["name"] for hero in heroes][:2] == ["Ada", "Bo"]
