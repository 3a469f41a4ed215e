"""A store of the newest items, limited by count and size, so that a long run does not exhaust the memory."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

MOST = 10_000
HEAVIEST = 256 * 1024 * 1024  # bytes

T = TypeVar("T")


class Newest(Generic[T]):
    """The newest items by name. The oldest are dropped beyond the limits. Safe to clear from any thread."""

    def __init__(self, most: int = MOST, heaviest: int = HEAVIEST) -> None:
        self._most, self._heaviest = most, heaviest
        self._lock = threading.Lock()
        self._things: dict[str, tuple[T, int]] = {}
        self._weight = 0

    def clear(self) -> None:
        with self._lock:
            self._things.clear()
            self._weight = 0

    def find(self, name: str) -> T | None:
        found = self._things.get(name)
        return found and found[0]

    def all(self) -> list[T]:
        """Return all items, newest last."""
        with self._lock:
            return [thing for thing, _ in self._things.values()]

    def put(self, name: str, thing: T, weight: int) -> None:
        with self._lock:
            self._drop(name)
            self._things[name] = thing, weight
            self._weight += weight
            while len(self._things) > 1 and (len(self._things) > self._most or self._weight > self._heaviest):
                self._drop(next(iter(self._things)))

    def _drop(self, name: str) -> None:
        self._weight -= self._things.pop(name, (None, 0))[1]
