"""Authentication for a demonstration: two users, whose keys are in this file.

Replace `authenticate` before you deploy the server. It is the place for the check of your identity provider, such as
the signature of a JWT. The tools separate the media of users by the `identity` that it returns. `own_resources` and
`own_items` can stay as they are.
"""

from __future__ import annotations

from typing import Any

from langgraph_sdk import Auth

USERS = {"demo-key-of-anna": "anna", "demo-key-of-bert": "bert"}

auth = Auth()


@auth.authenticate
async def authenticate(authorization: str | None) -> dict[str, Any]:
    identity = USERS.get((authorization or "").removeprefix("Bearer "))
    if identity is None:
        raise Auth.exceptions.HTTPException(status_code=401, detail="The header Authorization has no valid key.")
    return {"identity": identity}


@auth.on
async def own_resources(ctx: Any, value: dict[str, Any]) -> dict[str, str]:
    """Let each user see only their own threads and runs."""
    owner = {"owner": ctx.user.identity}
    value.setdefault("metadata", {}).update(owner)
    return owner


@auth.on.store
async def own_items(ctx: Any, value: dict[str, Any]) -> None:
    """Let each user see only their own items in the store of the server. It is not the store of the media."""
    if tuple(value.get("namespace") or ())[:1] != (ctx.user.identity,):
        raise Auth.exceptions.HTTPException(status_code=403, detail="The namespace must start with the user.")
