"""LangChain's standard classes, against the emulator."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import httpx
import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import (
    ChatModelIntegrationTests,
    EmbeddingsIntegrationTests,
    ToolsIntegrationTests,
)
from langchain_tests.unit_tests import ChatModelUnitTests, EmbeddingsUnitTests, ToolsUnitTests
from PIL import Image

from langchain_pollinations._chat.plain_text import Route
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.embeddings import PollinationsEmbeddings
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.media import Media
from langchain_pollinations.tools.audio import PollinationsMusicTool, PollinationsSpeechTool, PollinationsTranscribeTool
from langchain_pollinations.tools.base import MediaTool
from langchain_pollinations.tools.images import PollinationsEditImageTool, PollinationsImageTool
from langchain_pollinations.tools.video import PollinationsVideoTool
from tests.cassettes import connection
from tests.helpers.ask import WAYS

KEY = "sk_emulator"
SEES_AND_HEARS = "google/gemini-3-flash-preview"


class ChatTests:
    """What both chat classes are told of our model: everything is switched on."""

    chat_model_class = ChatPollinations
    supports_json_mode = True
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_audio_inputs = True
    supports_video_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True
    supports_anthropic_inputs = True
    supports_model_override = True
    model_override_value = "openai/gpt-5-nano"
    enable_vcr_tests = True


@pytest.mark.usefixtures("loadable")
class TestChatUnit(ChatTests, ChatModelUnitTests):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"api_key": KEY}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"POLLINATIONS_API_KEY": "sk_env"}, {}, {"api_key": "sk_env"}


class TestChatIntegration(ChatTests, ChatModelIntegrationTests):
    """Each model answers as its provider does; below, one class for each provider's dialect."""

    dialect: ClassVar[str | None] = None
    route: ClassVar[Route] = "chat"

    @pytest.fixture
    def pollinations_emulator(self, pollinations_emulator: Emulator) -> Emulator:
        pollinations_emulator.dialect = self.dialect
        return pollinations_emulator

    @pytest.fixture
    def model(self, request: pytest.FixtureRequest) -> BaseChatModel:
        """The model of a test: it asks the emulator, or its cassette where the test has one."""
        if request.node.get_closest_marker("vcr"):
            service = connection(request)
        else:
            service = request.getfixturevalue("pollinations_emulator").connection()
        params = {**self.standard_chat_model_params, **self.chat_model_params, **service}
        return ChatPollinations(**params, **getattr(request, "param", {}))

    @pytest.fixture(autouse=True)
    def _samples(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        """The classes fetch sample media from the internet; here they get bytes that the emulator serves."""
        if request.node.get_closest_marker("vcr"):
            return
        self.emulator = emulator = request.getfixturevalue("pollinations_emulator")
        # One test builds a model of its own, from `chat_model_params` alone.
        monkeypatch.setenv("POLLINATIONS_BASE_URL", emulator.url)
        fetch = httpx.get

        def get(url: str, **options: Any) -> httpx.Response:
            kind = url.rpartition(".")[2]
            emulator.reply(body=SAMPLES[kind](), on=f"/media/sample.{kind}")
            return fetch(f"{emulator.url}/media/sample.{kind}")

        monkeypatch.setattr(httpx, "get", get)
        monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "langchain-pollinations-ai tests")

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"api_key": KEY, "model": SEES_AND_HEARS, "route": self.route}

    @property
    def supported_usage_metadata_details(self) -> dict[Literal["invoke", "stream"], list[Any]]:
        details = ["audio_input", "audio_output", "reasoning_output", "cache_read_input", "cache_creation_input"]
        return {"invoke": details, "stream": details}

    # The hooks of the usage tests take no fixture: `_samples` leaves them the emulator.

    def invoke_with_audio_input(self, *, stream: bool = False) -> AIMessage:
        block = {"type": "audio", "base64": _base64(_wav()), "mime_type": "audio/wav"}
        asked = [HumanMessage([{"type": "text", "text": "What is this?"}, block])]
        return self._usage(asked, stream, model=SEES_AND_HEARS)

    def invoke_with_audio_output(self, *, stream: bool = False) -> AIMessage:
        speech = {"voice": "alloy", "format": "pcm16" if stream else "wav"}
        model = "openai/gpt-audio-mini"
        return self._usage("Say hello", stream, model=model, modalities=["text", "audio"], audio=speech)

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        return self._usage("Is 91 a prime number?", stream, reasoning_effort="low")

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        return self._usage(self._long_prefix(), stream)

    def invoke_with_cache_creation_input(self, *, stream: bool = False) -> AIMessage:
        return self._usage(self._long_prefix(), stream)

    def _long_prefix(self) -> list[Any]:
        block = {"type": "text", "text": "All of this is known. " * 1000, "cache_control": {"type": "ephemeral"}}
        return [SystemMessage([block]), HumanMessage("What is known?")]

    def _usage(self, asked: Any, stream: bool, **options: Any) -> AIMessage:
        model = ChatPollinations(route=self.route, **self.emulator.connection())
        return WAYS["stream" if stream else "invoke"](model, asked, **options)


class DialectTests:
    enable_vcr_tests = False  # cassettes hold the client's requests, which no dialect changes


class TestPlain(DialectTests, TestChatIntegration):
    dialect = "plain"


class TestResponses(DialectTests, TestChatIntegration):
    dialect = "responses"


class TestOpenRouter(DialectTests, TestChatIntegration):
    dialect = "openrouter"


class TestBedrock(DialectTests, TestChatIntegration):
    dialect = "bedrock"

    @property
    def supported_usage_metadata_details(self) -> dict[Literal["invoke", "stream"], list[Any]]:
        """Its usage counts what came from the cache and what went into it, neither sound nor reasoning."""
        every = super().supported_usage_metadata_details
        return {way: [kind for kind in kinds if kind.startswith("cache")] for way, kinds in every.items()}


class TestVertex(DialectTests, TestChatIntegration):
    dialect = "vertex"


class TestPerplexity(DialectTests, TestChatIntegration):
    dialect = "perplexity"


class TestSimulated(DialectTests, TestChatIntegration):
    dialect = "simulated"


class RouteTests(DialectTests):
    """By a plain route of text; what that cannot carry goes by chat completions."""

    plain: ClassVar[str]

    @pytest.fixture(autouse=True)
    def _by_its_routes(self, pollinations_emulator: Emulator) -> Iterator[None]:
        yield
        chats = [each.path for each in pollinations_emulator.requests if not each.path.startswith("/media/")]
        assert all(path == "/v1/chat/completions" or path.startswith(self.plain) for path in chats)


class TestByGet(RouteTests, TestChatIntegration):
    route = "get"
    plain = "/text/"


class TestByPost(RouteTests, TestChatIntegration):
    route = "post"
    plain = "/text"

    @property
    def supported_usage_metadata_details(self) -> dict[Literal["invoke", "stream"], list[Any]]:
        """Headers leave out counts of zero: the first request of a prefix reads nothing from the provider's cache."""
        every = super().supported_usage_metadata_details
        return {**every, "invoke": [kind for kind in every["invoke"] if not kind.startswith("cache")]}


class TestEmbeddingsUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return PollinationsEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"api_key": KEY}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"POLLINATIONS_API_KEY": "sk_env"}, {}, {"api_key": "sk_env"}


class TestEmbeddingsIntegration(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return PollinationsEmbeddings

    @pytest.fixture
    def model(self, pollinations_emulator: Emulator) -> Embeddings:
        return PollinationsEmbeddings(**pollinations_emulator.connection())


class OfTool:
    """What the standard classes are told of each tool; a subclass names one."""

    kind: type[BaseTool] = PollinationsImageTool
    params: dict[str, Any] = {"model": "flux"}
    example: dict[str, Any] = {"prompt": "a lighthouse at dusk", "width": 64, "height": 64, "seed": 7}

    @property
    def tool_constructor(self) -> type[BaseTool]:
        return self.kind

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return {"api_key": KEY, **self.params}

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return self.example


class OfServedTool(OfTool):
    @pytest.fixture
    def tool(self, pollinations_emulator: Emulator) -> BaseTool:
        tool = self.kind(**pollinations_emulator.connection(), **self.params)
        assert isinstance(tool, MediaTool)
        tool.add_media(RECORDING)
        return tool


class OfEditImageTool:
    kind = PollinationsEditImageTool
    params: dict[str, Any] = {"model": "klein"}
    example = {"prompt": "make it night", "images": ["https://example.com/lighthouse.png"], "seed": 7}


class OfVideoTool:
    kind = PollinationsVideoTool
    params: dict[str, Any] = {"model": "alibaba/wan-2.2-fast", "progress": False}
    example = {"prompt": "waves roll in", "duration": 5, "aspect_ratio": "16:9"}


class OfSpeechTool:
    kind = PollinationsSpeechTool
    params: dict[str, Any] = {"response_format": "wav"}
    example = {"text": "The tide is out.", "voice": "nova"}


class OfMusicTool:
    kind = PollinationsMusicTool
    params: dict[str, Any] = {"model": "music"}
    example = {"prompt": "a slow waltz", "duration": 3, "instrumental": True}


class OfTranscribeTool:
    kind = PollinationsTranscribeTool
    params: dict[str, Any] = {"model": "whisper"}
    example: dict[str, Any] = {"language": "en"}

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"recording": RECORDING.sha256[:16], **self.example}


class TestImageToolUnit(OfTool, ToolsUnitTests): ...


class TestImageToolIntegration(OfServedTool, ToolsIntegrationTests): ...


class TestEditImageToolUnit(OfEditImageTool, OfTool, ToolsUnitTests): ...


class TestEditImageToolIntegration(OfEditImageTool, OfServedTool, ToolsIntegrationTests): ...


class TestVideoToolUnit(OfVideoTool, OfTool, ToolsUnitTests): ...


class TestVideoToolIntegration(OfVideoTool, OfServedTool, ToolsIntegrationTests): ...


class TestSpeechToolUnit(OfSpeechTool, OfTool, ToolsUnitTests): ...


class TestSpeechToolIntegration(OfSpeechTool, OfServedTool, ToolsIntegrationTests): ...


class TestMusicToolUnit(OfMusicTool, OfTool, ToolsUnitTests): ...


class TestMusicToolIntegration(OfMusicTool, OfServedTool, ToolsIntegrationTests): ...


class TestTranscribeToolUnit(OfTranscribeTool, OfTool, ToolsUnitTests): ...


class TestTranscribeToolIntegration(OfTranscribeTool, OfServedTool, ToolsIntegrationTests): ...


def _wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(3200))
    return file.getvalue()


def _picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "seagreen").save(file, kind)
    return file.getvalue()


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


SAMPLES = {"png": lambda: _picture("PNG"), "pdf": lambda: _picture("PDF"), "wav": _wav}


RECORDING = Media(data=_wav(), mime_type="audio/wav")
