"""The state of an emulator, such as recorded requests, stored files, accounts, the cache and scripted replies."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from langchain_pollinations.emulator.scripting.reply_queue import Script
from langchain_pollinations.emulator.service import accounts
from langchain_pollinations.emulator.service.accounts import Account, Rates
from langchain_pollinations.emulator.service.bounded_memory import MAX_BYTES, MAX_ITEMS, BoundedStore
from langchain_pollinations.emulator.service.cache import Cache
from langchain_pollinations.emulator.service.catalog import Catalog, Model
from langchain_pollinations.emulator.service.error_responses import now
from langchain_pollinations.emulator.service.ledger import Ledger
from langchain_pollinations.emulator.service.sign_in import CODE_LIFETIME, DEVICE_INTERVAL, DEVICE_LIFETIME, SignIns
from langchain_pollinations.emulator.service.usage import Prefixes
from langchain_pollinations.emulator.synthesis.audio.recognition import SpeechIndex


@dataclass(frozen=True)
class Asked:
    """A recorded request. Its `repr` omits the headers and the query, which may contain a key.

        >>> answer = ChatPollinations(temperature=0).invoke("Hi")
        >>> asked = emulator.requests[-1]
        >>> asked.method, asked.path, asked.json["temperature"]
        ('POST', '/v1/chat/completions', 0.0)

    Attributes:
        method: HTTP method, such as "POST".
        path: Decoded path, such as "/v1/chat/completions".
        raw_path: Path as it was sent, with percent-encoding.
        query: Decoded query parameters.
        headers: Headers. Their names are in lower case.
        body: Body of the request.
        client: Address and port of the client. Requests over one connection share them.
        host: The host that received the request: "gen", or "text" or "image" for the legacy hosts.
        at: When the request arrived, in seconds of `time.monotonic`.
    """

    method: str
    path: str
    raw_path: str = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = b""
    client: tuple[str, int] = ("", 0)
    host: str = "gen"
    at: float = field(default_factory=time.monotonic)

    @cached_property
    def json(self) -> Any:
        """The request body, parsed as JSON.

        Raises:
            ValueError: If the body is not valid JSON.
        """
        return json.loads(self.body)

    @property
    def key(self) -> str | None:
        """The API key of the request, from its headers or its query. None if it has none."""
        return accounts.given_key(self.headers, self.query)


class Requests(list[Asked]):
    """The recorded requests, oldest first. Number and total size are limited. Any thread may add or clear requests."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def remember(self, asked: Asked) -> None:
        """Add a request. If a limit is exceeded, the oldest requests are removed."""
        with self._lock:
            self.append(asked)
            weight, over = sum(len(each.body) for each in self), len(self) - MAX_ITEMS
            while weight > MAX_BYTES and len(self) > 1 or over > 0:
                weight, over = weight - len(self[0].body), over - 1
                del self[:1]

    def clear(self) -> None:
        with self._lock:
            super().clear()


@dataclass(frozen=True)
class File:
    """A generated or uploaded file, served at `/media/{id}`."""

    id: str
    data: bytes
    mime_type: str
    name: str = ""
    tags: tuple[str, ...] = ()
    permanent: bool = True  # the URL always serves the same bytes
    is_upload: bool = False
    uploaded: str = field(default_factory=now)


@dataclass
class State:
    """The settings and the data of one emulator.

    `clear` removes the scripted replies and the data that requests have created.
    """

    url: str = ""
    extra_models: Iterable[Model] = ()
    keys: dict[str, Account] = field(default_factory=accounts.default_keys)
    strict_keys: bool = True
    latency: float = 0.0
    dialect: str | None = None  # response format of every model; by default each model has the format of its provider
    script: Script = field(default_factory=Script)
    requests: Requests = field(default_factory=Requests)
    cache: Cache = field(default_factory=Cache)
    media: BoundedStore[File] = field(default_factory=BoundedStore)
    speeches: SpeechIndex = field(default_factory=SpeechIndex)
    rates: Rates = field(default_factory=Rates)
    prefixes: Prefixes = field(default_factory=Prefixes)
    ledger: Ledger = field(default_factory=Ledger)
    sign_ins: SignIns = field(default_factory=SignIns)
    device_interval: float = DEVICE_INTERVAL  # seconds between two polls of the device flow
    device_lifetime: float = DEVICE_LIFETIME  # seconds until a device code expires
    code_lifetime: float = CODE_LIFETIME  # seconds until a code of the code flow expires
    started: str = field(default_factory=now)
    cleared: float = 0.0  # when `clear` was called last, in seconds of `time.monotonic`

    @cached_property
    def catalog(self) -> Catalog:
        return Catalog(self.extra_models)

    def clear(self) -> None:
        stores = (self.script, self.requests, self.cache, self.media, self.speeches, self.rates, self.prefixes)
        for store in (*stores, self.ledger, self.sign_ins):
            store.clear()
        self.cleared = time.monotonic()

    def reset(self) -> None:
        """Clear the state and restore the settings of the sign-in."""
        self.clear()
        self.device_interval, self.device_lifetime, self.code_lifetime = DEVICE_INTERVAL, DEVICE_LIFETIME, CODE_LIFETIME

    def link(self, file: File) -> str:
        return f"{self.url}/media/{file.id}"
