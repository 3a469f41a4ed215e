"""A service that is broken or hostile on the wire: over each client the right answer or the right error."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import logging
import socket
import socketserver
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from langchain_pollinations import errors
from langchain_pollinations.audio import PollinationsSpeech
from langchain_pollinations.catalog import list_models
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.transcription import PollinationsTranscriber
from langchain_pollinations.video import PollinationsVideo
from tests.helpers.ask import TWO_FORMS, WAYS, Ask
from tests.helpers.servers import serve

KEY = "sk_test_0123456789"
CLIENTS = ("httpx", "httpx2", "aiohttp")
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
END = {"choices": [{"delta": {}, "finish_reason": "stop"}]}

Script = Callable[[socket.socket, int], object]


def answer(body: bytes | str, kind: str = "application/json", status: str = "200 OK", *headers: str) -> bytes:
    data = body if isinstance(body, bytes) else body.encode()
    head = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(data)}", *headers]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + data


def completion(text: str, **message: Any) -> str:
    said = {"role": "assistant", "content": text, **message}
    return json.dumps({"choices": [{"message": said, "finish_reason": "stop"}], "usage": USAGE})


def delta(text: str) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}}]}


def sse(*events: Any, done: bool = True) -> bytes:
    written = [each if isinstance(each, str) else json.dumps(each) for each in events]
    return "".join(f"data: {each}\n\n" for each in [*written, *(["[DONE]"] if done else [])]).encode()


def stream(*events: Any, done: bool = True) -> bytes:
    return answer(sse(*events, done=done), "text/event-stream")


def read_request(link: socket.socket) -> bytes:
    """The head of the next request; nothing where the client has gone."""
    head = b""
    with contextlib.suppress(OSError):
        while b"\r\n\r\n" not in head:
            if not (piece := link.recv(65_536)):
                return b""
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        lines = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        left = (int(lines[0].partition(b":")[2]) if lines else 0) - len(body)
        while left > 0:
            left -= len(link.recv(65_536)) or left
    return head


@contextlib.contextmanager
def service(script: Script) -> Iterator[tuple[str, list[bytes]]]:
    """The address of a server that runs a script for each request of a connection, and the heads of its requests. The
    connection stays open where the script returns None."""
    heads: list[bytes] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                while head := read_request(self.request):
                    heads.append(head)
                    if script(self.request, len(heads)) is not None:
                        return

    with serve(Handler) as url:
        yield url, heads


def always(response: bytes) -> Script:
    return lambda link, number: link.sendall(response)


@pytest.fixture(params=TWO_FORMS)
def ask(request: pytest.FixtureRequest) -> Ask:
    """By two methods, since the three clients are asked by each."""
    return WAYS[request.param]


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """The fields of a wrapper that sends by one of the clients."""
    if request.param == "aiohttp":
        pytest.importorskip("httpx_aiohttp")
        yield {"async_transport": "aiohttp"}
        return
    module = pytest.importorskip(request.param)
    limits = module.Limits(max_keepalive_connections=0)  # each `ask` has an event loop of its own
    with module.Client() as own:
        yield {"http_client": own, "http_async_client": module.AsyncClient(limits=limits)}


def model(url: str, **fields: Any) -> ChatPollinations:
    return ChatPollinations(**{"base_url": url, "api_key": KEY, "max_retries": 0, **fields})


# --- Whose bytes are whose answer -------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("kind", ["whole", "stream", "error"])
def test_surplus_bytes_are_no_answer(client: dict[str, Any], late: bool, kind: str) -> None:
    first = {
        "whole": answer(completion("first")),
        "stream": stream(delta("first"), END),
        "error": answer('{"error": "no"}', status="400 Bad Request"),
    }

    def script(link: socket.socket, number: int) -> None:
        link.sendall(first[kind] if number == 1 else answer(completion("right")))
        time.sleep(0.05 if late else 0)
        if number == 1:
            link.sendall(answer(completion("surplus")))
            sent.set()

    sent = threading.Event()

    async def talk() -> list[str]:
        texts = []
        async with contextlib.AsyncExitStack() as stack:
            if "http_async_client" in client:
                chat.http_async_client = await stack.enter_async_context(type(client["http_async_client"])())
            for _ in range(2):
                with contextlib.suppress(errors.InvalidRequestError):
                    texts.append((await chat.ainvoke("Hi")).text)
                await asyncio.to_thread(sent.wait, 5)
                await asyncio.sleep(0.1)
        return texts

    with service(script) as (url, heads):
        chat = model(url, **client, streaming=kind == "stream")
        expected = ["right"] if kind == "error" else ["first", "right"]
        assert asyncio.run(talk()) == expected
        assert len(heads) == 2
        if "http_client" in client and kind == "whole":
            heads.clear()
            sync = [chat.invoke("Hi").text]
            time.sleep(0.1)
            assert [*sync, chat.invoke("Hi").text] == expected


def test_a_request_is_sent_once(client: dict[str, Any]) -> None:
    with service(lambda link, number: True) as (url, heads):
        image = PollinationsImage(base_url=url, api_key=KEY, max_retries=0, **client)
        with pytest.raises(errors.APIConnectionError):
            asyncio.run(image.agenerate("x"))
    assert len(heads) == 1


CUT = {
    "usage first": [{"choices": [], "usage": USAGE}, delta("half of an ans")],
    "usage between": [delta("half "), {"choices": [], "usage": USAGE}, delta("of an ans")],
}


@pytest.mark.parametrize("events", CUT.values(), ids=CUT)
def test_a_stream_without_its_end_is_cut_whenever_its_usage_came(ask: Ask, events: list[Any]) -> None:
    with service(always(stream(*events, done=False))) as (url, _), pytest.raises(errors.IncompleteStreamError):
        ask(model(url, streaming=True), "Hi")


def test_a_mark_of_utf8_in_pieces_costs_no_event(ask: Ask, client: dict[str, Any]) -> None:
    def script(link: socket.socket, number: int) -> None:
        events = b"\xef\xbb\xbf" + sse(delta("first "), delta("second"), END)
        link.sendall(answer(events, "text/event-stream")[: -len(events) + 1])
        time.sleep(0.05)
        link.sendall(events[1:])

    with service(script) as (url, _):
        assert ask(model(url, **client, streaming=True), "Hi").text == "first second"


def gzipped(*parts: bytes, kind: str = "application/json") -> bytes:
    return answer(b"".join(map(gzip.compress, parts)), kind, "200 OK", "content-encoding: gzip")


def test_every_member_of_a_gzip_body_is_read(ask: Ask, client: dict[str, Any]) -> None:
    whole = completion("do not press").encode()
    with service(always(gzipped(whole[:50], whole[50:]))) as (url, _):
        assert ask(model(url, **client), "Hi").text == "do not press"
    events = [gzip.compress(sse(each, done=False)) for each in (delta("do "), delta("not"), END, "[DONE]")]
    body = answer(b"".join(events), "text/event-stream", "200 OK", "content-encoding: gzip")
    with service(always(body)) as (url, _):
        assert ask(model(url, **client, streaming=True), "Hi").text == "do not"


def test_bytes_after_the_end_of_an_encoding_are_refused(ask: Ask, client: dict[str, Any]) -> None:
    body = gzip.compress(completion("Hi").encode()) + b"x" * 65_536
    with (
        service(always(answer(body, "application/json", "200 OK", "content-encoding: gzip"))) as (url, _),
        pytest.raises(errors.InvalidResponseError, match="after the end of its encoding"),
    ):
        ask(model(url, **client), "Hi")


def test_raw_deflate_is_read_byte_by_byte(ask: Ask) -> None:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = packer.compress(completion("Hello").encode()) + packer.flush()
    whole = answer(body, "application/json", "200 OK", "content-encoding: deflate")

    def script(link: socket.socket, number: int) -> None:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(whole[: -len(body)])
        for place in range(len(body)):
            link.sendall(body[place : place + 1])
            time.sleep(0.001)

    with service(script) as (url, _):
        assert ask(model(url), "Hi").text == "Hello"


# --- Time limits ------------------------------------------------------------------------------------------------------


def _drip(head: bytes, piece: bytes) -> Script:
    def script(link: socket.socket, number: int) -> bool:
        link.sendall(head)
        for _ in range(60):
            link.sendall(piece)
            time.sleep(0.05)
        return True

    return script


PACKED = zlib.compressobj(wbits=31)
DRIPS = {
    "nothing out of a gzip stream": _drip(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n\r\n"
        + PACKED.compress(b": comment\n\n") + PACKED.flush(zlib.Z_SYNC_FLUSH),
        b"\0\0\0\xff\xff",
    ),
    "a body that is no event stream": _drip(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", b" "),
}  # fmt: skip


@pytest.mark.parametrize("way", ["stream", "astream"])
@pytest.mark.parametrize("script", DRIPS.values(), ids=DRIPS)
def test_a_stream_without_an_event_ends_in_time(client: dict[str, Any], script: Script, way: str) -> None:
    with service(script) as (url, _), pytest.raises(errors.StreamTimeoutError):
        WAYS[way](model(url, **client, stream_chunk_timeout=0.3), "Hi")


ENDLESS = {
    "informational responses": _drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "digits of a chunk": _drip(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"0"),
    "trailers": _drip(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"x"),
}


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
@pytest.mark.parametrize("script", ENDLESS.values(), ids=ENDLESS)
def test_the_total_time_bounds_every_part_of_a_response(client: dict[str, Any], script: Script, way: str) -> None:
    with service(script) as (url, _), pytest.raises(errors.RequestTimeoutError, match="total_timeout"):
        WAYS[way](model(url, **client, total_timeout=0.3), "Hi")


# --- Errors -----------------------------------------------------------------------------------------------------------

DEEP = "[" * 100_000
NEARLY = "[" * 985 + "]" * 985


def moved(location: str) -> bytes:
    return answer(b"", "text/plain", "302 Found", f"location: {location}")


PLACES = [
    *("http://xn--/", "http://a..b/", f"http://{'a' * 300}/", "http://./"),
    *("http://[::1]:99999/", "http://127.0.0.1:99999/", "http://u:p@127.0.0.1:9/"),
]

ODD_CHATS = {
    "an error event of deep JSON": answer(f"event: error\ndata: {DEEP}\n\n", "text/event-stream"),
    "deep JSON after the end": stream(delta("Hi"), END, "[DONE]", DEEP, done=False),
    "JSON at the limit of recursion": answer('{"choices": [{"message": {"content": "Hi", "x": ' + NEARLY + "}}]}"),
    "an event at the limit of recursion": stream(
        '{"choices": [{"delta": {"content": "Hi"}, "x": ' + NEARLY + "}]}", END
    ),
    "a charset of many digits": answer(completion("Hi"), "application/json; charset*" + "9" * 5000 + "=x"),
    "an odd reason": answer(completion("Hi"), "application/json", "200 \xff\xfe"),
    "moved to an odd place": moved(PLACES[0]),
}


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("response", ODD_CHATS.values(), ids=ODD_CHATS)
def test_an_odd_response_to_a_chat_is_an_answer_or_an_error(client: dict[str, Any], ask: Ask, response: bytes) -> None:
    with service(always(response)) as (url, _), contextlib.suppress(errors.PollinationsError):
        assert "Hi" in ask(model(url, **client, timeout=5), "Hi").text


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", ["redirect", "address in JSON"])
def test_an_address_of_a_response_that_no_request_can_have_is_an_error(
    client: dict[str, Any], way: str, place: str
) -> None:
    response = moved(place) if way == "redirect" else answer(json.dumps({"data": [{"url": place}]}))
    maker, prompt = (PollinationsImage, "x") if way == "redirect" else (PollinationsVideo, "50% x")
    with service(always(response)) as (url, _):
        wrapper: Any = maker(base_url=url, api_key=KEY, max_retries=0, **client)
        with pytest.raises(errors.PollinationsError):
            asyncio.run(wrapper.agenerate(prompt))
        with pytest.raises(errors.PollinationsError):
            wrapper.generate(prompt)


ODD_WORDS = {
    "usage of a superscript": ("text/plain", ["x-usage-total-tokens: \xb2"]),
    "usage of many digits": ("text/plain", ["x-usage-total-tokens: " + "9" * 5000]),
    "usage of one kind": ("text/plain", ["x-usage-prompt-text-tokens: " + "9" * 5000]),
}


@pytest.mark.parametrize("given", ODD_WORDS.values(), ids=ODD_WORDS)
def test_odd_headers_of_a_plain_text_are_left_out(ask: Ask, given: tuple[str, list[str]]) -> None:
    with service(always(answer("Hi", given[0], "200 OK", *given[1]))) as (url, _):
        assert ask(model(url, route="get"), "Hi").text == "Hi"


@pytest.mark.parametrize("body", ["<html>bad gateway</html>", '{"error": "x"}', ""])
def test_a_body_that_is_no_audio_is_an_error(ask: Ask, body: str) -> None:
    with service(always(answer(body, "audio/mpeg"))) as (url, _), pytest.raises(errors.InvalidResponseError):
        ask(model(url, route="get"), "Hi")


LEGACY = {
    "an error of deep JSON": answer(DEEP, status="400 Bad Request"),
    "details of deep JSON": answer(json.dumps({"error": "x", "details": '{"a":' + DEEP}), status="500 No"),
    "a list of deep JSON": answer(DEEP),
}


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("response", LEGACY.values(), ids=LEGACY)
def test_deep_json_of_the_legacy_hosts_is_an_error(ask: Ask, response: bytes) -> None:
    with service(always(response)) as (url, _):
        hosts: dict[str, Any] = {
            "api": "legacy",
            "legacy_text_url": url,
            "legacy_image_url": url,
            "legacy_interval": 0,
            "max_retries": 0,
        }
        with pytest.raises(errors.PollinationsError):
            ask(ChatPollinations(**hosts), "Hi")
        with pytest.raises(errors.PollinationsError):
            PollinationsImage(**hosts).generate("x")
        with pytest.raises(errors.PollinationsError):
            list_models("text", **hosts)


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
    said = completion("Hi").replace('"role"', f'"reasoning_details": {odd}, "role"')
    with service(always(answer(said))) as (url, heads):
        first = ask(model(url), "Hi")
        assert ask(model(url), [("user", "Hi"), first, ("user", "More")]).text == "Hi"
    assert len(heads) == 2


@pytest.mark.parametrize("status", [400, 402])
def test_an_error_whose_body_is_torn_is_that_error(ask: Ask, client: dict[str, Any], status: int) -> None:
    head = f"HTTP/1.1 {status} No\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n"

    def script(link: socket.socket, number: int) -> bool:
        link.sendall(head.encode() + b'{"error": {"message": "half')
        return True

    with service(script) as (url, heads), pytest.raises(errors.PollinationsError) as caught:
        ask(model(url, **client, max_retries=2), "Hi")
    assert (caught.value.status_code, len(heads)) == (status, 1)


# --- Secrets ----------------------------------------------------------------------------------------------------------

ECHOES = {
    "an error": lambda echo: answer(json.dumps({"error": {"message": echo, "code": echo}}), status="401 No"),
    "an error in a stream": lambda echo: stream({"error": {"message": echo, "code": echo}}),
    "no answer": lambda echo: answer(json.dumps({"detail": echo})),
    "a page": lambda echo: answer(f"<html>{echo}</html>", "text/html"),
    "a request id": lambda echo: answer("{}", "application/json", "400 No", f"x-request-id: {echo}"),
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_a_key_that_the_service_repeats_is_in_no_error(
    ask: Ask, client: dict[str, Any], echo: Callable[[str], bytes]
) -> None:
    with service(always(echo(f"Authorization: Bearer {KEY}"))) as (url, _):
        with pytest.raises(errors.PollinationsError) as caught:
            ask(model(url, **client), "Hi")
    error: Any = caught.value
    assert KEY not in repr((str(error), error, error.args, vars(error)))
    assert KEY not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    "responder",
    [lambda link, number: True, always(ECHOES["an error"](f"Authorization: Bearer {KEY}"))],
    ids=["lost connection", "error with the key"],
)
def test_an_exception_that_the_caller_is_handling_is_not_changed(
    ask: Ask, client: dict[str, Any], responder: Any
) -> None:
    """For example that of another provider, in a program that then asks this service."""
    with service(responder) as (url, _):
        try:
            httpx.post(url, headers={"x-own": "1"}, trust_env=False).raise_for_status()
        except httpx.HTTPError as error:
            own = error
            before = traceback.format_exception(own)
            with pytest.raises(errors.PollinationsError):
                ask(model(url, **client), "Hi")
    assert traceback.format_exception(own) == before
    assert own.request.headers["x-own"] == "1"


def test_no_frame_of_a_failed_request_holds_the_key(client: dict[str, Any]) -> None:
    with service(lambda link, number: True) as (url, _), pytest.raises(errors.APIConnectionError) as caught:
        asyncio.run(model(url, **client).ainvoke("Hi"))
    error: BaseException | None = caught.value
    while error is not None:
        frame = error.__traceback__
        while frame is not None:
            name = frame.tb_frame.f_globals.get("__name__", "")
            if name.startswith(("aiohttp", "httpx", "httpcore")):
                assert KEY not in repr(frame.tb_frame.f_locals)
            frame = frame.tb_next
        error = error.__cause__ or error.__context__


def test_no_line_of_the_log_is_the_services(caplog: pytest.LogCaptureFixture, ask: Ask) -> None:
    caplog.set_level(logging.INFO, "langchain_pollinations")
    body = json.dumps({"error": {"message": "x", "requestId": "a\nWARNING:root:forged \x1b[31m"}})
    with service(always(answer(body, "application/json", "503 No", "retry-after: 0"))) as (url, _):
        with pytest.raises(errors.ServiceUnavailableError):
            ask(model(url, max_retries=1), "Hi")
    (record,) = caplog.records
    assert record.getMessage().isprintable()


@pytest.mark.parametrize("link", ["file:///etc/passwd", "javascript:alert(1)", "https://media.pollinations.ai/a"])
def test_a_link_of_a_chat_is_an_address_of_the_web(ask: Ask, link: str) -> None:
    body = answer(completion(f"![it]({link})"), "application/json", "200 OK", f'link: <{link}>; rel="enclosure"')
    with service(always(body)) as (url, _):
        blocks = ask(model(url, model="kontext"), "Hi").content_blocks
    assert any(block.get("url") == link for block in blocks) is link.startswith("https:")


def test_the_words_of_an_error_event_are_in_the_error(ask: Ask) -> None:
    for event in ("event: Error\ndata: it broke", "event: error\ndata:", 'data: {"errors": ["it broke"]}',
                  'data: {"code": 500, "message": "it broke"}', 'data: {"detail": "it broke"}'):  # fmt: skip
        with service(always(answer(f"{event}\n\n", "text/event-stream"))) as (url, _):
            with pytest.raises(errors.ServiceError, match="it broke" if "broke" in event else "error"):
                ask(model(url, streaming=True), "Hi")


def test_a_status_event_before_an_answer_is_no_error(ask: Ask) -> None:
    with service(always(stream({"status": "processing", "message": "queued"}, delta("Hi"), END))) as (url, _):
        assert ask(model(url, streaming=True), "Hi").text == "Hi"


def test_the_deadline_of_a_stream_ends_no_other_call() -> None:
    """The connection of a body that has been read belongs to the next call."""

    def script(link: socket.socket, number: int) -> None:
        time.sleep(0 if number == 1 else 0.6)
        link.sendall(answer(completion("Hi")))

    with service(script) as (url, heads):
        first = model(url, total_timeout=0.4)
        second = first.model_copy(update={"total_timeout": None})
        for chunk in first.stream("x"):
            if chunk.content:
                assert second.invoke("y").text == "Hi"
    assert len(heads) == 2


def test_the_error_of_a_callers_hook_is_the_callers(client: dict[str, Any]) -> None:
    if "http_client" not in client:
        pytest.skip("aiohttp has no hooks")

    def fail(request: Any) -> None:
        "\xfc".encode("ascii")

    client["http_client"].event_hooks = {"request": [fail]}
    with pytest.raises(UnicodeEncodeError):
        model("http://127.0.0.1:9", **client).invoke("Hi")


def test_a_short_key_is_a_part_of_other_words(ask: Ask) -> None:
    body = json.dumps({"error": {"message": "model x-large was not found", "code": "model_not_found"}})
    with service(always(answer(body, status="404 Not Found"))) as (url, _):
        with pytest.raises(errors.NotFoundError, match="x-large"):
            ask(model(url, api_key="x"), "Hi")


def test_trickling_headers_take_no_connection_of_the_pool() -> None:
    def script(link: socket.socket, number: int) -> None:
        if number <= 3:
            _drip(b"HTTP/1.1 200 OK\r\nx: ", b"a")(link, number)
        else:
            link.sendall(answer(completion("Hi")))

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


@pytest.mark.parametrize("home", ["http://gateway", "http://gw.corp"])
def test_an_internal_service_may_lead_to_an_internal_host(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    """Through a proxy, which alone knows the names."""

    def script(link: socket.socket, number: int) -> None:
        link.sendall(moved("http://files.corp/x") if number == 1 else answer(b"\xff\xd8\xff\xda\xff\xd9", "image/jpeg"))

    with service(script) as (proxy, heads):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        made = PollinationsImage(base_url=home, api_key=KEY, max_retries=0).generate("x")
    assert made.mime_type == "image/jpeg"
    assert len(heads) == 2
