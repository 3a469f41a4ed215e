"""`Media`: the bytes of a picture (or of sound and film), what they are, and how they were made."""

from __future__ import annotations

import base64
import io
import os
import uuid
import wave
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

EXTENSIONS: Mapping[str, str] = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/avif": ".avif",
    "image/svg+xml": ".svg",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "audio/mpeg": ".mp3",
    "audio/wav": ".wav",
    "audio/flac": ".flac",
    "audio/ogg": ".ogg",
    "application/pdf": ".pdf",
    "model/gltf-binary": ".glb",
}

# (offset, bytes, type): the first row that fits wins.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"glTF", "model/gltf-binary"),
)


def sniff(data: bytes) -> str | None:
    """MIME type that the bytes themselves show, or None. What a header claims is not asked."""
    for offset, signature, mime_type in _SIGNATURES:
        if data.startswith(signature, offset):
            return mime_type
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"<svg") or (head.startswith((b"<?xml", b"<!--", b"<!DOCTYPE svg")) and b"<svg" in data[:4096]):
        return "image/svg+xml"
    return None


PCM16_RATE = 24_000
"""Samples a second of the raw sound that spoken answers stream, one channel of 16 bits."""


def pcm16_to_wav(samples: bytes, rate: int = PCM16_RATE) -> bytes:
    """Raw sound of one channel and 16 bits as a file that players know."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, rate, 0, "NONE", ""))
        sound.writeframes(samples[: len(samples) // 2 * 2])
    return file.getvalue()


def is_whole(data: bytes, mime_type: str) -> bool:
    """Whether a picture has its end. True for types whose end cannot be told from a glance."""
    match mime_type:
        case "image/png":
            return b"IEND" in data[-64:]
        case "image/jpeg":
            return b"\xff\xd9" in data[-4096:]
        case "image/gif":
            return data.endswith(b";")
        case "image/webp":
            return len(data) >= int.from_bytes(data[4:8], "little") + 8
        case "image/svg+xml":
            return b"</svg>" in data[-1024:]
    return True


@dataclass(frozen=True)
class Media:
    """A finished picture, with all that is known about how it came to be.

    In a notebook it shows itself. `save` writes it, `to_block` makes a content block that a model can look at.

        >>> picture = PollinationsImage(model="flux").generate("a lighthouse at dusk")  # doctest: +SKIP
        >>> picture.save("lighthouse.jpg")  # doctest: +SKIP
    """

    data: bytes = field(repr=False)
    mime_type: str
    """Found from the bytes, not from what a header said."""
    url: str | None = None
    """Public address of the stored file, kept by the service for 30 days. It never carries a key."""
    model: str | None = None
    """The model that really made it."""
    seed: int | None = None
    """The seed that was sent; None where none was."""
    prompt: str | None = None
    cost: str | None = None
    """Pollen, as a decimal string; None where it is not known."""
    request_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the bytes to `path` and return it; with no suffix the right one is added.

        The file appears whole or not at all.

        Raises:
            OSError: If the folder does not exist or cannot be written to.
        """
        target = Path(path)
        if target.is_dir():
            raise IsADirectoryError(f"{target} is a folder: give the name of a file in it")
        if not target.suffix:
            target = target.with_suffix(EXTENSIONS.get(self.mime_type, ".bin"))
        part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
        try:
            with part.open("xb") as file:
                file.write(self.data)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return target

    def to_block(self) -> dict[str, Any]:
        """LangChain's standard content block with the bytes in it, for messages and tool results."""
        return {"type": self.mime_type.partition("/")[0], "base64": self._base64(), "mime_type": self.mime_type}

    def to_artifact(self) -> dict[str, Any]:
        """JSON-safe form for traces and checkpoints; `from_artifact` rebuilds the media from it."""
        return {
            "type": "pollinations_media",
            "base64": self._base64(),
            "mime_type": self.mime_type,
            "url": self.url,
            "model": self.model,
            "seed": self.seed,
            "prompt": self.prompt,
            "cost": self.cost,
            "request_id": self.request_id,
            "metadata": dict(self.metadata),
        }

    @classmethod
    def from_artifact(cls, artifact: Mapping[str, Any]) -> Self:
        """The media that `to_artifact` was called on.

        Raises:
            ValueError: If this is no artifact of a media tool.
        """
        if artifact.get("type") != "pollinations_media":
            raise ValueError("artifact must be what a Pollinations media tool gave, with type 'pollinations_media'")
        known = {name: artifact[name] for name in cls.__dataclass_fields__ if name in artifact}
        return cls(data=base64.b64decode(artifact["base64"]), **known)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        if self.mime_type == "image/svg+xml":
            # As a picture, where its scripts cannot run, and not as markup of the page.
            return {"text/plain": repr(self), "text/html": f'<img src="{self._data_uri()}" alt="">'}
        if self.mime_type.startswith("image/"):
            return {"text/plain": repr(self), self.mime_type: self._base64()}
        return {"text/plain": repr(self)}

    def _base64(self) -> str:
        return base64.b64encode(self.data).decode("ascii")

    def _data_uri(self) -> str:
        return f"data:{self.mime_type};base64,{self._base64()}"
