"""The service's model lists, and the snapshot of these lists that ships with the package."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langchain_pollinations._catalog.listing import _FAILED, _list_request
from langchain_pollinations._catalog.records import Capability, Kind, Reliability, Source
from langchain_pollinations._catalog.records import Model as Model


def list_models(
    kind: Kind | None = None,
    capabilities: Capability | Iterable[Capability] | None = None,
    *,
    query: str | None = None,
    source: Source | None = None,
    reliability: Reliability | None = None,
    agent: bool | None = None,
    limit: int | None = None,
    **connection: Any,
) -> list[Model]:
    """List the current models of the service.

        >>> for model in list_models("text", ["tool_calling", "reasoning"], source="official"):
        ...     print(model.id, model.context_length, model.prices.get("promptTextTokens"))
        openai/...

    With a key (`api_key`, else `POLLINATIONS_API_KEY`) the list is specific to the key. It includes private models of
    the key's owner, and omits models that the key may not use. No key is required. If the service cannot be reached or
    fails, the result comes from the snapshot of official models that ships with the package. A `UserWarning` and the
    `origin` of each record report this.

    Args:
        kind: List only models of this kind.
        capabilities: List only models that have all of these. A string is one capability.
        query: List only models that contain all of these words in id, aliases, title, description or publisher.
        source: List only `official` or only `community` models.
        reliability: `all` includes community models for which many requests failed.
        agent: True lists only agents, False omits them.
        limit: Maximum number of models.
        connection: Fields of every wrapper: `api_key`, `base_url`, `timeout` (10 s by default), `max_retries`
            (1 by default), `http_client` and so on; also `extra_headers`.

    Raises:
        InvalidRequestError: If an argument is wrong.
        PollinationsError: If the service refuses the request, for instance `AuthenticationError`.
    """
    listing = _list_request(
        kind=kind, capabilities=capabilities, query=query, source=source, reliability=reliability, agent=agent,
        limit=limit, connection=connection,
    )  # fmt: skip
    with listing:
        try:
            entries = listing._client.send(listing.call())
        except _FAILED as failure:
            return listing.fall_back(failure)
    return listing.answer(entries)


async def alist_models(
    kind: Kind | None = None,
    capabilities: Capability | Iterable[Capability] | None = None,
    *,
    query: str | None = None,
    source: Source | None = None,
    reliability: Reliability | None = None,
    agent: bool | None = None,
    limit: int | None = None,
    **connection: Any,
) -> list[Model]:
    """Asynchronous version of `list_models`.

    >>> import asyncio
    >>> models = asyncio.run(alist_models("image"))
    """
    listing = _list_request(
        kind=kind, capabilities=capabilities, query=query, source=source, reliability=reliability, agent=agent,
        limit=limit, connection=connection,
    )  # fmt: skip
    async with listing:
        try:
            entries = await listing._client.asend(listing.call())
        except _FAILED as failure:
            return listing.fall_back(failure)
    return listing.answer(entries)
