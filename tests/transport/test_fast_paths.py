"""Shortcuts for usual requests and responses behave as the general code does."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from langchain_core.messages import AIMessage

from langchain_pollinations import errors
from langchain_pollinations._transport.origins import parse_address, plain_host, write_address
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from tests.faults.wire import DONE, STOP, USAGE, delta, sse
from tests.helpers.ask import WAYS
from tests.transport.test_hostile_service import KEY, model, service

STREAMS = ("stream", "astream")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = {**STOP, "usage": USAGE}


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def scripted(*parts: bytes, every: float = 0.0, repeat: bytes = b"", pause: float = 0.0) -> Any:
    """A server script that sends the parts, then `repeat` every `every` seconds, or waits for `pause` seconds."""

    def script(link: socket.socket, number: int) -> bool:
        for part in parts:
            link.sendall(part)
        ends = time.monotonic() + 10
        while repeat and time.monotonic() < ends:
            link.sendall(repeat)
            time.sleep(every)
        time.sleep(pause)
        return True

    return script


AFTER_THE_END = {
    "a malformed chunk": b"zz\r\n",
    "an unfinished chunk that ends like a body": b"5000\r\n: 0\r\n\r\n",
    "a comment beyond the limit": chunk(b":" + b"x" * 5000 + b"\n\n") + b"0\r\n\r\n",
}


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("rest", AFTER_THE_END.values(), ids=AFTER_THE_END)
def test_what_follows_the_last_event_changes_nothing(way: str, rest: bytes) -> None:
    with service(scripted(HEAD + chunk(sse(delta("Hi"), LAST, DONE)) + rest, pause=3)) as (url, _):
        chat = model(url, max_response_bytes=3000, stream_chunk_timeout=2)  # a wait for the rest would end in an error
        assert WAYS[way](chat, "Hi").text == "Hi"


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize(("line", "every"), [(b"data: \n\n", 0.1), (b": comment\n\n", 0.0005)])
def test_keep_alives_without_data_do_not_restart_the_limit_between_events(way: str, line: bytes, every: float) -> None:
    script = scripted(HEAD + chunk(sse(delta("Hi"))), repeat=chunk(line), every=every)
    with service(script) as (url, _), pytest.raises(errors.StreamTimeoutError):
        WAYS[way](model(url, stream_chunk_timeout=0.5), "Hi")


@pytest.mark.parametrize("way", STREAMS)
def test_a_stream_that_is_cut_off_after_early_usage_is_not_complete(way: str) -> None:
    events = sse({"choices": [], "usage": USAGE}, delta("<think>"), delta("hello"), delta(" world"))
    with service(scripted(HEAD + chunk(events) + b"0\r\n\r\n")) as (url, _):
        with pytest.raises(errors.IncompleteStreamError):
            WAYS[way](model(url), "Hi")


def test_half_a_surrogate_pair_in_a_block_is_replaced(emulator: Emulator) -> None:
    block = {"type": "text", "text": "half \ud83d", "cache_control": {"type": "ephemeral"}}
    chat = ChatPollinations(**emulator.connection(), model="claude")
    chat.invoke([("user", "Hi"), AIMessage([block]), ("user", "Go on")])
    assert "half \ufffd" in str(emulator.requests[-1].json["messages"][1])


LOOP: dict[str, Any] = {}
LOOP["self"] = LOOP


@pytest.mark.parametrize("value", [LOOP, 10**5000], ids=["loop", "digits"])
def test_a_body_that_json_cannot_represent_is_refused(emulator: Emulator, value: Any) -> None:
    chat = ChatPollinations(**emulator.connection())
    with pytest.raises(errors.InvalidRequestError, match="cannot be written as JSON"):
        chat.invoke("Hi", extra_body={"x": value})


def test_a_field_of_a_subclass_may_be_an_option_of_a_call(emulator: Emulator) -> None:
    class Tiered(ChatPollinations):
        tier: str = "a"

    with pytest.warns(UserWarning, match="tier"):
        Tiered(**emulator.connection()).invoke("Hi", tier="b")
    assert emulator.requests[-1].json["tier"] == "b"


def test_the_content_type_of_a_custom_client_is_kept(emulator: Emulator) -> None:
    kind = "application/json; charset=utf-8"
    with httpx.Client(headers={"content-type": kind}) as client:
        ChatPollinations(**emulator.connection(), http_client=client).invoke("Hi")
        assert emulator.requests[-1].headers["content-type"] == kind
        # The legacy hosts receive no header of this client.
        ChatPollinations(**emulator.legacy.connection(), http_client=client).invoke("Hi")
    assert emulator.legacy.requests[-1].headers["content-type"] == "application/json"


def test_a_changed_field_takes_effect_with_the_next_call(emulator: Emulator) -> None:
    chat = ChatPollinations(**emulator.connection(), default_headers={"x-one": "1"})
    chat.invoke("Hi")
    assert isinstance(chat.default_headers, dict)
    chat.default_headers["x-one"] = "2"
    chat.invoke("Hi")
    chat.default_headers = {"x-two": "3"}
    chat.invoke("Hi")
    chat.model_copy(update={"default_headers": {"x-two": "4"}}).invoke("Hi")
    sent = [(each.headers.get("x-one"), each.headers.get("x-two")) for each in emulator.requests]
    assert sent == [("1", None), ("2", None), (None, "3"), (None, "4")]


async def test_a_call_waits_for_any_free_connection(emulator: Emulator) -> None:
    """150 calls at once, with a limit for the wait that all of them keep."""
    chat = ChatPollinations(**emulator.connection(), timeout=(5, 30, 30, 20))
    answers = await asyncio.gather(*(chat.ainvoke(f"Say {number}") for number in range(150)))
    assert len(answers) == 150


def test_an_error_is_freed_without_a_garbage_collection() -> None:
    class Marker(str):
        pass

    def fail() -> None:
        marker = Marker("Hi")
        with pytest.raises(errors.APIConnectionError):
            ChatPollinations(api_key=KEY, base_url="http://127.0.0.1:9", max_retries=0).invoke(marker)

    fail()
    gc.collect()
    gc.disable()
    try:
        fail()
        assert not [each for each in gc.get_objects() if isinstance(each, errors.APIConnectionError)]
    finally:
        gc.enable()


ORIGINS = (
    "http://localhost:8000",
    "http://127.0.0.1:54321",
    "https://gen.example.org",
    "http://a-b.c:9999",
    "https://x",
    "http://127.0.0.1:59999",
)


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_plain_origin_is_what_parsing_it_returns(origin: str) -> None:
    assert plain_host(origin) == urlsplit(origin).hostname
    assert write_address(parse_address(origin, "base_url", "")) == origin


@pytest.mark.parametrize(
    "origin",
    [
        *("http://x:80", "https://x:443", "http://X", "HTTP://x", "http://x/", "http://x/v1", "http://x:0", "ftp://x"),
        *(
            "http://x:65536",
            "http://127.0.0.1.1",
            "http://1.2.3",
            "http://u@x",
            "http://x?k=1",
            "http://x#f",
            "http://[::1]",
        ),
        *("http://x\n", " http://x", "http://ü.org", "http://"),
    ],
)
def test_other_origins_are_parsed(origin: str) -> None:
    assert plain_host(origin) is None
