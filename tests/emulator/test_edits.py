"""Edited pictures, pictures with references, and drawings."""

from __future__ import annotations

import base64
import io
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from PIL import Image, ImageChops, ImageStat

from langchain_pollinations.emulator import Emulator
from tests.helpers.files import opened

EDITS = "/v1/images/edits"
KLEIN = "black-forest-labs/flux.2-klein-4b"


def picture(colour: str = "steelblue", size: tuple[int, int] = (90, 60)) -> bytes:
    """A PNG of one colour with a black corner at the lower right."""
    out = io.BytesIO()
    image = Image.new("RGB", size, colour)
    image.paste("black", (size[0] // 2, size[1] // 2, *size))
    image.save(out, "PNG")
    return out.getvalue()


def data_uri(data: bytes, mime_type: str = "image/png") -> str:
    return f"data:{mime_type};base64,{base64.b64encode(data).decode()}"


def uploaded(http: httpx.Client, data: bytes, mime_type: str = "image/png") -> str:
    url: str = http.post("/media/upload", content=data, headers={"content-type": mime_type}).json()["url"]
    return url


def edit(http: httpx.Client, prompt: str, image: Any, **fields: Any) -> httpx.Response:
    return http.post(EDITS, json={"model": KLEIN, "prompt": prompt, "image": image, **fields})


def made(response: httpx.Response) -> bytes:
    assert response.status_code == 200, response.text
    return base64.b64decode(response.json()["data"][0]["b64_json"])


def by_form(http: httpx.Client, data: bytes, name: str = "image", **fields: Any) -> httpx.Response:
    files = {name: ("a.png", data, "image/png")}
    return http.post(EDITS, files=files, data={"model": KLEIN, "prompt": "make it night", **fields})


def likeness(one: bytes, other: bytes) -> float:
    """How little two pictures differ: 255 for equal ones."""
    small = [opened(data).convert("L").resize((24, 16)) for data in (one, other)]
    return 255 - float(ImageStat.Stat(ImageChops.difference(*small)).mean[0])


def brightness(data: bytes) -> float:
    return float(ImageStat.Stat(opened(data).convert("L")).mean[0])


def test_one_sees_what_an_edit_comes_from_and_what_was_done(http: httpx.Client) -> None:
    source = made(http.post("/v1/images/generations", json={"prompt": "a fox", "size": "192x128"}))
    stranger = made(http.post("/v1/images/generations", json={"prompt": "a rocket at night", "size": "192x128"}))
    night = made(edit(http, "make it night", data_uri(source)))
    grey = made(edit(http, "black and white", data_uri(night)))
    assert brightness(night) < 0.8 * brightness(source)
    assert likeness(grey, night) > 240 > likeness(grey, stranger)
    red, green, blue = ImageStat.Stat(opened(grey)).mean
    assert red == pytest.approx(green, abs=2) and green == pytest.approx(blue, abs=2)


@pytest.mark.parametrize(
    "prompt", ["at sunset", "in the snow", "rain", "mirror it", "add a red balloon", "nicer", "blue", "as a sketch"]
)
def test_every_edit_changes_the_picture_and_is_the_same_each_time(
    http: httpx.Client, emulator: Emulator, prompt: str
) -> None:
    source = picture()
    first = made(edit(http, prompt, data_uri(source)))
    plain = made(edit(http, "mirrored, flipped vertically, mirrored", data_uri(source)))
    assert first != plain and opened(first).size == opened(source).size
    emulator.clear()
    assert made(edit(http, prompt, data_uri(source))) == first


@pytest.mark.parametrize(
    "prompt",
    [
        "erase the whale and the boat", "Now make the boat and the lighthouse red", "paint the boat and the whale red",
        "swap the boat for a whale", "delete the boat, the birds and the whale",
        "Keep the boat, but replace the whale by a fish", "darker sky over the boat and the lighthouse",
        "Please remove the birds above the boat", "Could you rotate the boat and the whale?",
        "Can we change the fox into a whale?", "Just change the fox into a whale", "Also remove the boat and the fox",
        "I would like to replace the fox by a whale", "Let the fox and the boat move closer",
        "Slightly darken the sky above the fox and the boat", "In this image replace the fox by a whale",
        "The fox and the boat in a colder light", "I want to paint the boat and the whale red",
        "Make fox and whale bigger", "Make everything but the fox and the whale darker", "Crop to fox and whale",
        "The fox and the whale, darker", "Help me remove the boat and the fox", "Mirror the fox and the boat",
        "I’d like to remove the boat and the fox",
        "Maybe remove the boat and the whale", "Is it possible to remove the boat and the whale?",
        "It would be nice to remove the boat and the fox",
        "Keep the fox and the boat but blur background", "Next, crop to the fox and the boat",
    ],
)  # fmt: skip
def test_a_prompt_that_changes_known_figures_keeps_the_source(http: httpx.Client, prompt: str) -> None:
    one, other = (opened(made(edit(http, prompt, data_uri(picture(colour))))) for colour in ("steelblue", "tomato"))
    assert ImageChops.difference(one, other).getbbox() is not None


@pytest.mark.parametrize(
    "prompt",
    [
        "A fox sails a boat to a lighthouse",
        "The fox and the whale at night. Keep the look of the fox, in the same style",
        "The fox and the boat under a winter sky",
        "A fox and a boat on a clean river, in amber light",
        "A softer fox sleeps in a boat",
        "A fox in a boat, clean lines, cut paper style",
        "A fox and a whale paint a boat",
        "The fox goes to paint the lighthouse",
        "A fox and a whale swap boats",
        "Winds of change, fox and whale beneath a lighthouse",
        "Mirror lake, fox and boat",
        "A fox and a whale, but blur of motion",
        "Two fox and boat cards: " + "'" * 40,
        "'fox' 'boat' 'sea' 'sky' 'sun' 'moon' " * 3,
        "Fox and whale swap boats",
        "Let there be a fox and a boat",
        "A fox and a whale " + "and " * 7000,
        "The fox and the whale at a change of tide",
    ],
)
def test_a_prompt_that_describes_a_scene_draws_it(http: httpx.Client, prompt: str) -> None:
    one, other = (opened(made(edit(http, prompt, data_uri(picture(colour))))) for colour in ("steelblue", "tomato"))
    assert ImageChops.difference(one, other).getbbox() is None


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({}, (90, 60)),
        ({"size": "auto"}, (90, 60)),
        ({"size": "64x64"}, (64, 64)),
        ({"size": "45xauto"}, (45, 30)),
        ({"size": "autox120"}, (180, 120)),
        ({"model": "gptimage"}, (1536, 1024)),
        ({"model": "flux-2-pro"}, (80, 48)),
        ({"model": "x-ai/grok-imagine-image-2.0", "resolution": "1k"}, (1254, 836)),
    ],
)
def test_an_edit_has_the_size_of_its_source_unless_one_is_asked_for(
    http: httpx.Client, fields: dict[str, Any], size: tuple[int, int]
) -> None:
    assert opened(made(edit(http, "brighter", data_uri(picture()), **fields))).size == size


def test_a_form_is_as_good_as_json(http: httpx.Client) -> None:
    source = picture()
    assert made(by_form(http, source)) == made(edit(http, "make it night", data_uri(source)))
    assert made(by_form(http, source, "image[]")) == made(by_form(http, source))
    assert made(by_form(http, picture("tomato"))) != made(by_form(http, source))
    linked = http.post(
        EDITS,
        files={"prompt": (None, "make it night"), "model": (None, KLEIN), "image": (None, uploaded(http, source))},
    )
    assert made(linked) == made(by_form(http, source))


def test_forms_know_neither_seed_nor_mask_and_find_their_stored_answer(http: httpx.Client) -> None:
    first = by_form(http, picture())
    again = by_form(http, picture(), seed="7", mask="x", response_format="url")
    assert again.headers["x-cache-type"] == "EXACT"
    assert http.get(again.json()["data"][0]["url"]).content == made(first)
    assert again.headers["link"] == first.headers["link"]


def test_several_pictures_are_all_to_be_seen(http: httpx.Client) -> None:
    one, other = ({"image_url": data_uri(picture(colour))} for colour in ("steelblue", "tomato"))
    alone, together = (made(edit(http, "brighter", images)) for images in ([one], [one, other]))
    assert alone != together and likeness(alone, together) > 200


REFUSED_BODIES = [
    pytest.param({"prompt": "x"}, "Invalid input", id="no image"),
    pytest.param({"prompt": "x", "image": []}, "image", id="no image in the list"),
    pytest.param({"image": "https://example.org/a.png"}, "", id="no prompt"),
    pytest.param({"prompt": "", "image": "https://example.org/a.png"}, "", id="empty prompt"),
    pytest.param({"prompt": "x", "image": "https://example.org/a.png", "response_format": "x"}, "", id="form"),
    pytest.param({"prompt": "x", "image": "https://example.org/a.png", "n": 2}, "", id="n"),
]


@pytest.mark.parametrize(("body", "words"), REFUSED_BODIES)
def test_refusals_of_edits_name_no_fields(http: httpx.Client, body: dict[str, Any], words: str) -> None:
    response = http.post(EDITS, json={"model": KLEIN, **body})
    error = response.json()["error"]
    assert response.status_code == 400 and words in error["message"] and error["details"] == {"name": "UpstreamError"}


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"files": {"image": picture()}, "data": {"model": KLEIN}}, id="no prompt"),
        pytest.param({"files": {"prompt": (None, "x"), "model": (None, KLEIN)}}, id="no image"),
        pytest.param({"content": b"--x", "headers": {"content-type": "multipart/form-data"}}, id="no boundary"),
        pytest.param({"content": b"?", "headers": {"content-type": "multipart/form-data; boundary=x"}}, id="no form"),
        pytest.param(
            {"files": {"image": picture()}, "data": {"prompt": "x", "model": KLEIN, "response_format": "x"}},
            id="format",
        ),
    ],
)
def test_broken_forms_are_refused(http: httpx.Client, request_: dict[str, Any]) -> None:
    response = http.post(EDITS, **request_)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["details"] == {"name": "UpstreamError"}


@pytest.mark.parametrize("model", [None, "flux", "tongyi-mai/z-image-turbo", "openai", "nope"])
def test_only_models_that_take_pictures_can_edit(http: httpx.Client, model: str | None) -> None:
    fields = {} if model is None else {"model": model}
    body = {"prompt": "x", "image": data_uri(picture()), **fields}
    assert http.post(EDITS, json=body).status_code == 400


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("{url}/media/none", "failed_to_download_image"),
        ("http://127.0.0.1/a.png", "invalid_image_url"),
        ("http://[::1]/a.png", "invalid_image_url"),
        ("http://[/a.png", "invalid_image_url"),
        ("http://localhost:1/a.png", "invalid_image_url"),
        ("https://me:secret@example.org/a.png", "invalid_image_url"),
        ("ftp://example.org/a.png", "invalid_image_url"),
        (data_uri(b"hi"), "unsupported_image_media_type"),
        (data_uri(picture()[:60]), "unsupported_image_media_type"),
        ("data:image/png;base64,*", "unsupported_image_media_type"),
        ("data:text/plain,hi", "unsupported_image_media_type"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_code(
    http: httpx.Client, emulator: Emulator, address: str, code: str
) -> None:
    before = emulator.keys["sk_emulator"]["balance"]
    response = edit(http, "x", address.format(url=emulator.url))
    assert response.status_code == 400 and response.json()["error"]["code"] == code
    assert emulator.keys["sk_emulator"]["balance"] == before


def test_pictures_with_too_many_bytes_or_pixels_are_refused(http: httpx.Client) -> None:
    heavy = uploaded(http, picture() + b" " * (20 * 1024 * 1024))
    out = io.BytesIO()
    Image.new("1", (9000, 9000)).save(out, "PNG")
    for address in (heavy, data_uri(out.getvalue())):
        assert edit(http, "x", address).json()["error"]["code"] == "image_too_large"


def test_an_edit_is_paid_like_any_picture(http: httpx.Client, emulator: Emulator) -> None:
    before = emulator.keys["sk_emulator"]["balance"]
    response = edit(http, "x", data_uri(picture()))
    assert response.headers["x-usage-completion-image-tokens"] == "1"
    assert before - emulator.keys["sk_emulator"]["balance"] == Decimal("0.005")
    shown = edit(http, "x", data_uri(picture()), model="gptimage").json()["usage"]
    assert shown["input_tokens_details"]["image_tokens"] > 0
    assert shown["total_tokens"] == shown["input_tokens"] + shown["output_tokens"]
    body = {"model": KLEIN, "prompt": "z", "image": data_uri(picture())}
    for key in ("", "Bearer sk_nobody"):
        assert http.post(EDITS, json=body, headers={"authorization": key}).status_code == 401


# References on the routes that draw.


def test_a_reference_shows_in_the_picture_whichever_way_it_comes(http: httpx.Client) -> None:
    red, blue = (uploaded(http, picture(colour)) for colour in ("tomato", "steelblue"))
    query = {"model": "kontext", "width": 96, "height": 64}

    def drawn(**more: Any) -> bytes:
        return http.get("/image/a calm day", params=query | more).content

    one, other, none = drawn(image=red), drawn(image=blue), drawn()
    assert len({one, other, none}) == 3 and opened(one).size == (96, 64)
    body = {"prompt": "a calm day", "model": "kontext", "size": "96x64"}
    for image in (red, [red], [data_uri(picture("tomato"))]):
        assert made(http.post("/v1/images/generations", json={**body, "image": image})) == one


def test_pictures_of_the_emulator_can_be_edited_by_their_address(http: httpx.Client) -> None:
    link = http.get("/image/a fox", params={"width": 96, "height": 64}).headers["link"]
    address = link[1 : link.index(">")]
    night = edit(http, "make it night", address, response_format="url").json()["data"][0]["url"]
    assert brightness(http.get(night).content) < brightness(http.get(address).content)


def test_an_address_elsewhere_stands_for_a_picture_of_its_own(http: httpx.Client) -> None:
    fox, again, whale = (
        made(edit(http, prompt, f"https://example.org/{name}.png", size="96x64"))
        for prompt, name in (("brighter", "a-fox"), ("brighter ", "a-fox"), ("brighter", "a-whale"))
    )
    assert likeness(fox, again) > likeness(fox, whale)


# Drawings and see-through pictures.


def test_a_drawing_is_svg_that_cannot_run_scripts(http: httpx.Client) -> None:
    query = {"model": "recraft-svg", "width": 320, "height": 240}
    response = http.get("/image/a fox <script> & a %01 lighthouse", params=query)
    root = ElementTree.fromstring(response.content)
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and root.get("viewBox") == "0 0 320 240"
    assert response.headers["content-type"] == "image/svg+xml"
    assert "script" not in {each.tag.rpartition("}")[2] for each in root.iter()} and len(list(root.iter())) > 50
    assert response.headers["content-disposition"].endswith('.svg"')
    stored = http.get(response.headers["link"][1:].partition(">")[0])
    for head in (response.headers, stored.headers):
        assert "default-src 'none'" in head["content-security-policy"] and head["x-content-type-options"] == "nosniff"


def test_a_drawing_in_json_tells_its_type(http: httpx.Client) -> None:
    response = edit(http, "brighter", data_uri(picture()), model="recraft-svg")
    assert response.json()["data"][0]["media_type"] == "image/svg+xml"
    assert ElementTree.fromstring(made(response)).get("width") == "90"
    assert "content-security-policy" not in response.headers


def test_only_two_models_draw_without_a_background(http: httpx.Client) -> None:
    for model, form in (("gptimage", "PNG"), ("gpt-image-1.5", "PNG"), ("flux", "JPEG")):
        query = {"model": model, "transparent": "true", "width": 64, "height": 64}
        assert opened(http.get("/image/x", params=query).content).format == form
    clear = opened(made(edit(http, "x", data_uri(picture()), model="gptimage", transparent=True)))
    assert clear.mode == "RGBA" and clear.getpixel((0, 0))[3] == 0


# Safety.


def test_clothes_have_the_colour_that_the_prompt_names(http: httpx.Client) -> None:
    def mean(prompt: str) -> tuple[float, ...]:
        drawn = http.get(f"/image/{prompt}", params={"model": "gptimage", "transparent": "true"}).content
        image = opened(drawn)
        return tuple(ImageStat.Stat(image.convert("RGB"), image.getchannel("A").point(lambda v: v > 250 and 255)).mean)

    red, green, blue = mean("a keeper in a red coat at noon")
    assert red > 1.5 * max(green, blue)
    red, green, blue = mean("a keeper in the blue rain coat at noon")
    assert blue > 1.2 * max(red, green)


def test_safety_redacts_the_prompt_or_blocks_it(http: httpx.Client) -> None:
    body = {"prompt": "a letter to me@example.org", "size": "64x64", "safe": "privacy"}
    response = http.post("/v1/images/generations", json=body)
    assert response.json()["data"][0]["revised_prompt"] == "a letter to {EMAIL}"
    assert response.headers["x-safety-redacted"] == "EMAIL"
    image = data_uri(picture())
    assert edit(http, "a massacre", image).status_code == 200
    for blocked in (
        edit(http, "a massacre", image, safe="nsfw"),
        http.get("/image/a massacre", params={"safe": "nsfw"}),
        http.get("/image/a massacre", headers={"pollinations-safe": "violence"}),
    ):
        assert blocked.status_code == 400 and blocked.json()["error"]["code"] == "content_blocked"
