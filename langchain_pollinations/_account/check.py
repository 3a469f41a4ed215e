"""Checks in advance whether a key may use a model and can pay for it. Pure functions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Literal, TypeVar
from urllib.parse import urlencode

import httpx
from pydantic import Field, ValidationError

from langchain_pollinations._account.records import Balance, KeyInfo
from langchain_pollinations._account.requests import balance_request, key_request
from langchain_pollinations._catalog.capabilities import did_you_mean
from langchain_pollinations._catalog.listing import parse_list
from langchain_pollinations._catalog.records import Model
from langchain_pollinations._transport.request import ApiRequest, RequestFlow
from langchain_pollinations._validation import CallOptions, format_validation_error
from langchain_pollinations.errors import KEYS_PAGE, InvalidResponseError, UnknownModelError

T = TypeVar("T")

Reason = Literal["UNAUTHORIZED", "FORBIDDEN", "KEY_BUDGET_EXHAUSTED", "QUEST_POLLEN_ONLY", "INSUFFICIENT_BALANCE"]
"""Why a key cannot use a model: the `code` of the error that a request would raise."""

_PAGES = "https://enter.pollinations.ai"
"""Origin of the pages where users manage keys and accounts."""

_SERVICE_KINDS: Mapping[str, str] = {"embeddings": "embedding"}
"""Kinds of models whose category has another name in the permissions of a key."""


@dataclass(frozen=True)
class ModelCheck:
    """Whether a key may use a model and can pay for it, before a request is sent.

    >>> check = PollinationsAccount().check("flux")
    >>> check.ok, check.available
    (True, Decimal('1000'))
    """

    model: Model
    """The model, as the service lists it."""
    reason: Reason | None = None
    """Why a request would fail: the `code` of its error. None if there is no known reason."""
    message: str = ""
    """A sentence about `reason`."""
    fix_url: str | None = None
    """URL of the page where the owner of the key can remove the cause."""
    available: Decimal | None = None
    """Highest price in pollen that the key can pay for a request to this model. None if the key may not see it: a key
    without a budget needs the scope `usage`. For a key with a budget and without this scope, it is the rest of the
    budget, and the balance of the account may be lower."""
    key: KeyInfo | None = None
    """The key. None if the service does not accept it."""

    @property
    def ok(self) -> bool:
        """Whether there is no known reason against a request."""
        return self.reason is None


class CheckOptions(CallOptions):
    """Arguments of a check."""

    model: str = Field(min_length=1)
    cost: Decimal | None = Field(default=None, ge=0)


# --- Requests ---------------------------------------------------------------------------------------------------------


def check_flow(options: CheckOptions) -> RequestFlow[ModelCheck]:
    """Request the key, its balance and the model, and judge them.

    Two model lists are requested. The list for the key contains private models, but neither models that the key may not
    use nor, if the account has no paid Pollen, models with `paid_only`. The list without a key contains those.
    """
    lists = [_models_request(options.model, send_credentials=has_key) for has_key in (True, False)]
    key, balance, listed, public = yield [
        _optional(key_request(), 401),
        _optional(balance_request(), 401, 403),
        *lists,
    ]
    own, everyone = (_find(options.model, entries) for entries in (listed, public))
    model = own or everyone
    if model is None:
        says = f"The service lists no model {options.model!r}.{did_you_mean(options.model, None)}"
        raise UnknownModelError(says, param="model")
    return judge(model, key, balance, is_listed=own is not None, cost=options.cost or Decimal(0))


def _optional(request: ApiRequest[T], *statuses: int) -> ApiRequest[T | None]:
    """Return a request whose result is None for a response with one of the statuses."""

    def parse(response: httpx.Response) -> T | None:
        return None if response.status_code in statuses else request.parse(response)

    return ApiRequest(
        request.method,
        request.path,
        parse,
        is_success=lambda response: response.is_success or response.status_code in statuses,
        to_error=request.to_error,
    )


def _models_request(model: str, *, send_credentials: bool) -> ApiRequest[list[Any]]:
    params = {"query": model, "reliability": "all"}
    return ApiRequest("GET", "/models", parse_list, {"params": params}, send_credentials=send_credentials)


def _find(name: str, entries: Sequence[Any]) -> Model | None:
    """Return the model with an id or alias."""
    for entry in entries:
        if isinstance(entry, dict) and name in (entry.get("name"), *(entry.get("aliases") or ())):
            try:
                return Model.model_validate({**entry, "origin": "live"})
            except ValidationError as error:
                says = f"The record of {name!r} cannot be parsed: {format_validation_error(error)}"
                raise InvalidResponseError(says) from None
    return None


# --- Rules ------------------------------------------------------------------------------------------------------------


def judge(model: Model, key: KeyInfo | None, balance: Balance | None, *, is_listed: bool, cost: Decimal) -> ModelCheck:
    """Apply the checks of the service in its order: the key, its permission, its budget, the balance.

    Args:
        model: The model.
        key: The key; None if the service does not accept it.
        balance: What the key can spend; None if the key may not see it.
        is_listed: Whether the model list for this key contains the model.
        cost: Expected price of a request in pollen.
    """
    fail = partial(ModelCheck, model, key=key)
    if key is None:
        return fail("UNAUTHORIZED", "The key is wrong, or it has expired.", KEYS_PAGE)
    if not key.valid or _is_expired(key):
        return fail("UNAUTHORIZED", "The key has expired.", KEYS_PAGE)
    category = _SERVICE_KINDS.get(model.kind, model.kind)
    if key.models is not None and not {model.id, model.kind, category, *model.aliases} & set(key.models):
        allowed = ", ".join(key.models) or "no models"
        page = _page("/grant", key, "agent_grant", category=category)
        return fail("FORBIDDEN", f"The key may use {allowed}, not {category} models such as {model.id}.", page)
    left = _left(model, key, balance)
    known = [amount for amount in (key.budget, left) if amount is not None]
    fail = partial(fail, available=max(min(known), Decimal(0)) if known else None)
    if key.budget is not None and not _covers(key.budget, cost):
        page = _page("/edit-key", key, "agent_key_budget")
        return fail("KEY_BUDGET_EXHAUSTED", f"The budget of the key is too low: {key.budget} pollen.", page)
    lacks_paid = bool(model.paid_only) and left is None and not is_listed
    if key.quest_only and (model.paid_only or (left is not None and not _covers(left, cost))):
        says = f"needs paid Pollen ({model.id})" if model.paid_only else f"has too little Quest Pollen: {left}"
        page = _page("/edit-key", key, "agent_quest_pollen_only")
        return fail("QUEST_POLLEN_ONLY", f"The key only spends Quest Pollen, and the request {says}.", page)
    if lacks_paid or (left is not None and not _covers(left, cost)):
        kind = "paid Pollen" if model.paid_only else "pollen"
        says = f"The account has too little {kind}" + ("." if left is None else f": {left}.")
        return fail("INSUFFICIENT_BALANCE", says, _page("/top-up", None, "agent_low_balance_topup"))
    return fail()


def _is_expired(key: KeyInfo) -> bool:
    if key.expires_in is not None:  # by the clock of the service
        return key.expires_in <= 0
    return key.expires_at is not None and key.expires_at <= dt.datetime.now(dt.UTC)


def _left(model: Model, key: KeyInfo, balance: Balance | None) -> Decimal | None:
    """Return the highest price that the balance of the account covers; None if it is not visible.

    One kind of pollen must cover the whole price. The kinds are not added up.
    """
    if balance is None:
        return None
    if balance.account is None:
        return balance.balance if key.budget is None else None
    return max(_spendable(model, key, balance.account.quest, balance.account.paid), default=Decimal(0))


def _spendable(model: Model, key: KeyInfo, quest: Decimal, paid: Decimal) -> Iterable[Decimal]:
    if not model.paid_only:
        yield quest
    if not key.quest_only:
        yield paid


def _covers(amount: Decimal, cost: Decimal) -> bool:
    return amount > 0 and amount >= cost


def _page(path: str, key: KeyInfo | None, ref: str, **query: str) -> str:
    """Return the URL of a page, as the service names it in its errors."""
    of_key = {"id": key.id} if key is not None and key.id else {}
    return f"{_PAGES}{path}?{urlencode({**of_key, **query, 'ref': ref})}"
