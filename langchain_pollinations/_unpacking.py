"""Arguments of a tool call, whole or in deltas, whose lists and objects came as JSON strings. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from langchain_pollinations._json_schema import never_text, unpacked


class Unpacker:
    """Writes the list or object in place of a string that holds it, where the parameters of the tool allow no string.

    Only the arguments themselves are looked at, not what they contain. Of a string that may have to be replaced nothing
    is given out before its end.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._wanted = never_text(parameters)
        self._depth = 0
        self._is_key = False
        self._key = ""
        self._is_escaped = False
        self._string = ""
        """The string that is open, from its quote on."""

    @property
    def held(self) -> str:
        """What is not given out yet."""
        return self._string if self._is_held else ""

    @property
    def _is_held(self) -> bool:
        return bool(self._string) and self._depth == 1 and not self._is_key and self._key in self._wanted

    def feed(self, piece: str) -> str:
        """What can be given out now that a piece of the arguments has come."""
        return "".join(map(self._read, piece)) if self._wanted else piece

    def _read(self, character: str) -> str:
        if not self._string:
            self._note(character)
            return "" if self._is_held else character
        held = self._is_held
        self._string += character
        if self._is_escaped or character != '"':
            self._is_escaped = character == "\\" and not self._is_escaped
            return "" if held else character
        text, self._string = self._string, ""
        if self._depth == 1 and self._is_key:
            self._key = _loaded(text)
        return self._replaced(text) if held else character

    def _note(self, character: str) -> None:
        """Where in the arguments we are, outside of strings."""
        if character == '"':
            self._string = character
        elif character in "{[":
            self._depth += 1
            self._is_key = character == "{"
        elif character in "}]":
            self._depth -= 1
        elif character in ",:" and self._depth == 1:
            self._is_key = character == ","

    def _replaced(self, text: str) -> str:
        found = unpacked(_loaded(text))
        kind = "object" if isinstance(found, dict) else "array" if isinstance(found, list) else None
        try:
            return json.dumps(found, allow_nan=False) if kind in self._wanted[self._key] else text
        except ValueError:
            return text  # a number that JSON does not have


def _loaded(text: str) -> str:
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        return ""
