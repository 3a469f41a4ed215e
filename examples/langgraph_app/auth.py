"""Two users for a demonstration, whose tokens are their names. Each has access to their own threads only.

Replace `authenticate` with the check of your own tokens. `own_resources` can stay.
"""

from __future__ import annotations

from typing import Any

from langgraph_sdk import Auth

USERS = ("anna", "bert")
auth = Auth()


@auth.authenticate
async def authenticate(authorization: str | None) -> dict[str, Any]:
    user = (authorization or "").removeprefix("Bearer ")
    if user not in USERS:
        raise Auth.exceptions.HTTPException(status_code=401, detail="unknown user")
    return {"identity": user}


@auth.on
async def own_resources(ctx: Any, value: dict[str, Any]) -> dict[str, str]:
    owner = {"owner": ctx.user.identity}
    value.setdefault("metadata", {}).update(owner)
    return owner
