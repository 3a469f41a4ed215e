"""Bodies of responses, decoded in bounded steps, so that no response uses more memory or disk than its limit.

httpx decodes each chunk of a body at once, whatever the decoded size, and decodes all encodings that a header names.
This module decodes only a single encoding, and counts the decoded bytes as they are produced.
"""

from __future__ import annotations

import codecs
import contextlib
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path

import httpx

from langchain_pollinations import errors
from langchain_pollinations._transport.concurrency import WorkerThread
from langchain_pollinations._transport.request import OnProgress
from langchain_pollinations._transport.timeouts import Deadline, deadline_of

CHUNK_SIZE = 256 * 1024
"""Size in bytes of the chunks in which a body is read and written."""
MAX_IN_MEMORY = 512 * 1024 * 1024
"""Maximum bytes of a body in memory, or of a whole stream."""
MAX_IN_FILE = 8 * 1024 * 1024 * 1024
"""Maximum bytes of a body that is written to a file."""
MAX_EVENT = 64 * 1024 * 1024
"""Maximum characters that a stream may send between the ends of two events."""
MAX_ERROR = 1024 * 1024
"""Maximum bytes of an error response that are read. The rest is dropped."""
ACCEPTED_ENCODINGS = "gzip, deflate"
"""Value of `Accept-Encoding`. One byte of these encodings decodes to at most 1,032 bytes, while Brotli and Zstandard
have no such limit."""


_GZIP_MAGIC = b"\x1f\x8b"
"""The first bytes of a gzip member."""


class Decoder:
    """Decodes a body and counts the decoded bytes.

    Args:
        response: The response. Its headers have been read.
        limit: Maximum bytes of the decoded body.
        cuts: Whether to drop bytes that exceed the limit or cannot be decoded, instead of raising an error.

    Raises:
        InvalidResponseError: If the encoding is not in `ACCEPTED_ENCODINGS`, if the body does not match its encoding,
            or if the decoded body is larger than the limit.
    """

    def __init__(self, response: httpx.Response, limit: int, *, cuts: bool = False) -> None:
        self._response, self._limit, self._cuts = response, limit, cuts
        self._left = limit
        self._deadline: Deadline | None = deadline_of(response)
        self._encoding = _encoding(response)
        if self._encoding not in ("", "gzip", "x-gzip", "deflate") and not cuts:
            raise self._error(f"has the encoding {self._encoding!r}, which was not asked for ({ACCEPTED_ENCODINGS})")
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32) if self._encoding else None
        self._head: bytes | None = b""
        """The first bytes of an encoded body, until its encoding is known."""
        self._is_encoded = False
        if not self._encoding and not cuts and declared_size(response) > limit:
            raise self._too_large()

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached, and the rest of the body is dropped."""
        return self._cuts and self._left <= 0

    def feed(self, piece: bytes) -> Iterable[bytes]:
        """Return the decoded bytes of a chunk, in steps of bounded size."""
        if self._deadline is not None:
            self._deadline.check()
        return self._counted(piece) if self._inflate is None else self._decompressed(piece)

    def _decompressed(self, piece: bytes) -> Iterator[bytes]:
        assert self._inflate is not None
        while piece:
            if self._inflate.eof:  # gzip may have several members; deflate ends once
                if not piece.strip(b"\0"):
                    return
                if self._encoding == "deflate" or not piece.startswith(_GZIP_MAGIC[: len(piece)]):
                    if self._cuts:
                        return
                    raise self._error(f"has bytes after the end of its encoding ({self._encoding})")
                self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
            try:
                decoded = self._inflate.decompress(piece, CHUNK_SIZE)
            except zlib.error as error:
                if self._cuts:
                    return
                if self._head is None or self._encoding != "deflate":
                    raise self._error(f"is not encoded as it says ({self._encoding}): {error}") from error
                # Some servers omit the zlib header of this encoding.
                piece, self._head, self._inflate = self._head + piece, None, zlib.decompressobj(-zlib.MAX_WBITS)
                continue
            if self._head is not None:
                self._head = None if decoded or len(self._head) > 1 else self._head + piece
            self._is_encoded = True
            piece = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            yield from self._counted(decoded)
            # The decoder may hold more output.
            while len(decoded) == CHUNK_SIZE and not piece and not self._inflate.eof:
                decoded = self._inflate.decompress(b"", CHUNK_SIZE)
                yield from self._counted(decoded)

    def finish(self) -> None:
        """Check that the encoded body is complete, and that the deadline has not passed."""
        if self._deadline is not None:
            self._deadline.check()
        if self._inflate is not None and self._is_encoded and not (self._inflate.eof or self._cuts):
            raise self._error(f"stops before the end of its encoding ({self._encoding})")

    def _counted(self, decoded: bytes) -> Iterable[bytes]:
        self._left -= len(decoded)
        if self._left < 0 and not self._cuts:
            raise self._too_large()
        kept = decoded[: self._left] if self._left < 0 else decoded
        return (kept,) if kept else ()

    def _too_large(self) -> errors.InvalidResponseError:
        return self._error(
            f"is larger than {self._limit:,} bytes; raise `max_response_bytes` where such a response is expected"
        )

    def _error(self, what: str) -> errors.InvalidResponseError:
        error = errors.InvalidResponseError(
            f"The response {what}",
            status_code=self._response.status_code,
            request_id=self._response.headers.get("x-request-id"),
        )
        error.is_retryable = False
        return error


def _encoding(response: httpx.Response) -> str:
    said = ", ".join(response.headers.get_list("content-encoding")).strip().lower()
    return "" if said == "identity" else said


def declared_size(response: httpx.Response) -> int:
    """Return the `Content-Length` of a response, or 0 if there is no valid one."""
    length = response.headers.get("content-length", "")
    if not (length.isascii() and length.isdecimal()) or len(length) > 18:
        return 0
    return int(length)


def iter_body(
    response: httpx.Response, limit: int, *, cuts: bool = False, size: int | None = CHUNK_SIZE
) -> Iterator[bytes]:
    """Yield the decoded body of a response in chunks. If `size` is None, yield each chunk as soon as it arrives."""
    decoder = Decoder(response, limit, cuts=cuts)
    if response.is_stream_consumed:  # as for the response of a mock transport
        yield from Decoder(_decoded(response), limit, cuts=cuts).feed(response.content)
        return
    for piece in response.iter_raw(None if deadline_of(response) else size):  # to check the deadline for each chunk
        is_empty = True
        for decoded in decoder.feed(piece):
            is_empty = False
            yield decoded
        if is_empty and size is None:
            yield b""  # so that the reader can check the time
        if decoder.is_full:
            return
    decoder.finish()


async def aiter_body(
    response: httpx.Response, limit: int, *, cuts: bool = False, size: int | None = CHUNK_SIZE
) -> AsyncIterator[bytes]:
    """Like `iter_body`."""
    decoder = Decoder(response, limit, cuts=cuts)
    if response.is_stream_consumed:
        for decoded in Decoder(_decoded(response), limit, cuts=cuts).feed(response.content):
            yield decoded
        return
    async for piece in response.aiter_raw(None if deadline_of(response) else size):
        for decoded in decoder.feed(piece):
            yield decoded
        if decoder.is_full:
            return
    decoder.finish()


def _decoded(response: httpx.Response) -> httpx.Response:
    return httpx.Response(response.status_code, headers=_plain_headers(response))


def is_small(response: httpx.Response, limit: int) -> bool:
    """Whether httpx itself can read the body within the limit.

    The body must not be encoded, its length must be declared, and the call must have no deadline.
    """
    return not _encoding(response) and 0 < declared_size(response) <= limit and deadline_of(response) is None


def with_body(response: httpx.Response, body: bytes) -> httpx.Response:
    """Return a response with a decoded body, in the same state as after `httpx.Response.read`."""
    headers = _plain_headers(response)
    return with_known_charset(
        httpx.Response(response.status_code, headers=headers, content=body, request=response.request)
    )


def _plain_headers(response: httpx.Response) -> list[tuple[bytes, bytes]]:
    """Return the headers as bytes, without those of the encoded body. httpx cannot encode the text of some headers."""
    return [pair for pair in response.headers.raw if pair[0].lower() not in (b"content-encoding", b"content-length")]


def with_known_charset(response: httpx.Response) -> httpx.Response:
    """Return a response whose `text` can be read. `charset=hex`, for example, names a codec that is not for text."""
    try:
        name = response.charset_encoding
        is_text = name is None or _TEXT_CODEC.match(codecs.lookup(name).name) is not None
    except (LookupError, ValueError):
        is_text = False
    if not is_text:
        response.encoding = "utf-8"
    return response


_TEXT_CODEC = re.compile(r"utf-8|ascii|iso8859|cp12|gb|big5|shift_jis|euc|koi8")


# Bodies in memory or in a file. Async functions write files in a thread.


def read_body(response: httpx.Response, limit: int, arrived: OnProgress | None = None) -> httpx.Response:
    """Read the body, and return the response with its body."""
    if arrived is None and is_small(response, limit):
        response.read()
        return with_known_charset(response)
    tell, pieces = _progress_reporter(response, arrived), []
    for piece in iter_body(response, limit):
        pieces.append(piece)
        tell(len(piece))
    return with_body(response, b"".join(pieces))


async def aread_body(response: httpx.Response, limit: int, arrived: OnProgress | None = None) -> httpx.Response:
    if arrived is None and is_small(response, limit):
        await response.aread()
        return with_known_charset(response)
    tell, pieces = _progress_reporter(response, arrived), []
    async for piece in aiter_body(response, limit):
        pieces.append(piece)
        tell(len(piece))
    return with_body(response, b"".join(pieces))


def read_error_body(response: httpx.Response) -> httpx.Response:
    """Return an error response with the beginning of its body. The body of a redirect is not read."""
    if response.has_redirect_location:
        return with_body(response, b"")
    pieces: list[bytes] = []
    with contextlib.suppress(httpx.TransportError):  # the part that has arrived is enough
        pieces.extend(iter_body(response, MAX_ERROR, cuts=True))
    return with_body(response, b"".join(pieces))


async def aread_error_body(response: httpx.Response) -> httpx.Response:
    if response.has_redirect_location:
        return with_body(response, b"")
    pieces: list[bytes] = []
    with contextlib.suppress(httpx.TransportError):
        async for piece in aiter_body(response, MAX_ERROR, cuts=True):
            pieces.append(piece)
    return with_body(response, b"".join(pieces))


def save_body(response: httpx.Response, path: Path, limit: int, arrived: OnProgress | None) -> None:
    tell = _progress_reporter(response, arrived)
    with path.open("wb") as file:
        for piece in iter_body(response, limit):
            file.write(piece)
            tell(len(piece))


async def asave_body(response: httpx.Response, path: Path, limit: int, arrived: OnProgress | None) -> None:
    """Like `save_body`. One thread writes the file. A cancellation waits until the current chunk is written and the
    file is closed."""
    tell = _progress_reporter(response, arrived)
    file = path.open("wb")  # not in the thread: a cancellation would lose the open file
    writer = WorkerThread()
    try:
        async for piece in aiter_body(response, limit):
            await writer.run(file.write, piece)
            tell(len(piece))
    finally:
        try:
            await writer.run(file.close)
        finally:
            writer.stop()


def _progress_reporter(response: httpx.Response, arrived: OnProgress | None) -> Callable[[int], None]:
    """Return a function that takes the size of each chunk, and reports the total so far to `arrived`.

    0 bytes are reported at once.
    """
    total = None if _encoding(response) else declared_size(response) or None
    count = 0

    def tell(more: int) -> None:
        nonlocal count
        count += more
        if arrived is not None:
            arrived(count, total)

    tell(0)
    return tell
