"""Which request of a wrapper becomes which request to the legacy hosts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_pollinations._legacy.hosts import SCOPE, Hosts, T, unsupported
from langchain_pollinations._legacy.images import _image
from langchain_pollinations._legacy.models import _text_models
from langchain_pollinations._legacy.text import _chat
from langchain_pollinations._transport.request import Call

_ROUTES: Sequence[tuple[str, str, Callable[[Hosts, Call[Any]], Call[Any]]]] = (
    ("POST", "/v1/chat/completions", _chat),
    ("GET", "/text/models", _text_models),
    ("GET", "/image/", _image),
)


def translate(hosts: Hosts, call: Call[T]) -> Call[T]:
    """A call as these hosts understand it.

    Raises:
        UnsupportedRequestError: If they cannot do it; it says where a key is to be had.
        UnknownModelError: If they do not have the model.
    """
    for method, start, translation in _ROUTES:
        if (call.method, call.origin) == (method, None) and call.path.startswith(start):
            return translation(hosts, call)
    raise unsupported(f"The older hosts {SCOPE}")
