"""Checks of request headers, and the headers that hold credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# --- Headers ----------------------------------------------------------------------------------------------------------

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"([!-~]([\t -~]*[!-~])?)?")
_CREDENTIALS = frozenset({"authorization", "proxy-authorization"})
_SECRET_NAME = re.compile(r"(?i)auth|cookie|credential|key|passw|secret|session|token")


class HiddenDict(dict[str, str]):
    """Headers whose `repr` shows only the names. Tracebacks may show the local variables that hold them."""

    def __repr__(self) -> str:
        return f"<headers {', '.join(self) or 'none'}>"


def check_headers(given: Any, argument: str) -> dict[str, str]:
    """Validate headers and return them as a dict. Errors name the header and never show its value."""
    if not isinstance(given, Mapping):
        raise ValueError(f"{argument}: takes a mapping from header names to values, not {type(given).__name__}")
    for number, (name, value) in enumerate(given.items(), 1):
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):  # not shown: the name may hold a secret
            raise ValueError(f"{argument}: name {number} is not a header name: letters, digits and dashes")
        if not isinstance(value, str):
            raise ValueError(f"{argument}: the value of {name!r} must be a string, not {type(value).__name__}")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(
                f"{argument}: the value of {name!r} cannot be sent: it holds a line break, a control character or a "
                "character outside ASCII, or it starts or ends with whitespace"
            )
    return HiddenDict(given)


def check_extra_headers(given: Any) -> dict[str, str]:
    """Validate the headers of one call. They must not change the credentials."""
    headers = HiddenDict() if given is None else check_headers(given, "extra_headers")
    if refused := sorted(name for name in headers if name.lower() in _CREDENTIALS):
        raise ValueError(f"extra_headers: {refused[0]!r} is not for a single call; use api_key or default_headers")
    return headers


def without_credentials(headers: Mapping[str, str] | None) -> dict[str, str] | None:
    """Return the headers that may be written to a pickle. Headers whose name suggests a secret are omitted."""
    if headers is None:
        return None
    return {name: value for name, value in headers.items() if not _SECRET_NAME.search(name)}


def has_authorization(headers: Mapping[str, str] | None) -> bool:
    return any(name.lower() == "authorization" for name in headers or ())
