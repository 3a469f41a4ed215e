"""The hosted MCP servers of the emulator, asked with plain HTTP."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest

from langchain_pollinations.emulator import Emulator

ACCEPT = {"accept": "application/json, text/event-stream"}
Rpc = Callable[..., httpx.Response]
needs_mcp = pytest.mark.usefixtures("mcp_package")


@pytest.fixture
def mcp_package() -> None:
    pytest.importorskip("mcp", reason="needs the extra mcp")


@pytest.fixture
def rpc(http: httpx.Client) -> Rpc:
    def ask(server: str, method: str, **params: Any) -> httpx.Response:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return http.post(f"/mcp/{server}", json=message, headers=ACCEPT)

    return ask


def text(response: httpx.Response) -> str:
    """The text of a tool result, which must not be a failure."""
    result = response.json()["result"]
    assert not result.get("isError"), result
    return str(result["content"][0]["text"])


def failure(response: httpx.Response) -> str:
    result = response.json()["result"]
    assert result["isError"] is True
    return str(result["content"][0]["text"])


def test_the_list_needs_no_key_and_gives_addresses(emulator: Emulator) -> None:
    listed = httpx.get(f"{emulator.url}/mcp").json()["data"]
    assert [(entry["id"], entry["url"].removeprefix(emulator.url)) for entry in listed] == [
        ("pollinations", "/mcp/pollinations"),
        ("exa", "/mcp/exa"),
    ]
    assert all(entry.keys() == {"id", "name", "description", "url", "pricing"} for entry in listed)


HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


@needs_mcp
@pytest.mark.parametrize(
    ("server", "tools"),
    [
        ("exa", ["web_search_exa", "web_fetch_exa"]),
        ("pollinations", ["listModels", "generateImage", "getBalance"]),
    ],
)
def test_a_server_introduces_itself_and_its_tools(rpc: Rpc, server: str, tools: list[str]) -> None:
    assert rpc(server, "initialize", **HELLO).json()["result"]["serverInfo"]["name"] == f"pollinations-{server}"
    listed = rpc(server, "tools/list").json()["result"]["tools"]
    assert [tool["name"] for tool in listed] == tools
    assert all(tool["description"] and tool["inputSchema"]["type"] == "object" for tool in listed)


@needs_mcp
def test_what_a_search_finds_can_be_read(rpc: Rpc) -> None:
    found = text(rpc("exa", "tools/call", name="web_search_exa", arguments={"query": "glowing plankton"}))
    assert found.startswith("Title: Bioluminescence in the sea\nURL: https://")
    url = found.split("URL: ")[1].split("\n")[0]
    both = {"urls": [url, "https://example.org/missing"], "maxCharacters": 60}
    read = text(rpc("exa", "tools/call", name="web_fetch_exa", arguments=both))
    page, missing = read.split("\n\n---\n\n")
    assert page.endswith("Text:\nBioluminescence is light that living things produce by a che")
    assert missing == "URL: https://example.org/missing\nError: the page could not be read"


@needs_mcp
def test_a_search_can_be_short_or_without_result(rpc: Rpc) -> None:
    one = {"query": "fog and tides", "numResults": 1}
    assert text(rpc("exa", "tools/call", name="web_search_exa", arguments=one)).count("Title: ") == 1
    assert text(rpc("exa", "tools/call", name="web_search_exa", arguments={"query": "zzz"})) == "No results for 'zzz'."


@needs_mcp
@pytest.mark.parametrize(
    ("server", "tool", "arguments", "told"),
    [
        ("exa", "web_search_exa", {}, "'query' is a required property"),
        ("exa", "web_search_exa", {"query": "x", "numResults": 0}, "numResults: 0 is less than the minimum of 1"),
        ("exa", "web_fetch_exa", {"urls": ["https://example.org/x"]}, "No page could be read: https://example.org/x"),
        ("exa", "web_surf", {}, "Unknown tool: web_surf. The tools are web_search_exa, web_fetch_exa"),
        ("pollinations", "generateImage", {"prompt": "x", "model": "nope"}, 'Invalid model or alias: "nope"'),
        ("pollinations", "listModels", {"capabilities": ["magic"]}, "validation failed; capabilities: "),
        ("pollinations", "getBalance", {}, "does not have the permission account:usage"),
    ],
)
def test_a_tool_tells_the_model_what_is_wrong_and_costs_nothing(
    rpc: Rpc, emulator: Emulator, server: str, tool: str, arguments: dict[str, Any], told: str
) -> None:
    emulator.keys["sk_emulator"] = {"balance": 1, "scopes": []}
    assert told in failure(rpc(server, "tools/call", name=tool, arguments=arguments))
    assert emulator.ledger == []


@needs_mcp
def test_an_image_is_linked_and_costs_what_the_model_costs(rpc: Rpc, emulator: Emulator, http: httpx.Client) -> None:
    emulator.keys["sk_emulator"] = {"balance": 1, "scopes": ["usage"]}
    asked = {"prompt": "a tide mill / at dusk", "model": "flux", "width": 64, "height": 48, "seed": 3}
    result = rpc("pollinations", "tools/call", name="generateImage", arguments=asked).json()["result"]
    _, link = result["content"]
    assert (link["type"], link["mimeType"]) == ("resource_link", "image/jpeg")
    assert httpx.get(link["uri"]).content == http.get(
        "/image/a%20tide%20mill%20%2F%20at%20dusk", params={"model": "flux", "width": 64, "height": 48, "seed": 3}
    ).content  # fmt: skip
    price = Decimal(emulator.state.catalog.find("flux")["pricing"]["completionImageTokens"])
    left = text(rpc("pollinations", "tools/call", name="getBalance", arguments={}))
    assert json.loads(left, parse_float=Decimal)["balance"] == 1 - price
    assert [(record.type, record.cost) for record in emulator.ledger] == [("generate.image", price)]


@needs_mcp
def test_models_are_searched_as_by_the_lists(rpc: Rpc, http: httpx.Client) -> None:
    asked = {"capabilities": ["tool_calling"], "community": False, "limit": 3}
    found = json.loads(text(rpc("pollinations", "tools/call", name="listModels", arguments=asked)))
    query = {"capabilities": "tool_calling", "community": "false", "limit": "3"}
    assert [model["name"] for model in found] == [model["name"] for model in http.get("/models", params=query).json()]


@needs_mcp
def test_a_call_of_a_server_with_a_rate_of_its_own_is_charged(rpc: Rpc, emulator: Emulator) -> None:
    emulator.keys["sk_emulator"] = {"balance": 1, "scopes": ["usage"]}
    rpc("exa", "initialize", **HELLO)
    rpc("exa", "tools/list")
    assert emulator.keys["sk_emulator"]["balance"] == 1
    rpc("exa", "tools/call", name="web_search_exa", arguments={"query": "tides"})
    rpc("exa", "tools/call", name="web_search_exa", arguments={"query": "tides"})  # no answer is cached
    assert emulator.keys["sk_emulator"]["balance"] == Decimal("0.986")
    assert [(record.type, record.model, record.cost) for record in emulator.ledger] == [
        ("mcp.call", "exa", Decimal("0.007"))
    ] * 2


SEARCH = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "web_search_exa", "arguments": {}}}
LISTING = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.mark.parametrize(
    ("place", "headers", "body", "account", "status", "code"),
    [
        pytest.param("exa", {}, LISTING, {}, 401, "UNAUTHORIZED", id="no key"),
        pytest.param("exa", {"authorization": "Bearer sk_no"}, LISTING, {}, 401, "UNAUTHORIZED", id="unknown key"),
        pytest.param("exa?key=sk_emulator", {}, LISTING, {}, 401, "UNAUTHORIZED", id="a key in the address"),
        pytest.param("nope", None, LISTING, {}, 404, "NOT_FOUND", id="unknown server"),
        pytest.param("exa", None, [LISTING], {}, 400, "BAD_REQUEST", id="batch"),
        pytest.param("exa", None, SEARCH, {"balance": 0}, 402, "INSUFFICIENT_BALANCE", id="no balance"),
        pytest.param("exa", None, SEARCH, {"budget": 0}, 402, "KEY_BUDGET_EXHAUSTED", id="no budget"),
    ],
)
def test_a_refusal_has_the_usual_envelope(
    emulator: Emulator,
    place: str,
    headers: dict[str, str] | None,
    body: Any,
    account: dict[str, Any],
    status: int,
    code: str,
) -> None:
    emulator.keys["sk_emulator"].update(account)
    given = {"authorization": "Bearer sk_emulator"} if headers is None else headers
    response = httpx.post(f"{emulator.url}/mcp/{place}", json=body, headers=ACCEPT | given)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


@needs_mcp
def test_without_balance_the_tools_are_still_listed(rpc: Rpc, emulator: Emulator) -> None:
    emulator.keys["sk_emulator"]["balance"] = 0
    assert rpc("exa", "tools/list").status_code == 200
    refused = rpc("pollinations", "tools/call", name="generateImage", arguments={"prompt": "a mill"})
    assert failure(refused).startswith("Insufficient balance.")


@needs_mcp
def test_what_is_not_json_is_refused_by_the_protocol(http: httpx.Client) -> None:
    response = http.post("/mcp/exa", content=b"{", headers=ACCEPT | {"content-type": "application/json"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32700)


def test_without_the_package_the_answer_names_the_extra(rpc: Rpc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server.lowlevel", None)  # as if it were not installed
    response = rpc("exa", "tools/list")
    assert response.status_code == 501
    assert "pip install 'langchain-pollinations-ai[mcp]'" in response.json()["error"]["message"]
