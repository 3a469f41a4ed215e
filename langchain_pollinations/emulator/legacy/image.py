"""The legacy image host: one model behind an edge that caches responses and treats any path as a prompt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import JSONResponse, Response

from langchain_pollinations.emulator.legacy import image_options
from langchain_pollinations.emulator.legacy.hosts import Visit
from langchain_pollinations.emulator.legacy.image_options import MODEL, Order
from langchain_pollinations.emulator.routes import media
from langchain_pollinations.emulator.service import usage
from langchain_pollinations.emulator.service.error_responses import Refusal, model_unknown
from langchain_pollinations.emulator.service.safety import Safety
from langchain_pollinations.emulator.synthesis import images
from langchain_pollinations.emulator.synthesis.images import error_images

ABOUT = [{"name": MODEL, "tier": "anonymous", "enhance": False, "maxSideLength": image_options.LARGEST_SIDE}]
MAPPED = ("flux", "turbo", "z-image", "zimage", MODEL)  # model names of level L5; level L4 accepts any
STRICT = ("sexual", "violence")
LONGEST_SIDE = 65_500  # pixels; the maximum of JPEG
QUALITY = 90


def _prompt_path(visit: Visit) -> str:
    """Return the prompt path of a request. On level L4 the edge turns any path into a prompt path."""
    path = visit.asked.raw_path.partition("?")[0]
    if visit.hosts.level == "l4":
        return image_options.prompt_path(path)
    if not path.startswith(image_options.PROMPT):
        raise Refusal(404)
    return path


def _check_model(visit: Visit) -> None:
    name = visit.asked.query.get("model") or MODEL
    if visit.hosts.level != "l4" and name not in MAPPED:
        raise model_unknown(name)


def _check_safety(order: Order, level: str) -> None:
    try:
        Safety(list(STRICT) if order.safe else []).block([{"content": order.prompt}])
    except Refusal as refusal:
        if level == "l4":
            raise Refusal(500, refusal.message) from refusal  # the error has no status; the host sends 500
        raise


def _check_size(order: Order) -> None:
    if not all(0 < side <= LONGEST_SIDE for side in (order.width, order.height)):
        raise Refusal(500, f"A picture of {order.width}x{order.height} pixels cannot be drawn")


def _drawn(order: Order) -> bytes:
    wish = images.Wish(order.drawn, order.width, order.height, order.seed, MODEL, remark=order.remark)
    return images.jpeg(error_images.branded(images.framed(wish)), QUALITY)


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


def _event(visit: Visit, order: Order) -> dict[str, Any]:
    """Return the feed event of an image."""
    home = f"http://{visit.asked.headers.get('host', '')}"
    told = {"width": order.width, "height": order.height, "seed": order.seed, "model": MODEL, "prompt": order.prompt}
    address = f"{home}{image_options.PROMPT}{quote(order.prompt, safe='')}"
    return {**told, "enhance": order.enhance, "imageURL": address, "status": "end_generating"}


def _similar(visit: Visit, prompt: str) -> Response | None:
    """Return the cached image of a similar prompt, if any. A header distinguishes it from an exact match."""
    found = visit.hosts.similar.find(prompt, visit.asked.query) if visit.hosts.semantic_cache else None
    stored = visit.stored(found[0]) if found is not None else None
    if found is not None and stored is not None:
        stored.headers.update({"x-cache-type": "SEMANTIC", "x-cache-similarity": f"{found[1]:.2f}"})
    return stored


async def _prompt(visit: Visit) -> Response:
    prompt, key = image_options.prompt_in(_prompt_path(visit)), visit.key()
    _check_model(visit)
    stored = visit.stored(key) or _similar(visit, prompt)
    return stored or visit.kept(key, await _made(visit, image_options.read(prompt, visit.asked.query), key))


async def _made(visit: Visit, order: Order, key: str) -> Response:
    await visit.turn()
    _check_safety(order, visit.hosts.level)
    _check_size(order)
    data = await asyncio.to_thread(_drawn, order)
    visit.hosts.similar.put(key, order.prompt, visit.asked.query)
    if not order.is_private:
        visit.publish(_event(visit, order))
    return Response(data, headers=_headers(order))


async def _models(visit: Visit) -> Response:
    return JSONResponse([MODEL], headers={"cache-control": "no-store"})


async def _about(visit: Visit) -> Response:
    return JSONResponse(ABOUT)


async def _feed(visit: Visit) -> Response:
    """Return the newest public images as events, then end.

    The feed of the service does not end and shows the images of all users.
    """
    told = [f"data: {json.dumps(event)}\n\n" for event in visit.published()]
    return Response("".join(told) or ": no pictures yet\n\n", media_type="text/event-stream")


async def _register(visit: Visit) -> Response:
    told = {"error": "Not Found", "message": "This path is for workers of the host's own", "path": "/register"}
    return JSONResponse(told, 404)


UTILITIES: Mapping[str, Callable[[Visit], Awaitable[Response]]] = {
    "/models": _models,
    "/about": _about,
    "/feed": _feed,
    "/register": _register,
}


async def answer(visit: Visit) -> Response:
    if visit.asked.method not in ("GET", "HEAD"):
        raise Refusal(405)
    return await UTILITIES.get(visit.asked.path, _prompt)(visit)
