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
from dataclasses import replace
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
from pydantic.errors import PydanticUserError
from typing_extensions import is_typeddict

from langchain_pollinations._base64 import decode, is_data_uri, read_base64, read_data_uri
from langchain_pollinations._calls import RawCall, invalid_calls, read_raw_call, write_arguments
from langchain_pollinations._history import UNNAMED, Result, Turn, is_blank, pair
from langchain_pollinations._json_schema import as_parameters, as_strict, keeps_references, rooted
from langchain_pollinations._types import PROVIDER, Json
from langchain_pollinations.errors import InvalidRequestError
from langchain_pollinations.media import sniff

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
    return message.model_copy(update={"content": [block for block in content if block is not None]})


def _is_bare(block: Any) -> TypeGuard[Json]:
    """Whether a standard block of media holds bytes, or data of an untold type."""
    if not isinstance(block, dict) or block.get("type") not in ("image", "audio", "video", "file"):
        return False
    data = block.get("base64")
    return isinstance(data, bytes | bytearray | memoryview) or (isinstance(data, str) and not block.get("mime_type"))


def _with_type(block: Json, message: BaseMessage) -> Json | None:
    """The block with text and a type. Where its bytes cannot be read: None in an earlier answer, and a text in the
    result of a tool, since no caller can change either."""
    try:
        data = _base64(block["base64"], block["type"])
        return {**block, "base64": data, "mime_type": block.get("mime_type") or _sniffed(data, block["type"])}
    except InvalidRequestError:
        if isinstance(message, AIMessage):
            return None
        if isinstance(message, ToolMessage | FunctionMessage):
            return _written_out(block)
        raise


def is_ours(message: AIMessage) -> bool:
    """Whether the service made a message."""
    return message.response_metadata.get("model_provider") == PROVIDER


def encode_messages(
    messages: Sequence[BaseMessage], is_own: Callable[[AIMessage], bool] = is_ours, *, keeps_ids: bool = False
) -> list[Json]:
    """Messages of a chat request, as every provider accepts them.

    Empty assistant and system messages are left out. Calls and results are paired as `_history.pair` says.

    Args:
        messages: What was said so far.
        is_own: Whether the provider that is asked made a message: only then it sees its own reasoning and signatures
            again.
        keeps_ids: Whether the tool-call ids of such a message go back in the publisher's own form.

    Raises:
        InvalidRequestError: If there is no message, or one holds something that cannot be sent.
    """
    if not messages:
        raise InvalidRequestError("messages is empty: give at least one message")
    turns: list[Turn | Result] = []
    for position, message in enumerate(messages):
        try:
            turns += map(_whole, _encode_message(message, is_own, keeps_ids))
        except InvalidRequestError as error:
            raise InvalidRequestError(f"messages[{position}]: {error}") from error
    if not turns:
        raise InvalidRequestError("messages[0]: it is empty, and there is no message with content after it")
    return pair(turns)


def _whole(turn: Turn | Result) -> Turn | Result:
    """A turn of a model or a tool without half characters (lone surrogates), which no request can carry. Models and
    tools write them, and the caller cannot change that. Ids and names change equally in call and result."""
    if isinstance(turn, Result):
        call_id, name, wire, media = _repaired([turn.call_id, turn.name, turn.wire, turn.media])
        return replace(turn, call_id=call_id, name=name, wire=wire, media=media)
    return replace(turn, wire=_repaired(turn.wire)) if turn.wire["role"] == "assistant" else turn


def _repaired(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False, default=str)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return value


def speaks_of_tools(message: BaseMessage) -> bool:
    """Whether a message holds calls of tools, or results."""
    turns = _encode_message(message, is_ours, keeps_ids=False)
    return any(isinstance(turn, Result) or turn.calls for turn in turns)


def _encode_message(message: BaseMessage, is_own: Callable[[AIMessage], bool], keeps_ids: bool) -> list[Turn | Result]:
    match message:
        case HumanMessage():
            return _user(message)
        case SystemMessage():
            role = message.additional_kwargs.get("__openai_role__", "system")
            if role not in ("system", "developer"):
                raise InvalidRequestError(f"a system message has the role 'system' or 'developer', not {role!r}")
            return _plain(role, message)
        case AIMessage():
            return _assistant(message, is_own(message), keeps_ids)
        case ToolMessage():
            return [_tool_result(message.tool_call_id, message.content, message.name)]
        case FunctionMessage():
            return [replace(_tool_result("", message.content, message.name), is_legacy=True)]
        case ChatMessage() if message.role in ("tool", "function"):
            other = {"tool": "ToolMessage, with its tool_call_id", "function": "FunctionMessage, with its name"}
            raise InvalidRequestError(f"role {message.role!r}: give a {other[message.role]}")
        case ChatMessage() if message.role == "assistant":
            kwargs = message.additional_kwargs
            return _assistant(AIMessage(message.content, additional_kwargs=kwargs, name=message.name))
        case ChatMessage() if message.role in ROLES:
            return _plain(message.role, message)
        case ChatMessage():
            raise InvalidRequestError(f"role {message.role!r} is not one of {', '.join(ROLES)}")
    raise InvalidRequestError(f"a {type(message).__name__} cannot be sent to a chat model")


def _user(message: HumanMessage) -> list[Turn | Result]:
    """A user message; the results of tools that other APIs keep in it become tool messages before it."""
    if not (results := _results_in(message)):
        return _plain("user", message)
    parts = _encode_blocks([block for block in message.content if _kind(block) not in _RESULT_BLOCKS])
    return [*results, Turn({"role": "user", "content": parts})] if parts else [*results]


def _results_in(message: BaseMessage) -> list[Result]:
    """The results of tools among the blocks of a message."""
    results = []
    for block in message.content if isinstance(message.content, list) else []:
        if isinstance(block, dict) and (keys := _RESULT_BLOCKS.get(_kind(block))):
            result = _tool_result(str(block.get(keys[0]) or ""), block.get(keys[1]) or "", None)
            results.append(replace(result, wire=_marked(result.wire, block)))
    return results


def _kind(block: Any) -> str:
    """The type of a block; an empty string where it has none that is a word."""
    kind = block.get("type") if isinstance(block, Mapping) else None
    return kind if isinstance(kind, str) else ""


_RESULT_BLOCKS: Mapping[Any, tuple[str, str]] = {
    "tool_result": ("tool_use_id", "content"),  # Anthropic
    "function_call_output": ("call_id", "output"),  # OpenAI's Responses
    "custom_tool_call_output": ("call_id", "output"),
}
"""Blocks that hold the result of a tool, and their keys for the id of the call and for the result."""


def _plain(role: str, message: BaseMessage) -> list[Turn | Result]:
    """A message without calls; none for an empty system message, which Anthropic's and Amazon's models refuse."""
    content = _content(message)
    if role in ("system", "developer") and isinstance(content, str) and not content.strip():
        return []
    wire: Json = {"role": role, "content": content}
    if message.name:
        wire["name"] = wire_name(message.name)
    return [Turn(wire)]


def wire_name(name: str) -> str:
    """The name of a participant in the letters that providers take; the service silently drops a name with others.
    `_names` fits the names of tools, which come back in answers."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64]


def _content(message: BaseMessage) -> str | list[Json]:
    if isinstance(message.content, str):
        return message.content
    if not message.content:
        raise InvalidRequestError("the content is an empty list: give a text or at least one block")
    return _encode_blocks(message.content) or ""  # the service has a sentence for a user message without words


def _assistant(message: AIMessage, is_own: bool = False, keeps_ids: bool = False) -> list[Turn | Result]:
    """An earlier answer; none where it has neither words nor media nor calls, as providers refuse it. Results of tools
    among its blocks follow it."""
    if not isinstance(message.content, str):
        message = message.model_copy(update={"content": _flat(message.content)})
    results = _results_in(message)
    wire: Json = {"role": "assistant"}
    calls = [_tool_call(call) for call in [*message.tool_calls, *invalid_calls(message)]]
    calls = calls or [_tool_call({"id": each.id, "name": each.name, "args": each.arguments}) for each in _raw(message)]
    calls += _calls_in_content(message, calls)
    if calls:
        wire["tool_calls"] = calls
    elif isinstance(old := message.additional_kwargs.get("function_call"), dict):
        wire["function_call"] = _function(old.get("name"), old.get("arguments"))
    if message.name:
        wire["name"] = wire_name(message.name)
    if is_own:
        _give_back(message, wire)
    content = _with_texts(_replayed(message), _texts_beside(message, "audio" in wire))
    if not content and wire.keys().isdisjoint(("tool_calls", "function_call", "audio", "content_blocks")):
        return [*results]
    wire["content"] = content or (None if calls or "function_call" in wire else "")
    return [Turn(wire, keeps_ids=is_own and keeps_ids), *results]


def _replayed(message: AIMessage) -> str | list[Json]:
    """What of an earlier answer goes back: its text and images, as one string where it is only text.

    Reasoning, calls, server-side tools and whatever other providers call their blocks stay behind: no API takes them.
    """
    if isinstance(message.content, str):
        return message.content if message.content.strip() else ""
    parts = [part for block in message.content for part in _encodable(block)]
    if all(part.keys() == {"type", "text"} for part in parts):
        text = "".join(part["text"] for part in parts)
        return text if text.strip() else ""
    return [part for part in parts if not is_blank(part)]


def _raw(message: AIMessage) -> list[RawCall]:
    """The calls in OpenAI's form: LangChain drops all of them where the arguments of one are an object or null."""
    calls = message.additional_kwargs.get("tool_calls")
    return [raw for raw in map(read_raw_call, calls if isinstance(calls, list) else []) if raw]


def _flat(blocks: Sequence[Any]) -> list[Any]:
    """Blocks without their wrappers: LangChain's `non_standard` and the `message` of OpenAI's Responses."""
    found: list[Any] = []
    for block in map(_unwrapped, blocks):
        inside = block.get("content") if _kind(block) == "message" else None
        found += [block] if inside is None else _flat(inside if isinstance(inside, list) else [inside])
    return found


def _encodable(block: Any) -> list[Json]:
    """The parts for a block of an earlier answer; its text alone where it cannot be sent, since no caller can change
    it."""
    if _kind(block) in _RESULT_BLOCKS:
        return []  # sent as results
    if isinstance(block, str) or _kind(block) in _REPLAYED:
        try:
            return encode_blocks(block)
        except InvalidRequestError:
            pass
    return [{"type": "text", "text": text} for text in texts_in(block)]


def _unwrapped(block: Any) -> Any:
    """The block in a `non_standard` one: LangChain wraps the blocks that only one provider knows."""
    while _kind(block) == "non_standard" and isinstance(block.get("value"), Mapping):
        block = block["value"]
    return block


_REPLAYED = frozenset({
    *("text", "text-plain", "input_text", "output_text", "refusal", "document"),
    *("image", "image_url", "input_image", "video", "video_url", "file", "input_file"),
})  # fmt: skip


def texts_in(block: Any, depth: int = 0) -> list[str]:
    """The texts in a block of an answer, in the form of any API; none in reasoning and in server-side tools."""
    if isinstance(block, str):
        return [block]
    if depth > _DEEPEST or is_hidden(block):
        return []
    if isinstance(block, list):
        return [text for each in block for text in texts_in(each, depth + 1)]
    values = [block.get(key) for key in _TEXT_KEYS] if isinstance(block, Mapping) else []
    return next(filter(None, (texts_in(value, depth + 1) for value in values)), [])


def is_hidden(block: Any) -> bool:
    """Whether a block is reasoning, or a call or result of a server-side tool."""
    kind = _kind(block)
    is_thought = isinstance(block, Mapping) and block.get("thought") is True  # Google's
    return is_thought or kind.startswith(("reasoning", "thinking", "redacted")) or kind.endswith("_tool_result")


_TEXT_KEYS = ("text", "refusal", "value", "content", "parts")
"""Fields that hold the text of a block, or blocks with text."""
_DEEPEST = 20
"""How many blocks within each other are read: a deeper answer would exhaust Python's stack."""


def _texts_beside(message: AIMessage, has_audio: bool) -> list[str]:
    """The words of an answer that are not in its text: a refusal, and what was spoken where no sound goes back."""
    kwargs = message.additional_kwargs
    texts = [kwargs.get("refusal")]
    if not has_audio:
        audio = kwargs.get("audio")
        blocks = [block for block in message.content if isinstance(block, dict) and _kind(block) in _SPOKEN]
        texts += [audio.get("transcript") if isinstance(audio, dict) else None]
        texts += [each.get("transcript") for block in blocks for each in (block, _extras(block))]
    return [text for text in texts if isinstance(text, str) and text.strip()]


_SPOKEN = ("audio", "input_audio", "output_audio")


def _extras(block: Mapping[str, Any]) -> Mapping[str, Any]:
    extras = block.get("extras")
    return extras if isinstance(extras, Mapping) else {}


def _with_texts(content: str | list[Json], texts: Sequence[str]) -> str | list[Json]:
    for text in texts:
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not any(text in part.get("text", "") for part in parts):
            added = {"type": "text", "text": text}
            content = f"{content}\n\n{text}".lstrip("\n") if isinstance(content, str) else [*content, added]
    return content


def _give_back(message: AIMessage, wire: Json) -> None:
    """What the provider wants to see again, as it came and under its own names: it checks signatures of reasoning."""
    kept = _well_formed(message.additional_kwargs)
    field = message.response_metadata.get("reasoning_field", "reasoning_content")
    if field in ("reasoning_content", "reasoning") and kept.get("reasoning_content"):
        wire[field] = kept["reasoning_content"]
    if details := kept.get("reasoning_details"):
        wire["reasoning_details"] = details
    if (blocks := kept.get("content_blocks")) and _says(blocks, str(message.text)):
        blocks = [each for each in _with_calls(fill_in(blocks, message.content), wire) if not is_blank(each)]
        if "tool_calls" in wire or any(block.get("type") not in _HIDDEN_BLOCKS for block in blocks):
            wire["content_blocks"] = blocks
    if kept.get("audio", {}).get("id"):
        wire["audio"] = {"id": kept["audio"]["id"]}  # the sound itself stays with the provider
    signatures, extras = kept.get("thought_signatures", {}), kept.get("tool_call_extras", {})
    for call in wire.get("tool_calls", []):
        if signature := signatures.get(call["id"]):
            call["function"]["thought_signature"] = signature
        if isinstance(extra := extras.get(call["id"]), Mapping):
            function = extra.get("function")
            call["function"] |= function if isinstance(function, Mapping) else {}
            call |= {key: value for key, value in extra.items() if key != "function"}


_RETURNED_FIELDS: Mapping[str, type] = {
    "reasoning_content": str,
    "reasoning_details": list,
    "content_blocks": list,
    "audio": dict,
    "thought_signatures": dict,
    "tool_call_extras": dict,
}
"""Fields of an answer that go back to its provider, and their types."""


def _well_formed(kwargs: Mapping[str, Any]) -> Json:
    """The fields that go back, without those of another shape: a model or a checkpoint may hold anything under these
    names, and no caller can change that."""
    fields = {name: kwargs[name] for name, kind in _RETURNED_FIELDS.items() if isinstance(kwargs.get(name), kind)}
    for name in ("content_blocks", "reasoning_details"):
        blocks = [block for block in fields.get(name, []) if isinstance(block, dict)]
        fields[name] = [block for block in blocks if isinstance(block.get("id"), str | None)]
    return fields


_HIDDEN_BLOCKS = ("thinking", "redacted_thinking")


def _with_calls(blocks: Sequence[Json], wire: Json) -> list[Json]:
    """Content blocks with the calls as they are sent: users and middleware change them."""
    calls = {call["id"]: call["function"] for call in wire.get("tool_calls", [])}
    sent = {key: {"name": call["name"], "input": json.loads(call["arguments"])} for key, call in calls.items()}
    return [
        {**block, **sent[block.get("id")]} if block.get("type") == "tool_use" else block
        for block in blocks
        if block.get("type") != "tool_use" or block.get("id") in sent
    ]


def _says(blocks: Sequence[Any], text: str) -> bool:
    """Whether content blocks still say what the message says: a text that was changed since then, by a filter of
    personal data for instance, must not go out unchanged beside it."""
    said = "".join(str(block.get("text") or "") for block in blocks if block.get("type") == "text")
    return not said or said.split() == text.split()


def fill_in(blocks: Sequence[Json], content: Any) -> list[Json]:
    """Content blocks as they came, with the bytes of the images that the message's content holds."""
    shown = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    pictures = iter([block for block in shown if block.get("type") == "image" and block.get("base64")])
    filled = [_with_picture(block, next(pictures, None)) if _is_blanked(block) else block for block in blocks]
    return [block for block in filled if not _is_blanked(block)]  # an image that was removed from the content


def _is_blanked(block: Json) -> bool:
    """Whether a kept block is an image whose bytes are in the content."""
    image = block.get("image_url") or {}
    return block.get("type") == "image_url" and isinstance(image, Mapping) and "url" not in image


def _with_picture(block: Json, picture: Json | None) -> Json:
    if picture is None:
        return block
    url = f"data:{picture['mime_type']};base64,{picture['base64']}"
    return {**block, "image_url": {"url": url, **(block.get("image_url") or {})}}


def _calls_in_content(message: AIMessage, known: Sequence[Json]) -> list[Json]:
    """Calls that are only in the content, as in a history that was written for another API."""
    ids = {call["id"] for call in known if call["id"]}
    names = {call["function"]["name"] for call in known}
    found = []
    for block in [block for block in message.content if isinstance(block, dict)]:
        if (keys := _CALL_BLOCKS.get(_kind(block))) is None:
            continue
        key, name, args = keys
        # Anthropic's streams leave the text of the arguments beside an empty input.
        arguments = block.get(args) or block.get("partial_json")
        call = _tool_call({"id": str(block.get(key) or ""), "name": block.get(name), "args": arguments})
        is_known = bool({str(block.get("id")), call["id"]} & ids) if call["id"] else call["function"]["name"] in names
        if not is_known and (block.get("name") or block["type"] != "tool_call_chunk"):
            found.append(call)
    return found


_CALL_BLOCKS: Mapping[Any, tuple[str, str, str]] = {
    "tool_call": ("id", "name", "args"),
    "tool_call_chunk": ("id", "name", "args"),
    "invalid_tool_call": ("id", "name", "args"),
    "tool_use": ("id", "name", "input"),  # Anthropic
    "function_call": ("call_id", "name", "arguments"),  # OpenAI's Responses
    "custom_tool_call": ("call_id", "name", "input"),
}
"""Blocks that hold a call, and their keys for its id, its name and its arguments."""


def _tool_call(call: Mapping[str, Any]) -> Json:
    return {"id": call["id"] or "", "type": "function", "function": _function(call["name"], call["args"])}


def _function(name: Any, args: Any) -> Json:
    """A call of a function. It has a name, and its arguments are a JSON object, whatever the model wrote: the service
    reads them before it asks the provider."""
    try:
        arguments = write_arguments(args)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"the arguments of tool call {name!r} are no JSON: {error}") from error
    return {"name": str(name or UNNAMED), "arguments": arguments}


def _tool_result(call_id: str, content: Any, name: str | None) -> Result:
    """A tool message carries text only: few providers look at media in it, all do in a user message after it."""
    name = name or ""
    if isinstance(content, str):
        return Result(call_id, name, {"content": content})
    parts = [part for block in (content if isinstance(content, list) else [content]) for part in _returned(block)]
    texts = [part for part in parts if part["type"] == "text"]
    media = [part for part in parts if part["type"] != "text"]
    plain = all(part.keys() == {"type", "text"} for part in texts)
    words = [part for part in texts if not is_blank(part)]
    return Result(call_id, name, {"content": "\n".join(p["text"] for p in texts) if plain else words or ""}, media)


def _returned(block: Any) -> list[Json]:
    """A block of a tool's result; as JSON where a chat request has no such part, as LangChain's `ToolNode` does, or
    where it has no bytes or address that the service could read: it stays in the conversation, all of which an error
    would end."""
    block = _unwrapped(block)
    if _kind(block) in ("json", "search_result", "custom_tool_call_output"):
        return [_written_out(block)]
    if isinstance(block, Mapping) and _kind(block) not in _BLOCKS:
        return [{"type": "text", "text": _as_json(block)}]
    try:
        return encode_blocks(block)
    except InvalidRequestError:
        return [_written_out(block) if isinstance(block, Mapping) else {"type": "text", "text": _as_json(block)}]


def _written_out(block: Mapping[str, Any]) -> Json:
    data = block["json"] if "json" in block else {k: block[k] for k in block.keys() - {"type", "base64", "data"}}
    return {"type": "text", "text": _as_json(data, sort_keys=True)}


def _as_json(value: Any, **options: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str, **options)
    except RecursionError:
        return "(more levels of JSON than can be written)"


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


def instruction_to_call(name: str | None) -> str:
    """The instruction that replaces a forced tool choice; `name` is that of the tool on the wire, None for any."""
    tool = f"the tool {name!r}" if name else "one of your tools"
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


def _encode_blocks(blocks: Sequence[Any]) -> list[Json]:
    """Content blocks as parts; none for texts without words, which Anthropic's and Amazon's models refuse."""
    return [part for block in blocks for part in encode_blocks(block) if not is_blank(part)]


def encode_blocks(block: Any, depth: int = 0) -> list[Json]:
    """One content block as the parts of a message: mostly one, several for a document that is made of blocks.

    Raises:
        InvalidRequestError: As `encode_block`.
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
    if depth > _DEEPEST:
        raise InvalidRequestError(f"a document of more than {_DEEPEST} documents within each other")
    listed = inside if isinstance(inside, list) else [inside]
    *parts, last = [part for each in listed for part in encode_blocks(each, depth + 1)]
    return [*texts, *parts, _marked(last, block)]


def encode_block(block: Any) -> Json:
    """One content block as a part of a message.

    Standard blocks (text, text-plain, image, audio, video, file), OpenAI's, Anthropic's and Google's own are
    understood. A `non_standard` block is sent as its `value` says.

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
    for key in ("mime_type", "filename", "file_id"):
        if not isinstance(block.get(key), str | None):
            raise InvalidRequestError(f"a block of type {block['type']!r} needs a string as its {key!r}")
    data = {key: _base64(block[key], block["type"]) for key in ("base64", "data") if block.get(key) is not None}
    part = encode({**block, **data})
    return _marked(part, block)


def _marked(wire: Json, block: Mapping[str, Any]) -> Json:
    """A part or message with the mark of a block up to which the provider is to keep the prompt."""
    extras = _extras(block)
    marks = {mark: block.get(mark) or extras.get(mark) for mark in ("cache_control", "prompt_cache_breakpoint")}
    return {**wire, **{mark: value for mark, value in marks.items() if value}}


def _base64(data: Any, kind: str) -> str:
    """Data of a block as base64 text, which it may be already."""
    if isinstance(data, bytes | bytearray | memoryview):
        return base64.b64encode(data).decode("ascii")
    try:
        if text := read_base64(data):
            return text
    except ValueError:
        pass
    given = f"{data[:30]!r}" if isinstance(data, str) else type(data).__name__
    raise InvalidRequestError(f"the base64 of a block of type {kind!r} must be bytes or base64 text, not {given}")


def _data_uri(uri: str) -> str:
    """A data URI in the one form that the service takes: a type, and base64 in the plain form."""
    try:
        read = read_data_uri(uri)
    except ValueError as error:
        raise InvalidRequestError(f"the data URI {uri[:60]!r} holds {error}") from error
    return str(read if read.mime_type else read._replace(mime_type=sniff(decode(read.base64[:2048])) or ""))


def _shape(value: Any) -> str:
    return f"a dict with keys {sorted(value)}" if isinstance(value, Mapping) else type(value).__name__


def _text(block: Mapping[str, Any], told: str = "a text block needs a string as its 'text'") -> Json:
    text = block.get("text")
    text = text.get("value") if isinstance(text, Mapping) else text  # OpenAI's Assistants
    if not isinstance(text, str):
        raise InvalidRequestError(told)
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
    if isinstance(source := block.get("source"), Mapping):  # Anthropic's shape
        block = _from_source(source)
    detail = block.get("detail") or _extras(block).get("detail")
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
        return _data_uri(url) if is_data_uri(url) else url
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


def _input_image(block: Mapping[str, Any]) -> Json:
    """The image of OpenAI's Responses, where `image_url` is the address itself."""
    given = block.get("image_url")
    address = given if isinstance(given, Mapping) else {"url": given} if given else {}
    return _image({**{key: block[key] for key in ("file_id", "detail") if block.get(key)}, **address})


def _input_file(block: Mapping[str, Any]) -> Json:
    """The file of OpenAI's Responses, whose fields stand in the block itself."""
    keys = ("file_data", "file_id", "file_url", "filename", "file_name", "mime_type")
    return _file({"type": "file", "file": {key: block[key] for key in keys if block.get(key)}})


def _media(block: Mapping[str, Any]) -> Json:
    """Google's block for media of all kinds, told apart by their MIME type."""
    mime_type = str(block.get("mime_type") or "")
    kind = mime_type.partition("/")[0]
    kind = kind if kind in ("image", "audio", "video") else "file"
    known = {**block, "type": kind, "url": block.get("file_uri") or block.get("url")}
    return _BLOCKS[kind]({key: value for key, value in known.items() if value})


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
    return {"type": "input_audio", "input_audio": {**audio, "data": _base64(audio["data"], "input_audio")}}


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
        file["file_url"] = _reachable(url)
    elif data := block.get("base64") or block.get("data"):
        mime_type = mime_type or _sniffed(data, "file")
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
    """The name of a file, wherever LangChain's formats and its users have put it."""
    places = [block, *(each for key in ("extras", "metadata") if isinstance(each := block.get(key), Mapping))]
    names = (place.get(key) for key in ("filename", "file_name", "name", "title") for place in places)
    return next((name for name in names if isinstance(name, str) and name), None)


def _non_standard(block: Mapping[str, Any]) -> Json:
    value = block.get("value")
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
        raise InvalidRequestError("a non_standard block needs as its 'value' the part to send, a dict with a 'type'")
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

# --- Tools ------------------------------------------------------------------------------------------------------------


def encode_tool(tool: Any, *, strict: bool | None = None) -> Json:
    """One tool: a function, `BaseTool`, Pydantic class, TypedDict or schema, or a built-in tool of the service.

    Raises:
        InvalidRequestError: If it is none of these.
    """
    if isinstance(tool, Mapping) and tool.get("type") in BUILT_IN_TOOLS:
        return dict(tool)
    try:
        raw = _arguments_schema(tool)
        # LangChain writes references out: where a schema contains itself it would let anything go, and where many
        # schemas share one it would not come to an end.
        wire = _with_references(tool, raw) if keeps_references(raw) else _without_references(tool)
    except (ValueError, TypeError, LookupError, RecursionError, PydanticUserError) as error:
        raise InvalidRequestError(f"tool {_tool_label(tool)} cannot be described to the model: {error}") from error
    function = wire.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        known = ", ".join(BUILT_IN_TOOLS)
        raise InvalidRequestError(
            f"tool {tool!r} is no function with a name; built-in tools of the service are {known}"
        )
    function = {key: value for key, value in function.items() if key != "parameters" or value is not None}
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


def _with_references(tool: Any, schema: Json) -> Json:
    """A tool as LangChain describes it, with the references of its schema."""
    whole = rooted(schema)
    name, description = whole.pop("title", ""), whole.pop("description", "")
    if isinstance(tool, BaseTool):
        name, description = tool.name, tool.description
    elif inspect.isfunction(tool) or inspect.ismethod(tool):
        name = tool.__name__
    return {"type": "function", "function": {"name": name, "description": description, "parameters": whole}}


def _without_references(tool: Any) -> Json:
    try:
        return convert_to_openai_tool(_as_tool(tool))
    except RecursionError:
        if is_typeddict(tool):
            TypeAdapter(tool)  # raises the reason: Pydantic reads no `typing.TypedDict` on Python 3.11
        raise


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
    elif is_typeddict(tool):
        return _typed_dict_schema(tool)
    if not isinstance(tool, type) or not is_basemodel_subclass(tool):
        return {}
    old: Any = tool
    return tool.model_json_schema() if issubclass(tool, BaseModel) else dict(old.schema())


def _typed_dict_schema(tool: Any) -> Json:
    """The JSON schema of a TypedDict; empty where only LangChain has one, as for `typing.TypedDict` on Python 3.11."""
    try:
        return TypeAdapter(tool).json_schema()
    except (PydanticUserError, NameError):
        return {}


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
