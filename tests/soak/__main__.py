"""Send mixed traffic with faults to an emulator for a while, and show that nothing grows and nothing is lost.

    python -m tests.soak 1800    # seconds

The time is divided into rounds. Half of a round is synchronous, with 50 threads, the other half is asynchronous, with
50 tasks in one event loop. After each round, all requests have ended. Then the requests and the billed generations in
the log of the emulator are compared with the operations of the client, and what this process holds is measured. The
last rounds are compared with the rounds after the warm-up. The exit status is 1 if a rule is broken.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import logging
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from langchain_pollinations import errors

from .figures import growth, held
from .traffic import KINDS, CountRetries, Operation, Wrappers, arun, new_operation, run

IN_FLIGHT = 50
FAULTS = 0.05
ROUND = 10.0
"""Seconds of a round."""
FEWEST_ROUNDS = 9
LEAST_RIGHT = 0.85
"""Share of the operations of a kind that must get a result in spite of the faults."""
HANGS_AFTER = 300.0
"""Seconds after which a round that has not ended ends the soak, with a traceback of each thread."""
LIMITS = {
    "memory blocks": 3_000.0,
    "memory (KiB)": 8 * 1024.0,
    "descriptors": 40.0,
    "threads": 4.0,
    "tasks": 0.0,
    "connections": 50.0,
    "memory of the emulator (KiB)": 48 * 1024.0,
}
"""Allowed growth. It does not depend on the number of operations, so that a long soak finds small leaks.
The number of idle connections, and so of descriptors, differs between rounds."""
ERRORS = {name for name in dir(errors) if isinstance(getattr(errors, name), type)}


class Server:
    """The process of the emulator."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.server", str(FAULTS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.connection: dict[str, str] = self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("The emulator ended")
        return json.loads(line)

    def report(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write("report\n")
        self._process.stdin.flush()
        found: dict[str, Any] = self._read()
        return found

    def stop(self) -> None:
        self._process.communicate()


class Findings:
    """The counts of all rounds, and the operations that broke a rule."""

    def __init__(self) -> None:
        self.held: dict[str, list[int]] = defaultdict(list)
        self.outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        self.slowest: dict[str, float] = defaultdict(float)
        self.counts: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.broken: list[str] = []

    def compare(self, operations: list[Operation], log: dict[str, Any]) -> None:
        """Compare the operations of a round with the log of the emulator."""
        requests, generations = Counter(log["requests"]), Counter(log["generations"])
        self.faults.update(log["faults"])
        self.counts["requests in the log"] += requests.total()
        self.counts["generations in the ledger"] += generations.total()
        if log["still_running"]:
            self.broken.append(f"{log['still_running']} requests of the emulator did not end")
        for operation in operations:
            number = str(operation.number)
            faults = log["faults_by_operation"].get(number, [])
            self._check(operation, requests.pop(number, 0), generations.pop(number, 0), faults)
        for number, count in [*requests.items(), *generations.items()]:
            self.broken.append(f"{count} entries of the log belong to no operation: {number!r}")

    def _check(self, operation: Operation, received: int, generated: int, faults: list[str]) -> None:
        kind = operation.kind
        self.counts["operations"] += 1
        self.counts["attempts of the client"] += operation.attempts
        is_early = kind.is_cut_short
        if is_early:
            self.counts["  not received: ended early"] += operation.attempts - received
        else:
            self.counts["  not received: no connection"] += operation.attempts - received
        self.outcomes[kind.name][operation.outcome] += 1
        self.slowest[kind.name] = max(self.slowest[kind.name], operation.seconds)
        least = operation.attempts - operation.lost - is_early
        problems = {
            "ended with another exception": operation.outcome not in {"right", "wrong", *ERRORS},
            "got a wrong result": operation.outcome == "wrong",
            f"made {operation.attempts} attempts, of which the log has {received}": (
                not least <= received <= operation.attempts
            ),
            f"was generated {generated} times": generated > kind.is_billed
            or (operation.outcome == "right" and not is_early and generated != kind.is_billed),
        }
        called = f"{operation.name} ({kind.name}, {'async' if operation.is_async else 'sync'}: {operation.outcome}, "
        called += f"{operation.seconds:.1f} s, faults {faults}, retried after {operation.retried})"
        self.broken += [f"{called} {problem}" for problem, is_one in problems.items() if is_one]


def _run_threads(wrappers: Wrappers, seconds: float) -> list[Operation]:
    end, done = time.monotonic() + seconds, []

    def work() -> None:
        while time.monotonic() < end:
            done.append(run(wrappers, new_operation(is_async=False)))

    with ThreadPoolExecutor(IN_FLIGHT) as executor:
        for worker in [executor.submit(work) for _ in range(IN_FLIGHT)]:
            worker.result()
    return done


async def _run_tasks(wrappers: Wrappers, seconds: float) -> list[Operation]:
    end, done = time.monotonic() + seconds, []

    async def work() -> None:
        while time.monotonic() < end:
            done.append(await arun(wrappers, new_operation(is_async=True)))

    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(work())
    return done


async def _idle_tasks() -> int:
    """Return the number of tasks that remain after a while."""
    await asyncio.sleep(0.3)
    return len(asyncio.all_tasks()) - 1


def _soak(seconds: float, server: Server, folder: Path) -> Findings:
    findings, wrappers = Findings(), Wrappers(server.connection, folder)
    rounds = max(round(seconds / ROUND), FEWEST_ROUNDS)
    half = seconds / rounds / 2
    with asyncio.Runner() as runner:
        for number in range(rounds):
            faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
            known = len(findings.broken)
            operations = _run_threads(wrappers, half) + runner.run(_run_tasks(wrappers, half))
            tasks = runner.run(_idle_tasks())
            log = server.report()
            findings.compare(operations, log)
            if left := [path.name for path in folder.iterdir()]:
                findings.broken.append(f"files are left: {left}")
            operations.clear()
            found = held() | {"tasks": tasks, "connections": log["connections"]}
            for name, value in (found | {"memory of the emulator (KiB)": log["bytes"] // 1024}).items():
                findings.held[name].append(value)
            print(f"round {number + 1:3} of {rounds}: ", {**found, "broken": len(findings.broken)}, flush=True)
            for problem in findings.broken[known:]:
                print("BROKEN:", problem, flush=True)
    return findings


def _print_tables(findings: Findings) -> None:
    print(f"\n{'kind':20}{'operations':>11}{'right':>8}{'slowest':>9}  errors")
    for kind, outcomes in findings.outcomes.items():
        others = ", ".join(f"{name} {count}" for name, count in outcomes.most_common() if name != "right")
        print(f"{kind:20}{outcomes.total():>11}{outcomes['right']:>8}{findings.slowest[kind]:>7.1f} s  {others}")
    print()
    for name, count in findings.counts.items():
        print(f"{name:30}{count:>10,}")
    share = findings.faults.total() / max(findings.counts["requests in the log"], 1)
    print(f"{'faults':30}{findings.faults.total():>10,}  {share:.1%} of the requests: {dict(findings.faults)}\n")


def _check_results(findings: Findings) -> None:
    for kind in KINDS:
        outcomes = findings.outcomes[kind.name]
        if not kind.is_cut_short and outcomes["right"] < LEAST_RIGHT * outcomes.total():
            findings.broken.append(f"{kind.name}: only {outcomes['right']} of {outcomes.total()} have a result")


def _check_growth(findings: Findings) -> None:
    print(f"{'held after a round':30}{'warm':>12}{'last':>12}{'growth':>10}{'allowed':>10}")
    for name, values in findings.held.items():
        first, last = growth(values)
        print(f"{name:30}{first:>12,.0f}{last:>12,.0f}{last - first:>10,.0f}{LIMITS[name]:>10,.0f}")
        if last - first > LIMITS[name]:
            findings.broken.append(f"{name}: grew from {first:,.0f} to {last:,.0f}")


def _fill_string_cache() -> None:
    """Fill the cache of pydantic for up to 16,384 short strings of JSON, which would grow for half an hour."""
    from_json(json.dumps([f"string {number}" for number in range(200_000)]))


def main(seconds: float) -> int:
    _fill_string_cache()
    warnings.simplefilter("ignore", UserWarning)
    logger = logging.getLogger("langchain_pollinations")
    logger.setLevel(logging.INFO)
    logger.addHandler(CountRetries())
    logger.propagate = False
    server = Server()
    try:
        with tempfile.TemporaryDirectory() as folder:
            findings = _soak(seconds, server, Path(folder))
    finally:
        server.stop()
    _print_tables(findings)
    _check_results(findings)
    _check_growth(findings)
    print()
    for problem in findings.broken[:40]:
        print("BROKEN:", problem)
    print(f"{len(findings.broken)} broken rules in {seconds:.0f} s")
    return 1 if findings.broken else 0


if __name__ == "__main__":
    raise SystemExit(main(float(sys.argv[1])))
