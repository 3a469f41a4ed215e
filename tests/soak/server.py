"""The emulator of the soak, in a process of its own. It injects faults at random.

    python -m tests.soak.server SHARE

The first line of stdout is the connection as JSON. For each line of stdin, the server waits until no request runs, and
writes a JSON line with the requests and the billed generations since the last line, by operation. Then it clears the
emulator, so that the recorded requests and the ledger do not grow.
"""

from __future__ import annotations

import json
import random
import re
import sys
import time
from collections import Counter, defaultdict
from contextvars import ContextVar
from typing import Any

from langchain_pollinations.emulator import Asked, Emulator, UsageRecord
from langchain_pollinations.emulator.scripting.reply_queue import Entry, Script, is_text_route
from langchain_pollinations.emulator.service.ledger import Ledger
from langchain_pollinations.emulator.state import Requests

from .figures import resident_bytes, return_free_memory

OPERATION = re.compile(rb"soak-(\d+)")
"""The name of an operation. It is in the prompt, the file or a header of each request of the operation."""
QUIET_WITHIN = 30.0
"""Seconds in which running requests must end."""
LATENCY = 0.03
FAULTS: tuple[tuple[str | int, dict[str, Any]], ...] = (
    ("drop", {}),
    ("cut", {}),
    ("no end", {}),
    ("stall", {"seconds": 1.5}),
    ("stall", {"seconds": 1.5, "pings": True}),
    (400, {}),
    (429, {"headers": {"retry-after": "0"}}),
    (500, {}),
    (503, {"headers": {"retry-after": "0"}}),
    ("provider 429", {}),
    ("content policy", {}),
    ("balance spent", {}),
    ("edge page", {}),
    ("bad gateway page", {}),
    ("coordination unavailable", {}),
)
TEXT_FAULTS: tuple[tuple[str | int, dict[str, Any]], ...] = (
    ("comments", {}),
    ("stream error", {}),
    ("balance notice", {}),
)
"""Faults inside a text response with status 200."""
_current: ContextVar[str] = ContextVar("_current")
_expects_fault: ContextVar[bool] = ContextVar("_expects_fault", default=False)


def operation_of(asked: Asked) -> str:
    """Return the number of the operation of a request, or an empty string."""
    for text in (asked.headers.get("x-soak", "").encode(), asked.raw_path.encode(), asked.body):
        if found := OPERATION.search(text):
            return found[1].decode()
    return ""


class NamedRequests(Requests):
    """Recorded requests. The ledger learns from `remember` which operation a request belongs to."""

    def remember(self, asked: Asked) -> None:
        _current.set(operation_of(asked))
        super().remember(asked)


class NamedLedger(Ledger):
    """A ledger that counts the records of each operation."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def add(self, record: UsageRecord) -> None:
        self.counts[_current.get("")] += 1
        super().add(record)

    def clear(self) -> None:
        super().clear()
        self.counts.clear()


class RandomFaults(Script):
    """A queue that gets a random fault before a share of the requests.

    A request has one fault at most. A fault of `TEXT_FAULTS` is injected only as the first fault of an operation. The
    emulator bills such a response and does not store it, so a second fault would bill the same generation twice.
    """

    def __init__(self, emulator: Emulator, share: float) -> None:
        super().__init__()
        self._emulator, self._share, self._random = emulator, share, random.Random(1)
        self.injected: Counter[str] = Counter()
        self.by_operation: dict[str, list[str]] = defaultdict(list)

    def take(self, path: str, *, messages: bool) -> Entry | None:
        if messages:
            return super().take(path, messages=True) if _expects_fault.get() else None
        _expects_fault.set(False)
        if self._random.random() >= self._share:
            return None
        earlier = self.by_operation[_current.get("")]
        case, options = self._random.choice((*FAULTS, *TEXT_FAULTS) if is_text_route(path) and not earlier else FAULTS)
        self.injected[str(case)] += 1
        earlier.append(str(case))
        self._emulator.fail(case, **options)
        entry = super().take(path, messages=False)
        _expects_fault.set(entry is None)
        return entry


class Server:
    def __init__(self, share: float) -> None:
        self.emulator = Emulator(keys={"sk_emulator": {"balance": 10**9}}, latency=LATENCY)
        state = self.emulator.state
        self._ledger, self._script = NamedLedger(), RandomFaults(self.emulator, share)
        state.requests, state.ledger, state.script = NamedRequests(), self._ledger, self._script

    def report(self) -> dict[str, Any]:
        """Return the counts since the last report, and clear the emulator."""
        assert self.emulator._port._server is not None
        running = self.emulator._port._server.server_state
        last = time.monotonic() + QUIET_WITHIN
        while (running.tasks or self.emulator.state.cache._running) and time.monotonic() < last:
            time.sleep(0.05)
        return_free_memory()
        found = {
            "requests": Counter(map(operation_of, self.emulator.requests)),
            "generations": dict(self._ledger.counts),
            "faults": dict(self._script.injected),
            "faults_by_operation": dict(self._script.by_operation),
            "still_running": len(running.tasks),
            "connections": len(running.connections),
            "bytes": resident_bytes(),
        }
        self._script.injected.clear()
        self._script.by_operation.clear()
        self.emulator.clear()
        return found


def main() -> None:
    server = Server(float(sys.argv[1]))
    with server.emulator:
        print(json.dumps(server.emulator.connection()), flush=True)
        for _ in sys.stdin:
            print(json.dumps(server.report()), flush=True)


if __name__ == "__main__":
    main()
