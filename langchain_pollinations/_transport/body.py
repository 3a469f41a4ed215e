"""Bodies of responses, decoded in bounded steps: no response takes more memory or disk than its limit.

httpx decodes each piece of a body as a whole, whatever it grows to, and undoes as many encodings as a header names.
Here one encoding is undone, and what comes out is counted while it comes.
"""

from __future__ import annotations

import codecs
import contextlib
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx

from langchain_pollinations import errors
from langchain_pollinations._transport.concurrency import run_in_thread
from langchain_pollinations._transport.request import OnProgress
from langchain_pollinations._transport.timeouts import Deadline, deadline_of

CHUNK_SIZE = 256 * 1024
"""Bytes that a body is read and written in."""
MAX_IN_MEMORY = 512 * 1024 * 1024
"""Bytes of a body that is kept in memory, or of a whole stream, at most."""
MAX_IN_FILE = 8 * 1024 * 1024 * 1024
"""Bytes of a body that is written to a file, at most."""
MAX_EVENT = 64 * 1024 * 1024
"""Characters of a stream up to the end of an event, at most."""
MAX_ERROR = 1024 * 1024
"""Bytes of an error's body that are read; the rest is left out."""
ACCEPTED_ENCODINGS = "gzip, deflate"
"""Encodings that are asked for: one encoded byte becomes 1,032 at most, while one of Brotli or Zstandard becomes any
number."""


_GZIP_MAGIC = b"\x1f\x8b"
"""How a member of a gzip body begins."""


class Decoder:
    """Undoes the encoding of a body, and counts what comes out.

    Args:
        response: The response, its headers read.
        limit: Bytes of the decoded body at most.
        cuts: Whether to leave out what is beyond the limit or cannot be decoded, instead of raising an error.

    Raises:
        InvalidResponseError: If the encoding was not asked for, the body is not encoded as it says, or it is larger
            than the limit.
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
        """The first bytes of an encoded body, until it is known how it is encoded."""
        self._is_encoded = False
        if not self._encoding and not cuts and declared_size(response) > limit:
            raise self._too_large()

    @property
    def is_full(self) -> bool:
        """Whether the limit of a body that is cut is reached."""
        return self._cuts and self._left <= 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The decoded bytes of a piece."""
        if self._deadline is not None:
            self._deadline.check()
        if self._inflate is None:
            yield from self._counted(piece)
            return
        while piece:
            if self._inflate.eof:  # gzip may have several members; others have one end
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
                # Some servers leave out the head of this encoding.
                piece, self._head, self._inflate = self._head + piece, None, zlib.decompressobj(-zlib.MAX_WBITS)
                continue
            if self._head is not None:
                self._head = None if decoded or len(self._head) > 1 else self._head + piece
            self._is_encoded = True
            piece = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            yield from self._counted(decoded)
            while len(decoded) == CHUNK_SIZE and not piece and not self._inflate.eof:  # more may wait inside
                decoded = self._inflate.decompress(b"", CHUNK_SIZE)
                yield from self._counted(decoded)

    def finish(self) -> None:
        """Check that the encoded body has its end, and that the call did not end it."""
        if self._deadline is not None:
            self._deadline.check()
        if self._inflate is not None and self._is_encoded and not (self._inflate.eof or self._cuts):
            raise self._error(f"stops before the end of its encoding ({self._encoding})")

    def _counted(self, decoded: bytes) -> Iterator[bytes]:
        self._left -= len(decoded)
        if self._left < 0 and not self._cuts:
            raise self._too_large()
        kept = decoded[: self._left] if self._left < 0 else decoded
        if kept:
            yield kept

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
    """The `Content-Length` of a response; 0 where it has none."""
    said = response.headers.get("content-length", "")
    return int(said) if said.isdecimal() and said.isascii() and len(said) < 19 else 0


def iter_body(
    response: httpx.Response, limit: int, *, cuts: bool = False, size: int | None = CHUNK_SIZE
) -> Iterator[bytes]:
    """The decoded body of a response, piece by piece; with a `size` of None as soon as it arrives."""
    decoder = Decoder(response, limit, cuts=cuts)
    if response.is_stream_consumed:  # a response of a mock transport has been read
        yield from Decoder(_decoded(response), limit, cuts=cuts).feed(response.content)
        return
    for piece in response.iter_raw(None if deadline_of(response) else size):  # to look at the clock for each piece
        yield from decoder.feed(piece)
        if size is None:
            yield b""  # so that the reader sees the time pass where nothing comes out of the encoding
        if decoder.is_full:
            return
    decoder.finish()


async def aiter_body(
    response: httpx.Response, limit: int, *, cuts: bool = False, size: int | None = CHUNK_SIZE
) -> AsyncIterator[bytes]:
    """As `iter_body`."""
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
    """Whether httpx itself can read a body without passing the limit: it comes as it is, and says how long it is."""
    return not _encoding(response) and 0 < declared_size(response) <= limit and deadline_of(response) is None


def with_body(response: httpx.Response, body: bytes) -> httpx.Response:
    """A response as `read` leaves it, where its body was read in another way, and decoded."""
    headers = _plain_headers(response)
    return with_known_charset(
        httpx.Response(response.status_code, headers=headers, content=body, request=response.request)
    )


def _plain_headers(response: httpx.Response) -> list[tuple[bytes, bytes]]:
    """As bytes: httpx decodes those that are no ASCII, and would not encode them again."""
    return [pair for pair in response.headers.raw if pair[0].lower() not in (b"content-encoding", b"content-length")]


def with_known_charset(response: httpx.Response) -> httpx.Response:
    """A response whose `text` can be had: `charset=hex` names a codec, but none of text."""
    try:
        name = response.charset_encoding
        is_text = name is None or _TEXT_CODEC.match(codecs.lookup(name).name) is not None
    except (LookupError, ValueError):
        is_text = False
    if not is_text:
        response.encoding = "utf-8"
    return response


_TEXT_CODEC = re.compile(r"utf-8|ascii|iso8859|cp12|gb|big5|shift_jis|euc|koi8")


# Bodies, in memory or in a file. In the event loop a thread writes.


def read_body(response: httpx.Response, limit: int, arrived: OnProgress | None = None) -> httpx.Response:
    """A response with its body read."""
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
    """A response that is an error, with the beginning of its body. Nobody reads the body of a redirect."""
    if response.has_redirect_location:
        return with_body(response, b"")
    pieces: list[bytes] = []
    with contextlib.suppress(httpx.TransportError):  # what has come says which error it is
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
    tell = _progress_reporter(response, arrived)
    file = path.open("wb")  # here: a cancellation would lose the file that a thread opened
    try:
        async for piece in aiter_body(response, limit):
            await run_in_thread(file.write, piece)
            tell(len(piece))
    finally:
        await run_in_thread(file.close)


def _progress_reporter(response: httpx.Response, arrived: OnProgress | None) -> Callable[[int], None]:
    """What tells `arrived` of each piece; called once at once, for the beginning."""
    length = response.headers.get("content-length", "")
    total = int(length) if length.isdigit() and "content-encoding" not in response.headers else None
    count = 0

    def tell(more: int) -> None:
        nonlocal count
        count += more
        if arrived is not None:
            arrived(count, total)

    tell(0)
    return tell
