"""What a caller does in the middle of a call, instead of the plain call of a column."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults.columns import PROMPT, Call, Column
from tests.faults.service import FaultyService
from tests.faults.wire import KEY

Act = Callable[[Column, Any, Call, FaultyService], Any]
"""Takes the object of the column. The result is that of the call, or a coroutine that returns it."""


# --- Cancellation -----------------------------------------------------------------------------------------------------


async def cancel_at_every_step(column: Column, made: Any, call: Call, service: FaultyService) -> None:
    """Cancel the call after more and more rounds of the event loop, until it ends before."""
    rounds = 0
    while True:
        task = asyncio.create_task(column.use(made, call))
        for _ in range(rounds):
            await asyncio.sleep(0)
        if not task.cancel():
            break
        with contextlib.suppress(asyncio.CancelledError):
            await task
        call.chunks.clear()
        rounds += 1 + rounds // 3
    await task
    for path in call.folder.iterdir():
        path.unlink()
    task = asyncio.create_task(column.use(made, call))
    await asyncio.sleep(0)
    task.cancel()
    await task


async def time_out(column: Column, made: Any, call: Call, service: FaultyService) -> Any:
    async with asyncio.timeout(0.1):
        return await column.use(made, call)


def interrupt(column: Column, made: Any, call: Call, service: FaultyService) -> Any:
    """SIGINT in the main thread, as from a terminal, when the request has arrived."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_kill"):
        pytest.skip("a signal needs the main thread")

    def send() -> None:
        while not service.requests:
            over.wait(0.005)
        over.wait(0.05)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    over = threading.Event()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=send)
    thread.start()
    try:
        return column.use(made, call)
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)


def abandon(column: Column, made: Any, call: Call, service: FaultyService) -> Any:
    if not column.is_async:
        return next(iter(made.stream(PROMPT))).text

    async def first() -> str:
        async for piece in made.astream(PROMPT):
            return str(piece.text)
        return ""

    return first()


# --- Threads, event loops and processes -------------------------------------------------------------------------------


def use_in_threads(column: Column, made: Any, call: Call, service: FaultyService) -> Any:
    def use(number: int) -> Any:
        folder = call.folder / str(number)
        folder.mkdir()
        mine = Call(folder)
        try:
            return asyncio.run(column.use(made, mine)) if column.is_async else column.use(made, mine)
        finally:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()

    def use_all() -> Any:
        with ThreadPoolExecutor(32) as pool:
            return _same(list(pool.map(use, range(32))))

    return asyncio.to_thread(use_all) if column.is_async else use_all()


def use_in_two_loops(column: Column, made: Any, call: Call, service: FaultyService) -> Any:
    async def both() -> Any:
        other = asyncio.to_thread(asyncio.run, column.use(made, replace(call, chunks=[])))
        return _same(list(await asyncio.gather(column.use(made, call), other)))

    return both()


def _same(answers: list[Any]) -> Any:
    assert all(answer == answers[0] for answer in answers)
    return answers[0]


def close_loop(column: Column, made: Any, call: Call, service: FaultyService) -> Any:
    """Close an event loop whose task waits for a response."""

    def close() -> bool:
        loop = asyncio.new_event_loop()
        task = loop.create_task(column.use(made, call))
        loop.run_until_complete(asyncio.sleep(0.1))
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio would report the task itself
        loop.close()
        del task
        if not isinstance(made, dict):  # functions have no connections of their own
            made.close()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # the socket of the task, which nothing can close
            gc.collect()
        return True

    return asyncio.to_thread(close)


FORKS = f"""
import os, sys, warnings
warnings.simplefilter("ignore")  # Python warns of every fork beside threads
from langchain_pollinations import ChatPollinations
chat = ChatPollinations(base_url=sys.argv[1], api_key="{KEY}")
chat.invoke("{PROMPT}")
children = []
for name in ("one", "two", "three"):
    child = os.fork()
    if not child:
        os._exit(0 if name in chat.invoke(f"I am {{name}}").text else 1)
    children.append(child)
sys.exit(sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


def fork(column: Column, made: Any, call: Call, service: FaultyService) -> bool:
    """Two processes on one connection would read each other's responses."""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    return subprocess.run([sys.executable, "-c", FORKS, service.urls["gen"]], timeout=60).returncode == 0


# --- Files ------------------------------------------------------------------------------------------------------------


def save_in_missing_folder(column: Column, made: Any, call: Call, service: FaultyService) -> Any:
    return column.use(made, Call(call.folder / "missing"))


def save_as_folder(column: Column, made: Any, call: Call, service: FaultyService) -> Any:
    (call.folder / "video.mp4").mkdir()
    return _then(column, made, call, (call.folder / "video.mp4").rmdir)


def save_in_read_only_folder(column: Column, made: Any, call: Call, service: FaultyService) -> Any:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    return _then(column, made, Call(folder), folder.rmdir, _unprivileged)


@contextlib.contextmanager
def _unprivileged() -> Iterator[None]:
    """Give up the rights of root, who may write to any folder."""
    if not hasattr(os, "seteuid"):
        pytest.skip("this system has no user ids")
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def save_in_removed_folder(column: Column, made: Any, call: Call, service: FaultyService) -> Any:
    folder = call.folder / "removed"
    folder.mkdir()

    def remove(genuine: bytes) -> tuple[bytes]:
        if folder.exists():
            folder.rmdir()
        return (genuine,)

    service.break_(remove)
    return column.use(made, Call(folder))


def save_on_full_disk(column: Column, made: Any, call: Call, service: FaultyService) -> Any:
    """The emulator is in the same process. It cannot write a video either, so `FaultyService` has to keep one."""
    if not column.is_async:
        column.use(made, call)
        (call.folder / "video.mp4").unlink()
        return _then(column, made, call, lambda: None, _small_files)

    async def use() -> Any:
        await column.use(made, call)
        (call.folder / "video.mp4").unlink()
        return await _then(column, made, call, lambda: None, _small_files)

    return use()


@contextlib.contextmanager
def _small_files() -> Iterator[None]:
    """Let no file of this process have more than 1,000 bytes."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _then(
    column: Column,
    made: Any,
    call: Call,
    after: Callable[[], None],
    within: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
) -> Any:
    if not column.is_async:
        try:
            with within():
                return column.use(made, call)
        finally:
            after()

    async def use() -> Any:
        try:
            with within():
                return await column.use(made, call)
        finally:
            after()

    return use()
