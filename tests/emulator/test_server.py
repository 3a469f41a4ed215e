"""Starting and stopping: in process, as a program, and as a fixture of someone else's tests."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from langchain_pollinations.emulator import Emulator

from .conftest import KEY

ROOT = Path(__file__).resolve().parents[2]


def test_a_server_runs_from_start_to_stop() -> None:
    before = set(threading.enumerate())
    emulator = Emulator()
    with pytest.raises(RuntimeError, match="not been started"):
        _ = emulator.url
    with emulator:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", emulator.url)
        assert emulator.connection() == {"base_url": emulator.url, "api_key": "sk_emulator"}
        assert emulator.start() is emulator
        assert httpx.get(f"{emulator.url}/models").status_code == 200
        url = emulator.url
    emulator.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/models")
    assert set(threading.enumerate()) <= before


def test_a_server_that_was_away_comes_back_at_its_address() -> None:
    emulator = Emulator()
    with emulator, httpx.Client(base_url=emulator.url, headers=KEY) as http:
        url, link = emulator.url, http.get("/image/x", params={"width": 8, "height": 8}).headers["link"]
    with emulator:
        assert emulator.url == url and len(emulator.requests) == 1
        assert httpx.get(link[1 : link.index(">")]).status_code == 200


def test_a_port_in_use_is_named(pollinations_emulator: Emulator) -> None:
    port = int(pollinations_emulator.url.rpartition(":")[2])
    with pytest.raises(OSError, match=f"Port {port} cannot be used"):
        Emulator(port).start()
    with pytest.raises(OverflowError):
        Emulator(80000).start()


def test_two_servers_share_nothing() -> None:
    with Emulator() as one, Emulator(keys={"sk_x": {"balance": 0}}) as other:
        assert one.url != other.url and other.connection()["api_key"] == "sk_x"
        one.reply("only here")
        httpx.get(f"{other.url}/models")
        assert one.requests == [] and len(other.requests) == 1


def test_stopping_does_not_wait_for_silent_streams() -> None:
    before = set(threading.enumerate())
    with Emulator() as emulator, httpx.Client(base_url=emulator.url, headers=KEY, timeout=0.1) as http:
        emulator.fail("stall", seconds=60)
        with pytest.raises(httpx.ReadTimeout):
            http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "x"}], "stream": True})
    assert set(threading.enumerate()) <= before


def test_a_request_whose_body_is_cut_off_is_not_recorded(pollinations_emulator: Emulator) -> None:
    url = httpx.URL(pollinations_emulator.url)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: {KEY['authorization']}\r\n"
    with socket.create_connection((url.host, url.port)) as connection:
        connection.sendall(f"{head}content-length: 99\r\n\r\n{{".encode())
    httpx.get(f"{url}/models")
    assert [asked.path for asked in pollinations_emulator.requests] == ["/models"]


async def test_a_server_starts_inside_a_running_loop() -> None:
    with Emulator() as emulator:
        async with httpx.AsyncClient(base_url=emulator.url) as http:
            assert (await http.get("/models")).status_code == 200


def test_a_fresh_state_for_each_test(pollinations_emulator: Emulator) -> None:
    pollinations_emulator.keys.clear()
    pollinations_emulator.latency = 5
    pollinations_emulator.reply("left over")
    pollinations_emulator.reset()
    assert pollinations_emulator.latency == 0 and "sk_emulator" in pollinations_emulator.keys
    answer = httpx.get(f"{pollinations_emulator.url}/text/hi", headers=KEY)
    assert "left over" not in answer.text and len(pollinations_emulator.requests) == 1


@contextmanager
def program(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "error", "-m", "langchain_pollinations.emulator", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="this system cannot send SIGINT to a process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_serves_until_it_is_interrupted(number: signal.Signals) -> None:
    with program("--port", "0") as process:
        assert process.stdout is not None
        told = ""
        while "Ctrl-C" not in told:
            told += process.stdout.readline()
        found = re.search(r"base_url  (\S+)", told)
        assert found and "sk_emulator" in told and "ChatPollinations(" in told
        assert f"export POLLINATIONS_BASE_URL={found[1]}\n" in told and "export POLLINATIONS_API_KEY=sk_emu" in told
        assert httpx.get(f"{found[1]}/models").status_code == 200
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0 and errors == ""


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with program("--port", str(port)) as process:
            out, errors = process.communicate(timeout=120)
            assert process.returncode == 1 and out == ""
            assert re.fullmatch(rf"Port {port} cannot be used: .+\. --port selects another port; 0 .+\n", errors)


def test_the_program_knows_the_dialects() -> None:
    with program("--dialect", "nope") as process:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 2 and "vertex" in errors


USERS_TESTS = """
import httpx
import pytest

def ask(emulator):
    key = {"authorization": "Bearer " + emulator.connection()["api_key"]}
    body = {"messages": [{"role": "user", "content": "hi"}]}
    return httpx.post(emulator.url + "/v1/chat/completions", json=body, headers=key).json()

@pytest.mark.unused_replies
def test_one(pollinations_emulator):
    pollinations_emulator.reply("first", "left over")
    assert ask(pollinations_emulator)["choices"][0]["message"]["content"] == "first"

def test_two(pollinations_emulator):
    assert pollinations_emulator.requests == []
    assert ask(pollinations_emulator)["choices"][0]["message"]["content"] != "left over"
"""


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        "-W",
        "error",
        *arguments,
        str(folder),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env=environment)


PLUGIN = ("-p", "langchain_pollinations.pytest_plugin")
ONLY_PLUGIN = ("--disable-plugin-autoload", *PLUGIN)  # without the time that the other plugins take


def _plugin_arguments() -> tuple[str, ...]:
    """Name the plugin only where the installed package does not bring it by itself."""
    from importlib.metadata import entry_points

    installed = {entry.value for entry in entry_points(group="pytest11")}
    return () if PLUGIN[1] in installed else PLUGIN


def test_the_fixture_in_tests_without_other_sockets(tmp_path: Path) -> None:
    (tmp_path / "test_users.py").write_text(USERS_TESTS)
    done = pytest_in(tmp_path, *_plugin_arguments(), "--disable-socket", "--allow-hosts=127.0.0.1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


TESTS_THAT_LEAVE_REPLIES = """
import httpx
import pytest

def ask(emulator):
    httpx.get(emulator.url + "/text/hi", headers={"authorization": "Bearer sk_emulator"})

def test_reply(pollinations_emulator):
    pollinations_emulator.reply("unasked")

def test_fault_of_a_legacy_host(pollinations_emulator):
    pollinations_emulator.legacy.fail(503)

def test_that_fails_by_itself(pollinations_emulator):
    pollinations_emulator.reply("unasked")
    assert ask is None

@pytest.mark.unused_replies
def test_with_the_marker(pollinations_emulator):
    pollinations_emulator.reply("unasked")

def test_that_uses_a_line_for_several_requests_once(pollinations_emulator):
    pollinations_emulator.reply("asked", times=9)
    ask(pollinations_emulator)

def test_that_clears_what_is_left(pollinations_emulator):
    pollinations_emulator.reply("unasked")
    pollinations_emulator.clear()
"""


def test_replies_that_no_request_asked_for_fail_their_test(tmp_path: Path) -> None:
    (tmp_path / "test_users.py").write_text(TESTS_THAT_LEAVE_REPLIES)
    done = pytest_in(tmp_path, *ONLY_PLUGIN, "--strict-markers", "-rA")
    wrong = sorted(line.partition("::")[2].split()[0] for line in done.stdout.splitlines() if line.startswith("ERROR "))
    assert wrong == ["test_fault_of_a_legacy_host", "test_reply"], done.stdout
    assert "1 failed, 5 passed, 2 errors" in done.stdout
    assert "No request asked for 1 of the scripted replies or faults" in done.stdout
    assert "unasked" in done.stdout


TESTS_OF_CODE_THAT_CREATES_ITS_OWN_MODEL = """
import os

from langchain_pollinations import ChatPollinations, PollinationsToolkit

def test_the_agent(pollinations_emulator):
    pollinations_emulator.reply("Hello")
    assert ChatPollinations().invoke("Hi").text == "Hello"
    assert {tool.wrapper.base_url for tool in PollinationsToolkit().get_tools()} == {pollinations_emulator.url}
    assert ChatPollinations(api="legacy", legacy_interval=0).invoke("Hi").text
    assert len(pollinations_emulator.legacy.requests) == 1

def test_without_the_fixture():
    assert os.environ["POLLINATIONS_API_KEY"] == "sk_of_the_shell"
    assert "POLLINATIONS_BASE_URL" not in os.environ
"""


def test_code_that_names_no_connection_reaches_the_emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test must not send requests to the service with the key of the shell."""
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk_of_the_shell")
    (tmp_path / "test_users.py").write_text(TESTS_OF_CODE_THAT_CREATES_ITS_OWN_MODEL)
    done = pytest_in(tmp_path, *ONLY_PLUGIN)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_the_fixture_names_the_extra_that_it_needs(tmp_path: Path) -> None:
    (tmp_path / "test_users.py").write_text(USERS_TESTS)
    (tmp_path / "conftest.py").write_text("import sys\nsys.modules['uvicorn'] = None\n")
    done = pytest_in(tmp_path, *ONLY_PLUGIN)
    assert done.returncode != 0 and "langchain-pollinations-ai[emulator]" in done.stdout


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "PIL"])
def test_without_the_extra_the_import_says_what_to_install(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import langchain_pollinations.emulator"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: The emulator needs its extra: pip install 'langchain-pollinations-ai")


def test_the_plugin_is_cheap_to_import() -> None:
    code = (
        "import sys, langchain_pollinations.pytest_plugin as p; "
        "print([m for m in ('starlette', 'uvicorn', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr
