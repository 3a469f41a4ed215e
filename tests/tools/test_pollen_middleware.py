"""`PollenMiddleware` keeps the runs of an agent within a budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langchain_pollinations import ChatPollinations, PollenMiddleware, PollinationsImageTool
from langchain_pollinations.emulator import Emulator

Run = Callable[..., dict[str, Any]]


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Run:
    def sync(agent: Any, given: Any, **options: Any) -> Any:
        return agent.invoke(given, **options)

    def with_loop(agent: Any, given: Any, **options: Any) -> Any:
        return asyncio.run(agent.ainvoke(given, **options))

    return sync if request.param == "sync" else with_loop


def call(name: str, **args: Any) -> dict[str, Any]:
    return {"tool_calls": [{"name": name, "args": args}]}


def paint(emulator: Emulator) -> PollinationsImageTool:
    return PollinationsImageTool(**emulator.connection())


GIVEN: Any = {"messages": [("user", "Draw a cat.")]}


def test_the_cost_of_a_run_is_in_the_state(emulator: Emulator, run: Run) -> None:
    middleware = PollenMiddleware(budget=1)
    agent = create_agent(ChatPollinations(**emulator.connection()), [paint(emulator)], middleware=[middleware])
    for prompt in ("a cat", "a dog"):  # each run has a budget of its own
        emulator.clear()
        emulator.reply(**call("generate_image", prompt=prompt))
        emulator.reply("Here it is.")
        state = run(agent, GIVEN)
        assert Decimal(state["pollen_cost"]) == sum(record.cost for record in emulator.ledger)
        assert len(emulator.ledger) == 3
        assert "pollen_run" not in state
    assert middleware._meters == {}


def test_a_run_ends_when_the_budget_is_used_up(emulator: Emulator, run: Run) -> None:
    chat = ChatPollinations(**emulator.connection(), max_tokens=2000)
    agent = create_agent(chat, middleware=[PollenMiddleware(budget="0.001")])
    last = run(agent, GIVEN)["messages"][-1]
    assert isinstance(last, AIMessage)
    assert last.text.startswith(
        "The run ended, because its budget is used up. The budget of 0.001 pollen does not allow"
    )
    assert emulator.requests == []


def test_a_tool_beyond_the_budget_is_not_run(emulator: Emulator, run: Run) -> None:
    chat = ChatPollinations(**emulator.connection(), max_tokens=100)
    agent = create_agent(chat, [paint(emulator)], middleware=[PollenMiddleware(budget="0.0015")])
    emulator.reply(**call("generate_image", prompt="a cat"))
    emulator.reply("It is too expensive.")
    messages = run(agent, GIVEN)["messages"]
    result = next(message for message in messages if isinstance(message, ToolMessage))
    assert (result.status, result.text[:40]) == ("error", "Not run: The budget of 0.0015 pollen doe")
    assert messages[-1].text == "It is too expensive."
    assert len(emulator.ledger) == 2


@pytest.mark.parametrize("fallback", ["id", "model"])
def test_a_cheaper_model_takes_over(emulator: Emulator, run: Run, fallback: str) -> None:
    connection = emulator.connection()
    cheap: Any = "openai/gpt-5-nano"
    if fallback == "model":
        cheap = ChatPollinations(**connection, model=cheap, max_tokens=500)
    chat = ChatPollinations(**connection, model="claude-opus-5", max_tokens=500)
    agent = create_agent(chat, middleware=[PollenMiddleware(budget="0.005", fallback=cheap)])
    state = run(agent, GIVEN)
    assert [record.model for record in emulator.ledger] == ["openai/gpt-5-nano"]
    assert state["messages"][-1].response_metadata["model_name"] == "openai/gpt-5-nano"
    agent = create_agent(chat, middleware=[PollenMiddleware(budget="0.00001", fallback=cheap)])
    assert run(agent, GIVEN)["messages"][-1].text.startswith("The run ended")


def test_a_run_that_continues_keeps_what_it_spent(emulator: Emulator, run: Run) -> None:
    """The meter is not in the checkpoint, so another process can continue the run."""

    emulator.reply(**call("generate_image", prompt="a cat"))
    emulator.reply("Done.")
    saver = InMemorySaver()
    thread: Any = {"config": {"configurable": {"thread_id": "1"}}}

    def agent() -> Any:
        chat = ChatPollinations(**emulator.connection())
        pause = HumanInTheLoopMiddleware(interrupt_on={"generate_image": True})
        return create_agent(chat, [paint(emulator)], middleware=[PollenMiddleware(budget=1), pause], checkpointer=saver)

    assert "__interrupt__" in run(agent(), GIVEN, **thread)
    assert len(emulator.ledger) == 1
    state = run(agent(), Command(resume={"decisions": [{"type": "approve"}]}), **thread)
    assert state["messages"][-1].text == "Done."
    assert Decimal(state["pollen_cost"]) == sum(record.cost for record in emulator.ledger)
    assert [record.type for record in emulator.ledger] == ["generate.text", "generate.image", "generate.text"]


def test_the_arguments_are_checked(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match="budget must be a number of pollen"):
        PollenMiddleware(budget="-1")
    for fallback in ("", 5, [ChatPollinations(**emulator.connection())]):
        with pytest.raises(ValueError, match="fallback must be the id of a model or a chat model, not"):
            PollenMiddleware(1, fallback=fallback)  # type: ignore[arg-type]
