"""Sign-in with the device flow (RFC 8628): the user confirms in a browser, and the program receives an API key."""

from __future__ import annotations

import asyncio
import html
import sys
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, get_args

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from langchain_pollinations._account.grants import ENDINGS, Grant, flat_error, parse_token
from langchain_pollinations._config.keys import store_key, stored_key
from langchain_pollinations._config.service import ServiceConfig
from langchain_pollinations._media.progress import check_progress, is_notebook
from langchain_pollinations._safe_text import safe_text
from langchain_pollinations._transport.call_settings import merge_extra_headers
from langchain_pollinations._transport.client import Client
from langchain_pollinations._transport.concurrency import run_in_thread, sleep
from langchain_pollinations._transport.error_response import parse_json
from langchain_pollinations._transport.origins import is_requestable, parse_address, write_address
from langchain_pollinations._transport.request import ApiRequest
from langchain_pollinations._transport.retry import should_retry
from langchain_pollinations._validation import format_validation_error, invalid_request
from langchain_pollinations._warnings import warn
from langchain_pollinations.errors import (
    InvalidResponseError,
    PollinationsError,
    SignInExpiredError,
)

SIGN_IN_HOST = "https://enter.pollinations.ai"

KeyScope = Literal["profile", "usage", "keys", "machines"]
"""A permission of a key to access the account. Generation needs none."""

DEFAULT_INTERVAL = 5.0
"""Seconds between two polls if the service sends no interval, or 0 (RFC 8628, section 3.2)."""
SLOW_DOWN = 5.0
"""Seconds that each `slow_down` adds to the interval (RFC 8628, section 3.5)."""


@dataclass(frozen=True)
class SignIn:
    """A sign-in that waits for the confirmation of the user.

    >>> import webbrowser
    >>> def show(sign_in: SignIn) -> None:
    ...     print(f"Confirm {sign_in.user_code}")
    ...     webbrowser.open(sign_in.url)
    >>> key = login(show=show)
    Confirm ...
    """

    url: str
    """Page where the user confirms. It contains the code if the service supports this."""
    user_code: str
    """Code that the page shows or asks for."""
    verification_uri: str
    """Page without the code, for typing it on another device."""
    expires_in: float
    """Seconds in which the user must confirm."""

    def _repr_html_(self) -> str:
        """Return a link and the code for a notebook."""
        url, code = html.escape(self.url), html.escape(self.user_code)
        link = f'<a href="{url}" target="_blank" rel="noopener">{url}</a>'
        return f"<p>To sign in, open {link} and confirm the code <b><code>{code}</code></b>.</p>"

    def __str__(self) -> str:
        return f"To sign in, open {self.url} and confirm the code {self.user_code}"


Show = Callable[[SignIn], object]


def login(
    scopes: KeyScope | Iterable[KeyScope] = (),
    *,
    save: bool = False,
    client_id: str | None = None,
    sign_in_url: str | None = None,
    show: Show | None = None,
    **connection: Any,
) -> SecretStr:
    """Sign in to Pollinations.AI and return a new API key of the user.

        >>> import webbrowser
        >>> chat = ChatPollinations(api_key=login(show=lambda sign_in: webbrowser.open(sign_in.url)))

    A link is shown in a notebook, and otherwise written to stderr. The call waits until the user confirms it, declines
    it, or lets it expire (after 30 minutes). Ctrl-C ends the wait. The user chooses the budget and the expiry of the
    key on the page. The service proposes 5 pollen and 7 days. The key is never printed. If the service or the
    connection fails while the call waits, it asks again.

    Args:
        scopes: Account permissions of the key: `profile`, `usage`, `keys`, `machines`. Generation needs none.
        save: Store the key in the system's keyring, for `base_url`. It replaces an earlier key. Other objects use it if
            `POLLINATIONS_USE_KEYRING` is 1. This needs `pip install 'langchain-pollinations-ai[login]'`.
        client_id: App Key of your app, which the page names.
        sign_in_url: Origin of the sign-in host. The default is enter.pollinations.ai, or `base_url` if it is custom.
        show: Function that shows the `SignIn` to the user, instead of the link.
        connection: Connection fields, such as `base_url`, `timeout`, `total_timeout` (limits the whole sign-in) and
            `http_client`; also `extra_headers`. A key is not sent.

    Raises:
        SignInDeniedError: If the user declined.
        SignInExpiredError: If the user did not confirm in time.
        SignInError: If the sign-in host refused for another reason.
        InvalidRequestError: If an argument is invalid.
        AuthenticationError: If the keyring cannot be used.
        ModuleNotFoundError: If `save` is set and the package `keyring` is not installed.
    """
    host = _sign_in_host(scopes, save, client_id, sign_in_url, show, connection)
    if host.save:  # checked first, because the key could not be stored later
        stored_key(host._service_url)
    with host:
        client = host._client
        grant = _run(client, poll(host, client.send(code_request(host))))
    if host.save:
        store_key(host._service_url, grant.key)
    return _compared(grant, host.scopes)


async def alogin(
    scopes: KeyScope | Iterable[KeyScope] = (),
    *,
    save: bool = False,
    client_id: str | None = None,
    sign_in_url: str | None = None,
    show: Show | None = None,
    **connection: Any,
) -> SecretStr:
    """Asynchronous version of `login`. To end the wait, cancel the task.

    >>> import asyncio
    >>> import webbrowser
    >>> key = asyncio.run(alogin(show=lambda sign_in: webbrowser.open(sign_in.url)))
    """
    host = _sign_in_host(scopes, save, client_id, sign_in_url, show, connection)
    if host.save:
        await run_in_thread(stored_key, host._service_url)
    async with host:
        client = host._client
        grant = await _arun(client, poll(host, await client.asend(code_request(host))))
    if host.save:
        await run_in_thread(store_key, host._service_url, grant.key)
    return _compared(grant, host.scopes)


# --- Arguments --------------------------------------------------------------------------------------------------------


class SignInHost(ServiceConfig):
    """The sign-in host, the arguments of a sign-in, and its connection."""

    _KEY_REQUIRED: ClassVar[bool] = False

    scopes: tuple[str, ...] = ()
    save: bool = Field(default=False, strict=True)
    client_id: str | None = Field(default=None, min_length=1)
    sign_in_url: str | None = None
    show: Any = None

    @field_validator("scopes", mode="before")
    @classmethod
    def _known_scopes(cls, scopes: Any) -> Any:
        if not isinstance(scopes, str | Iterable | None):
            raise ValueError("must be a string or a list of strings")
        names = (scopes,) if isinstance(scopes, str) else tuple(scopes or ())
        if unknown := [name for name in names if name not in get_args(KeyScope)]:
            raise ValueError(f"{len(unknown)} unknown; allowed are {', '.join(get_args(KeyScope))}")
        return names

    @field_validator("sign_in_url")
    @classmethod
    def _origin(cls, value: str | None) -> str | None:
        return value and write_address(parse_address(value, "sign_in_url", SIGN_IN_HOST))

    @field_validator("show")
    @classmethod
    def _function(cls, show: Any) -> Any:
        if isinstance(show, bool) or not (show is None or callable(show)):
            raise ValueError("must be a function or None")
        check_progress(show, "show")
        return show

    @property
    def origin(self) -> str:
        return self.sign_in_url or (SIGN_IN_HOST if self._is_official else self._service_url)

    def _find_key(self) -> SecretStr | None:
        return None  # a sign-in sends no key


def _sign_in_host(scopes: Any, save: Any, client_id: Any, sign_in_url: Any, show: Any, connection: Any) -> SignInHost:
    own = {"scopes": scopes, "save": save, "client_id": client_id, "sign_in_url": sign_in_url, "show": show}
    try:
        return SignInHost(**merge_extra_headers(connection), **own)
    except ValidationError as error:
        raise invalid_request(error) from None


def show_sign_in(sign_in: SignIn) -> None:
    """Show the link: in a notebook as HTML, otherwise as a line on stderr."""
    if is_notebook():
        from IPython.display import display

        display(sign_in)  # type: ignore[no-untyped-call]
    elif sys.stderr is not None:
        print(sign_in, file=sys.stderr, flush=True)


# --- Device flow ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DeviceCode:
    """The code of a sign-in, which is exchanged for the key."""

    value: SecretStr
    interval: float
    sign_in: SignIn


Polling = Generator[ApiRequest[Any] | float, Any, Grant]
"""Polls for a key, without I/O. It yields requests, and receives their results or retryable errors. It also yields
seconds to wait."""


def poll(host: SignInHost, code: DeviceCode) -> Polling:
    """Show the code, and poll until the user confirms.

    Raises:
        SignInError: If the sign-in ends without a key.
    """
    interval, end = code.interval, time.monotonic() + code.sign_in.expires_in
    (host.show or show_sign_in)(code.sign_in)
    while True:
        left = end - time.monotonic()
        yield max(0.0, min(interval, left))
        answer = yield _token_request(host, code)
        if isinstance(answer, Grant):
            return answer
        if answer == "slow_down":
            interval += SLOW_DOWN
        if isinstance(answer, PollinationsError) and answer.retry_after:
            interval = max(interval, answer.retry_after)
        if time.monotonic() >= end:
            raise SignInExpiredError(ENDINGS["expired_token"][1], code="expired_token")


def code_request(host: SignInHost) -> ApiRequest[DeviceCode]:
    fields = {"client_id": host.client_id, "scope": " ".join(host.scopes)}
    return ApiRequest(
        "POST",
        "/api/device/code",
        _parse_code,
        {"data": {name: value for name, value in fields.items() if value}},
        origin=host.origin,
        send_credentials=False,
        to_error=flat_error,
    )


class _CodeBody(BaseModel):
    """The response that holds a code (RFC 8628, section 3.2)."""

    model_config = ConfigDict(defer_build=True, hide_input_in_errors=True)

    device_code: str = Field(min_length=1)
    user_code: str = Field(min_length=1)
    verification_uri: str
    verification_uri_complete: str | None = None
    expires_in: float = Field(ge=0, allow_inf_nan=False)
    interval: float = Field(default=DEFAULT_INTERVAL, ge=0, allow_inf_nan=False)

    @field_validator("verification_uri", "verification_uri_complete")
    @classmethod
    def _web_page(cls, text: str | None) -> str | None:
        """Accept only web pages, because a notebook shows the URL as a link."""
        try:
            is_page = text is None or is_requestable(httpx.URL(text))
        except httpx.InvalidURL:
            is_page = False
        if not is_page:
            raise ValueError("must be the URL of a web page")
        return text


def _parse_code(response: httpx.Response) -> DeviceCode:
    try:
        body = _CodeBody.model_validate(parse_json(response, "code for a sign-in"))
    except ValidationError as error:
        raise InvalidResponseError(
            f"The answer is no code for a sign-in: {format_validation_error(error)}",
            status_code=response.status_code,
            request_id=response.headers.get("x-request-id"),
        ) from None
    uri = safe_text(body.verification_uri)
    url = safe_text(body.verification_uri_complete or uri)
    sign_in = SignIn(url, safe_text(body.user_code), uri, body.expires_in)
    return DeviceCode(SecretStr(body.device_code), body.interval or DEFAULT_INTERVAL, sign_in)


def _token_request(host: SignInHost, code: DeviceCode) -> ApiRequest[Grant | str]:
    fields = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": code.value.get_secret_value(),
        "client_id": host.client_id,
    }
    return ApiRequest(
        "POST",
        "/api/oauth/token",
        parse_token,
        {"data": {name: value for name, value in fields.items() if value}},
        origin=host.origin,
        send_credentials=False,
        # The status of a response that continues the sign-in is not documented. `error` decides.
        is_success=lambda response: response.status_code < 500 and not response.has_redirect_location,
        to_error=flat_error,
    )


def _compared(grant: Grant, scopes: Iterable[str]) -> SecretStr:
    """Return the key, and warn about missing scopes. A saved key is kept even if the warning is raised as an error."""
    if grant.scopes is not None and (missing := [scope for scope in scopes if scope not in grant.scopes]):
        warn(f"The user did not grant the new key these scopes: {', '.join(missing)}")
    return grant.key


# --- Drivers ----------------------------------------------------------------------------------------------------------


def _run(client: Client, polling: Polling) -> Grant:
    client, answer = replace(client, max_retries=0), None  # a retry would be a poll before the interval has passed
    while True:
        try:
            step = polling.send(answer)
        except StopIteration as end:
            grant: Grant = end.value
            return grant
        answer = None
        if isinstance(step, float):
            sleep(_bounded(client, step))
            continue
        try:
            answer = client.send(step)
        except PollinationsError as error:
            answer = _retryable(client, error)


async def _arun(client: Client, polling: Polling) -> Grant:
    client, answer = replace(client, max_retries=0), None  # a retry would be a poll before the interval has passed
    while True:
        try:
            step = polling.send(answer)
        except StopIteration as end:
            grant: Grant = end.value
            return grant
        answer = None
        if isinstance(step, float):
            await asyncio.sleep(_bounded(client, step))
            continue
        try:
            answer = await client.asend(step)
        except PollinationsError as error:
            answer = _retryable(client, error)


def _bounded(client: Client, seconds: float) -> float:
    """Return the seconds to wait, at most until the deadline of the call."""
    return seconds if client.deadline is None else max(0.0, min(seconds, client.deadline.remaining()))


def _retryable(client: Client, error: PollinationsError) -> PollinationsError:
    """Return an error after which the next poll follows. Raise any other error.

    A wrong response is not retried, because it may come from a proxy that asks the user to sign in.
    """
    is_late = client.deadline is not None and client.deadline.remaining() <= 0
    if is_late or isinstance(error, InvalidResponseError) or not should_retry(error):
        raise error
    return error
