"""Addresses of what a wrapper has uploaded."""

from __future__ import annotations

import asyncio
import threading
import time
from hashlib import sha256

from langchain_pollinations._transport.request import RequestFlow
from langchain_pollinations.media import Media
from langchain_pollinations.uploads import upload_request

UPLOAD_LIFETIME = 25 * 24 * 3600
"""Seconds for which an upload is used again; the service keeps it for 30 days."""

MAX_UPLOADS = 1000
"""Uploads that are remembered."""

MAX_WAIT = 60.0
"""Seconds to wait for somebody else's upload of the same bytes."""

CHECK_INTERVAL = 0.25
"""Seconds after which a cancellation ends this waiting."""


UploadKey = tuple[str, str]
"""Where something is uploaded to, and the digest of its bytes."""


class UploadCache:
    """Addresses of what a wrapper has uploaded: equal references are equal requests, which the service bills once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[UploadKey, tuple[str, float]] = {}
        self._running: dict[UploadKey, threading.Event] = {}
        """What is being uploaded, and what tells those who wait that this has ended."""

    def __eq__(self, other: object) -> bool:
        """It holds nothing that tells two wrappers apart."""
        return isinstance(other, UploadCache)

    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[type[UploadCache], tuple[()]]:
        return UploadCache, ()

    def address_of(self, item: Media, host: str) -> RequestFlow[str]:
        """The address of a media, which is uploaded where it has none. Who needs it meanwhile waits, and uploads it
        himself where the other fails, is cancelled, or takes too long."""
        if item.url is not None and item.url.startswith(f"{host}/"):
            return item.url
        item = Media(item.data, item.mime_type)  # a file is read once
        place, ours = (host, sha256(item.data).hexdigest()), threading.Event()
        patience = time.monotonic() + MAX_WAIT
        while (turn := self._turn(place, ours)) is not ours and time.monotonic() < patience and not _in_event_loop():
            turn.wait(CHECK_INTERVAL)
            yield ()  # no call, but where a cancellation can arrive
        try:
            if (known := self._find(place)) is None:
                stored = yield upload_request(item, host)
                known = self._keep(place, stored.url)
            return known
        finally:
            self._end(place, ours)

    def _turn(self, place: UploadKey, ours: threading.Event) -> threading.Event:
        """What ends the turn of whoever may upload now: ours, where nobody else does."""
        with self._lock:
            return self._running.setdefault(place, ours)

    def _end(self, place: UploadKey, ours: threading.Event) -> None:
        with self._lock:
            if self._running.get(place) is ours:
                del self._running[place]
        ours.set()

    def _find(self, place: UploadKey) -> str | None:
        with self._lock:
            url, since = self._known.get(place, (None, 0.0))
        return url if time.time() - since < UPLOAD_LIFETIME else None

    def _keep(self, place: UploadKey, url: str) -> str:
        with self._lock:
            while len(self._known) >= MAX_UPLOADS:
                del self._known[next(iter(self._known))]
            self._known[place] = (url, time.time())
        return url


def _in_event_loop() -> bool:
    """Whether an event loop runs in this thread: who waits here would hold up the one who is waited for."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
