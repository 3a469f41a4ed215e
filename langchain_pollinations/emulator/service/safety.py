"""The safety checks of the service. A request selects them with `safe`.

Some checks redact the prompt. The other checks reject the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from langchain_pollinations.emulator.service import validation
from langchain_pollinations.emulator.service.error_responses import Refusal, invalid
from langchain_pollinations.emulator.synthesis.answers.conversation import text_of

Json = dict[str, Any]

HEADER = "pollinations-safe"
ALIASES: Mapping[str, tuple[str, ...]] = {
    "true": ("privacy", "secrets"),
    "nsfw": ("sexual", "violence"),
    "false": (),
    "0": (),
}
# Redactions: the feature, the placeholder, and the pattern.
REDACTED = (
    ("privacy", "EMAIL", re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")),
    ("secrets", "AWS_ACCESS_KEY", re.compile(r"\bAKIA[0-9A-Z]{16}\b")),
)
BLOCKED = (
    ("sexual", re.compile(r"\b(?:porn\w*|nudes?|erotica?)\b", re.IGNORECASE)),
    ("violence", re.compile(r"\b(?:murder\w*|massacre\w*|tortur\w*|behead\w*)\b", re.IGNORECASE)),
    ("shield", re.compile(r"\b(?:ignore|disregard)\s+(?:all\s+)?previous\s+instructions\b", re.IGNORECASE)),
)


def asked_for(body: Mapping[str, Any], query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
    """Return the `safe` value of a request. The body takes precedence over the query, and the query over the header."""
    for place in (body, query):
        if place.get("safe") is not None:
            return place["safe"]
    value = headers.get(HEADER)
    sentence = None if value is None else validation.safe(value)
    if sentence is not None:
        raise invalid("Header", {HEADER: [sentence]})
    return value


def features(value: Any, required: Iterable[str] = ()) -> list[str]:
    """Return the names of the safety checks that a `safe` value or the model requires."""
    tokens = [token.strip().lower() for token in str(value or "").split(",") if token.strip()]
    named = [name for token in tokens for name in ALIASES.get(token, (token,))]
    return list(dict.fromkeys([*named, *required]))


class Safety:
    """The safety checks of one request and their results."""

    def __init__(self, applied: list[str]) -> None:
        self.applied = applied
        self.redacted: list[str] = []

    def redact(self, messages: Iterable[Json]) -> list[Json]:
        """Return the messages with placeholders instead of sensitive text."""
        if not self.applied:
            return list(messages)
        return [{**each, "content": self._content(each["content"])} if "content" in each else each for each in messages]

    def _content(self, content: Any) -> Any:
        if isinstance(content, str):
            return self._text(content)
        if not isinstance(content, list):
            return content
        return [
            {**part, "text": self._text(part["text"])} if isinstance(part.get("text"), str) else part
            for part in content
        ]

    def _text(self, text: str) -> str:
        for feature, name, pattern in REDACTED:
            if feature in self.applied and pattern.search(text):
                text = pattern.sub(f"{{{name}}}", text)
                self.redacted.append(name)
        return text

    def block(self, messages: Iterable[Json]) -> None:
        """Reject messages that contain blocked content."""
        text = "\n".join(text_of(message.get("content")) for message in messages)
        triggered = [name for name, pattern in BLOCKED if name in self.applied and pattern.search(text)]
        if triggered:
            words = f"Content blocked: {', '.join(triggered)}"
            raise Refusal(400, words, code="content_blocked", headers=self.headers())

    def headers(self) -> dict[str, str]:
        found = {"x-safety-applied": ",".join(self.applied)} if self.applied else {}
        return found | ({"x-safety-redacted": ",".join(dict.fromkeys(self.redacted))} if self.redacted else {})
