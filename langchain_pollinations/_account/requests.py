"""Requests to the account endpoints, and the pages of usage records."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Literal, Self, TypedDict, TypeVar

import httpx
from pydantic import AwareDatetime, BaseModel, Field, ValidationError, field_validator, model_validator

from langchain_pollinations._account.records import Balance, DailyUsage, KeyInfo, Profile, UsageRecord
from langchain_pollinations._catalog.records import find
from langchain_pollinations._transport.error_response import error_from_response, parse_json
from langchain_pollinations._transport.request import ApiRequest
from langchain_pollinations._validation import CallOptions, format_validation_error, suggest_name, validated
from langchain_pollinations.errors import (
    InvalidRequestError,
    InvalidResponseError,
    PermissionDeniedError,
    PollinationsError,
)

Record = TypeVar("Record", bound=BaseModel)
Options = TypeVar("Options", bound=CallOptions)

Scope = Literal["key", "account"]
"""Whose usage is meant: that of the key, or that of the whole account, which needs the scope `usage`."""

MAX_DAYS = 90
"""Maximum days of a list of usage records."""
MAX_PAGE = 50_000
"""Maximum records of a page."""

_PERIODS: Mapping[str, str] = {"day": "%Y-%m-%d", "week": "%G-W%V-%u", "month": "%Y-%m"}
"""Formats of a period by its granularity. A week is parsed with its first day appended."""


# --- Single records ---------------------------------------------------------------------------------------------------


def key_request() -> ApiRequest[KeyInfo]:
    return ApiRequest("GET", "/account/key", partial(_parse_record, KeyInfo))


def balance_request() -> ApiRequest[Balance]:
    parse = partial(_parse_record, Balance)
    return ApiRequest("GET", "/account/balance", parse, to_error=partial(_to_error, "usage"))


def profile_request() -> ApiRequest[Profile]:
    return ApiRequest("GET", "/account/profile", partial(_parse_record, Profile))


def _to_error(scope: str, response: httpx.Response) -> PollinationsError:
    """Return the error for a response. The message of a 403 names the scope that the key lacks."""
    error = error_from_response(response)
    if isinstance(error, PermissionDeniedError) and scope not in error.message:
        error.message += f" (the key needs the scope {scope!r})"
        error.args = (error.message,)
    return error


def _parse_record(kind: type[Record], response: httpx.Response) -> Record:
    return _validate(kind, parse_json(response, f"{kind.__name__} of the account", Decimal), response)


def _validate(kind: type[Record], entry: Any, response: httpx.Response) -> Record:
    """Parse a record. A wrong record is an error, because a list without it would show too little usage."""
    try:
        return kind.model_validate(entry)
    except ValidationError as error:
        raise InvalidResponseError(
            f"The answer is no {kind.__name__}: {format_validation_error(error)}",
            status_code=response.status_code,
            request_id=response.headers.get("x-request-id"),
        ) from None


# --- Options of usage lists -------------------------------------------------------------------------------------------


class UsageFilters(TypedDict, total=False):
    """Keyword arguments of the lists of usage records. Give at most one of `days`, `since` and `period`."""

    days: int | None
    """Only records of the last days, in UTC and including today: 1 to 90. The default of the service is 30."""
    since: dt.datetime | None
    """Only records at or after this time, which must be aware and at most 90 days ago. Records have whole seconds, so
    all records of the second of `since` are included."""
    period: str | None
    """Only records of a day (`2026-11-30`), an ISO week (`2026-W48`) or a month (`2026-11`), in UTC. The service has
    records from 2026-01-01 on."""
    models: str | Iterable[str]
    """Only records of these models, by id or alias. A string is one model."""
    limit: int | None
    """Maximum number of records."""
    page_size: int
    """Records of one request: 1 to 50,000. The default is 1,000."""


class AccountFilters(UsageFilters, total=False):
    """Keyword arguments of the list of the usage records of an account."""

    key_ids: str | Iterable[str]
    """Only records of these keys (`KeyInfo.id`). A string is one id."""


class DailyFilters(TypedDict, total=False):
    """Keyword arguments of the list of daily usage. Give at most one of `days` and `period`."""

    days: int | None
    """As in `UsageFilters`. The default of the service is 90."""
    period: str | None
    """As in `UsageFilters`."""
    key_ids: str | Iterable[str]
    """As in `AccountFilters`."""


class _Range(CallOptions):
    days: int | None = Field(default=None, ge=1, le=MAX_DAYS, strict=True)
    period: str | None = None

    @field_validator("models", "key_ids", mode="before", check_fields=False)
    @classmethod
    def _listed(cls, names: Any) -> Any:
        if not isinstance(names, str | Iterable | None):
            raise ValueError("must be a string or a list of strings")
        listed = (names,) if isinstance(names, str) else tuple(names or ())
        if any(not isinstance(name, str) or not name.strip() or "," in name for name in listed):
            raise ValueError("must be strings without commas, and not empty")
        return listed

    @field_validator("period")
    @classmethod
    def _known(cls, period: str | None) -> str | None:
        if period is not None and _granularity(period) is None:
            raise ValueError("must be a day (2026-11-30), a week (2026-W48) or a month (2026-11)")
        return period

    @model_validator(mode="after")
    def _one_range(self) -> Self:
        given = [name for name in ("days", "since", "period") if getattr(self, name, None) is not None]
        if len(given) > 1:
            raise ValueError(f"give only one of {', '.join(given)}")
        return self

    def params(self) -> dict[str, str | int]:
        granularity = self.period and _granularity(self.period)
        params = {"days": self.days, "granularity": granularity, "period": self.period, **self._lists()}
        return {name: value for name, value in params.items() if value}

    def _lists(self) -> dict[str, str]:
        """Return the parameters that are comma lists."""
        return {}


class DailyOptions(_Range):
    """The options of `DailyFilters`."""

    key_ids: tuple[str, ...] = ()

    def _lists(self) -> dict[str, str]:
        return {"api_key_ids": ",".join(self.key_ids)}


class UsageOptions(_Range):
    """The options of `UsageFilters`."""

    since: AwareDatetime | None = None
    models: tuple[str, ...] = ()
    limit: int | None = Field(default=None, ge=1, strict=True)
    page_size: int = Field(default=1000, ge=1, le=MAX_PAGE, strict=True)

    @field_validator("since")
    @classmethod
    def _recent(cls, since: dt.datetime | None) -> dt.datetime | None:
        if since is not None and _days_since(since) > MAX_DAYS:
            says = f"the service lists the last {MAX_DAYS} days; for earlier records give period, such as '2026-07'"
            raise ValueError(says)
        return since

    def params(self) -> dict[str, str | int]:
        params = super().params()
        if self.since is not None:  # one day more, because the date of the service may be ahead of the local clock
            params["days"] = min(max(_days_since(self.since), 1) + 1, MAX_DAYS)
        return params

    def _lists(self) -> dict[str, str]:
        """Return the models with their canonical ids, because a record names the model by its id."""
        known = [model.id for name in self.models if (model := find(name)) is not None]
        return {"models": ",".join(dict.fromkeys([*self.models, *known]))}


class AccountOptions(UsageOptions):
    """The options of `AccountFilters`."""

    key_ids: tuple[str, ...] = ()

    def _lists(self) -> dict[str, str]:
        return {**super()._lists(), "api_key_ids": ",".join(self.key_ids)}


def _granularity(period: str) -> str | None:
    """Return the granularity of a period; None if it has no known format."""
    for granularity, pattern in _PERIODS.items():
        text = f"{period}-1" if granularity == "week" else period
        try:
            parsed = dt.datetime.strptime(text, pattern)
        except ValueError:
            continue
        if parsed.strftime(pattern) == text:  # strptime also accepts digits without their leading zero
            return granularity
    return None


def _days_since(moment: dt.datetime) -> int:
    """Return the number of days from a moment to the end of today, in UTC."""
    midnight = dt.datetime.combine(dt.datetime.now(dt.UTC).date(), dt.time(), dt.UTC)
    return 1 - (moment - midnight) // dt.timedelta(days=1)  # `astimezone` would fail near the first and the last year


def read_options(kind: type[Options], arguments: Mapping[str, Any]) -> Options:
    """Validate the arguments of a method.

    Raises:
        InvalidRequestError: If an argument is invalid.
    """
    if unknown := sorted(arguments.keys() - kind.model_fields.keys()):
        says = "; ".join(suggest_name(name, kind.model_fields) for name in unknown)
        raise InvalidRequestError(says, param=unknown[0] if len(unknown) == 1 else None)
    return validated(kind.model_validate, arguments)


# --- Usage lists ------------------------------------------------------------------------------------------------------


def daily_request(options: DailyOptions) -> ApiRequest[list[DailyUsage]]:
    parse = partial(_parse_list, DailyUsage)
    path, to_error = "/account/usage/daily", partial(_to_error, "usage")
    return ApiRequest("GET", path, parse, {"params": options.params()}, to_error=to_error)


def _parse_list(kind: type[Record], response: httpx.Response) -> list[Record]:
    return [_validate(kind, entry, response) for entry in _entries(response)]


def _entries(response: httpx.Response) -> Sequence[Any]:
    entries = parse_json(response, "list of usage records", Decimal).get("usage")
    if not isinstance(entries, list):
        raise InvalidResponseError("The answer is no list of usage records", status_code=response.status_code)
    return entries


@dataclass(frozen=True)
class Page:
    """One page of usage records, and the parameters that request the next page."""

    records: Sequence[UsageRecord]
    cursor: Mapping[str, str]


def _parse_page(response: httpx.Response) -> Page:
    entries = _entries(response)
    records = [_validate(UsageRecord, entry, response) for entry in entries]
    last = entries[-1] if entries else {}
    cursor = {"before": last.get("timestamp"), "before_event_id": last.get("cursor_event_id")}
    return Page(records, {name: str(value) for name, value in cursor.items() if value})


class UsagePages:
    """Reads a list of usage records page by page, newest first. It makes no network calls.

    Attributes:
        request: The request for the next page. None after the last page.
    """

    def __init__(self, scope: Scope, options: UsageOptions) -> None:
        self._scope, self._options = scope, options
        self._left = options.limit
        # Records have whole seconds, so a record of the same second as `since` has an earlier time.
        self._since = options.since and options.since.replace(microsecond=0)
        self._cursor: Mapping[str, str] = {}
        self.request: ApiRequest[Page] | None = self._request()

    def _size(self) -> int:
        size = self._options.page_size
        return size if self._left is None else min(size, self._left)

    def _request(self) -> ApiRequest[Page]:
        params = {**self._options.params(), "limit": self._size(), **self._cursor}
        path, to_error = "/account/key/usage", error_from_response
        if self._scope == "account":
            path, to_error = "/account/usage", partial(_to_error, "usage")
        return ApiRequest("GET", path, _parse_page, {"params": params}, to_error=to_error)

    def read(self, page: Page) -> Sequence[UsageRecord]:
        """Return the requested records of a page, and set the next request.

        Raises:
            InvalidResponseError: If the page is not the next one. The list would never end.
        """
        if page.cursor and page.cursor == self._cursor:
            raise InvalidResponseError("The service sent the same page of usage records twice")
        asked = self._size()
        records = [each for each in page.records if self._since is None or each.timestamp >= self._since]
        records = records[: self._left]
        is_last = len(page.records) < asked or len(records) < len(page.records) or not page.cursor
        if self._left is not None:
            self._left -= len(records)
        self._cursor = page.cursor
        self.request = None if is_last or self._left == 0 else self._request()
        return records
