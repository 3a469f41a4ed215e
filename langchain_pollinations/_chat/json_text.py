"""Find JSON in the text of a response, alone or inside fences and prose."""

from __future__ import annotations

import json
import re
from typing import Any

from langchain_core.utils.json import parse_partial_json


def _partial_object(text: str) -> Any:
    """Parse incomplete JSON after optional text. Return None if the JSON cannot be parsed yet."""
    start = text.find("{") if not text.lstrip().startswith("[") else text.find("[")
    is_deep = (
        sum(map(text.count, "{[")) - sum(map(text.count, "}]")) > 100
    )  # LangChain would try to parse every prefix of the text
    try:
        return None if start < 0 or is_deep else parse_partial_json(text[start:])
    except (ValueError, RecursionError):
        return None


_OPENED = re.compile(r"[{\[]")
_BRACKET = re.compile(r"[{}\[\]]")
_IS_JSON = re.compile(r'\{\s*"[^"\n]*"\s*:|\[\s*[\[{]')
_MAX_READ = 1_000_000
_FENCED = re.compile(r"```[a-zA-Z0-9]*[^\S\n]*\n(.*?)```", re.DOTALL)


def json_values(text: str) -> list[Any]:
    """Return the JSON objects and lists in a text.

    The whole text is tried first, then its fenced code blocks, then values between other words.
    """
    for parts in ([text], _FENCED.findall(text)):
        whole = [value for part in parts if (value := _load(part)) is not None]
        if whole:
            return whole
    decoder = json.JSONDecoder(strict=False)
    found: list[Any] = []
    place, spent = 0, 0
    # The number of characters read is limited. A model in a loop may open thousands of brackets, and for each bracket
    # the text would be read to its end. Values inside broken JSON are skipped, because they are not the response.
    while spent < _MAX_READ and (match := _OPENED.search(text, place)) is not None:
        begun = match.start()
        place = begun + 1
        try:
            value, place = decoder.raw_decode(text, begun)
            found.append(value)
        except (json.JSONDecodeError, RecursionError) as error:
            if _IS_JSON.match(text, begun):
                place = _end_of_broken(text, begun)
            if isinstance(error, RecursionError):
                spent += len(text)
            else:
                spent += error.pos - begun + error.pos // 64  # json counts the lines before the error
    objects = [value for value in found if isinstance(value, dict)]
    return objects or found  # a list beside objects is probably a citation mark, such as [1]


def _end_of_broken(text: str, begun: int) -> int:
    """Return the position after the closing bracket of broken JSON, or the end of the text if there is none."""
    depth = 0
    for bracket in _BRACKET.finditer(text, begun):
        depth += 1 if bracket[0] in "{[" else -1
        if not depth:
            return bracket.end()
    return len(text)


def _load(text: str) -> Any:
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None
