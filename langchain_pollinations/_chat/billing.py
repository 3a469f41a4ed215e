"""The cost of chats: an estimate before the request, and the cost in a message or a chunk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from langchain_core.outputs import ChatGenerationChunk, ChatResult

from langchain_pollinations._catalog.costs import canonical, expected_price, price_of, usage_units
from langchain_pollinations._transport.metering import FREE, Billing, Cost, Meter
from langchain_pollinations._types import Json

MEDIA_TOKENS = 1000
"""Expected tokens of an image, an audio, a video or a file in a prompt."""


def chat_billing(body: Json, is_free: bool, meters: Sequence[Meter]) -> Billing:
    """Return how a chat is billed. The legacy hosts are free."""
    model = canonical(str(body["model"]))
    if is_free:
        return Billing("text", model, lambda: FREE, _cost, lambda _: Cost(model, FREE), meters)
    return Billing("text", model, partial(_estimate, model, body), _cost, partial(_partial, model, body), meters)


def prompt_tokens(body: Json) -> int:
    """Return the expected number of tokens of a prompt: one for each four characters, and a flat number for media."""
    tools = body.get("tools") or body.get("functions")
    contents = [message.get("content") or "" for message in body["messages"]]
    calls = [message["tool_calls"] for message in body["messages"] if message.get("tool_calls")]
    texts = [json.dumps(each, default=str) for each in [tools, *calls] if each]
    media = 0
    for content in contents:
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        objects = [part for part in parts if isinstance(part, dict)]  # the service rejects all other parts
        texts += [part["text"] for part in objects if isinstance(part.get("text"), str)]
        media += sum("text" not in part for part in objects)
    return sum(len(text) // 4 + 3 for text in texts) + media * MEDIA_TOKENS


def _estimate(model: str, body: Json) -> Decimal | None:
    limits = (body.get(name) for name in ("max_completion_tokens", "max_tokens"))
    limit = next((limit for limit in limits if isinstance(limit, int) and limit > 0), None)
    return expected_price(model, tokens=prompt_tokens(body), completion=limit)


def _partial(model: str, body: Json, text: Any) -> Cost:
    """Return the expected cost of a stream: the prompt, and the text that arrived."""
    written = len(text) // 4 + 1 if isinstance(text, str) else 0
    units = {"promptTextTokens": Decimal(prompt_tokens(body)), "completionTextTokens": Decimal(written)}
    amount = price_of(model, units)
    return Cost(model, amount, units, is_estimate=amount is not None)


def _cost(result: ChatResult | ChatGenerationChunk) -> Cost | None:
    """Return the cost of a response, or of a stream with its last chunk."""
    if isinstance(result, ChatResult):
        return cost_in(result.generations[0].message.response_metadata)
    metadata = result.message.response_metadata
    return cost_in(metadata) if "finish_reason" in metadata else None


def cost_in(metadata: Mapping[str, Any]) -> Cost:
    """Return the cost in the `response_metadata` of a message."""
    model, amount = canonical(metadata["model_name"]), metadata.get("cost")
    units = usage_units(metadata.get("token_usage") or {})
    if metadata.get("cached") is True:
        return Cost(model, FREE, is_stored=True, saved=price_of(model, units))
    return Cost(model, None if amount is None else Decimal(amount), units)
