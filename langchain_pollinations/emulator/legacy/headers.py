"""Headers that every response of the legacy hosts has. They refer to the unified host, which is the successor."""

from __future__ import annotations

from langchain_pollinations.emulator.middleware import MARK, Headers

GUIDE = "https://github.com/pollinations/pollinations/blob/master/LEGACY_MIGRATION.md"
DOCS = "https://gen.pollinations.ai/docs"
EXPOSED = "X-Pollinations-Migration, X-Pollinations-Docs, X-Pollinations-Signup, Link"
LOGO = "https://pollinations.ai/logo.svg"  # the service has this header; the URL is the emulator's guess


def signup(host: str) -> str:
    return f"https://enter.pollinations.ai/?ref={host}"


def stamped(headers: Headers, status: int, level: str, host: str) -> Headers:
    """Add the common headers to the headers of a response.

    With level "l5", the only common header is `x-emulator`. With level "l4", there are more, including a `Link` header.
    Its links are appended to an existing `Link` header.
    """
    if level != "l4":
        return [*headers, MARK]  # level L5 lacks the headers below; clients tell the levels apart by them
    links = [value for key, value in headers if key == b"link"]
    links += [f'<{GUIDE}>; rel="deprecation"'.encode(), f'<{DOCS}>; rel="successor-version"'.encode()]
    marks = [
        MARK,
        (b"access-control-allow-origin", b"*"),
        (b"access-control-expose-headers", EXPOSED.encode()),
        (b"x-pollinations-migration", GUIDE.encode()),
        (b"x-pollinations-docs", DOCS.encode()),
        (b"x-pollinations-signup", signup(host).encode()),
    ]
    if status < 400:
        links.append(b'<https://pollinations.ai>; rel="service"')
        marks += [(b"x-powered-by", b"Pollinations.AI"), (b"x-pollinations-logo", LOGO.encode())]
    return [*((k, v) for k, v in headers if k != b"link"), *marks, (b"link", b", ".join(links))]
