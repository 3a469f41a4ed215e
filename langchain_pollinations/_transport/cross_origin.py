"""Redirects, and requests to origins that a response named."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import httpx

from langchain_pollinations import errors
from langchain_pollinations._transport.body import with_body
from langchain_pollinations._transport.origins import CROSS_ORIGIN_HEADERS, is_cross_origin, is_requestable
from langchain_pollinations._transport.pool import AnyClient
from langchain_pollinations._transport.public_peer import AsyncPeerTrace, PeerTrace, required_peer
from langchain_pollinations._transport.request import ApiRequest


class RedirectChain:
    """The requests of one attempt: the first, and one for each redirect.

    Only a GET follows redirects, so that no body is sent elsewhere. After a redirect to another origin, requests are
    anonymous. An anonymous request has only the headers in `CROSS_ORIGIN_HEADERS`, because httpx would remove the key
    but no other secret header. The client adds neither credentials nor the headers of its hooks.

    Args:
        call: The call that is sent.
        request: The first request of the call.
        chosen_origin: The origin that the developer chose for this call.
        is_anonymous: Whether the first request is anonymous too.
    """

    def __init__(
        self, call: ApiRequest[Any], request: httpx.Request, chosen_origin: str, *, is_anonymous: bool = False
    ) -> None:
        self._call = call
        self.request = request
        self._chosen_origin = chosen_origin
        self._is_named_by_response = call.is_origin_checked
        self._is_anonymous = is_anonymous
        self._sending: AbstractContextManager[None] = nullcontext()

    @property
    def chosen_host(self) -> str:
        return httpx.URL(self._chosen_origin).host

    @property
    def must_be_public(self) -> bool:
        """Whether a response chose the host of the request. Such a host may be private only if `chosen_host` is."""
        return self._is_named_by_response and self.request.url.host != self.chosen_host

    def require_public_peer(self, *, is_async: bool) -> None:
        """Refuse a connection to a private address. The host may resolve to another address after its check."""
        host, extensions = self.request.url.raw_host.decode("ascii"), self.request.extensions
        trace: Any = AsyncPeerTrace if is_async else PeerTrace
        peer_trace = trace(host, self.private_address, extensions.get("trace"))
        self.request.extensions = {**extensions, "trace": peer_trace}
        self._sending = required_peer(self.private_address)

    def send(self, client: httpx.Client) -> httpx.Response:
        """Send the current request."""
        sender: Any = self._sender(client)
        try:
            response: httpx.Response = sender.send(self.request, **self._options)
            return response
        except httpx.HTTPStatusError as error:
            return self._refused(error)

    async def asend(self, client: httpx.AsyncClient) -> httpx.Response:
        """Like `send`."""
        sender: Any = self._sender(client)
        try:
            with self._sending:
                response: httpx.Response = await sender.send(self.request, **self._options)
                return response
        except httpx.HTTPStatusError as error:
            return self._refused(error)

    def _sender(self, client: AnyClient) -> AnyClient:
        return _without_request_hooks(client) if self._is_anonymous else client

    @property
    def _options(self) -> dict[str, Any]:
        """The options of `send`."""
        options: dict[str, Any] = {"stream": True, "follow_redirects": False}
        return options if self._call.send_credentials and not self._is_anonymous else {**options, "auth": None}

    def _refused(self, error: httpx.HTTPStatusError) -> httpx.Response:
        """Return the response for which a hook of the caller called `raise_for_status`. httpx has closed it.

        Raises:
            httpx.HTTPStatusError: If the hook sent the request.
        """
        if error.request is not self.request:
            raise error
        return with_body(error.response, error.response.content if error.response.is_stream_consumed else b"")

    def follow(self, response: httpx.Response, failed: httpx.Response) -> None:
        """Continue with the request that a response redirects to.

        Args:
            response: The response to the current request.
            failed: The same response with its body.

        Raises:
            PollinationsError: If the response is not a redirect, or if the redirect is not followed.
        """
        onward = response.next_request
        if onward is None or self._call.method != "GET":
            raise self._call.to_error(failed)
        if not is_requestable(onward.url):
            raise _unusable_address(onward.url)
        if is_cross_origin(response.request.url, onward.url):
            self._is_anonymous = True
        if self._is_anonymous:
            onward.headers = httpx.Headers({k: v for k, v in onward.headers.items() if k in CROSS_ORIGIN_HEADERS})
        self._is_named_by_response = True
        self._sending = nullcontext()
        onward.read()  # otherwise httpx-aiohttp sends the empty body in chunks
        self.request = onward

    def private_address(self) -> errors.InvalidResponseError:
        host = self.request.url.host
        return _final(f"The response leads to a private address ({host}), which is not requested")


def _without_request_hooks(client: AnyClient) -> AnyClient:
    """Return a client without request hooks, which could add headers. A copy shares the connections and proxies."""
    if not client.event_hooks["request"]:
        return client
    bare = copy.copy(client)
    bare.event_hooks = {**client.event_hooks, "request": []}
    return bare


def _unusable_address(url: httpx.URL) -> errors.InvalidResponseError:
    return _final(f"The response leads to an address that cannot be requested: {str(url)[:200]!r}")


def _final(message: str) -> errors.InvalidResponseError:
    error = errors.InvalidResponseError(message)
    error.is_retryable = False
    return error
