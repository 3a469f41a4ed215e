"""The plain text routes of both generations of the service: a GET for a single prompt, a POST for a conversation. Pure.

The body of a chat completions request is converted to a request to the plain route. The result is None if the plain
route cannot carry the body. The response of a plain route (text, audio, or the message as JSON) is converted to a chat
completion.
"""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlencode

import httpx

from langchain_pollinations._chat.options import Route as Route
from langchain_pollinations._transport.error_response import parse_json, unexpected_response
from langchain_pollinations._transport.metering import Billing
from langchain_pollinations._transport.request import ApiRequest
from langchain_pollinations._types import Json

T = TypeVar("T")

logger = logging.getLogger("langchain_pollinations")

MAX_URL = 2000
"""Maximum characters of path and query for a prompt that is sent in a URL."""


@dataclass(frozen=True)
class PlainRoutes:
    """The plain text routes of one generation of the service."""

    get: str
    """Part of the GET's path before the prompt, with a trailing slash."""
    post: str
    """Path of the POST."""
    query: frozenset[str]
    """Options that the GET accepts as query parameters."""
    reserved: frozenset[str]
    """Prompts (in lower case) that the GET cannot carry, because their URLs belong to other routes."""
    unsafe: str = ""
    """Characters that a prompt in the path must not contain, because the host may decode them wrongly."""
    json_mode: str | None = None
    """Name of the field for JSON mode in the body of the POST. None if the POST accepts `response_format`."""
    always: Mapping[str, Any] = field(default_factory=dict)
    """Options that are sent with every request."""


@dataclass(frozen=True)
class PlainRequest:
    """A request to a plain route. `options` has the same meaning as in `ApiRequest`."""

    method: Literal["GET", "POST"]
    path: str
    options: Mapping[str, Any]


GEN = PlainRoutes(
    get="/text/",
    post="/text",
    query=frozenset({
        *("model", "seed", "json", "stream", "temperature", "top_p", "presence_penalty", "frequency_penalty"),
        *("repetition_penalty", "max_tokens", "max_completion_tokens", "reasoning_effort", "voice", "safe", "system"),
    }),
    reserved=frozenset({"models", ".", ".."}),
    unsafe="%",  # other GET routes of this host decode the path twice, and this route may do so
)  # fmt: skip


def for_model(route: Route, category: str | None) -> Route:
    """Return the route for a model. Media models support chat completions only."""
    if route == "chat" or category in (None, "text"):
        return route
    _log_fallback(route, [f"models for {category}"])
    return "chat"


def completion_request(route: Route, body: Json, parse: Callable[..., T], billing: Billing) -> ApiRequest[T]:
    """Build the request for a chat. It uses the plain route if that route can carry it, otherwise chat completions.

    Args:
        route: Requested route.
        body: Body of chat completions.
        parse: Parser of the response. Its argument `read` is a function that converts a response to a chat completion.
        billing: How the request is billed.
    """
    request = plain_request(GEN, route, body)
    if request is None:
        return ApiRequest("POST", "/v1/chat/completions", parse, {"json": body}, billing=billing)
    parse = partial(parse, read=read_plain)
    return ApiRequest(request.method, request.path, parse, request.options, billing=billing)


# --- Requests ---------------------------------------------------------------------------------------------------------


def plain_request(routes: PlainRoutes, route: Route, body: Json) -> PlainRequest | None:
    """Return the request of a plain route for a body of chat completions.

    Returns:
        The request, or None for the route "chat". If the route cannot carry the body, the result is None too, and a
        debug message lists the reasons.
    """
    if route == "chat":
        return None
    found = _get(routes, body) if route == "get" else _post(routes, body)
    if isinstance(found, PlainRequest):
        return found
    _log_fallback(route, found)
    return None


def _log_fallback(route: Route, lost: Sequence[str]) -> None:
    logger.debug("route=%r cannot carry %s: the request is sent by chat completions", route, ", ".join(lost))


def _get(routes: PlainRoutes, body: Json) -> PlainRequest | list[str]:
    """Return the GET request for a prompt with at most one system message, or the reasons why a GET is impossible."""
    # Streams always report usage on this route, so `stream_options` is not needed.
    query = {name: value for name, value in body.items() if value is not None and name not in _NO_PARAMETERS}
    if query.get("response_format") == _JSON_OBJECT:
        del query["response_format"]
        query["json"] = True
    query |= routes.always
    lost = sorted(name for name, value in query.items() if name not in routes.query or not _is_scalar(value))
    lost += _beyond_prompt(body["messages"], query)
    if lost:
        return lost
    *system, last = (str(message["content"]) for message in body["messages"])
    lost = _beyond_path(routes, last)
    query |= {"system": system[0]} if system else {}
    # False is left out, because the service reads "false" as true for some parameters. `safe=false` is sent: it is
    # documented, and turns off the checks that a header requests.
    params = {name: _as_query_value(value) for name, value in query.items() if value is not False or name == "safe"}
    try:
        path = f"{routes.get}{quote(last, safe='')}"
        length = len(path) + len(urlencode(params, quote_via=quote))
    except UnicodeEncodeError:  # sent to chat completions, which raises an error with its position
        return ["a lone surrogate"]
    if length > MAX_URL:
        lost.append(f"a URL of more than {MAX_URL} characters")
    return lost or PlainRequest("GET", path, {"params": params})


_NO_PARAMETERS = frozenset({"messages", "stream_options"})
_JSON_OBJECT = {"type": "json_object"}


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _as_query_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _beyond_prompt(messages: Sequence[Json], query: Json) -> list[str]:
    """Return the reasons why messages are not one prompt with at most one system message."""
    roles = [message["role"] for message in messages]
    if roles not in (["user"], ["system", "user"]):
        return ["messages other than a prompt and a system message"]
    if len(roles) > 1 and "system" in query:
        return ["system in addition to a system message"]
    return [
        f"messages[{place}]"
        for place, message in enumerate(messages)
        if message.keys() != {"role", "content"} or not isinstance(message["content"], str)
    ]


def _beyond_path(routes: PlainRoutes, prompt: str) -> list[str]:
    """Return the reasons why a prompt cannot be one segment of a path."""
    lost = [] if prompt.strip() else ["an empty prompt"]
    if prompt.strip("/ ").lower() in routes.reserved:
        lost.append("a prompt whose URL is another route")
    return lost + [f"{sign!r} in the prompt" for sign in routes.unsafe if sign in prompt]


def _post(routes: PlainRoutes, body: Json) -> PlainRequest | list[str]:
    """Return the POST request for a conversation, or the reasons why its plain text response is not sufficient."""
    lost = [name for name in _BESIDE_TEXT if body.get(name)]
    lost += [f"messages[{place}]" for place, message in enumerate(body["messages"]) if _is_about_tools(message)]
    if lost:
        return lost
    sent = dict(body)
    if routes.json_mode and sent.get("response_format") == _JSON_OBJECT:
        del sent["response_format"]
        sent[routes.json_mode] = True
    return PlainRequest("POST", routes.post, {"json": {**sent, **routes.always}})


_BESIDE_TEXT = ("tools", "functions", "logprobs", "top_logprobs", "include_reasoning")


def _is_about_tools(message: Json) -> bool:
    return message["role"] in ("tool", "function") or any(message.get(name) for name in ("tool_calls", "function_call"))


# --- Responses --------------------------------------------------------------------------------------------------------


def read_plain(response: httpx.Response) -> Json:
    """Convert the response of a plain route to a chat completion. The content type selects the conversion.

    Raises:
        InvalidResponseError: If the response is neither text nor audio nor a JSON object.
    """
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    facts: Json = {}
    if kind == "application/json":
        message = parse_json(response, "chat message")
        if "choices" in message:
            return message
    elif kind.startswith("audio/"):
        is_raw = kind in ("audio/pcm", "audio/l16")  # raw audio may begin with any byte
        if not response.content or (not is_raw and response.content.lstrip()[:1] in (b"{", b"<")):
            raise unexpected_response(response, "audio")
        message = {"audio": {"data": base64.b64encode(response.content).decode("ascii")}}
    elif kind == "text/plain":
        text, sources = split_sources(response.text)
        message, facts = {"content": text}, {"citations": sources} if sources else {}
    else:
        raise unexpected_response(response, "text")
    # The route sends no finish reason. Text that `max_tokens` truncated therefore looks complete.
    choice = {"message": {"role": "assistant", **message}, "finish_reason": "unknown"}
    if message.get("tool_calls"):
        choice["finish_reason"] = "tool_calls"
    if usage := usage_of(response.headers):
        facts["usage"] = usage
    return {**facts, "choices": [choice]}


_SOURCES = re.compile(r"\n\n---\nSources:\n((?:\[\d+\] \S+(?:\n|\Z))+)\Z")


def split_sources(text: str) -> tuple[str, list[str]]:
    """Return the text of a response, and the URLs in the list of sources that the service appends to it."""
    found = _SOURCES.search(text)
    if found is None:
        return text, []
    return text[: found.start()], [line.partition(" ")[2] for line in found[1].splitlines()]


_COUNTER = re.compile(r"x-usage-(prompt|completion)-(.+)-tokens")
_COUNT = re.compile(r"[0-9]{1,18}")
_DETAILS = {"cached": "cached_tokens", "cache-write": "cache_write_tokens"}


def usage_of(headers: httpx.Headers) -> Json | None:
    """Return the usage from the headers of a response in the form of chat completions. Return None without usage.

    No token is counted in two headers: the count of text tokens excludes cached, audio and reasoning tokens.
    """
    usage: Json = {}
    for name, value in headers.items():
        if (found := _COUNTER.fullmatch(name)) and _COUNT.fullmatch(value):
            side, kind = found.groups()
            usage[f"{side}_tokens"] = usage.get(f"{side}_tokens", 0) + int(value)
            if kind != "text":
                details = usage.setdefault(f"{side}_tokens_details", {})
                details[_DETAILS.get(kind, f"{kind}_tokens")] = int(value)
    total = headers.get("x-usage-total-tokens", "")
    return {**usage, "total_tokens": int(total)} if _COUNT.fullmatch(total) else usage or None
