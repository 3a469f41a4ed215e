"""Scripted answers and faults: what to play instead of the natural answer, and how an answer looks streamed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import count
from typing import Any

Completion = dict[str, Any]

DONE = b"data: [DONE]\n\n"
_numbers = count(1)


def is_text_route(path: str) -> bool:
    """Whether a path answers with text of a model; scripted replies are for these by default."""
    return path in ("/v1/chat/completions", "/text") or (path.startswith("/text/") and path != "/text/models")


@dataclass(frozen=True)
class Entry:
    """One line of the script; each request that it suits takes it once."""

    on: str | None = None
    times: int = 1
    delay: float = 0.0
    chunk_delay: float = 0.0

    def suits(self, path: str) -> bool:
        return is_text_route(path) if self.on is None else path.startswith(self.on)


@dataclass(frozen=True)
class Message(Entry):
    """An assistant message, sent in the form that the request asks for, after the service's checks."""

    message: Mapping[str, Any] = field(default_factory=dict)
    finish_reason: str | None = None
    usage: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    model: str | None = None
    style: str = "plain"
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Raw(Entry):
    """Status, headers and bytes, whatever was asked."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Chunks(Entry):
    """Pieces of a body, one network write each, and nothing after them."""

    pieces: Sequence[bytes] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True)
class Damage(Entry):
    """A fault of the connection or the stream: the natural answer, harmed on its way."""

    kind: str = "drop"
    after: int | None = None
    seconds: float = 5.0
    pings: bool = False


@dataclass(frozen=True)
class Soft(Entry):
    """A fault inside a good answer of a text route, in the form that the request asks for."""

    kind: str = "balance notice"
    after: int | None = None


class Script:
    """The lines still to be played, first in, first out; safe to fill from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []

    def add(self, *entries: Entry) -> None:
        with self._lock:
            self._entries.extend(entries)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def take(self, path: str, *, messages: bool) -> Entry | None:
        """The first line that suits the path; without `messages` one that needs no checks before it."""
        with self._lock:
            for place, entry in enumerate(self._entries):
                if not entry.suits(path):
                    continue
                if isinstance(entry, Message | Soft) and not messages:
                    return None
                if entry.times > 1:
                    self._entries[place] = replace(entry, times=entry.times - 1)
                else:
                    del self._entries[place]
                return entry
        return None


def encoded(body: Any) -> tuple[bytes, str]:
    """Bytes of a raw body, and the content type that suits it."""
    if isinstance(body, bytes):
        return body, "application/octet-stream"
    if isinstance(body, str):
        return body.encode(), f"text/{'html' if body.lstrip().startswith('<') else 'plain'}; charset=utf-8"
    return json.dumps(body, ensure_ascii=False).encode(), "application/json"


def event(data: Any) -> bytes:
    """A server-sent event: JSON of anything but text and bytes, which are sent as they are."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        return data.encode()
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def tool_call(name: str, arguments: Mapping[str, Any] | str, call_id: str | None = None) -> dict[str, Any]:
    """A tool call as it stands in an assistant message."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    if call_id is None:
        call_id = "call_" + sha256(f"{next(_numbers)} {name} {text}".encode()).hexdigest()[:24]
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def completion(
    message: Mapping[str, Any],
    *,
    model: str,
    usage: Mapping[str, Any] | None,
    finish_reason: str | None = None,
    logprobs: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Completion:
    """The body of `/v1/chat/completions` around a message."""
    if finish_reason is None:
        finish_reason = "tool_calls" if message.get("tool_calls") else "stop"
    created = int(time.time())
    body: Completion = {
        "id": "pllns_" + sha256(f"{next(_numbers)} {created}".encode()).hexdigest()[:32],
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", **message},
                "finish_reason": finish_reason,
                "logprobs": logprobs,
            }
        ],
    }
    if usage is not None:
        body["usage"] = dict(usage)
    return body | dict(extra or {})


def _slices(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


def _pieces(text: str) -> Iterator[str]:
    """A text in short, uneven pieces; several of them whenever there is more than one character."""
    return _slices(text, max(1, min(24, len(text) // 4)))


def _call_deltas(calls: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for index, call in enumerate(calls):
        function = call["function"]
        head = {**call, "index": index, "function": {**function, "arguments": ""}}
        yield {"tool_calls": [head]}
        for piece in _pieces(function["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _audio_deltas(audio: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    head = {k: audio[k] for k in ("id", "expires_at") if k in audio}
    for piece in _pieces(audio.get("transcript", "")):
        yield {"audio": {**head, "transcript": piece}}
    data = audio.get("data", "")
    for piece in _slices(data, max(4, len(data) // 16 * 4)):
        yield {"audio": {**head, "data": piece}}


def _deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    whole = {"role", "content", "tool_calls", "reasoning_content", "reasoning", "audio"}
    others = {k: v for k, v in message.items() if k not in whole}
    yield {"role": "assistant", "content": ""} | others
    for key in ("reasoning_content", "reasoning"):
        for piece in _pieces(message.get(key) or ""):
            yield {key: piece}
    content = message.get("content") or ""
    for piece in _pieces(content) if isinstance(content, str) else [content]:
        yield {"content": piece}
    yield from _call_deltas(message.get("tool_calls") or [])
    if message.get("audio"):
        yield from _audio_deltas(message["audio"])


def _head(body: Completion) -> dict[str, Any]:
    """What every chunk of a stream repeats."""
    return {k: v for k, v in body.items() if k not in ("choices", "usage")} | {"object": "chat.completion.chunk"}


def _chunk(head: Mapping[str, Any], delta: Mapping[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    logprobs = more.pop("logprobs", None)
    return event({**head, "choices": [choice | {"logprobs": logprobs} if logprobs else choice], **more})


def _plain(body: Completion) -> Iterator[bytes]:
    """The usual form: role, pieces, the reason, the usage, [DONE]."""
    head, choice = _head(body), body["choices"][0]
    if "usage" not in body:
        head["usage"] = None  # as for media models, whose streams count nothing
    for place, delta in enumerate(_deltas(choice["message"])):
        yield _chunk(head, delta, logprobs=None if place else choice.get("logprobs"))
    yield _chunk(head, {}, choice["finish_reason"])
    if body.get("usage") is not None:
        yield event(head | {"choices": [], "usage": body["usage"]})
    yield DONE


def _simulated(body: Completion) -> Iterator[bytes]:
    """The form of models that answer in one piece: the whole message and its reason in a single chunk."""
    head, choice = _head(body), body["choices"][0]
    calls = [{"index": n, **call} for n, call in enumerate(choice["message"].get("tool_calls") or [])]
    delta = choice["message"] | ({"tool_calls": calls} if calls else {})
    yield _chunk(head, delta, choice["finish_reason"], usage=None)
    yield event({"choices": [], "usage": body.get("usage")})
    yield DONE


def _bedrock(body: Completion) -> Iterator[bytes]:
    """The form of one gateway: thought in content blocks, a role on every delta, reason and usage together."""
    head, choice = _head(body), body["choices"][0]
    for delta in _deltas(choice["message"]):
        thought = delta.pop("reasoning_content", None)
        if thought is not None:
            delta = {"content_blocks": [{"index": 0, "delta": {"thinking": thought}}]}
        yield _chunk(head, {"role": "assistant", **delta})
    if choice["message"].get("reasoning_content"):
        signed = [{"index": 0, "delta": {"signature": "c2lnbmVk"}}]
        yield _chunk(head, {"role": "assistant", "content_blocks": signed})
    yield _chunk(head, {"role": "assistant"}, choice["finish_reason"], usage=body.get("usage"))
    yield DONE


STYLES: Mapping[str, Callable[[Completion], Iterator[bytes]]] = {
    "plain": _plain,
    "simulated": _simulated,
    "bedrock": _bedrock,
}


def streamed(body: Completion, style: str = "plain") -> Iterator[bytes]:
    """A whole completion as a stream, event by event, in one of the forms that the service has."""
    return STYLES[style](body)
