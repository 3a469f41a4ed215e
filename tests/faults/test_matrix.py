"""Every fault ends in the right answer or the right error: in time, nothing lost, nothing paid twice, no key seen.

`FAULTS=all` runs each fault with all columns that it applies to, instead of one for each path in the code.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import re
import socket
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from langchain_pollinations import errors
from langchain_pollinations._transport.http_clients import _ssl_context
from langchain_pollinations._transport.rate_limits import RATE_LIMITS
from langchain_pollinations.emulator import Emulator
from scripts import fault_table
from tests.faults.columns import COLUMNS, Call, Column
from tests.faults.rows import Emulated, Fault
from tests.faults.service import CERTIFICATES, FaultyService, faulty_service
from tests.faults.table import FAULTS
from tests.faults.wire import KEY
from tests.helpers.secrets import found_in, leaks_of

HANGS = 30.0
"""Seconds that no cell needs, even on a busy machine."""
LONG = 60.0
"""Seconds of the time limits that a row does not set. Only the limit of the row can end a call before `HANGS`."""
SNAPSHOT_AFTER = (errors.APIConnectionError, errors.RequestTimeoutError, errors.ServiceError)
"""Errors of a model list after which the records that ship with the package are returned, with a warning."""
TIME_LIMITS = ("timeout", "total_timeout", "stream_chunk_timeout")
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


@pytest.fixture(scope="module")
def service() -> Iterator[FaultyService]:
    with Emulator() as emulator, faulty_service(emulator) as made:
        yield made


@pytest.fixture(scope="module")
def closed() -> Iterator[str]:
    """The URL of a port on which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@dataclass
class Outcome:
    answer: Any = None
    error: BaseException | None = None
    chunks: list[str] = field(default_factory=list)
    retries: int = 0
    seconds: float = 0.0
    warned: list[str] = field(default_factory=list)
    billed_before: int = 0


class _Retries(logging.Handler):
    """Counts the retries, and keeps all lines of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextlib.contextmanager
def observed(outcome: Outcome) -> Iterator[None]:
    logger, handler, level = logging.getLogger("langchain_pollinations"), _Retries(), logging.INFO
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    start = time.monotonic()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.simplefilter("ignore", DeprecationWarning)  # httpx-aiohttp uses a part of aiohttp that will go
            yield
        outcome.warned = [str(each.message) for each in caught]
    finally:
        outcome.seconds = time.monotonic() - start
        logger.removeHandler(handler)
        logger.setLevel(before)
        outcome.retries = sum(line.startswith("Retry ") for line in handler.lines)
        assert all(line.isprintable() and KEY not in line for line in handler.lines)


def ask(call: Call, act: Any, billed: int) -> Outcome:
    outcome = Outcome(chunks=call.chunks, billed_before=billed)
    with observed(outcome):
        try:
            outcome.answer = act(call)
        except (Exception, KeyboardInterrupt) as error:
            outcome.error = error
    return outcome


async def aask(call: Call, act: Any, billed: int) -> Outcome:
    outcome = Outcome(chunks=call.chunks, billed_before=billed)
    with observed(outcome):
        try:
            outcome.answer = await act(call)
        except (Exception, asyncio.CancelledError) as error:
            outcome.error = error
    return outcome


@dataclass
class Cell:
    """A fault in a column, with the object of the column."""

    fault: Fault
    name: str
    service: FaultyService
    folder: Path
    closed: str
    made: Any = None

    @property
    def column(self) -> Column:
        return COLUMNS[self.name]

    def fill(self, text: str) -> str:
        urls = {**self.service.urls, "gen_tls": self.service.urls["gen"].replace("http:", "https:")}
        urls["netloc"] = urls["gen"].removeprefix("http://")
        places = {**urls, "closed": self.closed, "certificates": str(CERTIFICATES), "key": KEY}
        return re.sub(r"\{(\w+)\}", lambda found: places.get(found[1], found[0]), text)

    def fields(self, own: dict[str, Any]) -> dict[str, Any]:
        urls = self.service.urls
        fields: dict[str, Any] = {"max_retries": 1, "timeout": LONG, **own}
        if self.column.host == "gen":
            fields |= {"base_url": urls["gen"], "api_key": KEY}
        else:
            fields |= {"api": "legacy", "legacy_text_url": urls["text"], "legacy_image_url": urls["image"]}
            fields |= {"legacy_interval": 0}
        if self.column.client == "aiohttp":
            fields["async_transport"] = "aiohttp"
        for name, value in self.fault.fields.items():
            if name.startswith("legacy_") is (self.column.host != "gen") or not name.endswith("_url"):
                fields[name] = self.fill(value) if isinstance(value, str) else value
        return fields

    def break_(self, times: int) -> None:
        by = self.fault.by
        self.service.break_(None)
        self.service.is_emulator_faulty = isinstance(by, Emulated)
        if isinstance(by, Emulated):
            by.inject(self.service.emulator, times)
        elif isinstance(by, bytes):
            self.service.break_(re.sub(rb"\{(\w+)\}", lambda found: self.fill(found[0].decode()).encode(), by), times)
        else:
            self.service.break_(by, times)

    def heal(self) -> None:
        self.service.break_(None)
        self.service.is_emulator_faulty = False
        self.service.emulator.script.clear()
        self.service.emulator.legacy.script.clear()

    def calls(self, own: dict[str, Any]) -> list[tuple[Any, bool]]:
        """The calls of the cell: with the fault; and again when the service works, or fails once more if the fault is
        retried."""

        def act(call: Call) -> Any:
            self.break_(self.fault.times)
            self.made = self.column.make(**self.fields(own))
            if self.fault.act is None:
                return self.column.use(self.made, call)
            return self.fault.act(self.column, self.made, call, self.service)

        def again(call: Call) -> Any:
            self.heal()
            if self.recovers:
                self.break_(1)
            return self.column.use(self._patient(), call)

        return [(act, True), *([(again, False)] if self.fault.heals else [])]

    @property
    def limits(self) -> dict[str, float]:
        """The time limits of the row, as a busy machine needs them."""
        return {name: LONG for name in TIME_LIMITS if name in self.fault.fields}

    @property
    def recovers(self) -> bool:
        """Whether the fault happens once in the second call."""
        return self.fault.retried and not self.limits

    def _patient(self) -> Any:
        """The object with the same connections, and with longer time limits."""
        if not self.limits:
            return self.made
        return self.made | self.limits if isinstance(self.made, dict) else self.made.model_copy(update=self.limits)

    # What is promised.

    def check(self, outcome: Outcome, is_first: bool) -> None:
        assert outcome.seconds < HANGS
        if is_first:
            self._check_end(outcome)
        else:
            self._check_healed(outcome)
        for error in [outcome.error] if outcome.error is not None else []:
            self._check_secrets(error)
        assert found_in(outcome.warned, (KEY,)) == []
        self._check_requests(outcome, is_first)
        self._check_files(outcome)

    def _check_end(self, outcome: Outcome) -> None:
        ends, says = self.fault.ends, self.fill(self.fault.says)
        if isinstance(ends, type) and self.column.has_snapshot and issubclass(ends, SNAPSHOT_AFTER):
            assert outcome.error is None, _shown(outcome.error)
            assert outcome.answer
            assert ["snapshot" in each for each in outcome.warned] == [True]
            return
        if not isinstance(ends, type):
            assert outcome.error is None, _shown(outcome.error)
            if ends is not None or (self.fault.act is None and self.fault.sends is None):
                self._check_answer(outcome.answer, ends)
            else:
                assert outcome.answer
            assert [bool(re.search(says, each)) for each in outcome.warned] == [True] * bool(says)
            return
        assert type(outcome.error) is ends or (ends in (OSError, ValueError, errors.PollinationsError) and isinstance(
            outcome.error, ends)), _shown(outcome.error)  # fmt: skip
        assert outcome.warned == []
        assert re.search(re.escape(says) if says == _plain(says) else says, str(outcome.error))
        if self.fault.partial is not None:
            partial = getattr(outcome.error, "partial", None)
            assert partial == self.fault.partial
            assert not outcome.chunks or "".join(outcome.chunks).strip() in (partial.strip(), "")

    def _check_healed(self, outcome: Outcome) -> None:
        assert outcome.error is None, _shown(outcome.error)
        self._check_answer(outcome.answer, None)
        assert outcome.warned == []

    def _check_answer(self, answer: Any, expected: Any) -> None:
        """The answer is the expected one. None is the answer of this column in all rows when the service works."""
        if expected is None:
            assert answer
            expected = self.service.answers.setdefault(self.name, answer)
        assert answer == expected

    def _check_secrets(self, error: BaseException) -> None:
        assert leaks_of(error, (KEY,)) == {}
        if isinstance(error, errors.PollinationsError):
            assert str(error).isprintable()
            assert len(str(error.body)) <= 2**20

    def _check_requests(self, outcome: Outcome, is_first: bool) -> None:
        fault, requests = self.fault, self.service.requests
        retries = fault.retried * fault.retries if is_first else self.recovers
        assert outcome.retries == retries, "retries"
        sends = 1 + retries if fault.sends is None or not is_first else fault.sends
        if self.fault.sends != -1:  # requests of cancelled calls may arrive late
            assert len(requests) == sends, "requests"
        # Equal requests are billed once: the service joins them, or returns the stored result.
        if fault.sends is None and requests:
            assert len({(host, head, body) for host, head, body in requests}) == 1, "a retry sends the same bytes"
        for host, head, body in requests:
            assert host in ("gen",) or KEY.encode() not in head + body, "another host learned the key"
            assert KEY.encode() not in head.partition(b"\r\n")[0] + body, "the key is in a header only"
            assert b"cookie:" not in head.lower()
        # The service does not join streams: each attempt that it begins is billed.
        is_stream = "stream" in self.column.use.__name__
        bills = len(self.service.emulator.ledger) - outcome.billed_before
        assert fault.sends is not None or bills <= (len(requests) if is_stream else 1), "paid twice"

    def _check_files(self, outcome: Outcome) -> None:
        names = [path.name for path in self.folder.iterdir()]
        is_saved = outcome.error is None and "video.mp4" in names
        assert names == ["video.mp4"] * is_saved
        for name in names:
            (self.folder / name).unlink()


def _plain(pattern: str) -> str:
    return re.sub(r"[*+?|\[\]]", "", pattern)


def _shown(error: BaseException | None) -> str:
    return "" if error is None else "".join(traceback.format_exception(error))


def _cells() -> list[Any]:
    return [
        pytest.param(fault, name, id=f"{fault.what}-{name}")
        for number, fault in enumerate(FAULTS)
        for name in fault.on.chosen(number)
    ]


@contextlib.contextmanager
def own_clients(library: str) -> Iterator[dict[str, Any]]:
    """Clients of the caller, as fields of an object."""
    if library in ("httpx", "aiohttp"):
        if library == "aiohttp":
            pytest.importorskip("httpx_aiohttp")
        yield {}
        return
    module = pytest.importorskip(library)
    with module.Client(timeout=5, verify=False) as client:  # reading certificates takes long
        yield {"http_client": client}


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize(("fault", "name"), _cells())
def test_a_fault_ends_as_promised(
    service: FaultyService, closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault, name: str
) -> None:
    cell = Cell(fault, name, service, tmp_path, closed)
    service.emulator.reset()
    service.emulator.keys[KEY] = {"balance": 1000}
    monkeypatch.setenv("POLLINATIONS_WAIT_FOR_RATE_LIMIT", "1")  # the default, which other tests switch off
    RATE_LIMITS._windows.clear()  # else a cell waits for the requests of the cells before it
    for variable in VARIABLES:
        for each in (variable, variable.lower()):
            monkeypatch.delenv(each, raising=False)
    reads_certificates = any(variable.startswith("SSL") for variable in fault.env)
    for variable, value in fault.env.items():
        monkeypatch.setenv(variable, cell.fill(value))
    if reads_certificates:
        _ssl_context.cache_clear()
    try:
        with own_clients(cell.column.client) as own:
            run(cell, own)
    finally:
        cell.heal()
        if reads_certificates:
            _ssl_context.cache_clear()


def run(cell: Cell, own: dict[str, Any]) -> None:
    ledger = cell.service.emulator

    async def all_calls() -> None:
        async with contextlib.AsyncExitStack() as stack:
            if own:
                module = importlib.import_module(cell.column.client)
                own["http_async_client"] = await stack.enter_async_context(module.AsyncClient(timeout=5, verify=False))
            for act, is_first in cell.calls(own):
                await asyncio.sleep(0 if is_first else cell.fault.pause)
                cell.check(await aask(Call(cell.folder), act, len(ledger.ledger)), is_first)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not [task for task in left if "pollinations" in repr(task.get_coro())]

    if cell.column.is_async:
        asyncio.run(all_calls())
        return
    for act, is_first in cell.calls(own):
        time.sleep(0 if is_first else cell.fault.pause)
        cell.check(ask(Call(cell.folder), act, len(ledger.ledger)), is_first)


def test_the_page_shows_the_table() -> None:
    assert fault_table.PAGE.read_text("utf-8") == fault_table.page(), "run scripts/fault_table.py"
    assert len({fault.what for fault in FAULTS}) == len(FAULTS) >= 120
