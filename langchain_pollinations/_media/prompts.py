"""Prompts, and URLs that contain them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeAlias
from urllib.parse import quote

from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import PromptValue

from langchain_pollinations._validation import check_whole
from langchain_pollinations.errors import InvalidRequestError

MAX_PROMPT = 32_000
MAX_URL = 2000
"""Characters of a URL; a longer prompt is sent by POST. The edge of the service accepts about 16 KB, proxies less."""


Prompt: TypeAlias = str | PromptValue | BaseMessage | Sequence[BaseMessage]
"""Input of a wrapper as a Runnable. The prompt of prompt values and messages is their text."""


def prompt_of(given: Any) -> Any:
    """The text of a prompt value, message or list of messages, one paragraph each; other values unchanged."""
    if isinstance(given, PromptValue):
        given = given.to_messages()
    messages = [given] if isinstance(given, BaseMessage) else given
    if not isinstance(messages, list | tuple) or not all(isinstance(each, BaseMessage) for each in messages):
        return given
    texts = (str(message.text).strip() for message in messages)
    return "\n\n".join(text for text in texts if text)


# --- Requests ---------------------------------------------------------------------------------------------------------


def check_prompt(prompt: Any, longest: int = MAX_PROMPT, name: str = "prompt") -> str:
    """Validate a prompt and return it.

    Raises:
        InvalidRequestError: If it is empty, too long, or contains a lone surrogate or a null byte.
    """
    if not isinstance(prompt, str) or not prompt.strip():
        raise InvalidRequestError(f"{name} must be a non-empty string", param=name)
    if len(prompt) > longest:
        raise InvalidRequestError(f"{name} has {len(prompt)} characters; the maximum is {longest}", param=name)
    check_whole(prompt, name)
    if "\0" in prompt:
        raise InvalidRequestError(f"{name} contains a null byte at position {prompt.index(chr(0))}", param=name)
    return prompt


def quote_prompt(prompt: str) -> str | None:
    """Percent-encode a prompt for the path of a URL; None if a path cannot carry it.

    The service decodes the path twice, so `%` is not safe. `.` and `..` between slashes are removed in transit. A
    prompt may also equal a route of the service.
    """
    return None if "%" in prompt or has_dot_segments(prompt) or is_route(prompt) else quote(prompt, safe="")


def is_route(prompt: str) -> bool:
    """Whether a GET with the prompt as its path is another route of the service: `/image/models` lists the models."""
    return prompt.strip("/ \t\r\n").lower() == "models"


def has_dot_segments(prompt: str) -> bool:
    """Whether a prompt contains `.` or `..` between slashes, which are removed from URLs in transit."""
    return not {".", ".."}.isdisjoint(re.split(r"[/\\]", prompt))


def join_urls(addresses: Sequence[str]) -> str:
    """Join URLs for a parameter that takes several. Commas are escaped, since the service splits at them."""
    return "|".join(address.replace(",", "%2C").replace("|", "%7C") for address in addresses)
