"""`ChatPollinations` as its users meet it: what is sent, what comes back, in all ways of asking."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from langchain_core.callbacks import BaseCallbackHandler, get_usage_metadata_callback
from langchain_core.load import dumpd, dumps, load
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel, Field

from langchain_pollinations import ChatPollinations, InsufficientBalanceError, InvalidRequestError, InvalidResponseError
from langchain_pollinations.emulator import Emulator
from tests.conftest import WAYS, Ask

STREAMS = ("stream", "astream")


class Joke(BaseModel):
    """A joke to tell."""

    setup: str = Field(description="the question")
    punchline: str


@tool
def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"Sunny in {city}"


def sent(emulator: Emulator) -> dict[str, Any]:
    return emulator.requests[-1].json


# --- What is sent -----------------------------------------------------------------------------------------------------


def test_nothing_is_sent_that_was_not_asked_for(chat: ChatPollinations, emulator: Emulator) -> None:
    chat.invoke("Hello")
    assert sent(emulator) == {"model": "openai", "messages": [{"role": "user", "content": "Hello"}]}
    list(chat.stream("Hello"))
    assert sent(emulator) == {
        "model": "openai",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


OPTIONS: dict[str, Any] = {
    "model": "openai/gpt-oss-20b",
    "seed": 7,
    "temperature": 0.0,
    "top_p": 0.5,
    "top_k": 40,
    "min_p": 0.1,
    "max_tokens": 50,
    "max_completion_tokens": 60,
    "stop": ["END"],
    "frequency_penalty": 0.1,
    "presence_penalty": -0.1,
    "repetition_penalty": 1.1,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "top_logprobs": 2,
    "n": 1,
    "user": "someone",
    "parallel_tool_calls": False,
    "response_format": {"type": "text"},
    "reasoning_effort": "low",
    "reasoning": {"effort": "low"},
    "include_reasoning": True,
    "verbosity": "low",
    "modalities": ["text"],
    "audio": {"voice": "alloy", "format": "wav"},
    "prediction": {"type": "content", "content": "x"},
    "web_search_options": {"search_context_size": "low"},
    "search_domain_filter": ["example.com"],
    "search_recency_filter": "week",
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "explicit"},
    "prompt_cache_retention": "24h",
    "service_tier": "auto",
    "safe": "privacy,secrets",
}


@pytest.mark.parametrize("where", ["constructor", "call", "bind"])
def test_every_option_goes_out_as_it_was_given(emulator: Emulator, contract: Path, ask: Ask, where: str) -> None:
    emulator.reply("Yes")
    if where == "constructor":
        ask(ChatPollinations(**emulator.connection(), **OPTIONS), "Hello")
    elif where == "call":
        ask(ChatPollinations(**emulator.connection()), "Hello", **OPTIONS)
    else:
        ask(ChatPollinations(**emulator.connection()).bind(**OPTIONS), "Hello")
    body = sent(emulator)
    assert {name: body[name] for name in OPTIONS} == OPTIONS
    jsonschema.Draft202012Validator(
        json.loads((contract / "chat_completions.request.schema.json").read_text())
    ).validate(body)


def test_a_call_overrules_the_constructor_and_extra_body_overrules_all(emulator: Emulator, ask: Ask) -> None:
    emulator.reply("Yes", "Yes")
    chat = ChatPollinations(
        **emulator.connection(), temperature=1, top_p=1, extra_body={"top_p": 0.1, "x": 1}, model_kwargs={"y": 2}
    )
    ask(chat, "Hello", temperature=0, extra_body={"x": 3})
    body = sent(emulator)
    assert (body["temperature"], body["top_p"], body["x"], body["y"]) == (0, 0.1, 3, 2)


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ({"model_name": "openai/gpt-5-nano"}, "model", "openai/gpt-5-nano"),
        ({"pollinations_api_key": "sk_x"}, "api_key", "sk_x"),
        ({"request_timeout": 5}, "timeout", 5.0),
        ({"stop_sequences": ["a"]}, "stop", ["a"]),
        ({"jsonMode": True}, "json_mode", True),
        ({"stream": True}, "streaming", True),
        ({"timeout": (1, 2, 3, 4)}, "timeout", (1.0, 2.0, 3.0, 4.0)),
        ({"base_url": "https://gen.pollinations.ai/v1/"}, "base_url", "https://gen.pollinations.ai"),
        ({"base_url": "http://127.0.0.1:8787/"}, "base_url", "http://127.0.0.1:8787"),
    ],
)
def test_fields_go_by_the_names_that_people_know(given: dict[str, Any], field: str, value: Any) -> None:
    found = getattr(ChatPollinations(**{"api_key": "sk_emulator", **given} if field != "api_key" else given), field)
    assert (found.get_secret_value() if field == "api_key" else found) == value


def test_a_random_seed_is_drawn_for_each_call_and_reported(emulator: Emulator, ask: Ask) -> None:
    chat = ChatPollinations(**emulator.connection(), seed=-1)
    told = [ask(chat, "Hello").response_metadata["seed"] for _ in range(3)]
    assert [request.json["seed"] for request in emulator.requests] == told
    assert len(set(told)) == 3


def test_none_for_a_call_leaves_it_to_the_service(emulator: Emulator, ask: Ask) -> None:
    chat = ChatPollinations(**emulator.connection(), temperature=1, seed=3, stop=["x"])
    ask(chat, "Hello", temperature=None, seed=None, model=None)
    assert sent(emulator).keys() & {"temperature", "seed", "model"} == {"model"}


# What the service takes although it makes no sense, and we do not.
STRICTER = {"model=", "max_completion_tokens=", "n=", "verbosity=", "service_tier=", "reasoning=", "key="}


def test_we_never_send_options_that_the_service_refuses(
    emulator: Emulator, chat: ChatPollinations, example: Any, contract: Path
) -> None:
    schema = json.loads((contract / "chat_completions.request.schema.json").read_text("utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
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


def test_what_the_caller_sets_inside_an_option_is_sent(emulator: Emulator) -> None:
    options = {"search_context_size": "low", "user_location": {"country": "PT"}}
    emulator.reply("Yes", "Yes")
    ChatPollinations(**emulator.connection(), web_search_options=options).invoke("Hello")
    assert sent(emulator)["web_search_options"] == options
    ChatPollinations(**emulator.connection()).invoke("Hello", web_search_options=options)
    assert sent(emulator)["web_search_options"] == options


# --- What comes back --------------------------------------------------------------------------------------------------


def test_an_answer_says_where_it_comes_from(emulator: Emulator, ask: Ask) -> None:
    chat = ChatPollinations(**emulator.connection(), seed=3, include_response_headers=True)
    answer = ask(chat, "Hello")
    facts = answer.response_metadata
    assert facts["model_provider"] == chat._get_ls_params()["ls_provider"] == "pollinations"
    assert (facts["requested_model"], facts["model_name"]) == ("openai", "openai/gpt-5.4-nano")
    assert (facts["finish_reason"], facts["seed"]) == ("stop", 3)
    assert facts["request_id"]
    assert facts["headers"]["x-emulator"] == "langchain-pollinations"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] > 0


def test_a_repeated_question_shows_that_it_came_from_the_store(chat: ChatPollinations) -> None:
    kinds = [chat.invoke("Hello").response_metadata["cache_type"] for _ in range(2)]
    assert kinds == ["GENERATED", "EXACT"]


def test_reasoning_is_a_block_and_no_text(chat: ChatPollinations, ask: Ask) -> None:
    answer = ask(chat, "Is 91 a prime number?", reasoning_effort="high")
    reasoning, *rest = answer.content_blocks
    assert reasoning["type"] == "reasoning"
    assert reasoning["reasoning"]
    assert reasoning["reasoning"] not in answer.text
    assert [block["type"] for block in rest] == ["text"]


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_reasoning_text_and_calls_keep_apart(emulator: Emulator, ask: Ask, version: str) -> None:
    """With the indices that providers use, text and the first call would merge into one corrupt block."""
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "b", "type": "function", "function": {"name": "f", "arguments": '{"x": 2}'}},
    ]
    message = {"role": "assistant", "content": "Two calls.", "reasoning_content": "Hm.", "tool_calls": calls}
    emulator.reply(message=message, finish_reason="tool_calls")
    answer = ask(ChatPollinations(**emulator.connection(), output_version=version), "Go")
    blocks = [
        {k: v for k, v in block.items() if k in ("type", "text", "reasoning", "args", "id")}
        for block in answer.content_blocks
    ]
    assert blocks == [
        {"type": "reasoning", "reasoning": "Hm."},
        {"type": "text", "text": "Two calls."},
        {"type": "tool_call", "id": "a", "args": {"x": 1}},
        {"type": "tool_call", "id": "b", "args": {"x": 2}},
    ]
    assert [(call["id"], call["args"]) for call in answer.tool_calls] == [("a", {"x": 1}), ("b", {"x": 2})]
    assert answer.response_metadata["finish_reason"] == "tool_calls"


ONE_DELTA = {
    "reasoning_content": "Hm.",
    "content": "Text.",
    "tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x": 1}'}}],
}


@pytest.mark.parametrize("version", ["v0", "v1", "v3"])
def test_text_and_call_in_one_chunk_keep_apart(emulator: Emulator, version: str) -> None:
    emulator.reply(chunks=[{"choices": [{"delta": ONE_DELTA}]}, "data: [DONE]\n\n"])
    chat = ChatPollinations(**emulator.connection(), output_version="v0" if version == "v3" else version)
    answer = chat.stream_events("Go", version="v3").output if version == "v3" else WAYS["stream"](chat, "Go")
    assert [block["type"] for block in answer.content_blocks] == ["reasoning", "text", "tool_call"]
    assert answer.tool_calls[0]["args"] == {"x": 1}


def test_a_refusal_is_a_block(emulator: Emulator, ask: Ask) -> None:
    emulator.reply(message={"role": "assistant", "content": None, "refusal": "I will not."})
    answer = ask(ChatPollinations(**emulator.connection()), "Go")
    assert answer.content_blocks == [{"type": "refusal", "refusal": "I will not."}]
    assert answer.text == ""


@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize("way", WAYS)
def test_a_spoken_answer_is_one_audio_block(emulator: Emulator, way: str, version: str) -> None:
    chat = ChatPollinations(**emulator.connection(), model="openai/gpt-audio-mini", output_version=version)
    speech = {"voice": "alloy", "format": "pcm16" if way in STREAMS else "wav"}
    blocks = WAYS[way](chat, "Say hello", modalities=["text", "audio"], audio=speech).content_blocks
    (audio,) = [block for block in blocks if block["type"] == "audio"]
    assert len(base64.b64decode(audio["base64"], validate=True)) > 1000
    assert audio["mime_type"] == "audio/wav"
    assert audio["extras"]["transcript"]


def test_a_drawn_answer_is_an_image_block(emulator: Emulator, ask: Ask) -> None:
    parts = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]
    emulator.reply(message={"role": "assistant", "content": "Here.", "content_blocks": parts})
    text, image = ask(ChatPollinations(**emulator.connection()), "Draw").content_blocks
    assert text["text"] == "Here."
    assert (image["type"], image["base64"], image["mime_type"]) == ("image", "iVBORw0KGgo=", "image/png")


@pytest.mark.parametrize("is_async", [False, True])
def test_protocol_events_agree_with_the_answer(emulator: Emulator, is_async: bool) -> None:
    chat = ChatPollinations(**emulator.connection())
    calls = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": "é"}'}}]
    emulator.reply(message={"role": "assistant", "content": "Hi.", "reasoning_content": "Hm.", "tool_calls": calls})

    async def run() -> Any:
        return await (await chat.astream_events("Go", version="v3")).output

    output = asyncio.run(run()) if is_async else chat.stream_events("Go", version="v3").output
    assert [block["type"] for block in output.content_blocks] == ["reasoning", "text", "tool_call"]
    assert output.tool_calls[0]["args"] == {"x": "é"}
    assert output.usage_metadata["total_tokens"] > 0


def test_version_2_events_stream_the_text(chat: ChatPollinations) -> None:
    async def run() -> list[str]:
        events = chat.astream_events("Hello", version="v2")
        return [e["data"]["chunk"].text async for e in events if e["event"] == "on_chat_model_stream"]

    pieces = asyncio.run(run())
    assert len(pieces) > 2
    assert "".join(pieces) == chat.invoke("Hello").text


@pytest.mark.parametrize("way", STREAMS)
def test_metadata_is_on_one_chunk_of_a_stream(chat: ChatPollinations, way: str) -> None:
    answer = WAYS[way](chat, "Hello")
    assert answer.response_metadata["model_name"] == "openai/gpt-5.4-nano"
    assert answer.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize("way", STREAMS)
def test_token_callbacks_see_every_token(chat: ChatPollinations, way: str) -> None:
    class Tokens(BaseCallbackHandler):
        seen = ""

        def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
            self.seen += token if isinstance(token, str) else ""

    tokens = Tokens()
    answer = WAYS[way](chat, "Hello", config={"callbacks": [tokens]})
    assert tokens.seen == answer.text


def test_usage_callback_counts_by_model(chat: ChatPollinations, ask: Ask) -> None:
    with get_usage_metadata_callback() as usage:
        answer = ask(chat, "Hello")
    assert usage.usage_metadata["openai/gpt-5.4-nano"]["total_tokens"] == answer.usage_metadata["total_tokens"]


@pytest.mark.parametrize("way", STREAMS)
def test_usage_of_streams_can_be_left_out(emulator: Emulator, way: str) -> None:
    quiet = ChatPollinations(**emulator.connection(), stream_usage=False)
    assert WAYS[way](quiet, "Hello").usage_metadata is None
    assert WAYS[way](quiet, "Hello", stream_usage=True).usage_metadata is not None


def test_logprobs_come_back(chat: ChatPollinations, ask: Ask) -> None:
    answer = ask(chat, "Hello", logprobs=True, top_logprobs=2)
    tokens = answer.response_metadata["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == answer.text


# --- The friendly answers that are errors -----------------------------------------------------------------------------


def test_a_balance_notice_is_a_payment_error(emulator: Emulator, ask: Ask) -> None:
    emulator.fail("balance notice")
    with pytest.raises(InsufficientBalanceError, match="too low") as caught:
        ask(ChatPollinations(**emulator.connection()), "Hello")
    assert caught.value.fix_url


@pytest.mark.parametrize("way", STREAMS)
def test_a_stream_flows_whatever_may_be_stored(emulator: Emulator, way: str) -> None:
    pieces = [{"choices": [{"delta": {"content": text}}]} for text in ("Your ", "turn", "!")]
    emulator.reply(chunks=[*pieces, "data: [DONE]\n\n"], headers={"cache-control": "no-store"})
    assert WAYS[way](ChatPollinations(**emulator.connection()), "Hello").text == "Your turn!"


@pytest.mark.parametrize("way", STREAMS)
def test_a_balance_notice_is_never_streamed_as_text(emulator: Emulator, way: str) -> None:
    emulator.keys["sk_poor"] = {"balance": 0}
    chat = ChatPollinations(base_url=emulator.url, api_key="sk_poor")
    seen: list[str] = []

    async def collect() -> None:
        async for chunk in chat.astream("Hello"):
            seen.append(chunk.text)

    with pytest.raises(InsufficientBalanceError):
        if way == "stream":
            seen.extend(chunk.text for chunk in chat.stream("Hello"))
        else:
            asyncio.run(collect())
    assert seen == []


@pytest.mark.parametrize(
    "body", ["<html><body>Moved</body></html>", "", "[]", "null", '{"choices": []}', '{"choices": [{}]}'], ids=repr
)
def test_an_answer_that_is_none_is_an_error(emulator: Emulator, ask: Ask, body: str) -> None:
    emulator.reply(body=body, content_type="text/html" if body.startswith("<") else "application/json", times=3)
    with pytest.raises(InvalidResponseError):
        ask(ChatPollinations(**emulator.connection()), "Hello")


def test_an_error_inside_a_good_status_is_an_error(emulator: Emulator, ask: Ask) -> None:
    emulator.reply(body={"error": {"message": "Provider broke", "code": "x"}})
    with pytest.raises(Exception, match="Provider broke"):
        ask(ChatPollinations(**emulator.connection(), max_retries=0), "Hello")


# --- Tools ------------------------------------------------------------------------------------------------------------


def test_tools_go_round_in_an_agent(chat: ChatPollinations, ask: Ask) -> None:
    model = chat.bind_tools([get_weather])
    question = HumanMessage("What is the weather in Lisbon?")
    call = ask(model, [question])
    assert [(c["name"], c["args"]) for c in call.tool_calls] == [("get_weather", {"city": "Lisbon"})]
    result = get_weather.invoke(call.tool_calls[0])
    answer = ask(model, [question, call, result])
    assert not answer.tool_calls
    assert "Sunny in Lisbon" in answer.text


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        (None, None),
        (False, None),
        (True, "required"),
        ("any", "required"),
        ("required", "required"),
        ("auto", "auto"),
        ("none", "none"),
        ("get_weather", {"type": "function", "function": {"name": "get_weather"}}),
        (
            {"type": "function", "function": {"name": "get_weather"}},
            {"type": "function", "function": {"name": "get_weather"}},
        ),
    ],
    ids=repr,
)
def test_every_way_to_choose_a_tool(chat: ChatPollinations, choice: Any, wire: Any) -> None:
    bound = chat.bind_tools([get_weather, Joke], tool_choice=choice)
    assert bound.kwargs.get("tool_choice") == wire  # type: ignore[attr-defined]


def test_tools_are_bound_with_all_that_goes_with_them(chat: ChatPollinations, emulator: Emulator) -> None:
    chat.bind_tools([get_weather], strict=True, parallel_tool_calls=False).invoke("Weather in Rome?")
    body = sent(emulator)
    assert body["tools"][0]["function"]["strict"] is True
    assert body["tools"][0]["function"]["parameters"]["additionalProperties"] is False
    assert body["parallel_tool_calls"] is False


def test_an_empty_list_of_tools_binds_none(chat: ChatPollinations, emulator: Emulator, ask: Ask) -> None:
    schema = {"title": "Joke", "type": "object", "properties": {"setup": {"type": "string"}}, "required": ["setup"]}
    wrapped = {"type": "json_schema", "json_schema": {"name": "Joke", "schema": schema}}
    assert json.loads(ask(chat.bind_tools([], response_format=wrapped), "Tell a joke").text)["setup"]
    assert "tools" not in sent(emulator)
    chat.bind_tools([], response_format=Joke).invoke("Tell a joke")
    assert sent(emulator)["response_format"]["json_schema"]["name"] == "Joke"


def test_built_in_tools_are_bare_dicts(emulator: Emulator) -> None:
    chat = ChatPollinations(**emulator.connection(), model="google/gemini-3-flash-preview")
    chat.bind_tools([{"type": "google_search"}, get_weather]).invoke("Hello")
    assert sent(emulator)["tools"][0] == {"type": "google_search"}


def test_an_empty_list_of_tools_given_for_the_call_is_sent(chat: ChatPollinations, emulator: Emulator) -> None:
    """Some models search by themselves unless told that there are no tools."""
    chat.invoke("Hello", tools=[])
    assert sent(emulator)["tools"] == []


def test_binding_keeps_callbacks(emulator: Emulator) -> None:
    started: list[str] = []

    class Starts(BaseCallbackHandler):
        def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            started.append("yes")

    chat = ChatPollinations(**emulator.connection(), callbacks=[Starts()])
    chat.bind_tools([get_weather]).invoke("Hello")
    chat.with_structured_output(Joke).invoke("Tell a joke")
    assert started == ["yes", "yes"]


# --- Agents -----------------------------------------------------------------------------------------------------------


def test_an_agent_draws_and_answers(emulator: Emulator) -> None:
    from langchain.agents import create_agent

    from langchain_pollinations import Media, PollinationsImageTool

    service = emulator.connection()
    agent = create_agent(ChatPollinations(**service), [PollinationsImageTool(**service, width=64, height=64)])
    asked = {"messages": "Tell me a short illustrated story about a lighthouse keeper and a whale, in three scenes"}
    for result in (agent.invoke(asked), asyncio.run(agent.ainvoke(asked))):
        pictures = [Media.from_artifact(m.artifact) for m in result["messages"] if isinstance(m, ToolMessage)]
        assert len({picture.data for picture in pictures}) >= 3
        for picture in pictures:
            assert picture.url is not None
            assert picture.url in result["messages"][-1].text


@pytest.mark.parametrize("strategy", ["ToolStrategy", "ProviderStrategy", None])
def test_an_agent_answers_in_a_schema(emulator: Emulator, strategy: str | None) -> None:
    from langchain.agents import create_agent, structured_output

    response_format: Any = getattr(structured_output, strategy)(Joke) if strategy else Joke
    agent = create_agent(ChatPollinations(**emulator.connection()), [], response_format=response_format)
    assert isinstance(agent.invoke({"messages": "Tell a joke"})["structured_response"], Joke)


# --- What LangChain asks about the model ------------------------------------------------------------------------------


def test_a_profile_says_what_a_model_can() -> None:
    profile = ChatPollinations(model="gpt-5.4-nano", api_key="x").profile
    assert profile is not None
    assert (profile["max_input_tokens"], profile["tool_calling"], profile["image_inputs"]) == (400000, True, True)
    assert ChatPollinations(model="community/someone/model", api_key="x").profile is None


def test_tracing_is_told_the_options_of_the_call(chat: ChatPollinations) -> None:
    params = chat._get_ls_params(stop=["x"], model="other", temperature=0.5, max_tokens=3)
    assert params == {
        "ls_provider": "pollinations",
        "ls_model_name": "other",
        "ls_model_type": "chat",
        "ls_temperature": 0.5,
        "ls_max_tokens": 3,
        "ls_stop": ["x"],
    }


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"temperature": 0}, {"json_mode": True}, {"model": "openai/gpt-5-nano"}, {"safe": True}]
)
def test_a_cache_tells_different_questions_apart(emulator: Emulator, change: dict[str, Any]) -> None:
    from langchain_core.caches import InMemoryCache

    cache = InMemoryCache()
    for options in ({}, change, {}, change):
        ChatPollinations(**emulator.connection(), cache=cache, **options).invoke("Hello")
    assert len(emulator.requests) == 2


def test_a_model_is_saved_and_loaded_without_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    chat = ChatPollinations(api_key="sk_secret", seed=7, json_mode=True, timeout=5)
    assert "sk_secret" not in dumps(chat)
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_other")
    loaded = load(
        dumpd(chat),
        allowed_objects=[ChatPollinations],
        valid_namespaces=["langchain_pollinations"],
        secrets_from_env=True,
    )
    assert (loaded.seed, loaded.json_mode, loaded.timeout) == (7, True, 5)
    assert loaded.api_key.get_secret_value() == "sk_other"


def test_tokens_are_counted_without_a_download(chat: ChatPollinations) -> None:
    assert chat.get_num_tokens("") == 0
    assert chat.get_num_tokens("Hello, how are you?") == 5
    few = chat.get_num_tokens_from_messages([HumanMessage("Hello")])
    more = chat.get_num_tokens_from_messages([HumanMessage("Hello")], tools=[get_weather])
    assert 0 < few < more
    assert "transformers" not in sys.modules
    mine = ChatPollinations(api_key="x", custom_get_token_ids=lambda text: [1, 2, 3])
    assert mine.get_num_tokens("anything") == 3


def test_the_configurable_machinery_of_langchain_works(chat: ChatPollinations, emulator: Emulator) -> None:
    from langchain_core.runnables import ConfigurableField

    model = chat.configurable_fields(temperature=ConfigurableField(id="heat"))
    model.with_config(configurable={"heat": 0.3}).invoke("Hello")
    assert sent(emulator)["temperature"] == 0.3
    broken = ChatPollinations(base_url=emulator.url, api_key="sk_wrong")
    assert broken.with_fallbacks([chat]).invoke("Hello").text


# --- Bad input --------------------------------------------------------------------------------------------------------


def human(block: Any) -> list[Any]:
    return [HumanMessage([block])]


@pytest.mark.parametrize(
    ("question", "options", "says"),
    [
        pytest.param("Hi", {"seed": 2**31}, "seed: Input should be less than or equal to 2147483647", id="seed high"),
        pytest.param("Hi", {"seed": -2}, "seed: Input should be greater than or equal to -1", id="seed low"),
        pytest.param("Hi", {"seed": 1.5}, "seed: Input should be a valid integer", id="seed half"),
        pytest.param("Hi", {"temperature": 2.1}, "temperature", id="temperature"),
        pytest.param("Hi", {"top_p": "x"}, "top_p: Input should be a valid number", id="top_p"),
        pytest.param("Hi", {"stop": list("abcde")}, "stop: the service takes up to 4 strings, got 5", id="stop"),
        pytest.param("Hi", {"api_key": "sk_x"}, "api_key: an argument of the constructor", id="key in a call"),
        pytest.param("Hi", {"request_timeout": 5}, "timeout: an argument of the constructor", id="timeout in a call"),
        pytest.param("Hi", {"n": 2}, "n: the service gives back one choice only", id="n"),
        pytest.param(
            "Hi", {"reasoning_effort": "ultra"}, "reasoning_effort: Input should be 'none', 'min", id="effort"
        ),
        pytest.param("Hi", {"audio": {"format": "mp3"}}, "audio.voice: Field required", id="voice"),
        pytest.param("Hi", {"safe": "privacy,foo"}, "safe: unknown 'foo'; a comma list of", id="safe"),
        pytest.param("Hi", {"response_format": "json"}, "response_format", id="response format"),
        pytest.param("Hi", {"user": object()}, "user: Input should be a valid string", id="user"),
        pytest.param("Hi", {"logit_bias": {"a": float("nan")}}, "logit_bias", id="logit bias"),
        pytest.param("Hi", {"extra_body": {"x": {1, 2}}}, "cannot be written as JSON", id="no JSON"),
        pytest.param("lone \ud800", {}, "cannot be written as JSON", id="half a character"),
        pytest.param([], {}, "messages is empty", id="no messages"),
        pytest.param([("bot", "x")], {}, "bot", id="role"),
        pytest.param(human({"type": "imge_url"}), {}, r"messages\[0\]: .* did you mean 'image_url'", id="block type"),
        pytest.param(human({"text": "x"}), {}, r"messages\[0\]: .* a dict with a 'type'", id="block without type"),
        pytest.param(human({"type": "image"}), {}, "needs 'url', 'base64'", id="empty image"),
        pytest.param(human({"type": "image", "base64": "AAAA"}), {}, "mime_type", id="unknown image"),
        pytest.param(human({"type": "audio", "base64": "x", "mime_type": "audio/amr"}), {}, "formats are", id="audio"),
        pytest.param([HumanMessage([])], {}, "empty list", id="empty content"),
    ],
)
def test_bad_input_is_refused_before_it_is_sent(
    chat: ChatPollinations, emulator: Emulator, ask: Ask, question: Any, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        ask(chat, question, **options)
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"seed": 2**31}, "seed"),
        ({"temperature": 3}, "temperature"),
        ({"api": "legacyy"}, "api"),
        ({"base_url": "gen.pollinations.ai"}, "base_url must be an origin"),
        ({"base_url": "https://gen.pollinations.ai/v1/chat/completions"}, "bare origin"),
        ({"base_url": "https://gen.pollinations.ai?key=sk_1"}, "bare origin"),
        ({"timeout": "soon"}, "timeout"),
        ({"max_retries": -1}, "max_retries"),
        ({"model": ""}, "model"),
        ({"model": "a", "model_name": "b"}, "two names of one field"),
        ({"model_kwargs": {"temperature": 1}}, "model_kwargs: give temperature"),
        ({"async_transport": "trio"}, "async_transport"),
        ({"timeout": 0}, "more than 0 seconds"),
        ({"timeout": (1, -1, 1, 1)}, "more than 0 seconds"),
        ({"model_kwargs": {"tools": []}}, "belongs to a call"),
        ({"model_kwargs": {"my_key": "sk_x"}}, "looks like a secret"),
        ({"stop": list("abcde")}, "stop"),
    ],
)
def test_bad_arguments_of_the_constructor_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        ChatPollinations(**{"api_key": "sk_secret", **options})
    assert "sk_" not in str(caught.value)


def test_a_misspelt_argument_is_warned_of_and_sent(emulator: Emulator) -> None:
    with pytest.warns(UserWarning, match="'temprature', did you mean 'temperature'"):
        chat = ChatPollinations(**emulator.connection(), temprature=0)
    chat.invoke("Hello")
    assert sent(emulator)["temprature"] == 0
    with pytest.warns(UserWarning, match="'max_token', did you mean 'max_tokens'"):
        chat.invoke("Hello", max_token=3)


@pytest.mark.parametrize(
    ("tools", "options", "says"),
    [
        ([{"type": "web_search"}], {}, "built-in tools of the service are google_search"),
        ([object()], {}, "tool 'object' cannot be described"),
        ([get_weather], {"tool_choice": "get_wether"}, r"names no bound tool; tools are \['get_weather'\]"),
        ([], {"tool_choice": "any"}, "without tools"),
    ],
)
def test_bad_tools_are_refused_when_bound(chat: ChatPollinations, tools: Any, options: Any, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        chat.bind_tools(tools, **options)


def test_an_unknown_model_names_those_that_were_perhaps_meant(chat: ChatPollinations, ask: Ask) -> None:
    with pytest.raises(InvalidRequestError, match="Did you mean 'openai'"):
        ask(chat, "Hello", model="opnai")


def test_without_a_key_the_error_says_where_to_get_one(emulator: Emulator, ask: Ask) -> None:
    with pytest.raises(Exception, match="POLLINATIONS_API_KEY.*https://enter.pollinations.ai"):
        ask(ChatPollinations(base_url=emulator.url), "Hello")
    assert emulator.requests == []


def test_the_environment_gives_key_and_address(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, ask: Ask) -> None:
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_emulator")
    monkeypatch.setenv("POLLINATIONS_BASE_URL", emulator.url)
    assert ask(ChatPollinations(), "Hello").text
    monkeypatch.setenv("POLLINATIONS_BASE_URL", f"{emulator.url}/v1/")
    assert ask(ChatPollinations(), "Hello").text
    monkeypatch.setenv("POLLINATIONS_BASE_URL", "")
    assert ChatPollinations().base_url == "https://gen.pollinations.ai"
    monkeypatch.setenv("POLLINATIONS_BASE_URL", "gen.pollinations.ai")
    with pytest.raises(ValueError, match="base_url must be an origin"):
        ChatPollinations()


def test_importing_brings_nothing_of_an_extra() -> None:
    """Only the five run-time dependencies and what they import (langsmith takes aiohttp where it is installed)."""
    code = (
        "import sys; from langchain_pollinations import ChatPollinations; "
        "extras = {'starlette', 'uvicorn', 'PIL', 'langchain', 'langgraph', 'openai', "
        "'transformers', 'numpy', 'pytest', 'multipart'}; print(sorted(extras & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
