"""The fuzz targets. Each takes any bytes. Any exception is a finding."""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial, reduce
from operator import add
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from langchain_pollinations._chat.fields import RequestInfo
from langchain_pollinations._chat.plain_text import read_plain
from langchain_pollinations._chat.response import parse_response
from langchain_pollinations._chat.stream import ChatStreamParser
from langchain_pollinations._jobs.journal import JOURNAL, Journal, read_records
from langchain_pollinations._jobs.rows import read_rows
from langchain_pollinations._media.data_uri import decode, is_data_uri, read_data_uri
from langchain_pollinations._media.formats import EXTENSIONS, sniff
from langchain_pollinations._media.integrity import has_all_boxes, image_size, is_whole
from langchain_pollinations._media.response import parse_media
from langchain_pollinations._media.wav import fix_wav_sizes, has_all_samples, join_wavs, wav_seconds
from langchain_pollinations._transport.client import Client
from langchain_pollinations._transport.pool import ConnectionPool
from langchain_pollinations._transport.request import ApiRequest
from langchain_pollinations.errors import InvalidRequestError, PollinationsError
from langchain_pollinations.media import Media

TYPES = ("application/json", "text/event-stream", "text/plain", "text/html", "", "application/json; charset=utf-7")
STATUSES = (200, 200, 200, 400, 402, 403, 429, 500, 502)
FAMILIES = ("image", "audio", "video", "model")
INFO = RequestInfo("m")


class _Pieces(httpx.SyncByteStream):
    """A body that arrives in pieces of equal size."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = data, size

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._data), self._size):
            yield self._data[start : start + self._size]


def _client(data: bytes) -> Client:
    """Return a client that receives the data. Its first three bytes are the status, the content type and the size of
    the pieces."""
    status, kind, size, body = (*data[:3].ljust(3, b"\0"), data[3:])
    headers = {"content-type": TYPES[kind % len(TYPES)]}

    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(STATUSES[status % len(STATUSES)], headers=headers, stream=_Pieces(body, size or 4096))

    return Client(
        base_url="https://gen.pollinations.ai",
        headers={},
        timeout=httpx.Timeout(5),
        max_retries=0,
        pool=ConnectionPool(),
        custom_client=httpx.Client(transport=httpx.MockTransport(respond)),
    )


@contextlib.contextmanager
def _may_refuse(*kinds: type[Exception]) -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.suppress(*kinds):
        warnings.simplefilter("ignore", UserWarning)
        yield


def response(data: bytes) -> None:
    """A whole response of chat completions, or an error response."""
    with _may_refuse(PollinationsError):
        call = ApiRequest("POST", "/v1/chat/completions", partial(parse_response, info=INFO))
        message = _client(data).send(call).generations[0].message
        assert (message.content_blocks, message.text, repr(message)) is not None


def plain(data: bytes) -> None:
    """A response of the plain-text routes."""
    with _may_refuse(PollinationsError):
        assert isinstance(_client(data).send(ApiRequest("GET", "/text/Hi", read_plain)), dict)


def stream(data: bytes) -> None:
    """A stream of chat completions, in pieces."""
    with _may_refuse(PollinationsError):
        call = ApiRequest("POST", "/v1/chat/completions", partial(ChatStreamParser, info=INFO))
        chunks = list(_client(data).stream(call))
        if chunks:
            message = reduce(add, chunks).message
            assert (message.content_blocks, message.text, repr(message)) is not None


def media(data: bytes) -> None:
    """The detection of MIME types, the checks of completeness, and the parser of media responses."""
    mime_type = sniff(data)
    assert mime_type is None or isinstance(is_whole(data, mime_type), bool)
    for each in EXTENSIONS:
        assert isinstance(is_whole(data, each), bool)
    assert isinstance(image_size(data), tuple | None)
    _parse_media(data)


def boxes(data: bytes) -> None:
    """The reader of ISO base media files, such as MP4 and AVIF."""
    file = b"\0\0\0\x18ftyp" + data
    assert isinstance(has_all_boxes(io.BytesIO(data)), bool)
    assert sniff(file) is not None
    _parse_media(file)


def _parse_media(data: bytes) -> None:
    answer = httpx.Response(200, headers={"content-type": "audio/pcm"}, request=httpx.Request("GET", "https://x/"))
    for family in FAMILIES:
        with _may_refuse(PollinationsError):
            found = parse_media(answer, data, family, "a whale", SimpleNamespace(model="m"))
            assert "text/plain" in str(found._repr_mimebundle_())


def data_uri(data: bytes) -> None:
    """Base64 and data URIs."""
    text = data.decode("utf-8", "surrogateescape")
    with _may_refuse(ValueError):
        assert isinstance(decode(text), bytes)
    if is_data_uri(text):
        with _may_refuse(ValueError):
            uri = read_data_uri(text)
            assert decode(uri.base64) == decode(text)
    with _may_refuse(ValueError):
        Media.from_artifact({"type": "pollinations_media", "mime_type": "image/png", "base64": text})


def wav(data: bytes) -> None:
    """The readers of WAV files."""
    for file in (data, b"RIFF" + data[:4].ljust(4, b"\0") + b"WAVE" + data[4:]):
        assert isinstance(has_all_samples(file), bool)
        fixed = fix_wav_sizes(file)
        assert fix_wav_sizes(fixed) == fixed
        with _may_refuse(ValueError):
            assert wav_seconds(file) >= 0
        with _may_refuse(ValueError):
            assert wav_seconds(join_wavs([file, file])) == 2 * wav_seconds(file)


def journal(data: bytes) -> None:
    """The journal of a job, and the files of its rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / JOURNAL).write_bytes(data)
        with _may_refuse(InvalidRequestError):
            Journal(folder).close()
            Journal(folder).close()
            assert all(isinstance(record, dict) for record in read_records(folder))
        for suffix in (".csv", ".jsonl"):
            path = (folder / "rows").with_suffix(suffix)
            path.write_bytes(data)
            with _may_refuse(InvalidRequestError):
                assert isinstance(read_rows(path, None), list)


TARGETS: dict[str, Callable[[bytes], Any]] = {
    each.__name__: each for each in (response, plain, stream, media, boxes, data_uri, wav, journal)
}
