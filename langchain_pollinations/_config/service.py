"""The connection fields that all wrappers share: host, key, time limits and retries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from langchain_core.utils import from_env, secret_from_env
from pydantic import (
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from langchain_pollinations._config.client_cache import ClientCache
from langchain_pollinations._config.closable import Closable, new_pool
from langchain_pollinations._config.identity import user_agent
from langchain_pollinations._config.keys import KEY_VARIABLE, header_value, is_keyring_enabled, missing_key
from langchain_pollinations._config.rate_limits import ModelLimitFields
from langchain_pollinations._legacy.defaults import IMAGE_HOST, SCOPE, TEXT_HOST
from langchain_pollinations._media.progress import ShowProgress, check_progress
from langchain_pollinations._transport.call_settings import NO_SETTINGS, RequestSettings
from langchain_pollinations._transport.headers import check_headers, has_authorization, without_credentials
from langchain_pollinations._transport.timeouts import Deadline, Timeout, Transport, check_timeout, to_httpx_timeout
from langchain_pollinations._validation import (
    HiddenInput,
    OwnFields,
    PublicPickle,
    check_no_host,
    check_no_secret,
    own_class,
    suggest_name,
)
from langchain_pollinations.errors import KEYS_PAGE, AuthenticationError, InvalidRequestError

if TYPE_CHECKING:
    import httpx

    from langchain_pollinations._transport.client import Client
    from langchain_pollinations._transport.pool import ConnectionPool

    HttpClient: TypeAlias = httpx.Client | Any
    AsyncHttpClient: TypeAlias = httpx.AsyncClient | Any
else:  # the transport and httpx, a third of the import time, are imported with the first object
    HttpClient = AsyncHttpClient = ConnectionPool = Any

GEN_HOST = "https://gen.pollinations.ai"
MEDIA_HOST = "https://media.pollinations.ai"

_ORIGINS = {"base_url": GEN_HOST, "legacy_text_url": TEXT_HOST, "legacy_image_url": IMAGE_HOST}
"""Fields that hold an origin, with their defaults."""

_LEGACY_NAMES = frozenset(urlsplit(origin).netloc for origin in (TEXT_HOST, IMAGE_HOST))

_LEGACY_FIELDS = frozenset({"legacy_text_url", "legacy_image_url", "legacy_interval", "legacy_max_wait"})
"""Fields of `LegacyConfig`, which other classes do not have."""

_CALLBACKS = ("on_wait", "progress")
"""Fields that may hold a function."""

_BUILDING: ContextVar[bool] = ContextVar("_BUILDING", default=False)
"""True while an object is built only to validate an assignment. Assignments in its validators are then not checked."""


class ServiceConfig(HiddenInput, OwnFields, PublicPickle, Closable, ModelLimitFields):
    """Mixin with the connection fields. Wrappers send their requests with `_client`."""

    model_config = ConfigDict(
        # Validators are built when the first object is created. Building them takes a third of the import time.
        defer_build=True,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        # A key passed to the wrong argument must not appear in the text of an error.
        hide_input_in_errors=True,
    )

    _SYNONYMS: ClassVar[Mapping[str, str]] = {"pollinations_api_key": "api_key", "request_timeout": "timeout"}
    """Names of fields in other LangChain integrations, mapped to the fields of this class."""

    _KEY_REQUIRED: ClassVar[bool] = True
    """Whether a call without a key raises an error before it is sent. The model lists of the service need no key."""

    _LEGACY_SUPPORTED: ClassVar[bool] = False
    """Whether the legacy hosts, which need no key, support this kind of request. True in `LegacyConfig`."""

    # Excluded from `model_dump`, because LangGraph's checkpoints store a dump with secrets in plain text.
    api_key: SecretStr | None = Field(
        default_factory=secret_from_env(KEY_VARIABLE, default=None), exclude=True, repr=False
    )
    """API key. None, the default, reads `POLLINATIONS_API_KEY` from the environment. If the variable is set but empty,
    calls raise an error. If it is not set and `POLLINATIONS_USE_KEYRING` is 1, the first call reads the key that
    `login(save=True)` stored for `base_url` in the system's keyring. The key is sent only in the `Authorization`
    header. Pickles and dumps do not contain the key. `api="legacy"` works without a key."""

    api: Literal["auto", "gen", "legacy"] = "auto"
    """Generation of the service. `gen` is gen.pollinations.ai. `legacy` is the legacy hosts, text.pollinations.ai and
    image.pollinations.ai. They need no key, and support only chats, images and model lists. `auto` chooses `gen` if
    there is a key or a custom `base_url`, or if the legacy hosts do not support this class. Otherwise `auto` chooses
    `legacy` and issues a warning. A failed request is never sent to the other generation."""

    base_url: str | None = Field(
        default_factory=lambda: from_env("POLLINATIONS_BASE_URL", default=GEN_HOST)() or GEN_HOST, validate_default=True
    )
    """Origin of the service, with or without a trailing slash or `/v1`. None, the default, reads
    `POLLINATIONS_BASE_URL` from the environment. Without this variable the origin is gen.pollinations.ai."""

    media_url: str | None = None
    """URL of the media host, which accepts uploads and stores results. The default is media.pollinations.ai, or
    `{base_url}/media` if `base_url` is custom."""

    timeout: Timeout | None = 300.0
    """Maximum seconds without data from the service, before or within a response. Connecting may take at most 10 s. A
    tuple is (connect, read) or (connect, read, write, pool). None is the default; `httpx.Timeout(None)` is no limit.
    The wait for a free connection of the pool is limited only if all four limits are given.

    The reverse proxy of gen.pollinations.ai ends a request without data after about 180 s with status 524. The
    generation continues, and a retry of the request gets its result. A longer timeout therefore does not help. For long
    generations, raise `max_retries`."""

    total_timeout: float | None = Field(default=None, gt=0)
    """Maximum seconds of a call in total, including waits for rate limits, retries, headers and body. A call that
    takes longer raises a `RequestTimeoutError`. `timeout` limits only the time without data, so a server that
    sends single bytes could prolong a call without end. For a stream, the time that the caller spends between two
    chunks counts too. None is no limit."""

    max_response_bytes: int | None = Field(default=None, gt=0)
    """Maximum size of a response in bytes, after decoding. A larger response raises an `InvalidResponseError`. None is
    512 MiB for bodies in memory and streams, and 8 GiB for bodies that are written to a file while they arrive."""

    max_retries: int | None = Field(default=2, ge=0)
    """Maximum number of retries after the first attempt. 0 disables retries; None is the default. A stream that has
    begun is never retried. Up to 10 responses with status 429 do not count, if the call waits for the rate limits of
    models."""

    default_headers: Mapping[str, str] | None = Field(default=None, exclude=True, repr=False)
    """Headers of every request. They override the headers of this package and are not sent to the legacy hosts. Pickles
    do not contain headers whose names contain `auth`, `cookie`, `credential`, `key`, `passw`, `secret`, `session` or
    `token`. Pass them again to an unpickled object."""

    http_client: HttpClient = Field(default=None, exclude=True, repr=False)
    """An `httpx.Client` or `httpx2.Client` to send requests with. The package never closes it.

    The client is also used for requests to the legacy hosts, and to other origins that a response names (redirects and
    stored videos). These requests use the client's proxies, certificates and connections. They carry none of the
    client's headers, cookies and credentials, and the client's request hooks do not run for them. Headers that the
    client's transport adds are sent to every origin."""

    http_async_client: AsyncHttpClient = Field(default=None, exclude=True, repr=False)
    """Like `http_client`, for async calls: an `httpx.AsyncClient` or `httpx2.AsyncClient`."""

    async_transport: Transport = "httpx"
    """HTTP library for async calls. `aiohttp` needs the extra `langchain-pollinations-ai[aiohttp]` and is faster for
    hundreds of calls at once."""

    _pool: ConnectionPool = PrivateAttr(default_factory=new_pool)
    _cache: ClientCache = PrivateAttr(default_factory=ClientCache)

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
        if foreign := sorted(unknown & _LEGACY_FIELDS):
            says = f"the legacy hosts {SCOPE}; omit it, and get a key at {KEYS_PAGE}"
            raise ValueError(f"{', '.join(foreign)}: {says}")
        check_no_secret({name: given[name] for name in unknown})
        check_no_host(unknown)
        if unknown:
            raise ValueError("; ".join(suggest_name(name, cls.model_fields) for name in sorted(unknown)))
        return given

    @field_validator(
        *("api_key", "base_url", "timeout", "max_retries", "legacy_text_url", "legacy_image_url"),
        mode="before",
        check_fields=False,
    )
    @classmethod
    def _default_for_none(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None:
            return cls.model_fields[info.field_name or ""].get_default(call_default_factory=True)
        return value

    @field_validator("timeout", mode="before")
    @classmethod
    def _check_timeout(cls, value: Any) -> Any:
        return check_timeout(value)

    @field_validator("default_headers", mode="wrap")  # Pydantic's own validator would return a dict that shows values
    @classmethod
    def _check_headers(cls, value: Any, _: Any) -> Any:
        return None if value is None else check_headers(value, "default_headers")

    @field_validator("http_client", "http_async_client")
    @classmethod
    def _check_client(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None:
            from langchain_pollinations._transport.httpx2 import check_client

            check_client(value, info.field_name or "")
        return value

    @field_validator(*_CALLBACKS, check_fields=False)
    @classmethod
    def _check_callback(cls, value: ShowProgress, info: ValidationInfo) -> ShowProgress:
        check_progress(value, info.field_name or "")
        return value

    @field_validator(*_ORIGINS, check_fields=False)
    @classmethod
    def _check_origin(cls, value: str, info: ValidationInfo) -> str:
        name = info.field_name or ""
        if value == _ORIGINS[name]:
            return value
        from langchain_pollinations._transport.origins import parse_address, plain_host, write_address

        if (host := plain_host(value)) and host.rstrip(".") not in _LEGACY_NAMES:
            return value
        url = parse_address(value, name, _ORIGINS[name])
        if name == "base_url" and url.host.rstrip(".") in _LEGACY_NAMES:
            raise ValueError(f"base_url: {url.host} is one of the legacy hosts; use api='legacy' instead")
        if url.path.rstrip("/") not in ("", "/v1"):
            raise ValueError(f"{name} must be a bare origin such as {_ORIGINS[name]}: no path")
        return write_address(url)

    @model_validator(mode="after")
    def _check_api(self) -> Self:
        if self.api == "legacy" and not self._LEGACY_SUPPORTED:
            raise ValueError(f"api: the legacy hosts {SCOPE}; omit it, and get a key at {KEYS_PAGE}")
        return self

    @field_validator("media_url")
    @classmethod
    def _check_media_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        from langchain_pollinations._transport.origins import parse_address, write_address

        url = parse_address(value, "media_url", MEDIA_HOST)
        return write_address(url, url.raw_path.decode("ascii").rstrip("/"))

    @property
    def _service_url(self) -> str:
        return self.base_url or GEN_HOST

    @property
    def _is_official(self) -> bool:
        """Whether `base_url` is gen.pollinations.ai. `base_url` and `GEN_HOST` are normalized in the same way."""
        return self._service_url == GEN_HOST

    @property
    def _media_host(self) -> str:
        return self.media_url or (MEDIA_HOST if self._is_official else f"{self._service_url}/media")

    @property
    def _uses_legacy(self) -> bool:
        """Whether calls go to the legacy hosts."""
        return False

    @property
    def _is_queued(self) -> bool:
        """Whether calls wait for one another."""
        return False

    def __setattr__(self, name: str, value: Any) -> None:
        """Validate the assignment as the constructor would. Fields that LangChain defines are left to LangChain."""
        if not name.startswith("_") and not _BUILDING.get() and name in self._OWN_FIELDS:
            value = self._validated({name: value})[name]
        super().__setattr__(name, value)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy. The values of `update` are validated as in the constructor."""
        # pydantic's deep copy with `update` would copy the clients, which `__deepcopy__` shares.
        original = self.__deepcopy__() if deep else self
        return super(ServiceConfig, original).model_copy(update=self._validated(update) if update else None)

    def _validated(self, update: Mapping[str, Any]) -> dict[str, Any]:
        """Validate changed fields together with the other fields. Return them as the constructor would store them.

        Raises:
            InvalidRequestError: If a field does not exist.
            pydantic.ValidationError: If a value is invalid, alone or in combination with the other fields.
        """
        changed = {self._SYNONYMS.get(name, name): value for name, value in update.items()}
        if unknown := sorted(changed.keys() - type(self).model_fields.keys()):
            known = type(self).model_fields
            says = "; ".join(suggest_name(name, known) for name in unknown)
            raise InvalidRequestError(says, param=unknown[0] if len(unknown) == 1 else None)
        kind = own_class(type(self))
        given = self.model_fields_set & self.__dict__.keys()
        current = {name: self.__dict__[name] for name in given & kind.model_fields.keys()}
        checked = changed.keys() & kind.model_fields.keys()
        token = _BUILDING.set(True)
        try:
            built = kind.model_validate({**current, **{name: changed[name] for name in checked}})
        finally:
            _BUILDING.reset(token)
        return changed | {name: getattr(built, name) for name in checked}

    @property
    def _client(self) -> Client:
        return self._client_with(NO_SETTINGS)

    def _client_with(self, settings: RequestSettings) -> Client:
        """Return the client for one call. All clients share the connection pool."""
        return self._cached(settings, False, lambda: self._build_client(settings, self._headers(settings.headers)))

    def _cached(self, settings: RequestSettings, uses_legacy: bool, build: Callable[[], Client]) -> Client:
        """Return the client of the last call, unless a field that it depends on has changed since."""
        if settings is not NO_SETTINGS or self.total_timeout is not None:  # a deadline begins with the call
            return build()
        return self._cache.get(self, uses_legacy, build)

    def _build_client(self, settings: RequestSettings, headers: Mapping[str, str]) -> Client:
        from langchain_pollinations._transport.client import Client
        from langchain_pollinations._transport.httpx2 import to_httpx

        timeout = to_httpx_timeout(self.timeout if settings.timeout is None else settings.timeout)
        return Client(
            base_url=self._service_url,
            headers=headers,
            timeout=timeout,
            max_retries=self.max_retries or 0,
            stream_chunk_timeout=self._stream_limit(timeout.read),
            max_response_bytes=self.max_response_bytes,
            deadline=None if self.total_timeout is None else Deadline(self.total_timeout),
            pool=self._pool,
            async_transport=self.async_transport,
            limits=self._model_limits(self._service_url, headers),
            rate_limiter=self._caller_limiter,
            custom_client=to_httpx(self.http_client),
            custom_async_client=to_httpx(self.http_async_client),
        )

    def _stream_limit(self, read: float | None) -> float | None:
        """Return the maximum seconds between two events of a stream. A shorter `timeout` applies instead, unless the
        caller set `stream_chunk_timeout`."""
        limit: float | None = getattr(self, "stream_chunk_timeout", None) or None
        if limit is None or read is None or "stream_chunk_timeout" in self.model_fields_set:
            return limit
        return min(limit, read)

    def _headers(self, extra: Mapping[str, str]) -> httpx.Headers:
        headers = user_agent()
        try:
            own = check_headers(self.default_headers or {}, "default_headers")  # the caller may change it in place
        except ValueError as error:
            raise InvalidRequestError(str(error), param="default_headers") from None
        if not has_authorization(own) and (key := self._key()):
            headers["Authorization"] = f"Bearer {key}"
        headers.update(own)
        headers.update(extra)
        return headers

    def _key(self) -> str:
        key = header_value(self._find_key())
        if not key and self._KEY_REQUIRED:
            says = missing_key(
                *(self.api_key, self._service_url),
                is_unpickled=self._pool.is_unpickled,
                legacy_supported=self._LEGACY_SUPPORTED,
            )
            raise AuthenticationError(f"No key: {says}", fix_url=KEYS_PAGE)
        return key

    def _find_key(self) -> SecretStr | None:
        """Return `api_key`, or the key of the keyring if `api_key` is None and `POLLINATIONS_USE_KEYRING` is 1."""
        if self.api_key is not None or not is_keyring_enabled():
            return self.api_key
        return self._cache.stored_key(self._service_url)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a copy with new connections. The user's clients and rate limiter are shared."""
        memo = {} if memo is None else memo
        shared = (self.http_client, self.http_async_client, self._caller_limiter)
        memo.update({id(each): each for each in shared})
        return super().__deepcopy__(memo)

    def __getstate__(self) -> dict[Any, Any]:
        """Return the state without the key and other credentials. An unpickled object reads its key from the
        environment. Callbacks are left out too, because they belong to this process."""
        state = super().__getstate__()
        settled = self._settled()
        fields = {
            **state["__dict__"],
            "api_key": None,
            "default_headers": without_credentials(self.default_headers),
            **{name: None for name in _CALLBACKS if callable(state["__dict__"].get(name))},
            **settled,
        }
        fields_set = {*state["__pydantic_fields_set__"], *settled}
        return {**state, "__dict__": fields, "__pydantic_fields_set__": fields_set}

    def _settled(self) -> dict[str, str]:
        """Return the fields whose values in a pickle or a dump differ from those of this object."""
        return {}

    @field_serializer("api")
    def _write_api(self, api: str) -> str:
        return self._settled().get("api", api)

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """Fields that LangChain's `dumps` writes with other values."""
        return self._settled()

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self.__dict__["api_key"] = type(self).model_fields["api_key"].get_default(call_default_factory=True)
        self._pool.is_unpickled = True

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return True: LangChain's `dumps` can write the object."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """The environment variable of each secret field, which LangChain's `dumps` writes instead of the value."""
        return {"api_key": "POLLINATIONS_API_KEY"}
