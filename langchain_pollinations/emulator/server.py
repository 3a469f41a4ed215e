"""The server around the application, and the words with which a test scripts it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from langchain_pollinations.emulator.app import Application
from langchain_pollinations.emulator.http_server import Port
from langchain_pollinations.emulator.legacy import Legacy
from langchain_pollinations.emulator.scripting import dialects
from langchain_pollinations.emulator.scripting.replies import Entry, Script
from langchain_pollinations.emulator.scripting.script import Scripted
from langchain_pollinations.emulator.service.accounts import Account
from langchain_pollinations.emulator.state import Asked, World

DEFAULT_KEY = "sk_emulator"


class Emulator(Scripted):
    """The service on `127.0.0.1`, in a thread of its own.

    `keys` maps keys to accounts, for instance `{"sk_x": {"balance": 0}}`; by default `sk_emulator` has plenty. With
    `strict_keys=False` any key is good. `latency` is how many seconds a generation takes; `models` adds entries to the
    catalogue. `dialect` is the form in which every model answers, one of "plain", "responses", "openrouter", "bedrock",
    "vertex", "perplexity" and "simulated"; by default each model has the form of its own provider.

    It may be stopped and started again, as a service that is away for a while: address and memory stay. It remembers
    the newest 10,000 requests, speeches, stored answers and files, and of each about 256 MiB at most.

    `legacy` are the two older hosts, on the two ports behind `port`, or on free ones where that was free to choose.
    """

    def __init__(
        self,
        port: int = 0,
        keys: Mapping[str, Account] | None = None,
        strict_keys: bool = True,
        *,
        latency: float = 0.0,
        models: Iterable[dict[str, Any]] = (),
        dialect: str | None = None,
    ) -> None:
        self.world = World(strict_keys=strict_keys, latency=latency, extra_models=tuple(models))
        self.dialect = dialect
        if keys is not None:
            self.world.keys = {key: dict(account) for key, account in keys.items()}
        self._first_keys = {key: dict(account) for key, account in self.world.keys.items()}
        self._first_latency, self._first_dialect = latency, dialect
        self.legacy = Legacy(self.world.keys, {"text": port and port + 1, "image": port and port + 2}, latency)
        self._port = Port(lambda: Application(self.world), port, name="pollinations-emulator")

    # Life.

    def start(self) -> Emulator:
        self._port.start()
        self.world.url = self._port.url
        try:
            self.legacy.start()
        except OSError:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        self._port.end()
        self.legacy.stop()
        self._port.stop()

    def __enter__(self) -> Emulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # What clients need.

    @property
    def url(self) -> str:
        if not self.world.url:
            raise RuntimeError("The emulator has not been started")
        return self.world.url

    def connection(self) -> dict[str, str]:
        """Keyword arguments that point a client at this emulator."""
        return {"base_url": self.url, "api_key": next(iter(self.keys), DEFAULT_KEY)}

    # What tests look at; what they script stands in `Scripted`.

    @property
    def script(self) -> Script:
        return self.world.script

    @property
    def unused_replies(self) -> list[Entry]:
        """What was scripted and no request has asked for, those of the legacy hosts included."""
        return [*super().unused_replies, *self.legacy.unused_replies]

    @property
    def requests(self) -> list[Asked]:
        """What was asked, newest last; a long run forgets the oldest."""
        return self.world.requests

    @property
    def keys(self) -> dict[str, Account]:
        return self.world.keys

    @property
    def latency(self) -> float:
        return self.world.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self.world.latency = seconds

    @property
    def dialect(self) -> str | None:
        return self.world.dialect

    @dialect.setter
    def dialect(self, name: str | None) -> None:
        if name is not None:
            dialects.named(name)
        self.world.dialect = name

    def reset(self) -> None:
        """Forget everything, and give keys, latency and dialect back the values of the start."""
        self.clear()
        self.world.keys.clear()
        self.world.keys.update({key: dict(account) for key, account in self._first_keys.items()})
        self.world.latency = self._first_latency
        self.world.dialect = self._first_dialect
        self.legacy.reset()

    def clear(self) -> None:
        """Forget requests, scripted replies, stored answers and files."""
        self.world.clear()
        self.legacy.clear()
