"""JSON of the service as LangChain's messages, chunks, usage and metadata. Pure: no request is made here.

`read_answer` reads a whole chat completion, `ChatReader` a stream of them. Both take a message or delta apart with the
same functions. Metadata and usage of a stream go on its last chunk and on no other, since LangChain adds chunks up.
"""

from __future__ import annotations

import base64
import json
import math
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall, ToolCall
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCallChunk, invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.json import parse_partial_json

from langchain_pollinations import errors
from langchain_pollinations._encode import PROVIDER, Json

FINISH_REASONS: Mapping[str, str] = {
    "": "stop",
    "STOP": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "MAX_TOKENS": "length",
    "tool_use": "tool_calls",
    "SAFETY": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "BLOCKLIST": "content_filter",
    "SPII": "content_filter",
}
"""Words of single providers, and the standard word for each. Other words stay as they are."""

# Values of a message or delta that are kept as they came, for the next turn and for the content blocks.
_KEPT_LISTS = ("reasoning_details", "content_blocks", "annotations")
_KEPT_OBJECTS = ("audio", "function_call")
_FACTS = ("id", "model", "created", "system_fingerprint", "service_tier")

EXPECTED = "chat completion"
NOTICE = "Your Pollen balance is too low"


@dataclass(frozen=True)
class Asked:
    """What an answer's metadata needs to know of the request."""

    model: str
    seed: int | None = None
    include_usage: bool = True
    include_headers: bool = False


# --- Whole answers ----------------------------------------------------------------------------------------------------


def read_answer(response: httpx.Response, asked: Asked) -> ChatResult:
    """The result of a chat completion.

    Raises:
        InsufficientBalanceError: If the answer is the service's friendly notice of an empty balance.
        InvalidResponseError: If it is no chat completion.
    """
    body = errors.parse_json(response, EXPECTED)
    choice, message = _choice(body, response)
    usage = read_usage(body.get("usage"))
    calls, invalid, signatures = read_tool_calls(message.get("tool_calls"))
    text = read_text(message)
    if _is_balance_notice(text, usage, bool(calls or invalid)):
        raise _balance_error(text, response.headers)
    metadata = _metadata(asked, response.headers, body)
    metadata["finish_reason"] = read_finish_reason(choice.get("finish_reason"), bool(calls))
    if choice.get("logprobs"):
        metadata["logprobs"] = choice["logprobs"]
    extra = _kept(message)
    if signatures:
        extra["thought_signatures"] = signatures
    answer = AIMessage(
        content=text,
        additional_kwargs=extra,
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata=usage,
        response_metadata=metadata,
    )
    return ChatResult(generations=[ChatGeneration(message=answer)], llm_output={"model_name": metadata["model_name"]})


def _choice(body: Json, response: httpx.Response) -> tuple[Json, Json]:
    choice = _first_choice(body)
    message = choice.get("message") if choice is not None else None
    if choice is None or not isinstance(message, dict):
        raise errors.not_expected(response, EXPECTED)
    return choice, message


def _first_choice(body: Json) -> Json | None:
    """The service gives back one choice whatever was asked for."""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    return choice if isinstance(choice, dict) else None


# --- Streams ----------------------------------------------------------------------------------------------------------


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
        _choice(body, self._response)
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
        self._facts.update({key: event[key] for key in _FACTS if event.get(key)})
        choice = _first_choice(event)
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
        if not _may_be_notice(self._text()):
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
        if _is_balance_notice(text, self._usage, bool(self._calls)):
            raise _balance_error(text, self._response.headers)
        yield from self._release()
        metadata = _metadata(self._asked, self._response.headers, self._facts)
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
            raw = _raw_call(delta)
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

    def _place(self, raw: _RawCall) -> int:
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
    if not arguments or _parsed(arguments) is not None or not isinstance(_leniently(arguments), dict):
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
        for key in _KEPT_LISTS:
            value = delta.get(key)
            for place, entry in enumerate(value if isinstance(value, list) else []):
                if isinstance(entry, dict):
                    piece = entry.get("delta", entry)
                    entries = self._values.setdefault(key, {})
                    _absorb(entries.setdefault(str(entry.get("index", place)), {}), piece)
        for key in _KEPT_OBJECTS:
            if isinstance(delta.get(key), dict):
                _absorb(self._values.setdefault(key, {}), delta[key])

    def merged(self) -> Json:
        listed = {key: list(self._values[key].values()) for key in _KEPT_LISTS if key in self._values}
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


# --- Parts of a message or delta --------------------------------------------------------------------------------------


def read_text(message: Mapping[str, Any]) -> str:
    """The text, from a string or from text parts."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def read_reasoning(message: Mapping[str, Any]) -> str:
    """The reasoning, under the name by which the route behind the model calls it; routes that use two repeat it."""
    for key in ("reasoning_content", "reasoning"):
        if isinstance(message.get(key), str) and message[key]:
            return str(message[key])
    blocks = message.get("content_blocks")
    if not isinstance(blocks, list):
        return ""
    deltas = [block.get("delta", block) for block in blocks if isinstance(block, dict)]
    thoughts = [delta.get("thinking") for delta in deltas if isinstance(delta, dict)]
    return "".join(thought for thought in thoughts if isinstance(thought, str))


def _kept(message: Json) -> Json:
    extra: Json = {key: message[key] for key in _KEPT_LISTS if isinstance(message.get(key), list) and message[key]}
    extra |= {key: message[key] for key in _KEPT_OBJECTS if isinstance(message.get(key), dict) and message[key]}
    if reasoning := read_reasoning(message):
        extra["reasoning_content"] = reasoning
    if refusal := message.get("refusal"):
        extra["refusal"] = str(refusal)
    return extra


@dataclass(frozen=True)
class _RawCall:
    """One tool call or delta of one, as far as it makes sense."""

    index: int | str | None
    id: str
    name: str
    arguments: str
    signature: str | None


def _raw_call(call: Any) -> _RawCall | None:
    if not isinstance(call, dict):
        return None
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    arguments = function.get("arguments")
    if arguments is not None and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    index = call.get("index")
    return _RawCall(
        index=index if isinstance(index, int | str) else None,
        id=_word(call.get("id")),
        name=_word(function.get("name")),
        arguments=arguments or "",
        signature=_word(function.get("thought_signature")) or None,
    )


def _word(value: Any) -> str:
    return str(value) if isinstance(value, str | int) else ""


def read_tool_calls(calls: Any) -> tuple[list[ToolCall], list[InvalidToolCall], dict[str, str]]:
    """Tool calls of a whole message: the good ones, those whose arguments are no JSON object, thought signatures."""
    good: list[ToolCall] = []
    bad: list[InvalidToolCall] = []
    signatures: dict[str, str] = {}
    for call in calls if isinstance(calls, list) else []:
        raw = _raw_call(call)
        if raw is None:
            continue
        call_id = raw.id or f"call_{uuid.uuid4().hex[:24]}"
        args = _parsed(raw.arguments or "{}")
        if args is not None:
            good.append(tool_call(name=raw.name, args=args, id=call_id))
        else:
            told = "the arguments are no JSON object"
            bad.append(invalid_tool_call(name=raw.name, args=raw.arguments, id=call_id, error=told))
        if raw.signature:
            signatures[call_id] = raw.signature
    return good, bad, signatures


def _parsed(arguments: str) -> Json | None:
    try:
        args = json.loads(arguments, strict=False)
    except (ValueError, RecursionError):
        return None
    return args if isinstance(args, dict) else None


def read_usage(usage: Any) -> UsageMetadata | None:
    """Token counts, all as ints; None where the object counts none (null, or the price alone)."""
    if not isinstance(usage, Mapping) or not any(_int(usage.get(k)) is not None for k in _COUNTS):
        return None
    prompt, completion = _int(usage.get("prompt_tokens")) or 0, _int(usage.get("completion_tokens")) or 0
    total = _int(usage.get("total_tokens"))
    read = UsageMetadata(
        input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion if total is None else total
    )
    into, out = _details(usage, "prompt_tokens_details"), _details(usage, "completion_tokens_details")
    input_details = _counts(
        audio=into.get("audio_tokens"),
        cache_read=_first(
            into.get("cached_tokens"), usage.get("cached_input_tokens"), usage.get("cache_read_input_tokens")
        ),
        cache_creation=_first(into.get("cache_write_tokens"), usage.get("cache_creation_input_tokens")),
    )
    output_details = _counts(
        audio=out.get("audio_tokens"), reasoning=_first(out.get("reasoning_tokens"), usage.get("reasoning_tokens"))
    )
    if input_details:
        read["input_token_details"] = InputTokenDetails(**input_details)  # type: ignore[typeddict-item]
    if output_details:
        read["output_token_details"] = OutputTokenDetails(**output_details)  # type: ignore[typeddict-item]
    return read


_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def _details(usage: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    details = usage.get(key)
    return details if isinstance(details, Mapping) else {}


def _counts(**counts: Any) -> dict[str, int]:
    return {name: number for name, count in counts.items() if (number := _int(count)) is not None}


def _first(*counts: Any) -> Any:
    """The first that is more than nothing, else the first there is: providers fill one of several names."""
    there = [count for count in counts if _int(count) is not None]
    return next((count for count in there if count), there[0] if there else None)


def _int(value: Any) -> int | None:
    is_count = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return int(value) if is_count else None


def read_finish_reason(reason: Any, has_calls: bool) -> str:
    """The standard word. A finished stream of tool calls may say "stop": the calls decide."""
    reason = reason if isinstance(reason, str) else ""
    word = FINISH_REASONS.get(reason, reason)
    return "tool_calls" if has_calls and word in ("stop", "function_call") else word


def _metadata(asked: Asked, headers: httpx.Headers, facts: Mapping[str, Any]) -> Json:
    known: Json = {
        "model_provider": PROVIDER,
        "model_name": headers.get("x-model-used") or facts.get("model") or asked.model,
        "requested_model": asked.model,
        "seed": asked.seed,
        "request_id": headers.get("x-request-id"),
        "cache_type": headers.get("x-cache-type"),
        "headers": dict(headers) if asked.include_headers else None,
    }
    known.update({key: facts.get(key) for key in _FACTS if key != "model"})
    return {key: value for key, value in known.items() if value is not None}


def _may_be_notice(text: str) -> bool:
    start = text.lstrip()
    return bool(start) and (start.startswith(NOTICE) or NOTICE.startswith(start))


def _is_balance_notice(text: str, usage: UsageMetadata | None, has_calls: bool) -> bool:
    """The service answers an empty balance with a friendly message, status 200 and a usage of zeros."""
    spent = usage is not None and usage["total_tokens"] > 0
    return not spent and not has_calls and usage is not None and "https://enter.pollinations.ai" in text


def _balance_error(text: str, headers: httpx.Headers) -> errors.InsufficientBalanceError:
    return errors.InsufficientBalanceError(
        " ".join(text.split()),
        status_code=402,
        code="INSUFFICIENT_BALANCE",
        request_id=headers.get("x-request-id"),
        body=text,
        fix_url="https://enter.pollinations.ai",
    )
