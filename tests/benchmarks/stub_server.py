"""Fast HTTP servers with prepared responses, so that a benchmark times the client.

There is one server per response. The script prints a JSON object with the origin of each.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import struct
import zlib
from collections.abc import Iterable
from functools import partial
from typing import Any

import httptools
import uvloop

STREAM_EVENTS = 2_000
LONG_STREAM_EVENTS = 5_000
VIDEO_BYTES = 300 * 1024 * 1024
IMAGE_BYTES = 100 * 1024
DELAY = 0.05
"""Seconds before the response `delay`."""
DIMENSIONS = 64

_USAGE = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
_PIECE = 1024 * 1024


def _completion() -> bytes:
    message = {"role": "assistant", "content": "The Baltic, the Aegean and the Coral Sea."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": "openai", "usage": _USAGE}
    return json.dumps({**body, "choices": [choice]}).encode()


def _events(deltas: Iterable[dict[str, Any]]) -> Iterable[bytes]:
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "openai"}
    for delta in deltas:
        yield _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield _event({**head, "choices": [], "usage": _USAGE})
    yield b"data: [DONE]\n\n"


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


def _text(count: int) -> Iterable[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    for number in range(count - 1):
        yield {"content": f"word{number % 10} "}


def _reasoning(count: int) -> Iterable[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    for number in range(count - 2):
        yield {"reasoning_content": f"step{number % 10} "}
    yield {"content": "Done."}


def _tool_call(count: int) -> Iterable[dict[str, Any]]:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "tool_0", "arguments": '{"text": "'}}
    yield {"role": "assistant", "content": None, "tool_calls": [call]}
    for number in range(count - 2):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": f"word{number % 10} "}}]}
    yield {"tool_calls": [{"index": 0, "function": {"arguments": '"}'}}]}


def _response(content_type: str, body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def _stream(events: Iterable[bytes]) -> bytes:
    """A response whose chunks hold one event each, as the service sends them."""
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in events)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + chunks + b"0\r\n\r\n"


def _png() -> bytes:
    """A whole PNG of one pixel with a large text chunk."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)),
        (b"tEXt", b"Comment\0" + b"x" * IMAGE_BYTES),
        (b"IDAT", zlib.compress(bytes(4))),
        (b"IEND", b""),
    )
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _responses() -> dict[str, bytes]:
    return {
        "reply": _response("application/json", _completion()),
        "delay": _response("application/json", _completion()),
        "first": _stream(_events(_text(20))),
        "stream": _stream(_events(_text(STREAM_EVENTS))),
        "long": _stream(_events(_text(LONG_STREAM_EVENTS))),
        "reasoning": _stream(_events(_reasoning(STREAM_EVENTS))),
        "tool_call": _stream(_events(_tool_call(STREAM_EVENTS))),
        "image": _response("image/png", _png()),
        "embeddings": b"",  # made from the request
        "video": b"",  # sent in parts
    }


def _embeddings(request: bytes) -> bytes:
    given = json.loads(request)
    inputs = given["input"] if isinstance(given["input"], list) else [given["input"]]
    vector: Any = [0.125] * DIMENSIONS
    if given.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *vector)).decode()
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(len(inputs))]
    usage = {"prompt_tokens": len(inputs), "total_tokens": len(inputs)}
    body = {"object": "list", "data": data, "model": given["model"], "usage": usage}
    return _response("application/json", json.dumps(body).encode())


class _Connection(asyncio.Protocol):
    """One connection. `httptools` calls the `on_` methods."""

    def __init__(self, name: str, response: bytes) -> None:
        self._name, self._response = name, response
        self._parser = httptools.HttpRequestParser(self)
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def pause_writing(self) -> None:
        self._can_write.clear()

    def resume_writing(self) -> None:
        self._can_write.set()

    def on_message_begin(self) -> None:
        self._body: list[bytes] = []

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._name == "delay":
            asyncio.get_running_loop().call_later(DELAY, self._transport.write, self._response)
        elif self._name == "embeddings":
            self._transport.write(_embeddings(b"".join(self._body)))
        elif self._name == "video":
            task = asyncio.get_running_loop().create_task(self._send_video())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._transport.write(self._response)

    async def _send_video(self) -> None:
        """Send a file with the boxes of an MP4: `ftyp`, an empty `moov`, and `mdat` with the rest."""
        head = struct.pack(">I4s4sII4s", 16, b"ftyp", b"isom", 0, 8, b"moov")
        head += struct.pack(">I4s", VIDEO_BYTES - len(head), b"mdat")
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ncontent-length: %d\r\n\r\n" % VIDEO_BYTES + head
        )
        left, piece = VIDEO_BYTES - len(head), bytes(_PIECE)
        while left:
            await self._can_write.wait()
            self._transport.write(piece[:left])
            left -= min(left, _PIECE)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    origins = {}
    async with contextlib.AsyncExitStack() as stack:
        for name, response in _responses().items():
            server = await loop.create_server(partial(_Connection, name, response), "127.0.0.1", 0, backlog=2048)
            await stack.enter_async_context(server)
            host, port = server.sockets[0].getsockname()
            origins[name] = f"http://{host}:{port}"
        print(json.dumps(origins), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve())
