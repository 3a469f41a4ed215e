"""Generates music and sound effects.

The prompt determines a loop of a few seconds. The loop is repeated for the requested duration.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from random import Random

from langchain_pollinations.emulator.synthesis.audio.speech import FORMANTS, partials
from langchain_pollinations.emulator.synthesis.audio.waves import (
    RATE,
    Partials,
    Wave,
    faded,
    levelled,
    mixed,
    periodic,
    repeated,
    samples,
    shaped,
    struck,
)

LOW = 110.0  # hertz; the A that all notes are counted from, in semitones
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
SAD = re.compile(r"\b(?:sad|dark|melanchol\w+|lonely|minor|night|gloomy|mysterious|tense|rain\w*|blues?|noir)\b", re.I)
SLOW = re.compile(r"\b(?:slow\w*|calm\w*|ambient|lullaby|relax\w*|gentle|soft\w*|peaceful|sleep\w*|lo-?fi)\b", re.I)
FAST = re.compile(r"\b(?:fast|upbeat|energetic|dance|techno|rock|punk|happy|exciting|drum\w*|electronic)\b", re.I)
# The scale degrees of the four chords of a loop.
PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 4, 0), (5, 3, 0, 4), (0, 2, 3, 4))
BEATS = 4  # per bar

PAD: Partials = ((1, 1.0), (2, 0.25), (3, 0.1))
BASS: Partials = ((1, 1.0), (2, 0.5), (3, 0.2), (4, 0.1))
PLUCKED: Partials = ((1, 1.0), (2, 0.5), (3, 0.3), (4, 0.15), (5, 0.1), (6, 0.05))


class _Piece:
    """Composes a loop of music. The prompt determines its key, tempo and chords."""

    def __init__(self, prompt: str, seed: str, sung: bool) -> None:
        self._random = Random(f"{seed} {prompt}")
        self._sung = sung
        self._scale = MINOR if SAD.search(prompt) else self._random.choice((MAJOR, MAJOR, MINOR))
        self._key = self._random.randrange(12)
        tempo = 66 if SLOW.search(prompt) else 132 if FAST.search(prompt) else self._random.randrange(84, 116)
        self._beat = round(RATE * 60 / tempo)
        self._chords = self._random.choice(PROGRESSIONS)
        self._notes: dict[tuple[str, int], Wave] = {}

    def loop(self, seconds: float) -> bytes:
        """Return the samples of the loop. The chords are played twice, with a different melody each time.

        The loop of a shorter piece ends with the bar in which the piece ends.
        """
        rounds, length = 2, self._beat * BEATS
        chords = (self._chords * rounds)[: math.ceil(seconds * RATE / length)]
        track = [0.0] * (length * len(chords))
        for bar, degree in enumerate(chords):
            start = bar * length
            self._accompany(track, start, degree)
            self._play(track, start, degree)
        return samples(levelled(track))

    def _frequency(self, degree: int) -> float:
        octave, step = divmod(degree, len(self._scale))
        return float(LOW * 2 ** ((self._key + self._scale[step]) / 12 + octave))

    def _note(self, kind: str, degree: int, make: Callable[[float], Wave]) -> Wave:
        """Return the wave of a note. Each note is generated only once."""
        if (kind, degree) not in self._notes:
            self._notes[kind, degree] = make(self._frequency(degree))
        return self._notes[kind, degree]

    def _accompany(self, track: Wave, start: int, degree: int) -> None:
        whole = self._beat * BEATS
        for third in (0, 2, 4):
            mixed(track, start, self._note("pad", degree + third, partial(_held, PAD, whole, 0.10)))
        for beat in (0, 2):
            bass = self._note("bass", degree - 7, partial(_plucked, BASS, self._beat * 2, 0.25))
            mixed(track, start + beat * self._beat, bass)

    def _play(self, track: Wave, start: int, degree: int) -> None:
        """Add the melody of one bar: chord notes on the beats, neighbouring notes between the beats, and some rests."""
        half = self._beat // 2
        for eighth in range(0, 2 * BEATS, self._random.choice((1, 2))):
            if self._random.random() < 0.2:
                continue
            step = self._random.choice((0, 2, 4)) + (self._random.choice((-1, 1)) if eighth % 2 else 0)
            high = degree + step + 7
            if self._sung:
                vowel = self._random.choice("aou")
                note = self._note(vowel, high, partial(_sung, vowel, self._beat, 0.5))
            else:
                note = self._note("lead", high, partial(_plucked, PLUCKED, self._beat * 2, 0.3))
            mixed(track, start + eighth * half, note)


def _held(tones: Partials, length: int, loud: float, frequency: float) -> Wave:
    return shaped([loud * v for v in periodic(frequency, tones, length)], faded(length, 2400, 4800))


def _plucked(tones: Partials, length: int, loud: float, frequency: float) -> Wave:
    return shaped([loud * v for v in periodic(frequency, tones, length)], struck(length, length // 5))


def _sung(vowel: str, length: int, loud: float, frequency: float) -> Wave:
    return _held(partials(frequency, FORMANTS[vowel]), length, loud, frequency)


def music(prompt: str, seconds: float, seed: str = "", sung: bool = False) -> bytes:
    """Return the samples of a piece of music.

    Args:
        prompt: The description of the music.
        seconds: The duration.
        seed: Selects a variant.
        sung: Whether a voice sings the melody.
    """
    return repeated(_Piece(prompt, seed, sung).loop(seconds), seconds)


# Effects.

NOISY = re.compile(r"\b(?:rain|wind|sea|ocean|wave|storm|fire|crowd|water|breath|river|applause|thunder|steam)", re.I)
RINGING = re.compile(r"\b(?:bell|ring|chime|ding|knock|glass|coin|click|metal|drop|gong|clock)", re.I)
LOOP = 2 * RATE


def _roar(random: Random) -> Wave:
    """Return noise that rises and falls, like rain, wind or waves."""
    smooth, value, track = random.uniform(0.05, 0.4), 0.0, []
    for _ in range(LOOP):
        value += smooth * (random.uniform(-1, 1) - value)
        track.append(value)
    return shaped(track, faded(LOOP, LOOP // 2, LOOP // 2))


def _strokes(random: Random) -> Wave:
    """Return the sound of a hard object that is struck one or more times."""
    track = [0.0] * LOOP
    base, strokes = random.uniform(300, 1200), random.randint(1, 4)
    for ratio in (1, 2.76, 5.4 * random.uniform(0.8, 1.1)):
        tone = periodic(base * ratio, ((1, 1 / ratio),), LOOP)
        note = shaped(tone, struck(LOOP, round(RATE * 0.3 / ratio)))
        for stroke in range(strokes):
            mixed(track, stroke * LOOP // strokes, note[: LOOP // strokes])
    return track


def _sweeps(random: Random) -> Wave:
    """Return a whirring sound. Its pitch rises or falls in small steps."""
    steps, low, ratio = 40, random.uniform(120, 500), random.choice((0.97, 1.02, 1.04, 1.06))
    piece, track = LOOP // steps, []
    for step in range(steps):
        tone = periodic(low * ratio ** (step % 20 + 1), PLUCKED, piece)
        track += shaped(tone, faded(piece, 120, 240))
    return track


def effect(prompt: str, seconds: float, seed: str = "") -> bytes:
    """Return the samples of a sound effect."""
    random = Random(f"{seed} {prompt}")
    make = _roar if NOISY.search(prompt) else _strokes if RINGING.search(prompt) else _sweeps
    return repeated(samples(levelled(make(random))), seconds)
