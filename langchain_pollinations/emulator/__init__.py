"""Emulator of the Pollinations service for tests, demonstrations and offline work. It is an HTTP server on 127.0.0.1.

    with Emulator() as emulator:
        emulator.reply("Hello")
        ...  # point a client at emulator.url
        assert emulator.requests[-1].path == "/v1/chat/completions"

The emulator validates requests as the service does. It has a response cache, account balances, and a ledger of the
billed requests. It stores uploads and records every request. Every response has the header
`x-emulator: langchain-pollinations`.

A test can queue replies. Without a queued reply, the emulator generates the response. It generates text by rules. It
also generates images, videos, speech, music, transcripts, 3D objects, embeddings and decisions.

These modules process a request, in this order:

- `middleware` reads the request.
- `app` routes the request.
- `service.validation` validates the request.
- `service.generation` checks the cache, the API key and the balance.
- A module of `routes` produces the response.
- `scripting.wire` sends the response.

Other modules support them:

- `synthesis` generates content: text (`answers`), images (`images`), audio (`audio`), videos (`video_encoder`) and 3D
  objects (`meshes`).
- `scripting` contains queued replies (`reply_queue`), faults (`faults`), and the response format of each provider
  (`dialects`).
- `service.ledger` contains the billed requests. `routes.account` and `service.usage_report` report them.
- `routes.sign_in` lets a user give an app an API key. `service.api_keys` creates and changes API keys.
- `routes.mcp` emulates the hosted MCP servers `exa` and `pollinations`, with the package `mcp` (extra `mcp`). The web
  that `exa` searches is a small encyclopedia in `synthesis.pages`.
- `routes.media` serves generated and uploaded files. `service.references` opens the images that a request refers to.
- `shadow` forwards requests to the service and compares the emulator with it.
- `legacy` emulates the two legacy hosts. They are available as `Emulator().legacy`.
"""

from __future__ import annotations

try:
    from langchain_pollinations.emulator.legacy import Legacy
    from langchain_pollinations.emulator.server import Emulator
    from langchain_pollinations.emulator.service.ledger import UsageRecord
    from langchain_pollinations.emulator.state import Asked
except ModuleNotFoundError as error:
    needed = "The emulator needs its extra: pip install 'langchain-pollinations-ai[emulator]'"
    raise ModuleNotFoundError(f"{needed} ({error})", name=error.name) from error

__all__ = ["Asked", "Emulator", "Legacy", "UsageRecord"]
