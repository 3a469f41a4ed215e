"""Recordings for transcription and for speech to speech: reading, type detection, file names."""

from __future__ import annotations

import contextlib
import mimetypes
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, TypeAlias

from langchain_core.documents.base import Blob

from langchain_pollinations._catalog.capabilities import models_that_can
from langchain_pollinations._catalog.records import Model
from langchain_pollinations._catalog.snapshot import abilities
from langchain_pollinations._media.files import input_path
from langchain_pollinations._media.formats import sniff
from langchain_pollinations._media.references import is_url
from langchain_pollinations._media.wav import wav_seconds
from langchain_pollinations._warnings import warn
from langchain_pollinations.errors import InvalidRequestError, PayloadTooLargeError, UnsupportedRequestError
from langchain_pollinations.media import Media

Recording: TypeAlias = Blob | Media | bytes | str | os.PathLike[str]
"""A LangChain `Blob`, a `Media`, bytes, or the path of a file."""


MAX_RECORDING_BYTES = 100 * 1024 * 1024
"""Maximum bytes of a recording. The edge servers of the service accept no more."""

WARN_BYTES = 25 * 1000 * 1000
"""Maximum bytes of a recording in the documentation of the service. Larger recordings are sent with a warning, because
the service is not known to enforce this limit."""

MAX_VOICE_BYTES = 50 * 1024 * 1024
"""Maximum bytes of a recording for speech to speech."""

BYTES_PER_SECOND = 16_000
"""Expected bytes of a second of a recording: 128 kbit/s."""

SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "audio/mpeg": ("mp3", "mpga", "mpeg"),
    "audio/mp4": ("m4a", "mp4"),
    "audio/wav": ("wav",),
    "audio/flac": ("flac",),
    "audio/ogg": ("ogg",),
    "audio/aac": ("aac",),
    "video/mp4": ("mp4", "m4a"),
    "video/mpeg": ("mpeg",),
    "video/webm": ("webm",),
}
"""File suffixes of each MIME type. A file with another suffix gets the first suffix of its MIME type."""

DEFAULT_SUFFIXES = ("mp3", "mp4", "mpeg", "mpga", "m4a", "wav", "webm")
"""Suffixes that a model accepts if its entry in `data/abilities.json` has no list `recordings`."""

MAX_NAME = 255
"""Maximum characters of a file name."""


# --- Model abilities --------------------------------------------------------------------------------------------------


def transcribes(model: Model) -> bool | None:
    kind = abilities(model.id).get("kind")
    if kind is not None or model.kind != "audio":
        return kind == "transcription"
    return None if model.output_modalities is None else "text" in model.output_modalities


def _recordings(model: str) -> Sequence[str]:
    """Suffixes of the files that a model accepts."""
    suffixes: Sequence[str] = abilities(model).get("recordings", DEFAULT_SUFFIXES)
    return suffixes


# --- The recording ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RecordingFile:
    """A recording in the form in which it is sent, and the metadata for its document."""

    data: bytes = field(repr=False)
    name: str
    """File name in the multipart form. The service and its models use the suffix of the name."""
    mime_type: str
    """MIME type, detected from the bytes."""
    metadata: Mapping[str, Any]
    """Metadata of the blob, including its source."""

    @property
    def seconds(self) -> float | None:
        """Duration of a WAV file. None if it is unknown."""
        if self.mime_type == "audio/wav":
            with contextlib.suppress(ValueError):  # the service reports a broken file
                return wav_seconds(self.data)
        return None

    @property
    def expected_seconds(self) -> float:
        """The duration, or an estimate from the number of bytes."""
        known = self.seconds
        return len(self.data) / BYTES_PER_SECOND if known is None else known


def read_recording(recording: Any, model: str) -> RecordingFile:
    """Read a recording, and check that the model accepts it.

    Raises:
        InvalidRequestError: If the recording is empty, is a URL, or has a type that the service does not accept.
        UnsupportedRequestError: If only other models accept the recording. The message names these models.
        PayloadTooLargeError: If the recording is larger than the service accepts.
        OSError: If the file cannot be read.
    """
    blob = as_blob(recording)
    data = _bytes(blob, MAX_RECORDING_BYTES, WARN_BYTES)
    mime_type = _detect(data, f"model {model!r} accepts {', '.join(_recordings(model))}")
    return RecordingFile(data, _file_name(blob, mime_type, model), mime_type, metadata_of(blob))


def read_voice(recording: Any) -> RecordingFile:
    """Read a recording for speech to speech.

    Raises:
        InvalidRequestError: If the recording is empty, is a URL, or is neither audio nor video.
        PayloadTooLargeError: If the recording is larger than the service accepts.
        OSError: If the file cannot be read.
    """
    blob = as_blob(recording)
    data = _bytes(blob, MAX_VOICE_BYTES, MAX_VOICE_BYTES)
    usual = dict.fromkeys(suffixes[0] for suffixes in SUFFIXES.values())
    mime_type = _detect(data, f"supported are {', '.join(usual)}")
    name, suffix = _name_and_suffix(blob)
    is_right = suffix in SUFFIXES[mime_type] and is_name(name)
    return RecordingFile(data, name if is_right else _usual_name(mime_type), mime_type, metadata_of(blob))


def _detect(data: bytes, accepted: str) -> str:
    mime_type = sniff(data)
    if mime_type is None or mime_type not in SUFFIXES:
        found = f"this is {mime_type}" if mime_type else f"these {len(data)} bytes are not in a supported audio format"
        raise _error(f"{found}; {accepted}")
    return mime_type


def metadata_of(blob: Blob) -> Mapping[str, Any]:
    """Return the metadata of a blob, including its source."""
    source = {} if blob.source is None else {"source": str(blob.source)}
    return {**blob.metadata, **source}


def as_blob(recording: Any) -> Blob:
    """Convert a recording to a `Blob`. Files are not read yet."""
    match recording:
        case Blob():
            return recording
        case Media(path=Path() as path):
            return _blob_of_file(path)
        case Media():
            return Blob.from_data(recording.data, metadata={"source": recording.url} if recording.url else {})
        case bytes():
            return Blob.from_data(recording)
        case str() | os.PathLike():
            return _blob_of_file(os.fspath(recording))
    raise _error(f"must be a Blob, a Media, bytes or a file path, not {type(recording).__name__}")


def _blob_of_file(path: str | Path) -> Blob:
    """Return the `Blob` of a file, with the MIME type of its suffix.

    `mimetypes` gets only the name, because since Python 3.13 it parses a path such as `//[` as a URL and fails.
    """
    return Blob.from_path(path, mime_type=mimetypes.guess_type(PurePath(path).name)[0], guess_type=False)


def _bytes(blob: Blob, largest: int, usual: int) -> bytes:
    """Return the bytes of a recording. More than `largest` bytes are an error, more than `usual` bytes a warning."""
    if blob.data is None and blob.path is not None:
        data = _read_file(str(blob.path), largest, usual)
    else:
        data = b"" if blob.data is None else blob.as_bytes()
        _check_size(len(data), largest, usual)
    if not data:
        raise _error("it is empty")
    return data


def _read_file(path: str, largest: int, usual: int) -> bytes:
    if is_url(path):
        raise _error("a URL is not fetched; pass the bytes or a file path")
    file = input_path(path, "recording")
    _check_size(file.stat().st_size, largest, usual)
    return file.read_bytes()


def _check_size(size: int, largest: int, usual: int) -> None:
    if size > largest:
        raise PayloadTooLargeError(f"recording: it has {size:,} bytes; the maximum is {largest:,}", param="recording")
    if size > usual:
        warn(f"recording: it has {size:,} bytes; the documented maximum is {usual:,}")


def _file_name(blob: Blob, mime_type: str, model: str) -> str:
    """Return the file name of the recording if its suffix matches the bytes. Otherwise return a name that matches.

    Some providers derive the format from the file name. If a part of the form has no file name, the service uses the
    name `audio.mp3`.
    """
    name, suffix = _name_and_suffix(blob)
    if suffix in SUFFIXES[mime_type] and suffix in _recordings(model) and is_name(name):
        return name
    usual = SUFFIXES[mime_type][0]

    def accepts_it(other: Model) -> bool:
        return transcribes(other) is True and usual in _recordings(other.id)

    if usual not in _recordings(model):
        message = f"recording: model {model!r} accepts {', '.join(_recordings(model))}; this is {mime_type}"
        raise UnsupportedRequestError(
            f"{message}; models that accept it: {', '.join(models_that_can('audio', accepts_it))}", param="recording"
        )
    return _usual_name(mime_type)


def _name_and_suffix(blob: Blob) -> tuple[str, str]:
    name = PurePath(str(blob.path or blob.source or "")).name
    return name, name.rpartition(".")[2].lower()


def _usual_name(mime_type: str) -> str:
    return f"recording.{SUFFIXES[mime_type][0]}"


def is_name(name: str) -> bool:
    """Whether a form can contain this file name."""
    return name.isprintable() and len(name) <= MAX_NAME and not re.search(r"[\"\\/]", name)


def _error(detail: str) -> InvalidRequestError:
    return InvalidRequestError(f"recording: {detail}", param="recording")
