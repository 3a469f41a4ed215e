"""`PollinationsTranscriber`: transcribes recordings to LangChain documents."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar, Literal, Self, Unpack

import httpx
from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from pydantic import ConfigDict, Field, field_validator, model_validator

from langchain_pollinations._catalog.capabilities import require, suggest_models
from langchain_pollinations._catalog.costs import canonical, cost_of, expected_price, header_units
from langchain_pollinations._catalog.records import find
from langchain_pollinations._catalog.snapshot import abilities
from langchain_pollinations._config.rate_limits import RateLimiterField
from langchain_pollinations._config.service import ServiceConfig
from langchain_pollinations._media.recordings import (
    Recording,
    RecordingFile,
    as_blob,
    metadata_of,
    read_recording,
    transcribes,
)
from langchain_pollinations._transport.error_response import parse_json, unexpected_response
from langchain_pollinations._transport.metering import Billing, Cost
from langchain_pollinations._transport.request import ApiRequest, RequestFlow, multipart
from langchain_pollinations._types import Json
from langchain_pollinations._validation import CallOptions, CallOverrides, merge_options
from langchain_pollinations._warnings import warn
from langchain_pollinations.voice import IsolationOptions, isolation

Format = Literal["json", "text", "verbose_json", "diarized_json", "srt", "vtt"]
PLAIN_FORMATS = ("text", "srt", "vtt")


_TRANSCRIPT = "transcript"
_ADVICE = ("language", "prompt", "temperature", "speakers_expected")


class TranscriptionOptions(CallOptions):
    """Options of a transcription. An option that is None is not sent, and the service applies its default."""

    model: str = Field(default="whisper", min_length=1)
    """Canonical id or alias of the model."""
    language: str | None = None
    """Language of the recording as an ISO 639 code, such as `en`. By default, the model detects the language."""
    prompt: str | None = None
    """Names and words that are likely to occur in the recording. Some models charge for this prompt."""
    temperature: float | None = Field(default=None, ge=0, le=1)
    """Randomness of the transcript, from 0 to 1."""
    response_format: Format | None = None
    """Format of the transcript. `diarized_json` identifies speakers. `srt` and `vtt` are subtitles. `verbose_json`
    contains the times of segments and words. The default is `verbose_json` for models that are known to support this
    format, and `json` for other models."""
    speakers_expected: int | None = Field(default=None, ge=1)
    """Number of speakers. This option selects the format `diarized_json`."""
    isolate: bool = False
    """Whether to remove music and noise from the recording first, as `PollinationsVoice.isolate` does. This takes a
    further request and costs 0.002 purchased pollen per second, in addition to the transcript. The recording must have
    at most 50 MiB and last at least 4.6 seconds."""

    @field_validator("language")
    @classmethod
    def _is_code(cls, language: str | None) -> str | None:
        if language is None or re.fullmatch(r"[A-Za-z]{2,3}", language):
            return language and language.lower()
        raise ValueError("must be a language code of two or three letters such as 'en', without a region")

    @model_validator(mode="after")
    def _check_speakers(self) -> Self:
        if self.speakers_expected is not None and self.response_format not in (None, "diarized_json"):
            raise ValueError(
                f"speakers_expected: requires response_format='diarized_json', not {self.response_format!r}"
            )
        return self


class TranscriptionOverrides(CallOverrides, total=False):
    """Keyword arguments of `PollinationsTranscriber.transcribe`: the options of `TranscriptionOptions`."""

    model: str
    language: str | None
    prompt: str | None
    temperature: float | None
    response_format: Format | None
    speakers_expected: int | None
    isolate: bool


class PollinationsTranscriber(RateLimiterField, ServiceConfig, TranscriptionOptions, BaseBlobParser):
    """Transcribes recordings to documents, with times and speakers.

        >>> transcriber = PollinationsTranscriber(model="universal-2", speakers_expected=2)
        >>> interview = transcriber.transcribe("interview.mp3")
        >>> interview.metadata["speakers"]
        ['A', 'B']

    Every field of `TranscriptionOptions` is an option of the constructor and of `transcribe`. The class is a LangChain
    blob parser and accepts the blobs of any blob loader. Each recording becomes one document. The document has
    the metadata of the blob. These keys are added if their values are known, and override keys of the blob: `source`,
    `model`, `language`, `duration` (seconds), `segments` and `words` with their times, `speakers`, `usage` and
    `request_id`. With `isolate=True`, the key `isolation` has the `model`, `url`, billed `seconds`, `cost` and
    `request_id` of the isolated recording.

    Paths are not restricted to a folder: do not pass paths that a language model wrote.
    """

    model_config = ConfigDict(extra="forbid")

    _SYNONYMS: ClassVar[Mapping[str, str]] = {**ServiceConfig._SYNONYMS, "model_name": "model"}

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        """Yield one document, lazily. See `transcribe`."""
        yield self.transcribe(blob)

    async def alazy_parse(self, blob: Blob) -> AsyncIterator[Document]:
        """Asynchronous version of `lazy_parse`."""
        yield await self.atranscribe(blob)

    def transcribe(self, recording: Recording, **overrides: Unpack[TranscriptionOverrides]) -> Document:
        """Transcribe a recording.

        Args:
            recording: A `Blob`, a `Media`, bytes, or the path of a file. The maximum is 100 MiB. A recording of more
                than 25 MB is sent with a warning. Models accept mp3, mp4, mpeg, mpga, m4a, wav and webm.
                `google/gemini-3.5-transcribe` accepts wav, mp3, flac, m4a, ogg, webm and aac. URLs are not fetched.
            overrides: Options of `TranscriptionOptions`, for this call only. `timeout`, as in the constructor,
                and `extra_headers` are also accepted. `extra_headers` take precedence over `default_headers` and must
                not contain `Authorization`.

        Returns:
            One document with the transcript.

        Raises:
            InvalidRequestError: If an option is invalid, the input is not a recording, or the service rejects the
                request.
            UnsupportedRequestError: If the model does not transcribe, or does not support the response format or the
                type of the recording. The message names models that support the request.
            PayloadTooLargeError: If the recording is larger than the service accepts.
            InvalidResponseError: If the response is not a transcript.
            OSError: If the file cannot be read.
        """
        options = self._options(overrides)
        with suggest_models(options.model, "audio"):
            return self._client_with(options._settings).run(transcription(recording, options))

    async def atranscribe(self, recording: Recording, **overrides: Unpack[TranscriptionOverrides]) -> Document:
        """Asynchronous version of `transcribe`."""
        options = self._options(overrides)
        with suggest_models(options.model, "audio"):
            return await self._client_with(options._settings).arun(transcription(recording, options))

    def _check_constructor(self) -> None:
        """Raise an error for constructor options that the model is known not to support.

        The constructor does not call this method, because a call may override the options.
        """
        options = merge_options(TranscriptionOptions, self, {}, self._SYNONYMS)
        options.response_format = resolve_format(options)
        check_abilities(options)

    def _options(self, overrides: Mapping[str, Any]) -> TranscriptionOptions:
        options = merge_options(TranscriptionOptions, self, overrides, self._SYNONYMS)
        options.response_format = resolve_format(options)
        check_abilities(options)
        if ignored := ineffective_options(options):
            warn(f"{', '.join(ignored)}: sent, but model {options.model!r} is not known to use it")
        return options


def resolve_format(options: TranscriptionOptions) -> Format:
    """Return the requested format. By default, return the most detailed format that has no extra cost."""
    if options.response_format is not None:
        return options.response_format
    if options.speakers_expected is not None:
        return "diarized_json"
    return "verbose_json" if "verbose_json" in _formats(options.model) else "json"


def check_abilities(options: TranscriptionOptions) -> None:
    """Raise an error for options that the model is known not to support, before a request is sent.

    Models that the catalog does not list (newer and community models) are not checked. The service validates their
    requests.

    Raises:
        UnsupportedRequestError: If the model lacks an ability. The message names models that have this ability.
    """
    model = find(options.model)
    if model is None:
        return
    wanted, offered = options.response_format, _formats(model.id)
    message = f"supports {', '.join(offered)}, not {wanted}"
    require(transcribes(model), options.model, "does not transcribe recordings", "audio", transcribes)
    is_offered = wanted in offered if offered else None
    require(
        is_offered, options.model, message, "audio", lambda other: wanted in _formats(other.id), param="response_format"
    )


def ineffective_options(options: TranscriptionOptions) -> list[str]:
    """Return the names of the set options that the service documents for other models, but not for this model."""
    known = abilities(options.model).get("parameters", _ADVICE)
    return [name for name in _ADVICE if getattr(options, name) is not None and name not in known]


def _formats(model: str) -> list[str]:
    """Return the formats that a model is known to support. Return an empty list if they are unknown."""
    formats: list[str] = abilities(model).get("response_formats", [])
    return formats


# --- Requests ---------------------------------------------------------------------------------------------------------


def transcription(recording: Any, options: TranscriptionOptions) -> RequestFlow[Document]:
    """Create the request flow that transcribes one recording."""
    if options.isolate:
        file = yield from _isolated(recording, options)
    else:
        file = read_recording(recording, options.model)
    transcript: Transcript = yield transcription_request(file, options)
    return transcript.document


def _isolated(recording: Any, options: TranscriptionOptions) -> RequestFlow[RecordingFile]:
    """Isolate the speech of a recording. The result has the metadata of the recording."""
    blob = as_blob(recording)
    speech = yield from isolation(blob, IsolationOptions())
    file = read_recording(speech, options.model)
    known = {
        "model": speech.model,
        "url": speech.url,
        "seconds": _number(speech.metadata.get("x-usage-prompt-audio-seconds")),
        "cost": speech.cost,
        "request_id": speech.request_id,
    }
    return replace(file, metadata={**metadata_of(blob), "isolation": _without_empty(known)})


def transcription_request(recording: RecordingFile, options: TranscriptionOptions) -> ApiRequest[Transcript]:
    """Build `POST /v1/audio/transcriptions`."""
    fields = {
        name: str(value)
        for name, value in options.model_dump(exclude_none=True, exclude={"isolate"}).items()
        if value != ""
    }
    form = multipart(fields, [("file", (recording.name, recording.data, recording.mime_type))])
    parse = partial(parse_transcript, recording=recording, options=options)
    billing = Billing(
        "transcript", canonical(options.model), partial(_estimate, recording, options), attrgetter("cost")
    )
    return ApiRequest("POST", "/v1/audio/transcriptions", parse, form, billing=billing)


def _estimate(recording: RecordingFile, options: TranscriptionOptions) -> Decimal | None:
    return expected_price(options.model, seconds=recording.expected_seconds, variants=price_variants(options))


def price_variants(options: TranscriptionOptions) -> list[str]:
    """Return the names of the price variants that the options select, the most specific first."""
    selected = {"prompting": bool(options.prompt), "diarization": options.response_format == "diarized_json"}
    names = [name for name, is_selected in selected.items() if is_selected]
    return ["_".join(names), *reversed(names)]


# --- Responses --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Transcript:
    """The document of a response, and its cost."""

    document: Document
    cost: Cost


def parse_transcript(response: httpx.Response, recording: RecordingFile, options: TranscriptionOptions) -> Transcript:
    """Parse the document of a response.

    Raises:
        PollinationsError: If the body is an error object. The class depends on the error.
        InvalidResponseError: If the body is not a transcript in the requested format. Examples are an HTML page and
            JSON without a text.
    """
    plain = options.response_format in PLAIN_FORMATS
    text, metadata = _plain(response, options.response_format or "") if plain else _from_json(response)
    usage = _header_usage(response.headers)
    known = {
        "model": response.headers.get("x-model-used") or options.model,
        "duration": _number(response.headers.get("x-usage-prompt-audio-seconds")),
        "usage": usage or None,
        "request_id": response.headers.get("x-request-id"),
        **metadata,
    }
    cost = cost_of(response, options.model, header_units(response.headers), price_variants(options))
    return Transcript(Document(text, metadata={**recording.metadata, **_without_empty(known), **cost.fields}), cost)


# Checks that a text has the requested format. An empty text is valid in every format, as the transcript of silence.
_MARKS: Mapping[str, Callable[[str], bool]] = {
    "text": lambda text: True,
    "srt": lambda text: "-->" in text,
    "vtt": lambda text: text.startswith("WEBVTT"),
}


def _plain(response: httpx.Response, format: str) -> tuple[str, Json]:
    """Parse a format other than JSON. Some models send JSON even if another format was requested."""
    if _is_object(response):
        text, metadata = _from_json(response)
    else:
        text, metadata = _decode_text(response), {}
    if text and not _MARKS[format](text):
        raise unexpected_response(response, f"{_TRANSCRIPT} as {format}")
    return text, metadata


def _is_object(response: httpx.Response) -> bool:
    try:
        return isinstance(response.json(), dict)
    except (ValueError, RecursionError):
        return False


def _decode_text(response: httpx.Response) -> str:
    kind = response.headers.get("content-type", "").lower()
    try:
        text = response.content.decode(response.charset_encoding or "utf-8").removeprefix("\ufeff").strip()
    except (UnicodeError, LookupError) as error:
        raise unexpected_response(response, _TRANSCRIPT) from error
    if "html" in kind or "json" in kind or text[:15].lower().startswith(("<!doctype", "<html")):
        raise unexpected_response(response, _TRANSCRIPT)
    return text


def _from_json(response: httpx.Response) -> tuple[str, Json]:
    """Return the text of a JSON response, and the other values of the response that are not empty."""
    body = parse_json(response, _TRANSCRIPT)
    segments = [segment for each in _objects(body, "segments") if (segment := _segment(each))]
    text = body.get("text")
    if text is None and isinstance(body.get("segments"), list):
        text = " ".join(segment["text"] for segment in segments)
    if not isinstance(text, str):
        raise unexpected_response(response, _TRANSCRIPT)
    text, usage = text.strip(), body.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    seconds = (_number(value) for value in (body.get("duration"), usage.get("seconds")))
    duration = next((value for value in seconds if value is not None), None)
    speakers = {segment["speaker"] for segment in segments if "speaker" in segment}
    metadata = {
        "language": _name(body.get("language")),
        "duration": duration,
        "segments": [] if _is_placeholder(segments, text, duration) else segments,
        "words": [word for each in _objects(body, "words") if (word := _word(each))],
        "speakers": sorted(speakers),
        "usage": usage,
    }
    return text, _without_empty(metadata)


def _objects(body: Json, name: str) -> list[Json]:
    listed = body.get(name)
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _segment(entry: Json) -> Json:
    """Parse a segment. Return an empty dict for a segment without words (silence)."""
    if not isinstance(entry.get("text"), str) or not entry["text"].strip():
        return {}
    return _without_empty({**_times(entry), "text": entry["text"].strip(), "speaker": _name(entry.get("speaker"))})


def _word(entry: Json) -> Json:
    word = entry.get("word")
    return _without_empty({"word": word, **_times(entry)}) if isinstance(word, str) and word.strip() else {}


def _times(entry: Json) -> Json:
    return {name: _number(entry.get(name)) for name in ("start", "end")}


def _is_placeholder(segments: list[Json], text: str, duration: float | None) -> bool:
    """Whether the only segment is a placeholder of the service.

    If a model returns no segments, the service adds a segment with the whole text. This segment lasts from the start to
    the end of the recording.
    """
    if len(segments) != 1 or "speaker" in segments[0]:
        return False
    (only,) = segments
    whole = only["text"] == text and not only.get("start")
    return whole and math.isclose(only.get("end", 0.0), duration or 0.0, abs_tol=0.01)


def _name(value: Any) -> str | None:
    """Convert a language or a speaker to a string. A speaker may be an integer. Return None for `unknown`, because the
    service sends this word for a missing value."""
    name = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return None if name.lower() in ("", "unknown") else name


def _number(value: Any) -> float | None:
    """Convert a number or a string, such as a duration, to a finite number. Return None for other values."""
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _header_usage(headers: httpx.Headers) -> Json:
    """Return the usage in the response headers, such as `prompt_audio_seconds`. It applies if the body has no usage."""
    prefix = "x-usage-"
    found = {name.removeprefix(prefix): _number(value) for name, value in headers.items() if name.startswith(prefix)}
    return {name.replace("-", "_"): value for name, value in found.items() if value is not None}


def _without_empty(values: Mapping[str, Any]) -> Json:
    """Drop unknown values: None, empty lists and empty dicts."""
    return {name: value for name, value in values.items() if value is not None and value != [] and value != {}}
