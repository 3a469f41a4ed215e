"""Selects the records of the ledger for the account routes, and converts them to the format of the service."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from langchain_pollinations.emulator.service import api_keys, validation
from langchain_pollinations.emulator.service.error_responses import invalid
from langchain_pollinations.emulator.service.ledger import UsageRecord

Json = dict[str, Any]

FIRST_DAY = date(2026, 1, 1)  # periods before this day are rejected
DAY = timedelta(days=1)
TIMESTAMP = "%Y-%m-%d %H:%M:%S"

# The usage fields of a record, with the unit of the model catalogue that each one contains. The service has no field
# for the units of input videos and for the tokens of generated videos.
UNITS = {
    "input_text_tokens": "promptTextTokens",
    "input_cached_tokens": "promptCachedTokens",
    "input_cache_write_tokens": "promptCacheWriteTokens",
    "input_audio_tokens": "promptAudioTokens",
    "input_audio_seconds": "promptAudioSeconds",
    "input_image_tokens": "promptImageTokens",
    "output_text_tokens": "completionTextTokens",
    "output_reasoning_tokens": "completionReasoningTokens",
    "output_audio_tokens": "completionAudioTokens",
    "output_audio_seconds": "completionAudioSeconds",
    "output_image_tokens": "completionImageTokens",
    "output_video_seconds": "completionVideoSeconds",
}
RECORD_FIELDS = (
    "timestamp", "cursor_event_id", "type", "model", "api_key_id", "api_key", "api_key_type", "meter_source", *UNITS,
    "cost_usd", "response_time_ms",
)  # fmt: skip
DAILY_FIELDS = ("date", "model", "meter_source", "requests", "cost_usd")

# Query validation.


def _timestamp(text: str) -> datetime:
    """Parse the `timestamp` of a record.

    Raises:
        ValueError: If the text is not a timestamp.
    """
    return datetime.strptime(text, TIMESTAMP).replace(tzinfo=UTC)


def _is_timestamp(text: Any) -> str | None:
    try:
        _timestamp(text)
    except ValueError:
        return "Invalid input: expected a timestamp such as 2026-10-31 23:59:59"
    return None


DAILY_QUERY: validation.Table = {
    "format": validation.optional(validation.option("json", "csv")),
    "days": validation.coerced(validation.integer(1, 90)),
    "granularity": validation.optional(validation.option("day", "week", "month")),
}
USAGE_QUERY: validation.Table = {
    **DAILY_QUERY,
    "limit": validation.coerced(validation.number(1, 50000)),
    "before": validation.optional(_is_timestamp),
}


def _day(text: str) -> tuple[date, date]:
    first = date.fromisoformat(text)
    return first, first + DAY


def _week(text: str) -> tuple[date, date]:
    first = date.fromisoformat(text)  # a week without a day is its Monday
    return first, first + 7 * DAY


def _month(text: str) -> tuple[date, date]:
    first = date.fromisoformat(f"{text}-01")
    return first, (first + 31 * DAY).replace(day=1)


# By granularity: the form of a period, its description, and its first day and the day after its last day.
PERIODS: Mapping[str, tuple[str, str, Callable[[str], tuple[date, date]]]] = {
    "day": (r"\d{4}-\d{2}-\d{2}", "YYYY-MM-DD", _day),
    "week": (r"\d{4}-W\d{2}", "YYYY-Wnn", _week),
    "month": (r"\d{4}-\d{2}", "YYYY-MM", _month),
}


def _wrong_period(text: str) -> Exception:
    return invalid("Query parameter", {"period": [text]})


def _period(granularity: str, period: str, today: date) -> tuple[date, date]:
    pattern, form, parse = PERIODS[granularity]
    try:
        if not re.fullmatch(pattern, period, re.ASCII):
            raise ValueError(period)
        first, end = parse(period)
    except (ValueError, OverflowError):  # no such day, week or month
        raise _wrong_period(f"Invalid period: expected {form} for the granularity '{granularity}'") from None
    if end <= FIRST_DAY or first > today:
        raise _wrong_period(f"Invalid period: expected a period from {FIRST_DAY} to today")
    return first, end


def _window(query: Mapping[str, str], default_days: int) -> tuple[datetime, datetime]:
    """Return the start and the end of the requested time. Days are in UTC."""
    today = datetime.now(UTC).date()
    granularity, period = query.get("granularity"), query.get("period")
    if (granularity is None) != (period is None):
        missing = "period" if period is None else "granularity"
        raise invalid("Query parameter", {missing: ["granularity and period must be used together"]})
    if granularity is None or period is None:
        days = int(validation.coerced_number(query["days"])) if "days" in query else default_days
        first, end = today - (days - 1) * DAY, today + DAY
    else:
        first, end = _period(granularity, period, today)
    at_midnight = (datetime.combine(day, time(), UTC) for day in (first, end))
    return next(at_midnight), next(at_midnight)


# Selection.


@dataclass(frozen=True)
class Table:
    """The records of a response, as JSON objects with the same fields."""

    name: str  # of the CSV file, without extension
    fields: Sequence[str]
    rows: Sequence[Json]

    def csv(self) -> str:
        out = io.StringIO()
        writer = csv.DictWriter(out, self.fields)
        writer.writeheader()
        writer.writerows(
            {name: f"{value:f}" if isinstance(value, Decimal) else value for name, value in row.items()}
            for row in self.rows
        )
        return out.getvalue()


def _listed(query: Mapping[str, str], name: str) -> set[str]:
    return {part.strip() for part in query.get(name, "").split(",") if part.strip()}


def _selected(records: Iterable[UsageRecord], query: Mapping[str, str], default_days: int) -> list[UsageRecord]:
    first, end = _window(query, default_days)
    ids = _listed(query, "api_key_ids")
    return [each for each in records if first <= each.moment < end and (not ids or each.key_id in ids)]


def _position(record: UsageRecord) -> tuple[datetime, str]:
    """Return the position of a record in time. Timestamps have whole seconds, so the event id is compared too."""
    return record.moment.astimezone(UTC).replace(microsecond=0), record.event_id


def usage(records: Iterable[UsageRecord], query: Mapping[str, str]) -> Table:
    """Return one page of records, newest first.

    Raises:
        Refusal: If the query is invalid.
    """
    validation.against(USAGE_QUERY, query, "Query parameter")
    if "before_event_id" in query and "before" not in query:
        raise invalid("Query parameter", {"before": ["before_event_id must be used together with before"]})
    found = _selected(records, query, 30)
    if models := _listed(query, "models"):
        found = [each for each in found if each.model in models]
    if "before" in query:
        cursor = _timestamp(query["before"]), query.get("before_event_id", "")
        found = [each for each in found if _position(each) < cursor]
    found.sort(key=_position, reverse=True)
    limit = int(validation.coerced_number(query["limit"])) if "limit" in query else 100
    return Table("usage", RECORD_FIELDS, [_row(each) for each in found[:limit]])


def _row(record: UsageRecord) -> Json:
    milliseconds = None if record.response_time is None else round(record.response_time * 1000)
    return {
        "timestamp": record.moment.astimezone(UTC).strftime(TIMESTAMP),
        "cursor_event_id": record.event_id,
        "type": record.type,
        "model": record.model,
        "api_key_id": record.key_id,
        "api_key": record.key_name,
        "api_key_type": api_keys.type_of(record.key),
        "meter_source": record.meter_source,
        **{name: record.units.get(unit, 0) for name, unit in UNITS.items()},
        "cost_usd": record.cost,
        "response_time_ms": milliseconds,
    }


def daily(records: Iterable[UsageRecord], query: Mapping[str, str]) -> Table:
    """Return the number of requests and their cost by day, model and meter source, newest day first.

    Raises:
        Refusal: If the query is invalid.
    """
    validation.against(DAILY_QUERY, query, "Query parameter")
    costs: defaultdict[tuple[str, str, str], list[Decimal]] = defaultdict(list)
    for each in _selected(records, query, 90):
        costs[each.moment.astimezone(UTC).date().isoformat(), each.model, each.meter_source].append(each.cost)
    rows = [
        dict(zip(DAILY_FIELDS, (*group, len(spent), sum(spent, Decimal(0))), strict=True))
        for group, spent in costs.items()
    ]
    rows.sort(key=lambda row: (row["date"], row["requests"]), reverse=True)
    return Table("usage-daily", DAILY_FIELDS, rows)
