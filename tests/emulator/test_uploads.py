"""The media host: three ways to upload, and what anyone can read back."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from langchain_pollinations.emulator import Emulator

PIXELS = b"\x89PNG and what follows"
UPLOAD = "/media/upload"

Upload = Callable[..., httpx.Response]


def raw(http: httpx.Client, **more: Any) -> httpx.Response:
    return http.post(UPLOAD, content=PIXELS, headers={"content-type": "image/png", "x-file-name": "a%20cat.png"} | more)


def form(http: httpx.Client, **fields: Any) -> httpx.Response:
    return http.post(UPLOAD, files={"file": ("a cat.png", PIXELS, "image/png")}, data=fields)


def in_json(http: httpx.Client, **fields: Any) -> httpx.Response:
    body = {"data": base64.b64encode(PIXELS).decode(), "contentType": "image/png", "name": "a cat.png"} | fields
    return http.post(UPLOAD, json=body)


def head_of(http: httpx.Client, name: str) -> httpx.Headers:
    return http.get(f"/media/{name}").headers


def test_a_file_name_may_look_like_a_url(http: httpx.Client) -> None:
    files = {"file": ("//[", PIXELS, "image/png")}
    assert http.post("/media/upload", files=files).status_code == 200


@pytest.mark.parametrize("upload", [raw, form, in_json])
def test_what_is_uploaded_can_be_read_by_anyone(http: httpx.Client, emulator: Emulator, upload: Upload) -> None:
    told = upload(http).json()
    assert told == {"id": told["id"], "url": f"{emulator.url}/media/{told['id']}"} | {
        "contentType": "image/png",
        "size": len(PIXELS),
    }
    with httpx.Client() as anyone:
        found = anyone.get(told["url"])
        known = anyone.get(told["url"] + "/metadata").json()
        head = anyone.head(told["url"])
    assert found.content == PIXELS and head.content == b""
    assert head.headers["x-content-size"] == found.headers["x-content-size"] == str(len(PIXELS))
    assert found.headers["content-type"] == "image/png" and found.headers["x-content-id"] == told["id"]
    assert found.headers["content-disposition"] == "attachment; filename*=UTF-8''a%20cat.png"
    assert found.headers["link"] == f'<{told["url"]}>; rel="enclosure"'
    assert "immutable" in found.headers["cache-control"]
    assert known.pop("uploadedAt").endswith("Z")
    assert known == {"id": told["id"], "contentType": "image/png", "size": len(PIXELS)}


def test_the_same_bytes_get_a_new_id_each_time(http: httpx.Client) -> None:
    assert raw(http).json()["id"] != raw(http).json()["id"]


@pytest.mark.parametrize("upload", [form, in_json])
def test_an_id_of_ones_own_is_given_once_and_replaces_nothing(http: httpx.Client, upload: Upload) -> None:
    first = upload(http, id="cat.v1").json()
    assert first["id"].endswith("-cat.v1") and first["id"] != "cat.v1"
    again = upload(http, id="cat.v1")
    assert again.status_code == 409 and set(again.json()) == {"error"}
    assert head_of(http, first["id"])["cache-control"] == "no-store"


def test_accounts_do_not_share_their_ids(http: httpx.Client, emulator: Emulator) -> None:
    emulator.keys["sk_other"] = {}
    theirs = http.post(UPLOAD, json={"data": "aGk=", "id": "x"}, headers={"authorization": "Bearer sk_other"})
    assert theirs.json()["id"] != http.post(UPLOAD, json={"data": "aGk=", "id": "x"}).json()["id"]


@pytest.mark.parametrize(("upload", "tags"), [(form, "cats, art"), (in_json, "cats,art"), (in_json, ["cats", "art"])])
def test_tags_come_back_and_keep_the_file_out_of_caches(http: httpx.Client, upload: Upload, tags: Any) -> None:
    told = upload(http, tags=tags).json()
    assert told["tags"] == ["cats", "art"]
    assert head_of(http, told["id"])["cache-control"] == "no-store"


def test_a_data_uri_is_read_but_its_type_is_not(http: httpx.Client) -> None:
    told = http.post(UPLOAD, json={"data": "data:image/png;base64,aGk"}).json()
    assert told["contentType"] == "application/octet-stream" and told["size"] == 2


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"content": b"", "headers": {"content-type": "image/png"}}, id="empty"),
        pytest.param({"content": b"x"}, id="no type"),
        pytest.param({"data": {"file": "x"}}, id="a form of another kind"),
        pytest.param({"files": {"other": b"x"}}, id="no part named file"),
        pytest.param({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, id="no boundary"),
        pytest.param({"content": b"{", "headers": {"content-type": "application/json"}}, id="broken JSON"),
        pytest.param({"json": {}}, id="no data"),
        pytest.param({"json": {"data": "*"}}, id="no base64"),
        pytest.param({"json": {"data": "aGk=", "id": "-x"}}, id="bad id"),
        pytest.param({"json": {"data": "aGk=", "tags": [1]}}, id="bad tags"),
        pytest.param({"json": {"data": "aGk=", "contentType": "a\nb"}}, id="bad type"),
    ],
)
def test_what_is_no_upload_is_refused_without_an_envelope(http: httpx.Client, request_: dict[str, Any]) -> None:
    response = http.post(UPLOAD, **request_)
    assert response.status_code == 400, response.text
    assert list(response.json()) == ["error"] and isinstance(response.json()["error"], str)


@pytest.mark.parametrize("key", ["", "Bearer sk_nobody"])
def test_an_upload_needs_a_key(http: httpx.Client, key: str) -> None:
    response = http.post(UPLOAD, json={"data": "aGk="}, headers={"authorization": key})
    assert response.status_code == 401 and list(response.json()) == ["error"]
    kept = http.post(UPLOAD, params={"key": "sk_emulator"}, json={"data": "aGk="}, headers={"authorization": ""})
    assert kept.status_code == 200


def test_uploads_have_limits_of_their_own(http: httpx.Client) -> None:
    over = b"x" * (21 * 1024 * 1024)  # more than any other route takes
    assert http.post(UPLOAD, content=over, headers={"content-type": "video/mp4"}).json()["size"] == len(over)
    far_over = b" " * (100 * 1024 * 1024 + 1)
    refused = http.post(UPLOAD, content=far_over, headers={"content-type": "application/json"})
    assert refused.status_code == 413 and list(refused.json()) == ["error"]


@pytest.mark.parametrize("path", ["/media/none", "/media/none/metadata", "/media/none/more", "/media/upload"])
def test_what_is_not_there_is_not_made(http: httpx.Client, path: str) -> None:
    response = http.get(path)
    assert response.status_code == 404 and list(response.json()) == ["error"]


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/xhtml+xml", "image/png"])
def test_a_browser_saves_an_upload_and_does_not_run_it(http: httpx.Client, kind: str) -> None:
    told = http.post(UPLOAD, content=b"<script>alert(1)</script>", headers={"content-type": kind}).json()
    head = head_of(http, told["id"])
    assert head["content-disposition"] == "attachment"
    assert head["x-content-type-options"] == "nosniff"


def test_a_drawing_with_scripts_is_kept_from_running_them(http: httpx.Client) -> None:
    told = http.post(UPLOAD, content=b"<svg/>", headers={"content-type": "image/svg+xml"}).json()
    head = head_of(http, told["id"])
    assert "default-src 'none'" in head["content-security-policy"] and head["x-content-type-options"] == "nosniff"
