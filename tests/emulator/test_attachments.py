"""Attachments of a message: what the model reads from them, and files that are damaged or made to exhaust it."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Callable

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.emulator.test_edits import data_uri, edit, made
from tests.helpers.files import opened

CHAT = "/v1/chat/completions"


def about(http: httpx.Client, part: dict[str, object]) -> httpx.Response:
    """Ask a model that reads images and files about an attachment."""
    content = [{"type": "text", "text": "What is this?"}, part]
    body = {"model": "google/gemini-2.5-flash-lite", "messages": [{"role": "user", "content": content}]}
    return http.post(CHAT, json=body)


def about_image(http: httpx.Client, image: bytes) -> httpx.Response:
    return about(http, {"type": "image_url", "image_url": {"url": data_uri(image)}})


def about_pdf(http: httpx.Client, pdf: bytes) -> httpx.Response:
    uri = data_uri(pdf, "application/pdf")
    return about(http, {"type": "file", "file": {"file_data": uri, "filename": "a.pdf"}})


def text_of(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return str(response.json()["choices"][0]["message"]["content"])


def png(size: tuple[int, int] = (8, 8), **texts: str) -> bytes:
    out, info = io.BytesIO(), PngInfo()
    for key, text in texts.items():
        info.add_text(key.replace("_", " "), text, zip=len(text) > 1000)
    Image.new("1", size).save(out, "PNG", pnginfo=info)
    return out.getvalue()


@pytest.mark.parametrize("send", [about_image, lambda http, image: edit(http, "make it night", data_uri(image))])
@pytest.mark.parametrize("exif", ["\nexif\n 10\nzzzz", "\nexif\n 4\n45786966", "\nexif\n 12\n457869660000ffffffff0000"])
def test_invalid_exif_of_an_image_is_ignored(
    http: httpx.Client, send: Callable[[httpx.Client, bytes], httpx.Response], exif: str
) -> None:
    assert send(http, png(Raw_profile_type_exif=exif)).status_code == 200


@pytest.mark.parametrize("exif", [b"zzzzzzzzzz", b"II*\0"])
def test_exif_that_cannot_be_read_is_ignored(http: httpx.Client, exif: bytes) -> None:
    image = io.BytesIO()
    Image.new("RGB", (8, 8)).save(image, "JPEG", exif=b"Exif\0\0" + exif)
    assert edit(http, "make it night", data_uri(image.getvalue(), "image/jpeg")).status_code == 200


@pytest.mark.parametrize(("tag", "kind", "value"), [(0x011A, 2, b"a"), (0x0100, 2, b"a"), (0x0131, 5, b"\x08")])
def test_exif_of_a_wrong_type_is_ignored(http: httpx.Client, tag: int, kind: int, value: bytes) -> None:
    """Pillow reads these values, and cannot write them again when it rotates the image."""
    entries = sorted([(0x0112, 3, 1, b"\x06"), (0x010E, 2, 4, b"fox\0"), (tag, kind, 1, value)])
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries))
    exif += b"".join(struct.pack("<HHI4s", *entry) for entry in entries) + bytes(12)
    image = io.BytesIO()
    Image.new("RGB", (90, 60)).save(image, "JPEG", exif=exif)
    edited = made(edit(http, "make it night", data_uri(image.getvalue(), "image/jpeg")))
    assert opened(edited).size == (60, 90)  # the orientation is kept
    assert 'shows "fox"' in text_of(about_image(http, image.getvalue()))


def test_the_exif_description_of_an_image_is_read(http: httpx.Client) -> None:
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x010E] = "a lighthouse at night"
    Image.new("RGB", (8, 8)).save(out, "JPEG", exif=exif)
    assert 'shows "a lighthouse at night"' in text_of(about_image(http, out.getvalue()))


@pytest.mark.parametrize(("side", "length"), [(14_000, 0), (8, 65 << 20)], ids=["pixels", "text"])
def test_an_image_that_expands_too_much_is_rejected(http: httpx.Client, side: int, length: int) -> None:
    response = about_image(http, png((side, side), Comment="x" * length))
    assert response.status_code == 400
    assert response.json()["error"]["code"] in ("image_too_large", "unsupported_image_media_type")


def pdf(*streams: bytes) -> bytes:
    return b"%PDF-1.4\n" + b"".join(b"stream\r\n" + each + b"\nendstream\n" for each in streams)


def test_the_text_of_a_pdf_is_read_from_all_streams(http: httpx.Client) -> None:
    streams = (b"(One \\(1\\)) Tj (not shown) 12 Tf (two) '", zlib.compress(b"(three) Tj"))
    photos = (
        b"\xff\xd8" + b"x" * (5 << 20),
        zlib.compress(b"x" * (5 << 20)),
        *[b"(Similar to the header of zlib)"] * 20,
    )
    assert 'begins "One (1) two three"' in text_of(about_pdf(http, pdf(*photos, *[b"(S like zlib)"] * 20, *streams)))


HUGE: dict[str, Callable[[], bytes]] = {
    "streams without an end": lambda: b"%PDF-1.4\n" + b"stream\n" * 60_000,
    "escaped brackets": lambda: pdf(b"\\(" * 200_000),
    "brackets": lambda: pdf(b"(" * 400_000),
    "compressed streams": lambda: pdf(*[zlib.compress(b"(x" * 500_000)] * 500),
    "damaged streams": lambda: pdf(*[damaged(15)] * 12_000),
    "damaged streams with a smaller window": lambda: pdf(*[damaged(14)] * 12_000),
}


def damaged(window: int) -> bytes:
    """A stream that expands to 1 MB and then has a wrong checksum."""
    compressor = zlib.compressobj(wbits=window)
    return (compressor.compress(bytes(1_000_000)) + compressor.flush())[:-4] + b"wrong"


@pytest.mark.parametrize("name", HUGE)
def test_a_pdf_is_read_in_time_that_grows_with_its_size(http: httpx.Client, name: str) -> None:
    assert "a PDF" in text_of(about_pdf(http, HUGE[name]()))


def test_base64_without_a_data_uri_is_a_file(http: httpx.Client) -> None:
    file = {"file_data": base64.b64encode(pdf(b"(One) Tj")).decode(), "mime_type": "application/pdf"}
    assert 'begins "One"' in text_of(about(http, {"type": "file", "file": file}))
