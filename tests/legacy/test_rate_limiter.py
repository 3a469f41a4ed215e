"""The line before the older hosts: who goes when, whatever happens to those who wait."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import logging
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from langchain_pollinations._legacy.rate_limiter import QUEUE, RequestQueue, Slot
from langchain_pollinations._media.progress import Progress
from langchain_pollinations.errors import APIConnectionError, RateLimitError
from tests.helpers.terminal import Terminal

SLACK = 0.001
"""Seconds that a gap may be short of the pace: what two clocks may differ by."""


@pytest.fixture
def line() -> Iterator[RequestQueue]:
    """A line that the test leaves as it found it."""
    threads = set(threading.enumerate())
    line = RequestQueue()
    yield line
    until(lambda: set(threading.enumerate()) <= threads)
    assert len(line) == 0


def turn(line: RequestQueue, interval: float = 0.02, max_wait: float | None = None, on_wait: Any = False) -> Slot:
    return Slot(interval, max_wait, on_wait, line)


def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that will come about; a hang ends the test."""
    given_up = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < given_up
        time.sleep(0.001)


async def auntil(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.001)


@contextlib.contextmanager
def in_thread(work: Callable[..., object], *args: object) -> Iterator[threading.Thread]:
    """A thread that has ended when the block has."""
    thread = threading.Thread(target=work, args=args, daemon=True)
    thread.start()
    yield thread
    thread.join(60)
    assert not thread.is_alive()


@contextlib.contextmanager
def loop_in_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    with in_thread(loop.run_forever):
        yield loop
        loop.call_soon_threadsafe(loop.stop)
    loop.close()


class Starts(list[tuple[Any, float]]):
    """Who had the turn, and when it began by the line's own record."""

    def take(self, name: object, turn: Slot) -> None:
        with turn.acquire():
            self._note(name, turn)

    async def atake(self, name: object, turn: Slot) -> None:
        async with turn.aacquire():
            self._note(name, turn)

    def _note(self, name: object, turn: Slot) -> None:
        self.append((name, turn.line.began))

    @property
    def names(self) -> list[Any]:
        return [name for name, _ in self]

    @property
    def gaps(self) -> list[float]:
        return [after - before for (_, before), (_, after) in pairwise(self)]


# --- Order and distance -----------------------------------------------------------------------------------------------


def test_threads_and_loops_go_in_the_order_of_their_coming_and_keep_their_distance(line: RequestQueue) -> None:
    starts = Starts()
    running: list[Any] = []
    with loop_in_thread() as one, loop_in_thread() as two, contextlib.ExitStack() as threads:
        with turn(line).acquire():
            for number in range(40):
                if number % 2:
                    threads.enter_context(in_thread(starts.take, number, turn(line)))
                else:
                    loop = one if number % 4 else two
                    running.append(asyncio.run_coroutine_threadsafe(starts.atake(number, turn(line)), loop))
                until(lambda n=number: len(line) == n + 2)
        for each in running:
            each.result(60)
        threads.close()
    assert starts.names == list(range(40))
    assert min(starts.gaps) >= 0.02 - SLACK


def test_all_who_come_at_once_have_their_turn_and_only_one_at_a_time(line: RequestQueue) -> None:
    starts, inside = Starts(), []
    most = 0

    def seen(change: int) -> None:
        nonlocal most
        inside.append(change)
        most = max(most, sum(inside))

    def take(name: object) -> None:
        with turn(line, 0.005).acquire():
            seen(1)
            starts._note(name, turn(line))
            time.sleep(random.uniform(0, 0.01))
            seen(-1)

    async def atake(name: object) -> None:
        async with turn(line, 0.005).aacquire():
            seen(1)
            starts._note(name, turn(line))
            await asyncio.sleep(random.uniform(0, 0.01))
            seen(-1)

    async def atake_all(names: range) -> None:
        await asyncio.gather(*map(atake, names))

    with contextlib.ExitStack() as running:
        for number in range(20):
            running.enter_context(in_thread(take, number))
        for names in (range(20, 30), range(30, 40)):
            running.enter_context(in_thread(asyncio.run, atake_all(names)))
    assert sorted(starts.names) == list(range(40))
    assert min(starts.gaps) >= 0.005 - SLACK
    assert most == 1


def test_each_keeps_the_distance_that_its_own_wrapper_wishes(line: RequestQueue) -> None:
    starts = Starts()
    with contextlib.ExitStack() as running, turn(line).acquire():
        starts._note("first", turn(line))
        for number, interval in enumerate((0.1, 0.01, 0.06)):
            running.enter_context(in_thread(starts.take, interval, turn(line, interval)))
            until(lambda n=number: len(line) == n + 2)
    assert starts.names == ["first", 0.1, 0.01, 0.06]
    for gap, interval in zip(starts.gaps, (0.1, 0.01, 0.06), strict=True):
        assert gap >= interval - SLACK


def test_a_request_under_way_is_waited_for_however_long_it_takes(line: RequestQueue) -> None:
    starts = Starts()
    with contextlib.ExitStack() as running, turn(line).acquire():
        running.enter_context(in_thread(starts.take, "next", turn(line)))
        until(lambda: len(line) == 2)
        time.sleep(0.1)
        assert starts == []
        ended = time.monotonic()
    assert starts[0][1] >= ended


def test_without_a_pace_nobody_waits_but_others_keep_their_distance(line: RequestQueue) -> None:
    starts = Starts()
    with turn(line, 30).acquire():
        starts._note("first", turn(line))
        for _ in range(2):
            time.sleep(0.02)  # longer than the tick of any clock
            starts.take("sync", turn(line, 0))
            time.sleep(0.02)
            asyncio.run(starts.atake("async", turn(line, 0)))
        assert len(line) == 1
    starts.take("paced", turn(line, 0.05))
    assert starts.names == ["first", "sync", "async", "sync", "async", "paced"]
    assert min(starts.gaps) > 0
    assert starts.gaps[-1] >= 0.05 - SLACK


def test_who_begins_without_a_pace_holds_up_those_who_wait_already(line: RequestQueue) -> None:
    starts = Starts()
    with contextlib.ExitStack() as running, turn(line).acquire():
        running.enter_context(in_thread(starts.take, "paced", turn(line, 0.1)))
        until(lambda: len(line) == 2)
        time.sleep(0.1)
        starts.take("unpaced", turn(line, 0))
    assert starts.names == ["unpaced", "paced"]
    assert starts.gaps[0] >= 0.1 - SLACK


def test_the_first_request_of_a_process_waits_for_nothing(line: RequestQueue) -> None:
    with turn(line, 30, max_wait=0).acquire():
        assert len(line) == 1


def test_the_process_has_one_line() -> None:
    assert Slot(30, None, None).line is Slot(3, 1, False).line is QUEUE


# --- Those who give up ------------------------------------------------------------------------------------------------


class OwnError(Exception):
    pass


async def test_an_error_inside_of_a_turn_ends_it(line: RequestQueue) -> None:
    with pytest.raises(OwnError):
        with turn(line).acquire():
            raise OwnError
    assert len(line) == 0
    with pytest.raises(OwnError):
        async with turn(line).aacquire():
            raise OwnError


def unsent() -> APIConnectionError:
    error = APIConnectionError("no connection")
    error.was_sent = False
    return error


async def test_nobody_keeps_a_distance_from_a_request_that_was_not_sent(line: RequestQueue) -> None:
    for _ in range(2):
        with pytest.raises(APIConnectionError):
            with turn(line, 600).acquire():
                raise unsent()
        with pytest.raises(APIConnectionError):
            async with turn(line, 600).aacquire():
                raise unsent()


def test_who_waits_behind_a_request_that_was_not_sent_goes_at_once(line: RequestQueue) -> None:
    starts = Starts()
    with contextlib.ExitStack() as threads, pytest.raises(APIConnectionError):
        with turn(line, 600).acquire():
            threads.enter_context(in_thread(starts.take, "next", turn(line, 600)))
            until(lambda: len(line) == 2)
            raise unsent()
    assert starts.names == ["next"]


def test_the_distance_to_the_request_before_one_that_was_not_sent_is_kept(line: RequestQueue) -> None:
    starts = Starts()
    starts.take("first", turn(line))
    with pytest.raises(APIConnectionError):
        with turn(line, 0.001).acquire():
            raise unsent()
    starts.take("second", turn(line, 0.3))
    assert starts.gaps[0] >= 0.3 - SLACK


def test_a_request_that_goes_out_beside_one_that_was_not_sent_counts(line: RequestQueue) -> None:
    with pytest.raises(APIConnectionError):
        with turn(line, 600).acquire():
            with turn(line, 0).acquire():
                pass
            raise unsent()
    with pytest.raises(RateLimitError):
        with turn(line, 600, max_wait=0).acquire():
            raise AssertionError


async def test_an_error_of_who_is_told_gives_the_place_back(line: RequestQueue) -> None:
    def fail(progress: Progress) -> None:
        raise OwnError

    line.note()
    with pytest.raises(OwnError):
        with turn(line, 30, on_wait=fail).acquire():
            raise AssertionError
    assert len(line) == 0
    with pytest.raises(OwnError):
        async with turn(line, 30, on_wait=fail).aacquire():
            raise AssertionError


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system cannot send a signal to a thread")
def test_ctrl_c_wakes_a_thread_that_waits_and_gives_its_place_back(line: RequestQueue) -> None:
    starts = Starts()
    line.note()

    def interrupt() -> None:
        until(lambda: len(line) == 1)
        with in_thread(starts.take, "next", turn(line, 0.1)):
            until(lambda: len(line) == 2)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with in_thread(interrupt):
        with pytest.raises(KeyboardInterrupt):
            with turn(line, 600).acquire():
                raise AssertionError
    assert starts.names == ["next"]


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system cannot send a signal to a thread")
def test_a_task_that_a_signal_cancels_does_not_wait_for_something_else_to_wake_its_loop(line: RequestQueue) -> None:
    tasks: list[asyncio.Task[None]] = []
    handler = signal.signal(signal.SIGUSR1, lambda *_: tasks[0].cancel())  # as notebooks do for who stops a cell

    def interrupt() -> None:
        until(lambda: len(line) == 1)
        time.sleep(0.05)  # now the loop sleeps
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    async def main() -> None:
        line.note()
        tasks.append(asyncio.create_task(Starts().atake("never", turn(line, 20))))
        await asyncio.wait(tasks)

    with in_thread(interrupt):
        asyncio.run(main())
    signal.signal(signal.SIGUSR1, handler)
    assert tasks[0].cancelled()
    assert line.wait(20) > 10


@pytest.mark.parametrize("steps", range(6))
@pytest.mark.parametrize("first", ["leave", "cancel"])
async def test_a_cancellation_at_the_moment_of_the_hand_over_loses_no_turn(
    line: RequestQueue, first: str, steps: int
) -> None:
    starts = Starts()
    async with turn(line).aacquire():
        one, two = (asyncio.create_task(starts.atake(name, turn(line))) for name in ("one", "two"))
        await auntil(lambda: len(line) == 3)
        await asyncio.sleep(0.03)  # so that nothing but this turn holds them up
        if first == "cancel":
            one.cancel()
            for _ in range(steps):
                await asyncio.sleep(0)
    if first == "leave":
        for _ in range(steps):
            await asyncio.sleep(0)
        one.cancel()
    await asyncio.wait([one, two], timeout=60)
    assert starts.names[-1] == "two"
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_nothing_is_left_of_a_wait(line: RequestQueue) -> None:
    tasks, timers = asyncio.all_tasks(), _timers()
    line.note()
    await Starts().atake("patient", turn(line))
    given_up = asyncio.create_task(Starts().atake("given up", turn(line, 600)))
    await auntil(lambda: len(line) == 1)
    given_up.cancel()
    await asyncio.wait([given_up])
    assert asyncio.all_tasks() == tasks
    assert _timers() <= timers


def _timers() -> set[asyncio.TimerHandle]:
    loop: Any = asyncio.get_running_loop()
    return {each for each in loop._scheduled if not each.cancelled()}


async def test_a_cancellation_just_after_the_turn_was_taken_gives_it_back(line: RequestQueue) -> None:
    acquire = asyncio.Event()

    async def hold() -> None:
        async with turn(line).aacquire():
            acquire.set()
            await asyncio.sleep(600)

    task = asyncio.create_task(hold())
    await acquire.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    async with asyncio.timeout(60), turn(line).aacquire():
        assert len(line) == 1


@pytest.mark.parametrize("seed", range(3))
def test_a_storm_of_cancellations_leaves_the_line_empty_and_of_use(line: RequestQueue, seed: int) -> None:
    """Two loops whose tasks are cancelled at random, waiting or in their turn, and threads that lose patience."""
    interval = 0.002
    starts, fates = Starts(), list[str]()

    async def visit(chance: random.Random) -> None:
        async with turn(line, interval).aacquire():
            starts._note("task", turn(line))
            await asyncio.sleep(chance.uniform(0, 0.002))

    async def storm(seed: int) -> None:
        chance = random.Random(seed)
        tasks = []
        for _ in range(120):
            tasks.append(asyncio.create_task(visit(chance)))
            if chance.random() < 0.6:
                asyncio.get_running_loop().call_later(chance.uniform(0, 0.2), tasks[-1].cancel)
            if chance.random() < 0.5:
                await asyncio.sleep(chance.uniform(0, 0.002))
        await asyncio.wait(tasks, timeout=60)
        for task in tasks:
            fates.append("cancelled" if task.cancelled() else "had")
            assert task.cancelled() or task.exception() is None
        assert asyncio.all_tasks() == {asyncio.current_task()}

    def press(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(20):
            try:
                with turn(line, interval, max_wait=chance.uniform(0, 0.3)).acquire():
                    starts._note("thread", turn(line))
                    fates.append("had")
            except RateLimitError:
                fates.append("impatient")

    with contextlib.ExitStack() as running:
        for number in range(2):
            running.enter_context(in_thread(asyncio.run, storm(10 * seed + number)))
        for number in range(4):
            running.enter_context(in_thread(press, 100 * seed + number))
    assert len(fates) == 2 * 120 + 4 * 20
    assert min(fates.count("had"), fates.count("cancelled")) > 20
    assert len(line) == 0
    assert min(starts.gaps) >= interval - SLACK
    starts.take("afterwards", turn(line, interval))
    assert starts.names[-1] == "afterwards"


def test_a_coroutine_that_is_thrown_away_gives_its_place_back_even_inside_of_the_line(line: RequestQueue) -> None:
    """As the garbage collector does, wherever it runs."""
    line.note()

    async def begin() -> Coroutine[Any, Any, None]:
        waiting = Starts().atake("never", turn(line, 600))
        waiting.send(None)
        return waiting

    waiting = asyncio.run(begin())
    assert len(line) == 1
    with line._lock:
        waiting.close()
        assert len(line) == 0


# --- Loops that do not go on ------------------------------------------------------------------------------------------


class Left:
    """An event loop in which tasks wait, or hold the turn, and which is not run any more."""

    def __init__(self, *waiting: Coroutine[Any, Any, None]) -> None:
        self.loop = asyncio.new_event_loop()
        self.tasks = [self.loop.create_task(each) for each in waiting]

    def run(self, is_so: Callable[[], bool]) -> None:
        self.loop.run_until_complete(auntil(is_so))

    def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.wait(self.tasks))
        self.loop.close()


async def hold_for_ever(turn: Slot) -> None:
    async with turn.aacquire():
        await asyncio.sleep(600)


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "stopped"])
def test_those_whose_loop_does_not_run_any_more_are_passed_over(line: RequestQueue, is_closed: bool) -> None:
    starts = Starts()
    line.note()
    left = Left(*(starts.atake("left", turn(line, 0.3)) for _ in range(3)))
    left.run(lambda: len(line) == 3)
    if is_closed:
        left.loop.close()
    with in_thread(starts.take, "next", turn(line, 0.1)):
        pass
    assert starts.names == ["next"]
    assert len(line) == (0 if is_closed else 3)
    if not is_closed:  # it is run again: nobody has lost his place
        left.loop.run_until_complete(asyncio.wait(left.tasks, timeout=60))
        assert starts.names == ["next", "left", "left", "left"]
        left.loop.close()
    del left
    gc.collect()  # here, and not in a test that looks at the log: "Task was destroyed but it is pending!"


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "stopped"])
def test_a_turn_whose_loop_does_not_run_any_more_is_over(line: RequestQueue, is_closed: bool) -> None:
    starts = Starts()
    left = Left(hold_for_ever(turn(line)))
    left.run(lambda: len(line) == 1)
    if is_closed:
        left.loop.close()
    with in_thread(starts.take, "next", turn(line)):
        pass
    assert starts.names == ["next"]
    if not is_closed:
        left.end()
    del left
    gc.collect()  # as above


def test_a_loop_that_stops_in_the_middle_of_a_turn_is_found_out_by_those_who_wait(line: RequestQueue) -> None:
    starts = Starts()
    left = Left(hold_for_ever(turn(line)))
    with contextlib.ExitStack() as running:
        with in_thread(left.loop.run_forever):
            until(lambda: len(line) == 1)
            told: list[Progress] = []
            running.enter_context(in_thread(starts.take, "next", turn(line, 0.3, on_wait=told.append)))
            until(lambda: len(told) == 1)  # its time has come, and somebody is busy
            time.sleep(0.4)  # it looks again, and there is nothing new to tell
            assert (starts, len(told)) == ([], 1)
            left.loop.call_soon_threadsafe(left.loop.stop)
    assert starts.names == ["next"]
    left.end()


def test_a_loop_that_stops_is_found_out_by_those_behind_its_tasks(line: RequestQueue) -> None:
    starts = Starts()
    left = Left(hold_for_ever(turn(line)), starts.atake("left", turn(line, 0.6)))
    with contextlib.ExitStack() as running:
        with in_thread(left.loop.run_forever):
            until(lambda: len(line) == 2)
            running.enter_context(in_thread(starts.take, "next", turn(line, 0.6)))
            until(lambda: len(line) == 3)
            left.loop.call_soon_threadsafe(left.loop.stop)
    assert starts.names == ["next"]
    left.end()


@pytest.mark.parametrize("before", ["waiting", "under way"])
async def test_a_thread_that_holds_up_its_own_loop_does_not_wait_for_it(line: RequestQueue, before: str) -> None:
    """`invoke` where `ainvoke` should be awaited: bad, but no reason to stand still for ever."""
    starts = Starts()
    line.note()
    task = asyncio.create_task(hold_for_ever(turn(line, 600 if before == "waiting" else 0.02)))
    await auntil(lambda: len(line) == 1)
    began = line.began
    starts.take("here", turn(line))
    assert starts[0][1] - began >= 0.02 - SLACK
    task.cancel()
    await asyncio.wait([task])


# --- Patience ---------------------------------------------------------------------------------------------------------


async def refused(way: str, turn: Slot) -> RateLimitError:
    with pytest.raises(RateLimitError) as caught:
        if way == "sync":
            with turn.acquire():
                raise AssertionError
        else:
            async with turn.aacquire():
                raise AssertionError
    return caught.value


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_who_would_wait_too_long_is_told_so_at_once(line: RequestQueue, way: str) -> None:
    line.note()
    waiting = asyncio.create_task(Starts().atake("before", turn(line, 20)))
    await auntil(lambda: len(line) == 1)
    error = await asyncio.to_thread(asyncio.run, refused(way, turn(line, 30, max_wait=40)))
    assert len(line) == 1  # it has taken no place
    assert not error.is_retryable
    assert error.fix_url == "https://enter.pollinations.ai/keys"
    assert error.retry_after is not None
    assert 40 < error.retry_after <= 50
    told = str(error)
    assert re.search(r"would have to wait about \d\d s \(1 ahead in the queue\), and at most 40 s are allowed", told)
    assert "one request per 30 s" in told
    assert told.count("https://enter.pollinations.ai/keys") == 1
    waiting.cancel()
    await asyncio.wait([waiting])


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_patience_ends_where_others_take_longer_than_foreseen(line: RequestQueue, way: str) -> None:
    interval = 30
    with turn(line).acquire():
        line.began -= interval
        since = time.monotonic()
        error = await asyncio.to_thread(asyncio.run, refused(way, turn(line, interval, max_wait=1.2)))
        assert 1.2 - SLACK <= time.monotonic() - since < interval
        assert len(line) == 1
    assert re.search(
        r"has waited \d\.\d s and would still have to wait until the request under way is done "
        r"\(1 ahead in the queue\), and at most 1\.2 s are allowed",
        str(error),
    )
    assert not error.is_retryable


async def test_who_has_the_patience_waits(line: RequestQueue) -> None:
    starts = Starts()
    line.note()
    starts.take("sync", turn(line, 0.05, max_wait=5))
    await starts.atake("async", turn(line, 0.05, max_wait=5))
    assert starts.names == ["sync", "async"]


def test_an_impatient_one_is_served_if_it_need_not_wait(line: RequestQueue) -> None:
    line.note()
    time.sleep(0.03)
    with turn(line, 0.02, max_wait=0).acquire():
        assert len(line) == 1


# --- Being told -------------------------------------------------------------------------------------------------------


WORDS = r"Waiting about \d\d s{}: without a key the service takes one request per 30 s from an address"


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_who_waits_is_told_why_and_again_when_those_before_have_gone(
    line: RequestQueue, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[Progress, threading.Thread]] = []

    def tell(progress: Progress) -> None:
        told.append((progress, threading.current_thread()))
        if len(told) == 2:
            raise OwnError  # enough: nobody waits for a minute

    caplog.set_level(logging.INFO, "langchain_pollinations._legacy.rate_limiter")
    line.note()
    before = [asyncio.create_task(Starts().atake("before", turn(line, 30))) for _ in range(2)]
    await auntil(lambda: len(line) == 2)
    caplog.clear()

    def take() -> None:
        with pytest.raises(OwnError):
            if way == "sync":
                Starts().take("later", turn(line, 30, on_wait=tell))
            else:
                asyncio.run(Starts().atake("later", turn(line, 30, on_wait=tell)))

    with in_thread(take) as thread:
        await auntil(lambda: len(told) == 1)
        before[0].cancel()
        await auntil(lambda: len(told) == 2)
    before[1].cancel()
    await asyncio.wait(before)
    (first, one), (second, two) = told
    assert one is two is thread
    assert (first.stage, second.stage) == ("queued", "queued")
    assert first.left is not None
    assert second.left is not None
    assert 60 < first.left <= 90
    assert 30 < second.left <= 60
    assert first.seconds <= second.seconds
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert re.fullmatch(WORDS.format(r" \(2 ahead in the queue\)"), record.getMessage())


def test_a_wait_that_nobody_foresaw_is_told_when_it_has_become_long(line: RequestQueue) -> None:
    told: list[Progress] = []
    interval = 30
    with contextlib.ExitStack() as running, turn(line).acquire():
        line.began -= interval
        running.enter_context(in_thread(Starts().take, "next", turn(line, interval, on_wait=told.append)))
        until(lambda: len(told) > 0)
    assert [each.left for each in told] == [None]
    assert 1 - SLACK <= told[0].seconds < interval


def test_a_short_wait_is_not_worth_a_word(
    line: RequestQueue, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[Progress] = []
    caplog.set_level(logging.INFO)
    for progress in (told.append, True):
        line.note()
        Starts().take("now", turn(line, 0.1, on_wait=progress))
    assert (told, caplog.records, capsys.readouterr().err) == ([], [], "")


class Pieces(io.StringIO):
    """A stream that remembers in which pieces it was written."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return super().write(text)


def test_lines_of_several_threads_do_not_run_into_one_another(
    line: RequestQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", seen := Pieces())
    line.note()
    Starts().take("next", turn(line, 1.2, on_wait=True))
    assert len(seen.pieces) == 1
    assert seen.pieces[0].endswith("address\n")


@pytest.mark.parametrize(("stream", "progress", "is_shown"), [
    (Terminal, None, True),
    (Terminal, False, False),
    (Terminal, lambda told: None, False),
    (io.StringIO, None, False),
    (io.StringIO, True, True),
    (io.StringIO, False, False),
])  # fmt: skip
async def test_a_line_is_shown_where_somebody_sees_it(
    line: RequestQueue, monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], progress: Any, is_shown: bool
) -> None:
    seen = stream()
    monkeypatch.setattr(sys, "stderr", seen)
    line.note()
    task = asyncio.create_task(Starts().atake("never", turn(line, 30, on_wait=progress)))
    await auntil(lambda: len(line) == 1)
    task.cancel()
    await asyncio.wait([task])
    assert re.fullmatch(WORDS.format("") + "\n" if is_shown else "", seen.getvalue())


def test_a_notebook_sees_the_line_too(line: RequestQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: kernel))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    line.note()
    with in_thread(Starts().take, "next", turn(line, 1.2, on_wait=None)):
        pass
    assert "without a key the service takes one request per 1.2 s" in sys.stderr.getvalue()


# --- Processes --------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_a_line_of_its_own_and_remembers_the_last_request() -> None:
    code = textwrap.dedent("""
        import os, sys, threading, time, warnings
        warnings.simplefilter("ignore")  # Python warns of every fork beside threads
        from langchain_pollinations._legacy.rate_limiter import QUEUE, Slot

        def wait():
            with Slot(600, None, False).acquire():
                pass

        with Slot(0.2, None, False).acquire():
            began = QUEUE.began
            for _ in range(3):
                threading.Thread(target=wait, daemon=True).start()
            while len(QUEUE) < 4:
                time.sleep(0.001)
            child = os.fork()
            if not child:
                assert len(QUEUE) == 0 and QUEUE.began == began
                with Slot(0.2, None, False).acquire():
                    assert QUEUE.began - began >= 0.199, QUEUE.began - began
                os._exit(0)
            failed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            assert len(QUEUE) == 4
        sys.exit(failed)
    """)
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_a_refusal_can_be_pickled(line: RequestQueue) -> None:
    line.note()
    error = asyncio.run(refused("sync", turn(line, 30, max_wait=1)))
    twin = pickle.loads(pickle.dumps(error))
    assert (str(twin), twin.retry_after, twin.is_retryable) == (str(error), error.retry_after, False)
