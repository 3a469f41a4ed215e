"""Closing of responses. The connection returns to the pool, or is closed if it must not be reused."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from langchain_pollinations._transport.httpx2 import native_stream
from langchain_pollinations._transport.timeouts import deadline_of


class Closing:
    """Context manager that closes a response."""

    __slots__ = ("_response",)

    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    def __enter__(self) -> httpx.Response:
        return self._response

    def __exit__(self, *error: object) -> None:
        try:
            self._response.close()
        finally:
            _close_with_surplus(self._response)


async def aclose(response: httpx.Response) -> None:
    try:
        await response.aclose()
    finally:
        _close_with_surplus(response)


def _close_with_surplus(response: httpx.Response) -> None:
    """Close a connection that has received more data than the response. httpcore 1.0 would read the surplus as the
    response to the next request. If the surplus arrives after this check, httpcore detects it."""
    if unparsed_bytes(response):
        shut_down(response.extensions["network_stream"].get_extra_info("socket"))


def unparsed_bytes(response: httpx.Response) -> bytes:
    """Return the bytes that the connection of a response has received but not parsed. They are empty if httpcore does
    not show them, as for other transports."""
    found: Any = native_stream(response.stream)
    for name in ("_stream", "_httpcore_stream", "_stream", "_connection", "_h11_state"):
        found = getattr(found, name, None)
    return b"" if found is None else found.trailing_data[0]


def close_at_deadline(response: httpx.Response) -> contextlib.AbstractContextManager[Any]:
    """Close the connection of a response at the deadline of its call."""
    deadline = deadline_of(response)
    return contextlib.nullcontext() if deadline is None else close_after(response, deadline.remaining())


@contextlib.contextmanager
def close_after(response: httpx.Response, seconds: float | None) -> Iterator[Callable[[], bool]]:
    """Close the connection of a response after `seconds`. Yield a function that returns whether they have passed."""
    ends = math.inf if seconds is None else time.monotonic() + seconds
    stream = response.extensions.get("network_stream")
    watch: threading.Timer | None = None
    if seconds is not None and stream is not None and response.http_version.startswith("HTTP/1"):
        watch = threading.Timer(max(seconds, 0), _shut_down_unread, [response, stream.get_extra_info("socket")])
        watch.daemon = True
        watch.start()
    try:
        yield lambda: time.monotonic() >= ends
    finally:
        if watch is not None:
            watch.cancel()


def _shut_down_unread(response: httpx.Response, link: socket.socket) -> None:
    """Close the connection of a response that is still being read. After that it may serve another response."""
    if not response.is_closed:
        shut_down(link)


def record_connection(opened: list[Any], event: str, info: Mapping[str, Any]) -> None:
    """Trace function of httpcore that adds the streams of new connections to `opened`."""
    if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
        opened.append(info["return_value"])


def shut_down(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)
