"""Encode LangChain's content blocks as parts of a chat message."""

from __future__ import annotations

import base64
import binascii
import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from langchain_core.messages import AIMessage, BaseMessage, FunctionMessage, ToolMessage

from langchain_pollinations._chat.history import is_blank
from langchain_pollinations._media.data_uri import decode, is_data_uri, read_base64, read_data_uri
from langchain_pollinations._media.formats import sniff
from langchain_pollinations._types import Json
from langchain_pollinations.errors import InvalidRequestError

_AUDIO_FORMATS: Mapping[str, str] = {
    "wav": "wav",
    "x-wav": "wav",
    "wave": "wav",
    "vnd.wave": "wav",
    "mp3": "mp3",
    "mpeg": "mp3",
    "flac": "flac",
    "x-flac": "flac",
    "opus": "opus",
    "ogg": "opus",
    "pcm": "pcm16",
    "pcm16": "pcm16",
    "l16": "pcm16",
    "mp4": "m4a",
    "m4a": "m4a",
    "x-m4a": "m4a",
}

# --- Messages ---------------------------------------------------------------------------------------------------------


def add_mime_types(message: BaseMessage) -> BaseMessage:
    """Return the message with base64 text and a MIME type in each media block.

    LangChain's tracing and caching require both.
    """
    if isinstance(message.content, str) or not any(_lacks_mime_type(block) for block in message.content):
        return message
    content = [_with_mime_type(block, message) if _lacks_mime_type(block) else block for block in message.content]
    return message.model_copy(update={"content": [block for block in content if block is not None]})


def _lacks_mime_type(block: Any) -> TypeGuard[Json]:
    """Whether a standard media block holds bytes, or base64 without a MIME type."""
    if not isinstance(block, dict) or block.get("type") not in ("image", "audio", "video", "file"):
        return False
    data = block.get("base64")
    return isinstance(data, bytes | bytearray | memoryview) or (isinstance(data, str) and not block.get("mime_type"))


def _with_mime_type(block: Json, message: BaseMessage) -> Json | None:
    """Return the block with base64 text and a MIME type.

    Data that cannot be decoded raises an error, unless the message is from a model or a tool. The caller cannot change
    such a message. The result is then None for a message of a model, and a text block for a tool result.
    """
    try:
        data = _base64(block["base64"], block["type"])
        return {**block, "base64": data, "mime_type": block.get("mime_type") or _sniff_mime_type(data, block["type"])}
    except InvalidRequestError:
        if isinstance(message, AIMessage):
            return None
        if isinstance(message, ToolMessage | FunctionMessage):
            return as_json_text(block)
        raise


def block_type(block: Any) -> str:
    """Return the type of a block. The result is an empty string if the block has no type, or its type is no string."""
    kind = block.get("type") if isinstance(block, Mapping) else None
    return kind if isinstance(kind, str) else ""


def unwrap_non_standard(block: Any) -> Any:
    """Return the block inside a `non_standard` block. LangChain wraps provider-specific blocks in this way."""
    while block_type(block) == "non_standard" and isinstance(block.get("value"), Mapping):
        block = block["value"]
    return block


def texts_in(block: Any, depth: int = 0) -> list[str]:
    """Return the texts in a content block. The block may come from any API.

    The list is empty if the block is reasoning, or the result of a server-side tool.
    """
    if isinstance(block, str):
        return [block]
    if depth > MAX_DEPTH or is_hidden(block):
        return []
    if isinstance(block, list):
        return [text for each in block for text in texts_in(each, depth + 1)]
    values = [block.get(key) for key in _TEXT_KEYS] if isinstance(block, Mapping) else []
    return next(filter(None, (texts_in(value, depth + 1) for value in values)), [])


def is_hidden(block: Any) -> bool:
    """Whether a block is reasoning, or the result of a server-side tool."""
    kind = block_type(block)
    is_thought = isinstance(block, Mapping) and block.get("thought") is True  # Google's
    return is_thought or kind.startswith(("reasoning", "thinking", "redacted")) or kind.endswith("_tool_result")


_TEXT_KEYS = ("text", "refusal", "value", "content", "parts")
"""Fields of a block that hold its text, or further blocks with text."""
MAX_DEPTH = 20
"""Maximum depth of nested blocks that are parsed. Deeper nesting would exhaust Python's stack."""


def block_extras(block: Mapping[str, Any]) -> Mapping[str, Any]:
    extras = block.get("extras")
    return extras if isinstance(extras, Mapping) else {}


def as_json_text(block: Mapping[str, Any]) -> Json:
    data = block["json"] if "json" in block else {k: block[k] for k in block.keys() - {"type", "base64", "data"}}
    if not data:
        return {"type": "text", "text": f"(a content block of type {str(block.get('type'))!r} that cannot be read)"}
    return {"type": "text", "text": dump_json(data, sort_keys=True)}


def dump_json(value: Any, **options: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str, **options)
    except RecursionError:
        return "(more levels of JSON than can be written)"


# --- Content blocks ---------------------------------------------------------------------------------------------------


def encode_content(blocks: Sequence[Any]) -> list[Json]:
    """Encode content blocks as parts. Blank texts are left out: Anthropic's and Amazon's models refuse them."""
    return [part for block in blocks for part in encode_blocks(block) if not is_blank(part)]


def encode_blocks(block: Any, depth: int = 0) -> list[Json]:
    """Encode one content block as parts of a message. Only a document may become several parts.

    Raises:
        InvalidRequestError: As in `encode_block`.
    """
    if not isinstance(block, Mapping) or block.get("type") != "document":
        return [encode_block(block)]
    texts = [_text({"text": block[key]}, f"a document block needs a string as its {key!r}")
             for key in ("title", "context") if block.get(key)]  # fmt: skip
    source = block.get("source")
    inside = source.get("content") if isinstance(source, Mapping) else None
    if not inside:
        part = encode_block(block)
        shown = part.get("file", {}).get("file_name")
        return [*(text for text in texts if text["text"] != shown), part]
    if depth > MAX_DEPTH:
        raise InvalidRequestError(f"documents are nested more than {MAX_DEPTH} levels deep")
    listed = inside if isinstance(inside, list) else [inside]
    *parts, last = [part for each in listed for part in encode_blocks(each, depth + 1)]
    return [*texts, *parts, with_cache_control(last, block)]


def encode_block(block: Any) -> Json:
    """Encode one content block as a part of a message.

    Standard blocks (text, text-plain, image, audio, video, file) and the blocks of OpenAI, Anthropic and Google are
    supported. The `value` of a `non_standard` block is sent unchanged.

    Raises:
        InvalidRequestError: If the type of the block is unknown, or a required field is missing.
    """
    if isinstance(block, str):
        return {"type": "text", "text": block}
    if not isinstance(block, Mapping) or not isinstance(block.get("type"), str):
        raise InvalidRequestError(f"a content block must be a string or a dict with a 'type', not {_describe(block)}")
    encode = _BLOCKS.get(block["type"])
    if encode is None:
        close = difflib.get_close_matches(block["type"], _BLOCKS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"supported are {', '.join(_BLOCKS)}"
        raise InvalidRequestError(f"content block of unknown type {block['type']!r}; {hint}")
    for key in ("mime_type", "filename", "file_id"):
        if not isinstance(block.get(key), str | None):
            raise InvalidRequestError(f"a block of type {block['type']!r} needs a string as its {key!r}")
    data = {key: _base64(block[key], block["type"]) for key in ("base64", "data") if block.get(key) is not None}
    part = encode({**block, **data})
    return with_cache_control(part, block)


def with_cache_control(wire: Json, block: Mapping[str, Any]) -> Json:
    """Return a part or message with the cache marker of a block. The provider caches the prompt up to the marker."""
    extras = block_extras(block)
    marks = {mark: block.get(mark) or extras.get(mark) for mark in ("cache_control", "prompt_cache_breakpoint")}
    return {**wire, **{mark: value for mark, value in marks.items() if value}}


def _base64(data: Any, kind: str) -> str:
    """Return the data of a block as base64 text. The data may be bytes or base64 text."""
    if isinstance(data, bytes | bytearray | memoryview):
        return base64.b64encode(data).decode("ascii")
    try:
        if text := read_base64(data):
            return text
    except ValueError:
        pass
    shown = f"{data[:30]!r}" if isinstance(data, str) else type(data).__name__
    raise InvalidRequestError(f"the base64 of a block of type {kind!r} must be bytes or base64 text, not {shown}")


def _data_uri(uri: str) -> str:
    """Return a data URI in the form that the service accepts: with a MIME type and standard base64."""
    try:
        read = read_data_uri(uri)
    except ValueError as error:
        raise InvalidRequestError(f"the data URI {uri[:60]!r} is invalid: {error}") from error
    return str(read if read.mime_type else read._replace(mime_type=sniff(decode(read.base64[:2048])) or ""))


def _describe(value: Any) -> str:
    return f"a dict with keys {sorted(value)}" if isinstance(value, Mapping) else type(value).__name__


def _text(block: Mapping[str, Any], message: str = "a text block needs a string as its 'text'") -> Json:
    text = block.get("text")
    text = text.get("value") if isinstance(text, Mapping) else text  # OpenAI's Assistants
    if not isinstance(text, str):
        raise InvalidRequestError(message)
    return {"type": "text", "text": text}


def _refusal(block: Mapping[str, Any]) -> Json:
    return _text({"text": block.get("refusal")})


def _text_plain(block: Mapping[str, Any]) -> Json:
    if isinstance(block.get("text"), str):
        return {"type": "text", "text": block["text"]}
    if data := block.get("base64"):
        try:
            return {"type": "text", "text": base64.b64decode(data).decode()}
        except (binascii.Error, UnicodeDecodeError) as error:
            raise InvalidRequestError(f"the base64 of a text-plain block is not UTF-8 text: {error}") from error
    return _file({**block, "mime_type": block.get("mime_type", "text/plain")})


def _image(block: Mapping[str, Any]) -> Json:
    if isinstance(source := block.get("source"), Mapping):  # Anthropic's form
        block = _from_source(source)
    detail = block.get("detail") or block_extras(block).get("detail")
    extra = {"detail": detail} if detail else {}
    if url := block.get("url"):
        return {"type": "image_url", "image_url": {"url": _check_url(url), **extra}}
    if data := block.get("base64") or block.get("data"):
        mime_type = block.get("mime_type") or _sniff_mime_type(data, "image")
        return {"type": "image_url", "image_url": {"url": f"data:{mime_type};base64,{data}", **extra}}
    if file_id := block.get("file_id"):
        return {"type": "file", "file": {"file_id": file_id}}
    raise InvalidRequestError("an image block needs 'url', 'base64' (with 'mime_type') or 'file_id'")


def _check_url(url: Any) -> str:
    """Return a URL that the service can read. Raise an error for a local file."""
    if isinstance(url, str) and url[:8].lower().startswith(("http://", "https://", "data:", "gs://")):
        return _data_uri(url) if is_data_uri(url) else url
    shown = f"{url[:60]!r}" if isinstance(url, str) else type(url).__name__
    raise InvalidRequestError(
        f"{shown} is not an http(s) or data URL; the service cannot read a local file. Pass its bytes instead, as in "
        "{'type': 'image', 'base64': Path(...).read_bytes(), 'mime_type': 'image/png'}"
    )


def _from_source(source: Mapping[str, Any]) -> Json:
    data = source.get("data")
    data = None if data is None else _base64(data, "image or document")
    known = {"url": source.get("url"), "base64": data, "mime_type": source.get("media_type")}
    return {key: value for key, value in {**known, "file_id": source.get("file_id")}.items() if value}


def _sniff_mime_type(data: str, kind: str) -> str:
    try:
        mime_type = sniff(base64.b64decode(data[:2048] + "=" * (-len(data[:2048]) % 4)))
    except (binascii.Error, ValueError) as error:
        raise InvalidRequestError(f"the base64 of an {kind} block cannot be decoded: {error}") from error
    if mime_type is None:
        raise InvalidRequestError(f"the type of an {kind} block cannot be detected from its bytes; set its 'mime_type'")
    return mime_type


def _by_url(block: Mapping[str, Any]) -> Json:
    """Encode an `image_url` block of OpenAI, or a `video_url` block, which has the same form."""
    kind = block["type"]
    given = block.get(kind)
    if isinstance(given, str):
        given = {"url": given}
    if not isinstance(given, Mapping) or not given.get("url"):
        raise InvalidRequestError(f"a block of type {kind!r} needs {kind!r}: {{'url': ...}}")
    return {"type": kind, kind: {**given, "url": _check_url(given["url"])}}


def _input_image(block: Mapping[str, Any]) -> Json:
    """Encode an image block of OpenAI's Responses API, where `image_url` is the URL itself."""
    given = block.get("image_url")
    address = given if isinstance(given, Mapping) else {"url": given} if given else {}
    return _image({**{key: block[key] for key in ("file_id", "detail") if block.get(key)}, **address})


def _input_file(block: Mapping[str, Any]) -> Json:
    """Encode a file block of OpenAI's Responses API, where the fields of the file are in the block itself."""
    keys = ("file_data", "file_id", "file_url", "filename", "file_name", "mime_type")
    return _file({"type": "file", "file": {key: block[key] for key in keys if block.get(key)}})


def _media(block: Mapping[str, Any]) -> Json:
    """Encode Google's media block. Its MIME type determines the kind of media."""
    mime_type = str(block.get("mime_type") or "")
    kind = mime_type.partition("/")[0]
    kind = kind if kind in ("image", "audio", "video") else "file"
    known = {**block, "type": kind, "url": block.get("file_uri") or block.get("url")}
    return _BLOCKS[kind]({key: value for key, value in known.items() if value})


def _audio(block: Mapping[str, Any]) -> Json:
    if data := block.get("base64") or block.get("data"):
        mime_type = block.get("mime_type") or _sniff_mime_type(data, "audio")
        subtype = mime_type.partition("/")[2].partition(";")[0].lower()
        if subtype not in _AUDIO_FORMATS:
            known = ", ".join(sorted(set(_AUDIO_FORMATS.values())))
            raise InvalidRequestError(f"audio of type {mime_type!r} is not supported; supported formats are {known}")
        return {"type": "input_audio", "input_audio": {"data": data, "format": _AUDIO_FORMATS[subtype]}}
    # No part type holds audio by URL. Audio by URL is sent as a file, because a file by URL may have any type.
    return _file(block)


def _input_audio(block: Mapping[str, Any]) -> Json:
    audio = block.get("input_audio")
    if not isinstance(audio, Mapping) or not audio.get("data") or not audio.get("format"):
        raise InvalidRequestError("an input_audio block needs 'input_audio': {'data': base64, 'format': 'wav'}")
    return {"type": "input_audio", "input_audio": {**audio, "data": _base64(audio["data"], "input_audio")}}


def _video(block: Mapping[str, Any]) -> Json:
    if url := block.get("url"):
        video = {"url": _check_url(url)}
    elif data := block.get("base64") or block.get("data"):
        video = {"url": f"data:{block.get('mime_type') or _sniff_mime_type(data, 'video')};base64,{data}"}
    else:
        return _file(block)
    if mime_type := block.get("mime_type"):
        video["mime_type"] = mime_type
    return {"type": "video_url", "video_url": video}


def _file(block: Mapping[str, Any]) -> Json:
    if isinstance(block.get("file"), Mapping):  # OpenAI's form; the service names the field `file_name`
        given = dict(block["file"])
        if not any(given.get(key) for key in ("file_data", "file_id", "file_url")):
            raise InvalidRequestError("a file block needs 'file_data', 'file_url' or 'file_id' in its 'file'")
        if url := given.get("file_url"):
            given["file_url"] = _check_url(url)
        if data := given.get("file_data"):
            is_uri = isinstance(data, str) and is_data_uri(data)
            given["file_data"] = _data_uri(data) if is_uri else _base64(data, "file")
        if "filename" in given:
            given["file_name"] = given.pop("filename")
        return {"type": "file", "file": given}
    if isinstance(source := block.get("source"), Mapping):  # Anthropic's document
        if source.get("type") == "text":
            return _text({"text": source.get("data", "")})
        block = {**block, **_from_source(source)}
    file: Json = {}
    mime_type = block.get("mime_type")
    if url := block.get("url"):
        file["file_url"] = _check_url(url)
    elif data := block.get("base64") or block.get("data"):
        mime_type = mime_type or _sniff_mime_type(data, "file")
        file["file_data"] = f"data:{mime_type};base64,{data}"
    elif file_id := block.get("file_id") or block.get("id"):
        file["file_id"] = file_id
    else:
        raise InvalidRequestError(f"a block of type {block['type']!r} needs 'url', 'base64' or 'file_id'")
    if name := _file_name(block):
        file["file_name"] = name
    if mime_type:
        file["mime_type"] = mime_type
    return {"type": "file", "file": file}


def _file_name(block: Mapping[str, Any]) -> str | None:
    """Return the name of a file. LangChain's formats and users put the name into different fields."""
    places = [block, *(each for key in ("extras", "metadata") if isinstance(each := block.get(key), Mapping))]
    names = (place.get(key) for key in ("filename", "file_name", "name", "title") for place in places)
    return next((name for name in names if isinstance(name, str) and name), None)


def _non_standard(block: Mapping[str, Any]) -> Json:
    value = block.get("value")
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
        raise InvalidRequestError("the 'value' of a non_standard block must be the part to send, a dict with a 'type'")
    return dict(value)


_BLOCKS: Mapping[str, Callable[[Mapping[str, Any]], Json]] = {
    "text": _text,
    "text-plain": _text_plain,
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "image": _image,
    "image_url": _by_url,
    "input_image": _input_image,
    "audio": _audio,
    "input_audio": _input_audio,
    "video": _video,
    "video_url": _by_url,
    "file": _file,
    "input_file": _input_file,
    "document": _file,
    "media": _media,
    "non_standard": _non_standard,
}
