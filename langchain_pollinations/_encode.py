"""LangChain's messages, content blocks, tools and tool choices as JSON of the service. Pure functions.

Whatever cannot be sent raises before the call and names itself; only an AI message that is replayed loses the blocks
that no API takes back (reasoning of other providers, server-side calls).
"""

from __future__ import annotations

import base64
import binascii
import difflib
import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import BaseTool, create_schema_from_function
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel, TypeAdapter
from typing_extensions import is_typeddict

from langchain_pollinations._inline import plain_base64, plain_data, plain_uri
from langchain_pollinations._json_schema import as_parameters, as_strict, is_recursive, rooted
from langchain_pollinations.errors import InvalidRequestError
from langchain_pollinations.media import sniff

PROVIDER = "pollinations"

Json = dict[str, Any]

BUILT_IN_TOOLS = ("google_search", "code_execution", "google_maps", "url_context", "computer_use", "file_search")
"""Tools that the service runs itself; it documents them as `{"type": name}` and nothing else."""

ROLES = ("system", "developer", "user", "assistant", "tool", "function")

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


def with_types(message: BaseMessage) -> BaseMessage:
    """A message whose media hold base64 text and tell their type, as LangChain's tracing and caching want them."""
    if isinstance(message.content, str) or not any(_is_bare(block) for block in message.content):
        return message
    content = [_with_type(block, message) if _is_bare(block) else block for block in message.content]
    return message.model_copy(update={"content": content})


def _is_bare(block: Any) -> TypeGuard[Json]:
    """Whether a standard block of media holds bytes, or data of an untold type."""
    if not isinstance(block, dict) or block.get("type") not in ("image", "audio", "video", "file"):
        return False
    data = block.get("base64")
    return isinstance(data, bytes | bytearray | memoryview) or (isinstance(data, str) and not block.get("mime_type"))


def _with_type(block: Json, message: BaseMessage) -> Json:
    try:
        data = _base64(block["base64"], block["type"])
        return {**block, "base64": data, "mime_type": block.get("mime_type") or _sniffed(data, block["type"])}
    except InvalidRequestError:
        if isinstance(message, AIMessage):
            return block  # which no caller can mend, and which is left out of what is replayed
        raise


def is_ours(message: AIMessage) -> bool:
    """Whether the service made a message."""
    return message.response_metadata.get("model_provider") == PROVIDER


def encode_messages(messages: Sequence[BaseMessage], is_own: Callable[[AIMessage], bool] = is_ours) -> list[Json]:
    """Messages of a chat request.

    Args:
        messages: What was said so far.
        is_own: Whether the provider that is asked made a message: only then it sees its own reasoning and signatures
            again.

    Raises:
        InvalidRequestError: If there is no message, or one holds something that cannot be sent.
    """
    if not messages:
        raise InvalidRequestError("messages is empty: give at least one message")
    wire: list[Json] = []
    shown: list[Json] = []  # media that tools returned, held back until their run of tool messages is over
    for position, message in enumerate(messages):
        try:
            if not isinstance(message, ToolMessage) and shown:
                wire.append({"role": "user", "content": shown})
                shown = []
            wire += _encode_message(message, shown, is_own)
        except InvalidRequestError as error:
            raise InvalidRequestError(f"messages[{position}]: {error}") from error
    if shown:
        wire.append({"role": "user", "content": shown})
    return wire


def _encode_message(message: BaseMessage, shown: list[Json], is_own: Callable[[AIMessage], bool]) -> list[Json]:
    match message:
        case HumanMessage():
            return _user(message)
        case SystemMessage():
            role = message.additional_kwargs.get("__openai_role__", "system")
            if role not in ("system", "developer"):
                raise InvalidRequestError(f"a system message has the role 'system' or 'developer', not {role!r}")
            return [_plain(role, message)]
        case AIMessage():
            return [_assistant(message, is_own(message))]
        case ToolMessage():
            return [_tool_result(message.tool_call_id, message.content, shown)]
        case FunctionMessage():
            return [{"role": "function", "name": message.name, "content": message.text}]
        case ChatMessage() if message.role in ("tool", "function"):
            other = {"tool": "ToolMessage, with its tool_call_id", "function": "FunctionMessage, with its name"}
            raise InvalidRequestError(f"role {message.role!r}: give a {other[message.role]}")
        case ChatMessage() if message.role in ROLES:
            return [_plain(message.role, message)]
        case ChatMessage():
            raise InvalidRequestError(f"role {message.role!r} is not one of {', '.join(ROLES)}")
    raise InvalidRequestError(f"a {type(message).__name__} cannot be sent to a chat model")


def _user(message: HumanMessage) -> list[Json]:
    """A user message; the results of tools that Anthropic's shape keeps in it become tool messages before it."""
    if isinstance(message.content, str):
        return [_plain("user", message)]
    results: list[Any] = []
    rest: list[Any] = []
    for block in message.content:
        is_result = isinstance(block, dict) and block.get("type") == "tool_result"
        (results if is_result else rest).append(block)
    if not results:
        return [_plain("user", message)]
    shown: list[Json] = []
    wire = [_marked(_tool_result(b.get("tool_use_id", ""), b.get("content", ""), shown), b) for b in results]
    parts = shown + [encode_block(block) for block in rest]
    return [*wire, {"role": "user", "content": parts}] if parts else wire


def _plain(role: str, message: BaseMessage) -> Json:
    wire: Json = {"role": role, "content": _content(message)}
    if message.name:
        wire["name"] = wire_name(message.name)
    return wire


def wire_name(name: str) -> str:
    """The name of a participant in the letters that providers take; the service silently drops a name with others.
    `_names` fits the names of tools, which come back in answers."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64]


def _content(message: BaseMessage) -> str | list[Json]:
    if isinstance(message.content, str):
        return message.content
    if not message.content:
        raise InvalidRequestError("the content is an empty list: give a text or at least one block")
    return [encode_block(block) for block in message.content]


def _assistant(message: AIMessage, is_own: bool) -> Json:
    wire: Json = {"role": "assistant"}
    content = _replayed(message)
    calls = [_tool_call(call) for call in message.tool_calls]
    raw = message.additional_kwargs.get("invalid_arguments", {})
    lost = message.invalid_tool_calls
    calls += [_invalid_tool_call({**call, "args": raw.get(call["id"], call["args"])}) for call in lost]
    calls += _anthropic_calls(message, known={call["id"] for call in calls})
    if calls:
        wire["tool_calls"] = calls
    elif isinstance(old := message.additional_kwargs.get("function_call"), dict):
        wire["function_call"] = old
    if message.name:
        wire["name"] = wire_name(message.name)
    if is_own:
        _give_back(message, wire)
    if not content and "audio" not in wire:
        content = _spoken(message) or ("" if calls else str(message.additional_kwargs.get("refusal") or ""))
    wire["content"] = content or (None if calls or "function_call" in wire else "")
    return wire


def _replayed(message: AIMessage) -> str | list[Json]:
    """What of an earlier answer goes back: its text and pictures, as one string where it is only text.

    Reasoning, calls, server-side tools and whatever other providers call their blocks stay behind: no API takes them.
    """
    if isinstance(message.content, str):
        return message.content
    kept = [block for block in message.content if isinstance(block, str) or block.get("type") in _REPLAYED]
    parts = [part for block in kept for part in _encodable(block) if part != {"type": "text", "text": ""}]
    if all(part.keys() == {"type", "text"} for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _encodable(block: Any) -> list[Json]:
    """The part for a block of an earlier answer; none where it cannot be one, since no caller could mend it."""
    try:
        return [encode_block(block)]
    except InvalidRequestError:
        return []


_REPLAYED = frozenset({"text", "text-plain", "image", "image_url", "video", "video_url", "file"})


def _spoken(message: AIMessage) -> str:
    """The words of a spoken answer whose sound does not go back."""
    if isinstance(message.content, str):
        return ""
    blocks = [block for block in message.content if isinstance(block, dict) and block.get("type") == "audio"]
    return "\n".join(str((block.get("extras") or {}).get("transcript") or "") for block in blocks)


def _give_back(message: AIMessage, wire: Json) -> None:
    """What the provider wants to see again, as it came and under its own names: it checks signatures of reasoning."""
    kept = message.additional_kwargs
    field = message.response_metadata.get("reasoning_field", "reasoning_content")
    if field in ("reasoning_content", "reasoning") and kept.get("reasoning_content"):
        wire[field] = kept["reasoning_content"]
    if details := kept.get("reasoning_details"):
        wire["reasoning_details"] = details
    if (blocks := kept.get("content_blocks")) and _says(blocks, str(message.text)):
        wire["content_blocks"] = _with_calls(fill_in(blocks, message.content), message)
    audio = kept.get("audio")
    if isinstance(audio, dict) and audio.get("id"):
        wire["audio"] = {"id": audio["id"]}  # the sound itself stays with the provider
    signatures = kept.get("thought_signatures", {})
    for call in wire.get("tool_calls", []):
        if signature := signatures.get(call["id"]):
            call["function"]["thought_signature"] = signature


def _with_calls(blocks: Sequence[Json], message: AIMessage) -> list[Json]:
    """Content blocks with the calls as the message has them now: people and middleware change them."""
    calls = {call["id"]: call["args"] for call in message.tool_calls}
    return [
        {**block, "input": calls[block.get("id")]} if block.get("type") == "tool_use" else block
        for block in blocks
        if block.get("type") != "tool_use" or block.get("id") in calls
    ]


def _says(blocks: Sequence[Any], text: str) -> bool:
    """Whether content blocks still say what the message says: a text that was changed since then, by a filter of
    personal data for instance, must not go out unchanged beside it."""
    said = "".join(str(block.get("text") or "") for block in blocks if block.get("type") == "text")
    return not said or said.split() == text.split()


def fill_in(blocks: Sequence[Json], content: Any) -> list[Json]:
    """Content blocks as they came, with the pictures that stand in the message's content meanwhile."""
    shown = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    pictures = iter([block for block in shown if block.get("type") == "image" and block.get("base64")])
    filled = [_with_picture(block, next(pictures, None)) if _is_blank(block) else block for block in blocks]
    return [block for block in filled if not _is_blank(block)]  # a picture that was taken out leaves no place


def _is_blank(block: Json) -> bool:
    """Whether a kept block is a picture whose bytes are in the content already."""
    return block.get("type") == "image_url" and "url" not in (block.get("image_url") or {})


def _with_picture(block: Json, picture: Json | None) -> Json:
    if picture is None:
        return block
    url = f"data:{picture['mime_type']};base64,{picture['base64']}"
    return {**block, "image_url": {"url": url, **(block.get("image_url") or {})}}


def _anthropic_calls(message: AIMessage, known: set[str]) -> list[Json]:
    """Calls that stand only as `tool_use` blocks in the content, as in histories written for Anthropic's API."""
    blocks = [block for block in message.content if isinstance(block, dict) and block.get("type") == "tool_use"]
    return [
        _tool_call({"id": block.get("id"), "name": block.get("name", ""), "args": block.get("input", {})})
        for block in blocks
        if block.get("id") not in known
    ]


def _tool_call(call: Mapping[str, Any]) -> Json:
    try:
        arguments = json.dumps(call["args"], ensure_ascii=False, allow_nan=False)
        if not _is_text(arguments):
            arguments = json.dumps(call["args"], allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"the arguments of tool call {call['name']!r} are no JSON: {error}") from error
    return {"id": call["id"] or "", "type": "function", "function": {"name": call["name"], "arguments": arguments}}


def _is_text(string: str) -> bool:
    """Whether a string has whole characters only: a model may write half of one, escaped."""
    try:
        string.encode()
    except UnicodeEncodeError:
        return False
    return True


def _invalid_tool_call(call: Mapping[str, Any]) -> Json:
    """Sent with its raw arguments: without it the tool message that answers it would be an orphan."""
    function = {"name": call["name"] or "", "arguments": call["args"] or ""}
    return {"id": call["id"] or "", "type": "function", "function": function}


def _tool_result(call_id: str, content: str | list[Any], shown: list[Json]) -> Json:
    """A tool message carries text only: few providers look at media in it, all do in a user message after it."""
    wire: Json = {"role": "tool", "tool_call_id": call_id}
    if isinstance(content, str):
        return {**wire, "content": content}
    parts = [_returned(block) for block in content]
    texts = [part for part in parts if part["type"] == "text"]
    media = [part for part in parts if part["type"] != "text"]
    if media:
        shown += [{"type": "text", "text": f"Returned by tool call {call_id}:"}, *media]
    plain = all(part.keys() == {"type", "text"} for part in texts)
    return {**wire, "content": "\n".join(part["text"] for part in texts) if plain else texts}


def _returned(block: Any) -> Json:
    """A block of a tool's result; as JSON where only tools return such blocks, or where it has no bytes or address that
    the service could read: it stays in the conversation, all of which an error would end."""
    if isinstance(block, Mapping) and block.get("type") in ("json", "search_result", "custom_tool_call_output"):
        return _written_out(block)
    try:
        return encode_block(block)
    except InvalidRequestError:
        if not isinstance(block, Mapping) or block.get("type") not in _BLOCKS:
            raise
        return _written_out(block)


def _written_out(block: Any) -> Json:
    data = block
    if isinstance(block, Mapping):
        data = block["json"] if "json" in block else {k: block[k] for k in block.keys() - {"type", "base64", "data"}}
    return {"type": "text", "text": json.dumps(data, ensure_ascii=False, default=str, sort_keys=True)}


def mentions_json(wire: Sequence[Json]) -> bool:
    """Whether a text among the messages has the word; base64 and addresses do not count."""
    for message in wire:
        content = message.get("content")
        texts = [content] if isinstance(content, str) else [part.get("text") for part in content or []]
        if any("json" in text.lower() for text in texts if isinstance(text, str)):
            return True
    return False


def ask_for_json(wire: list[Json]) -> list[Json]:
    """The messages with an instruction to answer in JSON: providers refuse JSON mode where nothing speaks of it."""
    return instruct(wire, "Answer with a JSON object and nothing else.")


def instruct(wire: list[Json], instruction: str) -> list[Json]:
    """The messages with an instruction at the end of the system message, where a prompt cache does not see it."""
    first, said = wire[0], wire[0].get("content")
    if first["role"] not in ("system", "developer"):
        return [{"role": "system", "content": instruction}, *wire]
    if isinstance(said, list):
        return [{**first, "content": [*said, {"type": "text", "text": instruction}]}, *wire[1:]]
    return [{**first, "content": f"{said or ''}\n\n{instruction}".strip()}, *wire[1:]]


def instruction_to_call(choice: str | Json) -> str:
    """What stands in for a forced tool choice where the model takes none."""
    tool = "one of your tools" if isinstance(choice, str) else f"the tool {choice['function']['name']!r}"
    return f"Answer with a call of {tool}, not with text."


def without_cache_control(wire: Sequence[Json]) -> list[Json]:
    """Messages or tools without marks for the provider's prompt cache."""
    return [
        {
            key: without_cache_control(value) if key == "content" and isinstance(value, list) else value
            for key, value in each.items()
            if key != "cache_control"
        }
        for each in wire
    ]


# --- Content blocks ---------------------------------------------------------------------------------------------------


def encode_block(block: Any) -> Json:
    """One content block as a part of a message.

    Standard blocks (text, text-plain, image, audio, video, file), OpenAI's and Anthropic's own are understood. A
    `non_standard` block is sent as its `value` says.

    Raises:
        InvalidRequestError: If the block is of no known type, or lacks what its type needs.
    """
    if isinstance(block, str):
        return {"type": "text", "text": block}
    if not isinstance(block, Mapping) or not isinstance(block.get("type"), str):
        raise InvalidRequestError(f"a content block must be a string or a dict with a 'type', not {_shape(block)}")
    encode = _BLOCKS.get(block["type"])
    if encode is None:
        close = difflib.get_close_matches(block["type"], _BLOCKS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(_BLOCKS)}"
        raise InvalidRequestError(f"content block of unknown type {block['type']!r}; {hint}")
    data = {key: _base64(block[key], block["type"]) for key in ("base64", "data") if block.get(key) is not None}
    part = encode({**block, **data})
    return _marked(part, block)


def _marked(wire: Json, block: Mapping[str, Any]) -> Json:
    """A part or message with the mark of a block up to which the provider is to keep the prompt."""
    extras = block.get("extras") or {}
    marks = {mark: block.get(mark) or extras.get(mark) for mark in ("cache_control", "prompt_cache_breakpoint")}
    return {**wire, **{mark: value for mark, value in marks.items() if value}}


def _base64(data: Any, kind: str) -> str:
    """Data of a block as base64 text, which it may be already."""
    if isinstance(data, bytes | bytearray | memoryview):
        return base64.b64encode(data).decode("ascii")
    text = plain_base64(data) if isinstance(data, str) else ""
    if not _BASE64.match(text):
        given = f"{data[:30]!r}" if isinstance(data, str) else type(data).__name__
        raise InvalidRequestError(f"the base64 of a block of type {kind!r} must be bytes or base64 text, not {given}")
    return text


_BASE64 = re.compile(r"[A-Za-z0-9+/]{1000}|[A-Za-z0-9+/]+(=|$)")  # the start of a long one is enough


def _shape(value: Any) -> str:
    return f"a dict with keys {sorted(value)}" if isinstance(value, Mapping) else type(value).__name__


def _text(block: Mapping[str, Any]) -> Json:
    if not isinstance(block.get("text"), str):
        raise InvalidRequestError("a text block needs a string as its 'text'")
    return {"type": "text", "text": block["text"]}


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
    if isinstance(source := block.get("source"), Mapping):  # Anthropic's shape
        block = _from_source(source)
    detail = block.get("detail") or (block.get("extras") or {}).get("detail")
    extra = {"detail": detail} if detail else {}
    if url := block.get("url"):
        return {"type": "image_url", "image_url": {"url": _reachable(url), **extra}}
    if data := block.get("base64") or block.get("data"):
        mime_type = block.get("mime_type") or _sniffed(data, "image")
        return {"type": "image_url", "image_url": {"url": f"data:{mime_type};base64,{data}", **extra}}
    if file_id := block.get("file_id"):
        return {"type": "file", "file": {"file_id": file_id}}
    raise InvalidRequestError("an image block needs 'url', 'base64' (with 'mime_type') or 'file_id'")


def _reachable(url: Any) -> str:
    """An address that the service can read: a file of this machine is none."""
    if isinstance(url, str) and url[:8].lower().startswith(("http://", "https://", "data:", "gs://")):
        return plain_uri(url)
    told = f"{url[:60]!r}" if isinstance(url, str) else type(url).__name__
    raise InvalidRequestError(
        f"{told} is no http(s) or data URL: the service cannot read a local file; give its bytes instead, as in "
        "{'type': 'image', 'base64': Path(...).read_bytes(), 'mime_type': 'image/png'}"
    )


def _from_source(source: Mapping[str, Any]) -> Json:
    data = source.get("data")
    data = None if data is None else _base64(data, "image or document")
    known = {"url": source.get("url"), "base64": data, "mime_type": source.get("media_type")}
    return {key: value for key, value in {**known, "file_id": source.get("file_id")}.items() if value}


def _sniffed(data: str, kind: str) -> str:
    try:
        mime_type = sniff(base64.b64decode(data[:2048] + "=" * (-len(data[:2048]) % 4)))
    except (binascii.Error, ValueError) as error:
        raise InvalidRequestError(f"the base64 of an {kind} block cannot be decoded: {error}") from error
    if mime_type is None:
        raise InvalidRequestError(f"the type of an {kind} block cannot be told from its bytes: give its 'mime_type'")
    return mime_type


def _by_url(block: Mapping[str, Any]) -> Json:
    """OpenAI's image_url, and video_url in the same form."""
    kind = block["type"]
    given = block.get(kind)
    if isinstance(given, str):
        given = {"url": given}
    if not isinstance(given, Mapping) or not given.get("url"):
        raise InvalidRequestError(f"a block of type {kind!r} needs {kind!r}: {{'url': ...}}")
    return {"type": kind, kind: {**given, "url": _reachable(given["url"])}}


def _audio(block: Mapping[str, Any]) -> Json:
    if data := block.get("base64") or block.get("data"):
        mime_type = block.get("mime_type") or _sniffed(data, "audio")
        subtype = mime_type.partition("/")[2].partition(";")[0].lower()
        if subtype not in _AUDIO_FORMATS:
            known = ", ".join(sorted(set(_AUDIO_FORMATS.values())))
            raise InvalidRequestError(f"audio of type {mime_type!r} is not understood; formats are {known}")
        return {"type": "input_audio", "input_audio": {"data": data, "format": _AUDIO_FORMATS[subtype]}}
    # Sound by address has no part of its own; a file by address may be of any type.
    return _file(block)


def _input_audio(block: Mapping[str, Any]) -> Json:
    audio = block.get("input_audio")
    if not isinstance(audio, Mapping) or not audio.get("data") or not audio.get("format"):
        raise InvalidRequestError("an input_audio block needs 'input_audio': {'data': base64, 'format': 'wav'}")
    return {"type": "input_audio", "input_audio": {**audio, "data": plain_data(audio["data"])}}


def _video(block: Mapping[str, Any]) -> Json:
    if url := block.get("url"):
        video = {"url": _reachable(url)}
    elif data := block.get("base64") or block.get("data"):
        video = {"url": f"data:{block.get('mime_type') or _sniffed(data, 'video')};base64,{data}"}
    else:
        return _file(block)
    if mime_type := block.get("mime_type"):
        video["mime_type"] = mime_type
    return {"type": "video_url", "video_url": video}


def _file(block: Mapping[str, Any]) -> Json:
    if isinstance(block.get("file"), Mapping):  # OpenAI's shape; the service spells the name with an underscore
        given = dict(block["file"])
        if not any(given.get(key) for key in ("file_data", "file_id", "file_url")):
            raise InvalidRequestError("a file block needs 'file_data', 'file_url' or 'file_id' in its 'file'")
        if url := given.get("file_url"):
            given["file_url"] = _reachable(url)
        if data := given.get("file_data"):
            given["file_data"] = plain_data(data)
        if "filename" in given:
            given["file_name"] = given.pop("filename")
        return {"type": "file", "file": given}
    if isinstance(source := block.get("source"), Mapping):  # Anthropic's document
        if source.get("type") == "text":
            return {"type": "text", "text": source.get("data", "")}
        block = {**block, **_from_source(source)}
    file: Json = {}
    mime_type = block.get("mime_type")
    if url := block.get("url"):
        file["file_url"] = _reachable(url)
    elif data := block.get("base64") or block.get("data"):
        mime_type = mime_type or _sniffed(data, "file")
        file["file_data"] = f"data:{mime_type};base64,{data}"
    elif file_id := block.get("file_id") or block.get("id"):
        file["file_id"] = file_id
    else:
        raise InvalidRequestError(f"a block of type {block['type']!r} needs 'url', 'base64' or 'file_id'")
    extras = block.get("extras") or {}
    if name := next((n for n in (block.get("filename"), extras.get("filename"), block.get("title")) if n), None):
        file["file_name"] = name
    if mime_type:
        file["mime_type"] = mime_type
    return {"type": "file", "file": file}


def _non_standard(block: Mapping[str, Any]) -> Json:
    value = block.get("value")
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
        raise InvalidRequestError("a non_standard block needs as its 'value' the part to send, a dict with a 'type'")
    return dict(value)


_BLOCKS: Mapping[str, Callable[[Mapping[str, Any]], Json]] = {
    "text": _text,
    "text-plain": _text_plain,
    "image": _image,
    "image_url": _by_url,
    "audio": _audio,
    "input_audio": _input_audio,
    "video": _video,
    "video_url": _by_url,
    "file": _file,
    "document": _file,
    "non_standard": _non_standard,
}

# --- Tools ------------------------------------------------------------------------------------------------------------


def encode_tool(tool: Any, *, strict: bool | None = None) -> Json:
    """One tool: a function, `BaseTool`, Pydantic class, TypedDict or schema, or a built-in tool of the service.

    Raises:
        InvalidRequestError: If it is none of these.
    """
    if isinstance(tool, Mapping) and tool.get("type") in BUILT_IN_TOOLS:
        return dict(tool)
    try:
        wire = _described(_as_tool(tool))
        raw = _arguments_schema(tool)
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise InvalidRequestError(f"tool {_tool_label(tool)} cannot be described to the model: {error}") from error
    function = wire.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        known = ", ".join(BUILT_IN_TOOLS)
        raise InvalidRequestError(
            f"tool {tool!r} is no function with a name; built-in tools of the service are {known}"
        )
    function = {key: value for key, value in function.items() if key != "parameters" or value is not None}
    if is_recursive(raw):
        # LangChain writes references out, and where a schema contains itself it would let anything go.
        function["parameters"] = {key: each for key, each in rooted(raw).items() if key not in ("title", "description")}
    if "parameters" in function:
        function["parameters"] = as_parameters(function["parameters"])
    if strict is not None and not _is_encoded(tool):
        if function.get("strict", strict) is not strict:
            raise InvalidRequestError(f"strict={strict}, but tool {function['name']!r} says {function['strict']}")
        function["strict"] = strict
        if strict and "parameters" in function:
            function["parameters"] = as_strict(function["parameters"])
    return {**wire, "function": function}


def _is_encoded(tool: Any) -> bool:
    """Whether a tool is in the form of the request already; it says itself whether it is strict."""
    return isinstance(tool, Mapping) and tool.get("type") == "function" and "function" in tool


def _described(tool: Any) -> Json:
    try:
        return convert_to_openai_tool(tool)
    except RecursionError:
        if not is_typeddict(tool):
            raise
        # A TypedDict that contains itself, which LangChain follows without an end.
        return convert_to_openai_tool(_as_tool(rooted(TypeAdapter(tool).json_schema())))


def _as_tool(tool: Any) -> Any:
    """A tool in a form that LangChain describes whole."""
    if isinstance(tool, Mapping) and isinstance(tool.get("title"), str) and not tool.keys() & _TOOL_KEYS:
        # A bare JSON schema: LangChain drops those without `properties`, such as unions.
        schema = {key: value for key, value in tool.items() if key not in ("title", "description")}
        described = {"description": tool["description"]} if tool.get("description") else {}
        return {"name": tool["title"], **described, **({"parameters": schema} if schema else {})}
    return tool


_TOOL_KEYS = frozenset({"name", "function", "input_schema", "toolSpec"})


def _arguments_schema(tool: Any) -> Json:
    """The JSON schema of a tool's arguments with its references; empty where LangChain leaves references alone."""
    if isinstance(tool, BaseTool):
        tool = tool.tool_call_schema
        if isinstance(tool, Mapping):
            return dict(tool)
    elif inspect.isfunction(tool) or inspect.ismethod(tool):
        tool = create_schema_from_function(
            tool.__name__, tool, filter_args=(), parse_docstring=True, error_on_invalid_docstring=False,
            include_injected=False,
        )  # fmt: skip
    if not isinstance(tool, type) or not is_basemodel_subclass(tool):
        return {}
    old: Any = tool
    return tool.model_json_schema() if issubclass(tool, BaseModel) else dict(old.schema())


def parameters_by_name(tools: Sequence[Json]) -> dict[str, Json]:
    """The parameters of encoded tools, by name."""
    functions = [tool["function"] for tool in tools if isinstance(tool, Mapping) and "function" in tool]
    return {each["name"]: each.get("parameters") or {} for each in functions}


def _tool_label(tool: Any) -> str:
    return repr(getattr(tool, "name", None) or getattr(tool, "__name__", None) or type(tool).__name__)


def encode_tool_choice(choice: str | bool | Mapping[str, Any] | None, tools: Sequence[Json]) -> str | Json | None:
    """How tools are to be chosen; None where nothing needs to be said.

    Args:
        choice: None or False, True, "any" or "required" (some tool), "auto", "none", a tool's name, or OpenAI's dict.
        tools: The encoded tools that are bound with it.

    Raises:
        InvalidRequestError: If there are no tools, or none of that name.
    """
    if choice is None or choice is False:
        return None
    names = [tool["function"]["name"] for tool in tools if "function" in tool]
    if choice in ("auto", "none"):
        return str(choice)
    if not tools:
        raise InvalidRequestError(f"tool_choice {choice!r} without tools: bind at least one tool")
    if choice is True or choice in ("any", "required"):
        return "required"
    name: Any = choice
    if isinstance(choice, Mapping):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, Mapping) else choice.get("name")
    if name not in names:
        words = ["auto", "none", "any", "required"]
        raise InvalidRequestError(f"tool_choice {choice!r} names no bound tool; tools are {names}, words {words}")
    return {"type": "function", "function": {"name": name}}
