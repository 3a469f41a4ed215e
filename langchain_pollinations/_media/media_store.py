"""Store of generated media for tools. A language model passes the id of a media to a tool, not the bytes."""

from __future__ import annotations

import hashlib
import re
import threading

from langchain_pollinations._media.permitted_files import open_regular_file
from langchain_pollinations.media import Media

MAX_ITEMS = 50
MAX_BYTES = 32 * 1024 * 1024


class MediaStore:
    """The newest media of a set of tools, by id.

    The store keeps at most 50 items, and at most 32 MiB of bytes in memory. It always keeps the newest item. A store
    that is restored from a pickle is empty.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, Media] = {}

    def __reduce__(self) -> tuple[type[MediaStore], tuple[()]]:
        return MediaStore, ()

    def add(self, media: Media, secret: str = "\0") -> str:
        """Store a `Media` and return its id.

        The id is the last part of the URL of the `Media`, because the service's media host uses the same id for the
        file. The id is a digest of the bytes if the `Media` has no URL, or if the last part contains `secret` or is not
        a valid id.
        """
        name = _id_of(media, secret)
        with self._lock:
            self._kept.pop(name, None)
            self._kept[name] = media
            while len(self._kept) > MAX_ITEMS or (
                len(self._kept) > 1 and sum(map(_stored_bytes, self._kept.values())) > MAX_BYTES
            ):
                del self._kept[next(iter(self._kept))]
        return name

    def find(self, reference: str) -> Media | None:
        """Return the `Media` with this id or URL. Return None if the store does not contain it."""
        with self._lock:
            named, at_end = self._kept.get(reference), self._kept.get(reference.rpartition("/")[2])
        return at_end if named is None and at_end is not None and at_end.url == reference else named


def _id_of(media: Media, secret: str) -> str:
    end = (media.url or "").rpartition("/")[2]
    is_id = re.fullmatch(r"[A-Za-z0-9._-]{1,128}", end) and secret not in end
    return end if is_id else _digest(media).hexdigest()[:16]


def _digest(media: Media) -> hashlib._Hash:
    """Return a digest of the bytes. A file is read in chunks."""
    if media.path is None:
        return hashlib.sha256(media.data)
    with open_regular_file(media.path) as file:
        return hashlib.file_digest(file, "sha256")


def _stored_bytes(media: Media) -> int:
    return media.size if media.path is None else 0
