"""Sends responses and injects connection faults."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from langchain_pollinations.emulator.scripting.reply_queue import DONE, Chunks, Damage, Entry, Raw, Refused
from langchain_pollinations.emulator.service.error_responses import Refusal


class ConnectionCut(Exception):
    """Raised to close the connection at once."""


class Finished(Exception):
    """Raised to end the response although the application has more to send."""


class ChunkedResponse(Response):
    """A response whose body is sent in chunks. Each chunk is one network write."""

    def __init__(
        self,
        pieces: Iterable[bytes],
        *,
        headers: Mapping[str, str],
        status: int = 200,
        chunk_delay: float = 0.0,
    ) -> None:
        self.pieces, self.status_code, self.chunk_delay = pieces, status, chunk_delay
        self.background = None
        self.raw_headers = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        remaining = int(dict(self.raw_headers).get(b"content-length", 0))
        for place, piece in enumerate(self.pieces):
            await asyncio.sleep(self.chunk_delay if place else 0)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            remaining -= len(piece)
        if remaining > 0:
            raise ConnectionCut  # the script announces more bytes than it has: a body that ends early
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def refused(refusal: Refusal) -> Response:
    headers = {"cache-control": "no-store", **refusal.headers}
    return Response(refusal.body(), refusal.status, headers=headers, media_type="application/json")


async def played(entry: Entry) -> Response:
    """Return the response of a scripted entry that is sent without validating the request.

    Raises:
        Refusal: If the entry is an error. The host converts the error to its own format.
    """
    if entry.delay:
        await asyncio.sleep(entry.delay)
    if isinstance(entry, Refused):
        raise entry.refusal.with_traceback(None)  # the same instance is raised each time
    if isinstance(entry, Raw):
        return Response(entry.body, entry.status, headers=dict(entry.headers))
    if isinstance(entry, Chunks):
        return ChunkedResponse(entry.pieces, headers=entry.headers, status=entry.status, chunk_delay=entry.chunk_delay)
    raise TypeError(f"{type(entry).__name__} is no answer")


def _ends(piece: bytes) -> bool:
    """Whether a stream event contains the finish reason, the usage or `[DONE]`."""
    return piece == DONE or b'"finish_reason": null' not in piece


def _events(message: Message) -> Iterator[Message]:
    """Split an ASGI message into stream events. A cached stream arrives as a single message."""
    events = re.findall(rb".+?(?:\n\n|\Z)", message.get("body", b""), re.DOTALL)
    for event in events[:-1]:
        yield {**message, "body": event, "more_body": True}
    yield {**message, "body": events[-1] if events else b""}


class Damaged:
    """Replaces the ASGI `send` callable and injects a connection or stream fault."""

    def __init__(self, send: Send, damage: Damage) -> None:
        self._send, self._damage = send, damage
        self._is_stream = False
        self._events = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: Sequence[tuple[bytes, bytes]] = message.get("headers", [])
            self._is_stream = any(k == b"content-type" and v.startswith(b"text/event-stream") for k, v in headers)
            await self._send(message)
        elif self._is_stream:
            for event in _events(message):
                await self._event(event)
        else:
            await self._whole(message)

    async def _whole(self, message: Message) -> None:
        body, damage = message.get("body", b""), self._damage
        after = len(body) // 2 if damage.after is None else damage.after
        if damage.kind == "no end":
            await self._send({**message, "body": body, "more_body": False})
            return
        await self._send({"type": "http.response.body", "body": body[:after], "more_body": True})
        if damage.kind == "cut":
            raise ConnectionCut
        await asyncio.sleep(damage.seconds)
        await self._send({**message, "body": body[after:]})

    async def _event(self, message: Message) -> None:
        if self._is_fault_position(message):
            await self._inject()
        self._events += 1
        await self._send(message)

    def _is_fault_position(self, message: Message) -> bool:
        if self._damage.after is not None:
            return self._events == self._damage.after
        return (
            self._damage.kind == "no end"
            and _ends(message.get("body", b""))
            or (self._damage.kind != "no end" and self._events == 2)
        )

    async def _inject(self) -> None:
        if self._damage.kind == "cut":
            raise ConnectionCut
        if self._damage.kind == "no end":
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            raise Finished
        await self._stall()

    async def _stall(self) -> None:
        if not self._damage.pings:
            await asyncio.sleep(self._damage.seconds)
            return
        step = min(0.05, self._damage.seconds / 4)
        for _ in range(max(1, round(self._damage.seconds / step))):
            await asyncio.sleep(step)
            await self._send({"type": "http.response.body", "body": b": ping\n\n", "more_body": True})
