"""Finds the environment variable that prevents building the HTTP client. Values are never shown, because the URL of a
proxy may contain a password."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.request import proxy_bypass

import httpx

from langchain_pollinations.errors import InvalidRequestError

_FAULTS = (OSError, ValueError, ImportError, httpx.InvalidURL)


def _check_certificates(**source: str) -> None:
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(**source)


def _check_key_log(path: str) -> None:
    with open(path, "a"):
        pass


def _check_proxy(url: str) -> None:
    httpx.HTTPTransport(proxy=url if "://" in url else f"http://{url}", verify=False).close()


def _check_no_proxy(hosts: str) -> None:
    for host in hosts.split(","):
        httpx.URL(host.strip() if "://" in host else f"all://*{host.strip()}")


_CHECKS: Mapping[str, Callable[[str], None]] = {
    "SSL_CERT_FILE": lambda path: _check_certificates(cafile=path),
    "SSL_CERT_DIR": lambda path: _check_certificates(capath=path),
    "SSLKEYLOGFILE": _check_key_log,
    "HTTP_PROXY": _check_proxy,
    "HTTPS_PROXY": _check_proxy,
    "ALL_PROXY": _check_proxy,
    "NO_PROXY": _check_no_proxy,
}


@contextmanager
def named_variables() -> Iterator[None]:
    """If an HTTP client cannot be built, raise an error that names the faulty environment variables.

    Raises:
        InvalidRequestError: If the client cannot be built.
    """
    try:
        yield
    except _FAULTS as error:
        kind = type(error).__name__
        refusal = InvalidRequestError(
            f"The HTTP client cannot be built ({kind}): check {_suspect_variables()}; or pass "
            "http_client and http_async_client"
        )
        refusal.was_sent = False
        # The message and the frames of the cause may show the value of a variable.
        error.args, error.__traceback__, error.__cause__, error.__context__ = (kind,), None, None, None
        raise refusal from error


def proxy_variable(scheme: str, host: str) -> str | None:
    """Return the name of the environment variable with the proxy for a URL."""
    names = (name for each in (f"{scheme}_proxy", "all_proxy") for name in (each, each.upper()))
    return None if proxy_bypass(host) else next((name for name in names if os.environ.get(name)), None)


def _suspect_variables() -> str:
    given = {
        name: (check, value)
        for upper, check in _CHECKS.items()
        for name in (upper, upper.lower())
        if (value := os.environ.get(name))
    }
    at_fault = [name for name, (check, value) in given.items() if _fails(check, value)] or list(given)
    if not at_fault:
        return "the proxy settings of the system"
    return f"the environment variable{'s' * (len(at_fault) > 1)} {', '.join(at_fault)}"


def _fails(check: Callable[[str], None], value: str) -> bool:
    try:
        check(value)
    except _FAULTS:
        return True
    return False
