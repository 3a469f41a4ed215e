"""Mapping of requests to the unified host to requests to the legacy hosts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_pollinations._legacy.hosts import SCOPE, LegacyHosts, T, unsupported
from langchain_pollinations._legacy.images import image_route
from langchain_pollinations._legacy.models import text_models_request
from langchain_pollinations._legacy.text import chat_request
from langchain_pollinations._transport.request import ApiRequest

_ROUTES: Sequence[tuple[str, str, Callable[[LegacyHosts, ApiRequest[Any]], ApiRequest[Any]]]] = (
    ("POST", "/v1/chat/completions", chat_request),
    ("GET", "/text/models", text_models_request),
    ("GET", "/image/", image_route),
)


def translate(hosts: LegacyHosts, call: ApiRequest[T]) -> ApiRequest[T]:
    """Translate a request for the legacy hosts.

    Args:
        hosts: The legacy hosts, with the settings of the wrapper.
        call: A request to the unified host.

    Returns:
        The equivalent request to a legacy host.

    Raises:
        UnsupportedRequestError: If the legacy hosts do not support the request. The message names the page for a key.
        UnknownModelError: If the legacy hosts do not have the model.
    """
    for method, start, translation in _ROUTES:
        if (call.method, call.origin) == (method, None) and call.path.startswith(start):
            return translation(hosts, call)
    raise unsupported(f"The legacy hosts {SCOPE}")
