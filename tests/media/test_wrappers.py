"""What all wrappers of media have in common: input as a runnable, files for results, prompts that equal a route."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate

from langchain_pollinations.audio import PollinationsMusic, PollinationsSpeech
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import InvalidRequestError
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from langchain_pollinations.models3d import Pollinations3D
from langchain_pollinations.tools.audio import PollinationsMusicTool, PollinationsSpeechTool
from langchain_pollinations.tools.images import PollinationsEditImageTool, PollinationsImageTool
from langchain_pollinations.tools.video import PollinationsVideoTool
from langchain_pollinations.video import PollinationsVideo
from tests.media.test_references import PNG

SMALL: dict[str, dict[str, Any]] = {
    "image": {"width": 32, "height": 32},
    "video": {"duration": 4, "progress": False},
    "speech": {},
    "music": {"duration": 3},
    "3d": {"model": "rodin"},
}
"""Options that keep the results of the emulator small."""

WRAPPERS: dict[str, Callable[..., Any]] = {
    "image": lambda **given: PollinationsImage(**SMALL["image"], **given),
    "video": lambda **given: PollinationsVideo(**SMALL["video"], **given),
    "speech": lambda **given: PollinationsSpeech(**SMALL["speech"], **given),
    "music": lambda **given: PollinationsMusic(**SMALL["music"], **given),
    "3d": lambda **given: Pollinations3D(**SMALL["3d"], **given),
}

RUNS: dict[str, Callable[[Any, Any], Media]] = {
    "invoke": lambda runnable, given: runnable.invoke(given),
    "ainvoke": lambda runnable, given: asyncio.run(runnable.ainvoke(given)),
    "batch": lambda runnable, given: runnable.batch([given])[0],
    "abatch": lambda runnable, given: asyncio.run(runnable.abatch([given]))[0],
}


@pytest.fixture(params=WRAPPERS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


INPUTS: dict[str, Any] = {
    "text": "A kite.",
    "string prompt": PromptTemplate.from_template("A {thing}.").invoke({"thing": "kite"}),
    "chat prompt": ChatPromptTemplate.from_messages([("human", "A {thing}.")]).invoke({"thing": "kite"}),
    "message": HumanMessage("A kite."),
    "message of blocks": AIMessage([{"type": "reasoning", "reasoning": "Hm."}, {"type": "text", "text": "A kite."}]),
    "messages": [SystemMessage(""), HumanMessage("A kite.")],
}


@pytest.mark.parametrize("run", RUNS)
def test_prompt_values_and_messages_are_prompts(emulator: Emulator, kind: str, run: str) -> None:
    wrapper = WRAPPERS[kind](**emulator.connection())
    for name, given in INPUTS.items():
        assert RUNS[run](wrapper, given).prompt == "A kite.", name


def test_templates_and_chats_pipe_into_a_wrapper(emulator: Emulator, kind: str) -> None:
    wrapper, chat = WRAPPERS[kind](**emulator.connection()), ChatPollinations(**emulator.connection())
    template = ChatPromptTemplate.from_messages([("system", "Briefly."), ("human", "A {thing}.")])
    assert (template | wrapper).invoke({"thing": "kite"}).prompt == "Briefly.\n\nA kite."
    for chain in (template | chat | wrapper, template | chat | StrOutputParser() | wrapper):
        emulator.reply("A red kite.")
        assert chain.invoke({"thing": "kite"}).prompt == "A red kite."


def test_a_dialogue_is_still_one(emulator: Emulator) -> None:
    speaker = PollinationsSpeech(**emulator.connection(), model="elevenlabs/eleven-v3:dialogue")
    assert speaker.invoke([("alloy", "Hi."), ("nova", "Ho.")]).prompt == "alloy: Hi.\nnova: Ho."  # type: ignore[list-item]


@pytest.mark.parametrize("given", [AIMessage(""), [], [HumanMessage([])], 5, None, [HumanMessage("x"), "y"]], ids=str)
def test_input_without_a_text_is_refused(emulator: Emulator, kind: str, given: Any) -> None:
    with pytest.raises(InvalidRequestError, match="non-empty string|is no pair of a voice|not accept a dialogue"):
        WRAPPERS[kind](**emulator.connection()).invoke(given)
    assert emulator.requests == []


def test_a_wrapper_describes_its_input(kind: str) -> None:
    schema = json.dumps(WRAPPERS[kind](api_key="sk_x").get_input_jsonschema())
    assert "HumanMessage" in schema
    assert '"string"' in schema


# --- Files for results ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", ["invoke", "ainvoke"])
def test_results_go_to_files_of_a_folder(emulator: Emulator, kind: str, run: str, tmp_path: Path) -> None:
    made = RUNS[run](WRAPPERS[kind](**emulator.connection(), output_folder=tmp_path), "a kite/and a moon")
    assert made.path is not None
    assert made.path.parent == tmp_path
    assert made.path.suffix == {"image": ".jpg", "video": ".mp4", "3d": ".glb"}.get(kind, ".mp3")
    assert made.data == RUNS[run](WRAPPERS[kind](**emulator.connection()), "a kite/and a moon").data
    assert [path.name for path in tmp_path.iterdir()] == [made.path.name]


def test_a_folder_that_is_missing_is_an_error_before_anything_is_paid_for(
    emulator: Emulator, kind: str, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match="is no folder: make it first"):
        WRAPPERS[kind](**emulator.connection(), output_folder=tmp_path / "missing").invoke("a kite")
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("tool", "args", "options"),
    [
        (PollinationsImageTool, {"prompt": "a kite"}, SMALL["image"]),
        (PollinationsEditImageTool, {"prompt": "night", "images": ["dot.png"]}, {}),
        (PollinationsVideoTool, {"prompt": "a kite"}, SMALL["video"]),
        (PollinationsSpeechTool, {"text": "A kite."}, {}),
        (PollinationsMusicTool, {"prompt": "a waltz"}, SMALL["music"]),
    ],
)
def test_every_media_tool_takes_a_folder(
    emulator: Emulator, tmp_path: Path, tool: Any, args: dict[str, Any], options: dict[str, Any]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "dot.png").write_bytes(PNG)
    (tmp_path / "out").mkdir()
    folders = {"reference_folder": tmp_path / "in", "output_folder": tmp_path / "out"}
    made = tool(**emulator.connection(), **options, **folders)
    message = made.invoke({"type": "tool_call", "id": "c", "name": made.name, "args": args})
    assert "base64" not in message.artifact
    assert Media.from_artifact(message.artifact, tmp_path / "out").data
    assert len(list((tmp_path / "out").iterdir())) == 1


# --- Prompts in addresses ---------------------------------------------------------------------------------------------

ROUTES = ["models", "Models", " models ", "/models/", "models\n"]


@pytest.mark.parametrize("prompt", ROUTES)
def test_a_prompt_that_equals_a_route_goes_by_post(emulator: Emulator, kind: str, prompt: str) -> None:
    assert WRAPPERS[kind](**emulator.connection()).invoke(prompt).prompt == prompt
    assert emulator.requests[0].method == "POST"


def test_references_that_only_a_get_carries_do_not_go_with_a_prompt_that_equals_a_route(emulator: Emulator) -> None:
    camera = PollinationsVideo(
        **emulator.connection(), model="seedance-2.0", reference_images="https://example.com/a.png"
    )
    with pytest.raises(InvalidRequestError, match="or the prompt 'models', which is another route"):
        camera.generate("models")


def test_null_bytes_are_refused(emulator: Emulator, kind: str) -> None:
    with pytest.raises(InvalidRequestError, match="contains a null byte at position 4"):
        WRAPPERS[kind](**emulator.connection()).invoke("kite\0s")
    assert emulator.requests == []
