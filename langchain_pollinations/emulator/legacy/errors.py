"""Error responses of the legacy hosts.

On level L4 the hosts send an error string with a migration hint. For an image request the image host sends an image
with status 200 instead, so that pages that embed it show something. On level L5 both hosts send the error responses of
the unified host.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from langchain_pollinations.emulator.legacy.bodies import JPEG, Json
from langchain_pollinations.emulator.legacy.headers import DOCS, GUIDE, signup
from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.state import Asked
from langchain_pollinations.emulator.synthesis.images import error_images, rendering

NOTICE = (
    "This host is kept for callers without a key. Its successor is gen.pollinations.ai; "
    "see the guide for how to move, and sign up for a key."
)
NOT_IMAGE_PATHS = ("/models", "/about", "/feed", "/register")  # on the image host; its other paths are prompts
LABELS = {401: "Unauthorized", 403: "Forbidden", 429: "Too Many Requests"}
OTHER = "Internal Server Error"  # also the label of a 400
MAX_HEADER_LENGTH = 300  # characters of a header value


class Bare(Refusal):
    """An error response with only a message."""


def envelope(refusal: Refusal, host: str) -> dict[str, Any]:
    """Return the body of an error response; `error` is a string."""
    if isinstance(refusal, Bare):
        return {"error": refusal.message}
    fields: dict[str, Any] = {"error": refusal.message, "status": refusal.status}
    if refusal.details is not None:
        fields["details"] = dict(refusal.details)
    return fields | {
        "deprecation_notice": NOTICE,
        "migration": {"guide": GUIDE, "docs": DOCS, "signup": signup(host)},
    }


def _in_header(text: str) -> str:
    """Return a text as a valid header value: one line of ASCII, at most MAX_HEADER_LENGTH characters."""
    return " ".join(text.split()).encode("ascii", "replace").decode()[:MAX_HEADER_LENGTH]


def _error_image(refusal: Refusal) -> Response:
    """Return the image of an error. Headers contain the error, too."""
    label = LABELS.get(refusal.status, OTHER)
    headers = {
        "content-type": JPEG,
        "cache-control": "no-store",
        "x-error-type": label,
        "x-error-status": str(refusal.status),
        "x-error-message": _in_header(refusal.message),
    }
    limited = {"x-rate-limited": "true"} if refusal.status == 429 else {}
    image = rendering.jpeg(error_images.error_image(label, refusal.message))
    return Response(image, headers=headers | limited | refusal.headers)


def _has_own_form(refusal: Refusal) -> bool:
    """Return whether an error response is the same on all levels, like a payment challenge."""
    return type(refusal).envelope is not Refusal.envelope


def response(refusal: Refusal, asked: Asked, level: str) -> Response:
    """Return an error response in the format of the requested host and its level."""
    if level == "l5" or _has_own_form(refusal):
        return Json(refusal.envelope(), refusal.status, headers=refusal.headers)
    if asked.host == "image" and asked.path not in NOT_IMAGE_PATHS and refusal.status >= 400:
        return _error_image(refusal)
    return Json(envelope(refusal, asked.host), refusal.status, headers=refusal.headers)
