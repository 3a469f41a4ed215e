"""Uploads to the service's media host, for requests that accept references only as URLs, and downloads of results."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from langchain_pollinations._config.service import ServiceConfig
from langchain_pollinations._media.files import input_path
from langchain_pollinations._media.formats import EXTENSIONS, SNIFFED_BYTES, sniff
from langchain_pollinations._media.wav import fix_wav_sizes
from langchain_pollinations._transport.call_settings import merge_extra_headers
from langchain_pollinations._transport.error_response import parse_json, unexpected_response
from langchain_pollinations._transport.request import ApiRequest, OnProgress, RequestFlow, multipart
from langchain_pollinations._validation import invalid_request
from langchain_pollinations.errors import (
    InvalidRequestError,
    InvalidResponseError,
    PayloadTooLargeError,
    UnsupportedRequestError,
)
from langchain_pollinations.media import Media

MAX_UPLOAD_BYTES = 400 * 1024 * 1024
"""Maximum bytes of a file on the media host."""

UNKNOWN = "application/octet-stream"


@dataclass(frozen=True)
class Upload:
    """A file on the media host. Its URL is public. The service keeps the file for 30 days.

    >>> file = upload("portrait.jpg")
    >>> file.mime_type, file.tags
    ('image/jpeg', ())
    """

    url: str
    id: str
    mime_type: str
    size: int
    """Number of bytes."""
    tags: tuple[str, ...] = ()
    """Tags under which public galleries list the file; empty unless requested."""


def upload(
    file: Media | bytes | str | os.PathLike[str],
    *,
    name: str | None = None,
    id: str | None = None,
    tags: str | Iterable[str] = (),
    **connection: Any,
) -> Upload:
    """Upload a file to the service's media host. The URL of the file is public for 30 days.

    The media classes upload references automatically if a request accepts only URLs. A file without tags cannot be
    deleted.

        >>> upload("portrait.jpg").url
        'http...'

    Args:
        file: Bytes, a `Media`, or the path of a file, 400 MiB at most.
        name: File name. The default is `file` with the suffix of the MIME type.
        id: Last part of the URL: up to 128 letters, digits, dots, dashes and underscores. The service adds the account
            as a prefix, so use the URL of the returned `Upload`.
        tags: Publish the file with these tags in public galleries.
        connection: Connection fields of the media classes, such as `api_key`, `base_url`, `media_url` and `timeout`.
            `extra_headers` is also accepted.

    Raises:
        InvalidRequestError: If an argument is invalid.
        UnsupportedRequestError: If the id is already in use. A retry after a lost response can also cause this error.
        PayloadTooLargeError: If the file is larger than the service accepts.
        OSError: If the file cannot be read.
    """
    with _connected(connection) as host, _explain_taken_id(id):
        return host._client.run(_upload(file, host._media_host, name, id, tags))


async def aupload(
    file: Media | bytes | str | os.PathLike[str],
    *,
    name: str | None = None,
    id: str | None = None,
    tags: str | Iterable[str] = (),
    **connection: Any,
) -> Upload:
    """Asynchronous version of `upload`.

    >>> import asyncio
    >>> asyncio.run(aupload("portrait.jpg")).mime_type
    'image/jpeg'
    """
    async with _connected(connection) as host:
        with _explain_taken_id(id):
            return await host._client.arun(_upload(file, host._media_host, name, id, tags))


def download(media: Media, **connection: Any) -> Media:
    """Return a `Media` with its bytes. If the bytes are not here, load them from the service's media host.

    The artifact of a tool message holds no bytes. `Media.from_artifact` finds them in the store of the tool, and
    `download` loads them otherwise. Only URLs on the media host are requested, without the API key.

        >>> tool = PollinationsImageTool()
        >>> call = {"type": "tool_call", "id": "1", "name": tool.name, "args": {"prompt": "a lighthouse"}}
        >>> media = Media.from_artifact(tool.invoke(call).artifact)
        >>> download(media).save("lighthouse.jpg").name
        'lighthouse.jpg'

    Args:
        media: The `Media`. If its bytes are in memory or in a file, it is returned unchanged.
        connection: Connection fields of the media classes, such as `base_url`, `media_url` and `timeout`. The media
            host is `media_url`.

    Raises:
        InvalidRequestError: If the URL of the `Media` is not on the media host, or an argument is invalid.
        NotFoundError: If the file does not exist any more. The service keeps a file for 30 days.
        InvalidResponseError: If the URL has another file now, which the SHA-256 of the artifact shows. The service
            stores the result of a repeated request under the same URL.
        PayloadTooLargeError: If the file has more than 400 MiB, the maximum of the service.
    """
    if not media._is_remote:
        return media
    with _connected(connection, _MediaHost) as host:
        return host._client.send(_download_request(media, host._media_host))


async def adownload(media: Media, **connection: Any) -> Media:
    """Asynchronous version of `download`.

    >>> import asyncio
    >>> media = Media.from_artifact(PollinationsImage().generate("a kite").to_artifact())
    >>> asyncio.run(adownload(media)).mime_type
    'image/jpeg'
    """
    if not media._is_remote:
        return media
    async with _connected(connection, _MediaHost) as host:
        return await host._client.asend(_download_request(media, host._media_host))


class _MediaHost(ServiceConfig):
    """Connection to the media host. Its files are public, so downloads need no key."""

    _KEY_REQUIRED = False


def _connected(connection: dict[str, Any], kind: type[ServiceConfig] = ServiceConfig) -> ServiceConfig:
    try:
        return kind(**merge_extra_headers(connection))
    except ValidationError as error:
        raise invalid_request(error) from None


@contextmanager
def _explain_taken_id(id: str | None) -> Iterator[None]:
    """Extend the error message for an id that is already in use.

    If the response to an upload is lost, the retry conflicts with the file of the first attempt. The service does not
    report the owner of the file, so the message names this only as a possible cause.
    """
    try:
        yield
    except UnsupportedRequestError as error:
        if id is not None and error.status_code == 409:
            error.message += " (perhaps it is this file, from an earlier attempt whose answer was lost)"
            error.args = (error.message,)
        raise


def _upload(file: Any, host: str, name: str | None, id: str | None, tags: str | Iterable[str]) -> RequestFlow[Upload]:
    words = (tags,) if isinstance(tags, str) else tuple(tags)
    stored: Upload = yield upload_request(_read_file(file), host, name=name, id=id, tags=words)
    return stored


def _read_file(file: Any) -> Media:
    if isinstance(file, Media):
        return file
    if isinstance(file, bytes):
        return Media(data=file, mime_type=sniff(file) or UNKNOWN)
    if not isinstance(file, str | os.PathLike):
        raise InvalidRequestError(f"file must be bytes, a Media or a path, not {type(file).__name__}", param="file")
    path = input_path(file, "file")
    with path.open("rb") as opened:
        head = opened.read(SNIFFED_BYTES)
    return Media.from_file(path, mime_type=sniff(head) or UNKNOWN)


def upload_request(
    file: Media, host: str, *, name: str | None = None, id: str | None = None, tags: tuple[str, ...] = ()
) -> ApiRequest[Upload]:
    """Build `POST /upload`. The body is the raw bytes, or a form if there is an id or tags."""
    if not file.size:
        raise InvalidRequestError("file is empty", param="file")
    if file.size > MAX_UPLOAD_BYTES:
        raise PayloadTooLargeError(f"file has {file.size:,} bytes; the maximum is {MAX_UPLOAD_BYTES:,}", param="file")
    data = file.data
    name = f"file{EXTENSIONS.get(file.mime_type, '.bin')}" if name is None else name
    _check_name(name)
    for tag in tags:
        if not _is_line(tag) or "," in tag:
            raise InvalidRequestError("tags must be strings without line breaks or commas", param="tags")
    if id is None and not tags:
        headers = {"content-type": file.mime_type, "x-file-name": quote(name)}
        return ApiRequest("POST", "/upload", parse_upload, {"content": data, "headers": headers}, origin=host)
    fields = {"id": _check_id(id), "tags": ",".join(tags)}
    form = multipart({k: v for k, v in fields.items() if v}, [("file", (name, data, file.mime_type))])
    return ApiRequest("POST", "/upload", parse_upload, form, origin=host)


_MEDIA_PATH = re.compile(r"/(?!\.+$)[A-Za-z0-9._-]{1,200}")
"""Pattern of the paths of files on the media host."""


def file_request(
    url: str, host: str, parse: Callable[[httpx.Response], Media], on_progress: OnProgress
) -> ApiRequest[Media] | None:
    """Build the request for a file on the media host. Return None if the URL is not that of a file on this host."""
    path = url.removeprefix(host)
    if not url.startswith(f"{host}/") or not _MEDIA_PATH.fullmatch(path):
        return None
    return ApiRequest("GET", path, parse, origin=host, send_credentials=False, on_progress=on_progress)


def _download_request(media: Media, host: str) -> ApiRequest[Media]:
    request = file_request(media.url or "", host, partial(_parse_download, media), _check_size)
    if request is None:
        message = f"media: its URL is not that of a file on the media host {host}, and no other host is requested"
        raise InvalidRequestError(message, param="media")
    return request


def _check_size(received: int, total: int | None) -> None:
    if max(received, total or 0) > MAX_UPLOAD_BYTES:
        raise PayloadTooLargeError(f"media: the file has more than {MAX_UPLOAD_BYTES:,} bytes", param="media")


def _parse_download(media: Media, response: httpx.Response) -> Media:
    # Generation corrects the header of a WAV too. See `parse_media`.
    data = fix_wav_sizes(response.content) if media.mime_type == "audio/wav" else response.content
    if sha256(data).hexdigest() != media.sha256:
        error = InvalidResponseError("The URL of this media has another file now: the SHA-256 of its bytes differs")
        error.is_retryable = False
        raise error
    return media._with(_data=data, _sha256=None)


MAX_NAME = 255
"""Maximum characters of a file name."""


def _check_name(name: Any) -> None:
    if not _is_line(name) or re.search(r"[/\\]", name) or name in ("", ".", "..") or len(name) > MAX_NAME:
        raise InvalidRequestError(
            f"name must be a file name: up to {MAX_NAME} printable characters, without slashes", param="name"
        )


def _is_line(value: Any) -> bool:
    """Whether a value is a string without line breaks and control characters that UTF-8 can encode."""
    return isinstance(value, str) and not re.search("[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]", value)


def _check_id(id: str | None) -> str | None:
    if id is not None and not (isinstance(id, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", id)):
        raise InvalidRequestError(
            "id must be up to 128 letters, digits, '.', '_' and '-', and begin with a letter or digit", param="id"
        )
    return id


def parse_upload(response: httpx.Response) -> Upload:
    """Parse the response to an upload."""
    body = parse_json(response, "URL of an upload")
    tags = body.get("tags")
    words = tags if isinstance(tags, list) else [tags] if tags else []
    if not (isinstance(body.get("url"), str) and body["url"].startswith(("http://", "https://"))):
        raise unexpected_response(response, "URL of an upload")
    return Upload(
        url=body["url"],
        id=str(body.get("id") or body["url"].rpartition("/")[2]),
        mime_type=str(body.get("contentType") or ""),
        size=body["size"] if isinstance(body.get("size"), int) else 0,
        tags=tuple(map(str, words)),
    )
