"""The public names, their signatures and their options, frozen in a snapshot.

A change of the snapshot is a change for users. If it is intended, run
`pytest tests/test_signatures.py --snapshot-update` and describe the change in the changelog.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from syrupy.assertion import SnapshotAssertion

from langchain_pollinations._documentation import is_own
from tests.test_docstrings import MODELS, PUBLIC, methods


def test_public_names_are_those_of_the_snapshot(snapshot: SnapshotAssertion) -> None:
    optional = {"PollinationsDecisions"}  # needs a newer version of LangChain than the lowest
    lines = [line for name, value in PUBLIC.items() if name not in optional for line in _describe(name, value)]
    assert "\n".join(lines) == snapshot


def _describe(name: str, value: Any) -> Iterator[str]:
    """Yield a line for a function, or for a class and each of its methods and options."""
    if not isinstance(value, type):
        yield f"{name}{_signature(value)}"
        return
    bases = ", ".join(base.__name__ for base in value.__mro__[1:] if is_own(base) and base.__name__ in PUBLIC)
    yield f"class {name}({bases})" if bases else f"class {name}"
    if name not in MODELS and "__init__" in vars(value):
        yield f"    __init__{_signature(vars(value)['__init__'])}"
    for member, each in sorted(dict(reversed(list(methods(value)))).items()):
        inner = each.__func__ if isinstance(each, classmethod | staticmethod) else each
        yield f"    {member}{'' if isinstance(each, property | cached_property) else _signature(inner)}"
    if name in MODELS:
        yield from _options(value)


def _signature(function: Any) -> str:
    """The signature as it is in the source: annotations are strings."""
    return str(inspect.signature(inspect.unwrap(function))).replace("'", "")


def _options(kind: type[BaseModel]) -> Iterator[str]:
    """The options that this package defines, with the type as it is in the source, and the default."""
    types: dict[str, Any] = {}
    for base in filter(is_own, reversed(kind.__mro__)):
        types |= vars(base).get("__annotations__", {})
    for name, field in sorted(kind.model_fields.items()):
        if name in types:
            shown = getattr(field.default, "__qualname__", repr(field.default))
            is_required = field.default is PydanticUndefined
            default = " = computed" if field.default_factory else "" if is_required else f" = {shown}"
            yield f"    {name}: {types[name]}{default}"
