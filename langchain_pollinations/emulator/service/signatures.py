"""Signatures of reasoning and of tool calls.

A provider signs its reasoning. It rejects a history in which the signed content has changed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from langchain_pollinations.emulator.service.error_responses import upstream

MARKER = b"emulator "  # prefix of all signatures of the emulator; others are not checked
PREFIX = base64.b64encode(MARKER).decode()


def _signed(text: str) -> str:
    return base64.b64encode(MARKER + sha256(text.encode("utf-8", "surrogatepass")).digest()).decode()


def of_thought(words: str) -> str:
    """Return the signature of a reasoning text. The same text always has the same signature."""
    return _signed(f"thought {words}")


def of_call(function: Mapping[str, Any]) -> str:
    """Return the signature of a tool call. The white space and the key order of its arguments do not matter."""
    arguments = function.get("arguments")
    try:
        canonical = json.dumps(json.loads(str(arguments)), sort_keys=True)
    except (ValueError, RecursionError):
        canonical = str(arguments)
    return _signed(f"call {function.get('name')} {canonical}")


def _is_wrong(given: Any, right: str) -> bool:
    return isinstance(given, str) and given.startswith(PREFIX) and given != right


def _check_thoughts(place: int, message: Mapping[str, Any]) -> None:
    blocks = message.get("content_blocks")
    for number, block in enumerate(blocks if isinstance(blocks, list) else []):
        if not isinstance(block, dict) or block.get("type") != "thinking":
            continue
        if _is_wrong(block.get("signature"), of_thought(str(block.get("thinking")))):
            where = f"messages.{place}.content.{number}"
            raise upstream(400, f"400 Bad Request: {where}: Invalid `signature` in `thinking` block", 400)


def _check_calls(place: int, message: Mapping[str, Any]) -> None:
    for call in message.get("tool_calls") or []:
        function = call.get("function") or {}
        if _is_wrong(function.get("thought_signature"), of_call(function)):
            where = f"contents.{place}: function call `{function.get('name')}`"
            raise upstream(400, f"400 Bad Request: {where}: Invalid `thought_signature`", 400)


def check(messages: Iterable[Mapping[str, Any]]) -> None:
    """Reject a history in which a reasoning text or a tool call has a wrong signature.

    Only signatures of the emulator are checked.
    """
    spoken = (message for message in messages if message["role"] not in ("system", "developer"))
    for place, message in enumerate(spoken):
        if message["role"] == "assistant":
            _check_thoughts(place, message)
            _check_calls(place, message)
