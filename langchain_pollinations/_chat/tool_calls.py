"""Tool calls of a response, assembled from deltas."""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessageChunk, InvalidToolCall, ToolCall
from langchain_core.messages.tool import ToolCallChunk, invalid_tool_call, tool_call, tool_call_chunk

from langchain_pollinations._chat.chunks import LastChunk
from langchain_pollinations._chat.json_strings import Unpacker
from langchain_pollinations._types import Json


class ToolCallAssembler:
    """The tool calls of an answer: gives each its place and its id, whether or not the events bring good ones."""

    def __init__(self, originals: Mapping[str, str], parameters: Mapping[str, Json]) -> None:
        """Both by the name of a tool on the wire: the name that the caller gave to it, and its parameters."""
        self._originals = originals
        self._parameters = parameters
        self._calls: list[_ToolCall] = []
        # Where calls are, so that an answer with thousands of them is read in linear time.
        self._by_id: dict[str, int] = {}
        self._by_index: dict[int | str, int] = {}
        self._passed_on = 0
        """How many calls, from the first one on, are surely not held back any more."""

    def __bool__(self) -> bool:
        return bool(self._calls)

    def read(self, deltas: Any) -> list[ToolCallChunk]:
        """Take in the calls of one event, and give out what can be passed on, one chunk for a call."""
        pieces: dict[int, str] = {}
        for delta in [deltas] if isinstance(deltas, dict) else deltas if isinstance(deltas, list) else []:
            raw = parse_raw_call(delta)
            number = None if raw is None else self._place(raw)
            if raw is None or number is None:
                continue
            call = self._calls[number]
            arguments = call.add(raw, taken=self._by_id)
            if call.id:
                self._by_id.setdefault(call.id, number)
            # Nothing is known to come for a call when the next one begins.
            for earlier in range(self._passed_on, number):
                if self._calls[earlier].is_held:
                    pieces.setdefault(earlier, "")
            self._passed_on = max(self._passed_on, number)
            if arguments or (call.lacks_id and call.id):
                pieces[number] = pieces.get(number, "") + arguments
        return [self._calls[number].chunk(number, arguments) for number, arguments in pieces.items()]

    def read_function(self, delta: Any) -> list[ToolCallChunk]:
        """As `read`, for `function_call`, the legacy form of a single call. Some providers send both forms: then the
        calls count."""
        if not isinstance(delta, dict) or any(call.index != _FUNCTION for call in self._calls):
            return []
        return self.read({"index": _FUNCTION, "function": delta})

    def rest(self) -> list[ToolCallChunk]:
        """What was held back, now that no more comes, and an id for each call that came without."""
        for call in self._calls:
            call.id = call.id or f"call_{uuid.uuid4().hex[:24]}"
        waiting = [(number, call, call.release()) for number, call in enumerate(self._calls)]
        return [
            call.chunk(number, arguments)
            for number, call, arguments in waiting
            if arguments or call.is_held or call.lacks_id
        ]

    def _place(self, raw: RawToolCall) -> int | None:
        """The place of the call that a delta belongs to, an old one or a new one; None where it says nothing new."""
        known = self._known(raw)
        if known is not None and raw.name and raw.arguments and self._calls[known].is_whole:
            # Some gateways send whole calls that all claim index 0, or one id; some send the same call twice.
            call = self._calls[known]
            if raw.id and (raw.id, raw.name, raw.arguments) == (call.id, call.name, call.arguments):
                return None
            known = None
        if known is None and not (raw.id or raw.name or raw.arguments or raw.signature):
            return None
        if known is not None:
            return known
        self._calls.append(_ToolCall(raw.index, self._originals, self._parameters))
        if raw.index is not None:
            self._by_index[raw.index] = len(self._calls) - 1
        return len(self._calls) - 1

    def _known(self, raw: RawToolCall) -> int | None:
        """The call that a delta goes on with: by its id, else by its index, else the last."""
        if raw.id in self._by_id:
            number = self._by_id[raw.id]
            if None in (raw.index, self._calls[number].index) or raw.index == self._calls[number].index:
                return number
        if raw.index in self._by_index:
            number = self._by_index[raw.index]
            return None if raw.name and raw.id and self._calls[number].id else number
        return len(self._calls) - 1 if self._calls and not (raw.id or raw.name or raw.index is not None) else None

    # After the end

    def finished(self) -> tuple[list[ToolCall], list[InvalidToolCall]]:
        """The good calls, and those without a name or with arguments that are no JSON object."""
        good = [
            tool_call(name=call.original_name, args=parse_arguments(call.written) or {}, id=call.id)
            for call in self._calls
            if call.is_good
        ]
        lost = [call for call in self._calls if not call.is_good]
        return good, [
            invalid_tool_call(
                name=call.original_name,
                args=call.arguments,
                id=call.id,
                error=call.fault,
            )
            for call in lost
        ]

    def raw_arguments(self) -> Json:
        """The arguments of the calls that are no good, by id: in a stream `spoilers` changes them."""
        return {call.id: call.arguments for call in self._calls if not call.is_good}

    def last_chunk(self, **fields: Any) -> AIMessageChunk:
        """The last chunk of a stream with these calls."""
        _, lost = self.finished()
        if not lost:
            return AIMessageChunk(**fields, chunk_position="last")
        chunk = LastChunk(**fields, tool_call_chunks=self.spoilers(), chunk_position="last")
        numbers = (number for number, call in enumerate(self._calls) if not call.is_good)
        chunk._lost = [{**call, "index": f"lc_tc_{n}"} for n, call in zip(numbers, lost, strict=True)]
        return chunk

    def signatures(self) -> Json:
        return {call.id: call.signature for call in self._calls if call.signature}

    def extras(self) -> Json:
        """The unknown fields of calls, by id: they are sent back to the publisher."""
        return {call.id: call.extra for call in self._calls if call.extra}

    def spoilers(self) -> list[ToolCallChunk]:
        """For each call that is no good, the end that keeps LangChain from making a good one of it.

        Added chunks are parsed leniently: `{"path": "/home/u` would become a call with half an argument. A bracket that
        closes nothing makes it the invalid call that it is.
        """
        return [
            tool_call_chunk(name=None, args=_invalidating_suffix(call.arguments), id=None, index=number)
            for number, call in enumerate(self._calls)
            if not call.is_good
        ]


_FUNCTION = "function_call"
"""The index of a call in the legacy form, which has none of its own."""


@dataclass
class _ToolCall:
    """One call on its way.

    LangChain adds the names of chunks up and takes an id once, while providers repeat names, cut them into pieces and
    send ids late. So nothing is passed on until the arguments begin.
    """

    index: int | str | None
    originals: Mapping[str, str]
    parameters: Mapping[str, Json]
    id: str = ""
    name: str = ""
    """The name on the wire, as far as it has arrived."""
    signature: str | None = None
    extra: Json = field(default_factory=dict)
    is_held: bool = True
    lacks_id: bool = False
    """Whether the call was passed on without an id."""
    _pieces: list[str] = field(default_factory=list)
    _null: str = ""
    _in_string: bool = False
    _after_backslash: bool = False
    _unpacker: Unpacker | None = None

    @property
    def original_name(self) -> str:
        """The name that the caller gave to the tool."""
        return self.originals.get(self.name, self.name)

    @property
    def arguments(self) -> str:
        """The arguments as they came."""
        return "".join(self._pieces)

    @property
    def written(self) -> str:
        """The arguments as they are given out."""
        return Unpacker(self.parameters.get(self.name, {})).feed(self.arguments)

    def release(self) -> str:
        """The end of the arguments that was held back: a string without its end."""
        return self._unpacker.release() if self._unpacker else ""

    @property
    def is_whole(self) -> bool:
        return bool(self.name) and parse_arguments(self.arguments) is not None

    @property
    def is_good(self) -> bool:
        return bool(self.name) and parse_arguments(self.arguments or "{}") is not None

    @property
    def fault(self) -> str:
        """Why the call is no good."""
        if not self.name:
            return "the call names no tool"
        if _read_object(self.arguments) is None:
            return "the arguments are no JSON object"
        return f"the arguments hold a number beyond 64 bits, half a character in a key, or over {_MAX_DEPTH} levels"

    def add(self, raw: RawToolCall, taken: Container[str]) -> str:
        """Take in a delta, and give its arguments as they can be passed on."""
        if self.is_held and raw.name != self.name:
            self.name = raw.name if raw.name.startswith(self.name) else self.name + raw.name
        if not self.id and raw.id not in taken:
            self.id = raw.id
        self.signature = raw.signature or self.signature
        if raw.extra:
            function = {**self.extra.get("function", {}), **raw.extra.get("function", {})}
            self.extra |= {**raw.extra, **({"function": function} if function else {})}
        self._pieces.append(raw.arguments)
        held = self._null + raw.arguments
        if len(self._pieces) < 9 and (whole := self.arguments.strip()) and "null".startswith(whole):
            self._null = held  # no arguments, to some providers
            return ""
        self._null = ""
        self._unpacker = self._unpacker or Unpacker(self.parameters.get(self.name, {}))
        return self._unpacker.feed(self._escaped(held))

    def chunk(self, number: int, arguments: str) -> ToolCallChunk:
        name = self.original_name or None if self.is_held else None
        call_id = self.id or None if self.is_held or self.lacks_id else None
        self.is_held, self.lacks_id = False, not self.id
        return tool_call_chunk(name=name, args=arguments, id=call_id, index=number)

    def _escaped(self, piece: str) -> str:
        """A piece with the line breaks inside its strings escaped: LangChain's events read JSON strictly."""
        before = "\\" if self._after_backslash else ""
        self._after_backslash = False
        return _MARKS.sub(self._mark, before + piece).removeprefix(before)

    def _mark(self, found: re.Match[str]) -> str:
        mark = found[0]
        if mark.startswith("\\"):
            self._after_backslash = len(mark) == 1
        elif mark == '"':
            self._in_string = not self._in_string
        elif self._in_string:
            return json.dumps(mark)[1:-1]
        return mark


# A backslash with what it stands before, a quote, a control character.
_MARKS = re.compile(r'\\.?|"|[\x00-\x1f]', re.DOTALL)


# --- Single calls -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RawToolCall:
    """One tool call or delta of one, as far as it makes sense."""

    index: int | str | None
    id: str
    name: str
    arguments: str
    signature: str | None
    extra: Json
    """Fields of the call that are read nowhere, and under `function` those of its function."""


_CALL_FIELDS = frozenset({"index", "id", "type", "function", "name", "arguments", "thought_signature"})


def parse_raw_call(call: Any) -> RawToolCall | None:
    """What a call or delta says; None where it says nothing."""
    if not isinstance(call, dict):
        return None
    function = call["function"] if isinstance(call.get("function"), dict) else call
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        # Some providers send an empty object first, and the arguments in pieces after it.
        arguments = "" if arguments in (None, {}) else json.dumps(arguments, ensure_ascii=False)
    index = call.get("index")
    raw = RawToolCall(
        index=index if isinstance(index, int | str) else None,
        id=_as_string(call.get("id")),
        name=_as_string(function.get("name")),
        arguments=arguments,
        signature=_as_string(function.get("thought_signature")) or None,
        extra=_extra(call) | ({"function": more} if function is not call and (more := _extra(function)) else {}),
    )
    return raw if raw.id or raw.name or raw.arguments or raw.signature or raw.extra else None


def _extra(fields: Mapping[str, Any]) -> Json:
    return {key: value for key, value in fields.items() if key not in _CALL_FIELDS and value is not None}


def _as_string(value: Any) -> str:
    return str(value) if isinstance(value, str | int) else ""


def parse_arguments(arguments: str) -> Json | None:
    """The arguments of a call; None where they are no JSON object, or one that no checkpoint can hold."""
    args = _read_object(arguments)
    return args if args is None or _can_be_stored(args) else None


def _read_object(text: str) -> Json | None:
    """A JSON object; None where a text is none."""
    try:
        args = json.loads(text, strict=False, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return {} if args is None else args if isinstance(args, dict) else None


_MAX_DEPTH = 100
_SURROGATE = re.compile("[\ud800-\udfff]")


def _can_be_stored(value: Any, level: int = 0) -> bool:
    """Whether a value of JSON can be stored in MessagePack, as LangGraph's checkpoints store messages."""
    if isinstance(value, int):
        return -(2**63) <= value < 2**64
    if level > _MAX_DEPTH:
        return False
    if isinstance(value, dict):
        keys_fit = all(key.isascii() or not _SURROGATE.search(key) for key in value)
        return keys_fit and all(_can_be_stored(each, level + 1) for each in value.values())
    return not isinstance(value, list) or all(_can_be_stored(each, level + 1) for each in value)


def write_arguments(args: Any) -> str:
    """Arguments of a call as the text of a JSON object, which providers insist on.

    Text that is no JSON object goes out inside of one, as `{"invalid_arguments": text}`, so that the model sees what it
    wrote. So do numbers that JSON does not have.

    Raises:
        TypeError: If the arguments are of a type that JSON does not have.
        ValueError: If they contain themselves.
    """
    if args is None or (isinstance(args, str) and not args.strip()):
        return "{}"
    if isinstance(args, str):
        parsed = _read_object(args)
        return _write({"invalid_arguments": args} if parsed is None else parsed)
    text = json.dumps(args, ensure_ascii=False)
    is_object = isinstance(args, Mapping) and _read_object(text) is not None
    return _write(args if is_object else {"invalid_arguments": text})


def _write(value: Any) -> str:
    """JSON in plain letters, but for halves of characters: a model may write these, escaped."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


def _finite(number: str) -> float:
    """Python reads NaN, Infinity and 1e999, which no JSON can say to the service again."""
    if not math.isfinite(value := float(number)):
        raise ValueError(number)
    return value


def _invalidating_suffix(arguments: str) -> str:
    """What to add to arguments so that they are no JSON, and not even a lenient parser finds an object in them: the end
    of a string that is open, and a bracket that closes another kind than the last one."""
    is_open, closers = "", [""]
    for found in _MARKS_AND_BRACKETS.finditer(arguments):
        mark = found[0]
        if mark == '"':
            is_open = "" if is_open else mark
        elif is_open or mark.startswith("\\"):
            continue
        elif mark in _CLOSERS:
            closers.append(_CLOSERS[mark])
        elif mark == closers[-1]:
            closers.pop()
    escaped = '"' if is_open and re.search(r"(?<!\\)(\\\\)*\\$", arguments) else ""
    return escaped + is_open + ("}" if closers[-1] == "]" else "]")


_CLOSERS = {"{": "}", "[": "]"}
_MARKS_AND_BRACKETS = re.compile(r'\\.|[\[\]{}"]', re.DOTALL)
