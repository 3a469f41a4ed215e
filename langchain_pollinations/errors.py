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

In the examples, `emulator` is an `Emulator` to which the client is connected.
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

        >>> try:
        ...     ChatPollinations(api_key="sk_wrong").invoke("Hi")
        ... except PollinationsError as error:
        ...     print(type(error).__name__, error.status_code, error.was_sent)
        AuthenticationError 401 True

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
        end = "" if text.rstrip("\"'”’").endswith((".", "!", "?")) else "."
        return f"{text}{end} See {url}"


class InvalidRequestError(PollinationsError, core.ModelInvalidRequestError, ValueError):
    """The request is invalid. The message names the cause and, if possible, a correction.

    >>> PollinationsImage().generate("a kite", width=0)
    Traceback (most recent call last):
    InvalidRequestError: ...
    """


class UnknownModelError(InvalidRequestError, core.ModelNotFoundError):
    """The service has no model or alias of this name.

    >>> ChatPollinations(model="opnai").invoke("Hi")
    Traceback (most recent call last):
    UnknownModelError: ...
    """


class ContextOverflowError(InvalidRequestError, core.ContextOverflowError):
    """The input is longer than the model accepts.

    >>> emulator.fail("context overflow")
    >>> ChatPollinations().invoke("Hi")
    Traceback (most recent call last):
    ContextOverflowError: ...
    """


class ContentBlockedError(InvalidRequestError):
    """The safety filter blocked the input. The request or the model enables this filter.

    >>> emulator.fail("content blocked")
    >>> ChatPollinations().invoke("Hi")
    Traceback (most recent call last):
    ContentBlockedError: ...
    """


class MediaInputError(InvalidRequestError):
    """The service could not fetch or read an image of the input.

    >>> emulator.fail("image download failed")
    >>> ChatPollinations().invoke("Hi")
    Traceback (most recent call last):
    MediaInputError: ...
    """


class UnsupportedRequestError(InvalidRequestError):
    """The service or the model does not support this kind of request. Another model or route may support it.

    >>> PollinationsImage(model="flux").edit("make it night", "lighthouse.jpg")
    Traceback (most recent call last):
    UnsupportedRequestError: ...
    """


class PayloadTooLargeError(InvalidRequestError):
    """The request is larger than the service accepts.

        >>> emulator.fail("body over 20 MiB")
        >>> ChatPollinations().invoke("Hi")
        Traceback (most recent call last):
        PayloadTooLargeError: ...

    For chat the limit is 20 MiB. If inline files make the request larger than 32 MiB, the limit is 100 MiB in total and
    20 MiB of base64 (15 MiB of data) per file. `upload` stores files of up to 400 MiB and returns a URL for each.
    """


class UnprocessableError(InvalidRequestError):
    """The provider rejected the request, often because of its moderation (`content_policy_violation`).

    >>> emulator.fail("content policy")
    >>> ChatPollinations().invoke("Hi")
    Traceback (most recent call last):
    UnprocessableError: ...
    """


class AuthenticationError(PollinationsError, core.ModelAuthenticationError):
    """The key is missing, wrong or expired. Also: the migration notice of a legacy host, which accepts no key.

    >>> ChatPollinations(api_key="sk_wrong").invoke("Hi")
    Traceback (most recent call last):
    AuthenticationError: ...
    """


class SignInError(AuthenticationError):
    """A sign-in ended without a key. `code` is the error code of the sign-in host, such as `invalid_grant`.

    >>> emulator.fail(400, body={"error": "invalid_client"})
    >>> login()
    Traceback (most recent call last):
    SignInError: ...
    """


class SignInDeniedError(SignInError):
    """The user declined the sign-in.

    >>> login(show=lambda sign_in: emulator.deny(sign_in.user_code))
    Traceback (most recent call last):
    SignInDeniedError: ...
    """


class SignInExpiredError(SignInError):
    """The user did not confirm the sign-in before its code expired.

    >>> emulator.state.device_lifetime = 0
    >>> login(show=print)
    Traceback (most recent call last):
    SignInExpiredError: ...
    """


class PaymentRequiredError(PollinationsError):
    """The account or the key has too little pollen.

    >>> emulator.fail(402)
    >>> ChatPollinations().invoke("Hi")
    Traceback (most recent call last):
    PaymentRequiredError: ...
    """


class InsufficientBalanceError(PaymentRequiredError):
    """The balance of the account is too low for this request.

    >>> emulator.keys["sk_emulator"]["balance"] = 0
    >>> ChatPollinations().invoke("Hi")
    Traceback (most recent call last):
    InsufficientBalanceError: ...
    """


class KeyBudgetExhaustedError(PaymentRequiredError):
    """The budget of this key is spent, whatever the account's balance. `fix_url` is the page to raise the budget.

    >>> emulator.keys["sk_emulator"]["budget"] = 0
    >>> ChatPollinations().invoke("Hi")
    Traceback (most recent call last):
    KeyBudgetExhaustedError: ...
    """


class QuestPollenOnlyError(PaymentRequiredError):
    """The key can spend only Quest Pollen. The model needs paid Pollen, or the Quest Pollen is used up.

    >>> emulator.fail("quest pollen spent")
    >>> ChatPollinations().invoke("Hi")
    Traceback (most recent call last):
    QuestPollenOnlyError: ...
    """


class PollenBudgetExceeded(PollinationsError):
    """The request may exceed the budget of a `PollenMeter`. It was not sent.

        >>> with PollenMeter(budget="0.0000001"):
        ...     ChatPollinations().invoke("Hi")
        Traceback (most recent call last):
        PollenBudgetExceeded: ...

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
    """The key may not use this model or this part of the account. `fix_url` is the page to grant access.

    >>> emulator.keys["sk_emulator"]["models"] = []
    >>> ChatPollinations().invoke("Hi")
    Traceback (most recent call last):
    PermissionDeniedError: ...
    """


class NotFoundError(PollinationsError, core.ModelNotFoundError):
    """The URL does not exist.

    >>> emulator.fail("path unknown")
    >>> ChatPollinations().invoke("Hi")
    Traceback (most recent call last):
    NotFoundError: ...
    """


class RequestTimeoutError(PollinationsError, core.ModelTimeoutError, TimeoutError):
    """A time limit passed before the response arrived. A retry of the same request joins the running generation.

    >>> emulator.latency = 1
    >>> ChatPollinations(total_timeout=0.05).invoke("Hi")
    Traceback (most recent call last):
    RequestTimeoutError: ...
    """


class StreamTimeoutError(RequestTimeoutError):
    """A stream sent no event for `stream_chunk_timeout` seconds. Keep-alive comments do not count as events.

    >>> emulator.reply("Hello", chunk_delay=1)
    >>> list(ChatPollinations(stream_chunk_timeout=0.05).stream("Hi"))
    Traceback (most recent call last):
    StreamTimeoutError: ...
    """


class RateLimitError(PollinationsError, core.ModelRateLimitError):
    """Too many requests. `retry_after` is the time to wait. Also: a wait for a rate limit that is longer than
    `total_timeout`, or, on the legacy hosts, than `legacy_max_wait`. Such a request was not sent.

        >>> emulator.fail(429)
        >>> ChatPollinations(max_retries=0).invoke("Hi")
        Traceback (most recent call last):
        RateLimitError: ...
    """


class ServiceError(PollinationsError, core.ModelAPIError):
    """The service failed.

    >>> emulator.fail(520)
    >>> ChatPollinations(max_retries=0).invoke("Hi")
    Traceback (most recent call last):
    ServiceError: ...
    """


class InternalServerError(ServiceError):
    """The service had an internal error.

    >>> emulator.fail(500)
    >>> ChatPollinations(max_retries=0).invoke("Hi")
    Traceback (most recent call last):
    InternalServerError: ...
    """


class UpstreamError(ServiceError):
    """The provider behind the service failed. `upstream_status` is the HTTP status of the provider.

    >>> emulator.fail(502)
    >>> ChatPollinations(max_retries=0).invoke("Hi")
    Traceback (most recent call last):
    UpstreamError: ...
    """


class ServiceUnavailableError(ServiceError):
    """A part of the service is temporarily unavailable.

    >>> emulator.fail(503)
    >>> ChatPollinations(max_retries=0).invoke("Hi")
    Traceback (most recent call last):
    ServiceUnavailableError: ...
    """


class GatewayTimeoutError(ServiceError):
    """The provider behind the service took too long.

    >>> emulator.fail(504)
    >>> ChatPollinations(max_retries=0).invoke("Hi")
    Traceback (most recent call last):
    GatewayTimeoutError: ...
    """


class InvalidResponseError(ServiceError):
    """The response is not of the expected kind, such as JSON, an image or a message.

    >>> emulator.reply(body="<html>")
    >>> ChatPollinations(max_retries=0).invoke("Hi")
    Traceback (most recent call last):
    InvalidResponseError: ...
    """


class IncompleteStreamError(InvalidResponseError):
    """A stream ended before it was complete.

    >>> emulator.fail("no end", on="/v1/chat")
    >>> list(ChatPollinations(max_retries=0).stream("Hi"))
    Traceback (most recent call last):
    IncompleteStreamError: ...
    """

    is_retryable = True


class APIConnectionError(PollinationsError, core.ModelConnectionError):
    """The service could not be reached, or the connection was lost.

    >>> ChatPollinations(base_url="http://127.0.0.1:9", max_retries=0).invoke("Hi")
    Traceback (most recent call last):
    APIConnectionError: ...
    """
