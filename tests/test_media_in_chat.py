"""Media in chat: image, video, audio and 3D models that answer a conversation."""

from __future__ import annotations

import io
import warnings
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from PIL import Image

from langchain_pollinations import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import IncompleteStreamError, InvalidRequestError
from tests.conftest import Ask, blocks

LINK = {"link": '<https://media.pollinations.ai/kite>; rel="enclosure"'}


def png(colour: str = "red", size: tuple[int, int] = (90, 60)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def image(data: bytes) -> dict[str, Any]:
    return {"type": "image", "base64": data, "mime_type": "image/png"}


# --- Media models -----------------------------------------------------------------------------------------------------

# model, last user message, type of the block, media type of the file
MADE: list[tuple[str, Any, str, str]] = [
    ("kontext", ["Make it night.", image(png())], "image", "image/jpeg"),
    ("zimage", "A kite", "image", "image/jpeg"),
    ("wan-fast", ["Let ![it] fly.", image(png())], "video", "video/mp4"),
    ("dialogue", "nova: Who is there?\necho: The sea.", "audio", "audio/mpeg"),
    ("google/gemini-3.8-flash-tts", "The tide is out.", "audio", "audio/"),
    ("sfx", "A door falls shut", "audio", "audio/mpeg"),
    ("rodin", "A chair", "file", "model/gltf-binary"),
]


@pytest.mark.parametrize(("model", "content", "kind", "mime_type"), [pytest.param(*row, id=row[0]) for row in MADE])
def test_a_media_model_answers_with_a_block_for_its_file(
    emulator: Emulator, ask: Ask, model: str, content: Any, kind: str, mime_type: str
) -> None:
    history = [SystemMessage("Draw."), HumanMessage(["Old", image(png("blue", (8, 8)))]), AIMessage("Done.")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = ask(ChatPollinations(**emulator.connection(), model=model), [*history, HumanMessage(content)])
    text, block = blocks(answer)
    assert block == {"type": kind, "url": block["url"]}
    assert text["text"].startswith("![" if kind == "image" else "[") and text["text"].endswith(f"\n\n{block['url']}")
    assert (answer.usage_metadata, answer.response_metadata["finish_reason"]) == (None, "stop")
    file = httpx.get(block["url"])
    assert file.headers["content-type"].startswith(mime_type)
    if model == "kontext":
        assert Image.open(io.BytesIO(file.content)).size == (90, 60)


def test_an_answer_with_an_image_is_edited_again_by_its_block(emulator: Emulator, ask: Ask) -> None:
    chat = ChatPollinations(**emulator.connection(), model="kontext")
    asked = HumanMessage(["Make it night.", image(png())])
    first = ask(chat, [asked])
    block = blocks(first)[1]
    again = ask(chat, [asked, first, HumanMessage(["Now add snow.", block])])
    assert blocks(again)[1]["type"] == "image" and blocks(again)[1]["url"] != block["url"]
    with pytest.raises(InvalidRequestError, match="does not take reference images"):
        ask(chat, [asked, HumanMessage(["Make it night.", block])], model="zimage")


@pytest.mark.parametrize(("model", "is_whole"), [("kontext", True), ("openai", False)])
def test_a_stream_without_usage_is_whole_where_the_model_never_counts(
    emulator: Emulator, model: str, is_whole: bool
) -> None:
    words = {"choices": [{"delta": {"content": "A kite."}, "finish_reason": None}], "usage": None}
    end = {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": None}
    emulator.reply(chunks=[words, end], headers=LINK)
    chunks = ChatPollinations(**emulator.connection(), model=model).stream("A kite")
    if is_whole:
        assert "".join(chunk.text for chunk in chunks) == "A kite."
    else:
        with pytest.raises(IncompleteStreamError):
            list(chunks)
