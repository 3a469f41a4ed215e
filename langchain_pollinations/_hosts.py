"""Which hosts are private: those that only one machine or one network reaches."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import unicodedata
from collections.abc import Iterable
from urllib.parse import unquote

import httpx

_PRIVATE_NAMES = (
    *(".localhost", ".localdomain", ".local", ".internal", ".intranet", ".private", ".corp", ".home", ".lan"),
    *(".home.arpa", ".svc"),
)


def plain_host(host: str) -> str:
    """A host as a resolver reads it: without percent-encoding, full-width characters and other full stops."""
    return unicodedata.normalize("NFKC", unquote(host)).replace("\u3002", ".").lower().rstrip(".")


def is_usable(url: httpx.URL) -> bool:
    """Whether a request can go to an address: http or https, a host that can be looked up, a port, and no user name,
    which would be sent as credentials."""
    host = url.raw_host.decode("ascii")
    labels_fit = len(host) < 254 and all(0 < len(label) < 64 for label in host.removesuffix(".").split("."))
    has_port = url.port is None or 0 < url.port < 65536
    return url.scheme in ("http", "https") and labels_fit and has_port and not url.userinfo


def has_private_name(host: str) -> bool:
    """Whether a host, as `plain_host` gives it, has a name of a private network."""
    return f".{host}".endswith(_PRIVATE_NAMES)


def is_private(host: str) -> bool:
    """Whether a host is private, by its name or by an address that the name resolves to. A name that cannot be
    resolved is not: a proxy may know it."""
    host = plain_host(host)
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        found = []
    return has_private_name(host) or _has_private_address(found)


async def ais_private(host: str) -> bool:
    """As `is_private`."""
    host = plain_host(host)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        found = []
    return has_private_name(host) or _has_private_address(found)


def _has_private_address(found: Iterable[tuple[object, ...]]) -> bool:
    return any(not _is_public(str(address[0])) for *_, address in found if isinstance(address, tuple))


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return parsed.is_global and not parsed.is_multicast
