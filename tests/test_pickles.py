"""Pickles and serialized objects of an earlier layout of the package can still be read."""

from __future__ import annotations

import json
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.load import dumps, load
from langchain_core.tools import BaseTool
from pydantic import PrivateAttr

from langchain_pollinations.audio import PollinationsSpeech
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.embeddings import PollinationsEmbeddings
from langchain_pollinations.errors import RateLimitError
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from langchain_pollinations.tools.images import PollinationsEditImageTool, PollinationsImageTool
from langchain_pollinations.tools.toolkit import PollinationsToolkit
from langchain_pollinations.transcription import PollinationsTranscriber
from langchain_pollinations.video import PollinationsVideo

FOLDER = Path(__file__).parent / "pickles"
SCHEMA = {"title": "Sea", "type": "object", "properties": {"name": {"type": "string"}}}

OBJECTS: dict[str, Callable[[], Any]] = {
    "chat": lambda: ChatPollinations(model="openai", seed=7, timeout=(5, 60)),
    "structured": lambda: ChatPollinations(model="openai").with_structured_output(SCHEMA),
    "image": lambda: PollinationsImage(width=512, height=512),
    "video": lambda: PollinationsVideo(duration=4),
    "speech": lambda: PollinationsSpeech(voice="nova"),
    "embeddings": lambda: PollinationsEmbeddings(dimensions=256),
    "transcriber": lambda: PollinationsTranscriber(language="en"),
    "image_tool": lambda: PollinationsImageTool(models=["flux", "zimage"], show=True),
    "edit_tool": lambda: PollinationsEditImageTool(),
    "toolkit": lambda: PollinationsToolkit(include=["image", "speech"]),
    "media": lambda: Media(b"GIF89a", "image/gif", prompt="a kite"),
    "error": lambda: RateLimitError("slow down", status_code=429),
}
SERIALIZED = ("chat", "image", "video", "speech")


def write() -> None:
    """Write the files anew: `python -c "from tests.test_pickles import write; write()"`, with a key that is no key in
    POLLINATIONS_API_KEY. Do so only where a format has to change."""
    for name, build in OBJECTS.items():
        (FOLDER / f"{name}.pickle").write_bytes(pickle.dumps(build(), protocol=4))
    for name in SERIALIZED:
        (FOLDER / f"{name}.json").write_text(f"{dumps(OBJECTS[name](), pretty=True)}\n", "utf-8")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_reader")


@pytest.mark.parametrize("name", OBJECTS)
def test_a_pickle_made_before_the_move_is_read(name: str) -> None:
    found = pickle.loads((FOLDER / f"{name}.pickle").read_bytes())
    expected = pickle.loads(pickle.dumps(OBJECTS[name]()))
    assert type(found) is type(expected)
    if name == "structured":
        assert [type(step) for step in found.steps] == [type(step) for step in expected.steps]
    elif name == "error":
        assert (str(found), found.status_code) == (str(expected), 429)
    else:
        if isinstance(found, BaseTool):
            expected.description = found.description  # a pickle contains the description of its time
        shown, wanted = (sorted(re.split(r"[,()] ?", repr(each))) for each in (found, expected))
        assert shown == wanted  # in any order: fields that a pickle lacks come last
    assert pickle.loads(pickle.dumps(found))


@pytest.mark.parametrize("name", SERIALIZED)
def test_serialized_objects_made_before_the_move_are_read(name: str) -> None:
    text = (FOLDER / f"{name}.json").read_text("utf-8")
    found = load(
        json.loads(text),
        valid_namespaces=["langchain_pollinations"],
        allowed_objects=[type(OBJECTS[name]())],
        secrets_map={"POLLINATIONS_API_KEY": "sk_reader"},
    )
    assert json.loads(dumps(found)) == json.loads(dumps(OBJECTS[name]()))
    assert "langchain_pollinations._" not in text


class Illustrated(ChatPollinations):
    """A chat model of somebody else, with a wrapper of its own."""

    _image: PollinationsImage = PrivateAttr(default_factory=lambda: PollinationsImage(width=64))


def test_a_pickle_keeps_what_a_derived_class_holds() -> None:
    model = Illustrated()
    model._image = PollinationsImage(width=128)
    assert pickle.loads(pickle.dumps(model))._image.width == 128


@pytest.mark.parametrize("name", OBJECTS)
def test_a_pickle_names_public_modules_only(name: str) -> None:
    written = pickle.dumps(OBJECTS[name]())
    words = [arg for _, arg, _ in pickletools.genops(written) if isinstance(arg, str)]
    modules = {word for word in words if word.startswith("langchain_pollinations")}
    assert not {module for module in modules if "._" in module}


class _ToolWithChat(PollinationsImageTool):
    helper: ChatPollinations


def test_a_pickled_tool_keeps_the_other_objects_of_a_subclass() -> None:
    found = pickle.loads(pickle.dumps(_ToolWithChat(helper=ChatPollinations(model="openai"))))
    assert (type(found.wrapper), type(found.helper)) == (PollinationsImage, ChatPollinations)
