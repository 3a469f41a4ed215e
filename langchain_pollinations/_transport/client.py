"""Sends requests: whole responses and streams, sync and async, with retries, time limits and typed errors."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import logging
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import tenacity

from langchain_pollinations import errors
from langchain_pollinations._safe_text import safe_text
from langchain_pollinations._transport.body import (
    ACCEPTED,
    MAX_IN_FILE,
    MAX_IN_MEMORY,
    _aread,
    _aread_error,
    _asave,
    _read,
    _read_error,
    _save,
)
from langchain_pollinations._transport.concurrency import (
    _next_step,
    check_wanted,
    in_thread,
    run_all,
    run_within,
    sleep,
)
from langchain_pollinations._transport.connections import _aclose, _closing, _cut_off, _cut_off_in_time
from langchain_pollinations._transport.exceptions import map_depth, mapped, remove_headers, remove_key
from langchain_pollinations._transport.origins import (
    _TOLD_ABROAD,
    _as_async,
    _goes_abroad,
    _restoring,
    ais_private,
    is_private,
    is_usable,
    origin_of,
)
from langchain_pollinations._transport.pool import AnyClient, Pool, Transport, _open_client
from langchain_pollinations._transport.request import AT_ONCE, MAX_READ_IN_LOOP, Call, EventReader, Flow, T
from langchain_pollinations._transport.retry import _wait, _worth_repeating
from langchain_pollinations._transport.sse import (
    _adrain,
    _aevents,
    _drain,
    _events,
    _holds_events,
    _is_event_stream,
    _partial_told,
    _Watched,
)
from langchain_pollinations._transport.timeouts import DEADLINE, Deadline, bound_body

logger = logging.getLogger("langchain_pollinations")


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
        with self._errors(), map_depth():
            return call.read(response)

    async def asend(self, call: Call[T]) -> T:
        call = self.translate(call)
        response = await self._retrying(tenacity.AsyncRetrying, call)(self._aanswer, call)
        with self._errors(), map_depth():
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
            with _partial_told(reader), self._errors(), map_depth():
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
            with _partial_told(reader), self._errors(), map_depth():
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
        opened: list[Any] = []
        with self._errors():
            try:
                work = partial(self._opened_here, call, opened)
                return run_within(self.deadline.remaining(), work, httpx.Response.close)
            except TimeoutError:
                for stream in opened:  # so that no connection of the pool is taken by a response that never begins
                    _cut_off(stream.get_extra_info("socket"))
                raise

    def _opened_here(self, call: Call[Any], opened: list[Any] | None = None) -> httpx.Response:
        """The streams of new connections are added to `opened`."""
        check_wanted()
        with self._errors():
            client = self.pool.client() if self.own_client is None else _open_client(self.own_client, "http_client")
            request, auth = self._request(client, call), self._auth(call)
            if opened is not None:
                request.extensions = {**request.extensions, "trace": partial(_note_connection, opened)}
            for hop in range(client.max_redirects + 1):
                home = self._home(call, request, hop)
                if home is not None and is_private(request.url.host) and not is_private(home):
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
                    home = self._home(call, request, hop)
                    if home is not None and await ais_private(request.url.host) and not await ais_private(home):
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
            with mapped(), self._end_told():
                yield
        except errors.PollinationsError as error:
            remove_key(error, self.headers)
            raise

    @contextlib.contextmanager
    def _end_told(self) -> Iterator[None]:
        """Name `total_timeout` in the error, where its end is what made the call fail."""
        try:
            yield
        except (httpx.HTTPError, TimeoutError, errors.PollinationsError) as error:
            # The timer of an event loop may end a little early.
            early = 0.05 if isinstance(error, TimeoutError) else 0.0
            if self.deadline is None or self.deadline.remaining() > early:
                raise
            if isinstance(error, errors.PollinationsError) and (
                error.status_code or isinstance(error, errors.RequestTimeoutError)
            ):
                raise
            remove_headers(error)
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

    def _home(self, call: Call[Any], request: httpx.Request, hop: int) -> str | None:
        """The host that the developer chose, of a request whose own host a response chose; else None."""
        chosen = self.base_url if call.is_origin_checked else call.origin or self.base_url
        home = httpx.URL(chosen or call.origin or "").host
        is_chosen = hop == 0 and not call.is_origin_checked
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
        status = getattr(error, "status_code", None)
        request_id = safe_text(str(getattr(error, "request_id", None)), 100)
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


def _note_connection(opened: list[Any], event: str, info: Mapping[str, Any]) -> None:
    """A trace function of httpcore."""
    if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
        opened.append(info["return_value"])


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
