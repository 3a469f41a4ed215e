"""Refuses connections to private addresses for requests to a host that a response named.

The host is resolved and checked before the request. A name server of an attacker may return another address for the
connection. The address is therefore checked again when the connection is open, before the request is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from langchain_pollinations._transport.origins import is_public_address

Refuse = Callable[[], Exception]
"""Creates the error for a private address."""

PUBLIC_PEER: ContextVar[Refuse | None] = ContextVar("PUBLIC_PEER", default=None)
"""Creates the error if the request in this context is sent to a private address. None allows these addresses.
Connectors of aiohttp read it, because aiohttp calls no trace function of httpcore."""


class _PeerTrace:
    """Base class of trace functions of httpcore. A connection to a proxy is not checked: the proxy resolves the host.

    Args:
        host: The host of the request.
        refuse: Creates the error for a private address.
        then: The trace function that the request already has.
    """

    def __init__(self, host: str, refuse: Refuse, then: Any) -> None:
        self._host, self._refuse, self._then = host, refuse, then
        self._is_direct = False

    def _is_private_peer(self, event: str, info: Mapping[str, Any]) -> bool:
        if event == "connection.connect_tcp.started":
            self._is_direct = str(info["host"]) == self._host
        is_open = event == "connection.connect_tcp.complete" and self._is_direct
        return is_open and is_private_peer(info["return_value"].get_extra_info("server_addr"))


class PeerTrace(_PeerTrace):
    def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if self._is_private_peer(event, info):
            info["return_value"].close()
            raise self._refuse()
        if self._then is not None:
            self._then(event, info)


class AsyncPeerTrace(_PeerTrace):
    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if self._is_private_peer(event, info):
            await info["return_value"].aclose()
            raise self._refuse()
        if self._then is not None:
            await self._then(event, info)


def is_private_peer(address: Any) -> bool:
    """Whether the address of a socket is private. The address of a Unix socket is a path, which a URL cannot choose."""
    return isinstance(address, tuple) and not is_public_address(str(address[0]))


def check_peer(address: Any) -> None:
    """Raise the error of `PUBLIC_PEER` if the address of the connection is private."""
    refuse = PUBLIC_PEER.get()
    if refuse is not None and is_private_peer(address):
        raise refuse()


@contextmanager
def required_peer(refuse: Refuse) -> Iterator[None]:
    """Set `PUBLIC_PEER`."""
    token = PUBLIC_PEER.set(refuse)
    try:
        yield
    finally:
        PUBLIC_PEER.reset(token)
