"""Splits messages into the deltas of a stream: text in pieces, everything else whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = dict[str, Any]

WORDS = {"text": "text", "thinking": "thinking"}  # block types that a stream splits, and the key of their text
UNTYPED = frozenset({"text", "thinking", "redacted_thinking"})  # block types whose `type` a stream omits


def _slices(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


def of_text(text: str) -> Iterator[str]:
    """Split a text into short pieces of uneven length. A text of more than one character has at least two pieces."""
    return _slices(text, max(1, min(24, len(text) // 4)))


def of_arguments(function: Mapping[str, Any]) -> Iterator[Any]:
    """Split the arguments of a tool call. Arguments in object form, which some providers use, are sent whole."""
    arguments = function.get("arguments", "")
    return of_text(arguments) if isinstance(arguments, str) else iter([arguments])


def of_key(message: Mapping[str, Any], key: str) -> Iterator[Json]:
    """Split the text of a key. Other values are sent whole."""
    value = message.get(key)
    if isinstance(value, str):
        yield from ({key: piece} for piece in of_text(value))
    elif value:
        yield {key: value}


def _of_block(block: Mapping[str, Any]) -> Iterator[Json]:
    """Split a content block: its text in pieces, its other keys separately.

    Blocks of other types are sent whole, with their type.
    """
    kind = block.get("type")
    if kind not in UNTYPED:
        yield dict(block)
        return
    words = WORDS.get(str(kind), "")
    yield from of_key(block, words)
    for key, value in block.items():
        if key not in ("type", words):
            yield {key: value}


def of_blocks(blocks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Json]]:
    """Yield the pieces of content blocks, each with the index of its block."""
    for number, block in enumerate(blocks):
        for piece in _of_block(block):
            yield number, piece


def in_block(number: int, piece: Json) -> Json:
    """Return the delta with a piece of a content block."""
    return {"content_blocks": [{"index": number, "delta": piece}]}


def of_given_blocks(blocks: Any) -> Iterator[Json]:
    """Yield the deltas of scripted content blocks. Values that are not content blocks are sent unchanged."""
    if isinstance(blocks, list) and all(isinstance(block, Mapping) for block in blocks):
        yield from (in_block(number, piece) for number, piece in of_blocks(blocks))
    elif blocks:
        yield {"content_blocks": blocks}


def of_audio(audio: Mapping[str, Any]) -> Iterator[Json]:
    """Yield the deltas of audio: first its transcript, then its data, cut at multiples of four base64 characters."""
    head = {k: audio[k] for k in ("id", "expires_at") if k in audio}
    for piece in of_text(audio.get("transcript", "")):
        yield {"audio": {**head, "transcript": piece}}
    data = audio.get("data", "")
    for piece in _slices(data, max(4, len(data) // 16 * 4)):
        yield {"audio": {**head, "data": piece}}
