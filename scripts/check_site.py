"""Open every page of build/site in headless Chromium, as a phone and as a desktop, and list what is wrong.

    python scripts/check_site.py [--screenshots folder]

A page is wrong if it is wider than the screen, writes an error to the console, sends a request to another host, or
contains a link or an anchor that does not exist. The search must find "rate limit".
"""

from __future__ import annotations

import argparse
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from playwright.sync_api import Error, sync_playwright

SITE = Path(__file__).parents[1] / "build" / "site"
SCREENS = {"phone": (390, 844), "desktop": (1280, 800)}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

FOUND = """() => ({
    width: document.documentElement.scrollWidth,
    ids: [...document.querySelectorAll("[id]")].map(each => each.id),
    links: [...document.querySelectorAll("a[href]")].map(each => each.href),
    wide: [...document.querySelectorAll("article *")].filter(each =>
        each.getBoundingClientRect().right > innerWidth + 1 && !each.closest("pre, .md-typeset__scrollwrap"))
        .slice(0, 3).map(each => each.outerHTML.slice(0, 120)),
})"""


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """The browser has left the page before it was complete."""


@contextmanager
def served() -> Iterator[str]:
    with Server(("127.0.0.1", 0), partial(Handler, directory=str(SITE))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Check:
    def __init__(self, browser: Any, base: str, screenshots: Path | None) -> None:
        self.browser, self.base, self.screenshots = browser, base, screenshots
        self.problems: list[str] = []
        self.ids: dict[str, set[str]] = {}
        self.links: dict[str, set[str]] = {}

    def open_all(self, names: Sequence[str], screen: str) -> None:
        size = dict(zip(("width", "height"), SCREENS[screen], strict=True))
        page = self.browser.new_page(viewport=size)
        page.on("request", lambda request: self._note_request(page.url, request.url))
        page.on("console", lambda line: self._note_console(page.url, line.type, line.text))
        page.on("pageerror", lambda error: self.problems.append(f"{page.url}: {error}"))
        for name in names:
            page.goto(urljoin(self.base, name))
            self._look(page, name, screen, size["width"])
        page.close()

    def _look(self, page: Any, name: str, screen: str, width: int) -> None:
        found, where = page.evaluate(FOUND), f"{name} ({screen})"
        notebook = name.startswith("notebooks/")  # these pages are made for a desktop
        if found["width"] > width and not (notebook and screen == "phone"):
            self.problems.append(f"{where}: the page is {found['width']} pixels wide, because of {found['wide']}")
        self.ids[name] = {*found["ids"], ""}
        self.links[name] = set() if notebook else set(found["links"])
        if self.screenshots:
            target = self.screenshots / f"{name.replace('/', '-').removesuffix('.html')}-{screen}.png"
            page.screenshot(path=target)

    def _note_request(self, where: str, url: str) -> None:
        if not url.startswith((self.base, "data:", "blob:")):
            self.problems.append(f"{where}: a request to {url[:100]}")

    def _note_console(self, where: str, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.problems.append(f"{where}: {kind} in the console: {text}")

    def check_links(self) -> None:
        for name, links in self.links.items():
            for link in sorted(links):
                url, anchor = urldefrag(link)
                if not url.startswith(self.base):
                    continue
                target = unquote(url.removeprefix(self.base)) or "index.html"
                if not (SITE / target).is_file():
                    self.problems.append(f"{name}: {target} does not exist")
                elif target in self.ids and unquote(anchor) not in self.ids[target]:
                    self.problems.append(f"{name}: {target} has no anchor {anchor}")

    def search(self, words: str) -> None:
        page = self.browser.new_page()
        page.on("request", lambda request: self._note_request("search", request.url))
        page.goto(self.base)
        try:
            page.keyboard.press("/")
            page.locator("input:focus").fill(words, timeout=15_000)
            page.locator(f"a[href*='.html'] >> text=/{words}/i").first.wait_for(timeout=15_000)
        except Error as error:
            self.problems.append(f"the search does not find {words!r}: {str(error).splitlines()[0]}")
        if self.screenshots:
            page.screenshot(path=self.screenshots / "search.png")
        page.close()


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--screenshots", type=Path, help="folder for a screenshot of each page")
    folder = options.parse_args().screenshots
    if CHROMIUM is None:
        print("Chromium is not installed, so the pages are not checked.", file=sys.stderr)
        return 1
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    with served() as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        check = Check(browser, base, folder)
        names = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
        for screen in SCREENS:
            check.open_all(names, screen)
        check.check_links()
        check.search("rate limit")
        browser.close()
    print(*check.problems, sep="\n", end="\n" if check.problems else "")
    print(f"{len(names)} pages, {len(check.problems)} problems")
    return 1 if check.problems else 0


if __name__ == "__main__":
    sys.exit(main())
