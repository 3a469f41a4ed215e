"""`PollinationsVideo`: what is asked of the service, what passes for a film, and how it comes to disk."""

from __future__ import annotations

import asyncio
import io
import json
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import jsonschema
import pytest
from langchain_core.load import dumps, load
from langchain_core.runnables import RunnableLambda
from pydantic import ValidationError

from langchain_pollinations._media.integrity import has_all_boxes
from langchain_pollinations._media.progress import Progress
from langchain_pollinations._media.upload_cache import UploadCache
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import (
    APIConnectionError,
    InsufficientBalanceError,
    InvalidRequestError,
    InvalidResponseError,
    MediaInputError,
    PaymentRequiredError,
    PollinationsError,
    RequestTimeoutError,
    UnknownModelError,
    UnprocessableError,
    UnsupportedRequestError,
)
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from langchain_pollinations.video import PollinationsVideo
from tests.helpers.ask import MAKING
from tests.helpers.files import box
from tests.helpers.terminal import Terminal

Film = Callable[..., Media]

PICTURE = "https://example.com/a,b.png"
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU"
    b"\x00\x00\x00\nIDATx\x9cc\xf8\x0f\x00\x01\x01\x01\x00\x1b\xb6\xeeV\x00\x00\x00\x00IEND\xaeB`\x82"
)


def mp4_chunks(pieces: int, piece: bytes = bytes(1024 * 1024)) -> list[bytes]:
    """A film of any weight, which no player could show: only its boxes are right."""
    head = box(b"ftyp", b"isom\0\0\0\0isom") + box(b"moov", bytes(100))
    return [head + box(b"mdat", size=8 + pieces * len(piece)), *[piece] * pieces]


FILM = b"".join(mp4_chunks(4))


@pytest.fixture(params=["generate", "ainvoke"])
def film(request: pytest.FixtureRequest) -> Film:
    return MAKING[request.param]


@pytest.fixture
def camera(emulator: Emulator) -> PollinationsVideo:
    return PollinationsVideo(**emulator.connection())


# --- Requests ---------------------------------------------------------------------------------------------------------


def test_a_film_comes_with_all_that_is_known_of_it(camera: PollinationsVideo, emulator: Emulator, film: Film) -> None:
    made = film(camera, "waves at dusk", duration=4, seed=7)
    assert has_all_boxes(io.BytesIO(made.data))
    assert (made.mime_type, made.seed, made.prompt, made.path) == ("video/mp4", 7, "waves at dusk", None)
    assert made.model == "google/veo-3.1-fast"
    assert made.url is not None
    assert made.url.startswith(emulator.url)
    assert made.request_id
    assert made.metadata["x-usage-completion-video-seconds"] == "4"


def test_nothing_is_sent_that_was_not_asked_for(camera: PollinationsVideo, emulator: Emulator) -> None:
    camera.generate("a cat")
    request = emulator.requests[-1]
    asked = (request.method, request.path, request.query, request.body)
    assert asked == ("GET", "/video/a cat", {"model": "veo"}, b"")


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (
            {"model": "veo", "duration": 6, "resolution": "1080p", "aspect_ratio": "9:16", "audio": True, "seed": 7,
             "safe": "nsfw", "first_frame": PICTURE, "last_frame": "https://example.com/c|d.png"},
            {"model": "veo", "duration": "6", "resolution": "1080p", "aspectRatio": "9:16", "audio": "true",
             "seed": "7", "safe": "nsfw", "image": "https://example.com/a%2Cb.png|https://example.com/c%7Cd.png"},
        ),
        (
            {"model": "wan-3.0", "width": 1920, "height": 1080, "audio": False, "reference_images": [PICTURE, PICTURE],
             "reference_videos": "https://example.com/a.mp4", "reference_audios": ["https://example.com/a|b.mp3"]},
            {"model": "wan-3.0", "width": "1920", "height": "1080", "audio": "false",
             "reference_images": f"{PICTURE}|{PICTURE}", "reference_videos": "https://example.com/a.mp4",
             "reference_audios": "https://example.com/a%7Cb.mp3"},
        ),
        ({"model_name": "veo", "aspectRatio": "16:9"}, {"model": "veo", "aspectRatio": "16:9"}),
    ],
    ids=["frames", "references", "synonyms"],
)  # fmt: skip
def test_every_option_goes_out_as_it_was_given(
    emulator: Emulator, contract: Path, options: dict[str, Any], sent: dict[str, str]
) -> None:
    PollinationsVideo(**emulator.connection(), **options).generate("a kite")
    assert emulator.requests[-1].query == sent
    PollinationsVideo(**emulator.connection()).generate("a kite", **options)
    assert emulator.requests[-1].query == sent
    schema = json.loads((contract / "video.query.schema.json").read_text("utf-8"))
    numbers = {key: int(value) for key, value in sent.items() if value.isdecimal()}
    words = {key: value == "true" for key, value in sent.items() if key == "audio"}
    jsonschema.Draft202012Validator(schema).validate(sent | numbers | words)


@pytest.mark.parametrize("prompt", ["50% off", "..", "a/../b", "x" * 3000], ids=lambda prompt: prompt[:12])
def test_a_film_whose_prompt_goes_in_a_body_is_fetched_without_the_key(
    camera: PollinationsVideo, emulator: Emulator, contract: Path, tmp_path: Path, film: Film, prompt: str
) -> None:
    options = {"duration": 1, "width": 1280, "height": 720, "seed": 3, "first_frame": PICTURE, "safe": "nsfw"}
    made = film(camera, prompt, model="p-video", path=tmp_path / "film", aspect_ratio="16:9", audio=False, **options)
    posted, fetched = emulator.requests[-2:]
    assert (posted.method, posted.path) == ("POST", "/v1/images/generations")
    assert posted.json == {
        "model": "p-video",
        "prompt": prompt,
        "duration": 1,
        "size": "1280x720",
        "aspectRatio": "16:9",
        "audio": False,
        "seed": 3,
        "image": [PICTURE],
        "safe": "nsfw",
        "response_format": "url",
    }
    schema = json.loads((contract / "images_generations.request.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(posted.json)
    assert (fetched.method, f"{emulator.url}{fetched.path}") == ("GET", made.url)
    assert "authorization" in posted.headers
    assert fetched.key is None
    assert (made.model, made.prompt, made.seed) == ("prunaai/p-video", prompt, 3)
    assert made.path == tmp_path / "film.mp4"
    assert has_all_boxes(io.BytesIO(made.path.read_bytes()))
    assert made.metadata["x-usage-completion-video-seconds"] == "1"


OWN: dict[str, Any] = {"headers": {"Authorization": "secret"}, "auth": ("me", "secret"), "cookies": {"a": "secret"}}


def _with_own_client(service: dict[str, Any], prompt: str) -> Media:
    with httpx.Client(**OWN) as client:
        return PollinationsVideo(**service, http_client=client).generate(prompt)


async def _with_own_async_client(service: dict[str, Any], prompt: str) -> Media:
    async with httpx.AsyncClient(**OWN) as client:
        return await PollinationsVideo(**service, http_async_client=client).agenerate(prompt)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_host_that_an_answer_names_sees_no_header_of_ours(emulator: Emulator, is_async: bool) -> None:
    service = {**emulator.connection(), "default_headers": {"X-Api-Key": "secret"}}
    with Emulator() as elsewhere:
        url = PollinationsVideo(**elsewhere.connection(), duration=4).generate("waves").url
        emulator.reply(body={"data": [{"url": url}]}, on="/v1/images/generations")
        prompt = "100% waves"
        made = asyncio.run(_with_own_async_client(service, prompt)) if is_async else _with_own_client(service, prompt)
        seen = elsewhere.requests[-1]
    assert made.mime_type == "video/mp4"
    assert emulator.requests[-1].headers["x-api-key"] == "secret"
    assert f"{elsewhere.url}{seen.path}" == url
    assert seen.headers.keys() <= {"host", "user-agent"}


@pytest.mark.parametrize(
    "body",
    [{}, {"data": []}, {"data": None}, {"data": [{"b64_json": "AAAA"}]}, {"data": [{"url": 5}]}]
    + [{"data": [{"url": url}]} for url in ("", "ftp://x/y", "file:///etc/passwd", "https://", "data:video/mp4,x")],
    ids=str,
)
def test_json_without_the_address_of_a_film_is_an_error(
    camera: PollinationsVideo, emulator: Emulator, body: Any
) -> None:
    emulator.reply(body=body, on="/v1/images")
    with pytest.raises(InvalidResponseError, match="no video"):
        camera.generate("50% off")
    assert len(emulator.requests) == 1


def test_long_references_find_room_in_an_address(camera: PollinationsVideo, emulator: Emulator) -> None:
    signed = [f"https://example.com/{'x' * 1500}/{n}.png" for n in range(2)]
    camera.generate("a kite", model="wan-3.0", reference_images=signed)
    assert emulator.requests[-1].query["reference_images"] == "|".join(signed)


@pytest.mark.parametrize("prompt", ["50% off", "..", "x" * 9000], ids=lambda prompt: prompt[:12])
def test_references_that_a_body_may_not_carry_are_refused_before_anything_is_uploaded(
    camera: PollinationsVideo, emulator: Emulator, film: Film, prompt: str
) -> None:
    with pytest.raises(InvalidRequestError, match="reference_images: .* Shorten the prompt, and do not use '%'"):
        film(camera, prompt, model="wan-3.0", reference_images=[PNG])
    assert emulator.requests == []


def test_uploads_count_with_the_length_that_their_addresses_will_have(emulator: Emulator, film: Film) -> None:
    camera = PollinationsVideo(**emulator.connection(), model="wan-3.0", reference_images=[PNG, PNG + b"\0", PICTURE])
    film(camera, "x")
    free = 8000 - len(urlencode(emulator.requests[-1].query))
    film(camera, "x" * (free - 2 * 36))
    count = len(emulator.requests)
    again = camera.model_copy()
    again._upload_cache = UploadCache()
    with pytest.raises(InvalidRequestError, match="Shorten the prompt"):
        film(again, "x" * (free + 1))
    assert len(emulator.requests) == count


def test_equal_references_are_uploaded_once_and_join_the_film_that_is_there(
    camera: PollinationsVideo, emulator: Emulator, film: Film
) -> None:
    first = film(camera, "it moves", first_frame=PNG)
    again = film(camera, "it moves", first_frame=Media(data=PNG, mime_type="image/png"))
    paths = [request.path for request in emulator.requests]
    assert paths == ["/media/upload", "/video/it moves", "/video/it moves"]
    assert emulator.requests[-1].query == emulator.requests[-2].query
    assert first.metadata["cache_type"] == "GENERATED"
    assert again.metadata["cache_type"] == "EXACT"
    assert again.data == first.data


def test_a_picture_becomes_a_film_without_being_sent_again(emulator: Emulator) -> None:
    service = emulator.connection()
    painter = PollinationsImage(**service, width=640, height=360)
    camera = PollinationsVideo(**service)
    chain = painter | RunnableLambda(lambda picture: camera.generate("the lamp turns", first_frame=picture))
    made = chain.invoke("a lighthouse")
    drawn, filmed = emulator.requests
    assert (drawn.path, filmed.path) == ("/image/a lighthouse", "/video/the lamp turns")
    assert filmed.query["image"].startswith(f"{emulator.url}/media/")
    assert made.mime_type == "video/mp4"


def test_a_random_seed_is_drawn_once_per_film_and_kept_by_repeats(
    camera: PollinationsVideo, emulator: Emulator
) -> None:
    emulator.reply(body=FILM, on="/video", times=2)
    seeds = [camera.generate("a cat", seed=-1).seed for _ in range(2)]
    emulator.fail(503, headers={"retry-after": "0"})
    emulator.reply(body=FILM, on="/video")
    seeds.append(camera.generate("a cat", seed=-1).seed)
    assert [int(r.query["seed"]) for r in emulator.requests] == [*seeds, seeds[-1]]
    assert len(set(seeds)) == 3


# --- What is refused before it is sent --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "options", "says"),
    [
        ("", {}, "prompt must be a non-empty string"),
        (None, {}, "prompt must be a non-empty string"),
        ("x" * 32_001, {}, "32001 characters"),
        ("cat", {"duration": 0}, "duration: Input should be greater than or equal to 1"),
        ("cat", {"duration": 121}, "duration: Input should be less than or equal to 120"),
        ("cat", {"duration": 4.5}, "duration: Input should be a valid integer"),
        ("cat", {"aspect_ratio": "2:1"}, "aspect_ratio: Input should be '16:9'"),
        ("cat", {"resolution": "8k"}, "resolution: Input should be '1k'"),
        ("cat", {"seed": 2**31}, "seed: Input should be less"),
        ("cat", {"safe": "foo"}, "safe: unknown 'foo'"),
        ("cat", {"aspectratio": "16:9"}, "unknown argument 'aspectratio', did you mean 'aspect_ratio'"),
        ("cat", {"width": 1920}, "width, height: must be given together"),
        ("cat", {"last_frame": PICTURE}, "last_frame: requires first_frame"),
        ("cat", {"first_frame": "ftp://x/y"}, "first_frame: must be an http"),
        ("cat", {"first_frame": "/etc/passwd"}, "first_frame: .* is not a URL .* reference_folder"),
        ("cat", {"first_frame": "http://localhost/x"}, "first_frame: .* public URLs only"),
        ("cat", {"first_frame": FILM[:64]}, "first_frame: must be image data, not video/mp4"),
        ("cat", {"first_frame": [PICTURE]}, "first_frame"),
        ("cat", {"model": "wan-3.0", "reference_videos": PNG}, "reference_videos: must be video data, not image/png"),
        ("cat", {"model": "wan-3.0", "reference_audios": PNG}, "reference_audios: must be audio data"),
        ("cat", {"model": "flux"}, "'flux' cannot generate videos .category: image.; models that can: [a-z]+/"),
        ("cat", {"model": "sony/mmaudio-v2"}, "cannot generate videos from a prompt; models that can"),
        ("cat", {"duration": 5}, "duration: model 'veo' accepts 4, 6, 8 seconds, got 5"),
        ("cat", {"model": "seedance-2.5", "duration": 5}, "'seedance-2.5' accepts 4 seconds, got 5"),
        ("cat", {"model": "seedance-2.0", "duration": 16}, "accepts 4 to 15 seconds, got 16"),
        ("cat", {"resolution": "480p"}, "resolution: model 'veo' offers 720p, 1080p, not 480p"),
        ("cat", {"aspect_ratio": "1:1"}, "aspect_ratio: model 'veo' offers 16:9, 9:16, not 1:1"),
        ("cat", {"model": "minimax-h3", "first_frame": PICTURE}, "does not accept a first frame .*; models that can"),
        (
            "cat",
            {"model": "wan", "first_frame": PICTURE, "last_frame": PICTURE},
            "'wan' does not accept a last frame .*; models that can: ",
        ),
        ("cat", {"reference_images": PICTURE}, "does not accept reference images .*; models that can: .*wan-"),
        ("cat", {"reference_videos": "https://x.org/a.mp4"}, "does not accept reference videos"),
        ("cat", {"model": "wan-2.7", "reference_audios": "https://x.org/a.mp3"}, "does not accept reference audio"),
        ("cat", {"model": "wan", "audio": False}, "'wan' always generates audio .*; models that can: [a-z]+/"),
        (
            "cat",
            {"model": "grok-imagine-video", "audio": True},
            "only generates videos without audio .*; models that can: [a-z]+/",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_bad_input_is_refused_before_it_is_sent(
    camera: PollinationsVideo, emulator: Emulator, film: Film, prompt: Any, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        film(camera, prompt, **options)
    assert emulator.requests == []


def test_models_that_are_suggested_can_do_it(camera: PollinationsVideo, emulator: Emulator) -> None:
    with pytest.raises(UnsupportedRequestError) as caught:
        camera.generate("cat", model="grok-imagine-video", audio=True)
    names = str(caught.value).partition("models that can: ")[2].split(", ")
    assert len(names) > 1
    for name in names:
        emulator.reply(body=FILM, on="/video")
        camera.generate("cat", model=name, audio=True)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("somebody/new-film", {"duration": 99, "resolution": "4k", "audio": False, "reference_images": PICTURE}),
        ("heygen/heygen-video-1", {"duration": 99, "aspect_ratio": "9:21", "audio": True, "first_frame": PICTURE}),
    ],
)
def test_models_of_which_little_is_known_are_asked(
    camera: PollinationsVideo, emulator: Emulator, model: str, options: dict[str, Any]
) -> None:
    emulator.reply(body=FILM, content_type="video/mp4", on="/video")
    assert camera.generate("a cat", model=model, **options).data == FILM


def test_bad_arguments_of_the_constructor_are_refused() -> None:
    with pytest.raises(ValueError, match="'duraton', did you mean 'duration'"):
        PollinationsVideo(api_key="sk_x", duraton=3)
    with pytest.raises(ValueError, match="aspectRatio and aspect_ratio are two names"):
        PollinationsVideo(api_key="sk_x", aspectRatio="16:9", aspect_ratio="9:16")


# --- Answers ----------------------------------------------------------------------------------------------------------

FAULTS: dict[str, tuple[dict[str, Any], type[PollinationsError], str]] = {
    "no pollen": ({"case": 402, "code": "INSUFFICIENT_BALANCE"}, InsufficientBalanceError, "402"),
    "refused": ({"case": 422, "code": "content_policy_violation", "message": "No"}, UnprocessableError, "No"),
    "no picture": ({"case": 400, "code": "failed_to_download_image", "message": "Gone"}, MediaInputError, "Gone"),
    "a page": ({"body": "<!DOCTYPE html><html>Moved</html>"}, InvalidResponseError, "no video but text/html"),
    "JSON error": ({"body": {"error": {"code": 402, "message": "Poor"}}}, PaymentRequiredError, "Poor"),
    "JSON": ({"body": {"status": "queue full"}}, InvalidResponseError, "no video"),
    "nothing": ({"body": b"", "content_type": "video/mp4"}, InvalidResponseError, "no video but empty"),
    "half a film": ({"body": FILM[:-9], "content_type": "video/mp4"}, InvalidResponseError, "incomplete video data"),
    "only a head": ({"body": FILM[:24], "content_type": "video/mp4"}, InvalidResponseError, "incomplete video data"),
    "a picture": ({"body": PNG, "content_type": "video/mp4"}, InvalidResponseError, "no video"),
}


@pytest.mark.parametrize("place", ["memory", "file"])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_film_is_an_error_and_leaves_no_file(
    camera: PollinationsVideo, emulator: Emulator, film: Film, tmp_path: Path, fault: str, place: str
) -> None:
    script, error, says = FAULTS[fault]
    if "case" in script:
        emulator.fail(script["case"], code=script["code"], message=script.get("message"))
    else:
        emulator.reply(**script, on="/video")
    where = {"path": tmp_path / "film.mp4"} if place == "file" else {}
    with pytest.raises(error, match=says):
        film(camera, "a cat", **where)
    assert list(tmp_path.iterdir()) == []
    assert len(emulator.requests) == 1


def test_a_stored_film_that_is_none_is_an_error(camera: PollinationsVideo, emulator: Emulator, tmp_path: Path) -> None:
    emulator.reply(body="<html>gone</html>", on="/media")
    with pytest.raises(InvalidResponseError, match="no video"):
        camera.generate("50% off", path=tmp_path / "film.mp4")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_model_names_those_that_were_perhaps_meant(camera: PollinationsVideo, film: Film) -> None:
    with pytest.raises(UnknownModelError, match="Did you mean 'wan-3.0'"):
        film(camera, "a cat", model="wan-3.00")


# --- Files ------------------------------------------------------------------------------------------------------------


def test_a_film_is_saved_under_the_name_that_is_given(
    camera: PollinationsVideo, emulator: Emulator, film: Film, tmp_path: Path
) -> None:
    emulator.reply(chunks=mp4_chunks(4), content_type="video/mp4", on="/video")
    made = film(camera, "waves", path=str(tmp_path / "waves"))
    assert made.path == tmp_path / "waves.mp4"
    assert (made.size, made.mime_type, made.prompt) == (len(FILM), "video/mp4", "waves")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"waves.mp4": FILM}
    assert made.data == FILM


def test_a_film_under_a_suffix_of_another_type_is_warned_of(
    camera: PollinationsVideo, emulator: Emulator, film: Film, tmp_path: Path
) -> None:
    emulator.reply(chunks=mp4_chunks(4), content_type="video/mp4", on="/video")
    with pytest.warns(UserWarning, match="video/mp4, but .webm means video/webm; use .mp4") as caught:
        film(camera, "waves", path=tmp_path / "waves.webm")
    assert [each.filename for each in caught] == [film.__code__.co_filename]


READ_BY: list[tuple[str, threading.Thread]] = []


def _note(event: str, args: tuple[Any, ...]) -> None:
    if event == "open" and args[1] in ("r", "rb") and str(args[0]).endswith(".part"):
        READ_BY.append((str(args[0]), threading.current_thread()))


def test_files_are_looked_at_beside_the_event_loop(camera: PollinationsVideo, tmp_path: Path) -> None:
    """LangGraph's server, for one, raises an error for whatever blocks its loop."""

    class Noted:
        def __fspath__(self) -> str:
            READ_BY.append(("path", threading.current_thread()))
            return str(tmp_path / "film.mp4")

    sys.addaudithook(_note)
    READ_BY.clear()
    asyncio.run(camera.agenerate("waves", path=Noted()))
    assert {Path(name).suffix for name, _ in READ_BY} == {"", ".part"}
    assert threading.main_thread() not in {thread for _, thread in READ_BY}


def test_a_folder_gets_films_under_names_of_ours(emulator: Emulator, film: Film, tmp_path: Path) -> None:
    camera = PollinationsVideo(**emulator.connection(), output_folder=tmp_path)
    emulator.reply(body=FILM, on="/video", times=3)
    paths = [film(camera, prompt).path for prompt in ("../../evil", "waves")]
    assert sorted(filter(None, paths)) == sorted(tmp_path.iterdir())
    assert len(list(tmp_path.glob("video-" + "[0-9a-f]" * 12 + ".mp4"))) == 2
    assert film(camera, "waves", path=tmp_path / "mine.mp4").path == tmp_path / "mine.mp4"


@pytest.mark.parametrize("where", ["", "missing/film.mp4"])
def test_a_place_that_is_none_is_refused_before_anything_is_sent(
    camera: PollinationsVideo, emulator: Emulator, film: Film, tmp_path: Path, where: str
) -> None:
    with pytest.raises(OSError, match="folder"):
        film(camera, "a cat", path=tmp_path / where)
    assert emulator.requests == []


def test_what_stood_there_stays_until_the_new_film_is_whole(
    camera: PollinationsVideo, emulator: Emulator, film: Film, tmp_path: Path
) -> None:
    target, seen = tmp_path / "film.mp4", []
    target.write_bytes(b"old")
    emulator.reply(body=FILM[:-1], on="/video")
    with pytest.raises(InvalidResponseError):
        film(camera, "a cat", path=target)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
    emulator.reply(body=FILM, on="/video")
    film(camera, "a cat", path=target, progress=lambda told: seen.append((told.stage, target.read_bytes() == FILM)))
    assert set(seen) == {("waiting", False), ("receiving", False), ("done", True)}
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [FILM]


# --- Repeats ----------------------------------------------------------------------------------------------------------


def test_a_repeat_after_a_time_out_joins_the_film_that_is_being_made(
    emulator: Emulator, film: Film, tmp_path: Path
) -> None:
    emulator.latency = 0.6
    before = emulator.keys["sk_emulator"]["balance"]
    camera = PollinationsVideo(**emulator.connection(), timeout=0.45, max_retries=20)
    made = film(camera, "waves at dusk", path=tmp_path / "film.mp4", duration=4)
    requests = emulator.requests
    assert len(requests) > 1
    assert len({(r.method, r.raw_path, tuple(r.query.items()), r.body) for r in requests}) == 1
    assert made.metadata["cache_type"] in ("COALESCED", "EXACT")
    assert made.path is not None
    assert has_all_boxes(io.BytesIO(made.path.read_bytes()))
    spent = before - emulator.keys["sk_emulator"]["balance"]
    film(camera, "waves at night", duration=4)
    assert before - emulator.keys["sk_emulator"]["balance"] == 2 * spent
    assert spent > 0


@pytest.mark.parametrize("prompt", ["waves", "50% of waves"])
def test_a_connection_lost_within_the_film_is_repeated_from_the_start(
    camera: PollinationsVideo, emulator: Emulator, film: Film, tmp_path: Path, prompt: str
) -> None:
    whole = camera.generate(prompt).data
    emulator.fail("cut", on="/video" if prompt == "waves" else "/media")
    told: list[Progress] = []
    made = film(camera, prompt, path=tmp_path / "film.mp4", progress=told.append)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"film.mp4": whole}
    assert made.size == len(whole)
    assert [each.received for each in told if each.stage == "receiving"].count(0) == 2
    assert told[-1].received == len(whole)


def test_a_connection_that_stays_lost_is_an_error_and_leaves_no_file(
    camera: PollinationsVideo, emulator: Emulator, film: Film, tmp_path: Path
) -> None:
    camera.max_retries = 1
    emulator.fail("cut", on="/video", times=2)
    with pytest.raises(APIConnectionError):
        film(camera, "waves", path=tmp_path / "film.mp4")
    assert list(tmp_path.iterdir()) == []


# --- Breaking off -----------------------------------------------------------------------------------------------------


@pytest.fixture
def silent_server() -> Iterator[socket.socket]:
    """A service that takes requests and answers what a test writes, or nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        yield server


def _asked(server: socket.socket) -> socket.socket:
    """The connection of a request, once that is there."""
    connection, _ = server.accept()
    connection.settimeout(30)
    assert connection.recv(4096).startswith(b"GET /video/waves")
    return connection


def _is_closed_by_the_client(connection: socket.socket) -> bool:
    with connection:
        try:
            return connection.recv(4096) == b""
        except ConnectionResetError:  # closed with bytes of ours unread
            return True


def _threads_of_bars() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if "progress" in each.name or type(each).__name__ == "TMonitor"]


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ncontent-length: 4194304\r\n\r\n"


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Shells let those that they run in the background ignore it, and such tests would wait for ever."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("begun", [b"", HEAD, HEAD + FILM[:300_000]], ids=["waiting", "begun", "within"])
def test_ctrl_c_leaves_nothing_behind(silent_server: socket.socket, tmp_path: Path, begun: bytes) -> None:
    camera = PollinationsVideo(base_url=_url(silent_server), api_key="sk_x")
    me = threading.main_thread().ident
    assert me is not None
    connections = []

    def press() -> None:
        connections.append(_asked(silent_server))
        connections[0].sendall(begun)
        if not begun:
            signal.pthread_kill(me, signal.SIGINT)

    def told(progress: Progress) -> None:
        if progress.stage == "receiving" and (progress.received or begun == HEAD):
            signal.raise_signal(signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        camera.generate("waves", path=tmp_path / "film.mp4", progress=told if begun else True)
    presser.join()
    assert _is_closed_by_the_client(connections[0])
    assert list(tmp_path.iterdir()) == []
    assert _threads_of_bars() == []


@pytest.mark.parametrize("how", ["cancel", "deadline"])
@pytest.mark.parametrize("begun", [b"", HEAD, HEAD + FILM[:300_000]], ids=["waiting", "begun", "within"])
def test_a_cancelled_task_leaves_nothing_behind(
    silent_server: socket.socket, tmp_path: Path, begun: bytes, how: str
) -> None:
    camera = PollinationsVideo(base_url=_url(silent_server), api_key="sk_x")

    async def film_until(ended: asyncio.Event) -> None:
        filming = asyncio.create_task(camera.agenerate("waves", path=tmp_path / "film.mp4", progress=True))
        if how == "cancel":
            await ended.wait()
            filming.cancel()
            await filming
        async with asyncio.timeout(None) as deadline:
            await ended.wait()
            deadline.reschedule(asyncio.get_running_loop().time())
            await filming

    async def run() -> None:
        ended = asyncio.Event()
        task = asyncio.create_task(film_until(ended))
        connection = await asyncio.to_thread(_asked, silent_server)
        await asyncio.to_thread(connection.sendall, begun)
        while begun and not list(tmp_path.iterdir()):
            await asyncio.sleep(0.01)
        ended.set()
        with pytest.raises(TimeoutError if how == "deadline" else asyncio.CancelledError):
            await task
        # What must be gone is gone when the task has ended, and not only when its loop has.
        assert list(tmp_path.iterdir()) == []
        assert _threads_of_bars() == []
        assert await asyncio.to_thread(_is_closed_by_the_client, connection)

    asyncio.run(run())


def _url(server: socket.socket) -> str:
    return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_film_that_comes_too_slowly_leaves_nothing_behind(
    silent_server: socket.socket, tmp_path: Path, film: Film
) -> None:
    camera = PollinationsVideo(base_url=_url(silent_server), api_key="sk_x", timeout=0.3, max_retries=0)
    connections = []

    def begin() -> None:
        connections.append(_asked(silent_server))
        connections[0].sendall(HEAD + FILM[:1000])

    server = threading.Thread(target=begin)
    server.start()
    with pytest.raises(RequestTimeoutError):
        film(camera, "waves", path=tmp_path / "film.mp4")
    server.join()
    assert _is_closed_by_the_client(connections[0])
    assert list(tmp_path.iterdir()) == []


# --- Progress ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["memory", "file"])
def test_a_function_is_told_of_every_stage_where_the_call_was_made(
    emulator: Emulator, film: Film, tmp_path: Path, place: str
) -> None:
    emulator.reply(
        chunks=mp4_chunks(4), content_type="video/mp4", headers={"content-length": str(len(FILM))}, on="/video"
    )
    told: list[Progress] = []
    threads = set()

    def tell(progress: Progress) -> None:
        told.append(progress)
        threads.add(threading.current_thread())

    camera = PollinationsVideo(**emulator.connection(), progress=tell)
    made = film(camera, "waves", **({"path": tmp_path / "film.mp4"} if place == "file" else {}))
    assert made.data == FILM
    assert threads == {threading.main_thread()}
    assert told[0] == Progress("waiting", 0.0)
    assert told[1] == Progress("receiving", told[1].seconds, 0, len(FILM))
    assert {each.stage for each in told[1:-1]} == {"receiving"}
    assert told[-1] == Progress("done", told[-1].seconds, len(FILM), len(FILM))
    assert [each.received for each in told] == sorted(each.received for each in told)
    assert [each.seconds for each in told] == sorted(each.seconds for each in told)


async def tell_nobody(progress: Progress) -> None:
    raise AssertionError


class TellsNobody:
    async def __call__(self, progress: Progress) -> None:
        raise AssertionError


@pytest.mark.parametrize("progress", [tell_nobody, partial(tell_nobody), TellsNobody()], ids=["def", "partial", "call"])
def test_who_would_have_to_be_awaited_is_told_nothing(
    camera: PollinationsVideo, emulator: Emulator, film: Film, progress: Any
) -> None:
    with pytest.raises(InvalidRequestError, match="progress: must be a plain function"):
        film(camera, "waves", progress=progress)
    with pytest.raises(ValidationError, match="progress: must be a plain function"):
        PollinationsVideo(api_key="sk_x", progress=progress)
    assert emulator.requests == []


def test_an_error_is_not_told_as_done(camera: PollinationsVideo, emulator: Emulator, film: Film) -> None:
    emulator.fail(422)
    told: list[Progress] = []
    with pytest.raises(UnprocessableError):
        film(camera, "waves", progress=told.append)
    assert [each.stage for each in told] == ["waiting"]


def test_a_bar_shows_that_time_passes_and_vanishes(
    camera: PollinationsVideo, emulator: Emulator, film: Film, capsys: pytest.CaptureFixture[str]
) -> None:
    emulator.reply(body=FILM, delay=1.7, on="/video")
    film(camera, "waves", progress=True)
    shown = capsys.readouterr().err
    assert "waiting: 0.00B [00:01" in shown
    assert "receiving" in shown
    assert shown.rpartition("\r")[2] == ""
    assert shown.rstrip("\r").rpartition("\r")[2].strip() == ""
    assert _threads_of_bars() == []


@pytest.mark.parametrize(("stream", "progress", "is_shown"), [
    (Terminal, None, True),
    (Terminal, False, False),
    (io.StringIO, None, False),
    (io.StringIO, True, True),
])  # fmt: skip
def test_a_bar_is_there_where_somebody_sees_it(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], progress: Any, is_shown: bool
) -> None:
    emulator.reply(body=FILM, on="/video")
    seen = stream()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", seen)
        PollinationsVideo(**emulator.connection(), progress=progress).generate("waves")
    assert ("receiving" in seen.getvalue()) is is_shown


def test_without_tqdm_there_is_no_bar_and_who_asks_for_one_is_told_how(
    camera: PollinationsVideo, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, film: Film
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.std", None)
    with pytest.raises(ImportError, match="pip install tqdm"):
        film(camera, "waves", progress=True)
    assert emulator.requests == []
    emulator.reply(body=FILM, on="/video")
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert film(camera, "waves").data == FILM


# --- Written down -----------------------------------------------------------------------------------------------------


def test_a_camera_can_be_pickled_whoever_is_told_of_its_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_other")
    camera = PollinationsVideo(api_key="sk_secret", model="wan", duration=5, progress=lambda told: None)
    state = pickle.dumps(camera)
    assert b"sk_secret" not in state
    copy = pickle.loads(state)
    assert (copy.model, copy.duration, copy.progress) == ("wan", 5, None)
    assert copy.api_key.get_secret_value() == "sk_other"
    assert pickle.loads(pickle.dumps(PollinationsVideo(api_key="sk_x", progress=False))).progress is False


def test_a_camera_can_be_saved_without_its_key_and_its_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = PollinationsVideo(api_key="sk_secret", duration=4, progress=lambda told: None)
    saved = dumps(camera)
    assert "sk_secret" not in saved + repr(camera) + str(camera)
    assert "lambda" not in saved + repr(camera)
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_other")
    names = {"allowed_objects": [PollinationsVideo], "valid_namespaces": ["langchain_pollinations"]}
    again = load(json.loads(saved), secrets_from_env=True, **names)
    assert (again.duration, again.timeout) == (4, 900.0)


def test_a_film_in_its_file_can_be_pickled_and_kept_in_a_trace(
    camera: PollinationsVideo, emulator: Emulator, tmp_path: Path
) -> None:
    emulator.reply(body=FILM, on="/video")
    made = camera.generate("waves", path=tmp_path / "film.mp4")
    copy = pickle.loads(pickle.dumps(made))
    assert (copy.path, copy.data) == (made.path, FILM)
    assert len(json.dumps(made.to_artifact())) < 2000
    assert Media.from_artifact(made.to_artifact(), tmp_path).data == FILM


# --- Memory -----------------------------------------------------------------------------------------------------------

WEIGHS = """
import asyncio, resource, sys
from pathlib import Path
from langchain_pollinations import PollinationsVideo

url, way, folder = sys.argv[1:]
camera = PollinationsVideo(base_url=url, api_key="sk_emulator", progress=lambda told: None)

def film(path):
    return camera.generate("waves", path=path) if way == "sync" else asyncio.run(camera.agenerate("waves", path=path))

def peak():
    # What getrusage tells begins, on Linux, with the peak of the process that started this one.
    status = Path("/proc/self/status")
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines()) if status.exists() else {}
    return int(lines["VmHWM"].split()[0]) if lines else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

film(f"{folder}/small.mp4")
before = peak()
size = film(f"{folder}/large.mp4").size
saved = peak()
film(None)
print(size, (saved - before) * 1024, (peak() - before) * 1024)
"""


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_long_film_needs_no_memory_on_its_way_to_a_file(emulator: Emulator, tmp_path: Path, way: str) -> None:
    for pieces in (1, 100, 100):
        emulator.reply(chunks=mp4_chunks(pieces), content_type="video/mp4", on="/video")
    done = subprocess.run(
        [sys.executable, "-c", WEIGHS, emulator.url, way, tmp_path], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    size, saved, in_memory = map(int, done.stdout.split())
    assert size == (tmp_path / "large.mp4").stat().st_size > 100 * 2**20
    print(f"{way}: {saved / 2**20:.1f} MiB to save {size / 2**20:.0f} MiB, {in_memory / 2**20:.0f} MiB to hold them")
    assert saved < 40 * 2**20
    assert in_memory > 100 * 2**20  # the measure measures


_AFTER_THE_MAIN_THREAD = """
import asyncio, sys, threading, time
from langchain_pollinations.video import PollinationsVideo

def generate():
    camera = PollinationsVideo(base_url=sys.argv[1], api_key="sk_emulator", duration=4, progress=False)
    print(asyncio.run(camera.agenerate("waves", path=sys.argv[2])).size)

threading.Thread(target=generate).start()
"""


@pytest.mark.skipif(sys.version_info[:2] == (3, 12), reason="Python 3.12 starts no thread after the main thread ended")
def test_a_download_outlives_the_main_thread(emulator: Emulator, tmp_path: Path) -> None:
    emulator.latency = 1.0
    command = [sys.executable, "-c", _AFTER_THE_MAIN_THREAD, emulator.url, str(tmp_path / "waves")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert int(done.stdout) == (tmp_path / "waves.mp4").stat().st_size, done.stderr
