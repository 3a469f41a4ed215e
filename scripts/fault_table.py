"""Write docs/errors.md from the table of the fault matrix in tests/faults/table.py."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from langchain_pollinations import errors as e  # noqa: E402
from tests.faults.rows import Fault, Group  # noqa: E402
from tests.faults.table import GROUPS  # noqa: E402

PAGE = ROOT / "docs" / "errors.md"

INTRO = """\
# When something goes wrong

This page lists what can go wrong, what you get, and what to do. `scripts/fault_table.py` generates it from the table in
`tests/faults/table.py`. Each row is a test: the emulator, or a server on a raw socket, causes the fault, and the test
checks the outcome for sync and async calls, whole responses and streams, with each HTTP library.

For every fault:

- The call ends in an answer, or in the error of the table. All errors of the service derive from `PollinationsError`
  in `langchain_pollinations.errors`. `status_code`, `code`, `request_id`, `retry_after`, `fix_url` and `param` have the
  details.
- The call ends within its time limits.
- "retried: yes" means up to `max_retries` retries (2 by default). A retry sends the same bytes, so that a whole
  response is billed once. `error.is_retryable` tells fallbacks and middleware whether a later call can succeed.
- The text that a stream delivered before the error is in `error.partial`. A file is complete, or it does not exist.
- No API key is in an error, its causes, its traceback, a warning or a log line.
- The same object works when the fault is over.

`list_models` and `alist_models` return the records that ship with the package, with a warning, where the table has an
`APIConnectionError`, a `RequestTimeoutError` or a `ServiceError`. The legacy hosts have no such records.
"""

ADVICE: dict[type[BaseException], str] = {
    e.AuthenticationError: "Set a valid API key.",
    e.UnknownModelError: "Choose a model from `list_models()`. The message suggests similar names.",
    e.PermissionDeniedError: "Allow the model for the key at `error.fix_url`.",
    e.InsufficientBalanceError: "Top up at `error.fix_url`.",
    e.KeyBudgetExhaustedError: "Raise the budget of the key at `error.fix_url`.",
    e.QuestPollenOnlyError: "Allow paid Pollen at `error.fix_url`, or use another model.",
    e.PaymentRequiredError: "Top up the account.",
    e.ContextOverflowError: "Shorten the input, or use a model with a larger context.",
    e.PayloadTooLargeError: "Send less, or `upload` the files.",
    e.ContentBlockedError: "Change the input.",
    e.UnprocessableError: "Change the prompt, or use another model.",
    e.MediaInputError: "Check the URL and the type of the image.",
    e.UnsupportedRequestError: "Use another model or route.",
    e.InvalidRequestError: "Correct the argument that the message names.",
    e.NotFoundError: "Check `base_url`.",
    e.RateLimitError: "Wait `error.retry_after` seconds, or send fewer requests at a time.",
    e.StreamTimeoutError: "Repeat the call, or raise `stream_chunk_timeout`.",
    e.RequestTimeoutError: "Repeat the call, or raise the time limit.",
    e.IncompleteStreamError: "Use `error.partial`, or repeat the call. The service bills it again.",
    e.InvalidResponseError: "Repeat the call later. A proxy may have changed the response.",
    e.ServiceError: "Repeat the call later, or use another model.",
    e.APIConnectionError: "Check the network, the address and the proxy.",
    e.PollinationsError: "Report it to the operator of the service.",
}
"""What to do, by class of the error. A class without an entry has that of its base class."""


def advice(fault: Fault) -> str:
    if fault.do or not isinstance(fault.ends, type):
        return fault.do
    return next((ADVICE[kind] for kind in fault.ends.__mro__ if kind in ADVICE), "")


def outcome(fault: Fault) -> str:
    if isinstance(fault.ends, type):
        return f"`{fault.ends.__name__}`"
    if fault.says:
        return "an empty answer, and a warning"
    return "the answer"


def rows(group: Group) -> Iterator[str]:
    """The rows of a group. Faults with the same outcome are one row, and so are outcomes of the same fault."""
    merged: dict[tuple[str, str, str], list[str]] = {}
    for fault in group.faults:
        retried = "yes" if fault.retried else "no" if isinstance(fault.ends, type) else ""
        phrases = merged.setdefault((outcome(fault), retried, advice(fault)), [])
        phrase = fault.what.partition(" | ")[0]
        if phrase not in phrases:
            phrases.append(phrase)
    ends: dict[tuple[str, str, str], list[str]] = {}
    for (end, retried, do), phrases in merged.items():
        ends.setdefault(("<br>".join(phrases), retried, do), []).append(end)
    for (phrase, retried, do), each in ends.items():
        yield f"| {phrase} | {'<br>'.join(each)} | {retried} | {do} |"


def sections() -> Iterator[str]:
    """The page. A row that is in a table above is not repeated."""
    yield INTRO
    shown: set[str] = set()
    for group in GROUPS:
        own = [row for row in rows(group) if row not in shown]
        shown.update(own)
        table = ["| what goes wrong | what you get | retried | what to do |", "|---|---|---|---|", *own]
        yield f"## {group.title}\n\n{textwrap.fill(group.intro, 120)}\n\n" + "\n".join(table) + "\n"


def page() -> str:
    return "\n".join(sections())


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
