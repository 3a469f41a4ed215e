"""Pollinations.AI for LangChain: a chat model that reasons, tools that illustrate."""

from typing import Any

from langchain_pollinations import _blocks
from langchain_pollinations.chat_models import ChatPollinations
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
    PollinationsError,
    RateLimitError,
    RequestTimeoutError,
    ServiceError,
    ServiceUnavailableError,
    StreamTimeoutError,
    UnknownModelError,
    UnprocessableError,
    UnsupportedRequestError,
    UpstreamError,
)
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.media import Media
from langchain_pollinations.tools import PollinationsImageTool

_blocks.register()

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
    "KeyBudgetExhaustedError",
    "Media",
    "MediaInputError",
    "NotFoundError",
    "PayloadTooLargeError",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "PollinationsError",
    "PollinationsImage",
    "PollinationsImageTool",
    "RateLimitError",
    "RequestTimeoutError",
    "ServiceError",
    "ServiceUnavailableError",
    "StreamTimeoutError",
    "UnknownModelError",
    "UnprocessableError",
    "UnsupportedRequestError",
    "UpstreamError",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from langchain_pollinations._connection import installed_version

        return installed_version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
