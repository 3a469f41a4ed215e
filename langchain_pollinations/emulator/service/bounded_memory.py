"""A store that limits the number and the total size of its items, so that a long run does not exhaust the memory."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

MAX_ITEMS = 10_000
MAX_BYTES = 256 * 1024 * 1024  # bytes

T = TypeVar("T")


class BoundedStore(Generic[T]):
    """Stores items by name. When a limit is exceeded, the oldest items are removed. Any thread may clear the store."""

    def __init__(self, max_items: int = MAX_ITEMS, max_bytes: int = MAX_BYTES) -> None:
        self._max_items, self._max_bytes = max_items, max_bytes
        self._lock = threading.Lock()
        self._items: dict[str, tuple[T, int]] = {}
        self._weight = 0

    def clear(self) -> None:
        with self._lock:
            self._items.clear()
            self._weight = 0

    def find(self, name: str) -> T | None:
        found = self._items.get(name)
        return found and found[0]

    def take(self, name: str) -> T | None:
        """Remove an item and return it."""
        with self._lock:
            found = self.find(name)
            self._drop(name)
        return found

    def all(self) -> list[T]:
        """Return all items, oldest first."""
        with self._lock:
            return [item for item, _ in self._items.values()]

    def put(self, name: str, item: T, weight: int) -> None:
        with self._lock:
            self._drop(name)
            self._items[name] = item, weight
            self._weight += weight
            while len(self._items) > 1 and (len(self._items) > self._max_items or self._weight > self._max_bytes):
                self._drop(next(iter(self._items)))

    def _drop(self, name: str) -> None:
        self._weight -= self._items.pop(name, (None, 0))[1]
