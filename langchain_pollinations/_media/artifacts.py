"""Checks of artifacts, which describe a `Media` in a tool message. A checkpoint or a trace may have been changed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langchain_pollinations._media.files import expanded

ARTIFACT_TYPE = "pollinations_media"

DESCRIBED = ("mime_type", "url", "model", "seed", "prompt", "cost", "request_id")
"""Attributes of a `Media` that an artifact contains unchanged, beside `metadata`."""

_TYPES: Mapping[str, type] = {**dict.fromkeys(DESCRIBED, str), "seed": int, "metadata": dict}


def artifact_error(says: str) -> ValueError:
    return ValueError(f"artifact of type {ARTIFACT_TYPE!r}: {says}")


def check_artifact(artifact: Any, folder: Any) -> None:
    """Raise an error if an object is no artifact of a media tool, or if the folder is no path."""
    if artifact is None:
        raise ValueError("artifact is None: the call failed (status 'error'), or the tool generates no media")
    if not isinstance(artifact, Mapping) or artifact.get("type") != ARTIFACT_TYPE:
        raise ValueError(f"artifact must come from a Pollinations media tool and have the type {ARTIFACT_TYPE!r}")
    if folder is not None and not isinstance(folder, str | os.PathLike):
        raise ValueError(f"folder must be a path, not {type(folder).__name__}; pass a store by name: store=...")


def described(artifact: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that an artifact contains, after a check of their types."""
    known = {name: artifact[name] for name in _TYPES if artifact.get(name) is not None}
    for name, value in known.items():
        if not isinstance(value, _TYPES[name]):
            raise artifact_error(f"{name} must be {_TYPES[name].__name__}, not {type(value).__name__}")
    if "mime_type" not in known or artifact.keys().isdisjoint(("base64", "path", "sha256")):
        raise artifact_error("needs a 'mime_type', and 'base64', 'path' or 'sha256'")
    return known


def resolve_below(folder: str | os.PathLike[str] | None, path: Any) -> Path:
    """Resolve the path of an artifact. The path must be below the folder."""
    if folder is None:
        raise artifact_error("its bytes are in a file: pass the folder that contains it, as folder=...")
    if not isinstance(path, str) or "\0" in path or re.match(r"[/\\]([/\\]|\?\?)", path):
        raise artifact_error("path must be that of a file on this machine")
    base = expanded(folder, "folder").resolve()
    try:
        found = (base / path).resolve()
    except (OSError, RuntimeError) as error:
        raise artifact_error(f"path cannot be read: {error}") from error
    if not found.is_relative_to(base):
        raise artifact_error(f"path is not below the folder {base.name!r}")
    return found
