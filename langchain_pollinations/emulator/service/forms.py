"""Parses multipart forms."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from hashlib import sha256

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from langchain_pollinations.emulator.state import Asked


@dataclass(frozen=True)
class Upload:
    """A file in a form."""

    name: str
    mime_type: str
    data: bytes = field(repr=False)

    @property
    def hash(self) -> str:
        return sha256(self.data).hexdigest()


@dataclass
class Form:
    """A parsed form. A form can contain several fields or files with the same name."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, list[Upload]] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """Return the first value of a field. Return None if the field is missing or its value is empty."""
        return next(iter(self.fields.get(name, ())), None) or None

    def file(self, name: str) -> Upload | None:
        return next(iter(self.files.get(name, ())), None)


class BrokenForm(ValueError):
    """Raised if the request body is not a valid form."""


def is_form(asked: Asked) -> bool:
    return asked.headers.get("content-type", "").lower().startswith("multipart/form-data")


async def read(asked: Asked) -> Form:
    """Parse the form in a request body.

    Raises:
        BrokenForm: If the body is not a valid form.
    """

    async def body() -> AsyncGenerator[bytes, None]:
        yield asked.body

    parser = MultiPartParser(Headers(dict(asked.headers)), body(), max_part_size=len(asked.body))
    form = Form()
    try:
        parsed = await parser.parse()
    except (MultiPartException, ValueError) as error:  # errors of python-multipart are ValueErrors
        raise BrokenForm(str(error)) from error
    for name, value in parsed.multi_items():
        if isinstance(value, UploadFile):
            upload = Upload(value.filename or "", value.content_type or "", await value.read())
            form.files.setdefault(name, []).append(upload)
        else:
            form.fields.setdefault(name, []).append(value)
    await parsed.close()
    return form
