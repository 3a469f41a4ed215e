"""Answers the questions of a decision request with probabilities.

The state and the question determine an answer. An option is more probable if its words occur in the state.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from langchain_pollinations.emulator.synthesis.answers.words import stems

Json = dict[str, Any]

MATCH = 2.5  # added to the logit of an option for the first of its words in the state. Further words add less
DIGITS = 4  # decimals of a probability
CHOSEN = 0.9  # probability of the option that a test has chosen


def texts_of(value: Any) -> str:
    """Return the texts and numbers in a JSON value, without the keys of objects."""
    found, remaining = [], [value]
    while remaining:
        each = remaining.pop()
        if isinstance(each, dict | list):
            remaining += each.values() if isinstance(each, dict) else each
        elif each is not None and not isinstance(each, bool):
            found.append(str(each))
    return " ".join(reversed(found))


@dataclass(frozen=True)
class Case:
    """A state and one question about it."""

    state: Any
    question: Json

    @cached_property
    def _words(self) -> set[str]:
        return stems(texts_of(self.state))

    @cached_property
    def _seed(self) -> str:
        return sha256(json.dumps([self.state, self.question], sort_keys=True).encode()).hexdigest()

    def probabilities(self, options: Mapping[str, Any]) -> list[float]:
        """Return the probability of each option. An option consists of a label and its meaning."""
        logits = []
        for label, meaning in options.items():
            shared = self._words & stems(f"{label} {texts_of(meaning)}")
            noise = int.from_bytes(sha256(f"{self._seed} {label}".encode()).digest()[:6]) / 2**48
            logits.append(MATCH * math.log2(1 + len(shared)) + noise)
        peak = max(logits)
        return rounded([math.exp(logit - peak) for logit in logits])


def rounded(weights: Sequence[float]) -> list[float]:
    """Scale weights to probabilities with a fixed number of decimals. Their sum is exactly 1."""
    units = 10**DIGITS
    total = sum(weights)
    parts = [round(weight / total * units) for weight in weights]
    parts[max(range(len(weights)), key=weights.__getitem__)] += units - sum(parts)
    return [part / units for part in parts]


def _confidence(probabilities: Sequence[float]) -> float:
    """Return 1 if one option is certain, and 0 if all options are equally probable."""
    if len(probabilities) == 1:
        return 1.0
    entropy = -sum(p * math.log(p) for p in probabilities if p)
    return round(max(0.0, 1 - entropy / math.log(len(probabilities))), DIGITS)


def _choice_answer(labels: Sequence[str], probabilities: Sequence[float]) -> Json:
    return {
        "type": "choice",
        "choice": labels[max(range(len(labels)), key=probabilities.__getitem__)],
        "probabilities": dict(zip(labels, probabilities, strict=True)),
        "confidence": _confidence(probabilities),
    }


def _score_answer(rungs: Sequence[Any], probabilities: Sequence[float]) -> Json:
    return {
        "type": "score",
        "score": round(sum(place * p for place, p in enumerate(probabilities)), DIGITS),
        "legend": {str(place): rung for place, rung in enumerate(rungs)},
        "probabilities": {str(place): p for place, p in enumerate(probabilities)},
        "confidence": _confidence(probabilities),
    }


def _choice(case: Case) -> Json:
    criteria: Json = case.question["criteria"]
    return _choice_answer(list(criteria), case.probabilities(criteria))


def _score(case: Case) -> Json:
    rungs = case.question["criteria"]
    return _score_answer(rungs, case.probabilities({str(place): rung for place, rung in enumerate(rungs)}))


def _noul(case: Case) -> Json:
    criteria = case.question.get("criteria") or {}
    options = {"yes": [case.question["instructions"], criteria.get("true")], "no": criteria.get("false")}
    return {"type": "noul", "noul": case.probabilities(options)[0]}


JUDGES = {"choice": _choice, "score": _score, "noul": _noul}


def judged(state: Any, questions: Mapping[str, Json]) -> dict[str, Json]:
    """Answer each question. The answers are independent of each other."""
    return {name: JUDGES[question["type"]](Case(state, question)) for name, question in questions.items()}


def _around(score: float, count: int) -> list[float]:
    """Return probabilities of levels whose mean is `score`: only the two nearest levels are possible."""
    low = min(int(score), count - 1)
    upper = score - low
    return [1 - upper if place == low else upper if place == low + 1 else 0.0 for place in range(count)]


def chosen(question: Json, value: Any) -> Json:
    """Return the answer that a test has scripted.

    Args:
        question: The question of the request.
        value: The label of a choice, the position of a score, the probability of a noul, or a whole answer as a
            dictionary.

    Raises:
        ValueError: If the question does not allow the value.
    """
    if isinstance(value, Mapping):
        return dict(value)
    criteria: Any = question.get("criteria")
    kind = question["type"]
    if kind == "choice" and value in criteria:
        rest = (1 - CHOSEN) / max(1, len(criteria) - 1)
        return _choice_answer(list(criteria), rounded([CHOSEN if label == value else rest for label in criteria]))
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "score" and is_number and 0 <= value <= len(criteria) - 1:
        return _score_answer(criteria, _around(value, len(criteria)))
    if kind == "noul" and is_number and 0 <= value <= 1:
        return {"type": "noul", "noul": float(value)}
    raise ValueError(f"the scripted answer {value!r} does not fit a question of type {kind!r}")
