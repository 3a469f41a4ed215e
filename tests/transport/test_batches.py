"""Batches: results as they are completed, a bar that counts them, and one request at a time on the legacy hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig

from langchain_pollinations import (
    ChatPollinations,
    InvalidRequestError,
    Pollinations3D,
    PollinationsImage,
    PollinationsImageTool,
    PollinationsMusic,
    PollinationsSpeech,
    PollinationsVideo,
    Progress,
)
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.emulator.legacy import Legacy
from langchain_pollinations.errors import PollinationsError

RUNNABLES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "chat": lambda service: ChatPollinations(**service),
    "chat with options": lambda service: ChatPollinations(**service).bind(seed=7),
    "image": lambda service: PollinationsImage(width=8, height=8, **service),
    "video": lambda service: PollinationsVideo(model="veo", duration=4, **service),
    "speech": lambda service: PollinationsSpeech(**service),
    "music": lambda service: PollinationsMusic(duration=3, **service),
    "3d": lambda service: Pollinations3D(model="rodin", **service),
    "tool": lambda service: PollinationsImageTool(width=8, height=8, **service),
}


def inputs_of(kind: str, texts: list[str]) -> list[Any]:
    return [{"prompt": text} for text in texts] if kind == "tool" else list(texts)


def completed(runnable: Any, inputs: list[Any], *, is_async: bool, **options: Any) -> dict[int, Any]:
    if not is_async:
        return dict(runnable.batch_as_completed(inputs, **options))

    async def collect() -> dict[int, Any]:
        return {index: result async for index, result in runnable.abatch_as_completed(inputs, **options)}

    return asyncio.run(collect())


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("kind", ["image", "video", "speech", "music", "3d"])
def test_the_results_of_a_batch_cannot_have_one_path(
    emulator: Emulator, tmp_path: Path, kind: str, is_async: bool
) -> None:
    for runnable in (wrapper := RUNNABLES[kind](emulator.connection()), wrapper.bind(seed=3)):
        with pytest.raises(InvalidRequestError, match="path: the 2 results of a batch cannot have one path"):
            completed(runnable, ["one", "two"], is_async=is_async, path=tmp_path / "same")
    with pytest.raises(InvalidRequestError, match="call batch or abatch$|not accept a dialogue"):
        wrapper.generate(["one", "two"])
    assert len(emulator.requests) == 0
    assert completed(wrapper, ["one"], is_async=is_async, path=tmp_path / "alone")[0].path is not None


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("kind", RUNNABLES)
def test_every_runnable_yields_its_results_and_shows_how_many(
    emulator: Emulator, capsys: pytest.CaptureFixture[str], kind: str, is_async: bool
) -> None:
    runnable = RUNNABLES[kind](emulator.connection())
    results = completed(runnable, inputs_of(kind, ["one", "two"]), is_async=is_async, progress=True)
    assert results.keys() == {0, 1} and all(results.values())
    shown = capsys.readouterr().err
    assert "2/2" in shown and "waiting" not in shown  # one bar, not one for each call
    assert completed(runnable, [], is_async=is_async, progress=True) == {}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("is_async", [False, True])
def test_a_whole_batch_has_the_bar_too(emulator: Emulator, capsys: pytest.CaptureFixture[str], is_async: bool) -> None:
    chat = ChatPollinations(**emulator.connection())
    asked = ["one", "two", "three"]
    answers = asyncio.run(chat.abatch(asked, progress=True)) if is_async else chat.batch(asked, progress=True)
    assert [answer.text for answer in answers] == [chat.invoke(each).text for each in asked]
    assert "3/3" in capsys.readouterr().err
    assert all("progress" not in request.json for request in emulator.requests)


@pytest.mark.parametrize("is_async", [False, True])
def test_errors_may_be_results(emulator: Emulator, is_async: bool) -> None:
    emulator.fail(400)
    chat = ChatPollinations(**emulator.connection())
    found = completed(chat, ["one", "two"], is_async=is_async, return_exceptions=True, progress=True)
    assert sorted(isinstance(each, PollinationsError) for each in found.values()) == [False, True]


@pytest.mark.parametrize("call", ["abatch", "abatch_as_completed"])
def test_an_error_cancels_the_other_requests_of_an_async_batch(emulator: Emulator, call: str) -> None:
    async def act() -> set[asyncio.Task[Any]]:
        before = asyncio.all_tasks()
        chat, asked = ChatPollinations(**emulator.connection()), [f"number {number}" for number in range(20)]
        config: RunnableConfig = {"max_concurrency": 4}
        with pytest.raises(PollinationsError):
            if call == "abatch":
                await chat.abatch(asked, config)
            async for _ in chat.abatch_as_completed(asked, config):
                pass
        return asyncio.all_tasks() - before

    emulator.fail(400)
    emulator.latency = 0.5
    assert asyncio.run(act()) == set()
    assert len(emulator.ledger) == 0 and len(emulator.requests) <= 5


@pytest.mark.parametrize("is_async", [False, True])
def test_a_function_receives_the_progress_of_each_call(emulator: Emulator, is_async: bool) -> None:
    told: list[Progress] = []
    painter = PollinationsImage(width=8, height=8, **emulator.connection())
    completed(painter, ["one", "two"], is_async=is_async, progress=told.append)
    assert [each.stage for each in told].count("done") == 2
    with pytest.raises(InvalidRequestError, match="^progress: must be True, False or None"):
        completed(ChatPollinations(**emulator.connection()), ["one"], is_async=is_async, progress=told.append)


@pytest.mark.parametrize("call", ["batch", "abatch", "batch_as_completed", "abatch_as_completed"])
def test_on_the_legacy_hosts_one_request_follows_another(legacy: Legacy, call: str) -> None:
    """All at once, the third would wait for longer than is allowed."""
    legacy.interval = 0.1
    limits = {"legacy_interval": 0.15, "legacy_max_wait": 0.2, "on_wait": False}
    chat = ChatPollinations(**{**legacy.connection(), **limits})
    asked = ["one", "two", "three", "four"]
    if call.endswith("completed"):
        assert list(completed(chat, asked, is_async=call.startswith("a"))) == [0, 1, 2, 3]
    else:
        answers = asyncio.run(chat.abatch(asked)) if call == "abatch" else chat.batch(asked)
        assert len(answers) == 4
