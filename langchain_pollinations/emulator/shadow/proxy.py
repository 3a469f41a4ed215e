"""The ASGI application of the shadow mode. It forwards requests, asks the emulator and records both responses."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qsl

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from langchain_pollinations.emulator.scripting.wire import refused
from langchain_pollinations.emulator.service import accounts
from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.shadow import records, report
from langchain_pollinations.emulator.shadow.captured import Capture, Captured
from langchain_pollinations.emulator.shadow.differences import Difference, compare
from langchain_pollinations.emulator.shadow.journal import Journal
from langchain_pollinations.emulator.shadow.mirrored_keys import MirroredKeys
from langchain_pollinations.emulator.shadow.records import Request
from langchain_pollinations.emulator.shadow.report import Report
from langchain_pollinations.emulator.state import State

MAX_IN_MEMORY = 1024 * 1024  # bytes of a request body that are kept in memory; the rest is kept in a temporary file
CHUNK = 64 * 1024
MAX_EXCHANGES = 64  # at the same time; further requests wait
CONNECT_TIMEOUT, READ_TIMEOUT = 30.0, 600.0  # seconds
KEY_TIMEOUT = 30.0  # seconds for reading the state of an API key
LEAVING_TIME = 1.0  # seconds that a response has to end after its client has left
# Headers of a connection, not of a message.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    b"upgrade".split()
)
CLIENT_LEFT = "The client disconnected"
Headers = Sequence[tuple[bytes, bytes]]


class Upstream:
    """The server to which requests are forwarded.

    Its certificate is verified. Redirects are not followed, so that no API key reaches another host.
    """

    def __init__(self, url: httpx.URL) -> None:
        self.url = url
        self._tls: ssl.SSLContext | bool = httpx.create_ssl_context() if url.scheme == "https" else False

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            verify=self._tls,
            follow_redirects=False,
            timeout=httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT),
            trust_env=self.url.scheme == "https",  # a proxy could read the API key of an http request
        )

    def request(self, scope: Scope, body: BinaryIO) -> httpx.Request:
        """Return the request of a client with the address of the upstream."""
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        # The upstream must not compress its response, because a compressed response could not be compared.
        replaced = HOP_BY_HOP | {b"host", b"accept-encoding"}
        headers = [(name, value) for name, value in scope["headers"] if name.lower() not in replaced]
        own = [(b"Host", self.url.netloc), (b"Accept-Encoding", b"identity")]
        has_body = any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
        return httpx.Request(
            scope["method"],
            self.url,
            headers=[*own, *headers],
            content=_pieces(body) if has_body else None,
            extensions={"target": self.url.raw_path.rstrip(b"/") + target},
        )

    async def read(self, path: str, key: str) -> tuple[int, Any]:
        """Return the status and the JSON of a path. The status is 0 if the upstream cannot be reached."""
        try:
            async with self.client() as client:
                url = f"{str(self.url).rstrip('/')}{path}"
                response = await client.get(url, headers={"authorization": f"Bearer {key}"}, timeout=KEY_TIMEOUT)
                return response.status_code, response.json()
        except (httpx.TransportError, ValueError):  # ValueError: the body is not JSON
            return 0, None


async def _pieces(body: BinaryIO) -> Any:
    body.seek(0)
    while piece := body.read(CHUNK):
        yield piece


class Shadow:
    """Forwards each request to the upstream, and asks the emulator the same request.

    The emulator answers one request after the other, in the order in which the responses of the upstream end.

    Args:
        upstream: The server to which requests are forwarded.
        state: The state of the emulator.
        emulator: The application of the emulator.
        journal: The file for the exchanges.
        found: Receives the counts.
        tell: Receives the lines about each exchange.
    """

    def __init__(
        self,
        upstream: Upstream,
        state: State,
        emulator: ASGIApp,
        journal: Journal,
        found: Report,
        tell: Callable[[str], None],
    ) -> None:
        self._upstream, self._state, self._emulator = upstream, state, emulator
        self._journal, self._report, self._tell = journal, found, tell
        self._keys = MirroredKeys(state.keys, upstream.read)
        self._turn = asyncio.Lock()
        self._places = asyncio.Semaphore(MAX_EXCHANGES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if not scope["raw_path"].startswith(b"/"):
            await refused(Refusal(400, "The path of the request must start with '/'"))(scope, receive, send)
            return
        async with self._places:
            with tempfile.SpooledTemporaryFile(MAX_IN_MEMORY) as file:
                await self._exchange(scope, receive, send, cast(BinaryIO, file))

    async def _exchange(self, scope: Scope, receive: Receive, send: Send, body: BinaryIO) -> None:
        request = _read_head(scope, body)
        if not await _spooled(receive, body):
            self._record(request, None, None, note=f"{CLIENT_LEFT} before its request was complete")
            return
        capture = Capture()
        try:
            await self._forward(scope, receive, send, body, capture)
            theirs = capture.result()
            if theirs.status is None:
                self._record(request, theirs, None, note=theirs.failure)
                return
            async with self._turn:
                await self._keys.mirror(accounts.given_key(request.headers, request.query))
                ours = await self._ask(scope, body)
        except asyncio.CancelledError:
            self._record(request, capture.result(), None, note="The shadow mode was stopped")
            raise
        self._record(request, theirs, ours)

    # The upstream.

    async def _forward(self, scope: Scope, receive: Receive, send: Send, body: BinaryIO, capture: Capture) -> None:
        """Forward a request until the response ends or the client leaves."""
        passing = asyncio.create_task(self._pass_on(scope, receive, send, body, capture))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({passing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not passing.done():
                # A client may leave at the last event, shortly before the end of the response.
                await asyncio.wait({passing}, timeout=LEAVING_TIME)
            if passing.done():
                passing.result()
            else:
                capture.failure = CLIENT_LEFT
        finally:
            for task in (passing, leaving):
                task.cancel()
            await asyncio.gather(passing, leaving, return_exceptions=True)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, body: BinaryIO, capture: Capture) -> None:
        try:
            await self._copy(scope, send, body, capture)
        except httpx.TransportError as error:
            reason = f"{type(error).__name__}: {error}".removesuffix(": ")
            if capture.has_started:
                capture.failure = f"The upstream broke off the response ({reason})"
                scope["close"]()
                return
            capture.failure = f"The upstream {self._upstream.url} did not answer ({reason})"
            await refused(Refusal(502, capture.failure))(scope, receive, send)
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _copy(self, scope: Scope, send: Send, body: BinaryIO, capture: Capture) -> None:
        async with self._upstream.client() as client:
            response = await client.send(self._upstream.request(scope, body), stream=True)
            try:
                headers = [(k.lower(), v) for k, v in response.headers.raw if k.lower() not in HOP_BY_HOP]
                capture.start(response.status_code, headers)
                await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
                async for piece in response.aiter_raw():
                    capture.add(piece)
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            finally:
                await response.aclose()

    # The emulator.

    async def _ask(self, scope: Scope, body: BinaryIO) -> Captured:
        """Return the response of the emulator."""
        capture = Capture()
        body.seek(0)

        async def receive() -> Message:
            piece = body.read(CHUNK)
            return {"type": "http.request", "body": piece, "more_body": bool(piece)}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                capture.start(message["status"], message.get("headers", []))
            elif scope["method"] != "HEAD":
                capture.add(message.get("body", b""))

        answering = asyncio.create_task(_call(self._emulator, scope, receive, send))
        try:
            await asyncio.wait({answering})
        finally:
            answering.cancel()
        error = answering.exception()
        if error is not None:
            capture.failure = f"The emulator failed: {error!r}"
        self._state.requests.clear()  # they are in the file
        return capture.result()

    # The results.

    def _record(self, request: Request, theirs: Captured | None, ours: Captured | None, note: str = "") -> None:
        redactor = request.redactor
        found = [] if theirs is None or ours is None else compare(request.path, theirs, ours)
        found = [
            Difference(each.kind, each.place, redactor.text(each.upstream), redactor.text(each.emulator))
            for each in found
        ]
        path, note = redactor.text(request.path), redactor.text(note)
        self._report.add(request.method, path, found, note)
        self._tell(report.line(request.method, path, theirs, found, note))
        try:
            self._journal.write(records.record(request, theirs, ours, found, note))
        except OSError as error:
            self._report.unwritten[str(error)] += 1
            self._tell(f"The exchange could not be written to {self._journal.path}: {error}")


async def _call(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _spooled(receive: Receive, body: BinaryIO) -> bool:
    """Write the request body to a file. Return whether it is complete."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        body.write(message.get("body", b""))
        if not message.get("more_body"):
            return True


def _read_head(scope: Scope, body: BinaryIO) -> Request:
    return Request(
        scope["method"],
        scope["path"],
        dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
        body,
    )
