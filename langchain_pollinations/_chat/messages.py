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

from langchain_pollinations._chat.content import _encode_blocks, _kind
from langchain_pollinations._chat.history import Result, Turn, pair
from langchain_pollinations._chat.replay import _assistant
from langchain_pollinations._chat.tool_names import wire_name
from langchain_pollinations._chat.tool_results import _RESULT_BLOCKS, _results_in, _tool_result
from langchain_pollinations._types import PROVIDER, Json
from langchain_pollinations.errors import InvalidRequestError

ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def is_ours(message: AIMessage) -> bool:
    """Whether the service made a message."""
    return message.response_metadata.get("model_provider") == PROVIDER


def encode_messages(
    messages: Sequence[BaseMessage], is_own: Callable[[AIMessage], bool] = is_ours, *, keeps_ids: bool = False
) -> list[Json]:
    """Messages of a chat request, as every provider accepts them.

    Empty assistant and system messages are left out. Calls and results are paired as `_history.pair` says.

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
    turns: list[Turn | Result] = []
    for position, message in enumerate(messages):
        try:
            turns += map(_whole, _encode_message(message, is_own, keeps_ids))
        except InvalidRequestError as error:
            raise InvalidRequestError(f"messages[{position}]: {error}") from error
    if not turns:
        raise InvalidRequestError("messages[0]: it is empty, and there is no message with content after it")
    return pair(turns)


def _whole(turn: Turn | Result) -> Turn | Result:
    """A turn of a model or a tool without half characters (lone surrogates), which no request can carry. Models and
    tools write them, and the caller cannot change that. Ids and names change equally in call and result."""
    if isinstance(turn, Result):
        call_id, name, wire, media = _repaired([turn.call_id, turn.name, turn.wire, turn.media])
        return replace(turn, call_id=call_id, name=name, wire=wire, media=media)
    return replace(turn, wire=_repaired(turn.wire)) if turn.wire["role"] == "assistant" else turn


def _repaired(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False, default=str)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return value


def speaks_of_tools(message: BaseMessage) -> bool:
    """Whether a message holds calls of tools, or results."""
    turns = _encode_message(message, is_ours, keeps_ids=False)
    return any(isinstance(turn, Result) or turn.calls for turn in turns)


def _encode_message(message: BaseMessage, is_own: Callable[[AIMessage], bool], keeps_ids: bool) -> list[Turn | Result]:
    match message:
        case HumanMessage():
            return _user(message)
        case SystemMessage():
            role = message.additional_kwargs.get("__openai_role__", "system")
            if role not in ("system", "developer"):
                raise InvalidRequestError(f"a system message has the role 'system' or 'developer', not {role!r}")
            return _plain(role, message)
        case AIMessage():
            return _assistant(message, is_own(message), keeps_ids)
        case ToolMessage():
            return [_tool_result(message.tool_call_id, message.content, message.name)]
        case FunctionMessage():
            return [replace(_tool_result("", message.content, message.name), is_legacy=True)]
        case ChatMessage() if message.role in ("tool", "function"):
            other = {"tool": "ToolMessage, with its tool_call_id", "function": "FunctionMessage, with its name"}
            raise InvalidRequestError(f"role {message.role!r}: give a {other[message.role]}")
        case ChatMessage() if message.role == "assistant":
            kwargs = message.additional_kwargs
            return _assistant(AIMessage(message.content, additional_kwargs=kwargs, name=message.name))
        case ChatMessage() if message.role in ROLES:
            return _plain(message.role, message)
        case ChatMessage():
            raise InvalidRequestError(f"role {message.role!r} is not one of {', '.join(ROLES)}")
    raise InvalidRequestError(f"a {type(message).__name__} cannot be sent to a chat model")


def _user(message: HumanMessage) -> list[Turn | Result]:
    """A user message; the results of tools that other APIs keep in it become tool messages before it."""
    if not (results := _results_in(message)):
        return _plain("user", message)
    parts = _encode_blocks([block for block in message.content if _kind(block) not in _RESULT_BLOCKS])
    return [*results, Turn({"role": "user", "content": parts})] if parts else [*results]


def _plain(role: str, message: BaseMessage) -> list[Turn | Result]:
    """A message without calls; none for an empty system message, which Anthropic's and Amazon's models refuse."""
    content = _content(message)
    if role in ("system", "developer") and isinstance(content, str) and not content.strip():
        return []
    wire: Json = {"role": role, "content": content}
    if message.name:
        wire["name"] = wire_name(message.name)
    return [Turn(wire)]


def _content(message: BaseMessage) -> str | list[Json]:
    if isinstance(message.content, str):
        return message.content
    if not message.content:
        raise InvalidRequestError("the content is an empty list: give a text or at least one block")
    return _encode_blocks(message.content) or ""  # the service has a sentence for a user message without words
