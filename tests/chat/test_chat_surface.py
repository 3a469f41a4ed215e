"""Options in every place where one can be given, and what LangChain's own machinery does with our model."""

from __future__ import annotations

import asyncio
import copy
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import httpx
import jsonschema
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd, dumps, load
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.rate_limiters import BaseRateLimiter, InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField
from pydantic import BaseModel

from langchain_pollinations._chat.options import ChatOptions
from langchain_pollinations.catalog import list_models
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import AuthenticationError, InvalidRequestError, RateLimitError, ServiceError
from tests.helpers.ask import WAYS, Ask
from tests.helpers.samples import get_weather
from tests.helpers.wire import sent

STREAMS = ("stream", "astream")


class Joke(BaseModel):
    """A joke to tell."""

    setup: str
    punchline: str


# --- Options ----------------------------------------------------------------------------------------------------------

# field, a value, another value, values that are refused
OPTIONS: dict[str, tuple[Any, Any, list[Any]]] = {
    "model": ("openai/gpt-oss-20b", "openai/gpt-5-nano", ["", 5, ["openai"]]),
    "seed": (7, 0, [2**31, -2, 1.5, "x"]),
    "temperature": (0.0, 2, [2.1, -0.1, "hot", float("nan"), float("inf")]),
    "top_p": (0.5, 1, [1.1, -0.1, "x"]),
    "top_k": (40, 1, [1.5, "x"]),
    "min_p": (0.1, 0, ["x"]),
    "max_tokens": (50, 0, [-1, 1.5, "x"]),
    "max_completion_tokens": (60, 1, [-1, 1.5]),
    "stop": (["END"], "x", [list("abcde"), [1], 5]),
    "frequency_penalty": (0.1, -2, [2.1, -2.1]),
    "presence_penalty": (-0.1, 2, [2.1, -2.1]),
    "repetition_penalty": (1.1, 0, [2.1, -0.1]),
    "logit_bias": ({"50256": -100}, {"1": 1}, [{"a": float("nan")}, {"a": "x"}, [1]]),
    "logprobs": (True, False, ["maybe", 2]),
    "top_logprobs": (2, 20, [21, -1]),
    "n": (1, 1, [2, 0, "x"]),
    "user": ("someone", "", [5, object()]),
    "parallel_tool_calls": (False, True, ["maybe"]),
    "functions": (
        [{"name": "f", "parameters": {"type": "object", "properties": {}}}],
        [{"name": "g"}],
        [[], [{}], [{"name": "f", "x": 1}]],
    ),
    "function_call": ("auto", {"name": "f"}, ["f", 5]),
    "response_format": (
        {"type": "text"},
        {"type": "json_schema", "json_schema": {"schema": {"type": "object"}, "name": "x"}},
        ["json", {"type": "xml"}, {"type": "json_schema"}, {"type": "text", "json_schema": {"schema": {}}}],
    ),
    "reasoning_effort": ("low", "max", ["ultra", "", 5]),
    "reasoning": ({"effort": "low"}, {"max_tokens": 5}, ["low"]),
    "include_reasoning": (True, False, ["maybe"]),
    "verbosity": ("low", "high", [5]),
    "modalities": (["text"], ["text", "audio"], [["video"], "text"]),
    "audio": (
        {"voice": "alloy", "format": "wav"}, {"voice": "sage", "format": "pcm16"},
        [{"format": "mp3"}, {"voice": "alloy", "format": "aac"}, {"voice": "bob", "format": "mp3"}],
    ),
    "prediction": ({"type": "content", "content": "x"}, {"type": "content", "content": "y"}, ["x"]),
    "web_search_options": (
        {"search_context_size": "low"}, {"search_context_size": "high", "user_location": {"country": "PT"}},
        [{}, {"search_context_size": "huge"}],
    ),
    "search_domain_filter": (["example.com"], [], ["example.com", [5]]),
    "search_recency_filter": ("week", "day", [5]),
    "prompt_cache_key": ("k", "l", [5]),
    "prompt_cache_options": ({"mode": "explicit"}, {"ttl": "30m"}, [{"mode": "x"}, {"ttl": "1h"}, {"other": 1}]),
    "prompt_cache_retention": ("24h", "in_memory", ["1h"]),
    "service_tier": ("auto", "flex", [5]),
    "safe": ("privacy,secrets", True, ["privacy,foo", 5]),
}  # fmt: skip
SPEAKS = {"modalities": "openai/gpt-audio-mini"}  # sound is asked of models that speak


def test_every_option_has_its_row() -> None:
    assert OPTIONS.keys() == ChatOptions.model_fields.keys()


def _configured(service: dict[str, str], name: str, value: Any) -> Any:
    field = ConfigurableField(id=f"my_{name}")
    return ChatPollinations(**service).configurable_fields(**{name: field}).with_config(configurable={field.id: value})


def _alternative(service: dict[str, str], name: str, value: Any) -> Any:
    other = ChatPollinations(**service, **{name: value})
    return ChatPollinations(**service).configurable_alternatives(
        ConfigurableField(id="which"), other=other
    ).with_config(configurable={"which": "other"})  # fmt: skip


def _set(service: dict[str, str], name: str, value: Any) -> Any:
    chat = ChatPollinations(**service)
    setattr(chat, name, value)
    return chat


PLACES: dict[str, Callable[[dict[str, str], str, Any], Any]] = {
    "constructor": lambda service, name, value: ChatPollinations(**service, **{name: value}),
    "bind": lambda service, name, value: ChatPollinations(**service).bind(**{name: value}),
    "bind_tools": lambda service, name, value: ChatPollinations(**service).bind_tools([], **{name: value}),
    "bound over another": lambda service, name, value: ChatPollinations(**service, **{name: OPTIONS[name][1]}).bind(
        **{name: value}
    ),
    "configurable_fields": _configured,
    "configurable_alternatives": _alternative,
    "model_copy": lambda service, name, value: ChatPollinations(**service).model_copy(update={name: value}),
    "attribute": _set,
}


def _options_in_places() -> list[tuple[str, str]]:
    """Each option in two places, and some options in all of them: the places treat options alike.

    LangChain has a parameter of its own for `stop`, and `model` decides what else goes out.
    """
    first, *others = PLACES
    return [
        (name, place)
        for number, name in enumerate(OPTIONS)
        for place in (PLACES if name in ("model", "stop", "temperature") else (first, others[number % len(others)]))
    ]


@pytest.mark.parametrize(("name", "place"), _options_in_places())
def test_an_option_goes_out_wherever_it_was_given(
    emulator: Emulator, validator: jsonschema.Draft202012Validator, name: str, place: str
) -> None:
    value = OPTIONS[name][0]
    emulator.reply("Yes.")
    assert PLACES[place](emulator.connection(), name, value).invoke("Hi").text == "Yes."
    body = sent(emulator)
    assert body == {"model": "openai", "messages": [{"role": "user", "content": "Hi"}], name: value}
    validator.validate(body)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_call_overrules_what_was_set_before(
    emulator: Emulator, ask: Ask, validator: jsonschema.Draft202012Validator, name: str
) -> None:
    first, second, _ = OPTIONS[name]
    model = {"model": SPEAKS[name], "audio": {"voice": "alloy", "format": "pcm16"}} if name in SPEAKS else {}
    chat = ChatPollinations(**{**emulator.connection(), **model, name: first})
    emulator.reply("Yes.", times=3)
    ask(chat, "Hi, as JSON", **{name: second})
    assert sent(emulator)[name] == second
    validator.validate(sent(emulator))
    # LangChain passes stop=None for a stop that was not given, so its other name has to say it.
    unset = {"stop_sequences" if name == "stop" else name: None}
    ask(chat, "Hi, as JSON", **unset)
    assert sent(emulator).get(name) == (first if name == "model" else None)
    ask(chat.bind(**unset), "Hi, as JSON")
    assert sent(emulator).get(name) == (first if name == "model" else None)


def test_a_call_may_have_no_stop_at_all(emulator: Emulator, ask: Ask) -> None:
    ask(ChatPollinations(**emulator.connection(), stop=["x"]), "Hi", stop=[])
    assert "stop" not in sent(emulator)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, bad, id=f"{name}-{place}")
        for name, row in OPTIONS.items()
        for place, bad in enumerate(row[2])
    ],
)
def test_a_bad_value_is_named_before_the_call(
    emulator: Emulator, chat: ChatPollinations, name: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=rf"\b{name}\b"):
        ChatPollinations(**{**emulator.connection(), name: value})
    for way in WAYS.values():
        with pytest.raises(InvalidRequestError, match=rf"\b{name}\b"):
            way(chat, "Hi", **{name: value})
    with pytest.raises(InvalidRequestError, match=rf"\b{name}\b"):
        chat.bind(**{name: value}).invoke("Hi")
    assert emulator.requests == []


ALL = {name: row[0] for name, row in OPTIONS.items()}


@pytest.mark.parametrize("where", ["constructor", "call", "bind"])
def test_all_options_go_out_together(
    emulator: Emulator, ask: Ask, validator: jsonschema.Draft202012Validator, where: str
) -> None:
    emulator.reply("Yes.")
    if where == "constructor":
        ask(ChatPollinations(**emulator.connection(), **ALL), "Hi")
    elif where == "call":
        ask(ChatPollinations(**emulator.connection()), "Hi", **ALL)
    else:
        ask(ChatPollinations(**emulator.connection()).bind(**ALL), "Hi")
    body = sent(emulator)
    assert {name: body[name] for name in ALL} == ALL
    validator.validate(body)


def test_nothing_is_sent_that_was_not_asked_for(emulator: Emulator, chat: ChatPollinations, ask: Ask) -> None:
    ask(chat, "Hi")
    body = sent(emulator)
    streamed = {"stream": True, "stream_options": {"include_usage": True}} if "stream" in body else {}
    assert body == {"model": "openai", "messages": [{"role": "user", "content": "Hi"}], **streamed}
    ask(chat, "Hi", stop=[])
    assert sent(emulator) == body


@pytest.mark.filterwarnings("ignore:unknown argument 'unheard_of'")
@pytest.mark.parametrize(
    ("options", "call", "wire"),
    [
        pytest.param({"extra_body": {"x": 1}}, {}, {"x": 1}, id="extra_body"),
        pytest.param({}, {"extra_body": {"x": 1}}, {"x": 1}, id="extra_body of a call"),
        pytest.param({"extra_body": {"x": 1, "y": 1}}, {"extra_body": {"x": 2}}, {"x": 2, "y": 1}, id="both"),
        pytest.param({"extra_body": {"x": 1}}, {"extra_body": None}, {"x": 1}, id="none for a call"),
        pytest.param({"temperature": 1, "extra_body": {"temperature": 0.5}}, {"temperature": 0}, {"temperature": 0.5},
                     id="extra_body is the last word"),
        pytest.param({"model": "openai", "extra_body": {"model": "openai-fast"}}, {}, {"model": "openai-fast"},
                     id="the model too"),
        pytest.param({"model_kwargs": {"x": 1}}, {}, {"x": 1}, id="model_kwargs"),
        pytest.param({"model_kwargs": {"x": 1}, "extra_body": {"x": 2}}, {}, {"x": 2}, id="over model_kwargs"),
        pytest.param({}, {"unheard_of": [1]}, {"unheard_of": [1]}, id="unknown in a call"),
        pytest.param({}, {"unheard_of": None}, {}, id="unknown and none"),
        pytest.param({}, {"system": "Be brief."}, {"system": "Be brief."}, id="an older form"),
        pytest.param({}, {"tools": []}, {"tools": []}, id="no tools, said aloud"),
        pytest.param({"stop": ["a"]}, {"stop": ["b"]}, {"stop": ["b"]}, id="stop of a call"),
        pytest.param({"stop": ["a"]}, {"stop_sequences": ["b"]}, {"stop": ["b"]}, id="stop by its other name"),
        pytest.param({}, {"model_name": "openai-fast"}, {"model": "openai-fast"}, id="model by its other name"),
    ],
)  # fmt: skip
def test_fields_that_we_do_not_know_go_out_as_they_are(
    emulator: Emulator, ask: Ask, options: dict[str, Any], call: dict[str, Any], wire: dict[str, Any]
) -> None:
    emulator.reply("Yes.")
    ask(ChatPollinations(**emulator.connection(), **options), "Hi", **call)
    body = sent(emulator)
    ours = {"messages", "stream", "stream_options"} | ({"model"} - wire.keys())
    assert {key: value for key, value in body.items() if key not in ours} == wire


@pytest.mark.filterwarnings("ignore:unknown argument 'unheard_of'")
@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param({"api_key": "sk_x"}, "api_key: an argument of the constructor", id="a key"),
        pytest.param({"base_url": "http://x"}, "base_url: an argument of the constructor", id="an address"),
        pytest.param({"max_retries": 5}, "max_retries: an argument of the constructor", id="retries"),
        pytest.param({"model_kwargs": {"x": 1}}, "model_kwargs: an argument of the constructor", id="model_kwargs"),
        pytest.param({"default_headers": {"x": "1"}}, "default_headers: an argument", id="headers"),
        pytest.param({"streaming": True}, "streaming: an argument of the constructor", id="streaming"),
        pytest.param({"extra_body": {"x": {1, 2}}}, "cannot be written as JSON", id="no JSON"),
        pytest.param({"unheard_of": float("nan")}, "cannot be written as JSON", id="not a number"),
        pytest.param({"tools": [object()]}, "tool 'object' cannot be described", id="no tool"),
        pytest.param({"tool_choice": "f"}, "tool_choice 'f' requires at least one", id="a choice without tools"),
        pytest.param({"n": 3}, "n: the service returns one choice only; for several answers, call batch with seed=-1",
                     id="several answers"),
        pytest.param({"extra_body": 5}, "extra_body", id="extra_body"),
        pytest.param({"tools": 5}, "tools", id="tools"),
    ],
)  # fmt: skip
def test_a_call_that_cannot_be_made_says_why(
    emulator: Emulator, chat: ChatPollinations, ask: Ask, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        ask(chat, "Hi", **options)
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"api": "legacyy"}, "api"),
        ({"base_url": "gen.pollinations.ai"}, "base_url must be an origin"),
        ({"base_url": "https://gen.pollinations.ai/v1/chat/completions"}, "bare origin"),
        ({"base_url": "https://gen.pollinations.ai?key=sk_1"}, "bare origin"),
        ({"timeout": "soon"}, "timeout"),
        ({"timeout": 0}, "more than 0 seconds"),
        ({"timeout": (1, -1, 1, 1)}, "more than 0 seconds"),
        ({"max_retries": -1}, "max_retries"),
        ({"async_transport": "trio"}, "async_transport"),
        ({"stream_chunk_timeout": -1}, "stream_chunk_timeout"),
        ({"extra_body": 5}, "extra_body"),
        ({"default_headers": 5}, "default_headers"),
        ({"model": "a", "model_name": "b"}, "two names of one field"),
        ({"stop": ["a"], "stop_sequences": ["b"]}, "two names of one field"),
        ({"model_kwargs": {"temperature": 1}}, "model_kwargs: give temperature"),
        ({"model_kwargs": {"tools": []}}, "belongs to a call"),
        ({"model_kwargs": {"messages": []}}, "belongs to a call"),
        ({"model_kwargs": {"my_key": "x"}}, "looks like a secret"),
        ({"model_kwargs": {"x": "sk_hidden_key"}}, "the value of 'x' looks like a secret"),
        ({"model_kwargs": {"x": 1}, "x": 2}, "x given twice"),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore:unknown argument 'x'")
def test_bad_arguments_of_the_constructor_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        ChatPollinations(**{"api_key": "sk_secret", **options})
    assert "sk_" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ({"model_name": "openai/gpt-5-nano"}, "model", "openai/gpt-5-nano"),
        ({"model": "openai/gpt-5-nano"}, "model_name", "openai/gpt-5-nano"),
        ({"request_timeout": 5}, "timeout", 5.0),
        ({"stop_sequences": ["a"]}, "stop", ["a"]),
        ({"jsonMode": True}, "json_mode", True),
        ({"stream": True}, "streaming", True),
        ({"timeout": (1, 2, 3, 4)}, "timeout", (1.0, 2.0, 3.0, 4.0)),
        ({"timeout": None}, "timeout", 300.0),
        ({"timeout": (5, 60)}, "timeout", (5.0, 60.0)),
        ({"max_retries": None}, "max_retries", 2),
        ({"base_url": None}, "base_url", "https://gen.pollinations.ai"),
        ({"base_url": "https://gen.pollinations.ai/v1/"}, "base_url", "https://gen.pollinations.ai"),
        ({"base_url": "http://127.0.0.1:8787/"}, "base_url", "http://127.0.0.1:8787"),
    ],
    ids=repr,
)
def test_fields_go_by_the_names_that_people_know(given: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(ChatPollinations(api_key="sk_x", **given), field) == value


def test_a_key_goes_by_its_long_name() -> None:
    key = ChatPollinations(pollinations_api_key="sk_x").api_key
    assert key is not None
    assert key.get_secret_value() == "sk_x"


def test_a_misspelt_argument_is_warned_of_and_sent(emulator: Emulator) -> None:
    with pytest.warns(UserWarning, match="'temprature', did you mean 'temperature'"):
        chat = ChatPollinations(**emulator.connection(), temprature=0)
    chat.invoke("Hi")
    assert sent(emulator)["temprature"] == 0
    with pytest.warns(UserWarning, match="'max_token', did you mean 'max_tokens'"):
        chat.invoke("Hi", max_token=3)


@pytest.mark.parametrize("place", ["constructor", "call"])
def test_a_random_seed_is_drawn_for_each_call_and_reported(emulator: Emulator, ask: Ask, place: str) -> None:
    chat = ChatPollinations(**emulator.connection(), **({"seed": -1} if place == "constructor" else {"seed": 5}))
    told = [ask(chat, "Hi", **({"seed": -1} if place == "call" else {})).response_metadata["seed"] for _ in range(3)]
    assert [request.json["seed"] for request in emulator.requests] == told
    assert len(set(told)) == 3


# What the service takes although it makes no sense, and we do not.
STRICTER = {"model=", "max_completion_tokens=", "n=", "verbosity=", "service_tier=", "reasoning=", "key="}


@pytest.mark.filterwarnings("ignore:unknown argument")
def test_we_never_send_options_that_the_service_refuses(
    emulator: Emulator, chat: ChatPollinations, example: Any, validator: jsonschema.Draft202012Validator
) -> None:
    hello = [{"role": "user", "content": "hi"}]
    complained = 0
    for case in example("verdicts")["cases"]:
        options = {name: value for name, value in case["payload"].items() if name not in ("messages", "metadata")}
        if case["schema"] != "chat_completions.request" or case["payload"].get("messages") != hello or not options:
            continue
        options.pop("stream", None)
        emulator.clear()
        emulator.reply("Yes")
        try:
            chat.invoke("hi", **options)
        except InvalidRequestError as error:
            if error.status_code is not None:
                continue  # an unknown model, say: no matter of the schema
            complained += 1
            assert emulator.requests == [], case["name"]
            assert not case["accepted"] or case["name"].partition("=")[0] + "=" in STRICTER, case["name"]
        else:
            validator.validate(sent(emulator))
    assert complained > 50


def test_one_endpoint_is_asked_however_it_is_asked(emulator: Emulator, ask: Ask) -> None:
    """The Responses endpoint is not wrapped: no option leads there."""
    with pytest.warns(UserWarning, match="unknown argument 'use_responses_api'"):
        chat = ChatPollinations(**emulator.connection(), use_responses_api=True)
    ask(chat, "Hi")
    ask(chat.bind_tools([get_weather]), "Hi", reasoning={"effort": "low"})
    assert {(request.method, request.path) for request in emulator.requests} == {("POST", "/v1/chat/completions")}


# --- Headers ----------------------------------------------------------------------------------------------------------


def test_headers_of_yours_go_along_and_are_written_down_nowhere(emulator: Emulator, ask: Ask) -> None:
    chat = ChatPollinations(**emulator.connection(), default_headers={"X-Team": "blue", "x-secret": "hidden"})
    ask(chat, "Hi")
    assert emulator.requests[-1].headers["x-team"] == "blue"
    for shown in (repr(chat), dumps(chat), str(chat._identifying_params), chat.model_dump_json()):
        assert "blue" not in shown
        assert "hidden" not in shown


def test_an_authorization_of_yours_needs_no_key(emulator: Emulator, ask: Ask) -> None:
    chat = ChatPollinations(base_url=emulator.url, default_headers={"AUTHORIZATION": "Bearer sk_emulator"})
    assert ask(chat, "Hi").text
    assert emulator.requests[-1].headers["authorization"] == "Bearer sk_emulator"


def test_a_changed_header_counts_at_once(emulator: Emulator, chat: ChatPollinations, ask: Ask) -> None:
    ask(chat, "Hi")
    chat.default_headers = {"x-team": "red"}
    ask(chat, "Hi")
    assert [request.headers.get("x-team") for request in emulator.requests] == [None, "red"]


# --- Answers kept by LangChain ----------------------------------------------------------------------------------------


def _changed(name: str, value: Any) -> Callable[[ChatPollinations], Any]:
    def change(chat: ChatPollinations) -> ChatPollinations:
        chat.invoke("Hi")  # so that LangChain knows the model as it was
        setattr(chat, name, value)
        return chat

    return change


def _inside(chat: ChatPollinations) -> ChatPollinations:
    chat.invoke("Hi")
    chat.model_kwargs["x"] = 2
    return chat


def _in_a_copy(chat: ChatPollinations, deep: bool) -> ChatPollinations:
    chat.invoke("Hi")
    twin = copy.deepcopy(chat) if deep else copy.copy(chat)
    twin.seed = 1
    return twin


VARIANTS: dict[str, Any] = {
    **{name: (lambda chat, name=name: chat.bind(**{name: ALL[name]})) for name in ALL if name != "model"},
    "another model": lambda chat: chat.bind(model="openai-fast"),
    "JSON mode": lambda chat: chat.bind(json_mode=True),
    "extra_body": lambda chat: chat.bind(extra_body={"x": 1}),
    "tools": lambda chat: chat.bind_tools([get_weather]),
    "a schema": lambda chat: chat.with_structured_output(Joke, method="json_schema").first,
    "JSON mode, set": _changed("json_mode", True),
    "a seed, set": _changed("seed", 1),
    "another address": lambda chat: chat.model_copy(
        update={"base_url": chat.base_url.replace("127.0.0.1", "localhost")}
    ),
    "a seed in a model_copy": lambda chat: chat.model_copy(update={"seed": 1}),
    "a seed in a deep model_copy": lambda chat: chat.model_copy(update={"seed": 1}, deep=True),
    "a seed in a copy": lambda chat: _in_a_copy(chat, deep=False),
    "a seed in a deep copy": lambda chat: _in_a_copy(chat, deep=True),
    "a changed dict": _inside,
}


@pytest.mark.parametrize(
    "variant",
    [pytest.param(make, id=name) for name, make in VARIANTS.items()],
)
def test_a_kept_answer_answers_the_same_question_only(emulator: Emulator, variant: Any) -> None:
    cache = InMemoryCache()
    chat = ChatPollinations(**emulator.connection(), cache=cache, model_kwargs={"x": 1})
    chat.invoke("Hi")
    other = variant(chat)
    assert len(emulator.requests) == 1
    for _ in range(2):
        other.invoke("Hi")
    assert len(emulator.requests) == 2
    for kept in cache._cache.values():
        assert "sk_emulator" not in str(kept)


def test_a_kept_answer_is_the_same_for_an_equal_model(emulator: Emulator, ask: Ask) -> None:
    cache = InMemoryCache()
    texts = {
        ask(ChatPollinations(**emulator.connection(), cache=cache, seed=3, disable_streaming=True), "Hi").text
        for _ in range(3)
    }
    assert (len(texts), len(emulator.requests)) == (1, 1)
    assert "sk_emulator" not in str(list(cache._cache))


def test_a_model_may_refuse_to_keep_answers(emulator: Emulator) -> None:
    chat = ChatPollinations(**emulator.connection(), cache=False)
    chat.invoke("Hi")
    chat.invoke("Hi")
    assert len(emulator.requests) == 2


# --- Limits, retries, fallbacks, batches ------------------------------------------------------------------------------


class Turnstile(BaseRateLimiter):
    passed = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        self.passed += 1
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        return self.acquire()


def test_each_call_passes_the_rate_limiter_once(emulator: Emulator, ask: Ask) -> None:
    limiter = Turnstile()
    chat = ChatPollinations(**emulator.connection(), rate_limiter=limiter)
    ask(chat, "Hi")
    ask(chat.bind_tools([get_weather]), "Hi")
    assert (limiter.passed, len(emulator.requests)) == (2, 2)


def test_langchains_own_rate_limiter_holds_calls_back(emulator: Emulator, ask: Ask) -> None:
    limiter = InMemoryRateLimiter(requests_per_second=1000, check_every_n_seconds=0.001, max_bucket_size=1)
    assert ask(ChatPollinations(**emulator.connection(), rate_limiter=limiter), "Hi").text


def test_with_retry_asks_again(emulator: Emulator, ask: Ask) -> None:
    emulator.fail(503)
    chat = ChatPollinations(**emulator.connection(), max_retries=0)
    retrying = chat.with_retry(retry_if_exception_type=(ServiceError,), wait_exponential_jitter=False)
    if ask in (WAYS["stream"], WAYS["astream"]):
        # LangChain repeats no stream.
        with pytest.raises(ServiceError):
            ask(retrying, "Hi")
    else:
        assert ask(retrying, "Hi").text
        assert len(emulator.requests) == 2


def test_with_fallbacks_asks_another(emulator: Emulator, ask: Ask) -> None:
    broken = ChatPollinations(base_url=emulator.url, api_key="sk_wrong")
    good = ChatPollinations(**emulator.connection(), model="openai-fast")
    assert ask(broken.with_fallbacks([good]), "Hi").text
    assert [request.json["model"] for request in emulator.requests] == ["openai", "openai-fast"]


class Crowd(BaseCallbackHandler):
    """How many calls run at once, at most."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.lock = threading.Lock()

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
        with self.lock:
            self.now -= 1


@pytest.mark.parametrize("is_async", [False, True])
def test_a_batch_keeps_order_and_limit(emulator: Emulator, is_async: bool) -> None:
    emulator.latency = 0.03
    crowd = Crowd()
    chat = ChatPollinations(**emulator.connection(), callbacks=[crowd])
    asked = [f"Say {n}" for n in range(8)]
    if is_async:
        answers = asyncio.run(chat.abatch(asked, {"max_concurrency": 3}))
    else:
        answers = chat.batch(asked, {"max_concurrency": 3})
    assert [answer.text for answer in answers] == [chat.invoke(question).text for question in asked]
    assert 1 < crowd.most <= 3


@pytest.mark.parametrize("is_async", [False, True])
def test_a_batch_may_give_back_its_errors(chat: ChatPollinations, is_async: bool) -> None:
    asked: list[Any] = ["Hi", [], "Ho"]
    if is_async:
        answers = asyncio.run(chat.abatch(asked, return_exceptions=True))
    else:
        answers = chat.batch(asked, return_exceptions=True)
    assert [type(answer) for answer in answers] == [AIMessage, InvalidRequestError, AIMessage]


# --- Streaming switches and callbacks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "tools", "streams"),
    [
        pytest.param({}, False, (False, True), id="as asked"),
        pytest.param({"streaming": True}, False, (True, True), id="streaming"),
        pytest.param({"disable_streaming": True}, False, (False, False), id="disabled"),
        pytest.param({"disable_streaming": "tool_calling"}, False, (False, True), id="disabled with tools, without"),
        pytest.param({"disable_streaming": "tool_calling"}, True, (False, False), id="disabled with tools"),
        pytest.param({"streaming": True, "disable_streaming": True}, False, (False, False), id="both"),
    ],
)
def test_who_streams(emulator: Emulator, options: dict[str, Any], tools: bool, streams: tuple[bool, bool]) -> None:
    chat = ChatPollinations(**emulator.connection(), **options)
    model = chat.bind_tools([get_weather]) if tools else chat
    for ways, expected in ((("invoke", "ainvoke"), streams[0]), (STREAMS, streams[1])):
        for way in ways:
            assert WAYS[way](model, "Hello there").text
            assert sent(emulator).get("stream", False) is expected


class Tokens(BaseCallbackHandler):
    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.started: list[dict[str, Any]] = []
        self.ended = 0

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.started.append(kwargs)

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.tokens.append(token)

    def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
        self.ended += 1


def test_token_callbacks_see_every_chunk_once(emulator: Emulator) -> None:
    emulator.reply("One, two, three, four.", times=5)
    chat = ChatPollinations(**emulator.connection())
    streaming = ChatPollinations(**emulator.connection(), streaming=True)
    for run in (
        lambda config: list(chat.stream("Count", config)),
        lambda config: asyncio.run(_collected(chat.astream("Count", config))),
        lambda config: streaming.invoke("Count", config),
        lambda config: asyncio.run(streaming.ainvoke("Count", config)),
        lambda config: chat.stream_events("Count", config, version="v3").output,
    ):
        tokens = Tokens()
        run({"callbacks": [tokens]})
        assert "".join(tokens.tokens) == "One, two, three, four."
        assert len([token for token in tokens.tokens if token]) > 2
        assert (len(tokens.started), tokens.ended) == (1, 1)


async def _collected(stream: Any) -> list[Any]:
    return [each async for each in stream]


def test_binding_keeps_callbacks(emulator: Emulator) -> None:
    tokens = Tokens()
    chat = ChatPollinations(**emulator.connection(), callbacks=[tokens])
    chat.bind_tools([get_weather]).invoke("Hi")
    chat.bind(seed=1).with_config(tags=["mine"]).invoke("Hi")
    chat.with_structured_output(Joke).invoke("Tell a joke")
    assert len(tokens.started) == 3


def test_version_2_events_stream_the_text(chat: ChatPollinations) -> None:
    events = asyncio.run(_collected(chat.astream_events("Hi", version="v2")))
    pieces = [event["data"]["chunk"].text for event in events if event["event"] == "on_chat_model_stream"]
    assert len(pieces) > 2
    assert "".join(pieces) == events[-1]["data"]["output"].text == chat.invoke("Hi").text


@pytest.mark.filterwarnings("ignore:astream_log is deprecated")
def test_a_log_holds_the_answer(chat: ChatPollinations) -> None:
    patches = asyncio.run(_collected(chat.astream_log("Hi")))
    state = patches[0]
    for patch in patches[1:]:
        state = state + patch
    assert state.state["final_output"].text == chat.invoke("Hi").text


# --- What LangChain asks about the model ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "call", "told"),
    [
        pytest.param({}, {}, {}, id="nothing"),
        pytest.param({"model": "openai-fast"}, {}, {"ls_model_name": "openai-fast"}, id="a model"),
        pytest.param({}, {"model": "other"}, {"ls_model_name": "other"}, id="a model of a call"),
        pytest.param({}, {"model_name": "other"}, {"ls_model_name": "other"}, id="by its other name"),
        pytest.param({"temperature": 0}, {}, {"ls_temperature": 0}, id="zero is told"),
        pytest.param({"temperature": 1}, {"temperature": 0.5}, {"ls_temperature": 0.5}, id="temperature"),
        pytest.param({"temperature": 1}, {"temperature": None}, {}, id="taken back"),
        pytest.param({"max_tokens": 5}, {}, {"ls_max_tokens": 5}, id="max_tokens"),
        pytest.param({"max_completion_tokens": 6}, {}, {"ls_max_tokens": 6}, id="by the newer name"),
        pytest.param({"stop": "x"}, {}, {"ls_stop": ["x"]}, id="one stop"),
        pytest.param({"stop": ["x"]}, {"stop": ["y"]}, {"ls_stop": ["y"]}, id="stop of a call"),
    ],
)
def test_tracing_is_told_the_options_of_the_call(
    emulator: Emulator, ask: Ask, options: dict[str, Any], call: dict[str, Any], told: dict[str, Any]
) -> None:
    tokens = Tokens()
    chat = ChatPollinations(**emulator.connection(), **options)
    if call.get("model") or call.get("model_name"):
        params: Any = chat._get_ls_params(**call)
    else:
        ask(chat, "Hi", config={"callbacks": [tokens]}, **call)
        (started,) = tokens.started
        params = {key: value for key, value in started["metadata"].items() if key != "ls_integration"}
        assert started["metadata"]["lc_versions"]["langchain-pollinations-ai"]
    found = {key: value for key, value in params.items() if key.startswith("ls_")}
    assert found == {"ls_provider": "pollinations", "ls_model_type": "chat", "ls_model_name": "openai", **told}


def test_a_profile_says_what_a_model_can() -> None:
    profile = ChatPollinations(model="gpt-5.4-nano", api_key="x").profile
    assert profile is not None
    assert (profile["max_input_tokens"], profile["tool_calling"], profile["image_inputs"]) == (400000, True, True)
    assert ChatPollinations(model="community/someone/model", api_key="x").profile is None


@pytest.mark.parametrize("place", ["configurable_fields", "attribute", "model_copy"])
def test_another_model_has_another_profile(place: str) -> None:
    chosen = PLACES[place]({"api_key": "x"}, "model", "meta/llama-4-maverick")
    if place == "configurable_fields":
        chosen = chosen.prepare()[0]
    assert chosen.profile == ChatPollinations(api_key="x", model="meta/llama-4-maverick").profile


def test_tokens_are_counted_without_a_download(chat: ChatPollinations) -> None:
    assert [chat.get_num_tokens(text) for text in ("", "a", "Hello, how are you?")] == [0, 1, 5]
    assert len(chat.get_token_ids("Hello, how are you?")) == 5
    picture = HumanMessage([{"type": "image", "url": "https://example.com/a.png"}])
    call = AIMessage("", tool_calls=[{"name": "f", "args": {"city": "Rome"}, "id": "1"}])
    counts = [chat.get_num_tokens_from_messages(messages) for messages in (
        [HumanMessage("Hi")], [SystemMessage("Be brief."), HumanMessage("Hi")], [call, HumanMessage("Hi")],
        [picture, HumanMessage("Hi")],
    )]  # fmt: skip
    assert counts == sorted(set(counts))
    few = chat.get_num_tokens_from_messages([HumanMessage("Hi")])
    for tools in ([get_weather], [Joke], [{"type": "google_search"}]):
        assert chat.get_num_tokens_from_messages([HumanMessage("Hi")], tools=tools) > few
    mine = ChatPollinations(api_key="x", custom_get_token_ids=lambda text: [1, 2, 3])
    assert (mine.get_num_tokens("anything"), mine.get_num_tokens_from_messages([HumanMessage("x")])) == (3, 3)
    assert "transformers" not in sys.modules


def test_a_model_is_saved_and_loaded_without_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {**ALL, "json_mode": True, "timeout": 5, "extra_body": {"x": 1}, "model_kwargs": {"y": 2}}
    chat = ChatPollinations(api_key="sk_secret", **options)
    assert "sk_secret" not in dumps(chat)
    assert "sk_secret" not in repr(chat)
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_other")
    loaded = load(
        json.loads(dumps(chat)),
        allowed_objects=[ChatPollinations],
        valid_namespaces=["langchain_pollinations"],
        secrets_from_env=True,
    )
    assert {name: getattr(loaded, name) for name in options} == options
    assert loaded.api_key.get_secret_value() == "sk_other"


@pytest.mark.parametrize(
    "value",
    [None, 5.0, (5.0, None), (1.0, 2.0, 3.0, 4.0), httpx.Timeout(5), httpx.Timeout(None)],
    ids=repr,
)
def test_a_time_limit_is_saved_and_loaded(value: Any) -> None:
    chat = ChatPollinations(api_key="x", timeout=value)
    loaded = load(
        dumpd(chat),
        allowed_objects=[ChatPollinations],
        valid_namespaces=["langchain_pollinations"],
        secrets_map={"POLLINATIONS_API_KEY": "x"},
    )
    assert loaded._client.timeout == chat._client.timeout


def test_the_environment_gives_key_and_address(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, ask: Ask) -> None:
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_emulator")
    monkeypatch.setenv("POLLINATIONS_BASE_URL", emulator.url)
    assert ask(ChatPollinations(), "Hi").text
    monkeypatch.setenv("POLLINATIONS_BASE_URL", f"{emulator.url}/v1/")
    assert ask(ChatPollinations(), "Hi").text
    monkeypatch.setenv("POLLINATIONS_BASE_URL", "")
    assert ChatPollinations().base_url == "https://gen.pollinations.ai"
    monkeypatch.setenv("POLLINATIONS_BASE_URL", "gen.pollinations.ai")
    with pytest.raises(ValueError, match="base_url must be an origin"):
        ChatPollinations()


def test_without_a_key_the_error_says_where_to_get_one(emulator: Emulator, ask: Ask) -> None:
    with pytest.raises(Exception, match="POLLINATIONS_API_KEY.*https://enter.pollinations.ai"):
        ask(ChatPollinations(base_url=emulator.url), "Hi")
    assert emulator.requests == []


def test_an_unknown_model_names_those_that_were_perhaps_meant(chat: ChatPollinations, ask: Ask) -> None:
    with pytest.raises(InvalidRequestError, match="Did you mean 'openai'"):
        ask(chat, "Hi", model="opnai")
    with pytest.raises(InvalidRequestError, match="Did you mean 'openai' or"):
        ask(chat, "Hi", model="pollinations:openai")  # the form of init_chat_model


def test_a_model_of_another_kind_names_its_class(chat: ChatPollinations, ask: Ask) -> None:
    with pytest.raises(InvalidRequestError, match=r"The class for image models is PollinationsImage\. \(400"):
        ask(chat, "Hi", model="flux")


def test_the_key_of_the_emulator_is_named_only_to_another_key(
    chat: ChatPollinations, emulator: Emulator, ask: Ask
) -> None:
    with pytest.raises(AuthenticationError, match=f"sent to {emulator.url}; the key of an emulator is sk_emulator"):
        ask(ChatPollinations(base_url=emulator.url, api_key="sk_wrong"), "Hi")
    emulator.fail("key not recognised")
    with pytest.raises(AuthenticationError, match="not recognized") as caught:
        ask(chat, "Hi")
    assert "the key of an emulator" not in str(caught.value)


# --- What single providers refuse -------------------------------------------------------------------------------------

MARK = {"cache_control": {"type": "ephemeral"}}
PLAIN_TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
# What is asked, with which options, and what then has no mark.
MARKED: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "text": ([HumanMessage([{"type": "text", "text": "Hi", **MARK}])], {}),
    "text, in extras": ([HumanMessage([{"type": "text", "text": "Hi", "extras": MARK}])], {}),
    "system": ([SystemMessage([{"type": "text", "text": "Hi", **MARK}]), HumanMessage("Hi")], {}),
    "result": (
        [
            HumanMessage("Hi"),
            AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "c1"}]),
            HumanMessage([{"type": "tool_result", "tool_use_id": "c1", "content": "R", **MARK}]),
        ],
        {"tools": [PLAIN_TOOL]},
    ),
    "tool": ([HumanMessage("Hi")], {"tools": [{**PLAIN_TOOL, **MARK}]}),
    "option": ([HumanMessage("Hi")], MARK),
}


@pytest.mark.parametrize(("asked", "options"), MARKED.values(), ids=MARKED.keys())
@pytest.mark.parametrize("model", ["deepseek", "moonshotai/kimi-k3"])
def test_marks_of_a_cache_go_to_no_provider_that_may_refuse_them(
    chat: ChatPollinations, emulator: Emulator, asked: Any, options: Any, model: str
) -> None:
    with pytest.warns(UserWarning, match=f"cache_control is not sent because the provider of model '{model}'"):
        chat.invoke(asked, model=model, **options)
    assert "cache_control" not in json.dumps(sent(emulator))
    chat.invoke(asked, model="claude", **options)
    assert "cache_control" in json.dumps(sent(emulator))


def test_nothing_is_said_where_nothing_is_left_out(chat: ChatPollinations) -> None:
    assert chat.invoke("Hi", model="deepseek").text  # a warning would be an error


@pytest.mark.parametrize("choice", ["any", "required", True, "get_weather"])
@pytest.mark.parametrize("where", ["constructor", "bound", "call"])
def test_a_choice_that_a_model_refuses_is_an_instruction(emulator: Emulator, ask: Ask, choice: Any, where: str) -> None:
    model = {"model": "anthropic/claude-fable-5.1"}
    chat = ChatPollinations(**emulator.connection(), **(model if where == "constructor" else {}))
    bound = chat.bind_tools([get_weather], tool_choice=choice, **(model if where == "bound" else {}))
    with pytest.warns(UserWarning, match=r"does not support a forced tool choice: tool_choice='auto'"):
        answer = ask(bound, "Hello!", **(model if where == "call" else {}))
    assert [call["name"] for call in answer.tool_calls] == ["get_weather"]
    tool_named = "the tool 'get_weather'" if choice == "get_weather" else "one of your tools"
    assert sent(emulator)["tool_choice"] == "auto"
    assert sent(emulator)["messages"][0]["content"] == f"Answer with a call of {tool_named}, not with text."


def test_an_instruction_names_the_tool_as_it_is_sent(chat: ChatPollinations, emulator: Emulator) -> None:
    tool = {"type": "function", "function": {"name": "Get File", "description": "Gets it."}}
    with pytest.warns(UserWarning, match="does not support a forced tool choice"):
        chat.bind_tools([tool], tool_choice="Get File", model="anthropic/claude-fable-5.1").invoke("Hello!")
    (named,) = sent(emulator)["tools"]
    assert f"the tool {named['function']['name']!r}" in sent(emulator)["messages"][0]["content"]
    assert named["function"]["name"] != "Get File"


@pytest.mark.parametrize("choice", ["auto", "none", None])
def test_a_choice_that_forces_nothing_stays(chat: ChatPollinations, emulator: Emulator, choice: Any) -> None:
    bound = chat.bind_tools([get_weather], tool_choice=choice, model="anthropic/claude-fable-5.1")
    bound.invoke("Hello!")
    assert (sent(emulator).get("tool_choice"), len(sent(emulator)["messages"])) == (choice, 1)


def test_the_older_form_of_a_choice_is_no_other(chat: ChatPollinations, emulator: Emulator) -> None:
    older = {"functions": [PLAIN_TOOL["function"]], "function_call": {"name": "f"}}
    with pytest.warns(UserWarning, match=r"function_call='auto'"):
        chat.invoke("Hello!", model="anthropic/claude-fable-5.1", **older)
    assert sent(emulator)["function_call"] == "auto"
    assert "the tool 'f'" in sent(emulator)["messages"][0]["content"]


def test_a_limit_of_less_than_one_request_a_minute_is_an_error_at_once(ask: Ask) -> None:
    """The service says to wait for longer than a retry waits."""
    model = {
        "name": "community/someone/slow", "aliases": [], "category": "text", "publisher": "someone", "community": True,
        "title": "Slow", "pricing": {"currency": "pollen"}, "capabilities": [], "per_user_rpm": 0.5,
        "supported_endpoints": ["/v1/chat/completions"],
    }  # fmt: skip
    with Emulator(models=[model]) as emulator:
        chat = ChatPollinations(**emulator.connection(), model=model["name"])
        assert ask(chat, "One").text
        with pytest.raises(RateLimitError, match=r"0\.5 RPM") as caught:
            ask(chat, "Two")
        assert 60 < (caught.value.retry_after or 0) <= 120
        assert len(emulator.requests) == 2
        (listed,) = list_models("text", query="someone slow", reliability="all", **emulator.connection())
        assert listed.per_user_rpm == 0.5


def test_importing_brings_nothing_of_an_extra_and_reads_no_data() -> None:
    """Only the five run-time dependencies and what they import (langsmith takes aiohttp where it is installed)."""
    code = (
        "import sys; from langchain_pollinations import ChatPollinations, PollinationsVideo; "
        "from langchain_pollinations import catalog; from langchain_pollinations._catalog import snapshot; "
        "extras = {'tqdm', 'starlette', 'uvicorn', 'PIL', 'langchain', 'langgraph', 'openai', "
        "'transformers', 'numpy', 'pytest', 'multipart'}; "
        "print(sorted(extras & set(sys.modules)), snapshot.load_snapshot.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] 0"
