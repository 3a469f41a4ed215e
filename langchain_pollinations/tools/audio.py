"""Tools that generate speech and music, and that transcribe audio."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.documents import Document
from langchain_core.tools import ToolException
from pydantic import BaseModel, Field

from langchain_pollinations._media.audio_options import MAX_VOICE
from langchain_pollinations._media.formats import sniff
from langchain_pollinations._media.recordings import MAX_RECORDING_BYTES
from langchain_pollinations._media.references import ReferenceReader
from langchain_pollinations._safe_text import safe_lines
from langchain_pollinations._transport.request import ApiRequest, RequestFlow
from langchain_pollinations.audio import PollinationsMusic, PollinationsSpeech
from langchain_pollinations.errors import InvalidRequestError, NotFoundError, PayloadTooLargeError
from langchain_pollinations.media import Media
from langchain_pollinations.tools.base import Content, MediaTool, chosen_arguments
from langchain_pollinations.transcription import PollinationsTranscriber
from langchain_pollinations.uploads import UNKNOWN

# --- Audio ------------------------------------------------------------------------------------------------------------


class SpeechInput(BaseModel):
    """Arguments that the language model chooses for speech."""

    text: str = Field(description="What is to be read aloud, word for word.")
    voice: str | None = Field(
        default=None, max_length=MAX_VOICE, description="Name of the voice. Leave out for the default."
    )


class PollinationsSpeechTool(MediaTool):
    """Tool that generates speech.

    Takes the arguments of `PollinationsSpeech`, or a `PollinationsSpeech` as `speech=`.
    """

    max_characters: int = Field(default=10_000, ge=1)
    """Maximum characters of the text of one call. A long text takes several requests, and each is billed."""

    _WRAPPER = "speech"
    _NOUN = "recording"

    name: str = "generate_speech"
    description: str = "Reads a text aloud, word for word, and answers with the id and address of the recording."
    args_schema: type[BaseModel] = SpeechInput

    if TYPE_CHECKING:
        __init__ = MediaTool.__init__

    speech: PollinationsSpeech
    """Wrapper that generates the speech."""

    def _request(self, options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        text = options.pop("text")
        if len(text) > self.max_characters:
            told = f"text has {len(text):,} characters; at most {self.max_characters:,} are read aloud in one call"
            raise InvalidRequestError(told, param="text")
        return (text,), options


class MusicInput(BaseModel):
    """Arguments that the language model chooses for music."""

    prompt: str = Field(description="What is to be heard: style, mood, instruments, tempo, or the words of a song.")
    duration: float | None = Field(default=None, gt=0, le=380, description="Seconds. Leave out for the default.")
    instrumental: bool | None = Field(default=None, description="Whether nobody is to sing.")


class PollinationsMusicTool(MediaTool):
    """Tool that generates music and sound effects.

    Takes the arguments of `PollinationsMusic`, or a `PollinationsMusic` as `music=`.
    """

    _WRAPPER = "music"
    _NOUN = "music"

    name: str = "generate_music"
    description: str = "Makes music or a sound from a description and answers with its id and address."
    args_schema: type[BaseModel] = MusicInput

    if TYPE_CHECKING:
        __init__ = MediaTool.__init__

    music: PollinationsMusic
    """Wrapper that generates the music."""


class TranscribeInput(BaseModel):
    """Arguments that the language model chooses for a transcript."""

    recording: str = Field(description="Id or address of the recording, as you were told it.")
    language: str | None = Field(default=None, description="Language that is spoken, as two letters, where known.")


class PollinationsTranscribeTool(MediaTool):
    """Tool that transcribes earlier media, by id, and files below `reference_folder`.

    Takes the arguments of `PollinationsTranscriber`, or a `PollinationsTranscriber` as `transcriber=`. Other URLs are
    rejected, since a text of a model must not make this machine fetch a URL. The artifact holds the `page_content` and
    the `metadata` of the `Document`.
    """

    _WRAPPER = "transcriber"

    name: str = "transcribe_audio"
    description: str = "Writes down what is said in a recording or film."
    args_schema: type[BaseModel] = TranscribeInput

    if TYPE_CHECKING:
        __init__ = MediaTool.__init__

    transcriber: PollinationsTranscriber
    """Wrapper that transcribes the audio."""
    reference_folder: Path | None = None
    """Folder below which recordings may be read from files. Without it no file is read."""

    def _run(
        self, *words: str, run_manager: CallbackManagerForToolRun | None = None, **options: Any
    ) -> tuple[Content, dict[str, Any]]:
        options = self._named(words, options)
        with self._telling(options):
            chosen = chosen_arguments(options)
            with _explain_missing():
                recording = self.transcriber._client.run(self._recording(chosen.pop("recording")))
            return self._result(self.transcriber.transcribe(recording, **chosen))

    async def _arun(
        self, *words: str, run_manager: AsyncCallbackManagerForToolRun | None = None, **options: Any
    ) -> tuple[Content, dict[str, Any]]:
        options = self._named(words, options)
        with self._telling(options):
            chosen = chosen_arguments(options)
            with _explain_missing():
                recording = await self.transcriber._client.arun(self._recording(chosen.pop("recording")))
            return self._result(await self.transcriber.atranscribe(recording, **chosen))

    def _recording(self, reference: str) -> RequestFlow[Media]:
        """The recording that the model named, from the store, a file, or the service's media host."""
        host = self.transcriber._media_host
        named = self._made(reference)
        if isinstance(named, str):
            family = "video" if named.endswith((".mp4", ".webm")) else "audio"
            named = ReferenceReader("recording", family, self.reference_folder, host, MAX_RECORDING_BYTES).one(named)
        if isinstance(named, Media):
            return named
        path = named.removeprefix(host)
        if not named.startswith(f"{host}/") or not _MEDIA_PATH.fullmatch(path):
            raise InvalidRequestError("recording: give the id of a recording that was made here", param="recording")
        read = partial(_parse_recording, url=named)
        fetched: Media = yield ApiRequest(
            "GET", path, read, origin=host, send_credentials=False, on_progress=_check_size
        )
        return fetched

    def _result(self, made: Document) -> tuple[Content, dict[str, Any]]:
        text = safe_lines(made.page_content[:MAX_TRANSCRIPT], [self._secret()]) or "Nothing is said in it."
        if (length := len(made.page_content)) > MAX_TRANSCRIPT:
            text += f"\n(The transcript has {length:,} characters; these are the first {MAX_TRANSCRIPT:,}.)"
        return text, {
            "type": "pollinations_transcript",
            "page_content": made.page_content,
            "metadata": made.metadata,
        }


@contextmanager
def _explain_missing() -> Iterator[None]:
    """Convert an unknown id on the media host to `ToolException`, since the model can correct it."""
    try:
        yield
    except NotFoundError as error:
        raise ToolException("recording: nothing is kept under this id (any more)") from error


MAX_TRANSCRIPT = 100_000
"""Maximum characters of a transcript that the language model reads. The artifact has the full transcript."""

_MEDIA_PATH = re.compile(r"/(?!\.+$)[A-Za-z0-9._-]{1,200}")
"""Paths on the media host."""


def _check_size(received: int, total: int | None) -> None:
    """Abort a download that exceeds `MAX_RECORDING_BYTES`, before it is in memory."""
    if max(received, total or 0) > MAX_RECORDING_BYTES:
        raise PayloadTooLargeError(f"recording: is larger than {MAX_RECORDING_BYTES:,} bytes", param="recording")


def _parse_recording(response: httpx.Response, url: str) -> Media:
    """A file from the media host. Its MIME type is detected from its bytes."""
    return Media(data=response.content, mime_type=sniff(response.content) or UNKNOWN, url=url)
