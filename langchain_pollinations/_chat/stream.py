"""A stream of chat completion chunks as LangChain's chunks. Pure: it is fed with events and makes no request.

Usage, metadata and whatever cannot be had in pieces go on the last chunk and on no other: LangChain adds chunks up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_pollinations import errors
from langchain_pollinations._chat.chunks import Chunk, restore_arguments
from langchain_pollinations._chat.fields import EXPECTED, RequestInfo, check_choice
from langchain_pollinations._chat.response import Delta, ResponseParser
from langchain_pollinations._transport.error_response import parse_json
from langchain_pollinations._types import PROVIDER, Json


class ChatStreamParser:
    """Reads a stream of chat completion chunks: one `ChatGenerationChunk` for each that says something, and a last one
    with usage, finish reason, metadata, and what cannot be had in pieces."""

    def __init__(self, response: httpx.Response, asked: RequestInfo) -> None:
        self.done = False
        self._response = response
        self._asked = asked
        self._answer = ResponseParser(asked, response)
        # An event that is cut off: at the end of a stream a sign that it was cut, before that a loss of words.
        self._lost = ""
        # Chunks that may be one of the service's notices are held back until the answer is known to be a model's.
        self._held: list[ChatGenerationChunk] | None = []

    @property
    def partial(self) -> str:
        """The text that has arrived."""
        return self._answer.text

    def feed(self, data: str) -> Iterator[ChatGenerationChunk]:
        event = _parse_event(data)
        if event is _BROKEN:
            self._lost = self._lost or data
            return
        if self._lost:
            raise errors.InvalidResponseError(
                f"An event of the stream is no whole JSON: {self._lost[:200]!r}",
                request_id=self._response.headers.get("x-request-id"),
            )
        if event == _DONE:
            yield from self._close()
        elif isinstance(event, dict):
            yield from self._read(event)

    def end(self) -> Iterator[ChatGenerationChunk]:
        """The last chunk, where no `[DONE]` brought it.

        Raises:
            IncompleteStreamError: If neither `[DONE]` nor usage said that the answer is whole.
            UpstreamError: If the finish reason says that the provider failed.
            PollinationsError: If the answer is one of the service's notices, cut off or not.
        """
        if not self._answer.has_end:
            self._answer.check_notice()
            self._answer.check_failure()
            told = f"The stream stopped before its end, after {len(self.partial)} characters of text"
            raise errors.IncompleteStreamError(told, request_id=self._response.headers.get("x-request-id"))
        yield from self._close()

    def whole(self, response: httpx.Response) -> Iterator[ChatGenerationChunk]:
        """A plain answer where a stream was asked for, as some providers give."""
        body = parse_json(response, EXPECTED)
        chunks = list(self._read(body))  # an error in it says more than its form
        check_choice(body, response)
        yield from chunks
        yield from self._close()

    def _read(self, event: Json) -> Iterator[ChatGenerationChunk]:
        piece = self._answer.add(event)
        if self._held is None:
            if any(piece):
                yield _chunk(piece)
            return
        if any(piece):
            self._held.append(_chunk(piece))
        if not self._answer.may_be_notice:
            yield from self._release()

    def _release(self) -> Iterator[ChatGenerationChunk]:
        held, self._held = self._held or [], None
        yield from held

    def _close(self) -> Iterator[ChatGenerationChunk]:
        self.done = True
        rest = self._answer.close()
        self._answer.check()
        yield from self._release()
        if any(rest):
            yield _chunk(rest)
        yield _GenerationChunk(
            message=self._answer.calls.last_chunk(
                content=self._answer.media() or "",
                additional_kwargs=self._answer.kwargs(),
                usage_metadata=self._answer.usage if self._asked.include_usage else None,
                response_metadata=self._answer.metadata(),
            )
        )


_DONE, _BROKEN = "[DONE]", object()


def _parse_event(data: str) -> Any:
    """What the data of an event says; words that some providers send as keep-alive say nothing."""
    if data.strip() == _DONE:
        return _DONE
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return _BROKEN if data.lstrip().startswith("{") else None


def _chunk(piece: Delta) -> ChatGenerationChunk:
    message = Chunk(
        content=piece.text,
        additional_kwargs=piece.kwargs,
        tool_call_chunks=list(piece.calls),
        response_metadata={"model_provider": PROVIDER},
    )
    return _GenerationChunk(message=message)


class _GenerationChunk(ChatGenerationChunk):
    """A chunk that restores the arguments of invalid calls where LangChain adds a whole stream up as one list: for
    `on_llm_end`, and where it streams within `invoke`. `_calls.LastChunk` does so where messages are added."""

    @classmethod
    def lc_id(cls) -> list[str]:
        return ChatGenerationChunk.lc_id()

    def __add__(self, other: ChatGenerationChunk | list[ChatGenerationChunk]) -> ChatGenerationChunk:
        whole = super().__add__(other)
        if isinstance(whole.message, AIMessageChunk):
            restore_arguments(whole.message)
        return whole
