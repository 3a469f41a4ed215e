"""Agents of LangChain at work with our models: whole loops over a real socket, in each way that an agent is run."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    HumanInTheLoopMiddleware,
    LLMToolSelectorMiddleware,
    ModelCallLimitMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    SummarizationMiddleware,
    ToolRetryMiddleware,
    wrap_model_call,
)
from langchain.agents.middleware.model_call_limit import ModelCallLimitExceededError
from langchain.agents.structured_output import (
    MultipleStructuredOutputsError,
    ProviderStrategy,
    StructuredOutputValidationError,
    ToolStrategy,
)
from langchain_core import exceptions
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.content import create_file_block, create_image_block, create_text_block
from langchain_core.tools import StructuredTool, ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import BaseModel
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from langchain_pollinations._chat.tool_names import fit_name
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.emulator.legacy import Legacy
from langchain_pollinations.errors import (
    APIConnectionError,
    AuthenticationError,
    ContextOverflowError,
    InsufficientBalanceError,
    InvalidRequestError,
    KeyBudgetExhaustedError,
    PermissionDeniedError,
    PollinationsError,
    RateLimitError,
    ServiceUnavailableError,
    UpstreamError,
)
from langchain_pollinations.media import Media
from langchain_pollinations.tools.images import PollinationsImageTool
from langchain_pollinations.uploads import download
from tests.chat.test_messages import PDF, PNG
from tests.helpers.wire import asked_models

State = dict[str, Any]
Run = Callable[..., State]


def _invoke(agent: Any, asked: Any, config: Any) -> State:
    return agent.invoke(asked, config)


def _ainvoke(agent: Any, asked: Any, config: Any) -> State:
    return asyncio.run(agent.ainvoke(asked, config))


def _stream(agent: Any, asked: Any, config: Any) -> State:
    return _last(agent.stream(asked, config, stream_mode=["messages", "values"]))


def _astream(agent: Any, asked: Any, config: Any) -> State:
    async def collect() -> list[Any]:
        return [event async for event in agent.astream(asked, config, stream_mode=["messages", "values"])]

    return _last(asyncio.run(collect()))


def _last(events: Iterable[tuple[str, Any]]) -> State:
    *_, state = (payload for mode, payload in events if mode == "values")
    return state


def _events(agent: Any, asked: Any, config: Any) -> State:
    return agent.stream_events(asked, config, version="v3").output


def _aevents(agent: Any, asked: Any, config: Any) -> State:
    async def collect() -> State:
        return await (await agent.astream_events(asked, config, version="v3")).output()

    return asyncio.run(collect())


RUNS = {
    "invoke": _invoke,
    "ainvoke": _ainvoke,
    "stream": _stream,
    "astream": _astream,
    "events": _events,
    "aevents": _aevents,
}


@pytest.fixture(params=["invoke", "astream"])
def run(request: pytest.FixtureRequest) -> Run:
    """`run(agent, question, **configurable)`: the state in which an agent ends.

    By two methods; a test that takes all six of `RUNS` says so.
    """
    way = RUNS[request.param]

    def ask(agent: Any, asked: Any, **configurable: Any) -> State:
        given = asked if asked is None or isinstance(asked, Command) else {"messages": asked}
        return way(agent, given, {"configurable": configurable})

    return ask


@tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@tool
def multiply(a: int, b: int) -> int:
    """Multiplies two numbers."""
    return a * b


@tool
def divide(a: int, b: int) -> float:
    """Divides a number by another."""
    if b == 0:
        raise ToolException("Nobody divides by zero")
    return a / b


divide.handle_tool_error = True


def call(name: str, call_id: str = "call_1", /, **args: Any) -> dict[str, Any]:
    """A tool call as `Emulator.reply` takes it."""
    return {"name": name, "args": args, "id": call_id}


def on_wire(name: str, call_id: str, arguments: str, **more: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments, **more}}


def history(emulator: Emulator, place: int = -1) -> list[dict[str, Any]]:
    """The messages of a request."""
    return emulator.requests[place].json["messages"]


def answers(state: State) -> list[str]:
    return [message.text for message in state["messages"] if isinstance(message, AIMessage)]


# --- Tools ------------------------------------------------------------------------------------------------------------


SIGNED = {
    "reasoning_content": "Sums first.",
    "reasoning_details": [{"type": "reasoning.text", "text": "Sums first.", "signature": "c2ln"}],
}
BLOCKS = {
    "reasoning_content": "Sums first.",
    "content_blocks": [{"type": "thinking", "thinking": "Sums first.", "signature": "c2ln"}],
}
THOUGHTS = [
    pytest.param({"reasoning_content": "Sums first."}, {}, "plain", id="as text"),
    pytest.param(SIGNED, {}, "plain", id="with a signature"),
    pytest.param(BLOCKS, {}, "simulated", id="as blocks"),
    pytest.param({}, {"thought_signature": "c2ln"}, "plain", id="signed in the call"),
    pytest.param({"content": "Let me add first."}, {}, "plain", id="words beside the calls"),
]


@pytest.mark.parametrize("run", RUNS, indirect=True)
@pytest.mark.parametrize(("thought", "signed", "dialect"), THOUGHTS)
def test_an_agent_works_in_steps_and_gives_back_all_that_was_said(
    chat: ChatPollinations, emulator: Emulator, run: Run, thought: dict[str, Any], signed: dict[str, Any], dialect: str
) -> None:
    sums = [
        on_wire("add", "call_a", '{"a": 1, "b": 2}', **signed),
        on_wire("add", "call_b", '{"a": 3, "b": 4}', **signed),
    ]
    product = [on_wire("multiply", "call_c", '{"a": 3, "b": 7}')]
    emulator.reply(message={"content": None, "tool_calls": sums, **thought}, dialect=dialect)
    emulator.reply(message={"content": None, "tool_calls": product})
    emulator.reply("It is 21.")
    agent = create_agent(chat, [add, multiply], system_prompt="Be exact.")
    state = run(agent, "What is (1 + 2) * (3 + 4)?")

    assert [type(message).__name__.removesuffix("Chunk") for message in state["messages"]] == [
        *("HumanMessage", "AIMessage", "ToolMessage", "ToolMessage", "AIMessage", "ToolMessage", "AIMessage")
    ]
    assert answers(state)[-1] == "It is 21."
    first = [{"role": "system", "content": "Be exact."}, {"role": "user", "content": "What is (1 + 2) * (3 + 4)?"}]
    second = [
        *first,
        {"role": "assistant", "content": None, "tool_calls": sums, **thought},
        {"role": "tool", "tool_call_id": "call_a", "name": "add", "content": "3"},
        {"role": "tool", "tool_call_id": "call_b", "name": "add", "content": "7"},
    ]
    third = [
        *second,
        {"role": "assistant", "content": None, "tool_calls": product},
        {"role": "tool", "tool_call_id": "call_c", "name": "multiply", "content": "21"},
    ]
    assert [history(emulator, place) for place in range(len(emulator.requests))] == [first, second, third]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        pytest.param(call("add", a=1, b="two"), "b: Input should be a valid integer", id="argument of another type"),
        pytest.param(call("add", a=1), "b: Field required", id="argument missing"),
        pytest.param(call("subtract", a=1, b=2), "subtract is not a valid tool", id="no such tool"),
        pytest.param(call("divide", a=1, b=0), "Nobody divides by zero", id="the tool refuses"),
    ],
)
def test_the_model_is_told_what_went_wrong_in_a_tool(
    chat: ChatPollinations, emulator: Emulator, run: Run, asked: dict[str, Any], told: str
) -> None:
    emulator.reply(tool_calls=[asked])
    emulator.reply("I see.")
    state = run(create_agent(chat, [add, divide]), "Calculate!")
    assert state["messages"][-2].status == "error"
    assert history(emulator)[-1]["tool_call_id"] == "call_1"
    assert told in history(emulator)[-1]["content"]


def is_half(asked: dict[str, Any], call_id: str) -> bool:
    """Whether a call went back with the text of its arguments inside of a JSON object."""
    return asked == on_wire("add", call_id, json.dumps({"invalid_arguments": '{"a": 3'}))


def test_a_call_with_half_of_its_arguments_is_answered_beside_the_good_one(
    chat: ChatPollinations, emulator: Emulator, run: Run
) -> None:
    emulator.reply(tool_calls=[call("add", "call_a", a=1, b=2), {"name": "add", "args": '{"a": 3', "id": "call_b"}])
    emulator.reply("I see.")
    run(create_agent(chat, [add]), "Calculate!")
    _, assistant, *results = history(emulator)
    good, half = assistant["tool_calls"]
    assert good == on_wire("add", "call_a", '{"a": 1, "b": 2}')
    assert is_half(half, "call_b")
    told = {result["tool_call_id"]: result["content"] for result in results}
    assert len(results) == 2
    assert told["call_a"] == "3"
    assert "malformed" in told["call_b"]


def test_the_tokens_of_a_whole_run_are_counted(chat: ChatPollinations, emulator: Emulator, run: Run) -> None:
    emulator.reply(tool_calls=[call("add", a=1, b=2)])
    emulator.reply("Three.")
    with get_usage_metadata_callback() as counted:
        state = run(create_agent(chat, [add]), "1 + 2?")
    said = [message.usage_metadata for message in state["messages"] if isinstance(message, AIMessage)]
    assert len(said) == 2
    for kind in ("input_tokens", "output_tokens", "total_tokens"):
        assert counted.usage_metadata["openai/gpt-5.4-nano"][kind] == sum(each[kind] for each in said) > 0


def test_tools_of_the_service_stand_beside_functions(emulator: Emulator, run: Run) -> None:
    chat = ChatPollinations(**emulator.connection(), model="gemini")
    emulator.reply("Found.")
    run(create_agent(chat, [add, {"type": "google_search"}]), "Search!")
    sent = emulator.requests[-1].json["tools"]
    assert [each.get("function", each).get("name", each["type"]) for each in sent] == ["add", "google_search"]


def test_what_middleware_sets_for_a_call_goes_out(chat: ChatPollinations, emulator: Emulator) -> None:
    @wrap_model_call
    def settings(request: Any, handler: Any) -> Any:
        return handler(request.override(model_settings={"seed": 7, "reasoning_effort": "low"}, tool_choice="any"))

    emulator.reply("Yes.")
    create_agent(chat, [add], middleware=[settings]).invoke({"messages": "Hello"})
    sent = emulator.requests[-1].json
    assert (sent["seed"], sent["reasoning_effort"], sent["tool_choice"]) == (7, "low", "required")


# --- Streams ----------------------------------------------------------------------------------------------------------


def _collect(agent: Any, asked: str) -> list[tuple[str, Any]]:
    return list(agent.stream({"messages": asked}, stream_mode=["messages", "updates"]))


def _acollect(agent: Any, asked: str) -> list[tuple[str, Any]]:
    async def collect() -> list[tuple[str, Any]]:
        return [event async for event in agent.astream({"messages": asked}, stream_mode=["messages", "updates"])]

    return asyncio.run(collect())


@pytest.mark.parametrize("collect", [_collect, _acollect])
def test_tokens_arrive_by_and_by_between_the_steps(
    chat: ChatPollinations, emulator: Emulator, collect: Callable[..., list[tuple[str, Any]]]
) -> None:
    emulator.reply(tool_calls=[call("add", a=1, b=2)])
    emulator.reply("One and two are three.")
    events = collect(create_agent(chat, [add]), "1 + 2?")
    steps = [name for mode, payload in events if mode == "updates" for name in payload]
    assert steps == ["model", "tools", "model"]
    chunks = [message for mode, (message, *_) in _only(events, "messages") if isinstance(message, AIMessageChunk)]
    asked, told = ([chunk for chunk in chunks if chunk.id == id_] for id_ in dict.fromkeys(c.id for c in chunks))
    pieces = [chunk["args"] for message in asked for chunk in message.tool_call_chunks]
    assert len(pieces) > 3
    assert json.loads("".join(pieces)) == {"a": 1, "b": 2}
    texts = [chunk.text for chunk in told if chunk.text]
    assert len(texts) > 3
    assert "".join(texts) == "One and two are three."
    assert told[-1].chunk_position == "last"
    assert {repr(chunk).partition("(")[0] for chunk in chunks} == {"AIMessageChunk"}


def _only(events: list[tuple[str, Any]], mode: str) -> list[tuple[str, Any]]:
    return [event for event in events if event[0] == mode]


def test_the_first_token_of_an_agent_is_there_before_the_last(chat: ChatPollinations, emulator: Emulator) -> None:
    emulator.reply("One and two are three.", chunk_delay=0.05)
    seen = [
        time.monotonic()
        for message, _ in create_agent(chat).stream({"messages": "1 + 2?"}, stream_mode="messages")
        if message.text
    ]
    assert seen[-1] - seen[0] > 0.1


def _watch(agent: Any, asked: str) -> list[tuple[list[str], str, list[Any]]]:
    watched = []
    for message in agent.stream_events({"messages": asked}, version="v3").messages:
        pieces = list(message.text)
        watched.append((pieces, message.reasoning.get(), message.tool_calls.get()))
    return watched


def _awatch(agent: Any, asked: str) -> list[tuple[list[str], str, list[Any]]]:
    async def watch() -> list[tuple[list[str], str, list[Any]]]:
        run = await agent.astream_events({"messages": asked}, version="v3")
        watched = []
        async for message in run.messages:
            pieces = [piece async for piece in message.text]
            watched.append((pieces, await message.reasoning, await message.tool_calls))
        return watched

    return asyncio.run(watch())


@pytest.mark.parametrize("watch", [_watch, _awatch])
def test_the_events_of_an_agent_tell_thought_call_and_text_apart(
    chat: ChatPollinations, emulator: Emulator, watch: Callable[..., list[tuple[list[str], str, list[Any]]]]
) -> None:
    calls = [on_wire("add", "call_1", '{"a": 1, "b": 2}')]
    emulator.reply(message={"content": None, "reasoning_content": "I must add.", "tool_calls": calls})
    emulator.reply("One and two are three.")
    (_, thought, asked), (pieces, _, none) = watch(create_agent(chat, [add]), "1 + 2?")
    assert thought == "I must add."
    assert [(each["name"], each["args"], each["id"]) for each in asked] == [("add", {"a": 1, "b": 2}, "call_1")]
    assert len(pieces) > 3
    assert "".join(pieces) == "One and two are three."
    assert none == []


# --- Answers in a schema ----------------------------------------------------------------------------------------------


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


class WeatherDict(TypedDict):
    """The weather of a city."""

    city: str
    degrees: int


@dataclass
class WeatherData:
    """The weather of a city."""

    city: str
    degrees: int


WEATHER_SCHEMA = {
    "title": "WeatherSchema",
    "description": "The weather of a city.",
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
}
FOUND = {"city": "Oslo", "degrees": -3}
SCHEMAS = [
    pytest.param(Weather, Weather(**FOUND), id="pydantic"),
    pytest.param(WeatherDict, FOUND, id="typed dict"),
    pytest.param(WeatherData, WeatherData(**FOUND), id="dataclass"),
    pytest.param(WEATHER_SCHEMA, FOUND, id="json schema"),
]


@tool
def thermometer(city: str) -> str:
    """Reads a thermometer."""
    return f"-3 degrees in {city}"


def name_of(schema: Any) -> str:
    return schema["title"] if isinstance(schema, dict) else schema.__name__


@pytest.mark.parametrize(("schema", "expected"), SCHEMAS)
def test_an_answer_in_a_schema_is_a_forced_call_with_the_tool_strategy(
    chat: ChatPollinations, emulator: Emulator, run: Run, schema: Any, expected: Any
) -> None:
    emulator.reply(tool_calls=[call("thermometer", city="Oslo")])
    emulator.reply(tool_calls=[call(name_of(schema), "call_2", **FOUND)])
    state = run(create_agent(chat, [thermometer], response_format=ToolStrategy(schema)), "How cold is it in Oslo?")
    assert state["structured_response"] == expected
    assert len(emulator.requests) == 2
    for request in emulator.requests:
        assert [each["function"]["name"] for each in request.json["tools"]] == ["thermometer", name_of(schema)]
        assert request.json["tool_choice"] == "required"
        assert "response_format" not in request.json


UNFORCED = ["anthropic/claude-fable-5.1", "anthropic/claude-opus-5.5", "tencent/hy4-preview", "tencent/hy3"]


@pytest.mark.parametrize("model", UNFORCED)
def test_a_model_that_cannot_be_forced_is_told_to_call(emulator: Emulator, run: Run, model: str) -> None:
    emulator.reply(tool_calls=[call("thermometer", city="Oslo")])
    chat = ChatPollinations(**emulator.connection(), model=model)
    agent = create_agent(chat, [thermometer], response_format=ToolStrategy(Weather), system_prompt="Be brief.")
    with pytest.warns(UserWarning, match=f"{model}' does not support a forced tool choice"):
        state = run(agent, "How cold is it in Oslo?")
    assert isinstance(state["structured_response"], Weather)
    assert len(emulator.requests) == 2
    for request in emulator.requests:
        assert request.json["tool_choice"] == "auto"
        told = "Be brief.\n\nAnswer with a call of one of your tools, not with text."
        assert request.json["messages"][0] == {"role": "system", "content": told}


@pytest.mark.parametrize(("schema", "expected"), SCHEMAS)
def test_an_answer_in_a_schema_is_json_with_the_provider_strategy(
    chat: ChatPollinations, emulator: Emulator, run: Run, schema: Any, expected: Any
) -> None:
    emulator.reply(tool_calls=[call("thermometer", city="Oslo")])
    emulator.reply(message={"content": json.dumps(FOUND), "reasoning_content": "{They asked for JSON}"})
    strategy: Any = ProviderStrategy(schema, strict=True)
    state = run(create_agent(chat, [thermometer], response_format=strategy), "How cold is it in Oslo?")
    assert state["structured_response"] == expected
    assert len(emulator.requests) == 2
    for request in emulator.requests:
        assert [each["function"]["name"] for each in request.json["tools"]] == ["thermometer"]
        assert "tool_choice" not in request.json
        form = request.json["response_format"]
        assert (form["type"], form["json_schema"]["name"]) == ("json_schema", name_of(schema))
        assert form["json_schema"]["strict"] is True
        assert form["json_schema"]["schema"]["required"] == ["city", "degrees"]


@pytest.mark.parametrize(
    ("options", "tools", "native"),
    [
        pytest.param({"model": "openai"}, [], True, id="the profile declares it"),
        pytest.param({"model": "openai"}, [thermometer], True, id="beside tools too"),
        pytest.param({"model": "meta/llama-4-maverick"}, [], False, id="the profile denies it"),
        pytest.param(
            {"model": "meta/llama-4-maverick", "profile": {"structured_output": True}}, [], True, id="told so"
        ),
        pytest.param({"model": "gemini-fast"}, [], True, id="gemini alone"),
        pytest.param({"model": "gemini-fast"}, [thermometer], False, id="older gemini beside tools"),
    ],
)
def test_the_strategy_follows_the_profile(
    emulator: Emulator, run: Run, options: dict[str, Any], tools: list[Any], native: bool
) -> None:
    if native:
        emulator.reply(json.dumps(FOUND))
    else:
        emulator.reply(tool_calls=[call("Weather", **FOUND)])
    chat = ChatPollinations(**emulator.connection(), **options)
    state = run(create_agent(chat, tools, response_format=Weather), "How cold is it in Oslo?")
    assert state["structured_response"] == Weather(**FOUND)
    sent = emulator.requests[-1].json
    assert ("response_format" in sent, sent.get("tool_choice") == "required") == (native, not native)


@pytest.mark.parametrize(
    ("calls", "options", "told"),
    [
        pytest.param([call("Weather", "call_1", city="Oslo", degrees="cold")], {}, "degrees", id="does not fit"),
        pytest.param([call("Weather", "call_1")], {"handle_errors": "Once more!"}, "Once more!", id="words of ours"),
        pytest.param(
            [call("Weather", "call_1", **FOUND), call("Weather", "call_2", **FOUND)], {}, "only one", id="two at once"
        ),
    ],
)
def test_the_model_may_mend_its_answer(
    chat: ChatPollinations,
    emulator: Emulator,
    run: Run,
    calls: list[dict[str, Any]],
    options: dict[str, Any],
    told: str,
) -> None:
    emulator.reply(tool_calls=calls)
    emulator.reply(tool_calls=[call("Weather", "call_3", **FOUND)])
    strategy: Any = ToolStrategy(Weather, **options)
    state = run(create_agent(chat, [], response_format=strategy), "How cold is it in Oslo?")
    assert state["structured_response"] == Weather(**FOUND)
    assert len(emulator.requests) == 2
    _, assistant, *results = history(emulator)
    asked = [each["id"] for each in calls]
    assert [each["id"] for each in assistant["tool_calls"]] == asked
    assert [result["tool_call_id"] for result in results] == asked
    assert all(told in result["content"] for result in results)


@pytest.mark.parametrize(
    ("strategy", "reply", "error"),
    [
        pytest.param(
            ToolStrategy(Weather, handle_errors=False),
            {"tool_calls": [call("Weather", city="Oslo")]},
            StructuredOutputValidationError,
            id="a call that does not fit",
        ),
        pytest.param(
            ToolStrategy(Weather, handle_errors=False),
            {"tool_calls": [call("Weather", **FOUND), call("Weather", "call_2", **FOUND)]},
            MultipleStructuredOutputsError,
            id="two calls",
        ),
        pytest.param(
            ProviderStrategy(Weather),
            {"message": {"content": '{"city": "Oslo"}'}},
            StructuredOutputValidationError,
            id="json that does not fit",
        ),
        pytest.param(
            ProviderStrategy(Weather),
            {"message": {"content": "It is cold."}},
            StructuredOutputValidationError,
            id="no json",
        ),
    ],
)
def test_an_answer_that_does_not_fit_is_an_error_where_nobody_mends_it(
    chat: ChatPollinations,
    emulator: Emulator,
    run: Run,
    strategy: Any,
    reply: dict[str, Any],
    error: type[Exception],
) -> None:
    emulator.reply(**reply)
    with pytest.raises(error):
        run(create_agent(chat, [], response_format=strategy), "How cold is it in Oslo?")
    assert len(emulator.requests) == 1


# --- Long conversations -----------------------------------------------------------------------------------------------


def talk(turns: int, words: str) -> list[Any]:
    """A conversation of `turns` questions and answers, each as long as `words`."""
    said: list[Any] = []
    for turn in range(turns):
        said += [HumanMessage(f"Question {turn}: {words}"), AIMessage(f"Answer {turn}: {words}")]
    return said


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        pytest.param({"model": "openai/gpt-4o-mini"}, 3, id="128,000 tokens"),
        pytest.param({"model": "openai"}, None, id="400,000 tokens"),
        pytest.param({"model": "openai", "profile": {"max_input_tokens": 100_000}}, 2, id="a limit of our own"),
    ],
)
def test_a_conversation_is_summarised_at_a_fraction_of_what_the_model_takes(
    emulator: Emulator, run: Run, options: dict[str, Any], kept: int | None
) -> None:
    chat = ChatPollinations(**emulator.connection(), **options)
    middleware = SummarizationMiddleware(
        chat, trigger=("fraction", 0.5), keep=("fraction", 0.1), trim_tokens_to_summarize=None
    )
    before = talk(10, "whale " * 2400)  # twenty messages of about 3,600 tokens
    emulator.reply(*([] if kept is None else ["They spoke of whales."]), "Bye.")
    state = run(create_agent(chat, middleware=[middleware]), [*before, HumanMessage("Goodbye")])
    assert answers(state)[-1] == "Bye."
    sent = [message["content"] for message in history(emulator)]
    if kept is None:
        assert sent == [*(message.text for message in before), "Goodbye"]
    else:
        summary, *rest = sent
        assert summary.endswith("They spoke of whales.")
        assert rest == [*(message.text for message in before[-kept:]), "Goodbye"]


def test_tokens_that_the_service_reports_count(chat: ChatPollinations, emulator: Emulator, run: Run) -> None:
    """The text is short, but the service says that it was not: it counts pictures and thoughts, too."""
    usage = {"prompt_tokens": 350_000, "completion_tokens": 10, "total_tokens": 350_010}
    emulator.reply("Hello.", usage=usage)
    emulator.reply("They said hello.", "Bye.")
    middleware = SummarizationMiddleware(chat, trigger=("fraction", 0.8), keep=("messages", 1))
    agent = create_agent(chat, middleware=[middleware])
    state = run(agent, "Hello")
    assert len(emulator.requests) == 1
    run(agent, [*state["messages"], HumanMessage("Goodbye")])
    assert [message["content"].splitlines()[-1] for message in history(emulator)] == ["They said hello.", "Goodbye"]


def test_a_summary_cuts_no_call_from_its_result(chat: ChatPollinations, emulator: Emulator, run: Run) -> None:
    emulator.reply(tool_calls=[call("add", "call_a", a=1, b=2), call("add", "call_b", a=3, b=4)])
    emulator.reply("They want sums.", "3 and 7.")
    middleware = SummarizationMiddleware(chat, trigger=("messages", 5), keep=("messages", 1))
    asked = [*talk(1, "sums"), HumanMessage("1 + 2 and 3 + 4?")]
    run(create_agent(chat, [add], middleware=[middleware]), asked)
    summary, assistant, *results = history(emulator)
    assert summary["content"].endswith("They want sums.")
    asked_ids = [each["id"] for each in assistant["tool_calls"]]
    assert asked_ids == [result["tool_call_id"] for result in results] == ["call_a", "call_b"]


def test_a_summary_that_is_too_long_itself_is_asked_for_once_more_and_shorter(
    chat: ChatPollinations, emulator: Emulator, run: Run
) -> None:
    emulator.fail("context overflow")
    emulator.reply("They spoke of whales.", "Bye.")
    middleware = SummarizationMiddleware(
        chat, trigger=("messages", 5), keep=("messages", 1), trim_tokens_to_summarize=None
    )
    asked = [*talk(10, "whale " * 50), HumanMessage("Goodbye")]
    run(create_agent(chat, middleware=[middleware]), asked)
    first, second = (history(emulator, place)[0]["content"] for place in (0, 1))
    assert len(second) < len(first) * 0.8
    assert "[... middle of conversation omitted ...]" in second
    assert [message["content"].splitlines()[-1] for message in history(emulator)] == [
        "They spoke of whales.",
        "Goodbye",
    ]
    assert len(emulator.requests) == 3


@pytest.mark.parametrize(
    ("fault", "error", "requests"),
    [
        ("key not recognised", AuthenticationError, 1),
        ("balance notice", InsufficientBalanceError, 1),
        ("context overflow", ContextOverflowError, 2),
    ],
)
def test_a_summary_that_cannot_be_had_is_an_error(
    emulator: Emulator, run: Run, fault: str, error: type[Exception], requests: int
) -> None:
    chat = ChatPollinations(**emulator.connection(), max_retries=0)
    emulator.fail(fault, times=9)
    middleware = SummarizationMiddleware(chat, trigger=("messages", 5), keep=("messages", 1))
    with pytest.raises(error):
        run(create_agent(chat, middleware=[middleware]), [*talk(3, "whale"), HumanMessage("Goodbye")])
    assert len(emulator.requests) == requests


def test_a_model_without_a_profile_needs_a_limit_in_tokens(emulator: Emulator) -> None:
    chat = ChatPollinations(**emulator.connection(), model="community/someone/model")
    with pytest.raises(ValueError, match="profile"):
        SummarizationMiddleware(chat, trigger=("fraction", 0.5))


@pytest.mark.parametrize(("trigger", "cleared"), [(150, True), (2000, False)])
def test_old_results_are_cleared_by_the_tokens_that_the_model_counts(
    chat: ChatPollinations, emulator: Emulator, run: Run, trigger: int, cleared: bool
) -> None:
    @tool
    def read(page: int) -> str:
        """Reads a page."""
        return f"Page {page}: " + "whale " * 100

    for page in (1, 2):
        emulator.reply(tool_calls=[call("read", f"call_{page}", page=page)])
    emulator.reply("Whales.")
    edit = ClearToolUsesEdit(trigger=trigger, keep=1)
    middleware = ContextEditingMiddleware(edits=[edit], token_count_method="model")
    state = run(create_agent(chat, [read], middleware=[middleware]), "What is in the book?")
    first, second = (message["content"] for message in history(emulator) if message["role"] == "tool")
    assert (first == "[cleared]") == cleared
    assert second.startswith("Page 2: whale")
    assert all(message.text.startswith("Page") for message in state["messages"] if isinstance(message, ToolMessage))


def test_a_model_selects_the_tools_for_another(emulator: Emulator, run: Run) -> None:
    chat = ChatPollinations(**emulator.connection())
    selector = ChatPollinations(**emulator.connection(), model="openai-fast")
    emulator.reply('{"tools": ["multiply"]}', "Six.")
    middleware = LLMToolSelectorMiddleware(model=selector, max_tools=1)
    state = run(create_agent(chat, [add, multiply, divide], middleware=[middleware]), "2 * 3?")
    assert answers(state) == ["Six."]
    asked, sent = (request.json for request in emulator.requests)
    assert (asked["model"], sent["model"]) == ("openai-fast", "openai")
    assert asked["response_format"]["type"] == "json_schema"
    assert [each["function"]["name"] for each in sent["tools"]] == ["multiply"]


@pytest.mark.parametrize("model", ["openai", "meta/llama-4-maverick", "anthropic/claude-fable-5.1"])
@pytest.mark.parametrize("wrong", [{"tool": "add"}, {"tools": None}, {}], ids=repr)
def test_a_selection_that_is_none_is_asked_for_again(
    emulator: Emulator, run: Run, model: str, wrong: dict[str, Any]
) -> None:
    selector = ChatPollinations(**emulator.connection(), model=model)
    for args in (wrong, {"tools": '["multiply"]'}):
        if model == "openai":
            emulator.reply(json.dumps(args))
        else:
            emulator.reply(tool_calls=[call("ToolSelectionResponse", **args)])
    emulator.reply("Six.")
    middleware = LLMToolSelectorMiddleware(model=selector)
    chat = ChatPollinations(**emulator.connection())
    state = run(create_agent(chat, [add, multiply], middleware=[middleware]), "2 * 3?")
    assert answers(state) == ["Six."]
    assert [each["function"]["name"] for each in emulator.requests[-1].json["tools"]] == ["multiply"]
    assert len(emulator.requests) == 3


def test_the_emulator_selects_tools(emulator: Emulator, run: Run) -> None:
    chat = ChatPollinations(**emulator.connection())
    run(
        create_agent(chat, [add, multiply, divide], middleware=[LLMToolSelectorMiddleware()]), "Please multiply 2 by 3."
    )
    assert [each["function"]["name"] for each in emulator.requests[-1].json["tools"]] == ["multiply"]


DOTTED = ["coding.start", "coding.stop", "Get File", "größe"]


def dotted(name: str, done: list[str] | None = None) -> Any:
    """A tool with a name that providers do not take."""

    def run(x: int) -> str:
        if done is not None:
            done.append(f"{name} {x}")
        return f"{name} did {x}"

    return StructuredTool.from_function(run, name=name, description="Does it.")


def test_a_model_selects_tools_by_the_names_that_the_caller_gave(emulator: Emulator, run: Run) -> None:
    chat = ChatPollinations(**emulator.connection())
    emulator.reply('{"tools": ["größe", "coding.start"]}')
    emulator.reply(tool_calls=[call(fit_name("coding.start"), x=1)])
    emulator.reply('{"tools": ["coding.start"]}', "Done.")
    agent = create_agent(chat, [*map(dotted, DOTTED)], middleware=[LLMToolSelectorMiddleware(max_tools=2)])
    state = run(agent, "Start!")
    assert [message.text for message in state["messages"][2:]] == ["coding.start did 1", "Done."]
    _, sent, *_ = (request.json for request in emulator.requests)
    assert [each["function"]["name"] for each in sent["tools"]] == [fit_name("coding.start"), fit_name("größe")]


EDIT = {"type": "edit", "edited_action": {"name": "coding.start", "args": {"x": 2}}}
SWITCH = {"type": "edit", "edited_action": {"name": "coding.stop", "args": {"x": 2}}}
DECISIONS = {
    "approved": ({"type": "approve"}, ["coding.start 1"], "coding.start did 1"),
    "edited": (EDIT, ["coding.start 2"], "coding.start did 2"),
    "edited to another tool": (SWITCH, ["coding.stop 2"], "coding.stop did 2"),
    "rejected": ({"type": "reject", "message": "Not today."}, [], "Not today."),
}


@pytest.mark.parametrize(("decision", "ran", "told"), DECISIONS.values(), ids=DECISIONS)
def test_a_person_decides_on_a_call(
    chat: ChatPollinations, emulator: Emulator, run: Run, decision: dict[str, Any], ran: list[str], told: str
) -> None:
    done: list[str] = []
    middleware = HumanInTheLoopMiddleware(interrupt_on={"coding.start": True})
    agent = create_agent(
        chat, [dotted(name, done) for name in DOTTED], middleware=[middleware], checkpointer=InMemorySaver()
    )
    emulator.reply(tool_calls=[call(fit_name("coding.start"), x=1)])
    emulator.reply("I see.")
    run(agent, "Start!", thread_id="one")
    (interrupt,) = agent.get_state({"configurable": {"thread_id": "one"}}).interrupts
    assert [each["name"] for each in interrupt.value["action_requests"]] == ["coding.start"]
    assert done == []
    state = run(agent, Command(resume={"decisions": [decision]}), thread_id="one")
    assert (done, answers(state)[-1]) == (ran, "I see.")
    (asked,) = state["messages"][1].tool_calls  # some versions of LangChain edit the call itself
    _, assistant, result = history(emulator)
    assert assistant["tool_calls"] == [on_wire(fit_name(asked["name"]), "call_1", json.dumps(asked["args"]))]
    assert result["tool_call_id"] == "call_1"
    assert told in result["content"]


# --- MCP servers ------------------------------------------------------------------------------------------------------


def mcp(name: str, *content: dict[str, Any], fails: bool = False, **properties: Any) -> Any:
    """A tool as LangChain's adapters of MCP servers build it: asynchronous, with a dict as its schema."""

    async def ask(**arguments: Any) -> tuple[list[Any], Any]:
        if fails:
            raise ToolException("No such file")
        return list(content), None

    return StructuredTool(
        name=name,
        description="",
        args_schema={"type": "object", **({"properties": properties} if properties else {})},
        coroutine=ask,
        response_format="content_and_artifact",
        metadata={"mcp": {"server": {"name": "files"}}},
        handle_tool_error=lambda error: [create_text_block(text=str(error))],
    )


@pytest.mark.parametrize("way", ["ainvoke", "astream", "aevents"])
def test_tools_of_an_mcp_server(chat: ChatPollinations, emulator: Emulator, way: str) -> None:
    drawn = create_image_block(base64=PNG, mime_type="image/png")
    bound = create_file_block(base64=PDF, mime_type="application/pdf")
    tools = [
        mcp("clock.now", create_text_block(text="12:00")),
        mcp("files.read", create_text_block(text="A page."), path={"type": "string"}),
        mcp("files.show", create_text_block(text="A dot."), drawn, bound, path={"type": "string"}),
        mcp("files.find", fails=True),
    ]
    asked = [
        on_wire(fit_name("clock.now"), "call_a", "{}"),
        on_wire(fit_name("files.read"), "call_b", '{"path": "a"}'),
        on_wire(fit_name("files.show"), "call_c", '{"path": "b"}'),
        on_wire(fit_name("files.find"), "call_d", ""),
    ]
    emulator.reply(message={"content": None, "tool_calls": asked})
    emulator.reply("It is noon.")
    state = RUNS[way](create_agent(chat, tools), {"messages": "What time is it?"}, {})
    assert [each["function"]["name"] for each in emulator.requests[0].json["tools"]] == [
        fit_name(t.name) for t in tools
    ]
    results = [message for message in state["messages"] if isinstance(message, ToolMessage)]
    assert [(result.name, result.status) for result in results] == [
        *(("clock.now", "success"), ("files.read", "success"), ("files.show", "success"), ("files.find", "error"))
    ]
    _, assistant, *told, shown = history(emulator)
    assert assistant["tool_calls"] == [*asked[:3], on_wire(fit_name("files.find"), "call_d", "{}")]
    assert [(m["tool_call_id"], m["content"]) for m in told] == [
        *(("call_a", "12:00"), ("call_b", "A page."), ("call_c", "A dot."), ("call_d", "No such file"))
    ]
    _, picture, file = shown["content"]
    assert picture["image_url"]["url"] == f"data:image/png;base64,{PNG}"
    assert file["file"]["file_data"] == f"data:application/pdf;base64,{PDF}"


def test_a_model_calls_a_tool_of_an_mcp_server_by_itself(chat: ChatPollinations, emulator: Emulator) -> None:
    """Nothing is scripted here: the emulator reads the tool, whose name and schema have to be good."""
    tools = [mcp("my.adder", create_text_block(text="7"), a={"type": "integer"}, b={"type": "integer"})]
    state = RUNS["ainvoke"](create_agent(chat, tools), {"messages": "Use the tool: what is 3 plus 4?"}, {})
    (called,) = state["messages"][1].tool_calls
    assert called["name"] == "my.adder"
    assert answers(state)[-1].endswith("7")


# --- When the model refuses -------------------------------------------------------------------------------------------

REFUSALS = {
    "a refusal": ({"content": None, "refusal": "I will not."}, None, "I will not."),
    "a refusal beside text": ({"content": "Well.", "refusal": "I will not."}, None, "I will not."),
    "a refusal after a thought": (
        {"content": None, "refusal": "I will not.", "reasoning_content": "Hm."},
        None,
        "I will not.",
    ),
    "half a text, then a filter": ({"content": "Half a"}, "content_filter", "content_filter"),
    "a thought, then a filter": ({"content": "", "reasoning_content": "Hm."}, "SAFETY", "content_filter"),
}


@pytest.mark.parametrize("output_version", ["v0", "v1"])
@pytest.mark.parametrize(("message", "reason", "says"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_an_error_where_middleware_asks_for_it(
    emulator: Emulator, run: Run, message: dict[str, Any], reason: str | None, says: str, output_version: Any
) -> None:
    middleware = pytest.importorskip("langchain.agents.middleware.model_refusal").ModelRefusalMiddleware
    first = ChatPollinations(**emulator.connection(), output_version=output_version)
    second = ChatPollinations(**emulator.connection(), model="openai-fast", output_version=output_version)
    emulator.reply(message=message, finish_reason=reason, dialect="plain", times=2)
    with pytest.raises(exceptions.ModelRefusalError, match=says):
        run(create_agent(first, middleware=[middleware()]), "Go")
    emulator.reply("I will.")
    state = run(create_agent(first, middleware=[ModelFallbackMiddleware(second), middleware()]), "Go")
    assert answers(state) == ["I will."]
    assert asked_models(emulator) == ["openai", "openai", "openai-fast"]


# --- When the service fails -------------------------------------------------------------------------------------------


def fail(emulator: Emulator, fault: int | str) -> None:
    emulator.fail(fault)
    if fault == "cut":
        emulator.reply("Of these words only the first arrive.")


@pytest.mark.parametrize(
    "fault",
    [
        503,
        401,
        429,
        "balance spent",
        "key budget spent",
        "balance notice",
        "context overflow",
        "model not allowed for the key",
        "drop",
        "cut",
    ],
)
def test_another_model_answers_where_the_first_fails(emulator: Emulator, run: Run, fault: int | str) -> None:
    first = ChatPollinations(**emulator.connection(), max_retries=0)
    second = ChatPollinations(**emulator.connection(), model="openai/gpt-oss-20b", max_retries=0)
    fail(emulator, fault)
    emulator.reply(tool_calls=[call("add", a=1, b=2)])
    emulator.reply("Three.")
    agent = create_agent(first, [add], middleware=[ModelFallbackMiddleware(second)])
    state = run(agent, "1 + 2?")
    assert asked_models(emulator) == ["openai", "openai/gpt-oss-20b", "openai"]
    assert emulator.requests[1].json["messages"] == emulator.requests[0].json["messages"]
    assert emulator.requests[1].json["tools"] == emulator.requests[0].json["tools"]
    assert answers(state) == ["", "Three."]


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("balance spent", InsufficientBalanceError, 402),
        ("balance notice", InsufficientBalanceError, 402),
        ("key budget spent", KeyBudgetExhaustedError, 402),
        ("model not allowed for the key", PermissionDeniedError, 403),
        (401, AuthenticationError, 401),
    ],
)
def test_an_error_in_the_middle_of_a_run_is_the_same_as_at_its_start(
    chat: ChatPollinations, emulator: Emulator, run: Run, fault: int | str, error: type[PollinationsError], status: int
) -> None:
    emulator.reply(tool_calls=[call("add", a=1, b=2)])
    emulator.fail(fault)
    agent = create_agent(chat, [add], checkpointer=InMemorySaver())
    with pytest.raises(error) as raised:
        run(agent, "1 + 2?", thread_id="one")
    assert raised.value.status_code == status
    emulator.reply("Three.")
    state = run(agent, None, thread_id="one")  # the thread goes on where it stopped
    assert answers(state) == ["", "Three."]
    assert [message["role"] for message in history(emulator)] == ["user", "assistant", "tool"]


def test_the_error_of_the_last_model_is_what_one_gets(emulator: Emulator, run: Run) -> None:
    models = [
        ChatPollinations(**emulator.connection(), model=name, max_retries=0) for name in ("openai", "gemini", "mistral")
    ]
    for fault in (503, 429, "balance notice"):
        emulator.fail(fault)
    with pytest.raises(InsufficientBalanceError):
        run(create_agent(models[0], middleware=[ModelFallbackMiddleware(*models[1:])]), "Hello")
    assert asked_models(emulator) == ["openai", "gemini", "mistral"]


FAULTS = [
    pytest.param(503, ServiceUnavailableError, True, id="503"),
    pytest.param(429, RateLimitError, True, id="429"),
    pytest.param("provider 429", UpstreamError, True, id="provider 429"),
    pytest.param("drop", APIConnectionError, True, id="drop"),
    pytest.param("cut", APIConnectionError, True, id="cut"),
    pytest.param(400, InvalidRequestError, False, id="400"),
    pytest.param(401, AuthenticationError, False, id="401"),
    pytest.param(403, PermissionDeniedError, False, id="403"),
    pytest.param("balance spent", InsufficientBalanceError, False, id="balance spent"),
    pytest.param("balance notice", InsufficientBalanceError, False, id="balance notice"),
    pytest.param("context overflow", ContextOverflowError, False, id="context overflow"),
    pytest.param("provider 401", UpstreamError, False, id="provider 401"),
]


def retrying(emulator: Emulator, **options: Any) -> Any:
    """An agent that repeats a failed call twice, without waiting; the model itself repeats nothing."""
    middleware: AgentMiddleware[Any, Any, Any] = ModelRetryMiddleware(
        max_retries=2, initial_delay=0, jitter=False, **options
    )
    return create_agent(ChatPollinations(**emulator.connection(), max_retries=0), middleware=[middleware])


@pytest.mark.unused_replies
@pytest.mark.parametrize(("fault", "error", "again"), FAULTS)
def test_only_what_may_pass_is_repeated(
    emulator: Emulator, run: Run, fault: int | str, error: type[Exception], again: bool
) -> None:
    for _ in range(3):
        fail(emulator, fault)
    with pytest.raises(error):
        run(retrying(emulator, on_failure="error"), "Hello")
    assert len(emulator.requests) == (3 if again else 1)


@pytest.mark.parametrize(("fault", "error", "again"), [each for each in FAULTS if each.values[2]])
def test_a_fault_that_passes_is_not_seen(
    emulator: Emulator, run: Run, fault: int | str, error: type[Exception], again: bool
) -> None:
    fail(emulator, fault)
    emulator.reply("Hello.")
    state = run(retrying(emulator), "Hello")
    assert [message.text for message in state["messages"]] == ["Hello", "Hello."]
    assert len(emulator.requests) == 2
    assert emulator.requests[0].body == emulator.requests[1].body


def test_a_connection_may_be_cut_again_and_again(emulator: Emulator, run: Run) -> None:
    emulator.fail("cut", times=3)
    with pytest.raises(APIConnectionError):
        run(retrying(emulator, on_failure="error"), "Hello")
    assert len(emulator.requests) == 3


@pytest.mark.parametrize("way", ["stream", "astream", "events", "aevents"])
@pytest.mark.parametrize("fault", ["stream error", "no end", "cut"])
def test_a_stream_that_breaks_off_is_begun_again(emulator: Emulator, way: str, fault: str) -> None:
    emulator.fail(fault, after=None if fault == "stream error" else 4)
    if fault != "stream error":
        emulator.reply("Of these words only the first arrive.")
    emulator.reply("Hello.")
    state = RUNS[way](retrying(emulator), {"messages": "Hello"}, None)
    assert [message.text for message in state["messages"]] == ["Hello", "Hello."]
    assert len(emulator.requests) == 2


def test_an_agent_can_tell_of_a_fault_that_stays(emulator: Emulator, run: Run) -> None:
    emulator.fail(503, times=3)
    (told,) = answers(run(retrying(emulator, on_failure="continue"), "Hello"))
    assert "3 attempts with ServiceUnavailableError" in told
    assert "sk_emulator" not in told


@pytest.mark.parametrize("ends", ["end", "error"])
def test_a_limit_of_calls_holds(chat: ChatPollinations, emulator: Emulator, run: Run, ends: Any) -> None:
    emulator.reply(tool_calls=[call("add", a=1, b=2)], times=9)
    agent = create_agent(chat, [add], middleware=[ModelCallLimitMiddleware(run_limit=2, exit_behavior=ends)])
    if ends == "error":
        with pytest.raises(ModelCallLimitExceededError):
            run(agent, "1 + 2?")
    else:
        assert "limit" in run(agent, "1 + 2?")["messages"][-1].text
    assert len(emulator.requests) == 2


# --- Pictures, memory, loops ------------------------------------------------------------------------------------------


def illustrator(emulator: Emulator, **options: Any) -> Any:
    service = emulator.connection()
    tools = [PollinationsImageTool(**service, width=64, height=64, max_retries=0)]
    return create_agent(ChatPollinations(**service), tools, **options)


def paths_of_pictures(emulator: Emulator) -> list[str]:
    return [request.path for request in emulator.requests if request.path.startswith("/image/")]


@pytest.mark.unused_replies
@pytest.mark.parametrize(("fault", "error"), [(503, None), (429, None), (401, AuthenticationError)])
def test_a_picture_is_drawn_again_where_that_can_help(
    emulator: Emulator, run: Run, fault: int, error: type[Exception] | None
) -> None:
    middleware = ToolRetryMiddleware(max_retries=2, initial_delay=0, jitter=False, on_failure="error")
    emulator.fail(fault, on="/image/")
    emulator.reply(tool_calls=[call("generate_image", prompt="a whale")])
    emulator.reply("Look!")
    agent = illustrator(emulator, middleware=[middleware])
    if error is not None:
        with pytest.raises(error):
            run(agent, "Draw a whale")
        assert len(paths_of_pictures(emulator)) == 1
    else:
        state = run(agent, "Draw a whale")
        assert Media.from_artifact(state["messages"][-2].artifact).mime_type.startswith("image/")
        assert len(paths_of_pictures(emulator)) == 2


def test_a_model_looks_at_the_pictures_that_it_drew(emulator: Emulator, run: Run) -> None:
    """Results stand right behind their calls, as the service wants it; the pictures follow in one message."""
    emulator.reply(
        tool_calls=[call("generate_image", "call_a", prompt="a"), call("generate_image", "call_b", prompt="b")]
    )
    emulator.reply("Two whales.")
    tools = [PollinationsImageTool(**emulator.connection(), width=64, height=64, show=True)]
    state = run(create_agent(ChatPollinations(**emulator.connection()), tools), "Draw two whales")
    assert answers(state)[-1] == "Two whales."
    _, _, *results, shown = history(emulator)
    assert [result["tool_call_id"] for result in results] == ["call_a", "call_b"]
    seen = [part["image_url"]["url"] for part in shown["content"] if part["type"] == "image_url"]
    artifacts = [message.artifact for message in state["messages"] if isinstance(message, ToolMessage)]
    drawn = [Media.from_artifact(artifact, store=tools[0].media_store).data for artifact in artifacts]
    assert [base64.b64decode(url.partition(",")[2]) for url in seen] == drawn


def shown_by_tools(count: int, image: dict[str, str]) -> list[BaseMessage]:
    return [
        message
        for number in range(count)
        for message in (
            AIMessage("", tool_calls=[{"name": "draw", "args": {}, "id": f"call_{number}"}]),
            ToolMessage([{"type": "text", "text": f"{number}"}, image], tool_call_id=f"call_{number}"),
        )
    ]


@pytest.mark.parametrize("own", [0, 4, 11])
def test_a_model_sees_only_as_many_images_as_it_accepts(emulator: Emulator, own: int) -> None:
    """The service refuses more images, and would refuse each later request of the thread."""
    image = {"type": "image", "base64": PNG, "mime_type": "image/png"}
    messages = [*shown_by_tools(12, image), HumanMessage([{"type": "text", "text": "Compare them"}, *[image] * own])]
    chat = ChatPollinations(**emulator.connection())  # its model accepts 10 images
    with pytest.warns(UserWarning, match="at most 10, and 16 MiB together.*; the oldest images in tool results are"):
        if own <= 10:
            chat.invoke(messages)
        else:  # images of the caller are not removed
            with pytest.raises(InvalidRequestError, match="at most 10 reference images"):
                chat.invoke(messages)
    kinds = [
        part["type"]
        for message in history(emulator)
        if isinstance(message["content"], list)
        for part in message["content"]
    ]
    assert kinds.count("image_url") == max(10, own)
    assert kinds[1] == "text" and kinds[-1] == ("image_url" if own else "text")


def test_images_of_tools_do_not_make_a_request_too_large(emulator: Emulator) -> None:
    """A model that accepts 3,600 images would otherwise end the thread with status 413."""
    large = base64.b64encode(base64.b64decode(PNG) + bytes(1024 * 1024)).decode()
    image = {"type": "image", "base64": large, "mime_type": "image/png"}
    chat = ChatPollinations(model="google/gemini-2.5-flash-lite", **emulator.connection())
    with pytest.warns(UserWarning, match="at most 3600, and 16 MiB together"):
        chat.invoke([*shown_by_tools(16, image), HumanMessage("Compare them")])
    assert len(emulator.requests[-1].body) < 16 * 1024 * 1024
    contents = [message["content"] for message in history(emulator) if isinstance(message["content"], list)]
    parts = [part for content in contents for part in content]
    kinds = [kind for part in parts if (kind := part.get("text", "image")).startswith(("This image", "image"))]
    assert [kind[:5] for kind in kinds] == ["This "] * 5 + ["image"] * 11


def test_a_thread_remembers_words_calls_and_pictures(emulator: Emulator, run: Run) -> None:
    """Each turn runs in an event loop of its own, and reads what the last one wrote as bytes."""
    saver = InMemorySaver()
    calls = [on_wire("generate_image", "call_1", '{"prompt": "a whale", "seed": 7}')]
    thought = {"reasoning_content": "A whale it is."}
    emulator.reply(message={"content": None, "tool_calls": calls, **thought})
    emulator.reply("Here it is.", "It was a whale.")
    run(illustrator(emulator, checkpointer=saver), "Draw a whale", thread_id="one")
    state = run(illustrator(emulator, checkpointer=saver), "What was it?", thread_id="one")

    assert answers(state) == ["", "Here it is.", "It was a whale."]
    (shown,) = (message for message in state["messages"] if isinstance(message, ToolMessage))
    picture = Media.from_artifact(shown.artifact)
    assert (picture.prompt, picture.seed) == ("a whale", 7)
    assert history(emulator) == [
        {"role": "user", "content": "Draw a whale"},
        {"role": "assistant", "content": None, "tool_calls": calls, **thought},
        {"role": "tool", "tool_call_id": "call_1", "name": "generate_image", "content": shown.text},
        {"role": "assistant", "content": "Here it is."},
        {"role": "user", "content": "What was it?"},
    ]
    assert download(picture, base_url=emulator.url).data.startswith(b"\xff\xd8")
    emulator.reply("I do not know.")
    assert len(run(illustrator(emulator, checkpointer=saver), "What was it?", thread_id="two")["messages"]) == 2


def test_a_thread_goes_on_after_a_call_that_was_cut_off(chat: ChatPollinations, emulator: Emulator, run: Run) -> None:
    agent = create_agent(chat, [add], checkpointer=InMemorySaver())
    emulator.reply(tool_calls=[{"name": "add", "args": '{"a": 3', "id": "call_1"}])
    emulator.reply("I meant seven.")
    run(agent, "3 + 4?", thread_id="one")
    state = run(agent, "Well?", thread_id="one")
    assert answers(state)[-1] == "I meant seven."
    _, assistant, result, asked = history(emulator)
    (half,) = assistant["tool_calls"]
    assert is_half(half, "call_1")
    assert (result["role"], result["tool_call_id"]) == ("tool", "call_1")
    assert asked == {"role": "user", "content": "Well?"}


KIMI, CLAUDE, GEMINI, GPT = (
    "moonshotai/kimi-k2.6", "anthropic/claude-haiku-4.5", "google/gemini-3.1-pro-preview", "openai/gpt-5.4",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore:The model returned an empty response")
def test_a_thread_moves_from_publisher_to_publisher(emulator: Emulator, run: Run) -> None:
    """The emulator plays each provider in its own form, and refuses what that provider refuses."""
    saver = InMemorySaver()

    def turn(model: str, question: str, *replies: dict[str, Any]) -> list[dict[str, Any]]:
        for reply in replies:
            emulator.reply(**reply)
        chat = ChatPollinations(**emulator.connection(), model=model, max_retries=0)
        run(create_agent(chat, [add], checkpointer=saver), question, thread_id="one")
        assert emulator.requests[-1].json["model"] == model
        return history(emulator)

    def adds(call_id: str, **said: Any) -> dict[str, Any]:
        return {"message": {"content": None, "tool_calls": [on_wire("add", call_id, '{"a": 1, "b": 2}')], **said}}

    sent = turn(KIMI, "1 + 2?", adds("functions.add:0", reasoning_content="Add."), {"message": {"content": "Three."}})
    assert sent[1]["reasoning_content"] == "Add."
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == "functions.add:0"
    cut = {"content": "", "reasoning_content": "Hm.", "tool_calls": [on_wire("add", "toolu_1", '{"a": 3')]}
    turn(CLAUDE, "3 + 4?", {"message": cut, "finish_reason": "length"})
    turn(CLAUDE, "Well?", {"message": {"content": "Seven."}})
    sent = turn(GEMINI, "1 + 2 again?", adds("call_1", reasoning_content="Again."), {"message": {"content": ""}})
    assert not [message for message in sent if "reasoning_content" in message]
    refused = {"message": {"content": None, "refusal": "I cannot say."}}
    sent = turn(GPT, "And?", adds("call|fc_1", reasoning_content="Hm."), refused)
    assert [message["role"] for message in sent].count("tool") == 4
    sent = turn(
        CLAUDE, "So?", adds("toolu_2", reasoning_content="Last."), {"message": {"content": "Three, seven, three."}}
    )

    calls = [call for message in sent for call in message.get("tool_calls", ())]
    results = [message for message in sent if message["role"] == "tool"]
    assert [call["id"] for call in calls] == [result["tool_call_id"] for result in results]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [
        {"a": 1, "b": 2}, {"invalid_arguments": '{"a": 3'}, *[{"a": 1, "b": 2}] * 3
    ]  # fmt: skip
    del results[1]  # in which LangChain speaks of the cut call
    assert [result["content"] for result in results] == ["3"] * 4
    told = [message["content"] for message in sent if message["role"] == "assistant" and message["content"]]
    assert told == ["Three.", "Seven.", "I cannot say."]
    assert sent[-2]["content_blocks"][0]["thinking"] == "Last."


def test_one_agent_serves_many_at_once_in_any_loop(chat: ChatPollinations, emulator: Emulator) -> None:
    """Nothing is scripted here: the emulator adds by itself, and each question has its own sum."""
    agent = create_agent(chat, [add])
    asked = [{"messages": f"What is {number} plus {number}?"} for number in range(10, 34)]

    async def many(some: list[Any]) -> list[State]:
        return await asyncio.gather(*(agent.ainvoke(each) for each in some))

    states = [*agent.batch(asked[:8]), *asyncio.run(many(asked[8:16])), *asyncio.run(many(asked[16:]))]
    sums = [[m.text for m in state["messages"] if isinstance(m, ToolMessage)] for state in states]
    assert sums == [[str(2 * number)] for number in range(10, 34)]
    assert all(answers(state)[-1].endswith(f" {2 * number}") for number, state in enumerate(states, 10))
    assert len(emulator.requests) == 48


# --- On the older hosts, without a key --------------------------------------------------------------------------------


def older(legacy: Legacy, **options: Any) -> dict[str, Any]:
    """Arguments of what asks the older hosts, and does not wait for its turn."""
    return {**legacy.connection(), "legacy_interval": 0, "max_retries": 0, **options}


def ways(legacy: Legacy) -> list[str]:
    return [request.path if request.host == "text" else request.host for request in legacy.requests]


@pytest.mark.parametrize("route", [{}, {"route": "get"}, {"route": "post"}], ids=["", "get", "plain"])
def test_an_agent_calculates_without_a_key(legacy: Legacy, run: Run, route: dict[str, Any]) -> None:
    """Nothing is scripted here. Tools go by the route of OpenAI, whatever is preferred."""
    state = run(create_agent(ChatPollinations(**older(legacy, **route)), [add]), "What is 3 plus 4?")
    assert [message.text for message in state["messages"] if isinstance(message, ToolMessage)] == ["7"]
    assert "7" in answers(state)[-1]
    assert ways(legacy) == ["/openai", "/openai"]
    asked, result = legacy.requests[-1].json["messages"][-2:]
    assert result == {"role": "tool", "tool_call_id": asked["tool_calls"][0]["id"], "name": "add", "content": "7"}


class Ocean(BaseModel):
    """An ocean."""

    name: str


@pytest.mark.parametrize(
    ("form", "field"),
    [(Ocean, "tools"), (ToolStrategy(Ocean), "tools"), (ProviderStrategy(Ocean), "response_format")],
    ids=["by itself", "tool", "provider"],
)
def test_the_older_host_fills_a_form(legacy: Legacy, run: Run, form: Any, field: str) -> None:
    state = run(create_agent(ChatPollinations(**older(legacy)), response_format=form), "Describe the ocean 'Pacific'.")
    assert state["structured_response"] == Ocean(name="Pacific")
    assert field in legacy.requests[-1].json
    assert len(legacy.requests) == 1


def older_illustrator(legacy: Legacy, **options: Any) -> Any:
    legacy.reply(tool_calls=[call("generate_image", prompt="a whale")], on="/openai")
    legacy.reply("Look!", on="/openai")
    tools = [PollinationsImageTool(**older(legacy), width=64, height=64)]
    return create_agent(ChatPollinations(**older(legacy)), tools, **options)


def test_an_agent_draws_without_a_key(legacy: Legacy, run: Run) -> None:
    state = run(older_illustrator(legacy), "Draw a whale")
    picture = Media.from_artifact(state["messages"][-2].artifact)
    assert (picture.mime_type, picture.prompt, picture.model) == ("image/jpeg", "a whale", "sana")
    assert picture.url is not None
    assert picture.url in legacy.requests[-1].json["messages"][-1]["content"]
    assert ways(legacy) == ["/openai", "image", "/openai"]


OLDER_FAULTS: list[Any] = [
    ("payment challenge", RateLimitError, True),
    ("queue full", RateLimitError, True),
    ("provider 503", ServiceUnavailableError, True),
    ("migration notice", AuthenticationError, False),
    ("blocked address", PermissionDeniedError, False),
    ("input too long", ContextOverflowError, False),
]


@pytest.mark.parametrize(("fault", "error", "again"), OLDER_FAULTS, ids=[row[0] for row in OLDER_FAULTS])
def test_only_what_may_pass_is_asked_of_the_older_host_again(
    legacy: Legacy, run: Run, fault: str, error: type[Exception], again: bool
) -> None:
    middleware: AgentMiddleware[Any, Any, Any] = ModelRetryMiddleware(
        max_retries=1, initial_delay=0, jitter=False, on_failure="error"
    )
    agent = create_agent(ChatPollinations(**older(legacy)), middleware=[middleware])
    legacy.fail(fault)
    if again:
        assert answers(run(agent, "Hello"))
        legacy.fail(fault, times=2)
    with pytest.raises(error):
        run(agent, "Good day")
    assert len(legacy.requests) == (4 if again else 1)


@pytest.mark.parametrize("fault", ["image of a limit", "image of an error", "payment challenge", "queue full"])
def test_a_picture_of_a_limit_is_drawn_again(legacy: Legacy, run: Run, fault: str) -> None:
    legacy.fail(fault, on="/prompt/")
    middleware = ToolRetryMiddleware(max_retries=2, initial_delay=0, jitter=False, on_failure="error")
    state = run(older_illustrator(legacy, middleware=[middleware]), "Draw a whale")
    assert Media.from_artifact(state["messages"][-2].artifact).mime_type == "image/jpeg"
    assert ways(legacy) == ["/openai", "image", "image", "/openai"]


def test_a_picture_of_a_block_is_told_to_the_model(legacy: Legacy, run: Run) -> None:
    legacy.fail("image of a block", on="/prompt/")
    middleware = ToolRetryMiddleware(max_retries=2, initial_delay=0, jitter=False, on_failure="error")
    state = run(older_illustrator(legacy, middleware=[middleware]), "Draw a whale")
    assert state["messages"][-2].status == "error"
    assert "rejected" in legacy.requests[-1].json["messages"][-1]["content"]
    assert ways(legacy) == ["/openai", "image", "/openai"]


@pytest.mark.parametrize("fault", [401, 429, 503, "balance spent", "balance notice", "drop"])
def test_an_older_host_answers_where_the_new_one_fails_if_its_user_says_so(
    emulator: Emulator, legacy: Legacy, run: Run, fault: int | str
) -> None:
    first = ChatPollinations(**emulator.connection(), max_retries=0)
    emulator.fail(fault, times=2)  # it is asked first each time
    agent = create_agent(first, [add], middleware=[ModelFallbackMiddleware(ChatPollinations(**older(legacy)))])
    assert "7" in answers(run(agent, "What is 3 plus 4?"))[-1]
    assert len(emulator.requests) == len(legacy.requests) == 2


@pytest.mark.parametrize("fault", ["payment challenge", "queue full", "migration notice", "blocked address"])
def test_the_new_host_answers_where_an_older_one_fails(
    emulator: Emulator, legacy: Legacy, run: Run, fault: str
) -> None:
    second = ChatPollinations(**emulator.connection(), max_retries=0)
    legacy.fail(fault, times=2)
    agent = create_agent(ChatPollinations(**older(legacy)), [add], middleware=[ModelFallbackMiddleware(second)])
    assert "7" in answers(run(agent, "What is 3 plus 4?"))[-1]
    assert len(emulator.requests) == len(legacy.requests) == 2


def test_a_thread_goes_on_at_another_host(emulator: Emulator, legacy: Legacy, run: Run) -> None:
    """A key that was not there yesterday, or is spent today."""
    saver = InMemorySaver()
    here, there = ChatPollinations(**older(legacy)), ChatPollinations(**emulator.connection(), model="claude")
    for chat, question in ((here, "What is 3 plus 4?"), (there, "What is 5 plus 6?"), (here, "What is 7 plus 8?")):
        state = run(create_agent(chat, [add], checkpointer=saver), question, thread_id="one")
    assert [message.text for message in state["messages"] if isinstance(message, ToolMessage)] == ["7", "11", "15"]
    roles = [message["role"] for message in legacy.requests[-1].json["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant"] * 2 + ["user", "assistant", "tool"]


def test_one_agent_of_the_older_host_serves_many_at_once_in_any_loop(legacy: Legacy) -> None:
    agent = create_agent(ChatPollinations(**older(legacy)), [add])
    asked = [{"messages": f"What is {number} plus {number}?"} for number in range(10, 28)]

    async def many(some: list[Any]) -> list[State]:
        return await agent.abatch(some)

    states = [*agent.batch(asked[:6]), *asyncio.run(many(asked[6:12])), *asyncio.run(many(asked[12:]))]
    assert all(answers(state)[-1].endswith(f" {2 * number}") for number, state in enumerate(states, 10))
    assert len(legacy.requests) == 36
