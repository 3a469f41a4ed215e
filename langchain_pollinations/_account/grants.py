"""The response of the sign-in host to a poll: the new key, or the reason for which there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from langchain_pollinations._config.keys import header_value
from langchain_pollinations._safe_text import safe_text
from langchain_pollinations._transport.error_response import error_from_response
from langchain_pollinations.errors import (
    AuthenticationError,
    InvalidResponseError,
    PollinationsError,
    SignInDeniedError,
    SignInError,
    SignInExpiredError,
)


@dataclass(frozen=True)
class Grant:
    """The new key, and its scopes if the service sends them."""

    key: SecretStr
    scopes: tuple[str, ...] | None


ENDINGS: dict[str, tuple[type[SignInError], str]] = {
    "access_denied": (SignInDeniedError, "The user declined the sign-in"),
    "expired_token": (SignInExpiredError, "The sign-in was not confirmed in time; start it again"),
    "invalid_grant": (
        SignInError,
        "The sign-in host does not know the device code, or the code was used already (perhaps by a poll whose answer "
        "was lost); start the sign-in again",
    ),
}
"""Errors that end a sign-in, with the class and the message of the error."""


def parse_token(response: httpx.Response) -> Grant | str:
    """Return the key, or the code of an error that continues the sign-in.

    No error contains the body of a response with status 200, because it may hold the key.

    Raises:
        SignInError: If the sign-in ended without a key.
    """
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    body = body if isinstance(body, dict) else {}
    key = _as_key(body.get("access_token"))
    # No other part is kept, because tracebacks may show the local variables of this frame.
    body = {name: body.get(name) for name in ("error", "error_description", "scope")}
    error = body["error"]
    if error in ("authorization_pending", "slow_down"):
        return str(error)
    if isinstance(error, str) and error in ENDINGS:
        kind, message = ENDINGS[error]
        raise kind(_described(message, body), status_code=response.status_code, code=error)
    if not response.is_success:
        raise flat_error(response)
    if error:
        raise SignInError(_described("The sign-in host refused", body), code=error if isinstance(error, str) else None)
    if key is None:
        raise InvalidResponseError("The answer of the sign-in host holds no key", status_code=response.status_code)
    granted = body["scope"]
    return Grant(key, tuple(granted.split()) if isinstance(granted, str) else None)


def _as_key(text: Any) -> SecretStr | None:
    if not isinstance(text, str) or not text.strip():
        return None
    try:
        return SecretStr(header_value(SecretStr(text)))
    except AuthenticationError:
        return None


def flat_error(response: httpx.Response) -> PollinationsError:
    """Return the error for a response of the sign-in host, whose refusals are flat: `{"error": "invalid_client"}`."""
    error = error_from_response(response)
    body = error.body if isinstance(error.body, dict) else {}
    code = body.get("error")
    if not isinstance(code, str) or error.is_retryable or not response.is_client_error:
        return error
    message, request_id = _described("The sign-in host refused", body), error.request_id
    return SignInError(message, status_code=response.status_code, code=code, request_id=request_id)


def _described(message: str, body: dict[str, Any]) -> str:
    described = body.get("error_description")
    return f"{message}: {safe_text(described)}" if isinstance(described, str) and described.strip() else message
