"""The two legacy hosts, which need no key. The package builds their requests and parses their responses. No I/O.

The service describes the hosts as follows (November 2026). text.pollinations.ai and image.pollinations.ai are for
anonymous callers only. Each host has one model, and accepts one request per 30 seconds and IP address. A request with a
token, or from a registered site, receives a notice instead of a result. Legacy requests therefore carry no credentials
or identifying headers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import httpx

from langchain_pollinations._legacy.errors import is_success, to_error
from langchain_pollinations._legacy.rate_limiter import Slot
from langchain_pollinations._transport.request import ApiRequest
from langchain_pollinations.errors import KEYS_PAGE, UnknownModelError, UnsupportedRequestError

T = TypeVar("T")

MAX_URL = 14_000
"""Maximum characters of a URL. The host's proxy and its Node.js server accept 16 KB including all headers."""


@dataclass(frozen=True)
class LegacyHosts:
    """The legacy hosts, with the settings of one wrapper."""

    text_url: str
    image_url: str
    limiter: Slot

    def request(
        self,
        method: Literal["GET", "POST"],
        origin: str,
        path: str,
        parse: Callable[[httpx.Response], T],
        options: Mapping[str, Any],
    ) -> ApiRequest[T]:
        """Build a request to one of the hosts, without headers, cookies and credentials of the wrapper."""
        return ApiRequest(
            method,
            path,
            parse,
            options,
            origin=origin,
            send_credentials=False,
            is_success=is_success,
            to_error=to_error,
            limiter=self.limiter,
        )


def unsupported(what: str, *, param: str | None = None) -> UnsupportedRequestError:
    message = f"{what}; gen.pollinations.ai supports more, with an API key."
    return UnsupportedRequestError(message, fix_url=KEYS_PAGE, param=param)


def unknown_model(model: Any, names: Sequence[str], host: str) -> UnknownModelError:
    message = f"model: the legacy {host} host has only {names[0]} (aliases: {', '.join(names[1:])}), got {model!r}"
    return UnknownModelError(
        f"{message}; gen.pollinations.ai has more models, with an API key.", fix_url=KEYS_PAGE, param="model"
    )
