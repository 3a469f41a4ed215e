"""Parses request values as the JavaScript of the legacy hosts does. An invalid number becomes None."""

from __future__ import annotations

import re
from typing import Any

INTEGER = re.compile(r"\s*([+-]?[0-9]{1,18})")  # a number with more digits is of no use
NUMBER = re.compile(r"\s*([+-]?(?:[0-9]{1,18}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?)")


def integer(value: Any) -> int | None:
    """Parse the integer at the beginning of a value. The values `12.7` and `12px` become 12."""
    found = INTEGER.match(str(value))
    return int(found[1]) if found else None


def number(value: Any) -> float | None:
    """Parse the decimal number at the beginning of a value."""
    found = NUMBER.match(str(value))
    return float(found[1]) if found else None


def is_true(value: Any) -> bool:
    """Return whether a value is `true`, in upper or lower case. `1` and `yes` do not count."""
    return str(value).lower() == "true"


def is_on(value: Any) -> bool:
    """Return whether a value is `true`, `1` or `yes`, in upper or lower case."""
    return str(value).lower() in ("true", "1", "yes")


def is_truthy(value: Any) -> bool:
    """Return whether JavaScript treats a value as true. Any non-empty string, any array and any object is true."""
    return bool(value) or isinstance(value, list | dict)
