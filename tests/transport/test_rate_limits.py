"""The rate limits of models: requests wait before the service refuses them, and a refusal delays all of a model."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.rate_limiters import BaseRateLimiter, InMemoryRateLimiter

from langchain_pollinations import (
    ChatPollinations,
    InvalidRequestError,
    PollinationsEmbeddings,
    PollinationsImage,
    PollinationsSpeech,
    PollinationsTranscriber,
    Progress,
    RateLimitError,
)
from langchain_pollinations._transport.rate_limits import MARGIN, PERIOD, RateLimits, Window, limit_in
from langchain_pollinations.emulator import Emulator

SECONDS = 0.4
"""The length of a minute, for client and emulator."""


@pytest.fixture
def minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short minute. The service names whole seconds, so a refusal delays for at least one second."""
    monkeypatch.setattr("langchain_pollinations._transport.rate_limits.PERIOD", SECONDS)
    monkeypatch.setattr("langchain_pollinations._transport.rate_limits.MARGIN", 0.2)
    monkeypatch.setattr("langchain_pollinations._transport.rate_limits.SILENT_WAIT", 0.1)
    monkeypatch.setattr("langchain_pollinations.emulator.service.accounts.MINUTE", SECONDS)


@pytest.fixture
def service(minute: None) -> Iterator[Emulator]:
    """An emulator with the models `community/x/slow`, which the snapshot lacks, and `community/x/other`."""
    models = [
        {
            "name": f"community/x/{name}", "aliases": [], "category": "text", "publisher": "x", "community": True,
            "title": name, "pricing": {"currency": "pollen"}, "capabilities": [], "per_user_rpm": rpm,
            "supported_endpoints": ["/v1/chat/completions"],
        }
        for name, rpm in (("slow", 12), ("other", None))
    ]  # fmt: skip
    with Emulator(models=models) as emulator:
        yield emulator


def waiting(service: Emulator, **fields: Any) -> dict[str, Any]:
    return {"wait_for_rate_limit": True, "on_wait": False, **service.connection(), **fields}


def painter(service: Emulator, **fields: Any) -> PollinationsImage:
    return PollinationsImage(model="flux", width=8, height=8, **waiting(service, **fields))


def statuses(service: Emulator) -> tuple[int, int]:
    """The numbers of requests that were accepted and refused."""
    return len(service.ledger), len(service.requests) - len(service.ledger)


# --- Windows ----------------------------------------------------------------------------------------------------------


def take(window: Window, count: int) -> list[float]:
    return [window.take(window.enter()) for _ in range(count)]


@pytest.mark.parametrize(
    ("rpm", "most", "seconds"),
    [(60, 60, 60), (12, 12, 60), (1, 1, 60), (0.5, 1, 120), (1.5, 2, 80)],
)
def test_a_window_has_a_number_of_requests_and_a_length(rpm: float, most: int, seconds: float) -> None:
    window = Window(rpm)
    waits = take(window, 3 * most)
    assert waits[:most] == [0] * most
    assert waits[most:] == pytest.approx([seconds + MARGIN] * most + [2 * (seconds + MARGIN)] * most, abs=1)
    assert window.waiting == 2 * most


def test_a_request_that_leaves_or_was_not_counted_frees_its_place() -> None:
    window = Window(1)
    first, second, third = (window.enter() for _ in range(3))
    assert window.take(first) == 0
    assert window.take(third) == pytest.approx(2 * (PERIOD + MARGIN), abs=1)
    window.leave(second)
    window.leave(second)
    assert window.take(third) == pytest.approx(PERIOD + MARGIN, abs=1)
    window.give_back(first)
    window.give_back(first)
    assert window.take(third) == 0 and window.waiting == 0
    assert window.take(window.enter()) == pytest.approx(PERIOD + MARGIN, abs=1)


@pytest.mark.parametrize(
    ("after", "waits"),
    [(60, [61, 61, 61, 61]), (1, [2, 17, 32, 47]), (31, [32, 39, 46.5, 54])],
    ids=["the service has just counted all", "an old one ends now", "half of the time"],
)
def test_a_refusal_that_names_the_limit_fills_the_window(after: float, waits: list[float]) -> None:
    window = Window(None)
    assert take(window, 100) == [0] * 100
    window.refuse(after, 4)
    assert window.rpm == 4
    assert take(window, 4) == pytest.approx(waits, abs=1.5)


def test_a_refusal_without_a_limit_is_a_pause() -> None:
    window = Window(None)
    window.refuse(30, None)
    assert take(window, 9) == pytest.approx([31] * 9, abs=0.5)


def test_requests_that_are_never_checked_again_stop_no_other_request(
    monkeypatch: pytest.MonkeyPatch, minute: None
) -> None:
    monkeypatch.setattr("langchain_pollinations._transport.rate_limits.MAX_DELAY", 0.05)
    window = Window(1)
    left = take(window, 4)  # as in an event loop that is closed while three tasks wait
    assert left[0] == 0 < left[1]
    for _ in range(2):  # the second does not wait for them again
        ticket, given_up = window.enter(), time.monotonic() + 30
        while seconds := window.take(ticket):
            assert time.monotonic() < given_up
            time.sleep(seconds / 10)
    assert window.take(window.enter()) <= SECONDS + 0.2


@pytest.mark.parametrize(
    ("limit", "rpm"),
    [("0.5", 0.5), ("60", 60), ("0.01", 0.01), ("10000", 10_000)]
    + [(wrong, None) for wrong in ("0", "0.0000001", "10001", "9" * 400, "-1", "nan")],
)
def test_a_plausible_limit_is_read_from_the_message(limit: str, rpm: float | None) -> None:
    assert limit_in(RateLimitError(f"Per-user limit of {limit} RPM exceeded for model x")) == rpm
    assert limit_in(RateLimitError(f"{limit} RPM exceeded")) is None


def test_unused_windows_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langchain_pollinations._transport.rate_limits.MAX_WINDOWS", 10)
    limits = RateLimits()
    assert limits.find(("", "", "openai")) is None
    used = limits.find(("", "", "flux"))
    assert used is not None and used.take(used.enter()) == 0
    for number in range(50):
        limits.learn(("", str(number), "openai"))
    assert len(limits._windows) <= 10 and limits.find(("", "", "flux")) is used


# --- Requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
def test_a_batch_of_150_images_loses_none(service: Emulator, is_async: bool) -> None:
    prompts = [f"cat {number}" for number in range(150)]
    began = time.monotonic()
    images = asyncio.run(painter(service).abatch(prompts)) if is_async else painter(service).batch(prompts)
    assert [image.prompt for image in images] == prompts
    accepted, _ = statuses(service)  # a busy machine may take longer than the margin of the short minute
    assert accepted == 150
    assert time.monotonic() - began > 2 * SECONDS  # 60 at once, and two waits


def test_stored_responses_do_not_count(service: Emulator) -> None:
    for _ in range(150):
        painter(service).generate("a cat")
    assert statuses(service) == (1, 149)
    assert service.requests[-1].at - service.requests[0].at < 30


@pytest.mark.parametrize("is_async", [False, True])
def test_a_limit_that_the_snapshot_lacks_is_learned_from_a_refusal(service: Emulator, is_async: bool) -> None:
    chat = ChatPollinations(model="community/x/slow", **waiting(service))
    asked = [f"Hi {number}" for number in range(40)]
    answers = asyncio.run(chat.abatch(asked)) if is_async else chat.batch(asked)
    accepted, _ = statuses(service)
    assert len(answers) == accepted == 40


def test_objects_threads_and_loops_share_the_limit_of_a_key_and_a_model(service: Emulator) -> None:
    def thread(number: int) -> None:
        painter(service).batch([f"thread {number} {each}" for each in range(20)])

    def loop(number: int) -> None:
        asyncio.run(painter(service).abatch([f"loop {number} {each}" for each in range(20)]))

    threads = [threading.Thread(target=work, args=(n,)) for n, work in enumerate([thread, loop] * 2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    accepted, _ = statuses(service)
    assert accepted == 80
    assert service.requests[-1].at - service.requests[0].at > SECONDS  # 60 fit into a minute


PROCESS = """
from langchain_pollinations import PollinationsImage
from langchain_pollinations._transport import rate_limits

rate_limits.PERIOD, rate_limits.MARGIN = {seconds}, 0.2
painter = PollinationsImage(model="flux", width=8, height=8, **{fields!r})
assert len(painter.batch([f"process {{number}}" for number in range(60)])) == 60
"""


def test_two_processes_with_one_key_lose_no_image(service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """They do not know of each other. Requests that the service refuses are sent again."""
    seconds = 2
    monkeypatch.setattr("langchain_pollinations._transport.rate_limits.PERIOD", seconds)
    monkeypatch.setattr("langchain_pollinations.emulator.service.accounts.MINUTE", seconds)
    code = PROCESS.format(seconds=seconds, fields=waiting(service))
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as other:
        while other.poll() is None and not service.requests:
            time.sleep(0.01)
        assert len(painter(service).batch([f"cat {number}" for number in range(60)])) == 60
        _, said = other.communicate(timeout=120)
    assert other.returncode == 0, said
    accepted, _ = statuses(service)
    assert accepted == 120


def test_a_refusal_delays_all_requests_to_its_model_and_no_others(service: Emulator) -> None:
    service.fail(429, headers={"retry-after": "1"})
    chat, same = (ChatPollinations(model="community/x/other", **waiting(service)) for _ in range(2))
    with pytest.raises(RateLimitError):
        chat.model_copy(update={"max_retries": 0}).invoke("One")
    ChatPollinations(**waiting(service)).invoke("Two")
    asyncio.run(same.ainvoke("Three"))
    first, second, third = service.requests
    assert second.at - first.at < 1 < third.at - first.at


def test_a_refused_request_does_not_use_up_its_retries(service: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "langchain_pollinations")
    service.fail(429, times=3, headers={"retry-after": "0.05"})
    service.fail(503)
    assert ChatPollinations(max_retries=1, **waiting(service)).invoke("Hi").text
    retries = [record.getMessage() for record in caplog.records if record.getMessage().startswith("Retry")]
    assert [line.split(" in ")[0] for line in retries] == [
        "Retry 1 of 10",
        "Retry 2 of 10",
        "Retry 3 of 10",
        "Retry 1 of 1",
    ]


@pytest.mark.parametrize(
    ("fields", "after"), [({"wait_for_rate_limit": False}, "61"), ({}, "301"), ({"total_timeout": 20}, "40")]
)
def test_a_refusal_that_is_not_waited_for_is_an_error(service: Emulator, fields: dict[str, Any], after: str) -> None:
    service.fail(429, headers={"retry-after": after})
    with pytest.raises(RateLimitError) as caught:
        ChatPollinations(**waiting(service, **fields)).invoke("Hi")
    assert caught.value.status_code == 429 and len(service.requests) == 1


def test_the_next_request_does_not_wait_for_a_time_that_is_too_long(service: Emulator) -> None:
    service.fail(429, headers={"retry-after": "86400"})
    chat = ChatPollinations(**waiting(service, total_timeout=60))
    with pytest.raises(RateLimitError):
        chat.invoke("Hi")
    assert chat.invoke("Hi").text


def test_a_wait_longer_than_the_total_timeout_is_an_error_at_once(service: Emulator) -> None:
    service.fail(429, headers={"retry-after": "100"})
    for fields in ({"max_retries": 0}, {"total_timeout": 30}):
        with pytest.raises(RateLimitError) as caught:
            ChatPollinations(**waiting(service, **fields)).invoke("Hi")
    assert "longer than total_timeout" in str(caught.value) and not caught.value.was_sent
    assert 90 < (caught.value.retry_after or 0) < 105 and len(service.requests) == 1


# --- Waits ------------------------------------------------------------------------------------------------------------


def paused(service: Emulator, **fields: Any) -> ChatPollinations:
    """A model whose requests wait for a long time."""
    service.fail(429, headers={"retry-after": "200"})
    with pytest.raises(RateLimitError):
        ChatPollinations(**waiting(service, max_retries=0)).invoke("Hi")
    return ChatPollinations(**waiting(service, **fields))


def refuse(service: Emulator) -> None:
    """Let the service refuse an image, so that the next ones wait."""
    service.fail(429, headers={"retry-after": "2"})
    with pytest.raises(RateLimitError):
        painter(service, max_retries=0).generate("a cat")


def test_a_wait_is_shown_once(service: Emulator, caplog: pytest.LogCaptureFixture, capsys: Any) -> None:
    caplog.set_level(logging.INFO, "langchain_pollinations")
    refuse(service)
    painter(service, on_wait=True).batch([f"cat {number}" for number in range(3)])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Waiting about ")
    assert line.endswith("black-forest-labs/flux.1-schnell accepts 60 requests per minute and key")
    assert [record.getMessage() for record in caplog.records if "Waiting" in record.getMessage()] == [line]


def test_a_function_receives_each_wait(service: Emulator) -> None:
    told: list[Progress] = []
    refuse(service)
    painter(service, on_wait=told.append).batch([f"cat {number}" for number in range(3)])
    assert len(told) >= 3 and {each.stage for each in told} == {"queued"}
    assert all(0 < (each.left or 0) <= 3 for each in told)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no interval timer")
def test_ctrl_c_ends_a_wait(service: Emulator) -> None:
    chat = paused(service)
    former = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            chat.invoke("Ho")
    finally:
        signal.signal(signal.SIGALRM, former)
    assert time.monotonic() - began < 30 and len(service.requests) == 1


def test_a_task_that_waits_can_be_cancelled(service: Emulator) -> None:
    async def cancel(chat: ChatPollinations) -> None:
        async with asyncio.timeout(0.1):
            await chat.ainvoke("Ho")

    with pytest.raises(TimeoutError):
        asyncio.run(cancel(paused(service)))
    assert len(service.requests) == 1


FORK = """
import os, threading
from langchain_pollinations._transport.rate_limits import RateLimits

limits = RateLimits()
window = limits.learn(("", "", "flux"))
assert [window.take(window.enter()) for _ in range(60)] == [0] * 60
window.enter()
with window._lock:  # as another thread might hold it
    pid = os.fork()
    if not pid:
        left = []
        thread = threading.Thread(target=lambda: left.append(window.take(window.enter())))
        thread.start()
        thread.join(10)
        os._exit(0 if left and 50 < left[0] < 62 and window.waiting == 1 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_keeps_the_times_and_forgets_who_waits() -> None:
    """In a process of its own, because a fork of a process with many threads may deadlock in a library."""
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=60)


# --- The rate limiter of the caller -----------------------------------------------------------------------------------


class Counter(BaseRateLimiter):
    """A rate limiter that counts the requests."""

    def __init__(self) -> None:
        self.count = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        self.count += 1
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        return self.acquire(blocking=blocking)


CALLS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "image": lambda fields: PollinationsImage(width=8, height=8, **fields).generate("a cat"),
    "image async": lambda fields: asyncio.run(PollinationsImage(width=8, height=8, **fields).agenerate("a cat")),
    "speech": lambda fields: PollinationsSpeech(response_format="wav", **fields).generate("A. " * 4000),
    "embeddings": lambda fields: PollinationsEmbeddings(batch_size=1, **fields).embed_documents(["a", "b"]),
    "embeddings async": lambda fields: asyncio.run(
        PollinationsEmbeddings(batch_size=1, **fields).aembed_documents(["a", "b"])
    ),
    "transcript": lambda fields: PollinationsTranscriber(**fields).transcribe(
        PollinationsSpeech(**{**fields, "rate_limiter": None}).generate("Hello").data
    ),
}


@pytest.mark.parametrize(("kind", "count"), list(zip(CALLS, (1, 1, 2, 2, 2, 1), strict=True)))
def test_each_request_waits_for_the_limiter_of_the_caller(emulator: Emulator, kind: str, count: int) -> None:
    limiter = Counter()
    CALLS[kind]({**emulator.connection(), "rate_limiter": limiter})
    assert limiter.count == count


def test_a_retry_waits_for_the_limiter_of_the_caller_too(emulator: Emulator) -> None:
    limiter = Counter()
    emulator.fail(503)
    painter = PollinationsImage(width=8, height=8, rate_limiter=limiter, **emulator.connection())
    copied = painter.model_copy(deep=True)
    copied.generate("a cat")
    assert limiter.count == 2 and copied.rate_limiter is limiter
    assert pickle.loads(pickle.dumps(painter)).model == painter.model


def test_a_limiter_of_langchain_spaces_the_requests(emulator: Emulator) -> None:
    limiter = InMemoryRateLimiter(requests_per_second=20, check_every_n_seconds=0.01, max_bucket_size=1)
    began = time.monotonic()
    PollinationsImage(width=8, height=8, rate_limiter=limiter, **emulator.connection()).batch(list("abcd"))
    assert time.monotonic() - began > 0.12


def test_a_limiter_of_another_type_is_an_error() -> None:
    with pytest.raises(ValueError, match="rate_limiter"):
        PollinationsImage(api_key="sk_x", rate_limiter=3)


@pytest.mark.parametrize(("value", "is_waiting"), [("0", False), ("1", True), ("", True), (None, True)])
def test_the_environment_is_the_default(monkeypatch: pytest.MonkeyPatch, value: str | None, is_waiting: bool) -> None:
    name = "POLLINATIONS_WAIT_FOR_RATE_LIMIT"
    monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    assert (ChatPollinations(api_key="sk_x")._client.limits is not None) is is_waiting
    monkeypatch.setenv(name, "perhaps")
    with pytest.raises(InvalidRequestError, match=f"^{name}: must be 0 or 1, not 'perhaps'"):
        ChatPollinations(api_key="sk_x").invoke("Hi")
