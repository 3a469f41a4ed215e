"""The ASGI application of a legacy host."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from langchain_pollinations.emulator import middleware
from langchain_pollinations.emulator.legacy import errors, headers, image, text
from langchain_pollinations.emulator.legacy.hosts import Exchange, Hosts, place
from langchain_pollinations.emulator.legacy.queue import Queue
from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.state import Asked

HANDLERS: Mapping[str, Callable[[Exchange], Awaitable[Response]]] = {"text": text.answer, "image": image.answer}


class Application(middleware.Middleware):
    """The ASGI application of one legacy host, `text` or `image`."""

    def __init__(self, hosts: Hosts, name: str) -> None:
        self.host = name
        self.hosts, self._host_state, self._handler = hosts, hosts.host_states[name], HANDLERS[name]
        self._host_state.queue = Queue()  # a host starts with an empty queue
        super().__init__(hosts.requests, hosts.lines, self._handle)

    def refuse(self, asked: Asked, refusal: Refusal) -> Response:
        return errors.response(refusal, asked, self.hosts.level)

    def place(self, asked: Asked) -> str:
        return place(asked)

    def stamped(self, status: int, given: middleware.Headers) -> middleware.Headers:
        return headers.stamped(given, status, self.hosts.level, self.host)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _run_until_disconnect(self._served(scope, receive, send), receive)

    async def _served(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with Exchange(self.hosts, self._host_state, scope["asked"]) as exchange:
            response = await self._response(exchange)
            await response(scope, receive, send)

    async def _response(self, exchange: Exchange) -> Response:
        try:
            return await self._handler(exchange)
        except Refusal as refusal:
            return self.refuse(exchange.asked, refusal)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _run_until_disconnect(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Run `work` until it ends or the client disconnects.

    A client that disconnects while it waits in the queue must release its slot.
    """
    tasks = working, leaving = asyncio.create_task(work), asyncio.create_task(_wait_for_disconnect(receive))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
