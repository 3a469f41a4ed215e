"""All the I/O of the package: a `Call` goes out, its reader makes the answer.

`Client` sends calls in four ways (send, asend, stream, astream) that share retries, time limits and errors, and several
at once with send_all and asend_all. Sync and async requests differ here and nowhere else. `Pool` owns the connections
beneath.
"""

from __future__ import annotations

import asyncio
import codecs
import concurrent.futures
import contextlib
import contextvars
import copy
import inspect
import json
import logging
import math
import os
import random
import re
import socket
import ssl
import threading
import time
import weakref
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from functools import cache, partial
from hashlib import sha256
from http.cookiejar import DefaultCookiePolicy
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

import httpx
import tenacity
from httpx_sse import EventSource, ServerSentEvent

from langchain_pollinations import errors
from langchain_pollinations._bodies import (
    ACCEPTED,
    DEADLINE,
    MAX_ERROR,
    MAX_EVENT,
    MAX_IN_FILE,
    MAX_IN_MEMORY,
    Deadline,
    aiter_body,
    bound_body,
    deadline_of,
    is_small,
    iter_body,
    with_body,
    with_text,
)
from langchain_pollinations._concurrency import check_wanted, run_all, run_within, sleep
from langchain_pollinations._environment import named_variables
from langchain_pollinations._hosts import ais_private, is_private, is_usable
from langchain_pollinations._httpx2 import native_stream
from langchain_pollinations._progress import Arrived
from langchain_pollinations._safe_text import safe_text
from langchain_pollinations._settings import origin_of
from langchain_pollinations._warnings import caller, find_caller

logger = logging.getLogger("langchain_pollinations")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
AnyClient = TypeVar("AnyClient", httpx.Client, httpx.AsyncClient)

FIRST_WAIT = 0.5
"""Seconds before the first repeat, doubled each time and jittered."""
DRAIN_TIME = 1.0
"""Seconds that the end of a body may take to come after the end of the answer."""
WORN = 25
"""Calls broken off on an async client before another takes its place. httpcore 1.0 now and then keeps a place among
its 100 connections for a call that is cancelled while it gets its connection or gives it back. Nothing but closing the
client frees that place, and when all are taken, calls wait for ever."""
LONGEST_WAIT = 60.0
"""Seconds at most before a repeat. Where the service asks for more, the error travels to the caller at once."""


class EventReader(Protocol[T_co]):
    """What reads a stream: fed with the data of each event, it gives what they amount to."""

    @property
    def done(self) -> bool:
        """Whether the answer is whole, whatever may still come."""

    @property
    def partial(self) -> Any:
        """What has arrived, for an error that ends the stream early."""

    def feed(self, data: str) -> Iterable[T_co]:
        """What one event amounts to."""

    def end(self) -> Iterable[T_co]:
        """What is left when the stream has ended; an error where it ended early."""

    def whole(self, response: httpx.Response) -> Iterable[T_co]:
        """What an answer amounts to that is no stream of events. Its body has been read."""


class Limiter(Protocol):
    """What spaces the requests to a host."""

    def taken(self) -> contextlib.AbstractContextManager[None]:
        """The turn of a request of this thread, which waits for it."""

    def ataken(self) -> contextlib.AbstractAsyncContextManager[None]:
        """As `taken`, of this task."""

    def answered(self) -> None:
        """Count the distance from now."""

    def is_out_of_reach(self, seconds: float) -> bool:
        """Whether a request would wait for too long, if it came in some seconds."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request to the service, and how to read its answer.

    `path` starts with a slash and is percent-encoded. `read` gets the answer with its body read, or for a stream
    (where it makes the `EventReader`) before that.
    """

    method: Literal["GET", "POST"]
    path: str
    read: Callable[[httpx.Response], T]
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of `httpx.Client.build_request`: json, params, content."""
    origin: str | None = None
    """Where it goes; by default the wrapper's `base_url`."""
    is_origin_checked: bool = False
    """Whether `origin` must not be private, as of a response. Where `base_url` is private it may."""
    anonymous: bool = False
    """Whether it goes without the key; to a foreign host also without other headers, cookies and credentials."""
    into: Path | None = None
    """File that the body is written to as it comes; `read` then gets the answer without one. A repeat begins anew."""
    arrived: Arrived | None = None
    """Told first when the answer begins, then after each piece."""
    is_answer: Callable[[httpx.Response], bool] = attrgetter("is_success")
    """Whether an answer, whose body is not read yet, holds what was asked for."""
    error_of: Callable[[httpx.Response], errors.PollinationsError] = errors.from_response
    """What any other answer stands for. Its body has been read."""
    turn: Limiter | None = None
    """The place in a line that each attempt waits for; None where there is no line. It is held while the request is
    under way, and of a stream until that begins: who reads it may make other calls meanwhile."""


Flow = Generator[Call[Any] | Sequence[Call[Any]], Any, T]
"""A conversation without I/O: it yields a call (or several, which may travel at once), is sent what their readers
made of the answers, and returns its result. `Client.run` and `Client.arun` lead it. It may touch files."""

MAX_READ_IN_LOOP = 1024 * 1024
"""Bytes of a body that are read in the event loop; a larger one is read in a thread."""

AT_ONCE = 4
"""Calls of one flow that travel at the same time."""


def multipart(fields: Mapping[str, str], files: Sequence[tuple[str, tuple[str, bytes, str]]]) -> dict[str, Any]:
    """Options of a `Call` that sends a form. Equal forms are equal bytes: a repeat joins the running generation.

    Args:
        fields: Texts by name.
        files: Pairs of a name and (file name, bytes, MIME type).
    """
    digest = sha256(repr(sorted(fields.items())).encode())
    for name, (file_name, data, mime_type) in files:
        digest.update(f"{name} {file_name} {mime_type} {len(data)}".encode())
        digest.update(data)
    headers = {"content-type": f"multipart/form-data; boundary={digest.hexdigest()[:48]}"}
    return {"data": fields, "files": files, "headers": headers}


Transport = Literal["httpx", "aiohttp"]


class Pool:
    """The connections of one wrapper: one httpx client for threads, and one for each running event loop.

    Clients are built on first use, with httpx's own transport so that proxies from the environment keep working. An
    async client closes with its loop, or when it is worn and its last call is done. A pool pickles and copies as a new,
    empty one, and a forked process starts with one: two processes on one connection would read each other's answers.
    """

    is_unpickled = False
    """Whether its wrapper was unpickled, which explains a missing key."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._sync: httpx.Client | None = None
        self._closer: weakref.finalize[..., Any] | None = None
        self._async: list[_Kept] = []

    def __eq__(self, other: object) -> bool:
        """Pools hold nothing that tells two wrappers apart."""
        return isinstance(other, Pool)

    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[type[Pool], tuple[()]]:
        return Pool, ()

    def client(self) -> httpx.Client:
        self._check_process()
        with self._lock:
            if self._sync is None or self._sync.is_closed:
                with named_variables():
                    self._sync = _without_cookies(httpx.Client(verify=_tls()))
                self._closer = weakref.finalize(self, self._sync.close)
            return self._sync

    def lent(self, transport: Transport) -> _Lent:
        """The client of this event loop, for one call from its opening to its end."""
        return _Lent(self, transport)

    async def _lend(self, transport: Transport) -> _Kept:
        self._check_process()
        loop = asyncio.get_running_loop()
        with self._lock:
            for kept in self._async:
                if kept.loop.is_closed() or kept.client.is_closed:
                    kept.release()
            self._async = [kept for kept in self._async if kept.release.alive]
            for kept in self._async:
                if (kept.loop, kept.transport) == (loop, transport) and not kept.is_worn:
                    kept.calls += 1
                    return kept
            client = _new_async_client(transport)
            keeper = _keeping(client)
            # The finalizer keeps the client out of the garbage of its pool: aiohttp logs an error for each session
            # that is collected before it is closed.
            release = weakref.finalize(self, _release, os.getpid(), loop, client, keeper)
            kept = _Kept(loop, transport, client, keeper, release, calls=1)
            self._async.append(kept)
        # A suspended async generator is closed by its loop's `shutdown_asyncgens`, as asyncio.run does at its end:
        # the one hook that lets connections go before their loop does.
        await anext(kept.keeper)
        return kept

    async def _give_back(self, kept: _Kept, broken_off: bool) -> None:
        kept.calls -= 1
        kept.broken_off += broken_off
        if kept.is_worn and not kept.calls:
            await self._aclose([kept])

    def _check_process(self) -> None:
        if self._process != os.getpid():
            if self._closer is not None:
                self._closer.detach()  # the connections belong to the parent
            self._start()

    def close(self) -> None:
        """Close the connections of threads. Async ones are closed by `aclose`, or with their loop."""
        self._check_process()
        with self._lock:
            closer, self._closer, self._sync = self._closer, None, None
        if closer is not None:
            closer()

    async def aclose(self) -> None:
        """Close the connections of this event loop, and those of threads."""
        self.close()
        loop = asyncio.get_running_loop()
        await self._aclose([kept for kept in self._async if kept.loop is loop])

    async def _aclose(self, closing: Sequence[_Kept]) -> None:
        with self._lock:  # nobody closes what another is closing
            mine = [kept for kept in closing if kept in self._async]
            self._async = [kept for kept in self._async if kept not in mine]
        for kept in mine:
            kept.release.detach()
            if not kept.client.is_closed:  # by the end of its loop
                await _finished(asyncio.ensure_future(kept.keeper.aclose()))


@dataclass(eq=False)
class _Kept:
    """An async client, what closes it, and how it is used."""

    loop: asyncio.AbstractEventLoop
    transport: Transport
    client: httpx.AsyncClient
    keeper: AsyncGenerator[httpx.AsyncClient]
    release: weakref.finalize[..., Any]
    calls: int
    """On their way. It is counted in the client's own loop only."""
    broken_off: int = 0

    @property
    def is_worn(self) -> bool:
        return self.broken_off >= WORN


class _Lent:
    """A client as a context. No generator: a loop that shuts down would close that before the call that is in it."""

    def __init__(self, pool: Pool, transport: Transport) -> None:
        self._pool = pool
        self._transport = transport

    async def __aenter__(self) -> httpx.AsyncClient:
        self._kept = await self._pool._lend(self._transport)
        return self._kept.client

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Behind a silent stream is a cancellation too, by asyncio.timeout.
        broken_off = kind is not None and issubclass(kind, (asyncio.CancelledError, errors.StreamTimeoutError))
        await self._pool._give_back(self._kept, broken_off)


@cache  # reading the certificates takes 20 ms, too long for each client and each event loop
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _new_async_client(transport: Transport) -> httpx.AsyncClient:
    if transport == "httpx":
        with named_variables():
            return _without_cookies(httpx.AsyncClient(verify=_tls()))
    # Its client, not its bare transport, which would turn off proxies from the environment.
    try:
        from httpx_aiohttp import AiohttpTransport, HttpxAiohttpClient

        from langchain_pollinations._aiohttp import new_session
    except ImportError as error:
        told = "async_transport='aiohttp' needs the extra: pip install 'langchain-pollinations-ai[aiohttp]'"
        raise ImportError(told) from error
    with named_variables():
        client: httpx.AsyncClient = _without_cookies(HttpxAiohttpClient(verify=_tls()))
    for carrier in (client._transport, *client._mounts.values()):
        if isinstance(carrier, AiohttpTransport):
            carrier.client = new_session(carrier)
    return client


def _without_cookies(client: AnyClient) -> AnyClient:
    """The client, which takes no cookies: what one response sends must not change later requests."""
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


async def _keeping(client: httpx.AsyncClient) -> AsyncGenerator[httpx.AsyncClient]:
    try:
        yield client
    finally:
        await client.aclose()


def _release(
    process: int,
    loop: asyncio.AbstractEventLoop,
    client: httpx.AsyncClient,
    keeper: AsyncGenerator[httpx.AsyncClient],
) -> None:
    """Close a client whose pool is gone, or whose loop ended without closing it."""
    if client.is_closed or process != os.getpid():  # a forked process shares the loop's selector with its parent
        return
    if loop.is_running():
        loop.call_soon_threadsafe(lambda: asyncio.ensure_future(keeper.aclose(), loop=loop))
        return
    for carrier in (client._transport, *client._mounts.values()):
        connector = getattr(getattr(carrier, "client", None), "connector", None)
        if connector is not None:
            # What `close` does, without its task, which needs the loop. The name depends on the version of aiohttp.
            close = getattr(connector, "_close_immediately", None) or connector._close
            close()


def check_client(client: Any, argument: str) -> None:
    """Raise a `ValueError` unless a client can send the requests: httpx's, httpx2's, or one with the same methods."""
    is_async = argument == "http_async_client"
    kind = "AsyncClient" if is_async else "Client"
    send, build = getattr(client, "send", None), getattr(client, "build_request", None)
    if isinstance(client, type) or not callable(send) or not callable(build):
        raise ValueError(f"{argument}: takes an httpx.{kind} or httpx2.{kind}, not {_name_of(client)}")
    if inspect.iscoroutinefunction(send) is not is_async:
        field = "http_client" if is_async else "http_async_client"
        raise ValueError(f"{argument}: takes an httpx.{kind} or httpx2.{kind}; {_name_of(client)} goes into {field}")


def _open_client(client: AnyClient, argument: str) -> AnyClient:
    if getattr(client, "is_closed", False):
        refusal = errors.InvalidRequestError(
            f"{argument}: this client is closed; give an open one, or None", param=argument
        )
        refusal.was_sent = False
        raise refusal
    return client


def _name_of(client: Any) -> str:
    return f"the class {client.__name__}" if isinstance(client, type) else type(client).__name__


@dataclass(frozen=True)
class Client:
    """Sends calls to one origin with one set of headers, time limits and retries."""

    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    timeout: httpx.Timeout
    max_retries: int
    pool: Pool
    async_transport: Transport = "httpx"
    stream_chunk_timeout: float | None = None
    max_response_bytes: int | None = None
    """Bytes of a decoded body or stream at most; None for `MAX_IN_MEMORY`, or `MAX_IN_FILE` where it is saved."""
    deadline: Deadline | None = None
    """The end of the time that all requests of a call may take."""
    own_client: httpx.Client | None = None
    own_async_client: httpx.AsyncClient | None = None
    translate: Callable[[Call[Any]], Call[Any]] = lambda call: call
    """How calls look to the hosts that they are for."""

    def send(self, call: Call[T]) -> T:
        call = self.translate(call)
        response = self._retrying(tenacity.Retrying, call, sleep=sleep)(self._answer, call)
        with self._errors():
            return call.read(response)

    async def asend(self, call: Call[T]) -> T:
        call = self.translate(call)
        response = await self._retrying(tenacity.AsyncRetrying, call)(self._aanswer, call)
        with self._errors():
            if call.into is None and len(response.content) <= MAX_READ_IN_LOOP:
                return call.read(response)
            read: T = await in_thread(call.read, response)  # it looks into the file, or at many bytes
            return read

    def send_all(self, calls: Sequence[Call[T]], at_once: int) -> list[T]:
        """What `send` gives for each call, in their order; `at_once` of them travel at a time.

        The first error is raised. Then no other call is sent, and the calls that run are waited for but not retried.
        An interrupt waits for none.
        """
        if len(calls) < 2 or at_once < 2:
            return [self.send(call) for call in calls]
        results = dict(run_all([partial(self.send, call) for call in calls], at_once))
        return [results[index] for index in range(len(calls))]

    async def asend_all(self, calls: Sequence[Call[T]], at_once: int) -> list[T]:
        """As `send_all`; on an error, or when the caller is cancelled, the calls on their way are cancelled."""
        turns = asyncio.Semaphore(at_once)

        async def send(call: Call[T]) -> T:
            async with turns:
                return await self.asend(call)

        try:
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(send(call)) for call in calls]
        except BaseExceptionGroup as failed:
            first = failed.exceptions[0]
        else:
            return [answer.result() for answer in running]
        raise first  # out here, where it keeps the cause that it came with

    def run(self, flow: Flow[T]) -> T:
        """Lead a flow to its end. Whatever goes wrong on the way, it is closed and can clean up."""
        answer = None
        with contextlib.closing(flow):
            while True:
                try:
                    step = flow.send(answer)
                except StopIteration as end:
                    result: T = end.value
                    return result
                answer = self.send(step) if isinstance(step, Call) else self.send_all(step, AT_ONCE)

    async def arun(self, flow: Flow[T]) -> T:
        """As `run`. The flow itself runs in a thread: it may touch files, which would hold up the event loop."""
        answer = None
        try:
            while True:
                done, step = await in_thread(_next_step, flow, answer)
                if done:
                    result: T = step
                    return result
                answer = await (self.asend(step) if isinstance(step, Call) else self.asend_all(step, AT_ONCE))
        finally:
            if inspect.getgeneratorstate(flow) != inspect.GEN_CLOSED:  # broken off: it may have to clean up
                await in_thread(flow.close)

    def stream(self, call: Call[EventReader[T]]) -> Generator[T]:
        call = self.translate(call)
        response = self._retrying(tenacity.Retrying, call, sleep=sleep)(self._begun, call)
        with _closing(response), _cut_off_in_time(response):
            reader = call.read(response)
            watched = _Watched(response, self.stream_chunk_timeout, self._limit(call))
            with _partial_told(reader), self._errors():
                if not _is_event_stream(response):
                    whole = watched.read(self._limit(call))
                    if not _holds_events(whole):
                        yield from reader.whole(whole)
                        return
                    watched.replay(whole)
                events = _events(watched)
                for data in events:
                    yield from reader.feed(data)
                    if reader.done:
                        _drain(response, events)
                        return
                yield from reader.whole(watched.body()) if watched.no_events else reader.end()

    async def astream(self, call: Call[EventReader[T]]) -> AsyncGenerator[T]:
        call = self.translate(call)
        async with contextlib.AsyncExitStack() as stack:
            response = await self._retrying(tenacity.AsyncRetrying, call)(self._abegun, call, stack)
            reader = call.read(response)
            watched = _Watched(response, self.stream_chunk_timeout, self._limit(call))
            events = await stack.enter_async_context(contextlib.aclosing(_aevents(watched)))
            with _partial_told(reader), self._errors():
                if not _is_event_stream(response):
                    whole = await watched.aread(self._limit(call))
                    if not _holds_events(whole):
                        for item in reader.whole(whole):
                            yield item
                        return
                    watched.replay(whole)
                async for data in events:
                    for item in reader.feed(data):
                        yield item
                    if reader.done:
                        await _adrain(events)
                        return
                for item in reader.whole(watched.body()) if watched.no_events else reader.end():
                    yield item

    # Opening. A good answer comes back unread; what else comes is read and raised, but for redirects, which a GET
    # follows. The async one leaves to `stack` what is to be closed and given back.

    def _opened(self, call: Call[Any]) -> httpx.Response:
        """In a thread where the time is limited: no limit of httpx bounds headers that arrive byte by byte."""
        if self.deadline is None:
            return self._opened_here(call)
        self.deadline.check()
        with self._errors():
            return run_within(self.deadline.remaining(), partial(self._opened_here, call), httpx.Response.close)

    def _opened_here(self, call: Call[Any]) -> httpx.Response:
        check_wanted()
        with self._errors():
            client = self.pool.client() if self.own_client is None else _open_client(self.own_client, "http_client")
            request, auth = self._request(client, call), self._auth(call)
            for hop in range(client.max_redirects + 1):
                if (home := self._home_of(call, request, hop)) and is_private(request.url.host):
                    if not is_private(home):
                        raise _leads_inside(request)
                sender = self._discreet(client, call, request)
                response = _noted(sender.send(request, stream=True, follow_redirects=False, **auth), call)
                if call.is_answer(response):
                    return response
                with _closing(response):
                    failed = _read_error(response)
                request, auth = self._onward(call, response, failed), {"auth": None}
            raise httpx.TooManyRedirects("too many redirects", request=request)

    async def _aopened(self, call: Call[Any], stack: contextlib.AsyncExitStack) -> httpx.Response:
        with self._errors():
            async with asyncio.timeout(self._time_left()), contextlib.AsyncExitStack() as opened:
                if self.own_async_client is not None:
                    client = _open_client(self.own_async_client, "http_async_client")
                else:
                    client = await opened.enter_async_context(self.pool.lent(self.async_transport))
                request, auth = self._request(client, call), self._auth(call)
                for hop in range(client.max_redirects + 1):
                    if (home := self._home_of(call, request, hop)) and await ais_private(request.url.host):
                        if not await ais_private(home):
                            raise _leads_inside(request)
                    sender = self._discreet(client, call, request)
                    response = _noted(await sender.send(request, stream=True, follow_redirects=False, **auth), call)
                    if call.is_answer(response):
                        opened.push_async_callback(_aclose, response)
                        stack.push_async_exit(opened.pop_all())
                        return response
                    try:
                        failed = await _aread_error(response)
                    finally:
                        await _aclose(response)
                    request, auth = self._onward(call, response, failed), {"auth": None}
                raise httpx.TooManyRedirects("too many redirects", request=request)

    def _begun(self, call: Call[Any]) -> httpx.Response:
        with _turn(call):
            return self._opened(call)

    async def _abegun(self, call: Call[Any], stack: contextlib.AsyncExitStack) -> httpx.Response:
        async with _aturn(call):
            return await self._aopened(call, stack)

    def _answer(self, call: Call[Any]) -> httpx.Response:
        with (
            _turn(call),
            self._errors(),
            _closing(self._opened(call)) as response,
            _cut_off_in_time(response),
        ):
            if call.into is None:
                return _read(response, self._limit(call), call.arrived)
            _save(response, call.into, self._limit(call), call.arrived)
        return response

    async def _aanswer(self, call: Call[Any]) -> httpx.Response:
        with self._errors():
            async with _aturn(call), contextlib.AsyncExitStack() as stack:
                response = await self._aopened(call, stack)
                async with asyncio.timeout(self._time_left()):
                    if call.into is None:
                        return await _aread(response, self._limit(call), call.arrived)
                    await _asave(response, call.into, self._limit(call), call.arrived)
        return response

    def _time_left(self) -> float | None:
        """Seconds that the call may still take."""
        return None if self.deadline is None else self.deadline.remaining()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what goes wrong into errors of ours. They name `total_timeout` where its end made the call fail, and
        hold no key, which a response may repeat."""
        try:
            with errors.mapped(), self._end_told():
                yield
        except errors.PollinationsError as error:
            errors.remove_key(error, self.headers)
            raise

    @contextlib.contextmanager
    def _end_told(self) -> Iterator[None]:
        """Name `total_timeout` in the error, where its end is what made the call fail."""
        try:
            yield
        except (httpx.HTTPError, TimeoutError, errors.PollinationsError) as error:
            if self.deadline is None or self.deadline.remaining() > 0:
                raise
            if isinstance(error, errors.PollinationsError) and (
                error.status_code or isinstance(error, errors.RequestTimeoutError)
            ):
                raise
            errors.remove_headers(error)
            raise self.deadline.error() from error

    def _request(self, client: httpx.Client | httpx.AsyncClient, call: Call[Any]) -> httpx.Request:
        options = {name: value for name, value in call.options.items() if name != "headers"}
        options["headers"] = self._headers(call)
        url = (call.origin or self.base_url) + call.path
        timeout, extensions = self.timeout, dict[str, Any]()
        if self.deadline is not None:
            self.deadline.check()
            timeout, extensions = self.deadline.bounded(timeout), {DEADLINE: self.deadline}
        try:
            if self._is_foreign(call):  # not by the client, which may have headers and cookies of its own
                extensions |= {"timeout": timeout.as_dict()}
                return httpx.Request(call.method, url, extensions=extensions, **options)
            return client.build_request(call.method, url, timeout=timeout, extensions=extensions, **options)
        except (TypeError, ValueError) as error:  # NaN, a lone surrogate, an object that JSON does not know
            refusal = errors.InvalidRequestError(f"The request cannot be written as JSON: {error}")
            refusal.was_sent = False
            raise refusal from error

    def _is_foreign(self, call: Call[Any]) -> bool:
        """Whether it goes where an answer said, and not to a host that the developer chose."""
        return call.anonymous and call.origin is not None and origin_of(call.origin) != origin_of(self.base_url)

    def _home_of(self, call: Call[Any], request: httpx.Request, hop: int) -> str | None:
        """The host that the developer chose, where a response chose the one of this request."""
        home = httpx.URL(self.base_url or call.origin or "").host
        is_chosen = not hop and not call.is_origin_checked
        return None if is_chosen or request.url.host == home else home

    def _auth(self, call: Call[Any]) -> dict[str, Any]:
        """Credentials of a client of yours stay at home."""
        return {"auth": None} if self._is_foreign(call) else {}

    def _discreet(self, client: AnyClient, call: Call[Any], request: httpx.Request) -> AnyClient:
        """The client, for whom a request to somebody else is left as it is: hooks of yours run, but sign nothing."""
        if not client.event_hooks["request"]:
            return client
        home = httpx.URL(call.origin or self.base_url)
        if not (self._is_foreign(call) or _goes_abroad(home, request.url)):
            return client
        restore = _restoring(request)
        found = copy.copy(client)  # with the same connections
        last = _as_async(restore) if inspect.iscoroutinefunction(client.send) else restore
        found.event_hooks = {**client.event_hooks, "request": [*client.event_hooks["request"], last]}
        return found

    def _limit(self, call: Call[Any]) -> int:
        """Bytes that the body of a good answer may have."""
        return self.max_response_bytes or (MAX_IN_MEMORY if call.into is None else MAX_IN_FILE)

    def _onward(self, call: Call[Any], response: httpx.Response, failed: httpx.Response) -> httpx.Request:
        """Where a redirect leads, if no body goes astray. Another origin is told nothing but who asks: httpx itself
        holds back the key, but no other header that may be secret."""
        onward = response.next_request
        if onward is None or call.method != "GET":
            raise call.error_of(failed)
        if not is_usable(onward.url):
            raise _unusable(onward.url)
        if self._is_foreign(call) or _goes_abroad(response.request.url, onward.url):
            onward.headers = httpx.Headers({k: v for k, v in onward.headers.items() if k in _TOLD_ABROAD})
        return onward

    def _headers(self, call: Call[Any]) -> httpx.Headers:
        headers = httpx.Headers(self.headers)
        if self._is_foreign(call):
            headers = httpx.Headers({name: value for name, value in headers.items() if name == "user-agent"})
        else:
            headers.setdefault("accept-encoding", ACCEPTED)
        if call.anonymous:
            headers.pop("authorization", None)
        headers.update(call.options.get("headers"))
        return headers

    def _gives_up(self, call: Call[Any], state: tenacity.RetryCallState) -> bool:
        """Whether there is no repeat any more. Nor is there one that its line would refuse: what went wrong tells more
        than such a refusal."""
        wait = _wait(state)
        is_late = call.turn is not None and call.turn.is_out_of_reach(wait)
        is_over = self.deadline is not None and self.deadline.remaining() <= wait
        return is_late or is_over or state.attempt_number > self.max_retries

    def _log_retry(self, call: Call[Any], state: tenacity.RetryCallState) -> None:
        """One line for each retry. It has no path, which may hold a prompt, and no message, which may repeat one."""
        error = state.outcome.exception() if state.outcome else None
        seconds = state.next_action.sleep if state.next_action else 0.0
        status, request_id = (
            getattr(error, "status_code", None),
            safe_text(str(getattr(error, "request_id", None)), 100),
        )
        logger.info(
            "Retry %d of %d in %.1f s: %s from %s (status %s, request id %s)",
            state.attempt_number, self.max_retries, seconds, type(error).__name__, call.origin or self.base_url,
            status, request_id,
        )  # fmt: skip

    def _retrying(self, loop: Callable[..., Any], call: Call[Any], **options: Any) -> Any:
        return loop(
            **options,
            stop=partial(self._gives_up, call),
            retry=tenacity.retry_if_exception(_worth_repeating),
            wait=_wait,
            before_sleep=partial(self._log_retry, call),
            reraise=True,
        )


def _unusable(url: httpx.URL) -> errors.InvalidResponseError:
    error = errors.InvalidResponseError(
        f"The response leads to an address that cannot be requested: {str(url)[:200]!r}"
    )
    error.is_retryable = False
    return error


def _leads_inside(request: httpx.Request) -> errors.InvalidResponseError:
    error = errors.InvalidResponseError(
        f"The response leads to a private address ({request.url.host}), which is not requested"
    )
    error.is_retryable = False
    return error


def _turn(call: Call[Any]) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if call.turn is None else call.turn.taken()


def _aturn(call: Call[Any]) -> contextlib.AbstractAsyncContextManager[None]:
    return contextlib.nullcontext() if call.turn is None else call.turn.ataken()


def _noted(response: httpx.Response, call: Call[Any]) -> httpx.Response:
    """Tell the line of an answer that has begun, and bound its reading."""
    bound_body(response)
    if call.turn is not None:
        call.turn.answered()
    return response


def _restoring(request: httpx.Request) -> Callable[[httpx.Request], None]:
    """What gives a request the address and the headers back that it has now. The request may be one of httpx2."""
    url, headers = str(request.url), request.headers.raw

    def restore(changed: httpx.Request) -> None:
        changed.url, changed.headers = type(changed.url)(url), type(changed.headers)(headers)

    return restore


def _as_async(hook: Callable[[httpx.Request], None]) -> Callable[[httpx.Request], Awaitable[None]]:
    async def run(request: httpx.Request) -> None:
        hook(request)

    return run


_TOLD_ABROAD = frozenset({"host", "user-agent", "accept", "accept-encoding", "connection"})


def _goes_abroad(here: httpx.URL, there: httpx.URL) -> bool:
    """Whether it is another origin. The same host with TLS is not, as for httpx."""
    before, after = origin_of(here), origin_of(there)
    upgrade = (("http", here.host, 80), ("https", here.host, 443))
    return before != after and (before, after) != upgrade


# Bodies, in memory or in a file. In the event loop a thread writes.


def _read(response: httpx.Response, limit: int, arrived: Arrived | None = None) -> httpx.Response:
    """A response with its body read."""
    if arrived is None and is_small(response, limit):
        response.read()
        return with_text(response)
    tell, pieces = _teller(response, arrived), []
    for piece in iter_body(response, limit):
        pieces.append(piece)
        tell(len(piece))
    return with_body(response, b"".join(pieces))


async def _aread(response: httpx.Response, limit: int, arrived: Arrived | None = None) -> httpx.Response:
    if arrived is None and is_small(response, limit):
        await response.aread()
        return with_text(response)
    tell, pieces = _teller(response, arrived), []
    async for piece in aiter_body(response, limit):
        pieces.append(piece)
        tell(len(piece))
    return with_body(response, b"".join(pieces))


def _read_error(response: httpx.Response) -> httpx.Response:
    """A response that is an error, with the beginning of its body. Nobody reads the body of a redirect."""
    if response.has_redirect_location:
        return with_body(response, b"")
    pieces: list[bytes] = []
    with contextlib.suppress(httpx.TransportError):  # what has come says which error it is
        pieces.extend(iter_body(response, MAX_ERROR, cuts=True))
    return with_body(response, b"".join(pieces))


async def _aread_error(response: httpx.Response) -> httpx.Response:
    if response.has_redirect_location:
        return with_body(response, b"")
    pieces: list[bytes] = []
    with contextlib.suppress(httpx.TransportError):
        async for piece in aiter_body(response, MAX_ERROR, cuts=True):
            pieces.append(piece)
    return with_body(response, b"".join(pieces))


def _save(response: httpx.Response, path: Path, limit: int, arrived: Arrived | None) -> None:
    tell = _teller(response, arrived)
    with path.open("wb") as file:
        for piece in iter_body(response, limit):
            file.write(piece)
            tell(len(piece))


async def _asave(response: httpx.Response, path: Path, limit: int, arrived: Arrived | None) -> None:
    tell = _teller(response, arrived)
    file = path.open("wb")  # here: a cancellation would lose the file that a thread opened
    try:
        async for piece in aiter_body(response, limit):
            await in_thread(file.write, piece)
            tell(len(piece))
    finally:
        await in_thread(file.close)


def _teller(response: httpx.Response, arrived: Arrived | None) -> Callable[[int], None]:
    """What tells `arrived` of each piece; called once at once, for the beginning."""
    length = response.headers.get("content-length", "")
    total = int(length) if length.isdigit() and "content-encoding" not in response.headers else None
    count = 0

    def tell(more: int) -> None:
        nonlocal count
        count += more
        if arrived is not None:
            arrived(count, total)

    tell(0)
    return tell


async def in_thread(work: Callable[..., Any], *args: Any) -> Any:
    """What `work` gives, run in a thread of its own: those of the event loop may all be busy with the long calls of
    others, and even a cancellation would wait for them. A cancellation, and each one after it, waits until the work is
    finished: nobody touches the same file or flow beside it."""
    answer: concurrent.futures.Future[Any] = concurrent.futures.Future()
    context = contextvars.copy_context()
    context.run(caller.set, find_caller())
    threading.Thread(target=_answer_with, args=(answer, context.run, work, *args), name="pollinations").start()
    return await _finished(asyncio.wrap_future(answer))


async def _finished(running: asyncio.Future[T]) -> T:
    """Its result. A cancellation, and each one after it, waits until it is there."""
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        running.exception()  # seen; the cancellation is what counts
        raise


def _answer_with(answer: concurrent.futures.Future[Any], work: Callable[..., Any], *args: Any) -> None:
    answer.set_running_or_notify_cancel()
    try:
        result = work(*args)
    except BaseException as error:
        answer.set_exception(error)
    else:
        answer.set_result(result)
    finally:
        del answer  # it holds the error, and the error's traceback this frame


def _next_step(flow: Flow[Any], answer: Any) -> tuple[bool, Any]:
    """Whether a flow has ended, and its result or next step. (A StopIteration cannot leave a thread.)"""
    try:
        return False, flow.send(answer)
    except StopIteration as end:
        return True, end.value


@contextlib.contextmanager
def _partial_told(reader: EventReader[Any]) -> Iterator[None]:
    """Let the error that ends a stream carry what had arrived."""
    try:
        yield
    except errors.PollinationsError as error:
        error.partial = reader.partial
        raise


# After the answer's end the body is read to its own, so that the connection can be used again. Whatever goes wrong
# there is no matter of the answer; a server that keeps the connection open is cut off.


def _drain(response: httpx.Response, events: Iterator[str]) -> None:
    stream = response.extensions.get("network_stream")
    if stream is None or not response.http_version.startswith("HTTP/1"):
        return  # HTTP/2, which a client of yours may speak, shares its connection with other answers
    watch = threading.Timer(DRAIN_TIME, _cut_off, [stream.get_extra_info("socket")])
    watch.start()
    try:
        with contextlib.suppress(httpx.HTTPError, errors.PollinationsError):
            for _ in events:
                pass
    finally:
        watch.cancel()


@contextlib.contextmanager
def _closing(response: httpx.Response) -> Iterator[httpx.Response]:
    try:
        yield response
    finally:
        try:
            response.close()
        finally:
            _discard_surplus(response)


async def _aclose(response: httpx.Response) -> None:
    try:
        await response.aclose()
    finally:
        _discard_surplus(response)


def _discard_surplus(response: httpx.Response) -> None:
    """Give up a connection that has brought more than the response: httpcore 1.0 would read the surplus as the response
    to the next request. Surplus that arrives later is found by httpcore itself."""
    found: Any = native_stream(response.stream)
    for name in ("_stream", "_httpcore_stream", "_stream", "_connection", "_h11_state"):
        found = getattr(found, name, None)
    if found is not None and found.trailing_data[0]:
        _cut_off(response.extensions["network_stream"].get_extra_info("socket"))


@contextlib.contextmanager
def _cut_off_in_time(response: httpx.Response) -> Iterator[None]:
    """End the connection of a response at the deadline of its call."""
    deadline = deadline_of(response)
    with _cut_off_after(response, None if deadline is None else deadline.remaining()):
        yield


@contextlib.contextmanager
def _cut_off_after(response: httpx.Response, seconds: float | None) -> Iterator[Callable[[], bool]]:
    """End the connection of a response after some seconds. The result says whether they are over."""
    ends = math.inf if seconds is None else time.monotonic() + seconds
    stream = response.extensions.get("network_stream")
    watch: threading.Timer | None = None
    if seconds is not None and stream is not None and response.http_version.startswith("HTTP/1"):
        watch = threading.Timer(max(seconds, 0), _cut_off, [stream.get_extra_info("socket")])
        watch.daemon = True
        watch.start()
    try:
        yield lambda: time.monotonic() >= ends
    finally:
        if watch is not None:
            watch.cancel()


def _cut_off(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)


async def _adrain(events: AsyncIterator[str]) -> None:
    with contextlib.suppress(httpx.HTTPError, errors.PollinationsError, TimeoutError):
        async with asyncio.timeout(DRAIN_TIME):
            async for _ in events:
                pass


class _Watched:
    """What httpx-sse reads of a response, with a clock that only whole events restart.

    It takes a mark of UTF-8 off the text, which would cost the first event, and closes it with an empty line, since a
    last event that only the end of the stream closes counts. A text without any event is kept.
    """

    headers = {"content-type": "text/event-stream"}  # as `_is_event_stream` found it, in whatever case

    def __init__(self, response: httpx.Response, limit: float | None, max_bytes: int) -> None:
        self.limit = limit
        self._max_bytes = max_bytes
        self._waiting = 0
        self._response = response
        self._unread: list[str] | None = []
        self._since = time.monotonic()
        if limit is not None:
            # The body's read timeout is taken from here when its reading begins: until now the limit for a
            # whole answer held, from now on that between two events does.
            response.request.extensions.get("timeout", {})["read"] = self.time_left()

    def time_left(self) -> float | None:
        """Seconds that the next event may take."""
        deadline = deadline_of(self._response)
        if deadline is None:
            return self.limit
        left = max(deadline.remaining(), 0.001)
        return left if self.limit is None else min(self.limit, left)

    def check_deadline(self) -> None:
        if (deadline := deadline_of(self._response)) is not None:
            deadline.check()

    def read(self, limit: int) -> httpx.Response:
        """The body of a response that is no event stream, within the time of an event."""
        with _cut_off_after(self._response, self.time_left()) as is_over:
            try:
                whole = _read(self._response, limit)
            except (httpx.HTTPError, errors.PollinationsError):
                if not is_over():
                    raise
            else:
                if not is_over():
                    return whole
        self.check_deadline()
        raise _stalled(self.limit)

    async def aread(self, limit: int) -> httpx.Response:
        """As `read`."""
        try:
            async with asyncio.timeout(self.time_left()) as time_limit:
                return await _aread(self._response, limit)
        except TimeoutError as error:
            if not time_limit.expired():
                raise
            self.check_deadline()
            raise _stalled(self.limit) from error

    def replay(self, whole: httpx.Response) -> None:
        """Take the events from a body that was read."""
        self._response = whole

    def restart(self) -> None:
        self._since = time.monotonic()
        self._unread = None
        self._waiting = 0

    @property
    def no_events(self) -> bool:
        """Whether there were words, and none of them an event: the content type was wrong."""
        lines = "".join(self._unread or []).splitlines()
        return any(line.strip() and not line.startswith(":") for line in lines)

    def body(self) -> httpx.Response:
        """The answer, read, where it was no stream of events."""
        return with_body(self._response, "".join(self._unread or []).encode())

    def iter_text(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")(
            "replace"
        )  # whatever a header says: the standard knows no other
        with self._silence_told():
            for text in map(decoder.decode, iter_body(self._response, self._max_bytes, size=None)):
                if self.limit is not None and time.monotonic() - self._since > self.limit:
                    raise _stalled(self.limit)
                yield self._noted(text)
        yield "\n\n"

    async def aiter_text(self) -> AsyncIterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with self._silence_told():
            async for piece in aiter_body(self._response, self._max_bytes, size=None):
                yield self._noted(decoder.decode(piece))
        yield "\n\n"

    def _noted(self, text: str) -> str:
        self._waiting += len(text)
        if self._waiting > MAX_EVENT:
            raise errors.InvalidResponseError(f"An event of the stream is longer than {MAX_EVENT:,} characters")
        if self._unread is None or not text:
            return text
        text = text if self._unread else text.removeprefix("\ufeff")
        self._unread.append(text)
        return text

    @contextlib.contextmanager
    def _silence_told(self) -> Iterator[None]:
        try:
            yield
        except httpx.ReadTimeout as error:
            if self.limit is None:
                raise
            errors.remove_headers(error)
            self.check_deadline()
            raise _stalled(self.limit) from error


def _events(watched: _Watched) -> Generator[str]:
    for event in EventSource(watched).iter_sse():  # type: ignore[arg-type]  # reads headers and text only
        if not _says_something(event):
            continue
        watched.restart()
        yield _told(event)
        watched.restart()


async def _aevents(watched: _Watched) -> AsyncGenerator[str]:
    events = EventSource(watched).aiter_sse()  # type: ignore[arg-type]
    async with contextlib.aclosing(events):
        while True:
            try:
                async with asyncio.timeout(watched.time_left()) as limit:
                    event = await anext(events)
                    while not _says_something(event):
                        event = await anext(events)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                if not limit.expired():
                    raise
                watched.check_deadline()
                raise _stalled(watched.limit) from error
            watched.restart()
            yield _told(event)


def _says_something(event: ServerSentEvent) -> bool:
    """Whether an event has data or a name. After an `id:` line httpx-sse makes an event of each comment, too."""
    return bool(event.data) or event.event != "message"


def _told(event: ServerSentEvent) -> str:
    """The data of an event; where only its name calls it an error, in the form of one."""
    if event.event.lower() != "error":
        return event.data
    try:
        error = json.loads(event.data)
    except (ValueError, RecursionError):
        error = event.data[:MAX_ERROR] or "The stream has an error event without data"
    return event.data if isinstance(error, dict) and "error" in error else json.dumps({"error": error})


def _stalled(limit: float | None) -> errors.StreamTimeoutError:
    return errors.StreamTimeoutError(
        f"The stream stayed without an event for {limit} s; raise `stream_chunk_timeout` if the model needs longer"
    )


_EVENTS = re.compile(r"\ufeff?\s*(data|event|id|retry)?:")


_JSON_EVENT = re.compile(r"^data:[ \t]*(\{|\[DONE\])", re.MULTILINE)


def _holds_events(response: httpx.Response) -> bool:
    """Whether a body is a stream of events under another name. What calls itself text has to hold an event of JSON: a
    text may begin with `data:` or `:)`."""
    begins = _EVENTS.match(response.text) is not None
    is_text = response.headers.get("content-type", "").startswith("text/")
    return begins and (not is_text or _JSON_EVENT.search(response.text) is not None)


def _is_event_stream(response: httpx.Response) -> bool:
    return bool(response.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/event-stream")


def _worth_repeating(error: BaseException) -> bool:
    return (
        isinstance(error, errors.PollinationsError) and error.is_retryable and (error.retry_after or 0) <= LONGEST_WAIT
    )


def _wait(state: tenacity.RetryCallState) -> float:
    """Seconds before the next attempt: what the service asked for, else a jittered doubling."""
    error = state.outcome.exception() if state.outcome else None
    told = error.retry_after if isinstance(error, errors.PollinationsError) else None
    backoff = min(FIRST_WAIT * 2 ** (state.attempt_number - 1), 8.0) * random.uniform(0.75, 1.25)
    # A little jitter after Retry-After too: many callers were told the same moment.
    return backoff if told is None else told + (random.uniform(0, 0.25) if told else 0)
