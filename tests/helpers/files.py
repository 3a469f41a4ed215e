"""Small files, and what is in files."""

from __future__ import annotations

import io
import struct

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
