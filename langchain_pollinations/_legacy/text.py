"""Chat requests of the legacy text host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from langchain_pollinations._chat.instructions import require_json
from langchain_pollinations._chat.plain_text import PlainRoutes, Route, plain_request, read_plain
from langchain_pollinations._legacy.hosts import LegacyHosts, T, unknown_model, unsupported
from langchain_pollinations._legacy.models import DOCUMENTED_MODELS, TEXT_MODELS
from langchain_pollinations._transport.request import ApiRequest
from langchain_pollinations._types import Json
from langchain_pollinations._warnings import warn
from langchain_pollinations.errors import InvalidRequestError

# --- Requests ---------------------------------------------------------------------------------------------------------

_NUMBERS = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "max_tokens", "max_completion_tokens")
_READ_FIELDS = frozenset({
    *("messages", "model", "seed", "stream", "stream_options", "tools", "tool_choice", "response_format", *_NUMBERS),
    *("reasoning_effort", "stop", "n", "user", "logit_bias", "logprobs", "top_logprobs", "modalities", "private"),
    *("json", "jsonMode", "system"),
    "parallel_tool_calls",  # not read, but harmless if ignored
})  # fmt: skip
"""Fields that the text host reads on any of its routes."""

_UNSUPPORTED: Mapping[str, str] = {
    "safe": "the legacy text host has no content filter",
    "functions": "the legacy text host supports tools, not functions",
    "function_call": "the legacy text host supports tools, not functions",
    "audio": "the legacy text host does not generate audio",
}
"""Fields that are rejected, because a response would not show that the host ignored them."""

_IDENTIFYING = frozenset({"token", "referrer", "referer", "key", "api_key"})
"""Fields that would identify the caller."""

PLAIN_ROUTES = PlainRoutes(
    get="/",
    post="/",
    query=frozenset({"model", "seed", *_NUMBERS, "reasoning_effort", "user", "stream", "private", "json", "system"}),
    reserved=frozenset(
        {"models", "feed", "openai", "openai/models", "v1/chat/completions", "crossdomain.xml", ".", ".."}
    ),
    json_mode="jsonMode",
    always={"private": True},
)
"""The plain routes of the text host. `private` keeps a response out of the public feed."""


def chat_request(hosts: LegacyHosts, route: Route, body: Json, parse: Callable[..., T]) -> ApiRequest[T]:
    """Build the request for a chat. It uses the plain route if that route can carry it, otherwise `POST /openai`.

    Args:
        hosts: The legacy hosts.
        route: Requested route.
        body: Body of chat completions.
        parse: Parser of the response. Its argument `read` is a function that converts a response to a chat completion.

    Raises:
        UnsupportedRequestError: If the host does not support a field. The message names the page for a key.
        UnknownModelError: If the host does not have the model.
    """
    _check_chat(body)
    if (plain := plain_request(PLAIN_ROUTES, route, body)) is not None:
        return hosts.request(plain.method, hosts.text_url, plain.path, partial(parse, read=read_plain), plain.options)
    body = {**body, "private": True}
    if _wants_json(body):
        body |= {"jsonMode": True, "messages": require_json(body["messages"])}
    return hosts.request("POST", hosts.text_url, "/openai", parse, {"json": body})


def _check_chat(body: Json) -> None:
    if body["model"] not in (*TEXT_MODELS, *DOCUMENTED_MODELS):
        raise unknown_model(body["model"], TEXT_MODELS, "text")
    if identifying := sorted(body.keys() & _IDENTIFYING):
        reason = "the legacy hosts answer identified callers with a notice instead of a result"
        raise InvalidRequestError(f"{', '.join(identifying)}: must be omitted, because {reason}")
    for name, lacks in _UNSUPPORTED.items():
        if body.get(name):
            raise unsupported(f"{name}: {lacks}")
    if "audio" in (body.get("modalities") or ()):
        raise unsupported("modalities: the legacy text host does not generate audio")
    for tool in body.get("tools") or ():
        if tool.get("type") != "function":
            raise unsupported(f"tools: the legacy text host supports only function tools, got {tool.get('type')!r}")
    for index, message in enumerate(body["messages"]):
        for part in message["content"] if isinstance(message.get("content"), list) else ():
            if part.get("type") != "text":
                raise unsupported(
                    f"messages[{index}]: the legacy text host accepts only text, got {part.get('type')!r}"
                )
    if unread := sorted(body.keys() - _READ_FIELDS):
        warn(f"{', '.join(unread)}: sent, but text.pollinations.ai does not read it")


def _wants_json(body: Json) -> bool:
    return bool((body.get("response_format") or {}).get("type") == "json_object")
