"""Gives the emulator the API keys that the upstream knows, with their permissions and balances."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from langchain_pollinations.emulator.service import accounts
from langchain_pollinations.emulator.service.accounts import Account

Json = Mapping[str, Any]
Read = Callable[[str, str], Awaitable[tuple[int, Any]]]
"""Reads a path of the upstream with an API key. It returns the status, or 0 after a failure, and the JSON."""

KEY_ROUTE, BALANCE_ROUTE = "/account/key", "/account/balance"
MAX_KEYS = 1000  # keys whose state is remembered


def account_of(key: Json, balance: Json) -> Account:
    """Return the account for the responses of `/account/key` and `/account/balance`.

    A missing or unreadable amount is unlimited.
    """
    permissions = key.get("permissions") or {}
    whole = balance.get("accountBalance") or {}
    total = whole.get("total", None if key.get("pollenBudget") is not None else balance.get("balance"))
    found: Account = {
        "id": key.get("keyId"),
        "name": key.get("name"),
        "models": permissions.get("models"),
        "scopes": permissions.get("account") or [],
        "budget": key.get("pollenBudget"),
        "quest_only": bool(key.get("questPollenOnly")),
        "expires": key.get("expiresAt"),
        "user_id": key.get("userId"),
        "balance": total,
        "paid": whole.get("paid"),
    }
    return {name: value for name, value in found.items() if value is not None}


class MirroredKeys:
    """Reads the state of each API key once, when it is used first. Both routes that it reads are free."""

    def __init__(self, keys: dict[str, Account], read: Read) -> None:
        self._keys, self._read = keys, read
        self._seen: set[str] = set()

    async def mirror(self, key: str | None) -> None:
        """Add an API key to the emulator, unless the upstream rejects it.

        If the upstream cannot tell, the key has no limits.
        """
        if not key or key in self._seen:
            return
        status, state = await self._read(KEY_ROUTE, key)
        if status == 401:
            self._keys.pop(key, None)
        elif status == 200 and isinstance(state, Mapping):
            _, balance = await self._read(BALANCE_ROUTE, key)
            self._keys[key] = account_of(state, balance if isinstance(balance, Mapping) else {})
        else:
            self._keys[key] = accounts.default_account()
        if len(self._seen) < MAX_KEYS:
            self._seen.add(key)
