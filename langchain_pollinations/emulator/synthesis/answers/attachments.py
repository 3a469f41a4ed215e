"""Parses the attachments of a message (images, audio, video and files) to describe them."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from PIL import Image

from langchain_pollinations.emulator.service.error_responses import Refusal, upstream
from langchain_pollinations.emulator.synthesis.images import reading
from langchain_pollinations.emulator.synthesis.images.descriptions import description

VIDEO_TOKENS = 258
PDF_PAGE = re.compile(rb"/Type\s*/Page\b")
PDF_STREAM, PDF_STREAM_END = re.compile(rb"stream\r?\n"), b"endstream"
PDF_STRING = re.compile(rb"\(((?:\\.|[^\\()])*+)(\)\s*+(?:Tj|'))?", re.DOTALL)
"""A string of a PDF. The second group matches if the string is shown as text. A string without an end matches, too, so
that it is read once."""
ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
MAX_STREAM, MAX_INFLATED = 1024 * 1024, 8 * 1024 * 1024  # bytes that are decompressed: of a stream, of a PDF

DATA_URI = re.compile(r"data:(?P<type>[^;,]*)(?P<params>(;[^;,]*)*),(?P<data>.*)", re.DOTALL)
FILE_NAMES = {"application/pdf": "a PDF", "text/plain": "a text file", "text/markdown": "a Markdown file"}

# Reference colours and their names; a colour gets the name of the nearest one.
COLOURS = {
    "black": (16, 16, 16),
    "white": (245, 245, 245),
    "grey": (128, 128, 128),
    "red": (205, 35, 40),
    "orange": (240, 140, 35),
    "yellow": (245, 220, 60),
    "green": (45, 150, 60),
    "turquoise": (55, 190, 185),
    "blue": (40, 85, 200),
    "violet": (120, 60, 170),
    "pink": (240, 130, 180),
    "brown": (115, 75, 45),
    "beige": (230, 215, 180),
}


@dataclass(frozen=True)
class Part:
    """A content part that is not text. `words` describes it in a response. `tokens` is its number of prompt tokens.
    `text` is what it shows or says, as far as the emulator can read it."""

    kind: str
    words: str
    tokens: int
    text: str = ""


def decoded(uri: str) -> tuple[str, bytes] | None:
    """Decode a data URI to its MIME type and bytes. Return None if the text is not a valid data URI."""
    match = DATA_URI.fullmatch(uri)
    if match is None:
        return None
    if ";base64" not in match["params"]:
        return match["type"], unquote_to_bytes(match["data"])
    try:
        return match["type"], base64.b64decode(match["data"], validate=True)
    except binascii.Error:
        return None


def colour_word(rgb: tuple[int, int, int]) -> str:
    return min(COLOURS, key=lambda word: sum((a - b) ** 2 for a, b in zip(COLOURS[word], rgb, strict=True)))


def dominant_colour(image: Image.Image) -> str:
    """Return the name of the most frequent colour of an image."""
    small = image.convert("RGB").resize((16, 16))
    counts: dict[str, int] = {}
    for x in range(16):
        for y in range(16):
            pixel = small.getpixel((x, y))
            word = colour_word(pixel) if isinstance(pixel, tuple) and len(pixel) == 3 else "grey"
            counts[word] = counts.get(word, 0) + 1
    return max(counts, key=lambda word: counts[word])


def image_tokens(width: int, height: int) -> int:
    """Return the number of tokens of an image: a fixed number, plus a number for each tile of 512 by 512 pixels."""
    tiles = -(-min(width, 2048) // 512) * -(-min(height, 2048) // 512)
    return 85 + 170 * tiles


def _image(value: Any) -> Part:
    url = value.get("url") if isinstance(value, Mapping) else None
    if not isinstance(url, str):
        raise Refusal(400, "400 Bad Request: Invalid type for 'image_url': expected an object with a url.")
    if url.startswith(("http://", "https://")):
        return Part("image", f"an image at {url}", 255)
    found = decoded(url)
    if found is None:
        raise Refusal(400, "Invalid image URL", code="invalid_image_url")
    image = reading.read(found[1])
    words = f"a {image.format} of {image.width} by {image.height} pixels, mostly {dominant_colour(image)}"
    shown = description(image)
    return Part("image", f'{words}, that shows "{shown}"' if shown else words, image_tokens(*image.size), shown)


def _audio(value: Any) -> Part:
    data = value.get("data") if isinstance(value, Mapping) else None
    if not isinstance(data, str):
        raise Refusal(400, "400 Bad Request: input_audio needs data and format.")
    try:
        base64.b64decode(data, validate=True)
    except ValueError:  # binascii.Error is a ValueError; text that is not ASCII raises another one
        raise upstream(400, "400 Bad Request: Invalid input_audio: the data is no base64", 400) from None
    kind = str(value.get("format") or "audio")
    return Part("audio", f"a sound recording ({kind})", max(10, len(data) // 853))


def _video(value: Any) -> Part:
    url = value.get("url") if isinstance(value, Mapping) else value
    if not isinstance(url, str):
        raise Refusal(400, "400 Bad Request: video_url needs a url.")
    if not url.startswith("data:"):
        return Part("video", f"a video at {url}", VIDEO_TOKENS)
    found = decoded(url)
    if found is None or not found[0].startswith("video/"):
        raise upstream(400, "400 Bad Request: Invalid video: expected an https URL or data:video/...;base64,...", 400)
    subtype = found[0].removeprefix("video/")
    return Part("video", f"a video ({subtype}) of {len(found[1])} bytes", VIDEO_TOKENS)


def _file(value: Any) -> Part:
    details = value if isinstance(value, Mapping) else {}
    url = str(details.get("file_url") or "")
    found = _bytes_of(str(details.get("file_data") or url), str(details.get("mime_type") or ""))
    kind, data = found or (str(details.get("mime_type") or ""), b"")
    name = details.get("file_name") or details.get("filename")
    words, text = FILE_NAMES.get(kind, "a file") + (f' called "{name}"' if name else ""), ""
    if kind == "application/pdf" and data:
        text = _pdf_text(data)
        words += _pages(data) + _beginning(text)
    elif kind.startswith("text/") and data:
        text = data.decode("utf-8", "replace")
        words += _beginning(text)
    elif url and not data:
        words += f" at {url}"
    return Part("file", words, max(20, len(data) // 16), text)


def _bytes_of(text: str, mime_type: str) -> tuple[str, bytes] | None:
    """Decode a data URI, or base64 text with a separate MIME type. Return the MIME type and the bytes."""
    if text.startswith("data:"):
        found = decoded(text)
        return found and (mime_type or found[0], found[1])
    return decoded(f"data:{mime_type};base64,{text}") if text and mime_type and "://" not in text else None


def _beginning(text: str) -> str:
    return f' that begins "{" ".join(text.split()[:8])}"' if text.strip() else ""


def _pages(data: bytes) -> str:
    count = len(PDF_PAGE.findall(data))
    return f" of {count} page{'s' if count > 1 else ''}" if count else ""


def _pdf_text(data: bytes) -> str:
    """Return the text that a PDF stores as plain strings."""
    return " ".join(
        ESCAPED.sub(rb"\1", string[1]).decode("latin-1")
        for stream in _pdf_streams(data)
        for string in PDF_STRING.finditer(stream)
        if string[2]
    )


def _pdf_streams(data: bytes) -> Iterator[bytes]:
    """Yield the streams of a PDF, decompressed up to the limits."""
    left, place = MAX_INFLATED, 0
    while left > 0 and (start := PDF_STREAM.search(data, place)):
        place = data.find(PDF_STREAM_END, start.end())
        if place < 0:
            return
        stream = data[start.end() : place]
        try:
            stream = zlib.decompressobj().decompress(stream, min(left, MAX_STREAM))
            left -= len(stream)
        except zlib.error:
            if _is_compressed(stream):  # and damaged somewhere
                left -= MAX_STREAM
        yield stream
        place += len(PDF_STREAM_END)


def _is_compressed(stream: bytes) -> bool:
    """Whether zlib can decompress the start of a stream. Text may begin like the header of zlib."""
    try:
        return bool(zlib.decompressobj().decompress(stream[:1024], 1))
    except zlib.error:
        return False


READERS = {"image_url": _image, "input_audio": _audio, "video_url": _video, "file": _file}


def look(part: Mapping[str, Any]) -> Part | None:
    """Parse a content part. Return None for text and for an unknown type."""
    kind = part.get("type")
    reader = READERS.get(kind) if isinstance(kind, str) else None
    return reader(part.get(str(kind))) if reader else None
