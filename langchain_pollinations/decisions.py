"""`PollinationsDecisions`: typed answers with probabilities about a state. Alpha: the service may change the route."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from importlib.metadata import version
from operator import attrgetter
from typing import Any, ClassVar, Self, cast

import httpx
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.runnables import RunnableConfig
from pydantic import ConfigDict, Field, ValidationError

from langchain_pollinations._catalog.capabilities import suggest_models
from langchain_pollinations._catalog.costs import canonical, cost_of, expected_price, header_units, usage_units
from langchain_pollinations._catalog.records import find
from langchain_pollinations._chat.content import (
    block_type,
    encode_block,
    is_hidden,
    texts_in,
    unwrap_non_standard,
)
from langchain_pollinations._chat.text import join_surrogates
from langchain_pollinations._config.rate_limits import RateLimiterField
from langchain_pollinations._config.service import ServiceConfig
from langchain_pollinations._transport.batch import BatchMixin
from langchain_pollinations._transport.error_response import parse_json, unexpected_response
from langchain_pollinations._transport.metering import Billing, Cost
from langchain_pollinations._transport.request import ApiRequest
from langchain_pollinations._types import PROVIDER, Json
from langchain_pollinations._validation import CallOptions, check_whole, format_validation_error, merge_options
from langchain_pollinations.errors import InvalidRequestError, UnsupportedRequestError

try:
    from langchain_core.decisions import (
        BaseDecisionModel,
        Box,
        Choice,
        ClassifierRequest,
        ClassifierResponse,
        Noul,
        Question,
        Score,
        State,
    )
except ImportError as error:
    raise ImportError(
        f"PollinationsDecisions requires langchain-core 1.8 or newer; {version('langchain-core')} is installed. "
        "Upgrade it: pip install -U langchain-core"
    ) from error

ROUTE = "/alpha/decisions"


class DecisionResponse(ClassifierResponse):
    """The answers to the questions of one request, with their cost."""

    cost: str | None = None
    """Pollen, as decimal text. `0` for a stored response. None if the price is unknown."""


class DecisionOptions(CallOptions):
    """Options of a decision."""

    model: str = Field(default="typesafe/jev", min_length=1)
    """Canonical id or alias of the model."""


class PollinationsDecisions(BatchMixin, RateLimiterField, ServiceConfig, DecisionOptions, BaseDecisionModel):
    """Answers typed questions about a state, with probabilities. Alpha: the service may change or remove the route.

        >>> from langchain_core.decisions import Choice
        >>> teams = {"billing": "Payments and invoices.", "technical": "Bugs and failures."}
        >>> team = Choice(instructions="Which team handles this request?", criteria=teams)
        >>> decisions = PollinationsDecisions()
        >>> response = decisions.invoke({"state": "My invoice is wrong.", "questions": {"team": team}})
        >>> response.choices["team"].choice
        'billing'

    The class is a LangChain decision model and works in `ModelRouterMiddleware` and `AutoModeMiddleware`. It requires
    langchain-core 1.8 or newer.

    The service supports the questions `Choice`, `Score` and `Noul`, but not `Box`. The model answers each question
    independently of the others. `confidence` is the value of the service, which the model's publisher calibrates. It
    does not become lower if the state omits facts. The service accepts 64,000 tokens for the state and all questions,
    and 32,000 tokens for the state and the longest question.

    The state is a text, a message, or JSON with messages at any depth. A message is sent as JSON with its `role`, its
    `text`, its tool calls, and the name and the id of a tool result. Reasoning and the results of server-side tools are
    not sent. Images are sent only if the catalog lists them as an input of the model. Any other media block, also in a
    question, raises an error.
    """

    model_config = ConfigDict(extra="forbid")

    _SYNONYMS: ClassVar[Mapping[str, str]] = {**ServiceConfig._SYNONYMS, "model_name": "model"}

    @property
    def _provider(self) -> str:
        return PROVIDER

    def invoke(
        self, input: ClassifierRequest, config: RunnableConfig | None = None, **overrides: Any
    ) -> DecisionResponse:
        """Answer questions about a state.

        Args:
            input: A dict with the `state` and the `questions`, by name.
            config: Configuration of the run.
            overrides: `model`, `timeout` and `extra_headers`, for this call only. `extra_headers` take precedence over
                `default_headers` and must not contain `Authorization`.

        Returns:
            The answers by name, with the model, the usage in tokens, the cost and the request id.

        Raises:
            InvalidRequestError: If the input is invalid, or the service rejects the request.
            UnsupportedRequestError: If a question is a `Box`, or the input has media that the model does not accept.
            ContextOverflowError: If the state and the questions are too long.
            InvalidResponseError: If the response does not answer each question.
        """
        response = BaseDecisionModel.invoke(self._for_call(input, overrides), input, config)
        return cast(DecisionResponse, response)

    async def ainvoke(
        self, input: ClassifierRequest, config: RunnableConfig | None = None, **overrides: Any
    ) -> DecisionResponse:
        """Asynchronous version of `invoke`."""
        response = await BaseDecisionModel.ainvoke(self._for_call(input, overrides), input, config)
        return cast(DecisionResponse, response)

    def _for_call(self, input: Any, overrides: Mapping[str, Any]) -> Self:
        """Return the object for one call: a copy with the overrides, which shares the connections."""
        if not isinstance(input, Mapping) or not {"state", "questions"} <= input.keys():
            raise InvalidRequestError("input: must be a dict with 'state' and 'questions'", param="input")
        if not isinstance(input["questions"], Mapping):
            kind = type(input["questions"]).__name__
            raise InvalidRequestError(f"questions: must be a dict of questions by name, not {kind}", param="questions")
        if not overrides:
            return self
        options = merge_options(DecisionOptions, self, overrides, self._SYNONYMS)
        copied = self.model_copy(update={"model": options.model})
        copied._settings = options._settings
        return copied

    def _classify(self, state: State, questions: dict[str, Question]) -> DecisionResponse:
        request = decision_request(state, questions, self.model)
        with suggest_models(self.model, "text"):
            return self._client_with(self._settings).send(request).response

    async def _aclassify(self, state: State, questions: dict[str, Question]) -> DecisionResponse:
        request = decision_request(state, questions, self.model)
        with suggest_models(self.model, "text"):
            return (await self._client_with(self._settings).asend(request)).response


# --- Requests ---------------------------------------------------------------------------------------------------------


def decision_request(state: Any, questions: Mapping[str, Any], model: str) -> ApiRequest[Decided]:
    """Build `POST /alpha/decisions`.

    Raises:
        InvalidRequestError: If the state or a question is invalid. The message names the place.
        UnsupportedRequestError: If a question is a `Box`, or there are media that the model does not accept.
    """
    record = find(model)
    encoder = JsonEncoder(model, takes_images=record is not None and "image" in (record.input_modalities or ()))
    if not questions:
        raise InvalidRequestError("questions: is empty; at least one question is required", param="questions")
    try:
        body = {
            "model": model,
            "state": encoder.content(state, "state"),
            "questions": {name: encoder.question(each, name) for name, each in questions.items()},
        }
    except RecursionError as error:
        raise InvalidRequestError("state or questions: nested too deeply") from error
    read = partial(parse_decisions, questions=body["questions"], model=model)
    billing = Billing("decision", canonical(model), partial(_estimate, body), attrgetter("cost"))
    return ApiRequest("POST", ROUTE, read, {"json": body}, billing=billing)


def _estimate(body: Json) -> Decimal | None:
    tokens = len(json.dumps([body["state"], body["questions"]])) // 4
    return expected_price(body["model"], tokens=tokens)


_ROLES: tuple[tuple[type[BaseMessage], str], ...] = (
    (HumanMessage, "user"),
    (AIMessage, "assistant"),
    (SystemMessage, "system"),
    (ToolMessage, "tool"),
    (FunctionMessage, "function"),
)

_QUESTIONS: Mapping[str, type[Noul] | type[Choice] | type[Score]] = {"noul": Noul, "choice": Choice, "score": Score}

_MEDIA: Mapping[str, str] = {
    **{name: "image" for name in ("image", "image_url", "input_image")},
    **{name: "audio" for name in ("audio", "input_audio")},
    **{name: "video" for name in ("video", "video_url")},
    **{name: "file" for name in ("file", "input_file", "document", "media")},
}
"""Types of media blocks in LangChain and in the APIs of providers."""

_MEDIA_KEYS = (
    *("url", "base64", "data", "file_id", "file_data", "file_url", "file_uri"),
    *("image_url", "input_audio", "video_url"),
)
"""Keys of which a media block has at least one. `source` and `file` also mark one, if their value is a dict."""

_CALLS = frozenset({"tool_call", "tool_call_chunk", "invalid_tool_call", "tool_use", "function_call"})
"""Types of blocks that repeat the tool calls of a message."""


@dataclass(frozen=True)
class JsonEncoder:
    """Encodes states and questions as JSON. `takes_images` says whether the model accepts images."""

    model: str
    takes_images: bool

    def content(self, value: Any, place: str) -> Any:
        """Encode a value that must be a text, an object or a list, as the service requires.

        Raises:
            InvalidRequestError: If the value is of another type, or contains something that is not JSON.
            UnsupportedRequestError: If it contains media that the model does not accept.
        """
        encoded = self.encode(value, place)
        if not isinstance(encoded, str | dict | list):
            raise _error(place, f"must be a text, an object or a list, not {type(value).__name__}")
        return encoded

    def question(self, question: Any, name: Any) -> Json:
        """Encode one question. `name` is its name in the request."""
        place = f"questions.{name}"
        if not isinstance(name, str):
            raise InvalidRequestError(f"questions: a name must be a string, not {type(name).__name__}")
        kind = question.get("type") if isinstance(question, Mapping) else getattr(question, "type", None)
        if isinstance(question, Box) or kind == "box":
            raise UnsupportedRequestError(
                f"{place}: the service does not support Box questions; it supports Choice, Score and Noul",
                param="questions",
            )
        known = _QUESTIONS.get(kind) if isinstance(kind, str) else None
        if known is None or not isinstance(question, known | Mapping):
            raise _error(place, f"must be a Choice, a Score or a Noul, not {type(question).__name__}")
        try:
            checked = question if isinstance(question, known) else known.model_validate(question)
        except ValidationError as error:
            raise _error(place, format_validation_error(error)) from None
        wire = {"type": checked.type, "instructions": self.content(checked.instructions, f"{place}.instructions")}
        if criteria := self._criteria(checked, f"{place}.criteria"):
            wire["criteria"] = criteria
        return wire

    def _criteria(self, question: Noul | Choice | Score, place: str) -> Any:
        if isinstance(question, Score):
            return [self.content(each, f"{place}[{number}]") for number, each in enumerate(question.criteria)]
        if isinstance(question, Choice):
            options = question.criteria
        else:
            options = question.criteria.model_dump(exclude_none=True) if question.criteria else {}
        return {
            label: each if each is None else self.content(each, f"{place}.{label}") for label, each in options.items()
        }

    def encode(self, value: Any, place: str, *, repairs: bool = False) -> Any:
        """Encode a JSON value with messages and media blocks at any depth.

        Args:
            value: The value.
            place: Its place in the input, for messages of errors.
            repairs: Whether to replace lone surrogates, which a request cannot contain. The caller cannot change what a
                model or a tool has written.
        """
        match value:
            case str():
                if repairs:
                    return join_surrogates(value)[0]
                check_whole(value, place)
                return value
            case None | bool() | int():
                return value
            case float() if math.isfinite(value):
                return value
            case BaseMessage():
                return self._message(value, place)
            case Mapping():
                if kind := _media_kind(value):
                    return self._media(value, kind, place)
                return {
                    self._key(key, place, repairs): self.encode(each, f"{place}.{key}", repairs=repairs)
                    for key, each in value.items()
                }
            case list() | tuple():
                return [self.encode(each, f"{place}[{n}]", repairs=repairs) for n, each in enumerate(value)]
        shown = value if isinstance(value, float) else type(value).__name__
        raise _error(place, f"may contain JSON values and messages, not {shown}")

    def _key(self, key: Any, place: str, repairs: bool) -> str:
        if not isinstance(key, str):
            raise _error(place, f"a key of an object must be a string, not {type(key).__name__}")
        return str(self.encode(key, f"a key of {place}", repairs=repairs))

    def _message(self, message: BaseMessage, place: str) -> Json:
        role = message.role if isinstance(message, ChatMessage) else _role(message, place)
        repairs = role not in ("user", "system", "developer")
        blocks = [message.content] if isinstance(message.content, str) else message.content
        texts: list[str] = []
        images, others = [], []
        for number, given in enumerate(blocks):
            block, inner = unwrap_non_standard(given), f"{place}.content[{number}]"
            if kind := _media_kind(block):
                images.append(self._media(block, kind, inner))
            elif found := texts_in(block):
                texts += found
            elif not (isinstance(block, str) or is_hidden(block) or block_type(block) in _CALLS | {"text"}):
                others.append(block)
        known = {
            "name": message.name,
            "tool_calls": _tool_calls(message),
            "tool_call_id": message.tool_call_id if isinstance(message, ToolMessage) else None,
            "blocks": others,
        }
        fields = {"text": "\n".join(texts), **{name: value for name, value in known.items() if value}}
        encoded = {name: self.encode(value, f"{place}.{name}", repairs=repairs) for name, value in fields.items()}
        return {"role": role, **encoded, **({"images": images} if images else {})}

    def _media(self, block: Mapping[str, Any], kind: str, place: str) -> Json:
        if kind == "image" and self.takes_images:
            return encode_block(block)
        accepted = "text and images" if self.takes_images else "text"
        raise UnsupportedRequestError(
            f"{place}: is a block of type {block['type']!r}; model {self.model!r} is known to accept only {accepted}",
            param=_argument(place),
        )


def _role(message: BaseMessage, place: str) -> str:
    role = next((role for kind, role in _ROLES if isinstance(message, kind)), None)
    if role is None:
        raise _error(place, f"a {type(message).__name__} cannot be sent")
    return role


def _tool_calls(message: BaseMessage) -> list[Json]:
    if not isinstance(message, AIMessage):
        return []
    calls = [*message.tool_calls, *message.invalid_tool_calls]
    return [{name: call.get(name) for name in ("id", "name", "args")} for call in calls]


def _media_kind(block: Any) -> str | None:
    """Return the kind of a media block. Return None for any other JSON, for instance an object with its own `type`."""
    kind = _MEDIA.get(block_type(block))
    if kind is None:
        return None
    has_data = any(block.get(key) for key in _MEDIA_KEYS)
    return kind if has_data or any(isinstance(block.get(key), Mapping) for key in ("source", "file")) else None


def _error(place: str, detail: str) -> InvalidRequestError:
    return InvalidRequestError(f"{place}: {detail}", param=_argument(place))


def _argument(place: str) -> str:
    """Return the argument that contains a place, such as `state` for `state.messages[0]`."""
    return place.partition(".")[0].partition("[")[0]


# --- Responses --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decided:
    """The answers of a response, and their cost."""

    response: DecisionResponse
    cost: Cost


def parse_decisions(response: httpx.Response, questions: Mapping[str, Json], model: str) -> Decided:
    """Parse the answers of a response.

    Raises:
        PollinationsError: If the body is an error object. The class depends on the error.
        InvalidResponseError: If the body does not contain an answer of the right type to each question, or if a choice
            is not one of the options.
    """
    expected = "list of answers"
    body = parse_json(response, expected)
    answers, usage = body.get("answers"), body.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    cost = cost_of(response, model, header_units(response.headers) or usage_units(_in_units_of_chat(usage)))
    try:
        if not isinstance(answers, dict):
            raise TypeError("the response has no answers")
        parsed = DecisionResponse.model_validate(
            {
                "model": body.get("model") or response.headers.get("x-model-used") or model,
                "answers": {name: answers[name] for name in questions},
                "usage": usage or None,
                "request_id": response.headers.get("x-request-id") or body.get("id"),
                "cost": cost.text,
            }
        )
    except (KeyError, TypeError, ValidationError) as error:
        raise unexpected_response(response, expected) from error
    for name, question in questions.items():
        answer = parsed.answers[name]
        is_offered = answer.type != "choice" or answer.choice in question.get("criteria", ())
        if answer.type != question["type"] or not is_offered:
            raise unexpected_response(response, expected)
    return Decided(parsed, cost)


def _in_units_of_chat(usage: Json) -> Json:
    return {"prompt_tokens": usage.get("input_tokens"), "completion_tokens": usage.get("output_tokens")}
