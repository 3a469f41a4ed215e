"""The media of tools in a `ByteStore`, by id. A language model passes the id of a media to a tool, not the bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.stores import ByteStore

from langchain_pollinations._media.byte_store import InProcessStore, bytes_key, store_values
from langchain_pollinations.errors import InvalidRequestError
from langchain_pollinations.media import Media

_OWNERS = ("langgraph_auth_user_id", "thread_id")
"""Keys of `configurable` that name the owner of a media. The first that is set counts."""


def owner_of(config: RunnableConfig) -> str:
    """Return the owner of the media of a run.

    The owner is the user that a LangGraph server authenticated, otherwise the thread. Runs with neither share one
    owner.
    """
    configurable = config.get("configurable") or {}
    names = (name for name in _OWNERS if configurable.get(name) not in (None, ""))
    return next((f"{name}={configurable[name]}" for name in names), "")


def add_media(store: ByteStore, media: Media, owner: str) -> dict[str, Any]:
    """Store a `Media` for its owner, and return its artifact.

    The store gets two values: the bytes under their digest, and a record under the owner and the id. The bytes of a
    `Media` in a file stay in the file.
    """
    artifact = media._reference()
    record = {name: artifact[name] for name in _RECORDED if name in artifact}
    values = {_record_key(owner, artifact["id"]): json.dumps(record).encode()}
    if "path" not in artifact:
        values[bytes_key(artifact["sha256"])] = media.data
    store_values(store, values)
    return artifact


_RECORDED = ("id", "sha256", "mime_type", "url", "path")
"""Fields of a record. They are equal for equal results, so that their record is written once."""


def find_media(store: ByteStore, media_id: str, owner: str) -> Media | None:
    """Return the `Media` with this id. Return None if its owner has no such media in the store.

    The `Media` has no bytes if only the record is left in the store, or if the file was deleted.

    Raises:
        InvalidRequestError: If the bytes are gone and there is no public URL, if another file took their place, or if
            the store has damaged values.
    """
    (record,) = store.mget([_record_key(owner, media_id)])
    if record is None:
        return None
    try:
        artifact = json.loads(record)
        path = artifact.pop("path", None)
        if path is not None and Path(path).is_file():
            return _media_in_file(Path(path), artifact)
        found = Media._from_reference(artifact, store)
    except InvalidRequestError:
        raise
    except ValueError as error:  # a process that is killed leaves part of a value
        message = f"the media with the id {media_id} is damaged in the store; use its URL, or another id"
        raise InvalidRequestError(message) from error
    if found._is_remote and found.url is None:
        raise InvalidRequestError(f"the file with the id {media_id} has been deleted, and has no public URL")
    return found


def _media_in_file(path: Path, artifact: dict[str, Any]) -> Media:
    """Return a `Media` in a file. Its bytes must be those of the artifact, because the store may be open to others."""
    media = Media._from_reference(artifact)._stored_at(path)
    try:
        is_same = media.sha256 == artifact["sha256"]
    except OSError as error:
        raise InvalidRequestError(f"the file with the id {artifact['id']} cannot be read: {error.strerror}") from error
    if not is_same:
        raise InvalidRequestError(f"the file with the id {artifact['id']} has changed since it was written")
    return media


def _record_key(owner: str, media_id: str) -> str:
    """Return the key of a record. Its digest contains the owner, so an id of another owner finds nothing."""
    return f"pollinations/ids/{hashlib.sha256(json.dumps([owner, media_id]).encode()).hexdigest()}"


def pickled_store(store: ByteStore) -> dict[str, ByteStore]:
    """Return the field of the store for a pickle. The default store is left out, because it belongs to the process."""
    return {} if isinstance(store, InProcessStore) else {"media_store": store}
