"""`batch` of runnables whose requests go one after another anyway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.runnables.config import get_config_list


class Batches:
    """Mixin of runnables with a connection: where requests stand in the line before the older hosts, a batch needs no
    threads. LangChain's would all wait for their turns, minutes long, even after an error or Ctrl-C; so the inputs are
    taken one by one, in the thread that asks."""

    def batch(
        self: Any, inputs: list[Any], config: Any = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> list[Any]:
        whole = super().batch  # type: ignore[misc]
        given = {"return_exceptions": return_exceptions, **kwargs}
        if not self._stands_in_line or not inputs:
            return list(whole(inputs, config, **given))
        configs = get_config_list(config, len(inputs))
        return [whole([each], one, **given)[0] for each, one in zip(inputs, configs, strict=True)]

    def batch_as_completed(
        self: Any, inputs: Sequence[Any], config: Any = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> Iterator[tuple[int, Any]]:
        whole = super().batch_as_completed  # type: ignore[misc]
        given = {"return_exceptions": return_exceptions, **kwargs}
        if not self._stands_in_line or not inputs:
            yield from whole(inputs, config, **given)
            return
        configs = get_config_list(config, len(inputs))
        for number, (each, one) in enumerate(zip(inputs, configs, strict=True)):
            for _, made in whole([each], one, **given):
                yield number, made
