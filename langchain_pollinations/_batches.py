"""`batch` of runnables whose requests go one after another anyway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.runnables.config import get_config_list


class Batches:
    """Mixin of runnables with a connection: where requests stand in the line before the older hosts, a batch needs no
    threads. LangChain's would all wait for their turns, minutes long, even after an error or Ctrl-C; so the inputs are
    taken one by one, in the thread that asks."""

    if not TYPE_CHECKING:  # those who read types see LangChain's own, which know what goes in and what comes out

        def batch(self, inputs: list[Any], config: Any = None, **options: Any) -> list[Any]:
            """What `invoke` gives for each input; on the older hosts one by one, else several at once."""
            whole = super().batch
            if not self._stands_in_line or not inputs:
                return whole(inputs, config, **options)
            configs = get_config_list(config, len(inputs))
            return [whole([each], one, **options)[0] for each, one in zip(inputs, configs, strict=True)]

        def batch_as_completed(
            self, inputs: Sequence[Any], config: Any = None, **options: Any
        ) -> Iterator[tuple[int, Any]]:
            """As `batch`, each with its number as soon as it is there."""
            whole = super().batch_as_completed
            if not self._stands_in_line or not inputs:
                yield from whole(inputs, config, **options)
                return
            configs = get_config_list(config, len(inputs))
            for number, (each, one) in enumerate(zip(inputs, configs, strict=True)):
                for _, made in whole([each], one, **options):
                    yield number, made
