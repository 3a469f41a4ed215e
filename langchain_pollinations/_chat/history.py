"""Arrange the tool calls and tool results of a conversation in the order and with the ids that providers accept. Pure.

A provider refuses a request if a call has no result, a result has no call, or an id has the form of another provider.
Each later request repeats the history, so after one such message all later requests would fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from langchain_pollinations._chat.inline_media import MIB, sizes
from langchain_pollinations._types import Json

UNNAMED = "unnamed_tool"
"""The name sent for a tool call without a name: providers refuse an empty name."""

UNANSWERED = "This tool call was not executed: it has no result."
"""The result sent for a tool call without a result."""


@dataclass(eq=False)  # a frozen class takes twice as long to create
class WireMessage:
    """A message that is not a tool result. Its tool calls have the ids from LangChain's message."""

    wire: Json
    keeps_ids: bool = False
    """Whether the publisher of the requested model created the ids. They are then sent unchanged in any form."""

    @property
    def calls(self) -> list[Json]:
        calls: list[Json] = self.wire.get("tool_calls") or []
        return calls


@dataclass(frozen=True, eq=False)
class ToolResult:
    """The result of a tool call."""

    call_id: str
    name: str
    """The name of the tool, or an empty string."""
    wire: Json
    """The content, and its markers for the prompt cache."""
    media: Sequence[Json] = ()
    """Media parts. They are sent in a user message after the results: few providers read media in a tool message."""
    is_legacy: bool = False
    """Whether this is the result of a legacy `function_call`. Its message has the role `function` and no id."""


def pair_tool_results(turns: Sequence[WireMessage | ToolResult]) -> list[Json]:
    """Return the messages with each tool call followed by exactly one result.

    A result that comes later is moved to its call. A call without a result gets the result `UNANSWERED`. A result
    without a call becomes a user message. An id that providers refuse is replaced by the same new id in the call and in
    the result.
    """
    claimed: set[int] = set()
    used: set[str] = set()
    wire: list[Json] = []
    for place, turn in enumerate(turns):
        if isinstance(turn, ToolResult):
            if place not in claimed:
                wire += _as_function(turn) if turn.is_legacy else [_as_text(turn)]
        elif turn.calls:
            places = _result_positions(turns, place, claimed)
            found = [None if at is None else turns[at] for at in places]
            wire += _with_results(turn, [result if isinstance(result, ToolResult) else None for result in found], used)
        else:
            wire.append(turn.wire)
    return wire


def limit_images(
    turns: Sequence[WireMessage | ToolResult], most: int | None
) -> tuple[list[WireMessage | ToolResult], int]:
    """Replace the oldest images in tool results, until the messages contain `most` images and `MAX_INLINE` characters
    of inline files. Return the messages and the number of replaced images.

    An agent that shows each generated image to its model exceeds these limits after some turns. The service refuses
    such a request, and would refuse each later request of the conversation. Images in other messages remain, because
    the caller wrote them.
    """
    if not any(isinstance(turn, ToolResult) and turn.media for turn in turns):
        return [*turns], 0
    parts = [part for turn in turns for part in _parts(turn)]
    excess = 0 if most is None else sum(map(_is_image, parts)) - most
    surplus = _inline_size(parts) - MAX_INLINE
    replaced = 0
    limited: list[WireMessage | ToolResult] = []
    for turn in turns:
        if isinstance(turn, ToolResult) and (replaced < excess or surplus > 0):
            media = []
            for part in turn.media:
                size = _inline_size([part])
                is_removed = _is_image(part) and (replaced < excess or (surplus > 0 and size > 0))
                media.append(_OMITTED_IMAGE if is_removed else part)
                replaced += is_removed
                surplus -= size * is_removed
            turn = replace(turn, media=media)
        limited.append(turn)
    return limited, replaced


MAX_INLINE = 16 * MIB
"""Maximum characters of the inline files if there are images in tool results. The service accepts requests of 20 MiB,
so 4 MiB are left for the text."""

_OMITTED_IMAGE = {"type": "text", "text": "This image is not sent again: the request contains only the newest images."}


def _parts(turn: WireMessage | ToolResult) -> Sequence[Json]:
    parts = turn.media if isinstance(turn, ToolResult) else turn.wire.get("content")
    return parts if isinstance(parts, list | tuple) else ()


def _is_image(part: Json) -> bool:
    return part.get("type") == "image_url"


def _inline_size(parts: Sequence[Json]) -> int:
    return sum(sizes([{"content": list(parts)}]))


def _with_results(turn: WireMessage, results: Sequence[ToolResult | None], used: set[str]) -> list[Json]:
    """Return a message with tool calls, their results, and a user message with the media of the results."""
    ids = [_wire_id(call["id"], turn.keeps_ids, used) for call in turn.calls]
    calls = [{**call, "id": call_id} for call, call_id in zip(turn.calls, ids, strict=True)]
    message = {**turn.wire, "tool_calls": calls}
    if blocks := message.get("content_blocks"):
        renamed = dict(zip((call["id"] for call in turn.calls), ids, strict=True))
        uses = ({**block, "id": renamed.get(block.get("id"), block.get("id"))} for block in blocks)
        message["content_blocks"] = [
            use if block.get("type") == "tool_use" else block for block, use in zip(blocks, uses, strict=True)
        ]
    wire, media = [message], []
    for call, result in zip(calls, results, strict=True):
        fields = {"content": UNANSWERED} if result is None else result.wire
        name = (result.name if result else "") or call["function"]["name"]
        wire.append({"role": "tool", "tool_call_id": call["id"], "name": name, **fields})
        if result and result.media:
            media += [_label(call["id"]), *result.media]
    return [*wire, {"role": "user", "content": media}] if media else wire


def _label(call_id: str) -> Json:
    return {"type": "text", "text": f"Returned by tool call {call_id}:" if call_id else "Returned by a tool call:"}


def _as_function(result: ToolResult) -> list[Json]:
    """Return the messages for the result of a legacy `function_call`, which has no id."""
    content = result.wire["content"]
    text = content if isinstance(content, str) else "\n".join(part["text"] for part in content)
    message = {"role": "function", "name": result.name or UNNAMED, "content": text}
    return [message, {"role": "user", "content": [*result.media]}] if result.media else [message]


def _as_text(result: ToolResult) -> Json:
    """Return a result without a call as a user message. The call may be missing because the history was trimmed."""
    content = result.wire["content"]
    texts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    parts = [_label(result.call_id), *(part for part in [*texts, *result.media] if not is_blank(part))]
    if any(part.keys() != {"type", "text"} for part in parts):
        return {"role": "user", "content": parts}
    return {"role": "user", "content": "\n".join(part["text"] for part in parts)}


def is_blank(part: Any) -> bool:
    """Whether a part is an empty or blank text, which Anthropic's and Amazon's models refuse."""
    return isinstance(part, dict) and part.get("type") == "text" and not str(part.get("text") or "").strip()


# --- Which result belongs to which call -------------------------------------------------------------------------------


def _result_positions(turns: Sequence[WireMessage | ToolResult], place: int, claimed: set[int]) -> list[int | None]:
    """Return the position of the result of each call of a message, and add the positions to `claimed`.

    Results are matched by id, or by name and order if an id is missing.
    """
    turn = turns[place]
    assert isinstance(turn, WireMessage)
    found: list[int | None] = []
    for call in turn.calls:
        at = (
            next((at for at in _results_after(turns, place, call["id"]) if at not in claimed), None)
            if call["id"]
            else None
        )
        claimed |= set() if at is None else {at}
        found.append(at)
    for number, call in enumerate(turn.calls):
        if found[number] is None:
            near = [
                at for at in _results_after(turns, place, None) if at not in claimed and _may_belong(turns[at], call)
            ]
            named = (at for at in near if turns[at].name == call["function"]["name"])  # type: ignore[union-attr]
            found[number] = at = next(named, near[0] if near else None)
            claimed |= set() if at is None else {at}
    return found


def _results_after(turns: Sequence[WireMessage | ToolResult], place: int, call_id: str | None) -> Iterable[int]:
    """Yield the positions of the results after a message that have the id `call_id`, up to the next call with that id.

    If `call_id` is None, yield the positions of all results up to the next message with tool calls.
    """
    for at in range(place + 1, len(turns)):
        turn = turns[at]
        if isinstance(turn, ToolResult):
            if call_id in (None, turn.call_id):
                yield at
        elif turn.calls and (call_id is None or any(call["id"] == call_id for call in turn.calls)):
            return


def _may_belong(result: WireMessage | ToolResult, call: Json) -> bool:
    if not isinstance(result, ToolResult) or (result.call_id and call["id"]):
        return False
    return result.name in ("", call["function"]["name"]) or call["function"]["name"] == UNNAMED


# --- Ids --------------------------------------------------------------------------------------------------------------

_FITS = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def _wire_id(call_id: str, keeps: bool, used: set[str]) -> str:
    """Return an id that every provider accepts. It is derived from LangChain's id, and is unique in the request.

    If `keeps` is true, an id in another form is returned unchanged. For example, Kimi's models read ids such as
    `functions.name:0` as a part of the prompt.
    """
    fits = bool(_FITS.fullmatch(call_id))
    if keeps and call_id and not fits:
        return call_id
    found = call_id if fits else _hashed(call_id or f"call {len(used)}")
    while found in used:
        found = _hashed(f"{found} again")
    used.add(found)
    return found


def _hashed(text: str) -> str:
    return f"call_{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
