"""The older host for text, as plain HTTP meets it and as the official OpenAI client does."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import openai
import pytest

from langchain_pollinations.emulator import Legacy

from .conftest import events

TIDES = [{"role": "user", "content": "Explain tides"}]
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}
CHAT_ROUTES = ("/openai", "/openai/chat/completions", "/openai/whatever", "/v1/chat/completions")
NOTICE = "⚠️ **IMPORTANT NOTICE** ⚠️"
PLAIN = "text/plain; charset=utf-8"
JSON = "application/json; charset=utf-8"
SSE = "text/event-stream; charset=utf-8"


@pytest.fixture
def http(legacy: Legacy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=legacy.text_url, timeout=10, verify=False) as client:  # plain http, no TLS
        yield client


def chat(http: httpx.Client, words: str = "Explain tides", /, **fields: Any) -> httpx.Response:
    return http.post("/openai", json={"messages": [{"role": "user", "content": words}], **fields})


def spoken(answer: httpx.Response) -> str:
    """The words of a streamed answer."""
    deltas = [chunk["choices"][0]["delta"] for chunk in events(answer.text) if chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


# Routes.


def test_a_prompt_in_the_path_is_answered_with_plain_text(http: httpx.Client) -> None:
    answer = http.get("/Explain%20tides")
    assert answer.status_code == 200 and "Explain tides" in answer.text
    assert answer.headers["content-type"] == PLAIN
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("prompt", ["what/is?a#tide & 100%", "a\nb", "openai", "prompt/x", "über ☂"])
def test_any_prompt_reaches_the_model_if_it_is_encoded(http: httpx.Client, legacy: Legacy, prompt: str) -> None:
    answer = http.get("/" + quote(prompt, safe=""))
    assert " ".join(prompt.split()) in answer.text
    assert legacy.requests[-1].path == "/" + prompt


@pytest.mark.parametrize("path", ["/models", "/openai/models", "/feed", "/crossdomain.xml", "/"])
def test_reserved_words_reach_no_model(http: httpx.Client, legacy: Legacy, path: str) -> None:
    legacy.reply("The model's words")
    answer = http.get(path)
    assert answer.status_code == 200 and answer.text != "The model's words"
    assert http.get("/tides").text == "The model's words"


def test_messages_sent_to_the_root_are_answered_with_plain_text(http: httpx.Client) -> None:
    answer = http.post("/", json={"messages": TIDES})
    assert answer.headers["content-type"] == PLAIN and "Explain tides" in answer.text


@pytest.mark.parametrize("path", CHAT_ROUTES)
def test_chat_routes_answer_in_the_form_of_openai(http: httpx.Client, path: str) -> None:
    answer = http.post(path, json={"messages": TIDES})
    body = answer.json()
    assert answer.headers["content-type"] == JSON and "tides" in body["choices"][0]["message"]["content"]
    assert body["id"].startswith("pllns_") and len(body["id"]) == 38 and body["user_tier"] == "anonymous"
    assert body["created"] < 10**11  # in seconds
    told = {name: value for name, value in answer.headers.items() if name.startswith(("x-usage", "x-model"))}
    assert told == {
        "x-model-used": body["model"],
        "x-usage-prompt-text-tokens": str(body["usage"]["prompt_tokens"]),
        "x-usage-completion-text-tokens": str(body["usage"]["completion_tokens"]),
        "x-usage-total-tokens": str(body["usage"]["total_tokens"]),
    }


def test_without_messages_a_chat_route_takes_its_path_for_the_prompt(http: httpx.Client) -> None:
    assert '"openai"' in http.post("/openai", json={}).json()["choices"][0]["message"]["content"]


def test_the_lists_know_one_model(http: httpx.Client) -> None:
    [model] = http.get("/models").json()
    assert model["name"] == "openai-fast" and "openai" in model["aliases"] and model["reasoning"] is True
    [entry] = http.get("/openai/models").json()["data"]
    assert entry["id"] == "openai-fast" and entry["created"] > 10**12  # in milliseconds
    for name in (model["name"], *model["aliases"]):
        assert chat(http, model=name).status_code == 200


def test_other_methods_and_posts_elsewhere_find_a_page(http: httpx.Client) -> None:
    for answer in (http.put("/openai"), http.post("/<x>", json={})):
        assert answer.status_code == 404 and answer.headers["content-type"].startswith("text/html")
    assert "<x>" not in answer.text


def test_the_feed_shows_what_is_not_private(http: httpx.Client) -> None:
    http.get("/tides", params={"private": "true"})
    http.get("/moons")
    http.post("/", json={"messages": TIDES, "private": True})
    chat(http)
    feed = http.get("/feed")
    assert feed.headers["content-type"] == SSE
    shown = [json.loads(line.removeprefix("data: ")) for line in feed.text.splitlines() if line]
    assert [event["messages"][0]["content"] for event in shown] == ["moons"]


# Parameters.


def test_the_body_wins_over_the_query(http: httpx.Client) -> None:
    query = {"model": "mistral", "stream": "true"}
    answer = http.post("/openai", params=query, json={"messages": TIDES, "model": "openai", "stream": False})
    assert answer.status_code == 200 and answer.headers["content-type"] == JSON
    assert http.post("/openai", params=query, json={"messages": TIDES}).status_code == 404


@pytest.mark.parametrize(
    ("query", "as_json"),
    [
        ({"json": "true"}, True),
        ({"json": "TRUE"}, True),
        ({"json": "1"}, False),
        ({"json": "false"}, False),
        ({"jsonMode": "true"}, True),
        ({"jsonMode": "false"}, True),
        ({"jsonMode": ""}, False),
        ({"jsonmode": "true"}, False),
        ({}, False),
    ],
)
def test_json_in_a_query(http: httpx.Client, query: dict[str, str], as_json: bool) -> None:
    answer = http.get("/Explain%20tides", params=query)
    assert answer.text.startswith("{") == as_json
    assert answer.headers["content-type"] == PLAIN


@pytest.mark.parametrize(
    ("fields", "as_json"),
    [
        ({"json": True}, True),
        ({"json": 1}, False),
        ({"jsonMode": True}, True),
        ({"jsonMode": False}, False),
        ({"jsonMode": "false"}, True),
        ({"jsonMode": 0}, False),
        ({"response_format": {"type": "json_object"}}, True),
        ({"response_format": {"type": "text"}}, False),
    ],
)
def test_json_in_a_body(http: httpx.Client, fields: dict[str, Any], as_json: bool) -> None:
    answer = http.post("/", json={"messages": TIDES, **fields})
    assert answer.text.startswith("{") == as_json and answer.headers["content-type"] == PLAIN


def test_a_schema_is_passed_on(http: httpx.Client) -> None:
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    answer = chat(http, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    assert list(json.loads(answer.json()["choices"][0]["message"]["content"])) == ["title"]


def test_a_system_text_comes_before_that_of_the_messages(http: httpx.Client) -> None:
    messages = [{"role": "system", "content": "Context: Tides rise."}, {"role": "user", "content": "What do tides do?"}]
    one = http.post("/", json={"messages": messages}).text
    assert one == "Tides rise."
    both = http.post("/", json={"messages": messages, "system": "Context: Tides do fall."}).text
    assert both == "Tides do fall."
    by_path = http.get("/What%20do%20tides%20do%3F", params={"system": "Context: Tides rise."}).text
    assert by_path == "Tides rise."


def test_seeds_are_whole_numbers_of_which_minus_one_is_nothing_special(http: httpx.Client) -> None:
    def answers(seed: str) -> list[str]:
        return [http.get(f"/tide-{number}", params={"seed": seed}).text for number in range(4)]

    assert answers("42") == answers("42abc") != answers("-1") != answers("0")


def test_what_cannot_be_read_is_left_out(http: httpx.Client) -> None:
    answer = http.get("/tides", params={"temperature": "warm", "max_tokens": "few", "seed": "x", "stream": "perhaps"})
    assert answer.text == http.get("/tides").text


@pytest.mark.parametrize("fields", [{"temperature": 9}, {"tools": [{}]}, {"messages": ["x"]}, {"messages": []}])
def test_a_provider_refuses_what_it_dislikes(http: httpx.Client, fields: dict[str, Any]) -> None:
    answer = chat(http, **fields)
    assert answer.status_code == 400 and answer.json()["error"] == "400 Bad Request"
    assert answer.json()["details"]["error"]["message"]


def test_pictures_are_refused_by_the_provider(http: httpx.Client) -> None:
    answer = chat(http, messages=[{"role": "user", "content": [{"type": "text", "text": "?"}, PICTURE]}])
    assert answer.status_code == 400 and "image_url" in answer.json()["details"]["error"]["message"]


def test_the_thought_takes_from_the_tokens_first(http: httpx.Client) -> None:
    whole = chat(http).json()["choices"][0]["message"]
    short = chat(http, max_tokens=5).json()["choices"][0]
    assert short["message"]["content"] == "" and short["finish_reason"] == "length"
    assert whole["reasoning_content"].startswith(short["message"]["reasoning_content"])
    cut = chat(http, max_tokens=20).json()
    words = cut["choices"][0]["message"]["content"]
    assert words and whole["content"].startswith(words) and cut["usage"]["completion_tokens"] <= 20


@pytest.mark.parametrize("ask", ["GET", "POST"])
def test_a_plain_answer_without_words_is_the_message_as_json(http: httpx.Client, ask: str) -> None:
    if ask == "GET":
        answer = http.get("/tides", params={"max_tokens": 5})
    else:
        answer = http.post("/", json={"messages": TIDES, "max_tokens": 5})
    assert answer.headers["content-type"] == JSON and "immutable" in answer.headers["cache-control"]
    assert answer.json()["role"] == "assistant" and answer.json()["content"] == ""


def test_tools_are_called(http: httpx.Client) -> None:
    choice = chat(http, tools=[WEATHER], tool_choice="required").json()["choices"][0]
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "get_weather"
    plain = http.post("/", json={"messages": TIDES, "tools": [WEATHER], "tool_choice": "required"})
    assert plain.headers["content-type"] == JSON and plain.json()["tool_calls"]


# Streams.


@pytest.mark.parametrize("word", ["true", "1", "yes", "TRUE"])
def test_every_generating_route_streams(http: httpx.Client, word: str) -> None:
    asked = {"messages": TIDES, "stream": True}
    answers = [http.get("/Explain%20tides", params={"stream": word})]
    answers += [http.post(path, json=asked) for path in ("/", *CHAT_ROUTES)]
    for answer in answers:
        assert answer.headers["content-type"] == SSE and answer.headers["cache-control"] == "no-cache"
        assert "tides" in spoken(answer)
        first, second, *_ = events(answer.text)
        assert first["choices"][0]["delta"]["content"] == ""
        assert "reasoning_content" in second["choices"][0]["delta"]


@pytest.mark.parametrize("word", ["false", "0", "no"])
def test_no_means_no_for_streams(http: httpx.Client, word: str) -> None:
    assert http.get("/tides", params={"stream": word}).headers["content-type"] == PLAIN


def test_a_stream_tells_its_usage_where_that_is_asked_for(http: httpx.Client) -> None:
    silent = events(chat(http, stream=True).text)
    assert not any(chunk.get("usage") for chunk in silent)
    told = events(chat(http, stream=True, stream_options={"include_usage": True}).text)
    assert told[-1]["usage"]["total_tokens"] > 0 and told[-1]["choices"] == []


def test_a_stream_that_is_refused_is_json(http: httpx.Client) -> None:
    answer = chat(http, stream=True, model="mistral")
    assert answer.status_code == 404 and answer.headers["content-type"] == JSON


# The cache at the edge.


def test_equal_requests_get_the_same_bytes(http: httpx.Client) -> None:
    first, again = chat(http, seed=-1), chat(http, seed=-1)
    assert first.content == again.content  # an id is new for each generation
    assert "x-cache" not in first.headers
    assert again.headers["x-cache"] == "HIT" and again.headers["x-cache-key"] and again.headers["x-cache-date"]
    assert again.headers["content-type"] == first.headers["content-type"]
    assert "x-usage-total-tokens" in first.headers and "x-usage-total-tokens" not in again.headers
    assert chat(http, seed=-2).json()["id"] != first.json()["id"]


@pytest.mark.parametrize("name", ["token", "referrer", "referer", "nofeed", "no-cache"])
def test_what_names_the_caller_is_no_part_of_a_request(http: httpx.Client, name: str) -> None:
    http.get("/tides")
    chat(http)
    assert http.get("/tides", params={name: "x"}).headers["x-cache"] == "HIT"
    assert chat(http, **{name: "x"}).headers["x-cache"] == "HIT"
    assert "x-cache" not in http.get("/tides", params={"private": "true"}).headers


def test_a_stored_stream_comes_whole(http: httpx.Client) -> None:
    first, again = chat(http, stream=True), chat(http, stream=True)
    assert first.headers["x-cache"] == "MISS" and again.headers["x-cache"] == "HIT"
    assert "content-length" not in first.headers and int(again.headers["content-length"]) == len(first.content)
    assert first.content == again.content and again.headers["content-type"] == SSE


@pytest.mark.parametrize("damage", ["cut", "no end"])
def test_a_damaged_stream_is_not_stored_and_a_stored_one_can_be_damaged(
    http: httpx.Client, legacy: Legacy, damage: str
) -> None:
    def length() -> int:
        try:
            with http.stream("POST", "/openai", json={"messages": TIDES, "stream": True}) as answer:
                return sum(map(len, answer.iter_raw()))
        except httpx.RemoteProtocolError:
            return -1

    legacy.fail(damage, times=1)
    harmed, whole = length(), length()
    assert harmed < whole
    legacy.fail(damage)
    assert length() < whole and length() == whole


def test_refusals_below_401_are_stored_and_others_are_not(http: httpx.Client) -> None:
    for _ in range(2):
        wrong = http.post("/", json={})
        unreadable = http.post("/openai", content=b"{", headers={"content-type": "application/json"})
        disliked = chat(http, temperature=9)
        unknown = chat(http, model="mistral")
    for answer in (wrong, unreadable, disliked):
        assert answer.status_code == 400 and answer.headers["x-cache"] == "HIT"
    assert unknown.status_code == 404 and "x-cache" not in unknown.headers


def test_head_shares_the_entry_of_get(http: httpx.Client) -> None:
    assert http.head("/tides").text == ""
    assert http.get("/tides").headers["x-cache"] == "HIT"


# Errors.


def test_without_messages_the_root_says_so_and_no_more(http: httpx.Client) -> None:
    for body in ({}, {"messages": "hello"}, []):
        answer = http.post("/", json=body)
        assert answer.status_code == 400 and answer.json() == {"error": "Invalid messages array"}
    assert http.post("/", content=b'{"messages": []}').status_code == 400  # no JSON was announced


def test_an_unknown_model_is_named(http: httpx.Client) -> None:
    for answer in (chat(http, model="mistral"), http.get("/tides", params={"model": "mistral"})):
        body = answer.json()
        assert answer.status_code == body["status"] == 404
        assert body["error"].startswith("Model not found: mistral.") and isinstance(body["deprecation_notice"], str)
        assert set(body["migration"]) == {"guide", "docs", "signup"}


def test_half_a_character_in_the_bytes_is_answered(http: httpx.Client) -> None:
    body = b'{"messages": [{"role": "user", "content": "half a \xed\xa0\xbe fox"}]}'
    answer = http.post("/", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200 and "\ufffd fox" in answer.text


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("body", [b"{", b"3", b'{"a": NaN}', b"[" * 100_000])
def test_malformed_json_is_answered_with_a_page(http: httpx.Client, body: bytes) -> None:
    answer = http.post("/openai", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400 and answer.headers["content-type"].startswith("text/html")


def test_the_limit_of_characters_counts_all_messages(http: httpx.Client, legacy: Legacy) -> None:
    messages = [{"role": "user", "content": "x" * 30}, {"role": "assistant", "content": "x" * 30}, *TIDES]
    assert chat(http, messages=messages).status_code == 200
    legacy.max_input_chars = 70
    assert chat(http).status_code == 200
    answer = chat(http, messages=messages, seed=1)
    assert answer.status_code == 500 and "70 characters" in answer.json()["error"] and "73" in answer.json()["error"]


def test_the_newer_level_refuses_as_the_unified_host_does(http: httpx.Client, legacy: Legacy) -> None:
    http.post("/", json={})  # which is stored
    legacy.level = "l5"
    broken = http.post("/openai", content=b"{", headers={"content-type": "application/json"})
    for answer in (chat(http, model="mistral"), http.post("/", json={}), broken):
        body = answer.json()
        assert answer.status_code == body["status"] == 400
        assert body["success"] is False and body["error"]["code"] == "BAD_REQUEST"
    assert http.get("/").status_code == 404
    assert chat(http, model="openai").status_code == 200


FAULTS = {
    "queue full": (429, "application/json"),
    "payment challenge": (402, "application/json"),
    "blocked address": (403, "text/plain"),
    "blocked address, told": (403, "application/json"),
    "provider 503": (503, "application/json"),
    "input too long": (500, "application/json"),
    "worker error": (500, "text/plain"),
    "origin down": (530, "text/plain"),
    "bad gateway page": (502, "text/html"),
    "malformed body": (400, "text/html"),
}


@pytest.mark.parametrize(("case", "status", "kind"), [(case, *told) for case, told in FAULTS.items()])
def test_named_faults(http: httpx.Client, legacy: Legacy, case: str, status: int, kind: str) -> None:
    legacy.fail(case)
    answer = chat(http)
    assert answer.status_code == status and answer.headers["content-type"].startswith(kind)
    assert answer.headers["x-pollinations-migration"] and "retry-after" not in answer.headers
    if kind == "application/json":
        assert isinstance(answer.json()["error"], str)
    assert chat(http).status_code == 200


def test_pictures_of_errors_are_words_where_words_were_asked_for(http: httpx.Client, legacy: Legacy) -> None:
    legacy.fail("image of a limit")
    answer = chat(http)
    assert answer.status_code == 429 and answer.json()["migration"]["signup"].endswith("?ref=text")


def test_what_faults_say(http: httpx.Client, legacy: Legacy) -> None:
    def told(case: str) -> httpx.Response:
        legacy.fail(case)
        return chat(http)

    assert told("blocked address").content == b""
    assert told("blocked address, told").json()["details"]["blockedIp"] == "127.0.0.1"
    assert told("provider 503").json()["details"]["error"]["code"] == 503
    assert told("worker error").text.startswith("Worker error:") and told("worker error").headers["x-error"]
    assert "1033" in told("origin down").text
    assert told("payment challenge").headers["payment-required"] and "status" not in told("payment challenge").json()
    legacy.level = "l5"
    assert told("queue full").json()["error"]["code"] == "RATE_LIMITED"


# The notice.


def known(http: httpx.Client, how: str) -> httpx.Response:
    """Ask as somebody whom the host knows."""
    asked: dict[str, Any] = {"messages": TIDES}
    page = "https://registered.example/page"
    ways: dict[str, dict[str, Any]] = {
        "token in the query": {"params": {"token": "sk_emulator"}, "json": asked},
        "bearer": {"headers": {"authorization": "Bearer sk_emulator"}, "json": asked},
        "bare header": {"headers": {"authorization": "sk_emulator"}, "json": asked},
        "token in the body": {"json": asked | {"token": "sk_emulator"}},
        "referrer in the query": {"params": {"referrer": "registered.example"}, "json": asked},
        "referrer in the body": {"json": asked | {"referrer": page}},
        "referer": {"headers": {"referer": page}, "json": asked},
        "origin": {"headers": {"origin": "https://registered.example"}, "json": asked},
    }
    return http.post("/", **ways[how])


@pytest.mark.parametrize(
    "how",
    [
        "token in the query", "bearer", "bare header", "token in the body",
        "referrer in the query", "referrer in the body", "referer", "origin",
    ],
)  # fmt: skip
def test_whoever_is_known_gets_the_notice(http: httpx.Client, legacy: Legacy, how: str) -> None:
    assert known(http, how).text.startswith(NOTICE)
    assert "tides" in http.post("/", json={"messages": TIDES}).text  # which is not stored
    legacy.tokens.clear()
    legacy.referrers.clear()
    assert "tides" in known(http, how).text  # an unknown one is anonymous


@pytest.mark.parametrize("told", ["http://[registered.example", "//[", "registered", "https://registered.example:x/"])
def test_a_referrer_that_is_no_address_is_answered_as_any_other(http: httpx.Client, told: str) -> None:
    ways: list[dict[str, Any]] = [{"params": {"referrer": told}}, {"headers": {"referer": told}}]
    for way in ways:
        assert http.get("/tides", **way).status_code == 200


def test_the_notice_comes_in_the_form_that_was_asked_for(http: httpx.Client, legacy: Legacy) -> None:
    legacy.notice = True
    plain = http.get("/tides")
    assert plain.status_code == 200 and plain.text.startswith(NOTICE) and "legacy text API" in plain.text
    assert plain.headers["content-type"] == PLAIN
    whole = chat(http).json()
    assert whole["choices"][0]["message"]["content"] == plain.text and whole["usage"]["total_tokens"] == 0
    streamed = chat(http, stream=True)
    assert streamed.text.count("data: ") == 3 and spoken(streamed) == plain.text
    assert http.get("/models").json()[0]["name"] == "openai-fast"


def test_the_notice_may_come_once(http: httpx.Client, legacy: Legacy) -> None:
    legacy.fail("migration notice")
    assert http.get("/tides").text.startswith(NOTICE)
    assert not http.get("/tides").text.startswith(NOTICE)


# Scripts.


def test_scripted_replies_come_in_the_form_that_was_asked_for(http: httpx.Client, legacy: Legacy) -> None:
    http.get("/tides")
    legacy.reply("one", "two", "three")
    assert http.get("/tides").text == "one"  # not from the store
    assert chat(http).json()["choices"][0]["message"]["content"] == "two"
    assert spoken(chat(http, stream=True)) == "three"
    assert http.get("/tides").headers["x-cache"] == "HIT"
    legacy.reply(message={"content": "", "reasoning_content": "Hm."}, headers={"x-note": "1"})
    answer = http.get("/tides")
    assert answer.json()["reasoning_content"] == "Hm." and answer.headers["x-note"] == "1"
    legacy.reply(message={"audio": {"data": base64.b64encode(b"ID3 sound").decode(), "transcript": "Hello"}})
    sound = http.get("/tides")
    assert sound.headers["content-type"] == "audio/mpeg" and sound.content == b"ID3 sound"
    legacy.reply(tool_calls=[{"name": "f", "args": {}}], usage={"prompt_tokens": 1, "total_tokens": 9})
    assert chat(http).headers["x-usage-total-tokens"] == "9"


def test_a_refused_request_and_a_list_leave_the_script_alone(http: httpx.Client, legacy: Legacy) -> None:
    legacy.reply("one")
    assert chat(http, temperature=9).status_code == 400
    assert chat(http, model="mistral").status_code == 404
    assert http.get("/models").status_code == 200
    assert http.get("/tides").text == "one"


def test_words_that_a_test_wrote_are_no_answers_of_the_image_host(http: httpx.Client, legacy: Legacy) -> None:
    legacy.reply("one", on="/")
    legacy.fail(503, on="/models")
    assert httpx.get(f"{legacy.image_url}/models").status_code == 503  # the words do not stand before the fault
    assert http.get("/tides").text == "one"


def test_raw_bodies_are_for_text_unless_told_otherwise(http: httpx.Client, legacy: Legacy) -> None:
    legacy.reply(body={"odd": True})
    assert httpx.get(f"{legacy.image_url}/models").json() == ["sana"]
    assert http.get("/models").status_code == 200
    assert http.get("/tides").json() == {"odd": True}


# The official OpenAI client.


@pytest.fixture
def client(legacy: Legacy) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{legacy.text_url}/openai", api_key="none", max_retries=0) as client:
        yield client


def test_openai_chats(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="openai", messages=TIDES)
    assert "tides" in (answer.choices[0].message.content or "")
    chunks = list(client.chat.completions.create(model="openai", messages=TIDES, stream=True))
    assert "tides" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_openai_calls_tools(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="openai", messages=TIDES, tools=[WEATHER], tool_choice="required")
    [call] = answer.choices[0].message.tool_calls or []
    assert call.type == "function" and call.function.name == "get_weather"


def test_openai_lists_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["openai-fast"]


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("blocked address", openai.PermissionDeniedError),
        ("queue full", openai.RateLimitError),
        ("payment challenge", openai.APIStatusError),
        ("provider 503", openai.InternalServerError),
        ("origin down", openai.InternalServerError),
        ("malformed body", openai.BadRequestError),
        ("drop", openai.APIConnectionError),
    ],
)
def test_openai_meets_errors(client: openai.OpenAI, legacy: Legacy, case: str, kind: type[Exception]) -> None:
    legacy.fail(case)
    with pytest.raises(kind):
        client.chat.completions.create(model="openai", messages=TIDES)
