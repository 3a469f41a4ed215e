"""How the older hosts refuse: with a string and a hint where to go, or a picture; on the newer level as `gen` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from ..refusals import Refusal
from . import placards
from .headers import DOCS, GUIDE, signup

NOTICE = (
    "This host is kept for callers without a key. Its successor is gen.pollinations.ai; "
    "see the guide for how to move, and sign up for a key."
)


class Unnumbered(Refusal):
    """A refusal that tells no status in its body."""


def envelope(refusal: Refusal, host: str) -> dict[str, Any]:
    """The body of a refusal: `error` is a string."""
    told: dict[str, Any] = {"error": refusal.message}
    if not isinstance(refusal, Unnumbered):
        told["status"] = refusal.status
    if refusal.details is not None:
        told["details"] = dict(refusal.details)
    return told | {
        "deprecation_notice": NOTICE,
        "migration": {"guide": GUIDE, "docs": DOCS, "signup": signup(host)},
    }


def response(refusal: Refusal, level: str, host: str, headers: Mapping[str, str] | None = None) -> Response:
    own = type(refusal).envelope is not Refusal.envelope  # a challenge to pay looks the same on every level
    if host == "image" and level == "l4" and not own:
        return placards.response(refusal)
    body = refusal.envelope() if own or level == "l5" else envelope(refusal, host)
    return JSONResponse(body, refusal.status, headers={**refusal.headers, **(headers or {})})
