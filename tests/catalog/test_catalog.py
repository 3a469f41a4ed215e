"""The catalogue: what is asked of the service, how its lists read, and the snapshot that stands in."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import pickle
import runpy
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_type_hints

import httpx
import jsonschema
import pytest
from langchain_core.language_models import ModelProfile

from langchain_pollinations import catalog
from langchain_pollinations._catalog import records, snapshot
from langchain_pollinations._catalog.capabilities import close_matches
from langchain_pollinations._catalog.records import Model, find
from langchain_pollinations._catalog.snapshot import abilities, load_snapshot
from langchain_pollinations.catalog import alist_models, list_models
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import (
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)

Listed = Callable[..., list[Model]]

WAYS: dict[str, Listed] = {
    "list_models": list_models,
    "alist_models": lambda *args, **options: asyncio.run(alist_models(*args, **options)),
}

ENTRY: dict[str, Any] = {
    "name": "lab/one",
    "aliases": ["one"],
    "category": "text",
    "publisher": "Lab",
    "community": False,
    "title": "One",
    "pricing": {"currency": "pollen", "promptTextTokens": "0.00000015"},
    "capabilities": [],
}

ENTRIES = list({entry["name"]: entry for entry in load_snapshot().values()}.values())
IDS = [entry["name"] for entry in ENTRIES]


@pytest.fixture(params=WAYS)
def listed(request: pytest.FixtureRequest, emulator: Emulator) -> Listed:
    """`listed(...)`: a list of the emulator's, asked for in both ways."""

    def ask(*args: Any, **options: Any) -> list[Model]:
        return WAYS[request.param](*args, **{**emulator.connection(), "max_retries": 0, **options})

    return ask


def read(**fields: Any) -> Model:
    return Model.model_validate({**ENTRY, **fields})


# --- What is asked ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "path", "kinds"),
    [
        (None, "/models", {"text", "image", "video", "audio", "3d", "embeddings", "realtime"}),
        ("text", "/text/models", {"text"}),
        ("image", "/image/models", {"image"}),
        ("video", "/video/models", {"video"}),
        ("audio", "/audio/models", {"audio"}),
        ("3d", "/3d/models", {"3d"}),
        ("embeddings", "/embeddings/models", {"embeddings"}),
        ("embedding", "/embeddings/models", {"embeddings"}),
        ("realtime", "/models", {"realtime"}),  # has no list of its own
    ],
)
def test_a_kind_has_its_list(listed: Listed, emulator: Emulator, kind: str | None, path: str, kinds: set[str]) -> None:
    models = listed(kind)
    assert (emulator.requests[-1].method, emulator.requests[-1].path) == ("GET", path)
    assert {model.kind for model in models} == kinds
    assert {model.origin for model in models} == {"live"}


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({}, {}),
        ({"capabilities": "reasoning"}, {"capabilities": "reasoning"}),
        ({"capabilities": ["tool_calling", "web_search"]}, {"capabilities": "tool_calling,web_search"}),
        ({"capabilities": []}, {}),
        ({"query": " Gemini flash "}, {"query": "Gemini flash"}),
        ({"query": ""}, {}),
        ({"source": "official", "reliability": "all"}, {"source": "official", "reliability": "all"}),
        ({"agent": True}, {"agent": "true"}),
        ({"agent": False}, {"agent": "false"}),
        ({"kind": "text", "limit": 3}, {"limit": "3"}),
    ],
)
def test_what_the_caller_sets_is_sent_and_nothing_else(
    listed: Listed, emulator: Emulator, options: dict[str, Any], query: dict[str, str]
) -> None:
    listed(**options)
    assert emulator.requests[-1].query == query


def test_the_service_would_take_every_query(emulator: Emulator, contract: Path) -> None:
    for options in ({"source": "community"}, {"source": "official", "reliability": "all", "limit": 2}, {"agent": True}):
        list_models("text", "reasoning", query="x", **options, **emulator.connection())  # type: ignore[arg-type]
        schema = json.loads((contract / "models_list.query.schema.json").read_text("utf-8"))
        assert list(jsonschema.Draft202012Validator(schema).iter_errors(emulator.requests[-1].query)) == []


def test_a_limit_counts_what_is_given_back(listed: Listed) -> None:
    """Models of other kinds on the same list do not count: videos on that of images, all others for realtime."""
    assert len(listed("text", limit=3)) == 3
    assert {model.kind for model in listed("image", limit=50)} == {"image"}
    assert len(listed("image", limit=50)) == len(listed("image"))
    assert [model.kind for model in listed("realtime", limit=3)] == ["realtime"] * 3


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"kind": "imge"}, "kind: unknown word 'imge', did you mean 'image'"),
        ({"kind": "realtme"}, "kind: unknown word 'realtme', did you mean 'realtime'"),
        ({"kind": "ocr"}, "kind: unknown word. Allowed: text, image, video, audio, 3d, embeddings, realtime"),
        ({"capabilities": ["reasoning", "tools"]}, "capabilities: unknown word 'tools', did you mean 'tool_calling'"),
        ({"capabilities": 1}, "capabilities: must be a string or a list of strings"),
        ({"capabilities": [1]}, "capabilities.0"),
        ({"source": "oficial"}, "source: unknown word 'oficial', did you mean 'official'"),
        ({"reliability": "every"}, "reliability: unknown word. Allowed: reliable, all"),
        ({"agent": "yes"}, "agent: Input should be a valid boolean"),
        ({"limit": 0}, "limit: Input should be greater than or equal to 1"),
        ({"limit": True}, "limit: Input should be a valid integer"),
        ({"query": ["gemini"]}, "query: Input should be a valid string"),
        ({"limt": 3}, "unknown argument 'limt', did you mean 'limit'"),
        ({"base_url": "gen.pollinations.ai"}, "base_url must be an origin"),
        ({"kind": "sk_secret"}, "kind: unknown word. Allowed:"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_is_sent(
    listed: Listed, emulator: Emulator, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        listed(**options)
    assert told in str(caught.value)
    assert "sk_secret" not in str(caught.value)
    assert not emulator.requests


# --- Keys -------------------------------------------------------------------------------------------------------------


def test_a_list_needs_no_key(listed: Listed, emulator: Emulator) -> None:
    assert listed(api_key=None)
    assert "authorization" not in emulator.requests[-1].headers


def test_a_key_goes_into_the_header_only(listed: Listed, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_of_the_environment")
    emulator.keys["sk_of_the_environment"] = {}
    for key in ({}, {"api_key": "sk_emulator"}):
        listed("text", query="gemini", **key)
    WAYS["list_models"](base_url=emulator.url)
    told = [request.headers["authorization"] for request in emulator.requests]
    assert told == ["Bearer sk_emulator", "Bearer sk_emulator", "Bearer sk_of_the_environment"]
    assert not any("sk_" in f"{request.raw_path}{request.query}" for request in emulator.requests)


def test_a_key_sees_its_own_list(listed: Listed, emulator: Emulator) -> None:
    emulator.keys["sk_pictures"] = {"models": ["flux"]}
    emulator.keys["sk_poor"] = {"balance": 5, "paid": 0}
    assert [model.id for model in listed(api_key="sk_pictures")] == ["black-forest-labs/flux.1-schnell"]
    assert not any(model.paid_only for model in listed(api_key="sk_poor"))


def test_a_key_that_no_header_can_carry_is_refused(listed: Listed, emulator: Emulator) -> None:
    with pytest.raises(AuthenticationError, match="copy it again"):
        listed(api_key="sk_ä")
    assert not emulator.requests


def test_a_client_of_yours_is_used_and_left_open(emulator: Emulator) -> None:
    with httpx.Client(headers={"x-mine": "1"}) as mine:
        assert list_models("3d", http_client=mine, **emulator.connection())  # type: ignore[arg-type]
        assert emulator.requests[-1].headers["x-mine"] == "1"
        assert not mine.is_closed


# --- When the service gives no list -----------------------------------------------------------------------------------

NO_LISTS = [
    pytest.param({"body": "<html>Down for a while</html>", "content_type": "text/html"}, id="a page"),
    pytest.param({"body": b"", "content_type": "application/json"}, id="nothing"),
    pytest.param({"body": b'[{"name": "lab/o', "content_type": "application/json"}, id="half a list"),
    pytest.param({"body": {"object": "list", "data": [ENTRY]}}, id="another list"),
    pytest.param({"body": {"error": {"message": "busy"}}}, id="an error object"),
    pytest.param({"body": ["openai", "flux"]}, id="names alone"),
    pytest.param({"body": "12", "content_type": "application/json"}, id="a number"),
]


@pytest.mark.parametrize("answer", NO_LISTS)
def test_the_snapshot_stands_in_for_what_is_no_list(listed: Listed, emulator: Emulator, answer: dict[str, Any]) -> None:
    emulator.reply(**answer, on="/models")
    with pytest.warns(UserWarning, match="snapshot of official models that ships with"):
        models = listed()
    assert [model.id for model in models] == IDS
    assert {model.origin for model in models} == {"snapshot"}


@pytest.mark.parametrize("fault", [500, 502, 503, 504, 524, "drop", "cut", "stall"])
def test_the_snapshot_stands_in_for_a_service_that_fails(listed: Listed, emulator: Emulator, fault: int | str) -> None:
    emulator.fail(fault, on="/text/models", **({"seconds": 0.8} if fault == "stall" else {}))
    with pytest.warns(UserWarning, match="snapshot"):
        models = listed("text", timeout=0.3 if fault == "stall" else 5)
    assert {model.origin for model in models} == {"snapshot"}


@pytest.fixture
def nowhere() -> str:
    """An address that nobody listens at."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{place.getsockname()[1]}"


def test_the_warning_names_the_version_the_reason_and_the_callers_line(listed: Listed, nowhere: str) -> None:
    import langchain_pollinations

    with pytest.warns(UserWarning) as caught:
        listed(base_url=nowhere, api_key="sk_secret")
    (warning,) = caught
    assert f"langchain-pollinations-ai {langchain_pollinations.__version__}" in str(warning.message)
    assert f"The connection to {nowhere} failed" in str(warning.message)
    assert "sk_secret" not in str(warning.message)


async def test_the_warnings_point_at_who_asked(nowhere: str, emulator: Emulator) -> None:
    emulator.reply(body=[{}], on="/models", times=2)
    with pytest.warns(UserWarning) as caught:
        list_models(base_url=nowhere, max_retries=0)
        await alist_models(base_url=nowhere, max_retries=0)
        list_models(base_url=emulator.url)
        await alist_models(base_url=emulator.url)
    assert [warning.filename for warning in caught] == [__file__] * 4


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "image"},
        {"kind": "realtime", "query": "openai"},
        {"kind": "embeddings"},
        {"kind": "text", "capabilities": ["tool_calling", "reasoning"]},
        {"query": "GEMINI flash"},
        {"query": "openai-fast"},
        {"source": "community"},
        {"source": "official", "kind": "3d"},
        {"agent": True},
        {"agent": False, "limit": 7},
        {"kind": "video", "limit": 2},
        {"query": "no model is called so"},
    ],
)
def test_the_snapshot_is_filtered_as_the_service_filters(listed: Listed, nowhere: str, options: dict[str, Any]) -> None:
    live = listed(**options)
    with pytest.warns(UserWarning, match="snapshot"):
        instead = listed(**options, base_url=nowhere)
    assert [model.id for model in instead] == [model.id for model in live if not model.community]


def test_one_failure_is_no_reason_for_the_snapshot(emulator: Emulator) -> None:
    emulator.fail(503, on="/models")
    assert {model.origin for model in list_models(**emulator.connection())} == {"live"}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, InvalidRequestError), (401, AuthenticationError), (403, PermissionDeniedError), (404, NotFoundError)],
)
def test_what_the_service_says_of_the_request_is_for_the_caller(
    listed: Listed, emulator: Emulator, status: int, error: type[Exception]
) -> None:
    emulator.fail(status, on="/models")
    with pytest.raises(error):
        listed()


def test_too_many_requests_are_no_reason_for_the_snapshot(listed: Listed, emulator: Emulator) -> None:
    emulator.fail(429, headers={"retry-after": "1"}, on="/models")
    with pytest.raises(RateLimitError):
        listed()


# --- How an entry reads -----------------------------------------------------------------------------------------------


def test_all_that_an_entry_says_is_there() -> None:
    model = read(
        name="lab/film",
        category="video",
        brand_url="https://lab.example",
        pricing={"currency": "pollen", "completionVideoSeconds": "0.08"},
        pricing_variants=[
            {
                "name": "1080p",
                "label": "1080p",
                "description": "sharper",
                "pricing": {"currency": "pollen", "completionVideoSeconds": "0.1"},
            }
        ],
        pricing_adjustments=[
            {
                "name": "s",
                "label": "Search",
                "kind": "fee",
                "price": "14",
                "currency": "pollen",
                "quantity": 1000,
                "unit": "search",
            }
        ],
        pending_change={
            "effective_at": "2026-12-01T00:00:00Z",
            "paid_only": True,
            "pricing": {"currency": "pollen", "completionVideoSeconds": "0.09"},
        },
        input_modalities=["text", "image"],
        output_modalities=["video"],
        supported_endpoints=["/video/{prompt}"],
        resolutions=["720p", "1080p"],
        min_duration=0.5,
        max_duration=8,
        allowed_durations=[4, 6, 8],
        voices=["alloy"],
        paid_only=True,
        per_user_rpm=None,
        added_date=1764201600000,
        health={"status": "ok", "success_rate": 0.99, "requests": 50},
        brand_new={"field": 1},
    )
    assert (model.id, model.kind, model.aliases, model.endpoints) == (
        "lab/film",
        "video",
        ("one",),
        ("/video/{prompt}",),
    )
    assert model.prices == {"completionVideoSeconds": Decimal("0.08")}
    assert model.pricing_variants[0].prices == {"completionVideoSeconds": Decimal("0.1")}
    assert (model.pricing_adjustments[0].price, model.pricing_adjustments[0].quantity) == (14, 1000)
    assert model.pending_change is not None
    assert model.pending_change.prices == {"completionVideoSeconds": Decimal("0.09")}
    assert (model.min_duration, model.max_duration, model.allowed_durations) == (0.5, 8, (4, 6, 8))
    assert model.added_date == datetime(2025, 11, 27, tzinfo=UTC)
    assert (model.paid_only, model.per_user_rpm, model.tools) == (True, None, None)
    assert model.health == {"status": "ok", "success_rate": 0.99, "requests": 50}
    assert (model.brand_url, model.brand_new) == ("https://lab.example", {"field": 1})  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        pytest.param(
            {"supported_parameters": ["seed", "stop"]}, {"supported_parameters": ("seed", "stop")}, id="names"
        ),
        pytest.param(
            {"supported_parameters": [{"name": "seed", "type": "integer", "min": -1}, "stop"]},
            {"supported_parameters": ("seed", "stop"), "parameters": {"seed": {"type": "integer", "min": -1}}},
            id="objects",
        ),
        pytest.param({"supported_parameters": []}, {"supported_parameters": ()}, id="no parameters"),
        pytest.param({}, {"supported_parameters": None, "tools": None, "paid_only": None}, id="not told"),
        pytest.param({"capabilities": ["tool_calling"]}, {"tools": True, "reasoning": None}, id="tools as capability"),
        pytest.param({"capabilities": ["reasoning"], "reasoning": False}, {"reasoning": False}, id="told outright"),
        pytest.param({"category": "embedding"}, {"kind": "embeddings"}, id="embedding"),
        pytest.param({"category": "realtime"}, {"kind": "realtime"}, id="a kind without a list"),
        pytest.param({"publisher": None, "brand": "Old"}, {"publisher": "Old"}, id="the older word for publisher"),
        pytest.param(
            {"pricing": {"x": 0.00000015, "y": 2}}, {"prices": {"x": Decimal("0.00000015"), "y": 2}}, id="numbers"
        ),
        pytest.param({"pricing": {"currency": "pollen"}}, {"prices": {}}, id="no prices"),
        pytest.param({"max_completion_tokens": 16384}, {"max_output_tokens": 16384}, id="longest answer"),
        pytest.param({"context_length": 131072.0}, {"context_length": 131072}, id="a whole number with a point"),
    ],
)
def test_entries_read(fields: dict[str, Any], found: dict[str, Any]) -> None:
    model = read(**fields)
    assert {name: getattr(model, name) for name in found} == found


def test_a_record_is_short_to_see_and_a_good_citizen() -> None:
    model = read(capabilities=["reasoning"], paid_only=True, extra=1)
    assert repr(model) == "Model(id='lab/one', kind='text', capabilities=('reasoning',), paid_only=True, origin='live')"
    assert {model, pickle.loads(pickle.dumps(model))} == {model}
    assert Model.model_validate(model.model_dump()) == model
    assert Model.model_validate_json(model.model_dump_json()) == model
    with pytest.raises(ValueError, match="frozen"):
        model.id = "other"  # type: ignore[misc]


DAMAGED = [
    pytest.param({**ENTRY, "name": None}, "an entry without a name (id: Field required)", id="no name"),
    pytest.param({**ENTRY, "category": None}, "lab/one (kind: Field required)", id="no kind"),
    pytest.param({**ENTRY, "pricing": {"promptTextTokens": "free"}}, "lab/one (prices.promptTextTokens:", id="a price"),
    pytest.param({**ENTRY, "pricing": {"promptTextTokens": "NaN"}}, "lab/one (prices.promptTextTokens:", id="NaN"),
    pytest.param({**ENTRY, "pricing": "free"}, "lab/one (prices:", id="prices"),
    pytest.param({**ENTRY, "capabilities": 7}, "lab/one (capabilities:", id="capabilities"),
    pytest.param(
        {**ENTRY, "supported_parameters": [{"type": "x"}]}, "lab/one (supported_parameters.0:", id="parameter"
    ),
    pytest.param({**ENTRY, "aliases": "one"}, "lab/one (aliases:", id="aliases"),
    pytest.param("lab/one", "an entry without a name (", id="a name alone"),
    pytest.param(None, "an entry without a name (", id="null"),
]


@pytest.mark.parametrize(("damaged", "told"), DAMAGED)
def test_an_entry_that_cannot_be_read_is_named_and_the_others_are_there(
    listed: Listed, emulator: Emulator, damaged: Any, told: str
) -> None:
    emulator.reply(body=[damaged, {**ENTRY, "name": "lab/two"}], on="/models")
    with pytest.warns(UserWarning) as caught:
        models = listed()
    (warning,) = caught
    assert told in str(warning.message)
    assert [model.id for model in models] == ["lab/two"]


def test_an_empty_list_is_a_list(listed: Listed, emulator: Emulator) -> None:
    emulator.reply(body=[], on="/models")
    assert listed() == []


# --- The snapshot -----------------------------------------------------------------------------------------------------


def prices_as_told(pricing: dict[str, str]) -> dict[str, Decimal]:
    return {unit: Decimal(price) for unit, price in pricing.items() if unit != "currency"}


def test_every_official_model_has_a_record_and_a_profile() -> None:
    fields = set(get_type_hints(ModelProfile))
    for entry in ENTRIES:
        for name in (entry["name"], *entry["aliases"]):
            model = find(name)
            assert model is not None, name
            assert (model.id, model.origin) == (entry["name"], "snapshot")
        assert model is not None
        assert model.prices == prices_as_told(entry["pricing"]), model.id
        told = [prices_as_told(variant["pricing"]) for variant in entry.get("pricing_variants", [])]
        assert [variant.prices for variant in model.pricing_variants] == told, model.id
        profile = records.profile(entry["name"])
        assert profile == model.profile, model.id
        assert profile is not None, model.id
        assert profile["name"], model.id
        assert set(profile) <= fields, model.id
        assert None not in profile.values(), model.id


def test_the_snapshot_has_no_fields_of_its_own() -> None:
    """A leftover of an older list would be an attribute that nobody looks at."""
    models = [Model.model_validate(entry) for entry in ENTRIES]
    assert {name for model in models for name in model.model_extra or {}} == set()


def test_a_chat_model_takes_its_profile() -> None:
    for name in (entry["name"] for entry in ENTRIES if entry["category"] == "text"):
        profile = ChatPollinations(model=name, api_key="sk_x").profile  # type: ignore[arg-type]
        assert profile == records.profile(name), name
        assert profile is not None, name
        assert (profile["text_inputs"], profile["text_outputs"]) == (True, True), name


PROFILES = [
    pytest.param(
        "openai",
        {
            "name": "GPT-5.4 Nano",
            "max_input_tokens": 400_000,
            "text_inputs": True,
            "image_inputs": True,
            "image_url_inputs": True,
            "image_tool_message": True,
            "audio_inputs": False,
            "video_inputs": False,
            "text_outputs": True,
            "image_outputs": False,
            "audio_outputs": False,
            "video_outputs": False,
            "reasoning_output": False,
            "tool_calling": True,
            "tool_call_streaming": True,
            "tool_choice": True,
            "structured_output": True,
            "temperature": False,
        },
        id="all is known",
    ),
    pytest.param(
        "openai/gpt-6-sol", {"name": "gpt-6-sol", "text_inputs": True, "text_outputs": True}, id="figures are not known"
    ),
]


@pytest.mark.parametrize(("name", "profile"), PROFILES)
def test_a_profile_says_what_is_known_and_no_more(name: str, profile: dict[str, Any]) -> None:
    assert records.profile(name) == profile


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"reasoning": True, "supported_parameters": ["reasoning_effort"]}, {"reasoning_output": True}),
        (
            {
                "reasoning": True,
                "supported_parameters": [{"name": "reasoning_effort", "type": "enum", "enum": ["low", "high"]}],
            },
            {"reasoning_output": True, "reasoning_effort_levels": ["low", "high"]},
        ),
        ({"max_completion_tokens": 9, "alpha": True}, {"max_output_tokens": 9, "status": "alpha"}),
        ({"supports_structured_output": True, "supported_parameters": []}, {"structured_output": True}),
        (
            {"supports_structured_output": False, "supported_parameters": ["response_format"]},
            {"structured_output": False},
        ),
        ({"tools": False}, {"tool_calling": False}),
        (
            {"supported_parameters": ["tools", "tool_choice"]},
            {"tool_calling": True, "tool_call_streaming": True, "tool_choice": True},
        ),
        (
            {"supported_parameters": ["tools"]},
            {"tool_calling": True, "tool_call_streaming": True, "tool_choice": False},
        ),
        (
            {"name": "tencent/hy3", "supported_parameters": ["tools", "tool_choice"], "tools": True},
            {"tool_calling": True, "tool_call_streaming": True, "tool_choice": False},
        ),
    ],
)
def test_what_a_live_entry_says_makes_its_profile(fields: dict[str, Any], part: dict[str, Any]) -> None:
    profile = dict(read(**fields).profile)
    beside = {"name", "text_inputs", "text_outputs", "tool_choice", "structured_output", "temperature"}
    assert {key: value for key, value in profile.items() if key in part or key not in beside} == part


@pytest.mark.parametrize("name", ["community/somebody/model", "openai/gpt-99", "", "OPENAI"])
def test_a_model_that_the_snapshot_does_not_know_has_no_record_and_no_profile(name: str) -> None:
    assert find(name) is None
    assert records.profile(name) is None


@pytest.mark.parametrize("name", ["perplexity/sonar-pro", "perplexity/sonar-reasoning-pro"])
def test_what_the_service_may_still_answer_has_a_profile_but_is_not_offered(name: str) -> None:
    assert records.profile(name) is not None
    assert name not in IDS
    assert name not in close_matches(name)


def test_a_profile_is_yours_to_change() -> None:
    profile = records.profile("openai")
    assert profile is not None
    profile["name"] = "mine"
    assert records.profile("openai") != profile


@pytest.mark.parametrize(
    "name",
    ["anthropic/claude-fable-5.1", "anthropic/claude-opus-5.5", "tencent/hy4-preview", "tencent/hy3", "x-ai/grok-4.6"],
)
def test_a_model_whose_tools_cannot_be_forced_says_so(name: str) -> None:
    profile = records.profile(name)
    assert profile is not None
    assert (profile["tool_calling"], profile["tool_choice"]) == (True, False)


@pytest.fixture
def official(contract: Path) -> dict[str, dict[str, Any]]:
    """The official models of the reference, without those that are retired."""
    folder = contract.parent / "api"
    if not folder.is_dir():
        pytest.skip("the official lists are not beside the contract")
    media = json.loads((folder / "media-models.json").read_text("utf-8"))
    models: dict[str, dict[str, Any]] = json.loads((folder / "text-models.json").read_text("utf-8"))["models"]
    for kind in media.keys() - {"_meta"}:
        models |= {name: told for name, told in media[kind].items() if told.get("catalog_status") != "retired"}
    assert len(models) > 190
    return models


REFERENCE_NAMES = {"max_output": "max_completion_tokens", "supported_endpoints_expected": "supported_endpoints"}
"""Keys of the reference that the lists call otherwise."""
COMPARED = (
    "aliases", "title", "publisher", "input_modalities", "output_modalities", "context_length", "capabilities", "tools",
    "reasoning", "supports_structured_output", "supported_parameters", "max_completion_tokens", "is_specialized",
    "paid_only", "per_user_rpm", "flat_rate", "voices", "resolutions", "video_capabilities", "min_duration",
    "max_duration", "default_duration", "allowed_durations", "max_reference_images", "max_reference_videos",
)  # fmt: skip
REFERENCE_PRICES = ("pricing", "price_pollen")


def test_every_model_of_the_official_lists_has_a_profile(official: dict[str, dict[str, Any]]) -> None:
    assert [name for name in official if records.profile(name) is None] == []


def test_the_snapshot_says_what_the_reference_says(official: dict[str, dict[str, Any]]) -> None:
    """What the reference leaves unknown is not compared."""
    wrong = []
    for name, told in official.items():
        entry = snapshot.known(name)
        known = {REFERENCE_NAMES.get(key, key): value for key, value in told.items() if value is not None}
        if name not in IDS:  # the lists show it no more, and its aliases may mean another model
            del known["aliases"]
        differing = [key for key in known.keys() & set(COMPARED) if entry.get(key) != known[key]]
        prices = {unit: price for key in REFERENCE_PRICES for unit, price in known.get(key, {}).items()}
        wrong += [(name, key) for key in differing]
        # The reference leaves out that media models answer chats, too.
        wrong += [
            (name, route) for route in known.get("supported_endpoints", ()) if route not in entry["supported_endpoints"]
        ]
        wrong += [(name, unit) for unit, price in prices.items() if entry["pricing"].get(unit) != price]
    assert wrong == []


def test_abilities_that_no_list_tells_are_found_by_id_and_alias() -> None:
    assert abilities("cohere/embed-v4.0")["dimensions"] == [256, 512, 1024, 1536]
    assert abilities("embed-v4.0") == abilities("cohere/embed-v4.0")
    assert abilities("lab/newer") == {}


def test_abilities_are_those_of_official_models() -> None:
    table = json.loads((Path(catalog.__file__).parent / "data" / "abilities.json").read_text("utf-8"))
    assert table.keys() <= {*IDS, *(f"{name.rpartition('/')[0]}/*" for name in IDS)}
    assert {entry["name"] for entry in ENTRIES if entry["category"] == "embedding"} <= table.keys()


def test_formats_of_audio_are_those_of_the_reference(official: dict[str, dict[str, Any]]) -> None:
    """What ElevenLabs calls flac is raw samples, and is not offered."""
    given = {name: told["response_formats"] for name, told in official.items() if told.get("response_formats")}
    known = {name: abilities(name).get("response_formats") for name in given}
    wanted = {
        name: [each for each in formats if not (each == "flac" and name.startswith("elevenlabs/"))]
        for name, formats in given.items()
    }
    assert {name: known[name] for name in wanted} == wanted


# --- The script that writes the snapshot ------------------------------------------------------------------------------

SCRIPT = Path(__file__).parents[2] / "scripts" / "refresh_models.py"
SNAPSHOT = Path(catalog.__file__).parent / "data" / "models.json"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    copy = tmp_path / "models.json"
    copy.write_bytes(SNAPSHOT.read_bytes())
    return copy


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Any], str]:
    def save(answer: Any) -> str:
        file = tmp_path / "answer.json"
        file.write_text(answer if isinstance(answer, str) else json.dumps(answer), encoding="utf-8")
        return str(file)

    return save


def refresh(*arguments: str, target: Path) -> subprocess.CompletedProcess[str]:
    """Run the script in this process, since a new one would import everything again."""
    command = [str(SCRIPT), *arguments, "--to", str(target)]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(SCRIPT), run_name="__main__")
    return subprocess.CompletedProcess(command, int(ended.value.code or 0), out.getvalue(), err.getvalue())


def test_the_snapshot_is_what_the_script_makes_of_the_list(emulator: Emulator, target: Path) -> None:
    done = refresh("--base-url", emulator.url, target=target)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{len(IDS)} models, {len(IDS)} before\n"
    assert target.read_bytes() == SNAPSHOT.read_bytes()
    request = emulator.requests[-1]
    assert (request.path, request.query) == ("/models", {"source": "official", "reliability": "all"})
    assert "authorization" not in request.headers


def test_a_saved_answer_does_as_well(target: Path, saved: Callable[[Any], str]) -> None:
    kept = [{**entry, "health": {"status": "ok"}, "description": "Good."} for entry in ENTRIES[1:]]
    kept[0] = {**kept[0], "title": "Renamed", "pricing": {"currency": "pollen", "promptTextTokens": "0.5"}}
    new = {**ENTRY, "supported_parameters": [{"name": "seed", "type": "integer"}], "zeta": 1, "alpha": True}
    scout = next(entry for entry in kept if entry["name"] == "meta/llama-4-scout")
    del scout["max_completion_tokens"], scout["supports_structured_output"], scout["tools"]
    community = {**ENTRY, "name": "community/somebody/model", "aliases": [], "community": True}
    done = refresh(saved([new, *kept, community]), target=target)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "added    lab/one",
        f"removed  {IDS[0]}",
        *[line for line in done.stdout.splitlines() if line.startswith("changed")],
        f"{len(IDS)} models, {len(IDS)} before",
    ]
    assert f'changed  {IDS[1]}: title: "{ENTRIES[1]["title"]}" -> "Renamed"; pricing: ' in done.stdout
    assert "changed  meta/llama-4-scout: tools: false -> null\n" in done.stdout
    after = json.loads(target.read_text("utf-8"))
    assert [entry["name"] for entry in after] == ["lab/one", *IDS[1:]]
    assert list(after[0]) == [*list(ENTRY)[:7], "capabilities", "supported_parameters", "alpha", "zeta"]
    assert after[0]["supported_parameters"] == ["seed"]
    assert not any({"health", "description"} & entry.keys() for entry in after)
    scout = next(entry for entry in after if entry["name"] == "meta/llama-4-scout")
    assert (scout["max_completion_tokens"], scout["supports_structured_output"]) == (16384, False)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param([], f"0 models where there were {len(IDS)}", id="empty"),
        pytest.param(ENTRIES[:100], f"100 models where there were {len(IDS)}", id="less than half"),
        pytest.param([*ENTRIES, {**ENTRY, "aliases": ["openai"]}], "names of more than one model: openai", id="twice"),
        pytest.param([{**ENTRY, "title": None}], "lab/one: without title", id="a title missing"),
        pytest.param([{**ENTRY, "aliases": "one"}], "lab/one: aliases:", id="damaged"),
        pytest.param(["openai"], "openai: ", id="names alone"),
        pytest.param({"object": "list", "data": []}, "GET /models is a bare list", id="another list"),
        pytest.param("<html>", "Expecting value", id="a page"),
    ],
)
def test_a_list_to_doubt_changes_nothing(target: Path, saved: Callable[[Any], str], answer: Any, told: str) -> None:
    done = refresh(saved(answer), target=target)
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr
    assert target.read_bytes() == SNAPSHOT.read_bytes()


def test_force_takes_a_short_list(target: Path, saved: Callable[[Any], str]) -> None:
    done = refresh(saved(ENTRIES[:1]), "--force", target=target)
    assert done.returncode == 0
    assert [entry["name"] for entry in json.loads(target.read_text("utf-8"))] == IDS[:1]


def test_a_service_that_fails_changes_nothing(emulator: Emulator, target: Path) -> None:
    emulator.fail(500, on="/models")
    done = refresh("--base-url", emulator.url, target=target)
    assert done.returncode == 1
    assert "500" in done.stderr
    assert target.read_bytes() == SNAPSHOT.read_bytes()
