"""The `pollinations_emulator` fixture: the service on 127.0.0.1, with fresh state for every test.

pytest finds it by itself once the package is installed; the server is started when the first test asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from langchain_pollinations.emulator import Emulator


@pytest.fixture(scope="session")
def _pollinations_emulator_server() -> Iterator[Emulator]:
    try:
        from langchain_pollinations.emulator import Emulator
    except ModuleNotFoundError as error:
        raise pytest.UsageError(str(error)) from error
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def pollinations_emulator(_pollinations_emulator_server: Emulator) -> Iterator[Emulator]:
    """An emulator of Pollinations.AI that nobody has asked anything yet."""
    _pollinations_emulator_server.reset()
    yield _pollinations_emulator_server
    _pollinations_emulator_server.reset()
