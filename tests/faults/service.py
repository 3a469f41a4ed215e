"""A service between the client and the emulator: it forwards requests, or answers with a fault on a raw socket."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from langchain_pollinations.emulator import Emulator
from tests.faults.wire import CLOSE, RESET, SILENCE, Script, Steps
from tests.helpers.servers import read_request, serve

CERTIFICATES = Path(__file__).parent / "certificates"
HOSTS = ("gen", "text", "image", "other")
"""The unified host, the two legacy hosts, and another origin that redirects lead to."""
PATIENCE = 30.0
"""Seconds after which a silent connection is closed, so that a client without time limits fails a test."""


@dataclass
class FaultyService:
    """The hosts of the service. Each request is answered by the script, or by the emulator if there is none."""

    emulator: Emulator
    urls: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, bytes, bytes]] = field(default_factory=list)
    """Host, head and body of each request."""
    videos: dict[bytes, bytes] = field(default_factory=dict)
    """Responses to requests for videos. Each video is generated once, because that takes long."""
    answers: dict[str, Any] = field(default_factory=dict)
    """The genuine answer of each column."""
    is_emulator_faulty: bool = False
    _script: Script | None = None
    _times: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def break_(self, script: Script | None, times: int = 10_000) -> None:
        """Answer the next requests with a script."""
        with self._lock:
            self._script, self._times = script, times
            self.requests.clear()

    def take(self, host: str, head: bytes, body: bytes) -> Script | None:
        with self._lock:
            self.requests.append((host, head, body))
            if self._script is None or self._times == 0 or host == "other":
                return None
            self._times -= 1
            return self._script

    def genuine(self, host: str, head: bytes, body: bytes) -> bytes:
        """The response of the emulator, for a connection that stays open."""
        line = head.partition(b"\r\n")[0]
        if b"/video/" not in line or self.is_emulator_faulty:
            return self._forward(host, head, body)
        if line not in self.videos:
            self.videos[line] = self._forward(host, head, body)
        return self.videos[line]

    def _forward(self, host: str, head: bytes, body: bytes) -> bytes:
        upstream = {"text": "text_url", "image": "image_url"}.get(host)
        url = getattr(self.emulator.legacy, upstream) if upstream else self.emulator.url
        # A proxy is asked with the whole URL.
        line, _, headers = re.sub(rb"^(\w+) http://[^/ ]+", rb"\1 ", head, count=1).partition(b"\r\n")
        with socket.create_connection((urlsplit(url).hostname or "", urlsplit(url).port or 0), timeout=10) as link:
            headers = re.sub(rb"(?im)^connection:[^\r]*\r\n", b"", headers + b"\r\n")
            link.sendall(b"%b\r\nconnection: close\r\n%b\r\n%b" % (line, headers, body))
            response = b"".join(iter(lambda: link.recv(1 << 18), b""))
        return re.sub(rb"(?i)\r\nconnection: close", b"", response, count=1)


@contextlib.contextmanager
def faulty_service(emulator: Emulator) -> Iterator[FaultyService]:
    service = FaultyService(emulator)
    with contextlib.ExitStack() as stack:
        for host in HOSTS:
            service.urls[host] = stack.enter_context(serve(_handler(service, host)))
        for path in CERTIFICATES.glob("*.pem"):
            url = stack.enter_context(serve(_handler(service, "gen", path)))
            service.urls[path.stem] = url.replace("http:", "https:")
        yield service


def _handler(
    service: FaultyService, host: str, certificate: Path | None = None
) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            link: socket.socket = self.request
            with contextlib.suppress(OSError):
                if certificate is not None:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(certificate)
                    link = context.wrap_socket(link, server_side=True)
                while received := read_request(link):
                    script = service.take(host, *received)
                    if script is None or callable(script):
                        genuine = service.genuine(host, *received)
                        script = genuine if script is None else script(genuine)
                    if _play(link, (script,) if isinstance(script, bytes) else script):
                        break
            with contextlib.suppress(OSError):
                link.close()

    return Handler


def _play(link: socket.socket, steps: Steps) -> bool:
    """Send a response. Return whether the connection has ended."""
    for step in steps:
        if step is RESET:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh" if os.name == "nt" else "ii", 1, 0))
        if step in (RESET, CLOSE):
            return True
        if isinstance(step, bytes):
            link.sendall(step)
        elif _has_left(link, step if isinstance(step, float) else PATIENCE):
            return True
    return steps[-1:] == (SILENCE,)


def _has_left(link: socket.socket, seconds: float) -> bool:
    """Wait. Return at once if the client closes the connection."""
    end = time.monotonic() + seconds
    readable, _, _ = select.select([link], [], [], seconds)
    if readable and link.recv(1, socket.MSG_PEEK):
        time.sleep(max(0.0, end - time.monotonic()))
        return False
    return bool(readable)
