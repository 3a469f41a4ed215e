"""Build the body of a chat request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from langchain_pollinations._chat.instructions import add_instruction, call_instruction, without_cache_control
from langchain_pollinations._chat.options import ChatOptions
from langchain_pollinations._chat.tool_names import fit_name
from langchain_pollinations._chat.tools import encode_tool, encode_tool_choice
from langchain_pollinations._types import Json
from langchain_pollinations._validation import format_validation_error, suggest_name
from langchain_pollinations._warnings import warn
from langchain_pollinations.errors import InvalidRequestError


def replace_forced_choice(options: Json, wire: list[Json], model: str) -> tuple[Json, list[Json]]:
    """Replace a forced tool choice with an instruction, for a model that refuses a forced choice."""
    name = "tool_choice" if "tool_choice" in options else "function_call"
    choice = options.get(name)
    if choice in (None, "auto", "none"):
        return options, wire
    called = choice if name == "function_call" else choice.get("function") if isinstance(choice, dict) else None
    warn(
        f"model {model!r} does not support a forced tool choice: {name}='auto' and an instruction to call the tool "
        "are sent instead, which it may ignore",
    )
    return {**options, name: "auto"}, add_instruction(
        wire, call_instruction(fit_name(called["name"]) if called else None)
    )


def remove_cache_control(options: Json, wire: list[Json], model: str) -> tuple[Json, list[Json]]:
    """Remove the markers for the prompt cache, for a model whose provider refuses them."""
    plain = without_cache_control(wire)
    known = {name: value for name, value in options.items() if name != "cache_control"}
    if tools := known.get("tools"):
        known["tools"] = without_cache_control(tools)
    if (known, plain) != (options, wire):
        warn(
            f"cache_control is not sent because the provider of model {model!r} may reject it",
        )
    return known, plain


def wire_options(options: ChatOptions, names: Iterable[str]) -> Json:
    """Return the options that are set.

    `model_dump` is not used: before Pydantic 2.12 it drops the undeclared keys of an open `TypedDict`.
    """
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def check_call_options(given: Json) -> Json:
    """Validate the options of one call like those of the constructor; unknown options are sent unchanged."""
    known = {name: value for name, value in given.items() if name in ChatOptions.model_fields and value is not None}
    unknown = {name: value for name, value in given.items() if name not in ChatOptions.model_fields}
    try:
        checked = wire_options(ChatOptions.model_validate(known), known)
    except ValidationError as error:
        raise InvalidRequestError(format_validation_error(error)) from None
    if unfamiliar := sorted(name for name in unknown.keys() - _PASSED_THROUGH if unknown[name] is not None):
        found = "; ".join(suggest_name(name, ChatOptions.model_fields) for name in unfamiliar)
        warn(f"{found} (sent to the service as it is)")
    tools = unknown.get("tools")
    if not isinstance(tools, Sequence | None) or isinstance(tools, str):
        raise InvalidRequestError(f"tools: must be a list of tools, not {type(tools).__name__}")
    if tools is not None:
        unknown["tools"] = tools = [encode_tool(tool) for tool in tools]
    if "tool_choice" in unknown:
        unknown["tool_choice"] = encode_tool_choice(unknown["tool_choice"], tools or [])
    return {**checked, **{name: value for name, value in unknown.items() if value is not None}}


# Fields of a call that are not in `ChatOptions`: bound by this package, or legacy forms that the service still accepts.
_PASSED_THROUGH = frozenset({"tools", "tool_choice", "system", "stream_options", "cache_control"})
