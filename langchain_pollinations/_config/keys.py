"""The API key: its environment variable, its entry in the keyring of the system, and errors for a missing key."""

from __future__ import annotations

import os
from types import ModuleType

from pydantic import SecretStr

from langchain_pollinations._legacy.defaults import SCOPE
from langchain_pollinations._safe_text import safe_text
from langchain_pollinations._transport.origins import is_local, origin_of
from langchain_pollinations.errors import KEYS_PAGE, AuthenticationError, InvalidRequestError

KEY_VARIABLE = "POLLINATIONS_API_KEY"
KEYRING_VARIABLE = "POLLINATIONS_USE_KEYRING"

KEYRING_SERVICE = "langchain-pollinations"
"""Service name of the entries in the keyring. The user name of an entry is the `base_url` that its key is for."""

_SWITCH = {"1": True, "true": True, "yes": True, "": False, "0": False, "false": False, "no": False}


def is_keyring_enabled() -> bool:
    """Whether the environment variable `POLLINATIONS_USE_KEYRING` allows reading the keyring.

    Raises:
        InvalidRequestError: If the variable has another value than 0 or 1.
    """
    enabled = _SWITCH.get(os.environ.get(KEYRING_VARIABLE, "").strip().lower())
    if enabled is None:
        raise InvalidRequestError(f"{KEYRING_VARIABLE} must be 1 (read the keyring) or 0", param=KEYRING_VARIABLE)
    return enabled


def stored_key(origin: str) -> SecretStr | None:
    """Return the key that the keyring holds for a `base_url`, or None.

    Raises:
        AuthenticationError: If the keyring cannot be read.
        ModuleNotFoundError: If the package `keyring` is not installed.
    """
    keyring = _import_keyring()
    try:
        found = keyring.get_password(KEYRING_SERVICE, origin)
    except Exception as error:  # a keyring of the system raises its own errors too, such as OSError
        raise AuthenticationError(f"The keyring cannot be read: {_reason(error)}") from None
    return SecretStr(found) if found else None


def store_key(origin: str, key: SecretStr) -> None:
    """Store the key for a `base_url` in the keyring. It replaces an earlier key.

    Raises:
        AuthenticationError: If the keyring cannot be written.
        ModuleNotFoundError: If the package `keyring` is not installed.
    """
    keyring = _import_keyring()
    try:
        keyring.set_password(KEYRING_SERVICE, origin, key.get_secret_value())
    except Exception as error:
        says = f"The keyring cannot store the key: {_reason(error, key)}"
        raise AuthenticationError(says) from None


def _import_keyring() -> ModuleType:
    try:
        import keyring  # a slow import, which searches for the keyring of the system
    except ModuleNotFoundError as error:
        needed = "The keyring of the system needs an extra: pip install 'langchain-pollinations-ai[login]'"
        raise ModuleNotFoundError(f"{needed} ({error})", name=error.name) from error
    return keyring


def _reason(error: Exception, *secrets: SecretStr) -> str:
    says = safe_text(str(error), 200, secrets=[secret.get_secret_value() for secret in secrets])
    return f"{type(error).__name__}: {says}" if says else type(error).__name__


def header_value(key: SecretStr | None) -> str:
    """Return the key for a header; empty if there is none.

    Raises:
        AuthenticationError: If the key holds a character that no header can carry.
    """
    text = key.get_secret_value().strip() if key else ""
    is_wrong = not (text.isascii() and text.isprintable()) or " " in text
    if is_wrong:
        del text, key  # tracebacks may show the local variables of this frame
        raise AuthenticationError(
            "The api_key holds a character that no header can carry: copy it again", fix_url=KEYS_PAGE
        )
    return text


def missing_key(api_key: SecretStr | None, origin: str, *, is_unpickled: bool, legacy_supported: bool) -> str:
    """Return why there is no key, and how to set one.

    Args:
        api_key: The field of the object; None if neither an argument nor the environment gave a key.
        origin: The `base_url` of the object.
        is_unpickled: Whether the object was unpickled.
        legacy_supported: Whether the legacy hosts, which need no key, support this kind of request.
    """
    if api_key is not None:
        is_variable = KEY_VARIABLE in os.environ and not os.environ[KEY_VARIABLE].strip()
        why = f"{KEY_VARIABLE} is set but empty" if is_variable else "api_key is given but empty"
        says = f"{why}; put a key into {KEY_VARIABLE} or pass api_key=..."
    else:
        says = f"set {KEY_VARIABLE} or pass api_key=..."
        if is_keyring_enabled():
            says += f" (the keyring holds no key for {origin}; login(save=True) stores one)"
        if is_unpickled:
            says += " (this object was unpickled, and a pickle holds no key)"
        if is_local(origin_of(origin)[1]):
            says += f" (if {origin} is the emulator, its key is sk_emulator)"
    return f"{says}; the legacy hosts {_NEED_NO_KEY if legacy_supported else SCOPE}"


_NEED_NO_KEY = "need no key: api='legacy'"
