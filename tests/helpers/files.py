"""Small files, and what is in files."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from langchain_core.stores import BaseStore
from PIL import Image


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def png(colour: str | tuple[int, int, int] = "red", size: tuple[int, int] = (90, 60)) -> bytes:
    """A PNG of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def box(kind: bytes, body: bytes = b"", size: int | None = None) -> bytes:
    """A box of an MP4 file; `size` may say something wrong."""
    return struct.pack(">I4s", 8 + len(body) if size is None else size, kind) + body


class FolderStore(BaseStore[str, bytes]):
    """A store that outlives the process, as `LocalFileStore` of `langchain_classic` does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        paths = [self.folder / key for key in keys]
        return [path.read_bytes() if path.is_file() else None for path in paths]

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        for key, value in key_value_pairs:
            path = self.folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(value)

    def mdelete(self, keys: Sequence[str]) -> None:
        for key in keys:
            (self.folder / key).unlink(missing_ok=True)

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        paths = (path for path in self.folder.rglob("*") if path.is_file())
        keys = (path.relative_to(self.folder).as_posix() for path in paths)
        return (key for key in keys if key.startswith(prefix or ""))
