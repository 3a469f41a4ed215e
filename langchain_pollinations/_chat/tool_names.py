"""Names of tools and schemas on the wire. Pure functions.

Providers take `[a-zA-Z0-9_-]{1,64}`; LangChain and MCP servers take any text (`coding.start`, `Get File`, `Page[int]`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from langchain_pollinations._types import Json

# A name that ends like a fitted one does not fit, so no tool shares the wire name of another.
_FITS = re.compile(r"(?!.*__[0-9a-f]{8}$)[a-zA-Z0-9_-]{1,64}")


def fit_name(name: str) -> str:
    """The name as providers take it: unchanged where it fits, else its readable letters and a hash of the whole name.

    The result depends on the name alone: later turns, other processes and prompt caches see the same one, whatever
    other tools there are.
    """
    if not name or _FITS.fullmatch(name):
        return name
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{re.sub('[^a-zA-Z0-9_-]', '_', name)[:54]}__{digest}"


def fit_names(body: Json) -> tuple[Json, dict[str, str]]:
    """The body of a chat request with tool names that fit, and the original of each name that was changed."""
    originals: dict[str, str] = {}

    def fitted(name: str) -> str:
        wire = fit_name(name)
        if wire != name:
            originals[wire] = name
        return wire

    changed = _with_names(body, fitted)
    if isinstance(messages := body.get("messages"), list):
        changed["messages"] = [_message(message, fitted) for message in messages]
    return changed, originals


def original_names(fields: Json, originals: Mapping[str, str]) -> Json:
    """Fields of an answer that repeat its calls, with the names that the caller gave to the tools."""
    return _with_names(fields, lambda name: originals.get(name, name)) if originals else fields


def _message(message: Any, rename: Callable[[str], str]) -> Any:
    if not isinstance(message, dict):
        return message
    is_result = message.get("role") in ("tool", "function")
    return _with_names(_renamed(message, rename) if is_result else message, rename)


_NAMING = ("tools", "tool_choice", "functions", "function_call", "tool_calls", "response_format")
"""Fields of a body, a message or an answer that hold tools, calls of tools, a choice of one, or a schema."""


def _with_names(fields: Json, rename: Callable[[str], str]) -> Json:
    changed = {key: _renamed_each(fields[key], rename) for key in _NAMING if key in fields}
    if isinstance(blocks := fields.get("content_blocks"), list):
        changed["content_blocks"] = [_renamed(block, rename) if _is_call(block) else block for block in blocks]
    return {**fields, **changed}


def _is_call(block: Any) -> bool:
    """Whether a content block repeats a call; tools that the provider runs have names of its own."""
    return isinstance(block, dict) and block.get("type") == "tool_use"


def _renamed_each(value: Any, rename: Callable[[str], str]) -> Any:
    return [_renamed(each, rename) for each in value] if isinstance(value, list) else _renamed(value, rename)


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    """A tool, a call, a choice of a tool, a result or a schema with another name; as it is where it has none."""
    if not isinstance(value, dict):
        return value
    for key in ("function", "json_schema"):
        if isinstance(value.get(key), dict):
            return {**value, key: _renamed(value[key], rename)}
    return {**value, "name": rename(value["name"])} if isinstance(value.get("name"), str) else value


def fit_participant_name(name: str) -> str:
    """The name of a participant in the letters that providers take; the service silently drops a name with others.
    `_names` fits the names of tools, which come back in answers."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64]
