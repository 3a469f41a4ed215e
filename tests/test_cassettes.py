"""The exact bytes of our requests, held by cassettes; and nothing in these that is nobody's business."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from langchain_pollinations import ChatPollinations, PollinationsImage
from tests.cassettes import connection
from tests.conftest import WAYS

CASSETTES = Path(__file__).parent / "cassettes"


@pytest.fixture
def service(request: pytest.FixtureRequest) -> dict[str, Any]:
    return connection(request)


@pytest.mark.vcr
@pytest.mark.parametrize("way", WAYS)
def test_a_question(service: dict[str, Any], way: str) -> None:
    answer = WAYS[way](ChatPollinations(**service, seed=7), "Name a sea.")
    assert answer.text
    assert answer.usage_metadata is not None


@pytest.mark.vcr
def test_a_tool_call_and_its_result(service: dict[str, Any]) -> None:
    def depth(sea: str) -> int:
        """Depth of a sea, in metres."""
        return 459

    model = ChatPollinations(**service).bind_tools([depth])
    call = model.invoke("What is the depth of the sea 'Baltic'? Use the tool.")
    assert call.tool_calls[0]["args"] == {"sea": "Baltic"}
    result = {"role": "tool", "content": "459", "tool_call_id": call.tool_calls[0]["id"]}
    assert "459" in model.invoke([("user", "How deep is the Baltic?"), call, result]).text


@pytest.mark.vcr
def test_a_picture(service: dict[str, Any]) -> None:
    picture = PollinationsImage(**service, width=64, height=64, seed=7).generate("a red kite")
    assert picture.mime_type == "image/jpeg"


@pytest.mark.vcr
def test_a_picture_by_post(service: dict[str, Any]) -> None:
    assert PollinationsImage(**service, width=64, height=64, seed=7).generate("100% kite").url


@pytest.mark.parametrize("path", sorted(CASSETTES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_a_cassette_holds_no_key_and_no_cookie(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"\b(sk|pk|ag)_[A-Za-z0-9]", text)
    assert not re.search(r"cookie|bearer", text, re.I)
    assert ("x-emulator" in text) == ("emulator" in path.parts)
