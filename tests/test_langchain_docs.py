"""The pages and rows for LangChain's documentation, in docs/langchain."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import langchain_pollinations
from langchain_pollinations import errors
from langchain_pollinations.emulator import Emulator
from tests.helpers.pages import Block, code_blocks

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "langchain"
PAGES = sorted(FOLDER.rglob("*.mdx"))
HOSTED = [page for page in PAGES if "src" in page.parts]
LISTING: dict[str, list[dict[str, Any]]] = yaml.safe_load((FOLDER / "integration_external_docs.yaml").read_text())[
    "python"
]
CAPABILITIES = {
    "stream": "Token-level streaming",
    "tool_calling": "Tool calling",
    "structured_output": "Structured output",
}


def _frontmatter(page: Path) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(page.read_text("utf-8").split("---\n")[1])
    return data


def _measured() -> dict[str, str]:
    """The cells of this package in docs/features.md, which tests/test_features.py measures."""
    lines = [
        line.split(" | ")
        for line in (ROOT / "docs" / "features.md").read_text("utf-8").splitlines()
        if line[:2] == "| "
    ]
    return {cells[0].removeprefix("| "): cells[1] for cells in lines}


@pytest.mark.parametrize("page", HOSTED, ids=lambda page: page.parent.name)
def test_the_python_of_a_page_runs(
    page: Path, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLLINATIONS_API_KEY", emulator.connection()["api_key"])
    monkeypatch.setenv("POLLINATIONS_BASE_URL", emulator.url)
    names: dict[str, Any] = {"__name__": page.stem}
    value: Any = None
    for block in code_blocks(page):
        if block.kind == "python" and "LANGSMITH" not in block.code:
            value = block.run(names)
        elif block.kind == "text":
            assert repr(value) == block.code.strip()
    assert emulator.requests and not emulator.legacy.requests
    assert "NOTICE" not in capsys.readouterr().out


def test_the_python_of_the_answer_runs(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLLINATIONS_API_KEY", emulator.connection()["api_key"])
    monkeypatch.setenv("POLLINATIONS_BASE_URL", emulator.url)
    quoted = re.sub(r"^> ?", "", (FOLDER / "README.md").read_text("utf-8"), flags=re.M)
    (code,) = re.findall(r"```python\n(.*?)```", quoted, re.S)
    Block(FOLDER / "README.md", 1, "python", code, None).run({})
    assert any(request.path.startswith("/image/") for request in emulator.requests)


def test_the_features_of_the_chat_page_are_the_measured_ones() -> None:
    text = (FOLDER / "src/oss/python/integrations/chat/pollinations.mdx").read_text("utf-8")
    lines = text[text.index("### Model features") :].splitlines()
    names = [re.sub(r"\[(.*)\]\(.*\)", r"\1", cell.strip()) for cell in lines[2].strip("|").split("|")]
    cells = [cell.strip() for cell in lines[4].strip("|").split("|")]
    measured = _measured()
    assert dict(zip(names, cells, strict=True)) == {name: measured[name] for name in names}


def test_the_tools_of_the_page_are_those_of_the_toolkit() -> None:
    text = (FOLDER / "src/oss/python/integrations/tools/pollinations.mdx").read_text("utf-8")
    written = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", text, re.M)
    tools = langchain_pollinations.PollinationsToolkit(api_key="sk_emulator").get_tools()
    assert written == [(tool.name, type(tool).__name__) for tool in tools]
    assert not any(tool.is_lc_serializable() for tool in tools)
    assert all(tool.response_format == "content_and_artifact" for tool in tools)
    assert langchain_pollinations.ChatPollinations.is_lc_serializable()


def test_rows_and_frontmatter_agree_and_are_true() -> None:
    rows = {kind: row for kind, (row,) in LISTING.items()}
    for page in HOSTED:
        if "integration" in (data := _frontmatter(page)):
            row = {name: value for name, value in rows[page.parent.name].items() if name != "docs_url"}
            assert data["integration"] == row
    for row in rows.values():
        assert hasattr(langchain_pollinations, row["name"])
    measured = _measured()
    assert {name for name, row in CAPABILITIES.items() if measured[row] == "✅"} == {
        name for name in CAPABILITIES if rows["chat"][name]
    }
    assert rows["chat"]["multimodal"] == (measured["Image input"] == "✅")


def test_names_of_the_package_are_right_everywhere() -> None:
    name = re.search(r'^name = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert name
    for file in [*FOLDER.rglob("*.mdx"), *FOLDER.glob("*.y*ml"), *FOLDER.glob("*.md")]:
        text = file.read_text("utf-8")
        assert set(re.findall(r"(?:pip install(?: -U)?|uv add|pypi:|badge/|pypi/v/|project/) *([\w-]+)", text)) <= {
            name[1]
        }
        assert set(re.findall(r"github\.com/([\w-]+/[\w-]+)", text)) <= {
            "OWNER/REPO",
            "langchain-ai/docs",
            "pollinations/pollinations",
        }


FORM = ("Display or class name", "Language", "Component type", "PyPI package name", "npm package name", "Docs URL")
FORM += ("Source repository", "Short provider description", "Capability flags (optional)")


@pytest.mark.parametrize("component", LISTING)
def test_each_row_has_a_form(component: str) -> None:
    text = (FOLDER / "listings.md").read_text("utf-8")
    part = text[text.index(f"## {component}\n") :].split("\n## ")[0]
    fields = dict(re.findall(r"^\| ([^|]+) \| (.*) \|$", part, re.M))
    assert tuple(name for name in fields if name not in ("field", "---")) == FORM
    assert fields["Display or class name"].strip("`") == LISTING[component][0]["name"]
    assert fields["Component type"].strip("`") == component
    flags = {name: value is True for name, value in LISTING[component][0].items() if isinstance(value, bool)}
    assert dict(re.findall(r"(\w+): (true)", fields["Capability flags (optional)"])).keys() == flags.keys()


def test_the_errors_that_the_chat_page_names_exist() -> None:
    text = (FOLDER / "src/oss/python/integrations/chat/pollinations.mdx").read_text("utf-8")
    for name in re.findall(r"`(\w+Error)`", text):
        assert hasattr(errors, name) or name.startswith("Model")
