"""Capabilities of models, and errors that suggest other models."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from functools import partial

from langchain_pollinations._catalog.records import Model, _record
from langchain_pollinations._catalog.snapshot import load_snapshot
from langchain_pollinations._transport.exceptions import OnError
from langchain_pollinations.errors import InvalidRequestError, UnknownModelError, UnsupportedRequestError


def models_that_can(category: str, can: Callable[[Model], bool | None]) -> list[str]:
    """Return the ids of up to six models of a category that have an ability, for error messages. Models that require no
    purchased pollen come first."""
    names = {entry["name"] for entry in load_snapshot().values() if entry["category"] == category}
    found = [model for name in names if can(model := _record(name))]
    return [model.id for model in sorted(found, key=lambda m: (m.paid_only is not False, m.id))][:6]


def require(
    able_to: bool | None,
    model: str,
    what: str,
    category: str,
    can: Callable[[Model], bool | None] = lambda model: True,
    *,
    param: str = "model",
) -> None:
    """Raise an `UnsupportedRequestError` if a model is known to lack an ability. The error names models that have it.

    Args:
        able_to: Whether the model has the ability; None if unknown.
        model: Name of the model, as the caller wrote it.
        what: Text that completes the sentence "model ...", such as "generates no video".
        category: Category of the models that the error names.
        can: Whether another model has the ability.
        param: The argument that the model does not accept. It is `model` if the model itself is of the wrong kind.
    """
    if able_to is not False:
        return
    others = models_that_can(category, can)
    raise UnsupportedRequestError(
        f"model {model!r} {what}" + (f"; models that can: {', '.join(others)}" if others else ""), param=param
    )


def check_choice(argument: str, value: str, offered: Sequence[str], model: str) -> None:
    """Raise an `InvalidRequestError` if a model does not offer a value."""
    if value not in offered:
        raise InvalidRequestError(
            f"{argument}: model {model!r} offers {', '.join(offered)}, not {value}", param=argument
        )


def has_resolutions(model: Model) -> bool:
    """Whether a model lets the caller choose a resolution."""
    return bool(model.resolutions)


def close_matches(model: str, category: str | None = None) -> list[str]:
    """Return names and aliases that resemble `model`, best first."""
    names = [name for name, entry in load_snapshot().items() if category in (None, entry["category"])]
    by_tail = {name.rpartition("/")[2].lower(): name for name in names}
    wanted = model.lower().removeprefix("pollinations:")  # the prefix belongs to init_chat_model
    close = difflib.get_close_matches(wanted, names, n=3, cutoff=0.6)
    close += [by_tail[tail] for tail in difflib.get_close_matches(wanted, by_tail, n=3, cutoff=0.6)]
    return list(dict.fromkeys(close))[:3]


def did_you_mean(model: str, category: str | None) -> str:
    """Return a sentence that suggests similar models, to append to a message. It is empty if there are none."""
    close = close_matches(model, category)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


def suggest_models(model: str, category: str) -> OnError:
    """Return a context manager that adds similar model names to the error for an unknown model."""
    return OnError(partial(add_suggestions, model, category))


_CLASSES = {
    "text": "ChatPollinations",
    "image": "PollinationsImage",
    "video": "PollinationsVideo",
    "embedding": "PollinationsEmbeddings",
    "3d": "Pollinations3D",
}
"""The class for the models of a category. Audio models have several classes."""


def add_suggestions(model: str, category: str, error: BaseException) -> None:
    """Add similar names to the error for an unknown model, and the right class to that for a model of another kind."""
    if not isinstance(error, InvalidRequestError):
        return
    if isinstance(error, UnknownModelError):
        error.message += did_you_mean(model, category)
    elif (other := re.search(r"is an? (\w+) model and cannot be used", error.message)) and other[1] in _CLASSES:
        error.message += f" The class for {other[1]} models is {_CLASSES[other[1]]}."
    error.args = (error.message,)
