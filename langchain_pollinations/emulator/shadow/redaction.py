"""Removes secrets from recorded exchanges."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

REMOVED = "[removed]"
# Characters of a secret that is removed wherever it occurs. A shorter text would also remove ordinary words.
MIN_KEY, MIN_WORD = 4, 8

SECRET_HEADER = re.compile(r"auth|cookie|key|token|secret|signature|session|credential|payment", re.IGNORECASE)
PUBLIC_HEADERS = ("x-usage-", "x-cache-")  # prefixes of headers that are recorded although their names match
SECRET_FIELD = re.compile(
    r"(.*[_-])?(token|secret|password|signature|api[_-]?key)|key|authorization|cookie|(device|user)_code|code_verifier|"
    r"code_challenge|sig|email|accessToken|apiKey",
    re.IGNORECASE,
)
OAUTH_CODE = "code"  # a secret in requests, but the name of an error in responses
KEY = re.compile(r"\b(sk|pk|ag|oauth)_[A-Za-z0-9_-]{4,}")
BEARER = re.compile(r"\b(bearer)\s+[\w.~+/-]{12,}=*", re.IGNORECASE)
PARAMETER = re.compile(
    r"([?&#;](?:key|api_?key|token|access_token|code|device_code|user_code|code_verifier|sig|signature|state)=)"
    r"[^&#\s\"'<>)]+",
    re.IGNORECASE,
)


def _is_secret(name: str, is_request: bool) -> bool:
    return SECRET_FIELD.fullmatch(name) is not None or (is_request and name == OAUTH_CODE)


def headers(found: Mapping[str, str]) -> dict[str, str]:
    """Return headers without the values of those that can contain credentials."""
    return {
        name: REMOVED if SECRET_HEADER.search(name) and not name.startswith(PUBLIC_HEADERS) else value
        for name, value in found.items()
    }


def secrets_in(found: Mapping[str, str], query: Mapping[str, str]) -> list[str]:
    """Return the secrets of a request: the credentials in its headers and in its query."""
    keys = [value for name, value in query.items() if _is_secret(name, True)]
    keys.append(found.get("authorization", "").partition(" ")[2].strip())
    values = [value for name, value in found.items() if SECRET_HEADER.search(name)]
    words = [word for value in values for word in (value, *re.split(r"[\s;,]+", value))]
    words += [word.partition("=")[2] for word in words]  # the values of cookies
    secrets = {each for each in keys if len(each) >= MIN_KEY} | {each for each in words if len(each) >= MIN_WORD}
    return sorted(secrets, key=len, reverse=True)


class Redactor:
    """Removes secrets from texts and from JSON.

    Args:
        secrets: Texts that are removed wherever they occur.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = [form for secret in secrets for form in dict.fromkeys((secret, quote(secret, safe="")))]

    def text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, REMOVED)
        text = BEARER.sub(rf"\1 {REMOVED}", KEY.sub(rf"\1_{REMOVED}", text))
        return PARAMETER.sub(rf"\1{REMOVED}", text)

    def json(self, value: Any, *, is_request: bool = False) -> Any:
        """Return a JSON value without secrets. A text in a field with a secret name is removed as a whole."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.json(each, is_request=is_request) for each in value]
        if not isinstance(value, dict):
            return value
        return {
            self.text(name): REMOVED
            if isinstance(inner, str) and _is_secret(name, is_request)
            else self.json(inner, is_request=is_request)
            for name, inner in value.items()
        }
