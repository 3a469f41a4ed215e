"""Splits a message into the deltas of a stream. Only text is split. Other values are sent whole."""

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
    """Split a text into short pieces. A text of more than one character has at least two pieces."""
    return _slices(text, max(1, min(24, len(text) // 4)))


def of_arguments(function: Mapping[str, Any]) -> Iterator[Any]:
    """Split the arguments of a tool call. Some providers send the arguments as an object, which is not split."""
    arguments = function.get("arguments", "")
    return of_text(arguments) if isinstance(arguments, str) else iter([arguments])


def of_key(message: Mapping[str, Any], key: str) -> Iterator[Json]:
    """Yield deltas with the value of one key. A text is split. Another value is sent whole."""
    value = message.get(key)
    if isinstance(value, str):
        yield from ({key: piece} for piece in of_text(value))
    elif value:
        yield {key: value}


def _of_block(block: Mapping[str, Any]) -> Iterator[Json]:
    """Split a content block with text or reasoning. Its text is split, and each of its other keys gets its own piece.

    A block of another type is sent whole.
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
    """Yield the pieces of all content blocks. Each piece comes with the index of its block."""
    for number, block in enumerate(blocks):
        for piece in _of_block(block):
            yield number, piece


def in_block(number: int, piece: Json) -> Json:
    """Return a delta that contains one piece of a content block."""
    return {"content_blocks": [{"index": number, "delta": piece}]}


def of_given_blocks(blocks: Any) -> Iterator[Json]:
    """Yield the deltas of scripted `content_blocks`. A value that is not a list of blocks is sent unchanged."""
    if isinstance(blocks, list) and all(isinstance(block, Mapping) for block in blocks):
        yield from (in_block(number, piece) for number, piece in of_blocks(blocks))
    elif blocks:
        yield {"content_blocks": blocks}


def of_audio(audio: Mapping[str, Any]) -> Iterator[Json]:
    """Yield the deltas of audio output: first the transcript, then the base64 data.

    The data is cut at multiples of four characters, so that each piece can be decoded.
    """
    head = {k: audio[k] for k in ("id", "expires_at") if k in audio}
    for piece in of_text(audio.get("transcript", "")):
        yield {"audio": {**head, "transcript": piece}}
    data = audio.get("data", "")
    for piece in _slices(data, max(4, len(data) // 16 * 4)):
        yield {"audio": {**head, "data": piece}}
