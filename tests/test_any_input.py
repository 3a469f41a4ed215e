"""Whatever text, name or block a caller gives, each method gives a result or a typed error, and no error shows the key.

The service answers each request here. `make fuzz` draws many more examples.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import ValidationError

from langchain_pollinations._media.wav import pcm16_to_wav
from langchain_pollinations.audio import PollinationsMusic, PollinationsSpeech
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.embeddings import PollinationsEmbeddings
from langchain_pollinations.errors import PollinationsError
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from langchain_pollinations.models3d import Pollinations3D
from langchain_pollinations.transcription import PollinationsTranscriber
from langchain_pollinations.uploads import upload
from langchain_pollinations.video import PollinationsVideo
from tests.helpers.fuzz import examples

Json = dict[str, Any]
KEY = "sk_a_secret_key"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0\0\0\0\0\0\0\0\0IEND\0\0\0\0"
WAV = pcm16_to_wav(b"\0" * 800)
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
COMPLETION = {
    "choices": [{"message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": USAGE,
}
# By the beginning of the path: the body of a response. The first match applies.
BODIES: Mapping[str, bytes | Json] = {
    "/v1/chat/completions": COMPLETION,
    "/openai": COMPLETION,
    "/v1/embeddings": {"data": [{"index": 0, "embedding": [0.5, 0.5]}], "usage": USAGE},
    "/v1/audio/transcriptions": {"text": "Yes.", "duration": 1.0},
    "/v1/audio/speech": b"ID3\4\0\0\0\0\0\0",
    "/audio/": b"ID3\4\0\0\0\0\0\0",
    "/v1/images/": {"data": [{"b64_json": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAAAAAAAAAAAAAElFTkQAAAAA"}]},
    "/upload": {"url": "https://media.pollinations.ai/abc", "id": "abc", "contentType": "image/png", "size": 57},
    "/media/upload": {"url": "https://media.pollinations.ai/abc", "id": "abc", "contentType": "image/png", "size": 57},
    "/image/": PNG,
    "/prompt/": PNG,
    "/video/": b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08moov",
    "/3d/": b"glTF\2\0\0\0\x14\0\0\0" + b"\0" * 8,
    "/": b"Yes.",
}


class Service:
    """A service that answers each request, and the requests that it got."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.given: Json = {
            "api_key": KEY,
            "max_retries": 0,
            "http_client": httpx.Client(transport=httpx.MockTransport(self._respond)),
        }

    def _respond(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        body = next(body for path, body in BODIES.items() if request.url.path.startswith(path))
        return httpx.Response(200, content=body) if isinstance(body, bytes) else httpx.Response(200, json=body)

    def received(self) -> str:
        """The path and the body of the last request, as text."""
        request = self.requests[-1]
        return unquote(request.url.raw_path.decode()) + request.content.decode("utf-8", "replace")


# --- Texts ------------------------------------------------------------------------------------------------------------

ODD_TEXTS = (
    *("", " ", "\0", "\n", "a\r\nb: c", "\ud83d", "\udc00x", "\U0001f40b", "e\u0301", "\u202egnp", "\u2028", "\ufeff"),
    *(".", "..", "../x", "/etc/passwd", "a/b\\c", "%", "%2F", "%00", "?a=b#c", "models", "data:,", "data:image/png,x"),
    *(
        "CON",
        "x" * 300,
        "file://x",
        "https://",
        "http://[",
        "https://\ud800",
        "~root",
        "~nobody_here",
        "\x1b[31m",
        "\x85",
        "~",
        "*",
    ),
)
texts = st.text(st.characters(), max_size=20) | st.sampled_from(ODD_TEXTS)

CALL = {"name": "look", "args": {}, "id": "c1"}


def _tool(name: str, description: str = "Looks.") -> Json:
    parameters = {"type": "object", "properties": {}}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def _chat(given: Json, *messages: Any, **fields: Any) -> AIMessage:
    return ChatPollinations(**given, **fields).invoke(list(messages))


def _called(given: Json, text: str, **changes: Any) -> AIMessage:
    answer = AIMessage("", tool_calls=[{**CALL, **changes}])
    return _chat(given, HumanMessage("Look."), answer, ToolMessage(text, tool_call_id=changes.get("id", "c1")))


METHODS: Mapping[str, Callable[[Json, str, Path], Any]] = {
    "prompt": lambda given, text, _: _chat(given, HumanMessage(text)),
    "system": lambda given, text, _: _chat(given, SystemMessage(text), HumanMessage("Hi")),
    "stream": lambda given, text, _: list(ChatPollinations(**given).stream(text)),
    "GET /text": lambda given, text, _: _chat(given, HumanMessage(text), route="get"),
    "POST /text": lambda given, text, _: _chat(given, HumanMessage(text), route="post"),
    "legacy": lambda given, text, _: _chat(given, HumanMessage(text), api="legacy", legacy_interval=0),
    "legacy GET": lambda given, text, _: _chat(given, HumanMessage(text), api="legacy", legacy_interval=0, route="get"),
    "user": lambda given, text, _: _chat(given, HumanMessage("Hi", name=text)),
    "stop": lambda given, text, _: ChatPollinations(**given).invoke("Hi", stop=[text]),
    "model": lambda given, text, _: _chat(given, HumanMessage("Hi"), model=text),
    "tool": lambda given, text, _: ChatPollinations(**given).bind_tools([_tool(text, text)]).invoke("Hi"),
    "call": lambda given, text, _: _called(given, text, name=text, args={text: [text, {text: text}]}),
    "call id": lambda given, text, _: _called(given, text, id=text),
    "image": lambda given, text, _: PollinationsImage(**given).generate(text),
    "image model": lambda given, text, _: PollinationsImage(**given).generate("a whale", model=text),
    "legacy image": lambda given, text, _: PollinationsImage(**given, api="legacy", legacy_interval=0).generate(text),
    "edit": lambda given, text, _: PollinationsImage(**given).edit(text, PNG),
    "reference": lambda given, text, _: PollinationsImage(**given).edit("a whale", text),
    "video": lambda given, text, _: PollinationsVideo(**given).generate(text),
    "video reference": lambda given, text, _: PollinationsVideo(**given).generate("a whale", image=text),
    "3D": lambda given, text, _: Pollinations3D(**given, model="rodin").generate(text),
    "speech": lambda given, text, _: PollinationsSpeech(**given).generate(text),
    "voice": lambda given, text, _: PollinationsSpeech(**given, voice=text).generate("Hi"),
    "music": lambda given, text, _: PollinationsMusic(**given).generate(text),
    "embeddings": lambda given, text, _: PollinationsEmbeddings(**given).embed_documents([text]),
    "upload name": lambda given, text, _: upload(PNG, name=text, **given),
    "upload id": lambda given, text, _: upload(PNG, id=text, tags=[text], **given),
    "upload of a file": lambda given, text, _: upload(text, **given),
    "recording": lambda given, text, _: PollinationsTranscriber(**given).transcribe(text),
    "recording's name": lambda given, text, _: PollinationsTranscriber(**given).transcribe(
        Media(WAV, "audio/wav", url=f"https://x/{text}")
    ),
    "hint": lambda given, text, _: PollinationsTranscriber(**given, prompt=text).transcribe(WAV),
    "language": lambda given, text, _: PollinationsTranscriber(**given, language=text).transcribe(WAV),
    "path": lambda given, text, folder: PollinationsImage(**given).generate("a whale", path=folder / f"x{text}"),
    "video's path": lambda given, text, folder: PollinationsVideo(**given).generate(
        "a whale", path=folder / f"x{text}"
    ),
    "header": lambda given, text, _: ChatPollinations(**given).invoke("Hi", extra_headers={"x-name": text}),
    "header's name": lambda given, text, _: ChatPollinations(**given, default_headers={text: "x"}).invoke("Hi"),
    "key": lambda given, text, _: ChatPollinations(**{**given, "api_key": text}).invoke("Hi"),
    "base_url": lambda given, text, _: ChatPollinations(**given, base_url=text).invoke("Hi"),
    "artifact": lambda given, text, _: Media.from_artifact(
        {"type": "pollinations_media", "mime_type": text, "url": text}
    ),
}
# Errors of the operating system and of arguments, where a method documents them.
ALSO: Mapping[str, tuple[type[Exception], ...]] = {
    **dict.fromkeys(
        ("path", "video's path", "reference", "video reference", "upload of a file", "recording"), (OSError,)
    ),
    "artifact": (ValueError,),
}
UNCHANGED = ("prompt", "system", "embeddings", "edit", "image", "video")


@pytest.mark.parametrize("method", METHODS)
def test_any_text_is_a_result_or_a_typed_error(method: str, tmp_path: Path) -> None:
    @settings(max_examples=examples(12), deadline=None, suppress_health_check=list(HealthCheck))
    @given(texts)
    def check(text: str) -> None:
        service = Service()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            try:
                METHODS[method](service.given, text, tmp_path)
            except (PollinationsError, ValidationError, *ALSO.get(method, ())) as error:
                assert KEY not in str(error)
                return
        if method in UNCHANGED and text.strip() and text.isprintable():
            assert text in service.received() or json.dumps(text, ensure_ascii=False) in service.received()

    check()


# --- Blocks -----------------------------------------------------------------------------------------------------------

KINDS = (
    *("text", "image", "image_url", "audio", "video", "video_url", "file", "input_audio", "document", "tool_use"),
    *("tool_result", "thinking", "reasoning", "non_standard", "text-plain", "function_call", "refusal", "citation"),
)
NAMES = (
    *("text", "url", "base64", "data", "mime_type", "image_url", "source", "source_type", "content", "id", "input"),
    *("name", "format", "input_audio", "file", "file_data", "thinking", "signature", "value", "extras", "detail"),
    *("media_type", "tool_use_id", "annotations", "cache_control", "type"),
)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(max_size=8) | st.sampled_from(KINDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=15,
)
blocks = texts | st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(NAMES), values, max_size=6),
)
MESSAGES: Mapping[str, Callable[[list[Any]], list[Any]]] = {
    "human": lambda content: [HumanMessage(content)],
    "system": lambda content: [SystemMessage(content), HumanMessage("Hi")],
    "ai": lambda content: [HumanMessage("Hi"), AIMessage(content), HumanMessage("And?")],
    "ai, v1": lambda content: [
        HumanMessage("Hi"), AIMessage(content, response_metadata={"output_version": "v1"}), HumanMessage("And?"),
    ],
    "tool": lambda content: [
        HumanMessage("Hi"), AIMessage("", tool_calls=[CALL]), ToolMessage(content, tool_call_id="c1"),
    ],
}  # fmt: skip


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("message", MESSAGES)
def test_any_blocks_are_sent_or_refused_by_a_typed_error(message: str) -> None:
    @settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(blocks, max_size=3))
    def check(content: list[Any]) -> None:
        service = Service()
        chat = ChatPollinations(**service.given)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            try:
                # Not `invoke`, because LangChain itself refuses some blocks with a `TypeError` or `ValueError`.
                assert chat._generate(MESSAGES[message](content))
                assert service.requests
            except PollinationsError as error:
                assert KEY not in str(error)

    check()


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "type",
                "id",
                "sha256",
                "path",
                "url",
                "mime_type",
                "base64",
                "metadata",
                "size",
                "cost",
                "seed",
                "prompt",
                "model",
            ]
        ),
        values,
    )
)
@settings(max_examples=examples(30), deadline=None)
def test_any_artifact_is_media_or_a_value_error(artifact: Json) -> None:
    try:
        media = Media.from_artifact({"type": "pollinations_media", "mime_type": "image/png", **artifact})
    except ValueError as error:
        assert str(error)
        return
    assert repr(media)
