"""Descriptions of the fields of models, from the docstrings below the fields."""

from __future__ import annotations

import inspect
import linecache
import re
import sys
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticUndefined

if TYPE_CHECKING:
    _Mixin = BaseModel
else:  # the mixin defines no fields, and Pydantic takes 1 ms to create a model class
    _Mixin = object

_FIELD = re.compile(r'\n    (\w+):[^\n]*(?:\n     [^\n]*|\n    \)[^\n]*)*\n    """(.*?)"""', re.DOTALL)
"""An annotated name of a class, its default over one or several lines, and its docstring, as ruff formats them."""


_PACKAGE = __name__.partition(".")[0]


def is_own(kind: type) -> bool:
    """Whether this package defines a class."""
    return kind.__module__.partition(".")[0] == _PACKAGE


class DescribedFields(_Mixin):
    """Mixin for models. The docstring below a field is its description in `model_fields`, JSON schemas and `help()`.

    A class that defines fields must have `defer_build=True`. Pydantic's `use_attribute_docstrings` would parse whole
    modules, which takes 6 to 8 percent of the time of an import. The regular expression takes about 0.2 percent. A test
    compares both.
    """

    _FIELDS_TITLE: ClassVar[str] = "Options"

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if not cls.__pydantic_complete__:
            cls.__signature__ = _DeferredSignature()  # type: ignore[assignment]
        if not is_own(cls) or "[" in cls.__name__:  # Pydantic creates a class for each parametrised generic
            return
        found = _read_docstrings(cls) if "__annotations__" in vars(cls) else {}
        for name, field in cls.model_fields.items():
            field.description = found.get(name) or field.description or _inherited(cls, name)
        if cls.__name__ in sys.modules[_PACKAGE].__all__ and cls.__doc__:  # `python -OO` removes the docstrings
            cls.__doc__ = f"{inspect.cleandoc(cls.__doc__)}{_heading(cls)}{_describe_fields(cls)}"

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe the class without its fields, which the schema describes one by one."""
        json_schema = handler(schema)
        described = handler.resolve_ref_schema(json_schema)
        if "description" in described:
            described["description"] = described["description"].partition(_heading(cls))[0]
        return json_schema


class _DeferredSignature:
    """The signature of a class with `defer_build`, which would inherit that of its base class until it is built."""

    def __get__(self, instance: object, owner: type[BaseModel]) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")
        owner.model_rebuild(raise_errors=False)  # replaces this object, unless the class has undefined annotations
        return owner.__signature__ if owner.__pydantic_complete__ else inspect.signature(owner.__base__ or object)


def _heading(kind: type[DescribedFields]) -> str:
    return f"\n\n{kind._FIELDS_TITLE}:\n"


def _describe_fields(kind: type[BaseModel]) -> str:
    """Return the name, type and default of each field, with its description below. LangChain's fields are last."""
    types: dict[str, Any] = {}
    own: set[str] = set()
    for base in reversed(kind.__mro__):
        defined = vars(base).get("__annotations__", {})
        types |= defined
        if is_own(base):
            own |= defined.keys()
    entries = []
    for name, field in sorted(kind.model_fields.items(), key=lambda item: item[0] not in own):
        declared = types[name] if isinstance(types[name], str) else inspect.formatannotation(types[name])
        default = "" if field.default is PydanticUndefined or field.default_factory else f" = {field.default!r}"
        text = str(field.description).replace("\n", "\n        ").replace("\n        \n", "\n\n")
        entries.append(f"    {name}: {declared}{default}\n        {text}")
    return "\n".join(entries)


def _inherited(kind: type, name: str) -> str | None:
    """Return the description of a field that the class defines again without a docstring, or that LangChain defines."""
    parents = (getattr(base, "model_fields", {}).get(name) for base in kind.__mro__[1:])
    return next((field.description for field in parents if field and field.description), _OF_LANGCHAIN.get(name))


def _read_docstrings(kind: type) -> dict[str, str]:
    """Return the docstrings of the fields that a class defines itself."""
    module = sys.modules[kind.__module__]
    source = "".join(linecache.getlines(module.__file__ or "", vars(module)))  # empty if the source is not installed
    _, _, body = source.partition(f"\nclass {kind.__name__}(")
    body = re.split(r"\n(?=[^\s)])", body, maxsplit=1)[0]
    return {name: inspect.cleandoc(text) for name, text in _FIELD.findall(body)}


_OF_LANGCHAIN = {
    "args_schema": "Model or JSON schema of the arguments that the model generates for the tool.",
    "cache": "Cache of LangChain for responses. None uses the global cache if one is set, True requires it, and False "
    "disables caching. A `BaseCache` is used instead of the global cache.",
    "callbacks": "LangChain callbacks of every run.",
    "custom_get_token_ids": "Function that converts a text to token ids, for token counts. None estimates one token "
    "per four characters.",
    "description": "Description of the tool. The model reads it.",
    "disable_streaming": 'Whether `stream` sends a request without streaming. "tool_calling" does so only for requests '
    "with tools.",
    "extras": "Fields of the tool that only one provider knows. This package does not send them.",
    "handle_tool_error": "Result of a call that raised a `ToolException`: a fixed text, the text of a function, or the "
    "text of the error (True). False raises the error.",
    "handle_validation_error": "Result of a call with invalid arguments: a fixed text, the text of a function, or the "
    "text of the error (True). False raises the error.",
    "metadata": "Metadata of every run, for traces and callbacks.",
    "name": "Name of the runnable in traces. For a tool, also the name that the model calls.",
    "output_version": 'Format of the content of messages: "v0" or "v1". None reads `LC_OUTPUT_VERSION` from the '
    "environment; without it, the format is v0.",
    "profile": "Abilities of the model, such as `tool_calling` and `max_input_tokens`. None uses the packaged model "
    "list. The profile is not sent.",
    "rate_limiter": "A rate limiter of LangChain, such as `InMemoryRateLimiter`. Each request waits for it. None is no "
    "further limit.",
    "response_format": "Kind of the result of the tool. `content_and_artifact` is a text for the model, and an "
    "artifact that only the program sees.",
    "return_direct": "Whether the agent ends after the tool and returns its result.",
    "tags": "Tags of every run, for traces and callbacks.",
    "verbose": "Whether LangChain prints the progress of runs. The default is LangChain's global setting.",
}
"""Descriptions of the fields of LangChain's base classes. LangChain writes them in docstrings only."""
