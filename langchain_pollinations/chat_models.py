"""`ChatPollinations`: the chat models of Pollinations.AI for LangChain."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from functools import partial
from operator import is_
from typing import TYPE_CHECKING, Any, ClassVar, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.prompt_values import ChatPromptValue, PromptValue
from langchain_core.runnables import Runnable
from pydantic import BaseModel, Field, model_validator

from langchain_pollinations._catalog.capabilities import add_suggestions
from langchain_pollinations._chat import structured_output
from langchain_pollinations._chat.chunks import Chunk as Chunk  # pickles refer to it by this module
from langchain_pollinations._chat.chunks import LastChunk as LastChunk
from langchain_pollinations._chat.content import add_mime_types
from langchain_pollinations._chat.content_blocks import register, restore_refusals
from langchain_pollinations._chat.fields import RequestInfo
from langchain_pollinations._chat.inline_media import check_sizes, explain_size_error
from langchain_pollinations._chat.instructions import call_instruction, require_json
from langchain_pollinations._chat.model_info import ModelInfo
from langchain_pollinations._chat.options import ChatOptions
from langchain_pollinations._chat.output_parser import AnswerParser
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
from langchain_pollinations._chat.structured_output import Method, schema_instruction, schema_tool
from langchain_pollinations._chat.tool_names import fit_name, fit_names
from langchain_pollinations._chat.tools import encode_tool, encode_tool_choice
from langchain_pollinations._config.host_choice import LegacyConfig
from langchain_pollinations._config.service import __version__
from langchain_pollinations._legacy.text import chat_request
from langchain_pollinations._transport.batch import BatchMixin
from langchain_pollinations._transport.call_settings import split_settings
from langchain_pollinations._transport.client import Client
from langchain_pollinations._transport.exceptions import OnError
from langchain_pollinations._transport.request import ApiRequest, EventParser, T
from langchain_pollinations._types import Json
from langchain_pollinations._validation import (
    check_no_host,
    check_no_secret,
    check_placement,
    resolve_seed,
    suggest_name,
)
from langchain_pollinations._warnings import warn

logger = logging.getLogger("langchain_pollinations")


class ChatPollinations(BatchMixin, ModelInfo):
    """Chat models of Pollinations.AI, with tools, structured output, reasoning and image input.

        >>> chat = ChatPollinations(model="openai")
        >>> chat.invoke("Name three seas.").text  # doctest: +SKIP
        'The Baltic, the Aegean and the Coral Sea.'

    Requests are billed to the account of the API key. The key is `api_key`, or `POLLINATIONS_API_KEY` from the
    environment. Without a key, requests go to the legacy text host, which has one model and accepts one request per
    30 s.

    Every option of `ChatOptions` is a field of this class. Options can also be passed to a call
    (`chat.invoke(..., temperature=0)`) or bound (`chat.bind(seed=7)`). A call also accepts `timeout` (like the field)
    and `extra_headers`. The `extra_headers` override `default_headers` and must not contain `Authorization`.

    An unknown argument is sent unchanged, with a warning. Fields in `model_kwargs` and `extra_body` are sent without a
    warning. An unknown argument that names a key or a host is an error.

    Image, video, audio and 3D models also work here (`model="kontext"`). The text of the last user message is the
    prompt, and its images are the source images or the first frame of a video. The returned message has a block with
    the URL of the file, and no usage. Earlier messages and other options are ignored. The media classes have more
    options.
    """

    _SYNONYMS: ClassVar[Mapping[str, str]] = {
        **LegacyConfig._SYNONYMS,
        "model_name": "model",
        "stop_sequences": "stop",
        "jsonMode": "json_mode",
        "json": "json_mode",
        "stream": "streaming",
    }

    json_mode: bool = False
    """Request a JSON object. If no message mentions JSON, a short instruction is added."""

    streaming: bool = False
    """Request a stream for `invoke` too."""

    stream_usage: bool = True
    """Request usage for streams."""

    stream_chunk_timeout: float | None = Field(default=120.0, ge=0)
    """Maximum seconds between two events of a stream. Keep-alive comments do not count as events. None or 0 disables
    the limit. If the field is not set, a shorter `timeout` applies instead."""

    route: Route = "chat"
    """Route of the request, on gen.pollinations.ai and on the legacy hosts. "chat" is chat completions. "get" sends a
    prompt, alone or after a system message, as `GET /text/{prompt}` (legacy: `GET /{prompt}`). "post" sends a
    conversation without tools as `POST /text` (legacy: `POST /`). If the route cannot carry a request, the request is
    sent to chat completions, and a debug line of the logger `langchain_pollinations` gives the reason.

    The response of "get" and "post" is text (or audio) only and has no reasoning. Its `finish_reason` is "unknown",
    because the route does not report whether the text was truncated. Streams have the format of chat completions.
    Without a `seed`, the GET of gen.pollinations.ai uses seed 0, so equal prompts return the same cached response."""

    include_response_headers: bool = False
    """Add the response headers to `response_metadata["headers"]`."""

    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Additional request fields that this class does not define."""

    extra_body: Mapping[str, Any] | None = None
    """Fields that are merged into the request last. They override all others."""

    # --- Unknown arguments ---

    @classmethod
    def _handle_unknown(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Move unknown arguments into `model_kwargs`, with a warning, as LangChain's chat models do.

        The media wrappers reject unknown arguments with the same text, because the service ignores unknown parameters.
        """
        unknown = {name: given.pop(name) for name in sorted(given.keys() - cls.model_fields.keys())}
        check_no_secret(unknown)
        check_no_host(unknown)
        if unknown:
            found = "; ".join(suggest_name(name, cls.model_fields) for name in unknown)
            warn(f"{found} (sent to the service as it is, in model_kwargs)")
            kwargs = given.get("model_kwargs") or {}
            if both := kwargs.keys() & unknown.keys():
                raise ValueError(f"{', '.join(sorted(both))} given twice, also in model_kwargs")
            given["model_kwargs"] = {**kwargs, **unknown}
        return given

    @model_validator(mode="after")
    def _check_model_kwargs(self) -> Self:
        if fields := sorted(self.model_kwargs.keys() & ChatOptions.model_fields.keys()):
            raise ValueError(f"model_kwargs: give {', '.join(fields)} as arguments of their own")
        if fields := sorted(self.model_kwargs.keys() & {"messages", "tools", "tool_choice", "stream"}):
            raise ValueError(f"model_kwargs: {', '.join(fields)} belongs to a call: invoke, stream or bind_tools")
        check_no_secret(self.model_kwargs)
        return self

    # --- Calls ---

    @model_validator(mode="after")
    def _set_pollinations_version(self) -> Self:
        self._add_version("langchain-pollinations-ai", __version__)
        return self

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            **self._own_options(),
            "json_mode": self.json_mode,
            "route": self.route,
            "base_url": self.legacy_text_url if self._uses_legacy else self._service_url,
            **self.model_kwargs,
            **(self.extra_body or {}),
        }

    def _convert_input(self, model_input: LanguageModelInput) -> PromptValue:
        value = super()._convert_input(model_input)
        messages = value.to_messages()
        typed = [add_mime_types(message) for message in messages]
        return value if all(map(is_, messages, typed)) else ChatPromptValue(messages=typed)

    if not TYPE_CHECKING:  # type checkers see LangChain's own signatures

        def generate(self, *inputs: Any, **options: Any) -> LLMResult:
            return restore_refusals(super().generate(*inputs, **options))

        async def agenerate(self, *inputs: Any, **options: Any) -> LLMResult:
            return restore_refusals(await super().agenerate(*inputs, **options))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        body, info, route, client = self._payload(messages, stop, kwargs)
        with OnError(partial(self._explain, body)):
            return client.send(self._request(route, body, partial(parse_response, info=info)))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        body, info, route, client = self._payload(messages, stop, kwargs)
        with OnError(partial(self._explain, body)):
            return await client.asend(self._request(route, body, partial(parse_response, info=info)))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        body, info, route, client = self._payload(messages, stop, kwargs, stream=True)
        request = self._stream_request(route, body, info)
        with OnError(partial(self._explain, body)), closing(client.stream(request)) as chunks:
            for chunk in chunks:
                if run_manager:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        body, info, route, client = self._payload(messages, stop, kwargs, stream=True)
        with OnError(partial(self._explain, body)):
            async with aclosing(client.astream(self._stream_request(route, body, info))) as chunks:
                async for chunk in chunks:
                    if run_manager:
                        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk

    def _request(self, route: Route, body: Json, parse: Callable[..., T]) -> ApiRequest[T]:
        """Build the request for a chat. It uses `route` if that route can carry the body."""
        if self._uses_legacy:
            return chat_request(self._legacy_hosts(), route, body, parse)
        return completion_request(route, body, parse)

    def _stream_request(
        self, route: Route, body: Json, info: RequestInfo
    ) -> ApiRequest[EventParser[ChatGenerationChunk]]:
        return self._request(route, body, partial(ChatStreamParser, info=info))

    def _explain(self, body: Json, error: BaseException) -> None:
        """Add suggested models and size limits to errors. The legacy host has neither."""
        if not self._uses_legacy:
            add_suggestions(str(body["model"]), "text", error)
            explain_size_error(body["messages"], error)

    def _payload(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: Mapping[str, Any], *, stream: bool = False
    ) -> tuple[Json, RequestInfo, Route, Client]:
        """Return the body of a request, the `RequestInfo` for its response, its route, and the client that sends it.

        Arguments of the call override those of the constructor. `extra_body` overrides both.
        """
        named = {self._SYNONYMS.get(name, name): value for name, value in kwargs.items() if name != "stream"}
        settings, given = split_settings(named)
        switches = pop_switches(given)
        json_mode = switches.json_mode if "json_mode" in switches.model_fields_set else self.json_mode
        usage = self.stream_usage if switches.stream_usage is None else switches.stream_usage
        extra_body = {**(self.extra_body or {}), **(switches.extra_body or {})}
        options = self._options(given, stop)
        if json_mode and "response_format" not in given and "tools" not in options:
            # With tools, the model must be free to call a tool. A tool may also define the form of the final message.
            options.setdefault("response_format", {"type": "json_object"})
        model = str(extra_body.get("model", options["model"]))
        options, wire = encode_for_model(
            messages, options, model, can_force=self._can_force(model), instruction=switches.added_instruction
        )
        if not self._uses_legacy and options.get("response_format", {}).get("type") == "json_object":
            wire = require_json(wire)
        body = {**options, "messages": wire, **self.model_kwargs}
        if stream:
            body |= {"stream": True, **({"stream_options": {"include_usage": True}} if usage else {})}
        body |= extra_body
        if not self._uses_legacy:
            if not self._profile_of(model).get("tool_calling"):
                check_tools(body, messages)
            check_sizes(body["messages"])
        body, originals = fit_names(body)
        info = request_info(body, originals, usage=usage or not stream, headers=self.include_response_headers)
        route = for_model(switches.route or self.route, info.kind)
        return body, info, route, self._client_with(settings)

    def _options(self, given: Json, stop: list[str] | None) -> Json:
        """Return the request options, without the messages.

        If an option of the call is None, the constructor's value is not sent, and the service applies its default. The
        model is always sent.
        """
        check_placement(given.keys() - ChatOptions.model_fields.keys(), _CONSTRUCTOR_ONLY)
        options = {**self._own_options(), **check_call_options(given)}
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

    # --- Tools and structured output ---

    def bind_tools(
        self,
        tools: Sequence[Any],
        *,
        tool_choice: str | bool | dict[str, Any] | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        response_format: dict[str, Any] | type | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools to the model.

        Args:
            tools: Functions, `BaseTool`s, Pydantic classes, TypedDicts or schemas, and built-in tools of the service
                as dicts, such as `{"type": "google_search"}`. An empty list binds no tools. A name that providers
                reject (`Get File`) is changed in the request. Tool calls have the original name.
            tool_choice: None lets the model decide. True, "any" or "required" force a tool call. "auto", "none", the
                name of a tool, and OpenAI's dict are also accepted. Some models reject a forced tool call
                (`tool_choice` is False in their profile). Such a model gets "auto" and an instruction to call the tool,
                and a `UserWarning` is issued.
            strict: Whether the arguments must conform to the schema.
            parallel_tool_calls: Whether one message may contain several tool calls.
            response_format: Schema of the final message, in addition to the tools.
            kwargs: Additional options of the call.

        Returns:
            A runnable with the tools bound.

        Raises:
            InvalidRequestError: If a tool cannot be described, or `tool_choice` names no bound tool.
        """
        wire = [encode_tool(tool, strict=strict) for tool in tools]
        choice = encode_tool_choice(tool_choice, wire)
        if wire:
            kwargs["tools"] = wire
        if choice is not None and (wire or choice not in ("auto", "none")):
            kwargs["tool_choice"] = choice
        if parallel_tool_calls is not None:
            kwargs["parallel_tool_calls"] = parallel_tool_calls
        if response_format is not None:
            kwargs["response_format"] = structured_output.response_format(response_format, strict)
        return super().bind(**kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        method: Method | None = None,
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """Return a runnable whose output conforms to `schema`.

        By default, the method is "json_schema" if the model's profile declares structured output, otherwise
        "function_calling". If the model rejects forced tool calls (`tool_choice` is False in its profile), the default
        is "json_mode" with the schema in an instruction. If the model does not support "json_mode" either, or if
        `strict` is given, the default is "function_calling" with the tool choice "auto" and an instruction. The method
        is recorded in the trace and in a debug line of the logger `langchain_pollinations`.

        Args:
            schema: Pydantic class (the output is an instance), TypedDict or JSON schema (the output is a dict). None is
                allowed only with `method="json_mode"`.
            method: "json_schema" (the model's structured output), "function_calling" (a forced tool call) or
                "json_mode" (a JSON object, which the prompt must describe). For a Pydantic 1 class, "json_schema" is
                replaced by "function_calling".
            include_raw: Return a dict of `raw`, `parsed` and `parsing_error`, and raise no parsing error.
            strict: Whether the output must conform to the schema. Not allowed with "json_mode".
            kwargs: Additional options of the call.

        Returns:
            A runnable that returns the parsed output.

        Raises:
            ValueError: If the arguments contradict each other.
        """
        structured_output.check_arguments(schema, method, strict, kwargs)
        model = kwargs.get("model") or kwargs.get("model_name") or self.model
        can_force = self._can_force(model)
        chosen = method or structured_output.choose_method(schema, strict, model, self._profile_of(model), can_force)
        if chosen == "json_schema" and structured_output.is_pydantic_v1(schema):
            chosen = "function_calling"
        options = {"ls_structured_output_format": structured_output.traced_format(schema, chosen, strict), **kwargs}
        if method is None and chosen == "json_mode":
            options["added_instruction"] = schema_instruction(schema)
        bound, parser = self._structured(schema, chosen, strict, can_force, options)
        return structured_output.with_raw(bound, parser) if include_raw else bound | parser

    def _structured(
        self, schema: Any, method: Method, strict: bool | None, can_force: bool, options: Json
    ) -> tuple[Runnable[LanguageModelInput, AIMessage], AnswerParser]:
        parser = structured_output.answer_parser(schema)
        logger.debug("structured output by %s", method)
        if method == "json_mode":
            return self.bind(response_format={"type": "json_object"}, **options), parser
        if method == "json_schema":
            return self.bind(response_format=structured_output.response_format(schema, strict), **options), parser
        tool = schema_tool(schema, strict)
        parser.tool_name = choice = tool["function"]["name"]
        if not can_force:
            options["added_instruction"] = call_instruction(fit_name(choice))
            logger.debug("tool choice auto and an instruction, since the model cannot be forced to call a tool")
            choice = "auto"
        return self.bind_tools([tool], tool_choice=choice, parallel_tool_calls=False, **options), parser


register()

# Not allowed in a call: a key in the body of a request would be stored and shared with the request.
_CONSTRUCTOR_ONLY = frozenset(ChatPollinations.model_fields) - frozenset(ChatOptions.model_fields)
