"""Encode LangChain's messages as the messages of a chat request."""

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
from langchain_pollinations._chat.history import (
    MAX_INLINE,
    ToolResult,
    WireMessage,
    limit_images,
    pair_tool_results,
)
from langchain_pollinations._chat.inline_media import MIB
from langchain_pollinations._chat.replay import encode_assistant
from langchain_pollinations._chat.tool_names import fit_participant_name
from langchain_pollinations._chat.tool_results import RESULT_BLOCKS, encode_tool_result, tool_results_in
from langchain_pollinations._types import PROVIDER, Json
from langchain_pollinations._warnings import warn
from langchain_pollinations.errors import InvalidRequestError

ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def is_from_service(message: AIMessage) -> bool:
    """Whether a message is a response of the service."""
    return message.response_metadata.get("model_provider") == PROVIDER


def encode_messages(
    messages: Sequence[BaseMessage],
    is_own: Callable[[AIMessage], bool] = is_from_service,
    *,
    keeps_ids: bool = False,
    max_images: int | None = None,
) -> list[Json]:
    """Encode the messages of a chat request in a form that every provider accepts.

    Empty assistant and system messages are left out. `history.pair_tool_results` pairs tool calls and results.

    Args:
        messages: The conversation so far.
        is_own: Returns whether a model of the requested publisher wrote a message. Only then are the reasoning and the
            signatures of the message sent back.
        keeps_ids: Whether the tool-call ids of such a message are sent in the publisher's own form.
        max_images: Maximum number of images. If there are more, or if they are too large together, only the newest
            images of tool results are sent, with a warning.

    Raises:
        InvalidRequestError: If there is no message, or the content of a message cannot be sent.
    """
    if not messages:
        raise InvalidRequestError("messages is empty; at least one message is required")
    turns: list[WireMessage | ToolResult] = []
    for position, message in enumerate(messages):
        try:
            turns += map(_repair_message, _encode_message(message, is_own, keeps_ids))
        except InvalidRequestError as error:
            raise InvalidRequestError(f"messages[{position}]: {error}") from error
    if not turns:
        raise InvalidRequestError("messages[0]: it is empty, and no message with content follows")
    turns, replaced = limit_images(turns, max_images)
    if replaced:  # without their number: Python shows an equal warning once, not in each turn of a thread
        count = "" if max_images is None else f"{max_images}, and "
        warn(
            f"messages: too many images for one request (at most {count}{MAX_INLINE // MIB} MiB together as base64); "
            "the oldest images in tool results are replaced by a text"
        )
    return pair_tool_results(turns)


def _repair_message(turn: WireMessage | ToolResult) -> WireMessage | ToolResult:
    """Replace lone surrogates in a message of a model or a tool. A request cannot contain lone surrogates.

    The caller cannot change what models and tools write. An id or a name changes in the same way in the call and in the
    result.
    """
    if isinstance(turn, ToolResult):
        call_id, name, wire, media = _repair_surrogates([turn.call_id, turn.name, turn.wire, turn.media])
        return replace(turn, call_id=call_id, name=name, wire=wire, media=media)
    if turn.wire["role"] != "assistant" or _is_ascii(turn.wire):
        return turn
    return replace(turn, wire=_repair_surrogates(turn.wire))


def _is_ascii(wire: Json) -> bool:
    """Whether a message has only a role and ASCII text, as most messages have."""
    content = wire["content"]
    return len(wire) == 2 and isinstance(content, str) and content.isascii()


def _repair_surrogates(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False, default=str)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return value


def has_tool_calls(message: BaseMessage) -> bool:
    """Whether a message holds tool calls or tool results."""
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
                raise InvalidRequestError(f"the role of a system message must be 'system' or 'developer', not {role!r}")
            return _plain(role, message)
        case AIMessage():
            return encode_assistant(message, is_own(message), keeps_ids)
        case ToolMessage():
            return [encode_tool_result(message.tool_call_id, message.content, message.name)]
        case FunctionMessage():
            return [replace(encode_tool_result("", message.content, message.name), is_legacy=True)]
        case ChatMessage() if message.role in ("tool", "function"):
            other = {"tool": "ToolMessage with its tool_call_id", "function": "FunctionMessage with its name"}
            raise InvalidRequestError(f"role {message.role!r}: use a {other[message.role]}")
        case ChatMessage() if message.role == "assistant":
            kwargs = message.additional_kwargs
            return encode_assistant(AIMessage(message.content, additional_kwargs=kwargs, name=message.name))
        case ChatMessage() if message.role in ROLES:
            return _plain(message.role, message)
        case ChatMessage():
            raise InvalidRequestError(f"role {message.role!r} is not one of {', '.join(ROLES)}")
    raise InvalidRequestError(f"a {type(message).__name__} cannot be sent to a chat model")


def _user(message: HumanMessage) -> list[WireMessage | ToolResult]:
    """Encode a user message. Tool results in it, as in other APIs, become tool messages before the user message."""
    if not (results := tool_results_in(message)):
        return _plain("user", message)
    parts = encode_content([block for block in message.content if block_type(block) not in RESULT_BLOCKS])
    return [*results, WireMessage({"role": "user", "content": parts})] if parts else [*results]


def _plain(role: str, message: BaseMessage) -> list[WireMessage | ToolResult]:
    """Encode a message without tool calls.

    An empty system message is left out: Anthropic's and Amazon's models refuse it.
    """
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
        raise InvalidRequestError("the content is an empty list; text or at least one block is required")
    return encode_content(message.content) or ""  # the service adds a sentence to a user message without text
