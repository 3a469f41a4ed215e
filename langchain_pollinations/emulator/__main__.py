"""`python -m langchain_pollinations.emulator`: the emulator on a port of its own until it is interrupted."""

from __future__ import annotations

import argparse
import re
import signal
import sys
import threading

from .dialects import DIALECTS
from .server import DEFAULT_KEY, Emulator

HELLO = """\
The emulator of Pollinations.AI is listening.

    base_url  {url}
    api_key   {key}

    from langchain_pollinations import ChatPollinations
    print(ChatPollinations(base_url="{url}", api_key="{key}").invoke("Hello").text)

Stop it with Ctrl-C."""


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: take a number from 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        raise argparse.ArgumentTypeError(f"{text} is no time: take a number of seconds")
    return float(text)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m langchain_pollinations.emulator", description=__doc__)
    parser.add_argument("--port", type=_port, default=8787, help="port on 127.0.0.1; 0 takes a free one (default 8787)")
    parser.add_argument("--latency", type=_seconds, default=0.0, help="seconds that a generation takes")
    parser.add_argument(
        "--dialect", choices=DIALECTS, help="the form of every answer (default: each model has its own)"
    )
    chosen = parser.parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        emulator = Emulator(chosen.port, latency=chosen.latency, dialect=chosen.dialect).start()
    except OSError as error:
        print(error.strerror, file=sys.stderr)
        return 1
    print(HELLO.format(url=emulator.url, key=DEFAULT_KEY), flush=True)
    ended.wait()
    emulator.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
