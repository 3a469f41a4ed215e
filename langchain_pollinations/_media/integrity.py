"""Checks that the bytes of a file are complete."""

from __future__ import annotations

import io
import os
import re
import struct
from collections.abc import Mapping

from langchain_pollinations._media.wav import has_all_samples


def is_whole(data: bytes, mime_type: str) -> bool:
    """Whether a file is complete. The result is True for MIME types whose end cannot be checked quickly."""
    match mime_type:
        case "image/png":
            return _has_png_end(data)
        case "image/jpeg":
            return _has_jpeg_end(data)
        case "image/gif":
            return _has_gif_end(data)
        case "image/webp":
            return len(data) >= int.from_bytes(data[4:8], "little") + 8
        case "image/svg+xml":
            return b"</svg>" in data[-1024:]
        case "model/gltf-binary":
            return len(data) >= max(20, int.from_bytes(data[8:12], "little"))
        case "model/ply":
            return _has_all_elements(data)
        case "video/mp4" | "audio/mp4":
            return has_all_boxes(io.BytesIO(data))
        case "audio/wav":
            return has_all_samples(data)
    return True


# Bytes after the end of an image are ignored: padding, a thumbnail, a second image.


def _has_png_end(data: bytes) -> bool:
    place = 8
    while place + 12 <= len(data):
        size, kind = struct.unpack(">I4s", data[place : place + 8])
        if kind == b"IEND":
            return True
        place += 12 + size
    return False


def _has_jpeg_end(data: bytes) -> bool:
    """Whether a JPEG has an end marker after its image data. The end marker of a thumbnail in the header is ignored."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        if data[place + 1] == 0xFF:  # fill bytes before a marker
            found = _NOT_FILL.search(data, place)
            place = found.start() - 1 if found else len(data)
            continue
        marker = data[place + 1]
        if marker == 0xDA:
            return data.find(b"\xff\xd9", place) > 0
        is_bare = marker == 0x01 or 0xD0 <= marker <= 0xD8
        place += 2 if is_bare else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return False


_NOT_FILL = re.compile(rb"[^\xff]")


def _has_gif_end(data: bytes) -> bool:
    place = 13 + _gif_colours(data[10:11])
    while place < len(data):
        match data[place]:
            case 0x3B:
                return True
            case 0x2C:  # an image descriptor, its colour table, and the LZW code size
                place += 11 + _gif_colours(data[place + 9 : place + 10])
            case 0x21:
                place += 2
            case _:
                return False
        while place < len(data) and data[place]:
            place += 1 + data[place]
        place += 1
    return False


def _gif_colours(flags: bytes) -> int:
    """Number of bytes of the colour table."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def has_all_boxes(file: io.BufferedIOBase) -> bool:
    """Whether an MP4 contains its index (the box `moov`) and ends where a box ends. Only box headers are read."""
    end = file.seek(0, os.SEEK_END)
    place, kinds = 0, set()
    while place < end:
        file.seek(place)
        size, kind = struct.unpack(">I4s", file.read(8).ljust(8, b"\0"))
        if size == 1:  # the real size follows as 64 bits
            (size,) = struct.unpack(">Q", file.read(8).ljust(8, b"\0"))
        elif size == 0:  # this box extends to the end of the file
            size = end - place
        if size < 8:
            return False
        kinds.add(kind)
        place += size
    return place == end and b"moov" in kinds


_PLY_SIZES: Mapping[str, int] = {
    **dict.fromkeys(("char", "uchar", "int8", "uint8"), 1),
    **dict.fromkeys(("short", "ushort", "int16", "uint16"), 2),
    **dict.fromkeys(("int", "uint", "float", "int32", "uint32", "float32"), 4),
    **dict.fromkeys(("double", "float64"), 8),
}


def _has_all_elements(data: bytes) -> bool:
    """Whether a PLY file contains all data that its header announces.

    The header does not contain the lengths of lists. Each list counts as one length field, which is the minimum.
    """
    head, end, rest = data.partition(b"end_header")
    body = rest.partition(b"\n")[2]
    elements = count = needed = 0
    is_text = False
    for words in map(str.split, head.decode("latin-1").splitlines()):
        match words:
            case ["format", kind, _]:
                is_text = kind == "ascii"
            case ["element", _, number] if number.isdecimal() and len(number) < 20:
                count = int(number)
                elements += count
            case ["property", "list", size, *_] | ["property", size, _]:
                needed += count * _PLY_SIZES.get(size, 1)
    return bool(end) and (len(body.splitlines()) >= elements if is_text else len(body) >= needed)


def image_size(data: bytes) -> tuple[int, int] | None:
    """Return the width and height of a PNG or JPEG in pixels. Return None for other types."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    place = 2
    while data.startswith(b"\xff\xd8") and place + 9 <= len(data):
        lead, marker, length, _, height, width = struct.unpack(">BBHBHH", data[place : place + 9])
        if lead != 0xFF:
            return None
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a start-of-frame marker
            return width, height
        place += 1 if marker == 0xFF else 2 + length  # any number of fill bytes may precede a marker
    return None
