"""What a response costs: worked examples for each kind of price, computed by hand, and costs of real responses."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest

from langchain_pollinations import (
    ChatPollinations,
    PollenMeter,
    Pollinations3D,
    PollinationsEmbeddings,
    PollinationsImage,
    PollinationsMusic,
    PollinationsSpeech,
    PollinationsTranscriber,
    PollinationsVideo,
)
from langchain_pollinations._catalog.costs import cost_of, expected_price, header_units, usage_units
from langchain_pollinations._transport.metering import SENT_BEFORE, amount_text
from langchain_pollinations.emulator import Emulator
from tests.helpers.ask import WAYS, Ask

DETAILS = {"prompt_tokens_details": {"cached_tokens": 400}, "completion_tokens_details": {"reasoning_tokens": 50}}
CLAUDE = {"prompt_tokens_details": {"cached_tokens": 2000, "cache_write_tokens": 1000}}
AUDIO = {"prompt_tokens_details": {"audio_tokens": 300}, "completion_tokens_details": {"audio_tokens": 500}}
IMAGES = {"prompt_tokens_details": {"image_tokens": 258, "audio_tokens": 100, "video_tokens": 1000}}

USAGE = [
    # 1,000 in, 200 out: 1,000 x 0.15/M + 200 x 0.9375/M
    pytest.param("openai", {"prompt_tokens": 1000, "completion_tokens": 200}, "0.0003375", id="tokens"),
    # 600 x 0.15/M + 400 x 0.015/M + 200 x 0.9375/M: reasoning without a price of its own costs as text
    pytest.param("openai", {"prompt_tokens": 1000, "completion_tokens": 200, **DETAILS}, "0.0002835", id="cached"),
    # 500 x 5/M + 2,000 x 0.5/M + 1,000 x 6.25/M + 100 x 25/M
    pytest.param(
        "claude-opus-5", {"prompt_tokens": 3500, "completion_tokens": 100, **CLAUDE}, "0.01225", id="cache write"
    ),
    # 100 x 1.875/M + 300 x 24/M + 20 x 7.5/M + 500 x 48/M
    pytest.param(
        "openai/gpt-audio-1.5", {"prompt_tokens": 400, "completion_tokens": 520, **AUDIO}, "0.0315375", id="audio"
    ),
    # 142 x 0.1055/M + 258 x 0.1055/M + 100 x 0.3165/M + 1,000 x 0.1055/M + 10 x 0.422/M
    pytest.param(
        "google/gemini-2.5-flash-lite",
        {"prompt_tokens": 1500, "completion_tokens": 10, **IMAGES},
        "0.00018357",
        id="image, audio and video tokens",
    ),
    # 100 x 0.4/M + 30 x 4/M + 70 x 4/M
    pytest.param(
        "qwen/qwen3-vl-235b-a22b-thinking",
        {"prompt_tokens": 100, "completion_tokens": 100, "completion_tokens_details": {"reasoning_tokens": 70}},
        "0.00044",
        id="reasoning tokens",
    ),
    # 272,000 x 1.875/M, and one token more: 272,001 x 3.75/M
    pytest.param("openai/gpt-5.4", {"prompt_tokens": 272_000, "completion_tokens": 0}, "0.51", id="short prompt"),
    pytest.param("openai/gpt-5.4", {"prompt_tokens": 272_001, "completion_tokens": 0}, "1.02000375", id="long prompt"),
    # 32,000 x 0.1055/M: the threshold of this model is inclusive, and it has a second one
    pytest.param("qwen/qwen3.7-flash", {"prompt_tokens": 32_000, "completion_tokens": 0}, "0.003376", id="from 32,000"),
    pytest.param("qwen/qwen3.7-flash", {"prompt_tokens": 256_000, "completion_tokens": 0}, "0.054016", id="256,000"),
    # 1,000 x 0.04431/M, the response is free
    pytest.param("jev", {"prompt_tokens": 1000, "completion_tokens": 50}, "0.00004431", id="free response"),
    pytest.param("openai/gpt-6-sol", {"prompt_tokens": 1000, "completion_tokens": 50}, None, id="no price known"),
    pytest.param("flux", {"prompt_tokens": 9, "completion_tokens": 9}, None, id="no price of these units"),
    pytest.param("community/somebody/model", {"prompt_tokens": 9, "completion_tokens": 9}, None, id="unknown model"),
    pytest.param("openai", {}, None, id="no usage"),
    pytest.param("openai", {"prompt_tokens": "many", "completion_tokens": None}, None, id="malformed usage"),
    pytest.param("openai", {"prompt_tokens": -9, "completion_tokens": 1e300}, None, id="impossible usage"),
    pytest.param("openai", {"prompt_tokens": 10, "prompt_tokens_details": 5}, "0.0000015", id="malformed details"),
]


@pytest.mark.parametrize(("model", "usage", "cost"), USAGE)
def test_the_cost_of_a_chat_is_usage_times_price(model: str, usage: dict[str, Any], cost: str | None) -> None:
    assert cost_of(httpx.Response(200), model, usage_units(usage)).text == cost


HEADERS = [
    pytest.param("flux", {"completion-image-tokens": "1"}, (), "0.002", id="image"),
    pytest.param("black-forest-labs/flux.2-pro", {"completion-image-tokens": "4"}, (), "0.045", id="4 megapixels"),
    # 1,048,576 x 0.02/M
    pytest.param(
        "qwen/qwen-image-2.1", {"completion-image-tokens": "1048576"}, (), "0.02097152", id="millionths of a megapixel"
    ),
    # 12 x 1.5/M + 258 x 1.875/M + 1,056 x 6/M
    pytest.param(
        "gptimage",
        {"prompt-text-tokens": "12", "prompt-image-tokens": "258", "completion-image-tokens": "1056"},
        (),
        "0.00683775",
        id="image by token",
    ),
    pytest.param("qwen/qwen-image", {"completion-image-tokens": "1"}, ("edit",), "0.03", id="edit"),
    pytest.param(
        "x-ai/grok-imagine-image-2.0", {"completion-image-tokens": "1"}, ("low_1k", "1k"), "0.0422", id="low quality"
    ),
    # 8 x 0.08 + 8 x 0.02
    pytest.param(
        "veo", {"completion-video-seconds": "8", "completion-audio-seconds": "8"}, ("720p",), "0.8", id="video seconds"
    ),
    # 8 x 0.1 + 8 x 0.02: the variant has a price for the video only
    pytest.param(
        "veo", {"completion-video-seconds": "8", "completion-audio-seconds": "8"}, ("1080p",), "0.96", id="1080p"
    ),
    # 2.5 x 0.14 + 5 x 0.14
    pytest.param(
        "alibaba/wan-3.0",
        {"prompt-video-seconds": "2.5", "completion-video-seconds": "5"},
        ("video_in_720p", "video_in", "720p"),
        "1.05",
        id="seconds of a reference",
    ),
    pytest.param("tts-1", {"completion-audio-tokens": "120"}, (), "0.0018", id="characters"),
    pytest.param("fish-audio/s2.1-pro", {"completion-audio-tokens": "200"}, (), "0.003165", id="bytes"),
    pytest.param("google/lyria-3-clip-preview", {"completion-audio-tokens": "1"}, (), "0.04", id="request"),
    pytest.param("elevenlabs/music-v2", {"completion-audio-seconds": "30.5"}, (), "0.07625", id="seconds of music"),
    # 20 x 0.5/M + 250 x 9/M
    pytest.param(
        "google/gemini-3.8-flash-tts",
        {"prompt-text-tokens": "20", "completion-audio-tokens": "250"},
        (),
        "0.00226",
        id="speech by token",
    ),
    pytest.param("whisper", {"prompt-audio-seconds": "60"}, (), "0.00271666668", id="seconds of a recording"),
    # 60 x 0.000063888889
    pytest.param(
        "assemblyai/universal-3.5-pro",
        {"prompt-audio-seconds": "60"},
        ("diarization", "diarization"),
        "0.00383333334",
        id="speaker labels",
    ),
    pytest.param("trellis-2", {"completion-image-tokens": "1"}, ("high",), "0.35", id="3D"),
    pytest.param("flux", {}, (), None, id="no usage"),
    pytest.param("flux", {"completion-image-tokens": "nan"}, (), None, id="no number"),
    pytest.param("flux", {"completion-image-tokens": "-1"}, (), None, id="negative"),
    pytest.param("flux", {"completion-image-tokens": "1e999999999"}, (), None, id="too large to be written"),
    pytest.param("flux", {"completion-image-tokens": "1e-999999999"}, (), None, id="too small to be written"),
    pytest.param("flux", {"total-tokens": "5"}, (), None, id="only a sum"),
]


@pytest.mark.parametrize(("model", "usage", "variants", "cost"), HEADERS)
def test_the_cost_of_media_is_that_of_the_units_in_the_headers(
    model: str, usage: dict[str, str], variants: tuple[str, ...], cost: str | None
) -> None:
    response = httpx.Response(200, headers={f"x-usage-{name}": value for name, value in usage.items()})
    assert cost_of(response, model, header_units(response.headers), variants).text == cost


@pytest.mark.parametrize(
    ("headers", "extensions", "cost", "is_stored"),
    [
        ({"x-cache-type": "GENERATED"}, {}, "0.000015", False),
        ({"x-cache-type": "EXACT"}, {}, "0", True),
        ({"x-cache-type": "COALESCED"}, {}, "0", True),
        ({"x-cache-type": "EXACT"}, {SENT_BEFORE: True}, "0.000015", False),  # a retry gets the first attempt's result
        ({"x-model-used": "openai/gpt-5.4"}, {}, "0.0001875", False),  # the service chose another model
        ({"x-model-used": "openai/gpt-5.4-nano:azure"}, {}, "0.000015", False),
        ({"x-model-used": "internal/model"}, {}, None, False),
    ],
)
def test_the_headers_decide_what_is_billed(
    headers: dict[str, str], extensions: dict[str, Any], cost: str | None, is_stored: bool
) -> None:
    response = httpx.Response(200, headers=headers, extensions=extensions)
    found = cost_of(response, "openai", {"promptTextTokens": Decimal(100)})
    assert (found.text, found.is_stored) == (cost, is_stored)


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "0"), ("1E-9", "0.000000001"), ("0.500", "0.5"), ("100", "100"), ("1E+2", "100"), ("0.0", "0")],
)
def test_an_amount_is_written_without_an_exponent(amount: str, text: str) -> None:
    assert amount_text(Decimal(amount)) == text


# --- Real responses ---------------------------------------------------------------------------------------------------


def balance(emulator: Emulator) -> Decimal:
    return Decimal(str(emulator.keys["sk_emulator"]["balance"]))


@pytest.mark.parametrize("way", WAYS)
def test_a_chat_has_its_cost(emulator: Emulator, way: str) -> None:
    before = balance(emulator)
    chat = ChatPollinations(**emulator.connection(), model="openai", stream_usage=way == "stream")
    message = WAYS[way](chat, "Name three seas.")
    cost = message.response_metadata["cost"]
    assert Decimal(cost) == before - balance(emulator) > 0
    assert "cached" not in message.response_metadata
    if "stream" not in way:
        again = WAYS[way](chat, "Name three seas.").response_metadata
        assert (again["cost"], again["cached"]) == ("0", True)
        assert before - balance(emulator) == Decimal(cost)


@pytest.mark.parametrize("route", ["get", "post"])
def test_the_plain_routes_have_a_cost_too(emulator: Emulator, ask: Ask, route: Any) -> None:
    before = balance(emulator)
    message = ask(ChatPollinations(**emulator.connection(), route=route), "Name three seas.")
    assert Decimal(message.response_metadata["cost"]) == before - balance(emulator) > 0


def test_an_unknown_price_leaves_no_cost(emulator: Emulator) -> None:
    message = ChatPollinations(**emulator.connection(), model="openai/gpt-6-sol").invoke("Hi")
    assert "cost" not in message.response_metadata


def test_the_legacy_hosts_are_free(emulator: Emulator) -> None:
    settings: dict[str, Any] = {**emulator.legacy.connection(), "legacy_interval": 0}
    with PollenMeter(budget=0) as meter:
        assert ChatPollinations(**settings).invoke("Hi").response_metadata["cost"] == "0"
        assert PollinationsImage(**settings).generate("a cat").cost == "0"
    assert (meter.total, sum(each.requests for each in meter.by_model().values())) == (0, 2)


@pytest.mark.parametrize("in_order", ["chat", "media"])
def test_every_result_costs_what_the_service_charges(emulator: Emulator, in_order: str) -> None:
    """The emulator charges by its own table of prices."""
    connection = emulator.connection()
    start = balance(emulator)
    with PollenMeter() as meter:
        costs = [Decimal(each or "NaN") for each in COSTS[in_order](connection)]
    assert sum(costs) + sum(each.cost for each in meter.by_model().values() if "embed" in each.model) == meter.total
    assert meter.total == start - balance(emulator)
    assert min(costs) == 0 < meter.total


PNG = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)


def _chats(connection: dict[str, Any]) -> list[str | None]:
    image = {"type": "image_url", "image_url": {"url": PNG}}
    chats = [
        ChatPollinations(**connection, model=model).invoke(given)
        for model, given in (
            ("openai", "Name three seas."),
            ("deepseek", "Name three seas."),
            ("claude-haiku-4.5", [("user", [{"type": "text", "text": "What is this?"}, image])]),
            ("openai", "Name three seas."),
        )
    ]
    PollinationsEmbeddings(**connection).embed_documents(["a", "b"])
    return [chat.response_metadata.get("cost") for chat in chats]


def _media(connection: dict[str, Any]) -> list[str | None]:
    painter = PollinationsImage(**connection)
    cat = painter.generate("a cat")
    speech = PollinationsSpeech(**connection).generate("Hello there")
    video = PollinationsVideo(**connection, progress=False)
    media = [
        cat,
        painter.generate("a cat"),
        painter.edit("make it red", cat),
        painter.edit("make it red", cat, model="qwen/qwen-image"),
        painter.generate("a cat", model="black-forest-labs/flux.2-pro", width=2048, height=1024),
        painter.generate("a cat", model="x-ai/grok-imagine-image-2.0", quality="low", resolution="2k"),
        painter.generate("a cat", model="gptimage"),
        video.generate("a wave", duration=4),
        video.generate("a wave", duration=4, resolution="1080p", audio=True),
        video.generate("a wave " * 2000, duration=4),  # too long for a URL
        speech,
        PollinationsSpeech(**connection, model="google/gemini-3.8-flash-tts", voice="Kore").generate(
            "Hello there. " * 1000
        ),
        PollinationsMusic(**connection).generate("a waltz", duration=10),
        Pollinations3D(**connection).generate("", image=cat.url, resolution="high"),
    ]
    transcript = PollinationsTranscriber(**connection).transcribe(speech)
    return [each.cost for each in media] + [transcript.metadata["cost"]]


COSTS = {"chat": _chats, "media": _media}

KINDS = (
    "openai",
    "openai:azure",
    "gptimage",
    "flux",
    "veo",
    "tts-1",
    "elevenlabs/music-v2",
    "whisper",
    "trellis-2",
    "openai-3-small",
    "klein",
)


@pytest.mark.parametrize("model", KINDS)
def test_the_price_of_each_kind_can_be_expected(model: str) -> None:
    found = expected_price(model, tokens=10, characters=40, images=1)
    assert found is not None
    assert found > 0
