"""API keys and their accounts: permissions, budgets, balances and charges.

The currency of the service is Pollen. Paid Pollen is bought. Quest Pollen is earned.

An account is a plain dictionary, so that a test can change it while the emulator runs. All keys are optional:

- `balance`: paid Pollen plus Quest Pollen. The default is unlimited.
- `paid`: the paid Pollen in the balance. The default is the whole balance.
- `budget`: Pollen that the API key may still spend.
- `quest_only`: True if the API key spends only Quest Pollen.
- `models`: names, aliases or categories of the models that the API key may use.
- `id`: id of the API key. Error responses contain it in their links.
- `app`: origin of the app that the API key belongs to. Error responses contain it in their links.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping, MutableMapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from langchain_pollinations.emulator.service.error_responses import ENTER, UNKNOWN_KEY, Refusal

Account = dict[str, Any]
DEFAULT_BALANCE = 1000.0


def default_keys() -> dict[str, Account]:
    return {"sk_emulator": {"balance": DEFAULT_BALANCE}}


def given_key(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """Return the API key of a request. The bearer token takes precedence over the query parameter `key`."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return query.get("key") or None


def authenticate(keys: MutableMapping[str, Account], key: str | None, *, strict: bool) -> Account:
    if key is None:
        raise Refusal(401)
    if key not in keys and strict:
        raise Refusal(401, UNKNOWN_KEY)
    return keys.setdefault(key, {"balance": DEFAULT_BALANCE})


def permit(account: Account, model: Mapping[str, Any], asked_name: str | None = None) -> None:
    """Reject a model that the API key may not use. `asked_name` is the model name in the request."""
    allowed = account.get("models")
    if allowed is None or {model["name"], model["category"], *model["aliases"]} & set(allowed):
        return
    page = _page(account, "/grant", "agent_grant", category=model["category"])
    words = f"The API key used for this request isn't allowed to use {asked_name or model['name']}."
    raise Refusal(
        403,
        f"Model '{model['name']}' is not allowed for this API key. Allow it at {page}",
        fix_url=page,
        notice=_notice(words, {"Allow it here": page}),
    )


def _page(account: Account, path: str, ref: str, **query: str) -> str:
    """Return the URL of the website page where the user can fix the cause of an error."""
    of_key = {"id": str(account.get("id", "key_1"))} if path in ("/edit-key", "/grant") else {}
    redirect = {"redirect": str(account["app"])} if "app" in account else {}
    return f"{ENTER}{path}?{urlencode({**of_key, **query, 'ref': ref, **redirect})}"


def _notice(words: str, links: Mapping[str, str]) -> str:
    """Return the text that a text route sends instead of an error. The response has status 200."""
    listed = " or ".join(f"[{text}]({url})" for text, url in links.items())
    return f"{words} {listed}.\n\nIf you did not set up this key yourself, ask the app\u2019s developer."


def _left(account: Account, what: str) -> float:
    value = account.get(what)
    return float("inf") if value is None else float(value)


def _pollen_by_kind(account: Account, model: Mapping[str, Any]) -> dict[str, float]:
    """Return the remaining Pollen of each kind that may pay for a model.

    The service charges one kind for the whole price. It never splits a price between the kinds.
    """
    balance = _left(account, "balance")
    paid = min(balance, _left(account, "paid"))
    quest = balance - paid if paid < balance else 0.0
    by_kind = {"quest": quest, "paid": paid}
    if model.get("paid_only"):
        del by_kind["quest"]
    if account.get("quest_only"):
        by_kind.pop("paid")
    return by_kind


def available(account: Account, model: Mapping[str, Any]) -> float:
    """Return the highest price that the account can pay for a model."""
    return max(_pollen_by_kind(account, model).values(), default=0.0)


NEEDS_PAID = "This model needs paid Pollen."


def afford(account: Account, model: Mapping[str, Any], estimate: Decimal) -> None:
    """Reject a request if its estimated price exceeds the budget of the key or the balance of the account."""
    needed = float(estimate)
    budget = _left(account, "budget")
    if budget <= 0 or budget < needed:
        raise _budget_spent(account, needed, budget)
    left = available(account, model)
    if left > 0 and left >= needed:
        return
    if account.get("quest_only"):
        raise _quest_only(account, model, needed, left)
    raise _balance_low(account, model, needed, left)


def refusal(account: Account, model: Mapping[str, Any], asked_name: str) -> Refusal:
    """Return the error for an account that lacks permission, budget or balance."""
    try:
        permit(account, model, asked_name)
        afford(account, model, Decimal(1))
    except Refusal as found:
        return found
    raise ValueError(f"an account of {account} refuses nothing")


def _costs(needed: float, left: float, what: str) -> str:
    return f"This request is estimated at ~{needed:.4f} pollen, {what} is {left:.4f} pollen."


def _budget_spent(account: Account, needed: float, budget: float) -> Refusal:
    page = _page(account, "/edit-key", "agent_key_budget")
    return Refusal(
        402,
        f"API key budget too low. {_costs(needed, budget, 'the rest of the budget')} Raise it at {page}",
        code="KEY_BUDGET_EXHAUSTED",
        fix_url=page,
        notice=_notice("The API key used for this request has reached its budget.", {"Raise the budget": page}),
    )


def _balance_low(account: Account, model: Mapping[str, Any], needed: float, left: float) -> Refusal:
    page = _page(account, "/top-up", "agent_low_balance_topup")
    words, links = "The account behind this API key doesn't have enough credits.", {"Top up": page}
    if model.get("paid_only"):
        what, words = "the paid balance", f"{words} {NEEDS_PAID}"
    else:
        what = "the balance"
        links["earn Quest Pollen"] = _page(account, "/quests", "agent_low_balance_quests")
    return Refusal(
        402,
        f"Insufficient balance. {_costs(needed, left, what)} Top up at {page}",
        code="INSUFFICIENT_BALANCE",
        fix_url=page,
        notice=_notice(words, links),
    )


def _quest_only(account: Account, model: Mapping[str, Any], needed: float, left: float) -> Refusal:
    page = _page(account, "/edit-key", "agent_quest_pollen_only")
    words, allow = "The API key used for this request only spends Quest Pollen", {"Allow paid Pollen": page}
    if model.get("paid_only"):
        message = "This model needs paid Pollen, but this API key only spends Quest Pollen."
        notice = _notice(f"{words}. {NEEDS_PAID}", allow)
    else:
        quests = _page(account, "/quests", "agent_quest_pollen_only_quests")
        message = f"Not enough Quest Pollen. {_costs(needed, left, 'Quest Pollen left')} Earn more at {quests}."
        notice = _notice(f"{words}, and there isn't enough left.", {"Earn more": quests} | allow)
    text = f"{message} Allow paid Pollen at {page}"
    return Refusal(402, text, code="QUEST_POLLEN_ONLY", fix_url=page, notice=notice)


def charge(account: Account, model: Mapping[str, Any], price: Decimal) -> None:
    """Subtract a price from the balance and the budget.

    The price is also subtracted from the paid Pollen if the Quest Pollen cannot cover it.
    """
    charged = ["balance", "budget"]
    if _pollen_by_kind(account, model).get("quest", 0.0) < float(price):
        charged.append("paid")
    for field in charged:
        if account.get(field) is not None:
            account[field] = round(float(account[field]) - float(price), 12)


class Rates:
    """Enforces the rate limits of models. It counts the recent generations of each API key with each model.

    A limit is a number of requests per minute. It can be fractional: 0.5 allows one request every two minutes.
    """

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], deque[float]] = {}

    def clear(self) -> None:
        self._calls.clear()

    def admit(self, key: str, model: Mapping[str, Any]) -> None:
        limit = model.get("per_user_rpm")
        if not limit:
            return
        calls = self._calls.setdefault((key, model["name"]), deque())
        moment = time.monotonic()
        most = math.ceil(limit)
        window = 60 * most / limit
        while calls and moment - calls[0] > window:
            calls.popleft()
        if len(calls) >= most:
            raise Refusal(
                429,
                f"Per-user limit of {limit} RPM exceeded for model {model['name']}",
                code="community_model_rate_limit",
                details={"name": "UpstreamError"},
                headers={"retry-after": str(max(1, round(window - (moment - calls[0]))))},
            )
        calls.append(moment)
