"""The snapshot of the model list that ships with the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

# --- The snapshot -----------------------------------------------------------------------------------------------------


@cache  # constant data of the package, read on first use
def load_snapshot() -> Mapping[str, Mapping[str, Any]]:
    """Return the entries of the service's list (`GET /models`), by name and alias."""
    return {name: entry for entry in _load_data("models.json") for name in (entry["name"], *entry["aliases"])}


@cache  # constant data
def _load_unlisted() -> Mapping[str, Mapping[str, Any]]:
    """Return official models that are no longer listed but may still respond, by name.

    Their aliases are omitted, because an alias may now belong to another model.
    """
    return {entry["name"]: entry for entry in _load_data("unlisted.json")}


@cache  # constant data
def _load_abilities() -> Mapping[str, Mapping[str, Any]]:
    table: Mapping[str, Mapping[str, Any]] = _load_data("abilities.json")
    return table


def _load_data(name: str) -> Any:
    return json.loads(files("langchain_pollinations").joinpath("data", name).read_text("utf-8"))


def known(model: Any) -> Mapping[str, Any]:
    """Return the snapshot's entry of a model in the service's format. It is empty if the snapshot lacks the model."""
    if not isinstance(model, str):
        return {}
    return load_snapshot().get(model) or _load_unlisted().get(model) or {}


def abilities(model: str) -> Mapping[str, Any]:
    """Return the abilities of a model, by id or alias, that the service documents but does not list, such as the
    allowed dimensions of vectors. They are read from `data/abilities.json`. An entry `publisher/*` in this file applies
    to every model of the publisher. The result is empty if the file has no entry for the model."""
    table = _load_abilities()
    return {**table.get(f"{publisher(model)}/*", {}), **table.get(known(model).get("name", model), {})}


def publisher(model: str) -> str:
    """Return the publisher of a model, such as `openai`. Models of a publisher accept each other's signed reasoning."""
    canonical = str(known(model).get("name", model))
    return canonical.rpartition("/")[0] or canonical
