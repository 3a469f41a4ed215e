"""Which errors are retried, and the delay before each retry."""

from __future__ import annotations

import random

import tenacity

from langchain_pollinations import errors

INITIAL_RETRY_DELAY = 0.5
"""Seconds before the first retry. The delay doubles with each retry and has jitter."""


MAX_RETRY_DELAY = 60.0
"""Maximum seconds before a retry. If the service asks for more, the error is raised at once."""


def should_retry(error: BaseException) -> bool:
    return (
        isinstance(error, errors.PollinationsError)
        and error.is_retryable
        and (error.retry_after or 0) <= MAX_RETRY_DELAY
    )


def retry_delay(state: tenacity.RetryCallState) -> float:
    """Return the seconds before the next attempt: those that the service asked for, else exponential backoff."""
    error = state.outcome.exception() if state.outcome else None
    told = error.retry_after if isinstance(error, errors.PollinationsError) else None
    backoff = min(INITIAL_RETRY_DELAY * 2 ** (state.attempt_number - 1), 8.0) * random.uniform(0.75, 1.25)
    # Jitter after Retry-After too, because many clients may have received the same time.
    return backoff if told is None else told + (random.uniform(0, 0.25) if told else 0)
