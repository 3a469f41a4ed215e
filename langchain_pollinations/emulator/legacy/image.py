"""The legacy image host. It has a single model.

The proxy in front of the host (the edge) caches responses. The proxy treats every path as a prompt.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import JSONResponse, Response

from langchain_pollinations.emulator.legacy import image_options
from langchain_pollinations.emulator.legacy.hosts import Exchange
from langchain_pollinations.emulator.legacy.image_options import MODEL, Order
from langchain_pollinations.emulator.routes import media
from langchain_pollinations.emulator.service import usage
from langchain_pollinations.emulator.service.error_responses import Refusal, model_unknown
from langchain_pollinations.emulator.service.safety import Safety
from langchain_pollinations.emulator.synthesis.images import error_images, rendering

ABOUT = [{"name": MODEL, "tier": "anonymous", "enhance": False, "maxSideLength": image_options.MAX_SIDE}]
MAPPED = ("flux", "turbo", "z-image", "zimage", MODEL)  # model names of level L5; level L4 accepts any
STRICT = ("sexual", "violence")
MAX_JPEG_SIDE = 65_500  # pixels; the maximum of JPEG
QUALITY = 90


def _prompt_path(exchange: Exchange) -> str:
    """Return the path of a request. It begins with `/prompt/`. With level "l4", a missing prefix is added."""
    path = exchange.asked.raw_path.partition("?")[0]
    if exchange.hosts.level == "l4":
        return image_options.prompt_path(path)
    if not path.startswith(image_options.PROMPT):
        raise Refusal(404)
    return path


def _check_model(exchange: Exchange) -> None:
    name = exchange.asked.query.get("model") or MODEL
    if exchange.hosts.level != "l4" and name not in MAPPED:
        raise model_unknown(name)


def _check_safety(order: Order, level: str) -> None:
    try:
        Safety(list(STRICT) if order.safe else []).block([{"content": order.prompt}])
    except Refusal as refusal:
        if level == "l4":
            raise Refusal(500, refusal.message) from refusal  # the error has no status; the host sends 500
        raise


def _check_size(order: Order) -> None:
    if not all(0 < side <= MAX_JPEG_SIDE for side in (order.width, order.height)):
        raise Refusal(500, f"An image of {order.width}x{order.height} pixels cannot be generated")


def _render(order: Order) -> bytes:
    spec = rendering.ImageSpec(order.model_prompt, order.width, order.height, order.seed, MODEL, remark=order.remark)
    return rendering.jpeg(error_images.branded(rendering.framed(spec)), QUALITY)


def _headers(order: Order) -> dict[str, str]:
    name = media.slug(order.prompt) or "generated-image"
    return {
        "content-type": "image/jpeg",
        "cache-control": media.FOREVER,
        "content-disposition": f'inline; filename="{name}.jpg"',
        "x-auth-status": "unauthenticated",
        "x-cache": "MISS",
        "x-model-used": MODEL,
        **usage.headers({"completionImageTokens": 1}),
    }


def _event(exchange: Exchange, order: Order) -> dict[str, Any]:
    """Return the event that announces an image in the public feed."""
    home = f"http://{exchange.asked.headers.get('host', '')}"
    fields = {"width": order.width, "height": order.height, "seed": order.seed, "model": MODEL, "prompt": order.prompt}
    address = f"{home}{image_options.PROMPT}{quote(order.prompt, safe='')}"
    return {**fields, "enhance": order.enhance, "imageURL": address, "status": "end_generating"}


def _similar(exchange: Exchange, prompt: str) -> Response | None:
    """Return the cached image for a similar prompt, if any. A header says that the match is not exact."""
    found = exchange.hosts.similar.find(prompt, exchange.asked.query) if exchange.hosts.semantic_cache else None
    stored = exchange.stored(found[0]) if found is not None else None
    if found is not None and stored is not None:
        stored.headers.update({"x-cache-type": "SEMANTIC", "x-cache-similarity": f"{found[1]:.2f}"})
    return stored


async def _prompt(exchange: Exchange) -> Response:
    prompt, key = image_options.prompt_in(_prompt_path(exchange)), exchange.key()
    _check_model(exchange)
    stored = exchange.stored(key) or _similar(exchange, prompt)
    return stored or exchange.cached(
        key, await _generate(exchange, image_options.read(prompt, exchange.asked.query), key)
    )


async def _generate(exchange: Exchange, order: Order, key: str) -> Response:
    await exchange.acquire_slot()
    _check_safety(order, exchange.hosts.level)
    _check_size(order)
    data = await asyncio.to_thread(_render, order)
    exchange.hosts.similar.put(key, order.prompt, exchange.asked.query)
    if not order.is_private:
        exchange.publish(_event(exchange, order))
    return Response(data, headers=_headers(order))


async def _models(exchange: Exchange) -> Response:
    return JSONResponse([MODEL], headers={"cache-control": "no-store"})


async def _about(exchange: Exchange) -> Response:
    return JSONResponse(ABOUT)


async def _feed(exchange: Exchange) -> Response:
    """Return the newest public images as server-sent events. Then the response ends.

    The feed of the service does not end. It contains the images of all users.
    """
    events = [f"data: {json.dumps(event)}\n\n" for event in exchange.published()]
    return Response("".join(events) or ": no images yet\n\n", media_type="text/event-stream")


async def _register(exchange: Exchange) -> Response:
    error = {"error": "Not Found", "message": "This path is for workers of the host's own", "path": "/register"}
    return JSONResponse(error, 404)


UTILITIES: Mapping[str, Callable[[Exchange], Awaitable[Response]]] = {
    "/models": _models,
    "/about": _about,
    "/feed": _feed,
    "/register": _register,
}


async def answer(exchange: Exchange) -> Response:
    if exchange.asked.method not in ("GET", "HEAD"):
        raise Refusal(405)
    return await UTILITIES.get(exchange.asked.path, _prompt)(exchange)
