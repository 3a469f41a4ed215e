"""The fields for rate limits: of models, and of the caller."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from langchain_core.rate_limiters import BaseRateLimiter
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from langchain_pollinations._documentation import DescribedFields
from langchain_pollinations._media.progress import ShowProgress, report_wait
from langchain_pollinations.errors import InvalidRequestError

if TYPE_CHECKING:
    from langchain_pollinations._transport.rate_limits import ModelLimits

_VARIABLE = "POLLINATIONS_WAIT_FOR_RATE_LIMIT"


def _waits_by_default() -> bool:
    value = os.environ.get(_VARIABLE, "1")
    if value not in ("0", "1", ""):
        raise InvalidRequestError(f"{_VARIABLE}: must be 0 or 1, not {value!r:.60}", param="wait_for_rate_limit")
    return value != "0"


class ModelLimitFields(DescribedFields, BaseModel):
    """Mixin with the fields for the rate limits of models."""

    model_config = ConfigDict(defer_build=True, arbitrary_types_allowed=True)

    wait_for_rate_limit: bool | None = None
    """Whether requests wait for the rate limits of models. None, the default, reads `POLLINATIONS_WAIT_FOR_RATE_LIMIT`
    (1 or 0) from the environment with the first call. Without this variable, requests wait.

    The service limits the requests per minute of a key to some models (`per_user_rpm` in its model list). All objects,
    threads and event loops of the process share the limit of a key and a model. The limits are those of the packaged
    model list. A 429 response of the service (code `community_model_rate_limit`) corrects them, and delays all requests
    with the key to the model, for up to 5 minutes. If the service asks for a longer time, the error is raised, and no
    other request is delayed. Several processes with one key do not share a limit: each sends as many requests as the
    limit allows, and sends those again that the service refuses, up to 10 times each. A request waits even if the
    service has stored its response, because this is unknown until the response arrives. A request that would wait
    longer than `total_timeout` raises a `RateLimitError`.

    With False, requests are sent at once, and a 429 is retried as any other error. The legacy hosts have a queue of
    their own (`legacy_interval`)."""

    on_wait: ShowProgress = Field(default=None, exclude=True, repr=False)
    """How a wait for a rate limit of a model, or in the queue of the legacy hosts, is shown. None shows a line in a
    terminal or a notebook only. True always shows the line, False never. A function is called with a `Progress` whose
    stage is `queued`. The function must not be async."""

    @property
    def _caller_limiter(self) -> BaseRateLimiter | None:
        """The rate limiter that the package has to wait for."""
        return None

    def _model_limits(self, base_url: str, headers: Mapping[str, str]) -> ModelLimits | None:
        from langchain_pollinations._transport.rate_limits import ModelLimits, scope

        if not (_waits_by_default() if self.wait_for_rate_limit is None else self.wait_for_rate_limit):
            return None
        return ModelLimits(scope(base_url, headers), partial(report_wait, self.on_wait))


class RateLimiterField(DescribedFields, BaseModel):
    """Mixin with a rate limiter of the caller. LangChain defines the same field for chat models."""

    model_config = ConfigDict(defer_build=True, arbitrary_types_allowed=True)

    rate_limiter: SkipJsonSchema[BaseRateLimiter] | None = Field(default=None, exclude=True, repr=False)
    """A rate limiter of LangChain, such as `InMemoryRateLimiter`. Each request that may be billed, and each of its
    retries, waits for it. Several objects may share one. None is no further limit."""

    @property
    def _caller_limiter(self) -> BaseRateLimiter | None:
        return self.rate_limiter
