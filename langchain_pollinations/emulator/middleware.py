"""ASGI middleware of all hosts. It reads and records requests, sends scripted responses, and adds common headers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qsl

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from langchain_pollinations.emulator.scripting.reply_queue import Damage, Entry, Script
from langchain_pollinations.emulator.scripting.wire import ConnectionCut, Damaged, Finished, played
from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.state import Asked, Requests

logger = logging.getLogger(__name__)

MIB = 1024 * 1024
BODY_LIMIT = 20 * MIB
MARK = (b"x-emulator", b"langchain-pollinations")  # on every response, to identify the emulator

Headers = Sequence[tuple[bytes, bytes]]


async def _body(receive: Receive, limit: int) -> bytes:
    """Read the whole request body.

    A body over the limit is also read to its end. Otherwise, the client could not receive the error response.

    Raises:
        Finished: If the client closes the connection before the end of the body.
        Refusal: If the body is over the limit.
    """
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Finished
        piece = message.get("body", b"")
        size += len(piece)
        if size <= limit:
            pieces.append(piece)
        if not message.get("more_body"):
            break
    if size > limit:
        raise Refusal(413)
    return b"".join(pieces)


async def _close(scope: Scope, receive: Receive) -> None:
    """Close the connection of a request and wait until it is closed."""
    scope["close"]()
    while (await receive())["type"] != "http.disconnect":
        pass


class Middleware:
    """Reads and records requests, sends scripted responses that need no route, and adds headers to every response."""

    host = "gen"

    def __init__(self, requests: Requests, script: Script, routes: ASGIApp) -> None:
        self._requests, self._script, self._routes = requests, script, routes

    # Defined by each host.

    def limit(self, asked: Asked) -> int:
        """Return the maximum size of the request body in bytes."""
        return BODY_LIMIT

    def refuse(self, asked: Asked, refusal: Refusal) -> Response:
        """Convert an error to a response in the format of the host."""
        raise NotImplementedError

    def place(self, asked: Asked) -> str:
        """Return the path that is compared with the `on` argument of scripted entries."""
        return asked.path

    def stamped(self, status: int, headers: Headers) -> Headers:
        """Add the headers that all responses of the host have."""
        raise NotImplementedError

    # Request handling.

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            await self._answer(scope, receive, self._stamping(send))
        except ConnectionCut:
            await _close(scope, receive)
        except Finished:
            pass
        except Exception:  # a bug in the emulator: the routes have sent an error response, the log has the traceback
            logger.exception("The emulator failed at %s %s", scope["method"], scope["path"])
            raise

    def _stamping(self, send: Send) -> Send:
        async def stamping(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": self.stamped(message["status"], message.get("headers", []))}
            await send(message)

        return stamping

    def _read_head(self, scope: Scope) -> Asked:
        raw_path = scope.get("raw_path") or scope["path"].encode()
        return Asked(
            method=scope["method"],
            path=scope["path"],
            raw_path=raw_path.decode("latin-1"),
            query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
            headers={k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]},
            client=tuple(scope["client"]),
            host=self.host,
        )

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = self._read_head(scope)
        try:
            body = await _body(receive, self.limit(asked))
        except Refusal as refusal:
            self._requests.remember(asked)
            await self.refuse(asked, refusal)(scope, receive, send)
            return
        asked = replace(asked, body=body)
        self._requests.remember(asked)
        entry = self._script.take(self.place(asked), messages=False)
        if isinstance(entry, Damage):
            if entry.delay:
                await asyncio.sleep(entry.delay)
            if entry.kind == "drop":
                raise ConnectionCut
            await self._routes({**scope, "asked": asked}, receive, Damaged(send, entry))
        elif entry is not None:
            await (await self._played(asked, entry))(scope, receive, send)
        else:
            await self._routes({**scope, "asked": asked}, receive, send)

    async def _played(self, asked: Asked, entry: Entry) -> Response:
        try:
            return await played(entry)
        except Refusal as refusal:
            return self.refuse(asked, refusal)
