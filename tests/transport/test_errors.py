"""Every refusal of the service becomes the right error, whatever its shape; errors pickle, hash and keep no secret."""

from __future__ import annotations

import copy
import email.utils
import pickle
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from langchain_core import exceptions as core

from langchain_pollinations import errors
from langchain_pollinations._transport.error_response import error_from_event, error_from_response
from langchain_pollinations.audio import PollinationsMusic, PollinationsSpeech
from langchain_pollinations.catalog import list_models
from langchain_pollinations.embeddings import PollinationsEmbeddings
from langchain_pollinations.errors import InvalidRequestError, PollinationsError
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.models3d import Pollinations3D
from langchain_pollinations.transcription import PollinationsTranscriber
from langchain_pollinations.uploads import upload
from langchain_pollinations.video import PollinationsVideo

E = errors

# What each answer of `contract/examples/errors.json` that is no schema refusal must become: class, retryable.
RECORDED: dict[str, tuple[type[PollinationsError], bool]] = {
    "body not JSON": (E.InvalidRequestError, False),
    "no key": (E.AuthenticationError, False),
    "key not recognised": (E.AuthenticationError, False),
    "model unknown": (E.UnknownModelError, False),
    "image model on the text endpoint": (E.InvalidRequestError, False),
    "model not allowed for the key": (E.PermissionDeniedError, False),
    "balance spent": (E.InsufficientBalanceError, False),
    "key budget spent": (E.KeyBudgetExhaustedError, False),
    "quest pollen spent": (E.QuestPollenOnlyError, False),
    "paid model for a quest pollen key": (E.QuestPollenOnlyError, False),
    "publishable key limiter: own shape, Retry-After": (E.RateLimitError, True),
    "edge limiter": (E.RateLimitError, True),
    "per-model limit": (E.RateLimitError, True),
    "provider 400": (E.ContextOverflowError, False),
    "provider 401": (E.UpstreamError, False),
    "provider 402": (E.UpstreamError, False),
    "provider 404": (E.UpstreamError, False),
    "provider 422": (E.UnprocessableError, False),
    "provider 429": (E.UpstreamError, True),
    "provider 500": (E.InternalServerError, True),
    "provider 503": (E.ServiceUnavailableError, True),
    "provider 408": (E.GatewayTimeoutError, True),
    "provider 524, HTML body": (E.UpstreamError, True),
    "provider left usage out": (E.UpstreamError, True),
    "provider answered a stream request with JSON": (E.UpstreamError, True),
    "body over 20 MiB": (E.PayloadTooLargeError, False),
    "edits: JSON without image": (E.InvalidRequestError, False),
    "path unknown": (E.NotFoundError, False),
}


def answer(status: int, body: Any = None, **headers: str) -> httpx.Response:
    content = {"json": body} if isinstance(body, dict) else {"text": body or ""}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, **content)


def envelope(message: str, code: str = "BAD_REQUEST", **more: Any) -> dict[str, Any]:
    return {"success": False, "status": 400, "error": {"message": message, "code": code, **more}}


def test_every_recorded_error_reads_right(example: Any) -> None:
    for case in example("errors")["cases"]:
        told = case["response"]
        error = error_from_response(httpx.Response(told["status"], headers=told["headers"], json=told["body"]))
        expected, retryable = RECORDED.get(case["name"], (E.InvalidRequestError, False))
        assert (type(error), error.is_retryable) == (expected, retryable), case["name"]
        assert error.status_code == told["status"]
        assert error.body == told["body"]
        if case["kind"] == "validation":
            for field, reasons in told["body"]["error"]["details"]["fieldErrors"].items():
                assert f"{field}: {reasons[0]}" in str(error), case["name"]


@pytest.mark.parametrize(
    ("response", "expected", "says"),
    [
        pytest.param(
            answer(400, envelope("Bad", details={"upstreamBody": '{"error":{"code":"context_length_exceeded"}}'})),
            E.ContextOverflowError,
            "Bad",
            id="overflow, by the provider's code",
        ),
        pytest.param(answer(409, {"error": "id exists"}), E.UnsupportedRequestError, "id exists", id="media host"),
        pytest.param(
            answer(400, envelope("Invalid value", details={"upstreamBody": '{"error":{"message":"Too many tokens"}}'})),
            E.ContextOverflowError,
            "Invalid value",
            id="the provider speaks of the length",
        ),
        pytest.param(
            answer(400, envelope("No", details={"upstreamBody": "prompt is too long: 9 > 8"})),
            E.ContextOverflowError,
            "No",
            id="the provider speaks of the length in plain text",
        ),
        *(
            pytest.param(
                answer(400, envelope("Invalid value", **echo)), E.InvalidRequestError, "Invalid", id=f"echo {n}"
            )
            for n, echo in enumerate(
                [
                    {"input": "What is a context window?"},
                    {"details": {"prompt": "The prompt is too long"}},
                    {"details": {"upstreamBody": '{"error":{"message":"No"},"input":"too many tokens"}'}},
                ]
            )
        ),
    ],
)
def test_every_shape_of_refusal_has_its_class(
    response: httpx.Response, expected: type[PollinationsError], says: str
) -> None:
    error = error_from_response(response)
    assert type(error) is expected
    assert says in str(error)


@pytest.mark.parametrize("code", [0, -1, 1, 200, 302, 1026, 99999, True, "0", "abc"])
def test_a_code_in_a_stream_that_is_no_status_is_an_upstream_error(code: Any) -> None:
    error = error_from_event({"error": {"message": "Broken", "code": code}})
    assert (type(error), error.status_code, error.is_retryable) == (E.UpstreamError, None, True)


def test_an_error_tells_what_the_service_told() -> None:
    body = envelope(
        "No", "FORBIDDEN", fixUrl="https://enter.pollinations.ai/grant", details={"name": "X", "upstreamStatus": 429}
    )
    error = error_from_response(answer(403, body, x_request_id="req-1", retry_after="2"))
    assert (error.status_code, error.code, error.request_id, error.retry_after) == (403, "FORBIDDEN", "req-1", 2.0)
    assert (error.upstream_status, error.fix_url) == (429, "https://enter.pollinations.ai/grant")
    assert str(error) == "No (403, FORBIDDEN, request req-1). See https://enter.pollinations.ai/grant"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("1.5", 1.5), ("-3", 0.0), ("soon", None), ("inf", None), ("1 Jan 99999999999 00:00:00", None)],
)
def test_retry_after_is_read_in_all_its_forms(header: str, seconds: float | None) -> None:
    assert error_from_response(answer(429, {}, retry_after=header)).retry_after == seconds


def test_retry_after_may_be_a_date() -> None:
    header = email.utils.formatdate(time.time() + 100)
    assert error_from_response(answer(429, {}, retry_after=header)).retry_after == pytest.approx(100, abs=5)


def test_retry_after_may_stand_in_the_body() -> None:
    for told, seconds in ((1.25, 1.25), (-5, 0.0), ("x", None), (None, None)):
        found = error_from_response(answer(429, {"error": "x", "retryAfterSeconds": told}))
        assert found.retry_after == seconds


def every_class() -> list[type[PollinationsError]]:
    found: list[type[PollinationsError]] = [PollinationsError]
    for cls in found:
        found += [sub for sub in cls.__subclasses__() if sub not in found]
    return found


@pytest.mark.parametrize("cls", every_class(), ids=lambda cls: cls.__name__)
def test_errors_pickle_copy_and_hash(cls: type[PollinationsError]) -> None:
    error = cls("No", status_code=500, code="X", request_id="r", retry_after=1.0, body={"a": 1}, fix_url="https://x")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is cls
        assert (str(twin), twin.__dict__) == (str(error), error.__dict__)
    assert {error: 1}[error] == 1


def test_every_kind_of_failure_of_langchain_has_a_class_here() -> None:
    kinds = [kind for kind in vars(core).values() if isinstance(kind, type) and issubclass(kind, core.ModelError)]
    refusal = getattr(core, "ModelRefusalError", None)  # a refusal is part of an answer; LangChain's parsers raise it
    for kind in kinds:
        if kind is not refusal:
            assert any(issubclass(cls, kind) for cls in every_class()), kind


def test_every_error_can_be_told_apart_from_langchains_own_classes() -> None:
    assert issubclass(E.InvalidRequestError, ValueError)
    assert issubclass(E.RequestTimeoutError, TimeoutError)
    with pytest.raises(core.ModelRateLimitError):
        raise error_from_response(answer(429))


async def _async_progress(told: Any) -> None: ...


PARAMS: list[tuple[Callable[[], Any], str | None]] = [
    (lambda: PollinationsImage(api_key="x").generate(" "), "prompt"),
    (lambda: PollinationsImage(api_key="x").generate("half \ud800"), "prompt"),
    (lambda: PollinationsImage(api_key="x").generate("cat", width=0), "width"),
    (lambda: PollinationsImage(api_key="x").generate("cat", width=0, seed=-2), None),
    (lambda: PollinationsImage(api_key="x").generate("cat", widht=3), "widht"),
    (lambda: PollinationsImage(api_key="x").generate("cat", model="veo"), "model"),
    (lambda: PollinationsImage(api_key="x").generate("cat", quality="low"), "quality"),
    (lambda: PollinationsImage(api_key="x").edit("night", b"text"), "image"),
    (lambda: PollinationsVideo(api_key="x").generate("cat", duration=5), "duration"),
    (lambda: PollinationsVideo(api_key="x").generate("cat", last_frame=b""), "last_frame"),
    (lambda: PollinationsVideo(api_key="x").generate("cat", first_frame="x.png"), "first_frame"),
    (lambda: PollinationsSpeech(api_key="x").generate("x" * 10_001), "prompt"),
    (lambda: PollinationsSpeech(api_key="x").generate("Hi", voice="nemo"), "voice"),
    (lambda: PollinationsMusic(api_key="x").generate("waltz", duration=1), "duration"),
    (lambda: Pollinations3D(api_key="x").generate("../x", model="rodin"), "prompt"),
    (lambda: PollinationsTranscriber(api_key="x").transcribe(b"text"), "recording"),
    (lambda: PollinationsTranscriber(api_key="x").transcribe(b"", response_format="srt"), "response_format"),
    (lambda: PollinationsImage(api_key="x").generate("cat", api_key="x"), "api_key"),
    (lambda: PollinationsVideo(api_key="x").generate("cat", progress=_async_progress), "progress"),
    (lambda: PollinationsEmbeddings(api_key="x").embed_query(" "), "text"),
    (lambda: PollinationsEmbeddings(api_key="x").embed_documents(["a", ""]), "texts[1]"),
    (lambda: PollinationsEmbeddings(api_key="x", dimensions=4000).embed_query("a"), "dimensions"),
    (lambda: upload(b"", api_key="x"), "file"),
    (lambda: upload(b"x", api_key="x", timeout=-1), "timeout"),
    (lambda: list_models("words", api_key="x"), "kind"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("ask", "param"), PARAMS, ids=[f"{n}-{param}" for n, (_, param) in enumerate(PARAMS)])
def test_an_error_of_the_request_names_the_argument(ask: Callable[[], Any], param: str | None) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        ask()
    assert caught.value.param == param
    assert pickle.loads(pickle.dumps(caught.value)).param == param


@pytest.mark.parametrize(
    ("error", "param"),
    [
        ({"details": {"fieldErrors": {"seed": ["too large"]}}}, "seed"),
        ({"details": {"fieldErrors": {"seed": [], "size": []}}}, None),
        ({"details": {"fieldErrors": {}}, "param": "size"}, "size"),
        ({"details": "x", "param": 3}, None),
        ({"message": "Invalid model or alias: x"}, "model"),
    ],
)
def test_the_field_that_the_service_names_is_the_argument(error: dict[str, Any], param: str | None) -> None:
    body = {"status": 400, "error": {"code": "BAD_REQUEST", "message": "No.", **error}}
    assert error_from_response(httpx.Response(400, json=body)).param == param


def test_an_error_shows_one_line_without_control_characters_and_keeps_its_message() -> None:
    says = "No.\x1b]0;title\x07\u202e\n\n" + "x" * 10_000
    body = {"status": 400, "error": {"code": "BAD\x1b[2J" * 100, "message": says, "fixUrl": "https://x\n" * 200}}
    error = error_from_response(httpx.Response(400, json=body, headers={"x-request-id": "y" * 5000}))
    shown = str(error)
    assert shown.startswith("No.]0;title xxx")
    assert shown.isprintable()
    assert len(shown) < 5000
    assert error.message == says
    assert str(pickle.loads(pickle.dumps(error))) == shown
