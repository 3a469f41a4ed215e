"""A stand-in for the service: a real server on a real socket, for tests, demonstrations and work offline.

    with Emulator() as emulator:
        emulator.reply("Hello")
        ...  # point a client at emulator.url
        assert emulator.requests[-1].path == "/v1/chat/completions"

It checks requests as the service does, keeps its cache and its money, answers by rules, draws, edits pictures, films,
speaks and listens, makes 3D objects, embeds, keeps uploaded files, plays what a test scripts, and remembers what it was
asked. Every answer says that it is a stand-in, in its header `x-emulator: langchain-pollinations`.

The way of a request: `front` reads it, `app` routes it, `checks` validates it, `generation` asks for key, money and
stored answer, a route (`chat`, `images`, `video`, `audio`, `transcripts`, `models3d`, `embeddings`) makes the answer,
`wire` puts it on the socket. What an answer says comes from `answers`, what a picture shows from `pictures`, a film
from `film`, a 3D object from `meshes`, what a test scripted from `replies` and `faults`; `dialects` gives a chat answer
the form of the provider that stands behind its model. Files that were made or uploaded lie in `media`; `references`
opens the pictures that a request points at. `Emulator().legacy` are the two older hosts, a package of their own.
"""

from __future__ import annotations

try:
    from langchain_pollinations.emulator.legacy import Legacy
    from langchain_pollinations.emulator.server import Emulator
    from langchain_pollinations.emulator.state import Asked
except ModuleNotFoundError as error:
    needed = "The emulator needs its extra: pip install 'langchain-pollinations-ai[emulator]'"
    raise ModuleNotFoundError(f"{needed} ({error})", name=error.name) from error

__all__ = ["Asked", "Emulator", "Legacy"]
