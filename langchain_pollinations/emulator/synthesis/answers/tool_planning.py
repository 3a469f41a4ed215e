"""Plan tool calls and their arguments from the user's text alone, so that all requests of an agent run agree."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_pollinations.emulator.synthesis.answers import citations, story, words
from langchain_pollinations.emulator.synthesis.answers.conversation import Talk, Tool
from langchain_pollinations.emulator.synthesis.answers.schema_instances import instance

Json = dict[str, Any]

VISUAL = re.compile(
    r"\b(?:illustrat\w*|draw\w*|paint\w*|sketch\w*|pictur\w*|images?|photos?|photograph\w*|posters?|depict\w*|"
    r"render\w*|visuali[sz]\w*|portraits?|logos?|icons?)\b",
    re.IGNORECASE,
)
MAKING = re.compile(r"\b(?:illustrat\w*|draw|paint|sketch|generate|create|make|render|design|produce)\b", re.IGNORECASE)
STORY = re.compile(r"\b(?:stor(?:y|ies)|tales?|fables?|picture book|fairytale|scenes|chapters)\b", re.IGNORECASE)
QUESTION = re.compile(r"\?\s*$|^(?:what|who|when|where|which|how|why|find|look up|search)\b", re.IGNORECASE)
CHANGED = re.compile(
    r"[,;.]?\s+(?:(?:and\s+)?look at it[,;.]?\s+(?:and\s+)?(?:then\s+)?|(?:and\s+)?then\s+)"
    r"(?!describe|tell|explain|save|show|send|give|write|say)(?P<change>.+)",
    re.IGNORECASE | re.DOTALL,
)
TO_THE_MODEL = re.compile(r"\b(?:you|your|yourself)\b", re.IGNORECASE)
SEARCHING = frozenset(words.stem(w) for w in "search retrieve retriever lookup find query wiki wikipedia docs".split())
EMPTY_NAMES = frozenset(words.stem(w) for w in "run execute function functions tool tools call calls set".split())
EMPTY_FIELDS = frozenset(words.stem(w) for w in "input text query prompt name value data arg args kwargs".split())
OPERATORS: Mapping[str, str] = {
    r"\+|\bplus\b|\bsum\b|\badd\b": r"add|sum|plus",
    r"(?<=\d)\s*[*×x]\s*(?=\d)|\btimes\b|\bmultipl": r"mult|product|times",
    r"(?<=\d)\s+[-−]\s+(?=\d)|\bminus\b|\bsubtract": r"sub|minus|diff",
    r"(?<=\d)\s*[/÷]\s*(?=\d)|\bdivided?\b": r"div|quot",
}
TOLD_TO_CALL = re.compile(r"\bcall\b[^.!?]*\btools?\b[^.!?]*\bnot\b[^.!?]*\b(?:text|words|prose)\b", re.IGNORECASE)
ENOUGH = 2.0  # the minimum score of a tool whose call is not forced
EXPLICIT = 10.0  # the score of a tool that the user names


@dataclass(frozen=True)
class Call:
    name: str
    arguments: Json


@dataclass(frozen=True)
class Plan:
    """The tool calls for a user message, in order, and the text sent with the first of them."""

    calls: Sequence[Call] = ()
    words: str | None = None
    told: story.Story | None = None
    in_turn: bool = False
    """Whether each call waits for the result of the previous one."""


def edits(tool: Tool) -> bool:
    """Return whether a tool edits images."""
    return {"prompt", "images"} <= tool.properties.keys()


def draws(tool: Tool) -> bool:
    """Return whether a tool generates images from text."""
    if edits(tool):
        return False
    return "prompt" in tool.properties and bool(VISUAL.search(f"{tool.name.replace('_', ' ')} {tool.description}"))


def _is_structured(tool: Tool) -> bool:
    """Return whether a tool is a schema for structured output. Such schemas are named like classes."""
    return bool(re.match(r"[A-Z]\w*[a-z]", tool.name))


def score(tool: Tool, talk: Talk) -> float:
    """Return how well a tool matches the user's text."""
    asked = talk.asked
    if re.search(rf"(?<![\w]){re.escape(tool.name)}(?!\w)", asked):
        return EXPLICIT
    spoken = words.stems(asked)
    found = 3.0 * len(spoken & (words.stems(tool.name) - EMPTY_NAMES))
    found += len(spoken & (words.stems(tool.description) - words.stems(tool.name)))
    fields = set().union(*(words.stems(key) for key in tool.properties)) if tool.properties else set()
    found += 0.5 * len(spoken & (fields - EMPTY_FIELDS))
    found += _for_numbers(tool, asked) + _for_questions(tool, asked)
    if draws(tool):
        found = _for_pictures(talk)
    return found - (1.0 if _is_structured(tool) else 0)


def _for_pictures(talk: Talk) -> float:
    """Return the score of an image tool: positive if the text asks for an image, not if it only mentions one."""
    shown = any(part.kind == "image" for part in talk.shown)
    wanted = VISUAL.search(talk.asked) and (MAKING.search(talk.asked) or not shown)
    told = STORY.search(talk.asked) and VISUAL.search(talk.system)
    return 6.0 if wanted or told else 0.0


def _for_numbers(tool: Tool, asked: str) -> float:
    numeric = [p for p in tool.properties.values() if isinstance(p, Mapping) and p.get("type") in ("integer", "number")]
    if len(numeric) < 2 or len(words.Words(asked).numbers) < 2:
        return 0.0
    called = f"{tool.name} {tool.description}".lower()
    matching = [name for sign, name in OPERATORS.items() if re.search(sign, asked, re.IGNORECASE)]
    return 4.0 if any(re.search(name, called) for name in matching) else 0.0


def _for_questions(tool: Tool, asked: str) -> float:
    searches = words.stems(tool.name) & SEARCHING
    return 2.0 if searches and QUESTION.search(asked) and not TO_THE_MODEL.search(asked) else 0.0


def _choice(talk: Talk) -> str | Json:
    """Return the tool choice of the request. For "auto", the system message can require a call."""
    choice: str | Json = talk.body.get("tool_choice", talk.body.get("function_call")) or "auto"
    said = TOLD_TO_CALL.search(talk.system) if choice == "auto" else None
    if said is None:
        return choice
    named = [tool.name for tool in talk.tools if re.search(rf"(?<!\w){re.escape(tool.name)}(?!\w)", said[0])]
    return {"name": named[0]} if named else "required"


def _named_choice(talk: Talk) -> str | None:
    choice = _choice(talk)
    if isinstance(choice, dict):
        return str(choice["function"]["name"] if "function" in choice else choice["name"])
    return None


def chosen(talk: Talk) -> list[Tool]:
    """Return the tools to call.

    These are the tool that the tool choice names, those that the text asks for, or the best one if a call is required.
    """
    choice, named = _choice(talk), _named_choice(talk)
    if named is not None:
        return [tool for tool in talk.tools if tool.name == named]
    if choice == "none" or not talk.tools:
        return []
    scores = [(score(tool, talk), tool) for tool in talk.tools]
    best = max(number for number, _ in scores)
    if best >= ENOUGH:
        wanted = [tool for number, tool in scores if number == EXPLICIT]
        return wanted or [next(tool for number, tool in scores if number == best)]
    return [next(tool for number, tool in scores if number == best)] if choice == "required" else []


def _arguments(tool: Tool, text: str, **given: Any) -> Json:
    """Return arguments that fit a tool's parameters; `given` overrides those that the tool takes."""
    made = instance(tool.parameters, text)
    arguments: Json = made if isinstance(made, dict) else {}
    return arguments | {key: value for key, value in given.items() if key in tool.properties}


def _searcher_and_painter(talk: Talk) -> tuple[Tool, Tool] | None:
    """Return the search tool and the image tool for a question whose answer is to be illustrated."""
    searchers = [tool for tool in talk.tools if _for_questions(tool, talk.asked)]
    painters = [tool for tool in talk.tools if draws(tool)] if _for_pictures(talk) else []
    free = _named_choice(talk) is None and not STORY.search(talk.asked)
    return (searchers[0], painters[0]) if free and searchers and painters else None


def _illustrated_plan(searcher: Tool, painter: Tool, talk: Talk) -> Plan:
    """Plan a search, then an image of its result."""
    calls = [Call(searcher.name, _arguments(searcher, talk.asked))]
    if talk.results:
        found = citations.best(talk.results[0].text, talk.asked) or words.subject(talk.asked)
        calls.append(Call(painter.name, _arguments(painter, talk.asked, prompt=found, **_seed(painter, talk, 0))))
    return Plan(calls, in_turn=True)


def _edited_plan(painter: Tool, editor: Tool, change: re.Match[str], talk: Talk) -> Plan:
    """Plan an image, then the edit of it that the text asks for."""
    drawn = words.subject(talk.asked[: change.start()])
    calls = [Call(painter.name, _arguments(painter, talk.asked, prompt=drawn, **_seed(painter, talk, 0)))]
    address = words.URL.search(talk.results[0].text) if talk.results else None
    if address is not None:
        given = {"prompt": change["change"].strip(" .!"), "images": [address[0].rstrip(".,;:")]}
        calls.append(Call(editor.name, _arguments(editor, talk.asked, **given, **_seed(editor, talk, 1))))
    return Plan(calls, in_turn=True)


def _picture_plan(tool: Tool, talk: Talk) -> Plan:
    if STORY.search(talk.asked):
        told = story.tell(talk.asked, story.count_of(talk.asked), talk.seed)
        calls = [
            Call(tool.name, _arguments(tool, talk.asked, prompt=scene.prompt, **_seed(tool, talk, place)))
            for place, scene in enumerate(told.scenes)
        ]
        headings = "\n".join(f"{n}. {scene.heading}" for n, scene in enumerate(told.scenes, 1))
        said = f'I will tell "{told.title}" in {_counted(len(calls))} and illustrate each:\n\n{headings}'
        return Plan(calls, said, told)
    editor, change = next(filter(edits, talk.tools), None), CHANGED.search(talk.asked[: words.LONGEST_REQUEST])
    if editor and change:
        return _edited_plan(tool, editor, change, talk)
    subject = words.subject(talk.asked)
    count = story.count_of(talk.asked, 1)
    prompts = [subject if count == 1 else f"{subject}, version {n}" for n in range(1, count + 1)]
    return Plan(
        [
            Call(tool.name, _arguments(tool, talk.asked, prompt=prompt, **_seed(tool, talk, n)))
            for n, prompt in enumerate(prompts)
        ]
    )


def _seed(tool: Tool, talk: Talk, place: int) -> Json:
    """Return a seed argument for an image, if the tool takes one and the user gave none."""
    if re.search(r"\bseed\b", talk.asked, re.IGNORECASE):
        return {}
    return {"seed": story.seed_of(talk.asked, place)} if "seed" in tool.properties else {}


def _counted(number: int) -> str:
    names = {number: word for word, number in words.NUMBER_WORDS.items()}
    return f"{names.get(number, number)} {'scene' if number == 1 else 'scenes'}"


def plan(talk: Talk) -> Plan:
    """Return all tool calls that the user's text asks for."""
    tools = chosen(talk)
    if not tools:
        return Plan()
    pair = _searcher_and_painter(talk)
    if pair and any(tool in pair for tool in tools):
        return _illustrated_plan(*pair, talk)
    if len(tools) == 1 and draws(tools[0]):
        return _picture_plan(tools[0], talk)
    return Plan([Call(tool.name, _arguments(tool, talk.asked)) for tool in tools])


def due(talk: Talk, planned: Plan) -> list[Call]:
    """Return the tool calls to make now.

    All calls are made at once, or one per response if the plan or `parallel_tool_calls` says so.
    """
    done = len(talk.results)
    if planned.in_turn or talk.body.get("parallel_tool_calls") is False:
        waiting = list(planned.calls[done : done + 1])
    else:
        waiting = [] if done else list(planned.calls)
    return waiting or _still_forced(talk, done)


def _still_forced(talk: Talk, done: int) -> list[Call]:
    """If a call is required although all planned calls are made, return a call of a tool that was not called yet."""
    if not done or _choice(talk) != "required":
        return []
    called = {result.name for result in talk.results}
    for tool in sorted(talk.tools, key=lambda t: not _is_structured(t)):
        if tool.name not in called:
            return [Call(tool.name, _arguments(tool, known(talk)))]
    return []


def known(talk: Talk) -> str:
    """Return the text that a response is built from: the tool results, then the user's text."""
    return "\n\n".join([*(flat(result.text) for result in talk.results), talk.asked])


def flat(text: str) -> str:
    """Return a tool result as plain text: the fields of a JSON object, the value of a single field, or the text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text.strip()
    if isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v}" for k, v in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
