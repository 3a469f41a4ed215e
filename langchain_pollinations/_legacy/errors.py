"""Error responses of the legacy hosts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import httpx

from langchain_pollinations._transport.error_response import error_from_response
from langchain_pollinations.errors import (
    KEYS_PAGE,
    ContentBlockedError,
    ContextOverflowError,
    PermissionDeniedError,
    PollinationsError,
    RateLimitError,
    ServiceError,
    UnknownModelError,
)

# --- Errors -----------------------------------------------------------------------------------------------------------

_ERROR_HEADERS = ("x-error-status", "x-error-type", "x-error-message")
_MENTIONS_LENGTH = re.compile(
    r"exceeds? (the )?(maximum|limit|\d{1,9})[^.]{0,200}characters|(input|prompt|messages?|text) (is |are )?too long",
    re.IGNORECASE,
)
_MENTIONS_BLOCK = re.compile(
    r"prohibited|inappropriate|moderation|nsfw|unsafe content"
    r"|(content|usage|safety)[ _-](management[ _-])?(policy|filter)",
    re.IGNORECASE,
)
_MENTIONS_MODEL = re.compile(r"model not found|(unknown|invalid|unsupported) model", re.IGNORECASE)


def is_success(response: httpx.Response) -> bool:
    """Whether a response contains the requested content.

    The image host returns errors with status 200 and an image that shows the error, so that web pages still show an
    image. Headers name the error.
    """
    return response.is_success and not _is_rate_limited(response) and not any(map(response.headers.get, _ERROR_HEADERS))


def _is_rate_limited(response: httpx.Response) -> bool:
    return response.headers.get("x-rate-limited", "").strip().lower() not in ("", "false", "0", "no")


def to_error(response: httpx.Response) -> PollinationsError:
    """Convert an error response, in any format that these hosts have used.

    The hosts send a 402 that offers a payment if this IP address has used its rate limit. The 402 is treated as a rate
    limit. No payment is ever made.
    """
    if response.is_success:
        response = _from_headers(response)
    original = error_from_response(response, _error_class(response, ""))
    message = _join(": ", original.message, _provider_message(response))
    error_class = _error_class(response, message) or type(original)
    error = error_from_response(response, error_class, _join("; ", message, _HINTS.get(error_class, "")))
    if error_class in _HINTS:
        error.fix_url = KEYS_PAGE
    return error


_HINTS: Mapping[type[PollinationsError], str] = {
    RateLimitError: "the legacy hosts accept few requests per IP address: wait, or use an API key",
    UnknownModelError: "gen.pollinations.ai has more models, with an API key",
    PermissionDeniedError: "the legacy hosts block this IP address; gen.pollinations.ai identifies callers by API key",
    ServiceError: "the legacy host is currently down",  # the edge of the host reports this as an error number
}


def _join(separator: str, message: str, more: str) -> str:
    return f"{message.rstrip('.')}{separator}{more}" if more and more not in message else message


def _from_headers(response: httpx.Response) -> httpx.Response:
    """Build an error response from the headers of an image that shows an error."""
    values = [response.headers.get(name, "") for name in reversed(_ERROR_HEADERS)]
    status = values.pop()
    limited = _is_rate_limited(response)
    status_code = int(status) if re.fullmatch(r"[45]\d\d", status) else 429 if limited else 500
    shown = "a rate limit" if limited else "an error"
    message = next(filter(None, values), f"The image host returned an image of {shown}")
    body = {"error": message, "status": status_code}
    return httpx.Response(status_code, headers=_other_headers(response.headers), json=body, request=response.request)


def _other_headers(headers: httpx.Headers) -> list[tuple[bytes, bytes]]:
    return [pair for pair in headers.raw if not pair[0].lower().startswith(b"content-")]


def _error_class(response: httpx.Response, message: str) -> type[PollinationsError] | None:
    """Return the error class for a status and a message. None means the same class as for gen.pollinations.ai.

    Only the message is searched, because the rest of a body may repeat the prompt.
    """
    if response.status_code in (402, 429) or _is_rate_limited(response):
        return RateLimitError
    if response.status_code == 404 and _MENTIONS_MODEL.search(message):
        return UnknownModelError
    if response.status_code in (400, 500) and _MENTIONS_LENGTH.search(message):
        return ContextOverflowError
    return ContentBlockedError if response.status_code <= 500 and _MENTIONS_BLOCK.search(message) else None


def _provider_message(response: httpx.Response) -> str:
    """Return the message of the provider from `details`, which is an object or JSON text."""
    try:
        details = response.json()["details"]
        details = json.loads(details) if isinstance(details, str) and details.startswith("{") else details
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    while isinstance(details, dict):
        details = details.get("message") or details.get("error")
    return details if isinstance(details, str) else ""
