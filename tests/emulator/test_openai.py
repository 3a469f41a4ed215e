"""The official OpenAI client works against the emulator, and meets the errors it knows."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import openai
import pytest

from langchain_pollinations.emulator import Emulator
from langchain_pollinations.emulator.scripting.dialects import DIALECTS


@pytest.fixture
def client(emulator: Emulator) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{emulator.url}/v1", api_key="sk_emulator", max_retries=0) as client:
        yield client


HELLO = [{"role": "user", "content": "Explain tides"}]
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def test_chat(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="openai", messages=HELLO)
    assert "tides" in (answer.choices[0].message.content or "")
    assert answer.usage is not None and answer.usage.prompt_tokens_details is not None


def test_streamed_chat(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="openai", messages=HELLO, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "tides" in text and chunks[-1].usage is not None


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect(client: openai.OpenAI, emulator: Emulator, dialect: str) -> None:
    emulator.reply(message={"content": "High tide.", "reasoning_content": "Hm."}, dialect=dialect, times=2)
    answer = client.chat.completions.create(model="openai", messages=HELLO)
    chunks = list(client.chat.completions.create(model="openai", messages=HELLO, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == answer.choices[0].message.content and text.endswith("High tide.")
    assert chunks[-1].usage is not None and chunks[-1].usage == answer.usage


def test_tools(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="openai", messages=HELLO, tools=[WEATHER], tool_choice="required")
    [call] = answer.choices[0].message.tool_calls or []
    assert call.type == "function" and call.function.name == "get_weather"


def test_pictures(client: openai.OpenAI, emulator: Emulator) -> None:
    data = client.images.generate(model="flux", prompt="a kite", size="256x256", response_format="b64_json").data
    assert data and base64.b64decode(data[0].b64_json or "").startswith(b"\xff\xd8")
    linked = client.images.generate(model="flux", prompt="a kite", size="256x256", response_format="url").data
    assert linked and (linked[0].url or "").startswith(emulator.url)


def test_embeddings(client: openai.OpenAI) -> None:
    model = "openai/text-embedding-3-small"
    packed = client.embeddings.create(model=model, input=["a", "b"], dimensions=256)  # asks for base64 by itself
    assert [len(item.embedding) for item in packed.data] == [256, 256]
    assert client.embeddings.create(model=model, input="a", encoding_format="float").data[0].embedding


def test_models(client: openai.OpenAI) -> None:
    assert "openai/gpt-5.4-nano" in {model.id for model in client.models.list()}


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("no key", openai.AuthenticationError),
        ("model not allowed for the key", openai.PermissionDeniedError),
        ("model unknown", openai.BadRequestError),
        ("content policy", openai.UnprocessableEntityError),
        ("edge limiter", openai.RateLimitError),
        ("provider 500", openai.InternalServerError),
        ("edge page", openai.InternalServerError),
        ("drop", openai.APIConnectionError),
    ],
)
def test_errors(client: openai.OpenAI, emulator: Emulator, case: str, kind: type[Exception]) -> None:
    emulator.fail(case)
    with pytest.raises(kind):
        client.chat.completions.create(model="openai", messages=HELLO)


def test_an_error_inside_a_stream(client: openai.OpenAI, emulator: Emulator) -> None:
    emulator.fail("stream error", after=2)
    with pytest.raises(openai.APIError, match="without terminal usage"):
        list(client.chat.completions.create(model="openai", messages=HELLO, stream=True))
