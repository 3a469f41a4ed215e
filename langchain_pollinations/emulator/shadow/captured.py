"""A response as it was received, and the part of its body that is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

MAX_KEPT = 16 * 1024 * 1024  # bytes of a body that are kept to compare it
HEAD = 64  # bytes that are kept of a larger body, to detect its format


@dataclass(frozen=True)
class Captured:
    """A received response.

    Attributes:
        status: The status, or None if no response was received.
        headers: The headers, with names in lower case.
        body: The body, or None if it exceeds `MAX_KEPT`.
        head: The first bytes of the body.
        size: Size of the received body in bytes.
        sha256: Hash of the received body.
        seconds: Time until the end of the response.
        failure: Why the response is not complete. It is empty for a complete response.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = b""
    head: bytes = b""
    size: int = 0
    sha256: str = sha256(b"").hexdigest()
    seconds: float = 0.0
    failure: str = ""

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_json(self) -> bool:
        return self.media_type == "application/json" or self.media_type.endswith("+json")

    @property
    def is_stream(self) -> bool:
        return self.media_type == "text/event-stream"

    @property
    def is_text(self) -> bool:
        return self.media_type.startswith("text/") or self.is_json

    @cached_property
    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: If the body is not JSON, or was not kept.
        """
        try:
            return json.loads(self.body or b"")
        except RecursionError:
            raise ValueError("the JSON has too many levels") from None


class Capture:
    """Receives a response."""

    def __init__(self) -> None:
        self.failure = ""
        self._status: int | None = None
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self._head = b""
        self._size, self._hash = 0, sha256()
        self._started = time.monotonic()

    @property
    def has_started(self) -> bool:
        return self._status is not None

    def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._status = status
        for key, value in headers:
            name, text = key.decode("latin-1").lower(), value.decode("latin-1")
            self._headers[name] = f"{self._headers[name]}, {text}" if name in self._headers else text

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        self._hash.update(piece)
        self._head = (self._head + piece)[:HEAD] if len(self._head) < HEAD else self._head
        if self._size <= MAX_KEPT:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def result(self) -> Captured:
        return Captured(
            self._status,
            dict(self._headers),
            b"".join(self._pieces) if self._size <= MAX_KEPT else None,
            self._head,
            self._size,
            self._hash.hexdigest(),
            time.monotonic() - self._started,
            self.failure,
        )
