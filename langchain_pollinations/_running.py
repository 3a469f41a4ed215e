"""The parts of an answer that run on from event to event: words, thoughts at the head of words, tool calls. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import InvalidToolCall, ToolCall
from langchain_core.messages.tool import ToolCallChunk, invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.utils.json import parse_partial_json

from langchain_pollinations._decode import RawCall, parse_arguments, read_raw_call
from langchain_pollinations._encode import Json


class Told:
    """Words that the service may tell under several names at once: each is passed on once.

    The name that speaks first is followed; what others said beyond it comes at the end.
    """

    def __init__(self) -> None:
        self._words: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._words)

    @property
    def followed(self) -> str | None:
        return next(iter(self._words), None)

    def add(self, **said: str) -> str:
        for name, words in said.items():
            if words:
                self._words.setdefault(name, []).append(words)
        followed = self.followed
        return said.get(followed, "") if followed else ""

    def rest(self) -> str:
        known, *others = ["".join(words) for words in self._words.values()] or [""]
        more = ""
        for words in others:
            said = known + more
            if words.startswith(said):
                more += words[len(said) :]
            elif _bare(words) not in _bare(said):
                more += f"\n\n{words}"
        return more


def _bare(words: str) -> str:
    return "".join(words.split())


class Paragraphs:
    """Joins the words of numbered blocks, an empty line between one block and the next."""

    def __init__(self) -> None:
        self._number: Any = None

    def join(self, words: Iterable[tuple[Any, str]]) -> str:
        joined = ""
        for number, said in words:
            if said:
                is_next = self._number is not None and number != self._number
                joined += f"\n\n{said}" if is_next else said
                self._number = number
        return joined


class Thinking:
    """Takes `<think>...</think>` off the head of a text, however it is cut into pieces.

    Only off the head: further on, words about the tag are words.
    """

    _OPEN, _CLOSE = "<think>", "</think>"

    def __init__(self) -> None:
        self._place = "head"  # then "thought", "after" (a head again), and at last "text"
        self._held = ""
        self._thought = False

    def split(self, piece: str) -> tuple[str, str]:
        """What of a piece is thought, and what is text."""
        self._held += piece
        thought = ""
        while self._place != "text":
            if self._place == "thought":
                words, is_closed = self._think()
                thought += words
                if not is_closed:
                    return thought, ""
            head = self._held.lstrip()
            if head.startswith(self._OPEN):
                self._place, self._held = "thought", head[len(self._OPEN) :]
            elif self._OPEN.startswith(head):
                return thought, ""  # may still become the tag
            else:
                self._held = head if self._place == "after" else self._held
                self._place = "text"
        text, self._held = self._held, ""
        return thought, text

    def _think(self) -> tuple[str, bool]:
        """The thought so far, and whether it is over. White space around it is none of it."""
        words, tag, after = self._held.partition(self._CLOSE)
        whole = words if tag else words[: len(words) - _begun(words, self._CLOSE)]
        if tag:
            self._place, self._held = "after", after
        else:
            self._held = words[len(whole.rstrip()) :]
        thought = whole.rstrip() if self._thought else whole.strip()
        self._thought = self._thought or bool(thought)
        return thought, bool(tag)

    def end(self) -> tuple[str, str]:
        """What was held back, thought and text, now that no more comes."""
        held, self._held = self._held, ""
        if self._place == "thought":
            return held.rstrip(), ""
        return "", held if self._place == "head" else held.lstrip()


def _begun(text: str, tag: str) -> int:
    """How many characters at the end of a text may be the beginning of a tag."""
    return next((n for n in range(min(len(tag) - 1, len(text)), 0, -1) if tag.startswith(text[-n:])), 0)


# --- Tool calls -------------------------------------------------------------------------------------------------------


@dataclass
class _Call:
    index: Any
    id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    signature: str | None = None

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)


class Calls:
    """The tool calls of an answer: gives each its place and its id, whether or not the events bring good ones."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    def read(self, deltas: Any) -> list[ToolCallChunk]:
        chunks = []
        for delta in [deltas] if isinstance(deltas, dict) else deltas if isinstance(deltas, list) else []:
            raw = read_raw_call(delta)
            if raw is None:
                continue
            number = self._place(raw)
            call = self._calls[number]
            call.pieces.append(raw.arguments)
            call.signature = raw.signature or call.signature
            # An id or name that comes again would be added to the first one, so each is passed on once.
            call_id = None if call.id else raw.id or (f"call_{uuid.uuid4().hex[:24]}" if raw.name else None)
            name = None if call.name else raw.name or None
            call.id, call.name = call.id or call_id or "", call.name or name or ""
            chunks.append(tool_call_chunk(name=name, args=raw.arguments, id=call_id, index=number))
        return chunks

    def _place(self, raw: RawCall) -> int:
        """The call that a delta belongs to: by its id, else by its index, else the last; or a new one.

        Some gateways send whole calls that all claim index 0: a name with another id begins another call.
        """
        for number, call in enumerate(self._calls):
            if raw.id and call.id == raw.id:
                return number
        for number, call in reversed(list(enumerate(self._calls))):
            if raw.index is not None and call.index == raw.index:
                if raw.name and raw.id and call.id:
                    break
                return number
        if raw.index is None and not raw.id and not raw.name and self._calls:
            return len(self._calls) - 1
        self._calls.append(_Call(raw.index))
        return len(self._calls) - 1

    def finished(self) -> tuple[list[ToolCall], list[InvalidToolCall]]:
        """The good calls, and those whose arguments are no JSON object."""
        good: list[ToolCall] = []
        bad: list[InvalidToolCall] = []
        for call in self._calls:
            args = parse_arguments(call.arguments or "{}")
            if args is not None and call.name:
                good.append(tool_call(name=call.name, args=args, id=call.id))
            else:
                told = "the arguments are no JSON object" if call.name else "the call names no tool"
                call_id = call.id or None
                bad.append(invalid_tool_call(name=call.name, args=call.arguments, id=call_id, error=told))
        return good, bad

    def signatures(self) -> Json:
        return {call.id: call.signature for call in self._calls if call.signature}

    def spoilers(self) -> list[ToolCallChunk]:
        """For each call that is no good, the end that keeps LangChain from making a good one of it.

        Added chunks are parsed leniently: `{"path": "/home/u` would become a call with half an argument. A bracket that
        closes nothing makes it the invalid call that it is.
        """
        return [
            tool_call_chunk(name=None, args=_spoiler(call.arguments), id=None, index=number)
            for number, call in enumerate(self._calls)
            if not call.name or parse_arguments(call.arguments or "{}") is None
        ]


def _spoiler(arguments: str) -> str:
    """What to add to arguments so that not even a lenient parser finds an object in them."""
    ends = ("", "]", "}", '"]', '"}', '\\"]', '\\"}')
    return next((end for end in ends if not isinstance(_leniently(arguments + end or "{}"), dict)), "]")


def _leniently(arguments: str) -> Any:
    try:
        return parse_partial_json(arguments)
    except (ValueError, RecursionError):
        return None
