"""What the emulator received."""

from __future__ import annotations

from typing import Any

from langchain_pollinations.emulator import Emulator


def sent(emulator: Emulator) -> dict[str, Any]:
    """The JSON of the newest request."""
    return emulator.requests[-1].json


def asked_models(emulator: Emulator) -> list[str]:
    """The model of each request."""
    return [request.json["model"] for request in emulator.requests]
