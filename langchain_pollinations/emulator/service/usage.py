"""Counts the tokens of requests and responses, for usage objects and usage headers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from langchain_pollinations.emulator.synthesis.answers.attachments import Part
from langchain_pollinations.emulator.synthesis.answers.conversation import ChatRequest, text_of

Json = dict[str, Any]

PREFIX = 4000  # characters, about 1,000 tokens: the minimum prefix that providers cache
MAX_MARKS = 100_000  # all are dropped beyond this number, as providers drop theirs after a while


def tokens(text: str) -> int:
    """Estimate the number of tokens in a text: one token for each four characters, rounded up."""
    return -(-len(text) // 4)


class Prefixes:
    """The beginnings of earlier prompts. A provider bills a repeated beginning at the price for cached tokens."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def clear(self) -> None:
        self._seen.clear()

    def marked(self, text: str) -> tuple[int, int]:
        """Return how many tokens of a marked prefix are read from and written to the provider's cache.

        A marked prefix is the part of a prompt that ends with `cache_control`.
        """
        mark = sha256(f"marked {text}".encode()).hexdigest()
        known = mark in self._seen
        self._add([mark])
        count = tokens(text)
        return (count, 0) if known else (0, count)

    def cached(self, text: str) -> int:
        """Return how many tokens at the beginning of a text are the same as in an earlier text. Store the text."""
        marks, so_far = [], sha256()
        for end in range(PREFIX, len(text) + 1, PREFIX):
            so_far.update(text[end - PREFIX : end].encode())
            marks.append(so_far.hexdigest())
        known = 0
        for place, mark in enumerate(marks, 1):
            if mark in self._seen:
                known = place * PREFIX // 4
        self._add(marks)
        return known

    def _add(self, marks: Iterable[str]) -> None:
        if len(self._seen) > MAX_MARKS:
            self._seen.clear()
        self._seen.update(marks)


def _marked(chat: ChatRequest) -> str:
    """Return the text of a conversation up to its last `cache_control` mark. Return an empty string without a mark."""
    text, end = "", 0
    for message in chat.messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else []:
            text += str(part.get("text") or "")
            end = len(text) if part.get("cache_control") or part.get("prompt_cache_breakpoint") else end
        text += content if isinstance(content, str) else ""
        end = len(text) if message.get("cache_control") else end
    return text[:end]


def _whole(chat: ChatRequest) -> str:
    calls = [m.get("tool_calls") for m in chat.messages if m.get("tool_calls")]
    text = "\n".join(text_of(m.get("content")) for m in chat.messages)
    return text + (json.dumps(calls) if calls else "")


def _sum(parts: list[Part], kind: str) -> int:
    return sum(p.tokens for p in parts if p.kind == kind)


def _text(chat: ChatRequest) -> int:
    tools = chat.body.get("tools")
    return 3 * len(chat.messages) + tokens(_whole(chat)) + (tokens(json.dumps(tools)) if tools else 0)


def estimated(chat: ChatRequest) -> int:
    """Estimate the number of tokens in a prompt, including its attachments."""
    return _text(chat) + sum(p.tokens for p in chat.parts)


def of_prompt(chat: ChatRequest, prefixes: Prefixes) -> Json:
    """Return the fields of a usage object that describe the prompt."""
    text = _text(chat)
    read, written = prefixes.marked(_marked(chat))
    cached = min(text, max(prefixes.cached(_whole(chat)), read))
    details = {
        "cached_tokens": cached,
        "cache_write_tokens": min(text - cached, written),
        "audio_tokens": _sum(chat.parts, "audio"),
        "image_tokens": _sum(chat.parts, "image"),
    }
    if video := _sum(chat.parts, "video"):
        details["video_tokens"] = video
    return {"prompt_tokens": estimated(chat), "prompt_tokens_details": details}


def of_response(prompt: Json, message: Mapping[str, Any]) -> Json:
    """Return the complete usage object. `prompt` contains the fields that `of_prompt` returns."""
    thought = message.get("reasoning_content")
    reasoning = tokens(thought) if isinstance(thought, str) else 0
    calls = message.get("tool_calls")
    audio = message.get("audio") or {}
    spoken = tokens(audio.get("transcript", "")) * 5
    text = tokens(text_of(message.get("content"))) + (tokens(json.dumps(calls)) if calls else 0)
    total = reasoning + spoken + text
    return {
        "prompt_tokens": prompt["prompt_tokens"],
        "completion_tokens": total,
        "total_tokens": prompt["prompt_tokens"] + total,
        "prompt_tokens_details": prompt["prompt_tokens_details"],
        "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": spoken},
    }


NONE: Json = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def _count(usage: Mapping[str, Any], *path: str) -> int:
    value: Any = usage
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, int) else 0


def units(usage: Mapping[str, Any]) -> dict[str, int]:
    """Convert the usage object of a chat response to the units of the catalogue. Each token counts in only one unit."""
    cached = _count(usage, "prompt_tokens_details", "cached_tokens")
    written = _count(usage, "prompt_tokens_details", "cache_write_tokens")
    written = written or _count(usage, "cache_creation_input_tokens")
    audio = _count(usage, "prompt_tokens_details", "audio_tokens")
    images = _count(usage, "prompt_tokens_details", "image_tokens")
    video = _count(usage, "prompt_tokens_details", "video_tokens")
    reasoning = _count(usage, "completion_tokens_details", "reasoning_tokens")
    spoken = _count(usage, "completion_tokens_details", "audio_tokens")
    found = {
        "promptTextTokens": _count(usage, "prompt_tokens") - cached - written - audio - images - video,
        "promptCachedTokens": cached,
        "promptCacheWriteTokens": written,
        "promptAudioTokens": audio,
        "promptImageTokens": images,
        "promptVideoTokens": video,
        "completionTextTokens": _count(usage, "completion_tokens") - reasoning - spoken,
        "completionReasoningTokens": reasoning,
        "completionAudioTokens": spoken,
    }
    return {unit: number for unit, number in found.items() if number > 0}


def headers(counted: Mapping[str, float], total: int | None = None) -> dict[str, str]:
    """Return the `x-usage-*` headers."""

    def header(unit: str) -> str:
        return "x-usage-" + re.sub(r"(?<!^)(?=[A-Z])", "-", unit).lower()

    found = {header(unit): str(number) for unit, number in counted.items()}
    return found if total is None else found | {"x-usage-total-tokens": str(total)}
