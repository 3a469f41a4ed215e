"""Encode tool results as messages of a chat request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from langchain_core.messages import BaseMessage

from langchain_pollinations._chat.content import (
    _BLOCKS,
    as_json_text,
    block_type,
    dump_json,
    encode_blocks,
    unwrap_non_standard,
    with_cache_control,
)
from langchain_pollinations._chat.history import ToolResult, is_blank
from langchain_pollinations._types import Json
from langchain_pollinations.errors import InvalidRequestError


def tool_results_in(message: BaseMessage) -> list[ToolResult]:
    """Return the tool results among the blocks of a message."""
    results = []
    for block in message.content if isinstance(message.content, list) else []:
        if isinstance(block, dict) and (keys := RESULT_BLOCKS.get(block_type(block))):
            result = encode_tool_result(str(block.get(keys[0]) or ""), block.get(keys[1]) or "", None)
            results.append(replace(result, wire=with_cache_control(result.wire, block)))
    return results


RESULT_BLOCKS: Mapping[Any, tuple[str, str]] = {
    "tool_result": ("tool_use_id", "content"),  # Anthropic
    "function_call_output": ("call_id", "output"),  # OpenAI's Responses
    "custom_tool_call_output": ("call_id", "output"),
}
"""Types of blocks that hold a tool result, mapped to the keys of the call's id and of the result."""


def encode_tool_result(call_id: str, content: Any, name: str | None) -> ToolResult:
    """Encode a tool result. The tool message holds only text. Media go into a user message after the tool message.

    Few providers read media in a tool message. All providers read media in a user message.
    """
    name = name or ""
    if isinstance(content, str):
        return ToolResult(call_id, name, {"content": content})
    parts = [
        part for block in (content if isinstance(content, list) else [content]) for part in _encode_returned(block)
    ]
    texts = [part for part in parts if part["type"] == "text"]
    media = [part for part in parts if part["type"] != "text"]
    plain = all(part.keys() == {"type", "text"} for part in texts)
    words = [part for part in texts if not is_blank(part)]
    return ToolResult(call_id, name, {"content": "\n".join(p["text"] for p in texts) if plain else words or ""}, media)


def _encode_returned(block: Any) -> list[Json]:
    """Encode a block of a tool result.

    A block that a chat request cannot carry becomes JSON text, as in LangChain's `ToolNode`. So does a block without
    bytes or URL that the service can read. No error is raised, because the block stays in the history, and all later
    requests would fail.
    """
    block = unwrap_non_standard(block)
    if block_type(block) in ("json", "search_result", "custom_tool_call_output"):
        return [as_json_text(block)]
    if isinstance(block, Mapping) and block_type(block) not in _BLOCKS:
        return [{"type": "text", "text": dump_json(block)}]
    try:
        return encode_blocks(block)
    except InvalidRequestError:
        return [as_json_text(block) if isinstance(block, Mapping) else {"type": "text", "text": dump_json(block)}]
