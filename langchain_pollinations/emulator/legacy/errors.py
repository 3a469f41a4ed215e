"""Error responses of the legacy hosts.

With level "l4", an error body contains the message as a string, and a link to the migration guide. If an image request
fails, the image host sends an image of the error with status 200. Web pages that embed the image then show the error.

With level "l5", both hosts send the error responses of the unified host.
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
    """An error response whose body contains only the message."""


def envelope(refusal: Refusal, host: str) -> dict[str, Any]:
    """Return the body of an error response with level "l4". The value of its key `error` is a string."""
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
    """Convert a text to a header value: one line of ASCII with at most MAX_HEADER_LENGTH characters."""
    return " ".join(text.split()).encode("ascii", "replace").decode()[:MAX_HEADER_LENGTH]


def _error_image(refusal: Refusal) -> Response:
    """Return an image that shows an error. The headers also contain the error."""
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
    """Return whether the format of an error is the same with every level. A payment challenge is an example."""
    return type(refusal).envelope is not Refusal.envelope


def response(refusal: Refusal, asked: Asked, level: str) -> Response:
    """Return an error response in the format of the host and the level."""
    if level == "l5" or _has_own_form(refusal):
        return Json(refusal.envelope(), refusal.status, headers=refusal.headers)
    if asked.host == "image" and asked.path not in NOT_IMAGE_PATHS and refusal.status >= 400:
        return _error_image(refusal)
    return Json(envelope(refusal, asked.host), refusal.status, headers=refusal.headers)
