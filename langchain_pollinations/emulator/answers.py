"""The rule-based answerer: the same words and seed give the same answer."""

from __future__ import annotations

from typing import Any

from .talk import Talk

Json = dict[str, Any]


def answer(talk: Talk) -> Json:
    return {"content": f"You said: {talk.asked}"}
