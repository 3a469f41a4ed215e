"""Scripted answers and faults, as a test writes them and as a client meets them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from langchain_pollinations.emulator import Emulator
from langchain_pollinations.emulator.scripting import faults

from .conftest import events

Say = Callable[..., httpx.Response]


def text(response: httpx.Response) -> str:
    found: str = response.json()["choices"][0]["message"]["content"]
    return found


def test_replies_come_in_their_order_and_then_the_rules_answer(emulator: Emulator, say: Say) -> None:
    emulator.reply("one", "two")
    emulator.reply("three", times=2)
    assert [text(say("hi")) for _ in range(4)] == ["one", "two", "three", "three"]
    assert "hi" in text(say("hi"))


def test_a_scripted_reply_is_neither_stored_nor_taken_from_the_store(emulator: Emulator, say: Say) -> None:
    stored = text(say("hi"))
    emulator.reply("scripted")
    assert text(say("hi")) == "scripted"
    assert text(say("hi")) == stored


def test_a_refused_request_leaves_the_script_alone(emulator: Emulator, say: Say) -> None:
    emulator.reply("one")
    assert say("hi", temperature=9).status_code == 400
    assert text(say("hi")) == "one"


def test_scripted_tool_calls_get_ids_and_a_reason(emulator: Emulator, say: Say) -> None:
    emulator.reply(tool_calls=[{"name": "f", "args": {"x": 1}}, {"name": "g", "args": {}}])
    choice = say("hi").json()["choices"][0]
    ids = [call["id"] for call in choice["message"]["tool_calls"]]
    assert len(set(ids)) == 2 and choice["finish_reason"] == "tool_calls"
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {"x": 1}


@pytest.mark.parametrize(
    "call",
    [
        pytest.param({"name": "f", "args": {"x": 1}, "id": "c1"}, id="LangChain"),
        pytest.param({"name": "f", "args": {"x": 1}, "id": "c1", "type": "tool_call"}, id="LangChain, with its type"),
        pytest.param({"name": "f", "args": '{"x": 1}', "id": "c1"}, id="LangChain, arguments as text"),
        pytest.param({"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}, id="OpenAI"),
        pytest.param({"id": "c1", "function": {"name": "f", "arguments": '{"x": 1}'}}, id="OpenAI, without a type"),
    ],
)
def test_a_tool_call_has_the_form_of_langchain_or_of_openai(emulator: Emulator, say: Say, call: Any) -> None:
    emulator.reply(tool_calls=[call])
    (found,) = say("hi").json()["choices"][0]["message"]["tool_calls"]
    assert found == {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}


@pytest.mark.parametrize(
    "call",
    [
        "f",
        {},
        {"args": {}},
        {"name": 3, "args": {}},
        {"name": "f", "args": [1]},
        {"name": "f", "args": None},
        {"name": "f", "arguments": {"x": 1}},
        {"name": "f", "args": {}, "id": 7},
        {"name": "f", "args": {}, "type": "function"},
        {"name": "f", "input": {}},
        {"id": "c1", "type": "function", "function": {"name": "f"}},
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}},
        {"id": "c1", "type": "tool_call", "function": {"name": "f", "arguments": "{}"}},
        {"id": "c1", "type": "function", "function": {"name": "f", "args": {}}},
        {"id": "c1", "name": "f", "function": {"name": "f", "arguments": "{}"}},
    ],
)
def test_a_tool_call_of_another_form_is_refused(emulator: Emulator, call: Any) -> None:
    with pytest.raises(TypeError, match="tool_calls: "):
        emulator.reply(tool_calls=[call])
    assert emulator.unused_replies == []


def test_tool_calls_are_streamed_in_pieces(emulator: Emulator, say: Say) -> None:
    emulator.reply(tool_calls=[{"name": "f", "args": {"place": "Rome"}, "id": "c1"}])
    deltas = [chunk["choices"][0]["delta"] for chunk in events(say("hi", stream=True).text)[:-1]]
    pieces = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    assert pieces[0]["id"] == "c1" and pieces[0]["function"] == {"name": "f", "arguments": ""}
    assert len(pieces) > 2
    assert json.loads("".join(p["function"]["arguments"] for p in pieces)) == {"place": "Rome"}


def test_a_whole_message_is_sent_as_it_is(emulator: Emulator, say: Say) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    emulator.reply(
        message={"content": "x", "content_blocks": [{"type": "thinking", "thinking": "hm"}]},
        finish_reason="end_turn",
        usage=usage,
        model="m",
        headers={"x-extra": "1"},
        extra={"provider": "bedrock"},
    )
    response = say("hi")
    body = response.json()
    assert body["usage"] == usage and body["model"] == "m" and body["provider"] == "bedrock"
    assert body["choices"][0]["finish_reason"] == "end_turn" and response.headers["x-extra"] == "1"
    assert body["choices"][0]["message"]["content_blocks"][0]["thinking"] == "hm"
    emulator.reply(message={"tool_calls": [], "reasoning_content": "first this"})
    assert "content" not in say("hi").json()["choices"][0]["message"]


def test_a_reply_needs_something_to_say(emulator: Emulator) -> None:
    with pytest.raises(TypeError, match="needs texts"):
        emulator.reply()


@pytest.mark.parametrize(
    ("body", "kind"),
    [({"a": 1}, "application/json"), ("words", "text/plain"), ("<html>", "text/html"), (b"\x00", "application/octet")],
)
def test_raw_bodies_are_sent_whatever_was_asked(emulator: Emulator, say: Say, body: Any, kind: str) -> None:
    emulator.reply(body=body, status=201)
    response = say("hi", stream=True)
    assert response.status_code == 201 and response.headers["content-type"].startswith(kind)


def test_raw_chunks_are_separate_writes_and_nothing_follows(emulator: Emulator, http: httpx.Client) -> None:
    pieces: list[Any] = [{"a": "ä"}, "data: {broken", b"\xe2\x80", b"\xa8}\n\n"]
    emulator.reply(chunks=pieces, chunk_delay=0.02)
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    with http.stream("POST", "/v1/chat/completions", json=body) as response:
        seen = list(response.iter_raw())
    assert seen == ['data: {"a": "ä"}\n\n'.encode(), b"data: {broken", b"\xe2\x80", b"\xa8}\n\n"]


def test_a_reply_for_another_route_waits_for_it(emulator: Emulator, http: httpx.Client, say: Say) -> None:
    emulator.reply(body={"data": []}, on="/v1/images/generations")
    assert "hi" in text(say("hi"))
    assert http.get("/text/models").json()
    assert http.post("/v1/images/generations", json={"prompt": "x"}).json() == {"data": []}


def test_delays_are_kept(emulator: Emulator, say: Say) -> None:
    emulator.reply("late", delay=0.1)
    start = time.monotonic()
    assert text(say("hi")) == "late" and time.monotonic() - start >= 0.1


def test_the_script_may_be_filled_while_requests_run(emulator: Emulator, say: Say) -> None:
    threads = [threading.Thread(target=emulator.reply, args=(f"r{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {text(say("hi")) for _ in range(8)} == {f"r{n}" for n in range(8)}


def test_a_failure_has_the_services_envelope(emulator: Emulator, say: Say) -> None:
    emulator.fail(
        429, headers={"retry-after": "3"}, message="slow", code="X", details={"name": "Y"}, fix_url="https://f"
    )
    response = say("hi")
    assert response.headers["retry-after"] == "3"
    body = response.json()
    assert body["error"].pop("timestamp")
    error = {"message": "slow", "code": "X", "details": {"name": "Y"}, "fixUrl": "https://f"}
    assert body == {"success": False, "status": 429, "error": error}
    assert say("hi").status_code == 200


def test_a_failure_may_be_repeated_and_bound_to_a_route(emulator: Emulator, http: httpx.Client, say: Say) -> None:
    emulator.fail(503, times=2, on="/image")
    assert say("hi").status_code == 200
    assert [http.get("/image/x", params={"width": 32}).status_code for _ in range(3)] == [503, 503, 200]


def test_a_failure_may_have_any_body(emulator: Emulator, say: Say) -> None:
    emulator.fail(524, body="<html>x</html>")
    emulator.fail(500, body={"error": "flat"})
    assert say("hi").headers["content-type"].startswith("text/html")
    assert say("hi").json() == {"error": "flat"}


@pytest.mark.parametrize("name", sorted(faults.CASES))
def test_every_named_case_is_a_refusal(emulator: Emulator, say: Say, name: str) -> None:
    emulator.fail(name)
    assert say("hi").status_code >= 400
    assert say("hi").status_code == 200


def test_an_unknown_case_is_told_at_once(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match="balance notice"):
        emulator.fail("no such case")


NOTICES = {
    "balance notice": "The account behind this API key doesn't have enough credits.",
    "key budget notice": "The API key used for this request has reached its budget.",
    "quest pollen notice": "The API key used for this request only spends Quest Pollen",
    "permission notice": "The API key used for this request isn't allowed to use openai.",
    "september notice": "Your Pollen balance is too low for this request.",
}


@pytest.mark.parametrize("stream", [False, True])
def test_notices_are_answers_in_words(emulator: Emulator, say: Say, stream: bool) -> None:
    for name, beginning in NOTICES.items():
        emulator.fail(name)
        response = say("hi", stream=stream, model="openai")
        assert response.status_code == 200 and response.headers["cache-control"] == "private, no-store"
        if stream:
            *chunks, last = events(response.text)
            said = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
        else:
            last = response.json()
            said = text(response)
        assert said.startswith(beginning) and "https://enter.pollinations.ai/" in said
        assert (last["usage"]["total_tokens"], last["model"]) == (0, "openai")


def test_a_dropped_connection(emulator: Emulator, say: Say) -> None:
    emulator.fail("drop")
    with pytest.raises(httpx.RemoteProtocolError):
        say("hi")
    assert say("hi").status_code == 200


def test_a_stream_that_is_cut(emulator: Emulator, http: httpx.Client) -> None:
    emulator.fail("cut", after=3)
    seen = []
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    with (
        pytest.raises(httpx.RemoteProtocolError),
        http.stream("POST", "/v1/chat/completions", json=body) as response,
    ):
        seen.extend(response.iter_lines())
    assert len([line for line in seen if line.startswith("data: ")]) == 3


def test_a_picture_that_is_cut(emulator: Emulator, http: httpx.Client) -> None:
    emulator.fail("cut", after=100)
    with pytest.raises(httpx.RemoteProtocolError):
        http.get("/image/x", params={"width": 64, "height": 64})


@pytest.mark.parametrize("after", [None, 2])
def test_a_stream_without_its_end(emulator: Emulator, say: Say, after: int | None) -> None:
    emulator.fail("no end", after=after)
    response = say("hi there", stream=True)
    assert "[DONE]" not in response.text and "total_tokens" not in response.text
    assert '"finish_reason": "stop"' not in response.text
    assert after is None or response.text.count("data: ") == after


@pytest.mark.parametrize("pings", [False, True])
def test_a_stream_that_falls_silent(emulator: Emulator, say: Say, pings: bool) -> None:
    emulator.fail("stall", after=2, seconds=0.15, pings=pings)
    start = time.monotonic()
    response = say("hi", stream=True)
    assert time.monotonic() - start >= 0.15
    assert (": ping" in response.text) is pings and "[DONE]" in response.text


def test_an_error_inside_a_stream(emulator: Emulator, say: Say) -> None:
    emulator.fail("stream error", after=2)
    last = say("hi", stream=True).text.strip().split("\n\n")[-1]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "usage_missing"


def test_requests_are_remembered(emulator: Emulator, http: httpx.Client) -> None:
    http.post("/v1/chat/completions?a=1&b=", json={"messages": []}, headers={"X-Own": "y"})
    http.get("/image/a%2Fb%20c")
    chat, image = emulator.requests
    assert (chat.method, chat.path, chat.query) == ("POST", "/v1/chat/completions", {"a": "1", "b": ""})
    assert chat.headers["x-own"] == "y" and chat.json == {"messages": []} and chat.body.startswith(b"{")
    assert image.path == "/image/a/b c" and image.raw_path == "/image/a%2Fb%20c"
    emulator.clear()
    assert emulator.requests == []
