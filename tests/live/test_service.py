"""The few tests that ask the service itself, for a little pollen: `make test-live` with POLLINATIONS_API_KEY set.

POLLINATIONS_LIVE_URL may name another server that speaks for the service.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from pydantic import BaseModel

from langchain_pollinations.audio import PollinationsSpeech
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.embeddings import PollinationsEmbeddings
from langchain_pollinations.errors import UnknownModelError
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.transcription import PollinationsTranscriber
from langchain_pollinations.uploads import upload
from tests.helpers.ask import Ask

URL = os.environ.get("POLLINATIONS_LIVE_URL", "https://gen.pollinations.ai")


class Sea(BaseModel):
    """A sea of this planet."""

    name: str


@pytest.fixture
def service() -> dict[str, Any]:
    return {"base_url": URL, "api_key": os.environ["POLLINATIONS_LIVE_KEY"]}


def test_it_answers(service: dict[str, Any], ask: Ask) -> None:
    answer = ask(ChatPollinations(**service, seed=-1), "Answer with the name of one sea.")
    assert answer.text
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] > 0
    assert answer.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize("route", ["get", "post"])
def test_it_answers_on_the_plain_routes(service: dict[str, Any], route: Any) -> None:
    answer = ChatPollinations(**service, seed=-1, route=route).invoke("Answer with the name of one sea.")
    assert answer.text
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] > 0


def test_it_calls_tools(service: dict[str, Any], ask: Ask) -> None:
    def depth(sea: str) -> int:
        """Depth of a sea, in metres."""
        return 459

    model = ChatPollinations(**service).bind_tools([depth], tool_choice="any")
    (call,) = ask(model, "How deep is the Baltic?").tool_calls
    assert call["name"] == "depth"
    assert "Baltic" in call["args"]["sea"]


@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
def test_it_fills_schemas(service: dict[str, Any], method: Any) -> None:
    sea = ChatPollinations(**service).with_structured_output(Sea, method=method).invoke("Describe the sea 'Baltic'.")
    assert isinstance(sea, Sea)
    assert "Baltic" in sea.name


@pytest.mark.parametrize("prompt", ["a red kite over the sea", "a kite, 100% red"], ids=["GET", "POST"])
def test_it_draws(service: dict[str, Any], prompt: str) -> None:
    picture = PollinationsImage(**service, width=256, height=256, seed=7).generate(prompt)
    assert picture.mime_type.startswith("image/")
    assert picture.url
    assert picture.url.startswith("http")


@pytest.mark.parametrize("seed", [None, 7], ids=["as a form", "as JSON"])
def test_it_changes_pictures(service: dict[str, Any], seed: int | None) -> None:
    """Both forms of the request, of which the older one is said to take no seed."""
    painter = PollinationsImage(**service, width=256, height=256)
    picture = painter.generate("a red kite over the sea", seed=7)
    edited = painter.edit("make it night", picture, model="klein", seed=seed)
    assert edited.mime_type.startswith("image/")
    assert edited.data != picture.data


def test_it_keeps_what_is_uploaded_and_draws_from_it(service: dict[str, Any]) -> None:
    picture = PollinationsImage(**service, width=256, height=256, seed=7).generate("a red kite over the sea")
    stored = upload(picture, **service)
    assert stored.size == len(picture.data)
    assert PollinationsImage(**service, model="klein").generate("the same kite in snow", image=stored.url).data


def test_it_speaks_and_listens(service: dict[str, Any]) -> None:
    speech = PollinationsSpeech(**service, response_format="wav").generate("Whales sleep upright.")
    assert speech.mime_type == "audio/wav"
    document = PollinationsTranscriber(**service, language="en").transcribe(speech)
    assert "whales" in document.page_content.lower()
    assert document.metadata["duration"] > 0.5


def test_it_embeds(service: dict[str, Any]) -> None:
    vectors = PollinationsEmbeddings(**service, dimensions=256).embed_documents(["a whale", "a seal", "a tax form"])
    whale, seal, form = vectors
    assert [len(vector) for vector in vectors] == [256] * 3

    def nearness(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    assert nearness(whale, seal) > nearness(whale, form)


def test_it_knows_its_models(service: dict[str, Any]) -> None:
    with pytest.raises(UnknownModelError):
        ChatPollinations(**service, model="no-such-model").invoke("Hello")
