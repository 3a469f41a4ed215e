"""Refusals that the service's documents state, and which no schema of the contract shows."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from langchain_pollinations.emulator import Emulator

PRIVATE = ("http://127.0.0.1/a.png", "http://localhost/a.png", "http://[::1]/a.png", "https://u:p@example.org/a.png")
COHERE, GEMINI = "cohere/embed-v4.0", "google/gemini-embedding-2"
VIDEO_MODEL = "google/gemini-3.7-flash"


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def video(url: str, **fields: str) -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": url, **fields}}


AUDIO = {"type": "input_audio", "input_audio": {"data": "no base64!", "format": "mp3"}}


def chat(part: dict[str, Any], **fields: Any) -> tuple[str, dict[str, Any]]:
    content = [{"type": "text", "text": "x"}, part]
    return "/v1/chat/completions", {"messages": [{"role": "user", "content": content}], **fields}


def embed(model: str, *parts: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "/v1/embeddings", {"model": model, "input": list(parts)}


REFUSED = [
    *(pytest.param(chat(image(url)), "invalid_image_url", id=f"chat, image at {url}") for url in PRIVATE),
    pytest.param(chat(video(PRIVATE[0]), model=VIDEO_MODEL), "invalid_image_url", id="chat, private video"),
    pytest.param(chat(AUDIO, model="openai/gpt-audio-mini"), "BAD_REQUEST", id="chat, audio that is no base64"),
    *(pytest.param(embed(COHERE, image(url)), "invalid_image_url", id=f"embed, image at {url}") for url in PRIVATE),
    pytest.param(embed(COHERE, *[image("https://example.org/a.png")] * 2), "BAD_REQUEST", id="Cohere, two images"),
    pytest.param(embed(GEMINI, video("https://example.org/a", mime_type="video/webm")), "BAD_REQUEST",
                 id="embed, type of a video"),
    pytest.param(embed(GEMINI, AUDIO), "BAD_REQUEST", id="embed, audio that is no base64"),
]  # fmt: skip


@pytest.mark.parametrize(("request_of", "code"), REFUSED)
def test_media_that_the_service_would_not_read(
    http: httpx.Client, request_of: tuple[str, dict[str, Any]], code: str
) -> None:
    path, body = request_of
    response = http.post(path, json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, code)


def test_media_that_the_service_reads(http: httpx.Client) -> None:
    uploaded = http.post("/media/upload", content=b"x", headers={"content-type": "image/png"}).json()["url"]
    for path, body in (
        chat(image("https://example.org/a.png")),
        chat(image(uploaded)),
        chat(video("gs://bucket/a.mp4"), model=VIDEO_MODEL),
        embed(COHERE, image("https://example.org/a.png"), {"type": "text", "text": "x"}),
        embed(GEMINI, video("https://example.org/a", mime_type="video/mp4")),
    ):
        assert http.post(path, json=body).status_code == 200


@pytest.mark.parametrize("name", ["reference_images", "reference_videos", "reference_audios"])
def test_references_for_a_model_without_them(http: httpx.Client, name: str) -> None:
    response = http.get("/image/x", params={name: "https://example.org/a", "width": 8})
    assert response.status_code == 400 and name in response.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/text/hi", "/image/x?width=8", "/account/key"])
def test_a_banned_account(http: httpx.Client, emulator: Emulator, path: str) -> None:
    emulator.keys["sk_emulator"]["banned"] = True
    response = http.get(path)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert http.get("/models").status_code == 200


TEXT = [{"role": "user", "content": "x"}]
OFFERS = [
    pytest.param("/v1/chat/completions", {"messages": TEXT, "max_tokens": 9}, 402, id="chat"),
    pytest.param("/v1/chat/completions", {"messages": TEXT}, 401, id="chat without a limit"),
    pytest.param("/v1/chat/completions", {"messages": TEXT, "max_tokens": 4097}, 401, id="chat with a large limit"),
    pytest.param(*chat(image("https://example.org/a"), max_tokens=9), 401, id="chat with an image"),
    pytest.param("/v1/images/generations", {"prompt": "x"}, 402, id="image"),
    pytest.param("/v1/images/generations", {"prompt": "x", "model": "gptimage"}, 401, id="image priced by tokens"),
    pytest.param("/v1/audio/speech", {"input": "x"}, 402, id="speech"),
    pytest.param("/v1/audio/speech", {"input": "x", "model": "elevenlabs/music-v2"}, 401, id="music"),
    pytest.param("/v1/embeddings", {"input": "x"}, 401, id="embedding"),
]


@pytest.mark.parametrize(("path", "body", "status"), OFFERS)
def test_an_offer_to_pay_without_an_api_key(emulator: Emulator, path: str, body: dict[str, Any], status: int) -> None:
    response = httpx.post(emulator.url + path, json=body, headers={"idempotency-key": "1"})
    assert response.status_code == status
    assert ("payment-required" in response.headers) == (status == 402)
    assert httpx.post(emulator.url + path, json=body).status_code == 401
    keyed = {"authorization": "Bearer sk_nobody", "idempotency-key": "1"}
    assert httpx.post(emulator.url + path, json=body, headers=keyed).status_code == 401


def test_a_request_to_an_mcp_server_that_is_not_utf_8(http: httpx.Client) -> None:
    response = http.post("/mcp/exa", content=b"\xff\xfe{", headers={"content-type": "application/json"})
    assert response.status_code == 400 and "not UTF-8" in response.json()["error"]["message"]


@pytest.mark.parametrize("budget", ["1e999999999", "1e400", "-1", "inf", "many"])
def test_a_budget_that_no_api_key_can_have(http: httpx.Client, emulator: Emulator, budget: str) -> None:
    code = http.post("/api/device/code").json()["user_code"]
    form = {"user_code": code, "decision": "approve", "budget": budget}
    response = http.post("/device", data=form)
    assert response.status_code == 400 and "The budget must be" in response.text
    assert len(emulator.keys) == 1
