"""Keys and money: who may ask, for what, and what is left to spend.

An account is a plain dictionary, so that tests can change it while the emulator runs. All its entries are optional:
`balance` (pollen), `paid` (how much of it was bought; all of it by default), `budget` (what the key may still spend),
`models` (ids or categories that the key may use).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, MutableMapping
from decimal import Decimal
from typing import Any

from .refusals import ENTER, UNKNOWN_KEY, Refusal

Account = dict[str, Any]
PLENTY = 1000.0


def default_keys() -> dict[str, Account]:
    return {"sk_emulator": {"balance": PLENTY}}


def given_key(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """The key of a request: a bearer token, else the query parameter."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return query.get("key") or None


def authenticate(keys: MutableMapping[str, Account], key: str | None, *, strict: bool) -> Account:
    if key is None:
        raise Refusal(401)
    if key not in keys and strict:
        raise Refusal(401, UNKNOWN_KEY)
    return keys.setdefault(key, {"balance": PLENTY})


def permit(account: Account, model: Mapping[str, Any]) -> None:
    allowed = account.get("models")
    if allowed is None or {model["name"], model["category"], *model["aliases"]} & set(allowed):
        return
    raise Refusal(
        403,
        f"Model '{model['name']}' is not allowed for this API key",
        fix_url=f"{ENTER}/grant?models={model['name']}",
    )


def _left(account: Account, what: str) -> float:
    value = account.get(what)
    return float("inf") if value is None else float(value)


def available(account: Account, model: Mapping[str, Any]) -> float:
    """The balance that counts for a model: only bought pollen where it is `paid_only`."""
    balance = _left(account, "balance")
    return min(balance, _left(account, "paid")) if model.get("paid_only") else balance


def afford(account: Account, model: Mapping[str, Any], estimate: Decimal) -> None:
    """Refuse what the key's budget or the account's balance does not cover."""
    needed = float(estimate)
    budget = _left(account, "budget")
    if budget <= 0 or budget < needed:
        raise Refusal(
            402,
            f"API key budget exhausted: this request needs about {needed:.6f} pollen, {budget:.6f} are left",
            code="KEY_BUDGET_EXHAUSTED",
            fix_url=f"{ENTER}/keys",
        )
    balance = available(account, model)
    if balance <= 0 or balance < needed:
        raise Refusal(
            402,
            f"Insufficient pollen balance: this request needs about {needed:.6f} pollen, {balance:.6f} are left",
            code="INSUFFICIENT_BALANCE",
            fix_url=f"{ENTER}/",
        )


def charge(account: Account, price: Decimal) -> None:
    for purse in ("balance", "paid", "budget"):
        if account.get(purse) is not None:
            account[purse] = round(float(account[purse]) - float(price), 12)


class Rates:
    """Generations of the last minute by key and model, for the models that limit them."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], deque[float]] = {}

    def clear(self) -> None:
        self._calls.clear()

    def admit(self, key: str, model: Mapping[str, Any]) -> None:
        limit = model.get("per_user_rpm")
        if limit is None:
            return
        calls = self._calls.setdefault((key, model["name"]), deque())
        moment = time.monotonic()
        while calls and moment - calls[0] > 60:
            calls.popleft()
        if len(calls) >= limit:
            raise Refusal(
                429,
                f"Per-user limit of {limit} RPM exceeded for model {model['name']}",
                code="community_model_rate_limit",
                details={"name": "UpstreamError"},
                headers={"retry-after": str(max(1, round(60 - (moment - calls[0]))))},
            )
        calls.append(moment)
