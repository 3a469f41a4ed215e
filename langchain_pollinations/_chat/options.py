"""The options of a chat request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, NotRequired, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import TypedDict

from langchain_pollinations._types import Json
from langchain_pollinations._validation import MAX_SEED, check_safe

_OPEN: Any = ConfigDict(extra="allow")  # undeclared keys are sent, too
_CLOSED: Any = ConfigDict(extra="forbid")  # the service refuses unknown keys


Route = Literal["chat", "get", "post"]
Method = Literal["function_calling", "json_schema", "json_mode"]


class AudioOptions(TypedDict):
    """The voice and the format of an audio response."""

    __pydantic_config__ = _OPEN  # type: ignore[misc]

    voice: Literal[
        "alloy", "echo", "fable", "onyx", "nova", "shimmer", "coral", "verse", "ballad", "ash", "sage", "amuch", "dan"
    ]
    format: Literal["wav", "mp3", "flac", "opus", "pcm16"]
    """Streams require `pcm16`."""


class WebSearchOptions(TypedDict):
    """How much a model with web search reads before it responds."""

    __pydantic_config__ = _OPEN  # type: ignore[misc]

    search_context_size: Literal["low", "medium", "high"]


class PromptCacheOptions(TypedDict, total=False):
    """When and how long the provider caches the beginning of a prompt."""

    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    mode: Literal["implicit", "explicit"]
    ttl: Literal["30m"]


class JsonSchemaFormat(TypedDict):
    """The JSON schema of the response, and its name."""

    __pydantic_config__ = _OPEN  # type: ignore[misc]

    schema: dict[str, Any]
    name: NotRequired[str]
    description: NotRequired[str]
    strict: NotRequired[bool | None]


class FunctionSpec(TypedDict):
    """A function in OpenAI's legacy form. `bind_tools` creates tools in the current form."""

    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    name: str
    description: NotRequired[str]
    parameters: NotRequired[dict[str, Any]]


class ResponseFormat(TypedDict):
    """The format of the response. The type `json_schema` requires the field `json_schema`. No other type allows it."""

    __pydantic_config__ = _OPEN  # type: ignore[misc]

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NotRequired[JsonSchemaFormat]


class ChatOptions(BaseModel):
    """Options that are sent under their own names. Options that are None are not sent: the service uses its default."""

    model_config = ConfigDict(defer_build=True, extra="forbid", protected_namespaces=(), hide_input_in_errors=True)

    model: str = Field(default="openai", min_length=1)
    """Canonical id (`openai/gpt-5.4-nano`) or alias (`openai`) of the model."""

    seed: int | None = Field(default=None, ge=-1, le=MAX_SEED)
    """Seed of the response. The service caches responses, so equal requests get equal responses.

    For -1 this package sends a random seed with each request, because the service treats -1 as one fixed seed."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = None
    min_p: float | None = None
    max_tokens: int | None = Field(default=None, ge=0)
    """Maximum tokens of the response."""
    max_completion_tokens: int | None = Field(default=None, ge=0)
    """Same as `max_tokens`, under the name that newer OpenAI models use."""
    stop: str | list[str] | None = None
    """Up to four strings that end the response."""
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    repetition_penalty: float | None = Field(default=None, ge=0, le=2)
    logit_bias: dict[str, int] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    n: int | None = None
    """Must be 1: the service returns only one choice."""
    user: str | None = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[FunctionSpec], Field(min_length=1, max_length=128)] | None = None
    """The legacy form of tools."""
    function_call: Literal["none", "auto"] | dict[str, str] | None = None
    """The legacy form of a tool choice."""
    response_format: ResponseFormat | None = None
    """See also `json_mode` and `with_structured_output`."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    reasoning: dict[str, Any] | None = None
    include_reasoning: bool | None = None
    verbosity: str | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    """`["text", "audio"]` for models with audio output, together with `audio`."""
    audio: AudioOptions | None = None
    prediction: dict[str, Any] | None = None
    web_search_options: WebSearchOptions | None = None
    """For Perplexity's models only."""
    search_domain_filter: list[str] | None = None
    search_recency_filter: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: PromptCacheOptions | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    service_tier: str | None = None
    safe: str | bool | None = None
    """Input checks: a comma-separated list of privacy, secrets, sexual, violence and shield.

    True means `privacy,secrets`. These do not check for sexual or violent content; `nsfw` does."""

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        if self.n not in (None, 1):
            raise ValueError("n: the service returns one choice only; make several calls with different seeds")
        if isinstance(self.stop, list) and len(self.stop) > 4:
            raise ValueError(f"stop: at most 4 strings are allowed, got {len(self.stop)}")
        if self.response_format and (self.response_format["type"] == "json_schema") != (
            "json_schema" in self.response_format
        ):
            raise ValueError(
                "response_format: 'json_schema' is required if the type is 'json_schema', and not allowed otherwise"
            )
        if isinstance(self.safe, str):
            check_safe(self.safe)
        return self


def wire_options(options: ChatOptions, names: Iterable[str]) -> Json:
    """Return the options that are set.

    `model_dump` is not used: before Pydantic 2.12 it drops the undeclared keys of a `TypedDict` that allows them.
    """
    values = vars(options)
    return {name: value for name in names if (value := values.get(name)) is not None}
