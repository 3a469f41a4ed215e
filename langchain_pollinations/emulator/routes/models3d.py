"""The routes for 3D objects: `GET` and `POST /3d/{prompt}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import Response

from langchain_pollinations.emulator.routes import images
from langchain_pollinations.emulator.service import references, validation
from langchain_pollinations.emulator.service.catalog import Model
from langchain_pollinations.emulator.service.error_responses import Refusal, invalid
from langchain_pollinations.emulator.service.generation import GenerationResult, Job
from langchain_pollinations.emulator.service.safety import Safety
from langchain_pollinations.emulator.state import Asked, State
from langchain_pollinations.emulator.synthesis import meshes
from langchain_pollinations.emulator.synthesis.images import rendering

GLB, PLY = "model/gltf-binary", "model/ply"
SPLATS = "nvidia/asset-harvester"
UNITS = {"completionImageTokens": 1}
POINTS = {"low": 32, "medium": 64, "high": 112}  # along the longer side of a relief


@dataclass(frozen=True)
class Order:
    """A parsed request for a 3D object."""

    model: Model
    prompt: str
    seed: int
    resolution: str
    images: tuple[str, ...]
    safety: Safety

    @property
    def name(self) -> str:
        return str(self.model["name"])

    @property
    def priced(self) -> Model:
        """The model with the prices of the requested resolution."""
        variants = {each["name"]: each["pricing"] for each in self.model.get("pricing_variants", ())}
        return {**self.model, "pricing": variants.get(self.resolution, self.model["pricing"])}


def _check_abilities(state: State, order: Order) -> None:
    order.safety.block([{"content": order.prompt}])
    if not order.images and "text" not in order.model["input_modalities"]:
        raise Refusal(400, f"Invalid parameters: {order.name} needs a reference image")
    most = order.model.get("max_reference_images")
    if most is not None and len(order.images) > most:
        raise Refusal(400, f"This model supports at most {most} reference images")
    references.check(state, order.images)


def _render(state: State, order: Order) -> tuple[bytes, str]:
    """Return the bytes and the MIME type of the 3D object. If the request contains an image, the prompt is ignored."""
    if order.images:
        mesh = meshes.from_image(references.opened(state, order.images[0]), POINTS[order.resolution])
    else:
        mesh = meshes.from_prompt(order.prompt, rendering.ImageSpec(order.prompt, 1, 1, order.seed, order.name).random)
    return (meshes.ply(mesh), PLY) if order.name == SPLATS else (meshes.glb(mesh), GLB)


async def make(state: State, asked: Asked, order: Order, key: str) -> GenerationResult:
    """Generate a 3D object, unless the cache or an identical running generation provides it.

    An empty `key` disables the cache.
    """
    job = Job(order.priced, key, UNITS, lambda: _check_abilities(state, order))
    return await images.generate_file(state, asked, job, order, partial(_render, state, order))


async def _respond(state: State, asked: Asked, order: Order, key: str) -> Response:
    return images.file_response(await make(state, asked, order, key))


def order_for(model: Model, prompt: str, asked: Asked, given: Mapping[str, Any]) -> Order:
    """Create the `Order` of a chat request, with the default resolution. `given` may contain `safe` and `seed`."""
    redacted, safety = images.redact_prompt(model, prompt, asked, given)
    return Order(model, redacted, images.seed_of(given.get("seed")), "low", (), safety)


def _order(state: State, asked: Asked, prompt: str, fields: Mapping[str, Any], urls: tuple[str, ...]) -> Order:
    model = state.catalog.resolve(fields.get("model"), "3d", "/3d/{prompt}", "3d")
    redacted, safety = images.redact_prompt(model, prompt, asked, {})
    resolution = fields.get("resolution") or "low"
    return Order(model, redacted, images.seed_of(fields.get("seed")), resolution, urls, safety)


async def get(state: State, asked: Asked, prompt: str) -> Response:
    query = asked.query
    validation.against(validation.OBJECT_QUERY, query, "Query parameter")
    urls = tuple(url for url in validation.image_urls(query.get("image", "")) if url)
    order = _order(state, asked, prompt, query, urls)
    return await _respond(state, asked, order, images.cache_key(asked, f"/3d/{prompt}", None, order.safety))


async def post(state: State, asked: Asked, prompt: str) -> Response:
    """Handle `POST /3d/{prompt}`. The JSON body has the parameters of the `GET` route. Unknown fields are rejected."""
    body = validation.json_body(asked.body, asked.headers.get("content-type", ""), validation.OBJECT)
    unknown = [f'"{name}"' for name in body if name not in validation.OBJECT]
    if unknown:
        raise invalid("JSON body", {}, [f"Unrecognized key{'s' if unknown[1:] else ''}: {', '.join(unknown)}"])
    validation.against({"safe": validation.OBJECT_QUERY["safe"]}, asked.query, "Query parameter")
    image = body.get("image", [])
    order = _order(state, asked, prompt, body, (image,) if isinstance(image, str) else tuple(image))
    return await _respond(state, asked, order, images.cache_key(asked, f"/3d/{prompt}", body, order.safety))
