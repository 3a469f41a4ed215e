"""Size limits of chat requests, and the error message for a request that is too large. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_pollinations.errors import PayloadTooLargeError

MIB = 1024 * 1024

LARGE = 32 * MIB
"""Size in bytes above which the service moves the inline files of a chat request to its media host."""
LARGEST = 100 * MIB
"""Maximum bytes of a chat request with inline files."""
LARGEST_FILE = 20 * MIB
"""Maximum characters of one inline file in a request larger than `LARGE`."""

_LIMITS = (
    "The service takes chat requests of up to 20 MiB. Above 32 MiB it takes up to 100 MiB if inline files make the "
    "request that large: at most 20 MiB each as base64 (15 MiB of file), PDFs only for models that OpenRouter hosts, "
    "and at most 16 MiB of everything else"
)
_ADVICE = "Upload the files with upload() and send their URLs"

# The types of content parts that hold a file, mapped to the fields that hold its data.
_FIELDS: Mapping[str, Sequence[str]] = {
    "image_url": ("url",),
    "video_url": ("url",),
    "input_audio": ("data",),
    "file": ("file_data", "file_url"),
}


def sizes(messages: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the number of characters of each inline file in encoded messages. Files by URL are not counted."""
    contents = [message.get("content") for message in messages]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return [size for part in parts if isinstance(part, Mapping) for size in _sizes_of(part)]


def _sizes_of(part: Mapping[str, Any]) -> Iterator[int]:
    kind = str(part.get("type"))
    holder = part.get(kind)
    if not isinstance(holder, Mapping):
        return
    for field in _FIELDS.get(kind, ()):
        data = holder.get(field)
        if isinstance(data, str) and (field in ("data", "file_data") or data.startswith("data:")):
            yield len(data)


def check_sizes(messages: Sequence[Mapping[str, Any]]) -> None:
    """Raise an error for a request that the service would certainly refuse after receiving many megabytes.

    Raises:
        PayloadTooLargeError: If the inline files alone exceed a limit of large requests.
    """
    found = sizes(messages)
    if sum(found) > LARGEST or (sum(found) > LARGE and max(found) > LARGEST_FILE):
        raise PayloadTooLargeError(f"The request was not sent: {_describe_sizes(found)}")


def explain_size_error(messages: Sequence[Mapping[str, Any]], error: BaseException) -> None:
    """Add the size of the inline files, the limits and advice to the error for a request that is too large."""
    if isinstance(error, PayloadTooLargeError):
        error.message = f"{error.message.rstrip('.')}: {_describe_sizes(sizes(messages))}"
        error.args = (error.message,)


def _describe_sizes(found: Sequence[int]) -> str:
    if not found:
        return _LIMITS
    measured = f"inline files have {sum(found) / MIB:.1f} MiB as base64, the largest {max(found) / MIB:.1f} MiB"
    return f"{measured}. {_LIMITS}. {_ADVICE}"
