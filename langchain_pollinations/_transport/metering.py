"""Metering of requests: each meter of a call may refuse the request, and learns what the response cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import httpx
from langchain_core.runnables.config import var_child_runnable_config

from langchain_pollinations import errors

if TYPE_CHECKING:
    from langchain_pollinations._transport.request import EventParser

T = TypeVar("T")

SENT_BEFORE = "pollinations_sent_before"
"""Key in the extensions of a response. True if an earlier attempt may have started the generation."""


Units = Mapping[str, Decimal]
"""Usage by the names of the prices, such as `promptTextTokens` or `completionVideoSeconds`."""


@dataclass(frozen=True)
class Cost:
    """The cost of one response."""

    model: str
    """The model that is billed."""
    amount: Decimal | None
    """Pollen. None if the price or the usage is unknown."""
    units: Units = field(default_factory=dict)
    """Usage by the names of the prices. Empty for a stored response, which used nothing."""
    is_stored: bool = False
    """Whether the service had stored the response. Such a response is free."""
    saved: Decimal | None = None
    """Pollen that a stored response would have cost. None if the price or the usage is unknown."""
    is_estimate: bool = False
    """Whether the amount is an estimate, because the response did not arrive completely, or has no usage."""

    @property
    def fields(self) -> dict[str, Any]:
        """The cost for the metadata of a message or a document. `cost` is absent if it is unknown."""
        known = {} if self.text is None else {"cost": self.text}
        return {**known, "cached": True} if self.is_stored else known

    @property
    def text(self) -> str | None:
        """The amount as decimal text."""
        return None if self.amount is None else amount_text(self.amount)


FREE = Decimal(0)


def amount_text(amount: Decimal) -> str:
    """Return an amount as decimal text without an exponent and without trailing zeros."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Meter(ABC):
    """Base class of meters. The methods may be called from any thread."""

    @abstractmethod
    def reserve(self, billing: Billing) -> Decimal:
        """Reserve the expected cost of a request, and return it.

        Raises:
            PollenBudgetExceeded: If the request may exceed the budget. It is then not sent.
        """

    @abstractmethod
    def settle(self, reserved: Decimal, billing: Billing, cost: Cost | None) -> None:
        """Replace a reservation by the cost of the response. None if nothing is billed."""


METERS: ContextVar[tuple[Meter, ...]] = ContextVar("METERS", default=())
"""The meters that are open in this context."""


@dataclass(frozen=True)
class Started:
    """The meters among the callbacks of a run. They are removed when the run builds its request, or ends."""

    run_id: Any
    meters: list[Meter] = field(default_factory=list)


STARTED: ContextVar[tuple[Started, ...]] = ContextVar("STARTED", default=())
"""The runs that have started in this context, in order. LangChain does not pass the callbacks of a stream on.

LangChain runs the rest of an asynchronous call in a task, whose changes of a context variable are not visible here.
Therefore the meters are removed from the run, not the run from the variable."""


def add_started(run_id: Any, meter: Meter) -> None:
    """Note a meter among the callbacks of a run that starts."""
    waiting = tuple(run for run in STARTED.get() if run.meters)
    run = next((run for run in waiting if run.run_id == run_id), None)
    if run is None:
        run = Started(run_id)
        STARTED.set((*waiting, run))
    run.meters.append(meter)


def take_started(run_id: Any = None) -> Sequence[Meter]:
    """Return the meters of a run, or of the first run that waits, once."""
    waiting = (run for run in STARTED.get() if run.meters and run_id in (None, run.run_id))
    if (run := next(waiting, None)) is None:
        return ()
    meters = tuple(run.meters)
    run.meters.clear()
    return meters


@dataclass(frozen=True)
class Billing:
    """How the cost of a request is estimated, and read from its result."""

    kind: str
    """Kind of request: `text`, `image`, `video`, `audio`, `3d`, `embeddings`, `transcript` or `decision`."""
    model: str
    """The requested model."""
    estimate: Callable[[], Decimal | None]
    """Returns the expected pollen. None if the price is unknown."""
    cost: Callable[[Any], Cost | None]
    """Returns the cost in a parsed result, or in an item of a stream. None if it has none."""
    partial: Callable[[Any], Cost] | None = None
    """Returns the estimated cost of a stream that ended early, or has no usage, from the part that arrived."""
    meters: Sequence[Meter] = ()
    """Meters among the callbacks of the call."""


def find_meters(callbacks: Any) -> list[Meter]:
    """Return the meters in the callbacks of a LangChain config or run: a list of handlers, or a manager."""
    handlers: Iterable[Any] = callbacks if isinstance(callbacks, list) else getattr(callbacks, "handlers", ())
    return [handler for handler in handlers if isinstance(handler, Meter)]


def _active(given: Iterable[Meter]) -> list[Meter]:
    """Return the meters of the call, of the context, and of the run that is active in LangChain. Each appears once."""
    config = var_child_runnable_config.get() or {}
    found = [*METERS.get(), *given, *find_meters(config.get("callbacks"))]
    return list(dict.fromkeys(found))


def metered(billing: Billing | None) -> Charge:
    """Return a context for a request. It costs nothing if no meter is active."""
    if billing is None or not (meters := _active(billing.meters)):
        return _UNMETERED
    return _MeteredCharge(billing, meters)


class Charge:
    """A request that no meter counts."""

    def add(self, item: T) -> T:
        """Read the cost in a result, or in an item of a stream, and return the item."""
        return item

    def watch(self, parser: EventParser[T]) -> EventParser[T]:
        """Return a parser of a stream that adds all its items."""
        return parser

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


_UNMETERED = Charge()


class _MeteredCharge(Charge):
    """A request that is metered. Entering the context reserves its expected cost, and leaving it settles the cost."""

    def __init__(self, billing: Billing, meters: Sequence[Meter]) -> None:
        self._billing, self._meters = billing, meters
        self._reserved: list[tuple[Meter, Decimal]] = []
        self._cost: Cost | None = None
        self._parser: EventParser[Any] | None = None

    def add(self, item: T) -> T:
        self._cost = self._billing.cost(item) or self._cost
        return item

    def watch(self, parser: EventParser[T]) -> EventParser[T]:
        self._parser = parser
        return _WatchedParser(parser, self.add)

    def __enter__(self) -> Self:
        with ExitStack() as refused:
            refused.callback(self._settle, None)
            for meter in self._meters:
                self._reserved.append((meter, meter.reserve(self._billing)))
            refused.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        cost = self._cost
        if cost is None and (error is None or may_be_billed(error)):
            cost = self._estimated()
        elif cost is not None and cost.amount is None:
            cost = replace(self._estimated(), model=cost.model, units=cost.units)
        self._settle(cost)

    def _estimated(self) -> Cost:
        """Return the expected cost of the request. The service may generate the whole response without its client."""
        billing = self._billing
        if billing.partial is not None and self._parser is not None:
            found = billing.partial(self._parser.partial)
            if found.amount is not None:
                return found
        amount = billing.estimate()
        return Cost(billing.model, amount, is_estimate=amount is not None)

    def _settle(self, cost: Cost | None) -> None:
        while self._reserved:
            meter, reserved = self._reserved.pop()
            meter.settle(reserved, self._billing, cost)


@dataclass(frozen=True)
class _WatchedParser(Generic[T]):
    """A parser of a stream that passes each item to `add`."""

    parser: EventParser[T]
    add: Callable[[T], T]

    @property
    def done(self) -> bool:
        return self.parser.done

    @property
    def partial(self) -> Any:
        return self.parser.partial

    def feed(self, data: str) -> Iterable[T]:
        return map(self.add, self.parser.feed(data))

    def end(self) -> Iterable[T]:
        return map(self.add, self.parser.end())

    def whole(self, response: httpx.Response) -> Iterable[T]:
        return map(self.add, self.parser.whole(response))


def may_be_billed(error: BaseException) -> bool:
    """Whether the service may bill a request that ended with this error.

    A generation goes on after its client has left, and after the reverse proxy has ended the request (status 524). An
    error status of the service is not billed.
    """
    if not isinstance(error, errors.PollinationsError):
        return True  # an interrupt, or a caller who left a stream
    if error._sent_before or isinstance(error, errors.InvalidResponseError):
        return True
    if error.status_code is not None:
        return error.status_code in _PROXY_TIMEOUTS
    return error.was_sent and isinstance(error, errors.RequestTimeoutError | errors.APIConnectionError)


_PROXY_TIMEOUTS = (522, 524, 598, 599)
