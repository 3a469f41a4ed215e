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
    """Assembles the tool calls of a response. It creates an index or an id for a call that has no valid one."""

    def __init__(self, originals: Mapping[str, str], parameters: Mapping[str, Json]) -> None:
        """Create an assembler.

        Args:
            originals: The caller's name for each tool, by the tool's name in the request.
            parameters: The parameters of each tool, by the tool's name in the request.
        """
        self._originals = originals
        self._parameters = parameters
        self._calls: list[_ToolCall] = []
        # Positions of the calls, so that a response with thousands of calls is parsed in linear time.
        self._by_id: dict[str, int] = {}
        self._by_index: dict[int | str, int] = {}
        self._passed_on = 0
        """All calls before this position are no longer held back."""

    def __bool__(self) -> bool:
        return bool(self._calls)

    def read(self, deltas: Any) -> list[ToolCallChunk]:
        """Add the tool calls of one event. Return the parts that can be passed on, as one chunk per call."""
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
            # A call is assumed to be complete when the next one begins.
            for earlier in range(self._passed_on, number):
                if self._calls[earlier].is_held:
                    pieces.setdefault(earlier, "")
            self._passed_on = max(self._passed_on, number)
            if arguments or (call.lacks_id and call.id):
                pieces[number] = pieces.get(number, "") + arguments
        return [self._calls[number].chunk(number, arguments) for number, arguments in pieces.items()]

    def read_function(self, delta: Any) -> list[ToolCallChunk]:
        """Like `read`, for a `function_call`: the legacy form of a single call.

        If a provider sends both forms, only the tool calls are used.
        """
        if not isinstance(delta, dict) or any(call.index != _FUNCTION for call in self._calls):
            return []
        return self.read({"index": _FUNCTION, "function": delta})

    def rest(self) -> list[ToolCallChunk]:
        """At the end of the response, return the parts that were held back. Create an id for each call without one."""
        for call in self._calls:
            call.id = call.id or f"call_{uuid.uuid4().hex[:24]}"
        waiting = [(number, call, call.release()) for number, call in enumerate(self._calls)]
        return [
            call.chunk(number, arguments)
            for number, call, arguments in waiting
            if arguments or call.is_held or call.lacks_id
        ]

    def _place(self, raw: RawToolCall) -> int | None:
        """Return the position of the call that a delta belongs to, and create a new call if needed.

        Return None if the delta adds nothing.
        """
        known = self._known(raw)
        if known is not None and raw.name and raw.arguments and self._calls[known].is_whole:
            # Some gateways send complete calls that all have index 0 or the same id. Some send the same call twice.
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
        """Return the position of the call that a delta continues. Return None if the delta begins a new call.

        The call is found by the id, else by the index. A delta without id, index and name continues the last call.
        """
        if raw.id in self._by_id:
            number = self._by_id[raw.id]
            if None in (raw.index, self._calls[number].index) or raw.index == self._calls[number].index:
                return number
        if raw.index in self._by_index:
            number = self._by_index[raw.index]
            return None if raw.name and raw.id and self._calls[number].id else number
        return len(self._calls) - 1 if self._calls and not (raw.id or raw.name or raw.index is not None) else None

    # After the end of the response

    def finished(self) -> tuple[list[ToolCall], list[InvalidToolCall]]:
        """Return the valid calls and the invalid calls. See `_ToolCall.fault` for the reasons."""
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
        """Return the arguments of the invalid calls, by id. In a stream, `spoilers` changes the arguments of chunks."""
        return {call.id: call.arguments for call in self._calls if not call.is_good}

    def last_chunk(self, **fields: Any) -> AIMessageChunk:
        """Return the last chunk of a stream with these calls."""
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
        """Return the unknown fields of calls, by id. They are sent back to the publisher."""
        return {call.id: call.extra for call in self._calls if call.extra}

    def spoilers(self) -> list[ToolCallChunk]:
        """Return a chunk for each invalid call. The chunk appends a suffix to the arguments of the call.

        LangChain concatenates the arguments of all chunks and parses them leniently. Without the suffix,
        `{"path": "/home/u` would become a call with a truncated argument. The suffix has an unmatched closing bracket,
        which even the lenient parser rejects.
        """
        return [
            tool_call_chunk(name=None, args=_invalidating_suffix(call.arguments), id=None, index=number)
            for number, call in enumerate(self._calls)
            if not call.is_good
        ]


_FUNCTION = "function_call"
"""The index used for a call in the legacy form, which has no index."""


@dataclass
class _ToolCall:
    """One tool call that is being assembled.

    LangChain concatenates the names of chunks, and accepts only one chunk with an id. Some providers repeat names,
    split names, or send ids late. Therefore nothing is passed on until the arguments begin.
    """

    index: int | str | None
    originals: Mapping[str, str]
    parameters: Mapping[str, Json]
    id: str = ""
    name: str = ""
    """The part of the name that has arrived. It is the name in the request, not the caller's name."""
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
        """The caller's name for the tool."""
        return self.originals.get(self.name, self.name)

    @property
    def arguments(self) -> str:
        """The arguments as received."""
        return "".join(self._pieces)

    @property
    def written(self) -> str:
        """The arguments as they are passed on."""
        return Unpacker(self.parameters.get(self.name, {})).feed(self.arguments)

    def release(self) -> str:
        """Return the text of the arguments that is still held back: an unterminated string."""
        return self._unpacker.release() if self._unpacker else ""

    @property
    def is_whole(self) -> bool:
        return bool(self.name) and parse_arguments(self.arguments) is not None

    @property
    def is_good(self) -> bool:
        return bool(self.name) and parse_arguments(self.arguments or "{}") is not None

    @property
    def fault(self) -> str:
        """Why the call is invalid."""
        if not self.name:
            return "the call has no tool name"
        if _read_object(self.arguments) is None:
            return "the arguments are not a JSON object"
        return (
            f"the arguments have a number beyond 64 bits, a lone surrogate in a key, or more than {_MAX_DEPTH} levels"
        )

    def add(self, raw: RawToolCall, taken: Container[str]) -> str:
        """Add a delta. Return the text of the arguments that can be passed on."""
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
            self._null = held  # some providers send null for no arguments
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
        """Escape the control characters inside the strings of a delta. LangChain's events parse JSON strictly."""
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


# A backslash with the character after it, a quote, or a control character.
_MARKS = re.compile(r'\\.?|"|[\x00-\x1f]', re.DOTALL)


# --- Single calls -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RawToolCall:
    """The usable fields of a tool call, or of a delta of one."""

    index: int | str | None
    id: str
    name: str
    arguments: str
    signature: str | None
    extra: Json
    """Fields of the call that are not parsed. Such fields of its function are under `function`."""


_CALL_FIELDS = frozenset({"index", "id", "type", "function", "name", "arguments", "thought_signature"})


def parse_raw_call(call: Any) -> RawToolCall | None:
    """Parse a tool call or a delta. Return None if it has no usable field."""
    if not isinstance(call, dict):
        return None
    function = call["function"] if isinstance(call.get("function"), dict) else call
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        # Some providers send an empty object first, and then the arguments in deltas.
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
    """Parse the arguments of a call. Return None unless they are a JSON object that a checkpoint can store."""
    args = _read_object(arguments)
    return args if args is None or _can_be_stored(args) else None


def _read_object(text: str) -> Json | None:
    """Parse a JSON object. Return None for any other text. The text `null` is read as an empty object."""
    try:
        args = json.loads(text, strict=False, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return {} if args is None else args if isinstance(args, dict) else None


_MAX_DEPTH = 100
_SURROGATE = re.compile("[\ud800-\udfff]")


def _can_be_stored(value: Any, level: int = 0) -> bool:
    """Whether a JSON value can be stored in MessagePack, the format of LangGraph's checkpoints."""
    if isinstance(value, int):
        return -(2**63) <= value < 2**64
    if level > _MAX_DEPTH:
        return False
    if isinstance(value, dict):
        keys_fit = all(key.isascii() or not _SURROGATE.search(key) for key in value)
        return keys_fit and all(_can_be_stored(each, level + 1) for each in value.values())
    return not isinstance(value, list) or all(_can_be_stored(each, level + 1) for each in value)


def write_arguments(args: Any) -> str:
    """Encode the arguments of a call as a JSON object, which providers require.

    Text that is not a JSON object is sent as `{"invalid_arguments": text}`, so that the model sees the text that it
    wrote. Arguments with NaN or infinity are sent in the same way.

    Raises:
        TypeError: If the arguments have a type that JSON cannot represent.
        ValueError: If the arguments contain themselves.
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
    """Encode JSON. Non-ASCII characters are escaped only if there is a lone surrogate, which a model may write."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


def _finite(number: str) -> float:
    """Parse a number. Raise ValueError for NaN, Infinity and 1e999. JSON cannot represent these numbers."""
    if not math.isfinite(value := float(number)):
        raise ValueError(number)
    return value


def _invalidating_suffix(arguments: str) -> str:
    """Return a suffix that makes arguments invalid JSON even for a lenient parser.

    The suffix ends an open string and adds a closing bracket that does not match the last open one.
    """
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
