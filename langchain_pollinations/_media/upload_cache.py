"""Cache of the addresses of uploaded files."""

from __future__ import annotations

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


UploadKey = tuple[str, str]
"""The host of the upload, and the digest of its bytes."""


class UploadCache:
    """Addresses of the uploads of a wrapper. Equal references give equal requests, which the service bills once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[UploadKey, tuple[str, float]] = {}

    def __reduce__(self) -> tuple[type[UploadCache], tuple[()]]:
        return UploadCache, ()

    def address_of(self, item: Media, host: str) -> RequestFlow[str]:
        """Return the address of a `Media`, which is uploaded if it has none.

        Concurrent calls may upload the same bytes more than once. The service gives each upload a new address; all
        calls use the first one, so that their requests are equal.
        """
        if item.url is not None and item.url.startswith(f"{host}/"):
            return item.url
        item = Media(item.data, item.mime_type)  # read a file only once
        key = host, sha256(item.data).hexdigest()
        with self._lock:
            known = self._find(key)
        if known is not None:
            return known
        stored = yield upload_request(item, host)
        with self._lock:
            return self._find(key) or self._add(key, stored.url)

    def _find(self, key: UploadKey) -> str | None:
        url, since = self._known.get(key, (None, 0.0))
        return url if time.time() - since < UPLOAD_LIFETIME else None

    def _add(self, key: UploadKey, url: str) -> str:
        self._known.pop(key, None)
        while len(self._known) >= MAX_UPLOADS:
            del self._known[next(iter(self._known))]
        self._known[key] = (url, time.time())
        return url
