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
"""Maximum characters of a URL. A longer prompt is sent by POST. The edge servers of the service accept about 16 KB, but
proxies accept less."""


Prompt: TypeAlias = str | PromptValue | BaseMessage | Sequence[BaseMessage]
"""Input of a wrapper as a `Runnable`. The text of a prompt value or a message becomes the prompt."""


def prompt_of(given: Any) -> Any:
    """Return the text of a prompt value, a message or a list of messages.

    Each message becomes one paragraph. Other values are returned unchanged.
    """
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
        InvalidRequestError: If the prompt is empty, is too long, or contains a lone surrogate or a null byte.
    """
    if not isinstance(prompt, str) or not prompt.strip():
        hint = "; for several prompts, call batch or abatch" if isinstance(prompt, list) and prompt else ""
        raise InvalidRequestError(f"{name} must be a non-empty string{hint}", param=name)
    if len(prompt) > longest:
        raise InvalidRequestError(f"{name} has {len(prompt)} characters; the maximum is {longest}", param=name)
    check_whole(prompt, name)
    if "\0" in prompt:
        raise InvalidRequestError(f"{name} contains a null byte at position {prompt.index(chr(0))}", param=name)
    return prompt


def quote_prompt(prompt: str) -> str | None:
    """Percent-encode a prompt for the path of a URL. Return None if the prompt cannot be part of a path.

    `%` is not allowed, because the service decodes the path twice. `.` and `..` between slashes are not allowed,
    because they are removed in transit. A prompt that equals a route of the service is not allowed either.
    """
    return None if "%" in prompt or has_dot_segments(prompt) or is_route(prompt) else quote(prompt, safe="")


def is_route(prompt: str) -> bool:
    """Whether a prompt in the path of a GET would select another route. `/image/models`, for example, lists models."""
    return prompt.strip("/ \t\r\n").lower() == "models"


def has_dot_segments(prompt: str) -> bool:
    """Whether a prompt contains `.` or `..` between slashes. These parts are removed from URLs in transit."""
    return not {".", ".."}.isdisjoint(re.split(r"[/\\]", prompt))


def join_urls(addresses: Sequence[str]) -> str:
    """Join URLs with `|` for one parameter. `|` and commas in a URL are escaped, because the service splits at both."""
    return "|".join(address.replace(",", "%2C").replace("|", "%7C") for address in addresses)
