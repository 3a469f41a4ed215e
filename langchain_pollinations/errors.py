"""Every error of this package, and how an answer or a fault of the network becomes one.

    PollinationsError
    ├── InvalidRequestError           400, or refused before it was sent (also a ValueError)
    │   ├── UnknownModelError         400 for a model or alias that the service does not know
    │   ├── ContextOverflowError      400 or 413: more input than the model takes
    │   ├── ContentBlockedError       400 content_blocked: the safety filter that `safe` asked for
    │   ├── MediaInputError           400: a picture that the service could not fetch or read
    │   ├── UnsupportedRequestError   405, 409, 410, 415, 426
    │   ├── PayloadTooLargeError      413
    │   └── UnprocessableError        422: the provider's refusal or moderation
    ├── AuthenticationError           401, an offer to pay by x402, or the migration notice of a legacy host
    ├── PaymentRequiredError          402, also where a text route says it in words with status 200
    │   ├── InsufficientBalanceError
    │   ├── KeyBudgetExhaustedError
    │   └── QuestPollenOnlyError
    ├── PermissionDeniedError         403, for a model also in words with status 200
    ├── NotFoundError                 404
    ├── RequestTimeoutError           408, or a time limit of ours (also a TimeoutError)
    │   └── StreamTimeoutError        no event for `stream_chunk_timeout` seconds
    ├── RateLimitError                429; of the older hosts 402 too, or a wait longer than `legacy_max_wait`
    ├── ServiceError                  any other 5xx
    │   ├── InternalServerError       500
    │   ├── UpstreamError             502, or an answer that says so: the provider behind the service failed
    │   ├── ServiceUnavailableError   503
    │   ├── GatewayTimeoutError       504, 522, 524, 598, 599
    │   └── InvalidResponseError      an answer that is not what it should be
    │       └── IncompleteStreamError a stream without its end
    └── APIConnectionError            the service was not reached, or the connection was lost

Each class stands under its counterpart of `langchain_core.exceptions` too, so that retry and fallback middleware
know what may be repeated (`is_retryable`).
"""

from __future__ import annotations

from typing import Any

from langchain_core import exceptions as core

from langchain_pollinations._safe_text import safe_text

KEYS_PAGE = "https://enter.pollinations.ai/keys"
"""Where a key is to be had."""


LONGEST_SHOWN = 4000
"""Characters of a message that are shown; providers may send a whole page."""


class PollinationsError(core.ModelError):
    """Base of all errors that this package raises.

    Args:
        message: What went wrong, in the service's own words where it said something.
        status_code: HTTP status of the answer; None where there was none.
        code: The service's own word for the error, such as `INSUFFICIENT_BALANCE`.
        request_id: The `x-request-id` of the answer.
        retry_after: Seconds after which the service wants to be asked again.
        body: The body of the answer: parsed where it is JSON, else its text.
        upstream_status: Status that the provider behind the service answered with.
        fix_url: Page on which the user can mend the cause.
        param: The argument that is wrong, or the service's name for it (as in OpenAI's errors); None where the error is
            about none, or about several.
    """

    partial: Any = None
    """What had arrived of a stream before the error: the text of a chat. None where nothing was streamed."""

    was_sent: bool = True
    """Whether the request may have reached the service; False where it could not be written, or found no connection."""

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
        """What a terminal, a notebook or a log shows: one line without control characters. `message` has all of it."""
        facts = [str(fact) for fact in (self.status_code, self.code) if fact is not None]
        if self.request_id:
            facts.append(f"request {self.request_id}")
        message = safe_text(self.message, LONGEST_SHOWN)
        text = f"{message} ({safe_text(', '.join(facts), 300)})" if facts else message
        url = safe_text(self.fix_url or "", 500)
        return f"{text} See {url}" if url and url not in text else text


class InvalidRequestError(PollinationsError, core.ModelInvalidRequestError, ValueError):
    """The request is wrong; the message names what, and where it can what would be right."""


class UnknownModelError(InvalidRequestError, core.ModelNotFoundError):
    """The service knows no model or alias of this name."""


class ContextOverflowError(InvalidRequestError, core.ContextOverflowError):
    """The input is longer than the model takes."""


class ContentBlockedError(InvalidRequestError):
    """The safety filter that the request (or the model) asked for blocked the input."""


class MediaInputError(InvalidRequestError):
    """The service could not fetch or read a picture of the input."""


class UnsupportedRequestError(InvalidRequestError):
    """The service or the model does not take this kind of request: another model, or another address, may."""


class PayloadTooLargeError(InvalidRequestError):
    """The request is larger than the service takes.

    For chat these are 20 MiB, or, where inline files make the request larger than 32 MiB, 100 MiB in all with 20 MiB as
    base64 (15 MiB of file) for each file. `upload` puts files of up to 400 MiB where a URL names them.
    """


class UnprocessableError(InvalidRequestError):
    """The provider refused the request, often by its own moderation (`content_policy_violation`)."""


class AuthenticationError(PollinationsError, core.ModelAuthenticationError):
    """The key is missing, wrong or expired; or a legacy host, which takes none, answers with its migration notice."""


class PaymentRequiredError(PollinationsError):
    """The account or the key has too little pollen."""


class InsufficientBalanceError(PaymentRequiredError):
    """The balance of the account is too low for this request."""


class KeyBudgetExhaustedError(PaymentRequiredError):
    """The budget of this key is spent, whatever the account holds. Only the key's own page lifts it (`fix_url`)."""


class QuestPollenOnlyError(PaymentRequiredError):
    """The key spends Quest Pollen only, and the model needs paid Pollen or the Quest Pollen is used up."""


class PermissionDeniedError(PollinationsError, core.ModelPermissionDeniedError):
    """The key may not use this model or this part of the account. `fix_url` is the page that grants it."""


class NotFoundError(PollinationsError, core.ModelNotFoundError):
    """There is nothing at this address."""


class RequestTimeoutError(PollinationsError, core.ModelTimeoutError, TimeoutError):
    """A time limit passed before the answer was there. The same request again joins the running generation."""


class StreamTimeoutError(RequestTimeoutError):
    """A stream stayed without an event for `stream_chunk_timeout` seconds; keep-alive comments do not count."""


class RateLimitError(PollinationsError, core.ModelRateLimitError):
    """Too many requests; `retry_after` says when to retry. Without a key also a wait beyond `legacy_max_wait`."""


class ServiceError(PollinationsError, core.ModelAPIError):
    """The service failed."""


class InternalServerError(ServiceError):
    """The service failed within."""


class UpstreamError(ServiceError):
    """The provider behind the service failed; `upstream_status` is what it answered with."""


class ServiceUnavailableError(ServiceError):
    """A part of the service is down for the moment."""


class GatewayTimeoutError(ServiceError):
    """The provider behind the service took too long."""


class InvalidResponseError(ServiceError):
    """An answer that is not what was asked for: no JSON, no picture, no message."""


class IncompleteStreamError(InvalidResponseError):
    """A stream stopped before its end."""

    is_retryable = True


class APIConnectionError(PollinationsError, core.ModelConnectionError):
    """The service was not reached, or the connection was lost."""
