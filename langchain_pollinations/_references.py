"""What callers may give as a picture, film or sound: an address, bytes, a file, a `Media`."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias
from urllib.parse import unquote_to_bytes, urlsplit

from pydantic import InstanceOf, PlainSerializer

from langchain_pollinations import media
from langchain_pollinations._inline import plain_uri
from langchain_pollinations.errors import InvalidRequestError
from langchain_pollinations.media import Media


def in_json(given: Any) -> Any:
    """A reference, or a list of some, as a wrapper that is written down holds it: bytes as a data URI."""
    if isinstance(given, list):
        return [in_json(each) for each in given]
    if isinstance(given, bytes):
        return in_json(Media(given, media.sniff(given) or "application/octet-stream"))
    if isinstance(given, Media):
        return f"data:{given.mime_type};base64,{base64.b64encode(given.data).decode('ascii')}"
    return str(given) if isinstance(given, Path) else given


Reference: TypeAlias = Annotated[str | bytes | Path | InstanceOf[Media], PlainSerializer(in_json, when_used="json")]
"""A picture, film or sound: a public address (http, https), a data URI, bytes, a file, or a `Media`. A text that is no
address is the path of a file. Files are read only below the folder that the developer named."""

References: TypeAlias = Reference | list[Reference]

NOUNS = {"image": "picture", "audio": "sound", "video": "film", "model": "3D object"}
"""What each family of types is called in errors."""

LARGEST = 400 * 1024 * 1024
"""Bytes of a file that is read, as many as the service takes anywhere. The words for its name may be a model's."""


@dataclass(frozen=True)
class Reading:
    """How the references of one argument are read."""

    argument: str
    """Its name, for errors."""
    family: str
    """`image`, `audio` or `video`: what they must be."""
    folder: Path | None
    """Below which files may be read; None for nowhere."""
    own: str
    """Address of the service's media host, as good as public wherever it is."""

    def all(self, given: References | None) -> list[str | Media]:
        """Each reference as a public address, or as a `Media` whose bytes are at hand."""
        return [self.one(each) for each in _listed(given)]

    def one(self, given: Any) -> str | Media:
        """A public address, or a `Media` whose bytes are at hand.

        Raises:
            InvalidRequestError: If it is of the wrong kind, an address that the service could not fetch, or a file
                that may not be read.
        """
        if isinstance(given, Media):
            return self._checked(given)
        if isinstance(given, bytes):
            return self._of_bytes(given)
        if isinstance(given, Path) or (isinstance(given, str) and not looks_like_address(given)):
            return self._in_file(Path(given))
        if not isinstance(given, str):
            raise self._wrong(f"takes an address, bytes, a file or a Media, not {type(given).__name__}")
        if given[:5].lower() == "data:":
            return self._of_bytes(self._uri_bytes(given))
        self._check_public(given)
        return given

    def _wrong(self, says: str) -> InvalidRequestError:
        return InvalidRequestError(f"{self.argument}: {says}")

    def _checked(self, given: Media) -> Media:
        if not given.mime_type.startswith(f"{self.family}/"):
            raise self._wrong(f"takes a {NOUNS[self.family]}, and this is {given.mime_type}")
        return given

    def _of_bytes(self, data: bytes) -> Media:
        mime_type = media.sniff(data)
        if mime_type == "video/mp4" and self.family == "audio":
            mime_type = "audio/mp4"  # the container does not tell at its head
        if mime_type is None:
            raise self._wrong(f"these {len(data)} bytes are no {NOUNS[self.family]} that is known here")
        return self._checked(Media(data=data, mime_type=mime_type))

    def _uri_bytes(self, uri: str) -> bytes:
        head, _, data = plain_uri(uri).partition(",")
        try:
            return base64.b64decode(data, validate=True) if head.endswith(";base64") else unquote_to_bytes(data)
        except (binascii.Error, ValueError) as error:
            raise self._wrong("the data URI holds no valid base64") from error

    def _in_file(self, path: Path) -> Media:
        name = repr(str(path)[:200])
        if self.folder is None:
            raise self._wrong(
                f"{name} is no address (http, https, data:). If it is a file, name the folder that files "
                "may be read from: reference_folder=..."
            )
        if re.match(r"[/\\]([/\\]|\?\?)", str(path)):  # whoever resolves one asks another machine, with our password
            raise self._wrong(f"{name} is no name of a file in reference_folder, but one of a network or device")
        folder = self.folder.expanduser().resolve()
        try:
            found = (folder / path.expanduser()).resolve()
            is_inside = found.is_relative_to(folder)
            is_other = found.exists() and not found.is_file()  # a pipe would be waited for
            size = found.stat().st_size if is_inside else 0
            data = found.read_bytes() if is_inside and not is_other and size <= LARGEST else b""
        except OSError as error:
            raise self._wrong(f"{name} cannot be read: {error.strerror}") from error
        except (ValueError, RuntimeError) as error:  # half a character, a home of nobody, a link to itself
            raise self._wrong(f"{name} cannot be read: {error}") from error
        if not is_inside:
            raise self._wrong(f"{name} lies outside of reference_folder ({folder.name})")
        if is_other:
            raise self._wrong(f"{name} cannot be read: it is no file")
        if size > LARGEST:
            raise self._wrong(f"{name} has {size:,} bytes; the service takes {LARGEST:,} at most")
        return self._of_bytes(data)

    def _check_public(self, address: str) -> None:
        """Refuse addresses that the service, which fetches them itself, could not or would not fetch."""
        try:
            parts = urlsplit(address)
            host, _ = (parts.hostname or "").rstrip("."), parts.port
        except ValueError:
            host = ""
        if not host or re.search(r"[\s<>\"\x00-\x1f\x7f\ud800-\udfff]", address):
            raise self._wrong(f"{address[:200]!r} is no whole http(s) address")
        if address.startswith(f"{self.own}/"):
            return
        is_number = re.fullmatch(r"((0x[\da-f]*|\d+)(\.|$))+|.*:.*", host) is not None
        if parts.username is not None or host == "localhost" or host.endswith((".localhost", ".local")) or is_number:
            raise self._wrong("the service fetches public addresses only: no localhost, no IP address, no user name")


def _listed(given: References | None) -> list[Reference]:
    if given is None:
        return []
    return given if isinstance(given, list) else [given]


def looks_like_address(text: str) -> bool:
    """Whether a text is an address of whatever kind, and no path of a file."""
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://|(?i:data):", text) is not None


def check_schemes(argument: str, given: References | None) -> None:
    """Raise a `ValueError` for an address of a kind that the service does not fetch, such as `ftp://`."""
    for each in _listed(given):
        if isinstance(each, str) and looks_like_address(each) and not re.match(r"(?i)(https?://|data:)", each):
            raise ValueError(f"{argument}: must be an http(s) address, a data URI, bytes, a file or a Media")
