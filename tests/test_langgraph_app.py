"""The example `langgraph_app` on `langgraph dev`: two users, a restart, and the program of its README without a key.

`make test-langgraph` installs what these tests need. The server is a process of its own.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from langchain_pollinations.emulator import Emulator
from tests.helpers.programs import ROOT, running

pytest.importorskip("langgraph_api", reason="langgraph-cli[inmem] is not installed; `make test-langgraph` installs it")
pytest.importorskip("langchain_classic", reason="langchain-classic is not installed")
sdk = pytest.importorskip("langgraph_sdk")

APP = ROOT / "examples" / "langgraph_app"
KITE = {"prompt": "a kite", "width": 256, "height": 192}


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A copy of the example, in which the server keeps its threads and media."""
    return Path(shutil.copytree(APP, tmp_path / "app", ignore=shutil.ignore_patterns(".*", "__pycache__")))


def _server(app: Path, service: Emulator | None) -> AbstractContextManager[str]:
    command = ["-m", "langgraph_cli", "dev", "--no-browser", "--no-reload", "--port", "{port}"]
    quiet = {"LANGSMITH_TRACING": "false", "LANGGRAPH_CLI_NO_ANALYTICS": "1"}
    return running(app.parent, *command, cwd=app, service=service, environment=quiet)


class User:
    """A user of the server, with one thread at a time."""

    def __init__(self, url: str, name: str) -> None:
        headers = {"Authorization": f"Bearer demo-key-of-{name}"}
        self.client = sdk.get_client(url=url, headers=headers)
        self.http = httpx.AsyncClient(base_url=url, headers=headers)
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

    async def download(self, artifact: dict[str, Any]) -> httpx.Response:
        return await self.http.get(f"/media/{artifact['id']}")

    async def width(self, artifact: dict[str, Any]) -> int:
        response = (await self.download(artifact)).raise_for_status()
        assert response.headers["content-type"] == artifact["mime_type"] == "image/jpeg"
        with Image.open(io.BytesIO(response.content)) as image:
            image.load()
            return image.width


def _script(emulator: Emulator, name: str, **args: Any) -> None:
    emulator.reply(tool_calls=[{"name": name, "args": args}], on="/v1/chat")
    emulator.reply("Here is what I made for you.", on="/v1/chat")


def _edits(emulator: Emulator) -> int:
    return sum(request.path == "/v1/images/edits" for request in emulator.requests)


@asynccontextmanager
async def _users(url: str) -> AsyncIterator[tuple[User, User]]:
    anna, bert = (User(url, name) for name in ("anna", "bert"))
    async with anna.client, anna.http, bert.client, bert.http:
        yield anna, bert


async def _first_session(anna: User, bert: User, emulator: Emulator) -> dict[str, Any]:
    await anna.new_thread()
    _script(emulator, "generate_image", **KITE)
    (drawn,), chunks = await anna.ask("Draw a kite")
    assert chunks > 1
    artifact: dict[str, Any] = drawn["artifact"]
    assert await anna.width(artifact) == 256

    await bert.new_thread()
    assert (await bert.download(artifact)).status_code == 404
    assert httpx.get(f"{bert.http.base_url}/media/{artifact['id']}").status_code == 401
    edit = {"prompt": "make it night", "images": [artifact["id"]]}
    _script(emulator, "edit_image", **edit)
    (refused,), _ = await bert.ask("Make the kite of Anna dark")
    assert (refused["status"], "no media has the id" in refused["content"]) == ("error", True)
    assert _edits(emulator) == 0
    with pytest.raises(httpx.HTTPStatusError):
        await bert.client.threads.get_state(anna.thread_id)
    await anna.client.store.put_item(["anna"], "note", {"text": "secret"})
    with pytest.raises(httpx.HTTPStatusError, match="namespace must start"):
        await bert.client.store.get_item(["anna"], "note")
    _script(emulator, "edit_image", **edit)
    spoofed = {"configurable": {"langgraph_auth_user_id": "anna", "thread_id": anna.thread_id}}
    (refused,), _ = await bert.ask("Make it dark", config=spoofed)  # the server replaces both values
    assert refused["status"] == "error"
    assert _edits(emulator) == 0
    return {"artifact": artifact, "thread_id": anna.thread_id}


async def _second_session(anna: User, bert: User, emulator: Emulator, kept: dict[str, Any]) -> None:
    anna.thread_id = kept["thread_id"]
    edit = {"prompt": "make it night", "images": [kept["artifact"]["id"]]}
    _script(emulator, "edit_image", **edit)
    (edited,), _ = await anna.ask("Make it dark")
    assert edited["status"] == "success"
    state = await anna.client.threads.get_state(anna.thread_id)
    artifacts = [message["artifact"] for message in state["values"]["messages"] if message["type"] == "tool"]
    assert [await anna.width(artifact) for artifact in artifacts] == [256, 256]
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
    assert [(await bert.download(artifact)).status_code for artifact in of_anna] == [404] * len(of_anna)
    assert [(await bert.download(artifact)).status_code for artifact in of_bert] == [200] * len(of_bert)


def test_two_users_of_a_server_see_only_their_own_media(emulator: Emulator, app: Path) -> None:
    with _server(app, emulator) as url:
        kept = asyncio.run(_run(url, _first_session, emulator))
    with _server(app, emulator) as url:
        asyncio.run(_run(url, _second_session, emulator, kept))
    assert "BlockingError" not in (app.parent / "log").read_text("utf-8")


async def _run(url: str, session: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    async with _users(url) as (anna, bert):
        return await session(anna, bert, *args)


def test_the_program_of_the_readme_runs_without_a_key(
    app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", (app / "README.md").read_text("utf-8"), re.S)
    monkeypatch.chdir(tmp_path)
    with _server(app, None) as url:
        assert "http://127.0.0.1:2024" in program
        names: dict[str, Any] = {}
        exec(compile(program.replace("http://127.0.0.1:2024", url), "README.md", "exec", dont_inherit=True), names)
        names["client"].close()
        names["downloads"].close()
    images = list(tmp_path.glob("*.jpeg"))
    shown = capsys.readouterr().out
    assert len(images) >= 3
    assert all(f"[{image.name}]" in shown and image.stat().st_size > 1000 for image in images)
    assert shown.count("## ") >= 3
    assert (tmp_path / "log").read_text("utf-8").count("requests go to the emulator") == 1
