"""How the older image host refuses: with a picture and status 200, so that pages that embed it show something. What is
wrong stands in headers. On the newer level it refuses as the unified host does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.responses import Response

from .. import pictures
from ..faults import Case, Plain
from ..pictures import signs
from ..refusals import Refusal

JPEG = {"content-type": "image/jpeg"}
LABELS = {401: "Unauthorized", 403: "Forbidden", 429: "Too Many Requests"}
OTHER = "Internal Server Error"  # which the host calls a 400, too
LONGEST = 300  # characters of a header


def _in_header(text: str) -> str:
    """A text as a header can carry it."""
    return " ".join(text.split()).encode("ascii", "replace").decode()[:LONGEST]


def of(refusal: Refusal) -> Plain:
    """The picture of a refusal."""
    label = LABELS.get(refusal.status, OTHER)
    told = {
        "cache-control": "no-store",
        "x-error-type": label,
        "x-error-status": str(refusal.status),
        "x-error-message": _in_header(refusal.message),
    }
    limited = {"x-rate-limited": "true"} if refusal.status == 429 else {}
    return Plain(200, pictures.jpeg(signs.placard(label, refusal.message)), JPEG | told | limited)


def response(refusal: Refusal) -> Response:
    shown = of(refusal)
    return Response(shown.body, shown.status, headers=dict(shown.headers))


def _shown(status: int, message: str) -> Callable[[str], Case]:
    """A fault that is a picture, or on the newer level a refusal."""

    def case(level: str) -> Case:
        refusal = Refusal(status, message)
        return refusal if level == "l5" else of(refusal)

    return case


def _moved(level: str) -> Case:
    """A picture of other things than the prompt's that no header tells from a good answer, as in January 2026."""
    return Plain(200, pictures.jpeg(signs.moved(), 90), JPEG)


CASES: Mapping[str, Callable[[str], Case]] = {
    "picture of an error": _shown(500, "Failed to generate the picture"),
    "picture of a limit": _shown(429, "Queue full for IP: 127.0.0.1: 1 requests already queued (max: 1)."),
    "picture of a block": _shown(403, "Content rejected: the prompt is prohibited by the content policy"),
    "moved placeholder": _moved,
}
