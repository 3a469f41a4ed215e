"""`Media`: saved whole, shown in notebooks, rebuilt from what traces and checkpoints keep."""

from __future__ import annotations

import base64
import copy
import io
import json
import pickle
import re
import struct
import warnings
import wave
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.load import dumpd, load
from langchain_core.messages import ToolMessage
from langchain_core.stores import InMemoryByteStore
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from PIL import Image
from pydantic import BaseModel, ValidationError

from langchain_pollinations._media.display import MAX_SHOWN_BYTES
from langchain_pollinations._media.formats import sniff
from langchain_pollinations._media.integrity import has_all_boxes, image_size, is_whole
from langchain_pollinations._media.response import public_url
from langchain_pollinations._media.wav import join_wavs, pcm16_to_wav
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from tests.helpers.files import box
from tests.helpers.html_page import Elements

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
JPEG = b"\xff\xd8\xff\xe0"
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
        *(
            (struct.pack(">I", 16 + len(brands) - 4) + b"ftyp" + brands[:4] + b"\0\0\0\0" + brands[4:] + b"...", kind)
            for brands, kind in (
                (b"heic", "image/heic"),
                (b"heixmif1", "image/heic"),
                (b"mif1heic", "image/heic"),
                (b"mif1miafavif", "image/avif"),
                (b"mif1", "image/heif"),
                (b"avis", "image/avif"),
                (b"M4A isom", "audio/mp4"),
                (b"M4B mp42isom", "audio/mp4"),
                (b"mp42M4A isom", "audio/mp4"),
                (b"mp42M4A M4V ", "video/mp4"),
                (b"isomiso2avc1mp41", "video/mp4"),
                (b"qt  ", "video/mp4"),
            )
        ),
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


def _image(kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((40, 30), 60).convert("RGB").save(file, kind, **options)
    return file.getvalue()


IMAGES = {
    "PNG": ("image/png", PNG),
    "SVG": ("image/svg+xml", SVG.strip()),
    "JPEG": ("image/jpeg", _image("JPEG")),
    "progressive JPEG": ("image/jpeg", _image("JPEG", progressive=True)),
    "GIF": ("image/gif", _image("GIF")),
    "animated GIF": (
        "image/gif",
        _image("GIF", save_all=True, append_images=[Image.new("RGB", (40, 30), "red")], comment=b"sea"),
    ),
    "WebP": ("image/webp", _image("WEBP")),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_an_image_is_whole_with_its_end_whatever_follows_it(kind: str) -> None:
    mime_type, data = IMAGES[kind]
    padding = b" " if kind == "SVG" else b"\0"
    for more in (b"", padding, padding * 600, b"" if kind == "SVG" else b"x" * 9000):
        assert is_whole(data + more, mime_type), len(more)
    for cut in (1, 3, len(data) // 2, len(data) - 12):
        assert not is_whole(data[:-cut], mime_type), cut


def test_the_end_of_a_thumbnail_is_not_the_end_of_its_image() -> None:
    thumbnail, data = _image("JPEG"), _image("JPEG")
    exif = data[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + data[2:]
    assert is_whole(exif, "image/jpeg")
    assert not is_whole(exif[:-9], "image/jpeg")


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
    assert hash(picture) == hash(picture._with(metadata={"x": 1}))
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


# --- In files ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def in_file(tmp_path: Path) -> Media:
    path = tmp_path / "dot.png"
    path.write_bytes(PNG)
    return Media.from_file(path, prompt="a dot", url="https://x/y")


def test_a_media_in_a_file_reads_it_when_asked(in_file: Media) -> None:
    assert (in_file.mime_type, in_file.prompt, in_file.size, in_file.data) == ("image/png", "a dot", len(PNG), PNG)
    assert in_file.path is not None
    in_file.path.write_bytes(PNG + b"more")
    assert (in_file.data, in_file.size) == (PNG + b"more", len(PNG) + 4)
    in_file.path.unlink()
    with pytest.raises(FileNotFoundError):
        _ = in_file.data
    assert "dot.png" in repr(in_file)


def test_a_media_in_a_file_is_found_from_everywhere(in_file: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_file.path is not None
    monkeypatch.chdir(in_file.path.parent)
    here = Media.from_file("dot.png")
    there = Media.from_artifact(here.to_artifact(), folder=".")
    monkeypatch.chdir("/")
    assert here.data == there.data == PNG


def test_a_media_in_a_file_equals_copies_and_pickles(in_file: Media) -> None:
    twins = [copy.copy(in_file), copy.deepcopy(in_file), pickle.loads(pickle.dumps(in_file))]
    twins += [Media.from_artifact(in_file.to_artifact(), Path("/")), in_file._with()]
    for twin in twins:
        assert twin == in_file
        assert hash(twin) == hash(in_file)
    assert in_file != Media.from_file(in_file.path, prompt="another")
    assert PNG not in pickle.dumps(in_file)
    assert "base64" not in in_file.to_artifact()


def test_a_media_in_a_file_is_copied_and_its_file_left_alone(in_file: Media, tmp_path: Path) -> None:
    assert in_file.path is not None
    copied = in_file.save(tmp_path / "copy")
    assert in_file.save(in_file.path) == in_file.path
    assert copied.read_bytes() == in_file.path.read_bytes() == PNG
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.png", "dot.png"]


def test_only_files_of_known_types_are_media(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello", "utf-8")
    with pytest.raises(ValueError, match="notes.txt is not an image"):
        Media.from_file(tmp_path / "notes.txt")
    assert Media.from_file(tmp_path / "notes.txt", mime_type="text/plain").data == b"hello"
    for missing in (tmp_path / "missing.png", tmp_path):
        with pytest.raises(OSError, match=re.escape(str(missing))):
            Media.from_file(missing)


def test_a_name_may_be_as_long_as_the_disk_takes(picture: Media, tmp_path: Path) -> None:
    name = "x" * 251 + ".png"
    assert picture.save(tmp_path / name).read_bytes() == PNG


# --- Traces and checkpoints -------------------------------------------------------------------------------------------


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))


def _as_message(value: Any) -> Any:
    written = json.dumps(dumpd(ToolMessage("x", tool_call_id="1", artifact=value)))
    return load(json.loads(written), allowed_objects="messages").artifact


def _as_checkpoint(value: Any) -> Any:
    store = JsonPlusSerializer()
    return store.loads_typed(store.dumps_typed({"artifact": value}))["artifact"]


@pytest.mark.parametrize("kept", [_as_json, _as_message, _as_checkpoint])
@pytest.mark.parametrize("where", ["memory", "file"])
def test_artifacts_survive_what_agents_keep_them_in(kept: Any, where: str, picture: Media, in_file: Media) -> None:
    media = picture._with(metadata={"revised_prompt": "a \u201cdot\u201d"}) if where == "memory" else in_file
    again = Media.from_artifact(kept(media.to_artifact()), in_file.path and in_file.path.parent)
    assert again == media
    assert (again.metadata, again.data) == (media.metadata, media.data)


@pytest.mark.parametrize("where", ["memory", "file"])
def test_a_media_survives_the_checkpoint_of_a_graph(where: str, picture: Media, in_file: Media) -> None:
    media = picture._with(metadata={"x": [1]}) if where == "memory" else in_file
    again = _as_checkpoint(media)
    assert again == media
    assert (again.metadata, again.path, again.data) == (media.metadata, media.path, PNG)


def test_copies_in_memory_know_their_generator() -> None:
    painter = PollinationsImage(api_key="sk_x")
    media = Media(PNG, "image/png", generator=painter)
    assert media.generator is media._with(prompt="x").generator is painter
    assert Media(PNG, "image/png").generator is None
    assert Media(PNG, "image/png") == media
    with pytest.raises(ValueError, match="has no generator that can edit it"):
        pickle.loads(pickle.dumps(media)).edit("night")


@pytest.mark.parametrize(
    "artifact",
    [
        None,
        {},
        "pollinations_media",
        {"type": "other"},
        {"type": "pollinations_media"},
        {"type": "pollinations_media", "mime_type": "image/png"},
        {"type": "pollinations_media", "base64": "AAAA"},
        {"type": "pollinations_media", "base64": "*", "mime_type": "image/png"},
        {"type": "pollinations_media", "base64": 5, "mime_type": "image/png"},
        {"type": "pollinations_media", "path": None, "mime_type": "image/png"},
        {"type": "pollinations_media", "base64": "AAAA", "mime_type": 5},
        {"type": "pollinations_media", "base64": "AAAA", "mime_type": "image/png", "seed": "7"},
        {"type": "pollinations_media", "base64": "AAAA", "mime_type": "image/png", "metadata": []},
    ],
    ids=str,
)
def test_what_is_no_artifact_says_so(artifact: Any) -> None:
    with pytest.raises(ValueError, match="artifact is None" if artifact is None else "pollinations_media"):
        Media.from_artifact(artifact)


def test_a_store_in_place_of_the_folder_is_an_error() -> None:
    artifact = Media(PNG, "image/png").to_artifact()
    with pytest.raises(ValueError, match="folder must be a path, not InMemoryByteStore; pass a store by name: store="):
        Media.from_artifact(artifact, InMemoryByteStore())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "folder", "says"),
    [
        ("inner/dot.png", None, r"pass the folder that contains it, as folder="),
        ("../secret.png", "inner", "is not below the folder 'inner'"),
        ("inner/../../secret.png", "inner", "is not below"),
        ("link.png", "inner", "is not below"),
        ("/etc/passwd", "inner", "is not below"),
        ("//host/share/dot.png", "inner", "must be that of a file on this machine"),
        ("a\0b.png", "inner", "must be that of a file"),
        (5, "inner", "must be that of a file"),
        ("loop.png", "inner", "cannot be read|is not below|$"),
    ],
)
def test_the_file_of_an_artifact_is_read_only_below_the_folder_that_was_named(
    tmp_path: Path, path: Any, folder: str | None, says: str
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "dot.png").write_bytes(PNG)
    (tmp_path / "secret.png").write_bytes(PNG)
    (inner / "link.png").symlink_to(tmp_path / "secret.png")
    (inner / "loop.png").symlink_to("loop.png")
    artifact = {"type": "pollinations_media", "mime_type": "image/png", "path": path}
    with pytest.raises((ValueError, OSError), match=says):
        assert Media.from_artifact(artifact, folder and tmp_path / folder).data
    there = Media.from_artifact({**artifact, "path": str(inner / "dot.png")}, inner)
    assert there.data == Media.from_artifact({**artifact, "path": "dot.png"}, inner).data == PNG


@pytest.mark.parametrize(
    "mime_type",
    [
        "",
        "png",
        "image/png\r\nx: y",
        'image/png"',
        "image/png\0",
        "image/png; x",
        "image/\xe9",
        "../x/y",
        "a/b" * 90,
        None,
    ],
)
def test_a_type_that_no_header_carries_is_refused(mime_type: Any) -> None:
    with pytest.raises(ValueError, match="mime_type must be a MIME type such as 'image/png'"):
        Media(PNG, mime_type)


def test_a_media_has_bytes_or_a_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="data must be bytes, or path the file"):
        Media(None, "image/png")
    (tmp_path / "dot.png").write_bytes(PNG)
    assert Media(None, "image/png", path=tmp_path / "dot.png").data == PNG


class Album(BaseModel):
    cover: Media
    more: list[Media] = []


def test_a_media_survives_a_pydantic_model(picture: Media, in_file: Media) -> None:
    album = Album(cover=picture._with(metadata={"x": [1]}), more=[picture])
    again = Album.model_validate_json(album.model_dump_json())
    assert again == album
    assert (again.cover.data, again.cover.metadata) == (PNG, {"x": [1]})
    assert Album.model_validate(json.loads(album.model_dump_json())) == album
    assert Album.model_validate(album.model_dump(mode="json")) == album
    assert album.model_dump()["cover"] == album.cover.to_artifact()
    for copied in (Album(**album.model_dump()), album.model_copy(), album.model_copy(deep=True)):
        assert copied == album
    assert Album(cover=picture).cover is picture
    filed = Album(cover=in_file)
    assert "base64" not in filed.model_dump_json()
    with pytest.raises(ValidationError, match="pass the folder that contains it"):
        Album.model_validate_json(filed.model_dump_json())
    assert in_file.path is not None
    context = {"media_folder": in_file.path.parent}
    assert Album.model_validate_json(filed.model_dump_json(), context=context) == filed
    assert Album.model_validate(filed.model_dump(), context=context) == filed
    assert pickle.loads(pickle.dumps(album)) == album
    assert Album.model_json_schema()["properties"]["cover"]["type"] == "object"


@pytest.mark.parametrize(
    ("data", "name", "warns"),
    [
        (JPEG, "x.png", "image/jpeg, but .png means image/png; use .jpg"),
        (JPEG, "x.mp4", "but .mp4 means video/mp4"),
        (JPEG, "x.jpeg", None),
        (JPEG, "x.JPG", None),
        (JPEG, "x", None),
        (JPEG, "x.dat", None),
        (b"ID3", "x.mp3", None),
        (b"ID3", "x.wav", "audio/mpeg, but .wav means audio/wav; use .mp3"),
        (b"OggS", "x.opus", None),
    ],
)
def test_a_suffix_of_another_type_is_warned_of(tmp_path: Path, data: bytes, name: str, warns: str | None) -> None:
    media = Media(data, sniff(data) or "")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        saved = media.save(tmp_path / name)
    assert saved.read_bytes() == data
    assert saved.stem == "x"
    assert [warns in str(each.message) for each in caught] == ([True] if warns else []) if warns else not caught
    assert all(each.filename == __file__ for each in caught)


# --- On a page --------------------------------------------------------------------------------------------------------


HOSTILE = "\"><script>alert(1)</script><img src=x onerror='alert(2)'> ' &quot; `\n</p>"
SHOWN = {
    "image/webp": ("img", "src"),
    "image/gif": ("img", "src"),
    "image/svg+xml": ("img", "src"),
    "audio/mpeg": ("audio", "src"),
    "video/mp4": ("video", "src"),
    "model/gltf-binary": ("a", "href"),
    "application/pdf": ("a", "href"),
}


@pytest.mark.parametrize("mime_type", SHOWN)
def test_each_kind_shows_as_one_element_whatever_the_prompt(mime_type: str) -> None:
    media = Media(b"bytes", mime_type, prompt=HOSTILE, url='https://x/"><script>alert(3)</script>', model=HOSTILE)
    bundle = media._repr_mimebundle_()
    [(tag, attributes)] = Elements(bundle["text/html"]).found
    name, source = SHOWN[mime_type]
    assert tag == name
    assert attributes[source] == f"data:{mime_type};base64,{base64.b64encode(b'bytes').decode()}"
    assert attributes.get("alt", HOSTILE) == HOSTILE
    assert not [key for key in attributes if key.startswith("on")]
    assert bundle["text/plain"] == repr(media)


@pytest.mark.parametrize("mime_type", ["image/webp", "video/mp4", "model/gltf-binary"])
def test_what_is_too_large_for_a_page_is_shown_by_its_address(tmp_path: Path, mime_type: str) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(MAX_SHOWN_BYTES + 1)
    address = 'https://example.com/?a="b"&c=<d>'
    name, source = SHOWN[mime_type]
    media = Media.from_file(large, mime_type=mime_type, url=address)
    [(tag, attributes)] = Elements(media._repr_mimebundle_()["text/html"]).found
    assert (tag, attributes[source]) == (name, address)
    for none in (None, "javascript:alert(1)", "data:text/html,<script>"):
        unknown = Media.from_file(large, mime_type=mime_type, url=none)
        assert unknown._repr_mimebundle_() == {"text/plain": repr(unknown)}


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ('<https://media.pollinations.ai/1>; rel="enclosure"', "https://media.pollinations.ai/1"),
        ('<https://x/a>; rel=next, <https://x/b>; rel="enclosure"', "https://x/b"),
        ("<https://x/b>; rel=enclosure", "https://x/b"),
        ('<javascript:alert(1)>; rel="enclosure"', None),
        ('<>; rel="enclosure"', None),
        ("https://x/b", None),
        ("", None),
    ],
)
def test_only_a_web_address_is_the_address_of_a_file(link: str, url: str | None) -> None:
    assert public_url(httpx.Headers({"link": link})) == url


# --- Files, looked into -----------------------------------------------------------------------------------------------


FTYP, MOOV = box(b"ftyp", b"isom"), box(b"moov", b"\0" * 20)


@pytest.mark.parametrize(
    ("film", "whole"),
    [
        (FTYP + MOOV + box(b"mdat", b"x" * 50), True),
        (FTYP + box(b"mdat", b"x" * 50) + MOOV, True),
        (FTYP + MOOV + box(b"mdat", b"x" * 50, size=0), True),
        (FTYP + MOOV + box(b"mdat", struct.pack(">Q", 66) + b"x" * 50, size=1), True),
        (FTYP + MOOV + box(b"mdat", struct.pack(">Q", 2**63) + b"x" * 50, size=1), False),
        (FTYP + MOOV + box(b"mdat", b"x" * 50)[:-1], False),
        (FTYP + box(b"mdat", b"x" * 50), False),
        (FTYP + box(b"mdat", b"x" * 50) + MOOV[:-1], False),
        (FTYP + MOOV + b"\0\0\0", False),
        (FTYP + MOOV + box(b"mdat", size=7), False),
        (FTYP + MOOV + box(b"mdat", size=1), False),
        (FTYP, False),
        (b"", False),
    ],
)
def test_a_film_is_whole_where_its_boxes_end_with_it(film: bytes, whole: bool) -> None:
    assert has_all_boxes(io.BytesIO(film)) is whole


@pytest.mark.parametrize("size", [(1, 1), (640, 480), (17, 3000)])
def test_the_size_of_a_picture_is_read_from_its_head(size: tuple[int, int]) -> None:
    for form, options in (
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"exif": b"Exif\0\0" * 99}),
    ):
        file = io.BytesIO()
        Image.new("RGB", size).save(file, form, **options)
        assert image_size(file.getvalue()) == size
    filled = file.getvalue()[:2] + b"\xff\xff\xff" + file.getvalue()[2:]  # which JPEG allows before every marker
    assert image_size(filled) == size


@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"ply\n", b"glTF", b"RIFF"]))
def test_no_bytes_are_too_odd_to_be_looked_at(data: bytes, head: bytes) -> None:
    odd = head + data
    assert isinstance(image_size(odd), tuple | None)
    assert isinstance(has_all_boxes(io.BytesIO(odd)), bool)
    mime_type = sniff(odd)
    assert mime_type is None or isinstance(is_whole(odd, mime_type), bool)
    assert "text/plain" in str(Media(odd, mime_type or "image/png")._repr_mimebundle_())


def test_joined_sounds_are_one_after_the_other() -> None:
    one, two = b"\1\2" * 50, b"\3\4" * 31
    with wave.open(io.BytesIO(join_wavs([pcm16_to_wav(one), pcm16_to_wav(two)])), "rb") as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 24_000)
        assert sound.readframes(1000) == one + two


def test_a_sound_whose_size_was_left_open_is_joined_whole() -> None:
    one, two = b"\1\2" * 50, b"\3\4" * 31
    for left_open in (0, 0xFFFFFFFF):
        streamed = pcm16_to_wav(one)[:40] + struct.pack("<I", left_open) + one + b"\x09"  # and half a sample
        with wave.open(io.BytesIO(join_wavs([streamed, pcm16_to_wav(two)])), "rb") as sound:
            assert sound.readframes(1000) == one + two


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([b"ID3"], "is no WAV"),
        ([pcm16_to_wav(b"\0\0"), b""], "is no WAV"),
        ([pcm16_to_wav(b"\0\0"), pcm16_to_wav(b"\0\0", rate=8000)], "differ in their format"),
        ([pcm16_to_wav(b"\0\0")[:36]], "without samples"),
        ([pcm16_to_wav(b"\0\0")[:12] + b"data"], "without samples"),
    ],
)
def test_sounds_that_cannot_be_joined_say_why(files: list[bytes], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        join_wavs(files)


def test_a_trace_tells_of_a_media_without_its_bytes() -> None:
    """Tracers write down whatever a runnable gives: LangSmith's as a string, others what `vars` shows as public."""
    painter = PollinationsImage(api_key="sk_secret")
    media = Media(PNG, "image/png", prompt="a cat", generator=painter)
    assert json.loads(orjson.dumps(media, default=str)) == "Media('image/png', prompt='a cat')"
    public = {name: value for name, value in vars(media).items() if not name.startswith("_")}
    assert PNG not in public.values()
    assert "sk_secret" not in repr(public)
