"""The command `python -m langchain_pollinations`: sign in, and show the account, its balance and the models.

The exit code is 0 after success, 1 if the service fails or refuses, 2 for wrong arguments or a missing extra, 3 if no
key is valid or the sign-in failed, and 130 after Ctrl-C. An error is one line on stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from langchain_pollinations._catalog.records import Capability, Kind
from langchain_pollinations._config.keys import KEY_VARIABLE, stored_key
from langchain_pollinations._safe_text import safe_text
from langchain_pollinations._validation import format_validation_error
from langchain_pollinations.account import PollinationsAccount
from langchain_pollinations.catalog import list_models
from langchain_pollinations.errors import AuthenticationError, InvalidRequestError, PollinationsError
from langchain_pollinations.sign_in import KeyScope, login

OK, FAILED, WRONG_USE, NO_KEY, INTERRUPTED = 0, 1, 2, 3, 130

Facts = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""The result of a command as JSON."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    given = _parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning  # type: ignore[assignment]  # takes the message only
        try:
            facts, text = given.run(given)
            _print(json.dumps(facts, indent=2) if given.json else text)
        except (PollinationsError, ValidationError, ImportError) as error:
            print(f"error: {_describe(error)}", file=sys.stderr)
            return _exit_code(error)
        except KeyboardInterrupt:
            print("error: interrupted", file=sys.stderr)
            return INTERRUPTED
        except BrokenPipeError:  # the reader of a pipe has ended, such as `head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
    return OK


def _print(text: str) -> None:
    """Print a text. A character that stdout cannot encode, such as with a code page of Windows, becomes `?`."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding), flush=True)


def _show_warning(message: Warning | str, *_: Any) -> None:
    print(f"warning: {safe_text(str(message))}", file=sys.stderr)


def _describe(error: Exception) -> str:
    return format_validation_error(error) if isinstance(error, ValidationError) else str(error)


def _exit_code(error: Exception) -> int:
    if isinstance(error, AuthenticationError):
        return NO_KEY
    is_local = isinstance(error, InvalidRequestError) and error.status_code is None
    return WRONG_USE if is_local or not isinstance(error, PollinationsError) else FAILED


# --- Arguments --------------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    about, _, codes = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(prog="python -m langchain_pollinations", description=about, epilog=codes)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], tuple[Facts, str]]) -> argparse.ArgumentParser:
        about = run.__doc__ or ""
        added = commands.add_parser(name, help=about.splitlines()[0], description=about)
        added.add_argument("--json", action="store_true", help="write the result as JSON")
        added.add_argument(
            "--base-url", help="origin of the service (default: POLLINATIONS_BASE_URL, else the service)"
        )
        added.set_defaults(run=run)
        return added

    sign_in = command("login", _login)
    sign_in.add_argument(
        "--scope",
        action="append",
        default=[],
        choices=get_args(KeyScope),
        help="account permission of the key; may be repeated",
    )
    sign_in.add_argument("--client-id", help="App Key of the app that the page names")
    sign_in.add_argument(
        "--sign-in-url", help="origin of the sign-in host, if it is neither the service nor --base-url"
    )
    command("whoami", _whoami)
    models = command("models", _models)
    models.add_argument("kind", nargs="?", choices=get_args(Kind), help="list only models of this kind")
    models.add_argument("--query", help="list only models that contain these words")
    models.add_argument(
        "--capability",
        action="append",
        default=[],
        choices=get_args(Capability),
        help="list only models with this capability; may be repeated",
    )
    command("balance", _balance)
    return parser


# --- Commands ---------------------------------------------------------------------------------------------------------


def _login(given: argparse.Namespace) -> tuple[Facts, str]:
    """Sign in, and store the key in the system's keyring.

    The commands whoami and balance use the stored key if POLLINATIONS_API_KEY is not set. Programs use it if
    POLLINATIONS_USE_KEYRING is 1. The key is never printed. This command needs an extra:
    pip install 'langchain-pollinations-ai[login]'
    """
    origin = PollinationsAccount(base_url=given.base_url)._service_url
    login(given.scope, save=True, client_id=given.client_id, sign_in_url=given.sign_in_url, base_url=origin)
    text = f"Signed in. The keyring holds the key for {origin}; programs use it if POLLINATIONS_USE_KEYRING is 1."
    return {"signed_in": True, "base_url": origin}, text


def _whoami(given: argparse.Namespace) -> tuple[Facts, str]:
    """Show the owner and the permissions of the key."""
    with _account(given) as account:
        profile, key = account.profile(), account.key()
    models = "all" if key.models is None else ", ".join(key.models) or "none"
    lines = {
        "user": profile.github_username or "unknown",
        "name": profile.name,
        "email": profile.email,
        "key": key.name or key.id,
        "expires": f"{key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "never",
        "models": models,
        "scopes": ", ".join(key.scopes) or "none",
        "budget": "none" if key.budget is None else f"{key.budget:f} pollen left",
        "pays with": "Quest Pollen only" if key.quest_only else "Quest Pollen and paid Pollen",
    }
    return {"profile": _as_json(profile), "key": _as_json(key)}, _table([[k, v] for k, v in lines.items() if v])


def _models(given: argparse.Namespace) -> tuple[Facts, str]:
    """List the models of the service. This needs no key."""
    found = list_models(given.kind, given.capability, query=given.query, base_url=given.base_url)
    rows = [[model.id, model.kind, "paid" if model.paid_only else "", model.title] for model in found]
    return [_as_json(model) for model in found], _table(rows)


def _balance(given: argparse.Namespace) -> tuple[Facts, str]:
    """Show what the key can spend: the rest of its budget, else the balance of the account."""
    with _account(given) as account:
        balance = account.balance()
    lines = [f"{balance.balance:f} pollen"]
    if balance.account is not None:
        of_account = balance.account
        lines.append(f"account: {of_account.total:f} pollen ({of_account.quest:f} quest, {of_account.paid:f} paid)")
    return _as_json(balance), "\n".join(lines)


def _account(given: argparse.Namespace) -> PollinationsAccount:
    """Return the account of the key in the environment, else of the key in the keyring."""
    account = PollinationsAccount(base_url=given.base_url)
    try:
        if account.api_key is None and find_spec("keyring") is not None:
            account.api_key = stored_key(account._service_url)
    except AuthenticationError as error:
        raise AuthenticationError(f"No key: set {KEY_VARIABLE}. {error}") from None
    if account.api_key is None:
        raise AuthenticationError(f"No key: run `python -m langchain_pollinations login`, or set {KEY_VARIABLE}")
    return account


def _as_json(record: BaseModel) -> dict[str, Any]:
    """Return a record as JSON. Amounts are strings, which keep all digits."""
    return record.model_dump(mode="json")


def _table(rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as lines with aligned columns. Texts of the service lose their control characters."""
    texts = [[safe_text(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in texts)


if __name__ == "__main__":
    sys.exit(main())
