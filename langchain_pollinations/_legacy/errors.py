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
    """Whether it holds what was asked for: the image host answers failures with status 200 and a picture that tells of
    them, so that pages still show something, and names them in headers."""
    return response.is_success and not _is_rate_limited(response) and not any(map(response.headers.get, _ERROR_HEADERS))


def _is_rate_limited(response: httpx.Response) -> bool:
    return response.headers.get("x-rate-limited", "").strip().lower() not in ("", "false", "0", "no")


def to_error(response: httpx.Response) -> PollinationsError:
    """The error that an answer stands for, in whichever of the shapes these hosts have had.

    A 402 asks for a payment since the place of this address is taken; it is a rate limit, and nothing is ever paid.
    """
    if response.is_success:
        response = _from_headers(response)
    said = error_from_response(response, _error_class(response, ""))
    words = _join(": ", said.message, _provider_message(response))
    meaning = _error_class(response, words) or type(said)
    error = error_from_response(response, meaning, _join("; ", words, _HINTS.get(meaning, "")))
    if meaning in _HINTS:
        error.fix_url = KEYS_PAGE
    return error


_HINTS: Mapping[type[PollinationsError], str] = {
    RateLimitError: "the older hosts take few requests from an address, whoever makes them: wait, or use a key",
    UnknownModelError: "gen.pollinations.ai has more models, with a key",
    PermissionDeniedError: "the older hosts block the address that this comes from; gen.pollinations.ai goes by a key",
    ServiceError: "the older host is down at present",  # as its edge says in a number
}


def _join(sign: str, words: str, more: str) -> str:
    return f"{words.rstrip('.')}{sign}{more}" if more and more not in words else words


def _from_headers(response: httpx.Response) -> httpx.Response:
    """What headers say of a picture that stands for an error, in the form of one."""
    says = [response.headers.get(name, "") for name in reversed(_ERROR_HEADERS)]
    status = says.pop()
    limited = _is_rate_limited(response)
    status_code = int(status) if re.fullmatch(r"[45]\d\d", status) else 429 if limited else 500
    shown = "its limit" if limited else "an error"
    said = next(filter(None, says), f"The image host answered with a picture of {shown}")
    body = {"error": said, "status": status_code}
    return httpx.Response(status_code, headers=_other_headers(response.headers), json=body, request=response.request)


def _other_headers(headers: httpx.Headers) -> list[tuple[bytes, bytes]]:
    return [pair for pair in headers.raw if not pair[0].lower().startswith(b"content-")]


def _error_class(response: httpx.Response, words: str) -> type[PollinationsError] | None:
    """What these hosts mean by a status and their words, where that is not what it means elsewhere. The rest of a body
    is no help: it may repeat the prompt, which may speak of anything."""
    if response.status_code in (402, 429) or _is_rate_limited(response):
        return RateLimitError
    if response.status_code == 404 and _MENTIONS_MODEL.search(words):
        return UnknownModelError
    if response.status_code in (400, 500) and _MENTIONS_LENGTH.search(words):
        return ContextOverflowError
    return ContentBlockedError if response.status_code <= 500 and _MENTIONS_BLOCK.search(words) else None


def _provider_message(response: httpx.Response) -> str:
    """What the provider said, which stands in `details`: as an object, or as the text of one."""
    try:
        details = response.json()["details"]
        details = json.loads(details) if isinstance(details, str) and details.startswith("{") else details
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    while isinstance(details, dict):
        details = details.get("message") or details.get("error")
    return details if isinstance(details, str) else ""
