"""The media host. It stores uploads, and serves uploaded and generated files.

The service runs the media host as a separate host. The emulator serves it under `/media`. The body of its error
responses has only the key `error`.
"""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4

from starlette.responses import JSONResponse, Response

from langchain_pollinations.emulator.service import accounts, forms, validation
from langchain_pollinations.emulator.service.error_responses import FlatRefusal, Refusal
from langchain_pollinations.emulator.state import Asked, File, State

MAX_FILE_BYTES = 400 * 1024 * 1024
FOREVER = "public, max-age=31536000, immutable"
UNKNOWN = "application/octet-stream"
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
MIME_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(\s*;[ -~]*)?", re.ASCII)
MAX_TAG_LENGTH = 64
EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "audio/mpeg": "mp3",
    "audio/opus": "opus",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/wav": "wav",
    "audio/pcm": "pcm",
    "model/gltf-binary": "glb",
    "model/ply": "ply",
}
# SVG files can contain scripts, which a browser must not run.
HARMLESS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
    "x-content-type-options": "nosniff",
}


def slug(prompt: str) -> str:
    """Return the prompt as a part of a file name, for example `a-red-cat`.

    The result is empty if the prompt has no ASCII letters or digits.
    """
    return re.sub(r"[^a-z0-9]+", "-", prompt[:100].lower()).strip("-")


def file_name(prompt: str, mime_type: str) -> str:
    """Return a file name made of the words of the prompt and the extension for the MIME type."""
    name = slug(prompt) or "generated-media"
    extension = EXTENSIONS.get(mime_type) or (mimetypes.guess_extension(mime_type) or ".bin")[1:]
    return f"{name}.{extension}"


def _headers(state: State, file: File) -> dict[str, str]:
    head = {
        "x-content-id": file.id,
        "x-content-size": str(len(file.data)),
        "link": f'<{state.link(file)}>; rel="enclosure"',
    }
    return head | (HARMLESS if file.mime_type == "image/svg+xml" else {})


def made_headers(state: State, file: File) -> dict[str, str]:
    """Return the response headers for a newly generated file."""
    disposition = f'inline; filename="{file.name}"'
    return {"cache-control": FOREVER, "content-disposition": disposition, **_headers(state, file)}


def flat(refusal: Refusal) -> FlatRefusal:
    """Convert an error to the format of the media host."""
    return FlatRefusal(refusal.status, refusal.message, headers=refusal.headers)


# Uploads.


@dataclass(frozen=True)
class Sent:
    """An uploaded file. Raw bodies, multipart forms and JSON bodies are all parsed into this class."""

    data: bytes = field(repr=False)
    mime_type: str
    name: str = ""
    id: str | None = None
    tags: tuple[str, ...] = ()


def _refuse(message: str, status: int = 400) -> FlatRefusal:
    return FlatRefusal(status, message)


def _raw(asked: Asked) -> Sent:
    name = unquote(asked.headers.get("x-file-name", ""))
    return Sent(asked.body, asked.headers["content-type"].strip(), name)


async def _form(asked: Asked) -> Sent:
    try:
        form = await forms.read(asked)
    except forms.BrokenForm as error:
        raise _refuse(f"Invalid form: {error}") from error
    file = form.file("file")
    if file is None:
        raise _refuse("No file: send it as the part 'file'")
    guessed = mimetypes.guess_type(PurePosixPath(file.name).name)[0] or UNKNOWN
    return Sent(file.data, file.mime_type or guessed, file.name, form.text("id"), _tags(form.fields.get("tags", ())))


JSON_UPLOAD = validation.shape(
    {
        "data": validation.string(1),
        "contentType": validation.optional(validation.string()),
        "name": validation.optional(validation.string()),
        "id": validation.optional(validation.string()),
        "tags": validation.optional(validation.union(validation.string(), validation.array(validation.string()))),
    }
)


def _json(asked: Asked) -> Sent:
    try:
        body: Any = asked.json
    except (ValueError, RecursionError):
        raise _refuse("Invalid JSON body") from None
    sentence = JSON_UPLOAD(body)
    if sentence is not None:
        raise _refuse(f"Invalid JSON body: {sentence}")
    tags = body.get("tags", [])
    return Sent(
        _decoded(body["data"]),
        body.get("contentType") or UNKNOWN,  # a data URI also has a type, but the service ignores it
        body.get("name", ""),
        body.get("id"),
        _tags([tags] if isinstance(tags, str) else tags),
    )


def _decoded(text: str) -> bytes:
    """Decode base64 text or a data URI. White space is ignored, and padding is optional."""
    plain = "".join(text.rpartition(",")[2].split()).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError:  # binascii.Error is a ValueError; text that is not ASCII raises another one
        raise _refuse("Invalid base64 data") from None


def _tags(values: Iterable[str]) -> tuple[str, ...]:
    tags = [tag.strip() for value in values for tag in value.split(",") if tag.strip()]
    if any(len(tag) > MAX_TAG_LENGTH or not tag.isprintable() for tag in tags):
        raise _refuse(f"Invalid tags: at most {MAX_TAG_LENGTH} printable characters each")
    return tuple(dict.fromkeys(tags))


async def _sent(asked: Asked) -> Sent:
    kind = asked.headers.get("content-type", "").strip().lower()
    if forms.is_form(asked):
        return await _form(asked)
    if validation.JSON_TYPE.match(kind):
        return _json(asked)
    if not kind or kind.startswith("application/x-www-form-urlencoded"):
        raise _refuse("Unsupported content type: send the bytes with their own type, a multipart form or JSON")
    return _raw(asked)


def _identified(state: State, key: str, wanted: str | None) -> str:
    """Return the id of a new file.

    The id is random unless the request contains an id. A requested id gets a prefix that depends on the API key. If the
    prefixed id exists already, the request is rejected.
    """
    if wanted is None:
        return str(uuid4())
    if not ID.fullmatch(wanted):
        raise _refuse("Invalid id: up to 128 letters, digits, '.', '_' and '-', the first a letter or digit")
    found = f"{sha256(key.encode()).hexdigest()[:8]}-{wanted}"
    if state.media.find(found) is not None:
        raise _refuse(f"The id {wanted!r} exists already; nothing was replaced", 409)
    return found


async def upload(state: State, asked: Asked) -> Response:
    try:
        accounts.authenticate(state.keys, asked.key, strict=state.strict_keys)
    except Refusal as refusal:
        raise flat(refusal) from refusal
    sent = await _sent(asked)
    if not sent.data:
        raise _refuse("Empty file")
    if len(sent.data) > MAX_FILE_BYTES:
        raise _refuse(f"File too large: at most {MAX_FILE_BYTES} bytes", 413)
    if not MIME_TYPE.fullmatch(sent.mime_type):
        raise _refuse("Unknown content type")
    name = _identified(state, asked.key or "", sent.id)
    lasting = sent.id is None and not sent.tags
    file = File(name, sent.data, sent.mime_type, sent.name, sent.tags, lasting, is_upload=True)
    state.media.put(file.id, file, len(file.data))
    fields = {"id": file.id, "url": state.link(file), "contentType": file.mime_type, "size": len(file.data)}
    return JSONResponse(fields | ({"tags": list(file.tags)} if file.tags else {}))


# Retrieval, which needs no key.


async def get(state: State, asked: Asked, path: str) -> Response:
    """Return a file, or its metadata if the path ends with `/metadata`."""
    name, _, rest = path.partition("/")
    file = state.media.find(name)
    if file is None or rest not in ("", "metadata"):
        raise FlatRefusal(404, "Not found")
    if rest:
        known = {"id": file.id, "contentType": file.mime_type, "size": len(file.data), "uploadedAt": file.uploaded}
        return JSONResponse(known)
    # The service sends "inline" for uploads too. A page that a test uploads would run on 127.0.0.1, together with
    # everything else served there, so the emulator makes the browser save it.
    disposition = "attachment" if file.is_upload else "inline"
    headers = {
        "content-type": file.mime_type,
        "cache-control": FOREVER if file.permanent else "no-store",
        "content-disposition": f"{disposition}; filename*=UTF-8''{quote(file.name, safe='')}"
        if file.name
        else disposition,
    } | ({"x-content-type-options": "nosniff"} if file.is_upload else {})
    return _ranged(file.data, asked.headers.get("range", ""), headers | _headers(state, file))


RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def _range(wanted: str, size: int) -> range | None:
    """Parse a `Range` header into the range of bytes to send. None means that the whole file is sent.

    The whole file is sent if the header is missing or invalid, or requests several ranges.
    """
    found = RANGE.fullmatch(wanted.strip())
    first, last = found.groups() if found else ("", "")
    if not first:
        return range(max(0, size - int(last)), size) if last else None
    if last and int(last) < int(first):
        return None
    return range(int(first), min(size, int(last) + 1) if last else size)


def _ranged(data: bytes, wanted: str, headers: dict[str, str]) -> Response:
    span = _range(wanted, len(data))
    if span is None:
        return Response(data, headers=headers | {"accept-ranges": "bytes"})
    if not span:
        return Response(status_code=416, headers={"content-range": f"bytes */{len(data)}"})
    range_headers = {"accept-ranges": "bytes", "content-range": f"bytes {span.start}-{span.stop - 1}/{len(data)}"}
    return Response(data[span.start : span.stop], 206, headers | range_headers)
