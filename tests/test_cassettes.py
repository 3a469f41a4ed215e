"""The exact bytes of our requests, held by cassettes; and nothing in these that is nobody's business."""

from __future__ import annotations

import base64
import io
import wave
from pathlib import Path
from typing import Any

import pytest

from langchain_pollinations.audio import PollinationsSpeech
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.embeddings import PollinationsEmbeddings
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from langchain_pollinations.transcription import PollinationsTranscriber
from langchain_pollinations.uploads import upload
from tests.cassettes import connection
from tests.helpers.ask import WAYS

CASSETTES = Path(__file__).parent / "cassettes"


@pytest.fixture
def service(request: pytest.FixtureRequest) -> dict[str, Any]:
    return connection(request)


@pytest.mark.vcr
@pytest.mark.parametrize("way", WAYS)
def test_a_question(service: dict[str, Any], way: str) -> None:
    answer = WAYS[way](ChatPollinations(**service, seed=7), "Name a sea.")
    assert answer.text
    assert answer.usage_metadata is not None


@pytest.mark.vcr
def test_a_tool_call_and_its_result(service: dict[str, Any]) -> None:
    def depth(sea: str) -> int:
        """Depth of a sea, in metres."""
        return 459

    model = ChatPollinations(**service).bind_tools([depth])
    call = model.invoke("What is the depth of the sea 'Baltic'? Use the tool.")
    assert call.tool_calls[0]["args"] == {"sea": "Baltic"}
    result = {"role": "tool", "content": "459", "tool_call_id": call.tool_calls[0]["id"]}
    assert "459" in model.invoke([("user", "How deep is the Baltic?"), call, result]).text


@pytest.mark.vcr
def test_a_picture(service: dict[str, Any]) -> None:
    picture = PollinationsImage(**service, width=64, height=64, seed=7).generate("a red kite")
    assert picture.mime_type == "image/jpeg"


@pytest.mark.vcr
def test_a_picture_by_post(service: dict[str, Any]) -> None:
    assert PollinationsImage(**service, width=64, height=64, seed=7).generate("100% kite").url


def _square() -> bytes:
    """A red square of 16 pixels, the same bytes for ever."""
    return base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mP4z8BAEmIY1TCqYfhqAACQ+f8B8u7oVwAAAABJRU5ErkJggg=="
    )


@pytest.mark.vcr
@pytest.mark.parametrize("seed", [None, 7], ids=["as a form", "as JSON"])
def test_an_edit(service: dict[str, Any], seed: int | None) -> None:
    picture = PollinationsImage(**service, model="klein").edit("make it night", _square(), seed=seed)
    assert picture.mime_type.startswith("image/")


@pytest.mark.vcr
def test_an_upload(service: dict[str, Any]) -> None:
    assert upload(Media(data=_square(), mime_type="image/png"), name="a square.png", **service).size == len(_square())


@pytest.mark.vcr
def test_speech_and_its_transcript(service: dict[str, Any]) -> None:
    speech = PollinationsSpeech(**service, voice="nova", response_format="opus", seed=7).generate("The tide is out.")
    document = PollinationsTranscriber(**service, language="en").transcribe(_silence())
    assert speech.mime_type == "audio/ogg"
    assert document.metadata["model"]


def _silence() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(1600))
    return file.getvalue()


@pytest.mark.vcr
def test_embeddings(service: dict[str, Any]) -> None:
    vectors = PollinationsEmbeddings(**service, dimensions=128).embed_documents(["a whale", "a seal"])
    assert [len(vector) for vector in vectors] == [128, 128]


@pytest.mark.parametrize("path", sorted(CASSETTES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_a_cassette_is_in_the_folder_of_its_host(path: Path) -> None:
    text = path.read_text("utf-8")
    assert ("x-emulator" in text) == ("emulator" in path.parts)
