"""The model catalogue of the emulator. It is loaded from the package's snapshot of the service's models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from importlib.resources import files
from typing import Any

from langchain_pollinations.emulator.service import validation
from langchain_pollinations.emulator.service.error_responses import Refusal, model_unknown

Model = dict[str, Any]

DEFAULTS = {
    "text": "openai/gpt-5.4-nano",
    "image": "tongyi-mai/z-image-turbo",
    "images": "black-forest-labs/flux.1-schnell",
    "video": "google/veo-3.1-fast",
    "speech": "openai/tts-1",
    "timed": "elevenlabs/eleven-v3",
    "transcription": "openai/whisper-large-v3",
    "voice changer": "elevenlabs/eleven-multilingual-sts-v2",
    "voice isolator": "elevenlabs/voice-isolator",
    "embedding": "openai/text-embedding-3-small",
    "decision": "typesafe/jev-1.13",
    "3d": "microsoft/trellis-2",
}

# The snapshot has only official models. This agent stands for the models of the community.
COMMUNITY: tuple[Model, ...] = (
    {
        "name": "community/emulator/librarian",
        "aliases": ["emulator/librarian"],
        "category": "text",
        "publisher": "emulator",
        "community": True,
        "agent": True,
        "base_model": "openai/gpt-5.4-nano",
        "title": "Librarian",
        "description": "An agent that finds books with its own tools.",
        "pricing": {"currency": "pollen"},
        "input_modalities": ["text", "image"],
        "output_modalities": ["text"],
        "supported_endpoints": ["/v1/chat/completions", "/v1/messages", "/text/{prompt}"],
        "capabilities": ["tool_calling"],
        "tools": True,
        "reasoning": False,
        "context_length": 400000,
        "added_date": 1790812800000,
    },
)

# The snapshot has parameter names only; the lists return objects with a type.
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "max_tokens": {"type": "integer", "min": 0},
    "max_completion_tokens": {"type": "integer", "min": 0},
    "stream": {"type": "boolean"},
    "tools": {"type": "array"},
    "tool_choice": {"type": "string"},
    "response_format": {"type": "object"},
    "temperature": {"type": "number", "min": 0, "max": 2},
    "top_p": {"type": "number", "min": 0, "max": 1},
    "stop": {"type": "array"},
    "reasoning_effort": {"type": "enum", "enum": list(validation.EFFORTS)},
    "seed": {"type": "integer", "min": -1, "max": validation.SEED_MAX},
    "presence_penalty": {"type": "number", "min": -2, "max": 2},
    "frequency_penalty": {"type": "number", "min": -2, "max": 2},
    "repetition_penalty": {"type": "number", "min": 0, "max": 2},
    "top_k": {"type": "integer", "min": 0},
    "min_p": {"type": "number", "min": 0, "max": 1},
    "logprobs": {"type": "boolean"},
    "top_logprobs": {"type": "integer", "min": 0, "max": 20},
    "parallel_tool_calls": {"type": "boolean"},
    "include_reasoning": {"type": "boolean"},
    "structured_outputs": {"type": "boolean"},
    "n": {"type": "integer", "min": 1},
    "modalities": {"type": "array"},
    "search_domain_filter": {"type": "array"},
    "verbosity": {"type": "enum", "enum": ["low", "medium", "high"]},
}

V1_FIELDS = (
    "aliases", "category", "community", "title", "description", "input_modalities", "output_modalities",
    "supported_endpoints", "supported_parameters", "default_parameters", "agent", "base_model", "pricing",
    "capabilities", "tools", "reasoning", "context_length", "per_user_rpm",
)  # fmt: skip
UNLISTED_FIELDS = ("supports_structured_output", "max_completion_tokens")
LIST_CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "/models": (),
    "/text/models": ("text",),
    "/image/models": ("image", "video"),
    "/video/models": ("video",),
    "/audio/models": ("audio",),
    "/3d/models": ("3d",),
    "/embeddings/models": ("embedding",),
}
CATEGORY_ORDER = ("text", "image", "video", "audio", "embedding", "3d", "realtime")


def _read_snapshot() -> list[Model]:
    text = files("langchain_pollinations").joinpath("data/models.json").read_text(encoding="utf-8")
    models: list[Model] = json.loads(text)
    return models


class Catalog:
    """The models of the emulator, which can be found by name or alias."""

    def __init__(self, extra: Iterable[Model] = ()) -> None:
        self.models = [*_read_snapshot(), *COMMUNITY, *extra]
        self._by_name: dict[str, Model] = {}
        for model in self.models:
            for name in (model["name"], *model.get("aliases", [])):
                self._by_name.setdefault(name, model)

    def find(self, name: str) -> Model | None:
        return self._by_name.get(name)

    def resolve(self, name: str | None, default: str, endpoint: str, kind: str) -> Model:
        """Return the model that a request names, or the default model.

        Raises:
            Refusal: If the name is unknown or the model does not support the endpoint.
        """
        asked = (name or "").strip() or DEFAULTS[default]
        model = self.find(asked)
        if model is None:
            raise model_unknown(asked)
        if endpoint not in model.get("supported_endpoints", ()):
            category = model["category"]
            raise Refusal(
                400,
                f'Model "{asked}" is a {category} model and cannot be used on the {kind} endpoint. '
                f"Use the {category} endpoint instead.",
            )
        return model

    def priced(self, model: Model) -> Model:
        """Return a model with the prices that apply to its requests. An agent costs what its base model costs."""
        base = self.find(model.get("base_model") or "") if model.get("agent") else None
        return model if base is None else {**model, "pricing": base["pricing"]}

    def listed(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> list[Model]:
        """Return the models for a model list route. The query and the headers can filter them."""
        validation.against(validation.LIST_QUERY, query, "Query parameter")
        validation.against(validation.LIST_HEADERS, headers, "Header")
        wanted = LIST_CATEGORIES.get(path, ())
        chosen = [m for m in self.models if (not wanted or m["category"] in wanted) and _matches(m, query, headers)]
        chosen.sort(key=lambda m: CATEGORY_ORDER.index(m["category"]))
        return chosen[: int(validation.coerced_number(query["limit"]))] if query.get("limit") else chosen


def _matches(model: Model, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
    source = query.get("source") or headers.get("pollinations-model-source")
    if source is None and "community" in query:
        source = "community" if query["community"] in ("true", "1") else "official"
    if source is not None and model.get("community", False) != (source == "community"):
        return False
    if "agent" in query and bool(model.get("agent")) != (query["agent"] in ("true", "1")):
        return False
    asked = re.split(r"[,|]", query["capabilities"]) if query.get("capabilities") else []
    if not set(asked) <= set(model["capabilities"]):
        return False
    fields = (model["name"], *model["aliases"], model["title"], model.get("description", ""), model["publisher"])
    haystack = " ".join(fields).lower()
    return all(word in haystack for word in query.get("query", "").lower().split())


def _parameters(model: Model) -> dict[str, Any]:
    names = model.get("supported_parameters")
    if names is None:
        return {}
    return {"supported_parameters": [{"name": n, **PARAMETERS.get(n, {"type": "object"})} for n in names]}


def entry(model: Model) -> dict[str, Any]:
    """Return a model in the format of `/models` and of the routes for one category, such as `/image/models`."""
    return {k: v for k, v in model.items() if k not in UNLISTED_FIELDS} | _parameters(model)


def v1_entry(model: Model, created: int) -> dict[str, Any]:
    """Return a model in the format of `/v1/models`."""
    head = {"id": model["name"], "object": "model", "created": created, "owned_by": model["publisher"]}
    return head | {k: model[k] for k in V1_FIELDS if k in model} | _parameters(model)


# The unit whose price applies to a unit without a price.
SAME_PRICE = {
    "promptCachedTokens": "promptTextTokens",
    "promptCacheWriteTokens": "promptTextTokens",
    "promptAudioTokens": "promptTextTokens",
    "promptImageTokens": "promptTextTokens",
    "promptVideoTokens": "promptTextTokens",
    "completionReasoningTokens": "completionTextTokens",
    "completionAudioTokens": "completionTextTokens",
}


def cost(model: Model, units: Mapping[str, float]) -> Decimal:
    """Return the price of a usage in Pollen. A unit without a price is free.

    Some models have higher prices for a long prompt. They apply to the whole request.
    """
    prices: dict[str, str] = dict(model.get("pricing", {}))
    prompt = sum(count for unit, count in units.items() if unit.startswith("prompt"))
    for variant in model.get("pricing_variants", ()):
        threshold = re.match(r"(>=?)(\d+) prompt tokens", variant.get("label", ""))
        if threshold and prompt >= int(threshold[2]) + (threshold[1] == ">"):
            prices |= variant["pricing"]

    def price(unit: str) -> Decimal:
        return Decimal(prices.get(unit) or prices.get(SAME_PRICE.get(unit, ""), "0"))

    return sum((price(unit) * Decimal(str(count)) for unit, count in units.items()), Decimal(0))
