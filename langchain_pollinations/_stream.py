"""A stream of chat completion chunks as LangChain's chunks. Pure: it is fed with events and makes no request.

Usage, metadata and whatever cannot be had in pieces go on the last chunk and on no other: LangChain adds chunks up.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.utils.json import parse_partial_json

from langchain_pollinations import errors
from langchain_pollinations._decode import (
    EXPECTED,
    FACTS,
    KEPT_LISTS,
    KEPT_OBJECTS,
    Asked,
    RawCall,
    balance_error,
    first_choice,
    is_balance_notice,
    may_be_notice,
    parse_arguments,
    read_choice,
    read_finish_reason,
    read_metadata,
    read_raw_call,
    read_reasoning,
    read_text,
    read_usage,
)
from langchain_pollinations._encode import PROVIDER, Json


class ChatReader:
    """Reads a stream of chat completion chunks: one `ChatGenerationChunk` for each that says something, and a last one
    with usage, finish reason, metadata, and what cannot be had in pieces."""

    def __init__(self, response: httpx.Response, asked: Asked) -> None:
        self.done = False
        self._response = response
        self._asked = asked
        self._facts: Json = {}
        self._usage: UsageMetadata | None = None
        self._finish_reason: Any = None
        self._pieces: list[str] = []
        self._calls = _Calls()
        self._extras = _Extras()
        # What may be the notice of an empty balance is held back until it is known to be none.
        self._held: list[ChatGenerationChunk] | None = []

    def feed(self, data: str) -> Iterator[ChatGenerationChunk]:
        if self.done:
            return
        if data.strip() == "[DONE]":
            yield from self._close()
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            return  # some providers send words as keep-alive; an answer that is cut shows in `end`
        if isinstance(event, dict):
            yield from self._read(event)

    def end(self) -> Iterator[ChatGenerationChunk]:
        """The last chunk, where no `[DONE]` brought it.

        Raises:
            IncompleteStreamError: If neither `[DONE]` nor usage said that the answer is whole.
        """
        if self._usage is None:
            told = f"The stream stopped before its end, after {len(self._text())} characters of text"
            raise self._with_partial(errors.IncompleteStreamError(told, request_id=self._request_id))
        yield from self._close()

    def whole(self, text: str) -> Iterator[ChatGenerationChunk]:
        """A plain answer where a stream was asked for, as some providers give."""
        body = errors.parse_json(self._response, EXPECTED)
        read_choice(body, self._response)
        yield from self._read(body)
        yield from self._close()

    @property
    def _request_id(self) -> str | None:
        request_id: str | None = self._response.headers.get("x-request-id")
        return request_id

    def _text(self) -> str:
        return "".join(self._pieces)

    def _with_partial(self, error: errors.PollinationsError) -> errors.PollinationsError:
        error.partial = self._text()  # type: ignore[attr-defined]
        return error

    def _read(self, event: Json) -> Iterator[ChatGenerationChunk]:
        if event.get("error"):
            raise self._with_partial(errors.from_event(event, request_id=self._request_id))
        self._usage = read_usage(event.get("usage")) or self._usage
        self._facts.update({key: event[key] for key in FACTS if event.get(key)})
        choice = first_choice(event)
        if choice is None:
            return
        if choice.get("finish_reason") is not None:
            self._finish_reason = choice["finish_reason"]
        delta = choice.get("delta") or choice.get("message")
        chunk = self._chunk(delta, choice.get("logprobs")) if isinstance(delta, dict) else None
        if chunk is None:
            return
        if self._held is None:
            yield chunk
            return
        self._held.append(chunk)
        if not may_be_notice(self._text()):
            yield from self._release()
            if any(self._pieces):
                self._held = None

    def _release(self) -> Iterator[ChatGenerationChunk]:
        held, self._held = self._held or [], []
        yield from held

    def _chunk(self, delta: Json, logprobs: Any) -> ChatGenerationChunk | None:
        text = read_text(delta)
        self._pieces.append(text)
        self._extras.add(delta)
        extra = {"reasoning_content": reasoning} if (reasoning := read_reasoning(delta)) else {}
        if refusal := delta.get("refusal"):
            extra["refusal"] = str(refusal)
        calls = self._calls.read(delta.get("tool_calls"))
        if not (text or calls or extra or logprobs):
            return None
        message = AIMessageChunk(
            content=text,
            additional_kwargs=extra,
            tool_call_chunks=calls,
            response_metadata={"model_provider": PROVIDER},
        )
        return ChatGenerationChunk(message=message, generation_info={"logprobs": logprobs} if logprobs else None)

    def _close(self) -> Iterator[ChatGenerationChunk]:
        self.done = True
        text = self._text()
        if is_balance_notice(text, self._usage, bool(self._calls)):
            raise balance_error(text, self._response.headers)
        yield from self._release()
        metadata = read_metadata(self._asked, self._response.headers, self._facts)
        metadata["finish_reason"] = read_finish_reason(self._finish_reason, bool(self._calls))
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                additional_kwargs=self._extras.merged() | self._calls.signatures(),
                tool_call_chunks=self._calls.spoilers(),
                usage_metadata=self._usage if self._asked.include_usage else None,
                response_metadata=metadata,
                chunk_position="last",
            )
        )


class _Calls:
    """The tool calls of a stream: gives each its index, whether or not the deltas bring a good one."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    def read(self, deltas: Any) -> list[ToolCallChunk]:
        chunks = []
        for delta in deltas if isinstance(deltas, list) else []:
            raw = read_raw_call(delta)
            if raw is None:
                continue
            number = self._place(raw)
            call = self._calls[number]
            call.arguments += raw.arguments
            call.signature = raw.signature or call.signature
            # An id or name that comes again would be added to the first one, so each is passed on once.
            call_id = None if call.id else raw.id or (f"call_{uuid.uuid4().hex[:24]}" if raw.name else None)
            name = None if call.name else raw.name or None
            call.id, call.name = call.id or call_id or "", call.name or name or ""
            chunks.append(tool_call_chunk(name=name, args=raw.arguments, id=call_id, index=number))
        return chunks

    def _place(self, raw: RawCall) -> int:
        """The call that a delta belongs to: by its id, else by its index, else the last; or a new one.

        Some gateways send whole calls that all claim index 0: a name with another id begins another call.
        """
        for number, call in enumerate(self._calls):
            if raw.id and call.id == raw.id:
                return number
        for number, call in reversed(list(enumerate(self._calls))):
            if raw.index is not None and call.index == raw.index:
                if raw.name and raw.id and call.id:
                    break
                return number
        if raw.index is None and not raw.id and not raw.name and self._calls:
            return len(self._calls) - 1
        self._calls.append(_Call(raw.index))
        return len(self._calls) - 1

    def signatures(self) -> Json:
        found = {call.id: call.signature for call in self._calls if call.signature}
        return {"thought_signatures": found} if found else {}

    def spoilers(self) -> list[ToolCallChunk]:
        """For each call whose arguments were cut off, the end that keeps LangChain from completing them.

        Added chunks are parsed leniently: `{"path": "/home/u` would become a good call with half an argument. A
        bracket that closes nothing makes it the invalid call that it is.
        """
        return [
            tool_call_chunk(name=None, args=spoiler, id=None, index=number)
            for number, call in enumerate(self._calls)
            if (spoiler := _spoiler(call.arguments))
        ]


@dataclass
class _Call:
    index: Any
    id: str = ""
    name: str = ""
    arguments: str = ""
    signature: str | None = None


def _spoiler(arguments: str) -> str:
    if not arguments or parse_arguments(arguments) is not None or not isinstance(_leniently(arguments), dict):
        return ""
    ends = ("]", "}", '"]', '"}', '\\"]', '\\"}')
    return next((end for end in ends if not isinstance(_leniently(arguments + end), dict)), "")


def _leniently(arguments: str) -> Any:
    try:
        return parse_partial_json(arguments)
    except (ValueError, RecursionError):
        return None


class _Extras:
    """What of a message goes back to the service as it came, collected from deltas.

    It is put together by rules of its own and given out once, since LangChain's adding would run the words of equal
    fields together.
    """

    def __init__(self) -> None:
        self._values: Json = {}

    def add(self, delta: Json) -> None:
        for key in KEPT_LISTS:
            value = delta.get(key)
            for place, entry in enumerate(value if isinstance(value, list) else []):
                if isinstance(entry, dict):
                    piece = entry.get("delta", entry)
                    entries = self._values.setdefault(key, {})
                    _absorb(entries.setdefault(str(entry.get("index", place)), {}), piece)
        for key in KEPT_OBJECTS:
            if isinstance(delta.get(key), dict):
                _absorb(self._values.setdefault(key, {}), delta[key])

    def merged(self) -> Json:
        listed = {key: list(self._values[key].values()) for key in KEPT_LISTS if key in self._values}
        for block in listed.get("content_blocks", []):
            block.setdefault("type", next((kind for key, kind in _BLOCK_TYPES if key in block), "text"))
        return {**self._values, **listed}


# Deltas of content blocks do not say their type; what they hold does.
_BLOCK_TYPES = (("thinking", "thinking"), ("signature", "thinking"), ("data", "redacted_thinking"), ("text", "text"))
_RUNNING = frozenset({"text", "thinking", "summary", "transcript", "arguments"})


def _absorb(whole: Json, piece: Any) -> None:
    for key, value in piece.items() if isinstance(piece, dict) else ():
        if key == "index" or value is None:
            continue
        if key in _RUNNING and isinstance(value, str):
            whole[key] = f"{whole.get(key) or ''}{value}"
        elif key == "data" and isinstance(value, str) and isinstance(whole.get(key), str):
            whole[key] = _joined(whole[key], value)
        else:
            whole[key] = value


def _joined(left: str, right: str) -> str:
    """Two pieces of base64 as one."""
    try:
        return base64.b64encode(base64.b64decode(left) + base64.b64decode(right)).decode("ascii")
    except ValueError:
        return left + right
