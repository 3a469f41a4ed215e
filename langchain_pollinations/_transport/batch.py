"""`batch` of runnables that send requests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from langchain_core.runnables.config import get_config_list

from langchain_pollinations._media.progress import count_progress
from langchain_pollinations._transport.concurrency import run_all
from langchain_pollinations.errors import InvalidRequestError


class BatchMixin:
    """Mixin for runnables that send requests. Ctrl-C ends a batch at once; LangChain's own `batch` waits for all
    running requests. After an error, no further input runs, and the async methods cancel the running requests;
    LangChain's own async methods run all inputs. If requests wait in the queue of the legacy hosts, the inputs run one
    after another. Concurrent requests would only wait for minutes in this queue.

    `progress=True` shows a bar of the finished inputs, which requires tqdm."""

    _SHOWS_PROGRESS: ClassVar[bool] = False
    """Whether each call has the arguments `path` and `progress`."""

    def _split_progress(self, options: dict[str, Any], count: int) -> tuple[bool, dict[str, Any]]:
        """Return whether to show the bar of a batch of `count` inputs, and the options of each call. A function is
        called for the progress of each call, and a bar of the batch replaces the bars of the calls.

        Raises:
            InvalidRequestError: If `progress` is invalid, or several results have one `path`.
        """
        if self._SHOWS_PROGRESS and count > 1 and options.get("path") is not None:
            says = f"path: the {count} results of a batch cannot have one path; set output_folder, or save each result"
            raise InvalidRequestError(says, param="path")
        progress = options.pop("progress", None)
        if progress is True:
            return True, {**options, "progress": False} if self._SHOWS_PROGRESS else options
        if self._SHOWS_PROGRESS and progress is not None:
            options["progress"] = progress
        elif progress:
            raise InvalidRequestError(f"progress: must be True, False or None, not {progress!r:.60}", param="progress")
        return False, options

    if not TYPE_CHECKING:  # type checkers see LangChain's methods, which have the types of inputs and outputs

        def batch(self, inputs: list[Any], config: Any = None, **options: Any) -> list[Any]:
            """Return the result of `invoke` for each input. Inputs run concurrently, except on the legacy hosts.

            Args:
                inputs: The inputs.
                config: As in LangChain. `max_concurrency` limits the concurrent requests.
                options: Options of each call. `return_exceptions=True` returns errors instead of raising the first.
                    `progress=True` shows a bar of the finished inputs.
            """
            results = dict(self.batch_as_completed(inputs, config, **options))
            return [results[index] for index in range(len(inputs))]

        def batch_as_completed(
            self, inputs: Sequence[Any], config: Any = None, **options: Any
        ) -> Iterator[tuple[int, Any]]:
            """Like `batch`, but yield the index and the result of each input as soon as the result is available."""
            shows_bar, options = self._split_progress(options, len(inputs))
            if not inputs:
                return
            configs = get_config_list(config, len(inputs))
            # LangChain's `batch` with a single input, which runs in the calling thread.
            run_one = super().batch
            runs = [partial(run_one, [each], [one], **options) for each, one in zip(inputs, configs, strict=True)]
            # The default concurrency is that of LangChain's thread pool.
            limit = configs[0].get("max_concurrency") or min(32, (os.cpu_count() or 1) + 4)
            is_sequential = self._is_queued or len(runs) == 1
            found = ((index, run()) for index, run in enumerate(runs)) if is_sequential else run_all(runs, limit)
            with count_progress(shows_bar, len(inputs)) as count:
                for index, results in found:
                    count()
                    yield (index, *results)

        async def abatch(self, inputs: list[Any], config: Any = None, **options: Any) -> list[Any]:
            """Asynchronous version of `batch`. Without `max_concurrency`, all inputs run at once."""
            async with aclosing(self.abatch_as_completed(inputs, config, **options)) as found:
                results = {index: result async for index, result in found}
            return [results[index] for index in range(len(inputs))]

        async def abatch_as_completed(
            self, inputs: Sequence[Any], config: Any = None, **options: Any
        ) -> AsyncIterator[tuple[int, Any]]:
            """Asynchronous version of `batch_as_completed`."""
            shows_bar, options = self._split_progress(options, len(inputs))
            if not inputs:
                return
            configs = get_config_list(config, len(inputs))
            limit = 1 if self._is_queued else configs[0].get("max_concurrency") or len(inputs)
            turns, run_one = asyncio.Semaphore(limit), super().abatch

            async def run(index: int) -> tuple[int, Any]:
                async with turns:
                    return (index, *await run_one([inputs[index]], [configs[index]], **options))

            running = [asyncio.create_task(run(index)) for index in range(len(inputs))]
            try:
                with count_progress(shows_bar, len(inputs)) as count:
                    for result in asyncio.as_completed(running):
                        found = await result
                        count()
                        yield found
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
