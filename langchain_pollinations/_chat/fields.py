"""Parse single fields of the service's JSON: text, reasoning, usage, metadata. Pure functions.

The module `response` assembles responses from these fields.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata

from langchain_pollinations._chat.content import is_hidden, texts_in
from langchain_pollinations._transport.error_response import unexpected_response
from langchain_pollinations._types import PROVIDER, Json

_FINISH_REASONS: Mapping[str, str] = {
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
"""Provider-specific finish reasons, mapped to OpenAI's finish reasons. All others stay unchanged."""

FAILURES = frozenset({"error", "failed", "network_error", "insufficient_system_resource"})
"""Finish reasons for a failure of the provider, from OpenRouter, OpenAI's Responses API, Z.ai and DeepSeek."""

EXPECTED = "chat completion"


@dataclass(frozen=True)
class RequestInfo:
    """The fields of the request that are needed to parse its response."""

    model: str
    seed: int | None = None
    include_usage: bool = True
    include_headers: bool = False
    is_free: bool = False
    """Whether the host bills nothing, as the legacy hosts."""
    audio_format: str | None = None
    kind: str | None = None
    """Category of the model (text, image, ...), if known."""
    tool_names: Mapping[str, str] = field(default_factory=dict)
    """Tools with another name in the request: the name in the request, mapped to the caller's name."""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    """The JSON schemas of the tools' parameters, by the name in the request."""


def check_choice(body: Json, response: httpx.Response) -> None:
    """Raise `InvalidResponseError` if the first choice of a body has no message."""
    choice = first_choice(body)
    if choice is None or not isinstance(choice.get("message"), dict):
        raise unexpected_response(response, EXPECTED)


def first_choice(body: Json) -> Json | None:
    """Return the first choice, or None. The service returns only one choice, whatever `n` is."""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    return choice if isinstance(choice, dict) else None


# --- Parts of a message or delta --------------------------------------------------------------------------------------


def string_or_empty(value: Any) -> str:
    return value if isinstance(value, str) else ""


def parse_parts(content: Any) -> Any:
    """Convert the content of a message to the form of chat completions: a string or a list of parts.

    Some routes send parts of another API (OpenAI's Responses, Google's). Others send one part without a list, or a JSON
    object instead of text.
    """
    if isinstance(content, dict):
        inside = next((content[key] for key in ("parts", "content") if isinstance(content.get(key), list)), None)
        is_part = isinstance(content.get("type"), str) or isinstance(content.get("text"), str)
        written = {"type": "text", "text": json.dumps(content, ensure_ascii=False)} if content else {}
        content = inside if inside is not None else [content if is_part else written]
    return [read for part in content for read in _parse_part(part)] if isinstance(content, list) else content


def _parse_part(part: Any, depth: int = 0) -> list[Any]:
    """Convert a part, or the parts inside it, to the form of chat completions."""
    if isinstance(part, list) and depth < _MAX_DEPTH:
        return [read for each in part for read in _parse_part(each, depth + 1)]
    if not isinstance(part, dict):
        return [part]
    if isinstance(text := part.get("text"), dict) and isinstance(text.get("value"), str):  # OpenAI's Assistants
        part = {**part, "text": text["value"]}
    text, kind = part.get("text"), part.get("type")
    if part.get("thought") is True and isinstance(text, str):  # Google's
        fields = {key: value for key, value in part.items() if key not in ("text", "thought")}
        return [{**fields, "type": "thinking", "thinking": text}]
    if not isinstance(text, str) and not is_hidden(part):
        inside = next((part[key] for key in ("content", "parts") if any(texts_in(part.get(key)))), None)
        return [part] if inside is None else _parse_part(inside if isinstance(inside, list) else [inside], depth + 1)
    is_plain = kind in ("output_text", "input_text") or part.keys() <= _PLAIN_KEYS
    if kind in (None, "text") or is_hidden(part) or not is_plain:
        return [part]
    facts = {key: value for key, value in part.items() if key != "type" and (value or key in ("text", "index"))}
    return [{"type": "text", **facts}]


_PLAIN_KEYS = frozenset({"type", "text", "index", "id", "status", "annotations", "logprobs"})
_MAX_DEPTH = 20
"""Maximum depth of nested lists and parts that are parsed. Deeper nesting would exhaust Python's stack."""


def parse_refusal(parts: Any) -> str:
    """Return the text of the refusal parts."""
    found = parts if isinstance(parts, list) else []
    return "".join(string_or_empty(part.get("refusal")) for part in found if is_refusal(part))


def is_refusal(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "refusal"


def parse_text(content: Any) -> str:
    """Return the text of the content of a message. The content is a string or a list of parts."""
    if not isinstance(content, list):
        return string_or_empty(content)
    parts = ([part] if isinstance(part, str) else [text_of(p) for _, p in numbered([part])] for part in content)
    return "".join(text for texts in parts for text in texts)


def text_of(part: Mapping[str, Any]) -> str:
    return "" if is_hidden(part) else string_or_empty(part.get("text"))


def parse_reasoning(entries: Any) -> Iterator[tuple[Any, str]]:
    """Yield each piece of reasoning in content blocks or reasoning details, with the number of its block."""
    for number, entry in numbered(entries):
        kind = string_or_empty(entry.get("type"))
        if kind.startswith("reasoning."):
            yield number, string_or_empty(entry.get("text")) or string_or_empty(entry.get("summary"))
        elif kind in ("", "thinking"):
            yield number, parse_text(entry.get("thinking"))


def numbered(entries: Any) -> Iterator[tuple[Any, Json]]:
    """Yield the entries of a list, each with the number of its block. An entry is a complete block or a delta."""
    for place, entry in enumerate(entries if isinstance(entries, list) else []):
        if not isinstance(entry, dict):
            continue
        block = next((entry[key] for key in ("delta", "content_block") if isinstance(entry.get(key), dict)), entry)
        if string_or_empty(block.get("type")) in _DELTAS:
            block = {key: value for key, value in block.items() if key != "type"}
        index = entry.get("index")
        yield index if isinstance(index, int | str) else place, block


# Anthropic's types of deltas. They are dropped, because the fields of a delta already show its type.
_DELTAS = frozenset({"text_delta", "thinking_delta", "signature_delta", "input_json_delta"})


def parse_usage(usage: Any) -> UsageMetadata | None:
    """Parse the token counts as ints. Return None if there are no counts: usage may be null, or hold only a price."""
    if not isinstance(usage, Mapping) or not any(_int(usage.get(k)) is not None for k in _COUNTS):
        return None
    prompt, completion = _int(usage.get("prompt_tokens")) or 0, _int(usage.get("completion_tokens")) or 0
    total = _int(usage.get("total_tokens"))
    read = UsageMetadata(
        input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion if total is None else total
    )
    if usage.keys() <= _COUNTS:
        return read
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


_COUNTS = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})


def _details(usage: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    details = usage.get(key)
    return details if isinstance(details, Mapping) else {}


def _counts(**counts: Any) -> dict[str, int]:
    return {name: number for name, count in counts.items() if (number := _int(count)) is not None}


def _first(*counts: Any) -> Any:
    """Return the first count above zero, else the first count. Providers fill different fields."""
    there = [count for count in counts if _int(count) is not None]
    return next((count for count in there if count), there[0] if there else None)


def _int(value: Any) -> int | None:
    if type(value) is int:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) else int(value) if math.isfinite(value) else None


def parse_finish_reason(reason: Any, has_calls: bool) -> str:
    """Return OpenAI's finish reason. A "stop" with tool calls, as some providers send it, becomes "tool_calls"."""
    reason = reason if isinstance(reason, str) else ""
    word = _FINISH_REASONS.get(reason, reason)
    return "tool_calls" if has_calls and word in ("stop", "function_call") else word


def parse_metadata(request: RequestInfo, headers: httpx.Headers, facts: Mapping[str, Any], served: str | None) -> Json:
    """Return the fields of `response_metadata` that LangChain's users expect, and fields from the response headers.

    `served` is the model in the headers.
    """
    reported = facts.get("model")
    own_name = reported if isinstance(reported, str) else None
    known: Json = {
        "model_provider": PROVIDER,
        "model_name": served or own_name or request.model,
        "requested_model": request.model,
        "seed": request.seed,
        "request_id": headers.get("x-request-id"),
        "cache_type": headers.get("x-cache-type"),
        "safety": _headers_under("x-safety-", headers),
        "moderation": _found(_headers_under("x-moderation-", headers)),
        "headers": dict(headers) if request.include_headers else None,
    }
    return {key: value for key, value in known.items() if value not in (None, {})}


# LangGraph stores the metadata of each message in each later checkpoint of a thread. What the filters did not find
# is therefore left out.


def filter_results(facts: Mapping[str, Any]) -> Json:
    """Return Azure's content filter results, without the categories in which nothing was found."""
    prompts = facts.get(_OF_PROMPTS)
    if isinstance(prompts, list):
        prompts = [found for each in prompts if (found := _found_in_prompt(each))]
    found = {_OF_PROMPTS: prompts, _RESULTS: _found(facts.get(_RESULTS))}
    return {key: value for key, value in found.items() if value}


def _found_in_prompt(prompt: Any) -> Any:
    if not isinstance(prompt, dict) or _RESULTS not in prompt:
        return prompt
    found = _found(prompt[_RESULTS])
    return {**prompt, _RESULTS: found} if found else None


def _found(results: Any) -> Any:
    """Return the categories in which something was found. Results of an unknown form stay unchanged."""
    if not isinstance(results, dict):
        return results
    return {category: result for category, result in results.items() if not _is_clean(result)}


def _is_clean(result: Any) -> bool:
    values = result.values() if isinstance(result, dict) else [result]
    return all(value in _CLEAN for value in values)


_CLEAN = (False, "false", "safe")
_OF_PROMPTS, _RESULTS = "prompt_filter_results", "content_filter_results"
FILTER_RESULTS = frozenset({_OF_PROMPTS, _RESULTS})


def _headers_under(prefix: str, headers: httpx.Headers) -> dict[str, str]:
    start = prefix.encode()
    if not any(name.lower().startswith(start) for name, _ in headers.raw):  # `items` would decode all of them
        return {}
    found = {key.removeprefix(prefix): value for key, value in headers.items() if key.startswith(prefix)}
    return {key.replace("-", "_"): value for key, value in found.items()}


# --- Lists without repeated entries -----------------------------------------------------------------------------------


class UniqueList:
    """A list of distinct entries, in the order of their first appearance."""

    def __init__(self) -> None:
        self._entries: dict[str, Any] = {}

    def add(self, entries: Iterable[Any]) -> None:
        for entry in entries:
            self._entries.setdefault(fingerprint(entry), entry)

    def value(self) -> list[Any]:
        return list(self._entries.values())


def fingerprint(value: Any) -> str:
    """Return a string that is equal for equal JSON values."""
    return json.dumps(value, sort_keys=True, default=str)
