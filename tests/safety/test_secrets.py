"""No secret is shown anywhere: every kind of failure, every kind of object, every kind of record."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import math
import pickle
import re
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.globals import set_debug
from langchain_core.load import dumpd, dumps
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableBinding
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from pydantic import SecretStr
from rich.console import Console

from langchain_pollinations import (
    ChatPollinations,
    Media,
    PollenMeter,
    PollenMiddleware,
    Pollinations3D,
    PollinationsAccount,
    PollinationsEmbeddings,
    PollinationsError,
    PollinationsImage,
    PollinationsImageTool,
    PollinationsMusic,
    PollinationsSpeech,
    PollinationsToolkit,
    PollinationsTranscriber,
    PollinationsVideo,
    PollinationsVideoTool,
    PollinationsVoice,
    Upload,
    alogin,
    download,
    list_models,
    login,
    mcp_connections,
    run_job,
    upload,
)
from langchain_pollinations._account.grants import Grant
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.sign_in import DeviceCode, SignIn
from tests.helpers import secrets
from tests.helpers.ask import WAYS
from tests.helpers.files import FolderStore
from tests.helpers.samples import Joke, get_weather

DECISIONS: tuple[Any, ...] = ()
if find_spec("langchain_core.decisions"):
    from langchain_pollinations.decisions import PollinationsDecisions

    DECISIONS = (PollinationsDecisions,)

KEY = "sk_1of5_secret_api_key"
AUTHORIZATION = "token-2of5-secret-authorization"
HEADER = "3of5-secret-header"
PASSWORD = "4of5-secret-password"
TOKEN = "sk_5of5_secret_token_of_a_sign_in"
SECRETS = (KEY, AUTHORIZATION, HEADER, PASSWORD, TOKEN)
HEADERS = {"X-Gateway-Key": HEADER, "Cookie": f"session={HEADER}", "Proxy-Authorization": f"Basic {AUTHORIZATION}"}


def found_in(text: Any) -> list[str]:
    return secrets.found_in(text, SECRETS)


# --- Errors -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def server(answer: bytes) -> Iterator[str]:
    """A server that answers each connection with some bytes and closes it."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = listener.accept()
                with link:
                    link.recv(65536)
                    link.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _aiohttp(model: Any, text: str) -> Any:
    return WAYS["ainvoke"](model.model_copy(update={"async_transport": "aiohttp"}), text)


CALLS: Mapping[str, Callable[..., Any]] = {**WAYS, "aiohttp": _aiohttp}

OK = b"HTTP/1.1 200 OK\r\n"
ECHO = json.dumps({"error": {"message": f"Bearer {KEY}", "code": KEY, "requestId": KEY, "x": [KEY]}}).encode()
ANSWERS = {
    "closed": b"",
    "no HTTP": b"hello\r\n\r\n",
    "length": OK + b"content-length: abc\r\n\r\n",
    "cut off": OK + b"content-length: 100\r\n\r\nabc",
    "chunk": OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    "gzip": OK + b"content-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
    "no JSON": OK + b"content-length: 3\r\n\r\nabc",
    "cut off after the key": OK + b"content-type: text/html\r\ncontent-length: 100\r\n\r\n<html>" + KEY.encode(),
    "page that repeats the key": OK + b"content-type: text/html\r\n\r\n<html>" + KEY.encode(),
    "error that repeats the key": b"HTTP/1.1 400 No\r\ncontent-type: application/json\r\n\r\n" + ECHO,
    "503 that repeats the key": b"HTTP/1.1 503 No\r\ncontent-type: application/json\r\n\r\n" + ECHO,
    "401": b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n",
    "402": b"HTTP/1.1 402 No\r\ncontent-length: 0\r\n\r\n",
    "429": b"HTTP/1.1 429 No\r\ncontent-length: 0\r\n\r\n",
    "error in a stream": OK + b"content-type: text/event-stream\r\n\r\ndata: " + ECHO + b"\n\n",
    "no event": OK + b"content-type: text/event-stream\r\n\r\ndata: {x}\n\n",
    "redirect": b"HTTP/1.1 307 No\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n",
    "request id that repeats the key": b"HTTP/1.1 400 No\r\nx-request-id: " + KEY.encode() + b"\r\n\r\n{}",
}
OTHER_FAILURES: Mapping[str, dict[str, Any]] = {
    "refused": {"base_url": "http://127.0.0.1:1"},
    "unknown host": {"base_url": "http://unknown.invalid"},
    "NaN": {"model_kwargs": {"x": math.nan}},
    "half a character": {"model_kwargs": {"x": "\ud800"}},
    "object": {"model_kwargs": {"x": object()}},
    "key with a line break": {"api_key": f"{KEY}\nb"},
    "key with an umlaut": {"api_key": f"{KEY}ü"},
    "key with a space": {"api_key": f"{KEY} b"},
}


def failure(call: Callable[[], Any]) -> BaseException:
    with pytest.raises(BaseException) as caught, warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        call()
    assert [found_in(warning.message) for warning in noted if found_in(warning.message)] == []
    return caught.value


def assert_hidden(error: BaseException, *given_to: str) -> None:
    """No form of an error shows a secret. `given_to` are packages whose frames got it from the caller."""
    assert secrets.leaks_of(error, SECRETS, *given_to) == {}


@pytest.fixture(autouse=True)
def quiet_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No logger has a secret at level DEBUG: not that of the package, httpx, httpcore, asyncio or the emulator."""
    caplog.set_level(logging.DEBUG)
    yield
    assert [record for record in caplog.records if found_in(record.getMessage() + str(record.exc_info))] == []


@pytest.fixture
def service(emulator: Emulator) -> dict[str, Any]:
    emulator.keys[KEY] = {"balance": 100, "scopes": ["profile", "usage"]}
    return {"base_url": emulator.url, "api_key": KEY, "default_headers": HEADERS, "max_retries": 0}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("way", CALLS)
def test_no_error_of_a_response_shows_a_secret(service: dict[str, Any], way: str, answer: bytes) -> None:
    with server(answer) as url:
        error = failure(lambda: CALLS[way](ChatPollinations(**{**service, "base_url": url}), "Hi"))
    assert isinstance(error, PollinationsError)
    assert_hidden(error)


@pytest.mark.parametrize("given", OTHER_FAILURES.values(), ids=OTHER_FAILURES)
@pytest.mark.parametrize("way", CALLS)
def test_no_error_before_a_response_shows_a_secret(service: dict[str, Any], way: str, given: dict[str, Any]) -> None:
    error = failure(lambda: CALLS[way](ChatPollinations(**{**service, **given}), "Hi"))
    assert isinstance(error, PollinationsError)
    assert_hidden(error)


LIMITS: Mapping[str, dict[str, Any]] = {
    "timeout": {"timeout": 0.2},
    "total": {"total_timeout": 0.2},
    "chunk": {"stream_chunk_timeout": 0.2},
    "size": {"max_response_bytes": 10},
}


@pytest.mark.unused_replies
@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("way", ["stream", "astream"])
def test_no_error_of_a_limit_shows_a_secret(
    emulator: Emulator, service: dict[str, Any], way: str, limit: dict[str, Any]
) -> None:
    emulator.fail("stall", after=1, seconds=1)
    assert_hidden(failure(lambda: WAYS[way](ChatPollinations(**service, **limit), "Hi")))


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_no_cancelled_call_shows_a_secret(emulator: Emulator, service: dict[str, Any], transport: str) -> None:
    async def run() -> None:
        asyncio.get_running_loop().slow_callback_duration = 0.0
        async with asyncio.timeout(0.3):
            await ChatPollinations(**service, async_transport=transport).ainvoke("Hi")

    emulator.reply("late", delay=1.0)
    error = failure(lambda: asyncio.run(run(), debug=True))
    assert isinstance(error, TimeoutError)
    assert_hidden(error)


class _Broken(BaseCallbackHandler):
    raise_error = True

    def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
        raise KeyboardInterrupt


def _own_client(service: dict[str, Any], call: Callable[[Any], Any], **options: Any) -> Any:
    with httpx.Client(**options) as client:
        return call(ChatPollinations(**service, http_client=client))


def _hook(request: httpx.Request) -> None:
    raise ZeroDivisionError


USER_FAILURES: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "callback": lambda service: list(ChatPollinations(**service).stream("Hi", {"callbacks": [_Broken()]})),
    "hook": lambda service: _own_client(service, lambda chat: chat.invoke("Hi"), event_hooks={"request": [_hook]}),
    "header of a client": lambda service: _own_client(
        service, lambda chat: chat.invoke("Hi"), headers={"X-Own": f"{HEADER}\0"}
    ),
    "progress": lambda service: PollinationsImage(**service).generate("a cat", progress=lambda told: 1 / 0),
    "path": lambda service: PollinationsImage(**service).generate("a cat", path="/no/such/folder/a.png"),
    "changed headers": lambda service: _change_headers(ChatPollinations(**service)).invoke("Hi"),
    "pickled key": lambda service: pickle.loads(pickle.dumps(ChatPollinations(**service))).invoke("Hi"),
    "pickled connection": lambda service: pickle.dumps(mcp_connections("exa", api_key=KEY)),
    "timeout of a server": lambda service: mcp_connections("exa", api_key=KEY, timeout="x"),  # type: ignore[arg-type]
    "unknown server": lambda service: mcp_connections("nope", api_key=KEY),
    "budget": lambda service: _over_budget(service),
    "model": lambda service: PollinationsImage(**service, model="no/such").generate("a cat"),
    "upload": lambda service: upload(b"", **service),
    "download": lambda service: download(Media(None, "image/png", url="https://x.example", sha256="0" * 64), **service),
    "list": lambda service: PollinationsAccount(**{**service, "api_key": KEY + "x"}).balance(),
    "models": lambda service: list_models(**{**service, "api_key": [KEY]}),
    "tool": lambda service: PollinationsVideoTool(**service, model="wan").invoke({"prompt": KEY * 9000}),
    "toolkit": lambda service: PollinationsToolkit(**service, options={"image": {"api_key": KEY}}),
    "toolkit headers": lambda service: PollinationsToolkit(options={"image": {"default_headers": HEADERS}}),
}


def _change_headers(chat: ChatPollinations) -> ChatPollinations:
    chat.default_headers["bad name"] = "x"  # type: ignore[index]
    return chat


def _over_budget(service: dict[str, Any]) -> Any:
    with PollenMeter(budget="0.000000001"):
        return ChatPollinations(**service).invoke("Hi")


@pytest.mark.parametrize("call", USER_FAILURES.values(), ids=USER_FAILURES)
def test_no_error_of_the_users_code_shows_a_secret(service: dict[str, Any], call: Callable[[Any], Any]) -> None:
    if call is USER_FAILURES["tool"]:  # a prompt is no secret, and a tool returns an error as text
        assert found_in(call(service)) == []
        return
    assert_hidden(failure(lambda: call(service)))


GIVEN_IN_CALLS: Mapping[str, dict[str, Any]] = {
    "extra header": {"extra_headers": {"X-Own": f"{HEADER}\n"}},
    "name of an extra header": {"extra_headers": {f"X {HEADER}": "x"}},
    "key": {"api_key": KEY},
    "headers": {"headers": {"x": HEADER}},
    "authorization": {"extra_headers": {"Authorization": AUTHORIZATION}},
}


@pytest.mark.parametrize("given", GIVEN_IN_CALLS.values(), ids=GIVEN_IN_CALLS)
@pytest.mark.parametrize("way", WAYS)
def test_no_error_of_a_call_shows_what_it_was_given(service: dict[str, Any], way: str, given: dict[str, Any]) -> None:
    """The frames of LangChain and of the package hold the arguments of the call, which the caller has written."""
    error = failure(lambda: WAYS[way](ChatPollinations(**service), "Hi", **given))
    assert_hidden(error, "langchain_core", "langchain_pollinations")


WRONG_FIELDS: Mapping[str, dict[str, Any]] = {
    "unknown name": {"apikey": KEY},
    "other integration": {"openai_api_key": KEY},
    "Authorization": {"Authorization": AUTHORIZATION},
    "wrong type": {"api_key": [KEY]},
    "another field": {"timeout": KEY},
    "beside a wrong field": {"api_key": KEY, "timeout": "long"},
    "two names": {"api_key": KEY, "pollinations_api_key": "other"},
    "address": {"base_url": f"https://me:{PASSWORD}@example.com"},
    "headers": {"default_headers": [HEADER]},
    "name of a header": {"default_headers": {f"X {HEADER}": "x"}},
    "value of a header": {"default_headers": {"X-Own": f"{HEADER}\n"}},
}
WRAPPERS: tuple[Any, ...] = (
    *(ChatPollinations, PollinationsEmbeddings, PollinationsImage, PollinationsVideo, PollinationsSpeech),
    *(PollinationsMusic, Pollinations3D, PollinationsTranscriber, PollinationsVoice, PollinationsAccount, *DECISIONS),
)
CLASSES = (*WRAPPERS, PollinationsImageTool, PollinationsVideoTool, PollinationsToolkit)


@pytest.mark.parametrize("given", WRONG_FIELDS.values(), ids=WRONG_FIELDS)
@pytest.mark.parametrize("kind", CLASSES)
def test_no_validation_error_shows_its_input(kind: Any, given: dict[str, Any]) -> None:
    error: Any = failure(lambda: kind(**given))
    assert_hidden(error)
    assert found_in(f"{error.errors()} {error.json()}") == []
    assert all(found["msg"] and found["input"] is None for found in error.errors())


# --- Proxies and the sign-in ------------------------------------------------------------------------------------------

REFUSALS = {"407": b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n", "closed": b"", "no HTTP": b"x\r\n\r\n"}


@pytest.mark.parametrize("target", ["http", "https"])
@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("way", ["invoke", "ainvoke", "aiohttp"])
def test_no_error_of_a_proxy_shows_its_password(
    monkeypatch: pytest.MonkeyPatch, way: str, answer: bytes, target: str
) -> None:
    with server(answer) as url:
        monkeypatch.setenv(f"{target}_proxy", url.replace("http://", f"http://me:{PASSWORD}@"))
        monkeypatch.setenv("no_proxy", "")
        chat = ChatPollinations(base_url=f"{target}://service.example", api_key=KEY, max_retries=0)
        assert_hidden(failure(lambda: CALLS[way](chat, "Hi")))


@pytest.mark.parametrize("value", [f"ftp://me:{PASSWORD}@a.example", f"http://me:{PASSWORD}@a.example:port"])
def test_no_error_of_a_wrong_proxy_shows_its_password(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("https_proxy", value)
    assert_hidden(failure(lambda: ChatPollinations(api_key=KEY).invoke("Hi")))


CODE_BODY = {"device_code": TOKEN, "user_code": "A-1", "verification_uri": "https://a.example", "expires_in": 1}
TOKEN_BODIES: Mapping[str, dict[str, Any]] = {
    "list": {"body": {"access_token": [TOKEN]}},
    "space": {"body": {"access_token": f"{TOKEN} x"}},
    "other name": {"body": {"token": TOKEN}},
    "text": {"body": TOKEN},
    "bytes": {"body": TOKEN.encode() + b"\xff"},
    "declined": {"body": {"error": "access_denied", "access_token": TOKEN}},
    "invalid client": {"body": {"error": "invalid_client", "device_code": TOKEN}, "status": 400},
    "unknown error": {"body": {"error": ["x"], "access_token": TOKEN}},
}


@pytest.mark.parametrize("reply", TOKEN_BODIES.values(), ids=TOKEN_BODIES)
@pytest.mark.parametrize("is_async", [False, True])
def test_no_error_of_a_sign_in_shows_its_token(emulator: Emulator, reply: dict[str, Any], is_async: bool) -> None:
    emulator.state.device_interval = 0.02
    emulator.reply(body={**CODE_BODY, "interval": 0.01}, on="/api/device/code")
    emulator.reply(**reply, on="/api/oauth/token")
    options: dict[str, Any] = {"base_url": emulator.url, "show": lambda _: None, "max_retries": 0, "api_key": KEY}
    error = failure(lambda: asyncio.run(alogin(**options)) if is_async else login(**options))
    assert_hidden(error)


@pytest.mark.parametrize("own", [{"headers": {"Authorization": AUTHORIZATION}}, {"auth": ("me", PASSWORD)}], ids=str)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_sign_in_sends_no_credentials(emulator: Emulator, own: dict[str, Any], is_async: bool) -> None:
    emulator.state.device_interval = 0.02
    emulator.reply(body={"access_token": TOKEN}, on="/api/oauth/token")
    options: dict[str, Any] = {
        "base_url": emulator.url, "show": lambda _: None, "api_key": KEY, "default_headers": {"Authorization": KEY}
    }  # fmt: skip

    async def run() -> SecretStr:
        async with httpx.AsyncClient(**own) as client:
            return await alogin(**options, http_async_client=client)

    if is_async:
        key = asyncio.run(run())
    else:
        with httpx.Client(**own) as client:
            key = login(**options, http_client=client)
    assert key.get_secret_value() == TOKEN
    assert found_in(repr(key)) == []
    assert len(emulator.requests) == 2
    assert [each for each in emulator.requests if "authorization" in each.headers or found_in(each.headers)] == []


# --- Objects ----------------------------------------------------------------------------------------------------------


def _made(emulator: Emulator, service: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """All kinds of objects, before and after use."""
    for kind in CLASSES:
        fresh = kind(**service)
        yield kind.__name__, fresh
        yield f"{kind.__name__}, copied", fresh.model_copy()
    chat = ChatPollinations(**service)
    yield "message", chat.invoke("Hi")
    yield "chat after a call", chat
    yield "client", chat._client
    yield "with tools", chat.bind_tools([get_weather])
    yield "with a schema", chat.with_structured_output(Joke)
    yield "with retries", chat.with_retry()
    yield "key from the environment", ChatPollinations(base_url=emulator.url)
    painter = PollinationsImage(**service)
    media = painter.generate("a cat", width=32, height=32)
    yield "media", media
    yield "stored media", JsonPlusSerializer().dumps_typed({"picture": media})[1]
    yield "traced media", orjson.dumps(media, default=str)
    yield "artifact", media.to_artifact()
    yield "block", media.to_block()
    yield "bundle", media._repr_mimebundle_()
    yield "image class after a call", painter
    yield "upload", upload(media, **service)
    yield "MCP connections", mcp_connections("exa", api_key=KEY, base_url=emulator.url)
    yield "MCP auth", vars(mcp_connections("exa", api_key=KEY)["exa"]["auth"])
    yield "account", PollinationsAccount(**service).key()
    yield "meter", PollenMeter(budget=1)
    yield "middleware", PollenMiddleware(budget=1)
    yield "device code", DeviceCode(SecretStr(TOKEN), 5.0, SignIn("https://a.example", "C", "https://a.example", 9.0))
    yield "grant", Grant(SecretStr(TOKEN), None)
    yield "requests of the emulator", emulator.requests
    yield "ledger of the emulator", emulator.ledger


def _pickled(value: Any) -> Any:
    """Other objects hold the key to send it, and are not pickled."""
    kept = (*CLASSES, Media, AIMessage, Upload, RunnableBinding)
    return pickle.dumps(value) if isinstance(value, kept) else ""


def _rich(value: Any) -> str:
    console = Console(file=io.StringIO(), width=400)
    console.print(value)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


FORMS: Mapping[str, Callable[[Any], Any]] = {
    "repr": repr,
    "str": str,
    "vars": lambda value: secrets.safe_repr(getattr(value, "__dict__", "")),
    "private": lambda value: secrets.safe_repr(getattr(value, "__pydantic_private__", "")),
    "rich": _rich,
    "model_dump": lambda value: value.model_dump() if isinstance(value, CLASSES) else "",
    "model_dump_json": lambda value: value.model_dump_json() if isinstance(value, WRAPPERS) else "",
    "schema": lambda value: value.args if hasattr(value, "args_schema") else "",
    "dumps": dumps,
    "dumpd": dumpd,
    "pickle": _pickled,
    "checkpoint": lambda value: (
        JsonPlusSerializer(pickle_fallback=True).dumps_typed(value)[1] if isinstance(value, (*CLASSES, Media)) else ""
    ),
    "identity": lambda value: (
        (value._identifying_params, value._get_ls_params()) if hasattr(value, "_llm_type") else ""
    ),
}


def test_no_object_shows_a_secret(emulator: Emulator, service: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLLINATIONS_API_KEY", KEY)
    leaks = [
        f"{form} of {name}: {found}"
        for name, value in _made(emulator, service)
        for form, show in FORMS.items()
        if (found := found_in(show(value)))
    ]
    assert leaks == []


# --- Records of runs --------------------------------------------------------------------------------------------------


class Tracer(BaseTracer):
    """Keeps what LangSmith stores of a run."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: list[str] = []

    def _persist_run(self, run: Run) -> None:
        self._add(run)

    def _add(self, run: Run) -> None:
        fields = {name: getattr(run, name) for name in Run.model_fields} if hasattr(Run, "model_fields") else vars(run)
        self.stored.append(repr({name: value for name, value in fields.items() if name != "child_runs"}))
        for child in run.child_runs:
            self._add(child)


def test_no_record_of_a_run_shows_a_secret(
    emulator: Emulator, service: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Traces, events, caches, checkpoints, stores of media, the debug output of LangChain, and URLs."""
    tracer, saver, cache = Tracer(), InMemorySaver(), InMemoryCache()
    store = FolderStore(tmp_path / "store")
    toolkit = PollinationsToolkit(**service, media_store=store, show=True)
    chat = ChatPollinations(**service, cache=cache)
    agent = create_agent(chat, toolkit.get_tools(), checkpointer=saver, middleware=[PollenMiddleware(budget=5)])
    config: Any = {"callbacks": [tracer], "configurable": {"thread_id": "1"}}
    question = {"messages": [("user", "Draw")]}

    async def events() -> list[Any]:
        emulator.reply(tool_calls=[{"name": "generate_image", "args": {"prompt": "a cat", "width": 32, "height": 32}}])
        return [event async for event in agent.astream_events(question, config, version="v2")]

    seen: list[Any] = [asyncio.run(events(), debug=True)]
    set_debug(True)
    try:
        emulator.fail(400, message=f"no {KEY}", code=KEY)
        with pytest.raises(PollinationsError):
            agent.invoke({"messages": [("user", "Fail")]}, config)
        seen.append(chat.invoke("Hi", {"callbacks": [tracer]}, extra_headers={"X-Own": HEADER}))
        seen += list(chat.stream("Hi there", {"callbacks": [tracer]}, extra_headers={"X-Own": HEADER}))
        seen.append(PollinationsImage(**service).invoke("a kite", {"callbacks": [tracer]}))
    finally:
        set_debug(False)
    assert emulator.requests[-1].headers["x-gateway-key"] == HEADER
    stored = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    shown = {
        "traces": tracer.stored,
        "events and results": seen,
        "checkpoints": (saver.storage, saver.blobs, saver.writes),
        "cache": cache._cache,
        "store": stored,
        "output": capsys.readouterr(),
        "URLs": [(request.raw_path, request.query, request.body) for request in emulator.requests],
        "emulator": (emulator.requests, emulator.ledger),
    }
    assert len(tracer.stored) > 5
    assert {name: found for name, value in shown.items() if (found := found_in(repr(value)))} == {}


def test_a_journal_of_a_job_and_its_files_hold_no_secret(
    emulator: Emulator, service: dict[str, Any], tmp_path: Path
) -> None:
    emulator.fail(400, message=f"no {KEY}", code=KEY, on="/image")
    report = run_job(
        [{"prompt": "a cat"}, {"prompt": "a dog"}],
        PollinationsImage(**service),
        tmp_path / "job",
        input_column="prompt",
    )
    assert (report.done, report.failed) == (1, 1)
    written = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert "journal.jsonl" in written
    assert {name: found for name, data in written.items() if (found := found_in(data))} == {}
    assert found_in(repr(report)) == []


URLS: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "chat": lambda service: ChatPollinations(**service).invoke("Hi"),
    "plain text": lambda service: ChatPollinations(**service, route="get").invoke("Hi"),
    "image": lambda service: PollinationsImage(**service).generate("a cat", width=32, height=32),
    "long prompt": lambda service: PollinationsImage(**service).generate("a cat " * 900, width=32, height=32),
    "speech": lambda service: PollinationsSpeech(**service).generate("Hello"),
    "embeddings": lambda service: PollinationsEmbeddings(**service).embed_query("Hello"),
    "upload": lambda service: upload(b"\x89PNG\r\n\x1a\n" + bytes(9), **service),
    "models": lambda service: list_models(**service),
    "account": lambda service: PollinationsAccount(**service).balance(),
}


@pytest.mark.parametrize("call", URLS.values(), ids=URLS)
def test_the_key_is_in_no_url_and_no_body(emulator: Emulator, service: dict[str, Any], call: Any) -> None:
    assert found_in(repr(call(service))) == []
    assert emulator.requests
    assert found_in(repr([(each.raw_path, each.query, each.body) for each in emulator.requests])) == []


# --- Reports and files ------------------------------------------------------------------------------------------------

FAILING_TEST = f"""
import httpx
from langchain_pollinations import ChatPollinations

def test_fails(monkeypatch):
    def refuse(self, request, *args, **options):
        raise httpx.ConnectError("refused", request=request)
    monkeypatch.setattr(httpx.Client, "send", refuse)
    headers = {{"X-Gateway-Key": {HEADER[:6]!r} + {HEADER[6:]!r}}}
    chat = ChatPollinations(api_key={KEY[:6]!r} + {KEY[6:]!r}, default_headers=headers, max_retries=0)
    del headers
    chat.invoke("Hi")
"""


def test_a_report_of_pytest_with_local_variables_shows_no_secret(tmp_path: Path) -> None:
    """pytest shows the variables of each frame, and of all objects that it compares."""
    test = tmp_path / "test_it.py"
    test.write_text(FAILING_TEST, "utf-8")
    options = ["-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(tmp_path), "--showlocals", "-vv"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(test)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )
    assert "ConnectError" in ran.stdout
    assert "chat       = " in ran.stdout
    assert found_in(ran.stdout + ran.stderr) == []


ROOT = Path(__file__).parents[2]
RECORDED = [*(ROOT / "tests" / "cassettes").rglob("*.yaml"), *(ROOT / "notebooks").rglob("*.ipynb")]
LOOKS_SECRET = {
    ".ipynb": r"\b[sp]k_(?!emulator|your|demo|\.\.\.)[A-Za-z0-9_-]{8,}|(?i:bearer) (?!sk_emulator)[\w.-]{8,}",
    ".yaml": r"\b(?:sk|pk|ag)_[A-Za-z0-9]|(?i:cookie|bearer)|(?m:^ +authorization:\n +- (?!PLACEHOLDER$).*$)",
}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_no_recorded_file_holds_a_key(path: Path) -> None:
    assert re.findall(LOOKS_SECRET[path.suffix], path.read_text("utf-8")) == []
