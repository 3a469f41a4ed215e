"""Base class of the tools."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.tools import BaseTool, ToolException
from pydantic import ConfigDict, Field, ValidationError, model_validator

from langchain_pollinations._config.service import ServiceConfig
from langchain_pollinations._media.media_store import MediaStore
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
    id and a public URL. The artifact of the `ToolMessage` contains the `Media`. `Media.from_artifact(message.artifact)`
    restores it. With `output_folder`, the tool saves the media to a file in that folder and chooses the file name. The
    artifact then contains the path instead of the bytes.

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

    media_store: MediaStore = Field(default_factory=MediaStore, repr=False, exclude=True)
    """Store in which the tool finds earlier media by id. To share the store of another tool, pass
    `media_store=other_tool.media_store`. Each of the two tools then finds the media of the other."""

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
        if self.wrapper.api != "auto" or not self.wrapper._uses_legacy:  # a key may be set later
            self._check_options()
        return self

    @property
    def _is_queued(self) -> bool:
        found: bool = self.wrapper._is_queued
        return found

    def __getstate__(self) -> dict[Any, Any]:
        """Return the state without the default `handle_validation_error`. This default is a private function."""
        state = super().__getstate__()
        if self.handle_validation_error is not _validation_message:
            return state
        fields = {name: value for name, value in state["__dict__"].items() if name != "handle_validation_error"}
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
        self, *args: str, run_manager: CallbackManagerForToolRun | None = None, **options: Any
    ) -> tuple[Content, dict[str, Any]]:
        options = self._by_name(args, options)
        with self._errors_for_model(options):
            arguments, overrides = self._request(chosen_arguments(options))
            media = getattr(self.wrapper, self._VERB)(*arguments, **overrides)
        return self._result(media)

    async def _arun(
        self, *args: str, run_manager: AsyncCallbackManagerForToolRun | None = None, **options: Any
    ) -> tuple[Content, dict[str, Any]]:
        options = self._by_name(args, options)
        with self._errors_for_model(options):
            arguments, overrides = self._request(chosen_arguments(options))
            media = await getattr(self.wrapper, f"a{self._VERB}")(*arguments, **overrides)
        result: tuple[Content, dict[str, Any]] = await run_in_thread(self._result, media)  # slow for a large video
        return result

    def _by_name(self, args: Sequence[str], options: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments by name. Positional arguments are assigned in the order of the schema."""
        schema: Any = self.args_schema
        return {**dict(zip(schema.model_fields, args, strict=False)), **options}

    def _request(self, options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Convert the arguments of the language model to positional and named arguments of the wrapper."""
        return (options.pop("prompt"),), options

    def _result(self, media: Any) -> tuple[Content, dict[str, Any]]:
        return self._describe(media), media.to_artifact()

    def _describe(self, media: Media) -> str:
        secret = self._secret()
        return describe_result(media, self._NOUN, self.media_store.add(media, secret), secret)

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

    def _resolve(self, reference: str) -> Media | str:
        """Resolve an id or a URL from the language model.

        Returns:
            The `Media` from the store, or a string that the wrapper resolves. For an id that the store does not
            contain, the string is a URL on the media host. For a `Media` whose file was deleted, it is the public URL.
        """
        wrapper: ServiceConfig = self.wrapper
        found = self.media_store.find(reference)
        if found is not None:
            return found if found.path is None or found.path.is_file() else _public_url(found)
        if re.fullmatch(r"[A-Za-z0-9_-]{6,128}", reference):
            return f"{wrapper._media_host}/{reference}"
        return reference


def _public_url(media: Media) -> str:
    """Return the public URL of a `Media` whose file has been deleted."""
    if media.url is None:
        raise InvalidRequestError("the file with this id has been deleted, and has no public URL")
    return media.url


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
