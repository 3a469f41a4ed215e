"""Parsing of media responses."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from langchain_pollinations._catalog.costs import cost_of, header_units
from langchain_pollinations._media.billing import price_variants
from langchain_pollinations._media.formats import SNIFFED_BYTES, sniff
from langchain_pollinations._media.integrity import has_all_boxes, is_whole
from langchain_pollinations._media.references import FAMILY_NOUNS
from langchain_pollinations._media.wav import fix_wav_sizes
from langchain_pollinations._transport.body import with_body
from langchain_pollinations._transport.error_response import parse_json, unexpected_response
from langchain_pollinations.errors import InvalidResponseError
from langchain_pollinations.media import Media

# --- Responses --------------------------------------------------------------------------------------------------------


def parse_media(
    response: httpx.Response, data: bytes | Path, family: str, prompt: str | None, options: Any, **known: Any
) -> Media:
    """Build a `Media` from a response. Its metadata comes from the response headers.

    Args:
        response: The response. Its headers and its status are used, but not its body.
        data: The bytes of the body, or the file that contains them.
        family: The expected family of MIME types: `image`, `audio`, `video` or `model`.
        prompt: The prompt; None if the request had no text prompt.
        options: The options of the request.
        known: Other fields of `Media`. Keys of `metadata` override the metadata of the headers.

    Raises:
        PollinationsError: If the body is an error object. The class depends on the error.
        InvalidResponseError: If the body is not complete media of the family. Examples are an HTML page, an incomplete
            image and an empty body.
    """
    head, size = _head(data)
    if re.match(rb'\s*\{\s*["}]', head) or not head:  # raw PCM samples may also begin with a brace
        response = with_body(response, _first_bytes(data))
        parse_json(response, FAMILY_NOUNS[family])
    mime_type = _mime_type(response, head, family)
    if mime_type is None:
        raise unexpected_response(with_body(response, _first_bytes(data)), FAMILY_NOUNS[family])
    if not _is_whole(data, mime_type):
        raise InvalidResponseError(
            f"The response contains incomplete {FAMILY_NOUNS[family]} data: {size} bytes of {mime_type}",
            status_code=response.status_code,
            request_id=response.headers.get("x-request-id"),
        )
    fields = {
        "mime_type": mime_type,
        "url": public_url(response.headers),
        "model": response.headers.get("x-model-used") or options.model,
        "seed": getattr(options, "seed", None),
        "prompt": prompt,
        "request_id": response.headers.get("x-request-id"),
        "cost": cost_of(response, options.model, header_units(response.headers), price_variants(options)).text,
        **known,
        "metadata": {**metadata(response.headers), **known.get("metadata", {})},
    }
    if not isinstance(data, bytes):
        return Media.from_file(data, **fields)
    return Media(data=fix_wav_sizes(data) if mime_type == "audio/wav" else data, **fields)


def _head(data: bytes | Path) -> tuple[bytes, int]:
    if isinstance(data, bytes):
        return data[:SNIFFED_BYTES], len(data)
    with data.open("rb") as file:
        return file.read(SNIFFED_BYTES), os.fstat(file.fileno()).st_size


def _first_bytes(data: bytes | Path) -> bytes:
    """Return the part of a body that an error includes: all bytes, or the first MiB of a file."""
    if isinstance(data, bytes):
        return data
    with data.open("rb") as file:
        return file.read(1024 * 1024)


def _mime_type(response: httpx.Response, head: bytes, family: str) -> str | None:
    """Return the MIME type of the bytes, or None if it does not belong to the family. Raw audio samples are recognized
    only by the `content-type` header."""
    mime_type = sniff(head)
    if family == "audio":
        if mime_type == "video/mp4":
            return "audio/mp4"  # AAC arrives in an MP4 container
        header_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if mime_type is None and head and header_type in ("audio/pcm", "audio/l16"):
            return "audio/pcm"
    return mime_type if mime_type is not None and mime_type.startswith(f"{family}/") else None


def _is_whole(data: bytes | Path, mime_type: str) -> bool:
    if isinstance(data, bytes):
        return is_whole(data, mime_type)
    with data.open("rb") as file:
        return mime_type != "video/mp4" or has_all_boxes(file)


_METADATA_HEADERS = (
    "x-tts-voice",
    "x-voice-changer-voice",
    "x-generation-id",
    "song-id",
    "x-elevenlabs-song-id",
    "x-elevenlabs-reference-song-id",
)


def metadata(headers: httpx.Headers) -> dict[str, Any]:
    """Return the metadata in response headers: usage, cache type, voice, and the ids of a generation or a song."""
    found: dict[str, Any] = {key: value for key, value in headers.items() if key.startswith("x-usage-")}
    if cache_type := headers.get("x-cache-type"):
        found["cache_type"] = cache_type
    return found | {
        name.removeprefix("x-").replace("-", "_"): headers[name] for name in _METADATA_HEADERS if name in headers
    }


def revision(item: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    """Return the revised prompt in a `/v1/images/...` response. Return an empty dict if the prompt was not changed."""
    revised = item.get("revised_prompt")
    return {"revised_prompt": revised} if revised and revised != prompt else {}


def public_url(headers: httpx.Headers) -> str | None:
    """Return the URL of the stored file. It is in the `Link` header with rel="enclosure"."""
    for entry in headers.get_list("link", split_commas=True):
        address = re.match(r"\s*<(https?://[^>]*)>", entry)
        if address and re.search(r'rel="?enclosure"?', entry):
            return address[1]
    return None
