"""References: images, videos and audio that the caller passes as URLs, bytes, files or `Media`."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeAlias
from urllib.parse import urlsplit

from pydantic import InstanceOf, PlainSerializer

from langchain_pollinations._media.data_uri import decode, is_data_uri
from langchain_pollinations._media.files import expanded
from langchain_pollinations._media.formats import SNIFFED_BYTES, sniff
from langchain_pollinations._media.permitted_files import open_below
from langchain_pollinations._transport.origins import has_private_name, normalize_host
from langchain_pollinations.errors import InvalidRequestError
from langchain_pollinations.media import Media


def reference_to_json(given: Any) -> Any:
    """Convert a reference or a list of references to JSON. Bytes and `Media` become data URIs."""
    if isinstance(given, list):
        return [reference_to_json(each) for each in given]
    if isinstance(given, bytes):
        return reference_to_json(Media(given, sniff(given) or "application/octet-stream"))
    if isinstance(given, Media):
        if given._is_remote:
            return given.url
        return f"data:{given.mime_type};base64,{base64.b64encode(given.data).decode('ascii')}"
    return str(given) if isinstance(given, Path) else given


Reference: TypeAlias = Annotated[
    str | bytes | Path | InstanceOf[Media], PlainSerializer(reference_to_json, when_used="json")
]
"""A reference image, video or audio: a public URL (http, https), a data URI, bytes, a file, or a `Media`. A string that
is not a URL is the path of a file. Only files below `reference_folder` are read."""

References: TypeAlias = Reference | list[Reference]

FAMILY_NOUNS = {"image": "image", "audio": "audio", "video": "video", "model": "3D object"}
"""Name of each family of MIME types in error messages."""

MIB = 1024 * 1024

MAX_BYTES: Mapping[str, int] = {"image": 64 * MIB, "audio": 100 * MIB, "video": 400 * MIB}
"""Maximum bytes of one file, by family. The service accepts videos of 400 MiB and audio of 100 MiB."""

MAX_TOTAL_BYTES: Mapping[str, int] = {"image": 128 * MIB, "audio": 200 * MIB, "video": 400 * MIB}
"""Maximum total bytes of the files of one argument. The limit exists because a language model may have written the
paths."""

MAX_PATH = 4096
"""Maximum characters of a path."""

MAX_URL = 8192
"""Maximum characters of a URL."""

MAX_REFERENCES = 32
"""Maximum number of references of one argument. Models in the catalog have lower limits."""


@dataclass(frozen=True)
class ReferenceReader:
    """Reads the references of one argument."""

    argument: str
    """Name of the argument, for error messages."""
    family: str
    """The required family of MIME types: `image`, `audio` or `video`."""
    folder: Path | None
    """Folder of the reference files. Only files below this folder are read. None allows no files."""
    own: str
    """URL of the service's media host. A URL on this host is accepted even if the host is local."""
    largest: int | None = None
    """Maximum bytes of one file. None applies the limit of the family."""

    def all(self, given: References | None) -> list[str | Media]:
        """Convert each reference to a public URL, or to a `Media` with its bytes.

        The number and the sizes of the references are checked before any file is read. A file that is given twice is
        read once.
        """
        listed = as_list(given)
        if len(listed) > MAX_REFERENCES:
            raise self._error(f"takes at most {MAX_REFERENCES} references, got {len(listed)}")
        total, limit = sum(map(self._size, listed)), MAX_TOTAL_BYTES[self.family]
        if total > limit:
            raise self._error(f"the files have {total:,} bytes in total; the maximum is {limit:,}")
        keys = [str(each) if self._names_file(each) else id(each) for each in listed]
        read = {key: self.one(each) for key, each in dict(zip(keys, listed, strict=True)).items()}
        return [read[key] for key in keys]

    def one(self, given: Any) -> str | Media:
        """Convert one reference to a public URL, or to a `Media` with its bytes.

        Raises:
            InvalidRequestError: If the reference has a wrong type, is a URL that the service cannot fetch, or is a file
                that must not be read.
        """
        if isinstance(given, Media):
            return self._check_media(given)
        if isinstance(given, bytes):
            return self._from_bytes(given)
        if self._names_file(given):
            return self._read_file(Path(given))
        if not isinstance(given, str):
            raise self._error(f"must be a URL, bytes, a file path or a Media, not {type(given).__name__}")
        if is_data_uri(given):
            limit = 3 * (self.largest or MAX_BYTES[self.family])  # a percent-encoded byte has three characters
            if len(given) > limit:
                raise self._error(f"the data URI has {len(given):,} characters; the maximum is {limit:,}")
            return self._from_bytes(self._uri_bytes(given))
        self._check_public(given)
        return given

    def _names_file(self, given: Any) -> bool:
        return isinstance(given, Path) or (isinstance(given, str) and not is_url(given))

    def _size(self, given: Any) -> int:
        """Return the size of a file, of bytes or of a data URI in bytes. Return 0 for other references."""
        if isinstance(given, Media):
            return 0 if given.path is None else given.size
        if not self._names_file(given):
            is_data = isinstance(given, bytes) or (isinstance(given, str) and is_data_uri(given))
            return len(given) if is_data else 0
        with self._open(Path(given)) as file:
            return self._file_size(file, Path(given))

    def _file_size(self, file: BinaryIO, path: Path) -> int:
        size, limit = os.fstat(file.fileno()).st_size, self.largest or MAX_BYTES[self.family]
        if size > limit:
            raise self._error(f"{_quote(path)} has {size:,} bytes; the maximum is {limit:,}")
        return size

    def _error(self, detail: str) -> InvalidRequestError:
        return InvalidRequestError(f"{self.argument}: {detail}", param=self.argument)

    def _check_media(self, given: Media) -> Media | str:
        if not given.mime_type.startswith(f"{self.family}/"):
            raise self._error(f"must be {self.family} data, not {given.mime_type[:60]}")
        if given._is_remote and given.url is not None:
            return self.one(given.url)
        if given.path is None or (given.url or "").startswith(f"{self.own}/"):
            return given
        # The file may have been replaced after the `Media` was created.
        limit = self.largest or MAX_BYTES[self.family]
        if given.size > limit:
            raise self._error(f"the file of this media has {given.size:,} bytes; the maximum is {limit:,}")
        try:
            data = given.data
        except OSError as error:
            raise self._error(f"the file of this media cannot be read: {error.strerror}") from error
        self._type(data[:SNIFFED_BYTES], len(data))
        return Media(data=data, mime_type=given.mime_type, url=given.url)

    def _from_bytes(self, data: bytes) -> Media:
        return Media(data=data, mime_type=self._type(data, len(data)))

    def _type(self, head: bytes, size: int) -> str:
        """Detect the MIME type of a file from its first bytes. The type must belong to the family."""
        mime_type = sniff(head)
        if mime_type == "video/mp4" and self.family == "audio":
            mime_type = "audio/mp4"  # the header of an MP4 does not show whether it holds audio or video
        if mime_type is None:
            raise self._error(f"these {size} bytes are not in a supported {self.family} format")
        if not mime_type.startswith(f"{self.family}/"):
            raise self._error(f"must be {self.family} data, not {mime_type}")
        return mime_type

    def _uri_bytes(self, uri: str) -> bytes:
        try:
            return decode(uri)
        except ValueError as error:
            raise self._error("the data URI does not contain valid base64") from error

    def _read_file(self, path: Path) -> Media:
        """Check the size and the first bytes of a file, and then read the file."""
        with self._open(path) as file:
            size = self._file_size(file, path)
            head = file.read(SNIFFED_BYTES)
            mime_type = self._type(head, size)
            return Media(data=head + file.read(size - len(head)), mime_type=mime_type)

    @contextmanager
    def _open(self, path: Path) -> Iterator[BinaryIO]:
        """Open a file below the folder.

        No part of the resolved path may be a symbolic link. The opened file is therefore the checked file.
        """
        name = _quote(path)
        if self.folder is None:
            raise self._error(
                f"{name} is not a URL (http, https, data:). To read files, set reference_folder to the "
                "folder that contains them: reference_folder=..."
            )
        if len(str(path)) > MAX_PATH:
            raise self._error(f"the path has {len(str(path)):,} characters; the maximum is {MAX_PATH:,}")
        if re.match(r"[/\\]([/\\]|\?\?)", str(path)):  # resolving a UNC path sends credentials to another machine
            raise self._error(f"{name} is a network or device path, not a file in reference_folder")
        folder = expanded(self.folder, "reference_folder").resolve()
        try:
            found = (folder / path.expanduser()).resolve()
            if not found.is_relative_to(folder):
                raise self._error(f"{name} is not a file in reference_folder ({folder.name})")
            with os.fdopen(open_below(folder, found.relative_to(folder)), "rb") as file:
                yield file
        except OSError as error:
            reason = "it is not a regular file" if isinstance(error, IsADirectoryError) else error.strerror
            raise self._error(f"{name} cannot be read: {reason}") from error
        except InvalidRequestError:
            raise
        except (ValueError, RuntimeError) as error:  # lone surrogate, home of an unknown user, symbolic link loop
            raise self._error(f"{name} is not a file in reference_folder ({folder.name})") from error

    def _check_public(self, address: str) -> None:
        """Raise an error for a URL that the service cannot fetch or refuses to fetch."""
        if len(address) > MAX_URL:
            raise self._error(f"the URL has {len(address):,} characters; the maximum is {MAX_URL:,}")
        try:
            parts = urlsplit(address)
            host, _ = normalize_host(parts.hostname or ""), parts.port
        except ValueError:
            host = ""
        if not re.fullmatch(r"[\w.-]+|[0-9a-f:.]+", host) or re.search(r"[\s<>\"\x00-\x1f\x7f\ud800-\udfff]", address):
            raise self._error(f"{address[:200]!r} is not a complete http(s) URL")
        if address.startswith(f"{self.own}/"):
            return
        is_number = re.fullmatch(r"((0x[\da-f]*|\d+)(\.|$))+|.*:.*", host) is not None
        if parts.username is not None or has_private_name(host) or is_number:
            raise self._error("the service fetches public URLs only: no localhost, no IP address, no user name")


def as_list(given: References | None) -> list[Reference]:
    if given is None:
        return []
    return given if isinstance(given, list) else [given]


def is_url(text: str) -> bool:
    """Whether a string is a URL with any scheme, not a file path."""
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", text) is not None or is_data_uri(text)


def check_schemes(argument: str, given: References | None) -> None:
    """Raise a `ValueError` for a URL with a scheme that the service does not fetch, such as `ftp://`."""
    for each in as_list(given):
        if isinstance(each, str) and is_url(each) and not re.match(r"(?i)(https?://|\s*data:)", each):
            raise ValueError(f"{argument}: must be an http(s) URL, a data URI, bytes, a file path or a Media")


def _quote(path: Path) -> str:
    return repr(str(path)[:200])
