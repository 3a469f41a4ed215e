"""The column of this package in docs/features.md is what the script measures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.benchmarks.features import compare

PAGE = (Path(__file__).parents[1] / "docs" / "features.md").read_text("utf-8")


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split(" | ")]


@pytest.mark.once
def test_the_feature_table_is_what_is_measured() -> None:
    written = [_cells(line) for line in PAGE.splitlines() if line.startswith("| ")]
    measured = [_cells(line) for line in compare({"ours": sys.executable}) if line.startswith("| ")]
    assert [(name, cell, what) for name, cell, _, _, what in written] == [tuple(row) for row in measured]
