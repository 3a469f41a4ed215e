"""Starts and stops the shadow mode."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType

import httpx

from langchain_pollinations.emulator.app import Application
from langchain_pollinations.emulator.http_server import Port
from langchain_pollinations.emulator.shadow.journal import Journal
from langchain_pollinations.emulator.shadow.proxy import Shadow, Upstream
from langchain_pollinations.emulator.shadow.report import Report
from langchain_pollinations.emulator.state import State

SERVICE = "https://gen.pollinations.ai"
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
STOP_TIME = 5  # seconds that running exchanges have to end when the server stops


def upstream_url(text: str) -> httpx.URL:
    """Parse the address of an upstream.

    Raises:
        ValueError: If it is not an https address. An http address is allowed for this machine only, because the
            API keys are sent to it.
    """
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError(f"the address is not a URL: {error}") from None
    if not url.host or url.userinfo or url.query or url.fragment:  # which can contain a key
        raise ValueError("the address must have the form https://host, without user, query and fragment")
    if url.scheme == "https" or (url.scheme == "http" and url.host in LOCAL_HOSTS):
        return url
    allowed = f"must start with https://; http:// is allowed for {', '.join(LOCAL_HOSTS)} only"
    raise ValueError(f"the address {text!r} {allowed}")


class ShadowServer:
    """The shadow mode on a port of 127.0.0.1.

    Example:
        with ShadowServer("live.jsonl") as shadow:
            print(ChatPollinations(base_url=shadow.url).invoke("Hello").text)
        print(shadow.report.text())

    Args:
        record: Path of the file to which the exchanges are appended.
        upstream: Address of the server to which requests are forwarded.
        port: Port of the server. With 0, it uses a free port.
        dialect: Response format of all models of the emulator.
        tell: Receives the lines about each exchange.

    Attributes:
        report: Counts of the exchanges and of their differences.

    Raises:
        ValueError: If `upstream` is not an https address, or an http address of this machine.
    """

    def __init__(
        self,
        record: str | os.PathLike[str],
        upstream: str = SERVICE,
        port: int = 0,
        *,
        dialect: str | None = None,
        tell: Callable[[str], None] = lambda lines: None,
    ) -> None:
        self.report = Report()
        self._record, self._upstream, self._tell = record, Upstream(upstream_url(upstream)), tell
        self._journal: Journal | None = None
        self._state = State(keys={}, dialect=dialect)
        self._port = Port(self._application, port, name="pollinations-shadow", stop_time=STOP_TIME)

    def _application(self) -> Shadow:
        assert self._journal is not None
        return Shadow(self._upstream, self._state, Application(self._state), self._journal, self.report, self._tell)

    def start(self) -> ShadowServer:
        """Start the server.

        Raises:
            OSError: If the port or the file cannot be used.
            RuntimeError: If the server does not start within 10 seconds.
        """
        if self._journal is None:
            self._journal = Journal(self._record)
        try:
            self._port.start()
        except (OSError, OverflowError):
            self.stop()
            raise
        self._state.url = self._port.url
        return self

    def stop(self) -> None:
        """Stop the server. Running exchanges have 5 seconds to end."""
        self._port.stop()
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def __enter__(self) -> ShadowServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Base URL for clients."""
        return self._port.url
