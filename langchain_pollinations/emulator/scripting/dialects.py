"""The response formats of the providers behind the service. Each format is a named dialect.

A `Completion` is the provider-independent form of a response. A dialect converts it to a JSON body or to the chunks of
a stream. These keys of a message are independent of the provider:

- `content`, `reasoning_content`, `tool_calls`, `refusal` and `audio`.
- `images`: URLs or data URIs.
- `sources`: each with `url`, `title`, and the `text` of the content that cites the source.
- `searches`: queries that the provider ran.
- `code`: the `code` that the provider ran, its `output` and its `language`.

A dialect converts or omits each of these keys. It sends all other keys unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from langchain_pollinations.emulator.scripting import stream_deltas
from langchain_pollinations.emulator.scripting.completion import Completion
from langchain_pollinations.emulator.service import signatures

Json = dict[str, Any]

NEUTRAL = frozenset(
    "role content reasoning_content tool_calls refusal audio images sources searches code".split(),
)
COMMON_KEYS = ("content", "refusal", "reasoning_content", "tool_calls", "audio")  # neutral keys that OpenAI uses too
STREAMED = frozenset(  # keys that a stream splits; all others are sent in one delta
    "role content reasoning_content reasoning content_blocks refusal tool_calls audio".split(),
)
DATE = "2026-01-15"  # date of search results
HARMS = ("HATE_SPEECH", "DANGEROUS_CONTENT", "HARASSMENT", "SEXUALLY_EXPLICIT")


def _numbered_calls(calls: Sequence[Mapping[str, Any]]) -> list[Json]:
    return [{"index": number, **call} for number, call in enumerate(calls)]


def _thinking(completion: Completion) -> list[Json]:
    return [{"type": "thinking", "thinking": completion.thought}] if completion.thought else []


def _text(completion: Completion) -> list[Json]:
    return [{"type": "text", "text": completion.content}] if completion.content else []


def _images(completion: Completion) -> list[Json]:
    return [{"type": "image_url", "image_url": {"url": url}} for url in completion.listed("images")]


def _annotations(completion: Completion) -> list[Json]:
    """Return the sources as OpenAI's `annotations`."""

    def annotation(source: Mapping[str, Any]) -> Json:
        start, end = completion.span(source)
        place = {"start_index": start, "end_index": end}
        return {"type": "url_citation", "url_citation": {"url": source["url"], "title": source["title"], **place}}

    return [annotation(source) for source in completion.listed("sources")]


def _filled(**values: Any) -> Json:
    return {key: value for key, value in values.items() if value}


class Dialect:
    """The format of OpenAI. Most providers use it."""

    name = "plain"
    prefix = "pllns_"
    provider: str | None = None
    overflow = "This model's maximum context length is {most} tokens. However, your messages have {given} tokens."
    overflow_code: str | None = "context_length_exceeded"
    signs = False  # whether reasoning is signed and must be sent back unchanged
    repeats_role = False  # in every delta
    farewell: Json = {}  # the delta of the chunk with the finish reason
    usage_apart = True  # usage has its own chunk, after the one with the finish reason
    null_usage = False  # null usage in every chunk without usage
    endings: Mapping[str, str] = {}  # the provider's terms for OpenAI's finish reasons
    streamed_endings: Mapping[str, str] = {}  # where a stream uses other terms
    doubled: frozenset[str] = frozenset()  # keys that the deltas of `speech` also contain

    # Whole responses.

    def whole(self, completion: Completion) -> Json:
        """Return the body of a response that is not streamed."""
        choice = {
            "index": 0,
            "message": self.message(completion),
            "finish_reason": self.endings.get(completion.ending, completion.ending),
            "logprobs": completion.logprobs,
            **self.beside(completion),
        }
        usage = {} if completion.usage is None else {"usage": self.usage(completion)}
        return {**self._head(completion, "chat.completion"), "choices": [choice], **usage, **completion.extra}

    def _head(self, completion: Completion, kind: str) -> Json:
        head = {
            "id": self.prefix + completion.number,
            "object": kind,
            "created": completion.created,
            "model": completion.model,
        }
        return head | _filled(provider=self.provider) | self.above(completion)

    def message(self, completion: Completion) -> Json:
        """Return the assistant message. A scripted key of the provider's format is sent unchanged."""
        verbatim = {key: value for key, value in completion.message.items() if key not in NEUTRAL}
        return {"role": "assistant", **self.rendered(completion), **verbatim}

    def rendered(self, completion: Completion) -> Json:
        """Convert the provider-independent keys of the message to the format of the provider."""
        fields = {key: value for key, value in completion.message.items() if key in COMMON_KEYS}
        return fields | _filled(annotations=_annotations(completion), content_blocks=_images(completion))

    def above(self, completion: Completion) -> Json:
        """Return the provider's extra fields at the top level of a body or chunk."""
        return {}

    def beside(self, completion: Completion) -> Json:
        """Return the provider's extra fields for the choice. A stream contains them in its last choice."""
        return {}

    def usage(self, completion: Completion) -> Json:
        counted = dict(completion.usage or {})
        return counted if completion.exact_usage else self.counted(counted, completion)

    def counted(self, usage: Json, completion: Completion) -> Json:
        """Convert the usage object of the emulator to the format of the provider."""
        return usage

    # Streamed responses.

    def chunks(self, completion: Completion) -> Iterator[Json]:
        """Yield the chunks of a stream, without the final `[DONE]`."""
        head = {**self._head(completion, "chat.completion.chunk"), **completion.extra}
        if completion.usage is None or self.null_usage:
            head["usage"] = None
        for place, delta in enumerate(self.deltas(completion)):
            yield self._chunk(head, delta, {} if place else _filled(logprobs=completion.logprobs))
        ending = self.streamed_endings.get(completion.ending) or self.endings.get(completion.ending, completion.ending)
        last = self._chunk(head, self.farewell, {"finish_reason": ending, **self.beside(completion)})
        if completion.usage is None:
            yield last
        elif self.usage_apart:
            yield last
            yield {**head, "choices": [], "usage": self.usage(completion)}
        else:
            yield {**last, "usage": self.usage(completion)}

    def _chunk(self, head: Json, delta: Json, choice: Json) -> Json:
        role = {"role": "assistant"} if self.repeats_role else {}
        return {**head, "choices": [{"index": 0, "delta": role | delta, "finish_reason": None, **choice}]}

    def deltas(self, completion: Completion) -> Iterator[Json]:
        """Yield the deltas of a message in this order: role, reasoning, content, other keys, tool calls, audio."""
        wire = self.message(completion)
        yield {"role": "assistant", "content": ""}
        fields = {key: value for key, value in wire.items() if key not in self.doubled or key in completion.message}
        yield from stream_deltas.of_key(fields, "reasoning_content")
        yield from stream_deltas.of_key(fields, "reasoning")
        yield from self.speech(completion, wire)
        others = {key: value for key, value in fields.items() if key not in STREAMED and value is not None}
        if others:
            yield others
        yield from self.calls(wire.get("tool_calls") or [])
        if wire.get("audio"):
            yield from stream_deltas.of_audio(wire["audio"])

    def speech(self, completion: Completion, wire: Json) -> Iterator[Json]:
        """Yield the deltas of the content blocks, the content and the refusal.

        Some providers send the reasoning in content blocks. Their deltas include the reasoning.
        """
        yield from stream_deltas.of_given_blocks(wire.get("content_blocks"))
        yield from stream_deltas.of_key(wire, "content")
        yield from stream_deltas.of_key(wire, "refusal")

    def calls(self, calls: Sequence[Mapping[str, Any]]) -> Iterator[Json]:
        for call in _numbered_calls(calls):
            function = call["function"]
            yield {"tool_calls": [{**call, "function": {**function, "arguments": ""}}]}
            for piece in stream_deltas.of_arguments(function):
                yield {"tool_calls": [{"index": call["index"], "function": {"arguments": piece}}]}


class Responses(Dialect):
    """The format of models that the service calls through OpenAI's Responses API."""

    name = "responses"
    prefix = "resp_"
    null_usage = True


class Simulated(Dialect):
    """The format of models that cannot stream. A stream has one chunk with the whole message and the finish reason."""

    name = "simulated"

    def chunks(self, completion: Completion) -> Iterator[Json]:
        wire = self.message(completion)
        calls = _filled(tool_calls=_numbered_calls(wire.get("tool_calls") or []))
        choice = _filled(logprobs=completion.logprobs) | {"finish_reason": completion.ending}
        head = {**self._head(completion, "chat.completion.chunk"), **completion.extra}
        yield self._chunk({**head, "usage": None}, wire | calls, choice)
        if completion.usage is not None:
            yield {"choices": [], "usage": self.usage(completion)}


class OpenRouter(Dialect):
    """The format of OpenRouter's models.

    A stream repeats each piece of the reasoning in three fields, and each piece of the content in two fields.
    """

    name = "openrouter"
    provider = "openrouter"
    farewell = {"content": ""}
    repeats_role = True
    doubled = frozenset({"reasoning", "reasoning_details"})

    def rendered(self, completion: Completion) -> Json:
        fields = super().rendered(completion)
        thought = fields.pop("reasoning_content", None)
        details = [self._detail(thought)] if thought else []
        blocks = [*_thinking(completion), *_text(completion), *_images(completion)]
        return fields | _filled(reasoning=thought, reasoning_details=details, content_blocks=blocks)

    @staticmethod
    def _detail(thought: str) -> Json:
        return {"type": "reasoning.text", "text": thought, "format": "unknown", "index": 0}

    def counted(self, usage: Json, completion: Completion) -> Json:
        return usage | {"cost": completion.cost}

    def speech(self, completion: Completion, wire: Json) -> Iterator[Json]:
        for piece in stream_deltas.of_text(completion.thought):
            thought = {"reasoning": piece, "reasoning_details": [self._detail(piece)]}
            yield {"content": "", **self._new(completion, thought | stream_deltas.in_block(0, {"thinking": piece}))}
        yield from stream_deltas.of_given_blocks(completion.message.get("content_blocks"))
        for delta in stream_deltas.of_key(wire, "content"):
            yield {**delta, **self._new(completion, stream_deltas.in_block(0, {"text": delta["content"]}))}
        yield from stream_deltas.of_key(wire, "refusal")
        for image in _images(completion):
            yield from filter(None, [self._new(completion, stream_deltas.in_block(0, image))])

    @staticmethod
    def _new(completion: Completion, delta: Json) -> Json:
        """Return a delta without the keys that the test has scripted."""
        return {key: value for key, value in delta.items() if key not in completion.message}


class Blocks(Dialect):
    """The common part of the Bedrock and Vertex formats.

    `content_blocks` holds all content. `content` repeats the text.
    """

    repeats_role = True
    usage_apart = False

    def speech(self, completion: Completion, wire: Json) -> Iterator[Json]:
        if "content_blocks" in completion.message:
            yield from super().speech(completion, wire)
            return
        for number, piece in self.placed(wire.get("content_blocks") or []):
            yield self.words(piece) | stream_deltas.in_block(number, piece)
        yield from stream_deltas.of_key(wire, "refusal")

    def words(self, piece: Json) -> Json:
        """Return the `content` field that is sent together with a piece of a content block."""
        return {"content": piece["text"]} if "text" in piece else {}

    def placed(self, blocks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Json]]:
        return stream_deltas.of_blocks(blocks)


def _server_call(number: int, what: Any) -> str:
    """Return the id of a tool call that the provider executes itself."""
    return "srvtoolu_" + sha256(repr((number, what)).encode("utf-8", "surrogatepass")).hexdigest()[:24]


class Bedrock(Blocks):
    """The format of Claude and Nova models, which the service calls through Amazon Bedrock."""

    name = "bedrock"
    provider = "bedrock"
    overflow = "prompt is too long: {given} tokens > {most} maximum"
    overflow_code = None
    signs = True
    endings = {
        "stop": "end_turn",
        "tool_calls": "tool_use",
        "length": "max_tokens",
        "content_filter": "content_filtered",
    }

    def rendered(self, completion: Completion) -> Json:
        fields = {
            key: value
            for key, value in super().rendered(completion).items()
            if key in ("refusal", "tool_calls", "audio")
        }
        return {"content": completion.content, "content_blocks": self.blocks(completion), **fields}

    def blocks(self, completion: Completion) -> list[Json]:
        thinking = [each | {"signature": signatures.of_thought(completion.thought)} for each in _thinking(completion)]
        cited = [each | _filled(citations=self._citations(completion)) for each in _text(completion)]
        return [*thinking, *self._searched(completion), *self._ran(completion), *cited, *_images(completion)]

    @staticmethod
    def _citations(completion: Completion) -> list[Json]:
        def citation(source: Mapping[str, Any]) -> Json:
            start, end = completion.span(source)
            cited = {"url": source["url"], "title": source["title"], "cited_text": completion.content[start:end]}
            return {"type": "web_search_result_location", **cited}

        return [citation(source) for source in completion.listed("sources")]

    @staticmethod
    def _searched(completion: Completion) -> Iterator[Json]:
        searches = completion.listed("searches")
        for number, query in enumerate(searches):
            call = _server_call(number, query)
            found = completion.listed("sources")[number :: len(searches)]
            pages = [{"type": "web_search_result", "url": each["url"], "title": each["title"]} for each in found]
            yield {"type": "server_tool_use", "id": call, "name": "web_search", "input": {"query": query}}
            yield {"type": "web_search_tool_result", "tool_use_id": call, "content": pages}

    @staticmethod
    def _ran(completion: Completion) -> Iterator[Json]:
        for number, run in enumerate(completion.listed("code")):
            call = _server_call(number, run)
            result = {"type": "code_execution_result", "stdout": run["output"], "stderr": "", "return_code": 0}
            yield {"type": "server_tool_use", "id": call, "name": "code_execution", "input": {"code": run["code"]}}
            yield {"type": "code_execution_tool_result", "tool_use_id": call, "content": result}

    def counted(self, usage: Json, completion: Completion) -> Json:
        details = usage.get("prompt_tokens_details") or {}
        read, written = details.get("cached_tokens", 0), details.get("cache_write_tokens", 0)
        totals = {key: usage[key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")}
        cache = {"cache_read_input_tokens": read, "cache_creation_input_tokens": written} if read or written else {}
        return {**totals, "prompt_tokens_details": {"cached_tokens": read}, **cache}

    def calls(self, calls: Sequence[Mapping[str, Any]]) -> Iterator[Json]:
        for call in _numbered_calls(calls):
            function = {key: value for key, value in call["function"].items() if key != "arguments"}
            yield {"tool_calls": [{**call, "function": function}]}
            for piece in stream_deltas.of_arguments(call["function"]):
                part = {"index": call["index"], "type": "function", "function": {"arguments": piece}}
                yield {"tool_calls": [part]}


class Vertex(Blocks):
    """The format of Gemini models, which the service calls through Vertex AI."""

    name = "vertex"
    provider = "vertex-ai"
    farewell = {"content": ""}
    overflow = "The input token count ({given}) exceeds the maximum number of tokens allowed ({most})."
    overflow_code = None
    signs = True
    endings = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
    streamed_endings = {"tool_calls": "STOP"}

    def rendered(self, completion: Completion) -> Json:
        fields = {key: value for key, value in super().rendered(completion).items() if key in ("refusal", "audio")}
        calls = [self._signed(call) for call in completion.listed("tool_calls")]
        return _filled(tool_calls=calls, content=completion.content, content_blocks=self.blocks(completion)) | fields

    @staticmethod
    def _signed(call: Mapping[str, Any]) -> Json:
        function = call["function"]
        return {**call, "function": {"thought_signature": signatures.of_call(function), **function}}

    def blocks(self, completion: Completion) -> list[Json]:
        return [*_thinking(completion), *self._ran(completion), *_text(completion), *_images(completion)]

    @staticmethod
    def _ran(completion: Completion) -> Iterator[Json]:
        for run in completion.listed("code"):
            code = {"language": run.get("language", "PYTHON"), "code": run["code"]}
            result = {"outcome": "OUTCOME_OK", "output": run["output"]}
            yield {"type": "executable_code", "executable_code": code}
            yield {"type": "code_execution_result", "code_execution_result": result}

    def beside(self, completion: Completion) -> Json:
        ratings = [{"category": f"HARM_CATEGORY_{harm}", "probability": "NEGLIGIBLE"} for harm in HARMS]
        return _filled(groundingMetadata=self._grounding(completion)) | {"safetyRatings": ratings}

    def _grounding(self, completion: Completion) -> Json:
        pages = [{"web": {"uri": each["url"], "title": each["title"]}} for each in completion.listed("sources")]
        searches = list(completion.listed("searches"))
        return _filled(webSearchQueries=searches, groundingChunks=pages, groundingSupports=self._supports(completion))

    @staticmethod
    def _supports(completion: Completion) -> list[Json]:
        """Return Gemini's `groundingSupports`, which map ranges of the text to web pages.

        The start and the end of a range are counted in bytes. A start of 0 is omitted.
        """
        resting: dict[tuple[int, int], list[int]] = {}
        for number, source in enumerate(completion.listed("sources")):
            if source.get("text") and source["text"] in completion.content:
                resting.setdefault(completion.span(source), []).append(number)

        def support(start: int, end: int, pages: list[int]) -> Json:
            first, last = (len(completion.content[:place].encode("utf-8", "surrogatepass")) for place in (start, end))
            segment = _filled(startIndex=first) | {"endIndex": last, "text": completion.content[start:end]}
            return {"segment": segment, "groundingChunkIndices": pages}

        return [support(start, end, pages) for (start, end), pages in resting.items()]

    def words(self, piece: Json) -> Json:
        return {"content": ""} if "thinking" in piece else super().words(piece)

    def placed(self, blocks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Json]]:
        """Yield the pieces of content blocks with the index that the service gives them.

        Reasoning has index 0. All other pieces share one index.
        """
        after = int(any(block.get("type") == "thinking" for block in blocks))
        for _, piece in stream_deltas.of_blocks(blocks):
            yield (0 if "thinking" in piece else after), piece

    def calls(self, calls: Sequence[Mapping[str, Any]]) -> Iterator[Json]:
        if calls:
            yield {"tool_calls": _numbered_calls(calls)}


class Perplexity(Dialect):
    """The format of Perplexity's models.

    The top level lists the sources. The text contains their numbers. The reasoning precedes the text in `<think>` tags.
    """

    name = "perplexity"
    provider = "perplexity-ai"
    repeats_role = True
    usage_apart = False
    endings = {"stop": ""}
    streamed_endings = {"stop": "stop"}

    def above(self, completion: Completion) -> Json:
        sources = completion.listed("sources")
        found = [{"title": each["title"], "url": each["url"], "date": each.get("date", DATE)} for each in sources]
        return _filled(citations=[each["url"] for each in sources], search_results=found)

    def rendered(self, completion: Completion) -> Json:
        fields = super().rendered(completion)
        for key in ("annotations", "reasoning_content"):
            fields.pop(key, None)
        thought = f"<think>\n{completion.thought}\n</think>\n\n" if completion.thought else ""
        return fields | _filled(content=thought + self._marked(completion))

    @staticmethod
    def _marked(completion: Completion) -> str:
        """Return the content with source numbers. The number of a source follows the text that cites the source."""
        content = completion.content
        for number, source in enumerate(completion.listed("sources"), 1):
            if source.get("text") and f"[{number}]" not in completion.content:
                content = re.sub(rf"{re.escape(source['text'])}(?:\[\d+])*", rf"\g<0>[{number}]", content, count=1)
        return content


DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect
    for dialect in (Dialect(), Responses(), OpenRouter(), Bedrock(), Vertex(), Perplexity(), Simulated())
}

# Prefixes of model names with a dialect other than "plain".
UPSTREAMS = (
    ("anthropic/", "bedrock"),
    ("amazon/", "bedrock"),
    ("google/gemini", "vertex"),
    ("perplexity/", "perplexity"),
    ("openai/gpt-5", "responses"),
    ("openai/gpt-6", "responses"),
    ("stepfun/", "openrouter"),
    ("tencent/", "openrouter"),
    ("poolside/", "openrouter"),
    ("meituan/", "openrouter"),
    ("xiaomi/", "openrouter"),
    ("inclusionai/", "openrouter"),
)


def named(name: str) -> Dialect:
    if name not in DIALECTS:
        raise ValueError(f"Unknown dialect {name!r}; known are: {', '.join(DIALECTS)}")
    return DIALECTS[name]


def of_model(name: str) -> Dialect:
    """Return the dialect for a model, which depends on its provider."""
    return named(next((dialect for start, dialect in UPSTREAMS if name.startswith(start)), "plain"))
