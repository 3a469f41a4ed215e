"""Generates texts that match a regular expression. This serves the `pattern` keyword of JSON schemas."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

# The parser of `re`. It is private and unchanged since Python 3.11.
_parse = import_module("re._parser").parse

MAX_STEPS = 50_000
CHARACTERS = "aA1 -_.,:/@#%+!?()"
CATEGORIES: Mapping[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": str.isdigit,
    "CATEGORY_NOT_DIGIT": lambda c: not c.isdigit(),
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_NOT_SPACE": lambda c: not c.isspace(),
    "CATEGORY_WORD": lambda c: c.isalnum() or c == "_",
    "CATEGORY_NOT_WORD": lambda c: not (c.isalnum() or c == "_"),
}


def matches(pattern: str, text: str) -> bool:
    """Return whether a text matches a pattern. If Python cannot parse the pattern, every text matches."""
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return True


def text_for(pattern: str, least: int = 0, most: int | None = None) -> str | None:
    """Return a text that matches a pattern and has an allowed length. Return None if no such text is found."""
    try:
        tree = _parse(pattern)
    except re.error:
        return None
    for times in (1, 0, 2, 3, 4, 6, 8, 12, 16, 32, least):
        try:
            text = _Writer(times).write(tree)
        except _TooLong:
            continue
        for padded in (text, text.ljust(least, "a"), text.rjust(least, "a")):
            if least <= len(padded) <= (len(padded) if most is None else most) and matches(pattern, padded):
                return padded
    return None


class _TooLong(Exception):
    """A text has more than `MAX_STEPS` parts."""


class _Writer:
    """Writes a text that matches a parsed pattern.

    A repeated part is written `times` times if the pattern allows that.
    """

    def __init__(self, times: int) -> None:
        self.times, self.steps = times, 0
        self.groups: dict[int, str] = {}

    def write(self, tree: Iterable[tuple[Any, Any]]) -> str:
        return "".join(self._write(str(kind), value) for kind, value in tree)

    def _write(self, kind: str, value: Any) -> str:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise _TooLong
        match kind:
            case "LITERAL":
                return chr(value)
            case "NOT_LITERAL":
                return next(c for c in CHARACTERS if ord(c) != value)
            case "ANY":
                return "a"
            case "IN":
                return _one_of(value)
            case "BRANCH":
                return self.write(value[1][0])
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                low, high, inner = value
                return "".join(self.write(inner) for _ in range(min(max(low, self.times), high)))
            case "SUBPATTERN":
                self.groups[value[0]] = text = self.write(value[3])
                return text
            case "ATOMIC_GROUP":
                return self.write(value)
            case "GROUPREF":
                return self.groups.get(value, "")
        return ""  # anchors and conditions add no text; the finished text is matched against the pattern


def _one_of(items: Sequence[tuple[Any, Any]]) -> str:
    """Return a character of a character set. For a negated set, return a character that is not in the set."""
    known = [(str(kind), value) for kind, value in items]
    edges = [chr(value[0] if kind == "RANGE" else value) for kind, value in known if kind in ("RANGE", "LITERAL")]
    negated = ("NEGATE", None) in known
    found = (c for c in [*edges, *CHARACTERS] if any(_is_in(c, *item) for item in known) is not negated)
    return next(found, "a")


def _is_in(character: str, kind: str, value: Any) -> bool:
    match kind:
        case "LITERAL":
            return bool(ord(character) == value)
        case "RANGE":
            return bool(value[0] <= ord(character) <= value[1])
        case "CATEGORY":
            return CATEGORIES[str(value)](character)
    return False
