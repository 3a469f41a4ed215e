"""The shape of JSON: keys, types and the values of enumerated fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

MAX_DEPTH = 40
MAX_VALUES = 12  # enumerated values that a difference names
# Fields whose values come from a fixed set, and arrays of such values.
ENUMERATED = frozenset(
    "object type role finish_reason code media_type task category currency meter_source success isError jsonrpc "
    "input_modalities output_modalities supported_endpoints capabilities resolutions".split()
)
ABSENT = "absent"


def _type(value: Any) -> str:
    names = {type(None): "null", bool: "boolean", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "number")


@dataclass
class Shape:
    """The shape of one or more JSON values. Several values are the items of an array or the events of a stream."""

    types: set[str] = field(default_factory=set)
    fields: dict[str, Shape] = field(default_factory=dict)
    items: Shape | None = None
    values: set[str] = field(default_factory=set)

    def add(self, value: Any, name: str = "", depth: int = 0) -> None:
        """Add a value. `name` is the key of the value, or of the array that contains the value."""
        self.types.add(_type(value))
        if depth >= MAX_DEPTH:
            return
        if isinstance(value, dict):
            for key, inner in value.items():
                self.fields.setdefault(key, Shape()).add(inner, key, depth + 1)
        elif isinstance(value, list):
            for inner in value:
                self.items = self.items or Shape()
                self.items.add(inner, name, depth + 1)
        elif name in ENUMERATED and value is not None:
            self.values.add(str(value))

    @property
    def kind(self) -> str:
        return " or ".join(sorted(self.types))


def shape_of(values: Iterable[Any]) -> Shape:
    found = Shape()
    for value in values:
        found.add(value)
    return found


def _listed(values: set[str]) -> str:
    ordered = sorted(values)
    more = len(ordered) - MAX_VALUES
    return ", ".join(ordered[:MAX_VALUES]) + (f" and {more} more" if more > 0 else "")


def compare(upstream: Shape, emulator: Shape, place: str) -> Iterator[tuple[str, str, str]]:
    """Yield the differences of two shapes: the place, and what is there in either shape.

    An empty array has no items to compare, so it equals any array.
    """
    if upstream.types != emulator.types:
        yield place, upstream.kind, emulator.kind
    if upstream.values and emulator.values and upstream.values != emulator.values:
        yield place, _listed(upstream.values - emulator.values), _listed(emulator.values - upstream.values)
    if "object" in upstream.types & emulator.types:
        for key in sorted({*upstream.fields, *emulator.fields}):
            one, other = upstream.fields.get(key), emulator.fields.get(key)
            inner = f"{place}.{key}"
            if one is not None and other is not None:
                yield from compare(one, other, inner)
            else:
                yield inner, one.kind if one else ABSENT, other.kind if other else ABSENT
    if upstream.items is not None and emulator.items is not None:
        yield from compare(upstream.items, emulator.items, f"{place}[]")
