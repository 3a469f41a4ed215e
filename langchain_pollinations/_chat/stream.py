"""Convert a stream of chat completion chunks to LangChain's chunks. Pure: this module makes no request.

Only the last chunk has usage, metadata and the fields that cannot be streamed, because LangChain adds up the values of
all chunks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import httpx
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from pydantic_core import from_json

from langchain_pollinations import errors
from langchain_pollinations._chat.chunks import Chunk, copy_with_text, restore_arguments
from langchain_pollinations._chat.fields import RequestInfo, check_choice
from langchain_pollinations._chat.response import Delta, ResponseParser, read_completion
from langchain_pollinations._types import PROVIDER, Json


class ChatStreamParser:
    """Parses a stream of chat completion chunks.

    Each chunk with content becomes a `ChatGenerationChunk`. An additional last chunk holds usage, finish reason,
    metadata, and the fields that cannot be streamed.
    """

    def __init__(
        self,
        response: httpx.Response,
        info: RequestInfo,
        read: Callable[[httpx.Response], Json] = read_completion,
    ) -> None:
        self.done = False
        self._response = response
        self._request = info
        self._read_completion = read
        self._parser = ResponseParser(info, response)
        # A truncated event. If it is the last event, the stream was cut off. If more events follow, its text was lost.
        self._lost = ""
        # Chunks that may be a notice (a refusal as text) are held back until the response is known to be from a model.
        self._held: list[ChatGenerationChunk] | None = []
        self._template: ChatGenerationChunk | None = None
        """A chunk with text only, which later chunks with text only are copied from."""

    @property
    def partial(self) -> str:
        """The text that has arrived."""
        return self._parser.text

    def feed(self, data: str) -> Iterable[ChatGenerationChunk]:
        event = _parse_event(data)
        if event is _BROKEN:
            self._lost = self._lost or data
            return ()
        if self._lost:
            raise errors.InvalidResponseError(
                f"An event of the stream is not complete JSON: {self._lost[:200]!r}",
                request_id=self._response.headers.get("x-request-id"),
            )
        if isinstance(event, dict):
            return self._read(event)
        return self._close() if event == _DONE else ()

    def end(self) -> Iterator[ChatGenerationChunk]:
        """Yield the last chunk of a stream that ended without `[DONE]`.

        Raises:
            IncompleteStreamError: If neither `[DONE]` nor usage shows that the response is complete.
            UpstreamError: If the finish reason reports that the provider failed.
            PollinationsError: If the response is a notice (a refusal as text), complete or cut off.
        """
        if not self._parser.has_end:
            self._parser.check_notice()
            self._parser.check_failure()
            message = f"The stream ended before the response was complete, after {len(self.partial)} characters of text"
            raise errors.IncompleteStreamError(message, request_id=self._response.headers.get("x-request-id"))
        yield from self._close()

    def whole(self, response: httpx.Response) -> Iterator[ChatGenerationChunk]:
        """Yield the chunks of a plain response, which some providers send although a stream was requested."""
        body = self._read_completion(response)
        chunks = list(self._read(body))  # first: an error in the body says more than a missing field
        check_choice(body, response)
        yield from chunks
        yield from self._close()

    def _read(self, event: Json) -> Sequence[ChatGenerationChunk]:
        delta = self._parser.add(event)
        if self._held is None:
            return (self._chunk(delta),) if any(delta) else ()
        if any(delta):
            self._held.append(self._chunk(delta))
        return () if self._parser.may_be_notice else self._release()

    def _release(self) -> Sequence[ChatGenerationChunk]:
        held, self._held = self._held or [], None
        return held

    def _chunk(self, delta: Delta) -> ChatGenerationChunk:
        if delta.reasoning or delta.refusal or delta.calls:
            return _chunk(delta)
        if self._template is None:
            self._template = _chunk(delta)
        return copy_with_text(self._template, delta.text)

    def _close(self) -> Iterator[ChatGenerationChunk]:
        self.done = True
        rest = self._parser.finish()
        self._parser.check()
        yield from self._release()
        if any(rest):
            yield self._chunk(rest)
        yield _GenerationChunk(
            message=self._parser.calls.last_chunk(
                content=self._parser.media() or "",
                additional_kwargs=self._parser.kwargs(),
                usage_metadata=self._parser.usage if self._request.include_usage else None,
                response_metadata=self._parser.metadata(),
            )
        )


_DONE, _BROKEN = "[DONE]", object()


def _parse_event(data: str) -> Any:
    """Parse the data of an event.

    The result is `_BROKEN` for truncated JSON. It is None for other text, which some providers send as keep-alive.
    """
    try:
        return from_json(data)  # twice as fast as `json.loads`
    except ValueError:
        if data.strip() == _DONE:
            return _DONE
    try:
        return json.loads(data)  # accepts half a surrogate pair too, which some gateways write
    except (ValueError, RecursionError):
        return _BROKEN if data.lstrip().startswith("{") else None


def _chunk(delta: Delta) -> ChatGenerationChunk:
    fields: Json = {"content": delta.text, "response_metadata": {"model_provider": PROVIDER}}
    # Pydantic keeps a set of the given fields, which takes 500 bytes more from five fields on, in each chunk.
    if delta.kwargs:
        fields["additional_kwargs"] = delta.kwargs
    if delta.calls:
        fields["tool_call_chunks"] = list(delta.calls)
    return _GenerationChunk(message=Chunk(**fields))


class _GenerationChunk(ChatGenerationChunk):
    """A chunk that restores the arguments of invalid tool calls in its sum with later chunks.

    LangChain adds up these chunks for `on_llm_end`, and when `invoke` streams internally. If LangChain adds up their
    messages instead, `chunks.Chunk` and `chunks.LastChunk` restore the arguments.
    """

    @classmethod
    def lc_id(cls) -> list[str]:
        return ChatGenerationChunk.lc_id()

    def __add__(self, other: ChatGenerationChunk | list[ChatGenerationChunk]) -> ChatGenerationChunk:
        whole = super().__add__(other)
        if isinstance(whole.message, AIMessageChunk):
            restore_arguments(whole.message)
        return whole
