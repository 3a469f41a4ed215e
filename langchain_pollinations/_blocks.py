"""Our content-block translator: what `AIMessage.content_blocks` shows of our answers.

Blocks of a stream carry string indices that start with `lc_`, one name a kind. With the ints that providers use, a
text block and the first tool call share index 0, and LangChain's merging makes one corrupt block of them.
"""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages import content as types
from langchain_core.messages.block_translators import register_translator

from langchain_pollinations._encode import PROVIDER

Block = dict[str, Any]


def translate(message: AIMessage) -> list[types.ContentBlock]:
    """Blocks of a whole message: reasoning, refusal, text and media, then tool calls."""
    blocks = _said(message)
    blocks += [_call("tool_call", call) for call in message.tool_calls]
    blocks += [_call("invalid_tool_call", call) for call in message.invalid_tool_calls]
    return blocks  # type: ignore[return-value]  # dicts in the shape of core's TypedDicts


def translate_chunk(message: AIMessageChunk) -> list[types.ContentBlock]:
    """Blocks of one chunk, or of chunks added up; calls stay in pieces until the last chunk is among them."""
    if message.chunk_position == "last":
        return translate(message)
    blocks = _said(message)
    for number, block in enumerate(blocks):
        block["index"] = f"lc_{_NAMES.get(block['type'], block['type'])}_{number if _is_media(block) else 0}"
    for chunk in message.tool_call_chunks:
        blocks.append({"type": "tool_call_chunk", **chunk, "index": f"lc_tc_{chunk.get('index') or 0}"})
    return blocks  # type: ignore[return-value]


_NAMES = {"reasoning": "rs", "text": "txt", "image": "img", "refusal": "rf"}


def _is_media(block: Block) -> bool:
    return block["type"] not in ("reasoning", "text", "refusal")


def _said(message: AIMessage) -> list[Block]:
    blocks: list[Block] = []
    if reasoning := message.additional_kwargs.get("reasoning_content"):
        blocks.append({"type": "reasoning", "reasoning": reasoning})
    if refusal := message.additional_kwargs.get("refusal"):
        blocks.append({"type": "refusal", "refusal": refusal})
    if isinstance(message.content, str):
        if message.content:
            blocks.append({"type": "text", "text": message.content})
        return blocks
    for block in message.content:
        blocks.append({"type": "text", "text": block} if isinstance(block, str) else dict(block))
    return blocks


def _call(kind: str, call: Any) -> Block:
    return {**call, "type": kind}


def register() -> None:
    """Make LangChain ask us for the blocks of messages whose `model_provider` is ours."""
    register_translator(PROVIDER, translate, translate_chunk)
