"""Splits a text at natural pauses, with one part for each request. Also parses and splits dialogues."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from langchain_pollinations.errors import InvalidRequestError

# Where a text may be split, best first: after a sentence or at a line break, after a clause, between words.
_BREAKS = tuple(
    map(
        re.compile,
        (
            r"[.!?…؟۔।॥][\"'”’»)\]]*(?=\s)|[。！？｡]+[」』）”’】》]*|(?=[\r\n])",
            r"[,;:،؛—–)](?=\s)|[，、；：]",
            r"(?=\s)",
        ),
    )
)
_JOINER = "\u200d"


def size(text: str) -> int:
    """Number of characters. The service counts UTF-16 code units, so an emoji counts as two characters."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def split_text(text: str, most: int) -> list[str]:
    """Split a text into parts of at most `most` characters (see `size`). `most` must be at least 2.

    The parts are slices of the text, in order. No part is empty. No part begins or ends with whitespace. Only
    whitespace is removed between two parts, before the first part and after the last part.
    """
    parts, rest = [], text.strip()
    while size(rest) > most:
        end = _cut(rest, most)
        parts.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return [*parts, rest] if rest else parts


def _cut(text: str, most: int) -> int:
    """Return the index at which the first part ends. The text is too long for one part."""
    fits = _longest_prefix(text, most)
    for pattern in _BREAKS:
        ends = [found.end() for found in pattern.finditer(text, 0, fits + 1) if found.end() <= fits]
        if ends:
            return ends[-1]
    return _between_characters(text, fits)


def _longest_prefix(text: str, most: int) -> int:
    """Return the length in code points of the longest prefix of a text whose `size` is at most `most`."""
    units = text[:most].encode("utf-16-le", "surrogatepass")
    return max(len(units[: 2 * most].decode("utf-16-le", "ignore")), 1)


def _between_characters(text: str, end: int) -> int:
    """Return the last index up to `end` that does not separate an accent, a joiner or a skin tone from its character.
    Return `end` if there is no such index."""
    place = end
    while place > 0 and _belong_together(text[place - 1], text[place]):
        place -= 1
    return place or end


def _belong_together(before: str, after: str) -> bool:
    is_tone = "\U0001f3fb" <= after <= "\U0001f3ff"
    return is_tone or _JOINER in (before, after) or unicodedata.category(after).startswith("M")


# --- Dialogues --------------------------------------------------------------------------------------------------------


class DialogueTurn(NamedTuple):
    """One line of a dialogue: a voice and the text that it speaks."""

    voice: str
    text: str

    def __str__(self) -> str:
        """Return the line in the service's format, `voice: text`."""
        return f"{self.voice}: {self.text}"


def parse_dialogue(given: Any) -> list[DialogueTurn]:
    """Parse a dialogue. It consists of lines of the form `voice: words`, or of pairs of a voice and its words.

    Raises:
        InvalidRequestError: If the dialogue is empty, or a line or a pair has another form.
    """
    if isinstance(given, str):
        lines = re.split(r"\r\n|\r|\n", given)
        turns = [_parse_line(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    else:
        turns = [_parse_pair(number, pair) for number, pair in enumerate(given, 1)]
    if not turns:
        raise InvalidRequestError("prompt must be a dialogue that is not empty", param="prompt")
    return turns


def _parse_line(number: int, line: str) -> DialogueTurn:
    voice, colon, text = map(str.strip, line.partition(":"))
    if not (voice and colon and text):
        raise InvalidRequestError(
            f"prompt: line {number} ({line.strip()[:40]!r}) is no turn of the form 'voice: words'", param="prompt"
        )
    return DialogueTurn(voice, text)


def _parse_pair(number: int, pair: Any) -> DialogueTurn:
    texts = [" ".join(re.split(r"[\r\n]+", each)).strip() for each in _pair(pair)]  # each pair becomes one line
    if len(texts) != 2 or not all(texts) or ":" in texts[0]:
        raise InvalidRequestError(f"prompt: turn {number} is no pair of a voice and its words", param="prompt")
    return DialogueTurn(*texts)


def _pair(given: Any) -> Sequence[str]:
    whole = isinstance(given, list | tuple) and all(isinstance(each, str) for each in given)
    return given if whole else ()


def split_dialogue(turns: Iterable[DialogueTurn], most: int) -> list[str]:
    """Split a dialogue into parts of at most `most` characters. A part ends at a line end. Longer lines are split."""
    parts: list[str] = []
    for line in (str(short) for turn in turns for short in _split_turn(turn, most)):
        if parts and size(parts[-1]) + 1 + size(line) <= most:
            parts[-1] += f"\n{line}"
        else:
            parts.append(line)
    return parts


def _split_turn(turn: DialogueTurn, most: int) -> list[DialogueTurn]:
    return [DialogueTurn(turn.voice, text) for text in split_text(turn.text, most - size(turn.voice) - 2)]
