"""Warnings that point to the line of the user's code."""

from __future__ import annotations

import sys
import warnings
from contextvars import ContextVar
from types import FrameType
from typing import Any, TypeAlias

_LIBRARIES = frozenset(
    {"langchain_pollinations", "langchain_core", "langchain", "langgraph", "pydantic", "tenacity"}
    | {"asyncio", "concurrent", "contextlib", "threading"}
)


Location: TypeAlias = tuple[str, int, dict[str, Any]]
"""File name, line number, and global names of the module."""

caller: ContextVar[Location | None] = ContextVar("caller", default=None)
"""The line of the user's code that started the thread of this context."""


def warn(message: str) -> None:
    """Issue a `UserWarning` at the innermost line outside this package and the libraries that call it.

    A thread of a library has no such line. The warning is then issued at `caller`. If `caller` is None, it is issued at
    the line that calls this function.
    """
    filename, line, names = find_caller() or _location(sys._getframe(1))
    module = str(names.get("__name__", "<string>"))
    # As in warnings.warn, the registry of the module makes a warning appear once per line.
    registry = names.setdefault("__warningregistry__", {})
    warnings.warn_explicit(message, UserWarning, filename, line, module, registry)


def find_caller() -> Location | None:
    """Return the innermost line outside this package and the libraries that call it, else `caller`."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_library(frame):
        frame = frame.f_back
    return caller.get() if frame is None else _location(frame)


def _location(frame: FrameType) -> Location:
    return frame.f_code.co_filename, frame.f_lineno, frame.f_globals


def _is_library(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in _LIBRARIES
