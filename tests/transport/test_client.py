"""The transport at the wire: retries, time limits, lost connections, event loops, keys."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import copy
import gc
import http.server
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import LLMResult

from langchain_pollinations import errors
from langchain_pollinations._config.service import ServiceConfig
from langchain_pollinations._legacy.rate_limiter import RequestQueue, Slot
from langchain_pollinations._transport.client import Client
from langchain_pollinations._transport.concurrency import run_all
from langchain_pollinations._transport.origins import is_cross_origin
from langchain_pollinations._transport.pool import MAX_CANCELLED
from langchain_pollinations._transport.request import ApiRequest, multipart
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.tools.images import PollinationsImageTool
from langchain_pollinations.video import PollinationsVideo
from tests.helpers.ask import WAYS, Ask
from tests.helpers.servers import serve

AT_ONCE = {"retry-after": "0"}


@pytest.fixture(params=["httpx", "aiohttp"])
def chat(request: pytest.FixtureRequest, emulator: Emulator) -> ChatPollinations:
    """Faults must come out the same whatever carries the async calls."""
    return ChatPollinations(**emulator.connection(), async_transport=request.param)


# --- Retries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["send", "asend"])
def test_a_repeat_that_would_wait_too_long_in_a_line_is_left_out(emulator: Emulator, way: str) -> None:
    emulator.fail(503, headers=AT_ONCE)
    client, [call] = ServiceConfig(**emulator.connection())._client, numbered(1)
    patient = replace(call, limiter=Slot(600, 5, False, RequestQueue()))
    with pytest.raises(errors.ServiceUnavailableError):
        client.send(patient) if way == "send" else asyncio.run(client.asend(patient))
    assert len(emulator.requests) == 1


def test_a_repeat_that_need_not_wait_long_in_a_line_is_made(emulator: Emulator) -> None:
    emulator.fail(503, headers=AT_ONCE)
    emulator.reply(body={"number": 7}, on="/image/0")
    [call] = numbered(1)
    impatient = replace(call, limiter=Slot(0.01, 5, False, RequestQueue()))
    assert ServiceConfig(**emulator.connection())._client.send(impatient) == 7


def test_no_retries_means_one_attempt(chat: ChatPollinations, emulator: Emulator, ask: Ask) -> None:
    emulator.fail(500, headers=AT_ONCE)
    with pytest.raises(errors.InternalServerError):
        ask(chat.model_copy(update={"max_retries": 0}), "Hello")
    assert len(emulator.requests) == 1


@pytest.mark.parametrize("ask", ["invoke", "astream"], indirect=True)
def test_the_delay_doubles_with_each_retry(
    chat: ChatPollinations, emulator: Emulator, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langchain_pollinations._transport.retry.INITIAL_RETRY_DELAY", 0.1)
    emulator.fail(503, times=3)
    assert ask(chat.model_copy(update={"max_retries": 3}), "Hello").text
    times = [request.at for request in emulator.requests]
    delays = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
    assert [delay >= 0.075 * 2**number for number, delay in enumerate(delays)] == [True] * 3  # with 25% of jitter


@pytest.mark.parametrize("ask", ["invoke", "astream"], indirect=True)
def test_retry_after_is_waited_for(chat: ChatPollinations, emulator: Emulator, ask: Ask) -> None:
    emulator.fail(429, headers={"retry-after": "1"})
    start = time.monotonic()
    assert ask(chat, "Hello").text
    assert time.monotonic() - start >= 1


# --- Streams ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        ({}, 120.0),
        ({"timeout": 7}, 7.0),
        ({"timeout": (1, 8, 2, 3)}, 8.0),
        ({"timeout": None}, 120.0),
        ({"timeout": 7, "stream_chunk_timeout": 30}, 30.0),
        ({"timeout": 7, "stream_chunk_timeout": None}, None),
        ({"stream_chunk_timeout": 0}, None),
    ],
)
def test_the_silence_of_a_stream_is_bounded_by_the_shorter_limit(given: dict[str, Any], limit: float | None) -> None:
    assert ChatPollinations(api_key="sk_x", **given)._client.stream_chunk_timeout == limit


def test_each_retry_is_one_line_of_the_log(emulator: Emulator, ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    emulator.fail(503, message="secret words", times=2, headers={"retry-after": "0"})
    with caplog.at_level("INFO", "langchain_pollinations"):
        assert ask(ChatPollinations(**emulator.connection()), "a secret prompt").text
    first, second = (record.getMessage() for record in caplog.records if record.name == "langchain_pollinations")
    assert first.startswith("Retry 1 of 2 in 0.0 s: ServiceUnavailableError from http://127.0.0.1")
    assert "status 503, request id emulated-" in second
    assert not any(word in caplog.text for word in ("secret", "sk_emulator"))


def test_a_slow_consumer_is_no_stalled_stream(chat: ChatPollinations, emulator: Emulator) -> None:
    emulator.reply("A rather long answer that comes in several pieces, one after another.")
    text = ""
    for chunk in chat.model_copy(update={"stream_chunk_timeout": 0.4}).stream("Hello"):
        text += chunk.text
        time.sleep(0.15)
    assert text.endswith("one after another.")


def test_a_caller_who_stops_early_closes_the_connection(chat: ChatPollinations, emulator: Emulator) -> None:
    emulator.reply("A rather long answer that comes in several pieces, one after another.")
    stream = chat.stream("Hello")
    next(stream)
    stream.close()

    async def stop_early() -> None:
        emulator.reply("A rather long answer that comes in several pieces, one after another.")
        async for _ in chat.astream("Hello"):
            break
        assert (await chat.ainvoke("Still there?")).text

    asyncio.run(stop_early())


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_finished_stream_gives_its_connection_back(emulator: Emulator, way: str) -> None:
    chat = ChatPollinations(**emulator.connection())
    opened: list[int] = []

    def ports() -> None:
        opened.extend(request.client[1] for request in emulator.requests)

    if way == "stream":
        for _ in range(3):
            WAYS[way](chat, "Hello")
    else:

        async def thrice() -> None:
            for _ in range(3):
                async for _ in chat.astream("Hello"):
                    pass

        asyncio.run(thrice())
    ports()
    assert len(set(opened)) == 1


# --- Event loops, threads, copies -------------------------------------------------------------------------------------


def test_a_model_works_in_one_loop_after_another(chat: ChatPollinations) -> None:
    for number in range(40):
        assert asyncio.run(chat.ainvoke(f"Hello {number}")).text
    assert len(chat._pool._async) <= 1


def test_many_calls_at_once(chat: ChatPollinations) -> None:
    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(chat.ainvoke(f"Hello {n}") for n in range(100)))

    assert len(asyncio.run(all_at_once())) == 100
    assert len(chat.batch([f"Hello {n}" for n in range(30)])) == 30


def test_models_pickle_and_copy_after_use(chat: ChatPollinations, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_emulator")
    ask(chat, "Hello")
    for twin in (pickle.loads(pickle.dumps(chat)), copy.deepcopy(chat), copy.copy(chat), chat.model_copy()):
        assert twin == chat
        assert ask(twin, "Hello").text


def test_a_pickle_leaves_the_key_out(chat: ChatPollinations, emulator: Emulator) -> None:

    tool = PollinationsImageTool(**emulator.connection(), models=["flux"])
    for thing in (chat, tool):
        written = pickle.dumps(thing)
        assert b"sk_emulator" not in written
        with pytest.raises(errors.AuthenticationError, match="a pickle holds no key"):
            twin = pickle.loads(written)
            twin.invoke("Hello" if thing is chat else {"prompt": "a cat"})


def test_closed_clients_are_let_go(emulator: Emulator) -> None:
    chat = ChatPollinations(**emulator.connection())
    clients = []
    for _ in range(3):
        with chat:
            chat.invoke("Hello")
            clients.append(weakref.ref(chat._pool.client()))
    gc.collect()
    assert [client for client in clients if client() is not None] == []


def test_no_end_of_an_aiohttp_session_is_noisy(emulator: Emulator) -> None:
    """aiohttp logs an error for each session and connector that is collected before it is closed."""
    code = f"""
import asyncio, gc
from langchain_pollinations import ChatPollinations

def model():
    return ChatPollinations(**{emulator.connection()!r}, async_transport="aiohttp")

def closed_loop(chat):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(chat.ainvoke("Hi"))
    loop.close()
    asyncio.run(chat.ainvoke("Hi"))

async def collected_model():
    await model().ainvoke("Hi")
    gc.collect()
    await asyncio.sleep(0.05)

async def abandoned_stream(chat):
    async for _ in chat.astream("Tell a story"):
        break

closed_loop(model())
asyncio.run(collected_model())
asyncio.run(abandoned_stream(model()))
gc.collect()
loop = asyncio.new_event_loop()  # never closed
loop.run_until_complete(model().ainvoke("Hi"))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")


def test_a_loop_that_is_closed_at_any_step_of_a_call_is_quiet(emulator: Emulator) -> None:
    """Python prints the errors of coroutines that it collects."""
    code = f"""
import asyncio, gc, sys
from langchain_pollinations import ChatPollinations

seen = []
sys.unraisablehook = lambda event: seen.append(repr(event.exc_value))
chat = ChatPollinations(**{emulator.connection()!r}, async_transport="aiohttp")
for steps in range(1, 20):
    loop = asyncio.new_event_loop()
    task = loop.create_task(chat.ainvoke("Hi"))
    task._log_destroy_pending = False
    for _ in range(steps):
        loop.call_soon(loop.stop)
        loop.run_forever()
    loop.close()
    del task
    gc.collect()
assert "RuntimeError('Event loop is closed')" not in seen, seen
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr


def test_threads_may_share_a_new_model() -> None:
    """Each call serializes its model for traces, and the first call stores the result."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            for _ in range(100):
                chat = ChatPollinations(api_key="x")
                assert len({repr(found) for found in threads.map(lambda _: chat._serialized, range(8))}) == 1  # noqa: B023
    finally:
        sys.setswitchinterval(interval)


def test_closing_releases_a_call_whose_loop_was_closed(emulator: Emulator) -> None:
    """With aiohttp only: anyio keeps such a task, whose scope of cancellation refers to it."""
    emulator.reply("too late", delay=30)
    chat = ChatPollinations(**emulator.connection(), async_transport="aiohttp")
    loop = asyncio.new_event_loop()
    task = loop.create_task(chat.ainvoke("Hi"))
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    while not emulator.requests:
        loop.run_until_complete(asyncio.sleep(0.02))
    left = weakref.ref(task)
    loop.close()
    del task
    chat.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the socket, which nothing can close
        gc.collect()
    assert left() is None


def test_closing_leaves_a_model_usable(chat: ChatPollinations) -> None:
    with chat:
        chat.invoke("Hello")
    assert chat.invoke("Hello").text

    async def use() -> None:
        async with chat:
            await chat.ainvoke("Hello")
        assert (await chat.ainvoke("Hello")).text

    asyncio.run(use())


def test_a_forgotten_model_leaves_no_open_socket(emulator: Emulator, recwarn: pytest.WarningsRecorder) -> None:
    ChatPollinations(**emulator.connection()).invoke("Hello")
    asyncio.run(ChatPollinations(**emulator.connection()).ainvoke("Hello"))
    gc.collect()
    assert [warning for warning in recwarn if issubclass(warning.category, ResourceWarning)] == []


def test_your_own_clients_are_used_and_never_closed(emulator: Emulator) -> None:
    with httpx.Client(headers={"x-mine": "sync"}) as mine:
        chat = ChatPollinations(**emulator.connection(), http_client=mine)
        copy.deepcopy(chat).invoke("Hello")
        chat.close()
        assert not mine.is_closed
        assert emulator.requests[-1].headers["x-mine"] == "sync"

    async def use() -> None:
        async with httpx.AsyncClient(headers={"x-mine": "async"}) as mine:
            chat = ChatPollinations(**emulator.connection(), http_async_client=mine)
            await chat.ainvoke("Hello")
            await chat.aclose()
            assert not mine.is_closed
            assert emulator.requests[-1].headers["x-mine"] == "async"

    asyncio.run(use())


# --- Cancelled calls --------------------------------------------------------------------------------------------------

Arrive = Callable[[Client], Any]


async def _asent(client: Client) -> Any:
    return await client.asend(numbered(1)[0])


async def _astreamed(client: Client) -> Any:
    return [number async for number in client.astream(ApiRequest("GET", "/image/0", lambda _: Whole()))][-1]


class Whole:
    """Reads answers that are no streams of events."""

    done, partial = False, None

    def feed(self, data: str) -> list[Any]:
        return []

    end = list

    def whole(self, response: httpx.Response) -> list[int]:
        return [response.json()["number"]]


@pytest.fixture
def lender(emulator: Emulator, chat: ChatPollinations) -> Iterator[Client]:
    emulator.reply(body={"number": 0}, on="/image/0", times=10_000)
    emulator.reply(body={}, on="/image/2", times=MAX_CANCELLED, delay=20)
    yield ServiceConfig(**emulator.connection(), async_transport=chat.async_transport)._client
    # When this is answered, the requests of cancelled calls have come too, and surprise no other test.
    with ServiceConfig(**emulator.connection()) as last:
        last._client.send(numbered(1)[0])


def clients_of(client: Client) -> list[httpx.AsyncClient]:
    return [kept.client for kept in client.pool._async]


async def break_off(calls: list[Any], *, after: int) -> None:
    """Cancel calls when the event loop has gone round some times, and once more while they give way."""
    tasks = [asyncio.create_task(call) for call in calls]
    for _ in range(after):
        await asyncio.sleep(0)
    for _ in range(2):
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)


async def wear_out(client: Client) -> None:
    await break_off([client.asend(numbered(3)[2]) for _ in range(MAX_CANCELLED)], after=10)


@pytest.mark.unused_replies
@pytest.mark.parametrize("arrive", [_asent, _astreamed])
async def test_cancelled_calls_keep_no_connections_from_others(lender: Client, arrive: Arrive) -> None:
    """httpcore has 100 connections to give, and loses one for good at some of these moments."""
    seen: list[httpx.AsyncClient] = []
    for moment in range(16):
        for _ in range(4):
            await break_off([arrive(lender) for _ in range(30)], after=moment)
            seen += [client for client in clients_of(lender) if client not in seen]
    async with asyncio.timeout(20):
        assert await arrive(lender) == 0
    assert [client for client in seen if not client.is_closed] in ([], clients_of(lender))
    await lender.pool.aclose()


@pytest.mark.unused_replies
async def test_a_worn_client_closes_with_its_last_call(lender: Client, emulator: Emulator) -> None:
    emulator.reply(body={"number": 1}, on="/image/1", delay=1)
    slow = asyncio.create_task(lender.asend(numbered(2)[1]))
    while "/image/1" not in {request.path for request in emulator.requests}:
        await asyncio.sleep(0.01)
    (worn,) = clients_of(lender)
    await wear_out(lender)
    assert await _asent(lender) == 0
    assert not worn.is_closed
    assert clients_of(lender)[0] is worn
    assert len(clients_of(lender)) == 2
    assert await slow == 1
    assert worn.is_closed
    assert worn not in clients_of(lender)
    assert await _asent(lender) == 0
    assert len(clients_of(lender)) == 1
    await lender.pool.aclose()
    assert clients_of(lender) == []


@pytest.mark.unused_replies
async def test_a_stream_goes_on_when_its_client_is_worn(
    chat: ChatPollinations, lender: Client, emulator: Emulator
) -> None:
    pieces = [{"choices": [{"delta": {"content": str(n)}}]} for n in range(6)]
    emulator.reply(chunks=[*pieces, "data: [DONE]\n\n"], chunk_delay=0.1)
    sharing = replace(lender, pool=chat._pool)
    async with chat:
        text = ""
        async for chunk in chat.astream("Hello"):
            if not text:
                (worn,) = clients_of(sharing)
                await wear_out(sharing)
            assert not worn.is_closed
            text += chunk.text
        assert text == "012345"
        assert worn.is_closed


@pytest.mark.unused_replies
async def test_closing_takes_worn_clients_along(lender: Client, emulator: Emulator) -> None:
    emulator.reply(body={"number": 1}, on="/image/1", delay=20)
    slow = asyncio.create_task(replace(lender, max_retries=0).asend(numbered(2)[1]))
    while "/image/1" not in {request.path for request in emulator.requests}:
        await asyncio.sleep(0.01)
    (worn,) = clients_of(lender)
    await wear_out(lender)
    await lender.pool.aclose()
    assert worn.is_closed
    slow.cancel()
    with contextlib.suppress(asyncio.CancelledError, errors.APIConnectionError):
        await slow


async def test_silent_streams_wear_a_client_out_as_well(chat: ChatPollinations, emulator: Emulator) -> None:
    emulator.fail("stall", after=1, seconds=20, times=MAX_CANCELLED, on="/v1/chat/completions")
    impatient = chat.model_copy(update={"stream_chunk_timeout": 0.2, "max_retries": 0})

    async def listen() -> None:
        with pytest.raises(errors.StreamTimeoutError):
            async for _ in impatient.astream("Hello"):
                pass

    await asyncio.gather(*(listen() for _ in range(MAX_CANCELLED)))
    assert chat._pool._async == []


async def test_errors_and_callers_who_stop_early_wear_nothing_out(chat: ChatPollinations, emulator: Emulator) -> None:
    emulator.fail(400, times=MAX_CANCELLED)
    async with chat:
        for _ in range(MAX_CANCELLED):
            with pytest.raises(errors.InvalidRequestError):
                await chat.ainvoke("Hello")
        for _ in range(MAX_CANCELLED):
            async with contextlib.aclosing(chat.astream("A rather long answer")) as stream:
                await anext(stream)
        async with asyncio.timeout(10):
            while any(kept.calls for kept in chat._pool._async):
                await asyncio.sleep(0.01)  # LangChain leaves the closing of our stream to the event loop
        assert [(kept.calls, kept.cancelled) for kept in chat._pool._async] == [(0, 0)]


@pytest.mark.unused_replies
async def test_a_client_of_your_own_does_not_wear_out(lender: Client) -> None:
    async with httpx.AsyncClient() as mine:
        await wear_out(replace(lender, custom_async_client=mine))
        assert not mine.is_closed
    assert clients_of(lender) == []


# --- Several calls at once --------------------------------------------------------------------------------------------

Together = Callable[..., list[Any]]


def _send_all(client: Client, calls: list[ApiRequest[Any]], at_once: int) -> list[Any]:
    with client.custom_client or contextlib.nullcontext():
        return client.send_all(calls, at_once)


async def _asend_all(client: Client, calls: list[ApiRequest[Any]], at_once: int) -> list[Any]:
    async with client.custom_async_client or contextlib.nullcontext():
        return await client.asend_all(calls, at_once)


TOGETHER: dict[str, Together] = {"send_all": _send_all, "asend_all": lambda *args: asyncio.run(_asend_all(*args))}


@pytest.fixture(params=TOGETHER)
def together(request: pytest.FixtureRequest, emulator: Emulator) -> Iterator[Together]:
    """`send_all` or `asend_all`.

    After the test, the emulator has read the requests that the calls have cancelled, so that they take no reply of a
    later test.
    """
    yield TOGETHER[request.param]
    httpx.get(f"{emulator.url}/models")


def numbered(count: int) -> list[ApiRequest[Any]]:
    """Calls that are told apart by their path."""
    return [
        ApiRequest("GET", f"/image/{number}", lambda response: response.json()["number"]) for number in range(count)
    ]


class InFlight:
    """How many requests are on their way at a time, seen by clients of the caller's own."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.lock = threading.Lock()

    def go(self, *_: Any) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def come(self, *_: Any) -> None:
        with self.lock:
            self.now -= 1

    async def ago(self, *_: Any) -> None:
        self.go()

    async def acome(self, *_: Any) -> None:
        self.come()

    def clients(self) -> dict[str, Any]:
        return {
            "http_client": httpx.Client(event_hooks={"request": [self.go], "response": [self.come]}),
            "http_async_client": httpx.AsyncClient(event_hooks={"request": [self.ago], "response": [self.acome]}),
        }


@pytest.mark.parametrize(("count", "at_once"), [(0, 4), (1, 4), (6, 1), (6, 3), (6, 100)])
def test_calls_that_travel_together_come_back_in_their_order(
    emulator: Emulator, together: Together, count: int, at_once: int
) -> None:
    for number in range(count):
        emulator.reply(body={"number": number}, on=f"/image/{number}", delay=0.05 if number % 3 else 0.2)
    flight = InFlight()
    client = ServiceConfig(**emulator.connection(), **flight.clients())._client
    assert together(client, numbered(count), at_once) == list(range(count))
    assert flight.most <= min(count, at_once)
    assert (flight.most > 1) == (min(count, at_once) > 1)


@pytest.mark.unused_replies
def test_after_the_first_error_no_call_is_sent_that_waited(emulator: Emulator, together: Together) -> None:
    emulator.fail(400, message="Not this one", on="/image/1")
    for number in (0, 2, 3, 4, 5):
        emulator.reply(body={"number": number}, on=f"/image/{number}", delay=0.5)
    with pytest.raises(errors.InvalidRequestError, match="Not this one") as caught:
        together(ServiceConfig(**emulator.connection())._client, numbered(6), 2)
    assert caught.value.status_code == 400
    assert {request.path for request in emulator.requests} == {"/image/0", "/image/1"}


def test_after_the_first_error_no_call_is_repeated(emulator: Emulator, together: Together) -> None:
    emulator.fail(429, headers={"retry-after": "1"}, on="/image/0")
    emulator.fail(400, message="Not this one", on="/image/1", delay=0.3)
    with pytest.raises(errors.InvalidRequestError, match="Not this one"):
        together(ServiceConfig(**emulator.connection())._client, numbered(2), 2)
    time.sleep(1.5)
    assert len(emulator.requests) == 2


@pytest.mark.unused_replies
def test_an_error_among_several_keeps_its_cause(emulator: Emulator, together: Together) -> None:
    emulator.fail("drop", on="/image/1", times=9)
    for number in (0, 2):
        emulator.reply(body={"number": number}, on=f"/image/{number}")
    with pytest.raises(errors.APIConnectionError) as caught:
        together(ServiceConfig(**emulator.connection(), max_retries=0)._client, numbered(3), 2)
    assert isinstance(caught.value.__cause__, httpx.HTTPError)


def test_a_passing_fault_among_several_is_repeated(emulator: Emulator, together: Together) -> None:
    emulator.fail(429, headers=AT_ONCE, on="/image/1")
    for number in range(3):
        emulator.reply(body={"number": number}, on=f"/image/{number}")
    assert together(ServiceConfig(**emulator.connection())._client, numbered(3), 3) == [0, 1, 2]
    assert len(emulator.requests) == 4


def test_context_variables_are_seen_by_every_call(emulator: Emulator, together: Together) -> None:
    caller = contextvars.ContextVar("caller", default="nobody")
    for number in range(3):
        emulator.reply(body={}, on=f"/image/{number}")
    calls = [ApiRequest("GET", f"/image/{number}", lambda response: caller.get()) for number in range(3)]
    token = caller.set("me")
    try:
        assert together(ServiceConfig(**emulator.connection())._client, calls, 3) == ["me"] * 3
    finally:
        caller.reset(token)


@pytest.fixture
def slow() -> Iterator[Emulator]:
    """An emulator that responds after a minute, and bills no request in a later test."""
    with Emulator(latency=60) as emulator:
        yield emulator


INTERRUPTED = {
    "batch": "ChatPollinations(**service).batch(inputs)",
    "chain": "(RunnablePassthrough() | ChatPollinations(**service)).batch(inputs)",
    "as_completed": "list(ChatPollinations(**service).batch_as_completed(inputs))",
    "images": "PollinationsImage(**service).batch(inputs)",
    "tools": "PollinationsImageTool(**service).batch([{'prompt': each} for each in inputs])",
    "embeddings": "PollinationsEmbeddings(**service, chunk_size=1).embed_documents(inputs)",
}


@pytest.mark.usefixtures("no_collection")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(os.name != "posix", reason="this system has no interval timers")
def test_an_interrupt_at_any_moment_abandons_the_functions_that_have_not_begun() -> None:
    """The first interrupts come while threads are being started."""
    started: list[None] = []

    def work() -> None:
        started.append(None)
        time.sleep(0.002)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    interrupts = 0
    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        for number in range(20):
            started.clear()
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0002 * (number + 1))
                list(run_all([work] * 400, 16))
            except KeyboardInterrupt:
                interrupts += 1
            else:
                continue  # Python ignores an exception in a finalizer
            time.sleep(0.02)  # for the functions that have begun
            count = len(started)
            time.sleep(0.02)
            assert len(started) == count < 400
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert interrupts > 10


@pytest.mark.skipif(os.name != "posix", reason="this system cannot send SIGINT to a process")
def test_ctrl_c_ends_requests_in_threads_at_once(slow: Emulator) -> None:
    """One process does the work of each row, because the imports take longer than the work."""
    code = f"""
import signal, sys, threading
from langchain_core.runnables import RunnablePassthrough
from langchain_pollinations import ChatPollinations, PollinationsEmbeddings, PollinationsImage, PollinationsImageTool
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let processes in the background ignore it
service = {slow.connection()!r}
for line in sys.stdin:
    name, work = line.split(":", 1)
    inputs = [f"{{name}}-{{number}}" for number in range(12)]
    try:
        eval(compile(work, "work", "eval"))  # Python exits with SIGINT after an interrupted eval of a text
    except KeyboardInterrupt:
        for thread in threading.enumerate():
            if thread is not threading.main_thread() and not thread.daemon:
                thread.join()
        print("interrupted", flush=True)
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:  # type: ignore[call-overload]
        for name, work in INTERRUPTED.items():
            process.stdin.write(f"{name}:{work}\n")
            # Requests of the previous row may still arrive.
            while sum(f"{name}-" in f"{asked.path} {asked.body!r}" for asked in list(slow.requests)) < 2:
                assert process.poll() is None, name
                time.sleep(0.01)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n", name
            assert time.monotonic() - began < 30, name  # the responses take 60
        process.stdin.close()
        assert process.wait(60) == 0


def test_an_interrupted_batch_sends_no_other_request(emulator: Emulator) -> None:
    chat = ChatPollinations(**emulator.connection())
    emulator.fail(429, headers={"retry-after": "0.5"}, times=9)
    with pytest.raises(KeyboardInterrupt):
        for _ in run_all([lambda: chat.invoke("Hello"), lambda: _interrupt_after_request(emulator)], 2):
            pass
    time.sleep(1)
    assert len(emulator.requests) == 1


def test_a_context_kept_by_a_callback_outlives_its_batch(emulator: Emulator) -> None:
    kept: list[contextvars.Context] = []

    class Keeping(BaseCallbackHandler):
        def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
            kept.append(contextvars.copy_context())

    chat = ChatPollinations(**emulator.connection())
    chat.batch(["Hello", "Hi"], {"callbacks": [Keeping()]})
    assert kept[0].run(chat.invoke, "Hello again").text


def _interrupt_after_request(emulator: Emulator) -> AIMessage:
    while not emulator.requests:
        time.sleep(0.01)
    time.sleep(0.1)
    raise KeyboardInterrupt


def test_a_batch_runs_as_many_at_once_as_its_configuration_says(emulator: Emulator) -> None:
    flight = InFlight()
    chat = ChatPollinations(**emulator.connection(), **flight.clients())
    emulator.latency = 0.1
    inputs = [f"Hello {number}" for number in range(6)]
    with chat.http_client:
        answers = chat.batch(inputs, {"max_concurrency": 2})
        assert [answer.text for answer in answers] == [chat.invoke(text).text for text in inputs]
    assert flight.most == 2


@pytest.mark.unused_replies
async def test_cancelling_the_caller_cancels_its_calls(emulator: Emulator) -> None:
    for number in range(6):
        emulator.reply(body={"number": number}, on=f"/image/{number}", delay=30)
    async with ServiceConfig(**emulator.connection()) as connection:
        asked = asyncio.create_task(connection._client.asend_all(numbered(6), 2))
        while len(emulator.requests) < 2:
            await asyncio.sleep(0.01)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert asyncio.all_tasks() == {asyncio.current_task()}
    assert len(emulator.requests) == 2


# --- Headers, keys, proxies, redirects --------------------------------------------------------------------------------


def test_the_key_travels_in_the_header_alone(chat: ChatPollinations, emulator: Emulator, ask: Ask) -> None:
    ask(chat, "Hello")
    request = emulator.requests[-1]
    assert request.headers["authorization"] == "Bearer sk_emulator"
    assert "sk_emulator" not in request.raw_path
    assert b"sk_emulator" not in request.body
    assert request.headers["user-agent"].startswith("langchain-pollinations/")


def test_your_headers_win_whatever_their_case(chat: ChatPollinations, emulator: Emulator, ask: Ask) -> None:
    mine = chat.model_copy(update={"default_headers": {"USER-AGENT": "mine", "X-Trace": "1"}})
    ask(mine, "Hello")
    assert emulator.requests[-1].headers["user-agent"] == "mine"
    assert emulator.requests[-1].headers["x-trace"] == "1"


@pytest.mark.parametrize("name", ["apikey", "openai_api_key", "key", "token", "headers", "Authorization"])
def test_a_secret_under_a_wrong_name_is_not_sent(
    chat: ChatPollinations, emulator: Emulator, ask: Ask, name: str
) -> None:
    for use in (lambda: ChatPollinations(**{name: "sk_secret"}), lambda: ask(chat, "Hello", **{name: "sk_secret"})):
        with pytest.raises(ValueError, match=f"'{name}' looks like a secret") as caught:
            use()
        assert "sk_secret" not in str(caught.value)
    assert emulator.requests == []


class _Redirect(http.server.BaseHTTPRequestHandler):
    """Sends everybody on to the same path at `target`."""

    target = ""

    def _redirect(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(307)
        self.send_header("location", self.target + self.path)
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_POST = _redirect

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def redirect(emulator: Emulator) -> Iterator[str]:
    handler = type("Handler", (_Redirect,), {"target": emulator.url})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_client_that_would_follow_redirects_sends_no_body_astray(emulator: Emulator, redirect: str, ask: Ask) -> None:
    options = {"limits": httpx.Limits(max_keepalive_connections=0), "follow_redirects": True}
    own = {"http_client": httpx.Client(**options), "http_async_client": httpx.AsyncClient(**options)}
    with pytest.raises(errors.InvalidResponseError, match=f"redirects to {emulator.url}.*set base_url"):
        ask(ChatPollinations(base_url=redirect, api_key="sk_emulator", **own), "Hello")
    assert emulator.requests == []


PRIVATE = [
    "http://127.0.0.1/x",
    "http://2130706433/x",
    "http://0x7f.1/x",
    "http://[::1]/x",
    "http://[::ffff:10.0.0.1]/x",
    "http://169.254.169.254/latest/meta-data",
    "http://192.168.0.1:8080/x",
    "http://localhost/x",
    "http://LOCALHOST./x",
    "http://metadata.google.internal/x",
    "http://printer.local/x",
    "http://[64:ff9b::a9fe:a9fe]/x",
    "http://[2002:7f00:1::]/x",
    "http://redis/x",
]


@pytest.mark.parametrize("url", PRIVATE)
@pytest.mark.parametrize("is_async", [False, True])
def test_no_response_leads_to_a_private_address(monkeypatch: pytest.MonkeyPatch, url: str, is_async: bool) -> None:
    """Neither by a redirect nor as the address of a video. The service is reached through a proxy, which takes requests
    for any host."""
    asked: list[str] = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(302)
            self.send_header("location", url)
            self.end_headers()

        def do_POST(self) -> None:
            asked.append(self.path)
            body = json.dumps({"data": [{"url": url}]}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    service = "http://93.184.216.34"
    with serve(Proxy) as proxy:
        for variable in ("http_proxy", "no_proxy"):
            monkeypatch.setenv(variable, proxy if variable == "http_proxy" else "")
        for wrapper, prompt in ((PollinationsImage, "a cat"), (PollinationsVideo, "100% waves")):
            maker = wrapper(base_url=service, api_key="sk_test", max_retries=0)
            with pytest.raises(errors.InvalidResponseError, match="leads to a private address"):
                asyncio.run(maker.agenerate(prompt)) if is_async else maker.generate(prompt)
    assert len(asked) == 2
    assert all(path.startswith(f"{service}/") for path in asked)


WHO_ASKS = {"host", "user-agent", "accept", "accept-encoding", "connection"}


def secretive(emulator: Emulator) -> dict[str, Any]:
    return {**emulator.connection(), "default_headers": {"x-api-key": "secret"}, "max_retries": 0}


def of_their_own(kind: type[Any]) -> Any:
    """A client that tells who it is in each way there is, and would follow redirects by itself."""
    return kind(
        headers={"x-mine": "secret"},
        cookies={"session": "secret"},
        auth=("me", "secret"),
        event_hooks={"request": [asign if kind is httpx.AsyncClient else sign]},
        follow_redirects=True,
    )


def sign(request: httpx.Request) -> None:
    request.headers["x-signed"] = "secret"


async def asign(request: httpx.Request) -> None:
    sign(request)


def _get(options: dict[str, Any], own: bool) -> Any:
    if not own:
        return ServiceConfig(**options)._client.send(numbered(1)[0])
    with of_their_own(httpx.Client) as mine:
        return ServiceConfig(**options, http_client=mine)._client.send(numbered(1)[0])


async def _aget(options: dict[str, Any], own: bool) -> Any:
    if not own:
        return await ServiceConfig(**options)._client.asend(numbered(1)[0])
    async with of_their_own(httpx.AsyncClient) as mine:
        return await ServiceConfig(**options, http_async_client=mine)._client.asend(numbered(1)[0])


GETS: dict[str, Any] = {"send": _get, "asend": lambda *args: asyncio.run(_aget(*args))}


@pytest.mark.parametrize("own", [False, True], ids=["our client", "a client of your own"])
@pytest.mark.parametrize("get", GETS)
def test_another_origin_learns_no_header_by_a_redirect(emulator: Emulator, redirect: str, get: str, own: bool) -> None:
    emulator.reply(body={"number": 7}, on="/image/0")
    assert GETS[get]({**secretive(emulator), "base_url": redirect}, own) == 7
    assert emulator.requests[-1].headers.keys() <= WHO_ASKS
    assert emulator.requests[-1].headers["host"] == emulator.url.removeprefix("http://")


@pytest.mark.parametrize("get", GETS)
def test_another_origin_is_reached_through_the_callers_client(get: str) -> None:
    """Its proxy may be the only way out, or hide the address of the caller."""
    hosts: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        moved = httpx.Response(302, headers={"location": "http://93.184.216.35/x"})
        return httpx.Response(200, json={"number": 7}) if len(hosts) == 2 else moved

    transport = httpx.MockTransport(respond)
    options: dict[str, Any] = {"base_url": "http://93.184.216.34", "api_key": "sk_x"}
    if get == "send":
        own: dict[str, Any] = {"http_client": httpx.Client(transport=transport)}
        assert ServiceConfig(**options, **own)._client.send(numbered(1)[0]) == 7
    else:
        own = {"http_async_client": httpx.AsyncClient(transport=transport)}
        assert asyncio.run(ServiceConfig(**options, **own)._client.asend(numbered(1)[0])) == 7
    assert hosts == ["93.184.216.34", "93.184.216.35"]


@pytest.mark.parametrize("own", [False, True], ids=["our client", "a client of your own"])
@pytest.mark.parametrize("get", GETS)
def test_a_redirect_at_home_keeps_the_headers(emulator: Emulator, get: str, own: bool) -> None:
    emulator.fail(302, headers={"location": "/image/1"}, on="/image/0")
    emulator.reply(body={"number": 7}, on="/image/1")
    assert GETS[get](secretive(emulator), own) == 7
    first, second = ({**request.headers} for request in emulator.requests)
    assert first == second
    assert second["x-api-key"] == "secret"
    assert "authorization" in second
    assert ("x-signed" in second) is own


@pytest.mark.parametrize(
    ("here", "there", "abroad"),
    [
        ("https://a.example/x", "https://a.example/y", False),
        ("https://a.example/x", "https://a.example:443/y", False),
        ("http://a.example/x", "https://a.example/x", False),
        ("http://a.example:80/x", "https://a.example:443/x", False),
        ("https://a.example/x", "http://a.example/x", True),
        ("https://a.example/x", "https://a.example:8443/x", True),
        ("http://a.example:8080/x", "https://a.example/x", True),
        ("https://a.example/x", "https://b.example/x", True),
        ("https://a.example/x", "https://sub.a.example/x", True),
    ],
)
def test_another_origin_is_another_scheme_host_or_port(here: str, there: str, abroad: bool) -> None:
    assert is_cross_origin(httpx.URL(here), httpx.URL(there)) == abroad


def test_proxies_from_the_environment_are_honoured(
    chat: ChatPollinations, emulator: Emulator, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The emulator stands in for the proxy: a proxy is asked with the whole address in the request line.
    monkeypatch.setenv("http_proxy", emulator.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(errors.PollinationsError):
        ask(chat.model_copy(update={"base_url": "http://service.invalid", "max_retries": 0}), "Hello")
    assert emulator.requests[-1].headers["host"] == "service.invalid"


# --- Flows ------------------------------------------------------------------------------------------------------------

Lead = Callable[[Client, Any], Any]

LEADS: dict[str, Lead] = {
    "run": lambda client, flow: client.run(flow),
    "arun": lambda client, flow: asyncio.run(client.arun(flow)),
}


@pytest.fixture(params=LEADS)
def lead(request: pytest.FixtureRequest) -> Lead:
    return LEADS[request.param]


@pytest.fixture
def client(emulator: Emulator) -> Client:
    return ServiceConfig(**emulator.connection())._client


def one(number: int) -> ApiRequest[int]:
    return numbered(number + 1)[number]


def conversation(seen: list[str], steps: list[Any], last: Any = None) -> Any:
    """A flow of some steps that notes how it ended."""
    try:
        answers = []
        for step in steps:
            answers.append((yield step))
        if isinstance(last, Exception):
            raise last
        return answers
    except GeneratorExit:
        seen.append("closed")
        raise
    finally:
        seen.append("end")


def test_a_flow_is_led_to_its_end(client: Client, emulator: Emulator, lead: Lead) -> None:
    for number in (0, 1, 2, 0):
        emulator.reply(body={"number": number}, on=f"/image/{number}")
    seen: list[str] = []
    steps = [one(0), [], [one(0), one(1), one(2)]]
    assert lead(client, conversation(seen, steps)) == [0, [], [0, 1, 2]]
    assert seen == ["end"]
    assert lead(client, conversation(seen, [])) == []


def test_an_error_on_the_way_closes_the_flow(client: Client, emulator: Emulator, lead: Lead) -> None:
    for steps in ([one(0), one(1)], [[one(0), one(1)]]):
        emulator.fail(400, message="Not this one", on="/image/1")
        emulator.reply(body={"number": 0}, on="/image/0")
        seen: list[str] = []
        with pytest.raises(errors.InvalidRequestError, match="Not this one"):
            lead(client, conversation(seen, steps))
        assert seen == ["closed", "end"]


def test_an_error_of_the_flow_itself_is_the_callers(client: Client, lead: Lead) -> None:
    seen: list[str] = []
    with pytest.raises(ZeroDivisionError, match="mine"):
        lead(client, conversation(seen, [], ZeroDivisionError("mine")))
    assert seen == ["end"]


@pytest.mark.unused_replies
@pytest.mark.parametrize("cancellations", [1, 3])
@pytest.mark.parametrize("phase", ["in the flow", "in a call", "in several calls", "while it closes"])
async def test_a_cancelled_flow_is_closed_before_the_caller_goes_on(
    client: Client, emulator: Emulator, phase: str, cancellations: int
) -> None:
    """Scopes of anyio cancel again and again, until the task has ended."""
    seen: list[str] = []
    works, go_on = threading.Event(), threading.Event()

    def flow() -> Any:
        try:
            if phase == "in the flow":
                works.set()
                go_on.wait(10)
            yield one(0) if phase in ("in a call", "while it closes") else [one(0), one(1)]
        finally:
            if phase == "while it closes":
                works.set()
                go_on.wait(10)
            seen.append("end")

    emulator.reply(body={}, on="/image", delay=30, times=9)
    led = asyncio.create_task(client.arun(flow()))
    while not works.is_set() and not emulator.requests:
        await asyncio.sleep(0.01)
    for _ in range(cancellations):
        led.cancel()
        await asyncio.sleep(0.1)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await led
    assert seen == ["end"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_flow_waits_for_no_thread_of_others(client: Client, emulator: Emulator, tmp_path: Path) -> None:
    """Tools of others may block every thread of the event loop for minutes."""
    loop, free = asyncio.get_running_loop(), threading.Event()
    others = [loop.run_in_executor(None, free.wait) for _ in range(64)]
    loop.call_later(5, free.set)

    def flow() -> Any:
        yield ApiRequest("GET", "/image/0", lambda _: None, save_to=tmp_path / "film")
        return "end"

    emulator.reply(body=b"film", on="/image")
    assert await client.arun(flow()) == "end"
    assert not free.is_set()
    free.set()
    await asyncio.gather(*others)


def test_flows_of_one_client_run_in_several_loops_at_once(client: Client, emulator: Emulator) -> None:
    emulator.reply(body={"number": 0}, on="/image/0", delay=0.05, times=99)
    found: list[Any] = []

    def work() -> None:
        found.extend(asyncio.run(client.arun(conversation([], [one(0), [one(0), one(0)]]))) for _ in range(2))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[0, [0, 0]]] * 8


# --- Bodies into files ------------------------------------------------------------------------------------------------

SEND: dict[str, Callable[[Client, ApiRequest[Any]], Any]] = {
    "send": lambda client, call: client.send(call),
    "asend": lambda client, call: asyncio.run(client.asend(call)),
}


@pytest.fixture(params=SEND)
def send(request: pytest.FixtureRequest) -> Any:
    return SEND[request.param]


def test_a_body_goes_to_a_file_and_a_repeat_begins_anew(
    client: Client, emulator: Emulator, send: Any, tmp_path: Path
) -> None:
    body = os.urandom(700_000)
    emulator.reply(body=body[:300_000], headers={"content-length": str(len(body))}, on="/image")
    emulator.reply(body=body, on="/image")
    told: list[tuple[int, int | None]] = []
    target = tmp_path / "film"
    call = ApiRequest(
        "GET", "/image/0", lambda _: target.stat().st_size, save_to=target, on_progress=lambda *n: told.append(n)
    )
    assert send(client, call) == len(body)
    assert target.read_bytes() == body
    starts = [place for place, (count, _) in enumerate(told) if count == 0]
    assert len(starts) == 2
    assert {total for _, total in told} == {len(body)}
    assert [count for count, _ in told[starts[1] :]] == sorted(count for count, _ in told[starts[1] :])
    assert told[-1] == (len(body), len(body))


def test_an_error_does_not_go_to_the_file(client: Client, emulator: Emulator, send: Any, tmp_path: Path) -> None:
    emulator.fail(400, message="Not this one", on="/image")
    with pytest.raises(errors.InvalidRequestError, match="Not this one"):
        send(client, ApiRequest("GET", "/image/0", lambda _: None, save_to=tmp_path / "film"))
    assert list(tmp_path.iterdir()) == []
    emulator.reply(body=b"x", on="/image")
    with pytest.raises(FileNotFoundError):
        send(client, ApiRequest("GET", "/image/0", lambda _: None, save_to=tmp_path / "nowhere" / "film"))


async def test_a_download_uses_one_thread(client: Client, emulator: Emulator, tmp_path: Path) -> None:
    emulator.reply(body=os.urandom(3_000_000), on="/image")
    others = {*threading.enumerate()}
    writers: set[threading.Thread] = set()

    def note(*_: Any) -> None:
        found = {*threading.enumerate()} - others
        writers.update(thread for thread in found if thread.name == "pollinations")

    await client.asend(ApiRequest("GET", "/image/0", lambda _: None, save_to=tmp_path / "film", on_progress=note))
    assert len(writers) == 1
    for thread in writers:
        thread.join(5)
        assert not thread.is_alive()


@pytest.mark.parametrize("after", range(1, 12))
async def test_a_cancelled_download_leaves_no_open_file(
    client: Client, emulator: Emulator, tmp_path: Path, after: int, recwarn: pytest.WarningsRecorder
) -> None:
    """Cancelled at each of the moments at which it waits for its thread."""
    emulator.reply(body=os.urandom(600_000), on="/image")
    begun = asyncio.Event()
    call = ApiRequest("GET", "/image/0", lambda _: None, save_to=tmp_path / "film", on_progress=lambda *_: begun.set())
    asked = asyncio.create_task(client.asend(call))
    await begun.wait()
    for _ in range(after - 1):
        await asyncio.sleep(0)
    asked.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asked
    del asked
    gc.collect()
    assert [str(warning.message) for warning in recwarn if issubclass(warning.category, ResourceWarning)] == []


# --- Forms ------------------------------------------------------------------------------------------------------------


def sent_form(fields: dict[str, str], files: list[Any]) -> tuple[str, bytes]:
    request = httpx.Client().build_request("POST", "http://x", **multipart(fields, files))
    return request.headers["content-type"], request.read()


def test_equal_forms_are_equal_bytes_and_others_are_not() -> None:
    file = ("image", ("a.png", b"bytes", "image/png"))
    first = sent_form({"prompt": "a", "model": "b"}, [file])
    assert first == sent_form({"prompt": "a", "model": "b"}, [file])
    others = [
        sent_form({"prompt": "b", "model": "a"}, [file]),
        sent_form({"prompt": "a"}, [file]),
        sent_form({"prompt": "a", "model": "b"}, [file, file]),
        sent_form({"prompt": "a", "model": "b"}, [("image", ("a.png", b"bytez", "image/png"))]),
        sent_form({"prompt": "a", "model": "b"}, [("image", ("a.png", b"bytes", "image/gif"))]),
    ]
    assert len({kind for kind, _ in [first, *others]}) == 6


@pytest.mark.parametrize("name", ['a"b.png', "a\r\nx: y.png", "漢字.png", "\\", ""])
def test_a_name_of_a_file_is_no_markup_of_a_form(emulator: Emulator, name: str) -> None:
    kind, body = sent_form({"prompt": '"\r\n--x--'}, [("file", (name, b"bytes", "image/png"))])
    boundary = kind.partition("boundary=")[2].encode()
    assert body.count(b"--" + boundary) == 3
    assert b"\r\nx: y" not in body.split(b"--" + boundary)[2]
