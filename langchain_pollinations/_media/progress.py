"""What is seen of a call that takes minutes: a bar, a line, or a function of the caller's that is told."""

from __future__ import annotations

import inspect
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias

from langchain_pollinations._transport.request import OnProgress
from langchain_pollinations.errors import InvalidRequestError

REFRESH_INTERVAL = 0.5
"""Seconds between two looks at the clock of a bar."""


@dataclass(frozen=True)
class Progress:
    """How far a call is."""

    stage: Literal["queued", "waiting", "receiving", "done"]
    """`queued` before an older host may be asked, `waiting` while the service works, `receiving` while bytes come,
    `done` once all is well."""
    seconds: float
    """Since the call began; while `queued`, since it stands in line."""
    received: int = 0
    """Bytes that have come. A repeat after a lost connection begins at 0 again."""
    total: int | None = None
    """Bytes that there will be, where that is known."""
    left: float | None = None
    """While `queued`, seconds until its turn, as far as known: who is before it may take longer."""


ProgressFunction: TypeAlias = Callable[[Progress], None]
ShowProgress: TypeAlias = bool | ProgressFunction | None
"""None for a bar (while `queued`, a line) where somebody sees it, True for it in any case, False for nothing, or who is
told."""


def check_progress(show: ShowProgress) -> None:
    """Raise a `ValueError` for a function whose calls would have to be awaited, which nobody does."""
    if inspect.iscoroutinefunction(show) or inspect.iscoroutinefunction(getattr(show, "__call__", None)):  # noqa: B004
        raise ValueError("progress: takes a plain function, not an async one: nobody would await it")


@contextmanager
def watch_progress(show: ShowProgress) -> Iterator[OnProgress | None]:
    """What is to be told of the bytes that arrive, inside of the call that it is about; None if nobody looks.

    Everything is told in the thread, and between the steps of the event loop, in which the bytes come.

    Raises:
        InvalidRequestError: If the function to be told is an async one.
        ImportError: If a bar is asked for without tqdm.
    """
    try:
        check_progress(show)
    except ValueError as error:
        raise InvalidRequestError(str(error), param="progress") from None
    if show is False or (show is None and not _is_bar_seen()):
        yield None
    elif callable(show):
        with _reporting(show) as arrived:
            yield arrived
    else:
        with _bar() as bar, _reporting(bar.tell) as arrived:
            yield arrived


@contextmanager
def _reporting(tell: ProgressFunction) -> Iterator[OnProgress]:
    """The stages in their order; `done` only where no error came."""
    since = time.monotonic()
    count: tuple[int, int | None] = 0, None

    def arrived(received: int, total: int | None) -> None:
        nonlocal count
        count = received, total
        tell(Progress("receiving", time.monotonic() - since, received, total))

    tell(Progress("waiting", 0.0))
    yield arrived
    tell(Progress("done", time.monotonic() - since, *count))


# --- What is shown ----------------------------------------------------------------------------------------------------


def show_line(show: ShowProgress, words: str) -> None:
    """Write one plain line to stderr: where somebody sees it, in any case, or never. A function is not told of it."""
    if sys.stderr is not None and (show is True or (show is None and (_is_notebook() or _is_terminal()))):
        sys.stderr.write(f"{words}\n")  # in one piece: lines of several threads do not run into one another
        sys.stderr.flush()


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _is_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in shell.config


def _is_bar_seen() -> bool:
    """Whether there is a bar to show, and somebody who sees it."""
    return find_spec("tqdm") is not None and (_has_widgets() or _is_terminal())


def _has_widgets() -> bool:
    """Whether this is a notebook whose bars are widgets. Without ipywidgets tqdm would warn instead of showing one."""
    return _is_notebook() and find_spec("ipywidgets") is not None


@contextmanager
def _bar() -> Iterator[_Bar]:
    """A bar that vanishes at the end, whichever that is."""
    try:
        tqdm = import_module("tqdm.auto" if _has_widgets() else "tqdm.std").tqdm  # which takes a while: not before
    except ImportError as error:
        raise ImportError("progress=True shows a bar of tqdm: pip install tqdm, or give a function to call") from error
    own = type("_Tqdm", (tqdm,), {"monitor_interval": 0})  # its thread would outlive the bar, and ours does its work
    bar = _Bar(own(desc="waiting", unit="B", unit_scale=True, unit_divisor=1024, leave=False, dynamic_ncols=True))
    try:
        bar.start()
        yield bar
    finally:
        bar.end()


class _Bar:
    """A bar of tqdm, and a thread that lets its clock go on while nothing comes."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
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

    def tell(self, progress: Progress) -> None:
        if progress.stage != "receiving":
            return
        self._bar.set_description("receiving", refresh=False)
        if progress.total is not None and progress.total != self._bar.total:
            since = self._bar.start_t
            self._bar.reset(progress.total)  # the only way in which a widget learns of it
            self._bar.start_t = since
        self._bar.update(progress.received - self._bar.n)
