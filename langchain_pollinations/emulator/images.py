"""The picture routes: `GET /image/{prompt}` and `POST /v1/images/generations`."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response

from . import cache, checks, generation, media, pictures, usage
from .cache import Stored
from .catalog import Model
from .generation import Job
from .refusals import Refusal
from .world import Asked, File, World

Json = dict[str, Any]

LARGEST = 4096
DEFAULT_SEED = 42
# Models whose own side length is not 1024.
SIDES = {
    "openai/gpt-image-1-mini": 1021,
    "google/gemini-3-pro-image": 2048,
    "bytedance/seedream-4.5": 2048,
}
SNAPPED = ((1024, 1024), (1536, 1024), (1024, 1536))
MULTIPLES_OF_16 = ("black-forest-labs/flux.2-pro", "black-forest-labs/flux.2-flex")


@dataclass(frozen=True)
class Order:
    """A picture as a request asks for it."""

    model: Model
    prompt: str
    width: int
    height: int
    seed: int
    transparent: bool = False
    quality: str = "medium"
    resolution: str | None = None
    images: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return str(self.model["name"])


def _side(model: Model, asked: int | None) -> int:
    return asked or SIDES.get(model["name"], 1024)


def _size(model: Model, width: int | None, height: int | None) -> tuple[int, int]:
    """The size a model draws when asked for one."""
    wide, high = _side(model, width), _side(model, height)
    if model["name"].startswith("openai/gpt-image") and (width or height):
        return min(SNAPPED, key=lambda size: abs(size[0] / size[1] - wide / high))
    return wide, high


def seed_of(value: Any) -> int:
    """The seed of a picture: the fixed one for none and -1, and below the limit."""
    try:
        seed = DEFAULT_SEED if value in (None, "") else int(float(value))
    except (TypeError, ValueError):
        return DEFAULT_SEED
    return DEFAULT_SEED if seed == -1 else seed % checks.SEED_MAX if seed > checks.SEED_MAX else seed


def is_true(value: Any) -> bool:
    return str(value).lower() == "true"


# What a model can do with an order; each check raises the service's refusal.


def _small_enough(order: Order) -> None:
    if max(order.width, order.height) > LARGEST:
        raise Refusal(400, f"Invalid parameters: width and height may be at most {LARGEST}")


def _sixteenths(order: Order) -> None:
    if order.name in MULTIPLES_OF_16 and (order.width % 16 or order.height % 16):
        raise Refusal(400, "Invalid image request: width and height must be multiples of 16")


def _resolution(order: Order) -> None:
    offered = order.model.get("resolutions") or []
    if order.resolution is not None and order.resolution not in offered:
        raise Refusal(400, f"Invalid parameters: resolution {order.resolution} is not available for {order.name}")


def _transparency(order: Order) -> None:
    if order.transparent and order.name == "openai/gpt-image-2":
        raise Refusal(400, "Invalid parameters: transparent is not supported by openai/gpt-image-2")


def _grok_quality(order: Order) -> None:
    if order.name == "x-ai/grok-imagine-image-2.0" and order.quality not in ("low", "medium"):
        raise Refusal(400, "Invalid parameters: quality must be low or medium for x-ai/grok-imagine-image-2.0")


def _references(order: Order) -> None:
    if not order.images:
        return
    if "image" not in order.model.get("input_modalities", ("image",)):
        raise Refusal(400, f"Invalid parameters: {order.name} does not take reference images")
    most = order.model.get("max_reference_images")
    if most is not None and len(order.images) > most:
        raise Refusal(400, f"This model supports at most {most} reference images")
    for url in order.images:
        check_address(url)


LOCAL = re.compile(r"localhost|.*\.localhost|\[.*\]|\d+(\.\d+){3}", re.IGNORECASE)


def check_address(url: str) -> None:
    """Refuse addresses that the service would not fetch."""
    if url.startswith("data:image/"):
        return
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].partition(":")[0] if "[" not in parts.netloc else parts.netloc
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or not host or LOCAL.fullmatch(host):
        raise Refusal(400, f"Invalid image URL: {url}", code="invalid_image_url")


ABILITIES = (_small_enough, _sixteenths, _resolution, _transparency, _grok_quality, _references)


def _check_abilities(order: Order) -> None:
    for check in ABILITIES:
        check(order)


def _units(order: Order) -> dict[str, int]:
    """What a picture uses: one unit, or tokens where the model counts them."""
    prices = order.model.get("pricing", {})
    counted = "promptTextTokens" in prices
    found = {"completionImageTokens": 1056 if counted else 1}
    return found | ({"promptTextTokens": usage.tokens(order.prompt)} if counted else {})


def keep(world: World, file: File, model: str, units: Mapping[str, int]) -> Stored:
    """A file that a model made, stored under its link, with the headers of its answer."""
    world.media.put(file.id, file, len(file.data))
    used = {"x-model-used": model, **usage.headers(units)}
    return Stored(file, len(file.data), media.made_headers(world, file) | used)


async def draw(world: World, asked: Asked, order: Order, key: str) -> generation.Made:
    """The picture of an order, stored, drawn or joined; without a key it is drawn anew."""

    async def make() -> tuple[Stored, Mapping[str, int]]:
        data, mime_type = await asyncio.to_thread(
            pictures.draw, order.prompt, order.width, order.height, order.seed, order.name, order.transparent
        )
        name = media.file_name(order.prompt, mime_type)
        picture = File(key[:32] or sha256(data).hexdigest()[:32], data, mime_type, name)
        return keep(world, picture, order.name, _units(order)), _units(order)

    job = Job(order.model, key, _units(order), lambda: _check_abilities(order))
    return await generation.run(world, asked, job, make)


def order_for(model: Model, prompt: str, seed: Any) -> Order:
    """An order for the model's own size, from a prompt and a seed."""
    return Order(model, prompt, *_size(model, None, None), seed_of(seed))


def json_headers(made: generation.Made) -> dict[str, str]:
    """The headers of a picture for an answer that speaks of it in JSON."""
    return {k: v for k, v in made.headers.items() if k not in ("cache-control", "content-disposition")}


# Routes.


def whole(made: generation.Made) -> Response:
    """The answer that is the file itself."""
    file: File = made.stored.value
    return Response(file.data, media_type=file.mime_type, headers=dict(made.headers))


def number_of(query: Mapping[str, str], name: str) -> int | None:
    return int(float(query[name] or 0)) if name in query else None


async def get_image(world: World, asked: Asked, prompt: str) -> Response:
    query = asked.query
    checks.against(checks.IMAGE_QUERY, query, "Query parameter")
    model = world.catalog.resolve(query.get("model"), "image", "/image/{prompt}", "image")
    width, height = _size(model, number_of(query, "width"), number_of(query, "height"))
    order = Order(
        model,
        prompt,
        width,
        height,
        seed_of(query.get("seed")),
        transparent=is_true(query.get("transparent")),
        quality=query.get("quality", "medium"),
        resolution=query.get("resolution"),
        images=tuple(checks.image_urls(query.get("image", ""))),
    )
    key = cache.identity(asked.method, f"/image/{prompt}", query, None, ("nofeed",))
    made = await draw(world, asked, order, key)
    return whole(made)


def pair_of(size: str) -> tuple[int | None, int | None]:
    """Width and height of `WIDTHxHEIGHT`; parts that are no numbers are left to the model."""
    wide, _, high = size.partition("x")
    first, second = (int(side) if re.fullmatch(r"[0-9]{1,9}", side) else None for side in (wide, high))
    return first, second


def body_images(value: Any) -> tuple[str, ...]:
    found = checks.image_urls(value) if isinstance(value, str) else value or []
    return tuple(url for url in found if url)


def _usage(units: Mapping[str, int]) -> Json:
    text = units.get("promptTextTokens", 0)
    drawn = units.get("completionImageTokens", 0) + units.get("completionVideoTokens", 0)
    return {
        "input_tokens": text,
        "output_tokens": drawn,
        "total_tokens": text + drawn,
        "input_tokens_details": {"text_tokens": text, "image_tokens": 0},
    }


QUALITIES = {"standard": "medium", "hd": "high"}


async def generations(world: World, asked: Asked) -> Response:
    body = checks.json_body(asked.body, asked.headers.get("content-type", ""), checks.IMAGES)
    model = world.catalog.resolve(body.get("model"), "images", "/v1/images/generations", "image")
    width, height = _size(model, *pair_of(body.get("size", "1024x1024")))
    quality = body.get("quality", "medium")
    order = Order(
        model,
        body["prompt"],
        width,
        height,
        seed_of(body.get("seed")),
        transparent=is_true(body.get("transparent")),
        quality=QUALITIES.get(quality, quality),
        resolution=body.get("resolution"),
        images=body_images(body.get("image")),
    )
    key = cache.identity(asked.method, asked.path, asked.query, body, ("response_format",))
    made = await draw(world, asked, order, key)
    return in_json(world, made, body, _units(order))


def in_json(world: World, made: generation.Made, body: Json, units: Mapping[str, int]) -> Response:
    """The answer that speaks of the file or has it inside, as the request's body asks."""
    file: File = made.stored.value
    item: Json = {"revised_prompt": body["prompt"], "media_type": file.mime_type}
    if body.get("response_format") == "url":
        item["url"] = world.link(file)
    else:
        item["b64_json"] = base64.b64encode(file.data).decode()
    answer = {"created": int(time.time()), "data": [item], "usage": _usage(units)}
    return JSONResponse(answer, headers=json_headers(made))
