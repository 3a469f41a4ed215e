"""Rules for options that several wrappers share."""

from __future__ import annotations

import difflib
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from langchain_pollinations._settings import RequestSettings, split_settings
from langchain_pollinations.errors import InvalidRequestError


class CallOptions(BaseModel):
    """Base of the options of one call, with the settings of its requests."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), hide_input_in_errors=True)

    _settings: RequestSettings = PrivateAttr(default_factory=RequestSettings)


T = TypeVar("T", bound=CallOptions)

MAX_SEED = 2**31 - 1

SAFE_WORDS = ("privacy", "secrets", "sexual", "violence", "shield", "true", "nsfw", "false", "0")


def drawn(seed: int | None) -> int | None:
    """The seed to send: -1 means a random one to us, while the service takes it for one fixed seed."""
    return secrets.randbelow(MAX_SEED + 1) if seed == -1 else seed


def check_safe(safe: str) -> None:
    """Raise a `ValueError` for a word that the service's filter does not know."""
    unknown = [word for word in safe.lower().split(",") if word.strip() not in ("", *SAFE_WORDS)]
    if unknown:
        raise ValueError(f"safe: unknown {', '.join(map(repr, unknown))}; a comma list of {', '.join(SAFE_WORDS)}")


def check_whole(text: str, name: str) -> None:
    """Raise an `InvalidRequestError` for a text that cannot be written in UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"{name} holds half a character (a lone surrogate) at {error.start}") from error


def describe_unknown(name: str, known: Mapping[str, Any]) -> str:
    """Sentence about an argument that nobody knows, with the one that was probably meant."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"unknown argument {name!r}" + (f", did you mean {close[0]!r}?" if close else "")


def chosen(kind: type[T], wrapper: Any, overrides: Mapping[str, Any], synonyms: Mapping[str, str]) -> T:
    """The options of one call, `timeout` and `extra_headers` included. Precedence: argument of the call, constructor.

    Args:
        kind: What can be said in the constructor and in each call.
        wrapper: Whose fields hold what was said in the constructor.
        overrides: What was said in the call.
        synonyms: Other names of options.

    Raises:
        InvalidRequestError: If an option is unknown or wrong.
    """
    fields = kind.model_fields
    own = {name: value for name in fields if (value := getattr(wrapper, name)) is not None}
    settings, named = split_settings({synonyms.get(name, name): value for name, value in overrides.items()})
    if unknown := sorted(named.keys() - fields.keys()):
        raise InvalidRequestError("; ".join(describe_unknown(name, fields) for name in unknown))
    try:
        options = kind.model_validate({**own, **named})
    except ValidationError as error:
        raise InvalidRequestError(told(error)) from None
    options._settings = settings
    return options


_SECRET = re.compile(
    r"(^|[_-])(api)?key$|^((api|access|auth|bearer)[_-]?)?token$|secret|password|authorization|headers$", re.IGNORECASE
)


def check_no_secret(names: Iterable[str]) -> None:
    """Raise a `ValueError` for an unknown name that may hold a secret: what we do not know goes out with the request,
    which the service stores and passes on to providers."""
    for name in sorted(names):
        if _SECRET.search(name):
            raise ValueError(f"{name!r} looks like a secret: a key goes into api_key, headers into default_headers")


def told(error: ValidationError) -> str:
    """Pydantic's findings in one line, each with the name of its argument and without the value."""
    findings = []
    for finding in error.errors(include_url=False, include_input=False):
        where = ".".join(map(str, finding["loc"]))
        says = finding["msg"].removeprefix("Value error, ")
        findings.append(f"{where}: {says}" if where else says)
    return "; ".join(findings)
