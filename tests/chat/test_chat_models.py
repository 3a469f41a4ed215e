"""What comes back of a call, and the tools that go with it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, ToolMessage

from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import InvalidRequestError
from tests.helpers.ask import WAYS, Ask
from tests.helpers.samples import Joke, get_weather
from tests.helpers.wire import sent

STREAMS = ("stream", "astream")


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


def test_logprobs_come_back(chat: ChatPollinations, ask: Ask) -> None:
    answer = ask(chat, "Hello", logprobs=True, top_logprobs=2)
    tokens = answer.response_metadata["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == answer.text


# --- The friendly answers that are errors -----------------------------------------------------------------------------


@pytest.mark.parametrize("way", STREAMS)
def test_a_stream_flows_whatever_may_be_stored(emulator: Emulator, way: str) -> None:
    pieces = [{"choices": [{"delta": {"content": text}}]} for text in ("Your ", "turn", "!")]
    emulator.reply(chunks=[*pieces, "data: [DONE]\n\n"], headers={"cache-control": "no-store"})
    assert WAYS[way](ChatPollinations(**emulator.connection()), "Hello").text == "Your turn!"


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


# --- Agents -----------------------------------------------------------------------------------------------------------


def test_an_agent_draws_and_answers(emulator: Emulator) -> None:
    from langchain.agents import create_agent

    from langchain_pollinations.media import Media
    from langchain_pollinations.tools.images import PollinationsImageTool

    service = emulator.connection()
    draw = PollinationsImageTool(**service, width=64, height=64)
    agent = create_agent(ChatPollinations(**service), [draw])
    asked = {"messages": "Tell me a short illustrated story about a lighthouse keeper and a whale, in three scenes"}
    for result in (agent.invoke(asked), asyncio.run(agent.ainvoke(asked))):
        artifacts = [message.artifact for message in result["messages"] if isinstance(message, ToolMessage)]
        pictures = [Media.from_artifact(artifact, store=draw.media_store) for artifact in artifacts]
        assert len({picture.data for picture in pictures}) >= 3
        for picture in pictures:
            assert picture.url is not None
            assert picture.url in result["messages"][-1].text


# --- Bad tools --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tools", "options", "says"),
    [
        ([{"type": "web_search"}], {}, "built-in tools of the service are google_search"),
        ([object()], {}, "tool 'object' cannot be described"),
        ([get_weather], {"tool_choice": "get_wether"}, r"is not a bound tool; bound tools are \['get_weather'\]"),
        ([], {"tool_choice": "any"}, "requires at least one bound tool"),
    ],
)
def test_bad_tools_are_refused_when_bound(chat: ChatPollinations, tools: Any, options: Any, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        chat.bind_tools(tools, **options)
