"""A chat completion in neutral form, before a dialect converts it to the format of a provider."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4


@dataclass(frozen=True)
class Completion:
    """A chat completion in neutral form. With `exact_usage`, a dialect sends the usage unchanged."""

    message: Mapping[str, Any]
    model: str
    usage: Mapping[str, Any] | None = None
    finish_reason: str | None = None
    exact_usage: bool = False
    cost: float = 0.0
    logprobs: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    number: str = field(default_factory=lambda: uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def without_usage(self) -> Completion:
        return replace(self, usage=None)

    @property
    def content(self) -> str:
        content = self.message.get("content")
        return content if isinstance(content, str) else ""

    @property
    def thought(self) -> str:
        thought = self.message.get("reasoning_content")
        return thought if isinstance(thought, str) else ""

    @property
    def ending(self) -> str:
        """The scripted finish reason, else the default one, in OpenAI's terms."""
        by_itself = "tool_calls" if self.message.get("tool_calls") else "stop"
        return by_itself if self.finish_reason is None else self.finish_reason

    def listed(self, key: str) -> Sequence[Any]:
        found: Sequence[Any] = self.message.get(key) or ()
        return found

    def span(self, source: Mapping[str, Any]) -> tuple[int, int]:
        """Return the range of the content that cites a source: its text, or all of the content if it has none."""
        text = source.get("text")
        start = self.content.find(text) if text else -1
        return (0, len(self.content)) if start < 0 else (start, start + len(str(text)))
