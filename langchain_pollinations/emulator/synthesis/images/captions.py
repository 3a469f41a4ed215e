"""Prepares captions: selects their characters, line breaks and font size."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from PIL import ImageFont

MAX_LINES = 3
MAX_CAPTION_LENGTH = 600  # characters; more than the lines can hold
PLAIN_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "ı": "i", "—": "-", "–": "-"}
)
OTHER_SCRIPT = "[a prompt in letters that this font lacks]"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=32)
def sized(size: int) -> Font:
    """Return Pillow's built-in font. `size` is in pixels."""
    return ImageFont.load_default(size=size)


def line_height(font: Font) -> int:
    box = font.getbbox("Ägjy")
    return round((box[3] - box[1]) * 1.25)


def caption(prompt: str, width: int, height: int) -> tuple[list[str], Font]:
    """Split a prompt into the lines of a caption. Return the lines and their font.

    The font is the largest one for which the caption has at most MAX_LINES lines.
    """
    text = legible(prompt[:MAX_CAPTION_LENGTH])
    largest = max(10, min(width // 24, height // 20))
    for size in range(largest, max(8, largest // 2) - 1, -2):
        font = sized(size)
        lines = wrapped(text, font, width)
        if len(lines) <= MAX_LINES and all(font.getlength(line) <= width for line in lines):
            return lines, font
    font = sized(max(8, largest // 2))
    lines = [shortened(line, font, width) for line in wrapped(text, font, width)]
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], shortened(lines[MAX_LINES - 1] + " …", font, width)]
    return lines, font


@lru_cache(maxsize=4096)
def _has(letter: str) -> bool:
    """Return whether the font has a glyph for a character. All missing glyphs are drawn as the same box."""
    font = sized(24)
    return bytes(font.getmask(letter)) != bytes(font.getmask("\uffff"))


def legible(prompt: str) -> str:
    """Replace characters that the font cannot draw. Accents are removed. Other scripts and emoji become "…"."""
    plain = unicodedata.normalize("NFKD", " ".join(prompt.split()).translate(PLAIN_LETTERS))
    shown = "".join(c if _has(c) else "…" for c in plain if not unicodedata.combining(c))
    found = re.sub(r"…[… ]*", "… ", shown).strip()
    return found if found.strip(" …") else OTHER_SCRIPT if found else "untitled"


def wrapped(text: str, font: Font, width: int) -> list[str]:
    """Break a text into lines of similar length."""
    words = text.split(" ")
    total = font.getlength(text)
    count = max(1, -(-int(total) // max(1, width)))
    aim = min(width, total / count * 1.08 + font.getlength("mm"))
    lines: list[str] = []
    for word in words:
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= aim:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def shortened(line: str, font: Font, width: int) -> str:
    """Cut a line to a maximum width in pixels. A cut line ends with an ellipsis."""
    if font.getlength(line) <= width:
        return line
    beginning = line.rstrip(" …")
    while beginning and font.getlength(beginning + "…") > width:
        beginning = beginning[: -max(1, len(beginning) // 12)]
    return beginning + "…"
