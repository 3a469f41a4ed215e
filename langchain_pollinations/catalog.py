"""The models: the service's own lists, and the snapshot of them that ships with the package."""

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
    """The models of the service, as it lists them now.

        >>> for model in list_models("text", ["tool_calling", "reasoning"], source="official"):
        ...     print(model.id, model.context_length, model.prices.get("promptTextTokens"))  # doctest: +SKIP

    With a key (`api_key`, else `POLLINATIONS_API_KEY`) the list is that of the key: with private models of its owner,
    without those that it may not use. No key is needed. Where the service cannot be reached or fails, the snapshot of
    official models that ships with the package stands in, which a `UserWarning` says, and the `origin` of each record.

    Args:
        kind: Models of this kind only.
        capabilities: Models that have all of these only; a text is one word.
        query: Models that have all of these words in id, aliases, title, description or publisher.
        source: `official` or `community` only.
        reliability: `all` lists also those models of the community of which many calls failed.
        agent: Whether to list agents only (True), or none.
        limit: At most so many.
        connection: The fields of every wrapper: `api_key`, `base_url`, `timeout` (10 s by default), `max_retries`
            (1 by default), `http_client` and so on; also `extra_headers`.

    Raises:
        InvalidRequestError: If an argument is wrong.
        PollinationsError: What the service says of the request, such as `AuthenticationError`.
    """
    listing = _list_request(
        kind=kind, capabilities=capabilities, query=query, source=source, reliability=reliability, agent=agent,
        limit=limit, **connection,
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
    """As `list_models`."""
    listing = _list_request(
        kind=kind, capabilities=capabilities, query=query, source=source, reliability=reliability, agent=agent,
        limit=limit, **connection,
    )  # fmt: skip
    async with listing:
        try:
            entries = await listing._client.asend(listing.call())
        except _FAILED as failure:
            return listing.fall_back(failure)
    return listing.answer(entries)
