"""The cost of media: an estimate before the request, and the cost in a result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from langchain_pollinations._catalog.costs import STORED, canonical, expected_price, header_units, price_of
from langchain_pollinations._catalog.records import find
from langchain_pollinations._media.references import as_list
from langchain_pollinations._transport.metering import FREE, Billing, Cost
from langchain_pollinations.media import Media


def media_billing(kind: str, options: Any, prompt: str) -> Billing:
    """Return how a request for a `Media` is billed.

    Args:
        kind: Category of the model: `image`, `video`, `audio` or `3d`.
        options: The options of the request.
        prompt: The prompt, or the text that is spoken.
    """

    def cost(media: Media) -> Cost:
        return cost_of_media(media, price_variants(options))

    return Billing(kind, canonical(options.model), partial(_estimate, options, prompt), cost)


def free_media(kind: str, model: str) -> Billing:
    """Return the billing of a request to a legacy host."""
    return Billing(kind, model, lambda: FREE, lambda media: Cost(media.model or model, FREE))


def cost_of_media(media: Media, variants: Sequence[str] = ()) -> Cost:
    return cost_of_fields(media.model or "", media.cost, media.metadata, variants)


def cost_of_fields(model: str, cost: str | None, metadata: Mapping[str, Any], variants: Sequence[str] = ()) -> Cost:
    """Return the cost in the fields of a `Media`. `variants` are the price variants of a stored one."""
    name = canonical(model)
    units = header_units({name: str(value) for name, value in metadata.items() if name.startswith("x-usage-")})
    amount = None if cost is None else Decimal(cost)
    if metadata.get("cache_type") in STORED and amount == 0:
        return Cost(name, FREE, is_stored=True, saved=price_of(name, units, variants))
    return Cost(name, amount, units)


def _estimate(options: Any, prompt: str) -> Decimal | None:
    return expected_price(
        options.model,
        tokens=len(prompt) // 4 + 1,
        characters=len(prompt),
        images=_count(options, "image", "first_frame", "last_frame", "reference_images"),
        pixels=(getattr(options, "width", None) or 1024) * (getattr(options, "height", None) or 1024),
        seconds=getattr(options, "duration", None),
        variants=price_variants(options),
    )


def _count(options: Any, *names: str) -> int:
    return sum(len(as_list(getattr(options, name, None))) for name in names)


def price_variants(options: Any) -> list[str]:
    """Return the names of the price variants that the options of a request select, the most specific first.

    The names combine the resolution, the quality and the kind of the references (`pricing_variants` of the catalog).
    """
    model = find(options.model)
    if model is None or not model.pricing_variants:
        return []
    resolution = getattr(options, "resolution", None) or (model.resolutions[0] if model.resolutions else "")
    return list(_VARIANTS.get(model.kind, _plain)(options, resolution))


def _plain(options: Any, resolution: str) -> Iterator[str]:
    yield resolution


def _of_image(options: Any, resolution: str) -> Iterator[str]:
    if _count(options, "image"):
        yield "edit"
    yield f"{options.quality or 'medium'}_{resolution}"
    yield resolution


def _of_video(options: Any, resolution: str) -> Iterator[str]:
    if _count(options, "reference_videos"):
        yield from (f"video_in_{resolution}", "video_in")
    if _count(options, "first_frame", "last_frame", "reference_images"):
        yield f"{resolution}_image"
    yield resolution


_VARIANTS: Mapping[str, Callable[[Any, str], Iterator[str]]] = {"image": _of_image, "video": _of_video}
