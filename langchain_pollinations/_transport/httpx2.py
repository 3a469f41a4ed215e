"""Adapts httpx2 clients to the interface of httpx.

openai 3 and other packages accept httpx2 clients. The httpx2 client itself sends the requests, with its headers,
cookies, credentials, hooks and connections. Requests, responses and exceptions are converted only here, so that all
other code uses httpx. This module never imports httpx2: if there is an httpx2 client, it is already imported.
"""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing, contextmanager
from typing import Any

import httpx

_CODINGS = frozenset({"gzip", "deflate", "identity"})
"""Content encodings that httpx decodes without extras. httpx2 may accept others."""


def is_httpx2(client: object) -> bool:
    """Whether the class of a client is, or derives from, a class of httpx2."""
    return any(base.__module__.partition(".")[0] == "httpx2" for base in type(client).__mro__)


def to_httpx(client: Any) -> Any:
    """Wrap an httpx2 client in the interface of httpx. Return any other client, and None, unchanged."""
    if not is_httpx2(client):
        return client
    is_async = isinstance(client, sys.modules["httpx2"].AsyncClient)
    return Httpx2AsyncClient(client) if is_async else Httpx2Client(client)


def native_stream(stream: Any) -> Any:
    """Return the stream that httpx or httpx2 created, without the wrapper of this module."""
    return stream._response.stream if isinstance(stream, _Body | _AsyncBody) else stream


class _Httpx2Client:
    """Base class of the sync and the async client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def is_closed(self) -> bool:
        return bool(self._client.is_closed)

    @property
    def max_redirects(self) -> int:
        return int(self._client.max_redirects)

    @property
    def event_hooks(self) -> Mapping[str, Sequence[Any]]:
        hooks: Mapping[str, Sequence[Any]] = self._client.event_hooks
        return hooks

    @event_hooks.setter
    def event_hooks(self, hooks: Mapping[str, Sequence[Any]]) -> None:
        self._client = copy.copy(self._client)  # a copy shares the connections; the user's client is unchanged
        self._client.event_hooks = hooks

    @property
    def headers(self) -> Mapping[str, str]:
        headers: Mapping[str, str] = self._client.headers
        return headers

    def build_request(
        self,
        method: str,
        url: str,
        *,
        headers: httpx.Headers,
        timeout: httpx.Timeout,
        extensions: Mapping[str, Any],
        params: Any = None,
        **body: Any,
    ) -> httpx.Request:
        """Build a request with the body that httpx encodes and the headers and cookies that the client adds."""
        written = httpx.Request(method, url, headers=headers, **body)
        built = self._client.build_request(
            method,
            str(written.url),
            params=params,
            headers=written.headers.multi_items(),
            content=written.read() or None,
            extensions={**extensions, "timeout": timeout.as_dict()},
        )
        offered = (coding.strip() for coding in built.headers.get("accept-encoding", "").split(","))
        usable = [coding for coding in offered if coding.partition(";")[0].strip() in _CODINGS]
        built.headers["accept-encoding"] = ", ".join(usable) or "identity"
        return _from_httpx2(built)


class Httpx2Client(_Httpx2Client):
    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        native = _to_httpx2(request)
        with _converted(native, request):
            response = self._client.send(native, **options)
        return _response(response, _Body(response, native, request))


class Httpx2AsyncClient(_Httpx2Client):
    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        native = _to_httpx2(request)
        with _converted(native, request):
            response = await self._client.send(native, **options)
        return _response(response, _AsyncBody(response, native, request))


class _Body(httpx.SyncByteStream):
    def __init__(self, response: Any, native: Any, request: httpx.Request) -> None:
        self._response, self._native, self._request = response, native, request

    def __iter__(self) -> Iterator[bytes]:
        with _converted(self._native, self._request), closing(self._response.iter_raw()) as pieces:
            yield from pieces

    def close(self) -> None:
        with _converted(self._native, self._request):
            self._response.close()


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, response: Any, native: Any, request: httpx.Request) -> None:
        self._response, self._native, self._request = response, native, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _converted(self._native, self._request):
            async with aclosing(self._response.aiter_raw()) as pieces:
                async for piece in pieces:
                    yield piece

    async def aclose(self) -> None:
        with _converted(self._native, self._request):
            await self._response.aclose()


def _response(native: Any, body: httpx.SyncByteStream | httpx.AsyncByteStream) -> httpx.Response:
    request = _from_httpx2(native.request)
    if native.is_stream_consumed:  # a hook or the authentication has read and decoded the body
        headers = [(k, v) for k, v in native.headers.multi_items() if k not in ("content-encoding", "content-length")]
        response = httpx.Response(
            native.status_code, headers=headers, content=native.content, request=request, extensions=native.extensions
        )
    else:
        response = httpx.Response(
            native.status_code, headers=native.headers.raw, stream=body, request=request, extensions=native.extensions
        )
    if native.next_request is not None:
        response.next_request = _from_httpx2(native.next_request)
    return response


def _to_httpx2(request: httpx.Request) -> Any:
    return sys.modules["httpx2"].Request(
        request.method,
        str(request.url),
        headers=request.headers.raw,
        content=request.read() or None,
        extensions=request.extensions,
    )


def _from_httpx2(native: Any) -> httpx.Request:
    """Convert a request. The dict of timeouts is not copied, because a stream later sets its timeout in this dict."""
    return httpx.Request(
        native.method,
        str(native.url),
        headers=native.headers.raw,
        content=native.read() or None,
        extensions=native.extensions,
    )


@contextmanager
def _converted(native: Any, request: httpx.Request) -> Iterator[None]:
    """Convert exceptions of httpx2 to exceptions of httpx with the same name.

    The exception of httpx2 is the cause of the new exception and refers to the request. The `Authorization` header is
    therefore removed from the request, so that no exception gives access to the key.
    """
    httpx2 = sys.modules["httpx2"]
    try:
        yield
    except httpx2.InvalidURL as error:
        raise httpx.InvalidURL(str(error)) from error
    except httpx2.RequestError as error:
        native.headers.pop("authorization", None)
        kinds = (getattr(httpx, base.__name__, None) for base in type(error).__mro__)
        kind = next(each for each in kinds if isinstance(each, type) and issubclass(each, httpx.RequestError))
        raise kind(str(error), request=request) from error
    except httpx2.HTTPStatusError as error:  # of a hook that calls `raise_for_status`
        if error.request is not native:
            raise
        native.headers.pop("authorization", None)
        response = _response(error.response, _Body(error.response, native, request))
        raise httpx.HTTPStatusError(str(error), request=request, response=response) from error


def check_client(client: Any, argument: str) -> None:
    """Raise a `ValueError` unless a client has the methods of an httpx or httpx2 client."""
    is_async = argument == "http_async_client"
    kind = "AsyncClient" if is_async else "Client"
    send, build = getattr(client, "send", None), getattr(client, "build_request", None)
    if isinstance(client, type) or not callable(send) or not callable(build):
        raise ValueError(f"{argument}: takes an httpx.{kind} or httpx2.{kind}, not {_type_name(client)}")
    if inspect.iscoroutinefunction(send) is not is_async:
        field = "http_client" if is_async else "http_async_client"
        raise ValueError(f"{argument}: takes an httpx.{kind} or httpx2.{kind}; {_type_name(client)} goes into {field}")


def _type_name(client: Any) -> str:
    return f"the class {client.__name__}" if isinstance(client, type) else type(client).__name__
