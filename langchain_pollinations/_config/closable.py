"""Closing of the connections of a wrapper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from langchain_pollinations._transport.pool import ConnectionPool


class Closable:
    """Mixin for wrappers with a connection pool. A wrapper is a context manager, sync and async."""

    if TYPE_CHECKING:
        _pool: ConnectionPool

    def close(self) -> None:
        """Close the connections of sync calls. The object stays usable and opens new connections when needed."""
        self._pool.close()

    async def aclose(self) -> None:
        """Close the connections of sync calls and those of the running event loop."""
        await self._pool.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()


def new_pool() -> ConnectionPool:
    from langchain_pollinations._transport.pool import ConnectionPool

    return ConnectionPool()
