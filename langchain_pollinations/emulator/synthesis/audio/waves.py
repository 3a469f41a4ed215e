"""Basic audio operations: generates waves and envelopes, mixes waves, and converts them to samples."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from operator import add, mul

RATE = 24000  # samples per second
WIDTH = 2  # bytes per sample
MAX_AMPLITUDE = 32767

Wave = list[float]
Partials = Sequence[tuple[float, float]]  # multiples of the frequency, and their amplitudes


def _cycles(frequency: float) -> int:
    """Return how many periods of a wave fill a whole number of samples most exactly.

    A wave of so many periods can be repeated without a change of pitch.
    """
    period = RATE / frequency
    return min(range(1, 9), key=lambda n: (round(abs(n * period - round(n * period)), 2), n))


def periodic(frequency: float, partials: Partials, length: int) -> Wave:
    """Return a periodic wave of `length` samples. Each partial is a pair of a frequency multiple and an amplitude."""
    cycles = _cycles(frequency)
    size = round(cycles * RATE / frequency)
    angle = 2 * math.pi * cycles / size
    piece = [sum(amplitude * math.sin(angle * multiple * i) for multiple, amplitude in partials) for i in range(size)]
    return (piece * (length // size + 1))[:length]


def shaped(wave: Wave, envelope: Wave) -> Wave:
    return list(map(mul, wave, envelope))


def faded(length: int, rise: int, fall: int) -> Wave:
    """Return an envelope that rises, stays at 1 and falls. All arguments are numbers of samples."""
    rise, fall = min(rise, length // 2), min(fall, length // 2)
    up = [math.sin(math.pi / 2 * i / rise) for i in range(rise)]
    down = [math.cos(math.pi / 2 * i / fall) for i in range(fall)]
    return [*up, *([1.0] * (length - rise - fall)), *down]


def struck(length: int, half_life: int) -> Wave:
    """Return an envelope that starts loud and decays. Both ends have a short fade."""
    factor = 0.5 ** (1 / half_life)
    values, amplitude = [], 1.0
    for _ in range(length):
        values.append(amplitude)
        amplitude *= factor
    return shaped(values, faded(length, 60, 240))


def mixed(track: Wave, start: int, wave: Wave) -> None:
    """Add a wave to a track.

    The track is a loop. The part of the wave that exceeds the end of the track is added at the beginning of the track.
    """
    start %= len(track)
    remaining = len(track) - start
    for place, piece in ((start, wave[:remaining]), (0, wave[remaining : remaining + len(track)])):
        track[place : place + len(piece)] = map(add, track[place : place + len(piece)], piece)


def samples(wave: Iterable[float]) -> bytes:
    """Convert values between -1 and 1 to 16-bit samples."""
    return array("h", [int(MAX_AMPLITUDE * value) for value in wave]).tobytes()


def levelled(wave: Wave) -> Wave:
    """Scale a wave so that its peak is 0.8."""
    factor = 0.8 / (max(max(wave), -min(wave)) or 1.0)
    return [value * factor for value in wave]


def repeated(loop: bytes, seconds: float) -> bytes:
    """Repeat a loop of samples for a number of seconds. The end fades out."""
    length = round(seconds * RATE) * WIDTH
    whole = (loop * (length // len(loop) + 1))[:length]
    tail = array("h", whole[-min(length, RATE * WIDTH // 4) :])
    soft = array("h", [int(value * (len(tail) - i) / len(tail)) for i, value in enumerate(tail)])
    return whole[: length - len(soft) * WIDTH] + soft.tobytes()
