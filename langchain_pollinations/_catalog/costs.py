"""Costs of responses in pollen: usage, multiplied by the prices of the snapshot. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx

from langchain_pollinations._catalog.records import Model, find
from langchain_pollinations._catalog.snapshot import abilities
from langchain_pollinations._transport.metering import FREE, SENT_BEFORE, Cost, Units

# --- Usage ------------------------------------------------------------------------------------------------------------


def usage_units(usage: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return the units of the usage object of a chat response. Each token counts in one unit only.

    The service reports the details of the prompt and the response within their totals.
    """
    into, out = _details(usage, "prompt_tokens_details"), _details(usage, "completion_tokens_details")
    prompt = {
        "promptCachedTokens": _first(
            into.get("cached_tokens"), usage.get("cached_input_tokens"), usage.get("cache_read_input_tokens")
        ),
        "promptCacheWriteTokens": _first(into.get("cache_write_tokens"), usage.get("cache_creation_input_tokens")),
        "promptAudioTokens": _first(into.get("audio_tokens")),
        "promptImageTokens": _first(into.get("image_tokens")),
        "promptVideoTokens": _first(into.get("video_tokens")),
    }
    completion = {
        "completionReasoningTokens": _first(out.get("reasoning_tokens"), usage.get("reasoning_tokens")),
        "completionAudioTokens": _first(out.get("audio_tokens")),
    }
    found = {
        "promptTextTokens": _first(usage.get("prompt_tokens")) - sum(prompt.values()),
        "completionTextTokens": _first(usage.get("completion_tokens")) - sum(completion.values()),
        **prompt,
        **completion,
    }
    return {unit: count for unit, count in found.items() if count > 0}


def header_units(headers: Mapping[str, str]) -> dict[str, Decimal]:
    """Return the units in the `x-usage-*` headers of a response. `x-usage-total-tokens`, a sum, is not one of them."""
    names = (name for name in headers if name.lower().startswith(_PREFIX))
    found = {_unit(name): _decimal(headers[name]) for name in names if not name.lower().endswith("total-tokens")}
    return {unit: count for unit, count in found.items() if count}


_PREFIX = "x-usage-"


def _unit(header: str) -> str:
    first, *rest = header.lower().removeprefix(_PREFIX).split("-")
    return first + "".join(word.capitalize() for word in rest)


def _details(usage: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    details = usage.get(key)
    return details if isinstance(details, Mapping) else {}


def _first(*counts: Any) -> Decimal:
    """Return the first count above zero. Providers fill different fields."""
    for given in counts:
        if given and (count := _decimal(given)) > 0:  # most counts are absent or 0
            return count
    return FREE


def _decimal(value: Any) -> Decimal:
    """Return a count. Return 0 for any other value, such as a negative number."""
    if type(value) is int and 0 <= value < MAX_COUNT:  # as most counts are
        return Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return FREE
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return FREE
    return number if number.is_finite() and MIN_COUNT <= number < MAX_COUNT else FREE


MIN_COUNT, MAX_COUNT = Decimal("1e-9"), Decimal("1e15")
"""Bounds of a count. The exponent of a `Decimal` has no bounds, so its text may be too long for the memory."""


# --- Prices -----------------------------------------------------------------------------------------------------------

_SAME_PRICE: Mapping[str, str] = {
    "promptCachedTokens": "promptTextTokens",
    "promptCacheWriteTokens": "promptTextTokens",
    "promptAudioTokens": "promptTextTokens",
    "promptImageTokens": "promptTextTokens",
    "promptVideoTokens": "promptTextTokens",
    "completionReasoningTokens": "completionTextTokens",
    "completionAudioTokens": "completionTextTokens",
}
"""Units without a price of their own are billed as text tokens of the same side."""


def prices(model: Model, units: Units, variants: Iterable[str] = ()) -> Mapping[str, Decimal]:
    """Return the prices of a request. Empty if the prices of the model are unknown.

    Args:
        model: The record of the model.
        units: The usage. Some models have higher prices for a long prompt. They apply to the whole request.
        variants: Names of the price variants that the options of the request select, such as `1080p`. The first that
            the model has applies.
    """
    if not model.pricing_variants:
        return model.prices
    known = {variant.name: variant for variant in model.pricing_variants}
    chosen = next((known[name] for name in variants if name in known), None)
    prompt = sum((count for unit, count in units.items() if unit.startswith("prompt")), FREE)
    for variant in model.pricing_variants:  # the last that applies has the highest threshold
        bound = _LONG_PROMPT.fullmatch(variant.label)
        if bound and (prompt > int(bound[2]) or (bound[1] == ">=" and prompt == int(bound[2]))):
            chosen = variant
    return model.prices if chosen is None else {**model.prices, **chosen.prices}


_LONG_PROMPT = re.compile(r"(>=?) ?(\d+) prompt tokens")


def canonical(model: str) -> str:
    """Return the canonical id of a model, or the given name if the snapshot lacks the model."""
    record = _record(model)
    return model if record is None else record.id


def _record(model: str) -> Model | None:
    return find(model) or find(model.partition(":")[0])  # a suffix names a variant of the same model


def price_of(model: str, units: Units, variants: Iterable[str] = ()) -> Decimal | None:
    """Return the price of a usage in pollen. None if the price is unknown, or there is no usage.

    A unit without any price is free: the service omits prices of zero. If no unit has a price, the price is unknown:
    the model is billed in other units. Fees for web searches within a response are not in the usage, so they are not
    included.
    """
    record = _record(model)
    return None if record is None else _price(record, units, variants)


def _price(model: Model, units: Units, variants: Iterable[str]) -> Decimal | None:
    per_unit = prices(model, units, variants)
    each = [
        count * price
        for unit, count in units.items()
        if (price := per_unit.get(unit, per_unit.get(_SAME_PRICE.get(unit, "")))) is not None
    ]
    return sum(each, FREE) if each else None


TYPICAL_COMPLETION = 500
"""Expected tokens of a response without `max_tokens`."""
TYPICAL_SECONDS = {"video": 8, "audio": 30}
"""Expected seconds of a response without a duration, by the kind of the model."""
IMAGE_TOKENS = {"prompt": 258, "completion": 1056}
"""Expected tokens of an image, for models that are billed by token."""
VIDEO_TOKENS = 20_000
"""Expected tokens of a second of video."""
AUDIO_TOKENS = 25
"""Expected tokens of a second of audio, or of 15 characters of speech."""


def expected_price(
    model: str,
    *,
    tokens: int = 0,
    completion: int | None = None,
    characters: int = 0,
    images: int = 0,
    pixels: int = 1024 * 1024,
    seconds: float | None = None,
    variants: Iterable[str] = (),
) -> Decimal | None:
    """Return the expected price of a request in pollen. None if the prices of the model are unknown.

    Args:
        model: The requested model.
        tokens: Tokens of the prompt.
        completion: Maximum tokens of the response.
        characters: Characters of a text that is spoken.
        images: Number of reference images.
        pixels: Pixels of the requested image.
        seconds: Duration of the recording in the request, or of the requested media.
        variants: See `prices`.
    """
    record = _record(model)
    if record is None or not record.prices:
        return None
    by_token = record.kind != "text" and "promptTextTokens" in record.prices
    length = Decimal(str(seconds or record.default_duration or TYPICAL_SECONDS.get(record.kind, 0)))
    per_unit = abilities(record.id).get("pixels_per_unit", pixels)  # most models are billed by image
    spoken = characters * AUDIO_TOKENS // 15 if by_token else characters
    expected: dict[str, Decimal | int] = {
        "promptTextTokens": tokens,
        "completionTextTokens": TYPICAL_COMPLETION if completion is None else completion,
        "promptImageTokens": images * (IMAGE_TOKENS["prompt"] if by_token else 1),
        "completionImageTokens": IMAGE_TOKENS["completion"] if by_token else -(-pixels // per_unit),
        "completionVideoSeconds": length,
        "completionVideoTokens": length * VIDEO_TOKENS,
        "completionAudioSeconds": length,
        "completionAudioTokens": 1 if record.flat_rate else spoken,
        "promptAudioSeconds": length,
        "promptAudioTokens": 1 if record.flat_rate else length * AUDIO_TOKENS,
    }
    units = {unit: Decimal(count) for unit, count in expected.items() if unit in record.prices}
    if record.kind == "text":
        units = {unit: count for unit, count in units.items() if unit in ("promptTextTokens", "completionTextTokens")}
    return price_of(model, units, variants)


STORED = frozenset({"EXACT", "COALESCED", "SEMANTIC"})
"""Values of the header `X-Cache-Type` of a response that is not billed (the last: legacy host)."""


def cost_of(response: httpx.Response, requested: str, units: Units, variants: Iterable[str] = ()) -> Cost:
    """Return the cost of a response.

    Args:
        response: The response. Its body is not used.
        requested: The requested model. A header names the model that responded, which may be another.
        units: The usage.
        variants: See `prices`.
    """
    headers = response.headers
    is_stored = is_free(headers.get("x-cache-type"), response)
    return cost_of_model(headers.get("x-model-used") or requested, is_stored, units, variants)


def is_free(cache_type: str | None, response: httpx.Response) -> bool:
    """Whether a response with this `X-Cache-Type` was stored and is not billed.

    A retry after a lost connection may receive the stored result of the first attempt. The first attempt was billed.
    """
    return cache_type in STORED and not response.extensions.get(SENT_BEFORE)


def cost_of_model(model: str, is_stored: bool, units: Units, variants: Iterable[str] = ()) -> Cost:
    """Return the cost of a usage of a model. A stored response is free."""
    record = _record(model)
    name = model if record is None else record.id
    price = None if record is None else _price(record, units, variants)
    return Cost(name, FREE, is_stored=True, saved=price) if is_stored else Cost(name, price, units)
