"""Plans the tool calls of an agent run, with their arguments.

A plan depends only on the user's text and the tool results, so that all requests of the run lead to the same plan.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_pollinations.emulator.synthesis.answers import citations, story, words
from langchain_pollinations.emulator.synthesis.answers.conversation import ChatRequest, Tool
from langchain_pollinations.emulator.synthesis.answers.schema_instances import instance
from langchain_pollinations.emulator.synthesis.images.edits import CLEAR_VERBS, EFFECT_WORD, OTHER_VERBS

Json = dict[str, Any]

VISUAL = re.compile(
    r"\b(?:illustrat\w*|draw\w*|paint\w*|sketch\w*|pictur\w*|images?|photos?|photograph\w*|posters?|depict\w*|"
    r"render\w*|visuali[sz]\w*|portraits?|logos?|icons?)\b",
    re.IGNORECASE,
)
OTHER_MEDIA = re.compile(r"\b(?:videos?|films?|clips?|speech|voices?|audio|sounds?|music|songs?|3d)\b", re.IGNORECASE)
INTRODUCED = re.compile(r"[^:.!?\n]{1,60}:\s+(\S.*)", re.DOTALL)
MAKING = re.compile(r"\b(?:illustrat\w*|draw|paint|sketch|generate|create|make|render|design|produce)\b", re.IGNORECASE)
STORY = re.compile(r"\b(?:stor(?:y|ies)|tales?|fables?|picture book|fairytale|scenes|chapters)\b", re.IGNORECASE)
QUESTION = re.compile(r"\?\s*$|^(?:what|who|when|where|which|how|why|find|look up|search)\b", re.IGNORECASE)
CHANGED = re.compile(
    r"[,;.]?\s+(?:(?:and\s+)?look at it[,;.]?\s+(?:and\s+)?(?:then\s+)?|(?:and\s+)?then\s+)"
    r"(?!describe|tell|explain|save|show|send|give|write|say)(?P<change>.+)",
    re.IGNORECASE | re.DOTALL,
)
IMAGE = r"(?:the|my|our|this|that)\s+(?:last\s+|first\s+)?(?:image|picture|drawing|photo|poster|logo)\b"
TEXT = r"(?:haiku|poem|limerick|story|song|list|table|letter|e?-?mail|summary|sentence|joke|question|essay|text)"
IT = (
    rf"(?:it\b|(?:this|that)\b(?=\s*(?:[,.;:!?]|$|{EFFECT_WORD}"
    r"|(?:an?|to|into|so|look|more|less|up|one|by|slightly|tightly|better|\d+)\b)))"
    rf"(?!\s+(?:(?:in)?to\s+)?an?\s+(?:\w+\s+)?{TEXT}\b(?![-\s]+(?:\w+\s+)?(?:poster|scene|cover)))"
)
VISIBLE = (
    r"blur|brighten|change|crop|darken|edit|invert|lighten|make|paint|recolou?r|repaint|restyle|retouch|rotate|sharpen|"
    r"turn|zoom"
)
"""Verbs that change an image if their object is "it". The others may mean something else: "Convert it to Celsius"."""
CHANGE = re.compile(
    r"(?:(?:please|now|then|also|just|can you|could you|would you|can we|could we|let's)[, ]+)*"
    rf"(?:(?:{CLEAR_VERBS}|{OTHER_VERBS})\s+(?:{IMAGE}|{IT}(?=.{{0,200}}\b{EFFECT_WORD}))|(?:{VISIBLE})\s+{IT}"
    rf"|(?!make|paint|turn)(?:{CLEAR_VERBS}|{OTHER_VERBS}|add)\b.{{0,200}}\b(?:{IMAGE}|(?:from|in|of|on|to)\s+{IT})"
    r"|(?:make|paint|turn)\s+(?:the|its|his|her|their|all|every|each|both|this|that|these|those)\b"
    rf".{{0,200}}\b(?:in|of|on)\s+(?:{IMAGE}|it\b)"
    rf"|add\b.{{0,200}}\bmake\s+{IT})",
    re.IGNORECASE | re.DOTALL,
)
"""The start of a request to change an image that exists: the image itself, or something in an image that it names."""
NAMES_IMAGE = re.compile(rf"\b{IMAGE}", re.IGNORECASE)
MEDIA_ID = re.compile(r"\b(?:image|picture|drawing|photo|id)\s+((?=[\w-]*\d)[\w-]{8,128})(?![\w-])", re.IGNORECASE)
LISTED = re.compile(r"^[^\S\n]*\d{1,2}[.)][^\S\n]+(\S.*)$", re.MULTILINE)
"""An item of a numbered list."""
TO_THE_MODEL = re.compile(r"\b(?:you|your|yourself)\b", re.IGNORECASE)
SEARCHING = frozenset(words.stem(w) for w in "search retrieve retriever lookup find query wiki wikipedia docs".split())
READING = frozenset(words.stem(w) for w in "fetch read open browse crawl".split())
MAX_PAGES = 3  # pages that are read for an answer
EMPTY_NAMES = frozenset(words.stem(w) for w in "run execute function functions tool tools call calls set".split())
EMPTY_FIELDS = frozenset(words.stem(w) for w in "input text query prompt name value data arg args kwargs".split())
OPERATORS: Mapping[str, str] = {
    r"\+|\bplus\b|\bsum\b|\badd\b": r"add|sum|plus",
    r"(?<=\d)\s*[*×x]\s*(?=\d)|\btimes\b|\bmultipl": r"mult|product|times",
    r"(?<=\d)\s+[-−]\s+(?=\d)|\bminus\b|\bsubtract": r"sub|minus|diff",
    r"(?<=\d)\s*[/÷]\s*(?=\d)|\bdivided?\b": r"div|quot",
}
CALL_REQUIRED = re.compile(r"\bcall\b[^.!?]*\btools?\b[^.!?]*\bnot\b[^.!?]*\b(?:text|words|prose)\b", re.IGNORECASE)
ENOUGH = 2.0  # the minimum score of a tool whose call is not forced
EXPLICIT = 10.0  # the score of a tool that the user names


@dataclass(frozen=True)
class Call:
    name: str
    arguments: Json


@dataclass(frozen=True)
class Plan:
    """The planned tool calls for a user message, in order. `words` is the text that is sent with the first call."""

    calls: Sequence[Call] = ()
    words: str | None = None
    illustrated: story.Story | None = None
    sequential: bool = False
    """Whether each call waits for the result of the previous one."""
    conclusion: str | None = None
    """The response after the last call. None if the response describes the tool results."""


def edits(tool: Tool) -> bool:
    """Return whether a tool edits images."""
    return {"prompt", "images"} <= tool.properties.keys()


def draws(tool: Tool) -> bool:
    """Return whether a tool generates images from text."""
    if edits(tool) or makes_other_media(tool.name):
        return False
    return "prompt" in tool.properties and bool(VISUAL.search(f"{tool.name.replace('_', ' ')} {tool.description}"))


def _is_structured(tool: Tool) -> bool:
    """Return whether a tool is a schema for structured output. It is named like a class, for example `Person`."""
    return bool(re.match(r"[A-Z]\w*[a-z]", tool.name))


def score(tool: Tool, chat: ChatRequest) -> float:
    """Return how well a tool matches the user's text. A higher score is better."""
    asked = chat.asked
    if re.search(rf"(?<![\w]){re.escape(tool.name)}(?!\w)", asked):
        return EXPLICIT
    spoken = words.stems(asked)
    found = 3.0 * len(spoken & (words.stems(tool.name) - EMPTY_NAMES))
    found += len(spoken & (words.stems(tool.description) - words.stems(tool.name)))
    fields = set().union(*(words.stems(key) for key in tool.properties)) if tool.properties else set()
    found += 0.5 * len(spoken & (fields - EMPTY_FIELDS))
    found += _score_number_tool(tool, asked) + _score_search_tool(tool, asked)
    if draws(tool):
        found = _score_image_tool(chat)
    return found - (1.0 if _is_structured(tool) else 0)


def _score_image_tool(chat: ChatRequest) -> float:
    """Return the score of an image tool.

    The score is positive if the text asks for an image. It is 0 if the text only mentions an image.
    """
    has_image = any(part.kind == "image" for part in chat.attachments)
    wanted = VISUAL.search(chat.asked) and (MAKING.search(chat.asked) or not has_image)
    illustrates = STORY.search(chat.asked) and VISUAL.search(chat.system)
    return 6.0 if wanted or illustrates else 0.0


def _score_number_tool(tool: Tool, asked: str) -> float:
    numeric = [p for p in tool.properties.values() if isinstance(p, Mapping) and p.get("type") in ("integer", "number")]
    if len(numeric) < 2 or len(words.Words(asked).numbers) < 2:
        return 0.0
    called = f"{tool.name} {tool.description}".lower()
    matching = [name for sign, name in OPERATORS.items() if re.search(sign, asked, re.IGNORECASE)]
    return 4.0 if any(re.search(name, called) for name in matching) else 0.0


def _score_search_tool(tool: Tool, asked: str) -> float:
    searches = words.stems(tool.name) & SEARCHING
    return 2.0 if searches and QUESTION.search(asked) and not TO_THE_MODEL.search(asked) else 0.0


def _choice(chat: ChatRequest) -> str | Json:
    """Return the `tool_choice` of the request. If it is "auto", the system message can require a tool call."""
    choice: str | Json = chat.body.get("tool_choice", chat.body.get("function_call")) or "auto"
    instruction = CALL_REQUIRED.search(chat.system) if choice == "auto" else None
    if instruction is None:
        return choice
    named = [tool.name for tool in chat.tools if re.search(rf"(?<!\w){re.escape(tool.name)}(?!\w)", instruction[0])]
    return {"name": named[0]} if named else "required"


def _named_choice(chat: ChatRequest) -> str | None:
    choice = _choice(chat)
    if isinstance(choice, dict):
        return str(choice["function"]["name"] if "function" in choice else choice["name"])
    return None


def chosen(chat: ChatRequest) -> list[Tool]:
    """Return the tools to call.

    If `tool_choice` names a tool, only this tool is called. Otherwise, the tools that match the user's text are called.
    If no tool matches and a call is required, the best tool is called.
    """
    choice, named = _choice(chat), _named_choice(chat)
    if named is not None:
        return [tool for tool in chat.tools if tool.name == named]
    if choice == "none" or not chat.tools:
        return []
    scores = [(score(tool, chat), tool) for tool in chat.tools]
    best = max(number for number, _ in scores)
    if best >= ENOUGH:
        wanted = [tool for number, tool in scores if number == EXPLICIT]
        return wanted or [next(tool for number, tool in scores if number == best)]
    return [next(tool for number, tool in scores if number == best)] if choice == "required" else []


def _arguments(tool: Tool, text: str, /, **given: Any) -> Json:
    """Return arguments that are valid for a tool. `given` takes precedence for the parameters that the tool has."""
    made = instance(tool.parameters, text)
    arguments: Json = made if isinstance(made, dict) else {}
    return arguments | {key: value for key, value in given.items() if key in tool.properties}


def _reads(tool: Tool) -> bool:
    """Return whether a tool reads pages from the web."""
    return bool(words.stems(tool.name) & READING) and not tool.properties.keys().isdisjoint(("url", "urls"))


@dataclass(frozen=True)
class Research:
    """The tools for a question that needs a search: the search tool, and tools to read pages and to generate images."""

    searcher: Tool
    reader: Tool | None
    painter: Tool | None

    @property
    def tools(self) -> list[Tool]:
        return [tool for tool in (self.searcher, self.reader, self.painter) if tool is not None]


def _research(chat: ChatRequest) -> Research | None:
    """Return the tools if the user's question needs several of them."""
    searchers = [tool for tool in chat.tools if _score_search_tool(tool, chat.asked)]
    if not searchers or _named_choice(chat) is not None or STORY.search(chat.asked):
        return None
    painters = [tool for tool in chat.tools if draws(tool)] if _score_image_tool(chat) else []
    readers = [tool for tool in chat.tools if _reads(tool)]
    found = Research(searchers[0], next(iter(readers), None), next(iter(painters), None))
    return found if len(found.tools) > 1 else None


def _research_plan(research: Research, chat: ChatRequest) -> Plan:
    """Plan a search, the reading of the pages that it finds, and then an image that shows what was found."""
    calls = [Call(research.searcher.name, _arguments(research.searcher, chat.asked))]
    urls = [url for _, url, _ in citations.pages(chat.results[0].text)] if chat.results else []
    if research.reader and urls:
        given = {"urls": urls[:MAX_PAGES], "url": urls[0]}
        calls.append(Call(research.reader.name, _arguments(research.reader, chat.asked, **given)))
    if research.painter and len(chat.results) >= len(calls):
        found = citations.best(chat.results[len(calls) - 1].text, chat.asked) or words.subject(chat.asked)
        given = {"prompt": found, **_seed(research.painter, chat, 0)}
        calls.append(Call(research.painter.name, _arguments(research.painter, chat.asked, **given)))
    return Plan(calls, sequential=True)


def _edited_plan(painter: Tool, editor: Tool, change: re.Match[str], chat: ChatRequest) -> Plan:
    """Plan the generation of an image, and then an edit of this image."""
    subject = words.subject(chat.asked[: change.start()])
    calls = [Call(painter.name, _arguments(painter, chat.asked, prompt=subject, **_seed(painter, chat, 0)))]
    address = words.URL.search(chat.results[0].text) if chat.results else None
    if address is not None:
        given = {"prompt": change["change"].strip(" .!"), "images": [address[0].rstrip(".,;:")]}
        calls.append(Call(editor.name, _arguments(editor, chat.asked, **given, **_seed(editor, chat, 1))))
    return Plan(calls, sequential=True)


def _later_edit_plan(chat: ChatRequest) -> Plan | None:
    """Plan the change of an image that the user names, or of the last image of the conversation.

    Return None if the user asks for something else, or there is no such image.
    """
    editor = next(filter(edits, chat.tools), None)
    asked = chat.asked[: words.MAX_REQUEST_LENGTH]
    if editor is None or _choice(chat) != "auto" or not CHANGE.match(asked):
        return None
    named = words.URL.search(asked) or MEDIA_ID.search(asked)
    image = named[named.lastindex or 0].rstrip(".,;:") if named else _last_image(chat)
    if image is None:
        return None
    if not named and not NAMES_IMAGE.search(asked) and not all(draws(tool) or edits(tool) for tool in chosen(chat)):
        return None  # "it" is not the image
    change = re.sub(r" (?=[:;,.])", "", " ".join(asked.replace(image, "").split()))
    given = {"prompt": change.strip(" .!"), "images": [image], **_seed(editor, chat, 0)}
    return Plan([Call(editor.name, _arguments(editor, chat.asked, **given))])


def _last_image(chat: ChatRequest) -> str | None:
    """Return the URL of the last image that a tool returned before the user's message."""
    drawing = {tool.name for tool in chat.tools if draws(tool) or edits(tool)}
    found = [words.URL.search(result.text) for result in chat.earlier_results if result.name in drawing]
    urls = [match[0] for match in found if match]
    return urls[-1].rstrip(".,;:") if urls else None


def _image_plan(tool: Tool, chat: ChatRequest) -> Plan:
    listed = LISTED.findall(chat.asked[: words.MAX_REQUEST_LENGTH * story.MAX_SCENES])[: story.MAX_SCENES]
    if listed:
        calls = [
            Call(tool.name, _arguments(tool, chat.asked, prompt=prompt.strip(), **_seed(tool, chat, place)))
            for place, prompt in enumerate(listed)
        ]
        return Plan(calls)
    if STORY.search(chat.asked):
        tale = story.compose(chat.asked, story.count_of(chat.asked), chat.seed)
        calls = [
            Call(tool.name, _arguments(tool, chat.asked, prompt=scene.prompt, **_seed(tool, chat, place)))
            for place, scene in enumerate(tale.scenes)
        ]
        headings = "\n".join(f"{n}. {scene.heading}" for n, scene in enumerate(tale.scenes, 1))
        introduction = f'I will tell "{tale.title}" in {_counted(len(calls))} and illustrate each:\n\n{headings}'
        return Plan(calls, introduction, tale)
    editor, change = next(filter(edits, chat.tools), None), CHANGED.search(chat.asked[: words.MAX_REQUEST_LENGTH])
    if editor and change:
        return _edited_plan(tool, editor, change, chat)
    subject = words.subject(chat.asked)
    count = story.count_of(chat.asked, 1)
    prompts = [subject if count == 1 else f"{subject}, version {n}" for n in range(1, count + 1)]
    return Plan(
        [
            Call(tool.name, _arguments(tool, chat.asked, prompt=prompt, **_seed(tool, chat, n)))
            for n, prompt in enumerate(prompts)
        ]
    )


def _seed(tool: Tool, chat: ChatRequest, place: int) -> Json:
    """Return a `seed` argument for an image tool.

    Return no argument if the tool has no such parameter or the user's text mentions a seed.
    """
    if re.search(r"\bseed\b", chat.asked, re.IGNORECASE):
        return {}
    return {"seed": story.seed_of(chat.asked, place)} if "seed" in tool.properties else {}


def _counted(number: int) -> str:
    names = {number: word for word, number in words.NUMBER_WORDS.items()}
    return f"{names.get(number, number)} {'scene' if number == 1 else 'scenes'}"


def plan(chat: ChatRequest) -> Plan:
    """Plan all tool calls that the user's text asks for."""
    later = _later_edit_plan(chat)
    if later is not None:
        return later
    tools = chosen(chat)
    if not tools:
        return Plan()
    research = _research(chat)
    if research and any(tool in research.tools for tool in tools):
        return _research_plan(research, chat)
    if len(tools) == 1 and draws(tools[0]):
        return _image_plan(tools[0], chat)
    return Plan([Call(tool.name, _arguments(tool, chat.asked, **_media_text(tool, chat))) for tool in tools])


def makes_other_media(name: str) -> bool:
    """Return whether a tool with this name generates videos, speech, music or 3D objects."""
    return bool(OTHER_MEDIA.search(name.replace("_", " ")))


def _media_text(tool: Tool, chat: ChatRequest) -> Json:
    """Return the text for a tool that generates videos, speech or music: the text after a colon, or the subject."""
    if not makes_other_media(tool.name):
        return {}
    match = INTRODUCED.match(chat.asked)
    text = match[1].strip() if match else words.subject(chat.asked)
    return {"prompt": text, "text": text}


def due(chat: ChatRequest, planned: Plan) -> list[Call]:
    """Return the planned tool calls that the next response contains.

    Usually the first response contains all calls. If the plan is sequential or `parallel_tool_calls` is false, each
    response contains one call.
    """
    done = len(chat.results)
    if planned.sequential or chat.body.get("parallel_tool_calls") is False:
        waiting = list(planned.calls[done : done + 1])
    else:
        waiting = [] if done else list(planned.calls)
    return waiting or _still_forced(chat, done)


def _still_forced(chat: ChatRequest, done: int) -> list[Call]:
    """Return an additional call if all planned calls are made but `tool_choice` still requires a call.

    The call uses a tool that has not been called yet.
    """
    if not done or _choice(chat) != "required":
        return []
    called = {result.name for result in chat.results}
    for tool in sorted(chat.tools, key=lambda t: not _is_structured(t)):
        if tool.name not in called:
            return [Call(tool.name, _arguments(tool, known(chat)))]
    return []


def known(chat: ChatRequest) -> str:
    """Return the text from which a response is built: the tool results, and then the text of the attachments. Without
    such attachments, the user's text follows instead."""
    read = [part.text for part in chat.attachments if part.text] or [chat.asked]
    return "\n\n".join([*(flat(result.text) for result in chat.results), *read])


def flat(text: str) -> str:
    """Convert a tool result to plain text.

    A JSON object with one field becomes the value of this field. A larger JSON object becomes a list of its fields.
    Text stays unchanged.
    """
    try:
        value = json.loads(text)
    except ValueError:
        return text.strip()
    if isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v}" for k, v in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
