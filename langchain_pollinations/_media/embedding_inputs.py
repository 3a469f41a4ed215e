"""Options of embeddings, conversion of inputs to the service's JSON, and checks that a model accepts them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Self, TypeAlias

from pydantic import Field

from langchain_pollinations._catalog.capabilities import require
from langchain_pollinations._catalog.records import Model
from langchain_pollinations._catalog.snapshot import abilities, known
from langchain_pollinations._chat.content import encode_block
from langchain_pollinations._media.data_uri import is_data_uri, read_data_uri
from langchain_pollinations._types import Json
from langchain_pollinations._validation import CallOptions, CallOverrides, check_whole
from langchain_pollinations.errors import InvalidRequestError
from langchain_pollinations.media import Media

One = str | Media | Mapping[str, Any]
Input = One | Sequence[One]
"""Input for one vector: a text, a `Media`, a LangChain content block, or a sequence of these."""

MAX_BATCH = 32
"""Maximum number of texts in one request."""

MIN_DIMENSIONS = 128

_AS_QUERY: Mapping[str, Mapping[str, str]] = {
    "task_type": {"RETRIEVAL_DOCUMENT": "RETRIEVAL_QUERY"},
    "input_type": {"document": "query"},
}


TaskType: TypeAlias = Literal[
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "RETRIEVAL_DOCUMENT",
    "RETRIEVAL_QUERY",
    "CODE_RETRIEVAL_QUERY",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
]


class EmbeddingOptions(CallOptions):
    """Options of embeddings. An option that is None is not sent, and the service applies its default."""

    model: str = Field(default="openai/text-embedding-3-small", min_length=1)
    """Canonical id or alias of the model."""
    dimensions: int | None = Field(default=None, ge=MIN_DIMENSIONS)
    """Number of dimensions of each vector, at least 128. By default, the model decides. Some models support only a few
    values."""
    batch_size: int = Field(default=MAX_BATCH, ge=1, le=MAX_BATCH)
    """Maximum number of texts in one request, 1 to 32. `chunk_size` is an alias."""
    task_type: TaskType | None = None
    """Purpose of the vectors of texts, for Gemini models. With `RETRIEVAL_DOCUMENT`, `embed_query` sends
    `RETRIEVAL_QUERY`. All other values apply to both documents and queries."""
    input_type: Literal["query", "document"] | None = None
    """Role of the texts in a search, for Cohere models. With `document`, `embed_query` sends `query`."""
    max_concurrency: int = Field(default=4, ge=1)
    """Maximum number of concurrent requests."""

    def body(self) -> Json:
        """The options that are sent."""
        return self.model_dump(exclude_none=True, exclude={"batch_size", "max_concurrency"})

    def as_query(self) -> Self:
        """Convert the options for documents to the options for a query."""
        own = {name: getattr(self, name) for name in _AS_QUERY}
        return self.model_copy(update={name: _AS_QUERY[name].get(value, value) for name, value in own.items()})


class EmbeddingOverrides(CallOverrides, total=False):
    """Keyword arguments of the methods of `PollinationsEmbeddings`: the options of `EmbeddingOptions`."""

    model: str
    dimensions: int | None
    batch_size: int
    task_type: TaskType | None
    input_type: Literal["query", "document"] | None
    max_concurrency: int


# --- Inputs -----------------------------------------------------------------------------------------------------------

Encoded = str | list[Json]
"""An input in the service's format: a text, or a list of content parts."""

_MEDIA: Mapping[str, str] = {"text": "text", "image_url": "image", "input_audio": "audio", "video_url": "video"}
"""Modality of each type of content part. The model list uses the same names."""

_VIDEO_TYPES = ("video/mp4", "video/mpeg")


def check_text(text: Any, place: str) -> str:
    """Validate a text for embedding.

    Raises:
        InvalidRequestError: If the text is not a string, is blank, or cannot be encoded. The message names `place`.
    """
    if not isinstance(text, str):
        raise InvalidRequestError(f"{place} must be a string, not {type(text).__name__}", param=place)
    if not text.strip():
        raise InvalidRequestError(f"{place} is empty; it must contain text", param=place)
    check_whole(text, place)
    return text


def encode_input(given: Any, place: str) -> Encoded:
    """Convert one input to the service's format.

    Raises:
        InvalidRequestError: If the input is invalid, or contains a part that cannot be embedded.
    """
    if isinstance(given, str):
        return check_text(given, place)
    if not isinstance(given, list | tuple):
        return [_part(given, place)]
    if not given:
        raise InvalidRequestError(f"{place} is an empty list; at least one text or block is required", param=place)
    return [_part(each, f"{place}[{number}]") for number, each in enumerate(given)]


def _part(block: Any, place: str) -> Json:
    block = block.to_block() if isinstance(block, Media) else block
    try:
        part = encode_block(_with_audio_bytes(block))
        _check_part(part)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{place}: {error}", param=place) from error
    if part["type"] == "text":
        check_text(part.get("text"), place)
    return part


def _with_audio_bytes(block: Any) -> Any:
    """Convert an audio block with a data URI to a block with base64. The service accepts no URL of audio."""
    if not isinstance(block, Mapping) or block.get("type") != "audio" or not isinstance(block.get("url"), str):
        return block
    if not is_data_uri(block["url"]):
        raise InvalidRequestError("audio by URL cannot be embedded: pass the bytes as 'base64' of the block")
    try:
        uri = read_data_uri(block["url"])
    except ValueError as error:
        raise InvalidRequestError(f"the URL of an audio block is invalid: {error}") from error
    return {"type": "audio", "base64": uri.base64, "mime_type": block.get("mime_type") or uri.mime_type or None}


def _check_part(part: Json) -> None:
    if part["type"] not in _MEDIA:
        raise InvalidRequestError(f"a part of type {part['type']!r} cannot be embedded; {_either(_MEDIA.values())} can")
    content = part.get(part["type"])
    url = str(content.get("url", "")) if isinstance(content, Mapping) else ""
    if url.lower().startswith("gs://"):
        raise InvalidRequestError("a gs:// URL cannot be embedded: pass an http(s) URL or the bytes")
    if part["type"] == "video_url" and isinstance(content, Mapping):
        data_type = re.match(r"data:([^;,]+)", url)
        mime_type = content.get("mime_type") or (data_type and data_type[1])
        if mime_type and mime_type not in _VIDEO_TYPES:
            raise InvalidRequestError(f"video of type {mime_type!r} cannot be embedded; {_either(_VIDEO_TYPES)} can")


def _either(words: Iterable[object]) -> str:
    *most, last = map(str, words)
    return f"{', '.join(most)} or {last}" if most else last


# --- Abilities --------------------------------------------------------------------------------------------------------


def check_abilities(inputs: Iterable[Encoded], options: EmbeddingOptions) -> None:
    """Raise an error for options and inputs that the model is known not to support.

    Models that the catalog does not list (newer and community models) are not checked. The service validates their
    requests.

    Raises:
        UnsupportedRequestError: If the model lacks an ability. The message names models that have this ability.
        InvalidRequestError: If the model does not accept a value.
    """
    _check_model(options.model)
    _check_dimensions(options)
    _check_hint("task_type", "task_types", options)
    _check_hint("input_type", "input_types", options)
    for each in inputs:
        if not isinstance(each, str):
            _check_media([_MEDIA[part["type"]] for part in each], options)


def _check_model(model: str) -> None:
    kind = known(model).get("category")
    require(kind in (None, "embedding"), model, f"is not an embeddings model (category: {kind})", "embedding")


def _check_dimensions(options: EmbeddingOptions) -> None:
    able = abilities(options.model)
    wanted, limit, sizes = options.dimensions, able.get("max_dimensions"), able.get("dimensions")
    if wanted is None:
        return
    if sizes and wanted not in sizes:
        raise InvalidRequestError(
            f"dimensions={wanted}: model {options.model!r} supports {_either(sizes)}", param="dimensions"
        )
    require(
        not limit or wanted <= limit,
        options.model,
        f"supports up to {limit} dimensions, not {wanted}",
        "embedding",
        lambda model: abilities(model.id).get("max_dimensions", 0) >= wanted,
        param="dimensions",
    )


def _check_hint(field: str, ability: str, options: EmbeddingOptions) -> None:
    able, value = abilities(options.model), getattr(options, field)
    if value is not None and able:
        require(
            value in able.get(ability, ()),
            options.model,
            f"does not accept {field}={value!r}",
            "embedding",
            lambda model: value in abilities(model.id).get(ability, ()),
            param=field,
        )


def _check_media(media: Sequence[str], options: EmbeddingOptions) -> None:
    accepted = known(options.model).get("input_modalities")
    if accepted is None:
        return
    for kind in media:
        accepts = partial(_accepts, kind)
        require(
            kind in accepted, options.model, f"embeds {' and '.join(accepted)} only, not {kind}", "embedding", accepts
        )
    limit, count = abilities(options.model).get("max_images"), media.count("image")
    if limit is not None and count > limit:
        raise InvalidRequestError(f"model {options.model!r} accepts at most {limit} image in one input, not {count}")
    if options.task_type is not None and set(media) != {"text"}:
        raise InvalidRequestError(
            f"task_type={options.task_type!r} applies to text only; remove it to embed media", param="task_type"
        )


def _accepts(kind: str, model: Model) -> bool:
    return kind in (model.input_modalities or ())
