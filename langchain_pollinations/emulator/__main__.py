"""The command `python -m langchain_pollinations.emulator`. It runs the emulator until it is interrupted.

With --record, it runs the shadow mode: it forwards requests to the service and compares the emulator with it.
"""

from __future__ import annotations

import argparse
import errno
import re
import signal
import sys
import threading

from langchain_pollinations.emulator.scripting.dialects import DIALECTS
from langchain_pollinations.emulator.server import DEFAULT_KEY, Emulator
from langchain_pollinations.emulator.shadow.server import SERVICE, ShadowServer

PORT_ERRORS = (errno.EACCES, errno.EADDRINUSE, errno.EADDRNOTAVAIL)

HELLO = """\
The emulator of Pollinations.AI is listening.

    base_url  {url}
    api_key   {key}

    from langchain_pollinations import ChatPollinations
    print(ChatPollinations(base_url="{url}", api_key="{key}").invoke("Hello").text)

or, for programs that name no address:

    export POLLINATIONS_BASE_URL={url}
    export POLLINATIONS_API_KEY={key}

"""

LEGACY_HELLO = """\
The two legacy hosts are listening too. They need no key:

    api               {api}
    legacy_text_url   {legacy_text_url}
    legacy_image_url  {legacy_image_url}

    from langchain_pollinations import ChatPollinations
    service = {{
        "api": "{api}",
        "legacy_text_url": "{legacy_text_url}",
        "legacy_image_url": "{legacy_image_url}",
    }}
    print(ChatPollinations(**service).invoke("Hello").text)

or, for programs that name no address:

    export POLLINATIONS_LEGACY_TEXT_URL={legacy_text_url}
    export POLLINATIONS_LEGACY_IMAGE_URL={legacy_image_url}

"""
SHADOW_HELLO = """\
The shadow mode is listening. It forwards requests to {upstream}
and appends the exchanges to {record}. The file has no API keys, but it has prompts and responses.

    base_url  {url}
    api_key   your own

Requests cost what they cost at {upstream}.

"""
GOODBYE = "Stop it with Ctrl-C."
LAST_PORT = 65535


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is not a port; it must be a number from 0 to {LAST_PORT}")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds")
    return float(text)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m langchain_pollinations.emulator", description=__doc__)
    parser.add_argument(
        "--port", type=_port, default=8787, help="port on 127.0.0.1; 0 selects a free port (default 8787)"
    )
    parser.add_argument("--latency", type=_seconds, default=0.0, help="duration of a generation in seconds")
    parser.add_argument(
        "--dialect", choices=DIALECTS, help="response format of every model (default: that of its provider)"
    )
    parser.add_argument(
        "--legacy",
        action="store_true",
        help="also start the two legacy hosts: text on the port after --port, images on the port after that",
    )
    parser.add_argument(
        "--record",
        metavar="FILE",
        help="shadow mode: forward requests to --upstream, compare the emulator with its responses, and append the "
        "requests and both responses to FILE as JSON lines without API keys",
    )
    parser.add_argument("--upstream", metavar="URL", help=f"server to which --record forwards (default {SERVICE})")
    chosen = parser.parse_args(arguments)
    if chosen.legacy and chosen.port > LAST_PORT - 2:
        parser.error(f"--legacy needs the two ports after {chosen.port}, which do not exist")
    if chosen.record is None:
        if chosen.upstream is not None:
            parser.error("--upstream needs --record, which names the file for the exchanges")
        return _emulate(chosen)
    for name in ("legacy", "latency"):
        if getattr(chosen, name):
            parser.error(f"--{name} cannot be combined with --record")
    try:
        shadow = ShadowServer(
            chosen.record, chosen.upstream or SERVICE, chosen.port, dialect=chosen.dialect, tell=_print
        )
    except ValueError as error:
        parser.error(f"--upstream: {error}")
    return _shadow(shadow, chosen.record, chosen.upstream or SERVICE)


def _print(text: str) -> None:
    print(text, flush=True)


def _interrupted() -> threading.Event:
    """Return an event that the first SIGINT or SIGTERM sets. The second one ends the process."""
    ended = threading.Event()

    def end(number: int, _: object) -> None:
        ended.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return ended


def _shadow(shadow: ShadowServer, record: str, upstream: str) -> int:
    ended = _interrupted()
    try:
        shadow.start()
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        print(f"{named}{error.strerror}", file=sys.stderr)
        return 1
    _print(SHADOW_HELLO.format(url=shadow.url, record=record, upstream=upstream) + GOODBYE)
    ended.wait()
    shadow.stop()
    _print(f"\n{shadow.report.text()}")
    return 0


def _emulate(chosen: argparse.Namespace) -> int:
    ended = _interrupted()
    emulator = Emulator(chosen.port, latency=chosen.latency, dialect=chosen.dialect)
    try:
        emulator.start()
        legacy_hello = LEGACY_HELLO.format(**emulator.legacy.connection()) if chosen.legacy else ""
    except OSError as error:
        emulator.stop()
        hint = ". --port selects another port; 0 is a free one." if error.errno in PORT_ERRORS else ""
        print(f"{error.strerror}{hint}", file=sys.stderr)
        return 1
    print(HELLO.format(url=emulator.url, key=DEFAULT_KEY) + legacy_hello + GOODBYE, flush=True)
    ended.wait()
    emulator.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
