"""The rate limiter of the legacy hosts, which take one request in 30 s from an address, and one at a time.

All requests of the process to these hosts, of any thread or event loop, share one `RequestQueue`; each waits for its
`Slot`. A waiter takes its slot itself, under the lock of the queue, when it is woken or its time has come. No slot is
handed over, so none is lost with a waiter that has just given up.
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
from langchain_pollinations.errors import KEYS_PAGE, PollinationsError, RateLimitError

logger = logging.getLogger(__name__)

SILENT_WAIT = 1.0
"""Seconds of waiting that nobody is told of."""
WAKE_INTERVAL = 0.25
"""Seconds that an event loop sleeps at most while a task waits here. Notebooks cancel the task of a cell from a signal,
which does not wake the loop: without a pulse, who stops a cell would wait for the turn all the same."""


@dataclass(eq=False)
class _Waiter:
    """A place in the line."""

    interval: float
    wake: Callable[[], object]
    """Lets it look again. It may be called from any thread, and while the garbage collector runs."""
    hears_all: bool
    """Whether it looks each time that the line has moved, and not only when it is the first."""
    loop: asyncio.AbstractEventLoop | None = None
    """The event loop that its task waits in."""
    holds_up: asyncio.AbstractEventLoop | None = None
    """The event loop that its thread should be running instead of waiting."""
    began: float = math.nan
    """When its turn began."""
    last: float = math.nan
    """When the request before that did."""


@dataclass(frozen=True)
class _Position:
    """How things stand for a place."""

    is_turn: bool
    left: float
    """Seconds until its turn, if all before it take theirs in time."""
    before: int
    """How many go first, with the one whose request is under way."""


class RequestQueue:
    """A line of requests, first come, first served. The package has one, for the life of the process.

    It passes over a place whose event loop cannot go on: one that is closed, that stands still, or that is held up by a
    thread which waits here itself (somebody calls `invoke` where he should have awaited `ainvoke`). A process that is
    forked off starts with an empty line, and remembers when the last request went out.
    """

    def __init__(self) -> None:
        self.began = -math.inf
        """When the last request began, or its answer, on the monotonic clock."""
        self._clear()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._clear)

    def _clear(self) -> None:
        # A lock that its own thread may take again: a coroutine that is thrown away gives its place back wherever the
        # garbage collector happens to run, in here too. Each step below leaves things as they should be for that.
        self._lock = threading.RLock()
        self._places: dict[_Waiter, None] = {}
        self._holder: _Waiter | None = None

    def __len__(self) -> int:
        """How many stand in it, with the one whose turn it is."""
        with self._lock:
            return len(self._places) + (self._holder is not None)

    def note(self) -> None:
        """Remember that a request begins now."""
        self.began = time.monotonic()

    def enter(self, place: _Waiter, longest: float) -> _Position:
        """As `look`, for one that comes; it stays only if its turn comes within `longest` seconds."""
        with self._lock:
            outlook = self.look(place)
            if outlook.left > longest:
                self.leave(place)
            return outlook

    def look(self, place: _Waiter) -> _Position:
        """How things stand for a place. If it is its turn, that is taken."""
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
        """Seconds that one who came now would wait, if all before it take their turns in time."""
        with self._lock:
            newcomer = _Waiter(interval, lambda: None, False)
            return self._left([*self._able(list(self._places)), newcomer])

    def _left(self, places: Sequence[_Waiter]) -> float:
        """Seconds until the turn of the last of them."""
        gap, *others = [each.interval for each in places]
        return max(0.0, self.began + gap - time.monotonic()) + sum(others)

    def forget(self, place: _Waiter) -> None:
        """Take back that a request began with this turn, since nothing of it was sent."""
        with self._lock:
            if self.began == place.began:
                self.began = place.last

    def leave(self, place: _Waiter) -> None:
        """Give back a place, or the turn."""
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
        """Those that are not passed over."""
        held_up = {each.holds_up for each in (*self._places, self._holder) if each is not None}
        return [each for each in places if each.loop is None or (each.loop.is_running() and each.loop not in held_up)]


QUEUE = RequestQueue()


@dataclass(frozen=True)
class Slot:
    """What one wrapper wishes of the line: `acquire` (or `aacquire`) is a context around each of its requests.

    Whoever asks for a turn inside of a turn, in the same thread or task, waits for himself, for ever: a stream may hold
    its turn only until it is open, so that a painter can be called while it is read.
    """

    interval: float
    """Seconds between the beginning of the last answer (of the last request if it got none), whosever it was, and this
    request. With 0 it stands in no line; others still keep their distance from it."""
    max_wait: float | None
    """Seconds that it waits at most, for each request; None for as long as it takes."""
    progress: ShowProgress
    """Who is told of a wait."""
    line: RequestQueue = field(default=QUEUE, repr=False)

    def mark_sent(self) -> None:
        """Count the distance from now: what is sent arrives later, and a new connection takes its time."""
        self.line.note()

    def is_out_of_reach(self, seconds: float) -> bool:
        """Whether it would wait for too long, if it came in some seconds and nobody before it."""
        return (
            self.max_wait is not None and self.interval > 0 and self.line.wait(self.interval) - seconds > self.max_wait
        )

    @contextmanager
    def acquire(self) -> Iterator[None]:
        """A turn of this thread, which waits for it.

        Raises:
            RateLimitError: If it does not come within `max_wait`; at once, where that can be foreseen.
        """
        if not self.interval:
            self.line.note()
            yield
            return
        woken: queue.SimpleQueue[None] = queue.SimpleQueue()  # its `put` may be called while the collector runs
        place = _Waiter(self.interval, partial(woken.put, None), callable(self.progress), holds_up=_running_loop())
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
        """As `acquire`, of this task."""
        return _AsyncSlot(self)

    def _waits(self, place: _Waiter) -> Iterator[float]:
        """Seconds to sleep, or until woken, again and again until the turn has been taken."""
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
            # Where its time has come and others are still busy, it looks again after another gap: nobody wakes it, if
            # they are in an event loop that was closed over them.
            yield min(outlook.left or self.interval, longest - waited, math.inf if is_long else SILENT_WAIT - waited)
            outlook = self.line.look(place)

    def _tell(self, outlook: _Position, waited: float, *, is_first: bool) -> None:
        if is_first:
            words = f"Waiting {_describe_wait(outlook)}: {self._rule()}"
            logger.info(words)
            show_line(self.progress, words)
        if callable(self.progress):
            self.progress(Progress("queued", waited, left=outlook.left or None))

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
    """The turn of a task. No generator: a loop that shuts down would close that before the call that is in it."""

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
        self._place = _Waiter(turn.interval, wake, callable(turn.progress), loop=loop)
        try:
            for seconds in turn._waits(self._place):
                await _sleep(loop, woken, seconds)
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
    with suppress(RuntimeError):  # closed
        loop.call_soon_threadsafe(woken.set)


async def _sleep(loop: asyncio.AbstractEventLoop, woken: asyncio.Event, seconds: float) -> None:
    until = loop.time() + seconds
    while not woken.is_set() and (left := until - loop.time()) > 0:
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, WAKE_INTERVAL)):
                await woken.wait()
    woken.clear()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _describe_wait(outlook: _Position) -> str:
    """The wait in words."""
    how_long = f"about {_format_seconds(outlook.left)}" if outlook.left else "until the request under way is done"
    return f"{how_long} ({outlook.before} before it)"


def _format_seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
