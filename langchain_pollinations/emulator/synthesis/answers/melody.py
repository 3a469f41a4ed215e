"""Generates the audio of chat responses. Each word of the text becomes one note of a melody."""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from hashlib import sha256

from langchain_pollinations.emulator.synthesis.audio import codecs
from langchain_pollinations.emulator.synthesis.audio.waves import RATE

NOTE = 0.09  # seconds
SCALE = (220.0, 246.94, 277.18, 329.63, 369.99, 440.0)
MAX_NOTES = 24


@lru_cache(maxsize=len(SCALE))
def _note(frequency: float) -> bytes:
    length = int(RATE * NOTE)
    values = (
        int(9000 * math.sin(math.pi * i / length) * math.sin(2 * math.pi * frequency * i / RATE)) for i in range(length)
    )
    return struct.pack(f"<{length}h", *values)


def samples(text: str) -> bytes:
    """Return the melody for a text as 16-bit samples at 24 kHz."""
    words = text.split()[:MAX_NOTES] or ["-"]
    return b"".join(_note(SCALE[sha256(word.encode()).digest()[0] % len(SCALE)]) for word in words)


def recording(text: str, form: str) -> bytes:
    """Return the melody for a text as an audio file. `form` is an audio format of a chat request, such as "pcm16"."""
    return codecs.write(samples(text), codecs.FORMATS["pcm" if form == "pcm16" else form])
