"""The ways of sending a request: by four methods, in ten forms of the result, and of the media wrappers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk

from langchain_pollinations.media import Media

Ask = Callable[..., AIMessage]


def _invoke(model: Any, /, *args: Any, **kwargs: Any) -> AIMessage:
    return model.invoke(*args, **kwargs)


def _ainvoke(model: Any, /, *args: Any, **kwargs: Any) -> AIMessage:
    return asyncio.run(model.ainvoke(*args, **kwargs))


def _stream(model: Any, /, *args: Any, **kwargs: Any) -> AIMessage:
    return _added(list(model.stream(*args, **kwargs)))


def _astream(model: Any, /, *args: Any, **kwargs: Any) -> AIMessage:
    async def collect() -> list[AIMessageChunk]:
        return [chunk async for chunk in model.astream(*args, **kwargs)]

    return _added(asyncio.run(collect()))


def _added(chunks: list[AIMessageChunk]) -> AIMessage:
    return reduce(add, chunks)


WAYS = {"invoke": _invoke, "ainvoke": _ainvoke, "stream": _stream, "astream": _astream}


def _events(model: Any, /, *args: Any, **kwargs: Any) -> AIMessage:
    return model.stream_events(*args, version="v3", **kwargs).output


def _aevents(model: Any, /, *args: Any, **kwargs: Any) -> AIMessage:
    async def run() -> AIMessage:
        return await (await model.astream_events(*args, version="v3", **kwargs)).output

    return asyncio.run(run())


def _as_v1(way: Ask) -> Ask:
    def ask(model: Any, /, *args: Any, **kwargs: Any) -> AIMessage:
        return way(model.model_copy(update={"output_version": "v1"}), *args, **kwargs)

    return ask


FORMS: dict[str, Ask] = {
    **WAYS,
    **{f"{name}-v1": _as_v1(way) for name, way in WAYS.items()},
    "events": _events,
    "aevents": _aevents,
}
"""Every form of a result in LangChain: of the four methods, with the content of v0 and v1, and of v3 events."""


TWO_FORMS = ("invoke", "astream")
"""The forms for tests of parsers: a whole response got synchronously, and a stream got asynchronously.

That the other forms agree with them is tested in tests/chat/test_agreement.py.
"""


def blocks(message: AIMessage) -> list[dict[str, Any]]:
    """The content blocks of an answer, without what only tells places in a stream."""
    return [{key: value for key, value in block.items() if key != "index"} for block in message.content_blocks]


MAKING: dict[str, Callable[..., Media]] = {
    "generate": lambda maker, *prompt, **options: maker.generate(*prompt, **options),
    "agenerate": lambda maker, *prompt, **options: asyncio.run(maker.agenerate(*prompt, **options)),
    "invoke": lambda maker, prompt="", **options: maker.invoke(prompt, **options),
    "ainvoke": lambda maker, prompt="", **options: asyncio.run(maker.ainvoke(prompt, **options)),
}
"""The four methods of the media wrappers."""
