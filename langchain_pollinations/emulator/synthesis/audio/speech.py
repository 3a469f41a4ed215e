"""A voice of sorts: every character lasts as long as every other, so that its place in a text is its time."""

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

PACE = 15  # characters a second
UNIT = RATE // PACE  # samples of a character
SILENCE = bytes(UNIT * WIDTH)
REST = 6  # characters that the pause between two turns of a dialogue lasts

# Where the throat is loud, in hertz, for each vowel; and for consonants that hum.
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
VOWEL, HUM, HISS = 0.75, 0.4, 0.12  # how loud


@dataclass(frozen=True)
class Voice:
    """A speaker: pitch, and the size of the throat, which depend on the name alone."""

    name: str

    @cached_property
    def _mark(self) -> bytes:
        return sha256(self.name.encode()).digest()

    @property
    def pitch(self) -> float:
        return 95 * 2 ** (self._mark[0] / 255 * 1.35)

    @property
    def throat(self) -> float:
        return 0.85 + self._mark[1] / 255 * 0.4


@dataclass(frozen=True)
class Turn:
    """What one voice says, and at which character of the whole it begins."""

    voice: str
    text: str
    start: int = 0


def in_turn(lines: list[tuple[str, str]]) -> tuple[Turn, ...]:
    """Voices and what they say, one after the other, with a pause between them."""
    turns, start = [], 0
    for voice, text in lines:
        turns.append(Turn(voice, text, start))
        start += len(text) + REST
    return tuple(turns)


def partials(frequency: float, formants: tuple[float, ...], throat: float = 1.0) -> list[tuple[float, float]]:
    """The overtones of a frequency, each as loud as the throat lets it be."""
    found = []
    for multiple in range(1, int(3800 / frequency) + 1):
        at = multiple * frequency
        loud = sum(math.exp(-(((at - f * throat) / (90 + f * 0.06)) ** 2)) / (1 + n) for n, f in enumerate(formants))
        found.append((multiple, 0.05 / multiple + loud))
    total = sum(loud for _, loud in found)
    return [(multiple, loud / total) for multiple, loud in found]


def _letter(character: str) -> str:
    """The letter that a character sounds like, or nothing where it is silent."""
    if not character.isalnum():
        return ""
    plain = unicodedata.normalize("NFKD", character)[0].lower()
    return plain if plain in FORMANTS or plain in HUMS or plain in HISSES else "aeiou"[ord(character) % 5]


@lru_cache(maxsize=4096)
def _sound(voice: Voice, letter: str, step: int) -> bytes:
    """The samples of a letter; `step` is how many half tones it lies above the voice's pitch."""
    return samples(shaped(_raw(voice, letter, step), faded(UNIT, 160, 240)))


def _raw(voice: Voice, letter: str, step: int) -> Wave:
    if letter in HISSES:
        noise = Random(letter)
        return [HISS * noise.uniform(-1, 1) for _ in range(UNIT)]
    frequency = voice.pitch * 2 ** (step / 12)
    formants = FORMANTS.get(letter) or HUMS[letter]
    loud = VOWEL if letter in FORMANTS else HUM
    return [loud * value for value in periodic(frequency, partials(frequency, formants, voice.throat), UNIT)]


def _words(text: str) -> Iterator[tuple[str, str]]:
    """The words of a text with the white space around them, and the mark that ends their sentence."""
    found = re.findall(r"\s*\S+\s*|\s+", text)
    for place, word in enumerate(found):
        bare = word.rstrip()
        yield word, bare[-1:] if bare[-1:] in ".!?…。？！" or place == len(found) - 1 else ""


def _step(word: str, end: str, seed: str) -> int:
    """The melody of speech: words differ, questions rise, other sentences fall at their end."""
    if end:
        return 4 if end in "?？" else -3
    return sha256(f"{seed} {word.strip()}".encode()).digest()[0] % 4


def speak(turns: tuple[Turn, ...], seed: str = "") -> bytes:
    """The samples of what is said. The seed shapes the melody only, never the time."""
    pieces: list[bytes] = []
    for turn in turns:
        pieces += [SILENCE] * (turn.start - len(pieces))
        voice = Voice(turn.voice)
        for word, end in _words(turn.text):
            step = _step(word, end, seed)
            letters = map(_letter, word)
            pieces += [_sound(voice, letter, step) if letter else SILENCE for letter in letters]
    return b"".join(pieces)
