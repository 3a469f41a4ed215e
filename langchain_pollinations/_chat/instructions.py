"""Add instructions to the system message."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_pollinations._types import Json


def require_json(wire: list[Json]) -> list[Json]:
    """Add an instruction to answer in JSON if no message mentions JSON. Providers require a mention for JSON mode."""
    return wire if mentions_json(wire) else add_instruction(wire, "Answer with a JSON object and nothing else.")


def mentions_json(wire: Sequence[Json]) -> bool:
    """Whether a text of the messages contains the word "json". Base64 and URLs are ignored."""
    for message in wire:
        content = message.get("content")
        texts = [content] if isinstance(content, str) else [part.get("text") for part in content or []]
        if any("json" in text.lower() for text in texts if isinstance(text, str)):
            return True
    return False


def add_instruction(wire: list[Json], instruction: str) -> list[Json]:
    """Add an instruction at the end of the system message, so that a prompt cache still matches the text before it."""
    first, content = wire[0], wire[0].get("content")
    if first["role"] not in ("system", "developer"):
        return [{"role": "system", "content": instruction}, *wire]
    if isinstance(content, list):
        return [{**first, "content": [*content, {"type": "text", "text": instruction}]}, *wire[1:]]
    return [{**first, "content": f"{content or ''}\n\n{instruction}".strip()}, *wire[1:]]


def call_instruction(name: str | None) -> str:
    """Return the instruction that replaces a forced tool choice.

    Args:
        name: Name of the tool in the request; None for any tool.
    """
    tool = f"the tool {name!r}" if name else "one of your tools"
    return f"Answer with a call of {tool}, not with text."


def without_cache_control(wire: Sequence[Json]) -> list[Json]:
    """Return messages or tools without the markers for the provider's prompt cache."""
    return [
        {
            key: without_cache_control(value) if key == "content" and isinstance(value, list) else value
            for key, value in each.items()
            if key != "cache_control"
        }
        for each in wire
    ]
