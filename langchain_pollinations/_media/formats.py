"""MIME types, detected from bytes or listed by file suffix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

EXTENSIONS: Mapping[str, str] = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/avif": ".avif",
    "image/heic": ".heic",
    "image/heif": ".heif",
    "image/svg+xml": ".svg",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "video/mpeg": ".mpeg",
    "audio/mpeg": ".mp3",
    "audio/wav": ".wav",
    "audio/flac": ".flac",
    "audio/ogg": ".ogg",
    "audio/mp4": ".m4a",
    "audio/aac": ".aac",
    "audio/pcm": ".pcm",
    "application/pdf": ".pdf",
    "model/gltf-binary": ".glb",
    "model/ply": ".ply",
}

_MPEG_FRAMES = (0xFB, 0xFA, 0xF3, 0xF2, 0xE3, 0xE2, 0xFD, 0xFC, 0xF5, 0xF4)
"""Possible second bytes of an MPEG audio frame. The first six are for layer III of MPEG 1, 2 and 2.5. The last four are
for layer II of MPEG 1 and 2. In each pair, the first frame has no checksum and the second has one."""

# (offset, bytes, type). The first match wins.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"\x00\x00\x01\xba", "video/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    *((0, bytes([0xFF, second]), "audio/mpeg") for second in _MPEG_FRAMES),
    *((0, bytes([0xFF, second]), "audio/aac") for second in (0xF0, 0xF1, 0xF8, 0xF9)),
    (0, b"%PDF-", "application/pdf"),
    (0, b"glTF", "model/gltf-binary"),
    (0, b"ply\n", "model/ply"),
    (0, b"ply\r\n", "model/ply"),
)

_BRANDS: Mapping[bytes, str] = {
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "image/heic"),
    **dict.fromkeys((b"M4V ", b"M4VH", b"M4VP", b"avc1"), "video/mp4"),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P "), "audio/mp4"),
    **dict.fromkeys((b"mif1", b"msf1", b"miaf"), "image/heif"),
}
"""MIME types by brand of ISO base media files (MP4 and related formats). The most specific brands are first, because an
AVIF file also lists the general brand `mif1`."""

SUFFIX_TYPES: Mapping[str, Sequence[str]] = {
    **{suffix: (mime_type,) for mime_type, suffix in EXTENSIONS.items() if mime_type != "audio/mp4"},
    ".jpeg": ("image/jpeg",),
    ".mpg": ("video/mpeg",),
    ".mpeg": ("video/mpeg", "audio/mpeg"),
    ".mp3": ("audio/mpeg",),
    ".wave": ("audio/wav",),
    ".opus": ("audio/ogg",),
    ".oga": ("audio/ogg",),
    ".aac": ("audio/aac", "audio/mp4"),
    ".m4a": ("audio/mp4",),
    ".mp4": ("video/mp4", "audio/mp4"),
    ".webm": ("video/webm", "audio/webm"),
    ".heic": ("image/heic", "image/heif"),
    ".heif": ("image/heif", "image/heic"),
}
"""MIME types that a file with this suffix may have."""

SNIFFED_BYTES = 4096
"""Number of bytes at the start of a file that are enough to detect its MIME type."""


def sniff(data: bytes) -> str | None:
    """Detect the MIME type of bytes. Return None if the type is unknown."""
    for offset, signature, mime_type in _SIGNATURES:
        if data.startswith(signature, offset):
            return mime_type
    if data[4:8] == b"ftyp":
        return _type_by_brands(data)
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"<svg") or (head.startswith((b"<?xml", b"<!--", b"<!DOCTYPE svg")) and b"<svg" in data[:4096]):
        return "image/svg+xml"
    return None


def _type_by_brands(data: bytes) -> str:
    """Return the MIME type of an ISO base media file.

    The major brand determines the type. If the major brand is unknown, the compatible brands determine the type.
    """
    size = min(int.from_bytes(data[:4], "big"), len(data))
    major, *compatible = [data[8:12], *(data[place : place + 4] for place in range(16, size - 3, 4))]
    known = (kind for brand, kind in _BRANDS.items() if brand in compatible)
    by_major = _BRANDS.get(major)
    if by_major == "image/heif":  # a generic brand: the file may contain any image format
        return next((kind for kind in known if kind.startswith("image/")), by_major)
    return by_major or next(known, "video/mp4")
