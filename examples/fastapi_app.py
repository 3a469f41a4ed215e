"""An endpoint that streams the text and the images of an agent as server-sent events.

    pip install '.[agents]' fastapi uvicorn
    python examples/fastapi_app.py
    curl -N http://127.0.0.1:8000/answers --json '{"question": "Tell me a short illustrated story about a whale"}'

It needs a key in POLLINATIONS_API_KEY. To use the emulator, see `python -m langchain_pollinations.emulator`. It then
also needs POLLINATIONS_BASE_URL.

The events `reasoning` and `text` carry a piece of text. The event `image` carries the content block of LangChain, with
the bytes as base64. The last event is `done` with the cost, or `error` with a message. If the client disconnects, the
run is cancelled.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import uvicorn
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from langchain.agents import create_agent
from langchain_core.messages import AIMessageChunk, ToolMessage
from pydantic import BaseModel, Field

from langchain_pollinations import ChatPollinations, Media, PollenMeter, PollinationsError, PollinationsToolkit

app = FastAPI(title="An illustrating agent")
toolkit = PollinationsToolkit(include=["image"], options={"image": {"width": 768, "height": 512}})
agent: Any = create_agent(ChatPollinations(), toolkit.get_tools())


class Question(BaseModel):
    question: str = Field(min_length=1, max_length=10_000)


@app.post("/answers", response_class=EventSourceResponse)
async def answer(asked: Question) -> AsyncIterator[ServerSentEvent]:
    meter = PollenMeter(budget="0.5")
    # The images of a run are visible to this run only, because each run has a thread of its own.
    config = {"configurable": {"thread_id": str(uuid4())}, "callbacks": [meter]}
    try:
        async for part, _ in agent.astream({"messages": asked.question}, config, stream_mode="messages"):
            if isinstance(part, AIMessageChunk):
                for block in part.content_blocks:
                    if block["type"] in ("text", "reasoning"):
                        yield ServerSentEvent(event=block["type"], data=block.get(block["type"], ""))
            elif isinstance(part, ToolMessage) and part.status == "success":
                media = Media.from_artifact(part.artifact, store=toolkit.media_store)
                yield ServerSentEvent(event="image", data=media.to_block())
    except PollinationsError as error:
        yield ServerSentEvent(event="error", data={"type": type(error).__name__, "message": str(error)})
    else:
        yield ServerSentEvent(event="done", data={"pollen": str(meter.total)})


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--port", type=int, default=8000)
    uvicorn.run(app, host="127.0.0.1", port=options.parse_args().port)
