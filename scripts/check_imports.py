"""Check, in an environment with the wheel alone, that importing brings in nothing but the declared dependencies."""

from __future__ import annotations

import re
import sys
from importlib.metadata import distribution, packages_distributions

OWN = "langchain-pollinations-ai"
DIRECT = {"langchain-core", "httpx", "httpx-sse", "pydantic", "tenacity"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def with_requirements(names: set[str]) -> set[str]:
    """The distributions and all that they require, as far as it is installed."""
    found: set[str] = set()
    todo = set(names)
    while todo:
        name = todo.pop()
        found.add(name)
        try:
            requires = distribution(name).requires or []
        except ModuleNotFoundError:
            continue
        named = {normal(re.match(r"[\w.-]+", line)[0]) for line in requires if "extra ==" not in line}  # type: ignore[index]
        todo |= named - found
    return found


def main() -> int:
    before = set(sys.modules)  # what the interpreter and its environment load by themselves
    from langchain_pollinations.chat_models import ChatPollinations

    assert ChatPollinations(api_key="sk_test").model == "openai"
    owners = packages_distributions()
    loaded = {normal(name) for module in set(sys.modules) - before for name in owners.get(module.partition(".")[0], [])}
    declared = {
        normal(re.match(r"[\w.-]+", line)[0]) for line in distribution(OWN).requires or [] if "extra" not in line
    }  # type: ignore[index]
    assert declared == DIRECT, declared
    surplus = loaded - with_requirements(DIRECT) - {OWN}
    print(f"importing ChatPollinations loads {len(loaded)} distributions, surplus: {sorted(surplus) or 'none'}")
    return 1 if surplus else 0


if __name__ == "__main__":
    sys.exit(main())
