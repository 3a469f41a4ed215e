"""Warnings that name the line of the user's code."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

_LIBRARIES = frozenset(
    {"langchain_pollinations", "langchain_core", "langchain", "langgraph", "pydantic", "tenacity"}
    | {"asyncio", "concurrent", "contextlib", "threading"}
)


def warn(message: str) -> None:
    """Give a `UserWarning` at the innermost line outside of this package and of the libraries that call it. Where there
    is none, as in a thread of a library, at the line that calls this function."""
    caller = frame = sys._getframe(1)
    while _is_library(frame):
        if frame.f_back is None:
            frame = caller
            break
        frame = frame.f_back
    warnings.warn_explicit(
        message,
        UserWarning,
        filename=frame.f_code.co_filename,
        lineno=frame.f_lineno,
        module=frame.f_globals.get("__name__", "<string>"),
        # As in warnings.warn: the registry of the module lets a warning be shown once for each line.
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )


def _is_library(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in _LIBRARIES
