"""Convert JSON schemas to forms that providers accept, and repair values that nearly match a schema. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from langchain_pollinations._types import Json

# Keywords that hold several schemas by name, a list of schemas, or a single schema. The values of all other keywords
# are data, such as those of `enum` and `default`. A property may have the name of a keyword.
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems", "items")
_SINGLE = (
    "items", "additionalItems", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "propertyNames",
    "contains", "not", "if", "then", "else",
)  # fmt: skip


def rewrite(schema: Any, change: Callable[[Json], Json]) -> Any:
    """Return a copy of a schema with `change` applied to every schema in it, inner schemas first."""
    if not isinstance(schema, Mapping):
        return schema  # true and false are also schemas
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
    """Return a schema without some keywords, at any depth."""
    return rewrite(schema, lambda each: {key: value for key, value in each.items() if key not in keywords})


def portable(schema: Any) -> Any:
    """Return a schema without the keywords that only some providers support.

    A `discriminator` is removed: it belongs to OpenAPI, and its mapping may point to definitions that were expanded.
    The `oneOf` beside it becomes an `anyOf`, the only union that strict schemas may have. Keywords with the value null
    are left out.
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
    """Return a schema for strict mode: each object is closed and requires all its properties.

    This includes objects in unions and definitions.
    """
    return rewrite(schema, _strict)


def _strict(schema: Json) -> Json:
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}  # strict mode refuses keywords beside a reference
    schema = _as_any_of(schema)
    types = schema.get("type")
    if "properties" not in schema and types != "object" and not (isinstance(types, list) and "object" in types):
        return schema
    closed = {**schema, "additionalProperties": False}
    if properties := schema.get("properties"):
        closed["required"] = list(properties)
    return closed


def as_parameters(schema: Any) -> Any:
    """Return a schema for the parameters of a tool.

    OpenAI requires `properties` even for an object without any, and Anthropic requires a `type`.
    """
    if not isinstance(schema, Mapping):
        return schema
    known: Json = portable(with_definitions(schema))
    if not known.keys() & {"type", "anyOf", "oneOf", "allOf", "$ref"}:
        known = {"type": "object", **known}
    if known.get("type") == "object":
        known.setdefault("properties", {})
    return known


def with_definitions(schema: Mapping[str, Any]) -> Json:
    """Replace a reference at the root of a schema with its definition.

    Pydantic writes such a reference for a recursive class.
    """
    root, rest = schema.get("$ref"), {key: value for key, value in schema.items() if key != "$ref"}
    return {**_target(root, schema), **rest} if isinstance(root, str) and root != "#" else dict(schema)


# Maximum numbers of values and of levels that expanded references may add. Providers bill the values as tokens of the
# prompt. The levels are limited because LangChain expands references by recursion.
_MAX_EXPANDED_SIZE = 5_000
_MAX_DEPTH = 30


def keeps_references(schema: Any) -> bool:
    """Whether references must be kept, because the expanded schema would be infinite, very large or very deep."""
    graph = _reference_graph(schema)
    if (order := _in_order(graph)) is None:
        return True
    sizes: dict[str, int] = {}
    levels: dict[str, int] = {}
    for name in order:
        inner = graph[name]
        sizes[name] = min(_size(_target(name, schema)) + sum(sizes[each] for each in inner), _MAX_EXPANDED_SIZE + 1)
        levels[name] = 1 + max((levels[each] for each in inner), default=0)
    # LangChain expands the references outside the definitions.
    root = {key: value for key, value in schema.items() if key != "$defs"} if isinstance(schema, Mapping) else schema
    used = list(_references(root))
    added = sum(sizes[name] for name in used)
    return added > _MAX_EXPANDED_SIZE or any(levels[name] > _MAX_DEPTH for name in used)


def has_references(schema: Any) -> bool:
    """Whether a schema has a reference at any depth."""
    return next(_references(schema), None) is not None


def _reference_graph(schema: Any) -> dict[str, list[str]]:
    """Return each reference of a schema with a list of the references in its target. The list may have duplicates."""
    graph: dict[str, list[str]] = {}
    pending = list(_references(schema))
    while pending:
        if (name := pending.pop()) not in graph:
            graph[name] = list(_references(_target(name, schema)))
            pending += graph[name]
    return graph


def _in_order(graph: Mapping[str, Sequence[str]]) -> list[str] | None:
    """Sort the references so that each follows the references in its target. Return None if there is a cycle."""
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
    """Yield all values in a schema, including the schema itself."""
    pending = [schema]
    while pending:
        value = pending.pop()
        yield value
        pending += value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()


def _target(reference: str, schema: Any) -> Mapping[str, Any]:
    """Return the part of a schema that a reference points to. The result is empty if there is no such part."""
    found = schema
    for step in reference.removeprefix("#").split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        found = found.get(step) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


# --- Values -----------------------------------------------------------------------------------------------------------


def unpacked(text: Any) -> Any:
    """Parse a text that is a JSON list or object. Return None for any other text."""
    if not isinstance(text, str) or not text.lstrip().startswith(("[", "{")):
        return None
    try:
        found = json.loads(text, strict=False)  # models write raw line breaks
    except (ValueError, RecursionError):
        return None
    return found


def unpack_at(value: Any, places: Collection[tuple[Sequence[Any], type]]) -> Any:
    """Replace the JSON strings at some places of a value with the parsed lists and objects.

    Args:
        value: The value.
        places: Paths from Pydantic's errors, each with the required type. A path consists of keys and positions. Names
            of union members in a path are skipped.
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
    """Follow a path to a value. Return the list or object that contains the value, and the value's index or key."""
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
    """Return the properties that allow an array or an object but no string, each with the allowed types."""
    known = {name: _variants(_inner([schema], name), schema) for name in schema.get("properties") or ()}
    kinds = {
        name: frozenset(kind for kind in ("array", "object") if _allows(variants, kind))
        for name, variants in known.items()
    }
    return {name: found for name, found in kinds.items() if found}


def unpack_by(value: Any, schema: Any) -> Any:
    """Replace JSON strings in a value with the parsed lists and objects.

    A string is replaced only if the schema allows the list or object there, but no string.
    """
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
    """Return the schemas that a value may match, with references and unions resolved. Each schema is visited once."""
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
    """Whether the schemas allow the type `wanted` but no string. A schema without a type allows any value."""
    types = [kind for schema in schemas for kind in _types(schema)]
    return wanted in types and "string" not in types


def _types(schema: Mapping[str, Any]) -> list[Any]:
    types = schema.get("type", "string")
    return types if isinstance(types, list) else [types]


def _inner(schemas: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    """Return the schemas for a property. The list is empty if the property may have any value."""
    found = [(schema.get("properties") or {}).get(key, schema.get("additionalProperties")) for schema in schemas]
    return [each for each in found if isinstance(each, Mapping)]
