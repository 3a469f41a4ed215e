"""Images and other files that a request contains inline or refers to by URL."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from PIL import Image, ImageOps

from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.state import File, State
from langchain_pollinations.emulator.synthesis.images import reading, rendering

LOCAL = re.compile(r"localhost|.*\.localhost|\[.*\]|\d+(\.\d+){3}", re.IGNORECASE)
STRANGER = (768, 512)  # assumed size of images on other hosts in pixels


def check(state: State, addresses: Iterable[str]) -> None:
    """Reject URLs that the service would not fetch, and files that are not valid images."""
    for address in addresses:
        data = _data(state, address)
        if data is not None:
            reading.read(data)


def is_public(address: str) -> bool:
    """Whether a URL points to the public web. A local host or an IP address does not count as public."""
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:  # unbalanced brackets
        return False
    is_local = not host or ":" in host or LOCAL.fullmatch(host) is not None
    return parts.scheme in ("http", "https") and "@" not in parts.netloc and not is_local


def check_address(address: str) -> None:
    """Reject a URL that does not point to the public web."""
    if not is_public(address):
        raise Refusal(400, f"Invalid image URL: {address}", code="invalid_image_url")


def check_parts(state: State, parts: Iterable[Mapping[str, Any]]) -> None:
    """Reject content parts whose image or video has a URL that the service would not fetch."""
    for part in parts:
        kind = part.get("type")
        value = part.get(kind) if kind in ("image_url", "video_url") else None
        url = value.get("url") if isinstance(value, Mapping) else None
        if isinstance(url, str) and url.startswith(("http://", "https://")) and own(state, url) is None:
            check_address(url)


def own(state: State, address: str) -> File | None:
    """Return the file at a URL of the emulator's media host. Return None for a URL of another host."""
    home = f"{state.url}/media/"
    if not address.startswith(home):
        return None
    file = state.media.find(address.removeprefix(home))
    if file is None:
        raise Refusal(400, f"Failed to download image: {address}", code="failed_to_download_image")
    return file


def opened(state: State, address: str, size: tuple[int, int] = STRANGER) -> Image.Image:
    """Return the image at a URL.

    An image on another host is not fetched. The emulator draws an image from the words in the URL instead. `size` is
    the size of this image.
    """
    data = _data(state, address)
    if data is None:
        return rendering.view(_words(address), *size)
    image = ImageOps.exif_transpose(reading.read(data))
    if not image.has_transparency_data:
        return image.convert("RGB")
    paper = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")


def _data(state: State, address: str) -> bytes | None:
    """Return the bytes at a URL. Return None for a URL of another host, which the emulator never fetches."""
    if address.startswith("data:"):
        return _inline(address)
    file = own(state, address)
    if file is not None:
        return file.data
    check_address(address)
    return None


def _inline(address: str) -> bytes:
    head, _, body = address.partition(",")
    if not head.lower().endswith(";base64"):
        return unquote_to_bytes(body)
    try:
        return base64.b64decode(unquote(body), validate=True)
    except (binascii.Error, ValueError):
        raise reading.unsupported() from None


def _words(address: str) -> str:
    parts = urlsplit(address)
    return " ".join(re.findall(r"[^\W_]+", unquote(f"{parts.path} {parts.query}"))) + f" {address}"
