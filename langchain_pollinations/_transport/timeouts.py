"""Time limits of requests: timeouts of single reads and writes, and the total time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from langchain_pollinations import errors

Limit: TypeAlias = float | None
if TYPE_CHECKING:
    import httpx

    Timeout: TypeAlias = float | tuple[Limit, Limit] | tuple[Limit, Limit, Limit, Limit] | httpx.Timeout
else:  # httpx is imported with the first object
    Timeout: TypeAlias = float | tuple[Limit, Limit] | tuple[Limit, Limit, Limit, Limit] | Any
"""Seconds without data, (connect, read), (connect, read, write, pool), or an `httpx.Timeout`."""

Transport = Literal["httpx", "aiohttp"]
"""HTTP library for async calls."""

MAX_CONNECT = 10.0
"""Maximum seconds for connecting if `timeout` is a single number."""


# --- Time limits ------------------------------------------------------------------------------------------------------

_TIMEOUT_FORMS = "a number of seconds, (connect, read), (connect, read, write, pool) or an httpx.Timeout"


def check_timeout(value: Any) -> Timeout | None:
    """Validate a timeout. Return it as a number or a tuple, which can be serialized."""
    if value is None:
        return None
    if all(hasattr(value, name) for name in ("connect", "read", "write", "pool")):  # httpx.Timeout or httpx2.Timeout
        value = (value.connect, value.read, value.write, value.pool)
    if not isinstance(value, tuple | list):
        return _check_limit(value)
    match [None if limit is None else _check_limit(limit) for limit in value]:
        case [connect, read]:
            return connect, read
        case [connect, read, write, pool]:
            return connect, read, write, pool
    raise ValueError(f"timeout: takes {_TIMEOUT_FORMS}, not {len(value)} numbers")


def _check_limit(value: Any) -> float:
    try:
        seconds = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = float("nan")
    if seconds != seconds:
        raise ValueError(f"timeout: takes {_TIMEOUT_FORMS}")
    if not 0 < seconds < float("inf"):
        raise ValueError("timeout: a time limit must be more than 0 seconds; httpx.Timeout(None) waits for ever")
    return seconds


def to_httpx_timeout(value: Timeout | None) -> httpx.Timeout:
    """Convert a timeout to the `httpx.Timeout` of a request. The wait for a free connection of the pool is limited only
    if all four limits are given."""
    import httpx

    if isinstance(value, int | float):
        return httpx.Timeout(value, connect=min(value, MAX_CONNECT), pool=None)
    if isinstance(value, tuple) and len(value) == 2:
        connect, read = value
        return httpx.Timeout(connect=connect, read=read, write=read, pool=None)
    return httpx.Timeout(value)


class Deadline:
    """The end of the total time that a call may take."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds that are left, 0 or less after the deadline."""
        return self._end - time.monotonic()

    def check(self) -> None:
        """Raise a `RequestTimeoutError` if no time is left."""
        if self.remaining() <= 0:
            raise self.error()

    def error(self) -> errors.RequestTimeoutError:
        """Return the error for a call that takes longer than the total time."""
        return errors.RequestTimeoutError(f"The call took longer than `total_timeout` ({self._seconds:g} s)")

    def bounded(self, timeout: httpx.Timeout) -> httpx.Timeout:
        """Return a timeout with no limit longer than the time that is left."""
        import httpx

        left = self.remaining()
        limits = {name: left if limit is None else min(limit, left) for name, limit in timeout.as_dict().items()}
        return httpx.Timeout(**limits)


DEADLINE = "langchain_pollinations.deadline"
"""Name of the request extension that holds the `Deadline`."""


def deadline_of(response: httpx.Response) -> Deadline | None:
    """Return the deadline of the call that a response belongs to, or None."""
    try:
        return response.request.extensions.get(DEADLINE)
    except RuntimeError:  # the response has no request
        return None


def bound_body(response: httpx.Response) -> None:
    """Limit each read of the body to the time that the call has left. httpx takes the limit from the request when
    reading begins."""
    deadline = deadline_of(response)
    limits = response.request.extensions.get("timeout") if deadline else None
    if deadline and limits:
        left = max(deadline.remaining(), 0.001)
        limits["read"] = left if limits["read"] is None else min(limits["read"], left)
