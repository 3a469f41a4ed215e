"""Merge text from several events and fields of a stream, and split reasoning off the text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any


class FieldMerger:
    """Merges text that the service may send in several fields at once, so that each text is passed on once.

    `add` returns the text of the field that had text first. At the end, `rest` returns text that only other fields
    contain.
    """

    def __init__(self) -> None:
        self._words: dict[str, list[str]] = {}
        self.followed: str | None = None
        """The field whose text is passed on. None before the first text."""

    def __bool__(self) -> bool:
        return bool(self._words)

    def add(self, **texts: str) -> str:
        for name, words in texts.items():
            self.add_one(name, words)
        return texts.get(self.followed or "", "")

    def add_one(self, name: str, words: str) -> str:
        if not words:
            return ""
        if self.followed is None:
            self.followed = name
        if name in self._words:
            self._words[name].append(words)
        else:
            self._words[name] = [words]
        return words if name == self.followed else ""

    def rest(self) -> str:
        known, *others = ["".join(words) for words in self._words.values()] or [""]
        more = ""
        for words in others:
            merged = known + more
            if words.startswith(merged):
                more += words[len(merged) :]
            elif _without_spaces(words) not in _without_spaces(merged) and not set(_WORD.findall(words)) <= set(
                _WORD.findall(merged)
            ):
                more += f"\n\n{words}"
        return more


_WORD = re.compile(r"\w+")  # one field may have citation marks between its words, and the other none


def join_surrogates(text: str) -> tuple[str, str]:
    """Join surrogate pairs in a text.

    Gateways written in JavaScript may split text within a character.

    Returns:
        The text, and a high surrogate that was removed from its end because the next delta may complete it. The second
        value is empty if there is no such surrogate.
    """
    if text.isascii():
        return text, ""
    half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
    whole = text.removesuffix(half) if half else text
    return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"), half


def _without_spaces(words: str) -> str:
    return "".join(words.split())


class BlockJoiner:
    """Joins the text of numbered blocks, with an empty line between blocks."""

    def __init__(self) -> None:
        self._number: Any = None

    def join(self, words: Iterable[tuple[Any, str]]) -> str:
        joined = ""
        for number, text in words:
            if text:
                is_next = self._number is not None and number != self._number
                joined += f"\n\n{text}" if is_next else text
                self._number = number
        return joined


class ThinkTagSplitter:
    """Splits `<think>...</think>` off the beginning of a text. The deltas may divide the text anywhere.

    Later in the text, the tag is ordinary text.
    """

    _OPEN, _CLOSE = "<think>", "</think>"

    def __init__(self) -> None:
        self._place = "head"  # then "thought", then "after" (another tag may follow), finally "text"
        self._held = ""
        self._thought = False

    def split(self, piece: str) -> tuple[str, str]:
        """Split a delta into reasoning and text."""
        if self._place == "text":
            return "", piece
        self._held += piece
        thought = ""
        while self._place != "text":
            if self._place == "thought":
                words, is_closed = self._think()
                thought += words
                if not is_closed:
                    return thought, ""
            head = self._held.lstrip()
            if head.startswith(self._OPEN):
                self._place, self._held = "thought", head[len(self._OPEN) :]
            elif self._OPEN.startswith(head) and len(self._held) <= _MAX_HELD:
                return thought, ""  # may still become the tag
            else:
                self._held = head if self._place == "after" else self._held
                self._place = "text"
        text, self._held = self._held, ""
        return thought, text

    def _think(self) -> tuple[str, bool]:
        """Return the reasoning so far without surrounding white space, and whether it has ended."""
        words, tag, after = self._held.partition(self._CLOSE)
        whole = words if tag else words[: len(words) - _partial_tag_length(words, self._CLOSE)]
        if tag:
            self._place, self._held = "after", after
        else:
            self._held = words[len(whole.rstrip()) :] if len(words) - len(whole.rstrip()) <= _MAX_HELD else ""
        thought = whole.rstrip() if self._thought else whole.strip()
        self._thought = self._thought or bool(thought)
        return thought, bool(tag)

    def end(self) -> tuple[str, str]:
        """Return the reasoning and the text that were held back, at the end of the response."""
        held, self._held = self._held, ""
        if self._place == "thought":
            return held.rstrip(), ""
        return "", held if self._place == "head" else held.lstrip()


_MAX_HELD = 10_000
"""Maximum characters of white space that are held back because a tag may follow."""


def _partial_tag_length(text: str, tag: str) -> int:
    """Return how many characters at the end of a text may be the beginning of a tag."""
    return next((n for n in range(min(len(tag) - 1, len(text)), 0, -1) if tag.startswith(text[-n:])), 0)
