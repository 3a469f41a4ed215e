"""Fixtures: the emulator, a chat model that asks it, four ways of asking, the service's contract."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import json
import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any
from unittest import mock

import jsonschema
import pytest
from hypothesis import settings
from langchain_core.messages import AIMessage, AIMessageChunk

from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.media import Media
from tests.cassettes import vcr_cassette_dir, vcr_config  # noqa: F401  # pytest-recording's settings

# The live tests ask the service, and are there only for those who asked for them.
_LIVE = {"live/test_service.py": "POLLINATIONS_LIVE_KEY", "live/test_legacy_hosts.py": "POLLINATIONS_LIVE_LEGACY"}
collect_ignore = [path for path, wish in _LIVE.items() if not os.environ.get(wish)]

Ask = Callable[..., AIMessage]

# What a random search finds at home is worth having; on somebody else's change it would only confuse.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key or address of the person who runs the tests must not reach them."""
    for name in ("API_KEY", "BASE_URL", "LEGACY_TEXT_URL", "LEGACY_IMAGE_URL"):
        monkeypatch.delenv(f"POLLINATIONS_{name}", raising=False)


@pytest.fixture
def emulator(pollinations_emulator: Emulator) -> Emulator:
    return pollinations_emulator


@pytest.fixture
def chat(emulator: Emulator) -> ChatPollinations:
    return ChatPollinations(**emulator.connection())


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
"""Every form in which LangChain hands out an answer: four ways of asking, the content as v0 and v1, v3 events."""


@pytest.fixture(params=FORMS)
def ask_in_any_form(request: pytest.FixtureRequest) -> Ask:
    """As `ask`, in every form there is; compare with `blocks(answer)`, since only v0 keeps text as a string."""
    return FORMS[request.param]


def blocks(message: AIMessage) -> list[dict[str, Any]]:
    """The content blocks of an answer, without what only tells places in a stream."""
    return [{key: value for key, value in block.items() if key != "index"} for block in message.content_blocks]


@pytest.fixture(params=WAYS)
def ask(request: pytest.FixtureRequest) -> Ask:
    """`ask(model, input, **options)`: the same question, asked in the four ways there are."""
    return WAYS[request.param]


MAKING: dict[str, Callable[..., Media]] = {
    "generate": lambda maker, *prompt, **options: maker.generate(*prompt, **options),
    "agenerate": lambda maker, *prompt, **options: asyncio.run(maker.agenerate(*prompt, **options)),
    "invoke": lambda maker, prompt="", **options: maker.invoke(prompt, **options),
    "ainvoke": lambda maker, prompt="", **options: asyncio.run(maker.ainvoke(prompt, **options)),
}
"""The four ways in which the wrappers of media are asked."""


@pytest.fixture
def loadable() -> Iterator[None]:
    """`load` takes only classes of a table in langchain-core, in which no package outside LangChain's own stands; users
    name ours with `allowed_objects=[ChatPollinations]`, which LangChain's standard test does not."""
    # By name, since the package hides the module behind a function called `load`.
    loading = importlib.import_module("langchain_core.load.load")
    path = tuple(ChatPollinations.lc_id())
    with mock.patch.dict(loading.ALL_SERIALIZABLE_MAPPINGS, {path: path}):
        loading._default_class_paths_cache.clear()
        yield
    loading._default_class_paths_cache.clear()


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


@contextlib.contextmanager
def serve(handler: type[socketserver.BaseRequestHandler]) -> Iterator[str]:
    """The address of a server that handles each connection in a thread of its own."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@pytest.fixture(scope="session")
def contract() -> Path:
    """The folder with the service's own schemas and recorded exchanges."""
    folder = Path(os.environ.get("POLLINATIONS_CONTRACT", Path(__file__).parents[2] / "shared" / "contract"))
    if not folder.is_dir():
        pytest.skip(f"the service's contract is not here ({folder.name}); POLLINATIONS_CONTRACT may point to it")
    return folder


@pytest.fixture(scope="session")
def example(contract: Path) -> Callable[[str], Any]:
    return lambda name: json.loads((contract / "examples" / f"{name}.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def validator(request: pytest.FixtureRequest) -> jsonschema.Draft202012Validator:
    """The service's own schema of a request; where its contract is not at hand, the tables here have to do."""
    try:
        contract = request.getfixturevalue("contract")
    except pytest.skip.Exception:
        return jsonschema.Draft202012Validator({})
    schema = json.loads((contract / "chat_completions.request.schema.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(schema)
