"""The queue of a legacy host.

Each client address runs one generation at a time. A minimum interval separates the starts of its generations.
"""

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
    """The settings that the queue depends on."""

    spacing: float | None
    queue_length: int
    payments: bool


class Challenge(Refusal):
    """The x402 payment challenge (status 402). The host sends it if a request would have to wait.

    The body and a header contain the challenge.
    """

    def __init__(self, message: str) -> None:
        super().__init__(402, message)
        self.headers["payment-required"] = base64.b64encode(self.body()).decode()

    def envelope(self) -> dict[str, Any]:
        offer = {
            "scheme": "exact",
            "network": "eip155:8453",
            "amount": "10000",  # in millionths of a dollar
            "asset": "0x" + "0" * 40,  # an address without an owner: no payment is possible
            "payTo": "0x" + "0" * 40,
            "maxTimeoutSeconds": 60,
        }
        return {"x402Version": 2, "error": self.message, "accepts": [offer]}


class AddressQueue:
    """The running request and the waiting requests of one client address."""

    def __init__(self) -> None:
        self.queued = 0
        self.free_at = 0.0
        self._lock = asyncio.Lock()  # first come, first served

    def must_wait(self) -> bool:
        return self.queued > 0 or time.monotonic() < self.free_at

    @asynccontextmanager
    async def slot(self, spacing: float) -> AsyncIterator[None]:
        """Wait for the slot and hold it while the context is active. A cancelled request leaves the queue."""
        self.queued += 1
        try:
            async with self._lock:
                await asyncio.sleep(self.free_at - time.monotonic())
                self.free_at = time.monotonic() + spacing
                yield
        finally:
            self.queued -= 1


class Queue:
    """The queues of all client addresses."""

    def __init__(self) -> None:
        self._addresses: defaultdict[str, AddressQueue] = defaultdict(AddressQueue)

    def slot(self, address: str, rules: Rules, *, streams: bool) -> AbstractAsyncContextManager[None]:
        """Return a context manager that waits for the slot of a client address.

        Raises:
            Refusal: If the queue of the address is full (429) or payment is required (402).
        """
        queue = self._addresses[address]
        if queue.must_wait():
            _admit(full(address, queue.queued, rules.queue_length), queue.queued, rules, streams)
        return queue.slot(rules.spacing or 0)


def full(address: str, queued: int, most: int) -> str:
    return f"Queue full for IP: {address}: {queued} requests already queued (max: {most})."


def _admit(reason: str, queued: int, rules: Rules, streams: bool) -> None:
    if rules.payments and not streams:
        raise Challenge(f"{reason} Pay for this request, or wait until the one before it has ended.")
    if queued >= rules.queue_length:
        raise Refusal(429, f"{reason} Without a key there is one request at a time; keys are at enter.pollinations.ai")
