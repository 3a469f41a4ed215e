"""What a language model that follows hostile instructions can do with the tools: the table of attacks."""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import re
import socket
import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableConfig

from langchain_pollinations import (
    ChatPollinations,
    InvalidResponseError,
    Media,
    PollinationsError,
    PollinationsImage,
    PollinationsToolkit,
    PollinationsVideo,
)
from langchain_pollinations._media.references import MAX_TOTAL_BYTES
from langchain_pollinations.emulator import Emulator
from tests.helpers.files import png
from tests.helpers.html_page import Elements

CANARY = "canary-of-a-secret-file"
KEY = "sk_emulator"
PRIVATE_IMAGE = png("blue")


# --- The world of the attacks -----------------------------------------------------------------------------------------


class _Canary(http.server.BaseHTTPRequestHandler):
    """A server in the private network. No attack may reach it."""

    hits: list[str]

    def do_GET(self) -> None:
        self.hits.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PRIVATE_IMAGE)

    do_POST = do_GET

    def log_message(self, *args: Any) -> None:
        pass


@dataclass
class World:
    """An agent with all tools, files that it must not read, and a server that it must not reach."""

    emulator: Emulator
    folder: Path
    canary: int
    hits: list[str]
    agent: Any
    tools: Mapping[str, Any]
    chat: ChatPollinations

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    def files(self) -> dict[str, bytes]:
        """The files outside the output folder."""
        found = (path for path in self.folder.rglob("*") if path.is_file() and not path.is_relative_to(self.outputs))
        return {str(path): path.read_bytes() for path in found}

    def messages(self, tool: str, args: Any, **configurable: Any) -> list[Any]:
        """Let the model call a tool once. Return the messages of the run."""
        self.emulator.reset()
        self.emulator.reply(tool_calls=[{"name": tool, "args": json.dumps(args)}])
        self.emulator.reply("Done.")
        config: RunnableConfig = {"configurable": configurable}
        found: list[Any] = self.agent.invoke({"messages": [("user", "Go on.")]}, config)["messages"]
        return found

    def run(self, tool: str, args: Any, **configurable: Any) -> ToolMessage:
        """Let the model call a tool once. Return the message of the tool."""
        *_, called, answer = self.messages(tool, args, **configurable)
        assert isinstance(answer, AIMessage)
        assert isinstance(called, ToolMessage)
        return called

    @property
    def requests(self) -> list[Any]:
        """The requests of the tools."""
        return [each for each in self.emulator.requests if each.path != "/v1/chat/completions"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    inside = folder / "inside"
    for each in (inside, folder / "outputs"):
        each.mkdir()
    (folder / "secret.txt").write_text(CANARY, "utf-8")
    (folder / "secret.png").write_bytes(PRIVATE_IMAGE)
    (inside / "notes.png").write_text(CANARY, "utf-8")
    (inside / "allowed.png").write_bytes(png())
    (inside / "link.png").symlink_to(folder / "secret.png")
    (inside / "link").symlink_to(folder)
    os.mkfifo(inside / "pipe.png")
    handler = type("Handler", (_Canary,), {"hits": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    with Emulator() as emulator:
        service = emulator.connection()
        chat = ChatPollinations(**service)
        toolkit = PollinationsToolkit(
            **service,
            options={
                "image": {"models": ["flux", "zimage"], "output_folder": folder / "outputs"},
                "edit_image": {"reference_folder": inside, "output_folder": folder / "outputs"},
                "video": {"reference_folder": inside, "duration": 4},
                "transcribe": {"reference_folder": inside},
            },
        )
        tools = toolkit.get_tools()
        agent = create_agent(chat, tools)
        yield World(emulator, folder, server.server_port, handler.hits, agent, {t.name: t for t in tools}, chat)
    server.shutdown()
    thread.join()
    server.server_close()


def is_plain(text: str) -> bool:
    """Whether a terminal shows a text as it is: no control characters, escape sequences and changes of direction."""
    return all(each == "\n" or unicodedata.category(each) not in ("Cc", "Cf", "Cs") for each in text)


# --- Arguments --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attack:
    """A call that a hostile model makes, and what may happen."""

    tool: str
    args: Mapping[str, Any]
    may: Literal["nothing", "generate"] = "nothing"
    """`nothing`: the model reads an error, and no request is sent. `generate`: one harmless request is sent."""
    says: str = ""
    """Pattern of the text that the model reads."""
    sent: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the request, for `generate`."""


def edit(image: str, says: str = "") -> Attack:
    return Attack("edit_image", {"prompt": "night", "images": [image]}, says=says)


def film(image: str, says: str = "") -> Attack:
    return Attack("generate_video", {"prompt": "waves", "first_frame": image}, says=says)


def hear(recording: str, says: str = "") -> Attack:
    return Attack("transcribe_audio", {"recording": recording}, says=says)


def draw(says: str = "", **args: Any) -> Attack:
    return Attack("generate_image", {"prompt": "a cat", **args}, says=says)


OUTSIDE = "is not a file in reference_folder"
PUBLIC = "public URLs only"
FILES = {
    "absolute": edit("/etc/passwd", OUTSIDE),
    "parent": edit("../secret.png", OUTSIDE),
    "parent inside": film("inside/../../secret.png", OUTSIDE),
    "home": edit("~/secret.png", OUTSIDE),
    "home of root": hear("~root/a.wav", OUTSIDE),
    "unknown home": edit("~nobody-here/a.png", OUTSIDE),
    "environment": hear("/proc/self/environ", OUTSIDE),
    "descriptor": edit("/proc/self/fd/0", OUTSIDE),
    "device": hear("/dev/zero", OUTSIDE),
    "symbolic link": edit("link.png", OUTSIDE),
    "linked folder": film("link/secret.png", OUTSIDE),
    "pipe": edit("pipe.png", "not a regular file"),
    "folder": edit("./", "not a regular file"),
    "text as image": edit("notes.png", "not in a supported image format"),
    "image as recording": hear("allowed.png", "must be audio data"),
    "null byte": edit("allowed.png\0.txt", OUTSIDE),
    "surrogate": edit("\ud800.png"),
    "long path": edit("a" * 5000 + ".png", "maximum is 4,096"),
    "share": edit("\\\\127.0.0.1\\share\\a.png", "network or device path"),
    "share with slashes": hear("//127.0.0.1/share/a.wav", "network or device path"),
    "device of Windows": edit("\\\\.\\PhysicalDrive0", "network or device path"),
    "reserved name": edit("CON.png", "cannot be read"),
    "drive": edit("C:\\secret.png", "cannot be read"),
    "stream of a file": edit("allowed.png:secret", "cannot be read"),
    "percent-encoded": edit("%2e%2e/secret.png", "cannot be read"),
    "file URL": edit("file:///etc/passwd", "must be an http|complete http"),
    "file URL with host": film("file://localhost/etc/passwd"),
    "file URL in capitals": hear("FILE:///etc/passwd"),
}
ADDRESSES = {
    "loopback": edit("http://127.0.0.1/a.png", PUBLIC),
    "loopback, other": film("http://127.8.9.1/a.png", PUBLIC),
    "short": edit("http://127.1/a.png", PUBLIC),
    "decimal": edit("http://2130706433/a.png", PUBLIC),
    "octal": edit("http://0177.0.0.1/a.png", PUBLIC),
    "hexadecimal": edit("http://0x7f000001/a.png", PUBLIC),
    "hexadecimal parts": edit("http://0x7f.0.0.0x1/a.png", PUBLIC),
    "zero": edit("http://0/a.png", PUBLIC),
    "unspecified": edit("http://0.0.0.0/a.png", PUBLIC),
    "IPv6": edit("http://[::1]/a.png", PUBLIC),
    "IPv6 unspecified": edit("http://[::]/a.png", PUBLIC),
    "IPv6 mapped": edit("http://[::ffff:127.0.0.1]/a.png", PUBLIC),
    "IPv6 mapped, hexadecimal": edit("http://[::ffff:7f00:1]/a.png", PUBLIC),
    "IPv6 link-local": edit("http://[fe80::1%25eth0]/a.png"),
    "IPv6 NAT64": edit("http://[64:ff9b::7f00:1]/a.png", PUBLIC),
    "metadata": edit("http://169.254.169.254/latest/meta-data/a.png", PUBLIC),
    "metadata by name": edit("http://metadata.google.internal/a.png", PUBLIC),
    "private network": film("http://192.168.0.1/a.png", PUBLIC),
    "localhost": edit("http://localhost/a.png", PUBLIC),
    "localhost with dot": edit("http://localhost./a.png", PUBLIC),
    "localhost in capitals": edit("http://LOCALHOST/a.png", PUBLIC),
    "below localhost": edit("http://a.localhost/a.png", PUBLIC),
    "full-width": edit("http://\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54/a.png", PUBLIC),
    "circled digits": edit("http://①②⑦.0.0.1/a.png", PUBLIC),
    "ideographic full stop": edit("http://127\u30020\u30020\u30021/a.png", PUBLIC),
    "percent-encoded host": edit("http://%31%32%37.0.0.1/a.png", PUBLIC),
    "single label": edit("http://intranet/a.png", PUBLIC),
    "local name": edit("http://printer.local/a.png", PUBLIC),
    "user name": edit("https://me:pass@example.org/a.png", PUBLIC),
    "user name that looks like a host": edit("https://example.org@127.0.0.1/a.png", PUBLIC),
    "backslash": edit("http://example.org\\@127.0.0.1/a.png"),
    "line break": edit("http://example.org/\r\nHost: 127.0.0.1"),
    "long URL": edit(f"https://example.org/{'a' * 9000}", "maximum is 8,192"),
    "gopher": edit("gopher://127.0.0.1:6379/_FLUSHALL"),
    "ftp": film("ftp://example.org/a.png"),
    "javascript": edit("javascript:alert(1)"),
    "javascript with slashes": edit("javascript://example.org/%0aalert(1)"),
    "blob": edit("blob:https://example.org/1"),
    "any URL of a recording": hear("https://example.org/a.wav", "must be the id"),
    "recording of this machine": hear("http://127.0.0.1/a.wav", PUBLIC),
    "page as data": edit("data:text/html,<script>alert(1)</script>", "not in a supported image format"),
    "data without bytes": edit("data:image/png;base64,", "supported image format|must be"),
    "data that is no base64": edit("data:image/png;base64,%%%", "valid base64"),
}
SIZES = {
    "width": draw(width=10**9, says="4096"),
    "negative width": draw(width=-1, says="16"),
    "infinite height": draw(height="Infinity", says="height"),
    "fraction": draw(width=64.5, says="width"),
    "list": draw(width=[64], says="width"),
    "seed": draw(seed=2**63, says="seed"),
    "prompt of a megabyte": draw(prompt="a" * 2**20, says="maximum is"),
    "empty prompt": draw(prompt=" ", says="non-empty"),
    "no prompt": Attack("generate_image", {}, says="prompt: Field required"),
    "prompt of a wrong type": draw(prompt={"$ne": 1}, says="prompt"),
    "half a character": draw(prompt="a\ud800", says="half a character|surrogate"),
    "null byte": draw(prompt="a\0b", says="null byte"),
    "33 images": Attack(
        "edit_image", {"prompt": "x", "images": [f"image{n:03}" for n in range(33)]}, says="at most 32"
    ),
    "no images": Attack("edit_image", {"prompt": "x", "images": []}, says="images"),
    "deep list": Attack("edit_image", {"prompt": "x", "images": "[" * 5000}, says="."),
    "nested images": Attack("edit_image", {"prompt": "x", "images": [["a"]]}, says="images"),
    "long film": Attack("generate_video", {"prompt": "x", "duration": 10**6}, says="120"),
    "long music": Attack("generate_music", {"prompt": "x", "duration": 1e300}, says="380"),
    "music without end": Attack("generate_music", {"prompt": "x", "duration": "NaN"}, says="duration"),
    "long speech": Attack("generate_speech", {"text": "word " * 10_000}, says="at most 10,000"),
    "long voice": Attack("generate_speech", {"text": "x", "voice": "v" * 10_000}, says="voice"),
    "dear model": draw(model="gptimage-large", says="model"),
    "model of another kind": draw(model="veo", says="model"),
    "unknown id": edit("0123456789abcdef", "no media has the id"),
    "id of the key": edit(KEY, "no media has the id"),
    "language": Attack("transcribe_audio", {"recording": "0123456789abcdef", "language": "x" * 10_000}),
    "escape sequence": edit("\x1b]0;owned\x07\u202e.png", "cannot be read"),
    "escape sequence in a URL": edit("http://\x1b[2J\u202eexample.org/"),
}
SETTINGS: Mapping[str, Any] = {
    "api_key": "sk_of_the_attacker", "base_url": "http://127.0.0.1:9", "media_url": "http://127.0.0.1:9",
    "path": "/tmp/owned.png", "output_folder": "/tmp", "reference_folder": "/", "image": "/etc/passwd",
    "extra_headers": {"Authorization": "x"}, "default_headers": {"x": "y"}, "http_client": "x", "timeout": 1e9,
    "max_retries": 10**6, "wrapper": {}, "media_store": {}, "inline": True, "self": "x", "run_manager": "x",
    "config": {"configurable": {"thread_id": "of another user"}}, "model_kwargs": {"a": 1}, "safe": False, "n": 100,
}  # fmt: skip
EXTRA = {
    name: Attack("generate_image", {"prompt": "a cat", "seed": 1, name: value}, "generate", "is ready", {"seed": "1"})
    for name, value in SETTINGS.items()
} | {
    "model of a film": Attack("generate_speech", {"text": "Hi", "model": "dear", "path": "/tmp/x"}, "generate"),
    "dots in a prompt": Attack("generate_image", {"prompt": "../../account/key?a=b#c"}, "generate", "is ready"),
    "markup in a prompt": Attack("generate_image", {"prompt": "\"><script>alert(1)</script>"}, "generate", "is ready"),
    "route as prompt": Attack("generate_image", {"prompt": "models"}, "generate", "is ready"),
}  # fmt: skip
ATTACKS = {
    f"{group}: {name}": attack
    for group, table in {"file": FILES, "address": ADDRESSES, "size": SIZES, "extra": EXTRA}.items()
    for name, attack in table.items()
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_arguments_of_a_model_do_no_harm(world: World, attack: Attack) -> None:
    before = world.files()
    message = world.run(attack.tool, attack.args)
    text = str(message.content)
    assert is_plain(text)
    assert not [word for word in (CANARY, KEY, str(world.folder)) if word in text.replace(str(attack.args), "")]
    assert re.search(attack.says, text)
    assert world.files() == before
    assert all(re.fullmatch(r"(image|video|audio)-[0-9a-f]{12}\.\w+", path.name) for path in world.outputs.iterdir())
    assert world.hits == []
    if attack.may == "nothing":
        assert message.status == "error"
        assert world.requests == []
        return
    (request,) = world.requests
    assert message.status == "success"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.path.startswith(("/image/", "/v1/images/", "/audio/", "/v1/audio/"))
    assert attack.sent.items() <= request.query.items()
    assert not request.query.keys() & SETTINGS.keys()


def test_the_table_is_long_enough() -> None:
    assert len(ATTACKS) >= 60


@pytest.mark.parametrize("argument", ["images", "first_frame"])
def test_data_uris_are_limited_in_total(world: World, argument: str) -> None:
    uri = "data:image/png;base64," + "A" * (MAX_TOTAL_BYTES["image"] + 1)
    name, given = ("edit_image", [uri]) if argument == "images" else ("generate_video", uri)
    tool = world.tools[name]
    world.emulator.requests.clear()
    message = tool.invoke({"type": "tool_call", "id": "1", "name": name, "args": {"prompt": "x", argument: given}})
    assert message.status == "error"
    assert re.search("maximum is|supported image", message.content)
    assert world.requests == []


NAMES = [
    "",
    "__class__",
    "../generate_image",
    "generate_image\n",
    "generate_image; rm -rf /",
    "\x1b[31mred",
    "x" * 5000,
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_tool_that_does_not_exist_is_not_called(world: World, name: str) -> None:
    *_, last = messages = world.messages(name, {"prompt": "a cat"})
    assert isinstance(last, AIMessage)
    assert not [each for each in messages if isinstance(each, ToolMessage) and each.status != "error"]
    assert world.requests == []


OWNERS: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "threads": ({"thread_id": "alice"}, {"thread_id": "bob"}),
    "users": ({"langgraph_auth_user_id": "alice"}, {"langgraph_auth_user_id": "bob", "thread_id": "alice"}),
    "thread named as a user": ({"langgraph_auth_user_id": "alice"}, {"thread_id": "alice"}),
    "no thread": ({"thread_id": "alice"}, {}),
    "thread 0": ({}, {"thread_id": 0}),
}


@pytest.mark.parametrize(("owner", "other"), OWNERS.values(), ids=OWNERS)
@pytest.mark.parametrize("tool", ["edit_image", "generate_video", "transcribe_audio"])
def test_an_id_of_another_user_finds_nothing(
    world: World, tool: str, owner: dict[str, Any], other: dict[str, Any]
) -> None:
    media_id = world.run("generate_image", {"prompt": f"a diary {owner}"}, **owner).artifact["id"]
    args = {
        "edit_image": {"prompt": "x", "images": [media_id]},
        "generate_video": {"prompt": "x", "first_frame": media_id},
        "transcribe_audio": {"recording": media_id, "config": {"configurable": owner}},
    }[tool]
    message = world.run(tool, args, **other)
    assert "no media has the id" in str(message.content)
    assert world.requests == []
    assert "no media has the id" not in str(world.run(tool, args, **owner).content)


# --- Content of other tools -------------------------------------------------------------------------------------------


CONTENT: Mapping[str, Any] = {
    "file URL": {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}},
    "path": {"type": "image_url", "image_url": {"url": "/etc/passwd"}},
    "standard block": {"type": "image", "url": "file:///etc/passwd"},
    "path in a block": {"type": "image", "path": "/etc/passwd", "mime_type": "image/png"},
    "file block": {"type": "file", "url": "file:///etc/passwd", "mime_type": "application/pdf"},
    "audio": {"type": "audio", "url": "file:///etc/passwd", "mime_type": "audio/wav"},
    "private address": {"type": "image", "url": "http://127.0.0.1:{port}/a.png"},
}


@pytest.mark.parametrize("block", CONTENT.values(), ids=CONTENT)
def test_a_result_of_another_tool_makes_this_machine_read_nothing(world: World, block: dict[str, Any]) -> None:
    """A hosted tool or an MCP server returns content blocks. The chat model sends them or rejects them."""
    block = {
        name: value.format(port=world.canary) if isinstance(value, str) else value for name, value in block.items()
    }
    world.emulator.requests.clear()
    call = {"name": "search", "args": {}, "id": "1", "type": "tool_call"}
    messages = [("user", "Hi"), AIMessage("", tool_calls=[call]), ToolMessage([block], tool_call_id="1")]
    try:
        world.chat.invoke(messages)
    except (PollinationsError, ValueError) as error:
        assert is_plain(str(error))
    sent = b"".join(request.body for request in world.emulator.requests)
    assert b"root:" not in sent
    assert b"data:" not in sent
    assert world.hits == []


# --- Redirects and name servers ---------------------------------------------------------------------------------------


LOCATIONS = {
    "loopback": "http://127.0.0.1:{port}/",
    "decimal": "http://2130706433:{port}/",
    "octal": "http://0177.0.0.1:{port}/",
    "short": "http://127.1:{port}/",
    "hexadecimal": "http://0x7f000001:{port}/",
    "unspecified": "http://0.0.0.0:{port}/",
    "zero": "http://0:{port}/",
    "IPv6 mapped": "http://[::ffff:127.0.0.1]:{port}/",
    "IPv6": "http://[::1]:{port}/",
    "localhost": "http://localhost:{port}/",
    "localhost with dot": "http://localhost.:{port}/",
    "metadata": "http://169.254.169.254/",
    "name of a private address": "http://private.example:{port}/",
    "name that changes": "http://rebinding.example:{port}/",
    "user name": "http://a:b@rebinding.example:{port}/",
    "other scheme": "gopher://rebinding.example:{port}/",
    "file": "file:///etc/passwd",
}
_FOUND = {"private.example": "127.0.0.1", "rebinding.example": "93.184.216.34", "service.example": "93.184.216.34"}


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server of the attacker. A connection gets another address than the check before it."""
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name in _FOUND:
            host = "127.0.0.1" if port else _FOUND[name]
        return real(host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def _sync(service: dict[str, Any]) -> Any:
    return PollinationsVideo(**service, duration=4).generate("100% waves")


def _async(service: dict[str, Any]) -> Any:
    return asyncio.run(PollinationsVideo(**service, duration=4).agenerate("100% waves"))


WAYS: Mapping[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "httpx": (_sync, {}),
    "httpx with a deadline": (_sync, {"total_timeout": 20}),
    "async httpx": (_async, {}),
    "aiohttp": (_async, {"async_transport": "aiohttp"}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("location", LOCATIONS.values(), ids=LOCATIONS)
@pytest.mark.parametrize("is_redirect", [False, True], ids=["named", "redirect"])
def test_no_response_leads_into_the_private_network(
    world: World, names: None, way: str, location: str, is_redirect: bool
) -> None:
    call, options = WAYS[way]
    target = location.format(port=world.canary)
    service = {**world.emulator.connection(), **options, "max_retries": 0}
    service["base_url"] = service["base_url"].replace("127.0.0.1", "service.example")
    url = f"{service['base_url']}/media/film" if is_redirect else target
    world.emulator.reset()
    world.emulator.reply(body={"data": [{"url": url}]}, on="/v1/images/generations")
    if is_redirect:
        world.emulator.reply(body=b"", status=302, headers={"location": target}, on="/media/film")
    with pytest.raises(PollinationsError) as caught:
        call(service)
    assert is_plain(str(caught.value))
    assert world.hits == []


# --- Results of the service -------------------------------------------------------------------------------------------


HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m\u202e'
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="alert(1)"><script>alert(1)</script></svg>'
RESULTS = {
    "SVG": Media(SVG, "image/svg+xml", prompt=HOSTILE, model=HOSTILE, url="https://media.example/a.svg"),
    "page": Media(b"<script>alert(1)</script>", "text/html", prompt=HOSTILE),
    "script": Media(b"alert(1)", "application/javascript"),
    "markup in a sound": Media(b"ID3<script>", "audio/mpeg", url=f"https://a.example/{HOSTILE}"),
    "image": Media(PRIVATE_IMAGE, "image/png", prompt=HOSTILE, url=f"https://a.example/{HOSTILE}"),
    "URL of a script": Media(None, "video/mp4", url="javascript:alert(1)", sha256="0" * 64),
    "URL with quotes": Media(None, "video/mp4", url="https://a.example/\"onerror='x'", sha256="0" * 64),
    "object": Media(b"glTF<script>", "model/gltf-binary", prompt=HOSTILE),
}


@pytest.mark.parametrize("media", RESULTS.values(), ids=RESULTS)
def test_a_notebook_shows_media_as_data(media: Media) -> None:
    """An image element runs no script of an SVG. A page becomes a download."""
    bundle = media._repr_mimebundle_()
    shown = bundle[0] if isinstance(bundle, tuple) else bundle
    assert shown.keys() <= {"text/plain", "text/html", "image/png", "image/jpeg"}
    assert is_plain(shown["text/plain"])
    assert is_plain(f"{media} {media!r}")
    for tag, attributes in Elements(shown.get("text/html", "")).found:
        assert tag in {"img", "audio", "video", "a"}
        assert attributes.keys() <= {"src", "alt", "style", "controls", "playsinline", "href", "download"}
        source = attributes.get("src") or attributes.get("href") or ""
        assert source.startswith(("data:", "https://"))
        assert "download" in attributes or re.match("https|data:(image|audio|video)/", source)


@pytest.mark.parametrize("content_type", ["text/html", "image/png", "image/svg+xml"])
def test_a_page_in_place_of_an_image_is_an_error(world: World, content_type: str, capsys: Any) -> None:
    body = f"<html>{HOSTILE}</html>".encode()
    world.emulator.reply(body=body, content_type=content_type, on="/image")
    with pytest.raises(InvalidResponseError) as caught:
        PollinationsImage(**world.emulator.connection(), max_retries=0).generate("a cat")
    print(caught.value)
    assert is_plain(capsys.readouterr().out)
    assert is_plain(f"{caught.value!r}")


@pytest.mark.parametrize("status", [400, 402, 403, 422, 500, 503])
def test_words_of_the_service_are_plain_wherever_they_are_shown(
    world: World, status: int, capsys: Any, recwarn: Any
) -> None:
    world.emulator.fail(status, code=HOSTILE, message=HOSTILE, on="/image", times=1)
    painter = PollinationsImage(**world.emulator.connection(), max_retries=0, progress=lambda told: None)
    with pytest.raises(PollinationsError) as caught:
        painter.generate("a cat")
    print(caught.value)
    shown = capsys.readouterr()
    assert is_plain(shown.out + shown.err + repr(caught.value))
    assert all(is_plain(str(warning.message)) for warning in recwarn.list)
