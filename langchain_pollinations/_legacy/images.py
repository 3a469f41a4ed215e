"""Image requests of the legacy image host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from langchain_pollinations._legacy.hosts import MAX_URL, LegacyHosts, T, unknown_model, unsupported
from langchain_pollinations._legacy.models import IMAGE_MODELS
from langchain_pollinations._transport.request import ApiRequest
from langchain_pollinations.errors import InvalidRequestError

_UNSUPPORTED: Mapping[str, str] = {
    "image": "does not accept reference images",
    "transparent": "does not support transparent backgrounds",
    "resolution": "does not accept a resolution; use width and height",
}


def check_options(options: Mapping[str, Any]) -> None:
    """Raise if the host does not support an option.

    Raises:
        UnsupportedRequestError: If the host does not support an option. The message names the page for a key.
        UnknownModelError: If the host does not have the model.
    """
    for name, lacks in _UNSUPPORTED.items():
        if options.get(name):
            raise unsupported(f"{name}: the legacy image host {lacks}", param=name)
    if options["model"] not in IMAGE_MODELS:
        raise unknown_model(options["model"], IMAGE_MODELS, "image")
    _safe_option(options)


def image_request(
    hosts: LegacyHosts, prompt: str, options: Mapping[str, Any], parse: Callable[[httpx.Response], T]
) -> ApiRequest[T]:
    """Build `GET /prompt/{prompt}`.

    Args:
        hosts: The legacy hosts.
        prompt: Description of the image.
        options: Options of the image, after `check_options`.
        parse: Parser of the response.

    Raises:
        InvalidRequestError: If the URL cannot carry the prompt.
    """
    if prompt in (".", ".."):
        raise InvalidRequestError("prompt: must not be '.' or '..', because it is part of the URL", param="prompt")
    fields = {name: value for name, value in options.items() if value is not False and name != "safe"}
    params = {name: _query_value(value) for name, value in {**fields, "private": True, **_safe_option(options)}.items()}
    path = quote(prompt, safe="")
    length = len(path) + len(urlencode(params))
    if length > MAX_URL:
        message = f"prompt: has {length} characters in the URL; at most {MAX_URL} are allowed on the legacy host"
        raise InvalidRequestError(message, param="prompt")
    return hosts.request("GET", hosts.image_url, f"/prompt/{path}", parse, {"params": params})


def _query_value(value: Any) -> str:
    return "true" if value is True else str(value)


def _safe_option(options: Mapping[str, Any]) -> Mapping[str, bool]:
    """Return the option `safe` for the legacy host. The filter of this host is either on or off."""
    safe = str(options.get("safe") or False).lower()
    if safe not in ("true", "false", "0"):
        raise unsupported(f"safe: the legacy image host accepts only True and False, got {safe!r}", param="safe")
    return {"safe": True} if safe == "true" else {}
