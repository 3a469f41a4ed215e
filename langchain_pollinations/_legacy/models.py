"""The models of the legacy hosts, and requests for the model lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
from langchain_core.language_models import ModelProfile

from langchain_pollinations._legacy.hosts import LegacyHosts, unsupported
from langchain_pollinations._transport.error_response import unexpected_response
from langchain_pollinations._transport.request import ApiRequest
from langchain_pollinations.errors import InvalidRequestError

TEXT_MODELS = ("openai-fast", "openai", "gpt-oss", "gpt-oss-20b", "ovh-reasoning")
"""The current text model, followed by its aliases."""
IMAGE_MODELS = ("sana", "flux", "turbo", "z-image", "zimage")
"""The current image model, followed by its aliases."""
DOCUMENTED_MODELS = ("mistral",)
"""Text models of the original documentation. The host no longer has them, but requests still name them."""


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
    """Return the LangChain profile of a text model of the legacy hosts, or None for other models."""
    return PROFILE if model in TEXT_MODELS else None


# --- Model lists ------------------------------------------------------------------------------------------------------


def models_request(hosts: LegacyHosts, kind: str | None, filters: Iterable[str]) -> ApiRequest[list[Any]]:
    """Build the request for a model list.

    Args:
        hosts: The legacy hosts.
        kind: `text` or `image`.
        filters: Names of the filters of the list. The hosts support none.
    """
    if kind not in ("text", "image"):
        raise InvalidRequestError(
            "kind: the legacy hosts list models of 'text' and of 'image' only; one of them is required", param="kind"
        )
    if unsupported_filters := sorted(filters):
        raise unsupported(f"{', '.join(unsupported_filters)}: the model lists of the legacy hosts cannot be searched")
    origin = hosts.text_url if kind == "text" else hosts.image_url
    request = hosts.request("GET", origin, "/models", partial(parse_models, kind=kind), {})
    return replace(request, limiter=None)  # the hosts do not limit the rate of these requests


def parse_models(response: httpx.Response, kind: str) -> list[Any]:
    """Parse a model list. The image host lists only names. Neither host states the category, so `kind` is added."""
    try:
        entries = response.json()
    except (ValueError, RecursionError) as error:
        raise unexpected_response(response, "list of models") from error
    if not isinstance(entries, list):
        raise unexpected_response(response, "list of models")
    named = [{"name": entry} if isinstance(entry, str) else entry for entry in entries]
    return [{"category": kind, **entry} for entry in named if isinstance(entry, dict)]
