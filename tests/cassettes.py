"""How cassettes are recorded and played: the settings of vcrpy, and the connection that a recording test uses.

`make record` records against the emulator, `make record-live` (with `POLLINATIONS_API_KEY` set) against the service,
into a folder of its own. Played back, no server is there: what the client sends must be what it sent then.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from langchain_tests.conftest import base_vcr_config

LIVE = os.environ.get("POLLINATIONS_RECORD") == "live"

_KEPT_HEADERS = ("content-type", "link", "retry-after", "cache-control", "x-cache-type", "x-emulator")


def connection(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Arguments for a wrapper: the emulator while recording, nobody while playing."""
    if request.config.getoption("--record-mode") in (None, "none"):
        return {"base_url": "https://gen.pollinations.ai", "api_key": "sk_cassette"}
    if LIVE:
        return {"api_key": os.environ["POLLINATIONS_LIVE_KEY"]}
    emulator: Any = request.getfixturevalue("pollinations_emulator")
    return dict(emulator.connection())


def _one_origin(request: Any) -> Any:
    """The emulator's port changes from run to run; in a cassette all requests go to the service, and what the emulator
    serves under /media to its media host."""
    parts = urlsplit(request.uri)
    if parts.hostname == "media.pollinations.ai":
        return request
    host, path = "gen.pollinations.ai", parts.path
    if path.startswith("/media/"):
        host, path = "media.pollinations.ai", path.removeprefix("/media")
    request.uri = urlunsplit(("https", host, path, parts.query, ""))
    return request


def _scrubbed(response: dict[str, Any]) -> dict[str, Any]:
    """Keeps the headers that carry meaning; cookies, ids and dates go."""
    response["headers"] = {
        name: value
        for name, value in response["headers"].items()
        if name.lower() in _KEPT_HEADERS or name.lower().startswith(("x-model-", "x-usage-"))
    }
    return response


@pytest.fixture(scope="session")
def vcr_config() -> dict[str, Any]:
    config = base_vcr_config()
    config.pop("cassette_library_dir")
    config.pop("record_mode")
    config.update(
        filter_headers=[("authorization", "PLACEHOLDER"), ("user-agent", None), ("cookie", None), ("host", None)],
        before_record_request=_one_origin,
        before_record_response=_scrubbed,
    )
    return config


@pytest.fixture(scope="module")
def vcr_cassette_dir(request: pytest.FixtureRequest) -> str:
    folder = "live" if LIVE else "emulator"
    return str(request.path.parent / "cassettes" / folder / request.path.stem)
