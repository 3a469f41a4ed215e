"""Extension of griffe for the API reference.

The value of a pydantic field is its default, such as `2` instead of `Field(default=2)`. Examples in docstrings become
code blocks, because Markdown takes `>>>` for a quotation.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^(?P<indent> *)>>> .*(?:\n(?P=indent)\S.*|\n(?P=indent) +\S.*)*", re.MULTILINE)
"""Lines of an example with their output, up to a blank line."""


def with_code_blocks(docstring: str) -> str:
    def fence(match: re.Match[str]) -> str:
        lines = match[0].removeprefix(match["indent"]).replace(f"\n{match['indent']}", "\n")
        return f"```python\n{lines}\n```"

    return EXAMPLE.sub(fence, docstring)


class Fields(griffe.Extension):
    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        value = attr.value
        if isinstance(value, griffe.ExprCall) and str(value.function) == "Field":
            given = {each.name: each.value for each in value.arguments if isinstance(each, griffe.ExprKeyword)}
            attr.value = given.get("default")
        attr.labels -= {"class-attribute", "instance-attribute"}

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = with_code_blocks(obj.docstring.value)
