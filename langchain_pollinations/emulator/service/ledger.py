"""The ledger: one record for each billed request. The account routes report it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count

from langchain_pollinations.emulator.service.bounded_memory import BoundedStore

MAX_RECORDS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecord:
    """A billed request.

        >>> answer = ChatPollinations().invoke("Hi")
        >>> record = emulator.ledger[-1]
        >>> record.type, record.model
        ('generate.text', 'openai/gpt-5.4-nano')

    Attributes:
        type: Kind of the request, for example "generate.text", "generate.image" or "mcp.call".
        model: Name of the model. For "mcp.call", the id of the server.
        key: The API key. It does not appear in the `repr`.
        key_id: Id of the API key.
        user_id: Id of the user that owns the API key.
        cost: The exact price in Pollen.
        units: Usage in the units of the model catalogue, for example `{"promptTextTokens": 5}`.
        meter_source: "tier" if Quest Pollen paid, "pack" if paid Pollen paid.
        key_name: Name of the API key.
        response_time: Seconds between the request and its completion. None if unknown.
        moment: When the request was complete.
        event_id: Id of the record. `Ledger.add` replaces an empty id.
    """

    type: str
    model: str
    key: str = field(repr=False)
    key_id: str
    user_id: str
    cost: Decimal
    units: Mapping[str, float] = field(default_factory=dict)
    meter_source: str = "pack"
    key_name: str | None = None
    response_time: float | None = None
    moment: datetime = field(default_factory=lambda: datetime.now(UTC))
    event_id: str = ""


class Ledger:
    """The records of all users. At most `MAX_RECORDS` are kept. The oldest records are removed first."""

    def __init__(self) -> None:
        self._records: BoundedStore[UsageRecord] = BoundedStore(MAX_RECORDS)
        self._count = count(1)

    @property
    def records(self) -> list[UsageRecord]:
        """The records, in the order in which they were added."""
        return self._records.all()

    def add(self, record: UsageRecord) -> None:
        """Add a record. A test can add records of earlier days. The balance does not change."""
        if not record.event_id:
            record = replace(record, event_id=f"evt_{next(self._count):012}")
        self._records.put(record.event_id, record, 0)

    def clear(self) -> None:
        self._records.clear()
