"""`batch` of runnables that send requests."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from langchain_core.runnables.config import get_config_list

from langchain_pollinations._transport.concurrency import run_all


class BatchMixin:
    """Mixin for runnables that send requests. Ctrl-C ends a batch at once; LangChain's own `batch` waits for all
    running requests. If requests wait in the queue of the legacy hosts, the inputs run one after another in the calling
    thread. Threads would only wait for minutes in this queue."""

    if not TYPE_CHECKING:  # type checkers see LangChain's methods, which have the types of inputs and outputs

        def batch(self, inputs: list[Any], config: Any = None, **options: Any) -> list[Any]:
            """Return the result of `invoke` for each input. Inputs run concurrently, except on the legacy hosts."""
            results = dict(self.batch_as_completed(inputs, config, **options))
            return [results[index] for index in range(len(inputs))]

        def batch_as_completed(
            self, inputs: Sequence[Any], config: Any = None, **options: Any
        ) -> Iterator[tuple[int, Any]]:
            """Like `batch`, but yield the index and the result of each input as soon as the result is available."""
            if not inputs:
                return
            configs = get_config_list(config, len(inputs))
            # LangChain's `batch` with a single input, which runs in the calling thread.
            run_one = super().batch
            runs = [partial(run_one, [each], [one], **options) for each, one in zip(inputs, configs, strict=True)]
            if self._is_queued or len(runs) == 1:
                yield from ((index, *run()) for index, run in enumerate(runs))
                return
            # The default concurrency is that of LangChain's thread pool.
            limit = configs[0].get("max_concurrency") or min(32, (os.cpu_count() or 1) + 4)
            for index, results in run_all(runs, limit):
                yield (index, *results)
