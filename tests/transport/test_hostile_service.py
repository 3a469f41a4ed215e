"""Odd responses that concern one part of the client. The faults of all calls are rows of tests/faults/table.py."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import socketserver
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from langchain_pollinations import errors
from langchain_pollinations.audio import PollinationsSpeech
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.transcription import PollinationsTranscriber
from langchain_pollinations.video import PollinationsVideo
from tests.faults.wire import STOP, completion, http, sse
from tests.helpers.ask import TWO_FORMS, WAYS, Ask
from tests.helpers.servers import read_request, serve

KEY = "sk_test_0123456789"

Script = Callable[[socket.socket, int], object]


@contextlib.contextmanager
def service(script: Script) -> Iterator[tuple[str, list[bytes]]]:
    """The address of a server that runs a script for each request of a connection, and the heads of its requests. The
    connection stays open where the script returns None."""
    heads: list[bytes] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                while request := read_request(self.request):
                    heads.append(request[0])
                    if script(self.request, len(heads)) is not None:
                        return

    with serve(Handler) as url:
        yield url, heads


def always(response: bytes) -> Script:
    return lambda link, number: link.sendall(response)


@pytest.fixture(params=TWO_FORMS)
def ask(request: pytest.FixtureRequest) -> Ask:
    """By two methods, since other tests use all four."""
    return WAYS[request.param]


def model(url: str, **fields: Any) -> ChatPollinations:
    return ChatPollinations(**{"base_url": url, "api_key": KEY, "max_retries": 0, **fields})


STREAM = "text/event-stream"
NEARLY = "[" * 985 + "]" * 985
AT_THE_LIMIT = {
    "JSON": http('{"choices": [{"message": {"content": "Hi", "x": ' + NEARLY + "}}]}"),
    "an event": http(
        sse('{"choices": [{"delta": {"content": "Hi"}, "x": ' + NEARLY + "}]}", STOP), "text/event-stream"
    ),
}


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("response", AT_THE_LIMIT.values(), ids=AT_THE_LIMIT)
def test_a_response_at_the_limit_of_recursion_is_an_answer_or_an_error(ask: Ask, response: bytes) -> None:
    with service(always(response)) as (url, _), contextlib.suppress(errors.PollinationsError):
        assert "Hi" in ask(model(url, timeout=5), "Hi").text


PLACES = [
    *("http://xn--/", "http://a..b/", f"http://{'a' * 300}/", "http://./"),
    *("http://[::1]:99999/", "http://127.0.0.1:99999/", "http://u:p@127.0.0.1:9/"),
]


@pytest.mark.parametrize("place", PLACES)
def test_an_address_of_a_video_that_no_request_can_have_is_an_error(place: str) -> None:
    with service(always(http({"data": [{"url": place}]}))) as (url, _):
        wrapper = PollinationsVideo(base_url=url, api_key=KEY, max_retries=0)
        with pytest.raises(errors.PollinationsError):
            asyncio.run(wrapper.agenerate("50% x"))
        with pytest.raises(errors.PollinationsError):
            wrapper.generate("50% x")


MIB = 1024 * 1024
SENDERS: dict[str, Callable[[dict[str, Any], Path], Any]] = {
    "chat": lambda given, _: ChatPollinations(**given).invoke("Hi"),
    "stream": lambda given, _: asyncio.run(ChatPollinations(**given, streaming=True).ainvoke("Hi")),
    "video in a file": lambda given, folder: PollinationsVideo(**given).generate("waves", path=folder / "waves.mp4"),
}


@pytest.mark.parametrize("sender", SENDERS)
def test_a_decompression_bomb_uses_no_memory_beyond_the_limit(emulator: Emulator, tmp_path: Path, sender: str) -> None:
    given = {**emulator.connection(), "max_response_bytes": 4 * MIB, "max_retries": 0}
    emulator.reply(body=gzip.compress(bytes(64 * MIB)), headers={"content-encoding": "gzip"}, on="/")
    tracemalloc.start()
    with pytest.raises(errors.InvalidResponseError, match="larger than"):
        SENDERS[sender](given, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * MIB


def test_an_answer_of_times_and_rates_beyond_numbers_is_an_answer_or_an_error(emulator: Emulator) -> None:
    times = {"characters": ["a"], "character_start_times_seconds": [10**400], "character_end_times_seconds": [1]}
    emulator.reply(body={"audio_base64": "SUQz", "alignment": times}, on="/v1/audio/speech/with-timestamps")
    with contextlib.suppress(errors.PollinationsError):
        PollinationsSpeech(**emulator.connection(), model="elevenlabs", timestamps=True).generate("a")
    for rate in ("9" * 5000, "0", "\xb2"):
        emulator.reply(body=b"\0" * 64, content_type=f"audio/pcm; rate={rate}", on="/v1/audio/speech")
        made = PollinationsSpeech(**emulator.connection(), response_format="pcm").generate("a")
        assert made.metadata["sample_rate"] == 24_000


@pytest.mark.parametrize("charset", ["undefined", "punycode", "idna"])
def test_a_transcript_in_an_encoding_that_is_none_is_a_transcript_or_an_error(charset: str, emulator: Emulator) -> None:
    """Any other exception fails the test."""
    emulator.reply(
        body="\x80 xn--".encode(), content_type=f"text/plain; charset={charset}", on="/v1/audio/transcriptions"
    )
    with contextlib.suppress(errors.PollinationsError):
        transcriber = PollinationsTranscriber(**emulator.connection(), response_format="text")
        assert transcriber.transcribe(b"RIFF0000WAVEfmt ").page_content
    assert len(emulator.requests) == 1


def test_numbers_that_json_does_not_have_do_not_end_the_conversation(ask: Ask) -> None:
    odd = '[{"type": "reasoning.text", "text": "t", "score": NaN, "deep": [{"far": 1e999}]}]'
    said = json.dumps(completion("Hi")).replace('"role"', f'"reasoning_details": {odd}, "role"')
    with service(always(http(said))) as (url, heads):
        first = ask(model(url), "Hi")
        assert ask(model(url), [("user", "Hi"), first, ("user", "More")]).text == "Hi"
    assert len(heads) == 2


@pytest.mark.parametrize(
    "script",
    [lambda link, number: True, always(http({"error": {"message": f"Bearer {KEY}"}}, status="401 No"))],
    ids=["lost connection", "error with the key"],
)
def test_an_exception_that_the_caller_is_handling_is_not_changed(ask: Ask, script: Script) -> None:
    """For example that of another provider, in a program that then asks this service."""
    with service(script) as (url, _):
        try:
            httpx.post(url, headers={"x-own": "1"}, trust_env=False).raise_for_status()
        except httpx.HTTPError as error:
            own = error
            before = traceback.format_exception(own)
            with pytest.raises(errors.PollinationsError):
                ask(model(url), "Hi")
    assert traceback.format_exception(own) == before
    assert own.request.headers["x-own"] == "1"


@pytest.mark.parametrize("link", ["file:///etc/passwd", "javascript:alert(1)", "https://media.pollinations.ai/a"])
def test_a_link_of_a_chat_is_an_address_of_the_web(ask: Ask, link: str) -> None:
    body = http(completion(f"![it]({link})"), link=f'<{link}>; rel="enclosure"')
    with service(always(body)) as (url, _):
        blocks = ask(model(url, model="kontext"), "Hi").content_blocks
    assert any(block.get("url") == link for block in blocks) is link.startswith("https:")


def test_the_deadline_of_a_stream_ends_no_other_call() -> None:
    """The connection of a body that has been read belongs to the next call."""

    def script(link: socket.socket, number: int) -> None:
        time.sleep(0 if number == 1 else 0.6)
        link.sendall(http(completion("Hi")))

    with service(script) as (url, heads):
        first = model(url, total_timeout=0.4)
        second = first.model_copy(update={"total_timeout": None})
        for chunk in first.stream("x"):
            if chunk.content:
                assert second.invoke("y").text == "Hi"
    assert len(heads) == 2


def test_the_error_of_a_callers_hook_is_the_callers() -> None:
    def fail(request: Any) -> None:
        "\xfc".encode("ascii")

    with httpx.Client(event_hooks={"request": [fail]}) as own, pytest.raises(UnicodeEncodeError):
        model("http://127.0.0.1:9", http_client=own).invoke("Hi")


def test_a_short_key_is_a_part_of_other_words(ask: Ask) -> None:
    body = json.dumps({"error": {"message": "model x-large was not found", "code": "model_not_found"}})
    with service(always(http(body, status="404 Not Found"))) as (url, _):
        with pytest.raises(errors.NotFoundError, match="x-large"):
            ask(model(url, api_key="x"), "Hi")


def test_trickling_headers_take_no_connection_of_the_pool() -> None:
    def script(link: socket.socket, number: int) -> None:
        if number <= 3:
            link.sendall(b"HTTP/1.1 200 OK\r\nx: ")
            for _ in range(60):
                link.sendall(b"a")
                time.sleep(0.05)
        else:
            link.sendall(http(completion("Hi")))

    with service(script) as (url, heads):
        chat = model(url, total_timeout=0.1)
        for _ in range(3):
            with pytest.raises(errors.RequestTimeoutError):
                chat.invoke("Hi")
        pool: Any = chat._pool.client()._transport
        deadline = time.monotonic() + 5
        while pool._pool.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        assert pool._pool.connections == []


MOVED = http("", status="302 Found", location="http://files.corp/x")


@pytest.mark.parametrize("home", ["http://gateway", "http://gw.corp"])
def test_an_internal_service_may_lead_to_an_internal_host(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    """Through a proxy, which alone knows the names."""

    def script(link: socket.socket, number: int) -> None:
        link.sendall(MOVED if number == 1 else http(b"\xff\xd8\xff\xda\xff\xd9", "image/jpeg"))

    with service(script) as (proxy, heads):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        made = PollinationsImage(base_url=home, api_key=KEY, max_retries=0).generate("x")
    assert made.mime_type == "image/jpeg"
    assert len(heads) == 2
