"""Reads and writes the description in the metadata of an image. Chat models of the emulator describe images with it."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image
from PIL.PngImagePlugin import PngInfo

KEYS = ("comment", "Comment", "Description", "Title")
"""Where a description is: the comment of a JPEG or GIF file, and the keywords for text of a PNG file."""
IMAGE_DESCRIPTION = 0x010E  # tag of Exif
MAX_LENGTH = 4000  # characters


def description(image: Image.Image) -> str:
    """Return the description in the metadata of an image, in one line, or an empty text."""
    values = [image.info.get(key) for key in KEYS]
    values.append(image.getexif().get(IMAGE_DESCRIPTION))
    for value in values:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        if isinstance(text, str) and text.strip():
            return " ".join(text.split())[:MAX_LENGTH]
    return ""


def combined(prompt: str, sources: Sequence[Image.Image]) -> str:
    """Return the description of a generated image: those of the source images, if any, and the prompt."""
    return ", ".join(filter(None, [*map(description, sources), " ".join(prompt.split())]))[:MAX_LENGTH]


def png_metadata(text: str) -> PngInfo:
    metadata = PngInfo()
    metadata.add_itxt("Description", text)
    return metadata
