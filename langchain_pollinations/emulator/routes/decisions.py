"""The decision route: `POST /alpha/decisions`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from starlette.responses import JSONResponse, Response

from langchain_pollinations.emulator.scripting import reply_queue
from langchain_pollinations.emulator.scripting.wire import played
from langchain_pollinations.emulator.service import cache, generation, usage, validation
from langchain_pollinations.emulator.service.cache import Stored
from langchain_pollinations.emulator.service.catalog import DEFAULTS, Model
from langchain_pollinations.emulator.service.error_responses import Refusal, model_unknown, upstream
from langchain_pollinations.emulator.service.generation import Job
from langchain_pollinations.emulator.state import Asked, State
from langchain_pollinations.emulator.synthesis.answers import conversation, decisions
from langchain_pollinations.emulator.synthesis.answers.conversation import ChatRequest

Json = dict[str, Any]

ROUTE = reply_queue.DECISIONS
MAX_TOKENS, MAX_TOKENS_OF_ONE = 64_000, 32_000  # of the state with all questions, and with the longest question


def _model(state: State, name: str | None) -> Model:
    asked = (name or "").strip() or DEFAULTS["decision"]
    model = state.catalog.find(asked)
    if model is None:
        raise model_unknown(asked)
    # The model list does not contain the route, because the service does not document whether its list does.
    if not is_decision_model(model) and ROUTE not in model.get("supported_endpoints", ()):
        raise Refusal(400, f'Model "{asked}" cannot be used on the decisions endpoint.')
    return model


def _tokens(value: Any) -> int:
    return usage.tokens(json.dumps(value, ensure_ascii=False))


def _units(body: Json, answers: Mapping[str, Json] | None = None) -> dict[str, int]:
    found = {"promptTextTokens": _tokens(body["state"]) + _tokens(body["questions"])}
    return found | ({"completionTextTokens": _tokens(answers)} if answers else {})


def _check_length(body: Json) -> None:
    state, each = _tokens(body["state"]), list(map(_tokens, body["questions"].values()))
    for given, most in ((state + sum(each), MAX_TOKENS), (state + max(each), MAX_TOKENS_OF_ONE)):
        if given > most:
            words = f"This model's maximum context length is {most} tokens. However, your request has {given} tokens."
            raise upstream(400, f"400 Bad Request: {words}", 400)


def _response(model: Model, body: Json, answers: Mapping[str, Json]) -> tuple[Json, Mapping[str, int]]:
    units = _units(body, answers)
    digest = sha256(json.dumps([model["name"], body], sort_keys=True).encode()).hexdigest()
    return {
        "id": f"dec-{digest[:24]}",
        "model": model["name"],
        "provider": model["publisher"],
        "answers": dict(answers),
        "usage": {"input_tokens": units["promptTextTokens"], "output_tokens": units["completionTextTokens"]},
    }, units


def _headers(model: Model, units: Mapping[str, int]) -> dict[str, str]:
    return {"x-model-used": str(model["name"]), **usage.headers(units)}


def _scripted_answers(questions: Mapping[str, Json], entry: reply_queue.Decision) -> dict[str, Json]:
    """Return the scripted answers.

    Raises:
        Refusal: If the answers do not fit the questions. The status is 400, because clients repeat a request after 500.
    """
    names = [*questions]
    if questions.keys() != entry.answers.keys():
        raise Refusal(400, f"The emulator failed: {[*entry.answers]} are scripted, but the questions are {names}")
    try:
        return {name: decisions.chosen(question, entry.answers[name]) for name, question in questions.items()}
    except ValueError as error:
        raise Refusal(400, f"The emulator failed: {error}") from error


async def _scripted(state: State, asked: Asked, body: Json, job: Job, entry: reply_queue.Decision) -> Response:
    account = generation.admit(state, asked, job)
    if entry.delay:
        await asyncio.sleep(entry.delay)
    content, units = _response(job.model, body, _scripted_answers(body["questions"], entry))
    generation.bill(state, asked, account, job.model, units)
    return JSONResponse(content, headers={"x-cache": "MISS"} | _headers(job.model, units))


def is_decision_model(model: Model) -> bool:
    return bool(model["name"] == DEFAULTS["decision"])


def from_chat(asked: ChatRequest) -> Json:
    """Return the decision request in a chat request: JSON in the last user message. The other messages are ignored."""
    users = [message for message in asked.messages if message["role"] == "user"]
    text = conversation.text_of(users[-1].get("content")) if users else ""
    body = validation.json_body(text.encode(), "application/json", validation.DECISIONS)
    _check_length(body)
    return body


def chat_message(asked: ChatRequest) -> Json:
    """Return the assistant message that answers a decision request in a chat request."""
    body = from_chat(asked)
    return {"content": json.dumps(decisions.judged(body["state"], body["questions"]))}


async def create(state: State, asked: Asked) -> Response:
    body = validation.json_body(asked.body, asked.headers.get("content-type", ""), validation.DECISIONS)
    model = _model(state, body.get("model"))
    key = cache.identity(asked.method, asked.path, asked.query, body)
    job = Job(model, key, _units(body), lambda: _check_length(body))
    entry = state.script.take(asked.path, messages=True)
    if isinstance(entry, reply_queue.Decision):
        return await _scripted(state, asked, body, job, entry)
    if entry is not None:
        return await played(entry)

    async def make() -> tuple[Stored, Mapping[str, int]]:
        content, units = _response(model, body, decisions.judged(body["state"], body["questions"]))
        return Stored(content, 2 * len(str(content)), _headers(model, units)), units

    result = await generation.run(state, asked, job, make)
    return JSONResponse(result.stored.value, headers=dict(result.headers))
