"""Base classes of the media wrappers: options, per-call overrides, references and output files."""

from __future__ import annotations

import secrets
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

from langchain_core.messages import AnyMessage
from langchain_core.prompt_values import ChatPromptValueConcrete, StringPromptValue
from langchain_core.runnables import RunnableConfig, RunnableSerializable
from pydantic import ConfigDict, Field, PrivateAttr, field_validator

from langchain_pollinations._catalog.capabilities import suggest_models
from langchain_pollinations._config.rate_limits import RateLimiterField
from langchain_pollinations._config.service import ServiceConfig
from langchain_pollinations._media.files import expanded, target_path
from langchain_pollinations._media.progress import ShowProgress, watch_progress
from langchain_pollinations._media.prompts import Prompt, prompt_of
from langchain_pollinations._media.references import ReferenceReader, References, reference_to_json
from langchain_pollinations._media.upload_cache import UploadCache
from langchain_pollinations._transport.batch import BatchMixin
from langchain_pollinations._transport.request import OnProgress, RequestFlow
from langchain_pollinations._validation import CallOptions, CallOverrides, check_safe, merge_options, resolve_seed
from langchain_pollinations.media import Media

Resolution: TypeAlias = Literal["1k", "2k", "360p", "480p", "720p", "768p", "1080p", "4k"]
"""Resolution of an image or a video."""


class ModelOptions(CallOptions):
    """Options of a call of a media model."""

    model: str = Field(min_length=1)
    """Canonical id or alias of the model."""


class MediaOptions(ModelOptions):
    """Options of all media. An option that is None is not sent, and the service applies its default."""

    safe: str | bool | None = None
    """Prompt checks: a comma-separated list of privacy, secrets, sexual, violence and shield. nsfw means
    sexual,violence. True means privacy,secrets, which does not check for sexual or violent content."""

    @field_validator("safe")
    @classmethod
    def _known_words(cls, value: str | bool | None) -> str | bool | None:
        if isinstance(value, str):
            check_safe(value)
        return value


class MediaOverrides(CallOverrides, total=False):
    """Keyword arguments that every call of a media wrapper accepts."""

    model: str
    safe: str | bool | None


FilePath: TypeAlias = str | PathLike[str]

Generation: TypeAlias = Callable[..., RequestFlow[Media]]
"""Function that creates the request flow of a `Media`. Its first argument is the progress callback."""


class MediaWriter(RateLimiterField, ServiceConfig):
    """Base class of the wrappers whose calls return a `Media`: output files and progress."""

    model_config = ConfigDict(extra="forbid")

    _SYNONYMS: ClassVar[Mapping[str, str]] = {**ServiceConfig._SYNONYMS, "model_name": "model"}
    _CATEGORY: ClassVar[str]
    """Category of the wrapper's models in the catalog."""
    _SUFFIX: ClassVar[str] = ""
    """Suffix of the output files. Empty if the suffix depends on the MIME type of the result."""
    _SHOWS_BAR: ClassVar[bool] = False
    """Whether `progress=None` shows a bar in a terminal or a notebook."""

    output_folder: Path | None = None
    """Folder for the output files of calls without `path`. The package chooses the file names. If the folder is None,
    the results of these calls stay in memory."""
    progress: ShowProgress = Field(default=None, exclude=True, repr=False)
    """Progress display. True shows a bar, which requires tqdm. False shows nothing. With None, only videos show a bar,
    and only in a terminal or a notebook with tqdm installed. A function is called with each `Progress`. The function
    must not be async."""

    def _run(
        self, generation: Generation, options: ModelOptions, path: FilePath | None, progress: ShowProgress
    ) -> Media:
        with self._suggesting(options.model), self._watching(progress) as on_progress:
            return self._client_with(options._settings).run(self._saving(generation, path, on_progress))

    async def _arun(
        self, generation: Generation, options: ModelOptions, path: FilePath | None, progress: ShowProgress
    ) -> Media:
        with self._suggesting(options.model), self._watching(progress) as on_progress:
            return await self._client_with(options._settings).arun(self._saving(generation, path, on_progress))

    def _watching(self, progress: ShowProgress) -> AbstractContextManager[OnProgress | None]:
        """Show the progress of a call. The argument of the call overrides the field `progress`."""
        shown = self.progress if progress is None else progress
        if shown is None and not self._SHOWS_BAR:
            shown = False
        return watch_progress(shown)

    def _saving(
        self, generation: Generation, path: FilePath | None, on_progress: OnProgress | None
    ) -> RequestFlow[Media]:
        """Run a generation and save the result to `path`, or to a new file in `output_folder`.

        If neither is set, the result stays in memory.
        """
        target = self._target(path)
        media = yield from generation(on_progress)
        return media if target is None else media._stored_at(media.save(target))

    def _target(self, path: FilePath | None) -> Path | None:
        """Return the path of the output file, or None if the result stays in memory.

        The path has no suffix yet if the suffix depends on the MIME type of the result. The folder is checked here, so
        a wrong folder raises an error before the service bills a request.
        """
        if path is None and self.output_folder is not None:
            path = expanded(self.output_folder, "output_folder") / f"{self._CATEGORY}-{secrets.token_hex(6)}"
        return None if path is None else target_path(path, self._SUFFIX)

    def _suggesting(self, model: str) -> AbstractContextManager[None]:
        """Add similar model names to an error for an unknown model. The legacy hosts have no other models."""
        return nullcontext() if self._uses_legacy else suggest_models(model, self._CATEGORY)


class MediaGenerator(BatchMixin, MediaWriter, RunnableSerializable[Prompt, Media]):
    """Base class of the wrappers that generate media from a prompt."""

    model_config = ConfigDict(extra="forbid")

    _SHOWS_PROGRESS: ClassVar[bool] = True

    _OPTIONS: ClassVar[type[MediaOptions]]
    """Class of the options that the constructor and each call accept."""

    reference_folder: Path | None = None
    """Folder of the reference files. Only files below this folder are read. If the folder is None, no file is read,
    because a language model may have written the path."""

    _upload_cache: UploadCache = PrivateAttr(default_factory=lambda: UploadCache())

    @abstractmethod
    def generate(self, *args: Any, **kwargs: Any) -> Media:
        """Generate a `Media`. Each wrapper declares its own arguments."""

    @abstractmethod
    async def agenerate(self, *args: Any, **kwargs: Any) -> Media:
        """Asynchronous version of `generate`."""

    @property
    def InputType(self) -> Any:
        """The input types of `invoke`, for schemas."""
        return str | StringPromptValue | ChatPromptValueConcrete | AnyMessage | list[AnyMessage]

    def invoke(self, input: Prompt, config: RunnableConfig | None = None, **kwargs: Any) -> Media:
        return self._call_with_config(self._invoked, input, config, **kwargs)

    async def ainvoke(self, input: Prompt, config: RunnableConfig | None = None, **kwargs: Any) -> Media:
        return await self._acall_with_config(self._ainvoked, input, config, **kwargs)

    def _invoked(self, input: Prompt, **kwargs: Any) -> Media:
        return self.generate(prompt_of(input), **kwargs)

    async def _ainvoked(self, input: Prompt, **kwargs: Any) -> Media:
        return await self.agenerate(prompt_of(input), **kwargs)

    @abstractmethod
    def _generation(self, prompt: Any, options: Any, on_progress: OnProgress | None) -> RequestFlow[Media]:
        """Create the request flow that generates one `Media`.

        Args:
            prompt: The prompt.
            options: An instance of `_OPTIONS`.
            on_progress: Progress callback of the request that returns the `Media`.
        """

    def _check(self, options: Any) -> None:
        """Raise an error for options that the model is known not to support. Access no files and no network.

        Args:
            options: An instance of `_OPTIONS`.
        """

    def _check_constructor(self) -> None:
        """Raise an error for constructor options that the model is known not to support.

        The constructor does not call this method, because a call may override the options.
        """
        self._check(merge_options(self._OPTIONS, self, {}, self._SYNONYMS))

    def _generate(
        self, prompt: Any, path: FilePath | None, progress: ShowProgress, overrides: Mapping[str, Any]
    ) -> Media:
        options = self._options(overrides)
        return self._run(partial(self._generation, prompt, options), options, path, progress)

    async def _agenerate(
        self, prompt: Any, path: FilePath | None, progress: ShowProgress, overrides: Mapping[str, Any]
    ) -> Media:
        options = self._options(overrides)
        return await self._arun(partial(self._generation, prompt, options), options, path, progress)

    def _options(self, overrides: Mapping[str, Any]) -> Any:
        """Merge the options. Options of the call override options of the constructor. A random seed is chosen here, so
        all attempts of a call send the same seed."""
        options = merge_options(self._OPTIONS, self, overrides, self._SYNONYMS)
        if "seed" in self._OPTIONS.model_fields:
            options.seed = resolve_seed(options.seed)  # type: ignore[attr-defined]
        return options

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """Values that LangChain cannot serialize by itself: references and folders."""
        references = {
            name: reference_to_json(value) for name, value in self if isinstance(value, bytes | Path | Media | list)
        }
        return {**super().lc_attributes, **references}

    # References.

    def _resolve_references(
        self, argument: str, given: References | None, family: str = "image", largest: int | None = None
    ) -> list[str | Media]:
        """Convert each reference to a public URL, or to a `Media` with its bytes."""
        return ReferenceReader(argument, family, self.reference_folder, self._media_host, largest).all(given)

    def _upload_references(self, references: Sequence[str | Media]) -> RequestFlow[list[str]]:
        """Convert references to URLs, for routes that accept only URLs.

        A `Media` that is already on the media host keeps its URL. Any other `Media` is uploaded once.
        """
        found = []
        for each in references:
            found.append(
                each if isinstance(each, str) else (yield from self._upload_cache.address_of(each, self._media_host))
            )
        return found
