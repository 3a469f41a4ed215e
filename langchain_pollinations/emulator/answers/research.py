"""What a provider does by itself for an answer: it searches the web, and runs code."""

from __future__ import annotations

import re
from typing import Any

from ..talk import Talk
from . import words

Json = dict[str, Any]

SUM = re.compile(r"(?P<sum>[-\d.]+ [-+*/] [-\d.]+) = (?P<result>[-\d.e+]+)")
PAGES = (
    {"url": "https://example.org/encyclopedia", "title": "The Example Encyclopedia"},
    {"url": "https://example.org/almanac", "title": "The Example Almanac"},
)


def found(talk: Talk, content: str, *, form: bool) -> Json:
    """The search behind an answer, and the pages on which its first and last sentence rest; in a form, all of it."""
    sentences = [] if form else words.sentences(content)
    ends = [*sentences[:1], *sentences[1:][-1:]]
    pages = [{**page, "text": text} for page, text in zip(PAGES, [*ends, "", ""], strict=False)]
    return {"searches": [words.subject(talk.asked)], "sources": pages}


def ran(talk: Talk, content: str) -> Json:
    """The code that gave an answer, and what it printed: the sum that was asked for, else the count of the words."""
    summed = SUM.fullmatch(content)
    if summed:
        return {"code": [{"code": f"print({summed['sum']})", "output": f"{summed['result']}\n"}]}
    return {"code": [{"code": f"print(len({talk.asked!r}.split()))", "output": f"{len(talk.asked.split())}\n"}]}
