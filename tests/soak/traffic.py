"""The operations of the soak. Each has a number, which its prompt or its file contains."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.tools import tool

from langchain_pollinations import (
    APIConnectionError,
    ChatPollinations,
    PollinationsEmbeddings,
    PollinationsError,
    PollinationsImage,
    PollinationsSpeech,
    PollinationsTranscriber,
    PollinationsVideo,
    alist_models,
    aupload,
    list_models,
    upload,
)
from langchain_pollinations._media.wav import pcm16_to_wav

OPERATION = re.compile(r"soak-\d+")
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass
class Operation:
    """A call of the package, its attempts, and how it ended."""

    number: int
    kind: Kind
    is_async: bool
    attempts: int = 1
    lost: int = 0
    """Number of attempts that ended with a connection error. The server may not have received them."""
    retried: list[str] = field(default_factory=list)
    """Names of the errors after which the package sent the request again."""
    outcome: str = "no end"
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return f"soak-{self.number}"


@dataclass(frozen=True)
class Kind:
    """A kind of operation. `run` and `arun` return whether the result is right."""

    name: str
    weight: int
    run: Callable[[Wrappers, str], bool]
    arun: Callable[[Wrappers, str], Awaitable[bool]]
    is_billed: bool = True
    is_cut_short: bool = False
    """Whether the caller ends the operation early, so that the request may not be sent, or not be billed."""


@tool
def look(place: str) -> str:
    """Describe a place."""
    return f"{place} is empty."


class Wrappers:
    """The objects of a long-running program. They live as long as the soak."""

    def __init__(self, connection: dict[str, str], folder: Path) -> None:
        self.connection, self.folder = connection, folder
        limits: dict[str, Any] = {**connection, "timeout": 10.0}
        self.chat = ChatPollinations(**limits, stream_chunk_timeout=1.0)
        self.aiohttp = ChatPollinations(**limits, stream_chunk_timeout=1.0, async_transport="aiohttp")
        self.hurried = ChatPollinations(**limits, total_timeout=0.3)
        self.tools = ChatPollinations(**limits).bind_tools([look])
        self.image = PollinationsImage(**limits, model="black-forest-labs/flux.1.1-pro")  # no requests per minute
        self.video = PollinationsVideo(**limits)
        self.speech = PollinationsSpeech(**limits)
        self.transcriber = PollinationsTranscriber(**limits)
        self.embeddings = PollinationsEmbeddings(**limits)

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.mp4"


def _echoes(message: AIMessage, name: str) -> bool:
    """Whether a message is the response to this operation. The emulator repeats a short prompt."""
    return name in OPERATION.findall(message.text)


def _calls(message: AIMessage) -> bool:
    return bool(message.tool_calls) and not message.invalid_tool_calls


def _stream(chat: Any, name: str) -> bool:
    return _echoes(reduce(add, chat.stream(f"{name} Hello")), name)


async def _astream(chat: Any, name: str) -> bool:
    return _echoes(reduce(add, [chunk async for chunk in chat.astream(f"{name} Hello")]), name)


def _invoke(wrappers: Wrappers, name: str) -> bool:
    return _echoes(wrappers.chat.invoke(f"{name} Hello"), name)


def _hurry(wrappers: Wrappers, name: str) -> bool:
    return _echoes(wrappers.hurried.invoke(f"{name} Hello"), name)


async def _ainvoke(chat: Any, name: str) -> bool:
    return _echoes(await chat.ainvoke(f"{name} Hello"), name)


def _leave(wrappers: Wrappers, name: str) -> bool:
    stream = wrappers.chat.stream(f"{name} Hello")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    return True


async def _aleave(wrappers: Wrappers, name: str) -> bool:
    stream = wrappers.chat.astream(f"{name} Hello")
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    return True


async def _cancel(wrappers: Wrappers, name: str) -> bool:
    try:
        async with asyncio.timeout(random.uniform(0, 0.2)):
            return await _ainvoke(wrappers.chat, name)
    except TimeoutError:
        return True


def _video(wrappers: Wrappers, name: str) -> bool:
    saved = wrappers.video.generate(f"{name} a whale", path=wrappers.file(name))
    return _was_saved(wrappers.file(name)) and saved.mime_type == "video/mp4"


async def _avideo(wrappers: Wrappers, name: str) -> bool:
    saved = await wrappers.video.agenerate(f"{name} a whale", path=wrappers.file(name))
    return _was_saved(wrappers.file(name)) and saved.mime_type == "video/mp4"


def _was_saved(path: Path) -> bool:
    size = path.stat().st_size
    path.unlink()
    return size > 1000


def _speech(wrappers: Wrappers, name: str) -> bool:
    return wrappers.speech.generate(f"{name} Hello").mime_type == "audio/mpeg"


async def _aspeech(wrappers: Wrappers, name: str) -> bool:
    return (await wrappers.speech.agenerate(f"{name} Hello")).mime_type == "audio/mpeg"


def _image(wrappers: Wrappers, name: str) -> bool:
    return wrappers.image.generate(f"{name} a whale").mime_type == "image/jpeg"


async def _aimage(wrappers: Wrappers, name: str) -> bool:
    return (await wrappers.image.agenerate(f"{name} a whale")).mime_type == "image/jpeg"


def _embed(wrappers: Wrappers, name: str) -> bool:
    return len(wrappers.embeddings.embed_documents([f"{name} one", f"{name} two"])) == 2


async def _aembed(wrappers: Wrappers, name: str) -> bool:
    return len(await wrappers.embeddings.aembed_documents([f"{name} one", f"{name} two"])) == 2


def _upload(wrappers: Wrappers, name: str) -> bool:
    return bool(upload(PNG + name.encode(), **wrappers.connection).url)


async def _aupload(wrappers: Wrappers, name: str) -> bool:
    return bool((await aupload(PNG + name.encode(), **wrappers.connection)).url)


def _list(wrappers: Wrappers, name: str) -> bool:
    return bool(list_models("text", default_headers={"x-soak": name}, **wrappers.connection))


async def _alist(wrappers: Wrappers, name: str) -> bool:
    return bool(await alist_models("text", default_headers={"x-soak": name}, **wrappers.connection))


def _call(wrappers: Wrappers, name: str) -> bool:
    return _calls(wrappers.tools.invoke(f"{name} Look at the park."))


async def _acall(wrappers: Wrappers, name: str) -> bool:
    return _calls(await wrappers.tools.ainvoke(f"{name} Look at the park."))


def _transcribe(wrappers: Wrappers, name: str) -> bool:
    return wrappers.transcriber.transcribe(_recording(name)).metadata["duration"] > 0


async def _atranscribe(wrappers: Wrappers, name: str) -> bool:
    return (await wrappers.transcriber.atranscribe(_recording(name))).metadata["duration"] > 0


def _recording(name: str) -> bytes:
    return pcm16_to_wav(name.encode().ljust(4800, b"\0"))


KINDS = (
    Kind("chat", 20, _invoke, lambda w, name: _ainvoke(w.chat, name)),
    Kind("chat, aiohttp", 6, _invoke, lambda w, name: _ainvoke(w.aiohttp, name)),
    Kind("stream", 20, lambda w, name: _stream(w.chat, name), lambda w, name: _astream(w.chat, name)),
    Kind("stream, aiohttp", 6, lambda w, name: _stream(w.aiohttp, name), lambda w, name: _astream(w.aiohttp, name)),
    Kind("stream left early", 4, _leave, _aleave, is_cut_short=True),
    Kind("cancelled", 4, _invoke, _cancel, is_cut_short=True),
    Kind("total_timeout", 3, _hurry, lambda w, name: _ainvoke(w.hurried, name), is_cut_short=True),
    Kind("tools", 10, _call, _acall),
    Kind("image", 8, _image, _aimage),
    Kind("video to disk", 1, _video, _avideo),
    Kind("speech", 3, _speech, _aspeech),
    Kind("transcript", 3, _transcribe, _atranscribe),
    Kind("embeddings", 8, _embed, _aembed),
    Kind("upload", 4, _upload, _aupload, is_billed=False),
    Kind("lists", 3, _list, _alist, is_billed=False),
)
"""The kinds of operations. A cancelled operation is an ordinary one if it is synchronous. The number is the weight."""

_numbers = itertools.count(1)
_current: ContextVar[Operation] = ContextVar("_current")


class CountRetries(logging.Handler):
    """Counts the retries of the current operation. The package logs one line for each retry."""

    def emit(self, record: logging.LogRecord) -> None:
        if not str(record.msg).startswith("Retry") or not isinstance(record.args, tuple):
            return
        operation = _current.get()
        operation.attempts += 1
        operation.retried.append(str(record.args[3]))
        operation.lost += record.args[3] == APIConnectionError.__name__


def new_operation(is_async: bool) -> Operation:
    number = next(_numbers)
    (kind,) = random.Random(number).choices(KINDS, [kind.weight for kind in KINDS])
    return Operation(number, kind, is_async)


@contextmanager
def _ending(operation: Operation) -> Iterator[None]:
    """Note how an operation ends. Any exception but an error of the package breaks a rule."""
    token, start = _current.set(operation), time.monotonic()
    try:
        yield
    except PollinationsError as error:
        operation.outcome = type(error).__name__
        operation.lost += isinstance(error, APIConnectionError)
    except Exception as error:  # each other exception is a finding
        operation.outcome = f"{type(error).__name__}: {error}"[:300]
    finally:
        operation.seconds = time.monotonic() - start
        _current.reset(token)


def run(wrappers: Wrappers, operation: Operation) -> Operation:
    with _ending(operation):
        operation.outcome = "right" if operation.kind.run(wrappers, operation.name) else "wrong"
    return operation


async def arun(wrappers: Wrappers, operation: Operation) -> Operation:
    with _ending(operation):
        operation.outcome = "right" if await operation.kind.arun(wrappers, operation.name) else "wrong"
    return operation
