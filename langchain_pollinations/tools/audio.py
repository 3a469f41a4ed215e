"""Tools that generate speech and music, and that transcribe audio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.documents import Document
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import ToolException
from pydantic import BaseModel, Field

from langchain_pollinations._media.audio_options import MAX_VOICE
from langchain_pollinations._media.formats import sniff
from langchain_pollinations._media.media_store import owner_of
from langchain_pollinations._media.recordings import MAX_RECORDING_BYTES
from langchain_pollinations._media.references import ReferenceReader
from langchain_pollinations._safe_text import safe_lines
from langchain_pollinations._transport.request import RequestFlow
from langchain_pollinations.audio import PollinationsMusic, PollinationsSpeech
from langchain_pollinations.errors import InvalidRequestError, NotFoundError, PayloadTooLargeError
from langchain_pollinations.media import Media
from langchain_pollinations.tools.base import Content, MediaTool, chosen_arguments
from langchain_pollinations.transcription import PollinationsTranscriber
from langchain_pollinations.uploads import UNKNOWN, file_request

# --- Audio ------------------------------------------------------------------------------------------------------------


class SpeechInput(BaseModel):
    """Arguments that the language model chooses for speech."""

    text: str = Field(description="Text to speak, word for word.")
    voice: str | None = Field(
        default=None, max_length=MAX_VOICE, description="Name of the voice. Omit for the default."
    )


class PollinationsSpeechTool(MediaTool):
    """Tool that generates speech.

        >>> tool = PollinationsSpeechTool(voice="nova")
        >>> tool.invoke({"text": "The tide is out."})
        '...'

    The tool takes the arguments of `PollinationsSpeech`, or a `PollinationsSpeech` as `wrapper=`.
    """

    max_characters: int = Field(default=10_000, ge=1)
    """Maximum characters of the text of one call. A long text takes several requests, and each request is billed."""

    _NOUN = "recording"

    name: str = "generate_speech"
    description: str = "Speak a text aloud, word for word. Returns the id and URL of the recording."
    args_schema: type[BaseModel] = SpeechInput

    if TYPE_CHECKING:
        __init__ = MediaTool.__init__

    wrapper: PollinationsSpeech
    """Wrapper that generates the speech."""

    def _request(self, options: dict[str, Any], owner: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        text = options.pop("text")
        if len(text) > self.max_characters:
            message = f"text: has {len(text):,} characters; at most {self.max_characters:,} are allowed per call"
            raise InvalidRequestError(message, param="text")
        return (text,), options


class MusicInput(BaseModel):
    """Arguments that the language model chooses for music."""

    prompt: str = Field(
        description="Description of the music: style, mood, instruments, tempo, or the lyrics of a song."
    )
    duration: float | None = Field(default=None, gt=0, le=380, description="Duration in seconds. Omit for the default.")
    instrumental: bool | None = Field(default=None, description="True for music without vocals.")


class PollinationsMusicTool(MediaTool):
    """Tool that generates music and sound effects.

        >>> PollinationsMusicTool().invoke({"prompt": "a slow waltz"})
        '...'

    The tool takes the arguments of `PollinationsMusic`, or a `PollinationsMusic` as `wrapper=`.
    """

    _NOUN = "music"

    name: str = "generate_music"
    description: str = "Generate music or a sound effect from a text prompt. Returns its id and URL."
    args_schema: type[BaseModel] = MusicInput

    if TYPE_CHECKING:
        __init__ = MediaTool.__init__

    wrapper: PollinationsMusic
    """Wrapper that generates the music."""


class TranscribeInput(BaseModel):
    """Arguments that the language model chooses for a transcript."""

    recording: str = Field(description="Id or URL of the recording, exactly as a tool returned it.")
    language: str | None = Field(
        default=None, description="Spoken language as a two-letter code, such as en. Omit if unknown."
    )


class PollinationsTranscribeTool(MediaTool):
    """Tool that transcribes earlier media, by id, and files below `reference_folder`.

        >>> PollinationsTranscribeTool(reference_folder=".").invoke({"recording": "interview.mp3"})
        '...'

    The tool takes the arguments of `PollinationsTranscriber`, or a `PollinationsTranscriber` as `wrapper=`. Only URLs
    on the service's media host are accepted, because a language model must not make this machine fetch any other URL.
    The artifact contains the `page_content` and the `metadata` of the `Document`.
    """

    name: str = "transcribe_audio"
    description: str = "Transcribe the speech in an audio recording or a video. Returns the text."
    args_schema: type[BaseModel] = TranscribeInput

    if TYPE_CHECKING:
        __init__ = MediaTool.__init__

    wrapper: PollinationsTranscriber
    """Wrapper that transcribes the audio."""
    reference_folder: Path | None = None
    """Folder of the recordings. Only files below this folder are read. If the folder is None, no file is read."""

    def _run(
        self, *args: str, config: RunnableConfig, run_manager: CallbackManagerForToolRun | None = None, **options: Any
    ) -> tuple[Content, dict[str, Any]]:
        options = self._by_name(args, options)
        with self._errors_for_model(options):
            overrides = chosen_arguments(options)
            with _explain_missing():
                flow = self._recording(overrides.pop("recording"), owner_of(config))
                recording = self.wrapper._client.run(flow)
            return self._transcript(self.wrapper.transcribe(recording, **overrides))

    async def _arun(
        self,
        *args: str,
        config: RunnableConfig,
        run_manager: AsyncCallbackManagerForToolRun | None = None,
        **options: Any,
    ) -> tuple[Content, dict[str, Any]]:
        options = self._by_name(args, options)
        with self._errors_for_model(options):
            overrides = chosen_arguments(options)
            with _explain_missing():
                flow = self._recording(overrides.pop("recording"), owner_of(config))
                recording = await self.wrapper._client.arun(flow)
            return self._transcript(await self.wrapper.atranscribe(recording, **overrides))

    def _recording(self, reference: str, owner: str) -> RequestFlow[Media]:
        """Load the recording that the language model named, from the store, a file, or the service's media host."""
        host = self.wrapper._media_host
        media = self._resolve(reference, owner)
        if isinstance(media, str):
            family = "video" if media.endswith((".mp4", ".webm")) else "audio"
            media = ReferenceReader("recording", family, self.reference_folder, host, MAX_RECORDING_BYTES).one(media)
        if isinstance(media, Media):
            return media
        request = file_request(media, host, partial(_parse_recording, url=media), _check_size)
        if request is None:
            raise InvalidRequestError("recording: must be the id of an earlier recording or video", param="recording")
        fetched: Media = yield request
        return fetched

    def _transcript(self, transcript: Document) -> tuple[Content, dict[str, Any]]:
        text = safe_lines(transcript.page_content[:MAX_TRANSCRIPT], [self._secret()]) or "No speech was recognized."
        if (length := len(transcript.page_content)) > MAX_TRANSCRIPT:
            text += f"\n(The transcript has {length:,} characters; only the first {MAX_TRANSCRIPT:,} are included.)"
        return text, {
            "type": "pollinations_transcript",
            "page_content": transcript.page_content,
            "metadata": transcript.metadata,
        }


@contextmanager
def _explain_missing() -> Iterator[None]:
    """Convert the error for an unknown id to `ToolException`, because the language model can correct the id."""
    try:
        yield
    except NotFoundError as error:
        raise ToolException("recording: no file exists under this id, or it has expired") from error


MAX_TRANSCRIPT = 100_000
"""Maximum characters of a transcript that the language model reads. The artifact contains the full transcript."""


def _check_size(received: int, total: int | None) -> None:
    """Abort a download that exceeds `MAX_RECORDING_BYTES`, before all its bytes are in memory."""
    if max(received, total or 0) > MAX_RECORDING_BYTES:
        raise PayloadTooLargeError(
            f"recording: is too large; at most {MAX_RECORDING_BYTES:,} bytes are accepted", param="recording"
        )


def _parse_recording(response: httpx.Response, url: str) -> Media:
    """Parse a file from the media host. Its MIME type is detected from its bytes."""
    return Media(data=response.content, mime_type=sniff(response.content) or UNKNOWN, url=url)
