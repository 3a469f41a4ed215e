"""Answers that are no text, or more than text: pictures, sound, sources, what the provider ran, and what goes back."""

from __future__ import annotations

import base64
import io
import json
import pickle
import struct
import wave
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from langchain_core.load import dumpd, load
from langchain_core.messages import AIMessage, HumanMessage, messages_from_dict, messages_to_dict

from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from tests.helpers.ask import FORMS, TWO_FORMS, Ask, blocks

DONE = "data: [DONE]\n\n"
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
STREAMS = ("stream", "astream", "stream-v1", "astream-v1", "events", "aevents")
V1_STREAMS = ("stream-v1", "astream-v1")
SOME_STREAMS = ("astream-v1", "events")
SOME = ("invoke", *SOME_STREAMS)
"""Forms that differ in how an answer is put together."""
EVERYWHERE = ("plain", "responses", "openrouter", "bedrock", "vertex", "perplexity", "simulated")


def _png(red: int, green: int, blue: int) -> str:
    """The base64 of a picture of one pixel."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(bytes((0, red, green, blue)))
    file = b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", pixel) + part(b"IEND", b"")
    return base64.b64encode(file).decode()


RED, BLUE = _png(255, 0, 0), _png(0, 0, 255)
PAGE = "https://example.com/kite.png"


def data_uri(picture: str) -> str:
    return f"data:image/png;base64,{picture}"


def drawn(picture: str) -> dict[str, Any]:
    return {"type": "image", "base64": picture, "mime_type": "image/png"}


def shown(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def whole(message: Mapping[str, Any], **beside: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop", **beside}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": USAGE}


def streamed(*deltas: Mapping[str, Any]) -> list[Any]:
    chunks: list[Any] = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return [*chunks, end, {"choices": [], "usage": USAGE}, DONE]


def answers(emulator: Emulator, form: str, message: Mapping[str, Any], **beside: Any) -> None:
    """Script a message as it stands on the wire: whole, or as the one delta of a stream, `beside` on its choice."""
    if form in STREAMS:
        last = {"choices": [{"index": 0, "delta": dict(message), "finish_reason": "stop", **beside}]}
        emulator.reply(chunks=[last, {"choices": [], "usage": USAGE}, DONE])
    else:
        emulator.reply(body=whole(message, **beside))


def asked(emulator: Emulator, form: str, **options: Any) -> AIMessage:
    return FORMS[form](ChatPollinations(**emulator.connection(), max_retries=0), "Go", **options)


def in_forms(rows: Iterable[tuple[Any, ...]], forms: Iterable[str] = TWO_FORMS) -> list[Any]:
    """Each row in each form."""
    forms = tuple(forms)
    return [pytest.param(*row, form, id=f"{name}-{form}") for name, *row in rows for form in forms]


# --- Pictures ---------------------------------------------------------------------------------------------------------

# name, dialect, message, blocks of the answer
PICTURES: list[tuple[str, str, dict[str, Any], list[dict[str, Any]]]] = [
    *((f"one, {dialect}", dialect, {"content": "Here.", "images": [data_uri(RED)]}, [text("Here."), drawn(RED)])
      for dialect in EVERYWHERE),
    *((f"two, {dialect}", dialect, {"content": "Here.", "images": [data_uri(RED), data_uri(BLUE)]},
       [text("Here."), drawn(RED), drawn(BLUE)]) for dialect in EVERYWHERE),
    ("by address", "plain", {"content": "Here.", "images": [PAGE]}, [text("Here."), {"type": "image", "url": PAGE}]),
    ("without a word", "bedrock", {"content": "", "images": [data_uri(RED)]}, [drawn(RED)]),
    ("with a thought", "vertex", {"content": "Here.", "reasoning_content": "A kite?", "images": [data_uri(RED)]},
     [{"type": "reasoning", "reasoning": "A kite?"}, text("Here."), drawn(RED)]),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "message", "expected", "form"), in_forms(PICTURES))
def test_pictures_are_image_blocks(
    emulator: Emulator, dialect: str, message: dict[str, Any], expected: list[dict[str, Any]], form: str
) -> None:
    emulator.reply(message=message, dialect=dialect)
    answer = asked(emulator, form)
    assert blocks(answer) == expected
    assert answer.text == message["content"]


# name, message on the wire, blocks of the answer
ODD_PICTURES: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    ("beside the content", {"content": "Here.", "images": [shown(data_uri(RED))]}, [text("Here."), drawn(RED)]),
    ("as parts of the content", {"content": [text("Here."), shown(data_uri(RED))]}, [text("Here."), drawn(RED)]),
    ("said in content and blocks", {"content": [text("Here."), shown(data_uri(RED))],
     "content_blocks": [text("Here."), shown(data_uri(RED))]}, [text("Here."), drawn(RED)]),
    ("said in images and blocks", {"content": "Here.", "images": [shown(data_uri(RED))],
     "content_blocks": [text("Here."), shown(data_uri(RED))]}, [text("Here."), drawn(RED)]),
    ("the address is a string", {"content": "Here.", "images": [{"type": "image_url", "image_url": PAGE}]},
     [text("Here."), {"type": "image", "url": PAGE}]),
    ("data without base64", {"content": "Here.", "images": [shown("data:image/svg+xml,%3Csvg/%3E")]},
     [text("Here."), {"type": "image", "base64": "PHN2Zy8+", "mime_type": "image/svg+xml"}]),
]  # fmt: skip


@pytest.mark.parametrize(("message", "expected", "form"), in_forms(ODD_PICTURES, SOME))
def test_pictures_in_other_places_are_image_blocks_too(
    emulator: Emulator, message: dict[str, Any], expected: list[dict[str, Any]], form: str
) -> None:
    answers(emulator, form, message)
    assert blocks(asked(emulator, form)) == expected


@pytest.mark.parametrize("dialect", EVERYWHERE)
def test_the_bytes_of_a_picture_are_held_once(emulator: Emulator, ask: Ask, dialect: str) -> None:
    message = {"content": "Here.", "reasoning_content": "A kite?", "images": [data_uri(RED)]}
    emulator.reply(message=message, dialect=dialect)
    answer = ask(ChatPollinations(**emulator.connection()), "Draw")
    assert json.dumps(answer.model_dump(), default=str).count(RED) == 1


PAINTER = {
    "name": "community/someone/painter",
    "aliases": [],
    "category": "image",
    "publisher": "someone",
    "community": True,
    "title": "Painter",
    "pricing": {"currency": "pollen"},
    "capabilities": [],
    "supported_endpoints": ["/v1/chat/completions"],
}


def test_a_picture_drawn_by_a_media_model_is_an_image_block() -> None:
    with Emulator(models=[PAINTER]) as emulator:
        for form in FORMS:
            answer = asked(emulator, form, model=PAINTER["name"])
            said, picture = blocks(answer)
            assert (picture["type"], picture["url"].startswith(f"{emulator.url}/media/")) == ("image", True)
            assert said == text(f"![Go]({picture['url']})\n\n{picture['url']}")
            assert answer.usage_metadata is None


KITE = "https://media.pollinations.ai/kite"
FILM = "google/veo-3.1-fast"

# name, model, text of the answer, media block
LINKED: list[tuple[str, str, str, list[dict[str, Any]]]] = [
    ("picture", "community/someone/painter", f"![a kite]({KITE})\n\n{KITE}", [{"type": "image", "url": KITE}]),
    ("film", FILM, f"[a kite]({KITE})\n\n{KITE}", [{"type": "video", "url": KITE}]),
    ("film of a prompt with an image", FILM, f"[![a] kite]({KITE})\n\n{KITE}", [{"type": "video", "url": KITE}]),
    ("of unknown kind", "community/someone/maker", f"[a kite]({KITE})\n\n{KITE}", [{"type": "file", "url": KITE}]),
    ("a link that the text does not speak of", FILM, "I cannot fly a kite.", []),
]


@pytest.mark.parametrize(("model", "said", "media", "form"), in_forms(LINKED, forms=SOME))
def test_what_a_link_header_names_is_a_block(
    emulator: Emulator, model: str, said: str, media: list[dict[str, Any]], form: str
) -> None:
    headers = {"link": f'<{KITE}>; rel="enclosure"'}
    if form in STREAMS:
        emulator.reply(chunks=[{"choices": [{"delta": {"content": said}}], "usage": None}, DONE], headers=headers)
    else:
        emulator.reply(body={**whole({"content": said}), "usage": None}, headers=headers)
    assert blocks(asked(emulator, form, model=model)) == [text(said), *media]


# --- Sound ------------------------------------------------------------------------------------------------------------

SAMPLES = bytes(range(60))
SPEAKS = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}}
EARS = "openai/gpt-audio-mini"


def encoded(sound: bytes) -> str:
    return base64.b64encode(sound).decode()


def cut(whole: Any, size: int) -> list[Any]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def played(block: Mapping[str, Any]) -> bytes:
    """What a player reads out of an audio block."""
    assert block["mime_type"] == "audio/wav"
    with wave.open(io.BytesIO(base64.b64decode(block["base64"], validate=True))) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 24_000)
        return sound.readframes(sound.getnframes())


def test_the_model_speaks_as_it_was_asked_to(emulator: Emulator, ask_in_any_form: Ask) -> None:
    answer = ask_in_any_form(ChatPollinations(**emulator.connection(), model=EARS), "Say hello", **SPEAKS)
    assert {name: emulator.requests[-1].json[name] for name in SPEAKS} == SPEAKS
    (block,) = [block for block in blocks(answer) if block["type"] == "audio"]
    assert len(played(block)) > 1000
    assert block["extras"]["transcript"]


@pytest.mark.parametrize("dialect", EVERYWHERE)
def test_sound_of_every_provider_can_be_played(emulator: Emulator, ask: Ask, dialect: str) -> None:
    audio = {"id": "audio_1", "data": encoded(SAMPLES), "transcript": "Grüezi, 🪁!", "expires_at": 99}
    emulator.reply(message={"content": None, "audio": audio}, dialect=dialect)
    answer = ask(ChatPollinations(**emulator.connection(), model=EARS), "Say hello", **SPEAKS)
    (block,) = blocks(answer)
    assert played(block) == SAMPLES
    assert (block["type"], block["id"]) == ("audio", "audio_1")
    assert block["extras"] == {"transcript": "Grüezi, 🪁!", "expires_at": 99}
    assert answer.text == ""


# name, pieces of base64 as they come, the sound
CUTS: list[tuple[str, list[str], bytes]] = [
    *((f"cut after every {size}", cut(encoded(SAMPLES), size), SAMPLES) for size in (1, 2, 3, 5, 79)),
    *((f"{size} bytes encoded alone", [encoded(each) for each in cut(SAMPLES, size)], SAMPLES) for size in (1, 2, 7)),
    ("padded at the end, cut anywhere", cut(encoded(SAMPLES[:58]), 7), SAMPLES[:58]),
    ("empty pieces between", ["", encoded(SAMPLES[:30]), "", encoded(SAMPLES[30:]), ""], SAMPLES),
    ("half a sample at the end", [encoded(SAMPLES[:7])], SAMPLES[:6]),
    ("the padding comes apart", [encoded(SAMPLES[:58])[:-2], "=="], SAMPLES[:58]),
    ("encoded alone, their padding apart",
     [piece for each in cut(SAMPLES, 2) for piece in (encoded(each)[:-1], "=")], SAMPLES),
]  # fmt: skip


@pytest.mark.parametrize(("pieces", "sound", "form"), in_forms(CUTS, SOME_STREAMS))
def test_streamed_sound_is_one_block_however_it_was_cut(
    emulator: Emulator, pieces: list[str], sound: bytes, form: str
) -> None:
    deltas = [{"audio": {"id": "audio_1", "data": piece}} for piece in pieces]
    words = [{"audio": {"transcript": "Hel"}}, {"audio": {"transcript": "lo", "expires_at": 99}}]
    emulator.reply(chunks=streamed(*words, *deltas))
    (block,) = blocks(asked(emulator, form, **SPEAKS))
    assert played(block) == sound
    assert (block["id"], block["extras"]) == ("audio_1", {"transcript": "Hello", "expires_at": 99})


@pytest.mark.parametrize(
    ("start", "wanted", "mime_type"),
    [
        (b"ID3\x04", "mp3", "audio/mpeg"),
        (b"fLaC", "flac", "audio/flac"),
        (b"OggS", "opus", "audio/ogg"),
        (b"RIFF$\0\0\0WAVE", "wav", "audio/wav"),
        (b"ID3\x04", "pcm16", "audio/mpeg"),  # what the bytes say counts, not what was asked for
        (b"\x01\x02\x03\x04", "mp3", "audio/mpeg"),
    ],
)
def test_sound_in_a_container_is_left_as_it_is(emulator: Emulator, start: bytes, wanted: str, mime_type: str) -> None:
    data = encoded(start + SAMPLES)
    for form in FORMS:
        emulator.reply(body=whole({"content": None, "audio": {"id": "audio_1", "data": data, "transcript": "Hi"}}))
        (block,) = blocks(asked(emulator, form, modalities=["text", "audio"], audio={"voice": "ash", "format": wanted}))
        assert (block["base64"], block["mime_type"]) == (data, mime_type)


def test_sound_that_cannot_be_decoded_is_kept(emulator: Emulator, ask: Ask) -> None:
    emulator.reply(body=whole({"content": None, "audio": {"id": "audio_1", "data": "%%%", "transcript": "Hi"}}))
    (block,) = blocks(ask(ChatPollinations(**emulator.connection()), "Say hello", **SPEAKS))
    assert (block["base64"], block["mime_type"]) == ("%%%", "application/octet-stream")


# --- Refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [*TWO_FORMS, "invoke-v1", "astream-v1"], indirect=True)
@pytest.mark.parametrize("dialect", EVERYWHERE)
def test_a_refusal_is_a_block_and_no_text(emulator: Emulator, ask: Ask, dialect: str) -> None:
    emulator.reply(message={"content": None, "refusal": "I will not fly it."}, dialect=dialect)
    answer = ask(ChatPollinations(**emulator.connection()), "Go")
    assert blocks(answer) == [{"type": "refusal", "refusal": "I will not fly it."}]
    assert answer.text == ""


FILTERED = {"type": "refusal", "refusal": "", "extras": {"category": "content_filter"}}
STOPPED: list[tuple[str, dict[str, Any], str, list[dict[str, Any]]]] = [
    ("nothing", {"content": ""}, "content_filter", [FILTERED]),
    ("nothing, in a provider's word", {"content": ""}, "SAFETY", [FILTERED]),
    ("words of refusal", {"content": "", "refusal": "No."}, "content_filter", [{**FILTERED, "refusal": "No."}]),
    ("half a text", {"content": "A kite"}, "content_filter", [FILTERED, text("A kite")]),
    ("a thought", {"content": "", "reasoning_content": "Hm."}, "content_filter",
     [{"type": "reasoning", "reasoning": "Hm."}, FILTERED]),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:The model returned an empty response")
@pytest.mark.parametrize("form", TWO_FORMS)
@pytest.mark.parametrize(("message", "reason", "expected"), [pytest.param(*row, id=name) for name, *row in STOPPED])
def test_a_filter_that_stops_an_answer_is_a_refusal(
    emulator: Emulator, form: str, message: dict[str, Any], reason: str, expected: list[dict[str, Any]]
) -> None:
    emulator.reply(message=message, finish_reason=reason, dialect="plain")
    answer = FORMS[form](ChatPollinations(**emulator.connection()), "Go")
    if "events" in form and len(expected) > 1:  # LangChain's v3 events keep no refusal beside other blocks
        expected = [block for block in expected if block != FILTERED]
    assert sorted(map(str, blocks(answer))) == sorted(map(str, expected))
    assert answer.response_metadata["finish_reason"] == "content_filter"


# --- What the provider did by itself ----------------------------------------------------------------------------------


def did(call_id: str, name: str, args: dict[str, Any], output: Any, status: str = "success") -> list[dict[str, Any]]:
    call = {"type": "server_tool_call", "id": call_id, "name": name, "args": args}
    return [call, {"type": "server_tool_result", "tool_call_id": call_id, "status": status, "output": output}]


def use(call_id: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "server_tool_use", "id": call_id, "name": name, "input": arguments}


def found(call_id: str, content: Any, kind: str = "web_search_tool_result") -> dict[str, Any]:
    return {"type": kind, "tool_use_id": call_id, "content": content}


FAILED = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
RUN = {"type": "executable_code", "executable_code": {"language": "PYTHON", "code": "2 + 2"}}
CRASHED = {"type": "code_execution_result", "code_execution_result": {"outcome": "OUTCOME_FAILED", "output": "!"}}

# name, content blocks on the wire, blocks of the answer beside its text
SERVER_SIDE: list[tuple[str, list[dict[str, Any]], list[dict[str, Any]]]] = [
    ("one search", [use("s1", "web_search", query="kite"), found("s1", [])],
     did("s1", "web_search", {"query": "kite"}, [])),
    ("search, then code",
     [use("s1", "web_search", query="kite"), found("s1", []), use("s2", "bash", command="ls"),
      found("s2", {"stdout": "a"}, "bash_code_execution_tool_result")],
     [*did("s1", "web_search", {"query": "kite"}, []), *did("s2", "bash", {"command": "ls"}, {"stdout": "a"})]),
    ("two searches at once",
     [use("s1", "web_search", query="kite"), use("s2", "web_search", query="wind"), found("s1", []), found("s2", [7])],
     [did("s1", "web_search", {"query": "kite"}, [])[0], did("s2", "web_search", {"query": "wind"}, [])[0],
      did("s1", "web_search", {}, [])[1], did("s2", "web_search", {}, [7])[1]]),
    ("a search that failed", [use("s1", "web_search", query="kite"), found("s1", FAILED)],
     did("s1", "web_search", {"query": "kite"}, FAILED, "error")),
    ("code that failed", [RUN, CRASHED],
     did("server_tool_0", "code_execution", RUN["executable_code"], CRASHED["code_execution_result"], "error")),
    ("a call to a server of tools",
     [{"type": "mcp_tool_use", "id": "m1", "name": "ask", "input": {"x": 1}, "server_name": "wiki"},
      {"type": "mcp_tool_result", "tool_use_id": "m1", "is_error": False, "content": [text("y")]}],
     did("m1", "ask", {"x": 1}, [text("y")])),
    ("a block that nobody knows", [{"type": "puzzle", "shape": "round"}],
     [{"type": "non_standard", "value": {"type": "puzzle", "shape": "round"}}]),
    ("two blocks that nobody knows", [{"type": "puzzle", "shape": "round"}, {"type": "puzzle", "shape": "square"}],
     [{"type": "non_standard", "value": {"type": "puzzle", "shape": "round"}},
      {"type": "non_standard", "value": {"type": "puzzle", "shape": "square"}}]),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "expected", "form"), in_forms(SERVER_SIDE, SOME))
def test_what_the_provider_ran_is_a_call_and_its_result(
    emulator: Emulator, parts: list[dict[str, Any]], expected: list[dict[str, Any]], form: str
) -> None:
    emulator.reply(message={"content": "It flies.", "content_blocks": [*parts, text("It flies.")]}, dialect="plain")
    answer = asked(emulator, form)
    assert blocks(answer) == [text("It flies."), *expected]
    assert answer.tool_calls == []  # nobody is to run them again


CODE = [{"code": "2 + 2", "output": "4"}, {"code": "3 + 3", "output": "6"}]

# name, dialect, what ran
RAN: list[tuple[str, str, list[dict[str, str]]]] = [
    ("bedrock, once", "bedrock", CODE[:1]),
    ("bedrock, twice", "bedrock", CODE),
    ("vertex, once", "vertex", CODE[:1]),
    ("vertex, twice", "vertex", CODE),
]


@pytest.mark.parametrize(("dialect", "code", "form"), in_forms(RAN, SOME))
def test_code_that_ran_is_a_call_and_its_result(
    emulator: Emulator, dialect: str, code: list[dict[str, str]], form: str
) -> None:
    emulator.reply(message={"content": "So it is.", "code": code}, dialect=dialect)
    said, *pairs = blocks(asked(emulator, form))
    assert said == text("So it is.")
    calls, results = pairs[::2], pairs[1::2]
    assert [call["args"]["code"] for call in calls] == [run["code"] for run in code]
    assert [result["tool_call_id"] for result in results] == [call["id"] for call in calls]
    assert len({call["id"] for call in calls}) == len(code)
    assert {(call["type"], call["name"]) for call in calls} == {("server_tool_call", "code_execution")}
    assert {(result["type"], result["status"]) for result in results} == {("server_tool_result", "success")}
    outputs = [result["output"] for result in results]
    key = "stdout" if dialect == "bedrock" else "output"
    assert [output[key] for output in outputs] == [run["output"] for run in code]


@pytest.mark.parametrize("dialect", ["bedrock", "vertex"])
def test_searches_are_calls_and_their_results(emulator: Emulator, ask: Ask, dialect: str) -> None:
    sources = [{"url": "https://a.example", "title": "A"}, {"url": "https://b.example", "title": "B"}]
    emulator.reply(message={"content": "Yes.", "searches": ["kite", "wind"], "sources": sources}, dialect=dialect)
    _, *pairs = blocks(ask(ChatPollinations(**emulator.connection()), "Go"))
    kinds = [block["type"] for block in pairs]
    assert kinds == ["server_tool_call", "server_tool_result"] * (len(pairs) // 2)
    queries = [call["args"].get("query") or call["args"]["queries"] for call in pairs[::2]]
    assert queries == (["kite", "wind"] if dialect == "bedrock" else [["kite", "wind"]])
    assert [result["tool_call_id"] for result in pairs[1::2]] == [call["id"] for call in pairs[::2]]


# --- Citations --------------------------------------------------------------------------------------------------------

KAESE, ROM = "Überall gibt es Käse 🧀.", "Rom ist alt."
WORDS = f"{KAESE} {ROM}"
SOURCES = [
    {"url": "https://a.example/rom", "title": "Rom", "text": ROM},
    {"url": "https://b.example/käse", "title": "Käse", "text": KAESE},
]


@pytest.mark.parametrize("dialect", EVERYWHERE)
def test_sources_are_citations_of_the_text(emulator: Emulator, ask: Ask, dialect: str) -> None:
    emulator.reply(message={"content": WORDS, "sources": SOURCES}, dialect=dialect)
    said = blocks(ask(ChatPollinations(**emulator.connection()), "Go"))[0]
    citations = said["annotations"]
    facts = [(citation["type"], citation["url"], citation["title"]) for citation in citations]
    assert facts == [("citation", source["url"], source["title"]) for source in SOURCES]
    places = [said["text"][citation.get("start_index") : citation.get("end_index")] for citation in citations]
    if dialect == "bedrock":  # which says of which block, not of which words
        assert places == [WORDS, WORDS]
        assert [citation["cited_text"] for citation in citations] == [ROM, KAESE]
    elif dialect == "perplexity":  # which has numbers in the text instead of places
        assert said["text"] == f"{KAESE}[2] {ROM}[1]"
        assert all("start_index" not in citation for citation in citations)
    else:
        assert places == [ROM, KAESE]


A, B = "https://a.example", "https://b.example"
CITED_A = {"type": "web_search_result_location", "url": A, "title": "A", "cited_text": "a", "encrypted_index": "Zm8="}
CITED_B = {"type": "web_search_result_location", "url": B, "title": "B", "cited_text": "b"}
AT = {"start_index": 0, "end_index": 5}


def cites(**facts: Any) -> dict[str, Any]:
    return {"type": "citation", **facts}


# name, message, what stands beside it in the body or the choice, annotations of the text "Käse. Rom."
CITATIONS: list[tuple[str, dict[str, Any], dict[str, Any], list[dict[str, Any]]]] = [
    ("OpenAI's form", {"annotations": [{"type": "url_citation", "url_citation": {"url": A, "title": "A", **AT}}]}, {},
     [cites(url=A, title="A", **AT)]),
    ("flat", {"annotations": [{"type": "url_citation", "url": A, "title": "A", **AT, "rank": 1}]}, {},
     [cites(url=A, title="A", **AT, extras={"rank": 1})]),
    ("with the passage", {"annotations": [{"type": "url_citation", "url_citation": {"url": A, "content": "a"}}]}, {},
     [cites(url=A, cited_text="a")]),
    ("of another type", {"annotations": [{"type": "file_citation", "file_id": "f"}]}, {},
     [{"type": "non_standard_annotation", "value": {"type": "file_citation", "file_id": "f"}}]),
    ("one page at two places", {"annotations": [{"type": "url_citation", "url": A, **AT},
     {"type": "url_citation", "url": A, "start_index": 6, "end_index": 10}]}, {},
     [cites(url=A, **AT), cites(url=A, start_index=6, end_index=10)]),
    ("said twice", {"annotations": [{"type": "url_citation", "url": A, **AT}] * 2}, {}, [cites(url=A, **AT)]),
    ("blocks of text",
     {"content_blocks": [text("Käse.") | {"citations": [CITED_A]}, text(" Rom.") | {"citations": [CITED_B]}]}, {},
     [cites(url=A, title="A", cited_text="a", **AT, extras={"encrypted_index": "Zm8="}),
      cites(url=B, title="B", cited_text="b", start_index=5, end_index=10)]),
    ("Google's form", {}, {"groundingMetadata": {
        "groundingChunks": [{"web": {"uri": A, "title": "A"}}, {"retrievedContext": {"uri": B, "title": "B"}}],
        "groundingSupports": [{"segment": {"startIndex": 7, "endIndex": 11, "text": "Rom."},
                               "groundingChunkIndices": [0]}]}},
     [cites(url=A, title="A", cited_text="Rom.", start_index=6, end_index=10), cites(url=B, title="B")]),
    ("places out of range", {}, {"groundingMetadata": {
        "groundingChunks": [{"web": {"uri": A}}],
        "groundingSupports": [{"segment": {"startIndex": 2, "endIndex": 999}, "groundingChunkIndices": [0, 7, -1]}]}},
     [cites(url=A, start_index=1, end_index=10)]),
]  # fmt: skip


@pytest.mark.parametrize(("message", "beside", "expected", "form"), in_forms(CITATIONS, forms=SOME))
def test_citations_of_every_form_are_standard_ones(
    emulator: Emulator, message: dict[str, Any], beside: dict[str, Any], expected: list[dict[str, Any]], form: str
) -> None:
    answers(emulator, form, {"content": "Käse. Rom.", **message}, **beside)
    assert blocks(asked(emulator, form))[0] == {**text("Käse. Rom."), "annotations": expected}


@pytest.mark.parametrize("form", STREAMS)
def test_sources_that_each_event_repeats_are_cited_once(emulator: Emulator, form: str) -> None:
    """As Perplexity sends them; the last list is the longest."""
    results = [{"url": A, "title": "A", "snippet": "a", "date": "2026-01-15"}, {"url": B, "title": "B"}]
    heads = [{"citations": [A], "search_results": results[:1]}, {"citations": [A, B], "search_results": results}]
    deltas = [{"choices": [{"index": 0, "delta": {"content": word}}]} for word in ("Käse.", " Rom.")]
    chunks = [head | delta for head, delta in zip(heads, deltas, strict=True)]
    emulator.reply(chunks=[*chunks, {**heads[1], "choices": [], "usage": USAGE}, DONE])
    answer = asked(emulator, form)
    (said,) = blocks(answer)
    assert said["annotations"] == [
        cites(url=A, title="A", cited_text="a", extras={"date": "2026-01-15"}),
        cites(url=B, title="B"),
    ]
    assert answer.additional_kwargs["citations"] == [A, B]
    assert answer.additional_kwargs["search_results"] == results


# name, deltas of the block of text
CITED_IN_PIECES: list[tuple[str, list[dict[str, Any]]]] = [
    ("in one list", [{"citations": [CITED_A, CITED_B]}]),
    ("a list each", [{"citations": [CITED_A]}, {"citations": [CITED_B]}]),
    ("one by one", [{"type": "citations_delta", "citation": each} for each in (CITED_A, CITED_B)]),
]


@pytest.mark.parametrize(("deltas", "form"), in_forms(CITED_IN_PIECES, SOME_STREAMS))
def test_citations_in_pieces_are_all_there(emulator: Emulator, deltas: list[dict[str, Any]], form: str) -> None:
    words = {"content": "Rom.", "content_blocks": [{"index": 0, "delta": {"text": "Rom."}}]}
    parts = [{"content_blocks": [{"index": 0, "delta": delta}]} for delta in deltas]
    emulator.reply(chunks=streamed(words, *parts))
    said = blocks(asked(emulator, form))[0]
    assert [citation["url"] for citation in said["annotations"]] == [A, B]


# --- What stands beside an answer -------------------------------------------------------------------------------------


def _token(word: str) -> dict[str, Any]:
    return {"token": word, "logprob": -0.5, "bytes": list(word.encode()), "top_logprobs": []}


def test_log_probabilities_run_on_with_the_text(emulator: Emulator, ask_in_any_form: Ask) -> None:
    answer = ask_in_any_form(ChatPollinations(**emulator.connection()), "Hello", logprobs=True, top_logprobs=2)
    tokens = answer.response_metadata["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == answer.text
    assert {len(token["top_logprobs"]) for token in tokens} == {2}


@pytest.mark.parametrize("form", STREAMS)
def test_log_probabilities_of_single_chunks_are_one_list(emulator: Emulator, form: str) -> None:
    chunks = [
        {
            "choices": [
                {"index": 0, "delta": {"content": word}, "logprobs": {"content": [_token(word)], "refusal": None}}
            ]
        }
        for word in ("Kä", "se", " 🧀")
    ]
    emulator.reply(chunks=[*chunks, {"choices": [{"index": 0, "delta": {}, "logprobs": None}]}, DONE])
    told = asked(emulator, form).response_metadata["logprobs"]
    assert told["content"] == [_token(word) for word in ("Kä", "se", " 🧀")]


def test_checks_of_the_service_are_in_the_metadata(emulator: Emulator, ask_in_any_form: Ask) -> None:
    chat = ChatPollinations(**emulator.connection())
    answer = ask_in_any_form(chat, "My address is someone@example.com", safe="privacy")
    assert answer.response_metadata["safety"]["applied"] == "privacy"
    assert "email" in answer.response_metadata["safety"]["redacted"].lower()


HEADERS = {
    "x-safety-applied": "privacy,secrets",
    "x-safety-redacted": "EMAIL",
    "x-safety-status": "ok",
    "x-moderation-prompt-self-harm-severity": "low",
    "x-moderation-prompt-hate-severity": "safe",
    "x-moderation-prompt-jailbreak-detected": "false",
    "x-moderation-completion-protected-material-code-detected": "true",
}
CLEAN = {"hate": {"filtered": False, "severity": "safe"}, "jailbreak": {"filtered": False, "detected": False}}
JUDGED = {"violence": {"filtered": True, "severity": "high"}, "sexual": {"filtered": False, "severity": "low"}}


def judged(results: dict[str, Any]) -> dict[str, Any]:
    return {"prompt_index": 0, "content_filter_results": results}


@pytest.mark.parametrize(
    ("prompts", "results", "found"),
    [
        pytest.param([judged(CLEAN)], CLEAN, {}, id="nothing"),
        pytest.param(
            [judged(CLEAN), judged({**CLEAN, **JUDGED})],
            {**CLEAN, **JUDGED},
            {"prompt_filter_results": [judged(JUDGED)], "content_filter_results": JUDGED},
            id="something",
        ),
        pytest.param(
            ["odd"], "odd", {"prompt_filter_results": ["odd"], "content_filter_results": "odd"}, id="another form"
        ),
    ],
)
def test_what_the_filters_found_is_in_the_metadata(
    emulator: Emulator, ask_in_any_form: Ask, request: Any, prompts: Any, results: Any, found: dict[str, Any]
) -> None:
    """Categories in which they found nothing are left out, because each checkpoint of a thread has all metadata."""
    beside, above = {"content_filter_results": results}, {"prompt_filter_results": prompts, "service_tier": "flex"}
    if request.node.callspec.params["ask_in_any_form"] in STREAMS:
        said = {"choices": [{"index": 0, "delta": {"content": "Yes."}, **beside}]}
        emulator.reply(chunks=[{**above, "choices": []}, said, {"choices": [], "usage": USAGE}, DONE], headers=HEADERS)
    else:
        emulator.reply(body={**whole({"content": "Yes."}, **beside), **above}, headers=HEADERS)
    told = ask_in_any_form(ChatPollinations(**emulator.connection()), "Go").response_metadata
    assert told["safety"] == {"applied": "privacy,secrets", "redacted": "EMAIL", "status": "ok"}
    assert told["moderation"] == {
        "prompt_self_harm_severity": "low",
        "completion_protected_material_code_detected": "true",
    }
    assert told["service_tier"] == "flex"
    assert {key: value for key, value in told.items() if key.endswith("filter_results")} == found


# --- Nothing is dropped -----------------------------------------------------------------------------------------------

# name, message on the wire, what must be found again somewhere in the message
UNKNOWN: list[tuple[str, dict[str, Any], Any]] = [
    ("field", {"content": "Yes.", "hologram": {"depth": 3}}, {"depth": 3}),
    ("field with a list", {"content": "Yes.", "holograms": [{"depth": 3}]}, [{"depth": 3}]),
    ("field with a word", {"content": "Yes.", "mood": "sunny"}, "sunny"),
    ("block", {"content": "Yes.", "content_blocks": [text("Yes."), {"type": "puzzle", "depth": 3}]}, {"depth": 3}),
    ("part of the content", {"content": [text("Yes."), {"type": "puzzle", "depth": 3}]}, {"depth": 3}),
    ("audio that is a string", {"content": "Yes.", "audio": "UklGRg=="}, "UklGRg=="),
    ("picture of another form", {"content": "Yes.", "images": [{"b64_json": "R0lGODlh"}]}, "R0lGODlh"),
    ("picture that is a string", {"content": "Yes.", "images": [PAGE]}, PAGE),
    ("images that are no list", {"content": "Yes.", "images": {"url": PAGE}}, PAGE),
    ("blocks that are no list", {"content": "Yes.", "content_blocks": {"depth": 3}}, {"depth": 3}),
    ("annotations that are no list", {"content": "Yes.", "annotations": {"depth": 3}}, {"depth": 3}),
    ("number among the parts", {"content": [text("Yes."), 771]}, 771),
    ("facts beside the address of a picture", {"content": "Yes.", "content_blocks": [
        text("Yes."), {**shown(data_uri(RED), detail="high"), "thought_signature": "c2ln"}]}, "c2ln"),
]  # fmt: skip


def _holds(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict) and isinstance(value, dict) and wanted.items() <= value.items():
        return True
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value == wanted or any(_holds(each, wanted) for each in inner)


@pytest.mark.parametrize(("message", "wanted", "form"), in_forms(UNKNOWN, SOME))
def test_what_nobody_reads_is_kept(emulator: Emulator, message: dict[str, Any], wanted: Any, form: str) -> None:
    answers(emulator, form, message)
    answer = asked(emulator, form)
    assert answer.text == "Yes."
    assert _holds(answer.additional_kwargs, wanted) or _holds(blocks(answer), wanted)


def test_parts_of_a_text_stay_in_their_order(emulator: Emulator, ask_in_any_form: Ask) -> None:
    emulator.reply(message={"content": [text("One, "), "two, ", text("three.")]}, dialect="simulated")
    assert ask_in_any_form(ChatPollinations(**emulator.connection()), "Count").text == "One, two, three."


# --- What goes back ---------------------------------------------------------------------------------------------------

STORED: dict[str, Callable[[AIMessage], Any]] = {
    "as it is": lambda message: message,
    "pickled": lambda message: pickle.loads(pickle.dumps(message)),
    "dumped": lambda message: load(json.loads(json.dumps(dumpd(message))), allowed_objects="messages"),
    "as a dict": lambda message: messages_from_dict(json.loads(json.dumps(messages_to_dict([message]))))[0],
    "validated": lambda message: type(message).model_validate(message.model_dump()),
}

SIGNED = {"type": "thinking", "thinking": "A kite?", "signature": "c2lnbmVk"}
SPOKEN = {"id": "audio_1", "data": encoded(SAMPLES), "transcript": "Hello", "expires_at": 99}
SEARCHED = [use("s1", "web_search", query="kite"), found("s1", []), text("Yes.")]

# name, model, message on the wire, message on the wire of the next turn
GOES_BACK: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("a picture", "openai", {"content": "Here.", "content_blocks": [shown(data_uri(RED))]},
     {"content": [text("Here."), shown(data_uri(RED))]}),
    ("two pictures", "openai", {"content": "Here.", "content_blocks": [shown(data_uri(RED)), shown(data_uri(BLUE))]},
     {"content": [text("Here."), shown(data_uri(RED)), shown(data_uri(BLUE))]}),
    ("a picture by address", "openai", {"content": "", "content_blocks": [shown(PAGE)]}, {"content": [shown(PAGE)]}),
    ("a signed thought, text and a picture", "claude",
     {"content": "Here.", "content_blocks": [SIGNED, text("Here."), shown(data_uri(RED))]},
     {"content": [text("Here."), shown(data_uri(RED))],
      "content_blocks": [SIGNED, text("Here."), shown(data_uri(RED))]}),
    ("two pictures between thoughts", "claude",
     {"content": "Here.", "content_blocks": [shown(data_uri(RED)), SIGNED, shown(PAGE), text("Here."),
                                             shown(data_uri(BLUE))]},
     {"content": [text("Here."), shown(data_uri(RED)), shown(PAGE), shown(data_uri(BLUE))],
      "content_blocks": [shown(data_uri(RED)), SIGNED, shown(PAGE), text("Here."), shown(data_uri(BLUE))]}),
    ("a picture with facts beside it", "claude",
     {"content": "Here.", "content_blocks": [SIGNED, text("Here."),
                                             {**shown(data_uri(RED), detail="high"), "thought_signature": "c2ln"}]},
     {"content": [text("Here."), shown(data_uri(RED))],
      "content_blocks": [SIGNED, text("Here."), {**shown(data_uri(RED), detail="high"), "thought_signature": "c2ln"}]}),
    ("sound", EARS, {"content": None, "audio": SPOKEN}, {"content": "", "audio": {"id": "audio_1"}}),
    ("sound and text", EARS, {"content": "Hi.", "audio": SPOKEN}, {"content": "Hi.", "audio": {"id": "audio_1"}}),
    ("sound without an id", EARS, {"content": None, "audio": {"data": encoded(SAMPLES), "transcript": "Hello"}},
     {"content": "Hello"}),
    ("a search", "claude", {"content": "Yes.", "content_blocks": SEARCHED},
     {"content": "Yes.", "content_blocks": SEARCHED}),
    ("a refusal", "openai", {"content": None, "refusal": "I will not."}, {"content": "I will not."}),
]  # fmt: skip


@pytest.mark.parametrize(("model", "message", "expected", "form"), in_forms(GOES_BACK, SOME))
def test_an_answer_goes_back_as_it_came(
    emulator: Emulator, model: str, message: dict[str, Any], expected: dict[str, Any], form: str
) -> None:
    answers(emulator, form, message)
    answer = asked(emulator, form, model=model, **(SPEAKS if model == EARS else {}))
    for stored in STORED.values():
        emulator.reply(body=whole({"content": "Yes."}))
        history = [HumanMessage("Go"), stored(answer), HumanMessage("And?")]
        ChatPollinations(**emulator.connection(), model=model).invoke(history)
        assert emulator.requests[-1].json["messages"][1] == {"role": "assistant", **expected}
        assert encoded(SAMPLES)[:40] not in emulator.requests[-1].body.decode()


def test_pictures_go_back_turn_after_turn(emulator: Emulator, ask_in_any_form: Ask) -> None:
    """The emulator looks at each picture that is sent, as the service does."""
    chat = ChatPollinations(**emulator.connection(), model="claude")
    history: list[Any] = []
    for number, picture in enumerate((RED, BLUE)):
        history.append(HumanMessage(f"Draw {number}"))
        message = {"content": f"Here {number}.", "reasoning_content": "A kite?", "images": [data_uri(picture)]}
        emulator.reply(message=message, dialect="bedrock")
        history.append(ask_in_any_form(chat, history))
    assert chat.invoke([*history, HumanMessage("And?")]).text
    sent = emulator.requests[-1].json["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant"] * 2 + ["user"]
    for number, picture in enumerate((RED, BLUE)):
        message = sent[2 * number + 1]
        assert message["content"] == [text(f"Here {number}."), shown(data_uri(picture))]
        thought, *rest = message["content_blocks"]
        assert (thought["thinking"], bool(thought["signature"])) == ("A kite?", True)
        assert rest == message["content"]
