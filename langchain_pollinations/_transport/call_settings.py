"""Settings of a single call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_pollinations._transport.headers import check_extra_headers, check_headers
from langchain_pollinations._transport.timeouts import Timeout, check_timeout
from langchain_pollinations.errors import InvalidRequestError


@dataclass(frozen=True)
class RequestSettings:
    """Timeout and headers of one call. They override those of the wrapper."""

    timeout: Timeout | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


NO_SETTINGS = RequestSettings()
"""The settings of a call that overrides none."""


def split_settings(overrides: Mapping[str, Any]) -> tuple[RequestSettings, dict[str, Any]]:
    """Split the arguments of a call into its settings and the other arguments.

    Raises:
        InvalidRequestError: If a setting is invalid. The message names the argument and never shows a header's value.
    """
    rest = dict(overrides)
    if "timeout" not in rest and "extra_headers" not in rest:
        return NO_SETTINGS, rest
    timeout, headers = rest.pop("timeout", None), rest.pop("extra_headers", None)
    try:
        return RequestSettings(check_timeout(timeout), check_extra_headers(headers)), rest
    except ValueError as error:
        raise InvalidRequestError(str(error)) from None


def merge_extra_headers(arguments: dict[str, Any]) -> dict[str, Any]:
    """Merge `extra_headers` into `default_headers` in the arguments of a function that makes a single call.

    `arguments` is emptied, because tracebacks may show this variable of the function, and it may hold a key.

    Raises:
        InvalidRequestError: If a header is invalid.
    """
    merged = dict(arguments)
    arguments.clear()
    try:
        if extra := check_extra_headers(merged.pop("extra_headers", None)):
            default = check_headers(merged.get("default_headers") or {}, "default_headers")
            replaced = {name.lower() for name in extra}
            kept = {name: value for name, value in default.items() if name.lower() not in replaced}
            merged["default_headers"] = {**kept, **extra}
    except ValueError as error:
        message = str(error)
    else:
        return merged
    del merged
    raise InvalidRequestError(message)  # outside the handler: the frames of the error hold the headers
