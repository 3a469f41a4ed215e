"""A request to the service as a value, and flows of several requests."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

import httpx
from pydantic_core import to_json

from langchain_pollinations import errors
from langchain_pollinations._transport.error_response import error_from_response
from langchain_pollinations._transport.metering import Billing

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class EventParser(Protocol[T_co]):
    """Parser of a stream. It receives the data of each event and returns the parsed items."""

    @property
    def done(self) -> bool:
        """Whether the response is complete, even if more events follow."""

    @property
    def partial(self) -> Any:
        """The part of the response that has arrived, for an error that ends the stream early."""

    def feed(self, data: str) -> Iterable[T_co]:
        """Parse the data of one event."""

    def end(self) -> Iterable[T_co]:
        """Return the remaining items at the end of the stream, or raise an error if it ended early."""

    def whole(self, response: httpx.Response) -> Iterable[T_co]:
        """Parse a response that is not an event stream. Its body has been read."""


class Limiter(Protocol):
    """Rate limiter of the requests to a host."""

    def acquire(self) -> contextlib.AbstractContextManager[None]:
        """Wait in this thread for the slot of a request, and hold it within the context."""

    def aacquire(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Like `acquire`, for the current task."""

    def mark_sent(self) -> None:
        """Restart the interval to the next request from now."""

    def is_out_of_reach(self, seconds: float) -> bool:
        """Whether a request made after that many seconds would have to wait too long."""


@dataclass(frozen=True)
class ApiRequest(Generic[T]):
    """One request to the service, and the parser of its response.

    `path` starts with a slash and is percent-encoded. `parse` receives the response after its body was read. For a
    stream, `parse` receives the response before its body is read, and returns the `EventParser`.
    """

    method: Literal["GET", "POST"]
    path: str
    parse: Callable[[httpx.Response], T]
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Keyword arguments of `httpx.Client.build_request`: json, params, content."""
    origin: str | None = None
    """Origin that the request is sent to. None is the `base_url` of the wrapper."""
    is_origin_checked: bool = False
    """Whether `origin` came from a response. Such an origin may be private only if `base_url` is private."""
    send_credentials: bool = True
    """Whether to send the key, and the `Authorization` header and credentials of the user's client. If False, a request
    to a foreign host carries no other headers, cookies and credentials of the wrapper either."""
    save_to: Path | None = None
    """File that the body is written to as it arrives. `parse` then receives the response without its body. A retry
    overwrites the file."""
    on_progress: OnProgress | None = None
    """Called when the response begins, and after each chunk."""
    is_success: Callable[[httpx.Response], bool] = attrgetter("is_success")
    """Whether a response is successful. Its body has not been read yet."""
    to_error: Callable[[httpx.Response], errors.PollinationsError] = error_from_response
    """Converts any other response to an error. Its body has been read."""
    limiter: Limiter | None = None
    """Rate limiter of the host; None is no limit. Each attempt waits for a slot, and holds the slot while the request
    runs. A stream holds the slot only until it begins, because its reader may make other calls meanwhile."""
    billing: Billing | None = None
    """How the cost of the request is estimated and read from the result, for meters. None if nothing is billed."""


RequestFlow = Generator[ApiRequest[Any] | Sequence[ApiRequest[Any]], Any, T]
"""A generator that makes requests without network I/O. It yields a request, or several that may run concurrently,
receives their parsed responses, and returns its result. `Client.run` and `Client.arun` run it. It may access files."""

MAX_PARSED_IN_LOOP = 1024 * 1024
"""Maximum bytes of a body that is parsed in the event loop. A larger body is parsed in a thread."""

MAX_CONCURRENCY = 4
"""Maximum number of concurrent requests of one flow."""


def encode_json(value: Any) -> bytes:
    """Encode the body of a request as JSON.

    Raises:
        TypeError: If the value holds an object that JSON cannot represent.
        ValueError: If the value holds NaN, infinity or half a surrogate pair.
    """
    try:
        is_plain = _is_plain_json(value)
    except RecursionError:
        is_plain = False
    if is_plain:
        with contextlib.suppress(ValueError):  # half a surrogate pair: `json.dumps` says where it is
            encoded: bytes = to_json(value)  # a sixth of the time of `json.dumps` for an inline image
            return encoded
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _is_plain_json(value: Any) -> bool:
    """Whether a value has only the types of JSON. `to_json` also writes others, such as sets, and NaN."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(-(2**63) <= value < 2**63)
    if kind is dict:
        for key, each in value.items():  # a loop: it takes two thirds of the time of `all`
            if type(key) is not str or not (type(each) is str or _is_plain_json(each)):
                return False
        return True
    if kind is list or kind is tuple:
        return all(map(_is_plain_json, value))
    return kind is float and math.isfinite(value)


def multipart(fields: Mapping[str, str], files: Sequence[tuple[str, tuple[str, bytes, str]]]) -> dict[str, Any]:
    """Return the options of an `ApiRequest` that sends a multipart form.

    Equal forms are sent as equal bytes, so that a retry joins the running generation.

    Args:
        fields: Text fields by name.
        files: Pairs of a name and (file name, bytes, MIME type).
    """
    digest = sha256(repr(sorted(fields.items())).encode())
    for name, (file_name, data, mime_type) in files:
        digest.update(f"{name} {file_name} {mime_type} {len(data)}".encode())
        digest.update(data)
    headers = {"content-type": f"multipart/form-data; boundary={digest.hexdigest()[:48]}"}
    return {"data": fields, "files": files, "headers": headers}


OnProgress: TypeAlias = Callable[[int, int | None], None]
"""Called with the number of bytes received, and with the total number if it is known."""
