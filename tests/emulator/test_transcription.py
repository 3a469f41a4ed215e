"""Transcripts of what the emulator said, and of recordings that it never heard."""

from __future__ import annotations

import io
import re
import wave
from decimal import Decimal
from typing import Any

import httpx
import pytest
from PIL import Image

from langchain_pollinations.emulator import Emulator

TEXT = "The tide comes in. Does it go out again?"
ASSEMBLY = "assemblyai/universal-2"


def spoken(http: httpx.Client, text: str = TEXT, **fields: Any) -> bytes:
    response = http.post("/v1/audio/speech", json={"input": text, "response_format": "wav"} | fields)
    assert response.status_code == 200, response.text
    return response.content


def wav(samples: bytes, rate: int = 24000, channels: int = 1) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples)
    return out.getvalue()


def samples(data: bytes) -> bytes:
    with wave.open(io.BytesIO(data)) as file:
        return file.readframes(file.getnframes())


def stranger(seconds: float = 10, mark: int = 1) -> bytes:
    """A recording that the emulator did not make."""
    return wav(bytes([mark, 7]) * round(16000 * seconds), rate=16000)


def post(http: httpx.Client, data: bytes, name: str = "a.wav", **fields: Any) -> httpx.Response:
    return http.post("/v1/audio/transcriptions", files={"file": (name, data)}, data=fields)


def hear(http: httpx.Client, data: bytes, **fields: Any) -> Any:
    response = post(http, data, **fields)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("model", ["tts-1", "eleven"])
@pytest.mark.parametrize("form", ["mp3", "opus", "aac", "wav"])
def test_the_emulator_understands_its_own_voice(http: httpx.Client, model: str, form: str) -> None:
    told = hear(http, spoken(http, model=model, response_format=form))
    assert told["text"] == TEXT and told["usage"]["type"] == "duration"
    assert told["usage"]["seconds"] == pytest.approx(len(TEXT) / 15, abs=0.15)


def test_parts_of_one_recording_are_all_understood(http: httpx.Client) -> None:
    texts = ["The tide comes in.", "The tide comes in. It goes out.", " Nothing else?", "The tide comes in."]
    parts = [samples(spoken(http, text)) for text in texts]
    joined = hear(http, wav(b"".join(parts)), response_format="verbose_json")
    assert joined["text"] == " ".join(text.strip() for text in texts)
    assert joined["words"][-1]["end"] == pytest.approx(joined["duration"], abs=0.01)
    paused = hear(http, wav((b"\0\0" * 12345).join(parts) + b"\0\0" * 999))
    assert paused["text"] == joined["text"]
    surrounded = hear(http, wav(b"\1\7" * 16000 + parts[2]))
    assert surrounded["text"] == "Nothing else?"


def test_text_in_any_script_is_understood(http: httpx.Client) -> None:
    text = "Grüße, 猫! Шторм? 3.14 ist π…"
    told = hear(http, spoken(http, text), response_format="verbose_json")
    assert told["text"] == text and told["language"] == "unknown"


def test_music_has_no_words_and_neither_has_silence(http: httpx.Client) -> None:
    song = spoken(http, "a jig", model="music", duration=3, response_format="mp3")
    for recording in (song, wav(b"\0\0" * 24000)):
        told = hear(http, recording, response_format="verbose_json")
        assert (told["text"], told["words"], told["segments"]) == ("", [], [])


def test_words_and_sentences_have_their_times(http: httpx.Client) -> None:
    told = hear(http, spoken(http), response_format="verbose_json", language="de")
    assert told["task"] == "transcribe" and told["language"] == "de"
    assert [word["word"] for word in told["words"]] == TEXT.split()
    assert [segment["text"] for segment in told["segments"]] == ["The tide comes in.", "Does it go out again?"]
    assert [segment["id"] for segment in told["segments"]] == [0, 1]
    for spans in (told["words"], told["segments"]):
        times = [time for span in spans for time in (span["start"], span["end"])]
        assert times == sorted(times) and times[0] == 0 and times[-1] == pytest.approx(told["duration"], abs=0.01)


def test_strangers_are_given_words_that_depend_on_their_bytes(http: httpx.Client, emulator: Emulator) -> None:
    first = hear(http, stranger(), response_format="verbose_json")
    assert first["duration"] == 10 and first["text"].endswith((".", "?")) and len(first["segments"]) > 1
    assert first["words"][-1]["end"] == pytest.approx(10, abs=0.01)
    emulator.clear()
    assert hear(http, stranger(), response_format="verbose_json") == first
    assert hear(http, stranger(mark=2))["text"] != first["text"]
    assert len(hear(http, stranger(60))["text"]) > 3 * len(first["text"])


def test_recordings_of_other_rates_and_channels(http: httpx.Client) -> None:
    assert hear(http, wav(b"\1\2\3\4" * 44100, 44100, 2))["usage"]["seconds"] == 1


DIALOGUE = "nova: Hello there. How are you?\nonyx: I am well.\nnova: Good."


def diarized(http: httpx.Client, data: bytes, **fields: Any) -> list[tuple[str, str]]:
    told = hear(http, data, model=ASSEMBLY, response_format="diarized_json", **fields)
    assert [segment["id"] for segment in told["segments"]][:2] == ["seg_001", "seg_002"]
    assert all(segment["type"] == "transcript.text.segment" for segment in told["segments"])
    return [(segment["speaker"], segment["text"]) for segment in told["segments"]]


def test_speakers_are_told_apart(http: httpx.Client) -> None:
    talk = spoken(http, DIALOGUE, model="dialogue")
    assert diarized(http, talk) == [("A", "Hello there."), ("A", "How are you?"), ("B", "I am well."), ("A", "Good.")]
    assert {speaker for speaker, _ in diarized(http, stranger(30))} == {"A", "B"}
    assert {speaker for speaker, _ in diarized(http, stranger(30), speakers_expected="3")} == {"A", "B", "C"}


def test_subtitles_are_well_formed(http: httpx.Client) -> None:
    long = spoken(http, "The tide comes in, " * 12 + "and goes out again. Then it is quiet.")
    srt, vtt = (post(http, long, model=ASSEMBLY, response_format=form) for form in ("srt", "vtt"))
    assert srt.headers["content-type"] == vtt.headers["content-type"] == "text/plain; charset=utf-8"
    time = r"\d\d:\d\d:\d\d{}\d{{3}}"
    cue = r"(\d+)\n{0} --> {0}\n[^\n]{{1,80}}\n".format(time.format(","))
    assert re.fullmatch(rf"({cue}\n)*{cue}", srt.text)
    numbers = [block.split("\n")[0] for block in srt.text.split("\n\n")]
    assert numbers == [str(n + 1) for n in range(len(numbers))] and len(numbers) > 3
    cue = r"{0} --> {0}\n[^\n]{{1,80}}\n".format(time.format(r"\."))
    assert re.fullmatch(rf"WEBVTT\n\n({cue}\n)*{cue}", vtt.text)
    assert srt.text.rstrip().endswith("Then it is quiet.")


def test_plain_text(http: httpx.Client) -> None:
    response = post(http, spoken(http), response_format="text")
    assert response.text == TEXT and response.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"response_format": "srt"}, "json, text, verbose_json"),
        ({"response_format": "diarized_json"}, "json, text, verbose_json"),
        ({"response_format": "vtt", "model": "scribe"}, "json, text, verbose_json, diarized_json"),
        ({"response_format": "text", "model": "gpt-transcribe"}, "Supported formats: json"),
        ({"response_format": "verbose_json", "model": "gpt-transcribe"}, "Supported formats: json"),
        (
            {"response_format": "srt", "model": "google/gemini-3.5-transcribe"},
            "json, text, verbose_json, diarized_json",
        ),
        ({"speakers_expected": "2", "model": "google/gemini-3.5-transcribe"}, "diarized_json"),
        ({"response_format": "yaml"}, "json, text, verbose_json, diarized_json, srt, vtt"),
        ({"speakers_expected": "2", "model": ASSEMBLY}, "diarized_json"),
        ({"speakers_expected": "0", "response_format": "diarized_json", "model": ASSEMBLY}, ">=1"),
        ({"speakers_expected": "two", "response_format": "diarized_json", "model": ASSEMBLY}, "speakers_expected"),
        ({"temperature": "2"}, "temperature"),
        ({"model": "tts-1"}, "transcription"),
        ({"model": "nope"}, "Invalid model"),
    ],
)
def test_what_a_model_cannot_do_is_refused(http: httpx.Client, fields: dict[str, str], words: str) -> None:
    response = post(http, stranger(1), **fields)
    assert response.status_code == 400 and words in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("form", "name", "status"),
    [
        ("wav", "talk.wav", 200),
        ("wav", "talk.mp3", 400),
        ("wav", "blob", 400),  # is forwarded as audio.mp3
        ("mp3", "blob", 200),
        ("mp3", "talk.mpga", 200),
        ("mp3", "talk.wav", 400),
        ("flac", "talk.flac", 400),
    ],
)
def test_some_models_read_the_format_of_a_file_from_its_name(
    http: httpx.Client, form: str, name: str, status: int
) -> None:
    data = spoken(http, response_format=form)
    assert post(http, data, name, model="gpt-transcribe").status_code == status
    assert post(http, data, name).status_code == 200


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("data", [b"", b"no sound at all", b"RIFF" + bytes(40), wav(b""), picture()])
def test_a_file_that_is_no_sound_is_refused(http: httpx.Client, data: bytes) -> None:
    response = post(http, data)
    assert response.status_code == 400 and "cannot be read as audio" in response.json()["error"]["message"]


def test_forms_without_a_file_and_bodies_that_are_no_form(http: httpx.Client) -> None:
    path = "/v1/audio/transcriptions"
    assert http.post(path, files={"other": ("a.wav", stranger(1))}).status_code == 400
    assert http.post(path, json={"file": "x"}).status_code == 400
    assert http.post(path, content=b"x", headers={"content-type": "multipart/form-data"}).status_code == 400


def test_transcripts_are_billed_by_the_second_and_once(http: httpx.Client, emulator: Emulator) -> None:
    emulator.keys["sk_little"] = {"balance": 1.0}
    http.headers["authorization"] = "Bearer sk_little"
    for cache_type in ("GENERATED", "EXACT"):
        response = post(http, stranger(1.5))
        assert response.headers["x-usage-prompt-audio-seconds"] == "1.5" and "link" not in response.headers
        assert response.headers["x-cache-type"] == cache_type
    assert emulator.keys["sk_little"]["balance"] == 1 - Decimal("1.5") * Decimal("0.000045277778")


@pytest.mark.parametrize(
    ("fields", "price"),
    [
        ({}, "0.000058333333"),
        ({"prompt": "tides"}, "0.000072222222"),
        ({"response_format": "diarized_json"}, "0.000063888889"),
        ({"response_format": "diarized_json", "prompt": "tides"}, "0.000077777778"),
    ],
)
def test_prompts_and_speakers_cost_extra(
    http: httpx.Client, emulator: Emulator, fields: dict[str, str], price: str
) -> None:
    emulator.keys["sk_emulator"]["balance"] = 1.0
    post(http, stranger(10), model="assemblyai/universal-3.5-pro", **fields)
    assert emulator.keys["sk_emulator"]["balance"] == 1 - 10 * Decimal(price)


def test_gemini_counts_tokens(http: httpx.Client) -> None:
    headers = post(http, stranger(2), model="google/gemini-3.5-transcribe").headers
    assert headers["x-usage-prompt-audio-tokens"] == "64" and int(headers["x-usage-completion-text-tokens"]) > 0


def test_recordings_may_be_larger_than_other_bodies(http: httpx.Client) -> None:
    hour = wav(b"\1\7" * (11 * 1024 * 1024))
    assert post(http, hour).status_code == 200
    assert post(http, bytes(101 * 1024 * 1024)).status_code == 413
