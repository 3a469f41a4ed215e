"""What the package shows to the world."""

from __future__ import annotations

import importlib
import re
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pytest

import langchain_pollinations
from langchain_pollinations import catalog
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


ALLOWED = {
    "_notices": set(),
    "errors": {"_notices"},
    "media": set(),
    "_options": {"errors"},
    "_parsers": {"_json_schema"},
    "_progress": {"errors"},
    "_batches": set(),
    "_pace": {"errors", "_progress"},
    "_bodies": {"errors"},
    "_http": {"errors", "_bodies", "_pace", "_progress"},
    "_text_routes": {"errors", "_bodies", "_encode", "_http"},
    "_legacy": {"errors", "_bodies", "_encode", "_http", "_pace", "_text_routes"},
    "_inline": {"errors"},
    "_encode": {"errors", "media", "_inline"},
    "_names": {"_encode"},
    "_decode": {"errors", "_encode"},
    "_running": set(),
    "_unpacking": {"_json_schema"},
    "_calls": {"_encode", "_unpacking"},
    "_kept": {"_decode", "_encode"},
    "_citations": {"_decode", "_encode"},
    "_answer": {
        *("errors", "media", "_decode", "_encode", "_names", "_running", "_calls", "_kept", "_citations", "_notices")
    },
    "_stream": {"errors", "_answer", "_decode", "_encode"},
    "_blocks": {"_encode"},
    "_schemas": {"_encode"},
    "_connection": {"_http", "_legacy", "_options", "_pace", "_progress", "_text_routes", "errors"},
    "catalog": {"errors", "_connection", "_http", "_options"},
    "_references": {"errors", "media", "_inline"},
    "uploads": {"errors", "media", "_connection", "_http", "_options"},
    "_maker": {
        *("errors", "media", "catalog", "uploads", "_batches", "_bodies", "_connection", "_http", "_options"),
        "_references",
    },
    "_parts": {"errors"},
    "audio": {"errors", "media", "catalog", "_http", "_maker", "_parts", "_references"},
    "images": {"errors", "media", "catalog", "_http", "_maker", "_options", "_references"},
    "models3d": {"errors", "media", "catalog", "_http", "_maker", "_options", "_references"},
    "video": {"errors", "media", "catalog", "_http", "_maker", "_options", "_progress", "_references"},
    "_shelf": {"media"},
    "transcription": {"errors", "media", "catalog", "_connection", "_http", "_options", "_references"},
    "embeddings": {"errors", "media", "catalog", "_connection", "_encode", "_http", "_options"},
}


@pytest.mark.parametrize("module", ALLOWED)
def test_modules_import_downward_only(module: str) -> None:
    """`__init__` is imported by nobody, pure modules know neither network nor wrappers."""
    source = Path(importlib.import_module(f"langchain_pollinations.{module}").__file__ or "").read_text("utf-8")
    imported = re.findall(r"^\s*from langchain_pollinations(?:\.(\w+))? import (.+)$", source, re.M)
    names = {name or part.strip() for name, parts in imported for part in parts.split(",")}
    assert {name for name in names if name} <= ALLOWED[module]


def test_the_emulator_shares_no_code_with_the_client() -> None:
    folder = Path(langchain_pollinations.__file__ or "").parent / "emulator"
    for path in folder.rglob("*.py"):
        for line in path.read_text("utf-8").splitlines():
            assert not re.match(r"\s*(from|import) langchain_pollinations\.(?!emulator)", line), (path.name, line)


# --- The catalogue ----------------------------------------------------------------------------------------------------


def test_every_text_model_whose_abilities_are_known_has_a_profile() -> None:
    entries = {entry["name"]: entry for entry in catalog.snapshot().values() if entry["category"] == "text"}
    known = [name for name, entry in entries.items() if "input_modalities" in entry]
    assert len(known) > 80
    for name in known:
        profile = catalog.profile(name)
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
    assert found in catalog.close_matches(name, category)


def test_a_name_like_no_other_has_no_close_match() -> None:
    assert catalog.close_matches("zzzzzzzzzz") == []
