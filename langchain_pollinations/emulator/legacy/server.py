"""The older hosts on their ports, and the words with which a test sets and scripts them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from typing import Any

from langchain_pollinations.emulator.http_server import Port
from langchain_pollinations.emulator.legacy import faults
from langchain_pollinations.emulator.legacy.app import Application
from langchain_pollinations.emulator.legacy.hosts import Hosts, Script, Switches
from langchain_pollinations.emulator.scripting.script import Scripted


class Legacy(Hosts, Scripted):
    """The two older hosts of an emulator, `text` and `image`, each on a port of its own on `127.0.0.1`.

    A port is opened when its address is first asked for, and closed with the emulator. `keys` are those of the
    emulator: by default they are the `tokens` that the text host answers with a notice.

    What is scripted `on` no path is for the routes of the text host that generate, a path is for both hosts, and one
    behind the name of a host, as in "image/prompt", is for that host. A fault is for anything unless it says otherwise,
    and takes the form of the host that it meets: where a picture was asked for it is one.
    """

    cases = faults.CASES
    soft_cases = faults.SOFT_CASES

    def __init__(self, keys: Mapping[str, Any], ports: Mapping[str, int], latency: float) -> None:
        super().__init__(keys, latency)
        self._keys, self._first_latency = keys, latency
        self._lock = threading.Lock()
        self._runs = False
        self._ports = {
            name: Port(partial(Application, self, name), ports[name], name=f"pollinations-emulator-{name}")
            for name in self.programs
        }

    # Life: the emulator's own.

    def start(self) -> None:
        """Let ports be opened, and open those again that were open before."""
        with self._lock:
            self._runs = True
            for port in self._ports.values():
                if port.url:
                    port.start()

    def stop(self) -> None:
        with self._lock:
            self._runs = False
            for port in self._ports.values():
                port.end()
            for port in self._ports.values():
                port.stop()

    def _url(self, name: str) -> str:
        port = self._ports[name]
        with self._lock:
            if self._runs:
                port.start()
        if not port.url:
            raise RuntimeError("The emulator has not been started")
        return port.url

    # What clients need.

    @property
    def text_url(self) -> str:
        return self._url("text")

    @property
    def image_url(self) -> str:
        return self._url("image")

    def connection(self) -> dict[str, str]:
        """Keyword arguments that point a client at the older hosts."""
        return {"api": "legacy", "legacy_text_url": self.text_url, "legacy_image_url": self.image_url}

    # What tests set.

    def reset(self) -> None:
        """Forget everything, and give the switches back the values of the start."""
        self.clear()
        first = Switches(tokens=set(self._keys), latency=self._first_latency)
        for switch in fields(Switches):
            setattr(self, switch.name, getattr(first, switch.name))

    # What tests script; the words stand in `Scripted`.

    @property
    def script(self) -> Script:
        return self.lines
