"""Output files: reads, atomic writes and paths."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from langchain_pollinations._media.permitted_files import open_regular_file
from langchain_pollinations.errors import InvalidRequestError

_FOLDER_ENDS = tuple(f"{separator}{name}" for separator in (os.sep, os.altsep) if separator for name in ("", ".", ".."))


def read_file(path: Path) -> bytes:
    """Read the bytes of a regular file."""
    with open_regular_file(path) as file:
        return file.read()


def input_path(path: str | os.PathLike[str], param: str) -> Path:
    """Return the path of a file that the caller passes in the argument `param`.

    Raises:
        InvalidRequestError: If the path is a folder, a device or a pipe, because reading some of these does not end. Or
            if no file can have the path.
    """
    file = expanded(path, param)
    if file.exists() and not file.is_file():
        raise InvalidRequestError(f"{param}: {os.fspath(path)!r} is not a regular file", param=param)
    return file


def expanded(path: str | os.PathLike[str], param: str) -> Path:
    """Return a path with the home folder in place of `~`.

    Raises:
        InvalidRequestError: If no file can have the path, or its home folder is unknown.
    """
    _check_possible(path, param)
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        says = f"{param}: the home folder of {os.fspath(path)!r:.200} is unknown"
        raise InvalidRequestError(says, param=param) from error


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Yield the path of a temporary file in the folder of `target`.

    On success, the temporary file replaces `target`. On error, the temporary file is deleted.
    """
    part = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield part
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def target_path(path: str | os.PathLike[str], suffix: str) -> Path:
    """Return the path of an output file. It is `path`, with `suffix` added if `path` has no suffix.

    Raises:
        InvalidRequestError: If no file can have the path.
        OSError: If the path is a folder, or its parent folder does not exist or cannot be written.
    """
    _check_possible(path, "path")
    target = Path(path)
    if target.is_dir() or os.fspath(path).endswith(_FOLDER_ENDS):
        raise IsADirectoryError(f"{os.fspath(path)!r} is a folder: give the name of a file in it")
    folder = str(target.parent)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"The folder {folder!r} does not exist: create it first")
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(f"The folder {folder!r} cannot be written: choose another folder")
    return target if target.suffix else target.with_suffix(suffix)


def _check_possible(path: str | os.PathLike[str], param: str) -> None:
    """Raise an `InvalidRequestError` if the file system cannot represent a path."""
    try:
        is_possible = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        is_possible = False
    if not is_possible:
        message = f"{param}: {os.fspath(path)!r:.200} must not contain null characters or lone surrogates"
        raise InvalidRequestError(message, param=param)
