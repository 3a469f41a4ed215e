"""What the package shows to the world."""

from __future__ import annotations

import ast
import graphlib
import re
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pytest

import langchain_pollinations
from langchain_pollinations._catalog import records
from langchain_pollinations._catalog.capabilities import close_matches
from langchain_pollinations._catalog.snapshot import load_snapshot
from langchain_pollinations.errors import PollinationsError


@pytest.mark.parametrize("name", langchain_pollinations.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(langchain_pollinations, name) is not None
    assert name in dir(langchain_pollinations)


def test_every_error_is_public() -> None:
    found = [PollinationsError]
    for cls in found:
        found += cls.__subclasses__()
    assert {cls.__name__ for cls in found} <= set(langchain_pollinations.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="ChatPolinations"):
        _ = langchain_pollinations.ChatPolinations


def test_the_version_is_the_installed_one_and_has_its_changelog() -> None:
    assert langchain_pollinations.__version__ == version("langchain-pollinations-ai")
    changelog = (Path(__file__).parents[1] / "CHANGELOG.md").read_text("utf-8")
    assert re.search(rf"^## \[({re.escape(langchain_pollinations.__version__)}|Unreleased)\]", changelog, re.M)


def test_the_package_says_that_it_is_typed() -> None:
    assert files("langchain_pollinations").joinpath("py.typed").is_file()


def test_imports_of_the_client_are_acyclic() -> None:
    """No module imports `__init__`."""
    folder = Path(langchain_pollinations.__file__ or "").parent
    paths = [path for path in folder.rglob("*.py") if "emulator" not in path.relative_to(folder).parts]
    names = {
        ".".join(path.relative_to(folder.parent).with_suffix("").parts).removesuffix(".__init__") for path in paths
    }
    imports: dict[str, set[str]] = {}
    for path in paths:
        name = ".".join(path.relative_to(folder.parent).with_suffix("").parts).removesuffix(".__init__")
        found: set[str] = set()
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = []
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("langchain_pollinations"):
                found |= {
                    full if (full := f"{node.module}.{each.name}") in names else node.module for each in node.names
                }
        imports[name] = found - {name}
    del imports["langchain_pollinations"]
    order = graphlib.TopologicalSorter(imports)
    order.prepare()  # raises CycleError


def test_the_emulator_shares_no_code_with_the_client() -> None:
    folder = Path(langchain_pollinations.__file__ or "").parent / "emulator"
    for path in folder.rglob("*.py"):
        for line in path.read_text("utf-8").splitlines():
            assert not re.match(r"\s*(from|import) langchain_pollinations\.(?!emulator)", line), (path.name, line)


# --- The catalogue ----------------------------------------------------------------------------------------------------


def test_every_text_model_whose_abilities_are_known_has_a_profile() -> None:
    entries = {entry["name"]: entry for entry in load_snapshot().values() if entry["category"] == "text"}
    known = [name for name, entry in entries.items() if "input_modalities" in entry]
    assert len(known) > 80
    for name in known:
        profile = records.profile(name)
        assert profile is not None
        assert profile["text_inputs"] is True


@pytest.mark.parametrize(
    ("name", "category", "found"),
    [
        ("opnai", "text", "openai"),
        ("claude-sonet-5", "text", "claude-sonnet-5"),
        ("OpenAI/GPT-5.4-nano", "text", "openai/gpt-5.4-nano"),
        ("flxu", "image", "flux"),
    ],
)
def test_close_matches_are_named(name: str, category: str, found: str) -> None:
    assert found in close_matches(name, category)


def test_a_name_like_no_other_has_no_close_match() -> None:
    assert close_matches("zzzzzzzzzz") == []
