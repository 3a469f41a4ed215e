"""What the README and the notebooks say is run, and the page of the demo is opened in a browser."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.pages import python_blocks

ROOT = Path(__file__).parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def test_the_first_python_of_the_readme_needs_no_key_and_no_server(tmp_path: Path) -> None:
    first = next(python_blocks(ROOT / "README.md"))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("POLLINATIONS_")}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-c", first.code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("](http://127.0.0.1:") == 3
    assert done.stderr == ""


@pytest.mark.parametrize("path", sorted(ROOT.glob("notebooks/**/*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


NOTEBOOKS = sorted(ROOT.glob("notebooks/**/*.ipynb"))
NEEDS = {"research_agent": "langchain_mcp_adapters", "scale_out": "ray", "deep_agent": "deepagents"}
"""Modules that are not in every environment of the tests, by the notebook that needs them."""


class Pages:
    """The pages that `make notebooks` writes, by name, made by the script that it calls.

    Each is made when it is first needed, by one of the workers that share the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getitem__(self, name: str) -> Path:
        if name in NEEDS:
            pytest.importorskip(NEEDS[name], reason=f"{NEEDS[name]} is not installed")
        page, work = self.folder / f"{name}.html", self.folder / name
        (notebook,) = (path for path in NOTEBOOKS if path.stem == name)
        try:
            work.mkdir(parents=True)
        except FileExistsError:
            deadline = time.monotonic() + 120
            while not page.exists():
                assert time.monotonic() < deadline, f"another worker has not made the page of {name}"
                time.sleep(0.1)
            return page
        environment = {key: value for key, value in os.environ.items() if not key.startswith("POLLINATIONS_")}
        environment["PYTHONPATH"] = str(ROOT)  # this checkout, wherever an installed package may lie
        subprocess.run(
            [sys.executable, ROOT / "scripts" / "notebooks.py", "--to", work, notebook],
            check=True,
            capture_output=True,
            env=environment,
        )
        return (work / page.name).replace(page)


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    base = tmp_path_factory.getbasetemp()
    return Pages((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "pages")


@pytest.mark.once
@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])
def test_pages_need_nothing_from_elsewhere_and_tell_of_no_fault(pages: Pages, name: str) -> None:
    html = pages[name].read_text("utf-8")
    assert "requests go to the emulator" in html
    assert not re.search(r"""<(?!a )[^>]*(src|href)=["']?(https?:)?//""", html)
    assert 'data-mime-type="application/vnd.jupyter.stderr"' not in html


@pytest.mark.once
def test_the_demo_shows_a_picture_of_each_scene(pages: Pages, tmp_path: Path) -> None:
    html = pages["illustrating_agent"].read_text("utf-8")
    assert len(set(re.findall(r"data:image/jpeg;base64,[^\"]+", html))) >= 3
    seen = _in_a_browser(html, "[...document.images].map(image => [image.naturalWidth, image.naturalHeight])", tmp_path)
    assert len(seen) >= 3
    assert all(size == [768, 512] for size in seen)


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "pictures", "players"),
    [
        ("approval", 1, 2),
        ("captions", 3, 1),
        ("chat", 0, 1),
        ("comic_strip", 2, 0),
        ("deep_agent", 3, 0),
        ("illustrated_rag", 15, 0),
        ("illustrating_agent", 3, 0),
        ("media_studio", 7, 5),
        ("memory", 3, 0),
        ("narrated_slideshow", 1, 1),
        ("podcast", 0, 1),
        ("product_images", 1, 0),
        ("research_agent", 1, 0),
        ("scale_out", 1, 0),
        ("structured_extraction", 5, 0),
        ("without_a_key", 4, 0),
    ],
)
def test_what_a_page_shows_and_plays_is_whole(
    pages: Pages, tmp_path: Path, name: str, pictures: int, players: int
) -> None:
    shown = """{
        widths: [...document.images].map(image => image.naturalWidth),
        seconds: [...document.querySelectorAll("audio, video")].map(player => player.duration),
    }"""
    seen = _in_a_browser(pages[name].read_text("utf-8"), shown, tmp_path)
    assert len(seen["widths"]) >= pictures and len(seen["seconds"]) >= players
    assert all(width > 50 for width in seen["widths"])
    assert all(seconds and seconds > 0.5 for seconds in seen["seconds"])


@pytest.mark.once
def test_the_studio_shows_vectors_as_pictures_and_offers_the_object_as_a_file(pages: Pages, tmp_path: Path) -> None:
    shown = """{
        vectors: [...document.images].filter(image => image.src.startsWith("data:image/svg+xml"))
            .map(image => image.naturalWidth),
        objects: [...document.querySelectorAll("a[download]")]
            .map(link => [link.download, atob(link.href.split(",")[1]).slice(0, 4)]),
    }"""
    seen = _in_a_browser(pages["media_studio"].read_text("utf-8"), shown, tmp_path)
    assert seen == {"vectors": [768], "objects": [["model.glb", "glTF"]]}


@pytest.mark.once
def test_the_agent_of_the_studio_edits_what_it_drew(pages: Pages) -> None:
    html = pages["media_studio"].read_text("utf-8")
    assert re.search(r"edit_image .*make it night.*images.*http://127\.0\.0\.1:\d+/media/", html)
    assert "a JPEG of 768 by 512 pixels, mostly blue" in html


@pytest.mark.once
def test_without_a_key_the_waiting_is_seen(pages: Pages) -> None:
    assert pages["without_a_key"].read_text("utf-8").count("In the queue: about") >= 6


@pytest.mark.once
def test_the_research_cites_only_pages_that_it_read(pages: Pages) -> None:
    html = pages["research_agent"].read_text("utf-8")
    assert len(set(re.findall(r"\[\d\] read, https://encyclopedia\.example\.org/wiki/(\w+)", html))) == 2
    assert not re.search(r"\[\d\] NOT READ", html)
    assert "AuthenticationError: Invalid API key." in html


@pytest.mark.once
def test_the_answer_from_documents_names_sources_that_were_found(pages: Pages) -> None:
    html = pages["illustrated_rag"].read_text("utf-8")
    assert re.search(r"which lighthouse it sees\. \[2\]", html)
    assert "[2] The rhythm of a light, notes/02.md" in html
    assert not re.search(r"\[\d+\] is none of the notes", html)


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("approval", r"<td>edit</td>\s*<td>0\.64</td>\s*<td>0\.32</td>"),
        ("approval", r"<td>reject</td>\s*<td>0\.32</td>\s*<td>0</td>"),
        ("deep_agent", r"\[x\] Write the text to /story\.md"),
        ("deep_agent", r"3 of 3 images are in the story"),
        ("fallbacks", r"<td>RateLimitError, ServiceUnavailableError</td>\s*<td>qwen/"),
        ("fallbacks", r"<td>AuthenticationError</td>\s*<td>none, it is raised</td>"),
        ("memory", r"Here is a summary of the conversation"),
        ("memory", r"ben: What is my boat called\?\n.*called Gull\n"),
        ("memory", r"ben: Make the image \w+ foggy\.\n.*no media has the id"),
        ("narrated_slideshow", r": \d+\.\d seconds, [\d,]+ bytes"),
        ("podcast", r"0:\d\d\.\d  Ben: "),
        ("product_images", r"6 done, 6 skipped, 0 failed, 0\.012 pollen"),
        ("structured_extraction", r"<td>3\.49</td><td></td><td>EUR</td><td></td>"),
        ("structured_extraction", r"<td>the price 4\.2 is not below the old price 3\.9</td>"),
    ],
)
def test_a_recipe_shows_what_it_promises(pages: Pages, name: str, shown: str) -> None:
    assert re.search(shown, pages[name].read_text("utf-8"))


@pytest.mark.once
def test_the_page_of_captions_shows_each_subtitle_and_has_alternative_texts(pages: Pages, tmp_path: Path) -> None:
    shown = """(() => {
        const track = document.querySelector("audio track"), line = document.querySelector("audio + p")
        const subtitles = [...track.track.cues].map(cue => {
            Object.defineProperty(track, "track", {value: {activeCues: [cue]}, configurable: true})
            track.dispatchEvent(new Event("cuechange"))
            return [cue.startTime, line.textContent]
        })
        return {subtitles, alternatives: [...document.querySelectorAll("figure img")].map(image => image.alt)}
    })()"""
    seen = _in_a_browser(pages["captions"].read_text("utf-8"), shown, tmp_path)
    starts, texts = zip(*seen["subtitles"], strict=True)
    assert texts == ("The tide is out.", "Shells lie on the sand.", "Soon the sea comes back.")
    assert list(starts) == sorted(set(starts))
    assert len(set(seen["alternatives"])) == 3 and all(0 < len(text) <= 125 for text in seen["alternatives"])


def _in_a_browser(html: str, expression: str, folder: Path) -> Any:
    """The value of a JavaScript expression in a page, once all of the page is there."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here to open the page in")
    probe = f"""<script>addEventListener("load", () => {{
        const seen = {expression}
        document.body.innerHTML = "<pre id=seen>" + JSON.stringify(seen) + "</pre>"
    }})</script></body>"""
    page = folder / "page.html"
    page.write_text(html.replace("</body>", probe), "utf-8")
    done = subprocess.run(
        [
            CHROMIUM,
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
            *("--disable-component-update", "--disable-sync", "--disable-quic", f"--user-data-dir={folder / 'user'}"),
            *("--virtual-time-budget=10000", "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout)
    assert found, done.stderr[-2000:]
    return json.loads(found[1])


def test_the_emulator_starts_from_the_command_line_as_the_readme_says() -> None:
    """The stranger's check: one terminal serves, another asks with the lines it was shown."""

    async def run() -> str:
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "langchain_pollinations.emulator", "--port", "0", stdout=asyncio.subprocess.PIPE
        )
        try:
            assert server.stdout is not None
            shown = ""
            while "api_key" not in shown:
                shown += (await asyncio.wait_for(server.stdout.readline(), 120)).decode()
            return shown
        finally:
            server.terminate()
            await server.wait()

    assert "http://127.0.0.1:" in asyncio.run(run())
