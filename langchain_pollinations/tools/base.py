"""What the tools share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.tools import BaseTool, ToolException
from pydantic import ConfigDict, Field, ValidationError, model_validator

from langchain_pollinations._config import ServiceConfig
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

Content = str | list[dict[str, Any]]


def _validation_message(error: ValidationError) -> str:
    """Pydantic's findings about arguments that the model wrote."""
    return safe_text(format_validation_error(error))


class MediaTool(BatchMixin, HiddenInput, PublicPickle, BaseTool):
    """What the tools share.

    A tool takes the arguments of its wrapper (`model`, `api_key`, ...), or the wrapper itself. The model reads a
    sentence with an id and a public address; the `Media` travels as the artifact of the `ToolMessage` and comes back
    with `Media.from_artifact(message.artifact)`. With `output_folder` the media goes to a file there, under a name that
    the package chooses, and the artifact holds its path instead of its bytes.

    Errors that the model can correct become `ToolException`: those about an argument that it chose
    (`InvalidRequestError.param`), and refusals of its prompt. Others are raised. Options of the developer that the
    service's model is known not to take are refused at construction.
    """

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), hide_input_in_errors=True)

    _TRANSIENT: ClassVar[frozenset[str]] = frozenset({"shelf"})
    _WRAPPER: ClassVar[str]
    """The field that holds the wrapper."""
    _VERB: ClassVar[str] = "generate"
    """What is asked of it."""
    _NOUN: ClassVar[str]

    description: str = ""
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: Any = True
    handle_validation_error: Any = _validation_message

    shelf: MediaStore = Field(default_factory=MediaStore, repr=False, exclude=True)
    """Where a tool finds what it made, by its id. Tools that are made with `shelf=other_tool.shelf` share that of the
    other, and so find what it made, too."""

    if TYPE_CHECKING:
        # For those who read types, who would else see fields only: each tool takes the arguments of its wrapper, too.
        def __init__(self, **options: Any) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _build_wrapper(cls, values: Any) -> Any:
        """Arguments of the wrapper that are given to the tool make the wrapper."""
        if not isinstance(values, dict):
            return values
        # What a tool answers with is settled; `response_format` is that of the wrapper, such as "wav".
        fields = cls.model_fields.keys() - {"response_format"}
        own = {name: value for name, value in values.items() if name in fields}
        theirs = {name: value for name, value in values.items() if name not in fields}
        wrapper: Any = cls.model_fields[cls._WRAPPER].annotation
        if cls._WRAPPER in own and not isinstance(own[cls._WRAPPER], wrapper):
            theirs[cls._WRAPPER] = own.pop(cls._WRAPPER)  # an option of the same name: reference pictures are `image`
        if cls._WRAPPER not in own:
            own[cls._WRAPPER] = wrapper(**theirs)
        elif theirs:
            unknown = "; ".join(suggest_name(name, cls.model_fields) for name in sorted(theirs))
            raise ValueError(f"{unknown} (arguments of {wrapper.__name__} go into it where `{cls._WRAPPER}` is given)")
        return own

    @model_validator(mode="after")
    def _check_wrapper(self) -> Self:
        self._check_options()
        return self

    @property
    def _stands_in_line(self) -> bool:
        found: bool = getattr(self, self._WRAPPER)._stands_in_line
        return found

    def __getstate__(self) -> dict[Any, Any]:
        """Without the function that is the default, which is private."""
        state = super().__getstate__()
        if self.handle_validation_error is not _validation_message:
            return state
        fields = {name: value for name, value in state["__dict__"].items() if name != "handle_validation_error"}
        return {**state, "__dict__": fields}

    def _check_options(self) -> None:
        """Refuse options of the developer that the model of the service is known not to take."""
        getattr(self, self._WRAPPER)._check_constructor()

    def _run(
        self, *words: str, run_manager: CallbackManagerForToolRun | None = None, **options: Any
    ) -> tuple[Content, dict[str, Any]]:
        options = self._named(words, options)
        with self._telling(options):
            given, chosen = self._request(chosen_arguments(options))
            made = getattr(getattr(self, self._WRAPPER), self._VERB)(*given, **chosen)
        return self._result(made)

    async def _arun(
        self, *words: str, run_manager: AsyncCallbackManagerForToolRun | None = None, **options: Any
    ) -> tuple[Content, dict[str, Any]]:
        options = self._named(words, options)
        with self._telling(options):
            given, chosen = self._request(chosen_arguments(options))
            made = await getattr(getattr(self, self._WRAPPER), f"a{self._VERB}")(*given, **chosen)
        result: tuple[Content, dict[str, Any]] = await run_in_thread(self._result, made)  # a film may be long
        return result

    def _named(self, words: Sequence[str], options: dict[str, Any]) -> dict[str, Any]:
        """The arguments by name: of a tool that is asked with words alone, they are the first."""
        schema: Any = self.args_schema
        return {**dict(zip(schema.model_fields, words, strict=False)), **options}

    def _request(self, options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and named arguments for the wrapper, from what the model chose."""
        return (options.pop("prompt"),), options

    def _result(self, made: Any) -> tuple[Content, dict[str, Any]]:
        return self._sentence(made), made.to_artifact()

    def _sentence(self, made: Media) -> str:
        text = f"The {self._NOUN} is ready (id {self.shelf.keep(made, self._secret())})"
        if model := safe_text(made.model or "", 100, [self._secret()]):
            text += f", made by {model}"
        if made.seed is not None:
            text += f" with seed {made.seed}"
        is_shown = made.url is not None and _SHOWN_URL.fullmatch(made.url) and self._secret() not in made.url
        return f"{text}: {made.url}" if is_shown else f"{text}. It has no public address."

    def _secret(self) -> str:
        """The key, which no message may hold."""
        key = getattr(self, self._WRAPPER).api_key
        return (key and key.get_secret_value()) or "\0"

    @contextmanager
    def _telling(self, options: Mapping[str, Any]) -> Iterator[None]:
        """Turn errors that the model can correct into a `ToolException`; raise those of the developer."""
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
        if not chosen.keys().isdisjoint((*names, "model")):  # of a model that it chose, every option may be wrong
            return True
        options = type(getattr(self, self._WRAPPER)).model_fields
        is_known = error.param in _ARGUMENT_NAMES or error.param in options
        return not is_known and not isinstance(error, UnsupportedRequestError)

    def _made(self, reference: str) -> Media | str:
        """What a model names by its id or address: a media of the shelf, else words for the wrapper to read. An id
        that the shelf has forgotten is still one of the media host."""
        wrapper: ServiceConfig = getattr(self, self._WRAPPER)
        found = self.shelf.find(reference)
        if found is not None:
            return found if found.path is None or found.path.is_file() else _public_url(found)
        if re.fullmatch(r"[A-Za-z0-9_-]{6,128}", reference):
            return f"{wrapper._media_host}/{reference}"
        return reference


def _public_url(lost: Media) -> str:
    """The address of a media whose file is gone."""
    if lost.url is None:
        raise InvalidRequestError("what was kept under this id has been deleted since, and has no public address")
    return lost.url


_MODEL_ERRORS = (ContentBlockedError, ContextOverflowError, MediaInputError, UnprocessableError)
"""Errors about what the model wrote or referred to, whatever their `param`."""

_ARGUMENT_NAMES: Mapping[str, tuple[str, ...]] = {
    "image": ("images", "first_frame", "last_frame"),
    "input": ("text", "prompt"),
    "file": ("recording",),
    "size": ("width", "height"),
    "aspectRatio": ("aspect_ratio",),
    "seconds": ("duration",),
}
"""Arguments of tools that an error may be about, by the name that the wrapper or the service has for them."""

_SHOWN_URL = re.compile(r"https?://[!-;=?-~]{1,2000}")
"""Addresses that are shown to a model: ASCII without spaces, `<` and `>`."""


def chosen_arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """What the model left out must not overrule what the developer set."""
    return {name: value for name, value in options.items() if value is not None}
