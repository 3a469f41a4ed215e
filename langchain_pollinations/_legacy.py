"""The two older hosts, which need no key: how a `Call` looks there, and how their answers read. Pure.

What they are (the service's own words of November 2026): text.pollinations.ai and image.pollinations.ai, for anonymous
callers only, with one model each and one request in 30 seconds and address. Whoever sends a token there, or comes from
a registered site, gets a notice instead of an answer; so nothing is sent that tells who asks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import unquote, urlencode

import httpx
from langchain_core.language_models import ModelProfile

from langchain_pollinations._chat.instructions import ask_for_json, mentions_json
from langchain_pollinations._chat.plain_text import PlainRoutes, Route, plain_request, reader
from langchain_pollinations._pace import Turn
from langchain_pollinations._transport.body import with_body
from langchain_pollinations._transport.error_response import from_response, not_expected
from langchain_pollinations._transport.request import Call
from langchain_pollinations._types import Json
from langchain_pollinations._warnings import warn
from langchain_pollinations.errors import (
    KEYS_PAGE,
    ContentBlockedError,
    ContextOverflowError,
    InvalidRequestError,
    PermissionDeniedError,
    PollinationsError,
    RateLimitError,
    ServiceError,
    UnknownModelError,
    UnsupportedRequestError,
)

T = TypeVar("T")

TEXT = "https://text.pollinations.ai"
IMAGE = "https://image.pollinations.ai"

SCOPE = "answer chats and draw pictures from words, and nothing else"

PACE = 30.0
"""Seconds between two requests from one address, as the text host has it in its source since late 2025."""

TEXT_MODELS = ("openai-fast", "openai", "gpt-oss", "gpt-oss-20b", "ovh-reasoning")
"""The one text model of today, and its other names there."""
IMAGE_MODELS = ("sana", "flux", "turbo", "z-image", "zimage")
"""The one image model of today, and names that lead to it."""
DOCUMENTED = ("mistral",)
"""What the original document names beside them. It is sent as the document says; today the host knows it no more."""

LONGEST_URL = 14_000
"""Characters of an address at most: what the edge and Node take is 16 KB with all headers."""


@dataclass(frozen=True)
class Hosts:
    """The older hosts, and how one wrapper asks them."""

    text_url: str
    image_url: str
    turn: Turn
    route: Route = "chat"
    """Route of chats."""

    def _asked(self, call: Call[Any], method: Any, origin: str, path: str, **changed: Any) -> Call[Any]:
        """A call for one of the hosts; that it is anonymous leaves out every header, cookie and credential."""
        there: dict[str, Any] = {"origin": origin, "anonymous": True, "is_answer": is_answer, "error_of": error_of}
        return replace(call, method=method, path=path, **there, **changed)


PROFILE: ModelProfile = {
    "name": "openai-fast on the older host",
    "text_inputs": True,
    "image_inputs": False,
    "image_url_inputs": False,
    "image_tool_message": False,
    "audio_inputs": False,
    "video_inputs": False,
    "pdf_inputs": False,
    "text_outputs": True,
    "image_outputs": False,
    "audio_outputs": False,
    "video_outputs": False,
    "reasoning_output": True,
    "tool_calling": True,
    "structured_output": False,
}
"""What the text model can do, as its list says; how long its inputs may be is not told."""


def profile(model: str) -> ModelProfile | None:
    """What a text model of these hosts can do, in LangChain's words."""
    return PROFILE if model in TEXT_MODELS else None


def unsupported(what: str, *, param: str | None = None) -> UnsupportedRequestError:
    says = f"{what}; gen.pollinations.ai does more, with a key."
    return UnsupportedRequestError(says, fix_url=KEYS_PAGE, param=param)


def _unknown(model: Any, names: Sequence[str], host: str) -> UnknownModelError:
    told = f"model: the older {host} host has {names[0]} only (also called {', '.join(names[1:])}), not {model!r}"
    return UnknownModelError(f"{told}; gen.pollinations.ai has more, with a key.", fix_url=KEYS_PAGE, param="model")


# --- Text: requests ---------------------------------------------------------------------------------------------------

_NUMBERS = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "max_tokens", "max_completion_tokens")
_READ = frozenset({
    *("messages", "model", "seed", "stream", "stream_options", "tools", "tool_choice", "response_format", *_NUMBERS),
    *("reasoning_effort", "stop", "n", "user", "logit_bias", "logprobs", "top_logprobs", "modalities", "private"),
    *("json", "jsonMode", "system"),
    "parallel_tool_calls",  # not read, but a wish that costs nothing where it is not heard
})  # fmt: skip
"""Fields that the text host reads, whatever its route."""

_ABSENT: Mapping[str, str] = {
    "safe": "The older text host filters nothing",
    "functions": "The older text host knows tools, not the older functions",
    "function_call": "The older text host knows tools, not the older functions",
    "audio": "The older text host does not speak",
}
"""Fields whose loss nobody would notice in the answer."""

_TELLING = frozenset({"token", "referrer", "referer", "key", "api_key"})
"""Those that would tell who asks."""

PLAIN = PlainRoutes(
    get="/",
    post="/",
    query=frozenset({"model", "seed", *_NUMBERS, "reasoning_effort", "user", "stream", "private", "json", "system"}),
    reserved=frozenset(
        {"models", "feed", "openai", "openai/models", "v1/chat/completions", "crossdomain.xml", ".", ".."}
    ),
    json_mode="jsonMode",
    always={"private": True},
)
"""The plain routes of the text host; `private` keeps an answer out of its public feed."""


def _chat(hosts: Hosts, call: Call[T]) -> Call[T]:
    """The request for a chat: by the plain route that was asked for if it can carry it, else by `POST /openai`."""
    body: Json = call.options["json"]
    _check_chat(body)
    if (plain := plain_request(PLAIN, hosts.route, body)) is not None:
        read = reader(call.read, streams=bool(body.get("stream")))
        there = {"options": plain.options, "read": read, "turn": hosts.turn}
        return hosts._asked(call, plain.method, hosts.text_url, plain.path, **there)
    asked = {**body, "private": True}
    if _wants_json(body):
        asked["jsonMode"] = True
        if not mentions_json(body["messages"]):
            asked["messages"] = ask_for_json(body["messages"])
    return hosts._asked(call, "POST", hosts.text_url, "/openai", options={"json": asked}, turn=hosts.turn)


def _check_chat(body: Json) -> None:
    if body["model"] not in (*TEXT_MODELS, *DOCUMENTED):
        raise _unknown(body["model"], TEXT_MODELS, "text")
    if telling := sorted(body.keys() & _TELLING):
        told = "the older hosts answer whoever tells who he is with a notice instead of an answer"
        raise InvalidRequestError(f"{', '.join(telling)}: leave it out; {told}")
    for name, lacks in _ABSENT.items():
        if body.get(name):
            raise unsupported(f"{name}: {lacks}")
    if "audio" in (body.get("modalities") or ()):
        raise unsupported("modalities: The older text host does not speak")
    for tool in body.get("tools") or ():
        if tool.get("type") != "function":
            raise unsupported(f"tools: The older text host has none of its own, such as {tool.get('type')!r}")
    for place, message in enumerate(body["messages"]):
        for part in message["content"] if isinstance(message.get("content"), list) else ():
            if part.get("type") != "text":
                raise unsupported(f"messages[{place}]: The older text host reads text, not {part.get('type')!r}")
    if unread := sorted(body.keys() - _READ):
        warn(f"{', '.join(unread)}: sent, but text.pollinations.ai does not read it")


def _wants_json(body: Json) -> bool:
    return bool((body.get("response_format") or {}).get("type") == "json_object")


# --- Pictures ---------------------------------------------------------------------------------------------------------


def _in_query(value: Any) -> str:
    return "true" if value is True else str(value)


def _picture(hosts: Hosts, call: Call[T]) -> Call[T]:
    """`GET /prompt/{prompt}`."""
    options: Mapping[str, Any] = call.options["params"]
    if options["model"] not in IMAGE_MODELS:
        raise _unknown(options["model"], IMAGE_MODELS, "image")
    for name, lacks in _NOT_DRAWN.items():
        if options.get(name):
            raise unsupported(f"{name}: The older image host {lacks}", param=name)
    prompt = call.path.removeprefix("/image/")
    if unquote(prompt) in (".", ".."):
        raise InvalidRequestError("prompt: no address can carry dots alone", param="prompt")
    said = {name: value for name, value in options.items() if value is not False and name != "safe"}
    params = {name: _in_query(value) for name, value in {**said, "private": True, **_strict(options)}.items()}
    length = len(prompt) + len(urlencode(params))
    if length > LONGEST_URL:
        told = f"takes {length} characters in an address, and the older host takes {LONGEST_URL}: make it shorter"
        raise InvalidRequestError(f"prompt: {told}", param="prompt")
    return hosts._asked(
        call, "GET", hosts.image_url, f"/prompt/{prompt}",
        options={"params": params}, read=lambda response: call.read(_with_address(response)), turn=hosts.turn,
    )  # fmt: skip


_NOT_DRAWN: Mapping[str, str] = {
    "image": "takes no reference pictures",
    "transparent": "draws no transparent background",
    "resolution": "has no choice of resolution: give width and height",
}


def _strict(options: Mapping[str, Any]) -> Mapping[str, bool]:
    """The filter here is on or off."""
    safe = str(options.get("safe") or False).lower()
    if safe not in ("true", "false", "0"):
        raise unsupported(f"safe: the older image host has one filter, True, and knows no {safe!r}", param="safe")
    return {"safe": True} if safe == "true" else {}


def _with_address(response: httpx.Response) -> httpx.Response:
    """The answer with the address of its picture, as the new host tells it: here that of the request shows the picture
    to everybody."""
    found = with_body(response, response.content)
    found.headers["link"] = f'<{response.request.url}>; rel="enclosure"'
    return found


# --- Lists ------------------------------------------------------------------------------------------------------------


def _text_models(hosts: Hosts, call: Call[T]) -> Call[T]:
    return _models(hosts, call, hosts.text_url, "text")


def _image(hosts: Hosts, call: Call[T]) -> Call[T]:
    """A picture, whose model is always said, or the list, under the path of a picture of "models"."""
    if "model" in call.options["params"]:
        return _picture(hosts, call)
    return _models(hosts, call, hosts.image_url, "image")


def _models(hosts: Hosts, call: Call[T], origin: str, category: str) -> Call[T]:
    if unread := sorted(call.options["params"]):
        raise unsupported(f"{', '.join(unread)}: The older hosts' lists cannot be searched")
    read = partial(_read_models, call.read, category)
    return hosts._asked(call, "GET", origin, "/models", options={}, read=read)


def _read_models(read: Callable[[httpx.Response], T], category: str, response: httpx.Response) -> T:
    """The list as the new host has it: the image host tells bare names, and neither the kind."""
    try:
        entries = response.json()
    except (ValueError, RecursionError) as error:
        raise not_expected(response, "list of models") from error
    if not isinstance(entries, list):
        return read(response)
    named = [{"name": entry} if isinstance(entry, str) else entry for entry in entries]
    told = [{"category": category, **entry} if isinstance(entry, dict) else entry for entry in named]
    return read(with_body(response, json.dumps(told).encode()))


_ROUTES: Sequence[tuple[str, str, Callable[[Hosts, Call[Any]], Call[Any]]]] = (
    ("POST", "/v1/chat/completions", _chat),
    ("GET", "/text/models", _text_models),
    ("GET", "/image/", _image),
)


def translate(hosts: Hosts, call: Call[T]) -> Call[T]:
    """A call as these hosts understand it.

    Raises:
        UnsupportedRequestError: If they cannot do it; it says where a key is to be had.
        UnknownModelError: If they do not have the model.
    """
    for method, start, translation in _ROUTES:
        if (call.method, call.origin) == (method, None) and call.path.startswith(start):
            return translation(hosts, call)
    raise unsupported(f"The older hosts {SCOPE}")


# --- Errors -----------------------------------------------------------------------------------------------------------

_PICTURED = ("x-error-status", "x-error-type", "x-error-message")
_MENTIONS_LENGTH = re.compile(
    r"exceeds? (the )?(maximum|limit|\d{1,9})[^.]{0,200}characters|(input|prompt|messages?|text) (is |are )?too long",
    re.IGNORECASE,
)
_MENTIONS_BLOCK = re.compile(
    r"prohibited|inappropriate|moderation|nsfw|unsafe content"
    r"|(content|usage|safety)[ _-](management[ _-])?(policy|filter)",
    re.IGNORECASE,
)
_MENTIONS_MODEL = re.compile(r"model not found|(unknown|invalid|unsupported) model", re.IGNORECASE)


def is_answer(response: httpx.Response) -> bool:
    """Whether it holds what was asked for: the image host answers failures with status 200 and a picture that tells of
    them, so that pages still show something, and names them in headers."""
    return response.is_success and not _is_limited(response) and not any(map(response.headers.get, _PICTURED))


def _is_limited(response: httpx.Response) -> bool:
    return response.headers.get("x-rate-limited", "").strip().lower() not in ("", "false", "0", "no")


def error_of(response: httpx.Response) -> PollinationsError:
    """The error that an answer stands for, in whichever of the shapes these hosts have had.

    A 402 asks for a payment since the place of this address is taken; it is a rate limit, and nothing is ever paid.
    """
    if response.is_success:
        response = _told_by_headers(response)
    said = from_response(response, _meaning(response, ""))
    words = _joined(": ", said.message, _provider_message(response))
    meaning = _meaning(response, words) or type(said)
    error = from_response(response, meaning, _joined("; ", words, _HINTS.get(meaning, "")))
    if meaning in _HINTS:
        error.fix_url = KEYS_PAGE
    return error


_HINTS: Mapping[type[PollinationsError], str] = {
    RateLimitError: "the older hosts take few requests from an address, whoever makes them: wait, or use a key",
    UnknownModelError: "gen.pollinations.ai has more models, with a key",
    PermissionDeniedError: "the older hosts block the address that this comes from; gen.pollinations.ai goes by a key",
    ServiceError: "the older host is down at present",  # as its edge says in a number
}


def _joined(sign: str, words: str, more: str) -> str:
    return f"{words.rstrip('.')}{sign}{more}" if more and more not in words else words


def _told_by_headers(response: httpx.Response) -> httpx.Response:
    """What headers say of a picture that stands for an error, in the form of one."""
    says = [response.headers.get(name, "") for name in reversed(_PICTURED)]
    status = says.pop()
    limited = _is_limited(response)
    status_code = int(status) if re.fullmatch(r"[45]\d\d", status) else 429 if limited else 500
    shown = "its limit" if limited else "an error"
    said = next(filter(None, says), f"The image host answered with a picture of {shown}")
    body = {"error": said, "status": status_code}
    return httpx.Response(status_code, headers=_kept(response.headers), json=body, request=response.request)


def _kept(headers: httpx.Headers) -> list[tuple[bytes, bytes]]:
    return [pair for pair in headers.raw if not pair[0].lower().startswith(b"content-")]


def _meaning(response: httpx.Response, words: str) -> type[PollinationsError] | None:
    """What these hosts mean by a status and their words, where that is not what it means elsewhere. The rest of a body
    is no help: it may repeat the prompt, which may speak of anything."""
    if response.status_code in (402, 429) or _is_limited(response):
        return RateLimitError
    if response.status_code == 404 and _MENTIONS_MODEL.search(words):
        return UnknownModelError
    if response.status_code in (400, 500) and _MENTIONS_LENGTH.search(words):
        return ContextOverflowError
    return ContentBlockedError if response.status_code <= 500 and _MENTIONS_BLOCK.search(words) else None


def _provider_message(response: httpx.Response) -> str:
    """What the provider said, which stands in `details`: as an object, or as the text of one."""
    try:
        details = response.json()["details"]
        details = json.loads(details) if isinstance(details, str) and details.startswith("{") else details
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    while isinstance(details, dict):
        details = details.get("message") or details.get("error")
    return details if isinstance(details, str) else ""
