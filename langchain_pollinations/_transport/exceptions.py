"""Converts exceptions of httpx and aiohttp to errors of the package."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

import httpx

from langchain_pollinations._transport.environment import proxy_variable
from langchain_pollinations._transport.origins import is_local, origin_text
from langchain_pollinations._transport.timeouts import Deadline
from langchain_pollinations.errors import (
    APIConnectionError,
    InvalidRequestError,
    InvalidResponseError,
    PollinationsError,
    RequestTimeoutError,
)


class ErrorMapper:
    """Context manager that converts exceptions of httpx and aiohttp to errors of this package.

    An error names `total_timeout` if this limit caused the failure. The key is removed from errors of this package,
    because a response may repeat the key. An exception that the caller was handling before is not changed. The class
    costs a tenth of a generator, and several of them enclose each request.

    Args:
        deadline: The deadline of the call.
        headers: The headers of the request, which include the key.
    """

    __slots__ = ("_deadline", "_handled", "_headers")

    def __init__(self, deadline: Deadline | None, headers: Mapping[str, str]) -> None:
        self._deadline, self._headers = deadline, headers
        self._handled: BaseException | None

    def __enter__(self) -> None:
        self._handled = sys.exception()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if error is None:
            return
        remove_headers(error, self._handled)
        mapped = _over_time(error, self._deadline) or _from_library(error) or _loop_closed(error) or error
        if isinstance(mapped, PollinationsError):
            remove_key(mapped, self._headers, self._handled)
        del self  # a trace of the error would show the headers
        try:
            if mapped is not error:
                raise mapped from error
        finally:
            del mapped, error, trace  # the traceback refers to this frame


def _loop_closed(error: BaseException) -> GeneratorExit | None:
    """Return the exception that ends a coroutine whose event loop was closed. asyncio replaces it by a `RuntimeError`
    during the start of a connection, and Python would print this error."""
    is_replaced = isinstance(error, RuntimeError) and isinstance(error.__context__, GeneratorExit)
    return GeneratorExit() if is_replaced else None


def _over_time(error: BaseException, deadline: Deadline | None) -> PollinationsError | None:
    """Return the error that names `total_timeout` if the deadline caused the failure."""
    if deadline is None or not isinstance(error, httpx.HTTPError | TimeoutError | PollinationsError):
        return None
    # The timer of an event loop may fire slightly early.
    early = 0.05 if isinstance(error, TimeoutError) else 0.0
    if deadline.remaining() > early or isinstance(error, RequestTimeoutError) or getattr(error, "status_code", None):
        return None
    return deadline.error()


def _from_library(error: BaseException) -> PollinationsError | None:
    """Return the error of this package for an exception of httpx, or of aiohttp under it."""
    if isinstance(error, httpx.InvalidURL):
        return InvalidRequestError(f"The address of the request is not valid: {error}")
    if isinstance(error, httpx.HTTPError):
        return _from_httpx(error)
    if isinstance(error, UnicodeError) and getattr(error, "encoding", "idna") == "idna":  # else from a hook of the user
        return _final(f"The address of the request cannot be used: {str(error)[:200]}")
    if isinstance(error, _aiohttp_errors()):
        # httpx-aiohttp 0.2 does not convert some errors of aiohttp, for example for a malformed response.
        return APIConnectionError(f"The connection failed: {error}")
    return None


class OnError:
    """Context manager that passes an exception from its block to `handle`, which may change it or raise another."""

    __slots__ = ("_handle",)

    def __init__(self, handle: Callable[[BaseException], None]) -> None:
        self._handle = handle

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if error is not None:
            self._handle(error)


def map_recursion_error(error: BaseException) -> None:
    """Convert the `RecursionError` of a response that is nested too deeply to an error of this package."""
    if isinstance(error, RecursionError):
        too_deep = InvalidResponseError("The response has more levels within each other than can be read")
        too_deep.is_retryable = False
        raise too_deep from error


def remove_headers(failed: BaseException, handled: BaseException | None) -> None:
    """Remove the headers of the request from an error and its causes. The headers include the key, and errors outlive
    the request, for example in a trace. `handled` is the exception that the caller was handling before."""
    for error in _with_causes(failed, handled):
        if _has_frame_with_headers(error.__traceback__):
            error.__traceback__ = None
        if type(error).__name__ == "LocalProtocolError":  # of httpx, httpcore or h11: it names the value of a header
            error.args, error.__traceback__ = ("a header cannot be sent",), None
        if isinstance(error, httpx.HTTPError):
            error.__traceback__ = None  # its frames may hold a part of a body that repeats the key
            with suppress(RuntimeError):
                error.request.headers = httpx.Headers()
        elif isinstance(error, _aiohttp_errors("ClientResponseError")):
            # The text of the error needs only the URL of the request.
            of_aiohttp: Any = error
            info = of_aiohttp.request_info
            of_aiohttp.request_info = type(info)(info.url, info.method, {}, info.real_url)
            of_aiohttp.history = ()
            of_aiohttp.args = (of_aiohttp.request_info, of_aiohttp.history)


def _with_causes(error: BaseException | None, handled: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and its causes and contexts, except `handled`, which Python makes a context of each error."""
    todo, seen = [error], {id(handled)}
    while todo:
        each = todo.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            todo += [each.__cause__, each.__context__]


_HOLDERS = frozenset({"aiohttp", "h11", "h2", "hpack", "httpcore", "httpcore2", "httpx_aiohttp"})
"""Packages whose functions have the headers of a request or of a proxy in variables, which tracebacks may show."""


def _has_frame_with_headers(trace: TracebackType | None) -> bool:
    while trace is not None:
        if str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0] in _HOLDERS:
            return True
        trace = trace.tb_next
    return False


def remove_key(error: PollinationsError, headers: Mapping[str, str], handled: BaseException | None) -> None:
    """Replace the key from `headers` in all attributes of an error and its causes, because the service may repeat the
    request. Then the frames of the parsers hold the key too, so the tracebacks are removed."""
    secret = headers.get("authorization", "").rpartition(" ")[2]
    # A shorter key is a placeholder for a gateway, and may be part of any word.
    if len(secret) >= 8 and secret in repr((error.args, vars(error))):
        for each in _with_causes(error, handled):
            each.args = tuple(_replace(secret, part) for part in each.args)
            for name, value in dict(vars(each)).items():
                setattr(each, name, _replace(secret, value))
            each.__traceback__ = None


def _replace(secret: str, value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(secret, "***")
    if isinstance(value, dict):
        return {_replace(secret, key): _replace(secret, each) for key, each in value.items()}
    return [_replace(secret, each) for each in value] if isinstance(value, list) else value


def _from_httpx(error: httpx.HTTPError) -> PollinationsError:
    found = _classify(error)
    found.was_sent = _was_sent(error)
    return found


def _was_sent(error: httpx.HTTPError) -> bool:
    if isinstance(error.__cause__, _aiohttp_errors()):
        return not isinstance(error.__cause__, _aiohttp_errors("ClientConnectorError", "ConnectionTimeoutError"))
    return not isinstance(error, _UNSENT)


_UNSENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


def _classify(error: httpx.HTTPError) -> PollinationsError:
    cause = error.__cause__
    # httpx-aiohttp 0.2 raises a ConnectTimeout for every lost connection. Its cause is the actual error.
    misnamed = isinstance(cause, _aiohttp_errors()) and not isinstance(cause, TimeoutError)
    where = _origin(error)
    if isinstance(error, httpx.LocalProtocolError) and "header" in str(error).lower():
        told = f"The request{where} has a header that cannot be sent: see the headers of http_client"
        return InvalidRequestError(told)  # without the message of httpx, which contains the value
    if isinstance(error, httpx.TimeoutException) and not misnamed:
        kind = type(error).__name__.removesuffix("Timeout").lower()
        return RequestTimeoutError(
            f"No answer{where} within the time limit ({kind}); raise `timeout` (or `total_timeout`) if it is short"
        )
    if isinstance(error, httpx.ProxyError) and str(error).startswith("407"):
        return proxy_password_error()
    if isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol):
        hint = "" if _was_sent(error) else _connection_hint(error)
        failed = APIConnectionError(f"The connection{where} failed: {error or type(error).__name__}{hint}")
        failed.is_retryable = "CERTIFICATE_VERIFY_FAILED" not in str(error)
        return failed
    return _final(f"The answer{where} could not be read: {error or type(error).__name__}")


def _final(message: str) -> InvalidResponseError:
    error = InvalidResponseError(message)
    error.is_retryable = False
    return error


def proxy_password_error() -> APIConnectionError:
    """Return the error for a proxy that requires credentials. A retry would fail too."""
    error = APIConnectionError(
        "The proxy requires a user name and a password (407): add them to its URL, as in http://user:password@host:port"
    )
    error.is_retryable = False
    return error


def _connection_hint(error: httpx.HTTPError) -> str:
    """Return the variable that names a proxy, or the command that starts the emulator, if the request was to this
    machine or the name of the host could not be resolved."""
    try:
        url = error.request.url
    except RuntimeError:  # the error has no request
        return ""
    if name := proxy_variable(url.scheme, url.host):
        return f". The request may have used the proxy of the environment variable {name}"
    if is_local(url.host) and url.scheme == "http":
        return f". To start the emulator there: python -m langchain_pollinations.emulator --port {url.port or 80}"
    if any(isinstance(cause, socket.gaierror) for cause in _with_causes(error, None)):
        address = "" if url.host.endswith(".pollinations.ai") else " Check this address."
        return (
            f".{address} Without a network, run python -m langchain_pollinations.emulator, and set the variables that "
            "it prints"
        )
    return ""


def _origin(error: httpx.HTTPError) -> str:
    """Return the origin of the request. The path may contain the prompt, and the query may contain anything."""
    try:
        url = error.request.url
    except RuntimeError:
        return ""
    return f" to {origin_text(url)}"


def _aiohttp_errors(*names: str) -> tuple[type[BaseException], ...]:
    """Return error classes of aiohttp, by default their base class. The tuple is empty if aiohttp is not imported. This
    function never imports aiohttp."""
    aiohttp = sys.modules.get("aiohttp")
    if aiohttp is None:
        return ()
    return tuple(getattr(aiohttp, name) for name in names or ["ClientError"])
