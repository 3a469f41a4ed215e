"""The migration notice. The text host sends it instead of a response to callers that have an account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_pollinations.emulator.scripting.completion import Completion
from langchain_pollinations.emulator.scripting.reply_queue import DONE, event
from langchain_pollinations.emulator.service.usage import NONE

WORDS = (
    "⚠️ **IMPORTANT NOTICE** ⚠️\n\n"
    "The Pollinations legacy text API is no longer there for callers with an account. "
    "Please move to https://gen.pollinations.ai and get a key at https://enter.pollinations.ai.\n"
    "Note: callers without a key are still answered here."
)


def completion(model: str) -> Completion:
    return Completion({"content": WORDS}, model, NONE)


def events(model: str) -> Iterator[bytes]:
    """Yield the notice as the three events of a stream."""
    whole = completion(model)
    head: dict[str, Any] = {"id": f"pllns_{whole.number}", "object": "chat.completion.chunk"}
    head |= {"created": whole.created, "model": model}
    delta = {"role": "assistant", "content": WORDS}
    yield event(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield event(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield DONE
