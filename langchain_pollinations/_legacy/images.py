"""Image requests of the legacy image host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode

import httpx

from langchain_pollinations._legacy.hosts import MAX_URL, LegacyHosts, T, unknown_model, unsupported
from langchain_pollinations._legacy.models import IMAGE_MODELS, models_request
from langchain_pollinations._transport.body import with_body
from langchain_pollinations._transport.request import ApiRequest
from langchain_pollinations.errors import InvalidRequestError

# --- Images -----------------------------------------------------------------------------------------------------------


def _query_value(value: Any) -> str:
    return "true" if value is True else str(value)


def image_request(hosts: LegacyHosts, call: ApiRequest[T]) -> ApiRequest[T]:
    """`GET /prompt/{prompt}`."""
    options: Mapping[str, Any] = call.options["params"]
    if options["model"] not in IMAGE_MODELS:
        raise unknown_model(options["model"], IMAGE_MODELS, "image")
    for name, lacks in _UNSUPPORTED.items():
        if options.get(name):
            raise unsupported(f"{name}: the legacy image host {lacks}", param=name)
    prompt = call.path.removeprefix("/image/")
    if unquote(prompt) in (".", ".."):
        raise InvalidRequestError("prompt: must not be '.' or '..', because it is part of the URL", param="prompt")
    fields = {name: value for name, value in options.items() if value is not False and name != "safe"}
    params = {name: _query_value(value) for name, value in {**fields, "private": True, **_safe_option(options)}.items()}
    length = len(prompt) + len(urlencode(params))
    if length > MAX_URL:
        message = f"prompt: has {length} characters in the URL; at most {MAX_URL} are allowed on the legacy host"
        raise InvalidRequestError(message, param="prompt")
    return hosts._request(
        call, "GET", hosts.image_url, f"/prompt/{prompt}",
        options={"params": params}, parse=lambda response: call.parse(_with_link(response)), limiter=hosts.limiter,
    )  # fmt: skip


_UNSUPPORTED: Mapping[str, str] = {
    "image": "does not accept reference images",
    "transparent": "does not support transparent backgrounds",
    "resolution": "does not accept a resolution; use width and height",
}


def _safe_option(options: Mapping[str, Any]) -> Mapping[str, bool]:
    """The option `safe` of the legacy host, whose filter is either on or off."""
    safe = str(options.get("safe") or False).lower()
    if safe not in ("true", "false", "0"):
        raise unsupported(f"safe: the legacy image host accepts only True and False, got {safe!r}", param="safe")
    return {"safe": True} if safe == "true" else {}


def _with_link(response: httpx.Response) -> httpx.Response:
    """The response with the URL of its image in a `Link` header, as the unified host sends it.

    On the legacy host, the URL of the request is the public URL of the image.
    """
    linked = with_body(response, response.content)
    linked.headers["link"] = f'<{response.request.url}>; rel="enclosure"'
    return linked


def image_route(hosts: LegacyHosts, call: ApiRequest[T]) -> ApiRequest[T]:
    """Translate a request for an image, or for the model list.

    Both have the same path if the prompt is "models". Only an image request has the parameter `model`.
    """
    if "model" in call.options["params"]:
        return image_request(hosts, call)
    return models_request(hosts, call, hosts.image_url, "image")
