"""The text routes: `POST /v1/chat/completions`, `POST /text` and `GET /text/{prompt}`."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from starlette.responses import JSONResponse, Response

from langchain_pollinations.emulator.routes import decisions, images
from langchain_pollinations.emulator.scripting import dialects, faults, reply_queue
from langchain_pollinations.emulator.scripting.completion import Completion
from langchain_pollinations.emulator.scripting.dialects import Dialect
from langchain_pollinations.emulator.scripting.wire import ChunkedResponse, played
from langchain_pollinations.emulator.service import (
    abilities,
    cache,
    catalog,
    generation,
    large_bodies,
    media_chat,
    moderation,
    references,
    safety,
    usage,
    validation,
)
from langchain_pollinations.emulator.service.accounts import Account
from langchain_pollinations.emulator.service.cache import Stored
from langchain_pollinations.emulator.service.catalog import Model
from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.service.generation import Job
from langchain_pollinations.emulator.service.safety import Safety
from langchain_pollinations.emulator.state import Asked, State
from langchain_pollinations.emulator.synthesis import answers
from langchain_pollinations.emulator.synthesis.answers import conversation
from langchain_pollinations.emulator.synthesis.answers.conversation import ChatRequest

Json = dict[str, Any]

ROUTE = "/v1/chat/completions"
TEXT_ROUTE = "/text/{prompt}"
NO_STORE = {"cache-control": "private, no-store"}
FOREVER = {"cache-control": "public, max-age=31536000, immutable"}
MAX_PAID_TOKENS = 4096  # of a chat that can be paid without an API key
ESTIMATED_COMPLETION = 100  # expected completion tokens, for the cost estimate before generation


def _repaired(message: Json) -> Json:
    """Replace the content of a blank user message with a standard sentence, as the service does."""
    blank = isinstance(message.get("content"), str) and not message["content"].strip()
    return message | {"content": "Please provide a response."} if blank and message["role"] == "user" else message


def _prepared(body: Json) -> Json:
    """Convert the service's own extensions to OpenAI's request format.

    Null values, `thinking`, `thinking_budget` and `safe` are removed. `system` becomes a message. `json` and `jsonMode`
    become a `response_format`.
    """
    ready = {k: v for k, v in body.items() if v is not None and k not in ("thinking", "thinking_budget", "safe")}
    ready["messages"] = [_repaired(message) for message in ready["messages"]]
    system = ready.pop("system", None)
    if isinstance(system, str) and system:
        ready["messages"] = [{"role": "system", "content": system}, *ready["messages"]]
    asked = [ready.pop(key, False) for key in ("json", "jsonMode")]
    if any(str(value).lower() in ("true", "1", "yes", "on") for value in asked):
        ready.setdefault("response_format", {"type": "json_object"})
    return ready


def _voiced(body: Json, model: Model) -> Json:
    """Request audio output from an audio model, unless the body contains `modalities`. Only `/text` does this."""
    if "audio" not in model.get("output_modalities", ()) or "modalities" in body:
        return body
    voice = {"voice": body.get("voice", "alloy"), "format": "pcm16" if body.get("stream") else "mp3"}
    return body | {"modalities": ["text", "audio"], "audio": voice}


# Responses.


def _stop_strings(body: Json) -> list[str]:
    stop = body.get("stop")
    return [s for s in ([stop] if isinstance(stop, str) else stop or []) if s]


def limited(message: Json, body: Json) -> tuple[Json, str | None]:
    """Cut the content of a message at a stop string or at the token limit.

    Return the message and the finish reason. The finish reason is "length" if the content exceeds the token limit.
    Otherwise it is None.
    """
    content = message.get("content")
    if not isinstance(content, str) or message.get("tool_calls"):
        return message, None
    for stop in _stop_strings(body):
        content = content.split(stop)[0]
    most = body.get("max_tokens", body.get("max_completion_tokens"))
    if isinstance(most, int) and 0 < most < usage.tokens(content):
        return message | {"content": content[: most * 4]}, "length"
    return message | {"content": content}, None


def logprobs(body: Json, content: Any) -> Json | None:
    if not body.get("logprobs") or not isinstance(content, str):
        return None
    top = body.get("top_logprobs") or 0

    def row(token: str, value: float) -> Json:
        return {"token": token, "logprob": value, "bytes": list(token.encode())}

    words = re.findall(r"\s*\S+|\s+$", content)
    return {
        "content": [
            row(word, -0.01) | {"top_logprobs": [row(word[: len(word) - n] or " ", -0.01 - n) for n in range(top)]}
            for word in words
        ]
    }


def provider_name(model: Model) -> str:
    """Return the model name without the publisher. Providers report this name."""
    return str(model["name"]).partition("/")[2] or str(model["name"])


def _cost(model: Model, counted: Mapping[str, Any]) -> float:
    return float(catalog.cost(model, usage.units(counted)))


def _reasons(model: Model, body: Json) -> bool:
    """Whether the model reasons.

    Reasoning models reason unless `reasoning_effort` is "none". Other models reason if the request sets
    `reasoning_effort`. Perplexity models without reasoning support never reason.
    """
    effort = body.get("reasoning_effort")
    can_reason = bool(model.get("reasoning")) or not model["name"].startswith("perplexity/")
    return can_reason and effort != "none" and bool(effort or model.get("reasoning"))


def _uses(model: Model, body: Json, tool: str) -> bool:
    """Whether the request enables a built-in tool of a Google model, such as `google_search`."""
    return model["name"].startswith("google/") and {"type": tool} in (body.get("tools") or [])


def _searches(model: Model, body: Json) -> bool:
    name = str(model["name"])
    return name.startswith("perplexity/") or name.endswith(":search") or _uses(model, body, "google_search")


PASS_OVER_CHOICE = frozenset({"tencent/hy3"})
"""Models that accept a forced tool choice and ignore it."""


def natural(state: State, model: Model, asked: ChatRequest) -> Completion:
    """Return a completion that the emulator generates by rules."""
    if model["name"] in PASS_OVER_CHOICE and asked.body.get("tool_choice") != "none":
        asked = replace(asked, body={**asked.body, "tool_choice": "auto"})
    message: Json
    if decisions.is_decision_model(model):
        message, ended = decisions.chat_message(asked), None
    else:
        message = answers.answer(
            asked,
            reasons=_reasons(model, asked.body),
            searches=_searches(model, asked.body),
            runs=_uses(model, asked.body, "code_execution"),
        )
        message, ended = limited(message, asked.body)
    counted = usage.of_response(usage.of_prompt(asked, state.prefixes), message)
    return Completion(
        message,
        provider_name(model),
        counted,
        finish_reason=ended,
        cost=_cost(model, counted),
        logprobs=logprobs(asked.body, message.get("content")),
    )


def scripted(state: State, model: Model, asked: ChatRequest, entry: reply_queue.Message) -> Completion:
    """Return the completion for a reply that the test has queued."""
    counted = usage.of_response(usage.of_prompt(asked, state.prefixes), entry.message)
    return Completion(
        entry.message,
        entry.model or provider_name(model),
        counted if entry.usage is None else entry.usage,
        finish_reason=entry.finish_reason,
        exact_usage=entry.usage is not None,
        cost=_cost(model, counted),
        extra=entry.extra,
    )


def as_completion(body: Json, headers: Mapping[str, str]) -> Response:
    return JSONResponse(body, headers=dict(headers))


def as_text(body: Json, headers: Mapping[str, str]) -> Response:
    """Return the response of `/text`: the audio if there is any, else the text, else the message as JSON."""
    message = body["choices"][0]["message"]
    content = message.get("content")
    audio = message.get("audio")
    if audio:
        data = base64.b64decode(audio["data"])
        kind = "audio/wav" if data.startswith(b"RIFF") else "audio/mpeg"
        return Response(data, headers={**FOREVER, **headers}, media_type=kind)
    if isinstance(content, str) and content:
        sources = body.get("citations") or []
        lines = "".join(f"[{n}] {url}\n" for n, url in enumerate(sources, 1))
        text = content + (f"\n\n---\nSources:\n{lines}" if sources else "")
        return Response(text, headers={**FOREVER, **headers}, media_type="text/plain")
    return JSONResponse(message, headers={**FOREVER, **headers})


def streamed(completion: Completion, dialect: Dialect) -> Iterator[bytes]:
    """Yield the server-sent events of a completion, including the final `[DONE]`."""
    yield from map(reply_queue.event, dialect.chunks(completion))
    yield reply_queue.DONE


def as_stream(events: Iterable[bytes], headers: Mapping[str, str], chunk_delay: float = 0.0) -> Response:
    head = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", **headers}
    return ChunkedResponse(events, headers=head, chunk_delay=chunk_delay)


TOOL_FIELDS = ("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call")


def _dialect(model: Model) -> Dialect:
    return dialects.named("responses") if model.get("agent") else dialects.of_model(model["name"])


class Request:
    """One request to a text route. `answer` returns its response."""

    def __init__(self, state: State, asked: Asked, body: Json, *, plain: bool) -> None:
        self.state, self.asked, self.plain = state, asked, plain
        model = state.catalog.resolve(body.get("model"), "text", TEXT_ROUTE if plain else ROUTE, "text")
        self.model = state.catalog.priced(model)
        self.raw = body
        self.asked_name = str(body.get("model") or self.model["name"])
        self.safe = safety.asked_for(body, asked.query, asked.headers)
        self.safety = Safety(safety.features(self.safe, self.model.get("required_safety", ())))
        self.body = _voiced(_prepared(body), self.model) if plain else _prepared(body)
        if self.model.get("agent"):  # an agent has its own tools, and those of the caller are not added
            self.body = {name: value for name, value in self.body.items() if name not in TOOL_FIELDS}
        self.body["messages"] = self.safety.redact(self.body["messages"])
        self.chat = conversation.read(self.body)
        self.streams = bool(self.body.get("stream"))
        self.is_served = moderation.is_served(self.model["name"])
        self.dialect = dialects.named(state.dialect) if state.dialect else _dialect(self.model)

    def render(self, completion: Completion, headers: Mapping[str, str], chunk_delay: float = 0.0) -> Response:
        if self.streams:
            return as_stream(streamed(completion, self.dialect), headers, chunk_delay)
        body = self.whole(completion)
        return as_text(body, headers) if self.plain else as_completion(body, headers)

    @property
    def is_moderated(self) -> bool:
        return self.is_served and self.dialect.provider is None

    def whole(self, completion: Completion) -> Json:
        body = self.dialect.whole(completion)
        return moderation.judged(body) if self.is_moderated else body

    def headers(self, body: Json) -> dict[str, str]:
        """Return the headers of a newly generated response. A stream has no usage headers and no moderation headers."""
        found = {"x-model-used": str(self.model["name"]), **self.safety.headers()}
        if self.streams:
            return found
        counted = body.get("usage") or {}
        judged = moderation.headers() if self.is_moderated else {}
        return found | judged | usage.headers(usage.units(counted), counted.get("total_tokens"))

    def job(self) -> Job:
        stored = not self.streams
        asked, identified = self.asked, self.raw | ({} if self.safe is None else {"safe": self.safe})
        key = cache.identity(asked.method, asked.path, asked.query, identified) if stored else ""
        estimate = {
            "promptTextTokens": sum(usage.tokens(conversation.text_of(m.get("content"))) for m in self.chat.messages),
            "completionTextTokens": ESTIMATED_COMPLETION,
        }

        def check_abilities() -> None:
            self.safety.block(self.chat.messages)
            contents = (message.get("content") for message in self.chat.messages)
            references.check_parts(self.state, chain.from_iterable(c for c in contents if isinstance(c, list)))
            abilities.check(self.model, self.chat, self.dialect, self.plain)
            if decisions.is_decision_model(self.model):
                decisions.from_chat(self.chat)

        most = self.body.get("max_tokens", self.body.get("max_completion_tokens"))
        has_offer = isinstance(most, int) and 1 <= most <= MAX_PAID_TOKENS and not self.chat.parts
        return Job(self.model, key, estimate, check_abilities, self.asked_name, has_offer)

    async def answer(self) -> Response:
        try:
            if self.model["category"] != "text":
                return await self._media()
            entry = self.state.script.take(self.asked.path, messages=True)
            if isinstance(entry, reply_queue.Message):
                return await self._scripted(entry)
            if isinstance(entry, reply_queue.Soft):
                return self._soft(entry)
            return await self._natural() if entry is None else await played(entry)
        except Refusal as refusal:
            if refusal.notice is None or abilities.wants_json(self.body) or self._wants_audio:
                raise
            return self._notice(refusal.notice)

    @property
    def _wants_audio(self) -> bool:
        modalities: Sequence[str] = self.body.get("modalities") or self.model.get("output_modalities") or ()
        return "audio" in modalities

    def _notice(self, words: str) -> Response:
        """Return an account error as a normal text response with status 200, as the service does."""
        self.dialect, self.is_served = dialects.named("plain"), False  # written by the service, not by a provider
        return self.render(Completion({"content": words}, self.asked_name, usage.NONE), NO_STORE)

    async def _media(self) -> Response:
        """Return a Markdown response with the file that a media model generates. The response contains no usage."""
        self.dialect, self.is_served = dialects.named("plain"), False
        result = await media_chat.make(self.state, self.asked, self.model, self.raw, self.job().key)
        message = {"content": media_chat.markdown(self.state, result, self.body["messages"])}
        return self.render(Completion(message, provider_name(self.model)), images.json_headers(result))

    def _soft(self, entry: reply_queue.Soft) -> Response:
        if entry.kind in faults.NOTICES:
            raise faults.NOTICES[entry.kind](self.model, self.asked_name)
        account = generation.admit(self.state, self.asked, self.job())
        completion = natural(self.state, self.model, self.chat)
        body = self.whole(completion)
        headers = {"x-cache": "MISS"} | self.headers(body)
        fails = self.streams and entry.kind == "stream error"
        if not fails:
            self._bill(account, body)
        if not self.streams:
            return self.render(completion, headers)
        events = list(streamed(completion, self.dialect))
        if fails:
            after = 2 if entry.after is None else entry.after
            return as_stream([*events[:after], reply_queue.event(faults.STREAM_ERROR)], headers)
        return as_stream([piece for e in events for piece in (faults.COMMENT, e)], headers)

    def _bill(self, account: Account, body: Json) -> None:
        generation.bill(self.state, self.asked, account, self.model, usage.units(body.get("usage") or {}))

    async def _scripted(self, entry: reply_queue.Message) -> Response:
        if entry.dialect is not None:
            self.dialect = dialects.named(entry.dialect)
        account = generation.admit(self.state, self.asked, self.job())
        if entry.delay:
            await asyncio.sleep(entry.delay)
        completion = scripted(self.state, self.model, self.chat, entry)
        body = self.whole(completion)
        self._bill(account, body)
        headers = {"x-cache": "MISS"} | self.headers(body) | dict(entry.headers)
        return self.render(completion, headers, entry.chunk_delay)

    async def _natural(self) -> Response:
        result = await generation.run(self.state, self.asked, self.job(), self._make)
        return self.render(result.stored.value, result.headers)

    async def _make(self) -> tuple[Stored, Mapping[str, int]]:
        completion = natural(self.state, self.model, self.chat)
        body = self.whole(completion)
        return Stored(completion, len(json.dumps(body)), self.headers(body)), usage.units(body.get("usage") or {})


# Routes.


async def completions(state: State, asked: Asked) -> Response:
    asked = large_bodies.compacted(state, asked)
    body = validation.json_body(asked.body, asked.headers.get("content-type", ""), validation.CHAT)
    return await Request(state, asked, body, plain=False).answer()


async def post_text(state: State, asked: Asked) -> Response:
    body = validation.json_body(asked.body, asked.headers.get("content-type", ""), validation.CHAT)
    return await Request(state, asked, body, plain=True).answer()


def _clamped(low: float, high: float | None = None) -> Any:
    def read(text: str) -> float | None:
        try:
            value = max(low, float(text))
        except ValueError:
            return None
        return value if high is None else min(high, value)

    return read


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\s*-?\d{1,18}\s*", text) else None


def _truth(text: str) -> bool:
    return text.lower() in validation.TRUE_WORDS


def _seed(text: str) -> int | None:
    """Parse the `seed` of a query. A seed above `SEED_MAX` is reduced modulo `SEED_MAX`."""
    value = validation.coerced_number(text)
    return int(value) % validation.SEED_MAX if value > validation.SEED_MAX else int(value)


TEXT_FIELDS: Mapping[str, Any] = {
    "model": str,
    "seed": _seed,
    "json": _truth,
    "stream": _truth,
    "system": str,
    "temperature": _clamped(0, 3),
    "top_p": _clamped(0, 1),
    "presence_penalty": _clamped(-2, 2),
    "frequency_penalty": _clamped(-2, 2),
    "repetition_penalty": _clamped(0),
    "max_tokens": _whole,
    "max_completion_tokens": _whole,
    "reasoning_effort": str,
    "voice": str,
}


async def get_text(state: State, asked: Asked, prompt: str) -> Response:
    validation.against(validation.TEXT_QUERY, asked.query, "Query parameter")
    given = {name: read(asked.query[name]) for name, read in TEXT_FIELDS.items() if name in asked.query}
    body: Json = {"messages": [{"role": "user", "content": prompt}], "seed": 0}
    body |= {k: v for k, v in given.items() if v is not None}
    return await Request(state, asked, body, plain=True).answer()
