"""Speech to speech: another voice with the same timing, and speech without noise and music."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from langchain_pollinations.emulator import Emulator
from langchain_pollinations.emulator.synthesis.audio import codecs

from .test_transcription import hear, samples, spoken, stranger, wav

CHANGER, ISOLATOR = "/v1/audio/voice-changer", "/v1/audio/voice-isolator"
TEXT = "The tide comes in. Does it go out again? Nobody on this island knows that for certain."


def send(http: httpx.Client, route: str, data: bytes, field: str = "file", **fields: Any) -> httpx.Response:
    return http.post(route, files={field: ("talk.wav", data)}, data=fields)


def convert(http: httpx.Client, route: str, data: bytes, **fields: Any) -> bytes:
    response = send(http, route, data, **fields)
    assert response.status_code == 200, response.text
    return response.content


@pytest.mark.parametrize(("route", "form"), [(CHANGER, "mp3"), (CHANGER, "wav"), (ISOLATOR, None)])
@pytest.mark.parametrize("source", ["mp3", "wav"])
def test_the_words_are_still_understood(http: httpx.Client, route: str, form: str | None, source: str) -> None:
    given = spoken(http, TEXT, response_format=source)
    made = convert(http, route, given, **({"response_format": form} if form else {}))
    assert made != given
    told = hear(http, made, response_format="verbose_json")
    assert told["text"] == TEXT
    assert told["duration"] == pytest.approx(len(TEXT) / 15, abs=0.2)


def test_the_voice_is_another_one(http: httpx.Client) -> None:
    given = spoken(http, TEXT)
    nova, onyx = (convert(http, CHANGER, given, voice=voice, response_format="wav") for voice in ("nova", "onyx"))
    assert len({given, nova, onyx}) == 3
    assert len(samples(nova)) == len(samples(onyx)) == len(samples(given))


def test_only_speech_is_kept(http: httpx.Client) -> None:
    noise, words = b"\1\7" * 24000, samples(spoken(http, TEXT))
    for parts in ((noise, words), (words, noise), (noise, words, noise)):
        made = convert(http, ISOLATOR, wav(b"".join(parts)))
        told = hear(http, made, response_format="verbose_json")
        assert told["text"] == TEXT
        assert told["words"][0]["start"] == pytest.approx(1 if parts[0] is noise else 0, abs=0.1)
        heard = codecs.read(made).samples
        assert not heard[len(b"".join(parts)) :].strip(b"\0")
        quiet = heard[:24000] if parts[0] is noise else heard[-24000:]
        assert max(quiet) <= 1 or not quiet.strip(b"\0")
    song = spoken(http, "a jig", model="music", duration=5, response_format="mp3")
    assert hear(http, convert(http, ISOLATOR, song))["text"] == ""


def test_unknown_recordings_are_filtered(http: httpx.Client) -> None:
    given = stranger(5)
    for route in (CHANGER, ISOLATOR):
        made = codecs.read(convert(http, route, given))
        assert made.seconds == pytest.approx(5, abs=0.1)
        assert made.samples.strip(b"\0") and made.samples != codecs.read(given).samples


def test_the_headers_name_voice_price_and_file(http: httpx.Client, emulator: Emulator) -> None:
    given, account = stranger(6), emulator.keys["sk_emulator"]
    changed = send(http, CHANGER, given, voice="rachel")
    assert changed.headers["x-voice-changer-voice"] == "rachel"
    assert changed.headers["x-usage-prompt-audio-seconds"] == "6"
    url = changed.headers["link"].partition(">")[0][1:]
    assert http.get(url).content == changed.content
    assert float(account["balance"]) == pytest.approx(1000 - 6 * 0.002)
    again = send(http, CHANGER, given, "audio", voice="rachel", more="x")  # the older name of the field
    assert (again.content, again.headers["x-cache-type"]) == (changed.content, "EXACT")
    assert float(account["balance"]) == pytest.approx(1000 - 6 * 0.002)
    types = {form: send(http, CHANGER, given, response_format=form).headers["content-type"] for form in FORMATS}
    assert types == FORMATS


FORMATS = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


@pytest.mark.parametrize(
    ("route", "data", "fields", "says"),
    [
        (CHANGER, stranger(301), {}, "at most 300 seconds"),
        (CHANGER, stranger(5), {"voice": "nobody"}, "Voice 'nobody' is not available"),
        (CHANGER, stranger(5), {"response_format": "flac"}, "Supported formats: mp3, opus, aac, wav, pcm"),
        (CHANGER, stranger(5), {"model": "voice-isolator"}, "cannot be used on the voice changer endpoint"),
        (ISOLATOR, stranger(4.5), {}, "at least 4.6 seconds"),
        (ISOLATOR, stranger(5), {"model": "nope"}, "Invalid model"),
        (ISOLATOR, b"words", {}, "cannot be read as audio"),
    ],
)
def test_bad_requests_are_refused(http: httpx.Client, route: str, data: bytes, fields: Any, says: str) -> None:
    response = send(http, route, data, **fields)
    assert response.status_code == 400
    assert says in response.json()["error"]["message"]


@pytest.mark.parametrize("route", [CHANGER, ISOLATOR])
def test_a_file_is_needed_and_its_size_is_limited(http: httpx.Client, emulator: Emulator, route: str) -> None:
    assert "Missing required field: file" in send(http, route, b"", "recording").text
    assert "Invalid form" in http.post(route, json={}).text
    assert send(http, route, bytes(50 * 1024 * 1024 + 1)).status_code == 413
    assert send(http, route, bytes(52 * 1024 * 1024)).status_code == 413
    emulator.keys["sk_emulator"].update(balance=5, paid=0)
    refused = send(http, route, stranger(5))
    assert (refused.status_code, refused.json()["error"]["code"]) == (402, "INSUFFICIENT_BALANCE")
