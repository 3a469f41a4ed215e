"""The `pollinations_emulator` fixture: an emulator of the service on 127.0.0.1, with fresh state for every test.

pytest loads this plugin automatically once the package is installed. The server starts when a test first uses the
fixture. Objects created within the test connect to the emulator by default. They do not wait for rate limits of models,
unless the test sets `wait_for_rate_limit=True`. A test fails if no request used one of the replies or faults that the
test scripted. The marker `unused_replies` disables this check.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from langchain_pollinations.emulator import Emulator

_MARKER = "unused_replies"
_has_passed = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{_MARKER}: the emulator may keep scripted replies that no request asked for")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[_has_passed] = report.passed
    return report


@pytest.fixture(scope="session")
def _pollinations_emulator_server() -> Iterator[Emulator]:
    try:
        from langchain_pollinations.emulator import Emulator
    except ModuleNotFoundError as error:
        raise pytest.UsageError(str(error)) from error
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def pollinations_emulator(
    _pollinations_emulator_server: Emulator, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Emulator]:
    """An emulator of Pollinations.AI that has received no requests.

        >>> def test_my_agent(pollinations_emulator):
        ...     pollinations_emulator.reply("Hello")
        ...     assert ChatPollinations().invoke("Hi").text == "Hello"
        >>> test_my_agent(emulator)

    It sets `POLLINATIONS_API_KEY` and the addresses of the service and of the legacy hosts in the environment, so that
    objects without these arguments connect to the emulator. Objects that were created before, such as those of an
    imported module, do not.

    The test fails if no request used one of its scripted replies or faults. The marker `unused_replies` allows this.
    """
    # The emulator forgets the requests of earlier tests, but the rate limiter of the process does not.
    monkeypatch.setenv("POLLINATIONS_WAIT_FOR_RATE_LIMIT", "0")
    emulator = _pollinations_emulator_server
    emulator.reset()
    legacy = emulator.legacy
    addresses = {"legacy_text_url": legacy.text_url, "legacy_image_url": legacy.image_url}
    for name, value in (emulator.connection() | addresses).items():
        monkeypatch.setenv(f"POLLINATIONS_{name.upper()}", value)
    yield emulator
    unused = emulator.unused_replies
    emulator.reset()
    # A failed test may leave unused replies because of its failure.
    if unused and request.node.stash.get(_has_passed, False) and request.node.get_closest_marker(_MARKER) is None:
        listed = "\n".join(f"  {entry!r:.300}" for entry in unused)
        pytest.fail(
            f"No request asked for {len(unused)} of the scripted replies or faults:\n{listed}\n"
            f"Remove them, or mark the test with @pytest.mark.{_MARKER}.",
            pytrace=False,
        )
