"""The two older hosts, which answer without a key: one for text and one for pictures, as they are today (level L4).

    with Emulator() as emulator:
        legacy = emulator.legacy
        legacy.reply("Hello")
        ...  # point a client at legacy.connection()
        assert legacy.requests[-1].host == "text"

Each host listens on a port of its own, which is opened when its address is first asked for. A test sets the plain
attributes of `Legacy` (`hosts` tells what they mean); `reset` and `clear` of the emulator reach the older hosts too.

The way of a request: `front` reads and remembers it and plays what the script has for it without a look at it (bodies,
faults, damages); `app` makes a `Visit` of it and hands that to `text` or `image`, whose function `answer` returns the
response; on the way out `headers` adds what every answer of these hosts carries. A `Visit` has all that a host needs:

- `visit.asked` is the request, `visit.hosts` the switches (`level`, `notice`, `semantic_cache`, ...);
- `visit.scripted()` is the message that a test wrote for this request, if any: neither stored nor taken from the store;
- `visit.stored(key)` is the stored answer of an equal request, with the headers of a hit; `visit.key()` names it;
- `await visit.turn(streams=...)` comes back when it is the turn of the client's address and the generation has taken
  its time, or raises the refusal: 402 or 429. The place in the queue is given back when the response is gone. What is
  refused for its form, and what comes from the store, needs no turn;
- `visit.kept(key, response)` is the response that also fills the store once it is sent whole;
- `visit.publish(event)` shows an answer in the public feed, and `visit.published()` is what stands there;
- `visit.refused(refusal)` is a refusal in the form of the host and its level, as `app` makes it of one that is raised.

Of the host for text, `parameters` reads a request, and `notice` is what it tells callers whom it knows. Of the host for
pictures, `orders` reads a request, and `similar` finds pictures for similar prompts. Both read values as `javascript`
does, keep answers in `edge`, wait in `queue` and refuse through `errors`; `faults` are what a test may let go wrong.
"""

from __future__ import annotations

from langchain_pollinations.emulator.legacy.server import Legacy

__all__ = ["Legacy"]
