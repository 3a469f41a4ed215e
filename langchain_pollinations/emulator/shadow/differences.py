"""Compares the response of the upstream with the response of the emulator.

Texts, numbers, ids and times differ between two correct responses, so they are not compared. Compared are the status,
some headers, the format of the body, the shape of JSON, and the order of the events in a stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from langchain_pollinations.emulator.shadow import event_streams, shapes
from langchain_pollinations.emulator.shadow.captured import Captured

KINDS = ("refusal", "status", "stream", "json", "media type", "header", "failure")
"""The kinds of differences, the most important first.

- "refusal": only one side refuses the request, the sides refuse it with different statuses, or the emulator fails.
- "status": two successful statuses differ.
- "stream": the order of the events differs, or one stream is not complete.
- "json": a key, a type or the value of an enumerated field differs.
- "media type": the content type or the format of the bytes differs.
- "header": a header differs.
- "failure": the upstream could not answer. The emulator may be right.
"""

MAX_DIFFERENCES = 50  # of one exchange
MAX_TEXT = 300  # characters of each side of a difference
FAILED = 500  # the lowest status that is a failure rather than a refusal

TEXT_ROUTES = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/text")
SAME_VALUE = ("cache-control", "x-model-used", "x-safety-applied", "x-tts-voice", "x-voice-changer-voice")
SAME_PRESENCE = (
    "content-disposition", "link", "location", "payment-required", "retry-after", "x-cache", "x-cache-type",
    "x-content-id", "x-content-size", "x-request-id", "x-safety-redacted", "song-id",
)  # fmt: skip
USAGE = "x-usage-"
VARYING_USAGE = ("-cached-tokens", "-cache-write-tokens", "-reasoning-tokens")  # they depend on the provider's cache

SIGNATURES = (
    (0, b"\x89PNG", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"GIF8", "GIF"),
    (8, b"WEBP", "WebP"),
    (8, b"WAVE", "WAV"),
    (4, b"ftypM4A", "M4A"),
    (4, b"ftyp", "MP4"),
    (0, b"\x1aE\xdf\xa3", "WebM"),
    (0, b"OggS", "Ogg"),
    (0, b"fLaC", "FLAC"),
    (0, b"ID3", "MP3"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"\xff\xf9", "AAC"),
    (0, b"\xff\xfb", "MP3"),
    (0, b"\xff\xf3", "MP3"),
    (0, b"\xff\xf2", "MP3"),
    (0, b"glTF", "GLB"),
    (0, b"ply\n", "PLY"),
    (0, b"PK\x03\x04", "ZIP"),
    (0, b"<svg", "SVG"),
    (0, b"<?xml", "XML"),
    (0, b"\x1f\x8b", "gzip"),
)


@dataclass(frozen=True)
class Difference:
    """A difference between the upstream and the emulator.

    Attributes:
        kind: One of `KINDS`.
        place: Where the responses differ, for example a header or a path such as `body.choices[].message`.
        upstream: What the upstream sends there.
        emulator: What the emulator sends there.
    """

    kind: str
    place: str
    upstream: str
    emulator: str


def format_of(head: bytes) -> str:
    """Return the format of a file by its first bytes."""
    return next((name for at, mark, name in SIGNATURES if head[at : at + len(mark)] == mark), "unknown")


def _is_notice(path: str, response: Captured) -> bool:
    """Whether a text response with status 200 stands for a refusal. The service marks such a response by a header."""
    is_text_route = any(path == route or path.startswith(f"{route}/") for route in TEXT_ROUTES)
    control = response.headers.get("cache-control", "")
    return is_text_route and response.status == 200 and "private" in control and "no-store" in control


def _outcome(path: str, response: Captured) -> str:
    status = response.status or 0
    if status >= FAILED:
        return "failed"
    if status >= 400:
        return f"refused with {status}"
    return "refused with a notice" if _is_notice(path, response) else "answered"


def _error(path: str, response: Captured) -> str:
    """Return the status of a response, and the code and the message of an error."""
    if _is_notice(path, response):
        return f"{response.status} with a notice instead of an answer"
    try:
        body = response.json if response.is_json else {}
    except ValueError:
        body = {}
    error = body.get("error") if isinstance(body, dict) else None
    parts = [error.get("code"), error.get("message")] if isinstance(error, dict) else [error]
    return " ".join(str(part) for part in (response.status, *parts) if part)


def _headers(upstream: Captured, emulator: Captured) -> Iterator[Difference]:
    ours, theirs = emulator.headers, upstream.headers
    for name in SAME_VALUE:
        one, other = theirs.get(name, shapes.ABSENT), ours.get(name, shapes.ABSENT)
        if one.lower() != other.lower():
            yield Difference("header", name, one, other)
    for name in SAME_PRESENCE:
        if (name in theirs) != (name in ours):
            yield Difference("header", name, theirs.get(name, shapes.ABSENT), ours.get(name, shapes.ABSENT))
    names = {name for name in {*theirs, *ours} if name.startswith(USAGE) and not name.endswith(VARYING_USAGE)}
    for name in sorted(names):
        if (name in theirs) != (name in ours):
            yield Difference("header", name, theirs.get(name, shapes.ABSENT), ours.get(name, shapes.ABSENT))


def _shape(response: Captured) -> shapes.Shape | None:
    """Return the shape of a JSON body, or None if the body is not valid."""
    try:
        return shapes.shape_of([response.json])
    except ValueError:
        return None


def _json(upstream: Captured, emulator: Captured) -> Iterator[Difference]:
    one, other = _shape(upstream), _shape(emulator)
    if one is not None and other is not None:
        for place, theirs, ours in shapes.compare(one, other, "body"):
            yield Difference("json", place, theirs, ours)
    elif one is not other:
        yield Difference("json", "body", *("no valid JSON" if each is None else "JSON" for each in (one, other)))


def _stream(upstream: Captured, emulator: Captured) -> Iterator[Difference]:
    theirs, ours = (event_streams.parse(response.body or b"") for response in (upstream, emulator))
    one, other = event_streams.order(theirs), event_streams.order(ours)
    if one != other:
        yield Difference("stream", "order of the events", one, other)
    shape, our_shape = (shapes.shape_of(e.json for e in side if isinstance(e.json, dict)) for side in (theirs, ours))
    for place, there, here in shapes.compare(shape, our_shape, "event"):
        yield Difference("json", place, there, here)


def _bytes(upstream: Captured, emulator: Captured) -> Iterator[Difference]:
    one, other = format_of(upstream.head), format_of(emulator.head)
    if one != other:
        yield Difference("media type", "format of the bytes", one, other)


def _body(upstream: Captured, emulator: Captured) -> Iterator[Difference]:
    if upstream.media_type != emulator.media_type:
        types = (each.media_type or shapes.ABSENT for each in (upstream, emulator))
        yield Difference("media type", "content-type", *types)
        return
    if not upstream.is_text:
        yield from _bytes(upstream, emulator)
    elif upstream.body is not None and emulator.body is not None:
        if upstream.is_stream:
            yield from _stream(upstream, emulator)
        elif upstream.is_json:
            yield from _json(upstream, emulator)


def _all(path: str, upstream: Captured, emulator: Captured) -> Iterator[Difference]:
    for side in (upstream, emulator):
        if side.failure and side.status is None:
            yield Difference("failure", "response", *(each.failure or "responded" for each in (upstream, emulator)))
            return
    one, other = _outcome(path, upstream), _outcome(path, emulator)
    if one != other:
        kind = "failure" if one == "failed" else "refusal"
        yield Difference(kind, "status", _error(path, upstream), _error(path, emulator))
        return
    if upstream.status != emulator.status:
        yield Difference(
            "failure" if one == "failed" else "status", "status", _error(path, upstream), _error(path, emulator)
        )
    yield from _headers(upstream, emulator)
    if upstream.failure or emulator.failure:
        failures = (each.failure or "complete" for each in (upstream, emulator))
        yield Difference("stream" if upstream.is_stream else "failure", "end of the body", *failures)
    else:
        yield from _body(upstream, emulator)


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."


def compare(path: str, upstream: Captured, emulator: Captured) -> list[Difference]:
    """Return the differences between two responses to a request for `path`, the most important first."""
    found = [
        Difference(d.kind, d.place, _short(d.upstream), _short(d.emulator)) for d in _all(path, upstream, emulator)
    ]
    return sorted(found, key=lambda difference: KINDS.index(difference.kind))[:MAX_DIFFERENCES]
