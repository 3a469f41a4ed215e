"""What is measured. A row prepares its input outside the measured time."""

from __future__ import annotations

import asyncio
import base64
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

CHAT = ("ours", "floor", "httpx", "ChatOpenAI", "other")
MODELS = ("ours", "floor", "ChatOpenAI", "other")
_FEW = ("ours", "floor", "ChatOpenAI")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    `run` takes a chat model of the contender and how often to repeat, and returns the measured seconds.
    """

    title: str
    response: str
    """Name of the stub server's response."""
    run: Callable[..., Any]
    repeat: int = 1
    contenders: tuple[str, ...] = MODELS
    must: dict[str, float] = field(default_factory=dict)
    """Maximum ratio of our seconds to those of a contender."""
    aim: dict[str, float] = field(default_factory=dict)
    rounds: int = 7
    """Maximum number of rounds. httpcore takes 17 s for 1,000 concurrent calls without a limit of our own."""
    measures: str = "seconds"
    """`seconds`, or `bytes` of peak memory in a new process."""
    wants_factory: bool = False
    """Whether `run` takes the function that makes a chat model, and not a chat model."""


def _timed(call: Callable[[], Any], repeat: int) -> float:
    start = time.perf_counter()
    for _ in range(repeat):
        call()
    return time.perf_counter() - start


async def _atimed(call: Callable[[], Awaitable[Any]], repeat: int) -> float:
    start = time.perf_counter()
    for _ in range(repeat):
        await call()
    return time.perf_counter() - start


def invoke(chat: Any, repeat: int) -> float:
    return _timed(lambda: chat.invoke("Name three seas."), repeat)


async def ainvoke(chat: Any, repeat: int) -> float:
    return await _atimed(lambda: chat.ainvoke("Name three seas."), repeat)


def first_chunk(chat: Any, repeat: int) -> float:
    seconds = 0.0
    for _ in range(repeat):
        start = time.perf_counter()
        chunks = chat.stream("Name three seas.")
        next(chunks)
        seconds += time.perf_counter() - start
        for _ in chunks:
            pass
    return seconds


def stream(chat: Any, repeat: int) -> float:
    return _timed(lambda: sum(1 for _ in chat.stream("Tell a story.")), repeat)


async def astream(chat: Any, repeat: int) -> float:
    async def read() -> None:
        async for _ in chat.astream("Tell a story."):
            pass

    return await _atimed(read, repeat)


def sum_of_chunks(chat: Any, repeat: int) -> float:
    return _timed(lambda: reduce(add, chat.stream("Tell a story.")), repeat)


async def concurrent(chat: Any, hundreds: int) -> float:
    async def gather() -> None:
        await asyncio.gather(*(chat.ainvoke(f"Question {number}") for number in range(100 * hundreds)))

    return await _atimed(gather, 1)


def threads(chat: Any, repeat: int) -> float:
    def run() -> None:
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(chat.invoke, (f"Question {number}" for number in range(320))))

    return _timed(run, repeat)


def construct(make: Callable[[], Any], repeat: int) -> float:
    return _timed(make, repeat)


def history(chat: Any, repeat: int) -> float:
    from langchain_core.messages import AIMessage, HumanMessage

    messages: list[Any] = []
    for number in range(200):
        messages += [HumanMessage(f"Question {number}: what is next?"), AIMessage(f"Answer {number}: " + "word " * 20)]
    messages[-1] = HumanMessage("And the last one?")
    return _timed(lambda: chat.invoke(messages), repeat)


def image_in_message(chat: Any, repeat: int) -> float:
    from langchain_core.messages import HumanMessage

    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 16 * 1024).decode()
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    message = HumanMessage([{"type": "text", "text": "What is this?"}, url])
    return _timed(lambda: chat.invoke([message]), repeat)


def _tools(count: int) -> list[Any]:
    from langchain_core.tools import tool

    def search(text: str, limit: int = 10, language: str = "en") -> str:
        """Search the catalogue for a text and return the best entries."""
        return text

    return [tool(f"tool_{number}")(search) for number in range(count)]


def bind_tools(chat: Any, repeat: int) -> float:
    tools = _tools(5)
    return _timed(lambda: chat.bind_tools(tools), repeat)


def bind_50_tools(chat: Any, repeat: int) -> float:
    tools = _tools(50)
    return _timed(lambda: chat.bind_tools(tools), repeat)


def invoke_50_tools(chat: Any, repeat: int) -> float:
    bound = chat.bind_tools(_tools(50))
    return _timed(lambda: bound.invoke("Name three seas."), repeat)


def long_stream(chat: Any, repeat: int) -> None:
    for _ in range(repeat):
        reduce(add, chat.stream("Tell a story."))


# --- Other media: the classes by contender ----------------------------------------------------------------------------


def embeddings(make: Callable[[], Any], repeat: int) -> float:
    texts = [f"Text {number} about the sea and the sky." for number in range(10_000)]
    model = make()
    return _timed(lambda: model.embed_documents(texts), repeat)


def image(make: Callable[[], Any], repeat: int) -> float:
    generate = make()
    return _timed(lambda: generate("A heron at dawn"), repeat)


def video(make: Callable[[], Any], repeat: int) -> float:
    save = make()
    with tempfile.TemporaryDirectory() as folder:
        return _timed(lambda: save("A heron at dawn", Path(folder) / "heron.mp4"), repeat)


ROWS: dict[str, Row] = {
    "invoke": Row("invoke", "reply", invoke, 200, CHAT, {"floor": 1.30}, {"floor": 1.15}),
    "ainvoke": Row("ainvoke", "reply", ainvoke, 200, CHAT, {"floor": 1.30}, {"floor": 1.10}),
    "first_chunk": Row("time to first chunk", "first", first_chunk, 100, CHAT, {"floor": 1.25}, {"floor": 1.10}),
    "stream": Row("stream of 2,000 events", "stream", stream, 4, CHAT, {"floor": 1 / 0.95}, {"floor": 1.0}),
    "astream": Row("async stream of 2,000 events", "stream", astream, 4, CHAT, {"floor": 1 / 0.95}, {"floor": 1.0}),
    "sum": Row("sum of 5,000 chunks", "long", sum_of_chunks, 1, MODELS, {"ChatOpenAI": 0.38}, {"ChatOpenAI": 0.32}),
    "reasoning": Row("stream of 2,000 reasoning events", "reasoning", stream, 2, ("ours", "ChatOpenAI", "other")),
    "tool_call": Row("stream of a tool call, 2,000 events", "tool_call", stream, 2, ("ours", "ChatOpenAI", "other")),
    "concurrent": Row(
        "1,000 concurrent calls", "reply", concurrent, 10, _FEW,
        {"ChatOpenAI": 0.42}, {"ChatOpenAI": 0.38}, rounds=2
    ),
    "concurrent_aiohttp": Row(
        "1,000 concurrent calls, aiohttp", "reply", concurrent, 10, ("ours, aiohttp", "ChatOpenAI"),
        {"ChatOpenAI": 0.25}, {"ChatOpenAI": 0.15},
    ),
    "delayed": Row(
        "1,000 concurrent calls of 50 ms", "delay", concurrent, 10, _FEW,
        {"ChatOpenAI": 0.40}, {"ChatOpenAI": 0.20}, rounds=2
    ),
    "threads": Row("320 calls in 32 threads", "reply", threads, 1, CHAT),
    "construct": Row(
        "construct", "reply", construct, 100, MODELS, {"ChatOpenAI": 0.15}, {"ChatOpenAI": 0.10}, wants_factory=True
    ),
    "history": Row(
        "history of 400 messages", "reply", history, 10, MODELS, {"ChatOpenAI": 0.04}, {"ChatOpenAI": 0.03}
    ),
    "large_image": Row(
        "4 MB image in a message", "reply", image_in_message, 5, MODELS, {"ChatOpenAI": 0.75}, {"ChatOpenAI": 0.65}
    ),
    "bind_tools": Row("bind_tools with 5 tools", "reply", bind_tools, 20),
    "bind_50_tools": Row("bind_tools with 50 tools", "reply", bind_50_tools, 2),
    "invoke_50_tools": Row("invoke with 50 tools", "reply", invoke_50_tools, 20),
    "embeddings": Row(
        "embeddings of 10,000 texts", "embeddings", embeddings, 1, ("ours", "httpx", "ChatOpenAI"), wants_factory=True
    ),
    "image": Row("image of 100 KB", "image", image, 50, ("ours", "httpx"), wants_factory=True),
    "video": Row("video of 300 MB to a file", "video", video, 1, ("ours", "httpx"), wants_factory=True),
    "memory": Row(
        "peak memory of a stream of 5,000 events", "long", long_stream, 3, MODELS,
        {"ChatOpenAI": 0.82}, {"ChatOpenAI": 0.78}, measures="bytes",
    ),
}  # fmt: skip
