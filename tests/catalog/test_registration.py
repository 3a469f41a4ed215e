"""`register()`: LangChain finds our models by name, and says clearly where it cannot."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, SummarizationMiddleware
from langchain.chat_models import base, init_chat_model
from langchain.embeddings import base as embeddings_base
from langchain.embeddings import init_embeddings

from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.embeddings import PollinationsEmbeddings
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.registration import register
from tests.helpers.wire import asked_models


@pytest.fixture(autouse=True)
def providers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """LangChain's providers, as a copy that only this test sees; ours is not among them."""
    found = {name: entry for name, entry in base._BUILTIN_PROVIDERS.items() if name != "pollinations"}
    monkeypatch.setattr(base, "_BUILTIN_PROVIDERS", found)
    base._get_chat_model_creator.cache_clear()
    others = {name: entry for name, entry in embeddings_base._BUILTIN_PROVIDERS.items() if name != "pollinations"}
    monkeypatch.setattr(embeddings_base, "_BUILTIN_PROVIDERS", others)
    embeddings_base._get_embeddings_class_creator.cache_clear()
    return found


@pytest.fixture
def service(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The emulator, found through the environment: a name has no room for a key."""
    monkeypatch.setenv("POLLINATIONS_BASE_URL", emulator.url)
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_emulator")
    return emulator


@pytest.mark.parametrize(
    ("name", "options", "model"),
    [
        ("pollinations:openai", {}, "openai"),
        ("pollinations:openai/gpt-5.4-nano", {}, "openai/gpt-5.4-nano"),
        ("pollinations:google/gemini-2.5-flash-lite:search", {}, "google/gemini-2.5-flash-lite:search"),
        ("openai", {"model_provider": "pollinations"}, "openai"),
        ("google/gemini-2.5-flash-lite:search", {"model_provider": "pollinations"}, None),
        ("claude", {"model_provider": "pollinations"}, "claude"),
    ],
)
def test_a_name_becomes_a_model_that_asks_for_just_this_one(
    service: Emulator, name: str, options: dict[str, Any], model: str | None
) -> None:
    register()
    chat = init_chat_model(name, **options)
    assert isinstance(chat, ChatPollinations)
    chat.invoke("Hello")
    assert asked_models(service) == [model or name]


def test_options_of_the_model_go_along(service: Emulator) -> None:
    register()
    init_chat_model("openai", model_provider="pollinations", temperature=0, seed=7).invoke("Hello")
    assert service.requests[-1].json["temperature"] == 0
    assert service.requests[-1].json["seed"] == 7


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pollinations:openai/text-embedding-3-large", {}),
        ("openai/text-embedding-3-large", {"provider": "pollinations"}),
    ],
)
def test_a_name_becomes_embeddings(service: Emulator, name: str, options: dict[str, Any]) -> None:
    register()
    embeddings = init_embeddings(name, **options, dimensions=256)
    assert isinstance(embeddings, PollinationsEmbeddings)
    assert len(embeddings.embed_query("Hello")) == 256
    assert asked_models(service) == ["openai/text-embedding-3-large"]


def test_a_name_becomes_a_model_of_the_older_host(service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    hosts: dict[str, Any] = {**service.legacy.connection(), "legacy_interval": 0}
    init_chat_model("pollinations:openai", **hosts).invoke("Hello")
    either = init_chat_model("pollinations:openai", **hosts, configurable_fields=("api",))
    either.invoke("Good day")
    either.invoke("Good night", {"configurable": {"api": "gen"}})
    assert [request.json["messages"][0]["content"] for request in service.legacy.requests] == ["Hello", "Good day"]
    monkeypatch.delenv("POLLINATIONS_API_KEY")
    monkeypatch.delenv("POLLINATIONS_BASE_URL")
    without_key = {name: value for name, value in hosts.items() if name != "api"}
    with pytest.warns(UserWarning, match="No key: requests go to the legacy hosts"):
        init_chat_model("pollinations:openai", **without_key).invoke("Good evening")
    assert (len(service.legacy.requests), len(service.requests)) == (3, 1)


def test_the_model_can_be_chosen_when_it_is_called(service: Emulator) -> None:
    register()
    chat = init_chat_model(configurable_fields="any")
    for name, seed in (("pollinations:openai", 1), ("pollinations:google/gemini-2.5-flash-lite:search", 2)):
        chat.invoke("Hello", {"configurable": {"model": name, "seed": seed}})
        assert (asked_models(service)[-1], service.requests[-1].json["seed"]) == (name.partition(":")[2], seed)


def test_tools_are_bound_to_a_model_that_is_chosen_later(service: Emulator) -> None:
    register()
    tool = {"name": "look_up", "description": "Looks up a word.", "parameters": {"type": "object", "properties": {}}}
    chat = init_chat_model("pollinations:openai", configurable_fields=("model", "model_provider")).bind_tools([tool])
    chat.invoke("Hello", {"configurable": {"model": "openai-fast", "model_provider": "pollinations"}})
    assert asked_models(service) == ["openai-fast"]
    assert service.requests[-1].json["tools"][0]["function"]["name"] == "look_up"


def test_an_agent_and_its_middleware_take_names(service: Emulator) -> None:
    register()
    agent = create_agent(
        "pollinations:openai",
        middleware=[
            SummarizationMiddleware("pollinations:openai-fast", trigger=("fraction", 0.5)),
            ModelFallbackMiddleware("pollinations:openai/gpt-oss-20b"),
        ],
    )
    service.fail("balance spent")
    service.reply("Hello")
    state = agent.invoke({"messages": "Hello"})
    assert state["messages"][-1].text == "Hello"
    assert asked_models(service) == ["openai", "openai/gpt-oss-20b"]


def test_registering_again_changes_nothing_and_others_stay(providers: dict[str, Any]) -> None:
    before = dict(providers)
    register()
    once = dict(providers)
    register()
    assert providers == once
    assert {name: entry for name, entry in once.items() if name != "pollinations"} == before


# --- Nothing happens by itself ----------------------------------------------------------------------------------------


def in_a_new_python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr


def test_importing_us_neither_loads_langchain_nor_registers() -> None:
    said = in_a_new_python(
        "import sys, langchain_pollinations.registration, langchain_pollinations.chat_models\n"
        "print('loaded' if 'langchain' in sys.modules else 'not loaded')\n"
        "from langchain.chat_models import init_chat_model\n"
        "init_chat_model('pollinations:openai')\n"
    )
    assert said.startswith("not loaded\n")
    assert "Unable to infer model provider" in said


def test_many_threads_may_register_at_once() -> None:
    said = in_a_new_python(
        "import threading\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from langchain_pollinations.registration import register\n"
        "gate = threading.Barrier(16)\n"
        "def model(number):\n"
        "    gate.wait()\n"
        "    register()\n"
        "    from langchain.chat_models import init_chat_model\n"
        "    return init_chat_model('pollinations:openai', api_key='sk_x', seed=number).seed\n"
        "with ThreadPoolExecutor(16) as pool:\n"
        "    print(sum(pool.map(model, range(16))))\n"
    )
    assert said == "120\n"


# --- Where it cannot be done ------------------------------------------------------------------------------------------


def test_without_langchain_the_error_names_the_extra() -> None:
    said = in_a_new_python(
        "import sys\n"
        "sys.modules['langchain'] = None\n"
        "from langchain_pollinations.registration import register\n"
        "try:\n"
        "    register()\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    assert "pip install 'langchain-pollinations-ai[agents]'" in said


def without_the_module(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "langchain.chat_models.base", None)


def without_the_dict(patch: pytest.MonkeyPatch) -> None:
    patch.delattr(base, "_BUILTIN_PROVIDERS")


def with_a_list(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(base, "_BUILTIN_PROVIDERS", ["openai"])


def with_other_entries(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(base, "_BUILTIN_PROVIDERS", {"openai": "langchain_openai:ChatOpenAI"})


def test_where_one_kind_cannot_be_registered_none_is(
    monkeypatch: pytest.MonkeyPatch, providers: dict[str, Any]
) -> None:
    with monkeypatch.context() as patch:
        patch.delattr(embeddings_base, "_BUILTIN_PROVIDERS")
        with pytest.raises(RuntimeError, match=r"langchain \d.* pass PollinationsEmbeddings\(\.\.\.\) itself"):
            register()
    assert "pollinations" not in providers


@pytest.mark.parametrize("change", [without_the_module, without_the_dict, with_a_list, with_other_entries])
def test_a_langchain_that_keeps_its_providers_elsewhere_is_an_error(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None]
) -> None:
    with monkeypatch.context() as patch:
        change(patch)
        with pytest.raises(RuntimeError, match=r"langchain \d.* pass ChatPollinations\(\.\.\.\) itself"):
            register()
