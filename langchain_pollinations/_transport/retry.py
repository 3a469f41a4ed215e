"""Retries: the errors that are retried, the delays, and one log line for each retry."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from langchain_pollinations import errors
from langchain_pollinations._safe_text import safe_text
from langchain_pollinations._transport.concurrency import sleep
from langchain_pollinations._transport.exceptions import OnError
from langchain_pollinations._transport.metering import SENT_BEFORE, may_be_billed
from langchain_pollinations._transport.request import ApiRequest, T

if TYPE_CHECKING:
    import tenacity

    from langchain_pollinations._transport.client import Client

logger = logging.getLogger("langchain_pollinations")

INITIAL_RETRY_DELAY = 0.5
"""Seconds before the first retry. The delay doubles with each retry and has jitter."""


MAX_RETRY_DELAY = 60.0
"""Maximum seconds before a retry. If the service asks for more, the error is raised at once."""


@dataclass(frozen=True)
class RetryPolicy:
    """Decides when the attempts of one call end."""

    client: Client
    call: ApiRequest[Any]
    was_billed: list[bool] = field(default_factory=list)
    """Whether each failed attempt may have been billed."""

    def run(self, failed: errors.PollinationsError, attempt: Callable[[], T]) -> T:
        """Retry a call whose first attempt failed. The loop begins with this error instead of an attempt."""
        import tenacity  # only here: its import takes longer than that of this whole subpackage

        first = [failed]
        del failed  # its traceback refers to this frame

        def repeat() -> T:
            if first:
                raise first.pop()
            return attempt()

        with OnError(self._mark_error):
            return self._mark(tenacity.Retrying(sleep=sleep, **self._options())(repeat))

    async def arun(self, failed: errors.PollinationsError, attempt: Callable[[], Awaitable[T]]) -> T:
        """Like `run`."""
        import tenacity

        first = [failed]
        del failed  # its traceback refers to this frame

        async def repeat() -> T:
            if first:
                raise first.pop()
            return await attempt()

        with OnError(self._mark_error):
            return self._mark(await tenacity.AsyncRetrying(**self._options())(repeat))

    def _mark(self, result: T) -> T:
        """Mark a response whose generation an earlier attempt may have started."""
        if any(self.was_billed) and isinstance(result, httpx.Response):
            result.extensions[SENT_BEFORE] = True
        return result

    def _mark_error(self, error: BaseException) -> None:
        """Mark the error of the last attempt like a response."""
        if any(self.was_billed) and isinstance(error, errors.PollinationsError):
            error._sent_before = True

    def _options(self) -> dict[str, Any]:
        import tenacity

        return {
            "stop": self._should_stop,
            "retry": tenacity.retry_if_exception(should_retry),
            "wait": retry_delay,
            "before_sleep": self._log,
            "reraise": True,
        }

    def _should_stop(self, state: tenacity.RetryCallState) -> bool:
        wait = retry_delay(state)
        deadline, limiter = self.client.deadline, self.call.limiter
        if deadline is not None and deadline.remaining() <= wait:
            return True
        # A retry that the rate limiter would reject is not made, because the error of the last attempt is more useful.
        if limiter is not None and limiter.is_out_of_reach(wait):
            return True
        return state.attempt_number > self.client.max_retries

    def _log(self, state: tenacity.RetryCallState) -> None:
        """Log one line per retry, without the path and the error's message, because both may contain the prompt."""
        error = state.outcome.exception() if state.outcome else None
        self.was_billed.append(error is not None and may_be_billed(error))
        seconds = state.next_action.sleep if state.next_action else 0.0
        status = getattr(error, "status_code", None)
        origin = self.call.origin or self.client.base_url
        request_id = safe_text(str(getattr(error, "request_id", None)), 100)
        logger.info(
            "Retry %d of %d in %.1f s: %s from %s (status %s, request id %s)",
            state.attempt_number, self.client.max_retries, seconds, type(error).__name__, origin, status, request_id,
        )  # fmt: skip


def should_retry(error: BaseException) -> bool:
    if not isinstance(error, errors.PollinationsError) or not error.is_retryable:
        return False
    return (error.retry_after or 0) <= MAX_RETRY_DELAY


def retry_delay(state: tenacity.RetryCallState) -> float:
    """Return the seconds before the next attempt: the time that the service asked for, else exponential backoff."""
    error = state.outcome.exception() if state.outcome else None
    asked: float | None = error.retry_after if isinstance(error, errors.PollinationsError) else None
    if asked is None:
        return min(INITIAL_RETRY_DELAY * 2.0 ** (state.attempt_number - 1), 8.0) * random.uniform(0.75, 1.25)
    # Jitter here too, because many clients may have received the same time. 0 means at once.
    return asked + random.uniform(0, 0.25) if asked else 0.0
