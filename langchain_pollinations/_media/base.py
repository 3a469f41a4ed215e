"""What the media wrappers share: options, per-call overrides, references and output files."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

from langchain_core.messages import AnyMessage
from langchain_core.prompt_values import ChatPromptValueConcrete, StringPromptValue
from langchain_core.runnables import RunnableConfig, RunnableSerializable
from pydantic import ConfigDict, Field, PrivateAttr, field_validator

from langchain_pollinations._catalog.capabilities import suggest_models
from langchain_pollinations._config.service import ServiceConfig
from langchain_pollinations._media.files import target_path
from langchain_pollinations._media.prompts import Prompt, prompt_of
from langchain_pollinations._media.references import ReferenceReader, References, reference_to_json
from langchain_pollinations._media.upload_cache import UploadCache
from langchain_pollinations._transport.batch import BatchMixin
from langchain_pollinations._transport.request import RequestFlow
from langchain_pollinations._validation import (
    SAVE_BY_NAME,
    CallOptions,
    check_safe,
    merge_options,
    named_overrides,
    resolve_seed,
)
from langchain_pollinations.media import Media


class MediaOptions(CallOptions):
    """Options of all media. None is not sent, and the service applies its default."""

    model: str = Field(min_length=1)
    """Canonical id or alias of the model."""
    safe: str | bool | None = None
    """Prompt checks: a comma-separated list of privacy, secrets, sexual, violence and shield, or nsfw."""

    @field_validator("safe")
    @classmethod
    def _known_words(cls, value: str | bool | None) -> str | bool | None:
        if isinstance(value, str):
            check_safe(value)
        return value


class MediaGenerator(BatchMixin, ServiceConfig, RunnableSerializable[Prompt, Media]):
    """Base class of the wrappers that generate media from a prompt."""

    model_config = ConfigDict(extra="forbid")

    _SYNONYMS: ClassVar[Mapping[str, str]] = {**ServiceConfig._SYNONYMS, "model_name": "model"}
    _OPTIONS: ClassVar[type[MediaOptions]]
    """Options of the constructor and of each call."""
    _CATEGORY: ClassVar[str]
    """Category of its models in the catalog."""

    output_folder: Path | None = None
    """Folder for results without a `path`, under generated names. Without a folder they stay in memory."""
    reference_folder: Path | None = None
    """Reference files are read only below this folder. Without it no file is read: a model may have written the
    path."""

    _upload_cache: UploadCache = PrivateAttr(default_factory=lambda: UploadCache())

    @named_overrides(SAVE_BY_NAME)
    def generate(self, prompt: str, **overrides: Any) -> Media:
        """Generate a `Media`.

        Args:
            prompt: Description of the result, up to 32,000 characters.
            overrides: Options of the constructor, for this call only; also `timeout` (as the field) and
                `extra_headers`, which take precedence over `default_headers` and must not contain `Authorization`.

        Raises:
            InvalidRequestError: If an option is wrong, or the service refuses one.
            ContentBlockedError: If the `safe` filter blocked the prompt.
            UnprocessableError: If the provider refused the prompt.
            InvalidResponseError: If the response is incomplete or not of the expected type.
        """
        options = self._options(overrides)
        return self._run(options, self._generation(prompt, options))

    @named_overrides(SAVE_BY_NAME)
    async def agenerate(self, prompt: str, **overrides: Any) -> Media:
        """As `generate`."""
        options = self._options(overrides)
        return await self._arun(options, self._generation(prompt, options))

    @property
    def InputType(self) -> Any:
        """The input types of `invoke`, for schemas."""
        return str | StringPromptValue | ChatPromptValueConcrete | AnyMessage | list[AnyMessage]

    def invoke(self, input: Prompt, config: RunnableConfig | None = None, **kwargs: Any) -> Media:
        return self._call_with_config(self._invoked, input, config, **kwargs)

    async def ainvoke(self, input: Prompt, config: RunnableConfig | None = None, **kwargs: Any) -> Media:
        return await self._acall_with_config(self._ainvoked, input, config, **kwargs)

    def _invoked(self, input: Prompt, **overrides: Any) -> Media:
        return self.generate(prompt_of(input), **overrides)

    async def _ainvoked(self, input: Prompt, **overrides: Any) -> Media:
        return await self.agenerate(prompt_of(input), **overrides)

    def _generation(self, prompt: str, options: Any) -> RequestFlow[Media]:
        """The request flow that generates one `Media`; `options` is an instance of `_OPTIONS`."""
        raise NotImplementedError

    def _check(self, options: Any) -> None:
        """Raise for options that the model is known not to support. Reads and sends nothing.

        Args:
            options: An instance of `_OPTIONS`.
        """

    def _check_constructor(self) -> None:
        """Raise for constructor options that the model is known not to support. Calls may still override them."""
        self._check(merge_options(self._OPTIONS, self, {}, self._SYNONYMS))

    def _run(self, options: MediaOptions, flow: RequestFlow[Media]) -> Media:
        with self._suggesting(options.model):
            return self._client_with(options._settings).run(self._saving(flow))

    async def _arun(self, options: MediaOptions, flow: RequestFlow[Media]) -> Media:
        with self._suggesting(options.model):
            return await self._client_with(options._settings).arun(self._saving(flow))

    def _saving(self, flow: RequestFlow[Media]) -> RequestFlow[Media]:
        """The result of a flow, saved below `output_folder` if that is set."""
        target = self._named_file()
        made = yield from flow
        return made if target is None or made.path is not None else made.moved(made.save(target))

    def _named_file(self) -> Path | None:
        """A new file name in `output_folder`. The folder is checked before anything is paid for."""
        if self.output_folder is None:
            return None
        name = f"{self._CATEGORY}-{secrets.token_hex(6)}"
        return target_path(self.output_folder.expanduser() / name, "")

    def _suggesting(self, model: str) -> AbstractContextManager[None]:
        """Add similar model names to an error for an unknown model. The legacy hosts have none to suggest."""
        return nullcontext() if self._uses_legacy else suggest_models(model, self._CATEGORY)

    def _options(self, overrides: Mapping[str, Any]) -> Any:
        """Merge the options. Precedence: argument of the call, constructor. A random seed is chosen here, once for all
        attempts."""
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
        """Read references as public addresses, or as `Media` with their bytes."""
        return ReferenceReader(argument, family, self.reference_folder, self._media_host, largest).all(given)

    def _upload_references(self, references: Sequence[str | Media]) -> RequestFlow[list[str]]:
        """Addresses of references, for routes that take addresses only. A `Media` without one is uploaded once."""
        found = []
        for each in references:
            found.append(
                each if isinstance(each, str) else (yield from self._upload_cache.address_of(each, self._media_host))
            )
        return found
