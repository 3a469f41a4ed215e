"""The examples with a page or an endpoint, each as a process of its own: `chat_app.py`, `fastapi_app.py` and
`streamlit_app.py`. The pages are opened in Chromium.

`make test-chat` installs what these tests need. The emulator runs here.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from langchain_pollinations import PollinationsSpeech
from langchain_pollinations.emulator import Emulator
from tests.helpers.files import png
from tests.helpers.programs import ROOT, running, variables

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MISSING = [name for name in ("gradio", "playwright", "fastapi", "streamlit") if importlib.util.find_spec(name) is None]
if CHROMIUM is None:
    MISSING.append("chromium")
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"missing: {', '.join(MISSING)}; see `make test-chat`")

SCREENS = {"phone": (390, 844), "desktop": (1280, 800)}
LIMIT = 60
"""Seconds after which a process or a page that does not answer has failed."""
PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>endobj
trailer<</Root 1 0 R>>
%%EOF"""


def example(folder: Path, *command: str, service: Emulator | None) -> AbstractContextManager[str]:
    return running(folder, *command, cwd=ROOT / "examples", service=service)


def chat_app(folder: Path, service: Emulator | None) -> AbstractContextManager[str]:
    return example(folder, "chat_app.py", "--port", "{port}", service=service)


# --- Pages ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Page:
    """A page in the browser, which may send requests to this machine only."""

    def __init__(self, browser: Any, url: str, screen: tuple[int, int]) -> None:
        self.page = browser.new_page(viewport=dict(zip(("width", "height"), screen, strict=True)))
        self.page.set_default_timeout(LIMIT * 1000)
        self.foreign: list[str] = []
        self.page.on("request", self._note)
        self.page.on("requestfailed", self._note_blocked)
        self.page.goto(url)

    def _note(self, request: Any) -> None:
        if re.match(r"(http|ws)s?://(?!127\.0\.0\.1:)", request.url):
            self.foreign.append(request.url)

    def _note_blocked(self, request: Any) -> None:
        if request.failure == "csp":  # the browser did not send it
            self.foreign.remove(request.url)

    def ask(self, question: str) -> None:
        box = self.page.locator("textarea:enabled").first
        box.fill(question)
        box.press("Enter")

    def text(self) -> str:
        found: str = self.page.locator("body").inner_text()
        return found

    def wait_for(self, text: str) -> None:
        self.page.get_by_text(text).last.wait_for()

    def wait_until(self, script: str) -> None:
        """Wait until a JavaScript expression is true."""
        self.page.wait_for_function(script)

    def attach(self, *files: Path) -> None:
        self.page.locator("textarea:enabled").first.wait_for()
        self.page.locator("input[type=file]").first.set_input_files(files)
        self.wait_until(f"document.querySelectorAll('.thumbnail-item').length == {len(files)}")

    def close(self) -> None:
        self.page.close()
        assert self.foreign == []


def connections(service: Emulator) -> int:
    """Number of open connections to the emulator."""
    server = service._port._server
    return 0 if server is None else len(server.server_state.connections)


@contextmanager
def aborted(service: Emulator) -> Iterator[None]:
    """Wait until a request that is running is aborted by the block."""
    before, end = connections(service), time.monotonic() + 10
    yield
    while connections(service) >= before:
        assert time.monotonic() < end, "the request goes on"
        time.sleep(0.02)


@contextmanager
def opened(browser: Any, url: str, screen: str = "desktop") -> Iterator[Page]:
    page = Page(browser, url, SCREENS[screen])
    try:
        yield page
        if folder := os.environ.get("SCREENSHOTS"):
            name = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0]
            page.page.screenshot(path=Path(folder) / f"{name}-{screen}.png")
    finally:
        page.close()


IMAGES = "[...document.querySelectorAll('img')].filter(image => image.naturalWidth > 200).length"


# --- The chat page ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def url(shared: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chat_app(tmp_path_factory.mktemp("chat_app"), shared) as url:
        yield url


@pytest.fixture
def service(shared: Emulator, url: str) -> Emulator:
    shared.clear()
    return shared


@pytest.fixture
def page(browser: Any, service: Emulator, url: str) -> Iterator[Page]:
    with opened(browser, url) as page:
        yield page


def chats(service: Emulator) -> list[dict[str, Any]]:
    return [request.json for request in service.requests if request.path == "/v1/chat/completions"]


@pytest.fixture(scope="module")
def keyless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chat_app(tmp_path_factory.mktemp("keyless"), None) as url:
        yield url


@pytest.mark.parametrize("screen", SCREENS)
def test_the_page_tells_an_illustrated_story_without_a_key(browser: Any, keyless: str, screen: str) -> None:
    with opened(browser, keyless, screen) as page:
        page.page.get_by_text("illustrated story about a whale").click()
        page.wait_until(f"{IMAGES} == 3")
        page.wait_until("document.querySelectorAll('[data-testid=bot] h2').length == 3")
        page.page.locator(".submit-button").wait_for()
        assert "Reasoning" in page.text()
        assert "Cost: 0 pollen" not in page.text()
        # The whole page is on the screen, with the box for the next message.
        width, height = SCREENS[screen]
        assert page.page.evaluate("document.documentElement.scrollWidth") <= width
        box = page.page.locator("textarea").first.bounding_box()
        assert 0 < box["y"] < height - box["height"]


def test_reasoning_and_text_are_shown_as_they_arrive(page: Page, service: Emulator) -> None:
    service.reply(message={"reasoning_content": "I count. ", "content": "one " * 600 + "last"}, chunk_delay=0.1)
    page.ask("Count")
    page.wait_for("I count.")
    for number in (3, 10, 20):
        page.wait_for("one " * number)
    assert "last" not in page.text()


def test_media_of_tools_can_be_played(page: Page, service: Emulator) -> None:
    tools = {
        "generate_video": {"prompt": "a lighthouse"},
        "generate_music": {"prompt": "a waltz"},
        "generate_speech": {"text": "The tide is out."},
    }
    service.reply(tool_calls=[{"name": name, "args": args} for name, args in tools.items()], on="/v1/chat")
    service.reply("Here they are.", on="/v1/chat")
    page.ask("Show what you can")
    page.wait_for("Here they are.")
    page.wait_until("document.querySelector('video')?.duration > 1")
    for duration in ("0:20", "0:01"):  # the audio elements are not in the document, but the page shows their durations
        page.wait_for(duration)


def test_the_stop_button_stops_and_the_conversation_goes_on(page: Page, service: Emulator) -> None:
    drawing = {"name": "generate_image", "args": {"prompt": "a clock"}}
    service.reply("tick " * 200, tool_calls=[drawing], on="/v1/chat", chunk_delay=0.2)
    page.ask("Tick")
    page.wait_for("tick tick")
    clear = page.page.get_by_role("button", name="Clear").first
    clear.wait_for(state="hidden")
    with aborted(service):
        page.page.locator(".stop-button").click()
    page.page.locator(".submit-button").wait_for()
    clear.wait_for()
    shown = page.text().count("tick")
    service.reply("Now I talk.")
    page.ask("Talk instead")
    page.wait_for("Now I talk.")
    assert 0 < page.text().count("tick") <= shown < 200
    assert [request.path for request in service.requests if request.path != "/models"] == ["/v1/chat/completions"] * 2
    asked = [message["content"] for message in chats(service)[-1]["messages"] if message["role"] == "user"]
    assert "Tick" in str(asked[0]) and "Talk instead" in str(asked[-1])


def test_an_answer_ends_with_its_page(page: Page, service: Emulator) -> None:
    service.reply("tick " * 200, on="/v1/chat", chunk_delay=0.2)
    page.ask("Tick")
    page.wait_for("tick tick")
    with aborted(service):
        page.page.reload()
    assert len(chats(service)) == 1


def test_an_error_can_be_read_and_the_conversation_goes_on(page: Page, service: Emulator) -> None:
    service.fail(402, message="Your balance is too low for this model.", on="/v1/chat")
    page.ask("Hello")
    page.wait_for("Your balance is too low for this model.")
    key = service.connection()["api_key"]
    account = service.state.keys.pop(key)
    page.ask("Hello?")
    page.wait_for("Invalid API key.")
    service.state.keys[key] = account
    assert key not in page.text()
    service.reply("I am back.")
    page.ask("Are you there?")
    page.wait_for("I am back.")
    service.reply("I am back again.")
    page.page.get_by_role("button", name="Retry").click()
    page.wait_for("I am back again.")
    asked = [message["content"] for message in chats(service)[-1]["messages"] if message["role"] == "user"]
    assert "Hello" in str(asked) and str(asked).count("Are you there?") == 1


def test_a_message_that_cannot_be_answered_is_not_sent_again(page: Page, service: Emulator, tmp_path: Path) -> None:
    page.ask(" ")
    page.wait_for("Write a message or attach a file.")
    broken, kite = tmp_path / "broken.png", tmp_path / "kite.png"
    broken.write_bytes(b"no image")
    page.attach(broken)
    page.ask("What is this?")
    page.wait_for("broken.png is not an image")
    assert chats(service) == []
    kite.write_bytes(png())
    page.attach(kite)
    service.fail(400, message="This model accepts no images.", on="/v1/chat")
    page.ask("And this?")
    page.wait_for("This model accepts no images.")
    service.reply("Hello.")
    page.ask("Good morning")
    page.wait_for("Hello.")
    (question,) = [message for message in chats(service)[-1]["messages"] if message["role"] == "user"]
    assert "Good morning" in str(question) and "image" not in str(question)


def test_urls_of_a_model_are_not_loaded(page: Page, service: Emulator) -> None:
    tags = (
        '<img src="http://elsewhere.example/a.png"> ![](http://elsewhere.example/b.png)',
        '<video src="http://elsewhere.example/c.mp4"></video>',
        '<iframe src="http://elsewhere.example/d"></iframe>',
        '<svg><image href="http://elsewhere.example/e.png"/></svg>',
    )
    service.reply("\n\n".join((*tags, "This is all.")))
    page.ask("Show images of others")
    page.wait_for("This is all.")
    page.wait_until("document.querySelector('[data-testid=bot] img[src*=elsewhere]')")
    assert page.foreign == []


def test_attachments_reach_the_model_and_the_tools(page: Page, service: Emulator, tmp_path: Path) -> None:
    speech = PollinationsSpeech(**service.connection()).generate("Whales sleep upright.")
    files = {"kite.png": png(), "paper.pdf": PDF, "talk.mp3": speech.data}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    page.attach(*(tmp_path / name for name in files))
    service.reply("I see a kite.")
    page.ask("What is this?")
    page.wait_for("I see a kite.")
    (question,) = [message for message in chats(service)[-1]["messages"] if message["role"] == "user"]
    parts = question["content"]
    assert {part["type"] for part in parts} >= {"text", "image_url", "file"}
    told = json.dumps(parts)
    assert all(name in told for name in files)

    recording = re.search(r"talk\.mp3, id (\w+)", told)
    assert recording
    call = {"name": "transcribe_audio", "args": {"recording": recording[1]}}
    service.reply(tool_calls=[call], on="/v1/chat")
    service.reply("Now I know.", on="/v1/chat")
    page.ask("What is said?")
    page.wait_for("Now I know.")
    assert "Whales sleep upright" in chats(service)[-1]["messages"][-1]["content"]


def test_each_page_has_a_conversation_of_its_own(browser: Any, page: Page, service: Emulator, url: str) -> None:
    service.reply("Hello Anna.", "Hello Bert.", "Hello again.")
    page.ask("I am Anna")
    page.wait_for("Hello Anna.")
    with opened(browser, url) as other:
        other.ask("I am Bert")
        other.wait_for("Hello Bert.")
    page.page.get_by_role("button", name="Clear").first.click()
    page.page.get_by_text("Hello Anna.").wait_for(state="detached")
    page.ask("Who am I?")
    page.wait_for("Hello again.")
    told = [json.dumps(chat["messages"]) for chat in chats(service)]
    assert [text.count('"user"') for text in told] == [1, 1, 1]
    assert "Anna" not in told[1] + told[2]


@pytest.mark.parametrize(
    ("label", "model", "has_tools"),
    [
        pytest.param("GPT-5 Nano · 0.04 / 0.30", "openai/gpt-5-nano", True, id="tools"),
        pytest.param("Sonar · 1.00 / 1.00 · no tools", "perplexity/sonar", False, id="no tools"),
    ],
)
def test_the_models_have_prices_and_the_chosen_one_answers(
    page: Page, service: Emulator, label: str, model: str, has_tools: bool
) -> None:
    picker = page.page.get_by_role("combobox").first
    picker.click()
    picker.fill(label.partition(" ·")[0])
    page.page.get_by_role("option", name=label).click()
    page.ask("Hello")
    page.wait_until("!document.body.innerText.includes('Cost: 0 pollen')")
    (request,) = chats(service)
    assert request["model"] == model
    assert ("tools" in request) is has_tools


WITHOUT_GRADIO = "import runpy, sys; sys.modules['gradio'] = None; runpy.run_path('chat_app.py', run_name='__main__')"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        pytest.param(["-c", WITHOUT_GRADIO], "The page needs: pip install", id="no gradio"),
        pytest.param(["chat_app.py", "--port", "{port}"], "Select another port with --port.", id="port in use"),
    ],
)
def test_a_page_that_cannot_start_says_why(
    service: Emulator, url: str, tmp_path: Path, command: list[str], message: str
) -> None:
    environment = {**os.environ, **variables(tmp_path, service)}
    words = [sys.executable, *(word.format(port=url.rpartition(":")[2]) for word in command)]
    done = subprocess.run(words, cwd=ROOT / "examples", env=environment, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


# --- The endpoint -----------------------------------------------------------------------------------------------------


@contextmanager
def answers(url: str, question: str) -> Iterator[Iterator[tuple[str, Any]]]:
    """Ask the endpoint, and yield its events as they arrive."""
    with httpx.stream("POST", f"{url}/answers", json={"question": question}, timeout=LIMIT) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        yield _events(response)


def _events(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    event = ""
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "data":
            yield event, json.loads(value)


def test_the_endpoint_streams_text_and_images_and_stops_for_a_client_that_leaves(
    shared: Emulator, tmp_path: Path
) -> None:
    shared.clear()
    with example(tmp_path, "fastapi_app.py", "--port", "{port}", service=shared) as url:
        with answers(url, "Tell me a short illustrated story about a whale") as events:
            seen = list(events)
        names = [name for name, _ in seen]
        assert names.count("image") == 3 and names.count("text") > 5 and names[-1] == "done"
        assert all(data["mime_type"] == "image/jpeg" and data["base64"] for name, data in seen if name == "image")
        assert float(seen[-1][1]["pollen"]) > 0

        shared.fail(402, message="Your balance is too low.", on="/v1/chat")
        with answers(url, "Hello") as events:
            (only,) = events
        assert only == ("error", {"type": "PaymentRequiredError", "message": only[1]["message"]})
        assert "Your balance is too low." in only[1]["message"]

        shared.clear()
        drawing: Mapping[str, Any] = {"name": "generate_image", "args": {"prompt": "a kite"}}
        shared.reply("One moment. " * 100, tool_calls=[drawing], on="/v1/chat", chunk_delay=0.2)
        with ExitStack() as stack:
            events = stack.enter_context(answers(url, "Draw a kite"))
            assert next(events)[0] == "text"
            with aborted(shared):
                stack.close()
        assert [request.path for request in shared.requests] == ["/v1/chat/completions"]


def test_the_streamlit_page_shows_a_story_and_keeps_it(browser: Any, shared: Emulator, tmp_path: Path) -> None:
    shared.clear()
    options = ["--server.port", "{port}", "--server.address", "127.0.0.1", "--browser.gatherUsageStats", "false"]
    command = ["-m", "streamlit", "run", "streamlit_app.py", "--server.headless", "true", *options]
    with example(tmp_path, *command, service=shared) as url, opened(browser, url) as page:
        page.ask("Tell me a short illustrated story about a whale")
        page.wait_until(f"{IMAGES} >= 3")
        page.wait_until("document.querySelectorAll('h2').length == 3")
        shared.reply("It is called Wanda. !![a whale](http://elsewhere.example/b.png)")
        page.ask("What is its name?")
        page.wait_for("It is called Wanda.")
        page.wait_until(f"{IMAGES} >= 3")
        page.wait_until("document.querySelector('a[href*=elsewhere]') !== null")
        shared.fail(402, message="Your balance is too low.", on="/v1/chat")
        page.ask("And its age?")
        page.wait_for("Your balance is too low.")
    asked = [message for message in chats(shared)[-1]["messages"] if message["role"] == "user"]
    assert len(asked) >= 2
