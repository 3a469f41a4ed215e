"""`Media`: saved whole, shown in notebooks, rebuilt from what traces and checkpoints keep."""

from __future__ import annotations

import base64
import dataclasses
import pickle
from pathlib import Path

import pytest

from langchain_pollinations import Media
from langchain_pollinations.media import is_whole, sniff

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>\n'


@pytest.fixture
def picture() -> Media:
    return Media(data=PNG, mime_type="image/png", url="https://x/y", model="flux", seed=7, prompt="a dot", cost="0.01")


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"\x00\x00\x00\x20ftypavif", "image/avif"),
        (b"\x00\x00\x00\x20ftypisom", "video/mp4"),
        (b"ID3\x04", "audio/mpeg"),
        (b"%PDF-1.7", "application/pdf"),
        (SVG, "image/svg+xml"),
        (b"\xef\xbb\xbf<svg>", "image/svg+xml"),
        (b"<!DOCTYPE html><html><svg></svg></html>", None),
        (b'{"error": "<svg"}', None),
        (b"", None),
        (b"hello", None),
    ],
)
def test_bytes_say_what_they_are(data: bytes, mime_type: str | None) -> None:
    assert sniff(data) == mime_type


def test_a_picture_without_its_end_is_not_whole() -> None:
    assert is_whole(PNG, "image/png")
    assert not is_whole(PNG[:-20], "image/png")
    assert is_whole(SVG, "image/svg+xml")
    assert not is_whole(SVG[:-20], "image/svg+xml")


def test_saving_adds_the_suffix_and_leaves_nothing_else(picture: Media, tmp_path: Path) -> None:
    assert picture.save(tmp_path / "dot") == tmp_path / "dot.png"
    assert picture.save(str(tmp_path / "dot.bin")) == tmp_path / "dot.bin"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"dot.png": PNG, "dot.bin": PNG}


def test_saving_replaces_a_file_whole_or_not_at_all(picture: Media, tmp_path: Path) -> None:
    target = tmp_path / "dot.png"
    target.write_bytes(b"old")
    picture.save(target)
    assert target.read_bytes() == PNG
    with pytest.raises(OSError, match="nowhere"):
        picture.save(tmp_path / "nowhere" / "dot.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(IsADirectoryError, match="name of a file"):
        picture.save(tmp_path / "folder.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dot.png", "folder.png"]


def test_an_artifact_rebuilds_the_media(picture: Media) -> None:
    assert Media.from_artifact(picture.to_artifact()) == picture
    assert pickle.loads(pickle.dumps(picture)) == picture
    assert hash(picture) == hash(dataclasses.replace(picture, metadata={"x": 1}))
    with pytest.raises(ValueError, match="pollinations_media"):
        Media.from_artifact({"type": "other"})


def test_a_block_is_what_models_look_at(picture: Media) -> None:
    block = picture.to_block()
    assert block == {"type": "image", "base64": base64.b64encode(PNG).decode(), "mime_type": "image/png"}


def test_a_notebook_shows_the_picture(picture: Media) -> None:
    bundle, shown = picture._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]) == PNG
    assert shown == {"image/png": {"width": 1}}
    assert repr(picture) == "Media('image/png', url='https://x/y', model='flux', seed='7', prompt='a dot')"


def test_an_svg_is_shown_where_its_scripts_cannot_run() -> None:
    html = Media(data=SVG, mime_type="image/svg+xml")._repr_mimebundle_()["text/html"]
    assert html.startswith('<img src="data:image/svg+xml;base64,')
    assert "script" not in html
