"""The HTTP clients of a wrapper: one for sync calls, and some for each event loop."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from langchain_pollinations import errors
from langchain_pollinations._transport.concurrency import wait_finished
from langchain_pollinations._transport.http_clients import (
    CONNECTIONS_PER_CLIENT,
    MAX_CONNECTIONS,
    new_async_client,
    new_client,
)
from langchain_pollinations._transport.timeouts import Transport

AnyClient = TypeVar("AnyClient", httpx.Client, httpx.AsyncClient)


MAX_CANCELLED = 5
"""Number of cancelled calls after which an async client is replaced. If a call is cancelled while it acquires or
releases a connection, httpcore 1.0 sometimes keeps this connection occupied. Only closing the client frees the
connection. When all connections of a client are occupied, its calls wait forever."""


class ConnectionPool:
    """The connections of one wrapper: one httpx client for sync calls, and some for each running event loop.

    Clients are built on first use, with httpx's own transport so that proxies from the environment keep working. An
    async client is closed when its event loop shuts down. A client with `MAX_CANCELLED` cancelled calls is closed as
    soon as no call uses it. A pool is pickled and copied as a new, empty pool. A forked process starts with an empty
    pool too, because two processes on one connection would read each other's responses.
    """

    is_unpickled = False
    """Whether the wrapper was unpickled. A pickle contains no key, so errors about a missing key mention this."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._sync: httpx.Client | None = None
        self._closer: weakref.finalize[..., Any] | None = None
        self._async: list[_PooledClient] = []
        self._free: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}

    def __reduce__(self) -> tuple[type[ConnectionPool], tuple[()]]:
        return ConnectionPool, ()

    def client(self) -> httpx.Client:
        self._check_process()
        with self._lock:
            if self._sync is None or self._sync.is_closed:
                self._sync = new_client()
                self._closer = weakref.finalize(self, self._sync.close)
            return self._sync

    def lease(self, transport: Transport, timeout: float | None) -> _Lease:
        """Lease a client of the running event loop for one call.

        Args:
            transport: The HTTP library.
            timeout: Maximum seconds to wait for a free connection. None is no limit.
        """
        return _Lease(self, transport, timeout)

    def _free_connections(self) -> asyncio.Semaphore:
        """Return the counter of the free connections of the running event loop."""
        self._check_process()
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._free:  # not a weak dictionary: a semaphore refers to its loop
                self._free = {each: free for each, free in self._free.items() if not each.is_closed()}
                self._free[loop] = asyncio.Semaphore(MAX_CONNECTIONS)
            return self._free[loop]

    async def _acquire(self, transport: Transport) -> _PooledClient:
        self._check_process()
        loop = asyncio.get_running_loop()
        with self._lock:
            for pooled in self._async:
                if pooled.loop.is_closed() or pooled.client.is_closed:
                    pooled.release()
            self._async = [pooled for pooled in self._async if pooled.release.alive]
            usable = [p for p in self._async if (p.loop, p.transport) == (loop, transport) and not p.is_exhausted]
            # A cancelled call may have left a connection occupied. aiohttp limits its connections itself.
            most = CONNECTIONS_PER_CLIENT if transport == "httpx" else math.inf
            found = next((each for each in usable if each.calls + each.cancelled < most), None)
            if found is not None:
                found.calls += 1
                return found
            client = new_async_client(transport)
            abandoned = threading.Event()
            closing: list[asyncio.Task[None]] = []
            closer = _close_with_loop(client, abandoned, closing)
            # The finalizer keeps the client alive when its pool is garbage collected: aiohttp logs an error for each
            # session that is collected before it is closed.
            release = weakref.finalize(self, _close_unused, os.getpid(), loop, client, closer, abandoned, closing)
            pooled = _PooledClient(loop, transport, client, closer, release, self, calls=1)
            self._async.append(pooled)
        # At its end, asyncio.run calls `shutdown_asyncgens` of the loop, which closes suspended async generators such
        # as `closer`. No other hook can close connections before their loop is closed.
        await anext(pooled.closer)
        return pooled

    async def _release(self, pooled: _PooledClient, cancelled: bool) -> None:
        pooled.calls -= 1
        pooled.cancelled += cancelled
        if pooled.is_exhausted and not pooled.calls:
            await self._aclose([pooled])

    def _check_process(self) -> None:
        if self._process != os.getpid():
            if self._closer is not None:
                self._closer.detach()  # the connections belong to the parent
            self._start()

    def close(self) -> None:
        """Close the connections of sync calls, and those that an event loop left open when it was closed. Other async
        connections are closed by `aclose`, or with their loop."""
        self._check_process()
        with self._lock:
            closer, self._closer, self._sync = self._closer, None, None
            left = [pooled for pooled in self._async if pooled.loop.is_closed()]
            self._async = [pooled for pooled in self._async if pooled not in left]
        if closer is not None:
            closer()
        for pooled in left:
            pooled.release()

    async def aclose(self) -> None:
        """Close the connections of sync calls and those of the running event loop."""
        self.close()
        loop = asyncio.get_running_loop()
        await self._aclose([pooled for pooled in self._async if pooled.loop is loop])

    async def _aclose(self, closing: Sequence[_PooledClient]) -> None:
        with self._lock:  # no client is closed twice
            mine = [pooled for pooled in closing if pooled in self._async]
            self._async = [pooled for pooled in self._async if pooled not in mine]
        for pooled in mine:
            pooled.release.detach()
            if not pooled.client.is_closed:  # as it is after the end of its loop
                await wait_finished(asyncio.ensure_future(pooled.closer.aclose()))


@dataclass(eq=False)
class _PooledClient:
    """An async client, the objects that close the client, and counts of its calls."""

    loop: asyncio.AbstractEventLoop
    transport: Transport
    client: httpx.AsyncClient
    closer: AsyncGenerator[httpx.AsyncClient]
    release: weakref.finalize[..., Any]
    pool: ConnectionPool
    """The cycle keeps the pool alive until a garbage collection. If the last call freed the pool, a task would have to
    close the client. An event loop that ends with this call would never run the task."""
    calls: int
    """Number of running calls. It is changed only in the event loop of the client."""
    cancelled: int = 0

    @property
    def is_exhausted(self) -> bool:
        return self.cancelled >= MAX_CANCELLED


class _Lease:
    """Context manager that leases a client. It is not a generator, because a loop that shuts down would close a
    generator before the call that runs inside."""

    def __init__(self, pool: ConnectionPool, transport: Transport, timeout: float | None) -> None:
        self._pool = pool
        self._transport = transport
        self._timeout = timeout
        self._free = pool._free_connections() if transport == "httpx" else None

    async def __aenter__(self) -> httpx.AsyncClient:
        if self._free is not None:
            await self._wait(self._free)
        try:
            self._leased = await self._pool._acquire(self._transport)
        except BaseException:
            self._end()
            raise
        return self._leased.client

    async def _wait(self, free: asyncio.Semaphore) -> None:
        if self._timeout is None or not free.locked():
            await free.acquire()
            return
        try:
            async with asyncio.timeout(self._timeout):
                await free.acquire()
        except TimeoutError as error:
            raise httpx.PoolTimeout("all connections are in use") from error

    def _end(self) -> None:
        if self._free is not None:
            self._free.release()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # A stream that timed out was cancelled too, by asyncio.timeout.
        ends = (asyncio.CancelledError, TimeoutError, errors.StreamTimeoutError, errors.RequestTimeoutError)
        cancelled = kind is not None and issubclass(kind, ends)
        self._end()
        await self._pool._release(self._leased, cancelled)


async def _close_with_loop(
    client: httpx.AsyncClient, abandoned: threading.Event, closing: list[asyncio.Task[None]]
) -> AsyncGenerator[httpx.AsyncClient]:
    try:
        yield client
    finally:
        if not abandoned.is_set():
            await _close_once(client, closing)


async def _close_once(client: httpx.AsyncClient, closing: list[asyncio.Task[None]]) -> None:
    """Close a client, or wait for the task in `closing` that closes it already."""
    if not closing:
        closing.append(asyncio.create_task(client.aclose()))
    await asyncio.wait(closing)
    if closing[0].cancelled():  # by a loop that shuts down, which left the connections open
        for transport in (client._transport, *client._mounts.values()):
            if transport is not None:
                await transport.aclose()
    else:
        closing[0].result()  # raises what the task raised


def _close_unused(
    process: int,
    loop: asyncio.AbstractEventLoop,
    client: httpx.AsyncClient,
    closer: AsyncGenerator[httpx.AsyncClient],
    abandoned: threading.Event,
    closing: list[asyncio.Task[None]],
) -> None:
    """Close a client after its pool was garbage collected, or after its loop ended without closing the client."""
    if client.is_closed or process != os.getpid():  # a forked process shares the loop's selector with its parent
        return
    if loop.is_running():
        # Not `closer.aclose`, which the loop itself calls when it shuts down, perhaps at the same time.
        loop.call_soon_threadsafe(lambda: asyncio.ensure_future(_close_once(client, closing), loop=loop))
        return
    for carrier in (client._transport, *client._mounts.values()):
        connector = getattr(getattr(carrier, "client", None), "connector", None)
        if connector is not None:
            # Like `close`, but without a task, which would need the loop. Its name depends on the aiohttp version.
            close = getattr(connector, "_close_immediately", None) or connector._close
            close()
    # Without a loop nothing can be awaited. If the generator did not end here, Python would warn at exit.
    abandoned.set()
    with contextlib.suppress(StopIteration, StopAsyncIteration, RuntimeError):
        closer.aclose().send(None)


def require_open(client: AnyClient, argument: str) -> AnyClient:
    if getattr(client, "is_closed", False):
        refusal = errors.InvalidRequestError(
            f"{argument}: this client is closed; give an open one, or None", param=argument
        )
        refusal.was_sent = False
        raise refusal
    return client
