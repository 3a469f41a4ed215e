"""Decisions: probabilities that depend on the state, scripted answers, refusals, and the same through chat."""

from __future__ import annotations

import json
import math
from typing import Any

import httpx
import pytest

from langchain_pollinations.emulator import Emulator

ROUTE = "/alpha/decisions"
TEAMS = {"billing": "Payment, invoice or refund issues.", "technical": "Bugs and failures.", "sales": None}
LEVELS = ["Calm and neutral.", "Concerned but civil.", "Very angry, with strong language."]
QUESTIONS: dict[str, Any] = {
    "team": {"type": "choice", "instructions": "Which team handles this?", "criteria": TEAMS},
    "mood": {"type": "score", "instructions": "How angry is the customer?", "criteria": LEVELS},
    "urgent": {"type": "noul", "instructions": "Is it urgent?", "criteria": {"true": "Production is down."}},
}
STATE = "Our last invoice was wrong. We are very angry. Production is down!"


def decide(http: httpx.Client, state: Any = STATE, **fields: Any) -> httpx.Response:
    return http.post(ROUTE, json={"state": state, "questions": QUESTIONS, **fields})


def test_probabilities_add_up_and_follow_the_words_of_the_state(http: httpx.Client) -> None:
    response = decide(http)
    body = response.json()
    assert (body["model"], body["provider"], body["id"][:4]) == ("typesafe/jev-1.13", "TypeSafe", "dec-")
    team, mood, urgent = (body["answers"][name] for name in QUESTIONS)
    assert (team["choice"], max(team["probabilities"], key=team["probabilities"].get)) == ("billing", "billing")
    assert mood["legend"] == {str(place): level for place, level in enumerate(LEVELS)}
    assert mood["score"] == pytest.approx(sum(int(place) * p for place, p in mood["probabilities"].items()), abs=1e-3)
    assert mood["score"] > 1.5
    for answer in (team, mood):
        assert math.fsum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-12)
        assert 0 <= answer["confidence"] <= 1
    assert urgent["noul"] > 0.6
    assert body["usage"]["input_tokens"] == int(response.headers["x-usage-prompt-text-tokens"])
    assert body["usage"]["output_tokens"] > 0


def test_an_answer_depends_on_its_own_question_and_the_state_only(http: httpx.Client) -> None:
    answers = decide(http).json()["answers"]
    for name, question in QUESTIONS.items():
        assert decide(http, questions={"other": question}).json()["answers"]["other"] == answers[name]
    assert decide(http, {"text": STATE, "page": 1}).json()["answers"] != answers


def test_a_stored_decision_is_free(http: httpx.Client, emulator: Emulator) -> None:
    account = emulator.keys["sk_emulator"]
    first = decide(http)
    price = float(1000 - account["balance"])
    assert price == pytest.approx(first.json()["usage"]["input_tokens"] * 0.00000004431)
    again = decide(http)
    assert (again.json(), again.headers["x-cache-type"]) == (first.json(), "EXACT")
    assert float(1000 - account["balance"]) == price


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"state": 5}, "state"),
        ({"questions": {}}, "questions"),
        ({"questions": [1]}, "questions"),
        ({"questions": {"x": "which?"}}, "questions"),
        ({"questions": {"x": {"type": "box", "instructions": "the cat"}}}, "questions"),
        ({"questions": {"x": {"type": "choice", "instructions": "?", "criteria": {}}}}, "questions"),
        ({"questions": {"x": {"type": "choice", "instructions": "?", "criteria": {"a": 5}}}}, "questions"),
        ({"questions": {"x": {"type": "score", "instructions": "?", "criteria": ["one"]}}}, "questions"),
        ({"questions": {"x": {"type": "noul"}}}, "questions"),
        ({"model": 5}, "model"),
    ],
)
def test_a_bad_body_is_refused_field_by_field(http: httpx.Client, fields: dict[str, Any], wrong: str) -> None:
    response = decide(http, **fields)
    assert response.status_code == 400
    assert response.json()["error"]["details"]["fieldErrors"].keys() == {wrong}


def test_other_refusals_have_their_true_status(http: httpx.Client, emulator: Emulator) -> None:
    assert "Invalid model" in decide(http, model="nope").json()["error"]["message"]
    assert "cannot be used on the decisions endpoint" in decide(http, model="openai").text
    assert "maximum context length is 32000" in decide(http, "x" * 140_000).text
    many = {str(n): {"type": "noul", "instructions": "x" * 40_000} for n in range(7)}
    assert "maximum context length is 64000" in decide(http, "", questions=many).text
    assert httpx.post(f"{emulator.url}{ROUTE}", json={"state": "", "questions": QUESTIONS}).status_code == 401
    emulator.keys["sk_emulator"]["balance"] = 0
    assert (decide(http).status_code, decide(http).json()["error"]["code"]) == (402, "INSUFFICIENT_BALANCE")


def test_answers_can_be_scripted(http: httpx.Client, emulator: Emulator) -> None:
    emulator.reply(answers={"team": "sales", "mood": 1.25, "urgent": {"type": "noul", "noul": 1, "more": True}})
    answers = decide(http).json()["answers"]
    assert (answers["team"]["choice"], answers["team"]["probabilities"]["sales"]) == ("sales", 0.9)
    assert math.fsum(answers["team"]["probabilities"].values()) == pytest.approx(1)
    assert (answers["mood"]["score"], answers["mood"]["probabilities"]["1"]) == (1.25, 0.75)
    assert answers["urgent"] == {"type": "noul", "noul": 1, "more": True}
    assert decide(http).json()["answers"]["team"]["choice"] == "billing"  # neither stored nor repeated
    for bad in ({"team": "sales"}, {"team": "support", "mood": 0, "urgent": 0}, {"team": "sales", "mood": 3}):
        emulator.reply(answers={"urgent": 0, **bad})
        assert "The emulator failed" in decide(http).text


@pytest.mark.parametrize("stream", [False, True])
def test_chat_answers_the_same(http: httpx.Client, stream: bool) -> None:
    request = json.dumps({"state": STATE, "questions": QUESTIONS})
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": request}]
    body = {"model": "jev", "messages": messages, "max_tokens": 5, "stream": stream}
    response = http.post("/v1/chat/completions", json=body)
    if stream:
        events = [json.loads(line[6:]) for line in response.text.split("\n\n") if line.startswith("data: {")]
        content = "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"])
    else:
        content = response.json()["choices"][0]["message"]["content"]
    assert json.loads(content) == decide(http).json()["answers"]


def test_chat_without_a_decision_request_is_refused(http: httpx.Client) -> None:
    for text in ("Hi", "[]", json.dumps({"state": ""})):
        body = {"model": "jev", "messages": [{"role": "user", "content": text}]}
        assert http.post("/v1/chat/completions", json=body).status_code == 400
