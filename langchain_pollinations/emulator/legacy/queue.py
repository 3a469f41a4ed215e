"""The queue of an older host: each client address generates one answer at a time, and not too often."""

from __future__ import annotations

import asyncio
import base64
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from langchain_pollinations.emulator.service.error_responses import Refusal


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


class Line:
    """Those of one address who wait, and the one whose turn it is."""

    def __init__(self) -> None:
        self.queued = 0
        self.free_at = 0.0
        self._lock = asyncio.Lock()  # first come, first served

    def must_wait(self) -> bool:
        return self.queued > 0 or time.monotonic() < self.free_at

    @asynccontextmanager
    async def turn(self, spacing: float) -> AsyncIterator[None]:
        """Stand in the line until it is the turn, and through it; whoever leaves early makes room as well."""
        self.queued += 1
        try:
            async with self._lock:
                await asyncio.sleep(self.free_at - time.monotonic())
                self.free_at = time.monotonic() + spacing
                yield
        finally:
            self.queued -= 1


class Queue:
    """One line for each client address."""

    def __init__(self) -> None:
        self._lines: defaultdict[str, Line] = defaultdict(Line)

    def turn(self, address: str, rules: Rules, *, streams: bool) -> AbstractAsyncContextManager[None]:
        """The turn of an address, or its refusal."""
        line = self._lines[address]
        if line.must_wait():
            _admit(full(address, line.queued, rules.queue_length), line.queued, rules, streams)
        return line.turn(rules.spacing or 0)


def full(address: str, queued: int, most: int) -> str:
    return f"Queue full for IP: {address}: {queued} requests already queued (max: {most})."


def _admit(told: str, queued: int, rules: Rules, streams: bool) -> None:
    if rules.payments and not streams:
        raise Challenge(f"{told} Pay for this request, or wait until the one before it has ended.")
    if queued >= rules.queue_length:
        raise Refusal(429, f"{told} Without a key there is one request at a time; keys are at enter.pollinations.ai")
