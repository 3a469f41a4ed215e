"""Extension of griffe: the value of a pydantic field is its default, such as `2` instead of `Field(default=2)`."""

from __future__ import annotations

from typing import Any

import griffe


class Fields(griffe.Extension):
    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        value = attr.value
        if isinstance(value, griffe.ExprCall) and str(value.function) == "Field":
            given = {each.name: each.value for each in value.arguments if isinstance(each, griffe.ExprKeyword)}
            attr.value = given.get("default")
        attr.labels -= {"class-attribute", "instance-attribute"}
