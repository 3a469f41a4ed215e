"""The older image host: how leniently it reads, how it draws, what it serves again, and its pictures of errors."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from PIL import Image, ImageChops, ImageStat

from langchain_pollinations.emulator import Emulator, Legacy
from langchain_pollinations.emulator.legacy import image_options
from langchain_pollinations.emulator.legacy import semantic_cache as similar
from langchain_pollinations.emulator.synthesis.images import error_images

CAT = "/prompt/a%20cat"
SMALL = {"width": "96", "height": "64"}


@pytest.fixture
def http(legacy: Legacy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=legacy.image_url, timeout=30, verify=False) as client:  # plain http, no TLS
        yield client


def picture(response: httpx.Response) -> Image.Image:
    assert response.status_code == 200 and response.headers["content-type"] == "image/jpeg"
    image = Image.open(io.BytesIO(response.content))
    assert image.format == "JPEG"
    return image.convert("RGB")


def drawn(response: httpx.Response) -> Image.Image:
    """A picture that is no error."""
    assert not [name for name in response.headers if name.startswith(("x-error", "x-rate"))], response.headers
    return picture(response)


def quantization(quality: int) -> Any:
    """What a JPEG of a quality says of it."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG", quality=quality)
    return Image.open(out).quantization


def differ(one: Image.Image, other: Image.Image) -> bool:
    return one.size != other.size or ImageChops.difference(one, other).getbbox() is not None


# How a request is read.


@pytest.mark.parametrize(
    ("path", "prompt"),
    [
        pytest.param("/prompt/a%20cat", "a cat", id="encoded"),
        pytest.param("/prompt/a+cat", "a+cat", id="a plus is a plus"),
        pytest.param("/prompt/", "random_prompt", id="empty"),
        pytest.param("/", "random_prompt", id="root"),
        pytest.param("/a%20cat", "a cat", id="any path is a prompt"),
        pytest.param("/prompt", "prompt", id="the word itself"),
        pytest.param("/prompt/one/prompt/two", "one", id="up to the next"),
        pytest.param("/one/prompt/two", "one", id="rewritten before it is cut"),
        pytest.param("/prompt/one%2Fprompt%2Ftwo", "one/prompt/two", id="encoded slashes do not cut"),
        pytest.param("/prompt//prompt/two", "random_prompt", id="nothing before the next"),
        pytest.param("/prompt/a/b", "a/b", id="a slash inside"),
        pytest.param("/prompt/100%25%20wool", "100% wool", id="decoded once"),
        pytest.param("/prompt/50%2520", "50%20", id="not decoded twice"),
        pytest.param("/prompt/100%", "100%", id="a lone percent sign"),
        pytest.param("/prompt/%E7%8C%AB", "猫", id="other letters"),
    ],
)
def test_the_prompt_is_what_stands_between_the_first_mark_and_the_next(path: str, prompt: str) -> None:
    assert image_options.prompt_in(image_options.prompt_path(path)) == prompt


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        pytest.param({}, "seed", 42, id="seed missing"),
        pytest.param({"seed": "cat"}, "seed", 42, id="seed invalid"),
        pytest.param({"seed": ""}, "seed", 42, id="seed empty"),
        pytest.param({"seed": "7.9"}, "seed", 7, id="seed with decimals"),
        pytest.param({"seed": " 12px"}, "seed", 12, id="seed with a unit"),
        pytest.param({"seed": "0"}, "seed", 0, id="seed zero is kept"),
        pytest.param({"seed": "-1"}, "seed", -1, id="minus one is a number like any other"),
        pytest.param({}, "width", 768, id="width missing"),
        pytest.param({"width": "wide"}, "width", 768, id="width invalid"),
        pytest.param({"width": "64.9"}, "width", 64, id="width with decimals"),
        pytest.param({"width": "3e2"}, "width", 3, id="width up to the letter"),
        pytest.param({"private": "true"}, "is_private", True, id="private"),
        pytest.param({"nofeed": "TRUE"}, "is_private", True, id="nofeed, any case"),
        pytest.param({"private": "1"}, "is_private", False, id="private=1 is false"),
        pytest.param({"private": "yes"}, "is_private", False, id="private=yes is false"),
        pytest.param({"private": "false", "nofeed": "true"}, "is_private", True, id="either one"),
        pytest.param({"no-feed": "true"}, "is_private", False, id="no-feed is not read"),
        pytest.param({"enhance": "True"}, "enhance", True, id="enhance"),
        pytest.param({"enhance": "on"}, "enhance", False, id="enhance=on is false"),
        pytest.param({"safe": "true"}, "safe", True, id="safe"),
        pytest.param({"safe": "nsfw"}, "safe", False, id="no list of checks as on the new host"),
        pytest.param({"Seed": "7"}, "seed", 42, id="names have their case"),
        pytest.param({}, "negative_prompt", "worst quality, blurry", id="negative prompt missing"),
        pytest.param({"negative_prompt": ""}, "negative_prompt", "worst quality, blurry", id="negative prompt empty"),
        pytest.param({"negative_prompt": "cats"}, "negative_prompt", "cats", id="negative prompt"),
        pytest.param({"quality": "hd"}, "quality", "hd", id="quality"),
        pytest.param({"quality": "ultra"}, "quality", "medium", id="quality unknown"),
        pytest.param({}, "guidance_scale", None, id="guidance missing"),
        pytest.param({"guidance_scale": "7.5"}, "guidance_scale", 7.5, id="guidance"),
        pytest.param({"guidance_scale": "much"}, "guidance_scale", None, id="guidance invalid"),
    ],
)
def test_nonsense_is_a_default_and_never_refused(query: dict[str, str], field: str, value: object) -> None:
    assert getattr(image_options.read("a cat", query), field) == value


SIZES = [
    pytest.param((1024, 1024), (768, 768), id="square"),
    pytest.param((1792, 768), (1173, 502), id="wide"),
    pytest.param((1280, 720), (1024, 576), id="film"),
    pytest.param((768, 768), (768, 768), id="largest"),
    pytest.param((100, 30), (100, 30), id="small ones stay"),
    pytest.param((2000, 100), (2000, 100), id="long ones stay while their area is small"),
]


@pytest.mark.parametrize(("asked", "drawn"), SIZES)
def test_a_size_is_clamped_by_its_area_and_rounded_down(asked: tuple[int, int], drawn: tuple[int, int]) -> None:
    assert image_options.clamped(*asked) == drawn


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        pytest.param("a red fox", "A fox, red!", 1.0, id="order, case and marks do not matter"),
        pytest.param("a red fox in snow", "a red fox in rain", 4 / 6, id="one word differs"),
        pytest.param("a fox", "das Haus", 0.0, id="nothing in common"),
        pytest.param("", "", 0.0, id="no words"),
    ],
)
def test_likeness_is_the_share_of_words_in_common(one: str, other: str, share: float) -> None:
    assert similar.similarity(similar.words(one), similar.words(other)) == pytest.approx(share)


# What is drawn.


def test_a_good_answer_is_a_jpeg_with_the_headers_of_the_host(http: httpx.Client) -> None:
    answer = http.get("/prompt/A%20red%20Fox%2C%20in%20the%20snow!", params=SMALL)
    assert drawn(answer).size == (96, 64)
    assert Image.open(io.BytesIO(answer.content)).quantization == quantization(90)
    told = answer.headers
    assert told["cache-control"] == "public, max-age=31536000, immutable"
    assert told["content-disposition"] == 'inline; filename="a-red-fox-in-the-snow.jpg"'
    assert told["x-auth-status"] == "unauthenticated" and told["x-cache"] == "MISS"
    assert told["x-model-used"] == "sana" and told["x-usage-completion-image-tokens"] == "1"
    assert told["x-pollinations-signup"] == "https://enter.pollinations.ai/?ref=image"
    assert told["x-powered-by"] == "Pollinations.AI" and 'rel="service"' in told["link"]


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        pytest.param("猫", "generated-image", id="no Latin letters"),
        pytest.param("x" * 150, "x" * 100, id="long"),
        pytest.param('a "b"\r\nset-cookie: c', "a-b-set-cookie-c", id="what a header cannot have"),
    ],
)
def test_a_file_name_is_made_of_letters_digits_and_hyphens(http: httpx.Client, prompt: str, name: str) -> None:
    answer = http.get(f"/prompt/{quote(prompt, safe='')}", params=SMALL)
    assert answer.headers["content-disposition"] == f'inline; filename="{name}.jpg"'


@pytest.mark.parametrize(("asked", "size"), SIZES)
def test_the_picture_has_the_clamped_size(http: httpx.Client, asked: tuple[int, int], size: tuple[int, int]) -> None:
    query = {"width": str(asked[0]), "height": str(asked[1])}
    assert drawn(http.get(CAT, params=query)).size == size


def test_the_picture_is_a_square_of_768_by_default(http: httpx.Client) -> None:
    assert drawn(http.get(CAT)).size == (768, 768)


def test_the_logo_is_always_there(http: httpx.Client) -> None:
    bare, asked_without = (drawn(http.get(CAT, params=query)) for query in ({}, {"nologo": "true"}))
    assert not differ(bare, asked_without)
    left, right = (bare.convert("L").crop((x, 2, x + 130, 30)) for x in (40, 632))
    assert ImageStat.Stat(right).mean[0] < 150 < ImageStat.Stat(left).mean[0]  # a dark label on the light frame


def test_the_logo_changes_its_corner_only_and_leaves_small_pictures_alone() -> None:
    for size, is_branded in (((300, 200), True), ((64, 900), False), ((900, 40), False)):
        plain = Image.new("RGB", size, "white")
        change = ImageChops.difference(plain, error_images.branded(plain.copy())).getbbox()
        assert (change is not None) is is_branded
        assert change is None or (change[1] == 0 and change[2] == size[0] and change[3] < size[1] / 4)


@pytest.mark.parametrize(
    ("query", "changes"),
    [
        pytest.param({"seed": "42"}, False, id="the seed is 42 anyway"),
        pytest.param({"seed": "43"}, True, id="seed"),
        pytest.param({"seed": "0"}, True, id="seed zero"),
        pytest.param({"model": "turbo"}, False, id="all names lead to the same model"),
        pytest.param({"no-logo": "true", "no-feed": "true"}, False, id="spellings that nobody reads"),
        pytest.param({"token": "sk_emulator", "referrer": "registered.example"}, False, id="credentials"),
        pytest.param({"enhance": "true"}, True, id="enhance"),
        pytest.param({"enhance": "1"}, False, id="enhance=1"),
        pytest.param({"negative_prompt": "dogs"}, True, id="negative prompt"),
        pytest.param({"quality": "hd"}, True, id="quality"),
        pytest.param({"guidance_scale": "9"}, True, id="guidance"),
        pytest.param({"transparent": "true"}, False, id="transparent"),
    ],
)
def test_a_parameter_changes_the_picture_if_the_host_reads_it(
    http: httpx.Client, query: dict[str, str], changes: bool
) -> None:
    size = {"width": "400", "height": "400"}
    assert differ(drawn(http.get(CAT, params=size)), drawn(http.get(CAT, params=size | query))) is changes


@pytest.mark.parametrize(
    ("level", "model", "status"),
    [
        pytest.param("l4", "mistral", 200, id="any name"),
        pytest.param("l4", "", 200, id="no name"),
        *(pytest.param("l5", name, 200, id=name) for name in ("flux", "turbo", "z-image", "zimage", "sana", "")),
        pytest.param("l5", "kontext", 400, id="unknown on the newer level"),
    ],
)
def test_all_models_lead_to_one(http: httpx.Client, legacy: Legacy, level: Any, model: str, status: int) -> None:
    legacy.level = level
    answer = http.get(CAT, params=SMALL | {"model": model})
    assert answer.status_code == status
    if status == 200:
        assert drawn(answer).size == (96, 64)
    else:
        assert answer.json()["error"]["code"] == "BAD_REQUEST" and "kontext" in answer.json()["error"]["message"]


def test_any_other_path_is_a_prompt_on_the_older_level_only(http: httpx.Client, legacy: Legacy) -> None:
    short, full = http.get("/a%20cat", params=SMALL), http.get(CAT, params=SMALL)
    assert not differ(drawn(short), drawn(full))
    legacy.level = "l5"
    assert http.get("/a%20cat", params=SMALL).json()["error"]["code"] == "NOT_FOUND"


def test_a_prompt_may_have_line_breaks_and_slashes(http: httpx.Client) -> None:
    answer = http.get(f"/prompt/{quote('a/b' + chr(10) + 'c?d#e', safe='')}", params=SMALL)
    assert answer.headers["content-disposition"] == 'inline; filename="a-b-c-d-e.jpg"'


def test_there_is_no_post(http: httpx.Client, legacy: Legacy) -> None:
    assert http.post(CAT, json={}).headers["x-error-status"] == "405"
    legacy.level = "l5"
    assert http.post(CAT, json={}).status_code == 405


def test_utilities_are_no_prompts(http: httpx.Client) -> None:
    models = http.get("/models")
    assert models.json() == ["sana"] and models.headers["cache-control"] == "no-store"
    assert "x-cache" not in http.get("/models").headers
    assert http.get("/about").json()[0]["maxSideLength"] == 768
    assert http.get("/register").status_code == 404


def test_the_feed_tells_of_public_pictures_only(http: httpx.Client, emulator: Emulator) -> None:
    told = ({}, {"private": "true"}, {"nofeed": "true"}, {"no-feed": "true"}, {"private": "1"})
    for number, query in enumerate(told):
        drawn(http.get(f"/prompt/number%20{number}", params=SMALL | query))
    feed = http.get("/feed")
    assert feed.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(data) for data in re.findall(r"^data: (.*)$", feed.text, re.MULTILINE)]
    assert [event["prompt"] for event in events] == ["number 0", "number 3", "number 4"]
    assert drawn(httpx.get(events[0]["imageURL"])).size == (768, 768)
    emulator.clear()
    assert "data:" not in http.get("/feed").text


# What is served again.


@pytest.mark.parametrize(
    ("one", "other", "again"),
    [
        pytest.param({"seed": "1", "width": "96"}, {"width": "96", "seed": "1"}, True, id="order does not matter"),
        pytest.param({}, {"nofeed": "true", "token": "t", "referrer": "r", "referer": "r"}, True, id="not identity"),
        pytest.param({}, {"no-cache": "1"}, True, id="no-cache"),
        pytest.param({"seed": "-1"}, {"seed": "-1"}, True, id="random seeds are not"),
        pytest.param({}, {"private": "true"}, False, id="private"),
        pytest.param({}, {"no-logo": "true"}, False, id="no-logo"),
        pytest.param({}, {"no-feed": "true"}, False, id="no-feed"),
        pytest.param({}, {"nologo": "true"}, False, id="nologo"),
        pytest.param({}, {"seed": "42"}, False, id="a default that is said"),
        pytest.param({}, {"key": "k"}, False, id="a parameter that nobody reads"),
    ],
)
def test_a_request_with_the_same_path_and_query_gets_the_same_bytes(
    http: httpx.Client, one: dict[str, str], other: dict[str, str], again: bool
) -> None:
    first, second = (http.get(CAT, params={"height": "64"} | query) for query in (one, other))
    assert first.headers["x-cache"] == "MISS" and drawn(first).height == 64
    assert (second.headers["x-cache"] == "HIT") is again
    assert (first.content == second.content) or not again


def test_a_hit_has_the_headers_of_its_file_and_needs_no_turn(http: httpx.Client, legacy: Legacy) -> None:
    legacy.spacing, legacy.queue_length = 3600.0, 0
    first, second = http.get(CAT, params=SMALL), http.get(CAT, params=SMALL)
    assert second.headers["x-cache"] == "HIT" and second.content == first.content
    for name in ("content-type", "cache-control", "content-disposition"):
        assert second.headers[name] == first.headers[name]
    assert {"x-cache-key", "x-cache-date", "x-pollinations-docs", "x-powered-by"} <= set(second.headers)


def test_head_has_the_headers_of_the_picture_without_it(http: httpx.Client) -> None:
    head = http.head(CAT, params=SMALL)
    assert head.content == b"" and head.headers["content-type"] == "image/jpeg"
    assert http.get(CAT, params=SMALL).headers["x-cache"] == "HIT"


FOX = "a red fox sits in the deep snow"
NEAR = "a red fox sits in the deep snow today"


@pytest.mark.parametrize(
    ("prompt", "query", "similar"),
    [
        pytest.param(NEAR, {}, True, id="nearly the same words"),
        pytest.param("In the deep snow sits a red fox.", {}, True, id="another order"),
        pytest.param(NEAR, {"seed": "0"}, True, id="the edge takes a seed of 0 for none"),
        pytest.param(NEAR, {"width": "97"}, False, id="another size"),
        pytest.param(NEAR, {"model": "turbo"}, False, id="another model"),
        pytest.param(NEAR, {"seed": "7"}, False, id="another seed"),
        pytest.param("a blue whale", {}, False, id="other words"),
    ],
)
def test_a_similar_prompt_may_get_an_earlier_picture_and_a_header_says_so(
    http: httpx.Client, legacy: Legacy, prompt: str, query: dict[str, str], similar: bool
) -> None:
    legacy.semantic_cache = True
    first = http.get(f"/prompt/{quote(FOX)}", params=SMALL)
    second = http.get(f"/prompt/{quote(prompt)}", params=SMALL | query)
    assert drawn(second).height == 64 and (second.content == first.content) is similar
    assert second.headers["x-cache"] == ("HIT" if similar else "MISS")
    assert (second.headers.get("x-cache-type") == "SEMANTIC") is similar
    if similar:
        assert float(second.headers["x-cache-similarity"]) >= 0.75


def test_the_semantic_cache_is_off_by_default_and_forgets(
    http: httpx.Client, legacy: Legacy, emulator: Emulator
) -> None:
    http.get(f"/prompt/{quote(FOX)}", params=SMALL)
    assert http.get(f"/prompt/{quote(NEAR)}", params=SMALL).headers["x-cache"] == "MISS"
    emulator.clear()
    legacy.semantic_cache = True
    assert http.get(f"/prompt/{quote(NEAR)}", params=SMALL).headers["x-cache"] == "MISS"


# What goes wrong.

SAFE = {"safe": "true"}


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        pytest.param("/prompt/a%20murder", SAFE, "500", id="a prompt that is not safe"),
        pytest.param("/prompt/nude", SAFE, "500", id="another"),
        pytest.param(CAT, {"width": "0"}, "500", id="no width"),
        pytest.param(CAT, {"height": "-5"}, "500", id="less than no height"),
        pytest.param(CAT, {"width": "9" * 5000, "height": "1"}, "500", id="wider than a JPEG can be"),
    ],
)
def test_an_error_is_a_picture_whose_headers_tell_of_it(
    http: httpx.Client, path: str, query: dict[str, str], status: str
) -> None:
    answer = http.get(path, params=query)
    assert picture(answer).size == (512, 384)
    assert answer.headers["x-error-status"] == status
    assert answer.headers["x-error-type"] == "Internal Server Error" and answer.headers["x-error-message"]
    assert "x-rate-limited" not in answer.headers and answer.headers["cache-control"] == "no-store"
    assert "x-cache" not in http.get(path, params=query).headers  # an error is not kept


def test_what_is_not_safe_is_drawn_when_nobody_asks(http: httpx.Client) -> None:
    for query in ({}, {"safe": "1"}):
        assert drawn(http.get("/prompt/a%20murder", params=SMALL | query)).size == (96, 64)


def test_the_newer_level_refuses_with_a_status_and_the_envelope_of_the_unified_host(
    http: httpx.Client, legacy: Legacy
) -> None:
    legacy.level = "l5"
    answer = http.get("/prompt/a%20murder", params=SAFE)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "content_blocked"
    assert "x-error-status" not in answer.headers


def test_who_comes_too_early_gets_a_picture_of_the_limit(http: httpx.Client, legacy: Legacy) -> None:
    legacy.spacing, legacy.queue_length = 3600.0, 0
    drawn(http.get(CAT, params=SMALL))
    answer = http.get("/prompt/a%20dog", params=SMALL)
    assert picture(answer).size == (512, 384)
    told = answer.headers
    assert (told["x-error-type"], told["x-error-status"]) == ("Too Many Requests", "429")
    assert told["x-rate-limited"] == "true" and told["x-error-message"].startswith("Queue full for IP: 127.0.0.1")
    assert "retry-after" not in told
    legacy.level = "l5"
    assert http.get("/prompt/a%20dog", params=SMALL).status_code == 429


@pytest.mark.parametrize("level", ["l4", "l5"])
def test_a_challenge_to_pay_stays_what_it_is(http: httpx.Client, legacy: Legacy, level: Any) -> None:
    legacy.level, legacy.spacing, legacy.payments = level, 3600.0, True
    drawn(http.get(CAT, params=SMALL))
    answer = http.get("/prompt/a%20dog", params=SMALL)
    assert answer.status_code == 402 and answer.json()["accepts"] and answer.headers["payment-required"]


@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [
        pytest.param("image of an error", "Internal Server Error", 500, id="error"),
        pytest.param("image of a limit", "Too Many Requests", 429, id="limit"),
        pytest.param("image of a block", "Forbidden", 403, id="block"),
    ],
)
def test_pictures_of_errors_come_by_name(http: httpx.Client, legacy: Legacy, name: str, kind: str, status: int) -> None:
    legacy.fail(name, on="/prompt")
    answer = http.get(CAT, params=SMALL)
    assert picture(answer).size == (512, 384)
    assert (answer.headers["x-error-type"], answer.headers["x-error-status"]) == (kind, str(status))
    assert (answer.headers.get("x-rate-limited") == "true") is (status == 429)
    legacy.level = "l5"
    legacy.fail(name, on="/prompt")
    refused = http.get(CAT, params=SMALL)
    assert refused.status_code == status and refused.json()["success"] is False
    drawn(http.get(CAT, params=SMALL))


@pytest.mark.parametrize(
    ("case", "kind", "status"),
    [
        pytest.param(429, "Too Many Requests", "429", id="429"),
        pytest.param("queue full", "Too Many Requests", "429", id="queue full"),
        pytest.param("blocked address, told", "Forbidden", "403", id="blocked"),
        pytest.param("provider 503", "Internal Server Error", "503", id="provider"),
        pytest.param(502, "Internal Server Error", "502", id="502"),
    ],
)
@pytest.mark.parametrize("on", ["/", "/prompt", "image"])
def test_a_fault_has_the_form_of_the_host_that_it_meets(
    http: httpx.Client, legacy: Legacy, on: str, case: Any, kind: str, status: str
) -> None:
    legacy.fail(case, on=on, headers={"X-Note": "1"})
    answer = http.get(CAT, params=SMALL)
    assert picture(answer).size == (512, 384) and answer.headers["x-note"] == "1"
    assert (answer.headers["x-error-type"], answer.headers["x-error-status"]) == (kind, status)
    assert (answer.headers.get("x-rate-limited") == "true") is (status == "429")
    legacy.level = "l5"
    legacy.fail(case, on=on)
    refused = http.get(CAT, params=SMALL)
    assert refused.status_code == int(status) and refused.json()["success"] is False


def test_a_list_is_refused_with_a_status_and_the_link_of_its_host(http: httpx.Client, legacy: Legacy) -> None:
    legacy.fail(503, on="/models")
    answer = http.get("/models")
    assert answer.status_code == 503 and answer.json()["migration"]["signup"].endswith("?ref=image")
    assert http.post("/models", json={}).status_code == 405


@pytest.mark.parametrize(
    ("case", "status"),
    [("payment challenge", 402), ("blocked address", 403), ("origin down", 530), ("bad gateway page", 502)],
)
def test_challenges_and_what_stands_before_the_host_have_a_real_status(
    http: httpx.Client, legacy: Legacy, case: str, status: int
) -> None:
    legacy.fail(case, on="/prompt")
    answer = http.get(CAT, params=SMALL)
    assert answer.status_code == status and not answer.headers["content-type"].startswith("image/")
    assert "x-error-type" not in answer.headers


def test_a_redirect_is_no_error(http: httpx.Client, legacy: Legacy) -> None:
    legacy.fail(302, headers={"location": "/prompt/other"}, on="/prompt/a")
    assert http.get(CAT, params=SMALL).status_code == 302
    legacy.fail(302, headers={"location": "/prompt/other"}, on="/prompt/a")
    assert drawn(http.get(CAT, params=SMALL, follow_redirects=True)).size == (768, 768)


def test_a_fault_has_the_form_of_the_level_at_which_it_is_met(http: httpx.Client, legacy: Legacy) -> None:
    legacy.fail(429, times=2)
    assert http.get(CAT, params=SMALL).headers["x-error-status"] == "429"
    legacy.level = "l5"
    assert http.get(CAT, params=SMALL).status_code == 429


def test_the_older_artwork_is_large_and_no_header_tells_of_it(http: httpx.Client, legacy: Legacy) -> None:
    legacy.fail("moved placeholder", on="/prompt")
    answer = http.get(CAT, params=SMALL)
    assert drawn(answer).size == (1536, 1536)
    assert 1_200_000 < len(answer.content) < 1_500_000


def test_a_picture_may_be_cut_off_and_is_not_kept_then(http: httpx.Client, legacy: Legacy) -> None:
    legacy.fail("cut", on="/prompt")
    with pytest.raises(httpx.RemoteProtocolError):
        http.get(CAT, params=SMALL)
    assert http.get(CAT, params=SMALL).headers["x-cache"] == "MISS"


def test_a_picture_may_be_dropped_or_stall(http: httpx.Client, legacy: Legacy) -> None:
    legacy.fail("drop", on="/prompt")
    with pytest.raises(httpx.RemoteProtocolError):
        http.get(CAT, params=SMALL)
    legacy.fail("stall", on="/prompt", seconds=5)
    with pytest.raises(httpx.ReadTimeout):
        http.get(CAT, params=SMALL, timeout=0.5)


def test_a_test_may_say_any_answer(http: httpx.Client, legacy: Legacy) -> None:
    legacy.reply(body=b"\xff\xd8", on="/prompt", headers={"content-type": "image/jpeg", "x-error-type": "Odd"})
    answer = http.get(CAT)
    assert answer.content == b"\xff\xd8" and answer.headers["x-error-type"] == "Odd"
    legacy.reply(body="<html>", on="/prompt", status=502)
    assert http.get(CAT).status_code == 502
