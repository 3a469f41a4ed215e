"""The models: the service's own lists, and the snapshot of them that ships with the package."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, ClassVar, Literal, get_args

import httpx
from langchain_core.language_models import ModelProfile
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from langchain_pollinations import errors
from langchain_pollinations._connection import Connection, __version__
from langchain_pollinations._options import refusal, told
from langchain_pollinations._transport.call_settings import merge_extra_headers
from langchain_pollinations._transport.error_response import not_expected, parse_json
from langchain_pollinations._transport.request import Call
from langchain_pollinations._transport.timeouts import Timeout
from langchain_pollinations._types import Json
from langchain_pollinations._warnings import warn
from langchain_pollinations.errors import (
    InvalidRequestError,
    PollinationsError,
    UnknownModelError,
    UnsupportedRequestError,
)

Kind = Literal["text", "image", "video", "audio", "3d", "embeddings", "realtime"]
Capability = Literal["tool_calling", "reasoning", "web_search", "code_execution", "pollinations_models"]
Source = Literal["official", "community"]
Reliability = Literal["reliable", "all"]

MEDIA = ("text", "image", "audio", "video")
"""What LangChain's profiles tell of input and output."""

_LISTS: Mapping[str | None, str] = {None: "/models", "realtime": "/models"}
"""Paths of the lists that are not `/{kind}/models`. Realtime models have no list of their own."""
_MIXED = ("image", "realtime")
"""Kinds whose list holds models of other kinds too."""

# --- Records ----------------------------------------------------------------------------------------------------------


def _without_currency(pricing: Any) -> Any:
    """The service keeps the currency, always pollen, among the prices."""
    return (
        {unit: price for unit, price in pricing.items() if unit != "currency"} if isinstance(pricing, dict) else pricing
    )


Prices = Annotated[Mapping[str, Decimal], BeforeValidator(_without_currency)]


class _Record(BaseModel):
    """A record of the service under our names; what it says that we do not know stays, under its own name."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=(), hide_input_in_errors=True)

    _NAMES: ClassVar[Mapping[str, str]] = {"pricing": "prices"}
    """Names of the service, and what we call them; of two for one thing the later counts."""

    @model_validator(mode="before")
    @classmethod
    def _read_entry(cls, entry: Any) -> Any:
        return cls._read(entry) if isinstance(entry, dict) else entry

    @classmethod
    def _read(cls, entry: Json) -> Json:
        known = {name: value for name, value in entry.items() if value is not None}  # null says as much as nothing
        renamed = {ours: known.pop(name) for name, ours in cls._NAMES.items() if name in known}
        return known | renamed


class PriceVariant(_Record):
    """Other prices for some calls, such as those with a long context or for a higher resolution."""

    name: str
    label: str = ""
    """What the calls have in common."""
    description: str = ""
    prices: Prices
    """Pollen per unit, as `Model.prices`; for a unit that is absent the base price holds."""


class PriceAdjustment(_Record):
    """An extra of the price, such as one for each search or for an option."""

    name: str
    label: str = ""
    kind: str = ""
    price: Decimal
    """Pollen for `quantity` of `unit`."""
    quantity: Decimal = Decimal(1)
    unit: str = ""


class PendingChange(_Record):
    """What the service has announced for a model."""

    effective_at: datetime
    paid_only: bool | None = None
    prices: Prices = {}


class Model(_Record):
    """A model, as the service lists it.

        >>> model = find("openai")
        >>> model
        Model(id='openai/gpt-5.4-nano', kind='text', capabilities=('tool_calling',), origin='snapshot')
        >>> 1_000_000 * model.prices["promptTextTokens"]
        Decimal('0.15000000')

    None means that the list does not say. Fields of the service that this class does not know are attributes under
    their own names.
    """

    _NAMES: ClassVar[Mapping[str, str]] = {
        **_Record._NAMES,
        "name": "id",
        "category": "kind",
        "brand": "publisher",
        "publisher": "publisher",  # wins over brand
        "max_completion_tokens": "max_output_tokens",
        "supported_endpoints": "endpoints",
    }

    id: str = Field(min_length=1)
    """Canonical id, such as `openai/gpt-5.4-nano`: what `model=` takes and answers name."""
    aliases: tuple[str, ...] = ()
    """Other names that `model=` takes."""
    kind: str
    """What `list_models` takes as `kind`; the service may know more kinds."""
    title: str = ""
    description: str = ""
    """The service's own words; the snapshot has none."""
    publisher: str = ""
    community: bool = False
    """Whether somebody outside the service runs it."""
    agent: bool = False
    base_model: str | None = None
    """The model beneath an agent."""
    alpha: bool = False
    is_specialized: bool | None = None
    added_date: datetime | None = None
    """Since when the service has it."""

    input_modalities: tuple[str, ...] | None = None
    output_modalities: tuple[str, ...] | None = None
    context_length: int | None = None
    """Tokens of input and output together."""
    max_output_tokens: int | None = None
    """Tokens of an answer; most models set no limit of their own."""
    capabilities: tuple[str, ...] = ()
    """Words of `Capability`."""
    tools: bool | None = None
    reasoning: bool | None = None
    supports_structured_output: bool | None = None
    supported_parameters: tuple[str, ...] | None = None
    """Names of the parameters of a call that have an effect."""
    parameters: Mapping[str, Mapping[str, Any]] = {}
    """What the list tells of each parameter: `type`, `min`, `max`, `enum`, `condition`. The snapshot has names only."""
    endpoints: tuple[str, ...] = ()
    """Paths of the service that the model answers at."""
    required_safety: tuple[str, ...] = ()
    """Checks of the input that every call passes, whatever `safe` says."""

    prices: Prices = {}
    """Pollen (about a US dollar) per unit, under the service's own names. `...Seconds` are per second, `...Tokens` per
    token, with three exceptions: per picture where pictures have one flat price, per character where speech is billed
    by its text, per piece for music (`flat_rate`). Prices of zero are left out; but where the snapshot has no prices
    at all, they are not known."""
    pricing_variants: tuple[PriceVariant, ...] = ()
    pricing_default_label: str | None = None
    """What the base prices are called beside the variants."""
    pricing_adjustments: tuple[PriceAdjustment, ...] = ()
    pending_change: PendingChange | None = None
    flat_rate: bool | None = None
    paid_only: bool | None = None
    """Whether only bought pollen pays for it."""
    per_user_rpm: int | float | None = None
    """Calls a minute that one user may make."""

    voices: tuple[str, ...] = ()
    resolutions: tuple[str, ...] = ()
    """The first is the default."""
    video_capabilities: tuple[str, ...] = ()
    min_duration: int | float | None = None
    """Seconds, as the other durations."""
    max_duration: int | float | None = None
    default_duration: int | float | None = None
    allowed_durations: tuple[int | float, ...] = ()
    duration_step: int | float | None = None
    max_reference_images: int | None = None
    max_reference_videos: int | None = None

    health: Mapping[str, Any] | None = None
    """How recent calls went, live lists only."""
    origin: Literal["live", "snapshot"] = "live"
    """Whether the service said so just now, or the snapshot that ships with this package."""

    @classmethod
    def _read(cls, entry: Json) -> Json:
        read = super()._read(entry)
        if read.get("kind") == "embedding":
            read["kind"] = "embeddings"  # as the address of its list is called
        for word, field in (("tool_calling", "tools"), ("reasoning", "reasoning")):
            if isinstance(read.get("capabilities"), list) and word in read["capabilities"]:
                read.setdefault(field, True)
        return read | _parameters(read.get("supported_parameters"))

    @property
    def profile(self) -> ModelProfile:
        """What the model can do, in LangChain's words; what is not known is absent.

        `tool_choice` is False where a tool cannot be forced: the model's parameters hold `tools` without `tool_choice`.
        """
        # Some lists name the parameters of a model and leave out whether it takes tools.
        tools = True if self.tools is None and self._takes("tools") else self.tools
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
            "tool_choice": self._can_be_forced(),
            "structured_output": self._takes("response_format", self.supports_structured_output),
            "temperature": self._takes("temperature"),
        }
        known["image_url_inputs"] = known.get("image_inputs")
        if self.kind == "text":  # pictures that tools return reach the model in a user message
            known["image_tool_message"] = known.get("image_inputs")
        found: ModelProfile = {key: value for key, value in known.items() if value is not None}  # type: ignore[assignment]
        return found

    def _media(self, way: str, modalities: Sequence[str] | None) -> dict[str, bool]:
        if modalities is None:
            return {f"text_{way}": True} if self.kind == "text" else {}
        return {f"{medium}_{way}": medium in modalities for medium in MEDIA}

    def _can_be_forced(self) -> bool | None:
        """Whether a model takes a forced tool choice; a set of parameters without `tools` says nothing of it."""
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
    """What a list tells of parameters, by name. The service has told names alone, and objects that hold them."""
    if not isinstance(listed, list) or not any(isinstance(each, dict) for each in listed):
        return {}
    objects = [each for each in listed if isinstance(each, dict) and isinstance(each.get("name"), str)]
    return {
        "supported_parameters": [each.get("name") if isinstance(each, dict) else each for each in listed],
        "parameters": {each["name"]: {k: v for k, v in each.items() if k != "name"} for each in objects},
    }


def _read_all(entries: Iterable[Any]) -> list[Model]:
    """The records of a live list. One that cannot be read is missing, and a warning says which."""
    models, unread = [], []
    for entry in entries:
        try:
            models.append(Model.model_validate({**entry, "origin": "live"} if isinstance(entry, dict) else entry))
        except ValidationError as error:
            name = entry.get("name") if isinstance(entry, dict) else None
            unread.append(f"{name or 'an entry without a name'} ({told(error)})")
    if unread:
        warn(f"Missing from the list, since they cannot be read: {'; '.join(unread)}")
    return models


# --- The snapshot -----------------------------------------------------------------------------------------------------


@cache  # constant data of the package, read when first needed
def load_snapshot() -> Mapping[str, Mapping[str, Any]]:
    """Entries of the service's own list (`GET /models`), under each name and alias."""
    return {name: entry for entry in _data("models.json") for name in (entry["name"], *entry["aliases"])}


@cache  # constant data as well
def _unlisted() -> Mapping[str, Mapping[str, Any]]:
    """Official models that the lists show no more, and that may answer all the same. Their aliases may mean others."""
    return {entry["name"]: entry for entry in _data("unlisted.json")}


@cache  # constant data as well
def _abilities() -> Mapping[str, Mapping[str, Any]]:
    table: Mapping[str, Mapping[str, Any]] = _data("abilities.json")
    return table


def _data(name: str) -> Any:
    return json.loads(files("langchain_pollinations").joinpath("data", name).read_text("utf-8"))


def find(model: str) -> Model | None:
    """What the snapshot knows of a model, by id or alias. None for a model that it does not know: a newer one, or one
    of the community."""
    entry = known(model)
    return _record(entry["name"]) if entry else None


@cache  # constant data as well, read when first asked for
def _record(name: str) -> Model:
    return _from_snapshot(known(name))


def known(model: Any) -> Mapping[str, Any]:
    """The snapshot's entry of a model, as the service writes it; empty for one that it does not know."""
    if not isinstance(model, str):
        return {}
    return load_snapshot().get(model) or _unlisted().get(model) or {}


def abilities(model: str) -> Mapping[str, Any]:
    """What the service documents of a model, by id or alias, and tells in no list, such as how many dimensions its
    vectors may have; empty for one that `data/abilities.json` does not know. The entry `publisher/*` there holds for
    each model of a publisher."""
    table = _abilities()
    return {**table.get(f"{maker(model)}/*", {}), **table.get(known(model).get("name", model), {})}


def maker(model: str) -> str:
    """Who makes a model, `openai` for instance: models of one maker understand each other's signed reasoning."""
    canonical = str(known(model).get("name", model))
    return canonical.rpartition("/")[0] or canonical


def profile(model: str) -> ModelProfile | None:
    """What a model can do, in LangChain's words; None for a model that the snapshot does not know."""
    found = find(model)
    return None if found is None else found.profile


def _from_snapshot(entry: Mapping[str, Any]) -> Model:
    return Model.model_validate({**entry, "origin": "snapshot"})


def ships(profile: ModelProfile | None) -> bool:
    """Whether a profile is one of the snapshot's, and not one that a caller wrote."""
    named = {entry["name"] for entry in load_snapshot().values() if profile and entry["title"] == profile.get("name")}
    return any(_record(name).profile == profile for name in named)


def able(category: str, can: Callable[[Model], bool | None]) -> list[str]:
    """Ids of models of a category that can do something, those first that need no bought pollen: as many as an error
    should name."""
    names = {entry["name"] for entry in load_snapshot().values() if entry["category"] == category}
    found = [model for name in names if can(model := _record(name))]
    return [model.id for model in sorted(found, key=lambda m: (m.paid_only is not False, m.id))][:6]


def refuse_unless(
    able_to: bool | None,
    model: str,
    what: str,
    category: str,
    can: Callable[[Model], bool | None] = lambda model: True,
    *,
    param: str = "model",
) -> None:
    """Raise an `UnsupportedRequestError` that names the models that can, where a model is known not to.

    Args:
        able_to: Whether it can; None where that is not known.
        model: What the caller calls the model.
        what: What it does not do.
        category: Category of the models that are named.
        can: Whether another model can.
        param: The argument that the model does not take; the model itself where it is of another kind.
    """
    if able_to is not False:
        return
    others = able(category, can)
    raise UnsupportedRequestError(
        f"model {model!r} {what}" + (f"; models that can: {', '.join(others)}" if others else ""), param=param
    )


def check_choice(argument: str, value: str, offered: Sequence[str], model: str) -> None:
    """Raise an `InvalidRequestError` for a value that a model does not offer."""
    if value not in offered:
        raise InvalidRequestError(
            f"{argument}: model {model!r} offers {', '.join(offered)}, not {value}", param=argument
        )


def has_resolutions(model: Model) -> bool:
    """Whether a model leaves the choice of a resolution."""
    return bool(model.resolutions)


def close_matches(model: str, category: str | None = None) -> list[str]:
    """Names and aliases that look like `model`, best first."""
    names = [name for name, entry in load_snapshot().items() if category in (None, entry["category"])]
    by_tail = {name.rpartition("/")[2].lower(): name for name in names}
    close = difflib.get_close_matches(model.lower(), names, n=3, cutoff=0.6)
    close += [by_tail[tail] for tail in difflib.get_close_matches(model.lower(), by_tail, n=3, cutoff=0.6)]
    return list(dict.fromkeys(close))[:3]


def did_you_mean(model: str, category: str) -> str:
    """A question with the models of a category that were perhaps meant, to end a message with; empty where none is
    like it."""
    close = close_matches(model, category)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


@contextmanager
def suggesting(model: str, category: str) -> Iterator[None]:
    """Let the error for an unknown model name the models that were perhaps meant."""
    try:
        yield
    except UnknownModelError as error:
        error.message += did_you_mean(model, category)
        error.args = (error.message,)
        raise


# --- Lists ------------------------------------------------------------------------------------------------------------

_FAILED = (errors.APIConnectionError, errors.RequestTimeoutError, errors.ServiceError)
"""When the snapshot stands in. What the service says of the request itself (other 4xx) is for the caller."""

_WORDS: Mapping[str, tuple[str, ...]] = {
    "kind": get_args(Kind),
    "capabilities": get_args(Capability),
    "source": get_args(Source),
    "reliability": get_args(Reliability),
}


class _Listing(Connection):
    """One question for models: of whom, which, and what the snapshot would answer."""

    _KEY_REQUIRED: ClassVar[bool] = False
    _OLDER: ClassVar[bool] = True

    timeout: Timeout | None = 10.0
    max_retries: int | None = Field(default=1, ge=0)

    kind: str | None = None
    capabilities: tuple[str, ...] = ()
    query: str | None = None
    source: str | None = None
    reliability: str | None = None
    agent: bool | None = Field(default=None, strict=True)
    limit: int | None = Field(default=None, ge=1, strict=True)

    @field_validator("kind", mode="before")
    @classmethod
    def _one_name(cls, kind: Any) -> Any:
        return "embeddings" if kind == "embedding" else kind  # as entries call it

    @field_validator("capabilities", mode="before")
    @classmethod
    def _listed(cls, words: Any) -> Any:
        if not isinstance(words, str | Iterable | None):
            raise ValueError("takes a word or a list of words")
        return (words,) if isinstance(words, str) else tuple(words or ())

    @field_validator(*_WORDS)
    @classmethod
    def _known(cls, value: Any, info: ValidationInfo) -> Any:
        words = _WORDS[info.field_name or ""]
        for word in value if isinstance(value, tuple) else [value]:
            if word is not None and word not in words:
                close = difflib.get_close_matches(word, words, n=1, cutoff=0.47)  # finds tool_calling for tools
                # Anything else stays untold: it might be a key in the wrong place.
                unknown = f"unknown word {word!r}, did you mean {close[0]!r}?" if close else "unknown word."
                raise ValueError(f"{unknown} It takes {', '.join(words)}")
        return value

    def call(self) -> Call[list[Any]]:
        if self._is_older and self.kind not in ("text", "image"):
            raise InvalidRequestError(
                "kind: the older hosts have a list of 'text' and one of 'image': say which", param="kind"
            )
        return Call("GET", _LISTS.get(self.kind, f"/{self.kind}/models"), read_list, {"params": self._params()})

    def _params(self) -> dict[str, str | int]:
        asked = {
            "capabilities": ",".join(self.capabilities),
            "query": (self.query or "").strip(),
            "source": self.source,
            "reliability": self.reliability,
            "agent": None if self.agent is None else str(self.agent).lower(),
            "limit": None if self.kind in _MIXED else self.limit,  # would count other kinds, see `answer`
        }
        return {name: value for name, value in asked.items() if value}

    def answer(self, entries: list[Any]) -> list[Model]:
        """The records of a live list, without those of other kinds."""
        models = _read_all(entries)
        if self.kind in _MIXED:
            models = [model for model in models if model.kind == self.kind]
        return models[: self.limit]

    def fall_back(self, failure: PollinationsError) -> list[Model]:
        """The records of the snapshot that the service would have listed, and a warning that says so."""
        if self._is_older:
            raise failure  # of whose models there is no snapshot
        warn(
            f"These models are not the service's list but the snapshot of official models that ships with "
            f"langchain-pollinations-ai {__version__}, since the service gave none: {failure}"
        )
        models = map(_from_snapshot, _data("models.json"))
        return [model for model in models if self._fits(model)][: self.limit]

    def _fits(self, model: Model) -> bool:
        words = (self.query or "").lower().split()
        text = " ".join((model.id, *model.aliases, model.title, model.description, model.publisher)).lower()
        return (
            self.kind in (None, model.kind)
            and set(self.capabilities) <= set(model.capabilities)
            and all(word in text for word in words)
            and self.source in (None, "community" if model.community else "official")
            and self.agent in (None, model.agent)
        )


def read_list(response: httpx.Response) -> list[Any]:
    """The entries of a list.

    Raises:
        PollinationsError: What an error object in the answer stands for.
        InvalidResponseError: If the answer is no list of models.
    """
    try:
        entries = response.json()
    except (ValueError, RecursionError) as error:
        raise not_expected(response, "list of models") from error
    if isinstance(entries, dict):
        parse_json(response, "list of models")
    if not isinstance(entries, list) or (entries and not any(isinstance(entry, dict) for entry in entries)):
        raise not_expected(response, "list of models")
    return entries


def _asked(**fields: Any) -> _Listing:
    try:
        return _Listing(**merge_extra_headers(fields))
    except ValidationError as error:
        raise refusal(error) from None


def list_models(
    kind: Kind | None = None,
    capabilities: Capability | Iterable[Capability] | None = None,
    *,
    query: str | None = None,
    source: Source | None = None,
    reliability: Reliability | None = None,
    agent: bool | None = None,
    limit: int | None = None,
    **connection: Any,
) -> list[Model]:
    """The models of the service, as it lists them now.

        >>> for model in list_models("text", ["tool_calling", "reasoning"], source="official"):
        ...     print(model.id, model.context_length, model.prices.get("promptTextTokens"))  # doctest: +SKIP

    With a key (`api_key`, else `POLLINATIONS_API_KEY`) the list is that of the key: with private models of its owner,
    without those that it may not use. No key is needed. Where the service cannot be reached or fails, the snapshot of
    official models that ships with the package stands in, which a `UserWarning` says, and the `origin` of each record.

    Args:
        kind: Models of this kind only.
        capabilities: Models that have all of these only; a text is one word.
        query: Models that have all of these words in id, aliases, title, description or publisher.
        source: `official` or `community` only.
        reliability: `all` lists also those models of the community of which many calls failed.
        agent: Whether to list agents only (True), or none.
        limit: At most so many.
        connection: The fields of every wrapper: `api_key`, `base_url`, `timeout` (10 s by default), `max_retries`
            (1 by default), `http_client` and so on; also `extra_headers`.

    Raises:
        InvalidRequestError: If an argument is wrong.
        PollinationsError: What the service says of the request, such as `AuthenticationError`.
    """
    listing = _asked(
        kind=kind, capabilities=capabilities, query=query, source=source, reliability=reliability, agent=agent,
        limit=limit, **connection,
    )  # fmt: skip
    with listing:
        try:
            entries = listing._client.send(listing.call())
        except _FAILED as failure:
            return listing.fall_back(failure)
    return listing.answer(entries)


async def alist_models(
    kind: Kind | None = None,
    capabilities: Capability | Iterable[Capability] | None = None,
    *,
    query: str | None = None,
    source: Source | None = None,
    reliability: Reliability | None = None,
    agent: bool | None = None,
    limit: int | None = None,
    **connection: Any,
) -> list[Model]:
    """As `list_models`."""
    listing = _asked(
        kind=kind, capabilities=capabilities, query=query, source=source, reliability=reliability, agent=agent,
        limit=limit, **connection,
    )  # fmt: skip
    async with listing:
        try:
            entries = await listing._client.asend(listing.call())
        except _FAILED as failure:
            return listing.fall_back(failure)
    return listing.answer(entries)
