"""Base64 and data URIs in every form that is read, and the one form that comes out, in answers and artifacts."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, strategies

from langchain_pollinations._media.data_uri import decode, is_data_uri, plain_base64, read_data_uri
from langchain_pollinations.audio import PollinationsSpeech
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.embeddings import PollinationsEmbeddings
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from tests.helpers.ask import Ask, blocks
from tests.media.test_references import PNG

FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda data: data,
    "no padding": lambda data: data.rstrip("="),
    "too much padding": lambda data: data.rstrip("=") + "===",
    "line breaks": lambda data: "\r\n".join(data[start : start + 76] for start in range(0, len(data), 76)) + "\n",
    "spaces": lambda data: f" {data[:7]} {data[7:]}\t",
    "URL-safe": lambda data: data.replace("+", "-").replace("/", "_"),
    "percent-encoded": lambda data: quote(data, safe=""),
    "percent-encoded line breaks": lambda data: data[:8] + "%0D%0A" + data[8:],
    "a data URI": lambda data: f"data:image/png;base64,{data}",
    "another type": lambda data: f"DATA:Image/JPEG;BASE64,{data}",
    "parameters": lambda data: f" data:image/png;charset=utf-8; base64 , {data}",
    "parameters after": lambda data: f"data:image/png;base64;charset=utf-8,{data}",
    "no type": lambda data: f"data:;base64,{data}",
}
"""How callers, models and providers write base64."""


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


@given(strategies.binary(), strategies.sampled_from(sorted(FORMS)))
def test_every_form_is_read_and_one_comes_out(data: bytes, form: str) -> None:
    written = FORMS[form](encoded(data))
    assert decode(written) == data
    plain = read_data_uri(written).base64 if is_data_uri(written) else plain_base64(written)
    assert plain == encoded(data)


@pytest.mark.parametrize("given", ["*", "a", "aGk=x", "aGk\0", "é", "=a", "data:;base64,*", None, b"aGk=", 5])
def test_what_is_no_base64_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="base64"):
        decode(given)


@pytest.mark.parametrize(
    ("uri", "plain"),
    [
        ("data:image/svg+xml,%3Csvg/%3E", "data:image/svg+xml;base64,PHN2Zy8+"),
        ("DATA:Text/Plain;charset=utf-8,a b", "data:text/plain;base64,YSBi"),
        ("data:audio/L16; rate=24000 ;base64,AAA", "data:audio/l16;rate=24000;base64,AAA="),
        ("data:,", "data:;base64,"),
        ("data:image%2Fpng;base64,aGk", "data:image/png;base64,aGk="),
    ],
)
def test_a_data_uri_has_one_form(uri: str, plain: str) -> None:
    assert str(read_data_uri(uri)) == plain
    assert str(read_data_uri(plain)) == plain


def test_images_and_sound_of_a_chat_answer_come_out_in_one_form(emulator: Emulator, ask: Ask) -> None:
    sound = b"fLaC" + bytes(range(240, 256))
    speaks = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}}
    chat = ChatPollinations(**emulator.connection(), model="openai/gpt-audio-mini")
    for form, write in FORMS.items():
        written = write(encoded(PNG))
        image = written if is_data_uri(written) else f"data:image/png;base64,{written}"
        emulator.reply(message={"content": "Here.", "images": [image]}, dialect="vertex")
        mime_type = "image/jpeg" if form == "another type" else "image/png"
        shown = {"type": "image", "base64": encoded(PNG), "mime_type": mime_type}
        assert blocks(ask(ChatPollinations(**emulator.connection()), "Go"))[-1] == shown, form
        audio = {"id": "a", "data": write(encoded(sound)), "transcript": "Hi"}
        emulator.reply(message={"content": None, "audio": audio})
        spoken = blocks(ask(chat, "Go", **speaks))[-1]
        assert (spoken["base64"], spoken["mime_type"]) == (encoded(sound), "audio/flac"), form


@pytest.mark.parametrize("form", FORMS)
def test_media_answers_and_artifacts_are_read_in_every_form(emulator: Emulator, form: str) -> None:
    write, service = FORMS[form], emulator.connection()
    emulator.reply(body={"data": [{"b64_json": write(encoded(PNG))}]}, on="/v1/images")
    assert PollinationsImage(**service).generate("50% off").data == PNG
    emulator.reply(body={"audio_base64": write(encoded(b"ID3\xff\xfb")), "alignment": None}, on="/v1/audio")
    assert PollinationsSpeech(**service, model="eleven").generate("Hi", timestamps=True).data == b"ID3\xff\xfb"
    vector = write(encoded(struct.pack("<2f", 0.5, -0.25)))
    emulator.reply(body={"data": [{"index": 0, "embedding": vector}]}, on="/v1/embeddings")
    assert PollinationsEmbeddings(**service).embed_query("a cat") == [0.5, -0.25]
    artifact = {"type": "pollinations_media", "mime_type": "image/png", "base64": write(encoded(PNG))}
    assert Media.from_artifact(artifact).data == PNG
