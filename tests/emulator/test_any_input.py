"""Whatever is sent to the emulator, it answers as the service does: a failure of its own (500) is a mistake of its."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langchain_pollinations.emulator import Emulator
from tests.helpers.fuzz import examples

from .conftest import KEY

WORDS = st.sampled_from(
    ["", " ", "0", "-1", "1e999", "NaN", "true", "\0", "..", "http://[::1", "data:,",
     "data:image/png;base64,iVBORw0KGgo=", "user", "text", "image_url", "json_schema",
     "b64_json", "verbose_json", "16:9", "1024x1024", "flux", "openai",
     "9999-12", "2026-W53", "usage", "approve", "authorization_code",
     "veo", "openai/gpt-audio-mini", "openai/tts-1", "whisper", "\u2028", "a" * 300]
)  # fmt: skip
NAMES = st.sampled_from(
    ["model", "messages", "role", "content", "type", "text", "prompt", "input", "image", "images", "image_url", "url",
     "size", "width", "height", "n", "seed", "limit", "duration", "seconds", "steps", "voice", "format",
     "response_format", "json_schema", "tools", "tool_choice", "tool_calls",
     "function", "arguments", "stream", "stop", "temperature",
     "modalities", "audio", "data", "id", "name", "tags", "contentType", "safe", "system", "dimensions", "file",
     "state", "questions", "instructions", "criteria", "true",
     "days", "granularity", "period", "before", "before_event_id", "expiresIn", "pollenBudget", "allowedModels",
     "grant_type", "device_code", "client_id", "scope", "user_code", "budget", "decision", "redirect_uri"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.just(10**400) | WORDS | st.text(max_size=9)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4))
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool"]), "content": JSON}, optional={"tool_calls": JSON}
)
QUESTION = st.fixed_dictionaries(
    {"type": st.sampled_from(["choice", "score", "noul", "box"]), "instructions": JSON}, optional={"criteria": JSON}
)
BODY = st.builds(
    lambda usual, more: {**more, **usual},
    st.fixed_dictionaries(
        {},
        optional={
            "messages": st.lists(MESSAGE, max_size=3),
            "prompt": WORDS,
            "input": WORDS,
            "state": JSON,
            "questions": st.dictionaries(NAMES, QUESTION, max_size=2),
        },
    ),
    st.dictionaries(NAMES, JSON, max_size=4),
)
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\2\0\0\0"
FILES = st.lists(
    st.tuples(
        st.sampled_from(["file", "image", "image[]", "mask"]),
        st.tuples(WORDS, st.binary(max_size=20) | st.just(PNG), st.sampled_from(["image/png", "", "x", "text/html"])),
    ),
    min_size=1,
    max_size=3,
)
# What no library writes: broken forms, encodings, depths, half characters, numbers of many digits.
RAW = st.tuples(
    st.binary(max_size=40)
    | st.sampled_from(
        [b"[" * 100_000, b'{"input":"\\ud800","prompt":"\\ud800","data":"\\ud800","id":"\\ud800"}', b"\xff\xfe",
         b'{"prompt":"a","seed":' + b"1" * 5000 + b"}", b"--x\r\n\r\n", b'--x\r\nx: y\r\n\r\na\r\n--x--\r\n',
         b'--x\r\ncontent-disposition: form-data; name="file"; filename="\xff"\r\n\r\na\r\n--x--\r\n']
    ),
    st.sampled_from(
        ["application/json", "application/json; charset=utf-16", "multipart/form-data",
         "multipart/form-data; boundary=x", "multipart/form-data; boundary=x; charset=no",
         "application/x-www-form-urlencoded",
         "image/png", "text/plain", ""]
    ),
)  # fmt: skip
GEN = [
    "/v1/chat/completions", "/v1/images/generations", "/v1/images/edits", "/v1/audio/speech", "/v1/embeddings",
    "/v1/audio/speech/with-timestamps", "/v1/audio/transcriptions", "/v1/models", "/models", "/text", "/text/hi",
    "/audio/hi", "/image/cat", "/video/cat", "/3d/cat", "/media/upload", "/media/x", "/%00", "/text/%ff", "/image/.",
    "/v1/audio/voice-changer", "/v1/audio/voice-isolator", "/alpha/decisions",
    "/mcp", "/mcp/exa", "/mcp/pollinations",
]  # fmt: skip
ACCOUNT = [
    "/account/key", "/account/usage", "/account/usage/daily", "/account/keys", "/account/keys/x", "/api/device/code",
    "/api/device/token", "/api/oauth/token", "/device", "/authorize",
]  # fmt: skip
HOSTS = {
    "account": (lambda emulator: emulator.url, ACCOUNT),
    "gen": (lambda emulator: emulator.url, GEN),
    "text": (lambda emulator: emulator.legacy.text_url, ["/", "/openai", "/hi", "/models", "/feed", "/%ff"]),
    "image": (lambda emulator: emulator.legacy.image_url, ["/prompt/cat", "/models", "/feed", "/prompt/%ff"]),
}
HEADERS = st.dictionaries(
    st.sampled_from(["range", "x-file-name", "pollinations-safe", "accept", "content-encoding", "referer"]),
    st.sampled_from(["", "bytes=0-1", "bytes=x", "%ff%00", "gzip", "privacy,x", "http://["]),
    max_size=2,
)  # fmt: skip


@pytest.mark.once
@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("host", HOSTS)
@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_input_makes_the_emulator_fail(emulator: Emulator, host: str, data: st.DataObject) -> None:
    address, paths = HOSTS[host]
    options: dict[str, Any] = {}
    headers = {**KEY, **data.draw(HEADERS, "headers")}
    form = data.draw(st.sampled_from(["query", "json", "files", "raw"]), "form")
    if form == "json":
        options["content"] = json.dumps(data.draw(BODY)).encode()
        headers["content-type"] = "application/json"
    elif form == "files":
        options |= {"files": data.draw(FILES), "data": data.draw(st.dictionaries(NAMES, WORDS, max_size=4))}
    elif form == "raw":
        options["content"], headers["content-type"] = data.draw(RAW)
    query = data.draw(st.dictionaries(NAMES, WORDS | st.text(max_size=9), max_size=3), "query")
    path = data.draw(st.sampled_from(paths), "path")
    with httpx.Client(timeout=60, verify=False) as client:  # plain http, no TLS
        method = "GET" if form == "query" else "POST"
        response = client.request(method, address(emulator) + path, params=query or None, headers=headers, **options)
    assert response.status_code != 500, response.text
