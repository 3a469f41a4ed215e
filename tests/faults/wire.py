"""Faulty responses as sequences of steps: bytes to send, seconds to wait, and an end."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any


class End(Enum):
    """How a response ends, if the connection does not stay open for the next request."""

    CLOSE = "close"
    RESET = "reset"
    SILENCE = "silence"
    """The connection stays open and nothing more is sent."""


Step = bytes | float | End
Steps = Sequence[Step]
Script = bytes | Steps | Callable[[bytes], Steps]
"""A response: its bytes, its steps, or a function that derives the steps from the genuine response."""

CLOSE, RESET, SILENCE = End
KEY = "sk_matrix_0123456789"
OK = b"HTTP/1.1 200 OK\r\n"
DONE = "[DONE]"
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
STOP: Mapping[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
TOTAL: Mapping[str, Any] = {"choices": [], "usage": USAGE}


def http(body: Any, kind: str = "application/json", status: str = "200 OK", **headers: str) -> bytes:
    """A whole response. `kind` is its content type. A body that is neither bytes nor text is sent as JSON."""
    data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    named = {"content-type": kind, "content-length": str(len(data))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + data


def completion(content: Any = "Yes.", finish_reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more}
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}], "usage": USAGE}


def delta(content: str | None = None, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    said = {} if content is None else {"content": content}
    return {"choices": [{"index": 0, "delta": {**said, **more}, "finish_reason": finish_reason}]}


def sse(*events: Any) -> bytes:
    """Events of a stream. Bytes and text with a line end are sent unchanged, other text is the data of an event."""
    written = bytearray()
    for each in events:
        if isinstance(each, bytes):
            written += each
        elif isinstance(each, str) and "\n" in each:
            written += each.encode()
        else:
            written += f"data: {each if isinstance(each, str) else json.dumps(each)}\n\n".encode()
    return bytes(written)


STREAM_HEAD = OK + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def stream(*events: Any, end: Steps = (b"0\r\n\r\n",)) -> Steps:
    """A stream whose events are sent one by one. `end` follows them; by default the body is complete."""
    return (STREAM_HEAD, *(chunk(sse(each)) for each in events), *end)


WHOLE_STREAM = (delta("Yes."), STOP, TOTAL, DONE)


def dripping(head: bytes, piece: bytes, every: float = 0.02, times: int = 2000) -> Steps:
    """A response that sends a piece again and again, for longer than a cell may take."""
    return (head, *(step for _ in range(times) for step in (piece, every)))


# --- Changes of a genuine response ------------------------------------------------------------------------------------


def cut(*, head: float = 1, body: float = 0, end: End = CLOSE) -> Script:
    """The genuine response up to a fraction of its head or body, and then an end."""

    def steps(genuine: bytes) -> Steps:
        first, mark, rest = genuine.partition(b"\r\n\r\n")
        if head < 1:
            return (genuine[: int(len(first) * head)], end)
        return (first + mark + rest[: int(len(rest) * body)], end)

    return steps


def with_headers(**headers: str) -> Script:
    """The genuine response with other headers."""

    def steps(genuine: bytes) -> Steps:
        first, _, rest = genuine.partition(b"\r\n\r\n")
        names = {name.replace("_", "-") for name in headers}
        lines = [line for line in first.split(b"\r\n") if line.partition(b":")[0].decode().lower() not in names]
        added = [f"{name.replace('_', '-')}: {value}".encode("latin-1") for name, value in headers.items()]
        return (b"\r\n".join([*lines, *added, b"", rest]),)

    return steps


def with_body(change: Callable[[bytes], bytes], **headers: str) -> Script:
    """The genuine response with a changed body and its true length."""

    def steps(genuine: bytes) -> Steps:
        first, _, rest = genuine.partition(b"\r\n\r\n")
        if b"transfer-encoding: chunked" in first.lower():
            rest = _joined(rest)
        body = change(rest)
        whole = b"\r\n".join([first, b"", body])
        changed = with_headers(**headers, content_length=str(len(body)))
        assert callable(changed)
        (sent,) = changed(_without(whole, b"transfer-encoding"))
        return (sent,)

    return steps


def _without(response: bytes, name: bytes) -> bytes:
    first, mark, rest = response.partition(b"\r\n\r\n")
    return b"\r\n".join(line for line in first.split(b"\r\n") if not line.lower().startswith(name)) + mark + rest


def _joined(chunks: bytes) -> bytes:
    body = bytearray()
    while chunks:
        size, _, chunks = chunks.partition(b"\r\n")
        length = int(size, 16)
        body += chunks[:length]
        chunks = chunks[length + 2 :]
    return bytes(body)


def gzipped_twice(body: bytes) -> bytes:
    return gzip.compress(gzip.compress(body))


def in_members(body: bytes) -> bytes:
    """Two gzip members, as a server sends that compresses in parts."""
    middle = len(body) // 2
    return gzip.compress(body[:middle]) + gzip.compress(body[middle:])
