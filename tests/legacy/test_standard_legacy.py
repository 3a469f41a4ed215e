"""LangChain's standard classes, against the two older hosts: by the route of OpenAI, and by the two plain ones.

A file of its own, since these hosts need other fixtures than those of `test_standard`: no key, no cassettes, no media.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import pytest
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import ChatModelIntegrationTests, ToolsIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests, ToolsUnitTests

from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.emulator.legacy import Legacy
from langchain_pollinations.tools.images import PollinationsImageTool


@pytest.fixture
def legacy(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Legacy:
    """The older hosts, found through the environment: some tests build a model from `chat_model_params` alone."""
    monkeypatch.setenv("POLLINATIONS_LEGACY_TEXT_URL", emulator.legacy.text_url)
    monkeypatch.setenv("POLLINATIONS_LEGACY_IMAGE_URL", emulator.legacy.image_url)
    return emulator.legacy


class OlderChat:
    """What both chat classes are told of the one model there; what it can is switched on."""

    chat_model_class = ChatPollinations
    chat_model_params: ClassVar[dict[str, Any]] = {
        "api": "legacy",
        "legacy_interval": 0,
    }  # 0: no test waits 30 s for its turn
    supports_json_mode = True
    supports_model_override = True
    model_override_value = "gpt-oss-20b"  # another name of the same model, and that by which it signs
    # An Anthropic history of text and tool calls; the picture in it belongs to the property below.
    supports_anthropic_inputs = True
    # The model reads and writes text alone, and says so in its list.
    supports_image_inputs = False
    supports_image_urls = False
    supports_image_tool_message = False
    supports_pdf_inputs = False
    supports_pdf_tool_message = False
    supports_audio_inputs = False
    supports_video_inputs = False
    # Cassettes hold requests to the new host.
    enable_vcr_tests = False

    @property
    def supported_usage_metadata_details(self) -> dict[Literal["invoke", "stream"], list[Any]]:
        """None: its usage counts thoughts among the words, and the model has no cache."""
        return {"invoke": [], "stream": []}


class PlainGet(OlderChat):
    chat_model_params: ClassVar[dict[str, Any]] = {**OlderChat.chat_model_params, "route": "get"}
    # The answer to a lone prompt is text, and tells nothing else.
    returns_usage_metadata = False


class PlainPost(OlderChat):
    chat_model_params: ClassVar[dict[str, Any]] = {**OlderChat.chat_model_params, "route": "post"}
    # As above.
    returns_usage_metadata = False


@pytest.mark.usefixtures("loadable")
class OfUnit:
    chat_model_params: ClassVar[dict[str, Any]]

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        """There is no key to find; where the hosts are can be said in the environment."""
        text, image = "http://127.0.0.1:11", "http://127.0.0.1:12"
        environment = {"POLLINATIONS_LEGACY_TEXT_URL": text, "POLLINATIONS_LEGACY_IMAGE_URL": image}
        return environment, self.chat_model_params, {"legacy_text_url": text, "legacy_image_url": image}


class TestOlderChatUnit(OfUnit, OlderChat, ChatModelUnitTests): ...


class TestPlainGetUnit(OfUnit, PlainGet, ChatModelUnitTests): ...


class TestPlainPostUnit(OfUnit, PlainPost, ChatModelUnitTests): ...


class OfIntegration:
    """The class is told nothing of the emulator: it finds it as a user's program would."""

    routes: ClassVar[set[str]] = {"POST /openai"}
    """Those that its tests may take; whatever a GET asks for is a prompt."""

    @pytest.fixture(autouse=True)
    def _on_its_routes(self, legacy: Legacy) -> Iterator[None]:
        yield
        for request in legacy.requests:
            assert request.host == "text"
            assert ("GET" if request.method == "GET" else f"{request.method} {request.path}") in self.routes


class TestOlderChatIntegration(OfIntegration, OlderChat, ChatModelIntegrationTests): ...


class TestOlderChatJsonSchema(OfIntegration, OlderChat, ChatModelIntegrationTests):
    """The host passes a schema on, and its provider holds the answer to it."""

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": "json_schema"}


class TestPlainGetIntegration(OfIntegration, PlainGet, ChatModelIntegrationTests):
    # Conversations and tools go by the route of OpenAI: no address can carry them.
    routes: ClassVar[set[str]] = {"GET", "POST /openai"}


class TestPlainPostIntegration(OfIntegration, PlainPost, ChatModelIntegrationTests):
    # Tools go by the route of OpenAI: a plain answer cannot tell of them.
    routes: ClassVar[set[str]] = {"POST /", "POST /openai"}


class OlderImageTool:
    tool_constructor = PollinationsImageTool
    tool_constructor_params: ClassVar[dict[str, Any]] = {"api": "legacy", "legacy_interval": 0}
    tool_invoke_params_example: ClassVar[dict[str, Any]] = {"prompt": "a lighthouse", "width": 64, "height": 64}


class TestOlderImageToolUnit(OlderImageTool, ToolsUnitTests): ...


class TestOlderImageToolIntegration(OlderImageTool, ToolsIntegrationTests):
    @pytest.fixture
    def tool(self, legacy: Legacy) -> Iterator[BaseTool]:
        yield PollinationsImageTool(**self.tool_constructor_params)
        assert {request.host for request in legacy.requests} <= {"image"}
