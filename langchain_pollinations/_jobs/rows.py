"""The rows of a job, from a CSV file, a JSONL file or an iterable, with their ids."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from langchain_pollinations.errors import InvalidRequestError

Rows: TypeAlias = str | os.PathLike[str] | Iterable[Mapping[str, Any]]

FORMATS = (".csv", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class Row:
    """A row of a job."""

    id: str
    """Unique in the job. Equal in each run."""
    values: Mapping[str, Any]
    """The values as JSON, such as lists instead of tuples. They are a copy of those of the caller."""
    digest: str
    """Digest of the values. If a row has changed since it was finished, it runs again."""


def read_rows(rows: Rows, id_column: str | None) -> Sequence[Row] | Iterator[Row]:
    """Return the rows with their ids. A file and a sequence are read and checked as a whole. Another iterable is read
    while the job runs.

    Without `id_column`, the id is a digest of the values. Further rows with equal values get a number.

    Raises:
        InvalidRequestError: If a file or a row is invalid. The message names the row.
        OSError: If a file cannot be read.
    """
    if isinstance(rows, str | os.PathLike):
        return list(_identify(_read_file(Path(rows)), id_column))
    if isinstance(rows, bytes | Mapping) or not isinstance(rows, Iterable):
        kinds = "the path of a CSV or JSONL file, or an iterable of dicts"
        raise InvalidRequestError(f"rows: must be {kinds}, not {type(rows).__name__}", param="rows")
    found = _identify(((f"row {number}", row) for number, row in enumerate(rows, 1)), id_column)
    return list(found) if isinstance(rows, Sequence) else found


def digest_of(values: Any) -> str:
    """Return the digest of the values of a row, which are JSON."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _identify(rows: Iterable[tuple[str, Any]], id_column: str | None) -> Iterator[Row]:
    seen: Counter[str] = Counter()
    for place, values in rows:
        if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
            raise _error(place, f"must be a dict with text keys, not {type(values).__name__}")
        try:
            copied = json.loads(json.dumps(dict(values), allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise _error(place, f"must hold only values of JSON: {error}") from error
        digest = digest_of(copied)
        id = digest if id_column is None else _id_in(place, values, id_column)
        seen[id] += 1
        if seen[id] > 1:
            if id_column is not None:
                raise _error(place, f"has the id {id!r:.80} of an earlier row")
            id = f"{id}-{seen[id]}"
        yield Row(id, copied, digest)


def _id_in(place: str, values: Mapping[str, Any], id_column: str) -> str:
    value = values.get(id_column)
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise _error(place, f"needs a text or a whole number in its column {id_column!r}")
    return str(value)


def _read_file(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the place of each row in the file, for error messages, and its values."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InvalidRequestError(f"rows: the file {path.name} must end with {', '.join(FORMATS)}", param="rows")
    with path.open(encoding="utf-8-sig", newline="" if suffix == ".csv" else None) as file:
        try:
            yield from _read_csv(file) if suffix == ".csv" else _read_json_lines(file)
        except UnicodeDecodeError as error:
            raise InvalidRequestError(f"rows: the file {path.name} is not UTF-8: {error}", param="rows") from error


def _read_csv(file: Iterable[str]) -> Iterator[tuple[str, Any]]:
    reader = csv.DictReader(file, strict=True)
    try:
        for name, count in Counter(reader.fieldnames).items():
            if count > 1:
                raise _error("line 1", f"names the column {name!r:.80} {count} times")
        for values in reader:
            place = f"line {reader.line_num}"
            if None in values or None in values.values():
                raise _error(place, f"must have {len(reader.fieldnames or ())} values, as the header has")
            yield place, values
    except csv.Error as error:
        raise _error(f"line {reader.line_num}", f"is not valid CSV: {error}") from error


def _read_json_lines(file: Iterable[str]) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                yield f"line {number}", json.loads(line)
            except (ValueError, RecursionError) as error:
                raise _error(f"line {number}", f"is not valid JSON: {error}") from error


def _error(place: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError(f"rows: {place} {problem}", param="rows")
