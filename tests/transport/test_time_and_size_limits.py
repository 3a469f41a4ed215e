"""No response takes more memory or disk than its limit, whatever its headers say, and each ends in a clear error."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socketserver
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from langchain_pollinations import errors
from langchain_pollinations.catalog import list_models
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.embeddings import PollinationsEmbeddings
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.video import PollinationsVideo
from tests.helpers.ask import Ask
from tests.helpers.servers import serve

MIB = 1024 * 1024
ZEROS = bytes(64 * MIB)
LIMIT = 4 * MIB
TOO_LARGE = r"larger than 4,194,304 bytes; raise `max_response_bytes`"


def completion(text: str) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


BOMB = gzip.compress(ZEROS)
BODIES: dict[str, tuple[bytes, dict[str, str], str]] = {
    "declared": (b"x" * (LIMIT + 1), {}, TOO_LARGE),
    "gzip": (BOMB, {"content-encoding": "gzip"}, TOO_LARGE),
    "deflate": (zlib.compress(ZEROS), {"content-encoding": "deflate"}, TOO_LARGE),
    "gzip twice": (gzip.compress(BOMB), {"content-encoding": "gzip, gzip"}, "'gzip, gzip', which was not asked for"),
    "Brotli": (b"\x1b" * 99, {"content-encoding": "br"}, "'br', which was not asked for"),
    "no gzip": (b"{}", {"content-encoding": "gzip"}, "not encoded as it says"),
    "half a gzip": (
        gzip.compress(completion("Hi"))[:-9],
        {"content-encoding": "gzip"},
        "before the end of its encoding",
    ),
}
SENDERS: dict[str, Callable[[dict[str, Any], Path], Any]] = {
    "chat": lambda given, _: ChatPollinations(**given).invoke("Hi"),
    "achat": lambda given, _: asyncio.run(ChatPollinations(**given).ainvoke("Hi")),
    "chat over aiohttp": lambda given, _: asyncio.run(
        ChatPollinations(**given, async_transport="aiohttp").ainvoke("Hi")
    ),
    "stream": lambda given, _: list(ChatPollinations(**given).stream("Hi")),
    "plain text": lambda given, _: ChatPollinations(**given, route="get").invoke("Hi"),
    "image": lambda given, _: PollinationsImage(**given).generate("a whale"),
    "embeddings": lambda given, _: PollinationsEmbeddings(**given).embed_query("a whale"),
    "models": lambda given, _: list_models("text", **given),
    "video in a file": lambda given, folder: PollinationsVideo(**given).generate("a whale", path=folder / "whale.mp4"),
    "avideo in a file": lambda given, folder: asyncio.run(
        PollinationsVideo(**given).agenerate("a whale", path=folder / "whale.mp4")
    ),
}


@pytest.mark.parametrize("sender", SENDERS)
def test_a_body_beyond_its_limit_is_an_error(emulator: Emulator, tmp_path: Path, sender: str) -> None:
    given = {**emulator.connection(), "max_response_bytes": LIMIT, "max_retries": 0}
    for kind, (body, headers, says) in BODIES.items():
        emulator.reply(body=body, headers=headers, content_type="application/json", on="/")
        if sender == "models":
            with pytest.warns(UserWarning, match="snapshot|ships"):  # the list that ships stands in
                SENDERS[sender](given, tmp_path)
            continue
        tracemalloc.start()
        with pytest.raises(errors.InvalidResponseError, match=says):
            SENDERS[sender](given, tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 40 * MIB, kind  # the bomb itself would be 64 MiB
    assert list(tmp_path.iterdir()) == []


def test_good_bodies_are_decoded(emulator: Emulator, ask: Ask) -> None:
    chat = ChatPollinations(**emulator.connection(), max_response_bytes=LIMIT)
    text = "whale " * 100_000
    raw = completion(text)
    squeezed = zlib.compressobj(wbits=-15)
    encodings = {
        "gzip": gzip.compress(raw),
        "x-gzip": gzip.compress(raw),
        "deflate": zlib.compress(raw),
        "DEFLATE": squeezed.compress(raw) + squeezed.flush(),  # without its head
        "identity": raw,
    }
    for encoding, body in encodings.items():
        emulator.reply(body=body, headers={"content-encoding": encoding}, content_type="application/json")
        assert ask(chat, "Hi").text == text
    assert emulator.requests[-1].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_stream_has_a_limit(emulator: Emulator, way: str) -> None:
    chat = ChatPollinations(**emulator.connection(), max_response_bytes=LIMIT)
    event = {"choices": [{"delta": {"content": "whale " * 20_000}}]}

    async def collect() -> None:
        async for _ in chat.astream("Hi"):
            pass

    for chunks in ([event] * 60, ["data: " + "x" * (LIMIT // 2)] * 4, [": comment\n\n" * (LIMIT // 10)]):
        emulator.reply(chunks=chunks)
        with pytest.raises(errors.InvalidResponseError, match=TOO_LARGE):
            list(chat.stream("Hi")) if way == "stream" else asyncio.run(collect())


def test_the_body_of_an_error_is_cut(emulator: Emulator, ask: Ask) -> None:
    chat = ChatPollinations(**emulator.connection(), max_retries=0)
    for body, headers in ((ZEROS, {}), (BOMB, {"content-encoding": "gzip"}), (b"x", {"content-encoding": "br"})):
        emulator.reply(body=body, headers=headers, status=503, content_type="text/plain")
        with pytest.raises(errors.ServiceUnavailableError) as caught:
            ask(chat, "Hi")
        assert len(caught.value.body) <= 2**20


@pytest.mark.parametrize("charset", ["hex", "base64", "rot13", "nonsense", "utf-16", "idna", "undefined"])
def test_an_odd_charset_ends_in_no_raw_exception(emulator: Emulator, ask: Ask, charset: str) -> None:
    kind = f"text/plain; charset={charset}".encode("utf-8", "replace").decode()
    chat = ChatPollinations(**emulator.connection(), max_retries=0, route="get")
    emulator.reply(body=b"whale", status=400, content_type=kind)
    with pytest.raises(errors.InvalidRequestError):
        ask(chat, "Hi")
    emulator.reply(body=b"whale", content_type=kind)
    assert ask(chat, "Hi").text


DRIPPING = {
    "chat": ("{" + " " * 99, "application/json"),
    "stream": ([{"choices": [{"delta": {"content": "word "}}]}] * 99, "text/event-stream"),
    "comments": ([": ping\n\n"] * 99, "text/event-stream"),
}


@pytest.mark.unused_replies  # on a busy machine, the time may be over before the request is sent
@pytest.mark.parametrize("kind", DRIPPING)
def test_a_server_that_drips_is_left_after_the_total_time(emulator: Emulator, ask: Ask, kind: str) -> None:
    chunks, content_type = DRIPPING[kind]
    chat = ChatPollinations(**emulator.connection(), total_timeout=0.3, streaming=kind != "chat")
    emulator.reply(chunks=chunks, content_type=content_type, chunk_delay=0.06)
    start = time.monotonic()
    with pytest.raises(errors.RequestTimeoutError, match=r"longer than `total_timeout` \(0.3 s\)"):
        ask(chat, "Hi")
    assert time.monotonic() - start < 8  # the response itself takes longer


@pytest.mark.unused_replies  # on a busy machine, the time may be over before the request is sent
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("ask", ["invoke", "ainvoke"], indirect=True)
@pytest.mark.parametrize("client", ["httpx", "httpx2", "aiohttp"])
def test_the_total_time_holds_with_any_client(emulator: Emulator, ask: Ask, client: str, streaming: bool) -> None:
    chunks, content_type = DRIPPING["stream" if streaming else "chat"]
    module: Any = pytest.importorskip(client)
    own: dict[str, Any] = {"async_transport": "aiohttp"}
    if client != "aiohttp":
        own = {"http_client": module.Client(), "http_async_client": module.AsyncClient()}
    chat = ChatPollinations(**emulator.connection(), total_timeout=0.3, streaming=streaming, **own)
    emulator.reply(chunks=chunks, content_type=content_type, chunk_delay=0.06)
    with pytest.raises(errors.RequestTimeoutError, match=r"longer than `total_timeout` \(0.3 s\)"):
        ask(chat, "Hi")


@pytest.mark.parametrize("ask", ["invoke", "ainvoke"], indirect=True)
@pytest.mark.parametrize("kind", ["chat", "stream"])
def test_silence_within_a_body_ends_with_the_total_time(emulator: Emulator, ask: Ask, kind: str) -> None:
    chunks, content_type = DRIPPING[kind]
    chat = ChatPollinations(**emulator.connection(), total_timeout=1, streaming=kind != "chat", max_retries=0)
    emulator.reply(chunks=list(chunks)[:2], content_type=content_type, delay=0.8, chunk_delay=9)
    start = time.monotonic()
    with pytest.raises(errors.RequestTimeoutError):
        ask(chat, "Hi")
    assert time.monotonic() - start < 1.6  # not another whole second after the headers


class _Dripping(socketserver.BaseRequestHandler):
    """Sends its response byte by byte: the headers for ever, or a body without a length after them."""

    head = b"HTTP/1.1 200 OK\r\nx-slow: "

    def handle(self) -> None:
        self.request.recv(65_536)
        with contextlib.suppress(OSError):
            self.request.sendall(self.head)
            for _ in range(60):
                self.request.sendall(b"a")
                time.sleep(0.05)


class _SilentBody(socketserver.BaseRequestHandler):
    """Sends headers late, a byte of the body later, and then nothing."""

    def handle(self) -> None:
        self.request.recv(65_536)
        with contextlib.suppress(OSError):
            for part in (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", b"{"):
                time.sleep(0.15)
                self.request.sendall(part)
            while self.request.recv(65_536):  # until the client goes
                pass


@pytest.mark.parametrize("ask", ["invoke", "astream"], indirect=True)
@pytest.mark.parametrize("client", ["httpx", "httpx2", "aiohttp"])
@pytest.mark.parametrize("handler", [_Dripping, _SilentBody])
def test_the_total_time_bounds_headers_and_the_last_silence(ask: Ask, handler: type, client: str) -> None:
    module: Any = pytest.importorskip(client)
    own: dict[str, Any] = {"async_transport": "aiohttp"}
    if client != "aiohttp":
        own = {"http_client": module.Client(), "http_async_client": module.AsyncClient()}
    with serve(handler) as url:
        chat = ChatPollinations(base_url=url, api_key="sk_test", total_timeout=0.3, **own)
        start = time.monotonic()
        with pytest.raises(errors.RequestTimeoutError, match=r"longer than `total_timeout` \(0.3 s\)"):
            ask(chat, "Hi")
        assert time.monotonic() - start < 1.6


def test_silence_and_retries_end_with_the_total_time(emulator: Emulator, ask: Ask) -> None:
    emulator.reply("late", delay=9)
    chat = ChatPollinations(**emulator.connection(), total_timeout=0.4, max_retries=9)
    with pytest.raises(errors.RequestTimeoutError):
        ask(chat, "Hi")
    emulator.clear()
    emulator.fail(503, times=9, headers={"retry-after": "1"})
    with pytest.raises(errors.ServiceUnavailableError):
        ask(chat, "Hi")
    assert len(emulator.requests) == 1
    emulator.clear()
    assert ask(ChatPollinations(**emulator.connection(), total_timeout=30), "Hi").text
