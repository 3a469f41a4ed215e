"""The emulator agrees with the service's own validators, error handler and answer schemas."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from langchain_pollinations.emulator import Emulator

from .conftest import CONTRACT, events

Fits = Callable[[str, Any], None]

ROUTES = {
    "chat_completions.request": ("POST", "/v1/chat/completions"),
    "text.query": ("GET", "/text/hello"),
    "image.query": ("GET", "/image/cat"),
    "video.query": ("GET", "/video/cat"),
    "images_generations.request": ("POST", "/v1/images/generations"),
    "images_edits.request": ("POST", "/v1/images/edits"),
    "audio_speech.request": ("POST", "/v1/audio/speech"),
    "embeddings.request": ("POST", "/v1/embeddings"),
}
PLAIN_REFUSALS = {"images_edits.request"}  # the service looks at these by hand: 400 without fields
NATURAL = {
    "body not JSON",
    "no key",
    "key not recognised",
    "model unknown",
    "image model on the text endpoint",
    "model not allowed for the key",
    "path unknown",
    "edits: JSON without image",
}


def read(name: str) -> list[dict[str, Any]]:
    path = CONTRACT / "examples" / name
    found: list[dict[str, Any]] = json.loads(path.read_text())["cases"] if path.exists() else []
    return found


def refused_fields(response: httpx.Response) -> set[str] | None:
    """The fields that a validation refusal names; nothing where the answer is none."""
    if response.status_code != 400:
        return None
    details = response.json()["error"].get("details") or {}
    return set(details["fieldErrors"]) if details.get("name") == "ValidationError" else None


def test_verdicts_of_the_validators(http: httpx.Client, emulator: Emulator, contract: Path) -> None:
    emulator.keys["sk_emulator"]["balance"] = 0  # checked after the request is, so that nothing is generated
    disagreeing = []
    for case in read("verdicts.json"):
        if case["schema"] not in ROUTES:
            continue
        method, path = ROUTES[case["schema"]]
        how = {"params": case["payload"]} if method == "GET" else {"json": case["payload"]}
        response = http.request(method, path, **how)
        assert response.status_code < 500, response.text
        fields = refused_fields(response)
        if case["schema"] in PLAIN_REFUSALS:
            assert fields is None
            fields = set(case["fields"]) if response.status_code == 400 and not case["accepted"] else None
        if fields != (None if case["accepted"] else set(case["fields"])):
            disagreeing.append(case["name"])
    assert disagreeing == []


def ask(http: httpx.Client, asked: dict[str, Any], key: str | None) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}" if key else ""}
    if asked.get("body_text") == "(21 MiB)":
        headers["content-type"] = "application/json"
        return http.post(asked["path"], content=b" " * (21 * 1024 * 1024), headers=headers)
    if "body_text" in asked:
        typed = {} if "messages" in asked["body_text"] else {"content-type": "application/json"}
        return http.post(asked["path"], content=asked["body_text"].encode(), headers=headers | typed)
    body = {"json": asked["body"]} if "body" in asked else {}
    return http.request(asked["method"], asked["path"], headers=headers, **body)


def without_time(body: dict[str, Any]) -> dict[str, Any]:
    if isinstance(body.get("error"), dict):
        body["error"].pop("timestamp", None)
    return body


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case["name"][:60]) for case in read("errors.json")],
)
def test_errors_of_the_service(http: httpx.Client, emulator: Emulator, case: dict[str, Any]) -> None:
    """Each recorded refusal: from the request itself where it leads there, else as the fault of its name."""
    emulator.keys["sk_narrow"] = {"models": ["image"]}
    keys = {"no key": None, "key not recognised": "sk_nobody", "model not allowed for the key": "sk_narrow"}
    natural = case["kind"] == "validation" or case["name"] in {*NATURAL, "body over 20 MiB"}
    if not natural:
        emulator.fail(case["name"])
    response = ask(http, case["request"], keys.get(case["name"], "sk_emulator"))
    wanted = case["response"]
    assert response.status_code == wanted["status"]
    assert response.headers.get("retry-after") == wanted["headers"].get("retry-after")
    told, expected = without_time(response.json()), without_time(wanted["body"])
    if isinstance(told["error"], dict):
        page = told["error"].pop("fixUrl", None)
        told["error"]["message"] = told["error"]["message"].removesuffix(f". Allow it at {page}")
        for body in (told, expected):
            (body["error"].get("details") or {}).pop("upstreamHost", None)
    assert told == expected


def test_error_bodies_fit_the_schema(http: httpx.Client, fits: Fits) -> None:
    fits("error", http.get("/nope").json())
    fits("error", http.post("/v1/chat/completions", json={}).json())


CHATS = [
    pytest.param({}, id="plain"),
    pytest.param({"reasoning_effort": "high"}, id="reasoning"),
    pytest.param({"logprobs": True, "top_logprobs": 2}, id="logprobs"),
    pytest.param({"max_tokens": 3}, id="short"),
    pytest.param({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "required"}, id="tool"),
    pytest.param(
        {"model": "openai-audio", "modalities": ["text", "audio"], "audio": {"voice": "nova", "format": "wav"}},
        id="sound",
    ),
    pytest.param({"model": "sonar"}, id="citations"),
]


@pytest.mark.parametrize("fields", CHATS)
def test_chat_answers_fit_the_schema(say: Callable[..., httpx.Response], fits: Fits, fields: dict[str, Any]) -> None:
    response = say("Say hello to everyone", **fields)
    assert response.status_code == 200
    fits("chat_completions.response", response.json())


@pytest.mark.parametrize("fields", CHATS[:5])
def test_plain_streams_fit_the_schema(
    emulator: Emulator, say: Callable[..., httpx.Response], fits: Fits, fields: dict[str, Any]
) -> None:
    emulator.dialect = "plain"
    chunks = events(say("Say hello to everyone", stream=True, **fields).text)
    for chunk in chunks:
        fits("chat_completions.chunk", chunk)
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] > 0


def test_pictures_fit_the_schema(http: httpx.Client, fits: Fits) -> None:
    for form in ("url", "b64_json"):
        body = {"prompt": "a kite", "size": "64x64", "response_format": form}
        fits("images_generations.response", http.post("/v1/images/generations", json=body).json())
        source = http.get("/image/a kite", params={"width": 64, "height": 64}).headers["link"][1:].partition(">")[0]
        edit = body | {"model": "kontext", "image": source}
        fits("images_edits.response", http.post("/v1/images/edits", json=edit).json())


def test_embeddings_fit_the_schema(http: httpx.Client, fits: Fits) -> None:
    for form in ("float", "base64"):
        body = {"input": ["a", "b"], "encoding_format": form, "dimensions": 128}
        fits("embeddings.response", http.post("/v1/embeddings", json=body).json())


def test_model_lists_fit_the_schemas(http: httpx.Client, fits: Fits) -> None:
    for path in ("/models", "/text/models", "/image/models", "/audio/models", "/embeddings/models"):
        fits("models.response", http.get(path).json())
    fits("v1_models.response", http.get("/v1/models").json())
    fits("v1_model.response", http.get("/v1/models/openai").json())
