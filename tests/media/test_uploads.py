"""`upload`: files on the media host, raw or in a form, and the key that goes nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from langchain_pollinations._media import upload_cache
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import (
    APIConnectionError,
    AuthenticationError,
    InvalidRequestError,
    InvalidResponseError,
    PayloadTooLargeError,
    UnsupportedRequestError,
)
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from langchain_pollinations.uploads import MAX_UPLOAD_BYTES, Upload, aupload, upload
from langchain_pollinations.video import PollinationsVideo
from tests.media.test_references import PNG

Put = Callable[..., Upload]

WAYS: dict[str, Put] = {"upload": upload, "aupload": lambda *args, **more: asyncio.run(aupload(*args, **more))}


@pytest.fixture(params=WAYS)
def put(request: pytest.FixtureRequest, emulator: Emulator) -> Put:
    def put(file: Any, **more: Any) -> Upload:
        return WAYS[request.param](file, **{**emulator.connection(), **more})

    return put


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "dot.png").write_bytes(PNG)
    return tmp_path / "dot.png"


@pytest.mark.parametrize("kind", ["bytes", "Media", "Path", "str", "Media in a file"])
def test_a_file_can_be_fetched_by_anybody_afterwards(put: Put, emulator: Emulator, path: Path, kind: str) -> None:
    given = {
        "bytes": PNG,
        "Media": Media(PNG, "image/png"),
        "Path": path,
        "str": str(path),
        "Media in a file": Media.from_file(path),
    }[kind]
    stored = put(given)
    assert stored == Upload(f"{emulator.url}/media/{stored.id}", stored.id, "image/png", len(PNG))
    request = emulator.requests[-1]
    assert (request.method, request.path, request.body) == ("POST", "/media/upload", PNG)
    assert (request.headers["content-type"], request.headers["x-file-name"]) == ("image/png", "file.png")
    found = httpx.get(stored.url)
    assert (found.content, found.headers["content-type"]) == (PNG, "image/png")


def test_bytes_of_no_known_type_are_taken_too(put: Put, emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"hello")
    for given in (b"hello", tmp_path / "notes.txt"):
        stored = put(given)
        assert (stored.mime_type, stored.size) == ("application/octet-stream", 5)


@pytest.mark.parametrize("name", ["a cat.png", "Käse: y.png", "漢字", '"quoted".png', "a%20b.png"])
def test_names_travel_whatever_is_in_them(put: Put, name: str) -> None:
    for options in ({}, {"id": f"cat-{name.isascii()}-{len(name)}"}):
        disposition = httpx.get(put(PNG, name=name, **options).url).headers["content-disposition"]
        assert disposition.startswith("attachment; filename*=UTF-8''")
    assert "x" not in httpx.get(put(PNG, name=name).url).headers


def test_an_id_and_tags_go_in_a_form(put: Put, emulator: Emulator) -> None:
    stored = put(PNG, id="my.cat_1-A", tags=["cats", "café"], name="cat.png")
    assert stored.id.endswith("my.cat_1-A")
    assert stored.url.endswith(stored.id)
    assert (stored.mime_type, stored.size, stored.tags) == ("image/png", len(PNG), ("cats", "café"))
    assert emulator.requests[-1].headers["content-type"].startswith("multipart/form-data; boundary=")
    assert httpx.get(stored.url).content == PNG


@pytest.mark.parametrize("tags", ["cats", ["cats"], ("cats",), {"cats"}])
def test_one_tag_is_one_tag(put: Put, tags: Any) -> None:
    assert put(PNG, tags=tags).tags == ("cats",)


def test_nothing_is_published_unless_asked_for(put: Put, emulator: Emulator) -> None:
    assert put(PNG, id="cat").tags == ()
    assert b"tags" not in emulator.requests[-1].body


def test_a_taken_id_replaces_nothing(put: Put) -> None:
    first = put(PNG, id="cat")
    with pytest.raises(UnsupportedRequestError, match="exists already") as caught:
        put(b"GIF89a", id="cat")
    assert caught.value.status_code == 409
    assert httpx.get(first.url).content == PNG


def test_an_id_may_be_taken_by_the_same_call(put: Put, emulator: Emulator) -> None:
    emulator.fail("drop", on="/media/upload")
    emulator.fail(409, body={"error": "It exists already"}, on="/media/upload")
    with pytest.raises(
        UnsupportedRequestError, match=r"exists already.*perhaps it is this file, from an earlier attempt"
    ):
        put(PNG, id="cat")
    assert len(emulator.requests) == 2


@pytest.mark.parametrize(
    ("given", "options", "says"),
    [
        (b"", {}, "file is empty"),
        (5, {}, "file must be bytes, a Media or a path, not int"),
        ("", {}, "file: '' is not a regular file"),
        ("/dev/zero", {}, "file: '/dev/zero' is not a regular file"),
        ("a\0.png", {}, "file: 'a.x00.png' must not contain null characters"),
        (None, {}, "not NoneType"),
        (PNG, {"id": ""}, "id must be up to 128"),
        (PNG, {"id": ".hidden"}, "id must be up to 128"),
        (PNG, {"id": "a/b"}, "id must be up to 128"),
        (PNG, {"id": "cat\n"}, "id must be up to 128"),
        (PNG, {"id": "x" * 129}, "id must be up to 128"),
        (PNG, {"id": 5}, "id must be up to 128"),
        (PNG, {"name": "half \ud800"}, "name must be a file name"),
        (PNG, {"name": 5}, "name must be a file name"),
        (PNG, {"name": "a.png\r\nx: y"}, "name must be a file name"),
        (PNG, {"name": "a\0.png"}, "name must be a file name"),
        (PNG, {"name": "../a.png"}, "name must be a file name"),
        (PNG, {"name": ".."}, "name must be a file name"),
        (PNG, {"name": "a" * 256}, "name must be a file name"),
        (PNG, {"tags": ["cats\r\n"]}, "tags must be strings"),
        (PNG, {"tags": ["cats,dogs"]}, "tags must be strings without line breaks or commas"),
        (PNG, {"tags": ["half \ud800"]}, "tags must be strings"),
        (PNG, {"tags": [5]}, "tags must be strings"),
        (PNG, {"nmae": "x"}, "unknown argument 'nmae'"),
        (PNG, {"base_url": "ftp://x"}, "base_url must be an origin"),
    ],
    ids=lambda value: str(value)[:15].encode("ascii", "replace").decode(),
)
def test_bad_input_is_refused_before_it_is_sent(
    put: Put, emulator: Emulator, given: Any, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        put(given, **options)
    assert emulator.requests == []


def test_a_file_that_is_too_large_is_refused_unread(put: Put, emulator: Emulator, tmp_path: Path) -> None:
    large = tmp_path / "film.mp4"
    with large.open("wb") as file:
        file.truncate(MAX_UPLOAD_BYTES + 1)
    for given in (large, Media.from_file(large, mime_type="video/mp4")):
        with pytest.raises(PayloadTooLargeError, match="the maximum is 419,430,400"):
            put(given)
    assert emulator.requests == []


def test_a_file_that_is_not_there_is_an_error_of_the_system(put: Put, tmp_path: Path) -> None:
    for missing in (tmp_path / "missing.png", Media.from_artifact(_artifact_of(tmp_path), tmp_path)):
        with pytest.raises(OSError, match=str(tmp_path)):
            put(missing)


def _artifact_of(folder: Path) -> dict[str, Any]:
    return {"type": "pollinations_media", "path": str(folder / "missing.png"), "mime_type": "image/png"}


# --- Faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, AuthenticationError),
        (409, UnsupportedRequestError),
        (413, PayloadTooLargeError),
    ],
)
def test_the_flat_errors_of_the_media_host_are_ours(
    put: Put, emulator: Emulator, status: int, kind: type[Exception]
) -> None:
    emulator.fail(status, body={"error": "Not like this"}, on="/media/upload")
    with pytest.raises(kind, match="Not like this"):
        put(PNG)
    assert len(emulator.requests) == 1


def test_a_wrong_key_is_told_by_the_media_host_itself(put: Put) -> None:
    with pytest.raises(AuthenticationError) as caught:
        put(PNG, api_key="sk_wrong")
    assert caught.value.status_code == 401
    with pytest.raises(AuthenticationError, match="No key"):
        put(PNG, api_key="")


def test_a_passing_fault_is_repeated_byte_for_byte(put: Put, emulator: Emulator) -> None:
    emulator.fail("drop")
    emulator.fail(503, headers={"retry-after": "0"})
    assert put(PNG, tags=["cats"]).tags == ("cats",)
    assert len(emulator.requests) == 3
    assert len({(request.body, request.headers["content-type"]) for request in emulator.requests}) == 1
    emulator.fail("drop", times=9)
    with pytest.raises(APIConnectionError):
        put(PNG, max_retries=0)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"id": "x"},
        {"url": 5},
        {"url": "javascript:alert(1)"},
        {"url": "/media/x"},
        ["x"],
        "<html>",
        b"",
    ],
    ids=str,
)
def test_an_answer_without_an_address_is_an_error(put: Put, emulator: Emulator, body: Any) -> None:
    emulator.reply(body=body, on="/media/upload")
    with pytest.raises(InvalidResponseError, match="no URL of an upload"):
        put(PNG)


def test_odd_fields_of_an_answer_do_no_harm(put: Put, emulator: Emulator) -> None:
    odd = {"url": "https://x/y", "id": None, "contentType": None, "size": "12", "tags": "cats"}
    emulator.reply(body=odd, on="/media/upload")
    assert put(PNG) == Upload("https://x/y", "y", "", 0, ("cats",))


# --- The key ----------------------------------------------------------------------------------------------------------


def test_the_key_goes_to_the_media_host_in_a_header_and_nowhere_else(put: Put, emulator: Emulator) -> None:
    with Emulator() as host:
        stored = put(PNG, media_url=f"{host.url}/media/")
        assert stored.url.startswith(f"{host.url}/media/")
        assert emulator.requests == []
        [request] = host.requests
    assert request.headers["authorization"] == "Bearer sk_emulator"
    assert "sk_emulator" not in request.raw_path
    assert b"sk_emulator" not in request.body
    assert "sk_emulator" not in repr(stored)


def test_references_are_uploaded_once_and_anew_after_a_failure(emulator: Emulator) -> None:
    painter = PollinationsImage(**emulator.connection(), model="nanobanana", max_retries=0)
    heavy = PNG + b"\0" * (13 * 1024 * 1024) + PNG[-12:]
    emulator.fail(500, on="/media/upload")
    with pytest.raises(Exception, match="500|fail|error"):
        painter.generate("night", image=heavy)
    assert [request.path for request in emulator.requests] == ["/media/upload"]
    for _ in range(2):
        emulator.reply(body=PNG, on="/image")
        painter.generate("night", image=heavy)
    assert [request.path for request in emulator.requests[1:]] == ["/media/upload", "/image/night", "/image/night"]
    assert emulator.requests[-1].query == emulator.requests[-2].query


# --- Several at once --------------------------------------------------------------------------------------------------


def _batch(camera: PollinationsVideo, prompts: list[str]) -> list[Media]:
    return camera.batch(prompts)


def _abatch(camera: PollinationsVideo, prompts: list[str]) -> list[Media]:
    return asyncio.run(camera.abatch(prompts))


def _both(camera: PollinationsVideo, prompts: list[str]) -> list[Media]:
    """Half of them in threads, half in an event loop."""
    half = len(prompts) // 2

    async def film() -> list[Media]:
        threads = asyncio.to_thread(camera.batch, prompts[:half])
        return sum(await asyncio.gather(threads, camera.abatch(prompts[half:])), [])

    return asyncio.run(film())


@pytest.fixture
def camera(emulator: Emulator) -> PollinationsVideo:
    return PollinationsVideo(
        **emulator.connection(), first_frame=PNG, model="p-video", duration=1, progress=False, max_retries=0
    )


def _slow_uploads(emulator: Emulator, delay: float) -> None:
    url = upload(PNG, **emulator.connection()).url
    emulator.requests.clear()
    emulator.reply(body={"url": url}, delay=delay, on="/media/upload", times=9)


def _uploads(emulator: Emulator) -> int:
    return sum(request.path == "/media/upload" for request in emulator.requests)


@pytest.mark.parametrize("at_once", [_batch, _abatch, _both])
def test_equal_references_have_one_address_however_many_need_it_at_once(
    camera: PollinationsVideo, emulator: Emulator, at_once: Callable[..., list[Media]]
) -> None:
    """So that the service makes one video, and bills it once."""
    for _ in range(4):  # each upload gets a new address
        url = upload(PNG, **emulator.connection()).url
        emulator.reply(body={"url": url}, delay=0.1, on="/media/upload")
    emulator.requests.clear()
    films = at_once(camera, ["waves"] * 4)
    assert len({film.data for film in films}) == 1
    made = [request for request in emulator.requests if request.path.startswith("/video/")]
    assert len({request.query["image"] for request in made}) == 1
    at_once(camera, ["waves"] * 4)
    assert sum(request.path == "/media/upload" for request in emulator.requests) <= 4


@pytest.mark.parametrize("change", ["age", "number"])
def test_an_upload_is_forgotten_in_time(
    camera: PollinationsVideo, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    camera.generate("waves")
    camera.generate("waves")
    if change == "age":
        monkeypatch.setattr(upload_cache, "UPLOAD_LIFETIME", 0)
    else:
        monkeypatch.setattr(upload_cache, "MAX_UPLOADS", 1)
        camera.generate("waves", first_frame=Media(PNG + b"\0", "image/png"))
    emulator.requests.clear()
    camera.generate("waves")
    assert [request.path for request in emulator.requests] == ["/media/upload", "/video/waves"]
