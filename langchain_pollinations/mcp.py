"""The hosted MCP servers of the service: their list, connections for MCP clients, and their errors.

The service runs tools itself, with the key and the balance of the caller: web search, page fetch, ffmpeg, a shell and
others. LangChain uses them through `langchain-mcp-adapters` or `langchain.mcp`.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import httpx
from pydantic import Field, SecretStr, ValidationError

from langchain_pollinations._config.identity import user_agent
from langchain_pollinations._config.service import ServiceConfig
from langchain_pollinations._transport.call_settings import merge_extra_headers
from langchain_pollinations._transport.error_response import parse_json, unexpected_response
from langchain_pollinations._transport.exceptions import OnError
from langchain_pollinations._transport.mcp_http import error_from_tool_result, find_error, service_auth
from langchain_pollinations._transport.request import ApiRequest
from langchain_pollinations._transport.timeouts import Timeout, to_httpx_timeout
from langchain_pollinations._validation import invalid_request
from langchain_pollinations.errors import InvalidRequestError

KNOWN_SERVERS = ("pollinations", "exa", "ffmpeg", "composio", "computer", "ask-jev")
"""Servers in October 2026. `list_mcp_servers` returns the current ones."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class MCPServer:
    """A hosted MCP server, as the service lists it.

    >>> [server.id for server in list_mcp_servers() if server.id == "exa"]
    ['exa']
    """

    id: str
    name: str = ""
    description: str = ""
    url: str = ""
    """URL for MCP clients."""
    pricing: Any = field(default=None, hash=False)
    """Prices as the service sends them. Their format is not documented."""


# --- Connections ------------------------------------------------------------------------------------------------------


def mcp_connections(
    *servers: str | MCPServer,
    api_key: str | SecretStr | None = None,
    base_url: str | None = None,
    timeout: Timeout | None = 300.0,
    check: bool = True,
) -> dict[str, Any]:
    """Return connections to hosted MCP servers, for `MultiServerMCPClient` and for `langchain.mcp`.

        >>> from langchain_mcp_adapters.client import MultiServerMCPClient
        >>> client = MultiServerMCPClient(mcp_connections("exa", "ffmpeg"), tool_interceptors=[map_mcp_errors])

    For `langchain.mcp`, pass the connections to a `ClientGroup`, and run the agent within `mcp_errors`:

        from fastmcp.client.group import ClientGroup
        from langchain.mcp import MCPAdapter

        with mcp_errors():
            tools = await MCPAdapter(ClientGroup.from_config(mcp_connections("exa", "ffmpeg"))).list_tools()

    `MCPAdapter` also accepts the connections themselves. If there are several, it hides which error occurred.

    The tools are async only. By default, each call of a tool opens a session of its own, which takes several requests.

    Each connection contains the key in its `auth` object, which adds the `Authorization` header to the requests. The
    URL, the `repr` of the connections and errors do not contain the key. The connections cannot be pickled.

    A model that uses `pollinations` with a key that has the scope `keys` can create and revoke keys. A key without
    scopes, with a budget, is safer.

    Args:
        servers: Ids of servers, such as "exa", or records of `list_mcp_servers`.
        api_key: API key. None reads `POLLINATIONS_API_KEY` from the environment, or else the keyring if
            `POLLINATIONS_USE_KEYRING` is 1.
        base_url: Origin of the service. None reads `POLLINATIONS_BASE_URL` from the environment, or is
            gen.pollinations.ai.
        timeout: Maximum seconds without data, in the forms that `ChatPollinations` accepts. Videos need minutes.
        check: Reject ids that are not in `KNOWN_SERVERS`. False accepts servers that are newer than this package.

    Raises:
        InvalidRequestError: If a server is unknown or an argument is invalid.
        AuthenticationError: If there is no key.
    """
    connection = {"api_key": api_key, "base_url": base_url, "timeout": timeout}
    del api_key  # tracebacks may show this variable
    service = _configured(ServiceConfig, connection)
    if not servers:
        raise InvalidRequestError(f"servers: name at least one of {', '.join(KNOWN_SERVERS)}", param="servers")
    ids = [_check_id(server, check) for server in servers]
    limits = to_httpx_timeout(service.timeout)
    auth = service_auth(SecretStr(service._key()), limits)
    return {
        name: {
            "transport": "http",
            "url": f"{service._service_url}/mcp/{name}",
            "headers": dict(user_agent()),
            "auth": auth,
        }
        for name in ids
    }


def _check_id(server: Any, check: bool) -> str:
    """Return the id of a server. The id of a record, and any id without `check`, only has to be valid in a URL."""
    if isinstance(server, MCPServer):
        return _check_id(server.id, False)
    if not isinstance(server, str):
        kind = type(server).__name__
        raise InvalidRequestError(f"servers: takes ids such as 'exa' or MCPServer records, not {kind}", param="servers")
    if server in KNOWN_SERVERS or (not check and _ID.fullmatch(server)):
        return server
    close = difflib.get_close_matches(server.lower(), KNOWN_SERVERS, n=1)
    # A name without a match is not repeated in the message: it might be a misplaced API key.
    unknown = f"unknown MCP server {server!r}, did you mean {close[0]!r}?" if close else "unknown MCP server."
    known = f"Known servers: {', '.join(KNOWN_SERVERS)}"
    hint = "list_mcp_servers() returns the current ones, and check=False accepts another id"
    raise InvalidRequestError(f"servers: {unknown} {known}; {hint}", param="servers")


def _configured(kind: type[ServiceConfig], fields: dict[str, Any]) -> Any:
    try:
        return kind(**merge_extra_headers(fields))
    except ValidationError as error:
        raise invalid_request(error) from None


# --- Errors -----------------------------------------------------------------------------------------------------------


def mcp_errors() -> AbstractContextManager[None]:
    """Return a context manager that raises the errors of this package for those of MCP clients.

    MCP clients raise an error response of the service, such as 401 or 402, within an `ExceptionGroup` or as the cause
    of another exception. This context manager raises the error itself, such as `AuthenticationError`. Lost connections
    and exceeded time limits become `APIConnectionError` and `RequestTimeoutError`. An exception without such a cause is
    raised unchanged.

        >>> import asyncio
        >>> from langchain_mcp_adapters.client import MultiServerMCPClient
        >>> async def get_tools(api_key: str) -> list:
        ...     with mcp_errors():
        ...         return await MultiServerMCPClient(mcp_connections("exa", api_key=api_key)).get_tools()
        >>> asyncio.run(get_tools("sk_wrong"))
        Traceback (most recent call last):
        AuthenticationError: ...
    """
    return OnError(partial(_raise_own, sys.exception()))


def _raise_own(handled: BaseException | None, error: BaseException) -> None:
    # The user may have interrupted the program.
    found = find_error(error, handled) if isinstance(error, Exception) else None
    if found is not None and found is not error:
        raise found from None


async def map_mcp_errors(request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
    """Interceptor for `MultiServerMCPClient` that raises the errors of this package in calls of tools.

    It does the same as `mcp_errors`. It also raises a `PaymentRequiredError` if a tool returns a refusal for lack of
    Pollen as its result, because a model cannot correct it. Other failures of tools are for the model.

        >>> from langchain_mcp_adapters.client import MultiServerMCPClient
        >>> client = MultiServerMCPClient(mcp_connections("exa"), tool_interceptors=[map_mcp_errors])

    Raises:
        PollinationsError: If the service refuses the call or cannot be reached.
    """
    with mcp_errors():
        result = await handler(request)
    if getattr(result, "isError", False):
        texts = (getattr(block, "text", None) for block in result.content)
        error = error_from_tool_result(" ".join(filter(None, texts)))
        if error is not None:
            raise error
    return result


# --- List -------------------------------------------------------------------------------------------------------------


class _ServerList(ServiceConfig):
    """The connection for the list, which needs no key."""

    _KEY_REQUIRED: ClassVar[bool] = False

    timeout: Timeout | None = 10.0
    max_retries: int | None = Field(default=1, ge=0)


def list_mcp_servers(**connection: Any) -> list[MCPServer]:
    """List the hosted MCP servers of the service. No key is required.

        >>> exa = next(server for server in list_mcp_servers() if server.id == "exa")
        >>> exa.url
        'http.../mcp/exa'

        connections = mcp_connections(*list_mcp_servers())

    Args:
        connection: Connection fields, such as `base_url`, `timeout` (10 s by default) and `max_retries` (1 by default).
            `extra_headers` is also accepted.

    Raises:
        InvalidRequestError: If an argument is invalid.
        PollinationsError: If the service refuses the request or cannot be reached.
    """
    with _configured(_ServerList, connection) as service:
        found: list[MCPServer] = service._client.send(ApiRequest("GET", "/mcp", parse_servers))
    return found


async def alist_mcp_servers(**connection: Any) -> list[MCPServer]:
    """Asynchronous version of `list_mcp_servers`.

    >>> import asyncio
    >>> servers = asyncio.run(alist_mcp_servers())
    """
    async with _configured(_ServerList, connection) as service:
        found: list[MCPServer] = await service._client.asend(ApiRequest("GET", "/mcp", parse_servers))
    return found


def parse_servers(response: httpx.Response) -> list[MCPServer]:
    """Parse the list of servers. Entries without a valid id are omitted."""
    entries = parse_json(response, "list of MCP servers").get("data")
    if not isinstance(entries, list):
        raise unexpected_response(response, "list of MCP servers")
    listed = (entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str))
    return [_server(entry) for entry in listed if _ID.fullmatch(entry["id"])]


def _server(entry: Mapping[str, Any]) -> MCPServer:
    name, description, url = (str(entry.get(key) or "") for key in ("name", "description", "url"))
    return MCPServer(entry["id"], name, description, url, entry.get("pricing"))
