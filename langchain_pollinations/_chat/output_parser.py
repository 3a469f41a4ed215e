"""Parse structured output."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Iterator
from typing import Any

from langchain_core import exceptions
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from pydantic import BaseModel, ValidationError
from pydantic.v1 import ValidationError as ValidationErrorV1

from langchain_pollinations._chat.json_schema import unpack_at, unpack_by
from langchain_pollinations._chat.json_text import _partial_object, json_values

# langchain-core has `ModelRefusalError` since 1.7.5.
_REFUSAL: type[Exception] = getattr(exceptions, "ModelRefusalError", OutputParserException)
_FAILURES = (OutputParserException, _REFUSAL)


class AnswerParser(JsonOutputParser):
    """Parses a dict, or an instance of `pydantic_object`, from a tool call or from JSON in the text.

    Some models respond with a tool call instead of text, or with text instead of a tool call. Others write prose, code
    fences or reasoning around the JSON. LangChain's parsers complete truncated JSON. This parser does so only during a
    stream, not at its end.
    """

    tool_name: str | None = None
    """The tool that the model is instructed to call."""
    answer_schema: dict[str, Any] = {}
    """The JSON schema of the response, if known.

    The parser does not validate with this schema. The schema selects one of several objects in a text, and shows which
    JSON strings to replace with lists or objects."""

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        answer = result[0]
        message = answer.message if isinstance(answer, ChatGeneration) else AIMessage(answer.text)
        try:
            return self._parse_partial(message) if partial else self._parse_complete(message)
        except RecursionError as error:
            reason = "The response is nested too deeply to be parsed"
            raise OutputParserException(reason, llm_output=str(message.text)) from error

    def _parse_partial(self, message: BaseMessage) -> Any:
        """Return the partial dict. For a class return None, because its validators cannot check a partial response."""
        if self.pydantic_object is not None:
            return None
        calls = getattr(message, "tool_calls", [])
        return calls[0]["args"] if calls else _partial_object(str(message.text))

    def _parse_complete(self, message: BaseMessage) -> Any:
        _raise_refusal(message)
        text = str(message.text)
        called, cut = getattr(message, "tool_calls", []), getattr(message, "invalid_tool_calls", [])
        found = [call["args"] for call in sorted(called, key=lambda call: call["name"] != self.tool_name)]
        if not found and message.response_metadata.get("finish_reason") == "length":
            raise OutputParserException(
                "The response was cut off at the token limit: increase max_tokens", llm_output=text
            )
        # The last value in a text is preferred, because earlier values are drafts.
        found += reversed(json_values(text))
        if not found:
            content = f"a tool call with invalid arguments: {cut[0]['args']}" if cut else f"no JSON: {text[:500]!r}"
            raise OutputParserException(f"The model returned {content}", llm_output=text)
        return self._best(found, text)

    def _best(self, found: list[Any], text: str) -> Any:
        """Return the first valid value. If no value is valid, raise the error of the first value."""
        properties = self.answer_schema.get("properties") or {}
        required = self.answer_schema.get("required") or ()
        if self.pydantic_object is None and self.answer_schema.get("type") == "object":
            found = [value for value in found if isinstance(value, dict)]
            if not found:
                raise OutputParserException(f"The model returned no JSON object: {text[:500]!r}", llm_output=text)
        if self.pydantic_object is not None:
            required = ()  # field names of a class may differ from the names in the response
        in_order = sorted(
            found, key=lambda value: (_missing_required(value, required), _missing_required(value, properties))
        )
        failures = []
        for value in in_order:
            try:
                return self._typed(value)
            except OutputParserException as error:
                failures.append(error)
        raise failures[0]

    def _typed(self, value: Any) -> Any:
        if self.pydantic_object is None:
            return unpack_by(value, self.answer_schema)
        form: Any = self.pydantic_object
        repaired, repairs = value, 0
        while True:
            try:
                return _instance(form, repaired)
            except (ValidationError, ValidationErrorV1) as error:
                before, repaired = repaired, unpack_at(repaired, _places_to_unpack(error))
                repairs += 1
                if repairs > _MAX_REPAIRS or repaired == before:
                    raise PydanticOutputParser(pydantic_object=form)._parser_exception(error, value) from error

    # The fields that `include_raw` adds to the message.

    def value_of(self, message: BaseMessage) -> Any:
        try:
            return self.invoke(message)
        except _FAILURES:
            return None

    def error_of(self, message: BaseMessage) -> Exception | None:
        try:
            self.invoke(message)
        except _FAILURES as error:
            return error
        return None

    # LangChain's streams of parsed output end with the last partial value. Here the complete response is parsed at the
    # end of the stream. This may raise an error.

    def _transform(self, input: Iterator[str | BaseMessage]) -> Iterator[Any]:
        seen: list[Any] = []
        last = None
        for last in super()._transform(_record(input, seen)):
            yield last
        complete = self.parse_result([_sum_chunks(seen)])
        if complete != last and not self.diff:
            yield complete

    async def _atransform(self, input: AsyncIterator[str | BaseMessage]) -> AsyncIterator[Any]:
        seen: list[Any] = []
        last = None
        async for last in super()._atransform(_arecord(input, seen)):
            yield last
        complete = self.parse_result([_sum_chunks(seen)])
        if complete != last and not self.diff:
            yield complete


# Pickles and LangChain's serialization refer to a class by its module. The module `chat_models` exports this class.
AnswerParser.__module__ = "langchain_pollinations.chat_models"


def _record(chunks: Iterator[Any], seen: list[Any]) -> Iterator[Any]:
    for chunk in chunks:
        seen.append(chunk)
        yield chunk


async def _arecord(chunks: AsyncIterator[Any], seen: list[Any]) -> AsyncIterator[Any]:
    async for chunk in chunks:
        seen.append(chunk)
        yield chunk


def _sum_chunks(chunks: list[Any]) -> Generation:
    if not chunks or isinstance(chunks[0], str):
        return Generation(text="".join(chunks))
    complete = chunks[0] + chunks[1:] if isinstance(chunks[0], AIMessageChunk) else chunks[-1]
    return ChatGeneration(message=complete)


def _raise_refusal(message: BaseMessage) -> None:
    refusal = message.additional_kwargs.get("refusal")
    if not refusal and message.response_metadata.get("finish_reason") == "content_filter":
        refusal = "the provider's content filter stopped the response"
    if refusal:
        raise _REFUSAL(f"The model refused: {refusal}")


def _instance(form: Any, value: Any) -> Any:
    if not issubclass(form, BaseModel):  # a class of Pydantic 1
        return form.parse_obj(value)
    return form.model_validate_json(json.dumps(value))  # strict classes accept dates in JSON only


# Maximum levels of JSON inside JSON strings. Each level doubles the backslashes, so real responses have at most three.
_MAX_REPAIRS = 10
# Pydantic's error types for a value that should be a list or an object. The error types of Pydantic 1 come last.
_LISTS = """
    list_type tuple_type set_type frozen_set_type deque_type sequence_str
    type_error.list type_error.tuple type_error.set type_error.frozenset type_error.sequence
""".split()
_OBJECTS = """
    dict_type mapping_type model_type model_attributes_type dataclass_type
    type_error.dict
""".split()
_NOT_UNPACKED: dict[str, type] = dict.fromkeys(_LISTS, list) | dict.fromkeys(_OBJECTS, dict)


def _places_to_unpack(error: ValidationError | ValidationErrorV1) -> list[tuple[Any, type]]:
    """Return the places where a list or an object is required. Some models write a JSON string there."""
    errors = [(each["loc"], _NOT_UNPACKED.get(each["type"])) for each in error.errors()]
    return [(place, wanted) for place, wanted in errors if wanted is not None]


def _missing_required(value: Any, required: Collection[str]) -> int:
    """Return how many of the required keys an object lacks."""
    return sum(key not in value for key in required) if isinstance(value, dict) else len(required)
