"""3D objects: what is asked for, and files that a viewer can open."""

from __future__ import annotations

import base64
import io
import json
import math
import struct
from typing import Any

import httpx
import pytest
from PIL import Image

from langchain_pollinations.emulator import Emulator

TYPES = {5121: "B", 5125: "I", 5126: "f"}
WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}


def uploaded(http: httpx.Client, colour: str = "tomato", size: tuple[int, int] = (60, 40)) -> str:
    out = io.BytesIO()
    image = Image.new("RGB", size, "white")
    image.paste(colour, (10, 10, size[0] - 10, size[1] - 10))
    image.save(out, "PNG")
    told = http.post("/media/upload", content=out.getvalue(), headers={"content-type": "image/png"})
    url: str = told.json()["url"]
    return url


def get(http: httpx.Client, prompt: str, **query: Any) -> httpx.Response:
    return http.get(f"/3d/{prompt}", params=query)


def read(data: bytes) -> tuple[dict[str, Any], list[list[tuple[Any, ...]]]]:
    """The document and the numbers of a GLB, with what the format demands of both."""
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON" and size % 4 == 0
    document = json.loads(data[20 : 20 + size])
    rest, kind = struct.unpack_from("<I4s", data, 20 + size)
    numbers = data[28 + size :]
    assert kind == b"BIN\0" and rest == len(numbers) == document["buffers"][0]["byteLength"] and rest % 4 == 0
    found = []
    for accessor in document["accessors"]:
        view = document["bufferViews"][accessor["bufferView"]]
        width, letter = WIDTHS[accessor["type"]], TYPES[accessor["componentType"]]
        flat = struct.unpack_from(f"<{width * accessor['count']}{letter}", numbers, view["byteOffset"])
        assert view["byteOffset"] % 4 == 0 and struct.calcsize(f"<{len(flat)}{letter}") == view["byteLength"]
        found.append([flat[start : start + width] for start in range(0, len(flat), width)])
    return document, found


def volume(points: list[tuple[Any, ...]], corners: list[int]) -> float:
    """What the triangles enclose: positive where they face outwards."""
    total = 0.0
    for start in range(0, len(corners), 3):
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (points[corner] for corner in corners[start : start + 3])
        total += ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
    return total / 6


@pytest.mark.parametrize("prompt", ["a red vase", "a small house", "a fir tree", "a ball", "something else", "a chest"])
def test_words_become_a_solid_object(http: httpx.Client, prompt: str) -> None:
    response = get(http, prompt, model="rodin")
    assert response.headers["content-type"] == "model/gltf-binary"
    document, (points, normals, colours, indices) = read(response.content)
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    assert attributes == {"POSITION": 0, "NORMAL": 1, "COLOR_0": 2} and document["asset"]["version"] == "2.0"
    for bound, choose in (("min", min), ("max", max)):
        assert document["accessors"][0][bound] == [choose(axis) for axis in zip(*points, strict=True)]
    assert all(math.hypot(*normal) == pytest.approx(1, abs=1e-4) for normal in normals)
    corners = [index for (index,) in indices]
    assert max(corners) < len(points) == len(colours) and volume(points, corners) > 0


def test_objects_look_like_what_was_asked_for(http: httpx.Client) -> None:
    def made(prompt: str, **query: Any) -> bytes:
        return get(http, prompt, model="rodin", **query).content

    different = [made("a red vase"), made("a blue vase"), made("a house"), made("a thing"), made("a thing", seed=1)]
    assert len(set(different)) == len(different)
    _, (_, _, colours, _) = read(different[0])
    red, green, blue = (sum(colour[part] for colour in colours) for part in range(3))
    assert red > 2 * green and red > 2 * blue


def test_a_picture_becomes_a_relief_in_its_colours(http: httpx.Client) -> None:
    picture = uploaded(http)
    _, (points, _, colours, indices) = read(get(http, "x", image=picture).content)
    assert volume(points, [index for (index,) in indices]) > 0
    width, height = (max(axis) - min(axis) for axis in list(zip(*points, strict=True))[:2])
    assert width / height == pytest.approx(1.5, rel=0.1)
    assert (255, 255, 255, 255) in colours and any(red > 3 * green for red, green, *_ in colours)
    assert get(http, "other words", image=picture).content == get(http, "x", image=picture).content
    assert get(http, "x", image=uploaded(http, "navy")).content != get(http, "x", image=picture).content


def test_better_resolutions_have_more_points_and_cost_more(http: httpx.Client, emulator: Emulator) -> None:
    picture, sizes, prices = uploaded(http), [], []
    for resolution in ("low", "medium", "high"):
        before = emulator.keys["sk_emulator"]["balance"]
        sizes.append(len(get(http, "x", image=picture, resolution=resolution).content))
        prices.append(before - emulator.keys["sk_emulator"]["balance"])
    assert sizes == sorted(set(sizes)) and [str(price.normalize()) for price in prices] == ["0.24", "0.29", "0.35"]


def test_one_model_answers_with_splats(http: httpx.Client) -> None:
    response = get(http, "A car!", model="asset-harvester", image=uploaded(http))
    assert (
        response.headers["content-type"] == "model/ply" and response.headers["x-model-used"] == "nvidia/asset-harvester"
    )
    head, _, body = response.content.partition(b"end_header\n")
    lines = head.decode().splitlines()
    count = int(next(line for line in lines if line.startswith("element vertex")).split()[-1])
    assert lines[0] == "ply" and len(body) == count * 4 * sum(line.startswith("property float") for line in lines)
    assert response.headers["content-disposition"] == 'inline; filename="a-car.ply"'


def test_an_object_is_stored_paid_and_found_again(http: httpx.Client, emulator: Emulator) -> None:
    first = get(http, "a vase", model="rodin")
    assert first.headers["x-usage-completion-image-tokens"] == "1"
    left = emulator.keys["sk_emulator"]["balance"]
    again = get(http, "a vase", model="rodin")
    assert again.headers["x-cache-type"] == "EXACT" and emulator.keys["sk_emulator"]["balance"] == left
    stored = http.get(first.headers["link"][1:].partition(">")[0])
    assert stored.content == first.content == again.content and stored.headers["content-type"] == "model/gltf-binary"
    emulator.clear()
    assert get(http, "a vase", model="rodin").content == first.content
    assert (
        http.get("/3d/a vase", params={"model": "rodin", "seed": 2}, headers={"authorization": ""}).status_code == 401
    )


def test_a_body_says_the_same_as_a_query(http: httpx.Client) -> None:
    picture = uploaded(http)
    asked = get(http, "a/b", image=picture, resolution="medium").content
    for image in (picture, [picture]):
        assert http.post("/3d/a/b", json={"image": image, "resolution": "medium"}).content == asked
    assert http.post("/3d/a vase", json={"model": "rodin"}).content == get(http, "a vase", model="rodin").content


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"image": "data:image/png;base64,aGk="}, {"image"}),
        ({"image": ["x"]}, {"image"}),
        ({"resolution": "huge"}, {"resolution"}),
        ({"seed": "7"}, {"seed"}),
        ({"seed": 1.5}, {"seed"}),
        ({"safe": "nsfw"}, set()),
        ({"prompt": "x"}, set()),
    ],
)
def test_bodies_are_strict(http: httpx.Client, body: dict[str, Any], fields: set[str]) -> None:
    response = http.post("/3d/x", json={"model": "rodin", **body})
    details = response.json()["error"]["details"]
    assert response.status_code == 400 and details["name"] == "ValidationError"
    assert set(details["fieldErrors"]) == fields and bool(details["formErrors"]) == (not fields)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"model": "asset-harvester"},
        {"model": "flux"},
        {"model": "nope"},
        {"model": "rodin", "resolution": "2k"},
        {"model": "rodin", "seed": "-2"},
        {"image": "file:///etc/passwd"},
        {"image": "http://127.0.0.1/a.png"},
        {"image": "https://example.org/a.png|https://example.org/b.png"},
    ],
)
def test_what_cannot_become_an_object_is_refused(http: httpx.Client, query: dict[str, str]) -> None:
    assert get(http, "a vase", **query).status_code == 400
    assert http.get("/3d/").status_code == 404


def test_words_can_be_blocked(http: httpx.Client) -> None:
    response = http.post("/3d/a massacre", params={"safe": "nsfw"}, json={"model": "rodin"})
    assert response.json()["error"]["code"] == "content_blocked"


def test_data_of_no_picture_is_refused_by_its_code(http: httpx.Client) -> None:
    text = http.post("/media/upload", json={"data": base64.b64encode(b"words").decode()}).json()["url"]
    assert get(http, "x", image=text).json()["error"]["code"] == "unsupported_image_media_type"
