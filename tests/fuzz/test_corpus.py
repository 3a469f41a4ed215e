"""The kept inputs of the fuzz targets, which `make fuzz-parsers` extends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .targets import TARGETS


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("target", TARGETS)
def test_a_kept_input_is_a_result_or_an_error_of_this_package(target: str) -> None:
    lines = (Path(__file__).parent / "corpus" / f"{target}.jsonl").read_text("ascii").splitlines()
    for line in lines:
        TARGETS[target](json.loads(line).encode("latin-1"))
