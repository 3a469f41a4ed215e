"""The queue of an older host: each client address generates one answer at a time, and not too often."""

from __future__ import annotations

import asyncio
import base64
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..refusals import Refusal


class Rules(Protocol):
    """What of the switches the queue goes by."""

    spacing: float | None
    queue_length: int
    payments: bool


class Challenge(Refusal):
    """The offer to pay instead of waiting, after the protocol x402: in the body, and again in a header."""

    def __init__(self, message: str) -> None:
        super().__init__(402, message)
        self.headers["payment-required"] = base64.b64encode(self.body()).decode()

    def envelope(self) -> dict[str, Any]:
        offer = {
            "scheme": "exact",
            "network": "eip155:8453",
            "amount": "10000",  # of a millionth of a dollar
            "asset": "0x" + "0" * 40,  # an address that is nobody's: nothing can be paid here
            "payTo": "0x" + "0" * 40,
            "maxTimeoutSeconds": 60,
        }
        return {"x402Version": 2, "error": self.message, "accepts": [offer]}


@dataclass
class Line:
    """Those of one address who wait."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # first come, first served
    waiting: int = 0
    free_at: float = 0.0

    def must_wait(self) -> bool:
        return self.waiting > 0 or self.lock.locked() or time.monotonic() < self.free_at

    async def wait(self) -> None:
        self.waiting += 1
        try:
            await self.lock.acquire()
            await self._spaced()
        finally:
            self.waiting -= 1

    async def _spaced(self) -> None:
        """Wait with the lock held; whoever stops waiting gives it back."""
        try:
            await asyncio.sleep(self.free_at - time.monotonic())
        except asyncio.CancelledError:
            self.lock.release()
            raise


@dataclass
class Turn:
    """The right to generate, until its end."""

    line: Line

    def end(self) -> None:
        self.line.lock.release()


class Queue:
    """One line for each client address."""

    def __init__(self) -> None:
        self._lines: defaultdict[str, Line] = defaultdict(Line)

    async def turn(self, address: str, rules: Rules, *, streams: bool) -> Turn:
        line = self._lines[address]
        if line.must_wait():
            _admit(address, line, rules, streams)
            await line.wait()
        else:
            await line.lock.acquire()  # at once: it is free
        line.free_at = time.monotonic() + (rules.spacing or 0)
        return Turn(line)


def _admit(address: str, line: Line, rules: Rules, streams: bool) -> None:
    full = f"Queue full for IP: {address}: {line.waiting} requests already queued (max: {rules.queue_length})."
    if rules.payments and not streams:
        raise Challenge(f"{full} Pay for this request, or wait until the one before it has ended.")
    if line.waiting >= rules.queue_length:
        raise Refusal(429, f"{full} Without a key there is one request at a time; keys are at enter.pollinations.ai")
