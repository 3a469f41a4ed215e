"""The audio routes: `POST /v1/audio/speech`, `POST /v1/audio/speech/with-timestamps` and `GET /audio/{text}`."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

from starlette.responses import JSONResponse, Response

from langchain_pollinations.emulator.routes import media
from langchain_pollinations.emulator.service import (
    cache,
    error_responses,
    generation,
    references,
    safety,
    usage,
    validation,
)
from langchain_pollinations.emulator.service.cache import Stored
from langchain_pollinations.emulator.service.catalog import Model
from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.service.generation import Job
from langchain_pollinations.emulator.service.safety import Safety
from langchain_pollinations.emulator.state import Asked, File, State
from langchain_pollinations.emulator.synthesis.audio import codecs, music
from langchain_pollinations.emulator.synthesis.audio import speech as voice
from langchain_pollinations.emulator.synthesis.audio.codecs import FORMATS, RAW, Format
from langchain_pollinations.emulator.synthesis.audio.speech import PACE, Turn

Json = dict[str, Any]

DEFAULT_VOICE = "alloy"
SEED_OF_MINUS_ONE = 42
DIALOGUE = "elevenlabs/eleven-v3:dialogue"
MAX_VOICES, MAX_DIALOGUE_LENGTH = 10, 2000
LINE = re.compile(r"\s*([^:]{1,100}?)\s*:\s*(\S.*)")
CUSTOM_VOICE = re.compile(r"[A-Za-z0-9]{8,}")

ELEVEN_MUSIC = ("elevenlabs/music-v2", "elevenlabs/music-v2.5")
STABLE_AUDIO = ("stability-ai/stable-audio-3-medium", "stability-ai/stable-audio-3")
LYRIA, LYRIA_CLIP = "google/lyria-3.5", "google/lyria-3-clip-preview"
EFFECTS = "elevenlabs/eleven-text-to-sound-v2"
# Default duration in seconds.
DEFAULT_SECONDS: Mapping[str, float] = {
    **dict.fromkeys((*ELEVEN_MUSIC, *STABLE_AUDIO), 20),
    LYRIA: 30,
    LYRIA_CLIP: 30,
    EFFECTS: 10,
}
LENGTH_IN_WORDS = re.compile(r"\b(\d{1,3})[ -]?(s|sec|seconds?|min|minutes?)\b", re.IGNORECASE)
MAX_SONG_SECONDS = 300

# Options that only some models have. Other models reject them, but ignore `duration` and `instructions`.
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "instrumental": ELEVEN_MUSIC,
    "composition_plan": ELEVEN_MUSIC,
    "conditioning_ref": ELEVEN_MUSIC,
    "store_for_inpainting": ELEVEN_MUSIC,
    "reference_audio": (*ELEVEN_MUSIC, *STABLE_AUDIO),
    "seconds": STABLE_AUDIO,
    "steps": STABLE_AUDIO,
    "negative_prompt": STABLE_AUDIO[1:],
    "loop": (EFFECTS,),
    "prompt_influence": (EFFECTS,),
}
GEMINI_TTS = ("google/gemini-3.8-flash-tts", "google/gemini-3.8-flash-lite-tts")
INSTRUCTED = (*GEMINI_TTS, "qwen/qwen-audio-3.0-tts-flash")
STEPS = {STABLE_AUDIO[1]: (4, 8)}

# Models with fewer output formats than the route accepts. The first format is the default.
FORMATS_OF: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(GEMINI_TTS, ("wav", "pcm")),
    "x-ai/grok-tts": ("mp3", "wav", "pcm"),
    "fish-audio/s2.1-pro": ("mp3", "pcm"),
    "sesame/csm-1b": ("mp3", "opus", "flac", "wav", "pcm"),
    "hexgrad/kokoro-82m": ("mp3", "opus", "flac", "wav", "pcm"),
    "microsoft/mai-voice-2.1": ("mp3", "pcm"),
    "microsoft/mai-voice-2.1-flash": ("mp3", "pcm"),
    DIALOGUE: ("mp3", "opus", "aac", "wav", "pcm"),
    LYRIA: ("mp3",),
    LYRIA_CLIP: ("mp3",),
    EFFECTS: ("mp3",),
}
ALWAYS_WAV = ("qwen/qwen3-tts-flash",)
# ElevenLabs output differs from the format names: "aac" is an M4A file, and "flac" and "pcm" are raw samples at 44.1
# kHz.
ELEVEN_FORMATS: Mapping[str, Format] = FORMATS | {
    "mp3": replace(FORMATS["mp3"], rate=44100, bit_rate=128000),
    "opus": replace(FORMATS["opus"], bit_rate=128000),
    "aac": replace(FORMATS["aac"], container="ipod", rate=44100, bit_rate=128000),
    "flac": Format("audio/pcm", RAW, rate=44100),
    "pcm": Format("audio/pcm", RAW, rate=44100),
}
BILLED_BY_BYTE = ("fish-audio/s2.1-pro",)
TOKENS = 25  # per second of speech, for models billed by token


@dataclass(frozen=True)
class Order:
    """A parsed audio request."""

    model: Model
    text: str
    voice: str = DEFAULT_VOICE
    format: str = "mp3"
    seed: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    safety: Safety = field(default_factory=lambda: Safety([]))

    @property
    def name(self) -> str:
        return str(self.model["name"])

    @property
    def is_speech(self) -> bool:
        return self.name not in DEFAULT_SECONDS

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """The spoken text, split by speaker. It is empty for music and sound effects."""
        if not self.is_speech:
            return ()
        return voice.sequential_turns(_lines(self.text) if self.name == DIALOGUE else [(self.voice, self.text)])

    @property
    def seconds(self) -> float:
        """Duration of music and sound effects in seconds."""
        if self.name == LYRIA:
            return _requested_seconds(self.text)
        return float(self.options.get("seconds") or self.options.get("duration") or DEFAULT_SECONDS[self.name])

    @property
    def written(self) -> Format:
        """The audio format of the generated file. It can differ from the requested format."""
        if self.name in ALWAYS_WAV:
            return FORMATS["wav"]
        return (ELEVEN_FORMATS if self.model["publisher"] == "ElevenLabs" else FORMATS)[self.format]


def _requested_seconds(prompt: str) -> float:
    """Return the duration in seconds that a prompt mentions, for example "30 seconds".

    Without such a phrase, return Lyria's default duration.
    """
    match = LENGTH_IN_WORDS.search(prompt)
    if match is None:
        return DEFAULT_SECONDS[LYRIA]
    return min(MAX_SONG_SECONDS, max(1, int(match[1]) * (60 if match[2].lower().startswith("m") else 1)))


def _lines(text: str) -> list[tuple[str, str]]:
    """Parse the lines of a dialogue, each `voice: text`, into pairs of voice and text."""
    matches = [(line, LINE.fullmatch(line)) for line in text.splitlines() if line.strip()]
    for line, match in matches:
        if match is None:
            raise Refusal(400, f"Invalid dialogue: each line needs the form 'voice: text', unlike {line[:60]!r}")
    return [(match[1], match[2].rstrip()) for _, match in matches if match]


# Ability checks. Each raises the error of the service.


def _dialogue(order: Order) -> None:
    if order.name != DIALOGUE:
        return
    if len(order.text) > MAX_DIALOGUE_LENGTH:
        raise Refusal(400, f"Invalid dialogue: at most {MAX_DIALOGUE_LENGTH} characters, {len(order.text)} were sent")
    if not order.turns:
        raise Refusal(400, "Invalid dialogue: no line of the form 'voice: text'")
    if len({turn.voice for turn in order.turns}) > MAX_VOICES:
        raise Refusal(400, f"Invalid dialogue: at most {MAX_VOICES} different voices")


def check_voice(model: Model, name: str) -> None:
    """Reject a voice that the model lacks. Models of ElevenLabs also accept the ids of custom voices."""
    known: list[str] = model.get("voices", [])
    custom = model["publisher"] == "ElevenLabs" and CUSTOM_VOICE.fullmatch(name)
    if known and name not in known and not custom:
        raise Refusal(400, f"Voice '{name}' is not available for {model['name']}. Available voices: {', '.join(known)}")


def _voices(order: Order) -> None:
    for turn in order.turns:
        check_voice(order.model, turn.voice)


def _formats(model: Model) -> tuple[str, ...]:
    return FORMATS_OF.get(model["name"], tuple(FORMATS))


def _format(order: Order) -> None:
    accepted = _formats(order.model)
    if order.format not in accepted:
        raise error_responses.format_unknown(order.format, order.name, accepted)


def _is_given(value: Any) -> bool:
    return value not in (None, "") and value is not False


def _options(order: Order) -> None:
    for name, models in OPTIONS.items():
        if _is_given(order.options.get(name)) and order.name not in models:
            raise Refusal(400, f"{name} is not supported by {order.name}; it is an option of {', '.join(models)}")
    low, high = STEPS.get(order.name, (1, 100))
    if not low <= order.options.get("steps", low) <= high:
        raise Refusal(400, f"steps must be between {low} and {high} for {order.name}")


def _duration(order: Order) -> None:
    model = order.model
    if order.is_speech or order.name == LYRIA:
        return
    allowed = model.get("allowed_durations")
    if allowed and order.seconds not in allowed:
        raise Refusal(400, f"duration must be one of {', '.join(map(str, allowed))} seconds for {order.name}")
    low, high = model.get("min_duration", 0), model.get("max_duration", float("inf"))
    if not low <= order.seconds <= high:
        raise Refusal(400, f"duration must be between {low} and {high} seconds for {order.name}")


def _reference(state: State, order: Order) -> None:
    """Reject a `reference_audio` URL that is neither public nor on the media host."""
    url = order.options.get("reference_audio")
    if url is not None and references.own(state, url) is None and not references.is_public(url):
        raise Refusal(400, f"Invalid reference_audio URL: {url}")


def _safe(order: Order) -> None:
    order.safety.block([{"content": order.text}])


ABILITIES = (_safe, _dialogue, _voices, _format, _options, _duration)


def _check_abilities(state: State, order: Order) -> None:
    for check in ABILITIES:
        check(order)
    _reference(state, order)


# Generation.


def tidy(seconds: float) -> float:
    """Round seconds to three decimals. A whole number becomes an int."""
    return int(seconds) if seconds == int(seconds) else round(seconds, 3)


def _units(order: Order) -> Mapping[str, float]:
    """Return the usage in the unit that the model bills: song, second, token, byte or character."""
    prices, heard = order.model.get("pricing", {}), order.options.get("reference_audio") is not None
    if order.model.get("flat_rate"):
        return {"completionAudioTokens": 1} | (
            {"promptAudioTokens": 1} if heard and "promptAudioTokens" in prices else {}
        )
    if "completionAudioSeconds" in prices:
        seconds = tidy(order.seconds)
        return {"completionAudioSeconds": seconds} | ({"promptAudioSeconds": seconds} if heard else {})
    if "promptTextTokens" in prices:
        return {
            "promptTextTokens": usage.tokens(order.text),
            "completionAudioTokens": max(1, round(len(order.text) / PACE * TOKENS)),
        }
    if order.name in BILLED_BY_BYTE:
        return {"completionAudioTokens": len(order.text.encode())}
    return {"completionAudioTokens": len(order.text)}


def _samples(order: Order) -> bytes:
    instructions = order.options.get("instructions", "") if order.name in INSTRUCTED else ""
    seed = f"{order.name} {order.seed} {instructions}"
    if order.is_speech:
        return voice.speak(order.turns, seed)
    if order.name == EFFECTS:
        return music.effect(order.text, order.seconds, seed)
    avoided = order.options.get("negative_prompt", "")
    sung = order.name in ELEVEN_MUSIC and not order.options.get("instrumental")
    return music.music(order.text, order.seconds, f"{seed} {avoided}", sung)


def _audio(order: Order) -> tuple[bytes, bytes]:
    """Return the raw samples and the encoded audio file."""
    samples = _samples(order)
    return samples, codecs.write(samples, order.written)


def _headers(order: Order) -> dict[str, str]:
    spoken = {"x-tts-voice": order.voice} if order.is_speech and order.name != DIALOGUE else {}
    return {"x-model-used": order.name, **spoken, **order.safety.headers(), **usage.headers(_units(order))}


def _song(order: Order, name: str) -> dict[str, str]:
    """Return ElevenLabs' headers. They contain the ids of the stored song and of the reference song."""
    headers = {"song-id": name, "x-elevenlabs-song-id": name} if order.options.get("store_for_inpainting") else {}
    reference = order.options.get("reference_audio")
    if reference is None or order.name not in ELEVEN_MUSIC:
        return headers
    return headers | {"x-elevenlabs-reference-song-id": sha256(reference.encode()).hexdigest()[:20]}


async def make(state: State, asked: Asked, order: Order, key: str) -> generation.GenerationResult:
    """Generate audio, unless the cache or an identical running generation provides it.

    An empty `key` disables the cache.
    """

    async def generate() -> tuple[Stored, Mapping[str, float]]:
        samples, data = await asyncio.to_thread(_audio, order)
        state.speeches.add(order.turns, samples, data)
        mime_type = order.written.mime_type
        name = key[:32] or sha256(data).hexdigest()[:32]
        file = File(name, data, mime_type, media.file_name(order.text, mime_type))
        state.media.put(file.id, file, len(data))
        headers = media.made_headers(state, file) | _headers(order) | _song(order, name[:20])
        return Stored(file, len(data), headers), _units(order)

    units = _units(order)
    has_offer = order.is_speech and units == {"completionAudioTokens": len(order.text)}  # priced by characters
    job = Job(order.model, key, units, lambda: _check_abilities(state, order), has_offer=has_offer)
    return await generation.run(state, asked, job, generate)


async def _respond(state: State, asked: Asked, order: Order, key: str) -> Response:
    result = await make(state, asked, order, key)
    file: File = result.stored.value
    return Response(file.data, media_type=file.mime_type, headers=dict(result.headers))


# Routes.


def _order(model: Model, asked: Asked, text: str, given: Mapping[str, Any]) -> Order:
    guard = Safety(safety.features(safety.asked_for(given, {}, asked.headers), model.get("required_safety", ())))
    [message] = guard.redact([{"content": text}])
    seed = given.get("seed")
    return Order(
        model,
        message["content"],
        given.get("voice") or DEFAULT_VOICE,
        given.get("response_format") or _formats(model)[0],
        "" if seed is None else str(seed),
        given,
        guard,
    )


def order_for(model: Model, text: str, asked: Asked, given: Mapping[str, Any]) -> Order:
    """Create the `Order` of a chat request with the model's default settings. `given` may contain `safe` and `seed`."""
    voices = model.get("voices") or [DEFAULT_VOICE]
    # A chat request cannot name a voice, and some models lack the default one. It is not known which voice the service
    # uses for them.
    voice = DEFAULT_VOICE if DEFAULT_VOICE in voices else voices[0]
    return _order(model, asked, text, {**given, "voice": voice})


def _decoded(text: str) -> str:
    """Decode percent-encoding.

    Raises:
        ValueError: If the encoding is invalid.
    """
    if re.search(r"%(?![0-9a-fA-F]{2})", text):
        raise ValueError(text)
    return unquote(text, errors="strict")


def _segment(asked: Asked) -> str:
    """Return the text of a request to `/audio/{text}`.

    The text must be a single path segment. It is percent-decoded twice, because the service also decodes it twice.
    """
    raw = asked.raw_path.partition("?")[0].removeprefix("/audio/")
    if not raw or "/" in raw:
        raise Refusal(404)
    try:
        return _decoded(unquote(raw))
    except ValueError:
        raise Refusal(400, "Invalid text: invalid percent-encoding") from None


NUMBERS = ("duration", "seconds", "prompt_influence")


def _typed(query: Mapping[str, str], model: Model) -> Json:
    """Convert the strings of a validated query to the types of a JSON body.

    In a body, `seconds` is an option of Stable Audio only. In a query, other models accept it as an alias of
    `duration`.
    """
    given: Json = dict(query)
    given |= {name: validation.coerced_number(query[name]) for name in NUMBERS if name in query}
    given |= {name: query[name] == "true" for name in ("instrumental", "loop") if name in query}
    given |= {name: int(validation.coerced_number(query[name])) for name in ("steps", "seed") if name in query}
    if "seconds" in given and model["name"] not in STABLE_AUDIO:
        given["duration"] = given.pop("seconds")
    if "seed" in given:
        seed = given["seed"]
        given["seed"] = (
            SEED_OF_MINUS_ONE if seed == -1 else seed % validation.SEED_MAX if seed > validation.SEED_MAX else seed
        )
    return given


async def get_audio(state: State, asked: Asked) -> Response:
    text = _segment(asked)
    validation.against(validation.AUDIO_QUERY, asked.query, "Query parameter")
    model = state.catalog.resolve(asked.query.get("model"), "speech", "/audio/{text}", "audio")
    order = _order(model, asked, text, _typed(asked.query, model))
    key = cache.identity(asked.method, f"/audio/{text}", asked.query, None, ("nofeed",))
    return await _respond(state, asked, order, key)


async def speech(state: State, asked: Asked) -> Response:
    body = validation.json_body(asked.body, asked.headers.get("content-type", ""), validation.SPEECH)
    model = state.catalog.resolve(body.get("model"), "speech", "/v1/audio/speech", "audio")
    order = _order(model, asked, body["input"], body)
    return await _respond(state, asked, order, cache.identity(asked.method, asked.path, asked.query, body))


def _alignment(text: str) -> Json:
    places = range(len(text))
    return {
        "characters": list(text),
        "character_start_times_seconds": [round(place / PACE, 3) for place in places],
        "character_end_times_seconds": [round((place + 1) / PACE, 3) for place in places],
    }


async def timed_speech(state: State, asked: Asked) -> Response:
    body = validation.json_body(asked.body, asked.headers.get("content-type", ""), validation.TIMED_SPEECH)
    model = state.catalog.resolve(body.get("model"), "timed", asked.path, "timestamped speech")
    order = _order(model, asked, body["input"], body)

    async def make() -> tuple[Stored, Mapping[str, float]]:
        samples, data = await asyncio.to_thread(_audio, order)
        state.speeches.add(order.turns, samples, data)
        alignment = _alignment(order.text)
        content = {
            "audio_base64": base64.b64encode(data).decode(),
            "alignment": alignment,
            "normalized_alignment": alignment,
        }
        return Stored(content, 2 * len(data), _headers(order)), _units(order)

    key = cache.identity(asked.method, asked.path, asked.query, body)
    job = Job(order.model, key, _units(order), lambda: _check_abilities(state, order))
    result = await generation.run(state, asked, job, make)
    return JSONResponse(result.stored.value, headers=dict(result.headers))
