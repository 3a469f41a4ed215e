"""`register()`: models of Pollinations.AI by name, wherever LangChain takes one as text."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Any

from langchain_pollinations._encode import PROVIDER

_MODULE = "langchain.chat_models.base"  # of LangChain, which keeps its dict of providers


def register() -> None:
    """Let LangChain find `ChatPollinations` under the name "pollinations".

        >>> from langchain.chat_models import init_chat_model
        >>> register()
        >>> chat = init_chat_model("pollinations:openai", api_key="sk_...", temperature=0)
        >>> chat.model
        'openai'

    `create_agent("pollinations:openai")`, configurable models and middleware that takes the name of a model work too.
    Calling it again changes nothing. Who passes `ChatPollinations(...)` itself needs none of this.

    LangChain has no public way to add a provider, neither a function nor an entry point: this writes into a private
    dict of `langchain`, which any release of it may move. Therefore nothing is registered on import, and a version that
    keeps its providers elsewhere is an error here rather than a surprise later.

    Raises:
        ImportError: If `langchain` is not installed.
        RuntimeError: If this version of `langchain` does not keep its providers where they are looked for.
    """
    try:
        import_module("langchain")
    except ModuleNotFoundError as error:
        needed = "register() needs LangChain: pip install 'langchain-pollinations-ai[agents]'"
        raise ModuleNotFoundError(f"{needed} ({error})", name=error.name) from error
    _providers()[PROVIDER] = ("langchain_pollinations", "ChatPollinations", _create)


def _create(cls: type[Any], **options: Any) -> Any:
    return cls(**options)


def _providers() -> dict[str, tuple[str, str, Any]]:
    try:
        found = vars(import_module(_MODULE)).get("_BUILTIN_PROVIDERS")
    except ModuleNotFoundError:
        found = None
    if isinstance(found, dict) and all(isinstance(entry, tuple) and len(entry) == 3 for entry in found.values()):
        return found
    raise RuntimeError(
        f"langchain {version('langchain')} does not keep its providers in {_MODULE}, where register() writes; "
        "pass ChatPollinations(...) itself instead of a name"
    )
