"""Parses a chat request: finds the last user message, the tools and the tool results."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

from langchain_pollinations.emulator.synthesis.answers.attachments import Part, look

Json = dict[str, Any]

RESULT_ROLES = ("tool", "function")


def text_of(content: Any) -> str:
    """Return the text of a message's `content`. Several text parts are joined with newlines."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text")
    return "\n".join(t for t in texts if isinstance(t, str))


def _parts_of(message: Json) -> list[Part]:
    """Return the content parts of a message that are not text."""
    content = message.get("content")
    return [seen for part in content if (seen := look(part)) is not None] if isinstance(content, list) else []


@dataclass(frozen=True)
class Tool:
    """A function that the model may call."""

    name: str
    description: str
    parameters: Mapping[str, Any]

    @property
    def properties(self) -> Mapping[str, Any]:
        found = self.parameters.get("properties")
        return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True)
class Result:
    """A tool result, together with the name and the arguments of its tool call."""

    name: str
    arguments: Json
    text: str
    failed: bool
    parts: Sequence[Part] = ()


@dataclass(frozen=True)
class ChatRequest:
    """A chat request, parsed for the text generator."""

    body: Json
    tools: list[Tool] = field(default_factory=list)

    @property
    def messages(self) -> list[Json]:
        found: list[Json] = self.body["messages"]
        return found

    @cached_property
    def last_user(self) -> int:
        """The index of the last message that the user wrote. It is -1 if there is none."""
        places = [i for i, m in enumerate(self.messages) if m["role"] == "user" and not self._is_tool_output(i)]
        return places[-1] if places else -1

    def _is_tool_output(self, place: int) -> bool:
        """Return whether a user message contains the output of a tool instead of the user's own text.

        Clients send the images of a tool result in a user message after the result.
        """
        after_tool = place > 0 and self.messages[place - 1]["role"] in RESULT_ROLES
        return after_tool and bool(self._parts[place])

    @cached_property
    def tool_attachments(self) -> list[Part]:
        """The images and files that tools returned. Clients send them in user messages after the tool results."""
        after = range(self.last_user + 1, len(self.messages))
        return [part for place in after if self.messages[place]["role"] == "user" for part in self._parts[place]]

    @cached_property
    def asked(self) -> str:
        """The text of the last user message."""
        if self.last_user >= 0:
            return text_of(self.messages[self.last_user].get("content")).strip()
        return text_of(self.messages[-1].get("content")).strip() if self.messages else ""

    @cached_property
    def system(self) -> str:
        spoken = (m for m in self.messages if m["role"] in ("system", "developer"))
        return "\n".join(text_of(m.get("content")) for m in spoken)

    @cached_property
    def results(self) -> list[Result]:
        """The tool results that follow the last user message."""
        return self._results(range(self.last_user + 1, len(self.messages)))

    @cached_property
    def earlier_results(self) -> list[Result]:
        """The tool results before the last user message."""
        return self._results(range(max(self.last_user, 0)))

    def _results(self, places: range) -> list[Result]:
        calls = {c["id"]: c["function"] for i in places for c in self.messages[i].get("tool_calls") or []}
        answers = [(self.messages[i], self._parts[i]) for i in places if self.messages[i]["role"] in RESULT_ROLES]
        return [_result(message, calls.get(message.get("tool_call_id", ""), {}), parts) for message, parts in answers]

    @cached_property
    def _parts(self) -> list[list[Part]]:
        """The content parts of each message that are not text. Each file is read once."""
        return [_parts_of(message) for message in self.messages]

    @property
    def parts(self) -> list[Part]:
        return [part for parts in self._parts for part in parts]

    @cached_property
    def attachments(self) -> list[Part]:
        """The attachments of the last user message."""
        return self._parts[self.last_user] if self.last_user >= 0 else []

    @property
    def seed(self) -> int:
        seed = self.body.get("seed")
        return 42 if seed in (None, -1) else int(seed)

    def pick(self, *of: Any) -> int:
        """Return a pseudo-random number that depends only on the user's text, the seed, the model and `of`."""
        text = json.dumps([self.asked, self.seed, self.body.get("model"), *of], ensure_ascii=False, default=str)
        return int.from_bytes(sha256(text.encode()).digest()[:6])


def _arguments(text: Any) -> Json:
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


FAILURE = re.compile(r"\s*(error|exception|traceback|failed|failure)\b", re.IGNORECASE)


EXECUTED = re.compile(
    r"Note: a human reviewer replaced this tool call[^\n]{0,1000}?"
    r"Executed instead: (?P<name>[\w-]+) with arguments (?P<arguments>\{[^\n]*\})\.(?:\s*Tool response:)?\s*"
)
"""LangChain's notice about a tool call that a person changed before it was executed."""


def _result(message: Json, function: Mapping[str, Any], parts: Sequence[Part]) -> Result:
    text = text_of(message.get("content"))
    executed = EXECUTED.match(text)
    if executed is not None:
        function, text = executed.groupdict(), text[executed.end() :]
    return Result(
        name=str(message.get("name") or function.get("name") or "tool"),
        arguments=_arguments(function.get("arguments", "{}")),
        text=text,
        failed=bool(FAILURE.match(text)),
        parts=parts,
    )


def read(body: Json) -> ChatRequest:
    """Parse a validated request body."""
    functions = [t["function"] for t in body.get("tools") or [] if t.get("type") == "function"]
    functions += body.get("functions") or []
    tools = [Tool(f["name"], f.get("description") or "", f.get("parameters") or {}) for f in functions]
    return ChatRequest(body, tools=tools)
