"""Our content-block translator: what `AIMessage.content_blocks` shows of our answers.

Blocks of a stream carry string indices that start with `lc_`, one name a kind. With the ints that providers use, a
text block and the first tool call share index 0, and LangChain's merging makes one corrupt block of them.
"""

from __future__ import annotations

import base64
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages import content as types
from langchain_core.messages.block_translators import register_translator

from langchain_pollinations._encode import PROVIDER
from langchain_pollinations.media import sniff

Block = dict[str, Any]


def translate(message: AIMessage) -> list[types.ContentBlock]:
    """Blocks of a whole message: reasoning, refusal, text and media, then tool calls."""
    blocks = [*_said(message), *_media(message)]
    blocks += [_call("tool_call", call) for call in message.tool_calls]
    blocks += [_call("invalid_tool_call", call) for call in message.invalid_tool_calls]
    return blocks  # type: ignore[return-value]  # dicts in the shape of core's TypedDicts


def translate_chunk(message: AIMessageChunk) -> list[types.ContentBlock]:
    """Blocks of one chunk, or of chunks added up; calls stay in pieces until the last chunk is among them."""
    pieces = message.tool_call_chunks
    if message.chunk_position == "last" and (not pieces or any(piece["name"] for piece in pieces)):
        return translate(message)
    blocks = [{**block, "index": f"lc_{_NAMES[block['type']]}_0"} for block in _said(message)]
    blocks += _media(message)
    blocks += [_call("tool_call_chunk", {**piece, "index": f"lc_tc_{piece.get('index') or 0}"}) for piece in pieces]
    return blocks  # type: ignore[return-value]


_NAMES = {"reasoning": "rs", "text": "txt", "refusal": "rf"}


def _said(message: AIMessage) -> list[Block]:
    kwargs = message.additional_kwargs
    said = (
        ("reasoning", kwargs.get("reasoning_content")),
        ("refusal", kwargs.get("refusal")),
        ("text", str(message.text)),
    )
    return [{"type": kind, kind: words} for kind, words in said if words]


def _media(message: AIMessage) -> list[Block]:
    """Sound and pictures of an answer. In a stream they come whole, with its last chunk."""
    blocks: list[Block] = []
    audio = message.additional_kwargs.get("audio")
    if isinstance(audio, dict) and isinstance(audio.get("data"), str):
        mime_type = _audio_type(audio["data"])
        block = {"type": "audio", "base64": audio["data"], "mime_type": mime_type, "index": "lc_audio_0"}
        extras = {key: audio[key] for key in ("transcript", "expires_at") if audio.get(key)}
        blocks.append({**block, **({"id": audio["id"]} if audio.get("id") else {}), "extras": extras})
    for number, part in enumerate(message.additional_kwargs.get("content_blocks") or []):
        picture = part.get("image_url") if isinstance(part, dict) else None
        if isinstance(picture, dict) and isinstance(picture.get("url"), str):
            blocks.append({"type": "image", **_address(picture["url"]), "index": f"lc_img_{number}"})
    return blocks


def _audio_type(data: str) -> str:
    """The answer does not say its format; what begins like no known one is the raw pcm16 of streams."""
    try:
        return sniff(base64.b64decode(data[:64])) or "audio/pcm"
    except ValueError:
        return "audio/pcm"


def _address(url: str) -> Block:
    head, _, data = url.partition(";base64,")
    return (
        {"base64": data, "mime_type": head.removeprefix("data:")} if head.startswith("data:") and data else {"url": url}
    )


def _call(kind: str, call: Any) -> Block:
    return {**call, "type": kind}


def register() -> None:
    """Make LangChain ask us for the blocks of messages whose `model_provider` is ours."""
    register_translator(PROVIDER, translate, translate_chunk)
