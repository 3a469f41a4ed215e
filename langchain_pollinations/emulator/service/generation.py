"""The steps of a generation: cache, key, permission, balance, abilities, rate limit, and then the work itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from langchain_pollinations.emulator.service import accounts, cache, catalog
from langchain_pollinations.emulator.service.accounts import Account
from langchain_pollinations.emulator.service.cache import Stored
from langchain_pollinations.emulator.service.catalog import Model
from langchain_pollinations.emulator.state import Asked, State


@dataclass(frozen=True)
class Job:
    """One generation that a request asks for."""

    model: Model
    key: str  # of the response cache; empty if the result is never stored
    estimate: Mapping[str, float]
    check_abilities: Callable[[], None]  # raises if the model does not support the request
    asked_name: str | None = None  # the model's name in the request


@dataclass(frozen=True)
class GenerationResult:
    """A result, with headers that include its cache status."""

    stored: Stored
    headers: Mapping[str, str]


def admit(state: State, asked: Asked, job: Job) -> Account:
    """Return the account that pays.

    Raises:
        Refusal: If a check fails. The first failure is raised.
    """
    account = accounts.authenticate(state.keys, asked.key, strict=state.strict_keys)
    accounts.permit(account, job.model, job.asked_name)
    accounts.afford(account, job.model, catalog.cost(job.model, job.estimate))
    job.check_abilities()
    state.rates.admit(asked.key or "", job.model)
    return account


def bill(account: Account, model: Model, units: Mapping[str, float]) -> None:
    accounts.charge(account, model, catalog.cost(model, units))


async def run(
    state: State,
    asked: Asked,
    job: Job,
    make: Callable[[], Awaitable[tuple[Stored, Mapping[str, float]]]],
) -> GenerationResult:
    """Return the cached result, join a running generation, or generate. The request is billed after the generation."""
    found = state.cache.find(job.key) if job.key else None
    if found is not None:
        return GenerationResult(found, {**found.headers, **cache.headers(job.key, "EXACT", found.date)})
    account = admit(state, asked, job)

    async def generation() -> Stored:
        if state.latency:
            await asyncio.sleep(state.latency)
        stored, units = await make()
        bill(account, job.model, units)
        return stored

    if not job.key:
        stored = await generation()
        return GenerationResult(stored, {**stored.headers, "x-cache": "MISS"})
    stored, kind = await state.cache.join(job.key, generation)
    return GenerationResult(stored, {**stored.headers, **cache.headers(job.key, kind, stored.date)})
