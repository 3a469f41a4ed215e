"""The models of the legacy hosts, and requests for the model lists."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import httpx
from langchain_core.language_models import ModelProfile

from langchain_pollinations._legacy.hosts import LegacyHosts, T, unsupported
from langchain_pollinations._transport.body import with_body
from langchain_pollinations._transport.error_response import unexpected_response
from langchain_pollinations._transport.request import ApiRequest

TEXT_MODELS = ("openai-fast", "openai", "gpt-oss", "gpt-oss-20b", "ovh-reasoning")
"""The current text model, followed by its aliases."""
IMAGE_MODELS = ("sana", "flux", "turbo", "z-image", "zimage")
"""The current image model, followed by its aliases."""
DOCUMENTED_MODELS = ("mistral",)
"""Text models from the original documentation. They are sent as documented, but the host no longer has them."""


PROFILE: ModelProfile = {
    "name": "openai-fast on the legacy host",
    "text_inputs": True,
    "image_inputs": False,
    "image_url_inputs": False,
    "image_tool_message": False,
    "audio_inputs": False,
    "video_inputs": False,
    "pdf_inputs": False,
    "text_outputs": True,
    "image_outputs": False,
    "audio_outputs": False,
    "video_outputs": False,
    "reasoning_output": True,
    "tool_calling": True,
    "structured_output": False,
}
"""Profile of the text model, from the model list of the host. The list does not state the maximum input length."""


def profile(model: str) -> ModelProfile | None:
    """LangChain profile of a text model of the legacy hosts; None for other models."""
    return PROFILE if model in TEXT_MODELS else None


# --- Model lists ------------------------------------------------------------------------------------------------------


def text_models_request(hosts: LegacyHosts, call: ApiRequest[T]) -> ApiRequest[T]:
    return models_request(hosts, call, hosts.text_url, "text")


def models_request(hosts: LegacyHosts, call: ApiRequest[T], origin: str, category: str) -> ApiRequest[T]:
    if unread := sorted(call.options["params"]):
        raise unsupported(f"{', '.join(unread)}: the model lists of the legacy hosts cannot be searched")
    parse = partial(_parse_models, call.parse, category)
    return hosts._request(call, "GET", origin, "/models", options={}, parse=parse)


def _parse_models(parse: Callable[[httpx.Response], T], category: str, response: httpx.Response) -> T:
    """Convert a model list to the format of the unified host.

    The image host lists names only, and neither host states the category.
    """
    try:
        entries = response.json()
    except (ValueError, RecursionError) as error:
        raise unexpected_response(response, "list of models") from error
    if not isinstance(entries, list):
        return parse(response)
    named = [{"name": entry} if isinstance(entry, str) else entry for entry in entries]
    models = [{"category": category, **entry} if isinstance(entry, dict) else entry for entry in named]
    return parse(with_body(response, json.dumps(models).encode()))
