"""The semantic cache of the legacy image host: it maps prompts to similar cached images."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from langchain_pollinations.emulator.legacy import image_options
from langchain_pollinations.emulator.service.bounded_memory import BoundedStore

MIN_SIMILARITY = 0.75  # minimum share of common words in all words of two prompts; the service's measure is not public


def words(prompt: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", prompt.lower()))


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of words that two prompts have in common: 1 for the same words in any order."""
    return len(one & other) / len(one | other) if one | other else 0.0


def _frame(query: Mapping[str, str]) -> tuple[object, ...]:
    """Return the options that must be equal, as the edge reads them: it treats a seed of 0 as no seed."""
    order = image_options.read("", query)
    return order.width, order.height, query.get("model"), order.seed or image_options.DEFAULT_SEED


@dataclass(frozen=True)
class Made:
    """A generated image: its cache key, options and words."""

    key: str
    frame: tuple[object, ...]
    words: frozenset[str]


class Similar:
    """The images that can be served for prompts similar to their own."""

    def __init__(self) -> None:
        self._made: BoundedStore[Made] = BoundedStore()

    def clear(self) -> None:
        self._made.clear()

    def put(self, key: str, prompt: str, query: Mapping[str, str]) -> None:
        self._made.put(key, Made(key, _frame(query), words(prompt)), len(prompt))

    def find(self, prompt: str, query: Mapping[str, str]) -> tuple[str, float] | None:
        """Return the cache key and the similarity of the nearest image, or None if no image is similar enough."""
        frame, wanted = _frame(query), words(prompt)
        rated = [(made.key, similarity(made.words, wanted)) for made in self._made.all() if made.frame == frame]
        near = [pair for pair in rated if pair[1] >= MIN_SIMILARITY]
        return max(near, key=lambda pair: pair[1], default=None)
