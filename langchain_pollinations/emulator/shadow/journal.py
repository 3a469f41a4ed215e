"""The file with one JSON object per line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Journal:
    """Appends lines to a file. Only its owner can read a new file.

    Each line is written at once, so that two programs can append to the same file.

    Raises:
        OSError: If the file cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        self._is_cut = self._ends_within_a_line()

    def _ends_within_a_line(self) -> bool:
        size = os.lseek(self._descriptor, 0, os.SEEK_END)
        if size == 0:
            return False
        os.lseek(self._descriptor, size - 1, os.SEEK_SET)
        return os.read(self._descriptor, 1) != b"\n"

    def write(self, entry: Mapping[str, Any]) -> None:
        """Append a line.

        Raises:
            OSError: If the line cannot be written completely. The next line then starts on a new line.
        """
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        data = b"\n" + line if self._is_cut else line
        self._is_cut = True
        while data:
            data = data[os.write(self._descriptor, data) :]
        self._is_cut = False

    def close(self) -> None:
        os.close(self._descriptor)
