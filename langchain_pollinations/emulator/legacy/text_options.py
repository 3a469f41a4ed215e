"""Parses requests to the legacy text host. The body takes precedence over the query.

Invalid values are ignored. Some flags are true for any non-empty value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from langchain_pollinations.emulator.legacy import javascript
from langchain_pollinations.emulator.service import validation
from langchain_pollinations.emulator.state import Asked

Fields = dict[str, Any]
Reader = Callable[[Any], Any]


def _as_it_is(value: Any) -> Any:
    return value


READERS: Mapping[str, Reader] = {
    "seed": javascript.integer,  # -1 is a seed like any other here
    "temperature": javascript.number,
    "top_p": javascript.number,
    "presence_penalty": javascript.number,
    "frequency_penalty": javascript.number,
    "max_tokens": javascript.integer,
    "max_completion_tokens": javascript.integer,
    "n": javascript.integer,
    "top_logprobs": javascript.integer,
    "logprobs": javascript.is_on,
    "stream": javascript.is_on,
    **dict.fromkeys(
        (
            "stop", "user", "logit_bias", "stream_options", "tools", "tool_choice", "parallel_tool_calls",
            "reasoning_effort", "modalities", "audio", "response_format",
        ),
        _as_it_is,
    ),
}  # fmt: skip


def body(asked: Asked) -> Any:
    """Parse a JSON body. If the body is empty or its content type is not JSON, return an empty object.

    Raises:
        ValueError: If the body is not valid JSON, or is neither an object nor an array. Express accepts only these two.
    """
    if not validation.JSON_TYPE.match(asked.headers.get("content-type", "").strip().lower()) or not asked.body.strip():
        return {}
    value = validation.parsed(asked.body)
    if not isinstance(value, dict | list):
        raise ValueError("neither object nor array")
    return value


def merged(asked: Asked, sent: Any) -> Fields:
    return {**asked.query, **(sent if isinstance(sent, dict) else {})}


def wants_json(given: Fields) -> bool:
    form = given.get("response_format")
    by_form = isinstance(form, dict) and form.get("type") == "json_object"
    return by_form or javascript.is_true(given.get("json")) or javascript.is_truthy(given.get("jsonMode"))


def chat(given: Fields, prompt: str) -> Fields:
    """Return the chat request for the provider of the host. Without messages, `prompt` becomes the user message."""
    read = {name: reader(given[name]) for name, reader in READERS.items() if given.get(name) is not None}
    ready = {name: value for name, value in read.items() if value is not None}
    messages = given.get("messages")
    ready["messages"] = messages if isinstance(messages, list) else [{"role": "user", "content": prompt}]
    system = given.get("system")
    if isinstance(system, str) and system:  # before an existing system message
        ready["messages"] = [{"role": "system", "content": system}, *ready["messages"]]
    if wants_json(given):
        ready.setdefault("response_format", {"type": "json_object"})
    return ready


# Caller identity.


def token(asked: Asked, sent: Any) -> str:
    """Return the token of a request. The order of precedence is query, `Authorization` header, body."""
    bearer = re.sub(r"^bearer\s+", "", asked.headers.get("authorization", ""), flags=re.IGNORECASE)
    of_body = sent.get("token") if isinstance(sent, dict) else None
    return asked.query.get("token") or bearer.strip() or str(of_body or "")


def referrer(asked: Asked, sent: Any) -> str:
    """Return the domain of the website from which a request comes.

    The query and the body take precedence over the headers `Referer` and `Origin`.
    """
    given = [source.get(name) for source in (asked.query, sent if isinstance(sent, dict) else {}) for name in NAMES]
    value = next((str(each) for each in (*given, *map(asked.headers.get, ("referer", "origin"))) if each), "")
    try:
        return urlsplit(value).hostname or value
    except ValueError:  # brackets around an invalid address
        return value


NAMES = ("referrer", "referer")
