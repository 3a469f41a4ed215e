"""Image requests of the legacy image host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode

import httpx

from langchain_pollinations._legacy.hosts import LONGEST_URL, Hosts, T, _unknown, unsupported
from langchain_pollinations._legacy.models import IMAGE_MODELS, _models
from langchain_pollinations._transport.body import with_body
from langchain_pollinations._transport.request import Call
from langchain_pollinations.errors import InvalidRequestError

# --- Pictures ---------------------------------------------------------------------------------------------------------


def _in_query(value: Any) -> str:
    return "true" if value is True else str(value)


def _picture(hosts: Hosts, call: Call[T]) -> Call[T]:
    """`GET /prompt/{prompt}`."""
    options: Mapping[str, Any] = call.options["params"]
    if options["model"] not in IMAGE_MODELS:
        raise _unknown(options["model"], IMAGE_MODELS, "image")
    for name, lacks in _NOT_DRAWN.items():
        if options.get(name):
            raise unsupported(f"{name}: The older image host {lacks}", param=name)
    prompt = call.path.removeprefix("/image/")
    if unquote(prompt) in (".", ".."):
        raise InvalidRequestError("prompt: no address can carry dots alone", param="prompt")
    said = {name: value for name, value in options.items() if value is not False and name != "safe"}
    params = {name: _in_query(value) for name, value in {**said, "private": True, **_strict(options)}.items()}
    length = len(prompt) + len(urlencode(params))
    if length > LONGEST_URL:
        told = f"takes {length} characters in an address, and the older host takes {LONGEST_URL}: make it shorter"
        raise InvalidRequestError(f"prompt: {told}", param="prompt")
    return hosts._asked(
        call, "GET", hosts.image_url, f"/prompt/{prompt}",
        options={"params": params}, read=lambda response: call.read(_with_address(response)), turn=hosts.turn,
    )  # fmt: skip


_NOT_DRAWN: Mapping[str, str] = {
    "image": "takes no reference pictures",
    "transparent": "draws no transparent background",
    "resolution": "has no choice of resolution: give width and height",
}


def _strict(options: Mapping[str, Any]) -> Mapping[str, bool]:
    """The filter here is on or off."""
    safe = str(options.get("safe") or False).lower()
    if safe not in ("true", "false", "0"):
        raise unsupported(f"safe: the older image host has one filter, True, and knows no {safe!r}", param="safe")
    return {"safe": True} if safe == "true" else {}


def _with_address(response: httpx.Response) -> httpx.Response:
    """The answer with the address of its picture, as the new host tells it: here that of the request shows the picture
    to everybody."""
    found = with_body(response, response.content)
    found.headers["link"] = f'<{response.request.url}>; rel="enclosure"'
    return found


def _image(hosts: Hosts, call: Call[T]) -> Call[T]:
    """A picture, whose model is always said, or the list, under the path of a picture of "models"."""
    if "model" in call.options["params"]:
        return _picture(hosts, call)
    return _models(hosts, call, hosts.image_url, "image")
