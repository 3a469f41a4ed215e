"""The pages in docs/ are true: their code runs, and their tables are complete."""

from __future__ import annotations

import gc
import importlib.util
import logging
import re
from pathlib import Path
from typing import Any

import pytest

import langchain_pollinations
from langchain_pollinations import emulator as emulator_package
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.emulator.scripting import faults
from tests.helpers.files import png
from tests.helpers.pages import python_blocks

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "langchain_pollinations"
TESTED_ELSEWHERE = ("migrating.md", "migrating_from_chatopenai.md", "migrating_from_langchain_pollinations.md")
"""Pages whose code tests/legacy/test_migrating.py and its neighbours run."""
README = ROOT / "README.md"
PAGES = [README, *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name not in TESTED_ELSEWHERE)]
WITH_CODE = [path for path in PAGES if any(python_blocks(path))]
MAX_NOT_RUN = 3
LOGGERS = ("langchain_pollinations", "httpx")
"""Loggers whose level a page sets."""

_OPTIONAL = ("langchain_mcp_adapters", "langchain_core.decisions")
"""Modules that only some environments have. A block that imports another is skipped with them."""

pytestmark = pytest.mark.once


def _can_run(code: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in _OPTIONAL if name in code)


@pytest.mark.filterwarnings("ignore:No key", "ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chart.png").write_bytes(png())
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.4\n1 0 obj\n<< /Type /Page >>\nendobj\n")
    without_key = page.name == "without_a_key.md"
    if without_key:
        monkeypatch.setenv("POLLINATIONS_LEGACY_TEXT_URL", emulator.legacy.text_url)
        monkeypatch.setenv("POLLINATIONS_LEGACY_IMAGE_URL", emulator.legacy.image_url)
    else:
        for name, value in emulator.connection().items():
            monkeypatch.setenv(f"POLLINATIONS_{name.upper()}", value)
    names: dict[str, Any] = {"__name__": page.stem}
    blocks = list(python_blocks(page))
    for block in blocks[page == README :]:  # the first block of the README starts its own emulator
        code = block.code
        if block.reason is None and _can_run(code):
            if without_key:  # the test does not wait for 30 seconds
                code = re.sub(r"\b(ChatPollinations|PollinationsImage(?:Tool)?)\((?!legacy)", r"\1(**QUICK, ", code)
                names["QUICK"] = {"legacy_interval": 0}
            block.run(names, code)
            for name, test in [item for item in names.items() if item[0].startswith("test_")]:
                test(emulator)  # the tests of a page take the fixture
                del names[name]
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.NOTSET)
    names.clear()
    gc.collect()  # agents are in cycles of references, and the collector may reach a socket before its owner


def test_few_blocks_are_not_run() -> None:
    left_out = [block for page in WITH_CODE for block in python_blocks(page) if block.reason]
    assert len(left_out) <= MAX_NOT_RUN, left_out


def test_each_environment_variable_is_in_the_table() -> None:
    table = (ROOT / "docs" / "environment.md").read_text("utf-8")
    sources = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    used = set(re.findall(r"\bPOLLINATIONS_[A-Z_]*[A-Z]\b", sources))
    checked = set(re.findall(r'^    "([A-Z_]+)": ', (PACKAGE / "_transport/environment.py").read_text("utf-8"), re.M))
    assert len(used) >= 6 and len(checked) >= 7
    missing = sorted(name for name in used | checked if f"| `{name}`" not in table and f", `{name}`" not in table)
    assert missing == []


def _rows(page: str) -> list[list[str]]:
    """The cells of the tables of a page."""
    lines = (ROOT / "docs" / page).read_text("utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


CODE = re.compile("`([^`]+)`")
UNDERSTOOD = [row for row in _rows("testing.md") if len(row) == 2 and all(map(CODE.fullmatch, row))]


def test_the_table_of_prompts_is_found() -> None:
    assert len(UNDERSTOOD) >= 5


@pytest.mark.parametrize(("prompt", "start"), UNDERSTOOD)
def test_the_emulator_answers_as_the_page_says(chat: ChatPollinations, prompt: str, start: str) -> None:
    prompt, start = prompt.strip("`"), start.strip("`")
    lines = re.sub(r" (?=\[\d\]|Question:)", "\n", re.sub(r"(?<=[.]) (?=How)", "\n\n", prompt))
    assert chat.invoke(lines).text.startswith(start)


def test_each_fault_of_the_emulator_is_in_the_table() -> None:
    names = {*faults.CASES, *faults.SOFT_CASES, *faults.DAMAGES}
    listed = {name for row in _rows("testing.md") if len(row) == 2 for name in CODE.findall(row[1])}
    assert sorted(names - listed) == []


OPTIONS = {
    "chat": ["ChatPollinations"],
    "media": ["PollinationsImage", "PollinationsVideo", "PollinationsSpeech", "PollinationsMusic"],
    "embeddings": ["PollinationsEmbeddings"],
    "agents": ["PollinationsToolkit"],
}
"""Pages, and the classes whose options their tables list."""
SHARED = "connection.md"
"""The page with the options of all classes."""


@pytest.mark.parametrize(("page", "name"), [(page, name) for page, names in OPTIONS.items() for name in names])
def test_each_option_is_in_a_table(page: str, name: str) -> None:
    text = "\n".join((ROOT / "docs" / each).read_text("utf-8") for each in (f"{page}.md", SHARED, "without_a_key.md"))
    rows = "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| "))
    fields = getattr(langchain_pollinations, name).model_fields
    own = [each for each, field in fields.items() if not field.deprecated and each not in _OF_LANGCHAIN]
    assert sorted(each for each in own if f"`{each}`" not in rows) == []


_OF_LANGCHAIN = {
    *("name", "cache", "verbose", "callbacks", "tags", "metadata", "custom_get_token_ids", "disable_streaming"),
    *("output_version", "profile"),
}
"""Fields that LangChain defines and documents."""


def test_each_public_name_is_in_the_api_reference() -> None:
    pages = "\n".join(path.read_text("utf-8") for path in (ROOT / "docs" / "api").glob("*.md"))
    described = set(re.findall(r"^::: langchain_pollinations\.(\S+)$", pages, re.M))
    public = {*langchain_pollinations.__all__} - {"__version__"}
    public |= {f"emulator.{name}" for name in emulator_package.__all__}
    assert sorted(public - {name.removeprefix("errors.") for name in described}) == []
