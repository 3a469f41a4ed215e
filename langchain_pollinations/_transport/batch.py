"""`batch` of runnables that send requests."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from langchain_core.runnables.config import get_config_list

from langchain_pollinations._transport.concurrency import run_all


class BatchMixin:
    """Mixin of runnables with a connection: Ctrl-C ends a batch at once. LangChain's own waits for all requests that
    run. Where requests stand in the line before the legacy hosts, the inputs are taken one by one in the calling
    thread: threads would all wait for their turns, minutes long."""

    if not TYPE_CHECKING:  # those who read types see LangChain's own, which know what goes in and what comes out

        def batch(self, inputs: list[Any], config: Any = None, **options: Any) -> list[Any]:
            """What `invoke` gives for each input; on the legacy hosts one by one, else several at once."""
            results = dict(self.batch_as_completed(inputs, config, **options))
            return [results[index] for index in range(len(inputs))]

        def batch_as_completed(
            self, inputs: Sequence[Any], config: Any = None, **options: Any
        ) -> Iterator[tuple[int, Any]]:
            """As `batch`, each with its index as soon as it is there."""
            if not inputs:
                return
            configs = get_config_list(config, len(inputs))
            # LangChain's own method for each input by itself, which runs in the thread that calls it.
            run_one = super().batch
            runs = [partial(run_one, [each], [one], **options) for each, one in zip(inputs, configs, strict=True)]
            if self._stands_in_line or len(runs) == 1:
                yield from ((index, *run()) for index, run in enumerate(runs))
                return
            # Without a limit as many at once as LangChain's own threads.
            limit = configs[0].get("max_concurrency") or min(32, (os.cpu_count() or 1) + 4)
            for index, results in run_all(runs, limit):
                yield (index, *results)
