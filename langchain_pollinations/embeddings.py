"""`PollinationsEmbeddings`: vectors of texts, and of pictures, sound and film."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, Self

import httpx
from langchain_core.embeddings import Embeddings
from pydantic import ConfigDict, Field

from langchain_pollinations import catalog
from langchain_pollinations._base64 import decode, is_data_uri, read_data_uri
from langchain_pollinations._chat.content import encode_block
from langchain_pollinations._connection import Connection
from langchain_pollinations._options import CallOptions, check_whole, chosen
from langchain_pollinations._transport.error_response import not_expected, parse_json
from langchain_pollinations._transport.request import Call
from langchain_pollinations._types import Json
from langchain_pollinations._warnings import warn
from langchain_pollinations.catalog import Model, refuse_unless
from langchain_pollinations.errors import InvalidRequestError, InvalidResponseError
from langchain_pollinations.media import Media

One = str | Media | Mapping[str, Any]
Input = One | Sequence[One]
"""What gets one vector: a text, a `Media`, a content block of LangChain's, or several of these together."""

LARGEST_BATCH = 32
"""Texts that the service takes in one request."""

FEWEST_DIMENSIONS = 128

_AS_QUERY: Mapping[str, Mapping[str, str]] = {
    "task_type": {"RETRIEVAL_DOCUMENT": "RETRIEVAL_QUERY"},
    "input_type": {"document": "query"},
}


class EmbeddingOptions(CallOptions):
    """What can be said of vectors. None means that nothing is sent: the service decides."""

    model: str = Field(default="openai/text-embedding-3-small", min_length=1)
    """Canonical id or alias of the model."""
    dimensions: int | None = Field(default=None, ge=FEWEST_DIMENSIONS)
    """Numbers in a vector, as many as the model has by default. Some models take a few sizes only."""
    batch_size: int = Field(default=LARGEST_BATCH, ge=1, le=LARGEST_BATCH)
    """Texts in one request; `chunk_size` is another name for it."""
    task_type: (
        Literal[
            "SEMANTIC_SIMILARITY",
            "CLASSIFICATION",
            "CLUSTERING",
            "RETRIEVAL_DOCUMENT",
            "RETRIEVAL_QUERY",
            "CODE_RETRIEVAL_QUERY",
            "QUESTION_ANSWERING",
            "FACT_VERIFICATION",
        ]
        | None
    ) = None
    """What the vectors of texts are for, for Gemini models. With `RETRIEVAL_DOCUMENT`, `embed_query` sends
    `RETRIEVAL_QUERY`; every other task is that of documents and queries alike."""
    input_type: Literal["query", "document"] | None = None
    """On which side of a search the texts stand, for Cohere models. With `document`, `embed_query` sends `query`."""
    max_concurrency: int = Field(default=4, ge=1)
    """Requests on their way at a time."""

    def body(self) -> Json:
        return self.model_dump(exclude_none=True, exclude={"batch_size", "max_concurrency"})

    def as_query(self) -> Self:
        """The options for what is looked for, where these are for what it is looked for in."""
        own = {name: getattr(self, name) for name in _AS_QUERY}
        return self.model_copy(update={name: _AS_QUERY[name].get(value, value) for name, value in own.items()})


class PollinationsEmbeddings(Connection, EmbeddingOptions, Embeddings):
    """Vectors of texts, and of pictures, sound and film where the model takes them.

        >>> embeddings = PollinationsEmbeddings(model="openai/text-embedding-3-small", dimensions=512)
        >>> len(embeddings.embed_query("Where do whales sleep?"))  # doctest: +SKIP
        512

    Every field of `EmbeddingOptions` is an option of the constructor and of each call, and so are `timeout` and
    `extra_headers` of each call. Vectors of different models, sizes or task types
    are not to be compared.
    """

    model_config = ConfigDict(extra="forbid")

    _SYNONYMS: ClassVar[Mapping[str, str]] = {
        **Connection._SYNONYMS,
        "model_name": "model",
        "chunk_size": "batch_size",
    }

    def embed_documents(self, texts: list[str], **overrides: Any) -> list[list[float]]:
        """A vector for each text, in their order.

        Raises:
            InvalidRequestError: If a text is empty or none.
            UnsupportedRequestError: If the model cannot do what is asked; it names models that can.
            InvalidResponseError: If what came back is not one vector for each text.
        """
        return self._embed(_texts(texts), self._options(overrides))

    async def aembed_documents(self, texts: list[str], **overrides: Any) -> list[list[float]]:
        """As `embed_documents`."""
        return await self._aembed(_texts(texts), self._options(overrides))

    def embed_query(self, text: str, **overrides: Any) -> list[float]:
        """The vector of what is looked for. See `task_type` and `input_type`."""
        return self._embed([checked_text(text, "text")], self._options(overrides).as_query())[0]

    async def aembed_query(self, text: str, **overrides: Any) -> list[float]:
        """As `embed_query`."""
        return (await self._aembed([checked_text(text, "text")], self._options(overrides).as_query()))[0]

    def embed(self, input: Input, **overrides: Any) -> list[float]:
        """One vector for a text, a `Media`, a content block (text, image, audio, video, by address, data URI or
        base64), or a list of these, which together get one.

            >>> lighthouse = {"type": "image", "url": "https://example.com/lighthouse.jpg"}
            >>> sees = PollinationsEmbeddings(model="cohere/embed-v4.0")
            >>> vector = sees.embed(["At dusk:", lighthouse])  # doctest: +SKIP

        Raises:
            InvalidRequestError: If the input is empty or none.
            UnsupportedRequestError: If the model does not take what it holds; it names models that do.
        """
        return self._embed([encode_input(input, "input")], self._options(overrides))[0]

    async def aembed(self, input: Input, **overrides: Any) -> list[float]:
        """As `embed`."""
        return (await self._aembed([encode_input(input, "input")], self._options(overrides)))[0]

    def embed_all(self, inputs: Iterable[Input], **overrides: Any) -> list[list[float]]:
        """A vector for each input, as `embed` gives it, in their order. Texts travel in batches, all else alone."""
        return self._embed(_inputs(inputs), self._options(overrides))

    async def aembed_all(self, inputs: Iterable[Input], **overrides: Any) -> list[list[float]]:
        """As `embed_all`."""
        return await self._aembed(_inputs(inputs), self._options(overrides))

    def _embed(self, inputs: Sequence[Encoded], options: EmbeddingOptions) -> list[list[float]]:
        plan = planned(inputs, options)
        with catalog.suggesting(options.model, "embedding"):
            answers = self._client_with(options._settings).send_all(plan.calls, options.max_concurrency)
            return plan.vectors(answers, options)

    async def _aembed(self, inputs: Sequence[Encoded], options: EmbeddingOptions) -> list[list[float]]:
        plan = planned(inputs, options)
        with catalog.suggesting(options.model, "embedding"):
            answers = await self._client_with(options._settings).asend_all(plan.calls, options.max_concurrency)
            return plan.vectors(answers, options)

    def _options(self, overrides: Mapping[str, Any]) -> EmbeddingOptions:
        return chosen(EmbeddingOptions, self, overrides, self._SYNONYMS)


# --- Inputs -----------------------------------------------------------------------------------------------------------

Encoded = str | list[Json]
"""A text, or the content parts that together get one vector."""

_MEDIA: Mapping[str, str] = {"text": "text", "image_url": "image", "input_audio": "audio", "video_url": "video"}
"""What content parts of a type hold, as the lists of models call it."""

_FILM = ("video/mp4", "video/mpeg")


def checked_text(text: Any, place: str) -> str:
    """A text that can be embedded.

    Raises:
        InvalidRequestError: If it is none, is blank or cannot be written down; the message names `place`.
    """
    if not isinstance(text, str):
        raise InvalidRequestError(f"{place} must be a string, not {type(text).__name__}", param=place)
    if not text.strip():
        raise InvalidRequestError(f"{place} is empty: there is nothing in it to embed", param=place)
    check_whole(text, place)
    return text


def _texts(texts: Any) -> list[str]:
    return [checked_text(text, f"texts[{place}]") for place, text in enumerate(_listed(texts, "texts"))]


def _inputs(inputs: Any) -> list[Encoded]:
    return [encode_input(each, f"inputs[{place}]") for place, each in enumerate(_listed(inputs, "inputs"))]


def _listed(given: Any, name: str) -> Iterable[Any]:
    """What should be a list and not, as a string is one of letters, a list by accident."""
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise InvalidRequestError(
            f"{name} must be a list, not {type(given).__name__}: put a single one in [...]", param=name
        )
    return given


def encode_input(given: Any, place: str) -> Encoded:
    """One input as the service takes it.

    Raises:
        InvalidRequestError: If it is none, or holds something that has no vector.
    """
    if isinstance(given, str):
        return checked_text(given, place)
    if not isinstance(given, list | tuple):
        return [_part(given, place)]
    if not given:
        raise InvalidRequestError(f"{place} is an empty list: give at least one text or block", param=place)
    return [_part(each, f"{place}[{number}]") for number, each in enumerate(given)]


def _part(block: Any, place: str) -> Json:
    block = block.to_block() if isinstance(block, Media) else block
    try:
        part = encode_block(_with_sound(block))
        _check_part(part)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{place}: {error}", param=place) from error
    if part["type"] == "text":
        checked_text(part.get("text"), place)
    return part


def _with_sound(block: Any) -> Any:
    """An audio block whose address is a data URI with its bytes: sound has no part that takes an address."""
    if not isinstance(block, Mapping) or block.get("type") != "audio" or not isinstance(block.get("url"), str):
        return block
    if not is_data_uri(block["url"]):
        raise InvalidRequestError("sound by address cannot be embedded: give its bytes, as 'base64' of the block")
    try:
        uri = read_data_uri(block["url"])
    except ValueError as error:
        raise InvalidRequestError(f"the address of an audio block holds {error}") from error
    return {"type": "audio", "base64": uri.base64, "mime_type": block.get("mime_type") or uri.mime_type or None}


def _check_part(part: Json) -> None:
    if part["type"] not in _MEDIA:
        raise InvalidRequestError(f"a part of type {part['type']!r} cannot be embedded; {_either(_MEDIA.values())} can")
    content = part.get(part["type"])
    url = str(content.get("url", "")) if isinstance(content, Mapping) else ""
    if url.lower().startswith("gs://"):
        raise InvalidRequestError("a gs:// address cannot be embedded: give an http(s) address or the bytes")
    if part["type"] == "video_url" and isinstance(content, Mapping):
        data_type = re.match(r"data:([^;,]+)", url)
        mime_type = content.get("mime_type") or (data_type and data_type[1])
        if mime_type and mime_type not in _FILM:
            raise InvalidRequestError(f"film of type {mime_type!r} cannot be embedded; {_either(_FILM)} can")


def _either(words: Iterable[object]) -> str:
    *most, last = map(str, words)
    return f"{', '.join(most)} or {last}" if most else last


# --- Abilities --------------------------------------------------------------------------------------------------------


def check_abilities(inputs: Iterable[Encoded], options: EmbeddingOptions) -> None:
    """Refuse what a model of the catalogue cannot do. Newer models, and those of the community, are for the service to
    judge.

    Raises:
        UnsupportedRequestError: If it lacks an ability; it names models that have it.
        InvalidRequestError: If a value is not one of the model's.
    """
    _check_model(options.model)
    _check_dimensions(options)
    _check_hint("task_type", "task_types", options)
    _check_hint("input_type", "input_types", options)
    for each in inputs:
        if not isinstance(each, str):
            _check_media([_MEDIA[part["type"]] for part in each], options)


def _check_model(model: str) -> None:
    kind = catalog.known(model).get("category")
    refuse_unless(kind in (None, "embedding"), model, f"is no embeddings model, it is one for {kind}", "embedding")


def _check_dimensions(options: EmbeddingOptions) -> None:
    able = catalog.abilities(options.model)
    wanted, most, sizes = options.dimensions, able.get("max_dimensions"), able.get("dimensions")
    if wanted is None:
        return
    if sizes and wanted not in sizes:
        raise InvalidRequestError(
            f"dimensions={wanted}: model {options.model!r} takes {_either(sizes)}", param="dimensions"
        )
    refuse_unless(
        not most or wanted <= most,
        options.model,
        f"takes up to {most} dimensions, not {wanted}",
        "embedding",
        lambda model: catalog.abilities(model.id).get("max_dimensions", 0) >= wanted,
        param="dimensions",
    )


def _check_hint(field: str, ability: str, options: EmbeddingOptions) -> None:
    able, value = catalog.abilities(options.model), getattr(options, field)
    if value is not None and able:
        refuse_unless(
            value in able.get(ability, ()),
            options.model,
            f"takes no {field}={value!r}",
            "embedding",
            lambda model: value in catalog.abilities(model.id).get(ability, ()),
            param=field,
        )


def _check_media(media: Sequence[str], options: EmbeddingOptions) -> None:
    taken = catalog.known(options.model).get("input_modalities")
    if taken is None:
        return
    for kind in media:
        takes = partial(_takes, kind)
        refuse_unless(kind in taken, options.model, f"embeds {' and '.join(taken)} only, no {kind}", "embedding", takes)
    most, pictures = catalog.abilities(options.model).get("max_images"), media.count("image")
    if most is not None and pictures > most:
        raise InvalidRequestError(f"model {options.model!r} takes {most} image in one input, not {pictures}")
    if options.task_type is not None and set(media) != {"text"}:
        raise InvalidRequestError(
            f"task_type={options.task_type!r} is for texts alone: embed media without one", param="task_type"
        )


def _takes(kind: str, model: Model) -> bool:
    return kind in (model.input_modalities or ())


# --- The requests -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """The vectors of one request, in the order of its texts, and the model that made them."""

    vectors: list[list[float]]
    model: str


@dataclass(frozen=True)
class Plan:
    """The calls that embed all inputs, and which inputs each of them is for."""

    calls: list[Call[Answer]]
    places: list[list[int]]

    def vectors(self, answers: Sequence[Answer], options: EmbeddingOptions) -> list[list[float]]:
        """The vectors in the order of the inputs.

        Raises:
            InvalidResponseError: If they are not all of one length.
        """
        found: dict[int, list[float]] = {}
        for places, answer in zip(self.places, answers, strict=True):
            found |= zip(places, answer.vectors, strict=True)
        if len(lengths := {len(vector) for vector in found.values()}) > 1:
            raise InvalidResponseError(f"The answers have vectors of different lengths: {sorted(lengths)}")
        self._check_models({answer.model for answer in answers}, options.model)
        return [found[place] for place in range(len(found))]

    @staticmethod
    def _check_models(served: set[str], asked: str) -> None:
        """The service may let another model answer, whose vectors are of no use beside those of the one asked for."""
        bare = {name.partition(":")[0] for name in served}  # a variant, named after a colon, is the same model
        names = {catalog.known(name)["name"] for name in (asked, *bare) if catalog.known(name)}
        if len(names) > 1:
            from_all = ", ".join(sorted(served))
            warn(f"Vectors came from {from_all}, though {asked!r} was asked: they are of no use beside its own")


def planned(inputs: Sequence[Encoded], options: EmbeddingOptions) -> Plan:
    """Texts in batches, and a request for each other input, since the service takes a list of parts for one input.

    Raises:
        InvalidRequestError: If the model cannot do what is asked.
    """
    check_abilities(inputs, options)
    texts = [place for place, each in enumerate(inputs) if isinstance(each, str)]
    batches = [texts[start : start + options.batch_size] for start in range(0, len(texts), options.batch_size)]
    alone = [place for place, each in enumerate(inputs) if not isinstance(each, str)]
    calls = [embeddings_call([inputs[place] for place in batch], len(batch), options) for batch in batches]
    calls += [embeddings_call(inputs[place], 1, options) for place in alone]
    return Plan(calls, batches + [[place] for place in alone])


def embeddings_call(given: Any, count: int, options: EmbeddingOptions) -> Call[Answer]:
    """`POST /v1/embeddings` for an input that gets `count` vectors. As base64 they take half the room or less, and a
    tenth of the time to read."""
    body = {**options.body(), "input": given, "encoding_format": "base64"}
    read = partial(read_answer, count=count, dimensions=options.dimensions)
    return Call("POST", "/v1/embeddings", read, {"json": body})


# --- The answer -------------------------------------------------------------------------------------------------------


def read_answer(response: httpx.Response, count: int, dimensions: int | None) -> Answer:
    """The vectors of an answer.

    Raises:
        PollinationsError: What an error object in the body stands for.
        InvalidResponseError: If they are not `count` vectors of finite numbers, each with a place of its own.
    """
    body = parse_json(response, "list of vectors")
    entries = body.get("data")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise not_expected(response, "list of vectors")
    places = [entry.get("index") for entry in entries]
    # Compared as text: True is no place, though Python takes it for 1.
    if sorted(map(repr, places)) != sorted(map(repr, range(count))):
        raise _wrong(response, f"has {len(entries)} vectors with the places {places[:40]} for {count} inputs")
    found = {entry["index"]: _vector(response, entry) for entry in entries}
    lengths = {len(vector) for vector in found.values()}
    if len(lengths) > 1 or (dimensions is not None and lengths != {dimensions}):
        asked = "one length" if dimensions is None else f"length {dimensions}"
        raise _wrong(response, f"has vectors of the lengths {sorted(lengths)}, not of {asked}")
    return Answer([found[place] for place in range(count)], str(body.get("model", "")))


def _vector(response: httpx.Response, entry: Json) -> list[float]:
    try:
        vector = _numbers(entry.get("embedding"))
        if vector and all(map(math.isfinite, vector)):
            return vector
    except (TypeError, ValueError, OverflowError, struct.error):
        pass
    raise _wrong(response, f"has no list of finite numbers at place {entry['index']}")


def _numbers(given: Any) -> list[float]:
    """Floats from base64 of 32-bit numbers, the lowest byte first, or from the numbers themselves."""
    if isinstance(given, str):
        data = decode(given)
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    if not isinstance(given, list) or any(isinstance(number, bool | str) for number in given):
        raise TypeError("neither base64 nor a list of numbers")
    return list(map(float, given))


def _wrong(response: httpx.Response, what: str) -> InvalidResponseError:
    return InvalidResponseError(
        f"The answer {what}", status_code=response.status_code, request_id=response.headers.get("x-request-id")
    )
