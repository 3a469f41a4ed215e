"""Names of tools and schemas on the wire. Pure functions.

Providers accept `[a-zA-Z0-9_-]{1,64}`. LangChain and MCP servers accept any text, such as
`coding.start`, `Get File` and `Page[int]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from langchain_pollinations._types import Json

# A name that already ends like a changed name is changed too, so that no two tools share a name in the request.
_FITS = re.compile(r"(?!.*__[0-9a-f]{8}$)[a-zA-Z0-9_-]{1,64}")


def fit_name(name: str) -> str:
    """Return a name that providers accept. Invalid characters are replaced, and a hash of the name is appended.

    A valid name is returned unchanged. The result depends on the name alone, not on other tools. It is therefore the
    same in later requests and in other processes, and prompt caches stay valid.
    """
    if not name or _FITS.fullmatch(name):
        return name
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{re.sub('[^a-zA-Z0-9_-]', '_', name)[:54]}__{digest}"


def fit_names(body: Json) -> tuple[Json, dict[str, str]]:
    """Return the body of a chat request with valid tool names, and the original of each changed name."""
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
    """Return fields of a response with the caller's names for the tools. The fields may repeat its tool calls."""
    return _with_names(fields, lambda name: originals.get(name, name)) if originals else fields


def _message(message: Any, rename: Callable[[str], str]) -> Any:
    if not isinstance(message, dict):
        return message
    is_result = message.get("role") in ("tool", "function")
    if not is_result and message.keys() <= _UNNAMING:
        return message
    return _with_names(_renamed(message, rename) if is_result else message, rename)


_NAMING = ("tools", "tool_choice", "functions", "function_call", "tool_calls", "response_format")
"""Fields of a body, a message or a response that hold tools, tool calls, a tool choice, or a schema."""


_UNNAMING = frozenset({"role", "content", "name"})
"""Fields of a message that name no tool, unless it is the result of a tool."""


def _with_names(fields: Json, rename: Callable[[str], str]) -> Json:
    changed = {key: _renamed_each(fields[key], rename) for key in _NAMING if key in fields}
    if isinstance(blocks := fields.get("content_blocks"), list):
        changed["content_blocks"] = [_renamed(block, rename) if _is_call(block) else block for block in blocks]
    return {**fields, **changed}


def _is_call(block: Any) -> bool:
    """Whether a content block repeats a tool call. Tools that the provider runs keep the provider's names."""
    return isinstance(block, dict) and block.get("type") == "tool_use"


def _renamed_each(value: Any, rename: Callable[[str], str]) -> Any:
    return [_renamed(each, rename) for each in value] if isinstance(value, list) else _renamed(value, rename)


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    """Rename a tool, tool call, tool choice, result or schema. A value without a name is returned unchanged."""
    if not isinstance(value, dict):
        return value
    for key in ("function", "json_schema"):
        if isinstance(value.get(key), dict):
            return {**value, key: _renamed(value[key], rename)}
    return {**value, "name": rename(value["name"])} if isinstance(value.get("name"), str) else value


def fit_participant_name(name: str) -> str:
    """Return the name of a participant in the characters that providers accept.

    The service silently drops a name with other characters. For tool names use `fit_name`: responses repeat these.
    """
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64]
