"""The response cache of the proxy in front of the legacy hosts (the edge). It stores whole responses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from langchain_pollinations.emulator.service.error_responses import now
from langchain_pollinations.emulator.state import Asked

NOT_IDENTITY = ("token", "referrer", "referer", "nofeed", "no-cache")
STORED_HEADERS = ("content-type", "cache-control", "content-disposition")  # others, such as usage headers, are lost
FIRST_REFUSED = 401  # responses from this status up are not stored; a 400 is


@dataclass(frozen=True)
class StoredResponse:
    """A response in the cache."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    date: str = field(default_factory=now)


def identity(asked: Asked, body: Any) -> str:
    """Return the cache key of a request, a hash of its method, path, query and body.

    Fields that identify the caller are ignored.
    """
    query = sorted((k, v) for k, v in asked.query.items() if k not in NOT_IDENTITY)
    body_fields = (
        {k: v for k, v in body.items() if k not in NOT_IDENTITY} if isinstance(body, dict) else asked.body.hex()
    )
    method = "GET" if asked.method == "HEAD" else asked.method
    return sha256(
        json.dumps([method, asked.raw_path.partition("?")[0], query, body_fields], sort_keys=True).encode()
    ).hexdigest()


def hit(key: str, stored: StoredResponse) -> Response:
    cache_headers = {"x-cache": "HIT", "x-cache-key": key, "x-cache-date": stored.date}
    return Response(stored.body, stored.status, headers={**stored.headers, **cache_headers})


class CachingResponse(Response):
    """Sends a response and then passes it to `store`, unless its status is FIRST_REFUSED or higher."""

    def __init__(self, response: Response, store: Callable[[StoredResponse], None]) -> None:
        self._response, self._store = response, store
        self.status_code, self.raw_headers, self.background = response.status_code, response.raw_headers, None
        if "content-length" not in response.headers:  # a response with a known length has no x-cache header
            response.headers.setdefault("x-cache", "MISS")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chunks: list[bytes] = []

        async def recording(message: Message) -> None:
            chunks.append(message.get("body", b""))
            await send(message)

        await self._response(scope, receive, recording)
        if self.status_code < FIRST_REFUSED:
            headers = {k: v for k, v in self._response.headers.items() if k in STORED_HEADERS}
            self._store(StoredResponse(self.status_code, headers, b"".join(chunks)))
