"""The fields that every wrapper shares: which service, with which key, how patiently."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

import httpx
from langchain_core.utils import from_env, secret_from_env
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, field_validator, model_validator

from langchain_pollinations._http import Client, Pool, Transport
from langchain_pollinations._options import check_no_secret, describe_unknown
from langchain_pollinations.errors import AuthenticationError, InvalidRequestError

__version__ = version("langchain-pollinations-ai")

GEN = "https://gen.pollinations.ai"
MEDIA_HOST = "https://media.pollinations.ai"
LONGEST_CONNECT = 10.0
KEYS_PAGE = "https://enter.pollinations.ai/keys"


class Connection(BaseModel):
    """Mixin with the connection fields; `_client` is what wrappers send their calls with."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        # A key given in the wrong place must not come back in the text of an error.
        hide_input_in_errors=True,
    )

    _SYNONYMS: ClassVar[Mapping[str, str]] = {"pollinations_api_key": "api_key", "request_timeout": "timeout"}
    """Other names that LangChain's users know a field by."""

    _KEY_REQUIRED: ClassVar[bool] = True
    """Whether a call without a key is refused before it is sent. The service's lists need none."""

    api_key: SecretStr | None = Field(default_factory=secret_from_env("POLLINATIONS_API_KEY", default=None), repr=False)
    """Key of the service; `POLLINATIONS_API_KEY` in the environment where it is not given. Travels only in the
    `Authorization` header."""

    api: Literal["auto", "gen"] = "auto"
    """Which generation of the service: `gen` is gen.pollinations.ai. The older hosts are not wrapped yet: `auto` means
    the same."""

    base_url: str = Field(
        default_factory=lambda: from_env("POLLINATIONS_BASE_URL", default=GEN)() or GEN, validate_default=True
    )
    """Origin of the service, with or without a trailing slash or `/v1`; `POLLINATIONS_BASE_URL` in the environment
    where it is not given."""

    media_url: str | None = None
    """Address of the service's media host, which takes files and keeps results; by default media.pollinations.ai, and
    `{base_url}/media` where `base_url` is not the service's own."""

    timeout: float | tuple[float | None, float | None, float | None, float | None] | httpx.Timeout | None = 300.0
    """Seconds that the service may stay silent before or within an answer. Connecting may take 10 of them, waiting for
    one of our own connections to be free as long as it takes. A tuple is (connect, read, write, pool); None waits for
    ever."""

    max_retries: int = Field(default=2, ge=0)
    """Repeats after the first attempt; 0 turns them off. A stream that has begun is never begun again."""

    default_headers: Mapping[str, str] | None = Field(default=None, exclude=True, repr=False)
    """Headers for every request; they win over ours, whatever their case."""

    http_client: httpx.Client | Any = Field(default=None, exclude=True, repr=False)
    """Your own `httpx.Client`. It is never closed by us."""

    http_async_client: httpx.AsyncClient | Any = Field(default=None, exclude=True, repr=False)
    """Your own `httpx.AsyncClient`. It is never closed by us."""

    async_transport: Transport = "httpx"
    """What carries async calls. `aiohttp` needs the extra of that name and is faster with hundreds of calls at once."""

    _pool: Pool = PrivateAttr(default_factory=Pool)

    @model_validator(mode="before")
    @classmethod
    def _resolve_synonyms(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        given = dict(values)
        for name, field in cls._SYNONYMS.items():
            if name in given:
                value = given.pop(name)
                if field in given and given[field] != value:
                    raise ValueError(f"{name} and {field} are two names of one field: give one of them")
                given[field] = value
        return cls._handle_unknown(given)

    @classmethod
    def _handle_unknown(cls, given: dict[str, Any]) -> dict[str, Any]:
        unknown = given.keys() - cls.model_fields.keys()
        check_no_secret(unknown)
        if unknown:
            raise ValueError("; ".join(describe_unknown(name, cls.model_fields) for name in sorted(unknown)))
        return given

    @field_validator("timeout")
    @classmethod
    def _positive(cls, value: Any) -> Any:
        if isinstance(value, httpx.Timeout):  # as a tuple it can be written down, in a saved model for instance
            value = (value.connect, value.read, value.write, value.pool)
        limits = value if isinstance(value, tuple) else [value]
        if any(isinstance(limit, int | float) and limit <= 0 for limit in limits):
            raise ValueError("a time limit must be more than 0 seconds; None waits for ever")
        return value

    @field_validator("base_url")
    @classmethod
    def _origin(cls, value: str) -> str:
        parts = urlsplit(value.strip())
        path = parts.path.rstrip("/")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"base_url must be an origin such as {GEN}, with http:// or https://")
        if path not in ("", "/v1") or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(f"base_url must be a bare origin such as {GEN}: no path, query or user name")
        return f"{parts.scheme}://{parts.netloc}"

    @field_validator("media_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"media_url must be an address such as {MEDIA_HOST}, with http:// or https://")
        return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"

    @property
    def _media_host(self) -> str:
        return self.media_url or (MEDIA_HOST if self.base_url == GEN else f"{self.base_url}/media")

    @property
    def _client(self) -> Client:
        """Built anew for each call, so that a changed field counts at once; the pool beneath stays."""
        return Client(
            base_url=self.base_url,
            headers=self._headers(),
            timeout=self._timeout(),
            max_retries=self.max_retries,
            stream_chunk_timeout=getattr(self, "stream_chunk_timeout", None) or None,
            pool=self._pool,
            async_transport=self.async_transport,
            own_client=self.http_client,
            own_async_client=self.http_async_client,
        )

    def _timeout(self) -> httpx.Timeout:
        if self.timeout is None or isinstance(self.timeout, httpx.Timeout | tuple):
            return httpx.Timeout(self.timeout)
        return httpx.Timeout(self.timeout, connect=min(self.timeout, LONGEST_CONNECT), pool=None)

    def _headers(self) -> httpx.Headers:
        headers = httpx.Headers({"User-Agent": f"langchain-pollinations/{__version__}"})
        try:
            own = httpx.Headers(dict(self.default_headers or {}))
        except (UnicodeEncodeError, TypeError, AttributeError) as error:
            raise InvalidRequestError("default_headers must be a mapping from names to ASCII values") from error
        if "authorization" not in own and (key := self._key()):
            headers["Authorization"] = f"Bearer {key}"
        headers.update(own)
        return headers

    def _key(self) -> str:
        key = self.api_key.get_secret_value().strip() if self.api_key else ""
        if not key and self._KEY_REQUIRED:
            raise AuthenticationError(
                "No key: set POLLINATIONS_API_KEY or pass api_key=... (a pickle leaves it out)", fix_url=KEYS_PAGE
            )
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise AuthenticationError(
                "The api_key holds a character that no header can carry: copy it again", fix_url=KEYS_PAGE
            )
        return key

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """A copy with connections of its own; clients of yours are shared, since they cannot be copied."""
        memo = {} if memo is None else memo
        memo.update({id(client): client for client in (self.http_client, self.http_async_client)})
        return super().__deepcopy__(memo)

    def __getstate__(self) -> dict[Any, Any]:
        """Everything but the key, which is not written down: whoever unpickles takes it from the environment."""
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], "api_key": None}}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self.api_key = type(self).model_fields["api_key"].get_default(call_default_factory=True)

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        return {"api_key": "POLLINATIONS_API_KEY"}

    def close(self) -> None:
        """Close our connections of threads; the object stays usable and opens new ones when needed."""
        self._pool.close()

    async def aclose(self) -> None:
        """Close our connections of this event loop and of threads."""
        await self._pool.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()
