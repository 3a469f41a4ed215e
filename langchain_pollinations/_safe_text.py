"""Text of the service for a model, a terminal or a notebook. Pure functions."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

LONGEST = 500
"""Characters of a message that a model reads."""

_JOINERS = "\u200c\u200d"
"""Format characters that emoji and some scripts need."""


def safe_text(text: str, longest: int = LONGEST, secrets: Iterable[str] = ()) -> str:
    """A text in one line, without control and format characters and without secrets, cut to a length.

    Args:
        text: The text.
        longest: Characters that are kept.
        secrets: Keys that may stand in it; each is replaced by `***`.
    """
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    line = " ".join(text[: 4 * longest].split())
    kept = "".join(each for each in line if each in _JOINERS or unicodedata.category(each) not in ("Cc", "Cf", "Cs"))
    return kept if len(kept) <= longest else f"{kept[: longest - 3]}..."
