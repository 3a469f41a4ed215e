"""The settings and the state of the legacy hosts, and the `Exchange` class for a single request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from starlette.responses import Response

from langchain_pollinations.emulator.legacy import edge_cache, errors
from langchain_pollinations.emulator.legacy.queue import Queue
from langchain_pollinations.emulator.legacy.semantic_cache import Similar
from langchain_pollinations.emulator.scripting import reply_queue
from langchain_pollinations.emulator.service.bounded_memory import BoundedStore
from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.state import Asked, Requests

TEXT_LISTS = ("text/models", "text/openai/models", "text/feed", "text/crossdomain.xml")
Level = Literal["l4", "l5"]
MAX_FEED_EVENTS = 20  # events in the public feed


class Script(reply_queue.Script):
    """The queue of replies and faults for both hosts.

    `on` is the beginning of a path. It applies to both hosts, or only to one host if the name of the host precedes the
    path, as in "image/prompt". A `Message` or a `Soft` applies only to the generation routes of the text host.
    """

    def suits(self, entry: reply_queue.Entry, place: str) -> bool:
        generates = place.startswith("text/") and place not in TEXT_LISTS
        if entry.on is None or not generates and isinstance(entry, reply_queue.Message | reply_queue.Soft):
            return generates
        host, slash, path = place.partition("/")
        return (slash + path if entry.on.startswith("/") else place).startswith(entry.on)


@dataclass
class Switches:
    """The settings of the legacy hosts. A test can change them at any time."""

    level: Level = "l4"  # "l5" sends the errors of the unified host, and 400 for an unknown model
    spacing: float | None = None  # seconds between generations of an address, one at a time; None: no queue
    queue_length: int = 1  # concurrent requests of an address; 1: an overlapping request is rejected
    payments: bool = False  # whether a non-streaming request that would have to wait gets a payment challenge
    notice: bool = False  # whether every response of the text host is the migration notice
    tokens: set[str] = field(default_factory=set)  # tokens that get the notice; by default the emulator's keys
    referrers: set[str] = field(default_factory=lambda: {"registered.example"})  # referrers that get the notice
    semantic_cache: bool = False  # whether the image host serves an earlier image for a similar prompt
    latency: float = 0.0  # seconds per generation
    max_input_chars: int | None = None  # of all messages; 5,000 in 2025, the current limit is not known

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "level" and value not in get_args(Level):
            raise ValueError(f"Unknown level {value!r}; known are: {', '.join(get_args(Level))}")
        super().__setattr__(name, value)


class HostState:
    """The state of one host: its response cache, its public feed and its queue."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.clear()

    def clear(self) -> None:
        """Reset the state. A request in progress continues to use the old state."""
        self.store: BoundedStore[edge_cache.StoredResponse] = BoundedStore()
        self.feed: deque[Mapping[str, Any]] = deque(maxlen=MAX_FEED_EVENTS)
        self.queue = Queue()


class Hosts(Switches):
    """The settings, the recorded requests and the scripted entries that both hosts share."""

    def __init__(self, tokens: Iterable[str], latency: float) -> None:
        super().__init__(tokens=set(tokens), latency=latency)
        self.requests = Requests()
        self.lines = Script()
        self.host_states = {name: HostState(name) for name in ("text", "image")}
        self.similar = Similar()

    def clear(self) -> None:
        """Clear recorded requests, scripted entries, cached responses, the public feeds and the queues."""
        self.requests.clear()
        self.lines.clear()
        self.similar.clear()
        for host_state in self.host_states.values():
            host_state.clear()


class Exchange:
    """A request to a legacy host. On exit, the context manager releases the slot in the queue."""

    def __init__(self, hosts: Hosts, host_state: HostState, asked: Asked) -> None:
        self.hosts, self.asked = hosts, asked
        self._store, self._feed, self._queue = host_state.store, host_state.feed, host_state.queue
        self._held = AsyncExitStack()  # the slot in the queue

    async def __aenter__(self) -> Exchange:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._held.aclose()

    def scripted(self) -> reply_queue.Entry | None:
        """Remove and return the scripted `Message` or `Soft` for this request, if any."""
        return self.hosts.lines.take(place(self.asked), messages=True)

    def key(self, body: Any = None) -> str:
        """Return the cache key of the request. The key depends on the level."""
        return f"{self.hosts.level}-{edge_cache.identity(self.asked, body)}"

    def stored(self, key: str) -> Response | None:
        found = self._store.find(key)
        return None if found is None else edge_cache.hit(key, found)

    def cached(self, key: str, response: Response) -> Response:
        return edge_cache.CachingResponse(
            response, lambda stored_response: self._store.put(key, stored_response, len(stored_response.body))
        )

    def publish(self, event: Mapping[str, Any]) -> None:
        """Add an event to the public feed of the host."""
        self._feed.append(event)

    def published(self) -> list[Mapping[str, Any]]:
        return list(self._feed)

    async def acquire_slot(self, *, streams: bool = False) -> None:
        """Wait until the client's address may start a generation. Then wait for `latency` seconds, which simulates the
        generation.

        Raises:
            Refusal: If the queue of the address is full (429) or payment is required (402).
        """
        hosts = self.hosts
        if hosts.spacing is not None:
            await self._held.enter_async_context(self._queue.slot(self.asked.client[0], hosts, streams=streams))
        if hosts.latency:
            await asyncio.sleep(hosts.latency)

    def refused(self, refusal: Refusal) -> Response:
        """Return an error response in the format of the host and the level."""
        return errors.response(refusal, self.asked, self.hosts.level)


def place(asked: Asked) -> str:
    """Return the host name and the path of a request, for example "image/prompt/cat"."""
    return asked.host + asked.path
