"""Emulator of the Pollinations service: a real HTTP server on 127.0.0.1, for tests, demonstrations and offline work.

    with Emulator() as emulator:
        emulator.reply("Hello")
        ...  # point a client at emulator.url
        assert emulator.requests[-1].path == "/v1/chat/completions"

The emulator validates requests as the service does, and keeps a response cache and account balances. If a test has
queued a reply, the emulator returns this reply. Otherwise it generates the response: text by rules, images, edits,
videos, speech, music, transcripts, 3D objects or embeddings. It stores uploads and records every request. Every
response has the header `x-emulator: langchain-pollinations`.

These modules process a request, in this order:

- `middleware` reads the request.
- `app` routes the request.
- `service.validation` validates the request.
- `service.generation` checks the key, the balance and the cache.
- A module of `routes` (`chat`, `images`, `video`, `audio`, `transcripts`, `models3d`, `embeddings`, `media`) produces
  the response.
- `scripting.wire` sends the response.

Other modules support them:

- `synthesis` generates content: text (`answers`), images (`images`), audio (`audio`), videos (`video_encoder`) and 3D
  objects (`meshes`).
- `scripting` contains scripted replies (`reply_queue`), faults (`faults`), and the response format of each provider
  (`dialects`).
- `routes.media` serves generated and uploaded files. `service.references` opens the images that a request refers to.
- `legacy` emulates the two legacy hosts, which are available as `Emulator().legacy`.
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
