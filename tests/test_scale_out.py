"""The example for Ray, on a local cluster with two workers: a worker is killed, then the whole run, and a further run
finishes the rows. No row is lost, and nothing is generated twice.

`make test-ray` installs what this test needs. The emulator runs here; the example and Ray are processes of their own.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from langchain_pollinations import Media
from langchain_pollinations.emulator import Emulator

pytest.importorskip("ray", reason="ray is not installed; `make test-ray` installs it")
pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.dataset")

ROOT = Path(__file__).parents[1]
ROWS = int(os.environ.get("ROWS") or 400)
RPM = 600
"""The rate limit of all workers together."""
BURST = 2
"""Requests above the limit in a period: each limiter may save one."""
LIMIT = 300 + ROWS // 10
"""Seconds after which a run that does not go on has failed."""


@pytest.fixture
def service() -> Iterator[Emulator]:
    # Slow, so that rows are left for a worker that starts late.
    with Emulator(latency=2) as emulator:
        emulator.keys["sk_emulator"]["balance"] = 100_000
        yield emulator


@contextmanager
def running(service: Emulator, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the example. Its image model has no rate limit of its own."""
    connection = service.connection()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "POLLINATIONS_BASE_URL": connection["base_url"],
        "POLLINATIONS_API_KEY": connection["api_key"],
    }
    environment.pop("RAY_ADDRESS", None)
    options = ["--rows", str(ROWS), "--actors", "2", "--rpm", str(RPM), "--image-model", "kontext", "--size", "64"]
    command = [sys.executable, str(ROOT / "examples" / "scale_out.py"), *options, "--out", str(folder)]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def table(folder: Path) -> list[dict[str, Any]]:
    rows = folder / "rows"
    return parquet.dataset(rows, format="parquet").to_table().to_pylist() if any(rows.glob("*.parquet")) else []


def wait(folder: Path, process: subprocess.Popen[bytes], is_reached: Callable[[list[dict[str, Any]]], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not is_reached(table(folder)):
        assert process.poll() is None and time.monotonic() < end, (folder / "log").read_text("utf-8")[-5000:]
        time.sleep(0.1)


def test_no_file_replaces_another(tmp_path: Path) -> None:
    """The user may remove a file, so that its rows run again."""
    write, schema = (runpy.run_path(str(ROOT / "examples" / "scale_out.py"))[name] for name in ("write", "SCHEMA"))
    for ids in (["a", "b"], [], ["c"], ["d"]):
        write(pa.Table.from_pylist([{"id": each} for each in ids], schema), tmp_path)
    min(tmp_path.iterdir()).unlink()
    write(pa.Table.from_pylist([{"id": "e"}], schema), tmp_path)
    found = parquet.dataset(tmp_path, format="parquet").to_table()["id"].to_pylist()
    assert sorted(found) == ["c", "d", "e"]
    assert len(list(tmp_path.iterdir())) == 3


def workers(rows: list[dict[str, Any]]) -> set[int]:
    return {row["worker"] for row in rows}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_worker_and_a_killed_run_lose_no_row_and_generate_nothing_twice(
    service: Emulator, tmp_path: Path
) -> None:
    with running(service, tmp_path) as process:
        wait(tmp_path, process, lambda rows: len(workers(rows)) == 2)
        killed = next(iter(workers(table(tmp_path))))
        os.kill(killed, signal.SIGKILL)
        wait(tmp_path, process, lambda rows: len(workers(rows)) > 2)
        service.latency = 0.1
        wait(tmp_path, process, lambda rows: len(rows) >= ROWS // 2)
        process.kill()
        process.wait()
    first = table(tmp_path)
    assert len(first) < ROWS
    with running(service, tmp_path) as process:
        assert process.wait(LIMIT) == 0, (tmp_path / "log").read_text("utf-8")[-5000:]
    rows = table(tmp_path)

    assert Counter(row["id"] for row in rows) == {f"{number:07}": 1 for number in range(ROWS)}
    assert workers(rows) > workers(first)
    assert all(row["caption"] and len(row["vector"]) == 256 and row["error"] is None for row in rows)
    files = {path.name: Media.from_file(path) for path in (tmp_path / "images").iterdir() if path.name[0] != "."}
    assert files.keys() == {row["image"] for row in rows} and len(files) == ROWS
    assert all(each.mime_type == "image/jpeg" for each in files.values())

    # Each request was generated and billed once, also if it was sent several times.
    kinds = Counter(record.type for record in service.ledger)
    assert sorted(kinds.values()) == [ROWS] * 3, kinds
    sent = [request for request in service.requests if request.method != "GET" or "/image/" in request.path]
    assert len(sent) > 3 * ROWS
    assert sum(row["stored"] for row in rows) > 0
    assert sum(row["pollen"] + row["stored"] for row in rows) == sum(record.cost for record in service.ledger)

    # The limiters of the two workers hold the common limit together.
    times = [request.at for request in service.requests if "/image/" in request.path]
    assert max(bisect_right(times, at + 5) - place for place, at in enumerate(times)) <= RPM * 5 / 60 + 2 * BURST
    print(f"{ROWS} rows, {len(sent)} requests, {len(service.ledger)} generations, {len(first)} rows before the restart")
