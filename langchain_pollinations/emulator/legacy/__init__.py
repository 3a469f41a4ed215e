"""The two legacy hosts, which generate text and images without an API key.

    with Emulator() as emulator:
        legacy = emulator.legacy
        legacy.reply("Hello")
        ...  # point a client at legacy.connection()
        assert legacy.requests[-1].host == "text"

Each host has its own port, which is opened when its URL is first read. `hosts.Switches` lists the attributes of
`legacy` that a test can set. `Emulator.reset` and `Emulator.clear` also reset and clear the legacy hosts.

The attribute `level` selects one of two versions of the hosts. With "l4", the default, the hosts behave as the service
does today. With "l5", they send the same errors as the unified host.

These modules process a request, in this order:

- `middleware` reads and records the request. It sends scripted bodies and errors, and injects connection faults.
- `app` creates an `Exchange`, which represents the request and its response.
- `text.answer` or `image.answer` returns the response.
- `headers` adds the headers that every response has.

These methods of an `Exchange` are used to build a response:

- `scripted` returns the message that a test has scripted, if any.
- `key` returns the cache key of the request. `stored` returns the cached response for a cache key.
- `acquire_slot` waits until the client's address may start another generation. It raises an error (402 or 429) if the
  request may not wait. The slot is released after the response is sent. Invalid requests and cached responses need no
  slot.
- `cached` wraps a response, so that it is added to the cache after it is sent.
- `publish` adds an event to the public feed. `published` returns the feed.
- `refused` converts an error to a response in the format of the host.

Other modules support them:

- `text_options` and `image_options` parse requests. `javascript` parses single values.
- `notice` is the migration notice, which the text host sends to callers that have an account.
- `edge_cache` stores whole responses. `semantic_cache` finds images for similar prompts.
- `queue` limits the requests of each client address.
- `errors` formats errors. `faults` lists the faults that a test can script.
"""

from __future__ import annotations

from langchain_pollinations.emulator.legacy.server import Legacy

__all__ = ["Legacy"]
