"""`PollinationsSpeech` and `PollinationsMusic`: what is asked of the service, and what passes for sound."""

from __future__ import annotations

import base64
import io
import json
import pickle
import struct
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from langchain_pollinations._media.integrity import is_whole
from langchain_pollinations._media.text_splitter import split_text
from langchain_pollinations._media.wav import join_wavs, pcm16_to_wav
from langchain_pollinations.audio import PollinationsMusic, PollinationsSpeech
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import (
    ContentBlockedError,
    InsufficientBalanceError,
    InvalidRequestError,
    InvalidResponseError,
    RateLimitError,
    UnsupportedRequestError,
)
from langchain_pollinations.media import Media
from tests.helpers.ask import MAKING, Ask

Make = Callable[..., Media]

ROUTE = "/v1/audio/speech"
MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x00" + b"\0" * 413


@pytest.fixture(params=["generate", "ainvoke"])
def make(request: pytest.FixtureRequest) -> Make:
    return MAKING[request.param]


@pytest.fixture
def speaker(emulator: Emulator) -> PollinationsSpeech:
    return PollinationsSpeech(**emulator.connection())


@pytest.fixture
def band(emulator: Emulator) -> PollinationsMusic:
    return PollinationsMusic(**emulator.connection())


@pytest.fixture(scope="session")
def check(request: pytest.FixtureRequest) -> Callable[[Any], None]:
    """Holds a body against the service's own schema, where that is at hand."""
    try:
        contract: Path = request.getfixturevalue("contract")
    except pytest.skip.Exception:
        return lambda body: None
    schema = json.loads((contract / "audio_speech.request.schema.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate


def wav(value: int = 0, seconds: float = 0.1, rate: int = 24_000) -> bytes:
    return pcm16_to_wav(struct.pack("<h", value) * int(seconds * rate), rate)


def play(emulator: Emulator, *bodies: bytes, content_type: str = "audio/wav", **more: Any) -> None:
    for body in bodies:
        emulator.reply(body=body, content_type=content_type, on=ROUTE, **more)


# --- Requests ---------------------------------------------------------------------------------------------------------


def test_speech_comes_with_all_that_is_known_of_it(speaker: PollinationsSpeech, emulator: Emulator, make: Make) -> None:
    play(
        emulator,
        MP3,
        content_type="audio/mpeg",
        headers={
            "link": '<https://media.pollinations.ai/abc>; rel="enclosure"',
            "x-model-used": "openai/tts-1",
            "x-tts-voice": "nova",
            "x-usage-completion-audio-tokens": "16",
            "x-request-id": "r1",
        },
    )
    sound = make(speaker, "The tide is out.", voice="nova", seed=7)
    assert (sound.data, sound.mime_type, sound.prompt, sound.seed) == (MP3, "audio/mpeg", "The tide is out.", 7)
    assert (sound.url, sound.model, sound.request_id) == ("https://media.pollinations.ai/abc", "openai/tts-1", "r1")
    assert sound.metadata == {"x-usage-completion-audio-tokens": "16", "tts_voice": "nova"}


@pytest.mark.parametrize("text", ["Hi", "100% sure", "a/b", "..", "%2F", "é 🌼 漢字", "a\u2028b", "x" * 10_000])
def test_texts_go_in_a_body_and_nothing_that_was_not_asked_for(
    speaker: PollinationsSpeech, emulator: Emulator, text: str
) -> None:
    play(emulator, MP3)
    speaker.generate(text)
    request = emulator.requests[-1]
    assert (request.method, request.path, request.query) == ("POST", ROUTE, {})
    assert request.json == {"model": "tts-1", "input": text}


SPEECH: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"voice": "Nova", "response_format": "flac", "seed": 4294967295, "safe": "nsfw"}, {"voice": "nova"}),
    ({"model": "qwen3-tts-instruct", "instructions": "softly"}, {}),
    ({"model": "google/gemini-3.8-flash-tts", "voice": "kore", "instructions": "softly"}, {"voice": "Kore"}),
    ({"model": "google/gemini-3.8-flash-lite-tts", "response_format": "pcm"}, {}),
    ({"model": "eleven", "voice": "JBFqnCBsd6RMkjVDRZzb"}, {}),
    ({"model": "qwen-tts", "voice": "Cherry", "response_format": "wav"}, {}),
    ({"model": "somebody/newer", "voice": "x", "response_format": "aac", "instructions": "y"}, {}),
]


@pytest.mark.parametrize(("options", "instead"), SPEECH, ids=str)
def test_every_option_of_speech_goes_out_as_it_was_given(
    emulator: Emulator, check: Any, options: dict[str, Any], instead: dict[str, str]
) -> None:
    play(emulator, wav())
    PollinationsSpeech(**emulator.connection(), **options).generate("Hi")
    assert emulator.requests[-1].json == {"model": "tts-1", **options, **instead, "input": "Hi"}
    check(emulator.requests[-1].json)


MUSIC: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"model": "music"}),
    ({"duration": 30, "instrumental": True, "seed": 1, "store_for_inpainting": False}, {"model": "music"}),
    ({"conditioning_ref": {"song_id": "s1"}, "safe": True}, {"model": "music"}),
    ({"model": "sfx", "duration": 0.5, "loop": True, "prompt_influence": 0.3, "response_format": "mp3"}, {}),
    ({"model": "lyria", "duration": 30, "loop": False}, {}),
    ({"model": "stable-audio", "steps": 50}, {}),
    ({"model": "stable-audio-large", "steps": 8, "negative_prompt": "vocals", "response_format": "wav"}, {}),
    ({"model": "somebody/newer", "duration": 9, "steps": 3, "loop": True}, {}),
]


@pytest.mark.parametrize(("options", "more"), MUSIC, ids=str)
def test_every_option_of_music_goes_out_as_it_was_given(
    emulator: Emulator, make: Make, check: Any, options: dict[str, Any], more: dict[str, str]
) -> None:
    play(emulator, MP3)
    make(PollinationsMusic(**emulator.connection()), "a slow waltz", **options)
    assert emulator.requests[-1].path == ROUTE
    assert emulator.requests[-1].json == {**options, **more, "input": "a slow waltz"}
    check(emulator.requests[-1].json)


def test_stable_audio_is_told_its_length_in_seconds(band: PollinationsMusic, emulator: Emulator, check: Any) -> None:
    play(emulator, MP3)
    band.generate("rain", model="stable-audio", duration=380)
    assert emulator.requests[-1].json == {"model": "stable-audio", "input": "rain", "seconds": 380}
    check(emulator.requests[-1].json)


def test_with_a_plan_the_prompt_may_be_empty(band: PollinationsMusic, emulator: Emulator, check: Any) -> None:
    plan = {"sections": [{"section_name": "Verse", "duration_ms": 9000, "lines": []}]}
    play(emulator, MP3, MP3)
    assert band.generate("", composition_plan=plan).prompt == ""
    assert emulator.requests[-1].json["composition_plan"] == plan
    assert emulator.requests[-1].json["input"]
    check(emulator.requests[-1].json)
    band.generate("a waltz", composition_plan=plan)
    assert emulator.requests[-1].json["input"] == "a waltz"


def test_a_reference_is_an_address_or_becomes_one(
    band: PollinationsMusic, emulator: Emulator, tmp_path: Path, make: Make, check: Any
) -> None:
    play(emulator, MP3, MP3, MP3)
    make(band, "like this", reference_audio="https://example.com/a.mp3")
    assert emulator.requests[-1].json["reference_audio"] == "https://example.com/a.mp3"
    (tmp_path / "tune.wav").write_bytes(wav(7))
    filed = PollinationsMusic(**emulator.connection(), reference_folder=tmp_path, reference_audio="tune.wav")
    for _ in range(2):
        make(filed, "like this")
        check(emulator.requests[-1].json)
    uploads = [request for request in emulator.requests if request.path.endswith("/upload")]
    assert [request.body for request in uploads] == [wav(7)]
    assert emulator.requests[-1].json["reference_audio"].startswith(emulator.url)


def test_a_random_seed_is_drawn_once_and_a_repeat_is_the_same_bytes(
    speaker: PollinationsSpeech, emulator: Emulator, make: Make
) -> None:
    emulator.fail(503, headers={"retry-after": "0"}, on=ROUTE)
    play(emulator, MP3, MP3)
    seeds = [make(speaker, "Hi", seed=-1).seed for _ in range(2)]
    assert [request.json["seed"] for request in emulator.requests] == [seeds[0], *seeds]
    assert seeds[0] != seeds[1]
    assert emulator.requests[0].body == emulator.requests[1].body


DIALOGUE = "elevenlabs/eleven-v3:dialogue"


@pytest.mark.parametrize("given", ["Nova: Hello.\n\necho:  Hi. ", [("nova", "Hello."), ("echo", "Hi.")]], ids=type)
def test_a_dialogue_is_lines_or_pairs(speaker: PollinationsSpeech, emulator: Emulator, given: Any, make: Make) -> None:
    play(emulator, MP3)
    sound = make(speaker, given, model=DIALOGUE)
    assert emulator.requests[-1].json == {"model": DIALOGUE, "input": "nova: Hello.\necho: Hi."}
    assert sound.prompt == "nova: Hello.\necho: Hi."


ELEVEN = "\n".join(f"voice{number:03}x: Hi" for number in range(11))

BAD_SPEECH = [
    ("", {}, "prompt must be a non-empty string"),
    (" \n", {}, "prompt must be a non-empty string"),
    (None, {}, "prompt must be a non-empty string"),
    ("half \ud800", {}, "prompt holds half a character"),
    ("x" * 400_001, {"response_format": "wav"}, "prompt has 400001 characters"),
    ("x" * 10_001, {}, "prompt: has 10001 characters; one request accepts 10000.*: set response_format='wav'$"),
    ("😀" * 5_001, {}, "prompt: has 10002 characters"),
    ("x" * 10_001, {"response_format": "pcm"}, "set response_format='wav'"),
    ("x" * 10_001, {"model": "fish-audio-s2.1-pro"}, "response_format='wav' and use a model that supports it: .*tts-1"),
    ("nova: x\n" * 300, {"model": DIALOGUE}, "one request accepts 2000"),
    ("Hi", {"model": "flux"}, "'flux' cannot generate speech .category: image.; models that can: .*openai/tts-1"),
    ("Hi", {"model": "whisper"}, "kind: transcription.; use PollinationsTranscriber"),
    ("Hi", {"model": "music"}, "kind: music.; use PollinationsMusic"),
    ("Hi", {"model": "sfx"}, "kind: effects.; use PollinationsMusic"),
    ("Hi", {"model": "voice-changer"}, "cannot generate speech .kind: voice changer.; use PollinationsVoice"),
    (
        "Hi",
        {"voice": "nowa"},
        "voice: model 'tts-1' has no voice 'nowa'; did you mean 'nova'. Its 6 voices: alloy, echo",
    ),
    ("Hi", {"voice": "JBFqnCBsd6RMkjVDRZzb"}, "has no voice 'JBF"),
    ("Hi", {"model": "eleven", "voice": "short"}, "has no voice 'short'.* Its 35 voices: alloy, .*, [.]{3}$"),
    ("Hi", {"voice": ""}, "voice: String should have at least 1"),
    ("Hi", {"response_format": "ogg"}, "response_format: Input should be 'mp3', 'opus'"),
    ("Hi", {"model": "qwen3-tts", "response_format": "mp3"}, "'qwen3-tts' supports wav, got mp3"),
    ("Hi", {"model": "grok-tts", "response_format": "flac"}, "supports mp3, wav, pcm, got flac"),
    ("Hi", {"instructions": "softly"}, "does not accept instructions; models that can: .*google/gemini-3.8-flash-tts"),
    ("Hi", {"model": "google/gemini-3.8-flash-tts", "response_format": "mp3"}, "supports wav, pcm, got mp3"),
    ("Hi", {"model": "google/gemini-3.8-flash-lite-tts", "response_format": "flac"}, "supports wav, pcm, got flac"),
    ("x" * 10_001, {"model": "google/gemini-3.8-flash-tts", "response_format": "pcm"}, "set response_format='wav'$"),
    ("Hi", {"timestamps": True}, "does not support timestamps; models that can: .*elevenlabs/eleven-v3"),
    ("Hi", {"seed": 2**32}, "seed: Input should be less"),
    ("Hi", {"safe": "foo"}, "safe: unknown 'foo'"),
    ("Hi", {"duration": 3}, "unknown argument 'duration'"),
    ("Hi", {"vioce": "nova"}, "unknown argument 'vioce', did you mean 'voice'"),
    ([("nova", "Hi")], {}, "'tts-1' does not accept a dialogue; models that can: elevenlabs/eleven-v3:dialogue"),
    ("Hi there", {"model": DIALOGUE}, "line 1 .'Hi there'. is no turn"),
    ("nova: Hi", {"model": DIALOGUE, "voice": "nova"}, "voice: must be omitted for a dialogue"),
    ("bob: Hi", {"model": DIALOGUE}, "prompt: model 'elevenlabs/eleven-v3:dialogue' has no voice 'bob'"),
    ("Once upon a time: Hi", {"model": DIALOGUE}, "no voice 'Once upon a time'"),
    (ELEVEN, {"model": DIALOGUE}, "at most 10 voices, got 11"),
    ([], {"model": DIALOGUE}, "not empty|non-empty"),
    ([("nova", "half \ud800")], {"model": DIALOGUE}, "half a character"),
]


@pytest.mark.parametrize(("text", "options", "says"), BAD_SPEECH, ids=lambda value: str(value)[:40])
def test_bad_speech_is_refused_before_it_is_sent(
    speaker: PollinationsSpeech, emulator: Emulator, make: Make, text: Any, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        make(speaker, text, **options)
    assert emulator.requests == []


BAD_MUSIC = [
    ("", {}, "prompt must be a non-empty string"),
    (" ", {"composition_plan": {}}, "prompt must be a non-empty string"),
    ("x" * 10_001, {}, "prompt has 10001 characters"),
    ("😀" * 5_001, {}, "10002 characters .the service counts an emoji as two"),
    ("x", {"model": "tts-1"}, "kind: speech.; use PollinationsSpeech"),
    ("x", {"model": DIALOGUE}, "kind: dialogue.; use PollinationsSpeech"),
    ("x", {"model": "openai"}, "cannot generate music or sound effects .category: text.; models that can"),
    ("x", {"duration": 2}, "duration: model 'music' accepts 3 to 300, got 2"),
    ("x", {"duration": 301}, "accepts 3 to 300, got 301"),
    ("x", {"duration": 0}, "duration: Input should be greater"),
    ("x", {"model": "sfx", "duration": 31}, "accepts 0.5 to 30, got 31"),
    ("x", {"model": "stable-audio", "duration": 0.5}, "accepts 1 to 380, got 0.5"),
    ("x", {"model": "lyria", "duration": 20}, "'lyria' accepts 30 seconds, got 20"),
    ("x", {"model": "google/lyria-3.5", "duration": 30}, "does not accept duration; models that can"),
    ("x", {"model": "stable-audio-large", "steps": 9}, "steps: model 'stable-audio-large' accepts 4 to 8, got 9"),
    ("x", {"steps": 5}, "'music' does not accept steps; models that can: stability-ai/stable-audio-3"),
    ("x", {"model": "sfx", "instrumental": True}, "does not accept instrumental; models that can: elevenlabs/music-v2"),
    ("x", {"loop": True}, "does not accept loop; models that can: elevenlabs/eleven-text-to-sound-v2"),
    ("x", {"prompt_influence": 0}, "does not accept prompt_influence"),
    ("x", {"prompt_influence": 2}, "prompt_influence: Input should be less"),
    ("x", {"model": "stable-audio", "negative_prompt": "y"}, "does not accept negative_prompt"),
    ("x", {"model": "lyria", "reference_audio": "https://example.com/a.mp3"}, "does not accept reference_audio"),
    ("x", {"model": "lyria", "response_format": "wav"}, "supports mp3, got wav"),
    ("x", {"composition_plan": {}, "duration": 9, "instrumental": True}, "duration, instrumental: cannot be combined"),
    ("x", {"composition_plan": {"a": object()}}, "composition_plan"),
    ("x", {"reference_audio": "ftp://x"}, "reference_audio: must be an http"),
    ("x", {"reference_audio": "/etc/passwd"}, "reference_folder"),
    ("x", {"reference_audio": b"\x89PNG\r\n\x1a\n"}, "reference_audio: must be audio data"),
    ("x", {"reference_audio": b"ID3" + b"\0" * (20 << 20)}, "reference_audio: has 20,971,523 bytes"),
    ("x", {"voice": "nova"}, "unknown argument 'voice'"),
]


@pytest.mark.parametrize(("prompt", "options", "says"), BAD_MUSIC, ids=lambda value: str(value)[:40])
def test_bad_music_is_refused_before_it_is_sent(
    band: PollinationsMusic, emulator: Emulator, make: Make, prompt: Any, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        make(band, prompt, **options)
    assert emulator.requests == []


def test_a_lack_of_the_model_is_an_error_of_its_own(speaker: PollinationsSpeech) -> None:
    with pytest.raises(UnsupportedRequestError):
        speaker.generate("Hi", timestamps=True)


# --- Answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type", "found"),
    [
        (MP3, "audio/wav", "audio/mpeg"),
        (b"\xff\xf3\x64\xc4" + b"\0" * 90, "audio/mpeg", "audio/mpeg"),
        (wav(), "audio/mpeg", "audio/wav"),
        (b"OggS" + b"\0" * 90, "audio/opus", "audio/ogg"),
        (b"fLaC" + b"\0" * 90, "audio/flac", "audio/flac"),
        (b"\xff\xf1\x50\x80" + b"\0" * 90, "audio/aac", "audio/aac"),
        (b"\0\0\0\x10ftypM4A \0\0\0\0\0\0\0\x08moov", "audio/aac", "audio/mp4"),
        (b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08moov", "audio/aac", "audio/mp4"),
        (b"\x01\x00\xfe\xff" * 9, "audio/pcm", "audio/pcm"),
        (b" {\x01\x00\xfe\xff" * 9, "audio/pcm", "audio/pcm"),
    ],
)
def test_the_bytes_tell_what_came(
    speaker: PollinationsSpeech, emulator: Emulator, body: bytes, content_type: str, found: str
) -> None:
    play(emulator, body, content_type=content_type)
    sound = speaker.generate("Hi")
    assert (sound.data, sound.mime_type) == (body, found)


@pytest.mark.parametrize(
    ("model", "content_type", "rate"),
    [("tts-1", "audio/pcm", 24_000), ("eleven", "audio/pcm", 44_100), ("tts-1", "audio/L16; rate=16000", 16_000)],
)
def test_raw_samples_know_their_rate_and_no_page_pretends_to_play_them(
    speaker: PollinationsSpeech, emulator: Emulator, model: str, content_type: str, rate: int
) -> None:
    play(emulator, b"\x01\x00" * 50, content_type=content_type)
    sound = speaker.generate("Hi", model=model, response_format="pcm")
    assert (sound.mime_type, sound.metadata["sample_rate"]) == ("audio/pcm", rate)
    page = sound._repr_mimebundle_()["text/html"]
    assert "<audio" not in page
    assert 'download="audio.pcm"' in page


NO_SOUNDS = {
    "a page": (b"<!DOCTYPE html><html><body>Moved</body></html>", "text/html"),
    "a notice": (b"We are moving to a new home", "text/plain"),
    "a notice by the name of sound": (b"We are moving to a new home", "audio/mpeg"),
    "JSON": (b'{"status": "queue full"}', "application/json"),
    "nothing": (b"", "audio/mpeg"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + b"\0" * 90, "audio/mpeg"),
    "half a WAV": (wav()[:-100], "audio/wav"),  # its own head tells that it was longer
    "the head of a WAV": (wav()[:30], "audio/wav"),
    "an open WAV without a sample": (b"RIFF\xff\xff\xff\xffWAVE" + wav()[12:40] + b"\xff" * 4, "audio/wav"),
}


@pytest.mark.parametrize("body", NO_SOUNDS)
def test_a_body_that_is_no_sound_is_an_error(
    speaker: PollinationsSpeech, emulator: Emulator, make: Make, body: str
) -> None:
    content, content_type = NO_SOUNDS[body]
    play(emulator, content, content_type=content_type)
    with pytest.raises(InvalidResponseError, match="no audio|incomplete audio data"):
        make(speaker, "Hi")


def with_sizes(riff: int, data: int) -> bytes:
    file = bytearray(wav(5))
    file[4:8], file[40:44] = struct.pack("<I", riff), struct.pack("<I", data)
    return bytes(file)


WRONG_HEADS = {
    **{f"open, {size:#x}": with_sizes(size, size) for size in (0, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF)},
    "open samples only": with_sizes(len(wav(5)) - 8, 0xFFFFFFFF),
    "too large": with_sizes(len(wav(5)) - 8, 1_000_000),
}


@pytest.mark.parametrize("head", WRONG_HEADS)
def test_a_wav_with_a_wrong_head_gets_its_true_sizes(
    speaker: PollinationsSpeech, emulator: Emulator, make: Make, ask: Ask, head: str
) -> None:
    file = WRONG_HEADS[head]
    assert is_whole(file, "audio/wav")
    assert join_wavs([file]) == wav(5)
    play(emulator, file, content_type="audio/wav")
    assert make(speaker, "Hi").data == wav(5)
    emulator.reply(message={"audio": {"data": base64.b64encode(file).decode(), "transcript": "Hi"}}, dialect="plain")
    chat = ChatPollinations(**emulator.connection(), audio={"voice": "nova", "format": "wav"})
    (sound,) = (block for block in ask(chat, "Hi").content_blocks if block["type"] == "audio")
    assert base64.b64decode(sound["base64"]) == wav(5)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"case": "content blocked"}, ContentBlockedError),
        ({"case": "balance spent"}, InsufficientBalanceError),
        ({"case": 400, "message": "Invalid voice"}, InvalidRequestError),
    ],
    ids=str,
)
def test_what_the_service_refuses_is_told_by_its_class(
    speaker: PollinationsSpeech, emulator: Emulator, make: Make, fault: dict[str, Any], error: type[Exception]
) -> None:
    emulator.fail(**fault, on=ROUTE)
    with pytest.raises(error):
        make(speaker, "Hi")
    assert len(emulator.requests) == 1


def test_an_error_inside_a_good_answer_is_one(speaker: PollinationsSpeech, emulator: Emulator) -> None:
    play(
        emulator, b'{"error": {"type": "rate_limit_error", "message": "slow down"}}', content_type="audio/mpeg", times=3
    )
    with pytest.raises(RateLimitError, match="slow down"):
        PollinationsSpeech(**emulator.connection(), max_retries=0).generate("Hi")


# --- Timestamps -------------------------------------------------------------------------------------------------------


def timed(data: bytes, characters: str = "Hi", step: float = 0.25, **more: Any) -> dict[str, Any]:
    times = [number * step for number in range(len(characters) + 1)]
    alignment = {
        "characters": list(characters),
        "character_start_times_seconds": times[:-1],
        "character_end_times_seconds": times[1:],
    }
    told = {"alignment": alignment, "normalized_alignment": alignment}
    return {"audio_base64": base64.b64encode(data).decode(), **told, **more}


@pytest.mark.parametrize(("given", "data", "kind"), [("mp3", MP3, "audio/mpeg"), ("pcm", b"\1\0" * 9, "audio/pcm")])
def test_timestamps_come_with_the_sound(
    speaker: PollinationsSpeech, emulator: Emulator, make: Make, check: Any, given: str, data: bytes, kind: str
) -> None:
    emulator.reply(body=timed(data, normalized_alignment=None), on=ROUTE)
    sound = make(speaker, "Hi", model="eleven", timestamps=True, response_format=given, seed=3)
    request = emulator.requests[-1]
    assert request.path == f"{ROUTE}/with-timestamps"
    assert request.json == {"model": "eleven", "input": "Hi", "response_format": given, "seed": 3}
    check(request.json)
    assert (sound.data, sound.mime_type) == (data, kind)
    assert sound.metadata["alignment"] == timed(data)["alignment"]
    assert sound.metadata["normalized_alignment"] is None
    assert Media.from_artifact(json.loads(json.dumps(sound.to_artifact()))).metadata == sound.metadata


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"audio_base64": 5},
        {"audio_base64": "***"},
        {"audio_base64": "é"},
        timed(b""),
        timed(b"<html>"),
        timed(MP3, alignment=[]),
        timed(MP3, alignment={"characters": ["H"]}),
        timed(MP3, alignment={**timed(MP3)["alignment"], "characters": ["H"]}),
        timed(MP3, alignment={**timed(MP3)["alignment"], "character_end_times_seconds": [1, None]}),
    ],
    ids=lambda body: str(body)[:60],
)
def test_an_answer_that_lacks_sound_or_times_is_an_error(
    speaker: PollinationsSpeech, emulator: Emulator, body: Any
) -> None:
    emulator.reply(body=body, on=ROUTE)
    with pytest.raises(InvalidResponseError, match="is no (speech|audio)"):
        speaker.generate("Hi", model="eleven", timestamps=True)


# --- Long texts -------------------------------------------------------------------------------------------------------

SENTENCES = [f"This is sentence number {number} of a long story." for number in range(600)]
STORY = " ".join(SENTENCES)[:25_000]
PARTS = split_text(STORY, 10_000)


def samples(data: bytes) -> list[int]:
    """The values that a WAV holds, each stretch of equals as one."""
    with wave.open(io.BytesIO(data)) as sound:
        values = [value for (value,) in struct.iter_unpack("<h", sound.readframes(sound.getnframes()))]
    return [value for place, value in enumerate(values) if place == 0 or values[place - 1] != value]


def test_a_long_text_is_spoken_in_parts_and_joined_in_order(
    speaker: PollinationsSpeech, emulator: Emulator, make: Make, check: Any
) -> None:
    """The first to be asked for comes last; which part that is is seen from the requests."""
    for number, wait in enumerate((0.4, 0.2, 0.0), 1):
        headers = {"x-usage-completion-audio-tokens": f"{number}.5", "x-tts-voice": "nova", "x-cache": "HIT"}
        play(emulator, wav(number), delay=wait, headers=headers)
    sound = make(speaker, STORY, response_format="wav", voice="nova", seed=5)
    asked = [request.json for request in emulator.requests]
    assert sorted(body["input"] for body in asked) == sorted(PARTS)
    assert len(PARTS) == 3
    for body in asked:
        check(body)
        assert {**body, "input": ""} == {
            "model": "tts-1",
            "voice": "nova",
            "response_format": "wav",
            "seed": 5,
            "input": "",
        }
    answers = {body["input"]: number for number, body in enumerate(asked, 1)}
    assert samples(sound.data) == [answers[part] for part in PARTS]
    assert (sound.mime_type, sound.prompt, sound.seed, sound.url) == ("audio/wav", STORY, 5, None)
    assert sound.metadata["x-usage-completion-audio-tokens"] == "7.5"
    assert sound.metadata["tts_voice"] == "nova"
    assert len(sound.metadata["request_ids"]) == 3


def test_a_model_that_always_gives_wav_needs_no_format_for_long_texts(
    speaker: PollinationsSpeech, emulator: Emulator
) -> None:
    play(emulator, wav(1), times=3)
    assert speaker.generate(STORY, model="qwen-tts").mime_type == "audio/wav"
    assert "response_format" not in emulator.requests[-1].json


def test_a_long_dialogue_is_cut_between_turns(speaker: PollinationsSpeech, emulator: Emulator, make: Make) -> None:
    turns = [("nova" if number % 2 else "echo", f"Turn {number} of many more.") for number in range(150)]
    play(emulator, wav(1), times=3)
    make(speaker, turns, model=DIALOGUE, response_format="wav")
    asked = sorted((request.json["input"] for request in emulator.requests), key=lambda said: int(said.split()[2]))
    assert "\n".join(asked) == "\n".join(f"{voice}: {text}" for voice, text in turns)
    assert len(asked) == 3
    assert all(len(said) <= 2_000 for said in asked)


def test_times_of_parts_become_times_of_the_whole(speaker: PollinationsSpeech, emulator: Emulator) -> None:
    text = "a" * 9_999 + ". " + "b" * 10
    emulator.reply(body=timed(wav(1, seconds=0.5), "Hi", 0.25), on=ROUTE, times=2)
    sound = speaker.generate(text, model="eleven", response_format="wav", timestamps=True)
    assert sound.metadata["alignment"] == {
        "characters": ["H", "i", "H", "i"],
        "character_start_times_seconds": [0.0, 0.25, 0.5, 0.75],
        "character_end_times_seconds": [0.25, 0.5, 0.75, 1.0],
    }
    emulator.reply(body=timed(wav(1, seconds=0.5)), on=ROUTE)
    emulator.reply(body=timed(wav(1, seconds=0.5), alignment=None), on=ROUTE)
    sound = speaker.generate(text, model="eleven", response_format="wav", timestamps=True)
    assert sound.metadata["alignment"] is None
    assert len(sound.metadata["normalized_alignment"]["characters"]) == 4


@pytest.mark.parametrize(
    "odd",
    [MP3, wav(1, rate=16_000), b"RIFF\0\0\0\0WAVEdata\4\0\0\0\1\0\1\0"],
    ids=["another type", "another rate", "no format"],
)
def test_parts_that_do_not_fit_together_are_an_error(
    speaker: PollinationsSpeech, emulator: Emulator, make: Make, odd: bytes
) -> None:
    play(emulator, wav(1), odd, wav(1))
    with pytest.raises(InvalidResponseError, match="The 3 parts of the text .* cannot be joined"):
        make(speaker, STORY, response_format="wav")


@pytest.mark.parametrize("fault", [429, 503, "drop"])
def test_a_part_that_fails_is_asked_for_again_byte_for_byte(
    speaker: PollinationsSpeech, emulator: Emulator, make: Make, fault: int | str
) -> None:
    headers = {} if fault == "drop" else {"retry-after": "0"}
    emulator.fail(fault, headers=headers, on=ROUTE)
    play(emulator, wav(1), times=3)
    assert samples(make(speaker, STORY, response_format="wav").data) == [1]
    asked = [request.body for request in emulator.requests]
    assert (len(asked), len(set(asked))) == (4, 3)


@pytest.mark.unused_replies  # the third part is asked for only where that begins before the refusal arrives
def test_a_part_that_is_refused_ends_it_all(speaker: PollinationsSpeech, emulator: Emulator, make: Make) -> None:
    play(emulator, wav(1))
    emulator.fail("content blocked", on=ROUTE)
    play(emulator, wav(1))
    with pytest.raises(ContentBlockedError):
        make(speaker, STORY, response_format="wav")


@pytest.mark.parametrize(
    ("options", "unit"),
    [
        ({"response_format": "wav"}, "completion-audio-tokens"),
        # WAV is its default, so the parts join without a format.
        ({"model": "google/gemini-3.8-flash-tts", "voice": "Kore"}, "prompt-text-tokens"),
    ],
    ids=str,
)
def test_the_emulator_s_parts_are_those_that_it_speaks_alone(
    speaker: PollinationsSpeech, emulator: Emulator, make: Make, options: dict[str, Any], unit: str
) -> None:
    emulator.fail(503, headers={"retry-after": "0"}, on=ROUTE)
    story = STORY[:10_500]
    whole = make(speaker, story, **options, seed=1)
    parts = [speaker.generate(part, **options, seed=1) for part in split_text(story, 10_000)]
    assert len(parts) == 2
    assert whole.mime_type == "audio/wav"
    assert whole.data == join_wavs([part.data for part in parts])
    assert int(whole.metadata[f"x-usage-{unit}"]) == sum(int(part.metadata[f"x-usage-{unit}"]) for part in parts)


# --- With the emulator's own sounds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "options", "found"),
    [
        ("tts-1", {"voice": "Nova", "response_format": "opus", "seed": 3}, "audio/ogg"),
        ("eleven", {"response_format": "aac", "voice": "JBFqnCBsd6RMkjVDRZzb"}, "audio/mp4"),
        ("eleven", {"response_format": "pcm"}, "audio/pcm"),
        ("eleven", {"timestamps": True, "response_format": "wav"}, "audio/wav"),
        ("qwen3-tts", {}, "audio/wav"),
        ("kokoro", {"voice": "AF_BELLA", "response_format": "flac"}, "audio/flac"),
        ("google/gemini-3.8-flash-tts", {"voice": "kore", "instructions": "softly"}, "audio/wav"),
        ("google/gemini-3.8-flash-lite-tts", {"voice": "Puck", "response_format": "pcm"}, "audio/pcm"),
        ("qwen3-tts-instruct", {"voice": "loongmary", "instructions": "softly"}, "audio/mpeg"),
    ],
)
def test_models_of_speech_answer(
    speaker: PollinationsSpeech, make: Make, model: str, options: dict[str, Any], found: str
) -> None:
    sound = make(speaker, "100% sure/unsure: a\nb", model=model, **options)
    assert sound.mime_type == found
    assert sound.data == speaker.generate("100% sure/unsure: a\nb", model=model, **options).data
    assert ("alignment" in sound.metadata) == bool(options.get("timestamps"))


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("music", {"duration": 4, "instrumental": True, "store_for_inpainting": True}),
        ("music", {"composition_plan": {"sections": []}}),
        ("sfx", {"duration": 0.5, "loop": True, "prompt_influence": 0.3}),
        ("lyria", {"duration": 30}),
        ("stable-audio", {"duration": 4, "steps": 60}),
        ("stable-audio-large", {"duration": 4, "steps": 5, "negative_prompt": "drums"}),
    ],
)
def test_models_of_music_answer(band: PollinationsMusic, model: str, options: dict[str, Any]) -> None:
    sound = band.generate("rain on a tent", model=model, **options)
    assert sound.mime_type == "audio/mpeg"
    assert ("song_id" in sound.metadata) == bool(options.get("store_for_inpainting"))


def test_music_is_modelled_on_speech(emulator: Emulator, make: Make) -> None:
    spoken = PollinationsSpeech(**emulator.connection()).generate("la la la", response_format="wav")
    band = PollinationsMusic(**emulator.connection(), duration=3)
    for reference in (spoken, spoken.data, spoken.url):
        song = make(band, "a song of this", reference_audio=reference)
        assert "elevenlabs_reference_song_id" in song.metadata


# --- The wrappers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [PollinationsSpeech, PollinationsMusic])
def test_wrappers_pickle(kind: type[Any]) -> None:
    maker = kind(api_key="sk_secret", model="somebody/newer", seed=3)
    again = pickle.loads(pickle.dumps(maker))
    assert (again.model, again.seed) == ("somebody/newer", 3)


def test_a_speaker_is_a_runnable(speaker: PollinationsSpeech, emulator: Emulator) -> None:
    play(emulator, MP3, times=2)
    assert [sound.prompt for sound in speaker.batch(["one", "two"])] == ["one", "two"]


def test_bad_arguments_of_the_constructor_are_refused() -> None:
    with pytest.raises(ValueError, match="'vioce', did you mean 'voice'"):
        PollinationsSpeech(api_key="sk_x", vioce="nova")
    with pytest.raises(ValueError, match="duration"):
        PollinationsMusic(api_key="sk_x", duration=-3)
