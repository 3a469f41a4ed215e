"""Chunks of a stream. A sum of these chunks keeps the arguments of invalid tool calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall
from langchain_core.messages.content import ContentBlock
from langchain_core.outputs import ChatGenerationChunk
from pydantic import BaseModel, ConfigDict, PrivateAttr, model_validator

from langchain_pollinations._types import Json

M = TypeVar("M", bound=AIMessage)
Model = TypeVar("Model", bound=BaseModel)


class Chunk(AIMessageChunk):
    """A chunk of a stream.

    LangChain adds a list of all later chunks to the first chunk. The first chunk then removes the bracket of
    `LastChunk` from the sum.
    """

    # Pydantic builds the validator when the first chunk is created. The build takes a twentieth of the import time.
    model_config = ConfigDict(defer_build=True)

    @classmethod
    def lc_id(cls) -> list[str]:
        return AIMessageChunk.lc_id()

    def __repr_name__(self) -> str:
        return AIMessageChunk.__name__

    @model_validator(mode="after")
    def _restore_arguments(self) -> Self:
        return restore_arguments(self)

    def __add__(self, other: Any) -> Any:
        # The sum would have the class of this chunk, but LangChain converts only an `AIMessageChunk` to an `AIMessage`.
        whole = AIMessageChunk.model_construct(self.model_fields_set, **self.__dict__) + other
        return restore_arguments(whole) if isinstance(whole, AIMessageChunk) else whole


class LastChunk(Chunk):
    """The last chunk of a stream with invalid tool calls.

    LangChain's lenient parser would complete the truncated arguments of added chunks. This chunk therefore adds a
    bracket to the arguments, which keeps them invalid (see `ToolCallAssembler.spoilers`). The model did not write the
    bracket. The bracket does not appear in the sum of chunks, in a message that LangChain builds from a stream, in
    LangChain's events, or in a later request.

    A chunk that was serialized and loaded has LangChain's class, which does not remove the bracket. In a sum of such
    chunks, `invalid_tool_calls` contains the bracket. `additional_kwargs["invalid_arguments"]` maps the id of each
    invalid call to the arguments that the model wrote.
    """

    _lost: list[Json] = PrivateAttr(default_factory=list)

    def __radd__(self, other: AIMessageChunk) -> AIMessageChunk:
        return restore_arguments(other + [self])

    @property
    def content_blocks(self) -> list[ContentBlock]:
        blocks = super().content_blocks
        if self.response_metadata.get("output_version") == "v1":
            return blocks
        whole: list[Any] = self._lost  # LangChain's events accept a complete block in place of its chunks
        return [block for block in blocks if block["type"] != "tool_call_chunk"] + whole

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy the chunk. Content of version v1 omits the invalid calls, because earlier chunks contain them."""
        if update and update.get("response_metadata", {}).get("output_version") == "v1":
            content = [block for block in update.get("content", []) if block not in self._lost]
            update = {**update, "content": content}
        return super().model_copy(update=update, deep=deep)


# Pickles and checkpoints refer to a class by its module. The public module `chat_models` exports both classes.
Chunk.__module__ = LastChunk.__module__ = "langchain_pollinations.chat_models"


def copy_with_text(template: ChatGenerationChunk, text: str) -> ChatGenerationChunk:
    """Return a copy of a chunk that has only text, with another text.

    The result is equal to a new `Chunk` in a new `ChatGenerationChunk`, but Pydantic validates neither. Validation
    would take a fifth of the time of a stream.
    """
    old = template.message
    message = _shallow_copy(old)
    message.__dict__.update(
        content=text,
        additional_kwargs={},
        response_metadata=old.response_metadata.copy(),
        tool_calls=[],
        invalid_tool_calls=[],
        tool_call_chunks=[],
    )
    chunk = _shallow_copy(template)
    chunk.__dict__.update(message=message, text=text)
    return chunk


def _shallow_copy(model: Model) -> Model:
    """Return a copy of a Pydantic model, like `model_copy` in a third of the time."""
    copied = object.__new__(type(model))
    object.__setattr__(copied, "__dict__", model.__dict__.copy())
    object.__setattr__(copied, "__pydantic_fields_set__", model.__pydantic_fields_set__.copy())
    object.__setattr__(copied, "__pydantic_extra__", model.__pydantic_extra__ and model.__pydantic_extra__.copy())
    object.__setattr__(copied, "__pydantic_private__", None)
    return copied


def invalid_calls(message: AIMessage) -> list[InvalidToolCall]:
    """Return the invalid calls with the arguments that the model wrote, without the bracket of `LastChunk`."""
    raw = message.additional_kwargs.get("invalid_arguments")
    raw = raw if isinstance(raw, Mapping) else {}  # a checkpoint may hold anything
    return [{**call, "args": raw.get(call["id"], call["args"])} for call in message.invalid_tool_calls]


def restore_arguments(message: M) -> M:
    """Restore in place the arguments that the model wrote for invalid calls, and return the message."""
    if message.invalid_tool_calls:  # an assignment is slow, and most chunks have no invalid call
        message.invalid_tool_calls = invalid_calls(message)
    return message
