"""Parsers of structured answers: LangChain's own, which also find JSON in prose and take no half of an answer."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGeneration, Generation


class JsonAnswerParser(JsonOutputParser):
    """JSON of a whole answer, in fences, in prose, or alone.

    LangChain completes JSON that was cut off, which is right while it streams and wrong at its end.
    """

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        if partial:
            return super().parse_result(result, partial=True)
        answer, *_ = result
        if isinstance(answer, ChatGeneration) and answer.message.response_metadata.get("finish_reason") == "length":
            told = "The answer was cut off at the limit of its tokens: raise max_tokens"
            raise OutputParserException(told, llm_output=answer.text)
        return super().parse_result([Generation(text=find_json(answer.text))])


class PydanticAnswerParser(JsonAnswerParser, PydanticOutputParser[Any]):
    """As `JsonAnswerParser`, with an instance of a Pydantic class as the result."""


def find_json(text: str) -> str:
    """The first JSON object or list in a text that has prose around it; the text itself where there is none."""
    stripped = text.strip()
    if stripped.startswith(("{", "[", "```")):
        return stripped
    decoder = json.JSONDecoder(strict=False)
    for start, char in enumerate(text):
        if char in "{[":
            try:
                _, end = decoder.raw_decode(text, start)
            except (ValueError, RecursionError):
                continue
            return text[start:end]
    return text
