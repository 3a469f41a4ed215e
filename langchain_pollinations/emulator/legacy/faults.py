"""Named faults of the older hosts and of what stands before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..faults import DAMAGES, Case
from . import placards

CASES: Mapping[str, Callable[[str], Case]] = {**placards.CASES}
SOFT_CASES = ()


def named(name: str, level: str) -> Case:
    """The fault of a name, in the form of a level."""
    if name not in CASES:
        known = ", ".join(sorted((*CASES, *SOFT_CASES, *DAMAGES)))
        raise ValueError(f"Unknown fault {name!r}; known are: {known}")
    return CASES[name](level)
