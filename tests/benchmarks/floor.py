"""The least possible chat model on httpx: no options, no retries, no error handling. It bounds what can be reached."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from functools import cached_property
from typing import Any

import httpx
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}


class FloorChat(BaseChatModel):
    """Sends text and returns text."""

    base_url: str
    model: str = "openai"

    @cached_property
    def _client(self) -> httpx.Client:
        return httpx.Client(timeout=60)

    @cached_property
    def _async_client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=60)

    @property
    def _llm_type(self) -> str:
        return "floor"

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **options)

    def _body(self, messages: list[BaseMessage], options: dict[str, Any]) -> dict[str, Any]:
        wire = [{"role": _ROLES[message.type], "content": message.content} for message in messages]
        return {"model": self.model, "messages": wire, **options}

    @property
    def _url(self) -> str:
        return f"{self.base_url}/v1/chat/completions"

    def _result(self, response: httpx.Response) -> ChatResult:
        body = response.raise_for_status().json()
        used = body["usage"]
        message = AIMessage(
            body["choices"][0]["message"]["content"],
            usage_metadata={
                "input_tokens": used["prompt_tokens"],
                "output_tokens": used["completion_tokens"],
                "total_tokens": used["total_tokens"],
            },
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kw: Any
    ) -> ChatResult:
        return self._result(self._client.post(self._url, json=self._body(messages, kw)))

    async def _agenerate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kw: Any
    ) -> ChatResult:
        return self._result(await self._async_client.post(self._url, json=self._body(messages, kw)))

    def _chunk(self, line: str) -> ChatGenerationChunk | None:
        if not line.startswith("data: ") or line == "data: [DONE]":
            return None
        choices = json.loads(line[6:])["choices"]
        text = choices[0]["delta"].get("content") if choices else None
        return ChatGenerationChunk(message=AIMessageChunk(text or ""))

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kw: Any
    ) -> Iterator[ChatGenerationChunk]:
        with self._client.stream("POST", self._url, json={**self._body(messages, kw), "stream": True}) as response:
            for line in response.iter_lines():
                if chunk := self._chunk(line):
                    yield chunk

    async def _astream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kw: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        body = {**self._body(messages, kw), "stream": True}
        async with self._async_client.stream("POST", self._url, json=body) as response:
            async for line in response.aiter_lines():
                if chunk := self._chunk(line):
                    yield chunk
