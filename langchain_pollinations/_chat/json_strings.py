"""Repair tool-call arguments in which lists and objects are JSON strings. The arguments may arrive in deltas. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from langchain_pollinations._chat.json_schema import never_text, unpacked


class Unpacker:
    """Repairs tool-call arguments that are JSON strings, but must be lists or objects.

    If the parameters of the tool do not allow a string for an argument, the parsed list or object replaces the string.
    Only top-level arguments are checked, not the values inside them. `feed` returns such a string only when the string
    is complete, because the whole string is needed to parse it.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._wanted = never_text(parameters)
        self._depth = 0
        self._is_key = False
        self._key = ""
        self._string: list[str] | None = None
        """The parts of the string that is being read, from its opening quote on. None outside a string."""
        self._is_escaped = False

    @property
    def _is_held(self) -> bool:
        return self._depth == 1 and not self._is_key and self._key in self._wanted

    def feed(self, piece: str) -> str:
        """Parse a delta of the arguments, and return the text that can be passed on."""
        if not self._wanted:
            return piece
        given, place = [], 0
        while place < len(piece):
            read = self._read_outside if self._string is None else self._read_string
            place, text = read(piece, place)
            given.append(text)
        return "".join(given)

    def release(self) -> str:
        """Return the text that is still held back at the end of the arguments: an unterminated string."""
        held = "".join(self._string) if self._string is not None and self._is_held else ""
        self._string = None
        return held

    def _read_outside(self, piece: str, place: int) -> tuple[int, str]:
        """Read up to the next quote, bracket, comma or colon. Return the position after it, and the text to pass on."""
        found = _MARK.search(piece, place)
        if found is None:
            return len(piece), piece[place:]
        mark, end = found[0], found.end()
        if mark == '"':
            self._string = [mark]
            return end, piece[place : end - 1 if self._is_held else end]
        if mark in "{[":
            self._depth += 1
            self._is_key = mark == "{"
        elif mark in "}]":
            self._depth -= 1
        elif self._depth == 1:
            self._is_key = mark == ","
        return end, piece[place:end]

    def _read_string(self, piece: str, place: int) -> tuple[int, str]:
        """Read up to the end of the open string or of the delta. Return that position, and the text to pass on."""
        found = _REST.match(piece, place + self._is_escaped)
        assert self._string is not None and found is not None  # the pattern also matches the empty string
        end, is_closed = found.end(), found[1] == '"'
        self._is_escaped = found[1] == "\\"
        text = piece[place:end]
        self._string.append(text)
        held = self._is_held
        if not is_closed:
            return end, "" if held else text
        whole, self._string = "".join(self._string), None
        if self._depth == 1 and self._is_key:
            self._key = _loaded(whole)
        return end, self._replaced(whole) if held else text

    def _replaced(self, text: str) -> str:
        found = unpacked(_loaded(text))
        kind = "object" if isinstance(found, dict) else "array" if isinstance(found, list) else None
        try:
            return json.dumps(found, allow_nan=False) if kind in self._wanted[self._key] else text
        except ValueError:
            return text  # the parsed value has NaN or Infinity, which JSON does not have


_MARK = re.compile(r'["{}\[\],:]')
# The rest of a string, up to its closing quote or to the end of the delta. A delta may end within an escape sequence.
_REST = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*("|\\\Z|\Z)', re.DOTALL)


def _loaded(text: str) -> str:
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        return ""
