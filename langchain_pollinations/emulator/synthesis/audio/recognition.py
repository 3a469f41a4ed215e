"""Recognises speech that the emulator has generated. This allows the emulator to transcribe it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from langchain_pollinations.emulator.service.bounded_memory import BoundedStore
from langchain_pollinations.emulator.synthesis.audio.speech import UNIT, Turn
from langchain_pollinations.emulator.synthesis.audio.waves import RATE, WIDTH

Turns = tuple[Turn, ...]

HEAD = UNIT * WIDTH  # bytes; the beginning of a speech is looked up by this many
MAX_CANDIDATES = 200  # maximum number of speeches with the same beginning; the oldest are dropped first
AUDIBLE = re.compile(rb"[^\0]")


@dataclass(frozen=True)
class _Speech:
    """A generated speech. The hash of its samples, without the silence at both ends, identifies it."""

    turns: Turns
    silence: int  # bytes of silence before the first sound
    length: int
    fingerprint: bytes


def _audio_start(samples: bytes, start: int = 0) -> int | None:
    found = AUDIBLE.search(samples, start)
    return found and found.start() - found.start() % WIDTH


class SpeechIndex:
    """An index of the newest generated speeches.

    A speech is found by the bytes of its file, or by its samples at any position of a longer recording.
    """

    def __init__(self) -> None:
        self._files: BoundedStore[Turns] = BoundedStore()
        self._heads: BoundedStore[tuple[_Speech, ...]] = BoundedStore()

    def clear(self) -> None:
        self._files.clear()
        self._heads.clear()

    def add(self, turns: Turns, samples: bytes, file: bytes) -> None:
        """Store the speech in a generated audio file. For music, `turns` is empty."""
        start = _audio_start(samples)
        if start is None:
            return
        self._files.put(sha256(file).hexdigest(), turns, 0)
        end = len(samples.rstrip(b"\0"))
        length = end + end % WIDTH - start
        speech = _Speech(turns, start, length, sha256(samples[start : start + length]).digest())
        head = samples[start : start + HEAD].hex()
        others = [each for each in self._heads.find(head) or () if each.fingerprint != speech.fingerprint]
        self._heads.put(head, (*others[1 - MAX_CANDIDATES :], speech), 0)

    def find(self, file: bytes, samples: bytes) -> list[tuple[float, Turns]]:
        """Return the speeches that a recording contains. Each comes with its start in seconds."""
        whole = self._files.find(sha256(file).hexdigest())
        return [(0.0, whole)] if whole is not None else self._inside(samples)

    def _inside(self, samples: bytes) -> list[tuple[float, Turns]]:
        found = []
        place = _audio_start(samples)
        while place is not None:
            speech = self._at(samples, place)
            if speech is not None:
                found.append(((place - speech.silence) / WIDTH / RATE, speech.turns))
            place = _audio_start(samples, place + (speech.length if speech else HEAD))
        return found

    def _at(self, samples: bytes, place: int) -> _Speech | None:
        """Return the longest speech that starts at the byte offset `place`."""
        candidates = self._heads.find(samples[place : place + HEAD].hex()) or ()
        for speech in sorted(candidates, key=lambda each: each.length, reverse=True):
            if sha256(samples[place : place + speech.length]).digest() == speech.fingerprint:
                return speech
        return None
