"""Named faults: error responses of the service and of the proxies in front of the service."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from langchain_pollinations.emulator.service import accounts
from langchain_pollinations.emulator.service.accounts import Account
from langchain_pollinations.emulator.service.catalog import Model
from langchain_pollinations.emulator.service.error_responses import (
    ENTER,
    UNKNOWN_KEY,
    PaymentOffer,
    Refusal,
    model_unknown,
    upstream,
)

DAMAGES = ("drop", "cut", "no end", "stall")
SEPTEMBER_NOTICE = (
    "Your Pollen balance is too low for this request. "
    f"Top up at {ENTER}/ and send the request again, or see your usage at {ENTER}/usage"
)
LIMITER = {
    "error": "Rate limit exceeded",
    "message": "Rate limit exceeded. Retry after 1.25s. Use secret keys (sk_*) for unlimited requests.",
    "retryAfterSeconds": 1.25,
}
SAFETY = {
    "error": {
        "type": "safety_error",
        "code": "content_blocked",
        "message": "Blocked: violence",
        "safety": {"applied": ["violence"], "triggered": ["violence"]},
    }
}
HOST = "gen.pollinations.ai"
EDGE_PAGE = (
    "<!DOCTYPE html><html><head><title>{status} | {host}</title></head>"
    "<body><h1>Error {status}</h1><p>The web server is not answering.</p></body></html>"
)
STREAM_ERROR = {
    "error": {
        "message": "Chat Completions provider ended without terminal usage",
        "type": "upstream_error",
        "code": "usage_missing",
    }
}
COMMENT = b": keep-alive\n\n"


@dataclass(frozen=True)
class Plain:
    """An error response whose body does not have the service's usual JSON structure."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


Case = Refusal | Plain


def _provider(status: int, upstream_status: int, message: str, body: str | None = None) -> Callable[[], Case]:
    return lambda: upstream(status, message, upstream_status, body)


def http(status: int, message: str | None = None, **more: Any) -> Callable[[], Case]:
    return lambda: Refusal(status, message, **more)


def plain(status: int, body: Any, **headers: str) -> Callable[[], Case]:
    return lambda: Plain(status, body, headers)


def _error(value: Any) -> str:
    return json.dumps({"error": value}, separators=(",", ":"))


def _image_input(code: str, message: str) -> Callable[[], Case]:
    return http(400, message, code=code)


CASES: Mapping[str, Callable[[], Case]] = {
    "no key": http(401),
    "key not recognised": http(401, UNKNOWN_KEY),
    "model unknown": lambda: model_unknown("nope"),
    "model not allowed for the key": http(403, "Model 'openai/gpt-5.4-nano' is not allowed for this API key"),
    "balance spent": http(402, "Insufficient pollen balance", code="INSUFFICIENT_BALANCE"),
    "key budget spent": http(402, "API key budget exhausted", code="KEY_BUDGET_EXHAUSTED"),
    "quest pollen spent": http(402, "Not enough Quest Pollen.", code="QUEST_POLLEN_ONLY"),
    "paid model for a quest pollen key": http(
        402, "This model needs paid Pollen, but this API key only spends Quest Pollen.", code="QUEST_POLLEN_ONLY"
    ),
    "payment offer": PaymentOffer,
    "publishable key limiter": plain(429, LIMITER, **{"retry-after": "2"}),
    "concurrency limiter": plain(
        429,
        {"error": "concurrency_limit_exceeded", "message": "One generation at a time."},
        **{"retry-after": "1"},
    ),
    "edge limiter": http(429),
    "per-model limit": lambda: Refusal(
        429,
        "Per-user limit of 10 RPM exceeded for model openai/gpt-5.4-nano",
        code="community_model_rate_limit",
        details={"name": "UpstreamError"},
    ),
    "provider 400": _provider(400, 400, "context length exceeded", _error({"message": "context length exceeded"})),
    "context overflow": _provider(
        400,
        400,
        "400 Bad Request: azure-openai error: This model's maximum context length is 128000 tokens.",
        _error({"message": "This model's maximum context length is 128000 tokens.", "code": "context_length_exceeded"}),
    ),
    "provider 401": _provider(502, 401, "bad provider key", _error({"message": "bad provider key"})),
    "provider 402": _provider(502, 402, "no credit", _error("no credit")),
    "provider 404": _provider(502, 404, "no such deployment", '{"message":"no such deployment"}'),
    "provider 408": _provider(504, 408, "timeout", "timeout"),
    "provider 422": _provider(422, 422, "cannot process", _error({"message": "cannot process"})),
    "provider 429": _provider(502, 429, "slow down", _error({"message": "slow down"})),
    "provider 500": _provider(500, 500, "boom", _error({"message": "boom"})),
    "provider 503": _provider(503, 503, "overloaded", '{"details":{"error":{"message":"overloaded"}}}'),
    "provider 524": _provider(502, 524, "<html>524</html>", "<html>524</html>"),
    "provider left usage out": lambda: upstream(
        502, "Chat Completions provider returned an invalid response or omitted usage"
    ),
    "provider answered a stream request with JSON": lambda: Refusal(
        502,
        "Stream requested for model openai/gpt-5.4-nano but upstream returned content-type: application/json",
        details={
            "name": "UpstreamError",
            "upstreamHost": "provider.invalid",
            "upstreamBody": "application/json",
        },
    ),
    "content policy": lambda: Refusal(
        422, "The request was refused by the content policy.", code="content_policy_violation"
    ),
    "content blocked": http(400, "Content blocked: violence", code="content_blocked"),
    "content blocked (earlier shape)": plain(400, SAFETY),
    "safety service down": lambda: Refusal(
        503,
        "Safety service temporarily unavailable",
        headers={"x-safety-applied": "privacy", "x-safety-status": "unavailable"},
    ),
    "image download failed": _image_input("failed_to_download_image", "Failed to download image"),
    "invalid image url": _image_input("invalid_image_url", "Invalid image URL"),
    "image too large": _image_input("image_too_large", "Image too large"),
    "unsupported image type": _image_input("unsupported_image_media_type", "Unsupported image media type"),
    "body over 20 MiB": http(413),
    "coordination unavailable": plain(503, "Generation coordination is unavailable"),
    "cache unavailable": plain(503, "Generation cache is temporarily unavailable"),
    "usage unavailable": plain(500, {"error": "Failed to fetch usage data"}),
    "edge page": plain(524, EDGE_PAGE.format(status=524, host=HOST)),
    "bad gateway page": plain(502, EDGE_PAGE.format(status=502, host=HOST)),
    "path unknown": http(404),
}


# These have status 200. The application renders them in the format that the request asks for.
def _noticed(account: Account) -> Callable[[Model, str], Refusal]:
    return lambda model, asked_name: accounts.refusal(account, model, asked_name)


def _september(model: Model, asked_name: str) -> Refusal:
    return Refusal(402, "Insufficient pollen balance", code="INSUFFICIENT_BALANCE", notice=SEPTEMBER_NOTICE)


# Errors that text routes send as text, each with the account state that causes it. "september notice" has the wording
# of September 2026.
NOTICES: Mapping[str, Callable[[Model, str], Refusal]] = {
    "balance notice": _noticed({"balance": 0}),
    "key budget notice": _noticed({"budget": 0}),
    "quest pollen notice": _noticed({"balance": 0, "quest_only": True}),
    "permission notice": _noticed({"models": []}),
    "september notice": _september,
}
SOFT_CASES = (*NOTICES, "stream error", "comments")


def named(name: str, cases: Mapping[str, Callable[[], Case]], soft_cases: Iterable[str]) -> Case:
    """Return the error response of a named fault. A comma or colon starts a comment, which is ignored.

    Raises:
        ValueError: If the name is unknown.
    """
    short = name if name in cases else name.split(":")[0].split(",")[0].strip()
    if short not in cases:
        known = sorted((*cases, *soft_cases, *DAMAGES))
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(known)}"
        raise ValueError(f"Unknown fault {name!r}; {hint}")
    return cases[short]()
