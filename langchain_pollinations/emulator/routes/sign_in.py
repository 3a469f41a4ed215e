"""The sign-in routes of enter.pollinations.ai. The emulator serves them on the same origin as all other routes.

No user signs in. The pages act for the user of the first API key.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.responses import JSONResponse, RedirectResponse, Response

from langchain_pollinations.emulator.routes import consent_page
from langchain_pollinations.emulator.service import accounts, api_keys, validation
from langchain_pollinations.emulator.service.error_responses import OAuthRefusal, Refusal
from langchain_pollinations.emulator.service.sign_in import (
    CODE_GRANT,
    DEVICE_GRANT,
    VERIFIER,
    Consent,
    is_registered,
    scopes_of,
)
from langchain_pollinations.emulator.state import Asked, State

Fields = Mapping[str, str]

NO_STORE = {"cache-control": "no-store"}
UNKNOWN_CODE = "This code is unknown, expired or already used. Start the sign-in in the app again."
# Names that the service still accepts, and the names that replace them.
FORMER_NAMES = {"app_key": "client_id", "redirect_url": "redirect_uri", "permissions": "scope"}


def _renamed(fields: Fields) -> dict[str, str]:
    return {FORMER_NAMES.get(name, name): value for name, value in fields.items()}


def _pairs(asked: Asked) -> list[tuple[str, str]]:
    return parse_qsl(asked.body.decode("utf-8", "replace"), keep_blank_values=True)


def _fields(asked: Asked) -> dict[str, str]:
    """Return the fields of a form or of a JSON body.

    Raises:
        OAuthRefusal: If the body is not valid.
    """
    if not validation.JSON_TYPE.match(asked.headers.get("content-type", "").strip().lower()):
        return _renamed(dict(_pairs(asked)))
    try:
        body: Any = validation.parsed(asked.body)
    except (ValueError, RecursionError):
        raise OAuthRefusal("invalid_request", "Malformed JSON in request body") from None
    if not isinstance(body, dict) or not all(isinstance(value, str) for value in body.values()):
        raise OAuthRefusal("invalid_request", "The body must be a JSON object with texts")
    return _renamed(body)


def _needed(fields: Fields, *names: str) -> list[str]:
    for name in names:
        if not fields.get(name):
            raise OAuthRefusal("invalid_request", f"Missing required field: {name}")
    return [fields[name] for name in names]


# Discovery and user.


async def metadata(state: State, asked: Asked) -> Response:
    return JSONResponse(
        {
            "issuer": state.url,
            "authorization_endpoint": f"{state.url}/authorize",
            "token_endpoint": f"{state.url}/api/oauth/token",
            "userinfo_endpoint": f"{state.url}/api/oauth/userinfo",
            "device_authorization_endpoint": f"{state.url}/api/device/code",
            "scopes_supported": list(accounts.SCOPES),
            "response_types_supported": ["code"],
            "grant_types_supported": [CODE_GRANT, DEVICE_GRANT],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "service_documentation": "https://gen.pollinations.ai/docs",
        }
    )


async def userinfo(state: State, asked: Asked) -> Response:
    account = accounts.authenticate(state.keys, asked.key, strict=state.strict_keys)
    profile = accounts.profile(account)
    named = {"preferred_username": profile.pop("githubUsername"), "picture": profile.pop("image")}
    return JSONResponse({"sub": accounts.user_id(account), **named, **profile}, headers=NO_STORE)


# Tokens.


async def device_code(state: State, asked: Asked) -> Response:
    fields = _fields(asked)
    scopes = scopes_of(fields.get("scope", ""))
    started = state.sign_ins.start(fields.get("client_id", ""), scopes, state.device_interval, state.device_lifetime)
    content = {
        "device_code": started.device_code,
        "user_code": started.user_code,
        "verification_uri": f"{state.url}/device",
        "verification_uri_complete": f"{state.url}/device?{urlencode({'user_code': started.user_code})}",
        "expires_in": _plain(state.device_lifetime),
        "interval": _plain(started.interval),
    }
    return JSONResponse(content, headers=NO_STORE)


def _plain(number: float) -> float:
    """Return a whole number as `int`, as the service sends it."""
    return int(number) if number == int(number) else number


def _token(key: str, more: Mapping[str, Any] | None = None) -> Response:
    return JSONResponse({"access_token": key, "token_type": "bearer", **(more or {})}, headers=NO_STORE)


def _poll(state: State, fields: Fields) -> Response:
    (code,) = _needed(fields, "device_code")
    return _token(state.sign_ins.poll(code, fields.get("client_id", "")))


async def device_token(state: State, asked: Asked) -> Response:
    return _poll(state, _fields(asked))


def _exchange(state: State, fields: Fields) -> Response:
    code, client_id, redirect_uri, verifier = _needed(fields, "code", "client_id", "redirect_uri", "code_verifier")
    if not VERIFIER.fullmatch(verifier):
        raise OAuthRefusal("invalid_request", "code_verifier must be 43 to 128 letters, digits and '-._~'")
    consent = state.sign_ins.exchange(code, client_id, redirect_uri, verifier)
    lifetime = consent.lifetime
    ends = {} if lifetime is None else {"expires_in": int(lifetime.total_seconds())}
    return _token(consent.issue(state.keys, client_id), {**ends, "scope": " ".join(consent.scopes)})


GRANTS = {DEVICE_GRANT: _poll, CODE_GRANT: _exchange}


async def token(state: State, asked: Asked) -> Response:
    fields = _fields(asked)
    (grant_type,) = _needed(fields, "grant_type")
    if grant_type not in GRANTS:
        raise OAuthRefusal("unsupported_grant_type", f"grant_type must be one of: {', '.join(GRANTS)}")
    return GRANTS[grant_type](state, fields)


# Pages.


def _amount(text: str, what: str) -> Decimal | None:
    """Parse a number of a form. An empty text means no limit.

    Raises:
        ValueError: If the text is not a number.
    """
    if not text.strip():
        return None
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"{what} must be a number, not {text.strip()!r}") from None


def _consent(fields: Fields, scopes: tuple[str, ...], models: tuple[str, ...] | None = None) -> Consent:
    """Parse the consent form.

    Raises:
        ValueError: If the budget or the lifetime is wrong.
    """
    days = _amount(fields.get("days", ""), "The lifetime")
    try:
        lifetime = None if days is None else timedelta(days=float(days))
    except (OverflowError, ValueError):  # too large, infinite, or not a number
        raise ValueError("The lifetime is too long") from None
    return Consent(scopes, _amount(fields.get("budget", ""), "The budget"), lifetime, models)


def _granted(pairs: list[tuple[str, str]], asked: tuple[str, ...]) -> tuple[str, ...]:
    """Return the requested scopes that the user has left selected."""
    chosen = {value for name, value in pairs if name == "scope"}
    return tuple(scope for scope in asked if scope in chosen)


async def device_page(state: State, asked: Asked) -> Response:
    user_code = asked.query.get("user_code", "")
    if not user_code:
        return consent_page.code_form()
    return _device_form(state, user_code)


def _device_form(state: State, user_code: str, budget: str = "5", days: str = "7", error: str = "") -> Response:
    request = state.sign_ins.pending(user_code)
    if request is None:
        return consent_page.code_form(user_code, UNKNOWN_CODE)
    return consent_page.consent_form(
        "/device", request.client_id, request.scopes, {}, budget, days, request.user_code, error
    )


async def device_decision(state: State, asked: Asked) -> Response:
    pairs = _pairs(asked)
    fields = dict(pairs)
    request = state.sign_ins.pending(fields.get("user_code", ""))
    if request is None:
        return consent_page.code_form(fields.get("user_code", ""), UNKNOWN_CODE)
    if fields.get("decision") != "approve":
        state.sign_ins.decide(request, state.keys, None)
        return consent_page.message("Access denied", "The app gets no API key. You can close this page.")
    try:
        consent = _consent(fields, _granted(pairs, request.scopes))
    except ValueError as error:
        budget, days = fields.get("budget", ""), fields.get("days", "")
        return _device_form(state, request.user_code, budget, days, str(error))
    state.sign_ins.decide(request, state.keys, consent)
    return consent_page.message("App connected", "The app gets an API key. You can close this page.")


AUTHORIZE_FIELDS = ("response_type", "client_id", "redirect_uri", "state", "code_challenge", "code_challenge_method")


def _check_authorization(state: State, fields: Fields) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """Check the parameters of `/authorize`. Return the requested scopes and the model categories.

    Raises:
        Refusal: If a parameter is wrong. The user is not sent back to the app, because its address may be wrong too.
    """
    client_id, redirect_uri, challenge = _needed(fields, "client_id", "redirect_uri", "code_challenge")
    for name, value in (("response_type", "code"), ("code_challenge_method", "S256")):
        if fields.get(name) != value:
            raise OAuthRefusal("invalid_request", f"{name} must be '{value}'")
    if len(challenge) != 43:
        raise OAuthRefusal("invalid_request", "code_challenge must be a SHA-256 digest in base64url without padding")
    app = state.keys.get(client_id, {})
    if not is_registered(redirect_uri, app.get("redirect_uris") or ()):
        raise OAuthRefusal("invalid_request", f"The App Key has not registered the redirect_uri {redirect_uri}")
    models = [each.strip() for each in fields.get("models", "").split(",") if each.strip()]
    return scopes_of(fields.get("scope", "")), tuple(api_keys.categories(models, state.catalog)) if models else None


def _authorize_form(fields: Fields, scopes: tuple[str, ...], error: str = "") -> Response:
    names = (*AUTHORIZE_FIELDS, "models")
    hidden = {name: fields[name] for name in names if fields.get(name)} | {"requested": " ".join(scopes)}
    budget, days = fields.get("budget", "5"), fields.get("days", fields.get("expiry", "7"))
    return consent_page.consent_form("/authorize", fields["client_id"], scopes, hidden, budget, days, error=error)


async def authorize_page(state: State, asked: Asked) -> Response:
    fields = _renamed(asked.query)
    try:
        scopes, _ = _check_authorization(state, fields)
    except Refusal as refusal:
        return consent_page.message("The app cannot be connected", refusal.message, 400)
    return _authorize_form(fields, scopes)


async def authorize_decision(state: State, asked: Asked) -> Response:
    pairs = _pairs(asked)
    fields = dict(pairs)
    try:
        scopes, models = _check_authorization(state, {**fields, "scope": fields.get("requested", "")})
    except Refusal as refusal:
        return consent_page.message("The app cannot be connected", refusal.message, 400)
    if fields.get("decision") != "approve":
        return _return(fields, {"error": "access_denied"})
    try:
        consent = _consent(fields, _granted(pairs, scopes), models)
    except ValueError as error:
        return _authorize_form(fields, scopes, str(error))
    client_id, redirect_uri, challenge = (fields[name] for name in ("client_id", "redirect_uri", "code_challenge"))
    code = state.sign_ins.grant(client_id, redirect_uri, challenge, consent, state.code_lifetime)
    return _return(fields, {"code": code})


def _return(fields: Fields, result: Fields) -> Response:
    """Send the user back to the app, with the `state` of the app."""
    parts = urlsplit(fields["redirect_uri"])
    more = urlencode({**result, **({"state": fields["state"]} if "state" in fields else {})})
    query = f"{parts.query}&{more}" if parts.query else more
    return RedirectResponse(parts._replace(query=query).geturl(), 303, headers=NO_STORE)
