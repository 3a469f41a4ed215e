"""What comes back of a call, and the tools that go with it."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from langchain_core.callbacks import get_usage_metadata_callback
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


@pytest.mark.parametrize("way", STREAMS)
def test_metadata_is_on_one_chunk_of_a_stream(chat: ChatPollinations, way: str) -> None:
    answer = WAYS[way](chat, "Hello")
    assert answer.response_metadata["model_name"] == "openai/gpt-5.4-nano"
    assert answer.response_metadata["finish_reason"] == "stop"


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


# --- Bad tools --------------------------------------------------------------------------------------------------------


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
