"""The results of a row: files for `Media`, and JSON for everything else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from pydantic_core import PydanticSerializationError, to_jsonable_python

from langchain_pollinations.errors import PollinationsError
from langchain_pollinations.media import Media

_SAFE_NAME = re.compile(r"(?!(con|prn|aux|nul|com\d|lpt\d)$)[a-z0-9_-]{1,64}")
"""Ids that are file names in all systems. Windows reserves some names."""

_RANDOM_NAME = re.compile(r"[a-z0-9]+-[0-9a-f]{12}")
"""Names of files that wrappers save in their `output_folder`."""

_MEDIA_FIELDS = ("mime_type", "url", "model", "seed", "prompt", "cost", "request_id", "metadata")

_ERROR_FIELDS = ("status_code", "code", "request_id", "retry_after", "upstream_status", "fix_url", "param")


def file_stem(id: str) -> str:
    """Return the name of the files of a row, without a suffix. Different ids have different names, also in a file
    system that ignores case."""
    if _SAFE_NAME.fullmatch(id):
        return id
    cleaned = re.sub(r"[^a-z0-9_-]+", "_", id.lower())[:48]
    return f"{cleaned}-{sha256(id.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


class ResultWriter:
    """Converts the result of one row to JSON, and writes its media to files in a folder.

    Args:
        folder: The folder.
        id: The id of the row, which names the files. Further files of a row have a number, after a character that
            is in the name of no other row.
    """

    def __init__(self, folder: Path, id: str) -> None:
        self._folder, self._stem = folder, file_stem(id)
        self.files: list[str] = []

    def to_json(self, value: Any) -> Any:
        """Return the value as JSON.

        Raises:
            TypeError: If JSON cannot represent the value.
            OSError: If a file cannot be written.
        """
        if isinstance(value, Media):
            return self._save(value)
        if isinstance(value, BaseMessage):
            fields = value.model_dump(mode="json", exclude_defaults=True)
            if fields.get("content") == value.text:
                del fields["content"]
            return {"text": value.text, **fields}
        if isinstance(value, Document):
            return {"page_content": value.page_content, "metadata": self.to_json(value.metadata)}
        if isinstance(value, Mapping):
            return {str(name): self.to_json(each) for name, each in value.items()}
        if isinstance(value, list | tuple) and not all(type(each) is float for each in value):
            return [self.to_json(each) for each in value]
        try:
            return to_jsonable_python(value)
        except (PydanticSerializationError, ValueError) as error:
            raise TypeError(
                f"call: returned a {type(value).__name__}, which JSON cannot represent; return a Media, a message, a "
                "document, or values of JSON"
            ) from error

    def _save(self, media: Media) -> dict[str, Any]:
        stem = self._stem if not self.files else f"{self._stem}~{len(self.files) + 1}"
        path = media.save(self._folder / stem)
        if media.generator is not None and media.path is not None and media.path != path:
            if media.path.parent == self._folder and _RANDOM_NAME.fullmatch(media.path.stem):
                media.path.unlink()  # the wrapper has saved the file in this folder, with a random name
        self.files.append(path.name)
        return {"file": path.name, **{name: to_jsonable_python(getattr(media, name)) for name in _MEDIA_FIELDS}}


def error_to_json(error: BaseException) -> dict[str, Any]:
    """Return an error as JSON. Fields that are None are omitted."""
    known = {"type": type(error).__name__, "message": str(error)}
    if not isinstance(error, PollinationsError):
        return known
    fields = {name: getattr(error, name) for name in _ERROR_FIELDS}
    return known | {name: value for name, value in fields.items() if value is not None}
