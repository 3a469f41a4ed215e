"""`ChatPollinations`: the chat models of Pollinations.AI for LangChain."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from operator import is_
from typing import TYPE_CHECKING, Any, ClassVar, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.prompt_values import ChatPromptValue, PromptValue
from langchain_core.runnables import Runnable
from pydantic import BaseModel, Field, model_validator

from langchain_pollinations._chat.chunks import Chunk as Chunk  # pickles name the class by this module
from langchain_pollinations._chat.chunks import LastChunk as LastChunk
from langchain_pollinations._chat.content_blocks import register, restore_refusals
from langchain_pollinations._chat.model_info import ModelInfo
from langchain_pollinations._chat.options import ChatOptions, Method, Route, check_extra_body
from langchain_pollinations._config.host_choice import LegacyConfig
from langchain_pollinations._config.identity import __version__
from langchain_pollinations._transport.batch import BatchMixin
from langchain_pollinations._types import Json
from langchain_pollinations._validation import check_no_host, check_no_secret, check_spelling, suggest_name
from langchain_pollinations._warnings import warn

# Other modules are imported with the first call that needs them. Most of the import time would be theirs.
if TYPE_CHECKING:
    from langchain_pollinations._chat.calls import Call
    from langchain_pollinations._chat.output_parser import AnswerParser as AnswerParser

logger = logging.getLogger("langchain_pollinations")


class ChatPollinations(BatchMixin, ModelInfo):
    """Chat models of Pollinations.AI, with tools, structured output, reasoning and image input.

        >>> chat = ChatPollinations(model="openai")
        >>> chat.invoke("What is 6 times 7?").text
        '...42...'
        >>> parts = [chunk.text for chunk in chat.stream("Name three seas.")]

    Requests are billed to the account of the API key. The key is `api_key`, or `POLLINATIONS_API_KEY` from the
    environment. Without a key, requests go to the legacy text host, which has one model and accepts one request per
    30 s.

    The options of a request can also be passed to a call (`chat.invoke(..., seed=7)`) or bound (`chat.bind(seed=7)`).
    A call also accepts `timeout` (like the field) and `extra_headers`. The `extra_headers` override `default_headers`
    and must not contain `Authorization`. `list_models()` returns the `supported_parameters` of each model.

    An unknown argument is sent unchanged, with a warning. Fields in `model_kwargs` and `extra_body` are sent without a
    warning. An unknown argument that looks like a key, a host or a misspelt option of the connection is an error.

    Agents of the service (`list_models("text", agent=True)`) are models too. An agent runs its own tools on the server,
    and the service ignores tools of the caller. The name of a community model does not say whether it is an agent, so
    pass the profile of its record: `ChatPollinations(model=record.id, profile=record.profile)`. Binding tools to an
    agent is then an error. Agents with a memory also return the stored response to an identical request. The caller
    pays for the base model and the tools of an agent, also if the request fails.

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
        check_spelling(unknown, cls.model_fields, ChatOptions.model_fields)
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
        check_extra_body(self.extra_body or {})
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
        from langchain_pollinations._chat.content import add_mime_types

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
        return self._prepare(messages, stop, kwargs, run_manager).send()

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await self._prepare(messages, stop, kwargs, run_manager).asend()

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        chunks = self._prepare(messages, stop, kwargs, run_manager, stream=True).stream()
        if run_manager is None:
            return chunks
        return self._with_callbacks(chunks, run_manager)

    def _with_callbacks(
        self, chunks: Generator[ChatGenerationChunk], run_manager: CallbackManagerForLLMRun
    ) -> Iterator[ChatGenerationChunk]:
        with closing(chunks):
            for chunk in chunks:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(self._prepare(messages, stop, kwargs, run_manager, stream=True).astream()) as chunks:
            async for chunk in chunks:
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    def _prepare(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        kwargs: Mapping[str, Any],
        run_manager: Any = None,
        *,
        stream: bool = False,
    ) -> Call:
        from langchain_pollinations._chat.calls import prepare

        return prepare(self, messages, stop, kwargs, run_manager, stream=stream)

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

            >>> def add(a: int, b: int) -> int:
            ...     "Add two numbers."
            ...     return a + b
            >>> ChatPollinations().bind_tools([add]).invoke("Add 2 and 3.").tool_calls[0]["args"]
            {'a': 2, 'b': 3}

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
            UnsupportedRequestError: If the model is known to be an agent of the service.
        """
        from langchain_pollinations._chat.structured_output import response_format as format_of
        from langchain_pollinations._chat.tools import check_agent, encode_tool, encode_tool_choice

        wire = [encode_tool(tool, strict=strict) for tool in tools]
        if wire and not self._uses_legacy:
            model = kwargs.get("model") or kwargs.get("model_name") or self.model
            check_agent(model, self._profile_of(model))
        choice = encode_tool_choice(tool_choice, wire)
        if wire:
            kwargs["tools"] = wire
        if choice is not None and (wire or choice not in ("auto", "none")):
            kwargs["tool_choice"] = choice
        if parallel_tool_calls is not None:
            kwargs["parallel_tool_calls"] = parallel_tool_calls
        if response_format is not None:
            kwargs["response_format"] = format_of(response_format, strict)
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

            >>> from pydantic import BaseModel
            >>> class City(BaseModel):
            ...     name: str
            ...     country: str
            >>> ChatPollinations().with_structured_output(City).invoke("Name a city.")
            City(name=..., country=...)

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
        from langchain_pollinations._chat import structured_output

        structured_output.check_arguments(schema, method, strict, kwargs)
        model = kwargs.get("model") or kwargs.get("model_name") or self.model
        can_force = self._can_force(model)
        chosen = method or structured_output.choose_method(schema, strict, model, self._profile_of(model), can_force)
        if chosen == "json_schema" and structured_output.is_pydantic_v1(schema):
            chosen = "function_calling"
        options = {"ls_structured_output_format": structured_output.traced_format(schema, chosen, strict), **kwargs}
        if method is None and chosen == "json_mode":
            options["added_instruction"] = structured_output.schema_instruction(schema)
        bound, parser = self._structured(schema, chosen, strict, can_force, options)
        return structured_output.with_raw(bound, parser) if include_raw else bound | parser

    def _structured(
        self, schema: Any, method: Method, strict: bool | None, can_force: bool, options: Json
    ) -> tuple[Runnable[LanguageModelInput, AIMessage], AnswerParser]:
        from langchain_pollinations._chat import structured_output

        parser = structured_output.answer_parser(schema)
        logger.debug("structured output by %s", method)
        if method == "json_mode":
            return self.bind(response_format={"type": "json_object"}, **options), parser
        if method == "json_schema":
            return self.bind(response_format=structured_output.response_format(schema, strict), **options), parser
        tool = structured_output.schema_tool(schema, strict)
        parser.tool_name = choice = tool["function"]["name"]
        if not can_force:
            from langchain_pollinations._chat.instructions import call_instruction
            from langchain_pollinations._chat.tool_names import fit_name

            options["added_instruction"] = call_instruction(fit_name(choice))
            logger.debug("tool choice auto and an instruction, since the model cannot be forced to call a tool")
            choice = "auto"
        return self.bind_tools([tool], tool_choice=choice, parallel_tool_calls=False, **options), parser


def __getattr__(name: str) -> Any:
    """Pickles name the parser of structured output by this module."""
    if name == "AnswerParser":
        from langchain_pollinations._chat.output_parser import AnswerParser

        return AnswerParser
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


register()
