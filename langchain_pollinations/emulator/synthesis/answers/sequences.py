"""Generates values for schemas with a list of objects: the scenes of a story, or the sentences of a document."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from langchain_pollinations.emulator.synthesis.answers import story, tool_planning, words
from langchain_pollinations.emulator.synthesis.answers.conversation import ChatRequest
from langchain_pollinations.emulator.synthesis.answers.schema_instances import InstanceBuilder, Schema, instance
from langchain_pollinations.emulator.synthesis.answers.story import Scene
from langchain_pollinations.emulator.synthesis.answers.words import Words

FIELDS: Sequence[tuple[re.Pattern[str], Callable[[Scene], str]]] = (
    (re.compile(r"image|picture|visual|prompt|illustration|scene|shot", re.IGNORECASE), lambda scene: scene.prompt),
    (re.compile(r"title|heading|headline|topic", re.IGNORECASE), lambda scene: scene.heading),
    (re.compile(r"caption", re.IGNORECASE), lambda scene: words.sentences(scene.prose)[0]),
    (re.compile(r""), lambda scene: scene.prose),
)
"""Patterns of field names, and the text of a scene that fills the field."""
NAME = re.compile(r"(?<!file)name", re.IGNORECASE)
"""Fields with the name of a person or a thing, which no scene contains."""


def sequence_instance(schema: Schema, chat: ChatRequest) -> Any:
    """Return a value that is valid for a schema.

    If the user asks for a story, each object of a list describes a scene. If the user attaches a document, each object
    describes a sentence of it.

    Raises:
        Refusal: If the schema is invalid.
    """
    scenes = _scenes(chat)
    return instance(schema, tool_planning.known(chat), partial(SequenceBuilder, scenes) if scenes else InstanceBuilder)


def _scenes(chat: ChatRequest) -> Sequence[Scene]:
    if tool_planning.STORY.search(chat.asked):
        return story.compose(chat.asked, story.count_of(chat.asked), chat.seed).scenes
    read = words.sentences("\n".join(part.text for part in chat.attachments if part.kind == "file"))
    return [Scene(" ".join(each.split()[:6]), each, each) for each in read] if len(read) > 1 else []


class SequenceBuilder(InstanceBuilder):
    """Builds a value in which the n-th object of a list describes the n-th scene."""

    def __init__(self, scenes: Sequence[Scene], found: Words, root: Schema) -> None:
        super().__init__(found, root)
        self._scenes = scenes
        self._place: int | None = None

    def _items(self, item: Schema, name: str, count: int, depth: int) -> list[Any]:
        if self._place is not None or "properties" not in item:
            return super()._items(item, name, count, depth)
        made = []
        for place in range(count):
            self._place = place
            made.append(self.build(item, name, depth))
        self._place = None
        return made

    def _several(self, item: Schema) -> int:
        return len(self._scenes) if "properties" in item else super()._several(item)

    def _choice(self, values: Sequence[Any]) -> Any:
        return super()._choice(values) if self._place is None else values[self._place % len(values)]

    def _text_for(self, name: str, schema: Schema) -> str:
        if self._place is None or NAME.search(name):
            return super()._text_for(name, schema)
        scene = self._scenes[self._place % len(self._scenes)]
        return next(read(scene) for pattern, read in FIELDS if pattern.search(name))
