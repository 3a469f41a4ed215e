"""WAV files: headers, sizes, concatenation."""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Sequence

from langchain_pollinations._media.formats import sniff

PCM16_RATE = 24_000
"""Samples per second of the raw audio in streamed spoken responses. This audio has one channel and 16 bits."""


def pcm16_to_wav(samples: bytes, rate: int = PCM16_RATE) -> bytes:
    """Convert raw audio with one channel and 16 bits to a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, rate, 0, "NONE", ""))
        sound.writeframes(samples[: len(samples) // 2 * 2])
    return file.getvalue()


MIN_UNKNOWN_SIZE = 0x7FFFF000
"""Smallest value in a WAV header that means an unknown size. 0 also means an unknown size. An encoder that streams does
not know the size when it writes the header. Encoders then write this value, 0x7FFFFFFF or 0xFFFFFFFF."""


def _is_unknown_size(size: int) -> bool:
    return size == 0 or size >= MIN_UNKNOWN_SIZE


def has_all_samples(file: bytes) -> bool:
    """Whether a WAV contains all samples that its header announces. If the header is wrong, any samples are enough."""
    if (found := _data_chunk(file)) is None:
        return False
    place, size = found
    return place < len(file) if _has_wrong_size(file, place, size) else place + size <= len(file)


def _data_chunk(file: bytes) -> tuple[int, int] | None:
    """Return the offset of the samples of a WAV, and the size of the samples in the header."""
    place = 12
    while place + 8 <= len(file):
        name, size = struct.unpack("<4sI", file[place : place + 8])
        place += 8
        if name == b"data":
            return place, size
        place += size + size % 2
    return None


def _has_wrong_size(file: bytes, place: int, size: int) -> bool:
    """Whether the header has a wrong size of the samples. This size is wrong if it is unknown, or if it is too large
    although the RIFF size is right."""
    return _is_unknown_size(size) or (place + size > len(file) and int.from_bytes(file[4:8], "little") + 8 == len(file))


def fix_wav_sizes(file: bytes) -> bytes:
    """Correct the sizes in the header of a WAV. Players and editors need these sizes. A correct file is unchanged."""
    found = _data_chunk(file)
    if found is None or not _has_wrong_size(file, *found):
        return file
    place = found[0]
    samples = len(file) - place
    return file[:4] + struct.pack("<I", len(file) - 8) + file[8 : place - 4] + struct.pack("<I", samples) + file[place:]


def join_wavs(files: Sequence[bytes]) -> bytes:
    """Concatenate WAV files without changing any sample.

    Raises:
        ValueError: If a file is not a WAV, or if the files differ in format (sample rate, channels, bits).
    """
    parts = [_wav_chunks(file) for file in files]
    formats = {form for form, _ in parts}
    if len(formats) != 1:
        raise ValueError("the parts differ in their format (samples a second, channels or bits)")
    form, samples = formats.pop(), b"".join(samples for _, samples in parts)
    body = b"WAVE" + _chunk(b"fmt ", form) + _chunk(b"data", samples)
    return _chunk(b"RIFF", body)


def wav_seconds(file: bytes) -> float:
    """Duration of a WAV in seconds.

    Raises:
        ValueError: If the file is not a WAV.
    """
    form, samples = _wav_chunks(file)
    rate, frame = int.from_bytes(form[4:8], "little"), int.from_bytes(form[12:14], "little")
    if not (rate and frame):
        raise ValueError("a part is a WAV without samples a second")
    return len(samples) / frame / rate


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _wav_chunks(file: bytes) -> tuple[bytes, bytes]:
    """Return the format and the samples of a WAV. If the header has a wrong size, the samples extend to the end of the
    file."""
    if sniff(file) != "audio/wav":
        raise ValueError("a part is no WAV")
    form, place, file = b"", 12, fix_wav_sizes(file)
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
