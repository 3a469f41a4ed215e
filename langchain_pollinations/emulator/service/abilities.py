"""Checks whether a text model supports a request.

Each check raises the error that the service or the model's provider sends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from langchain_pollinations.emulator.scripting.dialects import Dialect
from langchain_pollinations.emulator.service import message_rules, signatures, usage
from langchain_pollinations.emulator.service.catalog import Model
from langchain_pollinations.emulator.service.error_responses import Refusal, upstream
from langchain_pollinations.emulator.synthesis.answers import conversation
from langchain_pollinations.emulator.synthesis.answers.conversation import ChatRequest

Json = dict[str, Any]

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def wants_json(body: Json) -> bool:
    return (body.get("response_format") or {}).get("type") in ("json_object", "json_schema")


def _messages_present(model: Model, chat: ChatRequest) -> None:
    if not chat.messages:
        message = "400 Bad Request: Invalid 'messages': empty array. Expected an array with minimum length 1."
        raise upstream(400, message, 400)


def _names(model: Model, chat: ChatRequest) -> None:
    for message in chat.messages:
        name = message.get("name")
        if message["role"] in ("tool", "function") and name is not None and not NAME.fullmatch(name):
            raise Refusal(400, f"Invalid name {name!r} on a message of role {message['role']}")


def _tool_names(model: Model, chat: ChatRequest) -> None:
    """Check the names of tools and schemas. All providers restrict these names. The error message is OpenAI's."""
    for place, name in _named_tools(chat.body):
        if name and not NAME.fullmatch(name):
            pattern = "^[a-zA-Z0-9_-]{1,64}$"
            problem = f"Invalid '{place}': string does not match pattern. Expected a string that matches '{pattern}'."
            raise upstream(400, f"400 Bad Request: {problem}", 400)


def _named_tools(body: Json) -> Iterator[tuple[str, str]]:
    for number, tool in enumerate(body.get("tools") or []):
        yield f"tools[{number}].function.name", (tool.get("function") or {}).get("name", "")
    for number, function in enumerate(body.get("functions") or []):
        yield f"functions[{number}].name", function["name"]
    form = (body.get("response_format") or {}).get("json_schema") or {}
    yield "response_format.json_schema.name", form.get("name", "")
    for place, message in enumerate(body["messages"]):
        for number, call in enumerate(message.get("tool_calls") or []):
            yield f"messages[{place}].tool_calls[{number}].function.name", call["function"]["name"]
        yield f"messages[{place}].function_call.name", (message.get("function_call") or {}).get("name", "")


def _tools(model: Model, chat: ChatRequest) -> None:
    if model.get("tools") is not False:
        return
    body = chat.body
    forced = body.get("tool_choice") not in (None, "auto", "none")
    history = any(
        m["role"] in ("tool", "function") or m.get("tool_calls") or m.get("function_call") for m in chat.messages
    )
    if body.get("tools") or body.get("functions") or forced or history:
        raise Refusal(400, "This model does not support tool calling or tool history")


def _forced_tools(model: Model, chat: ChatRequest) -> None:
    """Reject a forced tool choice if the model does not support it.

    Such a model has `tools` but not `tool_choice` in its `supported_parameters`. The service may instead ignore the
    forced choice for some of these models. Clients should not rely on the error.
    """
    takes = model.get("supported_parameters") or ("tools", "tool_choice")
    if "tool_choice" in takes or "tools" not in takes:
        return
    for name in ("tool_choice", "function_call"):
        if chat.body.get(name) not in (None, "auto", "none"):
            raise upstream(400, f"400 Bad Request: {name} forces tool use, which this model does not support", 400)


def _schemas(body: Json) -> list[tuple[str, Any]]:
    """Return the JSON schemas of a request. Each schema comes with its path in the request body."""
    tools = [tool.get("function") or {} for tool in body.get("tools") or []]
    found = [(f"tools[{place}].parameters", tool.get("parameters")) for place, tool in enumerate(tools)]
    found += [
        (f"functions[{n}].parameters", each.get("parameters")) for n, each in enumerate(body.get("functions") or [])
    ]
    form = (body.get("response_format") or {}).get("json_schema") or {}
    return [*found, ("response_schema", form.get("schema"))]


def _has_keyword(schema: Any, keyword: str, is_schema: bool = True) -> bool:
    """Whether a JSON schema uses a keyword at any depth. A property with the name of the keyword does not count."""
    if isinstance(schema, list):
        return any(_has_keyword(each, keyword) for each in schema)
    if not isinstance(schema, dict):
        return False
    if is_schema and keyword in schema:
        return True
    inner = {key: value for key, value in schema.items() if not is_schema or key not in DATA}
    return any(_has_keyword(value, keyword, not is_schema or key not in NAMES) for key, value in inner.items())


NAMES = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
DATA = frozenset({"enum", "const", "default", "example", "examples"})


def _keywords(model: Model, chat: ChatRequest) -> None:
    """Reject `propertyNames` in a schema for a Google model, because Gemini does not support this keyword."""
    if not model["name"].startswith("google/"):
        return
    for place, schema in _schemas(chat.body):
        if _has_keyword(schema, "propertyNames"):
            words = f"Invalid JSON payload received. Unknown name \"propertyNames\" at '{place}': Cannot find field."
            raise upstream(400, f"400 Bad Request: {words}", 400)


FIREWORKS = frozenset(
    "frequency_penalty logit_bias logprobs max_completion_tokens max_tokens n parallel_tool_calls prediction "
    "presence_penalty reasoning_effort response_format seed stop stream temperature tool_choice tools top_k "
    "top_logprobs top_p".split()
)
"""The parameters of models that Fireworks hosts.

The service does not say which of these models reject `cache_control`. The emulator rejects it for all of them.
"""


def _cache_control(model: Model, chat: ChatRequest) -> None:
    if frozenset(model.get("supported_parameters") or ()) != FIREWORKS:
        return
    for place, message in enumerate(chat.messages):
        content = message.get("content")
        parts = content if isinstance(content, list) else []
        if any("cache_control" in each for each in [message, *parts]):
            words = f"Extra inputs are not permitted, field: 'messages[{place}].cache_control'"
            raise upstream(400, f"400 Bad Request: {words}", 400)


def _known_choice(model: Model, chat: ChatRequest) -> None:
    choice = chat.body.get("tool_choice")
    if isinstance(choice, dict) and choice["function"]["name"] not in {t.name for t in chat.tools}:
        raise upstream(400, f"400 Bad Request: Tool '{choice['function']['name']}' not found in 'tools'", 400)
    if choice == "required" and not chat.body.get("tools"):
        raise upstream(400, "400 Bad Request: 'tool_choice' is only allowed when 'tools' are specified", 400)


def _structured(model: Model, chat: ChatRequest) -> None:
    if not wants_json(chat.body):
        return
    kind = chat.body["response_format"]["type"]
    if model.get("supports_structured_output") is False:
        raise Refusal(400, "This model does not support structured output; use text format")
    if kind == "json_object" and model["name"].startswith("anthropic/claude-sonnet"):
        raise upstream(400, "400 Bad Request: response_format json_object is not supported; use json_schema", 400)


def _mentions_json(model: Model, chat: ChatRequest) -> None:
    """Reject OpenAI's JSON mode if no message contains the word "json", as OpenAI does."""
    if (chat.body.get("response_format") or {}).get("type") != "json_object" or not model["name"].startswith("openai/"):
        return
    if not any("json" in conversation.text_of(m.get("content")).lower() for m in chat.messages):
        message = (
            "400 Bad Request: azure-openai error: 'messages' must contain the word 'json' in some form, "
            "to use 'response_format' of type 'json_object'."
        )
        raise upstream(400, message, 400)


def _length(model: Model, chat: ChatRequest) -> None:
    most = model.get("max_completion_tokens")
    for name in ("max_tokens", "max_completion_tokens"):
        wanted = chat.body.get(name)
        if most is not None and isinstance(wanted, int) and wanted > most:
            raise Refusal(400, f"This model supports at most {most} output tokens")


def _modalities(model: Model, chat: ChatRequest) -> None:
    takes = model.get("input_modalities")
    kinds = {p.kind for p in chat.parts} - {"file"}
    for kind in sorted(kinds - set(takes or kinds)):
        raise Refusal(400, f"This model does not support {kind} input")
    most = model.get("max_reference_images")
    if most is not None and sum(p.kind == "image" for p in chat.parts) > most:
        raise Refusal(400, f"This model supports at most {most} reference images")


def _audio_format(model: Model, chat: ChatRequest) -> None:
    if "audio" not in chat.body.get("modalities", ()):
        return
    if "audio" not in model.get("output_modalities", ()):
        raise upstream(400, "400 Bad Request: This model does not support audio output", 400)
    spec = chat.body.get("audio")
    if spec is None:
        raise upstream(400, "400 Bad Request: Missing required parameter: 'audio'.", 400)
    if chat.body.get("stream") and spec["format"] != "pcm16":
        raise upstream(400, "400 Bad Request: Streamed audio needs the format pcm16", 400)


ABILITIES = (
    _messages_present, _names, _tools, _forced_tools, _known_choice, _keywords, _cache_control, _structured, _length,
    _modalities, _audio_format, _tool_names,
)  # fmt: skip


def _context(model: Model, chat: ChatRequest, dialect: Dialect) -> None:
    """Reject a prompt that exceeds the context length. The error message is the provider's."""
    most, given = model.get("context_length"), usage.estimated(chat)
    if most is None or given <= most:
        return
    words = dialect.overflow.format(given=given, most=most)
    error = {"message": words} | ({"code": dialect.overflow_code} if dialect.overflow_code else {})
    by = f"{dialect.provider or 'provider'} error: {words}"
    raise upstream(400, f"400 Bad Request: {by}", 400, json.dumps({"error": error}))


def check(model: Model, chat: ChatRequest, dialect: Dialect, plain: bool) -> None:
    """Reject a request that the model or its provider does not support."""
    # On the plain routes `json=true` must work with any prompt, so the prompt need not mention JSON.
    for ability in ABILITIES if plain else (*ABILITIES, _mentions_json):
        ability(model, chat)
    message_rules.check(str(model["name"]), chat.messages)
    _context(model, chat, dialect)
    if dialect.signs:
        signatures.check(chat.messages)
