"""Runs the servers of the legacy hosts. Tests configure and script the hosts with the class `Legacy`."""

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
from langchain_pollinations.emulator.scripting.scripting_methods import Scripted


class Legacy(Hosts, Scripted):
    """The two legacy hosts of an emulator, "text" and "image". Each host has its own port on `127.0.0.1`.

        >>> emulator.legacy.reply("Hello")
        >>> ChatPollinations(**emulator.legacy.connection()).invoke("Hi").text
        'Hello'

    A port is opened when its URL is first read. It is closed when the emulator stops. `keys` are the API keys of the
    emulator. By default, they are also the `tokens` for which the text host sends the migration notice.

    The argument `on` of `reply` and `fail` is the beginning of a path. A path such as "/models" applies to both hosts.
    A path after the name of a host, such as "image/prompt", applies only to this host. Without `on`, a reply applies to
    the generation routes of the text host, and an error applies to all requests. The error has the format of the host.
    The image host sends an image for an image request.
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
            for name in self.host_states
        }

    # Lifecycle, called by the emulator.

    def start(self) -> None:
        """Allow the ports to be opened. Reopen the ports that were open before `stop`."""
        with self._lock:
            self._runs = True
            for port in self._ports.values():
                if port.url:
                    port.start()

    def stop(self) -> None:
        """Close the ports. The state remains."""
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

    # For clients.

    @property
    def text_url(self) -> str:
        """Base URL of the text host.

        Raises:
            RuntimeError: If the emulator has not been started.
        """
        return self._url("text")

    @property
    def image_url(self) -> str:
        """Base URL of the image host.

        Raises:
            RuntimeError: If the emulator has not been started.
        """
        return self._url("image")

    def connection(self) -> dict[str, str]:
        """Return keyword arguments that connect a client to the legacy hosts."""
        return {"api": "legacy", "legacy_text_url": self.text_url, "legacy_image_url": self.image_url}

    # For tests.

    def reset(self) -> None:
        """Clear the state and restore the initial settings."""
        self.clear()
        first = Switches(tokens=set(self._keys), latency=self._first_latency)
        for switch in fields(Switches):
            setattr(self, switch.name, getattr(first, switch.name))

    # The methods for scripting are those of `Scripted`.

    @property
    def script(self) -> Script:
        """The queue of scripted replies and faults of both hosts."""
        return self.lines
