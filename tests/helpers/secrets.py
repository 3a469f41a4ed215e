"""Finds secrets in texts, in errors with their causes, and in the variables of their tracebacks."""

from __future__ import annotations

import base64
import contextlib
import pickle
import re
import traceback
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.pretty import pretty_repr

from langchain_pollinations.errors import PollinationsError


def found_in(text: Any, secrets: Sequence[str]) -> list[str]:
    """The secrets in a text, plain or in the base64 of basic authentication."""
    plain = text.decode("latin-1") if isinstance(text, bytes) else str(text)
    found = [secret for secret in secrets if secret in plain]
    for coded in re.findall(r"[A-Za-z0-9+/]{16,}={0,2}", plain):
        with contextlib.suppress(ValueError):
            decoded = base64.b64decode(coded + "=" * (-len(coded) % 4)).decode("latin-1")
            found += [f"base64 of {secret}" for secret in secrets if secret in decoded]
    return found


def leaks_of(error: BaseException, secrets: Sequence[str], *given_to: str) -> dict[str, list[str]]:
    """The forms of an error that show a secret.

    Args:
        error: The error.
        secrets: The secrets.
        given_to: Packages whose frames got a secret from the caller. Their variables are left out.
    """
    leaks = {form: found for form, text in forms_of_error(error) if (found := found_in(text, secrets))}
    return {form: found for form, found in leaks.items() if not form.partition(": ")[2].startswith(given_to)}


def forms_of_error(error: BaseException) -> Iterator[tuple[str, Any]]:
    """All forms in which an error is shown or stored. Variables of the tests are left out."""
    yield "traceback", "".join(traceback.format_exception(error))
    for each in chain(error):
        name = type(each).__name__
        yield f"{name}: text", f"{each} {each!r} {getattr(each, '__notes__', '')}"
        for path, text in texts_in((each.args, vars(each))):
            yield f"{name}: attribute{path}", text
        if isinstance(each, PollinationsError):
            yield f"{name}: pickle", pickle.dumps(each)
        for frame, _ in traceback.walk_tb(each.__traceback__):
            module = frame.f_globals.get("__name__", "")
            if module.startswith("tests."):
                continue
            for variable, value in frame.f_locals.items():
                shown = value if isinstance(value, bytes) else f"{safe_repr(value)} {safe_rich(value)}"
                yield f"{name}: {module}.{frame.f_code.co_name}.{variable}", shown


def chain(error: BaseException) -> list[BaseException]:
    """An error, its causes, contexts, and the errors of a group."""
    todo, found = [error], list[BaseException]()
    while todo:
        each = todo.pop()
        if all(each is not other for other in found):
            found.append(each)
            todo += [other for other in (each.__cause__, each.__context__) if other is not None]
            todo += each.exceptions if isinstance(each, BaseExceptionGroup) else []
    return found


def texts_in(value: Any, path: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, str | bytes]]:
    """The texts below a value, also in attributes that its `repr` does not show."""
    seen = set() if seen is None else seen
    if isinstance(value, str | bytes):
        yield path, value
        return
    if id(value) in seen or isinstance(value, type | types.TracebackType | types.FrameType | types.FunctionType):
        return
    seen.add(id(value))
    inner: dict[str, Any] = dict(getattr(value, "__dict__", {}))
    if isinstance(value, Mapping):
        inner |= {f"[{key!r}]": each for key, each in value.items()} | {"keys": list(value)}
    elif isinstance(value, list | tuple | set | frozenset):
        inner |= {f"[{number}]": each for number, each in enumerate(value)}
    for name, each in inner.items():
        yield from texts_in(each, f"{path}.{name}", seen)


def safe_repr(value: Any) -> str:
    """`repr`, also for an object of a library that is not complete yet."""
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(error).__name__}>"


def safe_rich(value: Any) -> str:
    """What rich shows of a variable. It looks into containers and dataclasses by itself."""
    try:
        return pretty_repr(value, max_length=20, max_string=10_000)
    except Exception as error:
        return f"<{type(error).__name__}>"
