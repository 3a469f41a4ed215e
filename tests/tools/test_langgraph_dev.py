"""Two users of an agent on `langgraph dev`, which is stopped and started again in between.

`make test-langgraph` installs what this test needs. The server is a process of its own; the emulator runs here.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.stores import ByteStore

from langchain_pollinations import Media
from langchain_pollinations.emulator import Emulator

pytest.importorskip("langgraph_api", reason="langgraph-cli[inmem] is not installed; `make test-langgraph` installs it")
storage = pytest.importorskip("langchain_classic.storage", reason="langchain-classic is not installed")
sdk = pytest.importorskip("langgraph_sdk")

APP = Path(__file__).parents[2] / "examples" / "langgraph_app"
STARTUP_LIMIT = 120
"""Seconds after which a server that does not answer has failed."""


@contextmanager
def _server(folder: Path, emulator: Emulator) -> Iterator[str]:
    """Run `langgraph dev` in a folder, which keeps the threads."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    service = emulator.connection()
    environment = {
        **os.environ,
        "POLLINATIONS_BASE_URL": service["base_url"],
        "POLLINATIONS_API_KEY": service["api_key"],
        "MEDIA_FOLDER": str(folder / "media"),
        "LANGSMITH_TRACING": "false",
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
    }
    command = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        _wait(url, process, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(60)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTUP_LIMIT
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text("utf-8")[-3000:]
        try:
            if httpx.get(f"{url}/ok").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(log.read_text("utf-8")[-3000:])


class User:
    """A user of the server, with one thread at a time."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.thread_id = ""

    async def new_thread(self) -> str:
        self.thread_id = (await self.client.threads.create())["thread_id"]
        return self.thread_id

    async def ask(self, question: str, **options: Any) -> tuple[list[dict[str, Any]], int]:
        """Run one turn and stream it.

        Returns:
            The tool messages of the turn, and the number of chunks of text that were streamed.
        """
        asked = {"messages": [{"role": "user", "content": question}]}
        chunks, messages = 0, []
        modes = ["messages-tuple", "values"]
        async for part in self.client.runs.stream(self.thread_id, "agent", input=asked, stream_mode=modes, **options):
            assert part.event != "error", part.data
            if part.event == "messages" and part.data[0]["type"] == "AIMessageChunk":
                chunks += bool(part.data[0]["content"])
            elif part.event == "values":
                messages = part.data["messages"]
        assert '"base64"' not in json.dumps(messages)
        last = max(place for place, message in enumerate(messages) if message["type"] == "human")
        return [message for message in messages[last:] if message["type"] == "tool"], chunks


def _script(emulator: Emulator, name: str, **args: Any) -> None:
    emulator.reply(tool_calls=[{"name": name, "args": args}], on="/v1/chat")
    emulator.reply("Here is what I made for you.", on="/v1/chat")


def _edits(emulator: Emulator) -> int:
    return sum(request.path == "/v1/images/edits" for request in emulator.requests)


@asynccontextmanager
async def _users(url: str) -> AsyncIterator[tuple[User, User]]:
    anna, bert = (sdk.get_client(url=url, headers={"Authorization": f"Bearer {name}"}) for name in ("anna", "bert"))
    async with anna, bert:
        yield User(anna), User(bert)


async def _first_session(anna: User, bert: User, emulator: Emulator, store: ByteStore) -> dict[str, Any]:
    await anna.new_thread()
    _script(emulator, "generate_image", prompt="a kite")
    (drawn,), chunks = await anna.ask("Draw a kite")
    assert chunks > 1
    artifact: dict[str, Any] = drawn["artifact"]
    assert Media.from_artifact(artifact, store=store).width == 768

    await bert.new_thread()
    edit = {"prompt": "make it night", "images": [artifact["id"]]}
    _script(emulator, "edit_image", **edit)
    (refused,), _ = await bert.ask("Make the kite of Anna dark")
    assert (refused["status"], "no media has the id" in refused["content"]) == ("error", True)
    assert _edits(emulator) == 0
    with pytest.raises(httpx.HTTPStatusError):
        await bert.client.threads.get_state(anna.thread_id)
    _script(emulator, "edit_image", **edit)
    spoofed = {"configurable": {"langgraph_auth_user_id": "anna", "thread_id": anna.thread_id}}
    (refused,), _ = await bert.ask("Make it dark", config=spoofed)  # the server replaces both values
    assert refused["status"] == "error"
    assert _edits(emulator) == 0
    return {"artifact": artifact, "thread_id": anna.thread_id}


async def _second_session(anna: User, bert: User, emulator: Emulator, store: ByteStore, kept: dict[str, Any]) -> None:
    anna.thread_id = kept["thread_id"]
    edit = {"prompt": "make it night", "images": [kept["artifact"]["id"]]}
    _script(emulator, "edit_image", **edit)
    (edited,), _ = await anna.ask("Make it dark")
    assert edited["status"] == "success"
    state = await anna.client.threads.get_state(anna.thread_id)
    artifacts = [message["artifact"] for message in state["values"]["messages"] if message["type"] == "tool"]
    assert [Media.from_artifact(artifact, store=store).width for artifact in artifacts] == [768, 768]
    await anna.new_thread()
    _script(emulator, "edit_image", **edit)
    (again,), _ = await anna.ask("Make the kite of the other thread dark")
    assert again["status"] == "success"

    await bert.new_thread()
    stories = [anna.ask("Tell me a short illustrated story about a whale"),
               bert.ask("Tell me a short illustrated story about a fox")]  # fmt: skip
    of_anna, of_bert = ([message["artifact"] for message in tools] for tools, _ in await asyncio.gather(*stories))
    assert of_anna
    assert of_bert
    assert all("whale" in artifact["prompt"].lower() for artifact in of_anna)
    assert all("fox" in artifact["prompt"].lower() for artifact in of_bert)
    for artifact in of_anna:
        _script(emulator, "edit_image", prompt="night", images=[artifact["id"]])
        (refused,), _ = await bert.ask("Make it dark")
        assert refused["status"] == "error"


def _run_client(folder: Path, url: str, emulator: Emulator) -> list[str]:
    """Run `client.py` as the README of the example says. Return the lines that it prints."""
    service = emulator.connection()
    environment = os.environ | {
        "POLLINATIONS_BASE_URL": service["base_url"],
        "POLLINATIONS_API_KEY": service["api_key"],
    }
    command = [sys.executable, "client.py", "--url", url, "Tell me a short illustrated story about a whale"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=STARTUP_LIMIT)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_two_users_of_a_server_see_only_their_own_media(emulator: Emulator, tmp_path: Path) -> None:
    for file in APP.iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    store = storage.LocalFileStore(tmp_path / "media")
    with _server(tmp_path, emulator) as url:
        kept = asyncio.run(_run(url, _first_session, emulator, store))
    with _server(tmp_path, emulator) as url:
        asyncio.run(_run(url, _second_session, emulator, store, kept))
        *text, first, second, third = _run_client(tmp_path, url, emulator)
    assert "# The Whale" in text
    assert all((tmp_path / name).read_bytes().startswith(b"\xff\xd8") for name in (first, second, third))
    assert "BlockingError" not in (tmp_path / "log").read_text("utf-8")


async def _run(url: str, session: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    async with _users(url) as (anna, bert):
        return await session(anna, bert, *args)
