"""Bulk jobs on one machine: rows in, files and a journal out."""

from __future__ import annotations

import asyncio
import copy
import inspect
import os
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from langchain_core.exceptions import OutputParserException
from langchain_core.runnables import Runnable

from langchain_pollinations._jobs.journal import JOURNAL, Journal, read_records
from langchain_pollinations._jobs.results import ResultWriter, error_to_json
from langchain_pollinations._jobs.rows import Row, Rows, read_rows
from langchain_pollinations._media.files import expanded
from langchain_pollinations._media.progress import count_progress
from langchain_pollinations._transport.concurrency import check_abandoned, run_all, run_in_thread
from langchain_pollinations._transport.metering import amount_text
from langchain_pollinations._validation import SEEDS
from langchain_pollinations.errors import (
    AuthenticationError,
    InvalidRequestError,
    PaymentRequiredError,
    PollenBudgetExceeded,
    PollinationsError,
)
from langchain_pollinations.meter import PollenMeter

Call: TypeAlias = Runnable[Any, Any] | Callable[[Any], Any]
AsyncCall: TypeAlias = Runnable[Any, Any] | Callable[[Any], Awaitable[Any]]
Errors: TypeAlias = tuple[type[Exception], ...]

RECORDED: Errors = (PollinationsError, OutputParserException)
"""Errors that are recorded by default. Any other error is a mistake in the program and ends the job."""

ENDING: Errors = (PollenBudgetExceeded, PaymentRequiredError, AuthenticationError)
"""Errors that end the job, because they concern all rows."""


@dataclass(frozen=True)
class JobReport:
    """The result of one run of a job.

    >>> report = run_job([{"city": "Lisbon"}], lambda row: f"Hello, {row['city']}", "greetings")
    >>> [record["result"] for record in report.results()]
    ['Hello, Lisbon']
    """

    folder: Path
    """The folder of the journal and the files."""
    done: int
    """Rows that this run finished."""
    failed: int
    """Rows whose call raised an error in this run. The next run repeats them."""
    skipped: int
    """Rows that earlier runs had finished."""
    cost: Decimal
    """Pollen that this run cost, as `PollenMeter` counts it."""

    @property
    def journal(self) -> Path:
        """The path of the journal."""
        return self.folder / JOURNAL

    def results(self) -> Iterator[dict[str, Any]]:
        """Yield the last record of each row in the journal. `run_job` describes the records."""
        return read_records(self.folder)


def run_job(
    rows: Rows,
    call: Call,
    folder: str | os.PathLike[str],
    *,
    id_column: str | None = None,
    input_column: str | None = None,
    concurrency: int = 8,
    errors: Errors = RECORDED,
    progress: bool | None = None,
) -> JobReport:
    """Call a model for each row, and write the results to a folder. A further run continues an interrupted one.

        >>> painter = PollinationsImage(model="flux", seed=-1)
        >>> report = run_job("prompts.csv", painter, "images", id_column="id", input_column="prompt")
        >>> report.done, report.failed
        (2, 0)

    `Media` are written to files that the id of the row names. The images of an agent are not among them: its messages
    refer to the `media_store` of its tools. All other results are in the journal, `journal.jsonl`. Each line is a
    record of one attempt of a row:

    - `id` and `row`: the id and the values of the row.
    - `status`: `done`, or `failed` if the call raised an error.
    - `result`: the result as JSON, if the row is done. A `Media` has the name of its `file`, and its attributes. A
      message has its `text`, and its other fields. A document has its `page_content` and its `metadata`.
    - `files`: the names of the files of the row.
    - `error`: the `type`, the `message` and the attributes of the error, if the row has failed.
    - `cost`: pollen, as decimal text.
    - `seconds` and `finished`: the duration, and the time when the row was finished.

    A further run with the same folder skips the rows that are done. It repeats rows that have failed, rows that were
    running when the job ended, rows with other values than before, and rows whose files are missing. It does not
    compare the other arguments: use another folder for another `call` or `input_column`. It is safe to end a job with
    Ctrl-C, and to kill its process. After a power failure, the last records may be missing.

    A row that is repeated is not billed twice if its requests are equal to those of the first attempt, because the
    service returns the stored result of an equal request, or that of the generation that is still running. Requests are
    equal if `call` builds them from the row alone. Within a job, the random seeds for `seed=-1` are derived from the id
    of the row. The service does not store all results: it does not store those of `PollinationsVoice`, for instance.

    Several jobs in one process share the rate limits of the models. For several machines, use a tool such as Ray.

    Args:
        rows: The path of a CSV file (with a header) or a JSONL file, or an iterable of dicts. Values of a CSV file are
            text. A list and a file are checked before the job begins.
        call: A runnable, such as a wrapper, a chain or an agent, or a function with one argument. It is called with a
            copy of the row as a dict, or with the value of `input_column`, from several threads.
        folder: The folder of the results. It is created if it does not exist. Only one job may run in a folder.
        id_column: The column with the ids of the rows: texts or whole numbers, each in one row only. With None, the id
            of a row is a digest of its values.
        input_column: The column whose value is passed to `call`. None passes the row.
        concurrency: Maximum number of rows that run at the same time.
        errors: Errors of `call` that are recorded. Any other error ends the job. A wrong key, a balance that is too
            low, and `PollenBudgetExceeded` always end the job. To limit the cost, run the job within
            `PollenMeter(budget=...)`.
        progress: True shows a bar, which requires tqdm. None shows it only in a terminal or a notebook.

    Returns:
        A report with the numbers of rows and the cost of this run.

    Raises:
        InvalidRequestError: If an argument or a row is invalid, or another job runs in the folder.
        PollinationsError: If an error concerns all rows. Rows that are running are recorded before.
        TypeError: If JSON cannot represent the result of `call`.
        OSError: If a file cannot be read or written.
        ImportError: If a bar is requested and tqdm is not installed.
    """
    if inspect.iscoroutinefunction(call):
        raise InvalidRequestError("call: is an async function; use arun_job", param="call")
    invoke = call.invoke if isinstance(call, Runnable) else _check_call(call)
    with _Job(rows, folder, id_column, input_column, concurrency, errors) as job:
        with count_progress(progress, job.total) as count:

            def work() -> None:
                while (row := job.next_row(count)) is not None:
                    check_abandoned()
                    with job.attempt(row) as attempt:
                        attempt.result = invoke(attempt.input)
                    job.record(attempt)
                    count()

            for _ in run_all([work] * concurrency, concurrency):
                pass
        return job.report()


async def arun_job(
    rows: Rows,
    call: AsyncCall,
    folder: str | os.PathLike[str],
    *,
    id_column: str | None = None,
    input_column: str | None = None,
    concurrency: int = 8,
    errors: Errors = RECORDED,
    progress: bool | None = None,
) -> JobReport:
    """Asynchronous version of `run_job`. `call` is a runnable or an async function. After an error that ends the job,
    the rows that are running are cancelled.

        >>> import asyncio
        >>> rows = [{"prompt": "a kite"}, {"prompt": "a boat"}]
        >>> asyncio.run(arun_job(rows, PollinationsImage(), "drawings", input_column="prompt")).done
        2
    """
    invoke = call.ainvoke if isinstance(call, Runnable) else _check_call(call)
    job = await run_in_thread(partial(_Job, rows, folder, id_column, input_column, concurrency, errors))
    with job, count_progress(progress, job.total) as count:

        async def work() -> None:
            while (row := job.next_row(count)) is not None:
                with job.attempt(row) as attempt:
                    attempt.result = await invoke(attempt.input)
                await run_in_thread(job.record, attempt)
                count()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(concurrency):
                    group.create_task(work())
        except BaseExceptionGroup as failed:
            first = failed.exceptions[0]
        else:
            report: JobReport = job.report()
            return report
    raise first  # raised outside the handler, so that the error keeps its own cause


def _check_call(call: Any) -> Any:
    if not callable(call):
        raise InvalidRequestError(f"call: must be a runnable or a function, not {type(call).__name__}", param="call")
    return call


@dataclass
class _Attempt:
    """One call for a row."""

    row: Row
    input: Any
    began: float
    meter: PollenMeter
    result: Any = None
    error: Exception | None = None


class _Job:
    """The state of one run. Any thread may use it."""

    def __init__(
        self,
        rows: Rows,
        folder: str | os.PathLike[str],
        id_column: str | None,
        input_column: str | None,
        concurrency: int,
        errors: Errors,
    ) -> None:
        if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1:
            raise InvalidRequestError(
                f"concurrency: must be a whole number above 0, not {concurrency!r:.60}", param="concurrency"
            )
        classes = errors if isinstance(errors, tuple) else (errors,)
        if not all(isinstance(each, type) and issubclass(each, Exception) for each in classes):
            raise InvalidRequestError(f"errors: must be a tuple of error classes, not {errors!r:.60}", param="errors")
        found = read_rows(rows, id_column)
        self.total = len(found) if isinstance(found, Sequence) else None
        self._rows = iter(found)
        self._input_column = input_column
        self._errors = errors
        self._lock = threading.Lock()
        self._counts = {"done": 0, "failed": 0, "skipped": 0}
        self._meter = PollenMeter()
        self._folder = expanded(folder, "folder").absolute()
        self._journal = Journal(self._folder)

    def __enter__(self) -> _Job:
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    def next_row(self, count: Callable[[], None]) -> Row | None:
        """Return the next row that is not finished, or None at the end. Count the rows that are skipped."""
        with self._lock:
            for row in self._rows:
                if not self._journal.is_finished(row):
                    return row
                self._counts["skipped"] += 1
                count()
        return None

    @contextmanager
    def attempt(self, row: Row) -> Iterator[_Attempt]:
        """The context of the call for a row: its seeds, its costs, and its errors if they are recorded."""
        attempt = _Attempt(row, self._input_of(row), time.monotonic(), PollenMeter())
        token = SEEDS.set(random.Random(row.id))
        try:
            with self._meter, attempt.meter:
                yield attempt
        except self._errors as error:
            if isinstance(error, (*ENDING, CancelledError)):  # a request that waited when the job ended is cancelled
                raise
            attempt.error = error
        finally:
            SEEDS.reset(token)

    def _input_of(self, row: Row) -> Any:
        if self._input_column is None:
            return copy.deepcopy(row.values)  # the call may change it
        if self._input_column not in row.values:
            names = ", ".join(map(repr, row.values))
            raise InvalidRequestError(
                f"input_column: the row {row.id!r:.80} has no column {self._input_column!r}, only {names}",
                param="input_column",
            )
        return copy.deepcopy(row.values[self._input_column])

    def record(self, attempt: _Attempt) -> None:
        """Write the files of a row, then its record."""
        row, outcome, files = attempt.row, dict[str, Any](), list[str]()
        if attempt.error is None:
            writer = ResultWriter(self._folder, row.id)
            outcome = {"status": "done", "result": writer.to_json(attempt.result)}
            files = writer.files
        else:
            outcome = {"status": "failed", "error": error_to_json(attempt.error)}
        record: Mapping[str, Any] = {
            "id": row.id,
            "row": row.values,
            **outcome,
            "files": files,
            "cost": amount_text(attempt.meter.total),
            "seconds": round(time.monotonic() - attempt.began, 3),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        if self._journal.add(record):
            with self._lock:
                self._counts[outcome["status"]] += 1

    def report(self) -> JobReport:
        return JobReport(self._folder, **self._counts, cost=self._meter.total)
