"""A tool and a schema for models, and the usage that a message keeps."""

from __future__ import annotations

from typing import Any

from langchain_core.tools import tool
from pydantic import BaseModel, Field


@tool
def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"Sunny in {city}"


class Joke(BaseModel):
    """A joke to tell."""

    setup: str = Field(description="the question")
    punchline: str


def without_zeros(usage: dict[str, Any]) -> dict[str, Any]:
    """Usage in `response_metadata`: without nulls, and without the zeros that `usage_metadata` has too."""
    kept = {**usage}
    for name in ("prompt_tokens_details", "completion_tokens_details"):
        if isinstance(usage.get(name), dict):
            kept[name] = {key: count for key, count in usage[name].items() if count}
    return {key: value for key, value in kept.items() if value is not None and value != {}}
