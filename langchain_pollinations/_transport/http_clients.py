"""The HTTP clients of a pool: their certificates, limits and cookies."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

import httpx

from langchain_pollinations._transport.environment import named_variables
from langchain_pollinations._transport.timeouts import Transport

CONNECTIONS_PER_CLIENT = 10
"""Maximum number of connections of an async httpx client. For each request, httpcore 1.0 looks at all connections of a
client and at all requests that wait for one. With 100 connections this takes longer than the request itself, and 1,000
requests that wait take it 20 s. Several clients share the calls of an event loop instead."""

MAX_CONNECTIONS = 100
"""Maximum number of connections of an event loop, or of all sync calls. More calls wait for a free connection."""


@cache  # reading the certificates takes 20 ms, too long to repeat for each client and event loop
def _ssl_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()


class _DroppedCookies(httpx.Cookies):
    """Cookies of a client that stores none."""

    def extract_cookies(self, response: httpx.Response) -> None:
        pass


class _WithoutCookies:
    """Mixin for clients that store no cookies, because one response must not change later requests."""

    @property
    def cookies(self) -> httpx.Cookies:
        return _DroppedCookies()

    @cookies.setter
    def cookies(self, cookies: Any) -> None:
        pass


class _Client(_WithoutCookies, httpx.Client):
    pass


class _AsyncClient(_WithoutCookies, httpx.AsyncClient):
    pass


def new_client() -> httpx.Client:
    with named_variables():
        return _Client(verify=_ssl_context(), limits=_limits(MAX_CONNECTIONS))


def new_async_client(transport: Transport) -> httpx.AsyncClient:
    with named_variables():
        if transport == "httpx":
            return _AsyncClient(verify=_ssl_context(), limits=_limits(CONNECTIONS_PER_CLIENT))
        return _new_aiohttp_client()


def _limits(connections: int) -> httpx.Limits:
    """Return limits that keep all connections open. By default httpx closes all but 20 after a call."""
    return httpx.Limits(max_connections=connections, max_keepalive_connections=connections)


def _new_aiohttp_client() -> httpx.AsyncClient:
    try:
        from httpx_aiohttp import AiohttpTransport, HttpxAiohttpClient

        from langchain_pollinations._transport.aiohttp_session import new_session
    except ImportError as error:
        told = "async_transport='aiohttp' needs the extra: pip install 'langchain-pollinations-ai[aiohttp]'"
        raise ImportError(told) from error

    # The client of httpx_aiohttp, not its bare transport, which would disable proxies from the environment.
    class Client(_WithoutCookies, HttpxAiohttpClient):
        pass

    client: Any = Client(verify=_ssl_context())
    for carrier in (client._transport, *client._mounts.values()):
        if isinstance(carrier, AiohttpTransport):
            carrier.client = new_session(carrier)
    made: httpx.AsyncClient = client
    return made
