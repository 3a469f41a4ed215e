"""Films: their length and size, what a model can do, where they are kept, and how they arrive."""

from __future__ import annotations

import base64
import io
import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import av
import httpx
import pytest
from PIL import Image

from langchain_pollinations.emulator import Emulator

VEO, OMNI, WAN, P_VIDEO = "google/veo-3.1-fast", "google/gemini-omni-1.1-flash", "alibaba/wan-2.2-fast", "p-video"
SEEDANCE, H3_MAX = "bytedance/seedance-2.0", "minimax/minimax-h3-max"
SHORT = {"model": P_VIDEO, "duration": 1}


def ask(http: httpx.Client, prompt: str = "a fox on a hill", **query: Any) -> httpx.Response:
    return http.get(f"/video/{prompt}", params=query)


def film(http: httpx.Client, prompt: str = "a fox on a hill", **query: Any) -> bytes:
    response = ask(http, prompt, **query)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "video/mp4"
    return response.content


def facts(data: bytes) -> tuple[float, tuple[int, int], list[str]]:
    """Seconds, size and codecs of a film."""
    with av.open(io.BytesIO(data)) as file:
        video = file.streams.video[0]
        assert video.codec_context.pix_fmt == "yuv420p"
        return file.duration / 1e6, (video.width, video.height), [s.codec_context.name for s in file.streams]


def moments(data: bytes) -> list[Image.Image]:
    with av.open(io.BytesIO(data)) as file:
        return [frame.to_image() for frame in file.decode(video=0)]


def colour(image: Image.Image) -> tuple[int, ...]:
    return tuple(image.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)))


def is_near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(a - b) < 16 for a, b in zip(one, other, strict=True))


def uploaded(http: httpx.Client, shade: tuple[int, int, int], size: tuple[int, int] = (90, 160)) -> str:
    out = io.BytesIO()
    Image.new("RGB", size, shade).save(out, "PNG")
    return http.post("/media/upload", content=out.getvalue(), headers={"content-type": "image/png"}).json()["url"]


# The film.


@pytest.mark.parametrize(
    ("query", "seconds", "size"),
    [
        ({}, 4, (1280, 720)),
        ({"model": WAN}, 5, (854, 480)),
        ({"model": "seedance-2.0-mini", "resolution": "480p", "aspectRatio": "9:16", "duration": 7}, 7, (480, 854)),
        ({"model": P_VIDEO, "duration": 1, "resolution": "1080p"}, 1, (1920, 1080)),
        ({"model": P_VIDEO, "duration": 2, "aspectRatio": "21:9"}, 2, (1680, 720)),
        ({"model": P_VIDEO, "duration": 1, "width": 900, "height": 950}, 1, (720, 720)),
        ({"model": VEO, "width": 900, "height": 950}, 4, (720, 1280)),
        ({"model": OMNI, "resolution": "360p", "duration": 3}, 3, (640, 360)),
    ],
)
def test_a_film_has_exactly_the_length_and_the_size_asked_for(
    http: httpx.Client, query: dict[str, Any], seconds: float, size: tuple[int, int]
) -> None:
    assert facts(film(http, **query))[:2] == (seconds, size)


@pytest.mark.parametrize(
    ("query", "sounds"),
    [
        ({"model": VEO}, False),
        ({"model": VEO, "audio": "true"}, True),
        ({"model": VEO, "audio": "false"}, False),
        ({"model": SEEDANCE, "duration": 4}, True),
        ({"model": SEEDANCE, "duration": 4, "audio": "false"}, False),
        ({"model": "alibaba/wan-2.6", "audio": "false"}, True),
        ({"model": WAN, "audio": "true"}, False),
    ],
)
def test_there_is_sound_where_the_model_makes_it_and_only_then(
    http: httpx.Client, query: dict[str, Any], sounds: bool
) -> None:
    response = ask(http, **query)
    assert facts(response.content)[2] == (["h264", "aac"] if sounds else ["h264"])
    assert ("x-usage-completion-audio-seconds" in response.headers) == sounds


def test_a_player_can_begin_before_it_has_everything(http: httpx.Client) -> None:
    data = film(http, **SHORT)
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_the_same_words_give_the_same_film_and_others_another(http: httpx.Client, emulator: Emulator) -> None:
    first = film(http, seed=1, **SHORT)
    emulator.clear()
    assert film(http, seed=1, **SHORT) == first
    assert len({first, film(http, seed=2, **SHORT), film(http, "a cat", seed=1, **SHORT)}) == 3


def test_something_moves(http: httpx.Client) -> None:
    shown = moments(film(http, **SHORT))
    assert len({image.tobytes() for image in shown}) == len(shown) > 3


def test_a_film_leads_from_its_first_picture_to_its_last(http: httpx.Client) -> None:
    red, blue = uploaded(http, (200, 30, 30)), uploaded(http, (30, 30, 200))
    shown = moments(film(http, model=WAN, image=f"{red}|{blue}"))
    assert is_near(colour(shown[0]), (200, 30, 30)) and is_near(colour(shown[-1]), (30, 30, 200))
    begun = moments(film(http, image=red, **SHORT))
    assert is_near(colour(begun[0]), (200, 30, 30)) and not is_near(colour(begun[-1]), (200, 30, 30))


def test_a_film_has_the_shape_of_its_first_picture_where_nothing_else_is_asked(http: httpx.Client) -> None:
    upright = uploaded(http, (9, 99, 9))
    assert facts(film(http, image=upright, **SHORT))[1] == (720, 1280)
    assert facts(film(http, image=upright, aspectRatio="adaptive", width=160, height=90, **SHORT))[1] == (720, 1280)
    assert facts(film(http, image=upright, aspectRatio="4:3", **SHORT))[1] == (960, 720)


def test_pictures_for_guidance_are_seen_on_the_way(http: httpx.Client) -> None:
    green = uploaded(http, (20, 180, 20))
    shown = moments(film(http, model=SEEDANCE, duration=4, reference_images=green))
    assert is_near(colour(shown[-1]), (20, 180, 20)) and not is_near(colour(shown[0]), (20, 180, 20))


# What is refused.


AWAY = "https://example.org/a.png"


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"duration": 5}, "duration"),
        ({"model": OMNI, "duration": 2}, "duration"),
        ({"model": "seedance-2.5", "duration": 5}, "duration"),
        ({"resolution": "480p"}, "resolution"),
        ({"model": SEEDANCE, "resolution": "1080p"}, "resolution"),
        ({"aspectRatio": "1:1"}, "aspectRatio"),
        ({"aspectRatio": "adaptive"}, "aspectRatio"),
        ({"model": SEEDANCE, "aspectRatio": "wide"}, "aspectRatio"),
        ({"model": H3_MAX, "aspectRatio": "9:21"}, "aspectRatio"),
        ({"model": H3_MAX, "fps": 30}, "fps"),
        ({"model": OMNI, "fps": "25"}, "fps"),
        ({"model": "minimax-h3", "image": AWAY}, "first frame"),
        ({"model": P_VIDEO, "image": f"{AWAY}|{AWAY}"}, "last frame"),
        ({"image": "|".join([AWAY] * 3)}, "no more"),
        ({"reference_images": AWAY}, "reference_images"),
        ({"model": "wan-2.7", "reference_audios": AWAY}, "reference_audios"),
        ({"image": "http://127.0.0.1:1/a.png"}, "Invalid image URL"),
        ({"image": "https://me:secret@example.org/a.png"}, "Invalid image URL"),
        ({"model": SEEDANCE, "reference_videos": "file:///etc/passwd"}, "Invalid image URL"),
        ({"model": "flux"}, "image model"),
        ({"model": "nope"}, "Invalid model"),
        ({"model": "sony/mmaudio-v2"}, "endpoint"),
    ],
)
def test_what_a_model_cannot_film_is_refused(http: httpx.Client, query: dict[str, Any], word: str) -> None:
    response = ask(http, **query)
    assert response.status_code == 400 and word in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "query",
    [
        {"model": SEEDANCE, "resolution": "720p", "duration": 4},
        {"model": WAN, "resolution": "480p", "aspectRatio": "9:21"},
        {"model": "minimax-h3", "fps": 24, "aspectRatio": "16:9"},
        {"model": P_VIDEO, "duration": 1, "fps": 60, "quality": "high", "nologo": "true"},
        {"model": SEEDANCE, "duration": 4, "reference_audios": "https://example.org/a,b.mp3|https://example.org/c"},
    ],
)
def test_what_a_model_can_film_is_filmed(http: httpx.Client, query: dict[str, Any]) -> None:
    assert facts(film(http, **query))[0] > 0


def test_the_emulators_own_files_are_looked_up(http: httpx.Client, emulator: Emulator) -> None:
    missing = ask(http, image=f"{emulator.url}/media/none")
    assert missing.status_code == 400 and missing.json()["error"]["code"] == "failed_to_download_image"
    headers = {"content-type": "text/plain"}
    text = http.post("/media/upload", content=b"no picture", headers=headers).json()["url"]
    for query in ({"image": text}, {"model": SEEDANCE, "reference_videos": text}):
        refused = ask(http, **query)
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "unsupported_image_media_type"
    broken = http.post("/media/upload", content=b"no picture", headers={"content-type": "image/png"}).json()["url"]
    assert ask(http, image=broken).json()["error"]["code"] == "unsupported_image_media_type"


def test_a_key_and_money_are_needed(http: httpx.Client, emulator: Emulator) -> None:
    assert httpx.get(f"{emulator.url}/video/x", params=SHORT).status_code == 401
    emulator.keys["sk_emulator"].update(balance=100, paid=0)
    assert ask(http, **SHORT).status_code == 402


def test_a_prompt_is_checked_where_a_request_asks_for_it(http: httpx.Client) -> None:
    blocked = ask(http, "a murder at noon", safe="nsfw", **SHORT)
    assert blocked.status_code == 400 and blocked.json()["error"]["code"] == "content_blocked"
    assert ask(http, "a murder at noon", **SHORT).status_code == 200
    body = {"prompt": "a letter to me@example.org", "safe": True, "response_format": "url", **SHORT}
    redacted = http.post("/v1/images/generations", json=body)
    assert redacted.headers["x-safety-redacted"] == "EMAIL"
    assert redacted.json()["data"][0]["revised_prompt"] == "a letter to {EMAIL}"


# Money, storage, and other routes.


@pytest.mark.parametrize(
    ("query", "price", "used"),
    [
        ({}, "0.32", {"completion-video-seconds": "4"}),
        ({"audio": "true"}, "0.4", {"completion-video-seconds": "4", "completion-audio-seconds": "4"}),
        ({"resolution": "1080p", "audio": "true"}, "0.48", {"completion-video-seconds": "4"}),
        ({"model": P_VIDEO, "duration": 3}, "0.06", {"completion-video-seconds": "3"}),
        ({"model": "grok-imagine-video", "duration": 1, "image": AWAY}, "0.072", {"prompt-image-tokens": "1"}),
        ({"model": SEEDANCE, "duration": 4, "reference_videos": AWAY}, "0.88", {"completion-video-seconds": "4"}),
        ({"model": "wan-3.0", "reference_videos": AWAY}, "0.68", {"prompt-video-seconds": "5"}),
        ({"model": "wan-3.0", "resolution": "720p"}, "0.7", {"completion-video-seconds": "5"}),
    ],
)
def test_a_film_costs_its_seconds(
    http: httpx.Client, emulator: Emulator, query: dict[str, Any], price: str, used: dict[str, str]
) -> None:
    headers = ask(http, **query).headers
    assert emulator.keys["sk_emulator"]["balance"] == 1000 - Decimal(price)
    assert used.items() <= {k.removeprefix("x-usage-"): v for k, v in headers.items()}.items()


def test_a_model_that_counts_tokens_is_paid_for_tokens(http: httpx.Client, emulator: Emulator) -> None:
    headers = ask(http, model=OMNI, duration=3, resolution="360p").headers
    used = {k.removeprefix("x-usage-"): int(v) for k, v in headers.items() if k.startswith("x-usage-")}
    assert used.keys() == {"prompt-text-tokens", "completion-video-tokens"}
    price = used["prompt-text-tokens"] * Decimal("0.0000015")
    price += used["completion-video-tokens"] * Decimal("0.0000175")
    assert emulator.keys["sk_emulator"]["balance"] == 1000 - price


def test_a_film_is_stored_and_parts_of_it_can_be_had(http: httpx.Client, emulator: Emulator) -> None:
    response = ask(http, "A fox! On/a hill", **SHORT)
    assert response.headers["content-disposition"] == 'inline; filename="a-fox-on-a-hill.mp4"'
    assert response.headers["x-model-used"] == "prunaai/p-video"
    data, link = response.content, response.headers["link"]
    url = link[1 : link.index(">")]
    assert url.startswith(f"{emulator.url}/media/")
    whole = httpx.get(url)
    assert whole.content == data and whole.headers["accept-ranges"] == "bytes"

    def part(wanted: str) -> httpx.Response:
        return httpx.get(url, headers={"range": wanted})

    size = len(data)
    for wanted, start, end in [("0-", 0, size), ("5-9", 5, 10), ("-7", size - 7, size), ("9-99999999", 9, size)]:
        answer = part(f"bytes={wanted}")
        assert answer.status_code == 206 and answer.content == data[start:end]
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert answer.headers["content-type"] == "video/mp4"
    assert part(f"bytes={size}-").status_code == 416
    assert part(f"bytes={size}-").headers["content-range"] == f"bytes */{size}"
    for nonsense in ("bytes=9-5", "bytes=-", "bytes=0-1,4-5", "lines=1-2"):
        assert part(nonsense).status_code == 200


def test_a_video_model_answers_where_pictures_are_asked_for(http: httpx.Client) -> None:
    response = http.get("/image/a fox", params=SHORT)
    assert response.headers["content-type"] == "video/mp4" and facts(response.content)[0] == 1
    body = {"prompt": "a fox", "model": P_VIDEO, "duration": 1, "aspectRatio": "9:16", "audio": True, "fps": 30}
    inside = http.post("/v1/images/generations", json=body).json()
    item = inside["data"][0]
    assert item["media_type"] == "video/mp4" and all(isinstance(n, int) for n in list(inside["usage"].values())[:3])
    data = base64.b64decode(item["b64_json"])
    assert facts(data) == (1, (720, 1280), ["h264"])
    linked = http.post("/v1/images/generations", json=body | {"response_format": "url"})
    assert linked.headers["x-cache-type"] == "EXACT"
    assert http.get(linked.json()["data"][0]["url"]).content == data


def test_a_size_in_json_gives_the_shape_and_a_data_uri_the_first_picture(http: httpx.Client) -> None:
    out = io.BytesIO()
    Image.new("RGB", (9, 16), (200, 30, 30)).save(out, "PNG")
    frame = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
    body = {"prompt": "a fox", "size": "300x300", "image": [frame], **SHORT}
    data = base64.b64decode(http.post("/v1/images/generations", json=body).json()["data"][0]["b64_json"])
    assert facts(data)[1] == (720, 720) and is_near(colour(moments(data)[0]), (200, 30, 30))
    for image in ("data:image/png;base64,###", "data:image/png;base64,aGk="):
        assert http.post("/v1/images/generations", json=body | {"image": [image]}).status_code == 400


@pytest.mark.parametrize("duration", ["x", 1.5, 500, True, [], None, "1e999", "NaN"])
def test_a_length_in_json_that_is_none_is_refused(http: httpx.Client, duration: Any) -> None:
    body = json.dumps({"prompt": "a fox", "model": P_VIDEO, "duration": duration}).replace('"1e999"', "1e999")
    headers = {"content-type": "application/json"}
    expected = 200 if duration is None else 400
    assert http.post("/v1/images/generations", content=body, headers=headers).status_code == expected


# Time, faults, and large files.


def test_an_identical_request_joins_the_one_that_runs(http: httpx.Client, emulator: Emulator) -> None:
    emulator.latency = 0.5
    with ThreadPoolExecutor(2) as pool:
        both = [answer.result() for answer in [pool.submit(ask, http, **SHORT) for _ in range(2)]]
    assert {answer.headers["x-cache-type"] for answer in both} == {"GENERATED", "COALESCED"}
    assert both[0].content == both[1].content
    assert emulator.keys["sk_emulator"]["balance"] == 1000 - Decimal("0.02")


def test_a_film_is_made_although_the_client_went_away(http: httpx.Client, emulator: Emulator) -> None:
    emulator.latency = 0.3
    with pytest.raises(httpx.ReadTimeout):
        http.get("/video/a fox", params=SHORT, timeout=0.1)
    again = http.get("/video/a fox", params=SHORT)
    assert again.headers["x-cache-type"] in ("COALESCED", "EXACT") and facts(again.content)[0] == 1
    assert emulator.keys["sk_emulator"]["balance"] == 1000 - Decimal("0.02")


def test_a_film_can_be_cut_off_and_asked_for_again(http: httpx.Client, emulator: Emulator) -> None:
    emulator.fail("cut", on="/video", after=30_000)
    got = b""
    with pytest.raises(httpx.RemoteProtocolError), http.stream("GET", "/video/a fox", params=SHORT) as response:
        for piece in response.iter_bytes():
            got += piece
    again = http.get("/video/a fox", params=SHORT)
    assert again.headers["x-cache-type"] == "EXACT"
    assert len(got) == 30_000 and again.content.startswith(got)


def test_a_film_can_stall_or_never_begin(http: httpx.Client, emulator: Emulator) -> None:
    emulator.fail("stall", on="/video", after=10, seconds=0.6)
    with pytest.raises(httpx.ReadTimeout):
        http.get("/video/a fox", params=SHORT, timeout=httpx.Timeout(10, read=0.3))
    emulator.fail("stall", on="/video", after=10, seconds=0.1)
    assert facts(http.get("/video/a fox", params=SHORT).content)[0] == 1
    emulator.fail("drop", on="/video")
    with pytest.raises(httpx.RemoteProtocolError):
        http.get("/video/a fox", params=SHORT)
    emulator.fail(502, on="/video")
    assert http.get("/video/a fox", params=SHORT).status_code == 502


MIB = 1024 * 1024


def test_a_scripted_film_may_be_far_larger_than_what_the_server_holds(http: httpx.Client, emulator: Emulator) -> None:
    piece, pieces, size = bytes(range(256)) * (MIB // 256), 300, 0
    headers = {"content-length": str(pieces * MIB)}
    emulator.reply(chunks=[piece] * pieces, content_type="video/mp4", on="/video", headers=headers)
    tracemalloc.start()
    try:
        with http.stream("GET", "/video/a fox") as response:
            assert response.headers["content-type"] == "video/mp4"
            assert response.headers["content-length"] == str(pieces * MIB)
            for data in response.iter_raw():
                size += len(data)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size == pieces * MIB and most < 20 * MIB


def test_a_scripted_film_may_end_before_its_promised_length(http: httpx.Client, emulator: Emulator) -> None:
    emulator.reply(
        chunks=[b"x" * MIB] * 3, content_type="video/mp4", on="/video", headers={"content-length": "9999999"}
    )
    got = 0
    with pytest.raises(httpx.RemoteProtocolError), http.stream("GET", "/video/a fox") as response:
        for data in response.iter_raw():
            got += len(data)
    assert got == 3 * MIB
    assert http.get("/video/a fox", params=SHORT).status_code == 200
