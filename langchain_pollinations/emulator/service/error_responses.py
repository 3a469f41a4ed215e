"""Error responses of the service.

Their JSON body is the envelope `{"success": false, "error": {...}, "status": ...}`. The media host sends its errors
without this envelope.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    402: "PAYMENT_REQUIRED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    409: "CONFLICT",
    410: "GONE",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "UNPROCESSABLE_ENTITY",
    426: "UPGRADE_REQUIRED",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR",
    502: "BAD_GATEWAY",
    503: "SERVICE_UNAVAILABLE",
    504: "GATEWAY_TIMEOUT",
}

MESSAGES = {
    400: "The request was invalid.",
    401: (
        "Authentication required. Please provide an API key via Authorization header (Bearer token) "
        "or ?key= query parameter."
    ),
    402: "Insufficient pollen balance",
    403: "Access denied.",
    404: "Oh no, there's nothing here.",
    413: "The request payload is too large. Reduce its size and try again.",
    429: "Too many requests from this IP. Please slow down.",
    500: "Something went wrong on our side.",
    502: "The provider failed.",
    503: "The service is not available at the moment.",
    504: "The provider did not answer in time.",
}

ENTER = "https://enter.pollinations.ai"
UNKNOWN_KEY = (
    "Invalid API key. The provided key was not recognized; it may be expired, revoked, or mistyped. "
    f"Manage keys at {ENTER}/keys"
)

OFFER = "eyJ4NDAyVmVyc2lvbiI6Mn0="  # base64 of {"x402Version":2}


def now() -> str:
    """Return the current UTC time in the service's format, for example "2026-01-15T12:00:00.000Z"."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Refusal(Exception):
    """An error response. A route raises it, and the ASGI application sends it."""

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        code: str | None = None,
        details: Mapping[str, Any] | None = None,
        fix_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        notice: str | None = None,
    ) -> None:
        self.status = status
        self.message = MESSAGES.get(status, "Something went wrong.") if message is None else message
        self.code = code or CODES.get(status, "UNKNOWN_ERROR")
        self.details = details
        self.fix_url = fix_url
        self.notice = notice  # text that text routes send instead, with status 200
        self.headers = dict(headers or {})
        super().__init__(f"{status} {self.message}")

    def envelope(self) -> dict[str, Any]:
        error: dict[str, Any] = {"message": self.message, "code": self.code, "timestamp": now()}
        if self.details is not None:
            error["details"] = dict(self.details)
        if self.fix_url is not None:
            error["fixUrl"] = self.fix_url
        return {"success": False, "error": error, "status": self.status}

    def body(self) -> bytes:
        return json.dumps(self.envelope(), ensure_ascii=False).encode()


class FlatRefusal(Refusal):
    """An error response of the media host. Its body is `{"error": message}`."""

    def envelope(self) -> dict[str, Any]:
        return {"error": self.message}


class OAuthRefusal(Refusal):
    """An error response of the sign-in routes. Its body is `{"error": code, "error_description": message}`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(400, message, code=code)

    def envelope(self) -> dict[str, Any]:
        return {"error": self.code, "error_description": self.message}


class PaymentOffer(Refusal):
    """An offer to pay for a request without an API key, by the protocol x402."""

    def __init__(self) -> None:
        super().__init__(402, "Payment required", headers={"payment-required": OFFER})

    def envelope(self) -> dict[str, Any]:
        return {"x402Version": 2, "accepts": []}


def model_unknown(name: Any) -> Refusal:
    """Return the error for a model name that does not exist."""
    return Refusal(400, f'Invalid model or alias: "{name}". Must be a valid model name or alias.')


def format_unknown(wanted: str, model: str, accepted: Iterable[str]) -> Refusal:
    """Return the error for an audio or transcript format that a model does not support."""
    text = f"response_format '{wanted}' is not supported by {model}. Supported formats: {', '.join(accepted)}"
    return Refusal(400, text)


def invalid(what: str, fields: Mapping[str, list[str]], form: list[str] | None = None) -> Refusal:
    """Return a validation error. `what` is "JSON body", "Query parameter" or "Header"."""
    details = {"name": "ValidationError", "formErrors": form or [], "fieldErrors": dict(fields)}
    return Refusal(400, f"{what} validation failed", details=details)


def upstream(status: int, message: str, upstream_status: int | None = None, body: str | None = None) -> Refusal:
    """Return an error that comes from a provider behind the service."""
    details: dict[str, Any] = {"name": "UpstreamError"}
    if upstream_status is not None:
        sent = json.dumps({"error": {"message": message}}) if body is None else body
        details |= {"upstreamStatus": upstream_status, "upstreamHost": "provider.invalid", "upstreamBody": sent}
    return Refusal(status, message, details=details)
