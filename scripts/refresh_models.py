"""Rewrite the snapshot of the models from the service's own list, or from a saved answer of `GET /models`.

    python scripts/refresh_models.py [answer.json] [--base-url https://gen.pollinations.ai] [--to models.json] [--force]

The snapshot keeps the official models in the service's order, one a line, its keys in a fixed order. It leaves out
the service's prose and the health of the moment, and of parameters it keeps the names. Facts that the list does not
tell stay with their model (`CARRIED`).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence, Sized
from pathlib import Path
from typing import Any

import httpx
from pydantic import ValidationError

from langchain_pollinations._catalog.records import Model
from langchain_pollinations._validation import format_validation_error

Entry = dict[str, Any]

GEN = "https://gen.pollinations.ai"
SNAPSHOT = Path(__file__).parents[1] / "langchain_pollinations" / "data" / "models.json"

REQUIRED = ("name", "aliases", "category", "publisher", "community", "title", "pricing", "capabilities")
"""What the service promises of each entry."""
LEFT_OUT = ("description", "health")
CARRIED = ("supported_endpoints", "supports_structured_output", "max_completion_tokens")
"""Known from the service's source where its list is silent."""
ORDER = (
    "name", "aliases", "category", "publisher", "community", "title", "pricing", "pricing_variants",
    "input_modalities", "output_modalities", "supported_endpoints", "capabilities", "supported_parameters", "tools",
    "reasoning", "supports_structured_output", "context_length", "max_completion_tokens", "max_reference_images",
    "max_reference_videos", "voices", "resolutions", "video_capabilities", "min_duration", "max_duration",
    "default_duration", "allowed_durations", "is_specialized", "paid_only", "per_user_rpm", "flat_rate", "added_date",
)  # fmt: skip
"""Keys of an entry; others follow by name."""


class Refused(Exception):
    """A list that would make no good snapshot."""


def fetched(base_url: str) -> Any:
    """The list that everybody sees: asked without a key, which would add private models and hide others."""
    query = {"source": "official", "reliability": "all"}
    response = httpx.get(f"{base_url.rstrip('/')}/models", params=query, timeout=30, follow_redirects=True)
    response.raise_for_status()
    return response.json()


def official(answer: Any) -> list[Entry]:
    """The entries of an answer that belong into the snapshot.

    Raises:
        Refused: If it is no list of models, or an entry is damaged.
    """
    if not isinstance(answer, list):
        raise Refused("an answer of GET /models is a bare list; that of GET /v1/models tells too little")
    if damaged := [problem for entry in answer if (problem := problem_of(entry))]:
        raise Refused("; ".join(damaged))
    return [entry for entry in answer if not entry["community"]]


def problem_of(entry: Any) -> str | None:
    name = entry.get("name") if isinstance(entry, dict) else entry
    try:
        Model.model_validate(entry)
    except ValidationError as error:
        return f"{name}: {format_validation_error(error)}"
    missing = [key for key in REQUIRED if entry.get(key) is None]
    return f"{name}: without {', '.join(missing)}" if missing else None


def merged(entry: Entry, before: Entry) -> Entry:
    """An entry of the snapshot, from that of the list and what was known before."""
    known = {key: before[key] for key in CARRIED if key in before} | entry
    if isinstance(parameters := known.get("supported_parameters"), list):
        known["supported_parameters"] = [each["name"] if isinstance(each, dict) else each for each in parameters]
    keys = sorted(known.keys() - {*ORDER, *LEFT_OUT})
    return {key: known[key] for key in (*ORDER, *keys) if known.get(key) is not None}


def write(entries: Sequence[Entry], target: Path) -> None:
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    draft = target.with_name(f"{target.name}.new")
    draft.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    draft.replace(target)


def differences(before: dict[str, Entry], after: dict[str, Entry]) -> list[str]:
    """What is new, gone and changed, a line each."""
    lines = [f"added    {name}" for name in after if name not in before]
    lines += [f"removed  {name}" for name in before if name not in after]
    for name in (name for name in after if name in before):
        old, new = before[name], after[name]
        if changed := [key for key in {**old, **new} if old.get(key) != new.get(key)]:
            shown = (f"{key}: {json.dumps(old.get(key))} -> {json.dumps(new.get(key))}" for key in changed)
            lines.append(f"changed  {name}: {'; '.join(shown)}")
    return lines


def _losses(entries: Sequence[Entry], before: Sized) -> Iterator[str]:
    if not entries or len(entries) < len(before) / 2:
        yield f"{len(entries)} models where there were {len(before)}"


def _doubles(entries: Sequence[Entry]) -> Iterator[str]:
    counts = Counter(name for entry in entries for name in {entry["name"], *entry["aliases"]})
    if twice := sorted(name for name, count in counts.items() if count > 1):
        yield f"names of more than one model: {', '.join(twice)}"


def refresh(answer: Any, target: Path, *, force: bool) -> list[str]:
    """Write the snapshot anew; what has changed.

    Raises:
        Refused: If the answer is no good list, or one to doubt and `force` is not set.
    """
    before = {entry["name"]: entry for entry in json.loads(target.read_text("utf-8"))} if target.exists() else {}
    entries = official(answer)
    if not force and (doubts := [*_losses(entries, before), *_doubles(entries)]):
        raise Refused(f"{'; '.join(doubts)} (--force takes them all the same)")
    after = {entry["name"]: merged(entry, before.get(entry["name"], {})) for entry in entries}
    write(list(after.values()), target)
    return [*differences(before, after), f"{len(after)} models, {len(before)} before"]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("answer", nargs="?", type=Path, help="a saved answer of GET /models")
    options.add_argument("--base-url", default=os.environ.get("POLLINATIONS_BASE_URL") or GEN)
    options.add_argument("--to", type=Path, default=SNAPSHOT, help="the snapshot")
    options.add_argument("--force", action="store_true", help="take a list to doubt: with few models, or a name twice")
    chosen = options.parse_args()
    try:
        answer = json.loads(chosen.answer.read_text("utf-8")) if chosen.answer else fetched(chosen.base_url)
        print("\n".join(refresh(answer, chosen.to, force=chosen.force)))
    except (Refused, OSError, ValueError, httpx.HTTPError, httpx.InvalidURL) as error:
        print(f"The snapshot stays as it is: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
