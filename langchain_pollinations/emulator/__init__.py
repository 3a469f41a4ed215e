"""Emulator of the Pollinations service: a real HTTP server on 127.0.0.1, for tests, demonstrations and offline work.

    with Emulator() as emulator:
        emulator.reply("Hello")
        ...  # point a client at emulator.url
        assert emulator.requests[-1].path == "/v1/chat/completions"

The emulator validates requests as the service does, keeps a response cache and account balances, and returns scripted
replies where a test has queued any. Otherwise it generates text by rules, images, edits, videos, speech, music,
transcripts, 3D objects and embeddings. It stores uploads and records every request. Every response has the header
`x-emulator: langchain-pollinations`.

A request passes through these modules: `middleware` reads it, `app` routes it, `service.validation` validates it,
`service.generation` checks the key, the balance and the cache, a module of `routes` (`chat`, `images`, `video`,
`audio`, `transcripts`, `models3d`, `embeddings`, `media`) produces the response, and `scripting.wire` sends it.

- `synthesis` generates content: `answers` the text, `images`, `audio`, `video_encoder` the videos, `meshes` the 3D
  objects.
- `scripting` holds scripted replies (`replies`), faults (`faults`), and the response format of each provider
  (`dialects`).
- `routes.media` serves generated and uploaded files; `service.references` opens the images that a request refers to.
- `legacy` emulates the two legacy hosts, available as `Emulator().legacy`.
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
