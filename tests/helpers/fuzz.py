"""How many random examples a test tries."""

from __future__ import annotations

import os


def examples(usual: int) -> int:
    """The usual number, or that of `make fuzz`."""
    return int(os.environ.get("FUZZ") or usual)
