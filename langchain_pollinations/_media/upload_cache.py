"""Addresses of what a wrapper has uploaded."""

from __future__ import annotations

import asyncio
import threading
import time
from hashlib import sha256

from langchain_pollinations._transport.request import Flow
from langchain_pollinations.media import Media
from langchain_pollinations.uploads import upload_call

UPLOADS_KEPT = 25 * 24 * 3600
"""Seconds for which an upload is used again; the service keeps it for 30 days."""

MOST_KEPT = 1000
"""Uploads that are remembered."""

LONGEST_TURN = 60.0
"""Seconds to wait for somebody else's upload of the same bytes."""

TURN_CHECKED = 0.25
"""Seconds after which a cancellation ends this waiting."""


Place = tuple[str, str]
"""Where something is uploaded to, and the digest of its bytes."""


class Uploaded:
    """Addresses of what a wrapper has uploaded: equal references are equal requests, which the service bills once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Place, tuple[str, float]] = {}
        self._running: dict[Place, threading.Event] = {}
        """What is being uploaded, and what tells those who wait that this has ended."""

    def __eq__(self, other: object) -> bool:
        """It holds nothing that tells two wrappers apart."""
        return isinstance(other, Uploaded)

    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[type[Uploaded], tuple[()]]:
        return Uploaded, ()

    def address_of(self, item: Media, host: str) -> Flow[str]:
        """The address of a media, which is uploaded where it has none. Who needs it meanwhile waits, and uploads it
        himself where the other fails, is cancelled, or takes too long."""
        if item.url is not None and item.url.startswith(f"{host}/"):
            return item.url
        item = Media(item.data, item.mime_type)  # a file is read once
        place, ours = (host, sha256(item.data).hexdigest()), threading.Event()
        patience = time.monotonic() + LONGEST_TURN
        while (turn := self._turn(place, ours)) is not ours and time.monotonic() < patience and not _in_event_loop():
            turn.wait(TURN_CHECKED)
            yield ()  # no call, but where a cancellation can arrive
        try:
            if (known := self._find(place)) is None:
                stored = yield upload_call(item, host)
                known = self._keep(place, stored.url)
            return known
        finally:
            self._end(place, ours)

    def _turn(self, place: Place, ours: threading.Event) -> threading.Event:
        """What ends the turn of whoever may upload now: ours, where nobody else does."""
        with self._lock:
            return self._running.setdefault(place, ours)

    def _end(self, place: Place, ours: threading.Event) -> None:
        with self._lock:
            if self._running.get(place) is ours:
                del self._running[place]
        ours.set()

    def _find(self, place: Place) -> str | None:
        with self._lock:
            url, since = self._known.get(place, (None, 0.0))
        return url if time.time() - since < UPLOADS_KEPT else None

    def _keep(self, place: Place, url: str) -> str:
        with self._lock:
            while len(self._known) >= MOST_KEPT:
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
