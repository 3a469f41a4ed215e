"""The lines of the file: one JSON object for each exchange."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

from langchain_pollinations.emulator.service.error_responses import now
from langchain_pollinations.emulator.shadow import event_streams, redaction
from langchain_pollinations.emulator.shadow.captured import Captured
from langchain_pollinations.emulator.shadow.differences import Difference
from langchain_pollinations.emulator.shadow.redaction import Redactor

Json = dict[str, Any]

MAX_TEXT = 10_000  # characters of one text of a body
MAX_BODY = 256 * 1024  # characters of a recorded body
CHUNK = 256 * 1024
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Request:
    """A request of a client. `body` is a file that contains the request body."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: BinaryIO

    @property
    def redactor(self) -> Redactor:
        return Redactor(redaction.secrets_in(self.headers, self.query))

    def captured(self) -> Captured:
        """Return the request body in the form of a response body. A large body is not kept."""
        self.body.seek(0)
        kept, size, digest = b"", 0, sha256()
        while piece := self.body.read(CHUNK):
            size += len(piece)
            digest.update(piece)
            kept = kept + piece if size <= MAX_BODY else b""
        return Captured(
            headers=dict(self.headers),
            body=kept if size <= MAX_BODY else None,
            size=size,
            sha256=digest.hexdigest(),
        )


def _shortened(value: Any) -> Any:
    """Replace long texts, such as base64 data, with their length and their hash."""
    if isinstance(value, str) and len(value) > MAX_TEXT:
        digest = sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
        return f"[{len(value)} characters, sha256 {digest}]"
    if isinstance(value, list):
        return [_shortened(each) for each in value]
    if isinstance(value, dict):
        return {key: _shortened(inner) for key, inner in value.items()}
    return value


def _form(body: bytes) -> Json:
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _event(event: event_streams.Event) -> Any:
    value = event.json
    data = event.data if value is None else value
    return {"event": event.name, "data": data} if event.name else data


def _content(captured: Captured) -> Any:
    """Return a body as JSON, events or text. Return None for another body, which is described instead."""
    body = captured.body
    if body is None or not (captured.is_text or captured.media_type == FORM):
        return None
    if captured.media_type == FORM:
        return _form(body)
    if captured.is_stream:
        return [_event(event) for event in event_streams.parse(body)]
    if captured.is_json:
        try:
            return captured.json
        except ValueError:
            pass
    return body.decode("utf-8", "replace")


def _body(captured: Captured, redactor: Redactor, *, is_request: bool = False) -> Any:
    if not captured.size:
        return None
    try:
        content = redactor.json(_shortened(_content(captured)), is_request=is_request)
        written = json.dumps(content)
    except RecursionError:
        content, written = None, ""
    if content is not None and len(written) <= MAX_BODY:
        return content
    return {"type": redactor.text(captured.media_type), "size": captured.size, "sha256": captured.sha256}


def _response(captured: Captured) -> Json:
    found: Json = {"failure": captured.failure} if captured.failure else {}
    if captured.status is None:
        return found
    return found | {
        "status": captured.status,
        "seconds": round(captured.seconds, 3),
        "headers": redaction.headers(captured.headers),
    }


def record(
    request: Request, upstream: Captured | None, emulator: Captured | None, found: Iterable[Difference], note: str = ""
) -> Json:
    """Return an exchange without secrets.

    Args:
        request: The request of the client.
        upstream: The response of the upstream, or None if the request was not forwarded.
        emulator: The response of the emulator, or None if it was not asked.
        found: The differences of the two responses.
        note: Why a response is missing.
    """
    redactor = request.redactor
    query = redactor.json(dict(request.query), is_request=True)
    entry: Json = {
        "time": now(),
        "request": {
            "method": request.method,
            "path": request.path,
            "query": query,
            "headers": redaction.headers(request.headers),
        },
        "upstream": None if upstream is None else _response(upstream),
        "emulator": None if emulator is None else _response(emulator),
        "differences": [asdict(difference) for difference in found],
    }
    cleaned = _text_only(entry | ({"note": note} if note else {}), redactor)
    assert isinstance(cleaned, dict)
    cleaned["request"]["body"] = _body(request.captured(), redactor, is_request=True)
    for side, response in (("upstream", upstream), ("emulator", emulator)):
        if response is not None and response.status is not None:
            cleaned[side]["body"] = _body(response, redactor)
    return cleaned


def _text_only(value: Any, redactor: Redactor) -> Any:
    """Remove secrets from all texts, whatever their fields are called."""
    if isinstance(value, str):
        return redactor.text(value)
    if isinstance(value, list):
        return [_text_only(each, redactor) for each in value]
    if isinstance(value, dict):
        return {redactor.text(key): _text_only(inner, redactor) for key, inner in value.items()}
    return value
