"""`PollinationsVoice`: changes the voice of a recording, and isolates speech from music and noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, Literal, TypeAlias, Unpack

from pydantic import Field

from langchain_pollinations._catalog.capabilities import check_choice, require
from langchain_pollinations._catalog.costs import canonical, expected_price
from langchain_pollinations._catalog.records import Model, find
from langchain_pollinations._catalog.snapshot import abilities
from langchain_pollinations._media.audio_options import resolve_voice
from langchain_pollinations._media.base import FilePath, MediaWriter, ModelOptions
from langchain_pollinations._media.billing import cost_of_media
from langchain_pollinations._media.progress import ShowProgress
from langchain_pollinations._media.recordings import Recording, RecordingFile, read_voice
from langchain_pollinations._transport.metering import Billing
from langchain_pollinations._transport.request import ApiRequest, OnProgress, RequestFlow, multipart
from langchain_pollinations._validation import CallOverrides, merge_options
from langchain_pollinations.audio import parse_audio
from langchain_pollinations.errors import InvalidRequestError
from langchain_pollinations.media import Media

CHANGER, ISOLATOR = "/v1/audio/voice-changer", "/v1/audio/voice-isolator"

VoiceFormat: TypeAlias = Literal["mp3", "opus", "aac", "wav", "pcm"]

MAX_CHANGED_SECONDS = 300.0
MIN_ISOLATED_SECONDS = 4.6


class ChangeOptions(ModelOptions):
    """Options of `PollinationsVoice.change`. For an option that is None, the service applies its default."""

    model: str = Field(default="voice-changer", min_length=1)
    """Canonical id or alias of the model that changes a voice."""
    voice: str | None = Field(default=None, min_length=1)
    """Name of the new voice, case-insensitive, or the id of a custom ElevenLabs voice. `list_models("audio")` returns
    the `voices` of the model. The service's default is `alloy`."""
    response_format: VoiceFormat | None = None
    """Requested audio format. The service's default is mp3."""


class IsolationOptions(ModelOptions):
    """Options of `PollinationsVoice.isolate`."""

    model: str = Field(default="voice-isolator", min_length=1)
    """Canonical id or alias of the model that isolates speech."""


class ChangeOverrides(CallOverrides, total=False):
    """Keyword arguments of `PollinationsVoice.change`: the options of `ChangeOptions`."""

    model: str
    voice: str | None
    response_format: VoiceFormat | None


class IsolationOverrides(CallOverrides, total=False):
    """Keyword arguments of `PollinationsVoice.isolate`: the options of `IsolationOptions`."""

    model: str


class PollinationsVoice(MediaWriter, ChangeOptions):
    """Changes the voice of a recording, and isolates speech from music and noise.

        >>> voice = PollinationsVoice(voice="nova")
        >>> clean = voice.isolate("interview.mp3")
        >>> voice.change(clean, path="nova.mp3").mime_type
        'audio/mpeg'

    Every field of `ChangeOptions` is an option of the constructor and of `change`. Both models require purchased
    pollen. They cost 0.002 pollen per second of the recording. A repeated call with the same recording and the same
    options returns the stored result and is free.

    Paths are not restricted to a folder: do not pass paths that a language model wrote.
    """

    _CATEGORY = "audio"

    isolator: str = Field(default="voice-isolator", min_length=1)
    """Canonical id or alias of the model of `isolate`."""

    def change(
        self,
        recording: Recording,
        *,
        path: FilePath | None = None,
        progress: ShowProgress = None,
        **overrides: Unpack[ChangeOverrides],
    ) -> Media:
        """Let another voice say the words of a recording, with the same timing and mood.

        Args:
            recording: A `Blob`, a `Media`, bytes, or the path of a file. The maximum is 50 MiB and 5 minutes. The
                duration of WAV files is checked before the request is sent. URLs are not fetched.
            path: File that the audio is written to. A missing suffix is added. An existing file is replaced
                once the audio is complete. `output_folder` describes the default.
            progress: Overrides the field `progress`, for this call only.
            overrides: Options of `ChangeOptions`, for this call only. `timeout`, as in the constructor,
                and `extra_headers` are also accepted. `extra_headers` take precedence over `default_headers` and must
                not contain `Authorization`.

        Returns:
            The audio. `metadata["voice_changer_voice"]` is the voice. `metadata["x-usage-prompt-audio-seconds"]`
            contains the billed seconds. Raw samples (`response_format="pcm"`) have 16 bits and one channel, and
            `metadata["sample_rate"]` contains their sample rate.

        Raises:
            InvalidRequestError: If an option is invalid, the input is not a recording, the recording is too long, or
                the service rejects the request.
            UnsupportedRequestError: If the model does not change voices. The message names models that do.
            PayloadTooLargeError: If the recording is larger than 50 MiB.
            PaymentRequiredError: If the account has no purchased pollen.
            InvalidResponseError: If the response is not complete audio.
            OSError: If a file cannot be read or written.
            ImportError: If a progress bar is requested and tqdm is not installed.
        """
        options = self._change_options(overrides)
        return self._run(partial(_changing, recording, options), options, path, progress)

    async def achange(
        self,
        recording: Recording,
        *,
        path: FilePath | None = None,
        progress: ShowProgress = None,
        **overrides: Unpack[ChangeOverrides],
    ) -> Media:
        """Asynchronous version of `change`."""
        options = self._change_options(overrides)
        return await self._arun(partial(_changing, recording, options), options, path, progress)

    def isolate(
        self,
        recording: Recording,
        *,
        path: FilePath | None = None,
        progress: ShowProgress = None,
        **overrides: Unpack[IsolationOverrides],
    ) -> Media:
        """Remove music and noise from a recording. The speech remains.

        Args:
            recording: A `Blob`, a `Media`, bytes, or the path of a file, with audio or video. The maximum is 50 MiB,
                the minimum 4.6 seconds. The duration of WAV files is checked before the request is sent. URLs are not
                fetched.
            path: As in `change`.
            progress: As in `change`.
            overrides: `model`, for this call only. `timeout` and `extra_headers` are also accepted, as in `change`.

        Returns:
            The speech, as mp3. `metadata["x-usage-prompt-audio-seconds"]` contains the billed seconds.

        Raises:
            InvalidRequestError: If an option is invalid, the input is not a recording, the recording is too short, or
                the service rejects the request.
            UnsupportedRequestError: If the model does not isolate speech. The message names models that do.
            PollinationsError: All other errors as in `change`.
        """
        options = self._isolation_options(overrides)
        return self._run(partial(isolation, recording, options), options, path, progress)

    async def aisolate(
        self,
        recording: Recording,
        *,
        path: FilePath | None = None,
        progress: ShowProgress = None,
        **overrides: Unpack[IsolationOverrides],
    ) -> Media:
        """Asynchronous version of `isolate`."""
        options = self._isolation_options(overrides)
        return await self._arun(partial(isolation, recording, options), options, path, progress)

    def _change_options(self, overrides: Mapping[str, Any]) -> ChangeOptions:
        options = merge_options(ChangeOptions, self, overrides, self._SYNONYMS)
        return check_change(options)

    def _isolation_options(self, overrides: Mapping[str, Any]) -> IsolationOptions:
        if misplaced := sorted(overrides.keys() & {"voice", "response_format"}):
            raise InvalidRequestError(f"{', '.join(misplaced)}: an option of change, not of isolate")
        options = merge_options(IsolationOptions, self, {"model": self.isolator, **overrides}, self._SYNONYMS)
        check_model(options.model, ISOLATOR, "does not isolate speech")
        return options


# --- Checks -----------------------------------------------------------------------------------------------------------


def check_model(name: str, route: str, lacks: str) -> Model | None:
    """Return the record of a model. Return None for a model that the catalog does not list.

    Raises:
        UnsupportedRequestError: If the model is known not to have the route. The message names models that have it.
    """
    model = find(name)
    if model is not None and model.endpoints:
        require(route in model.endpoints, name, lacks, "audio", lambda other: route in other.endpoints)
    return model


def check_change(options: ChangeOptions) -> ChangeOptions:
    """Validate the options of `change`. Return them with the voice in the spelling of the model's voice list.

    Models that the catalog does not list are not checked. The service validates their options.

    Raises:
        UnsupportedRequestError: If the model does not change voices.
        InvalidRequestError: If the model lacks the voice or the format.
    """
    model = check_model(options.model, CHANGER, "does not change voices")
    if model is None:
        return options
    formats = abilities(model.id).get("response_formats")
    if formats and options.response_format is not None:
        check_choice("response_format", options.response_format, formats, options.model)
    if options.voice is None:
        return options
    voice = resolve_voice(options.voice, model, options.model, "voice")
    return options.model_copy(update={"voice": voice})


# --- Requests ---------------------------------------------------------------------------------------------------------


def _changing(recording: Any, options: ChangeOptions, on_progress: OnProgress | None) -> RequestFlow[Media]:
    file = read_voice(recording)
    seconds = file.seconds
    if seconds is not None and seconds > MAX_CHANGED_SECONDS:
        raise InvalidRequestError(
            f"recording: it lasts {seconds:,.1f} s; the maximum is {MAX_CHANGED_SECONDS:g} s", param="recording"
        )
    audio: Media = yield replace(voice_request(CHANGER, file, options), on_progress=on_progress)
    return audio


def isolation(recording: Any, options: IsolationOptions, on_progress: OnProgress | None = None) -> RequestFlow[Media]:
    """Create the request flow that isolates the speech of a recording."""
    file = read_voice(recording)
    seconds = file.seconds
    if seconds is not None and seconds < MIN_ISOLATED_SECONDS:
        raise InvalidRequestError(
            f"recording: it lasts {seconds:.1f} s; isolation requires at least {MIN_ISOLATED_SECONDS:g} s",
            param="recording",
        )
    audio: Media = yield replace(voice_request(ISOLATOR, file, options), on_progress=on_progress)
    return audio


def voice_request(route: str, file: RecordingFile, options: ModelOptions) -> ApiRequest[Media]:
    """Build `POST /v1/audio/voice-changer` or `POST /v1/audio/voice-isolator`.

    Args:
        route: The path of the route.
        file: The recording.
        options: The options of the request.
    """
    fields = {name: str(value) for name, value in options.model_dump(exclude_none=True).items()}
    form = multipart(fields, [("file", (file.name, file.data, file.mime_type))])
    billing = Billing("audio", canonical(options.model), partial(_estimate, file, options.model), cost_of_media)
    return ApiRequest("POST", route, partial(parse_audio, prompt=None, options=options), form, billing=billing)


def _estimate(file: RecordingFile, model: str) -> Decimal | None:
    return expected_price(model, seconds=file.expected_seconds)
