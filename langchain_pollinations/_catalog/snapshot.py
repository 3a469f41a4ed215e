"""The list of models that ships with the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

# --- The snapshot -----------------------------------------------------------------------------------------------------


@cache  # constant data of the package, read when first needed
def load_snapshot() -> Mapping[str, Mapping[str, Any]]:
    """Entries of the service's own list (`GET /models`), under each name and alias."""
    return {name: entry for entry in _load_data("models.json") for name in (entry["name"], *entry["aliases"])}


@cache  # constant data as well
def _load_unlisted() -> Mapping[str, Mapping[str, Any]]:
    """Official models that the lists show no more, and that may answer all the same. Their aliases may mean others."""
    return {entry["name"]: entry for entry in _load_data("unlisted.json")}


@cache  # constant data as well
def _load_abilities() -> Mapping[str, Mapping[str, Any]]:
    table: Mapping[str, Mapping[str, Any]] = _load_data("abilities.json")
    return table


def _load_data(name: str) -> Any:
    return json.loads(files("langchain_pollinations").joinpath("data", name).read_text("utf-8"))


def known(model: Any) -> Mapping[str, Any]:
    """The snapshot's entry of a model, as the service writes it; empty for one that it does not know."""
    if not isinstance(model, str):
        return {}
    return load_snapshot().get(model) or _load_unlisted().get(model) or {}


def abilities(model: str) -> Mapping[str, Any]:
    """What the service documents of a model, by id or alias, and tells in no list, such as how many dimensions its
    vectors may have; empty for one that `data/abilities.json` does not know. The entry `publisher/*` there holds for
    each model of a publisher."""
    table = _load_abilities()
    return {**table.get(f"{publisher(model)}/*", {}), **table.get(known(model).get("name", model), {})}


def publisher(model: str) -> str:
    """Who makes a model, `openai` for instance: models of one maker understand each other's signed reasoning."""
    canonical = str(known(model).get("name", model))
    return canonical.rpartition("/")[0] or canonical
