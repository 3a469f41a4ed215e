"""The legacy text host. It has a single reasoning model, which is available on several routes."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from html import escape
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from langchain_pollinations.emulator.legacy import errors, javascript, notice, text_options
from langchain_pollinations.emulator.legacy.bodies import MALFORMED, Json, page
from langchain_pollinations.emulator.legacy.hosts import Exchange
from langchain_pollinations.emulator.legacy.text_options import Fields
from langchain_pollinations.emulator.routes import chat
from langchain_pollinations.emulator.scripting import dialects, reply_queue
from langchain_pollinations.emulator.scripting.completion import Completion
from langchain_pollinations.emulator.scripting.wire import played
from langchain_pollinations.emulator.service import abilities, usage, validation
from langchain_pollinations.emulator.service.error_responses import Refusal, model_unknown
from langchain_pollinations.emulator.state import Asked
from langchain_pollinations.emulator.synthesis import answers
from langchain_pollinations.emulator.synthesis.answers import conversation

MODEL: Fields = {
    "name": "openai-fast",
    "description": "GPT-OSS 20B Reasoning LLM (OVH)",
    "tier": "anonymous",
    "community": False,
    "aliases": ["openai", "gpt-oss", "gpt-oss-20b", "ovh-reasoning"],
    "input_modalities": ["text"],
    "output_modalities": ["text"],
    "tools": True,
    "reasoning": True,
    "vision": False,
    "audio": False,
}
MODELS = [MODEL]
PROVIDER_NAME = "gpt-oss-20b"
CREATED = 1763650000000  # in milliseconds, unlike the `created` of a response
GUIDE = """\
Text without a key: pollinations.ai, the legacy host.

GET /{prompt}       an answer as plain text
POST /              the same for a conversation: {"messages": [...]}
POST /openai        an answer in the form of OpenAI
GET /models         the models

One request at a time. With a key there is more at https://gen.pollinations.ai
"""


class Provider(dialects.Dialect):
    """The response format of the provider behind the host. The host forwards the provider's chunks unchanged."""

    prefix = "chatcmpl-"


PROVIDER = Provider()
HOST = dialects.Dialect()


# Responses.


def _limited(message: Fields, body: Fields) -> tuple[Fields, str | None]:
    """Cut a message at the token limit. Reasoning counts towards the limit before the content."""
    most = body.get("max_tokens", body.get("max_completion_tokens"))
    thought = message["reasoning_content"]
    if not isinstance(most, int) or most <= 0 or message.get("tool_calls"):
        return chat.limited(message, body)
    left = most - usage.tokens(thought)
    if left <= 0:
        return {"content": "", "reasoning_content": thought[: most * 4]}, "length"
    return chat.limited(message, {**body, "max_tokens": left})


def _counted(asked: conversation.ChatRequest, message: Mapping[str, Any]) -> Fields:
    """Return the usage of a response. It has no details: reasoning tokens count as completion tokens."""
    counted = usage.of_response(usage.of_prompt(asked, usage.Prefixes()), message)
    return {name: counted[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}


def natural(asked: conversation.ChatRequest) -> Completion:
    """Return a completion that the emulator generates by rules."""
    message, ended = _limited(answers.answer(asked, reasons=True), asked.body)
    counted = _counted(asked, message)
    logprobs = chat.logprobs(asked.body, message.get("content"))
    return Completion(message, PROVIDER_NAME, counted, finish_reason=ended, logprobs=logprobs)


def written(asked: conversation.ChatRequest, entry: reply_queue.Message) -> Completion:
    """Return the completion for a reply that the test has queued."""
    return Completion(
        entry.message,
        entry.model or PROVIDER_NAME,
        _counted(asked, entry.message) if entry.usage is None else entry.usage,
        finish_reason=entry.finish_reason,
        exact_usage=entry.usage is not None,
        extra=entry.extra,
    )


def as_completion(body: Fields) -> Response:
    counted = body.get("usage") or {}
    headers = {"x-model-used": str(body["model"])} | usage.headers(usage.units(counted), counted.get("total_tokens"))
    return Json({**body, "user_tier": "anonymous"}, headers=headers)


def as_text(body: Fields) -> Response:
    """Return the audio or the text of a message, without JSON.

    A message without audio and text is returned as JSON. Such a message has tool calls, or its reasoning used all
    tokens.
    """
    message = body["choices"][0]["message"]
    content, audio = message.get("content"), message.get("audio")
    if audio:
        return Response(b64decode(audio["data"]), headers=chat.FOREVER, media_type="audio/mpeg")
    if isinstance(content, str) and content:
        return Response(content, headers=chat.FOREVER, media_type="text/plain")
    return Json(message, headers=chat.FOREVER)


def from_provider(refusal: Refusal) -> Refusal:
    """Convert a validation error to the format of a provider error on this host."""
    fields = (refusal.details or {}).get("fieldErrors") or {}
    problems = "; ".join(f"{name}: {' '.join(sentences)}" for name, sentences in fields.items())
    error = {"message": problems or refusal.message, "type": "BadRequestError", "code": refusal.status}
    title = f"{refusal.status} {HTTPStatus(refusal.status).phrase}"
    return Refusal(refusal.status, title, details={"error": error})


def _reads_text(messages: Sequence[Fields]) -> None:
    """Reject content parts that are not text."""
    contents = [m["content"] for m in messages if isinstance(m.get("content"), list)]
    kinds = sorted({part["type"] for content in contents for part in content} - {"text"})
    if kinds:
        raise Refusal(400, f"{PROVIDER_NAME} is not a multimodal model: {', '.join(kinds)} cannot be read")


class Request:
    """One text request. `answer` returns its response."""

    def __init__(self, exchange: Exchange, sent: Any) -> None:
        self.exchange, self.hosts, self.asked = exchange, exchange.hosts, exchange.asked
        self.sent = sent
        self.given = text_options.merged(self.asked, sent)
        self.is_post = self.asked.method == "POST"
        self.plain = not self.is_post or self.asked.path == "/"
        self.body = text_options.chat(self.given, self.asked.path[1:])
        self.streams = bool(self.body.get("stream"))
        self.dialect: dialects.Dialect = HOST

    # Validation.

    def _check_form(self) -> None:
        if self.is_post and self.plain and not isinstance(self.given.get("messages"), list):
            raise errors.Bare(400, "Invalid messages array")
        name = self.given.get("model")
        if not name or name in (MODEL["name"], *MODEL["aliases"]):
            return
        if self.hosts.level == "l5":
            raise model_unknown(name)
        raise Refusal(404, f"Model not found: {name}. The models of this host are listed at /models")

    def _check_content(self) -> None:
        """Reject input that is too long for the host, and input that the provider does not support."""
        most = self.hosts.max_input_chars
        given = sum(len(conversation.text_of(m.get("content"))) for m in self.body["messages"] if isinstance(m, dict))
        if most is not None and given > most:
            raise too_long(given, most)
        try:
            validation.against(validation.CHAT, {k: v for k, v in self.body.items() if k != "seed"}, "JSON body")
            _reads_text(self.body["messages"])
            abilities.check(MODEL, conversation.read(self.body), HOST, plain=True)
        except Refusal as refusal:
            raise from_provider(refusal) from refusal

    def _is_valid(self) -> bool:
        try:
            self._check_form()
            self._check_content()
        except Refusal:
            return False
        return True

    def _earns_notice(self) -> bool:
        """Return whether the host sends the migration notice.

        The host sends it if a test has set `notice`, or if the token or the referrer of the request belongs to an
        account.
        """
        hosts = self.hosts
        known = text_options.token(self.asked, self.sent) in hosts.tokens
        return hosts.notice or known or text_options.referrer(self.asked, self.sent) in hosts.referrers

    # Responses.

    async def answer(self) -> Response:
        """Return the migration notice, a scripted response, a cached response or a new response.

        The notice and scripted responses are never cached. The service may cache a notice and send it to another caller
        without a token. This has not been observed.
        """
        if self._earns_notice():
            return self.notice()
        entry = self.exchange.scripted() if self._is_valid() else None
        if isinstance(entry, reply_queue.Message):
            return await self._written(entry)
        if entry is not None:
            return self.notice() if isinstance(entry, reply_queue.Soft) else await played(entry)
        return await _stored(self.exchange, self.sent, self._natural)

    def notice(self) -> Response:
        if self.streams:
            return chat.as_stream(notice.events(MODEL["name"]), {})
        return self._rendered(notice.completion(MODEL["name"]))

    async def _written(self, entry: reply_queue.Message) -> Response:
        self.dialect = HOST if entry.dialect is None else dialects.named(entry.dialect)
        try:
            await self.exchange.acquire_slot(streams=self.streams)
        except (Refusal, asyncio.CancelledError):
            self.hosts.lines.give_back(entry)
            raise
        if entry.delay:
            await asyncio.sleep(entry.delay)
        response = self._rendered(written(conversation.read(self.body), entry), entry.chunk_delay)
        response.headers.update(entry.headers)
        return response

    async def _natural(self) -> Response:
        self._check_form()
        await self.exchange.acquire_slot(streams=self.streams)
        self._check_content()
        completion = natural(conversation.read(self._seeded()))
        self._publish(completion)
        return self._rendered(completion)

    def _seeded(self) -> Fields:
        """Return the body with an unsigned seed. The provider reads -1 as a normal seed."""
        seed = self.body.get("seed")
        return self.body if seed is None else {**self.body, "seed": seed % 2**64}

    def _publish(self, completion: Completion) -> None:
        """Add a response to the public feed, unless it is private. A response in OpenAI's format is always private."""
        if self.plain and not javascript.is_on(self.given.get("private")):
            event = {"response": completion.content, "model": MODEL["name"], "messages": self.body["messages"]}
            self.exchange.publish(event)

    def _rendered(self, completion: Completion, chunk_delay: float = 0.0) -> Response:
        if self.streams:
            return chat.as_stream(chat.streamed(*self._relayed(completion)), {}, chunk_delay)
        body = self.dialect.whole(completion)
        return as_text(body) if self.plain else as_completion(body)

    def _relayed(self, completion: Completion) -> tuple[Completion, dialects.Dialect]:
        """Prepare a completion for a stream. Return the completion and its dialect.

        The usage is removed unless the request asks for it or the test scripted it. The response id is the provider's.
        """
        options = self.body.get("stream_options")
        counts = isinstance(options, dict) and bool(options.get("include_usage")) or completion.exact_usage
        relayed = completion if counts else completion.without_usage()
        return relayed, PROVIDER if self.dialect is HOST else self.dialect


def too_long(given: int, most: int) -> Refusal:
    """Return the error for input that is too long. Its status is 500, not 400."""
    name = MODEL["name"]
    return Refusal(500, f"Input text exceeds maximum length of {most} characters for model {name} (current: {given})")


async def _stored(exchange: Exchange, sent: Any, make: Callable[[], Awaitable[Response]]) -> Response:
    """Return the cached response to a request. If there is none, create a response and cache it.

    Errors with a status below 401 are cached, too.
    """
    key = exchange.key(sent)
    found = exchange.stored(key)
    if found is not None:
        return found
    try:
        response = await make()
    except Refusal as refusal:
        response = exchange.refused(refusal)
    return exchange.cached(key, response)


# Routes.


def _generates(asked: Asked) -> bool:
    if asked.method != "POST":
        return asked.method in ("GET", "HEAD") and asked.path not in LISTS
    return asked.path in ("/", "/openai", "/v1/chat/completions") or asked.path.startswith("/openai/")


async def _generated(exchange: Exchange) -> Response:
    try:
        sent = text_options.body(exchange.asked)
    except (ValueError, RecursionError):
        return await _stored(exchange, None, partial(_malformed, exchange))
    return await Request(exchange, sent).answer()


async def _malformed(exchange: Exchange) -> Response:
    if exchange.hosts.level == "l5":
        raise Refusal(400, "Malformed JSON in request body")
    return Response(MALFORMED, 400, media_type="text/html")


def _models(exchange: Exchange) -> Response:
    return Json(MODELS)


def _openai_models(exchange: Exchange) -> Response:
    model = {"id": MODEL["name"], "object": "model", "created": CREATED, "owned_by": "ovhcloud"}
    return Json({"object": "list", "data": [model]})


def _guide(exchange: Exchange) -> Response:
    if exchange.hosts.level == "l5":
        raise Refusal(404)
    return Response(GUIDE, headers={"cache-control": "public, max-age=3600"}, media_type="text/plain")


def _feed(exchange: Exchange) -> Response:
    return chat.as_stream([reply_queue.event(each) for each in exchange.published()], {})


def _policy(exchange: Exchange) -> Response:
    return Response('<?xml version="1.0"?>\n<cross-domain-policy/>\n', media_type="application/xml")


LISTS: Mapping[str, Callable[[Exchange], Response]] = {
    "/": _guide,
    "/models": _models,
    "/openai/models": _openai_models,
    "/feed": _feed,
    "/crossdomain.xml": _policy,
}


async def answer(exchange: Exchange) -> Response:
    asked = exchange.asked
    if _generates(asked):
        return await _generated(exchange)
    if asked.method in ("GET", "HEAD"):
        return LISTS[asked.path](exchange)
    if exchange.hosts.level == "l5":
        raise Refusal(404)
    return Response(page(f"Cannot {asked.method} {escape(asked.path)}"), 404, media_type="text/html")
