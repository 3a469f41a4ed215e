"""`PollenMeter`: counts the pollen that calls cost, and keeps them within a budget."""

from __future__ import annotations

import html
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from types import MappingProxyType, TracebackType
from typing import Any, Literal, Self, TypeAlias

from langchain_core.callbacks import BaseCallbackHandler

from langchain_pollinations._safe_text import safe_text
from langchain_pollinations._transport.metering import (
    FREE,
    METERS,
    Billing,
    Cost,
    Meter,
    add_started,
    amount_text,
    take_started,
)
from langchain_pollinations.errors import PollenBudgetExceeded

Amount: TypeAlias = str | int | float | Decimal
"""Pollen. A string or a `Decimal` is exact."""


@dataclass(frozen=True)
class ModelCost:
    """What the requests to one model cost.

    >>> with PollenMeter() as meter:
    ...     answer = ChatPollinations().invoke("Name three seas.")
    >>> meter.by_model()["openai/gpt-5.4-nano"].requests
    1
    """

    model: str
    """Canonical id of the model."""
    cost: Decimal = FREE
    """Pollen, including estimates."""
    requests: int = 0
    """Requests that were billed, or whose cost is unknown."""
    stored: int = 0
    """Responses that the service had stored. They are free."""
    saved: Decimal = FREE
    """Pollen that the stored responses would have cost, as far as it is known."""
    estimated: int = 0
    """Requests in `requests` whose cost is an estimate: the response did not arrive completely, or has no usage."""
    unknown: int = 0
    """Requests in `requests` whose cost is unknown, because the snapshot has no prices of the model."""
    units: Mapping[str, Decimal] = field(default_factory=dict)
    """Usage by the service's names of the prices, such as `promptTextTokens` and `completionVideoSeconds`."""

    def _add(self, cost: Cost) -> ModelCost:
        if cost.is_stored:
            return replace(self, stored=self.stored + 1, saved=self.saved + (cost.saved or FREE))
        names = dict.fromkeys((*self.units, *cost.units))
        return replace(
            self,
            cost=self.cost + (cost.amount or FREE),
            requests=self.requests + 1,
            estimated=self.estimated + cost.is_estimate,
            unknown=self.unknown + (cost.amount is None),
            units={name: self.units.get(name, FREE) + cost.units.get(name, FREE) for name in names},
        )


class PollenMeter(BaseCallbackHandler, Meter):
    """Counts the pollen that calls of this package cost, and keeps them within a budget.

        >>> with PollenMeter(budget="0.5") as meter:
        ...     answer = ChatPollinations().invoke("Name three seas.")
        >>> print(meter.table())
        model ...

    A meter counts the calls in its `with` block, and the calls whose callbacks contain it:
    `agent.invoke(..., config={"callbacks": [meter]})`. It counts chats, media, embeddings, transcripts and decisions,
    sync and async. Each request counts once, also if agents and chains are nested. If meters are nested, each of them
    counts the request.

    The `with` block applies to the current context: to its tasks, and to the threads that LangChain starts. A thread
    that the caller starts has a context of its own. Enter the same meter there too (`with meter:`), or pass it in the
    callbacks. A stream counts if its first chunk is requested in the block. A meter may be entered any number of times,
    and its methods may be called from any thread.

    The cost of a response is its usage, multiplied by the prices of the model list in this package. These prices may be
    older than those of the service. `PollinationsAccount.spent` returns what the service billed. Responses that the
    service had stored and requests that it refused cost nothing. An estimate counts for a stream that is left early, a
    request that is cancelled or whose connection is lost, and a response without usage.

    With a budget, a call raises `PollenBudgetExceeded` before it is sent, if the cost so far, the expected costs of the
    running requests and its own expected cost together exceed the budget. The expected cost is the price of the prompt
    and of `max_tokens`, or of a typical response. A response may cost more than expected, so the cost can exceed the
    budget by the requests that are running at that time.

    Args:
        budget: Maximum pollen, such as `"0.5"`. None is no limit.
        spent: Pollen that counts against the budget from the start, such as that of an interrupted run.
        unknown: What happens to a request whose price is unknown, if there is a budget. `refuse` raises
            `PollenBudgetExceeded`. `allow` sends it and counts it as free.

    Raises:
        ValueError: If `budget` or `spent` is not a finite number of at least 0.
    """

    run_inline = True
    """LangChain calls the handler in the context of the run."""

    def __init__(
        self,
        budget: Amount | None = None,
        *,
        spent: Amount = 0,
        unknown: Literal["refuse", "allow"] = "refuse",
    ) -> None:
        self.budget = None if budget is None else _amount("budget", budget)
        """Maximum pollen. None is no limit."""
        if unknown not in ("refuse", "allow"):
            raise ValueError(f"unknown must be 'refuse' or 'allow', not {unknown!r:.40}")
        self._refuses_unknown = unknown == "refuse"
        self._lock = threading.Lock()
        self.reset()
        self._before = _amount("spent", spent)

    def reset(self) -> None:
        """Forget all costs. Requests that are running count when they end."""
        with self._lock:
            self.started = datetime.now(UTC)
            """When the meter was created or reset: the `since` of `PollinationsAccount.spent`."""
            self._costs: dict[str, ModelCost] = {}
            self._before = FREE
            self._reserved = getattr(self, "_reserved", FREE)

    @property
    def total(self) -> Decimal:
        """Pollen so far, including estimates."""
        return self._total(self._costs)

    @property
    def saved(self) -> Decimal:
        """Pollen that the stored responses would have cost, as far as it is known. `total` does not include it.

        If a job repeats requests of an interrupted run, this is what that run had paid for the same responses.
        """
        return sum((each.saved for each in list(self._costs.values())), FREE)

    @property
    def left(self) -> Decimal | None:
        """Pollen of the budget that is not spent, at least 0. None without a budget."""
        return None if self.budget is None else max(FREE, self.budget - self.total)

    def by_model(self) -> Mapping[str, ModelCost]:
        """Return the costs by the canonical id of the model, the highest first."""
        with self._lock:
            costs = sorted(self._costs.values(), key=lambda each: (-each.cost, each.model))
        return MappingProxyType({each.model: each for each in costs})

    def table(self) -> str:
        """Return the costs by model as a text table."""
        rows = self._rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        aligned = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows]
        return "\n".join("  ".join(row).rstrip() for row in aligned)

    def _rows(self) -> list[list[str]]:
        costs = self.by_model()
        found = [["model", "requests", "stored", "pollen"]]
        for each in costs.values():
            found.append([safe_text(each.model, 80), str(each.requests), str(each.stored), _shown(each)])
        total = amount_text(self._total(costs))
        if self.budget is not None:
            total = f"{total} of {amount_text(self.budget)}"
        counts = [sum(getattr(each, name) for each in costs.values()) for name in ("requests", "stored")]
        return [*found, ["total", *map(str, counts), total]]

    def _total(self, costs: Mapping[str, ModelCost]) -> Decimal:
        return sum((each.cost for each in list(costs.values())), self._before)

    def _repr_html_(self) -> str:
        head, *rows = [[html.escape(cell) for cell in row] for row in self._rows()]
        lines = ["".join(f"<th>{cell}</th>" for cell in head)]
        lines += ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
        return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"

    def __repr__(self) -> str:
        limit = "" if self.budget is None else f", budget={amount_text(self.budget)}"
        return f"{type(self).__name__}(total={amount_text(self.total)}{limit})"

    def __enter__(self) -> Self:
        METERS.set((*METERS.get(), self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        meters = list(METERS.get())
        if self in meters:  # a generator may leave its block in another context than it entered it in
            meters.remove(self)
            METERS.set(tuple(meters))

    def __deepcopy__(self, memo: Any) -> Self:
        """Return the meter itself: a copied chain or agent counts with the same meter."""
        return self

    # The callbacks of LangChain. All other calls of this package find the meter in the config of the active run.

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        if (kwargs.get("invocation_params") or {}).get("_type") == "pollinations-chat":
            add_started(kwargs.get("run_id"), self)

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        take_started(kwargs.get("run_id"))

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        take_started(kwargs.get("run_id"))

    # The interface of the transport.

    def reserve(self, billing: Billing) -> Decimal:
        estimate = billing.estimate()
        with self._lock:
            if self.budget is not None:
                self._check(billing, estimate)
            self._reserved += estimate or FREE
        return estimate or FREE

    def _check(self, billing: Billing, estimate: Decimal | None) -> None:
        assert self.budget is not None
        spent = self._total(self._costs)
        if estimate is None and self._refuses_unknown:
            reason = f"the price of {billing.model!r} is unknown; PollenMeter(unknown='allow') sends such requests"
        elif spent + self._reserved + (estimate or FREE) > self.budget:
            running = f", {amount_text(self._reserved)} is expected for running requests" if self._reserved else ""
            expected = f"{running}, and this request to {billing.model!r} is expected to cost ~"
            reason = f"{amount_text(spent)} is spent{expected}{amount_text(_rounded(estimate or FREE))}"
        else:
            return
        raise PollenBudgetExceeded(
            f"The budget of {amount_text(self.budget)} pollen does not allow this request: {reason}",
            spent=spent,
            budget=self.budget,
            estimate=estimate,
        )

    def settle(self, reserved: Decimal, billing: Billing, cost: Cost | None) -> None:
        with self._lock:
            self._reserved -= reserved
            if cost is not None:
                self._costs[cost.model] = self._costs.get(cost.model, ModelCost(cost.model))._add(cost)


def _amount(argument: str, given: Amount) -> Decimal:
    try:
        found = Decimal(str(given)) if not isinstance(given, bool) else None
    except InvalidOperation:
        found = None
    if found is None or not found.is_finite() or found < 0:
        raise ValueError(f"{argument} must be a number of pollen of at least 0, such as '0.5', not {given!r:.60}")
    return found


def _rounded(amount: Decimal) -> Decimal:
    """Return an estimate with two significant digits."""
    return Decimal(f"{amount:.1e}") if amount else amount


def _shown(cost: ModelCost) -> str:
    if cost.unknown and cost.unknown == cost.requests:
        return "unknown"
    about = "~" if cost.estimated else ""
    return f"{about}{amount_text(cost.cost)}" + (" + unknown" if cost.unknown else "")
