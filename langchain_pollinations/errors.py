"""All errors of this package, and the response or network failure that each represents.

    PollinationsError
    ├── InvalidRequestError           400, or rejected before it was sent (also a ValueError)
    │   ├── UnknownModelError         400 for a model or alias that the service does not know
    │   ├── ContextOverflowError      400 or 413: more input than the model accepts
    │   ├── ContentBlockedError       400 content_blocked: the safety filter that `safe` enables
    │   ├── MediaInputError           400: an image that the service could not fetch or read
    │   ├── UnsupportedRequestError   405, 409, 410, 415, 426
    │   ├── PayloadTooLargeError      413
    │   └── UnprocessableError        422: rejected by the provider, often by its moderation
    ├── PollenBudgetExceeded          the request may exceed the budget of a `PollenMeter`; it was not sent
    ├── AuthenticationError           401, a 402 that offers payment by x402, or a legacy host's migration notice
    │   └── SignInError               `login` ended without a key
    │       ├── SignInDeniedError     access_denied: the user declined
    │       └── SignInExpiredError    expired_token: the code was not confirmed in time
    ├── PaymentRequiredError          402, or the same refusal as text with status 200
    │   ├── InsufficientBalanceError
    │   ├── KeyBudgetExhaustedError
    │   └── QuestPollenOnlyError
    ├── PermissionDeniedError         403, or a refusal of the model as text with status 200
    ├── NotFoundError                 404
    ├── RequestTimeoutError           408, or a time limit of this package (also a TimeoutError)
    │   └── StreamTimeoutError        no event for `stream_chunk_timeout` seconds
    ├── RateLimitError                429, or a wait longer than `total_timeout`; legacy hosts: also 402, or a wait
    │                                 longer than `legacy_max_wait`
    ├── ServiceError                  any other 5xx
    │   ├── InternalServerError       500
    │   ├── UpstreamError             502, or an error in a response: the provider behind the service failed
    │   ├── ServiceUnavailableError   503
    │   ├── GatewayTimeoutError       504, 522, 524, 598, 599
    │   └── InvalidResponseError      a response of an unexpected kind
    │       └── IncompleteStreamError a stream that ended before it was complete
    └── APIConnectionError            the service or a proxy could not be reached, or the connection was lost

Each class also derives from its counterpart in `langchain_core.exceptions`. Retry and fallback middleware can therefore
decide by `is_retryable` which errors to retry.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from langchain_core import exceptions as core

from langchain_pollinations._safe_text import safe_text

KEYS_PAGE = "https://enter.pollinations.ai/keys"
"""Page where users create API keys."""


LONGEST_SHOWN = 4000
"""Maximum number of characters of a message that `str()` shows. Providers may send a whole page."""


class PollinationsError(core.ModelError):
    """Base class of all errors that this package raises.

    Args:
        message: What went wrong: the message of the service, if it sent one.
        status_code: HTTP status of the response; None if there was no response.
        code: The error code of the service, such as `INSUFFICIENT_BALANCE`.
        request_id: The `x-request-id` of the response.
        retry_after: Seconds to wait before a retry, as requested by the service.
        body: The body of the response: parsed if it is JSON, else its text.
        upstream_status: HTTP status of the provider behind the service.
        fix_url: URL of the page where the user can fix the cause.
        param: The invalid argument, or the service's name for this argument (as in OpenAI's errors). None if the error
            concerns no argument, or several.
    """

    partial: Any = None
    """The part of a stream that arrived before the error, such as the text of a chat. None if nothing was streamed."""

    was_sent: bool = True
    """Whether the request may have reached the service. False if it could not be built, or no connection was opened."""

    _sent_before: bool = False
    """Whether the service may bill an earlier attempt of the call."""

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        body: Any = None,
        upstream_status: int | None = None,
        fix_url: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.body = body
        self.upstream_status = upstream_status
        self.fix_url = fix_url
        self.param = param

    def __str__(self) -> str:
        """Return a line without control characters for terminals, notebooks and logs. `message` is the full text."""
        facts = [str(fact) for fact in (self.status_code, self.code) if fact is not None]
        if self.request_id:
            facts.append(f"request {self.request_id}")
        message = safe_text(self.message, LONGEST_SHOWN) or type(self).__name__
        text = f"{message} ({safe_text(', '.join(facts), 300)})" if facts else message
        url = safe_text(self.fix_url or "", 500)
        if not url or url in text:
            return text
        end = "" if text.endswith((".", "!", "?", ")")) else "."
        return f"{text}{end} See {url}"


class InvalidRequestError(PollinationsError, core.ModelInvalidRequestError, ValueError):
    """The request is invalid. The message names the cause and, if possible, a correction."""


class UnknownModelError(InvalidRequestError, core.ModelNotFoundError):
    """The service has no model or alias of this name."""


class ContextOverflowError(InvalidRequestError, core.ContextOverflowError):
    """The input is longer than the model accepts."""


class ContentBlockedError(InvalidRequestError):
    """The safety filter blocked the input. The request or the model enables this filter."""


class MediaInputError(InvalidRequestError):
    """The service could not fetch or read an image of the input."""


class UnsupportedRequestError(InvalidRequestError):
    """The service or the model does not support this kind of request. Another model or route may support it."""


class PayloadTooLargeError(InvalidRequestError):
    """The request is larger than the service accepts.

    For chat the limit is 20 MiB. If inline files make the request larger than 32 MiB, the limit is 100 MiB in total and
    20 MiB of base64 (15 MiB of data) per file. `upload` stores files of up to 400 MiB and returns a URL for each.
    """


class UnprocessableError(InvalidRequestError):
    """The provider rejected the request, often because of its moderation (`content_policy_violation`)."""


class AuthenticationError(PollinationsError, core.ModelAuthenticationError):
    """The key is missing, wrong or expired. Also: the migration notice of a legacy host, which accepts no key."""


class SignInError(AuthenticationError):
    """A sign-in ended without a key. `code` is the error code of the sign-in host, such as `invalid_grant`."""


class SignInDeniedError(SignInError):
    """The user declined the sign-in."""


class SignInExpiredError(SignInError):
    """The user did not confirm the sign-in before its code expired."""


class PaymentRequiredError(PollinationsError):
    """The account or the key has too little pollen."""


class InsufficientBalanceError(PaymentRequiredError):
    """The balance of the account is too low for this request."""


class KeyBudgetExhaustedError(PaymentRequiredError):
    """The budget of this key is spent, whatever the account's balance. `fix_url` is the page to raise the budget."""


class QuestPollenOnlyError(PaymentRequiredError):
    """The key can spend only Quest Pollen. The model needs paid Pollen, or the Quest Pollen is used up."""


class PollenBudgetExceeded(PollinationsError):
    """The request may exceed the budget of a `PollenMeter`. It was not sent.

    Args:
        message: What was spent, the budget, and the expected cost of the request.
        spent: Pollen that the meter counted.
        budget: Pollen that the meter allows.
        estimate: Expected pollen of the request. None if its price is unknown.
        fields: Other arguments of `PollinationsError`.
    """

    was_sent = False

    def __init__(
        self,
        message: str,
        *,
        spent: Decimal = Decimal(0),
        budget: Decimal = Decimal(0),
        estimate: Decimal | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(message, **fields)
        self.spent = spent
        self.budget = budget
        self.estimate = estimate


class PermissionDeniedError(PollinationsError, core.ModelPermissionDeniedError):
    """The key may not use this model or this part of the account. `fix_url` is the page to grant access."""


class NotFoundError(PollinationsError, core.ModelNotFoundError):
    """The URL does not exist."""


class RequestTimeoutError(PollinationsError, core.ModelTimeoutError, TimeoutError):
    """A time limit passed before the response arrived. A retry of the same request joins the running generation."""


class StreamTimeoutError(RequestTimeoutError):
    """A stream sent no event for `stream_chunk_timeout` seconds. Keep-alive comments do not count as events."""


class RateLimitError(PollinationsError, core.ModelRateLimitError):
    """Too many requests. `retry_after` is the time to wait. Also: a wait for a rate limit that is longer than
    `total_timeout`, or, on the legacy hosts, than `legacy_max_wait`. Such a request was not sent."""


class ServiceError(PollinationsError, core.ModelAPIError):
    """The service failed."""


class InternalServerError(ServiceError):
    """The service had an internal error."""


class UpstreamError(ServiceError):
    """The provider behind the service failed. `upstream_status` is the HTTP status of the provider."""


class ServiceUnavailableError(ServiceError):
    """A part of the service is temporarily unavailable."""


class GatewayTimeoutError(ServiceError):
    """The provider behind the service took too long."""


class InvalidResponseError(ServiceError):
    """The response is not of the expected kind, such as JSON, an image or a message."""


class IncompleteStreamError(InvalidResponseError):
    """A stream ended before it was complete."""

    is_retryable = True


class APIConnectionError(PollinationsError, core.ModelConnectionError):
    """The service could not be reached, or the connection was lost."""
