"""Bulk jobs: each row is done once, whatever interrupts the job."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.prompts import ChatPromptTemplate

from langchain_pollinations import (
    AuthenticationError,
    ChatPollinations,
    InvalidRequestError,
    JobReport,
    Media,
    PollenBudgetExceeded,
    PollenMeter,
    PollinationsEmbeddings,
    PollinationsImage,
    arun_job,
    run_job,
)
from langchain_pollinations._jobs.results import file_stem
from langchain_pollinations._transport.concurrency import sleep
from langchain_pollinations.emulator import Emulator

Run = Callable[..., JobReport]

SCRIPT = """
import json
from langchain_pollinations import ChatPollinations, run_job

chat = ChatPollinations(seed=-1, **{connection!r})
report = run_job({rows!r}, chat, {folder!r}, id_column="id", input_column="prompt", concurrency=16)
print(json.dumps([report.done, report.failed, report.skipped]))
"""


@pytest.fixture
def slow() -> Iterator[Emulator]:
    """An emulator whose requests are running when a process ends. Its ledger has no generations of earlier tests, which
    go on after a test has cancelled its requests."""
    with Emulator(latency=0.03) as emulator:
        yield emulator


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Run:
    """`run_job` or `arun_job`. A function is made async for the latter."""
    if request.param == "sync":
        return run_job

    def run_async(rows: Any, call: Any, folder: Any, **options: Any) -> JobReport:
        async def called(row: Any) -> Any:
            return call(row)

        given = call if hasattr(call, "invoke") or not callable(call) else called
        return asyncio.run(arun_job(rows, given, folder, **options))

    return run_async


def prompts(count: int) -> list[dict[str, Any]]:
    return [{"id": f"row-{number}", "prompt": f"Hello number {number}"} for number in range(count)]


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text("utf-8").splitlines()]


def wait_for_records(folder: Path, count: int) -> None:
    journal, given_up = folder / "journal.jsonl", time.monotonic() + 60
    while not journal.exists() or journal.read_bytes().count(b"\n") < count:
        assert time.monotonic() < given_up
        time.sleep(0.01)


# --- Interruptions ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_of_600_rows_none_is_lost_and_none_is_generated_twice_by_a_killed_job(slow: Emulator, tmp_path: Path) -> None:
    table, folder = tmp_path / "rows.jsonl", tmp_path / "out"
    table.write_text("".join(json.dumps(row) + "\n" for row in prompts(600)), "utf-8")
    script = SCRIPT.format(connection=slow.connection(), rows=str(table), folder=str(folder))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as first:
        wait_for_records(folder, 200)
        first.kill()
    assert first.returncode == -signal.SIGKILL
    done = len(records(folder))
    assert 200 <= done < 600
    second = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(second.stdout) == [600 - done, 0, done]
    found = records(folder)
    assert Counter(each["id"] for each in found) == {row["id"]: 1 for row in prompts(600)}
    assert all(each["status"] == "done" and each["result"]["text"] for each in found)
    assert len(slow.ledger) == 600  # the rows that were running were sent again, and not generated again
    assert len(slow.requests) > 600


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a process")
def test_ctrl_c_leaves_a_journal_that_can_be_continued(slow: Emulator, tmp_path: Path) -> None:
    table, folder = tmp_path / "rows.csv", tmp_path / "out"
    table.write_text("id,prompt\n" + "".join(f"{row['id']},{row['prompt']}\n" for row in prompts(200)), "utf-8")
    script = SCRIPT.format(connection=slow.connection(), rows=str(table), folder=str(folder))
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) as process:
        wait_for_records(folder, 40)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in said
    done = len(records(folder))
    report = run_job(
        table, ChatPollinations(seed=-1, **slow.connection()), folder, id_column="id", input_column="prompt"
    )
    assert (report.done, report.skipped) == (200 - done, done) and 40 <= done < 200
    assert len(slow.ledger) == len({each["id"] for each in records(folder)}) == 200


def test_a_torn_last_record_is_removed_and_its_row_runs_again(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    chat = ChatPollinations(**emulator.connection())
    run(prompts(3), chat, tmp_path, id_column="id", input_column="prompt", concurrency=1)
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    (tmp_path / f".{'0' * 32}.part").write_bytes(b"half a file")
    report = run(prompts(3), chat, tmp_path, id_column="id", input_column="prompt")
    assert (report.done, report.skipped, report.cost) == (1, 2, 0)  # the service has stored the response
    assert [each["id"] for each in report.results()] == ["row-0", "row-1", "row-2"]
    assert {path.name for path in tmp_path.iterdir()} == {"journal.jsonl", ".lock"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit for the size of files")
def test_a_record_that_is_written_in_part_is_removed_and_is_an_error(run: Run, tmp_path: Path) -> None:
    import resource

    run([{"n": 1}], json.dumps, tmp_path)
    before = (tmp_path / "journal.jsonl").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # as on a full disk
    try:
        with pytest.raises(OSError, match="too large"):
            run([{"n": 2}], lambda row: "a" * 2000, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "journal.jsonl").read_bytes() == before


NO_RECORDS = (
    '{"id": "1"}',
    '{"id": [], "row": {}, "status": "done", "files": []}',
    '{"id": "1", "row": {}, "status": "done", "files": 5}',
    '{"id": "1", "row": {}, "status": "done", "files": [5]}',
    '{"id": "1", "row": ' + "[" * 200_000 + "]" * 200_000 + ', "status": "done", "files": []}',
)


@pytest.mark.parametrize("line", NO_RECORDS)
def test_another_line_that_is_no_record_is_an_error(tmp_path: Path, line: str) -> None:
    (tmp_path / "journal.jsonl").write_text(f"{line}\n", "utf-8")
    with pytest.raises(InvalidRequestError, match="^folder: line 1 of journal.jsonl is not a record"):
        run_job([], str, tmp_path)


def test_one_job_at_a_time_runs_in_a_folder(tmp_path: Path) -> None:
    def call(row: Any) -> None:
        run_job([], str, tmp_path)

    with pytest.raises(InvalidRequestError, match="another job is running in"):
        run_job([{}], call, tmp_path, errors=())


# --- Rows and results -------------------------------------------------------------------------------------------------


def test_media_are_files_and_everything_else_is_in_the_journal(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    painter = PollinationsImage(width=16, height=16, seed=-1, output_folder=tmp_path, **emulator.connection())
    rows = [{"name": "A cat", "prompt": "a cat"}, {"name": "dog", "prompt": "a dog"}]
    report = run(rows, painter, tmp_path, id_column="name", input_column="prompt")
    by_id = {each["id"]: each for each in report.results()}
    assert by_id.keys() == {"A cat", "dog"}
    assert report.cost == sum(Decimal(each["cost"]) for each in by_id.values()) > 0
    for id, stem in (("A cat", file_stem("A cat")), ("dog", "dog")):
        result = by_id[id]["result"]
        assert result["file"] == f"{stem}.jpg" == by_id[id]["files"][0]
        assert Media.from_file(tmp_path / result["file"]).size > 100
        assert result["prompt"] == by_id[id]["row"]["prompt"] and result["seed"] >= 0
    assert {path.suffix for path in tmp_path.iterdir()} == {".jpg", ".jsonl", ""}
    assert len(list(tmp_path.glob("*.jpg"))) == 2
    (tmp_path / "dog.jpg").unlink()
    again = run(rows, painter, tmp_path, id_column="name", input_column="prompt")
    assert (again.done, again.skipped, again.cost) == (1, 1, 0)  # the seed of the row is the same
    assert (tmp_path / "dog.jpg").is_file() and len(emulator.ledger) == 2


def test_a_call_may_be_a_chain_or_a_function_and_return_several_things(
    run: Run, emulator: Emulator, tmp_path: Path
) -> None:
    service = emulator.connection()
    chain = ChatPromptTemplate.from_template("Say {word}") | ChatPollinations(**service)
    (chat,) = run([{"word": "yes"}], chain, tmp_path / "chain").results()
    assert (
        chat["result"]["text"] and chat["result"]["usage_metadata"]["total_tokens"] and chat["row"] == {"word": "yes"}
    )

    vectors = PollinationsEmbeddings(dimensions=128, **service)
    painter = PollinationsImage(width=16, height=16, **service)

    def call(row: Any) -> Any:
        return {"vector": vectors.embed_query(row["a"]), "images": [painter.generate(row["a"], seed=n) for n in (1, 2)]}

    (several,) = run([{"a": "cat"}], call, tmp_path / "several").results()
    assert len(several["result"]["vector"]) == 128
    stem = several["id"]
    assert several["files"] == [f"{stem}.jpg", f"{stem}~2.jpg"]


def test_no_file_of_another_row_or_of_the_caller_is_overwritten_or_deleted(run: Run, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    def call(row: Any) -> Any:
        return [Media.from_file(tmp_path / "photo.png")] * 2

    report = run([{"n": 1}, {"n": 1}, {"n": 2}], call, tmp_path)
    files = [name for each in report.results() for name in each["files"]]
    assert len(set(files)) == 6
    assert {path.name for path in tmp_path.glob("*.png")} == {"photo.png", *files}


def test_a_call_may_change_its_row_and_a_row_is_compared_as_json(run: Run, tmp_path: Path) -> None:
    def call(row: Any) -> None:
        row["list"].append(row.pop("n"))

    rows = [{"n": 1, "list": (1, 2), "map": {2: "a", 10: "b"}}]
    assert run(rows, call, tmp_path).done == 1
    assert run(rows, call, tmp_path).skipped == 1
    (record,) = records(tmp_path)
    assert record["row"] == {"n": 1, "list": [1, 2], "map": {"2": "a", "10": "b"}} and rows[0]["n"] == 1


def test_rows_with_equal_values_all_run_and_changed_rows_run_again(run: Run, tmp_path: Path) -> None:
    assert run(iter([{"n": 1}, {"n": 1}, {"n": 2}]), json.dumps, tmp_path / "a").done == 3
    assert run(iter([{"n": 1}, {"n": 1}, {"n": 2}, {"n": 1}]), json.dumps, tmp_path / "a").done == 1
    assert run([{"id": 1, "n": 1}, {"id": 2, "n": 1}], json.dumps, tmp_path / "b", id_column="id").done == 2
    report = run([{"id": 1, "n": 1}, {"id": 2, "n": 2}], json.dumps, tmp_path / "b", id_column="id")
    assert (report.done, report.skipped) == (1, 1)
    assert [each["result"] for each in report.results()] == ['{"id": 1, "n": 1}', '{"id": 2, "n": 2}']


BAD_ROWS = {
    "a.csv": ("id,b\n1\n", "line 2 must have 2 values"),
    "b.csv": ('id,b\n1,"2\n', "line 1 is not valid CSV"),
    "h.csv": ("id,b,b\n1,2,3\n", "line 1 names the column 'b' 2 times"),
    "i.jsonl": ("[" * 100_000, "line 1 is not valid JSON"),
    "c.jsonl": ('{"id": 1}\n{', "line 2 is not valid JSON"),
    "d.jsonl": ('{"id": 1}\n[1]', "line 2 must be a dict"),
    "e.jsonl": ('{"id": 1}\n\n{"id": "1"}', "line 3 has the id '1' of an earlier row"),
    "f.jsonl": ('{"n": 1}', "line 1 needs a text or a whole number in its column 'id'"),
    "g.txt": ("", "must end with .csv, .jsonl"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_file_with_a_wrong_row_is_an_error_before_the_first_call(run: Run, tmp_path: Path, name: str) -> None:
    text, says = BAD_ROWS[name]
    (tmp_path / name).write_text(text, "utf-8")
    called: list[Any] = []
    with pytest.raises(InvalidRequestError, match=f"^rows: .*{says}"):
        run(tmp_path / name, called.append, tmp_path / "out", id_column="id")
    assert called == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"rows": {"id": 1}}, "^rows: must be the path of a CSV or JSONL file, or an iterable of dicts, not dict"),
        ({"rows": [{"a": b""}]}, "^rows: row 1 must hold only values of JSON"),
        ({"call": "flux"}, "^call: must be a runnable or a function, not str"),
        ({"concurrency": 0}, "^concurrency: must be a whole number above 0"),
        ({"input_column": "prompt"}, "^input_column: the row .* has no column 'prompt', only 'a'"),
        ({"errors": ValueError()}, "^errors: must be a tuple of error classes"),
        ({"progress": 1}, "^progress: must be True, False or None"),
    ],
)
def test_a_wrong_argument_is_an_error(run: Run, tmp_path: Path, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        given = {"rows": [{"a": 1}], "call": str, "folder": tmp_path, **arguments}
        run(given.pop("rows"), given.pop("call"), given.pop("folder"), **given)


def test_an_async_function_needs_arun_job(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="use arun_job"):
        run_job([{}], asyncio.sleep, tmp_path)


@pytest.mark.parametrize(
    ("result", "says"),
    [(object(), "returned a object"), ({"a": [math.nan]}, "JSON cannot represent the result of the row '[0-9a-f]+'")],
)
def test_a_result_that_json_cannot_represent_ends_the_job(run: Run, tmp_path: Path, result: Any, says: str) -> None:
    with pytest.raises(TypeError, match=f"^call: {says}"):
        run([{"a": 1}], lambda row: result, tmp_path)


@pytest.mark.parametrize(
    ("id", "stem"),
    [
        ("con", "con-"),
        ("lpt1", "lpt1-"),
        ("control", "control"),
        ("a-1", "a-1"),
        ("../a", "_a-"),
        ("A", "a-"),
        ("a.b", "a_b-"),
        (".", "_-"),
    ],
)
def test_ids_become_safe_file_names(id: str, stem: str) -> None:
    assert file_stem(id).startswith(stem) and (file_stem(id) == id) == (id == stem)


# --- Errors and costs -------------------------------------------------------------------------------------------------


def test_an_error_of_a_row_is_recorded_and_repeated_by_the_next_run(
    run: Run, emulator: Emulator, tmp_path: Path
) -> None:
    emulator.fail(400)
    chat = ChatPollinations(**emulator.connection())
    report = run(prompts(3), chat, tmp_path, id_column="id", input_column="prompt", concurrency=1)
    assert (report.done, report.failed) == (2, 1)
    first = records(tmp_path)[0]
    assert first["status"] == "failed" and first["error"]["status_code"] == 400 and first["cost"] == "0"
    again = run(prompts(3), chat, tmp_path, id_column="id", input_column="prompt")
    assert (again.done, again.failed, again.skipped) == (1, 0, 2)
    assert {each["status"] for each in again.results()} == {"done"}


def test_errors_that_concern_all_rows_and_mistakes_in_the_program_end_the_job(
    run: Run, emulator: Emulator, tmp_path: Path
) -> None:
    chat = ChatPollinations(base_url=emulator.url, api_key="sk_wrong")
    with pytest.raises(AuthenticationError):
        run(prompts(30), chat, tmp_path / "a", id_column="id", input_column="prompt", concurrency=2)
    assert len(emulator.requests) <= 4

    def call(row: Any) -> None:
        raise OutputParserException("no") if row["n"] else KeyError("n")

    with pytest.raises(KeyError):
        run([{"n": 1}, {"n": 0}, {"n": 2}], call, tmp_path / "b", concurrency=1)
    (recorded,) = records(tmp_path / "b")
    assert recorded["error"]["type"] == "OutputParserException" and recorded["error"]["message"].startswith("no")


def test_a_row_that_waits_when_the_job_ends_is_not_recorded(tmp_path: Path) -> None:
    def call(row: Any) -> None:
        if row["n"]:
            sleep(60)  # as for a rate limit
        raise AuthenticationError("no")

    with pytest.raises(AuthenticationError):
        run_job([{"n": 1}, {"n": 0}], call, tmp_path, concurrency=2, errors=(Exception,))
    assert records(tmp_path) == []


def test_a_meter_limits_the_cost_of_a_job(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    painter = PollinationsImage(model="flux", width=16, height=16, **emulator.connection())
    options = {"id_column": "id", "input_column": "prompt"}
    with pytest.raises(PollenBudgetExceeded), PollenMeter(budget="0.01") as meter:  # an image costs 0.002
        run(prompts(9), painter, tmp_path, **options, concurrency=2)
    assert 3 <= len(emulator.ledger) <= 5 and meter.total <= Decimal("0.01")  # a request may have been cancelled
    report = run(prompts(9), painter, tmp_path, **options)
    assert len(emulator.ledger) == 9 and report.done + report.skipped == 9


def test_a_bar_counts_rows_and_inputs(run: Run, emulator: Emulator, tmp_path: Path, capsys: Any) -> None:
    chat = ChatPollinations(**emulator.connection())
    run(prompts(3), chat, tmp_path, id_column="id", input_column="prompt", progress=True)
    assert "3/3" in capsys.readouterr().err
    run(prompts(4), chat, tmp_path, id_column="id", input_column="prompt", progress=True)
    assert "4/4" in capsys.readouterr().err
