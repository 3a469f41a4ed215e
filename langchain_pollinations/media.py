"""`Media`: the bytes of a picture (or of sound, film, 3D), what they are, and how they were made."""

from __future__ import annotations

import base64
import errno
import html
import io
import os
import re
import shutil
import stat
import struct
import uuid
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic_core import core_schema

from langchain_pollinations._base64 import decode
from langchain_pollinations._safe_text import safe_text
from langchain_pollinations._warnings import warn

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
"""Second bytes of a frame: layer III of MPEG 1, 2 and 2.5, and layer II, each without and with a checksum."""

# (offset, bytes, type): the first row that fits wins.
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
"""What brands of an ISO base media file (MP4 and its kin) say, the most telling first: `mif1` stands beside `avif`."""

_SUFFIXES: Mapping[str, Sequence[str]] = {
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
"""MIME types that a suffix stands for."""

HEAD = 4096
"""Bytes at a file's start that are enough to sniff it."""

LARGEST_SHOWN = 32 * 1024 * 1024
"""Bytes of sound or film that a notebook takes up into its page; what is larger is shown by its address."""

WIDEST_SHOWN = 480
"""Pixels that a picture is shown at, at most. Its file is whole all the same."""


def sniff(data: bytes) -> str | None:
    """MIME type that the bytes themselves show, or None. What a header claims is not asked."""
    for offset, signature, mime_type in _SIGNATURES:
        if data.startswith(signature, offset):
            return mime_type
    if data[4:8] == b"ftyp":
        return _of_brands(data)
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"<svg") or (head.startswith((b"<?xml", b"<!--", b"<!DOCTYPE svg")) and b"<svg" in data[:4096]):
        return "image/svg+xml"
    return None


def _of_brands(data: bytes) -> str:
    """MIME type of an ISO base media file, by its major brand, else by its compatible brands."""
    size = min(int.from_bytes(data[:4], "big"), len(data))
    major, *compatible = [data[8:12], *(data[place : place + 4] for place in range(16, size - 3, 4))]
    known = (kind for brand, kind in _BRANDS.items() if brand in compatible)
    by_major = _BRANDS.get(major)
    if by_major == "image/heif":  # any image may be inside
        return next((kind for kind in known if kind.startswith("image/")), by_major)
    return by_major or next(known, "video/mp4")


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
    """Whether a file has its end. True for types whose end cannot be told from a glance."""
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
            return _has_all_samples(data)
    return True


# What stands behind the end of an image is no part of it: padding, a thumbnail, a second image.


def _has_png_end(data: bytes) -> bool:
    place = 8
    while place + 12 <= len(data):
        size, kind = struct.unpack(">I4s", data[place : place + 8])
        if kind == b"IEND":
            return True
        place += 12 + size
    return False


def _has_jpeg_end(data: bytes) -> bool:
    """Whether an end follows the image's own data; that of a thumbnail in its head does not count."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        if data[place + 1] == 0xFF:  # fill bytes before a marker
            found = _NO_FILL.search(data, place)
            place = found.start() - 1 if found else len(data)
            continue
        marker = data[place + 1]
        if marker == 0xDA:
            return data.find(b"\xff\xd9", place) > 0
        is_bare = marker == 0x01 or 0xD0 <= marker <= 0xD8
        place += 2 if is_bare else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return False


_NO_FILL = re.compile(rb"[^\xff]")


def _has_gif_end(data: bytes) -> bool:
    place = 13 + _gif_colours(data[10:11])
    while place < len(data):
        match data[place]:
            case 0x3B:
                return True
            case 0x2C:  # an image, its colours, and the size of its codes
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
    """Bytes of a table of colours."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


OPEN_SIZE = 0x7FFFF000
"""From here on a size in the head of a WAV is one that a stream could not know yet (encoders write this, 0x7FFFFFFF
or 0xFFFFFFFF), and so is 0."""


def _is_open(size: int) -> bool:
    return size == 0 or size >= OPEN_SIZE


def _has_all_samples(file: bytes) -> bool:
    """Whether a WAV holds the samples that its head announces, or some where the head cannot be right."""
    if (found := _data_chunk(file)) is None:
        return False
    place, size = found
    return place < len(file) if _is_wrong(file, place, size) else place + size <= len(file)


def _data_chunk(file: bytes) -> tuple[int, int] | None:
    """Where the samples of a WAV begin, and their size as the head has it."""
    place = 12
    while place + 8 <= len(file):
        name, size = struct.unpack("<4sI", file[place : place + 8])
        place += 8
        if name == b"data":
            return place, size
        place += size + size % 2
    return None


def _is_wrong(file: bytes, place: int, size: int) -> bool:
    """Whether the size of the samples is left open, or is too large for a file that is whole by its own head."""
    return _is_open(size) or (place + size > len(file) and int.from_bytes(file[4:8], "little") + 8 == len(file))


def closed_wav(file: bytes) -> bytes:
    """A WAV with the true sizes in its head, which players and editors need; the file itself where they are true."""
    found = _data_chunk(file)
    if found is None or not _is_wrong(file, *found):
        return file
    place = found[0]
    samples = len(file) - place
    return file[:4] + struct.pack("<I", len(file) - 8) + file[8 : place - 4] + struct.pack("<I", samples) + file[place:]


def has_all_boxes(file: io.BufferedIOBase) -> bool:
    """Whether an MP4 holds its table of contents (`moov`) and ends where its last box does. Only heads are read."""
    end = file.seek(0, os.SEEK_END)
    place, kinds = 0, set()
    while place < end:
        file.seek(place)
        size, kind = struct.unpack(">I4s", file.read(8).ljust(8, b"\0"))
        if size == 1:  # the real size follows as 64 bits
            (size,) = struct.unpack(">Q", file.read(8).ljust(8, b"\0"))
        elif size == 0:  # this box takes the rest
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
    """Whether a PLY holds as much as its head announces; lists, whose length that does not tell, at their shortest."""
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


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels of a PNG or JPEG; None for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    place = 2
    while data.startswith(b"\xff\xd8") and place + 9 <= len(data):
        lead, marker, length, _, height, width = struct.unpack(">BBHBHH", data[place : place + 9])
        if lead != 0xFF:
            return None
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a start of frame, not one of its tables
            return width, height
        place += 1 if marker == 0xFF else 2 + length  # any number of them may stand before a marker
    return None


def joined_wavs(files: Sequence[bytes]) -> bytes:
    """WAV files one after the other as one file, without touching a sample.

    Raises:
        ValueError: If one is no WAV, or their formats (samples a second, channels, bits) differ.
    """
    parts = [_wav_chunks(file) for file in files]
    formats = {form for form, _ in parts}
    if len(formats) != 1:
        raise ValueError("the parts differ in their format (samples a second, channels or bits)")
    form, samples = formats.pop(), b"".join(samples for _, samples in parts)
    body = b"WAVE" + _chunk(b"fmt ", form) + _chunk(b"data", samples)
    return _chunk(b"RIFF", body)


def wav_seconds(file: bytes) -> float:
    """How long a WAV lasts.

    Raises:
        ValueError: If it is none.
    """
    form, samples = _wav_chunks(file)
    rate, frame = int.from_bytes(form[4:8], "little"), int.from_bytes(form[12:14], "little")
    if not (rate and frame):
        raise ValueError("a part is a WAV without samples a second")
    return len(samples) / frame / rate


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _wav_chunks(file: bytes) -> tuple[bytes, bytes]:
    """Format and samples. A size that a stream left open stands for the rest of the file."""
    if sniff(file) != "audio/wav":
        raise ValueError("a part is no WAV")
    form, place, file = b"", 12, closed_wav(file)
    while place + 8 <= len(file):
        name, size = struct.unpack("<4sI", file[place : place + 8])
        body = file[place + 8 : place + 8 + size]
        if name == b"fmt ":
            form = body
        elif name == b"data" and form:
            samples = body
            frame = max(int.from_bytes(form[12:14], "little"), 1)
            return form, samples[: len(samples) // frame * frame]
        place += 8 + size + size % 2
    raise ValueError("a part is a WAV without samples")


def opened_file(path: Path) -> io.BufferedReader:
    """A regular file, open for reading. A symbolic link is not followed: whoever may write to the folder of a result
    could lead it to any file.

    Raises:
        OSError: If it cannot be opened, or is no regular file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    number = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise IsADirectoryError(errno.EISDIR, "it is no file", str(path))
    return os.fdopen(number, "rb")


def read_file(path: Path) -> bytes:
    """The bytes of a regular file."""
    with opened_file(path) as file:
        return file.read()


@contextmanager
def written(target: Path) -> Iterator[Path]:
    """A file beside `target` to write to, which becomes `target` at the end, or vanishes with an error."""
    part = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield part
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def target_of(path: str | os.PathLike[str], suffix: str) -> Path:
    """Where a file goes: `path`, with the suffix where it has none.

    Raises:
        OSError: If that is a folder, or its folder does not exist.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder: give the name of a file in it")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent} is no folder: make it first")
    return target if target.suffix else target.with_suffix(suffix)


_MIME_TYPE = re.compile(r"[\w!#$&^.+-]{1,80}/[\w!#$&^.+-]{1,80}( *; *[\w-]{1,40}=[\w.+-]{1,80})*", re.ASCII)


@dataclass(frozen=True, repr=False)
class Media:
    """A finished picture, film, sound or 3D object, with all that is known about how it came to be.

    In a notebook it shows itself. `save` writes it, `to_block` makes a content block that a model can look at, and a
    picture can be changed: `picture.edit("make it night")`.

        >>> picture = PollinationsImage(model="flux").generate("a lighthouse at dusk")  # doctest: +SKIP
        >>> picture.save("lighthouse.jpg")  # doctest: +SKIP
    """

    data: bytes
    """The bytes. Those of a film that was saved while it came, and of `from_file`, are read from `path` each time."""
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
    """Pollen, as a decimal string. None where it is not known, which so far is everywhere: no answer of the service
    tells it."""
    request_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict, compare=False)
    path: Path | None = None
    """The file that holds the bytes, where they are not in memory."""
    maker: InitVar[Any] = None
    """The wrapper that made it, for `edit`. It is left out of pickles and artifacts, and no field: checkpoints of a
    graph write fields down, and with this one its key."""

    def __post_init__(self, maker: Any) -> None:
        if not isinstance(self.mime_type, str) or not _MIME_TYPE.fullmatch(self.mime_type):  # it goes into headers
            raise ValueError(f"mime_type must be a MIME type such as 'image/png', not {str(self.mime_type)[:60]!r}")
        # Tracers write down what stands in here under a public name, and would upload every film with its bytes.
        self.__dict__.update(_data=self.__dict__.pop("data"), maker=maker)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], **known: Any) -> Self:
        """The media in a file, which stays there and is read when `data` is asked for.

        Args:
            path: Where it is.
            known: Other fields, such as `prompt` or `url`.

        Raises:
            OSError: If the file cannot be read.
            ValueError: If its bytes are of no type that is known here.
        """
        path = Path(path)
        with path.open("rb") as file:
            head = file.read(HEAD)
        mime_type = known.pop("mime_type", None) or sniff(head)
        if mime_type is None:
            raise ValueError(f"{path.name} is no picture, film, sound, 3D object or PDF")
        return cls._in_file(path, mime_type=mime_type, **known)

    @classmethod
    def _in_file(cls, path: Path, **known: Any) -> Self:
        media = cls(data=b"", path=path.absolute(), **known)
        del media.__dict__["_data"]  # `__getattr__` reads it from now on
        return media

    def moved(self, path: Path) -> Self:
        """The same media, whose file is now elsewhere. Nothing is read. A suffix of another type gives a warning."""
        self._check_suffix(path.suffix)
        known = {name: value for name, value in self.__dict__.items() if name not in ("_data", "path")}
        return self._in_file(path, **known)

    def __getattr__(self, name: str) -> Any:
        """`data`, which does not stand under this name."""
        known = self.__dict__
        if name == "data" and "_data" in known:
            return known["_data"]
        if name == "data" and known.get("path") is not None:
            return read_file(self.path)  # type: ignore[arg-type]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size if self.path is not None and "_data" not in self.__dict__ else len(self.data)

    @property
    def width(self) -> int | None:
        """Pixels of a PNG or JPEG, which may be others than were asked for; None for anything else."""
        return (picture_size(self.data) or (None, None))[0]

    @property
    def height(self) -> int | None:
        """As `width`."""
        return (picture_size(self.data) or (None, None))[1]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the bytes to `path` and return it; with no suffix the right one is added.

        The file appears whole or not at all. A suffix of another type stays, with a `UserWarning`: the bytes are not
        converted.

        Raises:
            OSError: If the folder does not exist or cannot be written to.
        """
        target = target_of(path, EXTENSIONS.get(self.mime_type, ".bin"))
        self._check_suffix(target.suffix)
        with written(target) as part:
            if "_data" in self.__dict__:
                part.write_bytes(self.data)
            else:
                with opened_file(self.path) as file, part.open("wb") as copy:  # type: ignore[arg-type]
                    shutil.copyfileobj(file, copy)  # piece by piece, however long the film
        return target

    def _check_suffix(self, suffix: str) -> None:
        """Warn of a suffix that means another type."""
        means = _SUFFIXES.get(suffix.lower())
        if means is not None and self.mime_type.partition(";")[0] not in means:
            right = EXTENSIONS.get(self.mime_type, ".bin")
            warn(
                f"path: these bytes are {self.mime_type}, and {suffix} means {means[0]}: take {right}, or no suffix",
            )

    def edit(self, prompt: str, **overrides: Any) -> Media:
        """This picture, changed as `prompt` says, by the wrapper that made it. See `PollinationsImage.edit`."""
        edited: Media = self._editor().edit(prompt, self, **overrides)
        return edited

    async def aedit(self, prompt: str, **overrides: Any) -> Media:
        """As `edit`."""
        edited: Media = await self._editor().aedit(prompt, self, **overrides)
        return edited

    def _editor(self) -> Any:
        if not hasattr(self.maker, "edit"):
            raise ValueError("nobody who could edit made this: PollinationsImage(...).edit(prompt, media) takes it")
        return self.maker

    def to_block(self) -> dict[str, Any]:
        """LangChain's standard content block with the bytes in it, for messages and tool results."""
        kind = self.mime_type.partition("/")[0]
        kind = kind if kind in ("image", "audio", "video") else "file"
        return {"type": kind, "base64": self._base64(), "mime_type": self.mime_type}

    def to_artifact(self) -> dict[str, Any]:
        """JSON-safe form for traces and checkpoints; `from_artifact` rebuilds the media from it.

        Of a media in a file it holds the path, not the bytes.
        """
        return {
            "type": "pollinations_media",
            **({"base64": self._base64()} if "_data" in self.__dict__ else {"path": str(self.path)}),
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
    def from_artifact(cls, artifact: Mapping[str, Any], folder: str | os.PathLike[str] | None = None) -> Self:
        """The media that `to_artifact` was called on.

        Args:
            artifact: The artifact. Its values are not trusted: a checkpoint or a trace may have been changed.
            folder: Folder below which the file of an artifact with a `path` may be, such as the `output_folder` of the
                tool. Without it no file is read.

        Raises:
            ValueError: If this is no artifact of a media tool, or its file is not below the folder.
        """
        if not isinstance(artifact, Mapping) or artifact.get("type") != "pollinations_media":
            raise ValueError("artifact must be what a Pollinations media tool gave, with type 'pollinations_media'")
        known = {name: artifact[name] for name in _KNOWN if artifact.get(name) is not None}
        for name, value in known.items():
            if not isinstance(value, _KNOWN[name]):
                raise _wrong_artifact(f"{name} must be {_KNOWN[name].__name__}, not {type(value).__name__}")
        if "mime_type" not in known or artifact.keys().isdisjoint(("base64", "path")):
            raise _wrong_artifact("needs a 'mime_type', and 'base64' or 'path'")
        if "base64" not in artifact:
            return cls._in_file(_file_below(folder, artifact["path"]), **known)
        try:
            return cls(data=decode(artifact["base64"]), **known)
        except ValueError as error:
            raise _wrong_artifact(str(error)) from error

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        """A field of a Pydantic model: a `Media`, or its artifact, which is what a dump holds.

        The file of an artifact with a `path` is read only below `context={"media_folder": ...}` of the validation.
        """
        artifact = core_schema.with_info_after_validator_function(_of_artifact(cls), core_schema.dict_schema())
        return core_schema.json_or_python_schema(
            json_schema=artifact,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), artifact]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                cls.to_artifact, return_schema=core_schema.dict_schema()
            ),
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "maker"}

    def __repr__(self) -> str:
        told = {"url": self.url, "path": self.path, "model": self.model, "seed": self.seed, "prompt": self.prompt}
        longest = {"prompt": 60, "model": 100}
        known = ", ".join(
            f"{name}={safe_text(str(value), longest.get(name, 500))!r}"
            for name, value in told.items()
            if value is not None
        )
        return f"{type(self).__name__}({self.mime_type!r}, {known})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if self.mime_type in ("image/png", "image/jpeg"):
            size = picture_size(self.data)
            shown = {"width": min(size[0], WIDEST_SHOWN)} if size else {}
            return {"text/plain": repr(self), self.mime_type: self._base64()}, {self.mime_type: shown}
        shows = _SHOWN.get(self.mime_type) or _SHOWN.get(self.mime_type.partition("/")[0], _as_download)
        source = self._source()
        page = {} if source is None else {"text/html": shows(self, html.escape(source))}
        return {"text/plain": repr(self), **page}

    def _base64(self) -> str:
        return base64.b64encode(self.data).decode("ascii")

    def _source(self) -> str | None:
        """What an element of a page shows it from: the bytes themselves, else the address; None where both fail."""
        if self.size <= LARGEST_SHOWN:
            return f"data:{self.mime_type};base64,{self._base64()}"
        return self.url if self.url is not None and self.url.startswith(("http://", "https://")) else None


_KNOWN: Mapping[str, type] = {
    **dict.fromkeys(("mime_type", "url", "model", "prompt", "cost", "request_id"), str),
    "seed": int,
    "metadata": dict,
}
"""Fields that an artifact holds as they are."""


def _wrong_artifact(says: str) -> ValueError:
    return ValueError(f"artifact of type 'pollinations_media': {says}")


def _file_below(folder: str | os.PathLike[str] | None, path: Any) -> Path:
    """The file that an artifact names, if it is below the folder."""
    if folder is None:
        raise _wrong_artifact("names a file, which is read only below a folder that you name: folder=...")
    if not isinstance(path, str) or "\0" in path or re.match(r"[/\\]([/\\]|\?\?)", path):
        raise _wrong_artifact("path must be that of a file on this machine")
    base = Path(folder).expanduser().resolve()
    try:
        found = (base / path).resolve()
    except (OSError, RuntimeError) as error:
        raise _wrong_artifact(f"path cannot be read: {error}") from error
    if not found.is_relative_to(base):
        raise _wrong_artifact(f"path is not below the folder {base.name!r}")
    return found


def _of_artifact(kind: type[Media]) -> Callable[[Any, core_schema.ValidationInfo], Media]:
    def read(artifact: Any, info: core_schema.ValidationInfo) -> Media:
        context = info.context if isinstance(info.context, Mapping) else {}
        return kind.from_artifact(artifact, context.get("media_folder"))

    return read


# How a page shows each kind. Everything is an attribute of one element: markup of a file, or words of a prompt, cannot
# become markup of the page. `source` comes escaped.


def _as_picture(media: Media, source: str) -> str:
    """An SVG too: inside `img` its scripts do not run."""
    return f'<img src="{source}" alt="{html.escape(media.prompt or "")}" style="max-width: {WIDEST_SHOWN}px">'


def _as_sound(media: Media, source: str) -> str:
    return f'<audio controls src="{source}"></audio>'


def _as_film(media: Media, source: str) -> str:
    return f'<video controls playsinline src="{source}" style="max-width: {WIDEST_SHOWN}px"></video>'


def _as_download(media: Media, source: str) -> str:
    name = f"{media.mime_type.partition('/')[0]}{EXTENSIONS.get(media.mime_type, '.bin')}"
    return f'<a download="{html.escape(name)}" href="{source}">{html.escape(name)}</a> ({media.size:,} bytes)'


_SHOWN = {"image": _as_picture, "audio": _as_sound, "video": _as_film, "audio/pcm": _as_download}
"""By kind; no browser plays raw samples."""
