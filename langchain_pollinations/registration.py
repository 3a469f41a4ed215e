"""`register()`: Pollinations.AI models by name, wherever LangChain accepts a model name."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Any

from langchain_pollinations._types import PROVIDER

_PLACES = {"langchain.chat_models.base": "ChatPollinations", "langchain.embeddings.base": "PollinationsEmbeddings"}
"""LangChain modules that contain a dict of providers, and the class that is added to each."""


def register() -> None:
    """Let LangChain find `ChatPollinations` and `PollinationsEmbeddings` under the name "pollinations".

        >>> from langchain.chat_models import init_chat_model
        >>> register()
        >>> chat = init_chat_model("pollinations:openai", api_key="sk_...", temperature=0)
        >>> chat.model
        'openai'
        >>> from langchain.embeddings import init_embeddings
        >>> init_embeddings("pollinations:openai/text-embedding-3-small", api_key="sk_...").model
        'openai/text-embedding-3-small'

    `create_agent("pollinations:openai")`, configurable models and middleware that accepts a model name work too.
    Repeated calls have no effect. Registration is not needed to pass model objects.

    LangChain has no public way to add a provider, neither a function nor an entry point. This function writes into
    private dicts of `langchain`, which any release may move. Therefore nothing is registered on import. If a version of
    `langchain` stores its providers elsewhere, this function raises an error.

    Raises:
        ImportError: If `langchain` is not installed.
        RuntimeError: If this version of `langchain` does not store its providers in the expected modules.
    """
    try:
        import_module("langchain")
    except ModuleNotFoundError as error:
        needed = "register() needs LangChain: pip install 'langchain-pollinations-ai[agents]'"
        raise ModuleNotFoundError(f"{needed} ({error})", name=error.name) from error
    found = {name: _providers(module, name) for module, name in _PLACES.items()}  # check all before changing any
    for name, providers in found.items():
        providers[PROVIDER] = ("langchain_pollinations", name, _create)


def _create(cls: type[Any], **options: Any) -> Any:
    return cls(**options)


def _providers(module: str, name: str) -> dict[str, tuple[str, str, Any]]:
    try:
        found = vars(import_module(module)).get("_BUILTIN_PROVIDERS")
    except ModuleNotFoundError:
        found = None
    if isinstance(found, dict) and all(isinstance(entry, tuple) and len(entry) == 3 for entry in found.values()):
        return found
    raise RuntimeError(
        f"langchain {version('langchain')} does not keep its providers in {module}, where register() writes; "
        f"pass {name}(...) itself instead of a name"
    )
