"""The version of the package, and how it names itself in requests."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

__version__ = version("langchain-pollinations-ai")


def user_agent() -> httpx.Headers:
    from langchain_pollinations._transport.hidden_headers import HiddenHeaders

    return HiddenHeaders({"User-Agent": f"langchain-pollinations/{__version__}"})
