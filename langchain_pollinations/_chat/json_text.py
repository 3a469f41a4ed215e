"""JSON in the text of a response, whole or wrapped in fences and prose."""

from __future__ import annotations

import json
import re
from typing import Any

from langchain_core.utils.json import parse_partial_json


def _partial_object(text: str) -> Any:
    """JSON that is still on its way, with what may stand before it; None where nothing can be made of it yet."""
    start = text.find("{") if not text.lstrip().startswith("[") else text.find("[")
    is_deep = sum(map(text.count, "{[")) - sum(map(text.count, "}]")) > 100  # would be tried from every end
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
    """Objects and lists in a text: the text itself, its fenced blocks, or whatever stands in its prose."""
    for parts in ([text], _FENCED.findall(text)):
        whole = [value for part in parts if (value := _load(part)) is not None]
        if whole:
            return whole
    decoder = json.JSONDecoder(strict=False)
    found: list[Any] = []
    place, spent = 0, 0
    # A model that runs in circles opens thousands of brackets, each of which would be read to the end of the text. And
    # what stands inside of broken JSON is no answer.
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
                spent += error.pos - begun + error.pos // 64  # it counts the lines before it
    objects = [value for value in found if isinstance(value, dict)]
    return objects or found  # a list beside objects is rather a mark of a source, such as [1]


def _end_of_broken(text: str, begun: int) -> int:
    """Where broken JSON ends: behind the bracket that closes it, else with the text."""
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
