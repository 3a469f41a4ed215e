"""Encode LangChain's tools and tool choices as fields of a chat request."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.tools import BaseTool, create_schema_from_function
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticUserError
from typing_extensions import is_typeddict

from langchain_pollinations._catalog.snapshot import known
from langchain_pollinations._chat.json_schema import as_parameters, as_strict, keeps_references, with_definitions
from langchain_pollinations._types import Json
from langchain_pollinations.errors import InvalidRequestError, UnsupportedRequestError

BUILT_IN_TOOLS = ("google_search", "code_execution", "google_maps", "url_context", "computer_use", "file_search")
"""Tools that the service runs itself. It documents them as `{"type": name}` without further fields."""


def check_agent(model: str, profile: Mapping[str, Any]) -> None:
    """Raise an error if tools are bound to a model that is known to be an agent of the service.

    The name of a community model does not say whether it is an agent. If the snapshot lacks a model, the profile from
    the caller decides. `Model.profile` of a live record has `tool_calling=False` for an agent.

    Raises:
        UnsupportedRequestError: If the model is an agent, or its profile says that it accepts no tools.
    """
    entry = known(model)
    if entry.get("agent"):
        reason = "is an agent"
    elif not entry and profile.get("tool_calling") is False:
        reason = "accepts no tools according to its profile"
    else:
        return
    raise UnsupportedRequestError(
        f"tools: model {model!r} {reason}: agents run their own tools on the server, and the service ignores tools of "
        "the caller; omit the tools, or use a model of list_models('text', 'tool_calling', agent=False)",
        param="tools",
    )


# --- Tools ------------------------------------------------------------------------------------------------------------


def encode_tool(tool: Any, *, strict: bool | None = None) -> Json:
    """Encode one tool: a function, `BaseTool`, Pydantic class, TypedDict or schema, or a built-in tool of the service.

    Args:
        tool: The tool.
        strict: Whether the arguments must match the schema. None keeps the setting of the tool.

    Raises:
        InvalidRequestError: If the object is no such tool, or the tool's own `strict` has another value.
    """
    if isinstance(tool, Mapping) and tool.get("type") in BUILT_IN_TOOLS:
        return dict(tool)
    try:
        raw = _arguments_schema(tool)
        # LangChain expands references. Its result would accept any value where a schema contains itself. It would not
        # finish if many schemas refer to the same schema.
        wire = _with_references(tool, raw) if keeps_references(raw) else _without_references(tool)
    except (ValueError, TypeError, LookupError, RecursionError, PydanticUserError) as error:
        raise InvalidRequestError(f"tool {_tool_label(tool)} cannot be described to the model: {error}") from error
    function = wire.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        known = ", ".join(BUILT_IN_TOOLS)
        raise InvalidRequestError(
            f"tool {tool!r} is not a function with a name; the built-in tools of the service are {known}"
        )
    function = {key: value for key, value in function.items() if key != "parameters" or value is not None}
    if "parameters" in function:
        function["parameters"] = as_parameters(function["parameters"])
    if strict is not None and not _is_encoded(tool):
        if function.get("strict", strict) is not strict:
            raise InvalidRequestError(f"strict={strict}, but tool {function['name']!r} has strict={function['strict']}")
        function["strict"] = strict
        if strict and "parameters" in function:
            function["parameters"] = as_strict(function["parameters"])
    return {**wire, "function": function}


def _is_encoded(tool: Any) -> bool:
    """Whether a tool already has the form of the request. Such a tool defines `strict` itself."""
    return isinstance(tool, Mapping) and tool.get("type") == "function" and "function" in tool


def _with_references(tool: Any, schema: Json) -> Json:
    """Encode a tool as LangChain does, but keep the references of its schema."""
    definition = with_definitions(schema)
    name, description = definition.pop("title", ""), definition.pop("description", "")
    if isinstance(tool, BaseTool):
        name, description = tool.name, tool.description
    elif inspect.isfunction(tool) or inspect.ismethod(tool):
        name = tool.__name__
    return {"type": "function", "function": {"name": name, "description": description, "parameters": definition}}


def _without_references(tool: Any) -> Json:
    try:
        return convert_to_openai_tool(_as_tool(tool))
    except RecursionError:
        if is_typeddict(tool):
            TypeAdapter(tool)  # raises the reason: Pydantic does not support `typing.TypedDict` on Python 3.11
        raise


def _as_tool(tool: Any) -> Any:
    """Return a tool in a form that LangChain converts completely."""
    if isinstance(tool, Mapping) and isinstance(tool.get("title"), str) and not tool.keys() & _TOOL_KEYS:
        # A plain JSON schema. LangChain drops a schema without `properties`, such as a union.
        schema = {key: value for key, value in tool.items() if key not in ("title", "description")}
        described = {"description": tool["description"]} if tool.get("description") else {}
        return {"name": tool["title"], **described, **({"parameters": schema} if schema else {})}
    return tool


_TOOL_KEYS = frozenset({"name", "function", "input_schema", "toolSpec"})


def _arguments_schema(tool: Any) -> Json:
    """Return the JSON schema of a tool's arguments. The schema contains its `$ref` references.

    The result is empty if the tool is in another form, such as a dict. LangChain keeps the references of such a tool.
    """
    if isinstance(tool, BaseTool):
        tool = tool.tool_call_schema
        if isinstance(tool, Mapping):
            return dict(tool)
    elif inspect.isfunction(tool) or inspect.ismethod(tool):
        tool = create_schema_from_function(
            tool.__name__, tool, filter_args=(), parse_docstring=True, error_on_invalid_docstring=False,
            include_injected=False,
        )  # fmt: skip
    elif is_typeddict(tool):
        return _typed_dict_schema(tool)
    if not isinstance(tool, type) or not is_basemodel_subclass(tool):
        return {}
    old: Any = tool
    return tool.model_json_schema() if issubclass(tool, BaseModel) else dict(old.schema())


def _typed_dict_schema(tool: Any) -> Json:
    """Return the JSON schema of a TypedDict. It is empty for `typing.TypedDict` on Python 3.11.

    Pydantic does not support such a class, but LangChain does.
    """
    try:
        return TypeAdapter(tool).json_schema()
    except (PydanticUserError, NameError):
        return {}


def parameters_by_name(tools: Sequence[Json]) -> dict[str, Json]:
    """Return the parameters of encoded tools, by name."""
    functions = [tool["function"] for tool in tools if isinstance(tool, Mapping) and "function" in tool]
    return {each["name"]: each.get("parameters") or {} for each in functions}


def _tool_label(tool: Any) -> str:
    return repr(getattr(tool, "name", None) or getattr(tool, "__name__", None) or type(tool).__name__)


def encode_tool_choice(choice: str | bool | Mapping[str, Any] | None, tools: Sequence[Json]) -> str | Json | None:
    """Encode a tool choice. Return None if the field is not sent.

    Args:
        choice: None and False are not sent. True, "any" and "required" force a call of any tool. "auto", "none", the
            name of a tool, and OpenAI's dict are also accepted.
        tools: The encoded tools that are bound with the choice.

    Raises:
        InvalidRequestError: If there are no tools, or no tool has the name.
    """
    if choice is None or choice is False:
        return None
    names = [tool["function"]["name"] for tool in tools if "function" in tool]
    if choice in ("auto", "none"):
        return str(choice)
    if not tools:
        raise InvalidRequestError(f"tool_choice {choice!r} requires at least one bound tool")
    if choice is True or choice in ("any", "required"):
        return "required"
    name: Any = choice
    if isinstance(choice, Mapping):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, Mapping) else choice.get("name")
    if name not in names:
        keywords = ["auto", "none", "any", "required"]
        raise InvalidRequestError(
            f"tool_choice {choice!r} is not a bound tool; bound tools are {names}, keywords are {keywords}"
        )
    return {"type": "function", "function": {"name": name}}
