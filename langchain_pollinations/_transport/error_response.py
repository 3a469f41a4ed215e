"""Converts error responses, and events and bodies that contain an error, to errors of the package."""

from __future__ import annotations

import email.utils
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from langchain_pollinations._transport.exceptions import proxy_password_error
from langchain_pollinations._transport.origins import is_local, origin_text
from langchain_pollinations._transport.refusal_notices import fix_links, fix_page, read_notice
from langchain_pollinations.errors import (
    KEYS_PAGE,
    AuthenticationError,
    ContentBlockedError,
    ContextOverflowError,
    GatewayTimeoutError,
    InsufficientBalanceError,
    InternalServerError,
    InvalidRequestError,
    InvalidResponseError,
    KeyBudgetExhaustedError,
    MediaInputError,
    NotFoundError,
    PayloadTooLargeError,
    PaymentRequiredError,
    PermissionDeniedError,
    PollinationsError,
    QuestPollenOnlyError,
    RateLimitError,
    RequestTimeoutError,
    ServiceError,
    ServiceUnavailableError,
    UnknownModelError,
    UnprocessableError,
    UnsupportedRequestError,
    UpstreamError,
)

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
    # From the edge in front of the service: no connection, or no response, in time.
    522: GatewayTimeoutError,
    524: GatewayTimeoutError,
    598: GatewayTimeoutError,
    599: GatewayTimeoutError,
}

# Providers word an overflow differently. These are the known phrases (matched in lower case).
_OVERFLOW_PHRASES = (
    "context_length_exceeded",
    "context length",
    "context window",
    "prompt is too long",
    "maximum number of tokens",
    "too many tokens",
)

# A 502 whose provider sent one of these statuses fails again on every retry.
_FINAL_UPSTREAM = frozenset({401, 402, 403, 404})
# Statuses to retry. Every other 5xx (501, 505, ...) is final, including 530: the edge has no route to the host.
_RETRYABLE_STATUS = frozenset({408, 429, 500, 502, 503, 504, *range(520, 530), 598, 599})


def error_from_response(
    response: httpx.Response, meaning: type[PollinationsError] | None = None, message: str | None = None
) -> PollinationsError:
    """Return the error for a response with a status of 300 or more. Its body must have been read.

    Args:
        response: The response.
        meaning: The class of the error. None derives the class from the status and the body.
        message: The message of the error. None takes the message from the body.
    """
    if response.has_redirect_location:
        return _redirected(response)
    if response.status_code == 407:
        return proxy_password_error()
    if response.status_code == 402 and "payment-required" in response.headers and meaning is None:
        return _payment_offered(response)
    body = _parse_body(response)
    error = _from_body(
        body,
        status=response.status_code,
        meaning=meaning,
        message=message,
        fallback=f"The service answered {response.status_code} {response.reason_phrase}".strip(),
        request_id=response.headers.get("x-request-id"),
        retry_after=_retry_after(response.headers, body),
    )
    if response.status_code == 401 and (origin := _local_origin(response)):
        error.message += f" (sent to {origin}; the key of an emulator is sk_emulator)"
        error.args = (error.message,)
    return error


def _local_origin(response: httpx.Response) -> str:
    """Return the origin of the response, if it is this machine and got another key than that of an emulator, or else an
    empty string."""
    try:
        request = response.request
    except RuntimeError:  # the response has no request
        return ""
    is_other_key = request.headers.get("authorization") != "Bearer sk_emulator"
    return origin_text(request.url) if is_other_key and is_local(request.url.host) else ""


def _payment_offered(response: httpx.Response) -> AuthenticationError:
    """Return the error for an x402 payment offer, which the service sends for a request without a key."""
    return AuthenticationError(
        "The service offers payment by x402, as it does for requests without a key. This client makes no payments by "
        "itself: set POLLINATIONS_API_KEY or pass api_key=...",
        status_code=response.status_code,
        request_id=response.headers.get("x-request-id"),
        body=_parse_body(response),
        fix_url=KEYS_PAGE,
    )


def _redirected(response: httpx.Response) -> PollinationsError:
    """Return the error for a redirect. A request body is not sent to an unknown target, and most redirects drop it."""
    target = response.headers["location"].partition("?")[0]
    error = InvalidResponseError(
        f"The service redirects to {target}, where a request with a body does not follow; if it should, set base_url "
        "(for the legacy text host legacy_text_url)",
        status_code=response.status_code,
    )
    error.is_retryable = False
    return error


def parse_json(
    response: httpx.Response, expected: str, parse_float: Callable[[str], Any] | None = None
) -> dict[str, Any]:
    """Return the JSON object of a response with status 200.

    Args:
        response: The response. Its body has been read.
        expected: The expected kind of response, for the message of the error.
        parse_float: Converts the text of a number with a fraction or an exponent, as in `json.loads`. None is `float`.

    Raises:
        PollinationsError: If the object is an error.
        InvalidResponseError: If the body is not a JSON object.
    """
    try:
        body = response.json(parse_float=parse_float)
    except (ValueError, RecursionError) as error:
        raise unexpected_response(response, expected) from error
    if not isinstance(body, dict):
        raise unexpected_response(response, expected)
    if is_failure(body):
        body = response.json()  # without the numbers of `parse_float`, which JSON may not represent
        raise error_from_event(body, request_id=response.headers.get("x-request-id"))
    return body


def is_failure(body: Mapping[str, Any]) -> bool:
    """Whether a JSON object of a response with status 200 is an error.

    An error has an `error` field, or `success: false` as in the service's envelope, or the mark of an error of vLLM or
    Anthropic. A bare error (see `_is_bare_error`) has none of them.
    """
    if body.get("error") or body.get("success") is False:
        return True
    if body.get("type") == "error" or body.get("object") == "error":
        return True
    return body.keys() <= _BARE_ERROR_FIELDS and _is_bare_error(body)


_BARE_ERROR_FIELDS = frozenset({"detail", "errors", "code", "status", "message"})


def _is_bare_error(body: Mapping[str, Any]) -> bool:
    """Whether an object is an error of FastAPI, GraphQL or a gateway. A `message` alone is not an error, because it may
    report progress."""
    code = body.get("code") or body.get("status")
    is_failed = isinstance(code, int) and code >= 400 and isinstance(body.get("message"), str)
    return is_failed or any(isinstance(body.get(name), str | list) and body[name] for name in ("detail", "errors"))


def error_from_notice(text: str, headers: Mapping[str, str], total_tokens: int | None) -> PollinationsError | None:
    """Return the error for a notice (a refusal as text with status 200), or None for any other response.

    Args:
        text: The whole text of the response.
        headers: The headers of the response.
        total_tokens: The token usage of the response; None if it has none.
    """
    notice = read_notice(text, headers, total_tokens)
    if notice is None:
        return None
    if notice.code is None:
        kind: type[PollinationsError] = AuthenticationError
        message = _MIGRATION_MESSAGE
    else:
        kind = _error_class(notice.status, notice.code, None, {})
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


def unexpected_response(response: httpx.Response, expected: str) -> PollinationsError:
    """Return the error for a response with status 200 and an unexpected kind of content. A notice gives the error of
    its refusal. Any other response gives an `InvalidResponseError` with the content type and the beginning of the
    body."""
    kind = response.headers.get("content-type", "no content type")
    if kind.startswith("text/plain"):
        refusal = error_from_notice(response.text, response.headers, None)
        if refusal is not None:
            return refusal
    start = " ".join(response.content[:200].decode("utf-8", "replace").split())
    found = f"{kind}: {start!r}" if start else "empty"
    return InvalidResponseError(
        f"The answer is no {expected} but {found}",
        status_code=response.status_code,
        request_id=response.headers.get("x-request-id"),
        body=response.text[:2000] if kind.startswith(("text/", "application/json")) else None,
    )


# Error types of providers that send no status.
_STATUS_BY_TYPE: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "overloaded_error": 503,
}


def error_from_event(event: Mapping[str, Any], *, request_id: str | None = None) -> PollinationsError:
    """Return the error for an error object inside a response with status 200, usually a stream."""
    error = _error_object(event)
    code = error.get("code")
    status = event.get("status") or _STATUS_BY_TYPE.get(str(error.get("type")))
    if isinstance(code, str) and code.isdecimal() and len(code) == 3:
        code = int(code)
    if isinstance(code, int) and not isinstance(code, bool):
        status = code
    is_status = isinstance(status, int) and 400 <= status < 600  # some providers number their errors: 0, -1, 1026
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
    """Return the error for a body in any format.

    Known formats are the service's envelope, OpenAI's errors, a flat `{"error": "text"}`, plain text and HTML.
    """
    error = _error_object(body)
    details = error.get("details")
    details = details if isinstance(details, Mapping) else {}
    code = error.get("code")
    upstream = details.get("upstreamStatus")
    upstream = upstream if isinstance(upstream, int) else None
    kind = meaning or _error_class(status, code if isinstance(code, str) else None, body, error)
    found = kind(
        message or _message(body, error, details) or fallback,
        status_code=status,
        code=None if code is None else str(code),
        request_id=request_id or _non_empty_string(error.get("requestId")),
        retry_after=retry_after,
        body=body,
        upstream_status=upstream,
        fix_url=_non_empty_string(error.get("fixUrl")) or fix_page(fix_links(str(error.get("message")))),
        param="model" if kind is UnknownModelError else _param(error, details),
    )
    if upstream in _FINAL_UPSTREAM or (isinstance(found, ServiceError) and status not in {None, *_RETRYABLE_STATUS}):
        found.is_retryable = False
    return found


def _error_class(status: int | None, code: str | None, body: Any, error: Mapping[str, Any]) -> type[PollinationsError]:
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
    """Whether the error, or the provider's error inside it, mentions the length of the input. Other fields are not
    searched, because they may repeat the prompt."""
    text = " ".join([body] if isinstance(body, str) else _error_texts(error)).lower()
    return any(phrase in text for phrase in _OVERFLOW_PHRASES)


def _error_texts(error: Mapping[str, Any]) -> Iterator[str]:
    """Yield the message and code of an error. Then yield those of the provider's error, a JSON string inside it."""
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


def _parse_body(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return response.text


def _error_object(body: Any) -> Mapping[str, Any]:
    """Return the mapping with the code and the message, wherever it is in the body."""
    if not isinstance(body, Mapping):
        return {}
    error = body.get("error")
    if isinstance(error, Mapping):
        return error
    # The legacy rate limiter and the media host send `{"error": "words", "message": "sentence"}`, FastAPI sends
    # `detail`, and GraphQL sends `errors`.
    words = error or body.get("detail") or body.get("errors") or None
    if not error and words and not isinstance(words, str):
        words = json.dumps(words)[:500]
    return {**body, "message": body.get("message") or words, "code": body.get("code")}


def _message(body: Any, error: Mapping[str, Any], details: Mapping[str, Any]) -> str | None:
    if isinstance(body, str):
        return _from_page(body)
    message = _non_empty_string(error.get("message"))
    fields = details.get("fieldErrors")
    if isinstance(fields, Mapping) and fields:
        told = "; ".join(f"{name}: {_join_reasons(reasons)}" for name, reasons in fields.items())
        return f"{message}: {told}" if message else told
    return message


def _param(error: Mapping[str, Any], details: Mapping[str, Any]) -> str | None:
    """Return the invalid field if an error of the service, or an error in OpenAI's format, names a single field."""
    fields = details.get("fieldErrors")
    if isinstance(fields, Mapping) and len(fields) == 1:
        return str(next(iter(fields)))
    return _non_empty_string(error.get("param"))


def _join_reasons(reasons: Any) -> str:
    return ", ".join(map(str, reasons)) if isinstance(reasons, list) else str(reasons)


def _from_page(text: str) -> str | None:
    """Return plain text. Return None for an HTML page, because its markup does not help the user."""
    text = text.strip()
    if text.startswith("<"):
        return None
    return text[:500] or None


def _non_empty_string(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _retry_after(headers: Mapping[str, str], body: Any) -> float | None:
    """Return the seconds to wait, from the header (a number or a date) or the body of the legacy rate limiter."""
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
