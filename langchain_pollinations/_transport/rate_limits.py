"""The rate limits of models: requests per minute with one key to one model.

All wrappers, threads and event loops of the process share one `RateLimits`. A window counts the recent requests with
one key to one model. Its limit is that of the snapshot (`per_user_rpm`). A response with status 429 corrects it. A
model without a known limit has no window until the service sends a 429.

The service does not count stored responses. Whether a response is stored is known only when it arrives. A request
therefore waits in any case, and a stored response frees its place.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import TracebackType
from typing import TypeAlias, TypeGuard

import httpx

from langchain_pollinations._catalog.snapshot import known
from langchain_pollinations._safe_text import safe_text
from langchain_pollinations._transport.concurrency import sleep
from langchain_pollinations._transport.heartbeat import Heartbeats
from langchain_pollinations._transport.timeouts import Deadline
from langchain_pollinations.errors import PollinationsError, RateLimitError

logger = logging.getLogger("langchain_pollinations")

PERIOD = 60.0
"""Seconds of a minute, the period of the limits."""

MARGIN = 1.0
"""Seconds that are added to each period, because the service counts a request when it arrives, not when it is sent."""

MAX_REFUSAL_DELAY = 300.0
"""Maximum `Retry-After` of a 429 that is waited for, in seconds. If the service asks for more, the error is raised."""

MAX_REFUSALS = 10
"""Maximum number of 429 responses that one call waits for. Another process may use the same key."""

SILENT_WAIT = 1.0
"""Minimum seconds of a wait that is reported."""

MIN_SLEEP = 0.5
"""Minimum seconds between two checks of a window, unless the wait is shorter."""

MAX_DELAY = 5.0
"""Seconds after which a request that has not been checked when it was due loses its place."""

ACCEPTED_RPM = (0.01, 10_000.0)
"""Minimum and maximum limit that is read from a message of the service. A 429 with another limit is only a pause."""

MAX_WINDOWS = 1000
"""Number of windows above which unused windows are removed."""

UNCOUNTED = frozenset({"EXACT", "SEMANTIC"})
"""Values of `X-Cache-Type` of a stored response. The service sends it before it checks the rate limit."""

WaitReport: TypeAlias = Callable[[float, float, str | None], object]
"""Called with the seconds since the wait began, the expected seconds that are left, and a line of text. The line is
None if another request has shown it."""


@dataclass(eq=False)
class Ticket:
    """A request in a window."""

    number: int
    due: float
    """When the last check expected the request to be sent."""
    sent: float | None = None
    is_waiting: bool = True


class Window:
    """The recent requests with one key to one model. Any thread may use it.

    Requests are sent in the order in which they arrived. A request that is not checked when it is due loses its place,
    so that an event loop that is blocked or closed does not stop the other requests.
    """

    def __init__(self, rpm: float | None) -> None:
        self._sent: deque[float] = deque()
        self._paused_until = -math.inf
        self._reported_until = -math.inf
        self._set_limit(rpm)
        self.clear_waiting()

    def clear_waiting(self) -> None:
        """Forget the requests that wait. A forked process has none of them."""
        # A reentrant lock: a coroutine that is garbage-collected leaves the window, and the garbage collector may run
        # in a thread that holds the lock.
        self._lock = threading.RLock()
        self._waiting: deque[Ticket] = deque()  # also holds requests that have left since
        self._entered = self._left = 0

    def _set_limit(self, rpm: float | None) -> None:
        self.rpm = rpm
        if rpm is None:
            return
        self._most = math.ceil(rpm)
        self._seconds = PERIOD * self._most / rpm + MARGIN  # 0.5 requests per minute are one request in two minutes
        self._sent = deque(self._sent, self._most)

    @property
    def waiting(self) -> int:
        """Number of requests that wait."""
        return max(0, self._entered - self._left)

    @property
    def is_idle(self) -> bool:
        """Whether the window can be removed, because it delays no request."""
        with self._lock:
            return not self.waiting and not self._delay(0) and not self._sent

    def enter(self) -> Ticket:
        with self._lock:
            ticket = Ticket(self._entered, time.monotonic())
            self._entered += 1
            self._waiting.append(ticket)
            return ticket

    def take(self, ticket: Ticket) -> float:
        """Count the request and return 0 if it can be sent now. Otherwise return the seconds until the next check."""
        with self._lock:
            ticket.due = now = time.monotonic()
            self._remove_late(now)
            left = self._delay(max(0, ticket.number - self._left))
            ticket.due = now + left
            if not left:
                self._remove(ticket)
                ticket.sent = now
                if self.rpm is not None:
                    self._sent.append(now)
            return left

    def leave(self, ticket: Ticket) -> None:
        """Remove a request that waits."""
        with self._lock:
            self._remove(ticket)

    def _remove(self, ticket: Ticket) -> None:
        if ticket.is_waiting:
            ticket.is_waiting = False
            self._left += 1

    def _remove_late(self, now: float) -> None:
        while self._waiting and not (self._waiting[0].is_waiting and now < self._waiting[0].due + MAX_DELAY):
            self._remove(self._waiting.popleft())

    def give_back(self, ticket: Ticket) -> None:
        """Forget a request that the service did not count."""
        with self._lock:
            if ticket.sent is not None and ticket.sent in self._sent:
                self._sent.remove(ticket.sent)

    def _delay(self, ahead: int) -> float:
        """Return the seconds until a request can be sent, if `ahead` other requests are sent before it."""
        now = time.monotonic()
        pause = max(0.0, self._paused_until - now)
        if self.rpm is None:
            return pause
        while self._sent and now - self._sent[0] >= self._seconds:
            self._sent.popleft()
        place = ahead - self._most + len(self._sent)
        if place < 0:
            return pause
        rounds, place = divmod(place, self._most)
        # The requests that can be sent now follow those that were sent.
        began = self._sent[place] if place < len(self._sent) else now
        return max(pause, began + self._seconds * (1 + rounds) - now)

    def refuse(self, seconds: float, rpm: float | None) -> None:
        """Delay all requests for the seconds that a 429 asked for.

        A 429 that names the limit means that the service has counted that many requests, perhaps from other processes.
        Their times are unknown. The oldest began so that its period ends after `seconds`, and the others are spread
        evenly from then until now.
        """
        with self._lock:
            now = time.monotonic()
            # The service rounds the time.
            self._paused_until = max(self._paused_until, now + seconds + min(MARGIN, seconds))
            if rpm is not None:
                self._set_limit(rpm)
                oldest = min(now, now + seconds + MARGIN - self._seconds)
                step = (now - oldest) / self._most
                self._sent = deque((oldest + step * index for index in range(self._most)), self._most)

    def should_report(self, left: float) -> bool:
        """Whether a wait should be shown as a line. A window shows one line at a time."""
        with self._lock:
            now = time.monotonic()
            if now < self._reported_until:
                return False
            self._reported_until = now + left
            return True


WindowKey: TypeAlias = tuple[str, str, str]
"""Origin, digest of the key, and canonical id of the model."""


class RateLimits:
    """The windows of all keys and models. The package has one registry per process. A forked process keeps the times of
    the requests."""

    def __init__(self) -> None:
        self._windows: dict[WindowKey, Window] = {}
        self.heartbeats = Heartbeats()
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self.heartbeats = Heartbeats()
        for window in self._windows.values():
            window.clear_waiting()

    def find(self, key: WindowKey) -> Window | None:
        """Return the window of a key and a model, or None if no limit is known."""
        window = self._windows.get(key)
        if window is None and (rpm := known(key[2]).get("per_user_rpm")):
            return self._add(key, rpm)
        return window

    def learn(self, key: WindowKey) -> Window:
        """Return the window of a key and a model whose limit may be unknown."""
        return self.find(key) or self._add(key, None)

    def _add(self, key: WindowKey, rpm: float | None) -> Window:
        with self._lock:
            if len(self._windows) >= MAX_WINDOWS:
                self._windows = {each: window for each, window in self._windows.items() if not window.is_idle}
            return self._windows.setdefault(key, Window(rpm))


RATE_LIMITS = RateLimits()


def scope(base_url: str, headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the origin and a digest of the key. The registry outlives a wrapper, so it does not hold the key."""
    return base_url, sha256(headers.get("authorization", "").encode()).hexdigest()


@dataclass(frozen=True)
class ModelLimits:
    """The rate limits of the requests of one wrapper."""

    scope: tuple[str, str]
    report: WaitReport = field(repr=False)
    registry: RateLimits = field(default=RATE_LIMITS, repr=False)

    def slot(self, model: str, deadline: Deadline | None) -> ModelSlot:
        return ModelSlot(self, (*self.scope, model), deadline)


class ModelSlot:
    """The context of one request, sync or async. Entering it waits until the limit of the model allows the request.

    Not a generator: this context is entered for each request, also to models without a limit.

    Raises:
        RateLimitError: If the wait would exceed `total_timeout`.
    """

    __slots__ = ("_deadline", "_key", "_limits", "_ticket", "_window")

    def __init__(self, limits: ModelLimits, key: WindowKey, deadline: Deadline | None) -> None:
        self._limits, self._key, self._deadline = limits, key, deadline
        self._window: Window | None = None
        self._ticket: Ticket

    def __enter__(self) -> ModelSlot:
        if self._is_limited():
            try:
                for seconds in self._waits():
                    sleep(seconds)
            except BaseException:
                self._leave()
                raise
        return self

    async def __aenter__(self) -> ModelSlot:
        if self._is_limited():
            loop = asyncio.get_running_loop()
            try:
                for seconds in self._waits():
                    with self._limits.registry.heartbeats.beating(loop):
                        await asyncio.sleep(seconds)
            except BaseException:
                self._leave()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            return
        if is_refusal(error):
            # After a longer time, the error is raised. The next request asks the service again, and does not wait.
            if (seconds := error.retry_after or 0.0) <= MAX_REFUSAL_DELAY:
                self._limits.registry.learn(self._key).refuse(seconds, limit_in(error))
        elif isinstance(error, PollinationsError) and not error.was_sent:
            self._give_back()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def note(self, response: httpx.Response) -> None:
        """Free the place of a stored response, which the service does not count."""
        if self._window is not None and response.headers.get("x-cache-type") in UNCOUNTED:
            self._give_back()

    def _is_limited(self) -> bool:
        self._window = window = self._limits.registry.find(self._key)
        if window is None:
            return False
        self._ticket = window.enter()
        return True

    def _leave(self) -> None:
        if self._window is not None:
            self._window.leave(self._ticket)

    def _give_back(self) -> None:
        if self._window is not None:
            self._window.give_back(self._ticket)

    def _waits(self) -> Iterator[float]:
        """Yield the seconds to sleep before each check, until the request can be sent."""
        window, began = self._window, time.monotonic()
        assert window is not None
        while left := window.take(self._ticket):
            if self._deadline is not None and left >= self._deadline.remaining():
                raise self._too_long(window, left)
            waited = time.monotonic() - began
            if waited + left >= SILENT_WAIT:
                self._report(window, waited, left)
            # Checked again before the end: other requests may leave the window, or may be stored.
            yield min(left, max(MIN_SLEEP, left / 10))

    def _report(self, window: Window, waited: float, left: float) -> None:
        line = None
        if window.should_report(left):
            line = f"Waiting about {left:.0f} s ({window.waiting} waiting): {self._rule(window)}"
            logger.info(line)
        self._limits.report(waited, left, line)

    def _rule(self, window: Window) -> str:
        model = safe_text(self._key[2], 100)
        if window.rpm is None:
            return f"the service limits the requests to {model}"
        return f"{model} accepts {window.rpm:g} requests per minute and key"

    def _too_long(self, window: Window, left: float) -> RateLimitError:
        error = RateLimitError(
            f"This request would have to wait about {left:.0f} s, which is longer than total_timeout allows: "
            f"{self._rule(window)}",
            retry_after=left,
        )
        error.is_retryable = error.was_sent = False
        return error


def is_refusal(error: BaseException) -> TypeGuard[RateLimitError]:
    """Whether a request was refused because of a rate limit, with a time to wait."""
    if not isinstance(error, RateLimitError) or error.status_code != 429:
        return False
    return error.is_retryable and bool(error.retry_after)


_LIMIT = re.compile(r"limit of (\d+(?:\.\d+)?) RPM", re.IGNORECASE)


def limit_in(error: RateLimitError) -> float | None:
    """Return the requests per minute that the message of the service names."""
    found = _LIMIT.search(error.message)
    least, most = ACCEPTED_RPM
    return rpm if found and least <= (rpm := float(found[1])) <= most else None
