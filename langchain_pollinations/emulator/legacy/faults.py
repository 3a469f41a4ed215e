"""Named faults of the older hosts and of what stands before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..faults import DAMAGES, EDGE_PAGE, Case, Plain
from ..refusals import Refusal, now
from . import errors, placards, text
from .bodies import MALFORMED
from .queue import Challenge

FULL = "Queue full for IP: 127.0.0.1: 1 requests already queued (max: 1)."
OVERLOADED = {"error": {"message": "The model is overloaded", "type": "ServiceUnavailable", "code": 503}}
PLAIN = "text/plain; charset=utf-8"


def _refused(make: Callable[[], Refusal]) -> Callable[[str], Case]:
    return lambda level: errors.case(make(), level)


def _plain(status: int, body: Any, **headers: str) -> Callable[[str], Case]:
    return lambda level: Plain(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


# Each makes its case in the form of a level.
CASES: Mapping[str, Callable[[str], Case]] = {
    "queue full": _refused(lambda: Refusal(429, f"{FULL} Please wait until the request before this one has ended.")),
    "payment challenge": _refused(lambda: Challenge(FULL)),
    "blocked address": _plain(403, b"", content_type=PLAIN),
    "blocked address, told": _refused(
        lambda: Refusal(403, "Forbidden", details={"blockedIp": "127.0.0.1", "timestamp": now()})
    ),
    "provider 503": _refused(lambda: Refusal(503, "503 Service Unavailable", details=OVERLOADED)),
    "input too long": _refused(lambda: text.too_long(5001, 5000)),
    "worker error": _plain(500, "Worker error: fetch failed", x_error="fetch failed"),
    "origin down": _plain(530, "error code: 1033"),
    "bad gateway page": _plain(502, EDGE_PAGE.format(status=502)),
    "malformed body": _plain(400, MALFORMED),
    **placards.CASES,
}
SOFT_CASES = ("migration notice",)


def named(name: str, level: str) -> Case:
    """The fault of a name, in the form of a level."""
    if name not in CASES:
        known = ", ".join(sorted((*CASES, *SOFT_CASES, *DAMAGES)))
        raise ValueError(f"Unknown fault {name!r}; known are: {known}")
    return CASES[name](level)
