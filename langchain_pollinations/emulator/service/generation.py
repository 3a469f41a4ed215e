"""Runs generations.

A request is answered from the cache if possible. Otherwise, its API key, permission, balance, abilities and rate limit
are checked, in this order. Then the result is generated and billed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from langchain_pollinations.emulator.service import accounts, cache, catalog
from langchain_pollinations.emulator.service.accounts import Account
from langchain_pollinations.emulator.service.cache import Stored
from langchain_pollinations.emulator.service.catalog import Model
from langchain_pollinations.emulator.service.error_responses import PaymentOffer
from langchain_pollinations.emulator.service.ledger import UsageRecord
from langchain_pollinations.emulator.state import Asked, State

OFFER_HEADER = "idempotency-key"  # asks for an offer to pay without an API key


@dataclass(frozen=True)
class Job:
    """A generation: its model, cache key, estimated usage and ability checks."""

    model: Model
    key: str  # of the response cache; empty if the result is never stored
    estimate: Mapping[str, float]
    check_abilities: Callable[[], None]  # raises if the model does not support the request
    asked_name: str | None = None  # the model's name in the request
    has_offer: bool = False  # the request can be paid without an API key


@dataclass(frozen=True)
class GenerationResult:
    """The result of a generation. Its headers contain the cache status."""

    stored: Stored
    headers: Mapping[str, str]


def admit(state: State, asked: Asked, job: Job) -> Account:
    """Check a request and return the account that pays for it.

    Raises:
        Refusal: If a check fails. The first failed check determines the error.
    """
    if job.has_offer and not job.model.get("community") and not asked.key and OFFER_HEADER in asked.headers:
        raise PaymentOffer
    account = accounts.authenticate(state.keys, asked.key, strict=state.strict_keys)
    accounts.permit(account, job.model, job.asked_name)
    accounts.afford(account, job.model, catalog.cost(job.model, job.estimate))
    job.check_abilities()
    state.rates.admit(asked.key or "", job.model)
    return account


def bill(
    state: State, asked: Asked, account: Account, model: Model, units: Mapping[str, float], kind: str | None = None
) -> None:
    """Charge a complete request and add it to the ledger. The default `kind` is that of a generation with the model.

    A request that arrived before the state was cleared, such as a generation that its client left, is not charged.
    """
    if asked.at < state.cleared:
        return
    price = catalog.cost(model, units)
    state.ledger.add(
        UsageRecord(
            type=kind or f"generate.{model['category']}",
            model=str(model["name"]),
            key=asked.key or "",
            key_id=str(account.get("id")),
            key_name=account.get("name"),
            user_id=accounts.user_id(account),
            units=dict(units),
            cost=price,
            meter_source=accounts.charge(account, model, price),
            response_time=time.monotonic() - asked.at,
        )
    )


async def run(
    state: State,
    asked: Asked,
    job: Job,
    make: Callable[[], Awaitable[tuple[Stored, Mapping[str, float]]]],
) -> GenerationResult:
    """Return the cached result, or the result of an identical running generation, or a new result.

    A cached result is neither checked nor billed. A shared generation is billed once, when it is complete.
    """
    found = state.cache.find(job.key) if job.key else None
    if found is not None:
        return GenerationResult(found, {**found.headers, **cache.headers(job.key, "EXACT", found.date)})
    account = admit(state, asked, job)

    async def generation() -> Stored:
        if state.latency:
            await asyncio.sleep(state.latency)
        stored, units = await make()
        bill(state, asked, account, job.model, units)
        return stored

    if not job.key:
        stored = await generation()
        return GenerationResult(stored, {**stored.headers, "x-cache": "MISS"})
    stored, kind = await state.cache.join(job.key, generation)
    return GenerationResult(stored, {**stored.headers, **cache.headers(job.key, kind, stored.date)})
