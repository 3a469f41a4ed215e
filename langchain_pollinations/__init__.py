"""Pollinations.AI for LangChain: chat models with reasoning and tools, images, video, audio and embeddings.

Names are imported on first use, so that the emulator and the pytest plugin do not load LangChain needlessly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_pollinations._catalog.records import Model
    from langchain_pollinations._media.progress import Progress
    from langchain_pollinations.account import ModelCheck, PollinationsAccount
    from langchain_pollinations.audio import PollinationsMusic, PollinationsSpeech
    from langchain_pollinations.catalog import alist_models, list_models
    from langchain_pollinations.chat_models import ChatPollinations
    from langchain_pollinations.decisions import PollinationsDecisions
    from langchain_pollinations.embeddings import PollinationsEmbeddings
    from langchain_pollinations.errors import (
        APIConnectionError,
        AuthenticationError,
        ContentBlockedError,
        ContextOverflowError,
        GatewayTimeoutError,
        IncompleteStreamError,
        InsufficientBalanceError,
        InternalServerError,
        InvalidRequestError,
        InvalidResponseError,
        KeyBudgetExhaustedError,
        MediaInputError,
        NotFoundError,
        PayloadTooLargeError,
        PaymentRequiredError,
        PermissionDeniedError,
        PollenBudgetExceeded,
        PollinationsError,
        QuestPollenOnlyError,
        RateLimitError,
        RequestTimeoutError,
        ServiceError,
        ServiceUnavailableError,
        SignInDeniedError,
        SignInError,
        SignInExpiredError,
        StreamTimeoutError,
        UnknownModelError,
        UnprocessableError,
        UnsupportedRequestError,
        UpstreamError,
    )
    from langchain_pollinations.images import PollinationsImage
    from langchain_pollinations.jobs import JobReport, arun_job, run_job
    from langchain_pollinations.mcp import (
        MCPServer,
        alist_mcp_servers,
        list_mcp_servers,
        map_mcp_errors,
        mcp_connections,
        mcp_errors,
    )
    from langchain_pollinations.media import Media
    from langchain_pollinations.meter import ModelCost, PollenMeter
    from langchain_pollinations.middleware import PollenMiddleware
    from langchain_pollinations.models3d import Pollinations3D
    from langchain_pollinations.registration import register
    from langchain_pollinations.sign_in import SignIn, alogin, login
    from langchain_pollinations.tools.audio import (
        PollinationsMusicTool,
        PollinationsSpeechTool,
        PollinationsTranscribeTool,
    )
    from langchain_pollinations.tools.images import PollinationsEditImageTool, PollinationsImageTool
    from langchain_pollinations.tools.toolkit import PollinationsToolkit
    from langchain_pollinations.tools.video import PollinationsVideoTool
    from langchain_pollinations.transcription import PollinationsTranscriber
    from langchain_pollinations.uploads import Upload, adownload, aupload, download, upload
    from langchain_pollinations.video import PollinationsVideo
    from langchain_pollinations.voice import PollinationsVoice

__all__ = [
    "APIConnectionError",
    "AuthenticationError",
    "ChatPollinations",
    "ContentBlockedError",
    "ContextOverflowError",
    "GatewayTimeoutError",
    "IncompleteStreamError",
    "InsufficientBalanceError",
    "InternalServerError",
    "InvalidRequestError",
    "InvalidResponseError",
    "JobReport",
    "KeyBudgetExhaustedError",
    "MCPServer",
    "Media",
    "MediaInputError",
    "Model",
    "ModelCheck",
    "ModelCost",
    "NotFoundError",
    "PayloadTooLargeError",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "PollenBudgetExceeded",
    "PollenMeter",
    "PollenMiddleware",
    "Pollinations3D",
    "PollinationsAccount",
    "PollinationsDecisions",
    "PollinationsEditImageTool",
    "PollinationsEmbeddings",
    "PollinationsError",
    "PollinationsImage",
    "PollinationsImageTool",
    "PollinationsMusic",
    "PollinationsMusicTool",
    "PollinationsSpeech",
    "PollinationsSpeechTool",
    "PollinationsToolkit",
    "PollinationsTranscribeTool",
    "PollinationsTranscriber",
    "PollinationsVideo",
    "PollinationsVideoTool",
    "PollinationsVoice",
    "Progress",
    "QuestPollenOnlyError",
    "RateLimitError",
    "RequestTimeoutError",
    "ServiceError",
    "ServiceUnavailableError",
    "SignIn",
    "SignInDeniedError",
    "SignInError",
    "SignInExpiredError",
    "StreamTimeoutError",
    "UnknownModelError",
    "UnprocessableError",
    "UnsupportedRequestError",
    "Upload",
    "UpstreamError",
    "__version__",
    "adownload",
    "alist_mcp_servers",
    "alist_models",
    "alogin",
    "arun_job",
    "aupload",
    "download",
    "list_mcp_servers",
    "list_models",
    "login",
    "map_mcp_errors",
    "mcp_connections",
    "mcp_errors",
    "register",
    "run_job",
    "upload",
]

_MODULES = {
    "ChatPollinations": "chat_models",
    "JobReport": "jobs",
    "MCPServer": "mcp",
    "Media": "media",
    "Model": "catalog",
    "ModelCheck": "account",
    "ModelCost": "meter",
    "PollenMeter": "meter",
    "PollenMiddleware": "middleware",
    "Pollinations3D": "models3d",
    "PollinationsAccount": "account",
    "PollinationsDecisions": "decisions",
    "PollinationsEditImageTool": "tools",
    "PollinationsEmbeddings": "embeddings",
    "PollinationsImage": "images",
    "PollinationsImageTool": "tools",
    "PollinationsMusic": "audio",
    "PollinationsMusicTool": "tools",
    "PollinationsSpeech": "audio",
    "PollinationsSpeechTool": "tools",
    "PollinationsToolkit": "tools",
    "PollinationsTranscribeTool": "tools",
    "PollinationsTranscriber": "transcription",
    "PollinationsVideo": "video",
    "PollinationsVideoTool": "tools",
    "PollinationsVoice": "voice",
    "Progress": "_media.progress",
    "SignIn": "sign_in",
    "Upload": "uploads",
    "__version__": "_config.identity",
    "adownload": "uploads",
    "alist_mcp_servers": "mcp",
    "alist_models": "catalog",
    "alogin": "sign_in",
    "arun_job": "jobs",
    "aupload": "uploads",
    "download": "uploads",
    "list_mcp_servers": "mcp",
    "list_models": "catalog",
    "login": "sign_in",
    "map_mcp_errors": "mcp",
    "mcp_connections": "mcp",
    "mcp_errors": "mcp",
    "register": "registration",
    "run_job": "jobs",
    "upload": "uploads",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(globals().keys() | set(__all__))
