"""Encodes audio samples in the formats of the service. Decodes recordings of any format."""

from __future__ import annotations

import contextlib
import io
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from langchain_pollinations.emulator.synthesis.audio.waves import RATE, WIDTH


@dataclass(frozen=True)
class Format:
    """An audio file format. `rate` is in samples per second, and `bit_rate` in bits per second."""

    mime_type: str
    container: str
    codec: str = ""
    rate: int = RATE
    bit_rate: int = 64000


RAW, WAV = "raw", "wav"
FORMATS = {
    "mp3": Format("audio/mpeg", "mp3", "libmp3lame"),
    "opus": Format("audio/opus", "ogg", "libopus", 48000),
    "aac": Format("audio/aac", "adts", "aac"),
    "flac": Format("audio/flac", "flac", "flac"),
    "wav": Format("audio/wav", WAV),
    "pcm": Format("audio/pcm", RAW),
}
# The files contain no timestamps and no random values, so equal requests give equal bytes.
BITEXACT = {"fflags": "+bitexact"}


class InvalidAudio(ValueError):
    """Raised if bytes cannot be decoded as an audio recording."""


@dataclass(frozen=True)
class Recording:
    """A decoded audio file. `samples` are 16-bit mono samples at the sample rate `waves.RATE`."""

    samples: bytes = field(repr=False)
    container: str = ""
    """The names of the container format, as PyAV reports them."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / WIDTH / RATE


def write(samples: bytes, form: Format) -> bytes:
    """Encode samples as an audio file."""
    if form.container == RAW:
        return samples if form.rate == RATE else b"".join(_resampled(samples, form.rate))
    return _wav(samples) if form.container == WAV else _encoded(samples, form)


def _wav(samples: bytes) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(WIDTH)
        file.setframerate(RATE)
        file.writeframes(samples)
    return out.getvalue()


def frames(samples: bytes, size: int = RATE) -> Iterator[Any]:
    """Split samples into PyAV frames. Each frame contains `size` samples."""
    import av

    for start in range(0, len(samples), size * WIDTH):
        piece = samples[start : start + size * WIDTH]
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(piece) // WIDTH, align=1)
        frame.planes[0].update(piece)
        frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), start // WIDTH
        yield frame


def _bytes(frame: Any) -> bytes:
    return bytes(frame.planes[0])[: frame.samples * WIDTH]


def _resampled(samples: bytes, rate: int) -> Iterator[bytes]:
    import av

    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    for frame in (*frames(samples), None):
        for made in resampler.resample(frame):
            yield _bytes(made)


def filtered(samples: bytes, *filters: tuple[str, str]) -> bytes:
    """Apply filters of FFmpeg to samples. A filter is a pair of its name and its arguments."""
    import av

    graph = av.filter.Graph()
    source = last = graph.add_abuffer(format="s16", layout="mono", sample_rate=RATE, time_base=Fraction(1, RATE))
    for name, arguments in (*filters, ("aformat", f"sample_fmts=s16:channel_layouts=mono:sample_rates={RATE}")):
        node = graph.add(name, arguments)
        last.link_to(node)
        last = node
    sink = graph.add("abuffersink")
    last.link_to(sink)
    graph.configure()
    pieces: list[bytes] = []
    for frame in (*frames(samples), None):
        source.push(frame)
        with contextlib.suppress(BlockingIOError, av.EOFError):  # all frames have been read so far
            while True:
                pieces.append(_bytes(sink.pull()))
    return b"".join(pieces)


def _encoded(samples: bytes, form: Format) -> bytes:
    import av

    out = io.BytesIO()
    with av.open(out, "w", format=form.container, container_options=BITEXACT) as container:
        stream = container.add_stream(form.codec, rate=form.rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        if form.codec == "libmp3lame":
            stream.options = {"compression_level": "9"}  # fastest, at lower quality
        if form.codec != "flac":
            stream.bit_rate = form.bit_rate
        for frame in (*frames(samples), None):
            container.mux(stream.encode(frame))
    return out.getvalue()


def read(data: bytes) -> Recording:
    """Decode the first audio stream of a file.

    Raises:
        InvalidAudio: If the bytes are not a recording or the recording contains no audio.
    """
    import av

    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    pieces: list[bytes] = []
    name = ""
    try:
        with av.open(io.BytesIO(data), "r") as container:
            name = container.format.name
            for frame in container.decode(audio=0):
                pieces += map(_bytes, resampler.resample(frame))
            if pieces:
                pieces += map(_bytes, resampler.resample(None))
    except (av.FFmpegError, IndexError) as error:
        raise InvalidAudio(str(error)) from error
    if not pieces:
        raise InvalidAudio("no sound in it")
    return Recording(b"".join(pieces), name)
