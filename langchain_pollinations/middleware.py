"""`PollenMiddleware`: keeps the runs of an agent within a budget. Requires `langchain` (extra `agents`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NotRequired

from langchain.agents.middleware.types import (
    AgentMiddleware,
    AgentState,
    ModelRequest,
    ModelResponse,
    PrivateStateAttr,
    ToolCallRequest,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.channels.untracked_value import UntrackedValue
from langgraph.types import Command, TracePolicy, omit_payload

from langchain_pollinations._transport.metering import amount_text
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.errors import PollenBudgetExceeded
from langchain_pollinations.meter import Amount, PollenMeter


class PollenState(AgentState[Any]):
    """State of an agent with `PollenMiddleware`."""

    pollen_cost: NotRequired[str]
    """Pollen that the run cost so far, as decimal text. The next run of the thread starts at 0."""
    pollen_meter: NotRequired[Annotated[PollenMeter, UntrackedValue, PrivateStateAttr]]
    """The meter of the run. Checkpoints do not contain it."""


class PollenMiddleware(AgentMiddleware[PollenState, Any, Any]):
    """Keeps each run of an agent within a budget of pollen, and puts the cost of the run into the state.

        >>> budget = PollenMiddleware(budget="0.5")
        >>> agent = create_agent(ChatPollinations(), tools, middleware=[budget])  # doctest: +SKIP
        >>> agent.invoke({"messages": [("user", "Illustrate a fable.")]})["pollen_cost"]  # doctest: +SKIP
        '0.0132'

    The budget applies to the models and the tools of this package that the run uses, as that of `PollenMeter`. If a
    model call may exceed the rest of the budget, the run continues with the model `fallback`. If there is no fallback,
    or if it is too expensive too, the run ends with a message that says so. A tool that may exceed the budget is not
    run. Its result is an error message, to which the model can respond.

    Args:
        budget: Maximum pollen of a run, such as `"0.5"`.
        fallback: Id of a cheaper model, or a chat model. The id replaces the `model` of the agent's `ChatPollinations`.

    Raises:
        ValueError: If the budget is not a finite number of at least 0.
    """

    state_schema = PollenState
    trace_policy = TracePolicy(process_inputs=omit_payload)

    def __init__(self, budget: Amount, *, fallback: str | BaseChatModel | None = None) -> None:
        super().__init__()
        self.budget = PollenMeter(budget).budget
        self.fallback = fallback

    def before_agent(self, state: PollenState, runtime: Any) -> dict[str, Any]:
        return {"pollen_meter": PollenMeter(self.budget), "pollen_cost": "0"}

    async def abefore_agent(self, state: PollenState, runtime: Any) -> dict[str, Any]:
        return self.before_agent(state, runtime)

    def before_model(self, state: PollenState, runtime: Any) -> dict[str, Any]:
        meter = self._meter(state)
        return {"pollen_meter": meter, "pollen_cost": self._spent(meter)}

    async def abefore_model(self, state: PollenState, runtime: Any) -> dict[str, Any]:
        return self.before_model(state, runtime)

    def after_agent(self, state: PollenState, runtime: Any) -> dict[str, Any]:
        return {"pollen_cost": self._spent(self._meter(state))}

    async def aafter_agent(self, state: PollenState, runtime: Any) -> dict[str, Any]:
        return self.after_agent(state, runtime)

    def _meter(self, state: Any) -> PollenMeter:
        """Return the meter of the run. A run that continues from a checkpoint gets a new meter."""
        found: PollenMeter | None = state.get("pollen_meter")
        if found is not None:
            return found
        return PollenMeter(self.budget, spent=state.get("pollen_cost", "0"))

    def _spent(self, meter: PollenMeter) -> str:
        return amount_text(meter.total)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any] | AIMessage:
        with self._meter(request.state):
            try:
                return handler(request)
            except PollenBudgetExceeded as error:
                exceeded = error
            if (cheaper := self._cheaper(request)) is not None:
                try:
                    return handler(cheaper)
                except PollenBudgetExceeded as error:
                    exceeded = error
        return self._end(exceeded)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any] | AIMessage:
        with self._meter(request.state):
            try:
                return await handler(request)
            except PollenBudgetExceeded as error:
                exceeded = error
            if (cheaper := self._cheaper(request)) is not None:
                try:
                    return await handler(cheaper)
                except PollenBudgetExceeded as error:
                    exceeded = error
        return self._end(exceeded)

    def _cheaper(self, request: ModelRequest[Any]) -> ModelRequest[Any] | None:
        if self.fallback is None:
            return None
        model = self.fallback
        if isinstance(model, str):
            if not isinstance(request.model, ChatPollinations):
                raise TypeError(
                    f"fallback: {model!r} replaces the model of a ChatPollinations; pass a chat model instead"
                )
            model = request.model.model_copy(update={"model": model})
        return request.override(model=model)

    def _end(self, error: PollenBudgetExceeded) -> AIMessage:
        """Return the message that ends the run, because it calls no tool."""
        return AIMessage(f"The run ended, because its budget is used up. {error.message}")

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
