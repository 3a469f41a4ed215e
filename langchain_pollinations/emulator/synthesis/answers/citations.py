"""Finds the sources of a response.

A source is a text in the request, or a result of the provider's web search or code execution.
"""

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
FOUND_PAGE = re.compile(
    r"^Title: (?P<title>.+)\nURL: (?P<url>\S+)\n(?:\w+: .*\n)*"
    r"(?:Highlights|Text):\n(?P<text>(?s:.*?))(?=\n\n---\n\n|\Z)",
    re.MULTILINE,
)
MAX_CITED = 3


def nearest(text: str, question: str) -> str | None:
    """Return the sentence that shares the most words with a question. Return None if no sentence shares a word."""
    asked = words.stems(question)
    rated = [(len(asked & words.stems(sentence)), sentence) for sentence in words.sentences(text)]
    best = max((number for number, _ in rated), default=0)
    return next(sentence for number, sentence in rated if number == best) if best else None


def _sources(text: str) -> dict[str, list[str]]:
    """Parse numbered sources such as `[1] Title: text`. Return a dictionary from the number to the sentences of the
    source.

    Headings are omitted, unless a source has only headings. A heading is a text without a full stop, a question mark or
    an exclamation mark at its end.
    """
    parts = SOURCE.split(text)
    found: dict[str, list[str]] = {}
    for number, body in zip(parts[1::2], parts[2::2], strict=True):
        sentences = words.sentences(body)
        found.setdefault(number, []).extend([s for s in sentences if s.endswith((".", "!", "?"))] or sentences)
    return found


def _ranked(text: str, question: str) -> list[tuple[float, str, str]]:
    """Rate the sentences of numbered sources by the words that they share with a question. Rare words count more.

    Return tuples of rating, source number and sentence, highest rating first. Sentences without a shared word are
    omitted.
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
    """Answer a question with sentences from numbered sources. The number of its source follows each sentence.

    Return None if the text has no numbered sources.
    """
    ranked: Sequence[tuple[float, str, str]] = _ranked(text, question)
    if not ranked:
        return "The sources do not answer that." if SOURCE.search(text) else None
    return " ".join(
        f"{sentence} [{number}]" for rating, number, sentence in ranked[:MAX_CITED] if rating * 2 >= ranked[0][0]
    )


def pages(text: str) -> list[tuple[str, str, str]]:
    """Parse the pages in the result of a web search or a page fetch. Return tuples of title, URL and text."""
    found = FOUND_PAGE.finditer(text)
    return [(page["title"], page["url"], page["text"].replace(" [...] ", " ").strip()) for page in found]


def cited_pages(text: str, question: str) -> str:
    """Answer a question with sentences from pages. A link to its page follows each sentence, and a list of the cited
    pages ends the answer."""
    found = pages(text)
    sources = "\n".join(f"[{number}] {text}" for number, (_, _, text) in enumerate(found, 1))
    answer = cited(sources, question) or ""
    numbers = list(dict.fromkeys(int(number) for number in re.findall(r"\[(\d+)\]", answer)))
    linked = re.sub(r"\[(\d+)\]", lambda match: f"[[{match[1]}]]({found[int(match[1]) - 1][1]})", answer)
    listed = "\n".join(f"- [{number}] {found[number - 1][0]}: {found[number - 1][1]}" for number in numbers)
    return f"{linked}\n\n{listed}" if numbers else linked


def best(text: str, question: str) -> str | None:
    """Return the sentence of a text that is most similar to a question. Numbered sources take precedence."""
    text = "\n".join(page for _, _, page in pages(text)) or text
    ranked = _ranked(text, question)
    return ranked[0][2] if ranked else nearest(text, question)


def found(chat: ChatRequest, content: str, *, form: bool) -> Json:
    """Return the web search for a response: the query and the pages that the response cites.

    The first sentence and the last sentence each cite a page. If `form` is true, the response is JSON, and the whole
    response cites the pages.
    """
    sentences = [] if form else words.sentences(content)
    ends = [*sentences[:1], *sentences[1:][-1:]]
    pages = [{**page, "text": text} for page, text in zip(PAGES, [*ends, "", ""], strict=False)]
    return {"searches": [words.subject(chat.asked)], "sources": pages}


def ran(chat: ChatRequest, content: str) -> Json:
    """Return the code that the provider ran for a response, and the output of the code.

    The code computes the requested calculation. If the user requested none, the code counts words.
    """
    summed = SUM.fullmatch(content)
    if summed:
        return {"code": [{"code": f"print({summed['sum']})", "output": f"{summed['result']}\n"}]}
    return {"code": [{"code": f"print(len({chat.asked!r}.split()))", "output": f"{len(chat.asked.split())}\n"}]}
