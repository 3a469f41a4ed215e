"""Request validation. Tables of small checks reproduce the validators of the service.

A check takes a value and returns an error message, or None if the value is valid. `MISSING` stands for an absent key.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from langchain_pollinations.emulator.service.error_responses import Refusal, invalid

Check = Callable[[Any], str | None]
Table = Mapping[str, Check]

MISSING: Final = object()
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
RESOLUTIONS = ("1k", "2k", "360p", "480p", "720p", "768p", "1080p", "4k")
AUDIO_FORMATS = ("wav", "mp3", "flac", "opus", "pcm16")
VOICES = (
    "alloy", "echo", "fable", "onyx", "nova", "shimmer", "coral", "verse", "ballad", "ash", "sage", "amuch", "dan",
)  # fmt: skip
BUILT_IN_TOOLS = ("code_execution", "google_search", "google_maps", "url_context", "computer_use", "file_search")
SAFE = ("privacy", "secrets", "sexual", "violence", "shield", "true", "nsfw", "false", "0")
TASKS = (
    "SEMANTIC_SIMILARITY", "CLASSIFICATION", "CLUSTERING", "RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY",
    "CODE_RETRIEVAL_QUERY", "QUESTION_ANSWERING", "FACT_VERIFICATION",
)  # fmt: skip
SEED_MAX = 2147483647
JSON_TYPE = re.compile(r"application/([a-z.-]+\+)?json(;|$)")


def type_name(value: Any) -> str:
    """Return the JavaScript name of a value's type."""
    if value is MISSING:
        return "undefined"
    names = {type(None): "null", bool: "boolean", str: "string", list: "array", dict: "object"}
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return names.get(type(value), "number")


def _expected(wanted: str, value: Any) -> str:
    return f"Invalid input: expected {wanted}, received {type_name(value)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def number(low: float | None = None, high: float | None = None, *, whole: bool = False) -> Check:
    def check(value: Any) -> str | None:
        if not _is_number(value):
            return _expected("number", value)
        if whole and value != int(value):
            return "Invalid input: expected int, received number"
        if low is not None and value < low:
            return f"Too small: expected number to be >={low}"
        if high is not None and value > high:
            return f"Too big: expected number to be <={high}"
        return None

    return check


def integer(low: float | None = None, high: float | None = None) -> Check:
    return number(low, high, whole=True)


def string(shortest: int = 0, longest: int | None = None) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, str):
            return _expected("string", value)
        if len(value) < shortest:
            return f"Too small: expected string to have >={shortest} characters"
        if longest is not None and len(value) > longest:
            return f"Too big: expected string to have <={longest} characters"
        return None

    return check


def boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else _expected("boolean", value)


def option(*values: str) -> Check:
    sentence = "Invalid option: expected one of " + "|".join(f'"{v}"' for v in values)
    return lambda value: None if isinstance(value, str) and value in values else sentence


def exactly(wanted: str) -> Check:
    return lambda value: None if value == wanted else f'Invalid input: expected "{wanted}"'


def anything(value: Any) -> str | None:
    return None


def never(value: Any) -> str | None:
    return None if value is MISSING else _expected("never", value)


def optional(check: Check) -> Check:
    return lambda value: None if value is MISSING else check(value)


def nullable(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def nullish(check: Check) -> Check:
    return optional(nullable(check))


def union(*checks: Check) -> Check:
    return lambda value: None if any(check(value) is None for check in checks) else "Invalid input"


def array(item: Check, shortest: int = 0, longest: int | None = None) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, list):
            return _expected("array", value)
        for each in value:
            if (sentence := item(each)) is not None:
                return sentence
        if len(value) < shortest:
            return f"Too small: expected array to have >={shortest} items"
        if longest is not None and len(value) > longest:
            return f"Too big: expected array to have <={longest} items"
        return None

    return check


def record(values: Check) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return _expected("record", value)
        return next((s for s in map(values, value.values()) if s is not None), None)

    return check


def shape(table: Table, *, closed: bool = False) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return _expected("object", value)
        for key, inner in table.items():
            if (sentence := inner(value.get(key, MISSING))) is not None:
                return sentence
        unknown = [key for key in value if key not in table] if closed else []
        return f'Unrecognized key: "{unknown[0]}"' if unknown else None

    return check


def one_word_for_all(check: Check) -> Check:
    """Wrap a check so that every failure has the message "Invalid input". The service does this for some unions."""
    return lambda value: "Invalid input" if check(value) is not None else None


def safe(value: Any) -> str | None:
    if isinstance(value, bool):
        return None
    if not isinstance(value, str):
        return "Invalid input"
    tokens = [token.strip().lower() for token in value.split(",") if token.strip()]
    return None if all(t in SAFE for t in tokens) else "Unknown safe feature. Valid: " + ", ".join(SAFE)


CACHE_CONTROL = optional(shape({"type": option("ephemeral")}))
PART = shape({"type": string()})
CONTENT = union(string(), array(PART, 1))
TOOL_CALL = shape(
    {
        "id": string(),
        "type": exactly("function"),
        "function": shape({"name": string(), "arguments": string()}),
    }
)
FUNCTION_CALL = shape({"name": string(), "arguments": string()})

ROLES: Mapping[str, Table] = {
    "system": {"content": CONTENT, "name": optional(string()), "cache_control": CACHE_CONTROL},
    "developer": {"content": CONTENT, "name": optional(string()), "cache_control": CACHE_CONTROL},
    "user": {"content": CONTENT, "name": optional(string())},
    "assistant": {
        "content": nullish(CONTENT),
        "name": optional(string()),
        "tool_calls": optional(array(TOOL_CALL)),
        "function_call": nullish(FUNCTION_CALL),
        "cache_control": CACHE_CONTROL,
    },
    "tool": {
        "content": nullable(CONTENT),
        "tool_call_id": string(),
        "name": optional(string()),
        "cache_control": CACHE_CONTROL,
    },
    "function": {"content": nullable(string()), "name": string()},
}


def message(value: Any) -> str | None:
    role = value.get("role") if isinstance(value, dict) else None
    if not isinstance(role, str) or role not in ROLES:
        return "Invalid input"
    if shape(ROLES[role])(value) is None:
        return None
    if value.get("content") == [] and shape(ROLES[role])({**value, "content": ""}) is None:
        return "Too small: expected array to have >=1 items"
    return "Invalid input"


FUNCTION_TOOL = shape(
    {
        "type": exactly("function"),
        "function": shape(
            {
                "name": string(),
                "description": optional(string()),
                "parameters": optional(record(anything)),
                "strict": nullish(boolean),
            }
        ),
    }
)
FORMATS = (
    shape({"type": exactly("text")}),
    shape({"type": exactly("json_object")}),
    shape(
        {
            "type": exactly("json_schema"),
            "json_schema": shape(
                {
                    "schema": record(anything),
                    "name": optional(string()),
                    "description": optional(string()),
                    "strict": nullish(boolean),
                }
            ),
        }
    ),
)
LEGACY_FUNCTION = shape(
    {"name": string(), "description": optional(string()), "parameters": optional(record(anything))}, closed=True
)

CHAT: Table = {
    "messages": array(message),
    "model": optional(string()),
    "modalities": optional(array(option("text", "audio"))),
    "audio": optional(shape({"voice": option(*VOICES), "format": option(*AUDIO_FORMATS)})),
    "frequency_penalty": nullish(number(-2, 2)),
    "presence_penalty": nullish(number(-2, 2)),
    "repetition_penalty": nullish(number(0, 2)),
    "logit_bias": nullish(record(integer())),
    "logprobs": nullish(boolean),
    "top_logprobs": nullish(integer(0, 20)),
    "max_tokens": nullish(integer(0)),
    "response_format": optional(union(*FORMATS)),
    "seed": nullish(integer(-1, SEED_MAX)),
    "stop": optional(union(nullable(string()), array(string(), 1, 4))),
    "stream": nullish(boolean),
    "stream_options": nullish(shape({"include_usage": optional(boolean)})),
    "safe": optional(safe),
    "reasoning_effort": optional(option(*EFFORTS)),
    "web_search_options": optional(shape({"search_context_size": option("low", "medium", "high")})),
    "temperature": nullish(number(0, 2)),
    "top_p": nullish(number(0, 1)),
    "tools": optional(one_word_for_all(array(union(FUNCTION_TOOL, shape({"type": option(*BUILT_IN_TOOLS)}))))),
    "tool_choice": optional(
        union(
            option("none", "auto", "required"),
            shape({"type": exactly("function"), "function": shape({"name": string()})}),
        )
    ),
    "parallel_tool_calls": optional(boolean),
    "user": optional(string()),
    "prompt_cache_key": optional(string()),
    "prompt_cache_options": optional(
        shape({"mode": optional(option("implicit", "explicit")), "ttl": optional(exactly("30m"))}, closed=True)
    ),
    "prompt_cache_retention": optional(option("in_memory", "24h")),
    "function_call": optional(union(option("none", "auto"), shape({"name": string()}))),
    "functions": optional(array(LEGACY_FUNCTION, 1, 128)),
}

IMAGES: Table = {
    "prompt": string(1, 32000),
    "model": optional(string()),
    "n": optional(integer(1, 1)),
    "size": optional(string()),
    "quality": optional(option("standard", "hd", "low", "medium", "high")),
    "response_format": optional(option("url", "b64_json")),
    "user": optional(string()),
    "image": optional(union(string(), array(string()))),
    "reference_images": never,
    "reference_videos": never,
    "reference_audios": never,
    "resolution": optional(option(*RESOLUTIONS)),
    "safe": optional(safe),
}

EDITS: Table = {
    **{name: check for name, check in IMAGES.items() if not name.startswith("reference_")},
    "image": union(string(), array(shape({"image_url": string()}))),
}

EMBEDDING_PART = union(
    shape({"type": exactly("text"), "text": string()}),
    shape({"type": exactly("image_url"), "image_url": shape({"url": string()})}),
    shape({"type": exactly("input_audio"), "input_audio": shape({"data": string(), "format": string()})}),
    shape({"type": exactly("video_url"), "video_url": shape({"url": string()})}),
)
EMBEDDINGS: Table = {
    "input": union(string(), array(string()), EMBEDDING_PART, array(EMBEDDING_PART)),
    "model": optional(string()),
    "dimensions": optional(integer(128, 3072)),
    "task_type": optional(option(*TASKS)),
    "encoding_format": optional(option("float", "base64")),
}


def json_content(value: Any) -> str | None:
    """Check a text, an object or an array, of which decision requests consist."""
    return None if isinstance(value, str | dict | list) else "Invalid input"


def _filled(check: Check) -> Check:
    return lambda value: check(value) or ("Too small: expected record to have >=1 entries" if not value else None)


QUESTIONS: Mapping[str, Table] = {
    "choice": {"instructions": json_content, "criteria": _filled(record(nullable(json_content)))},
    "score": {"instructions": json_content, "criteria": array(json_content, 2)},
    "noul": {
        "instructions": json_content,
        "criteria": optional(shape({"true": optional(json_content), "false": optional(json_content)})),
    },
}


def question(value: Any) -> str | None:
    if not isinstance(value, dict):
        return _expected("object", value)
    kind = value.get("type")
    return option(*QUESTIONS)(kind) or shape(QUESTIONS[str(kind)])(value)


DECISIONS: Table = {
    "model": optional(string()),
    "state": json_content,
    "questions": _filled(record(question)),
}


SPEECH_FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
SPEECH_SEED_MAX = 4294967295


def address(value: Any) -> str | None:
    if not isinstance(value, str):
        return _expected("string", value)
    return None if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:\S+$", value) else "Invalid URL"


SPEECH: Table = {
    "input": string(1, 10000),
    "model": optional(string()),
    "safe": optional(safe),
    "voice": optional(string()),
    "response_format": optional(option(*SPEECH_FORMATS)),
    "duration": optional(number(0.5, 300)),
    "seconds": optional(number(1, 380)),
    "steps": optional(integer(1, 100)),
    "negative_prompt": optional(string(0, 10000)),
    "loop": optional(boolean),
    "prompt_influence": optional(number(0, 1)),
    "instrumental": optional(boolean),
    "store_for_inpainting": optional(boolean),
    "reference_audio": optional(address),
    "seed": optional(integer(0, SPEECH_SEED_MAX)),
    "instructions": optional(string()),
}
TIMED_SPEECH: Table = {
    **{name: SPEECH[name] for name in ("input", "model", "safe", "voice", "seed")},
    "response_format": optional(option(*(name for name in SPEECH_FORMATS if name != "flac"))),
}

# Query values are text. Each check below converts its value as the service does, then validates it.


def coerced_number(value: str) -> float:
    """Convert a text to a number as JavaScript's `Number` does, for decimal numbers and blank text."""
    text = value.strip()
    if not text:
        return 0.0
    return float(text) if NUMERIC.fullmatch(text) else math.nan


NUMERIC = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def coerced(check: Check) -> Check:
    return optional(lambda value: check(coerced_number(value)))


TRUE_WORDS = ("true", "1", "yes", "on")
FALSE_WORDS = ("false", "0", "no", "off", "")


def boolean_word(value: Any) -> str | None:
    return None if str(value).lower() in (*TRUE_WORDS, *FALSE_WORDS) else _expected("boolean", value)


def image_urls(value: str) -> list[str]:
    """Split an `image` parameter into URLs. The separator is `|`, or a comma if the parameter contains no `|`."""
    return value.split("|" if "|" in value else ",") if value else []


def web_addresses(value: Any) -> str | None:
    good = all(url.startswith(("http://", "https://")) for url in image_urls(value) if url)
    return None if good else "Invalid image URL. Put image= param last in your URL, or URL-encode it."


def duration(value: float) -> str | None:
    if (sentence := integer(1, 120)(value)) is not None:
        return sentence
    return "Duration above 30 seconds is only supported by nova-reel." if value > 30 else None


TEXT_QUERY: Table = {
    "seed": coerced(integer(-1)),
    "json": optional(boolean_word),
    "stream": optional(boolean_word),
    "temperature": coerced(number()),
    "reasoning_effort": optional(option(*EFFORTS)),
    "safe": optional(safe),
}
IMAGE_QUERY: Table = {
    "width": coerced(integer(0)),
    "height": coerced(integer(0)),
    "seed": coerced(integer(-1, SEED_MAX)),
    "safe": optional(safe),
    "quality": optional(option("low", "medium", "high", "hd")),
    "image": optional(web_addresses),
    "resolution": optional(option(*RESOLUTIONS)),
    "duration": coerced(duration),
}
AUDIO_QUERY: Table = {
    "voice": optional(string(1)),
    "response_format": optional(option(*SPEECH_FORMATS)),
    "duration": coerced(number(0.5, 300)),
    "seconds": coerced(number(0.5, 380)),
    "steps": coerced(integer(1, 100)),
    "instrumental": optional(option("true", "false")),
    "loop": optional(option("true", "false")),
    "prompt_influence": coerced(number(0, 1)),
    "seed": coerced(integer(-1, SPEECH_SEED_MAX)),
    "safe": optional(safe),
}
DETAILS = ("low", "medium", "high")
OBJECT_QUERY: Table = {
    "seed": coerced(integer(-1)),
    "safe": optional(safe),
    "image": optional(web_addresses),
    "resolution": optional(option(*DETAILS)),
}


def web_address(value: Any) -> str | None:
    good = isinstance(value, str) and value.startswith(("http://", "https://"))
    return None if good else "Invalid image URL."


OBJECT: Table = {
    "model": optional(string()),
    "image": optional(union(web_address, array(web_address))),
    "resolution": optional(option(*DETAILS)),
    "seed": optional(integer(-1)),
}
CAPABILITIES = ("tool_calling", "reasoning", "web_search", "code_execution", "pollinations_models")


def capabilities(value: Any) -> str | None:
    return next(filter(None, map(option(*CAPABILITIES), re.split(r"[,|]", value))), None)


LIST_QUERY: Table = {
    "source": optional(option("official", "community")),
    "community": optional(option("0", "1", "true", "false")),
    "reliability": optional(option("reliable", "all")),
    "capabilities": optional(capabilities),
    "agent": optional(option("true", "1", "false", "0")),
    "limit": coerced(integer(1)),
}
LIST_HEADERS: Table = {
    "pollinations-model-source": optional(option("official", "community")),
    "pollinations-model-reliability": optional(option("reliable", "all")),
}


def against(table: Table, values: Mapping[str, Any], what: str) -> None:
    """Raise a validation error if a value fails its check in the table."""
    found = {key: [s] for key, check in table.items() if (s := check(values.get(key, MISSING))) is not None}
    if found:
        raise invalid(what, found)


def _no_constant(name: str) -> Any:
    raise ValueError(name)


LONE_SURROGATE = re.compile(rb"\\u[dD]|\xed[\xa0-\xbf]")  # of a surrogate pair, escaped or as three bytes


def _well_formed(body: bytes, value: Any) -> Any:
    """Replace lone surrogates in the parsed JSON. JSON can contain them, but UTF-8 text cannot."""
    if not LONE_SURROGATE.search(body):
        return value
    text = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return json.loads(text)


def parsed(body: bytes) -> Any:
    """Parse a request body as JSON.

    Raises:
        ValueError: If the body is not valid JSON.
        RecursionError: If the body is nested too deeply.
    """
    return _well_formed(body, json.loads(body, parse_constant=_no_constant))


def json_body(body: bytes, content_type: str, table: Table) -> dict[str, Any]:
    """Parse and validate a JSON body. If the content type is not JSON, the body counts as an empty object."""
    value: Any = {}
    if JSON_TYPE.match(content_type.strip().lower()):
        try:
            value = parsed(body)
        except (ValueError, RecursionError):
            raise Refusal(400, "Malformed JSON in request body") from None
    if not isinstance(value, dict):
        raise invalid("JSON body", {}, [_expected("object", value)])
    against(table, value, "JSON body")
    return value
