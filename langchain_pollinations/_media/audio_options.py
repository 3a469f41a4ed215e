"""Options of speech and music, and checks that a model supports their formats, voices and sizes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from functools import partial
from typing import Literal, Self, TypeAlias

from pydantic import Field, JsonValue, model_validator

from langchain_pollinations._catalog.capabilities import require
from langchain_pollinations._catalog.records import Model, find
from langchain_pollinations._catalog.snapshot import abilities
from langchain_pollinations._media.base import MediaOptions, MediaOverrides
from langchain_pollinations._media.references import Reference, check_schemes
from langchain_pollinations.errors import InvalidRequestError, UnsupportedRequestError
from langchain_pollinations.media import Media

ROUTE = "/v1/audio/speech"
"""Route for all audio. The package does not use `GET /audio/{text}`: the service decodes that path twice and accepts no
`%` or `/` in the text."""
TIMED_ROUTE = "/v1/audio/speech/with-timestamps"

MAX_INPUT = 10_000
"""Maximum characters of the text of one request."""


MAX_VOICE = 100
"""Maximum characters of the name or id of a voice."""


MAX_REFERENCE_BYTES = 20 * 1024 * 1024
"""Maximum bytes of a reference audio for music."""

AudioFormat: TypeAlias = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
Dialogue: TypeAlias = Sequence[tuple[str, str]]
"""Pairs of a voice and the text that it speaks."""

MAX_AUDIO_SEED = 2**32 - 1


class SharedAudioOptions(MediaOptions):
    """Options of all audio. An option that is None is not sent, and the service applies its default."""

    response_format: AudioFormat | None = None
    """Requested audio format. The service's default is wav for Gemini TTS, and mp3 for other models. Some models return
    another format. `Media.mime_type` is the type of the returned audio."""
    seed: int | None = Field(default=None, ge=-1, le=MAX_AUDIO_SEED)
    """Seed, -1 to 4294967295. Equal requests return the same cached audio. With -1, the package chooses a random seed
    for each call."""


class SpeechOptions(SharedAudioOptions):
    """Options of speech. An option that is None is not sent, and the service applies its default."""

    model: str = Field(default="tts-1", min_length=1)
    """Canonical id or alias of the model."""
    voice: str | None = Field(default=None, min_length=1)
    """Name of a voice, case-insensitive. `list_models` returns the `voices` of each model. Some models also accept the
    id of a custom voice. The service's default is `alloy`, which some models do not have."""
    instructions: str | None = Field(default=None, min_length=1)
    """Speaking style, such as 'softly and warmly', for models that support it (Gemini TTS, Qwen instruct speech)."""
    timestamps: bool | None = None
    """Whether to return the time of each character in `metadata["alignment"]`, for models that support it."""


class MusicOptions(SharedAudioOptions):
    """Options of music and sound effects. An option that is None is not sent, and the service applies its default."""

    model: str = Field(default="music", min_length=1)
    """Canonical id or alias of the model. The model `sfx` generates sound effects."""
    duration: float | None = Field(default=None, ge=0.5, le=380)
    """Duration in seconds, 0.5 to 380. `list_models` returns the limits of each model."""
    instrumental: bool | None = None
    """Whether to generate music without vocals, for ElevenLabs music."""
    steps: int | None = Field(default=None, ge=1, le=100)
    """Number of sampling steps, 1 to 100, for Stable Audio."""
    negative_prompt: str | None = Field(default=None, min_length=1, max_length=MAX_INPUT)
    """What the audio should not contain, for the large Stable Audio model."""
    loop: bool | None = None
    """Whether the end should lead seamlessly into the beginning, for sound effects."""
    prompt_influence: float | None = Field(default=None, ge=0, le=1)
    """How closely a sound effect follows the prompt, 0 to 1."""
    reference_audio: Reference | None = Field(default=None, repr=False)
    """Reference audio of at most 20 MiB: a public URL, a data URI, bytes, a `Media`, or a file below
    `reference_folder`. Any value that is not a URL is uploaded."""
    composition_plan: dict[str, JsonValue] | None = None
    """Sections of a song, for ElevenLabs music. The plan replaces the prompt, so the prompt may be empty."""
    conditioning_ref: dict[str, JsonValue] | None = None
    """Section of an earlier song as a reference, for ElevenLabs music. The id of the earlier song is in its
    `metadata["elevenlabs_reference_song_id"]`."""
    store_for_inpainting: bool | None = None
    """Whether ElevenLabs stores the song for later changes. The id of the stored song is in `metadata["song_id"]`."""

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        check_schemes("reference_audio", self.reference_audio)
        return self


# --- Keyword arguments of calls ---------------------------------------------------------------------------------------


class SharedAudioOverrides(MediaOverrides, total=False):
    """Keyword arguments of all calls that generate audio."""

    response_format: AudioFormat | None
    seed: int | None


class SpeechOverrides(SharedAudioOverrides, total=False):
    """Keyword arguments of `PollinationsSpeech.generate`: the options of `SpeechOptions`."""

    voice: str | None
    instructions: str | None
    timestamps: bool | None


class MusicOverrides(SharedAudioOverrides, total=False):
    """Keyword arguments of `PollinationsMusic.generate`: the options of `MusicOptions`."""

    duration: float | None
    instrumental: bool | None
    steps: int | None
    negative_prompt: str | None
    loop: bool | None
    prompt_influence: float | None
    reference_audio: Reference | None
    composition_plan: dict[str, JsonValue] | None
    conditioning_ref: dict[str, JsonValue] | None
    store_for_inpainting: bool | None


# --- Model abilities --------------------------------------------------------------------------------------------------

_WRAPPERS = {
    "speech": "PollinationsSpeech",
    "dialogue": "PollinationsSpeech",
    "music": "PollinationsMusic",
    "effects": "PollinationsMusic",
    "transcription": "PollinationsTranscriber",
    "voice changer": "PollinationsVoice",
    "voice isolator": "PollinationsVoice",
}
"""Wrapper class for each kind of audio model."""

_CUSTOM_VOICE = re.compile(r"[A-Za-z0-9_-]{8,}")

_PCM_RATES = {"elevenlabs": 44_100}
"""Samples per second of raw audio, by publisher of the model. Models of other publishers use `PCM16_RATE`."""


def is_of_kind(model: Model, kind: str | None) -> bool:
    return abilities(model.id).get("kind") == kind


def takes(model: Model, parameter: str) -> bool | None:
    """Whether a model uses a parameter. None if unknown."""
    can = abilities(model.id)
    if not can:
        return None
    return parameter in can.get("parameters", ()) or (parameter == "duration" and bool(model.allowed_durations))


def _is_for(model: Model, wrapper: str) -> bool:
    return _WRAPPERS.get(abilities(model.id).get("kind", "")) == wrapper


def _formats(model: Model) -> Sequence[str]:
    formats: Sequence[str] = abilities(model.id).get("response_formats", ())
    return formats


def _has_timestamps(model: Model) -> bool | None:
    return TIMED_ROUTE in model.endpoints if model.endpoints else None


def check_speech(options: SpeechOptions) -> SpeechOptions:
    """Validate speech options. Return them with the voice in the spelling of the model's voice list.

    Models that the catalog does not list (newer and community models) are not checked. The service validates their
    options.

    Raises:
        UnsupportedRequestError: If the model lacks an ability. The message names models that have this ability.
        InvalidRequestError: If the model does not accept a value.
    """
    model = find(options.model)
    if model is None:
        return options
    name = options.model
    _check_kind(model, name, "PollinationsSpeech", "cannot generate speech")
    _check_format(model, options)
    if options.timestamps:
        require(
            _has_timestamps(model), name, "does not support timestamps", "audio", _has_timestamps, param="timestamps"
        )
    _check_accepted(model, options, ["instructions"])
    if options.voice is None:
        return options
    if is_of_kind(model, "dialogue"):
        raise InvalidRequestError(
            "voice: must be omitted for a dialogue, whose lines name their voices ('voice: text')", param="voice"
        )
    return options.model_copy(update={"voice": resolve_voice(options.voice, model, name, "voice")})


def check_music(options: MusicOptions) -> None:
    """Raise an error for options that the model is known not to support, before a request is sent.

    Like `check_speech`, this function does not check models that the catalog does not list.

    Raises:
        UnsupportedRequestError: If the model lacks an ability. The message names models that have this ability.
        InvalidRequestError: If the model does not accept a value, or two options conflict.
    """
    conflicting = [name for name in ("duration", "instrumental") if getattr(options, name) is not None]
    if options.composition_plan is not None and conflicting:
        raise InvalidRequestError(
            f"{', '.join(conflicting)}: cannot be combined with composition_plan", param=conflicting[0]
        )
    model = find(options.model)
    if model is None:
        return
    name, can = options.model, abilities(model.id)
    _check_kind(model, name, "PollinationsMusic", "cannot generate music or sound effects")
    _check_format(model, options)
    _check_accepted(model, options, MusicOptions.model_fields.keys() - SharedAudioOptions.model_fields.keys())
    allowed = model.allowed_durations
    if options.duration is not None and allowed and options.duration not in allowed:
        lengths = " or ".join(map(str, allowed))
        raise InvalidRequestError(
            f"duration: model {name!r} accepts {lengths} seconds, got {options.duration:g}", param="duration"
        )
    _check_range("duration", options.duration, (model.min_duration, model.max_duration), name)
    _check_range("steps", options.steps, can.get("steps", (None, None)), name)


def check_sizes(references: Sequence[str | Media]) -> None:
    for each in references:
        if isinstance(each, Media) and each.size > MAX_REFERENCE_BYTES:
            raise InvalidRequestError(
                f"reference_audio: has {each.size:,} bytes; at most {MAX_REFERENCE_BYTES:,} are allowed",
                param="reference_audio",
            )


def resolve_voice(voice: str, model: Model, name: str, argument: str) -> str:
    """Return a voice in the spelling of the model's voice list. Return the id of a custom voice unchanged.

    Raises:
        InvalidRequestError: If the model has no such voice.
    """
    if len(voice) > MAX_VOICE:
        raise InvalidRequestError(
            f"{argument}: a voice has at most {MAX_VOICE} characters, got {len(voice):,}", param=argument
        )
    voices = {each.lower(): each for each in model.voices}
    if not voices or voice in model.voices:
        return voice
    if found := voices.get(voice.lower()):
        return found
    if abilities(model.id).get("custom_voices") and _CUSTOM_VOICE.fullmatch(voice):
        return voice
    close = difflib.get_close_matches(voice.lower(), voices, n=1)
    suggestion = f"; did you mean {voices[close[0]]!r}?" if close else "."
    names = ", ".join(model.voices[:6]) + (", ..." if len(model.voices) > 6 else "")
    raise InvalidRequestError(
        f"{argument}: model {name!r} has no voice {voice[:60]!r}{suggestion} Its {len(model.voices)} voices: {names}",
        param=argument,
    )


def _check_kind(model: Model, name: str, wrapper: str, lacks: str) -> None:
    kind = abilities(model.id).get("kind")
    suitable = _WRAPPERS.get(kind or "")
    if suitable == wrapper or (kind is None and model.kind == "audio" and ROUTE in (model.endpoints or (ROUTE,))):
        return
    if suitable is not None:
        raise UnsupportedRequestError(f"model {name!r} {lacks} (kind: {kind}); use {suitable}", param="model")
    reason = f"endpoints: {', '.join(model.endpoints)}" if model.kind == "audio" else f"category: {model.kind}"
    require(False, name, f"{lacks} ({reason})", "audio", partial(_is_for, wrapper=wrapper))


def _check_format(model: Model, options: SharedAudioOptions) -> None:
    formats = _formats(model)
    if options.response_format is not None and formats and options.response_format not in formats:
        raise InvalidRequestError(
            f"response_format: model {options.model!r} supports {', '.join(formats)}, got {options.response_format}",
            param="response_format",
        )


def _check_accepted(model: Model, options: SharedAudioOptions, arguments: Sequence[str] | set[str]) -> None:
    for argument in sorted(arguments):
        if (value := getattr(options, argument)) is not None and value is not False:
            can = partial(takes, parameter=argument)
            require(can(model), options.model, f"does not accept {argument}", "audio", can, param=argument)


def _check_range(argument: str, value: float | None, limits: Sequence[float | None], name: str) -> None:
    least, most = limits
    if value is not None and least is not None and most is not None and not least <= value <= most:
        raise InvalidRequestError(
            f"{argument}: model {name!r} accepts {least:g} to {most:g}, got {value:g}", param=argument
        )
