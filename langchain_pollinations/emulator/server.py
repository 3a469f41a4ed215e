"""The server around the application, and the words with which a test scripts it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

from . import dialects, faults, replies
from .accounts import Account
from .app import Application
from .refusals import Refusal
from .serving import Port
from .world import Asked, World

DEFAULT_KEY = "sk_emulator"


class Emulator:
    """The service on `127.0.0.1`, in a thread of its own.

    `keys` maps keys to accounts, for instance `{"sk_x": {"balance": 0}}`; by default `sk_emulator` has plenty. With
    `strict_keys=False` any key is good. `latency` is how many seconds a generation takes; `models` adds entries to the
    catalogue. `dialect` is the form in which every model answers, one of "plain", "responses", "openrouter", "bedrock",
    "vertex", "perplexity" and "simulated"; by default each model has the form of its own provider.

    It may be stopped and started again, as a service that is away for a while: address and memory stay. It remembers
    the newest 10,000 requests, speeches, stored answers and files, and of each about 256 MiB at most.
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
        self._port = Port(lambda: Application(self.world), port, name="pollinations-emulator")

    # Life.

    def start(self) -> Emulator:
        self._port.start()
        self.world.url = self._port.url
        return self

    def stop(self) -> None:
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

    # What tests look at.

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

    def clear(self) -> None:
        """Forget requests, scripted replies, stored answers and files."""
        self.world.clear()

    # What tests script.

    def reply(
        self,
        *texts: str,
        tool_calls: Sequence[Mapping[str, Any]] | None = None,
        message: Mapping[str, Any] | None = None,
        body: Any = None,
        chunks: Sequence[Any] | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        content_type: str | None = None,
        finish_reason: str | None = None,
        usage: Mapping[str, Any] | None = None,
        model: str | None = None,
        dialect: str | None = None,
        on: str | None = None,
        delay: float = 0.0,
        chunk_delay: float = 0.0,
        times: int = 1,
        **extra: Any,
    ) -> None:
        """Queue answers: texts, tool calls, a whole message, a raw body, or the raw chunks of a stream.

        A message may say in neutral keys what each `dialect` renders in its own form: `content`, `reasoning_content`,
        `tool_calls`, `refusal`, `audio`, `images` (addresses), `sources` (of `url`, `title` and the `text` that rests
        on it), `searches` (queries) and `code` (of `code` and `output`). All other keys are sent as they are.
        """
        if dialect is not None:
            dialects.named(dialect)
        line: dict[str, Any] = {"on": on, "times": times, "delay": delay, "chunk_delay": chunk_delay}
        given = dict(headers or {})
        if body is not None:
            data, kind = replies.encoded(body)
            head = {"content-type": content_type or kind, **given}
            self.world.script.add(replies.Raw(**line, status=status, headers=head, body=data))
            return
        if chunks is not None:
            head = {"content-type": content_type or "text/event-stream; charset=utf-8", **given}
            pieces = [replies.event(chunk) for chunk in chunks]
            self.world.script.add(replies.Chunks(**line, status=status, headers=head, pieces=pieces))
            return
        said: dict[str, Any] = {"finish_reason": finish_reason, "usage": usage, "headers": given}
        said |= {"model": model, "dialect": dialect, "extra": extra}
        for each in _messages(texts, tool_calls, message):
            self.world.script.add(replies.Message(**line, **said, message=each))

    def fail(
        self,
        case: int | str,
        *,
        code: str | None = None,
        message: str | None = None,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
        fix_url: str | None = None,
        body: Any = None,
        times: int = 1,
        on: str = "/",
        delay: float = 0.0,
        after: int | None = None,
        seconds: float = 5.0,
        pings: bool = False,
    ) -> None:
        """Queue a fault: a status in the service's envelope or with a raw body, or a named case of `faults`."""
        line: dict[str, Any] = {"on": on, "times": times, "delay": delay}
        if case in faults.DAMAGES:
            damage = replies.Damage(**line, kind=str(case), after=after, seconds=seconds, pings=pings)
            self.world.script.add(damage)
            return
        if case in faults.SOFT_CASES:
            soft = line | {"on": None if on == "/" else on}
            self.world.script.add(replies.Soft(**soft, kind=str(case), after=after))
            return
        given = dict(headers or {})
        found: faults.Case
        if isinstance(case, str):
            found = faults.named(case)
        elif body is not None:
            found = faults.Plain(case, body)
        else:
            found = Refusal(case, message, code=code, details=details, fix_url=fix_url)
        self.world.script.add(_raw(found, given, line))


def _messages(
    texts: Sequence[str],
    tool_calls: Sequence[Mapping[str, Any]] | None,
    message: Mapping[str, Any] | None,
) -> list[dict[str, Any]]:
    if message is not None:
        return [dict(message)]
    if tool_calls is None and not texts:
        raise TypeError("reply() needs texts, tool_calls, message, body or chunks")
    if tool_calls is not None:
        calls = [replies.tool_call(c["name"], c.get("args", {}), c.get("id")) for c in tool_calls]
        return [{"content": texts[0] if texts else None, "tool_calls": calls}]
    return [{"content": text} for text in texts]


def _raw(found: faults.Case, headers: Mapping[str, str], line: Mapping[str, Any]) -> replies.Raw:
    if isinstance(found, Refusal):
        head = {"content-type": "application/json", **found.headers, **headers}
        return replies.Raw(**line, status=found.status, headers=head, body=found.body())
    data, kind = replies.encoded(found.body)
    head = {"content-type": kind, **found.headers, **headers}
    return replies.Raw(**line, status=found.status, headers=head, body=data)
