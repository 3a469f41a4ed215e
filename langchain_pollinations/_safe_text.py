"""Makes text from the service safe for a language model, a terminal or a notebook. Pure functions."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

MAX_LENGTH = 500
"""Maximum characters of a message that is passed to a model."""

_JOINERS = "\u200c\u200d"
"""Format characters that emoji and some scripts need."""


def safe_text(text: str, longest: int = MAX_LENGTH, secrets: Iterable[str] = ()) -> str:
    """Convert a text to one line of limited length, without control characters, format characters and secrets.

    Args:
        text: The text.
        longest: Maximum characters of the result.
        secrets: Keys to remove from the text. Each is replaced by `***`.
    """
    known = [secret for secret in secrets if secret]
    line = " ".join(_without(known, text)[: 8 * longest].split())
    plain = "".join(each for each in line if each in _JOINERS or unicodedata.category(each) not in ("Cc", "Cf", "Cs"))
    kept = _without(known, plain)  # again: removed characters may have split a secret
    return kept if len(kept) <= longest else f"{kept[: longest - 3]}..."


def safe_lines(text: str, secrets: Iterable[str] = ()) -> str:
    """Apply `safe_text` to each line of a text. The length of a line is not limited."""
    known = list(secrets)
    return "\n".join(safe_text(line, len(line) + 3 * len(known), known) for line in text.splitlines())


def _without(secrets: Sequence[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
