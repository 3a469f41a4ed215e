"""`PollinationsSpeech` and `PollinationsMusic`: generate speech, music and sound effects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Unpack

import httpx

from langchain_pollinations._catalog.snapshot import abilities, publisher
from langchain_pollinations._media.audio_options import (
    _PCM_RATES,
    MAX_REFERENCE_BYTES,
    ROUTE,
    TIMED_ROUTE,
    Dialogue,
    MusicOptions,
    MusicOverrides,
    SharedAudioOptions,
    SpeechOptions,
    SpeechOverrides,
    check_music,
    check_sizes,
    check_speech,
)
from langchain_pollinations._media.audio_parts import (
    ALIGNMENTS,
    check_input,
    join_recordings,
    parse_alignment,
    split_speech,
)
from langchain_pollinations._media.base import FilePath, MediaGenerator, ModelOptions
from langchain_pollinations._media.billing import media_billing
from langchain_pollinations._media.data_uri import decode
from langchain_pollinations._media.progress import ShowProgress, share_progress
from langchain_pollinations._media.response import parse_media
from langchain_pollinations._media.wav import PCM16_RATE
from langchain_pollinations._transport.error_response import parse_json, unexpected_response
from langchain_pollinations._transport.request import ApiRequest, OnProgress, RequestFlow
from langchain_pollinations.media import Media


class PollinationsSpeech(MediaGenerator, SpeechOptions):
    """Generates speech from text.

        >>> speaker = PollinationsSpeech(voice="nova")
        >>> speaker.generate("The tide is out.").save("tide").name
        'tide.mp3'

    Every field of `SpeechOptions` is an option of the constructor and of each call. The class is also a LangChain
    `Runnable` that converts text to a `Media`: `chat | StrOutputParser() | speaker`.

    A text of more than 10,000 characters is sent in several requests, and the results are joined. Only WAV files can be
    joined, so set `response_format="wav"` if WAV is not the model's default. With `model="dialogue"`, each line of the
    text has the form `voice: text`.
    """

    _OPTIONS = SpeechOptions
    _CATEGORY = "audio"

    def generate(
        self,
        prompt: str | Dialogue,
        *,
        path: FilePath | None = None,
        progress: ShowProgress = None,
        **overrides: Unpack[SpeechOverrides],
    ) -> Media:
        """Generate speech.

        Args:
            prompt: The text to speak. A dialogue is a text with lines of the form `voice: text`, or a list of pairs
                `(voice, text)`.
            path: File that the audio is written to. A missing suffix is added. An existing file is replaced
                once the audio is complete. `output_folder` describes the default.
            progress: Overrides the field `progress`, for this call only.
            overrides: Options of `SpeechOptions`, for this call only. `timeout`, as in the constructor,
                and `extra_headers` are also accepted. `extra_headers` take precedence over `default_headers` and must
                not contain `Authorization`.

        Returns:
            The audio. If it was saved, its bytes are in the file. Otherwise they are in memory. Raw samples
            (`response_format="pcm"`) have 16 bits and one channel. `metadata["sample_rate"]` contains their sample
            rate. If the text took several requests, the result is the joined audio and has no `url`. The usage is then
            the total, and `metadata["request_ids"]` lists the requests. Timestamps refer to the joined audio.
            Whitespace between the parts has no timestamps.

        Raises:
            InvalidRequestError: If the text or an option is invalid, or the service rejects it.
            UnsupportedRequestError: If the model lacks an ability. The message names models that have this ability.
            ContentBlockedError: If the `safe` filter blocked the text.
            UnprocessableError: If the provider refused the text.
            InvalidResponseError: If the response is not complete audio, or the parts cannot be joined.
            OSError: If the file cannot be written.
            ImportError: If a progress bar is requested and tqdm is not installed.
        """
        return self._generate(prompt, path, progress, overrides)

    async def agenerate(
        self,
        prompt: str | Dialogue,
        *,
        path: FilePath | None = None,
        progress: ShowProgress = None,
        **overrides: Unpack[SpeechOverrides],
    ) -> Media:
        """Asynchronous version of `generate`."""
        return await self._agenerate(prompt, path, progress, overrides)

    def _check(self, options: SpeechOptions) -> None:
        check_speech(options)

    def _generation(
        self, prompt: str | Dialogue, options: SpeechOptions, on_progress: OnProgress | None
    ) -> RequestFlow[Media]:
        options = check_speech(options)
        parts = split_speech(prompt, options)
        requests = [
            replace(speech_request(part, options), on_progress=shared)
            for part, shared in zip(parts, share_progress(on_progress, len(parts)), strict=True)
        ]
        if len(requests) == 1:
            recording: Media = yield requests[0]
            return recording
        recordings = yield requests
        return join_recordings(recordings, prompt if isinstance(prompt, str) else "\n".join(parts))


class PollinationsMusic(MediaGenerator, MusicOptions):
    """Generates music and sound effects from a prompt.

        >>> band = PollinationsMusic(duration=10, instrumental=True)
        >>> band.generate("a slow waltz for two accordions").save("waltz").name
        'waltz.mp3'
        >>> PollinationsMusic(model="sfx").generate("a door falls shut").mime_type
        'audio/mpeg'

    Every field of `MusicOptions` is an option of the constructor and of each call. The class is also a LangChain
    `Runnable` that converts a prompt to a `Media`.
    """

    _OPTIONS = MusicOptions
    _CATEGORY = "audio"

    def generate(
        self,
        prompt: str,
        *,
        path: FilePath | None = None,
        progress: ShowProgress = None,
        **overrides: Unpack[MusicOverrides],
    ) -> Media:
        """Generate music or a sound effect.

        Args:
            prompt: Description of the audio, up to 10,000 characters. It may be empty with a `composition_plan`.
            path: File that the audio is written to. A missing suffix is added. An existing file is replaced
                once the audio is complete. `output_folder` describes the default.
            progress: Overrides the field `progress`, for this call only.
            overrides: Options of `MusicOptions`, for this call only. `timeout`, as in the constructor,
                and `extra_headers` are also accepted. `extra_headers` take precedence over `default_headers` and must
                not contain `Authorization`.

        Returns:
            The audio. If it was saved, its bytes are in the file. Otherwise they are in memory.

        Raises:
            InvalidRequestError: If an option or the reference is invalid, or the service rejects it.
            UnsupportedRequestError: If the model lacks an ability. The message names models that have this ability.
            MediaInputError: If the service could not fetch or read the reference.
            ContentBlockedError: If the `safe` filter blocked the prompt.
            UnprocessableError: If the provider refused the prompt.
            InvalidResponseError: If the response is not complete audio.
            OSError: If the file cannot be written.
            ImportError: If a progress bar is requested and tqdm is not installed.
        """
        return self._generate(prompt, path, progress, overrides)

    async def agenerate(
        self,
        prompt: str,
        *,
        path: FilePath | None = None,
        progress: ShowProgress = None,
        **overrides: Unpack[MusicOverrides],
    ) -> Media:
        """Asynchronous version of `generate`."""
        return await self._agenerate(prompt, path, progress, overrides)

    def _check(self, options: MusicOptions) -> None:
        check_music(options)

    def _generation(self, prompt: str, options: MusicOptions, on_progress: OnProgress | None) -> RequestFlow[Media]:
        if options.composition_plan is None or prompt != "":
            check_input(prompt)
        self._check(options)
        references = self._resolve_references("reference_audio", options.reference_audio, "audio", MAX_REFERENCE_BYTES)
        check_sizes(references)
        request = music_request(prompt, options, (yield from self._upload_references(references)))
        audio: Media = yield replace(request, on_progress=on_progress)
        return audio


# --- The request ------------------------------------------------------------------------------------------------------


def speech_request(text: str, options: SpeechOptions) -> ApiRequest[Media]:
    """Build `POST /v1/audio/speech`. For timestamps, build `POST /v1/audio/speech/with-timestamps`."""
    body = options.model_dump(exclude_none=True, exclude={"timestamps"}) | {"input": text}
    path, parse = (TIMED_ROUTE, parse_timed_audio) if options.timestamps else (ROUTE, parse_audio)
    parsed = partial(parse, prompt=text, options=options)
    return ApiRequest("POST", path, parsed, {"json": body}, billing=media_billing("audio", options, text))


def music_request(prompt: str, options: MusicOptions, references: Sequence[str] = ()) -> ApiRequest[Media]:
    """Build `POST /v1/audio/speech`. The model determines whether the route returns speech, music or sound effects."""
    # The service requires a prompt, but does not forward the prompt if there is a composition plan.
    body = options.model_dump(exclude_none=True, exclude={"reference_audio"}) | {"input": prompt or "composition plan"}
    if "duration" in body and "seconds" in abilities(options.model).get("parameters", ()):
        body["seconds"] = body.pop("duration")
    if references:
        (body["reference_audio"],) = references
    parse = partial(parse_audio, prompt=prompt, options=options)
    return ApiRequest("POST", ROUTE, parse, {"json": body}, billing=media_billing("audio", options, prompt))


# --- The response -----------------------------------------------------------------------------------------------------


def parse_audio(response: httpx.Response, prompt: str | None, options: ModelOptions) -> Media:
    """Parse the audio in the body of a response."""
    return _with_sample_rate(parse_media(response, response.content, "audio", prompt, options), response)


def parse_timed_audio(response: httpx.Response, prompt: str, options: SharedAudioOptions) -> Media:
    """Parse the audio in a JSON response. Its metadata contains the time of each character."""
    expected = "speech with timestamps"
    body = parse_json(response, expected)
    try:
        data = decode(body["audio_base64"])
        times = {name: parse_alignment(body.get(name)) for name in ALIGNMENTS}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise unexpected_response(response, expected) from error
    headers = response.headers.copy()
    if options.response_format == "pcm":
        headers["content-type"] = "audio/pcm"  # the header describes the JSON, not the audio
    audio_response = httpx.Response(response.status_code, headers=headers, request=response.request)
    return _with_sample_rate(
        parse_media(audio_response, data, "audio", prompt, options, metadata=times), audio_response
    )


def _with_sample_rate(audio: Media, response: httpx.Response) -> Media:
    """Add the sample rate to the metadata of raw samples. A player needs this rate to play raw samples."""
    if audio.mime_type != "audio/pcm":
        return audio
    match = re.search(r"rate=([1-9][0-9]{2,6})(?![0-9])", response.headers.get("content-type", ""))
    rate = int(match[1]) if match else _PCM_RATES.get(publisher(audio.model or ""), PCM16_RATE)
    return audio._with(metadata={**audio.metadata, "sample_rate": rate})
