"""Result files: atomic writes, file names, and path checks."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def open_regular_file(path: Path) -> io.BufferedReader:
    """Open a regular file for reading. A symbolic link is not followed: any process with write access to the result
    folder could point it at any file.

    Raises:
        OSError: If the file cannot be opened, or is not a regular file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a symbolic link, which is not followed", str(path))
    number = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise IsADirectoryError(errno.EISDIR, "it is no file", str(path))
    return os.fdopen(number, "rb")


def read_file(path: Path) -> bytes:
    """Read the bytes of a regular file."""
    with open_regular_file(path) as file:
        return file.read()


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Yield a temporary file beside `target`. It replaces `target` on success and is deleted on error."""
    part = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield part
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def target_path(path: str | os.PathLike[str], suffix: str) -> Path:
    """Return the path of a new file: `path`, with `suffix` added if it has no suffix.

    Raises:
        OSError: If the path is a folder, or its parent folder does not exist.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder: give the name of a file in it")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent} is no folder: make it first")
    return target if target.suffix else target.with_suffix(suffix)


def artifact_error(says: str) -> ValueError:
    return ValueError(f"artifact of type 'pollinations_media': {says}")


def resolve_below(folder: str | os.PathLike[str] | None, path: Any) -> Path:
    """Resolve the path of an artifact, which must be below the folder."""
    if folder is None:
        raise artifact_error("names a file, which is read only below a folder that you name: folder=...")
    if not isinstance(path, str) or "\0" in path or re.match(r"[/\\]([/\\]|\?\?)", path):
        raise artifact_error("path must be that of a file on this machine")
    base = Path(folder).expanduser().resolve()
    try:
        found = (base / path).resolve()
    except (OSError, RuntimeError) as error:
        raise artifact_error(f"path cannot be read: {error}") from error
    if not found.is_relative_to(base):
        raise artifact_error(f"path is not below the folder {base.name!r}")
    return found
