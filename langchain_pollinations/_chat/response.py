"""Assemble a response of the service from its events. Pure: this module makes no request.

A plain response is parsed like a stream with a single event. Text, reasoning, refusal and tool calls are returned event
by event. All other fields are returned once, after the response is finished.

A notice is a refusal that the service sends as text with status 200 (see `_transport.refusal_notices`).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import httpx
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCallChunk
from langchain_core.outputs import ChatGeneration, ChatResult

from langchain_pollinations import errors
from langchain_pollinations._catalog.costs import cost_of_model, header_units, is_free, usage_units
from langchain_pollinations._chat.citations import collect
from langchain_pollinations._chat.fields import (
    EXPECTED,
    FAILURES,
    FILTER_RESULTS,
    RequestInfo,
    check_choice,
    filter_results,
    first_choice,
    is_refusal,
    parse_finish_reason,
    parse_metadata,
    parse_parts,
    parse_reasoning,
    parse_refusal,
    parse_text,
    parse_usage,
    string_or_empty,
)
from langchain_pollinations._chat.raw_fields import RawFields
from langchain_pollinations._chat.text import BlockJoiner, FieldMerger, ThinkTagSplitter, join_surrogates
from langchain_pollinations._chat.tool_calls import ToolCallAssembler
from langchain_pollinations._chat.tool_names import original_names
from langchain_pollinations._media.data_uri import decode
from langchain_pollinations._media.formats import sniff
from langchain_pollinations._media.wav import fix_wav_sizes, pcm16_to_wav
from langchain_pollinations._transport.error_response import error_from_event, error_from_notice, is_failure, parse_json
from langchain_pollinations._transport.metering import FREE, Cost
from langchain_pollinations._transport.refusal_notices import is_private, may_become_notice
from langchain_pollinations._types import Json
from langchain_pollinations._warnings import warn


def read_completion(response: httpx.Response) -> Json:
    """Return the chat completion in the body of a response."""
    return parse_json(response, EXPECTED)


def parse_response(
    response: httpx.Response, info: RequestInfo, read: Callable[[httpx.Response], Json] = read_completion
) -> ChatResult:
    """Parse the response to a chat request without streaming. `read` converts the response to a chat completion.

    Raises:
        PollinationsError: If the response is a notice.
        InvalidResponseError: If the response is not a chat completion.
        UpstreamError: If the finish reason reports that the provider failed.
    """
    body = read(response)
    parser = ResponseParser(info, response)
    first, rest = parser.add(body), parser.finish()
    streamed = Delta(reasoning=first.reasoning + rest.reasoning, refusal=first.refusal)
    check_choice(body, response)
    parser.check()
    text, media = parser.text, parser.media()
    good, bad = parser.calls.finished()
    metadata = parser.metadata()
    message = AIMessage(
        content=[*([text] if text else []), *media] if media else text,
        additional_kwargs={**streamed.kwargs, **parser.kwargs()},
        tool_calls=good,
        invalid_tool_calls=bad,
        usage_metadata=parser.usage,
        response_metadata=metadata,
    )
    return ChatResult(generations=[ChatGeneration(message=message)], llm_output={"model_name": metadata["model_name"]})


class Delta(NamedTuple):
    """The text, reasoning, refusal and tool calls that one event adds to a response."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: Sequence[ToolCallChunk] = ()

    @property
    def kwargs(self) -> dict[str, str]:
        """The reasoning and the refusal, under their names in `additional_kwargs` of a message."""
        fields = {"reasoning_content": self.reasoning} if self.reasoning else {}
        return {**fields, "refusal": self.refusal} if self.refusal else fields


class ResponseParser:
    """Parses one response. Call `add` for each event, then `finish`, then read the remaining fields."""

    def __init__(self, request: RequestInfo, response: httpx.Response) -> None:
        self.usage: UsageMetadata | None = None
        self.calls = ToolCallAssembler(request.tool_names, request.parameters)
        self._request = request
        self._response = response
        self._raw_usage: Json = {}
        self._finish_reason: Any = None
        self._facts: Json = {}
        self._written: list[str] = []
        self._text_fields = FieldMerger()
        self._think_tags = ThinkTagSplitter()
        self._reasoning = FieldMerger()
        self._joiners = {name: BlockJoiner() for name in ("reasoning_details", "content_blocks", "content")}
        self._raw_fields = RawFields()
        self._is_refusal = False
        self._is_counting = False
        self._half = ""
        self._head: Json | None = None
        """The last event without its choices, if it had no usage. Its fields have been merged."""

    @property
    def text(self) -> str:
        return "".join(self._written)

    @property
    def has_end(self) -> bool:
        """Whether usage or a finish reason shows that the response is complete.

        Some providers send usage before the end. Media models never send usage.
        """
        if self._finish_reason is not None and self._request.kind in _MEDIA_KINDS:
            return True
        return self.usage is not None and (self._finish_reason is not None or not self._is_counting)

    def add(self, event: Json) -> Delta:
        """Parse one event.

        Raises:
            PollinationsError: If the event is an error, or contains an error instead of a message.
        """
        head = event.copy()
        text = _plain_text(head.pop("choices", None))
        if text is not None and head == self._head:  # as most events are
            delta = self._next_delta(self._text_fields.add_one("content", text), {})
            if any(delta):
                self._is_counting = True
            return delta
        choice = first_choice(event) or {}
        message = choice.get("delta") or choice.get("message")
        message = message if isinstance(message, dict) else {}
        for place in (event, choice, message):
            if is_failure(place):
                raise error_from_event(place, request_id=self._response.headers.get("x-request-id"))
        usage = parse_usage(event.get("usage"))
        self._head = head if usage is None else None
        if usage is not None:
            self.usage, self._raw_usage = usage, event["usage"]
            self._is_counting = bool(choice)
        _merge_facts(self._facts, event, read_elsewhere=_BODY_FIELDS)
        _merge_facts(self._facts, choice, read_elsewhere=_CHOICE_FIELDS)
        if choice.get("finish_reason") is not None:
            self._finish_reason = choice["finish_reason"]
        delta = self._read(message) if message else Delta()
        if any(delta) and usage is None:
            self._is_counting = True  # usage that arrived earlier did not mark the end
        return delta

    def _read(self, message: Json) -> Delta:
        content = message.get("content")
        if isinstance(content, str) and message.keys() <= _PLAIN_FIELDS:  # as most deltas are
            return self._next_delta(self._text_fields.add(content=content), {})
        blocks = message.get("content_blocks")
        parts = {"content": parse_parts(content)} if content else {}
        if isinstance(blocks, list):
            parts["content_blocks"] = parse_parts(blocks)
        refusal = message.get("refusal") or next(filter(None, map(parse_refusal, parts.values())), "")
        self._is_refusal = self._is_refusal or bool(refusal)
        for key, found in parts.items():
            if isinstance(found, list):
                parts[key] = [part for part in found if not is_refusal(part)]
        message = {**message, **parts}
        self._raw_fields.add(message)
        text = self._text_fields.add(**{name: parse_text(found) for name, found in parts.items()})
        reasoning = {name: string_or_empty(message.get(name)) for name in ("reasoning_content", "reasoning")}
        for name, joiner in self._joiners.items():
            reasoning[name] = joiner.join(parse_reasoning(message.get(name)))
        calls = self.calls.read(message.get("tool_calls")) or self.calls.read_function(message.get("function_call"))
        return self._next_delta(text, reasoning, str(refusal) if refusal else "", calls)

    def _next_delta(
        self, content: str, reasoning: dict[str, str], refusal: str = "", calls: Sequence[ToolCallChunk] = ()
    ) -> Delta:
        if self._half or not content.isascii():
            content, self._half = join_surrogates(self._half + content)
        thought, text = self._think_tags.split(content)
        if text:
            self._written.append(text)
        if not (thought or reasoning):
            return Delta(text, "", refusal, calls)
        return Delta(text, self._reasoning.add(**reasoning, think=thought), refusal, calls)

    def finish(self) -> Delta:
        """Return the last delta: text that was held back, and text that only later fields contain (`FieldMerger`)."""
        rest, half = join_surrogates(self._half + self._text_fields.rest())
        thought, text = self._think_tags.split(rest + ("\ufffd" if half else ""))
        held_thought, held_text = self._think_tags.end()
        self._written.append(text + held_text)
        reasoning = self._reasoning.add(think=thought + held_thought)
        return Delta(text + held_text, reasoning + self._reasoning.rest(), calls=self.calls.rest())

    @property
    def may_be_notice(self) -> bool:
        """Whether the text so far must be held back because it may be a notice.

        A response with reasoning, tool calls, a refusal or token usage is from a model, and is no notice. If the
        response has the header of notices (`is_private`), any text is held back, because the wording of notices
        changes.
        """
        is_used = self.usage is not None and self.usage["total_tokens"] > 0
        if is_used or self.calls or self._reasoning or self._is_refusal:
            return False
        if is_private(self._response.headers):
            return True
        return may_become_notice(
            "".join(self._written[:_MAX_NOTICE_DELTAS])
        )  # limited, so that a long text is not joined for each event

    def check_notice(self) -> None:
        """Raise the matching error if the response is a notice.

        Raises:
            InsufficientBalanceError: If the balance of the account is too low.
            KeyBudgetExhaustedError: If the budget of the key is used up.
            QuestPollenOnlyError: If the key spends Quest Pollen only, and the model needs paid Pollen or the Quest
                Pollen is used up.
            PermissionDeniedError: If the key may not use the model.
            AuthenticationError: If the response is the migration notice of the legacy text host.
        """
        if self.calls or self._reasoning:
            return
        total = None if self.usage is None else self.usage["total_tokens"]
        if (refusal := error_from_notice(self.text, self._response.headers, total)) is not None:
            raise refusal

    def check_failure(self) -> None:
        """Raise an error if the finish reason reports a failure. The text alone would look like a complete response.

        Raises:
            UpstreamError: If the provider failed. Its `partial` is the text that arrived before the failure.
        """
        reason = self._finish_reason
        if isinstance(reason, str) and reason.lower() in FAILURES:
            error = errors.UpstreamError(
                f"The provider failed during the response (finish_reason {reason!r}), "
                f"after {len(self.text)} characters of text",
                request_id=self._response.headers.get("x-request-id"),
            )
            error.partial = self.text
            raise error

    def check(self) -> None:
        """Raise an error if the response is a notice or a failure. Issue a warning if the response is empty.

        Raises:
            PollinationsError: If the response is a notice, see `check_notice`.
            UpstreamError: If the finish reason reports that the provider failed, see `check_failure`.
        """
        self.check_notice()
        self.check_failure()
        reason = parse_finish_reason(self._finish_reason, False)
        if not (self.text or self.calls or self._reasoning or self._raw_fields.has_content() or self._is_refusal):
            message = f"The model returned an empty response (finish_reason {reason!r})"
            warn(f"{message}{_EMPTY_HINTS.get(reason, '')}")

    def media(self) -> list[Json]:
        """Return images, audio and video of the response as standard content blocks."""
        fields = self._raw_fields.values()
        if not fields:
            return [*self._linked()]
        return [*self._raw_fields.images(), *_audio_blocks(fields.get("audio"), self._request), *self._linked()]

    def _linked(self) -> Iterator[Json]:
        """Yield the file that a media model generated. A `Link` header has the URL, and the text has a link to it."""
        if "link" not in self._response.headers:
            return
        url = self._response.links.get("enclosure", {}).get("url")
        if url and url.startswith(("http://", "https://")) and url in self.text:
            kind = self._request.kind
            if kind not in _MEDIA_KINDS and f"]({url})" in self.text and "![" in self.text:
                kind = "image"  # from a model that the snapshot does not list, or from an agent
            yield {"type": kind if kind in ("image", "audio", "video") else "file", "url": url}

    def kwargs(self) -> Json:
        """Return `additional_kwargs` of the message without the streamed fields.

        These are fields that the service expects in later requests, and fields that this package does not parse.
        """
        fields = self._raw_fields.values()
        extra = original_names(self._raw_fields.extra(), self._request.tool_names) if fields else {}
        extra |= {key: self._facts[key] for key in _MESSAGE_FACTS if key in self._facts}
        if annotations := collect(self.text, {**self._facts, **fields}):
            extra["annotations"] = annotations
        if not self.calls:
            return extra
        if lost := self.calls.raw_arguments():
            extra["invalid_arguments"] = lost
        if signatures := self.calls.signatures():
            extra["thought_signatures"] = signatures
        if extras := self.calls.extras():
            extra["tool_call_extras"] = extras
        return extra

    def metadata(self) -> Json:
        """Return `response_metadata` of the message."""
        served = self._response.headers.get("x-model-used")
        known = parse_metadata(self._request, self._response.headers, self._facts, served)
        known["finish_reason"] = parse_finish_reason(self._finish_reason, bool(self.calls))
        if self._raw_usage and self._request.include_usage:
            known["token_usage"] = self._raw_usage
        if (field_name := self._reasoning.followed) is not None:
            known["reasoning_field"] = field_name
        facts = {key: value for key, value in self._facts.items() if key not in _ELSEWHERE}
        return {**facts, **filter_results(self._facts), **known, **self._cost(served, known.get("cache_type")).fields}

    def _cost(self, served: str | None, cache_type: str | None) -> Cost:
        if self._request.is_free:
            return Cost(self._request.model, FREE)
        units = usage_units(self._raw_usage) or header_units(self._response.headers)
        return cost_of_model(served or self._request.model, is_free(cache_type, self._response), units)


_MAX_NOTICE_DELTAS = 200  # text deltas, enough for the longest beginning of a notice at one character each
_MEDIA_KINDS = ("image", "audio", "video", "3d")  # kinds of models that respond with the URL of a file
_PLAIN_FIELDS = frozenset({"role", "content"})
_PLAIN_CHOICE = frozenset({"index", "delta", "finish_reason", "logprobs"})
_BODY_FIELDS = frozenset({"object", "choices", "usage", "error"})
_CHOICE_FIELDS = frozenset({"index", "message", "delta", "finish_reason", "error"})
# Fields beside the message of the response. LangChain's users expect them in `additional_kwargs` of the message.
_MESSAGE_FACTS = ("citations", "search_results")
_ELSEWHERE = frozenset({"model", *_MESSAGE_FACTS, *FILTER_RESULTS})
_EMPTY_HINTS = {
    "length": "; raise max_tokens",
    "content_filter": "; the provider's content filter removed it",
}


def _plain_text(choices: Any) -> str | None:
    """Return the text of an event that adds nothing else, or None."""
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return None
    choice = choices[0]
    if choice.keys() - _PLAIN_CHOICE or choice.get("finish_reason") is not None or choice.get("logprobs"):
        return None
    delta = choice.get("delta")
    if not isinstance(delta, dict) or delta.keys() - _PLAIN_FIELDS:
        return None
    content = delta.get("content")
    return content if isinstance(content, str) else None


def _merge_facts(facts: Json, source: Mapping[str, Any], *, read_elsewhere: frozenset[str]) -> None:
    """Merge the fields of an event that are not parsed elsewhere.

    No field is lost. New values replace old values. Only the lists of log probabilities are concatenated.
    """
    for key, value in source.items():
        if key not in read_elsewhere and (value or value == 0):
            facts[key] = _merge_newer(facts.get(key), value)


def _merge_newer(old: Any, new: Any) -> Any:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    merged = dict(old)
    for key, value in new.items():
        known = old.get(key)
        if key in ("content", "refusal") and isinstance(known, list) and isinstance(value, list):
            merged[key] = known + value  # each event continues the list of tokens in logprobs
        elif value or value == 0:
            merged[key] = _merge_newer(known, value)
    return merged


# --- Media ------------------------------------------------------------------------------------------------------------

_AUDIO_TYPES: Mapping[str, str] = {"wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac", "opus": "audio/ogg"}


def _audio_blocks(audio: Any, request: RequestInfo) -> Iterator[Json]:
    """Yield the audio of a response as one playable block. Raw pcm16, as in streams, gets a WAV header."""
    if not isinstance(audio, dict) or not isinstance(audio.get("data"), str):
        return
    data, mime_type = audio["data"], _AUDIO_TYPES.get(request.audio_format or "", "application/octet-stream")
    try:
        samples = decode(data)
        data = base64.b64encode(samples).decode("ascii")
    except ValueError:
        samples = b""
    if samples and (found := sniff(samples)):
        mime_type = found
        if found == "audio/wav" and (closed := fix_wav_sizes(samples)) != samples:
            data = base64.b64encode(closed).decode("ascii")
    elif samples and request.audio_format not in _AUDIO_TYPES:
        data, mime_type = base64.b64encode(pcm16_to_wav(samples)).decode("ascii"), "audio/wav"
    block = {"type": "audio", "base64": data, "mime_type": mime_type}
    extras = {key: value for key, value in audio.items() if key not in ("data", "id")}
    yield {**block, **({"id": audio["id"]} if audio.get("id") else {}), **({"extras": extras} if extras else {})}
