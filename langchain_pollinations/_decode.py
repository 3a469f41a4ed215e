"""JSON of the service as LangChain's messages, chunks, usage and metadata. Pure: no request is made here.

`read_answer` reads a whole chat completion; `_stream` takes deltas apart with the same functions.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from langchain_core.messages import AIMessage, InvalidToolCall, ToolCall
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call
from langchain_core.outputs import ChatGeneration, ChatResult

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
KEPT_LISTS = ("reasoning_details", "content_blocks", "annotations")
KEPT_OBJECTS = ("audio", "function_call")
FACTS = ("id", "model", "created", "system_fingerprint", "service_tier")

EXPECTED = "chat completion"
NOTICE = "Your Pollen balance is too low"


@dataclass(frozen=True)
class Asked:
    """What an answer's metadata needs to know of the request."""

    model: str
    seed: int | None = None
    include_usage: bool = True
    include_headers: bool = False


def read_answer(response: httpx.Response, asked: Asked) -> ChatResult:
    """The result of a chat completion.

    Raises:
        InsufficientBalanceError: If the answer is the service's friendly notice of an empty balance.
        InvalidResponseError: If it is no chat completion.
    """
    body = errors.parse_json(response, EXPECTED)
    choice, message = read_choice(body, response)
    usage = read_usage(body.get("usage"))
    calls, invalid, signatures = read_tool_calls(message.get("tool_calls"))
    text = read_text(message)
    if is_balance_notice(text, usage, bool(calls or invalid)):
        raise balance_error(text, response.headers)
    metadata = read_metadata(asked, response.headers, body)
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


def read_choice(body: Json, response: httpx.Response) -> tuple[Json, Json]:
    choice = first_choice(body)
    message = choice.get("message") if choice is not None else None
    if choice is None or not isinstance(message, dict):
        raise errors.not_expected(response, EXPECTED)
    return choice, message


def first_choice(body: Json) -> Json | None:
    """The service gives back one choice whatever was asked for."""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    return choice if isinstance(choice, dict) else None


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
    extra: Json = {key: message[key] for key in KEPT_LISTS if isinstance(message.get(key), list) and message[key]}
    extra |= {key: message[key] for key in KEPT_OBJECTS if isinstance(message.get(key), dict) and message[key]}
    if reasoning := read_reasoning(message):
        extra["reasoning_content"] = reasoning
    if refusal := message.get("refusal"):
        extra["refusal"] = str(refusal)
    return extra


@dataclass(frozen=True)
class RawCall:
    """One tool call or delta of one, as far as it makes sense."""

    index: int | str | None
    id: str
    name: str
    arguments: str
    signature: str | None


def read_raw_call(call: Any) -> RawCall | None:
    if not isinstance(call, dict):
        return None
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    arguments = function.get("arguments")
    if arguments is not None and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    index = call.get("index")
    return RawCall(
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
        raw = read_raw_call(call)
        if raw is None:
            continue
        call_id = raw.id or f"call_{uuid.uuid4().hex[:24]}"
        args = parse_arguments(raw.arguments or "{}")
        if args is not None:
            good.append(tool_call(name=raw.name, args=args, id=call_id))
        else:
            told = "the arguments are no JSON object"
            bad.append(invalid_tool_call(name=raw.name, args=raw.arguments, id=call_id, error=told))
        if raw.signature:
            signatures[call_id] = raw.signature
    return good, bad, signatures


def parse_arguments(arguments: str) -> Json | None:
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


def read_metadata(asked: Asked, headers: httpx.Headers, facts: Mapping[str, Any]) -> Json:
    known: Json = {
        "model_provider": PROVIDER,
        "model_name": headers.get("x-model-used") or facts.get("model") or asked.model,
        "requested_model": asked.model,
        "seed": asked.seed,
        "request_id": headers.get("x-request-id"),
        "cache_type": headers.get("x-cache-type"),
        "headers": dict(headers) if asked.include_headers else None,
    }
    known.update({key: facts.get(key) for key in FACTS if key != "model"})
    return {key: value for key, value in known.items() if value is not None}


def may_be_notice(text: str) -> bool:
    start = text.lstrip()
    return bool(start) and (start.startswith(NOTICE) or NOTICE.startswith(start))


def is_balance_notice(text: str, usage: UsageMetadata | None, has_calls: bool) -> bool:
    """The service answers an empty balance with a friendly message, status 200 and a usage of zeros."""
    unspent = usage is not None and usage["total_tokens"] == 0
    return unspent and not has_calls and "https://enter.pollinations.ai" in text


def balance_error(text: str, headers: httpx.Headers) -> errors.InsufficientBalanceError:
    return errors.InsufficientBalanceError(
        " ".join(text.split()),
        status_code=402,
        code="INSUFFICIENT_BALANCE",
        request_id=headers.get("x-request-id"),
        body=text,
        fix_url="https://enter.pollinations.ai",
    )
