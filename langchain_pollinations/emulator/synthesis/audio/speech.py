"""Generates speech. All characters have the same duration, so the index of a character determines its time."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from random import Random

from langchain_pollinations.emulator.synthesis.audio.waves import RATE, WIDTH, Wave, faded, periodic, samples, shaped

PACE = 15  # characters per second
UNIT = RATE // PACE  # samples per character
SILENCE = bytes(UNIT * WIDTH)
REST = 6  # the pause between two turns of a dialogue, in characters

# The formant frequencies, in hertz, of each vowel and of the voiced consonants.
FORMANTS = {
    "a": (750, 1250, 2500),
    "e": (480, 1900, 2550),
    "i": (300, 2250, 2900),
    "o": (470, 850, 2450),
    "u": (320, 750, 2300),
    "y": (310, 1850, 2400),
}
HUMS = {letter: (260, 900 + 90 * place, 2200) for place, letter in enumerate("bdgjlmnrvwz")}
HISSES = "cfhkpqstx"
VOWEL, HUM, HISS = 0.75, 0.4, 0.12  # amplitudes


@dataclass(frozen=True)
class Voice:
    """The voice of a speaker. Its pitch and its throat size depend only on the voice name."""

    name: str

    @cached_property
    def _digest(self) -> bytes:
        return sha256(self.name.encode()).digest()

    @property
    def pitch(self) -> float:
        return 95 * 2 ** (self._digest[0] / 255 * 1.35)

    @property
    def throat(self) -> float:
        return 0.85 + self._digest[1] / 255 * 0.4


@dataclass(frozen=True)
class Turn:
    """A part of a dialogue that one voice speaks. `start` is the index of its first character in the whole speech."""

    voice: str
    text: str
    start: int = 0


def sequential_turns(lines: list[tuple[str, str]]) -> tuple[Turn, ...]:
    """Convert pairs of voice and text to turns. Each turn starts after the previous turn and a pause."""
    turns, start = [], 0
    for voice, text in lines:
        turns.append(Turn(voice, text, start))
        start += len(text) + REST
    return tuple(turns)


def partials(frequency: float, formants: tuple[float, ...], throat: float = 1.0) -> list[tuple[float, float]]:
    """Return the harmonics of a frequency. The formants determine their amplitudes."""
    found = []
    for multiple in range(1, int(3800 / frequency) + 1):
        at = multiple * frequency
        amplitude = sum(
            math.exp(-(((at - f * throat) / (90 + f * 0.06)) ** 2)) / (1 + n) for n, f in enumerate(formants)
        )
        found.append((multiple, 0.05 / multiple + amplitude))
    total = sum(amplitude for _, amplitude in found)
    return [(multiple, amplitude / total) for multiple, amplitude in found]


def _letter(character: str) -> str:
    """Return the letter whose sound represents a character. Return an empty string for a silent character."""
    if not character.isalnum():
        return ""
    plain = unicodedata.normalize("NFKD", character)[0].lower()
    return plain if plain in FORMANTS or plain in HUMS or plain in HISSES else "aeiou"[ord(character) % 5]


@lru_cache(maxsize=4096)
def _letter_samples(voice: Voice, letter: str, step: int) -> bytes:
    """Return the samples of a letter. The pitch is `step` semitones above the base pitch of the voice."""
    return samples(shaped(_raw(voice, letter, step), faded(UNIT, 160, 240)))


def _raw(voice: Voice, letter: str, step: int) -> Wave:
    if letter in HISSES:
        noise = Random(letter)
        return [HISS * noise.uniform(-1, 1) for _ in range(UNIT)]
    frequency = voice.pitch * 2 ** (step / 12)
    formants = FORMANTS.get(letter) or HUMS[letter]
    amplitude = VOWEL if letter in FORMANTS else HUM
    return [amplitude * value for value in periodic(frequency, partials(frequency, formants, voice.throat), UNIT)]


def _words(text: str) -> Iterator[tuple[str, str]]:
    """Yield each word with its surrounding white space, and with its final punctuation mark.

    The mark is an empty string unless the word ends a sentence.
    """
    found = re.findall(r"\s*\S+\s*|\s+", text)
    for place, word in enumerate(found):
        bare = word.rstrip()
        yield word, bare[-1:] if bare[-1:] in ".!?…。？！" or place == len(found) - 1 else ""


def _step(word: str, end: str, seed: str) -> int:
    """Return the pitch of a word in semitones.

    The last word of a question has a high pitch. The last word of any other sentence has a low pitch. The pitch of
    other words depends on the word and the seed.
    """
    if end:
        return 4 if end in "?？" else -3
    return sha256(f"{seed} {word.strip()}".encode()).digest()[0] % 4


def speak(turns: tuple[Turn, ...], seed: str = "") -> bytes:
    """Return the samples of a speech. The seed changes only the pitch of the words, not their timing."""
    pieces: list[bytes] = []
    for turn in turns:
        pieces += [SILENCE] * (turn.start - len(pieces))
        voice = Voice(turn.voice)
        for word, end in _words(turn.text):
            step = _step(word, end, seed)
            letters = map(_letter, word)
            pieces += [_letter_samples(voice, letter, step) if letter else SILENCE for letter in letters]
    return b"".join(pieces)
