"""The rules of providers for the messages of a conversation. Each rule yields error messages.

The service validates little itself. For Bedrock and Vertex, it parses the arguments of tool calls. The providers check
ids, names, blank text, and that every tool call has a result. A single invalid message in the history makes all later
requests fail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from langchain_pollinations.emulator.service.error_responses import upstream

Json = dict[str, Any]
Messages = Sequence[Mapping[str, Any]]
Rule = Callable[[Messages], Iterator[str]]

ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def _calls(messages: Messages) -> Iterator[tuple[str, Json]]:
    """Yield each tool call with its path in the request."""
    for place, message in enumerate(messages):
        for number, call in enumerate(message.get("tool_calls") or []):
            yield f"messages.{place}.tool_calls.{number}", call


def _functions(messages: Messages) -> Iterator[tuple[str, Json]]:
    """Yield the function of each tool call with its path. This includes the deprecated `function_call`."""
    yield from ((where, call["function"]) for where, call in _calls(messages))
    for place, message in enumerate(messages):
        if message.get("function_call"):
            yield f"messages.{place}.function_call", message["function_call"]


def _is_object(text: str) -> bool:
    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        return isinstance(json.loads(text, parse_constant=refuse), dict)
    except (ValueError, RecursionError):
        return False


def arguments(messages: Messages) -> Iterator[str]:
    for where, function in _functions(messages):
        if not _is_object(function["arguments"]):
            yield f"{where}: the arguments are not the JSON of an object"


def names(messages: Messages) -> Iterator[str]:
    for where, function in _functions(messages):
        if not function["name"]:
            yield f"{where}: the name of the function is empty"


def ids(messages: Messages) -> Iterator[str]:
    seen: set[str] = set()
    for where, call in _calls(messages):
        if not ID.fullmatch(call["id"]):
            yield f"{where}.id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'"
        if call["id"] in seen:
            yield f"{where}.id: `tool_use` ids must be unique"
        seen.add(call["id"])


def pairs(messages: Messages) -> Iterator[str]:
    """Require one tool result for each tool call. The results must directly follow the message with the calls."""
    expected: list[str] = []
    for place, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in expected:
                yield f"messages.{place}: the result of a tool has no call before it"
            else:
                expected.remove(message["tool_call_id"])
            continue
        if expected:
            yield f"messages.{place}: `tool_use` ids without `tool_result` before it: {', '.join(expected)}"
        expected = [call["id"] for call in message.get("tool_calls") or []]
    if expected:
        yield f"messages: `tool_use` ids without `tool_result` at the end: {', '.join(expected)}"


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def texts(messages: Messages) -> Iterator[str]:
    """Reject blank text.

    Tool results may be blank. The service replaces a blank user message before this check.
    """
    for place, message in enumerate(messages):
        for key in ("content", "content_blocks"):
            parts = message.get(key)
            for number, part in enumerate(parts if isinstance(parts, list) else []):
                if isinstance(part, dict) and part.get("type") == "text" and _is_blank(part.get("text")):
                    yield f"messages.{place}.{key}.{number}: text content blocks must contain non-whitespace text"
        others = ("tool_calls", "function_call", "content_blocks", "audio")
        has_more = any(message.get(key) for key in others)
        blank = not message.get("content") or _is_blank(message["content"])
        if blank and message["role"] in ("system", "developer", "assistant") and not has_more:
            yield f"messages.{place}: the text field in the ContentBlock object is blank"
        elif _is_blank(message.get("content")) and message.get("content") and has_more:
            yield f"messages.{place}: text content blocks must contain non-whitespace text"


RULES: Sequence[tuple[str, str, Sequence[Rule]]] = (
    ("anthropic/", "bedrock", (arguments, names, ids, pairs, texts)),
    ("amazon/", "bedrock", (arguments, names, ids, pairs, texts)),
    ("google/", "vertex-ai", (arguments, names, pairs)),
    ("openai/", "openai", (names, pairs)),
)
"""The prefix of the model names, the name of the provider, and the rules of the provider."""


def complaints(model: str, messages: Messages) -> list[tuple[str, str]]:
    """Return pairs of a provider name and an error message, one pair for each violation."""
    return [
        (provider, sentence)
        for start, provider, rules in RULES
        if model.startswith(start)
        for rule in rules
        for sentence in rule(messages)
    ]


def check(model: str, messages: Messages) -> None:
    """Reject a conversation that violates a rule of the model's provider."""
    for provider, sentence in complaints(model, messages):
        raise upstream(400, f"400 Bad Request: {provider} error: {sentence}", 400)
