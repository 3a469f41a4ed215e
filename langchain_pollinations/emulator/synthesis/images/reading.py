"""Reads the image files of requests."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BytesIO
from typing import Any

from PIL import ExifTags, Image

from langchain_pollinations.emulator.service.error_responses import Refusal

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
"""The image formats that the service reads. Pillow's other readers, some of which start programs, are never used."""
MAX_BYTES = 20 * 1024 * 1024  # maximum size of an image in bytes
MAX_PIXELS = 64_000_000
EXIF = ("exif", "Raw profile type exif")
"""Where Pillow keeps the Exif metadata of a file."""
EXIF_ERRORS = (AttributeError, LookupError, OSError, OverflowError, SyntaxError, TypeError, ValueError, struct.error)
KEPT: Mapping[int, Callable[[Any], bool]] = {
    ExifTags.Base.ImageDescription: lambda value: isinstance(value, str),
    ExifTags.Base.Orientation: lambda value: value in range(1, 9),
}


def unsupported() -> Refusal:
    return Refusal(400, "Unsupported image media type", code="unsupported_image_media_type")


def _too_large() -> Refusal:
    return Refusal(400, "Image too large", code="image_too_large")


def read(data: bytes) -> Image.Image:
    """Return the image in a file.

    Raises:
        Refusal: If the file is too large, or no valid image.
    """
    if len(data) > MAX_BYTES:
        raise _too_large()
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise _too_large()
        image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # the latter if warnings are errors
        raise _too_large() from None
    except (OSError, SyntaxError, ValueError):  # Pillow's errors for invalid or truncated files
        raise unsupported() from None
    _repair_exif(image)
    return image


def _repair_exif(image: Image.Image) -> None:
    """Keep only the description and the orientation of Exif metadata that Pillow cannot read or write."""
    try:
        image.getexif().tobytes()
        fresh = Image.Exif()  # that of the image is empty if a first attempt to read it failed
        fresh.load(image.info.get("exif", b""))
        fresh.tobytes()
        return
    except EXIF_ERRORS:
        kept: dict[int, Any] = {}
    for tag, is_valid in KEPT.items():
        with suppress(*EXIF_ERRORS):
            value = image.getexif().get(tag)
            kept |= {tag: value} if is_valid(value) else {}
    for key in EXIF:
        image.info.pop(key, None)
    exif = image.getexif()
    exif.clear()
    exif.update(kept)
