"""The table of all faults, in the groups of the docs page."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from typing import Any

from langchain_pollinations import errors as e
from tests.faults import callers
from tests.faults.columns import (
    ANY,
    ASYNC,
    BILLED,
    BODY,
    CHAT,
    CLIENTS,
    COLUMNS,
    FILE,
    GET,
    JSON,
    LEGACY,
    LEGACY_IMAGE,
    LEGACY_TEXT,
    MEDIA,
    OWN,
    PLAIN_TEXT,
    POST,
    STATUS,
    STREAM,
    STREAM_CLIENTS,
    UPLOAD,
    WHOLE,
    Paths,
)
from tests.faults.rows import Fault, Group, emulated
from tests.faults.wire import (
    CLOSE,
    DONE,
    KEY,
    OK,
    RESET,
    SILENCE,
    STOP,
    STREAM_HEAD,
    TOTAL,
    USAGE,
    WHOLE_STREAM,
    chunk,
    completion,
    cut,
    delta,
    dripping,
    gzipped_twice,
    http,
    in_members,
    sse,
    stream,
    with_body,
    with_headers,
)

BROKE = {"message": "The provider broke", "code": "broken"}
PAGE = "<!DOCTYPE html><html><head><title>Down for repairs</title></head></html>"
LIMIT = 4 * 1024 * 1024
BOUNDED = {"max_response_bytes": LIMIT}
ZEROS = bytes(64 * 1024 * 1024)
BOMB = gzip.compress(ZEROS)
DEEP = "[" * 100_000
TOO_LARGE = "larger than 4,194,304 bytes; raise `max_response_bytes`"
SECOND = http(completion("Wrong."))

REFUSED = Group(
    "The service refuses a request",
    "These errors are not retried, because the same request would be refused again.",
    [
        emulated("No API key", "no key", e.AuthenticationError, STATUS),
        emulated("Unknown or expired API key", "key not recognised", e.AuthenticationError, STATUS),
        emulated("An offer of payment by x402 (402)", "payment offer", e.AuthenticationError, STATUS),
        emulated("Unknown model", "model unknown", e.UnknownModelError, STATUS),
        emulated("Model not allowed for the key", "model not allowed for the key", e.PermissionDeniedError, STATUS),
        emulated("Account blocked, or the key lacks a scope (403)", 403, e.PermissionDeniedError, STATUS),
        emulated("Balance too low", "balance spent", e.InsufficientBalanceError, STATUS),
        emulated("Budget of the key spent", "key budget spent", e.KeyBudgetExhaustedError, STATUS),
        emulated("Quest Pollen used up", "quest pollen spent", e.QuestPollenOnlyError, STATUS),
        emulated(
            "Paid model with a key for Quest Pollen",
            "paid model for a quest pollen key",
            e.QuestPollenOnlyError,
            STATUS,
        ),
        emulated("Other 402", 402, e.PaymentRequiredError, STATUS, code="PAYMENT_REQUIRED"),
        *(
            emulated(f"Refusal as text with status 200 | {what}", case, kind, CHAT)
            for what, case, kind in (
                ("balance", "balance notice", e.InsufficientBalanceError),
                ("key budget", "key budget notice", e.KeyBudgetExhaustedError),
                ("Quest Pollen", "quest pollen notice", e.QuestPollenOnlyError),
                ("model not allowed", "permission notice", e.PermissionDeniedError),
                ("earlier wording", "september notice", e.InsufficientBalanceError),
            )
        ),
        emulated(
            "Invalid field (400), and other 4xx | field",
            400,
            e.InvalidRequestError,
            STATUS,
            details={"fieldErrors": {"seed": ["no"]}},
        ),
        emulated("Input too long | code of the provider", "context overflow", e.ContextOverflowError, STATUS),
        emulated("Input too long | words of the provider", "provider 400", e.ContextOverflowError, STATUS),
        emulated("Input too long | 413", 413, e.ContextOverflowError, STATUS, message="prompt is too long: 9 > 8"),
        emulated("Request larger than the limit (413)", "body over 20 MiB", e.PayloadTooLargeError, STATUS),
        emulated("Blocked by the safety filter", "content blocked", e.ContentBlockedError, STATUS),
        emulated(
            "Blocked by the safety filter | earlier format",
            "content blocked (earlier shape)",
            e.ContentBlockedError,
            STATUS,
        ),
        emulated("Rejected by the content policy (422)", "content policy", e.UnprocessableError, STATUS),
        emulated("Rejected by the provider (422)", "provider 422", e.UnprocessableError, STATUS),
        *(
            emulated(f"Image of the input that the service cannot use | {case}", case, e.MediaInputError, STATUS)
            for case in ("image download failed", "invalid image url", "image too large", "unsupported image type")
        ),
        emulated("Unknown path (404)", "path unknown", e.NotFoundError, STATUS),
        *(
            emulated(
                f"Unsupported request (405, 409, 410, 415, 426) | {status}", status, e.UnsupportedRequestError, STATUS
            )
            for status in (405, 409, 410, 415, 426)
        ),
        emulated("Invalid field (400), and other 4xx | 418", 418, e.InvalidRequestError, STATUS),
        emulated(
            "Invalid field (400), and other 4xx | a flat error",
            400,
            e.InvalidRequestError,
            STATUS,
            body={"error": "No"},
            says="No",
        ),
        emulated(
            "Invalid field (400), and other 4xx | an HTML page",
            400,
            e.InvalidRequestError,
            STATUS,
            body=PAGE,
            says="400",
        ),
        emulated(
            "Invalid field (400), and other 4xx | earlier format of the safety filter",
            400,
            e.InvalidRequestError,
            STATUS,
            body={"error": {"type": "safety_error", "code": "invalid_safe", "message": "No such check"}},
            says="No such check",
        ),
        *(
            emulated(
                f"The media host refuses an upload | {status}", status, kind, UPLOAD, body={"error": "No"}, says="No"
            )
            for status, kind in (
                (400, e.InvalidRequestError),
                (401, e.AuthenticationError),
                (409, e.UnsupportedRequestError),
                (413, e.PayloadTooLargeError),
            )
        ),
        Fault(
            "Invalid field (400), and other 4xx | more data behind it",
            http("{}", status="400 No") + SECOND,
            CLIENTS,
            e.InvalidRequestError,
        ),
        emulated(
            "Invalid field (400), and other 4xx | an empty body",
            400,
            e.InvalidRequestError,
            STATUS,
            body=b"",
            says="400",
        ),
    ],
)

LIMITED = Group(
    "Rate limits",
    "A call that the service bills is repeated up to 10 times after a 429, each time after `Retry-After`, which may be "
    "up to 5 minutes. These repetitions do not count as retries; `max_retries=0` disables them. `max_retries` applies "
    "to a 429 without `Retry-After`, to `wait_for_rate_limit=False`, and to all other errors; a `Retry-After` may then "
    "be up to 60 seconds. If `Retry-After` is longer, the error is raised at once. `error.retry_after` is the time to "
    "wait in seconds.",
    [
        *(
            emulated(f"Rate limit (429) | {what}", case, e.RateLimitError, STATUS, retried=True)
            for what, case in (
                ("publishable key", "publishable key limiter"),
                ("one generation at a time", "concurrency limiter"),
                ("edge of the service", "edge limiter"),
                ("requests per minute of a model", "per-model limit"),
            )
        ),
        emulated("Rate limit (429) | time to wait", 429, e.RateLimitError, BILLED, headers={"retry-after": "0.01"},
                 retried=True, retries=10),
        emulated("Rate limit (429) | empty", 429, e.RateLimitError, STATUS, body=b"", retried=True),
        emulated("`Retry-After` of an hour (429)", 429, e.RateLimitError, STATUS, headers={"retry-after": "3600"}),
        emulated("`Retry-After` of a million years (503)", 503, e.ServiceUnavailableError, STATUS,
                 headers={"retry-after": "3" + "0" * 13}),
        *(
            emulated(f"`Retry-After` that is no time to wait | {what}", 429, e.RateLimitError, STATUS,
                     headers={"retry-after": value},
                     retried=True, do="The call is retried after a short delay.")
            for what, value in (
                ("infinity", "1e999"),
                ("no number", "nan"),
                ("less than nothing", "-5"),
                ("words", "in a while"),
                ("5,000 digits", "9" * 5000),
                ("a date in the past", "Wed, 21 Oct 2015 07:28:00 GMT"),
                ("a date that does not exist", "Wed, 99 Foo 99999 99:99:99 GMT"),
            )
        ),
    ],
)  # fmt: skip

FAILED = Group(
    "The service or a provider fails",
    "A retry sends the same bytes. The service attaches it to the running generation, or returns the stored result, so "
    "it is billed once.",
    [
        emulated("408", 408, e.RequestTimeoutError, STATUS, retried=True),
        emulated("500", 500, e.InternalServerError, STATUS, retried=True),
        emulated("500 | flat error", "usage unavailable", e.InternalServerError, STATUS, retried=True),
        emulated("500 | JSON list", 500, e.InternalServerError, STATUS, body='["a"]', retried=True),
        emulated("500 | null", 500, e.InternalServerError, STATUS, body={"error": None}, retried=True),
        emulated("501, 530 and other 5xx | 501", 501, e.ServiceError, STATUS),
        emulated("502", 502, e.UpstreamError, STATUS, retried=True),
        emulated("502 | HTML", "bad gateway page", e.UpstreamError, STATUS, retried=True),
        *(
            emulated(f"502, because the provider refused the service (401, 402, 403, 404) | {status}",
                     f"provider {status}", e.UpstreamError, STATUS)
            for status in (401, 402, 404)
        ),
        Fault("502, because the provider refused the service (401, 402, 403, 404) | 403", http({"error": {**BROKE,
              "details": {"upstreamStatus": 403}}}, status="502 No"), STATUS, e.UpstreamError),
        Fault("502 | conflict at the provider", http({"error": {**BROKE, "details": {"upstreamStatus": 409}}},
              status="502 No", retry_after="0"), STATUS, e.UpstreamError, True),
        emulated("502 | rate limit of the provider", "provider 429", e.UpstreamError, STATUS, retried=True),
        emulated("502 | provider timed out", "provider 524", e.UpstreamError, STATUS, retried=True),
        emulated("502 | no usage", "provider left usage out", e.UpstreamError, STATUS, retried=True),
        emulated("502 | JSON for a stream", "provider answered a stream request with JSON",
                 e.UpstreamError, STATUS, retried=True),
        emulated("500 | provider", "provider 500", e.InternalServerError, STATUS, retried=True),
        emulated("503 | provider overloaded", "provider 503", e.ServiceUnavailableError, STATUS, retried=True),
        emulated("503 | plain text", "coordination unavailable", e.ServiceUnavailableError, STATUS, retried=True),
        emulated("503 | no cache entry", 503, e.ServiceUnavailableError, STATUS, retried=True,
                 body=b"Generation completed without a durable cache entry", says="durable cache entry"),
        emulated("503 | earlier format of the safety service", 503, e.ServiceUnavailableError, STATUS, retried=True,
                 body={"error": {"type": "safety_error", "code": "service_unavailable", "message": "No checks"}},
                 says="No checks"),
        emulated("503 | cache", "cache unavailable", e.ServiceUnavailableError, STATUS, retried=True),
        emulated("503 | safety service", "safety service down", e.ServiceUnavailableError, STATUS,
                 retried=True),
        emulated("503 | empty", 503, e.ServiceUnavailableError, STATUS, body=b"", retried=True),
        emulated("504, 522, 524, 598, 599 | own", 504, e.GatewayTimeoutError, STATUS, retried=True),
        emulated("504, 522, 524, 598, 599 | 504", "provider 408", e.GatewayTimeoutError, STATUS, retried=True),
        emulated("504, 522, 524, 598, 599 | 524", "edge page", e.GatewayTimeoutError, STATUS, retried=True),
        *(
            emulated(f"504, 522, 524, 598, 599 | {status}", status, e.GatewayTimeoutError, STATUS, body=PAGE,
                     retried=True)
            for status in (522, 598, 599)
        ),
        *(
            emulated(f"520, 521, 523, 525, 526, 529 | {status}", status, e.ServiceError, STATUS, body=PAGE,
                     retried=True)
            for status in (520, 521, 523, 525, 526, 529)
        ),
        emulated("501, 530 and other 5xx | 530", 530, e.ServiceError, STATUS, body=PAGE),
        Fault("400 that cannot be read | breaks off",
              (http('{"error": {"message": "half', status="400 No", content_length="500"), CLOSE),
              ANY, e.InvalidRequestError),
        Fault("503 that cannot be read | larger than 1 MiB", http(ZEROS[:4_000_000], status="503 No",
              retry_after="0"),
              STATUS, e.ServiceUnavailableError, retried=True),
        Fault("503 that cannot be read | bomb",
              http(BOMB, status="503 No", content_encoding="gzip", retry_after="0"),
              STATUS, e.ServiceUnavailableError, retried=True),
        Fault("503 that cannot be read | encoding",
              http(b"x", status="503 No", content_encoding="br", retry_after="0"),
              STATUS, e.ServiceUnavailableError, retried=True),
        *(
            Fault(f"400 that cannot be read | charset {charset}",
                  http(b"whale", f"text/plain; charset={charset}", "400 No"), STATUS, e.InvalidRequestError)
            for charset in ("hex", "nonsense", "utf-16", "undefined")
        ),
        Fault("400 that cannot be read | deep JSON", http(DEEP, status="400 No"), STATUS,
              e.InvalidRequestError),
        *(
            Fault(f"Response that repeats the key | {what}", by, STREAM if what == "event" else CHAT, kind,
                  do="The key is replaced by `***`.",
                  says=says)
            for what, by, kind, says in (
                ("error", http({"error": {"message": f"Bearer {KEY}", "code": KEY}}, status="401 No"),
                 e.AuthenticationError, r"\*\*\*"),
                ("request id", http("{}", status="400 No", x_request_id=KEY), e.InvalidRequestError, r"\*\*\*"),
                ("other JSON", http({"detail": f"Bearer {KEY}"}), e.UpstreamError, r"\*\*\*"),
                ("event", http(sse({"error": {"message": KEY}}), "text/event-stream"), e.UpstreamError, r"\*\*\*"),
                ("page", http(f"<html>{KEY}</html>", "text/html"), e.InvalidResponseError, r"\*\*\*"),
            )
        ),
        Fault("503 | a request id that forges a line of a log", http({"error": {"message": "x", "requestId":
              "a\nWARNING:root:forged \x1b[31m"}}, status="503 No", retry_after="0"), STATUS,
              e.ServiceUnavailableError, True),
    ],
)  # fmt: skip

OLD_TEXT: dict[str, Any] = {"on": LEGACY_TEXT, "legacy": True}
OLD_IMAGE: dict[str, Any] = {"on": LEGACY_IMAGE, "legacy": True}
KEYED = "Wait, or use an API key."
OLD = Group(
    "The legacy hosts",
    "These rows are for calls without a key. No failure of a legacy host is retried on the other hosts.",
    [
        emulated("The queue of the host is full (429)", "queue full", e.RateLimitError, do=KEYED, retried=True,
                 **OLD_TEXT),
        emulated("An offer of payment (402)", "payment challenge", e.RateLimitError, do=KEYED, retried=True,
                 **OLD_TEXT),
        emulated("An offer of payment (402) | too few rights", 402, e.RateLimitError, do=KEYED, retried=True,
                 body={"error": "Tier too low", "status": 402}, says="Tier too low", **OLD_TEXT),
        emulated("The IP address is blocked", "blocked address", e.PermissionDeniedError, do=KEYED, **OLD_TEXT),
        emulated("The IP address is blocked | details", "blocked address, told", e.PermissionDeniedError, do=KEYED,
                 **OLD_TEXT),
        emulated("The provider is overloaded (503)", "provider 503", e.ServiceUnavailableError, retried=True,
                 says="The model is overloaded", **OLD_TEXT),
        emulated("Input too long (500)", "input too long", e.ContextOverflowError, **OLD_TEXT),
        emulated("Model not found (404)", 404, e.UnknownModelError,
                 do="Choose another model. More models need an API key.", message="Model not found: x", **OLD_TEXT),
        emulated("The cache of the host fails (500)", "worker error", e.InternalServerError,
                 retried=True, **OLD_TEXT),
        emulated("The host is down (501, 530)", "origin down", e.ServiceError, **OLD_TEXT),
        emulated("502 with an HTML page", "bad gateway page", e.UpstreamError, retried=True, **OLD_TEXT),
        emulated("Invalid request (400)", 400, e.InvalidRequestError, body={"error": "No messages"},
                 says="No messages", **OLD_TEXT),
        emulated("Invalid request (400) | HTML page", "malformed body", e.InvalidRequestError, **OLD_TEXT),
        *(
            emulated(f"{what} | JSON of the image host", status, kind, retried=retried, do=do, says="It broke",
                     body={"error": label, "message": "It broke", "requestParameters": {}, "queueInfo": None},
                     **OLD_IMAGE)
            for what, status, label, kind, retried, do in (
                ("The queue of the host is full (429)", 429, "Too Many Requests", e.RateLimitError, True, KEYED),
                ("The IP address is blocked", 403, "Forbidden", e.PermissionDeniedError, False, KEYED),
                ("The cache of the host fails (500)", 500, "Internal Server Error", e.InternalServerError, True, ""),
            )
        ),
        emulated("The migration notice with status 200", "migration notice", e.AuthenticationError,
                 do="Remove the header that a proxy adds.",
                 on=Paths(LEGACY_TEXT.all, LEGACY_TEXT.few), legacy=True),
        emulated("Image of an error with status 200", "image of an error", e.InternalServerError, retried=True,
                 **OLD_IMAGE),
        emulated("Image of a rate limit with status 200", "image of a limit", e.RateLimitError, do=KEYED, retried=True,
                 **OLD_IMAGE),
        emulated("Image of a block with status 200", "image of a block", e.ContentBlockedError, **OLD_IMAGE),
        emulated("An offer of payment (402) | image", "payment challenge", e.RateLimitError, do=KEYED,
                 retried=True,
                 **OLD_IMAGE),
        emulated("The host is down (501, 530) | image", "origin down", e.ServiceError, **OLD_IMAGE),
        Fault("Error in the format of gen.pollinations.ai",
              http({"success": False, "status": 503, "error": {**BROKE, "code": "SERVICE_UNAVAILABLE"}},
                   status="503 No", retry_after="0"), LEGACY, e.ServiceUnavailableError, retried=True),
        Fault("Invalid request (400) | deep JSON", http(DEEP, status="400 No"), LEGACY,
              e.InvalidRequestError),
        Fault("The host is down (501, 530) | deep details",
              http({"error": "x", "details": '{"a":' + DEEP}, status="501 No"), LEGACY, e.ServiceError),
        Fault("Response that cannot be read", http(DEEP), LEGACY, e.InvalidResponseError),
    ],
)  # fmt: skip

PROXIED = {"base_url": "http://service.invalid", "media_url": "http://service.invalid/media"}
BEHIND = Paths(tuple(name for name in OWN.all if COLUMNS[name].host == "gen"), OWN.few)
SECURE = {"base_url": "https://service.invalid", "media_url": "https://service.invalid/media"}
NAMED = "check the environment variable {};"
PASSWORD = "Add the user name and the password to the URL of the proxy."
UNREACHED = Group(
    "The service cannot be reached",
    "Errors of the environment name the variable, never its value, because the URL of a proxy may contain a password.",
    [
        Fault("Nothing listens at the address", None, ANY, e.APIConnectionError, True, sends=0, heals=False,
              fields={"base_url": "{closed}", "media_url": "{closed}/media", "legacy_text_url": "{closed}",
                      "legacy_image_url": "{closed}"}, says="failed"),
        Fault("The host name does not exist", None, STATUS, e.APIConnectionError, True, sends=0, heals=False,
              fields={"base_url": "http://no-such-host.invalid", "media_url": "http://no-such-host.invalid/media"},
              says="Check this address. Without a network, run python -m"),
        Fault("The host name cannot exist", None, STATUS, e.APIConnectionError, True, sends=0, heals=False,
              fields={"base_url": "http://" + "a" * 60 + "." + "b" * 60 + ".invalid"}),
        Fault("The address of the service has no scheme", None, STATUS, ValueError, sends=0, heals=False,
              fields={"base_url": "gen.pollinations.ai"}, says="base_url", do="Set `base_url` to an origin."),
        Fault("The server does not support TLS", None, OWN, e.APIConnectionError, True, sends=0, heals=False,
              fields={"base_url": "{gen_tls}", "media_url": "{gen_tls}/media", "legacy_text_url": "{gen_tls}",
                      "legacy_image_url": "{gen_tls}"}),
        *(
            Fault(what, None, OWN, e.APIConnectionError, sends=0, heals=False, env=env, says="certificate",
                  fields={"base_url": f"{{{name}}}", "media_url": f"{{{name}}}/media", "legacy_text_url": f"{{{name}}}",
                          "legacy_image_url": f"{{{name}}}"},
                  do="Install the certificate authority, or set `SSL_CERT_FILE`.")
            for what, name, env in (
                ("The certificate of the server is unknown", "valid", {}),
                ("The certificate of the server is unknown | missing folder", "valid", {"SSL_CERT_DIR": "/nowhere"}),
                ("The certificate of the server has expired", "expired",
                    {"SSL_CERT_FILE": "{certificates}/expired.pem"}),
                ("The certificate is that of another host", "other_host",
                 {"SSL_CERT_FILE": "{certificates}/other_host.pem"}),
            )
        ),
        Fault("A private certificate that `SSL_CERT_FILE` names", None, OWN, None,
              env={"SSL_CERT_FILE": "{certificates}/valid.pem"}, fields={"base_url": "{valid}",
              "media_url": "{valid}/media"}),
        Fault("The proxy cannot be reached", None, BEHIND, e.APIConnectionError, True, sends=0, heals=False,
              env={"http_proxy": "{closed}"}, fields=PROXIED, says="proxy"),
        Fault("The name of the proxy does not exist", None, BEHIND, e.APIConnectionError, True, sends=0, heals=False,
              env={"http_proxy": "http://me:{key}@no-such-proxy.invalid:8080"}, fields=PROXIED, says="proxy"),
        Fault("The proxy asks for a password (407)", http(PAGE, "text/html", "407 Proxy Authentication Required"),
              BEHIND,
              e.APIConnectionError, env={"http_proxy": "http://me:{key}@{netloc}"}, fields=PROXIED,
              do=PASSWORD, says="proxy.*password"),
        Fault("The proxy asks for a password (407) | tunnel",
              (http(PAGE, "text/html", "407 Proxy Authentication Required"), CLOSE), BEHIND, e.APIConnectionError,
              env={"https_proxy": "http://me:{key}@{netloc}"}, fields=SECURE, says="proxy.*password", heals=False,
              do=PASSWORD),
        Fault("The proxy refuses the tunnel (403)", (http("", status="403 Forbidden"), CLOSE), BEHIND,
              e.APIConnectionError, True, env={"https_proxy": "http://me:{key}@{netloc}"}, fields=SECURE, heals=False),
        Fault("The proxy has no connection (502)", (http("", status="502 Bad Gateway"), CLOSE), BEHIND,
              e.APIConnectionError, True, env={"https_proxy": "http://me:{key}@{netloc}"}, fields=SECURE, heals=False),
        *(
            Fault(what, None, BEHIND, e.InvalidRequestError, sends=0, heals=False, env={name: value},
                  says=NAMED.format(name), do="Correct the environment variable.")
            for what, name, value in (
                ("`HTTPS_PROXY` with a misspelt scheme", "HTTPS_PROXY", "htp://me:{key}@proxy.example"),
                ("`HTTPS_PROXY` with an unsupported scheme", "https_proxy", "ftp://me:{key}@proxy.example"),
                ("`HTTP_PROXY` with an invalid port", "HTTP_PROXY", "http://me:{key}@proxy.example:port"),
                ("`ALL_PROXY` with an unknown scheme", "ALL_PROXY", "socks9://{key}"),
                ("`NO_PROXY` with an invalid port", "NO_PROXY", "{key}.example:port"),
                ("`SSL_CERT_FILE` that does not exist", "SSL_CERT_FILE", "/nowhere/{key}.pem"),
                ("`SSL_CERT_FILE` without certificates", "SSL_CERT_FILE", __file__),
                ("`SSLKEYLOGFILE` that cannot be written", "SSLKEYLOGFILE", "/nowhere/keys"),
            )
        ),
    ],
)  # fmt: skip

LOST = Group(
    "The connection breaks",
    "A call that returns a whole response is retried, and billed once. A stream is retried until its response begins. "
    "The service bills each attempt of a stream that it received. After that, `error.partial` is the text so far.",
    [
        Fault("Connection lost before the response | reset", (RESET,), CLIENTS, e.APIConnectionError, True),
        Fault("Connection lost before the response | closed", (CLOSE,), CLIENTS, e.APIConnectionError, True),
        Fault("Connection lost in the headers | status line", cut(head=0.05), ANY, e.APIConnectionError, True),
        Fault("Connection lost in the headers | closed", cut(head=0.5), ANY, e.APIConnectionError, True),
        Fault("Connection lost in the headers | reset", cut(head=0.5, end=RESET), ANY, e.APIConnectionError, True),
        Fault("Connection lost in the body | at its start", cut(body=0), WHOLE, e.APIConnectionError, True),
        Fault("Connection lost in the body | closed", cut(body=0.5), WHOLE, e.APIConnectionError, True),
        Fault("Connection lost in the body | reset", cut(body=0.5, end=RESET), WHOLE, e.APIConnectionError, True),
        *(
            Fault(f"Connection lost in a stream | {what}", (*stream(delta("Half é"), end=end),), STREAM_CLIENTS,
                  e.APIConnectionError, partial="Half é",
                  do="Use `error.partial`, or repeat the call. The service bills it again.")
            for what, end in (
                ("Closed between two events", (CLOSE,)),
                ("Reset between two events", (0.05, RESET)),
                ("Closed in an event", (chunk(b'data: {"choices":[{"delta":{"content":" mo'), CLOSE)),
                ("Closed in the length of a chunk", (b"1", CLOSE)),
                ("Closed in a UTF-8 character",
                 (chunk('data: {"choices":[{"delta":{"content":"é'.encode()[:-1]), CLOSE)),
            )
        ),
        Fault("Response that is not HTTP | text", (b"hello\r\n\r\n", CLOSE), ANY, e.APIConnectionError, True),
        Fault("Response that is not HTTP | status line", (b"HTTP/1.1 OK 200\r\n\r\n", CLOSE), ANY,
              e.APIConnectionError, True),
        Fault("Response that is not HTTP | header without a name", (b"HTTP/1.1 200 OK\r\n: x\r\n\r\n", CLOSE), ANY,
              e.APIConnectionError, True),
        Fault("Response that is not HTTP | length", (OK + b"content-length: abc\r\n\r\n", CLOSE), ANY,
              e.APIConnectionError,
              True),
        Fault("Response that is not HTTP | two lengths", (OK + b"content-length: 2\r\ncontent-length: 5\r\n\r\n{}",
              CLOSE), ANY,
              e.APIConnectionError, True),
        Fault("Response that is not HTTP | length of a chunk", (OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
              CLOSE), WHOLE,
              e.APIConnectionError, True),
        Fault("Headers larger than 100 KB", (OK + b"x: " + b"y" * 200_000 + b"\r\n\r\n", CLOSE), ANY,
              e.APIConnectionError, True),
        Fault("Informational responses before the response", lambda genuine: (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", genuine), ANY, None),
        Fault("Reason phrase that is not text", lambda genuine: (genuine.replace(b"200 OK", b"200 \xff\xfe", 1),), ANY,
              None),
        Fault("HTTP/1.0 without a length", (b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n"
              + json.dumps(completion()).encode(), CLOSE), CHAT, "Yes."),
        Fault("More data than the response | second response", lambda genuine: (genuine + SECOND,), CLIENTS, None),
        Fault("More data than the response | later", lambda genuine: (genuine, 0.05, SECOND), CLIENTS, None,
              pause=0.4),
        Fault("More data than the response | half a response", lambda genuine: (genuine + SECOND[:18],), CLIENTS, None),
        Fault("Cookies", with_headers(set_cookie="session=1; Path=/; Max-Age=999"), OWN, None),
    ],
)  # fmt: skip

SLOW = {"timeout": 0.8}
HURRY = {"total_timeout": 0.5, "max_retries": 3}
STALL = {"stream_chunk_timeout": 0.4}
WORD = delta("Half")
LATE = Group(
    "The service is slow",
    "`timeout` (300 seconds by default) limits the time without data, `stream_chunk_timeout` (120 seconds) the time "
    "between two events of a stream. `total_timeout` limits the whole call with its waits and retries. It is not set "
    "by default: set it for agents that run unattended.",
    [
        Fault("No response within `timeout`", (SILENCE,), ANY, e.RequestTimeoutError, True, fields=SLOW),
        Fault("No data for `timeout` seconds in the body", cut(body=0.5, end=SILENCE), WHOLE, e.RequestTimeoutError,
              True,
              fields=SLOW),
        Fault("Response that is not complete within `total_timeout` | No response within tota", (SILENCE,), ANY,
              e.RequestTimeoutError, fields=HURRY,
              says="longer than `total_timeout`"),
        Fault("Response that is not complete within `total_timeout` | Headers byte by byte", dripping(OK + b"x: ",
              b"a"), ANY, e.RequestTimeoutError, fields=HURRY,
              says="longer than `total_timeout`"),
        Fault("Response that is not complete within `total_timeout` | Body byte by byte",
              dripping(OK + b"content-type: application/json\r\n\r\n", b" "), WHOLE,
              e.RequestTimeoutError, fields=HURRY, says="longer than `total_timeout`"),
        Fault("Response that is not complete within `total_timeout` | Informational responses ", dripping(b"",
              b"HTTP/1.1 100 Continue\r\n\r\n"), ANY,
              e.RequestTimeoutError, fields=HURRY, says="longer than `total_timeout`"),
        Fault("Response that is not complete within `total_timeout` | Digits of a length witho",
              dripping(OK + b"transfer-encoding: chunked\r\n\r\n", b"0"), WHOLE,
              e.RequestTimeoutError, fields=HURRY, says="longer than `total_timeout`"),
        Fault("Response that is not complete within `total_timeout` | Trailers without end",
              dripping(OK + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"x"), WHOLE,
              e.RequestTimeoutError, fields=HURRY, says="longer than `total_timeout`"),
        Fault("Response that is not complete within `total_timeout` | Silence in the body with",
              (OK + b"content-type: application/json\r\n\r\n{", SILENCE),
              WHOLE, e.RequestTimeoutError, fields=HURRY, says="longer than `total_timeout`"),
        Fault("Retries that would end after `total_timeout`", http("", status="503 No", retry_after="1"), STATUS,
              e.ServiceUnavailableError, fields=HURRY),
        Fault("Stream without an event | Stream without an event", stream(end=(SILENCE,)), STREAM_CLIENTS,
              e.StreamTimeoutError, fields=STALL,
              partial=""),
        Fault("Stream that stops", stream(WORD, end=(SILENCE,)), STREAM_CLIENTS, e.StreamTimeoutError, fields=STALL,
              partial="Half"),
        Fault("Stream that stops | timeout only", stream(WORD, end=(SILENCE,)), STREAM_CLIENTS,
              e.StreamTimeoutError, fields=SLOW, partial="Half"),
        *(
            Fault(f"Stream that sends only comments and other lines without data | {what}",
                  dripping(STREAM_HEAD + chunk(sse(WORD)), chunk(sse(piece))), STREAM_CLIENTS,
                  e.StreamTimeoutError, fields=STALL, partial="Half")
            for what, piece in (("comments", ": ping\n\n"), ("ids", "id: 7\n\n"), ("empty lines", "\n"),
                                ("retry fields", "retry: 3000\n\n"))
        ),
        Fault("Stream without an event | Stream of empty gzip blo", dripping(
              OK + b"content-type: text/event-stream\r\ncontent-encoding: gzip\r\n\r\n" + (PACKED := zlib.compressobj(
                  wbits=31)).compress(b": comment\n\n") + PACKED.flush(zlib.Z_SYNC_FLUSH), b"\0\0\0\xff\xff"),
              STREAM_CLIENTS, e.StreamTimeoutError, fields=STALL, partial=""),
        Fault("Stream without an event | A slow body under a stre",
              dripping(OK + b"content-type: application/json\r\n\r\n", b" "),
              STREAM_CLIENTS, e.StreamTimeoutError, fields=STALL),
        Fault("Stream without end", dripping(STREAM_HEAD, chunk(sse(delta("a")))), STREAM_CLIENTS,
              e.RequestTimeoutError,
              fields={"total_timeout": 0.6}, says="longer than `total_timeout`"),
        Fault("Slow stream, faster than `stream_chunk_timeout`",
              (STREAM_HEAD, *(step for each in WHOLE_STREAM for step in (chunk(sse(each)), 0.3)), b"0\r\n\r\n"),
              STREAM_CLIENTS, "Yes.", fields={"stream_chunk_timeout": 1.0}),
    ],
)  # fmt: skip

TYPED = Paths(tuple(name for name in WHOLE.all if "plain text" not in name), WHOLE.few)
READ_ANYWAY = Group(
    "Odd responses that are read",
    "These responses are not as the service documents them. The answer in them is complete.",
    [
        *(
            Fault(f"Stream with another content type, encoding or form | {what}", http(body, kind), STREAM, "Yes.")
            for what, kind, body in (
                ("JSON for a stream", "application/json", completion()),
                ("JSON for a stream, as text", "text/plain; charset=utf-8", completion()),
                ("JSON for a stream, behind white space", "application/json", "\n\n " + json.dumps(completion())),
                ("JSON labelled as a stream", "text/event-stream", completion()),
                ("JSON in lines labelled as a stream", "text/event-stream", json.dumps(completion(), indent=2)),
                ("Stream labelled as text", "text/plain; charset=utf-8", sse(*WHOLE_STREAM)),
                ("Stream labelled as bytes", "application/octet-stream", sse(": hello\n\n", *WHOLE_STREAM)),
                ("Stream type in capitals", 'Text/Event-Stream ; charset="utf-8"', sse(*WHOLE_STREAM)),
                ("Stream with a byte order mark", "text/event-stream", b"\xef\xbb\xbf" + sse(*WHOLE_STREAM)),
                ("Stream without its last empty line", "text/event-stream", sse(*WHOLE_STREAM)[:-2]),
                ("Stream without `[DONE]`", "text/event-stream", sse(*WHOLE_STREAM[:-1])),
                ("Stream with another event after the end", "text/event-stream", sse(*WHOLE_STREAM, DEEP)),
            )
        ),
        Fault("Stream with another content type, encoding or form | byte by byte", (STREAM_HEAD,
              *(chunk(bytes([byte])) for byte in sse(delta("Yé😀s."), STOP, DONE)),
              b"0\r\n\r\n"), STREAM_CLIENTS, "Yé😀s."),
        Fault("Connection lost, or silence, after the end of a stream | lost", stream(*WHOLE_STREAM, end=(CLOSE,)),
              STREAM_CLIENTS, "Yes."),
        Fault("Connection lost, or silence, after the end of a stream | silence", stream(*WHOLE_STREAM, end=(SILENCE,
              )), STREAM_CLIENTS, "Yes."),
        Fault("Stream with pings of every kind", stream(*(ping for word in ("Ye", "s.") for ping in (
              "waiting", "data:\n\n", "null", "7", "[]", '"ping"', "{}", '{"type":"ping"}', "event: ping\ndata: {}\n\n",
              ": comment\n\n", "retry: 3000\n\n", "id: 7\n\n", '{"choices":[]}', '{"choices":null,"usage":null}',
              '{"choices":[{"delta":null}]}', '{"choices":[{"delta":{"content":null}}],"error":null}',
              '{"status":"processing","message":"queued"}', delta(word))), STOP, TOTAL, DONE), STREAM, "Yes."),
        Fault("Emoji cut into two events", stream(delta("hi \ud83d"), delta("\ude00"), STOP, TOTAL, DONE), STREAM,
              "hi 😀"),
        *(
            Fault(f"Another content type | {what}", http(completion(), kind), CHAT, "Yes.")
            for what, kind in (("Text", "text/plain; charset=utf-8"), ("Bytes", "application/octet-stream"),
                               ("An invalid charset", "application/json; charset*" + "9" * 500 + "=x"))
        ),
        *(
            Fault(f"Another content type | for all, {what}", with_headers(content_type=kind), TYPED, None)
            for what, kind in (("Bytes", "application/octet-stream"), ("HTML", "text/html"), ("Nothing", ""))
        ),
        Fault("JSON with NaN and infinity", http(json.dumps({**completion(), "score": float("nan")})), CHAT, "Yes."),
        *(
            Fault(f"Compressed body (gzip, deflate) | {what}", with_body(change, content_encoding=encoding), BODY, None)
            for what, change, encoding in (
                ("gzip", gzip.compress, "gzip"),
                ("gzip in several parts", in_members, "x-gzip"),
                ("deflate", zlib.compress, "deflate"),
                ("deflate without its header", lambda body: zlib.compress(body, wbits=-15), "DEFLATE"),
                ("identity", bytes, "identity"),
            )
        ),
        Fault("Compressed body (gzip, deflate) | byte by byte",
              (OK + b"content-type: application/json\r\ncontent-encoding: "
              b"deflate\r\n\r\n", *(bytes([byte]) for byte in zlib.compress(json.dumps(completion()).encode(),
              wbits=-15)),
              CLOSE), CHAT, "Yes."),
        Fault("Compressed body (gzip, deflate) | stream",
              http(b"".join(gzip.compress(sse(each)) for each in WHOLE_STREAM),
              "text/event-stream", content_encoding="gzip"), STREAM_CLIENTS, "Yes."),
        Fault("Empty answer", http(completion("")), CHAT, "", says="The model returned an empty response"),
        Fault("Empty answer | token limit", http(completion(None, "length")), CHAT, "", says="raise max_tokens"),
        Fault("Empty answer | filter", http(completion(None, "SAFETY")), CHAT, "", says="filter"),
        Fault("Empty answer | stream", stream(DONE), STREAM, "", says="The model returned an empty response"),
        *(
            Fault(f"Invalid usage headers | {what}", http("Yes.", "text/plain", **{name: value}), PLAIN_TEXT,
                  "Yes.")
            for what, name, value in (
                ("no number", "x_usage_total_tokens", "\xb2"),
                ("5,000 digits", "x_usage_prompt_text_tokens", "9" * 5000),
            )
        ),
        *(
            Fault(f"Unknown charset | {charset}", http(b"Yes.", f"text/plain; charset={charset}"), PLAIN_TEXT,
                  "Yes.")
            for charset in ("hex", "base64", "nonsense", "idna")
        ),
    ],
)  # fmt: skip

ERROR_OBJECTS: list[tuple[str, Any, type[BaseException]]] = [
    ("an object", {"error": BROKE}, e.UpstreamError),
    ("the envelope of the service", {"success": False, "status": 503, "error": {**BROKE, "code": "X"}},
     e.ServiceUnavailableError),
    ("the envelope without an object", {"success": False, "status": 503, "message": "The provider broke"},
     e.ServiceUnavailableError),
    ("an object with a status as code", {"error": {**BROKE, "code": 429}}, e.RateLimitError),
    ("an object with digits as code", {"error": {**BROKE, "code": "429"}}, e.RateLimitError),
    ("an object with a type", {"type": "error", "error": {**BROKE, "type": "overloaded_error"}},
     e.ServiceUnavailableError),
    ("text", {"error": "The provider broke"}, e.UpstreamError),
    ("a word and a sentence", {"error": "broken", "message": "The provider broke"}, e.UpstreamError),
    ("true and a sentence", {"error": True, "message": "The provider broke"}, e.UpstreamError),
    ("a list", {"error": [BROKE]}, e.UpstreamError),
    ("the format of vLLM", {"object": "error", "message": "The provider broke", "code": 503},
        e.ServiceUnavailableError),
    ("a type alone", {"type": "error", "message": "The provider broke"}, e.UpstreamError),
    ("the format of GraphQL", {"errors": ["The provider broke"]}, e.UpstreamError),
    ("the format of FastAPI", {"detail": "The provider broke"}, e.UpstreamError),
    ("a gateway's code and message", {"code": 500, "message": "The provider broke"}, e.InternalServerError),
    ("the balance", {"error": {**BROKE, "code": "INSUFFICIENT_BALANCE"}}, e.InsufficientBalanceError),
    ("an overflow", {"error": {**BROKE, "code": "context_length_exceeded"}}, e.ContextOverflowError),
    ("a wrong key", {"error": {**BROKE, "type": "authentication_error"}}, e.AuthenticationError),
    ("the content policy", {"error": {**BROKE, "code": "content_policy_violation"}}, e.UnprocessableError),
]  # fmt: skip
OBJECTS: dict[type[BaseException], str] = {
    e.UpstreamError: "Error object without a status",
    e.ServiceUnavailableError: "Error object with status 503 or type `overloaded_error`",
    e.RateLimitError: "Error object with code 429",
    e.InternalServerError: "Error object with code 500",
    e.InsufficientBalanceError: "Error object with code `INSUFFICIENT_BALANCE`",
    e.ContextOverflowError: "Error object with code `context_length_exceeded`",
    e.AuthenticationError: "Error object of type `authentication_error`",
    e.UnprocessableError: "Error object with code `content_policy_violation`",
}
INSTEAD_OF_STREAM = {
    e.UpstreamError: OBJECTS[e.UpstreamError],
    e.InvalidResponseError: "HTML, text, nothing or other JSON, instead of a chat completion",
}
ON_CHOICE: list[tuple[str, Any, type[BaseException]]] = [
    ("on the choice", {"choices": [{"error": BROKE}]}, e.UpstreamError),
    ("beside choices", {**completion("Half"), "error": BROKE}, e.UpstreamError),
    ("on the choice, with a status", {"choices": [{"message": {"content": ""}, "finish_reason": "error",
     "error": {**BROKE, "code": 502}}]}, e.UpstreamError),
    ("on the choice, beside text", {"choices": [{"message": {"content": "Half"}, "error": BROKE}]}, e.UpstreamError),
    ("on the message", completion("", "error", error=BROKE), e.UpstreamError),
]  # fmt: skip
WRONG = Group(
    "Error or nonsense with status 200",
    "Such a response never passes for an answer. It is not retried, because it may have been billed.",
    [
        *(Fault(f"{OBJECTS[kind]} | {what}", http(body), CHAT, kind, says="The provider broke")
          for what, body, kind in (*ERROR_OBJECTS, *ON_CHOICE)),
        *(Fault(f"{OBJECTS[kind]} | {what}, for {on.few[0]}", http(body), on, kind, says="The provider broke")
          for what, body, kind in ERROR_OBJECTS[:2] for on in (MEDIA, JSON)),
        *(Fault(f"Finish reason of a failure | {reason}", http(completion(text, reason)), CHAT, e.UpstreamError,
        says=reason,
                partial=text)
          for reason, text in (("error", ""), ("failed", "Half"), ("network_error", ""),
                               ("insufficient_system_resource", "Half"))),
        *(
            Fault(f"HTML, text, nothing or other JSON, instead of a chat completion | {what}", http(body, kind), CHAT,
                  e.InvalidResponseError, says=says)
            for what, body, kind, says in (
                ("null", "null", "application/json", "null"),
                ("an HTML page", PAGE, "text/html; charset=utf-8", "Down for repairs"),
                ("an HTML page labelled as JSON", PAGE, "application/json", "Down for repairs"),
                ("text", "upstream connect error", "text/plain", "upstream connect error"),
                ("text labelled as JSON", "upstream connect error", "application/json", "upstream connect error"),
                ("nothing", b"", "application/json", "empty"),
                ("white space", b" \n ", "application/json", "empty"),
                ("a list", [{"error": BROKE}], "application/json", "The provider broke"),
                ("a number", "7", "application/json", "7"),
                ("a string", '"queued"', "application/json", "queued"),
                ("no choices", {"choices": [], "usage": USAGE}, "application/json", "choices"),
                ("null for choices", {"choices": None}, "application/json", "choices"),
                ("a choice without a message", {"choices": [{"finish_reason": "stop"}]}, "application/json", "choices"),
                ("half of the JSON", json.dumps(completion())[:80], "application/json", "assistant"),
                ("the JSON twice", json.dumps(completion()) * 2, "application/json", "assistant"),
                ("JSON 100,000 levels deep", DEEP, "application/json", ""),
                ("an image", b"\x89PNG\r\n\x1a\n", "image/png", "image/png"),
            )
        ),
        *(
            Fault(f"{INSTEAD_OF_STREAM[kind]} | {what}, as a stream", http(body, "text/event-stream"), STREAM, kind,
                  says=says)
            for what, body, kind, says in (
                ("an error", {"error": BROKE}, e.UpstreamError, "The provider broke"),
                ("an HTML page", PAGE, e.InvalidResponseError, "Down for repairs"),
                ("text", "upstream connect error", e.InvalidResponseError, "upstream connect error"),
            )
        ),
        *(
            Fault(f"HTML, text, nothing or other JSON, instead of {name} | {what}", http(body, kind), on,
                  e.InvalidResponseError)
            for name, on in (("media", MEDIA), ("embeddings, uploads and lists", JSON))
            for what, body, kind in (
                ("an HTML page", PAGE, "text/html"),
                ("an HTML page under the expected type", PAGE, "image/png"),
                ("text", "queued", "text/plain"),
                ("nothing", b"", "application/json"),
                ("JSON of another kind", {"id": "x"}, "application/json"),
                ("null", "null", "application/json"),
                ("JSON 100,000 levels deep", DEEP, "application/json"),
            )
        ),
        Fault("A part of a media file", with_body(lambda body: body[: len(body) // 2]),
              Paths(tuple(n for n in MEDIA.all if "speech" not in n), MEDIA.few[:2]), e.InvalidResponseError,
              says="incomplete"),
        Fault("HTML, text, nothing or other JSON, instead of embeddings, uploads and lists | twice",
              with_body(lambda body: body * 2), JSON,
              e.InvalidResponseError),
        *(
            Fault(f"HTML, text, nothing or other JSON, instead of audio | {what}", http(body, "audio/mpeg"), PLAIN_TEXT,
                  e.InvalidResponseError)
            for what, body in (("an HTML page", PAGE), ("JSON", '{"error": "x"}'), ("nothing", ""))
        ),
        Fault("204 without a body", OK.replace(b"200 OK", b"204 No Content") + b"\r\n", ANY, e.InvalidResponseError),
    ],
)  # fmt: skip


def _frames() -> list[tuple[str, list[Any], type[BaseException]]]:
    return [(what, [event], kind) for what, event, kind in (*ERROR_OBJECTS, ON_CHOICE[0])] + [
        ("an event named `error`", [f"event: error\ndata: {json.dumps({'error': BROKE})}\n\n"], e.UpstreamError),
        ("an event named `error` with an object", [f"event: error\ndata: {json.dumps(BROKE)}\n\n"], e.UpstreamError),
        ("an event named `error` with text", ["event: Error\ndata: The provider broke\n\n"], e.UpstreamError),
        ("an event before `[DONE]`", [{"error": BROKE}, DONE], e.UpstreamError),
        ("an event after the finish reason", [STOP, {"error": BROKE}], e.UpstreamError),
    ]


BROKEN_OFF: list[tuple[str, list[Any], str]] = [
    ("at once", [], ""),
    ("after a comment", [": ping\n\n"], ""),
    ("after text", [delta("Ha"), delta("lf é")], "Half é"),
    ("after usage", [{"choices": [], "usage": USAGE}, delta("Half")], "Half"),
    ("with usage on each event", [{**delta("Ha"), "usage": USAGE}, {**delta("lf"), "usage": USAGE}], "Half"),
    ("after reasoning", [delta(reasoning_content="Hm.")], ""),
    ("in a tag of reasoning", [delta("<think>Hm")], ""),
    ("after the finish reason", [delta("Half"), STOP], "Half"),
    ("in an event", [delta("Half"), b'data: {"choices":[{"delta":{"content":" mo'], "Half"),
    ("in a UTF-8 character", [delta("Half"), 'data: {"choices":[{"delta":{"content":"é'.encode()[:-1]], "Half"),
    ("in `[DONE]`", [delta("Half"), b"data: [DO"], "Half"),
    ("in a tool call",
     [delta("Half", tool_calls=[{"id": "a", "function": {"name": "f", "arguments": "{"}}])], "Half"),
    ("in a refusal as text", [delta("Your Pollen bal")], "Your Pollen bal"),
]  # fmt: skip
STREAMED = Group(
    "A stream fails",
    "The chunks before the error have been yielded, and `error.partial` repeats their text. A stream that has begun is "
    "not retried, because a new request would be billed again. Error objects in a stream raise the errors of the table "
    "above.",
    [
        *(
            Fault(f"{OBJECTS[kind]} | {what}, {when}", stream(*before, *frame), STREAM, kind, says="The provider broke",
                  partial=partial)
            for what, frame, kind in _frames()
            for when, before, partial in (("as first event", [], ""), ("after text", [delta("Ha"), delta("lf")],
            "Half"))
        ),
        Fault("Error object without a status | event without data", stream(delta("Half"), "event: error\ndata:\n\n"),
              STREAM,
              e.UpstreamError, partial="Half"),
        Fault("Error object without a status | deep JSON", stream(f"event: error\ndata: {DEEP}\n\n"), STREAM,
              e.UpstreamError),
        *(
            Fault(f"Finish reason of a failure | {reason} in a stream", stream(delta("Half"),
                  delta(finish_reason=reason), *end),
                  STREAM,
                  e.UpstreamError, says=reason, partial="Half")
            for reason, end in (("error", (TOTAL, DONE)), ("network_error", ()))
        ),
        *(Fault(f"Stream that ends without its end mark | {when}", stream(*events), STREAM, e.IncompleteStreamError,
        partial=partial,
                says=f"after {len(partial)} characters")
          for when, events, partial in BROKEN_OFF),
        *(
            Fault(f"Malformed event among good ones | {what}", stream(delta("Half"), event, delta("ugh."), STOP, TOTAL,
                  DONE), STREAM, e.InvalidResponseError, partial="Half")
            for what, event in (
                ("half of its JSON", 'data: {"choices":[{"delta":{"content":" mo\n\n'),
                ("half of a key", 'data: {"choices":[{"del\n\n'),
            )
        ),
        Fault("Stream that ends without its end mark | deep JSON", stream(delta("Half"), '{"choices":' + DEEP), STREAM,
              e.IncompleteStreamError, partial="Half"),
    ],
)  # fmt: skip


def moved(location: str, status: str = "307 Temporary Redirect") -> bytes:
    return http(b"", "text/plain", status, location=location)


PLACED = Paths(tuple(name for name in GET.all if "list" not in name), GET.few)
MOVED = Group(
    "Redirects",
    "Only a GET follows redirects. Another origin receives neither the key nor other headers of the object.",
    [
        Fault("Redirect of a POST", moved("{other}/x"), POST, e.InvalidResponseError, says="redirects to.*set base_url",
              do="Set `base_url` to the new address."),
        Fault("Redirect to the same host", moved("/image/moved?width=32&height=32", "302 Found"), Paths(GET.all[:4],
              GET.few), None,
              times=1, sends=2),
        Fault("Redirect to another origin", moved("{other}/image/moved?width=32&height=32", "302 Found"),
              Paths(GET.all[:4], GET.few),
              e.AuthenticationError, sends=2, do="The new origin gets no key. Set `base_url` if it is the service."),
        Fault("Redirects in a circle", moved("/image/x", "302 Found"), GET, e.InvalidResponseError, sends=21,
              says="too many redirects"),
        Fault("Redirect from https to http", moved("{other}/image/moved?width=32&height=32", "302 Found"),
              Paths(("image generate", "image agenerate", "image agenerate, aiohttp"), GET.few), e.AuthenticationError,
              sends=2,
              env={"SSL_CERT_FILE": "{certificates}/valid.pem"}, fields={"base_url": "{valid}"},
              do="As for another origin: no key is sent."),
        *(
            Fault(f"Redirect to an address that cannot be requested | {place[:24]}", moved(place, "302 Found"), PLACED,
                  e.PollinationsError)
            for place in ("http://xn--/", "http://a..b/", f"http://{'a' * 300}/", "http://./", "http://[::1]:99999/",
                          "http://u:p@127.0.0.1:9/", "file:///etc/passwd", "javascript:alert(1)")
        ),
    ],
)  # fmt: skip

RAISE = "Raise `max_response_bytes` if the response is genuine."
LARGE = Group(
    "Too large, or wrongly compressed",
    "`max_response_bytes` limits a decoded response: 512 MiB in memory and 8 GiB in a file by default. An event of a "
    "stream may have 64 MiB. No response uses more memory than its limit.",
    [
        Fault("Response above the limit | Declared length ", http(b"x" * (LIMIT + 1)), BODY, e.InvalidResponseError,
              says=TOO_LARGE, do=RAISE,
              fields=BOUNDED),
        Fault("Response above the limit | Body without a l", (OK + b"content-type: application/json\r\n\r\n"
              + b" " * (LIMIT + 1), CLOSE), BODY, e.InvalidResponseError, says=TOO_LARGE, do=RAISE, fields=BOUNDED),
        Fault("Decompression bomb | gzip", http(BOMB, content_encoding="gzip"), BODY, e.InvalidResponseError,
              says=TOO_LARGE, do=RAISE,
              fields=BOUNDED),
        Fault("Decompression bomb | deflate", http(zlib.compress(ZEROS), content_encoding="deflate"), BODY,
              e.InvalidResponseError, says=TOO_LARGE, do=RAISE, fields=BOUNDED),
        Fault("Encoding that was not asked for | gzip twice", with_body(gzipped_twice, content_encoding="gzip, gzip"),
              BODY,
              e.InvalidResponseError, says="not asked for"),
        Fault("Encoding that was not asked for | Brotli", http(b"\x1b" * 99, content_encoding="br"), BODY,
              e.InvalidResponseError,
              says="not asked for"),
        Fault("Invalid gzip | not gzip", http(completion(), content_encoding="gzip"), BODY, e.InvalidResponseError,
              says="not encoded as it says"),
        Fault("Invalid gzip | half", with_body(lambda body: gzip.compress(body)[:-9], content_encoding="gzip"), WHOLE,
              e.InvalidResponseError, says="before the end of its encoding"),
        Fault("Invalid gzip | more behind it", with_body(lambda body: gzip.compress(body) + b"x" * 70_000,
              content_encoding="gzip"), WHOLE, e.InvalidResponseError, says="after the end of its encoding"),
        *(
            Fault(f"Response above the limit | stream of {what}", stream(*events), STREAM, e.InvalidResponseError,
                  says=TOO_LARGE, do=RAISE,
                  fields=BOUNDED)
            for what, events in (
                ("text", [delta("whale " * 20_000)] * 60),
                ("one event", [b"data: " + b"x" * (LIMIT // 2)] * 4),
                ("comments", [b": comment\n\n" * (LIMIT // 10)]),
            )
        ),
    ],
)  # fmt: skip

SYNC = Paths(
    tuple(n for n, c in COLUMNS.items() if not c.is_async), ("chat invoke", "chat stream", "video generate to a file")
)
OWN_ASYNC = Paths(tuple(name for name in ASYNC.all if name in OWN.all), ASYNC.few)
SYNC_STREAM = Paths(("chat stream", "legacy chat stream"), ("chat stream",))
NOT_STREAMED = tuple(name for name in OWN_ASYNC.all if "astream" not in name)
"""LangChain's `astream` reports the end of a stream with a task, which a closed event loop cannot run."""

STOPPED = Group(
    "The caller stops, or uses many threads and event loops",
    "The object stays usable, and no task, thread or connection is left.",
    [
        Fault("Cancelled at any moment", None, ASYNC, asyncio.CancelledError, act=callers.cancel_at_every_step,
              sends=-1),
        Fault("`asyncio.timeout` around a call", (SILENCE,), ASYNC, TimeoutError, act=callers.time_out, sends=-1),
        Fault("Ctrl-C during a call", (SILENCE,), SYNC, KeyboardInterrupt, act=callers.interrupt),
        Fault("Ctrl-C in a stream", stream(WORD, end=(SILENCE,)), SYNC_STREAM, KeyboardInterrupt,
              act=callers.interrupt),
        Fault("A stream that is not read to its end", stream(delta("Yes."), end=(SILENCE,)), STREAM_CLIENTS, "Yes.",
              act=callers.abandon),
        Fault("32 threads", None, OWN, None, act=callers.use_in_threads, sends=32),
        Fault("Two event loops at the same time", None, OWN_ASYNC, None,
              act=callers.use_in_two_loops, sends=2),
        Fault("Event loop closed during a call", (SILENCE,), Paths(NOT_STREAMED, NOT_STREAMED), None,
              act=callers.close_loop, sends=-1),
        Fault("Fork after use", None, Paths(("chat invoke",), ("chat invoke",)), None, act=callers.fork, sends=4),
    ],
)  # fmt: skip

FILES = Group(
    "Files",
    "A file is written next to its target and renamed when it is complete, so a failed call leaves no part of a file.",
    [
        Fault("The folder does not exist", None, FILE, FileNotFoundError, act=callers.save_in_missing_folder, sends=0,
              do="Nothing was sent. Create the folder."),
        Fault("The path is a folder", None, FILE, IsADirectoryError, act=callers.save_as_folder, sends=0,
              do="Nothing was sent. Give the name of a file."),
        Fault("The folder cannot be written", None, FILE, PermissionError, act=callers.save_in_read_only_folder,
              sends=0,
              do="Nothing was sent. Use another folder."),
        Fault("The disk is full", None, FILE, OSError, act=callers.save_on_full_disk, sends=2,
              do="Free space, and repeat the call with the same seed. The service sends the stored result."),
        Fault("The folder is removed during the request", None, FILE, FileNotFoundError,
              act=callers.save_in_removed_folder,
              do="Repeat the call with the same seed. The service sends the stored result."),
    ],
)  # fmt: skip

GROUPS = (REFUSED, LIMITED, FAILED, OLD, UNREACHED, LOST, LATE, READ_ANYWAY, WRONG, STREAMED, MOVED, LARGE, STOPPED,
    FILES)  # fmt: skip
FAULTS = [fault for group in GROUPS for fault in group.faults]
