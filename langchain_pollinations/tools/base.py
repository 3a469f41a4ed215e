"""Base class of the tools."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.runnables import RunnableConfig
from langchain_core.stores import ByteStore
from langchain_core.tools import BaseTool, ToolException
from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from langchain_pollinations._media.base import MediaWriter
from langchain_pollinations._media.byte_store import InProcessStore, check_store
from langchain_pollinations._media.media_store import add_media, find_media, owner_of, pickled_store
from langchain_pollinations._safe_text import safe_text
from langchain_pollinations._transport.batch import BatchMixin
from langchain_pollinations._transport.concurrency import run_in_thread
from langchain_pollinations._validation import HiddenInput, PublicPickle, format_validation_error, suggest_name
from langchain_pollinations.errors import (
    ContentBlockedError,
    ContextOverflowError,
    InvalidRequestError,
    MediaInputError,
    UnprocessableError,
    UnsupportedRequestError,
)
from langchain_pollinations.media import Media
from langchain_pollinations.tools.result_text import describe_result

Content = str | list[dict[str, Any]]


def _validation_message(error: ValidationError) -> str:
    """The message about invalid arguments, for the language model that wrote them."""
    return safe_text(format_validation_error(error))


class MediaTool(BatchMixin, HiddenInput, PublicPickle, BaseTool):
    """Base class of the tools that generate or read media.

    A tool calls a wrapper, which is a media class such as `PollinationsImage`. The tool takes the arguments of the
    wrapper (`model`, `api_key`, ...), or the wrapper itself as `wrapper=`. The language model reads a sentence with an
    id and a public URL. The artifact of the `ToolMessage` describes the `Media` without its bytes, so that checkpoints
    stay small. `Media.from_artifact(message.artifact, store=tool.media_store)` restores it. With `output_folder`, the
    tool saves the media to a file in that folder and chooses the file name. The artifact then contains the path.

    An id is valid only for its owner: the user that a LangGraph server authenticated (`langgraph_auth_user_id` in the
    `configurable` of the run), otherwise the thread (`thread_id`). The agents of several users can therefore share one
    tool. A run with neither shares its media with all such runs. The URLs of the service are public: anyone who knows
    the URL of a file can read it.

    Errors that the language model caused become `ToolException`. These are errors about an argument that the language
    model chose (`InvalidRequestError.param`), and rejections of its prompt. Other errors are raised. The constructor
    raises an error for options of the developer that the media model is known not to accept.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", protected_namespaces=(), hide_input_in_errors=True)

    _TRANSIENT: ClassVar[frozenset[str]] = frozenset({"media_store"})
    _VERB: ClassVar[str] = "generate"
    """Name of the wrapper's method that the tool calls."""
    _NOUN: ClassVar[str]

    description: str = ""
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: Any = True
    handle_validation_error: Any = _validation_message

    wrapper: Any
    """Wrapper that sends the requests. By default, the tool creates the wrapper from its own arguments."""

    media_store: ByteStore = Field(default_factory=InProcessStore, repr=False, exclude=True)
    """Store of the bytes of the media, and of their descriptions by id. The default keeps the newest 50 media, and at
    most 32 MiB, in this process. A `LocalFileStore` or any other `ByteStore` keeps them across restarts. The tool never
    deletes from it. To share the store of another tool, pass `media_store=other_tool.media_store`. Each of the two
    tools then finds the media of the other."""

    inline: bool = False
    """Put the bytes into the artifact as base64. Each checkpoint of a thread then repeats all earlier media."""

    @field_validator("media_store", mode="plain")
    @classmethod
    def _check_store(cls, value: Any) -> ByteStore:
        return check_store(value)

    if TYPE_CHECKING:
        # A tool also takes the arguments of its wrapper. Without this signature, type checkers see only the fields.
        def __init__(self, **options: Any) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _build_wrapper(cls, values: Any) -> Any:
        """Create the wrapper from the arguments that are not fields of the tool."""
        if not isinstance(values, dict):
            return values
        # The response format of a tool is fixed. The argument `response_format` is for the wrapper, such as "wav".
        fields = cls.model_fields.keys() - {"response_format"}
        tool_fields = {name: value for name, value in values.items() if name in fields}
        wrapper_arguments = {name: value for name, value in values.items() if name not in fields}
        wrapper: Any = cls.model_fields["wrapper"].annotation
        if "wrapper" not in tool_fields:
            tool_fields["wrapper"] = wrapper(**wrapper_arguments)
        elif wrapper_arguments:
            unknown = "; ".join(suggest_name(name, cls.model_fields) for name in sorted(wrapper_arguments))
            raise ValueError(f"{unknown} (`wrapper` is given: pass arguments of {wrapper.__name__} to it)")
        return tool_fields

    @model_validator(mode="after")
    def _check_wrapper(self) -> Self:
        """Check what a run of an agent would find only after a request to the language model."""
        if isinstance(self.wrapper, MediaWriter):
            self.wrapper._target(None)  # the output folder
        if self.wrapper.api != "auto" or not self.wrapper._uses_legacy:  # a key may be set later
            self._check_options()
        return self

    @property
    def _is_queued(self) -> bool:
        found: bool = self.wrapper._is_queued
        return found

    def __getstate__(self) -> dict[Any, Any]:
        """Return the state without the default `handle_validation_error` and the default `media_store`. These defaults
        are private."""
        state = super().__getstate__()
        fields = {**state["__dict__"], **pickled_store(self.media_store)}
        if self.handle_validation_error is _validation_message:
            del fields["handle_validation_error"]
        return {**state, "__dict__": fields}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Restore the state. In pickles of earlier versions, the field `wrapper` is named after the medium: `image`."""
        earlier = _EARLIER_WRAPPER_NAMES - type(self).model_fields.keys()
        fields = {"wrapper" if name in earlier else name: value for name, value in state["__dict__"].items()}
        super().__setstate__({**state, "__dict__": fields})

    def _check_options(self) -> None:
        """Raise an error if the media model is known not to accept an option of the developer."""
        self.wrapper._check_constructor()

    def _run(
        self, *args: str, config: RunnableConfig, run_manager: CallbackManagerForToolRun | None = None, **options: Any
    ) -> tuple[Content, dict[str, Any]]:
        options, owner = self._by_name(args, options), owner_of(config)
        with self._errors_for_model(options):
            arguments, overrides = self._request(chosen_arguments(options), owner)
            media = getattr(self.wrapper, self._VERB)(*arguments, **overrides)
        return self._result(media, owner)

    async def _arun(
        self,
        *args: str,
        config: RunnableConfig,
        run_manager: AsyncCallbackManagerForToolRun | None = None,
        **options: Any,
    ) -> tuple[Content, dict[str, Any]]:
        options, owner = self._by_name(args, options), owner_of(config)
        with self._errors_for_model(options):
            arguments, overrides = await run_in_thread(self._request, chosen_arguments(options), owner)
            media = await getattr(self.wrapper, f"a{self._VERB}")(*arguments, **overrides)
        # In a thread, because the store may be slow, or the media large.
        result: tuple[Content, dict[str, Any]] = await run_in_thread(self._result, media, owner)
        return result

    def _by_name(self, args: Sequence[str], options: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments by name. Positional arguments are assigned in the order of the schema."""
        schema: Any = self.args_schema
        return {**dict(zip(schema.model_fields, args, strict=False)), **options}

    def _request(self, options: dict[str, Any], owner: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Convert the arguments of the language model to positional and named arguments of the wrapper."""
        return (options.pop("prompt"),), options

    def _result(self, media: Any, owner: str) -> tuple[Content, dict[str, Any]]:
        """Store the result for its owner. Return the content and the artifact of the tool message."""
        try:
            artifact = add_media(self.media_store, media, owner)
        except Exception as error:  # of any store
            error.add_note(f"The {self._NOUN} was generated: {media.url or 'it has no public URL'}")
            raise
        text = describe_result(media, self._NOUN, artifact["id"], self._secret())
        return self._content(text, media), media.to_artifact() if self.inline else artifact

    def _content(self, text: str, media: Media) -> Content:
        return text

    def add_media(self, media: Media, config: RunnableConfig | None = None) -> str:
        """Put a `Media` into the store, such as a file that the user uploaded.

        Args:
            media: The `Media`, with its bytes in memory or in a file.
            config: The configuration of the runs that may use the `Media`, with its `thread_id` or user.

        Returns:
            The id by which the language model can refer to the `Media`.

        Raises:
            InvalidRequestError: If the bytes of the `Media` are not here.
            OSError: If its file cannot be read.
        """
        media_id: str = add_media(self.media_store, media, owner_of(config or {}))["id"]
        return media_id

    def find_media(self, media_id: str, config: RunnableConfig | None = None) -> Media | None:
        """Return a `Media` of the store, such as an image that a server sends to its owner.

        Args:
            media_id: The id in the artifact of a tool message, or the result of `add_media`.
            config: The configuration of the owner's runs, with its `thread_id` or user.

        Returns:
            The `Media`, or None if this owner has no media with this id. The `Media` has no bytes if only its
            description is left in the store. `download` then loads them from its `url`.

        Raises:
            InvalidRequestError: If the bytes are gone and there is no public URL, if another file took their place, or
                if the store has damaged values.
        """
        return find_media(self.media_store, media_id, owner_of(config or {}))

    def _secret(self) -> str:
        """Return the API key, which no message may contain. Return a null byte if there is no key."""
        key = self.wrapper.api_key
        return (key and key.get_secret_value()) or "\0"

    @contextmanager
    def _errors_for_model(self, options: Mapping[str, Any]) -> Iterator[None]:
        """Convert errors that the model can correct to `ToolException`. Configuration errors are raised."""
        try:
            yield
        except InvalidRequestError as error:
            if not self._is_for_model(error, chosen_arguments(options)):
                raise
            raise ToolException(safe_text(str(error), secrets=[self._secret()])) from error

    def _is_for_model(self, error: InvalidRequestError, chosen: Mapping[str, Any]) -> bool:
        if isinstance(error, _MODEL_ERRORS):
            return True
        names = _ARGUMENT_NAMES.get(error.param or "", (error.param,))
        if not chosen.keys().isdisjoint((*names, "model")):  # a chosen media model may not support any of the options
            return True
        options = type(self.wrapper).model_fields
        is_known = error.param in _ARGUMENT_NAMES or error.param in options
        return not is_known and not isinstance(error, UnsupportedRequestError)

    def _resolve(self, reference: str, owner: str) -> Media | str:
        """Resolve an id or a URL from the language model.

        Returns:
            The `Media` of this owner, or a string that the wrapper resolves: the URL of a `Media` whose bytes are gone,
            or a URL or a path from the language model.

        Raises:
            InvalidRequestError: If the owner has no media with this id.
        """
        if not _ID.fullmatch(reference):
            return reference
        found = find_media(self.media_store, reference, owner)
        if found is None:
            raise InvalidRequestError(f"no media has the id {reference}; use its URL, or another id")
        return found if found.url is None or not found._is_remote else found.url


_ID = re.compile(r"[A-Za-z0-9_-]{6,128}")
"""A reference that is neither a URL nor a file name with a suffix."""

_EARLIER_WRAPPER_NAMES = frozenset({"image", "video", "speech", "music", "transcriber"})

_MODEL_ERRORS = (ContentBlockedError, ContextOverflowError, MediaInputError, UnprocessableError)
"""Errors that texts or references of the language model cause. Their `param` does not matter."""

_ARGUMENT_NAMES: Mapping[str, tuple[str, ...]] = {
    "image": ("images", "first_frame", "last_frame"),
    "input": ("text", "prompt"),
    "prompt": ("text", "prompt"),
    "file": ("recording",),
    "size": ("width", "height"),
    "aspectRatio": ("aspect_ratio",),
    "seconds": ("duration",),
}
"""Names of tool arguments, by the `param` of an error of the wrapper or the service."""


def chosen_arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that are not None. Omitted arguments must not override options of the developer."""
    return {name: value for name, value in options.items() if value is not None}
