"""Encode earlier messages of models for a chat request."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage

from langchain_pollinations._chat.chunks import invalid_calls
from langchain_pollinations._chat.content import block_extras, block_type, encode_blocks, texts_in, unwrap_non_standard
from langchain_pollinations._chat.history import UNNAMED, ToolResult, WireMessage, is_blank
from langchain_pollinations._chat.tool_calls import RawToolCall, parse_raw_call, write_arguments
from langchain_pollinations._chat.tool_names import fit_participant_name
from langchain_pollinations._chat.tool_results import RESULT_BLOCKS, tool_results_in
from langchain_pollinations._types import Json
from langchain_pollinations.errors import InvalidRequestError


def encode_assistant(
    message: AIMessage, is_own: bool = False, keeps_ids: bool = False
) -> list[WireMessage | ToolResult]:
    """Encode an assistant message of the history. Tool results among its content blocks become messages after it.

    A message without text, media and tool calls is left out, because providers refuse such a message.

    Args:
        message: The message.
        is_own: Whether a model of the requested publisher wrote the message. Only then are its reasoning and signatures
            sent.
        keeps_ids: Whether the tool-call ids are sent unchanged if `is_own` is true.
    """
    if isinstance(message.content, str) and not (
        message.additional_kwargs or message.tool_calls or message.invalid_tool_calls or message.name
    ):  # as most messages are
        return [WireMessage({"role": "assistant", "content": message.content})] if message.content.strip() else []
    if not isinstance(message.content, str):
        message = message.model_copy(update={"content": _flatten(message.content)})
    results = tool_results_in(message)
    wire: Json = {"role": "assistant"}
    calls = [_encode_call(call) for call in [*message.tool_calls, *invalid_calls(message)]]
    calls = calls or [
        _encode_call({"id": each.id, "name": each.name, "args": each.arguments}) for each in _raw_calls(message)
    ]
    calls += _calls_in_content(message, calls)
    if calls:
        wire["tool_calls"] = calls
    elif isinstance(old := message.additional_kwargs.get("function_call"), dict):
        wire["function_call"] = _encode_function(old.get("name"), old.get("arguments"))
    if message.name:
        wire["name"] = fit_participant_name(message.name)
    if is_own:
        _add_reasoning(message, wire)
    content = _with_texts(_replayed_content(message), _texts_outside_content(message, "audio" in wire))
    if not content and wire.keys().isdisjoint(("tool_calls", "function_call", "audio", "content_blocks")):
        return [*results]
    wire["content"] = content or (None if calls or "function_call" in wire else "")
    return [WireMessage(wire, keeps_ids=is_own and keeps_ids), *results]


def _replayed_content(message: AIMessage) -> str | list[Json]:
    """Return the content of an earlier message. It is one string if there is only text, else a list of parts.

    Reasoning, tool calls, server-side tools and provider-specific blocks are left out, because no API accepts them in
    the content.
    """
    if isinstance(message.content, str):
        return message.content if message.content.strip() else ""
    parts = [part for block in message.content for part in _encode_replayed(block)]
    if all(part.keys() == {"type", "text"} for part in parts):
        text = "".join(part["text"] for part in parts)
        return text if text.strip() else ""
    return [part for part in parts if not is_blank(part)]


def _raw_calls(message: AIMessage) -> list[RawToolCall]:
    """Return the calls in OpenAI's form from `additional_kwargs`.

    LangChain drops all calls of a message if the arguments of one call are an object or null.
    """
    calls = message.additional_kwargs.get("tool_calls")
    return [raw for raw in map(parse_raw_call, calls if isinstance(calls, list) else []) if raw]


def _flatten(blocks: Sequence[Any]) -> list[Any]:
    """Return blocks without their wrappers: `non_standard` of LangChain, and `message` of OpenAI's Responses API."""
    found: list[Any] = []
    for block in map(unwrap_non_standard, blocks):
        inside = block.get("content") if block_type(block) == "message" else None
        found += [block] if inside is None else _flatten(inside if isinstance(inside, list) else [inside])
    return found


def _encode_replayed(block: Any) -> list[Json]:
    """Return the parts for a block of an earlier message.

    A block that cannot be sent is reduced to its text. No error is raised, because the caller cannot change the block.
    """
    if block_type(block) in RESULT_BLOCKS:
        return []  # sent as tool messages
    if isinstance(block, str) or block_type(block) in _REPLAYED:
        try:
            return encode_blocks(block)
        except InvalidRequestError:
            pass
    return [{"type": "text", "text": text} for text in texts_in(block)]


_REPLAYED = frozenset({
    *("text", "text-plain", "input_text", "output_text", "refusal", "document"),
    *("image", "image_url", "input_image", "video", "video_url", "file", "input_file"),
})  # fmt: skip


def _texts_outside_content(message: AIMessage, has_audio: bool) -> list[str]:
    """Return the texts of a message outside its content: a refusal, and the transcript of audio that is not sent."""
    kwargs = message.additional_kwargs
    texts = [kwargs.get("refusal")]
    if not has_audio:
        audio = kwargs.get("audio")
        blocks = [block for block in message.content if isinstance(block, dict) and block_type(block) in _SPOKEN]
        texts += [audio.get("transcript") if isinstance(audio, dict) else None]
        texts += [each.get("transcript") for block in blocks for each in (block, block_extras(block))]
    return [text for text in texts if isinstance(text, str) and text.strip()]


_SPOKEN = ("audio", "input_audio", "output_audio")


def _with_texts(content: str | list[Json], texts: Sequence[str]) -> str | list[Json]:
    for text in texts:
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not any(text in part.get("text", "") for part in parts):
            added = {"type": "text", "text": text}
            content = f"{content}\n\n{text}".lstrip("\n") if isinstance(content, str) else [*content, added]
    return content


def _add_reasoning(message: AIMessage, wire: Json) -> None:
    """Add the fields that the provider requires in later requests.

    They are unchanged and have the provider's names, because the provider checks the signatures of its reasoning.
    """
    fields = _well_formed(message.additional_kwargs)
    field = message.response_metadata.get("reasoning_field", "reasoning_content")
    if field in ("reasoning_content", "reasoning") and fields.get("reasoning_content"):
        wire[field] = fields["reasoning_content"]
    if details := fields.get("reasoning_details"):
        wire["reasoning_details"] = details
    if (blocks := fields.get("content_blocks")) and _matches_text(blocks, str(message.text)):
        blocks = [each for each in _with_calls(restore_images(blocks, message.content), wire) if not is_blank(each)]
        if "tool_calls" in wire or any(block.get("type") not in _HIDDEN_BLOCKS for block in blocks):
            wire["content_blocks"] = blocks
    if fields.get("audio", {}).get("id"):
        wire["audio"] = {"id": fields["audio"]["id"]}  # the provider keeps the audio data
    signatures, extras = fields.get("thought_signatures", {}), fields.get("tool_call_extras", {})
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
"""Fields of a response that are sent back to its provider, and their types."""


def _well_formed(kwargs: Mapping[str, Any]) -> Json:
    """Return the fields to send back, without fields of the wrong type.

    A response or a checkpoint may hold any value under these names, and the caller cannot change the value.
    """
    fields = {name: kwargs[name] for name, kind in _RETURNED_FIELDS.items() if isinstance(kwargs.get(name), kind)}
    for name in ("content_blocks", "reasoning_details"):
        blocks = [block for block in fields.get(name, []) if isinstance(block, dict)]
        fields[name] = [block for block in blocks if isinstance(block.get("id"), str | None)]
    return fields


_HIDDEN_BLOCKS = ("thinking", "redacted_thinking")


def _with_calls(blocks: Sequence[Json], wire: Json) -> list[Json]:
    """Return content blocks with the tool calls of the request. Users and middleware may have changed the calls."""
    calls = {call["id"]: call["function"] for call in wire.get("tool_calls", [])}
    sent = {key: {"name": call["name"], "input": json.loads(call["arguments"])} for key, call in calls.items()}
    return [
        {**block, **sent[block.get("id")]} if block.get("type") == "tool_use" else block
        for block in blocks
        if block.get("type") != "tool_use" or block.get("id") in sent
    ]


def _matches_text(blocks: Sequence[Any], text: str) -> bool:
    """Whether the text of content blocks still equals the text of the message.

    If the text was changed, for instance by a filter of personal data, the original text must not be sent too.
    """
    original = "".join(str(block.get("text") or "") for block in blocks if block.get("type") == "text")
    return not original or original.split() == text.split()


def restore_images(blocks: Sequence[Json], content: Any) -> list[Json]:
    """Return the stored content blocks. An image without bytes gets its bytes from the content of the message.

    If the content no longer has the image, the block is omitted.
    """
    shown = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    images = iter([block for block in shown if block.get("type") == "image" and block.get("base64")])
    filled = [_with_image(block, next(images, None)) if _lacks_bytes(block) else block for block in blocks]
    return [block for block in filled if not _lacks_bytes(block)]  # images without bytes were removed from the content


def _lacks_bytes(block: Json) -> bool:
    """Whether a stored block is an image without its bytes. The bytes are in the content of the message."""
    image = block.get("image_url") or {}
    return block.get("type") == "image_url" and isinstance(image, Mapping) and "url" not in image


def _with_image(block: Json, source: Json | None) -> Json:
    if source is None:
        return block
    url = f"data:{source['mime_type']};base64,{source['base64']}"
    return {**block, "image_url": {"url": url, **(block.get("image_url") or {})}}


def _calls_in_content(message: AIMessage, known: Sequence[Json]) -> list[Json]:
    """Return the tool calls that are only in the content, as in the history of another API."""
    ids = {call["id"] for call in known if call["id"]}
    names = {call["function"]["name"] for call in known}
    found = []
    for block in [block for block in message.content if isinstance(block, dict)]:
        if (keys := _CALL_BLOCKS.get(block_type(block))) is None:
            continue
        key, name, args = keys
        # Messages from Anthropic's streams hold the text of the arguments beside an empty input.
        arguments = block.get(args) or block.get("partial_json")
        call = _encode_call({"id": str(block.get(key) or ""), "name": block.get(name), "args": arguments})
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
"""Types of blocks that hold a tool call, mapped to the keys of the call's id, name and arguments."""


def _encode_call(call: Mapping[str, Any]) -> Json:
    return {"id": call["id"] or "", "type": "function", "function": _encode_function(call["name"], call["args"])}


def _encode_function(name: Any, args: Any) -> Json:
    """Encode a function call. Whatever the model wrote, the result has a name, and its arguments are a JSON object.

    The service parses the arguments before it sends the request to the provider.
    """
    try:
        arguments = write_arguments(args)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"the arguments of tool call {name!r} are not JSON: {error}") from error
    return {"name": str(name or UNNAMED), "arguments": arguments}
