"""An agent for LangGraph's server. All users share it, its tools and its store of media."""

from __future__ import annotations

import os

from langchain.agents import create_agent
from langchain_classic.storage import LocalFileStore

from langchain_pollinations import ChatPollinations, PollinationsToolkit

# An id of an image is valid only for the user who generated it, so the users can share one store. On several machines,
# use a store that they share.
toolkit = PollinationsToolkit(
    include=["image", "edit_image", "speech"],
    media_store=LocalFileStore(os.environ.get("MEDIA_FOLDER", "media")),
    options={"image": {"width": 768, "height": 512}},
)
agent = create_agent(
    ChatPollinations(),
    toolkit.get_tools(),
    system_prompt="You are a helpful assistant who illustrates. The user sees the images, so do not repeat their URLs.",
)
