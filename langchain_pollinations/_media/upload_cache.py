"""Cache of the URLs of uploaded files."""

from __future__ import annotations

import threading
import time
from hashlib import sha256

from langchain_pollinations._transport.request import RequestFlow
from langchain_pollinations.media import Media
from langchain_pollinations.uploads import upload_request

UPLOAD_LIFETIME = 25 * 24 * 3600
"""Seconds for which an upload is reused. The service keeps an upload for 30 days."""

MAX_UPLOADS = 1000
"""Maximum number of uploads in the cache."""


UploadKey = tuple[str, str]
"""The host of the upload, and the digest of the uploaded bytes."""


class UploadCache:
    """Cache of the URLs of the uploads of a wrapper.

    Equal references get equal URLs. Equal calls therefore send equal requests, and the service bills these once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[UploadKey, tuple[str, float]] = {}

    def __reduce__(self) -> tuple[type[UploadCache], tuple[()]]:
        return UploadCache, ()

    def address_of(self, item: Media, host: str) -> RequestFlow[str]:
        """Return the URL of a `Media` on the media host. Upload the `Media` if it has no such URL.

        Concurrent calls may upload the same bytes more than once. The service gives each upload a new URL. All calls
        use the first URL, so that their requests are equal.
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
