"""The fields that every wrapper shares: which service, with which key, how patiently."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

import httpx
from langchain_core.utils import from_env, secret_from_env
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from langchain_pollinations import _legacy
from langchain_pollinations._http import Client, Pool, Transport
from langchain_pollinations._options import check_no_secret, describe_unknown
from langchain_pollinations._pace import Turn
from langchain_pollinations._progress import Show, check_tells
from langchain_pollinations._text_routes import Route
from langchain_pollinations.errors import KEYS_PAGE, AuthenticationError, InvalidRequestError

__version__ = version("langchain-pollinations-ai")

GEN = "https://gen.pollinations.ai"
MEDIA_HOST = "https://media.pollinations.ai"
LONGEST_CONNECT = 10.0


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

    _OLDER: ClassVar[bool] = False
    """Whether the older hosts, which need no key, do the like."""

    api_key: SecretStr | None = Field(default_factory=secret_from_env("POLLINATIONS_API_KEY", default=None), repr=False)
    """Key of the service; `POLLINATIONS_API_KEY` in the environment where it is not given. Travels only in the
    `Authorization` header."""

    api: Literal["auto", "gen", "legacy"] = "auto"
    """Which generation of the service: `gen` is gen.pollinations.ai, `legacy` the older hosts, text.pollinations.ai and
    image.pollinations.ai, which need no key. `auto` is `gen` where there is a key (or a `base_url` of yours), else
    `legacy`, with a warning. A failure never changes the host."""

    base_url: str = Field(
        default_factory=lambda: from_env("POLLINATIONS_BASE_URL", default=GEN)() or GEN, validate_default=True
    )
    """Origin of the service, with or without a trailing slash or `/v1`; `POLLINATIONS_BASE_URL` in the environment
    where it is not given."""

    media_url: str | None = None
    """Address of the service's media host, which takes files and keeps results; by default media.pollinations.ai, and
    `{base_url}/media` where `base_url` is not the service's own."""

    legacy_text_url: str = Field(
        default_factory=lambda: from_env("POLLINATIONS_LEGACY_TEXT_URL", default=_legacy.TEXT)() or _legacy.TEXT,
        validate_default=True,
    )
    """Origin of the older text host; `POLLINATIONS_LEGACY_TEXT_URL` in the environment where it is not given."""

    legacy_image_url: str = Field(
        default_factory=lambda: from_env("POLLINATIONS_LEGACY_IMAGE_URL", default=_legacy.IMAGE)() or _legacy.IMAGE,
        validate_default=True,
    )
    """Origin of the older image host; `POLLINATIONS_LEGACY_IMAGE_URL` in the environment where it is not given."""

    pace: float = Field(default=_legacy.PACE, ge=0, allow_inf_nan=False)
    """Seconds between two requests to the older hosts, which take one in 30 s from an address, one after the other. All
    models and tools of the process wait in one line, first come, first served; 0 does not wait. Until then `batch` asks
    one after another."""

    max_wait: float | None = Field(default=None, ge=0)
    """Seconds that a call may wait in that line before each of its attempts. Where it would be longer, it is a
    `RateLimitError` at once; where a repeat would wait longer, the error that it should mend. None waits as long as it
    takes."""

    progress: Show = Field(default=None, exclude=True, repr=False)
    """What is seen of a wait: a note in a terminal or a notebook (None), a note in any case (True), nothing (False), or
    a function, not an async one, that is called with a `Progress`."""

    timeout: float | tuple[float | None, float | None, float | None, float | None] | httpx.Timeout | None = 300.0
    """Seconds that the service may stay silent before or within an answer. Connecting may take 10 of them, waiting for
    one of our own connections to be free as long as it takes. A tuple is (connect, read, write, pool); None waits for
    ever. The edge of gen.pollinations.ai ends a silent request after about 180 s with status 524; the generation goes
    on, and a retry joins it. So a longer limit gains nothing for one request: for long generations, raise
    `max_retries`."""

    max_response_bytes: int | None = Field(default=None, gt=0)
    """Bytes that a response may have after decoding. A larger one is an `InvalidResponseError`. None is 512 MiB for
    what is kept in memory, streams included, and 8 GiB for what is saved to a file while it comes."""

    max_retries: int = Field(default=2, ge=0)
    """Repeats after the first attempt; 0 turns them off. A stream that has begun is never begun again."""

    default_headers: Mapping[str, str] | None = Field(default=None, exclude=True, repr=False)
    """Headers for every request; they win over ours, whatever their case. The older hosts get none of them."""

    http_client: httpx.Client | Any = Field(default=None, exclude=True, repr=False)
    """Your own `httpx.Client`. It is never closed by us."""

    http_async_client: httpx.AsyncClient | Any = Field(default=None, exclude=True, repr=False)
    """Your own `httpx.AsyncClient`. It is never closed by us."""

    async_transport: Transport = "httpx"
    """What carries async calls. `aiohttp` needs the extra of that name and is faster with hundreds of calls at once."""

    _pool: Pool = PrivateAttr(default_factory=Pool)
    _warned: bool = PrivateAttr(default=False)

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

    @field_validator("progress")
    @classmethod
    def _check_progress(cls, value: Show) -> Show:
        check_tells(value)
        return value

    @field_validator("base_url", "legacy_text_url", "legacy_image_url")
    @classmethod
    def _origin(cls, value: str, info: ValidationInfo) -> str:
        name, such_as = info.field_name, _ORIGINS[info.field_name or ""]
        parts = urlsplit(value.strip())
        path = parts.path.rstrip("/")
        if name == "base_url" and parts.hostname in _OLDER_NAMES:
            raise ValueError(f"base_url: {parts.hostname} is one of the older hosts; say api='legacy' instead")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{name} must be an origin such as {such_as}, with http:// or https://")
        if path not in ("", "/v1") or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(f"{name} must be a bare origin such as {such_as}: no path, query or user name")
        return f"{parts.scheme}://{parts.netloc}"

    @model_validator(mode="after")
    def _check_api(self) -> Self:
        if self.api == "legacy" and not self._OLDER:
            raise ValueError(f"api: the older hosts {_legacy.SCOPE}; leave it out, and get a key at {KEYS_PAGE}")
        return self

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
    def _is_older(self) -> bool:
        """Whether calls go to the older hosts. With a `base_url` of yours they go there, key or not."""
        if self.api != "auto":
            return self.api == "legacy"
        needs_key = self._OLDER and self._KEY_REQUIRED and self.base_url == GEN
        return needs_key and self.api_key is None and not self._brings_key()

    @property
    def _stands_in_line(self) -> bool:
        return self._is_older and self.pace > 0

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, _hidden(value) if name == "api_key" else value)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        if update and "api_key" in update:
            update = {**update, "api_key": _hidden(update["api_key"])}
        return super().model_copy(update=update, deep=deep)

    def _brings_key(self) -> bool:
        return any(name.lower() == "authorization" for name in self.default_headers or ())

    @property
    def _client(self) -> Client:
        """Built anew for each call, so that a changed field counts at once; the pool beneath stays."""
        client = Client(
            base_url=self.base_url,
            headers={} if self._is_older else self._headers(),
            timeout=self._timeout(),
            max_retries=self.max_retries,
            stream_chunk_timeout=self._stream_limit(),
            max_response_bytes=self.max_response_bytes,
            pool=self._pool,
            async_transport=self.async_transport,
            own_client=self.http_client,
            own_async_client=self.http_async_client,
        )
        return self._for_older(client) if self._is_older else client

    def _for_older(self, client: Client) -> Client:
        """The client with nothing that tells who asks; at none of the hosts it is at home."""
        if self.api == "auto" and not self._warned:
            self._warned = True
            warnings.warn(_NO_KEY, UserWarning, stacklevel=1)  # one place, so that Python shows it once
        return replace(client, base_url="", headers=_user_agent(), translate=self._older_hosts().translate)

    def _older_hosts(self, route: Route = "chat") -> _legacy.Hosts:
        turn = Turn(self.pace, self.max_wait, self.progress)
        return _legacy.Hosts(self.legacy_text_url, self.legacy_image_url, turn, route)

    def _timeout(self) -> httpx.Timeout:
        if self.timeout is None or isinstance(self.timeout, httpx.Timeout | tuple):
            return httpx.Timeout(self.timeout)
        return httpx.Timeout(self.timeout, connect=min(self.timeout, LONGEST_CONNECT), pool=None)

    def _stream_limit(self) -> float | None:
        """Seconds between two events of a stream. A shorter `timeout` bounds them too, unless the caller says how long
        a stream may be silent."""
        limit: float | None = getattr(self, "stream_chunk_timeout", None) or None
        read = self._timeout().read
        if limit is None or read is None or "stream_chunk_timeout" in self.model_fields_set:
            return limit
        return min(limit, read)

    def _headers(self) -> httpx.Headers:
        headers = _user_agent()
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
            told = "No key: set POLLINATIONS_API_KEY or pass api_key=... (a pickle leaves it out)"
            told += "; the older hosts, which need none, "
            told += "are asked with api='legacy'" if self._OLDER else _legacy.SCOPE
            raise AuthenticationError(told, fix_url=KEYS_PAGE)
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
        """Everything but the key, which is not written down: whoever unpickles takes it from the environment. Neither
        is a function that is told of progress, which belongs to this process."""
        state = super().__getstate__()
        told = {"progress": None} if callable(self.progress) else {}
        settled = self._settled()
        fields_set = {*state["__pydantic_fields_set__"], *settled}
        kept = {**state["__dict__"], "api_key": None, **told, **settled}
        return {**state, "__dict__": kept, "__pydantic_fields_set__": fields_set}

    def _settled(self) -> dict[str, Any]:
        """The host, where it hangs on a key that is not written down: a reader without one must not ask another."""
        hangs = self.api == "auto" and self._OLDER and self.base_url == GEN and not self._is_older
        return {"api": "gen"} if hangs else {}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        return self._settled()

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


_ORIGINS = {"base_url": GEN, "legacy_text_url": _legacy.TEXT, "legacy_image_url": _legacy.IMAGE}
_OLDER_NAMES = frozenset(urlsplit(origin).hostname for origin in (_legacy.TEXT, _legacy.IMAGE))
_NO_KEY = (
    "No key: asking the older hosts, text.pollinations.ai and image.pollinations.ai, which have one model each and "
    f"take one request in {_legacy.PACE:.0f} s. A key from {KEYS_PAGE} in POLLINATIONS_API_KEY or api_key opens "
    "all models; api='legacy' says that the older hosts are meant"
)


def _hidden(key: Any) -> Any:
    """A key as the constructor keeps it."""
    return SecretStr(key) if isinstance(key, str) else key


def _user_agent() -> httpx.Headers:
    return httpx.Headers({"User-Agent": f"langchain-pollinations/{__version__}"})
