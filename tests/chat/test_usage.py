"""Usage in every variant of the service, wherever it stands in a stream; and metadata, of which nothing adds up."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.ai import add_usage

from langchain_pollinations._chat.fields import parse_finish_reason, parse_usage
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from tests.helpers.ask import FORMS, TWO_FORMS

STREAMED = [form for form in FORMS if "invoke" not in form]
COUNTS = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
READ = {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}
PRICE = {"cost_usd": "0.00010310", "prompt_tokens_details": {"cached_tokens": 0}}
HEADERS = {"x-model-used": "maker/model"}


def ask(emulator: Emulator, form: str, **options: Any) -> AIMessage:
    return FORMS[form](ChatPollinations(**emulator.connection(), max_retries=0, **options), "Go")


def whole(usage: Any, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Hi."}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage, **more}


def event(content: str | None = None, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish_reason}], **more}


def play(emulator: Emulator, form: str, usage: Any) -> None:
    if "invoke" in form:
        emulator.reply(body=whole(usage), headers=HEADERS)
    else:
        events = [event("Hi."), event(finish_reason="stop"), {"choices": [], "usage": usage}]
        emulator.reply(chunks=[*events, "data: [DONE]\n\n"], headers=HEADERS)


# name, usage on the wire, in LangChain's terms
VARIANTS: list[tuple[str, Any, dict[str, Any] | None]] = [
    ("null", None, None),
    ("nothing", {}, None),
    ("the price alone", PRICE, None),
    ("counts of null", dict.fromkeys(COUNTS), None),
    ("no object", "14 tokens", None),
    ("counts", COUNTS, READ),
    ("zeros", dict.fromkeys(COUNTS, 0), dict.fromkeys(READ, 0)),
    ("no total", {"prompt_tokens": 9, "completion_tokens": 5}, READ),
    ("a null total", {**COUNTS, "total_tokens": None}, READ),
    ("the total alone", {"total_tokens": 14}, {"input_tokens": 0, "output_tokens": 0, "total_tokens": 14}),
    ("no completion", {"prompt_tokens": 9, "total_tokens": 9}, {**READ, "output_tokens": 0, "total_tokens": 9}),
    ("a total that counts more", {**COUNTS, "total_tokens": 20}, {**READ, "total_tokens": 20}),
    ("floats", {"prompt_tokens": 9.0, "completion_tokens": 5.0, "total_tokens": 14.0}, READ),
    ("a bool is no count", {**COUNTS, "completion_tokens_details": {"reasoning_tokens": True}}, READ),
    ("null details", {**COUNTS, "prompt_tokens_details": None, "completion_tokens_details": None}, READ),
    ("empty details", {**COUNTS, "prompt_tokens_details": {}, "completion_tokens_details": {}}, READ),
    ("details in no object", {**COUNTS, "prompt_tokens_details": [3], "completion_tokens_details": 3}, READ),
    (
        "details of null",
        {**COUNTS, "prompt_tokens_details": {"cached_tokens": None, "audio_tokens": 1}},
        {**READ, "input_token_details": {"audio": 1}},
    ),
    (
        "all details",
        {
            **COUNTS,
            "prompt_tokens_details": {
                "cached_tokens": 4,
                "audio_tokens": 1,
                "image_tokens": 2,
                "video_tokens": 1,
                "cache_write_tokens": 2,
            },
            "completion_tokens_details": {
                "reasoning_tokens": 3,
                "audio_tokens": 1,
                "accepted_prediction_tokens": 1,
                "rejected_prediction_tokens": 0,
            },
        },
        {
            **READ,
            "input_token_details": {"audio": 1, "cache_read": 4, "cache_creation": 2},
            "output_token_details": {"audio": 1, "reasoning": 3},
        },
    ),
    (
        "float details",
        {**COUNTS, "prompt_tokens_details": {"cached_tokens": 4.0}, "completion_tokens_details": {"audio_tokens": 1.0}},
        {**READ, "input_token_details": {"cache_read": 4}, "output_token_details": {"audio": 1}},
    ),
    ("cached_input_tokens", {**COUNTS, "cached_input_tokens": 4}, {**READ, "input_token_details": {"cache_read": 4}}),
    (
        "cache_read_input_tokens",
        {**COUNTS, "cache_read_input_tokens": 4},
        {**READ, "input_token_details": {"cache_read": 4}},
    ),
    (
        "cache_creation_input_tokens",
        {**COUNTS, "cache_creation_input_tokens": 2},
        {**READ, "input_token_details": {"cache_creation": 2}},
    ),
    ("reasoning_tokens", {**COUNTS, "reasoning_tokens": 3}, {**READ, "output_token_details": {"reasoning": 3}}),
    (
        "one count under two names, filled in one",
        {
            **COUNTS,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
            "cached_input_tokens": 0,
            "cache_read_input_tokens": 4,
            "cache_creation_input_tokens": 2,
            "reasoning_tokens": 3,
        },
        {
            **READ,
            "input_token_details": {"cache_read": 4, "cache_creation": 2},
            "output_token_details": {"reasoning": 3},
        },
    ),
    (
        "one count under two names, the same",
        {**COUNTS, "prompt_tokens_details": {"cached_tokens": 4}, "cached_input_tokens": 4},
        {**READ, "input_token_details": {"cache_read": 4}},
    ),
    ("the price beside the counts", {**COUNTS, "cost": 0.007018, "is_byok": False}, READ),
]


@pytest.mark.parametrize("form", TWO_FORMS)
@pytest.mark.parametrize(("usage", "read"), [row[1:] for row in VARIANTS], ids=[row[0] for row in VARIANTS])
def test_usage_in_every_variant(emulator: Emulator, form: str, usage: Any, read: dict[str, Any] | None) -> None:
    """Whole numbers under LangChain's names, absent where nothing was counted; the service's own beside it."""
    play(emulator, form, usage)
    answer = ask(emulator, form)
    assert answer.usage_metadata == read
    counts = [answer.usage_metadata or {}]
    counts += [value for value in counts[0].values() if isinstance(value, dict)]
    assert {type(value) for each in counts for value in each.values()} <= {int, dict}
    assert answer.response_metadata.get("token_usage") == (usage if read else None)


@pytest.mark.parametrize("count", [float("nan"), float("inf"), "9", [9], {"n": 9}], ids=repr)
def test_what_is_no_number_is_no_count(count: Any) -> None:
    assert parse_usage(dict.fromkeys(COUNTS, count)) is None
    assert parse_usage({**COUNTS, "reasoning_tokens": count}) == READ


def test_usage_of_any_variants_adds_up() -> None:
    """LangChain refuses to add floats and nulls, and an agent adds the usage of all its steps."""
    read = [usage for _, wire, _ in VARIANTS if (usage := parse_usage(wire))]
    total = reduce(add_usage, read)
    assert total["total_tokens"] == sum(usage["total_tokens"] for usage in read)
    cached = [usage.get("input_token_details", {}).get("cache_read", 0) for usage in read]
    assert total["input_token_details"]["cache_read"] == sum(cached) > 0


# --- Wherever it stands in a stream -----------------------------------------------------------------------------------

LESS = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
OTHER = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14, "reasoning_tokens": 3}

PLACES: dict[str, list[dict[str, Any]]] = {
    "alone at the end": [event("Hi."), event(finish_reason="stop"), {"choices": [], "usage": COUNTS}],
    "without choices": [event("Hi.", "stop"), {"usage": COUNTS}],
    "with the finish reason": [event("Hi."), event(finish_reason="stop", usage=COUNTS)],
    "with text and finish reason": [event("Hi.", "stop", usage=COUNTS)],
    "before the text": [{"choices": [], "usage": COUNTS}, event("Hi.", "stop")],
    "null elsewhere": [
        event("H", usage=None), event("i.", usage=None), event(finish_reason="stop", usage=COUNTS),
        {"choices": [], "usage": None},
    ],
    "on each event, growing": [
        event("H", usage=LESS), event("i.", usage=LESS), event(finish_reason="stop", usage=COUNTS),
    ],
    "on each event, the same": [event("H", usage=COUNTS), event("i.", "stop", usage=COUNTS)],
    "twice, the last counts": [event("Hi.", "stop", usage=LESS), {"choices": [], "usage": COUNTS}],
    "the prompt first": [
        event("", usage={"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}),
        event("Hi.", "stop"), {"choices": [], "usage": COUNTS},
    ],
    "details of an earlier one": [event("Hi.", "stop", usage=OTHER), {"choices": [], "usage": COUNTS}],
    "a price behind it": [event("Hi.", "stop"), {"choices": [], "usage": COUNTS}, {"choices": [], "usage": PRICE}],
    "an empty one behind it": [event("Hi.", "stop", usage=COUNTS), {"choices": [], "usage": {}}],
}  # fmt: skip


@pytest.mark.parametrize("form", ["astream", "events"])
@pytest.mark.parametrize("place", PLACES)
def test_usage_counts_once_wherever_it_stands(emulator: Emulator, form: str, place: str) -> None:
    emulator.reply(chunks=[*PLACES[place], "data: [DONE]\n\n"])
    answer = ask(emulator, form)
    assert answer.usage_metadata == READ
    assert answer.response_metadata["token_usage"] == COUNTS
    assert answer.text == "Hi."


@pytest.mark.parametrize("form", STREAMED)
def test_usage_ends_a_stream_that_says_no_done(emulator: Emulator, form: str) -> None:
    emulator.reply(chunks=[event("Hi.", "stop"), {"choices": [], "usage": COUNTS}])
    assert ask(emulator, form).usage_metadata == READ


def test_usage_is_on_one_chunk(emulator: Emulator) -> None:
    """LangChain adds what stands on several."""
    emulator.reply(chunks=[*PLACES["on each event, growing"], "data: [DONE]\n\n"])
    chunks = list(ChatPollinations(**emulator.connection()).stream("Go"))
    assert [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata] == [READ]


# --- Asked for or not -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["astream", "events"])
@pytest.mark.parametrize(
    ("built", "asked", "is_told"),
    [({}, {}, True), ({"stream_usage": False}, {}, False), ({}, {"stream_usage": False}, False),
     ({"stream_usage": False}, {"stream_usage": True}, True), ({"stream_usage": False}, {"stream_usage": None}, False)],
    ids=str,
)  # fmt: skip
def test_usage_of_streams_is_asked_for_and_told_or_neither(
    emulator: Emulator, form: str, built: dict[str, Any], asked: dict[str, Any], is_told: bool
) -> None:
    play(emulator, form, COUNTS)
    answer = FORMS[form](ChatPollinations(**emulator.connection(), **built), "Go", **asked)
    assert answer.usage_metadata == (READ if is_told else None)
    assert answer.response_metadata.get("token_usage") == (COUNTS if is_told else None)
    body = emulator.requests[-1].json
    assert body.get("stream_options") == ({"include_usage": True} if is_told else None)


@pytest.mark.parametrize("form", [form for form in FORMS if form not in STREAMED])
def test_a_whole_answer_tells_its_usage_whatever_streams_do(emulator: Emulator, form: str) -> None:
    play(emulator, form, COUNTS)
    answer = ask(emulator, form, stream_usage=False)
    assert answer.usage_metadata == READ
    assert answer.response_metadata["token_usage"] == COUNTS


@pytest.mark.parametrize("form", FORMS)
def test_media_models_count_no_tokens(emulator: Emulator, form: str) -> None:
    """Their answers have no usage, and their streams null and no chunk of usage at the end."""
    body = whole(None)
    del body["usage"]
    events = [event("Hi.", usage=None), event(finish_reason="stop", usage=None), "data: [DONE]\n\n"]
    emulator.reply(**({"body": body} if "invoke" in form else {"chunks": events}))
    answer = ask(emulator, form)
    assert answer.usage_metadata is None
    assert "token_usage" not in answer.response_metadata
    assert (answer.text, answer.response_metadata["finish_reason"]) == ("Hi.", "stop")


# LangChain tells callbacks of the end of async events only after it has handed out their answer.
@pytest.mark.parametrize("form", [form for form in FORMS if form != "aevents"])
def test_langchains_callback_counts_by_model(emulator: Emulator, form: str) -> None:
    chat = ChatPollinations(**emulator.connection())
    with get_usage_metadata_callback() as counted:
        for model, usage in (("openai", COUNTS), ("openai", OTHER), ("claude", LESS)):
            emulator.reply("Hi.", usage=usage, dialect="plain")
            FORMS[form](chat, [HumanMessage("Go")], model=model)
    assert counted.usage_metadata == {
        "openai/gpt-5.4-nano": {
            "input_tokens": 18,
            "output_tokens": 10,
            "total_tokens": 28,
            "output_token_details": {"reasoning": 3},
        },
        "anthropic/claude-sonnet-4.6": {**READ, "output_tokens": 1, "total_tokens": 10},
    }


# --- Metadata ---------------------------------------------------------------------------------------------------------

FACTS: dict[str, Any] = {  # of the body, or on each event of a stream
    "id": "pllns_1",
    "created": 1763600000,
    "model": "gpt-5.4-nano-2026",
    "system_fingerprint": "fp_1",
    "service_tier": "default",
    "provider": "azure-openai",
    "a_float": 0.25,
    "an_int": 3,
    "a_bool": False,
    "a_list": [1, 2],
    "an_object": {"of": "words", "and": [True, 0.5], "n": 7},
}
BESIDE: dict[str, Any] = {  # of the choice
    "native_finish_reason": "completed",
    "matched_stop": 1,
    "content_filter_results": {"hate": {"filtered": True, "severity": "high"}},
}
EMPTY: dict[str, Any] = {"id": "", "created": None, "model": "", "system_fingerprint": None, "an_object": {}}


@pytest.mark.parametrize("form", TWO_FORMS)
@pytest.mark.parametrize("has_header", [True, False])
def test_metadata_is_told_once_and_never_added_up(emulator: Emulator, form: str, has_header: bool) -> None:
    headers = {"x-model-used": "openai/gpt-5.4-nano", "x-request-id": "r"} if has_header else {"x-request-id": "r"}
    if "invoke" in form:
        body = whole(COUNTS, **FACTS)
        body["choices"][0] |= BESIDE
        emulator.reply(body=body, headers=headers)
    else:
        events = [{**EMPTY, "choices": []}, *(event(letter, **FACTS) for letter in "Hi.")]
        events += [
            event(finish_reason="stop", **FACTS),
            {"choices": [], "usage": COUNTS, **FACTS},
            {"choices": [], **EMPTY},
        ]
        for each in events[1:-2]:
            each["choices"][0] |= BESIDE
        emulator.reply(chunks=[*events, "data: [DONE]\n\n"], headers=headers)
    answer = ask(emulator, form, seed=7)
    told = {key: value for key, value in answer.response_metadata.items() if key != "output_version"}
    model = told.pop("model_name")
    assert model == ("openai/gpt-5.4-nano" if has_header else "gpt-5.4-nano-2026")
    assert told == {
        **{key: value for key, value in FACTS.items() if key != "model"},
        **BESIDE,
        "cost": "0.0000060375",
        "model_provider": "pollinations",
        "requested_model": "openai",
        "request_id": "r",
        "seed": 7,
        "finish_reason": "stop",
        "token_usage": COUNTS,
    }


@pytest.mark.parametrize("form", STREAMED)
def test_a_fact_that_changes_is_told_as_it_was_last(emulator: Emulator, form: str) -> None:
    changing = [{"a_float": 0.1 * n, "a_bool": n % 2 == 0, "an_int": n, "word": f"w{n}"} for n in range(5)]
    events = [event(str(n), **facts) for n, facts in enumerate(changing)]
    emulator.reply(chunks=[*events, event(finish_reason="stop", usage=COUNTS), "data: [DONE]\n\n"])
    told = ask(emulator, form).response_metadata
    assert {key: told[key] for key in changing[-1]} == changing[-1]


@pytest.mark.parametrize("form", FORMS)
def test_log_probabilities_are_all_there(emulator: Emulator, form: str) -> None:
    tokens = [{"token": letter, "logprob": -0.5, "bytes": [ord(letter)], "top_logprobs": []} for letter in "Hi."]
    if "invoke" in form:
        body = whole(COUNTS)
        body["choices"][0]["logprobs"] = {"content": tokens, "refusal": None}
        emulator.reply(body=body)
    else:
        events = [event(token["token"]) for token in tokens]
        for each, token in zip(events, tokens, strict=True):
            each["choices"][0]["logprobs"] = {"content": [token], "refusal": None}
        events[-1]["choices"].append({"index": 1, "delta": {"content": "unasked"}})
        emulator.reply(chunks=[*events, event(finish_reason="stop", usage=COUNTS), "data: [DONE]\n\n"])
    answer = ask(emulator, form)
    assert answer.response_metadata["logprobs"]["content"] == tokens
    assert answer.text == "Hi."


@pytest.mark.parametrize(
    ("reason", "has_calls", "word"),
    [
        ("stop", False, "stop"),
        (None, False, "stop"),
        ("", False, "stop"),
        ("end_turn", False, "stop"),
        ("stop_sequence", False, "stop"),
        ("pause_turn", False, "stop"),
        ("STOP", False, "stop"),
        ("length", False, "length"),
        ("max_tokens", False, "length"),
        ("MAX_TOKENS", False, "length"),
        ("tool_use", False, "tool_calls"),
        ("SAFETY", False, "content_filter"),
        ("content_filtered", False, "content_filter"),
        ("guardrail_intervened", False, "content_filter"),
        ("PROHIBITED_CONTENT", False, "content_filter"),
        ("BLOCKLIST", False, "content_filter"),
        ("SPII", False, "content_filter"),
        ("RECITATION", False, "RECITATION"),
        ("error", False, "error"),
        ("something new", False, "something new"),
        (7, False, "stop"),
        ("STOP", True, "tool_calls"),
        ("max_tokens", True, "length"),
    ],
)
def test_finish_reasons_in_standard_words(reason: Any, has_calls: bool, word: str) -> None:
    assert parse_finish_reason(reason, has_calls) == word
