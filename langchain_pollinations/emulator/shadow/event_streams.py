"""Server-sent events: parsing, and the order of the kinds of events."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

DONE = "[DONE]"
LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Event:
    """A server-sent event. `name` is the value of its `event:` line."""

    data: str
    name: str = ""

    @property
    def json(self) -> Any:
        """The data as JSON, or None if the data is not JSON."""
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError):
            return None


def parse(body: bytes) -> list[Event]:
    """Return the events of a stream. Comments are left out, because their number depends on the time."""
    found: list[Event] = []
    data: list[str] = []
    name = ""
    for line in [*LINE_END.split(body.decode("utf-8", "replace")), ""]:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                found.append(Event("\n".join(data), name))
            data, name = [], ""
        elif field == "data":
            data.append(value)
        elif field == "event":
            name = value
    return found


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _delta_kinds(chunk: dict[str, Any]) -> list[str]:
    """Return what a chunk of a chat completion contains: the keys of its delta, "finish" and "usage"."""
    choices = chunk.get("choices")
    first = _object(choices[0]) if isinstance(choices, list) and choices else {}
    delta = _object(first.get("delta"))
    filled = sorted(key for key, value in delta.items() if value not in (None, "", []) and key != "role")
    kinds = filled or (["role"] if delta.get("role") else [])
    if first.get("finish_reason") is not None:
        kinds = [*kinds, "finish"]
    return [*kinds, "usage"] if chunk.get("usage") else kinds


def kind_of(event: Event) -> str:
    """Return the kind of an event, for example "content", "finish", "usage" or "[DONE]"."""
    if event.data == DONE:
        return DONE
    value = event.json
    if not isinstance(value, dict):
        return f"{event.name or 'data'} that is no JSON object"
    if value.get("error"):
        return "error"
    if "choices" in value:
        return "+".join(_delta_kinds(value)) or "empty"
    own = value.get("type") or event.name
    return str(own) if own else "+".join(sorted(value)) or "empty"


def order(events: Iterable[Event]) -> str:
    """Return the kinds of the events in their order. Equal neighbours are named once."""
    return ", ".join(kind for kind, _ in groupby(map(kind_of, events)))
