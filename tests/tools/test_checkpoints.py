"""Media in the checkpoints of agents: how large they are, what comes back after a restart, and for whom."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import pickle
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pytest
from langchain.agents import AgentState, create_agent
from langchain_core.load import dumpd, load
from langchain_core.messages import AnyMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.stores import ByteStore, InMemoryByteStore
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph.message import _messages_delta_reducer

from langchain_pollinations import (
    ChatPollinations,
    InvalidRequestError,
    InvalidResponseError,
    Media,
    NotFoundError,
    PollinationsEditImageTool,
    PollinationsImage,
    PollinationsImageTool,
    PollinationsSpeech,
    PollinationsSpeechTool,
    PollinationsToolkit,
    adownload,
    download,
    upload,
)
from langchain_pollinations.emulator import Emulator
from tests.helpers.files import FolderStore, png

KITE = {"prompt": "a kite", "width": 64, "height": 48}
SIZE: Any = {"image": {"width": 192, "height": 128}}


def _call(tool: Any, args: dict[str, Any], config: RunnableConfig | None = None) -> ToolMessage:
    message: ToolMessage = tool.invoke({"type": "tool_call", "id": "c", "name": tool.name, "args": args}, config)
    return message


def _acall(tool: Any, args: dict[str, Any], config: RunnableConfig | None = None) -> ToolMessage:
    call = {"type": "tool_call", "id": "c", "name": tool.name, "args": args}
    message: ToolMessage = asyncio.run(tool.ainvoke(call, config))
    return message


CALLS = {"invoke": _call, "ainvoke": _acall}


@pytest.fixture(params=CALLS)
def call(request: pytest.FixtureRequest) -> Any:
    return CALLS[request.param]


# --- Size -------------------------------------------------------------------------------------------------------------


class Delta(AgentState[Any]):
    """A state of which each checkpoint stores the new messages only."""

    messages: Annotated[list[AnyMessage], DeltaChannel(_messages_delta_reducer, snapshot_frequency=1000)]


class SqliteFile:
    """A database that stores all channels in each checkpoint."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "db"

    @contextmanager
    def opened(self) -> Iterator[BaseCheckpointSaver[Any]]:
        sqlite = pytest.importorskip("langgraph.checkpoint.sqlite", reason="langgraph-checkpoint-sqlite is missing")
        with closing(sqlite3.connect(self.path, check_same_thread=False)) as connection:
            yield sqlite.SqliteSaver(connection)

    def size(self) -> int:
        return self.path.stat().st_size


class JsonSerializer(JsonPlusSerializer):
    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        return "json", json.dumps(dumpd(obj)).encode()

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        return load(json.loads(data[1]), allowed_objects="messages")


class JsonTables:
    """The tables of Postgres, which have a row for each version of a channel. The values are JSON."""

    def __init__(self, folder: Path) -> None:
        self.rows = InMemorySaver()

    @contextmanager
    def opened(self) -> Iterator[BaseCheckpointSaver[Any]]:
        saver = InMemorySaver(serde=JsonSerializer())
        saver.storage, saver.writes, saver.blobs = self.rows.storage, self.rows.writes, self.rows.blobs
        yield saver

    def size(self) -> int:
        checkpoints = [
            each for spaces in self.rows.storage.values() for kept in spaces.values() for each in kept.values()
        ]
        values = [value for checkpoint, metadata, _ in checkpoints for value in (checkpoint, metadata)]
        values += [value for written in self.rows.writes.values() for _, _, value, _ in written.values()]
        return sum(len(value) for _, value in [*values, *self.rows.blobs.values()])


def _draw_twenty(emulator: Emulator, database: Any, folder: Path, turns: int = 20, **options: Any) -> Any:
    """Draw 20 images in a thread. After each turn, everything starts again.

    Returns:
        The size of the database after each turn, and the last messages.
    """
    sizes, messages = [], []
    schema, inline = options.pop("state_schema", None), options.pop("inline", False)
    for turn in range(turns):
        toolkit = PollinationsToolkit(
            **emulator.connection(), include=["image"], media_store=FolderStore(folder), inline=inline, options=SIZE
        )
        for seed in range(20 // turns):
            call = {"name": "generate_image", "args": {"prompt": "a kite", "seed": 20 * turn + seed}}
            emulator.reply(tool_calls=[call], on="/v1/chat")
        emulator.reply("Here it is.", on="/v1/chat")
        with database.opened() as saver:
            chat = ChatPollinations(**emulator.connection())
            agent = create_agent(chat, toolkit.get_tools(), checkpointer=saver, state_schema=schema)
            thread: Any = {"configurable": {"thread_id": "1"}}
            messages = agent.invoke({"messages": "Draw a kite"}, thread, **options)["messages"]
        sizes.append(database.size())
    return sizes, messages


@pytest.mark.parametrize("kind", [SqliteFile, JsonTables])
@pytest.mark.parametrize(
    ("options", "most"),
    [
        pytest.param({"state_schema": Delta}, 350_000, id="new messages only"),
        pytest.param({"durability": "exit"}, 800_000, id="one checkpoint per run"),
        pytest.param({"turns": 5}, 1_300_000, id="four images per run"),
        # LangGraph stores all messages five times per turn. With ChatOpenAI and a tool that only returns a URL, the
        # database has 2.48 MB.
        pytest.param({}, 3_000_000, id="defaults"),
    ],
)
def test_the_checkpoints_of_twenty_images(
    emulator: Emulator, tmp_path: Path, kind: Any, options: dict[str, Any], most: int
) -> None:
    sizes, messages = _draw_twenty(emulator, kind(tmp_path), tmp_path / "media", **options)
    assert sizes[-1] < most
    _check_all_come_back(emulator, messages, tmp_path / "media")
    if "state_schema" in options:  # grows by the same amount with each image
        assert sizes[-1] - sizes[9] < 1.3 * (sizes[9] - sizes[0])


def test_a_message_repeats_nothing(emulator: Emulator, tmp_path: Path) -> None:
    """The size of a thread grows with the square of the messages, so each byte of a message counts."""
    _, messages = _draw_twenty(emulator, SqliteFile(tmp_path), tmp_path / "media", turns=1)
    sizes = {(message.type, len(JsonPlusSerializer().dumps_typed(message)[1])) for message in messages}
    assert max(size for kind, size in sizes if kind == "ai") < 900
    assert max(size for kind, size in sizes if kind == "tool") < 850


def _check_all_come_back(emulator: Emulator, messages: list[Any], folder: Path) -> None:
    artifacts = [message.artifact for message in messages if message.type == "tool"]
    assert len(artifacts) == 20
    sent = len(emulator.requests)
    for artifact in json.loads(json.dumps(artifacts)):
        image = Media.from_artifact(artifact, store=FolderStore(folder))
        assert (image.width, image.height, image.prompt) == (192, 128, "a kite")
        assert len(json.dumps(artifact)) < 600
    assert len(emulator.requests) == sent


def test_inline_artifacts_hold_the_bytes(emulator: Emulator, call: Any) -> None:
    toolkit = PollinationsToolkit(**emulator.connection(), inline=True)
    tools = {tool.name: tool for tool in toolkit.get_tools()}
    message = call(tools["generate_image"], KITE)
    assert Media.from_artifact(message.artifact).data.startswith(b"\xff\xd8")
    named = message.text.partition("(id ")[2].partition(")")[0]
    assert call(tools["edit_image"], {"prompt": "night", "images": [named]}).status == "success"


# --- Where the bytes are ----------------------------------------------------------------------------------------------


@pytest.fixture
def store() -> ByteStore:
    return InMemoryByteStore()


@pytest.fixture
def drawn(emulator: Emulator, store: ByteStore) -> dict[str, Any]:
    tool = PollinationsImageTool(**emulator.connection(), media_store=store)
    artifact: dict[str, Any] = json.loads(json.dumps(_call(tool, KITE).artifact))
    return artifact


def test_the_bytes_come_from_the_store_else_from_the_media_host(
    emulator: Emulator, store: ByteStore, drawn: dict[str, Any]
) -> None:
    here, there = Media.from_artifact(drawn, store=store), Media.from_artifact(drawn)
    assert hashlib.sha256(here.data).hexdigest() == here.sha256 == there.sha256 == drawn["sha256"]
    assert drawn["id"] == drawn["sha256"][:16]
    sent = len(emulator.requests)
    lazy = (partial(getattr, there, name) for name in ("data", "size", "width"))
    for use in (there.to_block, lambda: there.save("x.jpg"), *lazy):
        with pytest.raises(InvalidRequestError, match=r"store=\.\.\., or load them .* download\(media\)"):
            use()
    assert len(emulator.requests) == sent
    loaded = download(there, base_url=emulator.url)
    assert (loaded.data, loaded.prompt, loaded.metadata) == (here.data, "a kite", here.metadata)
    assert "authorization" not in emulator.requests[-1].headers
    assert asyncio.run(adownload(there, media_url=f"{emulator.url}/media")) == loaded
    assert download(here) is here


def test_a_media_without_bytes_is_as_good_as_its_address(emulator: Emulator, drawn: dict[str, Any]) -> None:
    there = Media.from_artifact(drawn)
    serializer = JsonPlusSerializer()
    twins = [copy.deepcopy(there), pickle.loads(pickle.dumps(there)), Media.from_artifact(there.to_artifact())]
    twins.append(serializer.loads_typed(serializer.dumps_typed(there)))
    assert all(twin == there and hash(twin) == hash(there) for twin in twins)
    assert there != Media.from_artifact({**drawn, "sha256": "0" * 64})
    assert there._repr_mimebundle_()["text/html"].startswith(f'<img src="{drawn["url"]}"')
    painter = PollinationsImage(**emulator.connection(), model="klein")
    assert painter.edit("make it night", there).data
    assert emulator.requests[-1].json["image"] == [{"image_url": drawn["url"]}]
    with pytest.raises(InvalidRequestError, match="the bytes of this media are not here"):
        upload(there, **emulator.connection())


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/{id}",
        "{host}.evil.example/{id}",
        "{host}/media/../v1/models",
        "{host}/media/%2e%2e/{id}",
        "{host}/media/",
        "{host}/media/x?key=1",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
    ],
)
def test_bytes_are_fetched_from_the_media_host_only(emulator: Emulator, drawn: dict[str, Any], url: str) -> None:
    url = url.format(host=emulator.url, id=drawn["url"].rpartition("/")[2])
    sent = len(emulator.requests)
    with pytest.raises(InvalidRequestError, match=r"not that of a file on the media host .*, and no other host"):
        download(Media.from_artifact({**drawn, "url": url}), base_url=emulator.url)
    assert len(emulator.requests) == sent


def test_other_bytes_are_an_error(emulator: Emulator, store: ByteStore, drawn: dict[str, Any]) -> None:
    """The service may store a new result under the same URL; anybody may have written to the store."""
    there = Media.from_artifact(drawn)
    emulator.reply(body=png(), content_type="image/png", on="/media")
    with pytest.raises(InvalidResponseError, match="has another file now"):
        download(there, base_url=emulator.url)
    with pytest.raises(NotFoundError):
        download(Media.from_artifact({**drawn, "url": f"{emulator.url}/media/0123456789"}), base_url=emulator.url)
    (key,) = store.yield_keys(prefix="pollinations/media/")
    store.mset([(str(key), png())])
    with pytest.raises(ValueError, match="the store has other bytes under the sha256"):
        Media.from_artifact(drawn, store=store)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"url": None}, r"its bytes are in no store that was given \(store=\.\.\.\), and it has no URL"),
        ({"sha256": "../../etc/passwd"}, "sha256 must be 64 hexadecimal digits"),
        ({"sha256": None}, "sha256 must be 64 hexadecimal digits"),
        ({"sha256": "A" * 64}, "sha256 must be 64 hexadecimal digits"),
        ({"mime_type": None}, "needs a 'mime_type'"),
    ],
)
def test_what_is_no_reference_says_so(drawn: dict[str, Any], changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Media.from_artifact({**drawn, **changes})


class WriteCounter(InMemoryByteStore):
    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        self.written += [key for key, _ in key_value_pairs]
        super().mset(key_value_pairs)


def test_values_that_the_store_has_are_not_written_again(emulator: Emulator, call: Any) -> None:
    """A `LocalFileStore` truncates a file to write it, and another process may read the file at this time."""
    store = WriteCounter()
    tool = PollinationsImageTool(**emulator.connection(), media_store=store)
    for thread_id in ("1", "2", "2"):
        artifact = call(tool, KITE, {"configurable": {"thread_id": thread_id}}).artifact
    Media.from_artifact(artifact, store=store).to_artifact(store)
    key = f"pollinations/media/{artifact['sha256']}"
    assert store.written.count(key) == 1
    assert len(store.written) == len(set(store.written)) == 3
    store.mset([(key, b"damaged")])
    call(tool, KITE)
    assert Media.from_artifact(artifact, store=store).data.startswith(b"\xff\xd8")


@pytest.mark.parametrize("prefix", ["pollinations/media/", "pollinations/ids/"])
@pytest.mark.parametrize("left", [0, 5])
def test_the_model_hears_of_a_value_that_was_not_written_to_its_end(
    emulator: Emulator, tmp_path: Path, call: Any, prefix: str, left: int
) -> None:
    """A process that is killed leaves part of a file. The thread must go on."""
    store = FolderStore(tmp_path)
    editor = PollinationsEditImageTool(**emulator.connection(), media_store=store)
    named = editor.add_media(Media(png(), "image/png", url=f"{emulator.url}/media/1"))
    (key,) = store.yield_keys(prefix=prefix)
    store.mset([(key, (store.mget([key])[0] or b"")[:left])])
    sent = len(emulator.requests)
    message = call(editor, {"prompt": "night", "images": [named]})
    assert (message.status, "is damaged in the store; use its URL" in message.text) == ("error", True)
    assert len(emulator.requests) == sent


class FullStore(InMemoryByteStore):
    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        raise OSError(28, "No space left on device")


def test_an_error_of_the_store_names_the_url_of_the_image(emulator: Emulator, call: Any) -> None:
    """The image has been paid for."""
    with pytest.raises(OSError, match="No space left") as raised:
        call(PollinationsImageTool(**emulator.connection(), media_store=FullStore()), KITE)
    note = raised.value.__notes__[0]
    assert note.startswith(f"The image was generated: {emulator.url}/media/")


def test_a_wav_is_the_same_from_everywhere(emulator: Emulator) -> None:
    """The sizes in the header of a WAV are corrected before it is hashed."""
    body = PollinationsSpeech(**emulator.connection(), response_format="wav").generate("Hello").data
    sent = body[:4] + b"\xff" * 4 + body[8:40] + b"\xff" * 4 + body[44:]
    headers = {"link": f'<{emulator.url}/media/wave>; rel="enclosure"'}
    emulator.reply(body=sent, content_type="audio/wav", headers=headers, on="/v1/audio/speech")
    artifact = _call(PollinationsSpeechTool(**emulator.connection(), response_format="wav"), {"text": "Hi"}).artifact
    emulator.reply(body=sent, content_type="audio/wav", on="/media")
    assert download(Media.from_artifact(artifact), base_url=emulator.url).data == body


def test_a_store_that_was_given_is_pickled_with_its_tools(emulator: Emulator, tmp_path: Path) -> None:
    toolkit = PollinationsToolkit(**emulator.connection(), media_store=FolderStore(tmp_path))
    again, tool = pickle.loads(pickle.dumps((toolkit, toolkit.get_tools()[0])))
    assert again.media_store.folder == tool.media_store.folder == tmp_path
    assert b"FolderStore" not in pickle.dumps(PollinationsToolkit(**emulator.connection()))


# --- Owners -----------------------------------------------------------------------------------------------------------

ANNA, BERT = ("langgraph_auth_user_id", "anna"), ("langgraph_auth_user_id", "bert")
ONE, TWO = ("thread_id", "1"), ("thread_id", "2")


@pytest.mark.parametrize(
    ("theirs", "mine", "is_found"),
    [
        ([], [], True),
        ([ONE], [ONE], True),
        ([ONE], [TWO], False),
        ([ONE], [], False),
        ([ANNA, ONE], [ANNA, TWO], True),
        ([ANNA, ONE], [BERT, ONE], False),
        ([ANNA, ONE], [ONE], False),
        ([("thread_id", "anna")], [ANNA], False),
        ([("thread_id", "0")], [("thread_id", 0)], True),  # as a checkpointer reads it
        ([("thread_id", 0)], [], False),
        ([("langgraph_auth_user_id", ""), ONE], [ONE], True),
    ],
    ids=str,
)
def test_an_id_is_valid_for_its_owner_only(
    emulator: Emulator, call: Any, theirs: list[tuple[str, Any]], mine: list[tuple[str, Any]], is_found: bool
) -> None:
    """The owner is the user of the server, otherwise the thread."""
    tools = {tool.name: tool for tool in PollinationsToolkit(**emulator.connection()).get_tools()}
    made = call(tools["generate_image"], KITE, {"configurable": dict(theirs)})
    sent = len(emulator.requests)
    args = {"prompt": "make it night", "images": [made.artifact["id"]]}
    edited = call(tools["edit_image"], args, {"configurable": dict(mine)})
    assert edited.status == ("success" if is_found else "error")
    assert len(emulator.requests) == sent + is_found
    heard = call(tools["transcribe_audio"], {"recording": made.artifact["id"]}, {"configurable": dict(mine)})
    assert ("no media has the id" in heard.text) is not is_found


def test_an_upload_of_a_user_is_added_for_its_owner(emulator: Emulator, call: Any) -> None:
    editor = PollinationsEditImageTool(**emulator.connection())
    config: RunnableConfig = {"configurable": {"thread_id": "1"}}
    named = editor.add_media(Media(png(), "image/png"), config)
    assert call(editor, {"prompt": "night", "images": [named]}, config).status == "success"
    assert call(editor, {"prompt": "night", "images": [named]}).status == "error"
    found = editor.find_media(named, config)
    assert found is not None and found.data == png()
    assert editor.find_media(named) is None


def test_agents_of_two_users_share_their_tools(emulator: Emulator) -> None:
    toolkit = PollinationsToolkit(**emulator.connection(), include=["image", "edit_image"])
    agent = create_agent(ChatPollinations(**emulator.connection()), toolkit.get_tools(), checkpointer=InMemorySaver())

    def turn(thread_id: str, name: str, **args: Any) -> ToolMessage:
        emulator.reply(tool_calls=[{"name": name, "args": args}], on="/v1/chat")
        emulator.reply("Done.", on="/v1/chat")
        config: Any = {"configurable": {"thread_id": thread_id}}
        message: ToolMessage = agent.invoke({"messages": "Do it"}, config)["messages"][-2]
        return message

    named = turn("1", "generate_image", **KITE).artifact["id"]
    assert turn("2", "edit_image", prompt="night", images=[named]).status == "error"
    assert turn("1", "edit_image", prompt="night", images=[named]).status == "success"
