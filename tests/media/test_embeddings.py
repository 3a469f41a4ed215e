"""`PollinationsEmbeddings`: what is asked of the service, what passes for vectors, and what is refused at home."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import pickle
import struct
import threading
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from langchain_core.vectorstores import InMemoryVectorStore
from PIL import Image

from langchain_pollinations.embeddings import PollinationsEmbeddings
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import (
    InsufficientBalanceError,
    InvalidRequestError,
    InvalidResponseError,
    PollinationsError,
    RateLimitError,
    UnknownModelError,
    UnsupportedRequestError,
)
from langchain_pollinations.media import Media

GEMINI, COHERE, SMALL = "google/gemini-embedding-2", "cohere/embed-v4.0", "openai/text-embedding-3-small"
AT_ONCE = {"retry-after": "0"}

Embed = Callable[..., Any]


async def _await(embeddings: PollinationsEmbeddings, method: str, *args: Any) -> Any:
    async with embeddings.http_async_client or contextlib.nullcontext():
        return await getattr(embeddings, f"a{method}")(*args)


WAYS: dict[str, Embed] = {
    "sync": lambda embeddings, method, *args: getattr(embeddings, method)(*args),
    "async": lambda embeddings, method, *args: asyncio.run(_await(embeddings, method, *args)),
}


@pytest.fixture(params=WAYS)
def call(request: pytest.FixtureRequest) -> Embed:
    """`call(embeddings, "embed_query", text)`: a method, or its async counterpart."""
    return WAYS[request.param]


@pytest.fixture
def make(emulator: Emulator) -> Callable[..., PollinationsEmbeddings]:
    return lambda **options: PollinationsEmbeddings(**{**emulator.connection(), "max_retries": 0, **options})


Make = Callable[..., PollinationsEmbeddings]


def bodies(emulator: Emulator) -> list[dict[str, Any]]:
    return [request.json for request in emulator.requests]


def numbers(*vectors: Any, places: list[Any] | None = None, model: str = SMALL) -> dict[str, Any]:
    """An answer with these vectors, by default in their order."""
    places = list(range(len(vectors))) if places is None else places
    data = [{"object": "embedding", "index": at, "embedding": v} for at, v in zip(places, vectors, strict=True)]
    return {"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": 1, "total_tokens": 1}}


def packed(*values: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def picture(kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 24), "seagreen").save(file, kind)
    return file.getvalue()


def sound() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, 8000, 0, "NONE", ""))
        wav.writeframes(bytes(3200))
    return file.getvalue()


FILM = b"\x00\x00\x00\x18ftypmp42" + bytes(100)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# --- Requests ---------------------------------------------------------------------------------------------------------


def test_a_request_holds_what_was_set_and_the_model(make: Make, emulator: Emulator, call: Embed) -> None:
    vectors = call(make(), "embed_documents", ["a whale", "a lamp"])
    assert bodies(emulator) == [{"model": SMALL, "input": ["a whale", "a lamp"], "encoding_format": "base64"}]
    assert emulator.requests[-1].path == "/v1/embeddings"
    assert [len(vector) for vector in vectors] == [1536, 1536]
    assert {type(number) for vector in vectors for number in vector} == {float}


OPTIONS: list[dict[str, Any]] = [
    {"dimensions": 256},
    {"model": GEMINI, "task_type": "CLUSTERING", "dimensions": 3072},
    {"model": COHERE, "input_type": "document", "dimensions": 512},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_go_out_as_they_were_given(
    make: Make, emulator: Emulator, contract: Path, call: Embed, options: dict[str, Any]
) -> None:
    (vector,) = call(make(**options), "embed_documents", ["a whale"])
    assert len(vector) == options["dimensions"]
    expected = {"model": SMALL, "input": ["a whale"], "encoding_format": "base64", **options}
    assert bodies(emulator) == [expected]
    schema = json.loads((contract / "embeddings.request.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(expected)


@pytest.mark.parametrize(("size", "count", "batches"), [(32, 70, [6, 32, 32]), (5, 11, [1, 5, 5]), (32, 32, [32])])
def test_texts_travel_in_batches_and_come_back_in_their_order(
    make: Make, emulator: Emulator, call: Embed, size: int, count: int, batches: list[int]
) -> None:
    texts = [f"number {number}" for number in range(count)]
    vectors = call(make(chunk_size=size), "embed_documents", texts)
    assert sorted(len(body["input"]) for body in bodies(emulator)) == batches
    assert vectors == [make().embed_query(text) for text in texts]


def test_no_texts_are_no_call(make: Make, emulator: Emulator, call: Embed) -> None:
    assert call(make(), "embed_documents", []) == []
    assert call(make(), "embed_all", []) == []
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("option", "document", "query"),
    [
        ("task_type", "RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY"),
        ("task_type", "RETRIEVAL_QUERY", "RETRIEVAL_QUERY"),
        ("task_type", "CODE_RETRIEVAL_QUERY", "CODE_RETRIEVAL_QUERY"),
        ("task_type", "QUESTION_ANSWERING", "QUESTION_ANSWERING"),
        ("input_type", "document", "query"),
        ("input_type", "query", "query"),
    ],
)
def test_a_query_is_asked_for_as_a_query(
    make: Make, emulator: Emulator, call: Embed, option: str, document: str, query: str
) -> None:
    embeddings = make(model=GEMINI if option == "task_type" else COHERE, **{option: document})
    call(embeddings, "embed_documents", ["a whale"])
    call(embeddings, "embed_query", "a whale")
    call(embeddings, "embed", "a whale")
    assert [body[option] for body in bodies(emulator)] == [document, query, document]


@pytest.mark.parametrize("at_once", [1, 3])
def test_so_many_requests_travel_at_a_time(make: Make, emulator: Emulator, call: Embed, at_once: int) -> None:
    lock, flying, most = threading.Lock(), 0, 0

    def go(*_: Any) -> None:
        nonlocal flying, most
        with lock:
            flying += 1
            most = max(most, flying)

    def come(*_: Any) -> None:
        nonlocal flying
        with lock:
            flying -= 1

    async def ago(*_: Any) -> None:
        go()

    async def acome(*_: Any) -> None:
        come()

    emulator.latency = 0.2
    clients = {
        "http_client": httpx.Client(event_hooks={"request": [go], "response": [come]}),
        "http_async_client": httpx.AsyncClient(event_hooks={"request": [ago], "response": [acome]}),
    }
    with clients["http_client"]:
        texts = [f"number {number}" for number in range(7)]
        call(make(batch_size=1, max_concurrency=at_once, **clients), "embed_documents", texts)
    assert len(emulator.requests) == 7
    assert most <= at_once
    assert (most > 1) == (at_once > 1)


# --- Answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vectors", [([0.5, 1], [2, -0.25]), (packed(0.5, 1), packed(2, -0.25))], ids=["list", "b64"])
def test_vectors_are_put_in_order_by_their_index(make: Make, emulator: Emulator, call: Embed, vectors: Any) -> None:
    emulator.reply(body=numbers(*reversed(vectors), places=[1, 0]), on="/v1/embeddings")
    found = call(make(), "embed_documents", ["one", "two"])
    assert found == [[0.5, 1.0], [2.0, -0.25]]
    assert {type(number) for vector in found for number in vector} == {float}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "no list of vectors"),
        ({"data": None}, "no list of vectors"),
        ({"data": [[0.1], [0.2]]}, "no list of vectors"),
        ([], "no list of vectors"),
        (numbers([0.1]), "has 1 vectors with the indices \\[0\\] for 2 inputs"),
        (numbers(), "has 0 vectors"),
        (numbers([0.1], [0.2], [0.3]), "has 3 vectors"),
        (numbers([0.1], [0.2], places=[0, 0]), "indices \\[0, 0\\]"),
        (numbers([0.1], [0.2], places=[1, 2]), "indices \\[1, 2\\]"),
        (numbers([0.1], [0.2], places=[False, True]), "indices \\[False, True\\]"),
        (numbers([0.1], [0.2], places=["0", None]), "has 2 vectors with the indices"),
        (numbers([0.1], [0.2, 0.3]), "lengths \\[1, 2\\], not of one length"),
        (numbers([0.1], []), "no list of finite numbers at index 1"),
        (numbers([0.1], ""), "no list of finite numbers at index 1"),
        (numbers([0.1], None), "no list of finite numbers at index 1"),
        (numbers([0.1], {"0": 0.1}), "no list of finite numbers at index 1"),
        (numbers([0.1], [True]), "no list of finite numbers at index 1"),
        (numbers([0.1], ["0.1"]), "no list of finite numbers at index 1"),
        (numbers([0.1], [[0.1]]), "no list of finite numbers at index 1"),
        (numbers([0.1], [10**400]), "no list of finite numbers at index 1"),
        (numbers(packed(0.1), packed(float("nan"))), "no list of finite numbers at index 1"),
        (numbers(packed(float("inf")), packed(0.1)), "no list of finite numbers at index 0"),
        (numbers(packed(0.1), "AAAA"), "no list of finite numbers at index 1"),
        (numbers(packed(0.1), "no base64!"), "no list of finite numbers at index 1"),
        (b'{"data": [{"index": 0, "embedding": [NaN]}, {"index": 1, "embedding": [0.1]}]}', "finite numbers"),
        (b"<!DOCTYPE html><html><body>Moved</body></html>", "no list of vectors"),
        (b"", "no list of vectors but empty"),
    ],
)
def test_an_answer_that_is_not_one_vector_for_each_text_is_an_error(
    make: Make, emulator: Emulator, call: Embed, body: Any, says: str
) -> None:
    emulator.reply(body=body, on="/v1/embeddings")
    with pytest.raises(InvalidResponseError, match=says):
        call(make(), "embed_documents", ["one", "two"])


def test_another_length_than_was_asked_for_is_an_error(make: Make, emulator: Emulator, call: Embed) -> None:
    emulator.reply(body=numbers([0.1] * 255), on="/v1/embeddings")
    with pytest.raises(InvalidResponseError, match="lengths \\[255\\], not of length 256"):
        call(make(dimensions=256), "embed_query", "one")


def test_batches_of_different_lengths_are_an_error(make: Make, emulator: Emulator, call: Embed) -> None:
    emulator.reply(body=numbers([0.1]), on="/v1/embeddings")
    emulator.reply(body=numbers([0.1, 0.2]), on="/v1/embeddings")
    with pytest.raises(InvalidResponseError, match="different lengths: \\[1, 2\\]"):
        call(make(batch_size=1), "embed_documents", ["one", "two"])


def test_vectors_of_another_model_are_told_of(make: Make, emulator: Emulator, call: Embed) -> None:
    emulator.reply(body=numbers([0.1], model=COHERE), on="/v1/embeddings")
    with pytest.warns(UserWarning, match=f"came from {COHERE}, though '{SMALL}' was requested"):
        assert call(make(), "embed_query", "one") == [0.1]


@pytest.mark.parametrize("model", ["openai-3-small", f"{SMALL}:azure:sweden", "text-embedding-3-small", ""])
def test_other_names_of_the_model_are_no_other_model(make: Make, emulator: Emulator, model: str) -> None:
    emulator.reply(body=numbers([0.1], model=model), on="/v1/embeddings")
    assert make().embed_query("one") == [0.1]


# --- Faults -----------------------------------------------------------------------------------------------------------


def test_a_passing_fault_of_one_batch_is_repeated(make: Make, emulator: Emulator, call: Embed) -> None:
    emulator.fail(429, headers=AT_ONCE)
    vectors = call(make(batch_size=1, max_retries=2), "embed_documents", ["one", "two", "three"])
    assert len(vectors) == 3
    assert len(emulator.requests) == 4


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"case": 402, "code": "INSUFFICIENT_BALANCE"}, InsufficientBalanceError),
        ({"case": 429}, RateLimitError),
        ({"case": "cut", "after": 20}, PollinationsError),
        ({"case": 400, "message": "dimensions"}, InvalidRequestError),
    ],
    ids=str,
)
def test_a_fault_of_one_batch_is_the_error_of_all(
    make: Make, emulator: Emulator, call: Embed, fault: dict[str, Any], error: type[PollinationsError]
) -> None:
    emulator.fail(**fault, times=3)
    with pytest.raises(error):
        call(make(batch_size=1), "embed_documents", ["one", "two", "three"])


def test_an_unknown_model_names_those_that_were_perhaps_meant(make: Make, call: Embed) -> None:
    with pytest.raises(UnknownModelError, match=f"Did you mean '{SMALL}'"):
        call(make(model="text-embedding-3-small"), "embed_query", "one")


# --- What is refused before it is sent --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ("a whale", "texts must be a list, not str"),
        (None, "texts must be a list, not NoneType"),
        ({"a": 1}, "texts must be a list, not dict"),
        (["a", ""], "texts\\[1\\] is empty"),
        ([" \n\t", "a"], "texts\\[0\\] is empty"),
        (["a", None], "texts\\[1\\] must be a string, not NoneType"),
        ([["a"]], "texts\\[0\\] must be a string, not list"),
        ([1], "texts\\[0\\] must be a string, not int"),
        (["a"] * 40 + ["half \ud800"], "texts\\[40\\] holds half a character \\(a lone surrogate\\) at 5"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(
    make: Make, emulator: Emulator, call: Embed, texts: Any, says: str
) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        call(make(), "embed_documents", texts)
    assert emulator.requests == []


@pytest.mark.parametrize("text", ["", "  ", None, ["a"], "\udfff"])
def test_what_is_no_text_is_refused(make: Make, emulator: Emulator, call: Embed, text: Any) -> None:
    with pytest.raises(InvalidRequestError, match="^text (is empty|must be a string|holds half)"):
        call(make(), "embed_query", text)
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dimensions": 1537}, f"'openai/text-embedding-3-small' supports up to 1536 dimensions, not 1537; .*{GEMINI}"),
        ({"model": "openai-3-large", "dimensions": 3073}, "up to 3072 .*; models that can: qwen/qwen3-embedding-8b$"),
        ({"model": "qwen/qwen3-embedding-8b", "dimensions": 4097}, "up to 4096 dimensions, not 4097$"),
        ({"task_type": "CLUSTERING"}, f"does not accept task_type='CLUSTERING'; models that can: {GEMINI}$"),
        ({"model": GEMINI, "input_type": "query"}, f"does not accept input_type='query'; models that can: {COHERE}$"),
        (
            {"model": "openai"},
            f"'openai' is not an embeddings model .category: text.; models that can: {COHERE}, .*{SMALL}",
        ),
        ({"model": "flux"}, "'flux' is not an embeddings model .category: image."),
    ],
    ids=str,
)
def test_what_a_model_cannot_do_is_said_before_the_call(
    make: Make, emulator: Emulator, call: Embed, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(UnsupportedRequestError, match=says):
        call(make(**options), "embed_documents", ["a whale"])
    assert emulator.requests == []


def test_a_size_that_a_model_does_not_offer_is_refused_before_the_call(
    make: Make, emulator: Emulator, call: Embed
) -> None:
    with pytest.raises(InvalidRequestError, match="supports 256, 512, 1024 or 1536"):
        call(make(model=COHERE, dimensions=300), "embed_documents", ["a whale"])
    assert emulator.requests == []


def test_what_is_not_known_of_a_model_is_for_the_service_to_judge(make: Make, emulator: Emulator) -> None:
    options = {"model": "lab/newer", "dimensions": 8000, "task_type": "CLUSTERING", "input_type": "query"}
    emulator.reply(body=numbers([0.1] * 8000, model="lab/newer"), on="/v1/embeddings")
    assert len(make(**options).embed_query("a whale")) == 8000
    assert options.items() <= bodies(emulator)[0].items()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dimensions": 127}, "dimensions"),
        ({"batch_size": 33}, "batch_size"),
        ({"chunk_size": 0}, "batch_size"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"task_type": "RETRIEVAL"}, "task_type"),
        ({"input_type": "image"}, "input_type"),
        ({"model": ""}, "model"),
        ({"dimension": 256}, "'dimension', did you mean 'dimensions'"),
        ({"chunk_size": 3, "batch_size": 4}, "two names of one field"),
    ],
)
def test_bad_arguments_of_the_constructor_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        PollinationsEmbeddings(api_key="sk_x", **options)


# --- More than text ---------------------------------------------------------------------------------------------------

TEXT = {"type": "text", "text": "a whale"}
PNG_URI, WAV_URI = f"data:image/png;base64,{b64(picture())}", f"data:audio/wav;base64,{b64(sound())}"
MP4_URI = f"data:video/mp4;base64,{b64(FILM)}"
SEEN = {"type": "image_url", "image_url": {"url": PNG_URI}}
HEARD = {"type": "input_audio", "input_audio": {"data": b64(sound()), "format": "wav"}}
FILMED = {"type": "video_url", "video_url": {"url": MP4_URI}}

INPUTS: dict[str, tuple[Any, Any]] = {
    "text": ("a whale", ["a whale"]),
    "text block": (TEXT, [TEXT]),
    "texts": (["a whale", "at dusk"], [TEXT, {"type": "text", "text": "at dusk"}]),
    "Media": (Media(data=picture(), mime_type="image/png"), [SEEN]),
    "picture": ({"type": "image", "base64": picture()}, [SEEN]),
    "picture of a type": ({"type": "image", "base64": b64(picture()), "mime_type": "image/png"}, [SEEN]),
    "picture by data URI": ({"type": "image", "url": PNG_URI}, [SEEN]),
    "picture by address": (
        {"type": "image", "url": "https://example.com/a.png"},
        [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}],
    ),
    "sound": ({"type": "audio", "base64": b64(sound())}, [HEARD]),
    "sound by data URI": ({"type": "audio", "url": WAV_URI}, [HEARD]),
    "sound as Media": (Media(data=sound(), mime_type="audio/wav"), [HEARD]),
    "film": ({"type": "video", "base64": b64(FILM)}, [FILMED]),
    "film by address": (
        {"type": "video", "url": "https://example.com/a.mp4", "mime_type": "video/mp4"},
        [{"type": "video_url", "video_url": {"url": "https://example.com/a.mp4", "mime_type": "video/mp4"}}],
    ),
    "all together": (("a whale", {"type": "image", "url": PNG_URI}, HEARD, FILMED), [TEXT, SEEN, HEARD, FILMED]),
}


@pytest.mark.parametrize("given", INPUTS)
def test_an_input_gets_one_vector(make: Make, emulator: Emulator, contract: Path, call: Embed, given: str) -> None:
    value, wire = INPUTS[given]
    vector = call(make(model=GEMINI, dimensions=256), "embed", value)
    assert len(vector) == 256
    assert [body["input"] for body in bodies(emulator)] == [wire]
    schema = json.loads((contract / "embeddings.request.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(bodies(emulator)[0])


def test_inputs_of_all_kinds_come_back_in_their_order(make: Make, emulator: Emulator, call: Embed) -> None:
    inputs = ["one", {"type": "image", "url": PNG_URI}, "two", ["three", {"type": "image", "url": PNG_URI}], "four"]
    embeddings = make(model=COHERE, dimensions=256)
    vectors = call(embeddings, "embed_all", inputs)
    assert sorted(len(body["input"]) for body in bodies(emulator)) == [1, 2, 3]
    assert ["one", "two", "four"] in [body["input"] for body in bodies(emulator)]
    assert vectors == [embeddings.embed(each) for each in inputs]
    assert len({tuple(vector) for vector in vectors}) == 5


@pytest.mark.parametrize(
    ("given", "model", "says"),
    [
        (SEEN, SMALL, f"embeds text only, not image; models that can: {COHERE}, {GEMINI}$"),
        (FILMED, COHERE, f"embeds text and image only, not video; models that can: {GEMINI}$"),
        (["a whale", HEARD], COHERE, f"not audio; models that can: {GEMINI}$"),
    ],
)
def test_media_that_a_model_cannot_see_or_hear_are_not_sent_to_it(
    make: Make, emulator: Emulator, call: Embed, given: Any, model: str, says: str
) -> None:
    with pytest.raises(UnsupportedRequestError, match=says):
        call(make(model=model), "embed", given)
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("given", "options", "says"),
    [
        ([SEEN, SEEN], {"model": COHERE}, "accepts at most 1 image in one input, not 2"),
        (SEEN, {"task_type": "CLUSTERING"}, "applies to text only"),
        ([], {}, "input is an empty list"),
        ("  ", {}, "input is empty"),
        (["a", ""], {}, "input\\[1\\] is empty"),
        ([{"type": "text", "text": "\ud800"}], {}, "input\\[0\\] holds half a character"),
        (b"bytes", {}, "input: a content block must be a string or a dict"),
        (None, {}, "input: a content block must be a string or a dict"),
        ([["a"]], {}, "input\\[0\\]: a content block must be"),
        ({"type": "pictures"}, {}, "input: content block of unknown type 'pictures'"),
        ({"type": "image", "url": "/home/me/a.png"}, {}, "cannot read a local file"),
        ({"type": "image", "url": "gs://bucket/a.png"}, {}, "gs:// URL cannot be embedded"),
        ({"type": "audio", "url": "https://example.com/a.mp3"}, {}, "audio by URL cannot be embedded"),
        ({"type": "audio", "base64": "AAAAAAAA"}, {}, "type of an audio block cannot be detected"),
        ({"type": "video", "base64": b64(FILM), "mime_type": "video/webm"}, {}, "video of type 'video/webm'"),
        ({"type": "file", "base64": b64(b"%PDF-1.7")}, {}, "'file' cannot be embedded; text, image, audio or video"),
        ({"type": "non_standard", "value": {"type": "text"}}, {}, "input must be a string, not NoneType"),
    ],
)
def test_what_has_no_vector_is_refused_before_it_is_sent(
    make: Make, emulator: Emulator, call: Embed, given: Any, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        call(make(**{"model": GEMINI, **options}), "embed", given)
    assert emulator.requests == []


def test_a_wrong_one_among_many_inputs_is_named(make: Make, emulator: Emulator, call: Embed) -> None:
    with pytest.raises(InvalidRequestError, match="inputs\\[2\\]\\[1\\] is empty"):
        call(make(model=GEMINI), "embed_all", ["a", SEEN, ["b", ""]])
    with pytest.raises(InvalidRequestError, match="inputs must be a list, not str"):
        call(make(model=GEMINI), "embed_all", "a")
    assert emulator.requests == []


# --- At home in LangChain ---------------------------------------------------------------------------------------------

FACTS = ["Whales sleep upright near the surface.", "A keeper lights the lamp at dusk.", "Bread needs flour and salt."]


@pytest.mark.parametrize(
    "options", [{}, {"model": GEMINI, "task_type": "RETRIEVAL_DOCUMENT"}, {"model": COHERE, "input_type": "document"}]
)
def test_a_vector_store_finds_the_right_text(make: Make, call: Embed, options: dict[str, Any]) -> None:
    store = InMemoryVectorStore(make(**options))
    store.add_texts(FACTS)
    assert store.similarity_search("How does a whale sleep?", k=1)[0].page_content == FACTS[0]

    async def search() -> str:
        other = InMemoryVectorStore(make(**options))
        await other.aadd_texts(FACTS)
        return (await other.asimilarity_search("Which flour is in the bread?", k=1))[0].page_content

    assert asyncio.run(search()) == FACTS[2]


def test_one_object_works_in_threads_and_in_one_loop_after_another(make: Make) -> None:
    embeddings = make(batch_size=1)
    expected = embeddings.embed_documents(FACTS)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(embeddings.embed_documents, [FACTS] * 8)) == [expected] * 8
        looped = threads.map(lambda texts: asyncio.run(embeddings.aembed_documents(texts)), [FACTS] * 4)
        assert list(looped) == [expected] * 4
    for _ in range(2):
        assert asyncio.run(embeddings.aembed_documents(FACTS)) == expected


def test_embeddings_pickle_without_their_key(make: Make, call: Embed, monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings = make(dimensions=256)
    embeddings.embed_query("a whale")
    written = pickle.dumps(embeddings)
    assert b"sk_emulator" not in written
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_emulator")
    assert call(pickle.loads(written), "embed_query", "a whale") == embeddings.embed_query("a whale")
