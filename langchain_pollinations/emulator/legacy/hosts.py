"""What the older hosts know, how they are set, and one request at one of them."""

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
from langchain_pollinations.emulator.scripting import replies
from langchain_pollinations.emulator.service.bounded_memory import Newest
from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.state import Asked, Requests

TEXT_LISTS = ("text/models", "text/openai/models", "text/feed", "text/crossdomain.xml")
Level = Literal["l4", "l5"]
SHOWN = 20  # answers in the public feed


class Script(replies.Script):
    """Lines for both hosts: `on` is a path of either, or a path behind the name of its host, as in "image/prompt".
    What is said is for the host for text wherever it stands."""

    def suits(self, entry: replies.Entry, place: str) -> bool:
        speaks = place.startswith("text/") and place not in TEXT_LISTS
        if entry.on is None or not speaks and isinstance(entry, replies.Message | replies.Soft):
            return speaks
        host, slash, path = place.partition("/")
        return (slash + path if entry.on.startswith("/") else place).startswith(entry.on)


@dataclass
class Switches:
    """How the older hosts behave; plain attributes that a test may set at any time."""

    level: Level = "l4"  # "l5" refuses in the form of the unified host, and an unknown model with 400
    spacing: float | None = None  # seconds from one generation of an address to its next, one at a time; None: no queue
    queue_length: int = 1  # how many requests of an address there may be; 1: the next that overlaps is refused
    payments: bool = False  # whether one that would have to wait and does not stream is asked to pay
    notice: bool = False  # whether every answer of the text host is the notice of its migration
    tokens: set[str] = field(default_factory=set)  # those that earn the notice; by default the emulator's keys
    referrers: set[str] = field(default_factory=lambda: {"registered.example"})  # so do these
    semantic_cache: bool = False  # whether the image host serves an earlier picture for a similar prompt
    latency: float = 0.0  # seconds that a generation takes
    max_input_chars: int | None = None  # of all messages; the service had 5,000 in 2025, today's limit is not known

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "level" and value not in get_args(Level):
            raise ValueError(f"Unknown level {value!r}; known are: {', '.join(get_args(Level))}")
        super().__setattr__(name, value)


class Program:
    """What one host keeps to itself: stored answers, its public feed, and who waits for a turn."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.clear()

    def clear(self) -> None:
        """Begin anew; requests that are still on their way keep to what was there when they came."""
        self.store: Newest[edge_cache.Kept] = Newest()
        self.feed: deque[Mapping[str, Any]] = deque(maxlen=SHOWN)
        self.queue = Queue()


class Hosts(Switches):
    """Both hosts: their switches, what they were asked and what they shall say."""

    def __init__(self, tokens: Iterable[str], latency: float) -> None:
        super().__init__(tokens=set(tokens), latency=latency)
        self.requests = Requests()
        self.lines = Script()
        self.programs = {name: Program(name) for name in ("text", "image")}
        self.similar = Similar()

    def clear(self) -> None:
        self.requests.clear()
        self.lines.clear()
        self.similar.clear()
        for program in self.programs.values():
            program.clear()


class Visit:
    """One request at one of the hosts, which ends with the place in the queue given back."""

    def __init__(self, hosts: Hosts, program: Program, asked: Asked) -> None:
        self.hosts, self.asked = hosts, asked
        self._store, self._feed, self._queue = program.store, program.feed, program.queue
        self._held = AsyncExitStack()  # the place in the queue

    async def __aenter__(self) -> Visit:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._held.aclose()

    def scripted(self) -> replies.Entry | None:
        """What a test wrote for this request: a message, or a fault in a good answer."""
        return self.hosts.lines.take(place(self.asked), messages=True)

    def key(self, body: Any = None) -> str:
        """The name of a request in the store, of which each level has its own."""
        return f"{self.hosts.level}-{edge_cache.identity(self.asked, body)}"

    def stored(self, key: str) -> Response | None:
        found = self._store.find(key)
        return None if found is None else edge_cache.hit(key, found)

    def kept(self, key: str, response: Response) -> Response:
        return edge_cache.Keeping(response, lambda answer: self._store.put(key, answer, len(answer.body)))

    def publish(self, event: Mapping[str, Any]) -> None:
        """Show an answer in the public feed of the host."""
        self._feed.append(event)

    def published(self) -> list[Mapping[str, Any]]:
        return list(self._feed)

    async def turn(self, *, streams: bool = False) -> None:
        """Wait for the turn of the address that asks, and for the time that a generation takes."""
        hosts = self.hosts
        if hosts.spacing is not None:
            await self._held.enter_async_context(self._queue.turn(self.asked.client[0], hosts, streams=streams))
        if hosts.latency:
            await asyncio.sleep(hosts.latency)

    def refused(self, refusal: Refusal) -> Response:
        """A refusal in the form of the host and its level."""
        return errors.response(refusal, self.asked, self.hosts.level)


def place(asked: Asked) -> str:
    """Where a request goes, as the script names it."""
    return asked.host + asked.path
