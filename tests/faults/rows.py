"""The rows of the matrix: what goes wrong, how the service does it, and the promised outcome. The docs page shows them.

`BY_DEFAULT` names the advice for each class of error. A row names its own only if it differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_pollinations.emulator import Emulator
from tests.faults.columns import ANY, Paths
from tests.faults.wire import Script


@dataclass(frozen=True)
class Emulated:
    """A fault of the emulator: a status or the name of a case, and the arguments of `fail`."""

    case: int | str
    options: Mapping[str, Any] = field(default_factory=dict)
    legacy: bool = False

    def inject(self, emulator: Emulator, times: int) -> None:
        host = emulator.legacy if self.legacy else emulator
        host.fail(self.case, times=times, **self.options)


@dataclass(frozen=True)
class Fault:
    """A row of the matrix."""

    what: str
    """What goes wrong, for users."""
    by: Script | Emulated | None
    """What the service does. None is the genuine response."""
    on: Paths
    ends: type[BaseException] | str | None
    """Class of the error, or the text of the answer. None is the genuine answer."""
    retried: bool = False
    retries: int = 1
    """Retries of a call whose requests all fail, if the fault is retried. The object has `max_retries=1`."""
    says: str = ""
    """Pattern of the message of the error, or of the warning beside an answer."""
    partial: str | None = None
    """Text that a stream delivered before the error."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the object. `{gen}` in a text is the URL of that host."""
    env: Mapping[str, str] = field(default_factory=dict)
    times: int = 10_000
    """Number of requests that fail."""
    act: Callable[..., Any] | None = None
    """What the caller does instead of the call of the column."""
    sends: int | None = None
    """Requests that the service receives, if they are not one for each attempt."""
    pause: float = 0.0
    """Seconds before the second call."""
    heals: bool = True
    """Whether the same object works when the service does."""
    do: str = ""
    """What the user can do. By default, the advice for the class of the error."""


@dataclass(frozen=True)
class Group:
    title: str
    intro: str
    faults: Sequence[Fault]


def emulated(
    what: str, case: int | str, ends: type[BaseException], on: Paths = ANY, *, legacy: bool = False, **given: Any
) -> Fault:
    """A row whose fault the emulator injects. `given` has fields of `Fault` and arguments of `fail`."""
    known = {name: given.pop(name) for name in [*given] if name in Fault.__dataclass_fields__}
    if legacy or isinstance(case, int) or known.get("retried"):
        given.setdefault("headers", {"retry-after": "0"} if known.get("retried") else {})
    return Fault(what, Emulated(case, given, legacy), on, ends, **known)
