"""Values of a request as the older hosts' JavaScript reads them, traps included: what cannot be read is nothing."""

from __future__ import annotations

import re
from typing import Any

INTEGER = re.compile(r"\s*([+-]?[0-9]{1,18})")  # further digits make no number that anything could be done with
NUMBER = re.compile(r"\s*([+-]?(?:[0-9]{1,18}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?)")


def integer(value: Any) -> int | None:
    """The number at the beginning: 12 in `12.7` and in `12px`."""
    found = INTEGER.match(str(value))
    return int(found[1]) if found else None


def number(value: Any) -> float | None:
    """The same with decimals."""
    found = NUMBER.match(str(value))
    return float(found[1]) if found else None


def is_true(value: Any) -> bool:
    """A switch that knows one word: `1` and `yes` are not true."""
    return str(value).lower() == "true"


def is_on(value: Any) -> bool:
    """A switch that knows more of them."""
    return str(value).lower() in ("true", "1", "yes")


def is_truthy(value: Any) -> bool:
    """Any word that is not empty, "false" among them, and any array or object."""
    return bool(value) or isinstance(value, list | dict)
