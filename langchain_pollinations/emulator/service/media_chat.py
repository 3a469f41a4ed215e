"""Media models on the chat route: the last user message is the prompt, and its images are the references."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_pollinations.emulator.routes import audio, images, models3d, video
from langchain_pollinations.emulator.service import generation, validation
from langchain_pollinations.emulator.service.catalog import Model
from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.state import Asked, File, World
from langchain_pollinations.emulator.synthesis.answers import conversation

Json = dict[str, Any]

UNUSABLE = (".", "..")  # as a prompt, because the service puts the prompt into a path
LONGEST_CAPTION = 100


@dataclass(frozen=True)
class Prompt:
    """The part of a chat request that a media model reads."""

    text: str
    images: tuple[str, ...] = ()


def _last_user(messages: Sequence[Json]) -> Any:
    """Return the content of the last user message."""
    return next((m.get("content") for m in reversed(messages) if m["role"] == "user"), "")


def _is_broken(asked: Asked) -> bool:
    """Whether the prompt contains a lone surrogate, which the parsed body no longer shows."""
    if not validation.HALF.search(asked.body):
        return False
    try:
        conversation.text_of(_last_user(asked.json["messages"])).encode()
    except UnicodeEncodeError:
        return True
    return False


def _image_url(part: Mapping[str, Any]) -> str:
    if part.get("type") != "image_url":
        raise Refusal(400, f"Media models take text and image_url parts only, not {part.get('type')}")
    value = part.get("image_url")
    url = value.get("url") if isinstance(value, Mapping) else None
    if not isinstance(url, str) or not url:
        raise Refusal(400, "Invalid image URL", code="invalid_image_url")
    return url


def prompt_of(asked: Asked, messages: Sequence[Json]) -> Prompt:
    """Return the prompt and the images of the last user message.

    History, system messages and text settings are ignored.
    """
    content = _last_user(messages)
    text = conversation.text_of(content).strip()
    if not text:
        raise Refusal(400, "The last user message needs a text: it is the prompt")
    if text in UNUSABLE or _is_broken(asked):
        raise Refusal(400, "Invalid prompt")
    parts = content if isinstance(content, list) else []
    return Prompt(text, tuple(_image_url(part) for part in parts if part.get("type") != "text"))


def _refuse_images(model: Model, prompt: Prompt) -> None:
    if prompt.images:
        raise Refusal(400, f"Invalid parameters: {model['name']} does not take images in chat")


# Generators by category. They read `safe` and `seed`; a chat request cannot set the size, the duration and the like.


async def _image(world: World, asked: Asked, model: Model, prompt: Prompt, given: Json, key: str) -> generation.Made:
    order = images.order_for(model, prompt.text, asked, given, prompt.images)
    return await images.draw(world, asked, order, key)


async def _video(world: World, asked: Asked, model: Model, prompt: Prompt, given: Json, key: str) -> generation.Made:
    if "image" not in model.get("input_modalities", ()):
        _refuse_images(model, prompt)
    order = video.order_for(model, prompt.text, asked, given, prompt.images)
    return await video.make(world, asked, order, key)


async def _audio(world: World, asked: Asked, model: Model, prompt: Prompt, given: Json, key: str) -> generation.Made:
    _refuse_images(model, prompt)
    return await audio.make(world, asked, audio.order_for(model, prompt.text, asked, given), key)


async def _model3d(world: World, asked: Asked, model: Model, prompt: Prompt, given: Json, key: str) -> generation.Made:
    _refuse_images(model, prompt)
    return await models3d.make(world, asked, models3d.order_for(model, prompt.text, asked, given), key)


MAKERS = {"image": _image, "video": _video, "audio": _audio, "3d": _model3d}


async def make(world: World, asked: Asked, model: Model, body: Json, key: str) -> generation.Made:
    """Return the file that a media model generates for a chat request. Without a key it is always generated."""
    prompt = prompt_of(asked, body["messages"])
    given: Json = {name: body[name] for name in ("safe", "seed") if name in body}
    return await MAKERS[model["category"]](world, asked, model, prompt, given, key)


def markdown(world: World, made: generation.Made, messages: Sequence[Json]) -> str:
    """Return the response text: the embedded image or a link to the file, followed by the plain URL."""
    prompt = conversation.text_of(_last_user(messages))
    file: File = made.stored.value
    url = world.link(file)
    caption = " ".join(re.sub(r"[\[\]]", " ", prompt).split())[:LONGEST_CAPTION]
    embeds = "!" if file.mime_type.startswith("image/") else ""
    return f"{embeds}[{caption}]({url})\n\n{url}"
