"""Requests for the service's model lists."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, get_args

import httpx
from pydantic import Field, ValidationError, ValidationInfo, field_validator

from langchain_pollinations import errors
from langchain_pollinations._catalog.records import Capability, Kind, Model, Reliability, Source, _from_snapshot
from langchain_pollinations._catalog.snapshot import _load_data
from langchain_pollinations._config.host_choice import LegacyConfig
from langchain_pollinations._config.identity import __version__
from langchain_pollinations._legacy.models import models_request
from langchain_pollinations._transport.call_settings import merge_extra_headers
from langchain_pollinations._transport.error_response import parse_json, unexpected_response
from langchain_pollinations._transport.request import ApiRequest
from langchain_pollinations._transport.timeouts import Timeout
from langchain_pollinations._validation import format_validation_error, invalid_request
from langchain_pollinations._warnings import warn
from langchain_pollinations.errors import PollinationsError

_LISTS: Mapping[str | None, str] = {None: "/models", "realtime": "/models"}
"""Paths of lists that are not `/{kind}/models`. Realtime models have no list of their own."""
_MIXED = ("image", "realtime")
"""Kinds whose list also contains models of other kinds."""


def _read_all(entries: Iterable[Any]) -> list[Model]:
    """Parse the entries of a live list. An invalid entry is omitted, with a warning that names it."""
    models, unread = [], []
    for entry in entries:
        try:
            models.append(Model.model_validate({**entry, "origin": "live"} if isinstance(entry, dict) else entry))
        except ValidationError as error:
            name = entry.get("name") if isinstance(entry, dict) else None
            unread.append(f"{name or 'an entry without a name'} ({format_validation_error(error)})")
    if unread:
        warn(f"Omitted from the list because they cannot be parsed: {'; '.join(unread)}")
    return models


# --- Lists ------------------------------------------------------------------------------------------------------------

_FAILED = (errors.APIConnectionError, errors.RequestTimeoutError, errors.ServiceError)
"""Errors after which the snapshot is used. Other 4xx errors concern the request itself and are raised."""

_WORDS: Mapping[str, tuple[str, ...]] = {
    "kind": get_args(Kind),
    "capabilities": get_args(Capability),
    "source": get_args(Source),
    "reliability": get_args(Reliability),
}


class ModelList(LegacyConfig):
    """A request for models: its connection, its filters, and the fallback to the snapshot."""

    _KEY_REQUIRED: ClassVar[bool] = False

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
        return "embeddings" if kind == "embedding" else kind  # entries of the service use the singular

    @field_validator("capabilities", mode="before")
    @classmethod
    def _listed(cls, words: Any) -> Any:
        if not isinstance(words, str | Iterable | None):
            raise ValueError("must be a string or a list of strings")
        return (words,) if isinstance(words, str) else tuple(words or ())

    @field_validator(*_WORDS)
    @classmethod
    def _known(cls, value: Any, info: ValidationInfo) -> Any:
        words = _WORDS[info.field_name or ""]
        for word in value if isinstance(value, tuple) else [value]:
            if word is not None and word not in words:
                close = difflib.get_close_matches(word, words, n=1, cutoff=0.47)  # matches tool_calling for tools
                # A word without a match is not repeated in the message: it might be a misplaced API key.
                unknown = f"unknown word {word!r}, did you mean {close[0]!r}?" if close else "unknown word."
                raise ValueError(f"{unknown} Allowed: {', '.join(words)}")
        return value

    def call(self) -> ApiRequest[list[Any]]:
        if self._uses_legacy:
            return models_request(self._legacy_hosts(), self.kind, self._params())
        return ApiRequest("GET", _LISTS.get(self.kind, f"/{self.kind}/models"), parse_list, {"params": self._params()})

    def _params(self) -> dict[str, str | int]:
        params = {
            "capabilities": ",".join(self.capabilities),
            "query": (self.query or "").strip(),
            "source": self.source,
            "reliability": self.reliability,
            "agent": None if self.agent is None else str(self.agent).lower(),
            "limit": None if self.kind in _MIXED else self.limit,  # would count other kinds, see `answer`
        }
        return {name: value for name, value in params.items() if value}

    def answer(self, entries: list[Any]) -> list[Model]:
        """Parse the entries of a live list, without models of other kinds."""
        models = _read_all(entries)
        if self.kind in _MIXED:
            models = [model for model in models if model.kind == self.kind]
        return models[: self.limit]

    def fall_back(self, failure: PollinationsError) -> list[Model]:
        """Return the records of the snapshot that match the filters, and issue a warning."""
        if self._uses_legacy:
            raise failure  # there is no snapshot of the legacy hosts' models
        warn(
            f"The service returned no list of models; the snapshot of official models that ships with "
            f"langchain-pollinations-ai {__version__} is used instead: {failure}"
        )
        models = map(_from_snapshot, _load_data("models.json"))
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


def parse_list(response: httpx.Response) -> list[Any]:
    """Return the entries of a list.

    Raises:
        PollinationsError: If the body is an error object; the class depends on the error.
        InvalidResponseError: If the response is not a list of models.
    """
    try:
        entries = response.json()
    except (ValueError, RecursionError) as error:
        raise unexpected_response(response, "list of models") from error
    if isinstance(entries, dict):
        parse_json(response, "list of models")
    if not isinstance(entries, list) or (entries and not any(isinstance(entry, dict) for entry in entries)):
        raise unexpected_response(response, "list of models")
    return entries


def _list_request(connection: dict[str, Any], **filters: Any) -> ModelList:
    try:
        return ModelList(**filters, **merge_extra_headers(connection))
    except ValidationError as error:
        raise invalid_request(error) from None
