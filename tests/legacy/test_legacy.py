"""The two older hosts: routing, requests, answers, errors; all of it over the wire."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import json
import logging
import pickle
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast
from urllib.parse import unquote

import httpx
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumps, load
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import ConfigurableField, RunnableConfig
from langchain_core.tools import tool
from pydantic import BaseModel, ValidationError

from langchain_pollinations import errors
from langchain_pollinations._legacy.rate_limiter import QUEUE
from langchain_pollinations.audio import PollinationsMusic, PollinationsSpeech
from langchain_pollinations.catalog import list_models
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.embeddings import PollinationsEmbeddings
from langchain_pollinations.emulator import Asked, Emulator
from langchain_pollinations.emulator.legacy import Legacy
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from langchain_pollinations.models3d import Pollinations3D
from langchain_pollinations.tools.images import PollinationsEditImageTool, PollinationsImageTool
from langchain_pollinations.tools.toolkit import PollinationsToolkit
from langchain_pollinations.transcription import PollinationsTranscriber
from langchain_pollinations.uploads import upload
from langchain_pollinations.video import PollinationsVideo
from tests.helpers.ask import MAKING, WAYS, Ask

KEYS_PAGE = "https://enter.pollinations.ai/keys"


@pytest.fixture
def hosts(legacy: Legacy) -> dict[str, Any]:
    """Arguments of every wrapper; no test waits in the line but those that are about it."""
    return {**legacy.connection(), "legacy_interval": 0}


@pytest.fixture
def no_key(legacy: Legacy, monkeypatch: pytest.MonkeyPatch) -> Legacy:
    """A machine without a key, whose older hosts are the emulator's."""
    monkeypatch.setenv("POLLINATIONS_LEGACY_TEXT_URL", legacy.text_url)
    monkeypatch.setenv("POLLINATIONS_LEGACY_IMAGE_URL", legacy.image_url)
    return legacy


def asked(request: Asked) -> dict[str, Any]:
    """What a request says, however it says it."""
    body = request.json if request.body else {}
    return {"host": request.host, "method": request.method, "path": request.path, **request.query, **body}


# --- The original document --------------------------------------------------------------------------------------------

SUNSET = "A beautiful sunset over the ocean"
QUESTION = "What is artificial intelligence?"


def test_the_documents_picture(legacy: Legacy, hosts: dict[str, Any]) -> None:
    """GET /prompt/A%20beautiful%20sunset%20over%20the%20ocean?model=flux&width=1280&height=720&seed=42&no-logo=true"""
    with pytest.warns(UserWarning, match="nologo: sent, but image.pollinations.ai no longer honours it"):
        PollinationsImage(**hosts).generate(SUNSET, model="flux", width=1280, height=720, seed=42, **{"no-logo": True})
    [request] = legacy.requests
    assert request.raw_path.partition("?")[0] == "/prompt/A%20beautiful%20sunset%20over%20the%20ocean"
    options = {"model": "flux", "width": "1280", "height": "720", "seed": "42", "nologo": "true", "private": "true"}
    assert asked(request) == {"host": "image", "method": "GET", "path": f"/prompt/{SUNSET}", **options}


def test_the_documents_python_sample(legacy: Legacy, hosts: dict[str, Any], tmp_path: Any) -> None:
    """`download_image(prompt, width=768, height=768, model='flux', seed=-1)`, and the call that it makes of it."""

    def download_image(prompt: str, width: int = 768, height: int = 768, model: str = "flux", seed: int = -1) -> Media:
        painter = PollinationsImage(width=width, height=height, model=model, seed=seed, **hosts)
        picture = painter.generate(prompt, no_logo=True)
        picture.save(tmp_path / "generated_image.jpg")
        return picture

    with pytest.warns(UserWarning, match="nologo"):
        given = download_image(SUNSET, width=1280, height=720, model="flux", seed=42)
        drawn = download_image(SUNSET)
    first, second = map(asked, legacy.requests)
    assert (first["width"], first["height"], first["seed"]) == ("1280", "720", "42")
    # -1 repeats itself at the host: a random seed is drawn here, and told.
    assert (second["width"], second["height"]) == ("768", "768")
    assert int(second["seed"]) == drawn.seed >= 0
    assert first.keys() == second.keys() == {
        *("host", "method", "path", "model", "width", "height", "seed", "nologo", "private"),
    }  # fmt: skip
    assert given.seed == 42
    assert (tmp_path / "generated_image.jpg").read_bytes() == drawn.data


def test_the_documents_get_of_a_text(legacy: Legacy, hosts: dict[str, Any], ask: Ask) -> None:
    """GET /What%20is%20artificial%20intelligence?seed=42&json=true&model=mistral&system=You%20are%20a%20helpful%20AI...

    The document left the prompt's own question mark out of its address.
    """
    legacy.reply(body='{"answer": 42}', on="/What")
    chat = ChatPollinations(model="mistral", seed=42, json_mode=True, route="get", **hosts)
    answer = ask(chat, [SystemMessage("You are a helpful AI assistant"), HumanMessage(QUESTION)])
    [request] = legacy.requests
    assert request.raw_path.partition("?")[0] == "/What%20is%20artificial%20intelligence%3F"
    said = asked(request)
    streams = {"stream": "true"} if "stream" in said else {}
    options = {"seed": "42", "json": "true", "model": "mistral", "system": "You are a helpful AI assistant"}
    assert said == {"host": "text", "method": "GET", "path": f"/{QUESTION}", **options, "private": "true", **streams}
    assert json.loads(answer.text) == {"answer": 42}


def test_the_documents_post(legacy: Legacy, hosts: dict[str, Any], ask: Ask) -> None:
    """POST / with messages, seed, jsonMode and model."""
    legacy.reply(body='{"answer": 42}', on="/")
    chat = ChatPollinations(model="mistral", seed=42, json_mode=True, route="post", **hosts)
    answer = ask(chat, [SystemMessage("You are a helpful assistant."), HumanMessage(QUESTION)])
    [request] = legacy.requests
    said = asked(request)
    streams = {"stream": True, "stream_options": {"include_usage": True}} if "stream" in said else {}
    messages = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": QUESTION},
    ]
    body = {"messages": messages, "seed": 42, "jsonMode": True, "model": "mistral", "private": True}
    assert said == {"host": "text", "method": "POST", "path": "/", **body, **streams}
    assert json.loads(answer.text) == {"answer": 42}


@pytest.mark.parametrize("route", [{"route": "get"}, {"route": "post"}, {}])
def test_mistral_is_asked_for_and_is_not_there_any_more(
    legacy: Legacy, hosts: dict[str, Any], route: dict[str, Any], ask: Ask
) -> None:
    with pytest.raises(errors.UnknownModelError, match="mistral") as caught:
        ask(ChatPollinations(model="mistral", **route, **hosts), QUESTION)
    assert caught.value.fix_url == KEYS_PAGE
    assert len(legacy.requests) == 1


# --- Which host -------------------------------------------------------------------------------------------------------


def test_without_a_key_the_older_hosts_are_asked_with_a_warning(no_key: Legacy, emulator: Emulator, ask: Ask) -> None:
    chat, painter = ChatPollinations(legacy_interval=0), PollinationsImageTool(legacy_interval=0)
    with pytest.warns(UserWarning, match=f"No key: requests go to the legacy hosts.*{KEYS_PAGE}"):
        assert ask(chat, "hello").text
    with pytest.warns(UserWarning, match="No key"):
        assert painter.invoke({"prompt": "a lighthouse"})
    assert [request.host for request in no_key.requests] == ["text", "image"]
    assert emulator.requests == []


def test_the_warning_comes_once(no_key: Legacy) -> None:
    chat = ChatPollinations(legacy_interval=0)
    with pytest.warns(UserWarning) as caught:
        for _ in range(3):
            chat.invoke("hello")
    assert len(caught) == 1


def test_with_a_key_the_older_hosts_are_not_asked(
    no_key: Legacy, emulator: Emulator, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_emulator")
    ask(ChatPollinations(base_url=emulator.url), "hello")
    PollinationsImageTool(base_url=emulator.url).invoke({"prompt": "a lighthouse"})
    assert len(emulator.requests) == 2
    assert no_key.requests == []
    # Without a base_url of its own it would ask gen.pollinations.ai, which the tests' sockets do not reach.
    for maker in (ChatPollinations(), PollinationsImage()):
        assert maker._client.base_url == "https://gen.pollinations.ai"


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"api": "gen"}, id="gen is said"),
        pytest.param({"base_url": "http://127.0.0.1:9"}, id="an address of one's own"),
        pytest.param({"api_key": ""}, id="a key that is blank"),
    ],
)
def test_prompts_do_not_go_to_the_older_hosts_by_accident(no_key: Legacy, options: dict[str, Any], ask: Ask) -> None:
    with pytest.raises(errors.AuthenticationError, match="No key"):
        ask(ChatPollinations(**options), "hello")
    assert no_key.requests == []


def test_a_failure_does_not_change_the_host(no_key: Legacy, emulator: Emulator, ask: Ask) -> None:
    chat = ChatPollinations(**emulator.connection(), max_retries=0)
    for fault in (401, 402, 403, 429, 503):
        emulator.fail(fault)
        with pytest.raises(errors.PollinationsError):
            ask(chat, "hello")
    assert no_key.requests == []


def test_what_is_written_down_keeps_its_host(no_key: Legacy) -> None:
    """Whoever reads a model without its key must not send prompts elsewhere."""
    chat, tool_ = ChatPollinations(api_key="sk_emulator"), PollinationsImageTool(api_key="sk_emulator")
    written = load(
        json.loads(dumps(chat)), allowed_objects=[ChatPollinations], valid_namespaces=["langchain_pollinations"]
    )
    for twin in (pickle.loads(pickle.dumps(chat)), written):
        with pytest.raises(errors.AuthenticationError):
            twin.invoke("hello")
    with pytest.raises(errors.AuthenticationError):
        pickle.loads(pickle.dumps(tool_)).invoke({"prompt": "a lighthouse"})
    assert no_key.requests == []


def test_the_tools_of_a_toolkit_that_was_written_down_keep_its_host(no_key: Legacy) -> None:
    """As on a cluster whose workers have no key."""
    toolkit = PollinationsToolkit(api_key="sk_emulator", include=["image"])
    for twin in (pickle.loads(pickle.dumps(toolkit)), pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(toolkit))))):
        [tool_] = twin.get_tools()
        with pytest.raises(errors.AuthenticationError):
            tool_.invoke({"prompt": "a lighthouse"})
    assert no_key.requests == []


@pytest.mark.parametrize("written_down", [False, True])
def test_the_tools_of_a_toolkit_share_the_connection_that_it_found_in_the_environment(
    no_key: Legacy, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, written_down: bool
) -> None:
    """Whatever stands there by the time that they are made, or in another process."""
    older = PollinationsToolkit(include=["image"], legacy_interval=0)
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_emulator")
    monkeypatch.setenv("POLLINATIONS_BASE_URL", emulator.url)
    new = PollinationsToolkit(include=["image"])
    if written_down:
        new = pickle.loads(pickle.dumps(new))
    for name in ("API_KEY", "BASE_URL", "LEGACY_TEXT_URL", "LEGACY_IMAGE_URL"):
        monkeypatch.delenv(f"POLLINATIONS_{name}")
    if written_down:
        older = pickle.loads(pickle.dumps(older))
    [draw] = new.get_tools()
    assert draw.invoke({"prompt": "a lighthouse"})
    [draw] = older.get_tools()
    with pytest.warns(UserWarning, match="No key"):
        assert draw.invoke({"prompt": "a lighthouse"})
    assert (len(emulator.requests), len(no_key.requests)) == (1, 1)


def test_the_host_follows_a_key_that_is_set_or_taken_away_between_calls(
    no_key: Legacy, emulator: Emulator, ask: Ask
) -> None:
    chat = ChatPollinations(legacy_interval=0)
    with pytest.warns(UserWarning, match="No key"):
        ask(chat, "hello")
    chat.base_url = emulator.url
    chat.api_key = "sk_emulator"  # as one writes it, though it is kept as a secret
    assert ask(chat, "hello").text
    assert ask(chat.model_copy(update={"api_key": "sk_emulator"}), "hello").text
    assert "sk_emulator" not in f"{chat!r} {chat.model_dump()} {dumps(chat)}"
    assert chat.profile == ChatPollinations(api_key="sk_emulator").profile
    chat.api_key = None  # at an address of one's own it stays
    with pytest.raises(errors.AuthenticationError):
        ask(chat, "hello")
    chat.base_url = "https://gen.pollinations.ai"
    ask(chat, "hello")
    assert (len(no_key.requests), len(emulator.requests)) == (2, 2)
    assert chat.profile == ChatPollinations(api="legacy").profile


def test_a_key_that_is_set_between_calls_is_kept_as_a_secret(emulator: Emulator) -> None:
    tool_ = PollinationsImageTool(base_url=emulator.url, api_key="sk_old")
    tool_.wrapper.api_key = "sk_emulator"  # type: ignore[assignment]
    assert tool_.invoke({"prompt": "a lighthouse"})
    assert "sk_emulator" not in f"{tool_!r} {tool_.model_dump()}"


def test_models_on_the_older_hosts_pickle_and_copy(hosts: dict[str, Any], ask: Ask) -> None:
    chat = ChatPollinations(**hosts, on_wait=print)
    for twin in (pickle.loads(pickle.dumps(chat)), copy.deepcopy(chat), chat.model_copy()):
        assert ask(twin, "hello").text
    assert pickle.loads(pickle.dumps(chat)).on_wait is None


@pytest.mark.parametrize(
    "url",
    [
        "https://text.pollinations.ai",
        "https://TEXT.pollinations.ai.:443",
        "https://text.pollinations.ai/openai",
        "https://image.pollinations.ai/v1",
    ],
)
def test_an_older_host_is_no_base_url(url: str) -> None:
    with pytest.raises(ValidationError, match="one of the legacy hosts; use api='legacy'"):
        ChatPollinations(base_url=url, api_key="sk_x")


# --- Nobody is told who asks ------------------------------------------------------------------------------------------

TOLD = {"host", "user-agent", "accept", "accept-encoding", "connection", "content-type", "content-length"}
SECRET = {"Referer": "https://a.example", "Origin": "https://a.example", "Authorization": "Bearer sk_x", "X-Own": "1"}


def sign(request: httpx.Request) -> None:
    """A hook that lets each request tell who makes it."""
    request.headers.update(SECRET)
    request.url = request.url.copy_add_param("token", "sk_x")


async def asign(request: httpx.Request) -> None:
    sign(request)


def of_their_own(kind: type[Any]) -> Any:
    """A client that tells who it is in each way there is."""
    return kind(
        base_url="http://127.0.0.1:9/mine",
        params={"key": "sk_x"},
        headers=SECRET,
        cookies={"session": "secret"},
        auth=("me", "secret"),
        event_hooks={"request": [asign if kind is httpx.AsyncClient else sign]},
        follow_redirects=True,
        limits=httpx.Limits(max_keepalive_connections=0),  # each of the ways has a loop of its own
    )


@pytest.mark.parametrize("transport", ["httpx", "aiohttp", "own"])
@pytest.mark.parametrize("way", WAYS)
def test_no_credential_goes_to_the_older_hosts(
    legacy: Legacy, hosts: dict[str, Any], emulator: Emulator, way: str, transport: str
) -> None:
    own: dict[str, Any] = {"async_transport": "aiohttp"} if transport == "aiohttp" else {}
    if transport == "own":
        own = {"http_client": of_their_own(httpx.Client), "http_async_client": of_their_own(httpx.AsyncClient)}
    options = {**hosts, **own, "api_key": "sk_emulator", "default_headers": SECRET}
    for route in ({}, {"route": "get"}, {"route": "post"}):
        WAYS[way](ChatPollinations(**options, **route), f"Hello {route}")
    MAKING["agenerate" if way.startswith("a") else "generate"](PollinationsImage(**options), "a lighthouse")
    assert len(legacy.requests) == 4
    for request in legacy.requests:
        assert request.headers.keys() <= TOLD
        assert "sk_" not in f"{request.raw_path} {request.headers} {request.body!r}"
        assert not request.query.keys() & {"token", "key", "referrer", "referer"}
        assert request.query.get("private", None) == "true" or request.json["private"] is True
    assert emulator.requests == []


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
async def test_no_cookie_of_a_host_comes_back_to_it(legacy: Legacy, transport: Any) -> None:
    # Cookies need a name: aiohttp keeps none of a bare address.
    hosts = {name: value.replace("127.0.0.1", "localhost") for name, value in legacy.connection().items()}
    chat = ChatPollinations(**hosts, legacy_interval=0, async_transport=transport)
    legacy.reply("Good day", headers={"set-cookie": "__cf_bm=who; Path=/"})
    for _ in range(2):
        await chat.ainvoke("Hello")
    assert len(legacy.requests) == 2
    assert all(request.headers.keys() <= TOLD for request in legacy.requests)


@pytest.mark.parametrize("make", ["generate", "agenerate"])
def test_a_redirect_tells_no_more(legacy: Legacy, hosts: dict[str, Any], make: str) -> None:
    own = {"http_client": of_their_own(httpx.Client), "http_async_client": of_their_own(httpx.AsyncClient)}
    for target in (f"{legacy.image_url}/prompt/moved", f"{legacy.text_url.replace('127.0.0.1', 'localhost')}/models"):
        legacy.fail(302, headers={"location": target}, on="/prompt/a")
        with contextlib.suppress(errors.InvalidResponseError):  # the second leads to something that is no picture
            MAKING[make](PollinationsImage(**hosts, **own), "a lighthouse")
    assert [request.path for request in legacy.requests[1::2]] == ["/prompt/moved", "/models"]
    for request in legacy.requests:
        assert request.headers.keys() <= TOLD
        assert not request.query.keys() & {"token", "key"}


def test_only_response_hooks_of_a_client_run(legacy: Legacy, hosts: dict[str, Any]) -> None:
    """A request hook could add what identifies the caller."""
    seen: list[str] = []
    hooks = {"request": [sign], "response": [lambda response: seen.append(response.url.path)]}
    with httpx.Client(event_hooks=hooks) as mine:
        ChatPollinations(**hosts, http_client=mine).invoke("Hello")
        assert mine.event_hooks == hooks
    assert seen == ["/openai"]
    assert legacy.requests[-1].headers.keys() <= TOLD


@pytest.mark.parametrize("name", ["referrer", "referer", "token", "key"])
def test_who_asks_cannot_be_said_in_the_body_either(legacy: Legacy, hosts: dict[str, Any], ask: Ask, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: must be omitted|'{name}' looks like a secret"):
        ask(ChatPollinations(**hosts, extra_body={name: "me"}), "hello")
    assert legacy.requests == []


# --- Text -------------------------------------------------------------------------------------------------------------


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"Rain in {city}."


class Sea(BaseModel):
    """A sea."""

    name: str


def test_a_conversation_goes_by_the_route_of_openai(legacy: Legacy, hosts: dict[str, Any], ask: Ask) -> None:
    answer = ask(ChatPollinations(**hosts), "Why is the sky blue?")
    [request] = legacy.requests
    assert (request.host, request.path, request.json["model"]) == ("text", "/openai", "openai")
    assert request.json["private"] is True
    assert answer.text
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] > 0
    assert answer.response_metadata["model_provider"] == "pollinations"
    assert answer.id


def test_reasoning_and_tools_and_structured_output(legacy: Legacy, hosts: dict[str, Any], ask: Ask) -> None:
    chat = ChatPollinations(**hosts)
    assert [block["type"] for block in ask(chat, "Is 91 a prime number?").content_blocks] == ["reasoning", "text"]
    call = ask(chat.bind_tools([weather], tool_choice="any"), "The weather in Riga?")
    assert call.tool_calls[0]["name"] == "weather"
    history = [HumanMessage("The weather in Riga?"), call, ToolMessage("Rain.", tool_call_id=call.tool_calls[0]["id"])]
    assert ask(chat.bind_tools([weather]), history).text
    assert all(request.path == "/openai" for request in legacy.requests)
    assert isinstance(chat.with_structured_output(Sea).invoke("Describe the sea 'Baltic'."), Sea)
    assert "tools" in legacy.requests[-1].json  # what the profile says it can


def test_json_mode_says_it_in_both_ways_and_in_words(legacy: Legacy, hosts: dict[str, Any], ask: Ask) -> None:
    answer = ask(ChatPollinations(json_mode=True, **hosts), "Name a sea")
    body = legacy.requests[-1].json
    assert body["jsonMode"] is True
    assert body["response_format"] == {"type": "json_object"}
    assert "JSON" in body["messages"][0]["content"]
    assert isinstance(json.loads(answer.text), dict)


PLAIN: list[Any] = [
    pytest.param([HumanMessage("Hello")], {}, "GET", id="a lone prompt"),
    pytest.param(
        [SystemMessage("Be brief"), HumanMessage("Hello")], {"temperature": 0.5}, "GET", id="a system message"
    ),
    pytest.param([HumanMessage("Hello")], {"system": "Be brief"}, "GET", id="a system message as an option"),
    pytest.param([SystemMessage("Be brief"), HumanMessage("Hello")], {"system": "Be kind"}, "POST", id="both"),
    pytest.param([HumanMessage("Hello", name="bob")], {}, "POST", id="a name, which only the route of OpenAI tells"),
    pytest.param([HumanMessage("a/b?c#d%e\nä 🐳")], {}, "GET", id="signs that addresses know"),
    pytest.param([HumanMessage("models")], {}, "POST", id="a word that is a route"),
    pytest.param([HumanMessage("Models")], {}, "POST", id="a word that is a route in any case"),
    pytest.param([HumanMessage("..")], {}, "POST", id="dots that addresses lose"),
    pytest.param([HumanMessage("long " * 1000)], {}, "POST", id="too long for an address"),
    pytest.param([HumanMessage("Hi"), AIMessage("Yes?"), HumanMessage("Hello")], {}, "POST", id="a conversation"),
    pytest.param([HumanMessage("Hello")], {"stop": ["x", "y"]}, "POST", id="an option that is a list"),
]


@pytest.mark.parametrize(("messages", "options", "method"), PLAIN)
def test_a_lone_prompt_goes_by_get_where_that_is_asked_for(
    legacy: Legacy,
    hosts: dict[str, Any],
    ask: Ask,
    caplog: pytest.LogCaptureFixture,
    messages: list[Any],
    options: dict[str, Any],
    method: str,
) -> None:
    with caplog.at_level(logging.DEBUG, "langchain_pollinations"):
        answer = ask(ChatPollinations(**hosts), messages, route="get", **options)
    [request] = legacy.requests
    lines = [record.getMessage() for record in caplog.records if record.name == "langchain_pollinations"]
    assert ["cannot carry" in line for line in lines] == ([] if method == "GET" else [True])
    assert request.method == method
    assert answer.text
    if method == "GET":
        assert unquote(request.raw_path.partition("?")[0])[1:] == messages[-1].content


def test_an_address_carries_what_is_set_alone(legacy: Legacy, hosts: dict[str, Any], ask: Ask) -> None:
    """In an address, false and nothing would be words as others are."""
    ask(ChatPollinations(route="get", **hosts), "Hello", extra_body={"seed": None, "json": False, "user": ""})
    assert legacy.requests[-1].query.keys() <= {"model", "private", "stream", "user"}


@pytest.mark.parametrize(
    ("messages", "tools", "path"),
    [
        ([HumanMessage("Hi"), AIMessage("Yes?"), HumanMessage("Hello")], [], "/"),
        ([HumanMessage("Hello")], [weather], "/openai"),
        (
            [HumanMessage("Hi"), AIMessage("", tool_calls=[{"name": "weather", "args": {}, "id": "1"}]),
             ToolMessage("Rain.", tool_call_id="1")], [], "/openai",
        ),
    ],
)  # fmt: skip
def test_a_conversation_of_text_goes_by_the_plain_post_where_that_is_asked_for(
    legacy: Legacy, hosts: dict[str, Any], ask: Ask, messages: list[Any], tools: list[Any], path: str
) -> None:
    chat = ChatPollinations(route="post", **hosts)
    ask(chat.bind_tools(tools) if tools else chat, messages)
    assert legacy.requests[-1].path == path


def test_half_a_character_is_told_whatever_the_route(legacy: Legacy, hosts: dict[str, Any], ask: Ask) -> None:
    for route in ({}, {"route": "get"}, {"route": "post"}):
        with pytest.raises(errors.InvalidRequestError, match="surrogates not allowed"):
            ask(ChatPollinations(**hosts, **route), "half \ud800 a character")
    assert legacy.requests == []


def test_an_address_carries_no_option_that_is_none_or_false(legacy: Legacy, hosts: dict[str, Any]) -> None:
    extra = {"seed": None, "private": False, "json": False, "temperature": 0.0}
    ChatPollinations(route="get", extra_body=extra, **hosts).invoke("Hello")
    [request] = legacy.requests
    assert request.query == {"model": "openai", "temperature": "0.0", "private": "true"}


MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x00" * 64
PLAIN_ANSWERS: list[Any] = [
    pytest.param({"body": "Blue."}, [("text", "Blue.")], id="text"),
    pytest.param({"body": '{"a": 1}', "content_type": "text/plain; charset=utf-8"}, [("text", '{"a": 1}')], id="JSON"),
    pytest.param(
        {"body": {"role": "assistant", "content": "", "reasoning_content": "Hm."}}, [("reasoning", "Hm.")], id="message"
    ),
    pytest.param(
        {"body": {"role": "assistant", "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
        ]}},
        [("tool_call", "weather")], id="tool call",
    ),
    pytest.param({"body": MP3, "content_type": "audio/mpeg"}, [("audio", base64.b64encode(MP3).decode())], id="sound"),
]  # fmt: skip
SAID = {"text": "text", "reasoning": "reasoning", "tool_call": "name", "audio": "base64"}


@pytest.mark.parametrize(("reply", "said"), PLAIN_ANSWERS)
@pytest.mark.parametrize("route", ["get", "post"])
def test_plain_answers_are_read_by_their_content_type(
    legacy: Legacy, hosts: dict[str, Any], ask: Ask, route: str, reply: dict[str, Any], said: list[tuple[str, str]]
) -> None:
    legacy.reply(**reply, on="/")
    answer = ask(ChatPollinations(route=route, **hosts), "Hello")
    assert [(block["type"], block[SAID[block["type"]]]) for block in answer.content_blocks] == said


def test_an_empty_content_is_the_message_and_no_json_text(legacy: Legacy, hosts: dict[str, Any]) -> None:
    """GPT-OSS thinks first: few tokens leave nothing but thoughts, which the plain route tells as JSON."""
    answer = ChatPollinations(route="get", max_tokens=1, **hosts).invoke("Is 91 a prime number?")
    assert answer.text == ""
    assert [block["type"] for block in answer.content_blocks] == ["reasoning"]


@pytest.mark.parametrize("route", ["get", "post"])
def test_a_page_is_no_answer(legacy: Legacy, hosts: dict[str, Any], ask: Ask, route: str) -> None:
    legacy.reply(body="<html><body>Hello</body></html>", on="/")
    with pytest.raises(errors.InvalidResponseError, match="no text but text/html"):
        ask(ChatPollinations(route=route, **hosts), "Hello")


def test_equal_requests_get_equal_answers_and_a_drawn_seed_another(legacy: Legacy, hosts: dict[str, Any]) -> None:
    chat = ChatPollinations(**hosts, include_response_headers=True)
    hits = [chat.invoke("Hello").response_metadata["headers"].get("x-cache") for _ in range(2)]
    assert hits == [None, "HIT"]
    drawn = [chat.invoke("Hello", seed=-1).response_metadata["seed"] for _ in range(2)]
    assert drawn == [request.json["seed"] for request in legacy.requests[-2:]]
    assert drawn[0] != drawn[1]


# --- The notice, and errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", [{}, {"route": "get"}, {"route": "post"}])
def test_the_migration_notice_is_an_error(
    legacy: Legacy, hosts: dict[str, Any], ask: Ask, route: dict[str, Any]
) -> None:
    legacy.notice = True
    with pytest.raises(errors.AuthenticationError, match="migration notice.*gen.pollinations.ai with a key") as caught:
        ask(ChatPollinations(**hosts, **route), "Hello")
    assert caught.value.fix_url == KEYS_PAGE
    assert not caught.value.is_retryable
    assert len(legacy.requests) == 1


def test_an_answer_that_begins_like_the_notice_is_one(legacy: Legacy, hosts: dict[str, Any], ask: Ask) -> None:
    for text in ("⚠️ Careful.", "⚠️ **IMPORTANT NOTICE** ⚠️ Our legacy system is closed."):
        for route in ({}, {"route": "post"}):  # which tells no usage
            legacy.reply(text)
            assert ask(ChatPollinations(**hosts, **route), text).text == text


TEXT_FAULTS: list[Any] = [
    ("queue full", errors.RateLimitError, "Queue full", True),
    ("payment challenge", errors.RateLimitError, "Queue full", True),
    ("blocked address", errors.PermissionDeniedError, "403", False),
    ("blocked address, told", errors.PermissionDeniedError, "Forbidden", False),
    ("provider 503", errors.ServiceUnavailableError, "503", True),
    ("input too long", errors.ContextOverflowError, "exceed", False),
    ("worker error", errors.InternalServerError, "Worker error", True),
    ("origin down", errors.ServiceError, "530|1033", False),
    ("bad gateway page", errors.UpstreamError, "502", True),
    ("malformed body", errors.InvalidRequestError, "400", False),
    ("drop", errors.APIConnectionError, "connection", True),
]


@pytest.mark.parametrize(("fault", "kind", "says", "passes"), TEXT_FAULTS, ids=[row[0] for row in TEXT_FAULTS])
def test_faults_of_the_text_host(
    legacy: Legacy, hosts: dict[str, Any], ask: Ask, fault: str, kind: type[Exception], says: str, passes: bool
) -> None:
    legacy.fail(fault, times=2)
    with pytest.raises(kind, match=says) as caught:
        ask(ChatPollinations(**hosts, max_retries=0), "Hello")
    assert caught.value.is_retryable is passes  # type: ignore[attr-defined]
    if passes:
        assert ask(ChatPollinations(**hosts, max_retries=2), "Hello").text
    assert not any(name.startswith(("x-payment", "payment")) for r in legacy.requests for name in r.headers)


def test_the_older_level_tells_errors_as_the_new_host_does(legacy: Legacy, hosts: dict[str, Any], ask: Ask) -> None:
    legacy.level = "l5"
    with pytest.raises(errors.UnknownModelError):
        ask(ChatPollinations(model="mistral", **hosts), "Hello")
    legacy.fail("queue full")
    with pytest.raises(errors.RateLimitError):
        ask(ChatPollinations(**hosts, max_retries=0), "Hello")


def test_a_provider_is_quoted(legacy: Legacy, hosts: dict[str, Any]) -> None:
    body = {"error": "503 Service Unavailable", "status": 503, "details": '{"error": {"message": "overloaded"}}'}
    legacy.fail(503, body=body)
    with pytest.raises(errors.ServiceUnavailableError, match="503 Service Unavailable: overloaded"):
        ChatPollinations(**hosts, max_retries=0).invoke("Hello")


WORDS: list[Any] = [
    pytest.param(500, "Your prompt was flagged as inappropriate", {}, errors.ContentBlockedError, id="block"),
    pytest.param(
        400, "400 Bad Request", {"details": {"error": {"message": "Filtered by our content management policy."}}},
        errors.ContentBlockedError, id="block by the provider",
    ),
    pytest.param(500, "The prompt is too long", {}, errors.ContextOverflowError, id="length"),
    pytest.param(
        500, "fetch failed", {"requestParameters": {"prompt": "a sign: 'nsfw prohibited', too long"}},
        errors.InternalServerError, id="prompt that speaks of a block",
    ),
    pytest.param(500, "The request took too long", {}, errors.InternalServerError, id="a long time"),
    pytest.param(503, "Moderation is away", {}, errors.ServiceUnavailableError, id="a filter that does not work"),
    pytest.param(404, "Not Found", {"path": "/prompt/a model"}, errors.NotFoundError, id="path that speaks of a model"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "message", "more", "kind"), WORDS)
def test_words_of_an_error_are_its_own(
    legacy: Legacy, hosts: dict[str, Any], status: int, message: str, more: dict[str, Any], kind: type[Exception]
) -> None:
    legacy.fail(status, body={"error": message, "status": status, **more})
    with pytest.raises(errors.PollinationsError, match=message) as caught:
        ChatPollinations(**hosts, max_retries=0).invoke("Hello")
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("queue full", "few requests per IP address: wait, or use an API key"),
        ("payment challenge", "few requests per IP address: wait, or use an API key"),
        ("blocked address", "block this IP address"),
        ("blocked address, told", "Forbidden; .*block this IP address"),
        ("origin down", "1033; the legacy host is currently down"),
    ],
)
def test_who_is_refused_is_told_what_to_do(legacy: Legacy, hosts: dict[str, Any], fault: str, says: str) -> None:
    legacy.fail(fault)
    with pytest.raises(errors.PollinationsError, match=f"{says}.*{KEYS_PAGE}"):
        ChatPollinations(**hosts, max_retries=0).invoke("Hello")


@pytest.mark.parametrize("case", ["cut", "no end"])
def test_a_stream_without_its_end_is_an_error(legacy: Legacy, hosts: dict[str, Any], case: str) -> None:
    legacy.fail(case)
    with pytest.raises(errors.PollinationsError) as caught:
        list(ChatPollinations(**hosts).stream("Why is the sky blue?"))
    assert caught.value.partial is not None


# --- What they cannot do ----------------------------------------------------------------------------------------------

CANNOT: list[Any] = [
    (
        {"extra_body": {"tools": [{"type": "google_search"}]}}, "Hello",
        errors.UnsupportedRequestError, "tools: .*only function tools, got 'google_search'",
    ),
    ({"model": "claude"}, "Hello", errors.UnknownModelError, "model: the legacy text host has only openai-fast"),
    ({"safe": "privacy"}, "Hello", errors.UnsupportedRequestError, "safe: .*no content filter"),
    (
        {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}, "Hello",
        errors.UnsupportedRequestError, "audio: .*does not generate audio",
    ),
    (
        {}, [HumanMessage([{"type": "text", "text": "Look"}, {"type": "image", "url": "https://a.example/b.png"}])],
        errors.UnsupportedRequestError, r"messages\[0\]: .*accepts only text",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("options", "input_", "kind", "says"), CANNOT)
def test_what_the_text_host_cannot_do_is_said_before_it_is_asked(
    legacy: Legacy, hosts: dict[str, Any], ask: Ask, options: dict[str, Any], input_: Any, kind: Any, says: str
) -> None:
    with pytest.raises(kind, match=says) as caught:
        ask(ChatPollinations(**hosts, **options), input_)
    assert caught.value.fix_url == KEYS_PAGE
    assert legacy.requests == []


@pytest.mark.parametrize("field", ["jsonMode", "json"])
def test_json_mode_can_be_said_as_the_host_reads_it(
    legacy: Legacy, hosts: dict[str, Any], ask: Ask, field: str
) -> None:
    """Nothing is warned of: warnings are errors here."""
    for route in ({}, {"route": "get"}, {"route": "post"}):
        answer = ask(ChatPollinations(**hosts, **route, extra_body={field: True}), "Name a sea as JSON")
        assert isinstance(json.loads(answer.text), dict)


def test_an_option_that_nobody_reads_is_warned_of(legacy: Legacy, hosts: dict[str, Any], ask: Ask) -> None:
    with pytest.warns(UserWarning, match="top_k: sent, but text.pollinations.ai does not read it"):
        ask(ChatPollinations(**hosts, top_k=5), "Hello")


ELSEWHERE: dict[str, Callable[..., Any]] = {
    "video": lambda **c: PollinationsVideo(**c).generate("waves"),
    "speech": lambda **c: PollinationsSpeech(**c).generate("Hello"),
    "music": lambda **c: PollinationsMusic(**c).generate("a waltz"),
    "3d": lambda **c: Pollinations3D(**c).generate(image=b"\x89PNG\r\n\x1a\n"),
    "embeddings": lambda **c: PollinationsEmbeddings(**c).embed_query("Hello"),
    "transcripts": lambda **c: PollinationsTranscriber(**c).transcribe(MP3),
    "upload": lambda **c: upload(b"hello", **c),
}


@pytest.mark.parametrize("use", ELSEWHERE.values(), ids=ELSEWHERE)
def test_other_media_need_a_key_and_say_so(no_key: Legacy, use: Callable[..., Any]) -> None:
    with pytest.raises(errors.AuthenticationError, match="the legacy hosts") as caught:
        use()
    assert caught.value.fix_url == KEYS_PAGE
    with pytest.raises(
        ValueError, match=f"api: the (older|legacy) hosts only answer chats and generate images.*{KEYS_PAGE}"
    ):
        use(api="legacy")
    assert no_key.requests == []


def test_the_older_image_host_changes_no_pictures(legacy: Legacy, hosts: dict[str, Any]) -> None:
    picture = PollinationsImage(**hosts).generate("a lighthouse")
    for change in (lambda: picture.edit("make it night"), lambda: asyncio.run(picture.aedit("make it night"))):
        with pytest.raises(errors.UnsupportedRequestError, match="with an API key") as caught:
            change()
        assert caught.value.fix_url == KEYS_PAGE
    with pytest.raises(ValidationError, match="does not accept reference images"):
        PollinationsEditImageTool(**hosts)
    assert len(legacy.requests) == 1


def test_an_empty_list_of_images_is_not_sent(legacy: Legacy, hosts: dict[str, Any]) -> None:
    PollinationsImage(**hosts).generate("a lighthouse", image=[])
    assert "image" not in legacy.requests[-1].query


def test_classes_without_legacy_hosts_say_so(legacy: Legacy) -> None:
    for given in (legacy.connection(), {"legacy_interval": 0}):
        with pytest.raises(ValidationError, match=f"legacy_.*: the legacy hosts only answer chats.*{KEYS_PAGE}"):
            PollinationsVideo(**given)


# --- Pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", MAKING.values(), ids=MAKING)
def test_a_picture_is_what_its_bytes_are(legacy: Legacy, hosts: dict[str, Any], make: Callable[..., Media]) -> None:
    picture = make(PollinationsImage(width=1024, height=1024, seed=7, **hosts), "a lighthouse")
    assert (picture.mime_type, picture.width, picture.height) == ("image/jpeg", 768, 768)
    assert (picture.seed, picture.prompt) == (7, "a lighthouse")
    # The address of the request shows the picture to everybody.
    assert picture.url is not None
    assert httpx.get(picture.url).content == picture.data


@pytest.mark.parametrize("prompt", ["50% off, 100 %41", "a/../b", "a\nb", "a?b#c&d", "prompt/prompt", "ä 🐳", "..a"])
def test_prompts_arrive_as_they_are(legacy: Legacy, hosts: dict[str, Any], prompt: str) -> None:
    PollinationsImage(**hosts).generate(prompt)
    assert unquote(legacy.requests[-1].raw_path.partition("?")[0].removeprefix("/prompt/")) == prompt


def test_a_prompt_of_dots_is_an_error(legacy: Legacy, hosts: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidRequestError, match="prompt: must not be '.' or '..'"):
        PollinationsImage(**hosts).generate("..")


def test_a_prompt_that_no_address_holds_is_an_error(legacy: Legacy, hosts: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidRequestError, match="prompt: has 2.... characters in the URL"):
        PollinationsImage(**hosts).generate("a long story " * 1500)
    PollinationsImage(**hosts).generate("a long story " * 500)
    assert len(legacy.requests) == 1


OPTIONS: list[Any] = [
    ({"enhance": True, "negative_prompt": "fog", "quality": "high", "safe": True},
     {"enhance": "true", "negative_prompt": "fog", "quality": "high", "safe": "true"}),
    ({"enhance": False, "transparent": False, "safe": None}, {}),
    ({"safe": "false"}, {}),
    ({"safe": False}, {}),
    ({"width": 640}, {"width": "640"}),
    ({"no-feed": True}, {}),
    ({"nofeed": True, "model": "turbo"}, {"model": "turbo"}),
]  # fmt: skip


@pytest.mark.parametrize(("options", "sent"), OPTIONS)
def test_options_of_pictures(
    legacy: Legacy, hosts: dict[str, Any], options: dict[str, Any], sent: dict[str, Any]
) -> None:
    PollinationsImage(**hosts).generate("a lighthouse", **options)
    assert legacy.requests[-1].query == {"model": "flux", "private": "true", **sent}


def test_the_feed_cannot_be_chosen(legacy: Legacy, hosts: dict[str, Any]) -> None:
    with pytest.warns(UserWarning, match="private: the legacy host always receives true"):
        PollinationsImage(**hosts).generate("a lighthouse", private=False)
    assert legacy.requests[-1].query["private"] == "true"


@pytest.mark.parametrize(
    ("options", "kind", "says"),
    [
        ({"model": "klein"}, errors.UnknownModelError, "model: the legacy image host has only sana"),
        (
            {"image": "https://a.example/b.png"},
            errors.UnsupportedRequestError,
            "image: .*does not accept reference images",
        ),
        ({"transparent": True}, errors.UnsupportedRequestError, "transparent: "),
        ({"resolution": "2k"}, errors.UnsupportedRequestError, "resolution: "),
        ({"safe": "violence"}, errors.UnsupportedRequestError, "safe: .*only True and False"),
    ],
)
def test_what_the_image_host_cannot_do_is_said_before_it_is_asked(
    legacy: Legacy, hosts: dict[str, Any], options: dict[str, Any], kind: Any, says: str
) -> None:
    with pytest.raises(kind, match=says) as caught:
        PollinationsImage(**hosts).generate("a lighthouse", **options)
    assert caught.value.fix_url == KEYS_PAGE
    assert legacy.requests == []


PICTURED: list[Any] = [
    ("image of an error", errors.InternalServerError, True),
    ("image of a limit", errors.RateLimitError, True),
    ("image of a block", errors.ContentBlockedError, False),
    ("queue full", errors.RateLimitError, True),
    ("payment challenge", errors.RateLimitError, True),
    ("origin down", errors.ServiceError, False),
    ("blocked address", errors.PermissionDeniedError, False),
    ("cut", errors.PollinationsError, True),
]


@pytest.mark.parametrize(("fault", "kind", "passes"), PICTURED, ids=[row[0] for row in PICTURED])
@pytest.mark.parametrize("make", ["generate", "agenerate"])
def test_a_picture_of_an_error_is_an_error(
    legacy: Legacy, hosts: dict[str, Any], make: str, fault: str, kind: type[Exception], passes: bool
) -> None:
    legacy.fail(fault, on="/prompt", times=2)
    with pytest.raises(kind) as caught:
        MAKING[make](PollinationsImage(**hosts, max_retries=0), "a lighthouse")
    assert caught.value.is_retryable is passes  # type: ignore[attr-defined]
    assert b"\xff\xd8" not in pickle.dumps(caught.value)  # no picture in an error
    if passes:
        assert MAKING[make](PollinationsImage(**hosts), "a lighthouse").mime_type == "image/jpeg"


HEADERS: list[Any] = [
    ({"X-Error-Status": "429"}, errors.RateLimitError),
    ({"X-Error-Type": "Internal Server Error"}, errors.InternalServerError),
    ({"X-Error-Message": "boom"}, errors.InternalServerError),
    ({"X-Error-Status": "403", "X-Error-Message": "blocked"}, errors.PermissionDeniedError),
    ({"X-Error-Status": "soon", "X-Error-Type": "?"}, errors.InternalServerError),
    ({"X-Rate-Limited": "true"}, errors.RateLimitError),
    ({"X-Rate-Limited": "1"}, errors.RateLimitError),
    ({"X-Rate-Limited": "false"}, None),
    ({"X-Rate-Limited": "0"}, None),
]


@pytest.mark.parametrize(("headers", "kind"), HEADERS, ids=[str(row[0]) for row in HEADERS])
def test_the_headers_of_a_picture_decide(
    legacy: Legacy, hosts: dict[str, Any], headers: dict[str, str], kind: type[Exception] | None
) -> None:
    good = PollinationsImage(**hosts).generate("a lighthouse")
    legacy.reply(body=good.data, content_type="image/jpeg", headers=headers, on="/prompt")
    draw = PollinationsImage(**hosts, max_retries=0).generate
    if kind is None:
        assert draw("another").data == good.data
    else:
        with pytest.raises(kind):
            draw("another")


# --- Tools and agents -------------------------------------------------------------------------------------------------


def test_an_agent_without_a_key_tells_an_illustrated_story(legacy: Legacy, hosts: dict[str, Any]) -> None:
    from langchain.agents import create_agent

    agent = create_agent(ChatPollinations(**hosts), PollinationsToolkit(include=["image"], **hosts).get_tools())
    told = agent.invoke({"messages": "Tell me an illustrated story about a lighthouse keeper and a whale."})
    pictures = [Media.from_artifact(message.artifact) for message in told["messages"] if message.type == "tool"]
    assert pictures
    assert all(picture.url in told["messages"][-1].text for picture in pictures)
    assert {request.host for request in legacy.requests} == {"text", "image"}


@pytest.mark.parametrize("prompt", ["..", "a long story " * 1500])
def test_a_tool_tells_the_model_what_is_wrong_with_its_prompt(
    legacy: Legacy, hosts: dict[str, Any], prompt: str
) -> None:
    asked_for = {"name": "generate_image", "args": {"prompt": prompt}, "id": "call_1", "type": "tool_call"}
    said = PollinationsImageTool(**hosts).invoke(asked_for)
    assert said.status == "error"
    assert said.content.startswith("prompt: ")
    assert legacy.requests == []


def test_a_tool_tells_its_developer_what_the_older_host_cannot(legacy: Legacy, hosts: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="only sana"):
        PollinationsImageTool(model="klein", **hosts)
    assert PollinationsImageTool(model="klein").wrapper.model == "klein"  # a key may be set before the first call
    with pytest.raises(ValueError, match="include: the legacy hosts only generate images"):
        PollinationsToolkit(include=["image", "video"], **hosts)


def test_a_toolkit_without_a_key_offers_what_works_without_one(legacy: Legacy, hosts: dict[str, Any]) -> None:
    keyless = {name: value for name, value in hosts.items() if name != "api"}
    with pytest.warns(UserWarning, match="^No API key: the toolkit offers only generate_image") as caught:
        (tool,) = PollinationsToolkit(**keyless, options={"video": {"duration": 4}}).get_tools()
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="^No key"):
        message = tool.invoke({"name": tool.name, "args": {"prompt": "a kite"}, "id": "c", "type": "tool_call"})
    assert message.status == "success"
    assert [request.host for request in legacy.requests] == ["image"]
    assert [tool.name for tool in PollinationsToolkit(**hosts).get_tools()] == ["generate_image"]
    assert len(PollinationsToolkit(api_key="sk_x").get_tools()) == 6


# --- What LangChain does with a model ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [401, 402, 429, 503, "balance notice", "drop"])
def test_an_older_host_is_a_fallback_where_its_user_says_so(
    legacy: Legacy, hosts: dict[str, Any], emulator: Emulator, ask: Ask, fault: int | str
) -> None:
    emulator.fail(fault)
    first = ChatPollinations(**emulator.connection(), max_retries=0)
    assert ask(first.with_fallbacks([ChatPollinations(**hosts)]), "Hello").text
    assert (len(emulator.requests), len(legacy.requests)) == (1, 1)
    assert "sk_" not in f"{legacy.requests[0].headers} {legacy.requests[0].body!r}"


def test_what_an_older_host_cannot_read_does_not_hide_the_first_error(
    legacy: Legacy, hosts: dict[str, Any], emulator: Emulator
) -> None:
    emulator.fail(503)
    first = ChatPollinations(**emulator.connection(), max_retries=0)
    looked_at = HumanMessage([{"type": "image", "url": "https://a.example/b.png"}])
    with pytest.raises(errors.ServiceUnavailableError):
        first.with_fallbacks([ChatPollinations(**hosts)]).invoke([looked_at])
    assert legacy.requests == []


def test_many_are_asked_at_once_in_any_loop(legacy: Legacy, hosts: dict[str, Any]) -> None:
    chat, painter = ChatPollinations(**hosts), PollinationsImage(**hosts, width=64, height=64)
    asked_for = [f"number {number}" for number in range(8)]
    answers = [
        *chat.batch(asked_for[:4]),
        *asyncio.run(chat.abatch(asked_for[4:6])),
        *asyncio.run(chat.abatch(asked_for[6:])),
    ]
    assert all(question in answer.text for question, answer in zip(asked_for, answers, strict=True))
    drawn = [*painter.batch(asked_for[:4]), *asyncio.run(painter.abatch(asked_for[4:]))]
    assert [picture.prompt for picture in drawn] == asked_for
    assert len(legacy.requests) == 16


def test_events_of_a_stream(legacy: Legacy, hosts: dict[str, Any]) -> None:
    chat = ChatPollinations(**hosts)

    async def collect() -> list[Any]:
        return [event async for event in chat.astream_events("Is 91 a prime number?", version="v2")]

    first, *between, last = asyncio.run(collect())
    assert (first["event"], last["event"]) == ("on_chat_model_start", "on_chat_model_end")
    assert "".join(event["data"]["chunk"].text for event in between) == last["data"]["output"].text != ""
    assert [block["type"] for block in last["data"]["output"].content_blocks] == ["reasoning", "text"]
    assert last["data"]["output"].usage_metadata["total_tokens"] > 0


def configured(new: dict[str, Any], older: dict[str, Any], **options: Any) -> Any:
    """The new host by its fields, the older one by the configuration of a call."""
    chat = ChatPollinations(**{**older, **new, "api": "gen"}, **options)
    return chat.configurable_fields(api=ConfigurableField(id="api")).with_config(configurable={"api": "legacy"})


def changed(new: dict[str, Any], older: dict[str, Any], **options: Any) -> ChatPollinations:
    """One that has answered from the new host before."""
    chat = ChatPollinations(**{**older, **new, "api": "gen"}, **options)
    chat.invoke("Hello")
    chat.api = "legacy"
    return chat


OLDER: dict[str, Callable[..., Any]] = {
    "older": lambda new, older, **options: ChatPollinations(**older, **options),
    "by GET": lambda new, older, **options: ChatPollinations(**older, route="get", **options),
    "configured": configured,
    "changed": changed,
}


@pytest.mark.parametrize("make", OLDER.values(), ids=OLDER)
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])  # LangChain keeps no streams
def test_answers_of_the_hosts_are_not_mixed_in_a_cache(
    legacy: Legacy, hosts: dict[str, Any], emulator: Emulator, way: str, make: Callable[..., Any]
) -> None:
    legacy.reply("From the older host.", times=9)
    emulator.reply("From the new host.", times=9)
    cache = InMemoryCache()
    for api in ("auto", "gen"):
        new = ChatPollinations(**{**hosts, **emulator.connection(), "api": api}, cache=cache)
        older = make(emulator.connection(), hosts, cache=cache)
        for _ in range(2):
            assert WAYS[way](new, "Hello").text == "From the new host."
            assert WAYS[way](older, "Hello").text == "From the older host."
    assert (len(emulator.requests), len(legacy.requests)) == (2, 1)


def test_what_is_traced_tells_the_host(legacy: Legacy, hosts: dict[str, Any]) -> None:
    chat = ChatPollinations(**hosts, temperature=0.5, max_tokens=99)
    traced: dict[str, Any] = dict(chat._get_ls_params(stop=["x"]))
    said = {"ls_temperature": 0.5, "ls_max_tokens": 99, "ls_stop": ["x"]}
    assert traced == {"ls_provider": "pollinations", "ls_model_name": "openai", "ls_model_type": "chat", **said}
    assert chat._get_ls_params(model="gpt-oss")["ls_model_name"] == "gpt-oss"
    assert chat._identifying_params["base_url"] == legacy.text_url


def test_tokens_are_counted_without_asking_anybody(legacy: Legacy, hosts: dict[str, Any]) -> None:
    chat = ChatPollinations(**hosts)
    assert 1 < chat.get_num_tokens("How many tokens are this?") < 20
    assert chat.get_num_tokens_from_messages([HumanMessage("Hello")], tools=[weather]) > 10
    assert legacy.requests == []


def test_a_call_configures_the_host(legacy: Legacy, hosts: dict[str, Any], emulator: Emulator, ask: Ask) -> None:
    fields = {name: ConfigurableField(id=name) for name in ("api", "model")}
    chat = ChatPollinations(**{**hosts, **emulator.connection(), "api": "gen"}, model="claude")
    either = chat.configurable_fields(**fields)
    ask(either, "Hello", {"configurable": {"api": "legacy", "model": "openai"}})
    ask(either, "Hello")
    ask(either.with_config(configurable={"api": "legacy", "model": "gpt-oss"}), "Hello")
    assert [request.json["model"] for request in legacy.requests] == ["openai", "gpt-oss"]
    assert [request.json["model"] for request in emulator.requests] == ["claude"]
    with pytest.raises(errors.InvalidRequestError, match="api: an argument of the constructor"):
        ask(chat, "Hello", api="legacy")


@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        lambda chat: pickle.loads(pickle.dumps(chat)),
        lambda chat: chat.bind(seed=7),
        lambda chat: chat.with_config(tags=["a"]),
        lambda chat: chat.with_retry(),
    ],
    ids=["copy", "deepcopy", "pickle", "bind", "with_config", "with_retry"],
)
def test_whatever_is_made_of_a_model_without_a_key_asks_the_same_host_and_warns_no_more(
    no_key: Legacy, ask: Ask, copied: Callable[[Any], Any]
) -> None:
    chat = ChatPollinations(legacy_interval=0)
    with pytest.warns(UserWarning, match="No key"):
        chat.invoke("Hello")
    assert ask(copied(chat), "Good day").text
    assert len(no_key.requests) == 2


# --- Models -----------------------------------------------------------------------------------------------------------


def test_the_profile_is_that_of_the_older_model(hosts: dict[str, Any]) -> None:
    chat = ChatPollinations(**hosts)
    assert chat.profile is not None
    assert (chat.profile["tool_calling"], chat.profile["image_inputs"]) == (True, False)
    assert "max_input_tokens" not in chat.profile
    with_key = chat.model_copy(update={"api": "gen"})
    assert with_key.profile == ChatPollinations(api_key="sk_x").profile
    twin = ChatPollinations(**{**{name: getattr(chat, name) for name in ChatPollinations.model_fields}, "api": "gen"})
    assert twin.profile == with_key.profile
    chat.api = "gen"
    assert chat.profile == with_key.profile
    bearing = ChatPollinations(default_headers={"Authorization": "Bearer sk_x"})
    assert bearing.profile == with_key.profile
    bearing.default_headers = None
    assert bearing.profile == ChatPollinations(**hosts).profile


def test_the_older_lists(legacy: Legacy, hosts: dict[str, Any], no_key: Legacy) -> None:
    [text], [image] = list_models("text", **hosts), list_models("image", **hosts)
    assert (text.id, text.kind, text.tools, text.origin) == ("openai-fast", "text", True, "live")
    assert "openai" in text.aliases
    assert (image.id, image.kind) == ("sana", "image")
    for options, says in [({}, "kind: "), ({"kind": "video"}, "kind: "), ({"kind": "text", "query": "x"}, "query: ")]:
        with pytest.raises(errors.InvalidRequestError, match=says):
            list_models(**options, **hosts)
    legacy.fail(503, on="/models", times=2)
    with pytest.raises(errors.ServiceUnavailableError):
        list_models("text", **hosts)


def test_lists_need_no_key_and_stay_with_the_new_host(emulator: Emulator, no_key: Legacy) -> None:
    assert list_models("text", base_url=emulator.url)
    assert no_key.requests == []


# --- The line ---------------------------------------------------------------------------------------------------------

SPACING = 0.05


def test_threads_and_coroutines_keep_the_spacing_and_all_finish(legacy: Legacy, hosts: dict[str, Any]) -> None:
    """Twenty threads and twenty coroutines, with models and tools, at once; measured on the emulator's own log, which
    refuses whoever comes too early."""
    legacy.spacing, legacy.queue_length = SPACING, 0
    service = {**hosts, "legacy_interval": SPACING + 0.02, "max_retries": 0, "on_wait": False}
    chat, painter = ChatPollinations(**service), PollinationsImageTool(**service, width=64, height=64)
    answers: list[Any] = []

    def in_thread(number: int) -> None:
        answers.append(chat.invoke(f"Hello {number}") if number % 2 else painter.invoke({"prompt": f"a cat {number}"}))

    async def in_loop() -> list[Any]:
        calls = [
            chat.ainvoke(f"Good day {number}") if number % 2 else painter.ainvoke({"prompt": f"a dog {number}"})
            for number in range(20)
        ]
        return await asyncio.gather(*calls)

    threads = [threading.Thread(target=in_thread, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    answers += asyncio.run(in_loop())
    for thread in threads:
        thread.join()
    assert len(answers) == 40
    starts = sorted(request.at for request in legacy.requests)
    assert len(starts) == 40
    assert min(later - earlier for earlier, later in zip(starts, starts[1:], strict=False)) >= SPACING


@pytest.fixture
def busy_line(hosts: dict[str, Any]) -> Iterator[None]:
    """A request has just been made: the next one of the process waits."""
    ChatPollinations(**hosts).invoke("first")
    yield


BATCHES: Mapping[str, Callable[[dict[str, Any], list[str]], object]] = {
    "chat": lambda hosts, inputs: ChatPollinations(**hosts).batch(inputs),
    "chain": lambda hosts, inputs: (ChatPollinations(**hosts) | StrOutputParser()).batch(inputs),
    "as completed": lambda hosts, inputs: list(ChatPollinations(**hosts).batch_as_completed(inputs)),
    "pictures": lambda hosts, inputs: PollinationsImage(**hosts).batch(inputs),
}


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system cannot send a signal to a thread")
@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_ctrl_c_ends_a_batch_that_waits(legacy: Legacy, hosts: dict[str, Any], busy_line: None, batch: Any) -> None:
    def interrupt() -> None:
        while not len(QUEUE):
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        batch({**hosts, "legacy_interval": 5, "on_wait": False}, ["one", "two", "three"])
    thread.join()
    assert len(QUEUE) == 0
    assert len(legacy.requests) == 1


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_after_an_error_in_a_batch_nobody_waits_for_the_rest(legacy: Legacy, hosts: dict[str, Any], batch: Any) -> None:
    legacy.fail(400)
    with pytest.raises(errors.InvalidRequestError):
        batch({**hosts, "legacy_interval": SPACING, "on_wait": False}, ["one", "two", "three"])
    assert len(legacy.requests) == 1


@pytest.mark.parametrize("legacy_interval", [0, SPACING])
def test_a_batch_gives_errors_back_in_their_places(
    legacy: Legacy, hosts: dict[str, Any], legacy_interval: float
) -> None:
    chat = ChatPollinations(**{**hosts, "legacy_interval": legacy_interval, "on_wait": False})
    configs = [RunnableConfig(tags=[name]) for name in ("a", "b")]
    mixed = ["one", cast(str, 2)]
    one, two = chat.batch(mixed, configs, return_exceptions=True)
    assert "one" in one.text
    assert isinstance(two, ValueError)
    ((_, first), (_, second)) = sorted(chat.batch_as_completed(mixed, configs, return_exceptions=True))
    assert (first.text, type(second)) == (one.text, type(two))
    assert chat.batch([]) == []
    assert list(chat.batch_as_completed([])) == []


@pytest.mark.parametrize("limit", ["legacy_max_wait", "total_timeout"])
def test_a_wait_beyond_the_limit_is_refused_at_once(
    legacy: Legacy, hosts: dict[str, Any], busy_line: None, ask: Ask, limit: str
) -> None:
    chat = ChatPollinations(**{**hosts, "legacy_interval": 600, limit: 5})
    with pytest.raises(errors.RateLimitError, match=limit) as caught:
        ask(chat, "Hello")
    assert caught.value.fix_url == KEYS_PAGE
    assert caught.value.retry_after is not None
    assert len(legacy.requests) == 1


def test_a_wait_is_told(legacy: Legacy, hosts: dict[str, Any], busy_line: None, ask: Ask) -> None:
    told: list[Any] = []
    ask(ChatPollinations(**{**hosts, "legacy_interval": 1.2, "on_wait": told.append}), "Hello")
    assert told[0].stage == "queued"
    assert 0 < told[0].left <= 1.2


def test_a_repeat_waits_for_its_turn(legacy: Legacy, hosts: dict[str, Any], ask: Ask) -> None:
    """The host refuses, by status or by a picture; the repeat keeps the pace as every request does."""
    legacy.fail("queue full")
    began = len(legacy.requests)
    ask(ChatPollinations(**{**hosts, "legacy_interval": 0.4, "on_wait": False}), "Hello")
    refused, answered = legacy.requests[began:]
    assert answered.at - refused.at >= 0.39


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://nowhere.invalid"])
def test_what_finds_no_connection_keeps_nobody_waiting(
    hosts: dict[str, Any], busy_line: None, ask: Ask, transport: Any, address: str
) -> None:
    began = QUEUE.began
    service = {**hosts, "legacy_interval": SPACING, "async_transport": transport, "legacy_text_url": address}
    with pytest.raises(errors.APIConnectionError) as caught:
        ask(ChatPollinations(**service, max_retries=0), "Hello")
    assert not caught.value.was_sent
    assert QUEUE.began == began


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_what_loses_its_connection_counts(
    legacy: Legacy, hosts: dict[str, Any], busy_line: None, ask: Ask, transport: Any
) -> None:
    began = QUEUE.began
    legacy.fail("drop")
    with pytest.raises(errors.APIConnectionError) as caught:
        ask(
            ChatPollinations(**{**hosts, "legacy_interval": SPACING, "async_transport": transport}, max_retries=0),
            "Hello",
        )
    assert caught.value.was_sent
    assert QUEUE.began > began


def test_what_cannot_be_written_keeps_nobody_waiting(hosts: dict[str, Any], busy_line: None, ask: Ask) -> None:
    began = QUEUE.began
    with pytest.raises(errors.InvalidRequestError, match="cannot be written"):
        ask(ChatPollinations(**{**hosts, "legacy_interval": SPACING}), "half \ud800 a character")
    assert QUEUE.began == began


def test_who_reads_a_stream_can_ask_for_a_picture_meanwhile(legacy: Legacy, hosts: dict[str, Any]) -> None:
    service = {**hosts, "legacy_interval": SPACING, "on_wait": False}
    for _ in ChatPollinations(**service).stream("Why is the sky blue?"):
        assert PollinationsImage(**service, width=64, height=64).generate("the sky").mime_type == "image/jpeg"
        break
    assert [request.host for request in legacy.requests] == ["text", "image"]


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize("way", ["chat", "stream", "picture"])
async def test_who_is_cancelled_while_the_host_works_gives_the_turn_back(
    legacy: Legacy, hosts: dict[str, Any], way: str, transport: Any
) -> None:
    service = {**hosts, "legacy_interval": SPACING, "on_wait": False, "async_transport": transport}
    chat, painter = ChatPollinations(**service), PollinationsImage(**service)
    legacy.fail(500, on="/", delay=60)
    ask = {"chat": chat.ainvoke, "stream": lambda prompt: anext(chat.astream(prompt)), "picture": painter.agenerate}
    running = asyncio.ensure_future(ask[way]("a lighthouse"))
    while not legacy.requests:
        await asyncio.sleep(0.001)
    assert len(QUEUE) == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(QUEUE) == 0
    assert (await chat.ainvoke("Hello")).text


def test_lists_do_not_wait(legacy: Legacy, hosts: dict[str, Any], busy_line: None) -> None:
    since = time.monotonic()
    list_models("text", **{**hosts, "legacy_interval": 600})
    assert time.monotonic() - since < 60


def test_nothing_warns_where_all_is_said(legacy: Legacy, hosts: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ChatPollinations(**hosts).invoke("Hello").text
        assert PollinationsImage(**hosts).generate("a lighthouse").mime_type == "image/jpeg"
