"""Sends requests: whole responses and streams, sync and async, with retries, time limits and typed errors."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import httpx

from langchain_pollinations import errors
from langchain_pollinations._transport.body import (
    ACCEPTED_ENCODINGS,
    MAX_IN_FILE,
    MAX_IN_MEMORY,
    aread_body,
    aread_error_body,
    asave_body,
    read_body,
    read_error_body,
    save_body,
)
from langchain_pollinations._transport.concurrency import (
    check_abandoned,
    next_step,
    run_all,
    run_in_thread,
    run_within,
)
from langchain_pollinations._transport.connections import (
    Closing,
    aclose,
    close_at_deadline,
    record_connection,
    shut_down,
)
from langchain_pollinations._transport.cross_origin import RedirectChain
from langchain_pollinations._transport.exceptions import (
    ErrorMapper,
    OnError,
    map_recursion_error,
)
from langchain_pollinations._transport.hidden_headers import HiddenHeaders
from langchain_pollinations._transport.metering import metered
from langchain_pollinations._transport.origins import ais_private, is_private, origin_of
from langchain_pollinations._transport.pool import ConnectionPool, require_open
from langchain_pollinations._transport.rate_limits import ModelLimits, ModelSlot
from langchain_pollinations._transport.request import (
    MAX_CONCURRENCY,
    MAX_PARSED_IN_LOOP,
    ApiRequest,
    EventParser,
    RequestFlow,
    T,
    encode_json,
)
from langchain_pollinations._transport.retry import awith_retries, with_retries
from langchain_pollinations._transport.sse import (
    EventBody,
    adrain,
    aiter_events,
    attach_partial,
    contains_events,
    drain,
    is_event_stream,
    iter_events,
)
from langchain_pollinations._transport.timeouts import DEADLINE, Deadline, Transport, bound_body

if TYPE_CHECKING:
    from langchain_core.rate_limiters import BaseRateLimiter


@dataclass(frozen=True)
class Client:
    """Sends requests to one origin with one set of headers, time limits and retries."""

    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    timeout: httpx.Timeout
    max_retries: int
    pool: ConnectionPool
    async_transport: Transport = "httpx"
    stream_chunk_timeout: float | None = None
    max_response_bytes: int | None = None
    """Maximum bytes of a decoded body or stream. None is `MAX_IN_FILE` for a body that is saved to a file, otherwise
    `MAX_IN_MEMORY`."""
    deadline: Deadline | None = None
    """The end of the total time for all requests of a call."""
    limits: ModelLimits | None = None
    """The rate limits of the models. None does not wait for them."""
    rate_limiter: BaseRateLimiter | None = None
    """The rate limiter of the caller. Each attempt of a request that is billed waits for it."""
    custom_client: httpx.Client | None = None
    custom_async_client: httpx.AsyncClient | None = None
    _urls: dict[str, httpx.URL] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Parsed URLs of POST requests."""

    def send(self, call: ApiRequest[T]) -> T:
        with metered(call.billing) as charge:
            response = with_retries(self, call, self._fetch)
            with self._map_errors(), OnError(map_recursion_error):
                return charge.add(call.parse(response))

    async def asend(self, call: ApiRequest[T]) -> T:
        with metered(call.billing) as charge:
            response = await awith_retries(self, call, self._afetch)
            with self._map_errors(), OnError(map_recursion_error):
                if call.save_to is None and len(response.content) <= MAX_PARSED_IN_LOOP:
                    return charge.add(call.parse(response))
                read: T = await run_in_thread(call.parse, response)  # parsing reads a file or a large body
                return charge.add(read)

    def send_all(self, calls: Sequence[ApiRequest[T]], at_once: int) -> list[T]:
        """Send all requests, at most `at_once` at a time, and return the results of `send` in order.

        The first error is raised. After an error no further request is sent; running requests are awaited but not
        retried. An interrupt does not wait for running requests.
        """
        if len(calls) < 2 or at_once < 2:
            return [self.send(call) for call in calls]
        results = dict(run_all([partial(self.send, call) for call in calls], at_once))
        return [results[index] for index in range(len(calls))]

    async def asend_all(self, calls: Sequence[ApiRequest[T]], at_once: int) -> list[T]:
        """Like `send_all`, but after an error or a cancellation, running requests are cancelled."""
        turns = asyncio.Semaphore(at_once)

        async def send(call: ApiRequest[T]) -> T:
            async with turns:
                return await self.asend(call)

        try:
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(send(call)) for call in calls]
        except BaseExceptionGroup as failed:
            first = failed.exceptions[0]
        else:
            return [answer.result() for answer in running]
        raise first  # raised outside the handler, so that the error keeps its own cause

    def run(self, flow: RequestFlow[T]) -> T:
        """Run a flow to its end and return its result. After an error the flow is closed, so that it can clean up."""
        answer = None
        with contextlib.closing(flow):
            while True:
                try:
                    step = flow.send(answer)
                except StopIteration as end:
                    result: T = end.value
                    return result
                answer = self.send(step) if isinstance(step, ApiRequest) else self.send_all(step, MAX_CONCURRENCY)

    async def arun(self, flow: RequestFlow[T]) -> T:
        """Like `run`. The flow runs in a thread, because its access to files would block the event loop."""
        answer = None
        try:
            while True:
                done, step = await run_in_thread(next_step, flow, answer)
                if done:
                    result: T = step
                    return result
                if isinstance(step, ApiRequest):
                    answer = await self.asend(step)
                else:
                    answer = await self.asend_all(step, MAX_CONCURRENCY)
        except GeneratorExit:  # the event loop was closed during the call, so that nothing can be awaited
            if inspect.getgeneratorstate(flow) == inspect.GEN_SUSPENDED:
                flow.close()
            raise
        finally:
            if inspect.getgeneratorstate(flow) == inspect.GEN_SUSPENDED:  # interrupted: it may have to clean up
                await run_in_thread(flow.close)

    def stream(self, call: ApiRequest[EventParser[T]]) -> Generator[T]:
        with metered(call.billing) as charge:
            response = with_retries(self, call, self._open_stream)
            with Closing(response), close_at_deadline(response):
                reader = charge.watch(call.parse(response))
                watched = EventBody(response, self.stream_chunk_timeout, self._limit(call))
                with OnError(partial(attach_partial, reader)), self._map_errors(), OnError(map_recursion_error):
                    if not is_event_stream(response):
                        whole = watched.read(self._limit(call))
                        if not contains_events(whole):
                            yield from reader.whole(whole)
                            return
                        watched.replay(whole)
                    events = iter_events(watched)
                    for data in events:
                        yield from reader.feed(data)
                        if reader.done:
                            drain(response, events)
                            return
                    yield from reader.whole(watched.body()) if watched.has_no_events else reader.end()

    async def astream(self, call: ApiRequest[EventParser[T]]) -> AsyncGenerator[T]:
        async with contextlib.AsyncExitStack() as stack:
            charge = stack.enter_context(metered(call.billing))
            response = await awith_retries(self, call, self._aopen_stream, stack)
            reader = charge.watch(call.parse(response))
            watched = EventBody(response, self.stream_chunk_timeout, self._limit(call))
            events = await stack.enter_async_context(contextlib.aclosing(aiter_events(watched)))
            with OnError(partial(attach_partial, reader)), self._map_errors(), OnError(map_recursion_error):
                if not is_event_stream(response):
                    whole = await watched.aread(self._limit(call))
                    if not contains_events(whole):
                        for item in reader.whole(whole):
                            yield item
                        return
                    watched.replay(whole)
                async for data in events:
                    for item in reader.feed(data):
                        yield item
                    if reader.done:
                        await adrain(events)
                        return
                for item in reader.whole(watched.body()) if watched.has_no_events else reader.end():
                    yield item

    # Opening a response. A successful response is returned with its body unread. A GET follows redirects. Any other
    # response is read and raised as an error. The async functions enter the response and its client into `stack`, which
    # closes them.

    def _open(self, call: ApiRequest[Any]) -> httpx.Response:
        """Open a response. With a deadline, the request runs in a thread, because httpx has no timeout for headers that
        arrive byte by byte."""
        if self.deadline is None:
            return self._send_with_redirects(call)
        self.deadline.check()
        opened: list[Any] = []
        with self._map_errors():
            try:
                work = partial(self._send_with_redirects, call, opened)
                return run_within(self.deadline.remaining(), work, httpx.Response.close)
            except TimeoutError:
                for stream in opened:  # else a response that never begins would occupy a connection of the pool
                    shut_down(stream.get_extra_info("socket"))
                raise

    def _send_with_redirects(self, call: ApiRequest[Any], opened: list[Any] | None = None) -> httpx.Response:
        """Open a response in this thread. The streams of new connections are added to `opened`."""
        check_abandoned()
        with self._map_errors():
            if self.custom_client is not None:
                client = require_open(self.custom_client, "http_client")
            else:
                client = self.pool.client()
            chain = self._chain(client, call)
            if opened is not None:
                chain.request.extensions |= {"trace": partial(record_connection, opened)}
            for _ in range(client.max_redirects + 1):
                if chain.must_be_public and not is_private(chain.chosen_host):
                    if is_private(chain.request.url.host):
                        raise chain.private_address()
                    chain.require_public_peer(is_async=False)
                response = _mark_response(chain.send(client), call)
                if call.is_success(response):
                    return response
                with Closing(response):
                    failed = read_error_body(response)
                chain.follow(response, failed)
            raise httpx.TooManyRedirects("too many redirects", request=chain.request)

    async def _aopen(self, call: ApiRequest[Any], stack: contextlib.AsyncExitStack) -> httpx.Response:
        with self._map_errors():
            async with asyncio.timeout(self._time_left()), contextlib.AsyncExitStack() as opened:
                if self.custom_async_client is not None:
                    client = require_open(self.custom_async_client, "http_async_client")
                else:
                    lease = self.pool.lease(self.async_transport, self.timeout.pool)
                    client = await opened.enter_async_context(lease)
                chain = self._chain(client, call)
                for _ in range(client.max_redirects + 1):
                    if chain.must_be_public and not await ais_private(chain.chosen_host):
                        if await ais_private(chain.request.url.host):
                            raise chain.private_address()
                        chain.require_public_peer(is_async=True)
                    response = _mark_response(await chain.asend(client), call)
                    if call.is_success(response):
                        opened.push_async_callback(aclose, response)
                        stack.push_async_exit(opened.pop_all())
                        return response
                    try:
                        failed = await aread_error_body(response)
                    finally:
                        await aclose(response)
                    chain.follow(response, failed)
                raise httpx.TooManyRedirects("too many redirects", request=chain.request)

    def _open_stream(self, call: ApiRequest[Any]) -> httpx.Response:
        with self._slot(call) as slot:
            return _noted(slot, self._open(call))

    async def _aopen_stream(self, call: ApiRequest[Any], stack: contextlib.AsyncExitStack) -> httpx.Response:
        async with self._aslot(call) as slot:
            return _noted(slot, await self._aopen(call, stack))

    def _fetch(self, call: ApiRequest[Any]) -> httpx.Response:
        if self.rate_limiter is not None and call.billing is not None:
            self.rate_limiter.acquire(blocking=True)
        with (
            self._slot(call) as slot,
            self._map_errors(),
            Closing(_noted(slot, self._open(call))) as response,
            close_at_deadline(response),
        ):
            if call.save_to is None:
                return read_body(response, self._limit(call), call.on_progress)
            save_body(response, call.save_to, self._limit(call), call.on_progress)
        return response

    async def _afetch(self, call: ApiRequest[Any]) -> httpx.Response:
        if self.rate_limiter is not None and call.billing is not None:
            await self.rate_limiter.aacquire(blocking=True)
        with self._map_errors():
            async with self._aslot(call) as slot, contextlib.AsyncExitStack() as stack:
                response = _noted(slot, await self._aopen(call, stack))
                async with asyncio.timeout(self._time_left()):
                    if call.save_to is None:
                        return await aread_body(response, self._limit(call), call.on_progress)
                    await asave_body(response, call.save_to, self._limit(call), call.on_progress)
        return response

    def _time_left(self) -> float | None:
        """Return the seconds that the call may still take."""
        return None if self.deadline is None else self.deadline.remaining()

    def _map_errors(self) -> ErrorMapper:
        return ErrorMapper(self.deadline, self.headers)

    def _chain(self, client: httpx.Client | httpx.AsyncClient, call: ApiRequest[Any]) -> RedirectChain:
        chosen = self.base_url
        if call.origin is not None and not call.is_origin_checked:
            chosen = call.origin
        request = self._request(client, call)
        return RedirectChain(call, request, chosen, is_anonymous=self._is_foreign(call))

    def _request(self, client: httpx.Client | httpx.AsyncClient, call: ApiRequest[Any]) -> httpx.Request:
        timeout, extensions = self.timeout, dict[str, Any]()
        if self.deadline is not None:
            self.deadline.check()
            timeout, extensions = self.deadline.bounded(timeout), {DEADLINE: self.deadline}
        # The client of the user may add headers and cookies, which another origin must not receive. The client of the
        # pool adds none, so the request is built without it, in half the time.
        is_custom = client is self.custom_client or client is self.custom_async_client
        custom = client if is_custom and not self._is_foreign(call) else None
        options = {**call.options, "headers": self._headers(call, custom), "extensions": extensions}
        try:
            if "json" in options:  # its headers are those of `_headers`
                options["content"] = encode_json(options.pop("json"))
            if custom is not None:
                url = (call.origin or self.base_url) + call.path
                request = custom.build_request(call.method, url, timeout=timeout, **options)
                if not call.send_credentials:
                    request.headers.pop("authorization", None)  # of the user's client
                return request
            extensions["timeout"] = timeout.as_dict()
            return httpx.Request(call.method, self._url(call), **options)
        except (TypeError, ValueError) as error:  # NaN, a lone surrogate, or an object that JSON cannot represent
            refusal = errors.InvalidRequestError(f"The request cannot be written as JSON: {error}")
            refusal.was_sent = False
            raise refusal from error

    def _url(self, call: ApiRequest[Any]) -> httpx.URL:
        if call.method == "GET":  # its path may hold a prompt
            return httpx.URL((call.origin or self.base_url) + call.path)
        place = (call.origin or self.base_url) + call.path
        if place not in self._urls:
            self._urls[place] = httpx.URL(place)
        return self._urls[place]

    def _is_foreign(self, call: ApiRequest[Any]) -> bool:
        """Whether a request carries no key and goes to another origin than the service. Except for `User-Agent`, such
        a request also carries no headers, cookies and credentials of the wrapper and its client."""
        if call.send_credentials or call.origin is None:
            return False
        return origin_of(call.origin) != origin_of(self.base_url)

    def _limit(self, call: ApiRequest[Any]) -> int:
        """Return the maximum bytes of the body of a successful response."""
        if self.max_response_bytes is not None:
            return self.max_response_bytes
        return MAX_IN_MEMORY if call.save_to is None else MAX_IN_FILE

    def _headers(self, call: ApiRequest[Any], custom: httpx.Client | httpx.AsyncClient | None) -> httpx.Headers:
        """Return the headers of a request. `custom` is the client of the user, if it builds the request."""
        if self._is_foreign(call):
            headers = HiddenHeaders({name: value for name, value in self.headers.items() if name == "user-agent"})
        elif custom is not None:
            headers = HiddenHeaders({"accept-encoding": ACCEPTED_ENCODINGS})
            headers.update(self.headers)
        else:
            headers = self._json_headers if "json" in call.options else self._pooled_headers
        if call.send_credentials and "headers" not in call.options and custom is None:
            return headers
        headers = HiddenHeaders(headers)
        if "json" in call.options and (custom is None or "content-type" not in custom.headers):
            headers.setdefault("content-type", "application/json")
        if not call.send_credentials:
            headers.pop("authorization", None)
        headers.update(call.options.get("headers"))
        return headers

    @cached_property
    def _pooled_headers(self) -> HiddenHeaders:
        """The headers of this client, and those that a client of httpx adds."""
        headers = HiddenHeaders({"accept": "*/*", "accept-encoding": ACCEPTED_ENCODINGS, "connection": "keep-alive"})
        headers.update(self.headers)
        return headers

    @cached_property
    def _json_headers(self) -> HiddenHeaders:
        headers = HiddenHeaders({"content-type": "application/json"})
        headers.update(self._pooled_headers)
        return headers

    def _slot(self, call: ApiRequest[Any]) -> contextlib.AbstractContextManager[ModelSlot | None]:
        if call.limiter is not None:
            return call.limiter.acquire()
        return contextlib.nullcontext() if (slot := self._model_slot(call)) is None else slot

    def _aslot(self, call: ApiRequest[Any]) -> contextlib.AbstractAsyncContextManager[ModelSlot | None]:
        if call.limiter is not None:
            return call.limiter.aacquire()
        return contextlib.nullcontext() if (slot := self._model_slot(call)) is None else slot

    def _model_slot(self, call: ApiRequest[Any]) -> ModelSlot | None:
        if self.limits is None or call.billing is None:
            return None
        return self.limits.slot(call.billing.model, self.deadline)


def _noted(slot: ModelSlot | None, response: httpx.Response) -> httpx.Response:
    if slot is not None:
        slot.note(response)
    return response


def _mark_response(response: httpx.Response, call: ApiRequest[Any]) -> httpx.Response:
    """Tell the limiter that the response has begun, and apply the deadline to its body."""
    bound_body(response)
    if call.limiter is not None:
        call.limiter.mark_sent()
    return response
