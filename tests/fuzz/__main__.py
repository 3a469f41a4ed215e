"""Fuzz one target for a while.

    python -m tests.fuzz stream 600    # seconds

It starts with the inputs in `corpus/`. New inputs that reach more code are written to `build/fuzz/`, and an input that
fails, or takes longer than 10 seconds, ends the run with its traceback and is written there too.

    python -m tests.fuzz stream --keep

This adds the smallest inputs in `build/fuzz/` to `corpus/`, up to 4 KiB in total.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import atheris

CORPUS = Path(__file__).parent / "corpus"
BUILD = Path("build/fuzz")
KEPT = 4096
"""Maximum size of the kept inputs of a target in bytes."""
LONGEST = 4096
"""Maximum size of an input in bytes."""
WORDS = (
    *("data: ", "\n\n", "[DONE]", "event: error", "id:", ": ping", "\\u00", "\\ud83d", '{"choices":[{"delta":{'),
    *('"content":', '"tool_calls":', '"arguments":"', '"finish_reason":"stop"', '"usage":{', '"message":{', '"error":'),
    *('"content_blocks":[', '"reasoning_content":', '"audio":{"data":', '"images":[', '"annotations":[', "<think>"),
    *("</think>", "data:image/png;base64,", ";charset=", "%2C", "RIFF", "WAVE", "fmt ", "data", "ftyp", "moov", "mdat"),
    *("IHDR", "IEND", "GIF89a", "glTF", "ply\n", "element vertex 3", "property list uchar", "end_header", "OggS"),
    *('{"id":"1","row":{},"status":"done","files":[', '"status":"failed"', "avif", "mif1", "M4A "),
)


def _read_kept(target: str) -> list[bytes]:
    """Return the kept inputs: one JSON string per line, with a character for each byte."""
    lines = (CORPUS / f"{target}.jsonl").read_text("ascii").splitlines()
    return [json.loads(line).encode("latin-1") for line in lines]


def _write_seeds(target: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for data in _read_kept(target):
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def _dictionary() -> Path:
    path = BUILD / "words.txt"
    escaped = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in WORDS)
    path.write_text("".join(f'"{word}"\n' for word in escaped))
    return path


def _keep(target: str, folder: Path) -> None:
    found = sorted((path.read_bytes() for path in folder.iterdir()), key=lambda data: (len(data), data))
    kept = _read_kept(target)
    for data in found:
        if data not in kept and sum(map(len, [*kept, data])) <= KEPT:
            kept.append(data)
    (CORPUS / f"{target}.jsonl").write_text(
        "".join(json.dumps(data.decode("latin-1")) + "\n" for data in kept), "ascii"
    )


def main() -> None:
    with atheris.instrument_imports(include=["langchain_pollinations", "httpx_sse", "wave"]):
        from .targets import TARGETS
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("seconds", type=int, nargs="?", default=600)
    parser.add_argument("--keep", action="store_true")
    chosen = parser.parse_args()
    found = BUILD / chosen.target
    _write_seeds(chosen.target, found)
    if chosen.keep:
        _keep(chosen.target, found)
        return
    options = [f"-max_len={LONGEST}", "-timeout=10", f"-artifact_prefix={BUILD}/{chosen.target}-", "-rss_limit_mb=2048"]
    arguments = [*options, f"-max_total_time={chosen.seconds}", f"-dict={_dictionary()}", str(found)]
    atheris.Setup([sys.argv[0], *arguments], TARGETS[chosen.target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
