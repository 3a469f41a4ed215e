"""Fixtures: the emulator, a chat model connected to it, methods of sending requests, the service's contract."""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import certifi
import jsonschema
import pytest
from hypothesis import settings

from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.emulator.legacy import Legacy
from tests.cassettes import vcr_cassette_dir, vcr_config  # noqa: F401  # pytest-recording's settings
from tests.helpers.ask import FORMS, TWO_FORMS, Ask

# The live tests ask the service, and are there only for those who asked for them.
_LIVE = {"live/test_service.py": "POLLINATIONS_LIVE_KEY", "live/test_legacy_hosts.py": "POLLINATIONS_LIVE_LEGACY"}
collect_ignore = [path for path, wish in _LIVE.items() if not os.environ.get(wish)]

# What a random search finds at home is worth having; on somebody else's change it would only confuse.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session", autouse=True)
def _one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Read one certificate for each HTTP client instead of all certificates, which takes 20 ms.

    No test uses TLS except the live tests.
    """
    with pytest.MonkeyPatch.context() as patch:
        if not any(map(os.environ.get, _LIVE.values())):
            end = "-----END CERTIFICATE-----\n"
            file = tmp_path_factory.mktemp("tls") / "certificate.pem"
            file.write_text(Path(certifi.where()).read_text("utf-8").partition(end)[0] + end, "utf-8")
            patch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key or address of the person who runs the tests must not reach them."""
    for name in ("API_KEY", "BASE_URL", "LEGACY_TEXT_URL", "LEGACY_IMAGE_URL", "USE_KEYRING"):
        monkeypatch.delenv(f"POLLINATIONS_{name}", raising=False)
    # The rate limiter is shared by all tests of a process. Its own tests set wait_for_rate_limit=True.
    monkeypatch.setenv("POLLINATIONS_WAIT_FOR_RATE_LIMIT", "0")


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry after 20 ms where the service names no time; tests/transport/test_client.py tests how the delay grows."""
    monkeypatch.setattr("langchain_pollinations._transport.retry.INITIAL_RETRY_DELAY", 0.02)


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Run a test of deep JSON without garbage collection.

    A collection at the recursion limit would run finalizers there. They would fail, and pytest would report them.
    """
    gc.disable()
    yield
    gc.enable()


def pytest_collection() -> None:
    """Collect the tests without garbage collection, since all of them are kept."""
    gc.disable()


@pytest.hookimpl(trylast=True)  # after the options -m and -k
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep a sample of the cases of each test: with `SAMPLE=6` a sixth, and at least two.

    The sample is the same in each run and each process.
    """
    share = max(1, int(os.environ.get("SAMPLE") or 1))
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    kept: set[pytest.Item] = set()
    for name, each in cases.items():
        kept.update(random.Random(name).sample(each, min(len(each), max(2, len(each) // share))))
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]


def pytest_collection_finish() -> None:
    """Exclude modules and tests from garbage collection, which would visit all of them each time."""
    gc.enable()
    gc.collect()
    gc.freeze()


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than cores, because the tests spend a third of their time waiting."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture
def emulator(pollinations_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The emulator of the package's fixture, without its environment variables: these tests pass each connection."""
    for name in (*pollinations_emulator.connection(), "legacy_text_url", "legacy_image_url"):
        monkeypatch.delenv(f"POLLINATIONS_{name.upper()}")
    return pollinations_emulator


@pytest.fixture
def legacy(emulator: Emulator) -> Legacy:
    return emulator.legacy


@pytest.fixture
def chat(emulator: Emulator) -> ChatPollinations:
    return ChatPollinations(**emulator.connection())


@pytest.fixture(params=TWO_FORMS)
def ask(request: pytest.FixtureRequest) -> Ask:
    """`ask(model, input, **options)`: the same request by two methods, which differ in both respects that matter.

    One is synchronous and gets a whole response, the other is asynchronous and gets a stream. tests/transport has all
    four methods instead.
    """
    return FORMS[request.param]


@pytest.fixture(params=FORMS)
def ask_in_any_form(request: pytest.FixtureRequest) -> Ask:
    """As `ask`, in all ten forms of a result, for tests of what LangChain makes of it.

    Compare `blocks(answer)`, since only v0 keeps text as a string.
    """
    return FORMS[request.param]


@pytest.fixture
def loadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """`load` takes only classes of a table in langchain-core, in which no package outside LangChain's own stands; users
    name ours with `allowed_objects=[ChatPollinations]`, which LangChain's standard test does not."""
    # By name, since the package hides the module behind a function called `load`.
    loading = importlib.import_module("langchain_core.load.load")
    path = tuple(ChatPollinations.lc_id())
    monkeypatch.setitem(loading.ALL_SERIALIZABLE_MAPPINGS, path, path)
    # A cache of its own, which is gone with the entry.
    monkeypatch.setattr(loading, "_default_class_paths_cache", {})


@pytest.fixture(scope="session")
def contract() -> Path:
    """The folder with the service's own schemas and recorded exchanges."""
    folder = Path(os.environ.get("POLLINATIONS_CONTRACT", Path(__file__).parents[2] / "shared" / "contract"))
    if not folder.is_dir():
        pytest.skip(f"the service's contract is not here ({folder.name}); POLLINATIONS_CONTRACT may point to it")
    return folder


@pytest.fixture(scope="session")
def example(contract: Path) -> Callable[[str], Any]:
    return lambda name: json.loads((contract / "examples" / f"{name}.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def validator(request: pytest.FixtureRequest) -> jsonschema.Draft202012Validator:
    """The service's own schema of a request; where its contract is not at hand, the tables here have to do."""
    try:
        contract = request.getfixturevalue("contract")
    except pytest.skip.Exception:
        return jsonschema.Draft202012Validator({})
    schema = json.loads((contract / "chat_completions.request.schema.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(schema)
