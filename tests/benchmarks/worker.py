"""A process that measures one contender. It reads the names of rows from stdin and writes a JSON line for each."""

from __future__ import annotations

import asyncio
import inspect
import json
import resource
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .contenders import CONTENDERS
from .rows import ROWS, Row


def _embeddings(contender: str, base_url: str) -> Callable[[], Any]:
    if contender == "ours":
        from langchain_pollinations import PollinationsEmbeddings

        return lambda: PollinationsEmbeddings(base_url=base_url, api_key="sk_test")
    if contender == "ChatOpenAI":
        from langchain_openai import OpenAIEmbeddings

        return lambda: OpenAIEmbeddings(
            base_url=f"{base_url}/v1", api_key="sk_test", check_embedding_ctx_length=False, model="openai"
        )
    from .contenders import RawEmbeddings

    return lambda: RawEmbeddings(base_url)


def _image(contender: str, base_url: str) -> Callable[[], Any]:
    if contender == "ours":
        from langchain_pollinations import PollinationsImage

        # The stub server has no rate limit.
        return lambda: PollinationsImage(base_url=base_url, api_key="sk_test", wait_for_rate_limit=False).generate
    from .contenders import get_bytes

    return lambda: get_bytes(base_url)


def _video(contender: str, base_url: str) -> Callable[[], Any]:
    if contender == "ours":
        from langchain_pollinations import PollinationsVideo

        video = PollinationsVideo(base_url=base_url, api_key="sk_test")
        return lambda: lambda prompt, path: video.generate(prompt, path=path)
    from .contenders import get_to_file

    return lambda: get_to_file(base_url)


_MEDIA = {"embeddings": _embeddings, "image": _image, "video": _video}


class _Subjects:
    """The chat models of one process: one per response of the stub server, so that connections stay open."""

    def __init__(self, contender: str, origins: dict[str, str]) -> None:
        self._contender, self._origins = contender, origins
        self._made: dict[str, Any] = {}
        self._runner = asyncio.Runner()

    def run(self, name: str, repeat: int) -> Any:
        row = ROWS[name]
        subject = self._subject(name, row)
        if inspect.iscoroutinefunction(row.run):
            return self._runner.run(row.run(subject, repeat))
        return row.run(subject, repeat)

    def _subject(self, name: str, row: Row) -> Any:
        base_url = self._origins[row.response]
        if row.wants_factory:
            if name in _MEDIA:
                return _MEDIA[name](self._contender, base_url)
            return partial(CONTENDERS[self._contender], base_url)
        if row.response not in self._made:
            self._made[row.response] = CONTENDERS[self._contender](base_url)
        return self._made[row.response]


def main() -> None:
    contender, origins = sys.argv[1:]
    subjects = _Subjects(contender, json.loads(origins))
    warm: set[str] = set()
    for line in sys.stdin:
        name = line.strip()
        if name not in warm:
            subjects.run(name, 1)
            warm.add(name)
        cpu = _cpu_seconds()
        seconds = subjects.run(name, ROWS[name].repeat)
        print(json.dumps({"seconds": seconds, "cpu": _cpu_seconds() - cpu, "bytes": _peak_memory()}), flush=True)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_memory() -> int:
    """Return the peak memory of this process in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss may be that of the process that started this one
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


if __name__ == "__main__":
    main()
