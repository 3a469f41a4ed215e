"""Creates, describes, changes and deletes the API keys of a user."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from langchain_pollinations.emulator.service import accounts, validation
from langchain_pollinations.emulator.service.accounts import Account
from langchain_pollinations.emulator.service.catalog import CATEGORY_ORDER, Catalog
from langchain_pollinations.emulator.service.error_responses import Refusal, invalid
from langchain_pollinations.emulator.service.ledger import Ledger

Json = dict[str, Any]

PREFIXES = {"secret": "sk", "publishable": "pk"}


def _iso_date(value: Any) -> str | None:
    try:
        moment = datetime.fromisoformat(value)
        moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):  # not a date, or before the year 1 or after the year 9999 in UTC
        return "Invalid ISO datetime"
    return None if moment.tzinfo else "Invalid ISO datetime: the UTC offset is missing"


PATCH: validation.Table = {
    "name": validation.optional(validation.string(1, 253)),
    "allowedModels": validation.nullish(validation.array(validation.string())),
    "pollenBudget": validation.nullish(validation.number(0)),
    "questPollenOnly": validation.optional(validation.boolean),
    "accountPermissions": validation.nullish(validation.array(validation.option(*accounts.SCOPES))),
    "redirectUris": validation.optional(validation.array(validation.address)),
    "earningsEnabled": validation.optional(validation.boolean),
    "description": validation.nullish(validation.string()),
    "expiresAt": validation.nullish(_iso_date),
}
POST: validation.Table = {
    **{name: check for name, check in PATCH.items() if name != "expiresAt"},
    "name": validation.string(1, 253),
    "type": validation.optional(validation.option(*PREFIXES)),
    "expiresIn": validation.nullish(validation.integer(1)),
}


def type_of(key: str) -> str:
    return "publishable" if key.startswith("pk_") else "secret"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _expires_at(account: Account) -> str | None:
    moment = accounts.expiry(account)
    return None if moment is None else _iso(moment)


def budget(account: Account) -> Decimal | None:
    """Return the rest of the budget of an API key. None means that the balance of the user is the only limit."""
    return None if account.get("budget") is None else accounts.left(account, "budget")


def _permissions(account: Account) -> Json:
    return {"models": account.get("models"), "account": list(account.get("scopes") or ()) or None}


def describe(key: str, account: Account) -> Json:
    """Return the response of `GET /account/key`."""
    moment = accounts.expiry(account)
    seconds = None if moment is None else max(0, int((moment - datetime.now(UTC)).total_seconds()))
    app_key = account.get("app_key")
    return {
        "valid": True,
        "type": type_of(key),
        "name": account.get("name"),
        "expiresAt": _expires_at(account),
        "expiresIn": seconds,
        "permissions": _permissions(account),
        "pollenBudget": budget(account),
        "questPollenOnly": bool(account.get("quest_only")),
        "rateLimitEnabled": type_of(key) == "publishable",
        "userId": accounts.user_id(account),
        "keyId": account["id"],
        "byopClientKeyId": app_key and accounts.key_id(app_key),
    }


class ApiKeys:
    """The API keys of the user that owns an account."""

    def __init__(self, keys: dict[str, Account], account: Account, started: str) -> None:
        self._keys, self._account, self._started = keys, account, started

    def _owned(self) -> dict[str, Account]:
        owner = accounts.owner(self._account)
        owned = {key: each for key, each in [*self._keys.items()] if accounts.owner(each) is owner}
        for key, each in owned.items():
            each.setdefault("id", accounts.key_id(key))
        return owned

    def entries(self, ledger: Ledger) -> list[Json]:
        """Return the entries of `GET /account/keys`. They do not contain the API keys."""
        last_use = {record.key: _iso(record.moment) for record in ledger.records}
        return [self._entry(key, each, last_use.get(key)) for key, each in self._owned().items()]

    def _entry(self, key: str, account: Account, last_use: str | None = None) -> Json:
        prefix, _, secret = key.partition("_")
        return {
            "id": account["id"],
            "name": account.get("name"),
            "start": f"{prefix}_{secret[: min(3, len(secret) // 2)]}",
            "prefix": prefix,
            "createdAt": account.get("created", self._started),
            "expiresAt": _expires_at(account),
            "lastRequest": last_use,
            "permissions": _permissions(account),
            "metadata": account.get("metadata", {}),
            "pollenBalance": budget(account),
            "questPollenOnly": bool(account.get("quest_only")),
            "enabled": True,
        }

    def find(self, name: str) -> str:
        """Return the API key with an id.

        Raises:
            Refusal: If the user has no API key with this id.
        """
        key = next((key for key, each in self._owned().items() if each["id"] == name), None)
        if key is None:
            raise Refusal(404, "API key not found")
        return key

    def create(self, body: Mapping[str, Any], catalog: Catalog) -> Json:
        """Create an API key with the fields of a `POST` body. The scope "keys" is never granted."""
        account = _changes(body, catalog)
        if account.get("scopes"):
            account["scopes"] = [scope for scope in account["scopes"] if scope != "keys"]
        if body.get("expiresIn") is not None:
            account["expires"] = in_seconds(body["expiresIn"])
        key = issue(self._keys, accounts.owner(self._account), account, body.get("type") or "secret")
        return {**self._entry(key, self._keys[key]), "key": key}

    def change(self, name: str, body: Mapping[str, Any], catalog: Catalog) -> Json:
        """Change an API key with the fields of a `PATCH` body. The scope "keys" is kept, but not granted."""
        key = self.find(name)
        account = self._keys[key]
        changes = _changes(body, catalog)
        if changes.get("scopes") and "keys" not in (account.get("scopes") or ()):
            changes["scopes"] = [scope for scope in changes["scopes"] if scope != "keys"]
        account.update(changes | {"metadata": {**account.get("metadata", {}), **changes.get("metadata", {})}})
        return self._entry(key, account)

    def delete(self, name: str, asking: str) -> None:
        """Delete an API key, unless the request uses it."""
        key = self.find(name)
        if key == asking:
            raise Refusal(400, "The API key of this request cannot be deleted with itself")
        del self._keys[key]


# Fields of the `POST` and `PATCH` bodies, and the keys of an account that they set.
FIELDS = {
    "name": "name",
    "pollenBudget": "budget",
    "questPollenOnly": "quest_only",
    "accountPermissions": "scopes",
    "redirectUris": "redirect_uris",
    "expiresAt": "expires",
}
METADATA = ("description", "earningsEnabled")


def _changes(body: Mapping[str, Any], catalog: Catalog) -> Account:
    changes: Account = {key: body[name] for name, key in FIELDS.items() if name in body}
    if "allowedModels" in body:
        named = body["allowedModels"]
        changes["models"] = None if named is None else categories(named, catalog)
    if metadata := {name: body[name] for name in METADATA if name in body}:
        changes["metadata"] = metadata
    return changes


def categories(names: Iterable[str], catalog: Catalog) -> list[str]:
    """Return the categories of models. A name is a category or a model. A model stands for its whole category.

    Raises:
        Refusal: If a name is unknown.
    """
    found = []
    for name in names:
        model = catalog.find(name)
        if model is None and name not in CATEGORY_ORDER:
            known = ", ".join(CATEGORY_ORDER)
            raise invalid("JSON body", {"allowedModels": [f"Unknown model or category: {name}. Categories: {known}"]})
        found.append(name if model is None else str(model["category"]))
    return list(dict.fromkeys(found))


def in_seconds(seconds: float) -> datetime:
    try:
        return datetime.now(UTC) + timedelta(seconds=seconds)
    except OverflowError:
        raise invalid("JSON body", {"expiresIn": ["Too big: the date is after the year 9999"]}) from None


def issue(keys: dict[str, Account], user: Account, account: Account, kind: str = "secret") -> str:
    """Create an API key of a user and return it. `user` is the dictionary with the balance."""
    key = f"{PREFIXES[kind]}_{secrets.token_hex(16)}"
    keys[key] = {**account, "user": user, "id": accounts.key_id(key), "created": _iso(datetime.now(UTC))}
    return key
