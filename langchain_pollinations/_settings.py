"""Settings of requests: time limits, headers and origins. Pure functions; their errors are `ValueError`s."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx

from langchain_pollinations.errors import InvalidRequestError

Limit: TypeAlias = float | None
Timeout: TypeAlias = float | tuple[Limit, Limit] | tuple[Limit, Limit, Limit, Limit] | httpx.Timeout
"""Seconds of silence, (connect, read), (connect, read, write, pool), or an `httpx.Timeout`."""

MAX_CONNECT = 10.0
"""Seconds that connecting may take where `timeout` is one number."""


@dataclass(frozen=True)
class RequestSettings:
    """Time limit and headers of one call. They take precedence over those of the wrapper."""

    timeout: Timeout | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def split_settings(overrides: Mapping[str, Any]) -> tuple[RequestSettings, dict[str, Any]]:
    """The settings among the arguments of a call, and the other arguments.

    Raises:
        InvalidRequestError: If a setting is wrong. The message names the argument and never shows a header's value.
    """
    rest = dict(overrides)
    timeout, headers = rest.pop("timeout", None), rest.pop("extra_headers", None)
    try:
        return RequestSettings(check_timeout(timeout), check_extra_headers(headers)), rest
    except ValueError as error:
        raise InvalidRequestError(str(error)) from None


def merge_extra_headers(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a function that makes a single call, with `extra_headers` among `default_headers`.

    Raises:
        InvalidRequestError: If a header is wrong.
    """
    merged = dict(arguments)
    try:
        if extra := check_extra_headers(merged.pop("extra_headers", None)):
            default = check_headers(merged.get("default_headers") or {}, "default_headers")
            replaced = {name.lower() for name in extra}
            kept = {name: value for name, value in default.items() if name.lower() not in replaced}
            merged["default_headers"] = {**kept, **extra}
    except ValueError as error:
        raise InvalidRequestError(str(error)) from None
    return merged


# --- Time limits ------------------------------------------------------------------------------------------------------

_TIMEOUT_FORMS = "a number of seconds, (connect, read), (connect, read, write, pool) or an httpx.Timeout"


def check_timeout(value: Any) -> Timeout | None:
    """A time limit in the form in which it is stored: a number or a tuple, which can be serialised."""
    if value is None:
        return None
    if all(hasattr(value, name) for name in ("connect", "read", "write", "pool")):  # httpx.Timeout or httpx2.Timeout
        value = (value.connect, value.read, value.write, value.pool)
    if not isinstance(value, tuple | list):
        return _check_limit(value)
    match [None if limit is None else _check_limit(limit) for limit in value]:
        case [connect, read]:
            return connect, read
        case [connect, read, write, pool]:
            return connect, read, write, pool
    raise ValueError(f"timeout: takes {_TIMEOUT_FORMS}, not {len(value)} numbers")


def _check_limit(value: Any) -> float:
    try:
        seconds = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = float("nan")
    if seconds != seconds:
        raise ValueError(f"timeout: takes {_TIMEOUT_FORMS}")
    if not 0 < seconds < float("inf"):
        raise ValueError("timeout: a time limit must be more than 0 seconds; httpx.Timeout(None) waits for ever")
    return seconds


def to_httpx_timeout(value: Timeout | None) -> httpx.Timeout:
    """The time limits of a request. A request waits for a free connection of the pool without a limit, unless four
    limits are given."""
    if isinstance(value, int | float):
        return httpx.Timeout(value, connect=min(value, MAX_CONNECT), pool=None)
    if isinstance(value, tuple) and len(value) == 2:
        connect, read = value
        return httpx.Timeout(connect=connect, read=read, write=read, pool=None)
    return httpx.Timeout(value)


# --- Headers ----------------------------------------------------------------------------------------------------------

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"([!-~]([\t -~]*[!-~])?)?")
_CREDENTIALS = frozenset({"authorization", "proxy-authorization"})


def check_headers(given: Any, argument: str) -> dict[str, str]:
    """Headers that a request can carry. An error names the header and never shows its value."""
    if not isinstance(given, Mapping):
        raise ValueError(f"{argument}: takes a mapping from header names to values, not {type(given).__name__}")
    for number, (name, value) in enumerate(given.items(), 1):
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):  # the name itself may hold a secret
            raise ValueError(f"{argument}: name {number} is not a header name: letters, digits and dashes")
        if not isinstance(value, str):
            raise ValueError(f"{argument}: the value of {name!r} must be a string, not {type(value).__name__}")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(
                f"{argument}: the value of {name!r} cannot be sent: it holds a line break, a control character or a "
                "character outside ASCII, or it starts or ends with whitespace"
            )
    return dict(given)


def check_extra_headers(given: Any) -> dict[str, str]:
    """Headers of one call, which never change the credentials."""
    headers = {} if given is None else check_headers(given, "extra_headers")
    if refused := sorted(name for name in headers if name.lower() in _CREDENTIALS):
        raise ValueError(f"extra_headers: {refused[0]!r} is not for a single call; use api_key or default_headers")
    return headers


def without_credentials(headers: Mapping[str, str] | None) -> dict[str, str] | None:
    """Headers as they may be written to a pickle."""
    return (
        None
        if headers is None
        else {name: value for name, value in headers.items() if name.lower() not in _CREDENTIALS}
    )


def has_authorization(headers: Mapping[str, str] | None) -> bool:
    return any(name.lower() == "authorization" for name in headers or ())


# --- Origins ----------------------------------------------------------------------------------------------------------

_DEFAULT_PORTS = {"http": 80, "https": 443}

Origin: TypeAlias = tuple[str, str, int | None]


def origin_of(url: str | httpx.URL) -> Origin:
    """Scheme, host and port, the default port included: what decides whether two addresses are one origin.

    Raises:
        httpx.InvalidURL: If it is not an address.
    """
    parsed = httpx.URL(url)
    return parsed.scheme, parsed.host, parsed.port or _DEFAULT_PORTS.get(parsed.scheme)


def parse_address(value: str, argument: str, example: str) -> httpx.URL:
    """An http(s) address without credentials, query and fragment. httpx writes it in one form: the scheme and the host
    in lower case, without the default port."""
    try:
        # Twice: httpx 0.28 drops a default port only where the scheme is in lower case.
        url = httpx.URL(str(httpx.URL(value.strip())))
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or (url.port or 1) not in range(1, 65536):
        raise ValueError(f"{argument} must be an origin such as {example}, with http:// or https://")
    if url.query or url.fragment or url.userinfo:
        raise ValueError(f"{argument} must be a bare origin such as {example}: no query, fragment or user name")
    return url


def write_address(url: httpx.URL, path: str = "") -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}{path}"
