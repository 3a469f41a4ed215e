"""Retries: the errors that are retried, the delays, and one log line for each retry."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx

from langchain_pollinations import errors
from langchain_pollinations._safe_text import safe_text
from langchain_pollinations._transport.concurrency import sleep
from langchain_pollinations._transport.exceptions import OnError
from langchain_pollinations._transport.metering import SENT_BEFORE, may_be_billed
from langchain_pollinations._transport.rate_limits import MAX_REFUSAL_DELAY, MAX_REFUSALS, is_refusal
from langchain_pollinations._transport.request import ApiRequest, T

if TYPE_CHECKING:
    import tenacity

    from langchain_pollinations._transport.client import Client

logger = logging.getLogger("langchain_pollinations")

INITIAL_RETRY_DELAY = 0.5
"""Seconds before the first retry. The delay doubles with each retry and has jitter."""


MAX_RETRY_DELAY = 60.0
"""Maximum seconds before a retry. If the service asks for more, the error is raised at once. A call that waits for the
rate limits of models waits up to `MAX_REFUSAL_DELAY` for a 429."""


# The first attempt runs without tenacity, whose state machine costs a tenth of a call that succeeds at once.


def with_retries(client: Client, call: ApiRequest[Any], attempt: Callable[[ApiRequest[Any]], T]) -> T:
    """Run an attempt of a call, and repeat it after an error that is retried."""
    try:
        return attempt(call)
    except errors.PollinationsError as error:
        policy = RetryPolicy(client, call)
        if not client.max_retries or not policy.should_retry(error):
            raise
        failed = error
    try:
        return policy.run(failed, partial(attempt, call))
    finally:
        del failed  # its traceback refers to this frame


async def awith_retries(
    client: Client, call: ApiRequest[Any], attempt: Callable[..., Awaitable[T]], *arguments: Any
) -> T:
    """Like `with_retries`. `arguments` are further arguments of the attempt."""
    try:
        return await attempt(call, *arguments)
    except errors.PollinationsError as error:
        policy = RetryPolicy(client, call)
        if not client.max_retries or not policy.should_retry(error):
            raise
        failed = error
    try:
        return await policy.arun(failed, partial(attempt, call, *arguments))
    finally:
        del failed


@dataclass
class RetryPolicy:
    """Decides when the attempts of one call end.

    If the call waits for the rate limits of models, a 429 with a time to wait does not count as an attempt. The rate
    limiter delays the next attempt.
    """

    client: Client
    call: ApiRequest[Any]
    was_billed: list[bool] = field(default_factory=list)
    """Whether each failed attempt may have been billed."""
    refusals: int = 0
    """Number of attempts that the rate limit refused."""

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
            "retry": tenacity.retry_if_exception(self.should_retry),
            "wait": self._delay,
            "before_sleep": self._log,
            "reraise": True,
        }

    def should_retry(self, error: BaseException) -> bool:
        if self._is_limited(error):
            return getattr(error, "retry_after", 0) <= MAX_REFUSAL_DELAY
        return should_retry(error)

    def _is_limited(self, error: BaseException | None) -> bool:
        """Whether the rate limiter of the model delays the next attempt."""
        if self.client.limits is None or self.call.limiter is not None or self.call.billing is None:
            return False
        return error is not None and is_refusal(error)

    def _delay(self, state: tenacity.RetryCallState) -> float:
        return 0.0 if self._is_limited(_error_of(state)) else retry_delay(state)

    def _should_stop(self, state: tenacity.RetryCallState) -> bool:
        error = _error_of(state)
        is_limited = self._is_limited(error)
        self.refusals += is_limited
        wait = retry_delay(state)
        deadline, limiter = self.client.deadline, self.call.limiter
        if deadline is not None and deadline.remaining() <= wait:
            return True
        # A retry that the rate limiter would reject is not made, because the error of the last attempt is more useful.
        if limiter is not None and limiter.is_out_of_reach(wait):
            return True
        if is_limited:
            return self.refusals > MAX_REFUSALS
        return state.attempt_number - self.refusals > self.client.max_retries

    def _log(self, state: tenacity.RetryCallState) -> None:
        """Log one line per retry, without the path and the error's message, because both may contain the prompt."""
        error = _error_of(state)
        self.was_billed.append(error is not None and may_be_billed(error))
        seconds = state.next_action.sleep if state.next_action else 0.0
        number, most = state.attempt_number - self.refusals, self.client.max_retries
        if self._is_limited(error):
            seconds, number, most = getattr(error, "retry_after", 0.0), self.refusals, MAX_REFUSALS
        status = getattr(error, "status_code", None)
        origin = self.call.origin or self.client.base_url
        request_id = safe_text(str(getattr(error, "request_id", None)), 100)
        logger.info(
            "Retry %d of %d in %.1f s: %s from %s (status %s, request id %s)",
            number, most, seconds, type(error).__name__, origin, status, request_id,
        )  # fmt: skip


def _error_of(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def should_retry(error: BaseException) -> bool:
    if not isinstance(error, errors.PollinationsError) or not error.is_retryable:
        return False
    return (error.retry_after or 0) <= MAX_RETRY_DELAY


def retry_delay(state: tenacity.RetryCallState) -> float:
    """Return the seconds before the next attempt: the time that the service asked for, else exponential backoff."""
    error = _error_of(state)
    asked: float | None = error.retry_after if isinstance(error, errors.PollinationsError) else None
    if asked is None:
        return min(INITIAL_RETRY_DELAY * 2.0 ** (state.attempt_number - 1), 8.0) * random.uniform(0.75, 1.25)
    # Jitter here too, because many clients may have received the same time. 0 means at once.
    return asked + random.uniform(0, 0.25) if asked else 0.0
