"""The bytes of media in a LangChain `ByteStore`, under their SHA-256."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_core.stores import BaseStore, ByteStore

from langchain_pollinations._media.artifacts import artifact_error

MAX_ITEMS = 50
MAX_BYTES = 32 * 1024 * 1024


class InProcessStore(BaseStore[str, bytes]):
    """The default store of the tools. It keeps the newest values in memory.

    The store keeps at most 50 media, which have two values each, and at most 32 MiB. It always keeps the values of the
    last `mset`. A copy, or a store that is restored from a pickle, is empty.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, bytes] = {}

    def __reduce__(self) -> tuple[type[InProcessStore], tuple[()]]:
        return InProcessStore, ()

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        with self._lock:
            return [self._kept.get(key) for key in keys]

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        new = dict(key_value_pairs)
        with self._lock:
            for key in new:
                self._kept.pop(key, None)
            self._kept.update(new)
            size = sum(map(len, self._kept.values()))
            while len(self._kept) > len(new) and (len(self._kept) > 2 * MAX_ITEMS or size > MAX_BYTES):
                size -= len(self._kept.pop(next(iter(self._kept))))

    def mdelete(self, keys: Sequence[str]) -> None:
        with self._lock:
            for key in keys:
                self._kept.pop(key, None)

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        with self._lock:
            keys = list(self._kept)
        return (key for key in keys if key.startswith(prefix or ""))


def check_store(value: Any, name: str = "media_store") -> ByteStore:
    """Raise a `ValueError` if a value is not a `ByteStore`."""
    if not isinstance(value, BaseStore):
        raise ValueError(f"{name} must be a ByteStore of langchain_core.stores, not {type(value).__name__}")
    return value


def bytes_key(sha256: str) -> str:
    """Return the key of bytes. Only a reader who already knows the digest of the bytes can find them."""
    return f"pollinations/media/{sha256}"


def store_values(store: ByteStore, values: Mapping[str, bytes]) -> None:
    """Store values, except those that the store already has.

    A `LocalFileStore` truncates a file before it writes the file, which another process may be reading. The default
    store writes all values again, so that they count as new.
    """
    is_shared = not isinstance(store, InProcessStore)
    found = store.mget(list(values)) if is_shared else [None] * len(values)
    new = [(key, value) for (key, value), old in zip(values.items(), found, strict=True) if value != old]
    if new:
        store.mset(new)


def read_bytes(store: ByteStore, sha256: str) -> bytes | None:
    """Return the bytes with a digest, or None if the store does not contain them.

    Raises:
        ValueError: If the store has other bytes under this digest.
    """
    (data,) = check_store(store, "store").mget([bytes_key(sha256)])
    if data is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise artifact_error(f"the store has other bytes under the sha256 {sha256}")
    return data


def check_digest(value: Any) -> str:
    """Return the digest of an artifact.

    Raises:
        ValueError: If it is not the SHA-256 of bytes, in hexadecimal.
    """
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{64}", value):
        raise artifact_error("sha256 must be 64 hexadecimal digits in lower case")
    return value
