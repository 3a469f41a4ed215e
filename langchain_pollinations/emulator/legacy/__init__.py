"""The two legacy hosts, for text and images, which need no key. They behave as the service does today (level L4).

    with Emulator() as emulator:
        legacy = emulator.legacy
        legacy.reply("Hello")
        ...  # point a client at legacy.connection()
        assert legacy.requests[-1].host == "text"

Each host listens on its own port, which is opened when its URL is first read. A test sets the attributes of `Legacy`
(documented at `hosts.Switches`). The emulator's `reset` and `clear` also reset and clear the legacy hosts.

Request flow: `middleware` reads and records the request and plays scripted bodies, faults and damages, without parsing
the request. `app` creates an `Exchange` and passes it to `text.answer` or `image.answer`, which returns the response.
`headers` then adds the headers of every response of these hosts. An `Exchange` has all that a host needs:

- `exchange.asked` is the request, `exchange.hosts` the switches (`level`, `notice`, `semantic_cache`, ...).
- `exchange.scripted()` returns the message that a test scripted for this request, if any. It bypasses the cache.
- `exchange.stored(key)` returns the cached response of an equal request, with cache hit headers; `exchange.key()`
  returns the cache key.
- `await exchange.acquire_slot(streams=...)` waits for a slot in the queue of the client's address and for the
  generation time, or raises the error response 402 or 429. The slot is released after the response is sent. Malformed
  requests and cached responses need no slot.
- `exchange.cached(key, response)` returns the response, which fills the cache once it is fully sent.
- `exchange.publish(event)` adds an event to the public feed; `exchange.published()` returns the feed.
- `exchange.refused(refusal)` returns an error response in the format of the host and its level. `app` does the same for
  a raised `Refusal`.

For the text host, `text_options` parses requests and `notice` is the response to callers that have an account. For the
image host, `image_options` parses requests and `semantic_cache` finds images for similar prompts. Both hosts parse
values with `javascript`, cache responses with `edge_cache`, wait in `queue` and format errors with `errors`. `faults`
are the faults that a test can script.
"""

from __future__ import annotations

from langchain_pollinations.emulator.legacy.server import Legacy

__all__ = ["Legacy"]
