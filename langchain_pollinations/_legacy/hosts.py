"""Translation of an `ApiRequest` and its response for the two legacy hosts, which need no key. No I/O.

The service describes the hosts as follows (November 2026): text.pollinations.ai and image.pollinations.ai are for
anonymous callers only, with one model each and one request per 30 seconds and IP address. A request with a token, or
from a registered site, receives a notice instead of a result. Legacy requests therefore carry no credentials or
identifying headers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from langchain_pollinations._chat.plain_text import Route
from langchain_pollinations._legacy.errors import is_success, to_error
from langchain_pollinations._legacy.rate_limiter import Slot
from langchain_pollinations._transport.request import ApiRequest
from langchain_pollinations.errors import KEYS_PAGE, UnknownModelError, UnsupportedRequestError

T = TypeVar("T")

TEXT_HOST = "https://text.pollinations.ai"
IMAGE_HOST = "https://image.pollinations.ai"

SCOPE = "answer chats and draw pictures from words, and nothing else"

REQUEST_INTERVAL = 30.0
"""Seconds between two requests from one IP address, from the source code of the text host since late 2025."""


MAX_URL = 14_000
"""Maximum characters of a URL. The edge and Node accept 16 KB including all headers."""


@dataclass(frozen=True)
class LegacyHosts:
    """The legacy hosts, with the settings of one wrapper."""

    text_url: str
    image_url: str
    turn: Slot
    route: Route = "chat"
    """Route of chats."""

    def _asked(self, call: ApiRequest[Any], method: Any, origin: str, path: str, **changed: Any) -> ApiRequest[Any]:
        """A request to one of the hosts, without headers, cookies and credentials of the wrapper."""
        there: dict[str, Any] = {
            "origin": origin,
            "send_credentials": False,
            "is_success": is_success,
            "to_error": to_error,
        }
        return replace(call, method=method, path=path, **there, **changed)


def unsupported(what: str, *, param: str | None = None) -> UnsupportedRequestError:
    says = f"{what}; gen.pollinations.ai does more, with a key."
    return UnsupportedRequestError(says, fix_url=KEYS_PAGE, param=param)


def unknown_model(model: Any, names: Sequence[str], host: str) -> UnknownModelError:
    told = f"model: the older {host} host has {names[0]} only (also called {', '.join(names[1:])}), not {model!r}"
    return UnknownModelError(f"{told}; gen.pollinations.ai has more, with a key.", fix_url=KEYS_PAGE, param="model")
