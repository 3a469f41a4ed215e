"""Run a program, such as an example, as a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from langchain_pollinations.emulator import Emulator

ROOT = Path(__file__).parents[2]
LIMIT = 120
"""Seconds after which a program that does not answer has failed."""


@contextmanager
def running(
    folder: Path, *command: str, cwd: Path, service: Emulator | None, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run a server with this Python on a free port, and yield its URL. `{port}` in the command is the port.

    Args:
        folder: Folder for temporary files and the log, which must contain no traceback at the end.
        command: Arguments of Python.
        cwd: Folder in which the program starts.
        service: Emulator that the program uses. If it is None, the program has no key.
        environment: Further variables of the environment.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}", folder / "log"
    start = log.stat().st_size if log.exists() else 0
    words = [sys.executable, *(word.format(port=port) for word in command)]
    settings = {**os.environ, **variables(folder, service), **(environment or {})}
    with log.open("ab") as output:
        process = subprocess.Popen(words, cwd=cwd, env=settings, stdout=output, stderr=output)

    def shown() -> str:
        return log.read_bytes()[start:].decode("utf-8", "replace")[-3000:]

    try:
        end = time.monotonic() + LIMIT
        while not _is_up(url):
            assert process.poll() is None and time.monotonic() < end, shown()
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(LIMIT)
    assert "Traceback" not in shown(), shown()


def variables(folder: Path, service: Emulator | None) -> dict[str, str]:
    """Return the variables of a program that uses this checkout, a folder for temporary files, and an emulator."""
    connection = service.connection() if service else {}
    names = {"base_url": "POLLINATIONS_BASE_URL", "api_key": "POLLINATIONS_API_KEY"}
    return {
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(folder),
        **{name: connection[field] for field, name in names.items() if field in connection},
    }


def _is_up(url: str) -> bool:
    try:
        return httpx.get(url).status_code < 500
    except httpx.TransportError:
        return False
