"""Named faults of the legacy hosts and of the proxies in front of them.

A fault has the format of the host that sends it. The image host sends an image for an image request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from langchain_pollinations.emulator.legacy import text
from langchain_pollinations.emulator.legacy.bodies import JPEG, MALFORMED
from langchain_pollinations.emulator.legacy.queue import Challenge, full
from langchain_pollinations.emulator.scripting.faults import EDGE_PAGE, Case, Plain, http, plain
from langchain_pollinations.emulator.service.error_responses import Refusal, now
from langchain_pollinations.emulator.synthesis.images import error_images, rendering

FULL = full("127.0.0.1", 1, 1)
OVERLOADED = {"error": {"message": "The model is overloaded", "type": "ServiceUnavailable", "code": 503}}
PLAIN = "text/plain; charset=utf-8"


def _blocked() -> Refusal:
    return Refusal(403, "Forbidden", details={"blockedIp": "127.0.0.1", "timestamp": now()})


def _moved() -> Plain:
    """Return an image that has nothing to do with the prompt, as the service did in January 2026.

    No header distinguishes it from a correct response.
    """
    return Plain(200, rendering.jpeg(error_images.placeholder(), 90), {"content-type": JPEG})


CASES: Mapping[str, Callable[[], Case]] = {
    "queue full": http(429, f"{FULL} Please wait until the request before this one has ended."),
    "payment challenge": lambda: Challenge(FULL),
    "blocked address": plain(403, b"", **{"content-type": PLAIN}),
    "blocked address, told": _blocked,
    "provider 503": http(503, "503 Service Unavailable", details=OVERLOADED),
    "input too long": lambda: text.too_long(5001, 5000),
    "worker error": plain(500, "Worker error: fetch failed", **{"x-error": "fetch failed"}),
    "origin down": plain(530, "error code: 1033"),
    "bad gateway page": plain(502, EDGE_PAGE.format(status=502, host="pollinations.ai")),
    "malformed body": plain(400, MALFORMED),
    # Faults of the image host.
    "image of an error": http(500, "Failed to generate the image"),
    "image of a limit": http(429, FULL),
    "image of a block": http(403, "Content rejected: the prompt is prohibited by the content policy"),
    "moved placeholder": _moved,
}
SOFT_CASES = ("migration notice",)
