"""The queue of replies and faults that a test scripts. They replace generated responses."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import count
from typing import Any

from langchain_pollinations.emulator.service.error_responses import Refusal

DONE = b"data: [DONE]\n\n"
DECISIONS = "/alpha/decisions"
_numbers = count(1)


def is_text_route(path: str) -> bool:
    """Whether a path belongs to a text generation route. By default, scripted replies apply to these paths only."""
    return path in ("/v1/chat/completions", "/text") or (path.startswith("/text/") and path != "/text/models")


@dataclass(frozen=True)
class Entry:
    """A queued reply or fault. It applies to the next `times` matching requests."""

    on: str | None = None
    times: int = 1
    delay: float = 0.0
    chunk_delay: float = 0.0
    was_taken: bool = False

    def suits(self, path: str) -> bool:
        return is_text_route(path) if self.on is None else path.startswith(self.on)


@dataclass(frozen=True)
class Message(Entry):
    """A reply that is an assistant message. It is sent after the validation of the request."""

    message: Mapping[str, Any] = field(default_factory=dict)
    finish_reason: str | None = None
    usage: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    model: str | None = None
    dialect: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision(Entry):
    """The answers of a decision, by question. They are sent after the validation of the request."""

    answers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Raw(Entry):
    """A reply with a raw status, headers and body. The emulator sends it without validating the request."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Refused(Entry):
    """An error response in the format of the host that sends it."""

    refusal: Refusal = field(default_factory=lambda: Refusal(500))


@dataclass(frozen=True)
class Chunks(Entry):
    """A reply whose body is sent in chunks. Each chunk is one network write. Nothing follows the last chunk."""

    pieces: Sequence[bytes] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True)
class Damage(Entry):
    """A connection or stream fault. The emulator generates a response and breaks its transmission."""

    kind: str = "drop"
    after: int | None = None
    seconds: float = 5.0
    pings: bool = False


@dataclass(frozen=True)
class Soft(Entry):
    """A fault inside a text response with status 200. The response has the format that the request asks for."""

    kind: str = "balance notice"
    after: int | None = None


class Script:
    """The queue of replies and faults. The oldest matching entry is used first. Any thread may add entries."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []

    def add(self, *entries: Entry) -> None:
        with self._lock:
            self._entries.extend(entries)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    @property
    def unused(self) -> list[Entry]:
        """The entries that no request has used. An entry with several `times` counts as used after its first use."""
        with self._lock:
            return [entry for entry in self._entries if not entry.was_taken]

    def give_back(self, entry: Entry) -> None:
        """Return an entry to the front of the queue, because the request that took it got no response."""
        with self._lock:
            self._entries.insert(0, replace(entry, times=1))

    def suits(self, entry: Entry, path: str) -> bool:
        return entry.suits(path)

    def take(self, path: str, *, messages: bool) -> Entry | None:
        """Remove and return the first entry that matches a path. Return None if no entry matches.

        The emulator calls this method up to twice for a request. The middleware calls it with `messages=False` before
        it calls the route. A text route, or the decision route, calls it with `messages=True` after the validation. A
        `Damage` is for the middleware. A `Message`, a `Soft` or a `Decision` is for the route. If the first matching
        entry is for the other caller, the result is None.

        Args:
            path: Path of the request.
            messages: True if a route calls this method, False if the middleware calls it.
        """
        with self._lock:
            for place, entry in enumerate(self._entries):
                if not self.suits(entry, path):
                    continue
                if isinstance(entry, Damage if messages else Message | Soft | Decision):
                    return None  # the route responds normally; a further `Damage` is for the next request
                if entry.times > 1:
                    self._entries[place] = replace(entry, times=entry.times - 1, was_taken=True)
                else:
                    del self._entries[place]
                return entry
        return None


def encoded(body: Any) -> tuple[bytes, str]:
    """Encode the body of a raw reply. Return the bytes and a matching content type."""
    if isinstance(body, bytes):
        return body, "application/octet-stream"
    if isinstance(body, str):
        return body.encode(), f"text/{'html' if body.lstrip().startswith('<') else 'plain'}; charset=utf-8"
    return json.dumps(body, ensure_ascii=False).encode(), "application/json"


def event(data: Any) -> bytes:
    """Encode a server-sent event. Text and bytes are sent unchanged. Any other value is sent as JSON."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        return data.encode()
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


_TOOL_CALL_FORMS = (
    'LangChain\'s form {"name": "f", "args": {...}, "id": "..."} or '
    'OpenAI\'s form {"id": "...", "type": "function", "function": {"name": "f", "arguments": "{...}"}}'
)


def read_tool_call(call: Any) -> dict[str, Any]:
    """Convert a tool call from LangChain's or OpenAI's format to the format of an assistant message.

    Raises:
        TypeError: If the tool call has another format.
    """
    match call:
        case {"name": str(name), **rest} if (
            rest.keys() <= {"args", "id", "type"}
            and isinstance(arguments := rest.get("args", {}), Mapping | str)
            and rest.get("type", "tool_call") == "tool_call"
        ):
            call_id = rest.get("id")
        case {"function": {"name": str(name), "arguments": str(arguments), **others}, **rest} if (
            not others and rest.keys() <= {"id", "type"} and rest.get("type", "function") == "function"
        ):
            call_id = rest.get("id")
        case _:
            raise TypeError(f"tool_calls: {call!r} has neither {_TOOL_CALL_FORMS}; message=... sends anything else")
    if call_id is not None and not isinstance(call_id, str):
        raise TypeError(f"tool_calls: the id must be a string or None, not {call_id!r}")
    return tool_call(name, arguments, call_id)


def tool_call(name: str, arguments: Mapping[str, Any] | str, call_id: str | None = None) -> dict[str, Any]:
    """Return a tool call in the format of an assistant message. An id is generated if `call_id` is None."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    if call_id is None:
        call_id = "call_" + sha256(f"{next(_numbers)} {name} {text}".encode()).hexdigest()[:24]
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}
