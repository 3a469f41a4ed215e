"""Headers of a request that show no values."""

from __future__ import annotations

import httpx


class HiddenHeaders(httpx.Headers):
    """Headers whose `repr` shows only the names, because tracebacks may show the local variables that hold them.

    httpx hides only the values of `Authorization` and `Proxy-Authorization`. `default_headers` may hold other secrets.
    """

    def __repr__(self) -> str:
        return f"<headers {', '.join(self) or 'none'}>"
