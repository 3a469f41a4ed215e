"""The way of a generation: stored answer, key, permission, money, abilities, rate, and then the work itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from langchain_pollinations.emulator.service import accounts, cache, catalog
from langchain_pollinations.emulator.service.accounts import Account
from langchain_pollinations.emulator.service.cache import Stored
from langchain_pollinations.emulator.service.catalog import Model
from langchain_pollinations.emulator.state import Asked, World


@dataclass(frozen=True)
class Job:
    """One generation that a request asks for."""

    model: Model
    key: str  # of the response cache; empty where the answer is never stored
    estimate: Mapping[str, float]
    able: Callable[[], None]  # raises where the model cannot do what is asked
    asked_name: str | None = None  # of the model, as the request names it


@dataclass(frozen=True)
class Made:
    """A result and the headers that say how it came about."""

    stored: Stored
    headers: Mapping[str, str]


def admit(world: World, asked: Asked, job: Job) -> Account:
    """The account that pays, or the refusal of the first check that fails."""
    account = accounts.authenticate(world.keys, asked.key, strict=world.strict_keys)
    accounts.permit(account, job.model, job.asked_name)
    accounts.afford(account, job.model, catalog.cost(job.model, job.estimate))
    job.able()
    world.rates.admit(asked.key or "", job.model)
    return account


def bill(account: Account, model: Model, units: Mapping[str, float]) -> None:
    accounts.charge(account, model, catalog.cost(model, units))


async def run(
    world: World,
    asked: Asked,
    job: Job,
    make: Callable[[], Awaitable[tuple[Stored, Mapping[str, float]]]],
) -> Made:
    """The stored answer, the running one, or a new one that is billed when it is finished."""
    found = world.cache.find(job.key) if job.key else None
    if found is not None:
        return Made(found, {**found.headers, **cache.headers(job.key, "EXACT", found.date)})
    account = admit(world, asked, job)

    async def generation() -> Stored:
        if world.latency:
            await asyncio.sleep(world.latency)
        stored, units = await make()
        bill(account, job.model, units)
        return stored

    if not job.key:
        stored = await generation()
        return Made(stored, {**stored.headers, "x-cache": "MISS"})
    stored, kind = await world.cache.join(job.key, generation)
    return Made(stored, {**stored.headers, **cache.headers(job.key, kind, stored.date)})
