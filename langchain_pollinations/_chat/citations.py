"""Convert the sources of a response, in the form of any provider, to LangChain's standard citations. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from langchain_pollinations._chat.fields import UniqueList, text_of
from langchain_pollinations._types import Json


def collect(text: str, fields: Mapping[str, Any]) -> list[Json]:
    """Return the annotations for the text of a response, without duplicates.

    Args:
        text: The complete text of the response. The indices of citations refer to it.
        fields: Fields of the message (`annotations`, `content_blocks`) and of the response (`groundingMetadata`,
            `search_results`, `citations`).
    """
    if fields.keys().isdisjoint(_SOURCES):
        return []
    placed = [
        *_from_annotations(_list(fields.get("annotations"))),
        *_from_blocks(_list(fields.get("content_blocks"))),
        *_from_grounding(fields.get("groundingMetadata"), text),
    ]
    listed = [
        *_from_results(_list(fields.get("search_results"))),
        *({"url": url} for url in _list(fields.get("citations")) if isinstance(url, str)),
        *_from_results(_list(fields.get("citations"))),
    ]
    once = UniqueList()
    once.add(placed)
    return [*once.value(), *_unplaced(listed, known={found.get("url") for found in placed})]


_SOURCES = frozenset({"annotations", "content_blocks", "groundingMetadata", "search_results", "citations"})


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _unplaced(found: Iterable[Json], known: set[Any]) -> Iterator[Json]:
    """Yield a citation for each source of the whole response, except for URLs in `known`: a passage cites them."""
    for source in found:
        if source["url"] not in known:
            known.add(source["url"])
            yield _citation(source)


_STANDARD = {"url": str, "title": str, "start_index": int, "end_index": int, "cited_text": str}


def _citation(fields: Mapping[str, Any]) -> Json:
    """Return a standard citation. Its `extras` hold the fields that LangChain's standard does not define."""
    given = {key: value for key, value in fields.items() if value is not None and key != "type"}
    standard = {key: given[key] for key, kind in _STANDARD.items() if isinstance(given.get(key), kind)}
    extras = {key: value for key, value in given.items() if key not in standard}
    citation = {"type": "citation", **standard}
    return {**citation, "extras": extras} if extras else citation


def _from_annotations(annotations: list[Any]) -> Iterator[Json]:
    """Convert OpenAI's form. The fields are beside `type`, or in an object under `url_citation`."""
    for annotation in annotations:
        if isinstance(annotation, dict) and annotation.get("type") == "url_citation":
            facts = annotation.get("url_citation")
            facts = dict(facts if isinstance(facts, dict) else annotation)
            yield _citation({"cited_text": facts.pop("content", None), **facts})
        else:
            yield {"type": "non_standard_annotation", "value": annotation}


def _from_blocks(blocks: list[Any]) -> Iterator[Json]:
    """Convert Anthropic's form. Each passage of text is a block that lists the sources of the passage."""
    start = 0
    for block in blocks:
        if not isinstance(block, dict):
            continue
        end = start + len(text_of(block))
        for source in _list(block.get("citations")):
            if isinstance(source, dict):
                title = source.get("title") or source.get("document_title")
                yield _citation({**source, "title": title, "start_index": start, "end_index": end})
        start = end


def _from_grounding(grounding: Any, text: str) -> Iterator[Json]:
    """Convert Google's form: a list of sources, and passages that cite sources by position.

    The offsets of passages count bytes of UTF-8.
    """
    if not isinstance(grounding, dict):
        return
    sources = [_web(chunk) for chunk in _list(grounding.get("groundingChunks"))]
    supported: set[int] = set()
    for support in _list(grounding.get("groundingSupports")):
        segment = support.get("segment") if isinstance(support, dict) else None
        if not isinstance(segment, dict):
            continue
        data = text.encode()
        place = {
            "start_index": len(data[: _count(segment.get("startIndex"), 0)].decode(errors="ignore")),
            "end_index": len(data[: _count(segment.get("endIndex"), len(data))].decode(errors="ignore")),
            "cited_text": segment.get("text"),
        }
        for number in _list(support.get("groundingChunkIndices")):
            if isinstance(number, int) and 0 <= number < len(sources):
                supported.add(number)
                yield _citation({**sources[number], **place})
    for number, source in enumerate(sources):
        if number not in supported:
            yield _citation(source)


def _count(value: Any, default: int) -> int:
    return value if isinstance(value, int) else default


def _web(chunk: Any) -> Json:
    """Convert a source: `{"web": {"uri", "title"}}`, or the same fields under another key."""
    inner = next((value for value in chunk.values() if isinstance(value, dict)), {}) if isinstance(chunk, dict) else {}
    return {"url": inner.get("uri"), **{key: value for key, value in inner.items() if key != "uri"}}


def _from_results(results: list[Any]) -> Iterator[Json]:
    """Convert a list of search results."""
    for result in results:
        if isinstance(result, dict) and isinstance(result.get("url"), str):
            found = dict(result)
            yield {"cited_text": found.pop("snippet", None), **found}
