"""The account behind a key: its balance, its usage, and what the key may do."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Iterable, Iterator
from decimal import Decimal
from typing import Unpack, get_args

from langchain_pollinations._account.check import CheckOptions, check_flow
from langchain_pollinations._account.check import ModelCheck as ModelCheck
from langchain_pollinations._account.records import AccountBalance as AccountBalance
from langchain_pollinations._account.records import Balance, DailyUsage, KeyInfo, Profile, UsageRecord
from langchain_pollinations._account.requests import (
    AccountFilters,
    AccountOptions,
    DailyFilters,
    DailyOptions,
    Scope,
    UsageFilters,
    UsageOptions,
    UsagePages,
    balance_request,
    daily_request,
    key_request,
    profile_request,
    read_options,
)
from langchain_pollinations._config.service import ServiceConfig
from langchain_pollinations.errors import InvalidRequestError


class PollinationsAccount(ServiceConfig):
    """The account behind a key.

        >>> account = PollinationsAccount()
        >>> account.balance().balance
        Decimal('1000')
        >>> account.check(model="flux").ok
        True
        >>> for record in account.key_usage(days=1):
        ...     print(record.timestamp, record.model, record.cost_usd)

    The fields are the connection fields. Amounts are in pollen, as `Decimal`s with all digits that the service sends.
    Times are aware. Each method has an async version whose name begins with `a`.

    Some answers need a scope (an account permission) of the key. A key without it gets a `PermissionDeniedError` that
    names the scope, and whose `fix_url` is the page to grant it.
    """

    def key(self) -> KeyInfo:
        """Return the permissions, the budget and the expiry of the key. It costs nothing and needs no scope.

        Raises:
            AuthenticationError: If the key is missing, wrong or expired.
        """
        return self._client.send(key_request())

    async def akey(self) -> KeyInfo:
        """Asynchronous version of `key`."""
        return await self._client.asend(key_request())

    def balance(self) -> Balance:
        """Return what the key can spend: the rest of its budget, else the total of the account.

        Raises:
            PermissionDeniedError: If the key has neither a budget nor the scope `usage`.
        """
        return self._client.send(balance_request())

    async def abalance(self) -> Balance:
        """Asynchronous version of `balance`."""
        return await self._client.asend(balance_request())

    def profile(self) -> Profile:
        """Return the owner of the key. The name and the e-mail address need the scope `profile`."""
        return self._client.send(profile_request())

    async def aprofile(self) -> Profile:
        """Asynchronous version of `profile`."""
        return await self._client.asend(profile_request())

    # Usage. The methods validate their arguments at once, and request a page when its first record is read.

    def key_usage(self, **filters: Unpack[UsageFilters]) -> Iterator[UsageRecord]:
        """Iterate over the billed requests of this key, newest first. It needs no scope.

        The iterator requests one page after another.

        Args:
            filters: `days`, `since` or `period`, `models`, `limit` and `page_size`, see `UsageFilters`.

        Raises:
            InvalidRequestError: If an argument is invalid.
        """
        return self._records("key", read_options(UsageOptions, filters))

    def akey_usage(self, **filters: Unpack[UsageFilters]) -> AsyncIterator[UsageRecord]:
        """Asynchronous version of `key_usage`: `async for record in account.akey_usage()`."""
        return self._arecords("key", read_options(UsageOptions, filters))

    def usage(self, **filters: Unpack[AccountFilters]) -> Iterator[UsageRecord]:
        """Iterate over the billed requests of all keys of the account, newest first. It needs the scope `usage`.

        The iterator requests one page after another.

        Args:
            filters: The arguments of `key_usage`, and `key_ids`, see `AccountFilters`.

        Raises:
            InvalidRequestError: If an argument is invalid.
            PermissionDeniedError: If the key lacks the scope `usage`; raised when the first record is read.
        """
        return self._records("account", read_options(AccountOptions, filters))

    def ausage(self, **filters: Unpack[AccountFilters]) -> AsyncIterator[UsageRecord]:
        """Asynchronous version of `usage`: `async for record in account.ausage()`."""
        return self._arecords("account", read_options(AccountOptions, filters))

    def daily_usage(self, **filters: Unpack[DailyFilters]) -> list[DailyUsage]:
        """Return the usage of the account by day, model and kind of pollen, newest day first.

        It needs the scope `usage`. The result may be an hour old.

        Args:
            filters: `days` or `period`, and `key_ids`, see `DailyFilters`.

        Raises:
            InvalidRequestError: If an argument is invalid.
            PermissionDeniedError: If the key lacks the scope `usage`.
        """
        return self._client.send(daily_request(read_options(DailyOptions, filters)))

    async def adaily_usage(self, **filters: Unpack[DailyFilters]) -> list[DailyUsage]:
        """Asynchronous version of `daily_usage`."""
        return await self._client.asend(daily_request(read_options(DailyOptions, filters)))

    def spent(self, *, since: dt.datetime, scope: Scope = "key", models: str | Iterable[str] = ()) -> Decimal:
        """Return the sum of `cost_usd` of the records since a time, in pollen.

        Compare it with the count of a meter: `account.spent(since=meter.started)`. The sum is not exact to the request.
        Records have whole seconds, so other requests of the same second are included. They appear seconds to minutes
        after their requests. `since` is compared with the clock of the service.

        Args:
            since: Aware time, at most 90 days ago.
            scope: `key` is this key, `account` is all keys of the account and needs the scope `usage`.
            models: Only records of these models. A string is one model.

        Raises:
            InvalidRequestError: If an argument is invalid.
        """
        return sum((record.cost_usd for record in self._records(*_sum_of(since, scope, models))), Decimal(0))

    async def aspent(self, *, since: dt.datetime, scope: Scope = "key", models: str | Iterable[str] = ()) -> Decimal:
        """Asynchronous version of `spent`."""
        return sum([record.cost_usd async for record in self._arecords(*_sum_of(since, scope, models))], Decimal(0))

    # The check.

    def check(self, model: str, *, cost: Decimal | float | None = None) -> ModelCheck:
        """Check whether the key may use a model and can pay for it, before a request is sent.

        The check costs nothing. It applies the service's checks in their order: the key and its expiry, its permission
        for the category of the model, its budget, Quest Pollen and paid Pollen.

            >>> check = PollinationsAccount().check(model="veo", cost=5000)
            >>> check.ok, check.reason
            (False, 'INSUFFICIENT_BALANCE')

        Args:
            model: Id or alias of a model.
            cost: Expected price of a request in pollen. Without it, the check only requires that some pollen is left.

        Raises:
            InvalidRequestError: If an argument is invalid.
            UnknownModelError: If the service lists no such model.
        """
        return self._client.run(check_flow(read_options(CheckOptions, {"model": model, "cost": cost})))

    async def acheck(self, model: str, *, cost: Decimal | float | None = None) -> ModelCheck:
        """Asynchronous version of `check`."""
        return await self._client.arun(check_flow(read_options(CheckOptions, {"model": model, "cost": cost})))

    def _records(self, scope: Scope, options: UsageOptions) -> Iterator[UsageRecord]:
        client, pages = self._client, UsagePages(scope, options)
        while (request := pages.request) is not None:
            yield from pages.read(client.send(request))

    async def _arecords(self, scope: Scope, options: UsageOptions) -> AsyncIterator[UsageRecord]:
        client, pages = self._client, UsagePages(scope, options)
        while (request := pages.request) is not None:
            for record in pages.read(await client.asend(request)):
                yield record


def _sum_of(since: dt.datetime, scope: Scope, models: str | Iterable[str]) -> tuple[Scope, UsageOptions]:
    """Validate the arguments of `spent`."""
    if scope not in get_args(Scope):
        raise InvalidRequestError(f"scope must be one of {', '.join(get_args(Scope))}", param="scope")
    options = read_options(UsageOptions, {"since": since, "models": models})
    if options.since is None:
        raise InvalidRequestError("since must be an aware datetime", param="since")
    return scope, options
