"""The comparison of the shadow mode: pure functions, as tables."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from langchain_pollinations.emulator.shadow import event_streams, redaction, report
from langchain_pollinations.emulator.shadow.captured import Captured
from langchain_pollinations.emulator.shadow.differences import KINDS, compare
from langchain_pollinations.emulator.shadow.records import Request, record
from langchain_pollinations.emulator.shadow.redaction import Redactor

JSON = {"content-type": "application/json"}
STREAM = {"content-type": "text/event-stream; charset=utf-8"}


def response(body: Any = None, status: int = 200, **headers: str) -> Captured:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Captured(status, JSON | named, data, data[:64], len(data))


def stream(*events: Any, failure: str = "") -> Captured:
    texts = [event if isinstance(event, str) else f"data: {json.dumps(event)}" for event in events]
    return Captured(200, STREAM, "".join(f"{text}\n\n" for text in texts).encode(), failure=failure)


def delta(*, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


USAGE = {"choices": [], "usage": {"total_tokens": 2}}
WHOLE = (delta(role="assistant", content=""), delta(content="a"), delta(finish="stop"), USAGE, "data: [DONE]")
ERROR = {"success": False, "status": 400, "error": {"code": "BAD_REQUEST", "message": "no"}}
NOTICE = {"cache_control": "private, no-store"}

SAME = [
    pytest.param(response({"a": "x", "n": 1}), response({"a": "other", "n": 2.5}), id="texts and numbers"),
    pytest.param(response([{"a": 1}, {"b": 2}]), response([{"b": 3}, {"a": 4}, {"a": 5}]), id="length of an array"),
    pytest.param(response({"list": []}), response({"list": [{"a": 1}]}), id="empty array"),
    pytest.param(response(x_request_id="1", date="now"), response(x_request_id="2", server="h11"), id="headers"),
    pytest.param(
        stream(*WHOLE), stream(WHOLE[0], ": ping", *WHOLE[1:2] * 9, *WHOLE[2:]), id="pings and number of events"
    ),
    pytest.param(response(ERROR, 400), response(ERROR | {"error": {"code": "BAD_REQUEST", "message": "other"}}, 400),
                 id="message of a refusal"),
    pytest.param(response(b"{" * 10_000), response(b"{" * 10_000), id="neither is JSON"),
    pytest.param(response(x_usage_prompt_cached_tokens="3"), response(), id="cached tokens"),
]  # fmt: skip


@pytest.mark.parametrize(("upstream", "emulator"), SAME)
def test_what_differs_between_two_right_responses_is_no_difference(upstream: Captured, emulator: Captured) -> None:
    assert compare("/v1/chat/completions", upstream, emulator) == []
    assert compare("/v1/chat/completions", emulator, upstream) == []


DIFFERENT = [
    pytest.param(response(ERROR, 400), response(), "refusal", "status", "400 BAD_REQUEST no", "200", id="refusal"),
    pytest.param(response(ERROR, 401), response(ERROR, 400), "refusal", "status", "401 BAD_REQUEST no",
                 "400 BAD_REQUEST no", id="other status of a refusal"),
    pytest.param(response(**NOTICE), response(), "refusal", "status", "200 with a notice instead of an answer", "200",
                 id="notice"),
    pytest.param(response(), response(ERROR, 500), "refusal", "status", "200", "500 BAD_REQUEST no",
                 id="the emulator fails"),
    pytest.param(response(b"<html>", 524), response(), "failure", "status", "524", "200", id="the upstream fails"),
    pytest.param(response(status=206), response(), "status", "status", "206", "200", id="status"),
    pytest.param(response({"a": {"b": 1}}), response({"a": {}}), "json", "body.a.b", "number", "absent", id="key"),
    pytest.param(response([{"a": 1}]), response([{"a": None}, {"a": 1}]), "json", "body[].a", "number",
                 "null or number", id="type in an array"),
    pytest.param(response({"finish_reason": "end_turn"}), response({"finish_reason": "stop"}), "json",
                 "body.finish_reason", "end_turn", "stop", id="enumeration"),
    pytest.param(response({"capabilities": ["a", "b"]}), response({"capabilities": ["a"]}), "json",
                 "body.capabilities[]", "b", "", id="enumerations in an array"),
    pytest.param(response(ERROR, 400), response({"success": False, "status": 400, "error": "no"}, 400), "json",
                 "body.error", "object", "string", id="shape of a refusal"),
    pytest.param(response(b"{"), response({}), "json", "body", "no valid JSON", "JSON", id="broken JSON"),
    pytest.param(stream(*WHOLE), stream(*WHOLE[:-1]), "stream", "order of the events",
                 "role, content, finish, usage, [DONE]", "role, content, finish, usage", id="end of a stream"),
    pytest.param(stream(*WHOLE, failure="cut"), stream(*WHOLE), "stream", "end of the body", "cut", "complete",
                 id="a stream that breaks off"),
    pytest.param(stream(*WHOLE, {"choices": [], "x": 1}), stream(*WHOLE), "json", "event.x", "number", "absent",
                 id="key of an event"),
    pytest.param(response(), stream(*WHOLE), "media type", "content-type", "application/json", "text/event-stream",
                 id="content type"),
    pytest.param(response(b"\x89PNG", content_type="image/png"), response(b"\xff\xd8\xff", content_type="image/png"),
                 "media type", "format of the bytes", "PNG", "JPEG", id="format of the bytes"),
    pytest.param(response(x_model_used="a"), response(x_model_used="b"), "header", "x-model-used", "a", "b",
                 id="value of a header"),
    pytest.param(response(), response(link="<x>"), "header", "link", "absent", "<x>", id="presence of a header"),
    pytest.param(response(x_usage_prompt_text_tokens="1"), response(), "header", "x-usage-prompt-text-tokens", "1",
                 "absent", id="usage header"),
]  # fmt: skip


@pytest.mark.parametrize(("upstream", "emulator", "kind", "place", "there", "here"), DIFFERENT)
def test_a_difference_names_its_place_and_both_sides(
    upstream: Captured, emulator: Captured, kind: str, place: str, there: str, here: str
) -> None:
    found = compare("/v1/chat/completions", upstream, emulator)
    assert (kind, place, there, here) in [(d.kind, d.place, d.upstream, d.emulator) for d in found]
    assert [d.kind for d in found] == sorted((d.kind for d in found), key=KINDS.index)


def test_deep_and_broken_bodies_do_not_fail() -> None:
    deep = b'{"a":' * 400 + b"1" + b"}" * 400
    bodies = (deep, b"[" * 100_000, b"\xff", b"", b"null", b'{"error": 3}', b'{"choices": [3], "type": {}}')
    for one in bodies:
        for other in bodies:
            for headers in (JSON, STREAM, {"content-type": "image/png"}, {}):
                for status in (200, 400):
                    kept = (b"data: " + body if headers is STREAM else body for body in (one, other))
                    compare("/text/x", *(Captured(status, headers, body, body[:64], 9) for body in kept))


@pytest.mark.parametrize("level", [("[", "]"), ('{"a":', "}")])
def test_a_body_of_any_depth_is_recorded(level: tuple[str, str]) -> None:
    """As JSON, or by its size if it has too many levels for Python."""
    for depth in range(400, 1000):
        body = (level[0] * depth + "1" + level[1] * depth).encode()
        json.dumps(record(Request("GET", "/x", {}, {}, io.BytesIO()), Captured(200, JSON, body, size=9), None, []))


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        (b"data: 1\r\n\r\ndata: {}\r\rdata: [DONE]\n\n", "data that is no JSON object, empty, [DONE]"),
        (b'event: message\ndata: {"result":{},\ndata: "jsonrpc":"2.0"}\n\n', "message"),
        (b'data: {"type": "response.created"}', "response.created"),
        (b'data: {"error": {"code": 3}}\n\ndata: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}],'
         b'"usage":{"a":1}}\n\n', "error, content+finish+usage"),
        (b": comment\n\nid: 3\n\n", ""),
    ],
)  # fmt: skip
def test_kinds_of_events(body: bytes, kinds: str) -> None:
    assert event_streams.order(event_streams.parse(body)) == kinds


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("sk_abcdef123 and pk_abcdef", "sk_[removed] and pk_[removed]"),
        ("https://x.example/?a=1&key=abc&b=2", "https://x.example/?a=1&key=[removed]&b=2"),
        ("https://x.example/#access_token=abc", "https://x.example/#access_token=[removed]"),
        ("Bearer abcdefghijklmnop=", "Bearer [removed]"),
        ("plain own/secret and own%2Fsecret", "plain [removed] and [removed]"),
        ("risk_free and task_list", "risk_free and task_list"),
    ],
)
def test_secrets_are_removed_from_texts(text: str, clean: str) -> None:
    assert Redactor(["own/secret"]).text(text) == clean


def test_fields_of_secrets_are_removed() -> None:
    body = {"code": "x", "max_tokens": 3, "total_tokens": 4, "key": "a", "nested": [{"access_token": "b", "name": "c"}]}
    removed = {**body, "key": "[removed]", "nested": [{"access_token": "[removed]", "name": "c"}]}
    assert Redactor().json(body) == removed
    assert Redactor().json(body, is_request=True) == removed | {"code": "[removed]"}
    schema = {"properties": {"key": {"type": "string"}, "code": {"type": "string"}}}
    assert Redactor().json(schema, is_request=True) == schema


def test_secrets_of_a_request() -> None:
    headers = {
        "authorization": "Bearer a=b/c",
        "cookie": "theme=dark; session=0123456789",
        "accept": "application/json",
    }
    found = redaction.secrets_in(headers, {"key": "in-query", "model": "openai", "seed": "12345678"})
    assert {"a=b/c", "0123456789", "in-query"} <= set(found)
    kept = "Bearer tokens, a dark theme, application/json, openai, 12345678"
    assert Redactor(found).text(kept) == kept


def test_headers_that_can_contain_credentials_are_removed() -> None:
    secret = ("authorization", "cookie", "set-cookie", "x-api-key", "mcp-session-id", "payment-signature")
    public = ("content-type", "x-usage-total-tokens", "x-cache-key", "link")
    found = redaction.headers(dict.fromkeys((*secret, *public), "value"))
    assert found == dict.fromkeys(secret, "[removed]") | dict.fromkeys(public, "value")


def test_a_line_cannot_control_the_terminal() -> None:
    line = report.line("GET", "/text/\x1b[2J\n\u202e" + "x" * 500, response(), [])
    assert line.isprintable() and len(line) < 200 and "\\x1b" in line
