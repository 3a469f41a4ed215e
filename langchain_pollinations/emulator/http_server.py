"""Runs an ASGI application as an HTTP server on `127.0.0.1`. The server has its own thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

HOST = "127.0.0.1"
TIMEOUT = 10.0  # timeout of starting and of stopping, in seconds


class _Server(uvicorn.Server):
    """A uvicorn server that sets the event `listens` when it accepts connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


class _Closing:
    """ASGI middleware that adds `close` to the scope. The application calls it to close the connection of a request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.server: uvicorn.Server | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app({**scope, "close": lambda: self._close(scope["client"])}, receive, send)

    def _close(self, client: tuple[str, int]) -> None:
        assert self.server is not None
        for connection in list(self.server.server_state.connections):
            if getattr(connection, "client", None) == tuple(client):
                connection.transport.close()


def _bound(host: str, port: int) -> socket.socket:
    # asyncio disables Nagle's algorithm, which delays small writes, only if the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # On Windows, SO_REUSEADDR would let two servers use the same port.
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
        listener.setsockopt(socket.SOL_SOCKET, exclusive, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"Port {port} cannot be used: {error.strerror}") from error
    except OverflowError:  # the port number is out of range
        listener.close()
        raise
    return listener


def _configured(app: ASGIApp, stop_time: int) -> _Server:
    closing = _Closing(app)
    config = uvicorn.Config(
        closing,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=stop_time,
    )
    server = _Server(config)
    closing.server = server
    return server


class Port:
    """Serves an application on a port from `start` to `stop`.

    Each start creates a new application. If `port` is 0, the first start picks a free port. Later starts use the same
    port. When the server stops, running requests have `stop_time` seconds to end.
    """

    def __init__(self, make: Callable[[], ASGIApp], port: int = 0, *, name: str, stop_time: int = 1) -> None:
        self._make, self._port, self._name, self._stop_time = make, port, name, stop_time
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.url = ""  # set by the first start

    @property
    def is_open(self) -> bool:
        return self._thread is not None

    def start(self) -> None:
        if self.is_open:
            return
        listener = _bound(HOST, self._port)
        self._port = listener.getsockname()[1]  # reused by later starts
        self.url = f"http://{HOST}:{self._port}"
        self._server = _configured(self._make(), self._stop_time)
        self._thread = threading.Thread(target=self._run, args=(self._server, listener), name=self._name, daemon=True)
        self._thread.start()
        if not self._server.listens.wait(TIMEOUT):
            raise RuntimeError("The emulator did not start")

    @staticmethod
    def _run(server: _Server, listener: socket.socket) -> None:
        asyncio.run(server.serve(sockets=[listener]))

    def end(self) -> None:
        """Ask the server to shut down. Return without waiting.

        `stop` waits until the server has shut down. Several servers shut down in parallel if `end` is called for each
        of them before the first `stop`.
        """
        if self._server is not None:
            self._server.should_exit = True

    def stop(self) -> None:
        self.end()
        if self._thread is not None:
            self._thread.join(TIMEOUT)
        self._server = self._thread = None
