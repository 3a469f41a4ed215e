"""The two older hosts: their ports, their headers, their queue, and the words that set and script them."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count

import httpx
import pytest

from langchain_pollinations.emulator import Emulator, Legacy

from .test_server import program

HOSTS = ("text", "image")


def url(legacy: Legacy, host: str) -> str:
    return legacy.connection()[f"legacy_{host}_url"]


def test_a_port_is_opened_when_its_address_is_asked_for_and_closed_with_the_emulator() -> None:
    before = set(threading.enumerate())
    with Emulator() as emulator:
        running = len(threading.enumerate())
        text_url = emulator.legacy.text_url
        assert len(threading.enumerate()) == running + 1
        assert httpx.get(f"{text_url}/models").status_code == 200
        assert emulator.legacy.text_url == text_url
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{text_url}/models")
    assert set(threading.enumerate()) <= before
    with emulator:
        assert httpx.get(f"{text_url}/models").status_code == 200


def test_there_is_no_address_before_the_start() -> None:
    with pytest.raises(RuntimeError, match="not been started"):
        Emulator().legacy.connection()


def test_both_hosts_share_one_log_that_tells_host_and_time(legacy: Legacy) -> None:
    httpx.get(f"{legacy.image_url}/models")
    httpx.get(f"{legacy.text_url}/models")
    assert [asked.host for asked in legacy.requests] == ["image", "text"]
    assert legacy.requests[0].at < legacy.requests[1].at


def test_the_unified_host_keeps_a_log_of_its_own(emulator: Emulator) -> None:
    httpx.get(f"{emulator.url}/models")
    httpx.get(f"{emulator.legacy.text_url}/models")
    assert [asked.host for asked in emulator.requests] == ["gen"]


@pytest.mark.parametrize("path", ["/models", "/nothing/here"])
@pytest.mark.parametrize("host", HOSTS)
def test_every_answer_tells_of_the_successor(legacy: Legacy, host: str, path: str) -> None:
    answer = httpx.get(url(legacy, host) + path, headers={"origin": "https://example.org"})
    assert answer.headers["x-emulator"] == "langchain-pollinations"
    assert answer.headers["x-pollinations-migration"].endswith("/LEGACY_MIGRATION.md")
    assert answer.headers["x-pollinations-docs"] == "https://gen.pollinations.ai/docs"
    assert answer.headers["x-pollinations-signup"] == f"https://enter.pollinations.ai/?ref={host}"
    links = answer.headers["link"]
    assert 'rel="deprecation"' in links and 'rel="successor-version"' in links
    assert ("x-powered-by" in answer.headers) == ('rel="service"' in links) == answer.is_success
    assert "x-request-id" not in answer.headers


@pytest.mark.parametrize("host", HOSTS)
def test_faults_carry_the_headers_too(legacy: Legacy, host: str) -> None:
    legacy.fail(503, headers={"link": "<https://example.org>; rel=up"}, on=host)
    answer = httpx.get(f"{url(legacy, host)}/models")
    assert answer.status_code == 503 and "x-pollinations-docs" in answer.headers
    assert answer.headers["link"].startswith("<https://example.org>; rel=up, <https://github.com/")


def test_the_newer_level_has_no_such_headers_and_the_envelope_of_the_unified_host(legacy: Legacy) -> None:
    legacy.level = "l5"
    legacy.fail(429)
    answer = httpx.get(f"{legacy.text_url}/models")
    assert answer.json()["error"]["code"] == "RATE_LIMITED"
    assert "x-pollinations-migration" not in answer.headers and "x-emulator" in answer.headers


def test_a_failure_may_be_bound_to_a_host_or_a_path_of_either(legacy: Legacy) -> None:
    legacy.fail(503, on="image/")
    legacy.fail(502, on="/models")
    assert [httpx.get(f"{url(legacy, host)}/models").status_code for host in ("text", "image", "text")] == [
        502,
        503,
        200,
    ]


def test_a_connection_may_be_dropped(legacy: Legacy) -> None:
    legacy.fail("drop")
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{legacy.text_url}/models")


def test_an_unknown_level_is_named(legacy: Legacy) -> None:
    with pytest.raises(ValueError, match="known are: l4, l5"):
        legacy.level = "l1"  # type: ignore[assignment]
    assert legacy.level == "l4"


def test_a_port_that_was_taken_meanwhile_ends_the_start() -> None:
    before = set(threading.enumerate())
    with Emulator() as emulator:
        port = int(emulator.legacy.text_url.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)), pytest.raises(OSError, match=f"Port {port} cannot be used"):
        emulator.start()
    assert set(threading.enumerate()) <= before


def test_an_unknown_fault_is_named(legacy: Legacy) -> None:
    with pytest.raises(ValueError, match="Unknown fault 'nope'"):
        legacy.fail("nope")
    with pytest.raises(ValueError, match="did you mean 'bad gateway page'"):
        legacy.fail("bad gateway")


def test_reset_sets_all_switches_back_and_forgets(emulator: Emulator) -> None:
    legacy = emulator.legacy
    httpx.get(f"{legacy.text_url}/models")
    legacy.level, legacy.spacing, legacy.notice, legacy.tokens = "l5", 3.0, True, set()
    legacy.referrers.clear()
    legacy.fail(503)
    emulator.reset()
    assert (legacy.level, legacy.spacing, legacy.notice) == ("l4", None, False)
    assert legacy.tokens == {"sk_emulator"} and legacy.referrers == {"registered.example"}
    assert legacy.requests == [] and httpx.get(f"{legacy.text_url}/models").status_code == 200


def test_the_program_serves_the_older_hosts_and_tells_how_to_connect() -> None:
    with program("--port", "0", "--legacy") as process:
        assert process.stdout is not None
        told = "".join(iter(process.stdout.readline, "Stop it with Ctrl-C.\n"))
        for host in HOSTS:
            [address] = {
                line.rpartition("=")[2].strip() for line in told.splitlines() if f"_{host.upper()}_URL" in line
            }
            assert f"legacy_{host}_url" in told and httpx.get(f"{address}/models").status_code == 200


def test_the_program_says_when_a_port_behind_its_own_is_missing() -> None:
    with program("--port", "65534", "--legacy") as process:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 2 and "the two ports after 65534" in errors


# The queue.

SPACING = 0.1
LONG = 60.0  # longer than any test runs
SHORT = 0.2  # as long as an impatient client waits


@pytest.fixture
def http(legacy: Legacy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=legacy.text_url, timeout=30, verify=False) as client:  # plain http, no TLS
        yield client


def asked_at_once(http: httpx.Client, count: int) -> list[int]:
    """The statuses of answers to so many different prompts."""
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda number: http.get(f"/prompt-{number}").status_code, range(count)))


def soon(happens: Callable[[], bool]) -> bool:
    """Whether it happens in the next seconds: a server notices a little later that a client has gone."""
    until = time.monotonic() + 10
    while not (happened := happens()) and time.monotonic() < until:
        time.sleep(0.02)
    return happened


def waits(http: httpx.Client, path: str) -> bool:
    """Whether a request is let into the queue, where it soon loses its patience."""
    try:
        assert http.get(path, timeout=SHORT).status_code == 429
    except httpx.ReadTimeout:
        return True
    return False


def test_without_a_spacing_nobody_waits(http: httpx.Client) -> None:
    assert asked_at_once(http, 5) == [200] * 5


def test_generations_of_an_address_are_spaced(http: httpx.Client, legacy: Legacy) -> None:
    legacy.spacing, legacy.queue_length = SPACING, 3
    begun = time.monotonic()
    assert asked_at_once(http, 3) == [200] * 3
    assert time.monotonic() - begun >= 2 * SPACING


def test_one_request_at_a_time_however_long_it_takes(http: httpx.Client, legacy: Legacy) -> None:
    legacy.spacing, legacy.latency, legacy.queue_length = 0.0, SPACING, 2
    begun = time.monotonic()
    assert asked_at_once(http, 2) == [200] * 2
    assert time.monotonic() - begun >= 2 * SPACING


def test_a_stream_holds_its_place_to_its_end_and_who_overlaps_it_is_refused(http: httpx.Client, legacy: Legacy) -> None:
    legacy.spacing = 0.0
    legacy.reply("a b c d", chunk_delay=LONG)
    with http.stream("GET", "/one?stream=true"):
        refused = http.get("/two")
    assert refused.status_code == 429 and "retry-after" not in refused.headers
    assert refused.json()["error"].startswith("Queue full for IP: 127.0.0.1: 1 requests already queued (max: 1).")
    assert soon(lambda: http.get("/two").status_code == 200)
    assert "[DONE]" in http.get("/three?stream=true").text
    assert http.get("/four").status_code == 200


def test_one_that_comes_too_early_and_overlaps_none_may_wait(http: httpx.Client, legacy: Legacy) -> None:
    legacy.spacing = LONG
    assert http.get("/one").status_code == 200
    assert waits(http, "/two")


def test_who_would_have_to_wait_is_asked_to_pay_unless_it_streams(http: httpx.Client, legacy: Legacy) -> None:
    legacy.spacing, legacy.payments = LONG, True
    assert http.get("/one").status_code == 200
    challenge = http.get("/two")
    assert challenge.status_code == 402 and challenge.json()["accepts"] and "status" not in challenge.json()
    assert json.loads(base64.b64decode(challenge.headers["payment-required"])) == challenge.json()
    assert waits(http, "/two?stream=true")


def test_who_goes_away_while_waiting_keeps_no_place(http: httpx.Client, legacy: Legacy) -> None:
    legacy.spacing = LONG
    assert http.get("/one").status_code == 200
    assert waits(http, "/two")
    assert soon(lambda: waits(http, "/three"))


def test_who_goes_away_while_waiting_leaves_the_script_alone(http: httpx.Client, legacy: Legacy) -> None:
    legacy.spacing = LONG
    assert http.get("/one").status_code == 200
    legacy.reply("two")
    assert waits(http, "/two")
    legacy.spacing = None
    numbers = count()
    assert soon(lambda: http.get(f"/{next(numbers)}").text == "two")


@pytest.mark.parametrize("path", ["/prompt?stream=true", "/prompt"])
def test_who_goes_away_during_a_generation_makes_room(http: httpx.Client, legacy: Legacy, path: str) -> None:
    legacy.spacing = 0.0
    if "stream" in path:
        legacy.reply("a b c d", chunk_delay=LONG)
    else:
        legacy.latency = LONG
    with pytest.raises(httpx.ReadTimeout):
        http.get(path, timeout=SHORT)
    legacy.latency = 0
    assert soon(lambda: http.get("/other").status_code == 200)


@pytest.mark.parametrize("fault", ["cut", "no end", "stall"])
def test_a_stream_gives_its_place_back_whatever_ends_it(http: httpx.Client, legacy: Legacy, fault: str) -> None:
    legacy.spacing = 0.0
    legacy.fail(fault, seconds=LONG)
    with suppress(httpx.TransportError):
        http.get("/one", params={"stream": "true"}, timeout=SHORT)
    assert soon(lambda: http.get("/two").status_code == 200)


def test_the_store_and_refusals_of_form_need_no_turn(http: httpx.Client, legacy: Legacy) -> None:
    legacy.spacing, legacy.queue_length = 60.0, 0
    assert http.get("/one").status_code == 200
    assert http.get("/one").headers["x-cache"] == "HIT"
    assert http.get("/two?model=mistral").status_code == 404
    assert http.get("/models").status_code == 200
    assert http.get("/two").status_code == 429


def test_who_is_refused_leaves_the_script_alone(http: httpx.Client, legacy: Legacy) -> None:
    legacy.spacing, legacy.queue_length = 60.0, 0
    legacy.reply("one", "two")
    assert [http.get(f"/{word}").status_code for word in ("a", "b")] == [200, 429]
    legacy.spacing = None
    assert http.get("/b").text == "two"


def test_reset_empties_the_queue(http: httpx.Client, emulator: Emulator) -> None:
    emulator.legacy.spacing, emulator.legacy.queue_length = 60.0, 0
    assert [http.get(f"/{word}").status_code for word in ("one", "two")] == [200, 429]
    emulator.clear()
    assert http.get("/two").status_code == 200


def test_a_host_that_comes_back_has_nobody_waiting() -> None:
    with Emulator() as emulator:
        emulator.legacy.spacing, emulator.legacy.queue_length = 60.0, 0
        assert httpx.get(f"{emulator.legacy.text_url}/one").status_code == 200
    with emulator:
        assert httpx.get(f"{emulator.legacy.text_url}/two").status_code == 200
