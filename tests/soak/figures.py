"""What a process holds, and the rule by which it must not grow."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import statistics
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

WARM_UP = 1 / 3
"""Share of the rounds that are not compared, because caches and connection pools fill in them."""


def resident_bytes() -> int:
    """Return the resident memory of this process, or 0 on a system that does not tell it."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


def descriptors() -> int:
    """Return the number of open file descriptors of this process, or 0 on a system that does not tell it."""
    folder = Path("/proc/self/fd") if Path("/proc/self/fd").exists() else Path("/dev/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def return_free_memory() -> None:
    """Return free memory to the system, so that the resident memory is what is in use. Only glibc can do it."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def held() -> dict[str, int]:
    """Return what this process holds after a garbage collection."""
    gc.collect()
    return_free_memory()
    return {
        "memory blocks": sys.getallocatedblocks(),
        "memory (KiB)": resident_bytes() // 1024,
        "descriptors": descriptors(),
        "threads": threading.active_count(),
    }


def growth(values: Sequence[int]) -> tuple[float, float]:
    """Return the median of the first and of the last third of the rounds after the warm-up."""
    warm = values[int(len(values) * WARM_UP) :]
    third = max(len(warm) // 3, 1)
    return statistics.median(warm[:third]), statistics.median(warm[-third:])
