"""A route that sends the media of the tools: `GET /media/{media_id}`. Each user can download only their own media."""

from __future__ import annotations

import asyncio

from agent import tools
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def download(request: Request) -> Response:
    owner = {"configurable": {"langgraph_auth_user_id": request.user.identity}}
    media = await asyncio.to_thread(tools[0].find_media, request.path_params["media_id"], owner)
    if media is None:
        raise HTTPException(404, "You have no media with this id.")
    # A browser opens no page from these bytes, because language models and users chose them.
    headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
    return Response(media.data, media_type=media.mime_type, headers=headers)


app = Starlette(routes=[Route("/media/{media_id}", download)])
