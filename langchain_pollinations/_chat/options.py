"""The options of a chat request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, NotRequired, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import TypedDict

from langchain_pollinations._documentation import DescribedFields
from langchain_pollinations._types import Json
from langchain_pollinations._validation import MAX_SEED, check_no_secret, check_safe

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


class ChatOptions(DescribedFields, BaseModel):
    """Options that are sent under their own names. Options that are None are not sent: the service uses its default."""

    model_config = ConfigDict(defer_build=True, extra="forbid", protected_namespaces=(), hide_input_in_errors=True)

    model: str = Field(default="openai", min_length=1)
    """Canonical id (`openai/gpt-5.4-nano`) or alias (`openai`) of the model."""

    seed: int | None = Field(default=None, ge=-1, le=MAX_SEED)
    """Seed of the response, -1 to 2147483647. The service caches responses, so equal requests get equal responses.

    For -1 this package sends a random seed with each request, because the service treats -1 as one fixed seed."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    """Sampling temperature, 0 to 2. Higher values make the response more varied. Some models ignore it: the service
    sends 1 to GPT-5 and the o-series."""
    top_p: float | None = Field(default=None, ge=0, le=1)
    """Nucleus sampling, 0 to 1: only the most probable tokens with this total probability are sampled. GPT-5 and newer
    OpenAI models ignore it."""
    top_k: int | None = None
    """Number of most probable tokens to sample from, for models whose `supported_parameters` list it."""
    min_p: float | None = None
    """Minimum probability of a sampled token, relative to the most probable token, for models whose
    `supported_parameters` list it."""
    max_tokens: int | None = Field(default=None, ge=0)
    """Maximum tokens of the response, at least 0. None is the default of the model."""
    max_completion_tokens: int | None = Field(default=None, ge=0)
    """Same as `max_tokens`, under the name that newer OpenAI models use."""
    stop: str | list[str] | None = None
    """Up to four strings that end the response. The response does not contain them."""
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    """Penalty for tokens by how often the text contains them, -2 to 2. None is 0. GPT-5 and newer OpenAI models ignore
    it."""
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    """Penalty for tokens that the text contains already, -2 to 2. None is 0. GPT-5 and newer OpenAI models ignore
    it."""
    repetition_penalty: float | None = Field(default=None, ge=0, le=2)
    """Factor against repeated tokens, 0 to 2. 1 is no penalty."""
    logit_bias: dict[str, int] | None = None
    """Bias by token id, such as `{"50256": -100}`. It is added to the logit of the token before sampling."""
    logprobs: bool | None = None
    """Return the log probability of each token, in `response_metadata["logprobs"]`."""
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    """Number of most probable tokens to return at each position, 0 to 20. It needs `logprobs`."""
    n: int | None = None
    """Must be 1: the service returns only one choice."""
    user: str | None = None
    """Id of the end user, sent to the provider. Different ids get different cached responses."""
    parallel_tool_calls: bool | None = None
    """Whether one message may contain several tool calls. None is True."""
    functions: Annotated[list[FunctionSpec], Field(min_length=1, max_length=128)] | None = None
    """The legacy form of tools, 1 to 128 functions. `bind_tools` sends the current form."""
    function_call: Literal["none", "auto"] | dict[str, str] | None = None
    """The legacy form of a tool choice: "none", "auto", or `{"name": ...}`."""
    response_format: ResponseFormat | None = None
    """Format of the response: `{"type": "text"}`, "json_object", or "json_schema" with a schema. See also `json_mode`
    and `with_structured_output`."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    """Depth of reasoning, for models with adjustable reasoning. "none" requests no reasoning."""
    reasoning: dict[str, Any] | None = None
    """Reasoning options as an object, such as `{"effort": "low"}`, for models whose `supported_parameters` list it."""
    include_reasoning: bool | None = None
    """Return the reasoning with the response, for models whose `supported_parameters` list it."""
    verbosity: str | None = None
    """Length of the response, such as "low", "medium" or "high", for models whose `supported_parameters` list it."""
    modalities: list[Literal["text", "audio"]] | None = None
    """Kinds of output: "text", "audio". `["text", "audio"]` is for models with audio output, together with `audio`."""
    audio: AudioOptions | None = None
    """Voice and format of an audio response, such as `{"voice": "alloy", "format": "mp3"}`. Streams require the format
    `pcm16`."""
    prediction: dict[str, Any] | None = None
    """Expected text, which makes the response faster where it matches: `{"type": "content", "content": ...}`, for
    models whose `supported_parameters` list it."""
    web_search_options: WebSearchOptions | None = None
    """How much a model of Perplexity reads before it responds: `{"search_context_size": "low"}`, "medium" or "high"."""
    search_domain_filter: list[str] | None = None
    """Domains to search, such as `["example.com"]`, for models whose `supported_parameters` list it."""
    search_recency_filter: str | None = None
    """Maximum age of search results, such as "day" or "week", for models whose `supported_parameters` list it."""
    prompt_cache_key: str | None = None
    """Key of the prompt cache of the provider. Requests with one key and the same beginning share the cached part of
    the prompt."""
    prompt_cache_options: PromptCacheOptions | None = None
    """When and how long the provider caches the beginning of a prompt: `{"mode": "explicit"}` or "implicit", and
    `"ttl": "30m"`."""
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    """How long the provider keeps the cached part of a prompt: in memory (minutes), or 24 hours."""
    service_tier: str | None = None
    """Processing tier of the provider, such as "auto" or "flex"."""
    safe: str | bool | None = None
    """Input checks: a comma-separated list of privacy, secrets, sexual, violence and shield. nsfw means
    sexual,violence. True means privacy,secrets, which does not check for sexual or violent content."""

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        if self.n not in (None, 1):
            raise ValueError("n: the service returns one choice only; for several answers, call batch with seed=-1")
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


def check_extra_body(fields: Mapping[str, Any]) -> None:
    """Raise a `ValueError` if a field that is no option may hold a secret."""
    check_no_secret({name: value for name, value in fields.items() if name not in ChatOptions.model_fields})
