"""The fields and the settings that every wrapper shares: key, addresses, headers, time limits, HTTP clients."""

from __future__ import annotations

import asyncio
import copy
import pickle
import socket
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import httpx
import pytest
from langchain_core.load import dumps
from langchain_core.messages import BaseMessage, HumanMessage
from pydantic import SecretStr, ValidationError

from langchain_pollinations import errors
from langchain_pollinations._config.service import ServiceConfig
from langchain_pollinations._transport.client import Client
from langchain_pollinations._transport.headers import check_headers
from langchain_pollinations._transport.request import ApiRequest
from langchain_pollinations._transport.timeouts import check_timeout, to_httpx_timeout
from langchain_pollinations.audio import PollinationsMusic, PollinationsSpeech
from langchain_pollinations.catalog import alist_models, list_models
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.embeddings import PollinationsEmbeddings
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from langchain_pollinations.models3d import Pollinations3D
from langchain_pollinations.tools.images import PollinationsImageTool
from langchain_pollinations.tools.toolkit import PollinationsToolkit
from langchain_pollinations.transcription import PollinationsTranscriber
from langchain_pollinations.uploads import aupload, upload
from langchain_pollinations.video import PollinationsVideo
from langchain_pollinations.voice import PollinationsVoice
from tests.helpers.ask import WAYS, Ask

Use = Callable[..., Any]
"""One call: takes the fields of the connection, and the settings of the call."""

WAV = b"RIFF\x24\x08\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\x08\0\0" + b"\0" * 2048
PICTURE = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


def _pair(name: str, kind: type[Any], method: str, *args: Any, **fields: Any) -> dict[str, Use]:
    def sync(connection: dict[str, Any], **settings: Any) -> Any:
        return getattr(kind(**connection, **fields), method)(*args, **settings)

    def asynchronous(connection: dict[str, Any], **settings: Any) -> Any:
        return asyncio.run(getattr(kind(**connection, **fields), f"a{method}")(*args, **settings))

    return {name: sync, f"a{name}": asynchronous}


USES: dict[str, Use] = {
    **{
        f"chat-{name}": lambda connection, way=way, **settings: way(ChatPollinations(**connection), "Hi", **settings)
        for name, way in WAYS.items()
    },
    "chat-bind": lambda connection, **settings: ChatPollinations(**connection).bind(**settings).invoke("Hi"),
    **_pair("image", PollinationsImage, "generate", "a lighthouse"),
    "image-invoke": lambda connection, **settings: PollinationsImage(**connection).invoke("a lighthouse", **settings),
    **_pair("edit", PollinationsImage, "edit", "at night", "https://example.com/a.png"),
    **_pair("video", PollinationsVideo, "generate", "waves", duration=1, model="p-video"),
    **_pair("speech", PollinationsSpeech, "generate", "The tide is out."),
    **_pair("music", PollinationsMusic, "generate", "waves", duration=3),
    **_pair("3d", Pollinations3D, "generate", "a lighthouse", model="rodin"),
    **_pair("embed", PollinationsEmbeddings, "embed", "a whale"),
    **_pair("embed_documents", PollinationsEmbeddings, "embed_documents", ["a whale"]),
    **_pair("embed_query", PollinationsEmbeddings, "embed_query", "a whale"),
    **_pair("embed_all", PollinationsEmbeddings, "embed_all", ["a whale"]),
    **_pair("transcribe", PollinationsTranscriber, "transcribe", WAV),
    **_pair("change", PollinationsVoice, "change", WAV),
    "upload": lambda connection, **settings: upload(PICTURE, **connection, **settings),
    "aupload": lambda connection, **settings: asyncio.run(aupload(PICTURE, **connection, **settings)),
}
if find_spec("langchain_core.decisions"):
    from langchain_pollinations.decisions import PollinationsDecisions

    ASKED = {"state": "My invoice is wrong.", "questions": {"team": {"type": "noul", "instructions": "Is it urgent?"}}}
    USES |= _pair("decide", PollinationsDecisions, "invoke", ASKED)

LISTS: dict[str, Use] = {
    "list_models": lambda connection, **settings: list_models("text", **connection, **settings),
    "alist_models": lambda connection, **settings: asyncio.run(alist_models("text", **connection, **settings)),
}


@pytest.fixture(params={**USES, **LISTS})
def use(request: pytest.FixtureRequest) -> Use:
    return {**USES, **LISTS}[request.param]


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


# --- The key ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("give", [{"api_key": None}, {"pollinations_api_key": None}, {}], ids=repr)
def test_none_for_the_key_is_the_environment(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, ask: Ask, give: dict[str, Any]
) -> None:
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_emulator")
    chat = ChatPollinations(base_url=emulator.url, **give)
    ask(chat, "Hi")
    chat.api_key = None
    ask(chat.model_copy(update={"api_key": None}), "Hi")
    assert [request.headers["authorization"] for request in emulator.requests] == ["Bearer sk_emulator"] * 2
    assert not ChatPollinations(**give)._uses_legacy


@pytest.mark.parametrize("kind", [ChatPollinations, PollinationsImage, PollinationsToolkit, ServiceConfig])
@pytest.mark.parametrize(
    ("variable", "given", "says"),
    [
        ("", {}, "POLLINATIONS_API_KEY is set but empty"),
        (" ", {"api_key": None}, "POLLINATIONS_API_KEY is set but empty"),
        (None, {"api_key": ""}, "api_key is given but empty"),
        ("sk_x", {"api_key": " "}, "api_key is given but empty"),
    ],
)
def test_an_empty_key_is_an_error_and_never_leads_to_a_keyless_host(
    monkeypatch: pytest.MonkeyPatch, kind: type[ServiceConfig], variable: str | None, given: dict[str, Any], says: str
) -> None:
    if variable is not None:
        monkeypatch.setenv("POLLINATIONS_API_KEY", variable)
    with pytest.raises(errors.AuthenticationError, match=says) as caught:
        _ = kind(**given)._client
    assert "pickle" not in str(caught.value)
    if kind._LEGACY_SUPPORTED:  # on purpose
        given = {**given, **({"include": ["image"]} if kind is PollinationsToolkit else {})}
        assert kind(**given, api="legacy")._uses_legacy


def test_only_an_unpickled_object_speaks_of_pickles(emulator: Emulator, ask: Ask) -> None:
    chat = pickle.loads(pickle.dumps(ChatPollinations(**emulator.connection())))
    with pytest.raises(errors.AuthenticationError, match="unpickled"):
        ask(chat, "Hi")
    with pytest.raises(errors.AuthenticationError, match="No key") as caught:
        ask(ChatPollinations(base_url=emulator.url), "Hi")
    assert "pickle" not in str(caught.value) and "is the emulator, its key is sk_emulator)" in str(caught.value)


# --- Headers ----------------------------------------------------------------------------------------------------------

BAD_HEADERS = [
    {"X-Team": "sk_hidden\n"},
    {"X-Team": "sk_hidden\r\nX-Other: 1"},
    {"X-Team": "sk_hidden\0"},
    {"X-Team": "sk_hidden\x7f"},
    {"X-Team": "sk_hidden é"},
    {"X-Team": "sk_hidden 鯨"},
    {"X-Team": " sk_hidden"},
    {"X-Team": b"sk_hidden"},
    {"X-Team": None},
]


@pytest.mark.parametrize("headers", BAD_HEADERS, ids=repr)
def test_a_header_that_cannot_be_sent_is_refused_by_name(chat: ChatPollinations, headers: dict[str, Any]) -> None:
    attempts: list[Callable[[], Any]] = [
        lambda: ChatPollinations(api_key="sk_x", default_headers=headers),
        lambda: setattr(chat, "default_headers", headers),
        lambda: chat.invoke("Hi", extra_headers=headers),
        lambda: PollinationsImage(api_key="sk_x", default_headers=headers),
        lambda: upload(PICTURE, api_key="sk_x", default_headers=headers),
        lambda: list_models(extra_headers=headers),
    ]
    for attempt in attempts:
        with pytest.raises(ValueError, match="_headers: the value of 'X-Team'") as caught:
            attempt()
        assert "sk_hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["X Team", "X-Team:", "Authorization: Bearer sk_hidden", "", "é", 5], ids=repr)
def test_a_name_that_is_no_header_is_refused_by_its_number(name: Any) -> None:
    with pytest.raises(ValueError, match="default_headers: name 2 is not a header name") as caught:
        check_headers({"X-Team": "blue", name: "x"}, "default_headers")
    assert "sk_hidden" not in str(caught.value)


def test_a_header_that_was_changed_in_place_is_checked_before_it_is_sent(emulator: Emulator, ask: Ask) -> None:
    chat = ChatPollinations(**emulator.connection(), default_headers={"X-Team": "blue"})
    chat.default_headers["X-Team"] = "sk_hidden\n"  # type: ignore[index]
    with pytest.raises(errors.InvalidRequestError, match="the value of 'X-Team' cannot be sent") as caught:
        ask(chat, "Hi")
    assert "sk_hidden" not in str(caught.value)


@pytest.mark.parametrize("kind", [ChatPollinations, PollinationsImage, PollinationsEmbeddings, PollinationsToolkit])
def test_neither_key_nor_authorization_is_in_a_pickle_or_a_checkpoint(kind: type[Any], emulator: Emulator) -> None:
    jsonplus = pytest.importorskip("langgraph.checkpoint.serde.jsonplus")
    names = ("AUTHORIZATION", "Proxy-Authorization", "Gateway-Auth", "X-Passwd", "X-Credential", "X-Session-Id")
    secret = {**dict.fromkeys(names, "Bearer sk_hidden"), "X-Team": "blue"}
    wrapper = kind(default_headers=secret, api_key="sk_hidden")
    written = [pickle.dumps(wrapper), jsonplus.JsonPlusSerializer(pickle_fallback=True).dumps_typed(wrapper)[1]]
    assert not [data for data in written if b"sk_hidden" in data]
    assert pickle.loads(written[0]).default_headers == {"X-Team": "blue"}
    assert pickle.loads(written[0]).api in ("gen", "auto")
    assert not pickle.loads(written[0])._uses_legacy
    serde = jsonplus.JsonPlusSerializer(allowed_msgpack_modules=True)
    restored = serde.loads_typed(serde.dumps_typed(wrapper))
    assert type(restored) is kind
    assert not restored._uses_legacy
    for twin in (copy.copy(wrapper), copy.deepcopy(wrapper), wrapper.model_copy(), wrapper.model_copy(deep=True)):
        assert twin.default_headers == secret


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (ChatPollinations, "temperature", 1.5),
        (PollinationsImage, "width", 64),
        (PollinationsEmbeddings, "dimensions", 256),
        (PollinationsToolkit, "show", True),
        (PollinationsImageTool, "description", "Draws."),
    ],
)
def test_objects_with_equal_fields_are_equal(kind: type[Any], field: str, value: Any) -> None:
    one, other = kind(api_key="sk_x"), kind(api_key="sk_x")
    assert one == other
    assert one != kind(api_key="sk_x", **{field: value})
    assert one != "x"
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


def test_a_deep_copy_shares_the_clients(emulator: Emulator) -> None:
    with httpx.Client() as client:
        chat = ChatPollinations(**emulator.connection(), http_client=client, model_kwargs={"extra": [1]})
        for update in (None, {"seed": 7}):
            copied = chat.model_copy(update=update, deep=True)
            assert copied.http_client is client
            assert copied.model_kwargs == chat.model_kwargs
            assert copied.model_kwargs["extra"] is not chat.model_kwargs["extra"]
            assert copied.invoke("Hi").text


def test_a_refused_header_of_your_own_client_is_no_failed_connection(emulator: Emulator) -> None:
    with httpx.Client(headers={"X-Team": "sk_hidden\n"}) as client:
        chat = ChatPollinations(**emulator.connection(), http_client=client)
        with pytest.raises(errors.InvalidRequestError, match="header") as caught:
            chat.invoke("Hi")
    assert "sk_hidden" not in str(caught.value)


# --- Settings of one call ---------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*edit")
def test_headers_of_one_call_go_with_that_call_only(emulator: Emulator, use: Use) -> None:
    connection = {**emulator.connection(), "default_headers": {"X-Team": "blue", "X-Trace": "1"}}
    use(connection, extra_headers={"x-team": "red"})
    assert emulator.requests
    for request in emulator.requests:
        assert (request.headers["x-team"], request.headers["x-trace"]) == ("red", "1")
    emulator.requests.clear()
    use(connection)
    assert {request.headers["x-team"] for request in emulator.requests} == {"blue"}


def test_no_call_brings_credentials_of_its_own(emulator: Emulator, use: Use) -> None:
    for name in ("Authorization", "authorization", "Proxy-Authorization"):
        refusal = f"extra_headers: '{name}' is not for a single call"
        with pytest.raises(errors.InvalidRequestError, match=refusal) as caught:
            use(emulator.connection(), extra_headers={name: "Bearer sk_hidden"})
        assert "sk_hidden" not in str(caught.value)
    assert emulator.requests == []


@pytest.mark.parametrize("name", USES)
def test_a_call_may_have_a_time_limit_of_its_own(silent: str, name: str) -> None:
    connection = {"base_url": silent, "api_key": "sk_x", "max_retries": 0}
    with pytest.raises(errors.RequestTimeoutError):
        USES[name](connection, timeout=(5, 0.05))
    with pytest.raises(errors.InvalidRequestError, match="^timeout: a time limit must be more than 0 seconds"):
        USES[name](connection, timeout=0)


def test_a_call_without_a_time_limit_has_that_of_the_wrapper(chat: ChatPollinations) -> None:
    messages: list[BaseMessage] = [HumanMessage("Hi")]
    assert chat._prepare(messages, None, {"timeout": None}).client.timeout == chat._client.timeout
    assert chat._prepare(messages, None, {"request_timeout": 3}).client.stream_chunk_timeout == 3


# --- Time limits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        (5, (5, 5, 5, None)),
        (300.0, (10, 300, 300, None)),
        ((5, 60), (5, 60, 60, None)),
        ([5, None], (5, None, None, None)),
        ((1, 2, 3, 4), (1, 2, 3, 4)),
        (httpx.Timeout(None), (None, None, None, None)),
        (httpx.Timeout(5, read=7), (5, 7, 5, 5)),
        ("7", (7, 7, 7, None)),
    ],
    ids=repr,
)
def test_a_time_limit_takes_the_forms_of_requests_and_httpx(value: Any, limits: tuple[float | None, ...]) -> None:
    found = to_httpx_timeout(check_timeout(value))
    assert (found.connect, found.read, found.write, found.pool) == limits


@pytest.mark.parametrize(
    "value", [0, -1, True, "soon", (), (1,), (1, 2, 3), (0, 5), float("nan"), float("inf"), {}], ids=repr
)
def test_anything_else_is_no_time_limit(value: Any) -> None:
    for attempt in (lambda: PollinationsVideo(api_key="sk_x", timeout=value), lambda: check_timeout(value)):
        with pytest.raises(ValueError, match="timeout: "):
            attempt()


@pytest.mark.parametrize(
    ("kind", "timeout", "retries"),
    [(ChatPollinations, 300.0, 2), (PollinationsVideo, 900.0, 2), (ServiceConfig, 300.0, 2)],
)
def test_none_is_the_default(monkeypatch: pytest.MonkeyPatch, kind: type[Any], timeout: float, retries: int) -> None:
    monkeypatch.setenv("POLLINATIONS_BASE_URL", "http://127.0.0.1:9")
    wrapper = kind(api_key="sk_x", base_url=None, timeout=None, max_retries=None)
    assert (wrapper.base_url, wrapper.timeout, wrapper.max_retries) == ("http://127.0.0.1:9", timeout, retries)
    wrapper.timeout, wrapper.max_retries = 3, 0
    wrapper.timeout = wrapper.max_retries = None
    assert (wrapper.timeout, wrapper.max_retries) == (timeout, retries)


# --- Addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://gen.pollinations.ai:443",
        "https://GEN.pollinations.ai/v1/",
        "HTTPS://gen.pollinations.ai",
        " https://gen.pollinations.ai:443/v1 ",
    ],
)
def test_an_address_of_the_service_is_the_service_however_it_is_written(url: str) -> None:
    chat = ChatPollinations(base_url=url)
    assert (chat.base_url, chat._media_host) == ("https://gen.pollinations.ai", "https://media.pollinations.ai")
    assert chat._uses_legacy
    given = {"legacy_text_url": "HTTP://Text.Example:80", "media_url": "https://Media.example:443/files/"}
    chat = ChatPollinations(**given)
    assert (chat.legacy_text_url, chat.media_url) == ("http://text.example", "https://media.example/files")


@pytest.mark.parametrize("field", ["base_url", "legacy_text_url", "legacy_image_url", "media_url"])
@pytest.mark.parametrize(
    "url", ["gen.pollinations.ai", "ftp://x", "https://", "https://u:p@x", "https://x?a=1", "http://x:99999", "a\nb"]
)
def test_anything_else_is_no_address(field: str, url: str) -> None:
    with pytest.raises(ValidationError, match=f"{field} must be"):
        ChatPollinations(api_key="sk_x", **{field: url})


@pytest.mark.parametrize(
    ("base", "origin", "foreign"),
    [
        ("https://gen.pollinations.ai", "https://gen.pollinations.ai:443", False),
        ("https://gen.pollinations.ai", "https://gen.pollinations.ai/media", False),
        ("http://127.0.0.1:80", "http://127.0.0.1", False),
        ("https://gen.pollinations.ai", "https://gen.pollinations.ai:8443", True),
        ("https://gen.pollinations.ai", "https://gen.pollinations.ai.example", True),
        ("https://gen.pollinations.ai", "http://gen.pollinations.ai", True),
        ("https://gen.pollinations.ai", "https://text.pollinations.ai", True),
    ],
)
def test_origins_are_compared_as_parsed(base: str, origin: str, foreign: bool) -> None:
    client = Client(base_url=base, headers={}, timeout=httpx.Timeout(1), max_retries=0, pool=ServiceConfig()._pool)
    assert (
        client._is_foreign(ApiRequest("GET", "/x", lambda response: None, origin=origin, send_credentials=False))
        is foreign
    )


# --- Changed fields ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "field", "value", "says"),
    [
        (ChatPollinations, "temperature", 9, "less than or equal to 2"),
        (ChatPollinations, "base_url", "gen.pollinations.ai", "must be an origin"),
        (ChatPollinations, "timeout", 0, "more than 0 seconds"),
        (ChatPollinations, "stop", ["a"] * 5, "at most 4 strings"),
        (ChatPollinations, "model_kwargs", {"temperature": 1}, "as arguments of their own"),
        (ChatPollinations, "http_client", httpx.AsyncClient, "http_client"),
        (PollinationsImage, "width", 0, "greater than or equal to 1"),
        (PollinationsImage, "safe", "nonsense", "safe: unknown"),
        (PollinationsVideo, "aspect_ratio", "5:4", "Input should be"),
        (PollinationsEmbeddings, "batch_size", 100, "less than or equal to 32"),
        (PollinationsEmbeddings, "api", "legacy", "legacy|older"),
        (PollinationsTranscriber, "language", "english", "two or three letters"),
        (PollinationsToolkit, "include", [], "at least one"),
    ],
)  # fmt: skip
def test_a_changed_field_is_validated_as_the_constructor_does(
    kind: type[Any], field: str, value: Any, says: str
) -> None:
    wrapper = kind(api_key="sk_x")
    before = getattr(wrapper, field)
    for change in (
        lambda: kind(api_key="sk_x", **{field: value}),
        lambda: setattr(wrapper, field, value),
        lambda: wrapper.model_copy(update={field: value}),
        lambda: wrapper.model_copy(update={field: value}, deep=True),
    ):
        with pytest.raises(ValidationError, match=says):
            change()
    assert getattr(wrapper, field) == before


@pytest.mark.parametrize("kind", [ChatPollinations, PollinationsImage, PollinationsToolkit])
def test_a_copy_takes_no_unknown_field(kind: type[Any]) -> None:
    with pytest.raises(errors.InvalidRequestError, match="unknown argument 'api_kee', did you mean 'api_key'"):
        kind(api_key="sk_x").model_copy(update={"api_kee": "sk_y"})


def test_a_changed_field_has_the_form_that_the_constructor_gives_it() -> None:
    chat = ChatPollinations(api_key="sk_x")
    chat.base_url, chat.timeout, chat.api_key = "https://x.example/v1/", httpx.Timeout(5), "sk_y"  # type: ignore[assignment]
    assert (chat.base_url, chat.timeout) == ("https://x.example", (5, 5, 5, 5))
    copied = chat.model_copy(update={"model_name": "openai-fast", "request_timeout": 3, "output_version": "v1"})
    assert (copied.model, copied.timeout, copied.output_version) == ("openai-fast", 3, "v1")
    assert "sk_y" not in f"{chat!r} {dumps(chat)}"
    assert copied._pool is chat._pool
    assert chat.model_copy(update={"seed": 3})._headers({})["authorization"] == "Bearer sk_y"


class Steady(ChatPollinations):
    """A class of a user whose own validator assigns."""

    def model_post_init(self, context: Any) -> None:
        super().model_post_init(context)
        self.temperature = self.temperature or 0.5


def test_a_validator_of_a_subclass_may_assign() -> None:
    chat = Steady(api_key="sk_x")
    assert chat.temperature == 0.5
    chat.temperature = 1
    assert chat.temperature == 1
    assert pickle.loads(pickle.dumps(chat)).temperature == 1


class Fixed(PollinationsImage):
    """A class of a user with a constructor, a field and a validator of its own."""

    team: str = "red"

    def __init__(self, width: int = 512, **options: Any) -> None:
        super().__init__(width=width, **options)

    def model_post_init(self, context: Any) -> None:
        super().model_post_init(context)
        self.height = 256


def test_a_field_of_a_derived_class_with_its_own_constructor_can_be_changed() -> None:
    image = Fixed(api_key="sk_x")
    image.width = image.height = 1024
    image.team = "blue"
    assert (image.width, image.height, image.team) == (1024, 1024, "blue")
    copied = image.model_copy(update={"height": 768, "team": "green"})
    assert (copied.width, copied.height, copied.team) == (1024, 768, "green")
    with pytest.raises(ValidationError, match="width"):
        image.width = "wide"  # type: ignore[assignment]


def test_media_are_edited_with_the_settings_of_the_wrapper(emulator: Emulator) -> None:
    picture: Media = PollinationsImage(**emulator.connection()).generate("a cat", extra_headers={"X-Team": "red"})
    picture.edit("at night")
    assert [request.headers.get("x-team") for request in emulator.requests] == ["red", None]


# --- Arguments that are no fields -------------------------------------------------------------------------------------

UNKNOWN: list[tuple[type[Any], str, Any, str]] = [
    (PollinationsImage, "size", "1024x1024", "unknown argument 'size': give width and height, in pixels"),
    (PollinationsImage, "aspect_ratio", "16:9", "'aspect_ratio': give width and height"),
    (PollinationsImage, "filename", "boat.jpg", "'filename': give path in a call, or output_folder in the constructor"),
    (Pollinations3D, "output_path", "boat.glb", "'output_path': give path in a call"),
    (PollinationsImage, "max_concurrency", 2, "'max_concurrency': give it in the config"),
    (PollinationsImage, "n", 2, "'n': a call has one result"),
    (PollinationsImage, "response_format", "b64_json", "'response_format': the result is a Media"),
    (PollinationsImage, "background", "transparent", "'background': give transparent=True"),
    (PollinationsImage, "widht", 3, "unknown argument 'widht', did you mean 'width'"),
    (PollinationsVideo, "size", "1280x720", "'size': give aspect_ratio and resolution"),
    (PollinationsVideo, "seconds", 4, "'seconds': give duration"),
    (PollinationsVideo, "image", "https://x.example/a.png", "'image': give first_frame"),
    (PollinationsSpeech, "format", "mp3", "'format': give response_format"),
    (PollinationsSpeech, "n", 2, "'n': a call has one result"),
    (PollinationsMusic, "music_length_ms", 9, "'music_length_ms': give duration"),
    (Pollinations3D, "response_format", "glb", "'response_format': the result is a Media"),
    (PollinationsEmbeddings, "encoding_format", "base64", "'encoding_format': vectors are lists of floats"),
    (PollinationsTranscriber, "timestamp_granularities", ["word"], "verbose_json"),
]
CALLS: dict[type[Any], Callable[..., Any]] = {
    PollinationsEmbeddings: lambda wrapper, **given: wrapper.embed("a whale", **given),
    PollinationsTranscriber: lambda wrapper, **given: wrapper.transcribe(WAV, **given),
    ChatPollinations: lambda wrapper, **given: wrapper.invoke("Hi", **given),
}


def _call(kind: type[Any], connection: dict[str, Any], **given: Any) -> Any:
    wrapper = kind(**connection)
    return CALLS[kind](wrapper, **given) if kind in CALLS else wrapper.generate("a whale", **given)


@pytest.mark.parametrize(("kind", "name", "value", "says"), UNKNOWN, ids=[f"{k.__name__}-{n}" for k, n, *_ in UNKNOWN])
def test_a_name_from_another_client_gets_a_hint(
    emulator: Emulator, kind: type[Any], name: str, value: Any, says: str
) -> None:
    for attempt in (
        lambda: kind(**emulator.connection(), **{name: value}),
        lambda: _call(kind, emulator.connection(), **{name: value}),
    ):
        with pytest.raises(ValueError, match=says):
            attempt()
    assert emulator.requests == []


@pytest.mark.parametrize("kind", sorted({kind for kind, *_ in UNKNOWN} | {ChatPollinations}, key=str))
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("openai_api_base", "hidden", "looks like a host: .* base_url"),
        ("api_base", "hidden", "looks like a host"),
        ("azure_endpoint", "hidden", "looks like a host"),
        ("openai_proxy", "hidden", "looks like a host: .* HTTPS_PROXY"),
        ("url", "hidden", "looks like a host"),
        ("openai_api_key", "hidden", "looks like a secret: a key goes into api_key"),
        ("token", "hidden", "looks like a secret"),
        ("auth", "hidden", "looks like a secret"),
        ("anything", "sk_hidden_key", "looks like a secret"),
        ("anything", "Bearer pk_hidden_key", "looks like a secret"),
        ("anything", "BEARER sk_hidden_key", "looks like a secret"),
        ("anything", SecretStr("hidden"), "looks like a secret"),
        ("anything", ["", "sk_hidden_key"], "looks like a secret"),
        ("anything", {"deeper": "sk_hidden_key"}, "looks like a secret"),
        ("api_kye", "hidden", ", did you mean 'api_key'"),
        ("base_ulr", "hidden", ", did you mean 'base_url'"),
        ("max_retrys", "hidden", ", did you mean 'max_retries'"),
    ],
)
def test_a_name_or_value_of_a_host_or_a_key_is_never_only_a_warning(
    emulator: Emulator, kind: type[Any], name: str, value: str, says: str
) -> None:
    for attempt in (
        lambda: kind(**emulator.connection(), **{name: value}),
        lambda: _call(kind, emulator.connection(), **{name: value}),
    ):
        with pytest.raises(ValueError, match=f"'{name}' ?{says}") as caught:
            attempt()
        assert "hidden" not in str(caught.value)
    with pytest.raises(errors.InvalidRequestError, match="api_key: an argument of the constructor, not of a call"):
        _call(kind, emulator.connection(), api_key="sk_hidden")
    assert emulator.requests == []


@pytest.mark.parametrize("name", ["extra_body", "model_kwargs"])
@pytest.mark.parametrize(
    "field", [{"api_key": "hidden"}, {"anything": "sk_hidden_key"}, {"anything": ["pk_hidden_key"]}]
)
def test_no_field_of_a_body_holds_a_key(emulator: Emulator, name: str, field: dict[str, Any]) -> None:
    attempts = [lambda: ChatPollinations(**emulator.connection(), **{name: field})]
    if name == "extra_body":
        attempts.append(lambda: ChatPollinations(**emulator.connection()).invoke("Hi", extra_body=field))
    for attempt in attempts:
        with pytest.raises(ValueError, match="looks like a secret") as caught:
            attempt()
        assert "hidden" not in str(caught.value) and caught.value.__context__ is None
    ChatPollinations(**emulator.connection(), extra_body={"prompt_cache_key": "a"}).invoke("Hi")
    assert [request.json["prompt_cache_key"] for request in emulator.requests] == ["a"]


@pytest.mark.parametrize("typo", ["verbosty", "verbosit"])
def test_a_misspelt_option_that_is_sent_is_a_warning(emulator: Emulator, typo: str) -> None:
    for attempt in (
        lambda: ChatPollinations(**emulator.connection(), **{typo: "low"}),
        lambda: ChatPollinations(**emulator.connection()).invoke("Hi", **{typo: "low"}),
    ):
        with pytest.warns(UserWarning, match=f"{typo!r}, did you mean 'verbosity'"):
            attempt()


@pytest.mark.parametrize("name", ["top_a", "max_output_tokens"])
def test_a_chat_model_warns_of_an_unknown_argument_wherever_it_is_given(emulator: Emulator, name: str) -> None:
    with pytest.warns(UserWarning, match=f"unknown argument '{name}'.*sent to the service as it is"):
        ChatPollinations(**emulator.connection(), **{name: 1}).invoke("Hi")
    with pytest.warns(UserWarning, match=f"unknown argument '{name}'.*sent to the service as it is"):
        ChatPollinations(**emulator.connection()).invoke("Hi", **{name: 1})
    ChatPollinations(**emulator.connection(), model_kwargs={name: 1}).invoke("Hi")
    ChatPollinations(**emulator.connection()).invoke("Hi", extra_body={name: 1})
    assert [request.json[name] for request in emulator.requests] == [1] * 4


@pytest.mark.parametrize("kind", [ChatPollinations, PollinationsImage, PollinationsEmbeddings, PollinationsToolkit])
def test_a_model_given_by_position_is_asked_for_by_name(kind: type[Any]) -> None:
    with pytest.raises(TypeError, match=f"{kind.__name__} takes named arguments only: .*=...") as caught:
        kind("sk_hidden")
    assert "sk_hidden" not in str(caught.value)


# --- Building the HTTP client -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_refused_connection_to_this_machine_says_how_to_start_the_emulator(
    ask: Ask, host: str, transport: Any
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    chat = ChatPollinations(base_url=f"http://{host}:{port}", api_key="x", max_retries=0, async_transport=transport)
    says = f"failed: .*python -m langchain_pollinations.emulator --port {port}"
    with pytest.raises(errors.APIConnectionError, match=says):
        ask(chat, "Hi")


def test_a_connection_that_is_lost_does_not_speak_of_the_emulator(emulator: Emulator, ask: Ask) -> None:
    emulator.fail("drop")
    with pytest.raises(errors.APIConnectionError, match="failed") as caught:
        ask(ChatPollinations(**emulator.connection(), max_retries=0), "Hi")
    assert "emulator" not in str(caught.value)
