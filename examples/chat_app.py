"""A chat page with an agent that generates text, images, videos, speech and music.

    pip install '.[agents,emulator]' gradio
    python examples/chat_app.py

With a key in POLLINATIONS_API_KEY, the requests go to gen.pollinations.ai and cost pollen. Without a key, they go to
the emulator. The page is at http://127.0.0.1:7860, and only this machine can open it. Each page that is opened or
reloaded starts a conversation of its own. The page loads nothing from other servers.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import gradio as gr
    from langchain.agents import create_agent
except ModuleNotFoundError as error:
    sys.exit(f"{error}. The page needs: pip install '.[agents,emulator]' gradio")
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage, ToolMessage

from langchain_pollinations import (
    ChatPollinations,
    Media,
    Model,
    PollenMeter,
    PollinationsError,
    PollinationsToolkit,
    list_models,
)

DEFAULT = "openai/gpt-5.4"
INSTRUCTIONS = (
    "You are a helpful assistant with tools for images, videos, speech and music. The user sees and hears what the "
    "tools generate, so do not repeat the URLs."
)
EXAMPLES = [
    "Tell me a short illustrated story about a whale",
    "Generate a video of a lighthouse at dusk",
    "Generate speech: The tide is out.",
    "Generate music: a slow waltz",
]
IMAGE_LINK = re.compile(r"!\[[^\]]*(?:\](?:\([^)]*\)?)?)?")
"""An image in Markdown, which may be incomplete. The page shows the images of the tools instead."""

HEAD = """<meta http-equiv="Content-Security-Policy" content="
    img-src 'self' data: blob:; media-src 'self' data: blob:; frame-src 'none'; object-src 'none'; form-action 'none'">
"""
"""No URL that a model wrote is loaded. Otherwise, such a URL could send parts of the conversation to another server."""

INTERVAL = 0.05
"""Least time between two updates of the page in seconds. Each update costs time in proportion to the answer."""

CSS = """
button[title="Share"] { display: none; }  /* it uploads media to Hugging Face */
body:has(.stop-button) button[title="Clear"] { display: none; }  /* stop an answer first, otherwise it goes on */
.message img, .message video { max-height: 50vh; }
"""


class Conversation:
    """What one page has said and spent. Gradio creates one for each page that is opened."""

    def __init__(self) -> None:
        self.turns: dict[int, list[BaseMessage]] = {}
        self.meter = PollenMeter()
        self.thread_id = str(uuid.uuid4())  # media belong to their thread


class ChatPage:
    """What all pages share: the models, the agents and their tools."""

    def __init__(self, models: list[Model], folder: Path) -> None:
        self.models = {model.id: model for model in models}
        self.folder = folder
        self.toolkit = PollinationsToolkit()
        self.tools: list[Any] = self.toolkit.get_tools()
        self.agents: dict[str, Any] = {}

    def agent(self, model: str) -> Any:
        if model not in self.agents:
            tools = self.tools if self.models[model].tools else []
            instructions = INSTRUCTIONS if tools else None
            self.agents[model] = create_agent(ChatPollinations(model=model), tools, system_prompt=instructions)
        return self.agents[model]

    async def answer(
        self, asked: dict[str, Any], history: list[Any], model: str, conversation: Conversation
    ) -> AsyncIterator[tuple[list[gr.ChatMessage], str]]:
        """Yield the messages of an answer whenever they grow, and the cost of the conversation."""
        config: Any = {"configurable": {"thread_id": conversation.thread_id}, "callbacks": [conversation.meter]}
        # The page can remove the last turns: to edit a question, to ask again, or to clear the conversation.
        place = sum(message["role"] == "user" for message in history)
        turns = {number: turn for number, turn in conversation.turns.items() if number < place}
        before = [message for turn in turns.values() for message in turn]
        shown, updated = Answer(self.folder, self.toolkit), 0.0
        try:
            question = self.question(asked, self.models[model], config)
            conversation.turns = {**turns, place: [question]}
            state = {"messages": [*before, question]}
            async for mode, part in self.agent(model).astream(state, config, stream_mode=["messages", "values"]):
                if mode == "messages":
                    shown.add(part[0])
                elif not getattr(part["messages"][-1], "tool_calls", None):  # every tool call has its result
                    conversation.turns[place] = part["messages"][len(before) :]
                if mode == "values" or time.monotonic() - updated > INTERVAL:
                    yield shown.messages, cost(conversation.meter)
                    updated = time.monotonic()
        except (PollinationsError, OSError, ValueError) as error:
            if isinstance(error, ValueError):  # InvalidRequestError too: with this turn, later requests would fail
                conversation.turns = turns
            shown.fail(error)
        yield shown.messages, cost(conversation.meter)

    def question(self, asked: dict[str, Any], model: Model, config: Any) -> HumanMessage:
        """Convert what the user entered to a message. The tools know an attachment by its id."""
        if not asked["text"].strip() and not asked["files"]:
            raise ValueError("Write a message or attach a file.")
        content: list[Any] = [{"type": "text", "text": asked["text"]}] if asked["text"] else []
        for path in asked["files"]:
            media = Media.from_file(path)
            block = media.to_block()
            media_id = self.tools[0].add_media(media, config)
            content.append({"type": "text", "text": f"Attached: {Path(path).name}, id {media_id}"})
            if block["type"] == "file" or block["type"] in (model.input_modalities or ()):
                content.append(block | ({"filename": Path(path).name} if block["type"] == "file" else {}))
        return HumanMessage(content)


class Answer:
    """The messages of an answer that is being streamed."""

    def __init__(self, folder: Path, toolkit: PollinationsToolkit) -> None:
        self.messages: list[gr.ChatMessage] = []
        self._folder, self._toolkit = folder, toolkit
        self._growing: gr.ChatMessage | None = None
        """The message that the next piece of text may continue. `_text` is its complete text."""
        self._text = ""
        self._calls: dict[str, gr.ChatMessage] = {}

    def add(self, part: BaseMessage) -> None:
        if isinstance(part, ToolMessage):
            self._add_result(part)
        elif isinstance(part, AIMessageChunk):
            for block in part.content_blocks:
                if block["type"] == "text":
                    self._add_text(block["text"], None)
                elif block["type"] == "reasoning":
                    self._add_text(block.get("reasoning", ""), "Reasoning")
                elif block["type"] == "tool_call_chunk" and block.get("name"):
                    self._calls[block["id"] or ""] = self._show("", block["name"], "pending")

    def fail(self, error: Exception) -> None:
        for message in self._calls.values():
            message.metadata.pop("status", None)
        self._show(f"**The answer failed.** {error}")

    def _add_text(self, text: str, title: str | None) -> None:
        if text and (self._growing is None or self._growing.metadata.get("title") != title):
            self._growing, self._text = self._show("", title), ""
        if text and self._growing:
            self._text += text
            self._growing.content = IMAGE_LINK.sub("", self._text)

    def _add_result(self, result: ToolMessage) -> None:
        call = self._calls.pop(result.tool_call_id, None) or self._show("")
        failed = result.status == "error"
        call.metadata = {"title": f"{result.name} {'failed' if failed else 'finished'}", "status": "done"}
        call.content = result.text
        if not failed and result.artifact and "mime_type" in result.artifact:
            media = Media.from_artifact(result.artifact, store=self._toolkit.media_store)
            path = media.save(self._folder / str(uuid.uuid4()))
            content: Any = {"path": str(path), "mime_type": media.mime_type, "alt_text": media.prompt or ""}
            self.messages.insert(self.messages.index(call) + 1, gr.ChatMessage(content))

    def _show(self, content: str, title: str | None = None, status: str | None = None) -> gr.ChatMessage:
        metadata: Any = {name: value for name, value in (("title", title), ("status", status)) if value}
        self._growing = None
        self.messages.append(gr.ChatMessage(content, metadata=metadata))
        return self.messages[-1]


def cost(meter: PollenMeter) -> str:
    return f"Cost: **{meter.total.normalize():f} pollen**"


def label(model: Model) -> str:
    prices = [model.prices.get(unit) for unit in ("promptTextTokens", "completionTextTokens")]
    read, written = ("?" if price is None else f"{price * 1_000_000:.2f}" for price in prices)
    return f"{model.title or model.id} · {read} / {written}{'' if model.tools else ' · no tools'}"


def build(page: ChatPage) -> Any:
    choices = [(label(model), model.id) for model in page.models.values()]
    first = DEFAULT if DEFAULT in page.models else choices[0][1]
    with gr.Blocks(title="Chat with Pollinations.AI", fill_height=True, analytics_enabled=False) as blocks:
        with gr.Row():
            model = gr.Dropdown(
                choices, value=first, min_width=300, label="Model (pollen per million tokens, read / written)"
            )
            spent = gr.Markdown(cost(PollenMeter()), container=True)
        gr.ChatInterface(
            page.answer,
            multimodal=True,
            chatbot=gr.Chatbot(
                show_label=False,
                scale=1,
                buttons=["copy", "copy_all"],
                placeholder="Ask for a story, a video or a song.",
            ),
            textbox=gr.MultimodalTextbox(
                label="Message",
                placeholder="Write a message",
                file_count="multiple",
                file_types=["image", "audio", ".pdf"],
                stop_btn=True,
                autofocus=True,
            ),
            additional_inputs=[model, gr.State(Conversation)],
            additional_outputs=[spent],
            examples=[[{"text": text}] for text in EXAMPLES],
            cache_examples=False,
            concurrency_limit=None,
            api_visibility="private",
            analytics_enabled=False,
        )
    return blocks


@contextmanager
def service() -> Iterator[None]:
    """Use the service if there is a key, otherwise start the emulator."""
    if os.environ.get("POLLINATIONS_API_KEY"):
        yield
        return
    from langchain_pollinations.emulator import Emulator

    print("POLLINATIONS_API_KEY is not set: requests go to the emulator.", flush=True)
    with Emulator(latency=0.5) as emulator:
        connection = emulator.connection()
        os.environ["POLLINATIONS_BASE_URL"] = connection["base_url"]
        os.environ["POLLINATIONS_API_KEY"] = connection["api_key"]
        yield


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--port", type=int, default=7860)
    chosen = options.parse_args()
    with service(), tempfile.TemporaryDirectory() as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # uploads and media are deleted with the folder
        blocks = build(ChatPage(list_models("text", agent=False), Path(folder)))
        looks: Any = {"css": CSS, "head": HEAD, "footer_links": []}
        try:
            blocks.launch(server_name="127.0.0.1", server_port=chosen.port, share=False, **looks)
        except OSError as error:
            sys.exit(f"The page cannot use port {chosen.port}: {error}\nSelect another port with --port.")


if __name__ == "__main__":
    try:
        main()
    except (PollinationsError, ModuleNotFoundError) as error:
        sys.exit(str(error))
