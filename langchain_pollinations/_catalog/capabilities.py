"""What models can do, and which models can."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from langchain_pollinations._catalog.records import Model, _record
from langchain_pollinations._catalog.snapshot import load_snapshot
from langchain_pollinations.errors import InvalidRequestError, UnknownModelError, UnsupportedRequestError


def models_that_can(category: str, can: Callable[[Model], bool | None]) -> list[str]:
    """Ids of models of a category that can do something, those first that need no bought pollen: as many as an error
    should name."""
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
    """Raise an `UnsupportedRequestError` that names the models that can, where a model is known not to.

    Args:
        able_to: Whether it can; None where that is not known.
        model: What the caller calls the model.
        what: What it does not do.
        category: Category of the models that are named.
        can: Whether another model can.
        param: The argument that the model does not take; the model itself where it is of another kind.
    """
    if able_to is not False:
        return
    others = models_that_can(category, can)
    raise UnsupportedRequestError(
        f"model {model!r} {what}" + (f"; models that can: {', '.join(others)}" if others else ""), param=param
    )


def check_choice(argument: str, value: str, offered: Sequence[str], model: str) -> None:
    """Raise an `InvalidRequestError` for a value that a model does not offer."""
    if value not in offered:
        raise InvalidRequestError(
            f"{argument}: model {model!r} offers {', '.join(offered)}, not {value}", param=argument
        )


def has_resolutions(model: Model) -> bool:
    """Whether a model leaves the choice of a resolution."""
    return bool(model.resolutions)


def close_matches(model: str, category: str | None = None) -> list[str]:
    """Names and aliases that look like `model`, best first."""
    names = [name for name, entry in load_snapshot().items() if category in (None, entry["category"])]
    by_tail = {name.rpartition("/")[2].lower(): name for name in names}
    close = difflib.get_close_matches(model.lower(), names, n=3, cutoff=0.6)
    close += [by_tail[tail] for tail in difflib.get_close_matches(model.lower(), by_tail, n=3, cutoff=0.6)]
    return list(dict.fromkeys(close))[:3]


def did_you_mean(model: str, category: str) -> str:
    """A question with the models of a category that were perhaps meant, to end a message with; empty where none is
    like it."""
    close = close_matches(model, category)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


@contextmanager
def suggest_models(model: str, category: str) -> Iterator[None]:
    """Let the error for an unknown model name the models that were perhaps meant."""
    try:
        yield
    except UnknownModelError as error:
        error.message += did_you_mean(model, category)
        error.args = (error.message,)
        raise
