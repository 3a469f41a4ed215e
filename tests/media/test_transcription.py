"""`PollinationsTranscriber`: which recordings go out and how, and what passes for a transcript."""

from __future__ import annotations

import asyncio
import io
import json
import pickle
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.document_loaders import BaseBlobParser, BaseLoader, BlobLoader
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from langchain_pollinations._catalog.snapshot import abilities, load_snapshot
from langchain_pollinations._media.recordings import MAX_RECORDING_BYTES
from langchain_pollinations.emulator import Asked, Emulator
from langchain_pollinations.emulator.service import forms
from langchain_pollinations.errors import (
    APIConnectionError,
    AuthenticationError,
    InsufficientBalanceError,
    InvalidRequestError,
    InvalidResponseError,
    PayloadTooLargeError,
    RateLimitError,
    UnknownModelError,
    UnsupportedRequestError,
    UpstreamError,
)
from langchain_pollinations.media import Media
from langchain_pollinations.transcription import PollinationsTranscriber

ROUTE = "/v1/audio/transcriptions"

Transcribe = Callable[..., Document]


def wav_bytes(seconds: float = 1.0) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(b"\x01\x00\xff\xff" * int(4000 * seconds))
    return file.getvalue()


WAV = wav_bytes()
MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x00" * 20


def _blob(recording: Any) -> Blob:
    return recording if isinstance(recording, Blob) else Blob.from_data(recording)


def _with(transcriber: PollinationsTranscriber, options: dict[str, Any]) -> PollinationsTranscriber:
    """The transcriber with other options, as the ways that take none in the call need it."""
    return transcriber.model_copy(update=options)


def _lazy_parse(transcriber: PollinationsTranscriber, recording: Any = WAV, **options: Any) -> Document:
    (document,) = _with(transcriber, options).lazy_parse(_blob(recording))
    return document


def _alazy_parse(transcriber: PollinationsTranscriber, recording: Any = WAV, **options: Any) -> Document:
    async def collect() -> list[Document]:
        return [document async for document in _with(transcriber, options).alazy_parse(_blob(recording))]

    (document,) = asyncio.run(collect())
    return document


def _transcribe(transcriber: PollinationsTranscriber, recording: Any = WAV, **options: Any) -> Document:
    return transcriber.transcribe(recording, **options)


def _atranscribe(transcriber: PollinationsTranscriber, recording: Any = WAV, **options: Any) -> Document:
    return asyncio.run(transcriber.atranscribe(recording, **options))


WAYS: dict[str, Transcribe] = {
    "lazy_parse": _lazy_parse,
    "alazy_parse": _alazy_parse,
    "transcribe": _transcribe,
    "atranscribe": _atranscribe,
}


@pytest.fixture(params=["transcribe", "alazy_parse"])
def transcribe(request: pytest.FixtureRequest) -> Transcribe:
    """`transcribe(transcriber, recording, **options)`, by a method of its own and by one of LangChain's, async."""
    return WAYS[request.param]


@pytest.fixture(params=["transcribe", "atranscribe"])
def take(request: pytest.FixtureRequest) -> Transcribe:
    """As `transcribe`, in the two ways that take more than blobs."""
    return WAYS[request.param]


@pytest.fixture
def transcriber(emulator: Emulator) -> PollinationsTranscriber:
    return PollinationsTranscriber(**emulator.connection())


def form_of(request: Asked) -> forms.Form:
    return asyncio.run(forms.read(request))


# --- Requests ---------------------------------------------------------------------------------------------------------


def test_nothing_is_sent_that_was_not_asked_for(
    transcriber: PollinationsTranscriber, emulator: Emulator, transcribe: Transcribe
) -> None:
    emulator.reply(body={"text": "Good morning."}, on=ROUTE)
    assert transcribe(transcriber).page_content == "Good morning."
    request = emulator.requests[-1]
    form = form_of(request)
    assert (request.method, request.path, dict(request.query)) == ("POST", ROUTE, {})
    assert form.fields == {"model": ["whisper"], "response_format": ["verbose_json"]}
    (upload,) = form.files.pop("file")
    assert not form.files
    assert (upload.name, upload.mime_type, upload.data) == ("recording.wav", "audio/wav", WAV)


def test_every_option_goes_out_as_it_was_given(
    transcriber: PollinationsTranscriber, emulator: Emulator, transcribe: Transcribe
) -> None:
    emulator.reply(body={"text": "x"}, on=ROUTE)
    options = {"language": "de", "prompt": "Lübeck", "temperature": 0.0, "speakers_expected": 2}
    transcribe(transcriber, model="universal-2", **options)
    assert form_of(emulator.requests[-1]).fields == {
        "model": ["universal-2"],
        "language": ["de"],
        "prompt": ["Lübeck"],
        "temperature": ["0.0"],
        "response_format": ["diarized_json"],
        "speakers_expected": ["2"],
    }


def test_an_option_of_the_call_wins_and_none_takes_it_back(emulator: Emulator, take: Transcribe) -> None:
    emulator.reply(body={"text": "x"}, on=ROUTE, times=2)
    transcriber = PollinationsTranscriber(**emulator.connection(), model_name="universal-2", speakers_expected=2)
    take(transcriber, model_name="whisper-1", language="EN", speakers_expected=None)
    take(transcriber)
    first, second = (form_of(request).fields for request in emulator.requests)
    assert first == {"model": ["whisper-1"], "language": ["en"], "response_format": ["verbose_json"]}
    assert second["speakers_expected"] == ["2"]


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({"model": "whisper"}, "verbose_json"),
        ({"model": "assemblyai/universal-2"}, "verbose_json"),
        ({"model": "gpt-transcribe"}, "json"),
        ({"model": "community/me/listener"}, "json"),
        ({"model": "scribe", "speakers_expected": 3}, "diarized_json"),
        ({"model": "community/me/listener", "speakers_expected": 3}, "diarized_json"),
        ({"model": "google/gemini-3.5-transcribe"}, "verbose_json"),
        ({"model": "google/gemini-3.5-transcribe", "speakers_expected": 8}, "diarized_json"),
        ({"model": "google/gemini-3.5-transcribe", "response_format": "text"}, "text"),
        ({"model": "whisper", "response_format": "json"}, "json"),
    ],
    ids=str,
)
def test_the_format_is_the_richest_that_the_model_is_known_to_give(
    transcriber: PollinationsTranscriber, emulator: Emulator, options: dict[str, Any], chosen: str
) -> None:
    emulator.reply(body={"text": "x"}, on=ROUTE)
    transcriber.transcribe(WAV, **options)
    assert form_of(emulator.requests[-1]).fields["response_format"] == [chosen]


def test_options_that_a_model_is_not_known_to_heed_are_sent_with_a_warning(
    transcriber: PollinationsTranscriber, emulator: Emulator, transcribe: Transcribe
) -> None:
    emulator.reply(body={"text": "x"}, on=ROUTE)
    with pytest.warns(UserWarning, match="prompt, temperature: sent, but model 'whisper' is not known to use"):
        transcribe(transcriber, prompt="Lübeck", temperature=0.5, language="de")
    assert form_of(emulator.requests[-1]).fields["prompt"] == ["Lübeck"]
    emulator.reply(body={"text": "x"}, on=ROUTE)
    with pytest.warns(UserWarning, match="^prompt: sent, but model 'google/gemini-3.5-transcribe' is not known to"):
        transcribe(transcriber, model="google/gemini-3.5-transcribe", prompt="Lübeck", speakers_expected=2)


# --- With the emulator's own ears -------------------------------------------------------------------------------------

SAID = "The tide comes in. Does it go out again?"


def spoken(emulator: Emulator, text: str = SAID, **fields: Any) -> bytes:
    key = emulator.connection()["api_key"]
    response = httpx.post(
        f"{emulator.url}/v1/audio/speech", json={"input": text, **fields}, headers={"Authorization": f"Bearer {key}"}
    )
    assert response.status_code == 200, response.text
    return response.content


@pytest.mark.parametrize("response_format", ["mp3", "wav"])
def test_what_was_spoken_is_written_down_with_its_times(
    transcriber: PollinationsTranscriber, emulator: Emulator, transcribe: Transcribe, response_format: str
) -> None:
    document = transcribe(transcriber, spoken(emulator, response_format=response_format))
    told = document.metadata
    assert document.page_content == SAID
    assert (told["model"], told["language"]) == ("openai/whisper-large-v3", "en")
    assert [segment["text"] for segment in told["segments"]] == ["The tide comes in.", "Does it go out again?"]
    assert " ".join(word["word"] for word in told["words"]) == SAID
    assert 0 <= told["segments"][0]["start"] < told["segments"][1]["start"] < told["duration"]
    assert told["usage"] == {"type": "duration", "seconds": told["duration"]}
    assert told["request_id"]
    assert "speakers" not in told
    json.dumps(told, allow_nan=False)


@pytest.mark.parametrize("model", ["universal-2", "google/gemini-3.5-transcribe"])
def test_speakers_are_told_apart(
    transcriber: PollinationsTranscriber, emulator: Emulator, transcribe: Transcribe, model: str
) -> None:
    document = transcribe(transcriber, wav_bytes(30), model=model, speakers_expected=2)
    assert document.metadata["speakers"] == ["A", "B"]
    assert {segment["speaker"] for segment in document.metadata["segments"]} == {"A", "B"}
    assert document.page_content == " ".join(segment["text"] for segment in document.metadata["segments"])


@pytest.mark.parametrize("response_format", ["flac", "opus", "aac", "mp3", "wav"])
def test_gemini_writes_down_files_that_other_models_do_not_take(
    transcriber: PollinationsTranscriber, emulator: Emulator, transcribe: Transcribe, response_format: str
) -> None:
    sound = spoken(emulator, response_format=response_format)
    document = transcribe(transcriber, sound, model="google/gemini-3.5-transcribe")
    assert document.page_content == SAID
    assert " ".join(word["word"] for word in document.metadata["words"]) == SAID


@pytest.mark.parametrize("response_format", ["mp3", "wav"])
def test_the_name_is_that_of_the_bytes_for_models_that_read_it(
    transcriber: PollinationsTranscriber, emulator: Emulator, transcribe: Transcribe, response_format: str
) -> None:
    wrong = {"mp3": "talk.wav", "wav": "talk.mp3"}[response_format]
    blob = Blob.from_data(spoken(emulator, response_format=response_format), path=f"/recordings/{wrong}")
    assert transcribe(transcriber, blob, model="gpt-transcribe").page_content == SAID


@pytest.mark.parametrize(("response_format", "start"), [("srt", "1\n00:00:00,000 --> "), ("vtt", "WEBVTT\n\n00:")])
def test_subtitles_are_the_content(
    transcriber: PollinationsTranscriber, emulator: Emulator, transcribe: Transcribe, response_format: str, start: str
) -> None:
    sound = spoken(emulator)
    document = transcribe(transcriber, sound, model="universal-2", response_format=response_format)
    assert document.page_content.startswith(start)
    assert "The tide comes in." in document.page_content
    assert document.metadata["duration"] > 1


def test_silence_is_an_empty_text(
    transcriber: PollinationsTranscriber, emulator: Emulator, transcribe: Transcribe
) -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(32000))
    document = transcribe(transcriber, file.getvalue())
    assert document.page_content == ""
    assert document.metadata["duration"] == 2
    assert not document.metadata.keys() & {"segments", "words", "speakers"}


KNOWN = {
    (entry["name"], response_format)
    for entry in load_snapshot().values()
    if (can := abilities(entry["name"])).get("kind") == "transcription"
    for response_format in can.get("response_formats", ["json"])
}


@pytest.mark.parametrize(("model", "response_format"), sorted(KNOWN))
def test_every_model_gives_the_formats_that_are_known_of_it(
    transcriber: PollinationsTranscriber, emulator: Emulator, model: str, response_format: str
) -> None:
    document = transcriber.transcribe(spoken(emulator), model=model, response_format=response_format)
    assert "The tide comes in." in document.page_content
    assert document.metadata["model"] == model


# --- Recordings -------------------------------------------------------------------------------------------------------

TAKEN = [
    pytest.param(WAV, "recording.wav", "audio/wav", id="WAV"),
    pytest.param(MP3, "recording.mp3", "audio/mpeg", id="MP3 with a tag"),
    *(
        pytest.param(bytes([0xFF, second]) + b"\x90\x00" * 20, "recording.mp3", "audio/mpeg", id=f"frame {second:x}")
        for second in (0xFB, 0xF3, 0xE3, 0xFD, 0xF5)
    ),
    pytest.param(b"\x00\x00\x00\x18ftypM4A " + b"\x00" * 40, "recording.m4a", "audio/mp4", id="M4A"),
    pytest.param(b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 40, "recording.mp4", "video/mp4", id="MP4"),
    pytest.param(b"\x00\x00\x01\xba" + b"\x00" * 40, "recording.mpeg", "video/mpeg", id="MPEG"),
    pytest.param(b"\x1aE\xdf\xa3" + b"\x00" * 40, "recording.webm", "video/webm", id="WebM"),
]


@pytest.mark.parametrize(("data", "name", "mime_type"), TAKEN)
def test_the_kind_of_a_recording_is_found_from_its_bytes(
    transcriber: PollinationsTranscriber, emulator: Emulator, data: bytes, name: str, mime_type: str
) -> None:
    emulator.reply(body={"text": "x"}, on=ROUTE)
    transcriber.transcribe(Blob.from_data(data, mime_type="text/plain"))
    upload = form_of(emulator.requests[-1]).file("file")
    assert upload is not None
    assert (upload.name, upload.mime_type, upload.data) == (name, mime_type, data)


@pytest.mark.parametrize(
    ("name", "data", "sent"),
    [
        ("talk.wav", WAV, "talk.wav"),
        ("Talk 1.WAV", WAV, "Talk 1.WAV"),
        ("Gespräch.mp3", MP3, "Gespräch.mp3"),
        ("speech.mpga", MP3, "speech.mpga"),
        ("talk.mp3", WAV, "recording.wav"),
        ("blob", WAV, "recording.wav"),
        ("talk.ogg", MP3, "recording.mp3"),
        ("two\nlines.wav", WAV, "recording.wav"),
        ("half\ud800.wav", WAV, "recording.wav"),
    ],
)
def test_a_part_has_the_name_of_the_file_where_its_suffix_is_right(
    transcriber: PollinationsTranscriber, emulator: Emulator, name: str, data: bytes, sent: str
) -> None:
    emulator.reply(body={"text": "x"}, on=ROUTE)
    transcriber.transcribe(Blob.from_data(data, path=f"/recordings/{name}"))
    upload = form_of(emulator.requests[-1]).file("file")
    assert upload is not None
    assert upload.name == sent


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    path.write_bytes(WAV)
    return path


RECORDINGS: dict[str, Callable[[Path], tuple[Any, str | None, str]]] = {
    "bytes": lambda talk: (WAV, None, "recording.wav"),
    "path": lambda talk: (talk, str(talk), "talk.wav"),
    "text of a path": lambda talk: (str(talk), str(talk), "talk.wav"),
    "blob of a file": lambda talk: (Blob.from_path(talk), str(talk), "talk.wav"),
    "blob of bytes": lambda talk: (Blob.from_data(WAV), None, "recording.wav"),
    "blob with a source": lambda talk: (
        Blob.from_data(WAV, metadata={"source": "https://example.com/a/talk.wav"}),
        "https://example.com/a/talk.wav",
        "talk.wav",
    ),
    "media": lambda talk: (Media(data=WAV, mime_type="audio/wav"), None, "recording.wav"),
    "media of the service": lambda talk: (
        Media(data=WAV, mime_type="audio/wav", url="https://media.pollinations.ai/a1"),
        "https://media.pollinations.ai/a1",
        "recording.wav",
    ),
    "media in a file": lambda talk: (Media.from_file(talk), str(talk), "talk.wav"),
}


@pytest.mark.parametrize("kind", RECORDINGS)
def test_a_recording_is_a_blob_a_media_bytes_or_a_file(
    transcriber: PollinationsTranscriber, emulator: Emulator, take: Transcribe, talk: Path, kind: str
) -> None:
    recording, source, name = RECORDINGS[kind](talk)
    emulator.reply(body={"text": "x"}, on=ROUTE)
    assert take(transcriber, recording).metadata.get("source") == source
    upload = form_of(emulator.requests[-1]).file("file")
    assert upload is not None
    assert (upload.name, upload.data) == (name, WAV)


class Folder(BlobLoader):
    """A blob loader, as LangChain users write them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def yield_blobs(self) -> Iterator[Blob]:
        for path in sorted(self.path.iterdir()):
            yield Blob.from_path(path, metadata={"folder": self.path.name})


class Documents(BaseLoader):
    """A loader of blobs and a parser together."""

    def __init__(self, blobs: BlobLoader, parser: BaseBlobParser) -> None:
        self.blobs, self.parser = blobs, parser

    def lazy_load(self) -> Iterator[Document]:
        for blob in self.blobs.yield_blobs():
            yield from self.parser.lazy_parse(blob)


def test_it_parses_the_blobs_of_a_loader_one_at_a_time(
    transcriber: PollinationsTranscriber, emulator: Emulator, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.wav").write_bytes(WAV)
        emulator.reply(body={"text": f"This is {name}."}, on=ROUTE)
    documents = Documents(Folder(tmp_path), transcriber).lazy_load()
    assert emulator.requests == []
    first = next(documents)
    assert len(emulator.requests) == 1
    second = next(documents)
    assert [first.page_content, second.page_content] == ["This is one.", "This is two."]
    assert [Path(d.metadata["source"]).name for d in (first, second)] == ["one.wav", "two.wav"]
    assert first.metadata["folder"] == tmp_path.name
    emulator.reply(body={"text": "Again."}, on=ROUTE)
    assert [document.page_content for document in transcriber.parse(Blob.from_data(WAV))] == ["Again."]


ALL = "model 'whisper' accepts mp3, mp4, mpeg, mpga, m4a, wav, webm"
OTHER = "models that accept it: google/gemini-3.5-transcribe$"

BAD_RECORDINGS: dict[str, tuple[Any, str]] = {
    "empty": (b"", "is empty"),
    "an empty blob": (Blob.from_data(b""), "is empty"),
    "a blob of nothing": (Blob(data=None), "is empty"),
    "FLAC": (b"fLaC" + b"\x00" * 40, f"{ALL}; this is audio/flac; {OTHER}"),
    "Ogg": (b"OggS" + b"\x00" * 40, f"{ALL}; this is audio/ogg; {OTHER}"),
    "AAC": (b"\xff\xf1" + b"\x00" * 40, f"{ALL}; this is audio/aac; {OTHER}"),
    "AAC with a checksum": (b"\xff\xf0" + b"\x00" * 40, f"{ALL}; this is audio/aac; {OTHER}"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + b"\x00" * 40, f"image/png; {ALL}"),
    "a PDF": (b"%PDF-1.7", f"application/pdf; {ALL}"),
    "words": (b"Hello, world", f"these 12 bytes are not in a supported audio format; {ALL}"),
    "a blob of words": (Blob.from_data("Hello, world"), f"not in a supported audio format; {ALL}"),
    "raw samples": (Media(data=b"\x00\x01" * 40, mime_type="audio/pcm"), "not in a supported audio format"),
    "an address": ("https://example.com/talk.mp3", "a URL is not fetched"),
    "a data URI": ("data:audio/wav;base64,UklGRg==", "a URL is not fetched"),
    "a blob of an address": (Blob(path="https://example.com/talk.mp3"), "a URL is not fetched"),
    "a path with a null": ("a\0.mp3", "must not contain null characters or lone surrogates"),
    "a folder": ("", "'' is not a regular file"),
    "a number": (7, "must be a Blob, a Media, bytes or a file path, not int"),
    "nothing": (None, "not NoneType"),
}


@pytest.mark.parametrize("kind", BAD_RECORDINGS)
def test_what_is_no_recording_is_refused_before_anything_is_sent(
    transcriber: PollinationsTranscriber, emulator: Emulator, take: Transcribe, kind: str
) -> None:
    recording, says = BAD_RECORDINGS[kind]
    with pytest.raises(InvalidRequestError, match=f"recording: .*{says}"):
        take(transcriber, recording)
    assert emulator.requests == []


MP4 = b"\0\0\0\x10ftypisom" + b"\0" * 40


@pytest.mark.parametrize(
    ("model", "name", "data", "sent"),
    [
        ("google/gemini-3.5-transcribe", "talk.OGG", b"OggS" + b"\0" * 40, "talk.OGG"),
        ("google/gemini-3.5-transcribe", "talk.opus", b"OggS" + b"\0" * 40, "recording.ogg"),
        ("google/gemini-3.5-transcribe", "talk.mpga", MP3, "recording.mp3"),
        ("google/gemini-3.5-transcribe", "talk.m4a", MP4, "talk.m4a"),
        ("google/gemini-3.5-transcribe", "talk.mp4", MP4, None),
        ("google/gemini-3.5-transcribe", "talk.mpeg", b"\x00\x00\x01\xba" + b"\0" * 40, None),
        ("whisper", "talk.mp4", MP4, "talk.mp4"),
        ("community/me/listener", "talk.flac", b"fLaC" + b"\0" * 40, None),
    ],
)
def test_each_model_has_its_own_types_of_files(
    transcriber: PollinationsTranscriber, emulator: Emulator, model: str, name: str, data: bytes, sent: str | None
) -> None:
    blob = Blob.from_data(data, path=f"/recordings/{name}")
    if sent is None:
        with pytest.raises(UnsupportedRequestError, match="recording: model .* accepts .*; this is "):
            transcriber.transcribe(blob, model=model)
        assert emulator.requests == []
        return
    emulator.reply(body={"text": "x"}, on=ROUTE)
    transcriber.transcribe(blob, model=model)
    upload = form_of(emulator.requests[-1]).file("file")
    assert upload is not None
    assert upload.name == sent


def test_a_recording_above_the_documented_size_is_sent_with_a_warning(
    transcriber: PollinationsTranscriber, emulator: Emulator, take: Transcribe
) -> None:
    emulator.reply(body={"text": "x"}, on=ROUTE)
    with pytest.warns(UserWarning, match="recording: it has 25,000,040 bytes; the documented maximum is 25,000,000"):
        take(transcriber, WAV + bytes(25_000_040 - len(WAV)))


def test_a_recording_over_the_limit_is_refused_unread(
    transcriber: PollinationsTranscriber, emulator: Emulator, take: Transcribe, tmp_path: Path
) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(WAV)
    with path.open("r+b") as file:
        file.truncate(MAX_RECORDING_BYTES + 1)
    for recording in (
        path,
        Blob.from_path(path),
        Media.from_file(path),
        Blob.from_data(bytes(MAX_RECORDING_BYTES + 1)),
    ):
        with pytest.raises(PayloadTooLargeError, match="104,857,601 bytes"):
            take(transcriber, recording)
    assert emulator.requests == []


def test_a_file_that_is_not_there_is_an_os_error(
    transcriber: PollinationsTranscriber, emulator: Emulator, take: Transcribe, tmp_path: Path
) -> None:
    for missing in (tmp_path / "no.wav", Blob.from_path(tmp_path / "no.wav"), "//[", "//[no.wav"):
        with pytest.raises(FileNotFoundError):
            take(transcriber, missing)
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"language": "english"}, "language: must be a language code of two or three letters"),
        ({"language": "en-US"}, "language: must be a language code of two or three letters"),
        ({"language": ""}, "language: must be a language code of two or three letters"),
        ({"language": "e1"}, "language: must be a language code of two or three letters"),
        ({"temperature": 1.5}, "temperature: Input should be less than or equal to 1"),
        ({"temperature": -0.1}, "temperature: Input should be greater"),
        ({"temperature": float("nan")}, "temperature: Input should be"),
        ({"response_format": "html"}, "response_format: Input should be 'json', 'text'"),
        ({"speakers_expected": 0}, "speakers_expected: Input should be greater"),
        (
            {"speakers_expected": 2, "response_format": "srt"},
            "speakers_expected: requires response_format='diarized_json'",
        ),
        ({"model": ""}, "model: String should have at least 1 character"),
        ({"langage": "en"}, "unknown argument 'langage', did you mean 'language'"),
    ],
    ids=str,
)
def test_wrong_options_are_refused_by_the_call_and_by_the_constructor(
    transcriber: PollinationsTranscriber, emulator: Emulator, take: Transcribe, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        take(transcriber, **options)
    assert emulator.requests == []
    with pytest.raises(ValueError, match=next(iter(options))):
        PollinationsTranscriber(api_key="sk_x", **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"model": "flux"}, "'flux' does not transcribe recordings; models that can: .*openai/whisper-large-v3"),
        ({"model": "tts-1"}, "'tts-1' does not transcribe recordings; .*openai/whisper-large-v3"),
        ({"model": "openai"}, "'openai' does not transcribe recordings"),
        ({"model": "voice-isolator"}, "'voice-isolator' does not transcribe recordings"),
        (
            {"response_format": "srt"},
            "'whisper' supports json, text, verbose_json, not srt; models that can: .*assemblyai/universal-2",
        ),
        ({"model": "scribe", "response_format": "vtt"}, "supports json, text, verbose_json, diarized_json, not vtt"),
        ({"speakers_expected": 2}, "'whisper' supports .*, not diarized_json; .*elevenlabs/scribe-v2"),
        (
            {"model": "gpt-transcribe", "response_format": "text"},
            "'gpt-transcribe' supports json, not text; models that",
        ),
        ({"model": "gpt-transcribe", "speakers_expected": 2}, "'gpt-transcribe' supports json, not diarized_json"),
        ({"model": "google/gemini-3.5-transcribe", "response_format": "srt"}, "diarized_json, not srt; models that"),
    ],
    ids=str,
)
def test_what_a_model_is_known_not_to_do_is_refused_before_anything_is_sent(
    transcriber: PollinationsTranscriber,
    emulator: Emulator,
    transcribe: Transcribe,
    options: dict[str, Any],
    says: str,
) -> None:
    with pytest.raises(UnsupportedRequestError, match=says):
        transcribe(transcriber, **options)
    assert emulator.requests == []


# --- Answers ----------------------------------------------------------------------------------------------------------

TIMES = {"start": 0.0, "end": 2.5}
VERBOSE = {
    "task": "transcribe",
    "language": "en",
    "duration": 12,
    "text": " Good morning. Thank you.",
    "words": [{"word": "Good", "start": 0, "end": 0.3}, {"word": "morning.", "start": 0.3, "end": 1}],
    "segments": [
        {"id": 0, "seek": 0, "start": 0, "end": 2.5, "text": " Good morning.", "tokens": [], "avg_logprob": 0},
        {"id": 1, "seek": 0, "start": "2.5", "end": "12", "text": "Thank you.", "tokens": [], "avg_logprob": 0},
    ],
    "usage": {"type": "duration", "seconds": 12},
}
DIARIZED = {
    "task": "transcribe",
    "duration": 12.0,
    "text": "Good morning. Thank you.",
    "segments": [
        {"type": "transcript.text.segment", "id": "seg_001", **TIMES, "text": "Good morning.", "speaker": "B"},
        {"type": "transcript.text.segment", "id": "seg_002", "start": 2.5, "text": "Thank you.", "speaker": "A"},
        {"type": "transcript.text.segment", "id": "seg_003", "end": 12, "text": "Bye.", "speaker": "unknown"},
    ],
    "usage": {"type": "duration", "seconds": 12},
}
USAGE = {"usage": {"type": "duration", "seconds": 12}}
ONE = {"id": 0, "seek": 0, "start": 0, "end": 12, "text": "Good morning.", "tokens": []}

# What an answer says, in which format it was asked for, and the text and metadata that it amounts to.
SHAPES: dict[str, tuple[Any, str, str, dict[str, Any]]] = {
    "json": ({"text": "Hi", **USAGE}, "json", "Hi", {"duration": 12.0, **USAGE}),
    "json, text only": ({"text": "Hi"}, "json", "Hi", {}),
    "json, silence": ({"text": "", **USAGE}, "json", "", {"duration": 12.0, **USAGE}),
    "json, null for all else": (
        dict.fromkeys(("language", "duration", "segments", "words", "usage", "error")) | {"text": "Hi"},
        "verbose_json",
        "Hi",
        {},
    ),
    "json, odd kinds": (
        {"text": "Hi", "language": 3.5, "duration": "long", "segments": "none", "words": [1, None], "usage": [12]},
        "verbose_json",
        "Hi",
        {},
    ),
    "verbose": (
        VERBOSE,
        "verbose_json",
        "Good morning. Thank you.",
        {
            "language": "en",
            "duration": 12.0,
            "words": [{"word": "Good", "start": 0.0, "end": 0.3}, {"word": "morning.", "start": 0.3, "end": 1.0}],
            "segments": [
                {**TIMES, "text": "Good morning."},
                {"start": 2.5, "end": 12.0, "text": "Thank you."},
            ],
            **USAGE,
        },
    ),
    "verbose, of one segment that was made up": (
        {"text": "Good morning.", "language": "unknown", "duration": 12.0, "segments": [ONE]},
        "verbose_json",
        "Good morning.",
        {"duration": 12.0},
    ),
    "verbose, of one segment that was heard": (
        {"text": "Good morning.", "language": "en", "duration": 12.0, "segments": [{**ONE, "start": 1.5}]},
        "verbose_json",
        "Good morning.",
        {"language": "en", "duration": 12.0, "segments": [{"start": 1.5, "end": 12.0, "text": "Good morning."}]},
    ),
    "verbose, silence": (
        {"text": "", "language": "unknown", "duration": "3", "segments": [], "words": []},
        "verbose_json",
        "",
        {"duration": 3.0},
    ),
    "verbose, a segment of silence": (
        {"text": "", "duration": 3, "segments": [{"start": 0, "end": 3, "text": ""}]},
        "verbose_json",
        "",
        {"duration": 3.0},
    ),
    "verbose, broken segments and words": (
        {
            "text": "Hi there",
            "segments": [
                None,
                "x",
                {},
                {"text": None},
                {"text": "Hi", "start": None, "end": "soon"},
                {"text": "there"},
            ],
            "words": [{"word": None}, {"word": "Hi", "start": True, "end": float("1e400")}, {"start": 1}],
        },
        "verbose_json",
        "Hi there",
        {"segments": [{"text": "Hi"}, {"text": "there"}], "words": [{"word": "Hi"}]},
    ),
    "diarized": (
        DIARIZED,
        "diarized_json",
        "Good morning. Thank you.",
        {
            "duration": 12.0,
            "segments": [
                {**TIMES, "text": "Good morning.", "speaker": "B"},
                {"start": 2.5, "text": "Thank you.", "speaker": "A"},
                {"end": 12.0, "text": "Bye."},
            ],
            "speakers": ["A", "B"],
            **USAGE,
        },
    ),
    "diarized, of one speaker": (
        {"text": "Good morning.", "duration": 12, "segments": [{**ONE, "speaker": 0}]},
        "diarized_json",
        "Good morning.",
        {
            "duration": 12.0,
            "segments": [{"start": 0.0, "end": 12.0, "text": "Good morning.", "speaker": "0"}],
            "speakers": ["0"],
        },
    ),
    "diarized, without a text of its own": (
        {"segments": [{"text": "Hi", "speaker": "A"}, {"text": "there", "speaker": "A"}]},
        "diarized_json",
        "Hi there",
        {"segments": [{"text": "Hi", "speaker": "A"}, {"text": "there", "speaker": "A"}], "speakers": ["A"]},
    ),
    "text": ("Good morning.\n", "text", "Good morning.", {}),
    "text, silence": ("", "text", "", {}),
    "text, in Latin letters": ("Grüße".encode("latin-1"), "text", "Grüße", {}),
    "text, as JSON": ({"text": "Hi", **USAGE}, "text", "Hi", {"duration": 12.0, **USAGE}),
    "text, with braces": ("{sic} he said", "text", "{sic} he said", {}),
    "srt": (
        "\ufeff1\n00:00:00,000 --> 00:00:02,500\nGood morning.\n",
        "srt",
        "1\n00:00:00,000 --> 00:00:02,500\nGood morning.",
        {},
    ),
    "srt, silence": ("\n", "srt", "", {}),
    "vtt": (
        "WEBVTT\n\n00:00.000 --> 00:02.500\nGood morning.\n",
        "vtt",
        "WEBVTT\n\n00:00.000 --> 00:02.500\nGood morning.",
        {},
    ),
    "vtt, silence": ("WEBVTT\n", "vtt", "WEBVTT", {}),
}


def answer(emulator: Emulator, body: Any, **more: Any) -> None:
    kind = "text/plain; charset=latin-1" if isinstance(body, bytes) else None
    data = body if isinstance(body, bytes | str) else json.dumps(body)
    kind = kind or ("text/plain; charset=utf-8" if isinstance(body, str) else "application/json")
    emulator.reply(body=data, on=ROUTE, **{"content_type": kind, **more})


@pytest.mark.parametrize("shape", SHAPES)
def test_an_answer_becomes_text_and_metadata(
    transcriber: PollinationsTranscriber, emulator: Emulator, shape: str
) -> None:
    body, response_format, text, told = SHAPES[shape]
    answer(emulator, body)
    document = transcriber.transcribe(WAV, model="universal-2", response_format=response_format)
    assert document.page_content == text
    assert document.metadata.pop("request_id").startswith("emulated-")
    assert document.metadata == {"model": "universal-2", **told}
    assert json.loads(json.dumps(document.metadata, allow_nan=False)) == document.metadata


@pytest.mark.parametrize(("body", "response_format"), [("Hi", "text"), ({"text": "Hi"}, "json")])
def test_headers_tell_what_the_body_does_not(
    transcriber: PollinationsTranscriber,
    emulator: Emulator,
    transcribe: Transcribe,
    body: Any,
    response_format: str,
) -> None:
    headers = {
        "x-model-used": "openai/whisper-large-v3",
        "x-usage-prompt-audio-seconds": "12.5",
        "x-request-id": "r-7",
    }
    answer(emulator, body, headers=headers)
    document = transcribe(transcriber, response_format=response_format)
    assert document.metadata == {
        "cost": "0.000565972225",
        "model": "openai/whisper-large-v3",
        "duration": 12.5,
        "usage": {"prompt_audio_seconds": 12.5},
        "request_id": "r-7",
    }


def test_the_metadata_of_a_blob_is_kept_under_what_the_answer_tells(
    transcriber: PollinationsTranscriber, emulator: Emulator, transcribe: Transcribe, talk: Path
) -> None:
    answer(emulator, VERBOSE)
    blob = Blob.from_path(talk, metadata={"title": "A talk", "language": "fr", "duration": None})
    metadata = transcribe(transcriber, blob).metadata
    assert (metadata["title"], metadata["language"], metadata["duration"]) == ("A talk", "en", 12.0)
    assert metadata["source"] == str(talk)
    assert blob.metadata == {"title": "A talk", "language": "fr", "duration": None}


NO_TRANSCRIPTS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "a page for JSON": ("<!DOCTYPE html><html>Moved</html>", "json", {"content_type": "text/html"}),
    "a page for text": ("<!DOCTYPE html><html>Moved</html>", "text", {"content_type": "text/html"}),
    "a page by its words alone": (" <html>Moved</html>", "text", {}),
    "an empty page": ("", "text", {"content_type": "text/html"}),
    "a page for subtitles": ("<html>a --> b</html>", "srt", {"content_type": "text/html"}),
    "nothing for JSON": ("", "json", {"content_type": "application/json"}),
    "words for JSON": ("Good morning.", "verbose_json", {}),
    "JSON without a text": ({"status": "queue full"}, "json", {}),
    "JSON with an odd text": ({"text": ["Hi"]}, "json", {}),
    "JSON with no text": ({"text": None}, "json", {}),
    "a list": ([{"text": "Hi"}], "json", {}),
    "half an object": ('{"text": "Hi', "json", {"content_type": "application/json"}),
    "half an object for text": ('{"text": "Hi', "text", {"content_type": "application/json"}),
    "JSON without a text for text": ({"status": "queue full"}, "text", {}),
    "words for srt": ("Good morning.", "srt", {}),
    "words for vtt": ("Good morning.", "vtt", {}),
    "srt for vtt": ("1\n00:00:00,000 --> 00:00:02,500\nHi", "vtt", {}),
    "sound": (MP3, "text", {"content_type": "audio/mpeg"}),
}


@pytest.mark.parametrize("kind", NO_TRANSCRIPTS)
def test_an_answer_that_is_no_transcript_is_an_error(
    transcriber: PollinationsTranscriber, emulator: Emulator, kind: str
) -> None:
    body, response_format, more = NO_TRANSCRIPTS[kind]
    answer(emulator, body, **more)
    with pytest.raises(InvalidResponseError, match="no transcript"):
        transcriber.transcribe(WAV, model="universal-2", response_format=response_format)


@pytest.mark.parametrize("response_format", ["json", "verbose_json", "diarized_json", "text", "srt", "vtt"])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_an_error_in_place_of_a_transcript_is_that_error(
    transcriber: PollinationsTranscriber, emulator: Emulator, response_format: str, content_type: str
) -> None:
    body = {"error": {"code": "INSUFFICIENT_BALANCE", "message": "No pollen"}}
    answer(emulator, body, content_type=content_type)
    with pytest.raises(InsufficientBalanceError, match="No pollen"):
        transcriber.transcribe(WAV, model="universal-2", response_format=response_format)


# --- Faults -----------------------------------------------------------------------------------------------------------


def test_faults_of_the_service_are_their_errors(
    transcriber: PollinationsTranscriber, emulator: Emulator, transcribe: Transcribe
) -> None:
    says = "response_format 'verbose_json' is not supported. Supported formats: json, text"
    emulator.fail(400, message=says)
    with pytest.raises(InvalidRequestError, match="Supported formats: json, text"):
        transcribe(transcriber)
    emulator.fail(413)
    with pytest.raises(PayloadTooLargeError):
        transcribe(transcriber)
    emulator.fail("balance spent")
    with pytest.raises(InsufficientBalanceError):
        transcribe(transcriber)
    assert len(emulator.requests) == 3


def test_a_repeat_is_the_same_to_the_byte(
    transcriber: PollinationsTranscriber, emulator: Emulator, transcribe: Transcribe
) -> None:
    emulator.fail(429, headers={"retry-after": "0"})
    emulator.fail(503, headers={"retry-after": "0"})
    emulator.reply(body={"text": "At last."}, on=ROUTE)
    assert transcribe(transcriber).page_content == "At last."
    first, *others = emulator.requests
    assert len(others) == 2
    for other in others:
        assert (other.body, other.headers["content-type"]) == (first.body, first.headers["content-type"])


def test_equal_recordings_are_equal_requests_whichever_way_they_go(
    transcriber: PollinationsTranscriber, emulator: Emulator
) -> None:
    emulator.reply(body={"text": "x"}, on=ROUTE, times=5)
    for way in WAYS.values():
        way(transcriber)
    assert len({(request.body, request.headers["content-type"]) for request in emulator.requests}) == 1
    _transcribe(transcriber, wav_bytes(0.5))
    assert emulator.requests[-1].headers["content-type"] != emulator.requests[0].headers["content-type"]


def test_without_repeats_a_fault_travels_to_the_caller(emulator: Emulator, transcribe: Transcribe) -> None:
    transcriber = PollinationsTranscriber(**emulator.connection(), max_retries=0)
    emulator.fail(429, headers={"retry-after": "3"})
    with pytest.raises(RateLimitError) as limited:
        transcribe(transcriber)
    assert limited.value.retry_after == 3
    emulator.fail("drop")
    with pytest.raises(APIConnectionError):
        transcribe(transcriber)
    emulator.fail("provider 429")
    with pytest.raises(UpstreamError):
        transcribe(transcriber)
    assert len(emulator.requests) == 3


def test_a_lost_connection_is_tried_again(
    transcriber: PollinationsTranscriber, emulator: Emulator, take: Transcribe
) -> None:
    emulator.fail("drop")
    emulator.reply(body={"text": "At last."}, on=ROUTE)
    assert take(transcriber).page_content == "At last."
    assert len({request.body for request in emulator.requests}) == 1


def test_an_unknown_model_names_those_that_were_perhaps_meant(
    transcriber: PollinationsTranscriber, emulator: Emulator, transcribe: Transcribe
) -> None:
    emulator.fail(400, message='Invalid model or alias: "wisper". Must be a valid model name or alias.')
    with pytest.raises(UnknownModelError, match="Did you mean 'whisper'"):
        transcribe(transcriber, model="wisper")


def test_a_call_without_a_key_is_refused(emulator: Emulator, transcribe: Transcribe) -> None:
    with pytest.raises(AuthenticationError, match="POLLINATIONS_API_KEY"):
        transcribe(PollinationsTranscriber(base_url=emulator.url))
    assert emulator.requests == []


# --- The object -------------------------------------------------------------------------------------------------------


def test_it_pickles(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_emulator")
    transcriber = PollinationsTranscriber(base_url=emulator.url, api_key="sk_secret", language="de", model="scribe")
    again = pickle.loads(pickle.dumps(transcriber))
    assert (again.model, again.language) == ("scribe", "de")
    emulator.reply(body={"text": "Moin."}, on=ROUTE)
    assert again.transcribe(WAV).page_content == "Moin."


def test_it_is_a_blob_parser_with_a_connection(transcriber: PollinationsTranscriber) -> None:
    assert isinstance(transcriber, BaseBlobParser)
    with transcriber as same:
        assert same is transcriber
