"""`PollinationsEmbeddings`: vectors of texts, images, audio and video."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar, Unpack

import httpx
from langchain_core.embeddings import Embeddings
from pydantic import ConfigDict

from langchain_pollinations._catalog.capabilities import suggest_models
from langchain_pollinations._catalog.costs import canonical, cost_of, expected_price, header_units, usage_units
from langchain_pollinations._catalog.snapshot import known
from langchain_pollinations._config.rate_limits import RateLimiterField
from langchain_pollinations._config.service import ServiceConfig
from langchain_pollinations._media.data_uri import decode
from langchain_pollinations._media.embedding_inputs import (
    EmbeddingOptions,
    EmbeddingOverrides,
    Encoded,
    Input,
    check_abilities,
    check_text,
    encode_input,
)
from langchain_pollinations._transport.error_response import parse_json, unexpected_response
from langchain_pollinations._transport.metering import Billing, Cost
from langchain_pollinations._transport.request import ApiRequest
from langchain_pollinations._types import Json
from langchain_pollinations._validation import merge_options
from langchain_pollinations._warnings import warn
from langchain_pollinations.errors import InvalidRequestError, InvalidResponseError


class PollinationsEmbeddings(RateLimiterField, ServiceConfig, EmbeddingOptions, Embeddings):
    """Embeddings of texts, and of images, audio and video if the model supports them.

        >>> embeddings = PollinationsEmbeddings(model="openai/text-embedding-3-small", dimensions=512)
        >>> len(embeddings.embed_query("Where do whales sleep?"))
        512

    Every field of `EmbeddingOptions` is an option of the constructor and of each call. Calls also accept `timeout` and
    `extra_headers`. Vectors of different models, lengths or task types are not comparable.
    """

    model_config = ConfigDict(extra="forbid")

    _SYNONYMS: ClassVar[Mapping[str, str]] = {
        **ServiceConfig._SYNONYMS,
        "model_name": "model",
        "chunk_size": "batch_size",
    }

    def embed_documents(self, texts: list[str], **overrides: Unpack[EmbeddingOverrides]) -> list[list[float]]:
        """Embed texts.

        Args:
            texts: The texts.
            overrides: Options of `EmbeddingOptions`, for this call only. `timeout`, as in the constructor,
                and `extra_headers` are also accepted. `extra_headers` take precedence over `default_headers` and must
                not contain `Authorization`.

        Returns:
            One vector for each text, in order.

        Raises:
            InvalidRequestError: If a text is empty or not a string.
            UnsupportedRequestError: If the model does not support an option. The message names models that support it.
            InvalidResponseError: If the response does not contain one vector for each text.
        """
        return self._embed(_texts(texts), self._options(overrides))

    async def aembed_documents(self, texts: list[str], **overrides: Unpack[EmbeddingOverrides]) -> list[list[float]]:
        """Asynchronous version of `embed_documents`."""
        return await self._aembed(_texts(texts), self._options(overrides))

    def embed_query(self, text: str, **overrides: Unpack[EmbeddingOverrides]) -> list[float]:
        """Embed a query. The fields `task_type` and `input_type` may make a query differ from a document.

        Args:
            text: The query.
            overrides: As in `embed_documents`.

        Returns:
            The vector.

        Raises:
            PollinationsError: As in `embed_documents`.
        """
        return self._embed([check_text(text, "text")], self._options(overrides).as_query())[0]

    async def aembed_query(self, text: str, **overrides: Unpack[EmbeddingOverrides]) -> list[float]:
        """Asynchronous version of `embed_query`."""
        return (await self._aembed([check_text(text, "text")], self._options(overrides).as_query()))[0]

    def embed(self, input: Input, **overrides: Unpack[EmbeddingOverrides]) -> list[float]:
        """Embed one input as one vector.

            >>> lighthouse = PollinationsImage().generate("a lighthouse")
            >>> sees = PollinationsEmbeddings(model="cohere/embed-v4.0")
            >>> vector = sees.embed(["At dusk:", lighthouse])

        Args:
            input: A text, a `Media`, a content block, or a list of these. A content block contains text, an image,
                audio or a video. An image or a video is a URL, a data URI or base64. Audio is a data URI or base64.
            overrides: As in `embed_documents`.

        Returns:
            The vector.

        Raises:
            InvalidRequestError: If the input is empty or of an unsupported type.
            UnsupportedRequestError: If the model does not accept the content. The message names models that accept it.
        """
        return self._embed([encode_input(input, "input")], self._options(overrides))[0]

    async def aembed(self, input: Input, **overrides: Unpack[EmbeddingOverrides]) -> list[float]:
        """Asynchronous version of `embed`."""
        return (await self._aembed([encode_input(input, "input")], self._options(overrides)))[0]

    def embed_all(self, inputs: Iterable[Input], **overrides: Unpack[EmbeddingOverrides]) -> list[list[float]]:
        """Embed several inputs. Texts are sent in batches. Each other input is sent in its own request.

        Args:
            inputs: The inputs, each as in `embed`.
            overrides: As in `embed_documents`.

        Returns:
            One vector for each input, in order.

        Raises:
            PollinationsError: As in `embed` and `embed_documents`.
        """
        return self._embed(_inputs(inputs), self._options(overrides))

    async def aembed_all(self, inputs: Iterable[Input], **overrides: Unpack[EmbeddingOverrides]) -> list[list[float]]:
        """Asynchronous version of `embed_all`."""
        return await self._aembed(_inputs(inputs), self._options(overrides))

    def _embed(self, inputs: Sequence[Encoded], options: EmbeddingOptions) -> list[list[float]]:
        plan = plan_batches(inputs, options)
        with suggest_models(options.model, "embedding"):
            answers = self._client_with(options._settings).send_all(plan.calls, options.max_concurrency)
            return plan.vectors(answers, options)

    async def _aembed(self, inputs: Sequence[Encoded], options: EmbeddingOptions) -> list[list[float]]:
        plan = plan_batches(inputs, options)
        with suggest_models(options.model, "embedding"):
            answers = await self._client_with(options._settings).asend_all(plan.calls, options.max_concurrency)
            return plan.vectors(answers, options)

    def _options(self, overrides: Mapping[str, Any]) -> EmbeddingOptions:
        return merge_options(EmbeddingOptions, self, overrides, self._SYNONYMS)


def _texts(texts: Any) -> list[str]:
    return [check_text(text, f"texts[{place}]") for place, text in enumerate(_as_list(texts, "texts"))]


def _inputs(inputs: Any) -> list[Encoded]:
    return [encode_input(each, f"inputs[{place}]") for place, each in enumerate(_as_list(inputs, "inputs"))]


def _as_list(given: Any, name: str) -> Iterable[Any]:
    """Require an iterable such as a list. A string is rejected, because it would be read as a list of characters."""
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise InvalidRequestError(
            f"{name} must be a list, not {type(given).__name__}: wrap a single input in [...]", param=name
        )
    return given


# --- Requests ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EmbeddingsResponse:
    """The vectors of one response, in the order of the inputs, and the model that generated them."""

    vectors: list[list[float]]
    model: str
    cost: Cost


@dataclass(frozen=True)
class BatchPlan:
    """The requests that embed all inputs. `places` contains the indices of the inputs of each request."""

    calls: list[ApiRequest[EmbeddingsResponse]]
    places: list[list[int]]

    def vectors(self, answers: Sequence[EmbeddingsResponse], options: EmbeddingOptions) -> list[list[float]]:
        """Return the vectors in the order of the inputs.

        Raises:
            InvalidResponseError: If the vectors differ in length.
        """
        found: dict[int, list[float]] = {}
        for places, answer in zip(self.places, answers, strict=True):
            found |= zip(places, answer.vectors, strict=True)
        if len(lengths := {len(vector) for vector in found.values()}) > 1:
            raise InvalidResponseError(f"The responses have vectors of different lengths: {sorted(lengths)}")
        self._check_models({answer.model for answer in answers}, options.model)
        return [found[place] for place in range(len(found))]

    @staticmethod
    def _check_models(served: set[str], requested: str) -> None:
        """Warn if the service used another model. Vectors of different models are not comparable."""
        bare = {name.partition(":")[0] for name in served}  # a suffix after a colon names a variant of the same model
        names = {known(name)["name"] for name in (requested, *bare) if known(name)}
        if len(names) > 1:
            from_all = ", ".join(sorted(served))
            warn(
                f"Vectors came from {from_all}, though {requested!r} was requested; vectors of different models "
                "are not comparable"
            )


def plan_batches(inputs: Sequence[Encoded], options: EmbeddingOptions) -> BatchPlan:
    """Build the requests.

    Texts are sent in batches. Each other input is sent alone, because the service reads a list of parts as one input.

    Raises:
        InvalidRequestError: If the model does not support an option or an input.
    """
    check_abilities(inputs, options)
    texts = [place for place, each in enumerate(inputs) if isinstance(each, str)]
    batches = [texts[start : start + options.batch_size] for start in range(0, len(texts), options.batch_size)]
    alone = [place for place, each in enumerate(inputs) if not isinstance(each, str)]
    calls = [embeddings_request([inputs[place] for place in batch], len(batch), options) for batch in batches]
    calls += [embeddings_request(inputs[place], 1, options) for place in alone]
    return BatchPlan(calls, batches + [[place] for place in alone])


def embeddings_request(given: Any, count: int, options: EmbeddingOptions) -> ApiRequest[EmbeddingsResponse]:
    """Build `POST /v1/embeddings` for `count` vectors.

    The request asks for base64 instead of JSON numbers. The response then has at most half the size, and takes a tenth
    of the time to parse.
    """
    body = {**options.body(), "input": given, "encoding_format": "base64"}
    read = partial(parse_embeddings, count=count, options=options)
    estimate = partial(_estimate, given, options.model)
    billing = Billing("embeddings", canonical(options.model), estimate, attrgetter("cost"))
    return ApiRequest("POST", "/v1/embeddings", read, {"json": body}, billing=billing)


def _estimate(given: Sequence[Any], model: str) -> Decimal | None:
    texts = (part if isinstance(part, str) else part.get("text") for part in given)
    return expected_price(model, tokens=sum(_MEDIA_TOKENS if text is None else len(text) // 4 + 1 for text in texts))


_MEDIA_TOKENS = 1000
"""Expected tokens of an image, an audio or a video."""


# --- Responses --------------------------------------------------------------------------------------------------------


def parse_embeddings(response: httpx.Response, count: int, options: EmbeddingOptions) -> EmbeddingsResponse:
    """Parse the vectors of a response.

    Raises:
        PollinationsError: If the body is an error object. The class depends on the error.
        InvalidResponseError: If the body does not contain `count` vectors of finite numbers, each with a unique index.
    """
    body = parse_json(response, "list of vectors")
    entries = body.get("data")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise unexpected_response(response, "list of vectors")
    places = [entry.get("index") for entry in entries]
    # The indices are compared as text, because True equals 1 in Python but is not an index.
    if sorted(map(repr, places)) != sorted(map(repr, range(count))):
        raise _response_error(response, f"has {len(entries)} vectors with the indices {places[:40]} for {count} inputs")
    found = {entry["index"]: _vector(response, entry) for entry in entries}
    lengths, dimensions = {len(vector) for vector in found.values()}, options.dimensions
    if len(lengths) > 1 or (dimensions is not None and lengths != {dimensions}):
        expected = "one length" if dimensions is None else f"length {dimensions}"
        raise _response_error(response, f"has vectors of lengths {sorted(lengths)}, not of {expected}")
    usage = body.get("usage")
    units = header_units(response.headers) or usage_units(usage if isinstance(usage, dict) else {})
    cost = cost_of(response, options.model, units)
    return EmbeddingsResponse([found[place] for place in range(count)], str(body.get("model", "")), cost)


def _vector(response: httpx.Response, entry: Json) -> list[float]:
    try:
        vector = _numbers(entry.get("embedding"))
        if vector and all(map(math.isfinite, vector)):
            return vector
    except (TypeError, ValueError, OverflowError, struct.error):
        pass
    raise _response_error(response, f"has no list of finite numbers at index {entry['index']}")


def _numbers(given: Any) -> list[float]:
    """Convert a vector to floats. The vector is a list of numbers, or base64 of little-endian 32-bit floats."""
    if isinstance(given, str):
        data = decode(given)
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    if not isinstance(given, list) or any(isinstance(number, bool | str) for number in given):
        raise TypeError("neither base64 nor a list of numbers")
    return list(map(float, given))


def _response_error(response: httpx.Response, detail: str) -> InvalidResponseError:
    return InvalidResponseError(
        f"The response {detail}", status_code=response.status_code, request_id=response.headers.get("x-request-id")
    )
