"""Sources of a response: texts in the request, and the provider's built-in web search and code execution."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from langchain_pollinations.emulator.synthesis.answers import words
from langchain_pollinations.emulator.synthesis.answers.conversation import ChatRequest

Json = dict[str, Any]

SUM = re.compile(r"(?P<sum>[-\d.]+ [-+*/] [-\d.]+) = (?P<result>[-\d.e+]+)")
PAGES = (
    {"url": "https://example.org/encyclopedia", "title": "The Example Encyclopedia"},
    {"url": "https://example.org/almanac", "title": "The Example Almanac"},
)
SOURCE = re.compile(r"^[^\S\n]*\[(\d+)\]\s*(?:[^\n:.!?]{1,60}:\s+)?", re.MULTILINE)
MAX_CITED = 3


def nearest(text: str, question: str) -> str | None:
    """Return the sentence that shares most words with a question, or None if no sentence shares any."""
    asked = words.stems(question)
    rated = [(len(asked & words.stems(sentence)), sentence) for sentence in words.sentences(text)]
    best = max((number for number, _ in rated), default=0)
    return next(sentence for number, sentence in rated if number == best) if best else None


def _sources(text: str) -> dict[str, list[str]]:
    """Return the sentences of numbered sources, `[1] Title: text`, by number.

    Text without a full stop, question mark or exclamation mark is a heading.
    """
    parts = SOURCE.split(text)
    found: dict[str, list[str]] = {}
    for number, body in zip(parts[1::2], parts[2::2], strict=True):
        sentences = words.sentences(body)
        found.setdefault(number, []).extend([s for s in sentences if s.endswith((".", "!", "?"))] or sentences)
    return found


def _ranked(text: str, question: str) -> list[tuple[float, str, str]]:
    """Return rating, source number and text of the sentences that share words with a question, best first.

    Rare words count more.
    """
    asked, sources = words.stems(question), _sources(text)
    spread = Counter(stem for sentences in sources.values() for stem in words.stems(" ".join(sentences)))
    rated = [
        (sum(1 / spread[stem] for stem in asked & words.stems(sentence)), number, sentence)
        for number, sentences in sources.items()
        for sentence in sentences
    ]
    return sorted((row for row in rated if row[0]), key=lambda row: -row[0])


def cited(text: str, question: str) -> str | None:
    """Answer a question from numbered sources, each sentence with its number; None if there are no sources."""
    ranked: Sequence[tuple[float, str, str]] = _ranked(text, question)
    if not ranked:
        return "The sources do not answer that." if SOURCE.search(text) else None
    return " ".join(
        f"{sentence} [{number}]" for rating, number, sentence in ranked[:MAX_CITED] if rating * 2 >= ranked[0][0]
    )


def best(text: str, question: str) -> str | None:
    """Return the sentence of a text, or of its numbered sources, that is nearest to a question."""
    ranked = _ranked(text, question)
    return ranked[0][2] if ranked else nearest(text, question)


def found(chat: ChatRequest, content: str, *, form: bool) -> Json:
    """Return the web search of a response and the pages that its first and last sentence are based on.

    With `form` (a JSON response) the pages are cited for the whole response.
    """
    sentences = [] if form else words.sentences(content)
    ends = [*sentences[:1], *sentences[1:][-1:]]
    pages = [{**page, "text": text} for page, text in zip(PAGES, [*ends, "", ""], strict=False)]
    return {"searches": [words.subject(chat.asked)], "sources": pages}


def ran(chat: ChatRequest, content: str) -> Json:
    """Return the code that was run for a response and its output: the requested calculation, else a word count."""
    summed = SUM.fullmatch(content)
    if summed:
        return {"code": [{"code": f"print({summed['sum']})", "output": f"{summed['result']}\n"}]}
    return {"code": [{"code": f"print(len({chat.asked!r}.split()))", "output": f"{len(chat.asked.split())}\n"}]}
