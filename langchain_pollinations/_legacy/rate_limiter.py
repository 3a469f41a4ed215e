"""The rate limiter of the legacy hosts. These accept one request at a time, and one request per 30 s and IP address.

All threads and event loops of the process share one `RequestQueue`. Each request waits for its `Slot`. A waiter takes
the slot itself, under the lock of the queue, when it is woken or when its waiting time is over. No waiter hands the
slot to another waiter, so no slot is lost when a waiter gives up.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile

from langchain_pollinations._media.progress import Progress, ShowProgress, show_line
from langchain_pollinations._transport.heartbeat import Heartbeats
from langchain_pollinations.errors import KEYS_PAGE, PollinationsError, RateLimitError

logger = logging.getLogger(__name__)

SILENT_WAIT = 1.0
"""Minimum seconds of a wait that is reported."""


@dataclass(eq=False)
class _Waiter:
    """A request that waits in the queue, or that holds the slot."""

    interval: float
    wake: Callable[[], object]
    """Makes the waiter check its position. Any thread may call this function, also during garbage collection."""
    hears_all: bool
    """Whether the waiter is woken at each change of the queue, not only when it is the first."""
    loop: asyncio.AbstractEventLoop | None = None
    """The event loop of the waiting task."""
    holds_up: asyncio.AbstractEventLoop | None = None
    """The event loop that the waiting thread blocks."""
    began: float = math.nan
    """Time at which the waiter took the slot."""
    last: float = math.nan
    """Value of `RequestQueue.began` before the waiter took the slot."""


@dataclass(frozen=True)
class _Position:
    """The position of a waiter."""

    is_turn: bool
    left: float
    """Seconds until the slot is free for the waiter, if all requests ahead are sent in time."""
    before: int
    """Number of requests ahead, including the request that is being sent."""


class RequestQueue:
    """A queue of requests, first in, first out. The package has one queue per process.

    The queue skips a waiter if its event loop cannot run. The loop may be closed or stopped. It may also be blocked by
    a thread that waits in this queue, because the caller used `invoke` instead of `await ainvoke`. A forked process
    starts with an empty queue and inherits the time of the last request.
    """

    def __init__(self) -> None:
        self.began = -math.inf
        """Start of the last request or of its response, on the monotonic clock."""
        self._clear()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._clear)

    def _clear(self) -> None:
        # A reentrant lock: a coroutine that is garbage-collected leaves the queue, and the garbage collector may run in
        # a thread that holds the lock. Each step below therefore leaves a consistent state.
        self._lock = threading.RLock()
        self._places: dict[_Waiter, None] = {}
        self._holder: _Waiter | None = None
        self.heartbeats = Heartbeats()

    def __len__(self) -> int:
        """Number of waiters, including the holder of the slot."""
        with self._lock:
            return len(self._places) + (self._holder is not None)

    def note(self) -> None:
        """Record that a request or a response begins now."""
        self.began = time.monotonic()

    def enter(self, place: _Waiter, longest: float) -> _Position:
        """Like `look`, for a new waiter. The waiter leaves again if the expected wait exceeds `longest` seconds."""
        with self._lock:
            outlook = self.look(place)
            if outlook.left > longest:
                self.leave(place)
            return outlook

    def look(self, place: _Waiter) -> _Position:
        """Return the position of a waiter. If the slot is free for this waiter, the waiter takes the slot."""
        with self._lock:
            self._places.setdefault(place)
            before = self._able(takewhile(lambda each: each is not place, list(self._places)))
            left = self._left([*before, place])
            is_busy = self._holder is not None and bool(self._able([self._holder]))
            if before or is_busy or left:
                return _Position(False, left, len(before) + is_busy)
            del self._places[place]
            self._holder = place
            place.last = self.began
            self.note()
            place.began = self.began
            return _Position(True, 0.0, 0)

    def wait(self, interval: float) -> float:
        """Seconds that a new waiter would wait, if all requests ahead are sent in time."""
        with self._lock:
            newcomer = _Waiter(interval, lambda: None, False)
            return self._left([*self._able(list(self._places)), newcomer])

    def _left(self, places: Sequence[_Waiter]) -> float:
        """Seconds until the slot is free for the last of these waiters."""
        gap, *others = [each.interval for each in places]
        return max(0.0, self.began + gap - time.monotonic()) + sum(others)

    def forget(self, place: _Waiter) -> None:
        """Restore the time of the last request, because no part of this request was sent."""
        with self._lock:
            if self.began == place.began:
                self.began = place.last

    def leave(self, place: _Waiter) -> None:
        """Remove a waiter from the queue, or release its slot, and wake others."""
        with self._lock:
            self._places.pop(place, None)
            if self._holder is place:
                self._holder = None
            for each in list(self._places):
                if each.loop is not None and each.loop.is_closed():
                    self._places.pop(each, None)
            for number, each in enumerate(self._able(list(self._places))):
                if number == 0 or each.hears_all:
                    each.wake()

    def _able(self, places: Iterable[_Waiter]) -> list[_Waiter]:
        """The waiters that are not skipped."""
        held_up = {each.holds_up for each in (*self._places, self._holder) if each is not None}
        return [each for each in places if each.loop is None or (each.loop.is_running() and each.loop not in held_up)]


QUEUE = RequestQueue()


@dataclass(frozen=True)
class Slot:
    """The rate limiter of one wrapper: `acquire` (or `aacquire`) is a context around each request.

    Nested contexts in one thread or task deadlock. A stream therefore holds its slot only until it is open, so that
    other requests can be made while the stream is read.
    """

    interval: float
    """Minimum seconds between the start of the last response (or of the last request, if it got no response) and this
    request. Requests of all wrappers count. With 0, a request skips the queue, but later requests count it as the last
    request."""
    max_wait: float | None
    """Maximum seconds that each request waits. None is no limit."""
    on_wait: ShowProgress
    """Display of a wait."""
    line: RequestQueue = field(default=QUEUE, repr=False)

    def mark_sent(self) -> None:
        """Restart the interval now. A host receives a request after it is sent, above all on a new connection."""
        self.line.note()

    def is_out_of_reach(self, seconds: float) -> bool:
        """Whether a request made after `seconds` would wait longer than `max_wait`, if no other request comes first."""
        return (
            self.max_wait is not None and self.interval > 0 and self.line.wait(self.interval) - seconds > self.max_wait
        )

    @contextmanager
    def acquire(self) -> Iterator[None]:
        """Wait in this thread for the slot, and hold it within the context.

        Raises:
            RateLimitError: If the slot is not free within `max_wait`. If the expected wait is longer, the error is
                raised at once.
        """
        if not self.interval:
            self.line.note()
            yield
            return
        woken: queue.SimpleQueue[None] = queue.SimpleQueue()  # its `put` may be called during garbage collection
        place = _Waiter(self.interval, partial(woken.put, None), callable(self.on_wait), holds_up=_running_loop())
        try:
            for seconds in self._waits(place):
                with suppress(queue.Empty):
                    woken.get(timeout=seconds)
            yield
        except PollinationsError as error:
            if not error.was_sent:
                self.line.forget(place)
            raise
        finally:
            self.line.leave(place)

    def aacquire(self) -> AbstractAsyncContextManager[None]:
        """Like `acquire`, for the current task."""
        return _AsyncSlot(self)

    def _waits(self, place: _Waiter) -> Iterator[float]:
        """Yield the seconds to sleep before each check, until the slot is taken. A waiter may be woken earlier."""
        since = time.monotonic()
        longest = math.inf if self.max_wait is None else self.max_wait
        outlook = self.line.enter(place, longest)
        if outlook.left > longest:
            raise self._refusal(outlook, "would")
        is_long, told = False, -1
        while not outlook.is_turn:
            waited = time.monotonic() - since
            if waited >= longest:
                raise self._refusal(outlook, f"has waited {_format_seconds(waited)} and would still")
            is_long = is_long or waited + outlook.left >= SILENT_WAIT
            if is_long and outlook.before != told:
                self._tell(outlook, waited, is_first=told < 0)
                told = outlook.before
            # If the waiting time is over and the slot is still held, the waiter checks again after another interval.
            # If the event loop of the holder was closed, the holder never wakes the waiter.
            yield min(outlook.left or self.interval, longest - waited, math.inf if is_long else SILENT_WAIT - waited)
            outlook = self.line.look(place)

    def _tell(self, outlook: _Position, waited: float, *, is_first: bool) -> None:
        if is_first:
            words = f"Waiting {_describe_wait(outlook)}: {self._rule()}"
            logger.info(words)
            show_line(self.on_wait, words)
        if callable(self.on_wait):
            self.on_wait(Progress("queued", waited, left=outlook.left or None))

    def _refusal(self, outlook: _Position, would: str) -> RateLimitError:
        error = RateLimitError(
            f"This request {would} have to wait {_describe_wait(outlook)}, and at most {self.max_wait:g} s are allowed "
            f"(legacy_max_wait, total_timeout): {self._rule()}. With a key from {KEYS_PAGE} requests go to the service "
            "without this limit.",
            retry_after=outlook.left,
            fix_url=KEYS_PAGE,
        )
        error.is_retryable = error.was_sent = False
        return error

    def _rule(self) -> str:
        return f"without a key the service takes one request per {self.interval:g} s from an address"


class _AsyncSlot:
    """The slot of a task.

    Not an async generator: an event loop that shuts down would close the generator before the request inside it.
    """

    def __init__(self, turn: Slot) -> None:
        self._turn = turn
        self._place: _Waiter | None = None

    async def __aenter__(self) -> None:
        turn = self._turn
        if not turn.interval:
            turn.line.note()
            return
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        wake = partial(_set_from_anywhere, loop, woken)
        self._place = _Waiter(turn.interval, wake, callable(turn.on_wait), loop=loop)
        try:
            for seconds in turn._waits(self._place):
                with turn.line.heartbeats.beating(loop):
                    await _sleep(woken, seconds)
        except BaseException:
            turn.line.leave(self._place)
            raise

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        if self._place is None:
            return
        if isinstance(error, PollinationsError) and not error.was_sent:
            self._turn.line.forget(self._place)
        self._turn.line.leave(self._place)


def _set_from_anywhere(loop: asyncio.AbstractEventLoop, woken: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(woken.set)


async def _sleep(woken: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await woken.wait()
    woken.clear()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _describe_wait(outlook: _Position) -> str:
    how_long = f"about {_format_seconds(outlook.left)}" if outlook.left else "until the request under way is done"
    return f"{how_long} ({outlook.before} ahead in the queue)" if outlook.before else how_long


def _format_seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
