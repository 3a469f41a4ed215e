"""How the older hosts refuse: with a string and a hint where to go, or a picture; on the newer level as `gen` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from ..faults import Case, Plain
from ..refusals import Refusal
from . import placards
from .bodies import Json
from .headers import DOCS, GUIDE, signup

NOTICE = (
    "This host is kept for callers without a key. Its successor is gen.pollinations.ai; "
    "see the guide for how to move, and sign up for a key."
)


class Bare(Refusal):
    """A refusal that says what is wrong and nothing else."""


def envelope(refusal: Refusal, host: str) -> dict[str, Any]:
    """The body of a refusal: `error` is a string."""
    if isinstance(refusal, Bare):
        return {"error": refusal.message}
    told: dict[str, Any] = {"error": refusal.message, "status": refusal.status}
    if refusal.details is not None:
        told["details"] = dict(refusal.details)
    return told | {
        "deprecation_notice": NOTICE,
        "migration": {"guide": GUIDE, "docs": DOCS, "signup": signup(host)},
    }


def _has_own_form(refusal: Refusal) -> bool:
    """Whether a refusal looks the same on every level, as a challenge to pay does."""
    return type(refusal).envelope is not Refusal.envelope


def case(refusal: Refusal, level: str, host: str = "text") -> Case:
    """A refusal as the script plays it."""
    if level == "l5" or _has_own_form(refusal):
        return refusal
    return Plain(refusal.status, envelope(refusal, host), refusal.headers)


def response(refusal: Refusal, level: str, host: str, headers: Mapping[str, str] | None = None) -> Response:
    unified = level == "l5" or _has_own_form(refusal)
    if host == "image" and not unified:
        return placards.response(refusal)
    body = refusal.envelope() if unified else envelope(refusal, host)
    return Json(body, refusal.status, headers={**refusal.headers, **(headers or {})})
