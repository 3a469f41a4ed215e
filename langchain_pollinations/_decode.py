"""JSON of the service as LangChain's messages, chunks, usage and metadata. Pure: no request is made here.

`read_answer` reads a whole chat completion, `ChatReader` a stream of them. Both take a message or delta apart with the
same functions. Metadata and usage of a stream go on its last chunk and on no other, since LangChain adds chunks up.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall, ToolCall
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

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
_KEPT = ("reasoning_details", "content_blocks", "refusal", "audio", "annotations", "function_call")


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
    body = parse_json(response)
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
    answer = AIMessage(
        content=text,
        additional_kwargs=_kept(message, signatures),
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata=usage,
        response_metadata=metadata,
    )
    return ChatResult(generations=[ChatGeneration(message=answer)], llm_output={"model_name": metadata["model_name"]})


def parse_json(response: httpx.Response) -> Json:
    """The JSON object of an answer with status 200.

    Raises:
        PollinationsError: What an error object in it stands for; `InvalidResponseError` where there is no object.
    """
    try:
        body = response.json()
    except (ValueError, RecursionError) as error:
        raise _not_an_answer(response, response.text) from error
    if not isinstance(body, dict):
        raise _not_an_answer(response, response.text)
    if body.get("error"):
        raise errors.from_event(body, request_id=response.headers.get("x-request-id"))
    return body


def _choice(body: Json, response: httpx.Response) -> tuple[Json, Json]:
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise _not_an_answer(response, response.text)
    return choice, message


def _not_an_answer(response: httpx.Response, text: str) -> errors.InvalidResponseError:
    kind = response.headers.get("content-type", "no content type")
    start = " ".join(text[:200].split())
    return errors.InvalidResponseError(
        f"The answer is no chat completion but {kind}: {start!r}" if start else "The answer is empty",
        status_code=response.status_code,
        request_id=response.headers.get("x-request-id"),
        body=text,
    )


# --- Streams ----------------------------------------------------------------------------------------------------------


class ChatReader:
    """Reads a stream of chat completion chunks: one `ChatGenerationChunk` for each that says something, and a last one
    with usage, finish reason and metadata."""

    def __init__(self, response: httpx.Response, asked: Asked) -> None:
        self._response = response
        self._asked = asked
        self._facts: Json = {}
        self._usage: UsageMetadata | None = None
        self._finish_reason: str | None = None
        self._text = ""
        self._calls = _CallIndex()
        self.done = False
        # Some providers answer in one piece of plain JSON although a stream was asked for.
        self._whole = "event-stream" not in response.headers.get("content-type", "")
        # The notice of an empty balance looks like any stream; only it forbids to store the answer. What such a
        # stream says is held back until its usage shows whether it is one.
        self._held: list[ChatGenerationChunk] | None = (
            [] if "no-store" in response.headers.get("cache-control", "") else None
        )

    def feed(self, data: str) -> Iterator[ChatGenerationChunk]:
        if data == "[DONE]":
            yield from self._close()
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError) as error:
            if self._whole:
                raise _not_an_answer(self._response, data) from error
            return  # some providers send words as keep-alive; an answer that is cut shows in `end`
        if self._whole and not isinstance(event, dict):
            raise _not_an_answer(self._response, data)
        if self.done or not isinstance(event, dict):
            return
        if event.get("error"):
            raise self._with_partial(errors.from_event(event, request_id=self._response.headers.get("x-request-id")))
        if self._whole:
            _choice(event, self._response)
        chunk = self._read(event)
        if chunk is None:
            return
        if self._held is None:
            yield chunk
        else:
            self._held.append(chunk)

    def end(self) -> Iterator[ChatGenerationChunk]:
        """The last chunk, where no `[DONE]` brought it.

        Raises:
            IncompleteStreamError: If neither `[DONE]` nor usage said that the answer is whole.
        """
        if self.done:
            return
        if self._usage is None and not self._whole:
            raise self._with_partial(
                errors.IncompleteStreamError(
                    f"The stream stopped before its end, after {len(self._text)} characters of text",
                    request_id=self._response.headers.get("x-request-id"),
                )
            )
        yield from self._close()

    def _with_partial(self, error: errors.PollinationsError) -> errors.PollinationsError:
        error.partial = self._text  # type: ignore[attr-defined]
        return error

    def _read(self, event: Json) -> ChatGenerationChunk | None:
        self._usage = read_usage(event.get("usage")) or self._usage
        for key in ("id", "model", "created", "system_fingerprint", "service_tier"):
            if event.get(key):
                self._facts[key] = event[key]
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return None
        if choice.get("finish_reason") is not None:
            self._finish_reason = str(choice["finish_reason"])
        delta = choice.get("delta") or choice.get("message")
        return self._chunk(delta, choice) if isinstance(delta, dict) else None

    def _chunk(self, delta: Json, choice: Json) -> ChatGenerationChunk | None:
        text = read_text(delta)
        calls, signatures = self._calls.read(delta.get("tool_calls"))
        extra = _kept(delta, signatures)
        if not (text or calls or extra or choice.get("logprobs")):
            return None
        self._text += text
        message = AIMessageChunk(
            content=text,
            additional_kwargs=extra,
            tool_call_chunks=calls,
            response_metadata={"model_provider": PROVIDER},
        )
        info = {"logprobs": choice["logprobs"]} if choice.get("logprobs") else None
        return ChatGenerationChunk(message=message, generation_info=info)

    def _close(self) -> Iterator[ChatGenerationChunk]:
        if self.done:
            return
        self.done = True
        headers = self._response.headers
        if _is_balance_notice(self._text, self._usage, bool(self._calls)):
            raise _balance_error(self._text, headers)
        yield from self._held or []
        metadata = _metadata(self._asked, headers, self._facts)
        metadata["finish_reason"] = read_finish_reason(self._finish_reason, bool(self._calls))
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                usage_metadata=self._usage if self._asked.include_usage else None,
                response_metadata=metadata,
                chunk_position="last",
            )
        )


class _CallIndex:
    """Gives each tool call of a stream its index, whether or not the deltas bring one."""

    def __init__(self) -> None:
        self._indices: dict[Any, int] = {}
        self._named: set[int] = set()
        self._last = -1

    def __bool__(self) -> bool:
        return bool(self._indices)

    def read(self, deltas: Any) -> tuple[list[Any], dict[str, str]]:
        chunks, signatures = [], {}
        for delta in deltas if isinstance(deltas, list) else []:
            if not isinstance(delta, dict):
                continue
            function = delta.get("function") or {}
            index = self._index(delta, function)
            # A name or id that comes again would be added to the first one.
            first = index not in self._named
            if first:
                self._named.add(index)
            call_id = (delta.get("id") or f"call_{uuid.uuid4().hex[:24]}") if first else None
            arguments = _arguments(function)
            chunks.append(
                tool_call_chunk(
                    name=function.get("name") if first else None, args=arguments or "", id=call_id, index=index
                )
            )
            if call_id and function.get("thought_signature"):
                signatures[call_id] = function["thought_signature"]
        return chunks, signatures

    def _index(self, delta: Json, function: Json) -> int:
        """By the service's index, else by id; a delta with neither goes on with the last call unless it names one."""
        key = delta.get("index")
        if key is None:
            key = delta.get("id") or None
        if key is None and (function.get("name") or self._last < 0):
            key = f"unnamed {len(self._indices)}"
        if key is not None:
            self._last = self._indices.setdefault(key, len(self._indices))
        return self._last


# --- Parts of a message or delta --------------------------------------------------------------------------------------


def read_text(message: Mapping[str, Any]) -> str:
    """The text, from a string or from text parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content if isinstance(part, dict))
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
    return "".join(delta.get("thinking") or "" for delta in deltas if isinstance(delta, dict))


def _kept(message: Mapping[str, Any], signatures: Mapping[str, str]) -> Json:
    extra: Json = {key: message[key] for key in _KEPT if message.get(key)}
    if reasoning := read_reasoning(message):
        extra["reasoning_content"] = reasoning
    if signatures:
        extra["thought_signatures"] = dict(signatures)
    return extra


def read_tool_calls(calls: Any) -> tuple[list[ToolCall], list[InvalidToolCall], dict[str, str]]:
    """Tool calls of a whole message: the good ones, those whose arguments are no JSON object, thought signatures."""
    good: list[ToolCall] = []
    bad: list[InvalidToolCall] = []
    signatures: dict[str, str] = {}
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function") or {}
        call_id = call.get("id") or f"call_{uuid.uuid4().hex[:24]}"
        name, arguments = function.get("name") or "", _arguments(function)
        try:
            args = json.loads(arguments or "{}")
            if not isinstance(args, dict):
                raise ValueError("the arguments are no JSON object")
            good.append(tool_call(name=name, args=args, id=call_id))
        except ValueError as error:
            bad.append(invalid_tool_call(name=name, args=arguments, id=call_id, error=str(error)))
        if function.get("thought_signature"):
            signatures[call_id] = function["thought_signature"]
    return good, bad, signatures


def _arguments(function: Mapping[str, Any]) -> str | None:
    arguments = function.get("arguments")
    return json.dumps(arguments, ensure_ascii=False) if isinstance(arguments, dict | list) else arguments


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
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def read_finish_reason(reason: str | None, has_calls: bool) -> str:
    """The standard word. A finished stream of tool calls may say "stop": the calls decide."""
    word = FINISH_REASONS.get(reason or "", reason or "stop")
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
    for key in ("id", "created", "system_fingerprint", "service_tier"):
        known[key] = facts.get(key)
    return {key: value for key, value in known.items() if value is not None}


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
