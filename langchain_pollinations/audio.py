"""`PollinationsSpeech` and `PollinationsMusic`: sound from words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, Literal, Self, TypeAlias

import httpx
from pydantic import Field, JsonValue, model_validator

from langchain_pollinations import catalog, media
from langchain_pollinations._base64 import decode
from langchain_pollinations._maker import Maker, Options, check_prompt, read_media
from langchain_pollinations._options import SAVE_BY_NAME, by_name
from langchain_pollinations._parts import Turn, read_turns, size, split_text, split_turns
from langchain_pollinations._references import Reference, check_schemes
from langchain_pollinations._transport.error_response import not_expected, parse_json
from langchain_pollinations._transport.request import Call, Flow
from langchain_pollinations.catalog import Model, refuse_unless
from langchain_pollinations.errors import InvalidRequestError, InvalidResponseError, UnsupportedRequestError
from langchain_pollinations.media import PCM16_RATE, Media

ROUTE = "/v1/audio/speech"
"""Where all sound is made. `GET /audio/{text}` decodes its text twice, and takes no `%` or `/` in it."""
TIMED_ROUTE = "/v1/audio/speech/with-timestamps"

LONGEST_INPUT = 10_000
"""Characters that one request takes."""
LONGEST_DIALOGUE = 2_000
"""Characters that one request takes of a dialogue, names of the voices included."""
MOST_VOICES = 10
"""Voices of one dialogue."""
LONGEST_VOICE = 100
"""Characters of the name or id of a voice."""
LONGEST_TEXT = 400_000
"""Characters that are spoken in parts: some seven hours. A WAV has no room for more than 4 GiB."""
LARGEST_REFERENCE = 20 * 1024 * 1024
"""Bytes of a sound that music is modelled on."""

AudioFormat: TypeAlias = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
Dialogue: TypeAlias = Sequence[tuple[str, str]]
"""Pairs of a voice and its words."""

LARGEST_SEED = 2**32 - 1


class SoundOptions(Options):
    """What can be said of every sound. None means that nothing is sent: the service decides."""

    response_format: AudioFormat | None = None
    """The requested format. The service's default is mp3, and wav for Gemini TTS. Some models give something else;
    `Media.mime_type` tells what came."""
    seed: int | None = Field(default=None, ge=-1, le=LARGEST_SEED)
    """Equal requests get the equal, stored sound. -1 draws a random seed for each call."""


class SpeechOptions(SoundOptions):
    """What can be said of speech. None means that nothing is sent: the service decides."""

    model: str = Field(default="tts-1", min_length=1)
    """Canonical id or alias of the model."""
    voice: str | None = Field(default=None, min_length=1)
    """One of the model's `voices` (see `list_models`), in any case, or an id of your own for models that take one. The
    service's default is `alloy`, which not every model has."""
    instructions: str | None = Field(default=None, min_length=1)
    """How it is to be said, for models that take it (Gemini TTS, Qwen instruct speech): 'softly and warmly'."""
    timestamps: bool | None = None
    """Whether `metadata["alignment"]` is to tell when each character is spoken, for models that can."""


class PollinationsSpeech(Maker, SpeechOptions):
    """Speech from words.

        >>> speaker = PollinationsSpeech(voice="nova")
        >>> speaker.generate("The tide is out.").save("tide")  # doctest: +SKIP
        PosixPath('tide.mp3')

    Every field of `SpeechOptions` is an option of the constructor and of each call. It is a runnable from text to
    `Media`, too: `chat | StrOutputParser() | speaker`.

    A text of more than 10,000 characters is spoken in parts, which are joined where they come as WAV: say
    `response_format="wav"`, unless that is the model's default. With `model="dialogue"` each line is a turn,
    `voice: words`.
    """

    _OPTIONS = SpeechOptions
    _CATEGORY = "audio"

    @by_name(SAVE_BY_NAME)
    def generate(self, text: str | Dialogue, **overrides: Any) -> Media:  # type: ignore[override]  # no prompt: a text
        """Speak a text.

        Raw samples (`response_format="pcm"`, 16 bits, one channel) have their rate in `metadata["sample_rate"]`. Of a
        text that was spoken in parts, `metadata["request_ids"]` names the requests; usage is that of all parts, times
        are those of the whole, and characters between parts (whitespace) have none. It has no `url`.

        Args:
            text: What is to be said. For a dialogue: lines of `voice: words`, or pairs of a voice and its words.
            overrides: Options of `SpeechOptions` for this text only.

        Raises:
            InvalidRequestError: If the text or an option is wrong, or the service refuses one.
            UnsupportedRequestError: If the model lacks an ability; it names models that have it.
            ContentBlockedError: If the `safe` filter blocked the text.
            UnprocessableError: If the provider refused the text.
            InvalidResponseError: If what came back is no whole sound, or parts of it do not fit together.
        """
        options = self._options(overrides)
        return self._run(options, self._generation(text, options))

    @by_name(SAVE_BY_NAME)
    async def agenerate(self, text: str | Dialogue, **overrides: Any) -> Media:  # type: ignore[override]
        """As `generate`."""
        options = self._options(overrides)
        return await self._arun(options, self._generation(text, options))

    def _check(self, options: SpeechOptions) -> None:
        checked_speech(options)

    def _generation(self, prompt: str | Dialogue, options: SpeechOptions) -> Flow[Media]:
        options = checked_speech(options)
        parts = parts_of(prompt, options)
        if len(parts) == 1:
            sound: Media = yield speech_call(parts[0], options)
            return sound
        sounds = yield [speech_call(part, options) for part in parts]
        return joined_sounds(sounds, prompt if isinstance(prompt, str) else "\n".join(parts))


class MusicOptions(SoundOptions):
    """What can be said of music and of sound effects. None means that nothing is sent: the service decides."""

    model: str = Field(default="music", min_length=1)
    """Canonical id or alias of the model; `sfx` makes sound effects."""
    duration: float | None = Field(default=None, ge=0.5, le=380)
    """Seconds."""
    instrumental: bool | None = None
    """Whether nobody is to sing, for ElevenLabs music."""
    steps: int | None = Field(default=None, ge=1, le=100)
    """Of the sampling, for Stable Audio."""
    negative_prompt: str | None = Field(default=None, min_length=1, max_length=LONGEST_INPUT)
    """What it is not to be, for the large Stable Audio."""
    loop: bool | None = None
    """Whether the end is to lead into the beginning, for sound effects."""
    prompt_influence: float | None = Field(default=None, ge=0, le=1)
    """How closely a sound effect is to follow the prompt."""
    reference_audio: Reference | None = Field(default=None, repr=False)
    """A sound to model it on, of 20 MiB at most: a public address, a data URI, bytes, a `Media`, or a file below
    `reference_folder`. What is no address is uploaded."""
    composition_plan: dict[str, JsonValue] | None = None
    """Sections of ElevenLabs music, in place of a prompt: with it the prompt may be empty."""
    conditioning_ref: dict[str, JsonValue] | None = None
    """A stretch of an earlier song (`metadata["elevenlabs_reference_song_id"]`) to model ElevenLabs music on."""
    store_for_inpainting: bool | None = None
    """Whether ElevenLabs keeps the song, to be changed later under `metadata["song_id"]`."""

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        check_schemes("reference_audio", self.reference_audio)
        return self


class PollinationsMusic(Maker, MusicOptions):
    """Music and sound effects from words.

        >>> band = PollinationsMusic(duration=30, instrumental=True)
        >>> band.generate("a slow waltz for two accordions").save("waltz")  # doctest: +SKIP
        PosixPath('waltz.mp3')
        >>> PollinationsMusic(model="sfx").generate("a door falls shut")  # doctest: +SKIP

    Every field of `MusicOptions` is an option of the constructor and of each call. It is a runnable from prompt to
    `Media`, too.
    """

    _OPTIONS = MusicOptions
    _CATEGORY = "audio"

    def _check(self, options: MusicOptions) -> None:
        check_music(options)

    def _generation(self, prompt: str, options: MusicOptions) -> Flow[Media]:
        if options.composition_plan is None or prompt != "":
            check_input(prompt)
        self._check(options)
        references = self._read("reference_audio", options.reference_audio, "audio", LARGEST_REFERENCE)
        check_sizes(references)
        sound: Media = yield music_call(prompt, options, (yield from self._addresses(references)))
        return sound


# --- What is to be said -----------------------------------------------------------------------------------------------


def check_input(text: Any, name: str = "prompt", longest: int = LONGEST_INPUT) -> str:
    """The words, if they are some, and no more than are taken.

    Raises:
        InvalidRequestError: If they are empty, too many, or hold half a character.
    """
    check_prompt(text, longest, name)
    if size(text) > longest:
        raise InvalidRequestError(
            f"{name} has {size(text)} characters as the service counts them (emoji are two); it takes up to {longest}",
            param=name,
        )
    return str(text)


def parts_of(given: Any, options: SpeechOptions) -> list[str]:
    """What each request says: all of it where one takes that.

    Raises:
        InvalidRequestError: If it is no text or dialogue, or must be said in parts that could not be joined.
    """
    if catalog.abilities(options.model).get("kind") == "dialogue":
        return _parts_of_dialogue(given, options)
    if isinstance(given, list | tuple):
        raise UnsupportedRequestError(
            f"text: model {options.model!r} has one voice; for turns of several take "
            + " or ".join(catalog.able("audio", partial(is_of_kind, kind="dialogue"))),
            param="text",
        )
    text = check_input(given, "text", LONGEST_TEXT)
    if size(text) <= LONGEST_INPUT:
        return [text]
    check_joinable(size(text), LONGEST_INPUT, options)
    return split_text(text, LONGEST_INPUT)


def _parts_of_dialogue(given: Any, options: SpeechOptions) -> list[str]:
    turns = turns_of(given, options.model)
    length = size("\n".join(map(str, turns)))
    if length > LONGEST_DIALOGUE:
        check_joinable(length, LONGEST_DIALOGUE, options)
    return split_turns(turns, LONGEST_DIALOGUE)


def turns_of(given: Any, name: str) -> list[Turn]:
    """The turns of a dialogue, with voices that the model has.

    Raises:
        InvalidRequestError: If it is no dialogue, or has unknown voices or too many.
    """
    turns = read_turns(given if isinstance(given, list | tuple) else check_input(given, "text", LONGEST_TEXT))
    check_input("\n".join(map(str, turns)), "text", LONGEST_TEXT)
    if model := catalog.find(name):
        turns = [Turn(known_voice(turn.voice, model, name, "text"), turn.text) for turn in turns]
    if (voices := len({turn.voice for turn in turns})) > MOST_VOICES:
        raise InvalidRequestError(f"text: a dialogue has at most {MOST_VOICES} voices, not {voices}", param="text")
    return turns


def check_joinable(length: int, most: int, options: SpeechOptions) -> None:
    """Refuse a text that must be said in parts unless they come as WAV, the one form that joins without loss.

    Raises:
        InvalidRequestError: If they come as something else; it tells what to ask for.
    """
    can = catalog.abilities(options.model)
    gives = can.get("response_formats", ())
    if (options.response_format or next(iter(gives), None)) == "wav":  # the first format is the model's default
        return
    advice = "say response_format='wav'"
    if gives and "wav" not in gives:
        kind = can.get("kind")
        others = catalog.able("audio", lambda model: is_of_kind(model, kind) and "wav" in _formats(model))
        advice += f" and take a model that gives it: {', '.join(others)}"
    raise InvalidRequestError(
        f"text has {length} characters, and a request takes {most}. Longer ones are spoken in parts, which only WAV "
        f"lets join without loss: {advice}",
        param="text",
    )


# --- What a model can -------------------------------------------------------------------------------------------------

_MAKERS = {
    "speech": "PollinationsSpeech",
    "dialogue": "PollinationsSpeech",
    "music": "PollinationsMusic",
    "effects": "PollinationsMusic",
    "transcription": "PollinationsTranscriber",
}
"""Which class is for which kind of sound model."""

_CUSTOM_VOICE = re.compile(r"[A-Za-z0-9_-]{8,}")

_PCM_RATES = {"elevenlabs": 44_100}
"""Samples a second of raw sound, by maker of the model; others make `PCM16_RATE`."""


def is_of_kind(model: Model, kind: str | None) -> bool:
    return catalog.abilities(model.id).get("kind") == kind


def takes(model: Model, parameter: str) -> bool | None:
    """Whether a parameter has an effect; None where that is not known."""
    can = catalog.abilities(model.id)
    if not can:
        return None
    return parameter in can.get("parameters", ()) or (parameter == "duration" and bool(model.allowed_durations))


def _is_for(model: Model, maker: str) -> bool:
    return _MAKERS.get(catalog.abilities(model.id).get("kind", "")) == maker


def _formats(model: Model) -> Sequence[str]:
    formats: Sequence[str] = catalog.abilities(model.id).get("response_formats", ())
    return formats


def _tells_times(model: Model) -> bool | None:
    return TIMED_ROUTE in model.endpoints if model.endpoints else None


def checked_speech(options: SpeechOptions) -> SpeechOptions:
    """The options, with the voice as the model's list spells it, where nothing is wrong with them. Newer models and
    those of the community are not known here, and asked.

    Raises:
        UnsupportedRequestError: If the model lacks an ability; it names models that have it.
        InvalidRequestError: If a value is not one of the model's.
    """
    model = catalog.find(options.model)
    if model is None:
        return options
    name = options.model
    _check_family(model, name, "PollinationsSpeech", "makes no speech")
    _check_format(model, options)
    if options.timestamps:
        refuse_unless(_tells_times(model), name, "tells no timestamps", "audio", _tells_times, param="timestamps")
    _check_takes(model, options, ["instructions"])
    if options.voice is None:
        return options
    if is_of_kind(model, "dialogue"):
        raise InvalidRequestError(
            "voice: in a dialogue each line names its voice ('voice: words'), leave this out", param="voice"
        )
    return options.model_copy(update={"voice": known_voice(options.voice, model, name, "voice")})


def check_music(options: MusicOptions) -> None:
    """Refuse what the model is known not to do, before anything is sent, as `checked_speech` does.

    Raises:
        UnsupportedRequestError: If the model lacks an ability; it names models that have it.
        InvalidRequestError: If a value is not one of the model's, or does not go with another.
    """
    beside = [name for name in ("duration", "instrumental") if getattr(options, name) is not None]
    if options.composition_plan is not None and beside:
        raise InvalidRequestError(f"{' and '.join(beside)}: the composition_plan tells that", param=beside[0])
    model = catalog.find(options.model)
    if model is None:
        return
    name, can = options.model, catalog.abilities(model.id)
    _check_family(model, name, "PollinationsMusic", "makes no music or sound effects")
    _check_format(model, options)
    _check_takes(model, options, MusicOptions.model_fields.keys() - SoundOptions.model_fields.keys())
    allowed = model.allowed_durations
    if options.duration is not None and allowed and options.duration not in allowed:
        lengths = " or ".join(map(str, allowed))
        raise InvalidRequestError(
            f"duration: model {name!r} makes {lengths} seconds, not {options.duration:g}", param="duration"
        )
    _check_range("duration", options.duration, (model.min_duration, model.max_duration), name)
    _check_range("steps", options.steps, can.get("steps", (None, None)), name)


def check_sizes(references: Sequence[str | Media]) -> None:
    for each in references:
        if isinstance(each, Media) and each.size > LARGEST_REFERENCE:
            raise InvalidRequestError(
                f"reference_audio has {each.size:,} bytes; it may have {LARGEST_REFERENCE:,}", param="reference_audio"
            )


def known_voice(given: str, model: Model, name: str, argument: str) -> str:
    """A voice as the model's list spells it, or an id of the caller's own.

    Raises:
        InvalidRequestError: If the model has no such voice.
    """
    if len(given) > LONGEST_VOICE:
        told = f"a voice has at most {LONGEST_VOICE} characters, not {len(given):,}"
        raise InvalidRequestError(f"{argument}: {told}", param=argument)
    voices = {voice.lower(): voice for voice in model.voices}
    if not voices or given in model.voices:
        return given
    if found := voices.get(given.lower()):
        return found
    if catalog.abilities(model.id).get("custom_voices") and _CUSTOM_VOICE.fullmatch(given):
        return given
    close = difflib.get_close_matches(given.lower(), voices, n=1)
    meant = f", did you mean {voices[close[0]]!r}?" if close else "."
    some = ", ".join(model.voices[:6]) + (", ..." if len(model.voices) > 6 else "")
    raise InvalidRequestError(
        f"{argument}: model {name!r} has no voice {given[:60]!r}{meant} It has {len(model.voices)}: {some}",
        param=argument,
    )


def _check_family(model: Model, name: str, maker: str, lacks: str) -> None:
    kind = catalog.abilities(model.id).get("kind")
    own = _MAKERS.get(kind or "")
    if own == maker or (kind is None and model.kind == "audio" and ROUTE in (model.endpoints or (ROUTE,))):
        return
    if own is not None:
        raise UnsupportedRequestError(f"model {name!r} {lacks}, it is a model for {kind}: use {own}", param="model")
    job = f"answers at {', '.join(model.endpoints)}" if model.kind == "audio" else f"is a model for {model.kind}"
    refuse_unless(False, name, f"{lacks}, it {job}", "audio", partial(_is_for, maker=maker))


def _check_format(model: Model, options: SoundOptions) -> None:
    gives = _formats(model)
    if options.response_format is not None and gives and options.response_format not in gives:
        raise InvalidRequestError(
            f"response_format: model {options.model!r} gives {', '.join(gives)}, not {options.response_format}",
            param="response_format",
        )


def _check_takes(model: Model, options: SoundOptions, arguments: Sequence[str] | set[str]) -> None:
    for argument in sorted(arguments):
        if (value := getattr(options, argument)) is not None and value is not False:
            can = partial(takes, parameter=argument)
            refuse_unless(can(model), options.model, f"takes no {argument}", "audio", can, param=argument)


def _check_range(argument: str, value: float | None, limits: Sequence[float | None], name: str) -> None:
    least, most = limits
    if value is not None and least is not None and most is not None and not least <= value <= most:
        raise InvalidRequestError(
            f"{argument}: model {name!r} takes {least:g} to {most:g}, not {value:g}", param=argument
        )


# --- The request ------------------------------------------------------------------------------------------------------


def speech_call(text: str, options: SpeechOptions) -> Call[Media]:
    """`POST /v1/audio/speech`, or its sister that tells when each character is spoken."""
    body = options.model_dump(exclude_none=True, exclude={"timestamps"}) | {"input": text}
    path, reads = (TIMED_ROUTE, read_timed) if options.timestamps else (ROUTE, read_sound)
    return Call("POST", path, partial(reads, prompt=text, options=options), {"json": body})


def music_call(prompt: str, options: MusicOptions, references: Sequence[str] = ()) -> Call[Media]:
    """`POST /v1/audio/speech` as well, which makes whatever sound the model is for."""
    # With a plan the service sends no prompt on, but its own validator wants one.
    body = options.model_dump(exclude_none=True, exclude={"reference_audio"}) | {"input": prompt or "composition plan"}
    if "duration" in body and "seconds" in catalog.abilities(options.model).get("parameters", ()):
        body["seconds"] = body.pop("duration")
    if references:
        (body["reference_audio"],) = references
    return Call("POST", ROUTE, partial(read_sound, prompt=prompt, options=options), {"json": body})


# --- The answer -------------------------------------------------------------------------------------------------------


def read_sound(response: httpx.Response, prompt: str, options: SoundOptions) -> Media:
    """The sound of an answer whose body is one."""
    return _with_rate(read_media(response, response.content, "audio", prompt, options), response)


def read_timed(response: httpx.Response, prompt: str, options: SoundOptions) -> Media:
    """The sound inside JSON, and when each character is spoken."""
    expected = "speech with timestamps"
    body = parse_json(response, expected)
    try:
        data = decode(body["audio_base64"])
        times = {name: _alignment(body.get(name)) for name in ALIGNMENTS}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise not_expected(response, expected) from error
    headers = response.headers.copy()
    if options.response_format == "pcm":
        headers["content-type"] = "audio/pcm"  # the header of the JSON cannot tell
    head = httpx.Response(response.status_code, headers=headers, request=response.request)
    return _with_rate(read_media(head, data, "audio", prompt, options, metadata=times), head)


ALIGNMENTS = ("alignment", "normalized_alignment")
"""Times of the characters as they were sent, and as they were read out (numbers in words, for instance)."""
CHARACTERS = "characters"
STARTS, ENDS = "character_start_times_seconds", "character_end_times_seconds"


def _alignment(given: Any) -> dict[str, list[Any]] | None:
    """When each character is spoken; None where the provider could not tell.

    Raises:
        KeyError, TypeError, ValueError: If it is something else.
    """
    if given is None:
        return None
    found: dict[str, list[Any]] = {CHARACTERS: list(map(str, given[CHARACTERS]))}
    found |= {name: list(map(float, given[name])) for name in (STARTS, ENDS)}
    if len({len(each) for each in found.values()}) != 1:
        raise ValueError("the lists differ in their lengths")
    return found


def _with_rate(sound: Media, response: httpx.Response) -> Media:
    """Raw samples with their rate, without which nobody could play them."""
    if sound.mime_type != "audio/pcm":
        return sound
    said = re.search(r"rate=([1-9][0-9]{2,6})(?![0-9])", response.headers.get("content-type", ""))
    rate = int(said[1]) if said else _PCM_RATES.get(catalog.maker(sound.model or ""), PCM16_RATE)
    return replace(sound, metadata={**sound.metadata, "sample_rate": rate})


# --- Parts joined -----------------------------------------------------------------------------------------------------


def joined_sounds(sounds: Sequence[Media], prompt: str) -> Media:
    """Parts of a text as one sound.

    Raises:
        InvalidResponseError: If they are no WAVs of one format.
    """
    try:
        data = media.joined_wavs([sound.data for sound in sounds])
        seconds = [media.wav_seconds(sound.data) for sound in sounds]
    except ValueError as error:
        kinds = ", ".join(dict.fromkeys(sound.mime_type for sound in sounds))
        raise InvalidResponseError(
            f"The {len(sounds)} parts of the text ({kinds}) cannot be joined: {error}",
            request_id=sounds[0].request_id,
        ) from error
    known = [sound.metadata for sound in sounds]
    return Media(
        data=data,
        mime_type="audio/wav",
        model=", ".join(dict.fromkeys(sound.model or "" for sound in sounds)),
        seed=sounds[0].seed,
        prompt=prompt,
        metadata={
            **{name: value for name, value in known[0].items() if all(each.get(name) == value for each in known)},
            **_summed(known),
            **{name: _shifted([each[name] for each in known], seconds) for name in ALIGNMENTS if name in known[0]},
            "request_ids": [sound.request_id for sound in sounds],
        },
    )


def _summed(known: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Usage of all parts. The service leaves out what is zero."""
    names = dict.fromkeys(name for each in known for name in each if name.startswith("x-usage-"))
    told = {name: [each.get(name, "0") for each in known] for name in names}
    return {
        name: str(sum(map(Decimal, values)))
        for name, values in told.items()
        if all(re.fullmatch(r"\d+(\.\d+)?", value) for value in values)
    }


def _shifted(
    alignments: Sequence[dict[str, list[Any]] | None], seconds: Sequence[float]
) -> dict[str, list[Any]] | None:
    """Times of the parts as times of the whole; None where one is not known."""
    whole: dict[str, list[Any]] = {CHARACTERS: [], STARTS: [], ENDS: []}
    before = 0.0
    for alignment, lasts in zip(alignments, seconds, strict=True):
        if alignment is None:
            return None
        whole[CHARACTERS] += alignment[CHARACTERS]
        for name in (STARTS, ENDS):
            whole[name] += [before + time for time in alignment[name]]
        before += lasts
    return whole
