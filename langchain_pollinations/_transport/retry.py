"""Which failures are retried, and after which wait."""

from __future__ import annotations

import random

import tenacity

from langchain_pollinations import errors

INITIAL_RETRY_DELAY = 0.5
"""Seconds before the first repeat, doubled each time and jittered."""


MAX_RETRY_DELAY = 60.0
"""Seconds at most before a repeat. Where the service asks for more, the error travels to the caller at once."""


def should_retry(error: BaseException) -> bool:
    return (
        isinstance(error, errors.PollinationsError)
        and error.is_retryable
        and (error.retry_after or 0) <= MAX_RETRY_DELAY
    )


def retry_delay(state: tenacity.RetryCallState) -> float:
    """Seconds before the next attempt: what the service asked for, else a jittered doubling."""
    error = state.outcome.exception() if state.outcome else None
    told = error.retry_after if isinstance(error, errors.PollinationsError) else None
    backoff = min(INITIAL_RETRY_DELAY * 2 ** (state.attempt_number - 1), 8.0) * random.uniform(0.75, 1.25)
    # A little jitter after Retry-After too: many callers were told the same moment.
    return backoff if told is None else told + (random.uniform(0, 0.25) if told else 0)
