"""Time against size, as plots: what grows faster than its input is explained or fixed.

python -m tests.benchmarks.growth --bin build/bench     # build/bench/growth.md and growth.png
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool

from langchain_pollinations import ChatPollinations
from langchain_pollinations._chat.fields import RequestInfo
from langchain_pollinations._chat.stream import ChatStreamParser
from langchain_pollinations._legacy.rate_limiter import Slot

STUB = Path(__file__).parent / "stub_server.py"
ROUNDS = 3


def _timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _history(chats: dict[str, Any], size: int) -> float:
    messages: list[Any] = [HumanMessage("Question"), AIMessage("Answer " * 20)] * (size // 2)
    return _timed(lambda: chats["reply"].invoke([*messages, HumanMessage("Next?")]))


def _tools(chats: dict[str, Any], size: int) -> float:
    def search(text: str, limit: int = 10) -> str:
        """Search for a text."""
        return text

    tools = [tool(f"tool_{number}")(search) for number in range(size)]
    return _timed(lambda: chats["reply"].bind_tools(tools).invoke("Hi"))


def _chunks(chats: dict[str, Any], size: int) -> float:
    """Parse a stream of events and add up its chunks, without a server."""
    import httpx

    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "openai"}
    event = json.dumps({**head, "choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]})
    parser = ChatStreamParser(httpx.Response(200, request=httpx.Request("POST", "http://x")), RequestInfo("openai"))
    return _timed(lambda: reduce(add, (chunk for _ in range(size) for chunk in parser.feed(event))))


def _concurrency(chats: dict[str, Any], size: int) -> float:
    async def gather() -> None:
        await asyncio.gather(*(chats["reply"].ainvoke("Hi") for _ in range(size)))

    return _timed(lambda: asyncio.run(gather()))


def _image(chats: dict[str, Any], kilobytes: int) -> float:
    data = base64.b64encode(bytes(range(256)) * 4 * kilobytes).decode()
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    return _timed(lambda: chats["reply"].invoke([HumanMessage([url])]))


def _queue(chats: dict[str, Any], size: int) -> float:
    """CPU time of calls that wait in the queue of the legacy hosts, 2 ms apart."""

    async def wait() -> None:
        async with Slot(0.002, None, False).aacquire():
            pass

    async def gather() -> None:
        await asyncio.gather(*(wait() for _ in range(size)))

    start = time.process_time()
    asyncio.run(gather())
    return time.process_time() - start


GROWTH: dict[str, tuple[Callable[[dict[str, Any], int], float], tuple[int, ...]]] = {
    "messages of the history": (_history, (100, 400, 1600)),
    "tools": (_tools, (10, 40, 160)),
    "chunks": (_chunks, (1_000, 4_000, 16_000)),
    "concurrent calls": (_concurrency, (100, 400, 1600)),
    "KB of an image": (_image, (512, 2_048, 8_192)),
    "calls in the queue of a legacy host": (_queue, (50, 200, 800)),
}


@contextlib.contextmanager
def _chats() -> Iterator[dict[str, Any]]:
    process = subprocess.Popen([sys.executable, str(STUB)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        origins = json.loads(process.stdout.readline())
        yield {name: ChatPollinations(base_url=url, api_key="sk_test") for name, url in origins.items()}
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=Path, required=True, help="folder for growth.md and growth.png")
    folder = parser.parse_args().bin
    found: dict[str, list[float]] = {}
    with _chats() as chats:
        for name, (measure, sizes) in GROWTH.items():
            measure(chats, sizes[0])
            gc.collect()
            gc.freeze()  # the objects of earlier rows cost time in each collection
            found[name] = [statistics.median(measure(chats, size) for _ in range(ROUNDS)) for size in sizes]
    lines = ["| grows | sizes | ms | last step: time x for size x 4 |", "|---|---|---|---|"]
    for name, seconds in found.items():
        sizes = ", ".join(f"{size:,}" for size in GROWTH[name][1])
        lines.append(
            f"| {name} | {sizes} | {', '.join(f'{each * 1000:.3g}' for each in seconds)} "
            f"| {seconds[-1] / seconds[-2]:.1f} |"
        )
    (folder / "growth.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    _plot(folder / "growth.png", found)


def _plot(path: Path, found: dict[str, list[float]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import NullFormatter

    figure, grid = pyplot.subplots(2, 3, figsize=(12, 7), layout="constrained")
    for axes, (name, seconds) in zip(grid.flat, found.items(), strict=True):
        sizes = GROWTH[name][1]
        axes.loglog(sizes, [each * 1000 for each in seconds], marker="o", label="measured")
        linear = [seconds[-1] * 1000 * size / sizes[-1] for size in sizes]
        axes.loglog(sizes, linear, linestyle="--", label="linear")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(name)
        axes.set_ylabel("ms")
    grid.flat[0].legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
