"""What the package shows to the world."""

from __future__ import annotations

import ast
import graphlib
import re
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytest

import langchain_pollinations
from langchain_pollinations._catalog import records
from langchain_pollinations._catalog.capabilities import close_matches
from langchain_pollinations._catalog.snapshot import load_snapshot
from langchain_pollinations.errors import PollinationsError


def test_every_public_name_is_there() -> None:
    names = set(langchain_pollinations.__all__)
    assert names <= set(dir(langchain_pollinations))
    if find_spec("langchain_core.decisions") is None:
        names.remove("PollinationsDecisions")
    assert None not in {getattr(langchain_pollinations, name) for name in names}


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


LAYERS = (
    "errors _documentation _safe_text _types _warnings pytest_plugin",
    "_transport _catalog.snapshot _catalog.records _catalog.costs _media.progress",
    "_validation _media.artifacts _media.data_uri _media.display _media.files _media.formats _media.integrity "
    "_media.byte_store _media.media_store _media.permitted_files _media.text_splitter _media.wav media",
    "_chat",
    "_legacy",
    "_config",
    "_catalog _account account catalog mcp registration sign_in uploads",
    "_media _chat.model_info _chat.calls audio chat_models decisions embeddings images models3d transcription video "
    "voice",
    "tools _jobs jobs meter middleware __main__",
)
"""Packages and modules of the client, lowest first. Each layer imports itself and lower layers."""


def _imports() -> dict[str, set[str]]:
    """The modules of the client that each module of it imports, outside of TYPE_CHECKING blocks."""
    root = Path(langchain_pollinations.__file__ or "").parent
    paths = [path for path in root.rglob("*.py") if path.relative_to(root).parts[0] not in ("emulator", "__init__.py")]
    names = {path: ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in paths}
    found: dict[str, set[str]] = {}
    for path, name in names.items():
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = []
        lines = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
        modules = [(str(line.module).partition("langchain_pollinations")[2].lstrip("."), line) for line in lines]
        known = set(names.values())
        found[name] = {
            full if (full := f"{module}.{each.name}".lstrip(".")) in known else module
            for module, line in modules if str(line.module).startswith("langchain_pollinations")
            for each in line.names
        } - {name}  # fmt: skip
    return found


def _layer(module: str) -> int:
    """The layer of a module: by its own name, else by that of its package."""
    for name in (module, module.partition(".")[0]):
        for number, layer in enumerate(LAYERS):
            if name in layer.split():
                return number
    raise AssertionError(f"{module} has no layer")


def test_modules_import_lower_layers_only() -> None:
    imports = _imports()
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError
    upward = [
        (name, other)
        for name, others in imports.items()
        for other in others
        if "emulator" not in other and _layer(other) > _layer(name)
    ]
    assert upward == []


def test_modules_of_the_client_are_short() -> None:
    root = Path(langchain_pollinations.__file__ or "").parent
    paths = [path for path in root.rglob("*.py") if path.relative_to(root).parts[0] != "emulator"]
    lines = {path.name: len(path.read_text("utf-8").splitlines()) for path in paths}
    assert {name: number for name, number in lines.items() if number > 450} == {}


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
