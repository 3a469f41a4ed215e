"""LangChain's messages as the messages of a chat request."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_pollinations._chat.content import block_type, encode_content
from langchain_pollinations._chat.history import ToolResult, WireMessage, pair_tool_results
from langchain_pollinations._chat.replay import encode_assistant
from langchain_pollinations._chat.tool_names import fit_participant_name
from langchain_pollinations._chat.tool_results import RESULT_BLOCKS, encode_tool_result, tool_results_in
from langchain_pollinations._types import PROVIDER, Json
from langchain_pollinations.errors import InvalidRequestError

ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def is_from_service(message: AIMessage) -> bool:
    """Whether the service made a message."""
    return message.response_metadata.get("model_provider") == PROVIDER


def encode_messages(
    messages: Sequence[BaseMessage], is_own: Callable[[AIMessage], bool] = is_from_service, *, keeps_ids: bool = False
) -> list[Json]:
    """Messages of a chat request, as every provider accepts them.

    Empty assistant and system messages are left out. Calls and results are paired as `_history.pair_tool_results` says.

    Args:
        messages: What was said so far.
        is_own: Whether the provider that is asked made a message: only then it sees its own reasoning and signatures
            again.
        keeps_ids: Whether the tool-call ids of such a message go back in the publisher's own form.

    Raises:
        InvalidRequestError: If there is no message, or one holds something that cannot be sent.
    """
    if not messages:
        raise InvalidRequestError("messages is empty: give at least one message")
    turns: list[WireMessage | ToolResult] = []
    for position, message in enumerate(messages):
        try:
            turns += map(_repair_message, _encode_message(message, is_own, keeps_ids))
        except InvalidRequestError as error:
            raise InvalidRequestError(f"messages[{position}]: {error}") from error
    if not turns:
        raise InvalidRequestError("messages[0]: it is empty, and there is no message with content after it")
    return pair_tool_results(turns)


def _repair_message(turn: WireMessage | ToolResult) -> WireMessage | ToolResult:
    """A turn of a model or a tool without half characters (lone surrogates), which no request can carry. Models and
    tools write them, and the caller cannot change that. Ids and names change equally in call and result."""
    if isinstance(turn, ToolResult):
        call_id, name, wire, media = _repair_surrogates([turn.call_id, turn.name, turn.wire, turn.media])
        return replace(turn, call_id=call_id, name=name, wire=wire, media=media)
    return replace(turn, wire=_repair_surrogates(turn.wire)) if turn.wire["role"] == "assistant" else turn


def _repair_surrogates(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False, default=str)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return value


def has_tool_calls(message: BaseMessage) -> bool:
    """Whether a message holds calls of tools, or results."""
    turns = _encode_message(message, is_from_service, keeps_ids=False)
    return any(isinstance(turn, ToolResult) or turn.calls for turn in turns)


def _encode_message(
    message: BaseMessage, is_own: Callable[[AIMessage], bool], keeps_ids: bool
) -> list[WireMessage | ToolResult]:
    match message:
        case HumanMessage():
            return _user(message)
        case SystemMessage():
            role = message.additional_kwargs.get("__openai_role__", "system")
            if role not in ("system", "developer"):
                raise InvalidRequestError(f"a system message has the role 'system' or 'developer', not {role!r}")
            return _plain(role, message)
        case AIMessage():
            return encode_assistant(message, is_own(message), keeps_ids)
        case ToolMessage():
            return [encode_tool_result(message.tool_call_id, message.content, message.name)]
        case FunctionMessage():
            return [replace(encode_tool_result("", message.content, message.name), is_legacy=True)]
        case ChatMessage() if message.role in ("tool", "function"):
            other = {"tool": "ToolMessage, with its tool_call_id", "function": "FunctionMessage, with its name"}
            raise InvalidRequestError(f"role {message.role!r}: give a {other[message.role]}")
        case ChatMessage() if message.role == "assistant":
            kwargs = message.additional_kwargs
            return encode_assistant(AIMessage(message.content, additional_kwargs=kwargs, name=message.name))
        case ChatMessage() if message.role in ROLES:
            return _plain(message.role, message)
        case ChatMessage():
            raise InvalidRequestError(f"role {message.role!r} is not one of {', '.join(ROLES)}")
    raise InvalidRequestError(f"a {type(message).__name__} cannot be sent to a chat model")


def _user(message: HumanMessage) -> list[WireMessage | ToolResult]:
    """A user message; the results of tools that other APIs keep in it become tool messages before it."""
    if not (results := tool_results_in(message)):
        return _plain("user", message)
    parts = encode_content([block for block in message.content if block_type(block) not in RESULT_BLOCKS])
    return [*results, WireMessage({"role": "user", "content": parts})] if parts else [*results]


def _plain(role: str, message: BaseMessage) -> list[WireMessage | ToolResult]:
    """A message without calls; none for an empty system message, which Anthropic's and Amazon's models refuse."""
    content = _content(message)
    if role in ("system", "developer") and isinstance(content, str) and not content.strip():
        return []
    wire: Json = {"role": role, "content": content}
    if message.name:
        wire["name"] = fit_participant_name(message.name)
    return [WireMessage(wire)]


def _content(message: BaseMessage) -> str | list[Json]:
    if isinstance(message.content, str):
        return message.content
    if not message.content:
        raise InvalidRequestError("the content is an empty list: give a text or at least one block")
    return encode_content(message.content) or ""  # the service has a sentence for a user message without words
