"""Fixtures for the emulator's own tests: plain HTTP at its socket, and the service's contract where it is at hand."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from langchain_pollinations.emulator import Emulator

KEY = {"authorization": "Bearer sk_emulator"}
CONTRACT = Path(
    os.environ.get("POLLINATIONS_CONTRACT", Path(__file__).resolve().parents[2].parent / "shared" / "contract")
)

Say = Callable[..., httpx.Response]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the client use the emulator with all versions, so its own tests run once."""
    folder = Path(__file__).parent
    for item in items:
        if folder in item.path.parents:
            item.add_marker("once")


@pytest.fixture
def http(emulator: Emulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=emulator.url, headers=KEY, timeout=60, verify=False) as client:  # plain http, no TLS
        yield client


@pytest.fixture
def say(http: httpx.Client) -> Say:
    """Ask the chat route: a text or a list of messages, and any further fields."""

    def ask(words: str | list[dict[str, Any]], **fields: Any) -> httpx.Response:
        messages = [{"role": "user", "content": words}] if isinstance(words, str) else words
        return http.post("/v1/chat/completions", json={"messages": messages, **fields})

    return ask


@pytest.fixture(scope="session")
def fits(contract: Path) -> Callable[[str, Any], None]:
    """Check a value against a schema of the contract."""

    def check(name: str, value: Any) -> None:
        schema = json.loads((contract / f"{name}.schema.json").read_text())
        errors = [error.message for error in Draft202012Validator(schema).iter_errors(value)]
        assert errors == []

    return check


def events(text: str) -> list[dict[str, Any]]:
    """The JSON of a stream's events; it has to end with [DONE]."""
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]
