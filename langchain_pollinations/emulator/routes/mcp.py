"""The hosted MCP servers: the list `GET /mcp`, and the servers `exa` and `pollinations`.

Arguments and results of the tools of `exa`, and the shape of `pricing`, are not part of the public contract. Here, they
are plausible.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from starlette.responses import JSONResponse, Response

from langchain_pollinations.emulator.routes import account, images
from langchain_pollinations.emulator.service import accounts, catalog, generation
from langchain_pollinations.emulator.service.error_responses import Refusal
from langchain_pollinations.emulator.service.mcp_protocol import McpResponse, ToolFailed, require_package
from langchain_pollinations.emulator.state import Asked, State
from langchain_pollinations.emulator.synthesis import pages

Json = dict[str, Any]


@dataclass(frozen=True)
class Caller:
    """The request of a tool call."""

    state: State
    asked: Asked


@dataclass(frozen=True)
class HostedTool:
    """A tool: its description, the properties of its arguments, and the function that returns content blocks."""

    name: str
    description: str
    properties: Mapping[str, Json]
    run: Callable[[Caller, Json], Awaitable[list[Json]]]
    required: Sequence[str] = ()

    def listed(self) -> Json:
        schema = {"type": "object", "properties": dict(self.properties), "required": list(self.required)}
        return {"name": self.name, "description": self.description, "inputSchema": schema}


@dataclass(frozen=True)
class HostedServer:
    """An MCP server. `pricing` contains its own rate. It is empty if the tools cost what the models cost."""

    id: str
    name: str
    description: str
    tools: Sequence[HostedTool]
    pricing: Mapping[str, str] = field(default_factory=dict)

    @property
    def billed_as(self) -> catalog.Model:
        """The record with which a tool call is billed, in the form of a model."""
        return {"name": self.id, "category": "mcp", "aliases": [], "pricing": dict(self.pricing)}


def _text(text: str) -> list[Json]:
    return [{"type": "text", "text": text}]


# Tools of `exa`.

MAX_RESULTS = 5
MAX_CHARACTERS = 3000
SEPARATOR = "\n\n---\n\n"


def _head(page: pages.Page) -> str:
    return f"Title: {page.title}\nURL: {page.url}\nPublished: {page.published}"


async def _web_search(caller: Caller, arguments: Json) -> list[Json]:
    query = arguments["query"]
    found = pages.search(query)[: int(arguments.get("numResults", MAX_RESULTS))]
    if not found:
        return _text(f"No results for {query!r}.")
    entries = (f"{_head(page)}\nHighlights:\n{' [...] '.join(pages.highlights(page, query))}" for page in found)
    return _text(SEPARATOR.join(entries))


async def _web_fetch(caller: Caller, arguments: Json) -> list[Json]:
    most = int(arguments.get("maxCharacters", MAX_CHARACTERS))
    found = {url: pages.find(url) for url in arguments["urls"]}
    if not any(found.values()):
        raise ToolFailed(f"No page could be read: {', '.join(found)}")
    entries = (
        f"{_head(page)}\nText:\n{page.text[:most]}" if page else f"URL: {url}\nError: the page could not be read"
        for url, page in found.items()
    )
    return _text(SEPARATOR.join(entries))


EXA = HostedServer(
    "exa",
    "Exa",
    "Searches the live web and reads pages as clean text.",
    (
        HostedTool(
            "web_search_exa",
            "Searches the web. Returns the title, the URL and the highlights of each page that was found.",
            {
                "query": {"type": "string", "description": "What to search for"},
                "numResults": {"type": "integer", "minimum": 1, "maximum": 25, "description": "Number of pages"},
            },
            _web_search,
            ("query",),
        ),
        HostedTool(
            "web_fetch_exa",
            "Reads known URLs. Returns the clean text of each page.",
            {
                "urls": {"type": "array", "items": {"type": "string"}, "minItems": 1, "description": "URLs to read"},
                "maxCharacters": {"type": "integer", "minimum": 1, "description": "Maximum characters of each page"},
            },
            _web_fetch,
            ("urls",),
        ),
    ),
    {"unit": "call", "calls": "0.007"},
)


# Tools of `pollinations`.

LISTED_FIELDS = ("name", "category", "title", "description", "capabilities", "paid_only")


async def _list_models(caller: Caller, arguments: Json) -> list[Json]:
    query = {name: _in_query(value) for name, value in arguments.items()}
    found = caller.state.catalog.listed("/models", query, {})
    return _text(json.dumps([{key: model[key] for key in LISTED_FIELDS if key in model} for model in found]))


def _in_query(value: Any) -> str:
    """Write an argument as the value of a query parameter."""
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _generate_image(caller: Caller, arguments: Json) -> list[Json]:
    """Generate an image by the route `GET /image/{prompt}`, which checks and bills the request."""
    prompt = arguments["prompt"]
    query = {name: _in_query(value) for name, value in arguments.items() if name != "prompt"}
    path = f"/image/{quote(prompt, safe='')}"
    asked = replace(caller.asked, method="GET", path=path, raw_path=path, query=query, body=b"")
    response = await images.get_image(caller.state, asked, prompt)
    url = response.headers["link"].partition(">")[0].removeprefix("<")
    link = {"type": "resource_link", "uri": url, "name": prompt[:80], "mimeType": response.headers["content-type"]}
    return [{"type": "text", "text": f"The image is at {url}"}, link]


async def _get_balance(caller: Caller, arguments: Json) -> list[Json]:
    response = await account.balance(caller.state, caller.asked)
    return _text(bytes(response.body).decode())


POLLINATIONS = HostedServer(
    "pollinations",
    "Pollinations",
    "Lists models, generates media and reads the account.",
    (
        HostedTool(
            "listModels",
            "Searches the live list of models.",
            {
                "query": {"type": "string", "description": "Words that the model's record must contain"},
                "capabilities": {"type": "array", "items": {"type": "string"}},
                "agent": {"type": "boolean", "description": "Only agents, or no agents"},
                "community": {"type": "boolean", "description": "Only community models, or only official models"},
                "limit": {"type": "integer", "minimum": 1},
            },
            _list_models,
        ),
        HostedTool(
            "generateImage",
            "Generates an image. Returns a link to the file, which anyone with the link can read for 30 days.",
            {
                "prompt": {"type": "string", "minLength": 1, "description": "What the image shows"},
                "model": {"type": "string"},
                "width": {"type": "integer", "minimum": 1},
                "height": {"type": "integer", "minimum": 1},
                "seed": {"type": "integer"},
                "safe": {"type": "boolean"},
            },
            _generate_image,
            ("prompt",),
        ),
        HostedTool("getBalance", "Reads the Pollen that the API key may still spend.", {}, _get_balance),
    ),
)

SERVERS: Mapping[str, HostedServer] = {server.id: server for server in (POLLINATIONS, EXA)}


# Routes.


async def index(state: State, asked: Asked) -> Response:
    data = [
        {
            "id": server.id,
            "name": server.name,
            "description": server.description,
            "url": f"{state.url}/mcp/{server.id}",
            "pricing": dict(server.pricing),
        }
        for server in SERVERS.values()
    ]
    return JSONResponse({"data": data})


async def post(state: State, asked: Asked, name: str) -> Response:
    """Answer a JSON-RPC message. A refusal of the service has its usual format, also where MCP would have another."""
    server = SERVERS.get(name)
    if server is None:
        raise Refusal(404, f"MCP server '{name}' not found. The emulator has {', '.join(SERVERS)}")
    payer = accounts.authenticate(state.keys, accounts.given_key(asked.headers, {}), strict=state.strict_keys)
    message = _message(asked)
    if isinstance(message, list):
        raise Refusal(400, "JSON-RPC batch requests are not supported")
    if server.pricing and isinstance(message, dict) and message.get("method") == "tools/call":
        accounts.afford(payer, server.billed_as, catalog.cost(server.billed_as, {}))
    require_package()
    caller, tools = Caller(state, asked), {tool.name: tool for tool in server.tools}

    async def call(tool: str, arguments: Json) -> list[Json]:
        try:
            content = await tools[tool].run(caller, arguments)
        except Refusal as refusal:
            raise ToolFailed(_sentence(refusal)) from refusal
        if server.pricing:
            generation.bill(state, asked, payer, server.billed_as, {"calls": 1}, "mcp.call")
        return content

    return McpResponse(f"pollinations-{server.id}", [tool.listed() for tool in server.tools], call, asked.body)


def _sentence(refusal: Refusal) -> str:
    """Return the message of an error, with the fields that a validation error names."""
    fields = (refusal.details or {}).get("fieldErrors", {})
    return refusal.message + "".join(f"; {name}: {', '.join(reasons)}" for name, reasons in fields.items())


def _message(asked: Asked) -> Any:
    """Return the JSON of the request. The `mcp` package rejects a body that is not JSON."""
    try:
        return asked.json
    except RecursionError:
        raise Refusal(400, "The JSON of the request has too many levels") from None
    except UnicodeDecodeError:  # the `mcp` package would answer with status 500
        raise Refusal(400, "The JSON of the request is not UTF-8") from None
    except ValueError:
        return None
