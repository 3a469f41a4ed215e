"""The packages that are compared. Each is imported in a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx


class RawHttpx:
    """httpx alone, with the methods of a chat model that the rows use. It parses no response."""

    def __init__(self, base_url: str) -> None:
        self.url = f"{base_url}/v1/chat/completions"
        self._client = httpx.Client(timeout=60)
        self._async_client = httpx.AsyncClient(timeout=60)

    def _json(self, messages: Any) -> Any:
        return {"model": "openai", "messages": [{"role": "user", "content": messages}]}

    def invoke(self, messages: Any) -> Any:
        return self._client.post(self.url, json=self._json(messages)).json()

    async def ainvoke(self, messages: Any) -> Any:
        return (await self._async_client.post(self.url, json=self._json(messages))).json()

    def stream(self, messages: Any) -> Iterator[str]:
        with self._client.stream("POST", self.url, json=self._json(messages)) as response:
            yield from response.iter_lines()

    async def astream(self, messages: Any) -> AsyncIterator[str]:
        async with self._async_client.stream("POST", self.url, json=self._json(messages)) as response:
            async for line in response.aiter_lines():
                yield line


class RawEmbeddings:
    """httpx alone: the same number of texts per request as this package, one request after the other."""

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url}/v1/embeddings"
        self._client = httpx.Client(timeout=60)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors = []
        for start in range(0, len(texts), _TEXTS_PER_REQUEST):
            body = {"model": "openai", "input": texts[start : start + _TEXTS_PER_REQUEST]}
            vectors += [item["embedding"] for item in self._client.post(self._url, json=body).json()["data"]]
        return vectors


def get_bytes(base_url: str) -> Callable[[str], bytes]:
    """Return a function that gets a medium with httpx alone."""
    client = httpx.Client(timeout=60)
    return lambda prompt: client.get(f"{base_url}/image/{quote(prompt)}").content


def get_to_file(base_url: str) -> Callable[[str, Path], None]:
    """Return a function that streams a medium to a file with httpx alone."""
    client = httpx.Client(timeout=60)

    def save(prompt: str, path: Path) -> None:
        with client.stream("GET", f"{base_url}/video/{quote(prompt)}") as response, path.open("wb") as file:
            for piece in response.iter_bytes():
                file.write(piece)

    return save


_TEXTS_PER_REQUEST = 100


def _ours(base_url: str, **options: Any) -> Any:
    from langchain_pollinations import ChatPollinations

    return ChatPollinations(base_url=base_url, api_key="sk_test", model="openai", **options)


def _ours_with_aiohttp(base_url: str) -> Any:
    return _ours(base_url, async_transport="aiohttp")


def _floor(base_url: str) -> Any:
    from .floor import FloorChat

    return FloorChat(base_url=base_url)


def _openai(base_url: str) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(base_url=f"{base_url}/v1", api_key="sk_test", model="openai", stream_usage=True)


def _other(base_url: str) -> Any:
    from langchain_pollinations import ChatPollinations  # in its own environment, where this is the other package

    return ChatPollinations(base_url=base_url, api_key="sk_test", model="openai")


CONTENDERS: dict[str, Callable[[str], Any]] = {
    "ours": _ours,
    "ours, aiohttp": _ours_with_aiohttp,
    "floor": _floor,
    "httpx": RawHttpx,
    "ChatOpenAI": _openai,
    "other": _other,
}
"""A chat model by name. It takes the base URL of the stub server with the name of the response."""
