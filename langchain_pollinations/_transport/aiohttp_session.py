"""The aiohttp session that is used behind httpx. Imported only for `async_transport="aiohttp"`."""

from __future__ import annotations

from typing import Any

import aiohttp
from httpx_aiohttp import AiohttpTransport

from langchain_pollinations._transport.public_peer import check_peer


class _Connector(aiohttp.TCPConnector):
    """Connector that refuses the private addresses of `check_peer`. It does not reuse a connection if data arrived
    after its last response. aiohttp would read this data as the response to the next request."""

    async def connect(self, req: Any, *args: Any, **kwargs: Any) -> Any:
        while True:
            connection = await super().connect(req, *args, **kwargs)
            if connection.protocol is None or not connection.protocol.should_close:
                break
            connection.close()
        if not req.proxy and connection.transport is not None:
            try:
                check_peer(connection.transport.get_extra_info("peername"))
            except BaseException:
                connection.close()
                raise
        return connection


class _Response(aiohttp.ClientResponse):
    """Response with an ASCII reason phrase, which httpx requires."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        response = await super().start(connection)
        self.reason = (self.reason or "").encode("ascii", "replace").decode("ascii")
        return response


def new_session(transport: AiohttpTransport) -> aiohttp.ClientSession:
    """Create the session of a transport. The session stores no cookies and retries no requests by itself."""
    connector = _Connector(
        limit=transport.limits.max_connections or 0,
        keepalive_timeout=transport.limits.keepalive_expiry,
        ssl=transport.ssl_context,
    )
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), response_class=_Response)
    session._retry_connection = False  # aiohttp has no public name for this
    return session
