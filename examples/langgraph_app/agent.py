"""The agent of the chat page (`../chat_app.py`), for LangGraph's server. All users share it, its tools and its store.

With a key in POLLINATIONS_API_KEY, the requests go to gen.pollinations.ai and cost pollen. Without a key, they go to an
emulator in the process of the server.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_classic.storage import LocalFileStore

from langchain_pollinations import ChatPollinations, PollinationsToolkit

INSTRUCTIONS = (
    "You are a helpful assistant with tools for images, videos, speech and music. The user sees and hears what the "
    "tools generate, so do not repeat the URLs."
)

if not os.environ.get("POLLINATIONS_API_KEY"):
    from langchain_pollinations.emulator import Emulator

    print("POLLINATIONS_API_KEY is not set: requests go to the emulator.", flush=True)
    connection: dict[str, Any] = Emulator(latency=0.5).start().connection()
else:
    connection = {}

# The media are on disk, so that they remain after a restart. Several servers need a store that they share.
media_store = LocalFileStore(os.environ.get("MEDIA_FOLDER") or Path(__file__).parent / ".langgraph_api" / "media")
tools = PollinationsToolkit(media_store=media_store, **connection).get_tools()
agent = create_agent(ChatPollinations(**connection), tools, system_prompt=INSTRUCTIONS)
