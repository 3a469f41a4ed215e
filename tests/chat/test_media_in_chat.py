"""Media in chat: image, video, audio and 3D models that answer a conversation, and large or unusual files in it."""

from __future__ import annotations

import base64
import io
import warnings
from contextlib import nullcontext
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from PIL import Image

from langchain_pollinations._chat.inline_media import check_sizes
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import IncompleteStreamError, InvalidRequestError, PayloadTooLargeError
from tests.helpers.ask import Ask, blocks
from tests.helpers.files import png

MIB = 1024 * 1024
LINK = {"link": '<https://media.pollinations.ai/kite>; rel="enclosure"'}


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
    assert answer.text.count(f"an image at {emulator.url}/media/") == 3


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
        check_sizes([{"role": "user", "content": "Hi"}, {"role": "user", "content": parts}])


# --- PDFs and videos --------------------------------------------------------------------------------------------------

PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/Contents 4 0 R>>endobj\n4 0 obj<</Length 48>>stream\n"
    b"BT /F1 12 Tf 72 720 Td (Whales sleep upright.) Tj ET\nendstream endobj\n%%EOF"
)
BASE64_PDF = base64.b64encode(PDF).decode()
READ = 'of 1 page that begins "Whales sleep upright."'

# block, what the answer says of it
FILES: list[tuple[str, dict[str, Any], str]] = [
    ("PDF, bytes", {"type": "file", "base64": PDF, "mime_type": "application/pdf"}, f"a PDF {READ}"),
    ("PDF, base64 with a name",
     {"type": "file", "base64": BASE64_PDF, "mime_type": "application/pdf", "extras": {"filename": "w.pdf"}},
     f'a PDF called "w.pdf" {READ}'),
    ("PDF, bare base64 in lines",
     {"type": "file", "file": {"file_data": f"{BASE64_PDF[:40]}\n{BASE64_PDF[40:]}", "mime_type": "application/pdf"}},
     f"a PDF {READ}"),
    ("PDF, URL", {"type": "file", "url": "https://example.com/a.pdf", "mime_type": "application/pdf"},
     "a PDF at https://example.com/a.pdf"),
    ("video", {"type": "video", "base64": b"\0\0\0\x18ftypmp42", "mime_type": "video/mp4"}, "a video (mp4)"),
    ("video, URL", {"type": "video", "url": "https://example.com/a.mp4"}, "a video at https://example.com/a.mp4"),
]  # fmt: skip


@pytest.mark.parametrize(("block", "says"), [pytest.param(block, says, id=name) for name, block, says in FILES])
def test_a_model_reads_pdfs_and_videos(emulator: Emulator, block: dict[str, Any], says: str) -> None:
    chat = ChatPollinations(**emulator.connection(), model="google/gemini-3-flash-preview")
    answer = chat.invoke([HumanMessage(["What is this?", block])])
    assert says in answer.text
    counted = answer.response_metadata["token_usage"]["prompt_tokens_details"]
    assert ("video_tokens" in counted) is (block["type"] == "video")
