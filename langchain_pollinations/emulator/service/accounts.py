"""API keys and their accounts: permissions, budgets, balances and charges.

The currency of the service is Pollen. Paid Pollen is bought. Quest Pollen is earned.

An account belongs to one API key. It is a plain dictionary, so that a test can change it while the emulator runs. Two
API keys must not share one dictionary. All keys are optional:

- `balance`: paid Pollen plus Quest Pollen. The default is unlimited.
- `paid`: the paid Pollen in the balance. The default is the whole balance.
- `budget`: Pollen that the API key may still spend.
- `quest_only`: True if the API key spends only Quest Pollen.
- `models`: names, aliases or categories of the models that the API key may use.
- `scopes`: the account routes that the API key may use: "profile", "usage", "keys", "machines". The default is none.
- `expires`: when the API key expires, an aware `datetime` or an ISO 8601 text with a UTC offset. The default is never.
- `banned`: True if the service has banned the user. Requests that need an API key are rejected.
- `id`: id of the API key. Error responses contain it in their links. The default is derived from the API key.
- `name`: name of the API key.
- `app`: origin of the app that the API key belongs to. Error responses contain it in their links.
- `app_key`: App Key (`pk_...`) of the app for which the user has created the API key.
- `redirect_uris`: addresses to which the sign-in with an App Key may return.
- `user`: dictionary of the user that owns the API key, with the keys `balance`, `paid`, `banned`, `user_id` and
  `profile`. API keys that share this dictionary share its balance. It can be the account of another API key. The
  default is the account itself.
- `user_id`: id of the user. The default is derived from the id of the API key.
- `created`, `metadata`: shown in the list of API keys.
- `profile`: profile of the user, with the keys `githubUsername`, `image`, `name` and `email`.

Amounts can be of any number type. A charge stores the exact rest as `Decimal`.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from langchain_pollinations.emulator.service.error_responses import ENTER, UNKNOWN_KEY, Refusal

Account = dict[str, Any]
DEFAULT_BALANCE = Decimal(1000)
DEFAULT_PROFILE: Mapping[str, str | None] = {
    "githubUsername": "emulator",
    "image": None,
    "name": "Emulator",
    "email": "emulator@example.org",
}
SCOPES = ("profile", "usage", "keys", "machines")
UNLIMITED = Decimal("Infinity")
MINUTE = 60.0  # seconds


def default_account() -> Account:
    return {"balance": DEFAULT_BALANCE, "scopes": list(SCOPES)}


def default_keys() -> dict[str, Account]:
    return {"sk_emulator": default_account()}


def given_key(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """Return the API key of a request. The bearer token takes precedence over the query parameter `key`."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return query.get("key") or None


def key_id(key: str) -> str:
    """Return the default id of an API key."""
    return f"key_{sha256(key.encode()).hexdigest()[:12]}"


def expiry(account: Account) -> datetime | None:
    """Return when an API key expires, or None if it never expires.

    Raises:
        ValueError: If `expires` of the account has no UTC offset or is not a date.
    """
    value = account.get("expires")
    if value is None:
        return None
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        text = "an aware datetime or an ISO 8601 text with a UTC offset"
        raise ValueError(f"'expires' of an account must be {text}, not {value!r}")
    return moment


def known(keys: Mapping[str, Account], key: str | None) -> Account | None:
    """Return the account of an API key. Return None if the API key is missing, unknown or expired."""
    account = keys.get(key or "")
    if account is None:
        return None
    ends = expiry(account)
    if ends is not None and ends <= datetime.now(UTC):
        return None
    account.setdefault("id", key_id(key or ""))
    return account


def authenticate(keys: MutableMapping[str, Account], key: str | None, *, strict: bool) -> Account:
    """Return the account of an API key.

    Raises:
        Refusal: If the API key is missing or expired, or its user is banned. If `strict`, also if it is unknown.
    """
    if not key:
        raise Refusal(401)
    if not strict:
        keys.setdefault(key, default_account())
    account = known(keys, key)
    if account is None:
        raise Refusal(401, UNKNOWN_KEY)
    if owner(account).get("banned"):
        raise Refusal(403, "This account is banned.")
    return account


def owner(account: Account) -> Account:
    """Return the dictionary that contains the balance of the user."""
    user: Account = account.get("user", account)
    return user


def user_id(account: Account) -> str:
    user = owner(account)
    return str(user.setdefault("user_id", f"user_{user.get('id') or uuid4().hex[:12]}"))


def has_scope(account: Account, scope: str) -> bool:
    return scope in (account.get("scopes") or ())


def profile(account: Account) -> dict[str, Any]:
    """Return the profile of the user. Name and email are included if the API key has the scope "profile"."""
    found = {**DEFAULT_PROFILE, **owner(account).get("profile", {})}
    private = () if has_scope(account, "profile") else ("name", "email")
    return {name: value for name, value in found.items() if name not in private}


def require_scope(account: Account, scope: str) -> None:
    """Reject an API key without an account scope."""
    if has_scope(account, scope):
        return
    page = _page(account, "/grant", "agent_grant", permission=scope)
    text = f"This API key does not have the permission account:{scope}. Allow it at {page}"
    raise Refusal(403, text, fix_url=page)


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


def left(account: Account, what: str) -> Decimal:
    """Return an amount of an account: "balance", "paid" or "budget". A missing amount is unlimited."""
    value = account.get(what)
    return UNLIMITED if value is None else Decimal(str(value))


def pollen_by_kind(account: Account) -> dict[str, Decimal]:
    """Return the Quest Pollen and the paid Pollen of a user."""
    user = owner(account)
    balance = left(user, "balance")
    paid = min(balance, left(user, "paid"))
    return {"quest": balance - paid if paid < balance else Decimal(0), "paid": paid}


def _usable(account: Account, model: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return the remaining Pollen of each kind that may pay for a model.

    The service charges one kind for the whole price. It never splits a price between the kinds.
    """
    by_kind = pollen_by_kind(account)
    if model.get("paid_only"):
        del by_kind["quest"]
    if account.get("quest_only"):
        by_kind.pop("paid")
    return by_kind


def available(account: Account, model: Mapping[str, Any]) -> Decimal:
    """Return the highest price that the account can pay for a model."""
    return max(_usable(account, model).values(), default=Decimal(0))


NEEDS_PAID = "This model needs paid Pollen."


def afford(account: Account, model: Mapping[str, Any], estimate: Decimal) -> None:
    """Reject a request if its estimated price exceeds the budget of the key or the balance of the account."""
    budget = left(account, "budget")
    if budget <= 0 or budget < estimate:
        raise _budget_spent(account, estimate, budget)
    most = available(account, model)
    if most > 0 and most >= estimate:
        return
    if account.get("quest_only"):
        raise _quest_only(account, model, estimate, most)
    raise _balance_low(account, model, estimate, most)


def refusal(account: Account, model: Mapping[str, Any], asked_name: str) -> Refusal:
    """Return the error for an account that lacks permission, budget or balance."""
    try:
        permit(account, model, asked_name)
        afford(account, model, Decimal(1))
    except Refusal as found:
        return found
    raise ValueError(f"an account of {account} refuses nothing")


def _costs(needed: Decimal, rest: Decimal, what: str) -> str:
    return f"This request is estimated at ~{needed:.4f} pollen, {what} is {rest:.4f} pollen."


def _budget_spent(account: Account, needed: Decimal, budget: Decimal) -> Refusal:
    page = _page(account, "/edit-key", "agent_key_budget")
    return Refusal(
        402,
        f"API key budget too low. {_costs(needed, budget, 'the rest of the budget')} Raise it at {page}",
        code="KEY_BUDGET_EXHAUSTED",
        fix_url=page,
        notice=_notice("The API key used for this request has reached its budget.", {"Raise the budget": page}),
    )


def _balance_low(account: Account, model: Mapping[str, Any], needed: Decimal, rest: Decimal) -> Refusal:
    page = _page(account, "/top-up", "agent_low_balance_topup")
    words, links = "The account behind this API key doesn't have enough credits.", {"Top up": page}
    if model.get("paid_only"):
        what, words = "the paid balance", f"{words} {NEEDS_PAID}"
    else:
        what = "the balance"
        links["earn Quest Pollen"] = _page(account, "/quests", "agent_low_balance_quests")
    return Refusal(
        402,
        f"Insufficient balance. {_costs(needed, rest, what)} Top up at {page}",
        code="INSUFFICIENT_BALANCE",
        fix_url=page,
        notice=_notice(words, links),
    )


def _quest_only(account: Account, model: Mapping[str, Any], needed: Decimal, rest: Decimal) -> Refusal:
    page = _page(account, "/edit-key", "agent_quest_pollen_only")
    words, allow = "The API key used for this request only spends Quest Pollen", {"Allow paid Pollen": page}
    if model.get("paid_only"):
        message = "This model needs paid Pollen, but this API key only spends Quest Pollen."
        notice = _notice(f"{words}. {NEEDS_PAID}", allow)
    else:
        quests = _page(account, "/quests", "agent_quest_pollen_only_quests")
        message = f"Not enough Quest Pollen. {_costs(needed, rest, 'Quest Pollen left')} Earn more at {quests}."
        notice = _notice(f"{words}, and there isn't enough left.", {"Earn more": quests} | allow)
    text = f"{message} Allow paid Pollen at {page}"
    return Refusal(402, text, code="QUEST_POLLEN_ONLY", fix_url=page, notice=notice)


def charge(account: Account, model: Mapping[str, Any], price: Decimal) -> str:
    """Subtract a price from the balance and the budget. Return the meter source: "tier" for Quest Pollen, else "pack".

    The price is also subtracted from the paid Pollen if the Quest Pollen cannot cover it.
    """
    user = owner(account)
    quest = _usable(account, model).get("quest")
    spends_quest = quest is not None and (bool(account.get("quest_only")) or quest >= price)
    charged = [(account, "budget"), (user, "balance"), *([] if spends_quest else [(user, "paid")])]
    for holder, what in charged:
        if holder.get(what) is not None:
            holder[what] = left(holder, what) - price
    return "tier" if spends_quest else "pack"


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
        window = MINUTE * most / limit
        while calls and moment - calls[0] > window:
            calls.popleft()
        if len(calls) >= most:
            raise Refusal(
                429,
                f"Per-user limit of {limit} RPM exceeded for model {model['name']}",
                code="community_model_rate_limit",
                details={"name": "UpstreamError"},
                headers={"retry-after": str(max(1, math.ceil(window - (moment - calls[0]))))},
            )
        calls.append(moment)
