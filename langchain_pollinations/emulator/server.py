"""The public class `Emulator`. It starts the hosts and contains the state that tests read and change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any

from langchain_pollinations.emulator.app import Application
from langchain_pollinations.emulator.http_server import Port
from langchain_pollinations.emulator.legacy import Legacy
from langchain_pollinations.emulator.scripting import dialects
from langchain_pollinations.emulator.scripting.reply_queue import Entry, Script
from langchain_pollinations.emulator.scripting.scripting_methods import Scripted
from langchain_pollinations.emulator.service.accounts import Account
from langchain_pollinations.emulator.service.ledger import UsageRecord
from langchain_pollinations.emulator.service.sign_in import Consent, DeviceRequest
from langchain_pollinations.emulator.state import Asked, State

DEFAULT_KEY = "sk_emulator"


class Emulator(Scripted):
    """Emulator of the Pollinations service on `127.0.0.1`, in its own thread.

    To emulate an outage, call `stop` and then `start`. The URL and the state stay the same.

    The emulator stores requests, generated speech, cached responses and files. It stores at most 10,000 items and about
    256 MiB of each. The oldest items are removed first.

        >>> with Emulator() as emulator:
        ...     emulator.reply("Hello")
        ...     ChatPollinations(**emulator.connection()).invoke("Hi").text
        'Hello'

    Args:
        port: Port of the unified host (gen.pollinations.ai). With 0, the emulator chooses a free port. The legacy hosts
            use the two following ports. With 0, they use free ports.
        keys: Accounts by API key, for instance `{"sk_x": {"balance": 0}}`. `service.accounts` describes the keys of an
            account. By default, `sk_emulator` has 1,000 Pollen and all account scopes.
        strict_keys: Reject unknown keys. With False, any key is accepted.
        latency: Duration of a generation in seconds.
        models: Entries to add to the model list.
        dialect: Response format of all models: "plain", "responses", "openrouter", "bedrock", "vertex", "perplexity" or
            "simulated". By default, each model has the format of its provider.

    Attributes:
        legacy: The two legacy hosts. A host opens its port when its URL is first read.
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
        self.state = State(strict_keys=strict_keys, latency=latency, extra_models=tuple(models))
        self.dialect = dialect
        if keys is not None:
            self.state.keys = deepcopy(dict(keys))  # as a whole, because API keys can share the dictionary of a user
        self._first_keys = deepcopy(self.state.keys)
        self._first_latency, self._first_dialect = latency, dialect
        self.legacy = Legacy(self.state.keys, {"text": port and port + 1, "image": port and port + 2}, latency)
        self._port = Port(lambda: Application(self.state), port, name="pollinations-emulator")

    # Lifecycle.

    def start(self) -> Emulator:
        """Start the servers and return the emulator.

        Raises:
            OSError: If a port cannot be used.
            RuntimeError: If a server does not start within 10 seconds.
        """
        self._port.start()
        self.state.url = self._port.url
        try:
            self.legacy.start()
        except OSError:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop the servers. The state remains."""
        self._port.end()
        self.legacy.stop()
        self._port.stop()

    def __enter__(self) -> Emulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # Connection settings.

    @property
    def url(self) -> str:
        """Base URL of the unified host.

        Raises:
            RuntimeError: If the emulator has not been started.
        """
        if not self.state.url:
            raise RuntimeError("The emulator has not been started")
        return self.state.url

    def connection(self) -> dict[str, str]:
        """Return keyword arguments that connect a client to this emulator."""
        return {"base_url": self.url, "api_key": next(iter(self.keys), DEFAULT_KEY)}

    # State for tests. `Scripted` has the methods that queue replies and faults.

    @property
    def script(self) -> Script:
        """The queue of scripted replies and faults."""
        return self.state.script

    @property
    def unused_replies(self) -> list[Entry]:
        """Scripted entries that no request has used. They include the entries of the legacy hosts."""
        return [*super().unused_replies, *self.legacy.unused_replies]

    @property
    def requests(self) -> list[Asked]:
        """The recorded requests, oldest first. At most the newest 10,000 requests, or about 256 MiB, are kept."""
        return self.state.requests

    @property
    def keys(self) -> dict[str, Account]:
        """Accounts by API key. Changes apply to the next request.

        >>> emulator.keys["sk_poor"] = {"balance": 0}
        """
        return self.state.keys

    @property
    def ledger(self) -> list[UsageRecord]:
        """The billed requests, oldest first. At most the newest 100,000 are kept.

        A response from the cache is not billed, and neither is a request that joins a running generation.

            >>> answer = ChatPollinations().invoke("Hi")
            >>> sum(record.cost for record in emulator.ledger) < Decimal("0.01")
            True
        """
        return self.state.ledger.records

    def approve(
        self,
        user_code: str,
        *,
        scopes: Iterable[str] | None = None,
        budget: float | Decimal | None = 5,
        expires_in: float | None = 7 * 86400,
    ) -> str:
        """Approve a sign-in of the device flow, as the user can on the page `/device`. Return the new API key.

        Args:
            user_code: The code that the app shows, for example "BCDF-1234".
            scopes: Account scopes of the API key. They must be requested scopes. By default, all requested scopes.
            budget: Budget of the API key in Pollen. None means that the balance is the only limit.
            expires_in: Lifetime of the API key in seconds. None means that it does not expire.

        Raises:
            ValueError: If the code is not pending, or if a value is wrong.
        """
        request = self._sign_in(user_code)
        granted = request.scopes if scopes is None else tuple(scopes)
        if extra := set(granted) - set(request.scopes):
            raise ValueError(f"scopes {sorted(extra)} are not requested; requested are {list(request.scopes)}")
        limit = None if budget is None else Decimal(str(budget))
        lifetime = None if expires_in is None else timedelta(seconds=expires_in)
        return self.state.sign_ins.decide(request, self.state.keys, Consent(granted, limit, lifetime))

    def deny(self, user_code: str) -> None:
        """Deny a sign-in of the device flow, as the user can on the page `/device`.

        Raises:
            ValueError: If the code is not pending.
        """
        self.state.sign_ins.decide(self._sign_in(user_code), self.state.keys, None)

    def _sign_in(self, user_code: str) -> DeviceRequest:
        request = self.state.sign_ins.pending(user_code)
        if request is None:
            raise ValueError(f"user_code {user_code!r} is unknown, expired or already used")
        return request

    @property
    def latency(self) -> float:
        """Duration of a generation in seconds."""
        return self.state.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self.state.latency = seconds

    @property
    def dialect(self) -> str | None:
        """Response format of all models. With None, each model has the format of its provider."""
        return self.state.dialect

    @dialect.setter
    def dialect(self, name: str | None) -> None:
        if name is not None:
            dialects.named(name)
        self.state.dialect = name

    def reset(self) -> None:
        """Clear the state and restore the initial keys, latency and dialect."""
        self.state.reset()
        self.state.keys.clear()
        self.state.keys.update(deepcopy(self._first_keys))
        self.state.latency = self._first_latency
        self.state.dialect = self._first_dialect
        self.legacy.reset()

    def clear(self) -> None:
        """Clear recorded requests, scripted entries, cached responses, files and the ledger."""
        self.state.clear()
        self.legacy.clear()
