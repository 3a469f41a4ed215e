"""`PollinationsImage` and its tool: what is asked of the service, and what passes for a picture."""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from PIL import Image

from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import (
    ContentBlockedError,
    InsufficientBalanceError,
    InvalidRequestError,
    InvalidResponseError,
    MediaInputError,
    UnknownModelError,
    UnsupportedRequestError,
)
from langchain_pollinations.images import MAX_INLINE_BYTES, PollinationsImage
from langchain_pollinations.media import Media
from tests.helpers.ask import MAKING
from tests.media.test_references import PNG

Draw = Callable[..., Media]


@pytest.fixture(params=["generate", "ainvoke"])
def draw(request: pytest.FixtureRequest) -> Draw:
    return MAKING[request.param]


@pytest.fixture
def painter(emulator: Emulator) -> PollinationsImage:
    return PollinationsImage(**emulator.connection())


def picture_bytes(kind: str, size: tuple[int, int] = (32, 24)) -> bytes:
    file = io.BytesIO()
    Image.effect_noise(size, 80).convert("RGB").save(file, kind)
    return file.getvalue()


# --- Requests ---------------------------------------------------------------------------------------------------------


def test_a_picture_comes_with_all_that_is_known_of_it(
    painter: PollinationsImage, emulator: Emulator, draw: Draw
) -> None:
    picture = draw(painter, "a lighthouse at dusk", width=96, height=64, seed=7)
    assert Image.open(io.BytesIO(picture.data)).size == (96, 64)
    assert (picture.mime_type, picture.seed, picture.prompt) == ("image/jpeg", 7, "a lighthouse at dusk")
    assert picture.model == "black-forest-labs/flux.1-schnell"
    assert picture.url is not None
    assert picture.url.startswith(emulator.url)
    assert picture.request_id


def test_nothing_is_sent_that_was_not_asked_for(painter: PollinationsImage, emulator: Emulator) -> None:
    painter.generate("a cat")
    request = emulator.requests[-1]
    assert (request.method, request.path, request.query, request.body) == (
        "GET",
        "/image/a cat",
        {"model": "flux"},
        b"",
    )


PROMPTS_FOR_A_PATH = [
    "a cat",
    "a/b",
    "why?",
    "#1",
    "a&b=c",
    "line\nbreak",
    "é 🌼 漢字",
    "+ plus",
    "a;b:c@d",
    "a\u2028b",
]
PROMPTS_FOR_A_BODY = ["50% off", "50%20off", ".", "..", "a/../b", "./a", "x" * 3000, "漢" * 400]


@pytest.mark.parametrize("prompt", PROMPTS_FOR_A_PATH)
def test_prompts_arrive_as_they_were_in_the_path(painter: PollinationsImage, emulator: Emulator, prompt: str) -> None:
    painter.generate(prompt, width=32, height=32)
    assert (emulator.requests[-1].method, emulator.requests[-1].path) == ("GET", f"/image/{prompt}")


@pytest.mark.parametrize("prompt", PROMPTS_FOR_A_BODY, ids=lambda prompt: prompt[:12])
def test_prompts_that_a_path_cannot_carry_go_in_a_body(
    painter: PollinationsImage, emulator: Emulator, contract: Path, prompt: str, draw: Draw
) -> None:
    picture = draw(painter, prompt, model="gptimage", width=32, seed=3, quality="high", safe="nsfw")
    request = emulator.requests[-1]
    assert (request.method, request.path) == ("POST", "/v1/images/generations")
    assert request.json == {
        "model": "gptimage",
        "prompt": prompt,
        "size": "32x1024",
        "seed": 3,
        "quality": "high",
        "safe": "nsfw",
        "response_format": "b64_json",
    }
    schema = json.loads((contract / "images_generations.request.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(request.json)
    assert (picture.prompt, picture.seed) == (prompt, 3)
    assert picture.url


def test_every_option_goes_out_as_it_was_given(emulator: Emulator, contract: Path) -> None:
    options = {"width": 64, "height": 48, "seed": 7, "quality": "low", "transparent": True, "safe": "privacy"}
    painter = PollinationsImage(**emulator.connection(), model="gptimage", **options)
    picture = painter.generate("a kite")
    wire = {"model": "gptimage", "width": "64", "height": "48", "seed": "7", "quality": "low", "transparent": "true"}
    assert emulator.requests[-1].query == {**wire, "safe": "privacy"}
    assert picture.mime_type == "image/png"
    schema = json.loads((contract / "image.query.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate({**options, "model": "gptimage"})


def test_a_false_transparent_is_left_out_because_the_service_reads_it_as_true(
    painter: PollinationsImage, emulator: Emulator
) -> None:
    painter.generate("a kite", transparent=False)
    assert "transparent" not in emulator.requests[-1].query


def test_reference_pictures_by_address_and_by_bytes(painter: PollinationsImage, emulator: Emulator) -> None:
    one, two = "https://example.com/a,b.png", "https://example.com/c.png?x=1|2"
    painter.generate("night", model="nanobanana", image=[one, two])
    assert emulator.requests[-1].query["image"] == "https://example.com/a%2Cb.png|https://example.com/c.png?x=1%7C2"
    painter.generate("night", model="nanobanana", image=one)
    assert emulator.requests[-1].query["image"] == "https://example.com/a%2Cb.png"
    source = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw=="
    painter.generate("night", model="nanobanana", image=[source])
    assert emulator.requests[-1].json["image"] == [source]


def test_a_random_seed_is_drawn_once_per_picture_and_kept_by_retries(
    painter: PollinationsImage, emulator: Emulator, draw: Draw
) -> None:
    emulator.fail(503, headers={"retry-after": "0"})
    seeds = [draw(painter, "a cat", width=16, height=16, seed=-1).seed for _ in range(3)]
    assert [int(r.query["seed"]) for r in emulator.requests] == [seeds[0], *seeds]
    assert len(set(seeds)) == 3


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"no-logo": True}, {"nologo": "true"}),
        ({"no-feed": True}, {"private": "true"}),
        ({"nofeed": True}, {"private": "true"}),
        ({"enhance": True}, {"enhance": "true"}),
        ({"negative_prompt": "rain"}, {"negative_prompt": "rain"}),
    ],
)
def test_older_parameters_are_sent_with_a_warning(
    painter: PollinationsImage, emulator: Emulator, given: dict[str, Any], sent: dict[str, str]
) -> None:
    with pytest.warns(UserWarning, match="no longer honours"):
        painter.generate("a cat", **given)
    assert sent.items() <= emulator.requests[-1].query.items()


def test_no_address_carries_a_switch_that_is_off(painter: PollinationsImage, emulator: Emulator) -> None:
    painter.generate("a cat", transparent=False, enhance=False, nologo=False, private=False)
    assert emulator.requests[-1].query == {"model": "flux"}


def test_a_painter_is_a_runnable(emulator: Emulator) -> None:
    from langchain_core.output_parsers import StrOutputParser

    service = emulator.connection()
    emulator.reply("a red kite")
    chain = ChatPollinations(**service) | StrOutputParser() | PollinationsImage(**service, width=32, height=32)
    assert chain.invoke("Describe a toy").prompt == "a red kite"
    assert [p.prompt for p in chain.last.batch(["one", "two"])] == ["one", "two"]  # type: ignore[attr-defined]


# --- Answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_the_type_is_found_from_the_bytes(painter: PollinationsImage, emulator: Emulator, kind: str) -> None:
    emulator.reply(body=picture_bytes(kind), content_type="image/svg+xml", on="/image")
    picture = painter.generate("a cat")
    assert picture.mime_type == f"image/{kind.lower()}"
    assert picture.url is None


NO_PICTURES = {
    "a page": (b"<!DOCTYPE html><html><body>Moved to a new home</body></html>", "text/html"),
    "JSON": (b'{"status": "queue full"}', "application/json"),
    "nothing": (b"", "image/jpeg"),
    "half a JPEG": (picture_bytes("JPEG")[:-200], "image/jpeg"),
    "half a PNG": (picture_bytes("PNG")[:-100], "image/png"),
    "half a WEBP": (picture_bytes("WEBP")[:-50], "image/webp"),
    "half a GIF": (picture_bytes("GIF")[:-100], "image/gif"),
    "a film": (b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 100, "video/mp4"),
    "words": ("Grüße".encode("latin-1"), "image/jpeg"),
}


@pytest.mark.parametrize("body", NO_PICTURES)
def test_a_body_that_is_no_picture_is_an_error(
    painter: PollinationsImage, emulator: Emulator, draw: Draw, body: str
) -> None:
    content, content_type = NO_PICTURES[body]
    emulator.reply(body=content, content_type=content_type, on="/image")
    with pytest.raises(InvalidResponseError, match="no image|incomplete image data"):
        draw(painter, "a cat")


@pytest.mark.parametrize(
    "body",
    [{}, {"data": []}, {"data": [{"url": "https://x"}]}, {"data": [{"b64_json": "***"}]}, {"data": None}],
    ids=str,
)
def test_json_without_a_picture_is_an_error(painter: PollinationsImage, emulator: Emulator, body: Any) -> None:
    emulator.reply(body=body, on="/v1/images")
    with pytest.raises(InvalidResponseError, match="no image|incomplete image data"):
        painter.generate("50% off")


@pytest.mark.parametrize(
    ("prompt", "options", "says"),
    [
        ("", {}, "prompt must be a non-empty string"),
        ("  \n", {}, "prompt must be a non-empty string"),
        (None, {}, "prompt must be a non-empty string"),
        ("x" * 32_001, {}, "32001 characters; the maximum is 32000"),
        ("half \ud800", {}, "lone surrogate"),
        ("cat", {"width": 0}, "width: Input should be greater than or equal to 1"),
        ("cat", {"width": "wide"}, "width: Input should be a valid integer"),
        ("cat", {"seed": 2**31}, "seed: Input should be less"),
        ("cat", {"quality": "ultra"}, "quality: Input should be 'low', 'medium', 'high' or 'hd'"),
        ("cat", {"resolution": "8k"}, "resolution: Input should be '1k'"),
        ("cat", {"safe": "foo"}, "safe: unknown 'foo'"),
        ("cat", {"image": "ftp://x"}, "must be an http"),
        ("cat", {"model": "klein", "image": "/etc/passwd"}, "is not a URL .* reference_folder"),
        ("cat", {"model": "klein", "image": "http://localhost/x"}, "public URLs only"),
        ("cat", {"model": "klein", "image": "http://127.0.0.1/x"}, "public URLs only"),
        ("cat", {"model": "klein", "image": "http://[::1]/x"}, "public URLs only"),
        ("cat", {"model": "klein", "image": "http://me:pw@example.com/x"}, "public URLs only"),
        ("cat", {"wdith": 5}, "unknown argument 'wdith', did you mean 'width'"),
    ],
)
def test_bad_input_is_refused_before_it_is_sent(
    painter: PollinationsImage, emulator: Emulator, draw: Draw, prompt: Any, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        draw(painter, prompt, **options)
    assert emulator.requests == []


def test_bad_arguments_of_the_constructor_are_refused() -> None:
    with pytest.raises(ValueError, match="'widht', did you mean 'width'"):
        PollinationsImage(api_key="sk_x", widht=3)
    with pytest.raises(ValueError, match="height"):
        PollinationsImage(api_key="sk_x", height=-3)


@pytest.mark.parametrize("name", ["new/", "new/.", "new/..", ""])
def test_a_path_that_ends_like_a_folder_is_not_written(
    painter: PollinationsImage, draw: Draw, emulator: Emulator, tmp_path: Path, name: str
) -> None:
    with pytest.raises(IsADirectoryError, match=f"{name}' is a folder"):
        draw(painter, "a cat", path=f"{tmp_path}/{name}" if name else "")
    assert (emulator.requests, list(tmp_path.iterdir())) == ([], [])


def test_an_unknown_model_names_those_that_were_perhaps_meant(painter: PollinationsImage, draw: Draw) -> None:
    with pytest.raises(UnknownModelError, match="Did you mean 'flux'"):
        draw(painter, "a cat", model="flxu")


# --- Edits ------------------------------------------------------------------------------------------------------------

EDITS: dict[str, Draw] = {
    "edit": lambda painter, *args, **options: painter.edit(*args, **options),
    "aedit": lambda painter, *args, **options: asyncio.run(painter.aedit(*args, **options)),
    "Media.edit": lambda painter, prompt, image, **options: _media_of(painter, image).edit(prompt, **options),
    "Media.aedit": lambda painter, prompt, image, **options: asyncio.run(
        _media_of(painter, image).aedit(prompt, **options)
    ),
}
ADDRESS = "https://example.com/a,b.png"


def _media_of(painter: PollinationsImage, image: bytes) -> Media:
    return Media(image, "image/png", generator=painter)


@pytest.fixture(params=EDITS)
def edit(request: pytest.FixtureRequest) -> Draw:
    return EDITS[request.param]


@pytest.fixture(params=["edit", "aedit"])
def edit_any(request: pytest.FixtureRequest) -> Draw:
    return EDITS[request.param]


@pytest.fixture(scope="session")
def edits_schema(contract: Path) -> jsonschema.Draft202012Validator:
    schema = json.loads((contract / "images_edits.request.schema.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(schema)


def form_of(request: Any) -> list[tuple[str, str, bytes]]:
    """Name, type and content of each part of a form, as the standard library reads it."""
    head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + request.body, policy=email.policy.HTTP).iter_parts()
    found = []
    for part in parts:
        is_file = part.get_filename() is not None
        name = part.get_param("name", header="content-disposition")
        found.append((str(name), part.get_content_type() if is_file else "", part.get_payload(decode=True)))
    return found


def test_an_edit_comes_with_all_that_is_known_of_it(painter: PollinationsImage, emulator: Emulator, edit: Draw) -> None:
    changed = edit(painter, "make it night", picture_bytes("PNG", (64, 48)))
    assert Image.open(io.BytesIO(changed.data)).size == (64, 48)
    assert (changed.model, changed.prompt) == ("black-forest-labs/flux.2-klein-4b", "make it night")
    assert changed.seed is None
    assert changed.url is not None
    assert changed.url.startswith(emulator.url)
    assert changed.generator is painter


def test_bytes_alone_travel_in_a_form(painter: PollinationsImage, emulator: Emulator, edit: Draw) -> None:
    png = picture_bytes("PNG")
    edit(painter, "50% night", png, width=64, height=48, safe=False)
    request = emulator.requests[-1]
    assert (request.method, request.path, request.query) == ("POST", "/v1/images/edits", {})
    assert form_of(request) == [
        ("model", "", b"klein"),
        ("safe", "", b"false"),
        ("prompt", "", b"50% night"),
        ("response_format", "", b"b64_json"),
        ("size", "", b"64x48"),
        ("image", "image/png", png),
    ]


def test_several_pictures_are_parts_of_one_form(painter: PollinationsImage, emulator: Emulator, edit_any: Draw) -> None:
    png, jpeg = picture_bytes("PNG"), picture_bytes("JPEG")
    uri = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    for pictures in ([png, uri], (png, Media(jpeg, "image/jpeg"))):
        edit_any(painter, "both", pictures, model="nanobanana")
        assert form_of(emulator.requests[-1])[-2:] == [("image[]", "image/png", png), ("image[]", "image/jpeg", jpeg)]


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({"seed": 7}, {"seed": 7}),
        ({"transparent": True, "model": "gptimage"}, {"transparent": True}),
        ({"transparent": False, "model": "gptimage"}, {"transparent": False}),
    ],
)
def test_options_that_no_form_carries_make_it_json(
    painter: PollinationsImage,
    emulator: Emulator,
    edit: Draw,
    options: dict[str, Any],
    more: dict[str, Any],
    edits_schema: jsonschema.Draft202012Validator,
) -> None:
    png = picture_bytes("PNG")
    edit(painter, "night", png, **options)
    body = emulator.requests[-1].json
    uri = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    wire = {"model": options.get("model", "klein"), "prompt": "night", "response_format": "b64_json"}
    assert body == {**wire, "image": [{"image_url": uri}], **more}
    edits_schema.validate(body)


def test_addresses_travel_in_json_beside_bytes(
    painter: PollinationsImage,
    emulator: Emulator,
    edit_any: Draw,
    edits_schema: jsonschema.Draft202012Validator,
) -> None:
    png = picture_bytes("PNG")
    emulator.reply(body={"data": [{"b64_json": base64.b64encode(png).decode()}]}, on="/v1/images/edits", times=2)
    edit_any(painter, "night", ADDRESS, quality="medium", model="gptimage", width=64, height=48, safe="privacy")
    alone = emulator.requests[-1].json
    assert alone["image"] == [{"image_url": ADDRESS}]
    assert (alone["size"], alone["quality"], alone["safe"]) == ("64x48", "medium", "privacy")
    edit_any(painter, "night", [png, ADDRESS], model="nanobanana")
    mixed = emulator.requests[-1].json
    assert [item["image_url"][:21] for item in mixed["image"]] == ["data:image/png;base64", ADDRESS[:21]]
    for body in (alone, mixed):
        edits_schema.validate(body)


@pytest.mark.parametrize("side", ["width", "height"])
def test_one_side_of_a_changed_picture_is_not_made_a_square(
    painter: PollinationsImage, emulator: Emulator, edit: Draw, side: str
) -> None:
    with pytest.raises(InvalidRequestError, match="width, height: must be given together, or both be None"):
        edit(painter, "night", PNG, **{side: 512})
    assert emulator.requests == []


def test_heavy_pictures_are_uploaded_first(painter: PollinationsImage, emulator: Emulator, edit: Draw) -> None:
    png = picture_bytes("PNG") + b"\0" * MAX_INLINE_BYTES + b"IEND"
    emulator.reply(body={"data": [{"b64_json": base64.b64encode(PNG).decode()}]}, on="/v1/images/edits", times=2)
    for _ in range(2):
        edit(painter, "night", png)
    paths = [request.path for request in emulator.requests]
    assert paths == ["/media/upload", "/v1/images/edits", "/v1/images/edits"]
    [sent] = emulator.requests[-1].json["image"]
    assert sent["image_url"].startswith(f"{emulator.url}/media/")


def test_reference_pictures_as_bytes_make_a_generation_a_post(
    painter: PollinationsImage, emulator: Emulator, contract: Path, draw: Draw
) -> None:
    png = picture_bytes("PNG")
    draw(painter, "night", model="nanobanana", image=[png, Media(png, "image/png")], width=64, height=48, seed=7)
    body = emulator.requests[-1].json
    uri = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    assert body["image"] == [uri, uri]
    assert (body["size"], body["seed"]) == ("64x48", 7)
    schema = json.loads((contract / "images_generations.request.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(body)


def test_a_picture_that_was_drawn_can_be_changed_again_and_again(
    painter: PollinationsImage, emulator: Emulator, draw: Draw
) -> None:
    drawn = draw(painter, "a lighthouse", width=64, height=48)
    night = drawn.edit("make it night")
    snow = asyncio.run(night.aedit("let it snow", seed=3))
    assert len({drawn.data, night.data, snow.data}) == 3
    assert [request.path for request in emulator.requests] == ["/image/a lighthouse", *["/v1/images/edits"] * 2]


def test_the_editor_is_one_that_can_edit_unless_one_was_chosen(emulator: Emulator, edit_any: Draw) -> None:
    png, service = picture_bytes("PNG"), emulator.connection()
    for painter, options, model in (
        (PollinationsImage(**service), {}, "klein"),
        (PollinationsImage(**service, width=64, height=48), {}, "klein"),
        (PollinationsImage(**service, model="nanobanana"), {}, "nanobanana"),
        (PollinationsImage(**service, model_name="nanobanana"), {}, "nanobanana"),
        (PollinationsImage(**service), {"model": "kontext"}, "kontext"),
        (PollinationsImage(**service, model="flux"), {"model_name": "kontext"}, "kontext"),
    ):
        edit_any(painter, "night", png, **options)
        assert ("model", "", model.encode()) in form_of(emulator.requests[-1])
    with pytest.raises(UnsupportedRequestError, match="'flux' does not accept reference images; models that can"):
        edit_any(PollinationsImage(**service, model="flux"), "night", png)


def test_a_retry_of_an_edit_is_the_same_request(painter: PollinationsImage, emulator: Emulator, edit: Draw) -> None:
    emulator.fail("drop")
    emulator.fail(503, headers={"retry-after": "0"})
    edit(painter, "night", picture_bytes("PNG"))
    assert len(emulator.requests) == 3
    assert len({(request.body, request.headers["content-type"]) for request in emulator.requests}) == 1


@pytest.mark.parametrize(
    ("prompt", "image", "options", "says"),
    [
        ("night", None, {}, "image: must be the image to edit"),
        ("night", [], {}, "image: must be the image to edit"),
        ("night", (), {}, "image: must be the image to edit"),
        ("night", [None], {}, "image"),
        ("night", 5, {}, "image"),
        ("night", b"words", {}, "not in a supported image format"),
        ("night", b"ID3", {}, "must be image data, not audio/mpeg"),
        ("night", "dot.png", {}, "reference_folder="),
        ("night", "ftp://x/y", {}, "must be an http"),
        ("night", "http://[::1", {}, "not a complete http"),
        ("", ADDRESS, {}, "prompt must be a non-empty string"),
        (None, ADDRESS, {}, "prompt must be a non-empty string"),
        ("half \ud800", ADDRESS, {}, "lone surrogate"),
        ("x" * 32_001, ADDRESS, {}, "the maximum is 32000"),
        ("night", ADDRESS, {"mask": ADDRESS}, "unknown argument 'mask'"),
        ("night", ADDRESS, {"n": 2}, "unknown argument 'n'"),
        ("night", ADDRESS, {"model": "veo"}, "cannot generate images .category: video"),
        ("night", ADDRESS, {"model": "openai"}, "cannot generate images .category: text"),
        ("night", ADDRESS, {"model": "zimage"}, "does not accept reference images; models that can"),
        ("night", [ADDRESS] * 99, {}, "accepts at most"),
        ("night", ADDRESS, {"model": "inferenceport-ai/lightning-image-turbo"}, "accepts at least 2"),
        ("night", ADDRESS, {"transparent": True}, "does not support transparent backgrounds; .*gpt-image"),
        ("night", ADDRESS, {"quality": "high"}, "does not accept a quality; .*gpt-image"),
        ("night", ADDRESS, {"model": "x-ai/grok-imagine-image-2.0", "quality": "high"}, "offers low, medium, not high"),
        ("night", ADDRESS, {"resolution": "4k"}, "resolution"),
        (
            "night",
            ADDRESS,
            {"model": "black-forest-labs/flux.2-pro", "width": 100, "height": 96},
            "multiples of 16 pixels",
        ),
    ],
    ids=lambda value: str(value)[:18].encode("ascii", "replace").decode(),
)
def test_bad_edits_are_refused_before_they_are_sent(
    painter: PollinationsImage,
    emulator: Emulator,
    edit_any: Draw,
    prompt: Any,
    image: Any,
    options: dict[str, Any],
    says: str,
) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        edit_any(painter, prompt, image, **options)
    assert emulator.requests == []


@pytest.mark.parametrize(
    "item", [{"b64_json": "é"}, {"b64_json": 5}, {"b64_json": None}, {"b64_json": ""}, "text", [], None], ids=str
)
def test_an_odd_answer_to_an_edit_is_an_error(
    painter: PollinationsImage, emulator: Emulator, edit: Draw, item: Any
) -> None:
    emulator.reply(body={"data": [item]}, on="/v1/images/edits")
    with pytest.raises(InvalidResponseError, match="no image|incomplete image data"):
        edit(painter, "night", PNG)


def test_faults_of_an_edit_are_errors_of_their_own(painter: PollinationsImage, emulator: Emulator, edit: Draw) -> None:
    for code, kind in (
        ("failed_to_download_image", MediaInputError),
        ("content_blocked", ContentBlockedError),
    ):
        emulator.fail(400, code=code, message="Not this one")
        with pytest.raises(kind, match="Not this one"):
            edit(painter, "night", PNG)


def test_a_picture_that_nobody_made_says_who_could_change_it() -> None:
    with pytest.raises(ValueError, match=r"PollinationsImage\(\.\.\.\)\.edit\(prompt, media\)"):
        Media(PNG, "image/png").edit("night")
    with pytest.raises(ValueError, match="has no generator that can edit"):
        asyncio.run(Media(PNG, "image/png").aedit("night"))


def test_an_error_in_place_of_a_picture_is_that_error(
    painter: PollinationsImage, emulator: Emulator, draw: Draw
) -> None:
    for prompt in ("a cat", "50% off"):
        emulator.reply(body={"error": {"code": "INSUFFICIENT_BALANCE", "message": "No pollen"}}, on="/")
        with pytest.raises(InsufficientBalanceError, match="No pollen"):
            draw(painter, prompt)
