"""A toolkit with all tools, which share one connection."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

from langchain_core.stores import ByteStore
from langchain_core.tools import BaseTool, BaseToolkit
from pydantic import ConfigDict, Field, PrivateAttr, field_validator, model_validator

from langchain_pollinations._config.host_choice import LegacyConfig
from langchain_pollinations._config.rate_limits import RateLimiterField
from langchain_pollinations._media.byte_store import InProcessStore, check_store
from langchain_pollinations._media.media_store import pickled_store
from langchain_pollinations._media.upload_cache import UploadCache
from langchain_pollinations._validation import suggest_name
from langchain_pollinations._warnings import warn
from langchain_pollinations.errors import KEYS_PAGE
from langchain_pollinations.tools.audio import PollinationsMusicTool, PollinationsSpeechTool, PollinationsTranscribeTool
from langchain_pollinations.tools.base import MediaTool
from langchain_pollinations.tools.images import ImageTool, PollinationsEditImageTool, PollinationsImageTool
from langchain_pollinations.tools.video import PollinationsVideoTool

# --- Toolkit ----------------------------------------------------------------------------------------------------------

ToolName = Literal["image", "edit_image", "video", "speech", "music", "transcribe"]

_TOOLS: Mapping[str, type[MediaTool]] = {
    "image": PollinationsImageTool,
    "edit_image": PollinationsEditImageTool,
    "video": PollinationsVideoTool,
    "speech": PollinationsSpeechTool,
    "music": PollinationsMusicTool,
    "transcribe": PollinationsTranscribeTool,
}


class PollinationsToolkit(RateLimiterField, LegacyConfig, BaseToolkit):
    """Toolkit whose tools share one connection and one media store.

    Several users can share a toolkit. The id of a media is valid only for the user of a LangGraph server or the thread
    that it belongs to (see `MediaTool`). Runs without a user and without a `thread_id` share their media.

        >>> toolkit = PollinationsToolkit(
        ...     include=["image", "edit_image"], show=True, options={"image": {"width": 768, "height": 512}}
        ... )
        >>> [tool.name for tool in toolkit.get_tools()]
        ['generate_image', 'edit_image']
    """

    model_config = ConfigDict(extra="forbid")

    include: list[ToolName] | None = None
    """Tools to include. By default, all six tools are included. On the legacy hosts, only `image` is included. If the
    legacy hosts are used because there is no key, the toolkit emits a warning."""
    show: bool = False
    """Show images to the language model, for models with image input."""
    options: Mapping[ToolName, Mapping[str, Any]] = Field(default_factory=dict)
    """Arguments for individual tools, such as `{"image": {"model": "zimage"}}`."""

    media_store: ByteStore = Field(default_factory=InProcessStore, repr=False, exclude=True)
    """Store of the bytes of the media, which all tools share. See `MediaTool.media_store`."""
    inline: bool = False
    """Put the bytes into the artifacts as base64. Each checkpoint of a thread then repeats all earlier media."""
    output_folder: Path | None = None
    """Folder in which each tool writes its results to new files. The package chooses the file names."""
    reference_folder: Path | None = None
    """Folder of the files that the language model may name as references or recordings. If the folder is None, no file
    is read."""

    _TRANSIENT: ClassVar[frozenset[str]] = frozenset({"media_store"})
    _upload_cache: UploadCache = PrivateAttr(default_factory=UploadCache)

    @field_validator("media_store", mode="plain")
    @classmethod
    def _check_store(cls, value: Any) -> ByteStore:
        return check_store(value)

    @field_validator("options")
    @classmethod
    def _check_secrets(cls, value: Mapping[ToolName, Mapping[str, Any]]) -> Mapping[ToolName, Mapping[str, Any]]:
        """Raise an error if `options` contains secrets, because `options` is shown and pickled in plain text."""
        names = {name for options in value.values() for name in options}
        if secrets := sorted(names & {"api_key", "pollinations_api_key", "default_headers"}):
            raise ValueError(f"{', '.join(secrets)}: pass it to the toolkit itself; all tools share its connection")
        return value

    @field_validator("options")
    @classmethod
    def _check_names(cls, value: Mapping[ToolName, Mapping[str, Any]]) -> Mapping[ToolName, Mapping[str, Any]]:
        """Raise an error for an unknown argument of a tool, also of a tool that is not included."""
        for tool, options in value.items():
            known = _arguments_of(tool)
            if unknown := sorted(options.keys() - known.keys()):
                raise ValueError("; ".join(f"{tool}: {suggest_name(name, known)}" for name in unknown))
        return value

    @field_validator("include")
    @classmethod
    def _check_include(cls, value: list[ToolName] | None) -> list[ToolName] | None:
        if value is not None and (not value or len(set(value)) < len(value)):
            raise ValueError(
                f"include: must name at least one tool, each once, or be None; tools: {', '.join(get_args(ToolName))}"
            )
        return value

    @model_validator(mode="after")
    def _check_legacy(self) -> Self:
        if self.api == "legacy" and self.include not in (None, ["image"]):
            raise ValueError(f"include: the legacy hosts only generate images; omit it, or get a key at {KEYS_PAGE}")
        return self

    @classmethod
    def _handle_unknown(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Raise an error for an argument that only some tools have."""
        for name in sorted(given.keys() - cls.model_fields.keys()):
            if tools := [tool for tool in _TOOLS if name in _arguments_of(tool)]:
                where = " or ".join(repr(tool) for tool in tools)
                raise ValueError(f"{name}: give it in options, for the tools that it applies to ({where})")
        return super()._handle_unknown(given)

    def get_tools(self) -> list[BaseTool]:
        """Return the tools, ready for `create_agent` or `bind_tools`."""
        if self.include is None and self._uses_legacy:
            if self.api == "auto":
                warn(_NO_KEY_WARNING)
            return [self._tool("image")]
        return [self._tool(name) for name in self.include or get_args(ToolName)]

    def _tool(self, name: ToolName) -> MediaTool:
        tool_class = _TOOLS[name]
        wrapper_class: Any = tool_class.model_fields["wrapper"].annotation
        arguments = {
            **self._shared_arguments(tool_class.model_fields | wrapper_class.model_fields),
            **self.options.get(name, {}),
        }
        if issubclass(tool_class, ImageTool):
            arguments.setdefault("show", self.show)
        tool = tool_class(**{"media_store": self.media_store, "inline": self.inline, **arguments})
        wrapper = tool.wrapper
        wrapper._pool = self._pool
        if hasattr(wrapper, "_upload_cache"):
            wrapper._upload_cache = self._upload_cache
        return tool

    def __getstate__(self) -> dict[Any, Any]:
        """Return the state without the default `media_store`."""
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], **pickled_store(self.media_store)}}

    def _shared_arguments(self, accepted: Container[str]) -> dict[str, Any]:
        """Return the fields that a tool receives. Fields that neither the tool nor its wrapper accepts are omitted.

        A tool receives the fields that the caller set. Other fields keep the default of the wrapper, because the
        default timeouts differ between wrappers. A tool also receives the fields that the environment may set, because
        the environment may have changed since the toolkit was created.
        """
        names = self.model_fields_set | _ENVIRONMENT_FIELDS
        return {name: getattr(self, name) for name in _SHARED_FIELDS if name in names and name in accepted}


def _arguments_of(tool: str) -> Mapping[str, Any]:
    """Return the arguments of a tool: its own fields, those of its wrapper and their synonyms."""
    tool_class = _TOOLS[tool]
    wrapper: Any = tool_class.model_fields["wrapper"].annotation
    return {**dict.fromkeys(wrapper._SYNONYMS), **wrapper.model_fields, **tool_class.model_fields}


_NO_KEY_WARNING = (
    "No API key: the toolkit offers only generate_image, on image.pollinations.ai. For all tools, get a key at "
    f"{KEYS_PAGE} and set POLLINATIONS_API_KEY or api_key. To silence this warning, set api='legacy'"
)

_SHARED_FIELDS = (*LegacyConfig.model_fields, *RateLimiterField.model_fields, "output_folder", "reference_folder")
_ENVIRONMENT_FIELDS = frozenset({"api_key", "base_url", "legacy_text_url", "legacy_image_url"})
