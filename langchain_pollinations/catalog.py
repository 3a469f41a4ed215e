"""The models of the service, from the snapshot that ships with the package."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any

from langchain_core.language_models import ModelProfile

from langchain_pollinations.errors import UnknownModelError


@cache  # constant data of the package, read when first needed
def snapshot() -> Mapping[str, Mapping[str, Any]]:
    """Entries of the service's own list (`GET /models`), under each name and alias."""
    entries = json.loads(files("langchain_pollinations").joinpath("data/models.json").read_text("utf-8"))
    return {name: entry for entry in entries for name in (entry["name"], *entry["aliases"])}


def profile(model: str) -> ModelProfile | None:
    """What a model can do, in LangChain's words; None for a model that the snapshot does not know."""
    entry = snapshot().get(model)
    if entry is None or "input_modalities" not in entry:
        return None
    into, out = entry["input_modalities"], entry.get("output_modalities", [])
    parameters = entry.get("supported_parameters")
    known: dict[str, Any] = {
        "name": entry["title"],
        "max_input_tokens": entry.get("context_length"),
        "max_output_tokens": entry.get("max_completion_tokens"),
        "text_inputs": "text" in into,
        "image_inputs": "image" in into,
        "image_url_inputs": "image" in into,
        "audio_inputs": "audio" in into,
        "video_inputs": "video" in into,
        "text_outputs": "text" in out,
        "image_outputs": "image" in out,
        "audio_outputs": "audio" in out,
        "video_outputs": "video" in out,
        "reasoning_output": entry.get("reasoning"),
        "tool_calling": entry.get("tools"),
        "tool_choice": None if parameters is None else "tool_choice" in parameters,
        "structured_output": entry.get(
            "supports_structured_output", None if parameters is None else "response_format" in parameters
        ),
        "temperature": None if parameters is None else "temperature" in parameters,
    }
    found: ModelProfile = {key: value for key, value in known.items() if value is not None}  # type: ignore[assignment]
    return found


def close_matches(model: str, category: str | None = None) -> list[str]:
    """Names and aliases that look like `model`, best first."""
    names = [name for name, entry in snapshot().items() if category in (None, entry["category"])]
    by_tail = {name.rpartition("/")[2].lower(): name for name in names}
    close = difflib.get_close_matches(model.lower(), names, n=3, cutoff=0.6)
    close += [by_tail[tail] for tail in difflib.get_close_matches(model.lower(), by_tail, n=3, cutoff=0.6)]
    return list(dict.fromkeys(close))[:3]


@contextmanager
def suggesting(model: str, category: str) -> Iterator[None]:
    """Let the error for an unknown model name the models that were perhaps meant."""
    try:
        yield
    except UnknownModelError as error:
        if close := close_matches(model, category):
            error.message += f" Did you mean {' or '.join(map(repr, close))}?"
            error.args = (error.message,)
        raise
