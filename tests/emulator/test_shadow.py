"""The shadow mode: a second emulator, or a server with raw sockets, is the upstream."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from langchain_pollinations.emulator import Emulator
from langchain_pollinations.emulator.__main__ import main
from langchain_pollinations.emulator.shadow.journal import Journal
from langchain_pollinations.emulator.shadow.proxy import Shadow, Upstream
from langchain_pollinations.emulator.shadow.report import Report
from langchain_pollinations.emulator.shadow.server import ShadowServer
from langchain_pollinations.emulator.state import State
from tests.helpers.servers import serve

from .conftest import KEY

ROOT = Path(__file__).resolve().parents[2]
CHAT = "/v1/chat/completions"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
LONG = 60.0  # seconds until a test that hangs fails


class Session:
    """A shadow mode with a client, the lines that it shows and the entries that it writes."""

    def __init__(self, path: Path, upstream: str) -> None:
        self.path = path
        self.lines: list[str] = []
        self.server = ShadowServer(path, upstream, tell=self.lines.append)

    def say(self, text: str = "hi", **fields: Any) -> httpx.Response:
        return self.http.post(CHAT, json={"messages": [{"role": "user", "content": text}], **fields})

    def stop(self) -> list[dict[str, Any]]:
        """End the shadow mode and return the entries of the file."""
        self.http.close()
        self.server.stop()
        return [json.loads(line) for line in self.path.read_text("utf-8").splitlines()]

    @contextlib.contextmanager
    def running(self) -> Iterator[Session]:
        with self.server, httpx.Client(base_url=self.server.url, headers=KEY, timeout=LONG) as self.http:
            yield self


@pytest.fixture
def session(emulator: Emulator, tmp_path: Path) -> Iterator[Session]:
    """A session whose upstream is the emulator of the test."""
    with Session(tmp_path / "live.jsonl", emulator.url).running() as found:
        yield found


REQUESTS: dict[str, Callable[[Session], httpx.Response]] = {
    "chat": lambda s: s.say(),
    "stream": lambda s: s.say(stream=True),
    "reasoning in a stream": lambda s: s.say(stream=True, model="anthropic/claude-fable-5.1"),
    "tool call": lambda s: s.say(tools=[TOOL], tool_choice="required"),
    "tool call in a stream": lambda s: s.say(tools=[TOOL], tool_choice="required", stream=True),
    "invalid body": lambda s: s.say(temperature=9),
    "model unknown": lambda s: s.say(model="nope"),
    "text": lambda s: s.http.get("/text/a%2Fb%20%3F?seed=3"),
    "image": lambda s: s.http.get("/image/a%20cat", params={"width": 64, "height": 64}),
    "image as JSON": lambda s: s.http.post("/v1/images/generations", json={"prompt": "x", "size": "64x64"}),
    "speech": lambda s: s.http.post("/v1/audio/speech", json={"input": "hello"}),
    "embeddings": lambda s: s.http.post("/v1/embeddings", json={"input": ["a", "b"]}),
    "models": lambda s: s.http.get("/models"),
    "upload": lambda s: s.http.post("/media/upload", files={"file": ("a.png", b"x" * 2_000_000, "image/png")}),
    "balance": lambda s: s.http.get("/account/balance"),
    "path unknown": lambda s: s.http.get("/nope"),
    "head": lambda s: s.http.head("/models"),
    "key unknown": lambda s: s.http.get("/text/hi", headers={"authorization": "Bearer sk_stranger"}),
    "key missing": lambda s: s.http.get("/text/hi", headers={"authorization": ""}),
}


def test_an_equal_upstream_has_no_differences(session: Session, emulator: Emulator) -> None:
    responses = {name: ask(session) for name, ask in REQUESTS.items()}
    direct = httpx.get(f"{emulator.url}/image/a%20cat", params={"width": 64, "height": 64}, headers=KEY)
    assert responses["image"].content == direct.content
    assert responses["stream"].text.endswith("data: [DONE]\n\n")
    entries = session.stop()
    differing = {name: entry for name, entry in zip(responses, entries, strict=True) if entry["differences"]}
    assert differing == {}
    assert [entry["upstream"]["status"] for entry in entries] == [r.status_code for r in responses.values()]
    assert (
        session.server.report.text()
        == f"{len(REQUESTS)} exchanges, {len(REQUESTS)} compared: {len(REQUESTS)} same, 0 different."
    )


def test_the_keys_of_the_upstream_have_their_limits_in_the_emulator(session: Session, emulator: Emulator) -> None:
    limits: dict[str, dict[str, Any]] = {
        "sk_of_a_poor_user": {"balance": 0, "scopes": ["usage"]},
        "sk_with_a_spent_budget": {"budget": 0},
        "sk_for_images_only": {"models": ["image"]},
        "sk_that_has_expired": {"expires": "2026-01-01T00:00:00Z"},
    }
    emulator.keys.update(limits)
    for key in limits:
        session.http.get("/text/hi", headers={"authorization": f"Bearer {key}"})
        session.http.get("/account/usage", headers={"authorization": f"Bearer {key}"})
    entries = session.stop()
    assert [entry["differences"] for entry in entries] == [[]] * 8
    assert {entry["emulator"]["status"] for entry in entries} == {200, 401, 403}


def refusing(emulator: Emulator) -> None:
    emulator.fail(403)


def with_events(*events: Any) -> Callable[[Emulator], Any]:
    return lambda emulator: emulator.reply(chunks=list(events))


USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
DIFFERENT = [
    pytest.param(refusing, "chat", "refusal at status: upstream: 403 FORBIDDEN", id="refusal"),
    pytest.param(lambda e: e.fail(429), "invalid body", "429 RATE_LIMITED .* emulator: 400 BAD_REQUEST", id="status"),
    pytest.param(lambda e: e.fail("balance notice"), "chat", "upstream: 200 with a notice", id="notice"),
    pytest.param(lambda e: e.fail(503), "chat", "failure at status: upstream: 503", id="failure"),
    pytest.param(lambda e: e.reply(body={"x": 1}), "chat", "json at body.choices: upstream: absent", id="key"),
    pytest.param(lambda e: e.reply(body="{"), "chat", "media type at content-type: .*text/plain", id="content type"),
    pytest.param(
        lambda e: e.reply(message={"content": "x"}, finish_reason="end_turn"), "chat",
        "finish_reason: upstream: end_turn | emulator: stop", id="enumeration",
    ),
    pytest.param(
        lambda e: e.reply(message={"content": "x"}, usage=USAGE | {"total_tokens": "2"}), "chat",
        "json at body.usage.total_tokens: upstream: string | emulator: number", id="type",
    ),
    pytest.param(
        with_events({"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}], "usage": USAGE}),
        "stream", r"stream at order of the events: upstream: content\+finish\+usage \| emulator: role", id="events",
    ),
    pytest.param(lambda e: e.fail("stream error"), "stream", "order of the events: .*error", id="error in a stream"),
    pytest.param(lambda e: e.fail("no end"), "stream", r"stream at order of the events: .*, \[DONE\]", id="no [DONE]"),
    pytest.param(
        lambda e: e.reply(body=b"RIFF0000WAVE", headers={"content-type": "audio/mpeg"}, on="/v1/audio"), "speech",
        "media type at format of the bytes: upstream: WAV | emulator: MP3", id="format of the bytes",
    ),
    pytest.param(
        lambda e: e.reply("x", headers={"retry-after": "3"}), "chat", "header at retry-after: upstream: 3", id="header"
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "request_name", "line"), DIFFERENT)
def test_differences_are_reported(
    session: Session, emulator: Emulator, change: Callable[[Emulator], Any], request_name: str, line: str
) -> None:
    change(emulator)
    REQUESTS[request_name](session)
    (entry,) = session.stop()
    assert entry["differences"]
    shown = "\n".join(session.lines)
    assert re.search(line.replace(" | ", r" \| "), shown), shown
    assert re.search(line.replace(" | ", r" \| "), session.server.report.text())
    assert "1 compared: 0 same, 1 different" in session.server.report.text()


def test_no_secret_is_written_or_shown(session: Session, emulator: Emulator) -> None:
    secret, other = "sk_secret/with+odd=letters", "sk_in_the_query_123"
    emulator.keys.update({secret: {"scopes": ["keys", "usage"]}, other: {}})
    session.http.headers["authorization"] = f"Bearer {secret}"
    session.say(f"my key is {secret}")
    session.http.get("/text/hi", params={"key": other}, headers={"authorization": "", "cookie": "session=crumbs123"})
    made = session.http.post("/account/keys", json={"name": "new"}).json()["key"]
    code = session.http.post("/api/device/code", data={"client_id": "app"}).json()
    token = emulator.approve(code["user_code"])
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": code["device_code"]}
    assert session.http.post("/api/oauth/token", data=form).json()["access_token"] == token
    refused = f"The key {secret} may not do this"
    emulator.fail(403, message=refused, fix_url=f"https://x.example/?token={secret}", on=CHAT)
    session.say()
    session.stop()
    told = session.path.read_text("utf-8") + "\n".join(session.lines) + session.server.report.text()
    hidden = (secret, "odd=letters", "odd%3Dletters", other, "crumbs123", made, code["device_code"], token)
    assert [each for each in hidden if each in told] == []
    assert "[removed]" in told and "may not do this" in told


def test_only_the_owner_can_read_the_file(session: Session) -> None:
    if os.name != "posix":
        pytest.skip("the permissions of files are those of POSIX")
    assert session.path.stat().st_mode & 0o077 == 0


# Servers with raw sockets.

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@contextlib.contextmanager
def raw(tmp_path: Path, answer: Callable[[socketserver.StreamRequestHandler], None]) -> Iterator[Session]:
    """A session whose upstream answers with a function. The upstream has no routes for API keys."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            if b"/account/" in line:
                self.wfile.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            else:
                answer(self)

    with serve(Handler) as url, Session(tmp_path / "live.jsonl", url).running() as found:
        yield found


def test_a_stream_is_forwarded_as_it_comes(tmp_path: Path) -> None:
    seen = threading.Event()

    def answer(upstream: socketserver.StreamRequestHandler) -> None:
        upstream.wfile.write(HEAD + chunk(b"data: 1\n\n"))
        assert seen.wait(LONG)
        upstream.wfile.write(chunk(b"data: 2\n\n") + chunk(b""))

    with raw(tmp_path, answer) as session, session.http.stream("GET", "/text/hi") as response:
        pieces = response.iter_raw()
        assert next(pieces) == b"data: 1\n\n"
        seen.set()
        assert next(pieces) == b"data: 2\n\n"


def test_a_client_that_leaves_ends_the_request_to_the_upstream(tmp_path: Path) -> None:
    ended = threading.Event()

    def answer(upstream: socketserver.StreamRequestHandler) -> None:
        upstream.wfile.write(HEAD)
        with contextlib.suppress(OSError):
            while True:
                upstream.wfile.write(chunk(b": ping\n\n"))
                time.sleep(0.02)
        ended.set()

    with raw(tmp_path, answer) as session:
        with session.http.stream("GET", "/text/hi") as response:
            next(response.iter_raw())
        assert ended.wait(LONG)
        (entry,) = session.stop()
    assert entry["upstream"]["failure"] == "The client disconnected"
    assert entry["emulator"]["status"] == 200


def test_an_upstream_that_breaks_off_breaks_off_the_response(tmp_path: Path) -> None:
    with raw(tmp_path, lambda upstream: upstream.wfile.write(HEAD + chunk(b"data: 1\n\n"))) as session:
        with pytest.raises(httpx.RemoteProtocolError):
            session.http.get("/text/hi")
        (entry,) = session.stop()
    assert entry["upstream"]["failure"].startswith("The upstream broke off the response")


def test_an_unreachable_upstream_is_a_502(tmp_path: Path) -> None:
    with serve(socketserver.BaseRequestHandler) as url:
        pass
    with Session(tmp_path / "live.jsonl", url).running() as session:
        response = session.say()
        (entry,) = session.stop()
    assert response.status_code == 502
    message = response.json()["error"]["message"]
    assert message.startswith(f"The upstream {url} did not answer (ConnectError")
    assert entry["note"] == entry["upstream"]["failure"] == message and entry["emulator"] is None
    assert "1 x not compared: The upstream" in session.server.report.text()


def test_a_redirect_is_returned_but_not_followed(tmp_path: Path, emulator: Emulator) -> None:
    head = f"HTTP/1.1 307 Temporary Redirect\r\nlocation: {emulator.url}/text/hi\r\ncontent-length: 0\r\n\r\n"
    with raw(tmp_path, lambda upstream: upstream.wfile.write(head.encode())) as session:
        assert session.http.get("/text/hi").status_code == 307
    assert emulator.requests == []


def test_large_bodies_are_described_by_their_size_and_hash(session: Session, emulator: Emulator) -> None:
    data = os.urandom(20 * 1024 * 1024)
    link = session.http.post("/media/upload", content=data, headers={"content-type": "image/png"}).json()["url"]
    assert session.http.get(link.removeprefix(emulator.url)).content == data
    posted, read = session.stop()
    described = {"type": "image/png", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert posted["request"]["body"] == read["upstream"]["body"] == described
    assert session.path.stat().st_size < 20_000


def test_a_line_that_was_cut_does_not_spoil_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    path.write_text('{"first": 1}\n{"cut')
    for number in (1, 2):
        journal = Journal(path)
        journal.write({"number": number})
        journal.close()
    assert path.read_text().splitlines() == ['{"first": 1}', '{"cut', '{"number":1}', '{"number":2}']


# The program.


def command(*arguments: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-W", "error", "-m", "langchain_pollinations.emulator", "--port", "0", *arguments]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(os.name != "posix", reason="this system cannot send SIGINT to a process")
def test_an_interrupt_writes_the_report(emulator: Emulator, tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    with command("--record", str(path), "--upstream", emulator.url) as process:
        try:
            assert process.stdout is not None
            told = ""
            while "Ctrl-C" not in told:
                told += process.stdout.readline()
            found = re.search(r"base_url  (\S+)", told)
            assert found is not None
            emulator.fail(403)
            assert httpx.get(f"{found[1]}/text/hi", headers=KEY, timeout=LONG).status_code == 403
            process.send_signal(signal.SIGINT)
            out, errors = process.communicate(timeout=LONG)
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "")
    assert "403  GET /text/hi  1 difference\n" in out
    assert "1 exchange, 1 compared: 0 same, 1 different.\n   1 x GET /text/...  refusal at status" in out
    assert len(path.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--upstream", "https://gen.pollinations.ai"], "--upstream needs --record"),
        (["--record", "x", "--upstream", "http://gen.pollinations.ai"], "must start with https://"),
        (["--record", "x", "--upstream", "https://sk_secret@gen.pollinations.ai"], "without user"),
        (["--record", "x", "--upstream", "https:"], "form https://host"),
        (["--record", "x", "--legacy"], "--legacy cannot be combined with --record"),
        (["--record", "x", "--latency", "1"], "--latency cannot be combined with --record"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    out, errors = capsys.readouterr()
    assert out == "" and message in errors and "sk_secret" not in errors


def test_a_file_that_cannot_be_opened_is_named() -> None:
    with command("--record", "no/such/folder/x") as process:
        out, errors = process.communicate(timeout=LONG)
    assert (process.returncode, out, errors) == (1, "", "no/such/folder/x: No such file or directory\n")


def test_a_response_that_the_emulator_breaks_off_is_named(emulator: Emulator, tmp_path: Path) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"Ha", "more_body": True})
        raise ZeroDivisionError

    async def ask() -> None:
        found = Shadow(Upstream(httpx.URL(emulator.url)), State(keys={}), broken, journal, Report(), lines.append)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(found), base_url=emulator.url) as client:
            await client.get("/text/hi", headers=KEY)

    lines: list[str] = []
    with contextlib.closing(Journal(tmp_path / "live.jsonl")) as journal:
        asyncio.run(ask())
    assert "emulator: The emulator failed: ZeroDivisionError" in lines[0]
