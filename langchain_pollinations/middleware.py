"""`PollenMiddleware`: keeps the runs of an agent within a budget. Requires `langchain` (extra `agents`)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, NotRequired
from uuid import uuid4

from langchain.agents.middleware.types import (
    AgentMiddleware,
    AgentState,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
    PrivateStateAttr,
    ToolCallRequest,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.types import Command, TracePolicy, omit_payload

from langchain_pollinations._transport.metering import amount_text
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.errors import PollenBudgetExceeded
from langchain_pollinations.meter import Amount, PollenMeter

MAX_RUNS = 1000
"""Maximum number of runs whose meters are kept."""


class PollenState(AgentState[Any]):
    """State of an agent with `PollenMiddleware`."""

    pollen_cost: NotRequired[str]
    """Pollen that the run cost so far, as decimal text. The next run of the thread starts at 0."""
    pollen_run: NotRequired[Annotated[str, PrivateStateAttr]]
    """Id of the run, by which the middleware finds its meter. A checkpoint cannot contain a meter."""


class PollenMiddleware(AgentMiddleware[PollenState, Any, Any]):
    """Keeps each run of an agent within a budget of pollen, and puts the cost of the run into the state.

        >>> from langchain.agents import create_agent
        >>> budget = PollenMiddleware(budget="0.5")
        >>> agent = create_agent(ChatPollinations(), middleware=[budget])
        >>> agent.invoke({"messages": [("user", "Tell a fable.")]})["pollen_cost"]
        '0.0...'

    The budget applies to all models and tools of this package that the run uses. If a model call may exceed the rest of
    the budget, the model `fallback` is called instead. If there is no fallback, or its call may exceed the budget too,
    the run ends with a message that gives the reason. A tool that may exceed the budget is not run. Its result is an
    error message, to which the model can respond. `PollenMeter` describes when a call may exceed the budget.

    Args:
        budget: Maximum pollen of a run, such as `"0.5"`.
        fallback: Id of a cheaper model, or a chat model. The id replaces the `model` of the agent's `ChatPollinations`.

    Raises:
        ValueError: If the budget is not a finite number of at least 0, or `fallback` is not a model.
    """

    state_schema = PollenState
    trace_policy = TracePolicy(process_inputs=omit_payload)

    def __init__(self, budget: Amount, *, fallback: str | BaseChatModel | None = None) -> None:
        super().__init__()
        if not (fallback is None or isinstance(fallback, BaseChatModel) or (isinstance(fallback, str) and fallback)):
            raise ValueError(f"fallback must be the id of a model or a chat model, not {fallback!r:.60}")
        self.budget = PollenMeter(budget).budget
        self.fallback = fallback
        self._meters: OrderedDict[str, PollenMeter] = OrderedDict()
        self._lock = threading.Lock()

    def before_agent(self, state: PollenState, runtime: Any) -> dict[str, Any]:
        return {"pollen_run": uuid4().hex, "pollen_cost": "0"}

    async def abefore_agent(self, state: PollenState, runtime: Any) -> dict[str, Any]:
        return self.before_agent(state, runtime)

    def before_model(self, state: PollenState, runtime: Any) -> dict[str, Any]:
        return {"pollen_cost": amount_text(self._meter(state).total)}

    async def abefore_model(self, state: PollenState, runtime: Any) -> dict[str, Any]:
        return self.before_model(state, runtime)

    def after_agent(self, state: PollenState, runtime: Any) -> dict[str, Any]:
        update = self.before_model(state, runtime)
        with self._lock:
            self._meters.pop(state["pollen_run"], None)
        return update

    async def aafter_agent(self, state: PollenState, runtime: Any) -> dict[str, Any]:
        return self.after_agent(state, runtime)

    def _meter(self, state: Any) -> PollenMeter:
        """Return the meter of a run. For a run that another process began, it continues from the cost in the state."""
        with self._lock:
            found = self._meters.setdefault(
                state["pollen_run"], PollenMeter(self.budget, spent=state.get("pollen_cost", "0"))
            )
            self._meters.move_to_end(state["pollen_run"])
            if len(self._meters) > MAX_RUNS:  # runs that failed or were never resumed
                self._meters.popitem(last=False)
        return found

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ExtendedModelResponse[Any]:
        meter, exceeded = self._meter(request.state), None
        for attempt in self._attempts(request):
            with meter:
                try:
                    return self._with_cost(handler(attempt()), meter)
                except PollenBudgetExceeded as error:
                    exceeded = error
        return self._with_cost(_end(exceeded), meter)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ExtendedModelResponse[Any]:
        meter, exceeded = self._meter(request.state), None
        for attempt in self._attempts(request):
            with meter:
                try:
                    return self._with_cost(await handler(attempt()), meter)
                except PollenBudgetExceeded as error:
                    exceeded = error
        return self._with_cost(_end(exceeded), meter)

    def _attempts(self, request: ModelRequest[Any]) -> list[Callable[[], ModelRequest[Any]]]:
        attempts: list[Callable[[], ModelRequest[Any]]] = [lambda: request]
        return attempts if self.fallback is None else [*attempts, partial(self._cheaper, request, self.fallback)]

    def _cheaper(self, request: ModelRequest[Any], model: str | BaseChatModel) -> ModelRequest[Any]:
        if isinstance(model, str):
            if not isinstance(request.model, ChatPollinations):
                raise TypeError(f"fallback: {model!r} is for a ChatPollinations; pass a chat model for other models")
            model = request.model.model_copy(update={"model": model})
        return request.override(model=model)

    def _with_cost(self, response: ModelResponse[Any], meter: PollenMeter) -> ExtendedModelResponse[Any]:
        """Put the cost into the state with the response, because another middleware may pause the run after it."""
        return ExtendedModelResponse(response, Command(update={"pollen_cost": amount_text(meter.total)}))

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]]
    ) -> ToolMessage | Command[Any]:
        with self._meter(request.state):
            try:
                return handler(request)
            except PollenBudgetExceeded as error:
                return self._not_run(request, error)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]
    ) -> ToolMessage | Command[Any]:
        with self._meter(request.state):
            try:
                return await handler(request)
            except PollenBudgetExceeded as error:
                return self._not_run(request, error)

    def _not_run(self, request: ToolCallRequest, error: PollenBudgetExceeded) -> ToolMessage:
        call = request.tool_call
        return ToolMessage(f"Not run: {error.message}", tool_call_id=call["id"], name=call["name"], status="error")


def _end(error: PollenBudgetExceeded | None) -> ModelResponse[Any]:
    """Return the message that ends the run, because it calls no tool."""
    assert error is not None
    return ModelResponse([AIMessage(f"The run ended, because its budget is used up. {error.message}")])
