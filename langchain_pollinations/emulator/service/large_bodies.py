"""Processes chat requests over 32 MiB.

Each inline file is stored on the media host and replaced with its URL.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

from langchain_pollinations.emulator.scripting import dialects
from langchain_pollinations.emulator.service import accounts, validation
from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.state import Asked, File, State

Json = dict[str, Any]

MIB = 1024 * 1024
FROM = 32 * MIB  # bytes of Content-Length above which a request is handled here
MAX_BODY_BYTES = 100 * MIB
MAX_INLINE = 20 * MIB  # characters of one data URI
# Characters of the body without its files. The service also stops reading after 36 MiB that it could not extract, but
# such a body exceeds this limit or that of one file anyway.
MAX_REMAINING = 16 * MIB
# The pattern does not match the base64 text: a regular expression over 20 MiB takes longer than decoding.
HEAD = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,")
TYPES = {
    "image_url": re.compile(r"image/(jpeg|png|webp|gif)"),
    "video_url": re.compile(r"video/.*"),
    "file": re.compile(r".*"),
}
PDF = "application/pdf"


def applies(asked: Asked) -> bool:
    """Whether a request counts as large. Only its `Content-Length` header decides, not the actual size."""
    length = asked.headers.get("content-length", "")
    return length.isdecimal() and int(length) > FROM


def compacted(state: State, asked: Asked) -> Asked:
    """Return a request in which URLs replace the inline files. Return a small request unchanged."""
    if not applies(asked):
        return asked
    try:
        body = validation.parsed(asked.body)
    except (ValueError, RecursionError):
        raise Refusal(400, "Invalid JSON body") from None
    has_pdf_data = False
    for part in _parts(body):
        has_pdf_data |= _moved(state, asked, part)
    if has_pdf_data and not _is_on_openrouter(state, body.get("model")):
        raise Refusal(413, "Large inline PDF file_data requires an OpenRouter model")
    left = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    if len(left) > MAX_REMAINING:
        raise Refusal(413, "Chat content exceeds the 16 MiB limit after media offload")
    return replace(asked, body=left.encode())


def _parts(body: Any) -> Iterator[Json]:
    """Yield the content parts of a request body. The body has not been validated yet."""
    messages = body.get("messages") if isinstance(body, dict) else None
    for message in messages if isinstance(messages, list) else []:
        content = message.get("content") if isinstance(message, dict) else None
        yield from (part for part in content if isinstance(part, dict)) if isinstance(content, list) else ()


def _moved(state: State, asked: Asked, part: Json) -> bool:
    """Store the inline file of a content part on the media host, and put its URL into the part.

    Return True if the file was a PDF in `file_data`.
    """
    kind = part.get("type")
    holder = part.get(kind) if isinstance(kind, str) and kind in TYPES else None
    if not isinstance(kind, str) or not isinstance(holder, dict):
        return False
    data = _pdf_data(holder) if kind == "file" else None
    field = "file_url" if kind == "file" else "url"
    uri = holder.get(field) if data is None else data
    if not isinstance(uri, str) or not uri.startswith("data:"):
        return False
    holder[field] = _stored(state, asked, uri, kind)
    if data is not None:
        del holder["file_data"]
    return data is not None


def _pdf_data(file: Json) -> str | None:
    """Return the PDF in `file_data` as a data URI. Return None for a file of another type, which stays inline."""
    data = file.get("file_data")
    if not isinstance(data, str) or not data or "file_url" in file:
        return None
    if not data.startswith("data:"):
        return f"data:{PDF};base64,{data}" if file.get("mime_type") == PDF else None
    return data if data.startswith(f"data:{PDF};base64,") else None


def _stored(state: State, asked: Asked, uri: str, kind: str) -> str:
    """Store an inline file on the media host and return its URL. The same user gets the same URL for the same bytes."""
    if len(uri) > MAX_INLINE:
        raise Refusal(413, "An inline media item exceeds the 20 MiB limit")
    accounts.authenticate(state.keys, asked.key, strict=state.strict_keys)
    head = HEAD.match(uri)
    if head is None or not TYPES[kind].fullmatch(head[1]):
        raise Refusal(400, "Invalid inline media data URL")
    text = uri[head.end() :]
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise Refusal(400, "Invalid inline media data URL") from None
    name = sha256(b"\0".join([(asked.key or "").encode(), head[1].encode(), data])).hexdigest()
    file = File(name, data, head[1])
    state.media.put(file.id, file, len(data))
    return state.link(file)


def _is_on_openrouter(state: State, name: Any) -> bool:
    model = state.catalog.find(name) if isinstance(name, str) else None
    return model is not None and dialects.of_model(model["name"]).name == "openrouter"
