"""Cache of the addresses of uploaded files."""

from __future__ import annotations

import asyncio
import threading
import time
from hashlib import sha256

from langchain_pollinations._transport.request import RequestFlow
from langchain_pollinations.media import Media
from langchain_pollinations.uploads import upload_request

UPLOAD_LIFETIME = 25 * 24 * 3600
"""Seconds for which an upload is reused; the service keeps it for 30 days."""

MAX_UPLOADS = 1000
"""Uploads in the cache."""

MAX_WAIT = 60.0
"""Seconds to wait for another thread that uploads the same bytes."""

CHECK_INTERVAL = 0.25
"""Seconds between two checks while waiting; a cancellation takes effect after one of them."""


UploadKey = tuple[str, str]
"""The host of the upload, and the digest of its bytes."""


class UploadCache:
    """Addresses of the uploads of a wrapper. Equal references give equal requests, which the service bills once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[UploadKey, tuple[str, float]] = {}
        self._running: dict[UploadKey, threading.Event] = {}
        """Uploads in progress, each with an event that is set when the upload ends."""

    def __reduce__(self) -> tuple[type[UploadCache], tuple[()]]:
        return UploadCache, ()

    def address_of(self, item: Media, host: str) -> RequestFlow[str]:
        """The address of a `Media`, which is uploaded if it has none. A concurrent call for the same bytes waits, and
        uploads them itself if the first upload fails, is cancelled, or takes too long."""
        if item.url is not None and item.url.startswith(f"{host}/"):
            return item.url
        item = Media(item.data, item.mime_type)  # read a file only once
        place, ours = (host, sha256(item.data).hexdigest()), threading.Event()
        patience = time.monotonic() + MAX_WAIT
        while (turn := self._turn(place, ours)) is not ours and time.monotonic() < patience and not _in_event_loop():
            turn.wait(CHECK_INTERVAL)
            yield ()  # sends no request; a cancellation can take effect here
        try:
            if (known := self._find(place)) is None:
                stored = yield upload_request(item, host)
                known = self._keep(place, stored.url)
            return known
        finally:
            self._end(place, ours)

    def _turn(self, place: UploadKey, ours: threading.Event) -> threading.Event:
        """The event of the current upload: `ours` if no other upload is in progress."""
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
    """Whether an event loop runs in this thread. Waiting here would block the upload that is waited for."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
