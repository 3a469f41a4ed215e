"""Clients of httpx2 in the place of httpx's: the same requests, streams, time limits, hooks, redirects and errors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from langchain_pollinations import errors
from langchain_pollinations._config.service import ServiceConfig
from langchain_pollinations._transport.request import ApiRequest
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.images import PollinationsImage
from tests.helpers.ask import Ask
from tests.test_configuration import LISTS, USES
from tests.transport.test_client import WHO_ASKS, redirect, secretive  # noqa: F401  # redirect is a fixture

httpx2 = pytest.importorskip("httpx2")

MODULES = {"httpx": httpx, "httpx2": httpx2}


@contextlib.contextmanager
def clients(module: Any, **options: Any) -> Iterator[dict[str, Any]]:
    """Both clients of a module, as fields of a wrapper. The async one keeps no connection beyond its event loop."""
    hooks = options.pop("hooks", {})
    asynchronous = {name: [_as_async(hook) for hook in those] for name, those in hooks.items()}
    limits = module.Limits(max_keepalive_connections=0)
    with module.Client(event_hooks=hooks, **options) as client:
        yield {
            "http_client": client,
            "http_async_client": module.AsyncClient(event_hooks=asynchronous, limits=limits, **options),
        }


def _as_async(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    async def run(given: Any) -> None:
        hook(given)

    return run


@pytest.fixture(params=MODULES)
def module(request: pytest.FixtureRequest) -> Any:
    return MODULES[request.param]


@pytest.mark.parametrize("name", {**USES, **LISTS})
def test_every_wrapper_sends_the_same_by_both(emulator: Emulator, name: str) -> None:
    """Path, body and headers, and the results where they do not tell the time."""
    seen = []
    for each in MODULES.values():
        emulator.requests.clear()
        with clients(each, headers={"X-Mine": "1"}, cookies={"session": "2"}, params={"a": "b"}) as own:
            {**USES, **LISTS}[name]({**emulator.connection(), **own}, extra_headers={"X-Call": "3"})
        seen.append([_facts(request) for request in emulator.requests])
    assert seen[0] == seen[1]
    assert seen[1][0][-1] == ("1", "session=2", "3")


def _facts(request: Any) -> tuple[Any, ...]:
    headers = {name: value for name, value in request.headers.items() if name not in ("accept-encoding", "user-agent")}
    own = tuple(request.headers.get(name) for name in ("x-mine", "cookie", "x-call"))
    return request.method, request.raw_path, request.query, request.body, headers, own


def test_a_stream_comes_event_by_event(emulator: Emulator, module: Any) -> None:
    emulator.reply("one two three four")
    with clients(module) as own:
        chat = ChatPollinations(**emulator.connection(), **own)
        assert len(list(chat.stream("Hi"))) > 3


async def test_a_connection_is_used_again(emulator: Emulator, module: Any) -> None:
    """Streams are drained, responses are closed."""
    ports: list[int] = []

    def note(response: Any) -> None:
        ports.append(response.extensions["network_stream"].get_extra_info("client_addr")[1])

    with module.Client(event_hooks={"response": [note]}) as client:
        chat = ChatPollinations(**emulator.connection(), http_client=client)
        for _ in range(3):
            chat.invoke("Hi")
            list(chat.stream("Hi"))
    assert (len(ports), len(set(ports))) == (6, 1)
    async with module.AsyncClient(event_hooks={"response": [_as_async(note)]}) as async_client:
        chat = ChatPollinations(**emulator.connection(), http_async_client=async_client)
        for _ in range(3):
            await chat.ainvoke("Hi")
            _ = [chunk async for chunk in chat.astream("Hi")]
    assert (len(ports), len(set(ports))) == (12, 2)


def test_a_header_that_cannot_be_sent_is_named(emulator: Emulator, ask: Ask, module: Any) -> None:
    with clients(module, headers={"X-Mine": "sk_hidden\n"}) as own:
        with pytest.raises(errors.InvalidRequestError, match="has a header that cannot be sent"):
            ask(ChatPollinations(**emulator.connection(), **own), "Hi")


@pytest.mark.parametrize("way", ["send", "asend"])
def test_another_origin_learns_no_header(emulator: Emulator, redirect: str, module: Any, way: str) -> None:  # noqa: F811
    emulator.reply(body={"number": 7}, on="/image/0")
    hooks = {"request": [lambda request: request.headers.update({"x-signed": "secret"})]}
    options: dict[str, Any] = {"headers": {"x-mine": "1"}, "cookies": {"a": "b"}, "auth": ("me", "secret")}
    with clients(module, hooks=hooks, follow_redirects=True, **options) as own:
        client = ServiceConfig(**{**secretive(emulator), **own, "base_url": redirect})._client
        call = ApiRequest[Any]("GET", "/image/0", lambda response: response.json()["number"])
        assert (client.send(call) if way == "send" else asyncio.run(client.asend(call))) == 7
    assert emulator.requests[-1].headers.keys() <= WHO_ASKS
    assert emulator.requests[-1].headers["host"] == emulator.url.removeprefix("http://")


@pytest.mark.parametrize("way", ["send", "asend"])
def test_a_redirect_of_the_same_origin_is_followed(emulator: Emulator, module: Any, way: str) -> None:
    emulator.fail(302, headers={"location": "/image/1"}, on="/image/0")
    emulator.reply(body={"number": 7}, on="/image/1")
    with clients(module) as own:
        client = ServiceConfig(**secretive(emulator), **own)._client
        call = ApiRequest[Any]("GET", "/image/0", lambda response: response.json()["number"])
        assert (client.send(call) if way == "send" else asyncio.run(client.asend(call))) == 7
    assert [request.headers["x-api-key"] for request in emulator.requests] == ["secret"] * 2


@pytest.mark.parametrize("path", ["a cat", 'say "hi" 100%', "ü/ö?", "a+b&c=d #1", "%2F"])
def test_a_prompt_arrives_as_it_was_given(emulator: Emulator, path: str) -> None:
    with clients(httpx2) as own:
        assert PollinationsImage(**emulator.connection(), **own).generate(path).prompt == path
    with clients(httpx) as own:
        PollinationsImage(**emulator.connection(), **own).generate(path)
    first, second = emulator.requests
    assert (first.raw_path, first.body) == (second.raw_path, second.body)


def test_a_hook_may_read_a_compressed_response(emulator: Emulator, module: Any) -> None:
    """After that its body is there already, and decoded."""
    import gzip

    body = gzip.compress(b'{"number": 7}')
    emulator.reply(body=body, headers={"content-encoding": "gzip", "content-type": "application/json"}, on="/image/0")
    call = ApiRequest[Any]("GET", "/image/0", lambda response: response.json()["number"])
    with clients(module, hooks={"response": [lambda response: response.read()]}) as own:
        own.pop("http_async_client")
        assert ServiceConfig(**emulator.connection(), **own)._client.send(call) == 7


@pytest.mark.parametrize("reads", [False, True])
def test_a_hook_may_call_raise_for_status(emulator: Emulator, module: Any, ask: Ask, reads: bool) -> None:
    """The example of hooks in httpx's own documentation. The errors are those of a client without the hook."""

    def check(response: Any) -> None:
        if reads and isinstance(response.stream, module.SyncByteStream):
            response.read()
        response.raise_for_status()

    with clients(module, hooks={"response": [check]}) as own:
        chat = ChatPollinations(**emulator.connection(), **own, max_retries=1)
        emulator.fail(429, headers={"retry-after": "0"})
        assert ask(chat, "Hi").text
        emulator.fail(402)
        with pytest.raises(errors.PaymentRequiredError) as caught:
            ask(chat, "Hi")
    assert caught.value.status_code == 402
    assert "sk_emulator" not in repr(vars(caught.value))


def test_an_error_of_another_request_in_a_hook_is_not_that_of_the_call(emulator: Emulator, module: Any) -> None:
    with module.Client() as other:
        hook = lambda _: other.get(f"{emulator.url}/nothing").raise_for_status()  # noqa: E731
        with clients(module, hooks={"request": [hook]}) as own:
            own.pop("http_async_client")
            with pytest.raises((errors.InvalidResponseError, module.HTTPStatusError)):
                ChatPollinations(**emulator.connection(), **own).invoke("Hi")


def test_a_video_is_saved_piece_by_piece(emulator: Emulator, module: Any, tmp_path: Path) -> None:
    from langchain_pollinations.video import PollinationsVideo

    told: list[int] = []
    with clients(module) as own:
        camera = PollinationsVideo(**emulator.connection(), **own, progress=lambda step: told.append(step.received))
        film = camera.generate("waves", path=tmp_path / "waves.mp4", duration=4)
    assert film.path is not None
    assert film.path.stat().st_size == max(told)


async def test_a_class_derived_from_a_client_is_taken(emulator: Emulator) -> None:
    openai = pytest.importorskip("openai")
    with openai.DefaultHttpxClient() as client:
        assert ChatPollinations(**emulator.connection(), http_client=client).invoke("Hi").text
    async with openai.DefaultAsyncHttpxClient() as async_client:
        assert (await ChatPollinations(**emulator.connection(), http_async_client=async_client).ainvoke("Hi")).text


def test_its_time_limits_and_headers_are_taken(emulator: Emulator) -> None:
    chat = ChatPollinations(timeout=httpx2.Timeout(5, read=7), default_headers=httpx2.Headers({"X-Team": "blue"}))
    assert (chat.timeout, chat.default_headers) == ((5, 7, 5, 5), {"x-team": "blue"})


def test_a_closed_client_is_named(emulator: Emulator, module: Any, ask: Ask) -> None:
    with clients(module) as own:
        pass
    asyncio.run(own["http_async_client"].aclose())
    with pytest.raises(errors.InvalidRequestError, match=r"http_(async_)?client: this client is closed") as caught:
        ask(ChatPollinations(**emulator.connection(), **own), "Hi")
    assert not caught.value.was_sent


@pytest.mark.parametrize("field", ["http_client", "http_async_client"])
def test_what_is_no_client_is_refused_at_construction(module: Any, field: str) -> None:
    swapped = module.AsyncClient if field == "http_client" else module.Client
    for wrong in ("a client", swapped, swapped()):
        with pytest.raises(ValueError, match=f"{field}: takes an httpx.*or httpx2"):
            ChatPollinations(api_key="sk_x", **{field: wrong})


def test_the_legacy_hosts_learn_nothing_of_a_client(emulator: Emulator, ask: Ask, module: Any) -> None:
    secret: dict[str, Any] = {"headers": {"x-mine": "1"}, "cookies": {"a": "b"}, "auth": ("me", "secret")}
    hooks = {"request": [lambda request: request.headers.update({"x-signed": "secret"})]}
    hosts = {**emulator.legacy.connection(), "legacy_interval": 0}
    with clients(module, hooks=hooks, **secret) as own:
        assert ask(ChatPollinations(**hosts, **own), "Hi", extra_headers={"x-call": "1"}).text
    assert not emulator.legacy.requests[-1].headers.keys() - WHO_ASKS - {"content-type", "content-length"}
