"""aiohttp as the package needs it behind httpx. It is imported only where `async_transport="aiohttp"` asks for it."""

from __future__ import annotations

from typing import Any

import aiohttp
from httpx_aiohttp import AiohttpTransport


class _Connector(aiohttp.TCPConnector):
    """Gives out no connection that has brought bytes since its last response: aiohttp would read them as the response
    to the next request."""

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        while True:
            connection = await super().connect(*args, **kwargs)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()


class _Response(aiohttp.ClientResponse):
    """A response whose reason phrase httpx can show."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        response = await super().start(connection)
        self.reason = (self.reason or "").encode("ascii", "replace").decode("ascii")
        return response


def new_session(transport: AiohttpTransport) -> aiohttp.ClientSession:
    """The session of a transport. It keeps no cookies and repeats no request by itself."""
    connector = _Connector(
        limit=transport.limits.max_connections or 0,
        keepalive_timeout=transport.limits.keepalive_expiry,
        ssl=transport.ssl_context,
    )
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), response_class=_Response)
    session._retry_connection = False  # aiohttp has no public name for this
    return session
