"""Agents of the service as models: how they are listed, and that they take no tools of the caller."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from langchain_pollinations._catalog.records import Model
from langchain_pollinations.catalog import alist_models, list_models
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import InvalidRequestError, UnsupportedRequestError
from tests.helpers.ask import Ask
from tests.helpers.samples import Joke, get_weather
from tests.helpers.wire import sent

AGENT = "community/emulator/librarian"
OWN_TOOLS = "agents run their own tools on the server"


@pytest.fixture
def record(emulator: Emulator) -> Model:
    (found,) = list_models("text", agent=True, **emulator.connection())  # type: ignore[arg-type]
    return found


@pytest.fixture
def agent(emulator: Emulator, record: Model) -> ChatPollinations:
    return ChatPollinations(**emulator.connection(), model=record.id, profile=record.profile)


def test_agents_are_listed_apart(emulator: Emulator, record: Model) -> None:
    assert (record.id, record.agent, record.community, record.base_model) == (AGENT, True, True, "openai/gpt-5.4-nano")
    others = asyncio.run(alist_models("text", agent=False, **emulator.connection()))  # type: ignore[arg-type]
    assert others and AGENT not in {model.id for model in others}
    assert record.tools is True  # of its own
    assert record.profile["tool_calling"] is False
    assert not {"tool_choice", "tool_call_streaming"} & {key for key, value in record.profile.items() if value}


def test_an_agent_answers_as_any_model(agent: ChatPollinations, ask: Ask, emulator: Emulator) -> None:
    emulator.reply(message={"content": "It is on shelf 3.", "reasoning_content": "I look it up."})
    answer = ask(agent, "Where is Moby Dick?")
    assert (answer.text, sent(emulator)["model"]) == ("It is on shelf 3.", AGENT)
    assert answer.content_blocks[0]["type"] == "reasoning"
    assert answer.usage_metadata is not None and answer.usage_metadata["total_tokens"] > 0
    assert emulator.keys["sk_emulator"]["balance"] < 1000  # the base model is paid for


BINDINGS: dict[str, Any] = {
    "bind_tools": lambda agent: agent.bind_tools([get_weather]),
    "built-in tool": lambda agent: agent.bind_tools([{"type": "google_search"}]),
    "forced": lambda agent: agent.bind_tools([get_weather], tool_choice="any"),
    "bind": lambda agent: agent.bind(tools=[get_weather]).invoke("Hi"),
    "call": lambda agent: agent.invoke("Hi", tools=[get_weather]),
    "stream": lambda agent: list(agent.stream("Hi", tools=[get_weather])),
    "structured": lambda agent: agent.with_structured_output(Joke, method="function_calling"),
    "of another": lambda agent: agent.model_copy(update={"model": "emulator/librarian"}).bind_tools([get_weather]),
}


@pytest.mark.parametrize("binding", BINDINGS)
def test_tools_bound_to_an_agent_are_an_error(agent: ChatPollinations, emulator: Emulator, binding: str) -> None:
    asked = len(emulator.requests)
    with pytest.raises(UnsupportedRequestError, match=OWN_TOOLS) as caught:
        BINDINGS[binding](agent)
    assert caught.value.param == "tools" and isinstance(caught.value, InvalidRequestError)
    assert len(emulator.requests) == asked


def test_an_agent_of_langchain_names_the_reason(agent: ChatPollinations) -> None:
    agents = pytest.importorskip("langchain.agents")
    with pytest.raises(UnsupportedRequestError, match=OWN_TOOLS):
        agents.create_agent(agent, tools=[get_weather]).invoke({"messages": "Hi"})
    assert agents.create_agent(agent, tools=[]).invoke({"messages": "Hi"})["messages"][-1].text


def test_structured_output_of_an_agent_needs_no_tool(agent: ChatPollinations, emulator: Emulator, ask: Ask) -> None:
    emulator.reply('{"setup": "Why?", "punchline": "Because."}')
    joke: BaseModel = ask(agent.with_structured_output(Joke), "A joke.")  # type: ignore[assignment]
    assert joke == Joke(setup="Why?", punchline="Because.")
    assert sent(emulator)["response_format"]["type"] == "json_schema"


def test_without_a_profile_a_community_model_may_be_any_model(emulator: Emulator, ask: Ask) -> None:
    """The name does not say that the model is an agent. The service ignores the tools."""
    unknown = ChatPollinations(**emulator.connection(), model=AGENT)
    assert unknown.profile is None
    answer = ask(unknown.bind_tools([get_weather], tool_choice="any"), "What is the weather in Oslo?")
    assert sent(emulator)["tools"] and answer.text and not answer.tool_calls
