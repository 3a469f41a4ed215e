"""The response formats of the providers behind the service, one named dialect each, for whole and streamed responses.

A `Completion` is the neutral form of a response; a dialect converts it to the wire format. Each dialect renders or
omits these neutral keys of its message: `content`, `reasoning_content`, `tool_calls`, `refusal`, `audio`, `images`
(URLs or data URIs), `sources` (`url`, `title`, and the `text` of the content that cites them), `searches` (queries that
the provider ran) and `code` (`code`, `output` and `language` of code that the provider ran). All other keys are already
in the wire format and are sent unchanged.
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
EVERYWHERE = ("content", "refusal", "reasoning_content", "tool_calls", "audio")  # neutral keys that OpenAI uses too
STREAMED = frozenset(  # keys that a stream splits; all others are sent in one delta
    "role content reasoning_content reasoning content_blocks refusal tool_calls audio".split(),
)
DATE = "2026-01-15"  # date of search results
HARMS = ("HATE_SPEECH", "DANGEROUS_CONTENT", "HARASSMENT", "SEXUALLY_EXPLICIT")


def _numbered_calls(calls: Sequence[Mapping[str, Any]]) -> list[Json]:
    return [{"index": number, **call} for number, call in enumerate(calls)]


def _thinking(said: Completion) -> list[Json]:
    return [{"type": "thinking", "thinking": said.thought}] if said.thought else []


def _text(said: Completion) -> list[Json]:
    return [{"type": "text", "text": said.content}] if said.content else []


def _pictures(said: Completion) -> list[Json]:
    return [{"type": "image_url", "image_url": {"url": url}} for url in said.listed("images")]


def _annotations(said: Completion) -> list[Json]:
    """Return the sources in OpenAI's format."""

    def annotation(source: Mapping[str, Any]) -> Json:
        start, end = said.span(source)
        place = {"start_index": start, "end_index": end}
        return {"type": "url_citation", "url_citation": {"url": source["url"], "title": source["title"], **place}}

    return [annotation(source) for source in said.listed("sources")]


def _filled(**values: Any) -> Json:
    return {key: value for key, value in values.items() if value}


class Dialect:
    """OpenAI's format, which most providers use."""

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

    def whole(self, said: Completion) -> Json:
        """Return the body of a response without streaming."""
        choice = {
            "index": 0,
            "message": self.message(said),
            "finish_reason": self.endings.get(said.ending, said.ending),
            "logprobs": said.logprobs,
            **self.beside(said),
        }
        usage = {} if said.usage is None else {"usage": self.usage(said)}
        return {**self._head(said, "chat.completion"), "choices": [choice], **usage, **said.extra}

    def _head(self, said: Completion, kind: str) -> Json:
        head = {"id": self.prefix + said.number, "object": kind, "created": said.created, "model": said.model}
        return head | _filled(provider=self.provider) | self.above(said)

    def message(self, said: Completion) -> Json:
        """Return the assistant message. Scripted keys in the wire format take precedence."""
        verbatim = {key: value for key, value in said.message.items() if key not in NEUTRAL}
        return {"role": "assistant", **self.rendered(said), **verbatim}

    def rendered(self, said: Completion) -> Json:
        """Return the neutral keys of the message in the format of the dialect."""
        told = {key: value for key, value in said.message.items() if key in EVERYWHERE}
        return told | _filled(annotations=_annotations(said), content_blocks=_pictures(said))

    def above(self, said: Completion) -> Json:
        """Return the extra top-level fields of the body and of every chunk."""
        return {}

    def beside(self, said: Completion) -> Json:
        """Return the extra fields of the choice; in a stream, of the last choice."""
        return {}

    def usage(self, said: Completion) -> Json:
        counted = dict(said.usage or {})
        return counted if said.exact_usage else self.counted(counted, said)

    def counted(self, usage: Json, said: Completion) -> Json:
        """Convert a usage that the emulator counted to the format of the dialect."""
        return usage

    # Streamed responses.

    def chunks(self, said: Completion) -> Iterator[Json]:
        """Yield the chunks of a stream, without the final [DONE]."""
        head = {**self._head(said, "chat.completion.chunk"), **said.extra}
        if said.usage is None or self.null_usage:
            head["usage"] = None
        for place, delta in enumerate(self.deltas(said)):
            yield self._chunk(head, delta, {} if place else _filled(logprobs=said.logprobs))
        ending = self.streamed_endings.get(said.ending) or self.endings.get(said.ending, said.ending)
        last = self._chunk(head, self.farewell, {"finish_reason": ending, **self.beside(said)})
        if said.usage is None:
            yield last
        elif self.usage_apart:
            yield last
            yield {**head, "choices": [], "usage": self.usage(said)}
        else:
            yield {**last, "usage": self.usage(said)}

    def _chunk(self, head: Json, delta: Json, choice: Json) -> Json:
        role = {"role": "assistant"} if self.repeats_role else {}
        return {**head, "choices": [{"index": 0, "delta": role | delta, "finish_reason": None, **choice}]}

    def deltas(self, said: Completion) -> Iterator[Json]:
        """Yield the deltas of a message: role, reasoning and content, tool calls, other keys."""
        wire = self.message(said)
        yield {"role": "assistant", "content": ""}
        told = {key: value for key, value in wire.items() if key not in self.doubled or key in said.message}
        yield from stream_deltas.of_key(told, "reasoning_content")
        yield from stream_deltas.of_key(told, "reasoning")
        yield from self.speech(said, wire)
        others = {key: value for key, value in told.items() if key not in STREAMED and value is not None}
        if others:
            yield others
        yield from self.calls(wire.get("tool_calls") or [])
        if wire.get("audio"):
            yield from stream_deltas.of_audio(wire["audio"])

    def speech(self, said: Completion, wire: Json) -> Iterator[Json]:
        """Yield the deltas of content blocks and content, and of reasoning within them."""
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
    """Models that the service calls through OpenAI's Responses API."""

    name = "responses"
    prefix = "resp_"
    null_usage = True


class Simulated(Dialect):
    """Models without streaming: a stream has the whole message and its finish reason in a single chunk."""

    name = "simulated"

    def chunks(self, said: Completion) -> Iterator[Json]:
        wire = self.message(said)
        calls = _filled(tool_calls=_numbered_calls(wire.get("tool_calls") or []))
        choice = _filled(logprobs=said.logprobs) | {"finish_reason": said.ending}
        head = {**self._head(said, "chat.completion.chunk"), **said.extra}
        yield self._chunk({**head, "usage": None}, wire | calls, choice)
        if said.usage is not None:
            yield {"choices": [], "usage": self.usage(said)}


class OpenRouter(Dialect):
    """OpenRouter behind the gateway: sends the reasoning three times and the content twice."""

    name = "openrouter"
    provider = "openrouter"
    farewell = {"content": ""}
    repeats_role = True
    doubled = frozenset({"reasoning", "reasoning_details"})

    def rendered(self, said: Completion) -> Json:
        told = super().rendered(said)
        thought = told.pop("reasoning_content", None)
        details = [self._detail(thought)] if thought else []
        blocks = [*_thinking(said), *_text(said), *_pictures(said)]
        return told | _filled(reasoning=thought, reasoning_details=details, content_blocks=blocks)

    @staticmethod
    def _detail(thought: str) -> Json:
        return {"type": "reasoning.text", "text": thought, "format": "unknown", "index": 0}

    def counted(self, usage: Json, said: Completion) -> Json:
        return usage | {"cost": said.cost}

    def speech(self, said: Completion, wire: Json) -> Iterator[Json]:
        for piece in stream_deltas.of_text(said.thought):
            thought = {"reasoning": piece, "reasoning_details": [self._detail(piece)]}
            yield {"content": "", **self._new(said, thought | stream_deltas.in_block(0, {"thinking": piece}))}
        yield from stream_deltas.of_given_blocks(said.message.get("content_blocks"))
        for delta in stream_deltas.of_key(wire, "content"):
            yield {**delta, **self._new(said, stream_deltas.in_block(0, {"text": delta["content"]}))}
        yield from stream_deltas.of_key(wire, "refusal")
        for picture in _pictures(said):
            yield from filter(None, [self._new(said, stream_deltas.in_block(0, picture))])

    @staticmethod
    def _new(said: Completion, delta: Json) -> Json:
        """Return the keys of a delta that the test has not scripted."""
        return {key: value for key, value in delta.items() if key not in said.message}


class Blocks(Dialect):
    """The common format of the gateway's own providers: content blocks hold everything, `content` repeats the text."""

    repeats_role = True
    usage_apart = False

    def speech(self, said: Completion, wire: Json) -> Iterator[Json]:
        if "content_blocks" in said.message:
            yield from super().speech(said, wire)
            return
        for number, piece in self.placed(wire.get("content_blocks") or []):
            yield self.words(piece) | stream_deltas.in_block(number, piece)
        yield from stream_deltas.of_key(wire, "refusal")

    def words(self, piece: Json) -> Json:
        """Return the `content` that accompanies a piece of a block."""
        return {"content": piece["text"]} if "text" in piece else {}

    def placed(self, blocks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Json]]:
        return stream_deltas.of_blocks(blocks)


def _server_call(number: int, what: Any) -> str:
    """Return the id of a tool call that the provider runs itself."""
    return "srvtoolu_" + sha256(repr((number, what)).encode("utf-8", "surrogatepass")).hexdigest()[:24]


class Bedrock(Blocks):
    """Claude and Nova behind the gateway."""

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

    def rendered(self, said: Completion) -> Json:
        told = {
            key: value for key, value in super().rendered(said).items() if key in ("refusal", "tool_calls", "audio")
        }
        return {"content": said.content, "content_blocks": self.blocks(said), **told}

    def blocks(self, said: Completion) -> list[Json]:
        thinking = [each | {"signature": signatures.of_thought(said.thought)} for each in _thinking(said)]
        cited = [each | _filled(citations=self._citations(said)) for each in _text(said)]
        return [*thinking, *self._searched(said), *self._ran(said), *cited, *_pictures(said)]

    @staticmethod
    def _citations(said: Completion) -> list[Json]:
        def citation(source: Mapping[str, Any]) -> Json:
            start, end = said.span(source)
            cited = {"url": source["url"], "title": source["title"], "cited_text": said.content[start:end]}
            return {"type": "web_search_result_location", **cited}

        return [citation(source) for source in said.listed("sources")]

    @staticmethod
    def _searched(said: Completion) -> Iterator[Json]:
        searches = said.listed("searches")
        for number, query in enumerate(searches):
            call = _server_call(number, query)
            found = said.listed("sources")[number :: len(searches)]
            pages = [{"type": "web_search_result", "url": each["url"], "title": each["title"]} for each in found]
            yield {"type": "server_tool_use", "id": call, "name": "web_search", "input": {"query": query}}
            yield {"type": "web_search_tool_result", "tool_use_id": call, "content": pages}

    @staticmethod
    def _ran(said: Completion) -> Iterator[Json]:
        for number, run in enumerate(said.listed("code")):
            call = _server_call(number, run)
            result = {"type": "code_execution_result", "stdout": run["output"], "stderr": "", "return_code": 0}
            yield {"type": "server_tool_use", "id": call, "name": "code_execution", "input": {"code": run["code"]}}
            yield {"type": "code_execution_tool_result", "tool_use_id": call, "content": result}

    def counted(self, usage: Json, said: Completion) -> Json:
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
    """Gemini behind the gateway."""

    name = "vertex"
    provider = "vertex-ai"
    farewell = {"content": ""}
    overflow = "The input token count ({given}) exceeds the maximum number of tokens allowed ({most})."
    overflow_code = None
    signs = True
    endings = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
    streamed_endings = {"tool_calls": "STOP"}

    def rendered(self, said: Completion) -> Json:
        told = {key: value for key, value in super().rendered(said).items() if key in ("refusal", "audio")}
        calls = [self._signed(call) for call in said.listed("tool_calls")]
        return _filled(tool_calls=calls, content=said.content, content_blocks=self.blocks(said)) | told

    @staticmethod
    def _signed(call: Mapping[str, Any]) -> Json:
        function = call["function"]
        return {**call, "function": {"thought_signature": signatures.of_call(function), **function}}

    def blocks(self, said: Completion) -> list[Json]:
        return [*_thinking(said), *self._ran(said), *_text(said), *_pictures(said)]

    @staticmethod
    def _ran(said: Completion) -> Iterator[Json]:
        for run in said.listed("code"):
            code = {"language": run.get("language", "PYTHON"), "code": run["code"]}
            result = {"outcome": "OUTCOME_OK", "output": run["output"]}
            yield {"type": "executable_code", "executable_code": code}
            yield {"type": "code_execution_result", "code_execution_result": result}

    def beside(self, said: Completion) -> Json:
        ratings = [{"category": f"HARM_CATEGORY_{harm}", "probability": "NEGLIGIBLE"} for harm in HARMS]
        return _filled(groundingMetadata=self._grounding(said)) | {"safetyRatings": ratings}

    def _grounding(self, said: Completion) -> Json:
        pages = [{"web": {"uri": each["url"], "title": each["title"]}} for each in said.listed("sources")]
        searches = list(said.listed("searches"))
        return _filled(webSearchQueries=searches, groundingChunks=pages, groundingSupports=self._supports(said))

    @staticmethod
    def _supports(said: Completion) -> list[Json]:
        """Return the grounding supports, which map text ranges to pages.

        Offsets are in bytes. A start offset of 0 is omitted.
        """
        resting: dict[tuple[int, int], list[int]] = {}
        for number, source in enumerate(said.listed("sources")):
            if source.get("text") and source["text"] in said.content:
                resting.setdefault(said.span(source), []).append(number)

        def support(start: int, end: int, pages: list[int]) -> Json:
            first, last = (len(said.content[:place].encode("utf-8", "surrogatepass")) for place in (start, end))
            segment = _filled(startIndex=first) | {"endIndex": last, "text": said.content[start:end]}
            return {"segment": segment, "groundingChunkIndices": pages}

        return [support(start, end, pages) for (start, end), pages in resting.items()]

    def words(self, piece: Json) -> Json:
        return {"content": ""} if "thinking" in piece else super().words(piece)

    def placed(self, blocks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Json]]:
        """Number the pieces as the gateway does: 0 for reasoning, and one shared index for everything else."""
        after = int(any(block.get("type") == "thinking" for block in blocks))
        for _, piece in stream_deltas.of_blocks(blocks):
            yield (0 if "thinking" in piece else after), piece

    def calls(self, calls: Sequence[Mapping[str, Any]]) -> Iterator[Json]:
        if calls:
            yield {"tool_calls": _numbered_calls(calls)}


class Perplexity(Dialect):
    """Perplexity: sources at the top level, their numbers in the text, and reasoning in tags before the text."""

    name = "perplexity"
    provider = "perplexity-ai"
    repeats_role = True
    usage_apart = False
    endings = {"stop": ""}
    streamed_endings = {"stop": "stop"}

    def above(self, said: Completion) -> Json:
        sources = said.listed("sources")
        found = [{"title": each["title"], "url": each["url"], "date": each.get("date", DATE)} for each in sources]
        return _filled(citations=[each["url"] for each in sources], search_results=found)

    def rendered(self, said: Completion) -> Json:
        told = super().rendered(said)
        for key in ("annotations", "reasoning_content"):
            told.pop(key, None)
        thought = f"<think>\n{said.thought}\n</think>\n\n" if said.thought else ""
        return told | _filled(content=thought + self._marked(said))

    @staticmethod
    def _marked(said: Completion) -> str:
        """Return the content with the number of each source after the text that cites it."""
        content = said.content
        for number, source in enumerate(said.listed("sources"), 1):
            if source.get("text") and f"[{number}]" not in said.content:
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
    """Return the dialect of the provider that serves a model."""
    return named(next((dialect for start, dialect in UPSTREAMS if name.startswith(start)), "plain"))
