"""The content-block translator: computes `AIMessage.content_blocks` for responses of the service.

In a stream, the index of a block is a string: `lc_`, a short name of the block's type, and a number. Providers use
numbers only. With numbers, a text block and the first tool call would both have index 0, and LangChain would merge them
into one corrupt block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages import content as types
from langchain_core.messages.block_translators import register_translator
from langchain_core.outputs import ChatGeneration, LLMResult

from langchain_pollinations._chat.chunks import invalid_calls
from langchain_pollinations._types import PROVIDER

Block = dict[str, Any]


def translate(message: AIMessage) -> list[types.ContentBlock]:
    """Return the blocks of a complete message.

    Their order is reasoning, refusal, text, tool calls, media, server-side tools.
    """
    calls = [_call("tool_call", call) for call in message.tool_calls]
    calls += [_call("invalid_tool_call", call) for call in invalid_calls(message)]
    return [*_text_blocks(message), *calls, *_media_blocks(message), *_server_tool_blocks(message)]  # type: ignore[list-item]


def translate_chunk(message: AIMessageChunk) -> list[types.ContentBlock]:
    """Return the blocks of a chunk, or of a sum of chunks.

    Tool calls are `tool_call_chunk` blocks until the sum includes the last chunk.
    """
    chunks = message.tool_call_chunks
    if message.chunk_position == "last" and (
        _has_text(message) or any(chunk["name"] or chunk["id"] for chunk in chunks)
    ):
        return translate(message)
    texts = [{**block, "index": f"lc_{_NAMES[block['type']]}_0"} for block in _text_blocks(message)]
    calls = [_call("tool_call_chunk", {**chunk, "index": f"lc_tc_{chunk.get('index') or 0}"}) for chunk in chunks]
    # Without a distinct index, LangChain would merge a block into the previous block of the same type.
    others = (
        {**b, "index": f"lc_{b['type']}_{n}"}
        for n, b in enumerate([*_media_blocks(message), *_server_tool_blocks(message)])
    )
    return [*texts, *calls, *others]  # type: ignore[list-item]


_NAMES = {"reasoning": "rs", "text": "txt", "refusal": "rf"}


def _has_text(message: AIMessage) -> bool:
    """Whether a message has text, reasoning or a refusal. The last chunk of a stream by itself has none of them."""
    kwargs = message.additional_kwargs
    return bool(message.text or kwargs.get("reasoning_content") or kwargs.get("refusal"))


def _text_blocks(message: AIMessage) -> list[Block]:
    kwargs = message.additional_kwargs
    reasoning: Block = {"type": "reasoning", "reasoning": kwargs.get("reasoning_content") or ""}
    if extras := _reasoning_extras(kwargs):
        reasoning["extras"] = extras
    text: Block = {"type": "text", "text": str(message.text)}
    if annotations := kwargs.get("annotations"):
        text["annotations"] = annotations
    blocks = (reasoning, _refusal(message) or {}, text)
    return [block for block in blocks if any(block[key] for key in block.keys() - {"type"})]


def _refusal(message: AIMessage) -> Block | None:
    """Return the refusal of the model or its provider. Its text may be empty if a content filter stopped the answer."""
    words = message.additional_kwargs.get("refusal")
    is_filtered = message.response_metadata.get("finish_reason") == "content_filter"
    if not (words or is_filtered):
        return None
    extras = {"extras": {"category": "content_filter"}} if is_filtered else {}
    return {"type": "refusal", "refusal": words or "", **extras}


def restore_refusals(result: LLMResult) -> LLMResult:
    """Restore the refusal blocks of a result. LangChain's v3 events drop these blocks.

    LangGraph uses v3 events if its caller uses them. `ModelRefusalMiddleware` requires the refusal block.
    """
    for generation in chain.from_iterable(result.generations):
        if isinstance(generation, ChatGeneration) and isinstance(message := generation.message, AIMessage):
            generation.message = _with_refusal(message)
    return result


def _with_refusal(message: AIMessage) -> AIMessage:
    refusal = _refusal(message)
    if not refusal or isinstance(message.content, str) or any(b["type"] == "refusal" for b in message.content_blocks):
        return message
    return message.model_copy(update={"content": [*message.content, refusal]})


def _reasoning_extras(kwargs: Mapping[str, Any]) -> Block:
    """Return the signatures of the reasoning, and the data of redacted or encrypted reasoning."""
    entries = [*_entries(kwargs, "content_blocks"), *_entries(kwargs, "reasoning_details")]
    found = {
        "signatures": [entry["signature"] for entry in entries if entry.get("signature")],
        "redacted": [e["data"] for e in entries if e.get("type") in _HIDDEN and e.get("data")],
    }
    marks: Block = {key: values for key, values in found.items() if values}
    if len(found["signatures"]) == 1:
        marks["signature"] = marks.pop("signatures")[0]
    return marks


_HIDDEN = ("redacted_thinking", "reasoning.encrypted")


def _entries(kwargs: Mapping[str, Any], key: str) -> list[Block]:
    entries = kwargs.get(key)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _media_blocks(message: AIMessage) -> list[Block]:
    """Return images, audio and video. In a stream they are on the last chunk."""
    if isinstance(message.content, str):
        return []
    return [dict(block) for block in message.content if isinstance(block, dict) and block.get("type") != "text"]


# --- Server-side tools ------------------------------------------------------------------------------------------------


def _server_tool_blocks(message: AIMessage) -> Iterator[Block]:
    """Yield the calls and results of tools that the provider ran. Unknown blocks become `non_standard` blocks."""
    yield from _searches(message.response_metadata.get("groundingMetadata"))
    last_call = ""
    for number, block in enumerate(_entries(message.additional_kwargs, "content_blocks")):
        kind = str(block.get("type"))
        if kind in _SHOWN_ELSEWHERE:
            continue
        call_id = str(block.get("id") or block.get("tool_use_id") or f"server_tool_{number}")
        if kind in ("server_tool_use", "mcp_tool_use"):
            last_call = call_id
            yield _server_call(call_id, str(block.get("name", "")), block.get("input"))
        elif kind == "executable_code":
            last_call = call_id
            yield _server_call(call_id, "code_execution", block.get(kind))
        elif kind == "code_execution_result":
            result = block.get(kind)
            outcome = result.get("outcome") if isinstance(result, dict) else None
            yield _server_result(last_call or call_id, result, is_error=outcome not in (None, "OUTCOME_OK"))
        elif kind.endswith("_tool_result"):
            result = block.get("content")
            is_error = bool(block.get("is_error")) or str(_field(result, "type")).endswith("_error")
            yield _server_result(str(block.get("tool_use_id") or last_call), result, is_error=is_error)
        else:
            yield {"type": "non_standard", "value": block}


# Types of blocks that are part of the text, reasoning, images or tool calls of the message.
_SHOWN_ELSEWHERE = frozenset({"text", "thinking", "redacted_thinking", "image_url", "tool_use"})


def _field(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _searches(grounding: Any) -> Iterator[Block]:
    if queries := _field(grounding, "webSearchQueries"):
        yield _server_call("google_search_0", "google_search", {"queries": queries})
        yield _server_result("google_search_0", grounding.get("groundingChunks"))


def _server_call(call_id: str, name: str, args: Any) -> Block:
    args = args if isinstance(args, dict) else {} if args is None else {"input": args}
    return {"type": "server_tool_call", "id": call_id, "name": name, "args": args}


def _server_result(call_id: str, output: Any, *, is_error: bool = False) -> Block:
    status = "error" if is_error else "success"
    return {"type": "server_tool_result", "tool_call_id": call_id, "status": status, "output": output}


def _call(kind: str, call: Any) -> Block:
    return {**call, "type": kind}


def register() -> None:
    """Register the translator for messages whose `model_provider` is `PROVIDER`."""
    register_translator(PROVIDER, translate, translate_chunk)
