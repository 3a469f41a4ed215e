"""The HTTP side of MCP clients: authentication of their requests, and the errors behind their exceptions.

The requests are sent by `mcp`, which uses httpx in version 1 and httpx2 in version 2. Both call an object of class
`Auth` for each request and its response.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NoReturn

import httpx
from pydantic import SecretStr

from langchain_pollinations._transport.error_response import error_from_response
from langchain_pollinations._transport.exceptions import ErrorMapper, remove_headers, remove_key
from langchain_pollinations._transport.refusal_notices import fix_links, fix_page
from langchain_pollinations.errors import (
    InsufficientBalanceError,
    KeyBudgetExhaustedError,
    PaymentRequiredError,
    PollinationsError,
    QuestPollenOnlyError,
)

_PROTOCOL_STATUSES = frozenset({400, 404, 405, 406, 415})
"""Statuses by which MCP servers also negotiate the protocol. They are errors only in the envelope of the service."""


class ServiceAuth:
    """Mixin for an `Auth` class. It sends the key as a bearer token, and raises an error for an error response.

    MCP clients drop the body of an error response, and version 2 of `mcp` drops the status too. The error is therefore
    created here. Clients raise it within an `ExceptionGroup` or as the cause of another exception.
    """

    def __init__(self, key: SecretStr, timeout: httpx.Timeout) -> None:
        self._key, self._timeout = key, timeout

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        # No variable holds the key, because tracebacks may show the local variables of this frame.
        request.headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        request.extensions = {**request.extensions, "timeout": self._timeout.as_dict()}
        response = yield request
        if request.method == "POST" and response.status_code >= 400:
            await response.aread()
            if is_refusal(response):
                error = error_from_response(_to_httpx_response(response))
                remove_key(error, request.headers, None)
                raise error

    def __repr__(self) -> str:
        return "ServiceAuth(key='**********')"

    def __copy__(self) -> ServiceAuth:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> ServiceAuth:
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("Connections of MCP servers contain the API key and cannot be pickled: create them anew")


def service_auth(key: SecretStr, timeout: httpx.Timeout) -> Any:
    """Return an authentication for clients of httpx, and also of httpx2 if it is installed."""
    kinds = [import_module(name).Auth for name in ("httpx", "httpx2") if find_spec(name)]
    return type("ServiceAuth", (ServiceAuth, *kinds), {})(key, timeout)


def is_refusal(response: Any) -> bool:
    """Whether an error response comes from the service. Otherwise, it belongs to the protocol, and the client reads
    it."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict) and "jsonrpc" in body:
        return False
    return response.status_code not in _PROTOCOL_STATUSES or (isinstance(body, dict) and "success" in body)


def _to_httpx_response(response: Any) -> httpx.Response:
    """Convert a response of httpx or httpx2 whose body has been read."""
    headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() != "content-encoding"]
    return httpx.Response(response.status_code, headers=headers, content=response.content)


def find_error(error: BaseException, handled: BaseException | None) -> PollinationsError | None:
    """Return the error of this package for an exception of an MCP client. Return None for another exception.

    The exception may be a group. Its causes are searched too. `handled` is the exception that the caller was handling
    before. It is not changed.
    """
    parts = list(_parts(error))
    own = next((part for part in parts if isinstance(part, PollinationsError)), None)
    if own is not None:
        return own
    return next((found for part in parts if (found := _convert(part, handled))), None)


def _parts(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, the exceptions of a group, and their causes."""
    todo, seen = [error], set()
    while todo:
        part = todo.pop(0)
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        todo += part.exceptions if isinstance(part, BaseExceptionGroup) else []
        todo += [part.__cause__] if part.__cause__ is not None else []


def _convert(error: BaseException, handled: BaseException | None) -> PollinationsError | None:
    """Convert an exception of httpx or httpx2."""
    names = [base.__name__ for base in type(error).__mro__ if base.__module__.partition(".")[0] in ("httpx", "httpx2")]
    failed: Any = error
    if "HTTPStatusError" in names:  # the client has closed the response and not read its body
        response = httpx.Response(failed.response.status_code, headers=failed.response.headers.multi_items())
        return error_from_response(response)
    kinds = [kind for name in names if (kind := getattr(httpx, name, None)) and issubclass(kind, httpx.RequestError)]
    if not kinds:
        return None
    if isinstance(error, httpx.HTTPError):
        remove_headers(error, handled)
    try:
        request = httpx.Request(failed.request.method, str(failed.request.url))
    except RuntimeError:  # the exception has no request
        request = None
    try:
        with ErrorMapper(None, {}):
            raise kinds[0](str(error), request=request) from error.__cause__
    except PollinationsError as mapped:
        return mapped


_REFUSALS: Mapping[str, tuple[str, type[PaymentRequiredError]]] = {
    "API key budget too low.": ("KEY_BUDGET_EXHAUSTED", KeyBudgetExhaustedError),
    "Insufficient balance.": ("INSUFFICIENT_BALANCE", InsufficientBalanceError),
    "This model needs paid Pollen, but": ("QUEST_POLLEN_ONLY", QuestPollenOnlyError),
    "Not enough Quest Pollen.": ("QUEST_POLLEN_ONLY", QuestPollenOnlyError),
}
"""Beginnings of the service's messages for status 402, with code and class."""


def error_from_tool_result(text: str) -> PaymentRequiredError | None:
    """Return the error for the text of a failed tool that reports a refusal for lack of Pollen, else None."""
    found = next((refusal for beginning, refusal in _REFUSALS.items() if text.startswith(beginning)), None)
    if found is None:
        return None
    code, kind = found
    return kind(text, code=code, fix_url=fix_page(fix_links(text)))
