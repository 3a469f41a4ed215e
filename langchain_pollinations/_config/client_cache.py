"""The client of a wrapper, which is built again when a connection field changes, and its key from the keyring."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr

from langchain_pollinations._config.keys import stored_key

if TYPE_CHECKING:
    from langchain_pollinations._transport.client import Client

_FIELDS = (
    *("api_key", "base_url", "timeout", "max_retries", "stream_chunk_timeout", "max_response_bytes"),
    *("async_transport", "http_client", "http_async_client", "wait_for_rate_limit", "on_wait", "rate_limiter"),
)
"""Fields that a client is built from, beside `default_headers`."""


class ClientCache:
    """Holds one client and the keys from the keyring. A pickle or a copy is empty, because both hold the key."""

    def __init__(self) -> None:
        self._held: tuple[_State, Client] | None = None
        self._stored_keys: dict[str, SecretStr] = {}

    def __reduce__(self) -> tuple[type[ClientCache], tuple[()]]:
        return ClientCache, ()

    def get(self, wrapper: BaseModel, uses_legacy: bool, build: Callable[[], Client]) -> Client:
        """Return the client of the last call, or a new one from `build` if a field of the wrapper has changed."""
        state = _State(wrapper, uses_legacy)
        held = self._held  # read once: another thread may replace it
        if held is None or held[0].values != state.values:
            self._held = held = (state, build())
        return held[1]

    def stored_key(self, origin: str) -> SecretStr | None:
        """Return the key of the keyring for an origin. A key is read once, because some keyrings ask the user."""
        if origin not in self._stored_keys and (key := stored_key(origin)) is not None:
            self._stored_keys[origin] = key
        return self._stored_keys.get(origin)


class _State:
    """The values that a client is built from. A traceback with local variables shows none of them."""

    __slots__ = ("values",)

    def __init__(self, wrapper: BaseModel, uses_legacy: bool) -> None:
        fields = wrapper.__dict__
        headers = fields.get("default_headers") or {}  # the caller may change it in place
        self.values: tuple[Any, ...] = (
            *map(fields.get, _FIELDS),
            tuple(headers.items()),
            "stream_chunk_timeout" in wrapper.__pydantic_fields_set__,
            uses_legacy,
        )
