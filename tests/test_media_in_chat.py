"""Media in chat: image, video, audio and 3D models that answer a conversation, and large or unusual files in it."""

from __future__ import annotations

import io
import warnings
from contextlib import nullcontext
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from PIL import Image

from langchain_pollinations import ChatPollinations, PayloadTooLargeError, _inline
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import IncompleteStreamError, InvalidRequestError
from tests.conftest import Ask, blocks

MIB = 1024 * 1024
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


# --- Large requests ---------------------------------------------------------------------------------------------------


def padded(mib: float) -> dict[str, Any]:
    return image(png() + bytes(int(mib * MIB)))


def test_inline_files_make_a_request_as_large_as_the_service_takes(emulator: Emulator) -> None:
    chat = ChatPollinations(**emulator.connection())
    answer = chat.invoke([HumanMessage(["What is this?", padded(9), padded(9), padded(7)])])
    assert len(emulator.requests[-1].body) > 32 * MIB
    assert answer.text.count(f"a picture at {emulator.url}/media/") == 3


def test_a_request_that_is_too_large_is_explained(emulator: Emulator, ask: Ask) -> None:
    chat = ChatPollinations(**emulator.connection())
    with pytest.raises(PayloadTooLargeError) as caught:
        ask(chat, [HumanMessage(["What is this?", padded(9), padded(7)])])
    assert caught.value.status_code == 413
    for words in ("have 21.3 MiB as base64, the largest 12.0 MiB", "up to 20 MiB", "15 MiB of file", "upload()"):
        assert words in str(caught.value)
    with pytest.raises(PayloadTooLargeError, match="up to 20 MiB"):
        ask(chat, "x" * (21 * MIB))


def test_what_the_service_certainly_refuses_is_not_sent(emulator: Emulator) -> None:
    with pytest.raises(PayloadTooLargeError, match=r"was not sent: inline files have .* upload\(\)"):
        ChatPollinations(**emulator.connection()).invoke([HumanMessage(["Look.", padded(16), padded(9)])])
    assert emulator.requests == []


TEN = "A" * (10 * MIB)
URI = f"data:image/png;base64,{TEN}"

# parts, whether they are refused
SIZES: list[tuple[str, list[Any], bool]] = [
    ("images of 90 MiB", [{"type": "image_url", "image_url": {"url": URI}}] * 9, False),
    ("images of more than 100 MiB", [{"type": "image_url", "image_url": {"url": URI}}] * 10, True),
    ("videos", [{"type": "video_url", "video_url": {"url": URI}}] * 10, True),
    ("sound", [{"type": "input_audio", "input_audio": {"data": TEN, "format": "wav"}}] * 11, True),
    ("PDFs", [{"type": "file", "file": {"file_data": URI}}] * 10, True),
    ("PDFs as URLs", [{"type": "file", "file": {"file_url": URI}}] * 10, True),
    ("a file of more than 20 MiB, and less than 32 MiB in all",
     [{"type": "file", "file": {"file_data": URI + TEN}}], False),
    ("a file of more than 20 MiB, and more than 32 MiB in all",
     [{"type": "file", "file": {"file_data": URI + TEN}}, {"type": "image_url", "image_url": {"url": URI}}] * 2, True),
    ("text", [{"type": "text", "text": TEN}] * 11, False),
    ("odd parts", [{"type": "image_url", "image_url": TEN}, {"type": "file", "file": None}, {}, TEN], False),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "is_refused"), [pytest.param(*row[1:], id=row[0]) for row in SIZES])
def test_sizes_of_inline_files(parts: list[Any], is_refused: bool) -> None:
    with pytest.raises(PayloadTooLargeError) if is_refused else nullcontext():
        _inline.check([{"role": "user", "content": "Hi"}, {"role": "user", "content": parts}])
