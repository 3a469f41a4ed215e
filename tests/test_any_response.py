"""Whatever a service answers, each wrapper gives a result or a `PollinationsError`, and no error shows the key.

Bodies, headers and statuses are drawn at random, with the field names of the service so that the parsers get far.
`make fuzz` draws many more.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from functools import reduce
from importlib.util import find_spec
from itertools import islice
from operator import add
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage

from langchain_pollinations._media.wav import pcm16_to_wav
from langchain_pollinations.account import PollinationsAccount
from langchain_pollinations.audio import PollinationsSpeech
from langchain_pollinations.catalog import list_models
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.embeddings import PollinationsEmbeddings
from langchain_pollinations.errors import PollinationsError
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.mcp import list_mcp_servers
from langchain_pollinations.media import Media
from langchain_pollinations.models3d import Pollinations3D
from langchain_pollinations.transcription import PollinationsTranscriber
from langchain_pollinations.uploads import download, upload
from langchain_pollinations.video import PollinationsVideo
from langchain_pollinations.voice import PollinationsVoice
from tests.helpers.fuzz import examples

KEY = "sk_a_secret_key"
STORED: Any = {
    "type": "pollinations_media",
    "mime_type": "image/png",
    "sha256": "0" * 64,
    "url": "https://media.pollinations.ai/abc",
}
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 50

# --- Responses --------------------------------------------------------------------------------------------------------

MESSAGE = (
    *("content", "tool_calls", "content_blocks", "reasoning", "reasoning_content", "reasoning_details", "refusal"),
    *("audio", "images", "annotations", "function_call", "role"),
)
CHOICE = ("finish_reason", "index", "logprobs", "groundingMetadata", "error")
FACTS = ("usage", "error", "citations", "search_results", "model", "id", "created", "status")
ENTRY = (
    *("aliases", "category", "pricing", "supported_parameters", "voices", "input_modalities", "capabilities", "health"),
    *("context_length", "per_user_rpm", "pending_change", "title", "publisher"),
)
MEDIUM = ("url", "b64_json", "revised_prompt", "media_type", "embedding", "index")
RESULT = ("text", "words", "segments", "duration", "language", "audio_base64", "alignment", "error", "model", "usage")
RECORD = (
    *(
        "timestamp",
        "type",
        "model",
        "cost_usd",
        "cost",
        "api_key",
        "meter_source",
        "input_text_tokens",
        "date",
        "requests",
    ),
    *(
        "balance",
        "tierBalance",
        "packBalance",
        "valid",
        "permissions",
        "expiresAt",
        "expiresIn",
        "pollenBudget",
        "name",
    ),
    *("githubUsername", "tier", "nextResetAt", "description", "url", "id", "rateLimitEnabled", "keyType"),
)
DECISION = ("noul", "choice", "probabilities", "confidence", "score", "legend")
INNER = (
    *("function", "name", "arguments", "id", "index", "type", "text", "thinking", "signature", "data", "transcript"),
    *("image_url", "url", "url_citation", "groundingChunks", "groundingSupports", "segment", "startIndex", "endIndex"),
    *("groundingChunkIndices", "web", "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details"),
    *("cached_tokens", "code", "details", "message", "upstreamStatus", "upstreamBody", "fieldErrors", "fixUrl", "word"),
    *("start", "end", "speaker", "characters", "character_start_times_seconds", "partial_json", "input", "citation"),
)
WORDS = (
    "stop",
    "error",
    "text",
    "function",
    "thinking",
    "image_url",
    "url_citation",
    "tool_use",
    "data:,x",
    "{",
    "\ud83d",
)

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(WORDS), st.just(10**400)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(INNER), inner, max_size=6),
    max_leaves=25,
)


def having(names: tuple[str, ...], **required: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=dict.fromkeys(names, values))


choices = st.lists(having(CHOICE, message=having(MESSAGE)) | having(CHOICE, delta=having(MESSAGE)), max_size=2)
documents = st.one_of(
    having(FACTS, choices=choices),
    st.lists(having(ENTRY, name=values), max_size=3),
    having(RECORD),
    having(FACTS, data=st.lists(having(RECORD), max_size=3)),
    having(("count",), usage=st.lists(having(RECORD), max_size=3)),
    having(RESULT, data=st.lists(having(MEDIUM), max_size=2)),
    having(FACTS, answers=st.fixed_dictionaries({"urgent": having(DECISION, type=st.just("noul"))})),
    values,
).map(lambda document: json.dumps(document).encode())
ODD_BODIES = (
    b"[" * 900 + b"]" * 900,
    b'{"a":' * 950 + b"1" + b"}" * 950,
    b"1" * 5000,
    b'{"usage":{"prompt_tokens":' + b"9" * 400 + b'},"choices":[{"message":{"content":"x"}}]}',
    b'{"choices":[{"message":{"tool_calls":[{"function":{"name":"f","arguments":"' + b"[" * 990 + b'"}}]}}]}',
    b"RIFF" + b"\0" * 40,
    b"\xff\xd8\xff",
)
bodies = st.one_of(
    documents,
    st.lists(documents.map(lambda document: b"data: " + document + b"\n\n"), max_size=5).map(b"".join),
    st.binary(max_size=60),
    st.sampled_from(ODD_BODIES),
)
TYPES = (
    *("application/json", "text/plain", "text/event-stream", "text/event-stream; charset=hex", "image/png", ""),
    *("audio/mpeg", "audio/wav", "text/html", "video/mp4", "application/json; charset=utf-7"),
)
HEADERS = (
    *("x-model-used", "x-request-id", "x-usage-total-tokens", "x-usage-prompt-text-tokens", "link", "retry-after"),
    *("location", "x-cache-type", "cache-control", "x-error-status", "x-error-message", "content-encoding"),
)
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20) | st.sampled_from(
    [
        '<https://x/y>; rel="enclosure"',
        "1e999",
        "-5",
        "private, no-store",
        "9" * 400,
        "http://[",
        "gzip",
        "1 Jan 9999999",
    ]
)
STATUSES = (*[200] * 5, 302, 400, 402, 403, 404, 429, 500, 502, 503, 524, 530)


class Answer(NamedTuple):
    body: bytes
    content_type: str
    headers: dict[str, str]
    status: int


answers = st.builds(
    Answer,
    bodies,
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(HEADERS), header_values, max_size=4),
    st.sampled_from(STATUSES),
)

# --- Wrappers ---------------------------------------------------------------------------------------------------------


def looked_at(message: AIMessage) -> AIMessage:
    assert (message.content_blocks, message.text, repr(message)) is not None
    return message


def replayed(chat: ChatPollinations) -> Any:
    return chat.invoke([chat.invoke("Hi"), HumanMessage("And?")])


WRAPPERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "invoke": lambda given: looked_at(ChatPollinations(**given).invoke("Hi")),
    "v1": lambda given: looked_at(ChatPollinations(**given, output_version="v1").invoke("Hi")),
    "stream": lambda given: looked_at(reduce(add, ChatPollinations(**given).stream("Hi"))),
    "replay": lambda given: replayed(ChatPollinations(**given)),
    "GET /text": lambda given: ChatPollinations(**given, route="get").invoke("Hi"),
    "POST /text": lambda given: list(ChatPollinations(**given, route="post").stream("Hi")),
    "legacy text": lambda given: ChatPollinations(**given, api="legacy", legacy_interval=0).invoke("Hi"),
    "legacy image": lambda given: PollinationsImage(**given, api="legacy", legacy_interval=0).generate("a whale"),
    "image": lambda given: PollinationsImage(**given).generate("a whale"),
    "edit": lambda given: PollinationsImage(**given).edit("a whale", "https://example.com/whale.png"),
    "video": lambda given: PollinationsVideo(**given).generate("a whale"),
    "3D": lambda given: Pollinations3D(**given, model="rodin").generate("a whale"),
    "speech": lambda given: PollinationsSpeech(**given).generate("A whale."),
    "timestamps": lambda given: PollinationsSpeech(**given, model="eleven", timestamps=True).generate("A whale."),
    "transcript": lambda given: PollinationsTranscriber(**given).transcribe(pcm16_to_wav(b"\0" * 800)),
    "embeddings": lambda given: PollinationsEmbeddings(**given).embed_query("a whale"),
    "models": lambda given: list_models("text", **given),
    "upload": lambda given: upload(PNG, **given),
    "key": lambda given: PollinationsAccount(**given).key(),
    "balance": lambda given: PollinationsAccount(**given).balance(),
    "profile": lambda given: PollinationsAccount(**given).profile(),
    "usage": lambda given: list(islice(PollinationsAccount(**given).usage(), 3)),
    "daily usage": lambda given: PollinationsAccount(**given).daily_usage(),
    "check of a model": lambda given: PollinationsAccount(**given).check("openai"),
    "MCP servers": lambda given: list_mcp_servers(**given),
    "download": lambda given: download(Media.from_artifact(STORED), **given),
    "several embeddings": lambda given: PollinationsEmbeddings(**given).embed_documents(["a whale", "a bee"]),
    "voice": lambda given: PollinationsVoice(**given).change(pcm16_to_wav(b"\0" * 800)),
}
if find_spec("langchain_core.decisions"):
    from langchain_pollinations.decisions import PollinationsDecisions

    ASKED: Any = {"state": "Help!", "questions": {"urgent": {"type": "noul", "instructions": "Is it urgent?"}}}
    WRAPPERS["decisions"] = lambda given: PollinationsDecisions(**given).invoke(ASKED)


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_any_response_is_a_result_or_an_error_of_this_package(wrapper: str) -> None:
    current: list[Answer] = []

    def respond(request: httpx.Request) -> httpx.Response:
        body, content_type, headers, status = current[-1]
        typed = [("content-type", content_type)] if content_type else []
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in [*typed, *headers.items()]]
        return httpx.Response(status, headers=pairs, stream=httpx.ByteStream(body))

    @settings(max_examples=examples(8), deadline=None, suppress_health_check=list(HealthCheck))
    @given(answers)
    def check(answer: Answer) -> None:
        current.append(answer)
        with httpx.Client(transport=httpx.MockTransport(respond)) as client, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            try:
                WRAPPERS[wrapper]({"api_key": KEY, "http_client": client, "max_retries": 0})
            except PollinationsError as error:
                assert KEY not in f"{error} {error.body}"
            except TypeError as error:
                assert "reduce" in str(error)  # a stream without a chunk

    check()
