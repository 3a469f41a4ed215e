"""The account routes: API keys, balance, profile and usage.

They read the same accounts and the same ledger as the generation routes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import uuid4

from starlette.responses import Response

from langchain_pollinations.emulator.service import accounts, api_keys, usage_report, validation
from langchain_pollinations.emulator.service.accounts import Account
from langchain_pollinations.emulator.service.api_keys import ApiKeys
from langchain_pollinations.emulator.state import Asked, State

Json = dict[str, Any]

UNLIMITED = Decimal(10) ** 9  # Pollen that the routes report for an unlimited balance; JSON has no infinity


def _exact(content: Json, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response that contains each `Decimal` as a number with all its digits."""
    mark = uuid4().hex
    text = json.dumps(content, ensure_ascii=False, default=lambda amount: f"{mark}{amount:f}{mark}")
    text = text.replace(f'"{mark}', "").replace(f'{mark}"', "")
    return Response(text, headers=dict(headers or {}), media_type="application/json")


def _account(state: State, asked: Asked, scope: str | None = None) -> Account:
    account = accounts.authenticate(state.keys, asked.key, strict=state.strict_keys)
    if scope is not None:
        accounts.require_scope(account, scope)
    return account


# The API key, the balance and the user.


async def key(state: State, asked: Asked) -> Response:
    return _exact(api_keys.describe(asked.key or "", _account(state, asked)))


async def balance(state: State, asked: Asked) -> Response:
    account = _account(state, asked)
    rest = api_keys.budget(account)
    if rest is None:
        accounts.require_scope(account, "usage")
    by_kind = accounts.pollen_by_kind(account)
    tier, paid = (min(by_kind[kind], UNLIMITED) for kind in ("quest", "paid"))
    total = min(tier + paid, UNLIMITED)
    content: Json = {"balance": total if rest is None else rest}
    if accounts.has_scope(account, "usage"):
        content["accountBalance"] = {"total": total, "tier": tier, "paid": paid}
    return _exact(content)


async def profile(state: State, asked: Asked) -> Response:
    return _exact(accounts.profile(_account(state, asked)) | {"communityEndpointsAllowed": False})


# Usage.


def _table(table: usage_report.Table, asked: Asked) -> Response:
    if asked.query.get("format") == "csv":
        disposition = f'attachment; filename="{table.name}.csv"'
        return Response(table.csv(), headers={"content-disposition": disposition}, media_type="text/csv")
    return _exact({"usage": table.rows, "count": len(table.rows)})


async def key_usage(state: State, asked: Asked) -> Response:
    _account(state, asked)
    records = [each for each in state.ledger.records if each.key == asked.key]
    return _table(usage_report.usage(records, asked.query), asked)


async def usage(state: State, asked: Asked) -> Response:
    user = accounts.user_id(_account(state, asked, "usage"))
    records = [each for each in state.ledger.records if each.user_id == user]
    return _table(usage_report.usage(records, asked.query), asked)


async def daily_usage(state: State, asked: Asked) -> Response:
    user = accounts.user_id(_account(state, asked, "usage"))
    records = [each for each in state.ledger.records if each.user_id == user]
    return _table(usage_report.daily(records, asked.query), asked)


# Administration of the API keys.


def _api_keys(state: State, asked: Asked) -> ApiKeys:
    return ApiKeys(state.keys, _account(state, asked, "keys"), state.started)


def _body(asked: Asked, table: validation.Table) -> Json:
    return validation.json_body(asked.body, asked.headers.get("content-type", ""), table)


async def keys(state: State, asked: Asked) -> Response:
    content = {"data": _api_keys(state, asked).entries(state.ledger)}
    return _exact(content, {"cache-control": "private, no-store"})


async def create_key(state: State, asked: Asked) -> Response:
    owned = _api_keys(state, asked)
    return _exact(owned.create(_body(asked, api_keys.POST), state.catalog), {"cache-control": "private, no-store"})


async def change_key(state: State, asked: Asked, name: str) -> Response:
    owned = _api_keys(state, asked)
    return _exact(owned.change(name, _body(asked, api_keys.PATCH), state.catalog))


async def delete_key(state: State, asked: Asked, name: str) -> Response:
    _api_keys(state, asked).delete(name, asked.key or "")
    return _exact({"success": True})
