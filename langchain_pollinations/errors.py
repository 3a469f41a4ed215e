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
    ├── RateLimitError                429; of the older hosts 402 too, or a wait longer than `max_wait`
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

import email.utils
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from types import TracebackType
from typing import Any

import httpx
from langchain_core import exceptions as core

from langchain_pollinations._notices import fix_links, fix_page, read_notice
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
    """Too many requests; `retry_after` says when to come back. Without a key also a wait longer than `max_wait`."""


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


_BY_CODE: Mapping[str, type[PollinationsError]] = {
    "content_blocked": ContentBlockedError,
    "invalid_safe": InvalidRequestError,
    "context_length_exceeded": ContextOverflowError,
    "failed_to_download_image": MediaInputError,
    "invalid_image_url": MediaInputError,
    "image_too_large": MediaInputError,
    "unsupported_image_media_type": MediaInputError,
    "INSUFFICIENT_BALANCE": InsufficientBalanceError,
    "KEY_BUDGET_EXHAUSTED": KeyBudgetExhaustedError,
    "QUEST_POLLEN_ONLY": QuestPollenOnlyError,
    "community_model_rate_limit": RateLimitError,
    "rate_limit_exceeded": RateLimitError,
    "content_policy_violation": UnprocessableError,
}

_BY_STATUS: Mapping[int, type[PollinationsError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: UnsupportedRequestError,
    408: RequestTimeoutError,
    409: UnsupportedRequestError,
    410: UnsupportedRequestError,
    413: PayloadTooLargeError,
    415: UnsupportedRequestError,
    422: UnprocessableError,
    426: UnsupportedRequestError,
    429: RateLimitError,
    500: InternalServerError,
    502: UpstreamError,
    503: ServiceUnavailableError,
    504: GatewayTimeoutError,
    # Of the edge in front of the service: no connection, or no answer, in time.
    522: GatewayTimeoutError,
    524: GatewayTimeoutError,
    598: GatewayTimeoutError,
    599: GatewayTimeoutError,
}

# Providers word an overflow freely; these are the phrases known of them (matched in lower case).
_OVERFLOW_PHRASES = (
    "context_length_exceeded",
    "context length",
    "context window",
    "prompt is too long",
    "maximum number of tokens",
    "too many tokens",
)

# A 502 whose provider said one of these fails again however often it is repeated.
_FINAL_UPSTREAM = frozenset({401, 402, 403, 404})
# Statuses worth repeating; every other 5xx (501, 505, ...) is final, 530 too: the edge knows no way to the host.
_RETRYABLE_STATUS = frozenset({408, 429, 500, 502, 503, 504, *range(520, 530), 598, 599})


def from_response(
    response: httpx.Response, meaning: type[PollinationsError] | None = None, message: str | None = None
) -> PollinationsError:
    """The error that an answer of 300 or more stands for. The body must have been read.

    Args:
        response: The answer.
        meaning: Which error it is, where who calls knows better than its status.
        message: What it says, where that is not in its body.
    """
    if response.has_redirect_location:
        return _redirected(response)
    if response.status_code == 402 and "payment-required" in response.headers and meaning is None:
        return _payment_offered(response)
    body = _body(response)
    return _from_body(
        body,
        status=response.status_code,
        meaning=meaning,
        message=message,
        fallback=f"The service answered {response.status_code} {response.reason_phrase}".strip(),
        request_id=response.headers.get("x-request-id"),
        retry_after=_retry_after(response.headers, body),
    )


def _payment_offered(response: httpx.Response) -> AuthenticationError:
    """An offer to pay for this one request by x402, which the service makes where a request carries no key."""
    return AuthenticationError(
        "The service offers payment by x402, as it does for requests without a key. This client makes no payments by "
        "itself: set POLLINATIONS_API_KEY or pass api_key=...",
        status_code=response.status_code,
        request_id=response.headers.get("x-request-id"),
        body=_body(response),
        fix_url=KEYS_PAGE,
    )


def _redirected(response: httpx.Response) -> PollinationsError:
    """A body is not sent on: who knows to whom, and most redirects would make a GET without it."""
    target = response.headers["location"].partition("?")[0]
    error = InvalidResponseError(
        f"The service redirects to {target}, where a request with a body does not follow; if it should, set base_url "
        "(for the older host legacy_text_url)",
        status_code=response.status_code,
    )
    error.is_retryable = False
    return error


def parse_json(response: httpx.Response, expected: str) -> dict[str, Any]:
    """The JSON object of an answer with status 200.

    Args:
        response: The answer, its body read.
        expected: What it should have been, for the message of the error.

    Raises:
        PollinationsError: What an error object in it stands for; `InvalidResponseError` where there is no object.
    """
    try:
        body = response.json()
    except (ValueError, RecursionError) as error:
        raise not_expected(response, expected) from error
    if not isinstance(body, dict):
        raise not_expected(response, expected)
    if is_failure(body):
        raise from_event(body, request_id=response.headers.get("x-request-id"))
    return body


def is_failure(body: Mapping[str, Any]) -> bool:
    """Whether a JSON object of a response with status 200 says that it is an error: by an error object, as the
    service's envelope without one, or as vLLM and Anthropic mark errors."""
    is_marked = "error" in (body.get("type"), body.get("object"))
    return bool(body.get("error")) or body.get("success") is False or is_marked or _is_bare_error(body)


def _is_bare_error(body: Mapping[str, Any]) -> bool:
    """Whether an object is one of FastAPI's, GraphQL's or a gateway's errors and nothing else."""
    words = [body.get(name) for name in ("detail", "errors", "message")]
    return body.keys() <= _BARE_ERROR and any(isinstance(each, str | list) and each for each in words)


_BARE_ERROR = frozenset({"detail", "errors", "code", "status", "message"})


def from_notice(text: str, headers: Mapping[str, str], total_tokens: int | None) -> PollinationsError | None:
    """The error for an answer that is one of the service's notices; None for any other answer.

    Args:
        text: The whole text of the answer.
        headers: The headers of the response.
        total_tokens: The usage of the answer; None where it has none.
    """
    notice = read_notice(text, headers, total_tokens)
    if notice is None:
        return None
    if notice.code is None:
        kind: type[PollinationsError] = AuthenticationError
        message = _MIGRATION_MESSAGE
    else:
        kind = _class(notice.status, notice.code, None, {})
        message = " ".join(text.split())
    return kind(
        message,
        status_code=notice.status,
        code=notice.code,
        request_id=headers.get("x-request-id"),
        body=text,
        fix_url=notice.fix_url if notice.code else KEYS_PAGE,
    )


_MIGRATION_MESSAGE = (
    "The legacy text host answered with its migration notice. It does so for requests that carry a token or come from "
    "a registered site; a proxy may add such a header. Remove the header, or use gen.pollinations.ai with a key"
)


def not_expected(response: httpx.Response, expected: str) -> PollinationsError:
    """The error for an answer with status 200 that is something else: that of a notice, else an
    `InvalidResponseError` which says what came and how it begins."""
    kind = response.headers.get("content-type", "no content type")
    if kind.startswith("text/plain") and (refusal := from_notice(response.text, response.headers, None)) is not None:
        return refusal
    start = " ".join(response.content[:200].decode("utf-8", "replace").split())
    return InvalidResponseError(
        f"The answer is no {expected} but {kind}: {start!r}" if start else f"The answer is no {expected} but empty",
        status_code=response.status_code,
        request_id=response.headers.get("x-request-id"),
        body=response.text[:2000] if kind.startswith(("text/", "application/json")) else None,
    )


# What providers call an error whose status they do not tell.
_STATUS_BY_TYPE: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "overloaded_error": 503,
}


def from_event(event: Mapping[str, Any], *, request_id: str | None = None) -> PollinationsError:
    """The error that an error object inside an answer of status 200 (mostly a stream) stands for."""
    error = _error_object(event)
    code = error.get("code")
    status = event.get("status") or _STATUS_BY_TYPE.get(str(error.get("type")))
    if isinstance(code, str) and code.isdecimal() and len(code) == 3:
        code = int(code)
    if isinstance(code, int) and not isinstance(code, bool):
        status = code
    is_status = isinstance(status, int) and 400 <= status < 600  # providers also count their errors: 0, -1, 1026
    return _from_body(
        dict(event),
        status=status if is_status else None,
        fallback=f"The service reported an error inside its answer: {json.dumps(event.get('error'))[:200]}",
        request_id=request_id,
        retry_after=None,
    )


def _from_body(
    body: Any,
    *,
    status: int | None,
    fallback: str,
    request_id: str | None,
    retry_after: float | None,
    meaning: type[PollinationsError] | None = None,
    message: str | None = None,
) -> PollinationsError:
    """One reading for all shapes: the envelope, OpenAI's, a flat `{"error": "text"}`, plain text, HTML."""
    error = _error_object(body)
    details = error.get("details")
    details = details if isinstance(details, Mapping) else {}
    code = error.get("code")
    upstream = details.get("upstreamStatus")
    upstream = upstream if isinstance(upstream, int) else None
    kind = meaning or _class(status, code if isinstance(code, str) else None, body, error)
    found = kind(
        message or _message(body, error, details) or fallback,
        status_code=status,
        code=None if code is None else str(code),
        request_id=request_id or _text(error.get("requestId")),
        retry_after=retry_after,
        body=body,
        upstream_status=upstream,
        fix_url=_text(error.get("fixUrl")) or fix_page(fix_links(str(error.get("message")))),
        param="model" if kind is UnknownModelError else _param(error, details),
    )
    if upstream in _FINAL_UPSTREAM or (isinstance(found, ServiceError) and status not in {None, *_RETRYABLE_STATUS}):
        found.is_retryable = False
    return found


def _class(status: int | None, code: str | None, body: Any, error: Mapping[str, Any]) -> type[PollinationsError]:
    if code is not None and code in _BY_CODE:
        return _BY_CODE[code]
    if status in (None, 400, 413) and _mentions_overflow(body, error):
        return ContextOverflowError
    if status == 400 and str(error.get("message", "")).startswith("Invalid model or alias"):
        return UnknownModelError
    if status is None:
        return UpstreamError
    return _BY_STATUS.get(status, ServiceError if status >= 500 else InvalidRequestError)


def _mentions_overflow(body: Any, error: Mapping[str, Any]) -> bool:
    """Whether the error itself, or the provider's error inside it, speaks of the length of the input. Other fields are
    not read: they may repeat the prompt, which may speak of anything."""
    text = " ".join([body] if isinstance(body, str) else _statements(error)).lower()
    return any(phrase in text for phrase in _OVERFLOW_PHRASES)


def _statements(error: Mapping[str, Any]) -> Iterator[str]:
    """Message and code of an error, and those of the provider's error, which is JSON in a string."""
    yield from (str(error[key]) for key in ("message", "code") if error.get(key))
    details = error.get("details")
    said = details.get("upstreamBody") if isinstance(details, Mapping) else None
    if not isinstance(said, str):
        return
    try:
        parsed = json.loads(said)
    except (ValueError, RecursionError):
        yield said
        return
    inner = _error_object(parsed)
    yield from (str(inner[key]) for key in ("message", "code") if inner.get(key))


def _body(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return response.text


def _error_object(body: Any) -> Mapping[str, Any]:
    """The mapping that holds code and message, wherever the body keeps it."""
    if not isinstance(body, Mapping):
        return {}
    error = body.get("error")
    if isinstance(error, Mapping):
        return error
    # `{"error": "words", "message": "sentence"}`: the older limiter and the media host. FastAPI has `detail`, GraphQL
    # `errors`.
    others = body.get("detail") or body.get("errors")
    words = error or (others if isinstance(others, str) or others is None else json.dumps(others)[:500])
    return {**body, "message": body.get("message") or words, "code": body.get("code")}


def _message(body: Any, error: Mapping[str, Any], details: Mapping[str, Any]) -> str | None:
    if isinstance(body, str):
        return _from_page(body)
    message = _text(error.get("message"))
    fields = details.get("fieldErrors")
    if isinstance(fields, Mapping) and fields:
        told = "; ".join(f"{name}: {_sentence(reasons)}" for name, reasons in fields.items())
        return f"{message}: {told}" if message else told
    return message


def _param(error: Mapping[str, Any], details: Mapping[str, Any]) -> str | None:
    """The one field that the service, or a provider with errors as OpenAI's, names as wrong."""
    fields = details.get("fieldErrors")
    if isinstance(fields, Mapping) and len(fields) == 1:
        return str(next(iter(fields)))
    return _text(error.get("param"))


def _sentence(reasons: Any) -> str:
    return ", ".join(map(str, reasons)) if isinstance(reasons, list) else str(reasons)


def _from_page(text: str) -> str | None:
    """Plain text as it is; of a page only that it was one, since its markup helps nobody."""
    text = text.strip()
    if text.startswith("<"):
        return None
    return text[:500] or None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _retry_after(headers: Mapping[str, str], body: Any) -> float | None:
    """Seconds to wait, from the header (a number or a date) or from the older limiter's body."""
    told = headers.get("retry-after", "").strip()
    if not told and isinstance(body, Mapping):
        told = str(body.get("retryAfterSeconds", ""))
    try:
        seconds = float(told)
    except ValueError:
        date = email.utils.parsedate_tz(told)
        try:
            seconds = math.nan if date is None else email.utils.mktime_tz(date) - time.time()
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


@contextmanager
def mapped() -> Iterator[None]:
    """Turn what httpx (or aiohttp under it) raises into errors of ours."""
    try:
        yield
    except httpx.InvalidURL as error:
        raise InvalidRequestError(f"The address of the request is not valid: {error}") from error
    except httpx.HTTPError as error:
        remove_headers(error)
        raise _from_httpx(error) from error
    except (UnicodeError, BaseExceptionGroup) as error:  # of a host that no resolver takes, a port that no socket takes
        if isinstance(error, BaseExceptionGroup) and error.split((OSError, OverflowError, ValueError))[1] is not None:
            raise
        raise InvalidResponseError(f"The address of the request cannot be used: {str(error)[:200]}") from error
    except RecursionError as error:
        too_deep = InvalidResponseError("The response has more levels within each other than can be read")
        too_deep.is_retryable = False
        raise too_deep from error
    except _aiohttp_errors() as error:
        # httpx-aiohttp 0.2 lets some of aiohttp's own errors through, for a malformed answer for instance.
        remove_headers(error)
        raise APIConnectionError(f"The connection failed: {error}") from error


def remove_headers(error: BaseException | None) -> None:
    """Take the headers of the request, one of which is the key, out of an error and its causes: they outlive the
    request, in a trace for instance."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if _passes_aiohttp(error.__traceback__):  # whose frames have the headers in a variable
            error.__traceback__ = None
        if isinstance(error, httpx.HTTPError):
            with suppress(RuntimeError):
                error.request.headers = httpx.Headers()
        elif isinstance(error, _aiohttp_errors("ClientResponseError")):
            # The text of the error reads the address of the request only.
            failed: Any = error
            info = failed.request_info
            failed.request_info = type(info)(info.url, info.method, {}, info.real_url)
            failed.history = ()
            failed.args = (failed.request_info, failed.history)
        error = error.__cause__ or error.__context__


def _passes_aiohttp(trace: TracebackType | None) -> bool:
    while trace is not None:
        if str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == "aiohttp":
            return True
        trace = trace.tb_next
    return False


def remove_key(error: PollinationsError, headers: Mapping[str, str]) -> None:
    """Replace the key that is in some headers in all that an error holds: the service may repeat a request."""
    scheme, _, secret = headers.get("authorization", "").rpartition(" ")
    if scheme and secret in repr((error.args, vars(error))):
        error.args = tuple(_without(secret, each) for each in error.args)
        for name, value in vars(error).items():
            setattr(error, name, _without(secret, value))


def _without(secret: str, value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(secret, "***")
    if isinstance(value, dict):
        return {_without(secret, key): _without(secret, each) for key, each in value.items()}
    return [_without(secret, each) for each in value] if isinstance(value, list) else value


def _from_httpx(error: httpx.HTTPError) -> PollinationsError:
    found = _named(error)
    found.was_sent = _was_sent(error)
    return found


def _was_sent(error: httpx.HTTPError) -> bool:
    if isinstance(error.__cause__, _aiohttp_errors()):
        return not isinstance(error.__cause__, _aiohttp_errors("ClientConnectorError", "ConnectionTimeoutError"))
    return not isinstance(error, _UNSENT)


_UNSENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


def _named(error: httpx.HTTPError) -> PollinationsError:
    cause = error.__cause__
    # httpx-aiohttp 0.2 calls every lost connection a ConnectTimeout; its cause tells what it was.
    misnamed = isinstance(cause, _aiohttp_errors()) and not isinstance(cause, TimeoutError)
    where = _origin(error)
    if isinstance(error, httpx.LocalProtocolError) and "header" in str(error).lower():
        told = f"The request{where} has a header that cannot be sent: see the headers of http_client"
        return InvalidRequestError(told)  # without the words of httpx, which hold the value
    if isinstance(error, httpx.TimeoutException) and not misnamed:
        kind = type(error).__name__.removesuffix("Timeout").lower()
        return RequestTimeoutError(
            f"No answer{where} within the time limit ({kind}); raise `timeout` (or `total_timeout`) if it is short"
        )
    if isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol):
        hint = "" if _was_sent(error) else _emulator_hint(error)
        return APIConnectionError(f"The connection{where} failed: {error or type(error).__name__}{hint}")
    found = InvalidResponseError(f"The answer{where} could not be read: {error or type(error).__name__}")
    found.is_retryable = False
    return found


def _emulator_hint(error: httpx.HTTPError) -> str:
    """How to start the emulator, where the connection was to be one to this machine."""
    try:
        url = error.request.url
        is_local = url.host == "localhost" or ip_address(url.host).is_loopback
    except (RuntimeError, ValueError):  # no request, or a name
        return ""
    command = f"python -m langchain_pollinations.emulator --port {url.port or 80}"
    return f". To start the emulator there: {command}" if is_local else ""


def _origin(error: httpx.HTTPError) -> str:
    """Host and port only: a path holds the prompt, and a query could hold anything."""
    try:
        url = error.request.url
    except RuntimeError:
        return ""
    return f" to {url.scheme}://{url.netloc.decode('ascii').rpartition('@')[2]}"


def _aiohttp_errors(*names: str) -> tuple[type[BaseException], ...]:
    """Errors of aiohttp, by default the base of all, where it is in use; it is never imported for this."""
    aiohttp = sys.modules.get("aiohttp")
    return tuple(getattr(aiohttp, name) for name in names or ["ClientError"]) if aiohttp is not None else ()
