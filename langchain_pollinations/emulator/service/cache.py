"""The response cache.

Identical concurrent requests share one generation. Later identical requests get the stored result.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from langchain_pollinations.emulator.service.bounded_memory import BoundedStore
from langchain_pollinations.emulator.service.error_responses import Refusal, now

NOT_IDENTITY = ("key", "no-cache")


@dataclass(frozen=True)
class Stored:
    """The stored result of a generation. `value` is the data from which a route builds its response."""

    value: Any
    weight: int  # approximate size in bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    date: str = field(default_factory=now)


def identity(method: str, path: str, query: Mapping[str, str], body: Any, without: tuple[str, ...] = ()) -> str:
    """Return the cache key of a request.

    The key covers everything that affects the response. It does not cover the user. Fields named in `without` are
    ignored.
    """
    dropped = (*NOT_IDENTITY, *without)
    key_query = sorted((k, v) for k, v in query.items() if k not in dropped)
    key_body = {k: v for k, v in body.items() if k not in dropped} if isinstance(body, dict) else body
    text = json.dumps(["GET" if method == "HEAD" else method, path, key_query, key_body], sort_keys=True)
    return sha256(text.encode()).hexdigest()


class Cache:
    """The stored results and the running generations."""

    def __init__(self) -> None:
        self._stored: BoundedStore[Stored] = BoundedStore()
        self._running: dict[str, asyncio.Task[Stored]] = {}

    def clear(self) -> None:
        self._stored.clear()
        self._running.clear()

    def find(self, key: str) -> Stored | None:
        return self._stored.find(key)

    async def join(self, key: str, make: Callable[[], Awaitable[Stored]]) -> tuple[Stored, str]:
        """Return the result for a cache key, and "GENERATED" or "COALESCED".

        "GENERATED" means that this request started the generation. "COALESCED" means that the request waited for a
        running generation. A generation continues if the client disconnects.
        """
        running = self._running.get(key)
        if running is not None:
            try:
                return await asyncio.shield(running), "COALESCED"
            except Refusal as refusal:
                refusal.headers["x-cache-type"] = "COALESCED-ERROR"
                raise

        async def generation() -> Stored:
            return await make()

        task = asyncio.create_task(generation())
        self._running[key] = task
        task.add_done_callback(lambda done: self._finished(key, done))
        return await asyncio.shield(task), "GENERATED"

    def _finished(self, key: str, task: asyncio.Task[Stored]) -> None:
        if self._running.get(key) is not task:
            return
        del self._running[key]
        if not task.cancelled() and task.exception() is None:
            stored = task.result()
            self._stored.put(key, stored, stored.weight)


def headers(key: str, kind: str, date: str) -> dict[str, str]:
    return {"x-cache": "HIT", "x-cache-type": kind, "x-cache-key": key[:16], "x-cache-date": date}
