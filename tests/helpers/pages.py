"""The Python blocks of Markdown pages, run as a reader would run them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"(?:^<!-- not run: (?P<reason>.+?) -->\n+)?^```python\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of Python in a page. A comment before the block can give a reason not to run it."""

    page: Path
    line: int
    code: str
    reason: str | None

    def run(self, names: dict[str, Any], code: str | None = None) -> None:
        """Execute the block, or a changed version of it. A traceback shows the lines of the page."""
        padded = "\n" * (self.line - 1) + (self.code if code is None else code)
        exec(compile(padded, str(self.page), "exec", dont_inherit=True), names)


def python_blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for match in BLOCK.finditer(text):
        yield Block(page, text.count("\n", 0, match.start("code")) + 1, match["code"], match["reason"])
