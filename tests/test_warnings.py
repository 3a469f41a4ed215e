"""Warnings name the line of the user's code that they are about."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from langchain_pollinations.catalog import list_models
from langchain_pollinations.chat_models import ChatPollinations
from langchain_pollinations.emulator import Emulator
from langchain_pollinations.images import PollinationsImage
from langchain_pollinations.tools.images import PollinationsImageTool
from langchain_pollinations.transcription import PollinationsTranscriber
from tests.helpers.ask import WAYS

Service = dict[str, str]

# name, what warns, part of the warning
CASES: dict[str, tuple[Callable[[Service], object], str]] = {
    "constructor": (lambda service: ChatPollinations(**service, temprature=1), "temprature"),
    **{
        f"call, {name}": (lambda service, way=way: way(ChatPollinations(**service), "Hi", temprature=1), "temprature")
        for name, way in WAYS.items()
    },
    "batch": (lambda service: ChatPollinations(**service).batch(["Hi", "Ho"], temprature=1), "temprature"),
    "image": (lambda service: PollinationsImage(**service).generate("a cat", enhance=True), "no longer honours"),
    "image, async": (
        lambda service: asyncio.run(PollinationsImage(**service).agenerate("a cat", enhance=True)), "no longer honours"
    ),
    "image tool": (lambda service: PollinationsImageTool(**service, enhance=True).invoke("a cat"), "no longer honours"),
    "transcription": (
        lambda service: PollinationsTranscriber(**service).transcribe(b"RIFF", model="whisper", prompt="x"),
        "not known to use",
    ),
    "list of models": (lambda service: list_models("text", base_url="http://127.0.0.1:9", max_retries=0), "snapshot"),
}  # fmt: skip


@pytest.mark.parametrize(("act", "says"), CASES.values(), ids=CASES)
def test_a_warning_names_the_line_of_the_user(emulator: Emulator, act: Callable[[Any], object], says: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            act(emulator.connection())
        except ValueError:
            pass  # what comes after the warning does not matter
    found = [warning for warning in caught if says in str(warning.message)]
    assert found
    assert {warning.filename for warning in found} <= {__file__, WAYS["invoke"].__code__.co_filename}
    assert {warning.category for warning in found} == {UserWarning}


@pytest.mark.parametrize("way", WAYS)
def test_the_warning_for_an_empty_answer_names_it_too(emulator: Emulator, way: str) -> None:
    emulator.reply("")
    with pytest.warns(UserWarning, match="returned an empty response") as caught:
        WAYS[way](ChatPollinations(**emulator.connection()), "Hi")
    assert [warning.filename for warning in caught] == [WAYS[way].__code__.co_filename]
