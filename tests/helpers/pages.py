"""The Python of Markdown pages."""

from __future__ import annotations

import ast
import asyncio
import re
import textwrap
from inspect import CO_COROUTINE
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"^(?P<indent> *)```(?P<kind>\w+)[^\n]*\n(?P<text>.*?)^(?P=indent)```", re.S | re.M)


def code_blocks(path: Path) -> list[tuple[str, str]]:
    """The language and the text of each code block of a page, without the indent that a component gives it."""
    found = _BLOCK.finditer(path.read_text("utf-8"))
    return [(block["kind"], textwrap.dedent(block["text"])) for block in found]


def python_blocks(path: Path) -> list[str]:
    return [text for kind, text in code_blocks(path) if kind == "python"]


def run_block(block: str, names: dict[str, Any], name: str) -> Any:
    """Run a block as a notebook does, with `await` outside of functions. Return the value of a last expression."""
    tree = ast.parse(block, name)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    _run(compile(tree, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True), names)
    if last is None:
        return None
    return _run(
        compile(ast.Expression(last.value), name, "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True), names
    )


def _run(code: Any, names: dict[str, Any]) -> Any:
    result = eval(code, names)
    return asyncio.run(result) if code.co_flags & CO_COROUTINE else result
