"""Answers requests of the Model Context Protocol with the official `mcp` package, version 1 or 2.

The package is imported with the first request, because it is not part of the emulator's extra. Each request has a
server and a session of its own, as the Streamable HTTP transport allows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from langchain_pollinations.emulator.service.error_responses import Refusal

Json = dict[str, Any]
CallTool = Callable[[str, Json], Awaitable[Sequence[Json]]]

NEEDED = "The emulator needs the package mcp for its MCP servers: pip install 'langchain-pollinations-ai[mcp]'"


class ToolFailed(Exception):
    """The failure of a tool. The model reads its text."""


def require_package() -> None:
    """Reject the request if the `mcp` package is not installed."""
    try:
        import_module("mcp.server.lowlevel")
    except ModuleNotFoundError as error:
        raise Refusal(501, f"{NEEDED} ({error})") from error


class McpResponse(Response):
    """The response of an MCP server to one request.

    Args:
        name: Name of the server.
        tools: The tools, in the format of `tools/list`.
        call: Runs a tool with valid arguments, and returns content blocks in the format of `tools/call`.
        body: Body of the request, which has been read.
    """

    def __init__(self, name: str, tools: Sequence[Json], call: CallTool, body: bytes) -> None:
        super().__init__()
        self._server = _server(name, tools, call)
        self._sent = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pieces = [self._sent]

        async def replay() -> Message:
            if pieces:
                return {"type": "http.request", "body": pieces.pop(), "more_body": False}
            return await receive()

        managers: Any = import_module("mcp.server.streamable_http_manager")
        manager = managers.StreamableHTTPSessionManager(self._server, json_response=True, stateless=True)
        async with manager.run():
            await manager.handle_request(scope, replay, send)


def _server(name: str, tools: Sequence[Json], call: CallTool) -> Any:
    """Return a server of the `mcp` package. Its constructor differs between the versions."""
    lowlevel: Any = import_module("mcp.server.lowlevel")
    types: Any = import_module("mcp.types")
    schemas = {tool["name"]: tool["inputSchema"] for tool in tools}
    listed = types.ListToolsResult.model_validate({"tools": list(tools)})

    async def run(tool: str, arguments: Mapping[str, Any] | None) -> Any:
        try:
            _validate(schemas, tool, arguments or {})
            result: Json = {"content": await call(tool, dict(arguments or {}))}
        except ToolFailed as failure:
            result = {"content": [{"type": "text", "text": str(failure)}], "isError": True}
        return types.CallToolResult.model_validate(result)

    if not hasattr(lowlevel.Server, "list_tools"):  # version 2

        async def on_list_tools(context: Any, params: Any) -> Any:
            return listed

        async def on_call_tool(context: Any, params: Any) -> Any:
            return await run(params.name, params.arguments)

        return lowlevel.Server(name, version="1.0.0", on_list_tools=on_list_tools, on_call_tool=on_call_tool)

    async def list_tools() -> Any:
        return listed

    server = lowlevel.Server(name, version="1.0.0")
    server.list_tools()(list_tools)
    server.call_tool(validate_input=False)(run)
    return server


def _validate(schemas: Mapping[str, Json], tool: str, arguments: Mapping[str, Any]) -> None:
    """Check the arguments of a tool against its schema. `jsonschema` is a dependency of the `mcp` package."""
    if tool not in schemas:
        raise ToolFailed(f"Unknown tool: {tool}. The tools are {', '.join(schemas)}")
    jsonschema: Any = import_module("jsonschema")
    try:
        jsonschema.validate(arguments, schemas[tool])
    except jsonschema.ValidationError as error:
        place = ".".join(map(str, error.absolute_path))
        raise ToolFailed(f"Invalid arguments: {f'{place}: ' if place else ''}{error.message}") from error
