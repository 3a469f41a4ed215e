"""`POST /v1/embeddings`. Texts with common words get similar vectors."""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from starlette.responses import Response

from langchain_pollinations.emulator.service import cache, generation, references, usage, validation
from langchain_pollinations.emulator.service.cache import Stored
from langchain_pollinations.emulator.service.catalog import Model
from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.service.generation import Job
from langchain_pollinations.emulator.state import Asked, State
from langchain_pollinations.emulator.synthesis.answers import attachments as parts

Json = dict[str, Any]

MAX_BATCH = 32
DIMENSIONS: Mapping[str, int] = {
    "google/gemini-embedding-2": 3072,
    "openai/text-embedding-3-small": 1536,
    "openai/text-embedding-3-large": 3072,
    "cohere/embed-v4.0": 1536,
    "qwen/qwen3-embedding-8b": 4096,
}
COHERE_DIMENSIONS = (256, 512, 1024, 1536)
VIDEO_TYPES = ("video/mp4", "video/mpeg")
INSTRUCTION_TOKENS = 8  # tokens of the task instruction before the text

# Stop words.
COMMON = frozenset(
    "a an and are as at be by can do does for from has have how i in is it its me my no not of on or our so such "
    "that the their them there these they this to us was we were what when where which who why will with you "
    "your".split()
)
ENDINGS = ("ingly", "edly", "ings", "ing", "ies", "ers", "ed", "er", "es", "ly", "s")


def stem(word: str) -> str:
    """Return a word without its ending, for example without `-ing` or `-s`."""
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def features(text: str) -> dict[str, float]:
    """Return the features of a text with their weights: word stems, pairs of stems and three-letter fragments."""
    found: dict[str, float] = {}
    words = [stem(w) for w in re.findall(r"\w+", text.lower()) if w not in COMMON]
    for word in words:
        found[f"w {word}"] = found.get(f"w {word}", 0) + 1.0
        padded = f"<{word}>"
        for start in range(len(padded) - 2):
            gram = f"g {padded[start : start + 3]}"
            found[gram] = found.get(gram, 0) + 0.15
    for first, second in zip(words, words[1:], strict=False):
        found[f"b {first} {second}"] = 0.3
    return found or {f"t {text}": 1.0}


def vector(text: str, dimensions: int, model: str) -> list[float]:
    """Return the embedding of a text, a vector of length 1.

    Each feature adds the square root of its weight at four indices. The sign of each addition comes from a hash.
    """
    values = [0.0] * dimensions
    for feature, weight in features(text).items():
        digest = blake2b(f"{model} {feature}".encode(), digest_size=20).digest()
        for place in range(4):
            number = int.from_bytes(digest[place * 5 : place * 5 + 5])
            values[(number >> 1) % dimensions] += math.sqrt(weight) * (1 if number & 1 else -1)
    length = math.sqrt(sum(v * v for v in values)) or 1.0
    return [v / length for v in values]


def _refuse(message: str) -> Refusal:
    return Refusal(400, message)


def _inputs(body: Json) -> list[list[Json]]:
    """Return the inputs of a request, each as a list of content parts. A list of content parts counts as one input."""
    given = body["input"]
    if isinstance(given, str):
        return [[{"type": "text", "text": given}]]
    if isinstance(given, dict):
        return [[given]]
    if given and isinstance(given[0], dict):
        return [given]
    return [[{"type": "text", "text": text}] for text in given]


def _check_parts(state: State, model: Model, given: list[Json]) -> None:
    """Check the content parts of one input."""
    references.check_parts(state, given)
    for part in given:
        parts.look(part)
        mime_type = part["video_url"].get("mime_type") if part["type"] == "video_url" else None
        if mime_type not in (None, *VIDEO_TYPES):
            raise _refuse(f"Unsupported video type: {mime_type}. Supported: {', '.join(VIDEO_TYPES)}")
    if model["name"].startswith("cohere/") and sum(part["type"] == "image_url" for part in given) > 1:
        raise _refuse("This model takes text and at most one image per input")


def _check_abilities(state: State, model: Model, body: Json, inputs: list[list[Json]]) -> None:
    name = model["name"]
    kinds = {part["type"] for parts in inputs for part in parts} - {"text"}
    takes = {"image_url": "image", "input_audio": "audio", "video_url": "video"}
    if len(inputs) > MAX_BATCH:
        raise _refuse(f"Embeddings support at most {MAX_BATCH} inputs per request")
    for kind in sorted(kinds):
        if takes[kind] not in model.get("input_modalities", ()):
            raise _refuse(f"This model does not support {takes[kind]} input")
    wanted, most = body.get("dimensions"), DIMENSIONS.get(name)
    if wanted is not None and most is not None and wanted > most:
        raise _refuse(f"This model supports at most {most} dimensions")
    if wanted is not None and name.startswith("cohere/") and wanted not in COHERE_DIMENSIONS:
        raise _refuse(f"dimensions must be one of {', '.join(map(str, COHERE_DIMENSIONS))} for this model")
    if body.get("task_type") is not None and (not name.startswith("google/gemini") or kinds):
        raise _refuse("task_type is only supported for text on Gemini embedding models")
    if body.get("input_type") is not None and not name.startswith("cohere/"):
        raise _refuse("input_type is only supported on Cohere embedding models")
    if body.get("input_type") not in (None, "query", "document"):
        raise _refuse("input_type must be query or document")
    for each in inputs:
        _check_parts(state, model, each)


def _words(part: Json) -> str:
    """Return the text of a content part. For media, return a description of their content."""
    if part["type"] == "text":
        return str(part["text"])
    seen = parts.look(part)
    return seen.words if seen else ""


def _tokens(inputs: list[list[Json]], task: bool) -> dict[str, int]:
    found = {"promptTextTokens": INSTRUCTION_TOKENS * len(inputs) if task else 0}
    units = {"image": "promptImageTokens", "audio": "promptAudioTokens", "video": "promptVideoTokens"}
    for part in (part for each in inputs for part in each):
        seen = parts.look(part)
        unit = units.get(seen.kind, "promptTextTokens") if seen else "promptTextTokens"
        found[unit] = found.get(unit, 0) + (seen.tokens if seen else usage.tokens(part["text"]))
    return {unit: number for unit, number in found.items() if number}


def _encoded(values: list[float], encoding: str) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
    return values


def _response_body(model: Model, body: Json, inputs: list[list[Json]], units: Mapping[str, int]) -> bytes:
    """Return the response body as JSON bytes. Bytes take less memory in the cache than a list of Python floats."""
    dimensions = body.get("dimensions") or DIMENSIONS.get(model["name"], 1024)
    encoding = body.get("encoding_format", "float")
    texts = ["\n".join(map(_words, each)) for each in inputs]
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _encoded(vector(text, dimensions, model["name"]), encoding),
        }
        for index, text in enumerate(texts)
    ]
    total = sum(units.values())
    counted = {"prompt_tokens": total, "total_tokens": total}
    return json.dumps({"object": "list", "data": data, "model": model["name"], "usage": counted}).encode()


async def create(state: State, asked: Asked) -> Response:
    body = validation.json_body(asked.body, asked.headers.get("content-type", ""), validation.EMBEDDINGS)
    model = state.catalog.resolve(body.get("model"), "embedding", "/v1/embeddings", "embedding")
    inputs = _inputs(body)

    async def make() -> tuple[Stored, Mapping[str, int]]:
        units = _tokens(inputs, body.get("task_type") is not None)
        headers = {"x-model-used": model["name"], **usage.headers(units)}
        answer = _response_body(model, body, inputs, units)
        return Stored(answer, len(answer), headers), units

    key = cache.identity(asked.method, asked.path, asked.query, body)
    job = Job(model, key, {"promptTextTokens": 1}, lambda: _check_abilities(state, model, body, inputs))
    result = await generation.run(state, asked, job, make)
    return Response(result.stored.value, media_type="application/json", headers=dict(result.headers))
