"""Event streams: parsing, stalls, streams with another content type, and draining after the end."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
import re
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Any

import httpx
from httpx_sse import EventSource, ServerSentEvent

from langchain_pollinations import errors
from langchain_pollinations._transport.body import (
    MAX_ERROR,
    MAX_EVENT,
    aiter_body,
    aread_body,
    iter_body,
    read_body,
    with_body,
)
from langchain_pollinations._transport.concurrency import Resumed
from langchain_pollinations._transport.connections import close_after, shut_down, unparsed_bytes
from langchain_pollinations._transport.request import EventParser
from langchain_pollinations._transport.timeouts import deadline_of

DRAIN_TIMEOUT = 1.0
"""Maximum seconds between the last event of a response and the end of its body."""
_LAST_CHUNK = b"0\r\n\r\n"
"""The end of a chunked body."""


def attach_partial(reader: EventParser[Any], error: BaseException) -> None:
    """Attach the part that has arrived to the error that ends a stream."""
    if isinstance(error, errors.PollinationsError):
        error.partial = reader.partial


# After the last event the body is read to its end, so that the connection can be reused. Failures there do not affect
# the response. If a server does not end the body, the connection is closed.


def drain(response: httpx.Response, events: Iterator[str]) -> None:
    stream = response.extensions.get("network_stream")
    if stream is None or not response.http_version.startswith("HTTP/1"):
        return  # HTTP/2, which the user's client may use, shares the connection with other responses
    watch: threading.Timer | None = None
    if unparsed_bytes(response).removeprefix(b"\r\n") != _LAST_CHUNK:  # else nothing is waited for
        watch = threading.Timer(DRAIN_TIMEOUT, shut_down, [stream.get_extra_info("socket")])
        watch.start()
    try:
        with contextlib.suppress(httpx.HTTPError, errors.PollinationsError):
            for _ in events:
                pass
    finally:
        if watch is not None:
            watch.cancel()


async def adrain(events: AsyncIterator[str]) -> None:
    with contextlib.suppress(httpx.HTTPError, errors.PollinationsError, TimeoutError):
        async with asyncio.timeout(DRAIN_TIMEOUT):
            async for _ in events:
                pass


class EventBody:
    """The text of an event stream, with a timer that only complete events restart.

    A UTF-8 byte order mark is removed, because the first event could not be parsed with it. An empty line is added at
    the end, so that a last event without an empty line is parsed too. The text before the first event is kept.
    """

    def __init__(self, response: httpx.Response, limit: float | None, max_bytes: int) -> None:
        self.limit = limit
        self._max_bytes = max_bytes
        self._waiting = 0
        self._response = response
        self._unread: list[str] | None = []
        self._since = time.monotonic()
        if limit is not None:
            # httpx takes the read timeout of the body from this dict when reading begins. Until now the dict has the
            # timeout for the headers. The body has the limit between two events.
            response.request.extensions.get("timeout", {})["read"] = self.time_left()

    def time_left(self) -> float | None:
        """Return the seconds that the next event may still take."""
        now, deadline = time.monotonic(), deadline_of(self._response)
        limits = [] if self.limit is None else [self._since + self.limit - now]
        limits += [] if deadline is None else [deadline.remaining()]
        return max(min(limits), 0.001) if limits else None

    def check_deadline(self) -> None:
        if (deadline := deadline_of(self._response)) is not None:
            deadline.check()

    def read(self, limit: int) -> httpx.Response:
        """Read the body of a response that is not an event stream, within the time limit of an event."""
        with close_after(self._response, self.time_left()) as is_over:
            try:
                whole = read_body(self._response, limit)
            except (httpx.HTTPError, errors.PollinationsError):
                if not is_over():
                    raise
            else:
                if not is_over():
                    return whole
        self.check_deadline()
        raise _stall_error(self.limit)

    async def aread(self, limit: int) -> httpx.Response:
        """Like `read`."""
        try:
            async with asyncio.timeout(self.time_left()) as time_limit:
                return await aread_body(self._response, limit)
        except TimeoutError as error:
            if not time_limit.expired():
                raise
            self.check_deadline()
            raise _stall_error(self.limit) from error

    def replay(self, whole: httpx.Response) -> None:
        """Parse the events of a body that has been read."""
        self._response = whole

    def restart(self) -> None:
        self._since = time.monotonic()
        self._unread = None
        self._waiting = 0

    @property
    def has_no_events(self) -> bool:
        """Whether there was text but no event, so that the content type was wrong."""
        lines = "".join(self._unread or []).splitlines()
        return any(line.strip() and not line.startswith(":") for line in lines)

    def body(self) -> httpx.Response:
        """Return the response with its text as the body, if it was not an event stream."""
        return with_body(self._response, "".join(self._unread or []).encode())

    def iter_text(self) -> Iterator[str]:
        # The standard allows only UTF-8, whatever charset a header names.
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with self._map_read_timeout():
            for text in map(decoder.decode, iter_body(self._response, self._max_bytes, size=None)):
                if self.limit is not None and time.monotonic() - self._since > self.limit:
                    raise _stall_error(self.limit)
                yield self._record(text)
        yield "\n\n"

    async def aiter_text(self) -> AsyncGenerator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with self._map_read_timeout():
            async for piece in aiter_body(self._response, self._max_bytes, size=None):
                if self.limit is not None and time.monotonic() - self._since > self.limit:
                    raise _stall_error(self.limit)
                yield self._record(decoder.decode(piece))
        yield "\n\n"

    def _record(self, text: str) -> str:
        self._waiting += len(text)
        if self._waiting > MAX_EVENT:
            raise errors.InvalidResponseError(f"An event of the stream is longer than {MAX_EVENT:,} characters")
        if self._unread is None or not text:
            return text
        text = text if self._unread else text.removeprefix("\ufeff")
        self._unread.append(text)
        return text

    @contextlib.contextmanager
    def _map_read_timeout(self) -> Iterator[None]:
        try:
            yield
        except httpx.ReadTimeout as error:
            if self.limit is None:
                raise
            self.check_deadline()
            raise _stall_error(self.limit) from error


# Most pieces of a body are one event with one line of data. Only other text is parsed by httpx-sse, which takes twice
# the time.


def _single_event(text: str) -> str | None:
    """Return the data of a text that is one event with one line of data, or None. Empty data is no event here."""
    if text.startswith("data:") and text.find("\n") == len(text) - 2 and text.endswith("\n\n") and "\r" not in text:
        return (text[6:-2] if text[5] == " " else text[5:-2]) or None
    return None


class _Rest:
    """A piece of a body and the pieces up to the next that ends with an empty line, as a response for httpx-sse."""

    headers = {"content-type": "text/event-stream"}  # as checked by `is_event_stream`, in any letter case

    def __init__(self, text: str, pieces: Any, watched: EventBody) -> None:
        self._text, self._pieces, self._watched = text, pieces, watched

    def iter_text(self) -> Iterator[str]:
        yield self._text
        while not self._text.endswith(_EMPTY_LINES):
            if (text := next(self._pieces, None)) is None:
                return
            yield text
            self._text = text

    async def aiter_text(self) -> AsyncIterator[str]:
        yield self._text
        while not self._text.endswith(_EMPTY_LINES):
            if (text := await _next_piece(self._watched, self._pieces)) is None:
                return
            yield text
            self._text = text


_EMPTY_LINES = ("\n\n", "\r\n\r\n")


def iter_events(watched: EventBody) -> Generator[str]:
    pieces = watched.iter_text()
    for text in pieces:
        if (data := _single_event(text)) is not None:
            watched.restart()
            yield data
            watched.restart()
            continue
        for event in EventSource(_Rest(text, pieces, watched)).iter_sse():  # type: ignore[arg-type]
            if event.data or event.event != "message":  # else a comment, which httpx-sse reports after an `id:` line
                watched.restart()
                yield _event_data(event)
                watched.restart()


async def aiter_events(watched: EventBody) -> AsyncGenerator[str]:
    pieces = watched.aiter_text()
    async with contextlib.aclosing(pieces):
        while (text := await _next_piece(watched, pieces)) is not None:
            if (data := _single_event(text)) is not None:
                watched.restart()
                yield data
                watched.restart()
                continue
            rest = EventSource(_Rest(text, pieces, watched))  # type: ignore[arg-type]
            async with contextlib.aclosing(rest.aiter_sse()) as events:
                async for event in events:
                    if event.data or event.event != "message":
                        watched.restart()
                        yield _event_data(event)
                        watched.restart()


async def _next_piece(watched: EventBody, pieces: AsyncIterator[str]) -> str | None:
    """Return the next piece of a body, within the time that the next event may take. None is the end of the body."""
    coming = _anext(pieces)
    received: str | None
    try:
        waits_for = coming.send(None)
    except StopIteration as arrived:  # most pieces have been received, and need no timer
        received = arrived.value
        return received
    try:
        async with asyncio.timeout(watched.time_left()) as limit:
            received = await Resumed(coming, waits_for)
            return received
    except TimeoutError as error:
        if not limit.expired():
            raise
        watched.check_deadline()
        raise _stall_error(watched.limit) from error


async def _anext(pieces: AsyncIterator[str]) -> str | None:
    return await anext(pieces, None)


def _event_data(event: ServerSentEvent) -> str:
    """Return the data of an event. If only its name marks it as an error, wrap the data in an error object."""
    if event.event.lower() != "error":
        return event.data
    try:
        error = json.loads(event.data)
    except (ValueError, RecursionError):
        error = event.data[:MAX_ERROR] or "The stream has an error event without data"
    return event.data if isinstance(error, dict) and "error" in error else json.dumps({"error": error})


def _stall_error(limit: float | None) -> errors.StreamTimeoutError:
    return errors.StreamTimeoutError(
        f"The stream stayed without an event for {limit} s; raise `stream_chunk_timeout` if the model needs longer"
    )


_EVENT_START = re.compile(r"\ufeff?\s*(data|event|id|retry)?:")


_JSON_EVENT = re.compile(r"^data:[ \t]*(\{|\[DONE\])", re.MULTILINE)


def contains_events(response: httpx.Response) -> bool:
    """Whether a body with another content type is an event stream. A body of a text type must contain an event with
    JSON, because plain text may begin with `data:` or `:)`."""
    begins = _EVENT_START.match(response.text) is not None
    is_text = response.headers.get("content-type", "").startswith("text/")
    return begins and (not is_text or _JSON_EVENT.search(response.text) is not None)


def is_event_stream(response: httpx.Response) -> bool:
    return bool(response.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/event-stream")
