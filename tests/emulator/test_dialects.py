"""The dialects: how one and the same message looks in each of them, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from langchain_pollinations.emulator import Emulator
from langchain_pollinations.emulator.scripting.dialects import DIALECTS, named, of_model

from .conftest import events

Json = dict[str, Any]
Say = Callable[..., httpx.Response]
Fits = Callable[[str, Any], None]

CONTENT = "Türme wachsen. Whales eat krill."
SOURCES = [
    {"url": "https://a.example", "title": "A", "text": "Türme wachsen."},
    {"url": "https://b.example", "title": "B", "text": "Whales eat krill."},
]
CALLS = [
    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"place": "Rome", "days": 3}'}},
    {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
]
PICTURE = "data:image/png;base64,iVBORw0KGgo="
THOUGHT = "Hm, hm. So it is."
SAID: dict[str, Json] = {
    "words": {"content": CONTENT},
    "thought": {"content": CONTENT, "reasoning_content": THOUGHT},
    "calls": {"content": None, "tool_calls": CALLS},
    "thought and calls": {"content": "Let me see.", "reasoning_content": THOUGHT, "tool_calls": CALLS},
    "refusal": {"content": None, "refusal": "I will not do that."},
    "sources": {"content": CONTENT, "sources": SOURCES, "searches": ["whales", "towers"]},
    "code": {"content": "It is 12.", "code": [{"code": "print(12)", "output": "12\n"}]},
    "pictures": {"content": "Look.", "images": [PICTURE, "https://c.example/1.png"]},
    "sound": {"content": None, "audio": {"id": "a1", "data": "UklGRg==", "transcript": "Hi there", "expires_at": 9}},
    "blocks": {
        "content": "x",
        "content_blocks": [
            {"type": "thinking", "thinking": "Hm, hm, hm.", "signature": "c2lnbmVk"},
            {"type": "redacted_thinking", "data": "b3BhcXVl"},
            {"type": "text", "text": "One two three"},
            {"type": "image_url", "image_url": {"url": PICTURE}},
        ],
    },
    "annotations": {"content": "x", "annotations": [{"type": "url_citation"}], "reasoning": "So."},
}


def _add_words(whole: Json, piece: Json) -> None:
    for key, value in piece.items():
        whole[key] = whole.get(key, "") + value if isinstance(value, str) else value


def _add_block(blocks: list[Json], index: int, piece: Json) -> None:
    """A piece that says its type is a block of its own; the others continue the block of their index and kind."""
    if "type" in piece:
        blocks.append(dict(piece))
        return
    kind = next((k for k in ("thinking", "text", "data") if k in piece), None)
    kinds = {"thinking": "thinking", "text": "text", "data": "redacted_thinking"}
    last = next((b for b in reversed(blocks) if b.get("index") == index), None)
    if last is None or kind is not None and last["type"] != kinds[kind]:
        last = {"type": kinds[kind or ""], "index": index}
        blocks.append(last)
    _add_words(last, piece)


def added(chunks: list[Json]) -> Json:
    """The message that the chunks of a stream add up to."""
    whole: Json = {}
    blocks: list[Json] = []
    calls: dict[int, Json] = {}
    for delta in (chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]):
        for key, value in delta.items():
            if key == "content_blocks":
                for entry in value:
                    _add_block(blocks, entry["index"], entry["delta"]) if "delta" in entry else blocks.append(entry)
            elif key == "tool_calls":
                for piece in value:
                    call = calls.setdefault(piece["index"], {"function": {"arguments": ""}})
                    call |= {k: v for k, v in piece.items() if k not in ("function", "index")}
                    arguments = call["function"]["arguments"] + piece["function"].get("arguments", "")
                    call["function"] |= piece["function"] | {"arguments": arguments}
            elif key == "reasoning_details" and whole.get(key):
                whole[key][0]["text"] += value[0]["text"]
            elif key == "audio":
                _add_words(whole.setdefault(key, {}), {k: v for k, v in value.items() if k in ("data", "transcript")})
            elif key == "role":
                whole[key] = value
            else:
                _add_words(whole, {key: value})
    if blocks:
        whole["content_blocks"] = [{k: v for k, v in block.items() if k != "index"} for block in blocks]
    return whole | ({"tool_calls": list(calls.values())} if calls else {})


def bare(message: Json) -> Json:
    """A message without what a stream cannot say: keys that are empty, and the fixed parts of sound."""
    found = {key: value for key, value in message.items() if value}
    if "audio" in found:
        found["audio"] = {key: found["audio"][key] for key in ("data", "transcript")}
    return found


def told(say: Say, emulator: Emulator, dialect: str, message: Json, **reply: Any) -> tuple[Json, list[Json]]:
    """A message in a dialect: the whole answer, and the chunks of a stream."""
    emulator.reply(message=message, dialect=dialect, times=2, **reply)
    return say("hi").json(), events(say("hi", stream=True).text)


@pytest.fixture
def speak(say: Say, emulator: Emulator) -> Callable[..., tuple[Json, list[Json]]]:
    return lambda dialect, message, **reply: told(say, emulator, dialect, message, **reply)


Speak = Callable[..., tuple[Json, list[Json]]]


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_adds_up_to_the_whole_answer(speak: Speak, dialect: str, said: str) -> None:
    whole, chunks = speak(dialect, SAID[said])
    assert bare(added(chunks)) == bare(whole["choices"][0]["message"])
    assert [chunk["usage"] for chunk in chunks if chunk.get("usage")] == [whole["usage"]]
    assert {chunk["id"] for chunk in chunks if "id" in chunk}.isdisjoint({whole["id"]})
    assert whole["choices"][0]["message"]["role"] == "assistant"


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_whole_answers_fit_the_schema(speak: Speak, fits: Fits, dialect: str, said: str) -> None:
    whole, _ = speak(dialect, SAID[said])
    fits("chat_completions.response", whole)


@pytest.mark.parametrize("said", [name for name in SAID if name not in ("blocks", "pictures")])
@pytest.mark.parametrize("dialect", ["plain", "perplexity"])
def test_streams_without_blocks_fit_the_schema(speak: Speak, fits: Fits, dialect: str, said: str) -> None:
    """The schema knows neither the numbered blocks of the gateway nor a usage that is null."""
    _, chunks = speak(dialect, SAID[said])
    for chunk in chunks:
        fits("chat_completions.chunk", chunk)


THINKS: dict[str, Json] = {
    "plain": {"reasoning_content": THOUGHT},
    "responses": {"reasoning_content": THOUGHT},
    "simulated": {"reasoning_content": THOUGHT},
    "openrouter": {
        "reasoning": THOUGHT,
        "reasoning_details": [{"type": "reasoning.text", "text": THOUGHT, "format": "unknown", "index": 0}],
        "content_blocks": [{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": CONTENT}],
    },
    "bedrock": {"content_blocks": [{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": CONTENT}]},
    "vertex": {"content_blocks": [{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": CONTENT}]},
    "perplexity": {"content": f"<think>\n{THOUGHT}\n</think>\n\n{CONTENT}"},
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_dialect_has_its_own_place_for_thought(speak: Speak, dialect: str) -> None:
    message = speak(dialect, SAID["thought"])[0]["choices"][0]["message"]
    if dialect == "bedrock":
        assert message["content_blocks"][0].pop("signature")
    assert message == {"role": "assistant", "content": CONTENT} | THINKS[dialect]


REASONS = {
    "plain": ("stop", "tool_calls", "length"),
    "bedrock": ("end_turn", "tool_use", "max_tokens"),
    "vertex": ("STOP", "tool_calls", "MAX_TOKENS"),
    "perplexity": ("", "tool_calls", "length"),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_dialect_has_its_own_words_for_the_end(speak: Speak, dialect: str) -> None:
    wanted = REASONS.get(dialect, REASONS["plain"])
    for message, given, reason in zip(("words", "calls", "words"), (None, None, "length"), wanted, strict=True):
        whole, chunks = speak(dialect, SAID[message], finish_reason=given)
        assert whole["choices"][0]["finish_reason"] == reason
        reasons = [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]]
        assert [r for r in reasons if r is not None] == [
            {("vertex", "tool_calls"): "STOP", ("perplexity", ""): "stop"}.get((dialect, reason), reason)
        ]
    whole, _ = speak(dialect, SAID["words"], finish_reason="RECITATION")
    assert whole["choices"][0]["finish_reason"] == "RECITATION"


def test_the_words_of_the_wire_win(speak: Speak) -> None:
    blocks = SAID["blocks"]["content_blocks"]
    for dialect in DIALECTS:
        message = speak(dialect, SAID["blocks"] | {"reasoning_details": [{"text": "as it is"}]})[0]["choices"][0]
        assert message["message"]["content_blocks"] == blocks
        assert message["message"]["reasoning_details"] == [{"text": "as it is"}]


def test_given_blocks_are_streamed_in_pieces(speak: Speak) -> None:
    for dialect in set(DIALECTS) - {"simulated"}:
        _, chunks = speak(dialect, SAID["blocks"])
        entries = [e for c in chunks if c["choices"] for e in c["choices"][0]["delta"].get("content_blocks", [])]
        assert {entry["index"] for entry in entries} == {0, 1, 2, 3}
        thoughts = [e["delta"] for e in entries if e["index"] == 0]
        assert len(thoughts) > 2 and thoughts[-1] == {"signature": "c2lnbmVk"}
        assert [e["delta"] for e in entries if e["index"] == 1] == [{"data": "b3BhcXVl"}]
        assert [e["delta"]["type"] for e in entries if e["index"] == 3] == ["image_url"]


RECORDED = [
    pytest.param("chat_claude_toolcall_tool_use", "bedrock", "calls", id="claude calls"),
    pytest.param("chat_claude_toolresult_end_turn", "bedrock", "words", id="claude answers"),
    pytest.param("chat_gemini3_toolcall_thought_signature", "vertex", "calls", id="gemini calls"),
    pytest.param("chat_gemini_toolresult_finish_upper", "vertex", "words", id="gemini answers"),
    pytest.param("chat_kimi_reasoning", "plain", "thought", id="kimi thinks"),
]


def keys(value: Any) -> Any:
    """The keys of JSON and their nesting, of lists the first entry."""
    if isinstance(value, list):
        return [keys(entry) for entry in value[:1]]
    return {key: keys(inner) for key, inner in value.items()} if isinstance(value, dict) else None


@pytest.mark.parametrize(("name", "dialect", "said"), RECORDED)
def test_messages_have_the_keys_of_recorded_ones(
    speak: Speak, contract: Path, name: str, dialect: str, said: str
) -> None:
    recorded = json.loads((contract / "examples" / f"{name}.json").read_text())["response"]["body"]
    whole, _ = speak(dialect, SAID[said])
    (choice,), (wanted,) = whole["choices"], recorded["choices"]
    assert keys(choice["message"]) == keys(wanted["message"])
    assert choice["finish_reason"] == wanted["finish_reason"] and whole.get("provider") == recorded.get("provider")
    assert set(recorded["usage"]) <= set(whole["usage"])
    if dialect == "bedrock":
        assert keys(whole["usage"]) == keys(recorded["usage"])


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "odd",
    [
        {"content_blocks": None},
        {"content_blocks": "blocks"},
        {"content_blocks": [None, 5]},
        {"content_blocks": [{}, {"type": "text", "text": None}, {"type": "thinking"}]},
        {"reasoning": 5, "reasoning_content": 5},
        {"content": [{"type": "text", "text": "part"}]},
        {"refusal": None, "audio": None, "tool_calls": None, "images": None, "sources": None},
    ],
    ids=lambda odd: next(iter(odd)),
)
def test_odd_messages_are_sent_all_the_same(speak: Speak, dialect: str, odd: Json) -> None:
    whole, chunks = speak(dialect, {"content": "x", **odd}, finish_reason="")
    assert whole["choices"][0]["finish_reason"] == "" and chunks[-1]["usage"]


# What only one of them does.


def choices(chunks: list[Json]) -> list[Json]:
    return [chunk["choices"][0] for chunk in chunks if chunk["choices"]]


def test_plain_sources_are_annotations(speak: Speak) -> None:
    for dialect in ("plain", "responses", "openrouter", "simulated"):
        annotations = speak(dialect, SAID["sources"])[0]["choices"][0]["message"]["annotations"]
        places = [CONTENT[a["url_citation"]["start_index"] : a["url_citation"]["end_index"]] for a in annotations]
        assert places == [source["text"] for source in SOURCES]


def test_responses_streams_have_a_usage_that_is_null(speak: Speak) -> None:
    whole, chunks = speak("responses", SAID["calls"])
    assert whole["id"].startswith("resp_") and [c["usage"] for c in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    first = next(c["delta"]["tool_calls"][0] for c in choices(chunks) if "tool_calls" in c["delta"])
    assert first == {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}


def test_simulated_streams_have_one_chunk(speak: Speak) -> None:
    _, (only, usage) = speak("simulated", SAID["thought and calls"])
    assert only["choices"][0]["finish_reason"] == "tool_calls" and only["usage"] is None
    assert [call["index"] for call in only["choices"][0]["delta"]["tool_calls"]] == [0, 1]
    assert usage["choices"] == [] and set(usage) == {"choices", "usage"}


def test_openrouter_says_everything_more_than_once(speak: Speak) -> None:
    whole, chunks = speak("openrouter", SAID["thought"])
    for delta in (choice["delta"] for choice in choices(chunks)):
        [block] = delta.get("content_blocks", [{"index": 0, "delta": {}}])
        assert block["index"] == 0 and block["delta"].get("text", "") == delta["content"]
        assert block["delta"].get("thinking") == delta.get("reasoning")
        assert delta.get("reasoning") == delta.get("reasoning_details", [{"text": None}])[0]["text"]
    assert whole["provider"] == "openrouter" and whole["usage"]["cost"] > 0


def test_bedrock_streams_as_the_gateway_does(speak: Speak) -> None:
    _, chunks = speak("bedrock", SAID["thought and calls"])
    deltas = [choice["delta"] for choice in choices(chunks)]
    assert all(delta["role"] == "assistant" for delta in deltas)
    pieces = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    heads = [piece for piece in pieces if "id" in piece]
    assert [head["function"] for head in heads] == [{"name": "f"}, {"name": "g"}]
    assert all(set(p) == {"index", "type", "function"} for p in pieces if p not in heads)
    signatures = [d["content_blocks"] for d in deltas if "signature" in str(d.get("content_blocks"))]
    assert len(signatures) == 1 and set(signatures[0][0]["delta"]) == {"signature"}
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_use" and chunks[-1]["usage"]["total_tokens"] > 0


def test_bedrock_counts_the_cache_at_the_top(say: Say) -> None:
    part = {"type": "text", "text": "All of this is known. " * 50, "cache_control": {"type": "ephemeral"}}
    talk = [{"role": "system", "content": [part]}]
    first, second = (say([*talk, {"role": "user", "content": w}], model="claude") for w in ("one", "two"))
    written, read = (answer.json()["usage"] for answer in (first, second))
    assert written["cache_read_input_tokens"] == 0 and written["cache_creation_input_tokens"] > 200
    assert read["cache_read_input_tokens"] > 200 and read["cache_creation_input_tokens"] == 0
    assert read["prompt_tokens_details"] == {"cached_tokens": read["cache_read_input_tokens"]}
    assert read["prompt_tokens"] > read["cache_read_input_tokens"]
    assert int(second.headers["x-usage-prompt-cached-tokens"]) == read["cache_read_input_tokens"]


def test_bedrock_runs_tools_of_its_own(speak: Speak) -> None:
    blocks = speak("bedrock", SAID["sources"] | SAID["code"] | {"content": CONTENT})[0]["choices"][0]["message"]
    kinds = [block["type"] for block in blocks["content_blocks"]]
    pair = ["server_tool_use", "web_search_tool_result"]
    assert kinds == [*pair, *pair, "server_tool_use", "code_execution_tool_result", "text"]
    uses, results = blocks["content_blocks"][0:6:2], blocks["content_blocks"][1:6:2]
    assert [use["id"] for use in uses] == [result["tool_use_id"] for result in results]
    assert [use["input"] for use in uses] == [{"query": "whales"}, {"query": "towers"}, {"code": "print(12)"}]
    assert results[2]["content"]["stdout"] == "12\n"
    citations = blocks["content_blocks"][-1]["citations"]
    assert [citation["cited_text"] for citation in citations] == [source["text"] for source in SOURCES]


def test_vertex_leaves_content_out_beside_calls(speak: Speak) -> None:
    whole, chunks = speak("vertex", SAID["calls"])
    message = whole["choices"][0]["message"]
    assert set(message) == {"role", "tool_calls"} and whole["provider"] == "vertex-ai"
    signatures = [call["function"]["thought_signature"] for call in message["tool_calls"]]
    assert len(set(signatures)) == 2
    [delta] = [choice["delta"] for choice in choices(chunks) if "tool_calls" in choice["delta"]]
    assert "content" not in delta and [c["function"]["arguments"] for c in delta["tool_calls"]] == [
        call["function"]["arguments"] for call in CALLS
    ]


def test_vertex_grounds_in_bytes(speak: Speak) -> None:
    whole, chunks = speak("vertex", SAID["sources"])
    grounding = whole["choices"][0]["groundingMetadata"]
    assert chunks[-1]["choices"][0]["groundingMetadata"] == grounding
    assert grounding["webSearchQueries"] == ["whales", "towers"]
    assert grounding["groundingChunks"][1] == {"web": {"uri": "https://b.example", "title": "B"}}
    first, second = grounding["groundingSupports"]
    assert "startIndex" not in first["segment"] and second["groundingChunkIndices"] == [1]
    for support, source in zip((first, second), SOURCES, strict=True):
        segment = support["segment"]
        span = CONTENT.encode()[segment.get("startIndex", 0) : segment["endIndex"]]
        assert span.decode() == segment["text"] == source["text"]
    assert {r["probability"] for r in whole["choices"][0]["safetyRatings"]} == {"NEGLIGIBLE"}


def test_vertex_code_is_in_blocks(speak: Speak) -> None:
    blocks = speak("vertex", SAID["code"])[0]["choices"][0]["message"]["content_blocks"]
    assert blocks[0] == {
        "type": "executable_code",
        "executable_code": {"language": "PYTHON", "code": "print(12)"},
    }
    assert blocks[1]["code_execution_result"] == {"outcome": "OUTCOME_OK", "output": "12\n"}


def test_perplexity_numbers_its_sources(speak: Speak) -> None:
    whole, chunks = speak("perplexity", SAID["sources"])
    urls = [source["url"] for source in SOURCES]
    assert whole["choices"][0]["message"]["content"] == "Türme wachsen.[1] Whales eat krill.[2]"
    assert [whole["citations"], *(chunk["citations"] for chunk in chunks)] == [urls] * (len(chunks) + 1)
    both = [source | {"text": "Whales eat krill."} for source in SOURCES]
    content = speak("perplexity", {"content": CONTENT, "sources": both})[0]["choices"][0]["message"]["content"]
    assert content == "Türme wachsen. Whales eat krill.[1][2]"
    assert whole["search_results"][0].keys() == {"title", "url", "date"}
    assert chunks[-1]["usage"] and chunks[-1]["choices"][0]["finish_reason"] == "stop"


# Which dialect an answer has.


@pytest.mark.parametrize(
    ("model", "dialect"),
    [
        ("anthropic/claude-sonnet-5", "bedrock"),
        ("amazon/nova-2-lite-v1", "bedrock"),
        ("google/gemini-3.7-flash", "vertex"),
        ("google/gemma-4-31b-it", "plain"),
        ("perplexity/sonar", "perplexity"),
        ("openai/gpt-5.4-nano", "responses"),
        ("openai/gpt-4o-mini", "plain"),
        ("stepfun/step-3.7-flash", "openrouter"),
        ("deepseek/deepseek-v4-flash", "plain"),
        ("community/someone/model", "plain"),
    ],
)
def test_a_model_answers_in_the_dialect_of_its_provider(model: str, dialect: str) -> None:
    assert of_model(model) is named(dialect)


def test_a_dialect_is_chosen_for_all_or_for_one(emulator: Emulator, say: Say) -> None:
    def reason(**fields: Any) -> Any:
        return say("hi", **fields).json()["choices"][0]["finish_reason"]

    assert [reason(model="claude"), reason(model="gemini"), reason(model="deepseek")] == ["end_turn", "STOP", "stop"]
    emulator.clear()
    emulator.dialect = "vertex"
    assert [reason(model="claude"), reason()] == ["STOP", "STOP"]
    emulator.reply("one", dialect="bedrock")
    emulator.reply("two")
    assert [reason(), reason(), reason()] == ["end_turn", "STOP", "STOP"]
    emulator.reset()
    assert emulator.dialect is None


def test_an_unknown_dialect_is_told_at_once(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match="plain, responses, openrouter, bedrock, vertex, perplexity, simulated"):
        emulator.reply("x", dialect="nope")
    with pytest.raises(ValueError, match="Unknown dialect 'nope'"):
        Emulator(dialect="nope")
    with pytest.raises(ValueError, match="Unknown dialect 'nope'"):
        emulator.dialect = "nope"


# Signatures come back as they went out.


def back(say: Say, message: Json, model: str = "claude") -> httpx.Response:
    talk = [{"role": "user", "content": "hi"}, message, {"role": "user", "content": "and now?"}]
    return say([{"role": "system", "content": "Be brief."}, *talk], model=model)


def test_a_thought_has_to_come_back_as_it_was(say: Say, emulator: Emulator) -> None:
    answers = [say(words, model="claude", reasoning_effort="low").json() for words in ("tides", "whales")]
    first, second = (answer["choices"][0]["message"] for answer in answers)
    assert back(say, first).status_code == back(say, second).status_code == 200
    mixed = json.loads(json.dumps(first))
    mixed["content_blocks"][0]["signature"] = second["content_blocks"][0]["signature"]
    response = back(say, mixed)
    assert response.status_code == 400
    error = response.json()["error"]
    assert "messages.1.content.0: Invalid `signature` in `thinking` block" in error["message"]
    assert error["details"]["upstreamStatus"] == 400
    first["content_blocks"][0]["thinking"] += "!"
    assert back(say, first).status_code == 400 and back(say, first, "deepseek").status_code == 200
    for signature in ({}, {"signature": "c2lnbmVk"}):
        block = {"type": "thinking", "thinking": "Hm.", **signature}
        assert back(say, {"role": "assistant", "content": "x", "content_blocks": [block]}).status_code == 200


def test_a_call_has_to_come_back_as_it_was(say: Say, emulator: Emulator) -> None:
    emulator.reply(message=SAID["calls"], dialect="vertex")
    message = say("hi", model="gemini").json()["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "ok"} for call in message["tool_calls"]]

    def given_back(calls: list[Json]) -> int:
        talk = [{"role": "user", "content": "hi"}, message | {"tool_calls": calls}, *results]
        return say(talk, model="gemini").status_code

    first, second = message["tool_calls"]
    assert given_back([first, second]) == 200
    spaced = json.dumps(json.loads(first["function"]["arguments"]), indent=2)
    assert given_back([first | {"function": first["function"] | {"arguments": spaced}}, second]) == 200
    assert given_back([first | {"function": {"name": "f", "arguments": "{}"}}, second]) == 200
    swapped = first["function"] | {"thought_signature": second["function"]["thought_signature"]}
    assert given_back([first | {"function": swapped}, second]) == 400
