"""Origins of URLs, private hosts, and the headers of cross-origin requests."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import unicodedata
from collections.abc import Iterable
from functools import partial
from typing import TypeAlias
from urllib.parse import unquote

import httpx

from langchain_pollinations._transport.concurrency import run_within

# --- Origins ----------------------------------------------------------------------------------------------------------

_DEFAULT_PORTS = {"http": 80, "https": 443}

Origin: TypeAlias = tuple[str, str, int | None]


def origin_of(url: str | httpx.URL) -> Origin:
    """Return scheme, host and port of a URL, including the default port. URLs with equal results have the same origin.

    Raises:
        httpx.InvalidURL: If `url` is not a URL.
    """
    parsed = httpx.URL(url)
    return parsed.scheme, parsed.host, parsed.port or _DEFAULT_PORTS.get(parsed.scheme)


def origin_text(url: httpx.URL) -> str:
    """Return scheme, host and port of a URL as text, without credentials."""
    return f"{url.scheme}://{url.netloc.decode('ascii').rpartition('@')[2]}"


def is_local(host: str) -> bool:
    """Whether a host is this machine, by its name or its address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # another host name
        return False


def parse_address(value: str, argument: str, example: str) -> httpx.URL:
    """Parse an http(s) URL without credentials, query and fragment. httpx normalizes it: scheme and host in lower case,
    without the default port."""
    try:
        # Twice: httpx 0.28 drops a default port only if the scheme is in lower case.
        url = httpx.URL(str(httpx.URL(value.strip())))
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or (url.port or 1) not in range(1, 65536):
        raise ValueError(f"{argument} must be an origin such as {example}, with http:// or https://")
    if url.query or url.fragment or url.userinfo:
        raise ValueError(f"{argument} must be a bare origin such as {example}: no query, fragment or user name")
    return url


_PLAIN_ORIGIN = re.compile(r"https?://(?P<host>[a-z][a-z0-9.-]*|127\.0\.0\.1)(?::(?:[1-5]\d|[1-9])\d{3})?")


def plain_host(origin: str) -> str | None:
    """Return the host of an origin that `write_address(parse_address(...))` would return unchanged. None for an origin
    that may be invalid or written differently. Parsing would take a fifth of the time of constructing a wrapper."""
    found = _PLAIN_ORIGIN.fullmatch(origin)
    return found and found["host"]


def write_address(url: httpx.URL, path: str = "") -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}{path}"


_PRIVATE_NAMES = tuple(
    f".{name}" for name in "localhost localdomain local internal intranet private corp home home.arpa lan svc".split()
)


def normalize_host(host: str) -> str:
    """Return a host as a resolver reads it: no percent-encoding, full-width characters or ideographic full stops."""
    return unicodedata.normalize("NFKC", unquote(host)).replace("\u3002", ".").lower().rstrip(".")


def is_requestable(url: httpx.URL) -> bool:
    """Whether a URL can be requested. It needs the scheme http or https, a host that can be resolved, and a valid port.
    It must have no user name, which would be sent as credentials."""
    host = url.raw_host.decode("ascii")
    labels_fit = len(host) < 254 and all(0 < len(label) < 64 for label in host.removesuffix(".").split("."))
    has_port = url.port is None or 0 < url.port < 65536
    return url.scheme in ("http", "https") and labels_fit and has_port and not url.userinfo


def has_private_name(host: str) -> bool:
    """Whether a host from `normalize_host` has a name of a private network. Single-label names are private."""
    return f".{host}".endswith(_PRIVATE_NAMES) or not ("." in host or ":" in host)


def is_private(host: str) -> bool:
    """Whether a host is private, by its name or by an address that it resolves to. A name that cannot be resolved
    within `LOOKUP_TIMEOUT` counts as public, because a proxy may resolve it."""
    host = normalize_host(host)
    if has_private_name(host):
        return True
    try:
        found = run_within(LOOKUP_TIMEOUT, partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM), len)
    except (OSError, UnicodeError):
        return False
    return _has_private_address(found)


async def ais_private(host: str) -> bool:
    """Like `is_private`."""
    host = normalize_host(host)
    if has_private_name(host):
        return True
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return _has_private_address(found)


LOOKUP_TIMEOUT = 5.0
"""Maximum seconds for a DNS lookup."""


def _has_private_address(found: Iterable[tuple[object, ...]]) -> bool:
    return any(not is_public_address(str(address[0])) for *_, address in found if isinstance(address, tuple))


def is_public_address(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        parsed = inner or parsed
    return parsed.is_global and not parsed.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


CROSS_ORIGIN_HEADERS = frozenset({"host", "user-agent", "accept", "accept-encoding", "connection"})


def is_cross_origin(here: httpx.URL, there: httpx.URL) -> bool:
    """Whether the origins differ. An upgrade of the same host from http to https does not count, as in httpx."""
    before, after = origin_of(here), origin_of(there)
    upgrade = (("http", here.host, 80), ("https", here.host, 443))
    return before != after and (before, after) != upgrade
