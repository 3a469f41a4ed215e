"""JSON schemas as providers take them. Pure functions, without tools or messages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
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
