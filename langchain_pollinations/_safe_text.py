"""Text of the service for a model, a terminal or a notebook. Pure functions."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

MAX_LENGTH = 500
"""Characters of a message that a model reads."""

_JOINERS = "\u200c\u200d"
"""Format characters that emoji and some scripts need."""


def safe_text(text: str, longest: int = MAX_LENGTH, secrets: Iterable[str] = ()) -> str:
    """A text in one line, without control and format characters and without secrets, cut to a length.

    Args:
        text: The text.
        longest: Characters that are kept.
        secrets: Keys that may stand in it; each is replaced by `***`.
    """
    known = [secret for secret in secrets if secret]
    line = " ".join(_without(known, text)[: 8 * longest].split())
    plain = "".join(each for each in line if each in _JOINERS or unicodedata.category(each) not in ("Cc", "Cf", "Cs"))
    kept = _without(known, plain)  # which the characters between may have hidden
    return kept if len(kept) <= longest else f"{kept[: longest - 3]}..."


def safe_lines(text: str, secrets: Iterable[str] = ()) -> str:
    """A text of any length, line by line as `safe_text` leaves it."""
    known = list(secrets)
    return "\n".join(safe_text(line, len(line) + 3 * len(known), known) for line in text.splitlines())


def _without(secrets: Sequence[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
