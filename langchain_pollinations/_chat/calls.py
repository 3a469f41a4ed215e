"""Calls of a chat model: build the request, send it, and parse the response.

`chat_models` imports this module with the first call, because it needs two thirds of the package.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from langchain_pollinations._chat.billing import chat_billing
from langchain_pollinations._chat.fields import RequestInfo
from langchain_pollinations._chat.inline_media import check_sizes, explain_size_error
from langchain_pollinations._chat.instructions import require_json
from langchain_pollinations._chat.options import ChatOptions
from langchain_pollinations._chat.payload import (
    check_call_options,
    check_tools,
    encode_for_model,
    pop_switches,
    request_info,
)
from langchain_pollinations._chat.plain_text import Route, completion_request, for_model
from langchain_pollinations._chat.response import parse_response
from langchain_pollinations._chat.stream import ChatStreamParser
from langchain_pollinations._chat.tool_names import fit_names
from langchain_pollinations._transport.call_settings import split_settings
from langchain_pollinations._transport.client import Client
from langchain_pollinations._transport.exceptions import OnError
from langchain_pollinations._transport.metering import Meter, find_meters, take_started
from langchain_pollinations._transport.request import ApiRequest, EventParser, T
from langchain_pollinations._types import Json
from langchain_pollinations._validation import check_placement, own_class, resolve_seed

if TYPE_CHECKING:
    from langchain_pollinations.chat_models import ChatPollinations


@dataclass(frozen=True)
class Call:
    """A chat request, with all that sending it and parsing its response needs."""

    chat: ChatPollinations
    body: Json
    info: RequestInfo
    route: Route
    client: Client
    meters: Sequence[Meter]

    def send(self) -> ChatResult:
        with OnError(self._explain):
            return self.client.send(self._request(partial(parse_response, info=self.info)))

    async def asend(self) -> ChatResult:
        with OnError(self._explain):
            return await self.client.asend(self._request(partial(parse_response, info=self.info)))

    def stream(self) -> Generator[ChatGenerationChunk]:
        request = self._stream_request()
        with OnError(self._explain), closing(self.client.stream(request)) as chunks:
            yield from chunks

    async def astream(self) -> AsyncGenerator[ChatGenerationChunk]:
        request = self._stream_request()
        with OnError(self._explain):
            async with aclosing(self.client.astream(request)) as chunks:
                async for chunk in chunks:
                    yield chunk

    def _stream_request(self) -> ApiRequest[EventParser[ChatGenerationChunk]]:
        return self._request(partial(ChatStreamParser, info=self.info))

    def _request(self, parse: Callable[..., T]) -> ApiRequest[T]:
        """Build the request. It uses `route` if that route can carry the body."""
        billing = chat_billing(self.body, self.info.is_free, self.meters)
        if self.chat._uses_legacy:
            from langchain_pollinations._legacy.text import chat_request

            request = chat_request(self.chat._legacy_hosts(), self.route, self.body, parse)
            return replace(request, billing=billing)
        return completion_request(self.route, self.body, parse, billing)

    def _explain(self, error: BaseException) -> None:
        """Add suggested models and size limits to errors. The legacy host has neither."""
        if not self.chat._uses_legacy:
            from langchain_pollinations._catalog.capabilities import add_suggestions

            add_suggestions(str(self.body["model"]), "text", error)
            explain_size_error(self.body["messages"], error)


def prepare(
    chat: ChatPollinations,
    messages: list[BaseMessage],
    stop: list[str] | None,
    kwargs: Mapping[str, Any],
    run_manager: Any = None,
    *,
    stream: bool = False,
) -> Call:
    """Build the request of a call.

    Arguments of the call override those of the constructor. `extra_body` overrides both. The callbacks of the run
    manager may include meters.
    """
    named = {chat._SYNONYMS.get(name, name): value for name, value in kwargs.items() if name != "stream"}
    settings, given = split_settings(named)
    switches = pop_switches(given)
    json_mode = switches.json_mode if "json_mode" in switches.model_fields_set else chat.json_mode
    usage = chat.stream_usage if switches.stream_usage is None else switches.stream_usage
    extra_body = {**(chat.extra_body or {}), **(switches.extra_body or {})}
    options = _options(chat, given, stop)
    if json_mode and "response_format" not in given and "tools" not in options:
        # With tools, the model must be free to call a tool. A tool may also define the form of the final message.
        options.setdefault("response_format", {"type": "json_object"})
    model = str(extra_body.get("model", options["model"]))
    options, wire = encode_for_model(
        messages, options, model, can_force=chat._can_force(model), instruction=switches.added_instruction
    )
    uses_legacy = chat._uses_legacy
    if not uses_legacy and options.get("response_format", {}).get("type") == "json_object":
        wire = require_json(wire)
    body = {**options, "messages": wire, **chat.model_kwargs}
    if stream:
        body |= {"stream": True, **({"stream_options": {"include_usage": True}} if usage else {})}
    body |= extra_body
    if not uses_legacy:
        profile = chat._profile_of(model)
        if not profile.get("tool_calling"):
            check_tools(body, messages, profile)
        check_sizes(body["messages"])
    body, originals = fit_names(body)
    info = request_info(
        body, originals, usage=usage or not stream, headers=chat.include_response_headers, is_free=uses_legacy
    )
    route = for_model(switches.route or chat.route, info.kind)
    started = take_started()
    meters = find_meters(run_manager) if run_manager is not None else started
    return Call(chat, body, info, route, chat._client_with(settings), meters)


def _options(chat: ChatPollinations, given: Json, stop: list[str] | None) -> Json:
    """Return the request options, without the messages.

    If an option of the call is None, the constructor's value is not sent, and the service applies its default. The
    model is always sent.
    """
    options = chat._own_options()
    if given:
        # A key in the body of a request would be stored and shared with the request.
        unknown = {name: value for name, value in given.items() if name not in ChatOptions.model_fields}
        check_placement(unknown, own_class(type(chat)).model_fields, ChatOptions.model_fields)
        options |= check_call_options(given)
    for name in given.keys() - {"model"}:
        if given[name] is None:
            options.pop(name, None)
    if stop is not None:
        options["stop"] = check_call_options({"stop": stop})["stop"]
    if not options.get("stop"):
        options.pop("stop", None)  # LangChain passes an empty list for no stop sequences
    if "seed" in options:
        options["seed"] = resolve_seed(options["seed"])
    return options
