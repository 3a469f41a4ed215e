"""The columns of the matrix: the ways to call, and the sets of them that take different paths in the code."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from langchain_pollinations.audio import PollinationsSpeech
from langchain_pollinations.catalog import alist_models, list_models
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.embeddings import PollinationsEmbeddings
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from langchain_pollinations.uploads import aupload, upload
from langchain_pollinations.video import PollinationsVideo
from tests.media.test_references import PNG

PROMPT = "A lighthouse."


@dataclass
class Call:
    """One call of a column: where it may write, and what it has received."""

    folder: Path
    chunks: list[str] = field(default_factory=list)


Made = Callable[..., Any]
"""Builds the object of a column from connection fields."""
Used = Callable[[Any, Call], Any]
"""Calls the object. The result is an answer, or a coroutine that returns it."""


@dataclass(frozen=True)
class Column:
    make: Made
    use: Used
    client: str = "httpx"
    """`httpx` and `aiohttp` are the transports of the package. `httpx2` passes clients of this library."""
    host: str = "gen"
    has_snapshot: bool = False
    """Whether the records that ship with the package stand in for a failed response."""

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.use)


def _invoke(model: Any, call: Call) -> str:
    return str(model.invoke(PROMPT).text)


async def _ainvoke(model: Any, call: Call) -> str:
    return str((await model.ainvoke(PROMPT)).text)


def _stream(model: Any, call: Call) -> str:
    for piece in model.stream(PROMPT):
        call.chunks.append(piece.text)
    return "".join(call.chunks)


async def _astream(model: Any, call: Call) -> str:
    async for piece in model.astream(PROMPT):
        call.chunks.append(piece.text)
    return "".join(call.chunks)


CHAT_WAYS: Mapping[str, Used] = {"invoke": _invoke, "ainvoke": _ainvoke, "stream": _stream, "astream": _astream}


def _generate(maker: Any, call: Call, **options: Any) -> bytes:
    return _whole(maker.generate(PROMPT, **options))


async def _agenerate(maker: Any, call: Call, **options: Any) -> bytes:
    return _whole(await maker.agenerate(PROMPT, **options))


def _whole(media: Media) -> bytes:
    if media.path is not None:
        assert media.path.read_bytes() == media.data
    return media.data


def _save(maker: Any, call: Call) -> bytes:
    return _generate(maker, call, path=call.folder / "video.mp4")


async def _asave(maker: Any, call: Call) -> bytes:
    return await _agenerate(maker, call, path=call.folder / "video.mp4")


def _embed(maker: Any, call: Call) -> Any:
    return maker.embed_query(PROMPT)


async def _aembed(maker: Any, call: Call) -> Any:
    return await maker.aembed_query(PROMPT)


def _upload(fields: Any, call: Call) -> Any:
    return upload(PNG, **fields).mime_type


async def _aupload(fields: Any, call: Call) -> Any:
    return (await aupload(PNG, **fields)).mime_type


def _list(fields: Any, call: Call) -> Any:
    return list_models("text", **fields)


async def _alist(fields: Any, call: Call) -> Any:
    return await alist_models("text", **fields)


IMAGE = partial(PollinationsImage, width=32, height=32)
VIDEO = partial(PollinationsVideo, duration=4, progress=False)
PLAIN = partial(ChatPollinations, route="get")

COLUMNS: Mapping[str, Column] = {
    **{f"chat {name}": Column(ChatPollinations, way) for name, way in CHAT_WAYS.items()},
    "chat ainvoke, aiohttp": Column(ChatPollinations, _ainvoke, "aiohttp"),
    "chat astream, aiohttp": Column(ChatPollinations, _astream, "aiohttp"),
    **{f"chat {name}, httpx2": Column(ChatPollinations, way, "httpx2") for name, way in CHAT_WAYS.items()},
    "plain text invoke": Column(PLAIN, _invoke),
    "plain text astream": Column(PLAIN, _astream),
    "image generate": Column(IMAGE, _generate),
    "image agenerate": Column(IMAGE, _agenerate),
    "image agenerate, aiohttp": Column(IMAGE, _agenerate, "aiohttp"),
    "image generate, httpx2": Column(IMAGE, _generate, "httpx2"),
    "video generate to a file": Column(VIDEO, _save),
    "video agenerate to a file": Column(VIDEO, _asave),
    "video agenerate to a file, aiohttp": Column(VIDEO, _asave, "aiohttp"),
    "speech generate": Column(PollinationsSpeech, _generate),
    "speech agenerate": Column(PollinationsSpeech, _agenerate),
    "embeddings embed_query": Column(PollinationsEmbeddings, _embed),
    "embeddings aembed_query": Column(PollinationsEmbeddings, _aembed),
    "upload": Column(dict, _upload),
    "aupload": Column(dict, _aupload),
    "list_models": Column(dict, _list, has_snapshot=True),
    "alist_models": Column(dict, _alist, has_snapshot=True),
    **{f"legacy chat {name}": Column(ChatPollinations, way, host="text") for name, way in CHAT_WAYS.items()},
    "legacy chat ainvoke, aiohttp": Column(ChatPollinations, _ainvoke, "aiohttp", "text"),
    "legacy plain text invoke": Column(PLAIN, _invoke, host="text"),
    "legacy image generate": Column(IMAGE, _generate, host="image"),
    "legacy image agenerate": Column(IMAGE, _agenerate, host="image"),
    "legacy list_models": Column(dict, _list, host="text"),
}


def _named(*parts: str) -> tuple[str, ...]:
    """The columns whose names begin with one of some words."""
    return tuple(name for name in COLUMNS if name.startswith(parts))


_GEN = tuple(name for name, column in COLUMNS.items() if column.host == "gen")
_CHAT = _named("chat ")
_ASYNC = tuple(name for name, column in COLUMNS.items() if column.is_async)
_HTTPX2 = tuple(name for name, column in COLUMNS.items() if column.client == "httpx2")


@dataclass(frozen=True)
class Paths:
    """The columns of a row: all of them, and one for each path that takes part in the outcome."""

    all: tuple[str, ...]
    few: tuple[str, ...]
    in_turn: bool = False
    """Whether each row takes the next of the few, because the rows differ only in what is parsed."""

    def chosen(self, number: int) -> tuple[str, ...]:
        """The columns of the row with a number."""
        if os.environ.get("FAULTS") == "all":
            return self.all
        return (self.few[number % len(self.few)],) if self.in_turn else self.few


ANY = Paths(tuple(COLUMNS), ("chat invoke", "chat astream", "chat ainvoke, aiohttp", "video agenerate to a file"))
"""Faults of the network."""
CLIENTS = Paths(
    tuple(COLUMNS),
    (*ANY.few, "image agenerate, aiohttp", "chat invoke, httpx2", "chat ainvoke, httpx2"),
)
"""Faults of connections, which each HTTP library handles in its own way."""
STATUS = Paths(tuple(name for name in _GEN if "upload" not in name), ("chat invoke", "chat astream"), in_turn=True)
"""Error responses of gen.pollinations.ai. The media host, which stores uploads, has a format of its own."""
BILLED = Paths(tuple(name for name in STATUS.all if "list" not in name), ("chat invoke", "chat astream"))
"""Requests that wait for the rate limits of models."""
UPLOAD = Paths(_named("upload", "aupload"), ("upload", "aupload"), in_turn=True)
CHAT = Paths(_CHAT, ("chat invoke", "chat astream"), in_turn=True)
STREAM = Paths(_named("chat stream", "chat astream"), ("chat stream", "chat astream"), in_turn=True)
STREAM_CLIENTS = Paths(STREAM.all, ("chat stream", "chat astream, aiohttp", "chat astream, httpx2"))
WHOLE = Paths(
    tuple(name for name in COLUMNS if "stream" not in name),
    ("chat invoke", "chat ainvoke, aiohttp", "image agenerate", "video generate to a file", "list_models", "aupload"),
)
"""Bodies that are read as a whole, into memory or a file."""
BODY = Paths(
    _GEN,
    ("chat invoke", "chat astream", "chat ainvoke, aiohttp", "image generate, httpx2", "video agenerate to a file"),
)
"""Encodings of bodies."""
MEDIA = Paths(
    _named("image", "video", "speech"), ("image generate", "video agenerate to a file", "speech generate"), in_turn=True
)
JSON = Paths(
    _named("embeddings", "upload", "aupload", "list", "alist"),
    ("embeddings embed_query", "aupload", "list_models"),
    in_turn=True,
)
PLAIN_TEXT = Paths(_named("plain text"), ("plain text invoke", "plain text astream"), in_turn=True)
GET = Paths(
    tuple(name for name in _named("image", "video", "list", "alist")), ("image generate", "image agenerate, aiohttp")
)
POST = Paths(_named("chat", "speech", "embeddings"), ("chat invoke", "chat astream", "speech agenerate"))
FILE = Paths(_named("video"), ("video generate to a file", "video agenerate to a file"))
LEGACY_TEXT = Paths(_named("legacy chat", "legacy plain"), ("legacy chat invoke", "legacy chat astream"), in_turn=True)
LEGACY_IMAGE = Paths(_named("legacy image"), ("legacy image generate", "legacy image agenerate"), in_turn=True)
LEGACY = Paths(_named("legacy"), ("legacy chat invoke", "legacy image agenerate", "legacy list_models"), in_turn=True)
OWN = Paths(tuple(n for n in COLUMNS if n not in _HTTPX2), ANY.few)
"""The package's own HTTP clients."""
ASYNC = Paths(_ASYNC, ("chat ainvoke", "chat astream", "chat ainvoke, aiohttp", "video agenerate to a file"))
