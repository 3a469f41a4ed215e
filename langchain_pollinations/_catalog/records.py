"""The record of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from langchain_core.language_models import ModelProfile
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from langchain_pollinations._catalog.snapshot import abilities, known, load_snapshot
from langchain_pollinations._documentation import DescribedFields
from langchain_pollinations._types import Json

Kind = Literal["text", "image", "video", "audio", "3d", "embeddings", "realtime"]
Capability = Literal["tool_calling", "reasoning", "web_search", "code_execution", "pollinations_models"]
Source = Literal["official", "community"]
Reliability = Literal["reliable", "all"]

MEDIA = ("text", "image", "audio", "video")
"""Modalities of inputs and outputs in LangChain's profiles."""


# --- Records ----------------------------------------------------------------------------------------------------------


def _without_currency(pricing: Any) -> Any:
    """Remove the currency, which is always pollen. The service puts it among the prices."""
    return (
        {unit: price for unit, price in pricing.items() if unit != "currency"} if isinstance(pricing, dict) else pricing
    )


Prices = Annotated[Mapping[str, Decimal], BeforeValidator(_without_currency)]


class _Record(DescribedFields, BaseModel):
    """A record of the service with renamed fields. Unknown fields are kept under the service's names."""

    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="allow", protected_namespaces=(), hide_input_in_errors=True
    )

    _FIELDS_TITLE = "Fields"

    _NAMES: ClassVar[Mapping[str, str]] = {"pricing": "prices"}
    """The service's field names, mapped to the names used here. If two map to one name, the later entry wins."""

    @model_validator(mode="before")
    @classmethod
    def _read_entry(cls, entry: Any) -> Any:
        return cls._read(entry) if isinstance(entry, dict) else entry

    @classmethod
    def _read(cls, entry: Json) -> Json:
        known = {name: value for name, value in entry.items() if value is not None}  # null equals absent
        renamed = {ours: known.pop(name) for name, ours in cls._NAMES.items() if name in known}
        return known | renamed


class PriceVariant(_Record):
    """Other prices for some requests, such as those with a long context or a higher resolution."""

    name: str
    """Name of the variant."""
    label: str = ""
    """Description of the requests that have these prices."""
    description: str = ""
    """Longer description of these requests."""
    prices: Prices
    """Pollen per unit, as `Model.prices`. The base price applies to a unit that is absent."""


class PriceAdjustment(_Record):
    """A surcharge, for example for each search or for an option."""

    name: str
    """Name of the surcharge."""
    label: str = ""
    """Description of the surcharge."""
    kind: str = ""
    """Kind of the surcharge."""
    price: Decimal
    """Pollen for `quantity` of `unit`."""
    quantity: Decimal = Decimal(1)
    """Number of units that `price` is for."""
    unit: str = ""
    """Unit, such as a search."""


class PendingChange(_Record):
    """A change that the service has announced for a model."""

    effective_at: datetime
    """When the change takes effect."""
    paid_only: bool | None = None
    """New value of `Model.paid_only`."""
    prices: Prices = {}
    """New values of `Model.prices`."""


class Model(_Record):
    """A model, as the service lists it.

        >>> model = list_models(query="gpt-5.4-nano")[0]
        >>> model
        Model(id='openai/gpt-5.4-nano', kind='text', capabilities=('tool_calling',), origin='live')
        >>> 1_000_000 * model.prices["promptTextTokens"]
        Decimal('0.15000000')

    None means that the list does not contain the value. Fields of the service that this class does not define are
    attributes under the service's names.
    """

    _NAMES: ClassVar[Mapping[str, str]] = {
        **_Record._NAMES,
        "name": "id",
        "category": "kind",
        "brand": "publisher",
        "publisher": "publisher",  # takes precedence over brand
        "max_completion_tokens": "max_output_tokens",
        "supported_endpoints": "endpoints",
    }

    id: str = Field(min_length=1)
    """Canonical id, such as `openai/gpt-5.4-nano`, for `model=`. Responses name it too."""
    aliases: tuple[str, ...] = ()
    """Other names for `model=`."""
    kind: str
    """A `kind` of `list_models`; the service may add other kinds."""
    title: str = ""
    """Display name."""
    description: str = ""
    """The service's description; empty in the snapshot."""
    publisher: str = ""
    """Company that made the model."""
    community: bool = False
    """Whether a third party operates the model."""
    agent: bool = False
    """Whether the model is an agent, which runs its own tools on the server. It ignores tools of the caller."""
    base_model: str | None = None
    """The underlying model of an agent."""
    alpha: bool = False
    """Whether the model is experimental and may change or disappear."""
    is_specialized: bool | None = None
    """Whether the model is for a special task."""
    added_date: datetime | None = None
    """When the service added the model."""

    input_modalities: tuple[str, ...] | None = None
    """Kinds of input, such as "text", "image", "audio" and "video"."""
    output_modalities: tuple[str, ...] | None = None
    """Kinds of output, such as "text" and "audio"."""
    context_length: int | None = None
    """Tokens of input and output together."""
    max_output_tokens: int | None = None
    """Tokens of a response; most models have no separate limit."""
    capabilities: tuple[str, ...] = ()
    """Values of `Capability`."""
    tools: bool | None = None
    """Whether the model calls tools of the caller."""
    reasoning: bool | None = None
    """Whether the model can reason before it responds."""
    supports_structured_output: bool | None = None
    """Whether the response can be made to conform to a JSON schema."""
    supported_parameters: tuple[str, ...] | None = None
    """Names of the request parameters that have an effect."""
    parameters: Mapping[str, Mapping[str, Any]] = {}
    """Details of each parameter: `type`, `min`, `max`, `enum`, `condition`. The snapshot has only the names."""
    endpoints: tuple[str, ...] = ()
    """Paths of the service at which the model is available."""
    required_safety: tuple[str, ...] = ()
    """Input checks that apply to every request, regardless of `safe`."""

    prices: Prices = {}
    """Pollen (about a US dollar) per unit, under the service's names. Prices named `...Seconds` are per second. Prices
    named `...Tokens` are per token, with three exceptions. They are per image if images have one flat price, per
    character if speech is billed by its text, and per track for music (`flat_rate`). Prices of zero are omitted. If the
    snapshot has no prices for a model, its prices are unknown."""
    pricing_variants: tuple[PriceVariant, ...] = ()
    """Other prices for some requests, such as those with a long context or a higher resolution."""
    pricing_default_label: str | None = None
    """Label of the base prices. Each variant has its own label."""
    pricing_adjustments: tuple[PriceAdjustment, ...] = ()
    """Surcharges, for example for each search or for an option."""
    pending_change: PendingChange | None = None
    """A change of prices or of `paid_only` that the service has announced."""
    flat_rate: bool | None = None
    """Whether a result has one price, whatever its length."""
    paid_only: bool | None = None
    """Whether the model can be paid only with purchased pollen."""
    per_user_rpm: int | float | None = None
    """Requests per minute and user."""

    voices: tuple[str, ...] = ()
    """Voices of a speech model, for `voice=`."""
    resolutions: tuple[str, ...] = ()
    """Resolutions of images or videos. The first is the default."""
    video_capabilities: tuple[str, ...] = ()
    """Abilities of a video model: "start_frame", "end_frame", "audio_output", "reference_images", "reference_videos"
    and "reference_audios"."""
    min_duration: int | float | None = None
    """Minimum duration of a video or music, in seconds."""
    max_duration: int | float | None = None
    """Maximum duration, in seconds."""
    default_duration: int | float | None = None
    """Duration without `duration=`, in seconds."""
    allowed_durations: tuple[int | float, ...] = ()
    """All durations that the model accepts, in seconds. An empty tuple is no restriction."""
    duration_step: int | float | None = None
    """Step between the accepted durations, in seconds."""
    max_reference_images: int | None = None
    """Maximum number of reference images of a request."""
    max_reference_videos: int | None = None
    """Maximum number of reference videos of a request."""

    health: Mapping[str, Any] | None = None
    """Results of recent requests; live lists only."""
    origin: Literal["live", "snapshot"] = "live"
    """`live` for a record of the service's current list, `snapshot` for a record of the snapshot in this package."""

    @classmethod
    def _read(cls, entry: Json) -> Json:
        read = super()._read(entry)
        if read.get("kind") == "embedding":
            read["kind"] = "embeddings"  # as in the path of its list
        for word, field in (("tool_calling", "tools"), ("reasoning", "reasoning")):
            if isinstance(read.get("capabilities"), list) and word in read["capabilities"]:
                read.setdefault(field, True)
        return read | _parameters(read.get("supported_parameters"))

    @property
    def profile(self) -> ModelProfile:
        """The capabilities of the model as a LangChain profile. Unknown capabilities are absent.

        `tool_choice` is False if the model is documented to reject a forced tool choice. It is also False if this is
        not documented, and the model's parameters contain `tools` but not `tool_choice`.

        `tool_calling` is False for an agent. An agent runs its own tools on the server, and the service does not add
        the tools of the caller.
        """
        # Some lists contain a model's parameters but not whether it supports tools.
        tools = not self.agent and (True if self.tools is None and self._takes("tools") else self.tools)
        known: Json = {
            "name": self.title or self.id,
            "status": "alpha" if self.alpha else None,
            "max_input_tokens": self.context_length,
            "max_output_tokens": self.max_output_tokens,
            **self._media("inputs", self.input_modalities),
            **self._media("outputs", self.output_modalities),
            "reasoning_output": self.reasoning,
            "reasoning_effort_levels": self._efforts() if self.reasoning else None,
            "tool_calling": tools,
            "tool_call_streaming": tools or None,
            "tool_choice": None if self.agent else self._can_be_forced(),
            "structured_output": self._takes("response_format", self.supports_structured_output),
            "temperature": self._takes("temperature"),
        }
        known["image_url_inputs"] = known.get("image_inputs")
        if self.kind == "text":  # images that tools return are sent to the model in a user message
            known["image_tool_message"] = known.get("image_inputs")
        found: ModelProfile = {key: value for key, value in known.items() if value is not None}  # type: ignore[assignment]
        return found

    def _media(self, way: str, modalities: Sequence[str] | None) -> dict[str, bool]:
        if modalities is None:
            return {f"text_{way}": True} if self.kind == "text" else {}
        return {f"{medium}_{way}": medium in modalities for medium in MEDIA}

    def _can_be_forced(self) -> bool | None:
        """Whether the model supports a forced tool choice. None if undocumented and its parameters lack `tools`."""
        documented: bool | None = abilities(self.id).get("forced_tools")
        return self._takes("tool_choice", documented) if documented is not None or self._takes("tools") else None

    def _takes(self, parameter: str, declared: bool | None = None) -> bool | None:
        if declared is not None or self.supported_parameters is None:
            return declared
        return parameter in self.supported_parameters

    def _efforts(self) -> list[str] | None:
        levels = self.parameters.get("reasoning_effort", {}).get("enum")
        return [str(level) for level in levels] if isinstance(levels, list) else None

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        yield "id", self.id
        yield "kind", self.kind
        if self.capabilities:
            yield "capabilities", self.capabilities
        if self.paid_only:
            yield "paid_only", True
        yield "origin", self.origin

    def __hash__(self) -> int:
        return hash(self.id)


def _parameters(listed: Any) -> Json:
    """Return the parameters of a model by name. The list contains names or objects with a name, because the service has
    used both formats."""
    if not isinstance(listed, list) or not any(isinstance(each, dict) for each in listed):
        return {}
    objects = [each for each in listed if isinstance(each, dict) and isinstance(each.get("name"), str)]
    return {
        "supported_parameters": [each.get("name") if isinstance(each, dict) else each for each in listed],
        "parameters": {each["name"]: {k: v for k, v in each.items() if k != "name"} for each in objects},
    }


def find(model: str) -> Model | None:
    """Return the snapshot's record of a model, by id or alias. Return None for a model that is not in the snapshot,
    such as a newer model or a community model."""
    entry = known(model)
    return _record(entry["name"]) if entry else None


@cache  # constant data, parsed on first use
def _record(name: str) -> Model:
    return _from_snapshot(known(name))


def profile(model: str) -> ModelProfile | None:
    """Return the LangChain profile of a model, or None for a model that is not in the snapshot."""
    entry = known(model)
    if not entry:
        return None
    # A copy, because the caller may change a profile.
    copied = {key: [*value] if isinstance(value, list) else value for key, value in _profile(entry["name"]).items()}
    return copied  # type: ignore[return-value]


@cache  # constant data, computed on first use
def _profile(name: str) -> ModelProfile:
    return _record(name).profile


@cache  # constant data
def _names_by_title() -> Mapping[str, set[str]]:
    named: dict[str, set[str]] = {}
    for entry in load_snapshot().values():
        named.setdefault(entry["title"], set()).add(entry["name"])
    return named


def _from_snapshot(entry: Mapping[str, Any]) -> Model:
    return Model.model_validate({**entry, "origin": "snapshot"})


def ships(profile: ModelProfile | None) -> bool:
    """Whether a profile is from the snapshot. Other profiles are written by the caller."""
    named = _names_by_title().get(profile.get("name", ""), set()) if profile else set()
    return any(_profile(name) == profile for name in named)
