"""A request to the service as a value, and the flow of several requests."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

import httpx

from langchain_pollinations import errors
from langchain_pollinations._transport.error_response import error_from_response

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class EventParser(Protocol[T_co]):
    """What reads a stream: fed with the data of each event, it gives what they amount to."""

    @property
    def done(self) -> bool:
        """Whether the answer is whole, whatever may still come."""

    @property
    def partial(self) -> Any:
        """What has arrived, for an error that ends the stream early."""

    def feed(self, data: str) -> Iterable[T_co]:
        """What one event amounts to."""

    def end(self) -> Iterable[T_co]:
        """What is left when the stream has ended; an error where it ended early."""

    def whole(self, response: httpx.Response) -> Iterable[T_co]:
        """What an answer amounts to that is no stream of events. Its body has been read."""


class Limiter(Protocol):
    """What spaces the requests to a host."""

    def acquire(self) -> contextlib.AbstractContextManager[None]:
        """The turn of a request of this thread, which waits for it."""

    def aacquire(self) -> contextlib.AbstractAsyncContextManager[None]:
        """As `acquire`, of this task."""

    def mark_sent(self) -> None:
        """Count the distance from now."""

    def is_out_of_reach(self, seconds: float) -> bool:
        """Whether a request would wait for too long, if it came in some seconds."""


@dataclass(frozen=True)
class ApiRequest(Generic[T]):
    """One request to the service, and how to read its answer.

    `path` starts with a slash and is percent-encoded. `read` gets the answer with its body read, or for a stream
    (where it makes the `EventParser`) before that.
    """

    method: Literal["GET", "POST"]
    path: str
    parse: Callable[[httpx.Response], T]
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of `httpx.Client.build_request`: json, params, content."""
    origin: str | None = None
    """Where it goes; by default the wrapper's `base_url`."""
    is_origin_checked: bool = False
    """Whether `origin` must not be private, as of a response. Where `base_url` is private it may."""
    send_credentials: bool = True
    """Whether the key goes along. Without it, a request to a foreign host has no other headers, cookies and credentials
    of the wrapper either."""
    save_to: Path | None = None
    """File that the body is written to as it comes; `read` then gets the answer without one. A repeat begins anew."""
    on_progress: OnProgress | None = None
    """Told first when the answer begins, then after each piece."""
    is_success: Callable[[httpx.Response], bool] = attrgetter("is_success")
    """Whether an answer, whose body is not read yet, holds what was asked for."""
    to_error: Callable[[httpx.Response], errors.PollinationsError] = error_from_response
    """What any other answer stands for. Its body has been read."""
    limiter: Limiter | None = None
    """The place in a line that each attempt waits for; None where there is no line. It is held while the request is
    under way, and of a stream until that begins: who reads it may make other calls meanwhile."""


RequestFlow = Generator[ApiRequest[Any] | Sequence[ApiRequest[Any]], Any, T]
"""A conversation without I/O: it yields a call (or several, which may travel at once), is sent what their readers
made of the answers, and returns its result. `Client.run` and `Client.arun` lead it. It may touch files."""

MAX_PARSED_IN_LOOP = 1024 * 1024
"""Bytes of a body that are read in the event loop; a larger one is read in a thread."""

MAX_CONCURRENCY = 4
"""Calls of one flow that travel at the same time."""


def multipart(fields: Mapping[str, str], files: Sequence[tuple[str, tuple[str, bytes, str]]]) -> dict[str, Any]:
    """Options of a `ApiRequest` that sends a form. Equal forms are equal bytes: a repeat joins the running generation.

    Args:
        fields: Texts by name.
        files: Pairs of a name and (file name, bytes, MIME type).
    """
    digest = sha256(repr(sorted(fields.items())).encode())
    for name, (file_name, data, mime_type) in files:
        digest.update(f"{name} {file_name} {mime_type} {len(data)}".encode())
        digest.update(data)
    headers = {"content-type": f"multipart/form-data; boundary={digest.hexdigest()[:48]}"}
    return {"data": fields, "files": files, "headers": headers}


OnProgress: TypeAlias = Callable[[int, int | None], None]
"""Who is told the bytes that have come, and how many there will be where that is known."""
