"""Results of tools as messages of a chat request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from langchain_core.messages import BaseMessage

from langchain_pollinations._chat.content import (
    _BLOCKS,
    _as_json,
    _kind,
    _marked,
    _unwrapped,
    _written_out,
    encode_blocks,
)
from langchain_pollinations._chat.history import Result, is_blank
from langchain_pollinations._types import Json
from langchain_pollinations.errors import InvalidRequestError


def _results_in(message: BaseMessage) -> list[Result]:
    """The results of tools among the blocks of a message."""
    results = []
    for block in message.content if isinstance(message.content, list) else []:
        if isinstance(block, dict) and (keys := _RESULT_BLOCKS.get(_kind(block))):
            result = _tool_result(str(block.get(keys[0]) or ""), block.get(keys[1]) or "", None)
            results.append(replace(result, wire=_marked(result.wire, block)))
    return results


_RESULT_BLOCKS: Mapping[Any, tuple[str, str]] = {
    "tool_result": ("tool_use_id", "content"),  # Anthropic
    "function_call_output": ("call_id", "output"),  # OpenAI's Responses
    "custom_tool_call_output": ("call_id", "output"),
}
"""Blocks that hold the result of a tool, and their keys for the id of the call and for the result."""


def _tool_result(call_id: str, content: Any, name: str | None) -> Result:
    """A tool message carries text only: few providers look at media in it, all do in a user message after it."""
    name = name or ""
    if isinstance(content, str):
        return Result(call_id, name, {"content": content})
    parts = [part for block in (content if isinstance(content, list) else [content]) for part in _returned(block)]
    texts = [part for part in parts if part["type"] == "text"]
    media = [part for part in parts if part["type"] != "text"]
    plain = all(part.keys() == {"type", "text"} for part in texts)
    words = [part for part in texts if not is_blank(part)]
    return Result(call_id, name, {"content": "\n".join(p["text"] for p in texts) if plain else words or ""}, media)


def _returned(block: Any) -> list[Json]:
    """A block of a tool's result; as JSON where a chat request has no such part, as LangChain's `ToolNode` does, or
    where it has no bytes or address that the service could read: it stays in the conversation, all of which an error
    would end."""
    block = _unwrapped(block)
    if _kind(block) in ("json", "search_result", "custom_tool_call_output"):
        return [_written_out(block)]
    if isinstance(block, Mapping) and _kind(block) not in _BLOCKS:
        return [{"type": "text", "text": _as_json(block)}]
    try:
        return encode_blocks(block)
    except InvalidRequestError:
        return [_written_out(block) if isinstance(block, Mapping) else {"type": "text", "text": _as_json(block)}]
