"""Measure all rows and write the table and the plot.

    python -m tests.benchmarks --bin build/bench     # the whole table, in build/bench/
    python -m tests.benchmarks --short               # ours and the floor only, compared with `ratios.json`

Each contender runs in a process of its own. The processes take turns, row by row and round by round, so that a change
of the machine's speed affects all of them. Ratios of medians are compared, never absolute times.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .child import Child
from .report import Figures, write_report
from .rows import ROWS

HERE = Path(__file__).parent
RATIOS = HERE / "ratios.json"
"""Ratios of the last release. A ratio that is worse by more than `TOLERANCE` fails the short form."""
TOLERANCE = 1.25
_ATTEMPTS = 3
SHORT_ROWS = ("invoke", "ainvoke", "first_chunk", "stream", "astream", "sum", "history", "large_image")
IMPORTS = {
    "core": "import langchain_core.language_models.chat_models",
    "ours": "from langchain_pollinations import ChatPollinations",
    "ChatOpenAI": "from langchain_openai import ChatOpenAI",
    "other": "from langchain_pollinations import ChatPollinations",
}
NESTED = """
def nest(depth):
    if depth:
        return nest(depth - 1)
    {}
nest({})
"""


class Worker(Child):
    """A process that measures one contender."""

    def __init__(self, python: str, contender: str, origins: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        super().__init__([python, "-P", "-m", "benchmarks.worker", contender, origins], environment, HERE.parent)

    def measure(self, row: str) -> dict[str, float]:
        measured: dict[str, float] = self.ask(row)
        return measured


@contextlib.contextmanager
def _server(python: str) -> Iterator[str]:
    """Run the stub servers and return their origins as JSON."""
    process = subprocess.Popen([python, str(HERE / "stub_server.py")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _measure(pythons: dict[str, str], rows: list[str], rounds: int) -> Figures:
    figures: Figures = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    with _server(pythons["ours"]) as origins, contextlib.ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for contender, python in pythons.items():
            workers[contender] = Worker(python, contender, origins)
            stack.callback(workers[contender].stop)
        for name in rows:
            row = ROWS[name]
            names = [contender for contender in row.contenders if contender in pythons]
            for number in range(min(rounds, row.rounds)):
                for contender in names[number % len(names) :] + names[: number % len(names)]:
                    if row.measures == "bytes":
                        worker = Worker(pythons[contender], contender, origins)
                        measured = worker.measure(name)
                        worker.stop()
                    else:
                        measured = workers[contender].measure(name)
                    for key, value in measured.items():
                        figures[name][contender][key].append(value)
            print(f"{name:20}", _summary(figures[name], row.measures), file=sys.stderr, flush=True)
    return figures


def _summary(measured: Any, unit: str) -> str:
    return "  ".join(f"{name} {statistics.median(values[unit]):.4g}" for name, values in measured.items())


def _measure_imports(pythons: dict[str, str], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of new processes that import a package.

    Each round imports at another depth of the call stack. Python allocates the stack in blocks of 16 KB, and a module
    that runs at the end of a block allocates the next one with each call. At a given depth, an import of the same
    modules in another order can take 10 % more or less time for this reason alone.
    """
    seconds: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        for name, python in pythons.items():
            start = time.perf_counter()
            subprocess.run([python, "-P", "-c", NESTED.format(IMPORTS[name], number * 3)], check=True, cwd=HERE)
            seconds[name].append(time.perf_counter() - start)
    return seconds


def _to_floor(measured: Any) -> float:
    return statistics.median(measured["ours"]["seconds"]) / statistics.median(measured["floor"]["seconds"])


def _compare(figures: Figures) -> list[str]:
    """Return a line per row whose ratio to the floor is worse than the committed one."""
    committed = json.loads(RATIOS.read_text())
    worse = []
    for name, measured in figures.items():
        ratio = min(measured["ours"]["seconds"]) / min(measured["floor"]["seconds"])  # the least disturbed rounds
        if ratio > committed[name] * TOLERANCE:
            worse.append(f"{name}: {ratio:.2f} times the floor, {committed[name]:.2f} at the last release")
    return worse


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=Path, help="folder with the environments env, minimal and other")
    parser.add_argument("--short", action="store_true", help="compare with the committed ratios and write no table")
    parser.add_argument("--record", action="store_true", help="write `ratios.json`, for a release")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=list(ROWS))
    args = parser.parse_args()
    args.bin = args.bin and args.bin.absolute()
    if not args.short and args.bin is None:
        parser.error("--bin is required without --short")
    if args.short:
        rows = list(SHORT_ROWS)
        pythons = {"ours": sys.executable, "floor": sys.executable}
        worse: list[str] = []
        for _ in range(_ATTEMPTS):  # another process may have disturbed a run
            worse = _compare(_measure(pythons, rows, args.rounds))
            rows = [line.partition(":")[0] for line in worse]
            if not rows:
                break
        sys.exit("\n".join(worse) or 0)
    python = str(args.bin / "env" / "bin" / "python")
    pythons = dict.fromkeys(("ours", "ours, aiohttp", "floor", "httpx", "ChatOpenAI"), python)
    importers = {"core": str(args.bin / "minimal" / "bin" / "python"), "ours": "", "ChatOpenAI": python}
    importers["ours"] = importers["core"]
    other = args.bin / "other" / "bin" / "python"
    if other.exists():
        pythons["other"] = importers["other"] = str(other)
    started = time.monotonic()
    imports = _measure_imports(importers, 3 * args.rounds)
    figures = _measure(pythons, args.rows, args.rounds)
    write_report(args.bin, figures, imports, time.monotonic() - started)
    if args.record:
        RATIOS.write_text(
            json.dumps({name: round(_to_floor(figures[name]), 2) for name in SHORT_ROWS if name in figures}, indent=2)
            + "\n"
        )


if __name__ == "__main__":
    main()
