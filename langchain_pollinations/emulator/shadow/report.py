"""What a person reads: one line for each exchange, and the differences at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from langchain_pollinations.emulator.service.catalog import LIST_CATEGORIES
from langchain_pollinations.emulator.shadow.captured import Captured
from langchain_pollinations.emulator.shadow.differences import KINDS, Difference

PREFIXES = ("/text/", "/image/", "/video/", "/audio/", "/3d/", "/media/", "/v1/models/", "/account/keys/")
MAX_PATH = 100  # characters of a path in a line
MAX_SIDE = 160  # characters of one side of a difference in a line
MAX_LISTED = 5000  # different differences that are counted


def plain(text: str, longest: int = MAX_SIDE) -> str:
    """Return a text on one line. Characters that a terminal would interpret are escaped."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:longest])
    return shown + ("..." if len(text) > longest else "")


def route_of(path: str) -> str:
    """Return the route of a path. Requests to the same route are counted together."""
    if path in LIST_CATEGORIES:
        return path
    return next((f"{prefix}..." for prefix in PREFIXES if path.startswith(prefix)), path)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _side_by_side(difference: Difference) -> str:
    sides = f"upstream: {plain(difference.upstream)} | emulator: {plain(difference.emulator)}"
    return f"{difference.kind} at {plain(difference.place)}: {sides}"


def line(method: str, path: str, upstream: Captured | None, found: Sequence[Difference], note: str = "") -> str:
    """Return the lines about one exchange."""
    status = "-" if upstream is None or upstream.status is None else str(upstream.status)
    verdict = f"not compared: {plain(note)}" if note else _counted(len(found), "difference") if found else "same"
    head = f"{status:>3}  {method} {plain(path, MAX_PATH)}  {verdict}"
    return "\n".join([head, *(f"       {_side_by_side(difference)}" for difference in found)])


class Report:
    """Counts exchanges and their differences."""

    def __init__(self) -> None:
        self.exchanges = 0
        self.compared = 0
        self.same = 0
        self.uncounted = 0
        self.not_compared: Counter[str] = Counter()  # reasons
        self.unwritten: Counter[str] = Counter()  # errors of the file
        self.differences: Counter[tuple[str, str, Difference]] = Counter()

    def add(self, method: str, path: str, found: Iterable[Difference], note: str = "") -> None:
        self.exchanges += 1
        if note:
            self.not_compared[note] += 1
            return
        listed = [*found]
        self.compared += 1
        self.same += not listed
        for difference in listed:
            entry = (method, route_of(path), difference)
            if entry in self.differences or len(self.differences) < MAX_LISTED:
                self.differences[entry] += 1
            else:
                self.uncounted += 1

    def text(self) -> str:
        """Return the summary. The most important differences come first."""
        differ = self.compared - self.same
        lines = [
            f"{_counted(self.exchanges, 'exchange')}, {self.compared} compared: {self.same} same, {differ} different."
        ]
        ordered = sorted(
            self.differences.items(), key=lambda item: (KINDS.index(item[0][2].kind), item[0][:2], -item[1])
        )
        for (method, route, difference), count in ordered:
            lines.append(f"{count:>4} x {method} {plain(route, MAX_PATH)}  {_side_by_side(difference)}")
        lines += [f"{count:>4} x not compared: {plain(note)}" for note, count in self.not_compared.most_common(10)]
        lines += (
            [f"{_counted(self.uncounted, 'more difference')}, which only the file lists."] if self.uncounted else []
        )
        lines += [
            f"{_counted(count, 'exchange')} could not be written: {error}" for error, count in self.unwritten.items()
        ]
        return "\n".join(lines)
