"""A timer that wakes event loops while their tasks sleep."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

WAKE_INTERVAL = 0.25
"""Maximum seconds that an event loop sleeps while tasks wait for a rate limiter.

Notebooks cancel the task of a cell from a signal handler, which does not wake the loop. Without this interval, a
stopped cell would still wait for its request.
"""


class Heartbeats:
    """The timers of all event loops with sleeping tasks. All tasks of a loop share one timer."""

    def __init__(self) -> None:
        self._beats: dict[asyncio.AbstractEventLoop, _Heartbeat] = {}

    @contextmanager
    def beating(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Wake the running event loop every `WAKE_INTERVAL` within the context."""
        beat = self._beats.setdefault(loop, _Heartbeat(loop))
        beat.start()
        try:
            yield
        finally:
            if beat.stop():
                self._beats.pop(loop, None)


class _Heartbeat:
    """A timer that wakes an event loop while tasks sleep. Only the loop's own thread uses it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._sleepers = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._sleepers += 1
        if self._timer is None:
            self._beat()

    def stop(self) -> bool:
        """End the sleep of one task. Return whether no task sleeps any more."""
        self._sleepers -= 1
        if not self._sleepers and self._timer is not None:
            self._timer.cancel()
        return not self._sleepers

    def _beat(self) -> None:
        self._timer = self._loop.call_later(WAKE_INTERVAL, self._beat)
