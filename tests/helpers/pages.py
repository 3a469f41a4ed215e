"""The code blocks of Markdown pages, run as a reader would run them."""

from __future__ import annotations

import ast
import asyncio
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import CO_COROUTINE
from pathlib import Path
from typing import Any

BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+?) -->\n+)?"
    r"^(?P<indent> *)```(?P<kind>\w+)[^\n]*\n(?P<code>.*?)^(?P=indent)```",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A code block of a page, without its indent. A comment before the block can give a reason not to run it."""

    page: Path
    line: int
    kind: str
    code: str
    reason: str | None

    def run(self, names: dict[str, Any], code: str | None = None) -> Any:
        """Run the block, or a changed version of it, as a notebook does, with `await` outside of functions.

        Return the value of a last expression. A traceback shows the lines of the page.
        """
        tree = ast.parse("\n" * (self.line - 1) + (self.code if code is None else code), str(self.page))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        self._run(tree, "exec", names)
        return self._run(ast.Expression(last.value), "eval", names) if last else None

    def _run(self, tree: ast.Module | ast.Expression, mode: str, names: dict[str, Any]) -> Any:
        code = compile(tree, str(self.page), mode, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        result = eval(code, names)
        return asyncio.run(result) if code.co_flags & CO_COROUTINE else result


def code_blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("code")) + 1
        yield Block(page, line, match["kind"], textwrap.dedent(match["code"]), match["reason"])


def python_blocks(page: Path) -> Iterator[Block]:
    return (block for block in code_blocks(page) if block.kind == "python")
