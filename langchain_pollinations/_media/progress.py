"""Progress of slow requests: a progress bar, a line on stderr, or a callback of the caller."""

from __future__ import annotations

import inspect
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from langchain_pollinations.errors import InvalidRequestError

if TYPE_CHECKING:
    from langchain_pollinations._transport.request import OnProgress

REFRESH_INTERVAL = 0.5
"""Seconds between two refreshes of the bar."""


@dataclass(frozen=True)
class Progress:
    """Progress of a call.

    The stage is `queued` while a rate limiter of the package delays the request. It is `waiting` until the first bytes
    arrive, `receiving` while bytes arrive, and `done` after success.

    Attributes:
        stage: The stage: `queued`, `waiting`, `receiving` or `done`.
        seconds: Seconds since the start of the call. While `queued`, seconds since the request entered the queue.
        received: Bytes received so far. Concurrent requests of one call are added up. A retry starts at 0 again.
        total: Total bytes of the response. None if unknown.
        left: While `queued`, expected seconds until the request is sent. Earlier requests in the queue may take longer.

    >>> stages = set()
    >>> image = PollinationsImage().generate("a kite", progress=lambda progress: stages.add(progress.stage))
    >>> "done" in stages
    True
    """

    stage: Literal["queued", "waiting", "receiving", "done"]
    seconds: float
    received: int = 0
    total: int | None = None
    left: float | None = None


ProgressFunction: TypeAlias = Callable[[Progress], None]
ShowProgress: TypeAlias = bool | ProgressFunction | None
"""How to show progress. None shows progress only if stderr is a terminal or a notebook. True always shows progress.
False never shows progress. Progress is shown as a bar, or as a line of text while `queued`. A function is called with
each `Progress`."""


def check_progress(show: ShowProgress, argument: str) -> None:
    """Raise a `ValueError` for a value of a wrong type, and for an async function, which would never be awaited."""
    if not (show is None or isinstance(show, bool) or callable(show)):
        raise ValueError(f"{argument}: must be True, False, None or a function, not {show!r:.60}")
    if inspect.iscoroutinefunction(show) or inspect.iscoroutinefunction(getattr(show, "__call__", None)):  # noqa: B004
        raise ValueError(f"{argument}: must be a plain function, not an async function, which would never be awaited")


@contextmanager
def watch_progress(show: ShowProgress) -> Iterator[OnProgress | None]:
    """Yield the progress callback of one call, or None if no progress is shown.

    The callback runs in the thread that receives the bytes. For an async call, this is the thread of the event loop.

    Raises:
        InvalidRequestError: If `show` has a wrong type or is an async function.
        ImportError: If a bar is requested and tqdm is not installed.
    """
    try:
        check_progress(show, "progress")
    except ValueError as error:
        raise InvalidRequestError(str(error), param="progress") from None
    if show is False or (show is None and not _is_bar_seen()):
        yield None
    elif callable(show):
        with _reporting(show) as on_progress:
            yield on_progress
    else:
        size = {"unit": "B", "unit_scale": True, "unit_divisor": 1024}
        with _bar(desc="waiting", leave=False, **size) as bar, _reporting(bar.update) as on_progress:
            yield on_progress


@contextmanager
def count_progress(show: bool | None, total: int | None, done: int = 0) -> Iterator[Callable[[], None]]:
    """Yield a function that counts a finished input or row. It may be called from any thread.

    Args:
        show: Whether to show a bar. None shows it only in a terminal or a notebook with tqdm installed.
        total: Number of inputs. None if unknown.
        done: Number of inputs that are already finished.

    Raises:
        InvalidRequestError: If `show` is not True, False or None.
        ImportError: If a bar is requested and tqdm is not installed.
    """
    if not (show is None or isinstance(show, bool)):
        raise InvalidRequestError(f"progress: must be True, False or None, not {show!r:.60}", param="progress")
    if not (_is_bar_seen() if show is None else show):
        yield lambda: None
        return
    with _bar(total=total, initial=done) as bar:
        yield bar.count


@contextmanager
def _reporting(report: ProgressFunction) -> Iterator[OnProgress]:
    """Report the stages in order. Report `done` only if no exception was raised."""
    since = time.monotonic()
    count: tuple[int, int | None] = 0, None

    def on_progress(received: int, total: int | None) -> None:
        nonlocal count
        count = received, total
        report(Progress("receiving", time.monotonic() - since, received, total))

    report(Progress("waiting", 0.0))
    yield on_progress
    report(Progress("done", time.monotonic() - since, *count))


def share_progress(on_progress: OnProgress | None, count: int) -> Sequence[OnProgress | None]:
    """Return a callback for each concurrent request. The callbacks report the sum of the bytes to `on_progress`."""
    if on_progress is None or count == 1:
        return [on_progress] * count
    lock = threading.Lock()
    arrived: list[tuple[int, int | None]] = [(0, None)] * count

    def report(index: int, received: int, total: int | None) -> None:
        with lock:
            arrived[index] = received, total
            totals = [total for _, total in arrived if total is not None]
            whole = sum(totals) if len(totals) == count else None
            on_progress(sum(received for received, _ in arrived), whole)

    return [partial(report, index) for index in range(count)]


# --- Display ----------------------------------------------------------------------------------------------------------


def show_line(show: ShowProgress, line: str) -> None:
    """Write one line of text to stderr. True always writes the line. None writes it only in a terminal or a notebook.
    With False or a function, nothing is written."""
    if sys.stderr is not None and (show is True or (show is None and (is_notebook() or _is_terminal()))):
        sys.stderr.write(f"{line}\n")  # one write, so that lines of several threads do not mix
        sys.stderr.flush()


def report_wait(show: ShowProgress, waited: float, left: float, line: str | None) -> None:
    """Show the wait of a request for a rate limit. `line` is None if another request has shown it.

    Args:
        show: The field `on_wait`.
        waited: Seconds since the wait began.
        left: Expected seconds until the request is sent.
        line: Text that describes the wait.
    """
    if callable(show):
        show(Progress("queued", waited, left=left))
    elif line is not None:
        show_line(show, line)


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def is_notebook() -> bool:
    """Whether the code runs in a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in shell.config


def _is_bar_seen() -> bool:
    """Whether tqdm is installed and its bar would be visible."""
    return find_spec("tqdm") is not None and (_has_widgets() or _is_terminal())


def _has_widgets() -> bool:
    """Whether this is a notebook with ipywidgets. Without ipywidgets, tqdm warns instead of showing a bar."""
    return is_notebook() and find_spec("ipywidgets") is not None


@contextmanager
def _bar(**options: Any) -> Iterator[_Bar]:
    """Show a bar, and close it at the end or after an error. `options` are arguments of tqdm."""
    try:
        tqdm = import_module("tqdm.auto" if _has_widgets() else "tqdm.std").tqdm  # a slow import
    except ImportError as error:
        raise ImportError(
            "progress=True shows a progress bar and needs tqdm: pip install tqdm, or pass a function"
        ) from error
    own = type("_Tqdm", (tqdm,), {"monitor_interval": 0})  # no monitor thread, which would outlive the bar
    bar = _Bar(own(dynamic_ncols=True, **options))
    try:
        bar.start()
        yield bar
    finally:
        bar.end()


class _Bar:
    """A tqdm bar, and a thread that refreshes the elapsed time while no bytes arrive."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="pollinations-progress", daemon=True)

    def start(self) -> None:
        self._ticker.start()

    def end(self) -> None:
        self._ended.set()
        if self._ticker.ident is not None:
            self._ticker.join()
        self._bar.close()

    def _tick(self) -> None:
        while not self._ended.wait(REFRESH_INTERVAL):
            self._bar.refresh()

    def count(self) -> None:
        with self._lock:
            self._bar.update()

    def update(self, progress: Progress) -> None:
        if progress.stage != "receiving":
            return
        self._bar.set_description("receiving", refresh=False)
        if progress.total is not None and progress.total != self._bar.total:
            since = self._bar.start_t
            self._bar.reset(progress.total)  # a widget updates its total only on reset
            self._bar.start_t = since
        self._bar.update(progress.received - self._bar.n)
