"""Structured output: choose the method, encode the schema as a `response_format` or a tool, and create the parser."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from operator import itemgetter
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel

from langchain_pollinations._catalog import snapshot
from langchain_pollinations._catalog.snapshot import known
from langchain_pollinations._chat.json_schema import (
    as_parameters,
    as_strict,
    has_references,
    portable,
    with_definitions,
    without,
)
from langchain_pollinations._chat.options import Method
from langchain_pollinations._chat.output_parser import AnswerParser
from langchain_pollinations._chat.tools import encode_tool
from langchain_pollinations._types import Json
from langchain_pollinations.errors import InvalidRequestError


def check_arguments(schema: Any, method: str | None, strict: bool | None, options: Mapping[str, Any]) -> None:
    """Raise a `ValueError` if the arguments of `with_structured_output` contradict each other."""
    if method not in (None, "function_calling", "json_schema", "json_mode"):
        raise ValueError(f"method must be function_calling, json_schema or json_mode, not {method!r}")
    if schema is None and method != "json_mode":
        problem = f"method {method!r}" if method else "with_structured_output"
        raise ValueError(f"{problem} needs a schema: a Pydantic class, a TypedDict or a JSON schema")
    if taken := sorted(options.keys() & {"tools", "tool_choice", "response_format", "parallel_tool_calls"}):
        raise ValueError(f"{', '.join(taken)}: with_structured_output sets it itself")
    if strict is not None and method == "json_mode":
        raise ValueError("strict is for function_calling and json_schema, not for json_mode")


def choose_method(schema: Any, strict: bool | None, model: str, profile: Mapping[str, Any], can_force: bool) -> Method:
    """Return the method that a model supports best.

    Args:
        schema: Schema of the output.
        strict: Whether the output must conform to the schema.
        model: Model of the request.
        profile: LangChain profile of the model.
        can_force: Whether the model accepts a forced tool choice.
    """
    if profile.get("structured_output") and not is_pydantic_v1(schema):
        return "json_schema"
    if strict is None and not can_force and _supports_json_mode(model):
        return "json_mode"
    has_no_tools = profile.get("tool_calling") is False and "structured_output" not in profile
    return "json_schema" if has_no_tools and not is_pydantic_v1(schema) else "function_calling"


def _supports_json_mode(model: str) -> bool:
    """Whether a model is known to support JSON objects without a schema."""
    documented = snapshot.abilities(model).get("json_object")
    return documented is not False and "response_format" in (known(model).get("supported_parameters") or ())


def is_pydantic_v1(schema: Any) -> bool:
    return isinstance(schema, type) and is_basemodel_subclass(schema) and not issubclass(schema, BaseModel)


def traced_format(schema: Any, method: Method, strict: bool | None) -> Json:
    """Return the description of the output for traces."""
    kwargs: Json = {"method": method} if strict is None else {"method": method, "strict": strict}
    return {"kwargs": kwargs, "schema": _traced_schema(schema)}


def answer_parser(schema: Any) -> AnswerParser:
    """Return the parser of the output. The output is an instance of a Pydantic class, or a dict."""
    is_pydantic = isinstance(schema, type) and is_basemodel_subclass(schema)
    return AnswerParser(
        pydantic_object=schema if is_pydantic else None,
        answer_schema={} if schema is None else json_schema(schema),
    )


def with_raw(bound: Runnable[Any, AIMessage], parser: AnswerParser) -> Runnable[Any, Any]:
    """Return a runnable with a dict of `raw`, `parsed` and `parsing_error`.

    LangChain's `with_fallbacks` is not used, because it catches no error after the first value of a stream.
    """
    raw = itemgetter("raw")
    return RunnableMap(raw=bound) | RunnablePassthrough.assign(
        parsed=raw | RunnableLambda(parser.value_of), parsing_error=raw | RunnableLambda(parser.error_of)
    )


def response_format(schema: Any, strict: bool | None) -> Json:
    """Return the `response_format` for a schema. A dict that already is a `response_format` is returned unchanged."""
    if isinstance(schema, dict):
        is_nested = schema.get("type") == "json_schema" and "json_schema" in schema
        if schema.get("type") in ("json_object", "text") or (is_nested and strict is None):
            return schema
    schema, strict = _plain(schema, strict)
    converted = json_schema(schema, strict)
    described: Json = {"name": str(converted.get("title") or "answer"), "schema": converted}
    if description := converted.get("description"):
        described["description"] = description
    if strict is not None:
        described["strict"] = strict
    return {"type": "json_schema", "json_schema": described}


def schema_tool(schema: Any, strict: bool | None) -> Json:
    """Return the tool that a model calls to return structured output.

    Raises:
        InvalidRequestError: If the schema is of no supported kind.
    """
    schema, strict = _plain(schema, strict)
    return encode_tool(schema, strict=strict)


def _plain(schema: Any, strict: bool | None) -> tuple[Any, bool | None]:
    """Return a class unchanged, or a JSON schema with a title, and whether the output must conform to it.

    A JSON schema without a title is called "answer". A dict that contains a JSON schema becomes that schema:
    `{"type": "json_schema", "json_schema": ...}`, `{"name": ..., "schema": ...}`, and a tool with `parameters` or
    `input_schema`.
    """
    if not isinstance(schema, Mapping):
        if callable(schema) or isinstance(schema, BaseTool):
            return schema, strict
        raise InvalidRequestError(
            "schema: must be a Pydantic class, a TypedDict or a JSON schema as a dict, not an instance of "
            f"{type(schema).__name__}",
            param="schema",
        )
    if schema.keys() & {"function", "toolSpec"}:
        return schema, strict
    given = schema.get("json_schema") if schema.get("type") == "json_schema" else None
    outer = given if isinstance(given, Mapping) else schema
    inner = next((outer[key] for key in ("schema", "parameters", "input_schema") if key in outer), outer)
    if not isinstance(inner, Mapping) or not inner.keys() & _KEYWORDS or inner.get("type") in _FORMATS:
        raise InvalidRequestError(
            "schema: a JSON schema has 'type', 'properties', '$ref' or another keyword; this dict has "
            f"{', '.join(map(repr, schema)) or 'no keys'}",
            param="schema",
        )
    title = outer.get("name") or outer.get("title") or inner.get("title") or "answer"
    description = outer.get("description") or inner.get("description")
    about = {"title": title, **({"description": description} if description else {})}
    strict = outer.get("strict") if strict is None and inner is not outer else strict
    return {**{key: value for key, value in inner.items() if key != "name"}, **about}, strict


_FORMATS = ("json_schema", "json_object", "text")
"""Types of a `response_format`, which are no types of JSON."""
_KEYWORDS = frozenset(
    "$dynamicRef $ref additionalProperties allOf anyOf const dependentRequired dependentSchemas else enum format if "
    "items maxProperties minProperties not oneOf pattern patternProperties prefixItems properties propertyNames "
    "required then type".split()
)
"""Keywords of JSON schemas. A dict with none of them describes no output."""


def json_schema(schema: Any, strict: bool | None = None) -> Json:
    """Return the JSON schema of a class or a TypedDict, or the schema itself."""
    function = schema_tool(schema, strict)["function"]
    about = {key: function[key] for key in ("description",) if function.get(key)}
    return {"title": function["name"], **about, **function.get("parameters", {})}


def _traced_schema(schema: Any) -> Any:
    """Return a schema that LangChain can trace. LangChain expands references. For a class, this may never end."""
    if schema is None:
        return None
    if isinstance(schema, Mapping):
        return _plain(schema, None)[0]
    described = json_schema(schema)
    return described if has_references(described) else schema


def schema_instruction(schema: Any) -> str:
    """Return an instruction that describes the schema of the response to the model."""
    described = json.dumps(json_schema(schema), ensure_ascii=False)
    return f"Answer with a JSON object that fits this JSON schema, and with nothing else: {described}"


def schema_for_provider(options: Json, refused: Collection[str] = ()) -> Json:
    """Convert the schemas in the options of a request to the form that the provider accepts.

    Args:
        options: The options. Only `tools`, `functions` and `response_format` are converted.
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
