"""The semantic cache of the legacy image host. It can serve the cached image of a similar prompt."""

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
    """Return the similarity of two prompts: the number of common words, divided by the number of all different words.

    The order of the words does not matter.
    """
    return len(one & other) / len(one | other) if one | other else 0.0


def _frame(query: Mapping[str, str]) -> tuple[object, ...]:
    """Return the options that must be equal for two similar prompts. A seed of 0 counts as no seed."""
    order = image_options.read("", query)
    return order.width, order.height, query.get("model"), order.seed or image_options.DEFAULT_SEED


@dataclass(frozen=True)
class Made:
    """A generated image. `frame` contains its options, and `words` the words of its prompt."""

    key: str
    frame: tuple[object, ...]
    words: frozenset[str]


class Similar:
    """An index of the generated images by the words of their prompts."""

    def __init__(self) -> None:
        self._made: BoundedStore[Made] = BoundedStore()

    def clear(self) -> None:
        self._made.clear()

    def put(self, key: str, prompt: str, query: Mapping[str, str]) -> None:
        self._made.put(key, Made(key, _frame(query), words(prompt)), len(prompt))

    def find(self, prompt: str, query: Mapping[str, str]) -> tuple[str, float] | None:
        """Return the cache key and the similarity of the image with the most similar prompt.

        Return None if no prompt is similar enough.
        """
        frame, wanted = _frame(query), words(prompt)
        rated = [(made.key, similarity(made.words, wanted)) for made in self._made.all() if made.frame == frame]
        near = [pair for pair in rated if pair[1] >= MIN_SIMILARITY]
        return max(near, key=lambda pair: pair[1], default=None)
