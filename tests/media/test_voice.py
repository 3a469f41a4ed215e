"""`PollinationsVoice`: what is sent, what is refused before it is paid for, and isolation before a transcript."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from langchain_pollinations._media.progress import Progress
from langchain_pollinations._media.wav import pcm16_to_wav
from langchain_pollinations.audio import PollinationsMusic, PollinationsSpeech
from langchain_pollinations.emulator import Asked, Emulator
from langchain_pollinations.emulator.service import forms
from langchain_pollinations.errors import (
    InsufficientBalanceError,
    InvalidRequestError,
    InvalidResponseError,
    PayloadTooLargeError,
    PollenBudgetExceeded,
    UnknownModelError,
)
from langchain_pollinations.media import Media
from langchain_pollinations.meter import PollenMeter
from langchain_pollinations.transcription import PollinationsTranscriber
from langchain_pollinations.voice import PollinationsVoice

CHANGER, ISOLATOR = "/v1/audio/voice-changer", "/v1/audio/voice-isolator"
TRANSCRIPTS = "/v1/audio/transcriptions"
TEXT = "The tide comes in. Does it go out again? Nobody on this island knows that for certain."


def wav(seconds: float) -> bytes:
    return pcm16_to_wav(b"\1\7" * round(24000 * seconds))


WAV = wav(5)

Use = Callable[..., Any]


def _use(method: str) -> dict[str, Use]:
    return {
        method: lambda wrapper, *args, **options: getattr(wrapper, method)(*args, **options),
        f"a{method}": lambda wrapper, *args, **options: asyncio.run(getattr(wrapper, f"a{method}")(*args, **options)),
    }


@pytest.fixture(params=_use("change"))
def change(request: pytest.FixtureRequest) -> Use:
    return _use("change")[request.param]


@pytest.fixture(params=_use("isolate"))
def isolate(request: pytest.FixtureRequest) -> Use:
    return _use("isolate")[request.param]


@pytest.fixture(params=_use("transcribe"))
def transcribe(request: pytest.FixtureRequest) -> Use:
    return _use("transcribe")[request.param]


@pytest.fixture(params={**_use("change"), **_use("isolate")})
def use(request: pytest.FixtureRequest) -> Use:
    """Both methods, sync and async, where they do the same."""
    return {**_use("change"), **_use("isolate")}[request.param]


@pytest.fixture
def voice(emulator: Emulator) -> PollinationsVoice:
    return PollinationsVoice(**emulator.connection())


@pytest.fixture
def speech(emulator: Emulator) -> Media:
    return PollinationsSpeech(**emulator.connection()).generate(TEXT)


def form_of(request: Asked) -> forms.Form:
    return asyncio.run(forms.read(request))


# --- Results ----------------------------------------------------------------------------------------------------------


def test_another_voice_says_the_same_words(
    voice: PollinationsVoice, emulator: Emulator, change: Use, speech: Media
) -> None:
    made = change(voice, speech, voice="Rachel")
    assert (made.mime_type, made.model) == ("audio/mpeg", "elevenlabs/eleven-multilingual-sts-v2")
    assert (made.prompt, made.metadata["voice_changer_voice"]) == (None, "rachel")
    assert float(made.metadata["x-usage-prompt-audio-seconds"]) == pytest.approx(len(TEXT) / 15, abs=0.2)
    assert made.url is not None and made.request_id is not None and made.data != speech.data
    assert PollinationsTranscriber(**emulator.connection()).transcribe(made).page_content == TEXT


def test_speech_remains_and_music_goes(
    voice: PollinationsVoice, emulator: Emulator, isolate: Use, speech: Media
) -> None:
    transcriber = PollinationsTranscriber(**emulator.connection())
    made = isolate(voice, speech)
    assert (made.mime_type, made.model) == ("audio/mpeg", "elevenlabs/voice-isolator")
    assert transcriber.transcribe(made).page_content == TEXT
    song = PollinationsMusic(**emulator.connection(), duration=5).generate("a jig")
    assert transcriber.transcribe(isolate(voice, song)).page_content == ""


def test_costs_are_counted(voice: PollinationsVoice, emulator: Emulator, use: Use) -> None:
    with PollenMeter(budget="0.02") as meter:
        assert use(voice, WAV).cost == "0.01"  # 5 seconds
        assert use(voice, WAV).cost == "0"
        with pytest.raises(PollenBudgetExceeded, match="0.01 is spent"):
            use(voice, wav(6))
    (counted,) = meter.by_model().values()
    assert (counted.requests, counted.stored, counted.units) == (1, 1, {"promptAudioSeconds": 5})
    assert float(emulator.keys["sk_emulator"]["balance"]) == pytest.approx(999.99)


def test_raw_samples_have_a_rate(voice: PollinationsVoice, change: Use) -> None:
    made = change(voice, WAV, response_format="pcm")
    assert (made.mime_type, made.metadata["sample_rate"]) == ("audio/pcm", 44_100)


def test_results_go_to_files_and_report_progress(emulator: Emulator, use: Use, tmp_path: Path) -> None:
    told: list[Progress] = []
    voice = PollinationsVoice(**emulator.connection(), output_folder=tmp_path)
    made = use(voice, WAV, path=tmp_path / "clean", progress=told.append)
    assert (made.path, told[-1].stage) == (tmp_path / "clean.mp3", "done")
    again = use(voice, WAV)
    assert again.path is not None and again.path.name.startswith("audio-") and again.data == made.data
    with pytest.raises(FileNotFoundError):
        use(voice, WAV, path=tmp_path / "missing" / "clean")
    assert len(emulator.requests) == 2


# --- Requests ---------------------------------------------------------------------------------------------------------


def test_nothing_is_sent_that_was_not_asked_for(voice: PollinationsVoice, emulator: Emulator, use: Use) -> None:
    use(voice, WAV, timeout=20, extra_headers={"x-trace": "1"})
    (request,) = emulator.requests
    form = form_of(request)
    assert form.fields == {"model": ["voice-changer" if request.path == CHANGER else "voice-isolator"]}
    assert [(each.name, each.mime_type, each.data) for each in form.files["file"]] == [
        ("recording.wav", "audio/wav", WAV)
    ]
    assert (form.files.keys(), request.headers["x-trace"]) == ({"file"}, "1")


def test_options_of_the_call_win(emulator: Emulator, voice: PollinationsVoice) -> None:
    voice = PollinationsVoice(**emulator.connection(), voice="NOVA", response_format="wav", isolator="audio-cleanup")
    voice.change(WAV)
    voice.change(WAV, voice="Zq8jLw20aB", response_format=None, model_name="speech-to-speech")
    voice.isolate(WAV)
    voice.isolate(WAV, model="eleven-voice-isolator")
    assert [form_of(request).fields for request in emulator.requests] == [
        {"model": ["voice-changer"], "voice": ["nova"], "response_format": ["wav"]},
        {"model": ["speech-to-speech"], "voice": ["Zq8jLw20aB"]},
        {"model": ["audio-cleanup"]},
        {"model": ["eleven-voice-isolator"]},
    ]


@pytest.mark.parametrize("kind", ["bytes", "blob", "media", "path"])
def test_recordings_are_those_of_the_transcriber(
    voice: PollinationsVoice, emulator: Emulator, use: Use, kind: str, tmp_path: Path
) -> None:
    file = tmp_path / "talk.wav"
    file.write_bytes(WAV)
    given = {"bytes": WAV, "blob": Blob.from_path(file), "media": Media(WAV, "audio/wav"), "path": str(file)}[kind]
    use(voice, given)
    (upload,) = form_of(emulator.requests[-1]).files["file"]
    assert (upload.name, upload.data) == ("talk.wav" if kind in ("blob", "path") else "recording.wav", WAV)


BAD_RECORDINGS: list[Any] = [
    (b"", InvalidRequestError, "recording: it is empty"),
    (b"words", InvalidRequestError, "these 5 bytes are not in a supported audio format; supported are mp3, m4a, wav"),
    (b"\x89PNG\r\n\x1a\n", InvalidRequestError, "recording: this is image/png"),
    (5, InvalidRequestError, "must be a Blob, a Media, bytes or a file path, not int"),
    ("https://example.com/a.mp3", InvalidRequestError, "a URL is not fetched"),
    ("", InvalidRequestError, "recording: '' is not a regular file"),
    ("/dev/zero", InvalidRequestError, "recording: '/dev/zero' is not a regular file"),
    (b"ID3" + bytes(50 << 20), PayloadTooLargeError, "it has 52,428,803 bytes; the maximum is 52,428,800"),
]


@pytest.mark.parametrize(("given", "kind", "says"), BAD_RECORDINGS, ids=[row[2][:30] for row in BAD_RECORDINGS])
def test_what_is_no_recording_is_not_sent(
    voice: PollinationsVoice, emulator: Emulator, use: Use, given: Any, kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says):
        use(voice, given)
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("given", "options", "says"),
    [
        (wav(300.5), {}, "recording: it lasts 300.5 s; the maximum is 300 s"),
        (WAV, {"voice": "novva"}, "voice: model 'voice-changer' has no voice 'novva'; did you mean 'nova'"),
        (WAV, {"voice": ""}, "voice: String should have at least 1 character"),
        (WAV, {"response_format": "flac"}, "response_format: Input should be 'mp3', 'opus', 'aac', 'wav' or 'pcm'"),
        (WAV, {"model": "tts-1"}, "'tts-1' does not change voices; models that can: elevenlabs/eleven-multilingual"),
        (WAV, {"model": "openai"}, "'openai' does not change voices"),
        (WAV, {"pitch": 2}, "unknown argument 'pitch'"),
        (WAV, {"isolator": "x"}, "isolator: an argument of the constructor, not of a call"),
    ],
)
def test_what_cannot_be_changed_is_not_sent(
    voice: PollinationsVoice, emulator: Emulator, change: Use, given: bytes, options: Any, says: str
) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        change(voice, given, **options)
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("given", "options", "says"),
    [
        (wav(4.5), {}, "recording: it lasts 4.5 s; isolation requires at least 4.6 s"),
        (WAV, {"model": "voice-changer"}, "'voice-changer' does not isolate speech; models that can: elevenlabs/voice"),
        (WAV, {"voice": "nova"}, "voice: an option of change, not of isolate"),
    ],
)  # fmt: skip
def test_what_cannot_be_isolated_is_not_sent(
    voice: PollinationsVoice, emulator: Emulator, isolate: Use, given: bytes, options: Any, says: str
) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        isolate(voice, given, **options)
    assert emulator.requests == []


# --- Responses --------------------------------------------------------------------------------------------------------


def test_refusals_are_errors_of_the_package(voice: PollinationsVoice, emulator: Emulator, use: Use) -> None:
    with pytest.raises(UnknownModelError, match="Did you mean"):
        use(voice, WAV, model="elevenlabs/voice-isolater")
    emulator.fail(413)
    with pytest.raises(PayloadTooLargeError):
        use(voice, WAV)
    emulator.keys["sk_emulator"].update(balance=5, paid=0)  # Quest Pollen does not pay for these models
    with pytest.raises(InsufficientBalanceError):
        use(voice, WAV)
    for body in (b"", "<html>", {"audio": "x"}):
        emulator.reply(body=body, on="/v1/audio")
        with pytest.raises(InvalidResponseError):
            use(voice, WAV)


def test_a_failure_is_retried_with_equal_bytes_and_paid_once(
    voice: PollinationsVoice, emulator: Emulator, use: Use
) -> None:
    emulator.fail("cut", on="/v1/audio")
    use(voice, WAV)
    first, second = emulator.requests
    assert (first.body, first.headers["content-type"]) == (second.body, second.headers["content-type"])
    assert float(emulator.keys["sk_emulator"]["balance"]) == pytest.approx(1000 - 5 * 0.002)


# --- Isolation before a transcript ------------------------------------------------------------------------------------


def test_a_transcript_may_isolate_first(emulator: Emulator, transcribe: Use, speech: Media) -> None:
    transcriber = PollinationsTranscriber(**emulator.connection(), isolate=True)
    talk = Blob.from_data(speech.data, path="talk.mp3", metadata={"page": 3})
    with PollenMeter() as meter:
        document: Document = transcribe(transcriber, talk)
    _, isolation, transcript = emulator.requests
    assert (isolation.path, transcript.path) == (ISOLATOR, TRANSCRIPTS)
    assert "isolate" not in form_of(transcript).fields
    (upload,) = form_of(transcript).files["file"]
    assert (upload.name, upload.data == speech.data) == ("recording.mp3", False)
    assert document.page_content == TEXT
    assert (document.metadata["page"], document.metadata["source"]) == (3, "talk.mp3")
    told = document.metadata["isolation"]
    assert told["model"] == "elevenlabs/voice-isolator" and told["url"].startswith(emulator.url)
    assert told["seconds"] == pytest.approx(len(TEXT) / 15, abs=0.2) and told["request_id"]
    assert meter.total == Decimal(told["cost"]) + Decimal(document.metadata["cost"])
    assert "isolation" not in transcribe(transcriber, talk, isolate=False).metadata


def test_a_transcript_that_cannot_be_made_isolates_nothing(emulator: Emulator, transcribe: Use) -> None:
    transcriber = PollinationsTranscriber(**emulator.connection(), isolate=True)
    for given, options in ((wav(4), {}), (WAV, {"model": "tts-1"}), (b"x", {}), (WAV, {"isolate": "perhaps"})):
        with pytest.raises(InvalidRequestError):
            transcribe(transcriber, given, **options)
    assert emulator.requests == []
