"""The transcription route: `POST /v1/audio/transcriptions`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from langchain_pollinations.emulator.routes.audio import tidy
from langchain_pollinations.emulator.service import cache, error_responses, forms, generation, usage, validation
from langchain_pollinations.emulator.service.cache import Stored
from langchain_pollinations.emulator.service.catalog import Model
from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.service.forms import Form
from langchain_pollinations.emulator.service.generation import Job
from langchain_pollinations.emulator.state import Asked, State
from langchain_pollinations.emulator.synthesis.audio import codecs
from langchain_pollinations.emulator.synthesis.audio.speech import PACE, Turn

Json = dict[str, Any]

PLAIN = ("json", "text", "verbose_json")
DIARIZED = "diarized_json"
NAMES = (*PLAIN, DIARIZED, "srt", "vtt")
FORMATS_OF: Mapping[str, tuple[str, ...]] = {
    "elevenlabs/scribe-v2": (*PLAIN, DIARIZED),
    "x-ai/grok-transcribe": (*PLAIN, DIARIZED),
    "assemblyai/universal-2": NAMES,
    "assemblyai/universal-3.5-pro": NAMES,
    "openai/gpt-transcribe": ("json",),
    "google/gemini-3.5-transcribe": (*PLAIN, DIARIZED),
}
NAMELESS = "audio.mp3"  # the service's name for a part without a name, or one named "blob"
READS_NAMES = ("openai/gpt-transcribe",)  # models whose provider derives the audio format from the file name
# The file extensions that these models accept for each container, by its PyAV name.
SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "mp3": ("mp3", "mpga", "mpeg"),
    "wav": ("wav",),
    "mov,mp4,m4a,3gp,3g2,mj2": ("m4a", "mp4"),
    "matroska,webm": ("webm",),
    "mpeg": ("mpeg",),
}
TOKENS = 32  # per second of audio, for models billed by token

SENTENCE = re.compile(r"\S.*?(?:[.!?…][\"'”’)]*(?=\s|\Z)|[。？！]|(?=\n)|\Z)")
MAX_CUE_LENGTH = 80  # characters per cue
# The text of recordings that the emulator did not generate.
FILLER_SENTENCES = (
    "Good morning, everyone, and thank you for coming.",
    "Let us begin with the results of last week.",
    "The new version is ready, and most people like it.",
    "We still have to decide who writes the report.",
    "I think that we should ask the others first.",
    "Could you say that again, please?",
    "The train was late, so I missed the first part.",
    "That is a good question, and I do not know the answer.",
    "We will meet again on Thursday at ten.",
    "Please send me the notes when you have a minute.",
    "The weather has been lovely all week.",
    "Nothing else from my side, thank you.",
)


@dataclass(frozen=True)
class Span:
    """A part of a transcript. `start` and `end` are in seconds."""

    text: str
    start: float
    end: float
    speaker: int = 0


@dataclass(frozen=True)
class Passage:
    """Text that one speaker says without a pause. Each character takes the same time."""

    text: str
    start: float
    pace: float = 1 / PACE  # seconds per character
    speaker: int = 0

    def _span(self, match: re.Match[str]) -> Span:
        start, end = (round(self.start + place * self.pace, 3) for place in match.span())
        return Span(" ".join(match[0].split()), start, end, self.speaker)

    def words(self) -> Iterator[Span]:
        return map(self._span, re.finditer(r"\S+", self.text))

    def sentences(self) -> Iterator[Span]:
        return map(self._span, SENTENCE.finditer(self.text))


@dataclass(frozen=True)
class Transcript:
    """The transcript of a recording. `language` is the value that the request contains."""

    passages: tuple[Passage, ...]
    seconds: float
    language: str | None = None

    @property
    def text(self) -> str:
        return " ".join(sentence.text for sentence in self.sentences)

    @property
    def words(self) -> list[Span]:
        return [word for passage in self.passages for word in passage.words()]

    @property
    def sentences(self) -> list[Span]:
        return [sentence for passage in self.passages for sentence in passage.sentences()]

    @property
    def cues(self) -> list[Span]:
        """The subtitle cues. A cue has at most `MAX_CUE_LENGTH` characters. Each sentence starts a new cue."""
        ends = {sentence.end for sentence in self.sentences}
        found: list[list[Span]] = [[]]
        for word in self.words:
            if found[-1] and sum(len(each.text) + 1 for each in found[-1]) + len(word.text) > MAX_CUE_LENGTH:
                found.append([])
            found[-1].append(word)
            if word.end in ends:
                found.append([])
        return [Span(" ".join(w.text for w in line), line[0].start, line[-1].end) for line in found if line]


@dataclass(frozen=True)
class Order:
    """A parsed transcription request."""

    model: Model
    data: bytes = field(repr=False)
    samples: bytes = field(repr=False)
    seconds: float
    format: str = "json"
    language: str | None = None
    prompt: str | None = None
    speakers: int | None = None

    @property
    def name(self) -> str:
        return str(self.model["name"])


# Recognition.


def _recognized_passages(order: Order, found: list[tuple[float, tuple[Turn, ...]]]) -> tuple[Passage, ...]:
    voices = list(dict.fromkeys(turn.voice for _, turns in found for turn in turns))
    return tuple(
        Passage(
            turn.text, start + turn.start / PACE, speaker=voices.index(turn.voice) % (order.speakers or len(voices))
        )
        for start, turns in found
        for turn in turns
    )


def _invented_passages(order: Order) -> tuple[Passage, ...]:
    """Return sentences for a recording that the emulator did not generate.

    The bytes of the recording determine the sentences. The sentences fill the duration of the recording.
    """
    random = Random(sha256(order.data).digest())
    sentences = [random.choice(FILLER_SENTENCES)]
    while sum(map(len, sentences)) < order.seconds * PACE * 0.8:
        sentences.append(random.choice([each for each in FILLER_SENTENCES if each != sentences[-1]]))
    pace = order.seconds / sum(map(len, sentences))
    passages, place = [], 0
    for number, sentence in enumerate(sentences):
        passages.append(Passage(sentence, place * pace, pace, number % (order.speakers or 2)))
        place += len(sentence)
    return tuple(passages)


def _transcript(state: State, order: Order) -> Transcript:
    found = state.speeches.find(order.data, order.samples)
    silent = not order.samples.strip(b"\0")
    passages = _recognized_passages(order, found) if found else () if silent else _invented_passages(order)
    return Transcript(passages, tidy(order.seconds), order.language)


# Responses by format.


def _usage(transcript: Transcript) -> Json:
    return {"type": "duration", "seconds": transcript.seconds}


def _json(transcript: Transcript) -> Json:
    return {"text": transcript.text, "usage": _usage(transcript)}


def _segment(number: int, sentence: Span) -> Json:
    fields = {
        "id": number,
        "seek": 0,
        "start": sentence.start,
        "end": sentence.end,
        "text": sentence.text,
        "tokens": [],
    }
    # Decoder statistics that the service does not provide.
    return fields | dict.fromkeys(("temperature", "avg_logprob", "compression_ratio", "no_speech_prob"), 0)


def _verbose_json(transcript: Transcript) -> Json:
    return {
        "task": "transcribe",
        "language": transcript.language or ("en" if transcript.text.isascii() else "unknown"),
        "duration": transcript.seconds,
        "text": transcript.text,
        "words": [{"word": w.text, "start": w.start, "end": w.end} for w in transcript.words],
        "segments": [_segment(number, sentence) for number, sentence in enumerate(transcript.sentences)],
        "usage": _usage(transcript),
    }


def _diarized_json(transcript: Transcript) -> Json:
    segments = [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{number:03}",
            "start": sentence.start,
            "end": sentence.end,
            "text": sentence.text,
            "speaker": chr(ord("A") + sentence.speaker % 26),
        }
        for number, sentence in enumerate(transcript.sentences, 1)
    ]
    head = {"task": "transcribe", "duration": transcript.seconds, "text": transcript.text}
    return head | {"segments": segments, "usage": _usage(transcript)}


def _moment(seconds: float, point: str) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{thousandths:03}"


def _times(cue: Span, point: str) -> str:
    return f"{_moment(cue.start, point)} --> {_moment(cue.end, point)}"


def _srt(transcript: Transcript) -> str:
    cues = enumerate(transcript.cues, 1)
    return "\n".join(f"{number}\n{_times(cue, ',')}\n{cue.text}\n" for number, cue in cues)


def _vtt(transcript: Transcript) -> str:
    return "\n".join(["WEBVTT\n", *(f"{_times(cue, '.')}\n{cue.text}\n" for cue in transcript.cues)])


ANSWERS: Mapping[str, Callable[[Transcript], Json | str]] = {
    "json": _json,
    "text": lambda transcript: transcript.text,
    "verbose_json": _verbose_json,
    DIARIZED: _diarized_json,
    "srt": _srt,
    "vtt": _vtt,
}


# Ability checks.


def _check_abilities(order: Order) -> None:
    accepted = FORMATS_OF.get(order.name, PLAIN)
    if order.format not in accepted:
        raise error_responses.format_unknown(order.format, order.name, accepted)
    if order.speakers is not None and order.format != DIARIZED:
        raise Refusal(400, f"speakers_expected is only supported with response_format '{DIARIZED}'")


def _priced(model: Model, order_format: str, prompt: str | None) -> Model:
    """Return the model with the prices of the requested variant. Speaker labels and prompts cost extra."""
    parts = [name for name, asked in (("prompting", prompt), ("diarization", order_format == DIARIZED)) if asked]
    variants = {variant["name"]: variant["pricing"] for variant in model.get("pricing_variants", ())}
    names = ("_".join(parts), *parts[::-1])
    pricing = next((variants[name] for name in names if name in variants), model.get("pricing", {}))
    return {**model, "pricing": pricing}


def _units(order: Order, text: str = "") -> Mapping[str, float]:
    if "promptAudioTokens" not in order.model.get("pricing", {}):
        return {"promptAudioSeconds": tidy(order.seconds)}
    heard = {"promptAudioTokens": max(1, round(order.seconds * TOKENS))}
    return heard | ({"completionTextTokens": usage.tokens(text)} if text else {})


# Request parsing.


def _number(form: Form, name: str, check: validation.Check) -> float | None:
    text = form.text(name)
    if text is None:
        return None
    number = float(text) if validation.NUMERIC.fullmatch(text.strip()) else float("nan")
    sentence = check(number)
    if sentence is not None:
        raise Refusal(400, f"Invalid {name}: {sentence}")
    return number


async def read_form(asked: Asked) -> Form:
    """Parse the form with a recording."""
    if not forms.is_form(asked):
        raise Refusal(400, "Invalid form: send the recording as multipart/form-data")
    try:
        return await forms.read(asked)
    except forms.BrokenForm as error:
        raise Refusal(400, f"Invalid form: {error}") from error


def _check_name(name: str, container: str) -> None:
    """Reject a recording if the extension of its file name does not match its audio format."""
    forwarded = NAMELESS if name in ("", "blob") else name
    if forwarded.rpartition(".")[2].lower() not in SUFFIXES.get(container, ()):
        message = "400 Bad Request: Audio file might be corrupted or unsupported"
        raise error_responses.upstream(400, message, 400)


async def _order(state: State, form: Form) -> Order:
    upload = form.file("file")
    if upload is None:
        raise Refusal(400, "Missing required field: file")
    wanted = form.text("response_format") or "json"
    if wanted not in NAMES:
        raise Refusal(400, f"Invalid response_format '{wanted}'. Supported formats: {', '.join(NAMES)}")
    _number(form, "temperature", validation.number(0, 1))
    speakers = _number(form, "speakers_expected", validation.integer(1))
    model = state.catalog.resolve(form.text("model"), "transcription", "/v1/audio/transcriptions", "transcription")
    try:
        recording = await asyncio.to_thread(codecs.read, upload.data)
    except codecs.InvalidAudio as error:
        raise Refusal(400, f"Invalid file '{upload.name}': it cannot be read as audio") from error
    if model["name"] in READS_NAMES:
        _check_name(upload.name, recording.container)
    prompt = form.text("prompt")
    return Order(
        _priced(model, wanted, prompt),
        upload.data,
        recording.samples,
        recording.seconds,
        wanted,
        form.text("language"),
        prompt,
        None if speakers is None else int(speakers),
    )


async def create(state: State, asked: Asked) -> Response:
    form = await read_form(asked)
    order = await _order(state, form)

    async def make() -> tuple[Stored, Mapping[str, float]]:
        transcript = await asyncio.to_thread(_transcript, state, order)
        units = _units(order, transcript.text)
        answer = ANSWERS[order.format](transcript)
        headers = {"x-model-used": order.name, **usage.headers(units)}
        return Stored(answer, 2 * len(str(answer)), headers), units

    shaping = form.fields | {name: [upload.hash for upload in sent] for name, sent in form.files.items()}
    key = cache.identity(asked.method, asked.path, asked.query, shaping)
    result = await generation.run(
        state, asked, Job(order.model, key, _units(order), lambda: _check_abilities(order)), make
    )
    respond = PlainTextResponse if isinstance(result.stored.value, str) else JSONResponse
    return respond(result.stored.value, headers=dict(result.headers))
