"""Sign-in of a user (OAuth 2.1). It gives an app an API key of the user. There are two flows.

In the device flow (RFC 8628), an app polls with a device code until the user has approved its user code. In the code
flow with PKCE, the user returns to the app with a code, which the app exchanges for an API key.
"""

from __future__ import annotations

import base64
import re
import secrets
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from urllib.parse import urlsplit

from langchain_pollinations.emulator.service import accounts, api_keys
from langchain_pollinations.emulator.service.accounts import Account
from langchain_pollinations.emulator.service.bounded_memory import BoundedStore
from langchain_pollinations.emulator.service.error_responses import OAuthRefusal

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
CODE_GRANT = "authorization_code"
MAX_BUDGET = Decimal(sys.float_info.max)  # as in the JSON of the routes for API keys
DEVICE_INTERVAL = 5.0  # seconds between two polls
DEVICE_LIFETIME = 1800.0  # seconds
CODE_LIFETIME = 600.0  # seconds
MAX_LIFETIME = timedelta(days=36500)
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # without vowels, so that a code is not a word
DIGITS = "0123456789"
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True)
class Consent:
    """The limits of an API key that a user allows. None means no limit.

    Attributes:
        scopes: Account scopes of the API key.
        budget: Budget in Pollen.
        lifetime: Lifetime of the API key.
        models: Categories of the models that the API key may use.
    """

    scopes: tuple[str, ...] = ()
    budget: Decimal | None = Decimal(5)
    lifetime: timedelta | None = timedelta(days=7)
    models: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.budget is not None and not (self.budget.is_finite() and self.budget >= 0):
            raise ValueError(f"The budget must be a number of at least 0, not {self.budget}")
        if self.budget is not None and self.budget > MAX_BUDGET:
            raise ValueError(f"The budget must be at most {MAX_BUDGET:.0e}, not {self.budget}")
        if self.lifetime is not None and not timedelta() < self.lifetime <= MAX_LIFETIME:
            raise ValueError(f"The lifetime must be more than 0 and at most {MAX_LIFETIME.days} days")

    def issue(self, keys: dict[str, Account], app_key: str) -> str:
        """Create an API key with these limits for the user of the first API key, and return it."""
        account: Account = {"name": "Sign-in", "scopes": list(self.scopes), "budget": self.budget}
        if self.lifetime is not None:
            account["expires"] = api_keys.in_seconds(self.lifetime.total_seconds())
        if self.models is not None:
            account["models"] = list(self.models)
        if app_key:
            account["app_key"] = app_key
        first = next(iter(keys.values()), None)
        user = {"balance": accounts.DEFAULT_BALANCE} if first is None else accounts.owner(first)
        return api_keys.issue(keys, user, account)


@dataclass
class DeviceRequest:
    """A sign-in request of the device flow."""

    client_id: str
    scopes: tuple[str, ...]
    interval: float  # seconds
    expires: float  # seconds of `time.monotonic`
    device_code: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    user_code: str = field(default_factory=lambda: new_user_code())
    status: str = "pending"  # then "approved" or "denied", and "used" once the app has received the API key
    key: str = field(default="", repr=False)
    polled: float | None = None  # seconds of `time.monotonic`

    @property
    def is_expired(self) -> bool:
        return time.monotonic() >= self.expires


@dataclass(frozen=True)
class AuthorizationCode:
    """A code of the code flow. The app exchanges it for an API key once."""

    client_id: str
    redirect_uri: str
    challenge: str
    consent: Consent
    expires: float  # seconds of `time.monotonic`
    code: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    def accepts(self, client_id: str, redirect_uri: str, verifier: str) -> bool:
        digest = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        matches = (client_id, redirect_uri, digest) == (self.client_id, self.redirect_uri, self.challenge)
        return matches and time.monotonic() < self.expires


def new_user_code() -> str:
    letters = "".join(secrets.choice(LETTERS) for _ in range(4))
    return f"{letters}-{''.join(secrets.choice(DIGITS) for _ in range(4))}"


def scopes_of(text: str) -> tuple[str, ...]:
    """Parse a list of scopes. They are separated by spaces or commas.

    Raises:
        OAuthRefusal: If a scope is unknown.
    """
    scopes = tuple(dict.fromkeys(text.replace(",", " ").split()))
    for scope in scopes:
        if scope not in accounts.SCOPES:
            raise OAuthRefusal("invalid_scope", f"Unknown scope '{scope}'. Scopes: {', '.join(accounts.SCOPES)}")
    return scopes


def is_registered(address: str, registered: Iterable[str]) -> bool:
    """Whether an app has registered an address. Addresses at `http://localhost` may differ in their ports."""
    try:
        return _without_local_port(address) in {_without_local_port(each) for each in registered}
    except ValueError:  # not a URL, for example unbalanced brackets
        return False


def _without_local_port(address: str) -> str:
    parts = urlsplit(address)
    local = parts.scheme == "http" and parts.hostname == "localhost" and "@" not in parts.netloc
    return parts._replace(netloc="localhost").geturl() if local else address


class SignIns:
    """The sign-in requests of an emulator."""

    def __init__(self) -> None:
        self._devices: BoundedStore[DeviceRequest] = BoundedStore()
        self._codes: BoundedStore[AuthorizationCode] = BoundedStore()

    def clear(self) -> None:
        self._devices.clear()
        self._codes.clear()

    # Device flow.

    def start(self, client_id: str, scopes: tuple[str, ...], interval: float, lifetime: float) -> DeviceRequest:
        request = DeviceRequest(client_id, scopes, interval, time.monotonic() + lifetime)
        self._devices.put(request.device_code, request, 0)
        return request

    def pending(self, user_code: str) -> DeviceRequest | None:
        """Return the request with a user code. Return None if it is unknown, expired, approved or denied.

        The case of letters, spaces and hyphens are ignored.
        """
        wanted = re.sub(r"[\s-]", "", user_code).upper()
        for request in self._devices.all():
            if request.user_code.replace("-", "") == wanted and request.status == "pending":
                return None if request.is_expired else request
        return None

    def decide(self, request: DeviceRequest, keys: dict[str, Account], consent: Consent | None) -> str:
        """Approve a request and return the new API key. Without a consent, deny the request."""
        if consent is None:
            request.status = "denied"
        else:
            request.key = consent.issue(keys, request.client_id)
            request.status = "approved"
        return request.key

    def poll(self, device_code: str, client_id: str) -> str:
        """Return the API key for a device code.

        Raises:
            OAuthRefusal: If there is no API key yet, or if there will never be one.
        """
        request = self._devices.find(device_code)
        if request is None or request.status == "used" or client_id not in ("", request.client_id):
            raise OAuthRefusal("invalid_grant", "The device code is unknown or already used")
        if request.status == "denied":
            raise OAuthRefusal("access_denied", "The user denied the request")
        if request.is_expired:
            raise OAuthRefusal("expired_token", "The device code has expired")
        if request.status == "approved":
            request.status = "used"
            return request.key
        moment, before = time.monotonic(), request.polled
        request.polled = moment
        if before is not None and moment - before < request.interval:
            raise OAuthRefusal("slow_down", "Wait 5 seconds longer between two polls")
        raise OAuthRefusal("authorization_pending", "The user has not decided yet")

    # Code flow.

    def grant(self, client_id: str, redirect_uri: str, challenge: str, consent: Consent, lifetime: float) -> str:
        """Return a new code."""
        found = AuthorizationCode(client_id, redirect_uri, challenge, consent, time.monotonic() + lifetime)
        self._codes.put(found.code, found, 0)
        return found.code

    def exchange(self, code: str, client_id: str, redirect_uri: str, verifier: str) -> Consent:
        """Return the consent for a code. The code is removed, also after a failure.

        Raises:
            OAuthRefusal: If the code is unknown, used or expired, or belongs to another request.
        """
        found = self._codes.take(code)
        if found is None or not found.accepts(client_id, redirect_uri, verifier):
            raise OAuthRefusal("invalid_grant", "The code is unknown, used or expired, or belongs to another request")
        return found.consent
