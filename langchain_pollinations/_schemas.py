"""The form of a structured answer, as a `response_format` and as a tool that the model is told to call. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from langchain_core.utils.function_calling import convert_to_json_schema
from pydantic import BaseModel

from langchain_pollinations._encode import Json, encode_tool


def response_format(schema: Any, strict: bool | None) -> Json:
    """`response_format` for a schema, or the dict itself where it is one already."""
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
    """The tool that a model calls to give a structured answer."""
    tool = encode_tool(schema, strict=strict)
    function = tool["function"]
    if (raw := _recursive(schema)) is not None:
        described = {key: value for key, value in raw.items() if key not in ("title", "description")}
        function = {**function, "parameters": described}
    return {**tool, "function": function}


def json_schema(schema: Any, strict: bool | None = None) -> Json:
    """The JSON schema of a class or of a TypedDict, or the schema itself."""
    return _recursive(schema) or convert_to_json_schema(schema, strict=strict)


def _recursive(schema: Any) -> Json | None:
    """The JSON schema of a form that holds itself, with its definitions: LangChain, which writes references out, would
    let anything go there. None for other forms."""
    is_class = isinstance(schema, type) and issubclass(schema, BaseModel)
    raw = schema.model_json_schema() if is_class else schema
    definitions = raw.get("$defs") if isinstance(raw, dict) else None
    if not isinstance(definitions, dict) or not any(_reaches(name, name, definitions, set()) for name in definitions):
        return None
    root = str(raw.get("$ref", "")).rpartition("/")[2]
    return {**definitions.get(root, {}), **{key: value for key, value in raw.items() if key != "$ref"}}


def _reaches(name: str, target: str, definitions: Json, seen: set[str]) -> bool:
    """Whether a definition refers to another one, on whatever way."""
    named = set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(definitions.get(name))))
    if target in named:
        return True
    new = named - seen
    seen |= new
    return any(_reaches(each, target, definitions, seen) for each in new)
