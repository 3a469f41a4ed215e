"""Media models on the chat route.

The text of the last user message is the prompt. The images in this message are the reference images.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_pollinations.emulator.routes import audio, images, models3d, video
from langchain_pollinations.emulator.service import generation, validation
from langchain_pollinations.emulator.service.catalog import Model
from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.state import Asked, File, State
from langchain_pollinations.emulator.synthesis.answers import conversation

Json = dict[str, Any]

UNUSABLE = (".", "..")  # as a prompt, because the service puts the prompt into a path
MAX_CAPTION_LENGTH = 100


@dataclass(frozen=True)
class Prompt:
    """The prompt and the reference images for a media model."""

    text: str
    images: tuple[str, ...] = ()


def _last_user(messages: Sequence[Json]) -> Any:
    """Return the content of the last user message."""
    return next((m.get("content") for m in reversed(messages) if m["role"] == "user"), "")


def _is_broken(asked: Asked) -> bool:
    """Whether the prompt contains a lone surrogate. The parsed body does not show this, so the raw body is checked."""
    if not validation.LONE_SURROGATE.search(asked.body):
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
    """Return the prompt and the reference images of the last user message.

    Other messages and text settings are ignored.
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


async def _image(
    state: State, asked: Asked, model: Model, prompt: Prompt, given: Json, key: str
) -> generation.GenerationResult:
    order = images.order_for(model, prompt.text, asked, given, prompt.images)
    return await images.draw(state, asked, order, key)


async def _video(
    state: State, asked: Asked, model: Model, prompt: Prompt, given: Json, key: str
) -> generation.GenerationResult:
    if "image" not in model.get("input_modalities", ()):
        _refuse_images(model, prompt)
    order = video.order_for(model, prompt.text, asked, given, prompt.images)
    return await video.make(state, asked, order, key)


async def _audio(
    state: State, asked: Asked, model: Model, prompt: Prompt, given: Json, key: str
) -> generation.GenerationResult:
    _refuse_images(model, prompt)
    return await audio.make(state, asked, audio.order_for(model, prompt.text, asked, given), key)


async def _model3d(
    state: State, asked: Asked, model: Model, prompt: Prompt, given: Json, key: str
) -> generation.GenerationResult:
    _refuse_images(model, prompt)
    return await models3d.make(state, asked, models3d.order_for(model, prompt.text, asked, given), key)


GENERATORS = {"image": _image, "video": _video, "audio": _audio, "3d": _model3d}


async def make(state: State, asked: Asked, model: Model, body: Json, key: str) -> generation.GenerationResult:
    """Generate a file for a chat request with a media model. An empty `key` disables the cache."""
    prompt = prompt_of(asked, body["messages"])
    given: Json = {name: body[name] for name in ("safe", "seed") if name in body}
    return await GENERATORS[model["category"]](state, asked, model, prompt, given, key)


def markdown(state: State, result: generation.GenerationResult, messages: Sequence[Json]) -> str:
    """Return the response text: an embedded image or a Markdown link, and then the plain URL."""
    prompt = conversation.text_of(_last_user(messages))
    file: File = result.stored.value
    url = state.link(file)
    caption = " ".join(re.sub(r"[\[\]]", " ", prompt).split())[:MAX_CAPTION_LENGTH]
    embeds = "!" if file.mime_type.startswith("image/") else ""
    return f"{embeds}[{caption}]({url})\n\n{url}"
