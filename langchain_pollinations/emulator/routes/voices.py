"""The speech-to-speech routes: `POST /v1/audio/voice-changer` and `POST /v1/audio/voice-isolator`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from starlette.responses import Response

from langchain_pollinations.emulator.routes import audio, media, transcripts
from langchain_pollinations.emulator.service import cache, generation, usage
from langchain_pollinations.emulator.service.cache import Stored
from langchain_pollinations.emulator.service.catalog import Model
from langchain_pollinations.emulator.service.error_responses import Refusal, format_unknown
from langchain_pollinations.emulator.service.forms import Form, Upload
from langchain_pollinations.emulator.service.generation import Job
from langchain_pollinations.emulator.state import Asked, File, State
from langchain_pollinations.emulator.synthesis.audio import codecs, voices
from langchain_pollinations.emulator.synthesis.audio.speech import Turn

CHANGER, ISOLATOR = "/v1/audio/voice-changer", "/v1/audio/voice-isolator"
MAX_FILE_BYTES = 50 * 1024 * 1024
MAX_SECONDS = 300  # of a recording whose voice is changed
MIN_SECONDS = 4.6  # of a recording from which speech is isolated
FORMATS = ("mp3", "opus", "aac", "wav", "pcm")

Make = Callable[[bytes, voices.Speeches], tuple[bytes, tuple[Turn, ...]]]


@dataclass(frozen=True)
class Order:
    """A parsed request. `shaping` has the fields that affect the result. `make` generates its samples."""

    model: Model
    upload: Upload
    samples: bytes = field(repr=False)
    make: Make
    format: str = "mp3"
    headers: Mapping[str, str] = field(default_factory=dict)
    shaping: Mapping[str, str] = field(default_factory=dict)

    @property
    def units(self) -> dict[str, float]:
        return {"promptAudioSeconds": audio.tidy(self.seconds)}

    @property
    def seconds(self) -> float:
        return codecs.Recording(self.samples).seconds


async def _upload(form: Form) -> tuple[Upload, bytes]:
    """Return the uploaded file and its samples. `audio` is the former name of the field."""
    upload = form.file("file") or form.file("audio")
    if upload is None:
        raise Refusal(400, "Missing required field: file")
    if len(upload.data) > MAX_FILE_BYTES:
        raise Refusal(413, f"File too large: at most {MAX_FILE_BYTES} bytes")
    try:
        recording = await asyncio.to_thread(codecs.read, upload.data)
    except codecs.InvalidAudio as error:
        raise Refusal(400, f"Invalid file '{upload.name}': it cannot be read as audio") from error
    return upload, recording.samples


def _generate(state: State, order: Order) -> tuple[bytes, str]:
    """Return the bytes and the MIME type of the result. Store the speech, so that it can be transcribed."""
    speeches = state.speeches.find(order.upload.data, order.samples)
    samples, turns = order.make(order.samples, speeches)
    written = audio.ELEVEN_FORMATS[order.format]
    data = codecs.write(samples, written)
    if speeches:
        state.speeches.add(turns, samples, data)
    return data, written.mime_type


async def _respond(state: State, asked: Asked, order: Order, check: Callable[[], None]) -> Response:
    key = cache.identity(asked.method, asked.path, {}, {**order.shaping, "file": order.upload.hash})

    async def make() -> tuple[Stored, Mapping[str, float]]:
        data, mime_type = await asyncio.to_thread(_generate, state, order)
        file = File(key[:32], data, mime_type, media.file_name(order.upload.name.rpartition(".")[0], mime_type))
        state.media.put(file.id, file, len(data))
        made = {"x-model-used": str(order.model["name"]), **order.headers, **usage.headers(order.units)}
        return Stored(file, len(data), media.made_headers(state, file) | made), order.units

    result = await generation.run(state, asked, Job(order.model, key, order.units, check), make)
    stored: File = result.stored.value
    return Response(stored.data, media_type=stored.mime_type, headers=dict(result.headers))


async def change(state: State, asked: Asked) -> Response:
    form = await transcripts.read_form(asked)
    upload, samples = await _upload(form)
    model = state.catalog.resolve(form.text("model"), "voice changer", CHANGER, "voice changer")
    voice, wanted = form.text("voice") or audio.DEFAULT_VOICE, form.text("response_format") or FORMATS[0]
    if wanted not in FORMATS:
        raise format_unknown(wanted, str(model["name"]), FORMATS)
    order = Order(
        model,
        upload,
        samples,
        partial(voices.changed, voice=voice),
        wanted,
        {"x-voice-changer-voice": voice},
        {"model": str(model["name"]), "voice": voice, "response_format": wanted},
    )

    def check() -> None:
        audio.check_voice(model, voice)
        if order.seconds > MAX_SECONDS:
            raise Refusal(400, f"The recording must be at most {MAX_SECONDS} seconds long")

    return await _respond(state, asked, order, check)


async def isolate(state: State, asked: Asked) -> Response:
    form = await transcripts.read_form(asked)
    upload, samples = await _upload(form)
    model = state.catalog.resolve(form.text("model"), "voice isolator", ISOLATOR, "voice isolator")
    order = Order(model, upload, samples, voices.isolated, shaping={"model": str(model["name"])})

    def check() -> None:
        if order.seconds < MIN_SECONDS:
            raise Refusal(400, f"The recording must be at least {MIN_SECONDS} seconds long")

    return await _respond(state, asked, order, check)
