"""Parse request values as the JavaScript of the legacy hosts does, quirks included. An invalid number becomes None."""

from __future__ import annotations

import re
from typing import Any

INTEGER = re.compile(r"\s*([+-]?[0-9]{1,18})")  # a number with more digits is of no use
NUMBER = re.compile(r"\s*([+-]?(?:[0-9]{1,18}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?)")


def integer(value: Any) -> int | None:
    """Parse the leading integer: 12 for `12.7` and for `12px`."""
    found = INTEGER.match(str(value))
    return int(found[1]) if found else None


def number(value: Any) -> float | None:
    """Parse the leading decimal number."""
    found = NUMBER.match(str(value))
    return float(found[1]) if found else None


def is_true(value: Any) -> bool:
    """Parse a flag that is on only for `true`, in any case; `1` and `yes` are off."""
    return str(value).lower() == "true"


def is_on(value: Any) -> bool:
    """Parse a flag that is on for `true`, `1` and `yes`, in any case."""
    return str(value).lower() in ("true", "1", "yes")


def is_truthy(value: Any) -> bool:
    """Return whether JavaScript takes a value as true: any non-empty string, even "false", and any array or object."""
    return bool(value) or isinstance(value, list | dict)
