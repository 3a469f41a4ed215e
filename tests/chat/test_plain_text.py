"""`route`: chat completions, or the plain routes `GET /text/{prompt}` and `POST /text` of the unified host.

Those of the legacy hosts are in `test_legacy`.
"""

from __future__ import annotations

import base64
import json
import logging
import pickle
import re
from collections.abc import Callable
from typing import Any

import httpx
import jsonschema
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import BaseModel, ValidationError

from langchain_pollinations import errors
from langchain_pollinations._chat.fields import parse_usage
from langchain_pollinations._chat.plain_text import split_sources, usage_of
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Asked, Emulator
from tests.helpers.ask import WAYS, Ask, blocks
from tests.legacy.test_legacy import MP3, PLAIN_ANSWERS, SAID

QUESTION = "What is artificial intelligence?"
CHAT = "POST /v1/chat/completions"


class Sea(BaseModel):
    """A sea."""

    name: str


def weather(city: str) -> str:
    """The weather in a city."""
    return city


def target(request: Asked) -> str:
    return f"{request.method} {request.raw_path.partition('?')[0]}"


def sent(request: Asked) -> dict[str, Any]:
    """The options of a request, without what a stream adds."""
    options: dict[str, Any] = request.json if request.body else dict(request.query)
    return {name: value for name, value in options.items() if name not in ("stream", "stream_options")}


# --- The examples of both documents -----------------------------------------------------------------------------------


def test_the_documents_get(emulator: Emulator, chat: ChatPollinations, ask: Ask) -> None:
    """curl 'https://gen.pollinations.ai/text/Hello%20world'
    curl 'https://gen.pollinations.ai/text/Explain%20AI?model=claude&key=YOUR_KEY'

    The client always sends the model, and the key in a header.
    """
    assert ask(chat, "Hello world", route="get").text
    assert ask(ChatPollinations(model="claude", route="get", **emulator.connection()), "Explain AI").text
    first, second = emulator.requests
    assert (target(first), sent(first)) == ("GET /text/Hello%20world", {"model": "openai"})
    assert (target(second), sent(second)) == ("GET /text/Explain%20AI", {"model": "claude"})
    assert second.headers["authorization"].startswith("Bearer sk_")
    assert "sk_" not in second.raw_path + str(second.query)


def test_the_older_documents_get_on_this_host(emulator: Emulator, ask: Ask) -> None:
    """GET /What%20is%20artificial%20intelligence?seed=42&json=true&model=mistral&system=You%20are%20a%20helpful%20AI...

    Providers refuse JSON mode where no message speaks of JSON: the system message gets an instruction.
    """
    chat = ChatPollinations(model="mistral", seed=42, json_mode=True, route="get", **emulator.connection())
    answer = ask(chat, [SystemMessage("You are a helpful AI assistant"), HumanMessage(QUESTION)])
    [request] = emulator.requests
    system = "You are a helpful AI assistant\n\nAnswer with a JSON object and nothing else."
    assert target(request) == "GET /text/What%20is%20artificial%20intelligence%3F"
    assert sent(request) == {"seed": "42", "json": "true", "model": "mistral", "system": system}
    assert isinstance(json.loads(answer.text), dict)


def test_the_older_documents_post_on_this_host(
    emulator: Emulator, ask: Ask, validator: jsonschema.Draft202012Validator
) -> None:
    """POST / with messages, seed, jsonMode and model."""
    chat = ChatPollinations(model="mistral", seed=42, json_mode=True, route="post", **emulator.connection())
    answer = ask(chat, [SystemMessage("You answer with JSON."), HumanMessage(QUESTION)])
    [request] = emulator.requests
    messages = [{"role": "system", "content": "You answer with JSON."}, {"role": "user", "content": QUESTION}]
    body = {"messages": messages, "seed": 42, "response_format": {"type": "json_object"}, "model": "mistral"}
    assert (target(request), sent(request)) == ("POST /text", body)
    validator.validate(request.json)
    assert isinstance(json.loads(answer.text), dict)


# --- What a route carries ---------------------------------------------------------------------------------------------


def test_every_option_of_the_get(emulator: Emulator, ask: Ask, request: pytest.FixtureRequest) -> None:
    options: dict[str, Any] = {
        "seed": 7,
        "temperature": 0.0,
        "top_p": 0.5,
        "presence_penalty": 0.25,
        "frequency_penalty": -0.25,
        "repetition_penalty": 1.1,
        "max_tokens": 50,
        "max_completion_tokens": 50,
        "reasoning_effort": "low",
        "safe": False,
    }
    chat = ChatPollinations(route="get", extra_body={"json": False, "user": None, "voice": "nova"}, **options,
                            **emulator.connection())  # fmt: skip
    assert ask(chat, [SystemMessage("Be brief"), HumanMessage("Hi")]).text
    [asked] = emulator.requests
    words = {name: str(value).lower() for name, value in options.items()}
    assert sent(asked) == {**words, "voice": "nova", "model": "openai", "system": "Be brief"}
    contract = request.getfixturevalue("contract")
    schema = json.loads((contract / "text.query.schema.json").read_text("utf-8"))
    assert sent(asked).keys() | {"json", "stream"} == schema["properties"].keys()


HISTORY = [HumanMessage("Hi"), AIMessage("Yes?"), HumanMessage("Hello")]
CALL = AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Riga"}, "id": "1"}])
CALLED = [HumanMessage("Riga?"), CALL, ToolMessage("Rain.", tool_call_id="1")]
PICTURE = {"type": "image", "url": "https://example.com/a.png"}
LOOK = [HumanMessage([{"type": "text", "text": "Look"}, PICTURE])]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "Sea", "schema": Sea.model_json_schema()}}
GET, POST = "GET", "POST /text"

CARRIED: list[Any] = [
    # input, options, what goes by GET and by POST: the route, or the reason why not
    ("Hello", {}, GET, POST),
    ([SystemMessage("Be brief"), HumanMessage("Hello")], {"temperature": 0.5}, GET, POST),
    ("Hello", {"system": "Be brief"}, GET, POST),
    ([SystemMessage("Be brief"), HumanMessage("Hello")], {"system": "Be kind"}, "system in addition to", POST),
    ([SystemMessage("Be brief"), SystemMessage("Be kind"), HumanMessage("Hello")], {}, "messages other", POST),
    ("a/b?c#d\né 🐳 + &", {}, GET, POST),
    ("modelsmodels", {}, GET, POST),
    ("Models", {}, "another route", POST),
    ("..", {}, "another route", POST),
    ("50%20off", {}, "'%' in the prompt", POST),
    ("   ", {}, "an empty prompt", POST),
    ("long " * 500, {}, "2000 characters", POST),
    ([SystemMessage("é" * 400), HumanMessage("Hi")], {}, "2000 characters", POST),
    (HISTORY, {}, "messages other", POST),
    ([HumanMessage("Hello", name="ann")], {}, r"messages\[0\]", POST),
    (LOOK, {}, r"messages\[0\]", POST),
    ("Hello", {"stop": ["x"]}, "stop", POST),
    ("Hello", {"user": "ann"}, "user", POST),
    ("Hello", {"n": 1}, "n:", POST),
    ("Hello", {"response_format": SCHEMA}, "response_format", POST),
    ("Hello", {"extra_body": {"tools": []}}, "tools", POST),
    ("Hello", {"extra_body": {"temperature": [1]}}, "temperature", POST),
    ("Hello", {"logprobs": True, "top_logprobs": 1}, "logprobs, top_logprobs", "logprobs, top_logprobs"),
    ("Hello", {"include_reasoning": True}, "include_reasoning", "include_reasoning"),
    ("Hello", {"tools": [weather]}, "tools", "tools"),
    ("Hello", {"model": "flux"}, "models for image", "models for image"),
    (CALLED, {"tools": [weather]}, "tools, messages", r"tools, messages\[1\], messages\[2\]"),
    (CALLED, {}, "messages other", r"messages\[1\], messages\[2\]"),
]  # fmt: skip
REFUSED: list[Any] = [{"extra_body": {"temperature": [1]}}, {"model": "flux"}]
"""Options that the service refuses whatever the route."""


@pytest.mark.parametrize("route", ["get", "post"])
@pytest.mark.parametrize(("input_", "options", "by_get", "by_post"), CARRIED)
def test_what_a_route_cannot_carry_goes_by_chat_completions_and_a_line_says_so(
    emulator: Emulator,
    chat: ChatPollinations,
    ask: Ask,
    caplog: pytest.LogCaptureFixture,
    route: str,
    input_: Any,
    options: dict[str, Any],
    by_get: str,
    by_post: str,
) -> None:
    expected = by_get if route == "get" else by_post
    with caplog.at_level(logging.DEBUG, "langchain_pollinations"):
        if options in REFUSED:
            with pytest.raises(errors.InvalidRequestError):
                ask(chat, input_, route=route, **options)
        else:
            answer = ask(chat, input_, route=route, **options)
            assert answer.text or answer.tool_calls
    [request] = emulator.requests
    lines = [record.getMessage() for record in caplog.records if record.name == "langchain_pollinations"]
    if expected in (GET, POST):
        assert lines == []
        assert target(request).startswith("GET /text/" if expected == GET else POST)
    else:
        assert target(request) == CHAT
        [line] = lines
        assert line.startswith(f"route={route!r} cannot carry ")
        assert re.search(expected, line)
        assert "Riga" not in line and "Hello" not in line


def test_a_prompt_arrives_as_it_was_written(emulator: Emulator, chat: ChatPollinations, ask: Ask) -> None:
    for prompt in ("a/b?c#d", "äöü 🐳\n", "+ & = ;", "../x", "'\"<>\\"):
        ask(chat, prompt, route="get")
        [request] = emulator.requests
        assert request.path == f"/text/{prompt}"
        assert request.raw_path.partition("?")[0].count("/") == 2
        emulator.clear()


def test_half_a_character_is_an_error_on_every_route(emulator: Emulator, chat: ChatPollinations, ask: Ask) -> None:
    for route in ("chat", "get", "post"):
        with pytest.raises(errors.InvalidRequestError, match="surrogates not allowed"):
            ask(chat, "half \ud800 a character", route=route)
    assert emulator.requests == []


def test_the_route_of_a_call_wins_and_none_leaves_it_to_the_constructor(emulator: Emulator, ask: Ask) -> None:
    chat = ChatPollinations(route="get", **emulator.connection())
    for bound, options in ((chat, {}), (chat, {"route": "post"}), (chat, {"route": None}),
                           (chat.bind(route="chat"), {}), (chat.bind(route="chat"), {"route": "post"})):  # fmt: skip
        ask(bound, "Hi", **options)
    assert [target(each) for each in emulator.requests] == ["GET /text/Hi", POST, "GET /text/Hi", CHAT, POST]


def test_an_unknown_route_is_named(chat: ChatPollinations, ask: Ask) -> None:
    with pytest.raises(errors.InvalidRequestError, match="route: Input should be 'chat', 'get' or 'post'"):
        ask(chat, "Hi", route="put")
    with pytest.raises(ValidationError, match="route"):
        ChatPollinations(route="put", api_key="sk_x")  # type: ignore[arg-type]


def test_a_route_is_part_of_what_a_model_is(emulator: Emulator) -> None:
    """Answers differ by route: LangChain's cache must keep them apart."""
    chat = ChatPollinations(route="get", **emulator.connection())
    others = [chat.model_copy(update={"route": route}) for route in ("chat", "post")]
    assert len({each._get_llm_string() for each in (chat, *others)}) == 3
    assert len({chat._get_llm_string(**options) for options in ({}, {"route": "post"})}) == 2
    assert chat._identifying_params["route"] == "get"
    assert pickle.loads(pickle.dumps(chat)).route == "get"


# --- Answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reply", "said"), PLAIN_ANSWERS)
@pytest.mark.parametrize("route", ["get", "post"])
def test_answers_are_read_by_their_content_type(
    emulator: Emulator, chat: ChatPollinations, ask: Ask, route: str, reply: Any, said: Any
) -> None:
    headers = {"x-model-used": "openai/gpt-5-nano", "x-request-id": "r1", "x-cache-type": "EXACT"}
    emulator.reply(**reply, on="/", headers={**headers, "x-usage-prompt-text-tokens": "3"})
    answer = ask(chat, "Hello", route=route)
    assert [(block["type"], block[SAID[block["type"]]]) for block in blocks(answer)] == said
    told = answer.response_metadata
    assert (told["model_name"], told["request_id"], told["cache_type"]) == ("openai/gpt-5-nano", "r1", "EXACT")
    assert told["finish_reason"] == ("tool_calls" if answer.tool_calls else "unknown")
    assert answer.usage_metadata == {"input_tokens": 3, "output_tokens": 0, "total_tokens": 3}


@pytest.mark.parametrize("route", ["get", "post"])
def test_a_page_is_no_answer(emulator: Emulator, chat: ChatPollinations, ask: Ask, route: str) -> None:
    emulator.reply(body="<html><body>Hello</body></html>", on="/")
    with pytest.raises(errors.InvalidResponseError, match="no text but text/html"):
        ask(chat, "Hello", route=route)


def test_recorded_answers_are_read(emulator: Emulator, chat: ChatPollinations, example: Callable[[str], Any]) -> None:
    for name, tokens in (("text_get_plain", (6, 4, {})), ("text_get_audio_headers", (8, 67, {"audio": 50}))):
        recorded = example(name)["response"]
        headers = {key: value for key, value in recorded["headers"].items() if key != "content-length"}
        emulator.reply(body=recorded["body"] or MP3, content_type=headers.pop("content-type"), headers=headers, on="/")
        answer = chat.invoke("hi", route="get")
        assert answer.text == (recorded["body"] or "")
        usage = answer.usage_metadata
        assert usage is not None
        assert (usage["input_tokens"], usage["output_tokens"], usage.get("output_token_details", {})) == tokens
        assert usage["total_tokens"] == sum(tokens[:2])
        assert answer.response_metadata["model_name"] == headers["x-model-used"]


PREFIX = [SystemMessage("All of this is known. " * 1000), HumanMessage("What is known?")]
WAV = base64.b64encode(b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(400)).decode()
SOUND = {"type": "audio", "base64": WAV, "mime_type": "audio/wav"}
HEARD = [HumanMessage([{"type": "text", "text": "What is this?"}, SOUND])]
ALIKE: list[Any] = [
    pytest.param("Hello", {}, id="text"),
    pytest.param("Is 91 a prime number?", {"reasoning_effort": "low"}, id="reasoning"),
    pytest.param(PREFIX, {}, id="a prefix that the provider keeps"),
    pytest.param(HEARD, {"model": "google/gemini-3-flash-preview"}, id="sound"),
    pytest.param("Name a sea as JSON", {"json_mode": True}, id="JSON"),
    pytest.param("What do whales eat?", {"model": "sonar"}, id="sources"),
]


@pytest.mark.parametrize("route", ["get", "post"])
@pytest.mark.parametrize(("input_", "options"), ALIKE)
def test_the_plain_routes_say_what_chat_completions_say(
    emulator: Emulator, ask: Ask, route: str, input_: Any, options: dict[str, Any]
) -> None:
    """Usage from headers is that of the body, and so are the sources at the end of the text."""
    told = []
    for way in ("chat", route):
        emulator.reset()  # the provider keeps a prefix: both are to be the first
        told.append(ask(ChatPollinations(route=way, seed=7, **options, **emulator.connection()), input_))
    by_chat, plain = told
    assert plain.text == by_chat.text
    assert _some(plain.usage_metadata) == _some(by_chat.usage_metadata)
    assert plain.additional_kwargs.get("citations") == by_chat.additional_kwargs.get("citations")
    assert _sources(plain) == _sources(by_chat)


def _sources(answer: AIMessage) -> list[Any]:
    """The URLs that an answer cites. The plain routes do not tell titles and passages."""
    cited = [note for block in answer.content_blocks for note in block.get("annotations", [])]  # type: ignore[attr-defined]
    return [note["url"] for note in cited]


def _some(usage: Any) -> Any:
    """A usage without counts of zero, which headers leave out."""
    given = {key: _some(value) if isinstance(value, dict) else value for key, value in usage.items()}
    return {key: value for key, value in given.items() if value}


COUNTERS: list[Any] = [
    ({}, None),
    ({"x-usage-total-tokens": "0"}, (0, 0, 0, {}, {})),
    ({"x-usage-completion-video-seconds": "4"}, None),
    (
        {"x-usage-prompt-text-tokens": "10", "x-usage-prompt-cached-tokens": "5", "x-usage-prompt-audio-tokens": "4",
         "x-usage-prompt-cache-write-tokens": "3", "x-usage-prompt-image-tokens": "2",
         "x-usage-completion-text-tokens": "7", "x-usage-completion-reasoning-tokens": "6",
         "x-usage-completion-audio-tokens": "1", "x-usage-total-tokens": "38"},
        (24, 14, 38, {"audio": 4, "cache_read": 5, "cache_creation": 3}, {"audio": 1, "reasoning": 6}),
    ),
    ({"x-usage-prompt-text-tokens": "many", "x-usage-completion-text-tokens": "2"}, (0, 2, 2, {}, {})),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "counts"), COUNTERS)
def test_usage_of_headers(headers: dict[str, str], counts: Any) -> None:
    usage = parse_usage(usage_of(httpx.Headers(headers)))
    details = usage and (usage.get("input_token_details", {}), usage.get("output_token_details", {}))
    assert counts == (
        usage and (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"], *(details or ()))
    )


@pytest.mark.parametrize(
    ("text", "said", "sources"),
    [
        ("Blue.", "Blue.", []),
        ("Blue.\n\n---\nSources:\n[1] https://a\n[2] https://b\n", "Blue.", ["https://a", "https://b"]),
        ("Blue.\n\n---\nSources:\n[1] https://a", "Blue.", ["https://a"]),
        ("Blue.\n\n---\nSources:\n[1] a book of mine\n", "Blue.\n\n---\nSources:\n[1] a book of mine\n", []),
        ("A\n\n---\nSources:\n[1] https://a\nB", "A\n\n---\nSources:\n[1] https://a\nB", []),
        ("\n\n---\nSources:\n", "\n\n---\nSources:\n", []),
    ],
)
def test_sources_at_the_end_of_a_text(text: str, said: str, sources: list[str]) -> None:
    assert split_sources(text) == (said, sources)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("route", ["get", "post"])
def test_audio_models_speak(emulator: Emulator, route: str, way: str) -> None:
    """The service chooses the form: MP3, and in streams raw samples, which get a WAV header."""
    chat = ChatPollinations(model="openai-audio", route=route, **emulator.connection())  # type: ignore[arg-type]
    answer = WAYS[way](chat, "Say hello")
    [audio] = [block for block in answer.content_blocks if block["type"] == "audio"]
    assert audio["mime_type"] == ("audio/wav" if "stream" in way else "audio/mpeg")
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_token_details"]["audio"] > 0
    assert not target(emulator.requests[-1]).endswith("completions")


def test_structured_output_takes_the_route_where_it_can(emulator: Emulator) -> None:
    for route, method, expected in (
        ("get", "json_mode", "GET /text/"),
        ("get", "json_schema", CHAT),
        ("post", "json_mode", POST),
        ("post", "json_schema", POST),
        ("post", "function_calling", CHAT),
    ):
        chat = ChatPollinations(route=route, **emulator.connection())
        structured = chat.with_structured_output(Sea, method=method)
        assert structured.invoke("The sea 'Baltic' as JSON, with the key 'name'.")
        assert target(emulator.requests[-1]).startswith(expected)


@pytest.mark.parametrize("route", ["get", "post"])
def test_errors_are_those_of_every_route(emulator: Emulator, ask: Ask, route: str) -> None:
    chat = ChatPollinations(route=route, max_retries=0, **emulator.connection())  # type: ignore[arg-type]
    with pytest.raises(errors.UnknownModelError, match="Did you mean 'openai'"):
        ask(chat, "Hi", model="opnai")
    for status, kind in ((401, errors.AuthenticationError), (429, errors.RateLimitError), (502, errors.UpstreamError)):
        emulator.fail(status)
        with pytest.raises(kind):
            ask(chat, "Hi")


@pytest.mark.parametrize(
    "text", ["data: the numbers of May\n\nMore.", ":) Hello", "event: a party\n\n", "id: 7\n\nretry: 9"]
)
def test_a_text_that_begins_like_an_event_stream_is_a_text(emulator: Emulator, ask: Ask, text: str) -> None:
    emulator.reply(body=text)
    assert ask(ChatPollinations(**emulator.connection(), route="post"), "Hello").text == text
