"""Run each row of the feature table with this package, `ChatOpenAI` and the existing package for the service.

    python -m tests.benchmarks.features --bin build/bench     # prints the table

Each package runs in a process of its own, against one emulator. A cell is what the package returned. The environments
are those of `make bench`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from langchain_pollinations import PollinationsSpeech, PollinationsVideo
from langchain_pollinations.emulator import Emulator
from tests.benchmarks.child import Child
from tests.benchmarks.feature_rows import ROWS, Row
from tests.helpers.files import png

HERE = Path(__file__).parent
TITLES = {"ours": "this package", "ChatOpenAI": "`ChatOpenAI`", "other": "`langchain-pollinations`"}
DISTRIBUTIONS = {
    "ours": "langchain-pollinations-ai",
    "ChatOpenAI": "langchain-openai",
    "other": "langchain-pollinations",
}


def _write_samples(folder: Path, emulator: Emulator) -> None:
    (folder / "sample.png").write_bytes(png("red"))
    service: dict[str, Any] = emulator.connection()
    speaker = PollinationsSpeech(response_format="wav", **service)
    speaker.generate("Good evening.", path=folder / "sample.wav")
    PollinationsVideo(**service).generate("a calm sea", path=folder / "sample.mp4")
    (folder / "sample.pdf").write_bytes(b"%PDF-1.4\n%%EOF\n")


class Worker(Child):
    """The process of one package."""

    def __init__(self, python: str, name: str, emulator: Emulator, samples: Path) -> None:
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("POLLINATIONS", "OPENAI"))
        }
        environment |= {
            "PYTHONPATH": str(HERE.parents[1]) if name == "ours" else "",
            "POLLINATIONS_LEGACY_TEXT_URL": emulator.legacy.text_url,
            "POLLINATIONS_LEGACY_IMAGE_URL": emulator.legacy.image_url,
            "POLLINATIONS_WAIT_FOR_RATE_LIMIT": "0",
        }
        arguments = [python, "-P", str(HERE / "feature_rows.py"), name, emulator.url, str(samples)]
        super().__init__(arguments, environment, samples)

    def run(self, row: Row) -> dict[str, Any]:
        result: dict[str, Any] = self.ask(str(ROWS.index(row)))
        return result


@contextlib.contextmanager
def _worker(*arguments: Any) -> Iterator[Worker]:
    worker = Worker(*arguments)
    try:
        yield worker
    finally:
        worker.stop()


def _expected(row: Row, number: int, emulator: Emulator) -> Any:
    if not row.expected:
        return True
    return str(emulator.ledger[-1].cost) if row.expected[number] == "ledger" else row.expected[number]


def measure(row: Row, worker: Worker, emulator: Emulator) -> tuple[str, list[str]]:
    """Run a row. Return its cell, and the reasons of what failed."""
    met: list[bool] = []
    reasons: list[str] = []
    for number, (method, arguments, options) in enumerate(row.prepare or [("clear", (), {})]):
        emulator.reset()
        getattr(emulator, method)(*arguments, **options)
        answer = worker.run(row)
        result, expected = answer["result"], _expected(row, number, emulator)
        if isinstance(result, int) and not isinstance(result, bool):
            return str(result), reasons
        met.append(expected in result.split() if isinstance(result, str) else result is expected)
        if not met[-1]:
            reasons.append(answer.get("reason") or f"{result!r}, not {expected!r}")
    return ("✅" if all(met) else "❌") if len(met) == 1 else f"{sum(met)} of {len(met)}", reasons


def _versions(pythons: dict[str, str]) -> list[str]:
    code = "import sys, importlib.metadata as m; print(*[m.version(name) for name in sys.argv[1:]])"
    lines = []
    for name, python in pythons.items():
        wanted = [DISTRIBUTIONS[name], "langchain-core"]
        if name == "ours":
            found = [version(each) for each in wanted]
        else:
            found = subprocess.run(
                [python, "-P", "-c", code, *wanted], check=True, capture_output=True, text=True
            ).stdout.split()
        lines.append(f"{wanted[0]} {found[0]} with langchain-core {found[1]}")
    return lines


def compare(pythons: dict[str, str]) -> Iterator[str]:
    """Yield the lines of the table in Markdown."""
    with contextlib.ExitStack() as stack:
        emulator = stack.enter_context(Emulator())
        samples = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _write_samples(samples, emulator)
        workers = {
            name: stack.enter_context(_worker(python, name, emulator, samples)) for name, python in pythons.items()
        }
        yield f"| feature | {' | '.join(TITLES[name] for name in pythons)} | measured |"
        yield f"|---|{':---:|' * len(pythons)}---|"
        for row in ROWS:
            cells = []
            for name, worker in workers.items():
                cell, reasons = measure(row, worker, emulator)
                cells.append(cell)
                for reason in reasons:
                    print(f"{row.name}, {name}: {reason}", file=sys.stderr)
            yield f"| {row.name} | {' | '.join(cells)} | {row.measured} |"
    yield ""
    yield f"Measured with {'; '.join(_versions(pythons))}."


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.features", description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=Path, required=True, help="folder with the environments env and other")
    folder = parser.parse_args(arguments).bin.absolute()
    pythons = {"ours": sys.executable, "ChatOpenAI": f"{folder}/env/bin/python", "other": f"{folder}/other/bin/python"}
    for line in compare({name: python for name, python in pythons.items() if Path(python).exists()}):
        print(line, flush=True)


if __name__ == "__main__":
    main()
