"""What all sound is made of: periodic waves, envelopes, and samples."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from operator import add, mul

RATE = 24000  # samples a second
WIDTH = 2  # bytes of a sample
LOUDEST = 32767

Wave = list[float]
Partials = Sequence[tuple[float, float]]  # multiples of the frequency, and how loud each is


def _cycles(frequency: float) -> int:
    """How many periods come closest to a whole number of samples: a wave made of them is in tune."""
    period = RATE / frequency
    return min(range(1, 9), key=lambda n: (round(abs(n * period - round(n * period)), 2), n))


def periodic(frequency: float, partials: Partials, length: int) -> Wave:
    """A wave that repeats itself, `length` samples long; its partials are whole multiples."""
    cycles = _cycles(frequency)
    size = round(cycles * RATE / frequency)
    turn = 2 * math.pi * cycles / size
    piece = [sum(loud * math.sin(turn * multiple * i) for multiple, loud in partials) for i in range(size)]
    return (piece * (length // size + 1))[:length]


def shaped(wave: Wave, envelope: Wave) -> Wave:
    return list(map(mul, wave, envelope))


def faded(length: int, rise: int, fall: int) -> Wave:
    """An envelope that rises, stays and falls."""
    rise, fall = min(rise, length // 2), min(fall, length // 2)
    up = [math.sin(math.pi / 2 * i / rise) for i in range(rise)]
    down = [math.cos(math.pi / 2 * i / fall) for i in range(fall)]
    return [*up, *([1.0] * (length - rise - fall)), *down]


def struck(length: int, half_life: int) -> Wave:
    """An envelope that begins at once and dies away, its very ends soft."""
    factor = 0.5 ** (1 / half_life)
    values, loud = [], 1.0
    for _ in range(length):
        values.append(loud)
        loud *= factor
    return shaped(values, faded(length, 60, 240))


def mixed(track: Wave, start: int, wave: Wave) -> None:
    """Add a wave to a track, around its end: what sounds on at the end is heard at the beginning of a loop."""
    start %= len(track)
    room = len(track) - start
    for place, piece in ((start, wave[:room]), (0, wave[room : room + len(track)])):
        track[place : place + len(piece)] = map(add, track[place : place + len(piece)], piece)


def samples(wave: Iterable[float]) -> bytes:
    """16-bit samples of values between -1 and 1."""
    return array("h", [int(LOUDEST * value) for value in wave]).tobytes()


def levelled(wave: Wave) -> Wave:
    """The wave as loud as the others."""
    factor = 0.8 / (max(max(wave), -min(wave)) or 1.0)
    return [value * factor for value in wave]


def repeated(loop: bytes, seconds: float) -> bytes:
    """A loop of samples, as long as asked for, with a soft end."""
    length = round(seconds * RATE) * WIDTH
    whole = (loop * (length // len(loop) + 1))[:length]
    tail = array("h", whole[-min(length, RATE * WIDTH // 4) :])
    soft = array("h", [int(value * (len(tail) - i) / len(tail)) for i, value in enumerate(tail)])
    return whole[: length - len(soft) * WIDTH] + soft.tobytes()
