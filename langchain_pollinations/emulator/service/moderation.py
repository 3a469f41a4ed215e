"""Content filter results of Azure, which hosts OpenAI's models for the service.

The emulated filters never find anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

SERVED = ("openai/gpt-4", "openai/gpt-5", "openai/gpt-6", "openai/gpt-audio")
HARMS = ("hate", "self_harm", "sexual", "violence")
OF_PROMPT = ("jailbreak",)
OF_COMPLETION = ("protected_material_text", "protected_material_code")


def is_served(name: str) -> bool:
    """Whether Azure hosts a model."""
    return name.startswith(SERVED)


def _results(detectors: Sequence[str]) -> Json:
    rated = {harm: {"filtered": False, "severity": "safe"} for harm in HARMS}
    return rated | {detector: {"filtered": False, "detected": False} for detector in detectors}


def judged(body: Mapping[str, Any]) -> Json:
    """Add content filter results to a response body. Existing results are not overwritten."""
    prompt = {"prompt_index": 0, "content_filter_results": _results(OF_PROMPT)}
    choices = [{"content_filter_results": _results(OF_COMPLETION), **choice} for choice in body["choices"]]
    return {"prompt_filter_results": [prompt], **body, "choices": choices}


def _headers(side: str, detectors: Sequence[str]) -> dict[str, str]:
    rated = {f"x-moderation-{side}-{harm.replace('_', '-')}-severity": "safe" for harm in HARMS}
    return rated | {f"x-moderation-{side}-{name.replace('_', '-')}-detected": "false" for name in detectors}


def headers() -> dict[str, str]:
    """Return the content filter results as response headers."""
    return _headers("prompt", OF_PROMPT) | _headers("completion", OF_COMPLETION)
