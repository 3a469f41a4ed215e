"""An agent for `langgraph dev`. All users share it, its tools and its store."""

from __future__ import annotations

import os

from langchain.agents import create_agent
from langchain_classic.storage import LocalFileStore

from langchain_pollinations import ChatPollinations, PollinationsToolkit

toolkit = PollinationsToolkit(
    include=["image", "edit_image"],
    media_store=LocalFileStore(os.environ["MEDIA_FOLDER"]),
    options={"image": {"width": 256, "height": 192}},
)
agent = create_agent(ChatPollinations(), toolkit.get_tools())
