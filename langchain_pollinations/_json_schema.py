"""JSON schemas as providers take them, and values that nearly fit one. Pure functions, without tools or messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

Json = dict[str, Any]

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
    known: Json = portable(rooted(schema))
    if not known.keys() & {"type", "anyOf", "oneOf", "allOf", "$ref"}:
        known = {"type": "object", **known}
    if known.get("type") == "object":
        known.setdefault("properties", {})
    return known


def rooted(schema: Mapping[str, Any]) -> Json:
    """A schema whose root is no reference to one of its definitions: Pydantic writes recursive classes so."""
    root, rest = schema.get("$ref"), {key: value for key, value in schema.items() if key != "$ref"}
    return {**_target(root, schema), **rest} if isinstance(root, str) and root != "#" else dict(schema)


def is_recursive(schema: Any) -> bool:
    """Whether a schema contains itself, by references."""
    leads = {name: set(_references(_target(name, schema))) for name in _references(schema)}
    for _ in leads:
        leads = {name: found.union(*(leads.get(each, ()) for each in found)) for name, found in leads.items()}
    return any(name in found for name, found in leads.items())


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if isinstance(name := schema.get("$ref"), str):
            yield name
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _target(reference: str, schema: Any) -> Json:
    """What a reference into a schema stands for; empty where it leads nowhere."""
    found = schema
    for step in reference.removeprefix("#").split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        found = found.get(step) if isinstance(found, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


# --- Values -----------------------------------------------------------------------------------------------------------


def unpacked(text: Any) -> Any:
    """The list or object that a text holds as JSON; None where it holds none."""
    if not isinstance(text, str) or not text.lstrip().startswith(("[", "{")):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found


def unpack_at(value: Any, places: Sequence[Sequence[Any]]) -> Any:
    """A value with lists and objects in place of the JSON texts that stand at some places.

    A place is a path as Pydantic tells it: keys, positions, and names of union members, which are passed over.
    """
    for place in places:
        value = _unpack_at(value, list(place))
    return value


def _unpack_at(value: Any, place: list[Any]) -> Any:
    if isinstance(value, str):
        found = unpacked(value)
        return value if found is None else found
    for depth, step in enumerate(place):
        if isinstance(value, dict) and step in value:
            return {**value, step: _unpack_at(value[step], place[depth + 1 :])}
        if isinstance(value, list) and isinstance(step, int) and step < len(value):
            return [*value[:step], _unpack_at(value[step], place[depth + 1 :]), *value[step + 1 :]]
    return value


def never_text(schema: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """The properties that may be an array or an object and never a text, and which of these two."""
    known = {
        name: [variant for each in _inner([dict(schema)], name) for variant in _variants(each, schema)]
        for name in schema.get("properties") or ()
    }
    kinds = {
        name: frozenset(kind for kind in ("array", "object") if _allows(variants, kind))
        for name, variants in known.items()
    }
    return {name: found for name, found in kinds.items() if found}


def unpack_by(value: Any, schema: Any) -> Any:
    """A value with lists and objects in place of JSON texts, wherever its schema allows these and no text."""
    return _unpack_by(value, [schema], schema)


def _unpack_by(value: Any, schemas: Sequence[Any], root: Any) -> Any:
    known = [each for schema in schemas for each in _variants(schema, root)]
    found = unpacked(value)
    if found is not None and _allows(known, "object" if isinstance(found, dict) else "array"):
        value = found
    if isinstance(value, dict):
        return {key: _unpack_by(each, _inner(known, key), root) for key, each in value.items()}
    if isinstance(value, list):
        items = [schema["items"] for schema in known if "items" in schema]
        return [_unpack_by(each, items, root) for each in value]
    return value


def _variants(schema: Any, root: Any, depth: int = 0) -> list[Json]:
    """The schemas one of which a value has to fit, without references and unions."""
    if not isinstance(schema, Mapping) or depth > 20:
        return [{}]
    if isinstance(name := schema.get("$ref"), str):
        return _variants(_target(name, root), root, depth + 1)
    united = [each for key in ("anyOf", "oneOf", "allOf") for each in schema.get(key) or ()]
    found = [variant for each in united for variant in _variants(each, root, depth + 1)]
    return found if found and "properties" not in schema else [dict(schema), *found]


def _allows(schemas: Sequence[Json], wanted: str) -> bool:
    """Whether a list or object is allowed and a text is not. A schema without a type allows anything."""
    types = [kind for schema in schemas for kind in _types(schema)]
    return wanted in types and "string" not in types


def _types(schema: Json) -> list[Any]:
    types = schema.get("type", "string")
    return types if isinstance(types, list) else [types]


def _inner(schemas: Sequence[Json], key: str) -> list[Any]:
    """The schemas for a property. It may be anything where no schema says more."""
    found = [(schema.get("properties") or {}).get(key, schema.get("additionalProperties")) for schema in schemas]
    return [each for each in found if isinstance(each, Mapping)]
