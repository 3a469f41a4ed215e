"""The older host for pictures."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from .hosts import Visit

MODELS = ["sana"]


async def answer(visit: Visit) -> Response:
    asked = visit.asked
    if asked.path == "/models":
        return JSONResponse(MODELS)
    told = {"error": "Not Found", "message": "The requested resource was not found", "path": asked.path}
    return JSONResponse(told, 404)
