"""The transport has code of its own for each of the four methods, so its tests use all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.ask import WAYS, Ask


@pytest.fixture(params=WAYS)
def ask(request: pytest.FixtureRequest) -> Ask:
    """`ask(model, input, **options)`: the same request by each of the four methods."""
    return WAYS[request.param]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the synchronous methods with aiohttp: they use httpx, as they do with httpx."""
    items[:] = [item for item in items if not _repeats_httpx(item)]


def _repeats_httpx(item: pytest.Item) -> bool:
    if item.path.parent != Path(__file__).parent or not isinstance(item, pytest.Function):
        return False
    params = item.callspec.params if hasattr(item, "callspec") else {}
    method = params.get("ask", params.get("way"))
    return "aiohttp" in (params.get("chat"), params.get("client")) and method in ("invoke", "stream")
