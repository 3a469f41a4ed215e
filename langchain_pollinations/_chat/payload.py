"""Build the body of a chat request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from pydantic import BaseModel, ConfigDict, field_validator

from langchain_pollinations._catalog import snapshot
from langchain_pollinations._catalog.snapshot import known
from langchain_pollinations._chat.fields import RequestInfo
from langchain_pollinations._chat.instructions import add_instruction, call_instruction, without_cache_control
from langchain_pollinations._chat.messages import encode_messages, has_tool_calls, is_from_service
from langchain_pollinations._chat.options import ChatOptions, check_extra_body, wire_options
from langchain_pollinations._chat.plain_text import Route
from langchain_pollinations._chat.tool_names import fit_name
from langchain_pollinations._types import Json
from langchain_pollinations._validation import suggest_name, validated
from langchain_pollinations._warnings import warn
from langchain_pollinations.errors import InvalidRequestError


class CallSwitches(BaseModel):
    """Constructor fields that a call may override. They are not sent under their own names."""

    model_config = ConfigDict(defer_build=True, extra="forbid", hide_input_in_errors=True)

    json_mode: bool | None = None
    stream_usage: bool | None = None
    extra_body: dict[str, Any] | None = None
    route: Route | None = None
    added_instruction: str | None = None
    """Instruction that `with_structured_output` adds to the system message."""

    @field_validator("extra_body")
    @classmethod
    def _check_extra_body(cls, value: Json | None) -> Json | None:
        check_extra_body(value or {})
        return value


NO_SWITCHES = CallSwitches.model_construct()
"""The switches of a call that overrides none."""


def pop_switches(given: Json) -> CallSwitches:
    """Remove the switches from the arguments of a call and return them."""
    if given.keys().isdisjoint(CallSwitches.model_fields):
        return NO_SWITCHES
    switches = {name: given.pop(name) for name in CallSwitches.model_fields if name in given}
    return validated(CallSwitches.model_validate, switches)


def encode_for_model(
    messages: Sequence[BaseMessage], options: Json, model: str, *, can_force: bool, instruction: str | None
) -> tuple[Json, list[Json]]:
    """Return the options and the messages in the form that the provider of the model accepts.

    Args:
        messages: Messages of the conversation.
        options: Options of the request.
        model: Model of the request.
        can_force: Whether the model accepts a forced tool choice.
        instruction: Instruction that is added to the system message.
    """
    abilities = snapshot.abilities(model)
    if not options.keys().isdisjoint(_SCHEMAS):
        from langchain_pollinations._chat.structured_output import schema_for_provider

        options = schema_for_provider(options, abilities.get("refused_schema_keywords", ()))
    wire = encode_messages(
        messages,
        partial(_is_published_by, snapshot.publisher(model)),
        keeps_ids=abilities.get("own_call_ids", False),
        max_images=known(model).get("max_reference_images"),
    )
    if instruction:
        wire = add_instruction(wire, instruction)
    if not can_force:
        options, wire = replace_forced_choice(options, wire, model)
    if abilities.get("cache_control") is False:
        options, wire = remove_cache_control(options, wire, model)
    return options, wire


_SCHEMAS = ("tools", "functions", "response_format")
"""Options that hold schemas. The modules for schemas and tools are imported only for them."""


def _is_published_by(wanted: str, message: AIMessage) -> bool:
    """Whether a model of the publisher `wanted` wrote the message.

    Models of other publishers do not accept the reasoning and signatures in the message.
    """
    if not is_from_service(message):
        return False
    metadata = message.response_metadata
    served = metadata.get("model_name")  # differs from the requested model after a fallback within the service
    model = served if known(served) else metadata.get("requested_model") or served
    return snapshot.publisher(str(model)) == wanted


def request_info(
    body: Json, tool_names: Mapping[str, str], *, usage: bool, headers: bool, is_free: bool
) -> RequestInfo:
    """Return the fields of the request that the parser of its response needs."""
    audio = body.get("audio")
    return RequestInfo(
        model=str(body["model"]),
        seed=body.get("seed"),
        include_usage=usage,
        include_headers=headers,
        is_free=is_free,
        audio_format=audio.get("format") if isinstance(audio, Mapping) else None,
        kind=known(body["model"]).get("category"),
        tool_names=tool_names,
        parameters=_parameters_by_name(body.get("tools")),
    )


def _parameters_by_name(tools: Any) -> Mapping[str, Json]:
    if not tools:
        return {}
    from langchain_pollinations._chat.tools import parameters_by_name

    return parameters_by_name(tools)


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
    """Remove the markers for the prompt cache, because the provider of the model refuses them."""
    plain = without_cache_control(wire)
    rest = {name: value for name, value in options.items() if name != "cache_control"}
    if tools := rest.get("tools"):
        rest["tools"] = without_cache_control(tools)
    if (rest, plain) != (options, wire):
        warn(
            f"cache_control is not sent because the provider of model {model!r} may reject it",
        )
    return rest, plain


def check_call_options(given: Json) -> Json:
    """Validate the options of one call as in the constructor. Unknown options are returned unchanged."""
    if not given:
        return {}
    declared = {name: value for name, value in given.items() if name in ChatOptions.model_fields and value is not None}
    unknown = {name: value for name, value in given.items() if name not in ChatOptions.model_fields}
    checked = wire_options(validated(ChatOptions.model_validate, declared), declared)
    if unfamiliar := sorted(name for name in unknown.keys() - _PASSED_THROUGH if unknown[name] is not None):
        found = "; ".join(suggest_name(name, ChatOptions.model_fields) for name in unfamiliar)
        warn(f"{found} (sent to the service as it is)")
    tools = unknown.get("tools")
    if not isinstance(tools, Sequence | None) or isinstance(tools, str):
        raise InvalidRequestError(f"tools: must be a list of tools, not {type(tools).__name__}")
    if tools is None and "tool_choice" not in unknown:
        return {**checked, **{name: value for name, value in unknown.items() if value is not None}}
    from langchain_pollinations._chat.tools import encode_tool, encode_tool_choice

    if tools is not None:
        unknown["tools"] = tools = [encode_tool(tool) for tool in tools]
    if "tool_choice" in unknown:
        unknown["tool_choice"] = encode_tool_choice(unknown["tool_choice"], tools or [])
    return {**checked, **{name: value for name, value in unknown.items() if value is not None}}


# Known options that are not in `ChatOptions`. This package binds some. The service still accepts the others as legacy.
_PASSED_THROUGH = frozenset({"tools", "tool_choice", "system", "stream_options", "cache_control"})


def check_tools(body: Json, messages: Sequence[BaseMessage], profile: Mapping[str, Any]) -> None:
    """Raise an error if a model that does not support tools gets tools or a history of tool calls.

    The service rejects such a history even if another model made the tool calls. Agents accept a history.
    """
    if body.get("tools") or body.get("functions"):
        from langchain_pollinations._chat.tools import check_agent

        check_agent(body["model"], profile)
    if known(body["model"]).get("tools") is not False:
        return
    given = [name for name in ("tools", "functions") if body.get(name)]
    given += [] if body.get("tool_choice") in (None, "auto", "none") else ["tool_choice"]
    if any(message["role"] in ("tool", "function") or message.get("tool_calls") for message in body["messages"]):
        places = [place for place, message in enumerate(messages) if has_tool_calls(message)]
        given += [f"messages[{place}]" for place in places] or ["messages"]
    if given:
        problem = (
            f"model {body['model']!r} takes no tools and no history of tool calls, but there are {', '.join(given)}"
        )
        raise InvalidRequestError(f"{problem}; list_models('text', 'tool_calling') names models that take them")
