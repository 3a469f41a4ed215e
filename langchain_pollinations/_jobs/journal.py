"""The journal of a job: a JSONL file with one record for each attempt of a row."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from langchain_pollinations._jobs.rows import Row, digest_of
from langchain_pollinations.errors import InvalidRequestError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

JOURNAL = "journal.jsonl"

_LOCK = ".lock"

_PARTIAL = re.compile(r"\.[0-9a-f]{32}\.part")
"""Names of files whose write was interrupted."""


class Journal:
    """The journal of the job in a folder. Only one process may have it open. Any thread may use it.

    A record is written with one system call, after its files are in place. A process that is killed therefore leaves
    complete records, except perhaps the last, which is removed when the journal is opened. A record that cannot be
    written completely is removed at once.

    Raises:
        InvalidRequestError: If another process runs the job, or a record cannot be read.
        OSError: If the folder or a file in it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._path = folder / JOURNAL
        self._mutex = threading.Lock()
        self._lock = (folder / _LOCK).open("a+b")
        try:
            _lock_file(self._lock, folder)
            for leftover in folder.glob(".*.part"):
                if _PARTIAL.fullmatch(leftover.name):
                    leftover.unlink()
            self._finished = self._load()
            self._file: IO[bytes] | None = self._path.open("ab", buffering=0)
        except BaseException:
            self._lock.close()
            raise

    def _load(self) -> dict[str, str]:
        """Return the digests of the finished rows by id, and remove an incomplete last record."""
        found: dict[str, str] = {}
        if not self._path.exists():
            return found
        with self._path.open("r+b") as file:
            end = 0
            for place, record in _parse(file):
                end = place.stop
                if record["status"] == "done" and self._has_files(record):
                    found[record["id"]] = digest_of(record["row"])
                else:
                    found.pop(record["id"], None)
            file.truncate(end)
        return found

    def _has_files(self, record: Mapping[str, Any]) -> bool:
        return all((self._folder / name).is_file() for name in record["files"])

    def is_finished(self, row: Row) -> bool:
        return self._finished.get(row.id) == row.digest

    def add(self, record: Mapping[str, Any]) -> bool:
        """Append a record. Return False if the journal is closed. A thread of an interrupted job may come too late.

        Raises:
            TypeError: If the record contains NaN or infinity.
            OSError: If the record cannot be written.
        """
        try:
            text = json.dumps(record, ensure_ascii=False, allow_nan=False)
        except ValueError as error:
            raise TypeError(
                f"call: JSON cannot represent the result of the row {record['id']!r:.80}: {error}"
            ) from error
        line = memoryview(text.encode("utf-8", "backslashreplace") + b"\n")
        with self._mutex:
            if self._file is None:
                return False
            end = self._file.seek(0, os.SEEK_END)
            try:
                while line:  # if the disk is full, only a part is written
                    line = line[self._file.write(line) :]
            except OSError:
                self._file.truncate(end)
                raise
            return True

    def close(self) -> None:
        with self._mutex:
            if self._file is not None:
                self._file.close()
                self._file = None
        self._lock.close()


def read_records(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the last record of each row, in the order of their first records. An incomplete last record is omitted."""
    with (folder / JOURNAL).open("rb") as file:
        last = {record["id"]: place.start for place, record in _parse(file)}  # the records may not fit into memory
        for start in last.values():
            file.seek(start)
            yield json.loads(file.readline())


def _parse(file: IO[bytes]) -> Iterator[tuple[slice, dict[str, Any]]]:
    """Yield the place of each complete record in the file, and the record."""
    end = 0
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n"):
            return
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if not _is_record(record):
            raise InvalidRequestError(f"folder: line {number} of {JOURNAL} is not a record of a job", param="folder")
        place = slice(end, end + len(line))
        end = place.stop
        yield place, record


def _is_record(record: Any) -> bool:
    match record:
        case {"id": str(), "row": _, "status": str(), "files": [*names]}:
            return all(isinstance(name, str) for name in names)
    return False


def _lock_file(file: IO[bytes], folder: Path) -> None:
    """Lock a file until it is closed or the process ends, in whatever way.

    Raises:
        InvalidRequestError: If the file is locked.
        OSError: If the file system has no locks.
    """
    try:
        if sys.platform == "win32":
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:  # Windows reports the latter
        raise InvalidRequestError(f"folder: another job is running in {os.fspath(folder)}", param="folder") from error
