"""Every public name has a docstring with an example that runs, and every option has a description."""

from __future__ import annotations

import ast
import csv
import doctest
import inspect
import io
import pydoc
import re
import subprocess
import sys
import textwrap
import webbrowser
from collections.abc import Iterator
from contextlib import nullcontext
from decimal import Decimal
from functools import cached_property
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from pydantic import BaseModel

import langchain_pollinations
from langchain_pollinations import PollinationsImage, PollinationsImageTool, PollinationsSpeech, pytest_plugin
from langchain_pollinations import emulator as emulator_package
from langchain_pollinations._chat.options import ChatOptions
from langchain_pollinations._documentation import _read_docstrings, is_own
from langchain_pollinations.emulator import Emulator

NAMES = set(langchain_pollinations.__all__) - {"__version__"}
if find_spec("langchain_core.decisions") is None:
    NAMES.remove("PollinationsDecisions")
CLIENT = {name: getattr(langchain_pollinations, name) for name in sorted(NAMES)}
EMULATOR = {name: getattr(emulator_package, name) for name in emulator_package.__all__}
PUBLIC = {**CLIENT, **EMULATOR, "pollinations_emulator": pytest_plugin.pollinations_emulator}
MODELS = {name: kind for name, kind in CLIENT.items() if isinstance(kind, type) and issubclass(kind, BaseModel)}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


def methods(kind: Any) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that this package defines for a class."""
    if not isinstance(kind, type):
        return
    for base in kind.__mro__:
        for name, value in vars(base).items():
            is_method = isinstance(value, FunctionType | property | cached_property | classmethod | staticmethod)
            if is_method and not name.startswith(("_", "model_post_init")) and is_own(base):
                yield name, value


def test_every_public_name_and_method_has_a_docstring() -> None:
    missing = [name for name, value in PUBLIC.items() if not value.__doc__]
    for name, value in PUBLIC.items():
        # `getattr`, because an override inherits the docstring of LangChain's method.
        missing += [f"{name}.{each}" for each, _ in methods(value) if not inspect.getdoc(getattr(value, each))]
    assert "\n".join(missing) == ""


def _files() -> None:
    """Write the files that the examples read to the current folder."""
    PollinationsImage().generate("a lighthouse", path="lighthouse.jpg")
    Path("portrait.jpg").write_bytes(Path("lighthouse.jpg").read_bytes())
    PollinationsSpeech().generate("How high is the tide? It is out, and the sand is dry. " * 2, path="interview.mp3")
    with open("prompts.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "prompt"), ("1", "a kite"), ("2", "a boat")])


@pytest.mark.once
@pytest.mark.unused_replies
def test_every_example_runs(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The examples import what is not in `langchain_pollinations`. `emulator` is the emulator of this test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLLINATIONS_BASE_URL", emulator.url)
    monkeypatch.setenv("POLLINATIONS_API_KEY", next(iter(emulator.keys)))
    monkeypatch.setenv("POLLINATIONS_LEGACY_TEXT_URL", emulator.legacy.text_url)
    monkeypatch.setenv("POLLINATIONS_LEGACY_IMAGE_URL", emulator.legacy.image_url)
    # The user confirms a sign-in in the browser.
    monkeypatch.setattr(webbrowser, "open", lambda url: emulator.approve(url.partition("user_code=")[2]))
    _files()
    documented = {id(value): (name, value) for name, value in PUBLIC.items()}
    for name, value in PUBLIC.items():
        documented |= {id(method): (f"{name}.{each}", method) for each, method in methods(value)}
    runner, report = doctest.DocTestRunner(verbose=False, optionflags=FLAGS), io.StringIO()
    without = []
    for name, value in documented.values():
        names = {**CLIENT, **EMULATOR, "Decimal": Decimal, "emulator": emulator}
        example = doctest.DocTestParser().get_doctest(value.__doc__ or "", names, name, None, None)
        if not example.examples and name in PUBLIC:
            without.append(name)
        emulator.reset()
        emulator.state.device_interval = 0.01
        runner.run(example, out=report.write)
    assert "\n".join(without) == ""
    assert report.getvalue() == ""


# --- Options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_help_describes_every_option(name: str) -> None:
    kind = MODELS[name]
    text, options = pydoc.plain(pydoc.render_doc(kind)), kind.model_fields
    for option, field in options.items():
        assert field.description, option
        assert f"{option}: " in text
        assert " ".join(field.description.split()) in " ".join(text.replace("\n |", "\n").split())


SIGNATURES = """
import inspect, sys
import langchain_pollinations

for name in sys.argv[1:]:
    kind = getattr(langchain_pollinations, name)
    copy = type(name, (kind,), {"__module__": __name__})
    later = type(name, (kind,), {"__module__": __name__, "__annotations__": {"name": "Undefined"}, "name": None})
    for each in (kind, copy, later):
        missing = kind.model_fields.keys() - inspect.signature(each).parameters.keys()
        assert not missing, (each, missing)
"""


def test_signatures_have_the_options_before_the_first_instance() -> None:
    """A notebook shows the signature of a class that nothing has used yet."""
    subprocess.run([sys.executable, "-c", SIGNATURES, *MODELS], check=True)


@pytest.mark.parametrize("name", MODELS)
def test_descriptions_name_the_bounds_of_an_option(name: str) -> None:
    """The bounds 0 and 1 are obvious for most options."""
    for option, field in MODELS[name].model_fields.items():
        for bound in field.metadata:
            limit = next((getattr(bound, name) for name in ("ge", "gt", "le", "lt") if hasattr(bound, name)), 0)
            assert limit in (0, 1) or re.search(rf"(?<![\w.-]){limit}(?!\w)", str(field.description)), (option, limit)


@pytest.mark.parametrize("name", MODELS)
def test_json_schemas_have_the_descriptions_of_the_options(name: str) -> None:
    """LangChain's fields are included. Some of their defaults have no JSON schema."""
    kind = ChatOptions if name == "ChatPollinations" else MODELS[name]
    with pytest.warns() if name.endswith("Tool") else nullcontext():
        schema = kind.model_json_schema()
    assert "Options:" not in schema["description"] and "Fields:" not in schema["description"]
    for option, found in schema["properties"].items():
        assert found["description"] == kind.model_fields[option].description


@pytest.mark.parametrize("name", MODELS)
def test_descriptions_are_the_docstrings_below_the_options(name: str) -> None:
    """Read with a parser what the package reads with a regular expression."""
    found: dict[str, str] = {}
    for base in reversed([each for each in MODELS[name].__mro__ if is_own(each) and "[" not in each.__name__]):
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(definition, ast.ClassDef)
        for field, text in pairwise(definition.body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=option)), ast.Expr(value=ast.Constant(value=str(written))):
                    found[option] = inspect.cleandoc(written)
    options = MODELS[name].model_fields
    assert {option: text for option, text in found.items() if option in options} == {
        option: field.description for option, field in options.items() if option in found
    }


def test_options_are_not_in_the_description_of_a_tool() -> None:
    """The model that calls a tool sees the arguments that it may choose, and no option of the program."""
    tool = PollinationsImageTool()
    assert not tool.args.keys() & {"api_key", "wrapper", "show", "models"}
    assert "Options:" in str(type(tool).__doc__) and "Options:" not in str(tool.tool_call_schema.__doc__)
    assert "Options:" not in tool.description


def test_a_package_without_source_files_has_no_descriptions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "temperature" in _read_docstrings(ChatOptions)
    monkeypatch.setattr(sys.modules[ChatOptions.__module__], "__file__", None)
    assert _read_docstrings(ChatOptions) == {}
