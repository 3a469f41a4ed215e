"""The records of the account endpoints."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from langchain_pollinations._catalog.records import _Record
from langchain_pollinations._types import Json


def _aware(moment: dt.datetime) -> dt.datetime:
    """Return an aware time. The service writes the times of usage records in UTC, without a time zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


Moment = Annotated[dt.datetime, AfterValidator(_aware)]


class AccountBalance(_Record):
    """The balance of a whole account, in pollen. One kind of pollen must cover the whole price of a request."""

    _NAMES: ClassVar[Mapping[str, str]] = {"tier": "quest"}

    total: Decimal
    quest: Decimal
    """Quest Pollen, which is earned."""
    paid: Decimal
    """Paid Pollen, which is bought. Only it can pay for models with `paid_only`."""


class Balance(_Record):
    """What a key can spend.

    If the key has a budget (`KeyInfo.budget`), `balance` is the rest of this budget. Otherwise `balance` is the total
    of the account.
    """

    _NAMES: ClassVar[Mapping[str, str]] = {"accountBalance": "account"}

    balance: Decimal
    """Pollen."""
    account: AccountBalance | None = None
    """The balance of the whole account. None without the scope `usage`."""


class KeyInfo(_Record):
    """An API key: its permissions, budget and expiry."""

    _NAMES: ClassVar[Mapping[str, str]] = {
        "expiresAt": "expires_at",
        "expiresIn": "expires_in",
        "pollenBudget": "budget",
        "questPollenOnly": "quest_only",
        "rateLimitEnabled": "is_rate_limited",
        "userId": "user_id",
        "keyId": "id",
        "byopClientKeyId": "app_key_id",
    }

    valid: bool
    type: str
    """`secret` or `publishable`."""
    id: str | None = None
    name: str | None = None
    user_id: str | None = None
    app_key_id: str | None = None
    """Id of the App Key that made this key. None if no app made it."""
    expires_at: Moment | None = None
    """None if the key does not expire."""
    expires_in: float | None = None
    """Seconds until the key expires; 0 if it has expired."""
    models: tuple[str, ...] | None = None
    """Categories of the models that the key may use, such as `text` or `embedding`. Older keys may list model ids. None
    is all models."""
    scopes: tuple[str, ...] = ()
    """Account permissions: `profile`, `usage`, `keys`, `machines`."""
    budget: Decimal | None = None
    """Pollen that the key may still spend. None if the key has no budget and spends the balance of the account."""
    quest_only: bool = False
    """Whether the key spends only Quest Pollen."""
    is_rate_limited: bool = False
    """Whether the service limits the rate of requests. True for publishable keys only."""

    @classmethod
    def _read(cls, entry: Json) -> Json:
        read = super()._read(entry)
        permissions = read.pop("permissions", None)
        named = permissions if isinstance(permissions, Mapping) else {}
        found = {"models": named.get("models"), "scopes": named.get("account")}
        return read | {name: value for name, value in found.items() if value is not None}


class Profile(_Record):
    """The owner of a key."""

    _NAMES: ClassVar[Mapping[str, str]] = {
        "githubUsername": "github_username",
        "communityEndpointsAllowed": "community_endpoints_allowed",
    }

    github_username: str | None = None
    image: str | None = None
    """URL of the profile image."""
    community_endpoints_allowed: bool = False
    """Whether the account may publish community models."""
    name: str | None = None
    """None without the scope `profile`, like `email`."""
    email: str | None = None


class UsageRecord(_Record):
    """One billed request. Stored responses of the service's cache are free and have no record.

    A record appears seconds to minutes after its request.
    """

    timestamp: Moment
    """Time of the request in whole seconds, in UTC."""
    cursor_event_id: str = ""
    """Id of the record."""
    type: str
    """Such as `generate.text`, `generate.image`, or `mcp.call` for hosted tools."""
    model: str | None = None
    cost_usd: Decimal
    """Price in pollen. The service names it after the US dollar, about the value of one pollen."""
    meter_source: str | None = None
    """What paid: `tier` is Quest Pollen, `pack` is paid Pollen, `crypto` is x402."""
    api_key_id: str | None = None
    api_key: str | None = None
    """Display name of the key, never the key itself."""
    api_key_type: str | None = None
    input_text_tokens: float = 0.0
    input_cached_tokens: float = 0.0
    input_cache_write_tokens: float = 0.0
    input_audio_tokens: float = 0.0
    input_audio_seconds: float = 0.0
    input_image_tokens: float = 0.0
    output_text_tokens: float = 0.0
    output_reasoning_tokens: float = 0.0
    output_audio_tokens: float = 0.0
    output_audio_seconds: float = 0.0
    output_image_tokens: float = 0.0
    output_video_seconds: float = 0.0
    response_time_ms: float | None = None


class DailyUsage(_Record):
    """The usage of one model and one kind of pollen on one day, in UTC. It may be an hour old."""

    date: dt.date
    model: str | None = None
    meter_source: str | None = None
    """`tier` is Quest Pollen, `pack` is paid Pollen."""
    requests: int
    cost_usd: Decimal
    """Price in pollen of all requests."""
