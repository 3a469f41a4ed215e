"""`Pollinations3D`: what is asked of the service, and what passes for an object."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import (
    InsufficientBalanceError,
    InvalidRequestError,
    InvalidResponseError,
    MediaInputError,
    UnknownModelError,
    UnsupportedRequestError,
)
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from langchain_pollinations.models3d import Pollinations3D
from tests.helpers.ask import MAKING

Make = Callable[..., Media]

CHAIR = "https://example.com/chair.png"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 30


def glb(padding: int = 0) -> bytes:
    scene = b'{"asset":{"version":"2.0"}}' + b" " * (padding * 4 + 1)
    return b"glTF" + struct.pack("<III4s", 2, 20 + len(scene), len(scene), b"JSON") + scene


def ply(points: int = 3, form: str = "binary_little_endian") -> bytes:
    head = f"ply\nformat {form} 1.0\nelement vertex {points}\nproperty float x\nproperty uchar red\n"
    head += "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    if form == "ascii":
        return head.encode() + b"0.5 7\n" * points + b"3 0 1 2\n"
    return head.encode() + struct.pack("<fB", 0.5, 7) * points + struct.pack("<B3i", 3, 0, 1, 2)


@pytest.fixture(params=["generate", "ainvoke"])
def make(request: pytest.FixtureRequest) -> Make:
    return MAKING[request.param]


@pytest.fixture
def sculptor(emulator: Emulator) -> Pollinations3D:
    """One whose service answers with objects, however often it is asked."""
    link = f'<{emulator.url}/media/1>; rel="enclosure"'
    made = {"link": link, "x-model-used": "microsoft/trellis-2", "x-usage-completion-image-tokens": "1"}
    emulator.reply(body=glb(), content_type="model/gltf-binary", headers=made, on="/3d", times=99)
    return Pollinations3D(**emulator.connection())


# --- Requests ---------------------------------------------------------------------------------------------------------


def test_an_object_comes_with_all_that_is_known_of_it(sculptor: Pollinations3D, emulator: Emulator, make: Make) -> None:
    made = make(sculptor, image=CHAIR, seed=7)
    assert (made.data, made.mime_type, made.seed, made.prompt) == (glb(), "model/gltf-binary", 7, None)
    assert (made.model, made.url) == ("microsoft/trellis-2", f"{emulator.url}/media/1")
    assert made.request_id
    assert made.metadata == {"x-usage-completion-image-tokens": "1"}


def test_a_picture_alone_goes_with_a_word_of_ours(sculptor: Pollinations3D, emulator: Emulator, make: Make) -> None:
    make(sculptor, image=CHAIR)
    request = emulator.requests[-1]
    assert (request.method, request.path, request.body) == ("GET", "/3d/object", b"")
    assert request.query == {"model": "trellis-2", "image": CHAIR}


def test_every_option_goes_out_as_it_was_given(sculptor: Pollinations3D, emulator: Emulator, make: Make) -> None:
    make(sculptor, "a chair", image=CHAIR, resolution="high", seed=0, safe="nsfw")
    request = emulator.requests[-1]
    assert (request.method, request.path) == ("GET", "/3d/a chair")
    wire = {"model": "trellis-2", "resolution": "high", "seed": "0", "safe": "nsfw", "image": CHAIR}
    assert request.query == wire


def test_words_alone_make_an_object_where_the_model_reads_them(
    sculptor: Pollinations3D, emulator: Emulator, make: Make
) -> None:
    assert make(sculptor, "a chair", model="rodin").prompt == "a chair"
    assert (emulator.requests[-1].path, emulator.requests[-1].query) == ("/3d/a chair", {"model": "rodin"})


def test_a_long_address_goes_in_a_strict_body(sculptor: Pollinations3D, emulator: Emulator, make: Make) -> None:
    address = f"{CHAIR}?a,b|c={'x' * 2000}"
    make(sculptor, "50% oak", image=address, resolution="low", seed=3, safe="privacy")
    request = emulator.requests[-1]
    assert (request.method, unquote(request.path), request.query) == ("POST", "/3d/50% oak", {"safe": "privacy"})
    assert request.json == {"model": "trellis-2", "image": [address], "resolution": "low", "seed": 3}


PROMPTS = [
    "a chair",
    "a/b",
    "why?",
    "#1",
    "a&b=c",
    "line\nbreak",
    "é 🌼 漢字",
    "+ plus",
    "50% off",
    "50%20off",
    "%",
    "%%2525",
    "%zz %2F",
    "/",
    "...",
    "a.b/.c",
]


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_prompts_survive_the_two_decodings_of_the_service(
    sculptor: Pollinations3D, emulator: Emulator, prompt: str, method: str
) -> None:
    address = CHAIR if method == "GET" else f"{CHAIR}?{'x' * 2000}"
    sculptor.generate(prompt, image=address)
    once = emulator.requests[-1].path.removeprefix("/3d/")
    assert (emulator.requests[-1].method, unquote(once, errors="strict")) == (method, prompt)


def test_a_picture_without_an_address_is_uploaded_once(
    sculptor: Pollinations3D, emulator: Emulator, make: Make
) -> None:
    for picture in (PNG, [Media(PNG, "image/png")]):
        make(sculptor, image=picture, seed=1)
    assert [request.path for request in emulator.requests] == ["/media/upload", "/3d/object", "/3d/object"]
    asked = emulator.requests[1].query
    assert asked == emulator.requests[2].query
    assert asked["image"].startswith(f"{emulator.url}/media/")


def test_a_random_seed_is_kept_by_retries(sculptor: Pollinations3D, emulator: Emulator, make: Make) -> None:
    emulator.clear()
    emulator.fail(503, headers={"retry-after": "0"})
    emulator.reply(body=glb(), on="/3d")
    made = make(sculptor, image=CHAIR, seed=-1)
    assert made.seed is not None
    assert [request.query["seed"] for request in emulator.requests] == [str(made.seed)] * 2


def test_the_service_understands_what_is_sent(emulator: Emulator, make: Make) -> None:
    sculptor = Pollinations3D(**emulator.connection())
    picture = PollinationsImage(**emulator.connection(), width=64, height=48).generate("a chair")
    chair = make(sculptor, image=picture, resolution="medium", seed=7)
    assert (chair.mime_type, chair.model) == ("model/gltf-binary", "microsoft/trellis-2")
    assert chair.url is not None
    assert chair.url.startswith(f"{emulator.url}/media/")
    assert [request.path for request in emulator.requests] == ["/image/a chair", "/3d/object"]
    assert make(sculptor, image=picture.data, model="asset-harvester").mime_type == "model/ply"
    words = make(sculptor, "50%20off: 100% oak", model="rodin")
    assert words.prompt == "50%20off: 100% oak"
    assert words.data != make(sculptor, "50 off: 100% oak", model="rodin").data
    assert make(sculptor, "100% oak", image=f"{CHAIR}?{'x' * 2000}", safe="privacy").mime_type == "model/gltf-binary"
    assert emulator.requests[-1].method == "POST"


# --- Bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.unused_replies
@pytest.mark.parametrize(
    ("prompt", "options", "says"),
    [
        ("", {}, "prompt must be a non-empty string"),
        ("  ", {"image": CHAIR}, "prompt must be a non-empty string"),
        (None, {"image": CHAIR}, "prompt must be a non-empty string"),
        (b"chair", {"image": CHAIR}, "prompt must be a non-empty string"),
        ("half \ud800", {"image": CHAIR}, "lone surrogate"),
        ("x" * 32_001, {"image": CHAIR}, "the maximum is 32000"),
        ("漢" * 2000, {"image": CHAIR}, "prompt: has 18000 characters in the URL; at most 12000 are allowed"),
        (".", {"image": CHAIR}, "must not contain '.' or '..' between slashes"),
        ("..", {"image": PNG}, "must not contain '.' or '..' between slashes"),
        ("a/../b", {"image": CHAIR}, "must not contain '.' or '..' between slashes"),
        ("a\\..", {"image": CHAIR}, "must not contain '.' or '..' between slashes"),
        ("chair", {}, "requires an image: pass image=.*hyper3d/rodin-2.5"),
        ("chair", {"image": []}, "requires an image: pass image="),
        ("chair", {"image": [CHAIR, CHAIR]}, "accepts at most 1 reference images, got 2"),
        ("chair", {"image": CHAIR, "model": "rodin", "resolution": "low"}, "does not accept a resolution.*trellis-2"),
        ("chair", {"image": CHAIR, "resolution": "4k"}, "resolution: Input should be 'low', 'medium' or 'high'"),
        ("chair", {"image": CHAIR, "model": "flux"}, "cannot generate 3D objects .category: image.*trellis-2"),
        ("chair", {"image": CHAIR, "model": ""}, "model: "),
        ("chair", {"image": CHAIR, "seed": -2}, "seed: "),
        ("chair", {"image": CHAIR, "seed": 2**31}, "seed: "),
        ("chair", {"image": CHAIR, "safe": "foo"}, "safe: unknown 'foo'"),
        ("chair", {"image": "ftp://x/y"}, "must be an http"),
        ("chair", {"image": "chair.png"}, "is not a URL .* reference_folder"),
        ("chair", {"image": b"words"}, "not in a supported image format"),
        ("chair", {"image": glb()}, "must be image data, not model/gltf-binary"),
        ("chair", {"image": 5}, "image"),
        ("chair", {"image": CHAIR, "resolutoin": "low"}, "unknown argument 'resolutoin', did you mean 'resolution'"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_bad_input_is_refused_before_it_is_sent(
    sculptor: Pollinations3D, emulator: Emulator, make: Make, prompt: Any, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        make(sculptor, prompt, **options)
    assert emulator.requests == []


@pytest.mark.unused_replies
def test_a_missing_ability_is_told_as_one(sculptor: Pollinations3D) -> None:
    for options in ({}, {"model": "flux", "image": CHAIR}, {"model": "rodin", "resolution": "high"}):
        with pytest.raises(UnsupportedRequestError, match="models that can"):
            sculptor.generate("chair", **options)


def test_models_that_are_not_known_here_are_asked(sculptor: Pollinations3D, emulator: Emulator, make: Make) -> None:
    make(sculptor, "a chair", model="somebody/new-model", image=[CHAIR, CHAIR], resolution="high")
    assert emulator.requests[-1].query["image"] == f"{CHAIR}|{CHAIR}"


# --- Answers ----------------------------------------------------------------------------------------------------------

OBJECTS = {
    "glb": (glb(), "model/gltf-binary"),
    "padded glb": (glb() + b"\0\0", "model/gltf-binary"),
    "ply": (ply(), "model/ply"),
    "ply in words": (ply(form="ascii"), "model/ply"),
    "ply with CRLF in its head": (b"ply\r\nformat ascii 1.0\r\nelement vertex 1\r\nend_header\r\n7\r\n", "model/ply"),
}


@pytest.mark.parametrize("body", OBJECTS)
def test_the_type_is_found_from_the_bytes(emulator: Emulator, make: Make, body: str, tmp_path: Path) -> None:
    data, mime_type = OBJECTS[body]
    emulator.reply(body=data, content_type="application/octet-stream", on="/3d")
    made = make(Pollinations3D(**emulator.connection()), image=CHAIR, model="asset-harvester")
    assert (made.data, made.mime_type) == (data, mime_type)
    saved = made.save(tmp_path / "chair")
    assert (saved.suffix, saved.read_bytes()) == (".glb" if "gltf" in mime_type else ".ply", data)


NO_OBJECTS = {
    "a page": b"<!DOCTYPE html><html><body>Moved</body></html>",
    "JSON": b'{"status": "queue full"}',
    "nothing": b"",
    "a picture": PNG,
    "half a glb": glb(9)[:-8],
    "the first word of a glb": b"glTF",
    "half a ply": ply(100)[:-20],
    "half a ply in words": ply(100, "ascii")[:-20],
    "half the head of a ply": ply()[:40],
    "a ply of too many points": ply().replace(b"vertex 3", b"vertex 9999999999999999999"),
}


@pytest.mark.parametrize("body", NO_OBJECTS)
def test_a_body_that_is_no_object_is_an_error(emulator: Emulator, make: Make, body: str) -> None:
    emulator.reply(body=NO_OBJECTS[body], content_type="model/gltf-binary", on="/3d")
    with pytest.raises(InvalidResponseError, match="no 3D object|incomplete 3D object data"):
        make(Pollinations3D(**emulator.connection()), image=CHAIR)


def test_faults_are_errors_of_their_own(emulator: Emulator, make: Make) -> None:
    sculptor = Pollinations3D(**emulator.connection())
    emulator.fail(400, code="failed_to_download_image", message="Not found")
    with pytest.raises(MediaInputError, match="Not found"):
        make(sculptor, image=CHAIR)
    emulator.reply(body={"error": {"code": "INSUFFICIENT_BALANCE", "message": "No pollen"}}, on="/3d")
    with pytest.raises(InsufficientBalanceError, match="No pollen"):
        make(sculptor, image=CHAIR)
    emulator.fail("model unknown")
    with pytest.raises(UnknownModelError, match="Did you mean 'trellis-2'"):
        make(sculptor, image=CHAIR, model="treliss-2")
    emulator.fail("drop")
    emulator.reply(body=glb(), on="/3d")
    assert make(sculptor, image=CHAIR).data == glb()


def test_an_object_torn_off_is_asked_for_again(sculptor: Pollinations3D, emulator: Emulator, make: Make) -> None:
    emulator.clear()
    emulator.reply(body=glb()[:30], headers={"content-length": str(len(glb()))}, on="/3d")
    emulator.reply(body=glb(), on="/3d")
    assert make(sculptor, image=CHAIR).data == glb()
    assert len(emulator.requests) == 2


def test_sculptors_pickle(sculptor: Pollinations3D, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_emulator")
    sculptor.generate(image=PNG)
    twin = pickle.loads(pickle.dumps(sculptor))
    assert twin == sculptor
    assert twin.generate(image=PNG).data == glb()


def test_an_object_shows_as_a_file_to_fetch(sculptor: Pollinations3D) -> None:
    html = sculptor.generate(image=CHAIR)._repr_mimebundle_()["text/html"]
    assert html.startswith('<a download="model.glb" href="data:model/gltf-binary;base64,')
    with pytest.raises(ValueError, match="has no generator that can edit"):
        sculptor.generate(image=CHAIR).edit("blue")
