"""The hosted MCP servers through the two adapters of LangChain, over a real socket.

The adapters need different versions of `mcp`, so that an environment has one of them. Tests of the other are skipped.
"""

from __future__ import annotations

import asyncio
import copy
import pickle
import re
from collections.abc import Awaitable, Callable, Mapping
from importlib.util import find_spec
from typing import Any

import httpx
import pytest
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from pydantic import SecretStr

from langchain_pollinations import mcp
from langchain_pollinations._transport.mcp_http import is_refusal
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.errors import (
    APIConnectionError,
    AuthenticationError,
    InsufficientBalanceError,
    InvalidRequestError,
    InvalidResponseError,
    KeyBudgetExhaustedError,
    NotFoundError,
    PermissionDeniedError,
    PollinationsError,
    RateLimitError,
    RequestTimeoutError,
    ServiceUnavailableError,
)
from langchain_pollinations.mcp import MCPServer, map_mcp_errors, mcp_connections, mcp_errors

Load = Callable[[Mapping[str, Any]], Awaitable[list[BaseTool]]]

HAS_ADAPTERS, HAS_FASTMCP = bool(find_spec("langchain_mcp_adapters")), bool(find_spec("fastmcp"))
needs_adapters = pytest.mark.skipif(not HAS_ADAPTERS, reason="needs langchain-mcp-adapters")
needs_fastmcp = pytest.mark.skipif(not HAS_FASTMCP, reason="needs langchain[mcp]")


async def _by_adapters(connections: Mapping[str, Any]) -> list[BaseTool]:
    from langchain_mcp_adapters.client import MultiServerMCPClient

    return await MultiServerMCPClient(dict(connections), tool_interceptors=[map_mcp_errors]).get_tools()


async def _by_langchain(connections: Mapping[str, Any]) -> list[BaseTool]:
    from langchain.mcp import MCPAdapter

    return await MCPAdapter(dict(connections)).list_tools()


@pytest.fixture(
    params=[
        pytest.param(_by_adapters, id="langchain-mcp-adapters", marks=needs_adapters),
        pytest.param(_by_langchain, id="langchain.mcp", marks=needs_fastmcp),
    ]
)
def load(request: pytest.FixtureRequest) -> Load:
    """`load(connections)`: the tools of one server, by each adapter."""
    found: Load = request.param
    return found


def exa(emulator: Emulator, **options: Any) -> dict[str, Any]:
    return mcp_connections("exa", **{**emulator.connection(), **options})


def to_mcp(emulator: Emulator) -> list[Any]:
    return [request for request in emulator.requests if request.path.startswith("/mcp/")]


# --- Agents -----------------------------------------------------------------------------------------------------------


def test_an_agent_searches_reads_and_answers_with_citations(
    load: Load, chat: ChatPollinations, emulator: Emulator
) -> None:
    async def run() -> list[Any]:
        agent = create_agent(chat, await load(exa(emulator)))
        with mcp_errors():
            state = await agent.ainvoke({"messages": "Which plants protect the coast from waves, and how?"})
        messages: list[Any] = state["messages"]
        return messages

    messages = asyncio.run(run())
    calls = [call for message in messages for call in getattr(message, "tool_calls", ())]
    assert [call["name"] for call in calls] == ["web_search_exa", "web_fetch_exa"]
    cited = dict(re.findall(r"\[\[(\d)\]\]\((\S+?)\)", messages[-1].text))
    assert len(cited) == 2
    assert set(cited.values()) <= set(calls[1]["args"]["urls"])
    read = next(message.text for message in messages if message.type == "tool" and message.name == "web_fetch_exa")
    sentences = re.findall(r"([A-Z][^\[\]()]+\.) \[\[\d\]\]\(", messages[-1].text)
    assert len(sentences) >= 2
    assert all(sentence in read for sentence in sentences)


def test_every_request_has_the_key_in_its_header_only(load: Load, emulator: Emulator) -> None:
    async def run() -> None:
        search = (await load(exa(emulator)))[0]
        await search.ainvoke({"query": "tides"})

    asyncio.run(run())
    requests = to_mcp(emulator)
    assert "tools/call" in [request.json["method"] for request in requests]
    for request in requests:
        assert request.headers["authorization"] == "Bearer sk_emulator"
        assert request.headers["user-agent"].startswith("langchain-pollinations/")
        assert (request.raw_path, request.query) == ("/mcp/exa", {})


def test_a_generated_image_is_an_image_block(load: Load, emulator: Emulator) -> None:
    async def run() -> ToolMessage:
        tools = {tool.name: tool for tool in await load(mcp_connections("pollinations", **emulator.connection()))}
        call = {"name": "generateImage", "args": {"prompt": "a mill"}, "id": "call_1", "type": "tool_call"}
        message: ToolMessage = await tools["generateImage"].ainvoke(call)
        return message

    _, image = asyncio.run(run()).content_blocks
    assert (image["type"], image["mime_type"]) == ("image", "image/jpeg")
    assert httpx.get(image["url"]).headers["content-type"] == "image/jpeg"


@needs_adapters
def test_the_tools_of_several_servers_stand_side_by_side(emulator: Emulator) -> None:
    connections = mcp_connections("exa", "pollinations", **emulator.connection())
    names = [tool.name for tool in asyncio.run(_by_adapters(connections))]
    assert names == ["web_search_exa", "web_fetch_exa", "listModels", "generateImage", "getBalance"]


@needs_fastmcp
def test_the_tools_of_a_group_have_the_name_of_their_server(emulator: Emulator) -> None:
    from fastmcp.client.group import ClientGroup
    from langchain.mcp import MCPAdapter

    connections = mcp_connections("exa", "pollinations", **emulator.connection())

    async def run() -> list[BaseTool]:
        tools = await MCPAdapter(ClientGroup.from_config(connections)).list_tools()
        assert "Title: " in str(await tools[0].ainvoke({"query": "tides"}))
        return tools

    names = [tool.name for tool in asyncio.run(run())]
    assert names[:3] == ["exa_web_search_exa", "exa_web_fetch_exa", "pollinations_listModels"]


# --- Errors -----------------------------------------------------------------------------------------------------------


def _spend(emulator: Emulator, what: str) -> None:
    emulator.keys["sk_emulator"][what] = 0


FAULTS: list[Any] = [
    pytest.param(lambda e: _spend(e, "balance"), InsufficientBalanceError, id="no balance"),
    pytest.param(lambda e: _spend(e, "budget"), KeyBudgetExhaustedError, id="no budget"),
    pytest.param(lambda e: e.keys.pop("sk_emulator"), AuthenticationError, id="revoked key"),
    pytest.param(lambda e: e.fail(403, on="/mcp/exa"), PermissionDeniedError, id="403"),
    pytest.param(lambda e: e.fail(429, on="/mcp/exa", headers={"retry-after": "7"}), RateLimitError, id="429"),
    pytest.param(lambda e: e.fail(503, on="/mcp/exa", body="busy"), ServiceUnavailableError, id="503 as text"),
    pytest.param(lambda e: e.fail("drop", on="/mcp/exa"), APIConnectionError, id="lost connection"),
]


@pytest.mark.parametrize(("break_it", "kind"), FAULTS)
@pytest.mark.unused_replies
def test_a_refusal_of_a_call_ends_the_run_as_our_error(
    load: Load,
    chat: ChatPollinations,
    emulator: Emulator,
    break_it: Callable[[Emulator], None],
    kind: type[PollinationsError],
) -> None:
    emulator.keys["sk_chat"] = {}
    chat.api_key = SecretStr("sk_chat")

    async def run() -> None:
        agent = create_agent(chat, await load(exa(emulator)))
        emulator.reply(tool_calls=[{"name": "web_search_exa", "args": {"query": "tides"}}])
        break_it(emulator)
        with mcp_errors():
            await agent.ainvoke({"messages": "Search!"})

    with pytest.raises(kind) as caught:
        asyncio.run(run())
    error = caught.value
    assert error.retry_after == (7 if kind is RateLimitError else None)
    if error.status_code == 402:
        assert error.message.startswith(("Insufficient balance.", "API key budget too low."))
        assert error.fix_url and error.code and error.request_id
    assert type(pickle.loads(pickle.dumps(error))) is kind


@pytest.mark.parametrize(
    ("connect", "kind"),
    [
        pytest.param(lambda e: exa(e, api_key="sk_unknown"), AuthenticationError, id="unknown key"),
        pytest.param(lambda e: mcp_connections("ffmpeg", **e.connection()), NotFoundError, id="no such server"),
        pytest.param(lambda e: exa(e, base_url="http://127.0.0.1:9"), APIConnectionError, id="nobody there"),
        pytest.param(lambda e: _slow(e), RequestTimeoutError, id="too slow"),
    ],
)
@pytest.mark.unused_replies
def test_a_refusal_of_the_list_of_tools_is_our_error(
    load: Load, emulator: Emulator, connect: Callable[[Emulator], dict[str, Any]], kind: type[PollinationsError]
) -> None:
    async def run() -> None:
        with mcp_errors():
            await load(connect(emulator))

    with pytest.raises(kind):
        asyncio.run(run())


def _slow(emulator: Emulator) -> dict[str, Any]:
    emulator.reply(body={}, on="/mcp/exa", delay=5)
    return exa(emulator, timeout=0.2)


def test_a_failed_tool_is_for_the_model(load: Load, chat: ChatPollinations, emulator: Emulator) -> None:
    emulator.reply(tool_calls=[{"name": "web_fetch_exa", "args": {"urls": ["https://example.org/nothing"]}}])
    emulator.reply("There is no such page.")

    async def run() -> Any:
        with mcp_errors():
            return await create_agent(chat, await load(exa(emulator))).ainvoke({"messages": "Read it!"})

    *_, told, _ = asyncio.run(run())["messages"]
    assert told.status == "error"
    assert "No page could be read: https://example.org/nothing" in told.text


@needs_adapters
def test_a_tool_that_lacks_pollen_ends_the_run(emulator: Emulator) -> None:
    """`generateImage` costs what the model costs, so its refusal is the result of the tool."""

    async def run() -> None:
        tools = {
            tool.name: tool for tool in await _by_adapters(mcp_connections("pollinations", **emulator.connection()))
        }
        emulator.keys["sk_emulator"]["balance"] = 0
        await tools["generateImage"].ainvoke({"prompt": "a mill"})

    with pytest.raises(InsufficientBalanceError, match="estimated at ~0.0") as caught:
        asyncio.run(run())
    assert (caught.value.code, caught.value.status_code) == ("INSUFFICIENT_BALANCE", None)
    assert caught.value.fix_url == "https://enter.pollinations.ai/top-up?ref=agent_low_balance_topup"


@needs_adapters
@pytest.mark.parametrize(("balance", "kind"), [(0, InsufficientBalanceError.__base__), (None, AuthenticationError)])
def test_connections_written_by_hand_have_errors_by_their_status(
    emulator: Emulator, balance: int | None, kind: type[PollinationsError]
) -> None:
    headers = {"Authorization": "Bearer sk_emulator"}
    connection = {"transport": "streamable_http", "url": f"{emulator.url}/mcp/exa", "headers": headers}

    async def run() -> None:
        search = (await _by_adapters({"exa": connection}))[0]
        emulator.keys["sk_emulator"]["balance"] = balance
        if balance is None:
            emulator.keys.clear()
        await search.ainvoke({"query": "tides"})

    with pytest.raises(kind) as caught:
        asyncio.run(run())
    assert type(caught.value) is kind


def test_other_exceptions_stay_as_they_are() -> None:
    refused = InvalidRequestError("no")
    for error in (
        KeyError("x"),
        ExceptionGroup("two", [ValueError("a"), OSError("b")]),
        BaseExceptionGroup("interrupted", [KeyboardInterrupt(), refused]),
        refused,
    ):
        with pytest.raises(type(error)) as caught, mcp_errors():
            raise error
        assert caught.value is error


@pytest.mark.parametrize(
    ("status", "body", "refused"),
    [
        (401, '{"error": "no key"}', True),
        (402, "", True),
        (503, "busy", True),
        (404, '{"success": false, "status": 404, "error": {"message": "no such server"}}', True),
        (400, '{"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": "version"}}', False),
        (500, '{"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "bug"}}', False),
        (404, "<html>", False),
        (405, "", False),
        (400, "[]", False),
    ],
)
def test_an_answer_of_the_protocol_is_left_to_the_client(status: int, body: str, refused: bool) -> None:
    assert is_refusal(httpx.Response(status, text=body)) is refused


# --- Connections ------------------------------------------------------------------------------------------------------


def test_connections_need_no_adapter_and_hide_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_secret_of_mine")
    connections = mcp_connections("exa", "ask-jev")
    assert {name: connection["url"] for name, connection in connections.items()} == {
        "exa": "https://gen.pollinations.ai/mcp/exa",
        "ask-jev": "https://gen.pollinations.ai/mcp/ask-jev",
    }
    assert "sk_secret" not in repr(connections) + repr(vars(connections["exa"]["auth"]))
    assert copy.deepcopy(connections) == connections
    with pytest.raises(TypeError, match="contain the API key and cannot be pickled"):
        pickle.dumps(connections)


@pytest.mark.unused_replies
def test_a_service_that_repeats_the_key_does_not_put_it_into_the_error(load: Load, emulator: Emulator) -> None:
    emulator.fail(403, on="/mcp/exa", message="sk_emulator may not do this", times=9)

    async def run() -> None:
        with mcp_errors():
            await load(exa(emulator))

    with pytest.raises(PermissionDeniedError) as caught:
        asyncio.run(run())
    assert "sk_emulator" not in repr((caught.value.args, vars(caught.value)))
    assert caught.value.message == "*** may not do this"


RECORD = MCPServer("brand-new")


@pytest.mark.parametrize(
    ("servers", "options", "ids"),
    [
        (("ffmpeg", "exa"), {}, ["ffmpeg", "exa"]),
        (("brand-new",), {"check": False}, ["brand-new"]),
        ((RECORD, "exa"), {}, ["brand-new", "exa"]),
        (("exa", "exa"), {"base_url": "http://127.0.0.1:1/v1"}, ["exa"]),
    ],
)
def test_servers_are_named_by_id_or_record(servers: Any, options: dict[str, Any], ids: list[str]) -> None:
    assert list(mcp_connections(*servers, api_key="sk_x", **options)) == ids


@pytest.mark.parametrize(
    ("servers", "options", "told"),
    [
        ((), {}, "servers: name at least one of pollinations, exa, ffmpeg, composio, computer, ask-jev"),
        (("exxa",), {}, "unknown MCP server 'exxa', did you mean 'exa'? Known servers: pollinations, exa, ffmpeg"),
        (("sk_1234567",), {}, "servers: unknown MCP server. Known servers: pollinations, exa"),
        (("../text",), {"check": False}, "servers: unknown MCP server. Known servers"),
        ((MCPServer("../text"),), {}, "servers: unknown MCP server. Known servers"),
        ((["exa"],), {}, "servers: takes ids such as 'exa' or MCPServer records, not list"),
        (("exa",), {"timeout": 0}, "timeout: a time limit must be more than 0 seconds"),
        (("exa",), {"base_url": "gen.pollinations.ai"}, "base_url must be an origin"),
    ],
)
def test_bad_input_is_named(servers: Any, options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        mcp_connections(*servers, api_key="sk_x", **options)
    assert told in str(caught.value)
    assert "sk_" not in str(caught.value)
    assert caught.value.param in ("servers", "timeout", "base_url")


def test_without_a_key_the_error_comes_at_once() -> None:
    with pytest.raises(AuthenticationError, match="No key: set POLLINATIONS_API_KEY"):
        mcp_connections("exa")


# --- List -------------------------------------------------------------------------------------------------------------

LISTS: list[Callable[..., list[MCPServer]]] = [
    mcp.list_mcp_servers,
    lambda **connection: asyncio.run(mcp.alist_mcp_servers(**connection)),
]


@pytest.fixture(params=LISTS, ids=["sync", "async"])
def listed(request: pytest.FixtureRequest) -> Callable[..., list[MCPServer]]:
    found: Callable[..., list[MCPServer]] = request.param
    return found


def test_the_list_needs_no_key(listed: Callable[..., list[MCPServer]], emulator: Emulator) -> None:
    servers = listed(base_url=emulator.url)
    assert [server.id for server in servers] == ["pollinations", "exa"]
    assert all(server.name and server.description for server in servers)
    assert servers[1].url == f"{emulator.url}/mcp/exa"
    assert servers[1].pricing == {"unit": "call", "calls": "0.007"}
    assert list(mcp_connections(*servers, **emulator.connection())) == ["pollinations", "exa"]


def test_the_list_is_read_as_it_comes(listed: Callable[..., list[MCPServer]], emulator: Emulator) -> None:
    entries = [{"id": "new", "pricing": [1]}, {"name": "no id"}, "text", {"id": "a/b"}, {"id": "x", "name": None}]
    emulator.reply(body={"data": entries}, on="/mcp")
    assert listed(base_url=emulator.url) == [MCPServer("new", pricing=[1]), MCPServer("x")]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"data": "none"}, InvalidResponseError),
        ([], InvalidResponseError),
        ("<html>", InvalidResponseError),
        ({"success": False, "status": 503, "error": {"message": "down"}}, ServiceUnavailableError),
    ],
)
def test_an_answer_that_is_no_list_is_an_error(
    listed: Callable[..., list[MCPServer]], emulator: Emulator, body: Any, kind: type[PollinationsError]
) -> None:
    emulator.reply(body=body, on="/mcp")
    with pytest.raises(kind):
        listed(base_url=emulator.url)


def test_an_exception_that_the_caller_is_handling_is_not_changed() -> None:
    request = httpx.Request("POST", "https://other.example", headers={"x-own": "1"})
    try:
        raise httpx.ConnectError("of another service", request=request)
    except httpx.ConnectError as own:
        trace = own.__traceback__
        failed = httpx.ConnectError("of this service", request=httpx.Request("POST", "https://mcp.example"))
        failed.__context__ = own  # as Python does for each exception that is raised here
        with pytest.raises(APIConnectionError), mcp_errors():
            raise failed  # noqa: B904
        assert own.request.headers["x-own"] == "1"
        assert own.__traceback__ is trace
