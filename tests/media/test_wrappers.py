"""What all wrappers of media have in common: input as a runnable, files for results, prompts that equal a route."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate

from langchain_pollinations._media.audio_options import MusicOptions, SpeechOptions
from langchain_pollinations._media.embedding_inputs import EmbeddingOptions
from langchain_pollinations._media.progress import Progress
from langchain_pollinations._validation import CallOverrides
from langchain_pollinations.audio import PollinationsMusic, PollinationsSpeech
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.embeddings import PollinationsEmbeddings
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import InvalidRequestError, InvalidResponseError
from langchain_pollinations.images import ImageOptions, PollinationsImage
from langchain_pollinations.media import Media
from langchain_pollinations.models3d import Model3DOptions, Pollinations3D
from langchain_pollinations.tools.audio import PollinationsMusicTool, PollinationsSpeechTool
from langchain_pollinations.tools.images import PollinationsEditImageTool, PollinationsImageTool
from langchain_pollinations.tools.video import PollinationsVideoTool
from langchain_pollinations.transcription import PollinationsTranscriber, TranscriptionOptions
from langchain_pollinations.video import PollinationsVideo, VideoOptions
from langchain_pollinations.voice import ChangeOptions, IsolationOptions, PollinationsVoice
from tests.helpers.ask import MAKING
from tests.helpers.terminal import Terminal
from tests.media.test_references import PNG

SMALL: dict[str, dict[str, Any]] = {
    "image": {"width": 32, "height": 32},
    "video": {"model": "p-video", "duration": 1, "progress": False},
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


@pytest.mark.parametrize("folder", ["~no_such_user/a", "a\0b"])
def test_a_folder_that_cannot_exist_is_an_error_that_names_the_argument(
    emulator: Emulator, kind: str, folder: str
) -> None:
    with pytest.raises(InvalidRequestError, match="output_folder: "):
        WRAPPERS[kind](**emulator.connection(), output_folder=folder).invoke("a kite")
    assert emulator.requests == []


def test_a_folder_that_is_missing_is_an_error_before_anything_is_paid_for(
    emulator: Emulator, kind: str, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match="The folder '.*missing' does not exist: create it first"):
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


MAKES: dict[str, Callable[..., Media]] = {
    **MAKING,
    "edit": lambda painter, *args, **options: painter.edit(*args, PNG, **options),
    "aedit": lambda painter, *args, **options: asyncio.run(painter.aedit(*args, PNG, **options)),
}


def _makes() -> list[tuple[str, str]]:
    return [(kind, make) for kind in WRAPPERS for make in MAKES if kind == "image" or "edit" not in make]


@pytest.mark.parametrize(("kind", "make"), _makes())
def test_a_path_names_the_file_of_the_result(emulator: Emulator, tmp_path: Path, kind: str, make: str) -> None:
    (tmp_path / "folder").mkdir()
    wrapper = WRAPPERS[kind](**emulator.connection(), output_folder=tmp_path / "folder")
    made = MAKES[make](wrapper, "a kite", path=str(tmp_path / "kite"))
    suffix = {"image": ".jpg", "video": ".mp4", "3d": ".glb"}.get(kind, ".mp3")
    assert made.path == tmp_path / f"kite{suffix}"
    assert made.data == made.path.read_bytes() != b""
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", made.path.name]
    made.path.write_bytes(b"old")
    again = MAKES[make](wrapper, "a kite", path=made.path)
    assert again.path == made.path
    assert again.data != b"old"


@pytest.mark.parametrize(("kind", "make"), _makes())
@pytest.mark.parametrize("where", ["", "missing/kite"])
def test_a_path_that_is_none_is_refused_before_anything_is_sent(
    emulator: Emulator, tmp_path: Path, kind: str, make: str, where: str
) -> None:
    with pytest.raises(OSError, match="folder"):
        MAKES[make](WRAPPERS[kind](**emulator.connection()), "a kite", path=tmp_path / where)
    assert emulator.requests == []


def test_what_stood_in_a_file_stays_if_the_result_is_not_whole(emulator: Emulator, kind: str, tmp_path: Path) -> None:
    target = tmp_path / "kite.bin"
    target.write_bytes(b"old")
    emulator.reply(body=b"<html>", on="/")
    with pytest.raises(InvalidResponseError):
        WRAPPERS[kind](**emulator.connection()).generate("a kite", path=target)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_a_suffix_of_another_type_is_warned_of_once(emulator: Emulator, kind: str, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"but \.gif means image/gif") as caught:
        WRAPPERS[kind](**emulator.connection()).generate("a kite", path=tmp_path / "kite.gif")
    assert [each.filename for each in caught] == [__file__]


# --- Progress ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "make", "place"),
    [
        *((kind, make, "call") for kind, make in _makes()),
        *((kind, make, "constructor") for kind in WRAPPERS for make in ("generate", "ainvoke")),
    ],
)
def test_every_download_reports_its_progress(emulator: Emulator, kind: str, make: str, place: str) -> None:
    told: list[Progress] = []
    given = {"progress": told.append}
    options = {name: value for name, value in SMALL[kind].items() if name != "progress"}
    wrapper = type(WRAPPERS[kind](api_key="sk_x"))(
        **emulator.connection(), **options, **(given if place == "constructor" else {})
    )
    made = MAKES[make](wrapper, "a kite", **(given if place == "call" else {}))
    assert [each.stage for each in told[:2]] == ["waiting", "receiving"]
    assert {each.stage for each in told[1:-1]} == {"receiving"}
    assert told[-1].stage == "done"
    assert told[-1].received >= made.size
    assert [each.received for each in told] == sorted(each.received for each in told)


def test_uploads_are_not_part_of_the_progress(emulator: Emulator) -> None:
    told: list[Progress] = []
    Pollinations3D(**emulator.connection(), progress=told.append).generate(image=PNG)
    assert len(emulator.requests) == 2
    assert [each.received for each in told].count(0) == 2  # once while waiting, once as the response begins


@pytest.mark.parametrize("make", ["generate", "agenerate"])
def test_the_progress_of_a_long_speech_is_that_of_all_its_parts(emulator: Emulator, make: str) -> None:
    told: list[Progress] = []
    speaker = PollinationsSpeech(**emulator.connection(), response_format="wav", progress=told.append)
    MAKES[make](speaker, "The tide is out. " * 1500)
    parts = [request.json["input"] for request in emulator.requests]
    assert len(parts) > 1
    assert told[-1].received == sum(speaker.generate(part, progress=False).size for part in parts)
    assert [each.received for each in told] == sorted(each.received for each in told)


def test_only_videos_show_a_bar_unasked(emulator: Emulator, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {name: value for name, value in SMALL[kind].items() if name != "progress"}
    wrapper = type(WRAPPERS[kind](api_key="sk_x"))(**emulator.connection(), **options)
    shown = {}
    for progress in (None, True):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", Terminal())
            wrapper.generate("a kite", progress=progress)
            shown[progress] = "receiving" in sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert shown == {None: kind == "video", True: True}


# --- Signatures -------------------------------------------------------------------------------------------------------

METHODS = [
    (PollinationsImage, "generate", ImageOptions),
    (PollinationsVideo, "generate", VideoOptions),
    (PollinationsSpeech, "generate", SpeechOptions),
    (PollinationsMusic, "generate", MusicOptions),
    (Pollinations3D, "generate", Model3DOptions),
    (PollinationsTranscriber, "transcribe", TranscriptionOptions),
    (PollinationsVoice, "change", ChangeOptions),
    (PollinationsVoice, "isolate", IsolationOptions),
    *((PollinationsEmbeddings, f"embed{name}", EmbeddingOptions) for name in ("", "_all", "_documents", "_query")),
]


@pytest.mark.parametrize("prefix", ["", "a"])
@pytest.mark.parametrize(("wrapper", "method", "options"), METHODS)
def test_the_overrides_of_a_call_are_its_options(wrapper: Any, method: str, options: Any, prefix: str) -> None:
    (overrides,) = get_args(get_type_hints(getattr(wrapper, prefix + method))["overrides"])
    fields = {name: hint for name, hint in get_type_hints(options).items() if name in options.model_fields}
    assert get_type_hints(overrides) == fields | get_type_hints(CallOverrides)
    assert overrides.__required_keys__ == frozenset()


@pytest.mark.parametrize("prefix", ["", "a"])
def test_the_overrides_of_an_edit_are_those_of_a_generation_without_the_image(prefix: str) -> None:
    hints = (get_type_hints(getattr(PollinationsImage, prefix + name))["overrides"] for name in ("edit", "generate"))
    edit, generate = (get_type_hints(get_args(hint)[0]) for hint in hints)
    assert generate.keys() - edit.keys() == {"image"}
    assert edit.items() <= generate.items()


def test_all_wrappers_have_one_signature(kind: str) -> None:
    wrapper = type(WRAPPERS[kind](api_key="sk_x"))
    for method in (wrapper.generate, wrapper.agenerate):
        parameters = inspect.signature(method).parameters
        assert list(parameters) == ["self", "prompt", "path", "progress", "overrides"]
        assert parameters["path"].kind is parameters["progress"].kind is inspect.Parameter.KEYWORD_ONLY


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


@pytest.mark.parametrize("progress", [0, "no"])
def test_progress_of_another_type_is_an_error(kind: str, progress: Any) -> None:
    with pytest.raises(InvalidRequestError, match="^progress: must be True, False, None or a function"):
        WRAPPERS[kind](api_key="sk_x").generate("a kite", progress=progress)
