"""Pictures and embeddings."""

from __future__ import annotations

import base64
import struct
from typing import Any

import httpx
import pytest

from langchain_pollinations.emulator import Emulator
from langchain_pollinations.emulator.synthesis.images import captions
from tests.helpers.files import opened

WIDE = {"width": 96, "height": 64}


def get(http: httpx.Client, prompt: str, **query: Any) -> bytes:
    response = http.get(f"/image/{prompt}", params=WIDE | query)
    assert response.status_code == 200, response.text
    return response.content


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (64, 300), (300, 64), (512, 384)])
def test_a_picture_has_exactly_the_size_asked_for(http: httpx.Client, size: tuple[int, int]) -> None:
    data = get(http, "a whale " * 40, width=size[0], height=size[1])
    assert opened(data).size == size and opened(data).format == "JPEG"


def test_sizes_that_are_left_out_or_too_large(http: httpx.Client) -> None:
    assert opened(http.get("/image/x").content).size == (1024, 1024)
    assert http.get("/image/x", params={"width": 5000}).status_code == 400


def test_the_same_words_give_the_same_bytes(http: httpx.Client, emulator: Emulator) -> None:
    first = get(http, "a fox", seed=1)
    emulator.clear()
    assert get(http, "a fox", seed=1) == first
    others = [get(http, "a fox", seed=2), get(http, "a cat", seed=1), get(http, "a fox", seed=1, model="flux")]
    assert len({first, *others}) == 4


def test_no_seed_and_minus_one_are_one_seed(http: httpx.Client) -> None:
    assert get(http, "a fox") == get(http, "a fox", seed=-1) == get(http, "a fox", seed=42)


def test_a_transparent_picture_shows_what_the_prompt_names_and_nothing_around_it(http: httpx.Client) -> None:
    image = opened(get(http, "an orange fox", transparent="true", model="gptimage", width=128, height=128))
    assert image.format == "PNG" and image.mode == "RGBA"
    density = image.getchannel("A").histogram()
    assert density[0] > sum(density) / 2 and density[255] > 500
    assert any(pixel[0] > 200 > pixel[2] + 80 for _, pixel in image.getcolors(2**14) if pixel[3] == 255)
    assert http.get("/image/x", params={"transparent": "true", "model": "openai/gpt-image-2"}).status_code == 400


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        ("a café in Łódź", "a cafe in Lodz"),
        ("a 猫 and a 🦊", "a … and a …"),
        ("猫が海辺を歩く", captions.OTHER_SCRIPT),
        ("", "untitled"),
    ],
)
def test_a_caption_has_only_letters_that_the_font_has(prompt: str, shown: str) -> None:
    assert captions.legible(prompt) == shown


def test_a_picture_is_stored_under_its_link(http: httpx.Client, emulator: Emulator) -> None:
    response = http.get("/image/A red kite!", params=WIDE)
    assert response.headers["content-disposition"] == 'inline; filename="a-red-kite.jpg"'
    assert response.headers["x-usage-completion-image-tokens"] == "1"
    link = response.headers["link"]
    assert link.startswith(f"<{emulator.url}/media/") and link.endswith('>; rel="enclosure"')
    with httpx.Client() as anyone:
        stored = anyone.get(link[1 : link.index(">")])
        assert stored.content == response.content and stored.headers["content-type"] == "image/jpeg"
        assert anyone.get(f"{emulator.url}/media/none").json() == {"error": "Not found"}


def test_prompts_with_slashes_and_percent_signs(http: httpx.Client) -> None:
    assert http.get("/image/a/b/c", params=WIDE).headers["content-disposition"].endswith('"a-b-c.jpg"')
    assert http.get("/image/100%25 off", params=WIDE).status_code == 200
    assert http.get("/image/%E7%8C%AB%0Ax", params=WIDE).status_code == 200


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"model": "openai"}, "text model"),
        ({"model": "nope"}, "Invalid model"),
        ({"model": "flux", "resolution": "2k"}, "resolution"),
        ({"model": "flux", "image": "https://example.org/a.png"}, "reference images"),
        ({"model": "kontext", "image": "http://127.0.0.1/a.png"}, ""),
    ],
)
def test_what_a_model_cannot_draw_is_refused(http: httpx.Client, query: dict[str, str], words: str) -> None:
    response = http.get("/image/x", params=query)
    assert response.status_code == 400 and words in response.json()["error"]["message"]


def post(http: httpx.Client, **body: Any) -> httpx.Response:
    return http.post("/v1/images/generations", json={"prompt": "a fox", "size": "96x64", **body})


def test_pictures_in_json(http: httpx.Client) -> None:
    response = post(http)
    item = response.json()["data"][0]
    data = base64.b64decode(item["b64_json"])
    assert opened(data).size == (96, 64) and item["revised_prompt"] == "a fox" and item["media_type"] == "image/jpeg"
    assert response.json()["usage"]["output_tokens"] == 1
    linked = post(http, response_format="url")
    assert linked.headers["x-cache-type"] == "EXACT"
    assert http.get(linked.json()["data"][0]["url"]).content == data


def test_sizes_in_json(http: httpx.Client) -> None:
    def size(**body: Any) -> tuple[int, int]:
        return opened(base64.b64decode(post(http, **body).json()["data"][0]["b64_json"])).size

    assert size(size="64xbig") == (64, 1024)
    assert size(size="²x64") == (1024, 64)
    assert size(size="900x600", model="gptimage") == (1536, 1024)


def embed(http: httpx.Client, given: Any, **fields: Any) -> list[Any]:
    response = http.post("/v1/embeddings", json={"input": given, **fields})
    assert response.status_code == 200, response.text
    return [item["embedding"] for item in response.json()["data"]]


DOCUMENTS = [
    "Bees make honey from the nectar of flowers.",
    "The lighthouse warns ships of the rocks at night.",
    "Whales are mammals that live in the ocean and breathe air.",
    "Bread is baked from flour, water, salt and yeast.",
    "The violin has four strings and is played with a bow.",
    "Volcanoes erupt when molten rock rises to the surface.",
    "Penguins cannot fly but they swim very well.",
    "The train to Berlin leaves at nine in the morning.",
    "Our refund policy allows returns within thirty days.",
    "Photosynthesis turns sunlight into sugar in green leaves.",
    "The museum is closed on Mondays and public holidays.",
    "To reset your password, open settings and choose security.",
]
QUESTIONS = {
    "How do bees produce honey?": 0,
    "What keeps ships away from rocks?": 1,
    "Which animals of the ocean are mammals?": 2,
    "baking a loaf of bread": 3,
    "how many strings on violins": 4,
    "Can penguins fly?": 6,
    "when does the Berlin train leave": 7,
    "Can I return a product and get a refund?": 8,
    "I forgot my password": 11,
}


@pytest.mark.parametrize("model", ["openai-3-small", "gemini-2"])
def test_the_nearest_document_is_the_right_one(http: httpx.Client, model: str) -> None:
    documents = embed(http, DOCUMENTS, model=model, dimensions=512)
    for question, wanted in QUESTIONS.items():
        [asked] = embed(http, question, model=model, dimensions=512)
        nearness = [sum(a * b for a, b in zip(asked, vector, strict=True)) for vector in documents]
        assert nearness.index(max(nearness)) == wanted, question


def test_vectors_have_length_one_and_the_dimensions_asked_for(http: httpx.Client) -> None:
    [vector] = embed(http, "a whale", dimensions=256)
    assert len(vector) == 256 and sum(v * v for v in vector) == pytest.approx(1)
    assert len(embed(http, "a whale")[0]) == 1536
    assert len(embed(http, "a whale", model="openai/text-embedding-3-large")[0]) == 3072
    [packed] = embed(http, "a whale", dimensions=256, encoding_format="base64")
    assert struct.unpack("<256f", base64.b64decode(packed)) == pytest.approx(vector, abs=1e-6)


def test_batches_and_parts(http: httpx.Client) -> None:
    assert embed(http, []) == []
    assert len(embed(http, ["a", "b", ""])) == 3
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]
    assert len(embed(http, parts, model="gemini-2")) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"input": ["a"] * 33},
        {"input": "a", "dimensions": 2048},
        {"input": "a", "task_type": "RETRIEVAL_QUERY"},
        {"input": "a", "input_type": "query"},
        {"input": "a", "model": "cohere/embed-v4.0", "dimensions": 300},
        {"input": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]},
        {"input": "a", "model": "openai"},
    ],
)
def test_what_an_embedding_model_cannot_do_is_refused(http: httpx.Client, fields: dict[str, Any]) -> None:
    assert http.post("/v1/embeddings", json=fields).status_code == 400
