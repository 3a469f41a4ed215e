"""`ChatPollinations`: the chat models of Pollinations.AI for LangChain."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing, contextmanager
from dataclasses import replace
from functools import partial
from operator import is_, itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LangSmithParams, LanguageModelInput, ModelProfile
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.prompt_values import ChatPromptValue, PromptValue
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnablePassthrough
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from langchain_pollinations._catalog import records, snapshot
from langchain_pollinations._catalog.capabilities import suggest_models
from langchain_pollinations._catalog.records import ships
from langchain_pollinations._catalog.snapshot import known
from langchain_pollinations._chat import structured_output
from langchain_pollinations._chat.chunks import Chunk as Chunk  # by this module in pickles
from langchain_pollinations._chat.chunks import LastChunk as LastChunk
from langchain_pollinations._chat.content import add_mime_types
from langchain_pollinations._chat.content_blocks import register, restore_refusals
from langchain_pollinations._chat.fields import RequestInfo
from langchain_pollinations._chat.inline_media import check_sizes, explain_size_errors
from langchain_pollinations._chat.instructions import (
    add_instruction,
    add_json_instruction,
    call_instruction,
    mentions_json,
)
from langchain_pollinations._chat.messages import encode_messages, has_tool_calls, is_from_service
from langchain_pollinations._chat.options import ChatOptions
from langchain_pollinations._chat.output_parser import AnswerParser
from langchain_pollinations._chat.payload import (
    check_call_options,
    remove_cache_control,
    replace_forced_choice,
    wire_options,
)
from langchain_pollinations._chat.plain_text import Route, by_route, for_model
from langchain_pollinations._chat.response import parse_response
from langchain_pollinations._chat.stream import ChatStreamParser
from langchain_pollinations._chat.structured_output import (
    json_schema,
    schema_for_provider,
    schema_instruction,
    schema_tool,
)
from langchain_pollinations._chat.tool_names import fit_name, fit_names
from langchain_pollinations._chat.tools import encode_tool, encode_tool_choice, parameters_by_name
from langchain_pollinations._config.legacy import LegacyConfig
from langchain_pollinations._config.service import __version__
from langchain_pollinations._legacy import models, routes
from langchain_pollinations._legacy.models import PROFILE
from langchain_pollinations._transport.batch import BatchMixin
from langchain_pollinations._transport.call_settings import RequestSettings, split_settings
from langchain_pollinations._transport.client import Client
from langchain_pollinations._transport.request import ApiRequest, EventParser
from langchain_pollinations._types import PROVIDER, Json
from langchain_pollinations._validation import (
    check_no_host,
    check_no_secret,
    check_placement,
    format_validation_error,
    resolve_seed,
    suggest_name,
)
from langchain_pollinations._warnings import warn
from langchain_pollinations.errors import InvalidRequestError

Method = Literal["function_calling", "json_schema", "json_mode"]

logger = logging.getLogger("langchain_pollinations")


class ChatPollinations(BatchMixin, LegacyConfig, ChatOptions, BaseChatModel):
    """Chat models of Pollinations.AI, with tools, structured output, reasoning and image input.

        >>> chat = ChatPollinations(model="openai")
        >>> chat.invoke("Name three seas.").text  # doctest: +SKIP
        'The Baltic, the Aegean and the Coral Sea.'

    Requests are billed to the account of the API key, from `api_key` or from `POLLINATIONS_API_KEY` in the environment.
    Without a key, requests go to the legacy text host, which has one model and accepts one request per 30 s.

    Every option of `ChatOptions` is a field of this class. Options can also be passed to a call
    (`chat.invoke(..., temperature=0)`) or bound (`chat.bind(seed=7)`). A call also takes `timeout` (as the field) and
    `extra_headers`, which take precedence over `default_headers` and must not contain `Authorization`.

    An unknown argument is sent unchanged, with a warning. Fields in `model_kwargs` and `extra_body` are sent without a
    warning. An unknown argument that names a key or a host is an error.

    Image, video, audio and 3D models also work here (`model="kontext"`). The text of the last user message is the
    prompt, and its images are the source images or the first frame of a video. The returned message has a block with
    the URL of the file, and no usage. Earlier messages and other options are ignored; the media classes have more
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
    """Use streaming within `invoke` as well."""

    stream_usage: bool = True
    """Request usage for streams."""

    stream_chunk_timeout: float | None = Field(default=120.0, ge=0)
    """Maximum seconds between two events of a stream. Keep-alive comments do not count as events. None or 0 disables
    the limit. If the field is not set, a shorter `timeout` applies instead."""

    route: Route = "chat"
    """Route of the request, on both generations of the service. "chat" is chat completions. "get" sends a prompt, alone
    or after a system message, as `GET /text/{prompt}`; "post" sends a conversation without tools as `POST /text` (on
    the legacy hosts `GET /{prompt}` and `POST /`). A request that the route cannot carry is sent to chat completions,
    and a debug line of the logger `langchain_pollinations` gives the reason.

    The response of "get" and "post" is text (or audio) only: it has no reasoning, and `finish_reason` is "unknown",
    since the route does not report whether the text was truncated. Streams have the format of chat completions. Without
    a `seed`, the GET of the unified host uses seed 0, so equal prompts return the same cached response."""

    include_response_headers: bool = False
    """Add the response headers to `response_metadata["headers"]`."""

    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Additional request fields that this class does not define."""

    extra_body: Mapping[str, Any] | None = None
    """Fields that are merged into the request last. They override all others."""

    # --- Model information for LangChain ---

    @classmethod
    def _handle_unknown(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Move unknown arguments into `model_kwargs`, with a warning, as LangChain users expect of chat models.

        The media wrappers reject unknown arguments with the same text, since the service ignores unknown parameters.
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

    @model_validator(mode="after")
    def _set_pollinations_version(self) -> Self:
        self._add_version("langchain-pollinations-ai", __version__)
        return self

    def _resolve_model_profile(self) -> ModelProfile | None:
        return models.profile(self.model) if self._uses_legacy else records.profile(self.model)

    @model_validator(mode="before")
    @classmethod
    def _drop_profile_of_another(cls, values: Any) -> Any:
        """Drop a built-in profile: LangChain builds a configured model from the fields of a different model."""
        if isinstance(values, dict) and _is_snapshot_profile(values.get("profile")):
            return {name: value for name, value in values.items() if name != "profile"}
        return values

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _MODEL_FIELDS:
            self._follow_model()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        copied = super().model_copy(update=update, deep=deep)
        if update:
            copied._follow_model()
        return copied

    def _follow_model(self) -> None:
        if _is_snapshot_profile(self.profile):
            self.profile = self._resolve_model_profile()

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """The key of LangChain's cache. LangChain stores the serialized model and would ignore later changes to it."""
        self.__dict__.pop("_serialized", None)
        return super()._get_llm_string(stop, **kwargs)

    def _convert_input(self, model_input: LanguageModelInput) -> PromptValue:
        value = super()._convert_input(model_input)
        messages = value.to_messages()
        typed = [add_mime_types(message) for message in messages]
        return value if all(map(is_, messages, typed)) else ChatPromptValue(messages=typed)

    @property
    def model_name(self) -> str:
        return self.model

    @property
    def _llm_type(self) -> str:
        return "pollinations-chat"

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

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = LangSmithParams(
            ls_provider=PROVIDER,
            ls_model_name=kwargs.get("model") or kwargs.get("model_name") or self.model,
            ls_model_type="chat",
        )
        options = {**self._own_options(), **kwargs}
        if (temperature := options.get("temperature")) is not None:
            params["ls_temperature"] = temperature
        if (max_tokens := options.get("max_tokens") or options.get("max_completion_tokens")) is not None:
            params["ls_max_tokens"] = max_tokens
        if stop := stop or options.get("stop"):
            params["ls_stop"] = [stop] if isinstance(stop, str) else stop
        return params

    # --- Calls ---

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
        body, asked, client = self._payload(messages, stop, kwargs)
        with self._explaining(body):
            return client.send(_chat_request(body, asked))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        body, asked, client = self._payload(messages, stop, kwargs)
        with self._explaining(body):
            return await client.asend(_chat_request(body, asked))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        body, asked, client = self._payload(messages, stop, kwargs, stream=True)
        chunks = client.stream(_stream_request(body, asked))
        with self._explaining(body), closing(chunks):
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
        body, asked, client = self._payload(messages, stop, kwargs, stream=True)
        with self._explaining(body):
            async with aclosing(client.astream(_stream_request(body, asked))) as chunks:
                async for chunk in chunks:
                    if run_manager:
                        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk

    def _client_for(self, route: Route, settings: RequestSettings) -> Client:
        """The client of one call. It sends a chat by `route` if that route can carry the request."""
        translate = (
            partial(routes.translate, self._legacy_hosts(route)) if self._uses_legacy else partial(by_route, route)
        )
        return replace(self._client_with(settings), translate=translate)

    @contextmanager
    def _explaining(self, body: Json) -> Iterator[None]:
        """Add suggested models and size limits to errors. The legacy host has neither."""
        if self._uses_legacy:
            yield
            return
        with suggest_models(str(body["model"]), "text"), explain_size_errors(body["messages"]):
            yield

    def _own_options(self) -> Json:
        return wire_options(self, ChatOptions.model_fields)

    def _payload(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: Mapping[str, Any], *, stream: bool = False
    ) -> tuple[Json, RequestInfo, Client]:
        """The body of a request, the `RequestInfo` for its response, and the client that sends it.

        Arguments of the call override those of the constructor. `extra_body` overrides both.
        """
        named = {self._SYNONYMS.get(name, name): value for name, value in kwargs.items() if name != "stream"}
        settings, given = split_settings(named)
        switches = _parse_switches({name: given.pop(name) for name in _CallSwitches.model_fields if name in given})
        json_mode = switches.json_mode if "json_mode" in switches.model_fields_set else self.json_mode
        usage = self.stream_usage if switches.stream_usage is None else switches.stream_usage
        extra_body = {**(self.extra_body or {}), **(switches.extra_body or {})}
        options = self._options(given, stop)
        if json_mode and "response_format" not in given and "tools" not in options:
            # With tools the model must be free to call them, and the tools determine the form of the final message.
            options.setdefault("response_format", {"type": "json_object"})
        model = str(extra_body.get("model", options["model"]))
        abilities = snapshot.abilities(model)
        options = schema_for_provider(options, abilities.get("refused_schema_keywords", ()))
        wire = encode_messages(
            messages,
            partial(_is_published_by, snapshot.publisher(model)),
            keeps_ids=abilities.get("own_call_ids", False),
        )
        if switches.added_instruction:
            wire = add_instruction(wire, switches.added_instruction)
        if not self._can_force(model):
            options, wire = replace_forced_choice(options, wire, model)
        if abilities.get("cache_control") is False:
            options, wire = remove_cache_control(options, wire, model)
        wants_json = options.get("response_format", {}).get("type") == "json_object"
        if wants_json and not self._uses_legacy and not mentions_json(wire):
            wire = add_json_instruction(wire)
        body = {**options, "messages": wire, **self.model_kwargs}
        if stream:
            body |= {"stream": True, **({"stream_options": {"include_usage": True}} if usage else {})}
        body |= extra_body
        if not self._uses_legacy and not self._profile_of(model).get("tool_calling"):
            _check_tools(body, messages)
        if not self._uses_legacy:
            check_sizes(body["messages"])
        body, originals = fit_names(body)
        audio = body.get("audio")
        asked = RequestInfo(
            model=str(body["model"]),
            seed=body.get("seed"),
            include_usage=usage or not stream,
            include_headers=self.include_response_headers,
            audio_format=audio.get("format") if isinstance(audio, Mapping) else None,
            kind=known(body["model"]).get("category"),
            tool_names=originals,
            parameters=parameters_by_name(body.get("tools") or ()),
        )
        route = for_model(switches.route or self.route, asked.kind)
        return body, asked, self._client_for(route, settings)

    def _options(self, given: Json, stop: list[str] | None) -> Json:
        """Request options, without the messages.

        None in a call removes the option of the constructor, and the service applies its default. The model is always
        sent.
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

    def _profile_of(self, model: str | None) -> Mapping[str, Any]:
        """The profile of the model of a call, which may differ from the model of the instance."""
        own = self._uses_legacy or model in (None, self.model)
        return self.profile or {} if own else records.profile(str(model)) or {}

    def _can_force(self, model: str | None) -> bool:
        """Whether a model can be forced to call a tool, as far as is known.

        True for a model without tools, since it rejects every tool choice.
        """
        profile = self._profile_of(model)
        return profile.get("tool_choice") is not False or profile.get("tool_calling") is False

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
                reject (`Get File`) is sent in a form that they accept; tool calls have the original name.
            tool_choice: None lets the model decide. True, "any" or "required" force a tool call. "auto", "none", the
                name of a tool, and OpenAI's dict are also accepted. Some models reject a forced tool call
                (`tool_choice` is False in their profile): they receive "auto" and an instruction to call the tool, and
                a `UserWarning` is issued.
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
        is "json_mode" with the schema in an instruction. If the model does not support that either, it is
        "function_calling" with the tool choice "auto" and an instruction. The method is recorded in the trace and in a
        debug line of the logger `langchain_pollinations`.

        Args:
            schema: Pydantic class (the output is an instance), TypedDict or JSON schema (the output is a dict). None is
                allowed only with `method="json_mode"`.
            method: "json_schema" (the model's structured output), "function_calling" (a forced tool call) or
                "json_mode" (a JSON object, which the prompt must describe). A Pydantic 1 class is never sent as
                "json_schema".
            include_raw: Return a dict of `raw`, `parsed` and `parsing_error`, and raise no parsing error.
            strict: Whether the output must conform to the schema. Not allowed with "json_mode".
            kwargs: Additional options of the call.

        Returns:
            A runnable that returns the parsed output.

        Raises:
            ValueError: If the arguments contradict each other.
        """
        if method not in (None, "function_calling", "json_schema", "json_mode"):
            raise ValueError(f"method must be function_calling, json_schema or json_mode, not {method!r}")
        if schema is None and method != "json_mode":
            problem = f"method {method!r}" if method else "with_structured_output"
            raise ValueError(f"{problem} needs a schema: a Pydantic class, a TypedDict or a JSON schema")
        if taken := sorted(kwargs.keys() & {"tools", "tool_choice", "response_format", "parallel_tool_calls"}):
            raise ValueError(f"{', '.join(taken)}: with_structured_output sets it itself")
        if strict is not None and method == "json_mode":
            raise ValueError("strict goes with function_calling and json_schema, not with json_mode")
        model = kwargs.get("model") or kwargs.get("model_name")
        chosen = self._structured_output_method(schema, method, strict, model)
        traced: Json = {"kwargs": {"method": chosen}, "schema": structured_output.traced_schema(schema)}
        if strict is not None:
            traced["kwargs"]["strict"] = strict
        options = {"ls_structured_output_format": traced, **kwargs}
        if method is None and chosen == "json_mode":
            options["added_instruction"] = schema_instruction(schema)
        bound, parser = self._structured(schema, chosen, strict, self._can_force(model), options)
        if not include_raw:
            return bound | parser
        raw = itemgetter("raw")
        # LangChain's fallbacks do not fit: they catch no error after the first value of a stream.
        outcome = {
            "parsed": raw | RunnableLambda(parser.value_of),
            "parsing_error": raw | RunnableLambda(parser.error_of),
        }
        return RunnableMap(raw=bound) | RunnablePassthrough.assign(**outcome)

    def _structured_output_method(
        self, schema: Any, wanted: Method | None, strict: bool | None, model: str | None
    ) -> Method:
        takes_schema = not _is_pydantic_v1(schema)
        if wanted == "json_schema" and not takes_schema:
            return "function_calling"
        if wanted is not None:
            return wanted
        if takes_schema and self._profile_of(model).get("structured_output"):
            return "json_schema"
        instead = strict is None and not self._can_force(model) and _takes_json_mode(model or self.model)
        return "json_mode" if instead else "function_calling"

    def _structured(
        self, schema: Any, method: Method, strict: bool | None, can_force: bool, options: Json
    ) -> tuple[Runnable[LanguageModelInput, AIMessage], AnswerParser]:
        is_pydantic = isinstance(schema, type) and is_basemodel_subclass(schema)
        parser = AnswerParser(
            pydantic_object=schema if is_pydantic else None,
            answer_schema={} if schema is None else json_schema(schema),
        )
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

    # --- Token counts, without a tokenizer, which would require a download ---

    def get_token_ids(self, text: str) -> list[int]:
        """Placeholder token ids, one per four characters (approximately). Only their number is meaningful."""
        if self.custom_get_token_ids is not None:
            return self.custom_get_token_ids(text)
        return list(range(-(-len(text) // 4)))

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        if self.custom_get_token_ids is not None:
            return super().get_num_tokens_from_messages(messages, tools)
        described = None if tools is None else [encode_tool(tool) for tool in tools]
        return count_tokens_approximately(messages, tools=described)  # type: ignore[arg-type]


class _CallSwitches(BaseModel):
    """Constructor fields that a call may override and that are not sent under their names."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    json_mode: bool | None = None
    stream_usage: bool | None = None
    extra_body: dict[str, Any] | None = None
    route: Route | None = None
    added_instruction: str | None = None
    """Instruction that `with_structured_output` adds to the system message."""


register()

_MODEL_FIELDS = frozenset({"model", "api", "api_key", "base_url", "default_headers"})
"""Fields that determine the profile of the model."""


def _is_snapshot_profile(profile: ModelProfile | None) -> bool:
    """Whether a profile is built in, rather than set by the caller."""
    return profile == PROFILE or ships(profile)


_PATH = "/v1/chat/completions"


def _parse_switches(given: Json) -> _CallSwitches:
    try:
        return _CallSwitches.model_validate(given)
    except ValidationError as error:
        raise InvalidRequestError(format_validation_error(error)) from None


def _is_published_by(wanted: str, message: AIMessage) -> bool:
    """Whether a model of the publisher `wanted` wrote the message.

    Models of other publishers do not accept its reasoning and signatures.
    """
    said = message.response_metadata
    served = said.get("model_name")  # differs from the requested model after a fallback within the service
    model = served if known(served) else said.get("requested_model") or served
    return is_from_service(message) and snapshot.publisher(str(model)) == wanted


def _takes_json_mode(model: str) -> bool:
    """Whether a model is known to support JSON objects without a schema."""
    documented = snapshot.abilities(model).get("json_object")
    return documented is not False and "response_format" in (known(model).get("supported_parameters") or ())


def _check_tools(body: Json, messages: Sequence[BaseMessage]) -> None:
    """Raise if a model without tools gets tools or a history of tool calls.

    The service rejects such a conversation, even if it began with another model.
    """
    if known(body["model"]).get("tools") is not False:
        return
    given = [name for name in ("tools", "functions") if body.get(name)]
    given += [] if body.get("tool_choice") in (None, "auto", "none") else ["tool_choice"]
    if any(message["role"] in ("tool", "function") or message.get("tool_calls") for message in body["messages"]):
        places = [place for place, message in enumerate(messages) if has_tool_calls(message)]
        given += [f"messages[{place}]" for place in places] or ["messages"]
    if given:
        problem = (
            f"model {body['model']!r} takes no tools and no history of tool calls, but there are {', '.join(given)}"
        )
        raise InvalidRequestError(f"{problem}; list_models('text', 'tool_calling') names models that take them")


def _chat_request(body: Json, asked: RequestInfo) -> ApiRequest[ChatResult]:
    return ApiRequest("POST", _PATH, partial(parse_response, asked=asked), {"json": body})


def _stream_request(body: Json, asked: RequestInfo) -> ApiRequest[EventParser[ChatGenerationChunk]]:
    return ApiRequest("POST", _PATH, partial(ChatStreamParser, asked=asked), {"json": body})


# Not allowed in a call: a key in the body of a request would be stored and shared with the request.
_CONSTRUCTOR_ONLY = frozenset(ChatPollinations.model_fields) - frozenset(ChatOptions.model_fields)


def _is_pydantic_v1(schema: Any) -> bool:
    return isinstance(schema, type) and is_basemodel_subclass(schema) and not issubclass(schema, BaseModel)
