"""Finds a key in values, errors and tracebacks."""

from __future__ import annotations

import os
import traceback
import types
from collections.abc import Iterator, Mapping
from typing import Any

LIBRARIES = ("aiohttp", "httpcore", "httpx", "httpx2", "httpcore2")


def secrets_in(value: Any, secret: str, path: str = "", seen: set[int] | None = None) -> Iterator[str]:
    """The places below a value, or below an error and its causes, that hold the secret."""
    seen = set() if seen is None else seen
    if isinstance(value, str | bytes):
        if secret in (value if isinstance(value, str) else value.decode("latin-1")):
            yield path
        return
    if id(value) in seen or isinstance(value, type | types.TracebackType | types.FrameType | types.FunctionType):
        return
    seen.add(id(value))
    inner: dict[str, Any] = dict(getattr(value, "__dict__", {}))
    if isinstance(value, BaseException):
        inner |= {"args": value.args, "__cause__": value.__cause__, "__context__": value.__context__}
    if isinstance(value, Mapping):
        inner |= {f"[{key!r}]": each for key, each in value.items()} | {"keys": list(value)}
    elif isinstance(value, list | tuple | set | frozenset):
        inner |= {f"[{number}]": each for number, each in enumerate(value)}
    for name, each in inner.items():
        yield from secrets_in(each, secret, f"{path}.{name}", seen)


def secrets_in_frames(error: BaseException | None, secret: str, *, libraries: bool = False) -> list[str]:
    """The variables that show the secret in a trace of the error and of its causes.

    Args:
        error: The error.
        secret: The secret.
        libraries: Search the frames of the HTTP libraries too, not only those of the package.
    """
    found, seen = [], set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            name = str(frame.f_globals.get("__name__", "")).partition(".")[0]
            is_ours = f"langchain_pollinations{os.sep}" in frame.f_code.co_filename
            if is_ours or (libraries and name in LIBRARIES):
                found += [
                    f"{frame.f_code.co_name}.{name}" for name, value in frame.f_locals.items() if _shows(value, secret)
                ]
        error = error.__cause__ or error.__context__
    return found


def _shows(value: Any, secret: str) -> bool:
    if isinstance(value, bytes):  # whose `repr` is slow
        return secret.encode() in value
    try:
        return secret in repr(value)
    except AttributeError:  # an object whose constructor failed
        return False
