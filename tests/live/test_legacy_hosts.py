"""The few tests that ask the two older hosts themselves, without a key: `make test-live-legacy`.

They keep the pace that is asked of everybody, so they take some minutes, and are for now and then.
POLLINATIONS_LIVE_TEXT_URL and POLLINATIONS_LIVE_IMAGE_URL may name other servers that speak for the hosts.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from langchain_pollinations.catalog import list_models
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.errors import UnknownModelError
from langchain_pollinations.images import PollinationsImage
from tests.helpers.ask import WAYS

ADDRESSES = {"legacy_text_url": "POLLINATIONS_LIVE_TEXT_URL", "legacy_image_url": "POLLINATIONS_LIVE_IMAGE_URL"}


@pytest.fixture
def hosts() -> dict[str, Any]:
    """Arguments of a wrapper. The pace is left as it is."""
    elsewhere = {field: os.environ[name] for field, name in ADDRESSES.items() if name in os.environ}
    return {"api": "legacy", "progress": False, **elsewhere}


@pytest.fixture
def fresh(hosts: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a model whose answers nobody has had before: the hosts keep answers for a long time."""
    return {**hosts, "seed": -1}


@pytest.mark.parametrize("way", ["invoke", "astream"])
def test_it_answers(fresh: dict[str, Any], way: str) -> None:
    answer = WAYS[way](ChatPollinations(**fresh), "Answer with the name of one sea.")
    assert answer.text
    assert answer.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize("route", ["get", "post"])
def test_it_answers_plainly(fresh: dict[str, Any], route: str) -> None:
    assert ChatPollinations(**fresh, route=route).invoke("Answer with the name of one sea.").text


def test_it_calls_tools(fresh: dict[str, Any]) -> None:
    def depth(sea: str) -> int:
        """Depth of a sea, in metres."""
        return 459

    (call,) = (
        ChatPollinations(**fresh).bind_tools([depth], tool_choice="any").invoke("How deep is the Baltic?").tool_calls
    )
    assert call["name"] == "depth"
    assert "Baltic" in call["args"]["sea"]


def test_it_answers_with_json(fresh: dict[str, Any]) -> None:
    model = ChatPollinations(**fresh).with_structured_output(method="json_mode")
    assert isinstance(model.invoke("Name one sea, as a JSON object with the field `name`."), dict)


def test_it_draws(hosts: dict[str, Any]) -> None:
    picture = PollinationsImage(**hosts, width=256, height=256, seed=-1).generate("a red kite over the sea")
    assert picture.mime_type.startswith("image/")
    assert picture.width == picture.height == 256


def test_it_lists_its_models(hosts: dict[str, Any]) -> None:
    """Those that we know, under each of their names: a change is worth a release."""
    [text], [image] = list_models("text", **hosts), list_models("image", **hosts)
    assert text.id == "openai-fast"
    assert "openai" in text.aliases
    assert image.id == "sana"


def test_it_does_not_know_mistral_any_more(fresh: dict[str, Any]) -> None:
    """The original document names it; if it came back, we would want to know."""
    with pytest.raises(UnknownModelError):
        ChatPollinations(**fresh, model="mistral").invoke("Hello")
