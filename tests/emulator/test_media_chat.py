"""Media models on the chat route."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.emulator.conftest import Say, events


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
