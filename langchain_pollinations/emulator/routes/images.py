"""The image routes: `GET /image/{prompt}`, `POST /v1/images/generations` and `POST /v1/images/edits`."""

from __future__ import annotations

import asyncio
import base64
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any, Protocol

from PIL import Image
from starlette.responses import JSONResponse, Response

from langchain_pollinations.emulator.routes import media
from langchain_pollinations.emulator.service import cache, forms, generation, references, safety, usage, validation
from langchain_pollinations.emulator.service.cache import Stored
from langchain_pollinations.emulator.service.catalog import Model
from langchain_pollinations.emulator.service.error_responses import Refusal, upstream
from langchain_pollinations.emulator.service.generation import Job
from langchain_pollinations.emulator.service.safety import Safety
from langchain_pollinations.emulator.state import Asked, File, State
from langchain_pollinations.emulator.synthesis.images import rendering

Json = dict[str, Any]

MAX_SIDE = 4096
DEFAULT_SEED = 42
# Models whose default side length is not 1024.
DEFAULT_SIDES = {
    "alibaba/wan-2.7-image-pro": 2048,
    "bytedance/seedream-4.5": 2048,
    "bytedance/seedream-5.0-lite": 2048,
    "bytedance/seedream-5.0-pro": 2048,
    "google/gemini-3-pro-image": 2048,
    "ideogram-ai/ideogram-v4-balanced": 2048,
    "ideogram-ai/ideogram-v4-quality": 2048,
    "ideogram-ai/ideogram-v4-turbo": 2048,
    "openai/gpt-image-1-mini": 1021,
}
RESOLUTION_SIDES = {"1k": 1024, "2k": 2048}  # side of a square image in pixels
GPT_IMAGE_SIZES = ((1024, 1024), (1536, 1024), (1024, 1536))
TRANSPARENCY_MODELS = ("openai/gpt-image-1-mini", "openai/gpt-image-1.5")  # other models always render a background
VIDEO_REFERENCES = ("reference_images", "reference_videos", "reference_audios")
VECTOR_MODEL = "recraft/recraft-v4.1-vector"
MULTIPLES_OF_16 = ("black-forest-labs/flux.2-pro", "black-forest-labs/flux.2-flex")


@dataclass(frozen=True)
class Order:
    """A parsed image request. A width or height of 0 is computed from the image to edit."""

    model: Model
    prompt: str
    width: int
    height: int
    seed: int
    transparent: bool = False
    quality: str = "medium"
    resolution: str | None = None
    images: tuple[str, ...] = ()
    safety: Safety = field(default_factory=lambda: Safety([]))

    @property
    def name(self) -> str:
        return str(self.model["name"])

    @property
    def priced(self) -> Model:
        """The model with the prices of this request. They depend on the references, the quality and the resolution."""
        variants = {each["name"]: each["pricing"] for each in self.model.get("pricing_variants", ())}
        resolution = self.resolution or next(iter(self.model.get("resolutions") or ()), "")
        wanted = [*(["edit"] if self.images else []), f"{self.quality}_{resolution}", resolution]
        prices: Mapping[str, str] = next((variants[name] for name in wanted if name in variants), {})
        return {**self.model, "pricing": {**self.model.get("pricing", {}), **prices}}


def _side(model: Model, asked: int | None) -> int:
    return asked or DEFAULT_SIDES.get(model["name"], 1024)


def _size(model: Model, width: int | None, height: int | None) -> tuple[int, int]:
    """Return the size of the image that the model generates for a requested size. None selects the model's default."""
    wide, high = _side(model, width), _side(model, height)
    return _snapped(wide, high) if _snaps(model) and (width or height) else (wide, high)


def _snaps(model: Model) -> bool:
    return str(model["name"]).startswith("openai/gpt-image")


def _snapped(wide: int, high: int) -> tuple[int, int]:
    return min(GPT_IMAGE_SIZES, key=lambda size: abs(size[0] / size[1] - wide / high))


def seed_of(value: Any) -> int:
    """Parse a seed.

    A missing or invalid seed, and -1, become the default seed. A seed above `SEED_MAX` is reduced modulo `SEED_MAX`.
    """
    try:
        seed = DEFAULT_SEED if value in (None, "") else int(float(value))
    except (TypeError, ValueError, OverflowError):  # OverflowError: infinity
        return DEFAULT_SEED
    return DEFAULT_SEED if seed == -1 else seed % validation.SEED_MAX if seed > validation.SEED_MAX else seed


def is_true(value: Any) -> bool:
    return str(value).lower() == "true"


# Ability checks. Each raises the error of the service.


def _maximum_size(order: Order) -> None:
    if max(order.width, order.height) > MAX_SIDE:
        raise Refusal(400, f"Invalid parameters: width and height may be at most {MAX_SIDE}")


def _multiples_of_16(order: Order) -> None:
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


def _refuse_video_references(model: Model, query: Mapping[str, str]) -> None:
    """Reject reference parameters that only video models have."""
    for name in VIDEO_REFERENCES:
        if query.get(name):
            raise Refusal(400, f"Invalid parameters: {name} is not supported for {model['name']}")


ABILITIES = (_maximum_size, _multiples_of_16, _resolution, _transparency, _grok_quality, _references)


def _check_abilities(state: State, order: Order) -> None:
    order.safety.block([{"content": order.prompt}])
    for check in ABILITIES:
        check(order)
    references.check(state, order.images)


TOKENS = {"output": 1056, "input": 258}  # per image, for models billed by token
PIXELS_PER_UNIT = {
    "black-forest-labs/flux.2-pro": 1_000_000,
    "black-forest-labs/flux.2-flex": 1_000_000,
    "black-forest-labs/flux.2-max": 1_000_000,
    "qwen/qwen-image-2.1": 1,
}  # models billed by megapixel, or by the millionth of one


def _units(order: Order) -> dict[str, int]:
    """Return the usage of a request: one unit per image, or tokens or megapixels if the model is billed by these."""
    prices = order.model.get("pricing", {})
    by_token = "promptTextTokens" in prices
    pixels = PIXELS_PER_UNIT.get(order.name)
    made = TOKENS["output"] if by_token else 1 if pixels is None else -(-order.width * order.height // pixels)
    found = {"completionImageTokens": made}
    if order.images and "promptImageTokens" in prices:
        found["promptImageTokens"] = len(order.images) * (TOKENS["input"] if by_token else 1)
    return found | ({"promptTextTokens": usage.tokens(order.prompt)} if by_token else {})


class GenerationOrder(Protocol):
    """The attributes that the `Order` classes for images, videos and 3D objects have in common."""

    @property
    def name(self) -> str: ...
    @property
    def prompt(self) -> str: ...
    @property
    def safety(self) -> Safety: ...


async def generate_file(
    state: State, asked: Asked, job: Job, order: GenerationOrder, work: Callable[[], tuple[bytes, str]]
) -> generation.GenerationResult:
    """Generate the file of an `Order`, unless the cache or an identical running generation provides it.

    `work` returns the bytes and the MIME type of the file. It runs in a thread.
    """

    async def make() -> tuple[Stored, Mapping[str, float]]:
        data, mime_type = await asyncio.to_thread(work)
        name = media.file_name(order.prompt, mime_type)
        file = File(job.key[:32] or sha256(data).hexdigest()[:32], data, mime_type, name)
        state.media.put(file.id, file, len(data))
        usage_headers = {"x-model-used": order.name, **usage.headers(job.estimate)}
        return Stored(file, len(data), media.made_headers(state, file) | usage_headers), job.estimate

    result = await generation.run(state, asked, job, make)
    return generation.GenerationResult(result.stored, {**result.headers, **order.safety.headers()})


def _output_size(order: Order, width: int, height: int) -> tuple[int, int]:
    """Return the size of the generated image.

    If the request sets a resolution, the image is scaled to this resolution. Otherwise, the longer side is limited to
    `MAX_SIDE`. Some models need sides that are multiples of 16, so their sides are rounded down.
    """
    area = RESOLUTION_SIDES.get(order.resolution or "", 0) ** 2
    share = math.sqrt(area / (width * height)) if area else min(1.0, MAX_SIDE / max(width, height))
    step = 16 if order.name in MULTIPLES_OF_16 else 1
    wide, high = (max(step, round(side * share) // step * step) for side in (width, height))
    return wide, high


def _edit_size(order: Order, source: Image.Image) -> tuple[int, int]:
    """Return the size of an edited image.

    The default is the size of the source image. If the request sets only one side, the other side follows from the
    aspect ratio of the source image.
    """
    ratio = source.width / source.height
    wide = order.width or (max(1, round(order.height * ratio)) if order.height else source.width)
    high = order.height or (max(1, round(order.width / ratio)) if order.width else source.height)
    return _snapped(wide, high) if _snaps(order.model) else (wide, high)


def _render(state: State, order: Order) -> tuple[bytes, str]:
    """Return the bytes and the MIME type of the image."""
    sources = [references.opened(state, address) for address in order.images]
    asked = _edit_size(order, sources[0]) if sources else (order.width, order.height)
    transparent_background = order.transparent and order.name in TRANSPARENCY_MODELS
    spec = rendering.ImageSpec(
        order.prompt, *_output_size(order, *asked), order.seed, order.name, transparent_background
    )
    return (rendering.vector if order.name == VECTOR_MODEL else rendering.draw)(spec, sources)


async def draw(state: State, asked: Asked, order: Order, key: str) -> generation.GenerationResult:
    """Generate an image, unless the cache or an identical running generation provides it.

    An empty `key` disables the cache.
    """
    has_fixed_price = "promptTextTokens" not in order.priced["pricing"]
    job = Job(order.priced, key, _units(order), lambda: _check_abilities(state, order), has_offer=has_fixed_price)
    return await generate_file(state, asked, job, order, partial(_render, state, order))


def order_for(model: Model, prompt: str, asked: Asked, given: Mapping[str, Any], sources: tuple[str, ...]) -> Order:
    """Create the `Order` of a chat request. `given` may contain `safe` and `seed`.

    The image has the model's default size. An edited image has the size of the first source image.
    """
    redacted, safe = redact_prompt(model, prompt, asked, given)
    size = (0, 0) if sources else _size(model, None, None)
    return Order(model, redacted, *size, seed_of(given.get("seed")), images=sources, safety=safe)


def json_headers(result: generation.GenerationResult) -> dict[str, str]:
    """Return the headers of a generated file that also apply to a JSON response."""
    file_headers = ("cache-control", "content-disposition", *media.HARMLESS)
    return {k: v for k, v in result.headers.items() if k not in file_headers}


# Routes.


def file_response(result: generation.GenerationResult) -> Response:
    """Return a response with the bytes of a generated file."""
    file: File = result.stored.value
    return Response(file.data, media_type=file.mime_type, headers=dict(result.headers))


def number_of(query: Mapping[str, str], name: str) -> int | None:
    return int(validation.coerced_number(query[name])) if name in query else None


def redact_prompt(model: Model, prompt: str, asked: Asked, fields: Mapping[str, Any]) -> tuple[str, Safety]:
    """Redact the prompt. Return the redacted prompt and the safety checks of the request."""
    wanted = safety.asked_for(fields, asked.query, asked.headers)
    found = Safety(safety.features(wanted, model.get("required_safety", ())))
    [message] = found.redact([{"content": prompt}])
    return message["content"], found


def cache_key(asked: Asked, path: str, body: Any, applied: Safety) -> str:
    """Return the cache key of a request. The key includes the safety checks, because a header can request them."""
    return cache.identity(asked.method, path, asked.query, [body, applied.applied], ("nofeed",))


async def get_image(state: State, asked: Asked, prompt: str) -> Response:
    query = asked.query
    validation.against(validation.IMAGE_QUERY, query, "Query parameter")
    model = state.catalog.resolve(query.get("model"), "image", "/image/{prompt}", "image")
    _refuse_video_references(model, query)
    width, height = _size(model, number_of(query, "width"), number_of(query, "height"))
    redacted, safe = redact_prompt(model, prompt, asked, {})
    order = Order(
        model,
        redacted,
        width,
        height,
        seed_of(query.get("seed")),
        transparent=is_true(query.get("transparent")),
        quality=query.get("quality", "medium"),
        resolution=query.get("resolution"),
        images=tuple(url for url in validation.image_urls(query.get("image", "")) if url),
        safety=safe,
    )
    result = await draw(state, asked, order, cache_key(asked, f"/image/{prompt}", None, order.safety))
    return file_response(result)


def parse_size(size: str) -> tuple[int | None, int | None]:
    """Parse a size such as `1024x768`. A side that is not a number becomes None, which selects the model's default."""
    wide, _, high = size.partition("x")
    first, second = (int(side) if re.fullmatch(r"[0-9]{1,9}", side) else None for side in (wide, high))
    return first, second


def body_images(value: Any) -> tuple[str, ...]:
    found = validation.image_urls(value) if isinstance(value, str) else value or []
    return tuple(url for url in found if url)


def _usage(units: Mapping[str, int]) -> Json:
    text, image = units.get("promptTextTokens", 0), units.get("promptImageTokens", 0)
    output = units.get("completionImageTokens", 0) + units.get("completionVideoTokens", 0)
    return {
        "input_tokens": text + image,
        "output_tokens": output,
        "total_tokens": text + image + output,
        "input_tokens_details": {"text_tokens": text, "image_tokens": image},
    }


QUALITIES = {"standard": "medium", "hd": "high"}


def json_response(state: State, result: generation.GenerationResult, body: Json, units: Mapping[str, int]) -> Response:
    """Return a file in OpenAI's JSON format: its URL if `response_format` is "url", else its base64 data."""
    file: File = result.stored.value
    item: Json = {"revised_prompt": body["prompt"], "media_type": file.mime_type}
    if body.get("response_format") == "url":
        item["url"] = state.link(file)
    else:
        item["b64_json"] = base64.b64encode(file.data).decode()
    content = {"created": int(time.time()), "data": [item], "usage": _usage(units)}
    return JSONResponse(content, headers=json_headers(result))


def _order(model: Model, asked: Asked, body: Json, size: tuple[int, int], images: tuple[str, ...]) -> Order:
    """Parse the body of an OpenAI-compatible request."""
    prompt, safe = redact_prompt(model, body["prompt"], asked, body)
    quality: str = body.get("quality", "medium")
    return Order(
        model,
        prompt,
        *size,
        seed_of(body.get("seed")),
        transparent=is_true(body.get("transparent")),
        quality=QUALITIES.get(quality, quality),
        resolution=body.get("resolution"),
        images=images,
        safety=safe,
    )


async def _respond(state: State, asked: Asked, order: Order, body: Json) -> Response:
    """Generate the image and return it in OpenAI's JSON format. The cache key ignores `response_format`."""
    key_fields = {name: value for name, value in body.items() if name not in (*cache.NOT_IDENTITY, "response_format")}
    result = await draw(state, asked, order, cache_key(asked, asked.path, key_fields, order.safety))
    return json_response(state, result, body | {"prompt": order.prompt}, _units(order))


async def generations(state: State, asked: Asked) -> Response:
    body = validation.json_body(asked.body, asked.headers.get("content-type", ""), validation.IMAGES)
    model = state.catalog.resolve(body.get("model"), "images", "/v1/images/generations", "image")
    size = _size(model, *parse_size(body.get("size", "1024x1024")))
    return await _respond(state, asked, _order(model, asked, body, size, body_images(body.get("image"))), body)


# Edits. The service validates their fields without a schema: its errors name no field.

EDIT_FIELDS = ("prompt", "model", "size", "quality", "resolution", "response_format", "safe")  # no seed, no mask


def _need(found: Any, what: str) -> None:
    if not found:
        raise upstream(400, f"Missing required field: {what}")


def _check_edit(body: Json, table: validation.Table) -> None:
    sentences = [s for name, check in table.items() if (s := check(body.get(name, validation.MISSING)))]
    if sentences:
        raise upstream(400, ", ".join(sentences))


def _edit_json(asked: Asked) -> tuple[Json, list[str]]:
    body = validation.json_body(asked.body, asked.headers.get("content-type", ""), {})
    _check_edit(body, validation.EDITS)
    image = body["image"]
    return body, [image] if isinstance(image, str) else [each["image_url"] for each in image]


def _as_data_uri(upload: forms.Upload) -> str:
    return f"data:{upload.mime_type or 'image/png'};base64,{base64.b64encode(upload.data).decode()}"


async def _edit_form(asked: Asked) -> tuple[Json, list[str]]:
    """Parse a multipart form into a request body and a list of images.

    The body contains the fields that the service reads. In the body, each uploaded file is represented by its hash. The
    images are URLs or data URIs.
    """
    try:
        form = await forms.read(asked)
    except forms.BrokenForm:
        raise upstream(400, "Invalid multipart form data") from None
    body: Json = {name: text for name in EDIT_FIELDS if (text := form.text(name))}
    _need(body.get("prompt"), "prompt")
    names = ("image", "image[]")
    files = [upload for name in names for upload in form.files.get(name, ())]
    linked = [text for name in names for text in form.fields.get(name, ())]
    body["image"] = [*(upload.hash for upload in files), *linked]
    _check_edit(body, {name: check for name, check in validation.EDITS.items() if name in EDIT_FIELDS})
    return body, [*map(_as_data_uri, files), *linked]


async def edits(state: State, asked: Asked) -> Response:
    body, sources = await _edit_form(asked) if forms.is_form(asked) else _edit_json(asked)
    _need(any(sources), "image")
    # The default model cannot edit: an edit without a model is rejected, as by the service.
    model = state.catalog.resolve(body.get("model"), "images", "/v1/images/edits", "image")
    wide, high = parse_size(body.get("size", ""))
    size = _size(model, wide, high) if wide and high else (wide or 0, high or 0)
    return await _respond(state, asked, _order(model, asked, body, size, tuple(filter(None, sources))), body)
