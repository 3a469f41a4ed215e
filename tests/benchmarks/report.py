"""The table and the plot of the benchmarks."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TypeAlias

from .rows import ROWS, Row

Figures: TypeAlias = dict[str, dict[str, dict[str, list[float]]]]
"""Measured values by row, contender, and `seconds`, `cpu` or `bytes`."""

COLUMNS = ("ours", "floor", "httpx", "ChatOpenAI", "other")
OTHER = "the other package"
IMPORT_MUST, IMPORT_AIM = 1.10, 1.04


def _median(measured: Mapping[str, list[float]], key: str) -> float:
    return statistics.median(measured[key])


def ours(figures: Mapping[str, Mapping[str, list[float]]]) -> Mapping[str, list[float]]:
    return figures["ours"] if "ours" in figures else figures["ours, aiohttp"]


def ratio(name: str, figures: Figures, other: str) -> float | None:
    """Return our median divided by that of another contender."""
    if other not in figures[name]:
        return None
    key = ROWS[name].measures
    return _median(ours(figures[name]), key) / _median(figures[name][other], key)


def _bound(row: Row, bounds: Mapping[str, float]) -> str:
    return ", ".join(f"{bound:.2f} {other}" for other, bound in bounds.items())


def _cell(row: Row, value: float) -> str:
    if row.measures == "bytes":
        return f"{value / 1024 / 1024:.0f} MB"
    milliseconds = value / row.repeat * 1000
    return f"{milliseconds:.3g} ms"


def _line(name: str, figures: Figures) -> str:
    row = ROWS[name]
    cells = [row.title]
    for column in COLUMNS:
        measured = ours(figures[name]) if column == "ours" else figures[name].get(column)
        cells.append(_cell(row, _median(measured, row.measures)) if measured else "")
    for other in ("floor", "ChatOpenAI", "other"):
        found = ratio(name, figures, other)
        cells.append("" if found is None else f"{found:.2f}")
    held = all((ratio(name, figures, other) or 0) <= bound for other, bound in row.must.items())
    cells.append((_bound(row, row.must) + (" yes" if held else " **no**")) if row.must else "")
    cells.append(_bound(row, row.aim))
    mine = ours(figures[name])
    cells.append(f"{_median(mine, 'cpu') / row.repeat * 1000:.3g} ms")
    cells.append(f"{_median(mine, 'bytes') / 1024 / 1024:.0f} MB")
    return "| " + " | ".join(cells) + " |"


def _import_line(imports: Mapping[str, list[float]]) -> str:
    """Imports are compared in pairs, because their differences are small."""
    pairs = [mine / core for mine, core in zip(imports["ours"], imports["core"], strict=True)]
    found = statistics.median(pairs)
    shown = {name: f"{statistics.median(seconds) * 1000:.0f} ms" for name, seconds in imports.items()}
    verdict = f"{IMPORT_MUST:.2f} core" + (" yes" if found <= IMPORT_MUST else " **no**")
    cells = ["import (floor: langchain-core)", shown["ours"], shown["core"], "", shown["ChatOpenAI"]]
    cells += [shown.get("other", ""), f"{found:.3f}", "", "", verdict, f"{IMPORT_AIM:.2f} core", "", ""]
    return "| " + " | ".join(cells) + " |"


def write_report(folder: Path, figures: Figures, imports: Mapping[str, list[float]], seconds: float) -> None:
    """Write `benchmarks.md`, `benchmarks.json` and `benchmarks.png`."""
    head = ["row", *COLUMNS, "to floor", "to ChatOpenAI", "to other", "must", "aim", "our CPU time", "our peak memory"]
    lines = [
        f"Measured on {date.today()} with Python {platform.python_version()} on {platform.machine()}, medians of "
        f"interleaved runs, {seconds:.0f} s in all. `other` is {OTHER} for this service.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        _import_line(imports),
        *(_line(name, figures) for name in figures),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "benchmarks.md").write_text("\n".join(lines) + "\n")
    (folder / "benchmarks.json").write_text(json.dumps({"imports": imports, "rows": figures}))
    _plot(folder / "benchmarks.png", figures)
    print("\n".join(lines))


def _plot(path: Path, figures: Figures) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = [name for name in figures if "ChatOpenAI" in figures[name]]
    figure, axes = pyplot.subplots(figsize=(9, 0.45 * len(shown) + 1.5), layout="constrained")
    for place, other in enumerate(("ours", "floor", "other")):
        values = []
        for name in shown:
            key = ROWS[name].measures
            measured = ours(figures[name]) if other == "ours" else figures[name].get(other)
            values.append(_median(measured, key) / _median(figures[name]["ChatOpenAI"], key) if measured else 0.0)
        positions = [index + (place - 1) * 0.27 for index in range(len(shown))]
        axes.barh(positions, [min(value, 2) for value in values], height=0.25, label=other)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(shown)), [ROWS[name].title for name in shown])
    axes.invert_yaxis()
    axes.set_xlabel("ratio to ChatOpenAI (less is better; bars end at 2)")
    axes.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
