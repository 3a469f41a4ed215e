"""docs/migrating.md is true: each of its rows is run on both generations of the service, and is told by a test."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import openai
import pytest
from langchain_core.output_parsers import JsonOutputParser
from pydantic import ValidationError

import langchain_pollinations
from langchain_pollinations import errors
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Asked, Emulator, Legacy
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from langchain_pollinations.tools.images import PollinationsImageTool

PAGE = (Path(__file__).parents[2] / "docs" / "migrating.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
"""The first makes what all others use."""
ANYTHING = "…"

# --- The page ---------------------------------------------------------------------------------------------------------


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def _by_host(cell: str) -> dict[str, list[str]]:
    """The code in a cell for each generation: what stands behind its label, or all of it."""
    parts = {label: part for label, _, part in (each.partition(": ") for each in cell.split("<br>"))}
    if parts.keys() != {"legacy", "new"}:
        parts = {"legacy": cell, "new": cell}
    return {label: re.findall(r"`([^`]+)`", part) for label, part in parts.items()}


@dataclass(frozen=True)
class Row:
    """A row of a table: what is written here, and the requests that come of it, in each generation."""

    there: str
    here: Mapping[str, list[str]]
    wire: Mapping[str, list[str]]
    different: str


def _rows() -> list[Row]:
    lines = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| legacy code |")]
    found = [_cells(line) for line in lines]
    assert all(len(cells) == 4 for cells in found)
    return [Row(there, _by_host(here), _by_host(wire), different) for there, here, wire, different in found]


ROWS = _rows()


# --- The wire ---------------------------------------------------------------------------------------------------------

Told = tuple[str, str, Any, Any]
"""Method, path, query and body."""

MESSAGES = [{"role": "user", "content": "Hi"}]
CARRIED: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("legacy", "POST /", {}, {"model": "openai", "private": True, "messages": MESSAGES}),
    ("legacy", "GET /models", {}, {}),
    ("legacy", "GET /prompt/", {"model": "flux", "private": "true"}, {}),
    ("legacy", "GET /", {"model": "openai", "private": "true"}, {}),
    ("new", "POST /v1/chat", {}, {"model": "openai", "messages": MESSAGES}),
    ("new", "POST /text", {}, {"model": "openai", "messages": MESSAGES}),
    ("new", "GET /text/models", {}, {}),
    ("new", "GET /text/", {"model": "openai"}, {}),
    ("new", "GET /image/models", {}, {}),
    ("new", "GET /image/", {"model": "flux"}, {}),
    ("new", "", {}, {}),
]
"""What requests carry that the page does not repeat; the first line that fits."""


def _promised(host: str, words: str) -> Told:
    """A request as the page has it, with what every request carries."""
    address, _, body = words.partition(" {")
    method, _, target = address.partition(" ")
    path, _, query = target.partition("?")
    if body == ANYTHING + "}":
        return method, path, {}, ANYTHING
    said = json.loads(re.sub(ANYTHING + r"(?=[,}])", f'"{ANYTHING}"', "{" + body)) if body else {}
    in_query, in_body = next(row[2:] for row in CARRIED if row[0] == host and address.startswith(row[1]))
    return method, path, {**in_query, **dict(parse_qsl(query))}, {**in_body, **said}


def _arrived(request: Asked) -> Told:
    body: Any = request.body
    if body and "json" in request.headers.get("content-type", ""):
        body = request.json
    return request.method, request.raw_path.partition("?")[0], dict(request.query), body or {}


def _same(promised: Any, arrived: Any) -> bool:
    if promised == ANYTHING:
        return bool(arrived)
    if isinstance(promised, dict) and isinstance(arrived, dict):
        return promised.keys() == arrived.keys() and all(_same(promised[key], arrived[key]) for key in promised)
    if isinstance(promised, tuple):
        return all(map(_same, promised, arrived))
    return bool(promised == arrived)


# --- Running a row ----------------------------------------------------------------------------------------------------


@dataclass
class Ran:
    """What came of a row in one generation."""

    values: list[Any] = field(default_factory=list)
    failure: Exception | None = None
    warnings: list[str] = field(default_factory=list)
    requests: list[Asked] = field(default_factory=list)

    @property
    def value(self) -> Any:
        """What its last expression gave."""
        if self.failure is not None:
            raise self.failure
        return self.values[-1]

    @property
    def error(self) -> Exception:
        assert self.failure is not None, f"no error but {self.values}"
        return self.failure


NO_KEY = "No key: requests go to the legacy hosts"


@dataclass
class Bench:
    """Both generations of the service, and a row to be run on them."""

    row: Row
    emulator: Emulator
    ran: set[str] = field(default_factory=set)

    @property
    def legacy(self) -> Legacy:
        return self.emulator.legacy

    def names(self, host: str, **options: Any) -> dict[str, Any]:
        """What a row may use: the package, and what the page's first block makes. The addresses of the older hosts
        stand in the environment."""
        public = [name for name in langchain_pollinations.__all__ if name != "PollinationsDecisions"]  # needs core 1.8
        names: dict[str, Any] = {name: getattr(langchain_pollinations, name) for name in public}
        service = {**({"legacy_interval": 0} if host == "legacy" else self.emulator.connection()), **options}
        service = {name: value for name, value in service.items() if value is not None}
        exec(BLOCKS[0].replace("service = {}", f"service = {service!r}"), names)
        return names

    def older(self, **options: Any) -> Ran:
        return self._run("legacy", options)

    def new(self, **options: Any) -> Ran:
        return self._run("new", options)

    def both(self) -> tuple[Ran, Ran]:
        return self.older(), self.new()

    def _run(self, host: str, options: dict[str, Any]) -> Ran:
        """Run the code of the row, and compare what arrived at the hosts with what the row promises."""
        self.ran.add(host)
        names, ran = self.names(host, **options), Ran()
        logs = {"legacy": self.legacy.requests, "new": self.emulator.requests}
        began = {name: len(log) for name, log in logs.items()}
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                for code in self.row.here[host]:
                    ran.values.append(eval(compile(code, self.row.there, "eval"), names))
            except errors.PollinationsError as error:
                ran.failure = error
        ran.warnings = [str(each.message) for each in heard]
        came = {name: log[began[name] :] for name, log in logs.items()}
        ran.requests = came.pop(host)
        promised = [_promised(host, words) for words in self.row.wire[host]]
        arrived = [_arrived(request) for request in ran.requests]
        assert len(arrived) == len(promised) and all(map(_same, promised, arrived)), (promised, arrived, ran.failure)
        assert not any(came.values())
        return ran


TESTS: dict[str, Callable[[Bench], None]] = {}


def row(there: str) -> Callable[[Callable[[Bench], None]], None]:
    """Make a function the test of a row."""

    def keep(test: Callable[[Bench], None]) -> None:
        assert there not in TESTS
        TESTS[there] = test

    return keep


@pytest.fixture(autouse=True)
def _legacy_hosts(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLLINATIONS_LEGACY_TEXT_URL", emulator.legacy.text_url)
    monkeypatch.setenv("POLLINATIONS_LEGACY_IMAGE_URL", emulator.legacy.image_url)


def test_every_row_has_a_test_and_every_test_a_row() -> None:
    assert [each.there for each in ROWS] == list(dict.fromkeys(each.there for each in ROWS))
    assert {each.there for each in ROWS} == TESTS.keys()


@pytest.mark.parametrize("there", [each.there for each in ROWS])
def test_a_row_is_true(there: str, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bench = Bench(next(each for each in ROWS if each.there == there), emulator)
    TESTS[there](bench)
    assert bench.ran == {"legacy", "new"}, "a row is run on both"


@pytest.mark.parametrize("host", ["legacy", "new"])
@pytest.mark.filterwarnings("ignore:No key:UserWarning")
def test_the_python_of_the_page_runs(
    host: str, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = Bench(ROWS[0], emulator).names(host)
    for block in BLOCKS[1:]:
        exec(block, names)
    assert (tmp_path / "cat.jpg").stat().st_size > 1000


# --- Routes -----------------------------------------------------------------------------------------------------------


@row("`GET text…/{prompt}`")
def _(bench: Bench) -> None:
    older, new = bench.both()
    assert isinstance(older.value, str) and older.value and new.value
    chat = ChatPollinations(route="get", **bench.legacy.connection(), legacy_interval=0)
    assert chat.invoke("Hi").usage_metadata is None
    for asked in ([("human", "Hi"), ("ai", "Yes?"), ("human", "Hi")], "long " * 1000, "models"):
        chat.invoke(asked)
        assert bench.legacy.requests[-1].path == "/openai"


@row("`POST text…/`")
def _(bench: Bench) -> None:
    older, new = bench.both()
    assert isinstance(older.value, str) and older.value and new.value
    chat = ChatPollinations(route="post", **bench.legacy.connection(), legacy_interval=0)
    assert chat.invoke("Hi").usage_metadata is None
    chat.bind_tools([WEATHER]).invoke("Hi")
    assert bench.legacy.requests[-1].path == "/openai"


@row("`POST text…/openai`, `POST text…/v1/chat/completions`")
def _(bench: Bench) -> None:
    for ran in bench.both():
        assert ran.value.text and ran.value.usage_metadata["total_tokens"] > 0


@row('`OpenAI(base_url="https://text.pollinations.ai/openai", api_key=...)`')
def _(bench: Bench) -> None:
    theirs = openai.OpenAI(base_url=f"{bench.legacy.text_url}/openai", api_key="sk_emulator")
    notice = theirs.chat.completions.create(model="openai", messages=[{"role": "user", "content": "Hi"}])
    assert "IMPORTANT NOTICE" in str(notice.choices[0].message.content)
    theirs = openai.OpenAI(base_url=f"{bench.emulator.url}/v1", api_key="sk_emulator")
    assert theirs.chat.completions.create(model="openai", messages=[{"role": "user", "content": "Hi"}]).choices
    older, _ = bench.both()
    assert "NOTICE" not in older.value.text
    assert "authorization" not in older.requests[0].headers
    with pytest.raises(ValidationError, match="api='legacy'"):
        ChatPollinations(base_url="https://text.pollinations.ai/openai")


@row("`GET text…/models`, `GET text…/openai/models`")
def _(bench: Bench) -> None:
    older, new = bench.both()
    assert [model.id for model in older.value] == ["openai-fast"]
    assert older.requests[0].host == "text"
    assert len(new.value) > 10
    assert langchain_pollinations.list_models("text", base_url=bench.emulator.url)  # no key, and not the older hosts
    assert bench.emulator.requests[-1].key is None


@row("`GET image…/models`")
def _(bench: Bench) -> None:
    older, new = bench.both()
    assert [(model.id, model.kind) for model in older.value] == [("sana", "image")]
    assert older.requests[0].host == "image"
    assert len(new.value) > 10


@row('`requests.get("https://image.pollinations.ai/prompt/a cat").content`')
def _(bench: Bench) -> None:
    for ran in bench.both():
        assert ran.value.suffix == ".jpg"
        assert ran.value.read_bytes().startswith(b"\xff\xd8")
    bench.legacy.reply(body="<html></html>", content_type="image/jpeg", on="/prompt")
    with pytest.raises(errors.InvalidResponseError):
        PollinationsImage(**bench.legacy.connection(), legacy_interval=0).generate("a page")


@row('`<img src="https://image.pollinations.ai/prompt/a%20cat">`')
def _(bench: Bench) -> None:
    older, new = bench.both()
    assert older.value.startswith(f"{bench.legacy.image_url}/prompt/a%20cat?")
    assert new.value.startswith(f"{bench.emulator.url}/media/")
    for url in (older.value, new.value):
        assert "sk_" not in url and "key=" not in url
        assert httpx.get(url).content.startswith(b"\xff\xd8")


@row("`GET text…/feed`, `GET image…/feed`, `GET image…/about`")
def _(bench: Bench) -> None:
    bench.both()
    service = {**bench.legacy.connection(), "legacy_interval": 0}
    for route in ({}, {"route": "get"}, {"route": "post"}):
        ChatPollinations(**service, **route).invoke("a secret")
    PollinationsImage(**service).generate("a secret")
    for host in (bench.legacy.text_url, bench.legacy.image_url):
        assert "secret" not in httpx.get(f"{host}/feed").text


# --- Fields -----------------------------------------------------------------------------------------------------------

WEATHER = {"name": "weather", "description": "", "parameters": {}}


def _nothing_is_different(bench: Bench) -> None:
    for ran in bench.both():
        assert ran.value


def _with_key_only(kind: type[Exception], says: str, **options: Any) -> Callable[[Bench], None]:
    """The older host cannot, which is said before it is asked; the new one can."""

    def test(bench: Bench) -> None:
        older, new = bench.older(**options), bench.new()
        assert isinstance(older.error, kind) and re.search(says, str(older.error))
        assert errors.KEYS_PAGE in str(older.error)
        assert new.value

    return test


def _no_longer_honoured(name: str, *hosts: str) -> Callable[[Bench], None]:
    def test(bench: Bench) -> None:
        for host, ran in zip(("legacy", "new"), bench.both(), strict=True):
            warned = any(re.match(f"{name}: sent, but .* no longer honours it", each) for each in ran.warnings)
            assert ran.value and warned == (host in hosts)

    return test


@row("`{prompt}`, URL-encoded, for text")
def _(bench: Bench) -> None:
    older, _ = bench.both()
    assert older.requests[0].path == "/a/b? #1"
    assert older.value


@row("`messages`")
def _(bench: Bench) -> None:
    _nothing_is_different(bench)
    picture = [{"type": "image", "url": "https://a.example/b.png"}]
    with pytest.raises(errors.UnsupportedRequestError):
        ChatPollinations(**bench.legacy.connection(), legacy_interval=0).invoke([("human", picture)])
    assert len(bench.legacy.requests) == 1


row("`system=Be brief`")(_nothing_is_different)


@row("`model` for text, omitted")
def _(bench: Bench) -> None:
    older, new = bench.both()
    assert older.value.response_metadata["model_name"] != new.value.response_metadata["model_name"]
    assert [block["type"] for block in older.value.content_blocks] == ["reasoning", "text"]


@row("`model=mistral`")
def _(bench: Bench) -> None:
    older, new = bench.both()
    assert isinstance(older.error, errors.UnknownModelError)
    assert new.value.text


row("`model=openai-large` and other text models")(_with_key_only(errors.UnknownModelError, "only openai-fast"))
row("`seed=42` for text")(_nothing_is_different)


def _draws_seeds(bench: Bench) -> None:
    for run in (bench.older, bench.new):
        seeds = [int(run().value) for _ in range(2)]
        log = bench.legacy.requests if run == bench.older else bench.emulator.requests
        sent = [int(request.query["seed"] if request.query else request.json["seed"]) for request in log[-2:]]
        assert seeds == sent and seeds[0] != seeds[1] and min(seeds) >= 0


def _repeats_itself(bench: Bench) -> None:
    for ran in bench.both():
        first, second = ran.values
        same = [each.data if isinstance(each, Media) else each.text for each in (first, second)]
        assert same[0] == same[1]


row("`seed=-1` for text")(_draws_seeds)
row("`seed` for text, omitted")(_repeats_itself)


def _answers_json(bench: Bench) -> None:
    for ran in bench.both():
        assert isinstance(json.loads(ran.value), dict)
        assert isinstance(JsonOutputParser().parse(f"Here it is:\n```json\n{ran.value}\n```"), dict)


row("`json=true`")(_answers_json)


@row("`jsonMode: true`")
def _(bench: Bench) -> None:
    _answers_json(bench)
    for name in ("json", "jsonMode", "json_mode"):
        assert ChatPollinations(**{name: True}).json_mode


@row("`response_format`, or `jsonMode` for `POST text…/openai`")
def _(bench: Bench) -> None:
    for ran in bench.both():
        assert isinstance(json.loads(ran.value), dict)
        messages = ran.requests[0].json["messages"]
        assert [message["role"] for message in messages] == ["system", "user"]
        assert "JSON" in messages[0]["content"]


row("`jsonMode=false` in a URL")(_nothing_is_different)


@row("`stream=true`")
def _(bench: Bench) -> None:
    for ran in bench.both():
        assert len(ran.value) > 2
    bench.legacy.fail("no end")
    bench.emulator.fail("no end")
    for host in ("legacy", "new"):
        with warnings.catch_warnings(), pytest.raises(errors.IncompleteStreamError) as caught:
            warnings.simplefilter("ignore")
            list(bench.names(host)["chat"].stream("Why is the sky blue?"))
        assert caught.value.partial


@row(
    "`temperature`, `top_p`, `presence_penalty`, `frequency_penalty`, `max_tokens`, `stop`, `reasoning_effort`",
)
def _(bench: Bench) -> None:
    _nothing_is_different(bench)
    with pytest.raises(ValidationError, match="temperature"):
        ChatPollinations(temperature=2.5)
    few = ChatPollinations(max_tokens=1, **bench.legacy.connection(), legacy_interval=0)
    assert few.invoke("Is 91 a prime number?").text == ""


@row("`tools`, `tool_choice`")
def _(bench: Bench) -> None:
    for ran in bench.both():
        assert [call["name"] for call in ran.value.tool_calls] == ["weather"]


row("`voice`, `audio`, `modalities`")(_with_key_only(errors.UnknownModelError, "only openai-fast"))


@row("`token`, `referrer`, `Authorization`, `Referer`")
def _(bench: Bench) -> None:
    told = {"Referer": "https://registered.example", "Origin": "https://registered.example", "X-Own": "1"}
    older, new = bench.older(default_headers=told), bench.new()
    assert all(ran.value for ran in (older, new))
    for request in older.requests:
        assert not request.headers.keys() & {"authorization", "referer", "origin", "x-own", "cookie"}
        assert not {**request.query, **(request.json if request.body else {})}.keys() & {"token", "referrer", "key"}
    for request in new.requests:
        assert request.headers["authorization"] == "Bearer sk_emulator"
        assert "sk_" not in f"{request.raw_path} {request.query} {request.body!r}"


row("`private=true` for text")(_nothing_is_different)


@row("`{prompt}`, URL-encoded, for images")
def _(bench: Bench) -> None:
    assert all(ran.value.prompt == "cats/dogs? #1" for ran in bench.both())
    with pytest.raises(errors.InvalidRequestError, match="characters in the URL"):
        PollinationsImage(**bench.legacy.connection(), legacy_interval=0).generate("a long story " * 1500)
    PollinationsImage(**bench.emulator.connection()).generate("a long story " * 1500)
    assert bench.emulator.requests[-1].method == "POST"


@row("`model` for images, omitted, or `model=flux`")
def _(bench: Bench) -> None:
    older, new = bench.both()
    assert (older.value, new.value) == ("sana", "black-forest-labs/flux.1-schnell")


@row("`model=turbo`")
def _(bench: Bench) -> None:
    older, new = bench.both()
    assert older.value.model == "sana"
    assert isinstance(new.error, errors.UnknownModelError)


row("`model=gptimage` and other image models")(_with_key_only(errors.UnknownModelError, "only sana"))
row("`seed=42` for images")(_nothing_is_different)
row("`seed=-1` for images")(_draws_seeds)


@row("`seed` for images, omitted")
def _(bench: Bench) -> None:
    _repeats_itself(bench)
    draw = PollinationsImage(**bench.legacy.connection(), legacy_interval=0).generate
    assert draw("a cat").data == draw("a cat", seed=42).data


@row("`width=1280`, `height=720`")
def _(bench: Bench) -> None:
    older, new = bench.both()
    assert (older.value.width, older.value.height) == (1024, 576)
    assert (new.value.width, new.value.height) == (1280, 720)


@row("`width`, `height`, omitted")
def _(bench: Bench) -> None:
    older, new = bench.both()
    assert (older.value.width, older.value.height) == (768, 768)
    assert (new.value.width, new.value.height) == (1024, 1024)


row("`no-logo=true`")(_no_longer_honoured("nologo", "legacy", "new"))
row("`nologo=true`")(_no_longer_honoured("nologo", "legacy", "new"))
row("`no-feed=true`")(_no_longer_honoured("private", "new"))
row("`nofeed=true`, `private=true`")(_no_longer_honoured("private", "new"))
row("`enhance=true`")(_no_longer_honoured("enhance", "new"))
row("`enhance=false`")(_nothing_is_different)


@row("`safe=true`")
def _(bench: Bench) -> None:
    _nothing_is_different(bench)
    bench.legacy.fail("image of a block", on="/prompt")
    with pytest.raises(errors.ContentBlockedError):
        PollinationsImage(**bench.legacy.connection(), legacy_interval=0).generate("something else", safe=True)
    PollinationsImage(**bench.emulator.connection()).generate("a cat", safe="privacy,nsfw")


row("`negative_prompt=fog`")(_no_longer_honoured("negative_prompt", "new"))


@row("`guidance_scale`")
def _(bench: Bench) -> None:
    bench.both()
    for service in (bench.legacy.connection(), bench.emulator.connection()):
        with pytest.raises(errors.InvalidRequestError, match="unknown argument 'guidance_scale'"):
            PollinationsImage(**service).generate("a cat", guidance_scale=3)


@row("`quality=high`")
def _(bench: Bench) -> None:
    _nothing_is_different(bench)
    with pytest.raises(errors.UnsupportedRequestError, match="models that can: .*gpt-image"):
        PollinationsImage(**bench.emulator.connection()).generate("a cat", quality="high")


@row("`image=https://...`, `transparent=true`")
def _(bench: Bench) -> None:
    older, new = bench.both()
    assert isinstance(older.error, errors.InvalidRequestError)
    assert new.value
    for option in ({"image": "https://a.example/b.png"}, {"transparent": True}):
        with pytest.raises(errors.UnsupportedRequestError):
            PollinationsImage(**bench.legacy.connection()).generate("a cat", **option)
    assert bench.legacy.requests == []


# --- Behaviour --------------------------------------------------------------------------------------------------------


def _answers(bench: Bench) -> None:
    for ran in bench.both():
        assert ran.value.text


@row("no key")
def _(bench: Bench) -> None:
    older, new = bench.both()
    [warned] = older.warnings
    assert warned.startswith(NO_KEY) and errors.KEYS_PAGE in warned
    assert older.value.text and new.value.text and not new.warnings


@row("switching to a key")
def _(bench: Bench) -> None:
    _answers(bench)
    for kept in (ChatPollinations(api_key="sk_emulator"), PollinationsImageTool(api_key="sk_emulator")):
        reader = pickle.loads(pickle.dumps(kept))
        with pytest.raises(errors.AuthenticationError):
            reader.invoke({"prompt": "a cat"} if isinstance(kept, PollinationsImageTool) else "Hi")
    assert len(bench.legacy.requests) == 1


@row("continuing without a key")
def _(bench: Bench) -> None:
    older, _ = bench.older(), bench.new()
    assert older.value.text and not older.warnings
    ChatPollinations(api="legacy", api_key="sk_emulator", legacy_interval=0).invoke("With a key")
    assert "sk_" not in f"{bench.legacy.requests[-1].headers}"


@row("falling back from one host to the other")
def _(bench: Bench) -> None:
    bench.legacy.fail("blocked address")
    bench.emulator.fail(403)
    for ran in bench.both():  # which looks at both logs
        assert isinstance(ran.error, errors.PermissionDeniedError)


@row("`time.sleep(30)` between two requests")
def _(bench: Bench) -> None:
    assert ChatPollinations().legacy_interval == PollinationsImage().legacy_interval == 30
    older, new = bench.older(legacy_interval=0.4, on_wait=False), bench.new(legacy_interval=600, on_wait=False)
    chat, picture = older.requests
    assert picture.at - chat.at >= 0.39
    assert (chat.host, picture.host) == ("text", "image")
    assert new.value


@row("a maximum wait")
def _(bench: Bench) -> None:
    _answers(bench)
    with pytest.raises(errors.RateLimitError, match="legacy_max_wait"):
        ChatPollinations(legacy_interval=600, legacy_max_wait=60, **bench.legacy.connection()).invoke("Hi")
    assert len(bench.legacy.requests) == 1


@row("progress of a wait")
def _(bench: Bench) -> None:
    _answers(bench)
    service, told = {**bench.legacy.connection(), "legacy_interval": 1.2}, []
    for progress, shown in ((told.append, False), (True, True), (False, False)):
        with contextlib.redirect_stderr(io.StringIO()) as seen:
            ChatPollinations(**service, on_wait=progress).invoke("Hi")
        assert ("Waiting about" in seen.getvalue()) == shown
    assert [each.stage for each in told] == ["queued"]


@row("429, queue full")
def _(bench: Bench) -> None:
    bench.legacy.fail("queue full")
    bench.emulator.fail(429, headers={"retry-after": "0"})
    _answers(bench)
    bench.legacy.fail("queue full", times=3)
    with pytest.raises(errors.RateLimitError, match="Queue full"):
        ChatPollinations(**bench.legacy.connection(), legacy_interval=0).invoke("Hi again")
    assert len(bench.legacy.requests) == 5


@row("402, a demand for payment")
def _(bench: Bench) -> None:
    bench.legacy.fail("payment challenge")
    bench.emulator.fail(402)
    older, new = bench.both()
    assert older.value.text
    assert not any("payment" in name for request in older.requests for name in request.headers)
    assert isinstance(new.error, errors.PaymentRequiredError)


@row("200 with an image of an error")
def _(bench: Bench) -> None:
    bench.legacy.fail("image of an error", on="/prompt")
    older, new = bench.both()
    assert older.value.mime_type == new.value.mime_type == "image/jpeg"
    bench.legacy.fail("image of a limit", on="/prompt")
    with pytest.raises(errors.RateLimitError):
        PollinationsImage(**bench.legacy.connection(), legacy_interval=0, max_retries=0).generate("another cat")


@row('`{"error": "...", "status": 500}`')
def _(bench: Bench) -> None:
    bench.legacy.fail("blocked address, told")
    bench.emulator.fail(403)
    assert {type(ran.error) for ran in bench.both()} == {errors.PermissionDeniedError}
    for fault in ("blocked address", "worker error", "origin down", "bad gateway page"):
        bench.legacy.fail(fault)
        with pytest.raises(errors.PollinationsError):
            ChatPollinations(**bench.legacy.connection(), legacy_interval=0, max_retries=0).invoke("Hi")


@row("the notice that the legacy API is deprecated, with status 200")
def _(bench: Bench) -> None:
    bench.legacy.notice = True
    older, new = bench.both()
    assert isinstance(older.error, errors.AuthenticationError)
    assert new.value.text
    with pytest.raises(errors.AuthenticationError):
        list(ChatPollinations(**bench.legacy.connection(), legacy_interval=0).stream("Hi"))


@row("no timeout")
def _(bench: Bench) -> None:
    _answers(bench)
    assert ChatPollinations().timeout == PollinationsImage().timeout == 300
    hasty = {**bench.legacy.connection(), "timeout": 1, "max_retries": 0}
    assert ChatPollinations(**hasty, legacy_interval=1.5).invoke("Hello").text  # which waited for longer
    bench.legacy.latency = 20
    with pytest.raises(errors.RequestTimeoutError):
        ChatPollinations(**hasty, legacy_interval=0).invoke("Hello again")


@row("text over the length limit")
def _(bench: Bench) -> None:
    bench.legacy.max_input_chars = 5000
    older, new = bench.both()
    assert isinstance(older.error, errors.ContextOverflowError)
    assert new.value.text


@row("`response.json()` of text that may be prose")
def _(bench: Bench) -> None:
    for ran in bench.both():
        assert set(ran.value) == {"name"}


@row("a JSON message in place of text")
def _(bench: Bench) -> None:
    older, _ = bench.both()
    assert older.value.text == ""
    assert [block["type"] for block in older.value.content_blocks] == ["reasoning"]


@row("cached images and answers")
def _(bench: Bench) -> None:
    _repeats_itself(bench)
    chat = ChatPollinations(**bench.legacy.connection(), legacy_interval=0, include_response_headers=True)
    assert chat.invoke("Hi").response_metadata["headers"]["x-cache"] == "HIT"
    bench.legacy.max_input_chars = 10
    for _ in range(2):
        with pytest.raises(errors.ContextOverflowError):
            chat.invoke("a long question")


@row("editing an image")
def _(bench: Bench) -> None:
    older, new = bench.both()
    assert isinstance(older.error, errors.UnsupportedRequestError)
    assert new.value.mime_type == "image/jpeg"


row("video, speech, music, transcripts, embeddings, 3D, uploads")(
    _with_key_only(
        errors.AuthenticationError, "the legacy hosts only answer chats and generate images", legacy_interval=None
    )
)
