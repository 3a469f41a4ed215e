"""`PollinationsDecisions`: what is sent of states and questions, what passes for an answer, and its use by agents."""

from __future__ import annotations

import asyncio
import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, ChatMessage, HumanMessage, RemoveMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler

from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import (
    AuthenticationError,
    ContextOverflowError,
    InsufficientBalanceError,
    InvalidRequestError,
    InvalidResponseError,
    PollenBudgetExceeded,
    UnknownModelError,
    UnsupportedRequestError,
)
from langchain_pollinations.media import Media
from langchain_pollinations.meter import PollenMeter
from tests.helpers.wire import asked_models, sent

if TYPE_CHECKING:
    from langchain_pollinations.decisions import DecisionResponse, PollinationsDecisions
else:
    pytest.importorskip("langchain_core.decisions", reason="langchain-core before 1.8 has no decision models")
    from langchain_pollinations.decisions import PollinationsDecisions

from langchain_core.decisions import Box, Choice, Noul, NoulCriteria, Score

ROUTE = "/alpha/decisions"
TEAM = Choice(instructions="Which team?", criteria={"billing": "Payments, invoices.", "technical": "Bugs.", "x": None})
MOOD = Score(instructions={"ask": "How angry?"}, criteria=["calm", {"level": "annoyed"}, ["very", "angry"]])
URGENT = Noul(instructions="Is it urgent?")
QUESTIONS = {"team": TEAM, "mood": MOOD, "urgent": URGENT}
STATE = "My invoice is wrong."

Decide = Callable[..., "DecisionResponse"]

WAYS: dict[str, Decide] = {
    "invoke": lambda decisions, state, questions=QUESTIONS, **options: decisions.invoke(
        {"state": state, "questions": questions}, **options
    ),
    "ainvoke": lambda decisions, state, questions=QUESTIONS, **options: asyncio.run(
        decisions.ainvoke({"state": state, "questions": questions}, **options)
    ),
}


@pytest.fixture(params=WAYS)
def decide(request: pytest.FixtureRequest) -> Decide:
    """`decide(model, state, questions, **options)`, sync and async."""
    return WAYS[request.param]


@pytest.fixture
def model(emulator: Emulator) -> PollinationsDecisions:
    return PollinationsDecisions(**emulator.connection())


# --- Answers ----------------------------------------------------------------------------------------------------------


def test_each_question_gets_a_typed_answer(model: PollinationsDecisions, decide: Decide) -> None:
    response = decide(model, STATE)
    team, mood, urgent = response.choices["team"], response.scores["mood"], response.nouls["urgent"]
    assert team.choice == "billing"
    assert math.fsum(team.probabilities.values()) == pytest.approx(1)
    assert mood.legend == {0: "calm", 1: {"level": "annoyed"}, 2: ["very", "angry"]}
    assert mood.score == pytest.approx(sum(level * p for level, p in mood.probabilities.items()), abs=1e-3)
    assert 0 <= min(team.confidence, mood.confidence, urgent.noul) <= 1
    assert response.model == "typesafe/jev-1.13"
    assert response.usage is not None
    assert response.usage["total_tokens"] == response.usage["input_tokens"] + response.usage["output_tokens"] > 20
    assert response.request_id is not None


def test_the_cost_is_what_the_service_bills_and_a_stored_decision_is_free(
    model: PollinationsDecisions, emulator: Emulator, decide: Decide
) -> None:
    with PollenMeter(budget="0.01") as meter:
        first = decide(model, STATE)
        spent = Decimal(1000) - Decimal(str(emulator.keys["sk_emulator"]["balance"]))
        assert first.cost is not None and Decimal(first.cost) == meter.total == spent > 0
        assert decide(model, STATE).cost == "0"
    counted = meter.by_model()["typesafe/jev-1.13"]
    assert (counted.requests, counted.stored, counted.cost) == (1, 1, spent)
    with PollenMeter(budget="0.0000001"), pytest.raises(PollenBudgetExceeded):
        decide(model, STATE * 2)


def test_it_runs_as_any_runnable(model: PollinationsDecisions, emulator: Emulator) -> None:
    collector = RunCollectorCallbackHandler()
    chain = RunnableLambda(lambda text: {"state": text, "questions": {"team": TEAM}}) | model
    assert chain.invoke(STATE, {"callbacks": [collector]}).choices["team"].choice == "billing"
    run = collector.traced_runs[0].child_runs[1]
    assert (run.run_type, run.metadata["ls_provider"], run.metadata["ls_model_name"]) == (
        "llm",
        "pollinations",
        "typesafe/jev",
    )
    assert "sk_emulator" not in repr((collector.traced_runs[0], run.serialized, run.extra))
    states = ["a bug", "a wrong invoice"]
    many = model.batch([{"state": state, "questions": QUESTIONS} for state in states])
    assert [each.choices["team"].choice for each in many] == ["technical", "billing"]


def test_options_of_a_call_apply_to_this_call_only(
    model: PollinationsDecisions, emulator: Emulator, decide: Decide
) -> None:
    decide(model, STATE, model="jev", timeout=20, extra_headers={"x-trace": "1"})
    decide(model, STATE)
    first, second = emulator.requests
    assert [first.json["model"], second.json["model"]] == ["jev", "typesafe/jev"]
    assert [first.headers.get("x-trace"), second.headers.get("x-trace")] == ["1", None]
    with pytest.raises(InvalidRequestError, match="unknown argument 'temperature'"):
        decide(model, STATE, temperature=0)


def test_fields_are_validated_and_survive_a_pickle(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    model = PollinationsDecisions(**emulator.connection(), model_name="jev")
    with pytest.raises(ValueError, match="at least 1 character"):
        model.model = ""
    with pytest.raises(ValueError, match="unknown argument 'temperature'"):
        PollinationsDecisions(temperature=0)  # type: ignore[call-arg]
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_emulator")
    again = pickle.loads(pickle.dumps(model))
    assert again == model and "sk_emulator" not in repr(model)
    assert again.invoke({"state": STATE, "questions": QUESTIONS}).choices["team"].choice == "billing"


# --- What is sent -----------------------------------------------------------------------------------------------------

CALL = {"name": "get_weather", "args": {"city": "Oslo"}, "id": "call_1", "type": "tool_call"}

STATES: list[Any] = [
    pytest.param("Hi", "Hi", id="text"),
    pytest.param(HumanMessage("Hi"), {"role": "user", "text": "Hi"}, id="message"),
    pytest.param(
        {"a": [1, 2.5, True, None, ("x",)], "type": "image"},
        {"a": [1, 2.5, True, None, ["x"]], "type": "image"},
        id="JSON",
    ),
    pytest.param(
        {"talk": [SystemMessage("Be brief."), [HumanMessage("Hi", name="ann")]], "n": 1},
        {"talk": [{"role": "system", "text": "Be brief."}, [{"role": "user", "text": "Hi", "name": "ann"}]], "n": 1},
        id="messages at any depth",
    ),
    pytest.param(
        [
            AIMessage([{"type": "reasoning", "reasoning": "Hm"}, {"type": "text", "text": "Wait."}], tool_calls=[CALL]),
            ToolMessage([{"type": "text", "text": "Sunny"}, "22 degrees"], tool_call_id="call_1", name="get_weather"),
            ChatMessage("x", role="developer"),
        ],
        [
            {
                "role": "assistant",
                "text": "Wait.",
                "tool_calls": [{"id": "call_1", "name": "get_weather", "args": {"city": "Oslo"}}],
            },
            {"role": "tool", "text": "Sunny\n22 degrees", "name": "get_weather", "tool_call_id": "call_1"},
            {"role": "developer", "text": "x"},
        ],
        id="tool calls, without reasoning",
    ),
    pytest.param(
        AIMessage(["half: \ud83d", {"type": "server_tool_call", "name": "search", "id": "s1", "args": {}}]),
        {
            "role": "assistant",
            "text": "half: ",
            "blocks": [{"type": "server_tool_call", "name": "search", "id": "s1", "args": {}}],
        },
        id="what a model wrote is repaired and kept",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("state", "wire"), STATES)
def test_a_state_is_sent_as_json(model: PollinationsDecisions, emulator: Emulator, state: Any, wire: Any) -> None:
    WAYS["invoke"](model, state)
    assert sent(emulator)["state"] == wire


def test_questions_are_sent_in_the_form_of_the_service(model: PollinationsDecisions, emulator: Emulator) -> None:
    spoken = {"type": "noul", "instructions": ["a", "b"], "criteria": {"true": "now", "false": {"when": "later"}}}
    WAYS["invoke"](model, "Hi", {**QUESTIONS, "dict": spoken, "half": Noul(instructions="?", criteria=NoulCriteria())})
    assert sent(emulator) == {
        "model": "typesafe/jev",
        "state": "Hi",
        "questions": {
            "team": {"type": "choice", "instructions": "Which team?", "criteria": TEAM.criteria},
            "mood": {"type": "score", "instructions": {"ask": "How angry?"}, "criteria": MOOD.criteria},
            "urgent": {"type": "noul", "instructions": "Is it urgent?"},
            "dict": spoken,
            "half": {"type": "noul", "instructions": "?"},
        },
    }


IMAGE = {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}
URL = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def test_images_are_sent_to_a_model_that_lists_them(model: PollinationsDecisions, emulator: Emulator) -> None:
    answers = {"team": {"type": "noul", "noul": 0.5}}
    emulator.reply(body={"answers": answers, "usage": {"input_tokens": 3}}, on=ROUTE)
    state = {"page": URL, "talk": HumanMessage([IMAGE, {"type": "text", "text": "Who?"}])}
    response = model.invoke({"state": state, "questions": {"team": URGENT}}, model="openai/gpt-5.4-nano")
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    assert sent(emulator)["state"] == {"page": URL, "talk": {"role": "user", "text": "Who?", "images": [picture]}}
    assert response.usage == {"input_tokens": 3, "output_tokens": 0, "total_tokens": 3}


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("state", "questions", "says"),
    [
        (5, QUESTIONS, "state: must be a text, an object or a list, not int"),
        (None, QUESTIONS, "state: must be a text"),
        ({"a": {1}}, QUESTIONS, r"state\.a: may contain JSON values and messages, not set"),
        ([Media(b"x", "image/png")], QUESTIONS, r"state\[0\]: may contain JSON values and messages, not Media"),
        ({"a": math.nan}, QUESTIONS, r"state\.a: may contain JSON values and messages, not nan"),
        ({1: "a"}, QUESTIONS, "state: a key of an object must be a string, not int"),
        ("\ud83d", QUESTIONS, "state holds half a character"),
        ([RemoveMessage("1")], QUESTIONS, r"state\[0\]: a RemoveMessage cannot be sent"),
        (CIRCLE, QUESTIONS, "state or questions: nested too deeply"),
        ("Hi", {}, "questions: is empty"),
        ("Hi", {1: URGENT}, "questions: a name must be a string, not int"),
        ("Hi", {"a": "urgent?"}, r"questions\.a: must be a Choice, a Score or a Noul, not str"),
        ("Hi", {"a": {"type": "rank"}}, r"questions\.a: must be a Choice, a Score or a Noul, not dict"),
        ("Hi", {"a": {"type": "noul"}}, r"questions\.a: instructions: Field required"),
        ("Hi", {"a": Score(instructions="?", criteria=[1, 2])}, r"questions\.a\.criteria\[0\]: must be a text, an obj"),
        ("Hi", {"a": Choice(instructions="?", criteria={"b": 2})}, r"questions\.a\.criteria\.b: must be a text"),
        ("Hi", None, "questions: must be a dict of questions by name, not NoneType"),
        ("Hi", [1], "questions: must be a dict of questions by name, not list"),
    ],
)  # fmt: skip
def test_bad_input_is_named_and_not_sent(
    model: PollinationsDecisions, emulator: Emulator, decide: Decide, state: Any, questions: Any, says: str
) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        decide(model, state, questions)
    assert emulator.requests == []


@pytest.mark.parametrize("given", ["Hi", {"state": "Hi"}, None])
def test_the_input_is_a_dict_of_state_and_questions(model: PollinationsDecisions, given: Any) -> None:
    with pytest.raises(InvalidRequestError, match="input: must be a dict with 'state' and 'questions'"):
        model.invoke(given)


@pytest.mark.parametrize(
    ("state", "questions", "says"),
    [
        ("Hi", {"where": Box(instructions="the cat")}, r"questions\.where: the service does not support Box"),
        ("Hi", {"where": {"type": "box", "instructions": "x"}}, r"questions\.where: the service does not support Box"),
        (IMAGE, QUESTIONS, "state: is a block of type 'image'; model 'typesafe/jev' is known to accept only text"),
        ([HumanMessage(["Hi", URL])], QUESTIONS, r"state\[0\]\.content\[1\]: is a block of type 'image_url'"),
        ({"a": {"type": "file", "file": {"file_id": "x"}}}, QUESTIONS, r"state\.a: is a block of type 'file'"),
        ("Hi", {"a": Noul(instructions=[IMAGE])}, r"questions\.a\.instructions\[0\]: is a block of type 'image'"),
    ],
)
def test_what_the_service_lacks_is_named(
    model: PollinationsDecisions, emulator: Emulator, decide: Decide, state: Any, questions: Any, says: str
) -> None:
    with pytest.raises(UnsupportedRequestError, match=says) as caught:
        decide(model, state, questions)
    assert caught.value.param in ("state", "questions")
    assert emulator.requests == []


# --- Errors and odd responses -----------------------------------------------------------------------------------------


def test_refusals_are_errors_of_the_package(model: PollinationsDecisions, emulator: Emulator, decide: Decide) -> None:
    with pytest.raises(UnknownModelError, match="Did you mean 'typesafe/jev'"):
        decide(model, STATE, model="typesafe/jevv")
    with pytest.raises(InvalidRequestError, match="cannot be used on the decisions endpoint"):
        decide(model, STATE, model="openai")
    with pytest.raises(ContextOverflowError):
        decide(model, "x" * 200_000)
    emulator.keys["sk_emulator"]["balance"] = 0
    with pytest.raises(InsufficientBalanceError):
        decide(model, STATE)
    with pytest.raises(AuthenticationError, match="No key"):
        decide(PollinationsDecisions(base_url=emulator.url), STATE)


GOOD = {"type": "choice", "choice": "x", "probabilities": {"x": 1}, "confidence": 1}


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        [],
        {},
        {"answers": []},
        {"answers": {"other": GOOD}},
        {"answers": {"team": "x"}},
        {"answers": {"team": {**GOOD, "choice": "y"}}},
        {"answers": {"team": {**GOOD, "confidence": 3}}},
        {"answers": {"team": {"type": "noul", "noul": 1}}},
        {"answers": {"team": {"type": "guess"}}},
    ],
    ids=str,
)
def test_a_response_that_answers_nothing_is_an_error(
    model: PollinationsDecisions, emulator: Emulator, body: Any
) -> None:
    emulator.reply(body=body, on=ROUTE)
    with pytest.raises(InvalidResponseError):
        WAYS["invoke"](model, STATE, {"team": TEAM})


def test_further_keys_are_tolerated(model: PollinationsDecisions, emulator: Emulator) -> None:
    answers = {"team": {**GOOD, "reason": "because"}, "unasked": {"type": "guess"}}
    emulator.reply(body={"id": "dec-1", "answers": answers, "usage": "none"}, headers={"x-request-id": ""}, on=ROUTE)
    response = WAYS["invoke"](model, STATE, {"team": TEAM})
    assert (response.choices["team"].choice, response.usage, response.model) == ("x", None, "typesafe/jev")
    assert (response.answers.keys(), response.request_id) == ({"team"}, "dec-1")


def test_a_repeated_failure_is_retried(model: PollinationsDecisions, emulator: Emulator, decide: Decide) -> None:
    emulator.fail(503, on=ROUTE)
    assert decide(model, STATE).choices["team"].choice == "billing"
    assert len(emulator.requests) == 2


# --- Agents -----------------------------------------------------------------------------------------------------------


def _run(agent: Any, way: str, words: str) -> Any:
    given = {"messages": [HumanMessage(words)]}
    return asyncio.run(agent.ainvoke(given)) if way == "ainvoke" else agent.invoke(given)


@pytest.fixture(params=["invoke", "ainvoke"])
def way(request: pytest.FixtureRequest) -> str:
    return request.param


def test_an_agent_is_routed_between_a_cheap_and_a_strong_model(
    model: PollinationsDecisions, emulator: Emulator, way: str
) -> None:
    middleware = pytest.importorskip("langchain.agents.middleware")
    if not hasattr(middleware, "ModelRouterMiddleware"):
        pytest.skip("this version of langchain has no ModelRouterMiddleware")
    from langchain.agents import create_agent

    cheap, strong = (
        ChatPollinations(**emulator.connection(), model=name) for name in ("openai/gpt-5.4-nano", "openai/gpt-5.5")
    )
    router = middleware.ModelRouterMiddleware(
        choices={
            "cheap": middleware.ModelChoice(cheap, "Greetings and small talk."),
            "strong": middleware.ModelChoice(strong, "Mathematical proofs and difficult theorems."),
        },
        instructions="Choose the cheapest model that can do the task.",
        classifier=model,
    )
    agent = create_agent(cheap, middleware=[router])
    found = _run(agent, way, "Please prove two difficult theorems.")["model_route"]
    assert (found.choice, found.probabilities[found.choice] > 0.5) == ("strong", True)
    assert _run(agent, way, "Just a greeting and small talk.")["model_route"].choice == "cheap"
    emulator.reply(answers={"model_route": "strong"})
    _run(agent, way, "Hi")
    assert asked_models(emulator) == [
        *("typesafe/jev", "openai/gpt-5.5"),
        *("typesafe/jev", "openai/gpt-5.4-nano"),
        *("typesafe/jev", "openai/gpt-5.5"),
    ]


def test_risky_tool_calls_are_blocked(model: PollinationsDecisions, emulator: Emulator, way: str) -> None:
    middleware = pytest.importorskip("langchain.agents.middleware")
    if not hasattr(middleware, "AutoModeMiddleware"):
        pytest.skip("this version of langchain has no AutoModeMiddleware")
    from langchain.agents import create_agent

    deleted = []

    @tool
    def delete_file(name: str) -> str:
        """Delete a file."""
        deleted.append(name)
        return "done"

    guard = middleware.AutoModeMiddleware(tools=[delete_file], classifier=model)
    agent = create_agent(ChatPollinations(**emulator.connection()), tools=[delete_file], middleware=[guard])
    (name,) = _ask_risk(emulator, agent, way, 0.9)["questions"]
    assert deleted == []
    state = _ask_risk(emulator, agent, way, 0.1)["state"]
    assert deleted == ["a.txt"]
    assert name and [each["role"] for each in state["messages"]] == ["user", "assistant"]
    assert state["tool_call"]["args"] == {"name": "a.txt"}


def _ask_risk(emulator: Emulator, agent: Any, way: str, risk: float) -> Any:
    """Run an agent that calls a tool once. Return the decision request."""
    emulator.reply(tool_calls=[{"name": "delete_file", "args": {"name": "a.txt"}}])
    emulator.reply("Finished.")
    emulator.reply(answers={"is_risky": risk})
    _run(agent, way, "Delete it.")
    return [request.json for request in emulator.requests if request.path == ROUTE][-1]


# --- Older versions of langchain-core ---------------------------------------------------------------------------------


def test_an_older_core_is_named() -> None:
    code = (
        "import sys; sys.modules['langchain_core.decisions'] = None\n"
        "import langchain_pollinations\n"
        "print(langchain_pollinations.PollinationsImage)\n"
        "langchain_pollinations.PollinationsDecisions"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "PollinationsImage" in done.stdout
    assert "ImportError: PollinationsDecisions requires langchain-core 1.8 or newer; " in done.stderr
