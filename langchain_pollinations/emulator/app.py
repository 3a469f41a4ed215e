"""The ASGI application of the unified host (gen.pollinations.ai). It contains the route table and the model lists."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from itertools import count
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from langchain_pollinations.emulator import middleware
from langchain_pollinations.emulator.routes import (
    account,
    audio,
    chat,
    decisions,
    embeddings,
    images,
    mcp,
    media,
    models3d,
    sign_in,
    transcripts,
    video,
    voices,
)
from langchain_pollinations.emulator.scripting.wire import refused
from langchain_pollinations.emulator.service import accounts, catalog, large_bodies
from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.state import Asked, State


class AnythingConvertor(PathConvertor):
    """Matches the rest of a path, including line breaks. Starlette's `path` convertor does not match line breaks."""

    regex = "(?s:.*)"


register_url_convertor("anything", AnythingConvertor())

FORM = middleware.MIB  # bytes allowed for the parts of a form other than the file
# Routes with their own body limit: path, beginning of the content type, bytes. The first match applies.
BODY_LIMITS = (
    ("/v1/audio/transcriptions", "", 100 * middleware.MIB),
    (voices.CHANGER, "", voices.MAX_FILE_BYTES + FORM),
    (voices.ISOLATOR, "", voices.MAX_FILE_BYTES + FORM),
    ("/media/upload", "application/json", 100 * middleware.MIB),
    ("/media/upload", "multipart/form-data", media.MAX_FILE_BYTES + FORM),
    ("/media/upload", "", media.MAX_FILE_BYTES),
)

Handler = Callable[[State, Asked], Awaitable[Response]]
PromptHandler = Callable[[State, Asked, str], Awaitable[Response]]


def _decoded(text: str) -> str:
    """Percent-decode a path once more, because the service decodes it twice. An invalid encoding remains unchanged."""
    if re.search(r"%(?![0-9a-fA-F]{2})", text):
        return text
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


class Application(middleware.Middleware):
    """The ASGI application of the unified host."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._count = count(1)
        handlers = {Refusal: _refuse, 404: _absent, 405: _absent, Exception: _broken}
        routes = Starlette(routes=self._table(), exception_handlers=handlers)
        routes.router.redirect_slashes = False  # the service does not redirect trailing slashes
        super().__init__(state.requests, state.script, routes)

    def limit(self, asked: Asked) -> int:
        if asked.path == chat.ROUTE and large_bodies.applies(asked):
            return large_bodies.MAX_BODY_BYTES
        kind = asked.headers.get("content-type", "").lower()
        fitting = (most for path, start, most in BODY_LIMITS if asked.path == path and kind.startswith(start))
        return next(fitting, middleware.BODY_LIMIT)

    def refuse(self, asked: Asked, refusal: Refusal) -> Response:
        return refused(media.flat(refusal) if asked.path.startswith("/media/") else refusal)

    def stamped(self, status: int, headers: middleware.Headers) -> middleware.Headers:
        have = {key.lower() for key, _ in headers}
        marks = [middleware.MARK, (b"x-request-id", f"emulated-{next(self._count)}".encode())]
        return [*headers, *((k, v) for k, v in marks if k not in have)]

    def _table(self) -> list[Route]:
        lists = [Route(path, self._simple(_models)) for path in catalog.LIST_CATEGORIES]
        return [
            Route("/v1/chat/completions", self._simple(chat.completions), methods=["POST"]),
            Route("/v1/images/generations", self._simple(video.generations), methods=["POST"]),
            Route("/v1/images/edits", self._simple(images.edits), methods=["POST"]),
            Route("/v1/audio/speech", self._simple(audio.speech), methods=["POST"]),
            Route("/v1/audio/speech/with-timestamps", self._simple(audio.timed_speech), methods=["POST"]),
            Route("/v1/audio/transcriptions", self._simple(transcripts.create), methods=["POST"]),
            Route(voices.CHANGER, self._simple(voices.change), methods=["POST"]),
            Route(voices.ISOLATOR, self._simple(voices.isolate), methods=["POST"]),
            Route("/alpha/decisions", self._simple(decisions.create), methods=["POST"]),
            Route("/v1/embeddings", self._simple(embeddings.create), methods=["POST"]),
            Route("/v1/models", self._simple(_v1_models)),
            Route("/v1/models/{rest:anything}", self._prompted(_v1_model, "/v1/models/")),
            *lists,
            Route("/text", self._simple(chat.post_text), methods=["POST"]),
            Route("/text/{rest:anything}", self._prompted(_segment(chat.get_text), "/text/")),
            Route("/audio/{rest:anything}", self._simple(audio.get_audio)),
            Route("/image/{rest:anything}", self._prompted(video.get_image, "/image/")),
            Route("/video/{rest:anything}", self._prompted(video.get_video, "/video/")),
            Route("/3d/{rest:anything}", self._prompted(models3d.get, "/3d/")),
            Route("/3d/{rest:anything}", self._prompted(models3d.post, "/3d/"), methods=["POST"]),
            Route("/mcp", self._simple(mcp.index)),
            Route("/mcp/{rest:anything}", self._prompted(mcp.post, "/mcp/"), methods=["POST"]),
            Route("/media/upload", self._simple(media.upload), methods=["POST"]),
            Route("/media/{rest:anything}", self._prompted(media.get, "/media/")),
            Route("/.well-known/oauth-authorization-server", self._simple(sign_in.metadata)),
            Route("/api/device/code", self._simple(sign_in.device_code), methods=["POST"]),
            Route("/api/device/token", self._simple(sign_in.device_token), methods=["POST"]),
            Route("/api/oauth/token", self._simple(sign_in.token), methods=["POST"]),
            Route("/api/device/userinfo", self._simple(sign_in.userinfo)),
            Route("/api/oauth/userinfo", self._simple(sign_in.userinfo)),
            Route("/device", self._simple(sign_in.device_page)),
            Route("/device", self._simple(sign_in.device_decision), methods=["POST"]),
            Route("/authorize", self._simple(sign_in.authorize_page)),
            Route("/authorize", self._simple(sign_in.authorize_decision), methods=["POST"]),
            Route("/account/key", self._simple(account.key)),
            Route("/account/balance", self._simple(account.balance)),
            Route("/account/profile", self._simple(account.profile)),
            Route("/account/key/usage", self._simple(account.key_usage)),
            Route("/account/usage", self._simple(account.usage)),
            Route("/account/usage/daily", self._simple(account.daily_usage)),
            Route("/account/keys", self._simple(account.keys)),
            Route("/account/keys", self._simple(account.create_key), methods=["POST"]),
            Route("/account/keys/{id}", self._prompted(account.change_key, "/account/keys/"), methods=["PATCH"]),
            Route("/account/keys/{id}", self._prompted(account.delete_key, "/account/keys/"), methods=["DELETE"]),
        ]

    def _simple(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await handler(self.state, request.scope["asked"])

        return endpoint

    def _prompted(self, handler: PromptHandler, prefix: str) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            rest = _decoded(request.scope["path"].removeprefix(prefix))
            if not rest:
                raise Refusal(404)
            return await handler(self.state, request.scope["asked"], rest)

        return endpoint


async def _refuse(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, Refusal)
    return refused(exc)


async def _broken(request: Request, exc: Exception) -> Response:
    return refused(Refusal(500, f"The emulator failed: {exc!r}"))


async def _absent(request: Request, exc: Exception) -> Response:
    return refused(Refusal(404))


def _segment(handler: PromptHandler) -> PromptHandler:
    """Wrap a handler so that its prompt must be one path segment. A slash in the prompt must be percent-encoded."""

    async def endpoint(state: State, asked: Asked, prompt: str) -> Response:
        if "/" in asked.raw_path.partition("?")[0].split("/", 2)[2]:
            raise Refusal(404)
        return await handler(state, asked, prompt)

    return endpoint


def _visible(state: State, asked: Asked, path: str) -> list[catalog.Model]:
    """Return the models for a model list route. Models that the API key may not use are omitted."""
    models = state.catalog.listed(path, asked.query, asked.headers)
    account = accounts.known(state.keys, asked.key)
    if account is None:
        return models
    allowed = account.get("models")
    if allowed is not None:
        models = [m for m in models if {m["name"], m["category"], *m["aliases"]} & set(allowed)]
    paid = accounts.pollen_by_kind(account)["paid"]
    return models if paid > 0 else [m for m in models if not m.get("paid_only")]


async def _models(state: State, asked: Asked) -> Response:
    return JSONResponse([catalog.entry(m) for m in _visible(state, asked, asked.path)])


def _milliseconds() -> int:
    return int(time.time() * 1000)


async def _v1_models(state: State, asked: Asked) -> Response:
    created = _milliseconds()
    data = [catalog.v1_entry(m, created) for m in _visible(state, asked, asked.path)]
    return JSONResponse({"object": "list", "data": data})


async def _v1_model(state: State, asked: Asked, name: str) -> Response:
    model = state.catalog.find(name)
    if model is None:
        raise Refusal(404, f"Model '{name}' not found")
    return JSONResponse(catalog.v1_entry(model, _milliseconds()))
