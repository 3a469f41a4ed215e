"""Print the lowest version of each direct dependency, the extras' included, as constraints for pip.

python scripts/lowest.py pyproject.toml
"""

from __future__ import annotations

import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

_LOWEST = re.compile(r"([\w.-]+)(?:\[[^]]*\])?>=([\w.]+)")


def lowest(requirement: str) -> str:
    found = _LOWEST.match(requirement)
    if found is None:
        raise SystemExit(f"{requirement!r} has no lower bound of the form name>=version")
    return "==".join(found.groups())


def main(path: str) -> None:
    project = tomllib.loads(Path(path).read_text("utf-8"))["project"]
    requirements = chain(project["dependencies"], *project["optional-dependencies"].values())
    print("\n".join(map(lowest, requirements)))


if __name__ == "__main__":
    main(*sys.argv[1:])
