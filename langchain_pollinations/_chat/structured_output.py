"""Encode the schema of structured output as a `response_format` or as a tool that the model must call. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from langchain_pollinations._chat.json_schema import (
    as_parameters,
    as_strict,
    has_references,
    portable,
    with_definitions,
    without,
)
from langchain_pollinations._chat.tools import encode_tool
from langchain_pollinations._types import Json


def response_format(schema: Any, strict: bool | None) -> Json:
    """Return the `response_format` for a schema, or the dict itself if it already is one."""
    if isinstance(schema, dict) and schema.get("type") in ("json_schema", "json_object", "text"):
        return schema
    converted = json_schema(schema, strict)
    described: Json = {"name": str(converted.get("title") or "answer"), "schema": converted}
    if description := converted.get("description"):
        described["description"] = description
    if strict is not None:
        described["strict"] = strict
    return {"type": "json_schema", "json_schema": described}


def schema_tool(schema: Any, strict: bool | None) -> Json:
    """Return the tool that a model calls to return structured output."""
    return encode_tool(schema, strict=strict)


def json_schema(schema: Any, strict: bool | None = None) -> Json:
    """Return the JSON schema of a class or a TypedDict, or the schema itself."""
    function = encode_tool(schema, strict=strict)["function"]
    about = {key: function[key] for key in ("description",) if function.get(key)}
    return {"title": function["name"], **about, **function.get("parameters", {})}


def traced_schema(schema: Any) -> Any:
    """Return a schema that LangChain can trace: LangChain expands the references of a class, which may not end."""
    if schema is None or isinstance(schema, Mapping):
        return schema
    described = json_schema(schema)
    return described if has_references(described) else schema


def schema_instruction(schema: Any) -> str:
    """Return an instruction that describes the schema of the response to the model."""
    described = json.dumps(json_schema(schema), ensure_ascii=False)
    return f"Answer with a JSON object that fits this JSON schema, and with nothing else: {described}"


def schema_for_provider(options: Json, refused: Collection[str] = ()) -> Json:
    """Convert the schemas in the options of a request to the form that the provider accepts.

    Args:
        options: The options. `tools`, `functions` and `response_format` are converted; others stay unchanged.
        refused: Keywords of JSON schemas that the provider refuses.
    """
    known = dict(options)
    if tools := options.get("tools"):
        known["tools"] = [
            {**tool, "function": _for_provider(tool["function"], "parameters", refused)} if "function" in tool else tool
            for tool in tools
        ]
    if functions := options.get("functions"):
        known["functions"] = [_for_provider(function, "parameters", refused) for function in functions]
    form = options.get("response_format")
    if form and isinstance(described := form.get("json_schema"), Mapping):
        known["response_format"] = {**form, "json_schema": _for_provider(described, "schema", refused)}
    return known


def _for_provider(holder: Mapping[str, Any], key: str, refused: Collection[str]) -> Json:
    if key not in holder:
        return dict(holder)
    schema = without(holder[key], refused)
    schema = as_parameters(schema) if key == "parameters" else portable(with_definitions(schema))
    return {**holder, key: as_strict(schema) if holder.get("strict") else schema}
