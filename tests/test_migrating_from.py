"""The rows of docs/migrating_from_*.md are run, and the requests that arrive are compared with the page.

`MIGRATING_BIN=build/bench pytest tests/test_migrating_from.py` runs the left column too, with the packages that the
page names. Their environments are those of `make bench`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import openai
import pytest
from langchain.chat_models import init_chat_model
from pydantic import BaseModel

import langchain_pollinations
from langchain_pollinations import PollinationsImage, errors
from langchain_pollinations.audio import PollinationsSpeech
from langchain_pollinations.emulator import Asked, Emulator
from langchain_pollinations.media import Media
from tests.helpers.files import png
from tests.helpers.pages import python_blocks

DOCS = Path(__file__).parents[1] / "docs"
SOURCES = {"chatopenai": "env", "langchain_pollinations": "other"}
"""The environment with the package that a page is about."""
ANYTHING = "…"
ERROR_TYPES = ("| `openai.", "| `PollinationsAPIError`")

SETUP = '''
import importlib, json, os, sys

def weather(city: str) -> str:
    """Weather of a city."""
    return city

names = {"weather": weather}
for module in sys.argv[1:]:
    names |= vars(importlib.import_module(module))
url, codes = json.loads(sys.stdin.read())
names["service"] = {"base_url": url, "api_key": "sk_emulator"}
names["before"] = {**names["service"], "base_url": url + "/v1"}

class Sea(__import__("pydantic").BaseModel):
    """A sea."""
    name: str

names["Sea"] = Sea
for code in codes:
    try:
        eval(code, names)
    except Exception as error:
        print(type(error).__name__, error, file=sys.stderr)
'''
MODULES = {
    "chatopenai": ("langchain.chat_models", "langchain_openai", "openai", "builtins"),
    "langchain_pollinations": ("langchain_pollinations", "langchain_pollinations.chat", "builtins"),
}


def weather(city: str) -> str:
    """Weather of a city."""
    return city


class Sea(BaseModel):
    """A sea."""

    name: str


# --- The pages --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    source: str
    before: str
    now: str
    requests: str

    def promised(self, side: str) -> list[str]:
        """The requests of one side. Each is in backquotes; "nothing" is none."""
        parts = {label: part for label, _, part in (each.partition(": ") for each in self.requests.split("<br>"))}
        return re.findall(r"`([^`]+)`", parts.get(side, self.requests))


def _page(source: str) -> str:
    return (DOCS / f"migrating_from_{source}.md").read_text("utf-8")


def _rows(source: str) -> list[Row]:
    rows = []
    for line in _page(source).splitlines():
        cells = [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split(" | ")]
        if line.startswith("| `") and len(cells) == 4:
            before, now, requests, _ = cells
            rows.append(
                Row(source, before.strip("`"), before.strip("`") if now == "the same" else now.strip("`"), requests)
            )
    return rows


ROWS = [row for source in SOURCES for row in _rows(source)]


# --- The wire ---------------------------------------------------------------------------------------------------------


def _is_met(promised: Any, arrived: Any) -> bool:
    if promised == ANYTHING:
        return bool(arrived)
    if isinstance(promised, dict) and isinstance(arrived, dict):
        return promised.keys() == arrived.keys() and all(_is_met(promised[key], arrived[key]) for key in promised)
    return bool(promised == arrived)


def _is_as_promised(words: str, request: Asked) -> bool:
    address, _, body = words.partition(" {")
    method, _, target = address.partition(" ")
    path, _, query = target.partition("?")
    if (method, path) != (request.method, request.raw_path.partition("?")[0]):
        return False
    return _is_query_met(query, dict(request.query)) and _is_body_met(body, request)


def _is_query_met(query: str, arrived: dict[str, str]) -> bool:
    promised = dict(parse_qsl(query.removesuffix(ANYTHING).removesuffix("&")))
    arrived.pop("model", None)
    if query.endswith(ANYTHING):
        arrived = {name: value for name, value in arrived.items() if name in promised}
    return promised == {name: unquote(value) for name, value in arrived.items()}


def _is_body_met(body: str, request: Asked) -> bool:
    if body == ANYTHING + "}":
        return bool(request.body)
    promised = json.loads(re.sub(ANYTHING + r"(?=[,}])", f'"{ANYTHING}"', "{" + body)) if body else {}
    arrived = dict(request.json) if request.body else {}
    carried = {"model": arrived.get("model"), "messages": [{"role": "user", "content": "Hi"}], "stream": False}
    for name, value in carried.items():
        if name not in promised and arrived.get(name) == value:
            arrived.pop(name, None)
    return _is_met(promised, arrived)


def _check(row: Row, side: str, arrived: Sequence[Asked], failure: object = None) -> None:
    promised = row.promised(side)
    told = [(request.method, request.raw_path, request.body[:500]) for request in arrived]
    assert len(promised) == len(arrived) and all(map(_is_as_promised, promised, arrived)), (promised, told, failure)


# --- Now --------------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _files(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cat.png").write_bytes(png())
    speech = PollinationsSpeech(response_format="wav", **emulator.connection())
    speech.generate("Good evening.", path="talk.wav")
    emulator.clear()


def _run(code: str, emulator: Emulator) -> Any:
    public = [name for name in langchain_pollinations.__all__ if name != "PollinationsDecisions"]  # needs core 1.8
    names = {name: getattr(langchain_pollinations, name) for name in public}
    names |= {"weather": weather, "Sea": Sea, "init_chat_model": init_chat_model, "service": emulator.connection()}
    return eval(code, names)


RESULTS: dict[str, Callable[[Any], bool]] = {
    'generate("a cat")$': lambda result: isinstance(result, Media),
    r"\.data$": lambda result: isinstance(result, bytes),
    r"\.edit\(": lambda result: isinstance(result, Media),
    "page_content|content_blocks": lambda result: isinstance(result, str) and bool(result),
    "embed_query|list_models": lambda result: len(result) > 10,
    "with_structured_output": lambda result: isinstance(result, Sea),
    "bind_tools": lambda result: result.tool_calls[0]["name"] == "weather",
}
"""What a row returns, by a pattern of its code."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.source}-{row.now[:60]}")
def test_the_requests_of_a_row_are_as_written(row: Row, emulator: Emulator) -> None:
    result = _run(row.now, emulator)
    _check(row, "now", emulator.requests)
    assert all(is_right(result) for pattern, is_right in RESULTS.items() if re.search(pattern, row.now))


@pytest.mark.parametrize("source", SOURCES)
def test_the_python_of_a_page_runs(source: str) -> None:
    for block in python_blocks(DOCS / f"migrating_from_{source}.md"):
        block.run({})


# --- Before -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row", ROWS if "MIGRATING_BIN" in os.environ else [], ids=lambda row: f"{row.source}-{row.before[:60]}"
)
def test_the_requests_of_the_left_column_are_as_written(row: Row, emulator: Emulator) -> None:
    python = Path(os.environ["MIGRATING_BIN"]) / SOURCES[row.source] / "bin" / "python"
    done = subprocess.run(
        [python, "-P", "-c", SETUP, *MODULES[row.source]],
        input=json.dumps([emulator.url, [row.before]]),
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr
    _check(row, "before", emulator.requests, done.stderr)


# --- Errors -----------------------------------------------------------------------------------------------------------

FAULTS: dict[str, int | str] = {
    "openai.AuthenticationError": 401,
    "openai.PermissionDeniedError": 403,
    "openai.BadRequestError": 400,
    "openai.RateLimitError": 429,
    "openai.InternalServerError": 500,
    "openai.APIStatusError` with status 402": 402,
    "openai.APIConnectionError": "drop",
    "openai.APITimeoutError": "stall",
    "PollinationsAPIError` with `is_auth_error` and status 401": 401,
    "PollinationsAPIError` with `is_auth_error` and status 403": 403,
    "PollinationsAPIError` with `is_payment_required": 402,
    "PollinationsAPIError` with `is_validation_error": 400,
    "PollinationsAPIError` with status 429": 429,
    "PollinationsAPIError` with `is_server_error": 500,
}
ERRORS = {
    before.strip("`"): now.strip("`")
    for source in SOURCES
    for before, now in re.findall(r"^\| (`(?:openai\.|PollinationsAPIError)[^|]*) \| (`\w+`) \|$", _page(source), re.M)
}


def test_every_error_of_the_pages_has_a_fault() -> None:
    assert ERRORS.keys() == FAULTS.keys()


@pytest.mark.parametrize("before", FAULTS)
def test_an_error_has_the_types_of_both_columns(before: str, emulator: Emulator) -> None:
    emulator.fail(FAULTS[before], times=20)
    chat = langchain_pollinations.ChatPollinations(max_retries=0, timeout=0.5, **emulator.connection())
    with pytest.raises(getattr(errors, ERRORS[before])):
        chat.invoke("Hi")
    if before.startswith("openai."):
        kind = getattr(openai, before.removeprefix("openai.").partition("`")[0])
        client = openai.OpenAI(max_retries=0, timeout=0.5, api_key="sk_emulator", base_url=f"{emulator.url}/v1")
        with pytest.raises(kind):
            client.chat.completions.create(model="openai", messages=[{"role": "user", "content": "Hi"}])


# --- What the pages say otherwise -------------------------------------------------------------------------------------


def test_base_url_and_options_are_accepted_as_chatopenai_has_them(emulator: Emulator) -> None:
    service: dict[str, Any] = {"base_url": f"{emulator.url}/v1", "api_key": "sk_emulator"}
    assert langchain_pollinations.ChatPollinations(request_timeout=9, max_completion_tokens=500, **service).invoke("Hi")
    with pytest.raises(ValueError, match="width and height"):
        PollinationsImage(size="512x512", **service)


def test_a_missing_key_is_an_error_where_the_pages_say_so(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk_emulator")
    with pytest.raises(errors.AuthenticationError):
        langchain_pollinations.ChatPollinations(api="gen", base_url=emulator.url).invoke("Hi")
    assert not emulator.requests
