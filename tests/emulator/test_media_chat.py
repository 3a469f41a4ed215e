"""Media models on the chat route, and chat bodies over 32 MiB."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image

from langchain_pollinations.emulator import Emulator
from langchain_pollinations.emulator.service import large_bodies
from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.state import Asked, State
from tests.emulator.conftest import KEY, Say, events

MIB = 1024 * 1024


def data_uri(mime_type: str = "image/png") -> str:
    file = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(file, "PNG")
    return f"data:{mime_type};base64,{base64.b64encode(file.getvalue()).decode()}"


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def shown(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


RED = shown(data_uri())
SOUND = {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}

REFUSED: list[tuple[str, Any, str, str]] = [
    ("no words", "", "zimage", "needs a text"),
    ("blank words", " \n", "zimage", "needs a text"),
    ("an image alone", [RED], "kontext", "needs a text"),
    ("a dot", ".", "zimage", "Invalid prompt"),
    ("two dots", [text("..")], "zimage", "Invalid prompt"),
    ("half a character", "a kite \ud83d", "zimage", "Invalid prompt"),
    ("an image for a model without", [text("a kite"), RED], "zimage", "does not take reference images"),
    ("an image for a video model without", [text("a kite"), RED], "minimax-h3", "does not take images"),
    ("an image for speech", [text("a kite"), RED], "tts-1", "does not take images"),
    ("an image for a 3D model with image input", [text("a kite"), RED], "trellis-2", "does not take images"),
    ("a missing image", "a kite", "trellis-2", "needs a reference image"),
    ("two images for a model of one", [text("a kite"), RED, RED], "kontext", "at most 1 reference images"),
    ("sound", [text("a kite"), SOUND], "kontext", "not input_audio"),
    ("a file", [text("a kite"), {"type": "file", "file": {"file_id": "f"}}], "kontext", "not file"),
    ("an image without a URL", [text("a kite"), {"type": "image_url", "image_url": "x"}], "kontext", "Invalid image"),
    ("a dialogue without voices", "Hello", "dialogue", "Invalid dialogue"),
    ("a transcription model", "Hello", "whisper", "audio model"),
    ("an embedding model", "Hello", "embedding-small", "embedding model"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "model", "words"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_what_a_media_model_does_not_take_is_refused(http: httpx.Client, content: Any, model: str, words: str) -> None:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": content}]}).encode()
    response = http.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400 and words in response.json()["error"]["message"]


def file_of(response: httpx.Response) -> httpx.Response:
    assert response.status_code == 200, response.text
    return httpx.get(response.headers["link"].split(">")[0].strip("<"))


def test_only_the_last_user_message_counts(say: Say) -> None:
    last = {"role": "user", "content": [text("make it night"), RED]}
    before = [{"role": "system", "content": "."}, {"role": "user", "content": [SOUND]}, {"role": "assistant"}]
    one, other = (file_of(say(talk, model="kontext")) for talk in ([*before, last], [last]))
    assert one.content == other.content and one.headers["content-type"] == "image/jpeg"


def test_a_media_answer_is_its_file_in_markdown_without_usage(say: Say) -> None:
    asked = [{"role": "user", "content": [text("Mail a@b.org [now]\nplease"), RED]}]
    response = say(asked, model="google/gemini-2.5-flash-image", safe="privacy")
    url = response.headers["link"].split(">")[0].strip("<")
    [choice] = response.json()["choices"]
    caption = choice["message"]["content"].removeprefix("![").removesuffix(f"]({url})\n\n{url}")
    assert "@" not in caption and "\n" not in caption and "]" not in caption
    assert choice["message"].keys() == {"role", "content"} and "usage" not in response.json()
    chunks = events(say(asked, model="google/gemini-2.5-flash-image", stream=True).text)
    assert all(chunk["usage"] is None and chunk["choices"] for chunk in chunks)
    assert file_of(say("a kite", model="wan-fast")).headers["content-type"] == "video/mp4"


def test_the_other_text_routes_know_no_media_models(http: httpx.Client) -> None:
    assert http.get("/text/a kite", params={"model": "flux"}).status_code == 400
    assert http.post("/v1/messages", json={"model": "flux", "messages": []}).status_code == 404


# Bodies over 32 MiB. Their Content-Length decides, so that these may be small.

PDF = "data:application/pdf;base64,JVBERi0xLjQK"
ON_OPENROUTER = "stepfun/step-3.5-flash"


def asked(*parts: Any, model: str = "openai", body: bytes | None = None, key: str = "sk_emulator") -> Asked:
    messages = [{"role": "user", "content": list(parts)}]
    found = json.dumps({"model": model, "messages": messages}).encode() if body is None else body
    headers = {"content-length": str(32 * MIB + 1), "authorization": f"Bearer {key}"}
    return Asked("POST", "/v1/chat/completions", "", {}, headers, found)


def film(url: str) -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": url}}


def file(**fields: str) -> dict[str, Any]:
    return {"type": "file", "file": fields}


MOVED = [
    pytest.param(RED, id="image"),
    pytest.param(film("data:video/quicktime;base64,AAAA"), id="video"),
    pytest.param(file(file_data=PDF, file_name="a.pdf"), id="PDF"),
    pytest.param(file(file_data="JVBERi0xLjQK", mime_type="application/pdf"), id="PDF, bare"),
    pytest.param(file(file_url=PDF), id="PDF in file_url"),
]
KEPT = [
    pytest.param(text(data_uri()), id="text"),
    pytest.param(shown("https://example.com/a.png"), id="a URL"),
    pytest.param(SOUND, id="sound"),
    pytest.param(file(file_data="data:text/plain;base64,AAAA"), id="another file"),
    pytest.param({"type": "image_url"}, id="no image"),
]


@pytest.mark.parametrize("part", MOVED)
def test_inline_files_of_a_large_body_become_urls(part: dict[str, Any]) -> None:
    state = State(url="http://here")
    [found, same] = large_bodies.compacted(state, asked(part, part, model=ON_OPENROUTER)).json["messages"][0]["content"]
    [stored] = state.media.all()
    kind = part["type"]
    assert found == same and found[kind]["url" if "url" in kind else "file_url"] == state.link(stored)
    assert "file_data" not in found[kind] and found[kind].get("file_name") == part[kind].get("file_name")


@pytest.mark.parametrize("part", KEPT)
def test_other_parts_of_a_large_body_stay(part: dict[str, Any]) -> None:
    assert large_bodies.compacted(State(), asked(part)).json["messages"][0]["content"] == [part]


TOO_LARGE: list[tuple[str, Asked, int]] = [
    ("a file over 20 MiB", asked(shown(f"data:image/png;base64,{'A' * 20 * MIB}")), 413),
    ("a rest over 16 MiB", asked(text("x" * 16 * MIB), RED), 413),
    ("a PDF for another provider", asked(file(file_data=PDF)), 413),
    ("a PDF for an unknown model", asked(file(file_data=PDF), model="nope"), 413),
    ("another type of image", asked(shown("data:image/heic;base64,AAAA")), 400),
    ("a video as an image", asked(shown("data:video/mp4;base64,AAAA")), 400),
    ("broken base64", asked(shown("data:image/png;base64,AA-A")), 400),
    ("base64 in lines", asked(shown("data:image/png;base64,AAAA\nAAAA")), 400),
    ("no base64", asked(shown("data:image/png,AAAA")), 400),
    ("no JSON", asked(body=b"{"), 400),
    ("an unknown key", asked(RED, key="sk_nobody"), 401),
]


@pytest.mark.parametrize(("request_", "status"), [pytest.param(*row[1:], id=row[0]) for row in TOO_LARGE])
def test_limits_of_a_large_body(request_: Asked, status: int) -> None:
    with pytest.raises(Refusal) as caught:
        large_bodies.compacted(State(), request_)
    assert caught.value.status == status


def test_a_length_that_is_not_told_takes_the_ordinary_path(emulator: Emulator) -> None:
    pieces = iter([b" " * MIB] * 33)
    response = httpx.post(f"{emulator.url}/v1/chat/completions", content=pieces, headers=KEY)
    assert response.status_code == 413
