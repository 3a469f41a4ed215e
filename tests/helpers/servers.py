"""Servers on 127.0.0.1 for responses that the emulator does not give."""

from __future__ import annotations

import contextlib
import re
import socket
import socketserver
import threading
from collections.abc import Iterator


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


@contextlib.contextmanager
def serve(handler: type[socketserver.BaseRequestHandler]) -> Iterator[str]:
    """The address of a server that handles each connection in a thread of its own."""
    with _Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def read_request(link: socket.socket) -> tuple[bytes, bytes] | None:
    """Head and body of the next request of a connection; None at its end."""
    head = b""
    while b"\r\n\r\n" not in head:
        if not (piece := link.recv(65_536)):
            return None
        head += piece
        if head.startswith(b"\x16"):  # TLS, which this server does not support
            return None
    head, _, body = head.partition(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head.lower())
    while len(body) < (int(found[1]) if found else 0):
        if not (piece := link.recv(65_536)):
            return None
        body += piece
    return head, body
