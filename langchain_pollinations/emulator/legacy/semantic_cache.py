"""The semantic cache of the older image host: what it remembers of its pictures beside their bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from langchain_pollinations.emulator.legacy import image_options
from langchain_pollinations.emulator.service.bounded_memory import Newest

ALIKE = 0.75  # of all words of two prompts, the share that both have; the service does not tell its own measure


def words(prompt: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", prompt.lower()))


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of the words that two prompts have in common: 1 for the same words in any order."""
    return len(one & other) / len(one | other) if one | other else 0.0


def _frame(query: Mapping[str, str]) -> tuple[object, ...]:
    """What has to be equal beside the words, as the edge reads it: it takes a seed of 0 for none."""
    order = image_options.read("", query)
    return order.width, order.height, query.get("model"), order.seed or image_options.DEFAULT_SEED


@dataclass(frozen=True)
class Made:
    """A picture that was made: its name in the store, and what it was made for."""

    key: str
    frame: tuple[object, ...]
    words: frozenset[str]


class Similar:
    """Pictures that may be served for another prompt than their own."""

    def __init__(self) -> None:
        self._made: Newest[Made] = Newest()

    def clear(self) -> None:
        self._made.clear()

    def put(self, key: str, prompt: str, query: Mapping[str, str]) -> None:
        self._made.put(key, Made(key, _frame(query), words(prompt)), len(prompt))

    def find(self, prompt: str, query: Mapping[str, str]) -> tuple[str, float] | None:
        """The name of the picture that comes nearest, and how near; none where nothing is near enough."""
        frame, wanted = _frame(query), words(prompt)
        rated = [(made.key, likeness(made.words, wanted)) for made in self._made.all() if made.frame == frame]
        near = [pair for pair in rated if pair[1] >= ALIKE]
        return max(near, key=lambda pair: pair[1], default=None)
