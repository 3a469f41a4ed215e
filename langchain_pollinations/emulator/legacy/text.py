"""The older host for text."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from ..refusals import Refusal
from .hosts import Visit

MODELS = [
    {
        "name": "openai-fast",
        "description": "GPT-OSS 20B Reasoning LLM (OVH)",
        "tier": "anonymous",
        "community": False,
        "aliases": ["openai", "gpt-oss", "gpt-oss-20b", "ovh-reasoning"],
        "input_modalities": ["text"],
        "output_modalities": ["text"],
        "tools": True,
        "reasoning": True,
        "vision": False,
        "audio": False,
    }
]


async def answer(visit: Visit) -> Response:
    if visit.asked.path == "/models":
        return JSONResponse(MODELS)
    raise Refusal(404)
