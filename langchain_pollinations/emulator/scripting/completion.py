"""The provider-independent form of a chat completion. A dialect converts it to the response format of a provider."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4


@dataclass(frozen=True)
class Completion:
    """A chat completion, independent of the provider.

    If `exact_usage` is true, the response contains `usage` unchanged.
    """

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
        """The finish reason in OpenAI's terms. A scripted finish reason takes precedence over the default."""
        by_itself = "tool_calls" if self.message.get("tool_calls") else "stop"
        return by_itself if self.finish_reason is None else self.finish_reason

    def listed(self, key: str) -> Sequence[Any]:
        found: Sequence[Any] = self.message.get(key) or ()
        return found

    def span(self, source: Mapping[str, Any]) -> tuple[int, int]:
        """Return the start and end of the text in `content` that cites a source.

        A source without such a text is cited by the whole content.
        """
        text = source.get("text")
        start = self.content.find(text) if text else -1
        return (0, len(self.content)) if start < 0 else (start, start + len(str(text)))
