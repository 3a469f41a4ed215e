"""Fields of a response that are kept as received. Later requests or content blocks may need them."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from langchain_pollinations._chat.fields import UniqueList, fingerprint, numbered
from langchain_pollinations._chat.tool_calls import parse_arguments
from langchain_pollinations._media.data_uri import decode, is_data_uri, read_data_uri
from langchain_pollinations._media.formats import SNIFFED_BYTES, sniff
from langchain_pollinations._types import Json

# Fields that are streamed and passed on event by event.
_STREAMED = frozenset({"role", "content", "tool_calls", "function_call", "reasoning_content", "reasoning", "refusal"})
# The values of these fields in deltas are concatenated. For all other fields, the newest value is kept.
_DELTA_FIELDS = frozenset({"text", "thinking", "summary", "transcript", "arguments", "partial_json", "data"})


UNKNOWN = "application/octet-stream"


class RawFields:
    """Fields of a message, merged from its deltas by rules that differ from LangChain's.

    They are returned once, at the end of the response. If several chunks had the same field, LangChain would
    concatenate its strings.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _EntryList] = {}
        self._objects: dict[str, _ObjectField] = {}
        self._lists: dict[str, UniqueList] = {}
        self._others: Json = {}

    def has_content(self) -> bool:
        """Whether the fields have content: audio, an image, reasoning, a legacy call, or a block other than text."""
        values = self.values()
        blocks = [block for block in _blocks(values, "content_blocks") if block.keys() - {"type", "text"}]
        return bool(blocks) or any(values.get(key) for key in ("images", "audio", "reasoning_details", "function_call"))

    def add(self, message: Mapping[str, Any]) -> None:
        for key, value in message.items():
            if key not in _STREAMED and (value or value == 0):
                self._merge(key, value)
        parts = message.get("content")
        if isinstance(parts, list) and not all(_is_text(part) for part in parts):
            odd = [part if isinstance(part, dict | str) else {"type": "unknown", "value": part} for part in parts]
            self._merge("content_blocks", odd)

    def _merge(self, key: str, value: Any) -> None:
        if isinstance(value, list) and key in ("content_blocks", "reasoning_details"):
            self._entries.setdefault(key, _EntryList(is_typed=key == "reasoning_details")).add(value)
        elif isinstance(value, list):
            self._lists.setdefault(key, UniqueList()).add(value)  # some routes repeat the complete list in each event
        elif isinstance(value, dict):
            self._objects.setdefault(key, _ObjectField()).add(value)
        else:
            self._others[key] = value

    def values(self) -> Json:
        """Return each field with its merged value."""
        built: dict[str, _ObjectField | _EntryList | UniqueList] = {**self._lists, **self._objects, **self._entries}
        return {**self._others, **{key: value.value() for key, value in built.items()}}

    def images(self) -> list[Json]:
        """Return the images in the response, as standard content blocks."""
        values = self.values()
        urls = [_image_url(block) for block in _blocks(values, "content_blocks")]
        known = set(urls)
        urls += [url for url in map(_image_url, _blocks(values, "images")) if url not in known]
        return [{"type": "image", **image_source(url)} for url in urls if url]

    def extra(self) -> Json:
        """Return the fields for `additional_kwargs`.

        Data that the content of the message already holds is left out: the bytes of audio and images, and content
        blocks that only repeat the text.
        """
        values = self.values()
        extra = {
            key: value
            for key, value in values.items()
            if key not in _RESERVED and not (key in _PARSED_ELSEWHERE and isinstance(value, list))
        }
        images = values.get("images")
        if isinstance(images, list) and (odd := [each for each in images if not _is_image(each)]):
            extra["images"] = odd
        if isinstance(audio := extra.get("audio"), dict):
            extra["audio"] = {key: value for key, value in audio.items() if key != "data"}
        blocks = _blocks(values, "content_blocks")
        if not all(block.keys() <= {"type", "text"} or _is_bare_image(block) for block in blocks):
            extra["content_blocks"] = [_without_bytes(block) for block in blocks]
        finite: Json = _without_non_finite(extra)
        return finite


def _without_non_finite(value: Any, level: int = 0) -> Any:
    """Replace numbers that a request cannot contain (NaN, infinity) with None.

    Values that are nested too deeply become None too.
    """
    if isinstance(value, dict | list) and level > _MAX_DEPTH:
        return None
    if isinstance(value, dict):
        return {key: _without_non_finite(each, level + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_non_finite(each, level + 1) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


_MAX_DEPTH = 200


class _ObjectField:
    """One object, merged from deltas."""

    def __init__(self) -> None:
        self._values: Json = {}
        self._citations = UniqueList()

    def add(self, delta: Mapping[str, Any]) -> None:
        for key, value in delta.items():
            if value is None:
                continue
            if key in _DELTA_FIELDS and isinstance(value, str):
                if not isinstance(self._values.get(key), _TextDeltas):
                    self._values[key] = _TextDeltas()
                self._values[key].append(value)
            elif key == "citation":  # Anthropic's deltas hold one citation each
                self._citations.add([value])
            elif key == "citations" and isinstance(value, list):
                self._citations.add(value)
            elif isinstance(value, dict):
                if not isinstance(self._values.get(key), _ObjectDeltas):
                    self._values[key] = _ObjectDeltas()
                self._values[key].update(value)
            else:
                self._values[key] = value

    def value(self) -> Json:
        values = {
            key: value.joined(key) if isinstance(value, _DELTA_TYPES) else value for key, value in self._values.items()
        }
        citations = self._citations.value()
        return {**values, "citations": citations} if citations else values


class _TextDeltas(list[str]):
    def joined(self, key: str) -> str:
        return join_base64(self) if key == "data" else "".join(self)


class _ObjectDeltas(dict[str, Any]):
    def joined(self, key: str) -> Json:
        return dict(self)


_DELTA_TYPES = (_TextDeltas, _ObjectDeltas)


def join_base64(strings: Iterable[str]) -> str:
    """Join base64 strings. They may be the parts of one encoded text, or may have been encoded separately."""
    joined = "".join(strings)
    parts = re.findall("[^=]+=*", joined)  # padding marks the end of an encoded text
    if len(parts) < 2:
        return joined
    try:
        return base64.b64encode(b"".join(map(decode, parts))).decode("ascii")
    except ValueError:
        return joined


class _EntryList:
    """A list of objects, merged from deltas. The index of a delta is the number of the object that it continues."""

    def __init__(self, *, is_typed: bool) -> None:
        self._is_typed = is_typed
        self._entries: dict[tuple[Any, str], _ObjectField] = {}
        self._newest: dict[Any, tuple[Any, str]] = {}
        """The key of the newest entry with each number."""
        self._complete: set[str] = set()
        """Fingerprints of the blocks that arrived complete."""

    def add(self, entries: list[Any]) -> None:
        for number, delta in numbered(entries):
            # The index of a content block is dropped, because it belongs to the stream only. The index of a reasoning
            # detail is one of its fields.
            fields = delta if self._is_typed else {key: value for key, value in delta.items() if key != "index"}
            place = self._place(number, delta)
            if not self._is_typed and _is_complete(delta):
                mark = fingerprint(fields)
                if place in self._entries:
                    if mark in self._complete:
                        continue  # a repeated block
                    place = (
                        f"{number}+{len(self._entries)}",
                        place[1],
                    )  # some gateways give several complete blocks the same index
                self._complete.add(mark)
            if place not in self._entries:
                self._entries[place], self._newest[place[0]] = _ObjectField(), place
            self._entries[place].add(fields)

    def _place(self, number: Any, delta: Mapping[str, Any]) -> tuple[Any, str]:
        kind = delta.get("type") or next((kind for key, kind in _TYPES if key in delta and not self._is_typed), "")
        if not kind:  # a signature, or the input of a call, continues the newest entry
            return self._newest.get(number, (number, ""))
        return number, str(kind)

    def value(self) -> list[Json]:
        found = []
        for (_, kind), fields in self._entries.items():
            entry = {"type": kind, **fields.value()} if kind else fields.value()
            if "partial_json" in entry:
                entry["input"] = _parsed(entry.pop("partial_json"))
            found.append(entry)
        return found


# Deltas of content blocks do not name the type of their block. Each of these fields implies a type.
_TYPES = (("thinking", "thinking"), ("data", "redacted_thinking"), ("text", "text"), ("image_url", "image_url"))


def _parsed(text: Any) -> Any:
    """Parse the input of a call. Return the text itself if it is not a JSON object. Later requests send the result."""
    args = parse_arguments(text) if isinstance(text, str) else None
    return text if args is None else args


def _is_complete(delta: Mapping[str, Any]) -> bool:
    """Whether a block is complete. Only text, reasoning, signatures and inputs are streamed in several deltas."""
    return bool(delta.get("type")) and str(delta["type"]) not in _ENTRY_DELTAS


_ENTRY_DELTAS = frozenset({"text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "mcp_tool_use"})


def _is_text(part: Any) -> bool:
    return isinstance(part, str) or (isinstance(part, dict) and part.keys() <= {"type", "text", "index"})


def _blocks(values: Mapping[str, Any], key: str) -> list[Json]:
    found = values.get(key)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _image_url(block: Mapping[str, Any]) -> str | None:
    image = block.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    is_address = isinstance(url, str) and (url.startswith(("http://", "https://")) or is_data_uri(url))
    return url if is_address else None


def image_source(url: str) -> Json:
    """Return the fields of a standard block for the URL of an image: the bytes of a data URI, or any other URL."""
    try:
        uri = read_data_uri(url)
    except ValueError:
        return {"url": url}
    if not uri.base64:
        return {"url": url}
    return {"base64": uri.base64, "mime_type": uri.mime_type or sniff(decode(uri.base64[:SNIFFED_BYTES])) or UNKNOWN}


def _without_bytes(block: Json) -> Json:
    """Return a block without the bytes of its image. `replay.restore_images` adds the bytes again."""
    url = _image_url(block)
    if not url or "base64" not in image_source(url):
        return block
    image = block["image_url"]
    facts = {key: value for key, value in image.items() if key != "url"} if isinstance(image, dict) else {}
    blank = {key: value for key, value in block.items() if key != "image_url"}
    return {**blank, "image_url": facts} if facts else blank


_RESERVED = frozenset({"invalid_arguments", "thought_signatures", "tool_call_extras"})
"""Names of fields that this package itself adds to `additional_kwargs`."""
# Lists whose parsed content is elsewhere in the message.
_PARSED_ELSEWHERE = ("annotations", "images", "content_blocks")


def _is_bare_image(block: Json) -> bool:
    return bool(_image_url(block)) and block in (
        {"type": "image_url", "image_url": {"url": _image_url(block)}},
        {"type": "image_url", "image_url": _image_url(block)},
    )


def _is_image(entry: Any) -> bool:
    return isinstance(entry, dict) and bool(_image_url(entry))
