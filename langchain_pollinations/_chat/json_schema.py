"""JSON schemas as providers take them, and values that nearly fit one. Pure functions, without tools or messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from langchain_pollinations._types import Json

# Where schemas stand inside a schema. Everything else is data: an `enum`, a `default`, or a property that happens to
# have the name of a keyword.
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems", "items")
_SINGLE = (
    "items", "additionalItems", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "propertyNames",
    "contains", "not", "if", "then", "else",
)  # fmt: skip


def rewrite(schema: Any, change: Callable[[Json], Json]) -> Any:
    """A copy of a schema with a change made to every schema in it, inner ones first."""
    if not isinstance(schema, Mapping):
        return schema  # true and false are schemas, too
    copied = dict(schema)
    for key in _NAMED:
        if isinstance(inner := copied.get(key), Mapping):
            copied[key] = {name: rewrite(each, change) for name, each in inner.items()}
    for key in _LISTED:
        if isinstance(inner := copied.get(key), list):
            copied[key] = [rewrite(each, change) for each in inner]
    for key in _SINGLE:
        if isinstance(inner := copied.get(key), Mapping):
            copied[key] = rewrite(inner, change)
    return change(copied)


def without(schema: Any, keywords: Collection[str]) -> Any:
    """A schema without some keywords, at any depth."""
    return rewrite(schema, lambda each: {key: value for key, value in each.items() if key not in keywords})


def portable(schema: Any) -> Any:
    """A schema without what only some readers understand.

    A `discriminator` belongs to OpenAPI; its mapping points to definitions that may be written out meanwhile. The union
    becomes an `anyOf`, the only one that strict schemas may have. A null in place of a keyword is left out.
    """
    return rewrite(schema, _portable)


def _portable(schema: Json) -> Json:
    known = {key: value for key, value in schema.items() if value is not None or key in ("default", "const", "example")}
    if isinstance(known.get("discriminator"), Mapping):
        del known["discriminator"]
        known = _as_any_of(known)
    return known


def _as_any_of(schema: Json) -> Json:
    if "oneOf" not in schema or "anyOf" in schema:
        return schema
    return {{"oneOf": "anyOf"}.get(key, key): value for key, value in schema.items()}


def as_strict(schema: Any) -> Any:
    """A schema as strict mode wants it: each object is closed and has all its properties, in unions and definitions
    as well."""
    return rewrite(schema, _strict)


def _strict(schema: Json) -> Json:
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}  # strict mode refuses keywords beside it
    schema = _as_any_of(schema)
    types = schema.get("type")
    if "properties" not in schema and types != "object" and not (isinstance(types, list) and "object" in types):
        return schema
    closed = {**schema, "additionalProperties": False}
    if properties := schema.get("properties"):
        closed["required"] = list(properties)
    return closed


def as_parameters(schema: Any) -> Any:
    """A schema as the parameters of a tool: OpenAI wants `properties` even of an object that has none, Anthropic a
    `type`."""
    if not isinstance(schema, Mapping):
        return schema
    known: Json = portable(with_definitions(schema))
    if not known.keys() & {"type", "anyOf", "oneOf", "allOf", "$ref"}:
        known = {"type": "object", **known}
    if known.get("type") == "object":
        known.setdefault("properties", {})
    return known


def with_definitions(schema: Mapping[str, Any]) -> Json:
    """A schema whose root is no reference to one of its definitions: Pydantic writes recursive classes so."""
    root, rest = schema.get("$ref"), {key: value for key, value in schema.items() if key != "$ref"}
    return {**_target(root, schema), **rest} if isinstance(root, str) and root != "#" else dict(schema)


# What references may add when they are written out, in values and in levels. A provider bills a schema as words of the
# prompt, and LangChain writes references out by recursion.
_MAX_EXPANDED_SIZE = 5_000
_MAX_DEPTH = 30


def keeps_references(schema: Any) -> bool:
    """Whether references have to stay: written out, the schema would have no end, or be very large or very deep."""
    graph = _reference_graph(schema)
    if (order := _in_order(graph)) is None:
        return True
    sizes: dict[str, int] = {}
    levels: dict[str, int] = {}
    for name in order:
        inner = graph[name]
        sizes[name] = min(_size(_target(name, schema)) + sum(sizes[each] for each in inner), _MAX_EXPANDED_SIZE + 1)
        levels[name] = 1 + max((levels[each] for each in inner), default=0)
    # LangChain writes out those that stand outside the definitions.
    root = {key: value for key, value in schema.items() if key != "$defs"} if isinstance(schema, Mapping) else schema
    used = list(_references(root))
    added = sum(sizes[name] for name in used)
    return added > _MAX_EXPANDED_SIZE or any(levels[name] > _MAX_DEPTH for name in used)


def has_references(schema: Any) -> bool:
    """Whether a schema has a reference at any depth."""
    return next(_references(schema), None) is not None


def _reference_graph(schema: Any) -> dict[str, list[str]]:
    """The references in what each reference of a schema stands for, repeated as often as they stand there."""
    graph: dict[str, list[str]] = {}
    pending = list(_references(schema))
    while pending:
        if (name := pending.pop()) not in graph:
            graph[name] = list(_references(_target(name, schema)))
            pending += graph[name]
    return graph


def _in_order(graph: Mapping[str, Sequence[str]]) -> list[str] | None:
    """The references, each after those it leads to; None where one leads back to itself."""
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError:
        return None


def _references(schema: Any) -> Iterator[str]:
    for each in _values(schema):
        if isinstance(each, Mapping) and isinstance(name := each.get("$ref"), str):
            yield name


def _size(schema: Any) -> int:
    return sum(1 for _ in _values(schema))


def _values(schema: Any) -> Iterator[Any]:
    """All values in a schema, itself included."""
    pending = [schema]
    while pending:
        value = pending.pop()
        yield value
        pending += value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()


def _target(reference: str, schema: Any) -> Mapping[str, Any]:
    """What a reference into a schema stands for; empty where it leads nowhere."""
    found = schema
    for step in reference.removeprefix("#").split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        found = found.get(step) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


# --- Values -----------------------------------------------------------------------------------------------------------


def unpacked(text: Any) -> Any:
    """The list or object that a text holds as JSON; None where it holds none."""
    if not isinstance(text, str) or not text.lstrip().startswith(("[", "{")):
        return None
    try:
        found = json.loads(text, strict=False)  # models write raw line breaks
    except (ValueError, RecursionError):
        return None
    return found


def unpack_at(value: Any, places: Collection[tuple[Sequence[Any], type]]) -> Any:
    """A value with lists and objects in place of the JSON texts that stand at some places.

    A place is a path as Pydantic tells it, with the type that belongs there: keys, positions, and names of union
    members, which are passed over.
    """
    if not places:
        return value
    whole = [json.loads(json.dumps(value))]
    found = [(*_found_at(whole, path), wanted) for path, wanted in places]
    for holder, step, wanted in found:
        if isinstance(inner := unpacked(holder[step]), wanted):
            holder[step] = inner
    return whole[0]


def _found_at(whole: list[Any], path: Sequence[Any]) -> tuple[Any, Any]:
    """The list or object that holds the value at the end of a path, and its position or key there."""
    holder, last = whole, 0
    for step in path:
        if _has(holder[last], step):
            holder, last = holder[last], step
    return holder, last


def _has(holder: Any, step: Any) -> bool:
    if isinstance(holder, list):
        return isinstance(step, int) and step < len(holder)
    return isinstance(holder, dict) and step in holder


def never_text(schema: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """The properties that may be an array or an object and never a text, and which of these two."""
    known = {name: _variants(_inner([schema], name), schema) for name in schema.get("properties") or ()}
    kinds = {
        name: frozenset(kind for kind in ("array", "object") if _allows(variants, kind))
        for name, variants in known.items()
    }
    return {name: found for name, found in kinds.items() if found}


def unpack_by(value: Any, schema: Any) -> Any:
    """A value with lists and objects in place of JSON texts, wherever its schema allows these and no text."""
    return _unpack_by(value, [schema], schema)


def _unpack_by(value: Any, schemas: Sequence[Any], root: Any) -> Any:
    known = _variants(schemas, root)
    found = unpacked(value)
    if found is not None and _allows(known, "object" if isinstance(found, dict) else "array"):
        value = found
    if isinstance(value, dict):
        return {key: _unpack_by(each, _inner(known, key), root) for key, each in value.items()}
    if isinstance(value, list):
        items = [schema["items"] for schema in known if "items" in schema]
        return [_unpack_by(each, items, root) for each in value]
    return value


def _variants(schemas: Sequence[Any], root: Any) -> list[Mapping[str, Any]]:
    """The schemas one of which a value has to fit, without references and unions. Each is looked at once."""
    found: list[Mapping[str, Any]] = []
    pending, seen = [*schemas], set[int]()
    while pending:
        schema = pending.pop()
        if not isinstance(schema, Mapping):
            found.append({})
        elif id(schema) not in seen:
            seen.add(id(schema))
            if isinstance(name := schema.get("$ref"), str):
                pending.append(_target(name, root))
                continue
            united = [each for key in ("anyOf", "oneOf", "allOf") for each in schema.get(key) or ()]
            pending += united
            if not united or "properties" in schema:
                found.append(schema)
    return found


def _allows(schemas: Sequence[Mapping[str, Any]], wanted: str) -> bool:
    """Whether a list or object is allowed and a text is not. A schema without a type allows anything."""
    types = [kind for schema in schemas for kind in _types(schema)]
    return wanted in types and "string" not in types


def _types(schema: Mapping[str, Any]) -> list[Any]:
    types = schema.get("type", "string")
    return types if isinstance(types, list) else [types]


def _inner(schemas: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    """The schemas for a property. It may be anything where no schema says more."""
    found = [(schema.get("properties") or {}).get(key, schema.get("additionalProperties")) for schema in schemas]
    return [each for each in found if isinstance(each, Mapping)]
