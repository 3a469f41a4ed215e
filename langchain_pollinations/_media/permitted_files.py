"""Safe access to files. Only regular files are opened, and symbolic links are not followed. Paths from an untrusted
source must be below a permitted folder."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path


def open_below(folder: Path, inner: Path) -> int:
    """Open a regular file below a folder and return its file descriptor.

    Each part of the path is opened relative to its parent folder, and must not be a symbolic link. A link that another
    process creates after the path was checked is therefore not followed. Platforms without `dir_fd` open the whole path
    at once.

    Raises:
        OSError: If the file cannot be opened or is not a regular file.
    """
    is_walked = os.open in os.supports_dir_fd
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(folder if is_walked else folder / inner, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    for part in inner.parts if is_walked else ():
        try:
            child = os.open(part, flags, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = child
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IsADirectoryError(errno.EISDIR, "it is not a regular file")
    return descriptor


def open_regular_file(path: Path) -> io.BufferedReader:
    """Open a regular file for reading.

    A symbolic link raises an error. Any process with write access to the output folder could replace an output file
    with a link to another file.

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
