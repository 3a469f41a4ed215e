"""References: what may be given for a picture, and which files may be read. No text of a model reads another."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from langchain_core.load import dumpd, load

from langchain_pollinations._media.permitted_files import open_below
from langchain_pollinations._media.references import (
    MAX_BYTES,
    MAX_REFERENCES,
    ReferenceReader,
    check_schemes,
)
from langchain_pollinations.audio import PollinationsMusic
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import InvalidRequestError
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from langchain_pollinations.models3d import Pollinations3D
from langchain_pollinations.video import PollinationsVideo

OWN = "https://media.pollinations.ai"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
URI = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that may be read, beside a secret that may not."""
    (tmp_path / "secret.png").write_bytes(PNG)
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    (folder / "dot.png").write_bytes(PNG)
    (folder / "more" / "dot.png").write_bytes(PNG)
    (folder / "notes.png").write_text("no picture", "utf-8")
    (folder / "out.png").symlink_to(tmp_path / "secret.png")
    (folder / "out").symlink_to(tmp_path)
    (folder / "in.png").symlink_to("more/dot.png")
    (folder / "loop.png").symlink_to("loop.png")
    return folder


def read(given: Any, folder: Path | None = None, family: str = "image") -> str | Media:
    return ReferenceReader("image", family, folder, OWN).one(given)


# --- Bytes, data URIs, media ------------------------------------------------------------------------------------------


DATA = base64.b64encode(PNG).decode()
URIS = {
    "plain": URI,
    "DATA": URI.replace("data:", "DATA:", 1),
    "percent-encoded": f"data:,{quote(PNG)}",
    "base64, percent-encoded": f"data:image/png;base64,{quote(DATA, safe='')}",
    "no padding": URI.rstrip("="),
    "line breaks": f"data:image/png;base64,{DATA[:40]}\r\n{DATA[40:]}\n",
    "spaces": f" data:image/png; base64, {DATA[:40]} {DATA[40:]}",
    "URL-safe": URI.replace("+", "-").replace("/", "_").replace("image_png", "image/png"),
    "BASE64": f"data:image/PNG;BASE64,{DATA}",
    "charset": f"data:image/png;charset=utf-8;base64,{DATA}",
    "charset after": f"data:image/png;base64;charset=utf-8,{DATA}",
    "no type": f"data:;base64,{DATA}",
}
"""One image as every data URI that is read."""


@pytest.mark.parametrize("given", [PNG, Media(PNG, "image/png"), *URIS.values()], ids=["bytes", "Media", *URIS])
def test_bytes_are_read_whatever_carries_them(given: Any) -> None:
    found = read(given)
    assert isinstance(found, Media)
    assert (found.data, found.mime_type) == (PNG, "image/png")


def test_the_bytes_tell_the_type_and_not_the_uri() -> None:
    found = read("data:image/jpeg" + URI.removeprefix("data:image/png"))
    assert isinstance(found, Media)
    assert found.mime_type == "image/png"


@pytest.mark.parametrize(
    ("given", "family", "says"),
    [
        (b"", "image", "these 0 bytes are not in a supported image format"),
        (b"<html>", "image", "these 6 bytes are not in a supported image format"),
        (b"<html>", "video", "are not in a supported video format"),
        (PNG, "audio", "must be audio data, not image/png"),
        (Media(b"ID3", "audio/mpeg"), "image", "must be image data, not audio/mpeg"),
        ("data:image/png;base64,***", "image", "does not contain valid base64"),
        ("data:image/png;base64,é", "image", "does not contain valid base64"),
        ("data:image/png;base64", "image", "these 0 bytes"),
        ("data:", "image", "these 0 bytes"),
        (5, "image", "must be a URL, bytes, a file path or a Media, not int"),
        (None, "image", "not NoneType"),
        ([PNG], "image", "not list"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_reference_says_what_one_is(given: Any, family: str, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^image: .*{says}"):
        read(given, family=family)


def test_sound_in_a_film_container_is_sound_to_those_who_take_sound() -> None:
    found = read(b"\0\0\0\x18ftypisom" + b"\0" * 12, family="audio")
    assert isinstance(found, Media)
    assert found.mime_type == "audio/mp4"


# --- Addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/a.png",
        "http://example.com",
        "HTTPS://EXAMPLE.COM/A.PNG",
        "https://example.com:8443/a.png?x=1|2,3#top",
        "https://fade.cafe/a.png",
        "https://käse.example/a.png",
        "https://internal.example.com/a.png",
        "https://1.example.com/a.png",
        "https://localhost.example.com/",
        f"{OWN}/3f9c1e2a",
    ],
)
def test_public_addresses_pass_as_they_are(address: str) -> None:
    assert read(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost/x",
        "http://LOCALHOST:80/x",
        "http://localhost./x",
        "http://a.localhost/x",
        "http://local%68ost/x",
        "http://127\u30020\u30020\u30021/x",
        "http://\uff11\uff12\uff17.1/x",
        *(f"http://{host}/x" for host in ("redis", "a.default.svc", "localhost.localdomain", "nas.home", "wiki.corp")),
        "http://metadata.google.internal/x",
        "http://router.lan/x",
        "http://internal/x",
        "http://printer.local/x",
        "http://127.0.0.1/x",
        "http://127.1/x",
        "http://2130706433/x",
        "http://0x7f000001/x",
        "http://0x7F.0.0.1/x",
        "http://0177.0.0.1/x",
        "http://127.0.0.1./x",
        "http://[::1]/x",
        "http://[::ffff:127.0.0.1]:80/x",
        "http://me:pw@example.com/x",
        "http://me@example.com/x",
        "https://media.pollinations.ai@127.0.0.1/x",
        "https://media.pollinations.ai.localhost/x",
    ],
)
def test_addresses_that_only_this_machine_knows_are_refused(address: str) -> None:
    with pytest.raises(InvalidRequestError, match="public URLs only"):
        read(address)


@pytest.mark.parametrize(
    "address",
    [
        "https://",
        "https:///x",
        "http://[::1",
        "http://[x]/",
        "https://example.com/a b",
        "https://example.com/\n",
        "https://example.com/<x>",
        'https://example.com/"',
        "https://exam\0ple.com/",
        "https://localhost%00.example.com/",
        "https://a,b/",
        "https://example.com/\x7f",
        "https://example.com/\ud83d.png",
        "https://example.com:port/",
        "https://example.com:99999/",
    ],
)
def test_half_addresses_are_refused(address: str) -> None:
    with pytest.raises(InvalidRequestError, match="is not a complete http"):
        read(address)


def test_the_services_own_media_host_is_as_good_as_public() -> None:
    own = ReferenceReader("image", "image", None, "http://127.0.0.1:8787/media")
    assert own.one("http://127.0.0.1:8787/media/1") == "http://127.0.0.1:8787/media/1"
    for other in ("http://127.0.0.1:8787/mediated", "http://127.0.0.1:8787/other", "http://127.0.0.1:8788/media/1"):
        with pytest.raises(InvalidRequestError, match="public URLs only"):
            own.one(other)


@pytest.mark.parametrize("address", ["ftp://x/y", "file:///etc/passwd", "FILE:///etc/passwd", "s3://bucket/x"])
def test_other_schemes_are_refused_by_name(address: str) -> None:
    with pytest.raises(ValueError, match=r"image: must be an http\(s\) URL"):
        check_schemes("image", [PNG, address])


# --- Files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dot.png", "./dot.png", "more/dot.png", "more/../dot.png", "in.png"])
@pytest.mark.parametrize("kind", [str, Path])
def test_files_below_the_folder_are_read(folder: Path, name: str, kind: type) -> None:
    for given in (kind(name), kind(folder / name)):
        found = read(given, folder)
        assert isinstance(found, Media)
        assert (found.data, found.mime_type) == (PNG, "image/png")


@pytest.mark.parametrize("name", ["../secret.png", "more/../../secret.png", "out.png", "out/secret.png", "/etc/passwd"])
@pytest.mark.parametrize("kind", [str, Path])
def test_files_outside_the_folder_are_not(folder: Path, name: str, kind: type) -> None:
    with pytest.raises(InvalidRequestError, match=r"is not a file in reference_folder \(pictures\)") as caught:
        read(kind(name), folder)
    assert str(folder.parent) not in str(caught.value)


@pytest.mark.parametrize("lead", ["//", "\\\\", "/\\", "\\/", "\\??\\", "//./", "\\\\?\\UNC\\"])
def test_names_of_other_machines_and_devices_are_refused_unresolved(folder: Path, lead: str) -> None:
    with pytest.raises(InvalidRequestError, match="is a network or device path, not a file in reference_folder"):
        read(f"{lead}host/share/dot.png", folder)


def test_a_folder_whose_name_begins_alike_is_another(folder: Path) -> None:
    twin = folder.with_name("pictures2")
    twin.mkdir()
    (twin / "dot.png").write_bytes(PNG)
    with pytest.raises(InvalidRequestError, match="is not a file in reference_folder"):
        read("../pictures2/dot.png", folder)


def test_the_home_is_meant_by_a_tilde(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert read("~/pictures/dot.png", Path("~/pictures")) == read("dot.png", folder)
    with pytest.raises(InvalidRequestError, match="is not a file in reference_folder"):
        read("~/secret.png", folder)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing.png", "cannot be read: No such file"),
        ("more", "cannot be read: it is not a regular file"),
        ("", "cannot be read: it is not a regular file"),
        ("loop.png", "is not a file in reference_folder|cannot be read"),
        ("a\0b.png", "is not a file in reference_folder"),
        ("half \ud800.png", "is not a file in reference_folder"),
        ("x" * 5000, "has 5,000 characters; the maximum is 4,096"),
        ("a/" * 600_000, "the maximum is 4,096"),
        ("~nobody-of-this-name/x.png", "is not a file in reference_folder"),
        ("notes.png", "these 10 bytes are not in a supported image format"),
    ],
    ids=lambda value: str(value)[:12].encode("ascii", "replace").decode(),
)
def test_a_file_that_cannot_be_read_is_an_error_of_the_request(folder: Path, name: str, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says) as caught:
        read(name, folder)
    assert len(str(caught.value)) < 500


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_what_is_no_file_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    with pytest.raises(InvalidRequestError, match="it is not a regular file"):
        read("pipe.png", folder)


@pytest.mark.parametrize("family", MAX_BYTES)
def test_a_file_that_is_too_large_is_not_read(folder: Path, family: str) -> None:
    with (folder / "huge.png").open("wb") as file:
        file.truncate(MAX_BYTES[family] + 1)
    says = f"has {MAX_BYTES[family] + 1:,} bytes; the maximum is {MAX_BYTES[family]:,}"
    assert _bytes_read(lambda: read("huge.png", folder, family), says) < 100_000


def _bytes_read(ask: Callable[[], Any], says: str) -> int:
    """Bytes that this process read for an error of the request."""
    before = _counted()
    with pytest.raises(InvalidRequestError, match=says):
        ask()
    return _counted() - before


def _counted() -> int:
    counts = Path("/proc/self/io")
    if not counts.is_file():
        pytest.skip("this system does not count what a process reads")
    return int(counts.read_text("ascii").split()[1])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            ["big.png"] * (MAX_REFERENCES + 1),
            f"image: takes at most {MAX_REFERENCES} references, got {MAX_REFERENCES + 1}",
        ),
        (["big.png"] * 3, "image: the files have 180,000,000 bytes in total; the maximum is 134,217,728"),
        (["text.png"], "image: these 50000000 bytes are not in a supported image format"),
        (["sound.png"], "image: must be image data, not audio/wav"),
        (["big.png", "missing.png"], "image: 'missing.png' cannot be read"),
    ],
    ids=["number", "total", "no picture", "another type", "one is missing"],
)
def test_number_sizes_and_types_are_checked_before_files_are_read(folder: Path, given: list[Any], says: str) -> None:
    for name, head, size in [("big", PNG, 60), ("text", b"text", 50), ("sound", b"RIFF\0\0\0\0WAVE", 50)]:
        with (folder / f"{name}.png").open("wb") as file:
            file.write(head)
            file.truncate(size * 1_000_000)
    reading = ReferenceReader("image", "image", folder, OWN)
    assert _bytes_read(lambda: reading.all(given), says) < 200_000


def test_a_file_that_is_named_twice_is_read_once(folder: Path) -> None:
    first, other, again = ReferenceReader("image", "image", folder, OWN).all(["dot.png", PNG, Path("dot.png")])
    assert first is again
    assert isinstance(other, Media)
    assert other.data == PNG


@pytest.mark.skipif(os.open not in os.supports_dir_fd, reason="this system opens no file in an open folder")
def test_a_link_that_is_put_into_a_checked_path_leads_nowhere(folder: Path) -> None:
    """Between the check of a path and the opening of its file another process may change the path."""
    for inner in ("out/secret.png", "out.png", "in.png"):
        with pytest.raises(OSError):  # which one depends on the system
            open_below(folder, Path(inner))


@pytest.mark.parametrize("given", ["dot.png", "/etc/passwd", "~/x.png", Path("dot.png"), "http:/typo", "x" * 5000, ""])
def test_without_a_folder_no_file_is_read(
    folder: Path, given: Any, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(InvalidRequestError, match=r"is not a URL \(http, https, data:\).*reference_folder=") as caught:
        PollinationsImage(**emulator.connection()).edit("night", given)
    assert len(str(caught.value)) < 500
    assert emulator.requests == []


def test_the_folder_is_of_the_constructor_and_of_no_call(folder: Path, emulator: Emulator) -> None:
    """Who names files must not name the folder, too."""
    painter = PollinationsImage(**emulator.connection())
    with pytest.raises(InvalidRequestError, match="reference_folder: an argument of the constructor"):
        painter.edit("night", "dot.png", reference_folder=folder)


def test_a_wrapper_is_shown_without_the_bytes_of_its_references() -> None:
    """Logs and errors hold it, and a film has many bytes."""
    references: dict[str, Any] = {"first_frame": PNG, "last_frame": PNG, "reference_images": [PNG]}
    wrappers = [PollinationsVideo(api_key="sk_x", **references), PollinationsImage(api_key="sk_x", image=PNG)]
    wrappers += [Pollinations3D(api_key="sk_x", image=PNG), PollinationsMusic(api_key="sk_x", reference_audio=PNG)]
    assert "PNG" not in repr(wrappers)


@pytest.mark.parametrize("reference", [PNG, Media(PNG, "image/png"), URI], ids=["bytes", "Media", "data URI"])
def test_a_wrapper_that_is_written_down_keeps_what_it_draws_from(folder: Path, reference: Any) -> None:
    address = "https://example.com/a.png"
    given: dict[str, Any] = {"first_frame": reference, "reference_images": [reference, address, Path("dot.png")]}
    camera = PollinationsVideo(api_key="sk_secret", **given, reference_folder=folder)
    wrappers = [camera, *(kind(api_key="sk_secret", image=reference) for kind in (PollinationsImage, Pollinations3D))]
    wrappers.append(PollinationsMusic(api_key="sk_secret", reference_audio=b"ID3"))
    saved = [json.loads(wrapper.model_dump_json()) for wrapper in wrappers]
    assert [saved[0][name] for name in given] == [URI, [URI, address, "dot.png"]]
    assert saved[0]["reference_folder"] == str(folder)
    assert [each["image"] for each in saved[1:3]] == [URI, URI]
    assert saved[3]["reference_audio"] == "data:audio/mpeg;base64,SUQz"
    for wrapper, one in zip(wrappers, saved, strict=True):
        kwargs = dumpd(wrapper)["kwargs"]
        references = given.keys() | {"image", "reference_audio", "reference_folder"}
        assert {k: v for k, v in kwargs.items() if k in references} == {k: one[k] for k in references if one.get(k)}
        again = load(
            dumpd(wrapper),
            secrets_map={"POLLINATIONS_API_KEY": "sk_x"},
            allowed_objects=[type(wrapper)],
            valid_namespaces=["langchain_pollinations"],
        )
        changed = {"api_key", "api"}  # what is written down has settled for the host that it had a key for
        assert again.model_dump_json(exclude=changed) == wrapper.model_dump_json(exclude=changed)
