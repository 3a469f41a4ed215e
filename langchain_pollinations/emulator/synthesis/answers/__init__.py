"""Generates text by rules. The same messages and seed always give the same response."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from langchain_pollinations.emulator.scripting.reply_queue import tool_call
from langchain_pollinations.emulator.synthesis.answers import (
    citations,
    context,
    delegation,
    melody,
    story,
    tool_planning,
    words,
)
from langchain_pollinations.emulator.synthesis.answers.conversation import ChatRequest, Result, text_of
from langchain_pollinations.emulator.synthesis.answers.schema_instances import instance
from langchain_pollinations.emulator.synthesis.answers.sequences import sequence_instance
from langchain_pollinations.emulator.synthesis.answers.tool_planning import Plan

Json = dict[str, Any]

URL = re.compile(r"https?://[^\s\"'<>\\\])}]+|data:image/[a-z+]+;base64,[A-Za-z0-9+/=]+")
GREETING = re.compile(r"^\s*(?:hi|hello|hey|good (?:morning|afternoon|evening))\b", re.IGNORECASE)
SUM = re.compile(
    r"(?<![\d.])(-?\d+(?:\.\d+)?)\s*(plus|minus|times|divided by|[-+*/×x÷])\s*(-?\d+(?:\.\d+)?)", re.IGNORECASE
)
SUMS: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else float("nan"),
}
SIGNS = {"plus": "+", "minus": "-", "times": "*", "×": "*", "x": "*", "divided by": "/", "÷": "/"}
MY_NAME = re.compile(
    r"\b[Mm]y name(?: is|'s)\s+([A-Z][\w-]*)|\bI(?: am|'m)\s+([A-Z][\w-]*)|\b[Cc]all me\s+([A-Z][\w-]*)"
)
ASKS_NAME = re.compile(r"\b(?:what(?:'s| is) my name|who am i|remember my name)\b", re.IGNORECASE)
OPENINGS = (
    "You wrote: {text}",
    "I read your message: {text}",
    "Here is what reached me: {text}",
    "Let me think about this: {text}",
)
CLOSINGS = (
    "I am the emulator of Pollinations.AI and answer by rules, so do not take this for wisdom.",
    "This is the emulator speaking: the form is that of the service, the thought is left out.",
    "As an emulator I can give this the right shape, if not the right depth.",
)
HAIKU = "Old pond of electrons,\na frog of a question jumps in:\nthe sound of an answer."
MAX_QUOTE_LENGTH = 400


def answer(chat: ChatRequest, *, reasons: bool = False, searches: bool = False, runs: bool = False) -> Json:
    """Return the assistant message for a conversation.

    Args:
        chat: The parsed chat request.
        reasons: Whether the response contains reasoning.
        searches: Whether the response contains a web search.
        runs: Whether the response contains code that the provider ran.
    """
    planned = delegation.plan(chat) or tool_planning.plan(chat)
    calls = tool_planning.due(chat, planned)
    if calls:
        message = _calling(chat, planned, [tool_call(c.name, c.arguments) for c in calls])
    else:
        message = {"content": content(chat, planned)}
        message |= _researched(chat, message["content"], searches=searches, runs=runs)
    return (_thought(chat, message) if reasons else {}) | _spoken(chat, message)


def content(chat: ChatRequest, planned: Plan) -> str:
    """Return the content of the message.

    If `response_format` asks for JSON, the content is JSON. Otherwise it is text, which contains the tool results if
    there are any.
    """
    form = chat.body.get("response_format") or {}
    if form.get("type") == "json_schema":
        schema = form["json_schema"]["schema"]
        return json.dumps(sequence_instance(schema, chat), ensure_ascii=False)
    if form.get("type") == "json_object":
        return json.dumps(_loose_object(chat), ensure_ascii=False)
    if chat.results:
        failed = [result for result in chat.results if result.failed]
        return _with_results(chat, planned) if failed or planned.conclusion is None else planned.conclusion
    return plain(chat)


def _calling(chat: ChatRequest, planned: Plan, calls: list[Json]) -> Json:
    first = not chat.results
    return {"content": planned.words if first else None, "tool_calls": calls}


# Reasoning and audio.


def _thought(chat: ChatRequest, message: Json) -> Json:
    """Return the message field that contains the reasoning."""
    about = words.subject(chat.asked)
    names = [call["function"]["name"] for call in message.get("tool_calls") or []]
    step = f"The tools that help here: {', '.join(sorted(set(names)))}." if names else "I can answer this directly."
    return {"reasoning_content": f"The user is interested in {about}. {step}"}


def _researched(chat: ChatRequest, text: str, *, searches: bool, runs: bool) -> Json:
    form = (chat.body.get("response_format") or {}).get("type") in ("json_object", "json_schema")
    found = citations.found(chat, text, form=form) if searches else {}
    return found | (citations.ran(chat, text) if runs else {})


def _spoken(chat: ChatRequest, message: Json) -> Json:
    """Convert the message to audio output if the request asks for audio. The transcript is the text of the message."""
    if "audio" not in chat.body.get("modalities", ()) or message.get("tool_calls"):
        return message
    transcript = message["content"]
    data = melody.recording(transcript, (chat.body.get("audio") or {}).get("format", "wav"))
    spoken = {
        "id": f"audio_{chat.pick('audio'):x}",
        "data": base64.b64encode(data).decode(),
        "transcript": transcript,
        "expires_at": 4102444800,
    }
    return {"content": None, "audio": spoken}


# JSON without a schema.

KEYS = re.compile(r"[\"'`]([A-Za-z_][\w-]*)[\"'`]")
LISTED_KEYS = re.compile(r"\b(?:keys?|fields?|propert(?:y|ies))\b:?\s+((?:[a-z_]\w*)(?:(?:, and |, | and )[a-z_]\w*)*)")


def _keys(text: str) -> list[str]:
    found = KEYS.findall(text)
    if not found:
        match = LISTED_KEYS.search(text)
        found = re.split(r", and |, | and ", match[1]) if match else []
    return list(dict.fromkeys(key for key in found if key.lower() != "json"))


def _embedded_schema(text: str) -> Mapping[str, Any] | None:
    """Return the JSON schema in the text of a prompt, if any. Some clients put the schema there."""
    decoder = json.JSONDecoder()
    for match in islice(re.finditer(r"\{", text), 100):  # each attempt may parse a long text to its end
        try:
            value, _ = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and isinstance(value.get("properties"), dict):
            return value
    return None


def _loose_object(chat: ChatRequest) -> Json:
    text = f"{chat.system}\n{chat.asked}"
    schema = _embedded_schema(text)
    if schema is not None:
        value = instance(schema, tool_planning.known(chat))
        return value if isinstance(value, dict) else {"answer": value}
    keys = _keys(chat.asked) or _keys(chat.system)
    if not keys:
        return {"answer": _with_results(chat, Plan()) if chat.results else plain(chat)}
    without_keys = KEYS.sub(r"\1", tool_planning.known(chat))
    fields: Json = {"type": "object", "properties": {k: {"type": _likely(k)} for k in keys}, "required": keys}
    value = instance(fields, words.sentences(without_keys)[0] if without_keys else "")
    return dict(value)


def _likely(key: str) -> str:
    """Guess the JSON type of a property from its name."""
    return "number" if re.search(r"age|count|number|year|price|score|rating|population|total|amount", key) else "string"


# Tool results.


def _caption(text: str) -> str:
    return " ".join(re.sub(r"[\[\]()!]", " ", text).split())[:120] or "image"


def _image_markdown(result: Result, caption: str | None = None) -> str:
    """Return Markdown that embeds the image of a tool result. If there is no image, return a sentence instead."""
    if result.failed:
        reason = " ".join(result.text.split())[:200]
        return f"*There is no image here, because the tool answered: {reason}*"
    match = URL.search(result.text)
    alt_text = caption or str(result.arguments.get("prompt") or result.arguments.get("text") or "image")
    if match is None:
        return f"*{tool_planning.flat(result.text) or 'The image was generated.'}*"
    link = f"[{_caption(alt_text)}]({match[0].rstrip('.,;:')})"
    return link if tool_planning.makes_other_media(result.name) else f"!{link}"


def _with_results(chat: ChatRequest, planned: Plan) -> str:
    """Return a text that presents the tool results."""
    if planned.illustrated is not None:
        images = [
            _image_markdown(result, scene.heading)
            for result, scene in zip(chat.results, planned.illustrated.scenes, strict=False)
        ]
        return story.to_markdown(planned.illustrated, images)
    read = [result for result in chat.results if citations.pages(result.text)]
    sentences = [citations.cited_pages(read[-1].text, chat.asked)] if read else []
    sentences += [_describe_result(result, chat) for result in chat.results if result not in read]
    attachments = "; ".join(part.words for part in chat.tool_attachments)
    return "\n\n".join([*sentences, f"I looked at what came back: {attachments}."] if attachments else sentences)


def _describe_result(result: Result, chat: ChatRequest) -> str:
    if result.failed:
        return f"The tool {result.name} could not help: {' '.join(result.text.split())}"
    if URL.search(result.text) and ("prompt" in result.arguments or "/media/" in result.text):
        prompt = str(result.arguments.get("prompt") or result.arguments.get("text") or "your image")
        known = any(prompt in other.text for other in chat.results)
        return _image_markdown(result) if known else f"Here it is: {prompt.rstrip('.')}.\n\n{_image_markdown(result)}"
    if result.parts:
        attachments = " and ".join(part.words for part in result.parts)
        quotation = f" It says: {tool_planning.flat(result.text)}" if result.text.strip() else ""
        return f"The tool {result.name} returned {attachments}.{quotation}"
    found = tool_planning.flat(result.text)
    short = len(found) > MAX_QUOTE_LENGTH and citations.nearest(found, chat.asked)
    return citations.cited(found, chat.asked) or f"According to {result.name}: {short or found}"


# Plain text.


def _quoted(text: str) -> str:
    flat = " ".join(text.split())
    return f'"{flat[:MAX_QUOTE_LENGTH]}…"' if len(flat) > MAX_QUOTE_LENGTH else f'"{flat}"'


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6g}"


def _calculated(chat: ChatRequest) -> str | None:
    match = SUM.search(chat.asked)
    if match is None or not re.search(r"what|how much|calculate|compute|=|\?|^\s*[\d(]", chat.asked, re.IGNORECASE):
        return None
    sign = SIGNS.get(match[2].lower(), match[2])
    value = SUMS[sign](float(match[1]), float(match[3]))
    return f"{match[1]} {sign} {match[3]} = {_number(value)}" if value == value else "That cannot be divided."


def _remembered(chat: ChatRequest) -> str | None:
    """Answer a question about the user's name. The name comes from the earlier messages."""
    if not ASKS_NAME.search(chat.asked):
        return None
    matches = [MY_NAME.search(text_of(m.get("content"))) for m in chat.messages if m["role"] == "user"]
    names = [next(filter(None, match.groups())) for match in matches if match]
    return f"Your name is {names[-1]}." if names else "You have not told me your name yet."


def _poem(chat: ChatRequest) -> str | None:
    if not re.search(r"\bhaikus?\b", chat.asked, re.IGNORECASE):
        return None
    return f"{HAIKU}\n\n(You asked for: {' '.join(chat.asked.split())})"


def _tale(chat: ChatRequest) -> str | None:
    if not re.search(r"\b(?:tell|write|compose|invent)\b", chat.asked, re.IGNORECASE):
        return None
    if not tool_planning.STORY.search(chat.asked):
        return None
    tale = story.compose(chat.asked, story.count_of(chat.asked, 2), chat.seed)
    return story.to_markdown(tale, [])


def _describe_attachments(chat: ChatRequest) -> str | None:
    """Describe the attachments of the user message."""
    attachments: Sequence[Any] = chat.attachments
    if not attachments:
        return None
    count = len(attachments)
    noun = {1: "one attachment"}.get(count, f"{count} attachments")
    images = [part for part in attachments if part.kind == "image"]
    if len(images) == count:
        noun = "one image" if count == 1 else f"{count} images"
    listed = "; ".join(part.words for part in attachments)
    asked = f" You asked: {_quoted(chat.asked)}" if chat.asked else ""
    return f"You sent {noun}: {listed}.{asked}"


def _greet(chat: ChatRequest) -> str | None:
    if not GREETING.match(chat.asked) or len(chat.asked.split()) > 8:
        return None
    first = ("Hello!", "Hello there!", "Good to see you!")[chat.pick("greeting") % 3]
    return f"{first} You said {_quoted(chat.asked)}. What can I do for you?"


def _echo(chat: ChatRequest) -> str:
    if not chat.asked:
        return "You sent no words. Please write something."
    opening = OPENINGS[chat.pick("opening") % len(OPENINGS)].format(text=_quoted(chat.asked))
    return f"{opening}\n\n{CLOSINGS[chat.pick('closing') % len(CLOSINGS)]}"


RULES: Sequence[Callable[[ChatRequest], str | None]] = (
    _describe_attachments, context.summary, _remembered, context.answer, _calculated, _poem, _tale, _greet,
)  # fmt: skip


def plain(chat: ChatRequest) -> str:
    """Return the text of the first rule that applies. If no rule applies, quote the user message."""
    for rule in RULES:
        text = rule(chat)
        if text is not None:
            return text
    return _echo(chat)
