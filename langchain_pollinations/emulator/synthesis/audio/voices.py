"""Changes the voice of a recording, and removes everything but speech from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from langchain_pollinations.emulator.synthesis.audio import codecs
from langchain_pollinations.emulator.synthesis.audio.speech import PACE, Turn, Voice, speak
from langchain_pollinations.emulator.synthesis.audio.waves import RATE, WIDTH

USUAL_PITCH = 150.0  # hertz; assumed for the voice of a recording that the emulator did not generate
MARGIN = 0.1  # seconds kept before and after a speech, because some codecs add a delay

Speeches = Sequence[tuple[float, tuple[Turn, ...]]]
"""The recognised speeches of a recording, each with its start in seconds."""


def _same_length(made: bytes, samples: bytes) -> bytes:
    return made[: len(samples)].ljust(len(samples), b"\0")


def _in_voice(turns: Sequence[Turn], voice: str) -> tuple[Turn, ...]:
    return tuple(replace(turn, voice=voice) for turn in turns)


def merged(speeches: Speeches) -> tuple[Turn, ...]:
    """Return the turns of all speeches of a recording, with their starts in the whole recording."""
    return tuple(replace(turn, start=turn.start + round(start * PACE)) for start, turns in speeches for turn in turns)


def changed(samples: bytes, speeches: Speeches, voice: str) -> tuple[bytes, tuple[Turn, ...]]:
    """Return the samples of a recording in another voice, and the turns that it contains.

    The voice speaks the recognised speeches with the same timing. Everything else changes its pitch.
    """
    ratio = Voice(voice).pitch / USUAL_PITCH
    tempo = [("atempo", str(1 / ratio))] if 0.5 <= 1 / ratio <= 2 else [("atempo", "0.5"), ("atempo", str(2 / ratio))]
    shifted = codecs.filtered(samples, ("asetrate", str(round(RATE * ratio))), ("aresample", str(RATE)), *tempo)
    made = bytearray(_same_length(shifted, samples))
    found = [(start, _in_voice(turns, voice)) for start, turns in speeches]
    for start, turns in found:
        place = round(start * RATE) * WIDTH
        spoken = speak(turns)[: max(0, len(made) - place)]
        made[place : place + len(spoken)] = spoken
    return bytes(made), merged(found)


def isolated(samples: bytes, speeches: Speeches) -> tuple[bytes, tuple[Turn, ...]]:
    """Return the samples of a recording without music and noise, and the turns that it contains.

    If the emulator recognises speech or music, only the speech is kept. Otherwise, low and high frequencies are
    removed.
    """
    turns = merged(speeches)
    if not speeches:
        return _same_length(codecs.filtered(samples, ("highpass", "f=100"), ("lowpass", "f=3800")), samples), turns
    made = bytearray(len(samples))
    for turn in turns:
        first, last = turn.start / PACE - MARGIN, (turn.start + len(turn.text)) / PACE + MARGIN
        start, end = (max(0, round(seconds * RATE)) * WIDTH for seconds in (first, last))
        made[start:end] = samples[start:end]
    return bytes(made), turns
